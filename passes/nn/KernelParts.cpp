//===- KernelParts.cpp - what is part of which kernel ----------------------===//
//
// A map computes what it alone needs of a row, reductions too, on the way, and reads through slices: the gates of a recurrent cell
// are slices of one product, and the maps that make the next states of them are one kernel with it. Maps that read each other's
// results, which others read too, are one kernel with several results, also with the gradient of weights that they use up: no
// gradient is written then. Attention reads and writes through transposes. A product that a depthwise convolution reads joins it
// where nn-plan-contractions left its positions in rows.
//
//===----------------------------------------------------------------------===//
#include "passes/nn/KernelParts.h"
#include "passes/nn/Pooling.h"
#include "passes/nn/Utils.h"

#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace sylvite;
using namespace sylvite::nn;

bool sylvite::isEarlier(Value value, Operation *op) {
  Operation *source = viewed(value).getDefiningOp();
  return !source || source->getBlock() != op->getBlock() || isa<GetOp>(source) || source->isBeforeInBlock(op);
}

/// Ops that read each element of their input at most once, so that a map may be computed on the way.
static bool readsElementsOnce(Operation *op) {
  // A joined dimension that is free takes its size from a buffer.
  if (auto concat = dyn_cast<ConcatOp>(op); concat && concat.getType().isDynamicDim(concat.getDim()))
    return false;
  return isa<PadOp, ConcatOp, SliceOp, TransposeOp>(op) ||
         (isa<ReduceOp>(op) && cast<RankedTensorType>(op->getResult(0).getType()).getRank() > 0);
}

bool sylvite::readsWindowPerChannel(Operation *op) {
  if (auto conv = dyn_cast<ConvOp>(op))
    return isDepthwise(conv);
  return isa<MaxPoolOp, AvgPoolOp>(op);
}

bool sylvite::isPartOfWindow(Operation *op) {
  return isa<PadOp>(op) && op->hasOneUse() && readsWindowPerChannel(*op->user_begin());
}

ConvOp sylvite::windowOf(Operation *op) {
  auto product = dyn_cast<PackedMatmulOp>(op);
  if (!product)
    return {};
  ArrayRef<int64_t> weights = cast<RankedTensorType>(product.getRhs().getType()).getShape();
  bool isWhole = weights.size() == 3 && product.getColumns() % weights.back() == 0;
  return isWhole ? findDepthwiseReader(product) : ConvOp();
}

bool sylvite::isOutsideKernels(Operation *op) { return isa<ReshapeOp, GetOp, GroupOp, IfOp, ScanOp>(op); }

Operation *sylvite::onlyUserBeside(Operation *op) {
  Operation *user = op->hasOneUse() ? *op->user_begin() : nullptr;
  return user && user->getBlock() == op->getBlock() ? user : nullptr;
}

bool sylvite::isPartOfMovement(MapOp map) {
  Operation *user = onlyUserBeside(map);
  if (auto gather = dyn_cast_or_null<GatherOp>(user))
    return gather.getIndices() == map.getResult();
  return user && readsElementsOnce(user);
}

/// Whether `reshape` only adds or drops dimensions of size one.
static bool changesUnitsOnly(ReshapeOp reshape) {
  auto sizes = [](Type type) {
    SmallVector<int64_t> kept;
    for (int64_t size : cast<RankedTensorType>(type).getShape())
      if (size != 1)
        kept.push_back(size);
    return kept;
  };
  return sizes(reshape.getInput().getType()) == sizes(reshape.getType());
}

bool sylvite::isReadThrough(Operation *op) {
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

bool sylvite::isReadByAttention(Operation *op) {
  auto reshape = dyn_cast<ReshapeOp>(op);
  if (reshape ? !changesUnitsOnly(reshape) || !reshape.getInput().getDefiningOp<SliceOp>() : !isa<TransposeOp, SliceOp>(op))
    return false;
  if (auto slice = dyn_cast<SliceOp>(op); slice && !keepsFreeSizes(slice))
    return false;
  Operation *user = onlyUserBeside(op);
  return user && (isa<AttentionOp>(user) || isReadByAttention(user));
}

bool sylvite::reordersAttention(Operation *op) {
  auto transpose = dyn_cast_or_null<TransposeOp>(op);
  return transpose && transpose.getPermutation().back() == int64_t(transpose.getPermutation().size()) - 1;
}

SmallVector<Operation *> sylvite::cellOf(PackedMatmulOp op) {
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

bool sylvite::isPartOfFilterGradient(Operation *op) {
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

SmallVector<Operation *> sylvite::choiceOf(MaxPoolOp op) {
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

bool sylvite::isPartOfPooling(Operation *op) {
  auto conv = dyn_cast<PackedConvOp>(op);
  MaxPoolOp pool = conv ? findComputingPool(conv) : MaxPoolOp();
  if (!pool || pool.getInput() != conv.getResult())
    return false;
  SmallVector<Operation *> choice = choiceOf(pool);
  return llvm::all_of(op->getUsers(), [&](Operation *user) { return user == pool || llvm::is_contained(choice, user); });
}

SmallVector<Operation *> sylvite::mapsBeside(Operation *first, const SmallPtrSetImpl<Operation *> &taken) {
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

SmallVector<Operation *> sylvite::readersOf(Operation *last, Operation *first, const SmallPtrSetImpl<Operation *> &taken) {
  SmallVector<Operation *> maps(last->getUsers());
  Block *block = last->getBlock();
  auto isReader = [&](Operation *op) {
    auto map = dyn_cast<MapOp>(op);
    return map && map->getBlock() == block && map.getType() == last->getResult(0).getType() && !taken.contains(map) &&
           llvm::all_of(map.getOperands(),
                        [&](Value operand) { return operand == last->getResult(0) || isEarlier(operand, first); });
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

SmallVector<Operation *> sylvite::rowsBefore(MapOp map, const SmallPtrSetImpl<Operation *> &taken) {
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
    return op && !members.contains(op) && !isOutsideKernels(op) && op->hasOneUse() && isRowOfMap(operand);
  };
  if (dims.empty() || members.size() > mostOps || llvm::any_of(map->getOperands(), isEpilogueOf))
    return {};
  return SmallVector<Operation *>(llvm::drop_begin(members));
}
