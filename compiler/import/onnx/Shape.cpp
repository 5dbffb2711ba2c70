//===- Shape.cpp - operators that move elements ---------------------------===//
//
// Rows for reshaping, slicing, joining and padding, and for what asks for shapes and makes tensors of given shapes.
// Most of them are shape arithmetic at least as often as computation, and fold.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/Folding.h"
#include "compiler/import/onnx/Operators.h"
#include <cmath>

using namespace llvm;
using namespace mlir;

namespace sylvite::onnx {

//===----------------------------------------------------------------------===//
// Constants and shapes
//===----------------------------------------------------------------------===//

static void constant(NodeBuilder &b) {
  Type f32 = Float32Type::get(b.state.context), i64 = IntegerType::get(b.state.context, 64);
  auto numbers = [&](ArrayRef<double> values, ArrayRef<int64_t> shape) {
    Scalars elements;
    for (double value : values)
      elements.push_back(numberScalar(float(value)));
    b.result(f32, shape, elements);
  };
  auto integers = [&](ArrayRef<int64_t> values, ArrayRef<int64_t> shape) {
    Scalars elements;
    for (int64_t value : values)
      elements.push_back(integerScalar(b.expr(value)));
    b.result(i64, shape, elements);
  };
  if (const Attribute *value = b.attribute("value", Attribute::Tensor)) {
    Tensor *tensor = b.state.newTensor();
    tensor->type = value->tensor->type;
    tensor->data = value->tensor;
    for (int64_t extent : value->tensor->shape)
      tensor->shape.push_back(b.expr(extent));
    b.result(tensor);
  } else if (const Attribute *value = b.attribute("value_float", Attribute::Float)) {
    numbers({value->number}, {});
  } else if (const Attribute *value = b.attribute("value_floats", Attribute::Floats)) {
    numbers(value->numbers, {int64_t(value->numbers.size())});
  } else if (const Attribute *value = b.attribute("value_int", Attribute::Int)) {
    integers({value->integer}, {});
  } else if (const Attribute *value = b.attribute("value_ints", Attribute::Ints)) {
    integers(value->integers, {int64_t(value->integers.size())});
  } else {
    b.error() << "it has none of the attributes value, value_float, value_floats, value_int and value_ints, "
                 "which are supported";
  }
}

static void shape(NodeBuilder &b) {
  Tensor *x = b.input(0);
  int64_t rank = x ? x->rank() : 0;
  int64_t start = b.integer("start", 0), end = b.integer("end", rank);
  auto clamp = [&](int64_t at) { return std::clamp<int64_t>(at < 0 ? at + rank : at, 0, rank); };
  Scalars elements;
  for (int64_t i = clamp(start); i < clamp(end); ++i)
    elements.push_back(integerScalar(x->shape[i]));
  b.result(IntegerType::get(b.state.context, 64), {int64_t(elements.size())}, elements);
}

static void size(NodeBuilder &b) {
  Tensor *x = b.input(0);
  AffineExpr product = b.expr(1);
  for (AffineExpr dim : x ? x->shape : ShapeExpr())
    product = product * dim;
  b.result(IntegerType::get(b.state.context, 64), {}, {integerScalar(product)});
}

static void constantOfShape(NodeBuilder &b) {
  SmallVector<AffineExpr> dims = b.expressions(0, "shape");
  Type type = Float32Type::get(b.state.context);
  Scalar value = numberScalar(0);
  if (const Attribute *attribute = b.attribute("value", Attribute::Tensor)) {
    auto elements = scalarsOf(*attribute->tensor, b.state.context);
    if (!elements || elements->size() != 1)
      return b.refuse("value", "a tensor of one number");
    type = attribute->tensor->type;
    value = elements->front();
  }
  b.result(b.splat(dims, type, value));
}

static void foldRange(NodeBuilder &b) {
  const Scalars *start = b.known(0u), *limit = b.known(1), *delta = b.known(2);
  if (!start || !limit || !delta || start->size() != 1 || limit->size() != 1 || delta->size() != 1)
    return;
  const Scalar &from = start->front(), &to = limit->front(), &by = delta->front();
  Scalars elements;
  if (isa<FloatType>(b.type(0u)) && (from.integer || to.integer || by.integer))
    return; // sizes
  if (!from.integer) {
    double count = std::ceil((to.number - from.number) / by.number);
    if (!(count <= (1 << 16)))
      return;
    for (double i = 0; i < count; ++i)
      elements.push_back(*castKnown(numberScalar(from.number + i * by.number), b.type(0u)));
    return b.result(b.type(0u), {int64_t(elements.size())}, elements);
  }
  auto first = from.constant(), last = to.constant(), step = by.constant();
  if (!first || !last || !step || *step == 0)
    return;
  double count = std::ceil((double(*last) - double(*first)) / double(*step));
  if (count > (1 << 16))
    return;
  for (int64_t i = 0; i < count; ++i)
    elements.push_back(integerScalar(b.expr(*first + i * *step)));
  b.result(b.type(0u), {int64_t(elements.size())}, elements);
}

/// A range of floating-point numbers whose start or limit is a free dimension; whole numbers, as sizes are.
static void rangeOfSizes(NodeBuilder &b) {
  AffineExpr values[3];
  for (unsigned i = 0; i < 3; ++i) {
    const Scalars *elements = b.known(i);
    bool isKnown = elements && elements->size() == 1;
    if (isKnown && elements->front().integer)
      values[i] = elements->front().integer;
    else if (isKnown && std::trunc(elements->front().number) == elements->front().number &&
             std::fabs(elements->front().number) < INT32_MAX)
      values[i] = b.expr(int64_t(elements->front().number));
    if (!values[i] || (i == 2 && !(constantDim(values[i]) && *constantDim(values[i]) != 0)))
      return void(b.error() << "its start, limit and delta are not all known; supported: free dimensions and whole numbers, "
                               "and a delta that is not zero");
  }
  int64_t step = *constantDim(values[2]);
  Value x = b.indices({step > 0 ? (values[1] - values[0]).ceilDiv(step) : (values[0] - values[1]).ceilDiv(-step)}, 0,
                      b.type(0u));
  if (step != 1)
    x = b.multiply(x, b.knownTensor(b.type(0u), {}, {numberScalar(step)}));
  if (constantDim(values[0]) != 0)
    x = b.add(x, b.input(0));
  b.result(x);
}

/// A range whose limit is a free dimension.
static void range(NodeBuilder &b) {
  b.ignore({"stash_type"});
  auto isSize = [&](unsigned index) {
    const Scalars *elements = b.known(index);
    return elements && elements->size() == 1 && elements->front().integer && !elements->front().constant();
  };
  if (b.isFloat(0) && (isSize(0) || isSize(1)))
    return rangeOfSizes(b);
  if (b.isFloat(0)) { // known numbers have been folded, unless there are too many
    std::vector<double> values;
    double start = b.constantNumber(0, "start"), limit = b.constantNumber(1, "limit"), delta = b.constantNumber(2, "delta");
    double count = std::ceil((limit - start) / delta);
    if (!b.failed() && !(count >= 1 && count <= INT32_MAX))
      b.error() << "its result would have " << count << " elements; supported: at least one";
    for (double i = 0; !b.failed() && i < count; ++i)
      values.push_back(start + i * delta);
    return b.result(b.failed() ? Value() : b.parameter(b.type(0u), {int64_t(values.size())}, values));
  }
  SmallVector<AffineExpr> start = b.expressions(0, "start"), limit = b.expressions(1, "limit");
  int64_t step = b.constant(2, "delta");
  if (b.failed())
    return;
  if (start.size() != 1 || limit.size() != 1 || step == 0)
    return void(b.error() << "its start, limit and delta have " << start.size() << ", " << limit.size()
                          << " and one element; supported: one each, and a delta that is not zero");
  AffineExpr count = simplifyAffineExpr((limit[0] - start[0]).ceilDiv(step), 0, b.state.symbols.size());
  Type type = b.type(0u);
  Value x = b.indices({count}, 0, type);
  if (step != 1)
    x = b.multiply(x, b.knownTensor(type, {}, {integerScalar(b.expr(step))}));
  if (constantDim(start[0]) != 0)
    x = b.add(x, b.input(0));
  b.result(x);
}

//===----------------------------------------------------------------------===//
// Views
//===----------------------------------------------------------------------===//

/// Input 0 under another shape.
static void view(NodeBuilder &b, ArrayRef<AffineExpr> dims) {
  Tensor *x = b.input(0);
  if (!x)
    return b.result(Value());
  auto fixed = constantShape(dims);
  int64_t count = 1;
  for (int64_t extent : fixed.value_or(Dims{-1}))
    count *= extent;
  if (const Scalars *elements = x->value ? nullptr : b.known(x); elements && count == int64_t(elements->size())) {
    b.result(x->type, *fixed, *elements);
    return;
  }
  b.result(b.reshape(b.materialize(x), dims));
}

static void reshape(NodeBuilder &b) {
  bool allowZero = b.flag("allowzero", false);
  Tensor *x = b.input(0);
  SmallVector<AffineExpr> dims = b.expressions(1, "shape");
  if (b.failed())
    return;
  int64_t inferred = -1;
  ShapeExpr known;
  for (auto [i, dim] : enumerate(dims)) {
    auto extent = constantDim(dim);
    if (extent == -1) {
      if (inferred >= 0)
        return void(b.error() << "its shape " << b.text(dims) << " has more than one -1");
      inferred = i;
      continue;
    }
    if (extent == 0 && !allowZero) {
      if (int64_t(i) >= x->rank())
        return void(b.error() << "its shape " << b.text(dims) << " copies dimension " << i
                              << ", which its input of shape " << b.text(x->shape) << " lacks");
      dim = x->shape[i];
    }
    if (extent && *extent < -1)
      return void(b.error() << "its shape is " << b.text(dims) << "; supported: sizes, 0 and one -1");
    known.push_back(dim);
  }
  if (inferred >= 0) {
    AffineExpr rest = quotientOf(x->shape, known, b.state.context);
    if (!rest)
      return void(b.error() << "its input has shape " << b.text(x->shape) << ", which cannot be reshaped to "
                            << b.text(dims));
    dims[inferred] = simplifyAffineExpr(rest, 0, b.state.symbols.size());
  }
  view(b, dims);
}

static void flatten(NodeBuilder &b) {
  int64_t rank = b.rank(0u), axis = b.integer("axis", 1);
  if (axis < -rank || axis > rank)
    b.refuse("axis", "a dimension of an input of rank " + Twine(rank));
  if (b.failed())
    return;
  axis += axis < 0 ? rank : 0;
  AffineExpr outer = b.expr(1), inner = b.expr(1);
  for (auto [i, dim] : enumerate(b.input(0)->shape))
    (int64_t(i) < axis ? outer : inner) = (int64_t(i) < axis ? outer : inner) * dim;
  view(b, {outer, inner});
}

static void squeeze(NodeBuilder &b) {
  auto axes = axesOf(b, 1, 13, b.rank(0u));
  if (b.failed())
    return;
  ShapeExpr dims;
  if (!axes && !constantShape(b.input(0)->shape))
    emitWarning(UnknownLoc::get(b.state.context))
        << describe(b.node) << ": it drops dimensions of size 1 of a tensor of shape " << b.text(b.input(0)->shape)
        << ", and free ones are taken to be larger (fix them, as in --shape x=1x3x224x224)";
  for (auto [i, dim] : enumerate(b.input(0)->shape)) {
    bool drop = axes ? is_contained(*axes, int64_t(i)) : constantDim(dim) == 1;
    if (drop && constantDim(dim) && constantDim(dim) != 1)
      return void(b.error() << "it drops dimension " << i << " of its input of shape " << b.text(b.input(0)->shape)
                            << "; supported: dimensions of size 1");
    if (!drop)
      dims.push_back(dim);
  }
  view(b, dims);
}

static void unsqueeze(NodeBuilder &b) {
  std::optional<Dims> axes;
  if (b.opset >= 13)
    axes = b.constants(1, "axes");
  else if (!(axes = b.integers("axes")))
    b.refuse("axes", "integers");
  if (b.failed())
    return;
  Dims sorted = b.normalizeAxes(*axes, b.rank(0u) + axes->size(), "its axes");
  if (b.failed())
    return;
  ShapeExpr dims = b.input(0)->shape;
  for (int64_t axis : sorted)
    dims.insert(dims.begin() + axis, b.expr(1));
  view(b, dims);
}

//===----------------------------------------------------------------------===//
// Transposition
//===----------------------------------------------------------------------===//

/// The permutation, checked; reversed dimensions when none is given.
static Dims permutationOf(NodeBuilder &b) {
  int64_t rank = b.rank(0u);
  Dims permutation;
  if (auto given = b.integers("perm"); given && !given->empty())
    permutation = *given;
  else
    for (int64_t i = rank - 1; i >= 0; --i)
      permutation.push_back(i);
  Dims sorted = permutation;
  llvm::sort(sorted);
  for (int64_t i = 0; i < std::max<int64_t>(rank, sorted.size()); ++i)
    if (i >= int64_t(sorted.size()) || i >= rank || sorted[i] != i) {
      b.refuse("perm", "a permutation of the dimensions of an input of rank " + Twine(rank));
      break;
    }
  return permutation;
}

static void foldTranspose(NodeBuilder &b) {
  const Scalars *elements = b.known(0u);
  Dims permutation = permutationOf(b);
  if (!elements || b.failed())
    return;
  Dims source = *constantShape(b.input(0)->shape), shape;
  for (int64_t dim : permutation)
    shape.push_back(source[dim]);
  foldMovement(b, shape, [&](ArrayRef<int64_t> index) {
    Dims from(index.size());
    for (auto [i, dim] : enumerate(permutation))
      from[dim] = index[i];
    return positionOf(from, source);
  });
}

static void transpose(NodeBuilder &b) {
  Dims permutation = permutationOf(b);
  b.result(b.transpose(b.value(0), permutation));
}

/// Between (N, C * s * s, H, W) and (N, C, H * s, W * s).
static void depthToSpace(NodeBuilder &b) {
  int64_t s = b.integer("blocksize", std::nullopt);
  bool columnRow = b.choice("mode", {"DCR", "CRD"}) == "CRD";
  Value x = b.value(0);
  if (b.failed())
    return;
  int64_t channels = b.rank(x) == 4 ? b.extent(x, 1) : 0;
  if (b.rank(x) != 4 || s < 1 || s > INT16_MAX || channels % (s * s))
    return b.refuse("blocksize", "one whose square divides the channels of an input (N, C, H, W)");
  ShapeExpr dims = b.shape(x);
  AffineExpr block = b.expr(s), rest = b.expr(channels / (s * s));
  ShapeExpr split = columnRow ? ShapeExpr{dims[0], rest, block, block, dims[2], dims[3]}
                              : ShapeExpr{dims[0], block, block, rest, dims[2], dims[3]};
  x = b.reshape(x, ArrayRef<AffineExpr>(split));
  x = b.transpose(x, columnRow ? Dims{0, 1, 4, 2, 5, 3} : Dims{0, 3, 4, 1, 5, 2});
  b.result(b.reshape(x, ArrayRef<AffineExpr>(ShapeExpr{dims[0], rest, dims[2] * s, dims[3] * s})));
}

static void spaceToDepth(NodeBuilder &b) {
  int64_t s = b.integer("blocksize", std::nullopt);
  bool columnRow = b.choice("mode", {"DCR", "CRD"}) == "CRD";
  Value x = b.value(0);
  if (b.failed())
    return;
  if (b.rank(x) != 4 || s < 1 || s > INT16_MAX)
    return b.refuse("blocksize", "a positive one, for an input (N, C, H, W)");
  ShapeExpr dims = b.shape(x);
  AffineExpr block = b.expr(s), h = dims[2].floorDiv(s), w = dims[3].floorDiv(s);
  x = b.reshape(x, ArrayRef<AffineExpr>(ShapeExpr{dims[0], dims[1], h, block, w, block}));
  x = b.transpose(x, columnRow ? Dims{0, 1, 3, 5, 2, 4} : Dims{0, 3, 5, 1, 2, 4});
  b.result(b.reshape(x, ArrayRef<AffineExpr>(ShapeExpr{dims[0], dims[1] * (s * s), h, w})));
}

//===----------------------------------------------------------------------===//
// Joining and splitting
//===----------------------------------------------------------------------===//

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
  if (!sizes && count) {
    if (!total)
      return void(b.error() << "it splits dimension " << axis << " of its input " << b.text(x->shape)
                            << ", which is free; supported: a known size, or given sizes of the parts");
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
    if (elements || part == 0) {
      ShapeExpr own = x->shape;
      own[axis] = b.expr(part);
      std::optional<Dims> known = constantShape(own);
      if (!known)
        return void(b.error() << "one of its parts has no elements; supported: sizes from 1 where dimensions are free");
      Dims shape = *known, source = shape;
      source[axis] = total.value_or(0);
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

/// Whether `expr`, of sizes that are at least one, is negative whatever they are: sums of sizes with negative factors.
static bool isNegative(AffineExpr expr) {
  if (auto constant = constantDim(expr))
    return *constant < 0;
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary)
    return false; // a size
  AffineExpr x = binary.getLHS(), y = binary.getRHS();
  auto isSmall = [](AffineExpr e) { return isNegative(e) || constantDim(e) == 0; };
  switch (expr.getKind()) {
  case AffineExprKind::Add:
    return (isNegative(x) && isSmall(y)) || (isSmall(x) && isNegative(y));
  case AffineExprKind::Mul:
    return (isNegative(x) && isa<AffineSymbolExpr>(y)) || (isa<AffineSymbolExpr>(x) && isNegative(y));
  default:
    return false;
  }
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
    if (!start && isNegative(from)) // counted from the end
      from = extent + from;
    if (!end && isNegative(to))
      to = extent + to;
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
      if (size && *size < 1)
        return void(b.error() << "its result has no elements in dimension " << i << "; supported: at least one");
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
  Type i64 = IntegerType::get(b.state.context, 64);
  for (int64_t dim : gathered) {
    const Range &range = ranges[dim];
    Value index = b.indices({range.size}, 0, i64);
    if (range.step != 1)
      index = b.multiply(index, b.knownTensor(i64, {}, {integerScalar(b.expr(range.step))}));
    if (constantDim(range.start) != 0)
      index = b.add(index, b.knownTensor(i64, {1}, {integerScalar(range.start)}));
    x = b.make<nn::GatherOp>(x, index, dim);
  }
  b.result(x);
}

//===----------------------------------------------------------------------===//
// Repetition and borders
//===----------------------------------------------------------------------===//

static void foldExpand(NodeBuilder &b) {
  const Scalars *elements = b.known(0u), *target = b.known(1);
  if (!elements || !target)
    return;
  Dims source = *constantShape(b.input(0)->shape), shape;
  for (const Scalar &extent : *target) {
    if (!extent.constant())
      return;
    shape.push_back(*extent.constant());
  }
  while (shape.size() < source.size())
    shape.insert(shape.begin(), 1);
  for (size_t i = 0, implied = shape.size() - source.size(); i < source.size(); ++i) {
    int64_t &extent = shape[implied + i];
    if (extent == 1)
      extent = source[i];
    if (source[i] != 1 && source[i] != extent)
      return;
  }
  foldMovement(b, shape, [&](ArrayRef<int64_t> index) {
    Dims from(index.take_back(source.size()));
    for (auto [i, extent] : enumerate(source))
      from[i] = extent == 1 ? 0 : from[i];
    return positionOf(from, source);
  });
}

static void expand(NodeBuilder &b) {
  SmallVector<AffineExpr> target = b.expressions(1, "shape");
  b.result(b.broadcast(b.value(0), target));
}

static void tile(NodeBuilder &b) {
  SmallVector<AffineExpr> repeats = b.expressions(1, "repeats");
  Value x = b.value(0);
  if (!b.failed() && int64_t(repeats.size()) != b.rank(x))
    b.error() << "it has " << repeats.size() << " repeats for an input of rank " << b.rank(x);
  for (int64_t dim = 0; !b.failed() && dim < b.rank(x); ++dim) {
    if (constantDim(repeats[dim]) == 1)
      continue;
    ShapeExpr dims = b.shape(x);
    AffineExpr total = dims[dim] * repeats[dim];
    x = b.unsqueeze(x, dim);
    ShapeExpr wide = b.shape(x), flat = dims;
    wide[dim] = repeats[dim];
    flat[dim] = total;
    x = b.reshape(b.broadcast(x, wide), ArrayRef<AffineExpr>(flat));
  }
  b.result(x);
}

/// Pads dimension `dim` by amounts that depend on free dimensions, by gathering; negative ones cut off.
static Value padFreely(NodeBuilder &b, Value x, int64_t dim, AffineExpr low, AffineExpr high, StringRef mode, double value) {
  AffineExpr extent = b.shape(x)[dim];
  Type i64 = IntegerType::get(b.state.context, 64);
  if (mode == "wrap") {
    b.error() << "its pads depend on free dimensions; supported with mode wrap: known pads";
    return {};
  }
  auto known = [&](AffineExpr size) { return b.knownTensor(i64, {}, {integerScalar(size)}); };
  Value index = b.range(low + extent + high);
  if (constantDim(low) != 0)
    index = b.subtract(index, known(low));
  bool isConstant = mode == "constant", isReflected = mode == "reflect";
  // Positions before and behind the input: its border's with edge, mirrored with reflect, else none.
  Value from = b.map({index, known(extent - 1)}, i64, [&](OpBuilder &builder, Location at, ValueRange v) {
    ScalarMath s(builder, at, i64);
    Value zero = s.constant(int64_t(0)), position = v[0];
    if (isReflected) {
      position = s.maximum(position, s.sub(zero, position));
      position = s.minimum(position, s.sub(s.mul(v[1], s.constant(int64_t(2))), position));
    }
    return s.minimum(s.maximum(position, zero), v[1]);
  });
  x = b.make<nn::GatherOp>(x, from, dim);
  if (!isConstant || b.failed())
    return x;
  Type type = b.type(x);
  Value position = b.alignVector(index, dim, b.rank(x));
  return b.map({x, position, known(extent)}, type, [&](OpBuilder &builder, Location at, ValueRange v) {
    ScalarMath s(builder, at, i64), e(builder, at, type);
    Value inside = s.both(s.lessOrEqual(s.constant(int64_t(0)), v[1]), s.less(v[1], v[2]));
    return e.select(inside, v[0], e.constant(value));
  });
}

static void pad(NodeBuilder &b) {
  Value x = b.value(0);
  StringRef mode = b.opset >= 19 ? b.choice("mode", {"constant", "reflect", "edge", "wrap"})
                                 : b.choice("mode", {"constant", "reflect", "edge"});
  Dims pads, axes;
  SmallVector<AffineExpr> amounts; // the same, those among them that depend on free dimensions
  double value = 0;
  int64_t rank = x ? b.rank(x) : 0;
  if (b.opset < 11) {
    pads = b.integers("pads").value_or(Dims());
    for (int64_t amount : pads)
      amounts.push_back(b.expr(amount));
    value = b.number("value", 0);
  } else {
    for (AffineExpr amount : b.expressions(1, "pads")) {
      amounts.push_back(amount);
      pads.push_back(constantDim(amount).value_or(0));
    }
    if (b.has(2) && !b.failed())
      if (std::vector<double> values = b.constantNumbers(2, "constant_value"); values.size() == 1)
        value = values[0];
  }
  for (int64_t i = 0; i < rank; ++i)
    axes.push_back(i);
  if (b.opset >= 18 && b.has(3)) {
    axes = b.constants(3, "axes");
    b.normalizeAxes(axes, rank, "its axes");
  }
  if (b.failed())
    return;
  if (pads.size() != 2 * axes.size() ||
      any_of(pads, [](int64_t amount) { return amount < -INT32_MAX || amount > INT32_MAX; }))
    return void(b.error() << "it has " << pads.size() << " pads for " << axes.size()
                          << " dimensions; supported: two for each, below 2^31");
  Dims low(rank, 0), high(rank, 0);
  for (auto [i, axis] : enumerate(axes)) {
    axis += axis < 0 ? rank : 0;
    low[axis] = pads[i];
    high[axis] = pads[axes.size() + i];
    bool isCut = std::min(low[axis], high[axis]) < 0 && !constantDim(b.shape(x)[axis]); // of a free dimension
    if (constantDim(amounts[i]) && constantDim(amounts[axes.size() + i]) && !isCut)
      continue;
    x = padFreely(b, x, axis, amounts[i], amounts[axes.size() + i], mode, value);
    if (!x)
      return b.result(Value());
    low[axis] = high[axis] = 0;
  }
  // Negative pads cut off.
  for (int64_t dim = 0; dim < rank && !b.failed(); ++dim) {
    int64_t front = std::max<int64_t>(-low[dim], 0), back = std::max<int64_t>(-high[dim], 0);
    if (front + back == 0)
      continue;
    x = b.slice(x, dim, front, b.extent(x, dim) - front - back);
    low[dim] += front;
    high[dim] += back;
  }
  if (mode == "constant")
    return b.result(b.pad(x, low, high, value));
  nn::PadMode kind = mode == "reflect" ? nn::PadMode::Reflect
                     : mode == "edge"  ? nn::PadMode::Edge
                                       : nn::PadMode::Wrap;
  b.result(b.make<nn::PadOp>(x, b.state.body.getDenseI64ArrayAttr(low), b.state.body.getDenseI64ArrayAttr(high),
                             b.state.body.getF64FloatAttr(0), nn::PadModeAttr::get(b.state.context, kind)));
}

static void centerCropPad(NodeBuilder &b) {
  Value x = b.value(0);
  Dims target = b.constants(1, "shape"), axes = b.integers("axes").value_or(Dims());
  if (b.failed())
    return;
  if (axes.empty())
    for (int64_t i = 0; i < b.rank(x); ++i)
      axes.push_back(i);
  b.normalizeAxes(axes, b.rank(x), "its axes");
  if (b.failed() || axes.size() != target.size())
    return void(b.error() << "it has " << target.size() << " sizes for " << axes.size() << " axes");
  Dims low(b.rank(x), 0), high(b.rank(x), 0);
  for (auto [axis, size] : zip(axes, target)) {
    int64_t dim = axis + (axis < 0 ? b.rank(x) : 0), extent = b.extent(x, dim);
    if (size < extent) {
      x = b.slice(x, dim, (extent - size) / 2, size);
    } else {
      low[dim] = (size - extent) / 2;
      high[dim] = size - extent - low[dim];
    }
    if (b.failed())
      return;
  }
  b.result(b.pad(x, low, high));
}

static void foldTrilu(NodeBuilder &b) {
  const Scalars *elements = b.known(0u);
  if (!elements || b.rank(0u) < 2 || (b.has(1) && !b.known(1)))
    return;
  bool upper = b.flag("upper", true);
  int64_t k = std::clamp<int64_t>(b.has(1) ? b.constant(1, "k") : 0, INT32_MIN, INT32_MAX);
  if (b.failed())
    return;
  Dims shape = *constantShape(b.input(0)->shape);
  Scalars kept;
  forEachIndex(shape, [&](ArrayRef<int64_t> index) {
    int64_t diagonal = index[shape.size() - 2] + k, column = index.back();
    bool isKept = upper ? diagonal <= column : column <= diagonal;
    kept.push_back(isKept ? (*elements)[kept.size()] : *castKnown(numberScalar(0), b.type(0u)));
  });
  b.result(b.type(0u), shape, std::move(kept));
}

static void trilu(NodeBuilder &b) {
  bool upper = b.flag("upper", true);
  int64_t k = b.has(1) ? b.constant(1, "k") : 0;
  Value x = b.value(0);
  if (b.failed())
    return;
  int64_t rank = b.rank(x);
  if (rank < 2)
    return void(b.error() << "its input has rank " << rank << "; supported: at least 2");
  Type i64 = IntegerType::get(b.state.context, 64), type = b.type(x);
  ShapeExpr matrix{b.shape(x)[rank - 2], b.shape(x)[rank - 1]};
  Value row = b.indices(matrix, 0, i64), column = b.indices(matrix, 1, i64);
  b.result(b.map({x, row, column}, type, [&](OpBuilder &builder, Location at, ValueRange v) {
    ScalarMath index(builder, at, i64), s(builder, at, type);
    k = std::clamp<int64_t>(k, INT32_MIN, INT32_MAX);
    Value diagonal = index.add(v[1], index.constant(k));
    Value kept = upper ? index.lessOrEqual(diagonal, v[2]) : index.lessOrEqual(v[2], diagonal);
    return s.select(kept, v[0], s.constant(int64_t(0)));
  }));
}

static void eyeLike(NodeBuilder &b) {
  Tensor *x = b.input(0);
  if (b.failed())
    return;
  Type type = b.elementType("dtype", x->type), i64 = IntegerType::get(b.state.context, 64);
  int64_t k = std::clamp<int64_t>(b.integer("k", 0), INT32_MIN, INT32_MAX);
  if (x->rank() != 2)
    return void(b.error() << "its input has rank " << x->rank() << "; supported: 2");
  Value row = b.indices(x->shape, 0, i64), column = b.indices(x->shape, 1, i64);
  b.result(b.map({row, column}, type, [&](OpBuilder &builder, Location at, ValueRange v) {
    ScalarMath index(builder, at, i64), s(builder, at, type);
    return s.select(index.equal(index.add(v[0], index.constant(k)), v[1]), s.constant(int64_t(1)),
                    s.constant(int64_t(0)));
  }));
}

std::optional<Dims> axesOf(NodeBuilder &b, unsigned index, int64_t sinceInput, int64_t rank) {
  std::optional<Dims> axes;
  if (b.opset >= sinceInput) {
    if (b.has(index))
      axes = b.constants(index, "axes");
  } else {
    axes = b.integers("axes");
  }
  if (axes && !b.failed())
    axes = b.normalizeAxes(*axes, rank, "its axes");
  return axes;
}

ArrayRef<OperatorRow> shapeOperators() {
  static const OperatorRow rows[] = {
      {"CenterCropPad", 18, kNewest, centerCropPad},
      {"Concat", 4, kNewest, concat, foldConcat},
      {"Constant", 1, kNewest, constant},
      {"ConstantOfShape", 9, kNewest, constantOfShape},
      {"DepthToSpace", 1, kNewest, depthToSpace},
      {"Expand", 8, kNewest, expand, foldExpand},
      {"EyeLike", 9, kNewest, eyeLike},
      {"Flatten", 1, kNewest, flatten},
      {"Pad", 2, kNewest, pad},
      {"Range", 11, kNewest, range, foldRange},
      {"Reshape", 5, kNewest, reshape},
      {"Shape", 1, kNewest, shape},
      {"Size", 1, kNewest, size},
      {"Slice", 1, kNewest, slice, foldSlice},
      {"SpaceToDepth", 1, kNewest, spaceToDepth},
      {"Split", 2, kNewest, split},
      {"Squeeze", 1, kNewest, squeeze},
      {"Tile", 6, kNewest, tile},
      {"Transpose", 1, kNewest, transpose, foldTranspose},
      {"Trilu", 14, kNewest, trilu, foldTrilu},
      {"Unsqueeze", 1, kNewest, unsqueeze},
  };
  return rows;
}

} // namespace sylvite::onnx
