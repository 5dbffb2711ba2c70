// Adds to the host program what makes it a library: the constant `struct sylvite_program` that describes it
// to the runtime (runtime/program.h), and the exported functions, which are thin: each passes the descriptor
// or its arguments on to the runtime. Then optimizes the module and emits it.
#include "compiler/codegen/HostObject.h"

#include "compiler/codegen/MachineCode.h"
#include "compiler/codegen/Weights.h"
#include "runtime/program.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Verifier.h"
#include "llvm/Passes/PassBuilder.h"

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

EntryForm getForm(const EntryInfo &entry) {
  return StringSwitch<EntryForm>(entry.name)
      .Cases({"train_step", "evaluate", "metrics_result"}, EntryForm::Metrics)
      .Case("gradients", EntryForm::Gradients)
      .Default(EntryForm::Tensors);
}

namespace {

/// Builds the descriptor and the exported functions in one module.
class Exporter {
public:
  Exporter(Module &module, const LibraryDescription &description, const LibraryOptions &options)
      : module(module), context(module.getContext()), description(description), options(options),
        ptr(PointerType::getUnqual(context)), i32(Type::getInt32Ty(context)),
        i64(Type::getInt64Ty(context)), f64(Type::getDoubleTy(context)),
        tensorType(StructType::get(context, {ptr, i32, i32, ptr})),
        parameterType(StructType::get(context, {tensorType, i64, i32, i32, i32, i32})),
        loopType(StructType::get(context, {ptr, i64, i32, i32, i32, i32})),
        entryType(StructType::get(context, {ptr, i32, i32, i32, i32, ptr, ptr, ptr, i32, i32, ptr})),
        functionType(StructType::get(context, {ptr, ptr, ptr, ptr, ptr, ptr, ptr})),
        kernelType(StructType::get(context, {ptr, ptr, f64, f64, f64, f64, i32, i32})) {}

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

  Expected<Function *> hostFunction(const Twine &name, FunctionType *type);
  Error buildDescriptor();
  Constant *buildInfo(const WeightsLayout &layout);
  Expected<Constant *> buildFunctions();

  FunctionCallee runtimeFunction(StringRef name, Type *result, ArrayRef<Type *> arguments);
  Function *beginExport(StringRef suffix, Type *result, ArrayRef<Type *> arguments);
  Value *packArguments(IRBuilder<> &builder, Function *function, unsigned first, unsigned count,
                       Type *type);
  void buildEntry(unsigned index);
  void buildWorkspaceSize(StringRef suffix, StringRef callee, const EntryInfo &entry);
  void forwardCall(StringRef suffix, StringRef callee, Type *result, ArrayRef<Type *> arguments,
                   bool withProgram = false);

  Module &module;
  LLVMContext &context;
  const LibraryDescription &description;
  const LibraryOptions &options;
  PointerType *ptr;
  IntegerType *i32, *i64;
  Type *f64;
  StructType *tensorType, *parameterType, *loopType, *entryType, *functionType, *kernelType;
  GlobalVariable *program = nullptr;
  StringMap<Constant *> strings;
};

} // namespace

Expected<Function *> Exporter::hostFunction(const Twine &name, FunctionType *type) {
  Function *function = module.getFunction(name.str());
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
  SmallVector<Constant *> entries, parameters, kernels;
  for (const EntryInfo &entry : description.entries) {
    SmallVector<Constant *> dims, loops;
    for (const std::string &dim : entry.dims)
      dims.push_back(string(dim));
    for (const LoopInfo &loop : entry.loops)
      loops.push_back(ConstantStruct::get(loopType, {string(loop.layers), int64(loop.steps),
                                                     int32(static_cast<int32_t>(loop.direction)),
                                                     int32(loop.firstKernel), int32(loop.kernelCount), int32(0)}));
    entries.push_back(ConstantStruct::get(
        entryType, {string(entry.name), int32(entry.dims.size()), int32(entry.inputs.size()),
                    int32(entry.outputs.size()), int32(entry.kernelCount), array(ptr, dims, "dims"),
                    tensors(entry.inputs, "inputs"), tensors(entry.outputs, "outputs"),
                    int32(entry.firstKernel), int32(loops.size()), array(loopType, loops, "loops")}));
  }
  // The description of `forward` is that of the model.
  const EntryInfo &forward = description.forward();
  Constant *dims = entries.front()->getAggregateElement(5u), *inputs = entries.front()->getAggregateElement(6u),
           *outputs = entries.front()->getAggregateElement(7u);
  for (auto [parameter, offset] : zip_equal(description.parameters, layout.offsets))
    parameters.push_back(
        ConstantStruct::get(parameterType, {tensor(parameter.tensor), int64(offset),
                                            int32(parameter.trainable),
                                            int32(static_cast<int32_t>(parameter.role)),
                                            int32(parameter.isLookedUp), int32(0)}));
  for (const KernelInfo &kernel : description.kernels)
    kernels.push_back(ConstantStruct::get(
        kernelType, {string(kernel.name), string(kernel.layers), ConstantFP::get(f64, kernel.flops),
                     ConstantFP::get(f64, kernel.flopsPerItem), ConstantFP::get(f64, kernel.bytes),
                     ConstantFP::get(f64, kernel.bytesPerItem), int32(kernel.readCount),
                     int32(kernel.writeCount)}));
  return ConstantStruct::getAnon(
      {int32(SYLVITE_ABI), int32(forward.dims.size()), string(options.name), string(description.model),
       string("sylvite " SYLVITE_VERSION), string(description.target), dims, int32(forward.inputs.size()),
       int32(forward.outputs.size()), inputs, outputs, int64(description.modelParameters),
       int32(description.parameters.size()), int32(description.kernels.size()),
       array(parameterType, parameters, "parameters"), array(kernelType, kernels, "kernels"),
       int64(layout.size), options.externalWeights ? string(options.name + ".weights.safetensors") : null(),
       array(entryType, entries, "entries"), int32(entries.size()),
       int32(description.states.size()), tensors(description.states, "states")});
}

/// The functions of all entries, as struct sylvite_function has them.
Expected<Constant *> Exporter::buildFunctions() {
  const std::pair<StringRef, FunctionType *> parts[] = {
      {"_arena_bytes", FunctionType::get(i64, {ptr}, false)},
      {"_output_shapes", FunctionType::get(Type::getVoidTy(context), {ptr, ptr}, false)},
      {"", FunctionType::get(i32, {ptr, ptr, ptr, ptr, ptr, ptr}, false)}};
  SmallVector<Constant *> entries;
  for (const EntryInfo &entry : description.entries) {
    SmallVector<Constant *> functions;
    for (auto [suffix, type] : parts) {
      Expected<Function *> function = hostFunction(entry.name + suffix, type);
      if (!function)
        return function.takeError();
      functions.push_back(*function);
    }
    SmallVector<Constant *> classes;
    for (const TensorInfo &input : entry.inputs)
      classes.push_back(int64(input.classes));
    bool anyClasses = any_of(entry.inputs, [](const TensorInfo &input) { return input.classes > 0; });
    functions.push_back(anyClasses ? array(i64, classes, "classes") : null());
    SmallVector<Constant *> constraints;
    for (const std::string &text : entry.constraints)
      constraints.push_back(string(text));
    Constant *violated = null();
    if (!constraints.empty()) {
      Expected<Function *> function = hostFunction(entry.name + "_violated", FunctionType::get(i64, {ptr}, false));
      if (!function)
        return function.takeError();
      violated = *function;
    }
    functions.append({violated, array(ptr, constraints, "constraints")});
    SmallVector<Constant *> least;
    for (size_t i = 0; i < entry.dims.size(); ++i)
      least.push_back(int64(entry.leastDim(i)));
    functions.push_back(array(i64, least, "least_dims"));
    entries.push_back(ConstantStruct::get(functionType, functions));
  }
  return array(functionType, entries, "functions");
}

Error Exporter::buildDescriptor() {
  Expected<TargetInfo> target = parseTarget(description.target);
  if (!target)
    return target.takeError();
  Expected<Constant *> functions = buildFunctions();
  if (!functions)
    return functions.takeError();
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
                                             *functions, int64(description.stateBytes),
                                             int32(description.learningRate)});
  program = new GlobalVariable(module, value->getType(), true, GlobalValue::InternalLinkage, value,
                               "sylvite_program");
  return Error::success();
}

//===----------------------------------------------------------------------===//
// Exported functions
//===----------------------------------------------------------------------===//

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

/// The addresses of the fields of a struct of `tensors` at `pointer`; where that is null, of one on the stack,
/// which nobody reads.
static Value *fieldAddresses(IRBuilder<> &builder, ArrayRef<TensorInfo> tensors, Value *pointer) {
  SmallVector<Type *> fields;
  for (const TensorInfo &tensor : tensors)
    fields.push_back(builder.getIntNTy(8 * getSizeInBytes(tensor.dtype)));
  StructType *type = StructType::get(builder.getContext(), fields);
  Value *unread = builder.CreateAlloca(type);
  Value *target = builder.CreateSelect(builder.CreateIsNull(pointer), unread, pointer);
  Type *ptr = builder.getPtrTy();
  Value *array = builder.CreateAlloca(ArrayType::get(ptr, std::max<size_t>(fields.size(), 1)));
  for (unsigned i = 0; i < fields.size(); ++i)
    builder.CreateStore(builder.CreateStructGEP(type, target, i), builder.CreateConstGEP1_64(ptr, array, i));
  return array;
}

/// NAME_ENTRY(model, inputs..., dims..., outputs...), where the outputs are as its form says.
void Exporter::buildEntry(unsigned index) {
  const EntryInfo &entry = description.entries[index];
  EntryForm form = getForm(entry);
  unsigned inputs = entry.inputs.size(), dims = entry.dims.size(), outputs = entry.outputs.size();
  SmallVector<Type *> types(1 + inputs, ptr);
  types.append(dims, i64);
  types.append(form == EntryForm::Tensors ? outputs : form == EntryForm::Metrics ? 1 : 2, ptr);
  Function *function = beginExport(entry.name, i32, types);
  IRBuilder<> builder(&function->getEntryBlock());
  Value *inputArray = packArguments(builder, function, 1, inputs, ptr);
  Value *dimArray = packArguments(builder, function, 1 + inputs, dims, i64);
  Value *outputArray = nullptr;
  unsigned firstOutput = 1 + inputs + dims;
  if (form == EntryForm::Tensors) {
    outputArray = packArguments(builder, function, firstOutput, outputs, ptr);
  } else if (form == EntryForm::Metrics) {
    outputArray = fieldAddresses(builder, entry.outputs, function->getArg(firstOutput));
  } else {
    // The loss, then the caller's array, or null pointers, which the runtime reports, where there is none.
    Value *loss = fieldAddresses(builder, ArrayRef(entry.outputs).take_front(), function->getArg(firstOutput));
    Value *gradients = function->getArg(firstOutput + 1);
    Constant *none = array(ptr, SmallVector<Constant *>(outputs - 1, null()), "no_gradients");
    outputArray = builder.CreateAlloca(ArrayType::get(ptr, outputs));
    builder.CreateStore(builder.CreateLoad(ptr, loss), outputArray);
    Value *given = builder.CreateSelect(builder.CreateIsNull(gradients), none, gradients);
    builder.CreateMemCpy(builder.CreateConstGEP1_64(ptr, outputArray, 1), Align(8), given, Align(8),
                         8 * (outputs - 1));
  }
  if (index == 0)
    builder.CreateRet(builder.CreateCall(runtimeFunction("sylvite_run", i32, {ptr, ptr, ptr, ptr}),
                                         {function->getArg(0), inputArray, dimArray, outputArray}));
  else
    builder.CreateRet(
        builder.CreateCall(runtimeFunction("sylvite_run_entry", i32, {ptr, i32, ptr, ptr, ptr}),
                           {function->getArg(0), int32(index), inputArray, dimArray, outputArray}));
}

/// NAME_SUFFIX(dims...), for the dims of `entry`, which `callee` takes as an array.
void Exporter::buildWorkspaceSize(StringRef suffix, StringRef callee, const EntryInfo &entry) {
  unsigned dims = entry.dims.size();
  Function *function = beginExport(suffix, i64, SmallVector<Type *>(dims, i64));
  IRBuilder<> builder(&function->getEntryBlock());
  Value *dimArray = packArguments(builder, function, 0, dims, i64);
  builder.CreateRet(builder.CreateCall(runtimeFunction(callee, i64, {ptr, ptr}), {program, dimArray}));
}

/// What the functions for training and the header rely on.
static Error checkEntries(const LibraryDescription &description) {
  auto wrong = [](const Twine &what) { return createStringError("internal error: " + what); };
  if (description.entries.empty() || description.forward().name != "forward")
    return wrong("the first entry of the program is not 'forward'");
  const EntryInfo *metrics = nullptr;
  for (const EntryInfo &entry : ArrayRef(description.entries).drop_front()) {
    if (!entry.dims.empty() && entry.dims != description.entries[1].dims)
      return wrong("'" + entry.name + "' has other free dimensions than '" + description.entries[1].name + "'");
    EntryForm form = getForm(entry);
    if (form == EntryForm::Gradients && entry.outputs.empty())
      return wrong("'" + entry.name + "' has no loss");
    if (form != EntryForm::Metrics)
      continue;
    for (const TensorInfo &output : entry.outputs)
      if (!output.shape.empty())
        return wrong("the metric '" + output.name + "' of '" + entry.name + "' is not a scalar");
    auto same = [](const TensorInfo &left, const TensorInfo &right) {
      return left.name == right.name && left.dtype == right.dtype;
    };
    if (metrics && !equal(metrics->outputs, entry.outputs, same))
      return wrong("'" + entry.name + "' has other metrics than '" + metrics->name + "'");
    metrics = &entry;
  }
  return Error::success();
}

Error Exporter::run() {
  if (Error error = checkEntries(description))
    return error;
  if (Error error = buildDescriptor())
    return error;
  Type *none = Type::getVoidTy(context);
  forwardCall("create", "sylvite_create", ptr, {ptr}, /*withProgram=*/true);
  forwardCall("destroy", "sylvite_destroy", none, {ptr});
  for (unsigned i = 0; i < description.entries.size(); ++i)
    buildEntry(i);
  forwardCall("run", "sylvite_run", i32, {ptr, ptr, ptr, ptr});
  Function *info = beginExport("info", ptr, {});
  IRBuilder<>(&info->getEntryBlock()).CreateRet(program);
  forwardCall("last_error", "sylvite_last_error", ptr, {ptr});
  buildWorkspaceSize("workspace_size", "sylvite_workspace_size", description.forward());
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
  if (!description.trains())
    return Error::success();
  buildWorkspaceSize("train_workspace_size", "sylvite_train_workspace_size", description.entries[1]);
  forwardCall("run_entry", "sylvite_run_entry", i32, {ptr, i32, ptr, ptr, ptr});
  forwardCall("entry_workspace_size", "sylvite_entry_workspace_size", i64, {i32, ptr}, /*withProgram=*/true);
  forwardCall("entry_output_shape", "sylvite_entry_output_shape", i32, {i32, i32, ptr, ptr},
              /*withProgram=*/true);
  forwardCall("save_checkpoint", "sylvite_save_checkpoint", i32, {ptr, ptr, ptr});
  forwardCall("load_checkpoint", "sylvite_load_checkpoint", i32, {ptr, ptr, ptr, i64});
  forwardCall("set_checks", "sylvite_set_checks", i32, {ptr, i32});
  forwardCall("set_learning_rate", "sylvite_set_learning_rate", i32, {ptr, Type::getFloatTy(context)});
  forwardCall("learning_rate", "sylvite_learning_rate", Type::getFloatTy(context), {ptr});
  return Error::success();
}

//===----------------------------------------------------------------------===//
// Code
//===----------------------------------------------------------------------===//

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
  return emitMachineCode(host, **machine,
                         format == HostFormat::Assembly ? CodeGenFileType::AssemblyFile : CodeGenFileType::ObjectFile, out);
}

} // namespace sylvite
