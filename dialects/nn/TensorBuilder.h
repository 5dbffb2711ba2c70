//===- TensorBuilder.h - making nn ops at one place -------------*- C++ -*-===//
//
// Short names for the ops that passes and gradient rules make most: arithmetic on tensors, products,
// reductions, and the two directions of broadcasting. Result types are inferred.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_DIALECTS_NN_TENSORBUILDER_H
#define SYLVITE_DIALECTS_NN_TENSORBUILDER_H

#include "dialects/nn/Pointwise.h"

#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace sylvite::nn {

/// Makes nn ops with one location.
class TensorBuilder : public mlir::ImplicitLocOpBuilder {
public:
  using ImplicitLocOpBuilder::ImplicitLocOpBuilder;
  using Value = mlir::Value;

  static mlir::RankedTensorType typeOf(Value value) {
    return llvm::cast<mlir::RankedTensorType>(value.getType());
  }

  /// An op whose result type is inferred.
  template <typename OpTy, typename... Args> Value infer(Args &&...args) {
    return OpTy::create(*this, std::forward<Args>(args)...);
  }
  Value transpose(Value x, llvm::ArrayRef<int64_t> permutation) {
    return infer<TransposeOp>(x, permutation);
  }
  /// The last two dimensions in each other's place.
  Value transposeMatrices(Value x);
  Value matmul(Value x, Value y, bool transposeX = false, bool transposeY = false) {
    return infer<MatmulOp>(x, y, transposeX, transposeY);
  }
  Value add(Value x, Value y) { return map(x, y, &ScalarBuilder::add); }
  Value subtract(Value x, Value y) { return map(x, y, &ScalarBuilder::sub); }
  Value multiply(Value x, Value y) { return map(x, y, &ScalarBuilder::mul); }
  Value map(Value x, Value y, Value (ScalarBuilder::*function)(Value, Value)) {
    return map(x, y, [&](ScalarBuilder &s, Value a, Value b) { return (s.*function)(a, b); });
  }
  Value map(Value x, Value y, llvm::function_ref<Value(ScalarBuilder &, Value, Value)> function) {
    return mapBinary(*this, getLoc(), x, y, function);
  }
  Value map(Value x, llvm::function_ref<Value(ScalarBuilder &, Value)> function) {
    return mapUnary(*this, getLoc(), x, function);
  }
  /// A map of any number of operands.
  Value map(mlir::ValueRange operands,
            llvm::function_ref<Value(ScalarBuilder &, mlir::ValueRange)> function);
  Value scale(Value x, double factor) {
    return map(x, [&](ScalarBuilder &s, Value e) { return s.mul(e, s.constant(factor, e)); });
  }
  /// `mask ? x : y`, elementwise.
  Value select(Value mask, Value x, Value y);
  Value reduce(ReduceKind kind, Value x, llvm::ArrayRef<int64_t> dims, bool keepDims = false) {
    return infer<ReduceOp>(x, kind, dims, keepDims);
  }
  /// `x` under the shape of `type`; a dimension of it is that of `x` which `from` says, or -1.
  Value reshape(Value x, llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<int64_t> from);
  /// `x` as a matrix: its first `count` dimensions are the rows.
  Value asMatrix(Value x, int64_t count);
  /// A filter `(spatial..., C / groups, O)` turned about and with inputs and outputs of each group in each other's
  /// place: `(spatial..., O / groups, C)`. A convolution with it undoes one of stride one.
  Value turnFilter(Value filter, int64_t groups);
  /// The reduction over all dimensions: a scalar.
  Value reduceAll(ReduceKind kind, Value x);
  /// The sizes of `type` as nn.slice takes them: -1 for a free one.
  static llvm::SmallVector<int64_t> sliceSizes(mlir::RankedTensorType type);
  /// `value` everywhere, in the shape of `like`.
  Value fullLike(double value, Value like);
  /// `x`, whose dimensions are those of `like` without `dims`, in the shape of `like`.
  Value broadcastOver(Value x, Value like, llvm::ArrayRef<int64_t> dims);
  /// The sum of what repeats when `like` is broadcast to the shape of `x`: of the shape of `like`.
  Value sumTo(Value x, mlir::RankedTensorType like);
  /// 1 where `x` is zero, 0 elsewhere.
  Value isZero(Value x);
  /// `x` with ones in place of zeros.
  Value withoutZeros(Value x);
  /// The product of all factors but `x`, where `zeros` of the factors are zero and `product` is that of the others.
  Value productOfOthers(Value x, Value zeros, Value product);
  /// The number of elements of `like` along `dims`: a scalar, of the element type of `like`.
  Value countElements(Value like, llvm::ArrayRef<int64_t> dims);
};

} // namespace sylvite::nn

#endif // SYLVITE_DIALECTS_NN_TENSORBUILDER_H
