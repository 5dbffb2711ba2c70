//===- Windows.h - Keras's padding of sliding windows ---------------------===//
//
// What Conv.cpp and Pool.cpp share: how 'valid', 'same' and 'causal' become numbers.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_COMPILER_IMPORT_KERAS_WINDOWS_H
#define SYLVITE_COMPILER_IMPORT_KERAS_WINDOWS_H

#include "compiler/import/keras/LayerBuilder.h"

namespace sylvite::keras {

struct Padding {
  Dims low, high;
};

/// The padding of a channels-last `x`. 'same' gives ceil(in / stride) results: the padding is as even as
/// can be, with the odd element at the end; with strides it needs static extents.
inline Padding padWindows(LayerBuilder &b, mlir::Value x, llvm::StringRef padding, const Dims &size,
                          const Dims &strides, const Dims &dilations) {
  unsigned n = size.size();
  Padding result{Dims(n, 0), Dims(n, 0)};
  if (b.failed() || padding == "valid")
    return result;
  for (unsigned i = 0; i < n; ++i) {
    int64_t reach = (size[i] - 1) * dilations[i];
    if (padding == "causal") {
      result.low[i] = reach;
      continue;
    }
    int64_t total = reach;
    if (strides[i] > 1) {
      int64_t in = b.extent(x, i + 1), out = (in + strides[i] - 1) / strides[i];
      total = std::max<int64_t>((out - 1) * strides[i] + reach + 1 - in, 0);
    }
    result.low[i] = total / 2;
    result.high[i] = total - total / 2;
  }
  return result;
}

} // namespace sylvite::keras

#endif // SYLVITE_COMPILER_IMPORT_KERAS_WINDOWS_H
