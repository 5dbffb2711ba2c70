//===- Windows.h - shapes of sliding windows --------------------*- C++ -*-===//
//
// The checks and the extent formula that convolution and pooling share, and checks that families share. Not part of
// the dialect's interface.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_DIALECTS_NN_WINDOWS_H
#define SYLVITE_DIALECTS_NN_WINDOWS_H

#include "dialects/nn/NN.h"

#include "llvm/ADT/SmallVectorExtras.h"

namespace sylvite::nn {

/// A window that slides over spatial dimensions.
struct Window {
  llvm::ArrayRef<int64_t> size, strides, dilations, paddingLow, paddingHigh;
};

/// Checks that `window` has one entry per spatial dimension and sane values (constraint `<op>_c1` or
/// `_c2`, given as `label`).
llvm::LogicalResult verifyWindow(std::optional<mlir::Location> loc, llvm::StringRef label,
                                 const Window &window, size_t numSpatial);

/// `(in + low + high - dilation * (size - 1) - 1) floordiv stride + 1` per spatial dimension; fails
/// with `label` when a constant extent comes out below one.
llvm::FailureOr<ShapeExpr> slideWindow(std::optional<mlir::Location> loc, llvm::StringRef label,
                                       const Window &window, llvm::ArrayRef<mlir::AffineExpr> input);

/// Checks that `dims` are distinct, ascending and below `rank` (constraint `label`).
llvm::LogicalResult verifyDims(std::optional<mlir::Location> loc, llvm::StringRef label, llvm::ArrayRef<int64_t> dims,
                               size_t rank);

/// Checks that the shape of the result of `op` follows from `like` as `from` says (constraints `label`_c1, _c2).
llvm::LogicalResult verifyShapeFrom(mlir::Operation *op, llvm::StringRef label, mlir::Value like,
                                    llvm::ArrayRef<int64_t> from);

/// `constant`'s value, or nothing for a free dimension.
inline std::optional<int64_t> constantDim(mlir::AffineExpr dim) {
  if (auto constant = llvm::dyn_cast<mlir::AffineConstantExpr>(dim))
    return constant.getValue();
  return std::nullopt;
}

/// The sizes of `shape`, -1 for a free one.
inline llvm::SmallVector<int64_t> constantDims(llvm::ArrayRef<mlir::AffineExpr> shape) {
  return llvm::map_to_vector(shape,
                             [](mlir::AffineExpr dim) { return constantDim(dim).value_or(-1); });
}

/// Whether `channels` fill `blocks` of `block`, of which only the last may be filled up.
inline bool fillBlocks(int64_t channels, int64_t blocks, int64_t block) {
  return channels > 0 && channels <= blocks * block && channels > (blocks - 1) * block;
}

} // namespace sylvite::nn

#endif // SYLVITE_DIALECTS_NN_WINDOWS_H
