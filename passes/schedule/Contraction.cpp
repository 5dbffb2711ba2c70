//===- Contraction.cpp - register tiles of products and convolutions -------===//
//
// One schedule for matrix products and convolutions, dense, grouped or depthwise: a tile of `vectors`
// registers of output channels by `rows` positions stays in registers while the reduction runs; the
// epilogue reads it there. Weights are read as vectors, the input as broadcast scalars (as vectors too
// when each channel has its own). With 12 to 30 accumulators the loop is bound by multiply-adds.
//
//===----------------------------------------------------------------------===//
#include "passes/schedule/Scheduling.h"

using namespace mlir;
using namespace sylvite;

namespace {
struct Tile {
  int64_t vectors, rows;
};
} // namespace

/// The register tile of an output of `channels` by `positions` (or free) with the least estimated time
/// per multiply-add. Counted are work on overlapping tiles, accumulators too few to hide the latency of
/// multiply-adds (4 cycles, two a cycle), and loads beyond one per multiply-add.
static Tile chooseTile(int64_t channels, int64_t positions, int64_t lanes, int64_t registers,
                       bool inputIsVector) {
  Tile best{1, 1};
  double bestCost = std::numeric_limits<double>::infinity();
  // A free extent may be one: a tall tile would compute rows that nobody wants.
  int64_t mostRows = ShapedType::isDynamic(positions) ? 4 : std::min<int64_t>(positions, 14);
  for (int64_t vectors = 1; vectors <= 4 && (vectors == 1 || vectors * lanes <= channels); ++vectors)
    for (int64_t rows = 1; rows <= mostRows; ++rows) {
      int64_t accumulators = vectors * rows;
      int64_t live = accumulators + vectors + (inputIsVector ? 2 : 1);
      if (live > registers)
        break;
      double computed = llvm::alignTo(channels, std::min(channels, vectors * lanes));
      double waste = computed / channels;
      if (!ShapedType::isDynamic(positions))
        waste *= double(llvm::alignTo(positions, rows)) / positions;
      double loads = inputIsVector ? 1.0 + double(vectors) / accumulators
                                   : double(vectors + rows) / accumulators;
      double cost = waste * std::max({1.0, 8.0 / accumulators, loads}) + 1e-3 * loads;
      if (cost < bestCost) {
        best = {vectors, rows};
        bestCost = cost;
      }
    }
  return best;
}

bool sylvite::scheduleContraction(PipelineView &view, const Machine &machine) {
  if (view.reductions.size() != 1 || view.outputType.getRank() < 2)
    return false;
  halide::FuncOp sum = view.reductions.front(), output = view.output;
  halide::UpdateOp update = view.singleUpdate(sum);
  if (sum == output || !update || sum.getRank() != output.getRank() || update.hasPredicate() ||
      !isDenseAlongInnermost(update))
    return false;
  // A product of two reads: a sum over one is a reduction, not a contraction.
  unsigned reads = 0;
  update.getBody().walk([&](halide::AtOp at) { reads += at.getFunc() != update.getFunc(); });
  if (reads != 2)
    return false;

  ArrayRef<int64_t> shape = view.outputType.getShape();
  int64_t channels = shape.back(), positions = shape[shape.size() - 2];
  if (ShapedType::isDynamic(channels))
    return false;
  bool inputIsVector = countReadsAlongInnermost(update) == 2;
  int64_t lanes = std::min<int64_t>(machine.lanes(view.outputType.getElementType()), channels);
  Tile tile = chooseTile(channels, positions, lanes, machine.vectorRegisters, inputIsVector);
  int64_t width = tile.vectors * lanes;

  ScheduleWriter write(view.pipeline);
  StringRef out = output.getSymName(), p = sum.getSymName();
  SmallVector<StringRef> vars = output.getVarNames();
  StringRef c = vars.pop_back_val(), x = vars.pop_back_val();
  write.split(out, 0, c, "co", "ci", width, tailFor(channels, width));
  write.split(out, 0, x, "xo", "xi", tile.rows, tailFor(positions, tile.rows));
  SmallVector<StringRef> order{"ci", "xi", "xo", "co"};
  order.append(vars.rbegin(), vars.rend());
  write.reorder(out, 0, order);
  if (lanes > 1)
    write.vectorize(out, 0, "ci", lanes);
  write.unroll(out, 0, "ci");
  write.unroll(out, 0, "xi");
  write.parallelFused(out, 0, ArrayRef<StringRef>(order).drop_front(3));

  write.computeAt(p, out, "xo");
  write.boundExtent(p, c, width);
  write.boundExtent(p, x, tile.rows);
  SmallVector<StringRef> reduction{c, x};
  SmallVector<StringRef> rvars = update.getReductionNames();
  reduction.append(rvars.rbegin(), rvars.rend());
  for (int64_t stage : {0, 1}) {
    if (stage == 1)
      write.reorder(p, 1, reduction);
    if (lanes > 1)
      write.vectorize(p, stage, c, lanes);
    write.unroll(p, stage, c);
    write.unroll(p, stage, x);
  }
  // Per channel, the window is all there is to reduce: written out, its loads are shared.
  if (inputIsVector)
    for (StringRef r : rvars)
      write.unroll(p, 1, r);
  return true;
}
