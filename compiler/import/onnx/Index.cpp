//===- Index.cpp - operators that address elements by indices -------------===//
//
// Rows for gathering and scattering. All of them count positions in row-major order and use one gather or one
// scatter along the first dimension of a flattened tensor.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/Folding.h"
#include "compiler/import/onnx/Operators.h"
#include "llvm/ADT/StringSwitch.h"

using namespace llvm;
using namespace mlir;

namespace sylvite::onnx {

static Type int64Of(NodeBuilder &b) { return IntegerType::get(b.state.context, 64); }

Value wrapIndices(NodeBuilder &b, Value indices, AffineExpr extent) {
  indices = b.cast(indices, int64Of(b));
  Tensor *size = b.knownTensor(int64Of(b), {}, {integerScalar(extent)});
  if (b.failed())
    return {};
  return b.map({indices, size}, int64Of(b), [&](OpBuilder &builder, Location at, ValueRange v) {
    ScalarMath s(builder, at, int64Of(b));
    return s.select(s.less(v[0], s.constant(int64_t(0))), s.add(v[0], v[1]), v[0]);
  });
}

static AffineExpr productOf(NodeBuilder &b, ArrayRef<AffineExpr> dims) {
  AffineExpr product = b.expr(1);
  for (AffineExpr dim : dims)
    product = product * dim;
  return product;
}

/// `x`, positions, times a number of elements.
static Value scaled(NodeBuilder &b, Value x, AffineExpr factor) {
  if (b.failed() || constantDim(factor) == 1)
    return x;
  return b.multiply(x, b.knownTensor(int64Of(b), constantDim(factor) ? Dims() : Dims{1}, {integerScalar(factor)}));
}

Value gatherLinear(NodeBuilder &b, Value x, Value linear) {
  if (b.failed())
    return {};
  ShapeExpr flat{productOf(b, b.shape(x))};
  return b.make<nn::GatherOp>(b.reshape(x, ArrayRef<AffineExpr>(flat)), linear, 0);
}

//===----------------------------------------------------------------------===//
// Gathering
//===----------------------------------------------------------------------===//

static void foldGather(NodeBuilder &b) {
  const Scalars *elements = b.known(0u), *indices = b.known(1);
  if (!elements || !indices)
    return;
  int64_t axis = b.axis("axis", b.rank(0u), 0);
  if (b.failed())
    return;
  Dims source = *constantShape(b.input(0)->shape), places = *constantShape(b.input(1)->shape);
  Dims shape(source.begin(), source.begin() + axis);
  shape.append(places);
  shape.append(source.begin() + axis + 1, source.end());
  foldMovement(b, shape, [&](ArrayRef<int64_t> index) -> int64_t {
    auto chosen = (*indices)[positionOf(index.slice(axis, places.size()), places)].constant();
    if (!chosen || *chosen < -source[axis] || *chosen >= source[axis])
      return -1;
    Dims from(index.take_front(axis));
    from.push_back(*chosen + (*chosen < 0 ? source[axis] : 0));
    from.append(index.begin() + axis + places.size(), index.end());
    return positionOf(from, source);
  });
}

static void gather(NodeBuilder &b) {
  int64_t axis = b.axis("axis", b.rank(0u), 0);
  Value x = b.value(0);
  if (b.failed())
    return;
  AffineExpr extent = b.shape(x)[axis];
  // One known index is a slice.
  const Scalars *known = b.known(1);
  auto index = known && known->size() == 1 ? known->front().constant() : std::nullopt;
  if (index && constantDim(extent)) {
    int64_t size = *constantDim(extent);
    if (*index < -size || *index >= size)
      return void(b.error() << "its index is " << *index << "; supported: one within dimension " << axis
                            << " of its input " << b.text(b.shape(x)));
    ShapeExpr shape(ArrayRef<AffineExpr>(b.shape(x)).take_front(axis));
    shape.append(b.input(1)->shape);
    shape.append(b.shape(x).begin() + axis + 1, b.shape(x).end());
    Value y = b.slice(x, axis, *index < 0 ? *index + size : *index, 1);
    return b.result(b.reshape(y, ArrayRef<AffineExpr>(shape)));
  }
  // Known indices are made positive here.
  Value indices;
  if (known && constantDim(extent) && all_of(*known, [](const Scalar &s) { return s.constant().has_value(); })) {
    Scalars positive;
    for (const Scalar &s : *known)
      positive.push_back(integerScalar(b.expr(*s.constant() + (*s.constant() < 0 ? *constantDim(extent) : 0))));
    Dims shape = *constantShape(b.input(1)->shape);
    indices = b.materialize(b.knownTensor(int64Of(b), shape, positive));
  } else {
    indices = wrapIndices(b, b.value(1), extent);
  }
  b.result(b.make<nn::GatherOp>(x, indices, axis));
}

/// The position of each element of a tensor of `shape` in one of `source`, apart from dimension `axis`.
static Value positionsBeside(NodeBuilder &b, ArrayRef<AffineExpr> shape, ArrayRef<AffineExpr> source, int64_t axis) {
  Value total;
  for (int64_t i = 0; i < int64_t(shape.size()) && !b.failed(); ++i) {
    if (i == axis || constantDim(shape[i]) == 1)
      continue;
    AffineExpr stride = productOf(b, source.drop_front(i + 1));
    Value term = scaled(b, b.indices(shape, i, int64Of(b)), stride);
    total = total ? b.add(total, term) : term;
  }
  return total;
}

static void gatherElements(NodeBuilder &b) {
  int64_t axis = b.axis("axis", b.rank(0u), 0);
  Value x = b.value(0);
  if (b.failed())
    return;
  AffineExpr extent = b.shape(x)[axis];
  Value indices = wrapIndices(b, b.value(1), extent);
  if (b.failed())
    return;
  if (b.rank(indices) != b.rank(x))
    return void(b.error() << "its indices have shape " << b.text(b.shape(indices)) << "; supported: the rank of "
                          << b.text(b.shape(x)));
  AffineExpr stride = productOf(b, ArrayRef<AffineExpr>(b.shape(x)).drop_front(axis + 1));
  Value linear = scaled(b, indices, stride);
  if (Value beside = positionsBeside(b, b.shape(indices), b.shape(x), axis))
    linear = b.add(linear, beside);
  b.result(gatherLinear(b, x, linear));
}

/// The positions that rows of `indices` (..., q) give in the first q dimensions from `first` on of a tensor of `shape`.
static Value linearRows(NodeBuilder &b, Value indices, ArrayRef<AffineExpr> shape, int64_t first, int64_t q) {
  Value linear;
  int64_t last = b.rank(indices) - 1;
  for (int64_t k = 0; k < q && !b.failed(); ++k) {
    Value column = wrapIndices(b, b.squeeze(b.slice(indices, last, k, 1), last), shape[first + k]);
    AffineExpr stride = productOf(b, shape.slice(first + k + 1, q - k - 1));
    column = scaled(b, column, stride);
    linear = linear ? b.add(linear, column) : column;
  }
  return linear;
}

static void gatherNd(NodeBuilder &b) {
  int64_t batch = b.opset >= 12 ? b.integer("batch_dims", 0) : 0;
  Value x = b.value(0), indices = b.value(1);
  if (b.failed())
    return;
  int64_t rank = b.rank(x), rows = b.rank(indices) - 1;
  int64_t q = rows < 0 ? 0 : b.extent(indices, rows);
  if (batch < 0 || batch > rows || q < 1 || batch + q > rank)
    return void(b.error() << "its input has shape " << b.text(b.shape(x)) << " and its indices "
                          << b.text(b.shape(indices)) << ", which do not fit together");
  ShapeExpr shape = b.shape(x), target(ArrayRef<AffineExpr>(b.shape(indices)).take_front(rows));
  Value linear = linearRows(b, indices, shape, batch, q);
  // Batches stand one after the other.
  for (int64_t i = 0; i < batch && !b.failed(); ++i) {
    AffineExpr stride = productOf(b, ArrayRef<AffineExpr>(shape).slice(i + 1, batch + q - i - 1));
    linear = b.add(linear, scaled(b, b.indices(target, i, int64Of(b)), stride));
  }
  ShapeExpr flat{productOf(b, ArrayRef<AffineExpr>(shape).take_front(batch + q))};
  flat.append(shape.begin() + batch + q, shape.end());
  b.result(b.make<nn::GatherOp>(b.reshape(x, ArrayRef<AffineExpr>(flat)), linear, 0));
}

/// 1 at the positions that indices name.
static void oneHot(NodeBuilder &b) {
  int64_t depth = 0;
  if (const Scalars *known = b.known(1); known && known->size() == 1 && !known->front().integer)
    depth = known->front().number;
  else
    depth = b.constant(1, "depth");
  Value indices = b.value(0);
  if (b.failed())
    return;
  int64_t rank = b.rank(indices) + 1, axis = b.axis("axis", rank, -1);
  if (depth < 1 || depth > INT32_MAX)
    return void(b.error() << "its depth is " << depth << "; supported: 1 to " << INT32_MAX);
  indices = b.unsqueeze(wrapIndices(b, indices, b.expr(depth)), axis);
  if (b.failed())
    return;
  ShapeExpr shape = b.shape(indices);
  shape[axis] = b.expr(depth);
  Value classes = b.indices(shape, axis, int64Of(b));
  Value values = b.value(2);
  if (b.failed())
    return;
  Type type = b.type(values);
  Value off = b.slice(values, 0, 0, 1), on = b.slice(values, 0, 1, 1);
  b.result(b.map({indices, classes, on, off}, type, [&](OpBuilder &builder, Location at, ValueRange v) {
    ScalarMath s(builder, at, int64Of(b));
    return s.select(s.equal(v[0], v[1]), v[2], v[3]);
  }));
}

/// Reverses the first `sequence_lens[n]` elements along the time of each item.
static void reverseSequence(NodeBuilder &b) {
  int64_t batch = b.integer("batch_axis", 1), time = b.integer("time_axis", 0);
  Value x = b.value(0), lengths = b.cast(b.value(1), int64Of(b));
  if (b.failed())
    return;
  if (batch < 0 || batch > 1 || time != 1 - batch || b.rank(x) < 2)
    return b.refuse("batch_axis", "0 or 1, and the other for time_axis");
  ShapeExpr shape(ArrayRef<AffineExpr>(b.shape(x)).take_front(2));
  Value step = b.indices(shape, time, int64Of(b)), item = b.indices(shape, batch, int64Of(b));
  lengths = b.alignVector(lengths, batch, 2);
  Value source = b.map({step, lengths}, int64Of(b), [&](OpBuilder &builder, Location at, ValueRange v) {
    ScalarMath s(builder, at, int64Of(b));
    Value mirrored = s.sub(s.sub(v[1], v[0]), s.constant(int64_t(1)));
    return s.select(s.less(v[0], v[1]), mirrored, v[0]);
  });
  AffineExpr inner = shape[1];
  Value linear = time == 0 ? b.add(scaled(b, source, inner), item) : b.add(source, scaled(b, item, inner));
  ShapeExpr flat{shape[0] * shape[1]};
  flat.append(b.shape(x).begin() + 2, b.shape(x).end());
  b.result(b.make<nn::GatherOp>(b.reshape(x, ArrayRef<AffineExpr>(flat)), linear, 0));
}

//===----------------------------------------------------------------------===//
// Scattering
//===----------------------------------------------------------------------===//

static nn::ScatterKind scatterKind(NodeBuilder &b, int64_t since) {
  StringRef name = b.opset >= since ? b.choice("reduction", {"none", "add", "mul", "max", "min"}) : "none";
  return llvm::StringSwitch<nn::ScatterKind>(name)
      .Case("add", nn::ScatterKind::Add)
      .Case("mul", nn::ScatterKind::Mul)
      .Case("max", nn::ScatterKind::Max)
      .Case("min", nn::ScatterKind::Min)
      .Default(nn::ScatterKind::Set);
}

/// Writes `updates` at `linear` rows of `x` seen as (rows, columns).
static Value scatterRows(NodeBuilder &b, Value x, Value linear, Value updates, AffineExpr rows, AffineExpr columns,
                         nn::ScatterKind kind) {
  if (b.failed())
    return {};
  ShapeExpr shape = b.shape(x);
  AffineExpr count = productOf(b, b.shape(linear));
  Value y = b.make<nn::ScatterOp>(b.reshape(x, ArrayRef<AffineExpr>(ShapeExpr{rows, columns})),
                                  b.reshape(linear, ArrayRef<AffineExpr>(ShapeExpr{count})),
                                  b.reshape(updates, ArrayRef<AffineExpr>(ShapeExpr{count, columns})), kind);
  return b.reshape(y, ArrayRef<AffineExpr>(shape));
}

static void scatterElements(NodeBuilder &b) {
  nn::ScatterKind kind = scatterKind(b, 16);
  int64_t axis = b.axis("axis", b.rank(0u), 0);
  Value x = b.value(0);
  if (b.failed())
    return;
  AffineExpr extent = b.shape(x)[axis];
  Value indices = wrapIndices(b, b.value(1), extent), updates = b.value(2);
  if (b.failed())
    return;
  if (b.rank(indices) != b.rank(x) || b.shape(updates) != b.shape(indices))
    return void(b.error() << "its indices and updates have shapes " << b.text(b.shape(indices)) << " and "
                          << b.text(b.shape(updates)) << "; supported: one shape, of the rank of "
                          << b.text(b.shape(x)));
  AffineExpr stride = productOf(b, ArrayRef<AffineExpr>(b.shape(x)).drop_front(axis + 1));
  Value linear = scaled(b, indices, stride);
  if (Value beside = positionsBeside(b, b.shape(indices), b.shape(x), axis))
    linear = b.add(linear, beside);
  b.result(scatterRows(b, x, linear, updates, productOf(b, b.shape(x)), b.expr(1), kind));
}

static void scatterNd(NodeBuilder &b) {
  nn::ScatterKind kind = scatterKind(b, 16);
  Value x = b.value(0), indices = b.value(1), updates = b.value(2);
  if (b.failed())
    return;
  int64_t rows = b.rank(indices) - 1, q = rows < 0 ? 0 : b.extent(indices, rows);
  if (q < 1 || q > b.rank(x))
    return void(b.error() << "its indices have shape " << b.text(b.shape(indices)) << "; supported: rows of 1 to "
                          << b.rank(x) << " indices");
  ShapeExpr shape = b.shape(x);
  Value linear = linearRows(b, indices, shape, 0, q);
  b.result(scatterRows(b, x, linear, updates, productOf(b, ArrayRef<AffineExpr>(shape).take_front(q)),
                       productOf(b, ArrayRef<AffineExpr>(shape).drop_front(q)), kind));
}

ArrayRef<OperatorRow> indexOperators() {
  static const OperatorRow rows[] = {
      {"Gather", 1, kNewest, gather, foldGather},
      {"GatherElements", 11, kNewest, gatherElements},
      {"GatherND", 11, kNewest, gatherNd},
      {"OneHot", 9, kNewest, oneHot},
      {"ReverseSequence", 10, kNewest, reverseSequence},
      {"Scatter", 9, 10, scatterElements},
      {"ScatterElements", 11, kNewest, scatterElements},
      {"ScatterND", 11, kNewest, scatterNd},
  };
  return rows;
}

} // namespace sylvite::onnx
