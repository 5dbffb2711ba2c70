//===- Rematerialize.cpp - host-rematerialize ------------------------------===//
//
// Fits the arena of a call into a budget: where more lives at once than it allows, a value that is cheap to compute
// is forgotten after its use, and computed again before the next one. That is an activation, a normalization or a mask
// of the forward pass, which the backward pass needs: its kernel reads and writes memory and does little else. The same
// kernel gives the same bits. Chen et al., Training Deep Nets with Sublinear Memory Cost, arXiv 1604.06174, without
// its search: the greatest saving by byte of memory traffic is taken, until all fits or nothing is left.
//
// What lives at once is estimated as plan-memory plans it, without what that places elsewhere than in the arena. The
// driver repeats the two until the plan itself fits.
//
//===----------------------------------------------------------------------===//
#include "dialects/nn/NN.h"
#include "passes/Passes.h"
#include "passes/host/Tensors.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Remarks.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

namespace sylvite {
#define GEN_PASS_DEF_REMATERIALIZE
#include "passes/Passes.h.inc"
} // namespace sylvite

using namespace mlir;
using namespace sylvite;

namespace {

/// Kernels with more arithmetic for an element are not repeated: products, convolutions.
constexpr int64_t kMostFlops = 128;

/// One function.
class Rematerializer {
public:
  Rematerializer(func::FuncOp function, int64_t budget, int64_t batch, bool quiet)
      : function(function), block(function.getBody().front()), budget(budget), batch(batch), quiet(quiet) {}

  LogicalResult run();

private:
  /// A value of the arena, or of elsewhere, with the views of it.
  struct Life {
    int64_t bytes = 0;
    SmallVector<Operation *> uses; ///< ops of the block, in order; no views
  };
  /// What may be forgotten at a place, and computed again before `next`.
  struct Candidate {
    Value value;
    Operation *next = nullptr;
    int64_t saved = 0, traffic = 0;
  };

  LogicalResult computeShapes(Operation *op);
  int64_t bytesOf(Value value);
  /// Numbers the ops, finds the uses of each value, and what is placed elsewhere than in the arena.
  void computeLives();
  /// The op at which most lives, and how much that is.
  std::pair<Operation *, int64_t> findPeak();
  std::optional<Candidate> findCandidate(Operation *peak);
  void recompute(const Candidate &candidate);
  bool livesAt(Value value, int64_t place) {
    auto life = lives.find(value);
    return life == lives.end() || life->second.uses.empty() || position.lookup(life->second.uses.back()) >= place;
  }

  func::FuncOp function;
  Block &block;
  int64_t budget, batch;
  bool quiet;
  DenseMap<Value, nn::ShapeExpr> shapes;
  DenseMap<Operation *, int64_t> position;
  llvm::MapVector<Value, Life> lives; ///< of the values in the arena
  SetVector<StringRef> layers;        ///< that are computed again
  int64_t count = 0, traffic = 0, flops = 0;
};

} // namespace

/// The sizes of what `op` computes, as constants. For loops, whose slices plan-memory follows, free dimensions of what
/// they stack are taken from their sequences.
LogicalResult Rematerializer::computeShapes(Operation *op) {
  auto constant = [&](int64_t size) { return getAffineConstantExpr(size, op->getContext()); };
  auto withFree = [&](Value value, ArrayRef<AffineExpr> free) {
    nn::ShapeExpr shape;
    for (auto [i, size] : llvm::enumerate(cast<RankedTensorType>(value.getType()).getShape()))
      shape.push_back(!ShapedType::isDynamic(size) ? constant(size) : i < free.size() ? free[i] : constant(batch));
    return shape;
  };
  if (auto reshape = dyn_cast<nn::ReshapeOp>(op)) {
    auto shape = reshape.resultShape(op->getLoc(), shapes.lookup(reshape.getInput()));
    if (failed(shape))
      return failure();
    shapes[reshape] = *shape;
  } else if (auto call = dyn_cast<halide::CallOp>(op)) {
    SmallVector<AffineExpr> free = freeDims(call, shapes);
    nn::ShapeExpr shape;
    for (AffineExpr dim : call->getAttrOfType<AffineMapAttr>("shape").getValue().getResults())
      shape.push_back(simplifyAffineExpr(dim.replaceSymbols(free), 0, free.size()));
    for (Value result : call.getResults())
      shapes[result] = shape;
  } else if (auto scan = dyn_cast<nn::ScanOp>(op)) {
    AffineExpr length = shapes.lookup(scan.getSequences().front())[0];
    for (auto [i, result] : llvm::enumerate(scan.getResults()))
      shapes[result] = i < scan.getInitial().size() ? shapes.lookup(scan.getInitial()[i]) : withFree(result, {length});
  } else {
    for (Value result : op->getResults())
      shapes[result] = withFree(result, {});
  }
  return success();
}

int64_t Rematerializer::bytesOf(Value value) {
  int64_t bytes = bytesPerElement(getElementTypeOrSelf(value.getType()));
  for (AffineExpr dim : shapes.lookup(value))
    if (auto size = dyn_cast<AffineConstantExpr>(dim))
      bytes *= size.getValue();
  return bytes;
}

void Rematerializer::computeLives() {
  position.clear();
  lives.clear();
  int64_t next = 0;
  for (Operation &op : block) {
    position[&op] = next++;
    if (isa<halide::CallOp, nn::ScanOp>(op))
      for (Value result : op.getResults())
        lives[result].bytes = bytesOf(result);
  }
  for (Operation &op : block) {
    if (isa<nn::ReshapeOp>(op))
      continue;
    op.walk([&](Operation *user) {
      for (Value operand : user->getOperands())
        if (auto life = lives.find(viewed(operand)); life != lives.end())
          if (life->second.uses.empty() || life->second.uses.back() != &op)
            life->second.uses.push_back(&op);
    });
  }
  // Results are written where the caller wants them, and parameters are mostly updated in their place.
  for (Value result : block.getTerminator()->getOperands())
    lives.erase(viewed(result));
}

std::pair<Operation *, int64_t> Rematerializer::findPeak() {
  SmallVector<int64_t> change(position.size() + 1, 0);
  for (auto &[value, life] : lives) {
    int64_t begin = position.lookup(value.getDefiningOp());
    int64_t end = life.uses.empty() ? begin : position.lookup(life.uses.back());
    change[begin] += life.bytes;
    change[end + 1] -= life.bytes;
  }
  std::pair<Operation *, int64_t> peak{nullptr, 0};
  int64_t live = 0;
  for (Operation &op : block) {
    live += change[position.lookup(&op)];
    if (live > peak.second)
      peak = {&op, live};
  }
  return peak;
}

std::optional<Rematerializer::Candidate> Rematerializer::findCandidate(Operation *peak) {
  int64_t place = position.lookup(peak);
  std::optional<Candidate> best;
  for (auto &[value, life] : lives) {
    auto call = value.getDefiningOp<halide::CallOp>();
    if (!call || position.lookup(call) >= place ||
        call->getAttrOfType<IntegerAttr>("flops_per_element").getInt() > kMostFlops)
      continue;
    auto *next = llvm::find_if(life.uses, [&](Operation *use) { return position.lookup(use) >= place; });
    if (next == life.uses.end() || *next == peak)
      continue;
    Candidate candidate{value, *next, life.bytes, 0};
    SmallPtrSet<Value, 8> counted;
    for (Value input : call.getInputs()) {
      Value source = viewed(input);
      if (!counted.insert(source).second)
        continue;
      candidate.traffic += bytesOf(source);
      // What the kernel reads has to stay as long, if it does not anyway.
      if (!livesAt(source, position.lookup(*next)))
        candidate.saved -= bytesOf(source);
    }
    for (Value result : call.getResults())
      candidate.traffic += bytesOf(result);
    if (candidate.saved <= 0)
      continue;
    if (!best || double(candidate.saved) * best->traffic > double(best->saved) * candidate.traffic)
      best = candidate;
  }
  return best;
}

void Rematerializer::recompute(const Candidate &candidate) {
  auto call = candidate.value.getDefiningOp<halide::CallOp>();
  OpBuilder b(candidate.next);
  IRMapping mapping;
  // A view that the kernel reads may stand later than its copy only if what it views does: views are made anew.
  for (Value input : call.getInputs()) {
    SmallVector<nn::ReshapeOp> chain;
    for (auto reshape = input.getDefiningOp<nn::ReshapeOp>(); reshape;
         reshape = reshape.getInput().getDefiningOp<nn::ReshapeOp>())
      chain.push_back(reshape);
    for (nn::ReshapeOp reshape : llvm::reverse(chain))
      if (!mapping.contains(reshape.getResult()))
        b.clone(*reshape, mapping);
  }
  Operation *copy = b.clone(*call, mapping);
  for (auto [i, result] : llvm::enumerate(copy->getResults()))
    shapes[result] = shapes.lookup(call->getResult(i));
  // From the next use on, all that reads the value or a view of it reads the copy.
  int64_t from = position.lookup(candidate.next);
  Value fresh = copy->getResult(cast<OpResult>(candidate.value).getResultNumber());
  auto isLater = [&](OpOperand &use) {
    Operation *user = block.findAncestorOpInBlock(*use.getOwner());
    return !isa<nn::ReshapeOp>(user) && position.contains(user) && position.lookup(user) >= from;
  };
  auto redirect = [&](auto &&self, Value old, Value now) -> void {
    for (Operation *user : llvm::to_vector(old.getUsers()))
      if (auto reshape = dyn_cast<nn::ReshapeOp>(user); reshape && position.contains(reshape)) {
        IRMapping ofView;
        ofView.map(old, now);
        Operation *view = b.clone(*reshape, ofView);
        shapes[view->getResult(0)] = shapes.lookup(reshape.getResult());
        self(self, reshape.getResult(), view->getResult(0));
        if (view->use_empty())
          view->erase();
        if (reshape.use_empty()) { // it would keep what it views
          position.erase(reshape);
          reshape.erase();
        }
      }
    old.replaceUsesWithIf(now, isLater);
  };
  redirect(redirect, candidate.value, fresh);
  ++count;
  traffic += candidate.traffic;
  int64_t elements = bytesOf(fresh) / bytesPerElement(getElementTypeOrSelf(fresh.getType()));
  flops += elements * call->getAttrOfType<IntegerAttr>("flops_per_element").getInt();
  for (Attribute layer : call->getAttrOfType<ArrayAttr>("layers"))
    layers.insert(cast<StringAttr>(layer).getValue());
}

LogicalResult Rematerializer::run() {
  auto constant = [&](int64_t size) { return getAffineConstantExpr(size, function.getContext()); };
  for (BlockArgument argument : function.getArguments()) {
    nn::ShapeExpr shape;
    auto type = cast<RankedTensorType>(argument.getType());
    for (int64_t size : type.getShape())
      shape.push_back(constant(ShapedType::isDynamic(size) ? batch : size));
    shapes[argument] = shape;
  }
  for (Operation &op : block.without_terminator())
    if (failed(computeShapes(&op)))
      return failure();
  computeLives();
  auto [peak, bytes] = findPeak();
  int64_t before = bytes;
  // Each step shortens a life; their number is bounded by that of the uses.
  for (int64_t left = 4 * position.size(); bytes > budget && left > 0; --left) {
    auto candidate = findCandidate(peak);
    if (!candidate)
      break;
    recompute(*candidate);
    computeLives();
    std::tie(peak, bytes) = findPeak();
  }
  if (count == 0 || quiet)
    return success();
  auto megabytes = [](int64_t size) { return llvm::formatv("{0:f1} MB", size / 1e6).str(); };
  std::string names = llvm::join(layers.getArrayRef().take_front(4), ", ");
  if (layers.size() > 4)
    names += " and " + std::to_string(layers.size() - 4) + " more";
  remark::passed(function.getLoc(), remark::RemarkOpts::name("Rematerialize").category("memory"))
      << remark::add("{0}: {1} computed twice ({2}): for {3} items {4} live at once in place of {5}, for {6} more "
                     "memory traffic and {7:f3} GFLOP more in a call",
                     function.getName(), count == 1 ? "1 value is" : std::to_string(count) + " values are", names, batch,
                     megabytes(bytes), megabytes(before), megabytes(traffic), flops / 1e9);
  return success();
}

namespace {

struct Rematerialize : sylvite::impl::RematerializeBase<Rematerialize> {
  using RematerializeBase::RematerializeBase;
  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (failed(Rematerializer(function, budget, batch, quiet).run()))
        return signalPassFailure();
  }
};

} // namespace
