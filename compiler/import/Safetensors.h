//===- Safetensors.h - The tensors of a safetensors file, in place --------===//
//
// Reads the header of a safetensors file (a JSON object of dtype, shape and offsets per name) and checks it
// against the data that follow. A tensor is a slice of the file's bytes. It does not write.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_COMPILER_IMPORT_SAFETENSORS_H
#define SYLVITE_COMPILER_IMPORT_SAFETENSORS_H

#include "compiler/import/Bytes.h"
#include "llvm/ADT/SmallVector.h"
#include <map>
#include <string>

namespace sylvite {

struct Safetensor {
  std::string dtype; // "F32", "I64", "BF16"... little-endian
  llvm::SmallVector<int64_t, 4> shape;
  Bytes data; // row-major, of exactly the shape's size
};

/// True when `bytes` start with a plausible header.
bool isSafetensors(Bytes bytes);

/// The tensors in `bytes` by name; they refer to `bytes`.
llvm::Expected<std::map<std::string, Safetensor, std::less<>>> readSafetensors(Bytes bytes);

} // namespace sylvite

#endif // SYLVITE_COMPILER_IMPORT_SAFETENSORS_H
