//===- Winograd.cpp - Winograd's convolution to halide ---------------------===//
//
// F(m x m, 3x3): tiles of m x m outputs from overlapping tiles of (m + 2) x (m + 2) inputs. Inputs and
// filters go to a domain where the convolution of a tile is one product per point, summed over channels:
// (m + 2)^2 matrix products over all tiles. Lavin, Gray: Fast Algorithms for Convolutional Neural
// Networks, arXiv 1509.09308; matrices for the points 0, 1, -1 (2, -2) and infinity.
//
// A matrix of a transform is constant, so a transform of one dimension is a choice among linear
// combinations by the point's index; the schedule unrolls that index, and the choice is gone.
//
//===----------------------------------------------------------------------===//
#include "passes/lower/Lowering.h"
#include "passes/schedule/CostModel.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <numeric>

using namespace mlir;
using namespace sylvite;

namespace {
/// The transforms of one F(m, 3): rows of `input` are points over tile positions, of `filter` points over
/// taps, of `output` outputs over points.
struct Transforms {
  ArrayRef<ArrayRef<double>> input, filter, output;
};
} // namespace

static Transforms transformsOf(int64_t tile) {
  using Row = ArrayRef<double>;
  static const double input2[][4] = {{1, 0, -1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, 1, 0, -1}};
  static const double filter2[][3] = {{1, 0, 0}, {.5, .5, .5}, {.5, -.5, .5}, {0, 0, 1}};
  static const double output2[][4] = {{1, 1, 1, 0}, {0, 1, -1, -1}};
  static const double input4[][6] = {{4, 0, -5, 0, 1, 0},  {0, -4, -4, 1, 1, 0},
                                     {0, 4, -4, -1, 1, 0}, {0, -2, -1, 2, 1, 0},
                                     {0, 2, -1, -2, 1, 0}, {0, 4, 0, -5, 0, 1}};
  static const double filter4[][3] = {{1. / 4, 0, 0},
                                      {-1. / 6, -1. / 6, -1. / 6},
                                      {-1. / 6, 1. / 6, -1. / 6},
                                      {1. / 24, 1. / 12, 1. / 6},
                                      {1. / 24, -1. / 12, 1. / 6},
                                      {0, 0, 1}};
  static const double output4[][6] = {
      {1, 1, 1, 1, 1, 0}, {0, 1, -1, 2, -2, 0}, {0, 1, 1, 4, 4, 0}, {0, 1, -1, 8, -8, 1}};
  static const Row inputRows2[] = {input2[0], input2[1], input2[2], input2[3]},
                   filterRows2[] = {filter2[0], filter2[1], filter2[2], filter2[3]},
                   outputRows2[] = {output2[0], output2[1]},
                   inputRows4[] = {input4[0], input4[1], input4[2],
                                   input4[3], input4[4], input4[5]},
                   filterRows4[] = {filter4[0], filter4[1], filter4[2],
                                    filter4[3], filter4[4], filter4[5]},
                   outputRows4[] = {output4[0], output4[1], output4[2], output4[3]};
  if (tile == 2)
    return {inputRows2, filterRows2, outputRows2};
  return {inputRows4, filterRows4, outputRows4};
}

/// The sum of `values` times `factors`, of which those that are zero do not count; null where all are.
static Value combine(OpBuilder &b, Location loc, ArrayRef<double> factors, ArrayRef<Value> values) {
  Value sum;
  for (auto [factor, term] : llvm::zip(factors, values)) {
    if (factor == 0)
      continue;
    auto scaled = [&](double by) -> Value {
      return by == 1 ? term
                     : Value(arith::MulFOp::create(b, loc, term, GroupLowering::scalar(b, loc, term.getType(), by)));
    };
    if (!sum)
      sum = scaled(factor);
    else if (factor < 0)
      sum = arith::SubFOp::create(b, loc, sum, scaled(-factor));
    else
      sum = arith::AddFOp::create(b, loc, sum, scaled(factor));
  }
  return sum;
}

/// Whether `left` and `right` are the same but for signs.
template <typename Range> static bool areMirrored(Range left, Range right) {
  return llvm::all_of(llvm::zip(left, right),
                      [](auto pair) { return std::abs(std::get<0>(pair)) == std::abs(std::get<1>(pair)); });
}

/// Row `row` of `matrix` times `values`. Points come in pairs, p and -p, whose rows, or columns, are mirrored. What the
/// signs agree on and what they differ in is then said in the same words by all rows, and computed once where these are
/// unrolled side by side.
static Value applyRow(OpBuilder &b, Location loc, ArrayRef<ArrayRef<double>> matrix, size_t row, ArrayRef<Value> values) {
  ArrayRef<double> factors = matrix[row];
  // The sum and the difference of two halves.
  for (auto [other, otherFactors] : llvm::enumerate(matrix)) {
    if (other == row || !areMirrored(factors, otherFactors))
      continue;
    ArrayRef<double> first = matrix[std::min(row, other)];
    SmallVector<double> common(first.size(), 0), opposite(first.size(), 0);
    for (size_t k = 0; k < first.size(); ++k)
      (factors[k] == otherFactors[k] ? common : opposite)[k] = first[k];
    Value even = combine(b, loc, common, values), odd = combine(b, loc, opposite, values);
    return row < other ? Value(arith::AddFOp::create(b, loc, even, odd)) : arith::SubFOp::create(b, loc, even, odd);
  }
  // Sums and differences of two values.
  SmallVector<double> kept(factors);
  SmallVector<Value> terms(values);
  auto column = [&](size_t k) { return llvm::map_range(matrix, [k](ArrayRef<double> row) { return row[k]; }); };
  for (size_t k = 1; k < kept.size(); ++k) {
    if (kept[k] == 0 || kept[k - 1] == 0 || !areMirrored(column(k - 1), column(k)))
      continue;
    terms[k - 1] = kept[k] == kept[k - 1] ? Value(arith::AddFOp::create(b, loc, values[k - 1], values[k]))
                                          : arith::SubFOp::create(b, loc, values[k - 1], values[k]);
    kept[k] = 0;
  }
  return combine(b, loc, kept, terms);
}

/// Row `i` of `matrix` times the values that `value` gives, where `i` is a loop variable.
static Value applyRow(OpBuilder &b, Location loc, ArrayRef<ArrayRef<double>> matrix, Value i,
                      function_ref<Value(int64_t)> value) {
  IndexBuilder index(b, loc);
  SmallVector<Value> values(matrix.front().size());
  for (size_t k = 0; k < values.size(); ++k)
    values[k] = value(k);
  Value result;
  for (int64_t row = matrix.size() - 1; row >= 0; --row) {
    Value sum = applyRow(b, loc, matrix, size_t(row), values);
    if (!result) {
      result = sum;
      continue;
    }
    Value isRow =
        arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, i, index.constant(row));
    result = arith::SelectOp::create(b, loc, isRow, sum, result);
  }
  return result;
}

/// G g G^T in two steps.
static LogicalResult lowerWinogradFilter(nn::WinogradFilterOp op, GroupLowering &lowering) {
  ArrayRef<ArrayRef<double>> matrix = transformsOf(op.getTile()).filter;
  halide::FuncOp rows = halide::FuncOp::create(
      lowering.builder, op.getLoc(), "filter_rows", {"i", "b", "c", "o"}, lowering.typeOf(op).getElementType(),
      [&](OpBuilder &b, Location loc, ValueRange v) {
        IndexBuilder index(b, loc);
        halide::YieldOp::create(b, loc, applyRow(b, loc, matrix, v[0], [&](int64_t tap) {
                                  return lowering.at(b, loc, op.getFilter(), {index.constant(tap), v[1], v[2], v[3]});
                                }));
      });
  lowering.defineFunc(op, "winograd_filter", [&](OpBuilder &b, Location loc, ValueRange v) {
    IndexBuilder index(b, loc);
    halide::YieldOp::create(b, loc, applyRow(b, loc, matrix, v[1], [&](int64_t tap) {
                              return lowering.at(b, loc, rows, {v[0], index.constant(tap), v[2], v[3]});
                            }));
  });
  return success();
}

namespace {
/// In which order the tiles of an image are numbered, t, such that it is known how many lie side by side: in rows of tiles; in columns
/// where the width is free; or, where the height is, too, in rows of strips, s, of a fixed width.
enum class TileOrder { Rows, Columns, Strips };

/// The tiles of an image `(N, H, W, C)`. There are `rows` of `columns`, either of which may be free, `step` positions apart; the first
/// begins `paddingLow` before the image. Channels are in blocks of `block`. Tiles of `items` items are numbered one after the other.
/// Groups of items may reach beyond the last one, whose tiles are then taken again.
struct Tiling {
  int64_t step, rows, columns;
  ArrayRef<int64_t> paddingLow;
  int64_t block;
  bool inGroups = false;
  int64_t items = 1;

  TileOrder order() const {
    return !ShapedType::isDynamic(columns) ? TileOrder::Rows : ShapedType::isDynamic(rows) ? TileOrder::Strips : TileOrder::Columns;
  }
  /// Tiles that lie side by side.
  int64_t length() const {
    return order() == TileOrder::Rows ? columns : order() == TileOrder::Columns ? rows : tilesOfStrip;
  }
  /// Loop variables of a func of tiles, those of an image before `others`.
  SmallVector<StringRef> variables(ArrayRef<StringRef> others) const {
    SmallVector<StringRef> names{"n"};
    if (order() == TileOrder::Strips)
      names.push_back("s");
    names.append(others.begin(), others.end());
    return names;
  }
  /// The item of tile `t` of the group that `image` names.
  Value itemOf(IndexBuilder &index, ValueRange image, Value t) const {
    return items == 1 ? image.front() : index.add(index.mul(image.front(), items), index.floorDiv(t, rows * columns));
  }
  /// Where in the image tile `t` begins, of the strip that `image` names: y and x.
  std::pair<Value, Value> positionOf(IndexBuilder &index, ValueRange image, Value t) const {
    Value row = index.floorDiv(t, length());
    if (items > 1)
      row = index.mod(row, rows);
    Value line = index.mul(row, step), place = index.mul(index.mod(t, length()), step);
    if (order() == TileOrder::Columns)
      return {place, line};
    if (order() == TileOrder::Strips)
      place = index.add(index.mul(image.back(), length() * step), place);
    return {line, place};
  }
  /// Which tile has position (y, x) of item `n`: the item, the strip where there are any, and t.
  SmallVector<Value> tileAt(IndexBuilder &index, Value n, Value y, Value x) const {
    Value column = index.floorDiv(x, step), row = index.floorDiv(y, step);
    switch (order()) {
    case TileOrder::Rows: {
      Value tile = index.add(index.mul(row, length()), column);
      if (items == 1)
        return {n, tile};
      Value group = index.floorDiv(n, items), item = index.sub(n, index.mul(group, items));
      return {group, index.add(index.mul(item, rows * columns), tile)};
    }
    case TileOrder::Columns:
      return {n, index.add(index.mul(column, length()), row)};
    case TileOrder::Strips: {
      // Of a remainder the bounds of a group would not be known.
      Value strip = index.floorDiv(column, length()), place = index.sub(column, index.mul(strip, length()));
      return {n, strip, index.add(index.mul(row, length()), place)};
    }
    }
    llvm_unreachable("no such order");
  }
};

/// The arguments of a func of tiles: those that `Tiling::variables` puts first, and the others.
struct TilePoint {
  TilePoint(const Tiling &tiling, ValueRange arguments) {
    size_t leading = tiling.variables({}).size();
    image = arguments.take_front(leading);
    others = arguments.drop_front(leading);
  }
  Value operator[](size_t i) const { return others[i]; }
  /// The point of another such func of the same image.
  SmallVector<Value> with(ArrayRef<Value> replaced) const {
    SmallVector<Value> point(image);
    point.append(replaced.begin(), replaced.end());
    return point;
  }
  ValueRange image, others;
};
} // namespace

/// `image` by tiles of which rows and columns are combined as rows of `matrix` say: `name_points`, of (n, co, t, a, b, ci). Blocks
/// of channels, co, stand outside: all points of a tile lie side by side for the transforms, and the same point of the next tile is
/// not a multiple of a page away for the products. What a tile reads outside the image, in the padding or where it overhangs, is
/// zero: it is read from `padded`, unless all of them lie inside.
static halide::FuncOp transformTiles(GroupLowering &lowering, Location loc, StringRef padded, StringRef name, Value image,
                                     Tiling tiling, ArrayRef<ArrayRef<double>> matrix) {
  RankedTensorType type = lowering.typeOf(image);
  auto create = [&](StringRef name, ArrayRef<StringRef> vars, halide::BodyBuilder body) {
    return halide::FuncOp::create(lowering.builder, loc, name, vars, type.getElementType(), body);
  };
  // The item whose number is `n`, or the last one.
  auto itemAt = [&](OpBuilder &b, Location loc, Value n) {
    IndexBuilder index(b, loc);
    if (!tiling.inGroups)
      return n;
    // That an item of several in a group is not before the first one is not seen from its number in the group.
    Value last = index.add(lowering.extent(b, loc, image, 0), -1);
    return tiling.items > 1 ? index.clamp(n, 0, last) : index.minimum(n, last);
  };
  int64_t overlap = static_cast<int64_t>(matrix.front().size()) - tiling.step;
  bool isInside = llvm::all_of(tiling.paddingLow, [](int64_t padding) { return padding == 0; }) && !type.isDynamicDim(1) &&
                  !type.isDynamicDim(2) && tiling.rows * tiling.step + overlap <= type.getDimSize(1) &&
                  tiling.columns * tiling.step + overlap <= type.getDimSize(2);
  halide::FuncOp whole;
  if (!isInside)
    whole = create(padded, {"n", "y", "x", "c"}, [&](OpBuilder &b, Location loc, ValueRange point) {
      IndexBuilder index(b, loc);
      SmallVector<Value> at(point);
      at[0] = itemAt(b, loc, at[0]);
      Value inside;
      for (unsigned i : {0u, 1u}) {
        Value size = lowering.extent(b, loc, image, i + 1), position = index.add(point[i + 1], -tiling.paddingLow[i]);
        Value here = index.both(index.greaterEqual(position, 0), index.lessThan(position, size));
        inside = inside ? index.both(inside, here) : here;
        at[i + 1] = index.clamp(position, 0, index.add(size, -1));
      }
      Value zero = lowering.scalar(b, loc, type.getElementType(), 0);
      Value value = lowering.at(b, loc, image, at);
      halide::YieldOp::create(b, loc, Value(arith::SelectOp::create(b, loc, inside, value, zero)));
    });
  halide::FuncOp rows = create(
      (name + "_rows").str(), tiling.variables({"co", "t", "a", "j", "ci"}), [&](OpBuilder &b, Location loc, ValueRange vars) {
        IndexBuilder index(b, loc);
        TilePoint v(tiling, vars);
        auto [y, begin] = tiling.positionOf(index, v.image, v[1]);
        Value x = index.add(begin, v[3]), c = index.add(index.mul(v[0], tiling.block), v[4]),
              n = tiling.itemOf(index, v.image, v[1]);
        halide::YieldOp::create(b, loc, applyRow(b, loc, matrix, v[2], [&, y = y](int64_t i) {
                                  SmallVector<Value> at{isInside ? itemAt(b, loc, n) : n, index.add(y, i), x, c};
                                  return isInside ? lowering.at(b, loc, image, at) : lowering.at(b, loc, whole, at);
                                }));
      });
  return create(
      (name + "_points").str(), tiling.variables({"co", "t", "a", "b", "ci"}), [&](OpBuilder &b, Location loc, ValueRange vars) {
        IndexBuilder index(b, loc);
        TilePoint v(tiling, vars);
        halide::YieldOp::create(b, loc, applyRow(b, loc, matrix, v[3], [&](int64_t j) {
                                  return lowering.at(b, loc, rows, v.with({v[0], v[1], v[2], index.constant(j), v[4]}));
                                }));
      });
}

/// Point (a, b) of the transformed filter from input channel `r` to channel `ci` of block `co`: `v` is co, a, b, r, ci.
using FilterReader = std::function<Value(OpBuilder &b, Location loc, ArrayRef<Value> v)>;

/// Reads a filter that was transformed before.
static FilterReader readTransformed(nn::WinogradConvOp op, GroupLowering &lowering) {
  return [op, &lowering](OpBuilder &b, Location loc, ArrayRef<Value> v) mutable {
    IndexBuilder index(b, loc);
    Value point = index.add(index.mul(v[1], op.getTile() + 2), v[2]);
    return lowering.at(b, loc, op.getFilter(), {v[0], point, v[3], v[4]});
  };
}

/// Transforms the taps of a filter on the way: "filter_points", of (co, k, a, b, ci).
static FilterReader transformTaps(nn::WinogradConvOp op, GroupLowering &lowering, ArrayRef<ArrayRef<double>> matrix) {
  Type element = lowering.typeOf(op.getFilter()).getElementType();
  auto create = [&](StringRef name, ArrayRef<StringRef> vars, halide::BodyBuilder body) {
    return halide::FuncOp::create(lowering.builder, op.getLoc(), name, vars, element, body);
  };
  halide::FuncOp rows = create("filter_rows", {"co", "k", "a", "j", "ci"}, [&](OpBuilder &b, Location loc, ValueRange v) {
    IndexBuilder index(b, loc);
    halide::YieldOp::create(b, loc, applyRow(b, loc, matrix, v[2], [&](int64_t i) {
                              return lowering.at(b, loc, op.getFilter(), {v[0], v[1], index.add(v[3], 3 * i), v[4]});
                            }));
  });
  halide::FuncOp points = create("filter_points", {"co", "k", "a", "b", "ci"}, [&](OpBuilder &b, Location loc, ValueRange v) {
    IndexBuilder index(b, loc);
    halide::YieldOp::create(b, loc, applyRow(b, loc, matrix, v[3], [&](int64_t j) {
                              return lowering.at(b, loc, rows, {v[0], v[1], v[2], index.constant(j), v[4]});
                            }));
  });
  return [points, &lowering](OpBuilder &b, Location loc, ArrayRef<Value> v) {
    return lowering.at(b, loc, points, {v[0], v[3], v[1], v[2], v[4]});
  };
}

static LogicalResult lowerWinogradConv(nn::WinogradConvOp op, GroupLowering &lowering) {
  Transforms transforms = transformsOf(op.getTile());
  RankedTensorType input = lowering.typeOf(op.getInput()), filter = lowering.typeOf(op.getFilter()),
                   result = lowering.typeOf(op);
  Type element = input.getElementType();
  int64_t tile = op.getTile(), block = filter.getDimSize(3), inputBlock = std::gcd(input.getDimSize(3), block);
  auto tilesOf = [&](unsigned dim) {
    int64_t size = result.getDimSize(dim);
    return ShapedType::isDynamic(size) ? size : int64_t(llvm::divideCeil(size, tile));
  };
  int64_t items = op.getItems();
  Tiling tiling{tile, tilesOf(1), tilesOf(2), op.getPaddingLow(), inputBlock, /*inGroups=*/items > 1, items};
  Location loc = op.getLoc();
  OpBuilder &builder = lowering.builder;
  auto create = [&](StringRef name, ArrayRef<StringRef> vars, halide::BodyBuilder body) {
    return halide::FuncOp::create(builder, loc, name, vars, element, body);
  };
  halide::FuncOp transformed = transformTiles(lowering, loc, "padded", "input", op.getInput(), tiling, transforms.input);
  FilterReader filterAt = op.takesTaps() ? transformTaps(op, lowering, transforms.filter) : readTransformed(op, lowering);
  halide::FuncOp sums = create(
      "sums", tiling.variables({"co", "t", "a", "b", "ci"}), [&](OpBuilder &b, Location loc, ValueRange) {
        halide::YieldOp::create(b, loc, lowering.scalar(b, loc, element, 0));
      });
  halide::UpdateOp::create(
      builder, loc, sums, halide::ReductionVariable{"rc", 0, input.getDimSize(3)},
      [&](OpBuilder &b, Location loc, ValueRange vars) {
        IndexBuilder index(b, loc);
        TilePoint v(tiling, vars.drop_back());
        Value r = vars.back();
        yieldProductSum(b, loc, lowering.at(b, loc, sums, vars.drop_back()),
                        lowering.at(b, loc, transformed,
                                    v.with({index.floorDiv(r, inputBlock), v[1], v[2], v[3], index.mod(r, inputBlock)})),
                        filterAt(b, loc, {v[0], v[2], v[3], r, v[4]}));
      });
  halide::FuncOp products = create(
      "products", tiling.variables({"co", "t", "a", "b", "ci"}), [&](OpBuilder &b, Location loc, ValueRange v) {
        halide::YieldOp::create(b, loc, lowering.at(b, loc, sums, v));
      });
  halide::FuncOp outputRows = create(
      "output_rows", tiling.variables({"t", "i", "b", "c"}), [&](OpBuilder &b, Location loc, ValueRange vars) {
        IndexBuilder index(b, loc);
        TilePoint v(tiling, vars);
        Value co = index.floorDiv(v[3], block), ci = index.mod(v[3], block);
        halide::YieldOp::create(b, loc, applyRow(b, loc, transforms.output, v[1], [&](int64_t a) {
                                  return lowering.at(b, loc, products, v.with({co, v[0], index.constant(a), v[2], ci}));
                                }));
      });
  halide::FuncOp tiles = create(
      "output_tiles", tiling.variables({"t", "i", "j", "c"}), [&](OpBuilder &b, Location loc, ValueRange vars) {
        IndexBuilder index(b, loc);
        TilePoint v(tiling, vars);
        halide::YieldOp::create(b, loc, applyRow(b, loc, transforms.output, v[2], [&](int64_t k) {
                                  return lowering.at(b, loc, outputRows, v.with({v[0], v[1], index.constant(k), v[3]}));
                                }));
      });
  lowering.defineFunc(op, "winograd", [&](OpBuilder &b, Location loc, ValueRange v) {
    IndexBuilder index(b, loc);
    SmallVector<Value> at = tiling.tileAt(index, v[0], v[1], v[2]);
    at.append({index.mod(v[1], tile), index.mod(v[2], tile), v[3]});
    halide::YieldOp::create(b, loc, lowering.at(b, loc, tiles, at));
  });
  return success();
}

namespace {
/// The transposed matrix of a transform.
struct Transposed {
  explicit Transposed(ArrayRef<ArrayRef<double>> matrix) : rows(matrix.front().size()) {
    for (ArrayRef<double> row : matrix)
      for (auto [i, value] : llvm::enumerate(row))
        rows[i].push_back(value);
    views.assign(rows.begin(), rows.end());
  }
  SmallVector<SmallVector<double>> rows;
  SmallVector<ArrayRef<double>> views;
};
} // namespace

/// The adjoint of the convolution: tiles of the input and of the gradient meet point by point, and the sums go back to taps.
static LogicalResult lowerWinogradGradFilter(nn::WinogradGradFilterOp op, GroupLowering &lowering) {
  Transforms transforms = transformsOf(op.getTile());
  Transposed output(transforms.output), filter(transforms.filter);
  RankedTensorType gradient = lowering.typeOf(op.getGradient());
  Type element = gradient.getElementType();
  int64_t tile = op.getTile(), tileRows = llvm::divideCeil(gradient.getDimSize(1), tile),
          tilesInRow = llvm::divideCeil(gradient.getDimSize(2), tile), tiles = tileRows * tilesInRow;
  int64_t inputBlock = winogradGradientBlock(lowering.typeOf(op.getInput()).getDimSize(3)),
          block = winogradGradientBlock(gradient.getDimSize(3));
  Location loc = op.getLoc();
  OpBuilder &builder = lowering.builder;
  halide::FuncOp input =
      transformTiles(lowering, loc, "padded", "input", op.getInput(),
                     {tile, tileRows, tilesInRow, op.getPaddingLow(), inputBlock, /*inGroups=*/true}, transforms.input);
  halide::FuncOp from = transformTiles(lowering, loc, "padded_gradient", "gradient", op.getGradient(),
                                       {tile, tileRows, tilesInRow, {0, 0}, block, /*inGroups=*/true}, output.views);
  halide::FuncOp products = halide::FuncOp::create(
      builder, loc, "products", {"a", "b", "c", "o"}, element, [&](OpBuilder &b, Location loc, ValueRange) {
        halide::YieldOp::create(b, loc, lowering.scalar(b, loc, element, 0));
      });
  SmallVector<halide::ReductionVariable> reduction{{"rn", 0, lowering.extentBound(op.getGradient(), 0)}, {"rt", 0, tiles}};
  halide::UpdateOp::create(
      builder, loc, products, reduction,
      [&](OpBuilder &b, Location loc, ValueRange v) {
        IndexBuilder index(b, loc);
        auto pointOf = [&](halide::FuncOp points, Value channel, int64_t block) {
          return lowering.at(b, loc, points,
                             {v[4], index.floorDiv(channel, block), v[5], v[0], v[1], index.mod(channel, block)});
        };
        yieldProductSum(b, loc, lowering.at(b, loc, products, v.take_front(4)), pointOf(input, v[2], inputBlock),
                        pointOf(from, v[3], block));
      });
  halide::FuncOp rows = halide::FuncOp::create(
      builder, loc, "filter_rows", {"i", "b", "c", "o"}, element, [&](OpBuilder &b, Location loc, ValueRange v) {
        IndexBuilder index(b, loc);
        halide::YieldOp::create(b, loc, applyRow(b, loc, filter.views, v[0], [&](int64_t a) {
                                  return lowering.at(b, loc, products, {index.constant(a), v[1], v[2], v[3]});
                                }));
      });
  lowering.defineFunc(op, "winograd_grad_filter", [&](OpBuilder &b, Location loc, ValueRange v) {
    IndexBuilder index(b, loc);
    halide::YieldOp::create(b, loc, applyRow(b, loc, filter.views, v[1], [&](int64_t k) {
                              return lowering.at(b, loc, rows, {v[0], index.constant(k), v[2], v[3]});
                            }));
  });
  return success();
}

void sylvite::addWinogradLowerings(LoweringTable &table) {
  table.add<nn::WinogradConvOp, lowerWinogradConv>();
  table.add<nn::WinogradFilterOp, lowerWinogradFilter>();
  table.add<nn::WinogradGradFilterOp, lowerWinogradGradFilter>();
}
