//===- Reduce.cpp - reductions and searches along dimensions --------------===//
//
// Rows for sums, extrema and the like, for their positions, for running totals and for the largest elements.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/Folding.h"
#include "compiler/import/onnx/Operators.h"
#include <cmath>

using namespace llvm;
using namespace mlir;

namespace sylvite::onnx {

using nn::ReduceKind;
using nn::ScalarBuilder;

/// The dimensions that a Reduce* node reduces: all when none are given, unless noop_with_empty_axes.
static Dims reducedDims(NodeBuilder &b, int64_t sinceInput) {
  int64_t rank = b.rank(0u);
  auto axes = axesOf(b, 1, sinceInput, rank);
  bool noop = b.opset >= sinceInput && b.flag("noop_with_empty_axes", false);
  if (axes && !axes->empty())
    return *axes;
  Dims all;
  for (int64_t i = 0; !noop && i < rank; ++i)
    all.push_back(i);
  return all;
}

namespace {
enum class Before { None, Abs, Exp };
enum class After { None, Sqrt, Log };
} // namespace

/// A reduction with functions of elements around it.
template <ReduceKind kind, int64_t sinceInput, Before before = Before::None, After after = After::None>
static void reduction(NodeBuilder &b) {
  bool keep = b.flag("keepdims", true);
  Dims dims = reducedDims(b, sinceInput);
  Tensor *input = b.input(0);
  if (b.failed())
    return;
  Type type = input->type;
  if (!isa<FloatType>(type) && (before == Before::Exp || after != After::None || kind == ReduceKind::Mean))
    return void(b.error() << "its input is of an integer type; supported: float, double, float16, bfloat16");
  // Over no elements, every result is the identity.
  for (int64_t dim : dims)
    if (constantDim(input->shape[dim]) == 0) {
      ShapeExpr shape;
      for (auto [i, extent] : enumerate(input->shape))
        if (!is_contained(dims, int64_t(i)))
          shape.push_back(extent);
        else if (keep)
          shape.push_back(b.expr(1));
      double identity = kind == ReduceKind::Prod  ? 1
                        : kind == ReduceKind::Max ? -INFINITY
                        : kind == ReduceKind::Min ? INFINITY
                        : after == After::Log     ? -INFINITY
                        : kind == ReduceKind::Mean ? NAN
                                                   : 0;
      if (type.isInteger(1)) // the extrema of bools
        identity = kind == ReduceKind::Prod || kind == ReduceKind::Min;
      auto value = castKnown(numberScalar(identity), type);
      return value ? b.result(b.splat(shape, type, *value)) : void(b.error() << "its input has no elements");
    }
  Value x = b.value(0);
  if (dims.empty() && kind != ReduceKind::SumSquare) {
    // Nothing to reduce: the functions of elements remain.
    if (before == Before::Abs)
      x = b.map({x}, type, [&](OpBuilder &builder, Location at, ValueRange v) {
        ScalarMath s(builder, at, type);
        return s.select(s.less(v[0], s.constant(int64_t(0))), s.negate(v[0]), v[0]);
      });
    if (before == Before::None && after == After::Log)
      x = b.map(x, [](ScalarBuilder &s, Value e) { return s.log(e); });
    return b.result(x);
  }
  if (dims.empty())
    x = b.multiply(x, x);
  Value shift;
  if (before == Before::Exp) { // log(sum(exp(x))) without overflow
    shift = b.reduce(ReduceKind::Max, x, dims, true);
    x = b.map(x, shift, [](ScalarBuilder &s, Value e, Value m) { return s.exp(s.sub(e, m)); });
  }
  if (before == Before::Abs)
    x = b.map({x}, type, [&](OpBuilder &builder, Location at, ValueRange v) {
      ScalarMath s(builder, at, type);
      return s.select(s.less(v[0], s.constant(int64_t(0))), s.negate(v[0]), v[0]);
    });
  if (kind == ReduceKind::SumSquare && !isa<FloatType>(type)) {
    x = b.multiply(x, x);
    x = b.reduce(ReduceKind::Sum, x, dims, keep);
  } else if (!dims.empty()) {
    x = b.reduce(kind, x, dims, keep);
  }
  if (after == After::Sqrt)
    x = b.map(x, [](ScalarBuilder &s, Value e) { return s.sqrt(e); });
  if (after == After::Log)
    x = b.map(x, [](ScalarBuilder &s, Value e) { return s.log(e); });
  if (shift) {
    if (!keep) {
      ShapeExpr shape = b.shape(x);
      shift = b.reshape(shift, ArrayRef<AffineExpr>(shape));
    }
    x = b.add(x, shift);
  }
  b.result(x);
}

/// Known elements: what shape arithmetic reduces.
template <ReduceKind kind, int64_t sinceInput> static void foldReduction(NodeBuilder &b) {
  const Scalars *elements = b.known(0u);
  if (!elements || elements->empty() || (b.opset >= sinceInput && b.has(1) && !b.known(1)))
    return;
  if (b.isFloat(0) && any_of(*elements, [](const Scalar &element) { return bool(element.integer); }))
    return;
  bool keep = b.flag("keepdims", true);
  Dims dims = reducedDims(b, sinceInput);
  if (b.failed())
    return;
  Dims source = *constantShape(b.input(0)->shape), kept, shape;
  for (auto [i, extent] : enumerate(source)) {
    bool reduced = is_contained(dims, int64_t(i));
    kept.push_back(reduced ? 1 : extent);
    if (!reduced || keep)
      shape.push_back(reduced ? 1 : extent);
  }
  int64_t count = 1;
  for (int64_t extent : kept)
    count *= extent;
  std::vector<std::optional<Scalar>> totals(count);
  bool valid = true;
  forEachIndex(source, [&](ArrayRef<int64_t> index) {
    Dims to(index);
    for (int64_t dim : dims)
      to[dim] = 0;
    const Scalar &element = (*elements)[positionOf(index, source)];
    std::optional<Scalar> &total = totals[positionOf(to, kept)];
    if (!total) {
      total = element;
      return;
    }
    auto x = total->constant(), y = element.constant();
    int64_t value = 0;
    if (!element.integer) {
      total->number = kind == ReduceKind::Sum    ? total->number + element.number
                      : kind == ReduceKind::Prod ? total->number * element.number
                      : kind == ReduceKind::Max  ? std::max(total->number, element.number)
                                                 : std::min(total->number, element.number);
    } else if (kind == ReduceKind::Max || kind == ReduceKind::Min) {
      valid &= x && y;
      if (x && y)
        total->integer = b.expr(kind == ReduceKind::Max ? std::max(*x, *y) : std::min(*x, *y));
    } else if (x && y) {
      valid &= !(kind == ReduceKind::Sum ? __builtin_add_overflow(*x, *y, &value)
                                         : __builtin_mul_overflow(*x, *y, &value));
      total->integer = b.expr(value);
    } else {
      total->integer = kind == ReduceKind::Sum ? total->integer + element.integer : total->integer * element.integer;
    }
  });
  Scalars result;
  for (const std::optional<Scalar> &total : totals) {
    auto value = total ? castKnown(*total, b.type(0u)) : std::nullopt;
    valid &= value.has_value();
    result.push_back(value.value_or(Scalar()));
  }
  if (valid)
    b.result(b.type(0u), shape, std::move(result));
}

//===----------------------------------------------------------------------===//
// Positions
//===----------------------------------------------------------------------===//

/// The first position of the extremum, or the last: the least (or greatest) among those that hold it.
template <ReduceKind kind> static void argument(NodeBuilder &b) {
  bool keep = b.flag("keepdims", true), last = b.flag("select_last_index", false);
  int64_t axis = b.axis("axis", b.rank(0u), 0);
  Value x = b.value(0);
  if (b.failed())
    return;
  Type type = b.type(x), i64 = IntegerType::get(b.state.context, 64);
  Value best = b.reduce(kind, x, {axis}, true), index = b.indices(b.shape(x), axis, i64);
  Value candidates = b.map({x, best, index}, i64, [&](OpBuilder &builder, Location at, ValueRange v) {
    ScalarMath s(builder, at, type), position(builder, at, i64);
    return s.select(s.equal(v[0], v[1]), v[2], position.constant(int64_t(last ? -1 : INT32_MAX)));
  });
  b.result(b.reduce(last ? ReduceKind::Max : ReduceKind::Min, candidates, {axis}, keep));
}

/// The `k` greatest (or least) elements in their order: an element's rank is the number of those before it, and the
/// element of rank r is the one whose rank is r.
static void topK(NodeBuilder &b) {
  bool largest = b.opset >= 11 ? b.flag("largest", true) : true;
  b.ignore({"sorted"});
  int64_t k = b.opset >= 10 ? b.constant(1, "k") : b.integer("k", std::nullopt);
  int64_t axis = b.axis("axis", b.rank(0u), -1);
  Value x = b.value(0);
  if (b.failed())
    return;
  auto extent = constantDim(b.shape(x)[axis]);
  if (k < 1 || (extent && k > *extent))
    return void(b.error() << "its k is " << k << "; supported: 1 to the extent of dimension " << axis << " of its input "
                          << b.text(b.shape(x)));
  Type type = b.type(x), i64 = IntegerType::get(b.state.context, 64);
  // Dimension axis holds the element, the one after it all that stand beside it.
  Value self = b.unsqueeze(x, axis + 1), other = b.unsqueeze(x, axis);
  ShapeExpr square = b.shape(self);
  square[axis + 1] = b.shape(other)[axis + 1];
  Value selfIndex = b.indices(square, axis, i64), otherIndex = b.indices(square, axis + 1, i64);
  Value before = b.map({self, other, selfIndex, otherIndex}, i64, [&](OpBuilder &builder, Location at, ValueRange v) {
    ScalarMath s(builder, at, type), position(builder, at, i64);
    Value precedes = largest ? s.less(v[0], v[1]) : s.less(v[1], v[0]);
    Value tie = s.both(s.equal(v[0], v[1]), position.less(v[3], v[2]));
    return s.select(s.either(precedes, tie), position.constant(int64_t(1)), position.constant(int64_t(0)));
  });
  Value ranks = b.reduce(ReduceKind::Sum, before, {axis + 1}, false);
  // (..., r, ...): of all elements the one of rank r.
  Value rank = b.unsqueeze(ranks, axis), element = b.unsqueeze(x, axis);
  ShapeExpr chosen = b.shape(rank);
  if (b.failed())
    return;
  chosen[axis] = b.expr(k);
  Value wanted = b.indices(chosen, axis, i64), index = b.indices(chosen, axis + 1, i64);
  Value indices = b.map({rank, wanted, index}, i64, [&](OpBuilder &builder, Location at, ValueRange v) {
    ScalarMath position(builder, at, i64);
    return position.select(position.equal(v[0], v[1]), v[2], position.constant(int64_t(0)));
  });
  Value values = b.map({element, rank, wanted}, type, [&](OpBuilder &builder, Location at, ValueRange v) {
    ScalarMath s(builder, at, type), position(builder, at, i64);
    return position.select(position.equal(v[1], v[2]), v[0], s.constant(int64_t(0)));
  });
  b.result(b.reduce(ReduceKind::Sum, values, {axis + 1}, false));
  b.result(b.reduce(ReduceKind::Sum, indices, {axis + 1}, false));
}

/// Running totals: the total of all elements that stand before, each an element of a reduction.
template <ReduceKind kind> static void cumulate(NodeBuilder &b) {
  bool exclusive = b.flag("exclusive", false), reverse = b.flag("reverse", false);
  int64_t rank = b.rank(0u), axis = b.constant(1, "axis");
  Value x = b.value(0);
  if (b.failed())
    return;
  if (axis < -rank || axis >= rank)
    return void(b.error() << "its axis is " << axis << "; supported: a dimension of an input of rank " << rank);
  axis += axis < 0 ? rank : 0;
  Type type = b.type(x), i64 = IntegerType::get(b.state.context, 64);
  Value other = b.unsqueeze(x, axis);
  ShapeExpr square = b.shape(other);
  square[axis] = square[axis + 1];
  Value selfIndex = b.indices(square, axis, i64), otherIndex = b.indices(square, axis + 1, i64);
  Value parts = b.map({other, selfIndex, otherIndex}, type, [&](OpBuilder &builder, Location at, ValueRange v) {
    ScalarMath s(builder, at, type), position(builder, at, i64);
    Value first = reverse ? v[1] : v[2], second = reverse ? v[2] : v[1];
    Value taken = exclusive ? position.less(first, second) : position.lessOrEqual(first, second);
    return s.select(taken, v[0], s.constant(int64_t(kind == ReduceKind::Prod ? 1 : 0)));
  });
  b.result(b.reduce(kind, parts, {axis + 1}, false));
}

ArrayRef<OperatorRow> reduceOperators() {
  static const OperatorRow rows[] = {
      {"ArgMax", 1, kNewest, argument<ReduceKind::Max>},
      {"ArgMin", 1, kNewest, argument<ReduceKind::Min>},
      {"CumProd", 26, kNewest, cumulate<ReduceKind::Prod>},
      {"CumSum", 11, kNewest, cumulate<ReduceKind::Sum>},
      {"ReduceL1", 1, kNewest, reduction<ReduceKind::Sum, 18, Before::Abs>},
      {"ReduceL2", 1, kNewest, reduction<ReduceKind::SumSquare, 18, Before::None, After::Sqrt>},
      {"ReduceLogSum", 1, kNewest, reduction<ReduceKind::Sum, 18, Before::None, After::Log>},
      {"ReduceLogSumExp", 1, kNewest, reduction<ReduceKind::Sum, 18, Before::Exp, After::Log>},
      {"ReduceMax", 1, kNewest, reduction<ReduceKind::Max, 18>, foldReduction<ReduceKind::Max, 18>},
      {"ReduceMean", 1, kNewest, reduction<ReduceKind::Mean, 18>},
      {"ReduceMin", 1, kNewest, reduction<ReduceKind::Min, 18>, foldReduction<ReduceKind::Min, 18>},
      {"ReduceProd", 1, kNewest, reduction<ReduceKind::Prod, 18>, foldReduction<ReduceKind::Prod, 18>},
      {"ReduceSum", 1, kNewest, reduction<ReduceKind::Sum, 13>, foldReduction<ReduceKind::Sum, 13>},
      {"ReduceSumSquare", 1, kNewest, reduction<ReduceKind::SumSquare, 18>},
      {"TopK", 1, kNewest, topK},
  };
  return rows;
}

} // namespace sylvite::onnx
