//===- MergeProducts.cpp - products of one tensor at one go ----------------===//
//
// An attention layer multiplies one tensor by several constant matrices: the projections to queries, keys and values. They
// are columns of one product, whose rows are then read once, and each attention reads its heads in place. The real and the
// imaginary part of a spectrum are two convolutions of one signal, which a map adds up: as channels of one they leave fewer
// lanes empty. This step of nn-plan-contractions runs before attention is found. Weights that a step of training changes stay
// apart: joining them would copy them in every step.
//
//===----------------------------------------------------------------------===//
#include "passes/nn/PlanContractions.h"
#include "passes/nn/Utils.h"

#include "dialects/nn/TensorBuilder.h"

#include "mlir/IR/IRMapping.h"
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

  int64_t headSize() const { return typeOf(heads).getShape().back(); }
};

/// Whether each element of `value` belongs to a column of its own, of `columns` that are the last dimension of what it is
/// added to, or the last two.
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

/// Replaces `parts` by slices of `joint`, in which they follow each other along dimension `dim`.
void replaceBySlices(ValueRange parts, Value joint, int64_t dim, TensorBuilder &b, IRRewriter &rewriter) {
  SmallVector<int64_t> starts(typeOf(joint).getRank(), 0), ones(starts.size(), 1);
  for (Value part : parts) {
    rewriter.replaceAllUsesWith(part, b.infer<SliceOp>(joint, starts, TensorBuilder::sliceSizes(typeOf(part)), ones));
    starts[dim] += typeOf(part).getDimSize(dim);
  }
}

/// Replaces `projections`, in order, by slices of one.
LogicalResult merge(ArrayRef<Projection> projections, IRRewriter &rewriter) {
  Projection first = projections.front();
  bool isTransposed = first.product.getTransposeRhs();
  SmallVector<Value> weights, biases, heads;
  SmallVector<Location> locations;
  for (Projection projection : projections) {
    weights.push_back(projection.product.getRhs());
    if (projection.bias)
      biases.push_back(projection.bias);
    heads.push_back(projection.heads);
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
  int64_t dim = shape.size() - 2;
  shape[dim] = typeOf(product).getShape().back() / shape.back();
  replaceBySlices(heads, b.reshape(product, shape, first.split.getFrom()), dim, b, rewriter);
  remark::passed(first.product.getLoc(), remark::RemarkOpts::name("Projections").category("contractions"))
      << remark::add("{0} products of one tensor are one", projections.size());
  return success();
}

/// The map of several operands that alone reads what is made of `value`, element by element; null where there is none.
MapOp joiningMap(Value value) {
  Operation *user = value.hasOneUse() ? *value.user_begin() : nullptr;
  if (auto map = dyn_cast_or_null<MapOp>(user); map && map.getNumOperands() > 1)
    return map;
  return isa_and_nonnull<MapOp, ReshapeOp>(user) ? joiningMap(user->getResult(0)) : MapOp();
}

/// Whether both convolutions read the same windows of the same input, for one map.
bool haveSameWindows(ConvOp a, ConvOp b) {
  return a.getInput() == b.getInput() && a->getBlock() == b->getBlock() && joiningMap(a) == joiningMap(b) &&
         a.getStrides() == b.getStrides() && a.getDilations() == b.getDilations() && a.getPaddingLow() == b.getPaddingLow() &&
         a.getPaddingHigh() == b.getPaddingHigh() &&
         typeOf(a.getFilter()).getShape().drop_back() == typeOf(b.getFilter()).getShape().drop_back();
}

/// The estimated cycles of a row of `conv` with so many output channels.
double estimateRow(ConvOp conv, int64_t channels, const Machine &machine) {
  RankedTensorType filter = typeOf(conv.getFilter());
  int64_t row = typeOf(conv.getResult()).getShape().drop_back().back();
  Contraction contraction{channels, ShapedType::isDynamic(row) ? typicalExtent : row,
                          ShapedType::getNumElements(filter.getShape().drop_back()),
                          std::min<int64_t>(machine.lanes(filter.getElementType()), channels), Weights::Packed};
  return estimateCycles(contraction, chooseTile(contraction, machine));
}

/// Replaces `convs`, in order, by slices of one where that is estimated to take less time.
LogicalResult merge(ArrayRef<ConvOp> convs, const Machine &machine, IRRewriter &rewriter) {
  ConvOp first = convs.front();
  int64_t channels = 0;
  double apart = 0;
  SmallVector<Value> filters, results;
  SmallVector<Location> locations;
  for (ConvOp conv : convs) {
    int64_t own = conv.getType().getShape().back();
    apart += estimateRow(conv, own, machine);
    channels += own;
    filters.push_back(conv.getFilter());
    results.push_back(conv.getResult());
    locations.push_back(conv.getLoc());
  }
  if (estimateRow(first, channels, machine) >= apart || failed(moveValueDefinitions(rewriter, filters, first)))
    return failure();
  rewriter.setInsertionPoint(first);
  TensorBuilder b(rewriter.getFusedLoc(locations), rewriter);
  int64_t channelDim = first.getType().getRank() - 1;
  SmallVector<int64_t> shape(first.getType().getShape());
  shape.back() = channels;
  IRMapping mapping;
  mapping.map(first.getFilter(), b.infer<ConcatOp>(filters, channelDim));
  Operation *joint = rewriter.clone(*first, mapping);
  joint->setLoc(b.getLoc());
  joint->getResult(0).setType(first.getType().clone(shape));
  replaceBySlices(results, joint->getResult(0), channelDim, b, rewriter);
  remark::passed(first.getLoc(), remark::RemarkOpts::name("Products").category("contractions"))
      << remark::add("{0} convolutions of one tensor are one", convs.size());
  return success();
}

/// Adds `item` to the set of `sets` whose first one it goes with, or to one of its own.
template <typename Item, typename GoesWith>
void addToSet(SmallVectorImpl<SmallVector<Item>> &sets, Item item, GoesWith goesWith) {
  auto *set = llvm::find_if(sets, [&](ArrayRef<Item> set) { return goesWith(set.front(), item); });
  if (set == sets.end())
    set = &sets.emplace_back();
  set->push_back(item);
}

} // namespace

void sylvite::mergeProducts(func::FuncOp function, const llvm::StringSet<> &updated, const Machine &machine) {
  SmallVector<SmallVector<Projection>> projections;
  SmallVector<SmallVector<ConvOp>> convolutions;
  function.walk([&](Operation *op) {
    if (auto product = dyn_cast<MatmulOp>(op)) {
      if (auto projection = projectionOf(product, updated))
        addToSet(projections, *projection, canJoin);
    } else if (auto conv = dyn_cast<ConvOp>(op)) {
      if (conv.getGroups() == 1 && isConstant(conv.getFilter(), updated) && !dependsOnParametersOnly(conv.getInput()) &&
          joiningMap(conv))
        addToSet(convolutions, conv, haveSameWindows);
    }
  });
  IRRewriter rewriter(function.getContext());
  for (ArrayRef<Projection> set : projections)
    if (set.size() > 1)
      (void)merge(set, rewriter);
  for (ArrayRef<ConvOp> set : convolutions)
    if (set.size() > 1)
      (void)merge(set, machine, rewriter);
}
