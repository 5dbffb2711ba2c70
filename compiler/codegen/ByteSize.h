// Sizes as people write them: "500MB", "1.5GiB".
#ifndef SYLVITE_COMPILER_CODEGEN_BYTESIZE_H
#define SYLVITE_COMPILER_CODEGEN_BYTESIZE_H

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include <cstdint>
#include <optional>

namespace sylvite {

/// The bytes that `text` says, a number with or without a unit from B to GB or GiB; nothing where it says none.
inline std::optional<uint64_t> parseByteSize(llvm::StringRef text) {
  llvm::StringRef number = text.take_while([](char c) { return llvm::isDigit(c) || c == '.'; });
  double value, unit = llvm::StringSwitch<double>(text.drop_front(number.size()))
                           .Cases({"", "B"}, 1)
                           .Case("KB", 1e3)
                           .Case("MB", 1e6)
                           .Case("GB", 1e9)
                           .Case("KiB", 0x1p10)
                           .Case("MiB", 0x1p20)
                           .Case("GiB", 0x1p30)
                           .Default(-1);
  if (number.getAsDouble(value) || unit < 0 || value * unit > 0x1p50)
    return std::nullopt;
  return static_cast<uint64_t>(value * unit);
}

} // namespace sylvite

#endif
