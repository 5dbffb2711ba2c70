//===- PooledConvolution.cpp - a convolution that a pooling reads ----------===//
//
// A first convolution makes many channels of few, with little to do for each element: storing its result and reading it
// again takes longer than computing it. Where a pooling of windows that do not overlap alone reads it, a block of channels of a few
// windows is computed at a time, which stays in registers.
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

  // As many windows as keep two multiply-adds a cycle, of four cycles each, apart from one another.
  constexpr int64_t sumsAtOnce = 8;
  int64_t lanes = std::min<int64_t>(machine.lanes(conv.getElementTypes().front()), block),
          sumsOfWindow = ShapedType::getNumElements(*window) * (block / lanes), width = view.outputType.getDimSize(2),
          windows = std::min<int64_t>(llvm::divideCeil(sumsAtOnce, sumsOfWindow), width);
  ScheduleWriter write(view.pipeline);
  StringRef out = view.output.getSymName();
  SmallVector<StringRef> vars = view.output.getVarNames();
  StringRef n = vars[0], y = vars[1], x = vars[2], c = vars[3];
  write.split(out, 0, c, "co", "ci", block, halide::TailStrategy::RoundUp);
  write.split(out, 0, x, "xo", "xi", windows, halide::TailStrategy::ShiftInwards);
  write.reorder(out, 0, {"ci", "xi", "xo", "co", y, n});
  write.vectorize(out, 0, "ci", lanes);
  write.unroll(out, 0, "ci");
  write.unroll(out, 0, "xi");
  write.parallelFused(out, 0, {y, n});
  for (halide::FuncOp pool : ArrayRef(view.reductions).drop_front()) {
    StringRef p = pool.getSymName();
    vars = pool.getVarNames();
    write.computeAt(p, out, "xo");
    write.boundExtent(p, vars[3], block);
    write.boundExtent(p, vars[2], windows);
    SmallVector<StringRef> taps = view.singleUpdate(pool).getReductionNames();
    write.registerTile(p, vars[3], vars[2], lanes, {taps[1], taps[0]});
    for (StringRef tap : taps)
      write.unroll(p, 1, tap);
  }

  // All terms of a tile are written out: its sums stay in registers.
  StringRef p = conv.getSymName();
  vars = conv.getVarNames();
  write.computeAt(p, out, "xo");
  write.boundExtent(p, vars[3], block);
  write.boundExtent(p, vars[2], windows * window->back());
  write.boundExtent(p, vars[1], window->front());
  for (unsigned stage : {0u, 1u}) {
    SmallVector<StringRef> loops{vars[3], vars[2], vars[1]};
    if (stage == 1) {
      SmallVector<StringRef> steps = sum.getReductionNames();
      loops.append(steps.rbegin(), steps.rend());
    }
    write.reorder(p, stage, loops);
    write.vectorize(p, stage, vars[3], lanes);
    for (StringRef loop : loops)
      write.unroll(p, stage, loop);
  }
  return true;
}
