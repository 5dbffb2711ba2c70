//===- Conv.cpp - convolution operators -----------------------------------===//
//
// Rows for convolutions of any rank from one to three. ONNX's layouts, (N, C, spatial...) and (O, C / groups,
// spatial...), become the dialect's by transposes, which cancel between layers.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/Operators.h"
#include "compiler/import/onnx/Windows.h"

using namespace llvm;
using namespace mlir;

namespace sylvite::onnx {

/// (O, C / groups, spatial...) to (spatial..., C / groups, O).
static Value filterChannelsLast(NodeBuilder &b, Value w) {
  if (!w)
    return {};
  Dims permutation;
  for (int64_t i = 2; i < b.rank(w); ++i)
    permutation.push_back(i);
  permutation.append({1, 0});
  return b.transpose(w, permutation);
}

/// Adds input `index`, one element per channel, if it is given; back to (N, C, spatial...).
static Value finish(NodeBuilder &b, Value y, unsigned index) {
  if (b.has(index))
    y = b.add(y, b.value(index));
  return b.toChannelsFirst(y);
}

/// Checks input and filter of a convolution and gives the number of spatial dimensions, zero after a failure.
static int64_t spatialRank(NodeBuilder &b, Value x, Value w) {
  if (b.failed())
    return 0;
  int64_t n = b.rank(x) - 2;
  if (n < 1 || n > 3 || b.rank(w) != n + 2) {
    b.error() << "its input and filter have shapes " << b.text(b.shape(x)) << " and " << b.text(b.shape(w))
              << "; supported: one to three spatial dimensions and as many in both";
    return 0;
  }
  if (!isa<FloatType>(b.type(x)) || b.type(x) != b.type(w)) {
    b.error() << "its input and filter have different types; supported: one floating-point type";
    return 0;
  }
  return n;
}

Value convolve(NodeBuilder &b, Value x, Value w) {
  int64_t n = spatialRank(b, x, w);
  if (!n)
    return {};
  x = b.toChannelsLast(x);
  w = filterChannelsLast(b, w);
  Window window(b, x, n, b.extents(w), /*ceil=*/false, /*border=*/0);
  int64_t groups = b.integer("group", 1), channels = b.extent(x, n + 1);
  if (!b.failed() && (groups < 1 || channels % groups))
    b.refuse("group", "a divisor of the " + Twine(channels) + " input channels");
  return b.make<nn::ConvOp>(x, w, window.strides, window.dilations, window.low, window.high, groups);
}

static void conv(NodeBuilder &b) { b.result(finish(b, convolve(b, b.value(0), b.value(1)), 2)); }

/// The filter of ONNX is (C, O / groups, spatial...), of the dialect (spatial..., O / groups, C).
static void convTranspose(NodeBuilder &b) {
  Value x = b.value(0), w = b.value(1);
  int64_t n = spatialRank(b, x, w);
  if (!n)
    return;
  x = b.toChannelsLast(x);
  w = filterChannelsLast(b, w);
  if (b.failed())
    return;
  Dims kernel(ArrayRef<int64_t>(b.extents(w)).take_front(n));
  if (auto given = b.integers("kernel_shape"); given && *given != kernel)
    b.refuse("kernel_shape", "the filter's");
  Dims strides = b.tuple("strides", n, 1), dilations = b.tuple("dilations", n, 1),
       extra = b.tuple("output_padding", n, 0, 0), low(n, 0), high(n, 0);
  StringRef autoPad = b.choice("auto_pad", {"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"});
  std::optional<Dims> outputShape = b.integers("output_shape");
  auto pads = b.integers("pads");
  int64_t groups = b.integer("group", 1);
  if (pads && pads->size() != size_t(2 * n))
    b.refuse("pads", Twine(2 * n) + " integers");
  if (outputShape && outputShape->size() == size_t(n + 2))
    outputShape->erase(outputShape->begin(), outputShape->begin() + 2);
  if (outputShape && outputShape->size() != size_t(n))
    b.refuse("output_shape", Twine(n) + " integers");
  if (b.failed())
    return;
  for (int64_t i = 0; i < n; ++i) {
    if (!outputShape && autoPad == "NOTSET") {
      low[i] = pads ? (*pads)[i] : 0;
      high[i] = pads ? (*pads)[n + i] : 0;
      continue;
    }
    if (autoPad == "VALID" && !outputShape)
      continue;
    // What the kernel adds to the input, of `stride` elements for each, beyond the result.
    int64_t total = (kernel[i] - 1) * dilations[i] + 1 + extra[i] - strides[i];
    if (outputShape)
      total += b.extent(x, i + 1) * strides[i] - (*outputShape)[i];
    if (total < 0) { // more is asked for than there is: zeros at the end
      extra[i] -= total;
      total = 0;
    }
    low[i] = autoPad == "SAME_UPPER" ? total / 2 : total - total / 2;
    high[i] = total - low[i];
  }
  // With groups, each has its part of the channels; the dialect's filter has the same order.
  Value y = b.make<nn::ConvTransposeOp>(x, w, strides, dilations, low, high, extra, groups);
  b.result(finish(b, y, 2));
}

ArrayRef<OperatorRow> convOperators() {
  static const OperatorRow rows[] = {
      {"Conv", 1, kNewest, conv},
      {"ConvTranspose", 1, kNewest, convTranspose},
  };
  return rows;
}

} // namespace sylvite::onnx
