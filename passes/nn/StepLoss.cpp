//===- StepLoss.cpp - targets, weights and the loss of a step --------------===//
//
// Losses of outputs against targets, which become arguments, weighted; with what layers and parameters add.
//
//===----------------------------------------------------------------------===//
#include "passes/nn/StepFunction.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <numeric>

using namespace mlir;
using namespace sylvite;
using namespace sylvite::nn;

//===----------------------------------------------------------------------===//
// Free dimensions
//===----------------------------------------------------------------------===//

/// The name of free dimension `dim` of `value`: that of the argument it comes from, or empty where it is computed.
static StringRef symbolOf(func::FuncOp function, Value value, unsigned dim) {
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    auto dims = argument.getOwner()->getParentOp() == function
                    ? function.getArgAttrOfType<ArrayAttr>(argument.getArgNumber(), "nn.dims")
                    : ArrayAttr();
    return dims ? cast<StringAttr>(dims[dim]).getValue() : "";
  }
  Operation *op = value.getDefiningOp();
  if (auto scan = dyn_cast<ScanOp>(op)) {
    unsigned result = cast<OpResult>(value).getResultNumber(), numCarried = scan.getInitial().size();
    if (result < numCarried)
      return symbolOf(function, scan.getInitial()[result], dim);
    if (dim == 0)
      return symbolOf(function, scan.getSequences().front(), 0);
    Value slice = scan.getYielded()[result];
    if (auto argument = dyn_cast<BlockArgument>(slice); argument && argument.getArgNumber() < numCarried)
      return symbolOf(function, scan.getInitial()[argument.getArgNumber()], dim - 1);
    // What is stacked usually is what is carried on.
    for (auto [i, yielded] : llvm::enumerate(scan.getYielded().take_front(numCarried)))
      if (yielded == slice)
        return symbolOf(function, scan.getInitial()[i], dim - 1);
    return "";
  }
  if (auto branches = dyn_cast<IfOp>(op))
    return symbolOf(function, branches.getYielded(branches.getThenRegion())[cast<OpResult>(value).getResultNumber()], dim);
  auto shaped = dyn_cast<ShapeOpInterface>(op);
  if (!shaped)
    return "";
  SmallVector<ShapeExpr> shapes = shapesOfOperands(op->getOperands());
  auto shape = shaped.resultShape(std::nullopt, shapes);
  if (failed(shape))
    return "";
  for (auto [operand, dims] : llvm::zip(op->getOperands(), shapes))
    for (auto [i, expr] : llvm::enumerate(dims))
      if (expr == (*shape)[dim] && isa<AffineSymbolExpr>(expr))
        return symbolOf(function, operand, i);
  return "";
}


LogicalResult StepFunction::addTargets() {
  unsigned numLosses = llvm::count_if(llvm::seq<unsigned>(0, outputs.size()),
                                      [&](unsigned i) { return !settingsOf("losses", i).kind().empty(); });
  if (numLosses == 0)
    return function.emitError("training needs a loss for at least one output");
  for (auto [i, output] : llvm::enumerate(outputs)) {
    Settings loss = settingsOf("losses", i);
    compared.push_back({output, Value()});
    compared.back().mask = masks.lookup(i);
    if (loss.kind().empty())
      continue;
    auto type = targetType(output.getLoc(), loss, TensorBuilder::typeOf(output));
    if (failed(type))
      return failure();
    bool isSparse = type->getElementType().isInteger();
    SmallVector<Attribute> dims;
    for (int64_t d = 0; d < type->getRank(); ++d) {
      StringRef symbol = type->isDynamicDim(d) ? symbolOf(function, output, d) : "";
      if (type->isDynamicDim(d) && symbol.empty())
        return function.emitError("free dimension ")
               << d << " of output #" << i << " is not one of an input; supported for training: those";
      dims.push_back(b.getStringAttr(symbol));
    }
    auto outputName = function.getResultAttrOfType<StringAttr>(i, "nn.name");
    std::string name = isSparse ? "labels" : "targets";
    if (numLosses > 1)
      name = (outputName ? outputName.str() : "output" + std::to_string(i)) + "_" + name;
    unsigned position = function.getNumArguments();
    NamedAttrList attributes;
    attributes.set("nn.name", b.getStringAttr(name));
    attributes.set("nn.dims", b.getArrayAttr(dims));
    if (isSparse)
      attributes.set("nn.classes", b.getI64IntegerAttr(TensorBuilder::typeOf(output).getShape().back()));
    if (failed(function.insertArgument(position, *type, attributes.getDictionary(b.getContext()), output.getLoc())))
      return failure();
    compared.back().target = function.getArgument(position);
    compared.back().isSparse = isSparse;
  }
  return success();
}

LogicalResult StepFunction::addSampleWeights() {
  StringRef kind = Settings(training).text("sample_weights");
  if (kind.empty())
    return success();
  auto withLoss = llvm::make_filter_range(compared, [](const Comparison &each) { return bool(each.target); });
  const Comparison &first = *withLoss.begin();
  RankedTensorType predicted = TensorBuilder::typeOf(first.predicted);
  bool byItem = kind == "item";
  if (!byItem && std::distance(withLoss.begin(), withLoss.end()) > 1)
    return function.emitError("sample weights by position are supported for a model with one loss; for several, weights by item");
  ArrayRef<int64_t> shape = byItem ? predicted.getShape().take_front() : predicted.getShape().drop_back();
  if (predicted.getRank() < 2)
    return function.emitError("sample weights need an output whose first dimension is that of the items; it is ") << predicted;
  // Those of the target, which has the same first dimensions.
  auto dims = function.getArgAttrOfType<ArrayAttr>(cast<BlockArgument>(first.target).getArgNumber(), "nn.dims");
  auto attributes =
      b.getDictionaryAttr({b.getNamedAttr("nn.name", b.getStringAttr("sample_weight")),
                           b.getNamedAttr("nn.dims", b.getArrayAttr(dims.getValue().take_front(shape.size())))});
  unsigned position = function.getNumArguments();
  if (failed(function.insertArgument(position, predicted.clone(shape), attributes, b.getLoc())))
    return failure();
  sampleWeight = function.getArgument(position);
  return success();
}

FailureOr<Value> StepFunction::weightLoss(const Comparison &comparison, Value each) {
  RankedTensorType type = TensorBuilder::typeOf(each);
  if (sampleWeight) {
    // Of each item, or of each position: dimensions that it does not have are of size one.
    int64_t given = TensorBuilder::typeOf(sampleWeight).getRank();
    SmallVector<int64_t> shape(type.getShape().take_front(given)), from(given);
    std::iota(from.begin(), from.end(), 0);
    if (type.getRank() == 0 || shape != TensorBuilder::typeOf(sampleWeight).getShape())
      return function.emitError("sample weights ") << sampleWeight.getType() << " do not fit a loss of positions " << type;
    shape.append(type.getRank() - given, 1);
    from.append(type.getRank() - given, -1);
    each = b.multiply(each, given == type.getRank() ? sampleWeight : b.reshape(sampleWeight, shape, from));
  }
  if (Value mask = comparison.mask) { // the mean is over what counts, as Keras's
    if (TensorBuilder::typeOf(mask).getShape() != type.getShape())
      return function.emitError("a mask ") << mask.getType() << " does not fit a loss of positions " << type;
    Value counts = MapOp::create(b, ValueRange{mask}, [&](OpBuilder &builder, Location loc, ValueRange v) -> Value {
      return arith::UIToFPOp::create(builder, loc, type.getElementType(), v[0]);
    });
    SmallVector<int64_t> all(type.getRank());
    std::iota(all.begin(), all.end(), 0);
    Value share = b.map(b.countElements(each, all), b.reduceAll(ReduceKind::Sum, counts), [](ScalarBuilder &s, Value total, Value valid) {
      return s.div(total, s.add(valid, s.constant(1e-7, valid)));
    });
    each = b.map(ValueRange{each, counts, share}, [](ScalarBuilder &s, ValueRange v) {
      return s.mul(v[0], s.mul(v[1], v[2]));
    });
  }
  SmallVector<double> classWeights = Settings(training).numbers("class_weights");
  if (classWeights.empty() || !trains)
    return each;
  Value weights = buildClassWeights(b, comparison, classWeights);
  if (!weights || llvm::count_if(compared, [](auto &c) { return bool(c.target); }) > 1)
    return function.emitError("class weights need a model with one loss, whose target has one class for each item");
  return b.multiply(each, weights);
}

Value StepFunction::takeActivityPenalties() {
  Value total;
  for (auto op : llvm::to_vector(function.getOps<ActivityPenaltyOp>())) {
    Value x = op.getInput();
    Value penalty = buildPenalty(b, op.getL1().convertToDouble(), op.getL2().convertToDouble(), x);
    if (penalty && TensorBuilder::typeOf(x).getRank() > 0)
      penalty = b.map(penalty, b.countElements(x, {0}), &ScalarBuilder::div);
    total = total && penalty ? b.add(total, penalty) : penalty ? penalty : total;
    op.replaceAllUsesWith(x);
    op.erase();
  }
  readOutputs(); // the last layer may have been one of them
  return total;
}

LogicalResult StepFunction::addLoss() {
  Value penalty = takeActivityPenalties();
  if (failed(addTargets()) || failed(addSampleWeights()))
    return failure();
  Value total;
  for (auto [i, comparison] : llvm::enumerate(compared)) {
    if (!comparison.target)
      continue;
    Settings settings = settingsOf("losses", i);
    FailureOr<Value> each = weightLoss(comparison, buildLoss(b, settings, comparison));
    if (failed(each))
      return failure();
    Value loss = b.reduceAll(ReduceKind::Mean, *each);
    if (double weight = settings.number("weight", 1); weight != 1)
      loss = b.scale(loss, weight);
    total = total ? b.add(total, loss) : loss;
  }
  if (penalty)
    total = b.add(total, penalty);
  for (ParameterOp parameter : module.getOps<ParameterOp>()) {
    Value value = parameters.lookup(parameter.getSymNameAttr());
    auto regularizer = parameter->getAttrOfType<DictionaryAttr>("nn.regularizer");
    if (!value || !regularizer || !parameter.getTrainable())
      continue;
    if (Value more = buildPenalty(b, Settings(regularizer), value))
      total = b.add(total, more);
  }
  loss = total;
  Value items = b.countElements(compared.front().predicted, {0});
  measurements.push_back({b.getStringAttr("loss"), Metric::mean(), {{"total", b.multiply(loss, items)}, {"count", items}}});
  return success();
}
