//===- Pool.cpp - pooling layers ------------------------------------------===//
//
// Rows for keras.layers' pooling, all ranks from one function per kind.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/keras/Layers.h"
#include "compiler/import/keras/Windows.h"
#include <cmath>

using namespace llvm;
using namespace mlir;
using namespace sylvite;
using namespace sylvite::keras;

/// Keras's average never counts the padding, as nn.avg_pool.
template <unsigned n, bool average> static void pool(LayerBuilder &b) {
  b.expectRank(b.input(), n + 2);
  bool first = b.channelsFirst();
  Value x = b.toChannelsLast(b.floatInput(), first);
  Dims size = b.tuple("pool_size", n, 2), ones(n, 1);
  Dims strides = b.attribute("strides") ? b.tuple("strides", n, std::nullopt) : size;
  StringRef padding = b.choice("padding", {"valid", "same"});
  Value given = x;
  Padding pad = padWindows(b, x, padding, size, strides, ones, average ? 0 : -INFINITY);
  auto mean = [&](Value padded) {
    return b.make<nn::AvgPoolOp>(padded, size, strides, ones, pad.low, pad.high, /*count_include_pad=*/false);
  };
  Value y = average ? mean(x) : b.make<nn::MaxPoolOp>(x, size, strides, ones, pad.low, pad.high);
  if (average && x != given && !b.failed()) { // zeros of the padding are among the elements
    Value counts = b.map(given, [](nn::ScalarBuilder &s, Value e) { return s.constant(1, e); });
    padWindows(b, counts, padding, size, strides, ones);
    y = b.map(y, mean(counts), [](nn::ScalarBuilder &s, Value e, Value share) { return s.div(e, share); });
  }
  b.result(b.fromChannelsLast(y, first));
}

template <unsigned n, nn::ReduceKind kind> static void globalPool(LayerBuilder &b) {
  Value x = b.floatInput();
  b.expectRank(x, n + 2);
  Dims dims;
  int64_t firstSpatial = b.channelsFirst() ? 2 : 1;
  for (unsigned i = 0; i < n; ++i)
    dims.push_back(firstSpatial + i);
  bool keepDims = b.boolean("keepdims", false);
  Value mask = b.layer.className == "GlobalAveragePooling1D" ? b.maskArgument() : Value();
  if (!mask)
    return b.result(b.make<nn::ReduceOp>(x, kind, dims, keepDims));
  // The mean over the steps that count.
  mask = b.expandDims(mask, firstSpatial == 1 ? 2 : 1);
  auto sum = [&](Value value) { return b.make<nn::ReduceOp>(value, nn::ReduceKind::Sum, dims, keepDims); };
  b.result(b.map(sum(b.select(mask, x, 0)), sum(b.toFloat(mask)),
                 [](nn::ScalarBuilder &s, Value total, Value count) { return s.div(total, count); }));
}

ArrayRef<LayerRow> keras::poolLayers() {
  using Kind = nn::ReduceKind;
  static const LayerRow rows[] = {
      {"AveragePooling1D", pool<1, true>},
      {"AveragePooling2D", pool<2, true>},
      {"AveragePooling3D", pool<3, true>},
      {"GlobalAveragePooling1D", globalPool<1, Kind::Mean>, Masks::Own},
      {"GlobalAveragePooling2D", globalPool<2, Kind::Mean>},
      {"GlobalAveragePooling3D", globalPool<3, Kind::Mean>},
      {"GlobalMaxPooling1D", globalPool<1, Kind::Max>},
      {"GlobalMaxPooling2D", globalPool<2, Kind::Max>},
      {"GlobalMaxPooling3D", globalPool<3, Kind::Max>},
      {"MaxPooling1D", pool<1, false>},
      {"MaxPooling2D", pool<2, false>},
      {"MaxPooling3D", pool<3, false>},
  };
  return rows;
}
