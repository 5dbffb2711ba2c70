//===- MergeProjections.cpp - queries, keys and values at one go -----------===//
//
// An attention layer multiplies one tensor by several constant matrices: the projections to queries, keys and values. They
// are columns of one product, whose rows are then read once, and each attention reads its heads in place. This step of
// nn-plan-contractions runs before attention is found. Weights that a step of training changes stay apart: joining them would
// copy them in every step.
//
//===----------------------------------------------------------------------===//
#include "passes/nn/PlanContractions.h"
#include "passes/nn/Utils.h"

#include "dialects/nn/TensorBuilder.h"

#include "mlir/IR/Dominance.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace sylvite;
using namespace sylvite::nn;

namespace {

/// A product with constant weights, plus a bias or not, whose columns are heads: `heads` is `(..., heads, columns of a head)`.
struct Projection {
  MatmulOp product;
  Value bias; ///< of as many elements as the product has columns; null where there is none
  ReshapeOp split;
  Value heads;

  int64_t countHeads() const { return typeOf(heads).getShape().drop_back().back(); }
  int64_t headSize() const { return typeOf(heads).getShape().back(); }
};

/// Whether each element of `value` belongs to a column of its own, of `columns` that are the last dimension of what it is added to, or
/// the last two.
bool isPerColumn(Value value, int64_t columns) {
  RankedTensorType type = typeOf(value);
  int64_t trailing = 1;
  for (int64_t size : llvm::reverse(type.getShape()))
    if (trailing < columns)
      trailing *= size;
    else if (size != 1)
      return false;
  return type.hasStaticShape() && trailing == columns;
}

/// Whether only products of matrices read `heads`, transposed, each perhaps scaled before.
bool isReadByProducts(Value heads) {
  return llvm::all_of(heads.getUsers(), [](Operation *user) {
    if (auto map = dyn_cast<MapOp>(user); map && map.getNumOperands() == 1 && map->hasOneUse())
      user = *map->user_begin();
    return isa<TransposeOp>(user) && llvm::all_of(user->getUsers(), [](Operation *reader) {
             return isa<MatmulOp, MapOp, TransposeOp>(reader);
           });
  });
}

/// What `product` projects to, if it is one.
std::optional<Projection> projectionOf(MatmulOp product, const llvm::StringSet<> &updated) {
  RankedTensorType weights = typeOf(product.getRhs());
  if (weights.getRank() != 2 || !weights.hasStaticShape() || product.getTransposeLhs() ||
      !isConstant(product.getRhs(), updated) || dependsOnParametersOnly(product.getLhs()))
    return std::nullopt;
  int64_t columns = product.getType().getShape().back();
  Projection projection{product, {}, {}, product.getResult()};
  while (projection.heads.hasOneUse()) {
    Operation *user = *projection.heads.user_begin();
    auto map = dyn_cast<MapOp>(user);
    auto reshape = dyn_cast<ReshapeOp>(user);
    if (user->getBlock() != product->getBlock())
      break;
    if (map && !projection.bias && isSum(map)) {
      Value bias = map.getOperand(map.getOperand(0) == projection.heads);
      if (!isConstant(bias, updated) || !isPerColumn(bias, columns))
        break;
      projection.bias = bias;
    } else if (reshape && !projection.split) {
      auto groups = groupDims(reshape);
      if (!groups || groups->back().source.size() != 1 || groups->back().result.size() != 2 ||
          !llvm::all_of(ArrayRef(*groups).drop_back(), [](const ReshapedDims &dims) {
            return dims.source.size() == 1 && dims.result.size() == 1;
          }))
        break;
      projection.split = reshape;
    } else {
      break;
    }
    projection.heads = user->getResult(0);
  }
  if (!projection.split || !isReadByProducts(projection.heads))
    return std::nullopt;
  return projection;
}

/// Whether the columns of both can be those of one product.
bool canJoin(Projection a, Projection b) {
  return a.product.getLhs() == b.product.getLhs() && a.product->getBlock() == b.product->getBlock() &&
         a.product.getTransposeRhs() == b.product.getTransposeRhs() && !a.bias == !b.bias && a.headSize() == b.headSize() &&
         typeOf(a.product.getRhs()).getElementType() == typeOf(b.product.getRhs()).getElementType();
}

/// Replaces `projections`, in order, by slices of one.
LogicalResult merge(ArrayRef<Projection> projections, IRRewriter &rewriter) {
  Projection first = projections.front();
  bool isTransposed = first.product.getTransposeRhs();
  SmallVector<Value> weights, biases;
  SmallVector<Location> locations;
  for (Projection projection : projections) {
    weights.push_back(projection.product.getRhs());
    if (projection.bias)
      biases.push_back(projection.bias);
    locations.push_back(projection.product.getLoc());
  }
  SmallVector<Value> constants(weights);
  constants.append(biases);
  if (failed(moveValueDefinitions(rewriter, constants, first.product)))
    return failure();
  rewriter.setInsertionPoint(first.product);
  TensorBuilder b(rewriter.getFusedLoc(locations), rewriter);
  Value product = b.matmul(first.product.getLhs(), b.infer<ConcatOp>(weights, isTransposed ? 0 : 1), false, isTransposed);
  if (!biases.empty()) {
    for (Value &bias : biases)
      bias = b.reshape(bias, {typeOf(bias).getNumElements()}, {-1});
    product = b.add(product, b.infer<ConcatOp>(biases, 0));
  }
  SmallVector<int64_t> shape(first.split.getType().getShape());
  int64_t dim = shape.size() - 2, start = 0;
  shape[dim] = typeOf(product).getShape().back() / shape.back();
  Value joint = b.reshape(product, shape, first.split.getFrom());
  for (Projection projection : projections) {
    RankedTensorType type = typeOf(projection.heads);
    SmallVector<int64_t> starts(shape.size(), 0), ones(shape.size(), 1);
    starts[dim] = start;
    start += projection.countHeads();
    Value heads = b.infer<SliceOp>(joint, starts, TensorBuilder::sliceSizes(type), ones);
    rewriter.replaceAllUsesWith(projection.heads, heads);
  }
  remark::passed(first.product.getLoc(), remark::RemarkOpts::name("Projections").category("contractions"))
      << remark::add("{0} products of one tensor are one", projections.size());
  return success();
}

} // namespace

void sylvite::mergeProjections(func::FuncOp function, const llvm::StringSet<> &updated) {
  SmallVector<SmallVector<Projection>> sets;
  function.walk([&](MatmulOp product) {
    auto projection = projectionOf(product, updated);
    if (!projection)
      return;
    auto *set = llvm::find_if(sets, [&](ArrayRef<Projection> set) { return canJoin(set.front(), *projection); });
    if (set == sets.end())
      set = &sets.emplace_back();
    set->push_back(*projection);
  });
  IRRewriter rewriter(function.getContext());
  for (ArrayRef<Projection> set : sets)
    if (set.size() > 1)
      (void)merge(set, rewriter);
}
