//===- Preprocessing.cpp - layers that prepare inputs ---------------------===//
//
// Rows for the layers of keras.layers' preprocessing that encode categories, or bring images to a size, or change them
// in training. Rescaling and Normalization are in Norm.cpp.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/keras/Arrays.h"
#include "compiler/import/keras/Layers.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include <cmath>

using namespace llvm;
using namespace mlir;
using namespace sylvite;
using namespace sylvite::keras;

//===----------------------------------------------------------------------===//
// Categories
//===----------------------------------------------------------------------===//

/// Categories `x` of `count` as Keras encodes them (keras.src.utils.numerical_utils.encode_categorical_inputs).
static Value encodeCategories(LayerBuilder &b, Value x, int64_t count, StringRef mode) {
  if (!x || mode == "int")
    return x;
  int64_t rank = rankOf(x);
  if (mode == "one_hot" && rank > 1 && shapeOf(x).back() == 1)
    x = b.splitDim(x, --rank, ArrayRef<int64_t>());
  Value hot = oneHot(b, x, count, rank);
  if (mode == "one_hot")
    return hot;
  auto kind = mode == "count" ? nn::ReduceKind::Sum : nn::ReduceKind::Max;
  return b.make<nn::ReduceOp>(hot, kind, ArrayRef<int64_t>{rank > 1 ? 1 : 0}, false);
}

static void categoryEncoding(LayerBuilder &b) {
  int64_t count = b.integer("num_tokens", std::nullopt);
  StringRef mode = b.choice("output_mode", {"multi_hot", "one_hot", "count"});
  b.expectInputs(1); // weights of counts are another
  if (b.boolean("sparse", false))
    b.refuse("sparse", "false");
  b.result(encodeCategories(b, b.input(), count, mode));
}

/// The number of boundaries that an element does not fall short of.
static void discretization(LayerBuilder &b) {
  const Json *json = b.attribute("bin_boundaries");
  std::optional<Array> bounds = readArray(json);
  StringRef mode = b.choice("output_mode", {"int", "one_hot", "multi_hot", "count"});
  b.ignore({"num_bins", "epsilon"});
  if (b.boolean("sparse", false))
    b.refuse("sparse", "false");
  if (!bounds || bounds->shape.size() != 1)
    return b.refuse("bin_boundaries", "a list of numbers");
  Value x = b.floatInput();
  Value boundaries = b.constant("bin_boundaries", bounds->shape, bounds->values);
  if (b.failed())
    return;
  Value reached = b.map({b.expandDims(x, rankOf(x)), boundaries}, [](OpBuilder &builder, Location loc, ValueRange v) -> Value {
    Value isReached = arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::OGE, v[0], v[1]);
    return arith::ExtUIOp::create(builder, loc, builder.getI32Type(), isReached);
  });
  Value bin = b.make<nn::ReduceOp>(reached, nn::ReduceKind::Sum, ArrayRef<int64_t>{rankOf(x)}, false);
  b.result(encodeCategories(b, bin, bounds->shape[0] + 1, mode));
}

//===----------------------------------------------------------------------===//
// Images
//===----------------------------------------------------------------------===//

/// How much an input at `distance`, in steps of the grid, weighs in a resized image.
static double weightAt(StringRef interpolation, double distance) {
  double x = std::abs(distance);
  if (interpolation == "bilinear")
    return std::max(0.0, 1 - x);
  if (interpolation == "bicubic") { // Keys' kernel with a = -0.5
    if (x < 1)
      return (1.5 * x - 2.5) * x * x + 1;
    return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
  }
  double radius = interpolation == "lanczos3" ? 3 : 5;
  if (x == 0 || x >= radius)
    return x == 0;
  return radius * std::sin(M_PI * x) * std::sin(M_PI * x / radius) / (M_PI * M_PI * x * x);
}

/// Brings dimension `dim` to `size`: a product with the weights that each input has in each result.
static Value resizeDim(LayerBuilder &b, Value x, int64_t dim, int64_t size, StringRef interpolation, bool antialias) {
  int64_t in = b.extent(x, dim), rank = rankOf(x);
  if (b.failed() || in == size)
    return x;
  if (in > kMaxElements / size) {
    b.error() << "it brings " << in << " rows or columns to " << size << "; supported: at most " << kMaxElements
              << " pairs of them";
    return {};
  }
  double scale = double(in) / size, spread = antialias ? std::max(scale, 1.0) : 1;
  if (interpolation == "nearest") {
    std::vector<float> positions;
    for (int64_t i = 0; i < size; ++i)
      positions.push_back(std::min<int64_t>((2 * i + 1) * in / (2 * size), in - 1));
    std::string name = "positions_" + std::to_string(dim);
    return b.make<nn::GatherOp>(x, b.convert(b.constant(name, {size}, positions), b.builder.getI32Type()), dim);
  }
  std::vector<float> weights(in * size);
  for (int64_t i = 0; i < size; ++i) {
    double center = (i + 0.5) * scale - 0.5, total = 0;
    for (int64_t j = 0; j < in; ++j)
      total += weightAt(interpolation, (center - j) / spread);
    for (int64_t j = 0; j < in; ++j)
      weights[j * size + i] = weightAt(interpolation, (center - j) / spread) / total;
  }
  Dims toLast(llvm::to_vector(llvm::seq<int64_t>(0, rank)));
  std::swap(toLast[dim], toLast[rank - 1]); // its own inverse
  Value matrix = b.constant("weights_" + std::to_string(dim), {in, size}, weights);
  return b.transpose(b.make<nn::MatmulOp>(b.transpose(x, toLast), matrix, false, false), toLast);
}

static Value resizeImage(LayerBuilder &b, Value x, ArrayRef<int64_t> sizes, StringRef interpolation, bool antialias) {
  bool shrinks = !b.failed() && (shapeOf(x)[1] > sizes[0] || shapeOf(x)[2] > sizes[1]);
  if (interpolation == "bilinear" && !(antialias && shrinks))
    return b.make<nn::ResizeOp>(x, sizes, nn::ResizeMode::Linear, nn::Coordinates::HalfPixel);
  return resizeDim(b, resizeDim(b, x, 1, sizes[0], interpolation, antialias), 2, sizes[1], interpolation, antialias);
}

/// The extents with the aspect of `sizes`: the largest inside of an image of `extents`, or the smallest around it.
static Dims withAspect(ArrayRef<int64_t> extents, ArrayRef<int64_t> sizes, bool inside) {
  int64_t height = extents[1] * sizes[0] / sizes[1], width = extents[0] * sizes[1] / sizes[0];
  if (inside)
    return {std::max<int64_t>(std::min(extents[0], height), 1), std::max<int64_t>(std::min(extents[1], width), 1)};
  return {std::max(extents[0], height), std::max(extents[1], width)};
}

/// The middle of an image (N, height, width, C).
static Value cropMiddle(LayerBuilder &b, Value x, ArrayRef<int64_t> sizes) {
  for (unsigned i = 0; i < 2; ++i) {
    auto at = [&](int64_t value) { return getAffineConstantExpr(value, b.builder.getContext()); };
    x = b.failed() ? Value() : b.take(x, i + 1, at((shapeOf(x)[i + 1] - sizes[i]) / 2), at(sizes[i]));
  }
  return x;
}

namespace {
/// The images (N, height, width, C) of a layer, and the sizes that it gives them.
struct Images {
  explicit Images(LayerBuilder &b) : sizes{b.integer("height", std::nullopt), b.integer("width", std::nullopt)} {
    b.expectRank(b.input(), 4);
    first = b.channelsFirst();
    x = b.toChannelsLast(b.floatInput(), first);
    extents = {b.extent(x, 1), b.extent(x, 2)};
  }
  Dims sizes, extents;
  bool first;
  Value x;
};
} // namespace

static void resizing(LayerBuilder &b) {
  Images images(b);
  StringRef interpolation = b.choice("interpolation", {"bilinear", "nearest", "bicubic", "lanczos3", "lanczos5"});
  bool antialias = b.boolean("antialias", false);
  double value = b.number("fill_value", 0);
  b.choice("fill_mode", {"constant"});
  Value x = images.x;
  if (b.boolean("crop_to_aspect_ratio", false)) {
    x = cropMiddle(b, x, withAspect(images.extents, images.sizes, true));
  } else if (b.boolean("pad_to_aspect_ratio", false)) {
    Dims around = withAspect(images.extents, images.sizes, false), border(4, 0);
    for (unsigned i = 0; i < 2; ++i)
      border[i + 1] = (around[i] - images.extents[i]) / 2;
    x = b.make<nn::PadOp>(x, border, border, APFloat(value), nn::PadMode::Constant);
  }
  b.result(b.fromChannelsLast(resizeImage(b, x, images.sizes, interpolation, antialias), images.first));
}

/// The middle, or where the image is smaller, what has its aspect, resized.
static void centerCrop(LayerBuilder &b) {
  Images images(b);
  bool fits = images.extents[0] >= images.sizes[0] && images.extents[1] >= images.sizes[1];
  Value x = cropMiddle(b, images.x, fits ? images.sizes : withAspect(images.extents, images.sizes, true));
  b.result(b.fromChannelsLast(fits ? x : resizeImage(b, x, images.sizes, "bilinear", false), images.first));
}

/// Changes images in training only.
static void augmentation(LayerBuilder &b) {
  for (auto it = b.layer.config->begin(); it != b.layer.config->end(); ++it)
    b.ignore({it.key()});
  if (b.isTrained())
    b.error() << "this layer class is not supported in training";
  b.result(b.input());
}

ArrayRef<LayerRow> keras::preprocessingLayers() {
  static const LayerRow rows[] = {
      {"CategoryEncoding", categoryEncoding},
      {"CenterCrop", centerCrop},
      {"Discretization", discretization},
      {"RandomBrightness", augmentation},
      {"RandomColorJitter", augmentation},
      {"RandomContrast", augmentation},
      {"RandomErasing", augmentation},
      {"RandomFlip", augmentation},
      {"RandomGaussianBlur", augmentation},
      {"RandomGrayscale", augmentation},
      {"RandomHue", augmentation},
      {"RandomPerspective", augmentation},
      {"RandomRotation", augmentation},
      {"RandomSaturation", augmentation},
      {"RandomSharpness", augmentation},
      {"RandomShear", augmentation},
      {"RandomTranslation", augmentation},
      {"RandomZoom", augmentation},
      {"Resizing", resizing},
  };
  return rows;
}
