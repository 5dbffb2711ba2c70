//===- Signal.cpp - Fourier transforms and spectrograms -------------------===//
//
// Rows for the layers that turn sound into spectrograms, and for the transforms of keras.ops. A transform is a product with a
// constant matrix; one of overlapping frames is a convolution of one channel with a filter per frequency, so that no frame is
// copied.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/keras/Layers.h"
#include "compiler/import/keras/Windows.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include <cmath>

using namespace llvm;
using namespace mlir;
using namespace sylvite;
using namespace sylvite::keras;

using nn::ScalarBuilder;

namespace {
/// A complex tensor; without an imaginary part, a real one.
struct Complex {
  Value re, im;
};
} // namespace

/// Elements of a matrix that the importer computes.
static constexpr int64_t kMaxMatrix = std::min<int64_t>(kMaxElements, 1 << 26);

/// Input `x`, which has a dimension to transform.
static Value signal(LayerBuilder &b, Value x) {
  if (!x || rankOf(x) > 0)
    return x;
  b.error() << "its input is a single number; supported: one dimension or more";
  return {};
}

static int64_t extentOfLast(LayerBuilder &b, Value x) { return b.extent(x, rankOf(x) - 1); }

//===----------------------------------------------------------------------===//
// Transforms of a whole dimension
//===----------------------------------------------------------------------===//

/// The real and the imaginary part of exp(-2 pi i row column / length), times `weight(row)`, `columns` to a row.
static Complex fourierMatrix(LayerBuilder &b, StringRef name, int64_t rows, int64_t columns, int64_t length,
                             llvm::function_ref<double(int64_t)> weight) {
  if (b.failed())
    return {};
  if (rows > kMaxMatrix / columns) {
    b.error() << "it transforms " << rows << " numbers into " << columns << "; supported: less";
    return {};
  }
  std::vector<float> cosines, sines;
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t column = 0; column < columns; ++column) {
      int64_t turn = row * column % length;
      double angle = -2 * M_PI * turn / length;
      // Multiples of a quarter turn are exact: what is zero is no rounding error.
      auto exact = [&](double value) { return 4 * turn % length ? value : std::round(value); };
      cosines.push_back(weight(row) * exact(std::cos(angle)));
      sines.push_back(weight(row) * exact(std::sin(angle)));
    }
  return {b.constant((name + "_cosines").str(), {rows, columns}, cosines),
          b.constant((name + "_sines").str(), {rows, columns}, sines)};
}

static Value product(LayerBuilder &b, Value x, Value matrix) { return b.make<nn::MatmulOp>(x, matrix, false, false); }

static Value subtract(LayerBuilder &b, Value x, Value y) {
  return b.map(x, y, [](ScalarBuilder &s, Value p, Value q) { return s.sub(p, q); });
}

/// The first `size` elements of the last dimension, as many as there are.
static Complex cut(LayerBuilder &b, Complex x, int64_t size) {
  if (b.failed() || shapeOf(x.re).back() <= size)
    return x;
  auto first = [&](Value v) {
    AffineExpr zero = getAffineConstantExpr(0, b.builder.getContext());
    return b.take(v, rankOf(v) - 1, zero, zero + size);
  };
  return {first(x.re), x.im ? first(x.im) : x.im};
}

/// Transforms the last dimension: `length` numbers, of which those beyond the input are zero, into `frequencies`.
static Complex transform(LayerBuilder &b, StringRef name, Complex x, int64_t length, int64_t frequencies, bool inverse) {
  x = cut(b, x, length);
  double factor = inverse ? 1.0 / length : 1;
  Complex w = fourierMatrix(b, name, extentOfLast(b, x.re), frequencies, length, [&](int64_t) { return factor; });
  Complex y{product(b, x.re, w.re), product(b, x.re, w.im)};
  if (!x.im)
    return y;
  Value re = product(b, x.im, w.re), im = product(b, x.im, w.im);
  // The inverse turns the other way.
  return inverse ? Complex{b.add(y.re, im), subtract(b, re, y.im)} : Complex{subtract(b, y.re, im), b.add(y.im, re)};
}

static Complex complexInput(LayerBuilder &b) {
  b.expectInputs(2);
  Complex x{signal(b, b.floatInput(0)), signal(b, b.floatInput(1))};
  if (!b.failed() && shapeOf(x.re) != shapeOf(x.im))
    b.error() << "its real and its imaginary part differ in shape";
  return x;
}

static void giveBoth(LayerBuilder &b, Complex x) {
  b.result(x.re);
  b.result(x.im);
}

template <bool inverse> static void fft(LayerBuilder &b) {
  Complex x = complexInput(b);
  int64_t length = extentOfLast(b, x.re);
  giveBoth(b, transform(b, "row", x, length, length, inverse));
}

/// The last two dimensions, one after the other.
template <bool inverse> static void fft2(LayerBuilder &b) {
  Complex x = complexInput(b);
  int64_t rank = rankOf(x.re);
  if (rank < 2)
    return void(b.error() << "its input has " << rank << " dimensions; supported: two or more");
  Dims swapped = llvm::to_vector(llvm::seq<int64_t>(0, rank));
  std::swap(swapped[rank - 1], swapped[rank - 2]);
  for (StringRef name : {"row", "column"}) {
    int64_t length = extentOfLast(b, x.re);
    x = transform(b, name, x, length, length, inverse);
    x = {b.transpose(x.re, swapped), b.transpose(x.im, swapped)};
  }
  giveBoth(b, x);
}

static void realTransform(LayerBuilder &b) {
  Value x = signal(b, b.floatInput());
  int64_t length = b.attribute("fft_length") ? b.integer("fft_length", std::nullopt) : extentOfLast(b, x);
  giveBoth(b, transform(b, "row", {x, {}}, length, length / 2 + 1, /*inverse=*/false));
}

/// The real tensor with this half of a spectrum: the other half is its conjugate, and each inner frequency counts twice.
static void inverseRealTransform(LayerBuilder &b) {
  Complex x = complexInput(b);
  int64_t given = extentOfLast(b, x.re),
          length = b.attribute("fft_length") ? b.integer("fft_length", std::nullopt) : 2 * (given - 1);
  if (length < 1)
    return void(b.error() << "its input has " << given << " frequencies; supported: two or more");
  x = cut(b, x, length / 2 + 1);
  Complex w = fourierMatrix(b, "row", extentOfLast(b, x.re), length, length, [&](int64_t frequency) {
    return (frequency == 0 || 2 * frequency == length ? 1.0 : 2.0) / length;
  });
  b.result(b.add(product(b, x.re, w.re), product(b, x.im, w.im)));
}

//===----------------------------------------------------------------------===//
// Frames
//===----------------------------------------------------------------------===//

/// Reports unless `length` elements of the last dimension of `x` are there.
static bool holdsFrame(LayerBuilder &b, Value x, int64_t length) {
  if (b.failed())
    return false;
  int64_t extent = shapeOf(x).back();
  if (ShapedType::isDynamic(extent) || extent >= length)
    return true;
  b.error() << "its input has " << extent << " samples; supported: " << length << " or more";
  return false;
}

/// (..., samples) to (..., frames, length).
static void extractSequences(LayerBuilder &b) {
  Value x = signal(b, b.input());
  int64_t length = b.integer("sequence_length", std::nullopt), stride = b.integer("sequence_stride", std::nullopt);
  if (!holdsFrame(b, x, length))
    return;
  int64_t rank = rankOf(x), extent = shapeOf(x).back();
  bool isFree = ShapedType::isDynamic(extent);
  AffineExpr samples = isFree ? getAffineSymbolExpr(rank - 1, b.builder.getContext())
                              : getAffineConstantExpr(extent, b.builder.getContext());
  auto range = [&](AffineExpr count) -> Value {
    auto known = dyn_cast<AffineConstantExpr>(count);
    auto type = RankedTensorType::get({known ? known.getValue() : ShapedType::kDynamic}, b.builder.getI64Type());
    return nn::RangeOp::create(b.builder, b.loc, type, AffineMap::get(0, rank, count), x);
  };
  Value frame = range((samples - length).floorDiv(stride) + 1), sample = range(samples * 0 + length);
  Value position = b.map({b.expandDims(frame, 1), sample}, [&](OpBuilder &builder, Location loc, ValueRange v) -> Value {
    Value step = arith::ConstantIntOp::create(builder, loc, v[0].getType(), stride);
    return arith::AddIOp::create(builder, loc, arith::MulIOp::create(builder, loc, v[0], step), v[1]);
  });
  b.result(b.make<nn::GatherOp>(x, position, rank - 1));
}

/// The transforms of frames of `x` (N, samples, 1) with filters (length, 1, frequencies): (N, frames, frequencies).
static Complex transformFrames(LayerBuilder &b, Value x, Complex filters, StringRef padding, int64_t stride) {
  auto convolve = [&](Value filter) -> Value {
    if (!filter || b.failed())
      return {};
    Value input = x;
    Dims size{shapeOf(filter)[0]}, strides{stride}, dilations{1};
    Padding pad = padWindows(b, input, padding, size, strides, dilations);
    return b.make<nn::ConvOp>(input, filter, strides, dilations, pad.low, pad.high, /*groups=*/int64_t(1));
  };
  return {convolve(filters.re), convolve(filters.im)};
}

/// The short-time transform of (..., samples) as keras.ops.stft has it: (..., frames, frequencies). Frames are as long as the
/// transform, the window stands in their middle; without one all of them counts.
static Complex shortTimeTransform(LayerBuilder &b, Value x, bool center) {
  int64_t length = b.integer("sequence_length", std::nullopt), stride = b.integer("sequence_stride", std::nullopt),
          fftLength = b.integer("fft_length", std::nullopt);
  const Json *given = b.attribute("window");
  auto name = asString(given);
  if (given && name != StringRef("hann") && name != StringRef("hamming")) {
    b.refuse("window", "\"hann\", \"hamming\", null");
    return {};
  }
  if (!b.failed() && fftLength < length)
    b.refuse("fft_length", "sequence_length or more");
  if (b.failed())
    return {};
  length = name ? length : fftLength;
  int64_t last = rankOf(x) - 1, before = (fftLength - length) / 2;
  if (center) {
    Dims border(last + 1, 0);
    border[last] = fftLength / 2;
    x = b.make<nn::PadOp>(x, border, border, APFloat(0.0), nn::PadMode::Reflect);
  }
  if (!holdsFrame(b, x, fftLength))
    return {};
  if (fftLength > length) { // samples that only the ends of frames have, where the window is zero
    AffineExpr samples = getAffineSymbolExpr(last, b.builder.getContext());
    x = b.take(x, last, samples * 0 + before, samples - (fftLength - length));
  }
  int64_t frequencies = fftLength / 2 + 1;
  double most = name == StringRef("hamming") ? 0.54 : 0.5;
  if (length > kMaxMatrix / frequencies) {
    b.refuse("fft_length", "less");
    return {};
  }
  std::vector<float> cosines, sines;
  for (int64_t i = 0; i < length; ++i)
    for (int64_t frequency = 0; frequency < frequencies; ++frequency) {
      double weight = name ? most - (1 - most) * std::cos(2 * M_PI * i / length) : 1,
             angle = -2 * M_PI * ((i + before) * frequency % fftLength) / fftLength;
      cosines.push_back(weight * std::cos(angle));
      sines.push_back(weight * std::sin(angle));
    }
  Dims shape{length, 1, frequencies};
  Complex filters{b.constant("cosines", shape, cosines), b.constant("sines", shape, sines)};
  Complex y = transformFrames(b, b.expandDims(b.mergeDims(x, 0, last), last ? 2 : 1), filters, "valid", stride);
  auto split = [&](Value v) { return b.splitDim(v, 0, x, llvm::to_vector(llvm::seq<int64_t>(0, last))); };
  return last == 1 ? y : Complex{split(y.re), split(y.im)};
}

static void stft(LayerBuilder &b) {
  Value x = b.floatInput();
  if (rankOf(x) < 2)
    return void(b.error() << "its input has " << rankOf(x) << " dimensions; supported: two or more");
  bool center = b.boolean("center", true);
  giveBoth(b, shortTimeTransform(b, x, center));
}

static Value power(LayerBuilder &b, Complex x) {
  return b.map(x.re, x.im, [](ScalarBuilder &s, Value re, Value im) { return s.add(s.mul(re, re), s.mul(im, im)); });
}

//===----------------------------------------------------------------------===//
// Layers
//===----------------------------------------------------------------------===//

/// Triangles over the frequencies 0 to rate / 2, which meet at equal distances of the mel scale (HTK's); none has frequency zero.
static Value melMatrix(LayerBuilder &b, int64_t frequencies, int64_t bins, double rate, double low, double high) {
  if (b.failed())
    return {};
  if (bins > kMaxMatrix / frequencies) {
    b.refuse("num_mel_bins", "less");
    return {};
  }
  auto toMel = [](double hertz) { return 1127 * std::log(1 + hertz / 700); };
  double first = toMel(low), step = (toMel(high) - first) / (bins + 1);
  std::vector<float> matrix(frequencies * bins, 0);
  for (int64_t i = 1; i < frequencies; ++i)
    for (int64_t bin = 0; bin < bins; ++bin) {
      double position = (toMel(rate / 2 * i / (frequencies - 1)) - first) / step - bin; // 0 to 2 within the triangle
      matrix[i * bins + bin] = std::max(0.0, std::min(position, 2 - position));
    }
  return b.constant("mel", {frequencies, bins}, matrix);
}

static void melSpectrogram(LayerBuilder &b) {
  Value x = b.floatInput();
  b.expectRank(x, 2);
  Complex spectrum = shortTimeTransform(b, x, /*center=*/true);
  double exponent = b.number("mag_exp", 2), rate = b.number("sampling_rate", 16000), low = b.number("min_freq", 20),
         high = b.number("max_freq", std::floor(rate / 2));
  int64_t bins = b.integer("num_mel_bins", 128);
  Value y = b.map(power(b, spectrum), [&](ScalarBuilder &s, Value e) {
    return exponent == 2 ? e : exponent == 1 ? s.sqrt(e) : s.pow(e, s.constant(exponent / 2, e));
  });
  y = product(b, y, melMatrix(b, b.failed() ? 1 : extentOfLast(b, y), bins, rate, low, high));
  bool inDecibels = b.boolean("power_to_db", true);
  double range = b.number("top_db", 80), least = b.number("min_power", 1e-10), reference = b.number("ref_power", 1);
  if (inDecibels) {
    double shift = 10 * std::log10(std::max(std::abs(reference), least));
    y = b.map(y, [&](ScalarBuilder &s, Value e) {
      Value log = s.mul(s.log(s.maximum(e, s.constant(least, e))), s.constant(10 / M_LN10, e));
      return s.sub(log, s.constant(shift, e));
    });
    // The loudest of the whole batch bounds the range, as in Keras.
    Value most = b.make<nn::ReduceOp>(y, nn::ReduceKind::Max, Dims{0, 1, 2}, true);
    y = b.map(y, most, [&](ScalarBuilder &s, Value e, Value m) { return s.maximum(e, s.sub(m, s.constant(range, m))); });
  }
  b.result(b.transpose(y, {0, 2, 1}));
}

static void stftSpectrogram(LayerBuilder &b) {
  Value x = b.floatInput();
  b.expectRank(x, 3);
  constexpr double epsilon = 1e-7; // keras.config.epsilon()
  StringRef mode = b.choice("mode", {"log", "magnitude", "psd", "real", "imag", "stft"}),
            padding = b.choice("padding", {"valid", "same"});
  bool expands = b.boolean("expand_dims", false), first = b.channelsFirst();
  int64_t length = b.integer("frame_length", 256),
          stride = b.integer("frame_step", std::max<int64_t>(length / 2, 1)),
          fftLength = b.integer("fft_length", PowerOf2Ceil(length)), frequencies = fftLength / 2 + 1;
  b.ignore({"window", "periodic", "scaling"}); // which the variables hold
  if (b.failed())
    return;
  // Each channel is an item of its own.
  x = first ? x : b.transpose(x, {0, 2, 1});
  Value items = b.expandDims(b.mergeDims(x, 0, 2), 2);
  Dims shape{length, 1, frequencies};
  Complex filters;
  if (mode != "imag")
    filters.re = b.variable("real_kernel", shape, "", "STFT");
  if (mode != "real")
    filters.im = b.variable("imag_kernel", shape, "", "STFT");
  Complex parts = transformFrames(b, items, filters, padding, stride);
  Value y = mode == "real"   ? parts.re
            : mode == "imag" ? parts.im
            : mode == "stft" ? b.make<nn::ConcatOp>(ValueRange{parts.re, parts.im}, int64_t(2))
                             : power(b, parts);
  if (mode == "psd") { // the other half of the spectrum counts with the inner frequencies
    std::vector<float> factors(frequencies, 2);
    factors.front() = factors.back() = 1;
    y = b.multiply(y, b.constant("factors", {frequencies}, factors));
  } else if (mode == "magnitude" || mode == "log") {
    y = b.map(y, [&](ScalarBuilder &s, Value e) {
      Value bound = s.constant(epsilon, e), magnitude = s.sqrt(s.maximum(e, bound));
      return mode == "log" ? s.log(s.maximum(magnitude, bound)) : magnitude;
    });
  }
  y = b.splitDim(y, 0, x, {0, 1}); // (N, C, frames, frequencies)
  if (expands)
    return b.result(first ? y : b.transpose(y, {0, 2, 3, 1}));
  b.result(first ? b.mergeDims(b.transpose(y, {0, 1, 3, 2}), 1, 2) : b.mergeDims(b.transpose(y, {0, 2, 1, 3}), 2, 2));
}

ArrayRef<LayerRow> keras::signalLayers() {
  static const LayerRow rows[] = {
      {"MelSpectrogram", melSpectrogram},
      {"STFTSpectrogram", stftSpectrogram},
  };
  return rows;
}

ArrayRef<LayerRow> keras::signalOperations() {
  static const LayerRow rows[] = {
      {"ExtractSequences", extractSequences},
      {"FFT", fft<false>},
      {"FFT2", fft2<false>},
      {"IFFT2", fft2<true>},
      {"IRFFT", inverseRealTransform},
      {"RFFT", realTransform},
      {"STFT", stft},
  };
  return rows;
}
