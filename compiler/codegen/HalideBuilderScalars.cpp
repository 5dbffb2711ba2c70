// HalideBuilder: types and the scalar operations of bodies. Elementary functions are in
// HalideMath.cpp.
#include "compiler/codegen/HalideBuilderImpl.h"
#include "compiler/codegen/HalideMath.h"

namespace sylvite {

Halide::Type toHalide(ElementType type) {
  switch (type) {
  case ElementType::Bool:
    return Halide::Bool();
  case ElementType::Int8:
    return Halide::Int(8);
  case ElementType::Int16:
    return Halide::Int(16);
  case ElementType::Int32:
    return Halide::Int(32);
  case ElementType::Int64:
    return Halide::Int(64);
  case ElementType::UInt8:
    return Halide::UInt(8);
  case ElementType::UInt16:
    return Halide::UInt(16);
  case ElementType::UInt32:
    return Halide::UInt(32);
  case ElementType::UInt64:
    return Halide::UInt(64);
  case ElementType::Float16:
    return Halide::Float(16);
  case ElementType::BFloat16:
    return Halide::BFloat(16);
  case ElementType::Float32:
    return Halide::Float(32);
  case ElementType::Float64:
    return Halide::Float(64);
  }
  throw std::logic_error("unknown element type");
}

Halide::Expr reinterpretBits(Halide::Type type, const Halide::Expr &value) {
  if (value.type() == type)
    return value;
  if (const auto *inner = value.as<Halide::Internal::Reinterpret>())
    return reinterpretBits(type, inner->value);
  if (const auto *inner = value.as<Halide::Internal::Cast>())
    if (type.is_int_or_uint() && inner->type.is_int_or_uint() &&
        inner->value.type().is_int_or_uint() && inner->type.bits() < inner->value.type().bits())
      return Halide::cast(type, inner->value); // narrowing keeps the low bits either way
  return Halide::reinterpret(type, value);
}

Halide::Expr asSigned(const Halide::Expr &value) {
  if (!value.type().is_uint() || value.type().is_bool())
    return value;
  return reinterpretBits(value.type().with_code(Halide::Type::Int), value);
}

namespace {

/// Whether `value` is a constant that bounds floats, as a rectifier does. A NaN passes it: a strict extreme is its second operand
/// where either is a NaN, and Halide's other ones, in which it puts constants second, would give the bound.
bool isBound(const Halide::Expr &value) { return value.type().bits() >= 32 && value.as<Halide::Internal::FloatImm>(); }

Halide::Expr asUnsigned(const Halide::Expr &value) {
  if (!value.type().is_int())
    return value;
  return reinterpretBits(value.type().with_code(Halide::Type::UInt), value);
}

bool isPositiveConstant(const Halide::Expr &value) {
  auto constant = Halide::Internal::as_const_int(value);
  return constant && *constant > 0;
}

/// The divisor, or 1 where the division would trap: the lanes beyond a tail divide whatever they
/// find, and a user's zero must not end the process.
Halide::Expr safeDivisor(const Halide::Expr &a, const Halide::Expr &b) {
  auto constant = Halide::Internal::as_const_int(b);
  if (constant && *constant != 0 && *constant != -1)
    return b;
  Halide::Expr one = Halide::Internal::make_one(b.type());
  Halide::Expr traps =
      b == Halide::Internal::make_zero(b.type()) || (b == -one && a == a.type().min());
  return Halide::select(traps, one, b);
}

} // namespace

HalideBuilder::Expr HalideBuilder::undef(ElementType type) {
  return impl->guard([&] { return impl->add(Halide::undef(toHalide(type))); });
}

HalideBuilder::Expr HalideBuilder::constant(ElementType type, int64_t value) {
  return impl->guard([&] {
    Halide::Type halideType = toHalide(type);
    if (halideType.is_bool())
      return impl->add(Halide::Internal::make_bool(value & 1));
    return impl->add(Halide::Internal::make_const(halideType, value));
  });
}

HalideBuilder::Expr HalideBuilder::constant(ElementType type, double value) {
  return impl->guard(
      [&] { return impl->add(Halide::Internal::make_const(toHalide(type), value)); });
}

HalideBuilder::Expr HalideBuilder::unary(UnaryOp op, Expr handle) {
  return impl->guard([&] {
    Halide::Expr value = impl->get(handle);
    switch (op) {
    case UnaryOp::Negate:
      return impl->add(-value);
    case UnaryOp::Not:
      return impl->add(value.type().is_bool() ? !value : ~value);
    case UnaryOp::Absolute:
      return impl->add(asSigned(Halide::abs(value)));
    default:
      return impl->add(expandUnary(op, value));
    }
  });
}

HalideBuilder::Expr HalideBuilder::binary(BinaryOp op, Expr left, Expr right) {
  return impl->guard([&] {
    Halide::Expr a = impl->get(left), b = impl->get(right);
    if (a.type().is_bool()) {
      switch (op) {
      case BinaryOp::And:
      case BinaryOp::Mul:
      case BinaryOp::UnsignedMin:
      case BinaryOp::Max:
        return impl->add(a && b);
      case BinaryOp::Or:
      case BinaryOp::UnsignedMax:
      case BinaryOp::Min:
        return impl->add(a || b);
      case BinaryOp::Xor:
      case BinaryOp::Add:
      case BinaryOp::Sub:
        return impl->add(a != b);
      default:
        return impl->add(Halide::Expr());
      }
    }
    bool isFloat = a.type().is_float();
    Halide::Expr zero = Halide::Internal::make_zero(a.type()),
                 one = Halide::Internal::make_one(a.type());
    switch (op) {
    case BinaryOp::Add:
      return impl->add(a + b);
    case BinaryOp::Sub:
      return impl->add(a - b);
    case BinaryOp::Mul:
      return impl->add(a * b);
    case BinaryOp::Div:
      return impl->add(isFloat ? a / b : Halide::div_round_to_zero(a, safeDivisor(a, b)));
    case BinaryOp::Rem:
      return impl->add(isFloat ? a - b * Halide::trunc(a / b)
                               : Halide::mod_round_to_zero(a, safeDivisor(a, b)));
    case BinaryOp::EuclideanDiv:
      return impl->add(a / b);
    case BinaryOp::EuclideanRem:
      return impl->add(a % b);
    case BinaryOp::FloorDiv: {
      if (isPositiveConstant(b))
        return impl->add(a / b);
      b = safeDivisor(a, b);
      return impl->add(Halide::select(b < zero && a % b != zero, a / b - one, a / b));
    }
    case BinaryOp::CeilDiv: {
      if (isPositiveConstant(b))
        return impl->add(a / b + Halide::select(a % b != zero, one, zero));
      b = safeDivisor(a, b);
      return impl->add(Halide::select(b > zero && a % b != zero, a / b + one, a / b));
    }
    case BinaryOp::UnsignedDiv:
      return impl->add(asSigned(asUnsigned(a) / asUnsigned(b)));
    case BinaryOp::UnsignedRem:
      return impl->add(asSigned(asUnsigned(a) % asUnsigned(b)));
    case BinaryOp::Min:
      return impl->add(isBound(b) ? Halide::strict_float(Halide::min(b, a)) : Halide::min(a, b));
    case BinaryOp::Max:
      return impl->add(isBound(b) ? Halide::strict_float(Halide::max(b, a)) : Halide::max(a, b));
    case BinaryOp::UnsignedMin:
      return impl->add(asSigned(Halide::min(asUnsigned(a), asUnsigned(b))));
    case BinaryOp::UnsignedMax:
      return impl->add(asSigned(Halide::max(asUnsigned(a), asUnsigned(b))));
    case BinaryOp::And:
      return impl->add(a & b);
    case BinaryOp::Or:
      return impl->add(a | b);
    case BinaryOp::Xor:
      return impl->add(a ^ b);
    case BinaryOp::ShiftLeft:
      return impl->add(a << asUnsigned(b));
    case BinaryOp::ShiftRight:
      return impl->add(a >> asUnsigned(b));
    case BinaryOp::UnsignedShiftRight:
      return impl->add(asSigned(asUnsigned(a) >> asUnsigned(b)));
    case BinaryOp::QuickDiv:
    case BinaryOp::Pow:
    case BinaryOp::Atan2:
    case BinaryOp::CopySign:
      return impl->add(expandBinary(op, a, b));
    }
    return impl->add(Halide::Expr());
  });
}

HalideBuilder::Expr HalideBuilder::compare(CompareOp op, Expr left, Expr right) {
  return impl->guard([&] {
    Halide::Expr a = impl->get(left), b = impl->get(right);
    if (op >= CompareOp::UnsignedLess) {
      a = asUnsigned(a);
      b = asUnsigned(b);
    }
    if (a.type().is_bool() && op != CompareOp::Equal && op != CompareOp::NotEqual) {
      // A signed i1 counts from -1 to 0.
      bool isSigned = op < CompareOp::UnsignedLess;
      a = Halide::cast<int8_t>(isSigned ? !a : a);
      b = Halide::cast<int8_t>(isSigned ? !b : b);
    }
    switch (op) {
    case CompareOp::Equal:
      return impl->add(a == b);
    case CompareOp::NotEqual:
      return impl->add(a != b);
    case CompareOp::Less:
    case CompareOp::UnsignedLess:
      return impl->add(a < b);
    case CompareOp::LessEqual:
    case CompareOp::UnsignedLessEqual:
      return impl->add(a <= b);
    case CompareOp::Greater:
    case CompareOp::UnsignedGreater:
      return impl->add(a > b);
    case CompareOp::GreaterEqual:
    case CompareOp::UnsignedGreaterEqual:
      return impl->add(a >= b);
    }
    return impl->add(Halide::Expr());
  });
}

HalideBuilder::Expr HalideBuilder::select(Expr condition, Expr ifTrue, Expr ifFalse) {
  return impl->guard([&] {
    const Halide::Expr &c = impl->get(condition), &a = impl->get(ifTrue), &b = impl->get(ifFalse);
    if (a.type().is_bool())
      return impl->add((c && a) || (!c && b));
    return impl->add(Halide::select(c, a, b));
  });
}

HalideBuilder::Expr HalideBuilder::cast(ElementType type, Expr handle, bool fromUnsigned) {
  return impl->guard([&] {
    Halide::Expr value = impl->get(handle);
    Halide::Type to = toHalide(type);
    if (value.type().is_bool()) {
      if (!fromUnsigned && (to.is_int_or_uint() || to.is_float()) && !to.is_bool())
        return impl->add(Halide::select(value, Halide::Internal::make_const(to, -1),
                                        Halide::Internal::make_zero(to)));
      return impl->add(Halide::cast(to, value));
    }
    if (to.is_bool()) // the low bit
      return impl->add((value & Halide::Internal::make_one(value.type())) !=
                       Halide::Internal::make_zero(value.type()));
    if (fromUnsigned)
      value = asUnsigned(value);
    // Few processors convert float64 to half precision; LLVM would call a function that no library here has.
    if ((to.is_float() || to.is_bfloat()) && to.bits() == 16 && value.type() == Halide::Float(64))
      value = roundToOdd(value);
    return impl->add(asSigned(Halide::cast(to, value)));
  });
}

HalideBuilder::Expr HalideBuilder::bitcast(ElementType type, Expr handle) {
  return impl->guard(
      [&] { return impl->add(asSigned(reinterpretBits(toHalide(type), impl->get(handle)))); });
}

} // namespace sylvite
