#include "compiler/codegen/MachineCode.h"
#include "compiler/codegen/HalideBuilder.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include <mutex>

using namespace llvm;

namespace sylvite {

Expected<std::unique_ptr<TargetMachine>> createTargetMachine(const Triple &triple) {
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
  TargetOptions options;
  options.FunctionSections = true;
  options.DataSections = true;
  options.MCOptions.AsmVerbose = true;
  std::unique_ptr<TargetMachine> machine(target->createTargetMachine(triple, "generic", "", options, Reloc::PIC_));
  if (!machine)
    return createStringError("no code generator for " + triple.str());
  return machine;
}

Error emitMachineCode(Module &module, TargetMachine &machine, CodeGenFileType type, raw_ostream &out) {
  SmallVector<char, 0> code;
  raw_svector_ostream stream(code);
  legacy::PassManager passes;
  if (machine.addPassesToEmitFile(passes, stream, nullptr, type))
    return createStringError("internal error: the code generator cannot write this kind of file");
  passes.run(module);
  out << StringRef(code.data(), code.size());
  return Error::success();
}

/// Puts prefetches in place of the calls of `fetchNear`.
static void fetchIntoFirstCache(Module &module) {
  Function *function = module.getFunction(fetchNear);
  if (!function)
    return;
  for (User *user : make_early_inc_range(function->users())) {
    auto *call = cast<CallInst>(user);
    IRBuilder<> b(call);
    Value *place = b.CreatePtrAdd(call->getArgOperand(0), call->getArgOperand(1));
    constexpr int ofReads = 0, intoFirstCache = 3, ofData = 1;
    b.CreateIntrinsic(Intrinsic::prefetch, {place->getType()}, {place, b.getInt32(ofReads), b.getInt32(intoFirstCache), b.getInt32(ofData)});
    call->eraseFromParent();
  }
  function->eraseFromParent();
}

Expected<std::string> compileKernelBitcode(StringRef bitcode, CodeGenFileType type) {
  LLVMContext context;
  Expected<std::unique_ptr<Module>> module = parseBitcodeFile(MemoryBufferRef(bitcode, "kernel"), context);
  if (!module)
    return module.takeError();
  constexpr unsigned locality = 2, intoSecondCache = 2;
  for (Function &function : **module)
    for (User *user : function.users())
      switch (function.getIntrinsicID()) {
      case Intrinsic::prefetch:
        cast<CallInst>(user)->setArgOperand(locality, ConstantInt::get(Type::getInt32Ty(context), intoSecondCache));
        break;
      case Intrinsic::vector_reduce_fmax:
      case Intrinsic::vector_reduce_fmin:
        // Otherwise each step compares and blends, to keep what is a number.
        cast<CallInst>(user)->setHasNoNaNs(true);
        break;
      default:
        break;
      }
  fetchIntoFirstCache(**module);
  Expected<std::unique_ptr<TargetMachine>> machine = createTargetMachine((*module)->getTargetTriple());
  if (!machine)
    return machine.takeError();
  (*machine)->setOptLevel(CodeGenOptLevel::Aggressive);
  // What Halide keeps from being reordered may still be one instruction.
  (*machine)->Options.AllowFPOpFusion = FPOpFusion::Fast;
  (*module)->setDataLayout((*machine)->createDataLayout());
  std::string code;
  raw_string_ostream out(code);
  if (Error error = emitMachineCode(**module, **machine, type, out))
    return error;
  return code;
}

} // namespace sylvite
