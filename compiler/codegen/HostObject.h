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
/// has become local, so that no name of a model can meet a symbol of the runtime. A finished host module has one
/// definition of such a name for every function that the library exports.
inline constexpr char exportPrefix[] = "sylvite_export_";

/// How the function NAME_ENTRY of a library takes its outputs.
enum class EntryForm {
  Tensors,  // a pointer each
  Metrics,  // scalars: a pointer to a NAME_metrics, which may be null
  Gradients // a pointer to the loss, which may be null, and an array of pointers to the others
};

EntryForm getForm(const EntryInfo &entry);

} // namespace sylvite

#endif
