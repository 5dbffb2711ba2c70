//===- ReversedWindow.h - windows seen from the input -----------*- C++ -*-===//
//
// What transposed convolution and the gradients of pooling share: a position of the larger side gathers the
// windows that reach it. In one dimension, position x is tap r of the window at (x + padding - r * dilation) /
// stride, if that is a whole number within the smaller side. Without dilation the windows that may reach x are
// neighbours, and there are no more of them than size / stride, rounded up: a loop over those tries no tap in vain.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_PASSES_LOWER_REVERSEDWINDOW_H
#define SYLVITE_PASSES_LOWER_REVERSEDWINDOW_H

#include "passes/lower/Lowering.h"

namespace sylvite {

/// A window over spatial dimensions, for gathering. `pooled` is the smaller side, `(N, spatial..., C)`.
struct ReversedWindow {
  GroupLowering &lowering;
  mlir::Value pooled;
  llvm::ArrayRef<int64_t> size, strides, dilations, paddingLow;

  /// A window that may reach a position, and the tap of it that does: both clamped into their ranges, as bounds inference
  /// cannot know what `reaches` excludes.
  struct Reached {
    llvm::SmallVector<mlir::Value> window, taps;
    mlir::Value reaches; ///< whether the window is one and the tap is in it
  };

  /// The loops over what may reach a position, one per spatial dimension, outermost first.
  llvm::SmallVector<halide::ReductionVariable> loops() const;
  /// Whether one window at most reaches a position: there is nothing to sum.
  bool isSingle() const;
  /// What step `r` of the loops finds at the position `x`, one of each per spatial dimension.
  Reached at(mlir::OpBuilder &b, mlir::Location loc, mlir::ValueRange x, mlir::ValueRange r) const;

private:
  int64_t numSteps(size_t i) const { return dilations[i] == 1 ? llvm::divideCeil(size[i], strides[i]) : size[i]; }
};

/// Names of reduction variables over a window, outermost first: rz, ry, rx.
llvm::SmallVector<llvm::StringRef> windowNames(size_t numSpatial);

} // namespace sylvite

#endif // SYLVITE_PASSES_LOWER_REVERSEDWINDOW_H
