// Elementary functions as Halide expressions that vectorize: what Halide would send to a scalar
// libm call, or compute less accurately than a layer needs, is a polynomial or rational form here.
// Part of the Halide side of codegen: it includes Halide.h.
#ifndef SYLVITE_COMPILER_CODEGEN_HALIDEMATH_H
#define SYLVITE_COMPILER_CODEGEN_HALIDEMATH_H

#include "compiler/codegen/HalideBuilder.h"

#include <Halide.h>

namespace sylvite {

/// A function of a floating-point value. Half precisions are computed in float32; float64 uses libm
/// for what has no vector instruction.
Halide::Expr expandUnary(UnaryOp op, Halide::Expr value);

/// Pow, Atan2, CopySign and QuickDiv.
Halide::Expr expandBinary(BinaryOp op, Halide::Expr lhs, Halide::Expr rhs);

/// A float64 as the float32 from which rounding once more, to a float of half the digits or fewer, gives what one
/// rounding of the float64 does: where it is between two float32, the one whose last bit is set (rounding to odd;
/// Boldo and Melquiond, "Emulation of a FMA and correctly rounded sums", 2008).
Halide::Expr roundToOdd(const Halide::Expr &value);

} // namespace sylvite

#endif // SYLVITE_COMPILER_CODEGEN_HALIDEMATH_H
