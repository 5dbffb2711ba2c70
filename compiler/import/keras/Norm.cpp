//===- Norm.cpp - normalization layers ------------------------------------===//
//
// Rows for keras.layers' normalizations and for the layers that scale by something known: Rescaling,
// Normalization, LayerScale, CustomScaleLayer.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/keras/Arrays.h"
#include "compiler/import/keras/Layers.h"

using namespace llvm;
using namespace mlir;
using namespace sylvite;
using namespace sylvite::keras;

/// keras.config.epsilon().
static constexpr double kEpsilon = 1e-7;

/// The extents of `dims` of `x`, which must be static.
static Dims extents(LayerBuilder &b, Value x, ArrayRef<int64_t> dims) {
  Dims sizes;
  for (int64_t dim : dims)
    sizes.push_back(b.extent(x, dim));
  return sizes;
}

static void batchNormalization(LayerBuilder &b) {
  Value x = b.floatInput();
  int64_t rank = rankOf(x), axis = b.axis("axis", rank, rank - 1);
  Dims shape{b.extent(x, axis)};
  double epsilon = b.number("epsilon", 1e-3);
  double momentum = b.number("momentum", 0.99);
  b.ignore({"synchronized", "renorm_clipping", "renorm_momentum"});
  std::vector<float> ones(b.failed() ? 0 : shape[0], 1), zeros(ones.size(), 0);
  Value gamma, beta;
  bool scale = b.boolean("scale", true), center = b.boolean("center", true);
  if (scale)
    gamma = b.variable("gamma", shape, "gamma_initializer", "ones");
  if (center)
    beta = b.variable("beta", shape, "beta_initializer", "zeros");
  Value mean = b.variable("moving_mean", shape, "moving_mean_initializer", "zeros", false);
  Value variance = b.variable("moving_variance", shape, "moving_variance_initializer", "ones", false);
  b.refuseInTraining("renorm");
  if (b.boolean("renorm", false)) // statistics that only training reads
    for (int i = 0; i < 3; ++i)
      b.skipVariable();
  if (!scale)
    gamma = b.constant("gamma", shape, ones);
  if (!center)
    beta = b.constant("beta", shape, zeros);

  bool isLast = axis == rank - 1;
  Dims toLast, back(rank);
  for (int64_t i = 0; i < rank; ++i)
    if (i != axis)
      toLast.push_back(i);
  toLast.push_back(axis);
  for (auto [place, dim] : llvm::enumerate(toLast))
    back[dim] = place;
  Value y = isLast ? x : b.transpose(x, toLast);
  y = b.make<nn::BatchNormOp>(y, gamma, beta, mean, variance, APFloat(epsilon),
                              b.isTrainable() ? b.builder.getF64FloatAttr(momentum) : FloatAttr());
  b.result(isLast ? y : b.transpose(y, back));
}

/// Multiplies by gamma and adds beta, given for dimensions `dims`, where the layer has them.
static Value scaleAndShift(LayerBuilder &b, Value y, ArrayRef<int64_t> dims, bool scale, bool center) {
  Dims shape = extents(b, y, dims);
  int64_t rank = rankOf(y);
  if (scale)
    y = b.multiply(y, b.alignTo(b.variable("gamma", shape, "gamma_initializer", "ones"), dims, rank));
  if (center)
    y = b.add(y, b.alignTo(b.variable("beta", shape, "beta_initializer", "zeros"), dims, rank));
  return y;
}

static Value reduce(LayerBuilder &b, Value x, nn::ReduceKind kind, const Dims &dims) {
  return b.make<nn::ReduceOp>(x, kind, dims, /*keep_dims=*/true);
}

/// x / sqrt(statistic + epsilon).
static Value divideByRoot(LayerBuilder &b, Value x, Value statistic, double epsilon) {
  return b.map(x, statistic, [&](nn::ScalarBuilder &s, Value e, Value v) {
    return s.mul(e, s.rsqrt(s.add(v, s.constant(epsilon, v))));
  });
}

static void layerNormalization(LayerBuilder &b) {
  Value x = b.floatInput();
  int64_t rank = rankOf(x);
  Dims dims = b.axes("axis", rank, {rank - 1});
  double epsilon = b.number("epsilon", 1e-3);
  bool scale = b.boolean("scale", true), center = b.boolean("center", true);
  if (!b.boolean("rms_scaling", false)) {
    Value y = b.make<nn::LayerNormOp>(x, dims, APFloat(epsilon));
    return b.result(scaleAndShift(b, y, dims, scale, center));
  }
  // Keras's deprecated form divides by the deviation, but does not subtract the mean.
  Value centered = b.map(x, reduce(b, x, nn::ReduceKind::Mean, dims),
                         [](nn::ScalarBuilder &s, Value e, Value m) { return s.sub(e, m); });
  Value variance = reduce(b, b.multiply(centered, centered), nn::ReduceKind::Mean, dims);
  b.result(scaleAndShift(b, divideByRoot(b, x, variance, epsilon), dims, true, false));
}

static void rmsNormalization(LayerBuilder &b) {
  Value x = b.floatInput();
  int64_t rank = rankOf(x);
  Dims dims = b.axes("axis", rank, {rank - 1});
  Value y = b.make<nn::RMSNormOp>(x, dims, APFloat(b.number("epsilon", 1e-6)));
  Value scale = b.variable("scale", extents(b, x, dims), "", "ones");
  b.result(b.multiply(y, b.alignTo(scale, dims, rank)));
}

static void unitNormalization(LayerBuilder &b) {
  Value x = b.floatInput();
  int64_t rank = rankOf(x);
  Value squares = reduce(b, x, nn::ReduceKind::SumSquare, b.axes("axis", rank, {rank - 1}));
  b.result(b.map(x, squares, [](nn::ScalarBuilder &s, Value e, Value sum) {
    return s.mul(e, s.minimum(s.rsqrt(sum), s.constant(1e12, sum)));
  }));
}

/// The channels split into groups, each normalized together with all dimensions but the batch.
static void groupNormalization(LayerBuilder &b) {
  Value x = b.floatInput();
  int64_t rank = rankOf(x), axis = b.axis("axis", rank, rank - 1), channels = b.extent(x, axis);
  const Json *given = b.attribute("groups");
  int64_t groups = asInteger(given) == -1 ? channels : b.integer("groups", 32);
  if (channels % groups)
    b.refuse("groups", "-1 and divisors of the " + Twine(channels) + " channels");
  if (axis == 0)
    b.refuse("axis", "any but the batch");
  if (b.failed())
    return;
  Dims shape(shapeOf(x)), split(shape), from, back, dims;
  split[axis] = channels / groups;
  split.insert(split.begin() + axis, groups);
  for (int64_t i = 0; i <= rank; ++i) {
    from.push_back(i < axis ? i : i > axis + 1 ? i - 1 : -1);
    if (i != 0 && i != axis)
      dims.push_back(i);
  }
  for (int64_t i = 0; i < rank; ++i)
    back.push_back(i < axis ? i : i > axis ? i + 1 : -1);
  Value y = b.make<nn::LayerNormOp>(b.reshape(x, split, from), dims, APFloat(b.number("epsilon", 1e-3)));
  y = b.reshape(y, shape, back);
  b.result(scaleAndShift(b, y, {axis}, b.boolean("scale", true), b.boolean("center", true)));
}

//===----------------------------------------------------------------------===//
// Scaling by what is known
//===----------------------------------------------------------------------===//

/// (x - mean) / max(sqrt(variance), epsilon), or its inverse.
static void normalization(LayerBuilder &b) {
  Value x = b.floatInput();
  int64_t rank = rankOf(x);
  const Json *axisGiven = member(*b.layer.config, "axis");
  Dims dims = axisGiven && axisGiven->is_null() ? Dims() : b.axes("axis", rank, {rank - 1});
  bool invert = b.boolean("invert", false);
  Value mean, variance;
  if (b.attribute("mean") || b.attribute("variance")) {
    auto readStatistic = [&](StringRef key) -> Value {
      std::optional<Array> array = readArray(b.attribute(key));
      if (!array || array->shape.size() > dims.size()) {
        b.refuse(key, "a number, or an array over the normalized axes, for both mean and variance");
        return {};
      }
      // Aligned at the last of the axes; a dimension of size one repeats.
      ArrayRef<int64_t> own = ArrayRef<int64_t>(dims).take_back(array->shape.size());
      for (auto [size, dim] : llvm::zip_equal(array->shape, own))
        if (size != 1 && size != b.extent(x, dim)) {
          b.refuse(key, "an array that fits input dimension " + Twine(dim) + " of size " +
                            Twine(shapeOf(x)[dim]));
          return {};
        }
      return b.alignTo(b.constant(key, array->shape, array->values), own, rank);
    };
    mean = readStatistic("mean");
    variance = readStatistic("variance");
  } else {
    Dims shape = extents(b, x, dims);
    mean = b.alignTo(b.variable("mean", shape, "", "zeros", false), dims, rank);
    variance = b.alignTo(b.variable("variance", shape, "", "ones", false), dims, rank);
    b.skipVariable(); // count
  }
  Value deviation = b.map(variance, [](nn::ScalarBuilder &s, Value v) {
    return s.maximum(s.sqrt(v), s.constant(kEpsilon, v));
  });
  if (invert)
    return b.result(b.add(b.multiply(x, deviation), mean));
  Value centered =
      b.map(x, mean, [](nn::ScalarBuilder &s, Value e, Value m) { return s.sub(e, m); });
  b.result(b.map(centered, deviation,
                 [](nn::ScalarBuilder &s, Value e, Value d) { return s.div(e, d); }));
}

/// x * scale + offset, each a number or an array that broadcasts.
static void rescaling(LayerBuilder &b) {
  Value y = b.floatInput();
  auto apply = [&](StringRef key, double rest, bool multiply) {
    const Json *given = b.attribute(key);
    std::optional<Array> array = given ? readArray(given) : Array{{}, {float(rest)}};
    if (!array)
      return b.refuse(key, "a number or an array of numbers");
    if (!array->shape.empty()) {
      Value constant = b.constant(key, array->shape, array->values);
      y = multiply ? b.multiply(y, constant) : b.add(y, constant);
      return;
    }
    double value = given ? asNumber(given).value_or(array->values[0]) : rest;
    if (value == rest)
      return;
    y = b.map(y, [&](nn::ScalarBuilder &s, Value e) {
      return multiply ? s.mul(e, s.constant(value, e)) : s.add(e, s.constant(value, e));
    });
  };
  apply("scale", 1, true);
  apply("offset", 0, false);
  b.result(y);
}

/// keras.src.applications.convnext.LayerScale.
static void layerScale(LayerBuilder &b) {
  Value x = b.floatInput();
  Json initializer = {{"class_name", "Constant"},
                      {"config", {{"value", b.number("init_values", 1e-6)}}}};
  int64_t channels = b.integer("projection_dim", std::nullopt);
  b.result(b.multiply(x, b.initializedVariable("gamma", {channels}, initializer)));
}

/// keras.src.applications.inception_resnet_v2.CustomScaleLayer: x + scale * y.
static void customScale(LayerBuilder &b) {
  b.expectInputs(2);
  double scale = b.number("scale", std::nullopt);
  b.result(b.map(b.floatInput(0), b.floatInput(1), [&](nn::ScalarBuilder &s, Value x, Value y) {
    return s.add(x, s.mul(y, s.constant(scale, y)));
  }));
}

/// Training alone divides the kernel of the layer inside by its largest singular value.
static void spectralNormalization(LayerBuilder &b) {
  const Json *json = b.attribute("layer");
  if (!json)
    return b.refuse("layer", "a layer");
  if (b.isTrained())
    return void(b.error() << "its kernel changes in training; supported: inference");
  b.ignore({"power_iterations"});
  b.skipVariable(); // the kernel, which the layer inside has too, and the vector of the power iteration
  b.skipVariable();
  b.result(b.apply(*json, b.input(), "layer"));
}

ArrayRef<LayerRow> keras::normLayers() {
  static const LayerRow rows[] = {
      {"BatchNormalization", batchNormalization, Masks::Pass},
      {"CustomScaleLayer", customScale},
      {"GroupNormalization", groupNormalization, Masks::Pass},
      {"LayerNormalization", layerNormalization, Masks::Pass},
      {"LayerScale", layerScale},
      {"Normalization", normalization, Masks::Pass},
      {"RMSNormalization", rmsNormalization},
      {"Rescaling", rescaling, Masks::Pass},
      {"SpectralNormalization", spectralNormalization},
      {"UnitNormalization", unitNormalization, Masks::Pass},
  };
  return rows;
}
