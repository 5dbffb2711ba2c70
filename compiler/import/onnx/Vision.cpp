//===- Vision.cpp - operators of detectors --------------------------------===//
//
// Rows that read images between their elements, at positions that are computed, and Col2Im, which adds up what
// overlapping blocks hold.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/Folding.h"
#include "compiler/import/onnx/Operators.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace llvm;
using namespace mlir;

namespace sylvite::onnx {

/// What is read at a position beyond the elements.
enum class Beyond {
  Zeros, // as if the image went on with zeros
  Edge   // the edge's elements, up to one element away; then zero
};

/// The elements next to positions, times what they weigh in linear interpolation, which is their sum. `rows` holds
/// images one after the other, an element's channels in a row; the position along each dimension, and `start`, the first
/// row of the image, broadcast to the shape of the terms but for the channels.
static SmallVector<Value> linearTerms(NodeBuilder &b, Value rows, ArrayRef<Value> positions, ArrayRef<int64_t> extents,
                                      Value start, Beyond beyond) {
  SmallVector<Value> terms;
  Type i64 = IntegerType::get(b.state.context, 64);
  forEachIndex(Dims(positions.size(), 2), [&](ArrayRef<int64_t> tap) {
    Value linear = start, weight;
    int64_t stride = 1;
    for (int64_t i = int64_t(positions.size()) - 1; i >= 0 && !b.failed(); --i) {
      Type type = b.type(positions[i]);
      double last = extents[i] - 1;
      // The element's position, and what it weighs.
      auto place = [&](OpBuilder &builder, Location at, Value p) -> std::pair<Value, Value> {
        ScalarMath s(builder, at, type);
        nn::ScalarBuilder f(builder, at);
        Value inside;
        if (beyond == Beyond::Edge) {
          inside = s.both(s.lessOrEqual(s.constant(-1.0), p), s.lessOrEqual(p, s.constant(last + 1)));
          p = f.clamp(p, 0, last);
        }
        Value element = s.add(math::FloorOp::create(builder, at, p), s.constant(tap[i]));
        if (beyond == Beyond::Zeros)
          inside = s.both(s.lessOrEqual(s.constant(0.0), element), s.lessOrEqual(element, s.constant(last)));
        Value w = f.sub(s.constant(1.0), f.abs(f.sub(p, element)));
        return {element, s.select(inside, w, s.constant(0.0))};
      };
      Value index = b.map({positions[i]}, i64, [&](OpBuilder &builder, Location at, ValueRange v) {
        ScalarMath integer(builder, at, i64);
        Value element = nn::ScalarBuilder(builder, at).clamp(place(builder, at, v[0]).first, 0, last);
        return integer.mul(castScalar(builder, at, element, type, i64), integer.constant(stride));
      });
      Value part = b.map({positions[i]}, type, [&](OpBuilder &builder, Location at, ValueRange v) {
        return place(builder, at, v[0]).second;
      });
      linear = b.add(linear, index);
      weight = weight ? b.multiply(weight, part) : part;
      stride *= extents[i];
    }
    Value read = b.make<nn::GatherOp>(rows, linear, 0);
    if (!b.failed())
      terms.push_back(b.multiply(read, b.unsqueeze(weight, b.rank(weight))));
  });
  return terms;
}

/// `values` combined by `function`, from the first to the last.
static Value combine(ArrayRef<Value> values, llvm::function_ref<Value(Value, Value)> function) {
  Value result;
  for (Value value : values)
    result = result ? function(result, value) : value;
  return result;
}

//===----------------------------------------------------------------------===//
// RoiAlign
//===----------------------------------------------------------------------===//

/// He et al., Mask R-CNN, arXiv 1703.06870: each cell of a region's grid is the mean of samples in it.
static void roiAlign(NodeBuilder &b) {
  bool maximum = b.choice("mode", {"avg", "max"}) == "max";
  int64_t height = b.integer("output_height", 1), width = b.integer("output_width", 1),
          samples = b.integer("sampling_ratio", 0);
  double scale = b.number("spatial_scale", 1);
  bool aligned = b.opset >= 16 &&
                 b.choice("coordinate_transformation_mode", {"half_pixel", "output_half_pixel"}) == "half_pixel";
  Value x = b.value(0), regions = b.value(1), items = b.cast(b.value(2), IntegerType::get(b.state.context, 64));
  if (b.failed())
    return;
  if (samples < 1 || samples > 64)
    return b.refuse("sampling_ratio", "1 to 64, for a number that depends on the regions is no size known in advance");
  if (height < 1 || width < 1 || height > INT16_MAX || width > INT16_MAX)
    return b.refuse(height < 1 || height > INT16_MAX ? "output_height" : "output_width", "1 to " + Twine(INT16_MAX));
  if (b.rank(x) != 4 || b.rank(regions) != 2 || b.rank(items) != 1 || !b.isFloat(0))
    return void(b.error() << "its input and regions have shapes " << b.text(b.shape(x)) << " and "
                          << b.text(b.shape(regions)) << "; supported: (N, C, H, W) and (regions, 4)");
  Dims image{b.extent(x, 2), b.extent(x, 3)};
  Type type = b.type(x);
  Value channelsLast = b.toChannelsLast(x);
  if (b.failed())
    return;
  const ShapeExpr &s = b.shape(channelsLast);
  Value rows = b.reshape(channelsLast, ArrayRef<AffineExpr>(ShapeExpr{s[0] * s[1] * s[2], s[3]}));
  double offset = aligned ? 0.5 : 0;
  /// Positions along a dimension, (regions, cells * samples): the regions' corners are columns `low` and `low` + 2.
  auto positions = [&](int64_t low, int64_t cells) {
    std::vector<double> steps; // in cells from the region's start
    for (int64_t i = 0; i < cells * samples; ++i)
      steps.push_back((i + 0.5) / samples);
    Value first = b.slice(regions, 1, low, 1), last = b.slice(regions, 1, low + 2, 1);
    Value step = b.parameter(type, {1, cells * samples}, steps);
    return b.map({first, last, step}, type, [&](OpBuilder &builder, Location at, ValueRange v) {
      nn::ScalarBuilder f(builder, at);
      auto corner = [&](Value c) { return f.sub(f.mul(c, f.constant(scale, c)), f.constant(offset, c)); };
      Value from = corner(v[0]), size = f.sub(corner(v[1]), from);
      if (!aligned) // a region has at least the size of an element
        size = f.maximum(size, f.constant(1, size));
      return f.add(from, f.mul(f.div(size, f.constant(cells, size)), v[2]));
    });
  };
  Value y = b.unsqueeze(positions(1, height), 2), across = b.unsqueeze(positions(0, width), 1);
  if (b.failed())
    return;
  Type i64 = IntegerType::get(b.state.context, 64);
  Value start = b.multiply(items, b.knownTensor(i64, {}, {integerScalar(b.expr(image[0] * image[1]))}));
  start = b.unsqueeze(b.unsqueeze(start, 1), 2);
  SmallVector<Value> terms = linearTerms(b, rows, {y, across}, image, start, Beyond::Edge);
  if (b.failed())
    return;
  // The maximum is that of terms, as in ONNX Runtime.
  Value total = combine(terms, [&](Value p, Value q) {
    return maximum ? b.map(p, q, [](nn::ScalarBuilder &f, Value u, Value v) { return f.maximum(u, v); }) : b.add(p, q);
  });
  if (b.failed())
    return;
  AffineExpr count = b.shape(total)[0], channels = b.shape(total)[3];
  ShapeExpr cells{count, b.expr(height), b.expr(samples), b.expr(width), b.expr(samples), channels};
  total = b.reshape(total, ArrayRef<AffineExpr>(cells));
  b.result(b.toChannelsFirst(b.reduce(maximum ? nn::ReduceKind::Max : nn::ReduceKind::Mean, total, {2, 4}, false)));
}

//===----------------------------------------------------------------------===//
// DeformConv
//===----------------------------------------------------------------------===//

/// Dai et al., Deformable Convolutional Networks, arXiv 1703.06211, with the modulation of arXiv 1811.11168.
static void deformConv(NodeBuilder &b) {
  Value x = b.value(0), w = b.value(1), offsets = b.value(2);
  if (b.failed())
    return;
  if (b.rank(x) != 4 || b.rank(w) != 4 || b.rank(offsets) != 4)
    return void(b.error() << "its input, filter and offsets have shapes " << b.text(b.shape(x)) << ", "
                          << b.text(b.shape(w)) << " and " << b.text(b.shape(offsets))
                          << "; supported: two spatial dimensions");
  Dims in = b.extents(x), filter = b.extents(w), moved = b.extents(offsets);
  Dims strides = b.tuple("strides", 2, 1), dilations = b.tuple("dilations", 2, 1), pads = b.tuple("pads", 4, 0, 0);
  int64_t groups = b.integer("group", 1), offsetGroups = b.integer("offset_group", 1);
  if (auto given = b.integers("kernel_shape"); given && ArrayRef<int64_t>(*given) != ArrayRef<int64_t>(filter).drop_front(2))
    b.refuse("kernel_shape", "the filter's");
  if (groups < 1 || in[1] != filter[1] * groups || filter[0] % std::max<int64_t>(groups, 1))
    b.refuse("group", "the quotient of the channels of input and filter");
  if (offsetGroups < 1 || in[1] % std::max<int64_t>(offsetGroups, 1))
    b.refuse("offset_group", "a divisor of the input's channels");
  if (b.failed())
    return;
  int64_t window = filter[2] * filter[3];
  Dims out(2);
  for (int i = 0; i < 2; ++i) {
    int64_t span = in[2 + i] + pads[i] + pads[2 + i] - dilations[i] * (filter[2 + i] - 1) - 1;
    out[i] = span < 0 ? 0 : span / strides[i] + 1;
  }
  if (Dims{in[0], offsetGroups * window * 2, out[0], out[1]} != moved)
    return void(b.error() << "its offsets have shape " << b.text(b.shape(offsets)) << "; supported: ("
                          << in[0] << ", " << offsetGroups * window * 2 << ", " << out[0] << ", " << out[1] << ")");
  int64_t places = out[0] * out[1];
  Type type = b.type(x);
  int64_t perGroup = in[1] / offsetGroups, elements = in[2] * in[3];
  // (N, offset groups, window, places) for the positions along both dimensions.
  offsets = b.reshape(offsets, ArrayRef<int64_t>{in[0], offsetGroups, window, 2, places});
  SmallVector<Value> positions;
  for (int i = 0; i < 2; ++i) {
    std::vector<double> undisturbed;
    forEachIndex({filter[2], filter[3], out[0], out[1]}, [&](ArrayRef<int64_t> index) {
      undisturbed.push_back(double(index[2 + i] * strides[i] - pads[i] + index[i] * dilations[i]));
    });
    Value moves = b.squeeze(b.slice(offsets, 3, i, 1), 3);
    positions.push_back(b.add(moves, b.parameter(type, {1, 1, window, places}, undisturbed)));
  }
  std::vector<double> starts;
  for (int64_t i = 0; i < in[0] * offsetGroups; ++i)
    starts.push_back(double(i * elements));
  Value start = b.parameter(IntegerType::get(b.state.context, 64), {in[0], offsetGroups, 1, 1}, starts);
  Value rows = b.transpose(b.reshape(x, ArrayRef<int64_t>{in[0], offsetGroups, perGroup, elements}), {0, 1, 3, 2});
  rows = b.reshape(rows, ArrayRef<int64_t>{in[0] * offsetGroups * elements, perGroup});
  SmallVector<Value> terms = linearTerms(b, rows, positions, {in[2], in[3]}, start, Beyond::Zeros);
  if (b.failed())
    return;
  Value read = combine(terms, [&](Value p, Value q) { return b.add(p, q); });
  if (b.has(4)) {
    Value mask = b.reshape(b.value(4), ArrayRef<int64_t>{in[0], offsetGroups, window, places, 1});
    read = b.multiply(read, mask);
  }
  // (N, groups, places, channels * window) times (groups, channels * window, outputs).
  int64_t depth = filter[1] * window, outputs = filter[0] / groups;
  read = b.reshape(b.transpose(read, {0, 3, 1, 4, 2}), ArrayRef<int64_t>{in[0], places, groups, depth});
  read = b.transpose(read, {0, 2, 1, 3});
  w = b.reshape(w, ArrayRef<int64_t>{groups, outputs, depth});
  Value y = b.matmul(w, read, false, /*transposeRhs=*/true); // (N, groups, outputs, places)
  y = b.reshape(y, ArrayRef<int64_t>{in[0], filter[0], out[0], out[1]});
  if (b.has(3))
    y = b.add(y, b.reshape(b.value(3), ArrayRef<int64_t>{filter[0], 1, 1}));
  b.result(y);
}

//===----------------------------------------------------------------------===//
// Col2Im
//===----------------------------------------------------------------------===//

/// (N, C * block, blocks) to (N, C, image...): elements of overlapping blocks are added.
static void col2Im(NodeBuilder &b) {
  Value x = b.value(0);
  Dims image = b.constants(1, "image shape"), block = b.constants(2, "block shape");
  if (b.failed())
    return;
  size_t n = image.size();
  Dims strides = b.tuple("strides", n, 1), dilations = b.tuple("dilations", n, 1), pads = b.tuple("pads", 2 * n, 0, 0);
  if (n < 1 || n > 4 || block.size() != n || b.rank(x) != 3)
    return void(b.error() << "its input has shape " << b.text(b.shape(x)) << " and its image " << n
                          << " dimensions; supported: (N, C * block, blocks), and one to four");
  Dims in = b.extents(x), padded(n), counts(n);
  int64_t blockSize = 1, blocks = 1, elements = 1;
  bool valid = !b.failed();
  for (size_t i = 0; i < n && valid; ++i) {
    valid &= image[i] >= 1 && image[i] <= INT32_MAX && block[i] >= 1 && block[i] <= INT32_MAX;
    padded[i] = image[i] + pads[i] + pads[n + i];
    counts[i] = valid ? (padded[i] - dilations[i] * (block[i] - 1) - 1) / strides[i] + 1 : 0;
    valid &= counts[i] >= 1 && padded[i] >= dilations[i] * (block[i] - 1) + 1;
    valid = valid && !__builtin_mul_overflow(blockSize, block[i], &blockSize) &&
            !__builtin_mul_overflow(blocks, counts[i], &blocks) && !__builtin_mul_overflow(elements, padded[i], &elements);
  }
  if (b.failed())
    return;
  if (!valid || in[1] % blockSize || in[2] != blocks || elements > INT32_MAX)
    return void(b.error() << "its input has shape " << b.text(b.shape(x)) << ", which does not fit its " << blocks
                          << " blocks of " << blockSize << " elements");
  int64_t channels = in[1] / blockSize;
  std::vector<double> places; // in the padded image, of each element of each block
  Dims index(block);
  index.append(counts);
  forEachIndex(index, [&](ArrayRef<int64_t> at) {
    Dims place(n);
    for (size_t i = 0; i < n; ++i)
      place[i] = at[i] * dilations[i] + at[n + i] * strides[i];
    places.push_back(double(positionOf(place, padded)));
  });
  int64_t count = blockSize * blocks, columns = in[0] * channels;
  Value updates = b.reshape(x, ArrayRef<int64_t>{columns, count});
  Value zeros = b.materialize(b.splat(ShapeExpr{b.expr(elements), b.expr(columns)}, b.type(x),
                                      *castKnown(numberScalar(0), b.type(x))));
  Value y = b.make<nn::ScatterOp>(zeros, b.parameter(IntegerType::get(b.state.context, 64), {count}, places),
                                  b.transpose(updates, {1, 0}), nn::ScatterKind::Add);
  Dims shape{in[0], channels};
  shape.append(padded);
  y = b.reshape(b.transpose(y, {1, 0}), ArrayRef<int64_t>(shape));
  for (size_t i = 0; i < n; ++i)
    y = b.slice(y, 2 + i, pads[i], image[i]);
  b.result(y);
}

ArrayRef<OperatorRow> visionOperators() {
  static const OperatorRow rows[] = {
      {"Col2Im", 18, kNewest, col2Im},
      {"DeformConv", 19, kNewest, deformConv},
      {"RoiAlign", 10, kNewest, roiAlign},
  };
  return rows;
}

} // namespace sylvite::onnx
