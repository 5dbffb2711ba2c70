//===- Reduction.cpp - pooling, means, softmax, normalization --------------===//
//
// Two families. Where channels stay, they are the vector lanes, and a block of them is reduced in
// registers: pooling, global pooling. Where the innermost dimension goes, a row is reduced in partial
// sums, one per lane (rfactor), and everything about a row happens while it is in the first cache:
// softmax, layer normalization.
//
//===----------------------------------------------------------------------===//
#include "passes/schedule/Scheduling.h"

using namespace mlir;
using namespace sylvite;

/// In how many parts of its rows an image is reduced to a value per channel; zero where it is so small, or has so few rows, that
/// a task had better reduce all of some channels.
static int64_t countParts(PipelineView &view, halide::UpdateOp update) {
  constexpr int64_t leastElements = 1 << 16, mostParts = 8;
  int64_t elements = view.outputType.getShape().back(), rows = 0;
  if (view.outputType.getRank() != 2 || view.output.getRank() != 2 || update.getMins().size() < 2 || update.hasPredicate())
    return 0;
  for (auto [min, end] : llvm::zip(update.getMins(), update.getEnds())) {
    if (!isa<IntegerAttr>(min) || !isa<IntegerAttr>(end) || cast<IntegerAttr>(min).getInt() != 0)
      return 0;
    rows = rows ? rows : cast<IntegerAttr>(end).getInt();
    elements *= cast<IntegerAttr>(end).getInt();
  }
  for (int64_t parts = mostParts; parts > 1; parts -= 2)
    if (elements >= leastElements && rows % parts == 0)
      return parts;
  return 0;
}

/// A task reduces some rows, which its core wrote in the kernel before, of all channels; their sums meet at the end.
static void reduceInParts(PipelineView &view, ScheduleWriter &write, halide::UpdateOp update, int64_t parts, int64_t width,
                          int64_t lanes) {
  StringRef out = view.output.getSymName(), p = update.getFunc();
  SmallVector<StringRef> vars = view.output.getVarNames(), rvars = update.getReductionNames();
  int64_t channels = view.outputType.getShape().back(), rows = cast<IntegerAttr>(update.getEnds().getValue().front()).getInt();
  write.vectorizeInnermost(out, 0, vars.back(), channels, lanes);
  write.parallelFused(out, 0, {vars.front()});

  std::string partial = (p + "_parts").str();
  StringRef c = update.getFuncOp().getVarNames().back();
  write.split(p, 1, rvars.front(), "ro", "ri", rows / parts);
  write.rfactor(p, 1, {"ro"}, {"part"}, partial);
  write.computeAt(partial, out, vars.front());
  SmallVector<StringRef> loops{"ci"};
  loops.append(rvars.rbegin(), std::prev(rvars.rend()));
  loops.append({"ri", "co", "part"});
  for (int64_t stage : {0, 1}) {
    write.split(partial, stage, c, "co", "ci", width, tailApart(channels, width));
    write.reorder(partial, stage, stage == 0 ? ArrayRef<StringRef>{"ci", "co", "part"} : ArrayRef<StringRef>(loops));
    if (lanes > 1)
      write.vectorize(partial, stage, "ci", lanes);
    write.unroll(partial, stage, "ci");
  }
  write.parallel(partial, 1, "part");
  write.computeAt(p, out, vars.front());
  for (int64_t stage : {0, 1})
    write.vectorizeInnermost(p, stage, c, channels, lanes);
}

bool sylvite::scheduleChannelReduction(PipelineView &view, const Machine &machine) {
  if (view.reductions.empty() || view.outputType.getRank() < 1)
    return false;
  // Several of them, as the maximum of a window and where it is, go over one input, and a later one may read an earlier one.
  halide::FuncOp output = view.output;
  StringRef input = view.weightsOf(view.pipeline.getUpdates(view.reductions.front().getSymName()).front());
  for (halide::FuncOp total : view.reductions) {
    halide::UpdateOp update = view.singleUpdate(total);
    bool isFirst = total == view.reductions.front();
    if (total == output || !update || total.getRank() == 0 || !isDenseAlongInnermost(update) ||
        (isFirst ? countReadsAlongInnermost(update) != 1 : view.weightsOf(update) != input || total.getRank() != output.getRank()))
      return false;
  }
  int64_t channels = view.outputType.getShape().back();
  if (ShapedType::isDynamic(channels))
    return false;

  int64_t lanes = std::min<int64_t>(machine.lanes(view.outputType.getElementType()), channels);
  int64_t width = std::min<int64_t>(4, channels / lanes) * lanes;
  ScheduleWriter write(view.pipeline);
  halide::UpdateOp only = view.reductions.size() == 1 ? view.singleUpdate(view.reductions.front()) : halide::UpdateOp();
  if (int64_t parts = only ? countParts(view, only) : 0) {
    reduceInParts(view, write, only, parts, width, lanes);
    return true;
  }
  StringRef out = output.getSymName();
  SmallVector<StringRef> vars = output.getVarNames();
  StringRef c = vars.pop_back_val();
  write.split(out, 0, c, "co", "ci", width, tailFor(channels, width));
  SmallVector<StringRef> order{"ci", "co"};
  order.append(vars.rbegin(), vars.rend());
  write.reorder(out, 0, order);
  if (lanes > 1)
    write.vectorize(out, 0, "ci", lanes);
  write.unroll(out, 0, "ci");
  // Positions along a row share their task; where there are none, blocks of channels are the tasks.
  bool blocksAreTasks = vars.size() < 3;
  StringRef task =
      write.parallelFused(out, 0, ArrayRef<StringRef>(order).drop_front(blocksAreTasks ? 1 : 3));

  for (halide::FuncOp total : view.reductions) {
    StringRef p = total.getSymName(), channel = total.getVarNames().back();
    write.computeAt(p, out, blocksAreTasks ? task : "co");
    write.boundExtent(p, channel, width);
    SmallVector<StringRef> reduction{channel};
    SmallVector<StringRef> rvars = view.singleUpdate(total).getReductionNames();
    reduction.append(rvars.rbegin(), rvars.rend());
    for (int64_t stage : {0, 1}) {
      if (stage == 1)
        write.reorder(p, 1, reduction);
      if (lanes > 1)
        write.vectorize(p, stage, channel, lanes);
      write.unroll(p, stage, channel);
    }
  }
  return true;
}

/// The constant extent of the innermost reduction variable, or none.
static std::optional<int64_t> innermostExtent(halide::UpdateOp update) {
  auto end = dyn_cast<IntegerAttr>(update.getEnds().getValue().back());
  auto min = dyn_cast<IntegerAttr>(update.getMins().getValue().back());
  if (!end || !min)
    return std::nullopt;
  return end.getInt() - min.getInt();
}

bool sylvite::scheduleRowReduction(PipelineView &view, const Machine &machine) {
  halide::FuncOp output = view.output;
  if (view.reductions.empty())
    return false;
  // Every reduction is over trailing dimensions, the same ones: its variables are rows of the output.
  unsigned kept = view.reductions.front().getRank();
  if (kept > output.getRank())
    return false;
  for (halide::FuncOp func : view.reductions) {
    halide::UpdateOp update = view.singleUpdate(func);
    if ((func == output && kept > 0) || !update || func.getRank() != kept || update.hasPredicate())
      return false;
    // The last reduction variable is the last index of what it reads.
    Value innermost = update.getReductionArguments().back();
    bool trailing = true;
    update.getBody().walk([&](halide::AtOp at) {
      if (at.getFunc() != update.getFunc() && llvm::is_contained(at.getIndices(), innermost))
        trailing &= at.getIndices().back() == innermost;
    });
    if (!trailing)
      return false;
  }
  SmallVector<StringRef> vars = output.getVarNames();
  int64_t lanes = machine.lanes(view.outputType.getElementType());
  ScheduleWriter write(view.pipeline);
  StringRef out = output.getSymName();
  if (output.getRank() > kept)
    write.vectorizeInnermost(out, 0, vars.back(), view.outputType.getShape().back(), lanes);
  SmallVector<StringRef> rows(llvm::reverse(ArrayRef<StringRef>(vars).take_front(kept)));
  StringRef row = write.parallelFused(out, 0, rows);
  // Where all dimensions go, there is one row, and it is computed before.
  auto place = [&](StringRef name) { kept ? write.computeAt(name, out, row) : write.computeRoot(name); };

  for (halide::FuncOp func : view.funcs) {
    StringRef name = func.getSymName();
    halide::UpdateOp update = view.singleUpdate(func);
    if (!update) {
      if (func == output)
        continue;
      // What two consumers read is kept for the row; the rest is computed where it is read.
      unsigned readers = 0;
      view.pipeline.walk([&](halide::AtOp at) { readers += at.getFunc() == name; });
      if (readers > 1) {
        place(name);
        if (func.getRank() > kept)
          write.vectorizeInnermost(name, 0, func.getVarNames().back(), ShapedType::kDynamic, lanes);
      }
      continue;
    }
    if (func != output)
      place(name);
    std::optional<int64_t> extent = innermostExtent(update);
    if (extent && *extent < 2 * lanes)
      continue;
    // A vector waits for the one before: in long rows there are more at a time.
    constexpr int64_t longRow = 16, together = 4;
    int64_t parts = extent && *extent >= longRow * lanes ? together * lanes : lanes;
    place(write.reduceInLanes(update, parts, lanes));
  }
  return true;
}
