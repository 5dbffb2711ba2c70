//===- Signal.cpp - operators of signal processing ------------------------===//
//
// Rows for Fourier transforms and what goes with them. A transform is a product with a constant matrix.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/Folding.h"
#include "compiler/import/onnx/Operators.h"
#include <cmath>

using namespace llvm;
using namespace mlir;

namespace sylvite::onnx {

static constexpr int64_t kMaxMatrix = 1 << 26; // elements

/// a0 - a1 cos(2 pi i / n) + a2 cos(4 pi i / n)
static void window(NodeBuilder &b, double a0, double a1, double a2) {
  bool periodic = b.flag("periodic", true);
  Type type = b.elementType("output_datatype", Float32Type::get(b.state.context));
  int64_t size = b.constant(0, "size");
  if (b.failed())
    return;
  if (size < 1 || size > kMaxMatrix || !isa<FloatType>(type))
    return void(b.error() << "its size is " << size << "; supported: 1 to " << kMaxMatrix
                          << ", and a floating-point type");
  std::vector<double> values;
  double n = periodic ? size : size - 1;
  for (int64_t i = 0; i < size; ++i)
    values.push_back(n == 0 ? 1 : a0 - a1 * std::cos(2 * M_PI * i / n) + a2 * std::cos(4 * M_PI * i / n));
  b.result(b.parameter(type, {size}, values));
}
static void hannWindow(NodeBuilder &b) { window(b, 0.5, 0.5, 0); }
static void hammingWindow(NodeBuilder &b) { window(b, 25.0 / 46, 21.0 / 46, 0); }
static void blackmanWindow(NodeBuilder &b) { window(b, 0.42, 0.5, 0.08); }

static void melWeightMatrix(NodeBuilder &b) {
  Type type = b.elementType("output_datatype", Float32Type::get(b.state.context));
  int64_t bins = b.constant(0, "num_mel_bins"), length = b.constant(1, "dft_length"),
          rate = b.constant(2, "sample_rate");
  double low = b.constantNumber(3, "lower_edge_hertz"), high = b.constantNumber(4, "upper_edge_hertz");
  if (b.failed())
    return;
  int64_t spectrum = length / 2 + 1;
  if (bins < 1 || length < 1 || rate < 1 || bins > kMaxMatrix || spectrum > kMaxMatrix / bins)
    return void(b.error() << "its sizes are not supported: " << bins << " bins of " << length << " samples");
  auto toMel = [](double hertz) { return 2595 * std::log10(1 + hertz / 700); };
  std::vector<int64_t> edges;
  double step = (toMel(high) - toMel(low)) / (bins + 2);
  for (int64_t i = 0; i < bins + 2; ++i) {
    double hertz = 700 * (std::pow(10, (toMel(low) + i * step) / 2595) - 1);
    edges.push_back(std::clamp<int64_t>(std::floor((length + 1) * hertz / rate), 0, spectrum - 1));
  }
  std::vector<double> matrix(spectrum * bins, 0);
  for (int64_t i = 0; i < bins; ++i) {
    int64_t first = edges[i], center = edges[i + 1], last = edges[i + 2];
    if (center == first)
      matrix[center * bins + i] = 1;
    for (int64_t j = first; center != first && j <= center; ++j)
      matrix[j * bins + i] = double(j - first) / (center - first);
    for (int64_t j = center; last > center && j < last; ++j)
      matrix[j * bins + i] = double(last - j) / (last - center);
  }
  b.result(b.parameter(type, {spectrum, bins}, matrix));
}

/// Row-major (in, out) matrix of cos or sin of 2 pi i k / length.
static Value fourierMatrix(NodeBuilder &b, Type type, int64_t in, int64_t out, int64_t length, bool sine,
                           double factor) {
  if (in > kMaxMatrix / std::max<int64_t>(out, 1)) {
    b.error() << "it transforms " << in << " samples; supported: less";
    return {};
  }
  std::vector<double> matrix;
  for (int64_t i = 0; i < in; ++i)
    for (int64_t k = 0; k < out; ++k) {
      // Multiples of a quarter turn are exact: expected zeros are zeros.
      int64_t turn = (i * k) % length;
      double angle = 2 * M_PI * turn / length;
      bool quarter = (4 * turn) % length == 0;
      double value = sine ? std::sin(angle) : std::cos(angle);
      matrix.push_back(factor * (quarter ? std::round(value) : value));
    }
  return b.parameter(type, {in, out}, matrix);
}

/// The transform of (..., in, 1 or 2) along the dimension before the last: the last one holds real and imaginary part.
static Value transform(NodeBuilder &b, Value x, int64_t length, bool inverse, bool onesided) {
  if (b.failed())
    return {};
  int64_t last = b.rank(x) - 1, in = b.extent(x, last - 1), parts = b.extent(x, last);
  if (b.failed() || parts < 1 || parts > 2 || length < 1) {
    b.error() << "its input has shape " << b.text(b.shape(x)) << "; supported: real and imaginary parts in the last "
              << "dimension, and a positive length";
    return {};
  }
  Type type = b.type(x);
  // What is longer than the transform is cut off; what is shorter is zeros.
  int64_t used = std::min(in, length);
  x = b.slice(x, last - 1, 0, used);
  if (inverse && onesided) {
    // The other half is the conjugate: each inner frequency counts twice, and the result is real.
    int64_t half = length / 2 + 1;
    used = std::min(used, half);
    x = b.slice(x, last - 1, 0, used);
    Value re = b.squeeze(b.slice(x, last, 0, 1), last), im = b.squeeze(b.slice(x, last, parts - 1, 1), last);
    std::vector<double> cosines, sines;
    for (int64_t k = 0; k < used; ++k)
      for (int64_t i = 0; i < length; ++i) {
        double weight = (k == 0 || 2 * k == length ? 1.0 : 2.0) / length, angle = 2 * M_PI * ((i * k) % length) / length;
        cosines.push_back(weight * std::cos(angle));
        sines.push_back(-weight * std::sin(angle));
      }
    Value y = b.matmul(re, b.parameter(type, {used, length}, cosines));
    if (parts == 2)
      y = b.add(y, b.matmul(im, b.parameter(type, {used, length}, sines)));
    return b.unsqueeze(y, last);
  }
  int64_t out = onesided ? length / 2 + 1 : length;
  double factor = inverse ? 1.0 / length : 1;
  bool flat = last == 1;
  auto product = [&](Value v, bool sine, double f) {
    v = flat ? b.unsqueeze(v, 0) : v;
    Value y = b.matmul(v, fourierMatrix(b, type, used, out, length, sine, f));
    return flat ? b.squeeze(y, 0) : y;
  };
  Value re = b.squeeze(b.slice(x, last, 0, 1), last);
  double sign = inverse ? factor : -factor;
  Value real = product(re, false, factor), imaginary = product(re, true, sign);
  if (parts == 2) {
    Value im = b.squeeze(b.slice(x, last, 1, 1), last);
    real = b.subtract(real, product(im, true, sign));
    imaginary = b.add(imaginary, product(im, false, factor));
  }
  return b.concat({b.unsqueeze(real, last), b.unsqueeze(imaginary, last)}, last);
}

static void dft(NodeBuilder &b) {
  bool inverse = b.flag("inverse", false), onesided = b.flag("onesided", false);
  Value x = b.value(0);
  if (b.failed())
    return;
  int64_t rank = b.rank(x), axis = b.opset < 20 ? b.integer("axis", 1) : b.has(2) ? b.constant(2, "axis") : -2;
  axis += axis < 0 ? rank : 0;
  if (axis < 0 || axis >= rank - 1)
    return void(b.error() << "it transforms dimension " << axis << " of an input of rank " << rank
                          << "; supported: one before the last");
  int64_t length = b.has(1) ? b.constant(1, "dft_length") : b.extent(x, axis);
  if (!b.has(1) && inverse && onesided)
    length = 2 * (length - 1);
  Dims there, back(rank);
  for (int64_t i = 0; i + 1 < rank; ++i)
    if (i != axis)
      there.push_back(i);
  there.append({axis, rank - 1});
  for (auto [i, from] : enumerate(there))
    back[from] = i;
  Value y = transform(b, b.transpose(x, there), length, inverse, onesided);
  b.result(y ? b.transpose(y, back) : y);
}

/// (N, samples, parts) to (N, frames, frequencies, 2).
static void stft(NodeBuilder &b) {
  bool onesided = b.flag("onesided", true);
  int64_t step = b.constant(1, "frame_step");
  Value x = b.value(0);
  if (b.failed())
    return;
  if (b.rank(x) != 2 && b.rank(x) != 3)
    return void(b.error() << "its input has shape " << b.text(b.shape(x)) << "; supported: (N, samples) or (N, samples, parts)");
  if (b.rank(x) == 2)
    x = b.unsqueeze(x, 2);
  AffineExpr samples = b.shape(x)[1];
  int64_t length = b.has(3) ? b.constant(3, "frame_length") : b.has(2) ? b.extent(b.value(2), 0) : b.extent(x, 1);
  if (b.failed())
    return;
  if (step < 1 || length < 1 || length > constantDim(samples).value_or(INT32_MAX))
    return void(b.error() << "its frames of " << length << " samples, " << step << " apart, do not fit its input "
                          << b.text(b.shape(x)));
  Type i64 = IntegerType::get(b.state.context, 64);
  ShapeExpr frames{(samples - length).floorDiv(step) + 1, b.expr(length)};
  Value start = b.indices(frames, 0, i64);
  if (step != 1)
    start = b.multiply(start, b.knownTensor(i64, {}, {integerScalar(b.expr(step))}));
  Value y = b.make<nn::GatherOp>(x, b.add(start, b.indices(frames, 1, i64)), 1); // (N, frames, length, parts)
  if (b.has(2))
    y = b.multiply(y, b.unsqueeze(b.value(2), 1));
  b.result(transform(b, y, length, /*inverse=*/false, onesided));
}

ArrayRef<OperatorRow> signalOperators() {
  static const OperatorRow rows[] = {
      {"BlackmanWindow", 17, kNewest, blackmanWindow},
      {"DFT", 17, kNewest, dft},
      {"HammingWindow", 17, kNewest, hammingWindow},
      {"HannWindow", 17, kNewest, hannWindow},
      {"MelWeightMatrix", 17, kNewest, melWeightMatrix},
      {"STFT", 17, kNewest, stft},
  };
  return rows;
}

} // namespace sylvite::onnx
