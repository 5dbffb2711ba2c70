//===- SamePadding.h - 'same' padding of a size that is not known ---------===//
//
// What both importers make of windows with strides over a free dimension, of which there are ceil(size / stride): how much
// stands before the input depends on the size.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_COMPILER_IMPORT_SAMEPADDING_H
#define SYLVITE_COMPILER_IMPORT_SAMEPADDING_H

#include "mlir/IR/AffineExpr.h"

namespace sylvite {

/// The elements before the input: from `least` to `most`, which `missing` falls short of.
struct SamePadding {
  int64_t least = 0, most = 0;
  mlir::AffineExpr missing;
};

/// Windows of `reach` + 1 elements want max(reach - r, 0) more than there are, where r = (size - 1) mod stride. Half of them
/// stand before the input, and the odd one too with `lower`: one for each j in 1, 2, ... with r <= reach - 2 j, or
/// reach - 2 j + 1. The sum of both paddings may be `reach`, as no window begins behind.
inline SamePadding samePadding(mlir::AffineExpr size, int64_t reach, int64_t stride, bool lower = false) {
  SamePadding padding{0, (reach + lower) / 2, size * 0};
  mlir::AffineExpr rest = (size - 1) % stride;
  for (int64_t j = 1; j <= padding.most; ++j) {
    int64_t bound = reach - 2 * j + lower;
    if (bound >= stride - 1)
      ++padding.least;
    else
      padding.missing = padding.missing + (rest + (stride - 1 - bound)).floorDiv(stride);
  }
  return padding;
}

} // namespace sylvite

#endif // SYLVITE_COMPILER_IMPORT_SAMEPADDING_H
