//===- Microbatch.cpp - host-microbatch ------------------------------------===//
//
// Computes a batch in parts where its values leave the second cache, and those of fewer items stay in it.
//
// The kernels of a function whose items are independent (Items.h) stand in runs, which are cut into segments; each segment takes
// the number of items for which it reads and writes least beyond the second cache, by a dynamic program over all cuts:
// - what a kernel reads and writes of its items, where it does not fit,
// - what a segment that computes the batch in parts reads from outside and, twice, as a line is read before it is written, what it
//   leaves there,
// - weights, once for each part of the batch,
// - and a call's own time.
// A byte costs the more, the larger the set is that it comes from: by the binary logarithm of how often that is the second cache.
// Measured on a Xeon with 2 MB of it: 12, 40 and 74 ps for a byte of 4, 32 and 128 MB.
//
//===----------------------------------------------------------------------===//
#include "passes/host/Items.h"
#include "passes/host/MemoryPlan.h"
#include "passes/host/Tensors.h"

#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Remarks.h"
#include "llvm/ADT/SetVector.h"

namespace sylvite {
#define GEN_PASS_DEF_MICROBATCH
#include "passes/Passes.h.inc"
} // namespace sylvite

using namespace mlir;
using namespace sylvite;

namespace {

/// How many items a large batch has, and what free dimensions are taken for beside it.
constexpr int64_t kBatch = 256, kFreeSize = 64;
/// What calling a kernel costs: the time of so many bytes that come from twice the second cache.
constexpr double kBytesOfCall = 64 << 10;
/// How many times what it shares with others a segment that computes the batch in parts must read and write: steps of training,
/// whose values are kept for the backward pass, were not faster so.
constexpr double kInside = 5;

/// One function.
class Divider {
public:
  Divider(func::FuncOp function, const ParameterTable &table, int64_t l2Bytes)
      : block(function.getBody().front()), plan(function, table), l2Bytes(l2Bytes) {}

  LogicalResult run();

private:
  /// A kernel, or what joins results of kernels, and what it touches.
  struct Step {
    Operation *op = nullptr;
    double itemBytes = 0, sharedBytes = 0; ///< of one item; of what all items read
    bool mayEnd = true;                    ///< whether a segment may end behind it
    bool stays = false;                    ///< where it joins, or is joined to, what is in no segment
    /// What it computes and reads: a value, which step computes it (-1: none of the run), and the last one that reads it.
    struct Item {
      double bytes;
      int64_t from, last;
    };
    SmallVector<Item, 2> computed, read;
  };
  using Run = SmallVector<Step>;

  bool hasItems(Value value) const {
    auto shape = plan.shapes.find(value);
    return shape != plan.shapes.end() && !shape->second.empty() && shape->second.front() == batch &&
           llvm::none_of(llvm::drop_begin(shape->second), [&](AffineExpr dim) { return dim.isFunctionOfSymbol(batchSymbol); });
  }
  bool mayHaveItems(Value value) const {
    return llvm::any_of(plan.shapes.lookup(value), [&](AffineExpr dim) { return dim.isFunctionOfSymbol(batchSymbol); });
  }
  bool isItemwise(Operation &op) const;
  /// Bytes of `value`, of one item where it has items.
  double bytesOf(Value value) const;
  /// The time of reading one byte of `bytes` that are in use, in units of what it takes from twice the second cache.
  double costOfByte(double bytes) const { return bytes > l2Bytes ? std::log2(bytes / l2Bytes) : 0; }
  void findRuns();
  void addStep(Run &run, Operation &op);
  void findCuts(Run &run);
  void divide(Run &run);
  void move(ArrayRef<Step> segment, int64_t items);

  Block &block;
  MemoryPlan plan;
  int64_t l2Bytes;
  AffineExpr batch;
  unsigned batchSymbol = 0;
  SmallVector<Run> runs;
};

} // namespace

bool Divider::isItemwise(Operation &op) const {
  if (!llvm::all_of(op.getResults(), [&](Value result) { return hasItems(result); }) ||
      !llvm::any_of(op.getOperands(), [&](Value operand) { return hasItems(operand); }))
    return false;
  if (auto concat = dyn_cast<nn::ConcatOp>(op))
    return concat.getDim() != 0 && llvm::all_of(op.getOperands(), [&](Value operand) { return hasItems(operand); });
  auto call = dyn_cast<halide::CallOp>(op);
  if (!call)
    return false;
  // What has items in another way, as in rows of all of them.
  if (llvm::any_of(call.getInputs(), [&](Value input) { return !hasItems(input) && mayHaveItems(input); }))
    return false;
  auto inputs = llvm::map_to_vector(call.getInputs(), [&](Value input) { return hasItems(input); });
  return llvm::all_of(pipelinesOf(call), [&](halide::PipelineOp pipeline) { return computesItemByItem(pipeline, inputs); });
}

double Divider::bytesOf(Value value) const {
  double bytes = bytesPerElement(getElementTypeOrSelf(value.getType()));
  SmallVector<AffineExpr> sizes(plan.symbols.size(), getAffineConstantExpr(kFreeSize, plan.context));
  sizes[batchSymbol] = getAffineConstantExpr(1, plan.context);
  for (AffineExpr dim : plan.shapes.lookup(value))
    if (auto size = dyn_cast<AffineConstantExpr>(simplifyAffineExpr(dim.replaceSymbols(sizes), 0, 0)))
      bytes *= size.getValue();
  return bytes;
}

void Divider::addStep(Run &run, Operation &op) {
  Step step;
  step.op = &op;
  if (isa<halide::CallOp>(op)) {
    for (Value input : SetVector<Value>(op.operand_begin(), op.operand_end()))
      (hasItems(input) ? step.itemBytes : step.sharedBytes) += bytesOf(input);
    for (Value result : op.getResults())
      step.itemBytes += bytesOf(result);
  }
  run.push_back(step);
}

/// Finds the runs of ops whose items are independent. Views, and what is computed from no items, stand between them; what else there
/// is ends a run.
void Divider::findRuns() {
  Run run;
  auto endRun = [&] {
    if (!run.empty())
      runs.push_back(std::exchange(run, {}));
  };
  for (Operation &op : block.without_terminator()) {
    if (isItemwise(op))
      addStep(run, op);
    else if (!isa<nn::ReshapeOp>(op) && (!isa<nn::GetOp, halide::CallOp>(op) ||
                                         llvm::any_of(op.getOperands(), [&](Value operand) { return mayHaveItems(operand); })))
      endRun();
  }
  endRun();
}

/// Finds what each step reads of others, and between which ones no segment may end: what is joined is written where the result is,
/// and read there.
void Divider::findCuts(Run &run) {
  DenseMap<Operation *, int64_t> index;
  DenseMap<Value, Step::Item> items;
  for (auto [i, step] : llvm::enumerate(run))
    index[step.op] = i;
  for (auto [i, step] : llvm::enumerate(run))
    for (Value result : step.op->getResults()) {
      Step::Item item{bytesOf(result), int64_t(i), int64_t(i)};
      bool isJoined = false;
      auto visit = [&](auto &&self, Value value) -> void {
        for (Operation *user : value.getUsers()) {
          if (auto reshape = dyn_cast<nn::ReshapeOp>(user)) {
            self(self, reshape.getResult());
            continue;
          }
          auto at = index.find(block.findAncestorOpInBlock(*user));
          item.last = std::max<int64_t>(item.last, at == index.end() ? run.size() : at->second);
          isJoined |= isa<nn::ConcatOp>(user);
        }
      };
      visit(visit, result);
      step.computed.push_back(items[result] = item);
      step.stays |= isJoined && item.last == int64_t(run.size());
      for (Step &behind : MutableArrayRef(run).slice(i, std::min<int64_t>(item.last, run.size()) - i))
        behind.mayEnd &= !isJoined;
    }
  run.back().mayEnd = true;
  for (auto [i, step] : llvm::enumerate(run))
    for (Value operand : llvm::SetVector<Value>(step.op->operand_begin(), step.op->operand_end())) {
      auto item = items.find(viewed(operand));
      if (item != items.end())
        step.read.push_back(item->second);
      else if (hasItems(operand))
        step.read.push_back({bytesOf(operand), -1, int64_t(i)});
      step.stays |= isa<nn::ConcatOp>(step.op) && item == items.end();
    }
}

/// Cuts a run into segments and moves those into parts of a batch that are faster so.
void Divider::divide(Run &run) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  struct Best {
    double cost = infinity;
    unsigned begin = 0;
    int64_t items = 0;
  };
  SmallVector<Best> best(run.size() + 1); // of all before a step, the last segment
  best[0].cost = 0;
  for (unsigned begin = 0; begin < run.size(); ++begin) {
    if (best[begin].cost == infinity)
      continue;
    for (int64_t items = 1; items <= kBatch; items *= 2) {
      double moved = 0, total = 0, entering = 0, leaving = 0, shared = 0, calls = 0, largest = 0;
      auto costOutside = [&](const Step::Item &item) { return item.bytes * costOfByte(kBatch * item.bytes); };
      for (unsigned end = begin; end < run.size(); ++end) {
        const Step &step = run[end];
        if (step.stays && items < kBatch)
          break;
        moved += step.itemBytes * costOfByte(items * step.itemBytes);
        total += step.itemBytes * costOfByte(kBatch * step.itemBytes);
        for (const Step::Item &item : step.read)
          if (item.from < int64_t(begin))
            entering += costOutside(item);
          else if (item.last == int64_t(end))
            leaving -= costOutside(item);
        for (const Step::Item &item : step.computed)
          leaving += costOutside(item);
        shared += step.sharedBytes;
        largest = std::max(largest, items * step.itemBytes);
        calls += isa<halide::CallOp>(step.op);
        // A batch that is not divided reads and writes what it shares with others where it does all else.
        double cost = best[begin].cost + moved + (items < kBatch ? entering + 2 * leaving : 0) +
                      (shared * costOfByte(2 * (shared + largest)) + calls * kBytesOfCall) / items;
        if (step.mayEnd && (items == kBatch || total >= kInside * (entering + leaving)) && cost < best[end + 1].cost)
          best[end + 1] = {cost, begin, items};
      }
    }
  }
  for (unsigned end = run.size(); end > 0; end = best[end].begin)
    if (best[end].items < kBatch)
      move(ArrayRef(run).slice(best[end].begin, end - best[end].begin), best[end].items);
}

/// Moves the ops of `segment` into an nn.microbatch behind the last of them.
void Divider::move(ArrayRef<Step> segment, int64_t items) {
  llvm::SetVector<Operation *> inside;
  for (const Step &step : segment)
    inside.insert(step.op);
  auto isInside = [&](Value value) { return inside.contains(viewed(value).getDefiningOp()); };
  auto isReadOutside = [&](auto &&self, Value value) -> bool {
    return llvm::any_of(value.getUsers(), [&](Operation *user) {
      auto reshape = dyn_cast<nn::ReshapeOp>(user);
      return reshape ? self(self, reshape.getResult()) : !inside.contains(user);
    });
  };
  SmallVector<Operation *> moved; // views of what is computed inside, too
  for (Operation &op : block)
    if (inside.contains(&op) || (isa<nn::ReshapeOp>(op) && isInside(op.getResult(0))))
      moved.push_back(&op);
  llvm::SetVector<Value> inputs, results;
  for (Operation *op : inside) {
    for (Value operand : op->getOperands())
      if (hasItems(operand) && !isInside(operand))
        inputs.insert(operand);
    for (Value result : op->getResults())
      if (isReadOutside(isReadOutside, result))
        results.insert(result);
  }

  OpBuilder b(block.getParentOp()->getContext());
  b.setInsertionPointAfter(segment.back().op);
  auto locations = llvm::map_to_vector(inside, [](Operation *op) { return op->getLoc(); });
  auto types = llvm::map_to_vector(results, [](Value value) { return value.getType(); });
  auto microbatch = nn::MicrobatchOp::create(b, b.getFusedLoc(locations), types, inputs.getArrayRef(), items);
  Block &body = microbatch.getBody().emplaceBlock();
  IRMapping values;
  for (Value input : inputs)
    values.map(input, body.addArgument(input.getType(), input.getLoc()));
  b.setInsertionPointToEnd(&body);
  for (Operation *op : moved)
    b.clone(*op, values);
  nn::YieldOp::create(b, microbatch.getLoc(), llvm::map_to_vector(results, [&](Value result) { return values.lookup(result); }));

  // Views stand where they are read: inside, outside, or both.
  Operation *next = microbatch->getNextNode();
  for (Operation *op : moved)
    if (isa<nn::ReshapeOp>(op) && isReadOutside(isReadOutside, op->getResult(0)))
      op->moveBefore(next);
  for (auto [result, outside] : llvm::zip_equal(results, microbatch.getResults())) {
    plan.shapes[outside] = plan.shapes.lookup(result);
    Value(result).replaceAllUsesWith(outside);
  }
  for (Operation *op : llvm::reverse(moved))
    if (op->use_empty())
      op->erase();
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(body)))
    if (isa<nn::ReshapeOp>(op) && op.use_empty())
      op.erase();
}

LogicalResult Divider::run() {
  if (failed(plan.make()))
    return failure();
  // The batch is what the inputs' leading dimensions have in common.
  for (BlockArgument argument : block.getArguments())
    if (nn::ShapeExpr shape = plan.shapes.lookup(argument); !shape.empty() && isa<AffineSymbolExpr>(shape.front())) {
      batch = shape.front();
      break;
    }
  if (!batch)
    return success();
  batchSymbol = cast<AffineSymbolExpr>(batch).getPosition();
  findRuns();
  for (Run &run : runs) {
    findCuts(run);
    divide(run);
  }
  return success();
}

/// Bytes of the arena of a call of `function` with many items.
static FailureOr<int64_t> arenaOf(func::FuncOp function, const ParameterTable &table) {
  MemoryPlan plan(function, table);
  if (failed(plan.make()))
    return failure();
  plan.layOut();
  return plan.evaluate(plan.arenaSize(), SmallVector<int64_t>(plan.symbols.size(), kFreeSize));
}

static void remarkParts(nn::MicrobatchOp op) {
  SmallVector<StringRef> layers;
  for (auto call : op.getBody().getOps<halide::CallOp>())
    for (StringRef layer : call->getAttrOfType<ArrayAttr>("layers").getAsValueRange<StringAttr>())
      layers.push_back(layer);
  if (layers.empty())
    layers.push_back("");
  remark::passed(op.getLoc(), remark::RemarkOpts::name("Microbatch").category("memory"))
      << remark::add("from '{0}' to '{1}' at most {2} items at once: more leave the cache", layers.front(), layers.back(),
                     op.getMost());
}

namespace {
struct Microbatch : sylvite::impl::MicrobatchBase<Microbatch> {
  using MicrobatchBase::MicrobatchBase;
  void runOnOperation() override {
    ParameterTable table(getOperation());
    for (auto function : llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>()))
      if (!function.isExternal() && llvm::all_of(function.getResultTypes(), llvm::IsaPred<RankedTensorType>) &&
          failed(divide(function, table)))
        return signalPassFailure();
  }

  /// Divides the batch of `function`, unless that makes its arena larger: where values are kept, parts of a batch need memory beside
  /// them.
  LogicalResult divide(func::FuncOp function, const ParameterTable &table) {
    func::FuncOp divided = function.clone();
    function->getBlock()->getOperations().insertAfter(function->getIterator(), divided);
    if (failed(Divider(divided, table, l2Bytes).run()))
      return failure();
    auto before = arenaOf(function, table), after = arenaOf(divided, table);
    if (failed(before) || failed(after))
      return failure();
    bool isKept = *after <= *before;
    if (isKept)
      divided.walk(remarkParts);
    (isKept ? function : divided).erase();
    return success();
  }
};
} // namespace
