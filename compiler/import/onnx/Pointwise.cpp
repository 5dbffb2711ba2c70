//===- Pointwise.cpp - operators on elements ------------------------------===//
//
// Rows for activations, arithmetic, comparisons, logic and casts.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/Folding.h"
#include "compiler/import/onnx/Operators.h"
#include "compiler/import/onnx/PointwiseFolding.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include <cmath>

using namespace llvm;
using namespace mlir;

namespace sylvite::onnx {

using nn::ScalarBuilder;

//===----------------------------------------------------------------------===//
// Functions of one number
//===----------------------------------------------------------------------===//

/// A row's function from one on scalars.
template <Value (*function)(ScalarBuilder &, Value)> static void unary(NodeBuilder &b) {
  b.ignore({"consumed_inputs"});
  if (!b.failed() && b.input(0) && !b.isFloat(0))
    b.error() << "its input is not of a floating-point type; supported: float, double, float16, bfloat16";
  b.result(b.map(b.value(0), function));
}
template <Value (ScalarBuilder::*function)(Value)> static Value scalar(ScalarBuilder &s, Value x) {
  return (s.*function)(x);
}
template <typename Op> static void mathOp(NodeBuilder &b) {
  Value x = b.value(0);
  b.result(b.map({x}, x ? b.type(x) : Type(), [](OpBuilder &builder, Location at, ValueRange v) -> Value {
    return Op::create(builder, at, v[0]);
  }));
}

/// A function of one number that is also evaluated on known elements.
template <double (*function)(double)> static void foldNumber(NodeBuilder &b) {
  if (b.isFloat(0))
    foldElements(b, b.type(0u), [](ArrayRef<Scalar> v) {
      return v[0].integer ? std::nullopt : std::optional(numberScalar(function(v[0].number)));
    });
}
/// The same for rounding, which leaves sizes as they are.
template <double (*function)(double)> static void foldRounding(NodeBuilder &b) {
  if (b.isFloat(0))
    foldElements(b, b.type(0u), [](ArrayRef<Scalar> v) {
      return std::optional(v[0].integer ? v[0] : numberScalar(function(v[0].number)));
    });
}

/// Integers and numbers alike.
template <Value (*function)(ScalarMath &, Value)> static void unaryAny(NodeBuilder &b) {
  Value x = b.value(0);
  Type type = x ? b.type(x) : Type();
  b.result(b.map({x}, type, [&](OpBuilder &builder, Location at, ValueRange v) {
    ScalarMath s(builder, at, type);
    return function(s, v[0]);
  }));
}
static Value absolute(ScalarMath &s, Value x) {
  if (s.isFloat)
    return math::AbsFOp::create(s.b, s.loc, x);
  return s.isUnsigned ? x : Value(math::AbsIOp::create(s.b, s.loc, x));
}
static Value negative(ScalarMath &s, Value x) { return s.negate(x); }
static Value sign(ScalarMath &s, Value x) {
  Value zero = s.constant(int64_t(0));
  Value below = s.isUnsigned ? zero : s.select(s.less(x, zero), s.constant(int64_t(-1)), zero);
  return s.select(s.less(zero, x), s.constant(int64_t(1)), below);
}
static Value relu(ScalarMath &s, Value x) { return s.maximum(x, s.constant(int64_t(0))); }
static Value bitwiseNot(ScalarMath &s, Value x) {
  return arith::XOrIOp::create(s.b, s.loc, x, s.constant(int64_t(-1)));
}

/// With attributes.
static void alphaUnary(NodeBuilder &b, double alpha, Value (*function)(ScalarBuilder &, Value, double)) {
  b.ignore({"consumed_inputs"});
  double value = b.number("alpha", alpha);
  b.result(b.map(b.value(0), [&](ScalarBuilder &s, Value x) { return function(s, x, value); }));
}
static void celu(NodeBuilder &b) {
  alphaUnary(b, 1, [](ScalarBuilder &s, Value x, double a) { return s.celu(x, a); });
}
static void elu(NodeBuilder &b) {
  alphaUnary(b, 1, [](ScalarBuilder &s, Value x, double a) { return s.elu(x, a); });
}
static void leakyRelu(NodeBuilder &b) {
  alphaUnary(b, 0.01, [](ScalarBuilder &s, Value x, double a) { return s.leakyRelu(x, a); });
}
static void thresholdedRelu(NodeBuilder &b) {
  alphaUnary(b, 1, [](ScalarBuilder &s, Value x, double a) { return s.thresholdedRelu(x, a); });
}
static void swish(NodeBuilder &b) {
  alphaUnary(b, 1, [](ScalarBuilder &s, Value x, double a) {
    return s.mul(x, s.sigmoid(s.mul(x, s.constant(a, x))));
  });
}
static void hardSigmoid(NodeBuilder &b) {
  double alpha = b.number("alpha", 0.2), beta = b.number("beta", 0.5);
  b.ignore({"consumed_inputs"});
  b.result(b.map(b.value(0), [&](ScalarBuilder &s, Value x) {
    return s.clamp(s.add(s.mul(x, s.constant(alpha, x)), s.constant(beta, x)), 0, 1);
  }));
}
static Value hardSwish(ScalarBuilder &s, Value x) {
  return s.mul(x, s.clamp(s.add(s.mul(x, s.constant(1.0 / 6, x)), s.constant(0.5, x)), 0, 1));
}
static void selu(NodeBuilder &b) {
  b.ignore({"consumed_inputs"});
  double alpha = b.number("alpha", 1.67326319217681884765625), gamma = b.number("gamma", 1.05070102214813232421875);
  b.result(b.map(b.value(0), [&](ScalarBuilder &s, Value x) {
    return s.mul(s.constant(gamma, x), s.elu(x, alpha));
  }));
}
static void gelu(NodeBuilder &b) {
  bool approximate = b.choice("approximate", {"none", "tanh"}) == "tanh";
  b.result(b.map(b.value(0), [&](ScalarBuilder &s, Value x) { return s.gelu(x, approximate); }));
}
static void shrink(NodeBuilder &b) {
  double bias = b.number("bias", 0), lambda = b.number("lambd", 0.5);
  Value x = b.value(0);
  Type type = x ? b.type(x) : Type();
  b.result(b.map({x}, type, [&](OpBuilder &builder, Location at, ValueRange v) {
    ScalarMath s(builder, at, type);
    Value inner = s.select(s.less(s.constant(lambda), v[0]), s.sub(v[0], s.constant(bias)),
                           s.constant(int64_t(0)));
    return s.select(s.less(v[0], s.constant(-lambda)), s.add(v[0], s.constant(bias)), inner);
  }));
}
static Value reciprocal(ScalarBuilder &s, Value x) { return s.div(s.constant(1, x), x); }

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

/// Checks that inputs have one type, and gives it.
static Type commonType(NodeBuilder &b) {
  Type type = b.type(0u);
  for (unsigned i = 1; i < b.numInputs(); ++i)
    if (Tensor *other = b.input(i); other && other->type != type)
      b.error() << "its inputs have different types of elements; supported: one";
  return b.failed() ? Type() : type;
}

/// Up to operator set 6, the second operand may be aligned to a dimension of the first.
static Operand legacyOperand(NodeBuilder &b) {
  if (b.opset >= 7 || !b.has(1))
    return b.input(1);
  bool broadcast = b.flag("broadcast", false);
  b.ignore({"consumed_inputs"});
  if (!broadcast || !b.hasAttribute("axis"))
    return b.input(1);
  int64_t axis = b.axis("axis", b.rank(0u), std::nullopt);
  Value y = b.value(1);
  if (!y)
    return Value();
  ShapeExpr dims = b.shape(y);
  while (!b.failed() && int64_t(dims.size()) + axis < b.rank(0u))
    dims.push_back(b.expr(1));
  return b.reshape(y, ArrayRef<AffineExpr>(dims));
}

template <Value (*function)(ScalarMath &, Value, Value)> static void binary(NodeBuilder &b) {
  Type type = commonType(b);
  Operand x = b.input(0), y = legacyOperand(b);
  b.result(b.map({x, y}, type, [&](OpBuilder &builder, Location at, ValueRange v) {
    ScalarMath s(builder, at, type);
    return function(s, v[0], v[1]);
  }));
}
template <Value (*function)(ScalarMath &, Value, Value)> static void comparison(NodeBuilder &b) {
  Type type = commonType(b);
  Operand x = b.input(0), y = legacyOperand(b);
  b.result(b.map({x, y}, IntegerType::get(b.state.context, 1),
                 [&](OpBuilder &builder, Location at, ValueRange v) {
                   ScalarMath s(builder, at, type);
                   return function(s, v[0], v[1]);
                 }));
}
/// Any number of operands, two at a time.
template <Value (*function)(ScalarMath &, Value, Value)> static void variadic(NodeBuilder &b) {
  Type type = commonType(b);
  b.ignore({"consumed_inputs"});
  SmallVector<Operand> operands;
  for (unsigned i = 0; i < std::max(b.numInputs(), 1u); ++i)
    operands.push_back(b.input(i));
  b.result(b.map(operands, type, [&](OpBuilder &builder, Location at, ValueRange v) {
    ScalarMath s(builder, at, type);
    Value total = v[0];
    for (Value next : v.drop_front())
      total = function(s, total, next);
    return total;
  }));
}
template <Value (ScalarMath::*method)(Value, Value)> static Value call(ScalarMath &s, Value x, Value y) {
  return (s.*method)(x, y);
}
static Value greater(ScalarMath &s, Value x, Value y) { return s.less(y, x); }
static Value greaterOrEqual(ScalarMath &s, Value x, Value y) { return s.lessOrEqual(y, x); }
static Value exclusiveOr(ScalarMath &s, Value x, Value y) { return arith::XOrIOp::create(s.b, s.loc, x, y); }

static void mean(NodeBuilder &b) {
  Type type = commonType(b);
  SmallVector<Operand> operands;
  for (unsigned i = 0; i < std::max(b.numInputs(), 1u); ++i)
    operands.push_back(b.input(i));
  double count = operands.size();
  b.ignore({"consumed_inputs"});
  b.result(b.map(operands, type, [&](OpBuilder &builder, Location at, ValueRange v) {
    ScalarMath s(builder, at, type);
    Value total = v[0];
    for (Value next : v.drop_front())
      total = s.add(total, next);
    return s.div(total, s.constant(count));
  }));
}

/// The remainder has the sign of the divisor, or with `fmod` that of the dividend.
static void mod(NodeBuilder &b) {
  Type type = commonType(b);
  bool fmod = b.flag("fmod", false);
  b.result(b.map({b.input(0), b.input(1)}, type, [&](OpBuilder &builder, Location at, ValueRange v) -> Value {
    ScalarMath s(builder, at, type);
    Value rest = s.rem(v[0], v[1]);
    if (fmod || s.isUnsigned)
      return rest;
    Value zero = s.constant(int64_t(0));
    Value differ = exclusiveOr(s, s.less(rest, zero), s.less(v[1], zero));
    Value adjust = s.both(differ, s.invert(s.equal(rest, zero)));
    return s.select(adjust, s.add(rest, v[1]), rest);
  }));
}

/// `x^y` with the type of x; small constant exponents become products.
static void pow(NodeBuilder &b) {
  Type type = b.type(0u);
  Operand x = b.input(0), y = legacyOperand(b);
  const Scalars *exponents = b.known(1);
  if (exponents && exponents->size() == 1 && b.rank(1u) <= b.rank(0u) && isa_and_nonnull<FloatType>(type)) {
    Scalar exponent = exponents->front();
    auto integer = exponent.constant();
    double value = integer ? double(*integer) : exponent.number;
    if (value == 1 || value == 2 || value == 3 || value == 0.5 || value == -1 || value == -0.5)
      return b.result(b.map(x, [&](ScalarBuilder &s, Value e) {
        if (value == 0.5)
          return s.sqrt(e);
        if (value == -0.5)
          return s.div(s.constant(1, e), s.sqrt(e));
        if (value == -1)
          return s.div(s.constant(1, e), e);
        Value power = e;
        for (int i = 1; i < value; ++i)
          power = s.mul(power, e);
        return power;
      }));
  }
  Type exponentType = b.type(1u);
  b.result(b.map({x, y}, type, [&](OpBuilder &builder, Location at, ValueRange v) -> Value {
    // Through double where float has too few digits for integers.
    Type real = isa<FloatType>(type) ? type : builder.getF64Type();
    if (real.isF16() || real.isBF16())
      real = builder.getF32Type();
    Value base = castScalar(builder, at, v[0], type, real);
    Value exponent = castScalar(builder, at, v[1], exponentType, real);
    Value power = math::PowFOp::create(builder, at, base, exponent);
    if (!isa<FloatType>(type))
      power = math::RoundEvenOp::create(builder, at, power);
    return castScalar(builder, at, power, real, type);
  }));
}

/// An amount beyond the width, or a negative one, shifts everything out, as NumPy has it: processors differ.
static void bitShift(NodeBuilder &b) {
  Type type = commonType(b);
  bool left = b.choice("direction", {"LEFT", "RIGHT"}) == "LEFT";
  b.result(b.map({b.input(0), b.input(1)}, type, [&](OpBuilder &builder, Location at, ValueRange v) -> Value {
    ScalarMath s(builder, at, type);
    auto constant = [&](int64_t value) { return s.constant(value); };
    int64_t width = type.getIntOrFloatBitWidth();
    Value inside = arith::CmpIOp::create(builder, at, arith::CmpIPredicate::ult, v[1], constant(width));
    if (!left && !type.isUnsignedInteger())
      return arith::ShRSIOp::create(builder, at, v[0], s.select(inside, v[1], constant(width - 1)));
    Value amount = s.select(inside, v[1], constant(0));
    Value shifted = left ? Value(arith::ShLIOp::create(builder, at, v[0], amount))
                         : Value(arith::ShRUIOp::create(builder, at, v[0], amount));
    return s.select(inside, shifted, constant(0));
  }));
}

static void prelu(NodeBuilder &b) {
  Type type = commonType(b);
  Operand slope = b.input(1);
  if (b.opset < 7 && !b.failed() && b.rank(1u) == 1 && b.rank(0u) > 2) // one slope per channel
    slope = b.alignVector(b.value(1), 1, b.rank(0u));
  b.ignore({"consumed_inputs"});
  b.result(b.map({b.input(0), slope}, type, [&](OpBuilder &builder, Location at, ValueRange v) {
    ScalarMath s(builder, at, type);
    return s.select(s.less(v[0], s.constant(int64_t(0))), s.mul(v[0], v[1]), v[0]);
  }));
}

static void clip(NodeBuilder &b) {
  Type type = b.type(0u);
  SmallVector<Operand> operands{b.input(0)};
  std::optional<double> low, high;
  int least = -1, most = -1;
  if (b.opset < 11) {
    if (b.hasAttribute("min"))
      low = b.number("min", 0);
    if (b.hasAttribute("max"))
      high = b.number("max", 0);
    b.ignore({"min", "max", "consumed_inputs"});
  } else {
    if (b.has(1)) {
      least = operands.size();
      operands.push_back(b.input(1));
    }
    if (b.has(2)) {
      most = operands.size();
      operands.push_back(b.input(2));
    }
  }
  b.result(b.map(operands, type, [&](OpBuilder &builder, Location at, ValueRange v) {
    ScalarMath s(builder, at, type);
    Value x = v[0];
    if (low || least >= 0)
      x = s.maximum(x, low ? s.constant(*low) : v[least]);
    if (high || most >= 0)
      x = s.minimum(x, high ? s.constant(*high) : v[most]);
    return x;
  }));
}

//===----------------------------------------------------------------------===//
// Logic and casts
//===----------------------------------------------------------------------===//

static void logicalNot(NodeBuilder &b) {
  b.result(b.map({b.input(0)}, b.type(0u), [&](OpBuilder &builder, Location at, ValueRange v) {
    return ScalarMath(builder, at, v[0].getType()).invert(v[0]);
  }));
}

static void isNan(NodeBuilder &b) {
  b.result(b.map({b.input(0)}, IntegerType::get(b.state.context, 1),
                 [&](OpBuilder &builder, Location at, ValueRange v) -> Value {
                   return arith::CmpFOp::create(builder, at, arith::CmpFPredicate::UNO, v[0], v[0]);
                 }));
}

static void isInf(NodeBuilder &b) {
  bool negative = b.flag("detect_negative", true), positive = b.flag("detect_positive", true);
  Type type = b.type(0u);
  b.result(b.map({b.input(0)}, IntegerType::get(b.state.context, 1),
                 [&](OpBuilder &builder, Location at, ValueRange v) -> Value {
                   ScalarMath s(builder, at, type);
                   Value infinite = math::IsInfOp::create(builder, at, v[0]);
                   Value below = s.less(v[0], s.constant(int64_t(0)));
                   Value no = arith::ConstantOp::create(builder, at, builder.getBoolAttr(false));
                   Value wanted = s.select(below, negative ? infinite : no, positive ? infinite : no);
                   return wanted;
                 }));
}

static void where(NodeBuilder &b) {
  Type type = b.type(1u);
  if (!b.failed() && (b.type(2u) != type || !b.type(0u).isInteger(1)))
    b.error() << "its inputs have different types of elements; supported: a bool and two of one type";
  b.result(b.map({b.input(0), b.input(1), b.input(2)}, type,
                 [&](OpBuilder &builder, Location at, ValueRange v) -> Value {
                   return arith::SelectOp::create(builder, at, v[0], v[1], v[2]);
                 }));
}

static void cast(NodeBuilder &b) {
  b.ignore({"saturate", "round_mode"});
  Type to = b.elementType("to", b.type(0u));
  if (!b.hasAttribute("to"))
    b.refuse("to", "a type of element");
  if (!b.failed() && to == b.type(0u))
    return b.result(b.input(0));
  b.result(b.cast(b.input(0), to));
}
static void castLike(NodeBuilder &b) {
  b.ignore({"saturate", "round_mode"});
  Type to = b.type(1u);
  if (!b.failed() && to == b.type(0u))
    return b.result(b.input(0));
  b.result(b.cast(b.input(0), to));
}
static void foldCast(NodeBuilder &b) {
  Type to = b.elementType("to", Type());
  if (to)
    foldElements(b, to, [&](ArrayRef<Scalar> v) { return castKnown(v[0], to); });
}
static void foldCastLike(NodeBuilder &b) {
  Type to = b.type(1u);
  const Scalars *elements = b.known(0u);
  auto shape = elements ? constantShape(b.input(0)->shape) : std::nullopt;
  if (!shape)
    return;
  Scalars result;
  for (const Scalar &element : *elements) {
    auto value = castKnown(element, to);
    if (!value)
      return;
    result.push_back(*value);
  }
  b.result(to, *shape, result);
}

static void bitCast(NodeBuilder &b) {
  Type from = b.type(0u), to = b.elementType("to", from);
  if (!b.failed() && bytesPerElement(from) != bytesPerElement(to))
    b.refuse("to", "a type of the input's width");
  b.result(b.map({b.input(0)}, to, [&](OpBuilder &builder, Location at, ValueRange v) -> Value {
    Type target = nn::scalarType(to);
    return target == v[0].getType() ? v[0] : Value(arith::BitcastOp::create(builder, at, target, v[0]));
  }));
}

static void identity(NodeBuilder &b) {
  b.ignore({"consumed_inputs"});
  if (!b.has(0))
    b.error() << "its input 0 is missing";
  else
    b.result(b.inputTensor(0));
}

/// The ratio of a Dropout that acts in training alone; zero where it keeps everything.
static double dropoutRatio(NodeBuilder &b) {
  constexpr double otherwise = 0.5;
  if (b.opset < 12)
    return b.number("ratio", otherwise);
  bool isTraining = b.has(2) && b.constant(2, "training mode") != 0;
  // A ratio that is known at run time only is the application's own way to switch training on.
  double ratio = !b.has(1) ? otherwise : isTraining || b.known(1) ? b.constantNumber(1, "ratio") : 0;
  if (isTraining && ratio != 0)
    b.error() << "its training mode is true and its ratio " << ratio << "; supported: inference, or a ratio of 0";
  return ratio;
}

/// Dropout keeps everything in inference. In training it draws, unless its mask is read, which then is that of inference.
static void dropout(NodeBuilder &b) {
  b.ignore({"ratio", "seed", "is_test", "consumed_inputs"});
  double ratio = dropoutRatio(b);
  if (ratio > 0 && ratio < 1 && b.isFloat(0) && !b.known(0u) && !b.wants(1)) {
    b.result(b.make<nn::DropoutOp>(b.value(0), nn::DropoutKind::Plain, APFloat(ratio), ArrayRef<int64_t>()));
    return;
  }
  b.result(b.input(0));
  if (b.wants(1) && b.input(0)) {
    Type type = b.opset >= 10 ? Type(IntegerType::get(b.state.context, 1)) : b.type(0u);
    Scalar one = isa<FloatType>(type) ? numberScalar(1) : integerScalar(b.expr(1));
    b.result(b.splat(b.input(0)->shape, type, one));
  }
}

static double inverse(double x) { return 1 / x; }
static double atLeastZero(double x) { return x > 0 ? x : 0; }

ArrayRef<OperatorRow> pointwiseOperators() {
  using SM = ScalarMath;
  static const OperatorRow rows[] = {
      {"Abs", 6, kNewest, unaryAny<absolute>},
      {"Acos", 7, kNewest, mathOp<math::AcosOp>},
      {"Acosh", 9, kNewest, mathOp<math::AcoshOp>},
      {"Add", 6, kNewest, binary<call<&SM::add>>, foldArithmetic<Fold::Add>},
      {"And", 6, kNewest, binary<call<&SM::both>>, foldLogic<true>},
      {"Asin", 7, kNewest, mathOp<math::AsinOp>},
      {"Asinh", 9, kNewest, mathOp<math::AsinhOp>},
      {"Atan", 7, kNewest, mathOp<math::AtanOp>},
      {"Atanh", 9, kNewest, mathOp<math::AtanhOp>},
      {"BitCast", 1, kNewest, bitCast},
      {"BitShift", 11, kNewest, bitShift},
      {"BitwiseAnd", 18, kNewest, binary<call<&SM::both>>},
      {"BitwiseNot", 18, kNewest, unaryAny<bitwiseNot>},
      {"BitwiseOr", 18, kNewest, binary<call<&SM::either>>},
      {"BitwiseXor", 18, kNewest, binary<exclusiveOr>},
      {"Cast", 6, kNewest, cast, foldCast},
      {"CastLike", 15, kNewest, castLike, foldCastLike},
      {"Ceil", 6, kNewest, mathOp<math::CeilOp>, foldRounding<std::ceil>},
      {"Celu", 12, kNewest, celu},
      {"Clip", 6, kNewest, clip},
      {"Cos", 7, kNewest, mathOp<math::CosOp>},
      {"Cosh", 9, kNewest, mathOp<math::CoshOp>},
      {"Div", 6, kNewest, binary<call<&SM::div>>, foldArithmetic<Fold::Div>},
      {"Dropout", 6, kNewest, dropout},
      {"Elu", 6, kNewest, elu},
      {"Equal", 6, kNewest, comparison<call<&SM::equal>>, foldComparison<Order::Equal>},
      {"Erf", 9, kNewest, unary<scalar<&ScalarBuilder::erf>>},
      {"Exp", 6, kNewest, unary<scalar<&ScalarBuilder::exp>>},
      {"Floor", 6, kNewest, mathOp<math::FloorOp>, foldRounding<std::floor>},
      {"Gelu", 20, kNewest, gelu},
      {"Greater", 6, kNewest, comparison<greater>, foldComparison<Order::Greater>},
      {"GreaterOrEqual", 12, kNewest, comparison<greaterOrEqual>, foldComparison<Order::GreaterOrEqual>},
      {"HardSigmoid", 6, kNewest, hardSigmoid},
      {"HardSwish", 14, kNewest, unary<hardSwish>},
      {"Identity", 1, kNewest, identity},
      {"IsInf", 10, kNewest, isInf},
      {"IsNaN", 9, kNewest, isNan},
      {"LeakyRelu", 6, kNewest, leakyRelu},
      {"Less", 6, kNewest, comparison<call<&SM::less>>, foldComparison<Order::Less>},
      {"LessOrEqual", 12, kNewest, comparison<call<&SM::lessOrEqual>>, foldComparison<Order::LessOrEqual>},
      {"Log", 6, kNewest, unary<scalar<&ScalarBuilder::log>>},
      {"Max", 6, kNewest, variadic<call<&SM::maximum>>, foldArithmetic<Fold::Max>},
      {"Mean", 6, kNewest, mean},
      {"Min", 6, kNewest, variadic<call<&SM::minimum>>, foldArithmetic<Fold::Min>},
      {"Mish", 18, kNewest, unary<scalar<&ScalarBuilder::mish>>},
      {"Mod", 10, kNewest, mod, foldArithmetic<Fold::Mod>},
      {"Mul", 6, kNewest, binary<call<&SM::mul>>, foldArithmetic<Fold::Mul>},
      {"Neg", 6, kNewest, unaryAny<negative>, foldNegate},
      {"Not", 1, kNewest, logicalNot, foldNot},
      {"Or", 6, kNewest, binary<call<&SM::either>>, foldLogic<false>},
      {"PRelu", 6, kNewest, prelu},
      {"Pow", 6, kNewest, pow, foldPow},
      {"Reciprocal", 6, kNewest, unary<reciprocal>, foldNumber<inverse>},
      {"Relu", 6, kNewest, unaryAny<relu>, foldNumber<atLeastZero>},
      {"Round", 11, kNewest, mathOp<math::RoundEvenOp>, foldRounding<std::nearbyint>},
      {"Selu", 6, kNewest, selu},
      {"Shrink", 9, kNewest, shrink},
      {"Sigmoid", 6, kNewest, unary<scalar<&ScalarBuilder::sigmoid>>},
      {"Sign", 9, kNewest, unaryAny<sign>},
      {"Sin", 7, kNewest, mathOp<math::SinOp>},
      {"Sinh", 9, kNewest, mathOp<math::SinhOp>},
      {"Softplus", 1, kNewest, unary<scalar<&ScalarBuilder::softplus>>},
      {"Softsign", 1, kNewest, unary<scalar<&ScalarBuilder::softsign>>},
      {"Sqrt", 6, kNewest, unary<scalar<&ScalarBuilder::sqrt>>, foldNumber<std::sqrt>},
      {"Sub", 6, kNewest, binary<call<&SM::sub>>, foldArithmetic<Fold::Sub>},
      {"Sum", 6, kNewest, variadic<call<&SM::add>>, foldArithmetic<Fold::Add>},
      {"Swish", 24, kNewest, swish},
      {"Tan", 7, kNewest, mathOp<math::TanOp>},
      {"Tanh", 6, kNewest, unary<scalar<&ScalarBuilder::tanh>>},
      {"ThresholdedRelu", 10, kNewest, thresholdedRelu},
      {"Where", 9, kNewest, where, foldWhere},
      {"Xor", 6, kNewest, binary<exclusiveOr>},
  };
  return rows;
}

} // namespace sylvite::onnx
