// The exported functions of a library, and its target.
#ifndef SYLVITE_COMPILER_CODEGEN_HOSTOBJECT_H
#define SYLVITE_COMPILER_CODEGEN_HOSTOBJECT_H

#include "compiler/codegen/Library.h"
#include "llvm/TargetParser/Triple.h"

namespace sylvite {

/// What a Halide target string ("x86-64-linux-avx2-fma") says to LLVM and to the runtime.
struct TargetInfo {
  llvm::Triple triple;
  uint64_t cpuFeatures = 0; // enum sylvite_cpu_feature
};

llvm::Expected<TargetInfo> parseTarget(llvm::StringRef target);

/// The symbol that embedded weights have inside a library.
inline constexpr char weightsSymbol[] = "sylvite_embedded_weights";

/// Exported functions are emitted as `sylvite_export_<suffix>` and get the model's name when everything else
/// has become local, so that no name of a model can meet a symbol of the runtime.
inline constexpr char exportPrefix[] = "sylvite_export_";

/// The suffixes of all exported functions: "create", "forward", ...
llvm::ArrayRef<llvm::StringRef> getExportSuffixes();

} // namespace sylvite

#endif
