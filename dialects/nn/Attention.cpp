//===- Attention.cpp - attention -------------------------------------------===//
//
// Shape and checks of nn.attention. Models do not come with it: see FormAttention in passes/nn.
//
//===----------------------------------------------------------------------===//
#include "dialects/nn/Pointwise.h"
#include "dialects/nn/Windows.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace sylvite::nn;

static bool disagree(AffineExpr x, AffineExpr y) {
  auto a = constantDim(x), b = constantDim(y);
  return a && b && *a != *b;
}

FailureOr<ShapeExpr> AttentionOp::inferShape(Adaptor adaptor, std::optional<Location> loc,
                                             ArrayRef<ShapeExpr> shapes) {
  ShapeExpr query = shapes[0], key = shapes[1], value = shapes[2];
  Type element = getElementTypeOrSelf(adaptor.getQuery());
  if (query.size() < 2 || key.size() < 2 || value.size() < 2 ||
      getElementTypeOrSelf(adaptor.getKey()) != element || getElementTypeOrSelf(adaptor.getValue()) != element)
    return emitOptionalError(loc, "attention_c1: expected query, key and value of rank two or more and one element type");
  AffineExpr width = value.pop_back_val(), numValues = value.pop_back_val(), length = query.pop_back_val(),
             numQueries = query.pop_back_val(), numKeys = key.pop_back_val(), keyLength = key.pop_back_val();
  if (disagree(length, keyLength) || disagree(numKeys, numValues))
    return emitOptionalError(loc, "attention_c2: queries of ", constantDim(length).value_or(-1), ", keys of ",
                             constantDim(keyLength).value_or(-1), "; ", constantDim(numKeys).value_or(-1),
                             " keys, ", constantDim(numValues).value_or(-1), " values");
  auto batch = broadcastShapes({query, key, value});
  if (failed(batch))
    return emitOptionalError(loc, "attention_c3: the leading dimensions do not broadcast together");
  ShapeExpr scores(*batch);
  scores.append({numQueries, numKeys});
  for (const ShapeExpr &modifier : shapes.drop_front(3)) {
    auto both = broadcastShapes({scores, modifier});
    bool fits = succeeded(both) && both->size() == scores.size() && llvm::none_of(llvm::zip(*both, scores), [](auto dims) {
                  return disagree(std::get<0>(dims), std::get<1>(dims));
                });
    if (!fits)
      return emitOptionalError(loc, "attention_c4: a modifier does not broadcast to the scores");
  }
  batch->append({numQueries, width});
  return *batch;
}

LogicalResult AttentionOp::verify() {
  Block &block = getBody().front();
  Type score = scalarType(getQuery().getType());
  SmallVector<Type> types{score};
  for (Value modifier : getModifiers())
    types.push_back(scalarType(modifier.getType()));
  if (block.getArgumentTypes() != TypeRange(types))
    return emitOpError("attention_c5: expected block arguments for a score and for each modifier");
  if (block.getTerminator()->getOperandTypes() != TypeRange(score))
    return emitOpError("attention_c5: expected to yield one ") << score;
  for (Operation &op : block.without_terminator())
    if (!isa<arith::ArithDialect, math::MathDialect>(op.getDialect()) || !isMemoryEffectFree(&op))
      return emitOpError("attention_c6: the region may not hold '") << op.getName() << "'";
  if (getKeyBlock() && *getKeyBlock() % getKeyPanel())
    return emitOpError("attention_c7: a block of ") << *getKeyBlock() << " keys is no number of panels of " << getKeyPanel();
  return success();
}
