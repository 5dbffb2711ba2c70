//===- Pointwise.cpp - activations and merges -----------------------------===//
//
// The table of Keras's activations, rows for the layers that apply one, for those that combine tensors
// element by element, and for those that do nothing in inference.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/keras/Layers.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include <cmath>

using namespace llvm;
using namespace mlir;
using namespace sylvite;
using namespace sylvite::keras;

using nn::ScalarBuilder;

//===----------------------------------------------------------------------===//
// Activations
//===----------------------------------------------------------------------===//

namespace {
/// The arguments of an activation: the configuration of the operation, or nothing behind a bare name.
struct Arguments {
  const Json &config;
  double number(StringRef key, double otherwise) const {
    return asNumber(member(config, key)).value_or(otherwise);
  }
  bool boolean(StringRef key, bool otherwise) const {
    return asBoolean(member(config, key)).value_or(otherwise);
  }
};

struct Activation {
  StringLiteral name;
  Value (*scalar)(ScalarBuilder &, Value, const Arguments &) = nullptr;
  Value (*tensor)(LayerBuilder &, Value, const Arguments &) = nullptr;
};
} // namespace

/// Keras's ReLU with all its arguments (keras.src.activations.ReLU.static_call).
static Value kerasRelu(ScalarBuilder &s, Value x, double negativeSlope, double maxValue,
                      double threshold) {
  if (negativeSlope == 0 && threshold == 0)
    return s.relu(x, 0, maxValue, 0);
  Value t = s.constant(threshold, x), zero = s.constant(0, x);
  Value y = threshold == 0 ? s.relu(x) : s.selectGreater(x, t, x, zero);
  if (std::isfinite(maxValue))
    y = s.clamp(y, 0, maxValue);
  if (negativeSlope == 0)
    return y;
  return s.sub(y, s.mul(s.constant(negativeSlope, x), s.relu(s.sub(t, x))));
}

static int64_t activationAxis(LayerBuilder &b, Value x, const Arguments &arguments) {
  int64_t rank = rankOf(x), axis = asInteger(member(arguments.config, "axis")).value_or(-1);
  axis += axis < 0 ? rank : 0;
  if (axis >= 0 && axis < rank)
    return axis;
  b.refuse("axis", "a dimension of an input of rank " + Twine(rank));
  return 0;
}

static Value reduce(LayerBuilder &b, Value x, nn::ReduceKind kind, int64_t dim) {
  return b.make<nn::ReduceOp>(x, kind, ArrayRef<int64_t>{dim}, /*keep_dims=*/true);
}
static Value subtract(LayerBuilder &b, Value x, Value y) {
  return b.map(x, y, [](ScalarBuilder &s, Value p, Value q) { return s.sub(p, q); });
}

static Value softmax(LayerBuilder &b, Value x, const Arguments &arguments) {
  return b.make<nn::SoftmaxOp>(x, ArrayRef<int64_t>{activationAxis(b, x, arguments)});
}

static Value logSoftmax(LayerBuilder &b, Value x, const Arguments &arguments) {
  int64_t dim = activationAxis(b, x, arguments);
  Value shifted = subtract(b, x, reduce(b, x, nn::ReduceKind::Max, dim));
  Value exponentials = b.map(shifted, [](ScalarBuilder &s, Value e) { return s.exp(e); });
  return b.map(shifted, reduce(b, exponentials, nn::ReduceKind::Sum, dim),
               [](ScalarBuilder &s, Value e, Value sum) { return s.sub(e, s.log(sum)); });
}

/// The first half times the sigmoid of the second.
static Value glu(LayerBuilder &b, Value x, const Arguments &arguments) {
  int64_t dim = activationAxis(b, x, arguments), size = b.extent(x, dim);
  if (size % 2)
    b.error() << "activation glu halves dimension " << dim << ", which has " << size << " elements";
  Dims starts(rankOf(x), 0), sizes(rankOf(x), -1);
  for (auto [i, extent] : llvm::enumerate(shapeOf(x)))
    sizes[i] = ShapedType::isDynamic(extent) ? -1 : extent;
  sizes[dim] = size / 2;
  Value first = b.slice(x, starts, sizes);
  starts[dim] = size / 2;
  return b.map(first, b.slice(x, starts, sizes), [](ScalarBuilder &s, Value p, Value q) {
    return s.mul(p, s.sigmoid(q));
  });
}

/// Keras's sparsemax (keras.src.backend.*.nn.sparsemax), which sorts, without sorting. An element z belongs to
/// the support when 1 + n z exceeds the sum of the n elements that are not smaller; the threshold is
/// (the sum of the support's cumulative sums - 1) / (its size). Among m equal elements the cumulative sums
/// are on average (m - 1) z / 2 below the last.
static Value sparsemax(LayerBuilder &b, Value x, const Arguments &arguments) {
  int64_t dim = activationAxis(b, x, arguments);
  if (b.failed())
    return {};
  // Dimension dim holds z, the one after it all elements q beside it.
  Value z = b.expandDims(x, dim + 1), others = b.expandDims(x, dim);
  auto total = [&](llvm::function_ref<Value(ScalarBuilder &, Value, Value)> term) {
    return b.make<nn::ReduceOp>(b.map(z, others, term), nn::ReduceKind::Sum,
                                ArrayRef<int64_t>{dim + 1}, false);
  };
  Value counts = total([](ScalarBuilder &s, Value p, Value q) {
    return s.selectGreater(p, q, s.constant(0, p), s.constant(1, p));
  });
  Value sums = total([](ScalarBuilder &s, Value p, Value q) {
    return s.selectGreater(p, q, s.constant(0, p), q);
  });
  Value greater = total([](ScalarBuilder &s, Value p, Value q) {
    return s.selectGreater(q, p, s.constant(1, p), s.constant(0, p));
  });
  auto overSupport = [&](llvm::function_ref<Value(ScalarBuilder &, ValueRange)> term) {
    auto body = [&](OpBuilder &builder, Location loc, ValueRange v) {
      ScalarBuilder s(builder, loc);
      Value bound = s.add(s.constant(1, v[0]), s.mul(v[1], v[0]));
      return s.selectGreater(bound, v[2], term(s, v), s.constant(0, v[0]));
    };
    return reduce(b, b.map({x, counts, sums, greater}, body), nn::ReduceKind::Sum, dim);
  };
  Value size = overSupport([](ScalarBuilder &s, ValueRange v) { return s.constant(1, v[0]); });
  Value cumulative = overSupport([](ScalarBuilder &s, ValueRange v) {
    Value others = s.sub(s.sub(v[1], v[3]), s.constant(1, v[0]));
    return s.sub(v[2], s.mul(s.constant(0.5, v[0]), s.mul(others, v[0])));
  });
  return b.map({x, cumulative, size}, [](OpBuilder &builder, Location loc, ValueRange v) {
    ScalarBuilder s(builder, loc);
    return s.relu(s.sub(v[0], s.div(s.sub(v[1], s.constant(1, v[1])), v[2])));
  });
}

static ArrayRef<Activation> activations() {
  using S = ScalarBuilder;
  using A = Arguments;
  static const Activation table[] = {
      {"celu", [](S &s, Value x, const A &a) { return s.celu(x, a.number("alpha", 1)); }},
      {"elu", [](S &s, Value x, const A &a) { return s.elu(x, a.number("alpha", 1)); }},
      {"exponential", [](S &s, Value x, const A &) { return s.exp(x); }},
      {"gelu", [](S &s, Value x, const A &a) { return s.gelu(x, a.boolean("approximate", false)); }},
      {"glu", nullptr, glu},
      {"hard_shrink",
       [](S &s, Value x, const A &a) { return s.hardShrink(x, a.number("threshold", 0.5)); }},
      {"hard_sigmoid", [](S &s, Value x, const A &) { return s.hardSigmoid(x); }},
      {"hard_silu", [](S &s, Value x, const A &) { return s.hardSilu(x); }},
      {"hard_swish", [](S &s, Value x, const A &) { return s.hardSilu(x); }},
      {"hard_tanh", [](S &s, Value x, const A &) { return s.hardTanh(x); }},
      {"leaky_relu",
       [](S &s, Value x, const A &a) { return s.leakyRelu(x, a.number("negative_slope", 0.2)); }},
      {"linear", nullptr, [](LayerBuilder &, Value x, const A &) { return x; }},
      {"log_sigmoid", [](S &s, Value x, const A &) { return s.logSigmoid(x); }},
      {"log_softmax", nullptr, logSoftmax},
      {"mish", [](S &s, Value x, const A &) { return s.mish(x); }},
      {"relu", [](S &s, Value x, const A &) { return s.relu(x); }},
      {"relu6", [](S &s, Value x, const A &) { return s.clamp(x, 0, 6); }},
      {"selu", [](S &s, Value x, const A &) { return s.selu(x); }},
      {"sigmoid", [](S &s, Value x, const A &) { return s.sigmoid(x); }},
      {"silu", [](S &s, Value x, const A &) { return s.silu(x); }},
      {"soft_shrink",
       [](S &s, Value x, const A &a) { return s.softShrink(x, a.number("threshold", 0.5)); }},
      {"softmax", nullptr, softmax},
      {"softplus", [](S &s, Value x, const A &) { return s.softplus(x); }},
      {"softsign", [](S &s, Value x, const A &) { return s.softsign(x); }},
      {"sparse_plus", [](S &s, Value x, const A &) { return s.sparsePlus(x); }},
      {"sparse_sigmoid", [](S &s, Value x, const A &) { return s.sparseSigmoid(x); }},
      {"sparsemax", nullptr, sparsemax},
      {"squareplus", [](S &s, Value x, const A &a) { return s.squareplus(x, a.number("b", 4)); }},
      {"swish", [](S &s, Value x, const A &) { return s.silu(x); }},
      {"tanh", [](S &s, Value x, const A &) { return s.tanh(x); }},
      {"tanh_shrink", [](S &s, Value x, const A &) { return s.tanhShrink(x); }},
  };
  return table;
}

std::vector<StringRef> keras::listActivations() {
  std::vector<StringRef> names;
  for (const Activation &row : activations())
    names.push_back(row.name);
  return names;
}

static const Activation *findActivation(StringRef name) {
  auto found = llvm::find_if(activations(), [&](auto &row) { return row.name == name; });
  return found == activations().end() ? nullptr : found;
}

static Value apply(LayerBuilder &b, const Activation &row, Value x, const Json &config) {
  Arguments arguments{config};
  if (row.tensor)
    return row.tensor(b, x, arguments);
  return b.map(x, [&](ScalarBuilder &s, Value e) { return row.scalar(s, e, arguments); });
}

Value keras::activate(LayerBuilder &b, Value x, StringRef key) {
  const Json *json = b.attribute(key);
  if (!json || b.failed() || !x)
    return x;
  static const Json none = Json::object();
  std::optional<StringRef> name = asString(json);
  if (!name && json->is_object()) {
    // A function under its name, or a layer used as one.
    const Json *config = member(*json, "config");
    if (config && config->is_object())
      return b.apply(*json, x, key);
    name = asString(config);
  }
  const Activation *row = name ? findActivation(*name) : nullptr;
  if (!row) {
    std::vector<StringRef> known = listActivations();
    b.refuse(key, join(known, ", "));
    return {};
  }
  return apply(b, *row, x, none);
}

bool keras::isActivation(StringRef name) { return findActivation(name) != nullptr; }

void keras::buildActivationOperation(LayerBuilder &b) {
  for (auto it = b.layer.config->begin(); it != b.layer.config->end(); ++it)
    b.ignore({it.key()});
  b.result(apply(b, *findActivation(toSnakeCase(b.layer.className)), b.floatInput(), *b.layer.config));
}

//===----------------------------------------------------------------------===//
// Layers of one activation
//===----------------------------------------------------------------------===//

static void activation(LayerBuilder &b) { b.result(activate(b, b.floatInput())); }

static double notNegative(LayerBuilder &b, StringRef key, double otherwise) {
  double value = b.number(key, otherwise);
  if (value < 0)
    b.refuse(key, "a number that is not negative");
  return value;
}

static void relu(LayerBuilder &b) {
  const Json *bound = b.attribute("max_value");
  bool bounded = bound && asNumber(bound) != std::numeric_limits<double>::infinity();
  double maxValue = bounded ? notNegative(b, "max_value", 0) : INFINITY;
  double slope = notNegative(b, "negative_slope", 0), threshold = notNegative(b, "threshold", 0);
  b.result(b.map(b.floatInput(), [&](ScalarBuilder &s, Value x) {
    return kerasRelu(s, x, slope, maxValue, threshold);
  }));
}

static void leakyRelu(LayerBuilder &b) {
  StringRef key = b.attribute("alpha") ? "alpha" : "negative_slope"; // Keras 2's name
  double slope = notNegative(b, key, 0.3);
  b.ignore({"negative_slope"});
  b.result(b.map(b.floatInput(), [&](ScalarBuilder &s, Value x) { return s.leakyRelu(x, slope); }));
}

static void elu(LayerBuilder &b) {
  double alpha = b.number("alpha", 1);
  b.result(b.map(b.floatInput(), [&](ScalarBuilder &s, Value x) { return s.elu(x, alpha); }));
}

static void prelu(LayerBuilder &b) {
  Value x = b.floatInput();
  Dims shared = b.axes("shared_axes", rankOf(x), {}), shape;
  if (llvm::is_contained(shared, 0))
    b.refuse("shared_axes", "axes other than the batch");
  for (int64_t dim = 1; dim < rankOf(x); ++dim)
    shape.push_back(llvm::is_contained(shared, dim) ? 1 : b.extent(x, dim));
  Value alpha = b.variable("alpha", shape, "alpha_initializer", "zeros");
  b.result(b.map(x, alpha, [](ScalarBuilder &s, Value e, Value a) {
    return s.sub(s.relu(e), s.mul(a, s.relu(s.neg(e))));
  }));
}

static void softmaxLayer(LayerBuilder &b) {
  Value x = b.floatInput(), mask = b.maskArgument();
  Dims dims = b.axes("axis", rankOf(x), {rankOf(x) - 1});
  if (!mask)
    return b.result(b.make<nn::SoftmaxOp>(x, dims));
  // What is masked weighs nothing, even where everything is.
  x = b.select(mask, x, -1e9);
  b.result(b.select(mask, b.make<nn::SoftmaxOp>(x, dims), 0), mask);
}

//===----------------------------------------------------------------------===//
// Merges
//===----------------------------------------------------------------------===//

/// Inputs of fewer dimensions get new ones behind the batch, as Keras's merge layers do it.
static SmallVector<Value> alignedInputs(LayerBuilder &b) {
  int64_t rank = 0;
  bool isFloat = false;
  for (Value x : b.inputs()) {
    rank = std::max(rank, rankOf(x));
    isFloat |= isa<FloatType>(getElementTypeOrSelf(x.getType()));
  }
  SmallVector<Value> inputs;
  for (Value x : b.inputs()) {
    x = isFloat ? b.toFloat(x) : x;
    while (x && rankOf(x) < rank)
      x = b.expandDims(x, 1);
    inputs.push_back(x);
  }
  return inputs;
}

Value keras::joinMasks(LayerBuilder &b) {
  SmallVector<Value> masks;
  for (unsigned i = 0; i < b.inputs().size(); ++i)
    if (masks.push_back(b.mask(i)); !masks.back())
      return {};
  return b.map(masks, [](OpBuilder &builder, Location loc, ValueRange elements) {
    Value result = elements[0];
    for (Value element : elements.drop_front())
      result = arith::OrIOp::create(builder, loc, result, element);
    return result;
  });
}

/// A product leaves out masked elements, and is zero where all are; a maximum or minimum is over those that
/// are not masked. `masks` has null for an input without one (keras.layers.Multiply, Maximum, Minimum).
static Value mergeMasked(OpBuilder &builder, Location loc, Arithmetic kind, ValueRange elements,
                         ArrayRef<Value> masks) {
  ScalarBuilder s(builder, loc);
  ScalarMath math(builder, loc, elements[0].getType());
  auto select = [&](Value mask, Value x, Value otherwise) -> Value {
    return mask ? Value(arith::SelectOp::create(builder, loc, mask, x, otherwise)) : x;
  };
  bool multiply = kind == &ScalarMath::mul;
  Value result = multiply ? select(masks[0], elements[0], s.constant(1, elements[0])) : elements[0];
  Value any = masks[0];
  for (auto [element, mask] : llvm::zip(elements.drop_front(), masks.drop_front())) {
    Value x = select(mask, element, multiply ? s.constant(1, element) : result);
    if (!multiply)
      result = select(any, result, x);
    any = any && mask ? Value(arith::OrIOp::create(builder, loc, any, mask)) : Value();
    result = (math.*kind)(result, x);
  }
  return multiply ? select(any, result, s.constant(0, result)) : result;
}

template <Arithmetic kind, bool mean = false, int numInputs = 0> static void merge(LayerBuilder &b) {
  if (numInputs)
    b.expectInputs(numInputs);
  SmallVector<Value> inputs = alignedInputs(b);
  if (mean)
    for (Value &x : inputs)
      x = b.toFloat(x);
  size_t numValues = inputs.size();
  SmallVector<unsigned> maskOf(numValues, 0); // its place among the operands, or zero
  bool readsMasks = kind == &ScalarMath::mul || kind == &ScalarMath::maximum || kind == &ScalarMath::minimum;
  for (size_t i = 0; readsMasks && i < numValues; ++i)
    if (Value mask = b.mask(i); mask && isa<FloatType>(getElementTypeOrSelf(inputs[i].getType()))) {
      maskOf[i] = inputs.size();
      inputs.push_back(b.expandDims(mask, rankOf(mask)));
    }
  b.result(b.map(inputs, [&](OpBuilder &builder, Location loc, ValueRange elements) {
    ValueRange values = elements.take_front(numValues);
    if (inputs.size() > numValues) {
      SmallVector<Value> masks;
      for (unsigned at : maskOf)
        masks.push_back(at ? elements[at] : Value());
      return mergeMasked(builder, loc, kind, values, masks);
    }
    Value result = values[0];
    ScalarMath math(builder, loc, result.getType());
    for (Value element : values.drop_front())
      result = (math.*kind)(result, element);
    ScalarBuilder s(builder, loc);
    return mean ? s.div(result, s.constant(values.size(), result)) : result;
  }), joinMasks(b));
}

/// Layers that pass their input on in inference, whatever their arguments.
static void passThrough(LayerBuilder &b) {
  for (auto it = b.layer.config->begin(); it != b.layer.config->end(); ++it)
    b.ignore({it.key()});
  b.result(b.input());
}

/// Layers that change their input at random in training. `shared`: spatial positions have one draw in common.
template <nn::DropoutKind kind, bool isSpatial = false> static void dropout(LayerBuilder &b) {
  if (!b.isTrained())
    return passThrough(b);
  Value x = b.floatInput();
  double rate = b.number(kind == nn::DropoutKind::Noise ? "stddev" : "rate", std::nullopt);
  Dims shared;
  if (isSpatial) {
    bool first = b.channelsFirst();
    for (int64_t i = first ? 2 : 1; i < rankOf(x) - (first ? 0 : 1); ++i)
      shared.push_back(i);
  } else if (const Json *noise = b.attribute("noise_shape")) {
    auto shape = asIntegers(noise, -1);
    if (!shape || static_cast<int64_t>(shape->size()) != rankOf(x))
      return b.refuse("noise_shape", "a size per dimension of the input");
    for (auto [i, size] : llvm::enumerate(*shape)) {
      if (size == 1 && shapeOf(x)[i] != 1)
        shared.push_back(i);
      else if (size != -1 && size != shapeOf(x)[i])
        return b.refuse("noise_shape", "sizes of the input, null and 1");
    }
  }
  b.result(b.make<nn::DropoutOp>(x, kind, APFloat(rate), shared));
}

ArrayRef<LayerRow> keras::pointwiseLayers() {
  static const LayerRow rows[] = {
      {"Activation", activation, Masks::Pass},
      {"ActivityRegularization", passThrough, Masks::Pass},
      {"Add", merge<&ScalarMath::add>, Masks::Own},
      {"AlphaDropout", dropout<nn::DropoutKind::Alpha>, Masks::Pass},
      {"Average", merge<&ScalarMath::add, /*mean=*/true>, Masks::Own},
      {"Dropout", dropout<nn::DropoutKind::Plain>, Masks::Pass},
      {"ELU", elu, Masks::Pass},
      {"GaussianDropout", dropout<nn::DropoutKind::Gaussian>, Masks::Pass},
      {"GaussianNoise", dropout<nn::DropoutKind::Noise>, Masks::Pass},
      {"Identity", passThrough, Masks::Pass},
      {"LeakyReLU", leakyRelu, Masks::Pass},
      {"Maximum", merge<&ScalarMath::maximum>, Masks::Own},
      {"Minimum", merge<&ScalarMath::minimum>, Masks::Own},
      {"Multiply", merge<&ScalarMath::mul>, Masks::Own},
      {"PReLU", prelu, Masks::Pass},
      {"ReLU", relu, Masks::Pass},
      {"Softmax", softmaxLayer, Masks::Own},
      {"SpatialDropout1D", dropout<nn::DropoutKind::Plain, true>, Masks::Pass},
      {"SpatialDropout2D", dropout<nn::DropoutKind::Plain, true>, Masks::Pass},
      {"SpatialDropout3D", dropout<nn::DropoutKind::Plain, true>, Masks::Pass},
      {"Subtract", merge<&ScalarMath::sub, false, 2>, Masks::Own},
  };
  return rows;
}
