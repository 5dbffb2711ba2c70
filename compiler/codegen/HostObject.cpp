// Adds to the host program what makes it a library: the constant `struct sylvite_program` that describes it
// to the runtime (runtime/program.h), and the exported functions, which are thin: each passes the descriptor
// or its arguments on to the runtime. Then optimizes the module and emits it.
#include "compiler/codegen/HostObject.h"

#include "compiler/codegen/Weights.h"
#include "runtime/program.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Verifier.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include <mutex>

using namespace llvm;

namespace sylvite {

//===----------------------------------------------------------------------===//
// Target
//===----------------------------------------------------------------------===//

/// What code that Halide compiles for one of its features may contain. Halide also sets the CPU that stands
/// for the feature, whose other instructions LLVM then uses: "avx2" means Haswell.
static uint64_t getCPUFeatures(StringRef halideFeature) {
  constexpr uint64_t haswell = SYLVITE_CPU_SSE41 | SYLVITE_CPU_AVX | SYLVITE_CPU_F16C | SYLVITE_CPU_FMA |
                               SYLVITE_CPU_AVX2 | SYLVITE_CPU_BMI;
  constexpr uint64_t skylake = haswell | SYLVITE_CPU_AVX512F | SYLVITE_CPU_AVX512CD |
                               SYLVITE_CPU_AVX512BW | SYLVITE_CPU_AVX512DQ | SYLVITE_CPU_AVX512VL;
  constexpr uint64_t cannonlake = skylake | SYLVITE_CPU_AVX512IFMA | SYLVITE_CPU_AVX512VBMI;
  constexpr uint64_t zen4 = cannonlake | SYLVITE_CPU_AVX512VNNI | SYLVITE_CPU_AVX512BF16;
  return StringSwitch<uint64_t>(halideFeature)
      .Case("sse41", SYLVITE_CPU_SSE41)
      .Case("avx", SYLVITE_CPU_SSE41 | SYLVITE_CPU_AVX)
      .Case("f16c", SYLVITE_CPU_F16C)
      .Case("fma", SYLVITE_CPU_FMA)
      .Case("avx2", haswell)
      .Case("avx512", haswell | SYLVITE_CPU_AVX512F | SYLVITE_CPU_AVX512CD)
      .Case("avx512_skylake", skylake)
      .Case("avx512_cannonlake", cannonlake)
      .Cases({"avx512_zen4", "avx512_zen5"}, zen4)
      .Case("avx512_sapphirerapids", zen4 | SYLVITE_CPU_AVXVNNI)
      .Case("avxvnni", SYLVITE_CPU_AVXVNNI)
      .Case("arm_fp16", SYLVITE_CPU_ARM_FP16)
      .Case("arm_dot_prod", SYLVITE_CPU_ARM_DOT)
      .Default(0);
}

Expected<TargetInfo> parseTarget(StringRef target) {
  SmallVector<StringRef> parts;
  target.split(parts, '-');
  auto architecture = parts.size() < 3 ? StringRef()
                      : parts[0] == "x86" && parts[1] == "64" ? StringRef("x86_64")
                      : parts[0] == "arm" && parts[1] == "64" ? StringRef("aarch64")
                                                              : StringRef();
  if (architecture.empty() || parts[2] != "linux")
    return createStringError("target '" + target +
                             "' is not supported for libraries: use x86-64-linux or arm-64-linux, "
                             "with features");
  TargetInfo info;
  info.triple = Triple(architecture + "-unknown-linux-gnu");
  for (StringRef feature : ArrayRef(parts).drop_front(3))
    info.cpuFeatures |= getCPUFeatures(feature);
  return info;
}

//===----------------------------------------------------------------------===//
// Descriptor
//===----------------------------------------------------------------------===//

namespace {

/// Builds the descriptor and the exported functions in one module.
class Exporter {
public:
  Exporter(Module &module, const LibraryDescription &description, const LibraryOptions &options)
      : module(module), context(module.getContext()), description(description), options(options),
        ptr(PointerType::getUnqual(context)), i32(Type::getInt32Ty(context)),
        i64(Type::getInt64Ty(context)), f64(Type::getDoubleTy(context)),
        tensorType(StructType::get(context, {ptr, i32, i32, ptr})),
        parameterType(StructType::get(context, {tensorType, i64, i32, i32})),
        kernelType(StructType::get(context, {ptr, ptr, f64, f64, f64, f64})) {}

  Error run();

private:
  Constant *int32(int64_t value) { return ConstantInt::get(i32, value); }
  Constant *int64(int64_t value) { return ConstantInt::get(i64, value); }
  Constant *null() { return ConstantPointerNull::get(ptr); }

  GlobalVariable *constant(Constant *value, StringRef name) {
    auto *global = new GlobalVariable(module, value->getType(), /*isConstant=*/true,
                                      GlobalValue::PrivateLinkage, value, name);
    global->setUnnamedAddr(GlobalValue::UnnamedAddr::Global);
    return global;
  }
  Constant *string(StringRef text) {
    Constant *&known = strings[text];
    if (!known)
      known = constant(ConstantDataArray::getString(context, text), "string");
    return known;
  }
  Constant *array(Type *type, ArrayRef<Constant *> values, StringRef name) {
    if (values.empty())
      return null();
    return constant(ConstantArray::get(ArrayType::get(type, values.size()), values), name);
  }
  Constant *tensor(const TensorInfo &info) {
    SmallVector<Constant *> shape;
    for (int64_t size : info.shape)
      shape.push_back(int64(size));
    return ConstantStruct::get(tensorType,
                               {string(info.name), int32(static_cast<int32_t>(info.dtype)),
                                int32(info.shape.size()), array(i64, shape, "shape")});
  }
  Constant *tensors(ArrayRef<TensorInfo> list, StringRef name) {
    SmallVector<Constant *> values;
    for (const TensorInfo &info : list)
      values.push_back(tensor(info));
    return array(tensorType, values, name);
  }

  Expected<Function *> hostFunction(StringRef name, FunctionType *type);
  Error buildDescriptor();
  Constant *buildInfo(const WeightsLayout &layout);

  FunctionCallee runtimeFunction(StringRef name, Type *result, ArrayRef<Type *> arguments);
  Function *beginExport(StringRef suffix, Type *result, ArrayRef<Type *> arguments);
  Value *packArguments(IRBuilder<> &builder, Function *function, unsigned first, unsigned count,
                       Type *type);
  void buildForward();
  void buildWorkspaceSize();
  void forwardCall(StringRef suffix, StringRef callee, Type *result, ArrayRef<Type *> arguments,
                   bool withProgram = false);

  Module &module;
  LLVMContext &context;
  const LibraryDescription &description;
  const LibraryOptions &options;
  PointerType *ptr;
  IntegerType *i32, *i64;
  Type *f64;
  StructType *tensorType, *parameterType, *kernelType;
  GlobalVariable *program = nullptr;
  StringMap<Constant *> strings;
};

} // namespace

Expected<Function *> Exporter::hostFunction(StringRef name, FunctionType *type) {
  Function *function = module.getFunction(name);
  if (!function || function->isDeclaration())
    return createStringError("internal error: the host program has no function '" + name + "'");
  if (function->getFunctionType() != type)
    return createStringError("internal error: the host program's function '" + name +
                             "' has an unexpected signature");
  // "forward" and the like are common names: no kernel or libc symbol may meet them.
  function->setName("sylvite_host_" + name);
  function->setLinkage(GlobalValue::InternalLinkage);
  return function;
}

Constant *Exporter::buildInfo(const WeightsLayout &layout) {
  SmallVector<Constant *> dims, parameters, kernels;
  for (const std::string &dim : description.dims)
    dims.push_back(string(dim));
  for (auto [parameter, offset] : zip_equal(description.parameters, layout.offsets))
    parameters.push_back(
        ConstantStruct::get(parameterType, {tensor(parameter.tensor), int64(offset),
                                            int32(parameter.trainable), int32(0)}));
  for (const KernelInfo &kernel : description.kernels)
    kernels.push_back(ConstantStruct::get(
        kernelType, {string(kernel.name), string(kernel.layers), ConstantFP::get(f64, kernel.flops),
                     ConstantFP::get(f64, kernel.flopsPerItem), ConstantFP::get(f64, kernel.bytes),
                     ConstantFP::get(f64, kernel.bytesPerItem)}));
  return ConstantStruct::getAnon(
      {int32(SYLVITE_ABI), int32(description.dims.size()), string(options.name),
       string(description.model), string("sylvite " SYLVITE_VERSION), string(description.target),
       array(ptr, dims, "dims"), int32(description.inputs.size()), int32(description.outputs.size()),
       tensors(description.inputs, "inputs"), tensors(description.outputs, "outputs"),
       int64(description.modelParameters), int32(description.parameters.size()),
       int32(description.kernels.size()), array(parameterType, parameters, "parameters"),
       array(kernelType, kernels, "kernels"), int64(layout.size),
       options.externalWeights ? string(options.name + ".weights.safetensors") : null()});
}

Error Exporter::buildDescriptor() {
  Expected<TargetInfo> target = parseTarget(description.target);
  if (!target)
    return target.takeError();
  Expected<Function *> arenaBytes =
      hostFunction("arena_bytes", FunctionType::get(i64, {ptr}, false));
  if (!arenaBytes)
    return arenaBytes.takeError();
  Expected<Function *> outputShapes =
      hostFunction("output_shapes", FunctionType::get(Type::getVoidTy(context), {ptr, ptr}, false));
  if (!outputShapes)
    return outputShapes.takeError();
  Expected<Function *> forward =
      hostFunction("forward", FunctionType::get(i32, {ptr, ptr, ptr, ptr, ptr, ptr}, false));
  if (!forward)
    return forward.takeError();

  WeightsLayout layout = layoutWeights(description.parameters);
  Constant *weights = null();
  if (!options.externalWeights && layout.size > 0) {
    auto *symbol = new GlobalVariable(module, ArrayType::get(Type::getInt8Ty(context), 0), true,
                                      GlobalValue::ExternalLinkage, nullptr, weightsSymbol);
    symbol->setVisibility(GlobalValue::HiddenVisibility);
    symbol->setAlignment(Align(SYLVITE_ALIGNMENT));
    weights = symbol;
  }
  Constant *value = ConstantStruct::getAnon({buildInfo(layout), int64(target->cpuFeatures), weights,
                                             *arenaBytes, *outputShapes, *forward,
                                             int64(description.stateBytes)});
  program = new GlobalVariable(module, value->getType(), true, GlobalValue::InternalLinkage, value,
                               "sylvite_program");
  return Error::success();
}

//===----------------------------------------------------------------------===//
// Exported functions
//===----------------------------------------------------------------------===//

ArrayRef<StringRef> getExportSuffixes() {
  static constexpr StringRef suffixes[] = {
      "create",     "destroy", "forward",          "run",  "info", "last_error",  "workspace_size",
      "run_workspace_size", "output_shape", "set_threads", "threads", "set_parallel_for", "save", "load",
      "reset_states", "set_profile", "profile"};
  return suffixes;
}

FunctionCallee Exporter::runtimeFunction(StringRef name, Type *result, ArrayRef<Type *> arguments) {
  FunctionCallee callee =
      module.getOrInsertFunction(name, FunctionType::get(result, arguments, false));
  cast<Function>(callee.getCallee())->setVisibility(GlobalValue::HiddenVisibility);
  return callee;
}

Function *Exporter::beginExport(StringRef suffix, Type *result, ArrayRef<Type *> arguments) {
  auto *function = Function::Create(FunctionType::get(result, arguments, false),
                                    GlobalValue::ExternalLinkage, Twine(exportPrefix) + suffix, module);
  BasicBlock::Create(context, "entry", function);
  return function;
}

/// An exported function that passes its arguments to `callee`, after the descriptor when `withProgram`.
void Exporter::forwardCall(StringRef suffix, StringRef callee, Type *result,
                           ArrayRef<Type *> arguments, bool withProgram) {
  Function *function = beginExport(suffix, result, arguments);
  IRBuilder<> builder(&function->getEntryBlock());
  SmallVector<Type *> types;
  SmallVector<Value *> values;
  if (withProgram) {
    types.push_back(ptr);
    values.push_back(program);
  }
  append_range(types, arguments);
  for (Argument &argument : function->args())
    values.push_back(&argument);
  CallInst *call = builder.CreateCall(runtimeFunction(callee, result, types), values);
  if (result->isVoidTy())
    builder.CreateRetVoid();
  else
    builder.CreateRet(call);
}

/// Stores `count` arguments from `first` on into an array on the stack.
Value *Exporter::packArguments(IRBuilder<> &builder, Function *function, unsigned first,
                               unsigned count, Type *type) {
  Value *array = builder.CreateAlloca(ArrayType::get(type, std::max(count, 1u)));
  for (unsigned i = 0; i < count; ++i)
    builder.CreateStore(function->getArg(first + i), builder.CreateConstGEP1_64(type, array, i));
  return array;
}

/// NAME_forward(model, inputs..., dims..., outputs...).
void Exporter::buildForward() {
  unsigned inputs = description.inputs.size(), dims = description.dims.size(),
           outputs = description.outputs.size();
  SmallVector<Type *> types(1 + inputs, ptr);
  types.append(dims, i64);
  types.append(outputs, ptr);
  Function *function = beginExport("forward", i32, types);
  IRBuilder<> builder(&function->getEntryBlock());
  Value *inputArray = packArguments(builder, function, 1, inputs, ptr);
  Value *dimArray = packArguments(builder, function, 1 + inputs, dims, i64);
  Value *outputArray = packArguments(builder, function, 1 + inputs + dims, outputs, ptr);
  builder.CreateRet(builder.CreateCall(runtimeFunction("sylvite_run", i32, {ptr, ptr, ptr, ptr}),
                                       {function->getArg(0), inputArray, dimArray, outputArray}));
}

/// NAME_workspace_size(dims...).
void Exporter::buildWorkspaceSize() {
  unsigned dims = description.dims.size();
  Function *function = beginExport("workspace_size", i64, SmallVector<Type *>(dims, i64));
  IRBuilder<> builder(&function->getEntryBlock());
  Value *dimArray = packArguments(builder, function, 0, dims, i64);
  builder.CreateRet(builder.CreateCall(runtimeFunction("sylvite_workspace_size", i64, {ptr, ptr}),
                                       {program, dimArray}));
}

Error Exporter::run() {
  if (Error error = buildDescriptor())
    return error;
  Type *none = Type::getVoidTy(context);
  forwardCall("create", "sylvite_create", ptr, {ptr}, /*withProgram=*/true);
  forwardCall("destroy", "sylvite_destroy", none, {ptr});
  buildForward();
  forwardCall("run", "sylvite_run", i32, {ptr, ptr, ptr, ptr});
  Function *info = beginExport("info", ptr, {});
  IRBuilder<>(&info->getEntryBlock()).CreateRet(program);
  forwardCall("last_error", "sylvite_last_error", ptr, {ptr});
  buildWorkspaceSize();
  forwardCall("run_workspace_size", "sylvite_workspace_size", i64, {ptr}, /*withProgram=*/true);
  forwardCall("output_shape", "sylvite_output_shape", i32, {i32, ptr, ptr}, /*withProgram=*/true);
  forwardCall("set_threads", "sylvite_set_threads", i32, {i32});
  forwardCall("threads", "sylvite_threads", i32, {});
  forwardCall("set_parallel_for", "sylvite_set_parallel_for", none, {ptr, ptr});
  forwardCall("save", "sylvite_save", i32, {ptr, ptr});
  forwardCall("load", "sylvite_load", i32, {ptr, ptr});
  forwardCall("reset_states", "sylvite_reset_states", i32, {ptr});
  forwardCall("set_profile", "sylvite_set_profile", i32, {ptr, i32});
  forwardCall("profile", "sylvite_profile_kernel", i32, {ptr, i32, ptr});
  return Error::success();
}

//===----------------------------------------------------------------------===//
// Code
//===----------------------------------------------------------------------===//

static Expected<std::unique_ptr<TargetMachine>> createTargetMachine(const Triple &triple) {
  static std::once_flag once;
  std::call_once(once, [] {
    InitializeAllTargetInfos();
    InitializeAllTargets();
    InitializeAllTargetMCs();
    InitializeAllAsmPrinters();
  });
  std::string reason;
  const Target *target = TargetRegistry::lookupTarget(triple, reason);
  if (!target)
    return createStringError("no code generator for " + triple.str() + ": " + reason);
  // The host program computes addresses and calls kernels: the architecture's baseline serves.
  TargetOptions targetOptions;
  targetOptions.FunctionSections = true;
  targetOptions.DataSections = true;
  std::unique_ptr<TargetMachine> machine(
      target->createTargetMachine(triple, "generic", "", targetOptions, Reloc::PIC_));
  if (!machine)
    return createStringError("no code generator for " + triple.str());
  return machine;
}

Error finishHostModule(Module &host, const LibraryDescription &description,
                       const LibraryOptions &options) {
  Expected<TargetInfo> target = parseTarget(description.target);
  if (!target)
    return target.takeError();
  Expected<std::unique_ptr<TargetMachine>> machine = createTargetMachine(target->triple);
  if (!machine)
    return machine.takeError();
  host.setTargetTriple(target->triple);
  host.setDataLayout((*machine)->createDataLayout());
  if (Error error = Exporter(host, description, options).run())
    return error;
  std::string problems;
  raw_string_ostream stream(problems);
  if (verifyModule(host, &stream))
    return createStringError("internal error: invalid host program: " + problems);

  LoopAnalysisManager loops;
  FunctionAnalysisManager functions;
  CGSCCAnalysisManager sccs;
  ModuleAnalysisManager modules;
  PassBuilder builder(machine->get());
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(sccs);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, sccs, modules);
  builder.buildPerModuleDefaultPipeline(OptimizationLevel::O2).run(host, modules);
  return Error::success();
}

Error emitHost(Module &host, HostFormat format, raw_ostream &out) {
  if (format == HostFormat::LLVM) {
    host.print(out, nullptr);
    return Error::success();
  }
  Expected<std::unique_ptr<TargetMachine>> machine = createTargetMachine(host.getTargetTriple());
  if (!machine)
    return machine.takeError();
  SmallVector<char, 0> code;
  raw_svector_ostream stream(code);
  legacy::PassManager passes;
  if ((*machine)->addPassesToEmitFile(passes, stream, nullptr,
                                      format == HostFormat::Assembly ? CodeGenFileType::AssemblyFile
                                                                     : CodeGenFileType::ObjectFile))
    return createStringError("internal error: the code generator cannot write this kind of file");
  passes.run(host);
  out << StringRef(code.data(), code.size());
  return Error::success();
}

} // namespace sylvite
