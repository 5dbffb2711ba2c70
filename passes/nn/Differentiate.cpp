//===- Differentiate.cpp - nn-differentiate --------------------------------===//
//
// Reverse-mode differentiation of a block, and the pass that shows it: a function `pullback` beside `forward`.
// Which op has which gradient is in dialects/nn, with the op.
//
// A loop is differentiated by a loop in the opposite direction. The forward loop records the carried values that
// each step began with; a backward step computes its forward step again from them and differentiates that. What would
// take a product again, as the gates of a recurrent cell, is recorded too: it costs more to compute than to keep.
//
//===----------------------------------------------------------------------===//
#include "passes/nn/Differentiate.h"
#include "dialects/nn/TensorBuilder.h"
#include "passes/Passes.h"

#include "mlir/IR/IRMapping.h"

namespace sylvite {
#define GEN_PASS_DEF_DIFFERENTIATE
#include "passes/Passes.h.inc"
} // namespace sylvite

using namespace mlir;
using namespace sylvite;
using namespace sylvite::nn;

static bool isSmooth(Value value) { return isa<FloatType>(getElementTypeOrSelf(value.getType())); }

namespace {

/// One backward pass over one block.
class BackwardPass {
public:
  BackwardPass(OpBuilder &builder, ValueRange wanted) : builder(builder) {
    active.insert(wanted.begin(), wanted.end());
  }
  LogicalResult run(ArrayRef<Seed> seeds);
  Value gradientOf(Value value) const { return gradients.lookup(value); }

private:
  void add(Value value, Value gradient);
  LogicalResult visit(Operation &op);
  LogicalResult visit(IfOp branches);
  LogicalResult visit(ScanOp scan);
  /// The active values from above that the regions of `op` read, as gradients may flow to them.
  llvm::SetVector<Value> capturedBy(Operation *op);
  /// Whether `op` depends on what is wanted.
  bool isActive(Operation &op);

  OpBuilder &builder;
  DenseSet<Value> active;
  DenseMap<Value, Value> gradients;
};

} // namespace

void BackwardPass::add(Value value, Value gradient) {
  if (!gradient || !active.contains(value))
    return;
  Value &sum = gradients[value];
  if (!sum) {
    sum = gradient;
    return;
  }
  TensorBuilder b(value.getLoc(), builder);
  sum = b.add(sum, gradient);
}

/// Calls `function` for each value that `op` reads, in its regions too.
static void forEachRead(Operation &op, function_ref<void(Value)> function) {
  op.walk([&](Operation *inner) { llvm::for_each(inner->getOperands(), function); });
}

bool BackwardPass::isActive(Operation &op) {
  if (op.hasTrait<ReadsShapeOnly>())
    return false;
  bool reads = false;
  forEachRead(op, [&](Value value) { reads |= active.contains(value); });
  return reads;
}

LogicalResult BackwardPass::run(ArrayRef<Seed> seeds) {
  SmallVector<Operation *> ops;
  for (Operation &op : *builder.getInsertionBlock()) {
    if (builder.getInsertionPoint() != builder.getInsertionBlock()->end() && &op == &*builder.getInsertionPoint())
      break;
    if (!isActive(op))
      continue;
    ops.push_back(&op);
    for (Value result : op.getResults())
      if (isSmooth(result))
        active.insert(result);
  }
  for (auto [value, gradient] : seeds)
    add(value, gradient);
  for (Operation *op : llvm::reverse(ops))
    if (failed(visit(*op)))
      return failure();
  return success();
}

LogicalResult BackwardPass::visit(Operation &op) {
  SmallVector<Value> given;
  for (Value result : op.getResults())
    given.push_back(gradients.lookup(result));
  if (llvm::none_of(given, [](Value gradient) { return bool(gradient); }))
    return success();
  if (auto branches = dyn_cast<IfOp>(op))
    return visit(branches);
  if (auto scan = dyn_cast<ScanOp>(op))
    return visit(scan);
  auto differentiable = dyn_cast<DifferentiableOpInterface>(op);
  if (!differentiable)
    return op.emitOpError("has no gradient");
  auto shares = differentiable.buildGradient(builder, given);
  if (failed(shares))
    return failure();
  for (auto [operand, share] : llvm::zip_equal(op.getOperands(), *shares))
    add(operand, share);
  return success();
}

/// Makes `scan` stack `values` of its steps too, as its last results, in the order of its sequences.
static ScanOp record(ScanOp scan, ArrayRef<Value> values) {
  if (values.empty())
    return scan;
  OpBuilder builder(scan);
  Operation *terminator = scan.getBody().front().getTerminator();
  terminator->insertOperands(terminator->getNumOperands(), values);
  SmallVector<bool> reversed(scan.getReversed());
  reversed.append(values.size(), scan.isSequenceReversed(0));
  auto recording =
      ScanOp::create(builder, scan.getLoc(), scan.getInitial(), scan.getSequences(), reversed, scan.getBody());
  scan.replaceAllUsesWith(recording.getResults().take_front(scan.getNumResults()));
  scan.erase();
  return recording;
}

/// Whether `op` only moves elements, or computes each one from few others.
static bool isCheap(Operation *op) {
  return isa<MapOp, ReshapeOp, TransposeOp, SliceOp, ConcatOp, PadOp, BroadcastOp, FullOp, IotaOp>(op);
}

/// The loop `backward` computes steps of `forward` again, by copies of its ops that stand first in its body. What it needs of
/// those that are not cheap, or made of such, it reads instead. Both loops are replaced.
static void keepDear(ScanOp &forward, ScanOp &backward) {
  Block &body = backward.getBody().front();
  DenseMap<Value, Value> dear; // copies, and what they are copies of
  Operation *lastCopy = nullptr;
  for (auto [op, copy] : llvm::zip(forward.getBody().front().without_terminator(), body)) {
    bool isDear = !isCheap(&copy);
    forEachRead(copy, [&](Value value) { isDear |= dear.contains(value); });
    // A loop in the body has become one that records.
    for (auto [value, copied] : llvm::zip(op.getResults(), copy.getResults()))
      if (isDear)
        dear[copied] = value;
    lastCopy = &copy;
  }
  eraseDeadOps(body, lastCopy);
  llvm::SetVector<Value> needed;
  for (auto op = lastCopy ? std::next(lastCopy->getIterator()) : body.begin(); op != body.end(); ++op)
    forEachRead(*op, [&](Value value) {
      if (dear.contains(value))
        needed.insert(value);
    });
  unsigned first = forward.getNumResults();
  forward = record(forward, llvm::map_to_vector(needed, [&](Value copy) { return dear.lookup(copy); }));
  SmallVector<Value> sequences(backward.getSequences());
  SmallVector<bool> reversed(backward.getReversed());
  for (auto [i, copy] : llvm::enumerate(needed)) {
    reversed.insert(reversed.begin() + sequences.size(), !forward.isSequenceReversed(0));
    sequences.push_back(forward.getResult(first + i));
    Value(copy).replaceAllUsesWith(body.addArgument(copy.getType(), copy.getLoc()));
  }
  eraseDeadOps(body);
  OpBuilder builder(backward);
  auto reading =
      ScanOp::create(builder, backward.getLoc(), backward.getInitial(), sequences, reversed, backward.getBody());
  backward.replaceAllUsesWith(reading);
  backward.erase();
  backward = reading;
}

llvm::SetVector<Value> BackwardPass::capturedBy(Operation *op) {
  llvm::SetVector<Value> captured; // active values are all from above
  for (Region &region : op->getRegions())
    for (Operation &inner : region.front())
      forEachRead(inner, [&](Value value) {
        if (active.contains(value) && isSmooth(value))
          captured.insert(value);
      });
  return captured;
}

/// The backward pass chooses as the forward pass did. A branch of it computes what it needs of the other's again.
LogicalResult BackwardPass::visit(IfOp branches) {
  Location loc = branches.getLoc();
  llvm::SetVector<Value> captured = capturedBy(branches);
  if (captured.empty())
    return success();
  LogicalResult status = success();
  auto body = [&](Region &branch) {
    return [&](OpBuilder &inner) {
      IRMapping mapping;
      for (Operation &op : branch.front().without_terminator())
        inner.clone(op, mapping);
      SmallVector<Seed> seeds;
      for (auto [yielded, result] : llvm::zip_equal(branches.getYielded(branch), branches.getResults()))
        if (Value gradient = gradients.lookup(result))
          seeds.push_back({mapping.lookupOrDefault(yielded), gradient});
      auto found = differentiate(inner, seeds, captured.getArrayRef());
      if (failed(found)) {
        status = failure();
        found = SmallVector<Value>(captured.size());
      }
      TensorBuilder t(loc, inner);
      for (auto [value, gradient] : llvm::zip_equal(captured, *found))
        if (!gradient)
          gradient = t.fullLike(0, value);
      return *found;
    };
  };
  auto backward = IfOp::create(builder, loc, branches.getCondition(), body(branches.getThenRegion()),
                               body(branches.getElseRegion()));
  if (failed(status))
    return failure();
  for (auto [value, gradient] : llvm::zip_equal(captured, backward.getResults()))
    add(value, gradient);
  return success();
}

LogicalResult BackwardPass::visit(ScanOp scan) {
  Location loc = scan.getLoc();
  TensorBuilder b(loc, builder);
  unsigned numCarried = scan.getInitial().size(), numSequences = scan.getSequences().size();
  llvm::SetVector<Value> captured = capturedBy(scan);
  SmallVector<unsigned> recorded, smoothCarried, wantedSequences;
  for (unsigned i = 0; i < numCarried; ++i) {
    if (!scan.getCarriedArguments()[i].use_empty())
      recorded.push_back(i);
    if (isSmooth(scan.getResult(i)))
      smoothCarried.push_back(i);
  }
  for (unsigned i = 0; i < numSequences; ++i)
    if (active.contains(scan.getSequences()[i]) && isSmooth(scan.getSequences()[i]))
      wantedSequences.push_back(i);
  SmallVector<std::pair<unsigned, Value>> stacked; // result and gradient
  for (unsigned i = numCarried; i < scan.getNumResults(); ++i)
    if (Value gradient = gradients.lookup(scan.getResult(i)))
      stacked.push_back({i, gradient});
  // What the backward loop carries: gradients of what is carried, and sums over the steps.
  SmallVector<Value> initial, sequences;
  for (unsigned i : smoothCarried) {
    Value gradient = gradients.lookup(scan.getResult(i));
    initial.push_back(gradient ? gradient : b.fullLike(0, scan.getResult(i)));
  }
  for (Value value : captured)
    initial.push_back(b.fullLike(0, value));
  unsigned numResults = scan.getNumResults();
  scan = record(scan, llvm::map_to_vector(recorded, [&](unsigned i) -> Value { return scan.getCarriedArguments()[i]; }));
  // What it reads, from the last step to the first.
  SmallVector<bool> reversed;
  auto read = [&](Value sequence, bool isReversed) {
    sequences.push_back(sequence);
    reversed.push_back(isReversed);
  };
  for (auto [k, i] : llvm::enumerate(recorded))
    read(scan.getResult(numResults + k), !scan.isSequenceReversed(0));
  for (unsigned i = 0; i < numSequences; ++i)
    read(scan.getSequences()[i], !scan.isSequenceReversed(i));
  for (auto [i, gradient] : stacked)
    read(gradient, !scan.isStackedReversed(i - numCarried));
  for (unsigned i : wantedSequences)
    reversed.push_back(!scan.isSequenceReversed(i));

  LogicalResult status = success();
  auto body = [&](OpBuilder &inner, Location loc, ValueRange carried, ValueRange slices) {
    IRMapping mapping;
    for (auto [k, i] : llvm::enumerate(recorded))
      mapping.map(scan.getCarriedArguments()[i], slices[k]);
    ValueRange inputs = slices.slice(recorded.size(), numSequences), above = slices.drop_front(recorded.size() + numSequences);
    mapping.map(scan.getSliceArguments(), inputs);
    for (Operation &op : scan.getBody().front().without_terminator())
      inner.clone(op, mapping);
    SmallVector<Seed> seeds;
    SmallVector<Value> wanted;
    for (auto [k, i] : llvm::enumerate(smoothCarried))
      seeds.push_back({mapping.lookupOrDefault(scan.getYielded()[i]), carried[k]});
    for (auto [k, entry] : llvm::enumerate(stacked))
      seeds.push_back({mapping.lookupOrDefault(scan.getYielded()[entry.first]), above[k]});
    for (unsigned i : smoothCarried)
      wanted.push_back(mapping.lookupOrNull(scan.getCarriedArguments()[i]));
    for (unsigned i : wantedSequences)
      wanted.push_back(inputs[i]);
    wanted.append(captured.begin(), captured.end());
    SmallVector<Value> asked;
    for (Value value : wanted)
      if (value)
        asked.push_back(value);
    auto found = differentiate(inner, seeds, asked);
    if (failed(found)) {
      status = failure();
      found = SmallVector<Value>(asked.size());
    }
    DenseMap<Value, Value> gradientOf;
    for (auto [value, gradient] : llvm::zip_equal(asked, *found))
      gradientOf[value] = gradient;
    TensorBuilder t(loc, inner);
    auto orZero = [&](Value value, Value like) {
      Value gradient = value ? gradientOf.lookup(value) : Value();
      return gradient ? gradient : t.fullLike(0, like);
    };
    SmallVector<Value> yielded;
    for (auto [k, i] : llvm::enumerate(smoothCarried))
      yielded.push_back(orZero(wanted[k], carried[k]));
    for (auto [k, value] : llvm::enumerate(captured)) {
      Value sum = carried[smoothCarried.size() + k], gradient = gradientOf.lookup(value);
      yielded.push_back(gradient ? t.add(sum, gradient) : sum);
    }
    for (unsigned i : wantedSequences)
      yielded.push_back(orZero(inputs[i], inputs[i]));
    return yielded;
  };
  auto backward = ScanOp::create(builder, loc, initial, sequences, reversed, body);
  if (failed(status))
    return failure();
  keepDear(scan, backward);
  for (auto [k, i] : llvm::enumerate(smoothCarried))
    add(scan.getInitial()[i], backward.getResult(k));
  for (auto [k, value] : llvm::enumerate(captured))
    add(value, backward.getResult(smoothCarried.size() + k));
  for (auto [k, i] : llvm::enumerate(wantedSequences))
    add(scan.getSequences()[i], backward.getStacked()[k]);
  return success();
}

FailureOr<SmallVector<Value>> sylvite::differentiate(OpBuilder &builder, ArrayRef<Seed> seeds, ValueRange wanted) {
  BackwardPass pass(builder, wanted);
  if (failed(pass.run(seeds)))
    return failure();
  return llvm::map_to_vector(wanted, [&](Value value) { return pass.gradientOf(value); });
}

llvm::MapVector<StringAttr, Value> sylvite::readParametersOnce(func::FuncOp function) {
  llvm::MapVector<StringAttr, Value> parameters;
  for (GetOp get : llvm::make_early_inc_range(function.getOps<GetOp>())) {
    Value &first = parameters[get.getParameterAttr().getAttr()];
    if (!first) {
      first = get;
      continue;
    }
    get.replaceAllUsesWith(first);
    get.erase();
  }
  return parameters;
}

void sylvite::eraseDeadOps(Block &block, Operation *after) {
  SmallVector<Operation *> ops;
  for (auto op = after ? std::next(after->getIterator()) : block.begin(); op != block.end(); ++op)
    ops.push_back(&*op);
  for (Operation *op : llvm::reverse(ops))
    if (isOpTriviallyDead(op))
      op->erase();
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

namespace {

struct Differentiate : sylvite::impl::DifferentiateBase<Differentiate> {
  using DifferentiateBase::DifferentiateBase;

  void runOnOperation() override {
    auto forward = getOperation().lookupSymbol<func::FuncOp>("forward");
    if (!forward || failed(addPullback(forward)))
      signalPassFailure();
  }

  LogicalResult addPullback(func::FuncOp forward) {
    func::FuncOp pullback = forward.clone();
    pullback.setName("pullback");
    OpBuilder builder(&getContext());
    builder.setInsertionPointAfter(forward);
    builder.insert(pullback);
    Block &body = pullback.getBody().front();
    Operation *terminator = body.getTerminator();
    builder.setInsertionPoint(terminator);

    // What is asked for: gradients of the arguments and of the parameters.
    SmallVector<Value> wanted;
    SmallVector<std::string> names;
    for (BlockArgument argument : body.getArguments())
      if (isSmooth(argument)) {
        wanted.push_back(argument);
        auto name = pullback.getArgAttrOfType<StringAttr>(argument.getArgNumber(), "nn.name");
        names.push_back(name ? name.str() : "argument" + std::to_string(argument.getArgNumber()));
      }
    for (auto [name, value] : readParametersOnce(pullback))
      if (getOperation().lookupSymbol<ParameterOp>(name).getTrainable()) {
        wanted.push_back(value);
        names.push_back(name.str());
      }
    SmallVector<Seed> seeds;
    for (auto [i, result] : llvm::enumerate(terminator->getOperands())) {
      if (!isSmooth(result))
        continue;
      auto type = cast<RankedTensorType>(result.getType());
      SmallVector<Attribute> dims;
      for (auto [d, size] : llvm::enumerate(type.getShape())) {
        if (ShapedType::isDynamic(size) && d > 0)
          return forward.emitError("result #") << i << " has a free dimension " << d << "; supported: the first";
        dims.push_back(builder.getStringAttr(ShapedType::isDynamic(size) ? "batch" : ""));
      }
      auto attributes = builder.getDictionaryAttr(
          {builder.getNamedAttr("nn.name", builder.getStringAttr("seed" + std::to_string(i))),
           builder.getNamedAttr("nn.dims", builder.getArrayAttr(dims))});
      unsigned position = pullback.getNumArguments();
      if (failed(pullback.insertArgument(position, type, attributes, forward.getLoc())))
        return failure();
      seeds.push_back({result, body.getArgument(position)});
    }
    auto gradients = differentiate(builder, seeds, wanted);
    if (failed(gradients))
      return failure();
    TensorBuilder b(forward.getLoc(), builder);
    for (auto [gradient, value] : llvm::zip_equal(*gradients, wanted))
      gradient = gradient ? gradient : b.fullLike(0, value);
    terminator->setOperands(*gradients);
    pullback.setType(builder.getFunctionType(body.getArgumentTypes(), TypeRange(ValueRange(*gradients))));
    SmallVector<Attribute> resultAttributes;
    for (const std::string &name : names)
      resultAttributes.push_back(builder.getDictionaryAttr(
          builder.getNamedAttr("nn.name", builder.getStringAttr("gradient/" + name))));
    pullback.setResAttrsAttr(builder.getArrayAttr(resultAttributes));
    eraseDeadOps(body);
    return success();
  }
};

} // namespace
