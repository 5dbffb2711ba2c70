//===- ShapeGradient.cpp - gradients of ops that move elements -------------===//
//
// Each gradient moves the elements back; where an element went to several places, their sum.
//
//===----------------------------------------------------------------------===//
#include "dialects/nn/TensorBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"

#include <numeric>

using namespace mlir;
using namespace sylvite::nn;

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
    result.push_back(b.infer<SliceOp>(gradients[0], starts, b.sliceSizes(type), strides));
    starts[dim] += type.getDimSize(dim);
  }
  return result;
}

/// `size` elements of `x` along `dim`, from `start` on or, `reversed`, down to it.
static Value sliceAlong(TensorBuilder &b, Value x, int64_t dim, int64_t start, int64_t size, bool reversed = false) {
  int64_t rank = b.typeOf(x).getRank();
  SmallVector<int64_t> starts(rank, 0), sizes = b.sliceSizes(b.typeOf(x)), strides(rank, 1);
  starts[dim] = reversed ? start + size - 1 : start;
  sizes[dim] = size;
  strides[dim] = reversed ? -1 : 1;
  return b.infer<SliceOp>(x, starts, sizes, strides);
}

/// The gradient of a padding along `dim`, of `extent` elements, that copies elements of the tensor: they get those of
/// the border too.
static Value gradientOfBorder(TensorBuilder &b, Value g, PadMode mode, int64_t dim, int64_t extent, int64_t low,
                              int64_t high) {
  Value sum = sliceAlong(b, g, dim, low, extent);
  /// Adds `size` elements of the border, from `start` on, to those from `target` on.
  auto give = [&](int64_t start, int64_t size, int64_t target) {
    if (size == 0)
      return;
    Value border = sliceAlong(b, g, dim, start, size, mode == PadMode::Reflect);
    if (mode == PadMode::Edge) { // all are copies of one
      border = b.reduce(ReduceKind::Sum, border, {dim}, /*keepDims=*/true);
      size = 1;
    }
    SmallVector<int64_t> before(b.typeOf(g).getRank(), 0), after(before);
    before[dim] = target;
    after[dim] = extent - target - size;
    sum = b.add(sum, PadOp::create(b, border, before, after));
  };
  bool wraps = mode == PadMode::Wrap, reflects = mode == PadMode::Reflect;
  give(0, low, wraps ? extent - low : reflects ? 1 : 0);
  give(low + extent, high, wraps ? 0 : reflects ? extent - 1 - high : extent - 1);
  return sum;
}

FailureOr<SmallVector<Value>> PadOp::buildGradient(OpBuilder &builder, ValueRange gradients) {
  TensorBuilder b(getLoc(), builder);
  RankedTensorType type = b.typeOf(getInput());
  bool isConstant = getMode() == PadMode::Constant;
  for (int64_t i = 0; i < type.getRank(); ++i)
    if (type.isDynamicDim(i) && (getHigh()[i] || (getLow()[i] && !isConstant)))
      return emitOpError("has no gradient when a free dimension is padded at its end, or with its elements");
  if (isConstant)
    return SmallVector<Value>{
        b.infer<SliceOp>(gradients[0], getLow(), b.sliceSizes(type), SmallVector<int64_t>(type.getRank(), 1))};
  Value g = gradients[0];
  for (int64_t i = 0; i < type.getRank(); ++i)
    if (getLow()[i] || getHigh()[i])
      g = gradientOfBorder(b, g, getMode(), i, type.getDimSize(i), getLow()[i], getHigh()[i]);
  return SmallVector<Value>{g};
}

/// The matrix by which `resize` multiplies a column of spatial dimension `dim`, transposed: what it makes of each unit
/// vector.
static Value resizeMatrix(TensorBuilder &b, ResizeOp resize, size_t dim) {
  RankedTensorType type = b.typeOf(resize.getInput());
  int64_t extent = type.getDimSize(dim + 1), size = b.typeOf(resize).getDimSize(dim + 1);
  auto square = RankedTensorType::get({extent, extent}, type.getElementType());
  Value zeros = FullOp::create(b, square, APFloat(0.0), resize.getInput(), ArrayRef<int64_t>{-1, -1});
  auto index = [&](int64_t along) { return IotaOp::create(b, square.clone(b.getI64Type()), zeros, along); };
  Value unit = MapOp::create(b, ValueRange{index(0), index(1)}, [&](OpBuilder &builder, Location loc, ValueRange v) -> Value {
    Value same = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, v[0], v[1]);
    return arith::UIToFPOp::create(builder, loc, type.getElementType(), same);
  });
  unit = b.reshape(unit, {extent, extent, 1}, {-1, -1, -1});
  Value made = b.infer<ResizeOp>(unit, ArrayRef<int64_t>{size}, resize.getMode(), resize.getCoordinates());
  return b.reshape(made, {extent, size}, {-1, -1});
}

FailureOr<SmallVector<Value>> ResizeOp::buildGradient(OpBuilder &builder, ValueRange gradients) {
  TensorBuilder b(getLoc(), builder);
  RankedTensorType type = b.typeOf(getInput());
  int64_t numSpatial = getSizes().size(), area = 1;
  // Repeated elements: the sum over their copies.
  SmallVector<int64_t> factors;
  for (auto [i, size] : llvm::enumerate(getSizes()))
    if (size < 0 || (!type.isDynamicDim(i + 1) && size % type.getDimSize(i + 1) == 0))
      factors.push_back(size < 0 ? -size : size / type.getDimSize(i + 1));
  if (getMode() == ResizeMode::Nearest && getCoordinates() != Coordinates::AlignCorners &&
      static_cast<int64_t>(factors.size()) == numSpatial) {
    SmallVector<int64_t> ones(numSpatial, 1), zeros(numSpatial, 0);
    for (int64_t factor : factors)
      area *= factor;
    Value mean = b.infer<AvgPoolOp>(gradients[0], factors, factors, ones, zeros, zeros, /*count_include_pad=*/false);
    return SmallVector<Value>{b.scale(mean, area)};
  }
  // One product per dimension.
  SmallVector<int64_t> shape(b.typeOf(getResult()).getShape());
  Value g = gradients[0];
  for (int64_t i = 1; i <= numSpatial; ++i) {
    if (type.isDynamicDim(i))
      return emitOpError("has no gradient when a free spatial dimension is not repeated");
    if (shape[i] == type.getDimSize(i) && getMode() != ResizeMode::Nearest)
      continue; // every position is one of the input's
    int64_t before = 1, after = 1;
    for (int64_t d = 0; d < i; ++d)
      before = ShapedType::isDynamic(shape[d]) || ShapedType::isDynamic(before) ? ShapedType::kDynamic : before * shape[d];
    for (size_t d = i + 1; d < shape.size(); ++d)
      after *= shape[d];
    Value columns = b.reshape(g, {before, shape[i], after}, {-1, -1, -1});
    shape[i] = type.getDimSize(i);
    SmallVector<int64_t> from(shape.size(), -1);
    g = b.reshape(b.matmul(resizeMatrix(b, *this, i - 1), columns), shape, from);
  }
  return SmallVector<Value>{g};
}

FailureOr<SmallVector<Value>> BroadcastOp::buildGradient(OpBuilder &builder, ValueRange gradients) {
  TensorBuilder b(getLoc(), builder);
  return SmallVector<Value>{b.sumTo(gradients[0], b.typeOf(getInput()))};
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
  Value updates = b.asMatrix(dim ? b.transpose(gradients[0], gradientOrder) : gradients[0], numIndices);
  Value indices = b.reshape(getIndices(), {b.typeOf(updates).getDimSize(0)}, {-1});
  Value zeros = FullOp::create(b, type.clone({rows, columns}), APFloat(0.0), getData(), ArrayRef<int64_t>{-1, -1});
  Value sum = b.infer<ScatterOp>(zeros, indices, updates, ScatterKind::Add);
  sum = b.reshape(sum, shape, SmallVector<int64_t>(rank, -1));
  return SmallVector<Value>{dim ? b.transpose(sum, invertPermutationVector(order)) : sum, Value()};
}

FailureOr<SmallVector<Value>> ScatterOp::buildGradient(OpBuilder &builder, ValueRange gradients) {
  TensorBuilder b(getLoc(), builder);
  Value g = gradients[0], data = getData(), indices = getIndices(), updates = getUpdates();
  auto gather = [&](Value x) { return b.infer<GatherOp>(x, indices, 0); };
  auto scatter = [&](ScatterKind kind, Value x, Value values) { return b.infer<ScatterOp>(x, indices, values, kind); };
  switch (getKind()) {
  case ScatterKind::Add:
    return SmallVector<Value>{g, Value(), gather(g)};
  case ScatterKind::Set: { // the last update of a row is it
    auto number = [](Value x) { return TensorBuilder::typeOf(x).clone(IntegerType::get(x.getContext(), 64)); };
    Value position = IotaOp::create(b, number(updates), updates, 0);
    SmallVector<int64_t> from{b.typeOf(data).isDynamicDim(0) ? 0 : -1, b.typeOf(data).isDynamicDim(1) ? 1 : -1};
    Value last = gather(scatter(ScatterKind::Set, FullOp::create(b, number(data), APFloat(0.0), data, from), position));
    Value share = MapOp::create(b, ValueRange{gather(g), position, last}, [](OpBuilder &builder, Location loc, ValueRange v) {
      ScalarBuilder s(builder, loc);
      Value isLast = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, v[1], v[2]);
      return s.select(isLast, v[0], s.constant(0, v[0]));
    });
    return SmallVector<Value>{scatter(ScatterKind::Set, g, b.fullLike(0, updates)), Value(), share};
  }
  case ScatterKind::Max:
  case ScatterKind::Min: { // those that are it share the gradient
    Value isData = b.map(data, getResult(), &ScalarBuilder::equals);
    Value isUpdate = b.map(updates, gather(getResult()), &ScalarBuilder::equals);
    Value share = b.map(g, scatter(ScatterKind::Add, isData, isUpdate), &ScalarBuilder::div);
    return SmallVector<Value>{b.multiply(isData, share), Value(), b.multiply(isUpdate, gather(share))};
  }
  case ScatterKind::Mul: {
    Value zeros = scatter(ScatterKind::Add, b.isZero(data), b.isZero(updates));
    Value product = scatter(ScatterKind::Mul, b.withoutZeros(data), b.withoutZeros(updates));
    return SmallVector<Value>{b.multiply(b.productOfOthers(data, zeros, product), g), Value(),
                              b.multiply(b.productOfOthers(updates, gather(zeros), gather(product)), gather(g))};
  }
  }
  llvm_unreachable("a kind of scatter");
}
