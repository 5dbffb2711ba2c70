//===- SimplifyGradients.cpp - sums that gradients leave -------------------===//
//
// The gradient of what is read in several places is a sum of shares, and that of what all steps of a loop read is a sum over
// the steps. These patterns of nn-simplify make other ops of such sums: shares that fill each other's padding are one
// concatenation; products that a loop adds up are one product of all its steps, after it.
//
//===----------------------------------------------------------------------===//
#include "dialects/nn/TensorBuilder.h"
#include "passes/nn/Utils.h"

using namespace mlir;
using namespace sylvite;
using namespace sylvite::nn;

namespace {

/// A sum of tensors that are each zero outside a part of its own, along one dimension, is these parts one after the other.
struct JoinPads : OpRewritePattern<MapOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MapOp sum, PatternRewriter &rewriter) const override {
    SmallVector<PadOp> pads;
    if (!isSum(sum) || !collectPads(sum, pads))
      return failure();
    int64_t rank = sum.getType().getRank(), dim = 0;
    auto isPadded = [&](PadOp pad, int64_t d) { return pad.getLow()[d] || pad.getHigh()[d]; };
    while (dim < rank && !isPadded(pads.front(), dim))
      ++dim;
    llvm::stable_sort(pads, [&](PadOp a, PadOp b) { return dim < rank && a.getLow()[dim] < b.getLow()[dim]; });
    int64_t next = 0;
    SmallVector<Value> parts;
    for (PadOp pad : pads) {
      int64_t size = dim < rank ? cast<RankedTensorType>(pad.getInput().getType()).getDimSize(dim) : ShapedType::kDynamic;
      if (ShapedType::isDynamic(size) || pad.getLow()[dim] != next || pad.getType() != sum.getType())
        return failure();
      for (int64_t d = 0; d < rank; ++d)
        if (d != dim && isPadded(pad, d))
          return failure();
      next += size;
      parts.push_back(pad.getInput());
    }
    if (next != sum.getType().getDimSize(dim))
      return failure();
    rewriter.replaceOpWithNewOp<ConcatOp>(sum, parts, dim);
    return success();
  }

  /// Whether `sum` adds paddings with zeros alone, through sums that nothing else reads; `pads` are these.
  static bool collectPads(MapOp sum, SmallVectorImpl<PadOp> &pads) {
    return llvm::all_of(sum.getOperands(), [&](Value operand) {
      if (auto pad = operand.getDefiningOp<PadOp>()) {
        pads.push_back(pad);
        return pad.getMode() == PadMode::Constant && pad.getValue().isZero();
      }
      auto inner = operand.getDefiningOp<MapOp>();
      return inner && inner->hasOneUse() && isSum(inner) && collectPads(inner, pads);
    });
  }
};

/// What a loop adds up in a carried value, products over its rows or sums of them, is one product, or sum, over the rows of all
/// steps. The loop stacks what it is made of.
struct SumAfterLoop : OpRewritePattern<ScanOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ScanOp scan, PatternRewriter &rewriter) const override {
    for (unsigned i = 0; i < scan.getInitial().size(); ++i)
      if (Operation *term = termOf(scan, i)) {
        moveOut(scan, i, term, rewriter);
        return success();
      }
    return failure();
  }

private:
  /// What each step adds to the carried value `i`, when that is all that happens to it, and it can be had after the loop.
  static Operation *termOf(ScanOp scan, unsigned i) {
    Value carried = scan.getCarriedArguments()[i];
    auto sum = scan.getYielded()[i].getDefiningOp<MapOp>();
    if (!carried.hasOneUse() || !sum || *carried.user_begin() != sum || !sum->hasOneUse() || !isSum(sum))
      return nullptr;
    Operation *term = sum.getOperand(sum.getOperand(0) == carried).getDefiningOp();
    auto product = dyn_cast_or_null<MatmulOp>(term);
    auto reduce = dyn_cast_or_null<ReduceOp>(term);
    auto isMatrix = [](Type type) { return cast<RankedTensorType>(type).getRank() == 2; };
    bool isProduct = product && product.getTransposeLhs() && !product.getTransposeRhs() &&
                     llvm::all_of(product->getOperandTypes(), isMatrix);
    bool isReduction = reduce && reduce.getKind() == ReduceKind::Sum && !reduce.getKeepDims();
    auto isOfStep = [&](Value value) { return value.getParentBlock() == &scan.getBody().front(); };
    bool canMove = (isProduct || isReduction) && term->getResult(0).getType() == sum.getType() &&
                   llvm::all_of(term->getOperands(), isOfStep);
    return canMove ? term : nullptr;
  }

  static void moveOut(ScanOp scan, unsigned i, Operation *term, PatternRewriter &rewriter) {
    unsigned numCarried = scan.getInitial().size();
    Operation *terminator = scan.getBody().front().getTerminator();
    SmallVector<bool> reversed(scan.getReversed());
    // Slices of a sequence are in it already; all operands are stacked in one order, which is free otherwise.
    auto sequenceNumber = [&](Value slice) -> std::optional<unsigned> {
      auto argument = dyn_cast<BlockArgument>(slice);
      if (!argument || argument.getArgNumber() < numCarried)
        return std::nullopt;
      return argument.getArgNumber() - numCarried;
    };
    bool isReversed = scan.isSequenceReversed(0);
    for (Value operand : term->getOperands())
      if (auto number = sequenceNumber(operand))
        isReversed = scan.isSequenceReversed(*number);
    SmallVector<Value> sequences;  // of the operands; null where the loop stacks it
    SmallVector<unsigned> stacked; // its result then
    for (Value operand : term->getOperands()) {
      auto number = sequenceNumber(operand);
      bool isThere = number && scan.isSequenceReversed(*number) == isReversed;
      sequences.push_back(isThere ? scan.getSequences()[*number] : Value());
      stacked.push_back(terminator->getNumOperands() - 1); // one of those before goes
      if (!isThere) {
        rewriter.modifyOpInPlace(terminator, [&] { terminator->insertOperands(terminator->getNumOperands(), operand); });
        reversed.push_back(isReversed);
      }
    }

    // The loop without the carried value.
    Value carried = scan.getCarriedArguments()[i];
    Operation *sum = *carried.user_begin();
    rewriter.modifyOpInPlace(terminator, [&] { terminator->eraseOperand(i); });
    rewriter.eraseOp(sum);
    rewriter.modifyOpInPlace(scan, [&] { scan.getBody().front().eraseArgument(i); });
    SmallVector<Value> initial(scan.getInitial()), results(scan.getResults());
    initial.erase(initial.begin() + i);
    results.erase(results.begin() + i);
    auto loop = ScanOp::create(rewriter, scan.getLoc(), initial, scan.getSequences(), reversed, scan.getBody());
    for (auto [result, replacement] : llvm::zip(results, loop.getResults()))
      rewriter.replaceAllUsesWith(result, replacement);

    for (auto [sequence, number] : llvm::zip_equal(sequences, stacked))
      if (!sequence)
        sequence = loop.getResult(number);
    TensorBuilder b(term->getLoc(), rewriter);
    Value total;
    if (isa<MatmulOp>(term)) {
      total = b.matmul(b.asMatrix(sequences[0], 2), b.asMatrix(sequences[1], 2), /*transposeX=*/true);
    } else {
      SmallVector<int64_t> dims{0};
      for (int64_t dim : cast<ReduceOp>(term).getDims())
        dims.push_back(dim + 1);
      total = b.reduce(ReduceKind::Sum, sequences[0], dims);
    }
    auto zeros = scan.getInitial()[i].getDefiningOp<FullOp>();
    if (!zeros || !zeros.getValue().isZero())
      total = b.add(scan.getInitial()[i], total);
    rewriter.replaceAllUsesWith(scan.getResult(i), total);
    rewriter.eraseOp(scan);
  }
};

} // namespace

void sylvite::populateSimplifyGradients(RewritePatternSet &patterns) {
  patterns.add<JoinPads, SumAfterLoop>(patterns.getContext());
}
