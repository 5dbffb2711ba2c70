//===- OuterProducts.cpp - sums of outer products over many positions ------===//
//
// The gradient of a filter sums, over all items and positions, the outer product of an input's channels and a
// gradient's: a step of the reduction moves to another row of both. A register tile that ran over all positions would
// stream both operands from memory once per tile. Here it runs over a block of positions that stays in cache (rfactor),
// for all tiles, before the next block. The gradient of a dense layer's kernel is the case of matrices, whose rows are the
// positions: 80 to 86 % of the FMA peak (128 x 512 over 2048 rows, 256 x 1024 over 1024).
//
//===----------------------------------------------------------------------===//
#include "passes/schedule/Scheduling.h"

using namespace mlir;
using namespace sylvite;

/// Positions in a block. Their lines of both operands, a power of two apart, share few sets of the first cache; but a
/// sum beyond the second one is read and written once per block.
static constexpr int64_t cachedBlock = 32, streamedBlock = 128;
/// Tasks that a result is cut into. Each reads all of the other operand: more than two of a matrix have so many multiply-adds at
/// least for each element that they read.
static constexpr int64_t mostTasks = 4, fewestProducts = 80;

/// The constant extent of reduction variable `i`, or none.
static std::optional<int64_t> extentOf(halide::UpdateOp update, size_t i) {
  auto min = dyn_cast<IntegerAttr>(update.getMins()[i]), end = dyn_cast<IntegerAttr>(update.getEnds()[i]);
  if (!min || !end)
    return std::nullopt;
  return end.getInt() - min.getInt();
}

/// Items in a group that is summed by a task of its own, in some tens of microseconds; none where sizes other than their number are free.
static std::optional<int64_t> itemsOfGroup(halide::UpdateOp update, ArrayRef<int64_t> shape, int64_t lanes) {
  constexpr int64_t taskCycles = 1 << 16;
  int64_t cycles = ShapedType::getNumElements(shape) / (2 * lanes);
  for (size_t i = 1; i < update.getReductionNames().size(); ++i) {
    auto extent = extentOf(update, i);
    if (!extent)
      return std::nullopt;
    cycles *= *extent;
  }
  return llvm::bit_floor<uint64_t>(std::max<int64_t>(taskCycles / std::max<int64_t>(cycles, 1), 1));
}

/// The input that `update` reads along variable `var` of the result.
static StringRef inputAlong(PipelineView &view, halide::UpdateOp update, Value var) {
  StringRef name;
  update.getBody().walk([&](halide::AtOp at) {
    if (view.pipeline.lookupInput(at.getFunc()) &&
        llvm::any_of(at.getIndices(), [&](Value index) { return dependsOn(index, var); }))
      name = at.getFunc();
  });
  return name;
}

/// Whether `update` adds products of two reads, of which one alone moves with the result's last dimension, by ones, and
/// the other alone with the others; no reduction variable moves the last index of the first.
static bool sumsOuterProducts(halide::UpdateOp update) {
  ValueRange vars = update.getVarArguments(), others = vars.drop_back();
  unsigned columnReads = 0, otherReads = 0;
  update.getBody().walk([&](halide::AtOp at) {
    if (at.getFunc() == update.getFunc())
      return;
    auto moves = [&](Value var) {
      return llvm::any_of(at.getIndices(), [&](Value index) { return dependsOn(index, var); });
    };
    if (!moves(vars.back()))
      ++otherReads;
    else if (at.getIndices().back() == vars.back() && llvm::none_of(others, moves))
      ++columnReads;
  });
  return columnReads == 1 && otherReads == 1 && isDenseAlongInnermost(update);
}

/// The rows of a tile of one vector each that leaves half of the registers to what is made of the tile before: as many as divide
/// `rows` with equal `tasks`, or else `rows`. Zero where those would be too few to hide the latency of multiply-adds.
static int64_t rowsOfOverlappedTile(int64_t rows, int64_t tasks, const Machine &machine) {
  constexpr int64_t fewest = 6;
  int64_t most = machine.vectorRegisters / 2, equal = rows % tasks ? 0 : largestDivisor(rows / tasks, most);
  int64_t tile = equal >= fewest ? equal : largestDivisor(rows, most);
  return tile >= fewest ? tile : 0;
}

/// A product over few rows: a register tile runs over all of them. Columns go inside of rows, so that what is made of the sum on
/// the way, the update of a parameter, walks through whole rows of memory; the tiles of both operands come from the second cache.
/// 784 x 512 over 32 rows with Adam's update: 0.51 to 0.34 ms, of which multiply-adds at peak take 0.14. A result of few rows has
/// its tasks along the columns.
///
/// An update of parameters reads and writes more than the product, and waits for it; it is made while the next tile is summed. Tiles
/// of one vector leave it registers: 0.30 to 0.23 ms.
static void scheduleFewRows(PipelineView &view, halide::UpdateOp update, const Machine &machine) {
  constexpr int64_t tasks = 8, stepsOfVector = 2;
  ArrayRef<int64_t> shape = view.outputType.getShape();
  int64_t lanes = machine.lanes(view.outputType.getElementType());
  RowTile tile = chooseDividingTile(shape, /*rowDim=*/0, shape[1], lanes, rowsOfOneBlock, machine);
  int64_t rows = tile.factor, width = tile.size.vectors * lanes;
  int64_t overlappedRows = view.inputsOfOutput(update.getFuncOp()).empty() ? 0 : rowsOfOverlappedTile(shape[0], tasks, machine);
  if (overlappedRows) {
    rows = overlappedRows;
    width = lanes;
  }
  int64_t rowTiles = shape[0] / rows, columnTiles = shape[1] / width;
  bool rowsAreTasks = rowTiles >= tasks || rowTiles >= columnTiles;
  int64_t tiles = rowsAreTasks ? rowTiles : columnTiles, share = llvm::divideCeil(tiles, tasks);
  ScheduleWriter write(view.pipeline);
  StringRef out = view.output.getSymName(), p = update.getFunc(), row = view.output.getVarNames()[0],
            column = view.output.getVarNames()[1];
  write.split(out, 0, column, "co", "ci", width);
  write.split(out, 0, row, "xo", "xi", rows);
  StringRef outer = rowsAreTasks ? "xo" : "co", inner = rowsAreTasks ? "co" : "xo";
  write.split(out, 0, outer, "task", outer, share, tailApart(tiles, share));
  if (overlappedRows) {
    write.reorder(out, 0, {"ci", "xi", inner, outer, "task"});
    if (lanes > 1)
      write.vectorize(out, 0, "ci", lanes);
    write.parallel(out, 0, "task");
    write.overlap(out, inner, stepsOfVector);
  } else {
    write.tileOutput(out, lanes, {"ci", "xi", inner, outer}, {"task"});
  }
  write.computeAt(p, out, inner);
  write.boundExtent(p, column, width);
  write.boundExtent(p, row, rows);
  write.registerTile(p, column, row, lanes, update.getReductionNames());
}

bool sylvite::scheduleOuterProducts(PipelineView &view, const Machine &machine) {
  if (view.reductions.size() != 1 || view.outputType.getRank() < 2)
    return false;
  halide::FuncOp sum = view.reductions.front(), output = view.output;
  halide::UpdateOp update = view.singleUpdate(sum);
  if (sum == output || !update || sum.getRank() != output.getRank() || update.hasPredicate() ||
      !view.outputType.hasStaticShape() || !sumsOuterProducts(update))
    return false;

  ArrayRef<int64_t> shape = view.outputType.getShape();
  unsigned rowDim = shape.size() - 2;
  while (rowDim > 0 && shape[rowDim] == 1)
    --rowDim;
  int64_t columns = shape.back(), lanes = machine.lanes(view.outputType.getElementType());
  if (columns % lanes)
    return false;
  if (view.fewRows) {
    scheduleFewRows(view, update, machine);
    return true;
  }
  // A task reads its share of one operand: of the larger one, where both are matrices.
  bool isProduct = update.getReductionNames().size() == 1, rowsAreTasks = isProduct && shape[rowDim] > columns;
  int64_t whole = rowsAreTasks ? shape[rowDim] : columns, other = rowsAreTasks ? columns : shape[rowDim],
          step = rowsAreTasks ? 1 : lanes, share = whole;
  for (int64_t tasks = mostTasks; tasks > 1 && share == whole; --tasks)
    if (int64_t each = whole / tasks; whole % (tasks * step) == 0 && each >= 2 * lanes &&
                                      (!isProduct || tasks == 2 || each * other >= fewestProducts * (each + other)))
      share = each;
  int64_t taskColumns = rowsAreTasks ? columns : share, taskRows = rowsAreTasks ? share : shape[rowDim];
  int64_t sumBytes = view.outputType.getNumElements() / whole * share * (machine.vectorBytes / lanes);
  int64_t block = isProduct || sumBytes > 2 * machine.l2Bytes ? streamedBlock : cachedBlock;

  // The innermost loops of the reduction that make up a block; what is outside them goes from block to block.
  SmallVector<StringRef> loops = update.getReductionNames();
  int64_t positions = 1;
  std::optional<int64_t> factor;
  while (!loops.empty() && !factor) {
    auto extent = extentOf(update, loops.size() - 1);
    if (extent && positions * *extent <= block) {
      positions *= *extent;
      loops.pop_back();
      continue;
    }
    factor = std::max<int64_t>(block / positions, 1);
    if (extent)
      factor = partOf(*extent, *factor);
  }
  if (!factor)
    return false; // few positions: one block

  SmallVector<int64_t> taskShape(shape);
  taskShape[rowDim] = taskRows;
  RowTile tile = chooseDividingTile(taskShape, rowDim, taskColumns, lanes, positions * *factor, machine);
  int64_t width = tile.size.vectors * lanes;

  ScheduleWriter write(view.pipeline);
  StringRef out = output.getSymName(), p = sum.getSymName();
  SmallVector<StringRef> vars = output.getVarNames();
  StringRef task = rowsAreTasks ? vars[rowDim] : vars.back(), inner = rowsAreTasks ? "xi" : "ci";
  write.split(out, 0, task, "task", inner, share);
  SmallVector<StringRef> order;
  for (StringRef var : llvm::reverse(vars))
    order.push_back(var == task ? inner : var);
  order.push_back("task");
  write.reorder(out, 0, order);
  if (lanes > 1)
    write.vectorize(out, 0, order.front(), lanes);
  write.parallel(out, 0, "task");

  // The sum of a task's columns, in tiles; each tile adds what a block of positions gives.
  SmallVector<StringRef> sumVars = sum.getVarNames();
  StringRef sumColumn = sumVars.pop_back_val(), sumRow = sumVars[tile.dim];
  // A result too small for several tasks: groups of items are tasks, whose sums are added up at the end.
  std::string group = (p + "_group").str();
  auto items = isProduct || share < whole ? std::nullopt : itemsOfGroup(update, shape, lanes);
  if (items) {
    write.computeAt(p, out, "task");
    write.split(p, 1, loops.front(), "rg", loops.front(), *items);
    write.rfactor(p, 1, {"rg"}, {"group"}, group);
    for (int64_t stage : {0, 1})
      if (lanes > 1)
        write.vectorize(p, stage, sumColumn, lanes);
    write.computeRoot(group);
    write.parallel(group, 1, "group");
    p = group;
  }
  // What is whole in a tile, and the loops over tiles; innermost first.
  SmallVector<StringRef> wholeRows(std::make_reverse_iterator(sumVars.begin() + rowDim + 1),
                                   std::make_reverse_iterator(sumVars.begin() + tile.dim + 1));
  sumVars.erase(sumVars.begin() + tile.dim, sumVars.begin() + rowDim + 1);
  if (!items)
    write.computeAt(p, out, "task");
  if (lanes > 1)
    write.vectorize(p, 0, sumColumn, lanes);
  SmallVector<StringRef> preserved(loops), blocks;
  SmallVector<std::string> names;
  if (*factor > 1) {
    write.split(p, 1, loops.back(), "ro", "ri", *factor);
    preserved.back() = "ro";
  }
  for (size_t i = 0; i < preserved.size(); ++i)
    names.push_back("block" + std::to_string(i));
  blocks.assign(names.begin(), names.end());
  std::string part = (p + "_block").str();
  write.rfactor(p, 1, preserved, blocks, part);
  write.split(p, 1, sumColumn, "co", "ci", width);
  write.split(p, 1, sumRow, "xo", "xi", tile.factor);
  SmallVector<StringRef> written{"ci"}; // out
  written.append(wholeRows);
  written.push_back("xi");
  SmallVector<StringRef> tiles(written);
  tiles.append({"xo", "co"});
  tiles.append(sumVars.rbegin(), sumVars.rend());
  tiles.append(preserved.rbegin(), preserved.rend());
  if (items)
    tiles.push_back("group");
  write.reorder(p, 1, tiles);
  if (lanes > 1)
    write.vectorize(p, 1, "ci", lanes);
  for (StringRef var : written)
    write.unroll(p, 1, var);

  // What one of the operands is made of on the way is computed for a block of positions.
  for (halide::FuncOp func : view.funcs) {
    if (func == sum)
      break; // what is made of the sum is the output's
    StringRef channel = func.getVarNames().back();
    write.computeAt(func.getSymName(), p, preserved.back());
    if (lanes > 1)
      write.vectorize(func.getSymName(), 0, channel, lanes);
  }

  // Rows of a matrix are far apart, in few sets of the first cache: what the tiles of a block read is copied together for
  // them, of one operand the columns of a tile, of the other those of a task, where several tiles read them, and a line more
  // apart than they are long. Measured, the former doubles the speed, the latter adds a tenth, and the line another (128 x 512 over
  // 2048 rows: 1.67 to 1.53 ms). Of an image the columns are, for many tiles: ResNet-18's gradients on CIFAR 244 to 231 ms.
  constexpr int64_t fewestReaders = 8; // tiles, for which a copy pays
  int64_t readers = ShapedType::getNumElements(ArrayRef(taskShape).take_front(tile.dim + 1)) / tile.factor;
  ValueRange sumArguments = update.getVarArguments();
  if (StringRef columns = inputAlong(view, update, sumArguments.back()); (isProduct || readers >= fewestReaders) && !columns.empty()) {
    write.in(columns, part, "columns");
    write.computeAt("columns", p, "co");
    write.boundExtent("columns", "_0", width);
    if (lanes > 1)
      write.vectorize("columns", 0, "_0", lanes);
    write.unroll("columns", 0, "_0");
  }
  if (StringRef rows = inputAlong(view, update, sumArguments[tile.dim]); isProduct && !rows.empty() && taskColumns > width) {
    write.in(rows, part, "rows");
    write.computeAt("rows", p, preserved.back());
    if (lanes > 1)
      write.vectorize("rows", 0, "_0", lanes, halide::TailStrategy::GuardWithIf);
    write.alignStorage("rows", "_0", taskRows + lineBytes * lanes / machine.vectorBytes);
  }

  write.computeAt(part, p, "xo");
  write.boundExtent(part, sumColumn, width);
  write.boundExtent(part, sumRow, tile.factor);
  SmallVector<StringRef> reduction{sumColumn}, inside = update.getReductionNames();
  reduction.append(wholeRows);
  reduction.push_back(sumRow);
  inside.erase(inside.begin(), inside.begin() + loops.size());
  reduction.append(inside.rbegin(), inside.rend());
  if (*factor > 1)
    reduction.push_back("ri");
  for (int64_t stage : {0, 1}) {
    if (stage == 1)
      write.reorder(part, 1, reduction);
    if (lanes > 1)
      write.vectorize(part, stage, sumColumn, lanes);
    write.unroll(part, stage, sumColumn);
    for (StringRef var : wholeRows)
      write.unroll(part, stage, var);
    write.unroll(part, stage, sumRow);
  }
  return true;
}
