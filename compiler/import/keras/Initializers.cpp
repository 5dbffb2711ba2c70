//===- Initializers.cpp - Keras's initializers ----------------------------===//
//
// keras/src/initializers: the same scales, limits and truncations. Random numbers come from Philox 4x32-10
// (Salmon, Moraes, Dror, Shaw: Parallel Random Numbers: As Easy as 1, 2, 3; SC 2011), a counter-based
// generator.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/keras/Initializers.h"
#include "compiler/import/keras/ModelGraph.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/xxhash.h"
#include <array>
#include <cmath>

using namespace llvm;
using namespace sylvite;

//===----------------------------------------------------------------------===//
// Random numbers
//===----------------------------------------------------------------------===//

namespace {

/// A stream of independent numbers, one per index.
class Random {
public:
  explicit Random(uint64_t key) : key(key) {}

  /// Uniform in (0, 1).
  double uniform(uint64_t index, unsigned draw = 0) const {
    std::array<uint32_t, 4> words = philox(index, draw);
    uint64_t mantissa = (uint64_t(words[0]) << 20) ^ (words[1] >> 12);
    return (double(mantissa) + 0.5) * 0x1p-52;
  }
  /// Standard normal, by Box and Muller's transform.
  double normal(uint64_t index, unsigned draw = 0) const {
    constexpr double pi = 3.14159265358979323846;
    double radius = std::sqrt(-2 * std::log(uniform(index, 2 * draw)));
    return radius * std::cos(2 * pi * uniform(index, 2 * draw + 1));
  }
  /// Standard normal within two standard deviations: what falls outside is drawn again.
  double truncatedNormal(uint64_t index) const {
    for (unsigned draw = 0; draw < 64; ++draw)
      if (double value = normal(index, draw); std::abs(value) <= 2)
        return value;
    return 0;
  }

private:
  std::array<uint32_t, 4> philox(uint64_t index, uint32_t draw) const {
    uint32_t c[4] = {uint32_t(index), uint32_t(index >> 32), draw, 0};
    uint32_t k0 = key, k1 = key >> 32;
    for (unsigned round = 0; round < 10; ++round) {
      uint64_t p0 = uint64_t(0xD2511F53) * c[0], p1 = uint64_t(0xCD9E8D57) * c[2];
      uint32_t next[4] = {uint32_t(p1 >> 32) ^ c[1] ^ k0, uint32_t(p1), uint32_t(p0 >> 32) ^ c[3] ^ k1,
                          uint32_t(p0)};
      std::copy(next, next + 4, c);
      k0 += 0x9E3779B9;
      k1 += 0xBB67AE85;
    }
    return {c[0], c[1], c[2], c[3]};
  }

  uint64_t key;
};

/// One variable to fill.
struct Target {
  const Json &config;
  ArrayRef<int64_t> shape;
  MutableArrayRef<float> values;
  Random random;

  double number(StringRef key, double otherwise) const {
    return asNumber(member(config, key)).value_or(otherwise);
  }
};

} // namespace

//===----------------------------------------------------------------------===//
// Families
//===----------------------------------------------------------------------===//

static Error fillAll(const Target &target, double value) {
  std::fill(target.values.begin(), target.values.end(), float(value));
  return Error::success();
}

static Error fillUniform(const Target &target, double low, double high) {
  for (size_t i = 0; i < target.values.size(); ++i)
    target.values[i] = low + (high - low) * target.random.uniform(i);
  return Error::success();
}

static Error fillNormal(const Target &target, double mean, double deviation, bool truncated) {
  for (size_t i = 0; i < target.values.size(); ++i)
    target.values[i] = mean + deviation * (truncated ? target.random.truncatedNormal(i)
                                                     : target.random.normal(i));
  return Error::success();
}

/// keras.src.initializers.random_initializers.compute_fans.
static std::pair<double, double> computeFans(const Target &target) {
  ArrayRef<int64_t> shape = target.shape;
  auto product = [&](ArrayRef<int64_t> axes) {
    double size = 1;
    for (int64_t axis : axes) {
      axis += axis < 0 ? shape.size() : 0;
      size *= axis >= 0 && axis < int64_t(shape.size()) ? double(shape[axis]) : 1;
    }
    return size;
  };
  auto in = asIntegers(member(target.config, "input_axes"));
  auto out = asIntegers(member(target.config, "output_axes"));
  if (in && out)
    return {product(*in), product(*out)};
  if (shape.empty())
    return {1, 1};
  if (shape.size() == 1)
    return {double(shape[0]), double(shape[0])};
  double receptive = 1;
  for (int64_t extent : shape.drop_back(2))
    receptive *= double(extent);
  return {receptive * double(shape[shape.size() - 2]), receptive * double(shape.back())};
}

static Error fillScaled(const Target &target, double scale, StringRef mode, StringRef distribution) {
  auto [in, out] = computeFans(target);
  double fan = mode == "fan_in" ? in : mode == "fan_out" ? out : (in + out) / 2;
  if (mode != "fan_in" && mode != "fan_out" && mode != "fan_avg")
    return makeError("initializer VarianceScaling has mode '{0}'; fan_in, fan_out and fan_avg are "
                     "supported",
                     mode);
  scale /= std::max(1.0, fan);
  if (distribution == "uniform")
    return fillUniform(target, -std::sqrt(3 * scale), std::sqrt(3 * scale));
  if (distribution == "untruncated_normal")
    return fillNormal(target, 0, std::sqrt(scale), false);
  if (distribution == "truncated_normal" || distribution == "normal")
    return fillNormal(target, 0, std::sqrt(scale) / 0.87962566103423978, true);
  return makeError("initializer VarianceScaling has distribution '{0}'; uniform, truncated_normal and "
                   "untruncated_normal are supported",
                   distribution);
}

/// The Q of a random matrix's QR decomposition, by modified Gram-Schmidt applied twice, the columns' signs
/// those of a positive R.
static Error fillOrthogonal(const Target &target) {
  if (target.shape.size() < 2)
    return makeError("initializer Orthogonal needs two dimensions or more");
  size_t columns = target.shape.back(), rows = columns ? target.values.size() / columns : 0;
  size_t length = std::max(rows, columns), count = std::min(rows, columns);
  std::vector<double> q(length * count); // vector j at q[j * length]
  for (size_t i = 0; i < q.size(); ++i)
    q[i] = target.random.normal(i);
  for (size_t j = 0; j < count; ++j) {
    double *v = &q[j * length];
    for (int pass = 0; pass < 2; ++pass)
      for (size_t k = 0; k < j; ++k) {
        const double *u = &q[k * length];
        double dot = 0;
        for (size_t i = 0; i < length; ++i)
          dot += u[i] * v[i];
        for (size_t i = 0; i < length; ++i)
          v[i] -= dot * u[i];
      }
    double norm = 0;
    for (size_t i = 0; i < length; ++i)
      norm += v[i] * v[i];
    norm = std::sqrt(norm);
    for (size_t i = 0; i < length; ++i)
      v[i] /= norm;
  }
  double gain = target.number("gain", 1);
  for (size_t row = 0; row < rows; ++row)
    for (size_t column = 0; column < columns; ++column)
      target.values[row * columns + column] =
          gain * (rows >= columns ? q[column * length + row] : q[row * length + column]);
  return Error::success();
}

static Error fillIdentity(const Target &target) {
  if (target.shape.size() != 2)
    return makeError("initializer Identity needs two dimensions");
  if (Error error = fillAll(target, 0))
    return error;
  for (int64_t i = 0; i < std::min(target.shape[0], target.shape[1]); ++i)
    target.values[i * target.shape[1] + i] = target.number("gain", 1);
  return Error::success();
}

static Error fillConstant(const Target &target) {
  const Json *value = member(target.config, "value");
  if (!value)
    return fillAll(target, 0);
  if (auto number = asNumber(value))
    return fillAll(target, *number);
  // A tensor or a list: as many numbers as there are elements.
  const Json *list = member(*value, "config") ? member(*member(*value, "config"), "value") : value;
  std::vector<const Json *> pending{list};
  size_t count = 0;
  while (list && !pending.empty()) {
    const Json *next = pending.back();
    pending.pop_back();
    if (next->is_array()) {
      for (auto it = next->rbegin(); it != next->rend(); ++it)
        pending.push_back(&*it);
      continue;
    }
    auto number = asNumber(next);
    if (!number || count == target.values.size()) {
      count = SIZE_MAX;
      break;
    }
    target.values[count++] = *number;
  }
  if (count != target.values.size())
    return makeError("initializer Constant has value {0}; a number, or one number for each of the "
                     "{1} elements, is supported",
                     describe(*value), target.values.size());
  return Error::success();
}

//===----------------------------------------------------------------------===//
// Dispatch
//===----------------------------------------------------------------------===//

Error keras::initialize(const Json &initializer, StringRef name, uint64_t seed, ArrayRef<int64_t> shape,
                        MutableArrayRef<float> values) {
  static const Json none = Json::object();
  std::optional<StringRef> className = asString(&initializer);
  const Json *config = &none;
  if (!className) {
    className = asString(member(initializer, "class_name"));
    if (const Json *given = member(initializer, "config"); given && given->is_object())
      config = given;
  }
  if (!className)
    return makeError("initializer {0} has no class name", describe(initializer));
  for (auto it = config->begin(); it != config->end(); ++it)
    if (auto number = asNumber(&*it); number && !std::isfinite(*number))
      return makeError("initializer {0} has {1} {2}; supported: finite numbers", *className, it.key(),
                       describe(*it));
  std::string kind = toSnakeCase(*className);
  uint64_t key = xxh3_64bits(bytesOf(name));
  if (auto own = asInteger(member(*config, "seed")))
    key ^= xxh3_64bits(bytesOf(std::to_string(*own)));
  if (seed)
    key ^= xxh3_64bits(bytesOf("model " + std::to_string(seed)));
  Target target{*config, shape, values, Random(key)};

  enum Distribution { Uniform, Normal };
  struct Scaled {
    StringLiteral name;
    double scale;
    StringLiteral mode;
    Distribution distribution;
  };
  static constexpr Scaled scaled[] = {
      {"glorot_normal", 1, "fan_avg", Normal}, {"glorot_uniform", 1, "fan_avg", Uniform},
      {"he_normal", 2, "fan_in", Normal},      {"he_uniform", 2, "fan_in", Uniform},
      {"lecun_normal", 1, "fan_in", Normal},   {"lecun_uniform", 1, "fan_in", Uniform},
  };
  for (const Scaled &row : scaled)
    if (kind == row.name)
      return fillScaled(target, row.scale, row.mode,
                        row.distribution == Uniform ? "uniform" : "truncated_normal");
  if (kind == "variance_scaling")
    return fillScaled(target, target.number("scale", 1),
                      asString(member(*config, "mode")).value_or("fan_in"),
                      asString(member(*config, "distribution")).value_or("truncated_normal"));
  if (kind == "random_uniform" || kind == "uniform")
    return fillUniform(target, target.number("minval", -0.05), target.number("maxval", 0.05));
  if (kind == "random_normal" || kind == "normal")
    return fillNormal(target, target.number("mean", 0), target.number("stddev", 0.05), false);
  if (kind == "truncated_normal")
    return fillNormal(target, target.number("mean", 0), target.number("stddev", 0.05), true);
  if (kind == "zeros" || kind == "zero")
    return fillAll(target, 0);
  if (kind == "ones" || kind == "one")
    return fillAll(target, 1);
  if (kind == "constant")
    return fillConstant(target);
  if (kind == "identity" || kind == "identity_initializer")
    return fillIdentity(target);
  if (kind == "orthogonal" || kind == "orthogonal_initializer")
    return fillOrthogonal(target);
  return makeError("initializer '{0}'; supported are Constant, GlorotNormal, GlorotUniform, HeNormal, "
                   "HeUniform, Identity, LecunNormal, LecunUniform, Ones, Orthogonal, RandomNormal, "
                   "RandomUniform, TruncatedNormal, VarianceScaling and Zeros",
                   *className);
}
