//===- PlanMemory.cpp - plan-memory ----------------------------------------===//
//
// Rewrites a function on tensors into a host function on memrefs, by the plan that MemoryPlan.h makes: every tensor becomes
// a view of the arena, of a parameter, or of what the caller passes.
//
// A loop (nn.scan) becomes scf.for, which carries buffers: of a carried value the one that a step reads, that which it
// writes, and that which the next one will write. A choice (nn.if) becomes scf.if on the condition, which it reads from memory.
// A batch computed in parts (nn.microbatch) becomes scf.for over its items, a part at a time.
//
// A function may change what the model keeps: a parameter (a result with `nn.update`), or a state (`nn.state`). New values
// that no kernel writes over the old ones are copied there when everything else is done, because all reads see the old one.
//
//===----------------------------------------------------------------------===//
#include "passes/host/MemoryPlan.h"
#include "passes/host/Tensors.h"

#include "mlir/IR/IRMapping.h"

namespace sylvite {
#define GEN_PASS_DEF_PLANMEMORY
#include "passes/Passes.h.inc"
} // namespace sylvite

using namespace mlir;
using namespace sylvite;

namespace {

/// Writes the host function of one planned function, and the functions that say its sizes.
class HostWriter {
public:
  explicit HostWriter(const MemoryPlan &plan) : plan(plan), function(plan.function) {}
  void write();

private:
  func::FuncOp createHost(OpBuilder &b);
  void writeOffsets(OpBuilder &b);
  void mapStates(OpBuilder &b, func::FuncOp host, Value memory);
  void writeBody(OpBuilder &b);
  void writeSizes(OpBuilder &b, func::FuncOp host);
  void writeConstraints(OpBuilder &b, func::FuncOp host, ArrayAttr constraints);
  void describeTensors(func::FuncOp host);
  void writeUpdates(OpBuilder &b);
  /// Where what a block yields goes, and whether its kernels write it there; else it is copied at the end.
  struct Target {
    Value yielded, memory;
    bool isWrittenThere;
  };
  void writeBlock(OpBuilder &b, Block &block, ArrayRef<Target> targets = {});
  Value placeResult(OpBuilder &b, Location loc, Value result);
  void writeCall(OpBuilder &b, halide::CallOp call);
  void writeScan(OpBuilder &b, nn::ScanOp scan);
  void writeIf(OpBuilder &b, nn::IfOp branches);
  void writeMicrobatch(OpBuilder &b, nn::MicrobatchOp op);

  /// Bytes from the start of the arena.
  Value offsetOf(MemoryPlan::Place place, unsigned copy = 0) {
    return offsets.lookup({place.free, place.allocation + copy});
  }
  /// `expr` of the function's symbols as an index value.
  Value materialize(OpBuilder &b, Location loc, AffineExpr expr, ValueRange symbols);
  /// The free dimensions of `value`, as index values.
  SmallVector<Value> freeSizes(OpBuilder &b, Location loc, Value value);
  /// The memory of the value that `value` is a view of, or into which it is joined, seen as `value`.
  Value viewAs(OpBuilder &b, Location loc, Value value);
  /// The symbols that shapes are in terms of: sizes that the caller gives, and the items in a part of a batch.
  SmallVector<Value> symbolsFrom(OpBuilder &b, Location loc, ValueRange sizes);
  /// The items of `memory` from `first` on, which are `part`.
  Value partView(OpBuilder &b, Location loc, Value memory, Value first, Value part);
  /// Slice `index` of the leading dimension of `memory`, which is `slice`.
  Value sliceView(OpBuilder &b, Location loc, Value memory, Value index, Value slice);
  /// What a user knows an array by: name, element type, and shape in terms of the symbols.
  DictionaryAttr describe(Value value, Attribute name);
  /// Two numbers: `expr` for no batch, and its growth with the batch; other free dimensions are one.
  std::pair<double, double> linearInBatch(AffineExpr expr);
  func::FuncOp createFunction(OpBuilder &b, const llvm::Twine &name, TypeRange arguments, TypeRange results);
  OperandRange returned() { return function.getBody().front().getTerminator()->getOperands(); }

  const MemoryPlan &plan;
  func::FuncOp function;
  std::string name = function.getName().str(); ///< of the host function
  SmallVector<Value> symbolValues; ///< within an nn.microbatch, the items that it computes at once are those of this time
  ValueRange inputs, results, weights;
  Value arena;
  SmallVector<Value> states;
  DenseMap<std::pair<AffineExpr, unsigned>, Value> offsets; ///< in the arena, by class and allocation
  IRMapping memories;
};

} // namespace

Value HostWriter::materialize(OpBuilder &b, Location loc, AffineExpr expr, ValueRange symbols) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return arith::ConstantIndexOp::create(b, loc, constant.getValue());
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr))
    return symbols[symbol.getPosition()];
  auto binary = cast<AffineBinaryOpExpr>(expr);
  Value lhs = materialize(b, loc, binary.getLHS(), symbols);
  Value rhs = materialize(b, loc, binary.getRHS(), symbols);
  switch (expr.getKind()) {
  case AffineExprKind::Add:
    return arith::AddIOp::create(b, loc, lhs, rhs);
  case AffineExprKind::Mul:
    return arith::MulIOp::create(b, loc, lhs, rhs);
  case AffineExprKind::FloorDiv:
    return arith::FloorDivSIOp::create(b, loc, lhs, rhs);
  case AffineExprKind::CeilDiv:
    return arith::CeilDivSIOp::create(b, loc, lhs, rhs);
  case AffineExprKind::Mod: { // of the quotient rounded down, as that of -9 and 4 is 3
    Value quotient = arith::FloorDivSIOp::create(b, loc, lhs, rhs);
    return arith::SubIOp::create(b, loc, lhs, arith::MulIOp::create(b, loc, quotient, rhs));
  }
  default:
    llvm_unreachable("a binary affine expression");
  }
}

SmallVector<Value> HostWriter::symbolsFrom(OpBuilder &b, Location loc, ValueRange sizes) {
  SmallVector<Value> symbols(sizes);
  for (AffineMap microbatch : plan.microbatches)
    symbols.push_back(arith::MinSIOp::create(b, loc, materialize(b, loc, microbatch.getResult(0), sizes),
                                             materialize(b, loc, microbatch.getResult(1), sizes)));
  return symbols;
}

SmallVector<Value> HostWriter::freeSizes(OpBuilder &b, Location loc, Value value) {
  SmallVector<Value> sizes;
  auto type = cast<RankedTensorType>(value.getType());
  for (auto [i, dim] : llvm::enumerate(plan.shapes.lookup(value)))
    if (type.isDynamicDim(i))
      sizes.push_back(materialize(b, loc, dim, symbolValues));
  return sizes;
}

std::pair<double, double> HostWriter::linearInBatch(AffineExpr expr) {
  auto at = [&](int64_t batch) -> double {
    // What the parts of a batch do adds up to what the whole one is.
    SmallVector<AffineExpr> values(plan.symbols.size() + plan.microbatches.size(), getAffineConstantExpr(1, function.getContext()));
    if (!values.empty())
      values[0] = getAffineConstantExpr(batch, function.getContext());
    for (auto [i, microbatch] : llvm::enumerate(plan.microbatches))
      values[plan.symbols.size() + i] = microbatch.getResult(0).replaceSymbols(ArrayRef(values).take_front(plan.symbols.size()));
    auto value = dyn_cast<AffineConstantExpr>(simplifyAffineExpr(expr.replaceSymbols(values), 0, 0));
    return value ? value.getValue() : 0;
  };
  double one = at(1), two = at(2);
  return {2 * one - two, two - one};
}

static MemRefType memrefOf(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  return MemRefType::get(tensor.getShape(), tensor.getElementType());
}

func::FuncOp HostWriter::createFunction(OpBuilder &b, const llvm::Twine &name, TypeRange arguments, TypeRange results) {
  auto created = func::FuncOp::create(b, function.getLoc(), name.str(), b.getFunctionType(arguments, results));
  created.addEntryBlock();
  return created;
}

/// The strides of a row-major array of `sizes`, whose innermost is `pitch` in memory.
static SmallVector<OpFoldResult> rowMajorStrides(OpBuilder &b, Location loc, SmallVector<OpFoldResult> sizes,
                                                 std::optional<int64_t> pitch) {
  if (pitch)
    sizes.back() = b.getIndexAttr(*pitch);
  SmallVector<OpFoldResult> strides(sizes.size());
  OpFoldResult stride = b.getIndexAttr(1);
  auto valueOf = [&](OpFoldResult folded) -> Value {
    if (auto attribute = dyn_cast<Attribute>(folded))
      return arith::ConstantIndexOp::create(b, loc, cast<IntegerAttr>(attribute).getInt());
    return cast<Value>(folded);
  };
  for (int64_t i = sizes.size() - 1; i >= 0; --i) {
    strides[i] = stride;
    if (i == 0)
      break;
    if (auto size = dyn_cast<Attribute>(sizes[i]); size && isa<Attribute>(stride))
      stride = b.getIndexAttr(cast<IntegerAttr>(size).getInt() *
                              cast<IntegerAttr>(cast<Attribute>(stride)).getInt());
    else
      stride = OpFoldResult(
          arith::MulIOp::create(b, loc, valueOf(stride), valueOf(sizes[i])).getResult());
  }
  return strides;
}

/// The sizes of `shape` with the free ones from `free`, in order.
static SmallVector<OpFoldResult> mixSizes(OpBuilder &b, ArrayRef<int64_t> shape, ValueRange free) {
  SmallVector<OpFoldResult> sizes;
  unsigned next = 0;
  for (int64_t dim : shape)
    sizes.push_back(ShapedType::isDynamic(dim) ? OpFoldResult(free[next++])
                                               : OpFoldResult(b.getIndexAttr(dim)));
  return sizes;
}

Value HostWriter::viewAs(OpBuilder &b, Location loc, Value value) {
  Value owner = viewed(value);
  MemRefType type = memrefOf(value.getType());
  SmallVector<Value> sizes = freeSizes(b, loc, value);
  // From a part to what it is joined to, and so on.
  int64_t offset = 0;
  std::optional<int64_t> pitch;
  for (auto part = plan.partOf.find(owner); part != plan.partOf.end(); part = plan.partOf.find(owner)) {
    owner = part->second.joined;
    offset += part->second.offset;
    pitch = cast<RankedTensorType>(owner.getType()).getShape().back();
  }
  if (pitch) {
    Value memory = memories.contains(owner) ? memories.lookup(owner) : placeResult(b, loc, owner);
    SmallVector<OpFoldResult> mixedSizes = mixSizes(b, type.getShape(), sizes),
                              strides = rowMajorStrides(b, loc, mixedSizes, pitch);
    auto layout = StridedLayoutAttr::get(b.getContext(), offset, llvm::map_to_vector(strides, [](OpFoldResult stride) {
      return getConstantIntValue(stride).value_or(ShapedType::kDynamic);
    }));
    return memref::ReinterpretCastOp::create(b, loc, MemRefType::get(type.getShape(), type.getElementType(), layout), memory,
                                             b.getIndexAttr(offset), mixedSizes, strides);
  }
  if (auto at = plan.inArena.find(owner); at != plan.inArena.end() && !MemoryPlan::isCarried(owner))
    return memref::ViewOp::create(b, loc, type, arena, offsetOf(at->second), sizes);
  Value memory = memories.lookup(owner);
  if (memory.getType() == type && type.hasStaticShape())
    return memory;
  SmallVector<OpFoldResult> mixedSizes = mixSizes(b, type.getShape(), sizes);
  return memref::ReinterpretCastOp::create(b, loc, type, memory, b.getIndexAttr(0), mixedSizes,
                                           rowMajorStrides(b, loc, mixedSizes, std::nullopt));
}

Value HostWriter::sliceView(OpBuilder &b, Location loc, Value memory, Value index, Value slice) {
  auto source = cast<MemRefType>(memory.getType());
  ArrayRef<int64_t> shape = cast<RankedTensorType>(slice.getType()).getShape();
  SmallVector<OpFoldResult> starts(source.getRank(), b.getIndexAttr(0)),
      strides(source.getRank(), b.getIndexAttr(1)),
      sizes = mixSizes(b, shape, freeSizes(b, loc, slice));
  starts[0] = index;
  sizes.insert(sizes.begin(), b.getIndexAttr(1));
  auto type = cast<MemRefType>(
      memref::SubViewOp::inferRankReducedResultType(shape, source, starts, sizes, strides));
  return memref::SubViewOp::create(b, loc, type, memory, starts, sizes, strides);
}

Value HostWriter::partView(OpBuilder &b, Location loc, Value memory, Value first, Value part) {
  int64_t rank = cast<MemRefType>(memory.getType()).getRank();
  SmallVector<OpFoldResult> starts(rank, b.getIndexAttr(0)), strides(rank, b.getIndexAttr(1)),
      sizes = mixSizes(b, cast<RankedTensorType>(part.getType()).getShape(), freeSizes(b, loc, part));
  starts[0] = first;
  return memref::SubViewOp::create(b, loc, memory, starts, sizes, strides);
}

void HostWriter::writeBlock(OpBuilder &b, Block &block, ArrayRef<Target> targets) {
  for (const Target &target : targets)
    if (target.isWrittenThere)
      memories.map(viewed(target.yielded), target.memory);
  for (Operation &op : block.without_terminator()) {
    if (auto reshape = dyn_cast<nn::ReshapeOp>(op))
      memories.map(reshape.getResult(), viewAs(b, op.getLoc(), reshape.getResult()));
    else if (auto concat = dyn_cast<nn::ConcatOp>(op))
      placeResult(b, op.getLoc(), concat.getResult());
    else if (auto call = dyn_cast<halide::CallOp>(op))
      writeCall(b, call);
    else if (auto scan = dyn_cast<nn::ScanOp>(op))
      writeScan(b, scan);
    else if (auto branches = dyn_cast<nn::IfOp>(op))
      writeIf(b, branches);
    else if (auto microbatch = dyn_cast<nn::MicrobatchOp>(op))
      writeMicrobatch(b, microbatch);
  }
  for (const Target &target : targets)
    if (!target.isWrittenThere)
      memref::CopyOp::create(b, block.getParentOp()->getLoc(), memories.lookup(target.yielded), target.memory);
}

/// Gives `result` the memory that the plan has for it, which may be seen elsewhere through a reshape; in a loop or a branch it may
/// have its place already. Returns that memory.
Value HostWriter::placeResult(OpBuilder &b, Location loc, Value result) {
  if (auto output = plan.outputs.find(result); output != plan.outputs.end())
    memories.map(result, results[output->second]);
  else if (auto parameter = plan.inPlace.find(result); parameter != plan.inPlace.end())
    memories.map(result, weights[parameter->second]);
  Value memory = viewAs(b, loc, result);
  memories.map(result, memory);
  return memory;
}

void HostWriter::writeCall(OpBuilder &b, halide::CallOp call) {
  Location loc = function.getLoc();
  SmallVector<Value> ins, outs;
  AffineExpr bytes = getAffineConstantExpr(0, function.getContext());
  auto addBytes = [&](Value tensor) {
    auto [constant, free] = plan.sizeOf(tensor);
    bytes = bytes + free * constant;
  };
  for (Value value : call.getResults()) {
    placeResult(b, loc, value);
    outs.push_back(memories.lookup(value));
  }
  for (Value input : call.getInputs()) {
    ins.push_back(memories.lookup(input));
    addBytes(input);
  }
  for (Value value : call.getResults())
    addBytes(value);
  auto launch = halide::LaunchOp::create(b, call.getLoc(), call.getPipelineAttr(),
                                         call.getFewAttr(), call.getMostAttr(), ins, outs);
  launch->setAttr("layers", call->getAttr("layers"));
  // The elements that flops_per_element counts are the first result's, or an operand's.
  auto operand = call->getAttrOfType<IntegerAttr>("flops_operand");
  Value counted = operand ? call.getInputs()[operand.getInt()] : Value(call.getResult(0));
  auto [constant, free] = plan.sizeOf(counted);
  int64_t perElement = call->getAttrOfType<IntegerAttr>("flops_per_element").getInt();
  auto [flops, flopsPerItem] = linearInBatch(free);
  double scale = double(perElement) * constant / bytesPerElement(getElementTypeOrSelf(counted));
  auto [fixedBytes, bytesPerItem] = linearInBatch(bytes);
  launch->setAttr("flops", b.getDenseF64ArrayAttr({flops * scale, flopsPerItem * scale}));
  launch->setAttr("bytes", b.getDenseF64ArrayAttr({fixedBytes, bytesPerItem}));
}

/// `memory` as a dense array that may begin anywhere, the type of what a loop carries.
static Value anywhere(OpBuilder &b, Location loc, Value memory) {
  auto type = cast<MemRefType>(memory.getType());
  auto [strides, offset] = MemRefType::get(type.getShape(), type.getElementType()).getStridesAndOffset();
  auto layout = StridedLayoutAttr::get(b.getContext(), ShapedType::kDynamic, strides);
  auto moved = MemRefType::get(type.getShape(), type.getElementType(), layout);
  return type == moved ? memory : Value(memref::CastOp::create(b, loc, moved, memory));
}

/// A size as the library's description has it: a number, -1 - k for symbol k, or the least number for others.
static int64_t describeSize(AffineExpr size) {
  if (auto constant = dyn_cast<AffineConstantExpr>(size))
    return constant.getValue();
  if (auto symbol = dyn_cast<AffineSymbolExpr>(size))
    return -1 - int64_t(symbol.getPosition());
  return std::numeric_limits<int64_t>::min();
}

void HostWriter::writeScan(OpBuilder &b, nn::ScanOp scan) {
  Location loc = scan.getLoc();
  for (Value stacked : scan.getStacked())
    placeResult(b, loc, stacked);
  unsigned numCarried = scan.getInitial().size();
  auto isLastSlice = [&](unsigned i) { return plan.lastSliceOf.count(scan.getResult(i)); };
  // Per carried value what a step reads and, unless it is a slice, what it writes and what the next one
  // will write. The first step reads the initial value where it is.
  SmallVector<Value> initial;
  for (unsigned i = 0; i < numCarried; ++i) {
    initial.push_back(anywhere(b, loc, memories.lookup(scan.getInitial()[i])));
    if (isLastSlice(i))
      continue;
    Value result = scan.getResult(i);
    for (unsigned copy : {0u, 1u}) {
      Value buffer = memref::ViewOp::create(b, loc, memrefOf(result.getType()), arena,
                                            offsetOf(plan.inArena.at(result), copy),
                                            freeSizes(b, loc, result));
      initial.push_back(anywhere(b, loc, buffer));
    }
  }
  AffineExpr lengthExpr = plan.shapes.lookup(scan.getSequences().front())[0];
  Value zero = arith::ConstantIndexOp::create(b, loc, 0), one = arith::ConstantIndexOp::create(b, loc, 1);
  Value length = materialize(b, loc, lengthExpr, symbolValues);
  Value last = arith::SubIOp::create(b, loc, length, one);
  auto body = [&](OpBuilder &b, Location loc, Value step, ValueRange buffers) {
    Value backwards;
    auto indexOf = [&](bool reversed) {
      if (reversed && !backwards)
        backwards = arith::SubIOp::create(b, loc, last, step);
      return reversed ? backwards : step;
    };
    for (auto [i, argument] : llvm::enumerate(scan.getSliceArguments()))
      memories.map(argument, sliceView(b, loc, memories.lookup(scan.getSequences()[i]),
                                       indexOf(scan.isSequenceReversed(i)), argument));
    SmallVector<Value> target(numCarried); // of what is carried on
    for (unsigned i = 0, next = 0; i < numCarried; ++i) {
      memories.map(scan.getCarriedArguments()[i], buffers[next++]);
      if (isLastSlice(i))
        continue;
      target[i] = buffers[next];
      next += 2;
    }
    SmallVector<Value> slices;
    for (auto [j, stacked] : llvm::enumerate(scan.getStacked()))
      slices.push_back(sliceView(b, loc, memories.lookup(stacked), indexOf(scan.isStackedReversed(j)),
                                 scan.getYielded()[numCarried + j]));
    SmallVector<Target> targets;
    for (auto [j, stacked] : llvm::enumerate(scan.getStacked())) {
      Value yielded = scan.getYielded()[numCarried + j];
      targets.push_back({yielded, slices[j], plan.stackedAs.lookup(viewed(yielded)) == stacked});
    }
    for (unsigned i = 0; i < numCarried; ++i)
      if (Value yielded = scan.getYielded()[i]; !isLastSlice(i))
        targets.push_back({yielded, target[i], plan.carriedAs.lookup(viewed(yielded)) == scan.getResult(i)});
    writeBlock(b, scan.getBody().front(), targets);
    SmallVector<Value> next;
    for (unsigned i = 0, k = 0; i < numCarried; ++i) {
      if (isLastSlice(i)) {
        unsigned j = cast<OpResult>(plan.lastSliceOf.lookup(scan.getResult(i))).getResultNumber() - numCarried;
        next.push_back(anywhere(b, loc, slices[j]));
        ++k;
        continue;
      }
      next.append({buffers[k + 1], buffers[k + 2], buffers[k + 1]});
      k += 3;
    }
    scf::YieldOp::create(b, loc, next);
  };
  auto loop = scf::ForOp::create(b, loc, zero, length, one, initial, body);
  ArrayRef<bool> reversed = scan.getReversed().take_front(scan.getSequences().size());
  bool isBackward = reversed.front(), isMixed = llvm::is_contained(reversed, !isBackward);
  loop->setAttr("steps", b.getI64IntegerAttr(describeSize(lengthExpr)));
  loop->setAttr("direction", b.getStringAttr(isMixed ? "mixed" : isBackward ? "backward" : "forward"));
  for (unsigned i = 0, k = 0; i < numCarried; ++i) {
    memories.map(scan.getResult(i), loop.getResult(k));
    k += isLastSlice(i) ? 1 : 3;
  }
}

void HostWriter::writeIf(OpBuilder &b, nn::IfOp branches) {
  Location loc = branches.getLoc();
  for (Value result : branches.getResults())
    placeResult(b, loc, result);
  Value condition = memref::LoadOp::create(b, loc, memories.lookup(branches.getCondition()));
  auto choice = scf::IfOp::create(b, loc, condition, /*withElseRegion=*/true);
  for (auto [branch, region] : llvm::zip_equal(branches.getRegions(), choice.getRegions())) {
    SmallVector<Target> targets;
    for (auto [yielded, result] : llvm::zip_equal(branches.getYielded(*branch), branches.getResults()))
      targets.push_back({yielded, memories.lookup(result), plan.carriedAs.lookup(viewed(yielded)) == result});
    OpBuilder inner(region->front().getTerminator());
    writeBlock(inner, branch->front(), targets);
  }
}

void HostWriter::writeMicrobatch(OpBuilder &b, nn::MicrobatchOp op) {
  Location loc = op.getLoc();
  for (Value result : op.getResults())
    placeResult(b, loc, result);
  unsigned index = *plan.microbatchOf(plan.shapes.lookup(op.getBody().getArgument(0))[0]);
  Value &items = symbolValues[plan.symbols.size() + index], atMost = items;
  Value zero = arith::ConstantIndexOp::create(b, loc, 0), most = arith::ConstantIndexOp::create(b, loc, op.getMost());
  Value batch = materialize(b, loc, plan.microbatches[index].getResult(0), symbolValues);
  auto body = [&](OpBuilder &b, Location loc, Value first, ValueRange) {
    items = arith::MinSIOp::create(b, loc, most, arith::SubIOp::create(b, loc, batch, first));
    for (auto [input, argument] : llvm::zip_equal(op.getInputs(), op.getBody().getArguments()))
      memories.map(argument, partView(b, loc, memories.lookup(input), first, argument));
    SmallVector<Target> targets;
    for (auto [yielded, result] : llvm::zip_equal(op.getYielded(), op.getResults()))
      targets.push_back({yielded, partView(b, loc, memories.lookup(result), first, yielded),
                         plan.stackedAs.lookup(viewed(yielded)) == result});
    writeBlock(b, op.getBody().front(), targets);
    scf::YieldOp::create(b, loc);
  };
  auto loop = scf::ForOp::create(b, loc, zero, batch, most, ValueRange(), body);
  items = atMost;
  loop->setAttr("steps", b.getI64IntegerAttr(op.getMost()));
  loop->setAttr("direction", b.getStringAttr("microbatch"));
}

/// Gives the states and the updated parameters their new values. All reads have happened.
void HostWriter::writeUpdates(OpBuilder &b) {
  Location loc = function.getLoc();
  SmallVector<std::pair<Value, Value>> copies; // from, to
  for (auto [value, update] : llvm::zip_equal(returned().drop_front(plan.numOutputs), plan.updates)) {
    Value owner = viewed(value), memory = memories.lookup(value);
    if (plan.isOldValue(owner, update) || plan.inPlace.count(owner))
      continue;
    if (plan.isUpdated(owner)) {
      Value way = memref::ViewOp::create(b, loc, memrefOf(value.getType()), arena,
                                         offsetOf(plan.waysOut.at(owner)), ValueRange());
      memref::CopyOp::create(b, loc, memory, way);
      memory = way;
    }
    copies.push_back(
        {memory, update.parameter ? weights[plan.table.index.lookup(update.parameter)] : states[update.state]});
  }
  for (auto [from, to] : copies)
    memref::CopyOp::create(b, loc, from, to);
}

DictionaryAttr HostWriter::describe(Value value, Attribute name) {
  Builder b(value.getContext());
  auto shape = llvm::map_to_vector(plan.shapes.lookup(value), describeSize);
  return b.getDictionaryAttr({b.getNamedAttr("name", name ? name : b.getStringAttr("")),
                              b.getNamedAttr("shape", b.getDenseI64ArrayAttr(shape)),
                              b.getNamedAttr("type", TypeAttr::get(getElementTypeOrSelf(value.getType())))});
}

/// The first of the constraints that sizes do not satisfy, or -1.
void HostWriter::writeConstraints(OpBuilder &b, func::FuncOp host, ArrayAttr constraints) {
  Location loc = function.getLoc();
  SmallVector<Type> indices(plan.symbols.size(), b.getIndexType());
  func::FuncOp violated = createFunction(b, name + "_violated", indices, b.getIndexType());
  violated->setAttr("host.violated_of", FlatSymbolRefAttr::get(host));
  b.setInsertionPointToStart(&violated.getBody().front());
  SmallVector<Attribute> texts;
  Value first = arith::ConstantIndexOp::create(b, loc, -1);
  for (size_t i = constraints.size(); i-- > 0;) {
    auto constraint = cast<DictionaryAttr>(constraints[i]);
    AffineMap sides = constraint.getAs<AffineMapAttr>("sides").getValue();
    auto side = [&](unsigned k) { return materialize(b, loc, sides.getResult(k), violated.getArguments()); };
    auto relation = constraint.getAs<BoolAttr>("equal").getValue() ? arith::CmpIPredicate::eq : arith::CmpIPredicate::sge;
    Value holds = arith::CmpIOp::create(b, loc, relation, side(0), side(1));
    first = arith::SelectOp::create(b, loc, holds, first, arith::ConstantIndexOp::create(b, loc, i));
  }
  func::ReturnOp::create(b, loc, first);
  for (Attribute constraint : constraints)
    texts.push_back(cast<DictionaryAttr>(constraint).get("text"));
  host->setAttr("host.constraints", b.getArrayAttr(texts));
}

/// The host function with its arguments and what is known of it, and an empty body.
func::FuncOp HostWriter::createHost(OpBuilder &b) {
  unsigned numSymbols = plan.symbols.size(), numStates = function.getNumArguments() - plan.numInputs;
  SmallVector<Type> arguments(numSymbols, b.getIndexType());
  for (Type type : function.getArgumentTypes().take_front(plan.numInputs))
    arguments.push_back(memrefOf(type));
  for (Type type : function.getResultTypes().take_front(plan.numOutputs))
    arguments.push_back(memrefOf(type));
  for (nn::ParameterOp parameter : plan.table.parameters)
    arguments.push_back(memrefOf(parameter.getTensorType()));
  arguments.append(numStates ? 2 : 1, MemRefType::get({ShapedType::kDynamic}, b.getI8Type()));
  function.setName((name + "_tensors").c_str());
  func::FuncOp host = createFunction(b, name, arguments, {});
  auto names = [&](auto range) {
    SmallVector<Attribute> attributes;
    for (StringRef text : range)
      attributes.push_back(b.getStringAttr(text));
    return b.getArrayAttr(attributes);
  };
  host->setAttr("host.arena", AffineMapAttr::get(plan.arenaSize()));
  host->setAttr("host.live", AffineMapAttr::get(plan.liveSize()));
  if (!plan.microbatches.empty())
    host->setAttr("host.microbatches", b.getAffineMapArrayAttr(plan.microbatches));
  host->setAttr("host.symbols", names(plan.symbols));
  if (Attribute least = function->getAttr("nn.least_sizes"))
    host->setAttr("host.least_sizes", least);
  host->setAttr("host.inputs", b.getI64IntegerAttr(plan.numInputs));
  host->setAttr("host.outputs", b.getI64IntegerAttr(plan.numOutputs));
  host->setAttr("host.parameters", names(llvm::map_range(plan.table.parameters, [](nn::ParameterOp parameter) {
                  return parameter.getSymName();
                })));
  SmallVector<StringRef> updated;
  for (const MemoryPlan::Update &update : plan.updates)
    if (update.parameter)
      updated.push_back(update.parameter);
  host->setAttr("host.updates", names(updated));
  ValueRange all = host.getArguments();
  inputs = all.slice(numSymbols, plan.numInputs);
  results = all.slice(numSymbols + plan.numInputs, plan.numOutputs);
  weights = all.slice(numSymbols + plan.numInputs + plan.numOutputs, plan.table.parameters.size());
  arena = all.back();
  return host;
}

/// Where each class begins, and where each tensor of it is. Those of microbatches begin at one place, behind all others.
void HostWriter::writeOffsets(OpBuilder &b) {
  Location loc = function.getLoc();
  Value start = arith::ConstantIndexOp::create(b, loc, 0);
  auto write = [&](Value &base, AffineExpr free, const SizeClass &sizeClass) {
    Value unit = materialize(b, loc, free, symbolValues);
    for (auto [i, allocation] : llvm::enumerate(sizeClass.allocations)) {
      Value units = arith::ConstantIndexOp::create(b, loc, allocation.offset);
      Value offset = arith::MulIOp::create(b, loc, units, unit);
      offsets[{free, i}] = arith::AddIOp::create(b, loc, base, offset);
    }
    Value size = arith::ConstantIndexOp::create(b, loc, sizeClass.size);
    base = arith::AddIOp::create(b, loc, base, arith::MulIOp::create(b, loc, size, unit));
  };
  for (auto &[free, sizeClass] : plan.classes)
    if (!plan.microbatchOf(free))
      write(start, free, sizeClass);
  SmallVector<Value> starts(plan.microbatches.size(), start);
  for (auto &[free, sizeClass] : plan.classes)
    if (auto microbatch = plan.microbatchOf(free))
      write(starts[*microbatch], free, sizeClass);
}

/// What the model keeps lies in one block, `memory`, which the handle owns.
void HostWriter::mapStates(OpBuilder &b, func::FuncOp host, Value memory) {
  Location loc = function.getLoc();
  int64_t bytes = 0;
  SmallVector<Attribute> descriptions;
  for (BlockArgument state : function.getArguments().drop_front(plan.numInputs)) {
    descriptions.push_back(describe(state, function.getArgAttrOfType<StringAttr>(state.getArgNumber(), "nn.state")));
    Value offset = arith::ConstantIndexOp::create(b, loc, bytes);
    states.push_back(memref::ViewOp::create(b, loc, memrefOf(state.getType()), memory, offset, ValueRange()));
    memories.map(state, states.back());
    bytes += llvm::alignTo(plan.sizeOf(state).first, arenaAlignment);
  }
  if (states.empty())
    return;
  host->setAttr("host.states", b.getArrayAttr(descriptions));
  host->setAttr("host.state_bytes", b.getI64IntegerAttr(bytes));
}

void HostWriter::writeBody(OpBuilder &b) {
  Location loc = function.getLoc();
  function.walk([&](nn::GetOp get) {
    memories.map(get.getResult(), weights[plan.table.index.lookup(get.getParameter())]);
  });
  writeBlock(b, function.getBody().front());
  for (auto [i, operand] : llvm::enumerate(returned().take_front(plan.numOutputs))) {
    auto output = plan.outputs.find(viewed(operand));
    if (output == plan.outputs.end() || output->second != i)
      memref::CopyOp::create(b, loc, memories.lookup(operand), results[i]);
  }
  writeUpdates(b);
  func::ReturnOp::create(b, loc);
}

/// The functions that callers ask for sizes.
void HostWriter::writeSizes(OpBuilder &b, func::FuncOp host) {
  Location loc = function.getLoc();
  SmallVector<Type> indices(plan.symbols.size(), b.getIndexType());
  auto reference = FlatSymbolRefAttr::get(host);
  b.setInsertionPointAfter(host);
  func::FuncOp arenaBytes = createFunction(b, name + "_arena_bytes", indices, b.getIndexType());
  arenaBytes->setAttr("host.arena_of", reference);
  b.setInsertionPointToStart(&arenaBytes.getBody().front());
  Value bytes;
  SmallVector<Value> symbols = symbolsFrom(b, loc, arenaBytes.getArguments());
  for (AffineExpr size : plan.arenaSize().getResults()) {
    Value sum = materialize(b, loc, size, symbols);
    bytes = bytes ? arith::MaxSIOp::create(b, loc, bytes, sum) : sum;
  }
  func::ReturnOp::create(b, loc, bytes);

  b.setInsertionPointAfter(arenaBytes);
  nn::ShapeExpr dims;
  for (Value result : returned().take_front(plan.numOutputs))
    dims.append(plan.shapes.lookup(result));
  SmallVector<Type> types(dims.size(), b.getIndexType());
  func::FuncOp outputShapes = createFunction(b, name + "_output_shapes", indices, types);
  outputShapes->setAttr("host.shapes_of", reference);
  b.setInsertionPointToStart(&outputShapes.getBody().front());
  SmallVector<Value> sizes;
  for (AffineExpr dim : dims)
    sizes.push_back(materialize(b, loc, dim, outputShapes.getArguments()));
  func::ReturnOp::create(b, loc, sizes);

  if (auto constraints = function->getAttrOfType<ArrayAttr>("nn.size_constraints")) {
    b.setInsertionPointAfter(outputShapes);
    writeConstraints(b, host, constraints);
  }
}

void HostWriter::describeTensors(func::FuncOp host) {
  Builder b(host.getContext());
  SmallVector<Attribute> inputAttributes, outputAttributes;
  for (auto [i, argument] : llvm::enumerate(function.getArguments().take_front(plan.numInputs))) {
    NamedAttrList fields(describe(argument, function.getArgAttr(i, "nn.name")));
    if (Attribute classes = function.getArgAttr(i, "nn.classes"))
      fields.set("classes", classes);
    inputAttributes.push_back(fields.getDictionary(b.getContext()));
  }
  for (auto [i, result] : llvm::enumerate(returned().take_front(plan.numOutputs)))
    outputAttributes.push_back(describe(result, function.getResultAttr(i, "nn.name")));
  host->setAttr("host.input_tensors", b.getArrayAttr(inputAttributes));
  host->setAttr("host.output_tensors", b.getArrayAttr(outputAttributes));
}

void HostWriter::write() {
  OpBuilder b(function);
  func::FuncOp host = createHost(b);
  b.setInsertionPointToStart(&host.getBody().front());
  symbolValues = symbolsFrom(b, function.getLoc(), host.getArguments().take_front(plan.symbols.size()));
  writeOffsets(b);
  memories.map(function.getArguments().take_front(plan.numInputs), inputs);
  mapStates(b, host, ValueRange(host.getArguments()).drop_back().back());
  writeBody(b);
  writeSizes(b, host);
  describeTensors(host);
  function.erase();
}

namespace {
struct PlanMemory : sylvite::impl::PlanMemoryBase<PlanMemory> {
  using PlanMemoryBase::PlanMemoryBase;
  void runOnOperation() override {
    SmallVector<func::FuncOp> functions;
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (!function->hasAttr("host.symbols") && !function.isExternal() &&
          llvm::all_of(function.getResultTypes(), llvm::IsaPred<RankedTensorType>))
        functions.push_back(function);
    ParameterTable table(getOperation());
    for (func::FuncOp function : functions) {
      MemoryPlan plan(function, table);
      if (failed(plan.make()))
        return signalPassFailure();
      plan.layOut();
      HostWriter(plan).write();
    }
  }
};
} // namespace
