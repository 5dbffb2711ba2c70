//===- Pointwise.cpp - maps and movement, and the schedule of last resort --===//
//
// Vectors along the innermost dimension, tasks along the others. The default schedule does the same to
// every func of a pipeline and computes each one whole; it accepts anything.
//
//===----------------------------------------------------------------------===//
#include "passes/schedule/Scheduling.h"

using namespace mlir;
using namespace sylvite;

/// Vectors and tasks of a result with one dimension, as the update of a parameter is. No element is computed twice, so that
/// it may be written over what it is computed from.
static void scheduleVector(ScheduleWriter &write, StringRef out, StringRef var, int64_t extent, int64_t lanes) {
  constexpr int64_t task = 1 << 14; // some ten microseconds of memory traffic
  if (extent <= lanes) {
    if (extent > 1)
      write.vectorize(out, 0, var);
    return;
  }
  write.split(out, 0, var, "vector", "lane", lanes, tailApart(extent, lanes));
  write.vectorize(out, 0, "lane");
  if (extent < 2 * task)
    return;
  // The last task may have fewer vectors; that they are whole does not depend on it.
  int64_t vectors = llvm::divideCeil(extent, lanes);
  write.split(out, 0, "vector", "task", "vector", task / lanes, tailApart(vectors, task / lanes));
  write.parallel(out, 0, "task");
}

/// Vectorizes and parallelizes the pure definition of the output.
static void scheduleOutput(ScheduleWriter &write, PipelineView &view, const Machine &machine) {
  StringRef out = view.output.getSymName();
  SmallVector<StringRef> vars = view.output.getVarNames();
  if (vars.empty())
    return;
  unsigned lanes = machine.lanes(view.outputType.getElementType());
  if (vars.size() == 1 && !view.outputType.isDynamicDim(0))
    return scheduleVector(write, out, vars.front(), view.outputType.getDimSize(0), lanes);
  // Dimensions of size one fill no vector.
  ArrayRef<int64_t> shape = view.outputType.getShape();
  size_t vector = vars.size() - 1;
  while (vector > 0 && shape[vector] == 1)
    --vector;
  write.vectorizeInnermost(out, 0, vars[vector], shape[vector], lanes);
  SmallVector<StringRef> outer(llvm::reverse(ArrayRef<StringRef>(vars).take_front(vector)));
  // The innermost of many is the body of a task.
  write.parallelFused(out, 0, ArrayRef<StringRef>(outer).drop_front(outer.size() > 2));
}

/// The dimension of the output along which an input is contiguous, where that is not the innermost one; none otherwise.
static std::optional<unsigned> findTransposedDim(PipelineView &view) {
  std::optional<unsigned> dim;
  view.output.getBody().walk([&](halide::AtOp at) {
    if (!view.pipeline.lookupInput(at.getFunc()) || at.getIndices().empty())
      return;
    auto var = dyn_cast<BlockArgument>(at.getIndices().back());
    if (var && var.getOwner() == &view.output.getBody().front() && var.getArgNumber() + 1 < view.output.getRank())
      dim = var.getArgNumber();
  });
  return dim;
}

/// An output that is written across the rows of an input: tiles of as many rows as a vector has lanes, so that the lines of both
/// are in the first cache while a tile takes all of them. A matrix of 1024 x 256: 0.42 to 0.09 ms.
static void scheduleTransposition(ScheduleWriter &write, PipelineView &view, unsigned dim, int64_t lanes) {
  StringRef out = view.output.getSymName();
  ArrayRef<int64_t> shape = view.outputType.getShape();
  SmallVector<StringRef> vars = view.output.getVarNames();
  StringRef column = vars.pop_back_val(), row = vars[dim];
  vars.erase(vars.begin() + dim);
  write.split(out, 0, column, "co", "ci", lanes, tailFor(shape.back(), lanes));
  write.split(out, 0, row, "ro", "ri", lanes, tailFor(shape[dim], lanes));
  SmallVector<StringRef> loops{"ci", "ri", "co"}, tasks{"ro"};
  tasks.append(vars.rbegin(), vars.rend());
  loops.append(tasks);
  write.reorder(out, 0, loops);
  write.vectorize(out, 0, "ci", lanes);
  write.parallelFused(out, 0, tasks);
}

/// An output of a few columns, each of which is contiguous along `dim` in an input: a vector of each, whose elements are stored in
/// turn.
static void scheduleInterleaving(ScheduleWriter &write, PipelineView &view, unsigned dim, int64_t lanes) {
  StringRef out = view.output.getSymName();
  SmallVector<StringRef> vars = view.output.getVarNames();
  StringRef column = vars.pop_back_val(), row = vars[dim];
  vars.erase(vars.begin() + dim);
  write.split(out, 0, row, "ro", "ri", lanes, tailFor(view.outputType.getShape()[dim], lanes));
  SmallVector<StringRef> loops{column, "ri", "ro"}, tasks(llvm::reverse(vars));
  loops.append(tasks);
  write.reorder(out, 0, loops);
  write.vectorize(out, 0, "ri");
  write.unroll(out, 0, column);
  write.parallelFused(out, 0, tasks);
}

bool sylvite::schedulePointwise(PipelineView &view, const Machine &machine) {
  if (!view.reductions.empty())
    return false;
  ScheduleWriter write(view.pipeline);
  ArrayRef<int64_t> shape = view.outputType.getShape();
  int64_t lanes = machine.lanes(view.outputType.getElementType());
  auto fills = [&](int64_t size) { return ShapedType::isDynamic(size) || size >= lanes; };
  auto dim = findTransposedDim(view);
  if (!dim || lanes == 1 || !fills(shape[*dim]))
    scheduleOutput(write, view, machine);
  else if (fills(shape.back()))
    scheduleTransposition(write, view, *dim, lanes);
  else
    scheduleInterleaving(write, view, *dim, lanes);
  return true;
}

/// A concatenation: updates of the output, each of which copies one input to its place.
bool sylvite::scheduleJoin(PipelineView &view, const Machine &machine) {
  StringRef out = view.output.getSymName();
  auto updates = view.pipeline.getUpdates(out);
  if (updates.empty() || view.reductions.size() != 1)
    return false;
  int64_t lanes = machine.lanes(view.outputType.getElementType());
  SmallVector<StringRef> vars = view.output.getVarNames();
  for (halide::UpdateOp update : updates) {
    bool accumulates = false;
    update.getBody().walk([&](halide::AtOp at) { accumulates |= at.getFunc() == out; });
    if (accumulates || update.getReductionNames().size() != 1)
      return false;
  }
  ScheduleWriter write(view.pipeline);
  scheduleOutput(write, view, machine);
  for (auto [i, update] : llvm::enumerate(updates)) {
    // The loops from the outermost; the joined dimension is the reduction's.
    StringRef joined = update.getReductionNames().front();
    SmallVector<StringRef> loops;
    unsigned position = 0;
    for (auto [d, var] : llvm::enumerate(vars)) {
      loops.push_back(update.isPureVar(d) ? var : joined);
      position = update.isPureVar(d) ? position : d;
    }
    auto joinedExtent = dyn_cast<IntegerAttr>(update.getEnds().getValue().front()); // null: free
    int64_t width = view.outputType.getShape().back();
    int64_t extent = position + 1 != vars.size() ? (ShapedType::isDynamic(width) ? lanes : width)
                     : joinedExtent              ? joinedExtent.getInt()
                                                 : lanes;
    SmallVector<StringRef> innermostFirst(loops.rbegin(), loops.rend());
    write.reorder(out, i + 1, innermostFirst);
    if (extent >= lanes)
      write.vectorize(out, i + 1, loops.back(), lanes, halide::TailStrategy::GuardWithIf);
    // As in a map: rows of the same core go on to the kernel that reads them.
    ArrayRef<StringRef> tasks = ArrayRef<StringRef>(loops).take_front(std::min<size_t>(position, loops.size() - 1));
    if (tasks.size() > 2)
      tasks = tasks.drop_back();
    if (tasks.empty())
      write.serial(out, i + 1, loops.front());
    else
      write.parallelFused(out, i + 1, SmallVector<StringRef>(tasks.rbegin(), tasks.rend()));
  }
  return true;
}

bool sylvite::scheduleDefault(PipelineView &view, const Machine &machine) {
  ScheduleWriter write(view.pipeline);
  scheduleOutput(write, view, machine);
  for (halide::FuncOp func : view.reductions) {
    StringRef name = func.getSymName();
    if (func != view.output)
      write.computeRoot(name);
    SmallVector<StringRef> vars = func.getVarNames();
    int64_t lanes = machine.lanes(func.getElementTypes().front());
    if (vars.empty())
      continue;
    if (func != view.output) {
      write.vectorize(name, 0, vars.back(), lanes, halide::TailStrategy::GuardWithIf);
      if (vars.size() > 1)
        write.parallel(name, 0, vars.front());
    }
    for (auto [i, update] : llvm::enumerate(view.pipeline.getUpdates(name))) {
      if (!update.isPureVar(vars.size() - 1))
        continue;
      write.vectorize(name, i + 1, vars.back(), lanes, halide::TailStrategy::GuardWithIf);
      if (vars.size() > 1 && update.isPureVar(0))
        write.parallel(name, i + 1, vars.front());
    }
  }
  return true;
}
