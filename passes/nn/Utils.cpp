//===- Utils.cpp - what the passes on nn share -----------------------------===//
//
// Questions about values of a model that more than one pass asks.
//
//===----------------------------------------------------------------------===//
#include "passes/nn/Utils.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;
using namespace sylvite;
using namespace sylvite::nn;

LogicalResult sylvite::applyPatterns(Operation *op, RewritePatternSet patterns) {
  constexpr int64_t mostRounds = 10000;
  GreedyRewriteConfig config;
  config.setMaxIterations(mostRounds);
  if (failed(applyPatternsGreedily(op, std::move(patterns), config)))
    return op->emitError("rewriting does not come to an end");
  return success();
}

StringRef sylvite::layerOf(Location loc) {
  if (auto name = dyn_cast<NameLoc>(loc))
    return name.getName();
  if (auto fused = dyn_cast<FusedLoc>(loc))
    for (Location part : fused.getLocations())
      if (StringRef name = layerOf(part); !name.empty())
        return name;
  return "";
}

LogicalResult sylvite::inferArguments(func::FuncOp function, SmallVectorImpl<StringRef> &symbols,
                                      DenseMap<Value, ShapeExpr> &shapes) {
  Builder b(function.getContext());
  for (BlockArgument argument : function.getArguments()) {
    auto type = cast<RankedTensorType>(argument.getType());
    auto dims = function.getArgAttrOfType<ArrayAttr>(argument.getArgNumber(), "nn.dims");
    ShapeExpr shape;
    for (int64_t i = 0; i < type.getRank(); ++i) {
      if (!type.isDynamicDim(i)) {
        shape.push_back(b.getAffineConstantExpr(type.getDimSize(i)));
        continue;
      }
      StringRef name = dims ? cast<StringAttr>(dims[i]).getValue() : "";
      if (name.empty())
        return function.emitError("argument #")
               << argument.getArgNumber() << " has a free dimension " << i << " that nn.dims does not name";
      auto *found = llvm::find(symbols, name);
      shape.push_back(b.getAffineSymbolExpr(found - symbols.begin()));
      if (found == symbols.end())
        symbols.push_back(name);
    }
    shapes[argument] = shape;
  }
  return success();
}

static void copyShape(DenseMap<Value, ShapeExpr> &shapes, Value from, Value to) {
  ShapeExpr shape = shapes.lookup(from);
  shapes[to] = std::move(shape);
}

void sylvite::inferScanArguments(ScanOp scan, DenseMap<Value, ShapeExpr> &shapes) {
  for (auto [initial, argument] : llvm::zip(scan.getInitial(), scan.getCarriedArguments()))
    copyShape(shapes, initial, argument);
  for (auto [sequence, argument] : llvm::zip(scan.getSequences(), scan.getSliceArguments())) {
    copyShape(shapes, sequence, argument);
    shapes[argument].erase(shapes[argument].begin());
  }
}

void sylvite::inferScanResults(ScanOp scan, DenseMap<Value, ShapeExpr> &shapes) {
  for (auto [initial, result] : llvm::zip(scan.getInitial(), scan.getResults()))
    copyShape(shapes, initial, result);
  AffineExpr length = shapes.lookup(scan.getSequences().front())[0];
  for (auto [slice, result] : llvm::zip(scan.getYielded().drop_front(scan.getInitial().size()), scan.getStacked())) {
    copyShape(shapes, slice, result);
    shapes[result].insert(shapes[result].begin(), length);
  }
}

void sylvite::inferIfResults(IfOp branches, DenseMap<Value, ShapeExpr> &shapes) {
  for (auto [yielded, result] : llvm::zip_equal(branches.getYielded(branches.getThenRegion()), branches.getResults()))
    copyShape(shapes, yielded, result);
}

/// Whether all that `value` is computed from are parameters that `accepts`.
static bool dependsOnlyOn(Value value, function_ref<bool(GetOp)> accepts) {
  SmallVector<Value> worklist{value};
  SmallPtrSet<Operation *, 16> seen;
  while (!worklist.empty()) {
    Operation *op = worklist.pop_back_val().getDefiningOp();
    // A loop or a branch reads values that are not its operands.
    if (!op || !isa_and_nonnull<NNDialect>(op->getDialect()) || isa<IfOp, ScanOp>(op))
      return false;
    if (auto get = dyn_cast<GetOp>(op)) {
      if (!accepts(get))
        return false;
    } else if (seen.insert(op).second) {
      worklist.append(op->operand_begin(), op->operand_end());
    }
  }
  return true;
}

bool sylvite::dependsOnParametersOnly(Value value) {
  return dependsOnlyOn(value, [](GetOp) { return true; });
}

llvm::StringSet<> sylvite::updatedParameters(ModuleOp module) {
  llvm::StringSet<> names;
  for (auto function : module.getOps<func::FuncOp>())
    for (unsigned i = 0; i < function.getNumResults(); ++i)
      if (auto name = function.getResultAttrOfType<StringAttr>(i, "nn.update"))
        names.insert(name);
  return names;
}

bool sylvite::isConstant(Value value, const llvm::StringSet<> &updated) {
  return dependsOnlyOn(value, [&](GetOp get) { return !updated.contains(get.getParameter()); });
}

bool sylvite::absorbPadding(ConvOp conv) {
  auto pad = conv.getInput().getDefiningOp<PadOp>();
  if (!pad || !pad->hasOneUse() || pad.getMode() != PadMode::Constant || !pad.getValue().isZero())
    return false;
  ArrayRef<int64_t> low = pad.getLow(), high = pad.getHigh();
  if (low.front() || low.back() || high.front() || high.back())
    return false;
  auto sum = [](ArrayRef<int64_t> own, ArrayRef<int64_t> added) {
    return llvm::to_vector(llvm::map_range(llvm::zip_equal(own, added.drop_front().drop_back()),
                                           [](auto pair) { return std::get<0>(pair) + std::get<1>(pair); }));
  };
  conv.setPaddingLow(sum(conv.getPaddingLow(), low));
  conv.setPaddingHigh(sum(conv.getPaddingHigh(), high));
  conv.getInputMutable().assign(pad.getInput());
  return true;
}

bool sylvite::isDepthwise(ConvOp conv) {
  return conv.getGroups() > 1 &&
         cast<RankedTensorType>(conv.getFilter().getType()).getShape().drop_back().back() == 1;
}

ConvOp sylvite::findDepthwiseReader(Value value) {
  ArrayRef<int64_t> shape = cast<RankedTensorType>(value.getType()).getShape();
  if (shape.size() != 4 || ShapedType::isDynamicShape(shape.drop_front()))
    return {};
  Block *block = value.getParentBlock();
  auto onlyUser = [&]() -> Operation * {
    return value.hasOneUse() && value.user_begin()->getBlock() == block ? *value.user_begin() : nullptr;
  };
  bool isMapped = false;
  for (MapOp map; (map = dyn_cast_or_null<MapOp>(onlyUser())) && map.getType().getShape() == shape; value = map)
    isMapped = true;
  if (auto pad = dyn_cast_or_null<PadOp>(onlyUser()))
    value = pad;
  auto conv = dyn_cast_or_null<ConvOp>(onlyUser());
  bool isWindow = conv && isMapped && conv.getInput() == value && isDepthwise(conv) &&
                  conv.getType().getShape().back() == shape.back() &&
                  llvm::all_of(conv.getDilations(), [](int64_t dilation) { return dilation == 1; });
  return isWindow ? conv : ConvOp();
}

bool sylvite::areAll(ArrayRef<int64_t> values, int64_t value) {
  return llvm::all_of(values, [&](int64_t each) { return each == value; });
}

bool sylvite::readsOnePosition(ConvOp conv) {
  ArrayRef<int64_t> filter = cast<RankedTensorType>(conv.getFilter().getType()).getShape();
  return areAll(filter.drop_back(2), 1) && areAll(conv.getPaddingLow(), 0) && areAll(conv.getPaddingHigh(), 0);
}

bool sylvite::isGradientOfWeights(Operation *op) {
  auto product = dyn_cast_or_null<MatmulOp>(op);
  return product && product.getTransposeLhs() && !product.getTransposeRhs() && product.getType().getRank() == 2 &&
         product.getType().hasStaticShape();
}

bool sylvite::isPointwise(ConvOp conv) {
  return conv.getGroups() == 1 && readsOnePosition(conv) && areAll(conv.getStrides(), 1);
}

bool sylvite::keepsFreeSizes(SliceOp slice) {
  for (auto [size, start, stride] : llvm::zip(slice.getSizes(), slice.getStarts(), slice.getStrides()))
    if (size < 0 && (start != 0 || stride != 1))
      return false;
  return true;
}

Value sylvite::inlineBody(OpBuilder &builder, MapOp map, ValueRange scalars) {
  Block &body = map.getBody().front();
  IRMapping mapping;
  mapping.map(body.getArguments(), scalars);
  for (Operation &op : body.without_terminator())
    builder.clone(op, mapping);
  return mapping.lookupOrDefault(body.getTerminator()->getOperand(0));
}

Value sylvite::cloneMap(OpBuilder &builder, MapOp map, ValueRange operands) {
  return MapOp::create(builder, map.getLoc(), map.getType().getElementType(), operands,
                       [&](OpBuilder &b, Location, ValueRange scalars) { return inlineBody(b, map, scalars); });
}

bool sylvite::isSum(MapOp map) {
  Block &body = map.getBody().front();
  auto add = body.getTerminator()->getOperand(0).getDefiningOp<arith::AddFOp>();
  auto lhs = add ? dyn_cast<BlockArgument>(add.getLhs()) : BlockArgument(),
       rhs = add ? dyn_cast<BlockArgument>(add.getRhs()) : BlockArgument();
  return map.getNumOperands() == 2 && lhs && rhs && lhs != rhs && body.getOperations().size() == 2;
}

std::optional<SmallVector<ReshapedDims>> sylvite::groupDims(ReshapeOp reshape) {
  ArrayRef<int64_t> source = typeOf(reshape.getInput()).getShape(), result = reshape.getType().getShape(), from = reshape.getFrom();
  SmallVector<ReshapedDims> groups;
  int64_t i = 0, j = 0, sourceRank = source.size(), resultRank = result.size();
  while (i < sourceRank || j < resultRank) {
    ReshapedDims &group = groups.emplace_back();
    bool isKept = j < resultRank && from[j] == i;
    if (!isKept && i < sourceRank && source[i] == 1) {
      group.source.push_back(i++);
      continue;
    }
    if (!isKept && j < resultRank && result[j] == 1) {
      group.result.push_back(j++);
      continue;
    }
    if (i == sourceRank || j == resultRank || (!isKept && (ShapedType::isDynamic(source[i]) || ShapedType::isDynamic(result[j]))))
      return std::nullopt;
    int64_t a = source[i], b = result[j];
    group.source.push_back(i++);
    group.result.push_back(j++);
    while (a != b) {
      bool growsSource = a < b;
      ArrayRef<int64_t> sizes = growsSource ? source : result;
      int64_t &next = growsSource ? i : j;
      if (next == int64_t(sizes.size()) || ShapedType::isDynamic(sizes[next]))
        return std::nullopt;
      (growsSource ? a : b) *= sizes[next];
      (growsSource ? group.source : group.result).push_back(next++);
    }
  }
  return groups;
}

bool sylvite::keepsMatrices(ReshapeOp reshape) {
  auto source = cast<RankedTensorType>(reshape.getInput().getType());
  RankedTensorType result = reshape.getType();
  auto keeps = [&](int64_t i) {
    int64_t dim = result.getRank() - i, sourceDim = source.getRank() - i;
    return result.getDimSize(dim) == source.getDimSize(sourceDim) &&
           (!result.isDynamicDim(dim) || reshape.getFrom()[dim] == sourceDim);
  };
  return source.getRank() > 1 && result.getRank() > 1 && keeps(1) && keeps(2);
}

Value sylvite::viewed(Value value) {
  while (auto reshape = value.getDefiningOp<nn::ReshapeOp>())
    value = reshape.getInput();
  return value;
}

bool sylvite::keepsRuns(nn::ReshapeOp reshape) {
  ArrayRef<int64_t> from = cast<RankedTensorType>(reshape.getInput().getType()).getShape(), to = reshape.getType().getShape();
  return from.size() > 1 && to.size() > 1 && from.back() == to.back() && !ShapedType::isDynamic(to.back());
}

void sylvite::forEachReader(Value value, function_ref<void(Operation *)> visit) {
  for (Operation *user : value.getUsers())
    if (auto reshape = dyn_cast<nn::ReshapeOp>(user); reshape && keepsRuns(reshape))
      forEachReader(reshape, visit);
    else
      visit(user);
}

nn::ConcatOp sylvite::joinOf(Value value) {
  nn::ConcatOp join;
  forEachReader(viewed(value), [&](Operation *reader) {
    if (auto concat = dyn_cast<nn::ConcatOp>(reader))
      join = concat;
  });
  return join;
}

std::string sylvite::structureOf(Operation *op) {
  std::string text;
  llvm::raw_string_ostream os(text);
  // Values from outside are known by their types and their places among the operands.
  DenseMap<Value, unsigned> numbers;
  auto numberOf = [&](Value value) { return numbers.try_emplace(value, numbers.size()).first->second; };
  op->walk<WalkOrder::PreOrder>([&](Operation *inner) {
    os << inner->getName() << "(";
    for (Value operand : inner->getOperands())
      os << numberOf(operand) << ":" << operand.getType() << ",";
    os << ")" << inner->getAttrDictionary() << ":";
    for (Value result : inner->getResults())
      os << numberOf(result) << ":" << result.getType() << ",";
    for (Region &region : inner->getRegions())
      for (Block &block : region)
        for (BlockArgument argument : block.getArguments())
          os << numberOf(argument) << ";";
    os << "\n";
  });
  return text;
}
