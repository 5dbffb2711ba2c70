//===- StreamedProduct.cpp - products with a matrix that no cache holds ----===//
//
// A matrix in rows, read once from beyond the second cache: in long runs, since a core fetches ahead within a
// page. A few rows multiply what registers hold of it, and their sums stay in the caches. One row that a
// rectifier wrote leaves out the rows of the matrix that meet a zero.
//
//===----------------------------------------------------------------------===//
#include "passes/schedule/Scheduling.h"

using namespace mlir;
using namespace sylvite;

/// The matrix of which `update` adds rows times elements of its own row: an input of a known size. Null where it does something else.
static halide::InputOp findMatrix(PipelineView &view, halide::UpdateOp update) {
  Value row = update.getVarArguments().front(), column = update.getVarArguments().back();
  halide::InputOp matrix;
  unsigned reads = 0;
  update.getBody().walk([&](halide::AtOp at) {
    if (at.getFunc() == update.getFunc())
      return;
    ++reads;
    if (at.getIndices().size() == 2 && at.getIndices().back() == column &&
        !dependsOn(at.getIndices().front(), row) && !dependsOn(at.getIndices().front(), column))
      matrix = view.pipeline.lookupInput(at.getFunc());
  });
  bool isProduct = reads == 2 && countReadsAlongInnermost(update) == 1;
  return isProduct && matrix && matrix.getBufferType().hasStaticShape() ? matrix : halide::InputOp();
}

/// Makes tasks of `width` columns of `output`, each with the sums of its own.
static void makeTasks(ScheduleWriter &write, halide::FuncOp output, halide::FuncOp sum, int64_t width, int64_t lanes) {
  StringRef out = output.getSymName(), row = output.getVarNames()[0], column = output.getVarNames()[1];
  write.split(out, 0, column, "task", "ci", width);
  write.reorder(out, 0, {"ci", row, "task"});
  write.vectorize(out, 0, "ci", lanes);
  write.parallel(out, 0, "task");
  write.computeAt(sum.getSymName(), out, "task");
  write.boundExtent(sum.getSymName(), sum.getVarNames()[1], width);
}

/// The sums of one row, `width` columns at a time. What is read of a row of the matrix are whole pages: lines that a core fetches
/// beside those which it wants come in vain where the next row is left out.
static void scheduleRectifiedRow(ScheduleWriter &write, halide::UpdateOp update, int64_t width, int64_t lanes) {
  halide::FuncOp sum = update.getFuncOp();
  StringRef p = sum.getSymName(), row = sum.getVarNames()[0], column = sum.getVarNames()[1];
  // Two pages at once come from memory faster than one. Of 25088 x 4096, 60 % of it read, in two tasks: 17.3 instead of 18.7 ms.
  constexpr int64_t pageBytes = 4096;
  int64_t bytes = sum.getElementTypes().front().getIntOrFloatBitWidth() / 8,
          pages = width * bytes % (2 * pageBytes) == 0 ? 2 : 1;
  write.boundExtent(p, row, 1);
  write.vectorize(p, 0, column, lanes);
  write.split(p, 1, column, "page", "ci", width / pages);
  write.split(p, 1, "ci", "vector", "ci", lanes);
  write.reorder(p, 1, {"ci", "page", "vector", row, update.getReductionNames()[0]});
  write.vectorize(p, 1, "ci");
  write.unroll(p, 1, "page");
}

/// The sums of a few rows. Registers hold two vectors of `steps` rows of the matrix while all rows, two
/// at once, add their products with them.
static void scheduleStreamedRows(ScheduleWriter &write, halide::UpdateOp update, int64_t rows, int64_t lanes, int64_t steps) {
  constexpr int64_t vectors = 2;
  halide::FuncOp sum = update.getFuncOp();
  StringRef p = sum.getSymName(), row = sum.getVarNames()[0], column = sum.getVarNames()[1];
  bool inPairs = ShapedType::isDynamic(rows) || rows % 2 == 0;
  for (int64_t stage : {0, 1}) {
    write.split(p, stage, column, "co", "ci", vectors * lanes);
    write.split(p, stage, row, "no", "ni", inPairs ? 2 : 1, halide::TailStrategy::RoundUp);
    if (stage == 1) {
      write.split(p, stage, update.getReductionNames()[0], "ro", "ri", steps);
      write.reorder(p, stage, {"ci", "ni", "ri", "no", "co", "ro"});
      write.unroll(p, stage, "ri");
    } else {
      write.reorder(p, stage, {"ci", "ni", "co", "no"});
    }
    write.vectorize(p, stage, "ci", lanes);
    write.unroll(p, stage, "ci");
    write.unroll(p, stage, "ni");
  }
}

bool sylvite::scheduleStreamedProduct(PipelineView &view, const Machine &machine) {
  if (view.reductions.size() != 1 || view.outputType.getRank() != 2)
    return false;
  halide::FuncOp sum = view.reductions.front(), output = view.output;
  halide::UpdateOp update = view.singleUpdate(sum);
  if (sum == output || !update || sum.getRank() != 2 || update.getMins().size() != 1)
    return false;
  halide::InputOp matrix = findMatrix(view, update);
  if (!matrix)
    return false;
  Type element = sum.getElementTypes().front();
  int64_t rows = view.outputType.getDimSize(0), columns = view.outputType.getDimSize(1), lanes = machine.lanes(element),
          bytes = element.getIntOrFloatBitWidth() / 8;
  if (update.hasPredicate()) {
    int64_t width = rectifiedColumns(columns, lanes, bytes);
    if (rows != 1 || !width)
      return false;
    ScheduleWriter write(view.pipeline);
    makeTasks(write, output, sum, width, lanes);
    scheduleRectifiedRow(write, update, width, lanes);
    return true;
  }
  constexpr int64_t fewestSteps = 4;
  bool areFew = view.fewRows || (!ShapedType::isDynamic(rows) && rows <= rowsOfStreamed);
  int64_t depth = matrix.getBufferType().getDimSize(0), steps = largestDivisor(depth, machine.vectorRegisters / 4),
          width = streamedColumns(columns, lanes);
  if (!areFew || rows == 1 || !width || steps < fewestSteps || columns * depth * bytes <= streamedBytes)
    return false;
  ScheduleWriter write(view.pipeline);
  makeTasks(write, output, sum, width, lanes);
  scheduleStreamedRows(write, update, rows, lanes, steps);
  return true;
}
