//===- Operations.cpp - nodes of keras.ops --------------------------------===//
//
// Rows for the functions of keras.ops that a Functional model calls on tensors directly: those that compute. Their parameters
// are in the node's configuration or among its arguments; tensors and constants may stand on either side of an
// operator. ShapeOperations.cpp has those that move elements. Activations are in Pointwise.cpp's table.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/keras/Layers.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include <cmath>

using namespace llvm;
using namespace mlir;
using namespace sylvite;
using namespace sylvite::keras;

using nn::ScalarBuilder;

//===----------------------------------------------------------------------===//
// Operators
//===----------------------------------------------------------------------===//

/// A binary operator; a number beside a tensor becomes part of the region.
static void binary(LayerBuilder &b,
                   llvm::function_ref<Value(ScalarBuilder &, Value, Value)> function) {
  ArrayRef<Argument> arguments = b.arguments();
  if (arguments.size() != 2)
    return void(b.error() << "it has " << arguments.size() << " positional arguments; supported: 2");
  for (unsigned side = 0; side < 2; ++side) {
    if (arguments[side].kind == Argument::Tensor)
      continue;
    auto number = asNumber(arguments[side].value);
    if (!number)
      continue;
    return b.result(b.map(b.floatInput(), [&](ScalarBuilder &s, Value x) {
      Value constant = s.constant(*number, x);
      return side ? function(s, x, constant) : function(s, constant, x);
    }));
  }
  b.result(b.map(b.toFloat(b.operand(0)), b.toFloat(b.operand(1)), function));
}

/// The type in which integers or booleans meet integers; null where one of them is floating-point, or both are booleans.
static Type commonInteger(Value x, Value y) {
  if (!x || !y)
    return {};
  Type p = getElementTypeOrSelf(x.getType()), q = getElementTypeOrSelf(y.getType());
  if (!isa<IntegerType>(p) || !isa<IntegerType>(q) || (p.isInteger(1) && q.isInteger(1)))
    return {};
  return p.getIntOrFloatBitWidth() < q.getIntOrFloatBitWidth() ? q : p;
}

/// The arguments at `first` and after it in one type: that of integers where both are, or a tensor's beside a whole number,
/// else float32.
static std::pair<Value, Value> readSides(LayerBuilder &b, unsigned first = 0) {
  ArrayRef<Argument> arguments = b.arguments();
  if (arguments.size() != first + 2) {
    b.error() << "it has " << arguments.size() << " positional arguments; supported: " << first + 2;
    return {};
  }
  SmallVector<Value> sides{b.operand(first), b.operand(first + 1)};
  for (unsigned side = 0; side < 2; ++side)
    if (const Argument &own = arguments[first + side];
        own.kind == Argument::Value && own.value->is_number_integer() && sides[1 - side])
      if (Type type = getElementTypeOrSelf(sides[1 - side].getType()); isa<IntegerType>(type) && !type.isInteger(1))
        sides[side] = b.convert(sides[side], type);
  if (Type type = commonInteger(sides[0], sides[1]))
    return {b.convert(sides[0], type), b.convert(sides[1], type)};
  return {b.toFloat(sides[0]), b.toFloat(sides[1])};
}

/// Arithmetic that keeps integers integers.
template <Arithmetic kind, Value (ScalarBuilder::*numbers)(Value, Value)> static void arithmetic(LayerBuilder &b) {
  if (llvm::any_of(b.inputs(), [](Value x) { return x && isa<IntegerType>(getElementTypeOrSelf(x.getType())); })) {
    auto [x, y] = readSides(b);
    return b.result(b.map({x, y}, [](OpBuilder &builder, Location loc, ValueRange v) {
      return (ScalarMath(builder, loc, v[0].getType()).*kind)(v[0], v[1]);
    }));
  }
  binary(b, [](ScalarBuilder &s, Value x, Value y) { return (s.*numbers)(x, y); });
}

/// A comparison of two tensors, or of a tensor with a number, in the tensor's type.
template <arith::CmpFPredicate floats, arith::CmpIPredicate integers>
static void comparison(LayerBuilder &b) {
  ArrayRef<Argument> arguments = b.arguments();
  if (arguments.size() != 2)
    return void(b.error() << "it has " << arguments.size() << " positional arguments; supported: 2");
  auto compare = [](OpBuilder &builder, Location loc, Value x, Value y) -> Value {
    if (isa<FloatType>(x.getType()))
      return arith::CmpFOp::create(builder, loc, floats, x, y);
    return arith::CmpIOp::create(builder, loc, integers, x, y);
  };
  for (unsigned side = 0; side < 2; ++side) {
    if (arguments[side].kind == Argument::Tensor)
      continue;
    auto number = asNumber(arguments[side].value);
    if (!number)
      continue;
    Value x = b.input();
    bool isWhole = x && *number == std::floor(*number) && !getElementTypeOrSelf(x.getType()).isInteger(1);
    x = isWhole ? x : b.toFloat(x);
    return b.result(b.map({x}, [&](OpBuilder &builder, Location loc, ValueRange v) {
      Type type = v[0].getType();
      TypedAttr value = isa<FloatType>(type) ? TypedAttr(builder.getFloatAttr(type, *number))
                                             : TypedAttr(builder.getIntegerAttr(type, int64_t(*number)));
      Value constant = arith::ConstantOp::create(builder, loc, value);
      return side ? compare(builder, loc, v[0], constant) : compare(builder, loc, constant, v[0]);
    }));
  }
  auto [x, y] = readSides(b);
  b.result(b.map({x, y}, [&](OpBuilder &builder, Location loc, ValueRange v) {
    return compare(builder, loc, v[0], v[1]);
  }));
}

template <typename OpTy> static void logical(LayerBuilder &b) {
  b.result(b.map({b.toBoolean(b.operand(0)), b.toBoolean(b.operand(1))},
                 [](OpBuilder &builder, Location loc, ValueRange v) -> Value {
                   return OpTy::create(builder, loc, v[0], v[1]);
                 }));
}

static void logicalNot(LayerBuilder &b) {
  b.result(b.map({b.toBoolean(b.input())}, [](OpBuilder &builder, Location loc, ValueRange v) -> Value {
    Value one = arith::ConstantOp::create(builder, loc, builder.getBoolAttr(true));
    return arith::XOrIOp::create(builder, loc, v[0], one);
  }));
}

/// Any (the largest) or all (the least) of booleans along dimensions.
template <nn::ReduceKind kind> static void quantifier(LayerBuilder &b) {
  Value x = b.toFloat(b.toBoolean(b.input()));
  Dims dims = b.axes("axis", rankOf(x), llvm::to_vector(llvm::seq<int64_t>(0, rankOf(x))));
  b.result(b.toBoolean(b.make<nn::ReduceOp>(x, kind, dims, b.boolean("keepdims", false))));
}

static void where(LayerBuilder &b) {
  Value condition = b.toBoolean(b.operand(0));
  auto [x, y] = readSides(b, 1);
  auto isWhole = [](const Argument &given) { return given.kind == Argument::Value && given.value->is_number_integer(); };
  if (llvm::all_of(b.arguments().drop_front(), isWhole)) {
    x = b.convert(x, b.builder.getI32Type());
    y = b.convert(y, b.builder.getI32Type());
  }
  b.result(b.map({condition, x, y}, [](OpBuilder &builder, Location loc, ValueRange v) -> Value {
    return arith::SelectOp::create(builder, loc, v[0], v[1], v[2]);
  }));
}

static void divide(LayerBuilder &b) {
  binary(b, [](ScalarBuilder &s, Value x, Value y) { return s.div(x, y); });
}

static void power(LayerBuilder &b) {
  ArrayRef<Argument> arguments = b.arguments();
  if (arguments.size() == 2 && arguments[0].kind == Argument::Tensor)
    if (auto exponent = asNumber(arguments[1].value); exponent && *exponent == 2)
      return b.result(b.map(b.floatInput(), [](ScalarBuilder &s, Value x) { return s.mul(x, x); }));
  binary(b, [](ScalarBuilder &s, Value x, Value y) { return s.pow(x, y); });
}

//===----------------------------------------------------------------------===//
// Functions of one tensor
//===----------------------------------------------------------------------===//

template <Value (*function)(ScalarBuilder &, Value)> static void unary(LayerBuilder &b) {
  b.result(b.map(b.floatInput(), function));
}

/// The same where integers stay integers, of which `integers` is the function.
template <Value (*numbers)(ScalarBuilder &, Value), Value (*integers)(OpBuilder &, Location, Value)>
static void unaryAny(LayerBuilder &b) {
  Value x = b.input();
  auto type = x ? dyn_cast<IntegerType>(getElementTypeOrSelf(x.getType())) : IntegerType();
  if (!type || type.isInteger(1))
    return unary<numbers>(b);
  b.result(b.map({x}, [](OpBuilder &builder, Location loc, ValueRange v) { return integers(builder, loc, v[0]); }));
}

template <typename MathOp> static void mathFunction(LayerBuilder &b) {
  Value x = b.floatInput();
  b.result(b.map({x}, [](OpBuilder &builder, Location loc, ValueRange v) -> Value {
    return MathOp::create(builder, loc, v[0]);
  }));
}

static Value absolute(ScalarBuilder &s, Value x) { return s.abs(x); }
static Value absoluteInteger(OpBuilder &b, Location loc, Value x) { return math::AbsIOp::create(b, loc, x); }
static Value negative(ScalarBuilder &s, Value x) { return s.neg(x); }
static Value negativeInteger(OpBuilder &b, Location loc, Value x) {
  return ScalarMath(b, loc, x.getType()).negate(x);
}
static Value reciprocal(ScalarBuilder &s, Value x) { return s.div(s.constant(1, x), x); }
static Value square(ScalarBuilder &s, Value x) { return s.mul(x, x); }
static Value squareInteger(OpBuilder &b, Location loc, Value x) {
  return ScalarMath(b, loc, x.getType()).mul(x, x);
}
static Value sign(ScalarBuilder &s, Value x) {
  Value zero = s.constant(0, x), notPositive = s.selectGreater(zero, x, s.constant(-1, x), x);
  return s.selectGreater(x, zero, s.constant(1, x), notPositive);
}

/// A parameter in the configuration, or among the arguments.
static const Json *parameter(LayerBuilder &b, unsigned position, StringRef key) {
  const Json *value = b.attribute(key);
  return value ? value : b.argument(position, key);
}

/// The element type that `dtype` names; null, after an error, where it is not supported.
static Type elementType(LayerBuilder &b, const Json *dtype) {
  StringRef name = asString(dtype).value_or("");
  if (name == "float32")
    return b.builder.getF32Type();
  for (unsigned width : {8, 16, 32, 64})
    if (name == "int" + std::to_string(width))
      return b.builder.getIntegerType(width);
  if (name == "bool")
    return b.builder.getI1Type();
  b.refuse("dtype", "\"float32\", \"int8\" to \"int64\", \"bool\"");
  return {};
}

static Value castTo(LayerBuilder &b, Value x, Type element) {
  return !element ? Value() : element.isInteger(1) ? b.toBoolean(x) : b.convert(x, element);
}

/// The input's shape filled with a number: `value`, or where that is negative the second argument.
template <int value> static void like(LayerBuilder &b) {
  Value x = b.input();
  double number = value;
  if (const Json *given = value < 0 ? b.argument(1, "fill_value") : nullptr; value < 0) {
    if (!asNumber(given))
      return void(b.error() << "its fill_value is not a number");
    number = *asNumber(given);
  }
  const Json *dtype = parameter(b, 2, "dtype");
  Type element = !x ? Type() : dtype ? elementType(b, dtype) : getElementTypeOrSelf(x.getType());
  Value filled = b.map(b.toFloat(x), [&](ScalarBuilder &s, Value e) { return s.constant(number, e); });
  b.result(castTo(b, filled, element));
}

static void clip(LayerBuilder &b) {
  auto low = asNumber(parameter(b, 1, "x_min")), high = asNumber(parameter(b, 2, "x_max"));
  if (!low || !high)
    return void(b.error() << "its bounds x_min and x_max are not both numbers");
  b.result(b.map(b.floatInput(), [&](ScalarBuilder &s, Value x) { return s.clamp(x, *low, *high); }));
}

static void threshold(LayerBuilder &b) {
  double bound = b.number("threshold", std::nullopt), below = b.number("default_value", std::nullopt);
  b.result(b.map(b.floatInput(), [&](ScalarBuilder &s, Value x) {
    return s.selectGreater(x, s.constant(bound, x), x, s.constant(below, x));
  }));
}

static void cast(LayerBuilder &b) {
  Type element = elementType(b, parameter(b, 1, "dtype"));
  b.result(castTo(b, b.input(), element));
}

static void passOn(LayerBuilder &b) { b.result(b.input()); }

/// The `axis` of a reduction, all dimensions by default.
static Dims reducedAxes(LayerBuilder &b, Value x) {
  return b.axes("axis", rankOf(x), llvm::to_vector(llvm::seq<int64_t>(0, rankOf(x))));
}

/// Sums and products of integers are integers, of 32 bits at least.
template <nn::ReduceKind kind> static void reduction(LayerBuilder &b) {
  Value x = b.input();
  bool isInteger = x && isa<IntegerType>(getElementTypeOrSelf(x.getType()));
  bool isWhole = isInteger && kind != nn::ReduceKind::Mean;
  if (isWhole && getElementTypeOrSelf(x.getType()).getIntOrFloatBitWidth() < 32)
    x = b.convert(x, b.builder.getI32Type());
  x = isWhole ? x : b.toFloat(x);
  b.result(b.make<nn::ReduceOp>(x, kind, reducedAxes(b, x), b.boolean("keepdims", false)));
}

static Value reduce(LayerBuilder &b, nn::ReduceKind kind, Value x, ArrayRef<int64_t> dims, bool keepDims = true) {
  return b.make<nn::ReduceOp>(x, kind, dims, keepDims);
}

static Value subtract(LayerBuilder &b, Value x, Value y) {
  return b.map(x, y, [](ScalarBuilder &s, Value p, Value q) { return s.sub(p, q); });
}

/// The mean of the squared distances from the mean, or its root.
template <bool root> static void variance(LayerBuilder &b) {
  Value x = b.floatInput();
  Dims dims = reducedAxes(b, x);
  Value distance = subtract(b, x, reduce(b, nn::ReduceKind::Mean, x, dims));
  Value y = reduce(b, nn::ReduceKind::Mean, b.map(distance, square), dims, b.boolean("keepdims", false));
  b.result(root ? b.map(y, [](ScalarBuilder &s, Value e) { return s.sqrt(e); }) : y);
}

/// Divides by the norm of order 1 or 2, or by `epsilon` where that is more.
static void normalize(LayerBuilder &b) {
  Value x = b.floatInput();
  int64_t order = b.integer("order", 2);
  double epsilon = b.number("epsilon", 1e-7);
  if (order > 2)
    return b.refuse("order", "1, 2");
  Value sizes = b.map(x, [&](ScalarBuilder &s, Value e) { return order == 1 ? s.abs(e) : s.mul(e, e); });
  Value norm = reduce(b, nn::ReduceKind::Sum, sizes, reducedAxes(b, x));
  b.result(b.map(x, norm, [&](ScalarBuilder &s, Value e, Value n) {
    return s.div(e, s.maximum(order == 1 ? n : s.sqrt(n), s.constant(epsilon, n)));
  }));
}

static void logSumExp(LayerBuilder &b) {
  Value x = b.floatInput();
  Dims dims = reducedAxes(b, x);
  bool keepDims = b.boolean("keepdims", false);
  Value most = reduce(b, nn::ReduceKind::Max, x, dims);
  Value powers = b.map(subtract(b, x, most), [](ScalarBuilder &s, Value e) { return s.exp(e); });
  Value total = reduce(b, nn::ReduceKind::Sum, powers, dims, keepDims);
  if (!keepDims)
    most = reduce(b, nn::ReduceKind::Max, x, dims, false);
  b.result(b.map(total, most, [](ScalarBuilder &s, Value sum, Value e) { return s.add(s.log(sum), e); }));
}

/// The first position of the largest or the least element along a dimension: the least of the positions that hold it.
template <nn::ReduceKind kind> static void position(LayerBuilder &b) {
  Value x = b.floatInput();
  if (!b.attribute("axis"))
    return b.refuse("axis", "a dimension");
  int64_t axis = b.axis("axis", rankOf(x), 0);
  Value index = b.convert(b.indices(x, axis), b.builder.getI32Type());
  for (int64_t i = axis + 1; i < rankOf(x) && index; ++i)
    index = b.expandDims(index, rankOf(index));
  Value candidates = b.map({x, reduce(b, kind, x, {axis}), index}, [](OpBuilder &builder, Location loc, ValueRange v) -> Value {
    Value isBest = arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::OEQ, v[0], v[1]);
    Value none = arith::ConstantIntOp::create(builder, loc, v[2].getType(), INT32_MAX);
    return arith::SelectOp::create(builder, loc, isBest, v[2], none);
  });
  b.result(reduce(b, nn::ReduceKind::Min, candidates, {axis}, b.boolean("keepdims", false)));
}

Value keras::oneHot(LayerBuilder &b, Value x, int64_t classes, int64_t axis) {
  if (b.failed() || !x)
    return {};
  Type i64 = b.builder.getI64Type();
  auto count = AffineMap::get(0, rankOf(x), b.builder.getAffineConstantExpr(classes));
  Value index = nn::RangeOp::create(b.builder, b.loc, RankedTensorType::get({classes}, i64), count, x);
  index = b.alignTo(index, {axis}, rankOf(x) + 1);
  return b.map({b.expandDims(b.convert(x, i64), axis), index}, [](OpBuilder &builder, Location loc, ValueRange v) -> Value {
    Value isClass = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, v[0], v[1]);
    return arith::UIToFPOp::create(builder, loc, builder.getF32Type(), isClass);
  });
}

static void encodeOneHot(LayerBuilder &b) {
  Value x = b.input();
  int64_t classes = b.integer("num_classes", std::nullopt), axis = b.axis("axis", rankOf(x) + 1, rankOf(x));
  b.ignore({"sparse"});
  const Json *dtype = b.attribute("dtype");
  Type element = dtype ? elementType(b, dtype) : Type(b.builder.getF32Type());
  b.result(castTo(b, oneHot(b, x, classes, axis), element));
}

static void matmul(LayerBuilder &b) {
  Value x = b.toFloat(b.operand(0, "x1")), y = b.toFloat(b.operand(1, "x2"));
  b.result(b.make<nn::MatmulOp>(x, y, false, false));
}

ArrayRef<LayerRow> keras::operations() {
  using Kind = nn::ReduceKind;
  static const LayerRow rows[] = {
      {"Absolute", unaryAny<absolute, absoluteInteger>},
      {"Add", arithmetic<&ScalarMath::add, &ScalarBuilder::add>},
      {"All", quantifier<Kind::Min>},
      {"Any", quantifier<Kind::Max>},
      {"Arccos", mathFunction<math::AcosOp>},
      {"Arccosh", mathFunction<math::AcoshOp>},
      {"Arcsin", mathFunction<math::AsinOp>},
      {"Arcsinh", mathFunction<math::AsinhOp>},
      {"Arctan", mathFunction<math::AtanOp>},
      {"Arctanh", mathFunction<math::AtanhOp>},
      {"Argmax", position<Kind::Max>},
      {"Argmin", position<Kind::Min>},
      {"Cast", cast},
      {"Ceil", mathFunction<math::CeilOp>},
      {"Clip", clip},
      {"Cos", mathFunction<math::CosOp>},
      {"Cosh", mathFunction<math::CoshOp>},
      {"Divide", divide},
      {"Dot", dotProduct},
      {"DotProductAttention", dotProductAttention, Masks::Own},
      {"Einsum", einsum},
      {"Equal", comparison<arith::CmpFPredicate::OEQ, arith::CmpIPredicate::eq>},
      {"Erf", mathFunction<math::ErfOp>},
      {"Exp", mathFunction<math::ExpOp>},
      {"Exp2", mathFunction<math::Exp2Op>},
      {"Expm1", mathFunction<math::ExpM1Op>},
      {"Floor", mathFunction<math::FloorOp>},
      {"FullLike", like<-1>},
      {"Greater", comparison<arith::CmpFPredicate::OGT, arith::CmpIPredicate::sgt>},
      {"GreaterEqual", comparison<arith::CmpFPredicate::OGE, arith::CmpIPredicate::sge>},
      {"Less", comparison<arith::CmpFPredicate::OLT, arith::CmpIPredicate::slt>},
      {"LessEqual", comparison<arith::CmpFPredicate::OLE, arith::CmpIPredicate::sle>},
      {"Log", mathFunction<math::LogOp>},
      {"Log10", mathFunction<math::Log10Op>},
      {"Log1p", mathFunction<math::Log1pOp>},
      {"Log2", mathFunction<math::Log2Op>},
      {"LogicalAnd", logical<arith::AndIOp>},
      {"LogicalNot", logicalNot},
      {"LogicalOr", logical<arith::OrIOp>},
      {"LogicalXor", logical<arith::XOrIOp>},
      {"Logsumexp", logSumExp},
      {"Matmul", matmul},
      {"Max", reduction<Kind::Max>},
      {"Maximum", arithmetic<&ScalarMath::maximum, &ScalarBuilder::maximum>},
      {"Mean", reduction<Kind::Mean>},
      {"Min", reduction<Kind::Min>},
      {"Minimum", arithmetic<&ScalarMath::minimum, &ScalarBuilder::minimum>},
      {"Multiply", arithmetic<&ScalarMath::mul, &ScalarBuilder::mul>},
      {"Negative", unaryAny<negative, negativeInteger>},
      {"Normalize", normalize},
      {"NotEqual", comparison<arith::CmpFPredicate::UNE, arith::CmpIPredicate::ne>},
      {"OneHot", encodeOneHot},
      {"OnesLike", like<1>},
      {"Power", power},
      {"Prod", reduction<Kind::Prod>},
      {"Reciprocal", unary<reciprocal>},
      {"Round", mathFunction<math::RoundEvenOp>},
      {"Rsqrt", mathFunction<math::RsqrtOp>},
      {"Sign", unary<sign>},
      {"Sin", mathFunction<math::SinOp>},
      {"Sinh", mathFunction<math::SinhOp>},
      {"Sqrt", mathFunction<math::SqrtOp>},
      {"Square", unaryAny<square, squareInteger>},
      {"Std", variance<true>},
      {"StopGradient", passOn},
      {"Subtract", arithmetic<&ScalarMath::sub, &ScalarBuilder::sub>},
      {"Sum", reduction<Kind::Sum>},
      {"Tan", mathFunction<math::TanOp>},
      {"Tensordot", tensordot},
      {"Threshold", threshold},
      {"TrueDivide", divide},
      {"Trunc", mathFunction<math::TruncOp>},
      {"Var", variance<false>},
      {"Where", where},
      {"ZerosLike", like<0>},
  };
  return rows;
}
