//===- CostModel.cpp - what a register tile costs --------------------------===//
//
// Counts cycles of the inner loop. What it does not count (cache misses, code size) was not worth
// counting: the streams of a contraction are long and prefetched.
//
//===----------------------------------------------------------------------===//
#include "passes/schedule/CostModel.h"

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/Support/MathExtras.h"

#include <cmath>
#include <numeric>

using namespace mlir;
using namespace sylvite;

// Typical of x86 and ARM cores alike: bytes of a first data cache, bytes a cycle from the second.
static constexpr int64_t firstCacheBytes = 32 << 10;
static constexpr double secondCacheBandwidth = 20;

double sylvite::estimateCycles(const Contraction &contraction, Tile tile) {
  int64_t accumulators = tile.vectors * tile.rows;
  double loads = tile.vectors + tile.rows;
  // Two multiply-adds a cycle, of four cycles each: eight accumulators, and one more to make up for what is late, or two
  // where the operands come from the second cache. Beside them a core loads 1.7 values a cycle.
  int64_t operandBytes = contraction.depth * 4 * (tile.vectors * contraction.lanes + tile.rows);
  double step = std::max({accumulators / 2.0, operandBytes > firstCacheBytes ? 5.0 : 4.5, 0.6 * loads});
  // A panel of weights that leaves the first cache comes from the second for every tile.
  // Where it does so for few tiles, the second cache has it from beyond, which costs more.
  bool isFree = ShapedType::isDynamic(contraction.positions);
  int64_t panelWidth = tile.vectors * contraction.lanes * 4;
  if (contraction.streams || contraction.depth * panelWidth > firstCacheBytes)
    step = std::max(step, panelWidth / secondCacheBandwidth) + (isFree ? 0.25 * panelWidth / secondCacheBandwidth : 0);
  // Fewer loads leave room for what else the core does.
  step += 0.02 * loads;
  double ends = 2.0 * accumulators + 16; // zeroes, the epilogue and its stores, the loops
  ends += 2.5 * tile.rows * contraction.taps;
  // A free number of positions is some times that of a small batch; a single one has a kernel of its own.
  double rowTiles = isFree ? double(llvm::divideCeil(itemsOfStep, tile.rows)) / itemsOfStep
                           : llvm::divideCeil(contraction.positions, tile.rows);
  double tiles = llvm::divideCeil(contraction.channels, tile.vectors * contraction.lanes) * rowTiles;
  return tiles * (contraction.depth * step + ends);
}

int64_t sylvite::largestDivisor(int64_t total, int64_t most, int64_t step) {
  for (int64_t divisor = most / step * step; divisor > 0; divisor -= step)
    if (total % divisor == 0)
      return divisor;
  return 0;
}

int64_t sylvite::heldSteps(int64_t steps, int64_t stepBytes) {
  return largestDivisor(steps, std::clamp<int64_t>(heldBytes / stepBytes, 1, steps));
}

int64_t sylvite::partOf(int64_t steps, int64_t most) {
  most = std::min(most, steps);
  int64_t divisor = largestDivisor(steps, most);
  return 4 * divisor < most ? most : divisor;
}

/// Lines that a set of the first cache holds. Addresses a page apart share a set.
static constexpr int64_t cacheWays = 8;

/// The positions of a tile whose inputs the first cache holds at once, while the registers suffice for them.
static int64_t mostRows(const Contraction &contraction) {
  constexpr int64_t pageBytes = 4096, most = 14;
  if (!contraction.positionBytes)
    return cacheWays;
  return std::min(most, cacheWays * (pageBytes / std::gcd(pageBytes, contraction.positionBytes)));
}

/// A tile of a depthwise window. Two vectors read lines in pairs, neighbours share most of what they read, and half of the registers
/// hold sums enough that none waits for another. Tiles of a row are alike; of a free one the last is often not full, and which
/// positions see padding takes registers. On a Sapphire Rapids 5x5 windows over 3x80x480 take 22 us in tiles of 2x8 and 26 in 2x4;
/// of a free width, 28 in 2x7 and 34 in 1x8.
static Tile chooseWindowTile(const Contraction &contraction, const Machine &machine) {
  constexpr int64_t mostOfFree = 7;
  int64_t vectors = std::min<int64_t>(contraction.channels / contraction.lanes, 2), sums = machine.vectorRegisters / 2,
          most = std::min(cacheWays, sums / vectors);
  if (contraction.positions > most && contraction.positions <= std::min(cacheWays, sums))
    return {1, contraction.positions}; // a whole row: 25 us of 5x5 windows over 7x7x960 with AVX2, 32 in two tiles of 2x4
  if (ShapedType::isDynamic(contraction.positions))
    return {vectors, std::min(most, mostOfFree)};
  int64_t tiles = llvm::divideCeil(contraction.positions, most);
  return {vectors, static_cast<int64_t>(llvm::divideCeil(contraction.positions, tiles))};
}

Tile sylvite::chooseTile(const Contraction &contraction, const Machine &machine, int64_t vectors) {
  if (contraction.weights == Weights::PerChannel)
    return chooseWindowTile(contraction, machine);
  Tile best{std::max<int64_t>(vectors, 1), 1};
  double leastCycles = std::numeric_limits<double>::infinity();
  int64_t mostVectors = contraction.weights == Weights::Packed ? llvm::divideCeil(contraction.channels, contraction.lanes)
                                                               : contraction.channels / contraction.lanes,
          mostPositions = mostRows(contraction);
  for (Tile tile{1, 1}; tile.vectors <= std::min<int64_t>(mostVectors, 8); ++tile.vectors) {
    if (vectors && tile.vectors != vectors)
      continue;
    for (tile.rows = 1; tile.rows <= mostPositions; ++tile.rows) {
      if (!ShapedType::isDynamic(contraction.positions) && tile.rows > contraction.positions)
        break;
      int64_t live = tile.vectors * tile.rows + tile.vectors + 1;
      if (live > machine.vectorRegisters)
        break;
      double cycles = estimateCycles(contraction, tile);
      if (cycles < leastCycles) {
        best = tile;
        leastCycles = cycles;
      }
    }
  }
  return best;
}

int64_t sylvite::rectifiedColumns(int64_t columns, int64_t lanes, int64_t bytes) {
  constexpr int64_t leastBytes = 2048, fewestTasks = 2;
  int64_t width = largestDivisor(columns, std::min(columns / fewestTasks, heldBytes / bytes), lanes);
  return width * bytes >= leastBytes ? width : 0;
}

int64_t sylvite::streamedColumns(int64_t columns, int64_t lanes) {
  // Runs of a page are read best, and two tasks need not divide shorter ones than a quarter of it.
  constexpr int64_t most = 1024, few = 256;
  return largestDivisor(columns, std::clamp(columns / 4, std::min(few, columns / 2), most), 2 * lanes);
}

int64_t sylvite::chooseKeyBlock(int64_t keys, int64_t keyBytes, int64_t panel, const Machine &machine) {
  if (!ShapedType::isDynamic(keys) && keys * keyBytes <= machine.l2Bytes * 3 / 4)
    return 0;
  return std::max<int64_t>(machine.l2Bytes / 8 / keyBytes / panel, 1) * panel;
}

Tile sylvite::chooseCellTile(Contraction contraction, const Machine &machine, bool fewRows) {
  constexpr int64_t rowsOfTile[] = {4, 8};
  int64_t gates = contraction.channels / contraction.lanes;
  contraction.streams = true;
  Tile best{1, 1};
  double leastCycles = std::numeric_limits<double>::infinity();
  for (int64_t rows : ArrayRef(rowsOfTile).take_front(fewRows ? 1 : 2))
    for (Tile tile{gates, rows}; tile.vectors > 0; --tile.vectors) {
      if (!ShapedType::isDynamic(contraction.positions))
        tile.rows = std::min(rows, contraction.positions);
      if (gates % tile.vectors || tile.vectors * tile.rows + tile.vectors + 1 > machine.vectorRegisters)
        continue;
      if (double cycles = estimateCycles(contraction, tile); cycles < leastCycles) {
        best = tile;
        leastCycles = cycles;
      }
    }
  return best;
}

RowTile sylvite::chooseDividingTile(ArrayRef<int64_t> shape, unsigned rowDim, int64_t columns, int64_t lanes, int64_t depth,
                                    const Machine &machine) {
  RowTile best{{1, 1}, rowDim};
  double leastCycles = std::numeric_limits<double>::infinity();
  int64_t rows = ShapedType::getNumElements(shape.drop_back());
  for (Tile tile{1, 1}; tile.vectors * lanes <= columns; ++tile.vectors) {
    if (columns % (tile.vectors * lanes))
      continue;
    auto fits = [&](int64_t rows) { return tile.vectors * rows + tile.vectors + 1 <= machine.vectorRegisters; };
    int64_t whole = 1;
    for (unsigned dim = rowDim + 1; dim-- > 0 && fits(whole); whole *= shape[dim])
      for (int64_t factor = 1; factor <= shape[dim] && fits(whole * factor); ++factor) {
        if (shape[dim] % factor)
          continue;
        tile.rows = whole * factor;
        double cycles = estimateCycles({columns, rows, depth, lanes}, tile);
        if (cycles < leastCycles) {
          best = {tile, dim, factor};
          leastCycles = cycles;
        }
      }
  }
  return best;
}

int64_t sylvite::planStrip(const ExpandedWindow &window, const Machine &machine) {
  constexpr int64_t fewestTasks = 8;
  // An even number of tasks, so that two cores end together.
  int64_t strips = llvm::divideCeil(fewestTasks, window.blocks);
  strips += window.blocks * strips % 2;
  // A quarter more rows than without strips, at most, and no more than the cache holds.
  int64_t twice = std::max<int64_t>(window.window - window.stride, 0),
          fewest = std::max<int64_t>(llvm::divideCeil(4 * twice, window.stride), 1),
          strip = std::min(window.height, std::max<int64_t>(fewest, llvm::divideCeil(window.height, strips))),
          held = (machine.l2Bytes / 2 / window.rowBytes - window.window) / window.stride + 1;
  if (strip > held)
    strip = held;
  if (strip < std::min(fewest, window.height))
    return 0;
  return llvm::divideCeil(window.height, llvm::divideCeil(window.height, strip)); // all of one size, if they can be
}

// Bytes a cycle that a core reads from the last cache and from memory, while it computes.
static constexpr double cacheBytes = 12, memoryBytes = 4;

double sylvite::estimateWeightCycles(double bytes) { return bytes / memoryBytes; }

double sylvite::overlapped(double compute, double memory) {
  return std::max(compute, memory) + 0.5 * std::min(compute, memory);
}

// Of a vector of one tile of m x m: loads, about as many additions as the matrices have entries, stores.
static double inputTransformCycles(int64_t m) { return m == 2 ? 50 : 150; }
static double outputTransformCycles(int64_t m) { return m == 2 ? 40 : 150; }
// Of a vector of filters: (m + 2)^2 lines go to the second cache, which takes longer than to compute them.
static double filterTransformCycles(int64_t m) { return m == 2 ? 80 : 175; }

WinogradPlan sylvite::planWinograd(const WinogradShape &shape, const Machine &machine, std::optional<WinogradFilter> filter) {
  WinogradPlan best{0, {1, 1}, 1, 1, 1, 0, std::numeric_limits<double>::infinity()};
  double leastCost = best.cycles;
  // Rows of tiles and tiles in a row, as they are numbered.
  bool areColumns = ShapedType::isDynamic(shape.width) && !ShapedType::isDynamic(shape.height), isFree = false;
  int64_t height = areColumns ? shape.width : shape.height, width = areColumns ? shape.height : shape.width;
  bool inStrips = ShapedType::isDynamic(width);
  for (int64_t *size : {&height, &width})
    if (ShapedType::isDynamic(*size)) {
      isFree = true;
      *size = typicalExtent;
    }
  // The cost of an image in groups of `rows` by `columns` tiles of m x m outputs, or of all tiles of some items.
  auto consider = [&](int64_t m, int64_t rows, int64_t columns, int64_t items, int64_t channels) {
    int64_t points = (m + 2) * (m + 2), tiles = rows * columns * items;
    double groups = items > 1 ? 1.0 / items
                              : llvm::divideCeil(llvm::divideCeil(height, m), rows) *
                                    llvm::divideCeil(llvm::divideCeil(width, m), columns);
    bool areTaps = channels != 0;
    int64_t depth = areTaps ? channels : shape.channels;
    Contraction product{shape.filters, tiles, depth, shape.lanes, Weights::Packed, /*taps=*/0,
                        /*positionBytes=*/4 * shape.channels};
    Tile registerTile = chooseTile(product, machine, filter ? filter->vectors : 0);
    double inputVectors = llvm::divideCeil(shape.channels, shape.lanes),
           outputVectors = llvm::divideCeil(shape.filters, shape.lanes);
    double compute = groups * (points * estimateCycles(product, registerTile) * (shape.channels / depth) +
                               tiles * (inputTransformCycles(m) * inputVectors + outputTransformCycles(m) * outputVectors));
    if (areTaps)
      compute += groups * filterTransformCycles(m) * shape.channels * outputVectors;
    // Between the first cache and the second go the filters, which every group reads, the transformed input, which is
    // written and which every block of filters reads, and the products, which are written and read; what is written
    // goes both ways. Some of that does not stay in the second cache either: filters are fetched ahead, the others waited for.
    int64_t width = registerTile.vectors * shape.lanes;
    double filterBytes = 4.0 * (areTaps ? 9 : points) * shape.channels * shape.filters,
           inputBytes = 4.0 * points * tiles * shape.channels, productBytes = 4.0 * points * tiles * width,
           blocks = llvm::divideCeil(shape.filters, width), fetchedBytes = 0, streamedBytes = 0;
    if (filterBytes + inputBytes + productBytes > machine.l2Bytes * 3 / 4)
      fetchedBytes = std::max(groups - 1, 0.0) * filterBytes;
    // Several items stay in the second cache. ResNet-18's step for 32 x 32: 441 ms, 471 where all 32 items were a group.
    if (items > 1 && !filter && inputBytes + productBytes > machine.l2Bytes * 3 / 4)
      return;
    if (inputBytes + productBytes > machine.l2Bytes * 5 / 8)
      streamedBytes += groups * (blocks + 1) * inputBytes;
    if (productBytes > machine.l2Bytes / 4)
      streamedBytes += groups * blocks * 2 * productBytes;
    double movedBytes = groups * (filterBytes + (blocks + 2) * inputBytes + 3 * blocks * productBytes);
    double cycles = overlapped(compute + 0.5 * movedBytes / secondCacheBandwidth + (0.25 * fetchedBytes + streamedBytes) / cacheBytes,
                               estimateWeightCycles(filterBytes) * std::min(groups, 1.0));
    // One transform of all filters for all images of a call; the transformed ones go to a cache and come back.
    if (shape.filterChanges && !areTaps)
      cycles += (filterTransformCycles(m) * shape.channels * outputVectors + 2 * filterBytes / cacheBytes) / shape.batch;
    // As good for one core as for two: tasks are groups, or blocks of filters where there is one group.
    constexpr int64_t fewestGroups = 8; // of the typical image, so that one of a few rows has several
    if (isFree && groups < fewestGroups)
      return;
    double tasks = items > 1 ? llvm::divideCeil(shape.batch, items) : groups;
    if (tasks == 1)
      tasks = blocks;
    double cost = cycles * (1 + std::ceil(tasks / 2) / tasks);
    if (cost < leastCost) {
      best = {m, registerTile, rows, columns, items, channels, cycles};
      leastCost = cost;
    }
  };
  for (int64_t m : {2, 4}) {
    if (filter && m != filter->tile)
      continue;
    int64_t tileRows = llvm::divideCeil(height, m), tilesInRow = inStrips ? tilesOfStrip : llvm::divideCeil(width, m);
    auto considerGroups = [&](int64_t channels) {
      if (!filter || filter->items == 1) {
        for (int64_t rows = 1; rows <= tileRows; ++rows)
          if (tileRows % rows == 0)
            consider(m, rows, tilesInRow, /*items=*/1, channels);
        for (int64_t columns = 1; columns < tilesInRow && !inStrips; ++columns)
          if (tilesInRow % columns == 0)
            consider(m, 1, columns, /*items=*/1, channels);
      }
      if (isFree)
        return;
      for (int64_t items = filter ? filter->items : 2; items > 1 && items <= shape.batch; items *= 2)
        consider(m, tileRows, tilesInRow, items, channels);
    };
    if (!filter || !filter->areTaps)
      considerGroups(0);
    // Sums of fewer channels are not worth adding up.
    int64_t part = std::gcd(shape.channels, int64_t(32));
    if (filter ? filter->areTaps : part >= 16)
      considerGroups(part);
  }
  return best;
}

int64_t sylvite::winogradGradientBlock(int64_t channels) { return std::gcd(channels, int64_t(32)); }

WinogradGradientPlan sylvite::planWinogradGradient(const WinogradShape &shape, const Machine &machine, int64_t tile) {
  // Products that are summed in registers before the second cache, at least: more, and what is transformed takes the place of
  // sums there. Measured on a Sapphire Rapids, 16 tiles and 64 by 64 channels were best from 4x4x512 to 16x16x128: 9.2 and 7.2 ms.
  constexpr int64_t fewestTiles = 16;
  WinogradGradientPlan best{0, 0, {{1, 1}, 0}, 1, shape.channels, shape.filters, std::numeric_limits<double>::infinity()};
  if (shape.channels % shape.lanes || shape.filters % shape.lanes)
    return best;
  int64_t channelBlock = winogradGradientBlock(shape.channels), filterBlock = winogradGradientBlock(shape.filters);
  auto consider = [&](int64_t m, int64_t items, int64_t channels, int64_t filters) {
    int64_t points = (m + 2) * (m + 2),
            tiles = items * llvm::divideCeil(shape.height, m) * llvm::divideCeil(shape.width, m);
    RowTile product = chooseDividingTile({channels, filters}, /*rowDim=*/0, filterBlock, shape.lanes, tiles, machine);
    double tasks = double(shape.channels / channels) * double(shape.filters / filters),
           groups = llvm::divideCeil(itemsOfStep, items);
    double vectors = (channels * inputTransformCycles(m) + filters * outputTransformCycles(m)) / shape.lanes,
           lines = points * (channels + filters) / shape.lanes;
    // A line of what is transformed goes to the second cache.
    double compute = points * estimateCycles({filters, channels, tiles, shape.lanes}, product.size) + tiles * (vectors + 3 * lines);
    // From there it is read, after it was written; sums are read and written for each group, and begun and transformed back once.
    double pointBytes = 4.0 * points * tiles * (channels + filters), sumBytes = 4.0 * points * channels * filters,
           bandwidth = pointBytes + sumBytes > machine.l2Bytes * 3 / 4 ? cacheBytes : secondCacheBandwidth;
    double cycles = tasks *
                    (groups * (compute + (2 * pointBytes + 2 * sumBytes) / bandwidth) +
                     inputTransformCycles(m) * filters / shape.lanes * channels + 2 * sumBytes / bandwidth) /
                    itemsOfStep;
    if (cycles < best.cycles)
      best = {m, int64_t(llvm::divideCeil(shape.width, m)), product, items, channels, filters, cycles};
  };
  for (int64_t m : {2, 4}) {
    if (tile && m != tile)
      continue;
    int64_t tiles = llvm::divideCeil(shape.height, m) * llvm::divideCeil(shape.width, m),
            items = llvm::divideCeil(fewestTiles, tiles);
    for (int64_t channels = channelBlock; channels <= shape.channels; channels += channelBlock)
      for (int64_t filters = filterBlock; filters <= shape.filters; filters += filterBlock) {
        bool isTask = shape.channels % channels == 0 && shape.filters % filters == 0;
        // Two tasks at least, for two cores, where there are blocks enough.
        bool isWhole = channels == shape.channels && filters == shape.filters;
        if (isTask && (!isWhole || channels + filters == channelBlock + filterBlock))
          consider(m, items, channels, filters);
      }
  }
  return best;
}
