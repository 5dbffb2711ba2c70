//===- If.cpp - branches that data choose ----------------------------------===//
//
// Building, checks and canonical form of nn.if.
//
//===----------------------------------------------------------------------===//
#include "dialects/nn/NN.h"

#include "mlir/IR/PatternMatch.h"

using namespace mlir;
using namespace sylvite::nn;

void IfOp::build(OpBuilder &builder, OperationState &state, Value condition,
                 function_ref<SmallVector<Value>(OpBuilder &)> thenBody,
                 function_ref<SmallVector<Value>(OpBuilder &)> elseBody) {
  state.addOperands(condition);
  for (auto body : {thenBody, elseBody}) {
    OpBuilder::InsertionGuard guard(builder);
    builder.createBlock(state.addRegion());
    SmallVector<Value> yielded = body(builder);
    YieldOp::create(builder, state.location, yielded);
    if (state.types.empty())
      state.addTypes(TypeRange(ValueRange(yielded)));
  }
}

namespace {
/// Results that nobody reads go.
struct DropUnreadResults : OpRewritePattern<IfOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(IfOp op, PatternRewriter &rewriter) const override {
    llvm::BitVector unread(op.getNumResults());
    SmallVector<Value> read;
    SmallVector<Type> types;
    for (Value result : op.getResults()) {
      unread[cast<OpResult>(result).getResultNumber()] = result.use_empty();
      if (!result.use_empty()) {
        read.push_back(result);
        types.push_back(result.getType());
      }
    }
    if (unread.none() || read.empty()) // without any, the op itself goes
      return failure();
    for (Region *branch : op.getRegions()) {
      Operation *terminator = branch->front().getTerminator();
      rewriter.modifyOpInPlace(terminator, [&] { terminator->eraseOperands(unread); });
    }
    OperationState state(op.getLoc(), IfOp::getOperationName(), op.getCondition(), types);
    for (Region *branch : op.getRegions())
      state.addRegion()->takeBody(*branch);
    Operation *smaller = rewriter.create(state);
    for (auto [result, replacement] : llvm::zip_equal(read, smaller->getResults()))
      rewriter.replaceAllUsesWith(result, replacement);
    rewriter.eraseOp(op);
    return success();
  }
};
} // namespace

void IfOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<DropUnreadResults>(context);
}

LogicalResult IfOp::verify() {
  auto condition = cast<RankedTensorType>(getCondition().getType());
  if (condition.getRank() != 0 || !condition.getElementType().isInteger(1))
    return emitOpError("if_c1: the condition is no tensor<i1>: ") << condition;
  for (Region *branch : {&getThenRegion(), &getElseRegion()})
    if (getYielded(*branch).getTypes() != getResultTypes())
      return emitOpError("if_c2: a branch does not yield the types of the results");
  return success();
}
