//===- Backend.h - from tensors to machine code -----------------*- C++ -*-===//
//
// The second half of a compilation, used twice: for a model, and for what a model computes once from its
// parameters.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_COMPILER_DRIVER_BACKEND_H
#define SYLVITE_COMPILER_DRIVER_BACKEND_H

#include "compiler/codegen/KernelCompiler.h"
#include "compiler/driver/Compile.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"

#include <memory>

namespace llvm {
class LLVMContext;
class Module;
} // namespace llvm

namespace sylvite {

/// A module whose functions have become a host program and kernels.
struct Program {
  std::vector<std::shared_ptr<const CompiledKernel>> kernels; ///< distinct ones
  LibraryDescription description;
  std::unique_ptr<llvm::LLVMContext> context;
  std::unique_ptr<llvm::Module> host;
  double kernelSeconds = 0; ///< spent on kernels that were not cached
};

/// What the backend needs of a compilation's options.
struct BackendOptions {
  KernelOptions kernels;
  std::function<void(mlir::PassManager &)> configure; ///< printing and timing
};

/// Lowers the groups of `module` to scheduled pipelines.
llvm::LogicalResult lowerToPipelines(mlir::ModuleOp module, const BackendOptions &options);

/// Bytes of a call's arena for one item and for each further one; and what lives at once for one item,
/// below which no plan gets.
struct WorkspaceSize {
  int64_t bytes = 0, bytesPerItem = 0, liveBytes = 0;
};

/// Plans the memory of `module`'s function `forward` and describes the program; `workspace` gets the bytes
/// of the arena for one item and for each further one.
mlir::FailureOr<LibraryDescription> planProgram(mlir::ModuleOp module, const BackendOptions &options,
                                                WorkspaceSize *workspace = nullptr);

/// Compiles the pipelines of `module`, plans the memory of its function `forward` and emits the host
/// program. The parameters' data stay in `module`.
mlir::FailureOr<Program> compileProgram(mlir::ModuleOp module, const BackendOptions &options);

/// Gives the parameters `prepared/N` of `module` their values: compiles its function `prepare` for this
/// machine, runs it, and erases it.
llvm::LogicalResult evaluatePrepare(mlir::ModuleOp module, const BackendOptions &options);

} // namespace sylvite

#endif // SYLVITE_COMPILER_DRIVER_BACKEND_H
