//===- ScalarMath.h - Arithmetic on elements of any type ------------------===//
//
// Scalar expressions for the bodies of maps that serve floating-point numbers, integers and bools alike. Functions
// of floating-point numbers only are nn::ScalarBuilder's.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_COMPILER_IMPORT_SCALARMATH_H
#define SYLVITE_COMPILER_IMPORT_SCALARMATH_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"

namespace sylvite {

class ScalarMath {
public:
  /// Works on elements of `type`, that of a tensor: unsigned types are signless in the body.
  ScalarMath(mlir::OpBuilder &builder, mlir::Location loc, mlir::Type type)
      : b(builder), loc(loc), type(type), isFloat(llvm::isa<mlir::FloatType>(type)),
        isUnsigned(type.isUnsignedInteger() || type.isInteger(1)) {}

  mlir::Value constant(int64_t value);
  mlir::Value constant(double value);
  mlir::Value add(mlir::Value x, mlir::Value y);
  mlir::Value sub(mlir::Value x, mlir::Value y);
  mlir::Value mul(mlir::Value x, mlir::Value y);
  mlir::Value div(mlir::Value x, mlir::Value y); ///< of integers: towards zero
  mlir::Value rem(mlir::Value x, mlir::Value y); ///< with the sign of x
  mlir::Value maximum(mlir::Value x, mlir::Value y);
  mlir::Value minimum(mlir::Value x, mlir::Value y);
  mlir::Value negate(mlir::Value x);
  mlir::Value equal(mlir::Value x, mlir::Value y);
  mlir::Value less(mlir::Value x, mlir::Value y);
  mlir::Value lessOrEqual(mlir::Value x, mlir::Value y);
  mlir::Value select(mlir::Value condition, mlir::Value x, mlir::Value y);
  /// Of bools.
  mlir::Value both(mlir::Value x, mlir::Value y);
  mlir::Value either(mlir::Value x, mlir::Value y);
  mlir::Value invert(mlir::Value x);

  mlir::OpBuilder &b;
  mlir::Location loc;
  mlir::Type type;
  bool isFloat, isUnsigned;
};

/// `x`, an element of a tensor of `from`, as one of a tensor of `to`.
mlir::Value castScalar(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x, mlir::Type from, mlir::Type to);

} // namespace sylvite

#endif // SYLVITE_COMPILER_IMPORT_SCALARMATH_H
