//===- LossBuilder.h - what losses and metrics are written with -*- C++ -*-===//
//
// Reductions over the last dimension of a model's output, and a target in the forms that rows compare with it.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_PASSES_NN_LOSSBUILDER_H
#define SYLVITE_PASSES_NN_LOSSBUILDER_H

#include "passes/nn/Training.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

namespace sylvite {

/// keras.config.epsilon().
inline constexpr double kEpsilon = 1e-7;

/// What a row of losses or metrics is written with.
struct LossBuilder {
  using Value = mlir::Value;

  nn::TensorBuilder &b;
  Settings settings;
  Comparison compared;

  int64_t last() const { return nn::TensorBuilder::typeOf(compared.predicted).getRank() - 1; }
  Value sum(Value x, bool keepDims = false) { return b.reduce(nn::ReduceKind::Sum, x, {last()}, keepDims); }
  Value mean(Value x) { return b.reduce(nn::ReduceKind::Mean, x, {last()}); }
  Value greatest(Value x) { return b.reduce(nn::ReduceKind::Max, x, {last()}, /*keepDims=*/true); }
  /// The mean over the last dimension of a function of the two.
  Value meanOf(llvm::function_ref<Value(nn::ScalarBuilder &, Value predicted, Value target)> function) {
    return mean(b.map(compared.predicted, compared.target, function));
  }
  /// The numbers of the classes, along the last dimension of the output.
  Value classes() {
    int64_t count = nn::TensorBuilder::typeOf(compared.predicted).getDimSize(last());
    return getIndices(b, count);
  }
  /// The place of the first of the greatest elements along the last dimension of `x`, as a float.
  Value argmax(Value x) {
    int64_t count = nn::TensorBuilder::typeOf(x).getDimSize(last());
    Value isGreatest = b.map(x, greatest(x), &nn::ScalarBuilder::equals);
    Value index = nn::MapOp::create(
        b, mlir::ValueRange{isGreatest, classes()}, [&](mlir::OpBuilder &builder, mlir::Location loc, mlir::ValueRange v) -> Value {
          nn::ScalarBuilder s(builder, loc);
          Value number = mlir::arith::SIToFPOp::create(builder, loc, v[0].getType(), v[1]);
          return s.selectGreater(v[0], s.constant(0.5, v[0]), number, s.constant(count, v[0]));
        });
    return b.reduce(nn::ReduceKind::Min, index, {last()});
  }
  /// The numbers of classes that a sparse target holds, as floats.
  Value numbers() {
    return nn::MapOp::create(b, mlir::ValueRange{compared.target}, [](mlir::OpBuilder &b, mlir::Location loc, mlir::ValueRange v) -> Value {
      return mlir::arith::SIToFPOp::create(b, loc, b.getF32Type(), v[0]);
    });
  }
  /// The target, or one-hot vectors of the classes that it numbers, as floats.
  Value vectors() {
    if (!compared.isSparse)
      return compared.target;
    mlir::SmallVector<int64_t> shape(nn::TensorBuilder::typeOf(compared.target).getShape()), from;
    for (size_t i = 0; i < shape.size(); ++i)
      from.push_back(i);
    shape.push_back(1);
    from.push_back(-1);
    mlir::Type element = mlir::getElementTypeOrSelf(compared.predicted.getType());
    Value labels = b.reshape(compared.target, shape, from);
    return nn::MapOp::create(b, mlir::ValueRange{labels, classes()}, [&](mlir::OpBuilder &builder, mlir::Location loc, mlir::ValueRange v) -> Value {
      Value same = mlir::arith::CmpIOp::create(builder, loc, mlir::arith::CmpIPredicate::eq, v[0], v[1]);
      Value one = mlir::arith::ConstantOp::create(builder, loc, builder.getFloatAttr(element, 1));
      Value zero = mlir::arith::ConstantOp::create(builder, loc, builder.getFloatAttr(element, 0));
      return mlir::arith::SelectOp::create(builder, loc, same, one, zero);
    });
  }
  /// The target with a part of its weight spread over all `count` classes.
  Value smoothed(Value target, int64_t count) {
    double smoothing = settings.number("label_smoothing", 0);
    if (smoothing == 0)
      return target;
    return b.map(target, [&](nn::ScalarBuilder &s, Value t) {
      return s.add(s.mul(t, s.constant(1 - smoothing, t)), s.constant(smoothing / count, t));
    });
  }
  /// `x` of length one along the last dimension.
  Value normalized(Value x) {
    Value squares = b.reduce(nn::ReduceKind::SumSquare, x, {last()}, /*keepDims=*/true);
    return b.map(x, squares, [](nn::ScalarBuilder &s, Value e, Value sum) {
      return s.mul(e, s.rsqrt(s.maximum(sum, s.constant(1e-12, sum))));
    });
  }
  /// The target of a hinge: zeros and ones mean minus one and one.
  Value signs() {
    Value target = compared.target;
    Value isBinary = b.map(target, [](nn::ScalarBuilder &s, Value t) {
      return s.add(s.equals(t, s.constant(0, t)), s.equals(t, s.constant(1, t)));
    });
    return b.map(target, b.reduceAll(nn::ReduceKind::Min, isBinary), [](nn::ScalarBuilder &s, Value t, Value binary) {
      Value sign = s.sub(s.mul(s.constant(2, t), t), s.constant(1, t));
      return s.selectGreater(binary, s.constant(0.5, t), sign, t);
    });
  }
};

} // namespace sylvite

#endif // SYLVITE_PASSES_NN_LOSSBUILDER_H
