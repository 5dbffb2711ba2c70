//===- Backend.cpp - from tensors to machine code --------------------------===//
//
// Runs the passes below nn, compiles kernels and translates the host program to LLVM IR.
//
//===----------------------------------------------------------------------===//
#include "compiler/driver/Backend.h"
#include "passes/Passes.h"
#include "passes/host/MemoryPlan.h"

#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"

using namespace mlir;
using namespace sylvite;

LogicalResult sylvite::lowerToPipelines(ModuleOp module, const BackendOptions &options) {
  PassManager passes(module.getContext());
  if (options.configure)
    options.configure(passes);
  const KernelTarget &target = options.kernels.target;
  passes.addPass(createLowerToHalide());
  passes.addPass(createSchedule(ScheduleOptions{target.floatLanes(), target.vectorRegisters, target.l2Bytes}));
  return passes.run(module);
}

/// The element type at a model's border.
static DType dtypeOf(Type type) {
  if (type.isF32())
    return DType::Float32;
  if (type.isF64())
    return DType::Float64;
  if (type.isF16())
    return DType::Float16;
  if (type.isBF16())
    return DType::BFloat16;
  bool isUnsigned = type.isUnsignedInteger();
  switch (type.isIndex() ? 64 : type.getIntOrFloatBitWidth()) {
  case 1:
    return DType::Bool;
  case 8:
    return isUnsigned ? DType::UInt8 : DType::Int8;
  case 16:
    return isUnsigned ? DType::UInt16 : DType::Int16;
  case 32:
    return isUnsigned ? DType::UInt32 : DType::Int32;
  default:
    return isUnsigned ? DType::UInt64 : DType::Int64;
  }
}

static TensorInfo describeTensor(Attribute attribute) {
  auto fields = cast<DictionaryAttr>(attribute);
  TensorInfo info;
  info.name = fields.getAs<StringAttr>("name").getValue().str();
  info.dtype = dtypeOf(fields.getAs<TypeAttr>("type").getValue());
  for (int64_t size : fields.getAs<DenseI64ArrayAttr>("shape").asArrayRef())
    info.shape.push_back(size); // -1 - k and the derived size are as LibraryDescription has them
  if (auto classes = fields.getAs<IntegerAttr>("classes"))
    info.classes = classes.getInt();
  return info;
}

/// The names of the layers of a kernel or a loop.
static std::string joinLayers(DictionaryAttr fields) {
  auto names = llvm::map_range(fields.getAs<ArrayAttr>("layers"),
                               [](Attribute layer) { return cast<StringAttr>(layer).getValue().str(); });
  return llvm::join(names, "; ");
}

static KernelInfo describeKernel(Attribute attribute) {
  auto fields = cast<DictionaryAttr>(attribute);
  KernelInfo info;
  info.name = fields.getAs<StringAttr>("name").getValue().str();
  info.layers = joinLayers(fields);
  auto flops = fields.getAs<DenseF64ArrayAttr>("flops"), bytes = fields.getAs<DenseF64ArrayAttr>("bytes");
  info.flops = flops[0], info.flopsPerItem = flops[1];
  info.bytes = bytes[0], info.bytesPerItem = bytes[1];
  info.readCount = fields.getAs<IntegerAttr>("reads").getInt();
  info.writeCount = fields.getAs<IntegerAttr>("writes").getInt();
  return info;
}

/// `firstKernel` of its entry, from which the loop's own counts.
static LoopInfo describeLoop(Attribute attribute, unsigned firstKernel) {
  auto fields = cast<DictionaryAttr>(attribute);
  auto integer = [&](StringRef name) { return fields.getAs<IntegerAttr>(name).getInt(); };
  LoopInfo info;
  info.layers = joinLayers(fields);
  info.steps = integer("steps");
  info.direction = llvm::StringSwitch<Direction>(fields.getAs<StringAttr>("direction"))
                       .Case("forward", Direction::Forward)
                       .Case("backward", Direction::Backward)
                       .Case("if_true", Direction::IfTrue)
                       .Case("if_false", Direction::IfFalse)
                       .Case("microbatch", Direction::Microbatch)
                       .Default(Direction::Mixed);
  info.firstKernel = firstKernel + integer("first_kernel");
  info.kernelCount = integer("kernels");
  return info;
}

/// The learning rate, when it is a parameter: callers may set it, so it is part of what training changes.
static constexpr StringRef learningRateName = "optimizer/learning_rate";

/// `updated`: whether an entry changes the parameter; `readWhole`: whether one reads more of it than what its data choose.
static FailureOr<ParameterInfo> describeParameter(nn::ParameterOp parameter, bool updated, bool readWhole) {
  ParameterInfo info;
  StringRef name = parameter.getSymName();
  RankedTensorType type = parameter.getTensorType();
  info.tensor.name = name.str();
  info.tensor.dtype = dtypeOf(type.getElementType());
  info.tensor.shape.assign(type.getShape().begin(), type.getShape().end());
  info.trainable = parameter.getTrainable();
  info.data = parameter.getData();
  info.isLookedUp = !readWhole;
  static constexpr StringLiteral statePrefixes[] = {"optimizer/", "seed_generator/", "metrics/"};
  if (updated || name == learningRateName)
    info.role = llvm::any_of(statePrefixes, [&](StringRef prefix) { return name.starts_with(prefix); })
                    ? Role::TrainingState
                    : Role::Variable;
  if (parameter.getValueAttr() && info.data.empty() && type.getNumElements() > 0)
    return parameter.emitError("internal error: the value has no bytes");
  return info;
}

/// `firstKernel`: how many those of the entries before have.
static EntryInfo describeEntry(LLVM::LLVMFuncOp function, unsigned firstKernel) {
  EntryInfo entry;
  auto list = [&](StringRef name) { return function->getAttrOfType<ArrayAttr>(name).getValue(); };
  entry.name = function.getName().str();
  for (Attribute symbol : list("host.symbols"))
    entry.dims.push_back(cast<StringAttr>(symbol).getValue().str());
  if (auto least = function->getAttrOfType<DenseI64ArrayAttr>("host.least_sizes"))
    entry.leastDims = llvm::to_vector(least.asArrayRef());
  for (Attribute tensor : list("host.input_tensors"))
    entry.inputs.push_back(describeTensor(tensor));
  for (Attribute tensor : list("host.output_tensors"))
    entry.outputs.push_back(describeTensor(tensor));
  entry.firstKernel = firstKernel;
  entry.kernelCount = list("host.kernels").size();
  for (Attribute loop : list("host.loops"))
    entry.loops.push_back(describeLoop(loop, firstKernel));
  if (auto constraints = function->getAttrOfType<ArrayAttr>("host.constraints"))
    for (Attribute text : constraints)
      entry.constraints.push_back(cast<StringAttr>(text).getValue().str());
  return entry;
}

/// Reads off what emit-host left on the functions of the host program.
static FailureOr<LibraryDescription> describe(ModuleOp module, ArrayRef<LLVM::LLVMFuncOp> functions,
                                              const KernelTarget &target) {
  LibraryDescription description;
  description.target = target.name;
  description.model = module.getName().value_or("model").str();
  llvm::SmallPtrSet<Attribute, 16> updated, readWhole;
  for (LLVM::LLVMFuncOp function : functions) {
    description.entries.push_back(describeEntry(function, description.kernels.size()));
    for (Attribute kernel : function->getAttrOfType<ArrayAttr>("host.kernels"))
      description.kernels.push_back(describeKernel(kernel));
    for (Attribute name : function->getAttrOfType<ArrayAttr>("host.updates"))
      updated.insert(name);
    for (Attribute name : function->getAttrOfType<ArrayAttr>("host.read_whole"))
      readWhole.insert(name);
    // Only `forward` keeps any.
    if (auto states = function->getAttrOfType<ArrayAttr>("host.states")) {
      description.stateBytes = function->getAttrOfType<IntegerAttr>("host.state_bytes").getInt();
      llvm::append_range(description.states, llvm::map_range(states, describeTensor));
    }
  }
  // All functions have the same table.
  for (Attribute symbol : functions.front()->getAttrOfType<ArrayAttr>("host.parameters")) {
    auto parameter = module.lookupSymbol<nn::ParameterOp>(cast<StringAttr>(symbol));
    auto info = describeParameter(parameter, updated.contains(symbol), readWhole.contains(symbol));
    if (failed(info))
      return failure();
    if (info->tensor.name == learningRateName)
      description.learningRate = description.parameters.size();
    description.parameters.push_back(std::move(*info));
  }
  return description;
}

/// The arena of a function for one item and for many, and what lives at once.
static WorkspaceSize workspaceOf(LLVM::LLVMFuncOp function) {
  SmallVector<AffineMap> microbatches;
  if (auto maps = function->getAttrOfType<ArrayAttr>("host.microbatches"))
    llvm::append_range(microbatches, maps.getAsValueRange<AffineMapAttr>());
  auto at = [&](StringRef attribute, int64_t batch) {
    AffineMap size = function->getAttrOfType<AffineMapAttr>(attribute).getValue();
    SmallVector<int64_t> dims(size.getNumSymbols() - microbatches.size(), 1);
    if (!dims.empty())
      dims[0] = batch;
    return evaluateSizes(size, microbatches, dims);
  };
  return {at("host.arena", 1), at("host.arena", WorkspaceSize::kMany), at("host.live", 1)};
}

FailureOr<LibraryDescription>
sylvite::planProgram(ModuleOp module, const BackendOptions &options,
                     SmallVectorImpl<WorkspaceSize> *workspaces) {
  PassManager passes(module.getContext());
  if (options.configure)
    options.configure(passes);
  passes.addPass(createPlanMemory());
  passes.addPass(createEmitHost());
  if (failed(passes.run(module)))
    return failure();
  SmallVector<LLVM::LLVMFuncOp> functions; // in the order of their kernels' indices
  for (auto function : module.getOps<LLVM::LLVMFuncOp>())
    if (function->hasAttr("host.symbols"))
      functions.push_back(function);
  if (functions.empty())
    return module.emitError("internal error: the module has no functions");
  for (LLVM::LLVMFuncOp function : functions)
    if (workspaces)
      workspaces->push_back(workspaceOf(function));
  return describe(module, functions, options.kernels.target);
}

FailureOr<Program> sylvite::compileProgram(ModuleOp module, const BackendOptions &options) {
  SmallVector<halide::PipelineOp> pipelines(module.getOps<halide::PipelineOp>());
  auto kernels = compileKernels(pipelines, options.kernels);
  if (failed(kernels))
    return failure();
  Program program;
  llvm::StringSet<> seen;
  Builder builder(module.getContext());
  for (auto [pipeline, kernel] : llvm::zip(pipelines, *kernels)) {
    pipeline->setAttr("symbol", builder.getStringAttr(kernel->symbol));
    if (!seen.insert(kernel->symbol).second)
      continue;
    program.kernels.push_back(kernel);
    program.kernelSeconds += kernel->seconds;
  }
  auto description = planProgram(module, options);
  if (failed(description))
    return failure();
  program.description = std::move(*description);

  // The LLVM dialect alone goes to LLVM.
  OwningOpRef<ModuleOp> host = ModuleOp::create(module.getLoc(), "host");
  for (Operation &op : *module.getBody())
    if (isa<LLVM::LLVMDialect>(op.getDialect())) {
      Operation *copy = op.clone();
      for (NamedAttribute attribute : llvm::to_vector(copy->getDiscardableAttrs()))
        copy->removeDiscardableAttr(attribute.getName());
      host->push_back(copy);
    }
  registerBuiltinDialectTranslation(*module.getContext());
  registerLLVMDialectTranslation(*module.getContext());
  program.context = std::make_unique<llvm::LLVMContext>();
  program.host = translateModuleToLLVMIR(*host, *program.context, "host");
  if (!program.host)
    return module.emitError("internal error: the host program does not translate to LLVM");
  return program;
}
