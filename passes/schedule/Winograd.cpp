//===- Winograd.cpp - the schedule of Winograd's convolution ---------------===//
//
// A group of tiles at a time, whole rows or part of one: its input is copied with zeros around, transformed,
// and stays in the second cache; then a block of filters at a time, whose products with all tiles of the
// group are register tiles, and whose outputs are transformed back and meet the epilogue. Each transformed
// filter is read once per group.
//
//===----------------------------------------------------------------------===//
#include "passes/schedule/Scheduling.h"

using namespace mlir;
using namespace sylvite;
using halide::TailStrategy;

bool sylvite::scheduleWinograd(PipelineView &view, const Machine &machine) {
  auto winograd = view.pipeline.lookupFunc("winograd"), sums = view.pipeline.lookupFunc("sums");
  if (!winograd || !sums)
    return false;
  halide::UpdateOp update = view.singleUpdate(sums);
  ArrayRef<int64_t> shape = view.outputType.getShape();
  RankedTensorType filter = view.pipeline.lookupInput(view.weightsOf(update)).getBufferType();
  int64_t points = filter.getDimSize(1), tile = points == 16 ? 2 : 4, channels = filter.getDimSize(2),
          width = filter.getDimSize(3), height = shape[1], filters = shape[3];
  int64_t vectorLanes = machine.lanes(filter.getElementType()), lanes = std::min(vectorLanes, filters);
  WinogradPlan plan = planWinograd({height, shape[2], channels, filters, lanes}, machine, tile,
                                   width / lanes);
  int64_t inputBlock = 1;
  for (auto at : update.getBody().getOps<halide::AtOp>())
    if (at.getFunc() == "input_points")
      inputBlock = std::max<int64_t>(panelWidth(at, update.getBody().getArguments().back()), 1);
  int64_t inputLanes = std::min(vectorLanes, inputBlock);

  ScheduleWriter write(view.pipeline);
  StringRef out = view.output.getSymName();
  SmallVector<StringRef> vars = view.output.getVarNames();
  StringRef n = vars[0], y = vars[1], x = vars[2], c = vars[3];
  write.split(out, 0, c, "co", "cb", width, tailApart(filters, width));
  write.split(out, 0, "cb", "cv", "ci", lanes, TailStrategy::RoundUp);
  write.split(out, 0, x, "xo", "xi", tile, tailApart(shape[2], tile));
  write.split(out, 0, y, "yo", "yi", tile, tailApart(height, tile));
  write.split(out, 0, "yo", "yg", "yt", plan.groupRows, TailStrategy::RoundUp);
  write.split(out, 0, "xo", "xg", "xt", plan.groupColumns, TailStrategy::RoundUp);
  write.reorder(out, 0, {"ci", "xi", "yi", "cv", "xt", "yt", "co", "xg", "yg", n});
  if (lanes > 1)
    write.vectorize(out, 0, "ci");
  write.unroll(out, 0, "xi");
  write.unroll(out, 0, "yi");
  int64_t groups = llvm::divideCeil(llvm::divideCeil(height, tile), plan.groupRows) *
                   llvm::divideCeil(llvm::divideCeil(shape[2], tile), plan.groupColumns);
  write.parallelFused(out, 0, {"xg", "yg", n});
  bool isOneGroup = groups == 1; // then blocks of filters are tasks
  if (isOneGroup)
    write.parallel(out, 0, "co");

  for (StringRef name : {"output_tiles", "output_rows"}) {
    write.computeAt(name, out, "cv");
    SmallVector<StringRef> own = view.pipeline.lookupFunc(name).getVarNames();
    if (lanes > 1)
      write.vectorize(name, 0, own.back());
    write.unroll(name, 0, own[2]);
    write.unroll(name, 0, own[3]);
  }

  write.computeAt("products", out, "co");
  write.boundExtent("products", "ci", width);
  write.split("products", 0, "t", "to", "t", plan.product.rows, TailStrategy::RoundUp);
  write.reorder("products", 0, {"ci", "t", "to", "b", "a"});
  if (lanes > 1)
    write.vectorize("products", 0, "ci", lanes);
  write.unroll("products", 0, "ci");
  write.unroll("products", 0, "t");

  // Register tiles of one point. Where the first cache does not hold all weights of the point, it holds a part of them for all
  // tiles, whose sums are there too meanwhile, if they are few enough.
  int64_t steps = inputBlock % mostWrittenSteps ? 1 : mostWrittenSteps, blocks = channels / inputBlock,
          rowBytes = width * filter.getElementTypeBitWidth() / 8, held = heldSteps(blocks, inputBlock * rowBytes);
  if (plan.groupRows * plan.groupColumns * rowBytes > heldBytes / 2)
    held = blocks;
  write.computeAt("sums", "products", held == blocks ? "to" : "b");
  write.split("sums", 1, "rc", "ro", "rc", inputBlock);
  write.split("sums", 1, "rc", "rc", "ri", steps);
  write.split("sums", 1, "ro", "rb", "ro", held);
  for (int64_t stage : {0, 1})
    write.split("sums", stage, "t", "to", "t", plan.product.rows, TailStrategy::RoundUp);
  write.registerTile("sums", "ci", "t", lanes, {"ri", "rc", "ro", "to", "rb"});
  write.unroll("sums", 1, "ri");
  // What comes from beyond the second cache is fetched a point ahead.
  if (filter.getNumElements() * filter.getElementTypeBitWidth() / 8 > machine.l2Bytes / 2)
    write.prefetch("sums", 1, view.weightsOf(update), "rc", channels / steps);

  write.computeAt("input_points", out, "task");
  if (inputLanes > 1)
    write.vectorize("input_points", 0, "ci", inputLanes);
  write.reorder("input_points", 0, {"b", "a", "ci", "t", "co"});
  write.unroll("input_points", 0, "b");
  write.unroll("input_points", 0, "a");
  if (isOneGroup)
    write.parallel("input_points", 0, "t");

  write.computeAt("input_rows", "input_points", "ci");
  if (inputLanes > 1)
    write.vectorize("input_rows", 0, "ci");
  write.unroll("input_rows", 0, "a");
  write.unroll("input_rows", 0, "j");

  write.computeAt("padded", out, "task");
  write.vectorizeInnermost("padded", 0, "c", channels, std::min(vectorLanes, channels));
  return true;
}
