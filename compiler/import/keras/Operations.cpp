//===- Operations.cpp - nodes of keras.ops --------------------------------===//
//
// Rows for the functions of keras.ops that a Functional model calls on tensors directly. Their parameters are
// in the node's configuration or among its arguments; tensors and constants may stand on either side of an
// operator. Activations are in Pointwise.cpp's table.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/keras/Arrays.h"
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

/// A side of an operator: a tensor, or the array or number that stands there.
static Value operand(LayerBuilder &b, unsigned position, unsigned &nextTensor) {
  ArrayRef<Argument> arguments = b.arguments();
  if (position < arguments.size() && arguments[position].kind == Argument::Tensor)
    return b.input(nextTensor++);
  std::optional<Array> array =
      position < arguments.size() ? readArray(arguments[position].value) : std::nullopt;
  if (!array) {
    b.error() << "argument " << position << " is "
              << (position < arguments.size() ? describe(*arguments[position].value) : "missing")
              << "; supported: tensors, numbers and arrays of numbers";
    return {};
  }
  return b.constant("constant_" + std::to_string(position), array->shape, array->values);
}

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
  unsigned nextTensor = 0;
  Value x = operand(b, 0, nextTensor), y = operand(b, 1, nextTensor);
  b.result(b.map(b.toFloat(x), b.toFloat(y), function));
}

/// Arithmetic that keeps integers integers.
template <Arithmetic kind> static void arithmeticOperation(LayerBuilder &b) {
  ArrayRef<Value> inputs = b.inputs();
  bool integers = inputs.size() == 2 && llvm::none_of(inputs, [](Value x) {
                    return isa<FloatType>(getElementTypeOrSelf(x.getType()));
                  });
  if (integers && getElementTypeOrSelf(inputs[0]) == getElementTypeOrSelf(inputs[1]))
    return b.result(b.map(inputs, [](OpBuilder &builder, Location loc, ValueRange v) {
      return arithmetic(builder, loc, kind, v[0], v[1]);
    }));
  binary(b, [](ScalarBuilder &s, Value x, Value y) {
    switch (kind) {
    case Arithmetic::Add:
      return s.add(x, y);
    case Arithmetic::Subtract:
      return s.sub(x, y);
    case Arithmetic::Multiply:
      return s.mul(x, y);
    case Arithmetic::Maximum:
      return s.maximum(x, y);
    case Arithmetic::Minimum:
      return s.minimum(x, y);
    }
    llvm_unreachable("every kind returns");
  });
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
  unsigned nextTensor = 0;
  Value x = b.toFloat(operand(b, 0, nextTensor)), y = b.toFloat(operand(b, 1, nextTensor));
  b.result(b.map({x, y}, [&](OpBuilder &builder, Location loc, ValueRange v) {
    return compare(builder, loc, v[0], v[1]);
  }));
}

/// `x` as booleans: where it is not zero.
static Value toBoolean(LayerBuilder &b, Value x) {
  if (!x || b.failed() || getElementTypeOrSelf(x.getType()).isInteger(1))
    return x;
  return b.map(b.toFloat(x), [&](ScalarBuilder &s, Value e) -> Value {
    return arith::CmpFOp::create(b.builder, b.loc, arith::CmpFPredicate::UNE, e, s.constant(0, e));
  });
}

template <typename OpTy> static void logical(LayerBuilder &b) {
  b.expectInputs(2);
  if (b.failed())
    return;
  b.result(b.map({toBoolean(b, b.input(0)), toBoolean(b, b.input(1))},
                 [](OpBuilder &builder, Location loc, ValueRange v) -> Value {
                   return OpTy::create(builder, loc, v[0], v[1]);
                 }));
}

static void logicalNot(LayerBuilder &b) {
  b.result(b.map({toBoolean(b, b.input())}, [](OpBuilder &builder, Location loc, ValueRange v) -> Value {
    Value one = arith::ConstantOp::create(builder, loc, builder.getBoolAttr(true));
    return arith::XOrIOp::create(builder, loc, v[0], one);
  }));
}

/// Any (the largest) or all (the least) of booleans along dimensions.
template <nn::ReduceKind kind> static void quantifier(LayerBuilder &b) {
  Value x = b.toFloat(toBoolean(b, b.input()));
  Dims all;
  for (int64_t i = 0; i < rankOf(x); ++i)
    all.push_back(i);
  Dims dims = b.axes("axis", rankOf(x), all);
  b.result(toBoolean(b, b.make<nn::ReduceOp>(x, kind, dims, b.boolean("keepdims", false))));
}

static void where(LayerBuilder &b) {
  unsigned nextTensor = 0;
  Value condition = toBoolean(b, operand(b, 0, nextTensor));
  Value x = b.toFloat(operand(b, 1, nextTensor)), y = b.toFloat(operand(b, 2, nextTensor));
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
  Value x, y;
  if (arguments.size() != 2)
    return void(b.error() << "it has " << arguments.size() << " positional arguments; supported: 2");
  unsigned nextTensor = 0;
  x = b.toFloat(operand(b, 0, nextTensor));
  y = b.toFloat(operand(b, 1, nextTensor));
  b.result(b.map({x, y}, [](OpBuilder &builder, Location loc, ValueRange v) -> Value {
    return math::PowFOp::create(builder, loc, v[0], v[1]);
  }));
}

//===----------------------------------------------------------------------===//
// Functions of one tensor
//===----------------------------------------------------------------------===//

template <Value (*function)(ScalarBuilder &, Value)> static void unary(LayerBuilder &b) {
  b.result(b.map(b.floatInput(), function));
}

template <typename MathOp> static void mathFunction(LayerBuilder &b) {
  Value x = b.floatInput();
  b.result(b.map({x}, [](OpBuilder &builder, Location loc, ValueRange v) -> Value {
    return MathOp::create(builder, loc, v[0]);
  }));
}

static Value absolute(ScalarBuilder &s, Value x) { return s.abs(x); }
static Value negative(ScalarBuilder &s, Value x) { return s.neg(x); }
static Value reciprocal(ScalarBuilder &s, Value x) { return s.div(s.constant(1, x), x); }
static Value square(ScalarBuilder &s, Value x) { return s.mul(x, x); }

/// The input's shape filled with `value`, as booleans where the operation asks for them.
template <int value> static void like(LayerBuilder &b) {
  const Json *dtype = b.attribute("dtype");
  Value x = b.map(b.floatInput(), [](ScalarBuilder &s, Value e) { return s.constant(value, e); });
  b.result(dtype && asString(dtype) == StringRef("bool") ? toBoolean(b, x) : x);
}

/// A parameter in the configuration, or among the arguments.
static const Json *parameter(LayerBuilder &b, unsigned position, StringRef key) {
  const Json *value = b.attribute(key);
  return value ? value : b.argument(position, key);
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
  const Json *dtype = parameter(b, 1, "dtype");
  if (asString(dtype) != StringRef("float32"))
    return b.refuse("dtype", "\"float32\"");
  b.result(b.floatInput());
}

template <nn::ReduceKind kind> static void reduction(LayerBuilder &b) {
  Value x = b.floatInput();
  Dims all;
  for (int64_t i = 0; i < rankOf(x); ++i)
    all.push_back(i);
  b.result(b.make<nn::ReduceOp>(x, kind, b.axes("axis", rankOf(x), all), b.boolean("keepdims", false)));
}

static void matmul(LayerBuilder &b) {
  b.expectInputs(2);
  b.result(b.make<nn::MatmulOp>(b.floatInput(0), b.floatInput(1), false, false));
}

//===----------------------------------------------------------------------===//
// Shapes
//===----------------------------------------------------------------------===//

static void transpose(LayerBuilder &b) {
  Value x = b.input();
  Dims permutation;
  for (int64_t i = rankOf(x); i-- > 0;)
    permutation.push_back(i);
  if (const Json *axes = b.attribute("axes")) {
    permutation = asIntegers(axes).value_or(Dims());
    for (int64_t &dim : permutation)
      dim += dim < 0 ? rankOf(x) : 0;
  }
  Dims sorted(permutation);
  llvm::sort(sorted);
  bool valid = int64_t(sorted.size()) == rankOf(x);
  for (auto [i, dim] : llvm::enumerate(sorted))
    valid &= dim == int64_t(i);
  if (!valid)
    return b.refuse("axes", "a permutation of the " + Twine(rankOf(x)) + " dimensions");
  b.result(b.transpose(x, permutation));
}

static void expandDims(LayerBuilder &b) {
  Value x = b.input();
  for (int64_t dim : b.axes("axis", rankOf(x) + 1, {}))
    x = b.expandDims(x, dim);
  b.result(x);
}

/// x[key]: a number takes one element of a dimension and drops it, a slice takes some, and None adds a dimension; `...`
/// and the end of the key stand for whole dimensions.
/// Elements `first` to `first + count` of dimension `dim`, which is free; the symbols of both are the dimensions of `x`.
static Value takeElements(LayerBuilder &b, Value x, int64_t dim, AffineExpr first, AffineExpr count) {
  MLIRContext *context = b.builder.getContext();
  Type i64 = b.builder.getI64Type();
  int64_t known = isa<AffineConstantExpr>(count) ? cast<AffineConstantExpr>(count).getValue() : ShapedType::kDynamic;
  auto mapOf = [&](AffineExpr expression) { return AffineMap::get(0, rankOf(x), expression, context); };
  Value range = nn::RangeOp::create(b.builder, b.loc, RankedTensorType::get({known}, i64), mapOf(count), x);
  Value offset = nn::SizeOp::create(b.builder, b.loc, RankedTensorType::get({1}, i64), mapOf(first), x);
  Value positions = b.map({range, offset}, [](OpBuilder &builder, Location loc, ValueRange v) -> Value {
    return arith::AddIOp::create(builder, loc, v[0], v[1]);
  });
  return b.make<nn::GatherOp>(x, positions, dim);
}

static void getItem(LayerBuilder &b) {
  Value x = b.input();
  constexpr StringLiteral supported =
      "numbers, slices with a positive step (of a free dimension: 1, or up to its end), None and ...";
  const Json *key = b.arguments().size() == 2 ? b.arguments()[1].value : nullptr;
  if (!key || b.failed())
    return b.refuse("key", supported);
  SmallVector<const Json *> entries;
  if (key->is_array())
    for (const Json &entry : *key)
      entries.push_back(&entry);
  else
    entries.push_back(key);
  auto isClass = [](const Json *entry, StringRef name) { return asString(member(*entry, "class_name")) == name; };
  int64_t named =
      llvm::count_if(entries, [&](const Json *entry) { return !entry->is_null() && !isClass(entry, "__ellipsis__"); });

  Dims starts, sizes, steps, shape, from;
  auto takeWhole = [&](int64_t count) {
    for (; count > 0; --count) {
      from.push_back(starts.size());
      shape.push_back(shapeOf(x)[starts.size()]);
      starts.push_back(0);
      sizes.push_back(ShapedType::isDynamic(shape.back()) ? -1 : shape.back());
      steps.push_back(1);
    }
  };
  for (const Json *entry : entries) {
    if (isClass(entry, "__ellipsis__")) {
      takeWhole(rankOf(x) - named);
      continue;
    }
    if (entry->is_null()) {
      shape.push_back(1);
      from.push_back(-1);
      continue;
    }
    if (int64_t(starts.size()) == rankOf(x))
      return b.refuse("key", supported);
    int64_t extent = shapeOf(x)[starts.size()];
    auto index = asInteger(entry);
    const Json *config = isClass(entry, "__slice__") ? member(*entry, "config") : nullptr;
    if (!index && !config)
      return b.refuse("key", supported);
    auto bound = [&](StringRef name, int64_t missing) -> std::optional<int64_t> {
      const Json *value = member(*config, name);
      return !value || value->is_null() ? missing : asInteger(value);
    };
    auto start = index ? index : bound("start", 0), stop = index ? index : bound("stop", extent),
         step = index ? 1 : bound("step", 1);
    if (!start || !stop || !step || *step < 1)
      return b.refuse("key", supported);
    if (!index && *start == 0 && *stop == extent && *step == 1) {
      takeWhole(1);
      continue;
    }
    if (ShapedType::isDynamic(extent)) {
      int64_t dim = starts.size();
      bool toEnd = !index && *stop == extent, isBefore = index || toEnd || *stop > *start;
      if (*start >= 0 && (toEnd || *stop >= 0) && isBefore) {
        int64_t size = toEnd ? -1 : index ? 1 : divideCeil(*stop - *start, *step);
        starts.push_back(*start);
        sizes.push_back(size);
        steps.push_back(*step);
        if (!index) {
          from.push_back(toEnd ? dim : -1);
          shape.push_back(toEnd ? ShapedType::kDynamic : size);
        }
        continue;
      }
      // Positions are counted from the end.
      AffineExpr length = getAffineSymbolExpr(dim, b.builder.getContext());
      auto at = [&](int64_t position) { return position < 0 ? length + position : length * 0 + position; };
      AffineExpr first = at(*start), end = index ? first + 1 : toEnd ? length : at(*stop);
      AffineExpr count = simplifyAffineExpr(end - first, 0, rankOf(x));
      auto known = dyn_cast<AffineConstantExpr>(count);
      if (*step != 1 || (known && known.getValue() < 1))
        return b.refuse("key", supported);
      x = takeElements(b, x, dim, first, count);
      if (b.failed())
        return;
      takeWhole(1);
      if (index) {
        shape.pop_back();
        from.pop_back();
      }
      continue;
    }
    if (index && (*index < -extent || *index >= extent))
      return b.refuse("key", "positions within the input " + Twine(extent) + " long");
    auto within = [&](int64_t position) { return std::clamp<int64_t>(position < 0 ? position + extent : position, 0, extent); };
    int64_t first = within(*start), end = index ? first + 1 : within(*stop);
    if (end <= first)
      return b.refuse("key", "slices that hold something");
    if (!index) {
      from.push_back(-1);
      shape.push_back(divideCeil(end - first, *step));
    }
    starts.push_back(first);
    sizes.push_back(divideCeil(end - first, *step));
    steps.push_back(*step);
  }
  takeWhole(rankOf(x) - starts.size());
  Value taken = b.make<nn::SliceOp>(x, starts, sizes, steps);
  b.result(b.reshape(taken, shape, from));
}

static void squeeze(LayerBuilder &b) {
  Value x = b.input();
  Dims ones, shape, from;
  for (auto [i, extent] : llvm::enumerate(shapeOf(x)))
    if (extent == 1)
      ones.push_back(i);
  ones = b.axes("axis", rankOf(x), ones);
  for (auto [i, extent] : llvm::enumerate(shapeOf(x))) {
    if (!llvm::is_contained(ones, int64_t(i))) {
      shape.push_back(extent);
      from.push_back(i);
    } else if (extent != 1) {
      return b.refuse("axis", "dimensions of size 1");
    }
  }
  b.result(b.reshape(x, shape, from));
}

static void reshape(LayerBuilder &b) {
  Value x = b.input();
  const Json *json = parameter(b, 1, "newshape");
  auto target = asIntegers(json, /*missing=*/-1);
  if (!target)
    return b.refuse("newshape", "a list of integers");
  // The batch, which is free, is what -1 or null stands for, and must come first.
  ArrayRef<int64_t> source = shapeOf(x);
  bool keepsBatch = !source.empty() && !target->empty() && (*target)[0] == -1 &&
                    ShapedType::isDynamic(source[0]);
  int64_t known = 1, total = 1, open = 0;
  bool valid = true;
  for (int64_t extent : ArrayRef<int64_t>(*target).drop_front(keepsBatch)) {
    open += extent == -1;
    valid &= extent == -1 || (extent > 0 && !__builtin_mul_overflow(known, extent, &known));
  }
  for (int64_t extent : source.drop_front(keepsBatch))
    valid &= !ShapedType::isDynamic(extent) && !__builtin_mul_overflow(total, extent, &total);
  if (!valid || open > 1 || (open ? total % known : total != known))
    return b.refuse("newshape", "-1 for the batch, then positive sizes and at most one more -1 that hold "
                                "the elements of each example");
  Dims shape, from;
  for (auto [i, extent] : llvm::enumerate(*target)) {
    bool isBatch = i == 0 && keepsBatch;
    shape.push_back(isBatch ? source[0] : extent == -1 ? total / known : extent);
    from.push_back(isBatch ? 0 : -1);
  }
  b.result(b.reshape(x, shape, from));
}

static void concatenate(LayerBuilder &b) {
  int64_t axis = b.axis("axis", rankOf(b.input()), 0);
  SmallVector<Value> inputs(b.inputs());
  bool booleans = llvm::all_of(inputs, [](Value x) { return getElementTypeOrSelf(x.getType()).isInteger(1); });
  for (Value &x : inputs)
    x = booleans ? x : b.toFloat(x);
  b.result(inputs.size() == 1 ? inputs[0] : b.make<nn::ConcatOp>(ValueRange(inputs), axis));
}

static void stack(LayerBuilder &b) {
  int64_t axis = b.axis("axis", rankOf(b.input()) + 1, 0);
  SmallVector<Value> inputs;
  for (unsigned i = 0; i < b.inputs().size() && !b.failed(); ++i) {
    b.expectRank(b.input(i), rankOf(b.input()));
    inputs.push_back(b.failed() ? Value() : b.expandDims(b.floatInput(i), axis));
  }
  b.result(inputs.size() == 1 ? inputs[0] : b.make<nn::ConcatOp>(ValueRange(inputs), axis));
}

ArrayRef<LayerRow> keras::operations() {
  using Kind = nn::ReduceKind;
  static const LayerRow rows[] = {
      {"Absolute", unary<absolute>},
      {"Add", arithmeticOperation<Arithmetic::Add>},
      {"All", quantifier<Kind::Min>},
      {"Any", quantifier<Kind::Max>},
      {"Cast", cast},
      {"Clip", clip},
      {"Concatenate", concatenate},
      {"Cos", mathFunction<math::CosOp>},
      {"Divide", divide},
      {"Equal", comparison<arith::CmpFPredicate::OEQ, arith::CmpIPredicate::eq>},
      {"Erf", mathFunction<math::ErfOp>},
      {"Exp", mathFunction<math::ExpOp>},
      {"ExpandDims", expandDims},
      {"Floor", mathFunction<math::FloorOp>},
      {"GetItem", getItem},
      {"Greater", comparison<arith::CmpFPredicate::OGT, arith::CmpIPredicate::sgt>},
      {"GreaterEqual", comparison<arith::CmpFPredicate::OGE, arith::CmpIPredicate::sge>},
      {"Less", comparison<arith::CmpFPredicate::OLT, arith::CmpIPredicate::slt>},
      {"LessEqual", comparison<arith::CmpFPredicate::OLE, arith::CmpIPredicate::sle>},
      {"Log", mathFunction<math::LogOp>},
      {"LogicalAnd", logical<arith::AndIOp>},
      {"LogicalNot", logicalNot},
      {"LogicalOr", logical<arith::OrIOp>},
      {"LogicalXor", logical<arith::XOrIOp>},
      {"Matmul", matmul},
      {"Max", reduction<Kind::Max>},
      {"Maximum", arithmeticOperation<Arithmetic::Maximum>},
      {"Mean", reduction<Kind::Mean>},
      {"Min", reduction<Kind::Min>},
      {"Minimum", arithmeticOperation<Arithmetic::Minimum>},
      {"Multiply", arithmeticOperation<Arithmetic::Multiply>},
      {"Negative", unary<negative>},
      {"NotEqual", comparison<arith::CmpFPredicate::UNE, arith::CmpIPredicate::ne>},
      {"OnesLike", like<1>},
      {"Power", power},
      {"Prod", reduction<Kind::Prod>},
      {"Reciprocal", unary<reciprocal>},
      {"Reshape", reshape},
      {"Rsqrt", mathFunction<math::RsqrtOp>},
      {"Sin", mathFunction<math::SinOp>},
      {"Sqrt", mathFunction<math::SqrtOp>},
      {"Square", unary<square>},
      {"Squeeze", squeeze},
      {"Stack", stack},
      {"Subtract", arithmeticOperation<Arithmetic::Subtract>},
      {"Sum", reduction<Kind::Sum>},
      {"Threshold", threshold},
      {"Transpose", transpose},
      {"TrueDivide", divide},
      {"Where", where},
      {"ZerosLike", like<0>},
  };
  return rows;
}
