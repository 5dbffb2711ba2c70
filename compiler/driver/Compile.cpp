//===- Compile.cpp - from a model file to a library ------------------------===//
//
// The phases in their order. Each is elsewhere; here they are joined, reported on and cut short where a
// caller wants an intermediate form.
//
//===----------------------------------------------------------------------===//
#include "compiler/driver/Compile.h"
#include "compiler/codegen/ByteSize.h"
#include "compiler/driver/Backend.h"
#include "compiler/import/Import.h"
#include "compiler/import/Training.h"
#include "passes/Passes.h"
#include "passes/nn/Utils.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/ToolOutputFile.h"
#include "llvm/Support/WithColor.h"

using namespace mlir;
using namespace sylvite;

namespace {

/// One compilation: the context and what the phases share.
class Compilation {
public:
  explicit Compilation(const CompileOptions &options)
      : options(options), handler(&context, [this](Diagnostic &d) { return report(d); }) {
    context.loadDialect<nn::NNDialect, halide::HalideDialect, arith::ArithDialect,
                        func::FuncDialect, LLVM::LLVMDialect, math::MathDialect,
                        memref::MemRefDialect, scf::SCFDialect>();
  }

  LogicalResult run();
  FailureOr<ModelSummary> summarize();

private:
  LogicalResult report(Diagnostic &diagnostic);
  LogicalResult fail(const llvm::Twine &message) {
    llvm::WithColor::error(llvm::errs()) << message << "\n";
    return failure();
  }
  LogicalResult configureBackend();
  /// Imports, simplifies and groups; the module is ready for lowerToPipelines.
  LogicalResult importAndFuse(bool evaluate);
  /// Adds the functions of training to the imported model.
  LogicalResult addTraining();
  /// Computes values again until the workspaces fit into the budget, with a warning where they cannot, and batches in parts where
  /// those stay in the cache.
  LogicalResult fitMemory();
  LogicalResult emitText(function_ref<LogicalResult(raw_ostream &)> write);
  LogicalResult emitLibrary(Program &program);
  void announce(StringRef phase) {
    if (options.progress)
      options.progress(phase, 0, 0);
  }

  const CompileOptions &options;
  MLIRContext context{MLIRContext::Threading::DISABLED};
  ScopedDiagnosticHandler handler;
  BackendOptions backend;
  OwningOpRef<ModuleOp> module;
  int64_t modelParameters = 0;
};

} // namespace

LogicalResult Compilation::report(Diagnostic &diagnostic) {
  if (diagnostic.getSeverity() == DiagnosticSeverity::Note)
    return success();
  llvm::raw_ostream &out = diagnostic.getSeverity() == DiagnosticSeverity::Error
                               ? llvm::WithColor::error(llvm::errs())
                           : diagnostic.getSeverity() == DiagnosticSeverity::Remark
                               ? llvm::WithColor::remark(llvm::errs())
                               : llvm::WithColor::warning(llvm::errs());
  std::string message = diagnostic.str();
  StringRef layer = layerOf(diagnostic.getLocation());
  if (!layer.empty() && !StringRef(message).contains(layer))
    out << "layer '" << layer << "': ";
  if (auto place = dyn_cast<FileLineColLoc>(diagnostic.getLocation())) // of a model that is text
    out << place.getFilename().getValue() << ":" << place.getLine() << ":" << place.getColumn() << ": ";
  out << message << "\n";
  return success();
}

LogicalResult Compilation::configureBackend() {
  std::string error;
  auto target = KernelTarget::parse(options.target, error);
  if (!target)
    return fail(error);
  backend.kernels.target = *target;
  backend.kernels.threads = options.jobs;
  auto cache = KernelCache::fromEnvironment();
  if (!cache)
    return fail(llvm::toString(cache.takeError()));
  backend.kernels.cache = *cache;
  if (options.progress)
    backend.kernels.progress = [this](size_t done, size_t total, StringRef) {
      options.progress("compiling kernels", done, total);
    };
  backend.configure = [this](PassManager &passes) {
    if (options.printAfterAll)
      passes.enableIRPrinting(nullptr, [](Pass *, Operation *) { return true; }, true, false, false,
                              llvm::errs(), OpPrintingFlags().elideLargeElementsAttrs(16).elideLargeResourceString(64));
    if (options.time)
      passes.enableTiming();
  };
  return success();
}

LogicalResult Compilation::importAndFuse(bool evaluate) {
  announce("importing");
  ImportOptions import;
  import.path = options.model;
  import.weightsPath = options.weights;
  import.name = options.name;
  for (const std::string &text : options.shapes) {
    auto shape = parseShape(text);
    if (failed(shape))
      return fail("--shape: '" + text + "' is not of the form name=1x224x224x3, with ? for a free size");
    import.shapes.push_back(std::move(*shape));
  }
  import.seed = options.seed;
  import.training = options.training.has_value();
  auto imported = importModel(context, import);
  if (failed(imported))
    return failure();
  module = std::move(*imported);
  for (auto parameter : module->getOps<nn::ParameterOp>())
    modelParameters += parameter.getTensorType().getNumElements();
  if (options.training && failed(addTraining()))
    return failure();
  if (options.emit == Emit::NN)
    return success();

  announce("simplifying");
  const remark::RemarkCategories everything{".*", ".*", ".*", ".*", ".*"};
  if (options.remarks &&
      failed(remark::enableOptimizationRemarks(
          context, nullptr, std::make_unique<remark::RemarkEmittingPolicyAll>(), everything,
          /*printAsEmitRemarks=*/true)))
    return failure();
  PassManager passes(&context);
  backend.configure(passes);
  passes.addNestedPass<func::FuncOp>(createExpandRecurrent());
  passes.addPass(createCanonicalizerPass());
  passes.addPass(createSimplify());
  passes.addPass(createCSEPass());
  passes.addNestedPass<func::FuncOp>(createCheckSizes());
  const KernelTarget &target = backend.kernels.target;
  passes.addNestedPass<func::FuncOp>(createPlanContractions(PlanContractionsOptions{
      target.floatLanes(), target.vectorRegisters, target.l2Bytes, options.exact}));
  passes.addNestedPass<func::FuncOp>(createLoopInvariantCodeMotionPass());
  passes.addNestedPass<func::FuncOp>(createExpandPadding());
  passes.addNestedPass<func::FuncOp>(createFuse());
  passes.addPass(createPrepare());
  if (failed(passes.run(*module)))
    return failure();
  return evaluate ? evaluatePrepare(*module, backend) : success();
}

LogicalResult Compilation::addTraining() {
  announce("differentiating");
  if (failed(configureTraining(*module, *options.training)))
    return failure();
  PassManager passes(&context);
  backend.configure(passes);
  passes.addPass(createTrain());
  return passes.run(*module);
}

std::optional<CompileOptions::MemoryBudget> sylvite::parseMemoryBudget(StringRef text) {
  auto [size, items] = text.split('@');
  CompileOptions::MemoryBudget budget{0, 32};
  if (text.contains('@') && (items.getAsInteger(10, budget.items) || budget.items <= 0))
    return std::nullopt;
  std::optional<uint64_t> bytes = parseByteSize(size);
  if (!bytes || *bytes == 0)
    return std::nullopt;
  budget.bytes = *bytes;
  return budget;
}

LogicalResult Compilation::fitMemory() {
  PassManager passes(&context);
  backend.configure(passes);
  if (options.memoryBudget)
    passes.addPass(createRematerialize(RematerializeOptions{options.memoryBudget->bytes, options.memoryBudget->items}));
  passes.addPass(createMicrobatch(MicrobatchOptions{backend.kernels.target.l2Bytes}));
  return passes.run(*module);
}

LogicalResult Compilation::emitText(function_ref<LogicalResult(raw_ostream &)> write) {
  std::error_code error;
  llvm::ToolOutputFile file(options.output, error, llvm::sys::fs::OF_Text);
  if (error)
    return fail("cannot write " + options.output + ": " + error.message());
  if (failed(write(file.os())))
    return failure();
  file.os().flush();
  if (file.os().has_error()) {
    std::string message = file.os().error().message();
    file.os().clear_error();
    return fail("cannot write " + options.output + ": " + message);
  }
  file.keep();
  return success();
}

LogicalResult Compilation::emitLibrary(Program &program) {
  announce("linking");
  LibraryOptions library;
  library.directory = options.output;
  library.name = sanitizeName(options.name.empty() ? llvm::sys::path::stem(options.model)
                                                   : StringRef(options.name));
  library.externalWeights = options.externalWeights;
  library.singleThreaded = options.singleThreaded;
  library.object = options.emit == Emit::Object;
  library.archive = options.emit == Emit::Archive || options.emit == Emit::Library;
  library.shared = options.emit == Emit::Shared || options.emit == Emit::Library;
  library.header = options.emit == Emit::Header || options.emit == Emit::Library;
  program.description.modelParameters = modelParameters;
  SmallVector<llvm::MemoryBufferRef> objects;
  for (const auto &kernel : program.kernels)
    objects.emplace_back(kernel->object, kernel->symbol);
  if (llvm::Error error = writeLibrary(*program.host, program.description, objects, library))
    return fail(llvm::toString(std::move(error)));
  return success();
}

LogicalResult Compilation::run() {
  if (failed(configureBackend()))
    return failure();
  bool codeFollows = options.emit != Emit::NN && options.emit != Emit::Halide &&
                     options.emit != Emit::Stmt;
  if (failed(importAndFuse(/*evaluate=*/codeFollows)))
    return failure();
  auto print = [&](raw_ostream &out) {
    module->print(out, OpPrintingFlags().elideLargeResourceString(64));
    out << "\n";
    return success();
  };
  if (options.emit == Emit::NN)
    return emitText(print);
  if (failed(lowerToPipelines(*module, backend)) || failed(fitMemory()))
    return failure();
  if (options.emit == Emit::Halide)
    return emitText(print);
  SmallVector<halide::PipelineOp> pipelines(module->getOps<halide::PipelineOp>());
  auto printKernels = [&](KernelOutput kind, raw_ostream &out) -> LogicalResult {
    for (halide::PipelineOp pipeline : pipelines) {
      auto text = printKernel(pipeline, kind, backend.kernels);
      if (failed(text))
        return failure();
      out << *text << "\n";
    }
    return success();
  };
  if (options.emit == Emit::Stmt)
    return emitText([&](raw_ostream &out) { return printKernels(KernelOutput::Statement, out); });

  auto program = compileProgram(*module, backend);
  if (failed(program))
    return failure();
  if (options.time)
    llvm::errs() << llvm::format("kernels: %zu, %.2f s of compilation\n", program->kernels.size(),
                                 program->kernelSeconds);
  if (options.emit == Emit::LLVM || options.emit == Emit::Assembly)
    return emitText([&](raw_ostream &out) -> LogicalResult {
      LibraryOptions library;
      library.name = sanitizeName(options.name.empty() ? llvm::sys::path::stem(options.model)
                                                       : StringRef(options.name));
      program->description.modelParameters = modelParameters;
      bool assembly = options.emit == Emit::Assembly;
      if (llvm::Error error = finishHostModule(*program->host, program->description, library))
        return fail(llvm::toString(std::move(error)));
      if (llvm::Error error = emitHost(
              *program->host, assembly ? HostFormat::Assembly : HostFormat::LLVM, out))
        return fail(llvm::toString(std::move(error)));
      return assembly ? printKernels(KernelOutput::Assembly, out) : success();
    });
  return emitLibrary(*program);
}

FailureOr<ModelSummary> Compilation::summarize() {
  if (failed(configureBackend()) || failed(importAndFuse(/*evaluate=*/false)))
    return failure();
  if (auto prepare = module->lookupSymbol<func::FuncOp>("prepare"))
    prepare.erase();
  if (failed(lowerToPipelines(*module, backend)) || failed(fitMemory()))
    return failure();
  ModelSummary summary;
  auto description = planProgram(*module, backend, &summary.workspaces);
  if (failed(description))
    return failure();
  summary.description = std::move(*description);
  summary.description.modelParameters = modelParameters;
  for (ParameterInfo &parameter : summary.description.parameters) {
    uint64_t bytes = getSizeInBytes(parameter.tensor.dtype);
    for (int64_t size : parameter.tensor.shape)
      bytes *= size;
    summary.weightsBytes += bytes;
    parameter.data = {};
  }
  return summary;
}

LogicalResult sylvite::compileModel(const CompileOptions &options) {
  return Compilation(options).run();
}

FailureOr<ModelSummary> sylvite::inspectModel(const CompileOptions &options) {
  return Compilation(options).summarize();
}
