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

/// Plans the memory of `module`'s functions and describes the program; `workspaces` gets the arenas of its
/// entries.
mlir::FailureOr<LibraryDescription> planProgram(mlir::ModuleOp module, const BackendOptions &options,
                                                llvm::SmallVectorImpl<WorkspaceSize> *workspaces = nullptr);

/// Compiles the pipelines of `module`, plans the memory of its functions and emits the host program, with an
/// entry for each. The parameters' data stay in `module`.
mlir::FailureOr<Program> compileProgram(mlir::ModuleOp module, const BackendOptions &options);

/// Gives the parameters `prepared/N` of `module` their values: compiles its function `prepare` for this
/// machine, runs it, and erases it.
llvm::LogicalResult evaluatePrepare(mlir::ModuleOp module, const BackendOptions &options);

} // namespace sylvite

#endif // SYLVITE_COMPILER_DRIVER_BACKEND_H
