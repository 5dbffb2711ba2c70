// From LLVM IR to objects and assembly: the last step of host programs and of kernels.
#ifndef SYLVITE_COMPILER_CODEGEN_MACHINECODE_H
#define SYLVITE_COMPILER_CODEGEN_MACHINECODE_H

#include "llvm/Support/Error.h"
#include "llvm/Target/TargetMachine.h"

namespace sylvite {

/// The code generator for `triple`: position-independent code for the architecture's baseline, a section for each function.
/// Functions that name a CPU and its features in their attributes get these.
llvm::Expected<std::unique_ptr<llvm::TargetMachine>> createTargetMachine(const llvm::Triple &triple);

/// Appends the code of `module` to `out`.
llvm::Error emitMachineCode(llvm::Module &module, llvm::TargetMachine &machine, llvm::CodeGenFileType type,
                            llvm::raw_ostream &out);

/// The code of a kernel, which Halide has written as `bitcode`. Prefetches are into the second cache, but for those of `fetchNear`:
/// Halide's ask for data that is used once, which some processors keep out of it. A greatest or least lane is found by halves of a
/// vector, not lane after lane: which of two is taken where one is no number is as open as in Halide's maximum of two vectors.
llvm::Expected<std::string> compileKernelBitcode(llvm::StringRef bitcode, llvm::CodeGenFileType type);

} // namespace sylvite

#endif // SYLVITE_COMPILER_CODEGEN_MACHINECODE_H
