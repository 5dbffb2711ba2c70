// Weights in a library or beside it. They are written from the caller's memory straight to the file, in one
// pass: never as text, an LLVM constant, or a linker's input.
#ifndef SYLVITE_COMPILER_CODEGEN_WEIGHTS_H
#define SYLVITE_COMPILER_CODEGEN_WEIGHTS_H

#include "compiler/codegen/Library.h"

namespace sylvite {

/// Where each parameter starts in the embedded weights, aligned to SYLVITE_ALIGNMENT; SYLVITE_ZERO for one that
/// is zero at first and takes no space.
struct WeightsLayout {
  llvm::SmallVector<uint64_t> offsets;
  uint64_t size = 0;
};

WeightsLayout layoutWeights(llvm::ArrayRef<ParameterInfo> parameters);

/// The section of the embedded weights, which is empty (NOBITS) until fillWeightsSection.
inline constexpr char weightsSection[] = ".sylvite_weights";

/// Writes an object file that holds `symbol` in an empty section of `size` bytes, for the machine of `like`,
/// another object file.
llvm::Error writeWeightsPlaceholder(llvm::StringRef path, llvm::StringRef like, llvm::StringRef symbol,
                                    uint64_t size);

/// Appends the weights to an object or shared library that was linked with the placeholder, and makes its
/// section (and, in a shared library, its segment) refer to them.
llvm::Error fillWeightsSection(llvm::StringRef path, llvm::ArrayRef<ParameterInfo> parameters);

/// Writes the parameters as a safetensors file.
llvm::Error writeSafetensors(llvm::StringRef path, llvm::ArrayRef<ParameterInfo> parameters);

} // namespace sylvite

#endif
