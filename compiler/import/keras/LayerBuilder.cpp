//===- LayerBuilder.cpp - What a row of the layer table works with --------===//
//
// The call of a layer, its inputs, and the layers inside of it. LayerAttributes.cpp, LayerVariables.cpp and LayerOps.cpp
// have the rest of the class.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/keras/Arrays.h"
#include "compiler/import/keras/GraphBuilder.h"
#include "llvm/ADT/StringExtras.h"

using namespace llvm;
using namespace mlir;
using namespace sylvite;
using namespace sylvite::keras;

/// Arguments that are masks, which are kept apart from a layer's inputs.
static bool isMask(StringRef keyword) { return keyword == "mask" || keyword.ends_with("_mask"); }

LayerBuilder::LayerBuilder(ModuleState &state, const Call &call, OpBuilder &builder, Location loc,
                           Tensors tensor, MaskLookup mask)
    : layer(*call.layer), builder(builder), loc(loc), state(state), call(call) {
  auto collect = [&](auto &&self, const Argument &argument, bool isInput,
                     SmallVectorImpl<Value> &own) -> void {
    if (argument.kind == Argument::Tensor) {
      own.push_back(tensor(argument.tensor));
      if (isInput) {
        tensors.push_back(own.back());
        masks.push_back(mask(argument.tensor));
      }
    }
    for (const Argument &element : argument.list)
      self(self, element, isInput, own);
  };
  auto add = [&](const Argument &argument, bool isInput) {
    SmallVector<Value> own;
    collect(collect, argument, isInput, own);
    byArgument.push_back({&argument, std::move(own)});
  };
  for (const Argument &argument : call.args)
    add(argument, true);
  // Keyword tensors follow; layers that give them a meaning of their own look at the call.
  for (auto &[name, argument] : call.kwargs)
    add(argument, !isMask(name));
}

//===----------------------------------------------------------------------===//
// Errors
//===----------------------------------------------------------------------===//

InFlightDiagnostic LayerBuilder::error() {
  InFlightDiagnostic diagnostic = emitLayerError(builder.getContext(), layer);
  if (hasFailed) // one error is enough
    diagnostic.abandon();
  hasFailed = true;
  return diagnostic;
}

void LayerBuilder::refuse(StringRef key, const Twine &supported) {
  const Json *value = member(*layer.config, key);
  error() << "attribute '" << key << "' is " << (value ? describe(*value) : "missing")
          << "; supported: " << supported;
}

//===----------------------------------------------------------------------===//
// Inputs
//===----------------------------------------------------------------------===//

Value LayerBuilder::input(unsigned index) {
  if (index < tensors.size())
    return tensors[index];
  error() << "it is called with " << tensors.size() << " tensors and needs " << index + 1;
  return {};
}

Value LayerBuilder::floatInput(unsigned index) { return toFloat(input(index)); }

void LayerBuilder::expectInputs(unsigned count) {
  if (tensors.size() != count)
    error() << "it is called with " << tensors.size() << " tensors; supported: " << count;
}

void LayerBuilder::expectRank(Value x, int64_t rank) {
  if (x && rankOf(x) != rank)
    error() << "its input has shape " << shapeText(shapeOf(x)) << "; supported: " << rank
            << " dimensions";
}

int64_t LayerBuilder::extent(Value x, int64_t dim) {
  if (!x || dim >= rankOf(x)) {
    if (x)
      error() << "its input has shape " << shapeText(shapeOf(x)) << " and no dimension " << dim;
    return 1;
  }
  int64_t size = shapeOf(x)[dim];
  if (!ShapedType::isDynamic(size))
    return size;
  error() << "dimension " << dim << " of its input " << shapeText(shapeOf(x))
          << " is free; supported: a known size (give the model's input shape, as in --shape x=?x224x224x3)";
  return 1;
}

/// The argument at `position` or of the name `keyword`; null when absent.
static const Argument *findArgument(const Call &call, unsigned position, StringRef keyword) {
  for (auto &[name, argument] : call.kwargs)
    if (name == keyword)
      return &argument;
  return position < call.args.size() ? &call.args[position] : nullptr;
}

SmallVector<Value> LayerBuilder::tensorsOf(unsigned position, StringRef keyword) {
  const Argument *found = findArgument(call, position, keyword);
  for (auto &[argument, values] : byArgument)
    if (argument == found)
      return values;
  return {};
}

Value LayerBuilder::operand(unsigned position, StringRef keyword) {
  SmallVector<Value> own = tensorsOf(position, keyword);
  if (own.size() == 1)
    return own[0];
  const Json *value = argument(position, keyword);
  std::optional<Array> array = readArray(value);
  if (!own.empty() || !array) {
    error() << "argument " << position << " is " << (!own.empty() ? "a list" : value ? describe(*value) : "missing")
            << "; supported: tensors, numbers and arrays of numbers";
    return {};
  }
  Value x = constant("constant_" + std::to_string(position), array->shape, array->values);
  return array->integers ? convert(x, builder.getI32Type()) : x;
}

Value LayerBuilder::maskArgument(StringRef keyword, unsigned index) {
  SmallVector<Value> given = tensorsOf(~0u, keyword);
  return given.empty() ? mask(index) : given.front();
}

SmallVector<Value> LayerBuilder::maskArguments() {
  SmallVector<Value> result(masks), given = tensorsOf(~0u, "mask");
  const Argument *list = findArgument(call, ~0u, "mask");
  if (given.empty() || list->kind != Argument::List)
    return result;
  for (unsigned i = 0, next = 0; i < result.size(); ++i) {
    bool isTensor = i < list->list.size() && list->list[i].kind == Argument::Tensor;
    result[i] = isTensor ? given[next++] : Value();
  }
  return result;
}

const Json *LayerBuilder::argument(unsigned position, StringRef keyword) {
  const Argument *found = findArgument(call, position, keyword);
  return found && found->kind == Argument::Value && !found->value->is_null() ? found->value : nullptr;
}

//===----------------------------------------------------------------------===//
// Parts
//===----------------------------------------------------------------------===//

LayerBuilder LayerBuilder::part(const Json &json, StringRef part, ArrayRef<Value> inputs, Value mask) {
  static const Json empty = Json::object();
  auto className = asString(member(json, "class_name"));
  const Json *config = member(json, "config");
  if (!className || !config || !config->is_object()) {
    error() << "attribute '" << part << "' is " << describe(json) << "; supported: a serialized layer";
    config = &empty;
  }
  StringRef name = asString(member(*config, "name")).value_or(layer.name);
  return this->part(className.value_or(""), name, *config, part, inputs, mask);
}

LayerBuilder LayerBuilder::part(StringRef className, StringRef name, const Json &config, StringRef part,
                                ArrayRef<Value> inputs, Value mask) {
  Layer &inner = state.parts[{&layer, part.str()}];
  inner.className = className.str();
  inner.name = name.str();
  inner.config = &config;
  inner.group = layer.group + "/" + part.str();
  inner.path = layer.path + "/" + part.str();
  inner.topLevel = layer.topLevel;
  Call &innerCall = state.calls.emplace_back();
  innerCall.layer = &inner;
  for (unsigned i = 0; i < inputs.size(); ++i) {
    Argument &argument = innerCall.args.emplace_back();
    argument.kind = Argument::Tensor;
    argument.tensor = {TensorRef::kInput, i};
  }
  LayerBuilder b(state, innerCall, builder, loc, [&](TensorRef ref) { return inputs[ref.index]; },
                 [&](TensorRef ref) { return ref.index == 0 ? mask : Value(); });
  b.hasFailed = hasFailed;
  return b;
}

bool LayerBuilder::buildPart(const Json &json) {
  if (hasFailed)
    return true;
  if (!member(*layer.config, "layers")) {
    const LayerRow *row = findLayer(layer);
    if (row)
      row->build(*this);
    return row;
  }
  for (auto it = layer.config->begin(); it != layer.config->end(); ++it)
    used.insert(it.key()); // a model reads its own
  auto [known, isNew] = state.graphs.try_emplace(&layer);
  if (isNew) {
    FailureOr<ModelGraph> graph = readModelGraph(json, builder.getContext(), &layer);
    hasFailed = ::failed(graph);
    if (hasFailed)
      return true;
    known->second = std::move(*graph);
  }
  const ModelGraph &graph = known->second;
  if (graph.inputs.size() != tensors.size())
    return error() << "the model is called with " << tensors.size() << " tensors, it has " << graph.inputs.size() << " inputs",
           true;
  GraphBuilder calls(graph, state, builder, tensors);
  hasFailed = ::failed(calls.build());
  for (unsigned i = 0; i < graph.outputs.size() && !hasFailed; ++i) {
    FailureOr<Value> value = calls.output(i);
    hasFailed = ::failed(value);
    result(hasFailed ? Value() : *value);
  }
  return true;
}

void LayerBuilder::finish(LayerBuilder &part, bool checkAttributes) {
  if (checkAttributes)
    part.checkUnusedAttributes();
  part.checkVariableCount();
  hasFailed |= part.hasFailed;
}

Value LayerBuilder::apply(const Json &json, Value x, StringRef name) {
  if (hasFailed || !x)
    return {};
  LayerBuilder b = part(json, name, x);
  if (hasFailed || !b.buildPart(json)) {
    error() << "attribute '" << name << "' is " << describe(json)
            << "; supported: a layer of the table of supported layers";
    return {};
  }
  b.penalizeResults();
  finish(b);
  return b.results.size() == 1 ? b.results[0] : Value();
}
