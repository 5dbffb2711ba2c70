//===- Attention.cpp - attention, a few rows at a time ---------------------===//
//
// Per head, panels of keys and of values; per row tile, its scores, their softmax and its part of the result. What a row
// tile needs of the scores (rows x keys) stays in the first cache up to some thousand keys, and in the second beyond;
// the tensor of all scores is never in memory. Both products are register tiles of one panel's columns by the rows.
//
//===----------------------------------------------------------------------===//
#include "passes/schedule/Scheduling.h"

#include <numeric>

using namespace mlir;
using namespace sylvite;

/// The output's variable that is coordinate `dim` of @attention, through transposes.
static StringRef outputVariable(PipelineView &view, halide::FuncOp attention, unsigned dim) {
  // From the func that the output reads back to the output, a coordinate is a variable at each step.
  SmallVector<halide::FuncOp> chain{attention};
  while (chain.back() != view.output) {
    halide::FuncOp reader;
    unsigned next = dim;
    for (halide::FuncOp func : view.funcs)
      func.walk([&](halide::AtOp at) {
        if (at.getFunc() != chain.back().getSymName())
          return;
        auto argument = dyn_cast<BlockArgument>(at.getIndices()[dim]);
        reader = func;
        next = argument ? argument.getArgNumber() : func.getRank();
      });
    if (!reader || next >= reader.getRank())
      return {};
    chain.push_back(reader);
    dim = next;
  }
  return view.output.getVarNames()[dim];
}

/// Elements of the input that `func` reads, through transposes, which lie next to each other along its variable `dim`.
static int64_t contiguousElements(PipelineView &view, halide::FuncOp func, unsigned dim) {
  SmallVector<halide::AtOp> reads;
  func.walk([&](halide::AtOp at) { reads.push_back(at); });
  if (reads.size() != 1)
    return 1;
  auto isVariable = [&](Value index) {
    auto argument = dyn_cast<BlockArgument>(index);
    return argument && argument.getArgNumber() == dim;
  };
  auto indices = reads.front().getIndices();
  unsigned position = llvm::find_if(indices, isVariable) - indices.begin();
  if (halide::FuncOp next = view.pipeline.lookupFunc(reads.front().getFunc()))
    return contiguousElements(view, next, position);
  halide::InputOp input = view.pipeline.lookupInput(reads.front().getFunc());
  return input && position + 1 == indices.size() ? std::max<int64_t>(input.getBufferType().getShape().back(), 1) : 1;
}

/// In how many blocks of its rows a head of `flops` is divided. Where heads are few, an even number of tasks keeps cores busy;
/// each block makes panels of its own of all keys and values.
static int64_t countBlocks(int64_t heads, double flops) {
  constexpr int64_t fewestTasks = 4, many = 8;
  constexpr double leastFlops = 4e6; // beside which the panels are little
  int64_t blocks = 1;
  while (heads < many && (heads * blocks < fewestTasks || heads * blocks % 2))
    ++blocks;
  return flops / blocks < leastFlops ? 1 : blocks;
}

bool sylvite::scheduleAttention(PipelineView &view, const Machine &machine) {
  // products, row_max, row_sum, weighted: see passes/lower/Attention.cpp.
  if (view.reductions.size() != 4)
    return false;
  halide::FuncOp products = view.reductions[0], maximum = view.reductions[1], total = view.reductions[2],
                 weighted = view.reductions[3];
  unsigned rank = products.getRank();
  if (rank < 2 || weighted.getRank() != rank || maximum.getRank() != rank - 1 || total.getRank() != rank - 1 ||
      !llvm::all_of(view.reductions, [&](halide::FuncOp func) { return view.singleUpdate(func) && func != view.output; }))
    return false;
  // What each step reads of the one before, and the width of the panels that a product reads.
  auto readIn = [&](halide::UpdateOp update, unsigned rank) {
    halide::AtOp found;
    update.getBody().walk([&](halide::AtOp at) {
      if (auto func = view.pipeline.lookupFunc(at.getFunc());
          func && func != update.getFuncOp() && func.getRank() == rank)
        found = at;
    });
    return found;
  };
  auto funcReadIn = [&](halide::UpdateOp update, unsigned rank) {
    halide::AtOp at = readIn(update, rank);
    return at ? view.pipeline.lookupFunc(at.getFunc()) : nullptr;
  };
  auto panelsReadIn = [&](halide::UpdateOp update) {
    halide::AtOp at = readIn(update, rank + 1);
    return at ? panelWidth(at, update.getVarArguments().back()) : 0;
  };
  halide::FuncOp scores = funcReadIn(view.singleUpdate(maximum), rank), weights = funcReadIn(view.singleUpdate(total), rank),
                 keys = funcReadIn(view.singleUpdate(products), rank + 1),
                 values = funcReadIn(view.singleUpdate(weighted), rank + 1), attention;
  int64_t keyPanel = panelsReadIn(view.singleUpdate(products)), valuePanel = panelsReadIn(view.singleUpdate(weighted));
  for (halide::FuncOp func : view.funcs)
    func.walk([&](halide::AtOp at) { attention = at.getFunc() == weighted.getSymName() ? func : attention; });
  if (!scores || !weights || !keyPanel || !valuePanel || !attention)
    return false;
  StringRef row = outputVariable(view, attention, rank - 2), column = outputVariable(view, attention, rank - 1);
  SmallVector<StringRef> vars = view.output.getVarNames();
  if (row.empty() || column.empty() || column != vars.back())
    return false;

  Type element = view.outputType.getElementType();
  int64_t keyLanes = std::gcd<int64_t>(machine.lanes(element), keyPanel),
          valueLanes = std::gcd<int64_t>(machine.lanes(element), valuePanel);
  int64_t width = view.outputType.getShape().back();
  int64_t rows = view.outputType.getShape()[llvm::find(vars, row) - vars.begin()];
  if (ShapedType::isDynamic(width))
    return false;
  int64_t vectors = std::max(keyPanel / keyLanes, valuePanel / valueLanes);
  Tile tile = chooseTile(attentionProduct(vectors * keyLanes, rows, /*depth=*/64, keyLanes), machine, vectors);

  // The number of keys that a row is reduced over; zero where it is free.
  auto endOf = [&](halide::FuncOp reduction) {
    auto end = dyn_cast<IntegerAttr>(view.singleUpdate(reduction).getEnds().getValue().front());
    return end ? end.getInt() : 0;
  };
  ScheduleWriter write(view.pipeline);
  StringRef out = view.output.getSymName();
  auto names = [](halide::FuncOp func) { return func.getVarNames(); };
  // A tile of the result.
  write.split(out, 0, column, "co", "ci", valuePanel,
              width % valuePanel ? halide::TailStrategy::GuardWithIf : tailFor(width, valuePanel));
  write.split(out, 0, row, "xo", "xi", tile.rows, tailFor(rows, tile.rows));
  SmallVector<StringRef> tasks, order{"ci", "xi", "co", "xo"};
  int64_t numHeads = 1;
  bool isFree = ShapedType::isDynamic(rows);
  for (auto [var, size] : llvm::drop_begin(llvm::zip(vars, view.outputType.getShape())))
    if (var != row && var != column) {
      if (ShapedType::isDynamic(size))
        isFree = true;
      else
        numHeads *= size;
    }
  int64_t blocks = isFree ? 1 : countBlocks(numHeads, 4.0 * rows * endOf(maximum) * width);
  if (blocks > 1) {
    int64_t tiles = llvm::divideCeil(rows, tile.rows), together = llvm::divideCeil(tiles, blocks);
    write.split(out, 0, "xo", "xb", "xo", together, tailApart(tiles, together));
    tasks.push_back("xb");
  }
  for (StringRef var : llvm::reverse(vars))
    if (var != row && var != column)
      tasks.push_back(var);
  order.append(tasks);
  write.reorder(out, 0, order);
  write.vectorize(out, 0, "ci", valueLanes);
  write.unroll(out, 0, "ci");
  write.unroll(out, 0, "xi");
  StringRef task = write.parallelFused(out, 0, tasks);

  for (auto [panels, width, lanes] : {std::tuple(keys, keyPanel, keyLanes), {values, valuePanel, valueLanes}}) {
    if (task.empty())
      write.computeRoot(panels.getSymName());
    else
      write.computeAt(panels.getSymName(), out, task);
    write.boundExtent(panels.getSymName(), names(panels).back(), width);
    // Keys that lie in rows are read so, and transposed in registers.
    bool inRows = panels == keys && contiguousElements(view, keys, rank - 1) % lanes == 0;
    write.vectorize(panels.getSymName(), 0, names(panels)[inRows ? rank - 1 : rank], lanes);
    if (inRows)
      write.unroll(panels.getSymName(), 0, names(panels).back());
  }

  // A register tile of a product with `panels`, in the loop `at` of `consumer`. All row tiles read the panels from the second
  // cache. 12 heads of 1024 x 64: 28 to 24 ms.
  auto registerTile = [&](halide::FuncOp func, halide::FuncOp panels, int64_t panel, int64_t lanes, StringRef consumer, StringRef at) {
    StringRef name = func.getSymName(), c = names(func)[rank - 1], x = names(func)[rank - 2];
    write.computeAt(name, consumer, at);
    write.boundExtent(name, c, panel);
    write.boundExtent(name, x, tile.rows);
    SmallVector<StringRef> reductions = view.singleUpdate(func).getReductionNames();
    write.registerTile(name, c, x, lanes, reductions);
    write.prefetch(name, 1, panels.getSymName(), reductions.back(), nearSteps, /*near=*/true);
  };
  StringRef scoresName = scores.getSymName(), scoreColumn = names(scores)[rank - 1], scoreRow = names(scores)[rank - 2];
  write.computeAt(scoresName, out, "xo");
  write.boundExtent(scoresName, scoreRow, tile.rows);
  write.split(scoresName, 0, scoreColumn, "jo", "ji", keyPanel, halide::TailStrategy::RoundUp);
  write.reorder(scoresName, 0, {"ji", scoreRow, "jo"});
  write.vectorize(scoresName, 0, "ji", keyLanes);
  write.unroll(scoresName, 0, "ji");
  write.unroll(scoresName, 0, scoreRow);
  registerTile(products, keys, keyPanel, keyLanes, scoresName, "jo");
  registerTile(weighted, values, valuePanel, valueLanes, out, "co");

  write.computeAt(weights.getSymName(), out, "xo");
  write.vectorize(weights.getSymName(), 0, names(weights)[rank - 1], keyLanes, halide::TailStrategy::RoundUp);

  for (halide::FuncOp reduction : {maximum, total}) {
    StringRef name = reduction.getSymName();
    halide::UpdateOp update = view.singleUpdate(reduction);
    write.computeAt(name, out, "xo");
    int64_t keys = endOf(reduction);
    if (!keys)
      continue;
    // As many independent vectors, up to four, as divide a row.
    int64_t parts = 4 * keyLanes;
    while (keys % parts)
      parts /= 2;
    write.computeAt(write.reduceInLanes(update, parts, keyLanes), name, names(reduction).back());
  }
  return true;
}
