//===- GraphBuilder.cpp - The calls of a graph through the layer table ----===//
//
// Each call gets a LayerBuilder, and its results and their masks are kept for those that follow.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/keras/GraphBuilder.h"

using namespace llvm;
using namespace mlir;
using namespace sylvite;
using namespace sylvite::keras;

Value GraphBuilder::lookup(TensorRef ref, const std::vector<Values> &ofCalls, ArrayRef<Value> ofInputs) {
  ArrayRef<Value> values = ofInputs;
  if (ref.call != TensorRef::kInput)
    values = ofCalls[ref.call];
  return ref.index < values.size() ? values[ref.index] : Value();
}

FailureOr<Value> GraphBuilder::output(unsigned index) const {
  TensorRef ref = graph.outputs[index].tensor;
  if (Value value = tensor(ref))
    return value;
  return emitLayerError(context, *graph.calls[ref.call].layer)
         << "its result " << ref.index << " is an output of the model; it has " << results[ref.call].size();
}

LogicalResult GraphBuilder::build() {
  for (const Call &call : graph.calls)
    if (failed(build(call)))
      return failure();
  return success();
}

/// Only float32 variables and arithmetic are supported.
LogicalResult GraphBuilder::checkCall(const Call &call, const LayerRow &row) const {
  const Layer &layer = *call.layer;
  const Json *dtype = layer.isOperation ? nullptr : member(*layer.config, "dtype");
  if (dtype && !dtype->is_null()) {
    const Json *policy = member(*dtype, "config");
    auto name = asString(policy ? member(*policy, "name") : dtype);
    if (name != StringRef("float32"))
      return emitLayerError(context, layer)
             << "attribute 'dtype' is " << (name ? ("\"" + *name + "\"").str() : describe(*dtype))
             << "; supported: \"float32\"";
  }
  // Layers that prepare inputs are called so by default, and by a model as the model is.
  bool isPreprocessing = llvm::any_of(preprocessingLayers(), [&](const LayerRow &each) { return &each == &row; });
  for (auto &[name, argument] : call.kwargs) {
    if (name == "training" && !isPreprocessing && argument.kind == Argument::Value &&
        asBoolean(argument.value).value_or(false))
      return emitLayerError(context, layer) << "it is called with training=True; supported: inference";
    if (name == "mask" && row.masks == Masks::Stop && (argument.kind != Argument::Value || !argument.value->is_null()))
      return emitLayerError(context, layer) << "it is called with a mask, which it does not support";
  }
  return success();
}

/// The first tensor among the arguments that no call has made.
static const TensorRef *findMissing(const Argument &argument,
                                    llvm::function_ref<bool(TensorRef)> isThere) {
  if (argument.kind == Argument::Tensor)
    return isThere(argument.tensor) ? nullptr : &argument.tensor;
  for (const Argument &element : argument.list)
    if (const TensorRef *missing = findMissing(element, isThere))
      return missing;
  return nullptr;
}

LogicalResult GraphBuilder::build(const Call &call) {
  const Layer &layer = *call.layer;
  auto isThere = [&](TensorRef ref) { return bool(tensor(ref)); };
  const TensorRef *missing = nullptr;
  for (const Argument &argument : call.args)
    missing = missing ? missing : findMissing(argument, isThere);
  for (auto &[name, argument] : call.kwargs)
    missing = missing ? missing : findMissing(argument, isThere);
  if (missing) {
    const Layer &producer = *graph.calls[missing->call].layer;
    return emitLayerError(context, layer)
           << "it uses result " << missing->index << " of layer '" << producer.path << "', which has "
           << results[missing->call].size();
  }
  const LayerRow *row = findLayer(layer);
  if (!row)
    return emitLayerError(context, layer)
           << (layer.isOperation ? "this operation" : "this layer class")
           << " is not supported; README.md has the table of those that are";
  if (failed(checkCall(call, *row)))
    return failure();

  Location loc = NameLoc::get(builder.getStringAttr(layer.name));
  LayerBuilder b(
      state, call, builder, loc, [&](TensorRef ref) { return tensor(ref); },
      [&](TensorRef ref) { return mask(ref); });
  if (b.inputs().empty())
    return emitLayerError(context, layer) << "it is called without tensors";
  row->build(b);
  b.penalizeResults();
  b.checkUnusedAttributes();
  if (!layer.isOperation)
    b.checkVariableCount();
  if (b.failed())
    return failure();
  if (row->masks == Masks::Pass)
    b.resultMasks.assign(b.results.size(), b.maskArgument());
  results.push_back(std::move(b.results));
  masks.push_back(std::move(b.resultMasks));
  return success();
}
