//===- ShapeGradient.cpp - gradients of ops that move elements -------------===//
//
// Each gradient moves the elements back; where an element went to several places, their sum.
//
//===----------------------------------------------------------------------===//
#include "dialects/nn/TensorBuilder.h"

#include "mlir/Dialect/Utils/IndexingUtils.h"

#include <numeric>

using namespace mlir;
using namespace sylvite::nn;

/// Sizes as nn.slice takes them: -1 for a free one.
static SmallVector<int64_t> sliceSizes(RankedTensorType type) {
  SmallVector<int64_t> sizes;
  for (int64_t size : type.getShape())
    sizes.push_back(ShapedType::isDynamic(size) ? -1 : size);
  return sizes;
}

FailureOr<SmallVector<Value>> ReshapeOp::buildGradient(OpBuilder &builder, ValueRange gradients) {
  TensorBuilder b(getLoc(), builder);
  RankedTensorType type = b.typeOf(getInput());
  SmallVector<int64_t> from(type.getRank(), -1);
  for (auto [i, source] : llvm::enumerate(getFrom()))
    if (source >= 0)
      from[source] = i;
  int64_t unknown = llvm::count_if(llvm::zip(type.getShape(), from), [](auto pair) {
    return ShapedType::isDynamic(std::get<0>(pair)) && std::get<1>(pair) < 0;
  });
  if (unknown > 1)
    return emitOpError("has no gradient: several free dimensions are joined");
  return SmallVector<Value>{b.reshape(gradients[0], type.getShape(), from)};
}

FailureOr<SmallVector<Value>> TransposeOp::buildGradient(OpBuilder &builder, ValueRange gradients) {
  TensorBuilder b(getLoc(), builder);
  return SmallVector<Value>{b.transpose(gradients[0], invertPermutationVector(getPermutation()))};
}

FailureOr<SmallVector<Value>> SliceOp::buildGradient(OpBuilder &builder, ValueRange gradients) {
  TensorBuilder b(getLoc(), builder);
  RankedTensorType type = b.typeOf(getInput());
  SmallVector<int64_t> high;
  bool isBox = true; // a padding puts it back
  for (auto [i, size] : llvm::enumerate(getSizes())) {
    isBox &= getStrides()[i] == 1 && (size < 0 || !type.isDynamicDim(i));
    high.push_back(size < 0 ? 0 : type.getDimSize(i) - getStarts()[i] - size);
  }
  if (isBox)
    return SmallVector<Value>{PadOp::create(b, gradients[0], getStarts(), high)};
  return SmallVector<Value>{SliceGradOp::create(b, type, gradients[0], getInput(), getStarts(), getStrides())};
}

LogicalResult SliceGradOp::verify() {
  auto like = cast<RankedTensorType>(getLike().getType());
  size_t rank = like.getRank();
  if (getStarts().size() != rank || getStrides().size() != rank ||
      cast<RankedTensorType>(getGradient().getType()).getRank() != like.getRank() ||
      llvm::is_contained(getStrides(), 0))
    return emitOpError("slice_grad_c1: expected ") << rank << " starts and strides, none of those zero";
  if (getType().getShape() != like.getShape() ||
      getType().getElementType() != getElementTypeOrSelf(getGradient().getType()))
    return emitOpError("slice_grad_c2: the result is ") << getType() << ", the sliced tensor " << like;
  return success();
}

FailureOr<ShapeExpr> SliceGradOp::resultShape(std::optional<Location>, ArrayRef<ShapeExpr> shapes) {
  return shapes[1];
}

FailureOr<SmallVector<Value>> ConcatOp::buildGradient(OpBuilder &builder, ValueRange gradients) {
  TensorBuilder b(getLoc(), builder);
  SmallVector<Value> result;
  int64_t dim = getDim(), rank = b.typeOf(getResult()).getRank();
  SmallVector<int64_t> starts(rank, 0), strides(rank, 1);
  for (Value input : getInputs()) {
    RankedTensorType type = b.typeOf(input);
    if (type.isDynamicDim(dim))
      return emitOpError("has no gradient when the joined dimension is free");
    result.push_back(b.infer<SliceOp>(gradients[0], starts, sliceSizes(type), strides));
    starts[dim] += type.getDimSize(dim);
  }
  return result;
}

FailureOr<SmallVector<Value>> PadOp::buildGradient(OpBuilder &builder, ValueRange gradients) {
  TensorBuilder b(getLoc(), builder);
  RankedTensorType type = b.typeOf(getInput());
  if (getMode() != PadMode::Constant)
    return emitOpError("has no gradient in mode ") << stringifyPadMode(getMode()) << "; supported: constant";
  SmallVector<int64_t> sizes = sliceSizes(type), strides(type.getRank(), 1);
  for (int64_t i = 0; i < type.getRank(); ++i)
    if (sizes[i] < 0 && (getLow()[i] || getHigh()[i]))
      return emitOpError("has no gradient when a free dimension is padded");
  return SmallVector<Value>{b.infer<SliceOp>(gradients[0], getLow(), sizes, strides)};
}

/// Only the shape of the operand matters.
FailureOr<SmallVector<Value>> FullOp::buildGradient(OpBuilder &, ValueRange) { return SmallVector<Value>(1); }

FailureOr<SmallVector<Value>> BroadcastOp::buildGradient(OpBuilder &builder, ValueRange gradients) {
  TensorBuilder b(getLoc(), builder);
  return SmallVector<Value>{b.sumTo(gradients[0], b.typeOf(getInput()))};
}

/// `x` as a matrix with its first `count` dimensions as rows.
static Value asMatrix(TensorBuilder &b, Value x, int64_t count) {
  auto product = [](ArrayRef<int64_t> sizes) {
    int64_t product = 1;
    for (int64_t size : sizes)
      product = ShapedType::isDynamic(size) || ShapedType::isDynamic(product) ? ShapedType::kDynamic : product * size;
    return product;
  };
  ArrayRef<int64_t> shape = b.typeOf(x).getShape();
  return b.reshape(x, {product(shape.take_front(count)), product(shape.drop_front(count))}, {-1, -1});
}

FailureOr<SmallVector<Value>> GatherOp::buildGradient(OpBuilder &builder, ValueRange gradients) {
  TensorBuilder b(getLoc(), builder);
  RankedTensorType type = b.typeOf(getData()), indicesType = b.typeOf(getIndices());
  int64_t dim = getDim(), rank = type.getRank(), numIndices = indicesType.getRank();
  if (!type.hasStaticShape())
    return emitOpError("has no gradient when the shape of the data is free");
  // The gathered dimension first, in the data and in the gradient.
  SmallVector<int64_t> order{dim}, back, gradientOrder, shape;
  for (int64_t i = 0; i < rank; ++i)
    if (i != dim)
      order.push_back(i);
  for (int64_t i = 0; i < numIndices; ++i)
    gradientOrder.push_back(dim + i);
  for (int64_t i = 0; i < rank - 1 + numIndices; ++i)
    if (i < dim || i >= dim + numIndices)
      gradientOrder.push_back(i);
  for (int64_t i : order)
    shape.push_back(type.getDimSize(i));
  int64_t columns = type.getNumElements() / type.getDimSize(dim), rows = type.getDimSize(dim);
  Value updates = asMatrix(b, dim ? b.transpose(gradients[0], gradientOrder) : gradients[0], numIndices);
  Value indices = b.reshape(getIndices(), {b.typeOf(updates).getDimSize(0)}, {-1});
  Value zeros = FullOp::create(b, type.clone({rows, columns}), APFloat(0.0), getData(), ArrayRef<int64_t>{-1, -1});
  Value sum = b.infer<ScatterOp>(zeros, indices, updates, ScatterKind::Add);
  sum = b.reshape(sum, shape, SmallVector<int64_t>(rank, -1));
  return SmallVector<Value>{dim ? b.transpose(sum, invertPermutationVector(order)) : sum, Value()};
}

FailureOr<SmallVector<Value>> ScatterOp::buildGradient(OpBuilder &builder, ValueRange gradients) {
  TensorBuilder b(getLoc(), builder);
  if (getKind() != ScatterKind::Add)
    return emitOpError("has no gradient for kind ") << stringifyScatterKind(getKind()) << "; supported: add";
  return SmallVector<Value>{gradients[0], Value(), b.infer<GatherOp>(gradients[0], getIndices(), 0)};
}
