//===- CostModel.h - what a register tile costs -----------------*- C++ -*-===//
//
// The machine as the compiler sees it, and the estimate by which contractions choose their register
// tile, the order of their weights and their algorithm. It knows no model and no list of shapes.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_PASSES_SCHEDULE_COSTMODEL_H
#define SYLVITE_PASSES_SCHEDULE_COSTMODEL_H

#include "mlir/IR/Types.h"

namespace sylvite {

/// What a schedule needs to know of the target.
struct Machine {
  unsigned vectorBytes;     ///< size of a vector register
  unsigned vectorRegisters; ///< how many there are
  unsigned lanes(mlir::Type elementType) const {
    return std::max(1u, vectorBytes * 8 / elementType.getIntOrFloatBitWidth());
  }
};

/// `rows` positions of `vectors` registers of output channels each, held in registers while the
/// reduction runs.
struct Tile {
  int64_t vectors, rows;
};

/// A product of `depth` multiply-adds per element of `positions` by `channels` outputs.
struct Contraction {
  int64_t channels;
  int64_t positions; ///< ShapedType::kDynamic when free
  int64_t depth;
  int64_t lanes;              ///< of a vector of channels
  bool inputIsVector = false; ///< each channel has its own input: depthwise convolution
};

/// The estimated cycles of `contraction`, computed in tiles: per step of the reduction the multiply-adds
/// (two a cycle, four cycles of latency) or the loads, whichever takes longer, and what a tile costs to
/// begin and to end. For a free number of positions, the mean cost of a position alone and of one among
/// many.
double estimateCycles(const Contraction &contraction, Tile tile);

/// The tile with the least estimate among those whose registers suffice; of `vectors` registers of
/// channels, if that is given.
Tile chooseTile(const Contraction &contraction, const Machine &machine, int64_t vectors = 0);

} // namespace sylvite

#endif // SYLVITE_PASSES_SCHEDULE_COSTMODEL_H
