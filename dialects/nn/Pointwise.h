//===- Pointwise.h - scalar functions for nn.map ----------------*- C++ -*-===//
//
// The activations and other scalar functions of the field as builders of arith and math ops, for the
// regions of nn.map. Each takes and returns floating-point scalars of one type. An importer names
// them; nothing downstream knows them.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_DIALECTS_NN_POINTWISE_H
#define SYLVITE_DIALECTS_NN_POINTWISE_H

#include "dialects/nn/NN.h"

namespace sylvite::nn {

/// Builds scalar expressions at one place.
class ScalarBuilder {
public:
  ScalarBuilder(mlir::OpBuilder &builder, mlir::Location loc) : b(builder), loc(loc) {}

  /// A constant of `like`'s type.
  mlir::Value constant(double value, mlir::Value like);
  mlir::Value add(mlir::Value x, mlir::Value y);
  mlir::Value sub(mlir::Value x, mlir::Value y);
  mlir::Value mul(mlir::Value x, mlir::Value y);
  mlir::Value div(mlir::Value x, mlir::Value y);
  /// x / y and the square root of x to 2e-7, without the divider (`fastmath<arcp>` and `<afn>`): y is positive, zero only where
  /// no number is meant, and all beyond 2^126 alike.
  mlir::Value quickDiv(mlir::Value x, mlir::Value y);
  mlir::Value quickSqrt(mlir::Value x);
  mlir::Value maximum(mlir::Value x, mlir::Value y);
  mlir::Value minimum(mlir::Value x, mlir::Value y);
  mlir::Value neg(mlir::Value x);
  mlir::Value abs(mlir::Value x);
  mlir::Value exp(mlir::Value x);
  mlir::Value expm1(mlir::Value x);
  mlir::Value log(mlir::Value x);
  mlir::Value sqrt(mlir::Value x);
  mlir::Value rsqrt(mlir::Value x);
  mlir::Value tanh(mlir::Value x);
  mlir::Value erf(mlir::Value x);
  mlir::Value cos(mlir::Value x);
  mlir::Value floor(mlir::Value x);
  mlir::Value pow(mlir::Value x, mlir::Value y);
  /// `x > y ? whenTrue : whenFalse`, false when either is NaN.
  mlir::Value selectGreater(mlir::Value x, mlir::Value y, mlir::Value whenTrue,
                            mlir::Value whenFalse);
  mlir::Value select(mlir::Value condition, mlir::Value x, mlir::Value y);
  /// 1 where `x` equals `y`, 0 elsewhere.
  mlir::Value equals(mlir::Value x, mlir::Value y);
  mlir::Value clamp(mlir::Value x, double low, double high);

  mlir::Value sigmoid(mlir::Value x);       ///< 1 / (1 + exp(-x))
  mlir::Value softplus(mlir::Value x);      ///< log(1 + exp(x)), without overflow
  mlir::Value logSigmoid(mlir::Value x);    ///< -softplus(-x)
  mlir::Value relu(mlir::Value x);          ///< max(x, 0)
  /// Keras's ReLU: `max_value` beyond it (no bound when infinite), x from `threshold` on,
  /// `negativeSlope * (x - threshold)` below.
  mlir::Value relu(mlir::Value x, double negativeSlope, double maxValue, double threshold);
  mlir::Value leakyRelu(mlir::Value x, double slope); ///< x > 0 ? x : slope * x
  mlir::Value elu(mlir::Value x, double alpha);       ///< x > 0 ? x : alpha * (exp(x) - 1)
  mlir::Value celu(mlir::Value x, double alpha);      ///< max(x,0) + min(0, a*(exp(x/a)-1))
  mlir::Value selu(mlir::Value x);          ///< scaled ELU, arXiv 1706.02515
  mlir::Value gelu(mlir::Value x, bool approximate); ///< arXiv 1606.08415; tanh form if approximate
  mlir::Value silu(mlir::Value x);          ///< x * sigmoid(x)
  mlir::Value mish(mlir::Value x);          ///< x * tanh(softplus(x))
  mlir::Value softsign(mlir::Value x);      ///< x / (1 + |x|)
  mlir::Value hardSigmoid(mlir::Value x);   ///< relu6(x + 3) / 6
  mlir::Value hardSilu(mlir::Value x);      ///< x * hardSigmoid(x)
  mlir::Value hardTanh(mlir::Value x);      ///< clamp(x, -1, 1)
  mlir::Value hardShrink(mlir::Value x, double threshold); ///< |x| > t ? x : 0
  mlir::Value softShrink(mlir::Value x, double threshold); ///< sign(x) * max(|x| - t, 0)
  mlir::Value tanhShrink(mlir::Value x);    ///< x - tanh(x)
  mlir::Value thresholdedRelu(mlir::Value x, double threshold); ///< x > t ? x : 0
  mlir::Value squareplus(mlir::Value x, double b); ///< (x + sqrt(x*x + b)) / 2
  mlir::Value sparsePlus(mlir::Value x);    ///< 0 | (x+1)^2/4 | x
  mlir::Value sparseSigmoid(mlir::Value x); ///< clamp((x + 1) / 2, 0, 1)

private:
  mlir::OpBuilder &b;
  mlir::Location loc;
};

/// What the region of an nn.map sees of an element of `tensor`: its element type, but arith has no unsigned
/// types, so `ui8` comes as the same bits in `i8`.
mlir::Type scalarType(mlir::Type tensor);

/// An nn.map of one operand: `function` of each element.
mlir::Value mapUnary(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value x,
                     llvm::function_ref<mlir::Value(ScalarBuilder &, mlir::Value)> function);

/// An nn.map of two operands, broadcast.
mlir::Value mapBinary(
    mlir::OpBuilder &builder, mlir::Location loc, mlir::Value x, mlir::Value y,
    llvm::function_ref<mlir::Value(ScalarBuilder &, mlir::Value, mlir::Value)> function);

} // namespace sylvite::nn

#endif // SYLVITE_DIALECTS_NN_POINTWISE_H
