//===- Border.cpp - operators that repeat elements, add or remove them -----===//
//
// Rows for repetition, padding, cropping and triangles of matrices.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/Folding.h"
#include "compiler/import/onnx/Operators.h"

using namespace llvm;
using namespace mlir;

namespace sylvite::onnx {

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

ArrayRef<OperatorRow> borderOperators() {
  static const OperatorRow rows[] = {
      {"CenterCropPad", 18, kNewest, centerCropPad},
      {"Expand", 8, kNewest, expand, foldExpand},
      {"Pad", 2, kNewest, pad},
      {"Tile", 6, kNewest, tile},
      {"Trilu", 14, kNewest, trilu, foldTrilu},
  };
  return rows;
}

} // namespace sylvite::onnx
