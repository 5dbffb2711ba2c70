//===- ModelGraph.cpp - A Keras model's configuration as a flat graph -----===//
//
// Walks the nodes that ModelConfig has read from the outputs back, and instantiates nested models wherever
// they are called.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/keras/ModelGraph.h"
#include "compiler/import/keras/ModelConfig.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/Twine.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Location.h"

using namespace llvm;
using namespace mlir;
using namespace sylvite;
using namespace sylvite::keras;

/// A bound that only damaged or hostile files reach.
static constexpr unsigned kMaxCalls = 200'000;

InFlightDiagnostic keras::emitLayerError(MLIRContext *context, const Layer &layer) {
  Location loc = NameLoc::get(StringAttr::get(context, layer.name));
  return emitError(loc) << (layer.isOperation ? "operation '" : "layer '") << layer.path << "' ("
                        << layer.className << "): ";
}

std::string keras::toSnakeCase(StringRef className) {
  // Keras's three regular expressions: drop what is not a word character; split before a capital that
  // small letters follow; split between a small letter and a capital.
  std::string word, first, second;
  for (char c : className)
    if (isAlnum(c) || c == '_')
      word += c;
  // (.)([A-Z][a-z]+) -> \1_\2, matches do not overlap.
  for (size_t i = 0; i < word.size();) {
    size_t end = i + 2;
    if (i + 2 < word.size() && isUpper(word[i + 1]) && isLower(word[i + 2])) {
      while (end < word.size() && isLower(word[end]))
        ++end;
      first += word[i];
      first += '_';
      first.append(word, i + 1, end - i - 1);
      i = end;
      continue;
    }
    first += word[i++];
  }
  // ([a-z])([A-Z]) -> \1_\2
  for (size_t i = 0; i < first.size(); ++i) {
    if (i && isUpper(first[i]) && isLower(first[i - 1]))
      second += '_';
    second += toLower(first[i]);
  }
  return second;
}

//===----------------------------------------------------------------------===//
// Flattening
//===----------------------------------------------------------------------===//

namespace {

class Flattener {
public:
  Flattener(ModelGraph &graph, MLIRContext *context) : graph(graph), context(context) {}

  /// Appends the calls that `model`'s outputs need when it is called with `inputs`.
  LogicalResult flatten(const Model &model, ArrayRef<TensorRef> inputs,
                        SmallVectorImpl<TensorRef> &outputs);

private:
  struct State {
    enum { New, Open, Done } progress = New;
    bool nested = false;
    unsigned call = 0;                 // of a layer
    SmallVector<TensorRef> results; // of an input or a nested model
  };
  using Key = std::pair<unsigned, unsigned>; // layer, node
  using States = llvm::DenseMap<Key, State>;

  LogicalResult setMasks(const Model &model, const Layer &layer, const NodeArgument &mask, const States &states,
                         MutableArrayRef<TensorRef> inputs);
  LogicalResult emit(const Model &model, Key key, States &states);
  LogicalResult resolve(const Model &model, const Producer &producer, const States &states,
                        TensorRef &tensor);
  LogicalResult convert(const Model &model, const NodeArgument &from, const States &states,
                        Argument &to);

  ModelGraph &graph;
  MLIRContext *context;
  unsigned numCalls = 0; // of layers and of nested models
};

} // namespace

static void collectProducers(const NodeArgument &argument, SmallVectorImpl<Producer> &out) {
  if (argument.kind == Argument::Tensor)
    out.push_back(argument.producer);
  for (const NodeArgument &element : argument.list)
    collectProducers(element, out);
}

static SmallVector<Producer> producersOf(const Node &node) {
  SmallVector<Producer> out;
  for (const NodeArgument &argument : node.args)
    collectProducers(argument, out);
  for (auto &[name, argument] : node.kwargs)
    collectProducers(argument, out);
  return out;
}

LogicalResult Flattener::flatten(const Model &model, ArrayRef<TensorRef> inputs,
                                 SmallVectorImpl<TensorRef> &outputs) {
  States states;
  for (auto [input, tensor] : llvm::zip_equal(model.inputs, inputs)) {
    State &state = states[{input.second, 0}];
    state.progress = State::Done;
    state.nested = true;
    state.results.push_back(tensor);
  }
  for (auto &[name, output] : model.outputs) {
    // Depth first with an explicit stack: chains of layers are long.
    SmallVector<Key> stack{{output.layer, unsigned(output.node)}};
    while (!stack.empty()) {
      Key key = stack.back();
      const ModelLayer &entry = model.layers[key.first];
      State &state = states[key];
      if (state.progress == State::Done) {
        stack.pop_back();
        continue;
      }
      if (entry.isInput)
        return emitLayerError(context, *entry.layer)
               << "the graph uses it, but it is not among the inputs of model '" << model.name << "'";
      bool second = state.progress == State::Open;
      state.progress = State::Open;
      bool ready = true;
      for (const Producer &producer : producersOf(entry.nodes[key.second])) {
        Key from{producer.layer, unsigned(producer.node)};
        auto known = states.find(from);
        if (known != states.end() && known->second.progress == State::Done)
          continue;
        if (second || (known != states.end() && known->second.progress == State::Open))
          return emitLayerError(context, *entry.layer)
                 << "the graph is cyclic: it needs its own result through layer '"
                 << model.layers[producer.layer].layer->name << "'";
        ready = false;
        stack.push_back(from);
      }
      if (ready) {
        if (failed(emit(model, key, states)))
          return failure();
        stack.pop_back();
      }
    }
    if (failed(resolve(model, output, states, outputs.emplace_back())))
      return failure();
  }
  return success();
}

LogicalResult Flattener::resolve(const Model &model, const Producer &producer, const States &states,
                                 TensorRef &tensor) {
  const State &state = states.find({producer.layer, unsigned(producer.node)})->second;
  if (!state.nested) {
    tensor = {state.call, unsigned(producer.tensor)};
    return success();
  }
  if (uint64_t(producer.tensor) >= state.results.size())
    return emitLayerError(context, *model.layers[producer.layer].layer)
           << "its result " << producer.tensor << " is used, it has " << state.results.size();
  tensor = state.results[producer.tensor];
  return success();
}

LogicalResult Flattener::convert(const Model &model, const NodeArgument &from, const States &states,
                                 Argument &to) {
  to.kind = from.kind;
  to.value = from.value;
  if (from.kind == Argument::Tensor)
    return resolve(model, from.producer, states, to.tensor);
  for (const NodeArgument &element : from.list)
    if (failed(convert(model, element, states, to.list.emplace_back())))
      return failure();
  return success();
}

/// The masks that a nested model is called with are those of its inputs: layers of Keras that pass on what they get.
LogicalResult Flattener::setMasks(const Model &model, const Layer &layer, const NodeArgument &mask, const States &states,
                                  MutableArrayRef<TensorRef> inputs) {
  static const Json noAttributes = Json::object();
  for (auto [i, input] : llvm::enumerate(inputs)) {
    const NodeArgument *own = mask.kind != Argument::List ? &mask : i < mask.list.size() ? &mask.list[i] : nullptr;
    if (!own || own->kind != Argument::Tensor)
      continue;
    Layer masked = layer;
    masked.className = "Identity";
    masked.config = &noAttributes;
    masked.group += "/mask"; // without weights
    Call call;
    call.layer = &graph.layers.emplace_back(masked);
    call.args.push_back({Argument::Tensor, input, {}, nullptr});
    call.kwargs.emplace_back().first = "mask";
    if (failed(convert(model, *own, states, call.kwargs.back().second)))
      return failure();
    input = {unsigned(graph.calls.size()), 0};
    graph.calls.push_back(std::move(call));
  }
  return success();
}

LogicalResult Flattener::emit(const Model &model, Key key, States &states) {
  const ModelLayer &entry = model.layers[key.first];
  const Node &node = entry.nodes[key.second];
  State done;
  done.progress = State::Done;
  if (++numCalls > kMaxCalls)
    return emitLayerError(context, *entry.layer)
           << "the model calls its layers more than " << kMaxCalls << " times";
  if (entry.nested) {
    SmallVector<TensorRef> inputs;
    const NodeArgument *mask = nullptr;
    SmallVector<Producer> producers;
    for (const NodeArgument &argument : node.args)
      collectProducers(argument, producers);
    for (auto &[name, argument] : node.kwargs)
      name == "mask" ? void(mask = &argument) : collectProducers(argument, producers);
    for (const Producer &producer : producers)
      if (failed(resolve(model, producer, states, inputs.emplace_back())))
        return failure();
    if (inputs.size() != entry.nested->inputs.size())
      return emitLayerError(context, *entry.layer)
             << "the nested model is called with " << inputs.size() << " tensors, it has "
             << entry.nested->inputs.size() << " inputs";
    if (mask && failed(setMasks(model, *entry.layer, *mask, states, inputs)))
      return failure();
    done.nested = true;
    if (failed(flatten(*entry.nested, inputs, done.results)))
      return failure();
  } else {
    Call call;
    call.layer = entry.layer;
    for (const NodeArgument &argument : node.args)
      if (failed(convert(model, argument, states, call.args.emplace_back())))
        return failure();
    for (auto &[name, argument] : node.kwargs) {
      call.kwargs.emplace_back().first = name;
      if (failed(convert(model, argument, states, call.kwargs.back().second)))
        return failure();
    }
    done.call = graph.calls.size();
    graph.calls.push_back(std::move(call));
  }
  states[key] = std::move(done);
  return success();
}

//===----------------------------------------------------------------------===//
// Entry
//===----------------------------------------------------------------------===//

/// Makes names unique by Keras's own rule: x, x_1, x_2...
static std::string uniqueName(StringRef name, llvm::StringSet<> &taken) {
  std::string unique = name.str();
  for (unsigned i = 1; !taken.insert(unique).second; ++i)
    unique = (name + "_" + Twine(i)).str();
  return unique;
}

FailureOr<ModelGraph> keras::readModelGraph(const Json &json, MLIRContext *context, const Layer *around) {
  ModelGraph graph;
  std::unique_ptr<Model> model = readModel(json, graph, context, around);
  if (!model)
    return failure();
  graph.name = model->name;

  llvm::StringSet<> names;
  SmallVector<TensorRef> inputs, outputs;
  for (auto &[input, layer] : model->inputs) {
    if (input.batchShape.empty() && !around) {
      emitError(UnknownLoc::get(context))
          << "model '" << model->name << "' does not say the shape of its input; build it, or put an "
          << "InputLayer with a 'batch_shape' first";
      return failure();
    }
    inputs.push_back({TensorRef::kInput, unsigned(inputs.size())});
    graph.inputs.push_back(input);
    graph.inputs.back().name = uniqueName(input.name, names);
  }
  if (failed(Flattener(graph, context).flatten(*model, inputs, outputs)))
    return failure();
  names.clear();
  for (auto [output, tensor] : llvm::zip_equal(model->outputs, outputs))
    graph.outputs.push_back({uniqueName(output.first, names), tensor});
  return graph;
}
