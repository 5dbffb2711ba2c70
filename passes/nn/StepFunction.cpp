//===- StepFunction.cpp - a function of training while it is built ---------===//
//
// What the parts of it share: its beginning, parameters, gradients, and its end.
//
//===----------------------------------------------------------------------===//
#include "passes/nn/StepFunction.h"

#include "passes/nn/Differentiate.h"
#include "passes/nn/Utils.h"

using namespace mlir;
using namespace sylvite;
using namespace sylvite::nn;

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
