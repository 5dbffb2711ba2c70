//===- CheckSizes.cpp - nn-check-sizes -------------------------------------===//
//
// Says what a function asks of its free dimensions: operands that are combined have equal sizes, slices lie within what
// they are taken from, and what needs elements has some. Type inference has decided what it could, with a diagnostic; the
// rest is checked before a call reads anything: `nn.least_sizes` has for each free dimension whether it may be zero, and
// the host program that plan-memory writes (NAME_violated) asks for what involves several.
//
// A dimension may be zero, as the length of an empty cache of keys and values is, where all that has it comes to nothing,
// or to what nothing adds to: kernels whose result is empty do not run (runtime/launch.c), and of those that read something
// empty only the ones run that requireElements lets pass.
//
//===----------------------------------------------------------------------===//
#include "passes/Passes.h"
#include "passes/nn/Utils.h"

#include "llvm/ADT/TypeSwitch.h"

#include <numeric>
#include <set>

namespace sylvite {
#define GEN_PASS_DEF_CHECKSIZES
#include "passes/Passes.h.inc"
} // namespace sylvite

using namespace mlir;
using namespace sylvite;
using nn::ShapeExpr;

namespace {

/// Collects the constraints of one function.
class SizeChecker {
public:
  explicit SizeChecker(func::FuncOp function) : function(function), b(function.getContext()) {}
  LogicalResult run();

private:
  LogicalResult visit(Block &block);
  LogicalResult visitScan(nn::ScanOp scan);
  LogicalResult visitIf(nn::IfOp branches);
  void checkOperands(Operation &op);
  void requireElements(Operation &op, ArrayRef<AffineExpr> result);
  ShapeExpr &shapeOf(Value value) { return shapes[value]; }

  /// Asks for `left == right`, or for `left >= right`.
  void require(bool isEqual, AffineExpr left, AffineExpr right) { requirements.push_back({loc, isEqual, left, right}); }
  void requireEqual(AffineExpr left, AffineExpr right) { require(true, left, right); }
  void requireAtLeast(AffineExpr left, int64_t least) { require(false, left, b.getAffineConstantExpr(least)); }
  /// Asks that dimensions of `parts` that stand one above the other be equal where none is one.
  void requireBroadcast(ArrayRef<ArrayRef<AffineExpr>> parts);
  void requireReshape(nn::ReshapeOp reshape);
  std::string text(AffineExpr expr, bool inProduct = false);
  /// A number that `expr` does not fall below; nothing where there is none.
  std::optional<int64_t> leastOf(AffineExpr expr);

  struct Requirement {
    Location loc;
    bool isEqual;
    AffineExpr left, right;
  };
  void findLeastSizes();
  void constrain(const Requirement &requirement);

  func::FuncOp function;
  Builder b;
  SmallVector<StringRef> symbols; ///< names of free dimensions, in the order of the arguments
  SmallVector<int64_t> least;     ///< zero or one: what each of them must be at least
  SmallVector<Requirement> requirements;
  DenseMap<Value, ShapeExpr> shapes;
  Location loc = function.getLoc(); ///< of the op whose constraints are collected
  SmallVector<Attribute> constraints;
  std::set<std::string> seen;
};

} // namespace

std::string SizeChecker::text(AffineExpr expr, bool inProduct) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return std::to_string(constant.getValue());
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr))
    return symbols[symbol.getPosition()].str();
  auto binary = cast<AffineBinaryOpExpr>(expr);
  AffineExpr x = binary.getLHS(), y = binary.getRHS();
  std::string left = text(x, expr.getKind() != AffineExprKind::Add), right = text(y, true), result;
  switch (expr.getKind()) {
  case AffineExprKind::Add:
    right = text(y);
    result = left + (right[0] == '-' ? " - " + right.substr(1) : " + " + right);
    return inProduct ? "(" + result + ")" : result;
  case AffineExprKind::Mul:
    return right == "-1" ? "-" + left : left + " * " + right;
  case AffineExprKind::Mod:
    result = left + " mod " + right;
    return inProduct ? "(" + result + ")" : result;
  case AffineExprKind::FloorDiv:
    return "floor(" + left + " / " + right + ")";
  default:
    return "ceil(" + left + " / " + right + ")";
  }
}

std::optional<int64_t> SizeChecker::leastOf(AffineExpr expr) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return constant.getValue();
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr))
    return least[symbol.getPosition()];
  auto binary = cast<AffineBinaryOpExpr>(expr);
  std::optional<int64_t> x = leastOf(binary.getLHS()), y = leastOf(binary.getRHS());
  auto divisor = dyn_cast<AffineConstantExpr>(binary.getRHS());
  if (expr.getKind() == AffineExprKind::Mod)
    return 0;
  if (!x || !y)
    return std::nullopt;
  switch (expr.getKind()) {
  case AffineExprKind::Add:
    return *x + *y;
  case AffineExprKind::Mul:
    return *x >= 0 && *y >= 0 ? std::optional(*x * *y) : std::nullopt;
  case AffineExprKind::FloorDiv:
    return divisor ? std::optional(llvm::divideFloorSigned(*x, divisor.getValue())) : std::nullopt;
  default:
    return divisor ? std::optional(llvm::divideCeilSigned(*x, divisor.getValue())) : std::nullopt;
  }
}

void SizeChecker::constrain(const Requirement &requirement) {
  auto [loc, isEqual, left, right] = requirement;
  AffineExpr difference = simplifyAffineExpr(left - right, 0, symbols.size());
  if (isEqual ? difference == 0 : leastOf(difference).value_or(-1) >= 0)
    return;
  if (isEqual && isa<AffineConstantExpr>(left))
    std::swap(left, right);
  std::string relation = text(left) + (isEqual ? " = " : " >= ") + text(right);
  if (!seen.insert(relation).second || (isEqual && seen.count(text(right) + " = " + text(left))))
    return;
  StringRef layer = layerOf(loc);
  std::string message = (layer.empty() ? "the model" : "layer '" + layer.str() + "'") + " needs " + relation;
  constraints.push_back(b.getDictionaryAttr(
      {b.getNamedAttr("text", b.getStringAttr(message)), b.getNamedAttr("equal", b.getBoolAttr(isEqual)),
       b.getNamedAttr("sides", AffineMapAttr::get(AffineMap::get(0, symbols.size(), {left, right}, b.getContext())))}));
}

void SizeChecker::requireBroadcast(ArrayRef<ArrayRef<AffineExpr>> parts) {
  ShapeExpr sizes; // from the last dimension on: what all others are compared with
  for (ArrayRef<AffineExpr> shape : parts)
    for (auto [i, dim] : llvm::enumerate(llvm::reverse(shape))) {
      auto constant = dyn_cast_or_null<AffineConstantExpr>(dim);
      bool isOne = !dim || (constant && constant.getValue() == 1);
      if (i == sizes.size())
        sizes.push_back(isOne ? AffineExpr() : dim);
      else if (!isOne && !sizes[i])
        sizes[i] = dim;
      else if (!isOne)
        requireEqual(dim, sizes[i]);
    }
}

/// The factors of a product of sizes: a constant, and others.
static std::pair<int64_t, SmallVector<AffineExpr>> factorsOf(ArrayRef<AffineExpr> sizes) {
  std::pair<int64_t, SmallVector<AffineExpr>> factors{1, {}};
  SmallVector<AffineExpr> rest(sizes);
  while (!rest.empty()) {
    AffineExpr size = rest.pop_back_val();
    if (auto constant = dyn_cast<AffineConstantExpr>(size)) {
      factors.first *= constant.getValue();
    } else if (size.getKind() == AffineExprKind::Mul) {
      rest.append({cast<AffineBinaryOpExpr>(size).getLHS(), cast<AffineBinaryOpExpr>(size).getRHS()});
    } else {
      factors.second.push_back(size);
    }
  }
  return factors;
}

/// Sizes, or products of them, of which one element at least is asked for, are not zero.
void SizeChecker::findLeastSizes() {
  least.assign(symbols.size(), 0);
  for (const Requirement &requirement : requirements) {
    auto right = dyn_cast<AffineConstantExpr>(requirement.right);
    if (requirement.isEqual || !right || right.getValue() < 1)
      continue;
    auto [constant, dims] = factorsOf({simplifyAffineExpr(requirement.left, 0, symbols.size())});
    if (constant > 0 && llvm::all_of(dims, llvm::IsaPred<AffineSymbolExpr>))
      for (AffineExpr dim : dims)
        least[cast<AffineSymbolExpr>(dim).getPosition()] = 1;
  }
}

/// As many elements as before, or a multiple of those that are known.
void SizeChecker::requireReshape(nn::ReshapeOp reshape) {
  ShapeExpr known;
  bool isInferred = false;
  ArrayRef<AffineExpr> input = shapeOf(reshape.getInput());
  for (auto [i, from] : llvm::enumerate(reshape.getFrom())) {
    if (from >= 0)
      known.push_back(input[from]);
    else if (!reshape.getType().isDynamicDim(i))
      known.push_back(b.getAffineConstantExpr(reshape.getType().getDimSize(i)));
    else
      isInferred = true;
  }
  auto [elements, dims] = factorsOf(input);
  auto [knownElements, knownDims] = factorsOf(known);
  for (AffineExpr &dim : knownDims)
    if (auto *same = llvm::find(dims, dim); same != dims.end()) {
      dims.erase(same);
      dim = {};
    }
  llvm::erase(knownDims, AffineExpr());
  int64_t common = std::gcd(elements, knownElements);
  AffineExpr left = b.getAffineConstantExpr(elements / common), right = b.getAffineConstantExpr(knownElements / common);
  for (AffineExpr dim : dims)
    left = left * dim;
  for (AffineExpr dim : knownDims)
    right = right * dim;
  if (isInferred && knownDims.empty() && elements % knownElements == 0)
    return;
  isInferred ? requireEqual(left % right, b.getAffineConstantExpr(0)) : requireEqual(left, right);
}

void SizeChecker::checkOperands(Operation &op) {
  auto broadcast = [&](ValueRange operands) {
    SmallVector<ArrayRef<AffineExpr>> parts;
    for (Value operand : operands)
      parts.push_back(shapeOf(operand));
    requireBroadcast(parts);
  };
  llvm::TypeSwitch<Operation *>(&op)
      .Case([&](nn::MapOp map) { broadcast(map->getOperands()); })
      .Case([&](nn::BroadcastOp repeat) {
        ShapeExpr result;
        for (int64_t size : repeat.getType().getShape())
          result.push_back(ShapedType::isDynamic(size) ? AffineExpr() : b.getAffineConstantExpr(size));
        requireBroadcast({shapeOf(repeat.getInput()), result});
      })
      .Case([&](nn::MatmulOp matmul) {
        ArrayRef<AffineExpr> lhs = shapeOf(matmul.getLhs()), rhs = shapeOf(matmul.getRhs());
        requireEqual(lhs.take_back(2)[matmul.getTransposeLhs() ? 0 : 1],
                     rhs.take_back(2)[matmul.getTransposeRhs() ? 1 : 0]);
        requireBroadcast({lhs.drop_back(2), rhs.drop_back(2)});
      })
      .Case([&](nn::ConcatOp concat) {
        ArrayRef<AffineExpr> first = shapeOf(concat.getInputs().front());
        for (Value input : concat.getInputs().drop_front())
          for (auto [i, dim] : llvm::enumerate(shapeOf(input)))
            if (i != concat.getDim())
              requireEqual(dim, first[i]);
      })
      .Case([&](nn::SliceOp slice) {
        for (auto [dim, start, size, stride] : llvm::zip_equal(shapeOf(slice.getInput()), slice.getStarts(),
                                                               slice.getSizes(), slice.getStrides()))
          if (size > 0)
            requireAtLeast(dim, std::max(start, start + (size - 1) * stride) + 1);
      })
      .Case([&](nn::PadOp pad) {
        bool isReflect = pad.getMode() == nn::PadMode::Reflect, isWrap = pad.getMode() == nn::PadMode::Wrap;
        for (auto [dim, low, high] : llvm::zip_equal(shapeOf(pad.getInput()), pad.getLow(), pad.getHigh()))
          if (int64_t most = std::max(low, high); most && (isReflect || isWrap))
            requireAtLeast(dim, most + isReflect);
      })
      .Case([&](nn::GatherOp gather) {
        // Consecutive indices are the rows of a slice: none may be missing.
        if (auto range = gather.getIndices().getDefiningOp<nn::RangeOp>())
          require(false, shapeOf(gather.getData())[gather.getDim()], shapeOf(range.getResult())[0]);
      })
      .Case([&](nn::ScatterOp scatter) {
        requireEqual(shapeOf(scatter.getIndices())[0], shapeOf(scatter.getUpdates())[0]);
      })
      .Case([&](nn::ReshapeOp reshape) { requireReshape(reshape); });
}

/// Asks for the elements without which `op` does not compute what it should: an extremum or a mean of none is none.
void SizeChecker::requireElements(Operation &op, ArrayRef<AffineExpr> result) {
  auto ofOperand = [&](unsigned operand, ArrayRef<int64_t> dims) {
    for (int64_t dim : dims)
      requireAtLeast(shapeOf(op.getOperand(operand))[dim], 1);
  };
  for (AffineExpr dim : result)
    requireAtLeast(dim, 0);
  llvm::TypeSwitch<Operation *>(&op)
      .Case<nn::BatchNormOp, nn::BroadcastOp, nn::ConcatOp, nn::FullOp, nn::IotaOp, nn::MapOp, nn::MatmulOp, nn::RangeOp,
            nn::ReshapeOp, nn::SizeOp, nn::SliceOp, nn::TransposeOp>([](auto) {})
      .Case<nn::LayerNormOp, nn::RMSNormOp, nn::SoftmaxOp>([&](auto row) { ofOperand(0, row.getDims()); })
      .Case([&](nn::GatherOp gather) {
        if (!gather.getIndices().getDefiningOp<nn::RangeOp>()) // which checkOperands compares
          ofOperand(0, static_cast<int64_t>(gather.getDim()));
      })
      .Case([&](nn::PadOp pad) {
        for (int64_t dim = 0; dim < pad.getType().getRank(); ++dim)
          if (pad.getLow()[dim] || pad.getHigh()[dim])
            ofOperand(0, dim);
      })
      .Case([&](nn::ReduceOp reduce) {
        using nn::ReduceKind;
        if (!llvm::is_contained({ReduceKind::Sum, ReduceKind::SumSquare, ReduceKind::Prod}, reduce.getKind()))
          ofOperand(0, reduce.getDims());
      })
      .Default([&](Operation *) {
        for (Value operand : op.getOperands())
          for (AffineExpr dim : shapeOf(operand))
            requireAtLeast(dim, 1);
        for (AffineExpr dim : result)
          requireAtLeast(dim, 1);
      });
}

LogicalResult SizeChecker::visitScan(nn::ScanOp scan) {
  requireAtLeast(shapeOf(scan.getSequences().front())[0], 1);
  for (Value sequence : scan.getSequences().drop_front())
    requireEqual(shapeOf(sequence)[0], shapeOf(scan.getSequences().front())[0]);
  inferScanArguments(scan, shapes);
  if (failed(visit(scan.getBody().front())))
    return failure();
  for (auto [carried, yielded] : llvm::zip(scan.getCarriedArguments(), scan.getYielded()))
    for (auto [before, after] : llvm::zip_equal(shapeOf(carried), shapeOf(yielded)))
      requireEqual(after, before);
  inferScanResults(scan, shapes);
  return success();
}

LogicalResult SizeChecker::visitIf(nn::IfOp branches) {
  for (Region *branch : branches.getRegions())
    if (failed(visit(branch->front())))
      return failure();
  for (auto [yes, no] : llvm::zip_equal(branches.getYielded(branches.getThenRegion()),
                                        branches.getYielded(branches.getElseRegion())))
    for (auto [left, right] : llvm::zip_equal(shapeOf(yes), shapeOf(no)))
      requireEqual(left, right);
  inferIfResults(branches, shapes);
  return success();
}

LogicalResult SizeChecker::visit(Block &block) {
  for (Operation &op : block.without_terminator()) {
    loc = op.getLoc();
    if (auto scan = dyn_cast<nn::ScanOp>(op)) {
      if (failed(visitScan(scan)))
        return failure();
      continue;
    }
    if (auto branches = dyn_cast<nn::IfOp>(op)) {
      if (failed(visitIf(branches)))
        return failure();
      continue;
    }
    checkOperands(op);
    auto shaped = dyn_cast<nn::ShapeOpInterface>(op);
    if (!shaped) { // parameters, whose sizes are known
      unsigned none = 0;
      for (Value result : op.getResults())
        shapes[result] = nn::shapeWithFreshSymbols(cast<RankedTensorType>(result.getType()), none);
      continue;
    }
    auto operands = llvm::map_to_vector(op.getOperands(), [&](Value operand) { return shapeOf(operand); });
    FailureOr<ShapeExpr> shape = shaped.resultShape(loc, operands);
    if (failed(shape))
      return failure();
    for (AffineExpr &dim : *shape)
      dim = simplifyAffineExpr(dim, 0, symbols.size());
    requireElements(op, *shape);
    shapes[op.getResult(0)] = std::move(*shape);
  }
  return success();
}

LogicalResult SizeChecker::run() {
  if (failed(inferArguments(function, symbols, shapes)) || failed(visit(function.getBody().front())))
    return failure();
  loc = function.getLoc();
  if (auto sizes = function->getAttrOfType<AffineMapAttr>("nn.positive_sizes"))
    for (AffineExpr size : sizes.getValue().getResults())
      requireAtLeast(size, 1);
  findLeastSizes();
  if (!symbols.empty())
    function->setAttr("nn.least_sizes", b.getDenseI64ArrayAttr(least));
  for (const Requirement &requirement : requirements)
    constrain(requirement);
  if (!constraints.empty())
    function->setAttr("nn.size_constraints", b.getArrayAttr(constraints));
  return success();
}

namespace {
struct CheckSizes : sylvite::impl::CheckSizesBase<CheckSizes> {
  using CheckSizesBase::CheckSizesBase;
  void runOnOperation() override {
    if (failed(SizeChecker(getOperation()).run()))
      signalPassFailure();
  }
};
} // namespace
