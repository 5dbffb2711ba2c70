//===- Pool.cpp - pooling --------------------------------------------------===//
//
// Shapes, checks and gradients of nn.max_pool and nn.avg_pool. Global pooling is nn.reduce.
//
//===----------------------------------------------------------------------===//
#include "dialects/nn/TensorBuilder.h"
#include "dialects/nn/Windows.h"

using namespace mlir;
using namespace sylvite::nn;

template <typename Adaptor>
static FailureOr<ShapeExpr> inferPoolShape(Adaptor adaptor, std::optional<Location> loc,
                                           const ShapeExpr &input) {
  Window window{adaptor.getWindow(), adaptor.getStrides(), adaptor.getDilations(),
                adaptor.getPaddingLow(), adaptor.getPaddingHigh()};
  if (input.size() < 3)
    return emitOptionalError(loc, "pool_c1: expected an input (N, spatial..., C)");
  if (failed(verifyWindow(loc, "pool_c1", window, input.size() - 2)))
    return failure();
  for (size_t i = 0; i < window.size.size(); ++i)
    if (std::max(window.paddingLow[i], window.paddingHigh[i]) >
        window.dilations[i] * (window.size[i] - 1))
      return emitOptionalError(loc, "pool_c2: a padding of ",
                               std::max(window.paddingLow[i], window.paddingHigh[i]),
                               " in spatial dimension ", i, " leaves a window of ", window.size[i],
                               " empty");
  auto spatial = slideWindow(loc, "pool_c3", window,
                             ArrayRef<AffineExpr>(input).drop_front().drop_back());
  if (failed(spatial))
    return failure();
  ShapeExpr result{input.front()};
  result.append(*spatial);
  result.push_back(input.back());
  return result;
}

FailureOr<ShapeExpr> MaxPoolOp::inferShape(Adaptor adaptor, std::optional<Location> loc,
                                           ArrayRef<ShapeExpr> shapes) {
  return inferPoolShape(adaptor, loc, shapes[0]);
}

FailureOr<ShapeExpr> AvgPoolOp::inferShape(Adaptor adaptor, std::optional<Location> loc,
                                           ArrayRef<ShapeExpr> shapes) {
  return inferPoolShape(adaptor, loc, shapes[0]);
}

//===----------------------------------------------------------------------===//
// Gradients
//===----------------------------------------------------------------------===//

/// Whether two shapes have no two known sizes in conflict.
static bool agree(ArrayRef<AffineExpr> a, ArrayRef<AffineExpr> b) {
  return a.size() == b.size() && llvm::all_of(llvm::zip(a, b), [](auto pair) {
           auto x = constantDim(std::get<0>(pair)), y = constantDim(std::get<1>(pair));
           return !x || !y || *x == *y;
         });
}

LogicalResult MaxPoolIndexOp::verify() {
  auto shape = inferPoolShape(*this, getLoc(), shapesOfOperands(getInput())[0]);
  if (failed(shape))
    return failure();
  auto maximum = cast<RankedTensorType>(getMaximum().getType());
  if (!agree(*shape, shapesOfOperands(getMaximum())[0]))
    return emitOpError("max_pool_index_c1: ") << maximum << " is not the shape of the pooling";
  if (getType().getShape() != maximum.getShape())
    return emitOpError("max_pool_index_c2: the result is ") << getType() << ", the maxima " << maximum;
  return success();
}
FailureOr<ShapeExpr> MaxPoolIndexOp::resultShape(std::optional<Location>, ArrayRef<ShapeExpr> shapes) {
  return shapes[1];
}

/// What the two gradient ops check: the shape of the gradient and of the result.
template <typename Op> static LogicalResult verifyPoolGradient(Op op, StringRef label, ValueRange pooled) {
  auto shape = inferPoolShape(op, op.getLoc(), shapesOfOperands(op.getLike() ? op.getLike() : op.getResult())[0]);
  if (failed(shape))
    return failure();
  for (Value value : pooled)
    if (!agree(*shape, shapesOfOperands(value)[0]))
      return op.emitOpError(label) << "_c1: " << value.getType() << " is not the shape of the pooling";
  RankedTensorType result = op.getType();
  auto like = op.getLike() ? cast<RankedTensorType>(op.getLike().getType()) : result;
  if (result.getShape() != like.getShape() ||
      result.getElementType() != getElementTypeOrSelf(op.getGradient().getType()))
    return op.emitOpError(label) << "_c2: the result is " << result << ", the input of the pooling " << like;
  if (!op.getLike() && ShapedType::isDynamicShape(result.getShape().drop_front()))
    return op.emitOpError(label) << "_c3: without 'like' the result cannot be " << result;
  return success();
}

LogicalResult MaxPoolGradOp::verify() {
  return verifyPoolGradient(*this, "max_pool_grad", ValueRange{getGradient(), getIndex()});
}
LogicalResult AvgPoolGradOp::verify() {
  return verifyPoolGradient(*this, "avg_pool_grad", getGradient());
}

/// The shape of a pooling's input: that of `like`, the last operand, or the result's with the batch of the gradient.
static ShapeExpr pooledShape(RankedTensorType result, bool hasLike, ArrayRef<ShapeExpr> shapes) {
  if (hasLike)
    return shapes.back();
  ShapeExpr shape{shapes[0][0]};
  for (int64_t size : result.getShape().drop_front())
    shape.push_back(getAffineConstantExpr(size, result.getContext()));
  return shape;
}
FailureOr<ShapeExpr> MaxPoolGradOp::resultShape(std::optional<Location>, ArrayRef<ShapeExpr> shapes) {
  return pooledShape(getType(), bool(getLike()), shapes);
}
FailureOr<ShapeExpr> AvgPoolGradOp::resultShape(std::optional<Location>, ArrayRef<ShapeExpr> shapes) {
  return pooledShape(getType(), bool(getLike()), shapes);
}

/// `input` where the gradient of its pooling cannot do without it: it need not be kept for static sizes.
static Value likeOf(Value input) {
  ArrayRef<int64_t> shape = cast<RankedTensorType>(input.getType()).getShape();
  return ShapedType::isDynamicShape(shape.drop_front()) ? input : Value();
}

FailureOr<SmallVector<Value>> MaxPoolOp::buildGradient(OpBuilder &builder, ValueRange gradients) {
  TensorBuilder b(getLoc(), builder);
  TensorBuilder forward(getLoc(), builder); // the index is kept in place of the input
  forward.setInsertionPointAfter(*this);
  Value index = MaxPoolIndexOp::create(forward, b.typeOf(getResult()).clone(b.getI32Type()), getInput(), getResult(),
                                       getWindow(), getStrides(), getDilations(), getPaddingLow(), getPaddingHigh());
  return SmallVector<Value>{MaxPoolGradOp::create(b, getInput().getType(), gradients[0], index, likeOf(getInput()),
                                                  getWindow(), getStrides(), getDilations(), getPaddingLow(),
                                                  getPaddingHigh())};
}

FailureOr<SmallVector<Value>> AvgPoolOp::buildGradient(OpBuilder &builder, ValueRange gradients) {
  TensorBuilder b(getLoc(), builder);
  return SmallVector<Value>{AvgPoolGradOp::create(b, getInput().getType(), gradients[0], likeOf(getInput()), getWindow(),
                                                  getStrides(), getDilations(), getPaddingLow(), getPaddingHigh(),
                                                  getCountIncludePad())};
}
