//===- CostModel.cpp - what a register tile costs --------------------------===//
//
// Counts cycles of the inner loop. What it does not count (cache misses, code size) was not worth
// counting: the streams of a contraction are long and prefetched.
//
//===----------------------------------------------------------------------===//
#include "passes/schedule/CostModel.h"

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace sylvite;

double sylvite::estimateCycles(const Contraction &contraction, Tile tile) {
  if (ShapedType::isDynamic(contraction.positions)) {
    // One position, or many: what one costs in both.
    Contraction one = contraction, many = contraction;
    one.positions = 1;
    many.positions = 240;
    return estimateCycles(one, tile) + estimateCycles(many, tile) / many.positions;
  }
  int64_t accumulators = tile.vectors * tile.rows;
  double loads = contraction.inputIsVector ? accumulators + tile.vectors : tile.vectors + tile.rows;
  double step = std::max({accumulators / 2.0, 4.0, loads / 2.0});
  // Fewer loads leave room for what else the core does.
  step += 0.01 * loads;
  double ends = 2.0 * accumulators + 16; // zeroes, the epilogue and its stores, the loops
  double tiles = double(llvm::divideCeil(contraction.channels, tile.vectors * contraction.lanes)) *
                 llvm::divideCeil(contraction.positions, tile.rows);
  return tiles * (contraction.depth * step + ends);
}

Tile sylvite::chooseTile(const Contraction &contraction, const Machine &machine, int64_t vectors) {
  Tile best{std::max<int64_t>(vectors, 1), 1};
  double leastCycles = std::numeric_limits<double>::infinity();
  int64_t mostVectors = llvm::divideCeil(contraction.channels, contraction.lanes);
  for (Tile tile{1, 1}; tile.vectors <= std::min<int64_t>(mostVectors, 8); ++tile.vectors) {
    if (vectors && tile.vectors != vectors)
      continue;
    for (tile.rows = 1; tile.rows <= 14; ++tile.rows) {
      if (!ShapedType::isDynamic(contraction.positions) && tile.rows > contraction.positions)
        break;
      int64_t live = tile.vectors * tile.rows + tile.vectors + (contraction.inputIsVector ? 2 : 1);
      if (live > machine.vectorRegisters)
        break;
      double cycles = estimateCycles(contraction, tile);
      if (cycles < leastCycles) {
        best = tile;
        leastCycles = cycles;
      }
    }
  }
  return best;
}
