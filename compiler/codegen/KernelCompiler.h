// Compiles halide.pipelines to objects: on several threads, each distinct pipeline once, and
// through a cache on disk that is addressed by content. Knows nothing of the libraries that the
// objects go into.
#ifndef SYLVITE_COMPILER_CODEGEN_KERNELCOMPILER_H
#define SYLVITE_COMPILER_CODEGEN_KERNELCOMPILER_H

#include "compiler/codegen/HalideBuilder.h"
#include "compiler/codegen/KernelCache.h"
#include "compiler/codegen/KernelTarget.h"
#include "dialects/halide/HalideDialect.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace sylvite {

struct KernelOptions {
  KernelTarget target;
  /// Kernels check the shapes of their buffers: for debug builds.
  bool asserts = false;
  /// Threads that compile; 0 is one per core.
  unsigned threads = 0;
  KernelCache cache;
  /// Called after each kernel, by one thread at a time: how many are done, of how many, and which.
  std::function<void(size_t done, size_t total, llvm::StringRef pipeline)> progress;
};

enum class KernelOutput : uint8_t { Object, Assembly, Statement };

struct CompiledKernel {
  /// The object defines `int SYMBOL_argv(void **arguments)`: halide_buffer_t pointers of the inputs
  /// in order, then of the outputs. The name is of the content, so equal kernels share it.
  std::string symbol;
  /// An object file in memory.
  std::string object;
  /// It came from the cache.
  bool cached = false;
  /// Seconds that its compilation took, 0 from the cache.
  double seconds = 0;
};

/// Compiles all `pipelines`; entry i of the result is of pipelines[i], and equal pipelines share
/// one kernel. Every failure is a diagnostic at its op. A cache that cannot be read or written is
/// not an error: the kernel is compiled.
mlir::FailureOr<std::vector<std::shared_ptr<const CompiledKernel>>>
compileKernels(llvm::ArrayRef<halide::PipelineOp> pipelines, const KernelOptions &options);

/// One pipeline as Halide's statement or as assembly, under its own names.
mlir::FailureOr<std::string> printKernel(halide::PipelineOp pipeline, KernelOutput kind,
                                         const KernelOptions &options);

/// What decides a kernel's code, as 64 hexadecimal digits: the pipeline without its name, locations
/// and attributes, the target, the options and the compiler.
std::string kernelHash(halide::PipelineOp pipeline, const KernelOptions &options);

} // namespace sylvite

#endif // SYLVITE_COMPILER_CODEGEN_KERNELCOMPILER_H
