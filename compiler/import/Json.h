//===- Json.h - JSON of unknown origin ------------------------------------===//
//
// Parses the JSON in model files into nlohmann's ordered DOM. Python writes NaN and Infinity, which JSON has
// not: they arrive here as marked strings, so that whoever asks for a number can name what it found. It
// knows no schema.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_COMPILER_IMPORT_JSON_H
#define SYLVITE_COMPILER_IMPORT_JSON_H

#include "compiler/import/Bytes.h"
#include "llvm/ADT/SmallVector.h"
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace sylvite {

using Json = nlohmann::ordered_json;

/// How deep objects and lists may nest. Keras nests a few levels per nested model.
constexpr unsigned kMaxJsonDepth = 256;

/// Parses `text`, which is called `what` in errors. Rejects nesting beyond kMaxJsonDepth, text that is
/// not UTF-8 and a name that an object holds twice.
llvm::Expected<Json> parseJson(llvm::StringRef text, llvm::StringRef what);

/// The member `key` of an object; null when `value` is no object or has no such member.
const Json *member(const Json &value, llvm::StringRef key);

/// The string in `value`, if it is one.
std::optional<llvm::StringRef> asString(const Json *value);
/// The integer in `value`; floating-point numbers without a fraction count, as they do in Python.
std::optional<int64_t> asInteger(const Json *value);
/// The number in `value`, NaN and infinities included.
std::optional<double> asNumber(const Json *value);
std::optional<bool> asBoolean(const Json *value);
/// A list of integers; with `null` elements as `missing` when that is given.
std::optional<llvm::SmallVector<int64_t>> asIntegers(const Json *value,
                                                     std::optional<int64_t> missing = std::nullopt);

/// `value` as a short text for a diagnostic.
std::string describe(const Json &value);

} // namespace sylvite

#endif // SYLVITE_COMPILER_IMPORT_JSON_H
