//===- PlanContractions.h - what its patterns share -------------*- C++ -*-===//
//
// The patterns that choose how contractions are computed know the machine, and bring weights into the order in
// which kernels stream them.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_PASSES_NN_PLANCONTRACTIONS_H
#define SYLVITE_PASSES_NN_PLANCONTRACTIONS_H

#include "passes/nn/Utils.h"
#include "passes/schedule/CostModel.h"

namespace sylvite {

/// From one element of the last dimension but one to the next; zero where the size is free.
inline int64_t bytesOfRow(mlir::RankedTensorType type) {
  int64_t elements = type.getShape().back();
  return mlir::ShapedType::isDynamic(elements) ? 0 : elements * type.getElementTypeBitWidth() / 8;
}

/// `value` under the static shape `shape`.
mlir::Value reshapeTo(mlir::OpBuilder &b, mlir::Location loc, mlir::Value value, llvm::ArrayRef<int64_t> shape);

/// `value` with its dimensions in `order`: a view where only dimensions of size one change places.
mlir::Value transposeTo(mlir::OpBuilder &b, mlir::Location loc, mlir::Value value, llvm::ArrayRef<int64_t> order);

/// `weights`, whose last dimension are output channels, with that dimension in blocks of `block`, filled
/// up with zeros, and the blocks before dimension `position`: `(a..., blocks, b..., block)`.
mlir::Value packChannels(mlir::OpBuilder &b, mlir::Location loc, mlir::Value weights, int64_t block, int64_t position = 0);

/// A pattern that knows the machine.
template <typename Op> struct PlanPattern : mlir::OpRewritePattern<Op> {
  PlanPattern(mlir::MLIRContext *context, const Machine &machine, mlir::PatternBenefit benefit = 1)
      : mlir::OpRewritePattern<Op>(context, benefit), machine(machine) {}

  /// Elements of a vector of `channels` output channels.
  int64_t lanesOf(mlir::Value value, int64_t channels) const {
    return std::min<int64_t>(machine.lanes(typeOf(value).getElementType()), channels);
  }
  /// The tile of a product of `lhs`, which sums elements of type `sum`, with packed weights, `depth` by `columns`.
  Tile productTile(mlir::RankedTensorType lhs, mlir::Type sum, int64_t depth, int64_t columns) const {
    int64_t lanes = std::min<int64_t>(machine.lanes(sum), columns);
    return chooseTile({columns, lhs.getShape()[lhs.getRank() - 2], depth, lanes, Weights::Packed, /*taps=*/0, bytesOfRow(lhs)},
                      machine);
  }
  const Machine &machine;
};

/// 3x3 convolutions of stride one, and the gradients of their filters, by Winograd's algorithm where that is estimated to be
/// faster than the definition.
void populateWinograd(mlir::RewritePatternSet &patterns, const Machine &machine);

/// Makes one product of those of one tensor with constant weights: of projections whose columns are heads of attention, and of
/// convolutions that one map joins, where that is estimated to take less time. Weights made of `updated` parameters stay apart.
void mergeProducts(mlir::func::FuncOp function, const llvm::StringSet<> &updated, const Machine &machine);

/// Constant weights that are bytes times scales stay bytes, in products and in tables that are looked up.
void populateNarrowWeights(mlir::RewritePatternSet &patterns);

} // namespace sylvite

#endif // SYLVITE_PASSES_NN_PLANCONTRACTIONS_H
