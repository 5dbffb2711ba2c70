//===- Norm.cpp - normalization operators ---------------------------------===//
//
// Rows for normalization over a batch, a layer, groups of channels or neighbours, and for softmax.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/Operators.h"

using namespace llvm;
using namespace mlir;

namespace sylvite::onnx {

using nn::ReduceKind;
using nn::ScalarBuilder;

static Dims dimsFrom(int64_t first, int64_t rank) {
  Dims dims;
  for (int64_t i = first; i < rank; ++i)
    dims.push_back(i);
  return dims;
}

static void batchNormalization(NodeBuilder &b) {
  double epsilon = b.number("epsilon", 1e-5), momentum = b.number("momentum", 0.9);
  bool training = b.opset >= 14 ? b.flag("training_mode", false) : false;
  b.ignore({"is_test", "consumed_inputs"});
  if (b.opset < 9 && !b.flag("spatial", true))
    b.refuse("spatial", "1");
  Value x = b.value(0), scale = b.value(1), offset = b.value(2), mean = b.value(3), variance = b.value(4);
  if (b.failed())
    return;
  // Statistics of another type than the input's: all are computed with in the input's.
  Type type = b.type(x);
  scale = b.cast(scale, type);
  offset = b.cast(offset, type);
  mean = b.cast(mean, type);
  variance = b.cast(variance, type);
  bool flat = b.rank(x) < 2;
  if (flat)
    return void(b.error() << "its input has shape " << b.text(b.shape(x)) << "; supported: (N, C, spatial...)");
  x = b.toChannelsLast(x);
  if (training) {
    Dims dims = dimsFrom(0, b.rank(x) - 1);
    Value batchMean = b.reduce(ReduceKind::Mean, x, dims, false);
    Value centered = b.subtract(x, batchMean);
    Value batchVariance = b.reduce(ReduceKind::Mean, b.multiply(centered, centered), dims, false);
    auto running = [&](Value old, Value now) {
      return b.map(old, now, [&](ScalarBuilder &s, Value p, Value q) {
        return s.add(s.mul(p, s.constant(momentum, p)), s.mul(q, s.constant(1 - momentum, q)));
      });
    };
    Value newMean = running(mean, batchMean), newVariance = running(variance, batchVariance);
    Value y = b.make<nn::BatchNormOp>(x, scale, offset, batchMean, batchVariance, APFloat(epsilon), FloatAttr());
    b.result(b.toChannelsFirst(y));
    b.result(newMean);
    return b.result(newVariance);
  }
  Value y = b.make<nn::BatchNormOp>(x, scale, offset, mean, variance, APFloat(epsilon), FloatAttr());
  b.result(b.toChannelsFirst(y));
}

Value layerNorm(NodeBuilder &b, Value x, ArrayRef<int64_t> dims, double epsilon) {
  return b.make<nn::LayerNormOp>(x, dims, APFloat(epsilon));
}

static void instanceNormalization(NodeBuilder &b) {
  double epsilon = b.number("epsilon", 1e-5);
  b.ignore({"consumed_inputs"});
  Value x = b.value(0);
  if (b.failed())
    return;
  if (b.rank(x) < 3)
    return void(b.error() << "its input has shape " << b.text(b.shape(x)) << "; supported: (N, C, spatial...)");
  int64_t rank = b.rank(x);
  Value y = layerNorm(b, b.toChannelsLast(x), dimsFrom(1, rank - 1), epsilon);
  b.result(b.toChannelsFirst(b.add(b.multiply(y, b.value(1)), b.value(2))));
}

static void groupNormalization(NodeBuilder &b) {
  double epsilon = b.number("epsilon", 1e-5);
  int64_t groups = b.integer("num_groups", std::nullopt);
  b.ignore({"stash_type"});
  Value x = b.value(0), scale = b.value(1), offset = b.value(2);
  if (b.failed())
    return;
  int64_t rank = b.rank(x), channels = rank < 2 ? 0 : b.extent(x, 1);
  if (groups < 1 || channels % groups || b.failed())
    return b.refuse("num_groups", "a divisor of the " + Twine(channels) + " channels");
  ShapeExpr shape = b.shape(x), split = shape;
  split[1] = b.expr(groups);
  split.insert(split.begin() + 2, b.expr(channels / groups));
  Value y = layerNorm(b, b.reshape(x, ArrayRef<AffineExpr>(split)), dimsFrom(2, rank + 1), epsilon);
  auto perChannel = [&](Value v) { // up to operator set 20, one element per group
    return b.opset < 21 ? b.alignVector(v, 1, rank + 1) : b.alignVector(v, 1, rank);
  };
  if (b.opset < 21)
    y = b.add(b.multiply(y, perChannel(scale)), perChannel(offset));
  y = b.reshape(y, ArrayRef<AffineExpr>(shape));
  if (b.opset >= 21)
    y = b.add(b.multiply(y, perChannel(scale)), perChannel(offset));
  b.result(y);
}

/// What layer normalization computes with: float at least, as stash_type says.
static Type stashType(NodeBuilder &b, Type type) {
  int64_t stash = b.integer("stash_type", 1);
  if (stash != 1)
    b.refuse("stash_type", "1 (float)");
  return type && type.getIntOrFloatBitWidth() < 32 ? Type(Float32Type::get(b.state.context)) : type;
}

namespace {
/// The input of a normalization over its last dimensions.
struct Rows {
  Value full; ///< in the type to compute with
  Type type;  ///< of the input and the result
  Dims dims;
  double epsilon;
};
} // namespace

/// Reads what the normalizations of rows have in common; nothing after a failure.
static std::optional<Rows> readRows(NodeBuilder &b) {
  double epsilon = b.number("epsilon", 1e-5);
  Value x = b.value(0);
  Type type = b.type(0u), wide = stashType(b, type);
  int64_t axis = b.axis("axis", b.rank(0u), -1);
  if (b.failed())
    return std::nullopt;
  return Rows{b.cast(x, wide), type, dimsFrom(axis, b.rank(x)), epsilon};
}

static void layerNormalization(NodeBuilder &b) {
  auto rows = readRows(b);
  if (!rows)
    return;
  auto &[full, type, dims, epsilon] = *rows;
  Value y = b.cast(layerNorm(b, full, dims, epsilon), type);
  y = b.multiply(y, b.value(1));
  if (b.has(2))
    y = b.add(y, b.value(2));
  b.result(y);
  if (!b.wants(1) && !b.wants(2))
    return;
  Value mean = b.reduce(ReduceKind::Mean, full, dims, true), centered = b.subtract(full, mean);
  Value variance = b.reduce(ReduceKind::Mean, b.multiply(centered, centered), dims, true);
  b.result(mean);
  b.result(b.map(variance, [epsilon = rows->epsilon](ScalarBuilder &s, Value v) {
    return s.div(s.constant(1, v), s.sqrt(s.add(v, s.constant(epsilon, v))));
  }));
}

static void rmsNormalization(NodeBuilder &b) {
  auto rows = readRows(b);
  if (!rows)
    return;
  auto &[full, type, dims, epsilon] = *rows;
  Value y = b.make<nn::RMSNormOp>(full, dims, APFloat(epsilon));
  b.result(b.multiply(b.cast(y, type), b.value(1)));
}

static void lpNormalization(NodeBuilder &b) {
  int64_t p = b.integer("p", 2), axis = b.axis("axis", b.rank(0u), -1);
  if (p != 1 && p != 2)
    b.refuse("p", "1, 2");
  Value x = b.value(0);
  Value magnitudes = p == 1 ? b.map(x, [](ScalarBuilder &s, Value e) { return s.abs(e); }) : x;
  Value norm = b.reduce(p == 1 ? ReduceKind::Sum : ReduceKind::SumSquare, magnitudes, {axis}, true);
  b.result(b.map(x, norm, [&](ScalarBuilder &s, Value e, Value n) {
    Value length = p == 1 ? n : s.sqrt(n), zero = s.constant(0, n); // zeros stay zeros
    return s.selectGreater(length, zero, s.div(e, length), zero);
  }));
}

static void meanVarianceNormalization(NodeBuilder &b) {
  Dims axes = b.integers("axes").value_or(Dims{0, 2, 3});
  Value x = b.value(0);
  axes = b.normalizeAxes(axes, b.rank(0u), "its axes");
  if (b.failed())
    return;
  Value centered = b.subtract(x, b.reduce(ReduceKind::Mean, x, axes, true));
  Value variance = b.reduce(ReduceKind::Mean, b.multiply(centered, centered), axes, true);
  b.result(b.map(centered, variance, [](ScalarBuilder &s, Value e, Value v) {
    return s.div(e, s.add(s.sqrt(v), s.constant(1e-9, v)));
  }));
}

/// x / (bias + alpha / size * (sum of the squares of `size` neighbours along the channels))^beta
static void lrn(NodeBuilder &b) {
  double alpha = b.number("alpha", 1e-4), beta = b.number("beta", 0.75), bias = b.number("bias", 1);
  int64_t size = b.integer("size", std::nullopt);
  Value x = b.value(0);
  if (b.failed())
    return;
  int64_t rank = b.rank(x);
  if (rank < 2 || size < 1 || size > INT16_MAX)
    return b.refuse("size", "a positive integer, for an input (N, C, spatial...)");
  Value squares = b.multiply(x, x);
  Dims low(rank, 0), high(rank, 0);
  low[1] = (size - 1) / 2;
  high[1] = size - 1 - low[1];
  Value padded = b.pad(squares, low, high), sum;
  int64_t channels = b.extent(x, 1);
  for (int64_t k = 0; k < size && !b.failed(); ++k) {
    Value part = b.slice(padded, 1, k, channels);
    sum = sum ? b.add(sum, part) : part;
  }
  b.result(b.map(x, sum, [&](ScalarBuilder &s, Value e, Value total) {
    Value base = s.add(s.constant(bias, e), s.mul(s.constant(alpha / size, e), total));
    return s.mul(e, s.exp(s.mul(s.constant(-beta, e), s.log(base))));
  }));
}

//===----------------------------------------------------------------------===//
// Softmax
//===----------------------------------------------------------------------===//

Value softmax(NodeBuilder &b, Value x, int64_t dim) { return b.make<nn::SoftmaxOp>(x, ArrayRef<int64_t>{dim}); }

Value logSoftmax(NodeBuilder &b, Value x, int64_t dim) {
  Value shifted = b.subtract(x, b.reduce(ReduceKind::Max, x, {dim}, true));
  Value exponentials = b.map(shifted, [](ScalarBuilder &s, Value e) { return s.exp(e); });
  return b.map(shifted, b.reduce(ReduceKind::Sum, exponentials, {dim}, true),
               [](ScalarBuilder &s, Value e, Value sum) { return s.sub(e, s.log(sum)); });
}

/// One at the first maximum.
static Value hardmax(NodeBuilder &b, Value x, int64_t dim) {
  if (b.failed())
    return {};
  Type type = b.type(x), i64 = IntegerType::get(b.state.context, 64);
  Value most = b.reduce(ReduceKind::Max, x, {dim}, true), index = b.indices(b.shape(x), dim, i64);
  Value candidates = b.map({x, most, index}, i64, [&](OpBuilder &builder, Location at, ValueRange v) {
    ScalarMath s(builder, at, type), position(builder, at, i64);
    return s.select(s.equal(v[0], v[1]), v[2], position.constant(int64_t(INT32_MAX)));
  });
  Value first = b.reduce(ReduceKind::Min, candidates, {dim}, true);
  Value ones = b.map({index, first}, type, [&](OpBuilder &builder, Location at, ValueRange v) {
    ScalarMath s(builder, at, type), position(builder, at, i64);
    return s.select(position.equal(v[0], v[1]), s.constant(int64_t(1)), s.constant(int64_t(0)));
  });
  return b.broadcast(ones, b.shape(x));
}

/// Along one dimension; up to operator set 12, along all from `axis` on.
template <Value (*function)(NodeBuilder &, Value, int64_t)> static void softmaxLike(NodeBuilder &b) {
  Value x = b.value(0);
  int64_t axis = b.axis("axis", b.rank(0u), b.opset < 13 ? std::min<int64_t>(1, std::max<int64_t>(b.rank(0u) - 1, 0)) : -1);
  if (b.failed())
    return;
  if (b.opset >= 13 || axis == b.rank(x) - 1)
    return b.result(function(b, x, axis));
  ShapeExpr shape = b.shape(x);
  AffineExpr outer = b.expr(1), inner = b.expr(1);
  for (auto [i, dim] : enumerate(shape))
    (int64_t(i) < axis ? outer : inner) = (int64_t(i) < axis ? outer : inner) * dim;
  Value y = function(b, b.reshape(x, ArrayRef<AffineExpr>(ShapeExpr{outer, inner})), 1);
  b.result(b.reshape(y, ArrayRef<AffineExpr>(shape)));
}

ArrayRef<OperatorRow> normOperators() {
  static const OperatorRow rows[] = {
      {"BatchNormalization", 6, kNewest, batchNormalization},
      {"GroupNormalization", 18, kNewest, groupNormalization},
      {"Hardmax", 1, kNewest, softmaxLike<hardmax>},
      {"InstanceNormalization", 6, kNewest, instanceNormalization},
      {"LRN", 1, kNewest, lrn},
      {"LayerNormalization", 17, kNewest, layerNormalization},
      {"LogSoftmax", 1, kNewest, softmaxLike<logSoftmax>},
      {"LpNormalization", 1, kNewest, lpNormalization},
      {"MeanVarianceNormalization", 9, kNewest, meanVarianceNormalization},
      {"RMSNormalization", 23, kNewest, rmsNormalization},
      {"Softmax", 1, kNewest, softmaxLike<softmax>},
  };
  return rows;
}

} // namespace sylvite::onnx
