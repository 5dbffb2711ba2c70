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

#include "mlir/IR/Matchers.h"
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
    auto [softmax, zeroUndefinedRows] = probabilitiesOf(op);
    if (!softmax || op.getTransposeLhs())
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
    auto [query, factor] = withoutScale(b, products.getLhs());
    SmallVector<Value> modifiers;
    for (auto [map, position] : llvm::reverse(maps))
      for (auto [i, operand] : llvm::enumerate(map.getOperands()))
        if (i != position)
          modifiers.push_back(operand);
    int64_t keyPanel = panelOf(products);
    auto attention = AttentionOp::create(rewriter, rewriter.getFusedLoc({products.getLoc(), op.getLoc()}),
                                         query, key, value, modifiers, zeroUndefinedRows, keyPanel, panelOf(op),
                                         keyBlockOf(rewriter, products, op, keyPanel));
    Block *body = rewriter.createBlock(&attention.getBody());
    Value score = body->addArgument(scalarType(type), attention.getLoc());
    for (Value modifier : modifiers)
      body->addArgument(scalarType(modifier.getType()), attention.getLoc());
    if (factor != 1) {
      ScalarBuilder scalars(rewriter, attention.getLoc());
      score = scalars.mul(score, scalars.constant(factor, score));
    }
    unsigned next = 1;
    for (auto [map, position] : llvm::reverse(maps)) {
      SmallVector<Value> scalars;
      for (unsigned i = 0; i < map.getNumOperands(); ++i)
        scalars.push_back(i == position ? score : Value(body->getArgument(next++)));
      score = inlineBody(rewriter, map, scalars);
    }
    YieldOp::create(rewriter, attention.getLoc(), score);
    remark::passed(op.getLoc(), remark::RemarkOpts::name("Attention").category("contractions"))
        << remark::add("products and softmax are one attention: no tensor of scores");
    rewriter.replaceOp(op, attention);
    return success();
  }

private:
  /// The softmax that `product` weighs its right side with, if nothing else reads it, and whether what is not a number in it
  /// counts as zero, as PyTorch's exporter has it for rows that are all masked.
  static std::pair<SoftmaxOp, bool> probabilitiesOf(MatmulOp product) {
    if (auto softmax = product.getLhs().getDefiningOp<SoftmaxOp>())
      return {softmax->hasOneUse() ? softmax : SoftmaxOp(), false};
    auto guard = product.getLhs().getDefiningOp<MapOp>();
    if (!guard || !guard->hasOneUse())
      return {};
    // Through the map that asks whether they are numbers.
    SmallPtrSet<Operation *, 2> readers{guard};
    auto elementOf = [&](Value scalar) {
      while (auto argument = dyn_cast<BlockArgument>(scalar)) {
        Value operand = argument.getOwner()->getParentOp()->getOperand(argument.getArgNumber());
        auto map = operand.getDefiningOp<MapOp>();
        if (!map)
          return operand;
        readers.insert(map);
        scalar = map.getBody().front().getTerminator()->getOperand(0);
      }
      return scalar;
    };
    auto choice = elementOf(guard.getBody().front().getTerminator()->getOperand(0)).getDefiningOp<arith::SelectOp>();
    auto isUndefined = choice ? elementOf(choice.getCondition()).getDefiningOp<arith::CmpFOp>() : arith::CmpFOp();
    if (!isUndefined || isUndefined.getPredicate() != arith::CmpFPredicate::UNO ||
        !matchPattern(elementOf(choice.getTrueValue()), m_AnyZeroFloat()))
      return {};
    Value probabilities = elementOf(choice.getFalseValue());
    auto softmax = probabilities.getDefiningOp<SoftmaxOp>();
    if (!softmax || elementOf(isUndefined.getLhs()) != probabilities || elementOf(isUndefined.getRhs()) != probabilities ||
        llvm::any_of(softmax->getUsers(), [&](Operation *user) { return !readers.contains(user); }))
      return {};
    return {softmax, true};
  }

  /// A part of a joint tensor that is scaled before it is used: the part, which the kernel reads in place, and the factor, which
  /// the scores take instead.
  static std::pair<Value, double> withoutScale(TensorBuilder &b, Value query) {
    auto permutation = llvm::to_vector(llvm::seq<int64_t>(0, TensorBuilder::typeOf(query).getRank()));
    Value scaled = query;
    for (auto transpose = scaled.getDefiningOp<TransposeOp>(); transpose && transpose->hasOneUse();
         transpose = scaled.getDefiningOp<TransposeOp>()) {
      for (int64_t &dim : permutation)
        dim = transpose.getPermutation()[dim];
      scaled = transpose.getInput();
    }
    auto map = scaled.getDefiningOp<MapOp>();
    if (!map || !map->hasOneUse() || map.getNumOperands() != 1)
      return {query, 1};
    Value source = map.getOperand(0);
    while (isa_and_nonnull<ReshapeOp, TransposeOp>(source.getDefiningOp()))
      source = source.getDefiningOp()->getOperand(0);
    auto scale = map.getBody().front().getTerminator()->getOperand(0).getDefiningOp<arith::MulFOp>();
    APFloat factor(0.0);
    if (!isa_and_nonnull<SliceOp>(source.getDefiningOp()) || !scale)
      return {query, 1};
    for (unsigned i : {0u, 1u})
      if (isa<BlockArgument>(scale->getOperand(i)) && matchPattern(scale->getOperand(1 - i), m_ConstantFloat(&factor))) {
        Value part = map.getOperand(0);
        if (!llvm::is_sorted(permutation))
          part = b.transpose(part, permutation);
        return {part, factor.convertToDouble()};
      }
    return {query, 1};
  }

  /// The columns of `product` that a register tile has.
  int64_t panelOf(MatmulOp product) const {
    auto lhs = cast<RankedTensorType>(product.getLhs().getType());
    RankedTensorType type = product.getType();
    auto orMany = [](int64_t size) { return ShapedType::isDynamic(size) ? 1024 : size; };
    int64_t columns = orMany(type.getShape().back()), depth = orMany(lhs.getShape().back()),
            lanes = std::min<int64_t>(machine.lanes(type.getElementType()), llvm::PowerOf2Ceil(columns));
    return lanes * chooseTile(attentionProduct(columns, type.getDimSize(type.getRank() - 2), depth, lanes), machine).vectors;
  }

  /// How many keys are taken at a time; null for all of them.
  IntegerAttr keyBlockOf(Builder &builder, MatmulOp products, MatmulOp op, int64_t keyPanel) const {
    int64_t length = cast<RankedTensorType>(products.getLhs().getType()).getShape().back(), width = op.getType().getShape().back();
    int64_t elements = (ShapedType::isDynamic(length) ? width : length) + width;
    int64_t block = chooseKeyBlock(products.getType().getShape().back(), elements * op.getType().getElementTypeBitWidth() / 8,
                                   keyPanel, machine);
    return block ? builder.getI64IntegerAttr(block) : IntegerAttr();
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

/// `value` with dimensions before its matrices as `reshape` makes them.
Value reshapeLeading(PatternRewriter &rewriter, ReshapeOp reshape, Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  SmallVector<int64_t> shape(reshape.getType().getShape()), from(reshape.getFrom());
  for (int64_t i : {1, 2}) {
    int64_t dim = type.getRank() - i;
    shape[shape.size() - i] = type.getDimSize(dim);
    from[from.size() - i] = type.isDynamicDim(dim) ? dim : -1;
  }
  return ReshapeOp::create(rewriter, reshape.getLoc(), type.clone(shape), value, from);
}

/// Scores whose heads are counted in another way for their mask, or for their softmax: their queries and keys are counted so
/// before.
struct ReshapeQueries : OpRewritePattern<ReshapeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ReshapeOp op, PatternRewriter &rewriter) const override {
    auto product = op.getInput().getDefiningOp<MatmulOp>();
    if (!product || !product->hasOneUse() || !keepsMatrices(op) || !leadsToSoftmax(op) || !haveOneBatch(product))
      return failure();
    Value query = reshapeLeading(rewriter, op, product.getLhs()), key = reshapeLeading(rewriter, op, product.getRhs());
    rewriter.replaceOpWithNewOp<MatmulOp>(op, op.getType(), query, key, product.getTransposeLhs(), product.getTransposeRhs());
    return success();
  }

  /// Whether what is made of `value` by maps alone is the input of a softmax along rows.
  static bool leadsToSoftmax(Value value) {
    if (!value.hasOneUse())
      return false;
    Operation *user = *value.user_begin();
    if (auto softmax = dyn_cast<SoftmaxOp>(user))
      return softmax.getDims() == ArrayRef<int64_t>{softmax.getType().getRank() - 1};
    auto reshape = dyn_cast<ReshapeOp>(user);
    return (isa<MapOp>(user) || (reshape && keepsMatrices(reshape))) && leadsToSoftmax(user->getResult(0));
  }
  /// Whether both operands have the same leading dimensions, so that none repeats.
  static bool haveOneBatch(MatmulOp product) {
    auto batchOf = [](Value value) { return cast<RankedTensorType>(value.getType()).getShape().drop_back(2); };
    return batchOf(product.getLhs()) == batchOf(product.getRhs());
  }
};

/// The same for the softmax: it is taken before.
struct ReshapeProbabilities : OpRewritePattern<SoftmaxOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(SoftmaxOp op, PatternRewriter &rewriter) const override {
    auto reshape = op.getInput().getDefiningOp<ReshapeOp>();
    if (!reshape || !reshape->hasOneUse() || !keepsMatrices(reshape) || !reshape.getInput().getDefiningOp<MapOp>() ||
        op.getDims() != ArrayRef<int64_t>{op.getType().getRank() - 1})
      return failure();
    Value scores = reshape.getInput();
    int64_t last = cast<RankedTensorType>(scores.getType()).getRank() - 1;
    Value softmax = SoftmaxOp::create(rewriter, op.getLoc(), scores.getType(), scores, ArrayRef<int64_t>{last});
    rewriter.replaceOpWithNewOp<ReshapeOp>(op, op.getType(), softmax, reshape.getFrom());
    return success();
  }
};

/// Values are counted as the probabilities are.
struct ReshapeValues : OpRewritePattern<MatmulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MatmulOp op, PatternRewriter &rewriter) const override {
    auto reshape = op.getLhs().getDefiningOp<ReshapeOp>();
    if (!reshape || !reshape->hasOneUse() || !keepsMatrices(reshape) || !reshape.getInput().getDefiningOp<SoftmaxOp>() ||
        op.getTransposeLhs() || !ReshapeQueries::haveOneBatch(op))
      return failure();
    // The reshape of the probabilities the other way round.
    RankedTensorType before = cast<RankedTensorType>(reshape.getInput().getType()), after = reshape.getType(),
                     values = cast<RankedTensorType>(op.getRhs().getType());
    if (llvm::count_if(before.getShape().drop_back(2), ShapedType::isDynamic) > 1)
      return failure();
    SmallVector<int64_t> shape(before.getShape()), from(before.getRank(), -1);
    for (int64_t i : {1, 2}) {
      int64_t dim = values.getRank() - i;
      shape[shape.size() - i] = values.getDimSize(dim);
      from[from.size() - i] = values.isDynamicDim(dim) ? dim : -1;
    }
    Value moved = ReshapeOp::create(rewriter, op.getLoc(), values.clone(shape), op.getRhs(), from);
    Value product = MatmulOp::create(rewriter, op.getLoc(), reshape.getInput(), moved, false, op.getTransposeRhs());
    SmallVector<int64_t> back(reshape.getFrom());
    if (after.isDynamicDim(after.getRank() - 2))
      back[after.getRank() - 2] = before.getRank() - 2;
    back[after.getRank() - 1] = -1;
    rewriter.replaceOpWithNewOp<ReshapeOp>(op, op.getType(), product, back);
    return success();
  }
};

} // namespace

void sylvite::populateFormAttention(RewritePatternSet &patterns, const Machine &machine) {
  patterns.add<FormAttention>(patterns.getContext(), machine);
  patterns.add<ReshapeProbabilities, ReshapeQueries, ReshapeValues, TransposeRhs>(patterns.getContext());
}
