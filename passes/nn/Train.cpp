//===- Train.cpp - nn-train ------------------------------------------------===//
//
// Makes the functions of training from a model's `forward`: each is a copy of it, with targets as further
// arguments. Layers that behave differently in training are brought to that form in the copies that train; loss,
// metrics, gradients and the optimizer's update follow. What a step changes comes back as results that replace
// parameters (`nn.update`), so that a function of this dialect stays a function.
//
//===----------------------------------------------------------------------===//
#include "passes/Passes.h"
#include "passes/nn/Differentiate.h"
#include "passes/nn/Training.h"
#include "passes/nn/Utils.h"

#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/ADT/BitVector.h"
#include "llvm/ADT/STLExtras.h"

#include <cmath>
#include <numeric>

namespace sylvite {
#define GEN_PASS_DEF_TRAIN
#include "passes/Passes.h.inc"
} // namespace sylvite

using namespace mlir;
using namespace sylvite;
using namespace sylvite::nn;

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

/// A parameter of `module` with these elements, or of zeros where there are none; the one of this name if there is one.
template <typename T>
static ParameterOp getParameter(ModuleOp module, StringRef name, RankedTensorType type, ArrayRef<T> values) {
  if (auto existing = module.lookupSymbol<ParameterOp>(name))
    return existing;
  OpBuilder builder = OpBuilder::atBlockBegin(module.getBody());
  ElementsAttr value;
  if (!values.empty())
    value = DenseResourceElementsAttr::get(type, name, HeapAsmResourceBlob::allocateAndCopyInferAlign(values));
  return ParameterOp::create(builder, module.getLoc(), builder.getStringAttr(name), TypeAttr::get(type), value,
                             /*trainable=*/nullptr);
}

Value sylvite::getIndices(TensorBuilder &builder, int64_t count) {
  auto module = builder.getInsertionBlock()->getParentOp()->getParentOfType<ModuleOp>();
  auto type = RankedTensorType::get({count}, builder.getI32Type());
  SmallVector<int32_t> values(count);
  std::iota(values.begin(), values.end(), 0);
  std::string name = "indices/" + std::to_string(count);
  getParameter<int32_t>(module, name, type, values);
  return GetOp::create(builder, type, name);
}

Value sylvite::getVector(TensorBuilder &builder, StringRef name, ArrayRef<double> values) {
  auto module = builder.getInsertionBlock()->getParentOp()->getParentOfType<ModuleOp>();
  auto type = RankedTensorType::get({static_cast<int64_t>(values.size())}, builder.getF32Type());
  SmallVector<float> elements(values.begin(), values.end());
  getParameter<float>(module, name, type, elements);
  return GetOp::create(builder, type, name);
}

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

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

namespace {

/// A parameter and the value that replaces it after a step.
using Update = std::pair<StringAttr, Value>;

/// A metric of a batch, the loss being the first.
struct Measurement {
  StringAttr name;
  Metric metric;
  Metric::Sums sums;
};

/// One function of training while it is built.
class StepFunction {
public:
  /// A copy of `forward`, in which layers are as in training or as in inference.
  StepFunction(func::FuncOp forward, StringRef name, DictionaryAttr training, bool trains);

  /// Adds the targets as arguments, and the losses up.
  LogicalResult addLoss();
  LogicalResult addMetrics();
  /// Adds the sums of all metrics to what the model keeps of them.
  void accumulateMetrics();
  /// Makes `metrics_result`, which gives the metrics of all batches since the last call of `reset_metrics`, made too.
  void makeMetricFunctions();
  /// Gradients of the trainable parameters, in the order of the module.
  LogicalResult addGradients();
  /// Begins the optimizer's step, before the gradients: each update then comes as soon as its gradient is known.
  LogicalResult addOptimizer();
  void addUpdates();
  /// Where the optimizer keeps moving averages of the parameters, makes `apply_averages`, which replaces these by them.
  void makeAverageFunction();
  /// Ends the function: it returns the loss and the metrics, gradients if asked for, and the updates.
  void finish(bool returnGradients);

private:
  /// Brings layers to their form in training; the statistics that they move become updates.
  void enterTraining();
  /// The penalties of layers' results, a part of the loss; null where there are none.
  Value takeActivityPenalties();
  void readOutputs();
  LogicalResult addTargets();
  /// Adds the argument `sample_weight`, if training has it.
  LogicalResult addSampleWeights();
  /// The loss `each` of every position, weighted by item, position and class as training says.
  FailureOr<Value> weightLoss(const Comparison &comparison, Value each);
  /// Makes a function without arguments: `fill` gives what it returns, and the attributes of that.
  using FunctionFiller = function_ref<void(TensorBuilder &, SmallVectorImpl<Value> &, SmallVectorImpl<Attribute> &)>;
  void makeFunction(StringRef name, FunctionFiller fill);
  /// A dropout as it is in training; `stream` tells it from the others.
  void expandDropout(DropoutOp op, int64_t stream);
  Settings settingsOf(StringRef list, unsigned output) const;
  Value get(ParameterOp parameter);
  Value flatten(Value x) {
    return b.reshape(x, {TensorBuilder::typeOf(x).getNumElements()}, {-1});
  }
  /// The parameter, of float64, in which a sum is kept.
  ParameterOp keepSum(const Measurement &measured, StringRef name, RankedTensorType type);
  /// A parameter in which the optimizer keeps something.
  template <typename T> ParameterOp keep(const Twine &name, RankedTensorType type, T initial);
  /// Moves the ops from `first` on as far up as what they read, and the readers of what they replace, allow: a
  /// gradient is used up as soon as it is known.
  void hoistFrom(Operation *first, ArrayRef<Value> replaced);

  ModuleOp module;
  func::FuncOp function;
  DictionaryAttr training;
  TensorBuilder b;
  SmallVector<Value> outputs;
  DenseMap<unsigned, Value> masks;  ///< of outputs
  SmallVector<Comparison> compared; ///< per output; no target where there is no loss
  Value sampleWeight;               ///< null where there is none
  bool trains;                      ///< layers are as in training
  llvm::MapVector<StringAttr, Value> parameters;
  Value loss;
  SmallVector<Measurement> measurements;
  SmallVector<std::pair<ParameterOp, Value>> gradients;
  SmallVector<Update> updates;
  std::optional<Optimizer> optimizer;
};

} // namespace

StepFunction::StepFunction(func::FuncOp forward, StringRef name, DictionaryAttr training, bool trains)
    : module(forward->getParentOfType<ModuleOp>()), function(forward.clone()), training(training),
      b(forward.getLoc(), forward.getContext()), trains(trains) {
  function.setName(name);
  OpBuilder::atBlockEnd(module.getBody()).insert(function);
  b.setInsertionPoint(function.getBody().front().getTerminator());
  expandRecurrent(function, trains);
  parameters = readParametersOnce(function);
  if (trains)
    enterTraining();
  readOutputs();
}

void StepFunction::readOutputs() {
  outputs.clear();
  for (auto [i, value] : llvm::enumerate(function.getBody().front().getTerminator()->getOperands()))
    if (auto masked = function.getResultAttrOfType<IntegerAttr>(i, "nn.loss_mask"))
      masks[masked.getInt()] = value;
    else
      outputs.push_back(value);
}

Settings StepFunction::settingsOf(StringRef list, unsigned output) const {
  auto array = training.getAs<ArrayAttr>(list);
  auto dictionary = array && output < array.size() ? dyn_cast<DictionaryAttr>(array[output]) : DictionaryAttr();
  return Settings(dictionary ? dictionary : DictionaryAttr::get(training.getContext()));
}

Value StepFunction::get(ParameterOp parameter) {
  Value &value = parameters[parameter.getSymNameAttr()];
  if (!value) { // read before everything else
    OpBuilder start = OpBuilder::atBlockBegin(&function.getBody().front());
    value = GetOp::create(start, function.getLoc(), parameter.getTensorType(), parameter.getSymName());
  }
  return value;
}

void StepFunction::enterTraining() {
  for (auto [stream, op] : llvm::enumerate(llvm::to_vector(function.getOps<DropoutOp>())))
    expandDropout(op, stream);
  for (BatchNormOp op : llvm::to_vector(function.getOps<BatchNormOp>())) {
    auto mean = op.getMean().getDefiningOp<GetOp>(), variance = op.getVariance().getDefiningOp<GetOp>();
    if (!op.getMomentum() || !mean || !variance)
      continue;
    TensorBuilder here(op.getLoc(), op);
    SmallVector<int64_t> dims(TensorBuilder::typeOf(op.getInput()).getRank() - 1);
    std::iota(dims.begin(), dims.end(), 0);
    Value batchMean = here.reduce(ReduceKind::Mean, op.getInput(), dims);
    Value centered = here.subtract(op.getInput(), batchMean);
    Value batchVariance = here.reduce(ReduceKind::Mean, here.multiply(centered, centered), dims);
    double momentum = op.getMomentum()->convertToDouble();
    op.getMeanMutable().assign(batchMean);
    op.getVarianceMutable().assign(batchVariance);
    op.removeMomentumAttr();
    for (auto [moving, statistic] : {std::pair(mean, batchMean), std::pair(variance, batchVariance)}) {
      Value moved = here.map(moving, statistic, [&](ScalarBuilder &s, Value before, Value now) {
        return s.add(s.mul(s.constant(momentum, now), before), s.mul(s.constant(1 - momentum, now), now));
      });
      updates.push_back({moving.getParameterAttr().getAttr(), moved});
    }
  }
}

void StepFunction::expandDropout(DropoutOp op, int64_t stream) {
  double rate = op.getRate().convertToDouble();
  auto number = RankedTensorType::get({}, b.getI64Type());
  ParameterOp seed = getParameter<int64_t>(module, "seed_generator/seed", number,
                                           {static_cast<int64_t>(Settings(training).number("seed", 0))});
  // No step changes the seed, but each handle has its own.
  if (llvm::none_of(updates, [&](const Update &update) { return update.first == seed.getSymNameAttr(); }))
    updates.push_back({seed.getSymNameAttr(), get(seed)});
  Value step = get(keep<int64_t>("iterations", number, 0));
  TensorBuilder here(op.getLoc(), op);
  RankedTensorType type = TensorBuilder::typeOf(op.getInput());
  SmallVector<int64_t> shape(type.getShape()), from(type.getRank());
  std::iota(from.begin(), from.end(), 0);
  for (int64_t dim : op.getShared())
    shape[dim] = 1, from[dim] = -1;
  DropoutKind kind = op.getKind();
  bool isNormal = kind == DropoutKind::Gaussian || kind == DropoutKind::Noise;
  Value draw = RandomOp::create(here, type.clone(shape), get(seed), step, op.getInput(),
                                isNormal ? Distribution::Normal : Distribution::Uniform, stream, from);
  Value result = here.map(op.getInput(), draw, [&](ScalarBuilder &s, Value x, Value r) -> Value {
    auto constant = [&](double value) { return s.constant(value, x); };
    switch (kind) {
    case DropoutKind::Plain:
      return s.selectGreater(constant(rate), r, constant(0), s.mul(x, constant(1 / (1 - rate))));
    case DropoutKind::Alpha: {
      constexpr double dropped = -1.7580993408473766; // -scale * alpha of SELU
      double a = 1 / std::sqrt((1 - rate) * (1 + rate * dropped * dropped)), offset = -a * dropped * rate;
      Value kept = s.selectGreater(constant(rate), r, constant(dropped), x);
      return s.add(s.mul(constant(a), kept), constant(offset));
    }
    case DropoutKind::Gaussian:
      return s.mul(x, s.add(constant(1), s.mul(r, constant(std::sqrt(rate / (1 - rate))))));
    case DropoutKind::Noise:
      return s.add(x, s.mul(r, constant(rate)));
    }
    llvm_unreachable("a kind of dropout");
  });
  op.replaceAllUsesWith(result);
  op.erase();
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
    double l1 = op.getL1().convertToDouble(), l2 = op.getL2().convertToDouble();
    SmallVector<Value> sums;
    if (l1)
      sums.push_back(b.scale(b.reduceAll(ReduceKind::Sum, b.map(x, [](ScalarBuilder &s, Value e) { return s.abs(e); })), l1));
    if (l2)
      sums.push_back(b.scale(b.reduceAll(ReduceKind::SumSquare, x), l2));
    for (Value sum : sums) {
      if (TensorBuilder::typeOf(x).getRank() > 0)
        sum = b.map(sum, b.countElements(x, {0}), &ScalarBuilder::div);
      total = total ? b.add(total, sum) : sum;
    }
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
    Settings settings(regularizer);
    double l1 = settings.number("l1", 0), l2 = settings.number("l2", 0);
    Value flat = flatten(value);
    if (l1)
      total = b.add(total, b.scale(b.reduce(ReduceKind::Sum, b.map(flat, [](ScalarBuilder &s, Value x) { return s.abs(x); }), {0}), l1));
    if (l2)
      total = b.add(total, b.scale(b.reduce(ReduceKind::SumSquare, flat, {0}), l2));
  }
  loss = total;
  Value items = b.countElements(compared.front().predicted, {0});
  measurements.push_back({b.getStringAttr("loss"), Metric::mean(), {{"total", b.multiply(loss, items)}, {"count", items}}});
  return success();
}

LogicalResult StepFunction::addMetrics() {
  auto lists = training.getAs<ArrayAttr>("metrics");
  bool several = llvm::count_if(compared, [](auto &c) { return bool(c.target); }) > 1;
  for (auto [i, comparison] : llvm::enumerate(compared)) {
    auto list = lists && i < lists.size() ? dyn_cast<ArrayAttr>(lists[i]) : ArrayAttr();
    if (!comparison.target || !list)
      continue;
    for (DictionaryAttr entry : list.getAsRange<DictionaryAttr>()) {
      auto metric = Metric::create(b.getLoc(), Settings(entry), comparison);
      if (failed(metric))
        return failure();
      std::string name = metric->name();
      if (several)
        if (auto output = function.getResultAttrOfType<StringAttr>(i, "nn.name"))
          name = output.str() + "_" + name;
      if (llvm::any_of(measurements, [&](const Measurement &other) { return other.name == name; }))
        return function.emitError("two metrics have the name '") << name << "'; the option 'name' gives one another";
      measurements.push_back({b.getStringAttr(name), *metric, metric->sums(b, comparison)});
    }
  }
  return success();
}

ParameterOp StepFunction::keepSum(const Measurement &measured, StringRef name, RankedTensorType type) {
  return getParameter<double>(module, ("metrics/" + measured.name.getValue() + "/" + name).str(),
                              type.clone(b.getF64Type()), {});
}

void StepFunction::accumulateMetrics() {
  for (const Measurement &measured : measurements)
    for (auto [name, sum] : measured.sums) {
      ParameterOp kept = keepSum(measured, name, TensorBuilder::typeOf(sum));
      Value total = MapOp::create(b, ValueRange{get(kept), sum}, [](OpBuilder &builder, Location loc, ValueRange v) -> Value {
        Value more = v[1];
        if (more.getType() != v[0].getType())
          more = arith::ExtFOp::create(builder, loc, v[0].getType(), more);
        return arith::AddFOp::create(builder, loc, v[0], more);
      });
      updates.push_back({kept.getSymNameAttr(), total});
    }
}

void StepFunction::makeFunction(StringRef name, FunctionFiller fill) {
  OpBuilder atEnd = OpBuilder::atBlockEnd(module.getBody());
  auto made = func::FuncOp::create(atEnd, function.getLoc(), name, b.getFunctionType({}, {}));
  TensorBuilder body(function.getLoc(), OpBuilder::atBlockBegin(made.addEntryBlock()));
  SmallVector<Value> values;
  SmallVector<Attribute> attributes;
  fill(body, values, attributes);
  func::ReturnOp::create(body, values);
  made.setType(b.getFunctionType({}, TypeRange(ValueRange(values))));
  made.setResAttrsAttr(b.getArrayAttr(attributes));
}

void StepFunction::makeMetricFunctions() {
  auto read = [&](TensorBuilder &body, const Measurement &measured, StringRef name, Value like) -> Value {
    ParameterOp kept = keepSum(measured, name, TensorBuilder::typeOf(like));
    return GetOp::create(body, kept.getTensorType(), kept.getSymName());
  };
  makeFunction("metrics_result", [&](TensorBuilder &body, auto &values, auto &attributes) {
    for (const Measurement &measured : measurements) {
      Metric::Sums sums;
      for (auto [name, sum] : measured.sums)
        sums.push_back({name, read(body, measured, name, sum)});
      Type element = getElementTypeOrSelf(loss.getType());
      Value value = measured.metric.value(body, sums);
      if (!element.isF64())
        value = MapOp::create(body, ValueRange{value}, [&](OpBuilder &builder, Location loc, ValueRange v) -> Value {
          return arith::TruncFOp::create(builder, loc, element, v[0]);
        });
      values.push_back(value);
      attributes.push_back(b.getDictionaryAttr(b.getNamedAttr("nn.name", measured.name)));
    }
  });
  makeFunction("reset_metrics", [&](TensorBuilder &body, auto &values, auto &attributes) {
    for (const Measurement &measured : measurements)
      for (auto [name, sum] : measured.sums) {
        Value kept = read(body, measured, name, sum);
        values.push_back(body.fullLike(0, kept));
        attributes.push_back(b.getDictionaryAttr(
            b.getNamedAttr("nn.update", kept.getDefiningOp<GetOp>().getParameterAttr().getAttr())));
      }
  });
}

LogicalResult StepFunction::addGradients() {
  SmallVector<Value> wanted;
  for (ParameterOp parameter : module.getOps<ParameterOp>()) {
    Value value = parameter.getTrainable() ? parameters.lookup(parameter.getSymNameAttr()) : Value();
    if (!value)
      continue;
    gradients.push_back({parameter, Value()});
    wanted.push_back(value);
  }
  if (wanted.empty())
    return function.emitError("training needs a trainable parameter; the model has none");
  auto found = differentiate(b, {{loss, b.fullLike(1, loss)}}, wanted);
  if (failed(found))
    return failure();
  for (auto [entry, gradient, value] : llvm::zip_equal(gradients, *found, wanted))
    entry.second = gradient ? gradient : b.fullLike(0, value);
  return success();
}

template <typename T> ParameterOp StepFunction::keep(const Twine &name, RankedTensorType type, T initial) {
  SmallVector<T> values;
  if (initial != 0)
    values.assign(type.getNumElements(), initial);
  return getParameter<T>(module, ("optimizer/" + name).str(), type, values);
}

void StepFunction::hoistFrom(Operation *first, ArrayRef<Value> replaced) {
  SmallVector<Operation *> ops;
  for (Operation *op = first; op != function.getBody().front().getTerminator(); op = op->getNextNode())
    ops.push_back(op);
  SmallPtrSet<Operation *, 16> moving(ops.begin(), ops.end());
  Operation *after = nullptr;
  auto follow = [&](Operation *op) {
    if (op && op->getBlock() == first->getBlock() && (!after || after->isBeforeInBlock(op)))
      after = op;
  };
  Operation *terminator = function.getBody().front().getTerminator();
  for (Value value : replaced)
    for (Operation *user : value.getUsers()) {
      user = function.getBody().front().findAncestorOpInBlock(*user);
      if (!moving.contains(user) && user != terminator)
        follow(user);
    }
  for (Operation *op : ops)
    for (Value operand : op->getOperands())
      if (Operation *source = operand.getDefiningOp(); source && !moving.contains(source))
        follow(source);
  for (Operation *op : ops) {
    if (after)
      op->moveAfter(after);
    after = op;
  }
}

LogicalResult StepFunction::addOptimizer() {
  Settings settings(training.getAs<DictionaryAttr>("optimizer"));
  auto created = Optimizer::create(module.getLoc(), settings);
  if (failed(created))
    return failure();
  optimizer = *created;
  auto scalar = RankedTensorType::get({}, b.getF32Type()), integer = RankedTensorType::get({}, b.getI64Type());
  ParameterOp iterations = keep<int64_t>("iterations", integer, 0);
  Value count = get(iterations);
  Value rate = optimizer->scheduledRate(b, count);
  if (!rate) { // no step changes it, but the user may
    ParameterOp parameter = keep<float>("learning_rate", scalar, optimizer->initialRate());
    rate = get(parameter);
    updates.push_back({parameter.getSymNameAttr(), rate});
  }
  SmallVector<Value> kept;
  SmallVector<StringAttr> keptNames;
  for (auto [name, initial] : optimizer->scalars()) {
    ParameterOp parameter = keep<float>(name, scalar, initial);
    keptNames.push_back(parameter.getSymNameAttr());
    kept.push_back(get(parameter));
  }
  optimizer->begin(b, rate, count, kept);
  for (auto [name, value] : llvm::zip_equal(keptNames, kept))
    updates.push_back({name, value});
  Value next = MapOp::create(b, ValueRange{count}, [](OpBuilder &builder, Location loc, ValueRange v) -> Value {
    return arith::AddIOp::create(builder, loc, v[0],
                                 arith::ConstantOp::create(builder, loc, builder.getI64IntegerAttr(1)));
  });
  updates.push_back({iterations.getSymNameAttr(), next});
  return success();
}

void StepFunction::addUpdates() {
  struct Pending {
    SmallVector<Value> replaced; ///< what is replaced: the parameter, then the slots
    SmallVector<StringAttr> names;
    ParameterUpdate update;
  };
  auto slots = optimizer->slots();
  SmallVector<Pending> pending;
  // What `build` makes is moved up to where its operands are known.
  auto hoisted = [&](ArrayRef<Value> replaced, function_ref<void()> build) {
    Operation *last = &*std::prev(b.getInsertionPoint());
    build();
    hoistFrom(last->getNextNode(), replaced);
  };
  auto finish = [&](Pending &each, ParameterOp parameter) {
    hoisted(each.replaced, [&] {
      each.update.parameter = flatten(each.replaced[0]);
      optimizer->update(b, each.update);
      RankedTensorType type = parameter.getTensorType();
      auto whole = [&](Value value) {
        return b.reshape(value, type.getShape(), SmallVector<int64_t>(type.getRank(), -1));
      };
      Value next = whole(each.update.parameter);
      if (auto constraint = parameter->getAttrOfType<DictionaryAttr>("nn.constraint"))
        next = constrain(b, Settings(constraint), next);
      updates.push_back({each.names[0], next});
      for (auto [i, slot] : llvm::enumerate(slots))
        updates.push_back({each.names[i + 1], whole(each.update.slots[slot.first])});
    });
  };
  for (auto &[parameter, gradient] : gradients) {
    Pending &each = pending.emplace_back();
    each.replaced.push_back(get(parameter));
    each.names.push_back(parameter.getSymNameAttr());
    for (auto [slot, initial] : slots) {
      ParameterOp kept = keep<float>(parameter.getSymName() + "/" + slot, parameter.getTensorType(), initial);
      each.names.push_back(kept.getSymNameAttr());
      each.replaced.push_back(get(kept));
    }
    hoisted(each.replaced, [&, gradient = gradient] {
      for (auto [i, slot] : llvm::enumerate(slots))
        each.update.slots[slot.first] = flatten(each.replaced[i + 1]);
      each.update.gradient = flatten(gradient);
      optimizer->prepareGradient(b, each.update);
    });
    if (!optimizer->clipsTogether())
      finish(each, parameter);
  }
  if (!optimizer->clipsTogether())
    return;
  SmallVector<Value> all = llvm::map_to_vector(pending, [](Pending &each) { return each.update.gradient; });
  optimizer->clipTogether(b, all);
  for (auto [each, gradient, entry] : llvm::zip_equal(pending, all, gradients)) {
    each.update.gradient = gradient;
    finish(each, entry.first);
  }
}

void StepFunction::makeAverageFunction() {
  auto slot = optimizer->averageSlot();
  if (!slot)
    return;
  makeFunction("apply_averages", [&](TensorBuilder &body, auto &values, auto &attributes) {
    for (auto &[parameter, gradient] : gradients) {
      ParameterOp average = keep<float>(parameter.getSymName() + "/" + *slot, parameter.getTensorType(), 0);
      values.push_back(GetOp::create(body, average.getTensorType(), average.getSymName()));
      attributes.push_back(b.getDictionaryAttr(b.getNamedAttr("nn.update", parameter.getSymNameAttr())));
    }
  });
}

void StepFunction::finish(bool returnGradients) {
  SmallVector<Value> values;
  SmallVector<Attribute> attributes;
  auto give = [&](StringRef attribute, StringAttr name, Value value) {
    values.push_back(value);
    attributes.push_back(b.getDictionaryAttr(b.getNamedAttr(attribute, name)));
  };
  for (const Measurement &measured : measurements)
    give("nn.name", measured.name, measured.name == "loss" ? loss : measured.metric.value(b, measured.sums));
  if (returnGradients)
    for (auto &[parameter, gradient] : gradients)
      give("nn.name", parameter.getSymNameAttr(), gradient);
  else
    for (auto [name, value] : updates)
      give("nn.update", name, value);
  Operation *terminator = function.getBody().front().getTerminator();
  terminator->setOperands(values);
  function.setType(b.getFunctionType(function.getArgumentTypes(), TypeRange(ValueRange(values))));
  function.setResAttrsAttr(b.getArrayAttr(attributes));
  eraseDeadOps(function.getBody().front());
}

namespace {

struct Train : sylvite::impl::TrainBase<Train> {
  using TrainBase::TrainBase;

  /// The masks of losses are no results of the model.
  static void dropMasks(func::FuncOp forward) {
    llvm::BitVector dropped(forward.getNumResults());
    for (unsigned i = 0; i < forward.getNumResults(); ++i)
      dropped[i] = bool(forward.getResultAttr(i, "nn.loss_mask"));
    if (dropped.none())
      return;
    forward.getBody().front().getTerminator()->eraseOperands(dropped);
    (void)forward.eraseResults(dropped);
    eraseDeadOps(forward.getBody().front());
  }

  void runOnOperation() override {
    auto training = getOperation()->getAttrOfType<DictionaryAttr>("nn.training");
    auto forward = getOperation().lookupSymbol<func::FuncOp>("forward");
    if (!training || !forward)
      return;
    if (!training.getAs<DictionaryAttr>("optimizer")) {
      emitError(getOperation().getLoc(), "training needs an optimizer");
      return signalPassFailure();
    }
    for (unsigned i = 0; i < forward.getNumArguments(); ++i)
      if (forward.getArgAttr(i, "nn.state")) {
        forward.emitError("a model with stateful layers cannot be trained");
        return signalPassFailure();
      }
    StepFunction step(forward, "train_step", training, /*trains=*/true),
        evaluate(forward, "evaluate", training, /*trains=*/false), gradients(forward, "gradients", training, /*trains=*/true);
    if (failed(step.addLoss()) || failed(step.addMetrics()) || failed(step.addOptimizer()) ||
        failed(step.addGradients()))
      return signalPassFailure();
    step.addUpdates();
    step.accumulateMetrics();
    step.finish(/*returnGradients=*/false);
    if (failed(evaluate.addLoss()) || failed(evaluate.addMetrics()))
      return signalPassFailure();
    evaluate.accumulateMetrics();
    evaluate.makeMetricFunctions();
    evaluate.finish(/*returnGradients=*/false);
    if (failed(gradients.addLoss()) || failed(gradients.addGradients()))
      return signalPassFailure();
    gradients.finish(/*returnGradients=*/true);
    step.makeAverageFunction();
    dropMasks(forward);
  }
};

} // namespace
