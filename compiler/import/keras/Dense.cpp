//===- Dense.cpp - matrix products ----------------------------------------===//
//
// Rows for Dense and Dot.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/keras/Layers.h"

using namespace llvm;
using namespace mlir;
using namespace sylvite;
using namespace sylvite::keras;

static void dense(LayerBuilder &b) {
  Value x = b.floatInput();
  if (rankOf(x) < 2)
    b.error() << "its input has " << rankOf(x) << " dimensions; supported: two or more";
  int64_t units = b.integer("units", std::nullopt);
  int64_t features = b.extent(x, std::max<int64_t>(rankOf(x) - 1, 0));
  Value kernel = b.variable("kernel", {features, units}, "kernel_initializer", "glorot_uniform");
  Value y = b.make<nn::MatmulOp>(x, kernel, false, false);
  if (b.boolean("use_bias", true))
    y = b.add(y, b.variable("bias", {units}, "bias_initializer", "zeros"));
  b.result(activate(b, y));
}

/// x / max(|x|, 1e-7) along dimension `dim`: keras.ops.normalize with its default epsilon.
static Value normalize(LayerBuilder &b, Value x, int64_t dim) {
  Value squares =
      b.make<nn::ReduceOp>(x, nn::ReduceKind::SumSquare, ArrayRef<int64_t>{dim}, /*keep_dims=*/true);
  return b.map(x, squares, [](nn::ScalarBuilder &s, Value e, Value sum) {
    return s.mul(e, s.minimum(s.rsqrt(sum), s.constant(1e7, sum)));
  });
}

/// Moves dimension `from` of `x` to place `to`.
static Value moveDim(LayerBuilder &b, Value x, int64_t from, int64_t to) {
  Dims permutation;
  for (int64_t i = 0; i < rankOf(x); ++i)
    if (i != from)
      permutation.push_back(i);
  permutation.insert(permutation.begin() + to, from);
  return from == to ? x : b.transpose(x, permutation);
}

/// Contracts one dimension of each input, for each element of the batch: keras's batch_dot.
static void dot(LayerBuilder &b) {
  b.expectInputs(2);
  if (b.failed())
    return;
  Value x = b.floatInput(0), y = b.floatInput(1);
  int64_t rankX = rankOf(x), rankY = rankOf(y), ax = -1, ay = -1;
  const Json *axes = b.attribute("axes");
  if (auto single = asInteger(axes)) {
    ax = ay = *single;
  } else if (auto pair = asIntegers(axes); pair && pair->size() == 2) {
    ax = (*pair)[0];
    ay = (*pair)[1];
  } else {
    return b.refuse("axes", "an axis or two axes");
  }
  ax += ax < 0 ? rankX : 0;
  ay += ay < 0 ? rankY : 0;
  if (rankX < 2 || rankY < 2 || ax < 1 || ay < 1 || ax >= rankX || ay >= rankY)
    return b.refuse("axes", "axes of inputs of ranks " + Twine(rankX) + " and " + Twine(rankY) +
                                " other than the batch");
  if (b.extent(x, ax) != b.extent(y, ay))
    return b.refuse("axes", "axes of one size; they have " + Twine(shapeOf(x)[ax]) + " and " +
                                Twine(shapeOf(y)[ay]) + " elements");
  if (b.boolean("normalize", false)) {
    x = normalize(b, x, ax);
    y = normalize(b, y, ay);
  }
  x = moveDim(b, x, ax, rankX - 1); // (N, X..., K)
  y = moveDim(b, y, ay, 1);         // (N, K, Y...)
  if (b.failed())
    return;

  // Each side becomes a matrix, the result takes its dimensions back.
  auto rows = shapeOf(x).drop_front().drop_back(), columns = shapeOf(y).drop_front(2);
  auto product = [](ArrayRef<int64_t> sizes) {
    int64_t size = 1;
    for (int64_t extent : sizes)
      size = ShapedType::isDynamic(extent) || ShapedType::isDynamic(size) ? ShapedType::kDynamic
                                                                          : size * extent;
    return size;
  };
  int64_t batch = shapeOf(x)[0], contracted = shapeOf(x).back();
  Dims shape{batch};
  shape.append(rows.begin(), rows.end());
  shape.append(columns.begin(), columns.end());
  if (shape.size() == 1)
    shape.push_back(1);
  Dims from(shape.size(), -1);
  from[0] = 0;
  Value matrixX = b.reshape(x, {batch, product(rows), contracted}, {0, -1, rankX - 1});
  Value matrixY = b.reshape(y, {shapeOf(y)[0], contracted, product(columns)}, {0, 1, -1});
  b.result(b.reshape(b.make<nn::MatmulOp>(matrixX, matrixY, false, false), shape, from));
}

ArrayRef<LayerRow> keras::denseLayers() {
  static const LayerRow rows[] = {
      {"Dense", dense, Masks::Pass},
      {"Dot", dot},
  };
  return rows;
}
