//===- Windows.h - ONNX's attributes of sliding windows -------------------===//
//
// What Conv.cpp and Pool.cpp share: kernel_shape, strides, dilations, pads and auto_pad.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_COMPILER_IMPORT_ONNX_WINDOWS_H
#define SYLVITE_COMPILER_IMPORT_ONNX_WINDOWS_H

#include "compiler/import/SamePadding.h"
#include "compiler/import/onnx/NodeBuilder.h"

namespace sylvite::onnx {

struct Window {
  Dims size, strides, dilations, low, high;

  /// Reads the attributes for a channels-last `x` with `n` spatial dimensions. `size` is the kernel's, spatial
  /// dimensions first, or empty where the attribute gives it. With `ceil`, a last window may begin inside the input
  /// and end outside: the padding grows. Where the padding depends on a free extent, `x` becomes the input with its
  /// padding, of elements `border`; that is reported if there is none.
  Window(NodeBuilder &b, Value &x, int64_t n, llvm::ArrayRef<int64_t> kernel, bool ceil, std::optional<double> border) {
    if (kernel.empty()) {
      size = b.tuple("kernel_shape", n, std::nullopt);
    } else {
      size.assign(kernel.begin(), kernel.begin() + n);
      if (auto given = b.integers("kernel_shape"); given && *given != size)
        b.refuse("kernel_shape", "the filter's");
    }
    strides = b.tuple("strides", n, 1);
    dilations = b.tuple("dilations", n, 1);
    Dims pads = b.tuple("pads", 2 * n, 0, 0);
    llvm::StringRef autoPad = b.choice("auto_pad", {"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"});
    low.assign(n, 0);
    high.assign(n, 0);
    for (int64_t i = 0; i < n && !b.failed(); ++i) {
      int64_t reach = (size[i] - 1) * dilations[i];
      if (autoPad == "NOTSET") {
        low[i] = pads[i];
        high[i] = pads[n + i];
      } else if (autoPad != "VALID") {
        bool lower = autoPad == "SAME_LOWER";
        if (strides[i] > 1 && border && !constantDim(b.shape(x)[i + 1])) {
          padFree(b, x, i, reach, lower, *border);
          continue;
        }
        int64_t total = reach;
        if (strides[i] > 1) {
          int64_t in = b.extent(x, i + 1), out = (in + strides[i] - 1) / strides[i];
          total = std::max<int64_t>((out - 1) * strides[i] + reach + 1 - in, 0);
        }
        low[i] = lower ? total - total / 2 : total / 2;
        high[i] = total - low[i];
      }
      if (ceil && autoPad == "NOTSET") {
        int64_t most = strides[i] - 1;
        // A window that begins in the padding behind is none; where it cannot, rounding up is padding by one step less one.
        if (high[i] + most <= reach && !constantDim(b.shape(x)[i + 1])) {
          overhang.push_back(most);
        } else {
          int64_t in = b.extent(x, i + 1), span = in + low[i] + high[i] - reach - 1;
          int64_t steps = span < 0 ? 0 : (span + strides[i] - 1) / strides[i];
          if (steps * strides[i] >= in + low[i]) // the last window would begin outside
            steps -= 1;
          overhang.push_back(steps * strides[i] - span);
        }
        high[i] += std::max<int64_t>(overhang.back(), 0);
      }
    }
    overhang.resize(n, 0);
  }

  Dims overhang; // how far the last window of a rounded-up count may reach beyond the padding

private:
  /// Pads spatial dimension `i` of `x`, of free size.
  void padFree(NodeBuilder &b, Value &x, int64_t i, int64_t reach, bool lower, double border) {
    AffineExpr extent = b.shape(x)[i + 1];
    auto [least, most, missing] = samePadding(extent, reach, strides[i], lower);
    low[i] = least;
    high[i] = reach - least;
    if (least == most)
      return;
    // Padded with the most that either side may need; what is too much in front is left out.
    Dims before(b.rank(x), 0), behind(b.rank(x), 0);
    before[i + 1] = most;
    behind[i + 1] = reach;
    x = b.take(b.pad(x, before, behind, border), i + 1, missing, extent + reach);
    low[i] = high[i] = 0;
  }
};

/// The product of a convolution with the node's attributes; `x` and `w` in ONNX's layout, the result channels last.
Value convolve(NodeBuilder &b, Value x, Value w);

} // namespace sylvite::onnx

#endif // SYLVITE_COMPILER_IMPORT_ONNX_WINDOWS_H
