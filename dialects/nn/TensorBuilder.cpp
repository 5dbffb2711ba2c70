//===- TensorBuilder.cpp - making nn ops at one place ----------------------===//
//
// What of the builder is more than a call.
//
//===----------------------------------------------------------------------===//
#include "dialects/nn/TensorBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/SmallVectorExtras.h"

#include <numeric>

using namespace mlir;
using namespace sylvite::nn;

Value TensorBuilder::transposeMatrices(Value x) {
  SmallVector<int64_t> permutation(typeOf(x).getRank());
  std::iota(permutation.begin(), permutation.end(), 0);
  std::swap(permutation.back(), permutation[permutation.size() - 2]);
  return transpose(x, permutation);
}

Value TensorBuilder::map(ValueRange operands,
                         function_ref<Value(ScalarBuilder &, ValueRange)> function) {
  return MapOp::create(*this, operands, [&](OpBuilder &b, Location loc, ValueRange scalars) {
    ScalarBuilder scalar(b, loc);
    return function(scalar, scalars);
  });
}

Value TensorBuilder::select(Value mask, Value x, Value y) {
  return MapOp::create(*this, ValueRange{mask, x, y},
                       [](OpBuilder &b, Location loc, ValueRange v) -> Value {
                         return arith::SelectOp::create(b, loc, v[0], v[1], v[2]);
                       });
}

Value TensorBuilder::reshape(Value x, ArrayRef<int64_t> shape, ArrayRef<int64_t> from) {
  auto type = typeOf(x).clone(shape);
  return type == typeOf(x) ? x : Value(ReshapeOp::create(*this, type, x, from));
}

/// The product of `sizes`, free when one is.
static int64_t product(ArrayRef<int64_t> sizes) {
  return ShapedType::isDynamicShape(sizes) ? ShapedType::kDynamic : ShapedType::getNumElements(sizes);
}

Value TensorBuilder::asMatrix(Value x, int64_t count) {
  ArrayRef<int64_t> shape = typeOf(x).getShape();
  int64_t rank = shape.size();
  return reshape(x, {product(shape.take_front(count)), product(shape.drop_front(count))},
                 {count == 1 ? 0 : -1, rank - count == 1 ? rank - 1 : -1});
}

Value TensorBuilder::reduceAll(ReduceKind kind, Value x) {
  SmallVector<int64_t> all(typeOf(x).getRank());
  std::iota(all.begin(), all.end(), 0);
  return reduce(kind, x, all);
}

SmallVector<int64_t> TensorBuilder::sliceSizes(RankedTensorType type) {
  return llvm::map_to_vector(type.getShape(), [](int64_t size) { return ShapedType::isDynamic(size) ? -1 : size; });
}

Value TensorBuilder::fullLike(double value, Value like) {
  SmallVector<int64_t> from(typeOf(like).getRank());
  std::iota(from.begin(), from.end(), 0);
  return FullOp::create(*this, typeOf(like), APFloat(value), like, from);
}

Value TensorBuilder::broadcastOver(Value x, Value like, ArrayRef<int64_t> dims) {
  SmallVector<int64_t> shape, from;
  int64_t next = 0;
  for (auto [i, size] : llvm::enumerate(typeOf(like).getShape())) {
    bool isReduced = llvm::is_contained(dims, static_cast<int64_t>(i));
    shape.push_back(isReduced ? 1 : size);
    from.push_back(isReduced ? -1 : next++);
  }
  if (typeOf(x).getRank() < typeOf(like).getRank())
    x = reshape(x, shape, from);
  return MapOp::create(*this, ValueRange{x, like},
                       [](OpBuilder &, Location, ValueRange v) { return v[0]; });
}

Value TensorBuilder::sumTo(Value x, RankedTensorType like) {
  RankedTensorType type = typeOf(x);
  if (type.getShape() == like.getShape())
    return x;
  int64_t implied = type.getRank() - like.getRank(), next = 0;
  SmallVector<int64_t> dims, from;
  for (int64_t i = 0; i < type.getRank(); ++i) {
    bool repeats = i < implied || (like.getDimSize(i - implied) == 1 && type.getDimSize(i) != 1);
    if (repeats)
      dims.push_back(i);
    if (i >= implied)
      from.push_back(repeats ? -1 : next);
    next += !repeats;
  }
  return reshape(reduce(ReduceKind::Sum, x, dims), like.getShape(), from);
}

Value TensorBuilder::isZero(Value x) {
  return map(x, [](ScalarBuilder &s, Value e) { return s.equals(e, s.constant(0, e)); });
}

Value TensorBuilder::withoutZeros(Value x) {
  return map(x, [](ScalarBuilder &s, Value e) { return s.add(e, s.equals(e, s.constant(0, e))); });
}

Value TensorBuilder::productOfOthers(Value x, Value zeros, Value product) {
  return map({x, zeros, product}, [](ScalarBuilder &s, ValueRange v) {
    Value isZero = s.equals(v[0], s.constant(0, v[0]));
    Value others = s.sub(v[1], isZero); // the zeros among them
    return s.mul(s.equals(others, s.constant(0, others)), s.div(v[2], s.add(v[0], isZero)));
  });
}

Value TensorBuilder::countElements(Value like, ArrayRef<int64_t> dims) {
  RankedTensorType type = typeOf(like);
  auto scalar = RankedTensorType::get({}, type.getElementType());
  int64_t known = 1;
  Value count;
  for (int64_t dim : dims) {
    if (!type.isDynamicDim(dim)) {
      known *= type.getDimSize(dim);
      continue;
    }
    Value ones = FullOp::create(*this, RankedTensorType::get({ShapedType::kDynamic}, type.getElementType()),
                                APFloat(1.0), like, ArrayRef<int64_t>{dim});
    Value extent = reduce(ReduceKind::Sum, ones, {0});
    count = count ? multiply(count, extent) : extent;
  }
  if (!count)
    return FullOp::create(*this, scalar, APFloat(double(known)), like, ArrayRef<int64_t>());
  return known == 1 ? count : scale(count, known);
}

Value TensorBuilder::turnFilter(Value filter, int64_t groups) {
  SmallVector<int64_t> shape(typeOf(filter).getShape());
  size_t numSpatial = shape.size() - 2;
  SmallVector<int64_t> starts(shape.size(), 0), strides(shape.size(), 1);
  bool turns = false;
  for (size_t i = 0; i < numSpatial; ++i)
    if (shape[i] > 1)
      starts[i] = shape[i] - 1, strides[i] = -1, turns = true;
  if (turns)
    filter = infer<SliceOp>(filter, starts, shape, strides);
  int64_t channels = shape[numSpatial], filters = shape.back() / groups;
  if (groups == 1)
    return transposeMatrices(filter);
  SmallVector<int64_t> split(shape.begin(), shape.end() - 1), order, from(numSpatial + 3, -1);
  split.append({groups, filters});
  filter = reshape(filter, split, from);
  for (size_t i = 0; i < numSpatial; ++i)
    order.push_back(i);
  order.append({int64_t(numSpatial) + 2, int64_t(numSpatial) + 1, int64_t(numSpatial)});
  shape[numSpatial] = filters;
  shape.back() = groups * channels;
  return reshape(transpose(filter, order), shape, SmallVector<int64_t>(shape.size(), -1));
}
