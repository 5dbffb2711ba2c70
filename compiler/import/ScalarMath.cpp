//===- ScalarMath.cpp - Arithmetic on elements of any type ----------------===//
//
// Chooses the arith op for an element type.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/ScalarMath.h"
#include "dialects/nn/Pointwise.h"

using namespace mlir;

namespace sylvite {

Value ScalarMath::constant(int64_t value) {
  if (isFloat)
    return arith::ConstantOp::create(b, loc, b.getFloatAttr(type, value));
  Type scalar = nn::scalarType(type);
  // A bool of MLIR is signed: true is -1.
  return arith::ConstantOp::create(
      b, loc, scalar.isInteger(1) ? b.getIntegerAttr(scalar, value ? -1 : 0) : b.getIntegerAttr(scalar, value));
}
Value ScalarMath::constant(double value) {
  return isFloat ? Value(arith::ConstantOp::create(b, loc, b.getFloatAttr(type, value)))
                 : constant(int64_t(value));
}

template <typename Float, typename Integer> static Value choose(const ScalarMath &s, Value x, Value y) {
  return s.isFloat ? Value(Float::create(s.b, s.loc, x, y)) : Value(Integer::create(s.b, s.loc, x, y));
}
template <typename Float, typename Signed, typename Unsigned>
static Value choose(const ScalarMath &s, Value x, Value y) {
  return s.isUnsigned && !s.isFloat ? Value(Unsigned::create(s.b, s.loc, x, y)) : choose<Float, Signed>(s, x, y);
}

Value ScalarMath::add(Value x, Value y) { return choose<arith::AddFOp, arith::AddIOp>(*this, x, y); }
Value ScalarMath::sub(Value x, Value y) { return choose<arith::SubFOp, arith::SubIOp>(*this, x, y); }
Value ScalarMath::mul(Value x, Value y) { return choose<arith::MulFOp, arith::MulIOp>(*this, x, y); }
Value ScalarMath::div(Value x, Value y) {
  return choose<arith::DivFOp, arith::DivSIOp, arith::DivUIOp>(*this, x, y);
}
Value ScalarMath::rem(Value x, Value y) {
  return choose<arith::RemFOp, arith::RemSIOp, arith::RemUIOp>(*this, x, y);
}
Value ScalarMath::maximum(Value x, Value y) {
  return choose<arith::MaximumFOp, arith::MaxSIOp, arith::MaxUIOp>(*this, x, y);
}
Value ScalarMath::minimum(Value x, Value y) {
  return choose<arith::MinimumFOp, arith::MinSIOp, arith::MinUIOp>(*this, x, y);
}
Value ScalarMath::negate(Value x) {
  return isFloat ? Value(arith::NegFOp::create(b, loc, x)) : sub(constant(int64_t(0)), x);
}

static Value compare(const ScalarMath &s, arith::CmpFPredicate f, arith::CmpIPredicate i,
                     arith::CmpIPredicate u, Value x, Value y) {
  if (s.isFloat)
    return arith::CmpFOp::create(s.b, s.loc, f, x, y);
  return arith::CmpIOp::create(s.b, s.loc, s.isUnsigned ? u : i, x, y);
}
Value ScalarMath::equal(Value x, Value y) {
  return compare(*this, arith::CmpFPredicate::OEQ, arith::CmpIPredicate::eq, arith::CmpIPredicate::eq, x, y);
}
Value ScalarMath::less(Value x, Value y) {
  return compare(*this, arith::CmpFPredicate::OLT, arith::CmpIPredicate::slt, arith::CmpIPredicate::ult, x, y);
}
Value ScalarMath::lessOrEqual(Value x, Value y) {
  return compare(*this, arith::CmpFPredicate::OLE, arith::CmpIPredicate::sle, arith::CmpIPredicate::ule, x, y);
}
Value ScalarMath::select(Value condition, Value x, Value y) {
  return arith::SelectOp::create(b, loc, condition, x, y);
}
Value ScalarMath::both(Value x, Value y) { return arith::AndIOp::create(b, loc, x, y); }
Value ScalarMath::either(Value x, Value y) { return arith::OrIOp::create(b, loc, x, y); }
Value ScalarMath::invert(Value x) {
  return arith::XOrIOp::create(b, loc, x, arith::ConstantOp::create(b, loc, b.getBoolAttr(true)));
}

Value castScalar(OpBuilder &b, Location loc, Value x, Type from, Type to) {
  Type target = nn::scalarType(to);
  auto fromFloat = dyn_cast<FloatType>(from), toFloat = dyn_cast<FloatType>(to);
  bool isUnsigned = from.isUnsignedInteger() || from.isInteger(1);
  if (from == to)
    return x;
  if (to.isInteger(1)) { // what is not zero
    ScalarMath s(b, loc, from);
    return s.invert(s.equal(x, s.constant(int64_t(0))));
  }
  if (fromFloat && toFloat) {
    if (fromFloat.getWidth() == toFloat.getWidth()) // float16 and bfloat16
      return castScalar(b, loc, castScalar(b, loc, x, from, b.getF32Type()), b.getF32Type(), to);
    return fromFloat.getWidth() < toFloat.getWidth() ? Value(arith::ExtFOp::create(b, loc, target, x))
                                                     : Value(arith::TruncFOp::create(b, loc, target, x));
  }
  if (fromFloat) {
    if (to.isUnsignedInteger() && to.getIntOrFloatBitWidth() < 64) { // negative numbers wrap, as in C
      Type wide = b.getI64Type();
      Value integer = arith::FPToSIOp::create(b, loc, wide, x);
      return arith::TruncIOp::create(b, loc, target, integer);
    }
    return to.isUnsignedInteger() ? Value(arith::FPToUIOp::create(b, loc, target, x))
                                  : Value(arith::FPToSIOp::create(b, loc, target, x));
  }
  if (toFloat)
    return isUnsigned ? Value(arith::UIToFPOp::create(b, loc, target, x))
                      : Value(arith::SIToFPOp::create(b, loc, target, x));
  unsigned fromWidth = from.getIntOrFloatBitWidth(), toWidth = to.getIntOrFloatBitWidth();
  if (fromWidth == toWidth)
    return x;
  if (fromWidth > toWidth)
    return arith::TruncIOp::create(b, loc, target, x);
  return isUnsigned ? Value(arith::ExtUIOp::create(b, loc, target, x))
                    : Value(arith::ExtSIOp::create(b, loc, target, x));
}

} // namespace sylvite
