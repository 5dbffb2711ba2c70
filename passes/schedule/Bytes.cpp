//===- Bytes.cpp - products of bytes ---------------------------------------===//
//
// Sums of products of bytes, four terms by one instruction where there is one (VNNI). The sums stand in panels of columns, as
// the weights do: a panel's index is a loop of its own, so that what a vector reads is contiguous whatever the column. Weights
// are read once and in order; a product of one row is bound by that.
//
//===----------------------------------------------------------------------===//
#include "passes/schedule/Scheduling.h"

using namespace mlir;
using namespace sylvite;

bool sylvite::scheduleByteProduct(PipelineView &view, const Machine &machine) {
  if (view.reductions.size() != 1)
    return false;
  halide::FuncOp panels = view.reductions.front(), output = view.output;
  halide::UpdateOp update = view.singleUpdate(panels);
  if (!update || panels.getRank() != output.getRank() + 1 || update.getReductionNames().size() != 2)
    return false;
  RankedTensorType rows, weights; // (..., K) and (blocks, K / 4, block, 4)
  update.getBody().walk([&](halide::AtOp at) {
    if (halide::InputOp input = view.pipeline.lookupInput(at.getFunc()))
      (dependsOn(at.getIndices().front(), update.getVarArguments()[output.getRank() - 1]) ? weights : rows) = input.getBufferType();
  });
  if (!rows || !weights || !weights.getElementType().isInteger(8) || view.outputType.getRank() != output.getRank())
    return false;

  int64_t columns = view.outputType.getShape().back(), positions = rows.getDimSize(rows.getRank() - 2), block = weights.getDimSize(2),
          blocks = weights.getDimSize(0), lanes = std::min<int64_t>(machine.lanes(panels.getElementTypes().front()), block);
  Tile tile = chooseTile({columns, positions, weights.getDimSize(1), lanes, Weights::Packed, /*taps=*/0, rows.getShape().back()},
                         machine, block / lanes);
  int64_t together = positions == 1 ? blocksOfOneRow(blocks, tile.vectors) : 1, width = together * block;

  ScheduleWriter write(view.pipeline);
  StringRef out = output.getSymName(), p = panels.getSymName();
  SmallVector<StringRef> vars = output.getVarNames(), inner = panels.getVarNames(), terms = update.getReductionNames();
  StringRef c = vars.pop_back_val(), x = vars.pop_back_val();
  write.split(out, 0, c, "co", "ci", width, tailApart(columns, width));
  write.split(out, 0, x, "xo", "xi", tile.rows, tailFor(positions, tile.rows));
  SmallVector<StringRef> tasks{"co"};
  tasks.append(vars.rbegin(), vars.rend());
  write.tileOutput(out, lanes, {"ci", "xi", "xo"}, tasks);

  StringRef column = inner.pop_back_val(), panel = inner.pop_back_val(), row = inner.pop_back_val();
  write.computeAt(p, out, "xo");
  write.boundExtent(p, column, block);
  write.boundExtent(p, panel, together);
  write.boundExtent(p, row, tile.rows);
  for (int64_t stage : {0, 1}) {
    if (stage == 1) {
      write.reorder(p, 1, {terms[1], column, panel, row, terms[0]});
      write.atomic(p, 1);
      write.vectorize(p, 1, terms[1]);
    }
    if (lanes > 1)
      write.vectorize(p, stage, column, lanes);
    for (StringRef var : {column, panel, row})
      write.unroll(p, stage, var);
  }
  return true;
}
