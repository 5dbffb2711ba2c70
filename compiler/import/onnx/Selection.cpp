//===- Selection.cpp - operators whose results are as large as elements say ===//
//
// Rows for operators that choose among elements or boxes. How many they choose is known when what they choose by is: a
// compiled model's sizes depend on the sizes of its inputs, never on their elements. So all of this is computed at
// import, and Compress alone may choose among elements that are not known.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/Folding.h"
#include "compiler/import/onnx/Operators.h"
#include <cmath>
#include <numeric>

using namespace llvm;
using namespace mlir;

namespace sylvite::onnx {

static double numberOf(const Scalar &element) {
  return element.integer ? double(*element.constant()) : element.number;
}
static bool isTrue(const Scalar &element) { return element.integer ? *element.constant() != 0 : element.number != 0; }

/// The elements of input `index`, called `what`; reports when they are not known.
static Scalars decidingElements(NodeBuilder &b, unsigned index, StringRef what) {
  std::optional<Scalars> elements = b.constantElements(index);
  if (Tensor *tensor = b.input(index); tensor && !elements)
    b.error() << "its " << what << ", tensor '" << tensor->name
              << "', depends on the model's input, and so does the size of its result; supported: what can be computed "
                 "from shapes and constants";
  return elements.value_or(Scalars());
}

static Scalars integersOf(NodeBuilder &b, ArrayRef<int64_t> values) {
  Scalars elements;
  for (int64_t value : values)
    elements.push_back(integerScalar(b.expr(value)));
  return elements;
}
static Type indexType(NodeBuilder &b) { return IntegerType::get(b.state.context, 64); }

static void compress(NodeBuilder &b) {
  Scalars condition = decidingElements(b, 1, "condition");
  bool flat = !b.hasAttribute("axis");
  int64_t axis = flat ? 0 : b.axis("axis", b.rank(0u), std::nullopt);
  Dims chosen;
  for (auto [i, element] : enumerate(condition))
    if (isTrue(element))
      chosen.push_back(i);
  Value x = b.value(0);
  if (b.failed())
    return;
  AffineExpr total = b.expr(1);
  for (AffineExpr dim : b.shape(x))
    total = total * dim;
  auto extent = constantDim(flat ? total : b.shape(x)[axis]);
  if (extent && !chosen.empty() && chosen.back() >= *extent)
    return void(b.error() << "its condition chooses element " << chosen.back() << " of " << *extent);
  if (flat)
    x = b.reshape(x, ArrayRef<AffineExpr>(ShapeExpr{total}));
  if (b.failed())
    return;
  if (chosen.empty()) {
    ShapeExpr shape = b.shape(x);
    shape[axis] = b.expr(0);
    return b.result(b.emptyTensor(b.type(x), shape));
  }
  Value indices = b.materialize(b.knownTensor(indexType(b), {int64_t(chosen.size())}, integersOf(b, chosen)));
  b.result(b.make<nn::GatherOp>(x, indices, axis));
}

/// (rank, n): the positions of what is not zero.
static void nonZero(NodeBuilder &b) {
  // All of a tensor of free size, as exporters index with.
  if (Tensor *x = b.input(0); x && x->each && isTrue(*x->each) && x->rank() > 0) {
    SmallVector<Value> rows;
    AffineExpr total = b.expr(1);
    for (AffineExpr dim : x->shape)
      total = total * dim;
    for (int64_t i = 0; i < x->rank(); ++i)
      rows.push_back(b.reshape(b.broadcast(b.indices(x->shape, i, indexType(b)), x->shape), {b.expr(1), total}));
    return b.result(rows.size() == 1 ? rows.front() : b.concat(rows, 0));
  }
  Scalars elements = decidingElements(b, 0, "input");
  if (b.failed())
    return;
  Dims shape = *constantShape(b.input(0)->shape);
  std::vector<Dims> columns(shape.size());
  size_t position = 0, count = 0;
  forEachIndex(shape, [&](ArrayRef<int64_t> index) {
    if (!isTrue(elements[position++]))
      return;
    count += 1;
    for (auto [column, i] : zip(columns, index))
      column.push_back(i);
  });
  Scalars result;
  for (const Dims &column : columns) {
    Scalars part = integersOf(b, column);
    result.insert(result.end(), part.begin(), part.end());
  }
  b.result(indexType(b), {int64_t(shape.size()), int64_t(count)}, std::move(result));
}

/// The distinct elements, or slices along `axis`, where each is first, which one each is, and how often it occurs.
static void unique(NodeBuilder &b) {
  bool sorted = b.flag("sorted", true), flat = !b.hasAttribute("axis");
  int64_t axis = flat ? 0 : b.axis("axis", b.rank(0u), std::nullopt);
  Scalars elements = decidingElements(b, 0, "input");
  if (b.failed())
    return;
  Dims shape = *constantShape(b.input(0)->shape);
  if (flat)
    shape = {int64_t(elements.size())};
  // The elements of each slice.
  std::vector<Scalars> slices(shape[axis]);
  size_t position = 0;
  forEachIndex(shape, [&](ArrayRef<int64_t> index) { slices[index[axis]].push_back(elements[position++]); });
  auto isLess = [&](int64_t x, int64_t y) {
    return std::lexicographical_compare(
        slices[x].begin(), slices[x].end(), slices[y].begin(), slices[y].end(), [](const Scalar &p, const Scalar &q) {
          if (p.integer)
            return *p.constant() < *q.constant();
          return p.number < q.number || (!std::isnan(p.number) && std::isnan(q.number));
        });
  };
  Dims order(slices.size());
  std::iota(order.begin(), order.end(), 0);
  llvm::stable_sort(order, isLess);
  std::vector<Dims> groups; // positions of equal slices, ascending
  for (int64_t slice : order) {
    if (groups.empty() || isLess(groups.back().front(), slice))
      groups.emplace_back();
    groups.back().push_back(slice);
  }
  if (!sorted)
    llvm::sort(groups, [](const Dims &x, const Dims &y) { return x.front() < y.front(); });
  Dims first, inverse(slices.size()), counts;
  for (auto [i, group] : enumerate(groups)) {
    first.push_back(group.front());
    counts.push_back(group.size());
    for (int64_t slice : group)
      inverse[slice] = i;
  }
  Dims source = shape;
  shape[axis] = groups.size();
  Scalars values;
  forEachIndex(shape, [&](ArrayRef<int64_t> index) {
    Dims from(index);
    from[axis] = first[index[axis]];
    values.push_back(elements[positionOf(from, source)]);
  });
  int64_t count = groups.size();
  b.result(b.type(0u), shape, std::move(values));
  b.result(indexType(b), {count}, integersOf(b, first));
  b.result(indexType(b), {int64_t(inverse.size())}, integersOf(b, inverse));
  b.result(indexType(b), {count}, integersOf(b, counts));
}

//===----------------------------------------------------------------------===//
// Boxes
//===----------------------------------------------------------------------===//

namespace {
struct Box {
  double low[2], high[2];
  double area() const { return (high[0] - low[0]) * (high[1] - low[1]); }
};
} // namespace

/// The intersection of two boxes over their union; zero when one is empty.
static double overlap(const Box &x, const Box &y) {
  double common = 1;
  for (int i = 0; i < 2; ++i) {
    double extent = std::min(x.high[i], y.high[i]) - std::max(x.low[i], y.low[i]);
    if (extent <= 0)
      return 0;
    common *= extent;
  }
  double all = x.area() + y.area() - common;
  return x.area() > 0 && y.area() > 0 && all > 0 ? common / all : 0;
}

/// (n, 3): item, class and box of each box that overlaps no better one of its class too much.
static void nonMaxSuppression(NodeBuilder &b) {
  int64_t center = b.integer("center_point_box", 0);
  if (center != 0 && center != 1)
    b.refuse("center_point_box", "0, 1");
  Scalars corners = decidingElements(b, 0, "boxes"), scores = decidingElements(b, 1, "scores");
  int64_t limit = b.has(2) ? b.constant(2, "number of boxes") : 0;
  // Thresholds are compared as the elements are, in single precision.
  float overlapping = b.has(3) ? b.constantNumber(3, "overlap threshold") : 0;
  double least = b.has(4) ? double(float(b.constantNumber(4, "score threshold"))) : -INFINITY;
  if (b.failed())
    return;
  Dims boxShape = *constantShape(b.input(0)->shape), scoreShape = *constantShape(b.input(1)->shape);
  if (boxShape.size() != 3 || scoreShape.size() != 3 || boxShape[2] != 4 || boxShape[0] != scoreShape[0] ||
      boxShape[1] != scoreShape[2])
    return void(b.error() << "its boxes and scores have shapes " << b.text(b.input(0)->shape) << " and "
                          << b.text(b.input(1)->shape) << "; supported: (N, boxes, 4) and (N, classes, boxes)");
  int64_t numBoxes = boxShape[1], numClasses = scoreShape[1];
  auto boxAt = [&](int64_t index) {
    double v[4];
    for (int i = 0; i < 4; ++i)
      v[i] = numberOf(corners[index * 4 + i]);
    Box box;
    for (int i = 0; i < 2; ++i) {
      box.low[i] = center ? v[i] - v[i + 2] / 2 : std::min(v[i], v[i + 2]);
      box.high[i] = center ? v[i] + v[i + 2] / 2 : std::max(v[i], v[i + 2]);
    }
    return box;
  };
  Dims chosen;
  for (int64_t item = 0; item < boxShape[0]; ++item)
    for (int64_t index = 0; index < numClasses; ++index) {
      const Scalar *own = scores.data() + (item * numClasses + index) * numBoxes;
      Dims candidates;
      for (int64_t i = 0; i < numBoxes; ++i)
        if (numberOf(own[i]) > least)
          candidates.push_back(i);
      llvm::stable_sort(candidates, [&](int64_t x, int64_t y) { return numberOf(own[x]) > numberOf(own[y]); });
      std::vector<Box> kept;
      for (int64_t candidate : candidates) {
        if (int64_t(kept.size()) >= limit)
          break;
        Box box = boxAt(item * numBoxes + candidate);
        if (any_of(kept, [&](const Box &other) { return float(overlap(box, other)) > overlapping; }))
          continue;
        kept.push_back(box);
        chosen.append({item, index, candidate});
      }
    }
  b.result(indexType(b), {int64_t(chosen.size()) / 3, 3}, integersOf(b, chosen));
}

ArrayRef<OperatorRow> selectionOperators() {
  static const OperatorRow rows[] = {
      {"Compress", 9, kNewest, compress},
      {"NonMaxSuppression", 10, kNewest, nonMaxSuppression},
      {"NonZero", 9, kNewest, nonZero},
      {"Unique", 11, kNewest, unique},
  };
  return rows;
}

} // namespace sylvite::onnx
