//===- Contraction.cpp - register tiles of products and convolutions -------===//
//
// One schedule for matrix products and convolutions, dense, grouped or depthwise: a tile of `vectors`
// registers of output channels by `rows` positions stays in registers while the reduction runs; the
// epilogue reads it there. Weights are read as vectors, the input as broadcast scalars (as vectors too
// when each channel has its own). With 12 to 30 accumulators the loop is bound by multiply-adds.
//
//===----------------------------------------------------------------------===//
#include "passes/schedule/Scheduling.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"

#include <cmath>

using namespace mlir;
using namespace sylvite;

namespace {
/// How the terms of a contraction are read.
struct Operands {
  Weights weights = Weights::Dense;
  int64_t block = 0; ///< channels in a block of packed weights, or zero
  StringRef weightsName, input;
  unsigned rows = 0;          ///< the output dimension whose positions share the weights
  int64_t positionBytes = 0;  ///< of the input, from one position to the next; zero where that is not known
};
} // namespace

/// How much `value` grows with `var`.
static int64_t growth(Value value, Value var) {
  if (value == var)
    return 1;
  Operation *op = value.getDefiningOp();
  if (!op)
    return 0;
  APInt factor;
  if (isa<arith::MulIOp>(op) && matchPattern(op->getOperand(1), m_ConstantInt(&factor)))
    return growth(op->getOperand(0), var) * factor.getSExtValue();
  return isa<arith::AddIOp>(op) ? growth(op->getOperand(0), var) + growth(op->getOperand(1), var) : 0;
}

/// Bytes of the buffer that `at` reads from one element to where `var` is one more; zero where that is not known, or differs at
/// the ends of rows.
static int64_t strideBytes(PipelineView &view, halide::AtOp at, Value var) {
  halide::InputOp input = view.pipeline.lookupInput(at.getFunc());
  if (!input)
    return 0;
  RankedTensorType type = input.getBufferType();
  if (llvm::count_if(at.getIndices(), [&](Value index) { return dependsOn(index, var); }) != 1)
    return 0;
  SmallVector<int64_t> elements(type.getShape());
  elements.back() = halide::getPitch(type);
  int64_t bytes = type.getElementTypeBitWidth() / 8;
  for (auto [index, size] : llvm::reverse(llvm::zip(at.getIndices(), elements))) {
    if (dependsOn(index, var))
      return bytes * growth(index, var);
    if (ShapedType::isDynamic(size))
      return 0;
    bytes *= size;
  }
  return 0;
}

/// What `update` reads, or nothing when it is not a sum of products of two reads, contiguous along the
/// innermost variable.
static std::optional<Operands> analyzeOperands(PipelineView &view, halide::UpdateOp update) {
  ArrayRef<int64_t> resultShape = view.outputType.getShape();
  ValueRange vars = update.getVarArguments();
  Value channel = vars.back();
  SmallVector<halide::AtOp> reads, alongChannels;
  update.getBody().walk([&](halide::AtOp at) {
    if (at.getFunc() == update.getFunc())
      return;
    reads.push_back(at);
    if (llvm::any_of(at.getIndices(), [&](Value index) { return dependsOn(index, channel); }))
      alongChannels.push_back(at);
  });
  // A sum over one read is a reduction, not a contraction.
  if (reads.size() != 2 || alongChannels.empty())
    return std::nullopt;
  Operands operands;
  operands.rows = vars.size() - 2;
  operands.weightsName = alongChannels.front().getFunc();
  halide::AtOp input = reads[reads.front() == alongChannels.front()];
  operands.input = input.getFunc();
  if (alongChannels.size() == 2) {
    operands.weights = Weights::PerChannel;
  } else {
    operands.block = panelWidth(alongChannels.front(), channel);
    operands.weights = operands.block ? Weights::Packed : Weights::Dense;
    auto weightsDependOn = [&](unsigned dim) {
      return llvm::any_of(alongChannels.front().getIndices(),
                          [&](Value index) { return dependsOn(index, vars[dim]); });
    };
    // A dimension of one position leaves a tile of one row: another serves better.
    unsigned innermost = operands.rows;
    while (operands.rows > 0 && (weightsDependOn(operands.rows) || resultShape[operands.rows] == 1))
      --operands.rows;
    if (weightsDependOn(operands.rows) || resultShape[operands.rows] == 1)
      for (operands.rows = innermost; operands.rows > 0 && weightsDependOn(operands.rows);)
        --operands.rows;
  }
  if (!operands.block && !isDenseAlongInnermost(update))
    return std::nullopt;
  operands.positionBytes = strideBytes(view, input, vars[operands.rows]);
  return operands;
}

/// Elements of an item of the buffer `name`; none where a size is free or it is no input.
static int64_t itemElements(PipelineView &view, StringRef name) {
  halide::InputOp input = view.pipeline.lookupInput(name);
  ArrayRef<int64_t> shape = input ? input.getBufferType().getShape().drop_front() : ArrayRef<int64_t>();
  return ShapedType::isDynamicShape(shape) ? 0 : ShapedType::getNumElements(shape);
}

/// Positions whose products with a vector of weights take as long as that vector takes to come from beyond the caches.
static double positionsOfWait() {
  constexpr double productsOfCycle = 2;
  return productsOfCycle * estimateWeightCycles(lineBytes);
}

/// Places the loops over rows, `vars` innermost last, those over tiles of a row in `order` and over blocks of channels
/// in `tasks` apart. Where an image is larger than the weights, a task is a block of its rows: it finds in its core's
/// cache what that core wrote in the kernel before, and reads the weights again. Otherwise a task reads its own
/// weights, once, and the whole image, or half of it where blocks are few and odd, which two cores could not share. What it
/// takes from `vars` has its place. Returns whether the weights are larger.
static bool orderRows(PipelineView &view, const Machine &machine, ScheduleWriter &write, const Operands &operands,
                      Tile tile, int64_t depth, SmallVectorImpl<StringRef> &order, SmallVectorImpl<StringRef> &tasks,
                      SmallVectorImpl<StringRef> &vars) {
  bool perChannel = operands.weights == Weights::PerChannel;
  ArrayRef<int64_t> shape = view.outputType.getShape();
  halide::InputOp weights = view.pipeline.lookupInput(operands.weightsName);
  if (operands.weights == Weights::Dense || !weights || ShapedType::isDynamicShape(shape.drop_front()) ||
      operands.rows + 2 != shape.size() || (perChannel && shape[operands.rows] <= shortRow))
    return false;
  int64_t elements = itemElements(view, operands.input) + ShapedType::getNumElements(shape.drop_front());
  bool byRows = perChannel || elements > ShapedType::getNumElements(weights.getBufferType().getShape());
  StringRef out = view.output.getSymName();
  // A task of a few microseconds, a few tiles at least, which multiply for half as long again as the weights take to come.
  constexpr int64_t leastCycles = 1 << 13, mostTasks = 8;
  int64_t leastTiles = std::max<int64_t>({4, 2 * leastCycles / (depth * tile.vectors * tile.rows),
                                          static_cast<int64_t>(std::ceil(1.5 * positionsOfWait() / tile.rows))});
  if (operands.rows == 0) // whose size is free
    return !byRows;
  int64_t tiles = llvm::divideCeil(shape[operands.rows], tile.rows),
          blocks = llvm::divideCeil(shape.back(), tile.vectors * machine.lanes(view.outputType.getElementType()));
  bool halves = !byRows && !perChannel && blocks % 2 == 1 && blocks < mostTasks;
  if (vars.size() < 2) {
    // Blocks that the second cache holds.
    int64_t held = machine.l2Bytes / 2 * tiles / (elements * view.outputType.getElementTypeBitWidth() / 8),
            block = halves ? llvm::divideCeil(tiles, 2)
                           : std::max(leastTiles, std::min<int64_t>(held, llvm::divideCeil(tiles, mostTasks)));
    if (halves ? block >= leastTiles : byRows && 2 * block <= tiles) {
      write.split(out, 0, "xo", "xb", "xo", block, tailApart(tiles, block));
      tasks.push_back("xb");
    }
    return !byRows;
  }
  StringRef y = vars.back();
  int64_t rows = shape[operands.rows - 1],
          strip = perChannel ? std::max<int64_t>(7, llvm::divideCeil(rows, 4))
                  : halves   ? llvm::divideCeil(rows, 2)
                             : std::max<int64_t>(llvm::divideCeil(leastTiles, tiles), llvm::divideCeil(rows, mostTasks));
  if (halves ? strip * tiles >= leastTiles && strip < rows : byRows && 2 * strip <= rows) {
    write.split(out, 0, y, "yo", "yi", strip, tailApart(rows, strip));
    order.push_back("yi");
    tasks.push_back("yo");
    vars.pop_back();
  } else if (perChannel || !byRows) {
    order.push_back(y);
    vars.pop_back();
  }
  return !byRows;
}

/// Whether a block of `width` channels had better be computed for all items before the next one: what they read then comes from
/// beyond the second cache once for each block, where the weights would once for each item.
static bool readsWeightsOnce(PipelineView &view, const Operands &operands, int64_t width) {
  int64_t weights = view.pipeline.lookupInput(operands.weightsName).getBufferType().getNumElements(),
          blocks = llvm::divideCeil(view.outputType.getShape().back(), width), image = itemElements(view, operands.input);
  return image && weights > blocks * image;
}

/// The loops of the sums of many tiles of `rows` positions `x`, which stay in memory: for each block of `width` channels, tiles one
/// after the other for `part` times `steps` of the innermost reduction, whose weights stay in the first cache, before the next part.
/// The sums of a free number of positions are on the heap, where LLVM would store them at each step that prefetches: a tile has its part
/// summed up in registers (`isFree`).
static void sumInParts(ScheduleWriter &write, halide::UpdateOp update, StringRef x, int64_t rows, int64_t width, int64_t lanes,
                       int64_t steps, int64_t part, bool isFree) {
  StringRef p = update.getFunc();
  SmallVector<StringRef> vars = update.getFuncOp().getVarNames(), rvars = update.getReductionNames(), around;
  StringRef c = vars.back(), innermost = rvars.pop_back_val();
  for (StringRef var : llvm::reverse(vars))
    if (var != c && var != x)
      around.push_back(var);
  std::string inRegisters = (p + "_part").str();
  if (isFree) {
    write.split(p, 1, innermost, "rb", innermost, steps * part);
    write.rfactor(p, 1, {"rb"}, {"part"}, inRegisters);
  } else {
    write.split(p, 1, innermost, "ro", "ri", steps);
    write.split(p, 1, "ro", "rb", "ro", part);
  }
  for (int64_t stage : {0, 1}) {
    write.split(p, stage, c, "co", "ci", width, halide::TailStrategy::RoundUp);
    write.split(p, stage, x, "xo", "xi", rows, halide::TailStrategy::RoundUp);
    SmallVector<StringRef> loops{"ci", "xi"};
    if (stage == 1 && !isFree)
      loops.append({"ri", "ro"});
    loops.append({"xo", "co"});
    loops.append(around);
    if (stage == 1) {
      loops.push_back("rb");
      loops.append(rvars.rbegin(), rvars.rend());
    }
    write.reorder(p, stage, loops);
    if (lanes > 1)
      write.vectorize(p, stage, "ci", lanes);
    write.unroll(p, stage, "ci");
    write.unroll(p, stage, "xi");
  }
  if (isFree) {
    write.computeAt(inRegisters, p, "xo");
    write.boundExtent(inRegisters, c, width);
    write.boundExtent(inRegisters, x, rows);
    write.split(inRegisters, 1, innermost, "ro", "ri", steps);
    write.registerTile(inRegisters, c, x, lanes, {"ri", "ro"});
    p = inRegisters;
  }
  write.unroll(p, 1, "ri");
}

/// Copies the `width` columns of `weights` that a task reads, which all its tiles then find side by side.
static void copyColumns(ScheduleWriter &write, StringRef weights, StringRef sum, StringRef out, StringRef task, int64_t width,
                        int64_t lanes) {
  write.in(weights, sum, "columns");
  write.computeAt("columns", out, task);
  write.boundExtent("columns", "_0", width);
  if (lanes > 1)
    write.vectorize("columns", 0, "_0", lanes);
  write.unroll("columns", 0, "_0");
}

/// The sums of a tile of positions `x` with each kept in `parts` that take turns in the reduction and meet at the end.
static void splitSums(ScheduleWriter &write, halide::UpdateOp update, StringRef out, StringRef x, int64_t width, int64_t lanes,
                      int64_t parts) {
  StringRef p = update.getFunc(), c = update.getFuncOp().getVarNames().back();
  std::string partial = (p + "_parts").str();
  write.split(p, 1, update.getReductionNames()[0], "ro", "ri", parts);
  write.rfactor(p, 1, {"ri"}, {"part"}, partial);
  write.computeAt(partial, out, "xo");
  write.boundExtent(partial, c, width);
  for (int64_t stage : {0, 1}) {
    if (stage == 1)
      write.reorder(partial, 1, {c, x, "part", "ro"});
    if (lanes > 1)
      write.vectorize(partial, stage, c, lanes);
    for (StringRef var : {c, x, StringRef("part")})
      write.unroll(partial, stage, var);
    if (lanes > 1)
      write.vectorize(p, stage, c, lanes);
    write.unroll(p, stage, c);
    write.unroll(p, stage, x);
  }
  write.unroll(p, 1, "ri");
}

/// While a tile is multiplied, what the next one is combined with comes from beyond the second cache: what a residual adds, the
/// derivative that a gradient is multiplied by. So do the lines of a result that is stored with its derivative, more of them for a
/// tile than a core waits for at once. A transformer's step, 1024 rows of 1024 columns: 3.0 to 2.5 and 4.5 to 4.0 ms. Halide sees to
/// it that a guarded tile reads nothing outside only as long as nothing stands before the guard.
static void fetchNextTile(PipelineView &view, ScheduleWriter &write, halide::FuncOp sum) {
  StringRef out = view.output.getSymName();
  bool isGuarded = false;
  view.pipeline.getSchedule().walk([&](halide::SplitOp split) {
    isGuarded |= split.getFunc() == out && split.getTail() == halide::TailStrategy::GuardWithIf;
  });
  if (isGuarded)
    return;
  SmallVector<StringRef> fetched = view.inputsOfOutput(sum);
  if (view.output.getElementTypes().size() > 1)
    fetched.push_back(out);
  for (StringRef name : fetched)
    write.prefetch(out, 0, name, "xo", 1);
}

bool sylvite::scheduleContraction(PipelineView &view, const Machine &machine) {
  if (view.reductions.size() != 1 || view.outputType.getRank() < 2)
    return false;
  halide::FuncOp sum = view.reductions.front(), output = view.output;
  halide::UpdateOp update = view.singleUpdate(sum);
  if (sum == output || !update || sum.getRank() != output.getRank())
    return false;
  auto operands = analyzeOperands(view, update);
  // Over a window per channel, rows that lie outside the image may be left out.
  if (!operands || (update.hasPredicate() && operands->weights != Weights::PerChannel))
    return false;

  ArrayRef<int64_t> shape = view.outputType.getShape();
  int64_t channels = shape.back(), positions = shape[operands->rows];
  if (ShapedType::isDynamic(channels))
    return false;
  int64_t depth = 1;
  for (auto [min, end] : llvm::zip(update.getMins(), update.getEnds()))
    if (isa<IntegerAttr>(end) && isa<IntegerAttr>(min))
      depth *= cast<IntegerAttr>(end).getInt() - cast<IntegerAttr>(min).getInt();
  Type element = sum.getElementTypes().front();
  int64_t lanes = std::min<int64_t>(machine.lanes(element), channels);
  Contraction contraction{channels, positions, depth, lanes, operands->weights, /*taps=*/0, operands->positionBytes};
  Tile tile = chooseTile(contraction, machine, operands->block / lanes);
  // A matrix that many rows of another read is taken in blocks of columns that do not overlap.
  bool isFree = ShapedType::isDynamic(positions);
  bool readsMatrix = operands->weights == Weights::Dense && shape.size() == 2 && operands->rows == 0 && update.getMins().size() == 1 &&
                     (isFree || positions > 2 * tile.rows) && view.pipeline.lookupInput(operands->weightsName);
  if (readsMatrix && channels % lanes == 0)
    for (int64_t vectors = tile.vectors; channels % (tile.vectors * lanes) != 0;)
      tile = chooseTile(contraction, machine, --vectors);
  int64_t width = tile.vectors * lanes;
  if (operands->block && positions == 1)
    width *= blocksOfOneRow(llvm::divideCeil(channels, width), tile.vectors);

  ScheduleWriter write(view.pipeline);
  StringRef out = output.getSymName(), p = sum.getSymName();
  SmallVector<StringRef> vars = output.getVarNames();
  StringRef c = vars.pop_back_val(), x = vars[operands->rows];
  vars.erase(vars.begin() + operands->rows);
  // Blocks of packed weights cannot overlap.
  write.split(out, 0, c, "co", "ci", width,
              operands->block && channels % width ? halide::TailStrategy::GuardWithIf
                                                  : tailFor(channels, width));
  write.split(out, 0, x, "xo", "xi", tile.rows, tailFor(positions, tile.rows));
  SmallVector<StringRef> order{"ci", "xi", "xo"}, tasks{"co"};
  SmallVector<StringRef> rvars = update.getReductionNames();
  int64_t elementBytes = view.outputType.getElementTypeBitWidth() / 8, rowBytes = width * elementBytes;
  int64_t weightBytes = channels / width * depth * rowBytes;
  constexpr int64_t mostBlocks = 4;
  // The columns of a matrix that all rows of another read are far apart: they are copied together for their tiles. Where they come
  // from beyond the second cache, whole rows come faster: the tiles of some blocks of columns take a part of the rows before the next
  // one, and their sums stay in memory. 32 rows by 784 x 512: 0.22 to 0.17 ms.
  bool isMatrix = readsMatrix && tile.rows > 1 && channels % width == 0;
  bool isStreamed = isMatrix && weightBytes > machine.l2Bytes / 2;
  int64_t taskBlocks = isStreamed ? largestDivisor(channels / width, mostBlocks) : 1;
  if (isStreamed) {
    write.split(out, 0, "co", "task", "co", taskBlocks);
    order.push_back("co");
    tasks = {"task"};
  }
  bool weightsAreLarger = orderRows(view, machine, write, *operands, tile, depth, order, tasks, vars);
  tasks.append(vars.rbegin(), vars.rend());
  if (weightsAreLarger && readsWeightsOnce(view, *operands, width))
    std::rotate(tasks.begin(), tasks.begin() + 1, tasks.end());
  StringRef task = write.tileOutput(out, lanes, order, tasks);

  // Steps of the innermost reduction that are written out.
  constexpr int64_t steps = mostWrittenSteps;
  auto innermost = rvars.empty() ? IntegerAttr() : dyn_cast<IntegerAttr>(update.getEnds().getValue().back());
  bool inSteps = (operands->block || isMatrix) && tile.rows > 1 && innermost && innermost.getInt() % steps == 0 &&
                 innermost.getInt() > steps;
  // Weights come from beyond the caches, but for those of a product that a kernel has just written, as a step of training does.
  // Where many positions read them that does not show. How often a free number of positions reads them is not known: where the second
  // cache does not hold them they are fetched for the first tile of positions that does.
  ArrayRef<int64_t> ofItem = shape.drop_front(operands->rows > 0).drop_back();
  bool waits = !ShapedType::isDynamicShape(ofItem) && operands->block &&
               ShapedType::getNumElements(ofItem) < 20 * positionsOfWait();
  bool fetchesWeights = inSteps && (weightsAreLarger || waits) && rowBytes % lineBytes == 0 &&
                        (!isFree || weightBytes > machine.l2Bytes) &&
                        !(rvars.size() == 1 && view.computed.contains(operands->weightsName));

  // A block's weights that leave the first cache before the next tile reads them again are taken in parts that do not, as long
  // as the sums of all positions stay there with them.
  if (fetchesWeights && !isFree && weightsAreLarger && depth * rowBytes > heldBytes && positions % tile.rows == 0 &&
      ShapedType::getNumElements(shape.drop_front().drop_back()) * rowBytes <= heldBytes) {
    int64_t part = heldSteps(innermost.getInt() / steps, steps * rowBytes);
    write.computeAt(p, out, task);
    write.boundExtent(p, c, width);
    sumInParts(write, update, x, tile.rows, width, lanes, steps, part, /*isFree=*/false);
    write.prefetch(p, 1, operands->weightsName, "ro", part);
    return true;
  }

  if (isStreamed) {
    write.computeAt(p, out, task);
    write.boundExtent(p, c, width * taskBlocks);
    int64_t part = partOf(depth, heldBytes / rowBytes), written = part % steps ? 1 : steps;
    sumInParts(write, update, x, tile.rows, width, lanes, written, part / written, isFree);
    write.prefetch(p, 1, operands->weightsName, "rb", 1);
    return true;
  }
  if (isMatrix)
    copyColumns(write, operands->weightsName, p, out, task, width, lanes);
  write.computeAt(p, out, "xo");
  write.boundExtent(p, c, width);
  write.boundExtent(p, x, tile.rows);
  // Few sums do not hide the latency of multiply-adds: each is kept in parts, which meet at the end.
  constexpr int64_t parts = 4;
  if (width / lanes * tile.rows < 5 && rvars.size() == 1 && depth >= 16 * parts && depth % parts == 0) {
    splitSums(write, update, out, x, width, lanes, parts);
    return true;
  }
  // Over a window, positions have addresses of their own, and steps that are written out do not pay.
  inSteps &= rvars.size() == 1;
  SmallVector<StringRef> reductions(rvars.rbegin(), rvars.rend());
  if (inSteps) {
    write.split(p, 1, rvars[0], "ro", "ri", steps);
    reductions = {"ri", "ro"};
  }
  write.registerTile(p, c, x, lanes, reductions);
  fetchNextTile(view, write, sum);
  if (inSteps) {
    write.unroll(p, 1, "ri");
    // While a block is multiplied, its place in the next one is fetched.
    if (fetchesWeights)
      write.prefetch(p, 1, operands->weightsName, "ro", depth / steps);
    return true;
  }
  // A row reads its weights once, several blocks side by side. Asked for some lines ahead, they come from memory faster than where
  // a core's own prefetching finds them: 25088 x 4096 at 18.2 instead of 16.7 GB/s.
  constexpr int64_t bytesAhead = 512;
  int64_t stepBytes = operands->block * elementBytes;
  if (tile.rows == 1 && rvars.size() == 1 && weightBytes > machine.l2Bytes && operands->block && stepBytes % lineBytes == 0) {
    write.prefetch(p, 1, operands->weightsName, rvars[0], std::max<int64_t>(bytesAhead / stepBytes, 1));
    return true;
  }
  // Short inner loops are written out: over the channels of an image, and per channel over a row of the window, whose
  // positions share inputs, or the whole window.
  write.unrollShort(update, operands->weights == Weights::PerChannel ? mostWrittenTaps : mostWrittenSteps);
  return true;
}
