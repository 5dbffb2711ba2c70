//===- Winograd.cpp - the schedule of Winograd's convolution ---------------===//
//
// A group of tiles at a time, whole rows or part of one: its input is transformed, zeros around it by a choice for each
// value that may lie outside, and stays in the second cache; then a block of filters at a time, whose products with all
// tiles of the group are register tiles, and whose outputs are transformed back, meet the epilogue and are pooled. Each transformed
// filter is read once per group, or its taps, which are then transformed a part of their channels at a time.
//
// The gradient of a filter goes by blocks of its channels and filters, and for each by groups of items: both images are
// transformed, then each point's tiles are multiplied, and added to sums that stay in the second cache.
//
//===----------------------------------------------------------------------===//
#include "passes/schedule/Scheduling.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <cmath>

using namespace mlir;
using namespace sylvite;
using halide::TailStrategy;

/// The width of the blocks in which `update` reads `func` along `column`; one where it reads no blocks.
static int64_t blockRead(halide::UpdateOp update, StringRef func, Value column) {
  for (auto at : update.getBody().getOps<halide::AtOp>())
    if (at.getFunc() == func)
      return std::max<int64_t>(panelWidth(at, column), 1);
  return 1;
}

/// The transform of the tiles of `source`, an image or a filter, in vectors of `lanes` channels, for the loop `var` of
/// `consumer`. `tiles` are the loops over them, innermost first.
static void scheduleTransform(ScheduleWriter &write, StringRef source, ArrayRef<StringRef> tiles, StringRef consumer,
                              StringRef var, int64_t lanes) {
  std::string points = (source + "_points").str(), rows = (source + "_rows").str();
  write.computeAt(points, consumer, var);
  if (lanes > 1)
    write.vectorize(points, 0, "ci", lanes);
  SmallVector<StringRef> order{"b", "a", "ci"};
  order.append(tiles.begin(), tiles.end());
  write.reorder(points, 0, order);
  write.unroll(points, 0, "b");
  write.unroll(points, 0, "a");
  write.computeAt(rows, points, "ci");
  if (lanes > 1)
    write.vectorize(rows, 0, "ci");
  write.unroll(rows, 0, "a");
  write.unroll(rows, 0, "j");
}

/// The transform of the tiles of an image, `columns` of which are taken in a row: in whole rows of tiles, Halide sees which of a
/// tile's values may lie outside the image, and chooses between these and zero alone. Of several items, each has `rows` of them.
static void scheduleTiles(ScheduleWriter &write, StringRef image, int64_t columns, std::optional<int64_t> rows, StringRef consumer,
                          StringRef var, int64_t lanes) {
  std::string points = (image + "_points").str();
  // All channels of a tile, which lie side by side in the image, before the next one: VGG-16's block1_conv2 7.7 to 7.1 ms.
  SmallVector<StringRef> tiles{"co", "t", "ty"};
  write.split(points, 0, "t", "ty", "t", columns, TailStrategy::RoundUp);
  if (rows) {
    write.split(points, 0, "ty", "ti", "ty", *rows, TailStrategy::RoundUp);
    tiles.push_back("ti");
  }
  tiles.push_back("n");
  scheduleTransform(write, image, tiles, consumer, var, lanes);
}

/// A filter that is transformed from its taps, or to them: vectors "oi" of `lanes` filters, in a loop "oo", whose rows `a` and
/// columns `b` are written out.
static void scheduleFilterRows(ScheduleWriter &write, StringRef out, StringRef a, StringRef b, int64_t lanes) {
  if (lanes > 1)
    write.vectorize(out, 0, "oi");
  write.unroll(out, 0, b);
  write.unroll(out, 0, a);
  write.computeAt("filter_rows", out, "oo");
  if (lanes > 1)
    write.vectorize("filter_rows", 0, "o");
  write.unroll("filter_rows", 0, "i");
  write.unroll("filter_rows", 0, "b");
}

/// The input of which "filter_rows" are made.
static StringRef tapsOf(PipelineView &view) {
  auto reads = view.pipeline.lookupFunc("filter_rows").getBody().getOps<halide::AtOp>();
  return (*reads.begin()).getFunc();
}

/// Outputs in a row of a tile, among which the transform chooses.
static int64_t tileOf(PipelineView &view) {
  return llvm::range_size(view.pipeline.lookupFunc("output_tiles").getBody().getOps<arith::SelectOp>()) + 1;
}

/// How many items have their tiles in one group, by which the transform divides an item's number.
static int64_t itemsOf(PipelineView &view) {
  halide::FuncOp winograd = view.pipeline.lookupFunc("winograd");
  for (auto division : winograd.getBody().getOps<arith::FloorDivSIOp>())
    if (division.getLhs() == winograd.getVarArguments().front())
      return *getConstantIntValue(division.getRhs());
  return 1;
}

/// The width of the windows of a pooling that is part of the kernel; one where there is none.
static int64_t windowOf(PipelineView &view) {
  halide::FuncOp pool = view.pipeline.lookupFunc("max_pool");
  return pool ? std::lround(std::sqrt(llvm::range_size(pool.getBody().getOps<halide::AtOp>()))) : 1;
}

/// The products of a block of filters, which are transformed before: register tiles of one point. Where the first cache does not
/// hold all weights of the point, it holds a part of them for all tiles, whose sums are there too meanwhile, if they are few
/// enough.
static void multiplyPoints(ScheduleWriter &write, StringRef out, const WinogradPlan &plan, int64_t lanes, int64_t steps,
                           int64_t inputBlock, StringRef weights, RankedTensorType filter, const Machine &machine) {
  int64_t width = plan.product.vectors * lanes, channels = filter.getDimSize(2), blocks = channels / inputBlock,
          elementBytes = filter.getElementTypeBitWidth() / 8, rowBytes = width * elementBytes,
          held = heldSteps(blocks, inputBlock * rowBytes);
  if (plan.groupRows * plan.groupColumns * rowBytes > heldBytes / 2)
    held = blocks;
  write.computeAt("products", out, "co");
  write.boundExtent("products", "ci", width);
  write.split("products", 0, "t", "to", "t", plan.product.rows, TailStrategy::RoundUp);
  write.reorder("products", 0, {"ci", "t", "to", "b", "a"});
  if (lanes > 1)
    write.vectorize("products", 0, "ci", lanes);
  write.unroll("products", 0, "ci");
  write.unroll("products", 0, "t");

  write.computeAt("sums", "products", held == blocks ? "to" : "b");
  write.split("sums", 1, "rc", "ro", "rc", inputBlock);
  write.split("sums", 1, "rc", "rc", "ri", steps);
  write.split("sums", 1, "ro", "rb", "ro", held);
  for (int64_t stage : {0, 1})
    write.split("sums", stage, "t", "to", "t", plan.product.rows, TailStrategy::RoundUp);
  write.registerTile("sums", "ci", "t", lanes, {"ri", "rc", "ro", "to", "rb"});
  write.unroll("sums", 1, "ri");
  // What comes from beyond the second cache is fetched a point ahead.
  if (filter.getNumElements() * elementBytes > machine.l2Bytes / 2)
    write.prefetch("sums", 1, weights, "rc", channels / steps);
}

/// The products of a block of filters given as taps. Those of a part of the channels are transformed, stay in the second cache,
/// and are multiplied with all tiles: register tiles of one point, which are added to the sums.
static void multiplyTaps(ScheduleWriter &write, StringRef out, const WinogradPlan &plan, int64_t lanes, int64_t steps, StringRef taps) {
  int64_t width = plan.product.vectors * lanes;
  write.computeAt("sums", out, "co");
  write.boundExtent("sums", "ci", width);
  write.split("sums", 1, "rc", "rb", "rc", plan.channels);
  write.rfactor("sums", 1, {"rb"}, {"part"}, "sums_part");
  for (int64_t stage : {0, 1}) {
    write.split("sums", stage, "t", "to", "t", plan.product.rows, TailStrategy::RoundUp);
    if (lanes > 1)
      write.vectorize("sums", stage, "ci", lanes);
    write.unroll("sums", stage, "ci");
    write.unroll("sums", stage, "t");
  }
  write.reorder("sums", 1, {"ci", "t", "to", "b", "a", "rb"});
  write.computeAt("sums_part", "sums", "to");
  write.boundExtent("sums_part", "ci", width);
  write.split("sums_part", 1, "rc", "rc", "ri", steps);
  write.registerTile("sums_part", "ci", "t", lanes, {"ri", "rc"});
  write.unroll("sums_part", 1, "ri");

  // While a part is multiplied, the taps of the next one are fetched.
  write.prefetch("sums", 1, taps, "rb", 1);
  scheduleTransform(write, "filter", {"k", "co"}, "sums", "rb", lanes);
}

bool sylvite::scheduleWinograd(PipelineView &view, const Machine &machine) {
  auto winograd = view.pipeline.lookupFunc("winograd"), sums = view.pipeline.lookupFunc("sums");
  if (!winograd || !sums)
    return false;
  halide::UpdateOp update = view.singleUpdate(sums);
  ArrayRef<int64_t> shape = view.outputType.getShape();
  bool takesTaps = bool(view.pipeline.lookupFunc("filter_points"));
  StringRef weights = takesTaps ? tapsOf(view) : view.weightsOf(update);
  RankedTensorType filter = view.pipeline.lookupInput(weights).getBufferType();
  int64_t tile = tileOf(view), window = windowOf(view), channels = filter.getDimSize(takesTaps ? 1 : 2),
          width = filter.getDimSize(3), filters = shape[3];
  auto sizeOf = [&](unsigned dim) { return ShapedType::isDynamic(shape[dim]) ? shape[dim] : window * shape[dim]; };
  int64_t vectorLanes = machine.lanes(filter.getElementType()), lanes = std::min(vectorLanes, filters);
  int64_t items = itemsOf(view);
  WinogradPlan plan = planWinograd({sizeOf(1), sizeOf(2), channels, filters, lanes, /*batch=*/items}, machine,
                                   WinogradFilter{tile, width / lanes, takesTaps, items});
  int64_t inputBlock = blockRead(update, "input_points", update.getReductionArguments().back());

  ScheduleWriter write(view.pipeline);
  StringRef out = view.output.getSymName();
  SmallVector<StringRef> vars = view.output.getVarNames();
  // A row of tiles lies along x: of a known length, or in strips; along y where x alone is free.
  unsigned along = ShapedType::isDynamic(shape[2]) && !ShapedType::isDynamic(shape[1]) ? 1 : 2, across = 3 - along;
  bool inStrips = ShapedType::isDynamic(shape[along]), isFree = ShapedType::isDynamic(shape[across]);
  StringRef n = vars[0], y = vars[across], x = vars[along], c = vars[3];
  write.split(out, 0, c, "co", "cb", width, tailApart(filters, width));
  write.split(out, 0, "cb", "cv", "ci", lanes, TailStrategy::RoundUp);
  auto tailOf = [&](unsigned dim) { return ShapedType::isDynamic(shape[dim]) ? TailStrategy::GuardWithIf : TailStrategy::RoundUp; };
  write.split(out, 0, x, "xo", "xi", tile / window, tailApart(shape[along], tile / window));
  write.split(out, 0, y, "yo", "yi", tile / window, tailApart(shape[across], tile / window));
  write.split(out, 0, "yo", "yg", "yt", plan.groupRows, tailOf(across));
  write.split(out, 0, "xo", "xg", "xt", plan.groupColumns, tailOf(along));
  SmallVector<StringRef> order{"ci", "xi", "yi", "cv", "xt", "yt"};
  if (items > 1) {
    write.split(out, 0, n, "ng", "ni", items, tailApart(shape[0], items));
    order.push_back("ni");
    n = "ng";
  }
  order.append({"co", "xg", "yg", n});
  write.reorder(out, 0, order);
  if (lanes > 1)
    write.vectorize(out, 0, "ci");
  write.unroll(out, 0, "xi");
  write.unroll(out, 0, "yi");
  auto groupsOf = [&](unsigned dim, int64_t size) {
    int64_t positions = ShapedType::isDynamic(shape[dim]) ? typicalExtent : sizeOf(dim);
    return llvm::divideCeil(llvm::divideCeil(positions, tile), size);
  };
  int64_t groups = groupsOf(across, plan.groupRows) * groupsOf(along, plan.groupColumns);
  write.parallelFused(out, 0, {"xg", "yg", n});
  bool isOneGroup = groups == 1; // then blocks of filters are tasks
  if (isOneGroup)
    write.parallel(out, 0, "co");

  for (StringRef name : {"output_tiles", "output_rows"}) {
    write.computeAt(name, out, "cv");
    SmallVector<StringRef> own = view.pipeline.lookupFunc(name).getVarNames();
    if (lanes > 1)
      write.vectorize(name, 0, own.back());
    for (StringRef place : ArrayRef(own).drop_back().take_back(2))
      write.unroll(name, 0, place);
    // One tile, which lies in the image.
    if (isFree)
      write.boundExtent(name, "t", 1);
    if (filters % lanes)
      write.boundExtent(name, own.back(), lanes);
  }

  int64_t steps = inputBlock % mostWrittenSteps ? 1 : mostWrittenSteps;
  if (takesTaps)
    multiplyTaps(write, out, plan, lanes, steps, weights);
  else
    multiplyPoints(write, out, plan, lanes, steps, inputBlock, weights, filter, machine);

  scheduleTiles(write, "input", plan.groupColumns, items > 1 ? std::optional(plan.groupRows) : std::nullopt, out, "task",
                std::min(vectorLanes, inputBlock));
  if (inStrips) // of which a group is part of one
    for (halide::FuncOp func : view.funcs)
      if (llvm::is_contained(func.getVarNames(), "s") && func.getSymName() != out)
        write.boundExtent(func.getSymName(), "s", 1);
  if (isOneGroup)
    write.parallel("input_points", 0, items > 1 ? "ti" : "ty");
  return true;
}

bool sylvite::scheduleWinogradFilter(PipelineView &view, const Machine &machine) {
  if (!view.pipeline.lookupFunc("winograd_filter"))
    return false;
  ScheduleWriter write(view.pipeline);
  StringRef out = view.output.getSymName();
  SmallVector<StringRef> vars = view.output.getVarNames();
  StringRef a = vars[0], b = vars[1], c = vars[2], o = vars[3];
  int64_t filters = view.outputType.getDimSize(3),
          lanes = std::min<int64_t>(machine.lanes(view.outputType.getElementType()), filters);
  write.split(out, 0, o, "oo", "oi", lanes, tailFor(filters, lanes));
  write.reorder(out, 0, {"oi", b, a, "oo", c});
  scheduleFilterRows(write, out, a, b, lanes);
  write.parallel(out, 0, c);
  return true;
}

/// The plan of the gradient of a filter: the image from which the gradient's tiles are made has the shape of the convolution's
/// result.
static WinogradGradientPlan planOf(PipelineView &view, const Machine &machine, int64_t lanes, int64_t tiles) {
  RankedTensorType image;
  for (StringRef name : {"gradient_rows", "padded_gradient"})
    if (halide::FuncOp func = view.pipeline.lookupFunc(name))
      func.walk([&](halide::AtOp at) {
        if (halide::InputOp input = view.pipeline.lookupInput(at.getFunc()))
          image = input.getBufferType();
      });
  int64_t height = image.getDimSize(1), width = image.getDimSize(2);
  int64_t tile = llvm::divideCeil(height, 4) * llvm::divideCeil(width, 4) == uint64_t(tiles) ? 4 : 2;
  ArrayRef<int64_t> filter = view.outputType.getShape();
  return planWinogradGradient({height, width, filter[2], filter[3], lanes}, machine, tile);
}

bool sylvite::scheduleWinogradGradient(PipelineView &view, const Machine &machine) {
  auto filter = view.pipeline.lookupFunc("winograd_grad_filter"), products = view.pipeline.lookupFunc("products");
  if (!filter || !products)
    return false;
  int64_t tiles = cast<IntegerAttr>(view.singleUpdate(products).getEnds().getValue().back()).getInt(),
          lanes = machine.lanes(view.outputType.getElementType());
  WinogradGradientPlan plan = planOf(view, machine, lanes, tiles);
  int64_t width = plan.product.size.vectors * lanes;

  ScheduleWriter write(view.pipeline);
  StringRef out = view.output.getSymName();
  SmallVector<StringRef> vars = view.output.getVarNames();
  StringRef y = vars[0], x = vars[1], c = vars[2], o = vars[3];
  write.split(out, 0, c, "ct", "ci", plan.channels, TailStrategy::RoundUp);
  write.split(out, 0, o, "ot", "oo", plan.filters, TailStrategy::RoundUp);
  write.split(out, 0, "oo", "oo", "oi", lanes, TailStrategy::RoundUp);
  write.reorder(out, 0, {"oi", x, y, "oo", "ci", "ot", "ct"});
  scheduleFilterRows(write, out, y, x, lanes);
  StringRef task = write.parallelFused(out, 0, {"ot", "ct"});

  // Sums over all items, to which a group adds its own.
  write.computeAt("products", out, task);
  if (lanes > 1)
    write.vectorize("products", 0, "o", lanes);
  StringRef group = "rn";
  if (plan.items > 1) {
    write.split("products", 1, "rn", "ro", "ri", plan.items);
    group = "ro";
  }
  write.rfactor("products", 1, {group}, {"group"}, "products_group");
  write.split("products", 1, "o", "oo", "oi", width);
  write.split("products", 1, "c", "co", "ci", plan.product.factor);
  write.reorder("products", 1, {"oi", "ci", "co", "oo", "b", "a", group});
  if (lanes > 1)
    write.vectorize("products", 1, "oi", lanes);
  write.unroll("products", 1, "oi");
  write.unroll("products", 1, "ci");
  write.computeAt("products_group", "products", "co");
  write.boundExtent("products_group", "o", width);
  write.boundExtent("products_group", "c", plan.product.factor);
  SmallVector<StringRef> reductions{"rt"};
  if (plan.items > 1)
    reductions.push_back("ri");
  write.registerTile("products_group", "o", "c", lanes, reductions);

  for (StringRef image : {"input", "gradient"})
    scheduleTiles(write, image, plan.tilesInRow, /*rows=*/std::nullopt, "products", group, lanes);
  return true;
}
