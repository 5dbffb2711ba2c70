//===- FormLayers.cpp - layers are found in arithmetic ---------------------===//
//
// Exporters write normalization and softmax out as reductions and maps. These patterns of nn-simplify make nn.layer_norm,
// nn.rms_norm and nn.softmax of them: one kernel that reads a row while it is in the first cache. What others read too
// stays as it is.
//
// Each exporter writes a formula in its own way, so an element is read as a polynomial, through any number of maps:
// (x - m) / s * g + b and x * (g / s) + (b - m * (g / s)) are one.
//
//===----------------------------------------------------------------------===//
#include "passes/nn/Utils.h"

#include "dialects/nn/TensorBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/SetVector.h"

#include <map>

using namespace mlir;
using namespace sylvite;
using namespace sylvite::nn;

namespace {

std::optional<double> floatConstant(Value scalar) {
  APFloat value(0.0);
  if (!matchPattern(scalar, m_ConstantFloat(&value)))
    return std::nullopt;
  return value.convertToDouble();
}

/// Tensors and reciprocal square roots, each with the number of its first use: what is built of them has an order that does
/// not depend on where they are in memory.
using Factors = llvm::SmallSetVector<Value, 8>;

/// A sum of products of factors; a root is named by the scalar under it.
class Polynomial {
public:
  using Monomial = std::vector<unsigned>; // numbers of factors, sorted

  Polynomial(Factors &known) : known(&known) {}

  static Polynomial of(Factors &known, ArrayRef<Value> factors, double coefficient = 1) {
    Polynomial result(known);
    Monomial monomial;
    for (Value factor : factors) {
      known.insert(factor);
      monomial.push_back(result.numberOf(factor));
    }
    llvm::sort(monomial);
    result.terms[monomial] = coefficient;
    return result;
  }

  Polynomial plus(const Polynomial &other, double sign = 1) const {
    Polynomial result = *this;
    for (auto &[monomial, coefficient] : other.terms)
      if ((result.terms[monomial] += sign * coefficient) == 0)
        result.terms.erase(monomial);
    return result;
  }
  Polynomial times(const Polynomial &other) const {
    Polynomial result(*known);
    for (auto &[x, a] : terms)
      for (auto &[y, b] : other.terms) {
        Monomial product(x);
        product.insert(product.end(), y.begin(), y.end());
        llvm::sort(product);
        if ((result.terms[product] += a * b) == 0)
          result.terms.erase(product);
      }
    return result;
  }
  /// Removes the terms with `factor` and returns what multiplies it in them.
  Polynomial extract(Value factor) {
    Polynomial result(*known);
    for (auto term = terms.begin(); term != terms.end();) {
      Monomial rest = term->first;
      auto place = llvm::find(rest, numberOf(factor));
      if (place == rest.end()) {
        ++term;
        continue;
      }
      rest.erase(place);
      result.terms[rest] = term->second;
      term = terms.erase(term);
    }
    return result;
  }
  bool contains(Value factor) const { return llvm::is_contained(factors(), factor); }
  bool operator==(const Polynomial &other) const { return terms == other.terms; }
  bool isEmpty() const { return terms.empty(); }
  /// The term without factors.
  double constant() const {
    auto found = terms.find({});
    return found == terms.end() ? 0 : found->second;
  }
  size_t size() const { return terms.size(); }
  /// All factors, each once.
  SmallVector<Value> factors() const {
    llvm::SmallSetVector<Value, 4> result;
    for (auto &[monomial, coefficient] : terms)
      for (unsigned factor : monomial)
        result.insert((*known)[factor]);
    return result.takeVector();
  }
  /// The scalar that this is where each tensor has the element that `elements` gives.
  Value build(ScalarBuilder &s, const DenseMap<Value, Value> &elements, Value like) const {
    Value sum;
    for (auto &[monomial, coefficient] : terms) {
      Value product = coefficient == 1 && !monomial.empty() ? Value() : s.constant(coefficient, like);
      for (unsigned factor : monomial) {
        Value element = elements.lookup((*known)[factor]);
        product = product ? s.mul(product, element) : element;
      }
      sum = sum ? s.add(sum, product) : product;
    }
    return sum;
  }

private:
  /// That of no factor if `factor` has none.
  unsigned numberOf(Value factor) const { return llvm::find(*known, factor) - known->begin(); }

  Factors *known;
  std::map<Monomial, double> terms; // none is zero
};

/// Reads elements of tensors as polynomials, through maps, but not beyond the tensor `end`.
class Reader {
public:
  explicit Reader(Value end = {}) : end(end) {}

  llvm::SmallSetVector<Operation *, 8> maps; ///< that were read through

  Polynomial of(ArrayRef<Value> factors, double coefficient = 1) { return Polynomial::of(known, factors, coefficient); }
  Polynomial of(double constant) { return of({}, constant); }

  /// What an element of `value`, or a scalar in the body of a map, is: a scalar that an op computes, or a tensor.
  Value elementOf(Value value) {
    while (value != end) {
      if (auto map = value.getDefiningOp<MapOp>()) {
        maps.insert(map);
        value = map.getBody().front().getTerminator()->getOperand(0);
      } else if (auto argument = dyn_cast<BlockArgument>(value);
                 argument && isa<MapOp>(argument.getOwner()->getParentOp())) {
        value = argument.getOwner()->getParentOp()->getOperand(argument.getArgNumber());
      } else {
        break;
      }
    }
    return value;
  }

  std::optional<Polynomial> read(Value value) {
    value = elementOf(value);
    if (isa<RankedTensorType>(value.getType()))
      return of({value});
    if (auto constant = floatConstant(value))
      return of(*constant);
    Operation *op = value.getDefiningOp();
    if (auto root = reciprocalRoot(op))
      return of({root});
    if (isa<arith::DivFOp>(op)) {
      Value denominator = elementOf(op->getOperand(1));
      auto numerator = read(op->getOperand(0));
      if (!numerator)
        return std::nullopt;
      if (auto constant = floatConstant(denominator); constant && *constant != 0)
        return numerator->times(of(1 / *constant));
      Value root = rootOf(denominator);
      return root ? std::optional(numerator->times(of({root}))) : std::nullopt;
    }
    if (!isa<arith::AddFOp, arith::SubFOp, arith::MulFOp, arith::NegFOp, math::PowFOp>(op))
      return std::nullopt;
    auto x = read(op->getOperand(0));
    if (!x || x->size() > mostTerms)
      return std::nullopt;
    if (isa<arith::NegFOp>(op))
      return x->times(of(-1));
    if (isa<math::PowFOp>(op))
      return floatConstant(elementOf(op->getOperand(1))) == 2.0 ? std::optional(x->times(*x)) : std::nullopt;
    auto y = read(op->getOperand(1));
    if (!y || y->size() > mostTerms)
      return std::nullopt;
    return isa<arith::MulFOp>(op) ? x->times(*y) : x->plus(*y, isa<arith::SubFOp>(op) ? -1 : 1);
  }

private:
  static constexpr size_t mostTerms = 8;

  /// The scalar whose square root `scalar` is; null when it is none.
  Value rootOf(Value scalar) {
    Operation *op = scalar.getDefiningOp();
    if (isa_and_nonnull<math::SqrtOp>(op) ||
        (isa_and_nonnull<math::PowFOp>(op) && floatConstant(elementOf(op->getOperand(1))) == 0.5))
      return elementOf(op->getOperand(0));
    return {};
  }
  Value reciprocalRoot(Operation *op) {
    if (isa<math::RsqrtOp>(op) || (isa<math::PowFOp>(op) && floatConstant(elementOf(op->getOperand(1))) == -0.5))
      return elementOf(op->getOperand(0));
    return {};
  }

  Value end;
  Factors known;
};

/// The reduction whose result, its dimensions kept with size one, is `value`, perhaps by a reshape; null when there is none.
ReduceOp keptReduction(Value value, ReduceKind kind) {
  auto reshape = value.getDefiningOp<ReshapeOp>();
  auto op = (reshape ? reshape.getInput() : value).getDefiningOp<ReduceOp>();
  if (!op || op.getKind() != kind || !(op.getKeepDims() || reshape))
    return {};
  SmallVector<int64_t> shape(TensorBuilder::typeOf(op.getInput()).getShape());
  for (int64_t dim : op.getDims())
    shape[dim] = 1;
  return TensorBuilder::typeOf(value).getShape() == ArrayRef<int64_t>(shape) ? op : ReduceOp();
}

/// Rows that are divided by their deviation, less their mean, or by their root mean square.
struct FormNorm : OpRewritePattern<MapOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(MapOp map, PatternRewriter &rewriter) const override {
    // The input is what a mean is taken of, or what that is computed from.
    SmallVector<Value> inputs, squared;
    llvm::SmallSetVector<Operation *, 8> maps;
    maps.insert(map);
    for (unsigned i = 0; i < maps.size() && i < 8; ++i)
      for (Value operand : maps[i]->getOperands()) {
        if (operand.getDefiningOp<MapOp>())
          maps.insert(operand.getDefiningOp());
        ReduceOp mean = keptReduction(operand, ReduceKind::Mean);
        if (!mean)
          continue;
        inputs.push_back(mean.getInput());
        if (auto square = mean.getInput().getDefiningOp<MapOp>())
          squared.append(square.operand_begin(), square.operand_end());
      }
    inputs.append(squared);
    for (Value input : inputs)
      if (input.getType() == map.getType() && succeeded(form(map, input, rewriter)))
        return success();
    return failure();
  }

private:
  static LogicalResult form(MapOp map, Value x, PatternRewriter &rewriter) {
    Reader reader(x);
    auto y = reader.read(map.getResult());
    if (!y)
      return failure();
    Value root, mean;
    for (Value factor : y->factors())
      if (!isa<RankedTensorType>(factor.getType())) {
        if (root)
          return failure();
        root = factor;
      }
    auto under = root ? reader.read(root) : std::nullopt;
    if (!under)
      return failure();

    // The variance: the mean of squares.
    ReduceOp variance;
    for (Value factor : under->factors())
      if (isa<RankedTensorType>(factor.getType()))
        if (ReduceOp reduce = keptReduction(factor, ReduceKind::Mean); reduce && reduce.getInput() != x) {
          if (variance || !(under->extract(factor) == reader.of(1.0)))
            return failure();
          variance = reduce;
        }
    auto squares = variance ? reader.read(variance.getInput()) : std::nullopt;
    if (!squares || (llvm::is_contained(variance.getDims(), 0) && map.getType().getRank() > 1))
      return failure();
    SmallVector<Operation *> reductions{variance};
    for (const Polynomial *part : {&*squares, &*under})
      for (Value factor : part->factors())
        if (factor != x && !mean) {
          auto reduce = isa<RankedTensorType>(factor.getType()) ? keptReduction(factor, ReduceKind::Mean) : ReduceOp();
          if (!reduce || reduce.getInput() != x || reduce.getDims() != variance.getDims())
            return failure();
          mean = factor;
          reductions.push_back(reduce);
        }
    // Squares of x, or of x less its mean; or the mean of squares of x less the square of its mean.
    if (mean && !(under->extract(mean) == reader.of({mean}, -1)))
      squares = squares->plus(reader.of({x, mean}, 2)).plus(reader.of({mean, mean}, -1));
    if (!(*squares == reader.of({x, x})))
      return failure();
    double epsilon = under->constant();
    if (!under->isEmpty() && !(*under == reader.of(epsilon)))
      return failure();

    // What the normalized input is multiplied by, and what is added.
    Polynomial offset = *y, overRoot = offset.extract(root), factor = overRoot.extract(x);
    if (mean && !(overRoot.extract(mean) == factor.times(reader.of(-1))))
      return failure();
    if (factor.isEmpty() || !overRoot.isEmpty() || factor.contains(root) || factor.contains(x) || !isAlone(map, reader, reductions))
      return failure();

    TensorBuilder b(rewriter.getFusedLoc({variance.getLoc(), map.getLoc()}), rewriter);
    Value rows = mean ? b.infer<LayerNormOp>(x, variance.getDims(), APFloat(epsilon))
                      : b.infer<RMSNormOp>(x, variance.getDims(), APFloat(epsilon));
    SmallVector<Value> operands{rows};
    for (const Polynomial *part : {&factor, &offset})
      for (Value tensor : part->factors())
        if (!llvm::is_contained(operands, tensor))
          operands.push_back(tensor);
    bool isScaled = !(factor == reader.of(1.0));
    if (isScaled || !offset.isEmpty())
      rows = b.map(operands, [&](ScalarBuilder &s, ValueRange scalars) {
        DenseMap<Value, Value> elements;
        for (auto [operand, scalar] : llvm::zip(operands, scalars))
          elements[operand] = scalar;
        Value scaled = isScaled ? s.mul(scalars[0], factor.build(s, elements, scalars[0])) : scalars[0];
        return offset.isEmpty() ? scaled : s.add(scaled, offset.build(s, elements, scalars[0]));
      });
    rewriter.replaceOp(map, rows);
    return success();
  }

  /// Whether nothing but `map` reads what is computed on the way to it.
  static bool isAlone(MapOp map, const Reader &reader, ArrayRef<Operation *> reductions) {
    auto isInside = [&](Operation *op) { return reader.maps.contains(op) || llvm::is_contained(reductions, op); };
    auto isReadInside = [&](Operation *op) {
      return llvm::all_of(op->getUsers(), [&](Operation *user) {
        return isInside(user) || (isa<ReshapeOp>(user) && llvm::all_of(user->getUsers(), isInside));
      });
    };
    return llvm::all_of(reader.maps, [&](Operation *op) { return op == map || isReadInside(op); }) &&
           llvm::all_of(reductions, isReadInside);
  }
};

/// Exponentials divided by their sum, perhaps less the maximum first.
struct FormSoftmax : OpRewritePattern<MapOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MapOp map, PatternRewriter &rewriter) const override {
    Reader reader;
    auto quotient = reader.elementOf(map.getResult()).getDefiningOp<arith::DivFOp>();
    if (!quotient)
      return failure();
    ReduceOp sum = keptReduction(reader.elementOf(quotient.getRhs()), ReduceKind::Sum);
    Value exponential = reader.elementOf(quotient.getLhs());
    auto exp = exponential.getDefiningOp<math::ExpOp>();
    if (!sum || !exp || reader.elementOf(sum.getInput()) != exponential)
      return failure();
    Value input, exponent = reader.elementOf(exp.getOperand());
    if (auto shifted = exponent.getDefiningOp<arith::SubFOp>()) {
      ReduceOp maximum = keptReduction(reader.elementOf(shifted.getRhs()), ReduceKind::Max);
      if (maximum && maximum.getDims() == sum.getDims() &&
          reader.elementOf(maximum.getInput()) == reader.elementOf(shifted.getLhs()))
        input = maximum.getInput();
    } else if (isa<RankedTensorType>(exponent.getType())) {
      input = exponent;
    }
    if (!input || input.getType() != map.getType() || !sum->hasOneUse())
      return failure();
    rewriter.replaceOpWithNewOp<SoftmaxOp>(map, map.getType(), input, sum.getDims());
    return success();
  }
};

} // namespace

void sylvite::populateFormLayers(RewritePatternSet &patterns) {
  patterns.add<FormNorm, FormSoftmax>(patterns.getContext());
}
