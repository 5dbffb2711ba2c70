//===- Cell.cpp - recurrent cells ------------------------------------------===//
//
// One step of a recurrent layer: the products of the last output with the kernels of all gates, and the next states from
// them. A tile of the gates, some rows by one vector of units, is computed where the states are, and read while it is in
// registers or next to them. Many rows are taken eight at a time, by as many gates as registers are left for; few rows four at a
// time, so that none are computed that nobody wants. A single row takes several blocks of units at a time.
//
//===----------------------------------------------------------------------===//
#include "passes/schedule/Scheduling.h"

using namespace mlir;
using namespace sylvite;

/// What `func` reads where it has elements as they are; null where it computes something.
static StringRef copiedBy(halide::FuncOp func) {
  auto yield = cast<halide::YieldOp>(func.getBodyBlock()->getTerminator());
  auto at = yield.getValues().front().getDefiningOp<halide::AtOp>();
  return at ? at.getFunc() : StringRef();
}

/// The input whose columns `func` slices, through the func that keeps rows within it; null for any other func.
static halide::InputOp slicedInput(PipelineView &view, halide::FuncOp func) {
  halide::FuncOp rows = view.pipeline.lookupFunc(copiedBy(func));
  return rows ? view.pipeline.lookupInput(copiedBy(rows)) : halide::InputOp();
}

/// What the gates are added to, the product over all steps, comes from beyond the second cache, a line of each gate and row: while a
/// tile of `rows` is multiplied, the lines of the next one are fetched. LSTM of 256 units, 16 rows: 14.7 to 14.4 ms.
static void fetchSlices(PipelineView &view, ScheduleWriter &write, int64_t rows, int64_t width, int64_t lanes) {
  StringRef out = view.output.getSymName();
  for (halide::FuncOp func : view.funcs) {
    halide::InputOp source = slicedInput(view, func);
    if (!source)
      continue;
    StringRef slice = func.getSymName();
    SmallVector<StringRef> vars = func.getVarNames();
    write.computeAt(slice, out, "xo");
    write.boundExtent(slice, vars[0], rows);
    write.boundExtent(slice, vars[1], width);
    if (lanes > 1)
      write.vectorize(slice, 0, vars[1], lanes);
    write.unroll(slice, 0, vars[1]);
    write.prefetch(slice, 0, source.getSymName(), vars[0], rows);
    write.unroll(slice, 0, vars[0]);
  }
}

bool sylvite::scheduleCell(PipelineView &view, const Machine &machine) {
  if (view.reductions.size() != 1 || view.outputType.getRank() != 2)
    return false;
  halide::FuncOp products = view.reductions.front();
  halide::UpdateOp update = view.singleUpdate(products);
  if (!update || products == view.output || products.getRank() != 3 || update.getReductionNames().size() != 1)
    return false;
  // The kernels are (blocks, K, gates, block).
  RankedTensorType kernels;
  StringRef kernelsName;
  update.getBody().walk([&](halide::AtOp at) {
    if (auto input = view.pipeline.lookupInput(at.getFunc()))
      if (auto type = cast<RankedTensorType>(input.getType()); type.getRank() == 4) {
        kernels = type;
        kernelsName = at.getFunc();
      }
  });
  int64_t rows = view.outputType.getDimSize(0), units = view.outputType.getDimSize(1);
  if (!kernels || ShapedType::isDynamic(units))
    return false;
  int64_t depth = kernels.getDimSize(1), gates = kernels.getDimSize(2), block = kernels.getDimSize(3), lanes = block;

  // Rows and gates in registers at a time.
  Tile tile{gates, 1};
  int64_t blocks = 1;
  if (rows == 1) {
    for (int64_t n = std::max<int64_t>(12 / gates, 1); n > 1 && blocks == 1; --n)
      blocks = units % (n * block) == 0 ? n : 1;
  } else {
    tile = chooseCellTile({gates * block, rows, depth, block}, machine, view.fewRows);
  }
  int64_t rowsTogether = tile.rows, gatesTogether = tile.vectors;
  int64_t width = blocks * block;

  ScheduleWriter write(view.pipeline);
  StringRef out = view.output.getSymName(), p = products.getSymName();
  SmallVector<StringRef> vars = view.output.getVarNames(), inner = products.getVarNames();
  StringRef n = vars[0], c = vars[1], gate = inner[0], row = inner[1], unit = inner[2];
  write.split(out, 0, c, "co", "ci", width, units % width ? halide::TailStrategy::GuardWithIf : tailFor(units, width));
  write.split(out, 0, n, "xo", "xi", rowsTogether, tailFor(rows, rowsTogether));
  write.reorder(out, 0, {"ci", "xi", "xo", "co"});
  if (lanes > 1)
    write.vectorize(out, 0, "ci", lanes);
  write.unroll(out, 0, "ci");
  write.unroll(out, 0, "xi");
  write.parallel(out, 0, "co");
  if (rows != 1 && units % width == 0)
    fetchSlices(view, write, rowsTogether, width, lanes);

  write.computeAt(p, out, "xo");
  write.boundExtent(p, gate, gates);
  write.boundExtent(p, row, rowsTogether);
  write.boundExtent(p, unit, width);
  for (int64_t stage : {0, 1}) {
    StringRef inRegisters = gate;
    if (stage == 1) {
      SmallVector<StringRef> order{unit, gate, row, update.getReductionNames().front()};
      if (gatesTogether < gates) {
        write.split(p, 1, gate, "go", "gi", gatesTogether);
        order[1] = inRegisters = "gi";
        order.push_back("go");
      }
      write.reorder(p, 1, order);
    }
    if (lanes > 1)
      write.vectorize(p, stage, unit, lanes);
    write.unroll(p, stage, unit);
    write.unroll(p, stage, inRegisters);
    if (inRegisters != gate)
      write.unroll(p, stage, "go"); // registers hold sums whose places are known
    write.unroll(p, stage, row);
  }
  // Each tile of rows reads the kernels from the second cache. LSTM of 256 units, 64 steps of 16 rows, two layers: 8.2 to 7.3 ms.
  if (rows != 1)
    write.prefetch(p, 1, kernelsName, update.getReductionNames().front(), nearSteps, /*near=*/true);
  return true;
}
