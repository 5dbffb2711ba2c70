//===- Evaluate.cpp - running a program inside the compiler ----------------===//
//
// What a model computes from its parameters alone runs once, here, with the kernels and the host program
// that any model gets: compiled for this machine, linked in memory, called. The few functions of the
// runtime that they need are below, in a form without threads, handles or profiles.
//
//===----------------------------------------------------------------------===//
#include "compiler/driver/Backend.h"
#include "dialects/nn/NN.h"
#include "runtime/program.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/TargetSelect.h"

#include <cstdlib>

using namespace mlir;
using namespace sylvite;

//===----------------------------------------------------------------------===//
// The runtime that an evaluated program sees
//===----------------------------------------------------------------------===//

static void bufferInit(sylvite_context *, halide_buffer_t *buffer, halide_dimension_t *dims,
                       void *data, int32_t type, int32_t rank, const int64_t *extents) {
  *buffer = {};
  buffer->host = static_cast<uint8_t *>(data);
  buffer->type.code = type & 0xff;
  buffer->type.bits = type >> 8 & 0xff;
  buffer->type.lanes = type >> 16;
  buffer->dimensions = rank;
  buffer->dim = dims;
  int32_t stride = 1;
  for (int32_t i = 0; i < rank; ++i) {
    int32_t extent = extents[rank - 1 - i];
    dims[i] = {0, extent, stride, 0};
    stride *= extent;
  }
}

static int32_t launch(sylvite_context *, int32_t, int (*kernel)(void **), void **arguments) {
  return kernel(arguments);
}

static void *allocate(void *, size_t size) {
  // Halide reads a vector before and after; so does its own runtime's allocator.
  return std::aligned_alloc(64, llvm::alignTo(size + 128, 64));
}
static void release(void *, void *memory) { std::free(memory); }

static int runSerially(void *user, int (*task)(void *, int, uint8_t *), int min, int size,
                       uint8_t *closure) {
  for (int i = min; i < min + size; ++i)
    if (int status = task(user, i, closure))
      return status;
  return 0;
}

static void reportError(void *, const char *message) {
  llvm::report_fatal_error(llvm::Twine("internal error: a kernel run at compile time says: ") +
                           message);
}

//===----------------------------------------------------------------------===//
// Linking and running
//===----------------------------------------------------------------------===//

static llvm::Error run(Program &program, ArrayRef<void *> parameters, ArrayRef<void *> outputs) {
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  auto jit = llvm::orc::LLJITBuilder().create();
  if (!jit)
    return jit.takeError();
  llvm::orc::JITDylib &library = (*jit)->getMainJITDylib();
  llvm::orc::SymbolMap symbols;
  auto define = [&](StringRef name, auto *function) {
    symbols[(*jit)->mangleAndIntern(name)] = {llvm::orc::ExecutorAddr::fromPtr(function),
                                              llvm::JITSymbolFlags::Exported};
  };
  define("sylvite_buffer_init", &bufferInit);
  define("sylvite_launch", &launch);
  define("halide_malloc", &allocate);
  define("halide_free", &release);
  define("halide_do_par_for", &runSerially);
  define("halide_error", &reportError);
  if (llvm::Error error = library.define(llvm::orc::absoluteSymbols(std::move(symbols))))
    return error;
  auto process = llvm::orc::DynamicLibrarySearchGenerator::GetForCurrentProcess(
      (*jit)->getDataLayout().getGlobalPrefix());
  if (!process)
    return process.takeError();
  library.addGenerator(std::move(*process));
  for (const auto &kernel : program.kernels)
    if (llvm::Error error = (*jit)->addObjectFile(
            llvm::MemoryBuffer::getMemBufferCopy(kernel->object, kernel->symbol)))
      return error;
  program.host->setDataLayout((*jit)->getDataLayout());
  program.host->setTargetTriple((*jit)->getTargetTriple());
  if (llvm::Error error = (*jit)->addIRModule(
          llvm::orc::ThreadSafeModule(std::move(program.host), std::move(program.context))))
    return error;

  auto arenaBytes = (*jit)->lookup("forward_arena_bytes");
  if (!arenaBytes)
    return arenaBytes.takeError();
  auto forward = (*jit)->lookup("forward");
  if (!forward)
    return forward.takeError();
  int64_t bytes = arenaBytes->toPtr<int64_t(const int64_t *)>()(nullptr);
  std::unique_ptr<void, void (*)(void *)> arena(allocate(nullptr, bytes), std::free);
  int32_t status =
      forward->toPtr<int32_t(sylvite_context *, const int64_t *, void *const *, void *const *,
                             uint8_t *, void *const *)>()(
          nullptr, nullptr, nullptr, outputs.data(), static_cast<uint8_t *>(arena.get()),
          parameters.data());
  return status ? llvm::createStringError("a kernel failed") : llvm::Error::success();
}

LogicalResult sylvite::evaluatePrepare(ModuleOp module, const BackendOptions &options) {
  auto prepare = module.lookupSymbol<func::FuncOp>("prepare");
  if (!prepare)
    return success();
  SmallVector<nn::ParameterOp> targets;
  for (unsigned i = 0; i < prepare.getNumResults(); ++i)
    targets.push_back(module.lookupSymbol<nn::ParameterOp>(
        prepare.getResultAttrOfType<StringAttr>(i, "nn.name")));

  // A module of its own, in which it is the program.
  OwningOpRef<ModuleOp> separate = ModuleOp::create(prepare.getLoc(), "prepare");
  llvm::SmallPtrSet<Operation *, 8> copied;
  prepare.walk([&](nn::GetOp get) {
    auto parameter = module.lookupSymbol<nn::ParameterOp>(get.getParameterAttr());
    if (copied.insert(parameter).second)
      separate->push_back(parameter->clone());
  });
  prepare->remove();
  prepare.setName("forward");
  separate->push_back(prepare);

  BackendOptions native = options;
  std::string error;
  auto target = KernelTarget::parse("native", error);
  if (!target)
    return module.emitError(error);
  native.kernels.target = *target;
  native.kernels.progress = nullptr;
  if (failed(lowerToPipelines(*separate, native)))
    return failure();
  auto program = compileProgram(*separate, native);
  if (failed(program))
    return failure();

  SmallVector<void *> parameters, outputs;
  for (const ParameterInfo &parameter : program->description.parameters)
    parameters.push_back(const_cast<char *>(parameter.data.data()));
  std::vector<AsmResourceBlob> blobs;
  for (nn::ParameterOp target : targets) {
    RankedTensorType type = target.getTensorType();
    size_t bytes = type.getNumElements() * llvm::divideCeil(type.getElementTypeBitWidth(), 8);
    blobs.push_back(HeapAsmResourceBlob::allocate(bytes, SYLVITE_ALIGNMENT, /*dataIsMutable=*/true));
    outputs.push_back(blobs.back().getMutableData().data());
  }
  if (llvm::Error error = run(*program, parameters, outputs))
    return module.emitError("internal error: cannot evaluate constants: ")
           << llvm::toString(std::move(error));
  for (auto [target, blob] : llvm::zip(targets, blobs))
    target.setValueAttr(DenseResourceElementsAttr::get(
        target.getTensorType(), target.getSymName(), std::move(blob)));
  // What only @prepare read has served.
  for (nn::ParameterOp parameter : llvm::make_early_inc_range(module.getOps<nn::ParameterOp>()))
    if (SymbolTable::symbolKnownUseEmpty(parameter, module))
      parameter.erase();
  return success();
}
