//===- Dense.cpp - matrix products -----------------------------------------===//
//
// Shape and checks of nn.matmul.
//
//===----------------------------------------------------------------------===//
#include "dialects/nn/Windows.h"

using namespace mlir;
using namespace sylvite::nn;

FailureOr<ShapeExpr> MatmulOp::inferShape(Adaptor adaptor, std::optional<Location> loc,
                                          ArrayRef<ShapeExpr> shapes) {
  ShapeExpr lhs = shapes[0], rhs = shapes[1];
  if (lhs.size() < 2 || rhs.size() < 2 ||
      getElementTypeOrSelf(adaptor.getLhs()) != getElementTypeOrSelf(adaptor.getRhs()))
    return emitOptionalError(
        loc, "matmul_c1: expected two operands of rank two or more and one element type");
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
