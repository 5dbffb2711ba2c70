//===- If.cpp - branches that data choose ----------------------------------===//
//
// Building, checks and canonical form of nn.if.
//
//===----------------------------------------------------------------------===//
#include "dialects/nn/NN.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
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

/// Branches of arithmetic on elements are computed both, and their results are chosen element by element: that becomes part of
/// the kernels around it, where a branch of its own would write and read memory again (256 x 256 floats 9 us, not 26).
struct SelectElements : OpRewritePattern<IfOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(IfOp op, PatternRewriter &rewriter) const override {
    auto isArithmetic = [](Operation &inner) {
      return isa<MapOp>(inner) && llvm::all_of(inner.getRegion(0).front(), [](Operation &scalar) {
               return isa<YieldOp>(scalar) || isa<arith::ArithDialect>(scalar.getDialect());
             });
    };
    for (Region *branch : op.getRegions())
      if (!llvm::all_of(branch->front().without_terminator(), isArithmetic))
        return failure();
    SmallVector<Value> yielded[2];
    for (auto [branch, values] : llvm::zip_equal(op.getRegions(), yielded)) {
      values.append(op.getYielded(*branch).begin(), op.getYielded(*branch).end());
      rewriter.eraseOp(branch->front().getTerminator());
      rewriter.inlineBlockBefore(&branch->front(), op);
    }
    SmallVector<Value> chosen;
    for (auto [yes, no] : llvm::zip_equal(yielded[0], yielded[1]))
      chosen.push_back(MapOp::create(rewriter, op.getLoc(), getElementTypeOrSelf(yes), ValueRange{op.getCondition(), yes, no},
                                     [](OpBuilder &b, Location loc, ValueRange scalars) -> Value {
                                       return arith::SelectOp::create(b, loc, scalars[0], scalars[1], scalars[2]);
                                     }));
    rewriter.replaceOp(op, chosen);
    return success();
  }
};
} // namespace

void IfOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<DropUnreadResults, SelectElements>(context);
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
