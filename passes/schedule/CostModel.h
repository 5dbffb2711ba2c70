//===- CostModel.h - what a register tile costs -----------------*- C++ -*-===//
//
// The machine as the compiler sees it, and the estimate by which contractions choose their register
// tile, the order of their weights and their algorithm. It knows no model and no list of shapes.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_PASSES_SCHEDULE_COSTMODEL_H
#define SYLVITE_PASSES_SCHEDULE_COSTMODEL_H

#include "mlir/IR/Types.h"
#include "llvm/ADT/ArrayRef.h"

namespace sylvite {

/// What a schedule needs to know of the target.
struct Machine {
  unsigned vectorBytes;     ///< size of a vector register
  unsigned vectorRegisters; ///< how many there are
  int64_t l2Bytes; ///< of a core's second cache
  /// Elements of a vector; a truth value takes a byte of memory.
  unsigned lanes(mlir::Type elementType) const {
    return std::max(1u, vectorBytes * 8 / std::max(8u, elementType.getIntOrFloatBitWidth()));
  }
};

/// `rows` positions of `vectors` registers of output channels each, held in registers while the
/// reduction runs.
struct Tile {
  int64_t vectors, rows;
};

/// How a contraction's weights are stored, which says what a tile may reach and what it shares.
enum class Weights {
  Dense,     ///< they end where the channels end
  Packed,    ///< in blocks of channels, zero beyond the last channel: a tile may reach there
  PerChannel ///< each channel has its own input too: depthwise convolution
};

/// A product of `depth` multiply-adds per element of `positions` by `channels` outputs.
struct Contraction {
  int64_t channels;
  int64_t positions; ///< ShapedType::kDynamic when free
  int64_t depth;
  int64_t lanes;              ///< of a vector of channels
  Weights weights = Weights::Dense;
  /// Taps of a window at which each position of a tile has an address of its own to compute: none where
  /// the positions of a tile are neighbours in a row, or the taps of a row are written out.
  int64_t taps = 0;
  /// From the input of a position to that of the next; zero where that is not known.
  int64_t positionBytes = 0;
  bool streams = false; ///< a tile reads all weights before the next one reads them again
};

/// Steps of a reduction that are written out, at most.
constexpr int64_t mostWrittenSteps = 4;

/// Bytes of a line of the caches.
constexpr int64_t lineBytes = 64;

/// Taps of a depthwise window that are written out, at most: registers hold what its positions share.
constexpr int64_t mostWrittenTaps = 9;

/// Weights, or sums, that half of the first cache holds while many tiles read them.
constexpr int64_t heldBytes = 16 << 10;

/// The largest divisor of `total` up to `most` that is a multiple of `step`; zero where there is none.
int64_t largestDivisor(int64_t total, int64_t most, int64_t step = 1);

/// The largest part of `steps` of a reduction, a divisor, whose weights of `stepBytes` each are held; one at least.
int64_t heldSteps(int64_t steps, int64_t stepBytes);

/// How many of `steps` of a reduction a part of up to `most` takes: a divisor, unless that is much less. The last part is shorter then.
int64_t partOf(int64_t steps, int64_t most);

/// Positions of a row that a depthwise convolution takes in one or two tiles: which of them see padding is then known.
constexpr int64_t shortRow = 16;

/// One of attention's products: a tile of rows goes through all panels. Rows of scores may be a page apart.
inline Contraction attentionProduct(int64_t columns, int64_t rows, int64_t depth, int64_t lanes) {
  return {columns, rows, depth, lanes, Weights::Packed, /*taps=*/0, /*positionBytes=*/0, /*streams=*/true};
}

/// A matrix of more bytes comes from memory or from a cache that cores share. Few rows, up to `rowsOfStreamed`, had better be multiplied
/// with it in the order in which it lies there. With 4096 x 4096 in rows, so or with a part of some columns after the other that stays in
/// the first cache: 8 rows take 3.0 and 11.7 ms, 32 rows 10 and 13, 64 rows 20 and 17, 256 rows 81 and 56.
constexpr int64_t streamedBytes = 8 << 20, rowsOfStreamed = 48;

/// Columns of a matrix of `columns` elements of `bytes` each that a task multiplies with a row of which many elements are zero: a
/// divisor, whole vectors of `lanes`, whose sums are held. Zero where too little of a row of the matrix is read at a time to make up
/// for what a core fetches beside it in vain.
int64_t rectifiedColumns(int64_t columns, int64_t lanes, int64_t bytes);

/// Columns that a task multiplies with a few rows of a matrix that no cache holds: a divisor of `columns` in pairs of vectors, or zero.
int64_t streamedColumns(int64_t columns, int64_t lanes);

/// How many keys attention takes at a time, in panels of `panel`, each of `keyBytes` with its value: zero for all of a row. Where the
/// panels of all keys leave the second cache each row tile would read them from memory, and blocks of an eighth of it are
/// taken; also of a free number of keys, which is then reduced in vectors. A block costs some exponentials: 2 heads of 64 on a core
/// of 2 MB, GFLOP/s without blocks and with them: 170 and 161 for 1024 keys, 130 and 143 for 4096, 85 and 148 for 16384.
int64_t chooseKeyBlock(int64_t keys, int64_t keyBytes, int64_t panel, const Machine &machine);

/// The estimated cycles of `contraction`, computed in tiles: per step of the reduction the multiply-adds
/// (two a cycle, four cycles of latency) or the loads, whichever takes longer, and what a tile costs to
/// begin and to end. For a free number of positions, the cost of one among many.
double estimateCycles(const Contraction &contraction, Tile tile);

/// The tile with the least estimate among those whose registers suffice; of `vectors` registers of
/// channels, if that is given.
Tile chooseTile(const Contraction &contraction, const Machine &machine, int64_t vectors = 0);

/// A tile of a result: `size.rows` of its rows are `factor` places of dimension `dim` with all places of those after it.
struct RowTile {
  Tile size{1, 1};
  unsigned dim;
  int64_t factor = 1;
};

/// The tile that fits a result of `shape` by `columns` a whole number of times (an update cannot do an element twice), at the
/// least estimated cycles. `rowDim` is the last dimension of rows.
RowTile chooseDividingTile(llvm::ArrayRef<int64_t> shape, unsigned rowDim, int64_t columns, int64_t lanes, int64_t depth,
                           const Machine &machine);

/// A depthwise convolution over an image that is expanded, block of channels by block, on the way.
struct ExpandedWindow {
  int64_t height;         ///< rows of the result
  int64_t stride, window; ///< rows of the image, from one of the result to the next and for each
  int64_t rowBytes;       ///< of a block of channels of a row of the image
  int64_t blocks;         ///< of channels
};

/// Rows of the result for which a task expands its part of the image, which stays in its core's second cache. Zero where too
/// many rows of the image would be expanded twice.
int64_t planStrip(const ExpandedWindow &window, const Machine &machine);

/// Rows of a sum of outer products, most of them, that its kernel for few rows takes at one go: a tile's share of both operands stays
/// in the first cache.
constexpr int64_t rowsOfOneBlock = 128;

/// A tile of the gates of a recurrent cell, a product of all gates' columns for one block of units, of `contraction.lanes`: rows,
/// few enough to divide the usual batches, by some of the gates. What the tiles of a block read leaves the first cache: taller tiles
/// of fewer gates read less of it.
Tile chooseCellTile(Contraction contraction, const Machine &machine, bool fewRows);

/// Steps of a reduction after which weights that come from the second cache are multiplied with, when they are asked for.
constexpr int64_t nearSteps = 16;

/// Rows, most of them, for which a recurrent cell has a kernel of small tiles: larger ones would compute rows that nobody wants.
constexpr int64_t rowsOfSmallCell = 7;

/// Items of a step of training, or rows of a product, whose number is free, as estimates take it.
constexpr int64_t itemsOfStep = 32;
/// A free height or width of an image is estimated as so many positions.
constexpr int64_t typicalExtent = 64;

/// Tiles of Winograd's algorithm in a row of a strip of an image of free height and width.
constexpr int64_t tilesOfStrip = 4;

/// A 3x3 convolution of stride one: `height` by `width` positions, each of which may be free, of `filters` from `channels`.
struct WinogradShape {
  int64_t height, width, channels, filters, lanes;
  int64_t batch = 1;            ///< images, at least, that there are at a time
  bool filterChanges = false; ///< from call to call, as in training: it is transformed in each
};

/// How Winograd's algorithm runs: F(tile x tile, 3x3), products in register tiles, a group of `groupRows`
/// by `groupColumns` tiles transformed, multiplied and transformed back before the next. A group is part
/// of one row of tiles, or of whole rows, whose length is known: where the width is free, columns stand for rows; where both are,
/// the rows are those of a strip. Or it is all tiles of several items.
struct WinogradPlan {
  int64_t tile;
  Tile product;
  int64_t groupRows, groupColumns, items;
  int64_t channels; ///< of which a block's filters are transformed and multiplied at a time; zero: they were transformed before
  double cycles; ///< of one core
};

/// What is settled of a plan: the filter is in blocks of `vectors` registers, its taps or transformed for `tile`, for groups of `items`.
struct WinogradFilter {
  int64_t tile, vectors;
  bool areTaps;
  int64_t items;
};

/// The plan whose time on one core and on two is least together: of products, transforms, and of moving the transformed
/// filter, which is read once per group from wherever it fits. Restricted to `filter` if that is given.
WinogradPlan planWinograd(const WinogradShape &shape, const Machine &machine, std::optional<WinogradFilter> filter = {});

/// How the gradient of a filter is summed by Winograd's algorithm: F(tile x tile, 3x3), tiles of `items` items transformed and
/// multiplied, in register tiles, before the next. A task has `channels` input channels and `filters`, of which it transforms
/// both images.
struct WinogradGradientPlan {
  int64_t tile, tilesInRow;
  RowTile product;
  int64_t items, channels, filters;
  double cycles; ///< of one core for an item
};

/// Channels in a block of transformed tiles, a divisor of `channels`: two vectors, or a few.
int64_t winogradGradientBlock(int64_t channels);

/// The plan with the least estimate for the filter of `shape`, restricted to `tile` if that is given. None where channels or
/// filters do not fill vectors.
WinogradGradientPlan planWinogradGradient(const WinogradShape &shape, const Machine &machine, int64_t tile = 0);

/// Cycles to read `bytes` of weights, which nothing has read before in this run.
double estimateWeightCycles(double bytes);

/// Cycles of work whose computation and memory traffic overlap for the most part.
double overlapped(double compute, double memory);

} // namespace sylvite

#endif // SYLVITE_PASSES_SCHEDULE_COSTMODEL_H
