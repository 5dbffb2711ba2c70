//===- Resize.cpp - interpolation operators -------------------------------===//
//
// Rows for Resize and Upsample. What nn.resize does, it does; every other way to resize is linear in the input and becomes a
// product with a constant matrix per dimension, or a gather.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/Folding.h"
#include "compiler/import/onnx/Operators.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include <cmath>

using namespace llvm;
using namespace mlir;

namespace sylvite::onnx {

namespace {
/// How one dimension is resized.
struct Axis {
  int64_t in = 0, out = 0; // zero: free
  double scale = 1;        // out / in, or as the model gives it; zero where a quotient of free sizes
  double start = 0, end = 1; // region of interest
  AffineExpr inSize, outSize;
};

struct Mode {
  StringRef name, coordinates, nearest;
  double cubic = -0.75;
  bool excludeOutside = false, antialias = false;
};
} // namespace

/// Where output position `x` lies in the input.
static double sourcePosition(const Axis &a, StringRef mode, double x) {
  double length = a.scale * a.in;
  if (mode == "half_pixel")
    return (x + 0.5) / a.scale - 0.5;
  if (mode == "half_pixel_symmetric") {
    double adjustment = a.out / length, center = a.in / 2.0;
    return center * (1 - adjustment) + (x + 0.5) / a.scale - 0.5;
  }
  if (mode == "pytorch_half_pixel")
    return a.out > 1 ? (x + 0.5) / a.scale - 0.5 : 0;
  if (mode == "align_corners")
    return a.out > 1 ? x * (a.in - 1) / (length - 1) : 0;
  if (mode == "tf_crop_and_resize")
    return a.out > 1 ? a.start * (a.in - 1) + x * (a.end - a.start) * (a.in - 1) / (a.out - 1)
                     : 0.5 * (a.start + a.end) * (a.in - 1);
  return x / a.scale; // asymmetric
}

static int64_t nearestPosition(StringRef mode, double x) {
  if (mode == "floor")
    return std::floor(x);
  if (mode == "ceil")
    return std::ceil(x);
  if (mode == "round_prefer_ceil")
    return std::floor(x + 0.5);
  return std::ceil(x - 0.5);
}

static double cubicWeight(double a, double t) {
  t = std::fabs(t);
  if (t <= 1)
    return ((a + 2) * t - (a + 3)) * t * t + 1;
  return t < 2 ? ((a * t - 5 * a) * t + 8 * a) * t - 4 * a : 0;
}

/// The weights of all input elements in output `position`.
static std::vector<double> interpolationRow(const Axis &a, const Mode &mode, double position) {
  std::vector<double> row(a.in, 0);
  bool cubic = mode.name == "cubic";
  // When shrinking with antialiasing, the kernel is as wide as the step.
  double stretch = mode.antialias && a.scale < 1 ? a.scale : 1, reach = (cubic ? 2 : 1) / stretch;
  double sum = 0;
  std::vector<std::pair<int64_t, double>> taps;
  for (int64_t i = int64_t(std::floor(position - reach)) ; i <= int64_t(std::ceil(position + reach)); ++i) {
    double t = (i - position) * stretch;
    double weight = cubic ? cubicWeight(mode.cubic, t) : std::max(0.0, 1 - std::fabs(t));
    if (mode.excludeOutside && (i < 0 || i >= a.in))
      weight = 0;
    taps.push_back({i, weight});
    sum += weight;
  }
  for (auto [i, weight] : taps)
    row[std::clamp<int64_t>(i, 0, a.in - 1)] += sum != 0 ? weight / sum : 0;
  return row;
}

/// Resizes dimension `dim` of `x`.
static Value resizeAxis(NodeBuilder &b, Value x, int64_t dim, const Axis &a, const Mode &mode, Type type) {
  Type i64 = IntegerType::get(b.state.context, 64);
  if (mode.name == "nearest") {
    std::vector<double> positions;
    for (int64_t o = 0; o < a.out; ++o)
      positions.push_back(std::clamp<int64_t>(
          nearestPosition(mode.nearest, sourcePosition(a, mode.coordinates, o)), 0, a.in - 1));
    return b.make<nn::GatherOp>(x, b.parameter(i64, {a.out}, positions), dim);
  }
  if (a.in * a.out > (1 << 26)) {
    b.error() << "it resizes dimension " << dim << " from " << a.in << " to " << a.out
              << " in a way that is supported for smaller tensors only";
    return {};
  }
  std::vector<double> matrix;
  for (int64_t o = 0; o < a.out; ++o) {
    std::vector<double> row = interpolationRow(a, mode, sourcePosition(a, mode.coordinates, o));
    matrix.insert(matrix.end(), row.begin(), row.end());
  }
  Value weights = b.parameter(type, {a.out, a.in}, matrix);
  // (..., in, rest) by (out, in): the dimension moves to the end and back.
  Dims there, back(b.rank(x));
  for (int64_t i = 0; i < b.rank(x); ++i)
    if (i != dim)
      there.push_back(i);
  there.push_back(dim);
  for (auto [i, from] : enumerate(there))
    back[from] = i;
  bool flat = b.rank(x) == 1;
  Value moved = b.transpose(x, there);
  if (flat)
    moved = b.unsqueeze(moved, 0);
  Value y = b.matmul(moved, weights, false, /*transposeRhs=*/true);
  if (flat)
    y = b.squeeze(y, 0);
  return b.transpose(y, back);
}

/// Resizes dimension `dim` of `x`, whose size is free before or after: positions and weights are computed at run time.
static Value resizeFreeAxis(NodeBuilder &b, Value x, int64_t dim, const Axis &a, const Mode &mode, Type type) {
  if (!is_contained({"half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"}, mode.coordinates) || mode.antialias ||
      mode.excludeOutside) {
    b.error() << "it resizes dimension " << dim << " of its input from " << b.text({a.inSize}) << " to " << b.text({a.outSize})
              << "; supported for free sizes: half_pixel, pytorch_half_pixel, align_corners and asymmetric, without antialias "
                 "and exclude_outside (fix free ones, as in --shape x=1x3x224x224)";
    return {};
  }
  if (b.failed())
    return {};
  Type real = b.state.body.getF32Type(), i64 = IntegerType::get(b.state.context, 64);
  Value at = b.indices({a.outSize}, 0, real);
  Value position = b.map({at, b.sizeOperand(a.inSize, real), b.sizeOperand(a.outSize, real)}, real,
                         [&](OpBuilder &builder, Location loc, ValueRange v) {
    ScalarMath s(builder, loc, real);
    Value one = s.constant(1.0), half = s.constant(0.5), zero = s.constant(0.0);
    if (mode.coordinates == "align_corners")
      return s.select(s.less(one, v[2]), s.div(s.mul(v[0], s.sub(v[1], one)), s.sub(v[2], one)), zero);
    Value step = a.scale != 0 ? s.constant(1 / a.scale) : s.div(v[1], v[2]);
    if (mode.coordinates == "asymmetric")
      return s.mul(v[0], step);
    Value centre = s.sub(s.mul(s.add(v[0], half), step), half);
    return mode.coordinates == "pytorch_half_pixel" ? s.select(s.less(one, v[2]), centre, zero) : centre;
  });
  /// The elements that `index` chooses, a function of the position.
  auto read = [&](llvm::function_ref<Value(nn::ScalarBuilder &, Value)> index) {
    Value rounded = b.map(position, index);
    Operand size = b.sizeOperand(a.inSize, i64);
    Value inside = b.map({b.cast(rounded, i64), size}, i64, [&](OpBuilder &builder, Location loc, ValueRange v) {
      ScalarMath s(builder, loc, i64);
      return s.maximum(s.minimum(v[0], s.sub(v[1], s.constant(int64_t(1)))), s.constant(int64_t(0)));
    });
    return b.make<nn::GatherOp>(x, inside, dim);
  };
  if (mode.name == "nearest")
    return read([&](nn::ScalarBuilder &s, Value p) {
      Value half = s.constant(0.5, p);
      auto ceil = [&](Value v) { return s.neg(s.floor(s.neg(v))); };
      if (mode.nearest == "floor")
        return s.floor(p);
      if (mode.nearest == "ceil")
        return ceil(p);
      return mode.nearest == "round_prefer_ceil" ? s.floor(s.add(p, half)) : ceil(s.sub(p, half));
    });
  bool cubic = mode.name == "cubic";
  Value total;
  for (int64_t k = cubic ? -1 : 0; k <= (cubic ? 2 : 1); ++k) {
    Value weight = b.map(position, [&](nn::ScalarBuilder &s, Value p) {
      Value one = s.constant(1, p), distance = s.abs(s.sub(s.sub(p, s.floor(p)), s.constant(double(k), p)));
      if (!cubic)
        return s.sub(one, distance);
      auto polynomial = [&](ArrayRef<double> coefficients) {
        Value sum = s.constant(coefficients[0], p);
        for (double c : coefficients.drop_front())
          sum = s.add(s.mul(sum, distance), s.constant(c, p));
        return sum;
      };
      double c = mode.cubic;
      return s.selectGreater(distance, one, polynomial({c, -5 * c, 8 * c, -4 * c}), polynomial({c + 2, -(c + 3), 0, 1}));
    });
    Value part = read([&](nn::ScalarBuilder &s, Value p) { return s.add(s.floor(p), s.constant(double(k), p)); });
    Value term = b.multiply(part, b.cast(b.alignVector(weight, dim, b.rank(x)), type));
    total = total ? b.add(total, term) : term;
  }
  return total;
}

/// nn.resize on the spatial dimensions of (N, C, spatial...), if it does what is asked for; null otherwise.
static Value resizeSpatial(NodeBuilder &b, Value x, ArrayRef<std::optional<Axis>> axes, const Mode &mode) {
  int64_t rank = b.rank(x);
  if (rank < 3 || rank > 5 || axes[0] || axes[1] || !isa<FloatType>(b.type(x)) || mode.antialias || mode.excludeOutside)
    return {};
  Dims sizes;
  for (int64_t i = 2; i < rank; ++i) {
    auto extent = constantDim(b.shape(x)[i]);
    if (!axes[i]) {
      sizes.push_back(extent ? *extent : -1);
      continue;
    }
    double scale = axes[i]->scale;
    if (scale == 0 || !(extent ? axes[i]->out : 1))
      return {};
    bool isFactor = scale >= 1 && scale == std::floor(scale) && scale < INT32_MAX;
    if (extent && axes[i]->out != scale * *extent)
      return {};
    if (!extent && !isFactor)
      return {};
    // Repetition: every output position lies nearest to the element that it repeats.
    if (mode.name == "nearest" &&
        !(isFactor && ((mode.coordinates == "asymmetric" && mode.nearest == "floor") ||
                       (mode.coordinates == "half_pixel" && StringRef(mode.nearest).starts_with("round")))))
      return {};
    sizes.push_back(extent ? axes[i]->out : -int64_t(scale));
  }
  nn::Coordinates coordinates;
  if (mode.coordinates == "half_pixel")
    coordinates = nn::Coordinates::HalfPixel;
  else if (mode.coordinates == "asymmetric")
    coordinates = nn::Coordinates::Asymmetric;
  else if (mode.coordinates == "align_corners" && none_of(sizes, [](int64_t size) { return size < 0; }))
    coordinates = nn::Coordinates::AlignCorners;
  else
    return {};
  if (mode.name == "cubic" && mode.cubic != -0.75)
    return {};
  nn::ResizeMode kind = mode.name == "nearest"  ? nn::ResizeMode::Nearest
                        : mode.name == "linear" ? nn::ResizeMode::Linear
                                                : nn::ResizeMode::Cubic;
  return b.toChannelsFirst(b.make<nn::ResizeOp>(b.toChannelsLast(x), sizes, kind, coordinates));
}

static void resizeBy(NodeBuilder &b, Value x, MutableArrayRef<std::optional<Axis>> axes, const Mode &mode,
                     double extrapolation) {
  if (b.failed())
    return;
  for (auto [i, axis] : enumerate(axes)) { // what keeps its size stays as it is
    auto extent = constantDim(b.shape(x)[i]);
    if (axis && mode.coordinates != "tf_crop_and_resize" && axis->scale == 1 && (!extent || axis->out == *extent))
      axis.reset();
  }
  if (Value y = resizeSpatial(b, x, axes, mode); y || b.failed())
    return b.result(y);
  Type type = b.type(x), real = isa<FloatType>(type) && type.getIntOrFloatBitWidth() >= 32
                                    ? type : Type(Float32Type::get(b.state.context));
  if (mode.name == "nearest")
    real = type;
  Value y = b.cast(x, real);
  // Channels innermost, where they stay, for the reads of free sizes.
  auto isFree = [](const std::optional<Axis> &axis) { return axis && !(axis->in && axis->out); };
  if (b.rank(x) >= 3 && any_of(axes, isFree) && !axes[0] && !axes[1]) {
    y = b.toChannelsLast(y);
    for (auto [i, axis] : enumerate(axes))
      if (axis)
        y = isFree(axis) ? resizeFreeAxis(b, y, i - 1, *axis, mode, real) : resizeAxis(b, y, i - 1, *axis, mode, real);
    return b.result(b.cast(b.toChannelsFirst(y), type));
  }
  Value inside; // one where no dimension lies outside the input
  for (auto [i, axis] : enumerate(axes)) {
    if (!axis)
      continue;
    if (isFree(axis)) {
      y = resizeFreeAxis(b, y, i, *axis, mode, real);
      continue;
    }
    y = resizeAxis(b, y, i, *axis, mode, real);
    if (mode.coordinates != "tf_crop_and_resize" || b.failed())
      continue;
    std::vector<double> flags;
    for (int64_t o = 0; o < axis->out; ++o) {
      double position = sourcePosition(*axis, mode.coordinates, o);
      flags.push_back(position >= 0 && position <= axis->in - 1);
    }
    Dims aligned(b.rank(x) - i, 1);
    aligned[0] = axis->out;
    Value flag = b.parameter(real, aligned, flags);
    inside = inside ? b.multiply(inside, flag) : flag;
  }
  if (inside)
    y = b.map({y, inside}, real, [&](OpBuilder &builder, Location at, ValueRange v) {
      ScalarMath s(builder, at, real);
      return s.select(s.less(s.constant(int64_t(0)), v[1]), v[0], s.constant(extrapolation));
    });
  b.result(b.cast(y, type));
}

/// Resizes by a factor that the model gives, a float, and so a fraction of integers: false after a failure.
static bool setScale(NodeBuilder &b, Axis &axis, double scale) {
  axis.scale = scale;
  bool isSupported = scale >= 1.0 / INT16_MAX && scale <= INT16_MAX;
  if (isSupported)
    axis.out = std::floor(axis.in * scale);
  if (!isSupported || (axis.in && axis.out < 1)) {
    b.error() << "one of its scales is " << scale << "; supported: positive numbers";
    return false;
  }
  int exponent;
  int64_t numerator = std::ldexp(std::frexp(scale, &exponent), 24), shift = 24 - exponent,
          common = std::min<int64_t>(countr_zero(uint64_t(numerator)), shift);
  axis.outSize = axis.in ? b.expr(axis.out) : (axis.inSize * (numerator >> common)).floorDiv(int64_t(1) << (shift - common));
  return true;
}

static void resize(NodeBuilder &b) {
  Value x = b.value(0);
  Mode mode;
  mode.name = b.choice("mode", {"nearest", "linear", "cubic"});
  unsigned scalesIndex = b.opset < 11 ? 1 : 2;
  if (b.opset < 11) {
    mode.coordinates = "asymmetric";
    mode.nearest = "floor";
  } else {
    mode.coordinates = b.choice("coordinate_transformation_mode",
                                {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners",
                                 "asymmetric", "tf_crop_and_resize"});
    mode.nearest = b.choice("nearest_mode", {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"});
  }
  mode.cubic = b.number("cubic_coeff_a", -0.75);
  mode.excludeOutside = b.flag("exclude_outside", false);
  mode.antialias = b.flag("antialias", false);
  double extrapolation = b.number("extrapolation_value", 0);
  StringRef policy = b.choice("keep_aspect_ratio_policy", {"stretch", "not_larger", "not_smaller"});
  if (b.failed())
    return;
  int64_t rank = b.rank(x);
  Dims resized = b.integers("axes").value_or(Dims());
  if (resized.empty())
    for (int64_t i = 0; i < rank; ++i)
      resized.push_back(i);
  b.normalizeAxes(resized, rank, "its axes");
  std::vector<double> scales;
  SmallVector<AffineExpr> sizes;
  auto present = [&](unsigned index) {
    return b.has(index) && !is_contained(b.inputTensor(index)->shape, b.expr(0));
  };
  if (present(scalesIndex))
    scales = b.constantNumbers(scalesIndex, "scales");
  else if (b.opset >= 11 && present(3))
    sizes = b.expressions(3, "sizes");
  std::vector<double> roi;
  if (mode.coordinates == "tf_crop_and_resize" && b.opset >= 11)
    roi = b.constantNumbers(1, "roi");
  if (b.failed())
    return;
  if ((scales.size() != resized.size() && sizes.size() != resized.size()) ||
      (!roi.empty() && roi.size() != 2 * resized.size()))
    return void(b.error() << "it has " << scales.size() << " scales and " << sizes.size() << " sizes for "
                          << resized.size() << " dimensions; supported: one of them for each");
  SmallVector<std::optional<Axis>> axes(rank);
  double common = policy == "not_larger" ? INFINITY : 0; // one scale for all, to keep the aspect
  for (auto [i, dim] : enumerate(resized)) {
    dim += dim < 0 ? rank : 0;
    Axis axis;
    AffineExpr extent = b.shape(x)[dim];
    axis.in = constantDim(extent).value_or(0);
    axis.inSize = extent;
    if (!scales.empty()) {
      if (!setScale(b, axis, scales[i]))
        return;
    } else {
      axis.outSize = sizes[i];
      axis.out = constantDim(sizes[i]).value_or(0);
      AffineExpr factor = quotientOf({sizes[i]}, {extent}, b.state.context);
      if (constantDim(sizes[i]) && axis.in) {
        axis.scale = double(axis.out) / axis.in;
        common = policy == "not_larger" ? std::min(common, axis.scale) : std::max(common, axis.scale);
      } else {
        axis.scale = factor && constantDim(factor) ? *constantDim(factor) : 0;
        if (policy != "stretch")
          return void(b.error() << "it keeps the aspect of its input " << b.text(b.shape(x))
                                << "; supported: known sizes (fix free ones, as in --shape x=1x3x224x224)");
      }
    }
    if (axis.in && constantDim(axis.outSize) && (axis.out < 1 || axis.out > INT32_MAX))
      return void(b.error() << "its result would have " << axis.out << " elements in dimension " << dim);
    if (!roi.empty()) {
      axis.start = roi[i];
      axis.end = roi[resized.size() + i];
    }
    axes[dim] = axis;
  }
  if (policy != "stretch" && !sizes.empty())
    for (int64_t dim : resized) {
      axes[dim]->scale = common;
      axes[dim]->out = std::floor(axes[dim]->in * common + 0.5);
    }
  resizeBy(b, x, axes, mode, extrapolation);
}

/// The forerunner of Resize.
static void upsample(NodeBuilder &b) {
  Value x = b.value(0);
  Mode mode;
  mode.name = b.choice("mode", {"nearest", "linear", "bilinear"});
  mode.name = mode.name == "bilinear" ? "linear" : mode.name;
  mode.coordinates = "asymmetric";
  mode.nearest = "floor";
  std::vector<double> scales = b.opset < 9 ? b.numbers("scales").value_or(std::vector<double>())
                                           : b.constantNumbers(1, "scales");
  if (b.failed())
    return;
  if (int64_t(scales.size()) != b.rank(x))
    return void(b.error() << "it has " << scales.size() << " scales for an input of rank " << b.rank(x));
  SmallVector<std::optional<Axis>> axes(scales.size());
  for (auto [i, scale] : enumerate(scales)) {
    Axis axis;
    axis.inSize = b.shape(x)[i];
    axis.in = constantDim(axis.inSize).value_or(0);
    if (!setScale(b, axis, scale))
      return;
    axes[i] = axis;
  }
  resizeBy(b, x, axes, mode, 0);
}

ArrayRef<OperatorRow> resizeOperators() {
  static const OperatorRow rows[] = {
      {"Resize", 10, kNewest, resize},
      {"Upsample", 7, 9, upsample},
  };
  return rows;
}

} // namespace sylvite::onnx
