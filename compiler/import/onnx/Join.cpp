//===- Join.cpp - operators that join and part tensors ---------------------===//
//
// Rows for concatenation, splitting and slicing, which are shape arithmetic at least as often as computation, and fold.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/Folding.h"
#include "compiler/import/onnx/Operators.h"

using namespace llvm;
using namespace mlir;

namespace sylvite::onnx {

static void foldConcat(NodeBuilder &b) {
  SmallVector<Dims> shapes;
  Dims result;
  for (unsigned i = 0; i < b.numInputs(); ++i) {
    if (!b.known(i))
      return;
    shapes.push_back(*constantShape(b.input(i)->shape));
  }
  if (shapes.empty() || shapes[0].empty())
    return;
  int64_t axis = b.axis("axis", shapes[0].size(), 1);
  result = shapes[0];
  for (const Dims &shape : drop_begin(shapes)) {
    if (shape.size() != result.size())
      return;
    for (size_t i = 0; i < shape.size(); ++i)
      if (int64_t(i) != axis && shape[i] != result[i])
        return;
    result[axis] += shape[axis];
  }
  if (b.failed())
    return;
  Scalars elements;
  forEachIndex(result, [&](ArrayRef<int64_t> index) {
    Dims own(index);
    unsigned part = 0;
    while (own[axis] >= shapes[part][axis])
      own[axis] -= shapes[part++][axis];
    elements.push_back((*b.known(part))[positionOf(own, shapes[part])]);
  });
  b.result(b.type(0u), result, std::move(elements));
}

static void concat(NodeBuilder &b) {
  int64_t axis = b.axis("axis", b.rank(0u), 1);
  SmallVector<Value> parts;
  for (unsigned i = 0; i < b.numInputs() && !b.failed(); ++i) {
    Tensor *x = b.input(i);
    if (x && axis < x->rank() && constantDim(x->shape[axis]) == 0)
      continue; // adds nothing
    parts.push_back(b.materialize(x));
  }
  if (parts.empty())
    b.error() << "it joins nothing";
  b.result(b.concat(parts, axis));
}

static void split(NodeBuilder &b) {
  int64_t axis = b.axis("axis", b.rank(0u), 0);
  unsigned count = b.node.outputs.size();
  std::optional<Dims> sizes;
  Tensor *x = b.input(0);
  if (b.failed())
    return;
  if (b.opset >= 13 && b.has(1))
    sizes = b.constants(1, "split");
  else if (b.opset < 13)
    sizes = b.integers("split");
  if (b.opset >= 18)
    if (int64_t parts = b.integer("num_outputs", count); parts != count)
      b.refuse("num_outputs", "the number of the node's outputs, " + Twine(count));
  auto total = constantDim(x->shape[axis]);
  if (!sizes && count && !total) { // equal parts of a free size, and what is left
    AffineExpr extent = x->shape[axis], part = extent.ceilDiv(count);
    for (int64_t i = 0; i < count; ++i)
      b.result(b.take(b.materialize(x), axis, part * i, i + 1 < count ? part : extent - part * i));
    return;
  }
  if (!sizes && count) {
    // Equal parts; the last one is smaller.
    int64_t part = (*total + count - 1) / count;
    sizes.emplace();
    for (int64_t i = 0; i < count; ++i)
      sizes->push_back(std::min(part, *total - i * part));
  }
  int64_t sum = 0;
  for (int64_t part : sizes.value_or(Dims())) {
    if (part < 0 || __builtin_add_overflow(sum, part, &sum))
      sum = -1;
    if (sum < 0)
      break;
  }
  if (b.failed() || !sizes || sizes->size() != count || (total && sum != *total))
    return void(b.error() << "its parts have " << sum << " elements in " << (sizes ? sizes->size() : 0)
                          << " parts; supported: those of dimension " << axis << " of its input "
                          << b.text(x->shape) << " in " << count << " parts");
  int64_t start = 0;
  const Scalars *elements = x->value ? nullptr : b.known(x);
  for (int64_t part : *sizes) {
    if (part == 0) {
      ShapeExpr own = x->shape;
      own[axis] = b.expr(0);
      b.result(b.emptyTensor(x->type, own));
    } else if (elements) {
      Dims source = *constantShape(x->shape), shape = source;
      shape[axis] = part;
      Scalars values;
      forEachIndex(shape, [&](ArrayRef<int64_t> index) {
        Dims from(index);
        from[axis] += start;
        values.push_back((*elements)[positionOf(from, source)]);
      });
      b.result(x->type, shape, values);
    } else {
      b.result(b.slice(b.materialize(x), axis, start, part));
    }
    start += part;
  }
}

namespace {
/// What a Slice takes from one dimension. Expressions are clamped as far as they are constants.
struct Range {
  AffineExpr start, size;
  int64_t step = 1;
};
} // namespace

/// Whether `bound`, an expression of sizes, counts from the end: it is not positive for any of some sizes, and negative for
/// one.
static bool countsFromEnd(AffineExpr bound, size_t numSymbols) {
  bool isNegative = false;
  for (int64_t trial = 0; trial < 32; ++trial) {
    SmallVector<AffineExpr> sizes;
    for (size_t i = 0; i < numSymbols; ++i)
      sizes.push_back(getAffineConstantExpr(1 + (trial * (7 + 4 * i) + 3 * i) % 61, bound.getContext()));
    auto value = constantDim(simplifyAffineExpr(bound.replaceSymbols(sizes), 0, 0));
    if (!value || *value > 0)
      return false;
    isNegative |= *value < 0;
  }
  return isNegative;
}

/// The ranges of a Slice, one per dimension; fewer after a diagnostic.
static SmallVector<Range> slicedRanges(NodeBuilder &b) {
  Tensor *x = b.input(0);
  SmallVector<Range> ranges;
  if (!x)
    return ranges;
  SmallVector<AffineExpr> starts, ends;
  std::optional<Dims> axes, steps;
  if (b.opset < 10) {
    Dims first = b.integers("starts").value_or(Dims()), last = b.integers("ends").value_or(Dims());
    for (int64_t value : first)
      starts.push_back(b.expr(value));
    for (int64_t value : last)
      ends.push_back(b.expr(value));
    axes = b.integers("axes");
  } else {
    starts = b.expressions(1, "starts");
    ends = b.expressions(2, "ends");
    if (b.has(3))
      axes = b.constants(3, "axes");
    if (b.has(4))
      steps = b.constants(4, "steps");
  }
  if (!axes) {
    axes.emplace();
    for (size_t i = 0; i < starts.size(); ++i)
      axes->push_back(i);
  }
  if (!steps)
    steps.emplace(starts.size(), 1);
  if (b.failed())
    return {};
  if (ends.size() != starts.size() || axes->size() != starts.size() || steps->size() != starts.size()) {
    b.error() << "its starts, ends, axes and steps have " << starts.size() << ", " << ends.size() << ", "
              << axes->size() << " and " << steps->size() << " elements; supported: as many each";
    return {};
  }
  b.normalizeAxes(*axes, x->rank(), "its axes");
  if (b.failed())
    return {};
  for (AffineExpr dim : x->shape)
    ranges.push_back({b.expr(0), dim, 1});
  for (size_t i = 0; i < starts.size(); ++i) {
    int64_t axis = (*axes)[i] + ((*axes)[i] < 0 ? x->rank() : 0), step = (*steps)[i];
    AffineExpr extent = x->shape[axis];
    auto size = constantDim(extent), start = constantDim(starts[i]), end = constantDim(ends[i]);
    if (step == 0 || step < -INT32_MAX || step > INT32_MAX) {
      b.error() << "its step is " << step << "; supported: steps from 1 to " << INT32_MAX << ", and their negatives";
      return {};
    }
    if (size && start && end) {
      int64_t low = step > 0 ? 0 : -1, high = step > 0 ? *size : *size - 1;
      auto clamp = [&](int64_t at) { return std::clamp(at < 0 && at >= -*size ? at + *size : at, low, high); };
      int64_t from = *start < -*size ? std::max<int64_t>(low, 0) : clamp(*start);
      int64_t to = *end < -*size ? low : clamp(*end);
      int64_t count = step > 0 ? (to - from + step - 1) / step : (from - to - step - 1) / -step;
      ranges[axis] = {b.expr(from), b.expr(std::max<int64_t>(count, 0)), step};
      continue;
    }
    // A free extent or bound: within the tensor, as a model that uses it must see to. Exporters write a large number
    // for the end of a dimension; none that is free gets as large.
    constexpr int64_t beyond = 1 << 24;
    AffineExpr from = starts[i], to = ends[i];
    for (AffineExpr *bound : {&from, &to}) {
      if (constantDim(*bound))
        continue;
      bool fromEnd = countsFromEnd(*bound, b.state.symbols.size());
      b.assumePositive(fromEnd ? -*bound : *bound + 1);
      if (fromEnd)
        *bound = extent + *bound;
    }
    if (start && *start < 0)
      from = *start < -beyond ? b.expr(0) : extent + *start;
    if (start && *start >= beyond)
      from = extent;
    if (end && *end < 0)
      to = *end < -beyond ? b.expr(step > 0 ? 0 : -1) : extent + *end;
    if (end && *end >= beyond)
      to = extent;
    if (step < 0 && start && (*start >= beyond || *start == -1))
      from = extent - 1;
    AffineExpr count = step > 0 ? (to - from).ceilDiv(step) : (from - to).ceilDiv(-step);
    ranges[axis] = {simplifyAffineExpr(from, 0, b.state.symbols.size()),
                    simplifyAffineExpr(count, 0, b.state.symbols.size()), step};
  }
  return ranges;
}

static void foldSlice(NodeBuilder &b) {
  const Scalars *elements = b.known(0u);
  if (!elements || (b.opset >= 10 && (!b.known(1) || !b.known(2))))
    return;
  SmallVector<Range> ranges = slicedRanges(b);
  Dims shape;
  for (const Range &range : ranges) {
    auto start = constantDim(range.start), size = constantDim(range.size);
    if (!start || !size)
      return;
    shape.push_back(*size);
  }
  if (b.failed())
    return;
  Dims source = *constantShape(b.input(0)->shape);
  foldMovement(b, shape, [&](ArrayRef<int64_t> index) {
    Dims from;
    for (auto [i, range] : zip(index, ranges))
      from.push_back(*constantDim(range.start) + i * range.step);
    return positionOf(from, source);
  });
}

static void slice(NodeBuilder &b) {
  SmallVector<Range> ranges = slicedRanges(b);
  auto isEmpty = [](const Range &range) { return constantDim(range.size) == 0; };
  if (!b.failed() && any_of(ranges, isEmpty))
    return b.result(b.emptyTensor(b.type(0u), to_vector(map_range(ranges, [](const Range &range) { return range.size; }))));
  Value x = b.value(0);
  if (b.failed())
    return;
  // What is static in one op; what has free bounds, by gathering.
  Dims starts, sizes, strides;
  ShapeExpr dims = b.shape(x);
  SmallVector<int64_t> gathered;
  for (auto [i, range] : enumerate(ranges)) {
    auto start = constantDim(range.start), size = constantDim(range.size);
    AffineExpr rest = (dims[i] - range.start).ceilDiv(std::max<int64_t>(range.step, 1));
    bool toEnd = start && *start >= 0 && range.step > 0 && !constantDim(dims[i]) && areEqual(rest, range.size);
    if (start && *start >= 0 && (size || toEnd)) {
      starts.push_back(*start);
      sizes.push_back(toEnd ? -1 : *size);
      strides.push_back(range.step);
      continue;
    }
    starts.push_back(0);
    sizes.push_back(constantDim(dims[i]).value_or(-1));
    strides.push_back(1);
    gathered.push_back(i);
  }
  bool whole = all_of(enumerate(sizes), [&](auto entry) {
    size_t i = entry.index();
    return starts[i] == 0 && strides[i] == 1 && (entry.value() == -1 || entry.value() == constantDim(dims[i]));
  });
  if (!whole)
    x = b.make<nn::SliceOp>(x, starts, sizes, strides);
  for (int64_t dim : gathered)
    x = b.take(x, dim, ranges[dim].start, ranges[dim].size, ranges[dim].step);
  b.result(x);
}

ArrayRef<OperatorRow> joinOperators() {
  static const OperatorRow rows[] = {
      {"Concat", 4, kNewest, concat, foldConcat},
      {"Slice", 1, kNewest, slice, foldSlice},
      {"Split", 2, kNewest, split},
  };
  return rows;
}

} // namespace sylvite::onnx
