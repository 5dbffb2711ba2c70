//===- Constants.cpp - tensors that stand in the model, and shapes ---------===//
//
// Rows for constants, for what asks for shapes, and for what makes tensors of given shapes.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/Folding.h"
#include "compiler/import/onnx/Operators.h"
#include <cmath>

using namespace llvm;
using namespace mlir;

namespace sylvite::onnx {

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

ArrayRef<OperatorRow> constantOperators() {
  static const OperatorRow rows[] = {
      {"Constant", 1, kNewest, constant},
      {"ConstantOfShape", 9, kNewest, constantOfShape},
      {"EyeLike", 9, kNewest, eyeLike},
      {"Range", 11, kNewest, range, foldRange},
      {"Shape", 1, kNewest, shape},
      {"Size", 1, kNewest, size},
  };
  return rows;
}

} // namespace sylvite::onnx
