//===- Rematerialize.cpp - host-rematerialize ------------------------------===//
//
// Fits the arena of a call into a budget: where more lives at once than it allows, a value that is cheap to compute
// is forgotten after its use, and computed again before the next one. That is an activation, a normalization or a mask
// of the forward pass, which the backward pass needs: its kernel reads and writes memory and does little else. The same
// kernel gives the same bits. Chen et al., Training Deep Nets with Sublinear Memory Cost, arXiv 1604.06174, without
// its search: the greatest saving by byte of memory traffic is taken, until all fits or nothing is left.
//
// What a call takes is what plan-memory would make of it: the plan is made anew after each step.
//
//===----------------------------------------------------------------------===//
#include "passes/host/MemoryPlan.h"
#include "passes/host/Tensors.h"

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
  Rematerializer(func::FuncOp function, const ParameterTable &table, int64_t budget, int64_t batch)
      : function(function), block(function.getBody().front()), table(table), budget(budget), batch(batch) {}

  LogicalResult run();
  /// Bytes that a call takes now.
  int64_t getWorkspace() const { return workspace; }

private:
  /// What may be forgotten at a place, and computed again before `next`.
  struct Candidate {
    Value value;
    Operation *next = nullptr;
    int64_t saved = 0, traffic = 0;
  };

  /// The greatest of `sizes` where every free dimension is the batch.
  int64_t evaluate(AffineMap sizes) const {
    return plan->evaluate(sizes, SmallVector<int64_t>(plan->symbols.size(), batch));
  }
  int64_t evaluate(AffineExpr size) const { return evaluate(AffineMap::get(0, plan->symbols.size(), size)); }
  int64_t bytesOf(Value value) const {
    auto [constant, free] = plan->sizeOf(value);
    return constant * evaluate(free);
  }
  /// Plans the memory, and finds the uses of what is in the arena and the op at which most lives.
  LogicalResult replan();
  void findUses();
  void findPeak();
  std::optional<Candidate> findCandidate();
  void recompute(const Candidate &candidate);
  bool livesAt(Value value, int64_t place) {
    auto life = uses.find(value);
    return life == uses.end() || life->second.empty() || plan->position.lookup(life->second.back()) >= place;
  }

  func::FuncOp function;
  Block &block;
  const ParameterTable &table;
  int64_t budget, batch;
  std::optional<MemoryPlan> plan;
  llvm::MapVector<Value, SmallVector<Operation *>> uses; ///< of values in the arena: ops of the block, in order; no views
  Operation *peak = nullptr;
  int64_t live = 0, workspace = 0;
  SetVector<StringRef> layers; ///< that are computed again
  int64_t count = 0, traffic = 0, flops = 0;
};

} // namespace

void Rematerializer::findUses() {
  uses.clear();
  for (Operation &op : block) {
    for (Value result : op.getResults())
      if (plan->inArena.contains(result))
        uses[result];
    if (isa<nn::ReshapeOp>(op))
      continue;
    op.walk([&](Operation *user) {
      for (Value operand : user->getOperands())
        if (auto life = uses.find(viewed(operand)); life != uses.end())
          if (life->second.empty() || life->second.back() != &op)
            life->second.push_back(&op);
    });
  }
}

void Rematerializer::findPeak() {
  SmallVector<int64_t> change(plan->position.size() + 2, 0);
  for (auto &[free, sizeClass] : plan->classes) {
    int64_t unit = evaluate(free);
    for (const Allocation &allocation : sizeClass.allocations) {
      change[allocation.begin] += unit * allocation.size;
      change[allocation.end + 1] -= unit * allocation.size;
    }
  }
  live = 0;
  int64_t sum = 0, place = 0;
  for (Operation &op : block)
    for (; place <= plan->end.lookup(&op); ++place) { // a loop stands for all that is in it
      sum += change[place];
      if (sum > live) {
        live = sum;
        peak = &op;
      }
    }
}

LogicalResult Rematerializer::replan() {
  plan.emplace(function, table);
  if (failed(plan->make()))
    return failure();
  findUses();
  findPeak();
  workspace = live;
  if (live > budget) // no layout takes less
    return success();
  plan->layOut();
  workspace = evaluate(plan->arenaSize());
  return success();
}

std::optional<Rematerializer::Candidate> Rematerializer::findCandidate() {
  const DenseMap<Operation *, int64_t> &position = plan->position;
  int64_t place = position.lookup(peak);
  std::optional<Candidate> best;
  for (auto &[value, users] : uses) {
    auto call = value.getDefiningOp<halide::CallOp>();
    if (!call || position.lookup(call) >= place ||
        call->getAttrOfType<IntegerAttr>("flops_per_element").getInt() > kMostFlops)
      continue;
    auto *next = llvm::find_if(users, [&](Operation *use) { return position.lookup(use) >= place; });
    if (next == users.end() || *next == peak)
      continue;
    Candidate candidate{value, *next, bytesOf(value), 0};
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
  // From the next use on, all that reads the value or a view of it reads the copy.
  DenseMap<Operation *, int64_t> &position = plan->position;
  int64_t from = position.lookup(candidate.next);
  Value fresh = copy->getResult(cast<OpResult>(candidate.value).getResultNumber());
  auto isLater = [&](OpOperand &use) {
    Operation *user = block.findAncestorOpInBlock(*use.getOwner());
    return !isa<nn::ReshapeOp>(user) && position.contains(user) && position.lookup(user) >= from;
  };
  auto redirect = [&](auto &&self, Value old, Value now) -> void {
    for (Operation *user : llvm::to_vector(old.getUsers()))
      if (auto reshape = dyn_cast<nn::ReshapeOp>(user);
          reshape && reshape->getBlock() == &block && position.contains(reshape)) {
        IRMapping ofView;
        ofView.map(old, now);
        Operation *view = b.clone(*reshape, ofView);
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
  int64_t elements = bytesOf(candidate.value) / bytesPerElement(getElementTypeOrSelf(fresh.getType()));
  flops += elements * call->getAttrOfType<IntegerAttr>("flops_per_element").getInt();
  for (Attribute layer : call->getAttrOfType<ArrayAttr>("layers"))
    layers.insert(cast<StringAttr>(layer).getValue());
}

LogicalResult Rematerializer::run() {
  if (failed(replan()))
    return failure();
  int64_t before = live;
  // Each step shortens a life; their number is bounded by that of the uses.
  for (int64_t left = 4 * plan->position.size(); workspace > budget && left > 0; --left) {
    auto candidate = findCandidate();
    if (!candidate)
      break;
    recompute(*candidate);
    if (failed(replan()))
      return failure();
  }
  if (workspace > budget) {
    plan->layOut();
    workspace = evaluate(plan->arenaSize());
  }
  if (count == 0)
    return success();
  auto megabytes = [](int64_t size) { return llvm::formatv("{0:f1} MB", size / 1e6).str(); };
  std::string names = llvm::join(layers.getArrayRef().take_front(4), ", ");
  if (layers.size() > 4)
    names += " and " + std::to_string(layers.size() - 4) + " more";
  remark::passed(function.getLoc(), remark::RemarkOpts::name("Rematerialize").category("memory"))
      << remark::add("{0}: {1} computed twice ({2}): for {3} items {4} live at once in place of {5}, for {6} more "
                     "memory traffic and {7:f3} GFLOP more in a call",
                     function.getName(), count == 1 ? "1 value is" : std::to_string(count) + " values are", names, batch,
                     megabytes(live), megabytes(before), megabytes(traffic), flops / 1e9);
  return success();
}

namespace {

struct Rematerialize : sylvite::impl::RematerializeBase<Rematerialize> {
  using RematerializeBase::RematerializeBase;
  void runOnOperation() override {
    ParameterTable table(getOperation());
    int64_t most = 0;
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      Rematerializer rematerializer(function, table, budget, batch);
      if (failed(rematerializer.run()))
        return signalPassFailure();
      most = std::max(most, rematerializer.getWorkspace());
    }
    if (most > budget)
      getOperation().emitWarning("a memory budget of ")
          << budget.getValue() << " bytes for " << batch.getValue() << " items is not enough; the workspace takes " << most;
  }
};

} // namespace
