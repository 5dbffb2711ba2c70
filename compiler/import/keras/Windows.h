//===- Windows.h - Keras's padding of sliding windows ---------------------===//
//
// What Conv.cpp and Pool.cpp share: how 'valid', 'same' and 'causal' become numbers.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_COMPILER_IMPORT_KERAS_WINDOWS_H
#define SYLVITE_COMPILER_IMPORT_KERAS_WINDOWS_H

#include "compiler/import/SamePadding.h"
#include "compiler/import/keras/LayerBuilder.h"

namespace sylvite::keras {

struct Padding {
  Dims low, high;
};

/// The padding of a channels-last `x`. 'same' gives ceil(in / stride) results: the padding is as even as
/// can be, with the odd element at the end. With strides it depends on the extent: where that is free, `x` becomes
/// the input with its padding, of elements `border`.
inline Padding padWindows(LayerBuilder &b, mlir::Value &x, llvm::StringRef padding, const Dims &size,
                          const Dims &strides, const Dims &dilations, double border = 0) {
  unsigned n = size.size();
  Padding result{Dims(n, 0), Dims(n, 0)};
  if (b.failed() || padding == "valid")
    return result;
  for (unsigned i = 0; i < n && x; ++i) {
    int64_t reach = (size[i] - 1) * dilations[i], stride = strides[i], in = shapeOf(x)[i + 1];
    if (padding == "causal") {
      result.low[i] = reach;
      continue;
    }
    int64_t total = reach;
    if (stride > 1 && !mlir::ShapedType::isDynamic(in))
      total = std::max<int64_t>(((in + stride - 1) / stride - 1) * stride + reach + 1 - in, 0);
    result.low[i] = total / 2;
    result.high[i] = total - total / 2;
    if (stride == 1 || !mlir::ShapedType::isDynamic(in))
      continue;
    mlir::AffineExpr length = mlir::getAffineSymbolExpr(i + 1, b.builder.getContext()) - (reach + reach / 2);
    auto [least, most, missing] = samePadding(length, reach, stride);
    result.low[i] = least;
    result.high[i] = reach - least;
    if (least == most)
      continue;
    // Padded with the most that either side may need; what is too much in front is left out.
    Dims low(rankOf(x), 0), high(rankOf(x), 0);
    low[i + 1] = most;
    high[i + 1] = reach;
    x = b.make<nn::PadOp>(x, low, high, llvm::APFloat(border), nn::PadMode::Constant);
    x = b.take(x, i + 1, missing, length + reach);
    result.low[i] = result.high[i] = 0;
  }
  return result;
}

} // namespace sylvite::keras

#endif // SYLVITE_COMPILER_IMPORT_KERAS_WINDOWS_H
