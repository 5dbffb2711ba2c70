//===- EmitHost.cpp - emit-host --------------------------------------------===//
//
// Turns the planned host functions into the llvm dialect, with the C signatures of runtime/program.h.
// A launch fills one halide_buffer_t per argument, on the stack, and hands them to sylvite_launch.
// Memrefs of a host function are dense and row-major, so a pointer and the free sizes are all there is
// to one; casts are relative to where their source begins.
//
//===----------------------------------------------------------------------===//
#include "passes/Passes.h"

#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringExtras.h"

namespace sylvite {
#define GEN_PASS_DEF_EMITHOST
#include "passes/Passes.h.inc"
} // namespace sylvite

using namespace mlir;
using namespace sylvite;

// Sizes of Halide's structures, checked in runtime/program.h.
static constexpr int64_t bufferBytes = 56, dimensionBytes = 16;

/// `code | bits << 8 | lanes << 16` of Halide's halide_type_t.
static int32_t halideTypeOf(Type type) {
  int32_t code = 0;
  if (type.isBF16())
    code = 4;
  else if (isa<FloatType>(type))
    code = 2;
  else if (type.isUnsignedInteger() || type.isInteger(1))
    code = 1;
  return code | int32_t(type.getIntOrFloatBitWidth()) << 8 | 1 << 16;
}

namespace {

/// The memory of a tensor.
struct Memory {
  Value pointer;
  SmallVector<Value, 2> freeSizes;
};

/// Translates the host functions of a module.
class HostEmitter {
public:
  explicit HostEmitter(ModuleOp module)
      : module(module), b(module.getContext()), pointer(LLVM::LLVMPointerType::get(b.getContext())),
        i32(b.getI32Type()), i64(b.getI64Type()) {}

  LogicalResult emitEntry(func::FuncOp function);
  LogicalResult emitSizes(func::FuncOp function);

private:
  LLVM::LLVMFuncOp declare(StringRef name, Type result, ArrayRef<Type> arguments);
  LogicalResult emitBlock(Block &block);
  LogicalResult emitOp(Operation &op);
  LogicalResult emitLoop(scf::ForOp loop);
  LogicalResult emitChoice(scf::IfOp choice);
  LogicalResult emitScalar(Operation &op);
  void emitCopy(memref::CopyOp copy);
  LogicalResult emitLaunch(halide::LaunchOp launch);
  Value constant(Type type, int64_t value) {
    return LLVM::ConstantOp::create(b, loc, type, b.getIntegerAttr(type, value));
  }
  Value offsetBy(Value base, Value bytes) {
    return LLVM::GEPOp::create(b, loc, pointer, b.getI8Type(), base,
                               ArrayRef<LLVM::GEPArg>{bytes});
  }
  Value offsetBy(Value base, int64_t bytes) {
    return bytes ? LLVM::GEPOp::create(b, loc, pointer, b.getI8Type(), base,
                                       ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(bytes)})
                 : base;
  }
  Value loadAt(Type type, Value array, int64_t index) {
    return LLVM::LoadOp::create(b, loc, type, offsetBy(array, index * 8));
  }
  Value indexOf(OpFoldResult folded) {
    if (auto attribute = dyn_cast<Attribute>(folded))
      return constant(i64, cast<IntegerAttr>(attribute).getInt());
    return values.lookup(cast<Value>(folded));
  }
  /// The address of a constant array of sizes; equal arrays are one.
  Value constantSizes(ArrayRef<int64_t> sizes);
  Value stackBytes(int64_t bytes) {
    return LLVM::AllocaOp::create(b, loc, pointer, b.getI8Type(), constant(i64, bytes), 16);
  }

  ModuleOp module;
  OpBuilder b;
  Location loc = UnknownLoc::get(b.getContext());
  Type pointer, i32, i64;
  DenseMap<Value, Value> values;
  DenseMap<Value, Memory> memories;
  llvm::StringMap<std::string> sizeTables;
  LLVM::LLVMFuncOp bufferInit, launchFunction;
  int32_t nextKernel = 0; ///< of the whole module
  // Of the function being emitted.
  Value context, status, buffers, dimensions, extents, arguments;
};

} // namespace

LLVM::LLVMFuncOp HostEmitter::declare(StringRef name, Type result, ArrayRef<Type> arguments) {
  if (auto existing = module.lookupSymbol<LLVM::LLVMFuncOp>(name))
    return existing;
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(module.getBody());
  return LLVM::LLVMFuncOp::create(b, loc, name, LLVM::LLVMFunctionType::get(result, arguments));
}

Value HostEmitter::constantSizes(ArrayRef<int64_t> sizes) {
  std::string text = llvm::join(llvm::map_range(sizes, [](int64_t size) { return std::to_string(size); }), "x");
  std::string &name = sizeTables[text];
  if (name.empty()) {
    name = "sizes_" + text;
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(module.getBody());
    auto type = RankedTensorType::get({static_cast<int64_t>(sizes.size())}, i64);
    LLVM::GlobalOp::create(b, loc, LLVM::LLVMArrayType::get(i64, sizes.size()),
                           /*isConstant=*/true, LLVM::Linkage::Private, name,
                           DenseElementsAttr::get(type, sizes));
  }
  return LLVM::AddressOfOp::create(b, loc, pointer, name);
}

/// Index arithmetic, and constants.
LogicalResult HostEmitter::emitScalar(Operation &op) {
  auto binary = [&](auto tag) {
    using Target = decltype(tag);
    values[op.getResult(0)] = Target::create(b, loc, values.lookup(op.getOperand(0)),
                                             values.lookup(op.getOperand(1)));
    return success();
  };
  if (auto constantOp = dyn_cast<arith::ConstantIndexOp>(op)) {
    values[constantOp] = constant(i64, constantOp.value());
    return success();
  }
  if (isa<arith::AddIOp>(op))
    return binary(LLVM::AddOp());
  if (isa<arith::SubIOp>(op))
    return binary(LLVM::SubOp());
  if (isa<arith::MulIOp>(op))
    return binary(LLVM::MulOp());
  if (isa<arith::MinSIOp>(op))
    return binary(LLVM::SMinOp());
  if (isa<arith::MaxSIOp>(op))
    return binary(LLVM::SMaxOp());
  // A size that divides is at least one; where the constraints on sizes do not hold, nothing may trap before that is known.
  auto divisor = [&]() -> Value {
    Value d = values.lookup(op.getOperand(1)), one = constant(i64, 1);
    if (op.getOperand(1).getDefiningOp<arith::ConstantIndexOp>())
      return d;
    Value isSize = LLVM::ICmpOp::create(b, loc, LLVM::ICmpPredicate::sgt, d, one);
    return LLVM::SelectOp::create(b, loc, isSize, d, one);
  };
  if (auto compare = dyn_cast<arith::CmpIOp>(op)) {
    auto predicate = compare.getPredicate() == arith::CmpIPredicate::eq ? LLVM::ICmpPredicate::eq : LLVM::ICmpPredicate::sge;
    values[compare] =
        LLVM::ICmpOp::create(b, loc, predicate, values.lookup(compare.getLhs()), values.lookup(compare.getRhs()));
    return success();
  }
  if (auto select = dyn_cast<arith::SelectOp>(op)) {
    values[select] = LLVM::SelectOp::create(b, loc, values.lookup(select.getCondition()),
                                            values.lookup(select.getTrueValue()), values.lookup(select.getFalseValue()));
    return success();
  }
  if (isa<arith::FloorDivSIOp, arith::CeilDivSIOp>(op)) {
    // floor(a / d) of any a, for positive d: (a - ((a mod d + d) mod d)) / d; the ceiling is the floor
    // of a + d - 1.
    Value a = values.lookup(op.getOperand(0)), d = divisor();
    if (isa<arith::CeilDivSIOp>(op))
      a = LLVM::AddOp::create(b, loc, a, LLVM::SubOp::create(b, loc, d, constant(i64, 1)));
    Value rest = LLVM::SRemOp::create(b, loc, a, d);
    rest = LLVM::SRemOp::create(b, loc, LLVM::AddOp::create(b, loc, rest, d), d);
    values[op.getResult(0)] = LLVM::SDivOp::create(b, loc, LLVM::SubOp::create(b, loc, a, rest), d);
    return success();
  }
  return op.emitError("internal error: '") << op.getName() << "' in a host program";
}

LogicalResult HostEmitter::emitLaunch(halide::LaunchOp launch) {
  SmallVector<Value> buffersOfLaunch(launch.getIns());
  buffersOfLaunch.append(launch.getOuts().begin(), launch.getOuts().end());
  int64_t dimensionOffset = 0;
  for (auto [i, operand] : llvm::enumerate(buffersOfLaunch)) {
    auto type = cast<MemRefType>(operand.getType());
    const Memory &memory = memories[operand];
    Value sizes;
    if (type.hasStaticShape()) {
      sizes = constantSizes(type.getShape());
    } else {
      sizes = extents;
      unsigned next = 0;
      for (auto [d, size] : llvm::enumerate(type.getShape()))
        LLVM::StoreOp::create(b, loc,
                              ShapedType::isDynamic(size) ? memory.freeSizes[next++]
                                                          : constant(i64, size),
                              offsetBy(extents, int64_t(d) * 8));
    }
    Value buffer = offsetBy(buffers, int64_t(i) * bufferBytes);
    LLVM::CallOp::create(b, loc, bufferInit,
                         ValueRange{context, buffer, offsetBy(dimensions, dimensionOffset),
                                    memory.pointer,
                                    constant(i32, halideTypeOf(type.getElementType())),
                                    constant(i32, type.getRank()), sizes});
    int64_t pitch = halide::getPitch(type);
    bool isDense = ShapedType::isDynamic(pitch) || type.getRank() < 2 || pitch == type.getShape().back();
    if (!isDense)
      LLVM::CallOp::create(
          b, loc, declare("sylvite_buffer_set_pitch", LLVM::LLVMVoidType::get(b.getContext()), {pointer, pointer, i64}),
          ValueRange{context, buffer, constant(i64, pitch)});
    LLVM::StoreOp::create(b, loc, buffer, offsetBy(arguments, int64_t(i) * 8));
    dimensionOffset += type.getRank() * dimensionBytes;
  }
  auto addressOf = [&](FlatSymbolRefAttr name) -> Value {
    auto pipeline = SymbolTable::lookupNearestSymbolFrom<halide::PipelineOp>(launch, name);
    auto symbol = pipeline ? pipeline->getAttrOfType<StringAttr>("symbol") : StringAttr();
    std::string function = ((symbol ? symbol.getValue() : name.getValue()) + "_argv").str();
    declare(function, i32, {pointer});
    return LLVM::AddressOfOp::create(b, loc, pointer, function);
  };
  Value kernel = addressOf(launch.getPipelineAttr());
  auto counted = llvm::find_if(buffersOfLaunch, [&](Value buffer) { return !memories[buffer].freeSizes.empty(); });
  for (auto [few, most] : llvm::reverse(llvm::zip_equal(launch.getFew().getAsRange<FlatSymbolRefAttr>(), launch.getMost()))) {
    Value isFew = LLVM::ICmpOp::create(b, loc, LLVM::ICmpPredicate::sle, memories[*counted].freeSizes.front(), constant(i64, most));
    kernel = LLVM::SelectOp::create(b, loc, isFew, addressOf(few), kernel);
  }
  // After a failure the runtime runs nothing, so the last status is the first one.
  status = LLVM::CallOp::create(
               b, loc, launchFunction,
               ValueRange{context, constant(i32, nextKernel++), kernel, arguments})
               .getResult();
  return success();
}

/// The product of the static sizes of `shape`.
static int64_t knownElements(ArrayRef<int64_t> shape) {
  int64_t known = 1;
  for (int64_t size : shape)
    known *= ShapedType::isDynamic(size) ? 1 : size;
  return known;
}

/// After a failure nothing is copied, as no kernel runs: what a handle keeps stays as it was.
void HostEmitter::emitCopy(memref::CopyOp copy) {
  const Memory &source = memories[copy.getSource()], &target = memories[copy.getTarget()];
  auto type = cast<MemRefType>(copy.getSource().getType());
  Value bytes = constant(i64, llvm::divideCeil(type.getElementTypeBitWidth(), 8) *
                                  knownElements(type.getShape()));
  for (Value size : source.freeSizes)
    bytes = LLVM::MulOp::create(b, loc, bytes, size);
  Value good = LLVM::ICmpOp::create(b, loc, LLVM::ICmpPredicate::eq, status, constant(i32, 0));
  bytes = LLVM::SelectOp::create(b, loc, good, bytes, constant(i64, 0));
  LLVM::MemcpyOp::create(b, loc, target.pointer, source.pointer, bytes, /*isVolatile=*/false);
}

/// A loop of the host program as blocks: header, body, exit. The status of the last launch goes with it.
LogicalResult HostEmitter::emitLoop(scf::ForOp loop) {
  SmallVector<Value> start{values.lookup(loop.getLowerBound()), status};
  SmallVector<Type> types{i64, i32};
  for (Value initial : loop.getInitArgs()) {
    start.push_back(memories[initial].pointer);
    types.push_back(pointer);
  }
  Block *before = b.getInsertionBlock();
  Region *region = before->getParent();
  SmallVector<Location> locations(types.size(), loc);
  Block *header = b.createBlock(region, region->end(), types, locations);
  Block *body = b.createBlock(region, region->end());
  Block *exit = b.createBlock(region, region->end());
  b.setInsertionPointToEnd(before);
  LLVM::BrOp::create(b, loc, start, header);
  b.setInsertionPointToEnd(header);
  Value index = header->getArgument(0);
  Value more = LLVM::ICmpOp::create(b, loc, LLVM::ICmpPredicate::slt, index,
                                    values.lookup(loop.getUpperBound()));
  LLVM::CondBrOp::create(b, loc, more, body, exit);

  status = header->getArgument(1);
  values[loop.getInductionVar()] = index;
  for (auto [i, argument] : llvm::enumerate(loop.getRegionIterArgs())) {
    Memory memory{header->getArgument(2 + i), memories[loop.getInitArgs()[i]].freeSizes};
    memories[argument] = memory;
    memories[loop.getResult(i)] = memory;
  }
  b.setInsertionPointToEnd(body);
  if (failed(emitBlock(*loop.getBody())))
    return failure();
  SmallVector<Value> next{LLVM::AddOp::create(b, loc, index, values.lookup(loop.getStep())), status};
  for (Value yielded : loop.getYieldedValues())
    next.push_back(memories[yielded].pointer);
  LLVM::BrOp::create(b, loc, next, header);
  status = header->getArgument(1);
  b.setInsertionPointToEnd(exit);
  return success();
}

/// A choice as blocks: two branches, exit. The status of the last launch goes with it.
LogicalResult HostEmitter::emitChoice(scf::IfOp choice) {
  Block *before = b.getInsertionBlock();
  Region *region = before->getParent();
  Block *branches[] = {b.createBlock(region, region->end()), b.createBlock(region, region->end())};
  Block *exit = b.createBlock(region, region->end(), ArrayRef<Type>(i32), loc);
  b.setInsertionPointToEnd(before);
  LLVM::CondBrOp::create(b, loc, values.lookup(choice.getCondition()), branches[0], branches[1]);
  Value first = status;
  for (auto [branch, body] : llvm::zip_equal(branches, choice.getRegions())) {
    status = first;
    b.setInsertionPointToEnd(branch);
    if (failed(emitBlock(body->front())))
      return failure();
    LLVM::BrOp::create(b, loc, status, exit);
  }
  status = exit->getArgument(0);
  b.setInsertionPointToEnd(exit);
  return success();
}

LogicalResult HostEmitter::emitBlock(Block &block) {
  for (Operation &op : block.without_terminator()) {
    loc = op.getLoc();
    if (failed(emitOp(op)))
      return failure();
  }
  loc = block.getTerminator()->getLoc();
  return success();
}

LogicalResult HostEmitter::emitOp(Operation &op) {
  auto freeSizes = [&](OperandRange sizes) {
    SmallVector<Value, 2> free;
    for (Value size : sizes)
      free.push_back(values.lookup(size));
    return free;
  };
  if (auto view = dyn_cast<memref::ViewOp>(op)) {
    memories[view] = {offsetBy(memories[view.getSource()].pointer, values.lookup(view.getByteShift())),
                      freeSizes(view.getSizes())};
  } else if (auto cast = dyn_cast<memref::ReinterpretCastOp>(op)) {
    int64_t bytes = llvm::divideCeil(cast.getType().getElementTypeBitWidth(), 8) * cast.getStaticOffset(0);
    memories[cast] = {offsetBy(memories[cast.getSource()].pointer, bytes), freeSizes(cast.getSizes())};
  } else if (auto cast = dyn_cast<memref::CastOp>(op)) {
    Memory source = memories[cast.getSource()];
    memories[cast] = source;
  } else if (auto slice = dyn_cast<memref::SubViewOp>(op)) {
    // A slice of the leading dimension, or several, whose number is the first of the free sizes then.
    MemRefType type = slice.getType();
    Memory memory{{}, freeSizes(slice.getSizes())};
    Value bytes = constant(i64, llvm::divideCeil(type.getElementTypeBitWidth(), 8) *
                                    knownElements(type.getShape()));
    bool isOne = type.getRank() < slice.getSourceType().getRank();
    for (Value size : ArrayRef(memory.freeSizes).drop_front(isOne ? 0 : 1))
      bytes = LLVM::MulOp::create(b, loc, bytes, size);
    Value offset = LLVM::MulOp::create(b, loc, indexOf(slice.getMixedOffsets().front()), bytes);
    memory.pointer = offsetBy(memories[slice.getSource()].pointer, offset);
    memories[slice] = memory;
  } else if (auto launch = dyn_cast<halide::LaunchOp>(op)) {
    return emitLaunch(launch);
  } else if (auto loop = dyn_cast<scf::ForOp>(op)) {
    return emitLoop(loop);
  } else if (auto load = dyn_cast<memref::LoadOp>(op)) { // a bool
    Value byte = LLVM::LoadOp::create(b, loc, b.getI8Type(), memories[load.getMemref()].pointer);
    values[load] = LLVM::ICmpOp::create(b, loc, LLVM::ICmpPredicate::ne, byte, constant(b.getI8Type(), 0));
  } else if (auto choice = dyn_cast<scf::IfOp>(op)) {
    return emitChoice(choice);
  } else if (auto select = dyn_cast<arith::SelectOp>(op); select && isa<MemRefType>(select.getType())) {
    Memory memory = memories[select.getTrueValue()];
    memory.pointer = LLVM::SelectOp::create(b, loc, values.lookup(select.getCondition()), memory.pointer,
                                            memories[select.getFalseValue()].pointer);
    memories[select] = memory;
  } else if (auto copy = dyn_cast<memref::CopyOp>(op)) {
    emitCopy(copy);
  } else {
    return emitScalar(op);
  }
  return success();
}

LogicalResult HostEmitter::emitEntry(func::FuncOp function) {
  loc = function.getLoc();
  std::string name = function.getName().str();
  function.setName(name + "_planned");
  auto strings = [&](StringRef attribute) {
    return function->getAttrOfType<ArrayAttr>(attribute).size();
  };
  unsigned numSymbols = strings("host.symbols"), numInputs = strings("host.input_tensors"),
           numOutputs = strings("host.output_tensors"), numParameters = strings("host.parameters");

  bufferInit = declare("sylvite_buffer_init", LLVM::LLVMVoidType::get(b.getContext()),
                       {pointer, pointer, pointer, pointer, i32, i32, pointer});
  launchFunction = declare("sylvite_launch", i32, {pointer, i32, pointer, pointer});
  LLVM::LLVMFuncOp emitted =
      declare(name, i32, {pointer, pointer, pointer, pointer, pointer, pointer});
  Block *entry = emitted.addEntryBlock(b);
  b.setInsertionPointToStart(entry);
  context = entry->getArgument(0);
  status = constant(i32, 0);

  // Stack for the largest launch.
  int64_t mostBuffers = 1, mostDimensions = 1, mostRank = 1;
  function.walk([&](halide::LaunchOp launch) {
    int64_t rank = 0;
    for (Value operand : launch.getOperands()) {
      rank += cast<MemRefType>(operand.getType()).getRank();
      mostRank = std::max(mostRank, cast<MemRefType>(operand.getType()).getRank());
    }
    mostBuffers = std::max<int64_t>(mostBuffers, launch.getNumOperands());
    mostDimensions = std::max(mostDimensions, rank);
  });
  buffers = stackBytes(mostBuffers * bufferBytes);
  dimensions = stackBytes(mostDimensions * dimensionBytes);
  extents = stackBytes(mostRank * 8);
  arguments = stackBytes(mostBuffers * 8);

  SmallVector<Value> symbols;
  for (unsigned i = 0; i < numSymbols; ++i) {
    symbols.push_back(loadAt(i64, entry->getArgument(1), i));
    values[function.getArgument(i)] = symbols.back();
  }
  auto bindArray = [&](Value array, unsigned first, unsigned count, StringRef describedBy) {
    ArrayAttr tensors =
        describedBy.empty() ? ArrayAttr() : function->getAttrOfType<ArrayAttr>(describedBy);
    for (unsigned i = 0; i < count; ++i) {
      Memory memory{loadAt(pointer, array, i), {}};
      if (tensors) {
        auto shape = cast<DictionaryAttr>(tensors[i]).getAs<DenseI64ArrayAttr>("shape");
        for (int64_t size : shape.asArrayRef())
          if (size < 0 && size != std::numeric_limits<int64_t>::min())
            memory.freeSizes.push_back(symbols[-1 - size]);
      }
      memories[function.getArgument(first + i)] = memory;
    }
  };
  bindArray(entry->getArgument(2), numSymbols, numInputs, "host.input_tensors");
  bindArray(entry->getArgument(3), numSymbols + numInputs, numOutputs, "host.output_tensors");
  // The state stands behind the parameters.
  bindArray(entry->getArgument(5), numSymbols + numInputs + numOutputs,
            numParameters + function->hasAttr("host.states"), "");
  memories[function.getArguments().back()] = Memory{entry->getArgument(4), {}};

  if (failed(emitBlock(function.getBody().front())))
    return failure();
  LLVM::ReturnOp::create(b, loc, status);
  for (StringRef attribute : {"host.symbols", "host.least_sizes", "host.input_tensors", "host.output_tensors", "host.parameters",
                              "host.updates", "host.read_whole", "host.constraints", "host.arena", "host.live",
                              "host.microbatches", "host.states", "host.state_bytes"})
    if (Attribute value = function->getAttr(attribute))
      emitted->setAttr(attribute, value);
  // The kernels in the order of their indices, which follow those of the functions before.
  SmallVector<Attribute> kernels, loops;
  auto describeLoop = [&](Region &body, Attribute steps, Attribute direction, int64_t first) {
    int64_t count = 0;
    SetVector<Attribute> layers;
    body.walk([&](halide::LaunchOp launch) {
      ++count;
      layers.insert_range(launch->getAttrOfType<ArrayAttr>("layers"));
    });
    loops.push_back(b.getDictionaryAttr({b.getNamedAttr("layers", b.getArrayAttr(layers.getArrayRef())),
                                         b.getNamedAttr("steps", steps), b.getNamedAttr("direction", direction),
                                         b.getNamedAttr("first_kernel", b.getI64IntegerAttr(first)),
                                         b.getNamedAttr("kernels", b.getI64IntegerAttr(count))}));
    return first + count;
  };
  auto describeChoice = [&](scf::IfOp choice) {
    Attribute once = b.getI64IntegerAttr(1);
    int64_t next = describeLoop(choice.getThenRegion(), once, b.getStringAttr("if_true"), kernels.size());
    describeLoop(choice.getElseRegion(), once, b.getStringAttr("if_false"), next);
  };
  auto describeKernel = [&](halide::LaunchOp launch) {
    kernels.push_back(b.getDictionaryAttr(
        {b.getNamedAttr("name", b.getStringAttr(launch.getPipeline())),
         b.getNamedAttr("layers", launch->getAttr("layers")),
         b.getNamedAttr("flops", launch->getAttr("flops")),
         b.getNamedAttr("bytes", launch->getAttr("bytes")),
         b.getNamedAttr("reads", b.getI64IntegerAttr(launch.getIns().size())),
         b.getNamedAttr("writes", b.getI64IntegerAttr(launch.getOuts().size()))}));
  };
  function.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (auto loop = dyn_cast<scf::ForOp>(op))
      describeLoop(loop.getRegion(), loop->getAttr("steps"), loop->getAttr("direction"), kernels.size());
    else if (auto choice = dyn_cast<scf::IfOp>(op))
      describeChoice(choice);
    else if (auto launch = dyn_cast<halide::LaunchOp>(op))
      describeKernel(launch);
  });
  emitted->setAttr("host.kernels", b.getArrayAttr(kernels));
  emitted->setAttr("host.loops", b.getArrayAttr(loops));
  function.erase();
  return success();
}

LogicalResult HostEmitter::emitSizes(func::FuncOp function) {
  loc = function.getLoc();
  std::string name = function.getName().str();
  function.setName(name + "_planned");
  bool isShapes = function->hasAttr("host.shapes_of");
  LLVM::LLVMFuncOp sizes =
      isShapes ? declare(name, LLVM::LLVMVoidType::get(b.getContext()), {pointer, pointer})
               : declare(name, i64, {pointer});
  Block *entry = sizes.addEntryBlock(b);
  b.setInsertionPointToStart(entry);
  for (BlockArgument argument : function.getArguments())
    values[argument] = loadAt(i64, entry->getArgument(0), argument.getArgNumber());
  for (Operation &op : function.getBody().front().without_terminator())
    if (failed(emitScalar(op)))
      return failure();
  auto returned = cast<func::ReturnOp>(function.getBody().front().getTerminator());
  if (!isShapes) {
    LLVM::ReturnOp::create(b, loc, values.lookup(returned.getOperand(0)));
  } else {
    for (auto [i, size] : llvm::enumerate(returned.getOperands()))
      LLVM::StoreOp::create(b, loc, values.lookup(size),
                            offsetBy(entry->getArgument(1), int64_t(i) * 8));
    LLVM::ReturnOp::create(b, loc, ValueRange());
  }
  function.erase();
  return success();
}

namespace {
struct EmitHost : sylvite::impl::EmitHostBase<EmitHost> {
  using EmitHostBase::EmitHostBase;
  void runOnOperation() override {
    HostEmitter emitter(getOperation());
    for (func::FuncOp function :
         llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>())) {
      bool isSizes = function->hasAttr("host.arena_of") || function->hasAttr("host.shapes_of") ||
                     function->hasAttr("host.violated_of");
      if (failed(function->hasAttr("host.symbols") ? emitter.emitEntry(function)
                 : isSizes                         ? emitter.emitSizes(function)
                                                   : success()))
        return signalPassFailure();
    }
  }
};
} // namespace
