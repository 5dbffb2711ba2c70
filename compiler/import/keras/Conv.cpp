//===- Conv.cpp - convolution layers --------------------------------------===//
//
// Rows for keras.layers' convolutions, all ranks from one function per kind.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/keras/Layers.h"
#include "compiler/import/keras/Windows.h"

using namespace llvm;
using namespace mlir;
using namespace sylvite;
using namespace sylvite::keras;

namespace {
/// What every convolution layer has, read and checked.
struct Conv {
  unsigned n; // spatial dimensions
  bool first; // channels_first
  Value x;    // channels last
  int64_t channels;
  Dims size, strides, dilations;
  StringRef padding;

  Conv(LayerBuilder &b, unsigned n, bool causal = false) : n(n) {
    b.expectRank(b.input(), n + 2);
    first = b.channelsFirst();
    x = b.toChannelsLast(b.floatInput(), first);
    channels = b.extent(x, n + 1);
    size = b.tuple("kernel_size", n, std::nullopt);
    strides = b.tuple("strides", n, 1);
    dilations = b.tuple("dilation_rate", n, 1);
    padding = b.choice("padding", causal ? ArrayRef<StringRef>{"valid", "same", "causal"}
                                         : ArrayRef<StringRef>{"valid", "same"});
  }

  Dims filterShape(int64_t inner, int64_t outer) const {
    Dims shape(size);
    shape.append({inner, outer});
    return shape;
  }

  /// Bias, the layer's layout, activation: what follows the convolution itself.
  void finish(LayerBuilder &b, Value y, int64_t filters) const {
    if (b.boolean("use_bias", true))
      y = b.add(y, b.variable("bias", {filters}, "bias_initializer", "zeros"));
    b.result(activate(b, b.fromChannelsLast(y, first)));
  }
};
} // namespace

template <unsigned n> static void conv(LayerBuilder &b) {
  Conv c(b, n, /*causal=*/n == 1);
  int64_t filters = b.integer("filters", std::nullopt), groups = b.integer("groups", 1);
  if (!b.failed() && (c.channels % groups || filters % groups))
    b.refuse("groups", "divisors of the " + Twine(c.channels) + " input channels and the " +
                           Twine(filters) + " filters");
  Value kernel = b.variable("kernel", c.filterShape(c.channels / groups, filters), "kernel_initializer",
                            "glorot_uniform");
  Padding pad = padWindows(b, c.x, c.padding, c.size, c.strides, c.dilations);
  Value y = b.make<nn::ConvOp>(c.x, kernel, c.strides, c.dilations, pad.low, pad.high, groups);
  c.finish(b, y, filters);
}

/// One filter group per channel: Keras's (k..., C, m) is the dialect's (k..., 1, C * m).
static Value depthwise(LayerBuilder &b, Conv &c, StringRef variable) {
  int64_t multiplier = b.integer("depth_multiplier", 1);
  Value kernel = b.variable(variable, c.filterShape(c.channels, multiplier), "depthwise_initializer",
                            "glorot_uniform");
  Dims from;
  for (unsigned i = 0; i < c.n; ++i)
    from.push_back(i);
  from.append({-1, -1});
  kernel = b.reshape(kernel, c.filterShape(1, c.channels * multiplier), from);
  Padding pad = padWindows(b, c.x, c.padding, c.size, c.strides, c.dilations);
  return b.make<nn::ConvOp>(c.x, kernel, c.strides, c.dilations, pad.low, pad.high, c.channels);
}

template <unsigned n> static void depthwiseConv(LayerBuilder &b) {
  Conv c(b, n);
  Value y = depthwise(b, c, "kernel");
  c.finish(b, y, c.channels * b.integer("depth_multiplier", 1));
}

template <unsigned n> static void separableConv(LayerBuilder &b) {
  Conv c(b, n);
  int64_t filters = b.integer("filters", std::nullopt);
  int64_t inner = c.channels * b.integer("depth_multiplier", 1);
  Value y = depthwise(b, c, "depthwise_kernel");
  Dims ones(n, 1), zeros(n, 0), shape(n, 1);
  shape.append({inner, filters});
  Value pointwise = b.variable("pointwise_kernel", shape, "pointwise_initializer", "glorot_uniform");
  y = b.make<nn::ConvOp>(y, pointwise, ones, ones, zeros, zeros, 1);
  c.finish(b, y, filters);
}

/// Keras counts padding from the dilated input (keras/src/backend/common/backend_utils.py), the dialect
/// from the full result: what Keras pads less than a whole kernel is cut off.
template <unsigned n> static void convTranspose(LayerBuilder &b) {
  Conv c(b, n);
  int64_t filters = b.integer("filters", std::nullopt);
  bool given = b.attribute("output_padding");
  Dims outputPadding = b.tuple("output_padding", n, 0, 0), low(n), high(n), extra(n);
  for (unsigned i = 0; i < n; ++i) {
    int64_t stride = c.strides[i], reach = (c.size[i] - 1) * c.dilations[i], window = reach + 1;
    if (given && outputPadding[i] >= stride)
      b.refuse("output_padding", "values below the strides");
    int64_t left, right;
    if (c.padding == "valid") {
      left = reach;
      right = reach + (given ? outputPadding[i] : std::max(window, stride) - window);
    } else {
      int64_t total = given ? window + window % 2 - 2 + outputPadding[i] : stride + window - 2;
      left = std::min(total / 2 + total % 2, reach);
      right = total - left;
    }
    low[i] = reach - left;
    high[i] = std::max<int64_t>(reach - right, 0);
    extra[i] = std::max<int64_t>(right - reach, 0);
  }
  Value kernel = b.variable("kernel", c.filterShape(filters, c.channels), "kernel_initializer",
                            "glorot_uniform");
  Value y = b.make<nn::ConvTransposeOp>(c.x, kernel, c.strides, c.dilations, low, high, extra, 1);
  c.finish(b, y, filters);
}

ArrayRef<LayerRow> keras::convLayers() {
  static const LayerRow rows[] = {
      {"Conv1D", conv<1>},
      {"Conv1DTranspose", convTranspose<1>},
      {"Conv2D", conv<2>},
      {"Conv2DTranspose", convTranspose<2>},
      {"Conv3D", conv<3>},
      {"Conv3DTranspose", convTranspose<3>},
      {"DepthwiseConv1D", depthwiseConv<1>},
      {"DepthwiseConv2D", depthwiseConv<2>},
      {"SeparableConv1D", separableConv<1>},
      {"SeparableConv2D", separableConv<2>},
  };
  return rows;
}
