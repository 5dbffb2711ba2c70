//===- Pooling.cpp - max poolings and what comes before --------------------===//
//
// What a max pooling can do for what comes before it: read the tiles of Winograd's algorithm, compute a convolution of few terms,
// and leave biases and activations for later.
//
//===----------------------------------------------------------------------===//
#include "passes/nn/Pooling.h"
#include "passes/nn/Utils.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace sylvite;
using namespace sylvite::nn;

bool sylvite::tilesImage(nn::MaxPoolOp pool) {
  return pool.getWindow() == pool.getStrides() && areAll(pool.getDilations(), 1) && areAll(pool.getPaddingLow(), 0) &&
         areAll(pool.getPaddingHigh(), 0);
}

nn::WinogradConvOp sylvite::pooledTilesOf(nn::MaxPoolOp pool) {
  Value value = pool.getInput();
  while (auto map = value.getDefiningOp<nn::MapOp>())
    value = map.getNumOperands() ? map.getOperand(0) : Value();
  auto conv = value ? value.getDefiningOp<nn::WinogradConvOp>() : nullptr;
  if (!conv || conv.getType().getShape() != cast<RankedTensorType>(pool.getInput().getType()).getShape())
    return {};
  ArrayRef<int64_t> window = pool.getWindow(), image = conv.getType().getShape().slice(1, 2);
  bool isInTiles = tilesImage(pool) && window[0] == window[1] && conv.getTile() % window[0] == 0 &&
                   llvm::all_of(image, [&](int64_t size) { return !ShapedType::isDynamic(size) && size % window[0] == 0; });
  return isInTiles ? conv : nn::WinogradConvOp();
}

/// Which operand of `map` the result rises with, element by element, where the others are one value for all positions: scalars, or
/// vectors of the channels. None where that is not so.
static std::optional<unsigned> findRisingOperand(MapOp map) {
  std::optional<unsigned> rising;
  for (auto [i, operand] : llvm::enumerate(map.getOperands())) {
    auto type = cast<RankedTensorType>(operand.getType());
    if (type.getRank() == 0 || llvm::all_of(type.getShape().drop_back(), [](int64_t size) { return size == 1; }))
      continue;
    if (rising || type != map.getType())
      return std::nullopt;
    rising = i;
  }
  if (!rising)
    return std::nullopt;
  Block &body = map.getBody().front();
  SmallPtrSet<Value, 8> values{body.getArgument(*rising)};
  for (Operation &op : body.without_terminator()) {
    if (llvm::none_of(op.getOperands(), [&](Value value) { return values.contains(value); }))
      continue;
    bool rises = isa<arith::AddFOp, arith::MaximumFOp, arith::MaxNumFOp, arith::MinimumFOp, arith::MinNumFOp>(op) ||
                 (isa<arith::SubFOp>(op) && !values.contains(op.getOperand(1)));
    if (!rises)
      return std::nullopt;
    values.insert(op.getResult(0));
  }
  return values.contains(body.getTerminator()->getOperand(0)) ? rising : std::nullopt;
}

void sylvite::sinkBelowPool(MaxPoolOp pool) {
  while (auto map = pool.getInput().getDefiningOp<MapOp>()) {
    std::optional<unsigned> rising = map->hasOneUse() ? findRisingOperand(map) : std::nullopt;
    if (!rising)
      return;
    pool.getInputMutable().assign(map.getOperand(*rising));
    map->moveAfter(pool);
    pool.getResult().replaceAllUsesWith(map.getResult());
    map->setOperand(*rising, pool.getResult());
    map.getResult().setType(pool.getType());
  }
}

MaxPoolOp sylvite::findComputingPool(Value conv, int64_t terms) {
  constexpr int64_t mostTerms = 32, mostPositions = 9; // whose sums are in registers, with all terms written out
  ArrayRef<int64_t> shape = cast<RankedTensorType>(conv.getType()).getShape();
  if (terms > mostTerms || shape.size() != 4 || ShapedType::isDynamicShape(shape.drop_front()))
    return {};
  Value value = conv;
  while (value.hasOneUse()) {
    auto map = dyn_cast<MapOp>(*value.user_begin());
    std::optional<unsigned> rising = map ? findRisingOperand(map) : std::nullopt;
    if (!rising || map.getOperand(*rising) != value)
      break;
    value = map.getResult();
  }
  MaxPoolOp pool;
  for (Operation *user : value.getUsers()) {
    auto other = dyn_cast<MaxPoolOp>(user);
    if ((other && pool) || (!other && !isa<MaxPoolIndexOp>(user)))
      return {};
    pool = other ? other : pool;
  }
  bool isPart = pool && pool->getBlock() == conv.getParentBlock() && tilesImage(pool) &&
                ShapedType::getNumElements(pool.getWindow()) <= mostPositions;
  return isPart ? pool : MaxPoolOp();
}

MaxPoolOp sylvite::findComputingPool(PackedConvOp conv) {
  ArrayRef<int64_t> filter = cast<RankedTensorType>(conv.getFilter().getType()).getShape();
  if (conv.getFlatten() || filter[0] != 1 || conv.getFilters() % filter.back() != 0)
    return {};
  return findComputingPool(conv.getResult(), ShapedType::getNumElements(filter.drop_front(2).drop_back()));
}
