//===- Fuse.cpp - nn-fuse --------------------------------------------------===//
//
// Decides what becomes one kernel. A kernel is an anchor (an op with a loop nest of its own) with the maps that follow it at register
// level, or a chain of maps, or a data movement with the maps that feed it; KernelParts.cpp says what else joins which anchor. Other
// chains of contractions stay apart: fusing them gained nothing measurable.
//
// A pooling whose windows divide the tiles of Winograd's algorithm is part of its kernel.
//
// A concatenation of channels is no kernel where those that compute its operands can write them into its result.
//
//===----------------------------------------------------------------------===//
#include "dialects/nn/Pointwise.h"
#include "passes/Passes.h"
#include "passes/nn/KernelParts.h"
#include "passes/nn/Pooling.h"
#include "passes/nn/Utils.h"
#include "passes/schedule/CostModel.h"

#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Remarks.h"
#include "llvm/ADT/StringExtras.h"

namespace sylvite {
#define GEN_PASS_DEF_FUSE
#include "passes/Passes.h.inc"
} // namespace sylvite

using namespace mlir;
using namespace sylvite;
using namespace sylvite::nn;

namespace {

/// Whether `map` is one of several that alone read what a product's kernel computes.
bool readsProductBesideOthers(MapOp map) {
  if (map.getNumOperands() != 1)
    return false;
  Value value = map.getOperand(0);
  if (value.hasOneUse() || !llvm::all_of(value.getUsers(), [](Operation *user) { return isa<MapOp>(user); }))
    return false;
  Operation *source = value.getDefiningOp();
  while (isa_and_nonnull<MapOp>(source) && source->getNumOperands() && source->getOperand(0).hasOneUse())
    source = source->getOperand(0).getDefiningOp();
  return isa_and_nonnull<MatmulOp, PackedMatmulOp>(source);
}

/// Inlines a map into the one map that reads it, when every element is read once. Not one that belongs to a product's kernel, while
/// its reader waits for something later: the derivative of an activation.
struct MergeMaps : OpRewritePattern<MapOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MapOp consumer, PatternRewriter &rewriter) const override {
    MapOp producer;
    unsigned position = 0;
    for (auto [i, operand] : llvm::enumerate(consumer.getOperands())) {
      auto map = operand.getDefiningOp<MapOp>();
      if (!map || !map->hasOneUse() || map->getBlock() != consumer->getBlock() ||
          map.getType().getShape() != consumer.getType().getShape())
        continue;
      auto isThere = [&](Value other) { return isEarlier(other, map) || other == operand; };
      if (readsProductBesideOthers(map) && !llvm::all_of(consumer.getOperands(), isThere))
        continue;
      producer = map;
      position = i;
      break;
    }
    if (!producer)
      return failure();
    SmallVector<Value> operands;
    for (auto [i, operand] : llvm::enumerate(consumer.getOperands()))
      if (i == position)
        operands.append(producer.operand_begin(), producer.operand_end());
      else
        operands.push_back(operand);
    auto merged = MapOp::create(
        rewriter, rewriter.getFusedLoc({producer.getLoc(), consumer.getLoc()}), consumer.getType(),
        operands);
    Block *block = rewriter.createBlock(&merged.getBody());
    for (Value operand : operands)
      block->addArgument(scalarType(operand.getType()), merged.getLoc());
    unsigned produced = producer.getNumOperands();
    SmallVector<Value> all(block->args_begin(), block->args_end());
    Value element = inlineBody(rewriter, producer, ArrayRef<Value>(all).slice(position, produced));
    SmallVector<Value> scalars(all.begin(), all.begin() + position);
    scalars.push_back(element);
    scalars.append(all.begin() + position + produced, all.end());
    YieldOp::create(rewriter, merged.getLoc(), inlineBody(rewriter, consumer, scalars));
    rewriter.replaceOp(consumer, merged);
    rewriter.eraseOp(producer);
    return success();
  }
};


/// Says what became one kernel, and why the maps that read its result did not join it.
void remarkGroup(ArrayRef<Operation *> group) {
  Operation *last = group.back();
  auto about = remark::RemarkOpts::name("Fusion").category("fusion");
  if (group.size() > 1) {
    std::string ops = llvm::join(
        llvm::map_range(group, [](Operation *op) { return op->getName().stripDialect().str(); }),
        ", ");
    remark::passed(last->getLoc(), about) << remark::add("one kernel: {0}", ops);
  }
  if (llvm::any_of(last->getUsers(), [](Operation *user) { return isa<MapOp>(user); }))
    remark::missed(last->getLoc(), about)
        << remark::add("the map that reads it stays apart: {0}",
                       last->hasOneUse() ? "it has another shape, or belongs to an earlier kernel"
                                         : "others read the result too");
}

struct Fuse : sylvite::impl::FuseBase<Fuse> {
  using FuseBase::FuseBase;

  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<MergeMaps>(&getContext());
    MapOp::getCanonicalizationPatterns(patterns, &getContext());
    if (failed(applyPatterns(getOperation(), std::move(patterns))))
      return signalPassFailure();

    SmallVector<Block *> blocks{&getOperation().getBody().front()};
    getOperation().walk([&](Operation *op) {
      if (isa<IfOp, ScanOp>(op))
        for (Region &region : op->getRegions())
          blocks.push_back(&region.front());
    });
    for (Block *block : blocks)
      if (failed(fuse(*block)))
        return signalPassFailure();
  }

  /// Whether what `concat` joins is written where its result is, which then costs nothing: kernels of the same block compute it,
  /// its runs are whole lines, and nothing but kernels and this concatenation read it.
  bool isJoin(ConcatOp concat) {
    RankedTensorType type = concat.getType();
    if (type.getRank() < 2 || int64_t(concat.getDim()) != type.getRank() - 1)
      return false;
    llvm::SmallDenseSet<Value> joined;
    return llvm::all_of(concat.getInputs(), [&](Value value) {
      int64_t run = cast<RankedTensorType>(value.getType()).getShape().back();
      bool isWhole = !ShapedType::isDynamic(run) && run * llvm::divideCeil(type.getElementTypeBitWidth(), 8) % lineBytes == 0;
      while (auto reshape = value.getDefiningOp<ReshapeOp>()) {
        isWhole &= keepsRuns(reshape);
        value = reshape.getInput();
      }
      Operation *source = value.getDefiningOp();
      if (!isWhole || !source || source->getBlock() != concat->getBlock() || isa<GetOp, IfOp, ScanOp>(source) ||
          dependsOnParametersOnly(value) || !joined.insert(value).second)
        return false;
      bool readByKernels = true;
      forEachReader(value, [&](Operation *reader) {
        readByKernels &= !isa<IfOp, ReshapeOp, ScanOp>(reader) && !reader->hasTrait<OpTrait::IsTerminator>() &&
                         !joins.contains(reader);
      });
      return readByKernels;
    });
  }

  /// Groups the ops of one block: a model, the body of a loop, or a branch.
  LogicalResult fuse(Block &body) {
    for (auto concat : body.getOps<ConcatOp>())
      if (isJoin(concat)) {
        joins.insert(concat);
        remark::passed(concat.getLoc(), remark::RemarkOpts::name("Fusion").category("fusion"))
            << remark::add("what it joins is written where its result is");
      }
    SmallVector<SmallVector<Operation *>> groups;
    SmallPtrSet<Operation *, 32> taken;
    DenseMap<Operation *, SmallVector<Operation *>> expansions; // what depthwise convolutions compute on the way
    DenseMap<Operation *, SmallVector<Operation *>> rows;       // and maps, of whole rows
    for (Operation &op : llvm::reverse(body))
      if (auto map = dyn_cast<MapOp>(op); map && !taken.contains(map))
        if (SmallVector<Operation *> before = rowsBefore(map, taken); !before.empty()) {
          taken.insert(before.begin(), before.end());
          taken.insert(map);
          rows[map] = std::move(before);
        }
    for (Operation &op : body.without_terminator()) {
      if (isOutsideKernels(&op) || joins.contains(&op) || (taken.contains(&op) && !rows.contains(&op)) || isReadThrough(&op))
        continue;
      if (!isa<NNDialect>(op.getDialect()))
        return op.emitOpError("is not an op that nn-fuse can put into a kernel");
      SmallVector<Operation *> group{&op};
      if (ConvOp window = windowOf(&op)) {
        for (Operation *part = &op; isa<PackedMatmulOp, MapOp>(part); part = onlyUserBeside(part)) {
          expansions[window].push_back(part);
          taken.insert(part);
        }
        continue;
      }
      group.append(expansions.lookup(&op));
      group.append(rows.lookup(&op));
      if (isPartOfWindow(&op) || isReadByAttention(&op) || isPartOfFilterGradient(&op) || isPartOfPooling(&op))
        continue;
      if (readsWindowPerChannel(&op))
        if (Operation *pad = op.getOperand(0).getDefiningOp(); pad && isPartOfWindow(pad))
          group.insert(group.begin(), pad);
      if (auto pool = dyn_cast<MaxPoolOp>(op))
        if (Operation *conv = pool.getInput().getDefiningOp(); conv && isPartOfPooling(conv))
          group.insert(group.begin(), conv);
      if (auto filter = dyn_cast<ConvGradFilterOp>(op))
        if (Operation *spread = filter.getGradient().getDefiningOp(); spread && isPartOfFilterGradient(spread))
          group.push_back(spread);
      if (isa<MapOp>(op) && !rows.contains(&op)) {
        // A map waits for the op that can compute it on the way; that op comes later in the block.
        Operation *user = onlyUserBeside(&op);
        if (isPartOfMovement(cast<MapOp>(op)) && !joins.contains(user) && !isPartOfWindow(user) && !isReadThrough(user) &&
            !isReadByAttention(user))
          continue;
      }
      for (Value operand : op.getOperands())
        if (auto map = operand.getDefiningOp<MapOp>(); map && isPartOfMovement(map) && !taken.contains(map))
          group.insert(group.begin(), map);
      if (isa<AttentionOp>(op)) {
        for (Value operand : op.getOperands())
          for (Operation *source = operand.getDefiningOp(); source && isReadByAttention(source);
               source = source->getOperand(0).getDefiningOp())
            group.push_back(source);
        if (Operation *user = onlyUserBeside(&op); reordersAttention(user))
          group.push_back(user);
      }
      SmallVector<Operation *> joined; // whose results are results of the kernel, too
      if (auto product = dyn_cast<PackedMatmulOp>(op))
        joined = cellOf(product);
      else if ((isa<MapOp>(op) && !rows.contains(&op)) || isGradientOfWeights(&op))
        joined = mapsBeside(&op, taken);
      else if (auto pool = dyn_cast<MaxPoolOp>(op))
        joined = choiceOf(pool);
      group.append(joined);
      for (Operation *last = &op; joined.empty() && !isa<AttentionOp, ConcatOp, PadOp>(op);) {
        auto map = dyn_cast_or_null<MapOp>(onlyUserBeside(last));
        // A map that joins two groups' results belongs to the first.
        if (!map || taken.contains(map) ||
            map.getType().getShape() !=
                cast<RankedTensorType>(last->getResult(0).getType()).getShape())
          break;
        group.push_back(last = map);
      }
      if (auto pool = dyn_cast_or_null<MaxPoolOp>(onlyUserBeside(group.back())); pool && pooledTilesOf(pool) == &op)
        group.push_back(pool);
      if (isa<MatmulOp, PackedMatmulOp>(op) && joined.empty())
        llvm::append_range(group, readersOf(group.back(), &op, taken));
      auto inOrder = [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); };
      llvm::sort(group, inOrder);
      remarkGroup(group);
      SmallVector<Operation *> sources;
      for (Operation *member : group)
        if (isa<MapOp, PackedMatmulOp>(member))
          for (Value operand : member->getOperands())
            for (Operation *source = operand.getDefiningOp(); source && isReadThrough(source);
                 source = source->getOperand(0).getDefiningOp())
              if (!llvm::is_contained(group, source))
                sources.push_back(source);
      group.append(sources);
      llvm::sort(group, inOrder);
      taken.insert(group.begin(), group.end());
      groups.push_back(std::move(group));
    }
    for (ArrayRef<Operation *> group : groups)
      wrap(group);
    return success();
  }

  SmallPtrSet<Operation *, 8> joins; ///< concatenations that stay outside kernels

  /// Moves `ops`, in their order, into one nn.group that stands where the last of them stood. Its results are those of
  /// the last, and what others read of the rest, the last ones first: an element of a result is there before that of one
  /// from which it is computed, and which may be written over what both read.
  void wrap(ArrayRef<Operation *> ops) {
    SmallPtrSet<Operation *, 8> inside(ops.begin(), ops.end());
    SmallVector<Value> operands;
    SmallVector<Location> locations;
    for (Operation *op : ops) {
      locations.push_back(op->getLoc());
      for (Value operand : op->getOperands())
        if (!inside.contains(operand.getDefiningOp()) && !llvm::is_contained(operands, operand))
          operands.push_back(operand);
    }
    Operation *last = ops.back();
    SmallVector<Value> results;
    for (Operation *op : llvm::reverse(ops))
      for (Value result : op->getResults())
        if (op == last || llvm::any_of(result.getUsers(), [&](Operation *user) { return !inside.contains(user); }))
          results.push_back(result);
    OpBuilder builder(last);
    auto group = GroupOp::create(builder, builder.getFusedLoc(locations), TypeRange(ValueRange(results)), operands);
    Block *block = builder.createBlock(&group.getBody());
    IRMapping mapping;
    for (Value operand : operands)
      mapping.map(operand, block->addArgument(operand.getType(), operand.getLoc()));
    for (Operation *op : ops)
      builder.clone(*op, mapping);
    SmallVector<Value> yielded;
    for (Value result : results)
      yielded.push_back(mapping.lookup(result));
    YieldOp::create(builder, group.getLoc(), yielded);
    for (auto [result, replacement] : llvm::zip_equal(results, group.getResults()))
      result.replaceAllUsesWith(replacement);
    for (Operation *op : llvm::reverse(ops))
      op->erase();
  }
};

} // namespace
