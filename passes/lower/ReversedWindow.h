//===- ReversedWindow.h - windows seen from the input -----------*- C++ -*-===//
//
// What transposed convolution and the gradients of pooling share: a position of the larger side gathers the
// windows that reach it. Tap r of position x belongs to the window at (x + padding - r * dilation) / stride,
// if that is a whole number within the smaller side.
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

  /// Variables over the taps, outermost first.
  llvm::SmallVector<halide::ReductionVariable> taps() const;
  /// The window that tap `r` of position `x` belongs to in spatial dimension `i`, clamped into the range: what
  /// `reaches` excludes is not used, but bounds inference cannot know.
  mlir::Value windowOf(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x, mlir::Value r, size_t i) const;
  /// Whether the taps `r` of the position `x`, one of each per spatial dimension, belong to a window.
  mlir::Value reaches(mlir::OpBuilder &b, mlir::Location loc, mlir::ValueRange x, mlir::ValueRange r) const;

private:
  /// The dividend, which is not negative, and the quotient that was added to make it so.
  std::pair<mlir::Value, int64_t> lifted(IndexBuilder &index, mlir::Value x, mlir::Value r, size_t i) const;
};

/// Names of reduction variables over a window, outermost first: rz, ry, rx.
llvm::SmallVector<llvm::StringRef> windowNames(size_t numSpatial);

} // namespace sylvite

#endif // SYLVITE_PASSES_LOWER_REVERSEDWINDOW_H
