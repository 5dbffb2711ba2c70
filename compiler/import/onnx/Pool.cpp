//===- Pool.cpp - pooling operators ---------------------------------------===//
//
// Rows for pooling over windows and over everything.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/Folding.h"
#include "compiler/import/onnx/Operators.h"
#include "compiler/import/onnx/Windows.h"
#include <cmath>

using namespace llvm;
using namespace mlir;

namespace sylvite::onnx {

/// Spatial dimensions of input 0, or zero after a failure.
static int64_t spatialRank(NodeBuilder &b) {
  Tensor *x = b.input(0);
  if (!x)
    return 0;
  if (x->rank() >= 3 && x->rank() <= 5)
    return x->rank() - 2;
  b.error() << "its input has shape " << b.text(x->shape) << "; supported: one to three spatial dimensions";
  return 0;
}

/// The number of elements of the input, and of its padding if that counts, in each window; a vector per spatial
/// dimension whose product it is. What hangs over the padding never counts.
static Value windowCounts(NodeBuilder &b, Value x, const Window &window, int64_t n, bool includePad, Type type) {
  Value product;
  for (int64_t i = 0; i < n; ++i) {
    int64_t in = b.extent(x, i + 1), reach = (window.size[i] - 1) * window.dilations[i];
    int64_t end = in + (includePad ? window.high[i] - std::max<int64_t>(window.overhang[i], 0) : 0);
    int64_t begin = includePad ? -window.low[i] : 0;
    int64_t out = (in + window.low[i] + window.high[i] - reach - 1) / window.strides[i] + 1;
    std::vector<double> counts;
    for (int64_t o = 0; o < out && !b.failed(); ++o) {
      int64_t count = 0;
      for (int64_t k = 0; k < window.size[i]; ++k) {
        int64_t at = o * window.strides[i] - window.low[i] + k * window.dilations[i];
        count += at >= begin && at < end;
      }
      counts.push_back(std::max<int64_t>(count, 1));
    }
    Dims shape(n + 1 - i, 1); // aligned at the channels
    shape[0] = counts.size();
    if (b.failed() || counts.empty())
      return {};
    Value vector = b.parameter(type, shape, counts);
    product = product ? b.multiply(product, vector) : vector;
  }
  return product;
}

/// The sum over each window, positions outside the input counting as zero.
static Value windowSums(NodeBuilder &b, Value x, const Window &window, int64_t n) {
  Dims low{0}, high{0}, none(n, 0);
  low.append(window.low);
  high.append(window.high);
  low.push_back(0);
  high.push_back(0);
  x = b.pad(x, low, high);
  Value mean = b.make<nn::AvgPoolOp>(x, window.size, window.strides, window.dilations, none, none, false);
  double count = 1;
  for (int64_t size : window.size)
    count *= size;
  return b.map(mean, [&](nn::ScalarBuilder &s, Value e) { return s.mul(e, s.constant(count, e)); });
}

static void averagePool(NodeBuilder &b) {
  int64_t n = spatialRank(b);
  bool includePad = b.flag("count_include_pad", false), ceil = b.flag("ceil_mode", false);
  if (!n)
    return;
  Value x = b.toChannelsLast(b.value(0));
  Window window(b, x, n, {}, ceil, /*border=*/std::nullopt);
  if (b.failed())
    return;
  // What hangs over is no padding: without any, nothing but the input counts.
  includePad &= any_of(seq(n), [&](int64_t i) {
    return window.low[i] || window.high[i] > std::max<int64_t>(window.overhang[i], 0);
  });
  bool simple = true; // no window has less than one element of the input
  for (int64_t i = 0; i < n; ++i)
    simple &= std::max(window.low[i], window.high[i]) <= (window.size[i] - 1) * window.dilations[i] &&
              (window.overhang[i] <= 0 || !includePad);
  if (simple) {
    Value y = b.make<nn::AvgPoolOp>(x, window.size, window.strides, window.dilations, window.low, window.high,
                                    includePad);
    return b.result(b.toChannelsFirst(y));
  }
  Value sums = windowSums(b, x, window, n);
  Value counts = windowCounts(b, x, window, n, includePad, b.type(0u));
  b.result(b.toChannelsFirst(b.divide(sums, counts)));
}

static void maxPool(NodeBuilder &b) {
  int64_t n = spatialRank(b);
  bool ceil = b.flag("ceil_mode", false);
  int64_t order = b.integer("storage_order", 0);
  if (!n)
    return;
  Value x = b.toChannelsLast(b.value(0));
  Type type = b.type(0u);
  auto lowest = [&]() -> double {
    if (!type || isa<FloatType>(type))
      return -INFINITY;
    return type.isUnsignedInteger() || type.isInteger(1) ? 0 : -std::ldexp(1, type.getIntOrFloatBitWidth() - 1);
  };
  Window window(b, x, n, {}, ceil, lowest());
  if (b.failed())
    return;
  // Padding that leaves a window empty, and what hangs over, becomes elements that lose every comparison.
  Dims low{0}, high{0};
  bool expand = b.wants(1);
  for (int64_t i = 0; i < n; ++i)
    expand |= std::max(window.low[i], window.high[i]) > (window.size[i] - 1) * window.dilations[i];
  if (!expand) {
    Value y = b.make<nn::MaxPoolOp>(x, window.size, window.strides, window.dilations, window.low, window.high);
    return b.result(b.toChannelsFirst(y));
  }
  low.append(window.low);
  high.append(window.high);
  low.push_back(0);
  high.push_back(0);
  Value padded = b.pad(x, low, high, lowest());
  Dims none(n, 0);
  Value y = b.make<nn::MaxPoolOp>(padded, window.size, window.strides, window.dilations, none, none);
  b.result(b.toChannelsFirst(y));
  if (!b.wants(1))
    return;
  // The position of the maximum: of each element of the window that equals it, the least position in the input.
  Dims dims = b.extents(b.value(0));
  if (b.failed())
    return;
  Type i64 = IntegerType::get(b.state.context, 64);
  Value best;
  Dims outputs = b.extents(y);
  forEachIndex(window.size, [&](ArrayRef<int64_t> k) {
    Value part = padded, position;
    int64_t stride = order ? 1 : 0;
    for (int64_t i = 0; i < n; ++i)
      part = b.slice(part, i + 1, k[i] * window.dilations[i], outputs[i + 1], window.strides[i]);
    // Row-major over (N, C, spatial...); with storage_order 1 the spatial dimensions are column-major.
    ShapeExpr shape = b.shape(y);
    int64_t spatial = 1;
    for (int64_t i = 0; i < n; ++i)
      spatial *= dims[2 + i];
    for (int64_t i = 0; i < n && !b.failed(); ++i) {
      stride = 1;
      if (order)
        for (int64_t j = 0; j < i; ++j)
          stride *= dims[2 + j];
      else
        for (int64_t j = i + 1; j < n; ++j)
          stride *= dims[2 + j];
      std::vector<double> offsets;
      for (int64_t o = 0; o < outputs[i + 1]; ++o)
        offsets.push_back((o * window.strides[i] - window.low[i] + k[i] * window.dilations[i]) * stride);
      Dims aligned(n + 1 - i, 1);
      aligned[0] = outputs[i + 1];
      Value term = b.parameter(i64, aligned, offsets);
      position = position ? b.add(position, term) : term;
    }
    auto plane = [&](int64_t dim, int64_t step) {
      std::vector<double> offsets;
      for (int64_t o = 0; o < outputs[dim]; ++o)
        offsets.push_back(double(o) * step);
      Dims aligned(n + 2 - dim, 1);
      aligned[0] = outputs[dim];
      return b.parameter(i64, aligned, offsets);
    };
    position = b.add(position, plane(n + 1, spatial));
    position = b.add(position, plane(0, spatial * dims[1]));
    Value candidate = b.map({part, y, position}, i64, [&](OpBuilder &builder, Location at, ValueRange v) {
      ScalarMath s(builder, at, type), index(builder, at, i64);
      return index.select(s.equal(v[0], v[1]), v[2], index.constant(int64_t(INT64_MAX)));
    });
    best = !best ? candidate : b.map({best, candidate}, i64, [&](OpBuilder &builder, Location at, ValueRange v) {
      return ScalarMath(builder, at, i64).minimum(v[0], v[1]);
    });
  });
  b.result(b.toChannelsFirst(best));
}

static void lpPool(NodeBuilder &b) {
  int64_t n = spatialRank(b), p = b.integer("p", 2);
  bool ceil = b.flag("ceil_mode", false);
  if (!n)
    return;
  Value x = b.toChannelsLast(b.value(0));
  Window window(b, x, n, {}, ceil, /*border=*/0);
  Value powers = b.map(x, [&](nn::ScalarBuilder &s, Value e) {
    Value magnitude = p % 2 ? s.abs(e) : e, power = magnitude;
    for (int64_t i = 1; i < std::min<int64_t>(p, 16); ++i)
      power = s.mul(power, magnitude);
    return power;
  });
  if (p < 1 || p > 16)
    b.refuse("p", "1 to 16");
  if (b.failed())
    return;
  Value sums = windowSums(b, powers, window, n);
  b.result(b.toChannelsFirst(b.map(sums, [&](nn::ScalarBuilder &s, Value e) {
    if (p == 1)
      return e;
    return p == 2 ? s.sqrt(e) : s.exp(s.mul(s.constant(1.0 / p, e), s.log(e)));
  })));
}

/// One element per channel.
static void globalPool(NodeBuilder &b, nn::ReduceKind kind) {
  Tensor *x = b.input(0);
  Dims dims;
  for (int64_t i = 2; x && i < x->rank(); ++i)
    dims.push_back(i);
  if (x && x->rank() < 2)
    b.error() << "its input has shape " << b.text(x->shape) << "; supported: (N, C, spatial...)";
  b.result(b.reduce(kind, b.value(0), dims, /*keepDims=*/true));
}
static void globalAveragePool(NodeBuilder &b) { globalPool(b, nn::ReduceKind::Mean); }
static void globalMaxPool(NodeBuilder &b) { globalPool(b, nn::ReduceKind::Max); }
static void globalLpPool(NodeBuilder &b) {
  int64_t p = b.integer("p", 2);
  if (p != 2)
    b.refuse("p", "2");
  globalPool(b, nn::ReduceKind::SumSquare);
  if (b.failed())
    return;
  Tensor *squares = b.results.pop_back_val();
  b.result(b.map(squares, [](nn::ScalarBuilder &s, Value e) { return s.sqrt(e); }));
}

/// Puts elements back to where a max pooling found them.
static void maxUnpool(NodeBuilder &b) {
  Value x = b.value(0), indices = b.value(1);
  int64_t n = spatialRank(b);
  if (!n)
    return;
  Dims size = b.tuple("kernel_shape", n, std::nullopt), strides = b.tuple("strides", n, 1),
       pads = b.tuple("pads", 2 * n, 0, 0), dims = b.extents(x);
  if (b.failed())
    return;
  Dims shape{dims[0], dims[1]};
  for (int64_t i = 0; i < n; ++i)
    shape.push_back((dims[i + 2] - 1) * strides[i] + size[i] - pads[i] - pads[n + i]);
  // Positions count in the tensor that was pooled, of the inferred shape; a larger one that is asked for has zeros after it.
  int64_t total = 1, count = 1;
  for (int64_t extent : dims)
    count *= extent;
  Dims target = shape;
  if (b.has(2))
    target = b.constants(2, "output_shape");
  if (b.failed() || target.size() != shape.size())
    return void(b.error() << "its output_shape has " << target.size() << " elements for an input of rank " << n + 2);
  Dims low(shape.size(), 0), high;
  bool fits = true;
  for (auto [extent, wanted] : zip(shape, target)) {
    high.push_back(wanted - extent);
    fits = fits && extent >= 1 && wanted >= extent && wanted <= INT32_MAX && !__builtin_mul_overflow(total, extent, &total);
  }
  if (!fits || total > INT32_MAX)
    return void(b.error() << "its output_shape is not supported: it has to hold what was pooled");
  Tensor *zeros = b.splat({b.expr(total), b.expr(1)}, b.type(x), numberScalar(0));
  Value y = b.make<nn::ScatterOp>(b.materialize(zeros), b.reshape(indices, ArrayRef<int64_t>{count}),
                                  b.reshape(x, ArrayRef<int64_t>{count, 1}), nn::ScatterKind::Set);
  b.result(b.pad(b.reshape(y, ArrayRef<int64_t>(shape)), low, high));
}

ArrayRef<OperatorRow> poolOperators() {
  static const OperatorRow rows[] = {
      {"AveragePool", 1, kNewest, averagePool},
      {"GlobalAveragePool", 1, kNewest, globalAveragePool},
      {"GlobalLpPool", 2, kNewest, globalLpPool},
      {"GlobalMaxPool", 1, kNewest, globalMaxPool},
      {"LpPool", 2, kNewest, lpPool},
      {"MaxPool", 1, kNewest, maxPool},
      {"MaxUnpool", 9, kNewest, maxUnpool},
  };
  return rows;
}

} // namespace sylvite::onnx
