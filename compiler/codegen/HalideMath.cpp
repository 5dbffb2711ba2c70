// Elementary functions in float32 for Halide. Each says its error, measured over its range by
// tests/codegen/math.mlir against double precision.
#include "compiler/codegen/HalideMath.h"

#include <cmath>
#include <vector>

using Halide::Expr;

namespace sylvite {
namespace {

/// c0 + c1 x + c2 x^2 ...
Expr polynomial(const Expr &x, const std::vector<double> &coefficients) {
  Expr sum = float(coefficients.back());
  for (size_t i = coefficients.size() - 1; i-- > 0;)
    sum = sum * x + float(coefficients[i]);
  return sum;
}

/// a * b + c and c - a * b as they are written, which fast arithmetic may reorder. Each is one instruction where there is one.
Expr multiplyAdd(const Expr &a, const Expr &b, const Expr &c) { return Halide::strict_float(a * b + c); }
Expr multiplySubtract(const Expr &a, const Expr &b, const Expr &c) { return Halide::strict_float(c - a * b); }

/// `a / b` without the divider, which takes several times as long: an estimate of 1 / b from the bits of b, off by e with
/// |e| < 0.0506, then to the third power of e, then the quotient to the sixth. Relative error 2e-7, where b is normal and at most
/// 2^126, and the quotient at least 2^-100.
Expr quotient(const Expr &a, const Expr &b) {
  Expr estimate = Halide::reinterpret<float>(Halide::Internal::make_const(Halide::UInt(32), 0x7ef311c2) -
                                             Halide::reinterpret<uint32_t>(b));
  Expr e = multiplySubtract(b, estimate, 1.0f), inverse = multiplyAdd(estimate, multiplyAdd(e, e, e), estimate);
  Expr q = a * inverse;
  return multiplyAdd(inverse, multiplySubtract(b, q, a), q);
}

/// The square root of `x` without the divider, as x y / sqrt(1 - e) with y an estimate of 1 / sqrt(x) from the bits of x, and
/// |e| < 0.0682. Relative error 2e-7; an absolute one of 1e-18 below the least normal number; zero for zero.
Expr squareRoot(const Expr &x) {
  Expr estimate = Halide::reinterpret<float>(Halide::Internal::make_const(Halide::UInt(32), 0x5f374758) -
                                             (Halide::reinterpret<uint32_t>(x) >> 1));
  Expr root = x * estimate, e = multiplySubtract(root, estimate, 1.0f);
  return multiplyAdd(root, e * polynomial(e, {0.49999835, 0.37499772, 0.31393024, 0.27494360}), root);
}

/// exp as 2^n exp(r) with |r| <= ln 2 / 2, of which a polynomial gives twice exp(r), and a shift of n's bits 2^(n - 1). Relative
/// error 5e-7; zero below -87, where exp is next to the least normal number; NaN for NaN. A polynomial of degree five, off by
/// 1.1e-7, is not enough: EfficientNetB0 then differs from Keras by 4 % of the output's scale instead of 0.014 % (its test).
Expr exp32(const Expr &x) {
  using Halide::select;
  using Halide::strict_float;
  // Selects, which keep x when it is NaN. At the ends n is 128, where the result overflows, and -126.
  constexpr float most = 88.7228394f, least = -87.3365448f;
  Expr below = select(x > most, most, x), within = strict_float(select(below < least, least, below));
  // Beyond 2^23 the distance of floats is one: this sum ends in the bits of the nearest integer n and of the bias of 2^(n - 1).
  constexpr int mantissaBits = 23, biasOfHalf = 126;
  constexpr float beyond = 1.5f * (1 << mantissaBits) + biasOfHalf;
  Expr shifted = multiplyAdd(within, float(1 / M_LN2), beyond);
  Expr n = strict_float(shifted - beyond);
  Expr twice = polynomial(within - n * float(M_LN2),
                          {2.0, 2.0, 2 * 0.49999992, 2 * 0.16666420, 2 * 0.041668226, 2 * 0.0083748241, 2 * 0.0013836836});
  return twice * Halide::reinterpret<float>(Halide::reinterpret<int32_t>(shifted) << mantissaBits);
}
Expr log32(const Expr &x) { return Halide::Internal::halide_log(x); }

/// tanh as an odd polynomial of degree 13 over an even one of degree 6 (Eigen's ptanh). Absolute
/// error 2e-7; libm's would be a scalar call per element.
Expr tanh32(const Expr &value) {
  Expr x = Halide::clamp(value, -7.90531110763549805f, 7.90531110763549805f);
  Expr square = x * x;
  Expr numerator =
      x * polynomial(square, {4.89352455891786e-03, 6.37261928875436e-04, 1.48572235717979e-05,
                              5.12229709037114e-08, -8.60467152213735e-11, 2.00018790482477e-13,
                              -2.76076847742355e-16});
  Expr denominator = polynomial(square, {4.89352518554385e-03, 2.26843463243900e-03,
                                         1.18534705686654e-04, 1.19825839466702e-06});
  return numerator / denominator;
}

/// erf as an odd polynomial of degree 13 over an even one of degree 8 on [-4, 4] (Eigen's). Error 5e-7,
/// absolute and relative; one by way of exp takes more than twice as many operations.
Expr erf32(const Expr &value) {
  Expr x = Halide::clamp(value, -4.0f, 4.0f);
  Expr square = x * x;
  Expr numerator =
      x * polynomial(square, {-1.60960333262415e-02, -2.95459980854025e-03, -7.34990630326855e-04,
                              -5.69250639462346e-05, -2.10102402082508e-06, 2.77068142495902e-08,
                              -2.72614225801306e-10});
  Expr denominator =
      polynomial(square, {-1.42647390514189e-02, -7.37332916720468e-03, -1.68282697438203e-03,
                          -2.13374055278905e-04, -1.45660718464996e-05});
  return numerator / denominator;
}

/// exp(x) - 1: a Taylor polynomial where exp would cancel. Relative error 3e-7.
Expr expm1_32(const Expr &x) {
  Expr near = x * polynomial(x, {1.0, 1.0 / 2, 1.0 / 6, 1.0 / 24, 1.0 / 120, 1.0 / 720, 1.0 / 5040,
                                 1.0 / 40320});
  return Halide::select(Halide::abs(x) < 0.5f, near, exp32(x) - 1.0f);
}

/// log(1 + x) = 2 atanh(x / (2 + x)) where the sum would round x away. Relative error 3e-7.
Expr log1p_32(const Expr &x) {
  Expr s = x / (2.0f + x);
  Expr square = s * s;
  Expr near = 2.0f * s * polynomial(square, {1.0, 1.0 / 3, 1.0 / 5, 1.0 / 7, 1.0 / 9, 1.0 / 11});
  return Halide::select(Halide::abs(x) < 0.4f, near, log32(1.0f + x));
}

/// sin or cos after a reduction to [-pi/4, pi/4] in three parts (Cody and Waite; kept from
/// reassociation). Absolute error 2e-7 up to |x| = 8192; beyond that the reduction loses digits.
Expr sinCos32(const Expr &x, bool cosine) {
  using Halide::strict_float;
  Expr quadrant = Halide::round(x * float(2 / M_PI));
  Expr r = strict_float(x - quadrant * 1.5703125f);
  r = strict_float(r - quadrant * 4.837512969970703125e-4f);
  r = strict_float(r - quadrant * 7.54978995489188216e-8f);
  Expr square = r * r;
  Expr sine = r * polynomial(square, {1.0, -1.6666654611e-1, 8.3321608736e-3, -1.9515295891e-4});
  Expr cosi = polynomial(
      square, {1.0, -0.5, 4.166664568298827e-2, -1.388731625493765e-3, 2.443315711809948e-5});
  Expr q = Halide::cast<int32_t>(Halide::clamp(quadrant, -1.0e9f, 1.0e9f));
  if (cosine)
    q = q + 1;
  Expr value = Halide::select((q & 1) == 0, sine, cosi);
  return Halide::select((q & 2) == 0, value, -value);
}

/// Ties away from zero, without adding 0.5 to what that would round up.
Expr roundAway(const Expr &x) {
  Expr whole = Halide::trunc(x);
  Expr one = Halide::Internal::make_one(x.type());
  Expr step = Halide::select(x < 0, -one, one);
  return Halide::select(Halide::abs(x - whole) >= Halide::cast(x.type(), 0.5f), whole + step,
                        whole);
}

Expr expand32(UnaryOp op, const Expr &x) {
  switch (op) {
  case UnaryOp::QuickSqrt:
    return squareRoot(x);
  case UnaryOp::Exp:
    return exp32(x);
  case UnaryOp::Exp2:
    return exp32(x * float(M_LN2));
  case UnaryOp::Log:
    return log32(x);
  case UnaryOp::Log2:
    return log32(x) * float(1 / M_LN2);
  case UnaryOp::Log10:
    return log32(x) * float(1 / M_LN10);
  case UnaryOp::ExpMinus1:
    return expm1_32(x);
  case UnaryOp::LogPlus1:
    return log1p_32(x);
  case UnaryOp::Sin:
    return sinCos32(x, false);
  case UnaryOp::Cos:
    return sinCos32(x, true);
  case UnaryOp::Tan:
    return sinCos32(x, false) / sinCos32(x, true);
  case UnaryOp::Tanh:
    return tanh32(x);
  case UnaryOp::Sinh: {
    Expr e = expm1_32(Halide::abs(x));
    Expr half = (e + e / (e + 1.0f)) * 0.5f;
    return Halide::select(x < 0.0f, -half, half);
  }
  case UnaryOp::Cosh: {
    Expr e = exp32(Halide::abs(x));
    return (e + 1.0f / e) * 0.5f;
  }
  case UnaryOp::Asinh: {
    Expr a = Halide::abs(x);
    Expr value = log1p_32(a + a * a / (1.0f + Halide::sqrt(a * a + 1.0f)));
    return Halide::select(x < 0.0f, -value, value);
  }
  case UnaryOp::Acosh:
    return log1p_32((x - 1.0f) + Halide::sqrt((x - 1.0f) * (x + 1.0f)));
  case UnaryOp::Atanh: {
    Expr a = Halide::abs(x);
    Expr value = 0.5f * log1p_32(2.0f * a / (1.0f - a));
    return Halide::select(x < 0.0f, -value, value);
  }
  case UnaryOp::Erf:
    return erf32(x);
  case UnaryOp::Asin:
    return Halide::asin(x);
  case UnaryOp::Acos:
    return Halide::acos(x);
  case UnaryOp::Atan:
    return Halide::atan(x);
  default:
    return Expr();
  }
}

/// In float64, where no form above is accurate enough, Halide's own functions.
Expr expand64(UnaryOp op, const Expr &x) {
  Expr one = Halide::Internal::make_one(x.type());
  switch (op) {
  case UnaryOp::QuickSqrt:
    return Halide::sqrt(x);
  case UnaryOp::Exp:
    return Halide::exp(x);
  case UnaryOp::Exp2:
    return Halide::exp(x * Expr(M_LN2));
  case UnaryOp::Log:
    return Halide::log(x);
  case UnaryOp::Log2:
    return Halide::log(x) * Expr(1 / M_LN2);
  case UnaryOp::Log10:
    return Halide::log(x) * Expr(1 / M_LN10);
  case UnaryOp::ExpMinus1:
    return Halide::exp(x) - one;
  case UnaryOp::LogPlus1:
    return Halide::log(x + one);
  case UnaryOp::Sin:
    return Halide::sin(x);
  case UnaryOp::Cos:
    return Halide::cos(x);
  case UnaryOp::Tan:
    return Halide::tan(x);
  case UnaryOp::Tanh: {
    Expr e = Halide::exp(Halide::abs(x) * Expr(-2.0));
    Expr value = (one - e) / (one + e);
    return Halide::select(x < Expr(0.0), -value, value);
  }
  case UnaryOp::Sinh:
    return Halide::sinh(x);
  case UnaryOp::Cosh:
    return Halide::cosh(x);
  case UnaryOp::Asinh:
    return Halide::asinh(x);
  case UnaryOp::Acosh:
    return Halide::acosh(x);
  case UnaryOp::Atanh:
    return Halide::atanh(x);
  case UnaryOp::Erf: // libm's, as Halide has none
    return Halide::Internal::Call::make(x.type(), "erf", {x}, Halide::Internal::Call::PureExtern);
  case UnaryOp::Asin:
    return Halide::asin(x);
  case UnaryOp::Acos:
    return Halide::acos(x);
  case UnaryOp::Atan:
    return Halide::atan(x);
  default:
    return Expr();
  }
}

} // namespace

Expr expandUnary(UnaryOp op, Expr x) {
  Halide::Type type = x.type();
  switch (op) {
  case UnaryOp::Floor:
    return Halide::floor(x);
  case UnaryOp::Ceil:
    return Halide::ceil(x);
  case UnaryOp::Trunc:
    return Halide::trunc(x);
  case UnaryOp::RoundEven:
    return Halide::round(x);
  case UnaryOp::Round:
    return roundAway(x);
  case UnaryOp::Sqrt:
    return Halide::sqrt(x);
  case UnaryOp::ReciprocalSqrt:
    return Halide::Internal::make_one(type) / Halide::sqrt(x);
  case UnaryOp::IsNan:
    return Halide::is_nan(x);
  case UnaryOp::IsInf:
    return Halide::is_inf(x);
  default:
    break;
  }
  if (type.bits() == 64)
    return expand64(op, x);
  if (type.bits() == 32)
    return expand32(op, x);
  Expr wide = expand32(op, Halide::cast<float>(x));
  return wide.defined() ? Halide::cast(type, wide) : wide;
}

Expr expandBinary(BinaryOp op, Expr lhs, Expr rhs) {
  Halide::Type type = lhs.type();
  if (op == BinaryOp::CopySign)
    return Halide::select(rhs < Halide::Internal::make_zero(type), -Halide::abs(lhs),
                          Halide::abs(lhs));
  if (type.bits() < 32)
    return Halide::cast(type, expandBinary(op, Halide::cast<float>(lhs), Halide::cast<float>(rhs)));
  if (op == BinaryOp::QuickDiv) {
    Expr most = Halide::Internal::make_const(type, std::ldexp(1.0, 126));
    return type.bits() == 64 ? lhs / rhs : quotient(lhs, Halide::select(rhs > most, most, rhs));
  }
  if (op == BinaryOp::Pow)
    return Halide::pow(lhs, rhs);
  return Halide::atan2(lhs, rhs);
}

Expr roundToOdd(const Expr &value) {
  Expr nearest = Halide::cast<float>(value), back = Halide::cast<double>(nearest);
  Expr bits = Halide::reinterpret<int32_t>(nearest);
  // The float32 on the other side of the value has the next greater or the next smaller bits.
  Expr other = bits + Halide::select((value > back) == (bits >= 0), 1, -1);
  Expr isBetween = value < back || value > back;
  return Halide::reinterpret<float>(Halide::select(isBetween && (bits & 1) == 0, other, bits));
}

} // namespace sylvite
