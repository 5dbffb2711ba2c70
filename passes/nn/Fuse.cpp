//===- Fuse.cpp - nn-fuse --------------------------------------------------===//
//
// Decides what becomes one kernel. A kernel is an anchor (an op with a loop nest of its own) with the
// maps that follow it at register level, or a chain of maps, or a data movement with the maps that feed
// it. Maps that read each other's results, which others read too, are one kernel with several results, also with the gradient
// of weights that they use up: no gradient is written then. A map computes what it alone needs of a row, reductions too, on the way,
// and reads through slices: the gates of a recurrent cell are slices of one product, and the maps that make the next states of
// them are one kernel with it. Attention reads and writes through transposes. A product
// that a depthwise convolution reads joins it where nn-plan-contractions left its positions in rows. Other chains of
// contractions stay apart: fusing them gained nothing measurable.
//
// A pooling whose windows divide the tiles of Winograd's algorithm is part of its kernel.
//
// A concatenation of channels is no kernel where those that compute its operands can write them into its result.
//
//===----------------------------------------------------------------------===//
#include "dialects/nn/Pointwise.h"
#include "passes/Passes.h"
#include "passes/nn/Pooling.h"
#include "passes/nn/Utils.h"
#include "passes/schedule/CostModel.h"

#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Remarks.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringExtras.h"

namespace sylvite {
#define GEN_PASS_DEF_FUSE
#include "passes/Passes.h.inc"
} // namespace sylvite

using namespace mlir;
using namespace sylvite;
using namespace sylvite::nn;

namespace {

/// Whether `value` is there before `op` runs: it is a parameter, or computed earlier, or a view of that.
bool isEarlier(Value value, Operation *op) {
  Operation *source = viewed(value).getDefiningOp();
  return !source || source->getBlock() != op->getBlock() || isa<GetOp>(source) || source->isBeforeInBlock(op);
}

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

/// Ops that read each element of their input at most once, so that a map may be computed on the way.
bool readsElementsOnce(Operation *op) {
  // A joined dimension that is free takes its size from a buffer.
  if (auto concat = dyn_cast<ConcatOp>(op); concat && concat.getType().isDynamicDim(concat.getDim()))
    return false;
  return isa<PadOp, ConcatOp, SliceOp, TransposeOp>(op) ||
         (isa<ReduceOp>(op) && cast<RankedTensorType>(op->getResult(0).getType()).getRank() > 0);
}

/// Whether `op` is a pooling or a depthwise convolution, whose vectors run along channels: padding costs
/// it a comparison per position, out of the inner loops, where a padded copy would cost its size in
/// memory traffic.
bool readsWindowPerChannel(Operation *op) {
  if (auto conv = dyn_cast<ConvOp>(op))
    return isDepthwise(conv);
  return isa<MaxPoolOp, AvgPoolOp>(op);
}

/// Whether `op` is padding that the only op to read it takes into its kernel.
bool isPartOfWindow(Operation *op) {
  return isa<PadOp>(op) && op->hasOneUse() && readsWindowPerChannel(*op->user_begin());
}

/// The depthwise convolution whose kernel computes the product `op` on the way: each block of its columns is one of channels
/// there. Null where it is a kernel of its own.
ConvOp windowOf(Operation *op) {
  auto product = dyn_cast<PackedMatmulOp>(op);
  if (!product)
    return {};
  ArrayRef<int64_t> weights = cast<RankedTensorType>(product.getRhs().getType()).getShape();
  bool isWhole = weights.size() == 3 && product.getColumns() % weights.back() == 0;
  return isWhole ? findDepthwiseReader(product) : ConvOp();
}

/// Ops that stand outside kernels: they compute nothing, or hold kernels.
bool isView(Operation *op) { return isa<ReshapeOp, GetOp, GroupOp, IfOp, ScanOp>(op); }

/// The only user of `op`, if it runs as often: what a loop reads stays before it.
Operation *onlyUserBeside(Operation *op) {
  Operation *user = op->hasOneUse() ? *op->user_begin() : nullptr;
  return user && user->getBlock() == op->getBlock() ? user : nullptr;
}

/// Whether the kernel of the op that alone reads `map` computes its elements on the way: an index once for each slice that it chooses.
bool isPartOfMovement(MapOp map) {
  Operation *user = onlyUserBeside(map);
  if (auto gather = dyn_cast_or_null<GatherOp>(user))
    return gather.getIndices() == map.getResult();
  return user && readsElementsOnce(user);
}

/// Whether `reshape` only adds or drops dimensions of size one.
bool changesUnitsOnly(ReshapeOp reshape) {
  auto sizes = [](Type type) {
    SmallVector<int64_t> kept;
    for (int64_t size : cast<RankedTensorType>(type).getShape())
      if (size != 1)
        kept.push_back(size);
    return kept;
  };
  return sizes(reshape.getInput().getType()) == sizes(reshape.getType());
}

/// Whether a map alone reads `op`, and takes its elements from where `op` does: a slice, and what drops a
/// dimension of it. A product takes a part of its rows so.
bool isReadThrough(Operation *op) {
  Operation *user = onlyUserBeside(op);
  if (auto reshape = dyn_cast<ReshapeOp>(op)) {
    Operation *source = reshape.getInput().getDefiningOp();
    return isa_and_nonnull<MapOp>(user) && isa_and_nonnull<SliceOp>(source) &&
           onlyUserBeside(source) == op && changesUnitsOnly(reshape);
  }
  if (auto product = dyn_cast_or_null<PackedMatmulOp>(user); product && isa<SliceOp>(op))
    return product.getLhs() == op->getResult(0) && keepsFreeSizes(cast<SliceOp>(op));
  return isa<SliceOp>(op) &&
         (isa_and_nonnull<MapOp>(user) || (isa_and_nonnull<ReshapeOp>(user) && isReadThrough(user)));
}

/// Whether `op` only says where an attention, which alone reads it, finds its elements: a transpose, a slice, and what drops
/// a dimension of that.
bool isReadByAttention(Operation *op) {
  auto reshape = dyn_cast<ReshapeOp>(op);
  if (reshape ? !changesUnitsOnly(reshape) || !reshape.getInput().getDefiningOp<SliceOp>() : !isa<TransposeOp, SliceOp>(op))
    return false;
  if (auto slice = dyn_cast<SliceOp>(op); slice && !keepsFreeSizes(slice))
    return false;
  Operation *user = onlyUserBeside(op);
  return user && (isa<AttentionOp>(user) || isReadByAttention(user));
}

/// Whether `op` only reorders what `attention` computes, in vectors that stay as they are.
bool reordersAttention(Operation *op) {
  auto transpose = dyn_cast_or_null<TransposeOp>(op);
  return transpose && transpose.getPermutation().back() == int64_t(transpose.getPermutation().size()) - 1;
}

/// Where nothing but maps read the product `op` of several gates, through slices: these maps, those that they pass
/// their results to, and the slices, in order. None when something that they read is computed after the product.
SmallVector<Operation *> cellOf(PackedMatmulOp op) {
  Block *block = op->getBlock();
  ArrayRef<int64_t> shape;
  llvm::SmallSetVector<Operation *, 8> maps;
  SmallVector<Operation *> members;
  auto isMember = [&](MapOp map) { return map->getBlock() == block && map.getType().getShape() == shape; };
  if (op.getType().getRank() == op.getLhs().getType().getRank())
    return {};
  for (Operation *user : op->getUsers()) {
    if (!isReadThrough(user))
      return {};
    while (!isa<MapOp>(user))
      user = onlyUserBeside(user);
    if (shape.empty())
      shape = cast<MapOp>(user).getType().getShape();
    if (!isMember(cast<MapOp>(user)))
      return {};
    maps.insert(user);
  }
  for (unsigned i = 0; i < maps.size(); ++i)
    for (Operation *user : maps[i]->getUsers())
      if (auto map = dyn_cast<MapOp>(user); map && isMember(map))
        maps.insert(map);
  for (Operation *map : maps)
    for (Value operand : map->getOperands()) {
      Operation *source = operand.getDefiningOp();
      for (; source && isReadThrough(source); source = source->getOperand(0).getDefiningOp())
        members.push_back(source);
      bool isEarlier = !source || source->getBlock() != block || source->isBeforeInBlock(op);
      if (source != op && !isEarlier && !maps.contains(source))
        return {};
    }
  members.append(maps.begin(), maps.end());
  llvm::sort(members, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  // All results are there when the last one is.
  for (Operation *map : maps)
    for (Operation *user : map->getUsers())
      if (user->getBlock() == block && !maps.contains(user) && user->isBeforeInBlock(members.back()))
        return {};
  return members;
}

/// Whether the gradient of a filter, which alone reads `op`, computes its elements on the way: those of the gradient of a pooling
/// whose windows do not overlap, each of them from one of the pooling's result.
bool isPartOfFilterGradient(Operation *op) {
  auto isSpread = [&](auto pool) {
    auto fits = [](auto pair) { return std::get<0>(pair) <= std::get<1>(pair); };
    return !pool.getLike() && llvm::all_of(llvm::zip(pool.getWindow(), pool.getStrides()), fits) &&
           llvm::all_of(pool.getDilations(), [](int64_t dilation) { return dilation == 1; });
  };
  auto max = dyn_cast<MaxPoolGradOp>(op);
  auto average = dyn_cast<AvgPoolGradOp>(op);
  auto filter = dyn_cast_or_null<ConvGradFilterOp>(onlyUserBeside(op));
  return filter && filter.getGradient() == op->getResult(0) && ((max && isSpread(max)) || (average && isSpread(average)));
}

/// What is one kernel with the pooling `op`, in order: the choice of the tap of each window, and the map that alone reads the
/// maxima beside it.
SmallVector<Operation *> choiceOf(MaxPoolOp op) {
  SmallVector<Operation *> users(op->getUsers());
  llvm::sort(users, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  auto index = dyn_cast<MaxPoolIndexOp>(users.empty() ? nullptr : users.front());
  if (!index || index.getInput() != op.getInput() || index.getMaximum() != op.getResult())
    return {};
  auto map = users.size() == 2 ? dyn_cast<MapOp>(users.back()) : MapOp();
  if (!map || map->getBlock() != op->getBlock() || map.getType().getShape() != op.getType().getShape() ||
      !llvm::all_of(index->getUsers(), [&](Operation *user) { return map->isBeforeInBlock(user); }))
    return {index};
  return {index, map};
}

/// Whether the kernel of a pooling computes the convolution `op`, which nothing else reads.
bool isPartOfPooling(Operation *op) {
  auto conv = dyn_cast<PackedConvOp>(op);
  MaxPoolOp pool = conv ? findComputingPool(conv) : MaxPoolOp();
  if (!pool || pool.getInput() != conv.getResult())
    return false;
  SmallVector<Operation *> choice = choiceOf(pool);
  return llvm::all_of(op->getUsers(), [&](Operation *user) { return user == pool || llvm::is_contained(choice, user); });
}

/// Maps that are one kernel with `first`, a map or a gradient, later ones, in order: those of its type that read it, or that they
/// read, and so on, as the new values of a parameter and of what its optimizer keeps do. What each reads of the others then stays in
/// registers, and what several read is read once. None when something that they read is computed after `first`.
SmallVector<Operation *> mapsBeside(Operation *first, const SmallPtrSetImpl<Operation *> &taken) {
  constexpr unsigned mostMaps = 8;
  Block *block = first->getBlock();
  Type type = first->getResult(0).getType();
  llvm::SmallSetVector<Operation *, mostMaps> maps;
  maps.insert(first);
  auto join = [&](Operation *op) {
    auto map = dyn_cast_or_null<MapOp>(op);
    if (map && map->getBlock() == block && map.getType() == type && first->isBeforeInBlock(map) &&
        !taken.contains(map))
      maps.insert(map);
  };
  for (unsigned i = 0; i < maps.size() && maps.size() <= mostMaps; ++i) {
    for (Operation *user : maps[i]->getUsers())
      join(user);
    for (Value operand : maps[i]->getOperands())
      join(operand.getDefiningOp());
  }
  SmallVector<Operation *> members(maps.begin(), maps.end());
  llvm::sort(members, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  for (Operation *map : members) {
    if (members.size() > mostMaps || llvm::any_of(map->getOperands(), [&](Value operand) {
          return !maps.contains(operand.getDefiningOp()) && !isEarlier(operand, first);
        }))
      return {};
    // All results are there when the last one is.
    for (Operation *user : map->getUsers())
      if (user = block->findAncestorOpInBlock(*user); !maps.contains(user) && user->isBeforeInBlock(members.back()))
        return {};
  }
  members.erase(members.begin());
  return members;
}

/// The maps that alone read the result of `last`, an op of the kernel of the product `first`, several of them: an activation, and its
/// derivative, which training keeps. They are one kernel with it, and the result is not stored. None when something that they read is
/// computed after `first`.
SmallVector<Operation *> readersOf(Operation *last, Operation *first, const SmallPtrSetImpl<Operation *> &taken) {
  SmallVector<Operation *> maps(last->getUsers());
  Block *block = last->getBlock();
  auto isReader = [&](Operation *op) {
    auto map = dyn_cast<MapOp>(op);
    return map && map->getBlock() == block && map.getType() == last->getResult(0).getType() && !taken.contains(map) &&
           llvm::all_of(map.getOperands(), [&](Value operand) { return operand == last->getResult(0) || isEarlier(operand, first); });
  };
  if (!llvm::all_of(maps, isReader))
    return {};
  llvm::sort(maps, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  maps.erase(llvm::unique(maps), maps.end());
  // All results are there when the last one is.
  auto isReadLater = [&](Operation *op) {
    return llvm::all_of(op->getUsers(),
                        [&](Operation *user) { return maps.back()->isBeforeInBlock(block->findAncestorOpInBlock(*user)); });
  };
  return maps.size() > 1 && llvm::all_of(maps, isReadLater) ? maps : SmallVector<Operation *>();
}

/// What the kernel of `map` computes of a row before it, in no order: reductions over the last dimensions, the same ones, and maps of
/// its shape, all of which only this kernel reads. The gradients of a softmax and of a normalization are such kernels: of what they
/// read and write, a row stays in the first cache. None where the kernel of a product or another op would rather compute `map`.
SmallVector<Operation *> rowsBefore(MapOp map, const SmallPtrSetImpl<Operation *> &taken) {
  constexpr size_t mostOps = 12;
  constexpr int64_t longestRow = 1 << 13;
  ArrayRef<int64_t> shape = map.getType().getShape(), dims;
  llvm::SmallSetVector<Operation *, mostOps> members;
  auto isRowOfMap = [&](Value value) { return cast<RankedTensorType>(value.getType()).getShape() == shape; };
  auto isReduction = [&](ReduceOp op) {
    int64_t kept = shape.size() - op.getDims().size();
    return op.getKeepDims() && op.getKind() != ReduceKind::LogSumExp && isRowOfMap(op.getInput()) && kept > 0 &&
           !op.getDims().empty() && op.getDims().front() == kept && (dims.empty() || dims == op.getDims()) &&
           !ShapedType::isDynamicShape(shape.drop_front(kept)) &&
           ShapedType::getNumElements(shape.drop_front(kept)) <= longestRow;
  };
  auto joins = [&](Value value) {
    Operation *op = value.getDefiningOp();
    auto reduction = dyn_cast_or_null<ReduceOp>(op);
    if (!op || op->getBlock() != map->getBlock() || taken.contains(op) || members.contains(op) ||
        !(reduction ? isReduction(reduction) : isa<MapOp>(op) && isRowOfMap(value)) ||
        !llvm::all_of(op->getUsers(), [&](Operation *user) { return members.contains(user); }))
      return false;
    if (reduction)
      dims = reduction.getDims();
    return members.insert(op);
  };
  members.insert(map);
  for (bool grows = true; grows && members.size() <= mostOps;) {
    grows = false;
    for (Operation *member : SmallVector<Operation *>(members.begin(), members.end()))
      for (Value operand : member->getOperands())
        grows |= joins(operand);
  }
  auto isEpilogueOf = [&](Value operand) {
    Operation *op = operand.getDefiningOp();
    return op && !members.contains(op) && !isView(op) && op->hasOneUse() && isRowOfMap(operand);
  };
  if (dims.empty() || members.size() > mostOps || llvm::any_of(map->getOperands(), isEpilogueOf))
    return {};
  return SmallVector<Operation *>(llvm::drop_begin(members));
}

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
      if (isView(&op) || joins.contains(&op) || (taken.contains(&op) && !rows.contains(&op)) || isReadThrough(&op))
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
