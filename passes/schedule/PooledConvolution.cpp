//===- PooledConvolution.cpp - a convolution that a pooling reads ----------===//
//
// A first convolution makes many channels of few, with little to do for each element: storing its result and reading it
// again takes longer than computing it. Where a pooling of windows that do not overlap alone reads it, a row of windows is
// computed at a time, of a block of channels: the rows of the convolution stay in the first cache.
//
//===----------------------------------------------------------------------===//
#include "passes/schedule/Scheduling.h"

using namespace mlir;
using namespace sylvite;

/// The constant ends of the reductions of `update`, or none.
static std::optional<SmallVector<int64_t>> constantEnds(halide::UpdateOp update) {
  SmallVector<int64_t> ends;
  for (Attribute end : update.getEnds()) {
    if (!isa<IntegerAttr>(end))
      return std::nullopt;
    ends.push_back(cast<IntegerAttr>(end).getInt());
  }
  return ends;
}

/// The width of the blocks of weights that `update` multiplies; zero where it is no such product.
static int64_t blockOf(halide::UpdateOp update) {
  int64_t width = 0;
  update.getBody().walk([&](halide::AtOp at) { width = std::max(width, panelWidth(at, update.getVarArguments().back())); });
  return width;
}

bool sylvite::schedulePooledConvolution(PipelineView &view, const Machine &machine) {
  constexpr unsigned rank = 4; // (N, height, width, C)
  if (view.reductions.size() < 2 || view.outputType.getRank() != rank ||
      ShapedType::isDynamicShape(view.outputType.getShape().drop_front()))
    return false;
  halide::FuncOp conv = view.reductions.front();
  halide::UpdateOp sum = view.singleUpdate(conv);
  int64_t block = sum && conv.getRank() == rank && !sum.hasPredicate() ? blockOf(sum) : 0;
  auto terms = block ? constantEnds(sum) : std::nullopt;
  if (!terms || view.outputType.getDimSize(3) % block)
    return false;
  std::optional<SmallVector<int64_t>> window;
  for (halide::FuncOp pool : ArrayRef(view.reductions).drop_front()) {
    halide::UpdateOp update = view.singleUpdate(pool);
    if (pool == view.output || !update || pool.getRank() != rank || update.hasPredicate() || !isDenseAlongInnermost(update))
      return false;
    window = constantEnds(update);
    if (!window || window->size() != 2)
      return false;
  }

  int64_t lanes = std::min<int64_t>(machine.lanes(conv.getElementTypes().front()), block),
          width = view.outputType.getDimSize(2) * window->back();
  RowTile tile = chooseDividingTile({width, block}, /*rowDim=*/0, block, lanes, ShapedType::getNumElements(*terms), machine);
  ScheduleWriter write(view.pipeline);
  StringRef out = view.output.getSymName();
  SmallVector<StringRef> vars = view.output.getVarNames();
  StringRef n = vars[0], y = vars[1], x = vars[2], c = vars[3];
  write.split(out, 0, c, "co", "ci", block, halide::TailStrategy::RoundUp);
  write.reorder(out, 0, {"ci", x, "co", y, n});
  write.vectorize(out, 0, "ci", lanes);
  write.unroll(out, 0, "ci");
  write.parallelFused(out, 0, {y, n});
  for (halide::FuncOp pool : ArrayRef(view.reductions).drop_front()) {
    StringRef p = pool.getSymName();
    vars = pool.getVarNames();
    write.computeAt(p, out, x);
    write.boundExtent(p, vars[3], block);
    SmallVector<StringRef> taps = view.singleUpdate(pool).getReductionNames();
    write.registerTile(p, vars[3], vars[2], lanes, {taps[1], taps[0]});
    write.unrollShort(view.singleUpdate(pool), mostWrittenTaps);
  }

  // All terms of a tile are written out: its sums stay in registers.
  StringRef p = conv.getSymName();
  vars = conv.getVarNames();
  write.computeAt(p, out, "co");
  write.boundExtent(p, vars[3], block);
  write.boundExtent(p, vars[2], width);
  write.vectorize(p, 0, vars[3], lanes);
  write.split(p, 1, vars[2], "xo", "xi", tile.factor);
  SmallVector<StringRef> loops{vars[3], "xi"}, steps = sum.getReductionNames();
  loops.append(steps.rbegin(), steps.rend());
  loops.append({"xo", vars[1]});
  write.reorder(p, 1, loops);
  write.vectorize(p, 1, vars[3], lanes);
  for (StringRef loop : ArrayRef(loops).drop_back(2))
    write.unroll(p, 1, loop);
  return true;
}
