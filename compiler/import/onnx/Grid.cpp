//===- Grid.cpp - sampling at the positions of a grid ---------------------===//
//
// Rows for GridSample and AffineGrid: positions and weights are maps, the elements are gathered.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/Folding.h"
#include "compiler/import/onnx/Operators.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace llvm;
using namespace mlir;

namespace sylvite::onnx {

/// Positions in [-1, 1] for (N, spatial...): theta times (..., y, x, 1).
static void affineGrid(NodeBuilder &b) {
  bool alignCorners = b.flag("align_corners", false);
  Value theta = b.value(0);
  Dims size = b.constants(1, "size");
  if (b.failed())
    return;
  int64_t n = int64_t(size.size()) - 2;
  if (n < 2 || n > 3 || b.rank(theta) != 3)
    return void(b.error() << "its size has " << size.size() << " elements; supported: 4 and 5");
  Type type = b.type(theta);
  Dims spatial(ArrayRef<int64_t>(size).drop_front(2));
  std::vector<double> base;
  int64_t count = 1;
  for (int64_t extent : spatial)
    count *= std::clamp<int64_t>(extent, 0, 1 << 16);
  if (count < 1 || count > (1 << 24))
    return void(b.error() << "its size is not supported: " << count << " positions");
  forEachIndex(spatial, [&](ArrayRef<int64_t> index) {
    for (int64_t i = n - 1; i >= 0; --i) {
      double extent = spatial[i];
      base.push_back(alignCorners ? (extent > 1 ? -1 + 2.0 * index[i] / (extent - 1) : -1)
                                  : -1 + (2.0 * index[i] + 1) / extent);
    }
    base.push_back(1);
  });
  Value grid = b.parameter(type, {1, count, n + 1}, base);
  Value y = b.matmul(grid, theta, false, /*transposeRhs=*/true);
  Dims shape{size[0]};
  shape.append(spatial);
  shape.push_back(n);
  b.result(b.reshape(y, ArrayRef<int64_t>(shape)));
}

/// Reads (N, C, spatial...) at the positions of a grid (N, out..., n), x first.
static void gridSample(NodeBuilder &b) {
  StringRef mode = b.opset < 20 ? b.choice("mode", {"bilinear", "nearest", "bicubic"})
                                : b.choice("mode", {"linear", "nearest", "cubic"});
  bool cubic = mode.contains("cubic"), nearest = mode == "nearest", alignCorners = b.flag("align_corners", false);
  StringRef padding = b.choice("padding_mode", {"zeros", "border", "reflection"});
  Value x = b.value(0), grid = b.value(1);
  if (b.failed())
    return;
  int64_t n = b.rank(x) - 2;
  if (n < 1 || n > 3 || b.rank(grid) != n + 2 || (cubic && n != 2))
    return void(b.error() << "its input and grid have shapes " << b.text(b.shape(x)) << " and "
                          << b.text(b.shape(grid)) << "; supported: one to three spatial dimensions, two with cubic");
  ShapeExpr dims = b.shape(x);
  Type type = b.type(x), i64 = IntegerType::get(b.state.context, 64);
  grid = b.cast(grid, type);
  x = b.toChannelsLast(x);
  AffineExpr items = b.shape(x)[0], points = b.expr(1);
  AffineExpr elements = b.expr(1); // of an item
  ShapeExpr shape{items};
  for (int64_t i = 0; i < n; ++i) {
    shape.push_back(b.shape(grid)[i + 1]);
    points = points * shape.back();
    elements = elements * dims[i + 2];
  }
  shape.push_back(dims[1]);
  // Positions in units of elements, (N, points) for each spatial dimension.
  SmallVector<Value> positions;
  for (int64_t i = 0; i < n; ++i) {
    Value column = b.slice(grid, n + 1, n - 1 - i, 1);
    column = b.reshape(column, ArrayRef<AffineExpr>(ShapeExpr{items, points}));
    positions.push_back(b.map(column, b.sizeOperand(dims[i + 2], type), [&](nn::ScalarBuilder &s, Value g, Value extent) {
      Value shifted = s.add(g, s.constant(1, g)), half = s.constant(0.5, g);
      return alignCorners ? s.mul(shifted, s.mul(s.sub(extent, s.constant(1, g)), half))
                          : s.sub(s.mul(shifted, s.mul(extent, half)), half);
    }));
  }
  /// A position brought into the input as the padding says.
  auto bound = [&](nn::ScalarBuilder &s, Value p, Value extent) -> Value {
    if (padding != "reflection")
      return p;
    // The distance from the lower border, folded into [0, range].
    Value low = s.constant(alignCorners ? 0 : -0.5, p), range = alignCorners ? s.sub(extent, s.constant(1, p)) : extent;
    Value distance = s.abs(s.sub(p, low)), period = s.mul(range, s.constant(2, p));
    Value rest = s.sub(distance, s.mul(s.floor(s.div(distance, period)), period));
    Value folded = s.add(s.sub(range, s.abs(s.sub(rest, range))), low);
    return s.selectGreater(range, s.constant(0, p), folded, p);
  };
  int64_t taps = nearest ? 1 : cubic ? 4 : 2;
  Value total;
  forEachIndex(Dims(n, taps), [&](ArrayRef<int64_t> tap) {
    Value linear, weight;
    for (int64_t i = 0; i < n; ++i) {
      int64_t offset = cubic ? tap[i] - 1 : tap[i];
      AffineExpr stride = b.expr(1);
      for (int64_t j = i + 1; j < n; ++j)
        stride = stride * dims[j + 2];
      Operand size = b.sizeOperand(dims[i + 2], type);
      auto clamp = [](nn::ScalarBuilder &s, Value p, Value extent) {
        return s.minimum(s.maximum(p, s.constant(0, p)), s.sub(extent, s.constant(1, p)));
      };
      auto place = [&](OpBuilder &builder, Location at, Value p, Value extent) -> std::pair<Value, Value> {
        // The element's position, not yet within the input, and how far it is from the sample.
        nn::ScalarBuilder s(builder, at);
        if (!cubic) {
          p = bound(s, p, extent);
          if (padding == "border" || padding == "reflection")
            p = clamp(s, p, extent);
        }
        if (nearest)
          return {math::RoundEvenOp::create(builder, at, p), p};
        Value floor = s.floor(p);
        Value element = s.add(floor, s.constant(double(offset), p));
        Value distance = s.abs(s.sub(p, element));
        if (cubic) {
          element = bound(s, element, extent);
          if (padding != "zeros")
            element = math::RoundEvenOp::create(builder, at, element);
        }
        return {element, distance};
      };
      auto indexOf = [&](OpBuilder &builder, Location at, ValueRange v) {
        nn::ScalarBuilder s(builder, at);
        Value element = clamp(s, place(builder, at, v[0], v[1]).first, v[1]);
        return ScalarMath(builder, at, i64).mul(castScalar(builder, at, element, type, i64), v[2]);
      };
      Value index = b.map({positions[i], size, b.sizeOperand(stride, i64)}, i64, indexOf);
      Value part = b.map({positions[i], size}, type, [&](OpBuilder &builder, Location at, ValueRange v) {
        ScalarMath s(builder, at, type);
        auto [element, distance] = place(builder, at, v[0], v[1]);
        Value w = s.constant(int64_t(1));
        if (cubic) {
          auto polynomial = [&](ArrayRef<double> c) {
            Value r = s.constant(c[0]);
            for (double k : c.drop_front())
              r = s.add(s.mul(r, distance), s.constant(k));
            return r;
          };
          const double a = -0.75;
          w = s.select(s.lessOrEqual(distance, s.constant(int64_t(1))), polynomial({a + 2, -(a + 3), 0, 1}),
                       polynomial({a, -5 * a, 8 * a, -4 * a}));
        } else if (!nearest) {
          w = s.sub(w, distance);
        }
        if (padding != "zeros")
          return w;
        Value inside = s.both(s.lessOrEqual(s.constant(int64_t(0)), element),
                              s.lessOrEqual(element, s.sub(v[1], s.constant(int64_t(1)))));
        return s.select(inside, w, s.constant(int64_t(0)));
      });
      linear = linear ? b.add(linear, index) : index;
      weight = weight ? b.multiply(weight, part) : part;
    }
    // Items stand one after the other.
    linear = b.add(linear, b.multiply(b.indices({items, b.expr(1)}, 0, i64), b.sizeOperand(elements, i64)));
    Value rows = b.reshape(x, ArrayRef<AffineExpr>(ShapeExpr{items * elements, dims[1]}));
    Value read = b.make<nn::GatherOp>(rows, linear, 0); // (N, points, C)
    Value term = b.multiply(read, b.unsqueeze(weight, 2));
    total = total ? b.add(total, term) : term;
  });
  b.result(b.toChannelsFirst(b.reshape(total, ArrayRef<AffineExpr>(shape))));
}

ArrayRef<OperatorRow> gridOperators() {
  static const OperatorRow rows[] = {
      {"AffineGrid", 20, kNewest, affineGrid},
      {"GridSample", 16, kNewest, gridSample},
  };
  return rows;
}

} // namespace sylvite::onnx
