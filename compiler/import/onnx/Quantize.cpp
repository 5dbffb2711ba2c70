//===- Quantize.cpp - quantized operators ---------------------------------===//
//
// Rows for conversions between numbers and integers, and for products of integers. Products are computed in 32 bits, as
// the operators are defined.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/Folding.h"
#include "compiler/import/onnx/Operators.h"
#include "compiler/import/onnx/Windows.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace llvm;
using namespace mlir;

namespace sylvite::onnx {

static Type int32(NodeBuilder &b) { return IntegerType::get(b.state.context, 32); }
static Type uint8(NodeBuilder &b) { return IntegerType::get(b.state.context, 8, IntegerType::Unsigned); }

/// A scale or zero point, aligned to `x`: of one element, one per element along `axis`, or one per block of them.
static Operand aligned(NodeBuilder &b, unsigned index, Value x, int64_t axis, int64_t block) {
  Tensor *tensor = b.input(index);
  if (!tensor || !x)
    return Value();
  if (tensor->rank() == 0 || (tensor->rank() == 1 && constantDim(tensor->shape[0]) == 1))
    return tensor->rank() == 0 ? Operand(tensor) : Operand(b.reshape(b.materialize(tensor), ArrayRef<int64_t>{}));
  Value v = b.materialize(tensor);
  if (tensor->rank() == 1)
    return b.alignVector(v, axis, b.rank(x));
  if (block < 1 || tensor->rank() != b.rank(x)) {
    b.error() << "its input " << index << " has shape " << b.text(tensor->shape)
              << "; supported: one element, one per element along the axis, or one per block";
    return Value();
  }
  // Each element stands for a block.
  ShapeExpr shape = b.shape(v), wide = shape;
  v = b.unsqueeze(v, axis + 1);
  wide.insert(wide.begin() + axis + 1, b.expr(block));
  v = b.broadcast(v, wide);
  shape[axis] = shape[axis] * block;
  v = b.reshape(v, ArrayRef<AffineExpr>(shape));
  return v ? b.slice(v, axis, 0, b.extent(x, axis)) : v;
}

/// `x`, its scale and its zero point, unless there is none or it is known to be zero; the latter two aligned with `x`: one for
/// all, one per index of `axis`, or one per `block` of them. A refused attribute leaves the node failed.
static SmallVector<Operand> scaledOperands(NodeBuilder &b, Value x, int64_t axis, int64_t block) {
  Tensor *scale = b.input(1);
  bool perAxis = scale->rank() > 0 && constantDim(scale->shape[0]) != 1;
  if (perAxis && (axis < 0 || axis >= b.rank(x))) {
    b.refuse("axis", "a dimension of the input");
    return {};
  }
  SmallVector<Operand> operands{x, aligned(b, 1, x, axis, block)};
  std::optional<Scalars> zero = b.has(2) ? b.constantElements(2) : std::nullopt;
  bool isZero = zero && llvm::all_of(*zero, [](const Scalar &element) { return element.constant() == 0; });
  if (b.has(2) && !isZero)
    operands.push_back(aligned(b, 2, x, axis, block));
  return operands;
}

/// Integers `from`, with their scale and perhaps their zero point, as numbers of `type`.
static Value dequantize(NodeBuilder &b, ArrayRef<Operand> operands, Type from, Type scaleType, Type type) {
  return b.map(operands, type, [&](OpBuilder &builder, Location at, ValueRange v) {
    ScalarMath s(builder, at, scaleType), wide(builder, at, int32(b));
    Value value = castScalar(builder, at, v[0], from, int32(b));
    if (v.size() > 2)
      value = wide.sub(value, castScalar(builder, at, v[2], from, int32(b)));
    value = castScalar(builder, at, value, int32(b), scaleType);
    return castScalar(builder, at, s.mul(value, v[1]), scaleType, type);
  });
}

static void dequantizeLinear(NodeBuilder &b) {
  Value x = b.value(0);
  Tensor *scale = b.input(1);
  if (b.failed())
    return;
  int64_t axis = b.rank(x) > 0 && b.opset >= 13 ? b.integer("axis", 1) : 1, block = b.integer("block_size", 0);
  axis += axis < 0 ? b.rank(x) : 0;
  Type type = b.opset >= 23 ? b.elementType("output_dtype", scale->type) : scale->type, from = b.type(x);
  SmallVector<Operand> operands = scaledOperands(b, x, axis, block);
  if (b.failed())
    return;
  b.result(dequantize(b, operands, from, scale->type, type));
}

/// The range of an integer type.
static std::pair<double, double> rangeOf(Type type) {
  unsigned width = type.getIntOrFloatBitWidth();
  if (type.isUnsignedInteger())
    return {0, double((uint64_t(1) << width) - 1)};
  return {-double(uint64_t(1) << (width - 1)), double((uint64_t(1) << (width - 1)) - 1)};
}

/// round(x) + zero, saturated; all in float.
static Value quantizeScalar(OpBuilder &builder, Location at, Value scaled, Value zero, Type real, Type to) {
  ScalarMath s(builder, at, real);
  auto [low, high] = rangeOf(to);
  Value rounded = math::RoundEvenOp::create(builder, at, scaled);
  if (zero)
    rounded = s.add(rounded, zero);
  rounded = s.minimum(s.maximum(rounded, s.constant(low)), s.constant(high));
  return castScalar(builder, at, rounded, real, to);
}

/// Numbers `from`, with a scale and perhaps a zero point, as integers of `type`.
static Value quantize(NodeBuilder &b, ArrayRef<Operand> operands, Type from, Type scaleType, Type type) {
  Type real = Float32Type::get(b.state.context);
  return b.map(operands, type, [&](OpBuilder &builder, Location at, ValueRange v) {
    ScalarMath s(builder, at, real);
    Value scaled = s.div(castScalar(builder, at, v[0], from, real), castScalar(builder, at, v[1], scaleType, real));
    Value zero = v.size() > 2 ? castScalar(builder, at, v[2], type, real) : Value();
    return quantizeScalar(builder, at, scaled, zero, real, type);
  });
}

static void quantizeLinear(NodeBuilder &b) {
  Value x = b.value(0);
  Tensor *scale = b.input(1);
  if (b.failed())
    return;
  int64_t axis = b.opset >= 13 ? b.integer("axis", 1) : 1, block = b.integer("block_size", 0);
  b.ignore({"saturate", "precision"});
  axis += axis < 0 ? b.rank(x) : 0;
  Type type = b.has(2) ? b.type(2u) : b.opset >= 21 ? b.elementType("output_dtype", uint8(b)) : uint8(b);
  b.ignore({"output_dtype"});
  Type from = b.type(x);
  if (b.failed())
    return;
  if (!isa<IntegerType>(type) || type.getIntOrFloatBitWidth() > 16)
    return void(b.error() << "its result is of an unsupported type; supported: integers of 8 and 16 bits");
  SmallVector<Operand> operands = scaledOperands(b, x, axis, block);
  if (b.failed())
    return;
  b.result(quantize(b, operands, from, scale->type, type));
}

DynamicallyQuantized quantizeDynamically(NodeBuilder &b, Value x) {
  if (b.failed())
    return {};
  Type real = b.type(x);
  Dims all;
  for (int64_t i = 0; i < b.rank(x); ++i)
    all.push_back(i);
  Value most = b.reduce(nn::ReduceKind::Max, x, all, false), least = b.reduce(nn::ReduceKind::Min, x, all, false);
  Value scale = b.map(most, least, [](nn::ScalarBuilder &s, Value high, Value low) {
    Value zero = s.constant(0, high);
    Value range = s.sub(s.maximum(high, zero), s.minimum(low, zero));
    return s.div(range, s.constant(255, high));
  });
  Value zero = b.map({least, scale}, uint8(b), [&](OpBuilder &builder, Location at, ValueRange v) {
    ScalarMath s(builder, at, real);
    Value none = s.constant(int64_t(0));
    Value shift = s.div(s.negate(s.minimum(v[0], none)), v[1]);
    shift = s.select(s.equal(v[1], none), none, shift);
    return quantizeScalar(builder, at, shift, Value(), real, uint8(b));
  });
  Value y = b.map({x, scale, zero}, uint8(b), [&](OpBuilder &builder, Location at, ValueRange v) {
    ScalarMath s(builder, at, real);
    Value scaled = s.select(s.equal(v[1], s.constant(int64_t(0))), s.constant(int64_t(0)), s.div(v[0], v[1]));
    return quantizeScalar(builder, at, scaled, castScalar(builder, at, v[2], uint8(b), real), real, uint8(b));
  });
  return {y, scale, zero};
}

static void dynamicQuantizeLinear(NodeBuilder &b) {
  auto [numbers, scale, zero] = quantizeDynamically(b, b.value(0));
  b.result(numbers);
  b.result(scale);
  b.result(zero);
}

/// Input `index` minus its zero point, in 32 bits. A vector of zero points is aligned to `dim` of `rank`.
static Value withoutZero(NodeBuilder &b, unsigned index, unsigned zeroIndex, int64_t dim, Type wide) {
  Value x = b.value(index);
  if (b.failed())
    return {};
  Type from = b.type(x);
  if (!b.has(zeroIndex))
    return b.cast(x, wide);
  Operand zero = b.input(zeroIndex);
  if (Tensor *tensor = b.input(zeroIndex); tensor && tensor->rank() == 1) {
    if (constantDim(tensor->shape[0]) == 1)
      zero = b.reshape(b.materialize(tensor), ArrayRef<int64_t>{});
    else
      zero = b.alignVector(b.materialize(tensor), dim, b.rank(x));
  }
  return b.map({x, zero}, wide, [&](OpBuilder &builder, Location at, ValueRange v) {
    ScalarMath s(builder, at, wide);
    return s.sub(castScalar(builder, at, v[0], from, wide), castScalar(builder, at, v[1], from, wide));
  });
}

/// `x` with elements of `type`, ui8 or i8: if they are of the other one, they and their zero move by 128.
static QuantizedMatrix asBytes(NodeBuilder &b, QuantizedMatrix x, Type type) {
  if (b.failed() || b.type(x.numbers) == type)
    return x;
  int64_t shift = type.isUnsignedInteger() ? 128 : -128;
  Value numbers = b.map({x.numbers}, type, [&](OpBuilder &builder, Location at, ValueRange v) -> Value {
    return arith::AddIOp::create(builder, at, v[0], arith::ConstantIntOp::create(builder, at, v[0].getType(), shift));
  });
  Value by = b.parameter(int32(b), {}, ArrayRef<double>(double(shift)));
  return {numbers, x.zero ? b.map({x.zero, by}, int32(b), [&](OpBuilder &builder, Location at, ValueRange v) {
            return ScalarMath(builder, at, int32(b)).add(v[0], v[1]);
          }) : by};
}

Value multiplyQuantized(NodeBuilder &b, QuantizedMatrix x, QuantizedMatrix y) {
  Type i32 = int32(b), i8 = IntegerType::get(b.state.context, 8);
  x = asBytes(b, x, uint8(b));
  y = asBytes(b, y, i8);
  if (b.failed())
    return {};
  // (x - p)(y - q) = xy - p (sum of y) - q (sum of x) + K p q, sums over the K terms of a product.
  Value product = b.matmul(x.numbers, y.numbers);
  auto sums = [&](Value numbers, int64_t dim) {
    return b.reduce(nn::ReduceKind::Sum, b.cast(numbers, i32), {dim}, true);
  };
  auto less = [&](Value value, Value zero, Value sum) {
    return b.map({value, zero, sum}, i32, [&](OpBuilder &builder, Location at, ValueRange v) {
      ScalarMath s(builder, at, i32);
      return s.sub(v[0], s.mul(v[1], v[2]));
    });
  };
  if (y.zero)
    product = less(product, y.zero, sums(x.numbers, b.rank(x.numbers) - 1));
  if (x.zero) {
    int64_t inner = b.rank(y.numbers) - 2;
    Value sum = sums(y.numbers, inner);
    if (y.zero)
      sum = less(sum, y.zero, b.size(b.shape(y.numbers)[inner], i32));
    product = less(product, x.zero, sum);
  }
  return product;
}

/// The product of inputs `x` and `y`, less their zero points.
static Value multiplyInputs(NodeBuilder &b, unsigned x, unsigned y, unsigned zeroX, unsigned zeroY) {
  if (b.failed() || !b.input(x) || !b.input(y))
    return {};
  if (b.rank(x) < 2 || b.rank(y) < 2 || b.type(x).getIntOrFloatBitWidth() != 8 || b.type(y).getIntOrFloatBitWidth() != 8)
    return multiplyMatrices(b, withoutZero(b, x, zeroX, std::max<int64_t>(b.rank(x) - 2, 0), int32(b)),
                            withoutZero(b, y, zeroY, std::max<int64_t>(b.rank(y) - 1, 0), int32(b)));
  auto quantized = [&](unsigned index, unsigned zeroIndex, bool isLeft) -> QuantizedMatrix {
    const Scalars *known = b.known(zeroIndex);
    bool isZero = !b.has(zeroIndex) || (known && all_of(*known, [](const Scalar &zero) { return zero.constant() == 0; }));
    if (isZero)
      return {b.value(index), Value()};
    Value zero = b.cast(b.value(zeroIndex), int32(b));
    int64_t rank = b.rank(index);
    if (zero && b.rank(zero) == 1)
      zero = constantDim(b.shape(zero)[0]) == 1 ? b.reshape(zero, ArrayRef<int64_t>{})
                                                : b.alignVector(zero, isLeft ? rank - 2 : rank - 1, rank);
    return {b.value(index), zero};
  };
  return multiplyQuantized(b, quantized(x, zeroX, true), quantized(y, zeroY, false));
}

static void matMulInteger(NodeBuilder &b) { b.result(multiplyInputs(b, 0, 1, 2, 3)); }

/// Convolutions are of numbers: in double, sums of products of bytes are exact.
static Value convolveIntegers(NodeBuilder &b, unsigned x, unsigned w, unsigned zeroX, unsigned zeroW) {
  Type f64 = Float64Type::get(b.state.context);
  return convolve(b, withoutZero(b, x, zeroX, 1, f64), withoutZero(b, w, zeroW, 0, f64));
}

static void convInteger(NodeBuilder &b) {
  b.result(b.toChannelsFirst(b.cast(convolveIntegers(b, 0, 1, 2, 3), int32(b))));
}

/// `sum` of products in units of scaleX * scaleY as a quantized result.
static Value requantize(NodeBuilder &b, Value sum, Operand scaleX, Operand scaleY, Operand scale, Operand zero,
                        Type type) {
  if (b.failed() || !sum)
    return {};
  Type from = b.type(sum), real = Float32Type::get(b.state.context);
  return b.map({sum, scaleX, scaleY, scale, zero}, type, [&](OpBuilder &builder, Location at, ValueRange v) {
    ScalarMath s(builder, at, real);
    auto toReal = [&](Value x) { return castScalar(builder, at, x, x.getType(), real); };
    Value scaled = s.mul(castScalar(builder, at, v[0], from, real), s.div(s.mul(toReal(v[1]), toReal(v[2])), toReal(v[3])));
    return quantizeScalar(builder, at, scaled, castScalar(builder, at, v[4], type, real), real, type);
  });
}

static void qLinearMatMul(NodeBuilder &b) {
  Value sum = multiplyInputs(b, 0, 3, 2, 5);
  if (b.failed())
    return;
  int64_t rank = b.rank(sum);
  b.result(requantize(b, sum, aligned(b, 1, sum, rank - 2, 0), aligned(b, 4, sum, rank - 1, 0), b.input(6), b.input(7),
                      b.type(7u)));
}

static void qLinearConv(NodeBuilder &b) {
  Value sum = convolveIntegers(b, 0, 3, 2, 5);
  if (b.failed())
    return;
  if (b.has(8))
    sum = b.add(sum, b.cast(b.value(8), b.type(sum)));
  int64_t last = b.rank(sum) - 1;
  Value y = requantize(b, sum, aligned(b, 1, sum, last, 0), aligned(b, 4, sum, last, 0), b.input(6), b.input(7),
                       b.type(7u));
  b.result(b.toChannelsFirst(y));
}

//===----------------------------------------------------------------------===//
// ONNX Runtime's operators on quantized numbers: functions of numbers between conversions
//===----------------------------------------------------------------------===//

/// Input `index` as numbers; its scale and its zero point, of one element, are the two inputs after it.
static Value realInput(NodeBuilder &b, unsigned index) {
  Value x = b.value(index);
  Tensor *scale = b.input(index + 1);
  if (b.failed())
    return {};
  SmallVector<Operand> operands{x, aligned(b, index + 1, x, 0, 0)};
  if (b.has(index + 2))
    operands.push_back(aligned(b, index + 2, x, 0, 0));
  return dequantize(b, operands, b.type(x), scale->type, scale->type);
}

/// `y` becomes the result in integers of `type`; inputs `index` and the next are their scale and zero point.
static void quantizedResult(NodeBuilder &b, Value y, unsigned index, Type type) {
  Tensor *scale = b.input(index);
  if (b.failed())
    return;
  SmallVector<Operand> operands{y, aligned(b, index, y, 0, 0)};
  if (b.has(index + 1))
    operands.push_back(aligned(b, index + 1, y, 0, 0));
  b.result(quantize(b, operands, b.type(y), scale->type, type));
}

static void qLinearAdd(NodeBuilder &b) { quantizedResult(b, b.add(realInput(b, 0), realInput(b, 3)), 6, b.type(0u)); }
static void qLinearMul(NodeBuilder &b) { quantizedResult(b, b.multiply(realInput(b, 0), realInput(b, 3)), 6, b.type(0u)); }

static void qLinearSigmoid(NodeBuilder &b) {
  Value y = b.map(realInput(b, 0), [](nn::ScalarBuilder &s, Value x) { return s.sigmoid(x); });
  quantizedResult(b, y, 3, b.type(0u));
}
static void qLinearLeakyRelu(NodeBuilder &b) {
  double alpha = b.number("alpha", 0.01);
  Value y = b.map(realInput(b, 0), [&](nn::ScalarBuilder &s, Value x) { return s.leakyRelu(x, alpha); });
  quantizedResult(b, y, 3, b.type(0u));
}

static void qLinearGlobalAveragePool(NodeBuilder &b) {
  int64_t first = b.flag("channels_last", false) ? 1 : 2, rank = b.rank(0u);
  Dims dims;
  for (int64_t i = first; i < first + rank - 2; ++i)
    dims.push_back(i);
  quantizedResult(b, b.reduce(nn::ReduceKind::Mean, realInput(b, 0), dims, /*keepDims=*/true), 3, b.type(0u));
}

static void qLinearSoftmax(NodeBuilder &b) {
  int64_t axis = b.axis("axis", b.rank(0u), -1);
  if (int64_t opset = b.integer("opset", std::nullopt); !b.failed() && opset < 13 && axis != b.rank(0u) - 1)
    b.refuse("opset", "13 and later, or the last axis");
  quantizedResult(b, softmax(b, realInput(b, 0), axis), 3, b.type(0u));
}

/// The result's scale and zero point come first.
static void qLinearConcat(NodeBuilder &b) {
  int64_t axis = b.axis("axis", b.rank(2u), std::nullopt);
  SmallVector<Value> parts;
  for (unsigned i = 2; i + 1 < b.numInputs(); i += 3)
    parts.push_back(realInput(b, i));
  quantizedResult(b, b.concat(parts, axis), 0, b.type(2u));
}

/// Sums of products in units of `scale`, and input `bias` if it is given.
static void scaledResult(NodeBuilder &b, Value sums, Value scale, unsigned bias) {
  Value y = b.multiply(b.cast(sums, b.state.body.getF32Type()), scale);
  b.result(b.has(bias) ? b.add(y, b.value(bias)) : y);
}

static void matMulIntegerToFloat(NodeBuilder &b) {
  Value sums = multiplyInputs(b, 0, 1, 4, 5);
  scaledResult(b, sums, b.multiply(b.value(2), b.value(3)), 6);
}

static void dynamicQuantizeMatMul(NodeBuilder &b) {
  auto [numbers, scale, zero] = quantizeDynamically(b, b.value(0));
  Value weightZero = b.has(3) ? b.cast(b.value(3), int32(b)) : Value();
  Value sums = multiplyQuantized(b, {numbers, b.cast(zero, int32(b))}, {b.value(1), weightZero});
  scaledResult(b, sums, b.multiply(scale, b.value(2)), 4);
}

ArrayRef<OperatorRow> quantizeOperators() {
  static const OperatorRow rows[] = {
      {"ConvInteger", 10, kNewest, convInteger},
      {"DequantizeLinear", 10, kNewest, dequantizeLinear},
      {"DynamicQuantizeLinear", 11, kNewest, dynamicQuantizeLinear},
      {"MatMulInteger", 10, kNewest, matMulInteger},
      {"QLinearConv", 10, kNewest, qLinearConv},
      {"QLinearMatMul", 10, kNewest, qLinearMatMul},
      {"QuantizeLinear", 10, kNewest, quantizeLinear},
      {"com.microsoft::DynamicQuantizeMatMul", 1, kNewest, dynamicQuantizeMatMul},
      {"com.microsoft::MatMulIntegerToFloat", 1, kNewest, matMulIntegerToFloat},
      {"com.microsoft::QLinearAdd", 1, kNewest, qLinearAdd},
      {"com.microsoft::QLinearConcat", 1, kNewest, qLinearConcat},
      {"com.microsoft::QLinearGlobalAveragePool", 1, kNewest, qLinearGlobalAveragePool},
      {"com.microsoft::QLinearLeakyRelu", 1, kNewest, qLinearLeakyRelu},
      {"com.microsoft::QLinearMul", 1, kNewest, qLinearMul},
      {"com.microsoft::QLinearSigmoid", 1, kNewest, qLinearSigmoid},
      {"com.microsoft::QLinearSoftmax", 1, kNewest, qLinearSoftmax},
  };
  return rows;
}

} // namespace sylvite::onnx
