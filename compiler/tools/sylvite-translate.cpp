// sylvite-translate: one halide.pipeline through Halide, for lit tests: its statement, its
// assembly, its object. A user's program is `sylvite`.
#include "compiler/codegen/KernelCompiler.h"
#include "dialects/halide/HalideDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/Tools/mlir-translate/MlirTranslateMain.h"
#include "mlir/Tools/mlir-translate/Translation.h"
#include "llvm/Support/CommandLine.h"

using namespace mlir;

static llvm::cl::opt<std::string> targetName("target", llvm::cl::desc("Halide target, or native"),
                                             llvm::cl::init("native"));
static llvm::cl::opt<bool> asserts("asserts", llvm::cl::desc("Kernels check their arguments"));
static llvm::cl::opt<unsigned> threads("kernel-threads", llvm::cl::desc("Threads that compile"));
static llvm::cl::opt<std::string> symbolFile("symbol-file",
                                             llvm::cl::desc("Write the kernel's symbol there"));

static void registerDialects(DialectRegistry &registry) {
  registry.insert<arith::ArithDialect, func::FuncDialect, math::MathDialect,
                  sylvite::halide::HalideDialect>();
}

static FailureOr<sylvite::KernelOptions> makeOptions(Operation *op) {
  sylvite::KernelOptions options;
  std::string error;
  auto target = sylvite::KernelTarget::parse(targetName, error);
  if (!target)
    return op->emitError(error);
  options.target = *target;
  options.asserts = asserts;
  options.threads = threads;
  return options;
}

static SmallVector<sylvite::halide::PipelineOp> getPipelines(Operation *op) {
  auto module = cast<ModuleOp>(op);
  return llvm::to_vector(module.getOps<sylvite::halide::PipelineOp>());
}

static LogicalResult print(Operation *op, raw_ostream &output, sylvite::KernelOutput kind) {
  FailureOr<sylvite::KernelOptions> options = makeOptions(op);
  if (failed(options))
    return failure();
  for (sylvite::halide::PipelineOp pipeline : getPipelines(op)) {
    FailureOr<std::string> text = sylvite::printKernel(pipeline, kind, *options);
    if (failed(text))
      return failure();
    output << *text;
  }
  return success();
}

/// Compiles every pipeline through the cache. One object goes to the output; of several, a line for
/// each says its pipeline, symbol and where it came from.
static LogicalResult compile(Operation *op, raw_ostream &output) {
  FailureOr<sylvite::KernelOptions> options = makeOptions(op);
  if (failed(options))
    return failure();
  auto cache = sylvite::KernelCache::fromEnvironment();
  if (!cache)
    return op->emitError(llvm::toString(cache.takeError()));
  options->cache = *cache;
  auto pipelines = getPipelines(op);
  auto kernels = sylvite::compileKernels(pipelines, *options);
  if (failed(kernels))
    return failure();
  if (kernels->size() == 1)
    output << kernels->front()->object;
  else
    for (auto [pipeline, kernel] : llvm::zip(pipelines, *kernels))
      output << pipeline.getSymName() << ' ' << kernel->symbol << ' ' << kernel->object.size()
             << (kernel->cached ? " cached\n" : " compiled\n");
  if (symbolFile.empty())
    return success();
  std::error_code error;
  llvm::raw_fd_ostream symbols(symbolFile, error);
  if (error)
    return op->emitError("cannot write " + symbolFile + ": " + error.message());
  for (auto &kernel : *kernels)
    symbols << kernel->symbol << '\n';
  return success();
}

int main(int argc, char **argv) {
  TranslateFromMLIRRegistration statement(
      "halide-to-stmt", "halide.pipeline to Halide's statement",
      [](Operation *op, raw_ostream &output) {
        return print(op, output, sylvite::KernelOutput::Statement);
      },
      registerDialects);
  TranslateFromMLIRRegistration assembly(
      "halide-to-asm", "halide.pipeline to assembly",
      [](Operation *op, raw_ostream &output) {
        return print(op, output, sylvite::KernelOutput::Assembly);
      },
      registerDialects);
  TranslateFromMLIRRegistration object("halide-to-object", "halide.pipeline to an object file",
                                       compile, registerDialects);
  return failed(mlirTranslateMain(argc, argv, "Sylvite translation driver\n"));
}
