//===- Order.cpp - nodes of keras.ops that sort ---------------------------===//
//
// Rows for the functions of keras.ops that put the elements of a dimension in their order. An element's rank is the number of
// those that come before it, of equal ones those that stand before it; at place r of the result is the element of rank r.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/keras/Layers.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace llvm;
using namespace mlir;
using namespace sylvite;
using namespace sylvite::keras;

/// The vector `positions` along dimension `dim` of a tensor of rank `rank`.
static Value along(LayerBuilder &b, Value positions, int64_t dim, int64_t rank) {
  for (int64_t i = dim + 1; i < rank && positions; ++i)
    positions = b.expandDims(positions, rankOf(positions));
  return positions;
}

/// The elements of dimension `axis` at `places`, of ranks 0, 1, ..., and their positions as i32.
static std::pair<Value, Value> sorted(LayerBuilder &b, Value x, int64_t axis, bool descending, Value places) {
  int64_t rank = rankOf(x) + 1;
  Type i32 = b.builder.getI32Type();
  Value position = b.convert(b.indices(x, axis), i32);
  places = b.convert(places, i32);
  // Dimension axis holds the element, the one after it all of them.
  Value own = along(b, position, axis, rank), other = along(b, position, axis + 1, rank);
  Value before = b.map({b.expandDims(x, axis + 1), b.expandDims(x, axis), own, other},
                       [&](OpBuilder &builder, Location loc, ValueRange v) -> Value {
                         ScalarMath element(builder, loc, v[0].getType()), index(builder, loc, i32);
                         Value precedes = descending ? element.less(v[0], v[1]) : element.less(v[1], v[0]);
                         Value standsBefore = index.both(element.equal(v[0], v[1]), index.less(v[3], v[2]));
                         Value counts = index.either(precedes, standsBefore);
                         return arith::ExtUIOp::create(builder, loc, v[2].getType(), counts);
                       });
  auto sum = [&](Value terms) { return b.make<nn::ReduceOp>(terms, nn::ReduceKind::Sum, ArrayRef<int64_t>{axis + 1}, false); };
  // Dimension axis holds the place, the one after it all elements, of which one has that rank.
  Value ranks = b.expandDims(sum(before), axis), place = along(b, places, axis, rank);
  auto pick = [&](Value from) {
    return sum(b.map({ranks, place, from}, [&](OpBuilder &builder, Location loc, ValueRange v) -> Value {
      Value zero = arith::ConstantOp::create(builder, loc, builder.getZeroAttr(v[2].getType()));
      ScalarMath rank(builder, loc, i32);
      return rank.select(rank.equal(v[0], v[1]), v[2], zero);
    }));
  };
  return {pick(b.expandDims(x, axis)), pick(other)};
}

/// The input, as numbers that can be added, and the dimension to sort.
static std::pair<Value, int64_t> readInput(LayerBuilder &b) {
  Value x = b.input();
  if (!b.attribute("axis") && rankOf(x) != 1)
    b.refuse("axis", "a dimension");
  int64_t axis = b.axis("axis", rankOf(x), 0);
  if (x && getElementTypeOrSelf(x.getType()).isInteger(1))
    x = b.convert(x, b.builder.getI32Type());
  return {x, axis};
}

template <bool positions> static void sort(LayerBuilder &b) {
  auto [x, axis] = readInput(b);
  if (b.failed())
    return;
  bool isBoolean = getElementTypeOrSelf(b.input().getType()).isInteger(1);
  auto [values, indices] = sorted(b, x, axis, /*descending=*/false, b.indices(x, axis));
  b.result(positions ? indices : isBoolean ? b.toBoolean(values) : values);
}

static void topK(LayerBuilder &b) {
  Value x = b.input();
  int64_t k = b.integer("k", std::nullopt), axis = rankOf(x) - 1;
  b.ignore({"sorted"}); // the order is as good as any
  if (b.failed())
    return;
  int64_t extent = axis < 0 ? 0 : shapeOf(x)[axis];
  if (!ShapedType::isDynamic(extent) && k > extent)
    return b.refuse("k", "at most the " + Twine(extent) + " elements of the last dimension");
  auto count = AffineMap::get(0, rankOf(x), b.builder.getAffineConstantExpr(k));
  Value places = nn::RangeOp::create(b.builder, b.loc, RankedTensorType::get({k}, b.builder.getI64Type()), count, x);
  auto [values, indices] = sorted(b, x, axis, /*descending=*/true, places);
  b.result(values);
  b.result(indices);
}

ArrayRef<LayerRow> keras::orderOperations() {
  static const LayerRow rows[] = {
      {"Argsort", sort<true>},
      {"Sort", sort<false>},
      {"TopK", topK},
  };
  return rows;
}
