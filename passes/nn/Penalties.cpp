//===- Penalties.cpp - regularizers and constraints ------------------------===//
//
// What values add to the loss, and what parameters are brought to after each step: keras.regularizers and
// keras.constraints.
//
//===----------------------------------------------------------------------===//
#include "passes/nn/Training.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace sylvite;
using namespace sylvite::nn;

/// keras.config.epsilon()
static constexpr double epsilon = 1e-7;

//===----------------------------------------------------------------------===//
// Regularizers
//===----------------------------------------------------------------------===//

Value sylvite::buildPenalty(TensorBuilder &b, double l1, double l2, Value x) {
  Value total;
  if (l1)
    total = b.scale(b.reduceAll(ReduceKind::Sum, b.map(x, [](ScalarBuilder &s, Value e) { return s.abs(e); })), l1);
  if (l2) {
    Value squares = b.scale(b.reduceAll(ReduceKind::SumSquare, x), l2);
    total = total ? b.add(total, squares) : squares;
  }
  return total;
}

/// The mean cosine, without its sign, of the angles between the rows of a matrix, or between its columns, times `factor`.
static Value buildOrthogonalPenalty(TensorBuilder &b, double factor, bool byColumn, Value matrix) {
  Value squares = b.reduce(ReduceKind::SumSquare, matrix, {byColumn ? 0 : 1}, /*keepDims=*/true);
  Value unit = b.map(matrix, squares, [&](ScalarBuilder &s, Value x, Value square) {
    return s.mul(x, s.minimum(s.rsqrt(square), s.constant(1 / epsilon, square)));
  });
  Value cosines = b.matmul(unit, unit, /*transposeX=*/byColumn, /*transposeY=*/!byColumn);
  int64_t size = TensorBuilder::typeOf(cosines).getDimSize(0);
  Value number = getIndices(b, size);
  Value ofOthers = MapOp::create(b, ValueRange{cosines, b.reshape(number, {size, 1}, {-1, -1}), number},
                                 [](OpBuilder &builder, Location loc, ValueRange v) -> Value {
                                   ScalarBuilder s(builder, loc);
                                   Value isSame = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, v[1], v[2]);
                                   return arith::SelectOp::create(builder, loc, isSame, s.constant(0, v[0]), s.abs(v[0]));
                                 });
  // Each pair stands in two places.
  return b.scale(b.reduceAll(ReduceKind::Sum, ofOthers), factor / (size * (size - 1.0)));
}

Value sylvite::buildPenalty(TensorBuilder &b, Settings regularizer, Value parameter) {
  for (bool byColumn : {false, true})
    if (double factor = regularizer.number(byColumn ? "orthogonal_columns" : "orthogonal_rows", 0))
      return buildOrthogonalPenalty(b, factor, byColumn, parameter);
  return buildPenalty(b, regularizer.number("l1", 0), regularizer.number("l2", 0), flatten(b, parameter));
}

//===----------------------------------------------------------------------===//
// Constraints
//===----------------------------------------------------------------------===//

Value sylvite::constrain(TensorBuilder &b, Settings constraint, Value parameter) {
  StringRef kind = constraint.kind();
  if (kind == "non_neg")
    return b.map(parameter, [](ScalarBuilder &s, Value w) { return s.relu(w); });
  double least = 0, most = 1, rate = 1;
  if (kind == "max_norm")
    most = constraint.number("max_value", 2);
  else if (kind == "min_max_norm")
    least = constraint.number("min_value", 0), most = constraint.number("max_value", 1), rate = constraint.number("rate", 1);
  Value squares = b.reduce(ReduceKind::SumSquare, parameter, constraint.dims("axes"), /*keepDims=*/true);
  return b.map(parameter, squares, [&](ScalarBuilder &s, Value w, Value sum) {
    Value norm = s.sqrt(sum), divisor = s.add(s.constant(epsilon, norm), norm);
    if (kind == "unit_norm")
      return s.div(w, divisor);
    Value wanted = s.clamp(norm, least, most);
    if (rate != 1)
      wanted = s.add(s.mul(s.constant(rate, norm), wanted), s.mul(s.constant(1 - rate, norm), norm));
    return s.mul(w, s.div(wanted, divisor));
  });
}
