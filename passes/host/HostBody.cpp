//===- HostBody.cpp - calls, loops and choices on memory -------------------===//
//
// Writes the blocks of a function: its calls become launches on views of the memory that the plan has for each tensor.
//
// A loop (nn.scan) becomes scf.for, which carries buffers: of a carried value the one that a step reads, that which it
// writes, and that which the next one will write. A choice (nn.if) becomes scf.if on the condition, which it reads from memory.
// A batch computed in parts (nn.microbatch) becomes scf.for over its items, a part at a time.
//
//===----------------------------------------------------------------------===//
#include "passes/host/HostWriter.h"

using namespace mlir;
using namespace sylvite;

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

Value HostWriter::partView(OpBuilder &b, Location loc, Value memory, Value first, Value part) {
  auto source = cast<MemRefType>(memory.getType());
  ArrayRef<int64_t> shape = cast<RankedTensorType>(part.getType()).getShape();
  SmallVector<OpFoldResult> starts(source.getRank(), b.getIndexAttr(0)), strides(source.getRank(), b.getIndexAttr(1)),
      sizes = mixSizes(b, shape, freeSizes(b, loc, part));
  starts[0] = first;
  if (shape.size() < starts.size())
    sizes.insert(sizes.begin(), b.getIndexAttr(1));
  auto type = cast<MemRefType>(memref::SubViewOp::inferRankReducedResultType(shape, source, starts, sizes, strides));
  return memref::SubViewOp::create(b, loc, type, memory, starts, sizes, strides);
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

Value HostWriter::carriedBuffer(OpBuilder &b, Location loc, Value result, unsigned copy) {
  Value offset = offsetOf(plan.inArena.at(result), copy);
  return anywhere(b, loc, memref::ViewOp::create(b, loc, memrefOf(result.getType()), arena, offset, freeSizes(b, loc, result)));
}

void HostWriter::writeScan(OpBuilder &b, nn::ScanOp scan) {
  Location loc = scan.getLoc();
  for (Value stacked : scan.getStacked())
    placeResult(b, loc, stacked);
  unsigned numCarried = scan.getInitial().size();
  auto isLastSlice = [&](unsigned i) { return plan.lastSliceOf.count(scan.getResult(i)); };
  auto historyOf = [&](unsigned i) { return cast_or_null<OpResult>(plan.historyOf.lookup(scan.getResult(i))); };
  auto stackIndex = [&](OpResult stacked) { return stacked.getResultNumber() - numCarried; };
  AffineExpr lengthExpr = plan.shapes.lookup(scan.getSequences().front())[0];
  Value zero = arith::ConstantIndexOp::create(b, loc, 0), one = arith::ConstantIndexOp::create(b, loc, 1);
  Value length = materialize(b, loc, lengthExpr, symbolValues);
  Value last = arith::SubIOp::create(b, loc, length, one);
  // The slice of `stacked` that a step which is `step` from the first reads: a carried value.
  auto readSlice = [&](OpBuilder &b, Location loc, OpResult stacked, Value step, Value argument) {
    Value index = scan.isStackedReversed(stackIndex(stacked)) ? Value(arith::SubIOp::create(b, loc, last, step)) : step;
    return anywhere(b, loc, partView(b, loc, memories.lookup(stacked), index, argument));
  };
  // Per carried value what a step reads and, unless it is a slice, what it writes and what the next one
  // will write. The first step reads the initial value where it is, unless that begins a history.
  SmallVector<Value> initial;
  for (unsigned i = 0; i < numCarried; ++i) {
    Value before = anywhere(b, loc, memories.lookup(scan.getInitial()[i])), result = scan.getResult(i);
    initial.push_back(before);
    if (OpResult history = historyOf(i)) {
      initial.back() = readSlice(b, loc, history, zero, scan.getCarriedArguments()[i]);
      memref::CopyOp::create(b, loc, before, initial.back());
    } else if (!isLastSlice(i)) {
      for (unsigned copy : {0u, 1u})
        initial.push_back(carriedBuffer(b, loc, result, copy));
    }
  }
  auto body = [&](OpBuilder &b, Location loc, Value step, ValueRange buffers) {
    Value backwards;
    auto indexOf = [&](bool reversed) {
      if (reversed && !backwards)
        backwards = arith::SubIOp::create(b, loc, last, step);
      return reversed ? backwards : step;
    };
    for (auto [i, argument] : llvm::enumerate(scan.getSliceArguments()))
      memories.map(argument, partView(b, loc, memories.lookup(scan.getSequences()[i]),
                                      indexOf(scan.isSequenceReversed(i)), argument));
    SmallVector<Value> target(numCarried); // of what is carried on
    llvm::SmallDenseSet<Value> histories;
    for (unsigned i = 0, next = 0; i < numCarried; ++i) {
      Value argument = scan.getCarriedArguments()[i];
      memories.map(argument, buffers[next++]);
      if (OpResult history = historyOf(i)) { // the slice that the next step reads, or what is there after the last one
        histories.insert(history);
        Value isLast = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, step, last);
        Value slice = readSlice(b, loc, history, arith::AddIOp::create(b, loc, step, one), argument);
        Value after = carriedBuffer(b, loc, scan.getResult(i));
        target[i] = arith::SelectOp::create(b, loc, isLast, after, slice);
      } else if (!isLastSlice(i)) {
        target[i] = buffers[next];
        next += 2;
      }
    }
    SmallVector<Value> slices;
    SmallVector<Target> targets;
    for (auto [j, stacked] : llvm::enumerate(scan.getStacked())) {
      slices.emplace_back();
      if (histories.contains(stacked))
        continue;
      Value yielded = scan.getYielded()[numCarried + j];
      slices.back() = partView(b, loc, memories.lookup(stacked), indexOf(scan.isStackedReversed(j)), yielded);
      targets.push_back({yielded, slices.back(), plan.stackedAs.lookup(viewed(yielded)) == stacked});
    }
    for (unsigned i = 0; i < numCarried; ++i)
      if (Value yielded = scan.getYielded()[i]; !isLastSlice(i))
        targets.push_back({yielded, target[i], plan.carriedAs.lookup(viewed(yielded)) == scan.getResult(i)});
    writeBlock(b, scan.getBody().front(), targets);
    SmallVector<Value> next;
    for (unsigned i = 0, k = 0; i < numCarried; ++i, ++k) {
      if (isLastSlice(i)) {
        next.push_back(anywhere(b, loc, slices[stackIndex(cast<OpResult>(plan.lastSliceOf.lookup(scan.getResult(i))))]));
      } else if (historyOf(i)) {
        next.push_back(target[i]);
      } else {
        next.append({buffers[k + 1], buffers[k + 2], buffers[k + 1]});
        k += 2;
      }
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
    k += isLastSlice(i) || historyOf(i) ? 1 : 3;
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
