//===- FormAttention.cpp - attention is found ------------------------------===//
//
// Models say attention as two products with a softmax between them, and maps for scales, masks and biases of the scores:
// Keras's layers, ONNX's operators and code written by hand come out alike. This pattern of nn-plan-contractions makes
// nn.attention of them. It runs when nothing is differentiated any more: gradients read the probabilities, and what
// others read stays as it is.
//
//===----------------------------------------------------------------------===//
#include "passes/nn/Utils.h"
#include "passes/schedule/CostModel.h"

#include "dialects/nn/TensorBuilder.h"

#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Remarks.h"

using namespace mlir;
using namespace sylvite;
using namespace sylvite::nn;

namespace {

/// Fewer rows would not repay the panels that a head makes of its keys and values.
constexpr int64_t fewestRows = 4;

struct FormAttention : OpRewritePattern<MatmulOp> {
  FormAttention(MLIRContext *context, const Machine &machine)
      : OpRewritePattern(context, /*benefit=*/3), machine(machine) {}

  LogicalResult matchAndRewrite(MatmulOp op, PatternRewriter &rewriter) const override {
    auto softmax = op.getLhs().getDefiningOp<SoftmaxOp>();
    if (!softmax || !softmax->hasOneUse() || op.getTransposeLhs())
      return failure();
    auto type = cast<RankedTensorType>(softmax.getType());
    int64_t rank = type.getRank(), rows = type.getDimSize(rank - 2);
    if (softmax.getDims() != ArrayRef<int64_t>{rank - 1} || ShapedType::isDynamic(op.getType().getShape().back()) ||
        (!ShapedType::isDynamic(rows) && rows < fewestRows))
      return failure();

    // Maps of the scores, the last one first, and which of their operands the scores are.
    SmallVector<std::pair<MapOp, unsigned>> maps;
    Value scores = softmax.getInput();
    MatmulOp products;
    while (!(products = scores.getDefiningOp<MatmulOp>())) {
      auto map = scores.getDefiningOp<MapOp>();
      if (!map || !scores.hasOneUse())
        return failure();
      auto isScores = [&](Value operand) {
        return operand.getType() == type && isa_and_nonnull<MatmulOp, MapOp>(operand.getDefiningOp()) &&
               leadsToProducts(operand);
      };
      auto found = llvm::find_if(map.getOperands(), isScores);
      if (found == map.getOperands().end())
        return failure();
      maps.push_back({map, found - map.operand_begin()});
      scores = *found;
    }
    if (!products->hasOneUse() || products.getType() != type || products.getTransposeLhs() ||
        dependsOnParametersOnly(products.getRhs()))
      return failure();

    rewriter.setInsertionPoint(op);
    TensorBuilder b(op.getLoc(), rewriter);
    auto asColumns = [&](Value matrices, bool isTransposed) {
      return isTransposed ? b.transposeMatrices(matrices) : matrices;
    };
    Value key = asColumns(products.getRhs(), products.getTransposeRhs());
    Value value = asColumns(op.getRhs(), op.getTransposeRhs());
    SmallVector<Value> modifiers;
    for (auto [map, position] : llvm::reverse(maps))
      for (auto [i, operand] : llvm::enumerate(map.getOperands()))
        if (i != position)
          modifiers.push_back(operand);
    auto attention = AttentionOp::create(rewriter, rewriter.getFusedLoc({products.getLoc(), op.getLoc()}),
                                         products.getLhs(), key, value, modifiers, panelOf(products), panelOf(op));
    Block *body = rewriter.createBlock(&attention.getBody());
    Value score = body->addArgument(scalarType(type), attention.getLoc());
    for (Value modifier : modifiers)
      body->addArgument(scalarType(modifier.getType()), attention.getLoc());
    unsigned next = 1;
    for (auto [map, position] : llvm::reverse(maps)) {
      IRMapping mapping;
      for (auto [i, argument] : llvm::enumerate(map.getBody().getArguments()))
        mapping.map(argument, i == position ? score : Value(body->getArgument(next++)));
      for (Operation &scalar : map.getBody().front().without_terminator())
        rewriter.clone(scalar, mapping);
      score = mapping.lookupOrDefault(map.getBody().front().getTerminator()->getOperand(0));
    }
    YieldOp::create(rewriter, attention.getLoc(), score);
    remark::passed(op.getLoc(), remark::RemarkOpts::name("Attention").category("contractions"))
        << remark::add("products and softmax are one attention: no tensor of scores");
    rewriter.replaceOp(op, attention);
    return success();
  }

private:
  /// The columns of `product` that a register tile has.
  int64_t panelOf(MatmulOp product) const {
    auto lhs = cast<RankedTensorType>(product.getLhs().getType());
    RankedTensorType type = product.getType();
    auto orMany = [](int64_t size) { return ShapedType::isDynamic(size) ? 1024 : size; };
    int64_t columns = orMany(type.getShape().back()), depth = orMany(lhs.getShape().back()),
            lanes = std::min<int64_t>(machine.lanes(type.getElementType()), llvm::PowerOf2Ceil(columns));
    return lanes * chooseTile(attentionProduct(columns, type.getDimSize(type.getRank() - 2), depth, lanes), machine).vectors;
  }

  /// Whether `value` is made by maps, which nothing else reads, of a product.
  static bool leadsToProducts(Value value) {
    Operation *op = value.getDefiningOp();
    if (!op || !value.hasOneUse())
      return false;
    if (isa<MatmulOp>(op))
      return true;
    return isa<MapOp>(op) && llvm::any_of(op->getOperands(), [&](Value operand) {
             return operand.getType() == value.getType() && leadsToProducts(operand);
           });
  }

  const Machine &machine;
};

/// A kernel reads its right side along its rows: one that data flow through is transposed before.
struct TransposeRhs : OpRewritePattern<MatmulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MatmulOp op, PatternRewriter &rewriter) const override {
    auto type = cast<RankedTensorType>(op.getType());
    int64_t rows = type.getDimSize(type.getRank() - 2);
    if (!op.getTransposeRhs() || dependsOnParametersOnly(op.getRhs()) ||
        (!ShapedType::isDynamic(rows) && rows < fewestRows))
      return failure();
    TensorBuilder b(op.getLoc(), rewriter);
    rewriter.replaceOp(op, b.matmul(op.getLhs(), b.transposeMatrices(op.getRhs()), op.getTransposeLhs()));
    return success();
  }
};

} // namespace

void sylvite::populateFormAttention(RewritePatternSet &patterns, const Machine &machine) {
  patterns.add<FormAttention>(patterns.getContext(), machine);
  patterns.add<TransposeRhs>(patterns.getContext());
}
