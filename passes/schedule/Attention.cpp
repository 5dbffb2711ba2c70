//===- Attention.cpp - attention, a few rows at a time ---------------------===//
//
// Per head, panels of keys and of values; per row tile, its scores, their softmax and its part of the result. What a row
// tile needs of the scores (rows x keys) stays in the caches; the tensor of all scores is never in memory. Both products
// are register tiles of one panel's columns by the rows.
//
// Where keys come in blocks, a task has a part of a head's rows and goes through the blocks: the panels of a block stay in
// the second cache while all row tiles of the part read them.
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

namespace {

class AttentionScheduler {
public:
  AttentionScheduler(PipelineView &view, const Machine &machine) : view(view), machine(machine), pipeline(view.pipeline) {}

  /// Finds the funcs of passes/lower/Attention.cpp; false where the pipeline is another one.
  bool match();
  void schedule() {
    ScheduleWriter writer(pipeline);
    write = &writer;
    online ? scheduleBlocks() : scheduleRows();
  }

private:
  /// The number of keys that a row is reduced over at a time; zero where it is free.
  int64_t numKeys() {
    auto end = dyn_cast<IntegerAttr>(view.singleUpdate(maximum).getEnds().getValue().back());
    return end ? end.getInt() : 0;
  }
  bool isFree() const { return ShapedType::isDynamic(rows) || ShapedType::isDynamic(numHeads); }
  static StringRef nameOf(halide::FuncOp func, unsigned dim) { return func.getVarNames()[dim]; }

  void scheduleRows();
  void scheduleBlocks();
  void computePanels(StringRef consumer, StringRef loop);
  void computeTile(StringRef consumer);
  void computeProduct(halide::FuncOp func, halide::FuncOp panels, int64_t panel, int64_t lanes, StringRef consumer, StringRef loop);

  PipelineView &view;
  const Machine &machine;
  halide::PipelineOp pipeline;
  ScheduleWriter *write = nullptr;

  halide::FuncOp keys, products, scores, maximum, weights, total, values, weighted;
  halide::FuncOp online; ///< null where keys do not come in blocks
  unsigned rank;
  int64_t keyPanel, valuePanel, keyLanes, valueLanes;
  StringRef out, row, column; ///< the output and its variables
  SmallVector<StringRef> heads; ///< the other ones, innermost first
  int64_t rows, width;
  int64_t numHeads = 1; ///< of an item, the outermost dimension; ShapedType::kDynamic when free
  Tile tile;
};

} // namespace

bool AttentionScheduler::match() {
  if (view.reductions.size() != 4 && view.reductions.size() != 5)
    return false;
  products = view.reductions[0], maximum = view.reductions[1], total = view.reductions[2], weighted = view.reductions[3];
  online = view.reductions.size() == 5 ? view.reductions[4] : nullptr;
  rank = products.getRank();
  unsigned blockDims = online ? 1 : 0;
  if (rank < 2 || weighted.getRank() != rank + blockDims || maximum.getRank() != rank - 1 + blockDims ||
      total.getRank() != rank - 1 + blockDims || (online && online.getRank() != rank) ||
      !llvm::all_of(view.reductions, [&](halide::FuncOp func) { return view.singleUpdate(func) && func != view.output; }))
    return false;
  // What each step reads of the one before, and the width of the panels that a product reads.
  auto readIn = [&](halide::FuncOp reader, unsigned readRank) {
    halide::AtOp found;
    view.singleUpdate(reader).getBody().walk([&](halide::AtOp at) {
      if (auto func = pipeline.lookupFunc(at.getFunc()); func && func != reader && func.getRank() == readRank)
        found = at;
    });
    return found;
  };
  auto funcOf = [&](halide::AtOp at) { return at ? pipeline.lookupFunc(at.getFunc()) : nullptr; };
  scores = funcOf(readIn(maximum, rank)), weights = funcOf(readIn(total, rank));
  halide::AtOp key = readIn(products, rank + 1), value = readIn(weighted, rank + 1);
  if (!scores || !weights || !key || !value)
    return false;
  keys = funcOf(key), values = funcOf(value);
  keyPanel = panelWidth(key, view.singleUpdate(products).getVarArguments().back());
  valuePanel = panelWidth(value, view.singleUpdate(weighted).getVarArguments().back());
  halide::FuncOp attention, last = online ? online : weighted;
  for (halide::FuncOp func : view.funcs)
    func.walk([&](halide::AtOp at) { attention = at.getFunc() == last.getSymName() ? func : attention; });
  if (!keyPanel || !valuePanel || !attention)
    return false;
  out = view.output.getSymName();
  row = outputVariable(view, attention, rank - 2), column = outputVariable(view, attention, rank - 1);
  SmallVector<StringRef> vars = view.output.getVarNames();
  width = view.outputType.getShape().back();
  if (row.empty() || column.empty() || column != vars.back() || ShapedType::isDynamic(width))
    return false;

  for (auto [var, size] : llvm::reverse(llvm::zip(vars, view.outputType.getShape()))) {
    if (var == row)
      rows = size;
    if (var == row || var == column)
      continue;
    heads.push_back(var);
    if (var != vars.front())
      numHeads = ShapedType::isDynamic(size) || ShapedType::isDynamic(numHeads) ? ShapedType::kDynamic : numHeads * size;
  }
  Type element = view.outputType.getElementType();
  keyLanes = std::gcd<int64_t>(machine.lanes(element), keyPanel);
  valueLanes = std::gcd<int64_t>(machine.lanes(element), valuePanel);
  int64_t vectors = std::max(keyPanel / keyLanes, valuePanel / valueLanes);
  tile = chooseTile(attentionProduct(vectors * keyLanes, rows, /*depth=*/64, keyLanes), machine, vectors);
  return true;
}

/// A row tile has all keys at once.
void AttentionScheduler::scheduleRows() {
  write->split(out, 0, column, "co", "ci", valuePanel,
               width % valuePanel ? halide::TailStrategy::GuardWithIf : tailFor(width, valuePanel));
  write->split(out, 0, row, "xo", "xi", tile.rows, tailFor(rows, tile.rows));
  SmallVector<StringRef> tasks, order{"ci", "xi", "co", "xo"};
  int64_t blocks = isFree() ? 1 : countBlocks(numHeads, 4.0 * rows * numKeys() * width);
  if (blocks > 1) {
    int64_t tiles = llvm::divideCeil(rows, tile.rows), together = llvm::divideCeil(tiles, blocks);
    write->split(out, 0, "xo", "xb", "xo", together, tailApart(tiles, together));
    tasks.push_back("xb");
  }
  tasks.append(heads);
  StringRef task = write->tileOutput(out, valueLanes, order, tasks);
  computePanels(out, task);
  computeTile(out);
}

/// A task has some row tiles, to which it takes block after block of the keys.
void AttentionScheduler::scheduleBlocks() {
  // What the rows of a task have so far, three values for each element, leaves room for the panels of a block.
  int64_t elementBytes = view.outputType.getElementTypeBitWidth() / 8;
  int64_t taskRows = std::max<int64_t>(machine.l2Bytes / 4 / (3 * elementBytes * width) / tile.rows, 1) * tile.rows;
  if (!ShapedType::isDynamic(rows)) {
    int64_t blocks = llvm::divideCeil(rows, taskRows);
    if (!isFree())
      blocks = std::max(blocks, countBlocks(numHeads, 4.0 * rows * numKeys() * width));
    taskRows = llvm::alignTo(llvm::divideCeil(rows, blocks), tile.rows);
  }
  write->split(out, 0, row, "xb", "xr", taskRows, tailFor(rows, taskRows));
  SmallVector<StringRef> order{column, "xr", "xb"};
  order.append(heads);
  write->reorder(out, 0, order);
  write->vectorizeInnermost(out, 0, column, width, valueLanes);
  SmallVector<StringRef> tasks{"xb"};
  tasks.append(heads);
  StringRef task = write->parallelFused(out, 0, tasks);

  StringRef name = online.getSymName(), c = nameOf(online, rank - 1), x = nameOf(online, rank - 2);
  write->computeAt(name, out, task);
  write->boundExtent(name, c, llvm::alignTo(width, valuePanel));
  write->vectorize(name, 0, c, valueLanes);
  write->split(name, 1, c, "co", "ci", valuePanel, halide::TailStrategy::RoundUp);
  write->split(name, 1, x, "xo", "xi", tile.rows, halide::TailStrategy::RoundUp);
  StringRef blocks = view.singleUpdate(online).getReductionNames().front();
  write->reorder(name, 1, {"ci", "xi", "co", "xo", blocks});
  write->vectorize(name, 1, "ci", valueLanes);
  write->unroll(name, 1, "ci");
  write->unroll(name, 1, "xi");
  computePanels(name, blocks);
  computeTile(name);
}

/// The panels of keys and values in `loop` of `consumer`, or before everything where there is none.
void AttentionScheduler::computePanels(StringRef consumer, StringRef loop) {
  for (auto [panels, width, lanes] : {std::tuple(keys, keyPanel, keyLanes), {values, valuePanel, valueLanes}}) {
    StringRef name = panels.getSymName();
    if (loop.empty())
      write->computeRoot(name);
    else
      write->computeAt(name, consumer, loop);
    write->boundExtent(name, nameOf(panels, rank), width);
    // Keys that lie in rows are read so, and transposed in registers.
    bool inRows = panels == keys && contiguousElements(view, keys, rank - 1) % lanes == 0;
    write->vectorize(name, 0, nameOf(panels, inRows ? rank - 1 : rank), lanes);
    if (inRows)
      write->unroll(name, 0, nameOf(panels, rank));
  }
}

/// A register tile of a product with `panels`, in `loop` of `consumer`. All row tiles read the panels from the second cache.
/// 12 heads of 1024 x 64: 28 to 24 ms.
void AttentionScheduler::computeProduct(halide::FuncOp func, halide::FuncOp panels, int64_t panel, int64_t lanes,
                                        StringRef consumer, StringRef loop) {
  StringRef name = func.getSymName(), c = nameOf(func, func.getRank() - 1), x = nameOf(func, rank - 2);
  write->computeAt(name, consumer, loop);
  write->boundExtent(name, c, panel);
  write->boundExtent(name, x, tile.rows);
  auto reductions = llvm::to_vector(llvm::reverse(view.singleUpdate(func).getReductionNames()));
  write->registerTile(name, c, x, lanes, reductions);
  write->prefetch(name, 1, panels.getSymName(), reductions.front(), nearSteps, /*near=*/true);
}

/// What a tile of the rows of `consumer`, in its loop "xo", and of its columns, in its loop "co", is computed from.
void AttentionScheduler::computeTile(StringRef consumer) {
  StringRef name = scores.getSymName(), scoreColumn = nameOf(scores, rank - 1), scoreRow = nameOf(scores, rank - 2);
  write->computeAt(name, consumer, "xo");
  write->boundExtent(name, scoreRow, tile.rows);
  write->split(name, 0, scoreColumn, "jo", "ji", keyPanel, halide::TailStrategy::RoundUp);
  write->reorder(name, 0, {"ji", scoreRow, "jo"});
  write->vectorize(name, 0, "ji", keyLanes);
  write->unroll(name, 0, "ji");
  write->unroll(name, 0, scoreRow);
  computeProduct(products, keys, keyPanel, keyLanes, name, "jo");
  computeProduct(weighted, values, valuePanel, valueLanes, consumer, "co");

  write->computeAt(weights.getSymName(), consumer, "xo");
  write->vectorize(weights.getSymName(), 0, nameOf(weights, rank - 1), keyLanes, halide::TailStrategy::RoundUp);

  for (halide::FuncOp reduction : {maximum, total}) {
    name = reduction.getSymName();
    write->computeAt(name, consumer, "xo");
    if (!numKeys())
      continue;
    // As many independent vectors, up to four, as divide the keys.
    int64_t parts = 4 * keyLanes;
    while (numKeys() % parts)
      parts /= 2;
    write->computeAt(write->reduceInLanes(view.singleUpdate(reduction), parts, keyLanes), name,
                     nameOf(reduction, reduction.getRank() - 1));
  }
}

bool sylvite::scheduleAttention(PipelineView &view, const Machine &machine) {
  AttentionScheduler scheduler(view, machine);
  if (!scheduler.match())
    return false;
  scheduler.schedule();
  return true;
}
