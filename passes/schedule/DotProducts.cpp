//===- DotProducts.cpp - products of few columns ---------------------------===//
//
// Columns that would fill a small part of a vector: each is a dot product along the contracted dimension,
// whose sums are kept per lane, for all columns and some rows in registers, until they meet at the end.
// The weights are one stream.
//
//===----------------------------------------------------------------------===//
#include "passes/schedule/Scheduling.h"

using namespace mlir;
using namespace sylvite;

bool sylvite::scheduleDotProducts(PipelineView &view, const Machine &machine) {
  halide::FuncOp partial = view.pipeline.lookupFunc("lanes");
  if (!partial || view.reductions.size() != 2 || view.reductions.front() != partial)
    return false;
  halide::FuncOp sum = view.reductions.back(), output = view.output;
  if (sum == output || sum.getRank() != output.getRank())
    return false;
  ArrayRef<int64_t> shape = view.outputType.getShape();
  halide::UpdateOp total = view.singleUpdate(sum);
  int64_t columns = shape.back(), positions = shape[shape.size() - 2],
          lanes = machine.lanes(partial.getElementTypes().front()),
          vectors = std::max<int64_t>(cast<IntegerAttr>(total.getEnds()[0]).getInt() / lanes, 1);
  // Sums, and what a step reads of each row, and of one column.
  constexpr int64_t mostRows = 4;
  int64_t rows = std::clamp<int64_t>((machine.vectorRegisters - 1) / (vectors * (columns + 1)), 1, mostRows);
  if (!ShapedType::isDynamic(positions))
    rows = std::min(rows, positions);

  ScheduleWriter write(view.pipeline);
  StringRef out = output.getSymName(), p = sum.getSymName(), q = partial.getSymName();
  SmallVector<StringRef> vars = output.getVarNames(), sumVars = sum.getVarNames(), laneVars = partial.getVarNames();
  StringRef n = vars.pop_back_val(), m = vars.pop_back_val(), lane = laneVars.back();
  write.split(out, 0, m, "mo", "mi", rows, tailFor(positions, rows));
  SmallVector<StringRef> order{n, "mi", "mo"};
  order.append(vars.rbegin(), vars.rend());
  write.reorder(out, 0, order);
  write.vectorizeInnermost(out, 0, n, columns, lanes);
  write.unroll(out, 0, "mi");
  StringRef task = write.parallelFused(out, 0, ArrayRef<StringRef>(order).drop_front(2));

  auto hold = [&](StringRef func, ArrayRef<StringRef> dims) {
    write.computeAt(func, out, task);
    write.boundExtent(func, dims.back(), columns);
    write.boundExtent(func, dims[dims.size() - 2], rows);
    for (int64_t stage : {0, 1})
      for (StringRef dim : dims.take_back(2))
        write.unroll(func, stage, dim);
  };
  hold(q, ArrayRef<StringRef>(laneVars).drop_back());
  write.reorder(q, 1, {lane, laneVars[laneVars.size() - 2], laneVars[laneVars.size() - 3], "rk"});
  for (int64_t stage : {0, 1}) {
    write.vectorize(q, stage, lane, lanes);
    write.unroll(q, stage, lane);
  }
  hold(p, sumVars);
  write.atomic(p, 1);
  write.vectorize(p, 1, "rl");
  return true;
}
