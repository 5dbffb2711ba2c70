//===- Dense.cpp - matrix products -----------------------------------------===//
//
// Shapes, checks and gradients of nn.matmul and nn.packed_matmul.
//
//===----------------------------------------------------------------------===//
#include "dialects/nn/TensorBuilder.h"
#include "dialects/nn/Windows.h"

using namespace mlir;
using namespace sylvite::nn;

/// Whether these are the operands of a product of bytes.
static bool areBytes(Type lhs, Type rhs) {
  return getElementTypeOrSelf(lhs).isUnsignedInteger(8) && getElementTypeOrSelf(rhs).isSignlessInteger(8);
}

Type sylvite::nn::productType(Type lhs, Type rhs) {
  return areBytes(lhs, rhs) ? IntegerType::get(lhs.getContext(), 32) : getElementTypeOrSelf(lhs);
}

/// Whether a product has operands of one element type, or bytes on the right side.
static bool haveProduct(Type lhs, Type rhs) {
  Type left = getElementTypeOrSelf(lhs), right = getElementTypeOrSelf(rhs);
  return left == right || areBytes(lhs, rhs) || (isa<FloatType>(left) && right.isSignlessInteger(8));
}

FailureOr<ShapeExpr> MatmulOp::inferShape(Adaptor adaptor, std::optional<Location> loc,
                                          ArrayRef<ShapeExpr> shapes) {
  ShapeExpr lhs = shapes[0], rhs = shapes[1];
  if (lhs.size() < 2 || rhs.size() < 2 || !haveProduct(adaptor.getLhs().getType(), adaptor.getRhs().getType()))
    return emitOptionalError(
        loc, "matmul_c1: expected two operands of rank two or more and one element type, or of ui8 or a float type and i8");
  if (adaptor.getTransposeLhs())
    std::swap(lhs.back(), lhs[lhs.size() - 2]);
  if (adaptor.getTransposeRhs())
    std::swap(rhs.back(), rhs[rhs.size() - 2]);
  AffineExpr k = lhs.pop_back_val(), m = lhs.pop_back_val(), n = rhs.pop_back_val(),
             rhsK = rhs.pop_back_val();
  if (auto a = constantDim(k), b = constantDim(rhsK); a && b && *a != *b)
    return emitOptionalError(loc, "matmul_c2: cannot contract a dimension of ", *a,
                             " with one of ", *b);
  auto batch = broadcastShapes({lhs, rhs});
  if (failed(batch))
    return emitOptionalError(loc, "matmul_c3: the leading dimensions do not broadcast together");
  batch->push_back(m);
  batch->push_back(n);
  return *batch;
}

FailureOr<SmallVector<Value>> MatmulOp::buildGradient(OpBuilder &builder, ValueRange gradients) {
  TensorBuilder b(getLoc(), builder);
  Value g = gradients[0], x = getLhs(), y = getRhs();
  // A kernel reads its right side along its rows: a transposed one is moved first.
  auto times = [&](Value left, bool transposeLeft, Value right, bool transposeRight) {
    return b.matmul(left, transposeRight ? b.transposeMatrices(right) : right, transposeLeft);
  };
  bool tx = getTransposeLhs(), ty = getTransposeRhs();
  Value dx = tx ? (ty ? times(y, true, g, true) : times(y, false, g, true)) : times(g, false, y, !ty);
  Value dy;
  RankedTensorType yType = b.typeOf(y);
  if (yType.getRank() == 2 && b.typeOf(x).getRank() > 2 && !tx) { // one product over all matrices of x
    auto flatten = [&](Value value) { return b.asMatrix(value, b.typeOf(value).getRank() - 1); };
    Value rows = flatten(x), gRows = flatten(g);
    dy = ty ? b.matmul(gRows, rows, true) : b.matmul(rows, gRows, true);
  } else {
    dy = ty ? times(g, true, x, tx) : times(x, !tx, g, false);
  }
  return SmallVector<Value>{b.sumTo(dx, b.typeOf(x)), b.sumTo(dy, yType)};
}

FailureOr<ShapeExpr> PackedMatmulOp::inferShape(Adaptor adaptor, std::optional<Location> loc,
                                                ArrayRef<ShapeExpr> shapes) {
  const ShapeExpr &lhs = shapes[0];
  ShapeExpr rhs = shapes[1];
  bool bytes = areBytes(adaptor.getLhs().getType(), adaptor.getRhs().getType());
  bool hasSteps = false;
  if (auto steps = rhs.size() == 4 ? constantDim(rhs.back()) : std::nullopt)
    hasSteps = bytes ? *steps == 4 : *steps > 1 && rhs[1] * *steps == lhs.back();
  if (hasSteps) { // as one of K steps
    rhs[1] = rhs[1] * rhs.back();
    rhs.pop_back();
  }
  bool hasGates = !bytes && lhs.size() == 2 && rhs.size() == 4;
  if (lhs.size() < 2 || (rhs.size() != 3 && !hasGates) || (bytes && !hasSteps) ||
      !haveProduct(adaptor.getLhs().getType(), adaptor.getRhs().getType()))
    return emitOptionalError(loc, "packed_matmul_c1: expected a left side of rank two or more and a right side "
                                  "(blocks, K, block) or (blocks, K / n, block, n), or a matrix and "
                                  "(blocks, K, gates, block), of one element type or of a float type and i8, or "
                                  "ui8 and i8 (blocks, K / 4, block, 4)");
  if (lhs.back() != rhs[1])
    return emitOptionalError(loc, "packed_matmul_c2: cannot contract a dimension of ",
                             constantDim(lhs.back()).value_or(-1), " with one of ",
                             constantDim(rhs[1]).value_or(-1));
  auto blocks = constantDim(rhs[0]), block = constantDim(rhs.back());
  int64_t columns = adaptor.getColumns();
  if (!blocks || !block || !fillBlocks(columns, *blocks, *block))
    return emitOptionalError(loc, "packed_matmul_c3: ", blocks.value_or(-1), " blocks of ",
                             block.value_or(-1), " do not hold ", columns, " columns");
  ShapeExpr result(lhs);
  result.back() = getAffineConstantExpr(columns, lhs.front().getContext());
  if (hasGates)
    result.insert(result.begin(), rhs[2]);
  return result;
}
