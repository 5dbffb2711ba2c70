//===- ModelConfig.cpp - The JSON of Keras models -------------------------===//
//
// The forms of the JSON are those of Keras 3.0 to 3.15 and of Keras 2's HDF5 files: Sequential and Functional
// models, `inbound_nodes` as objects and as lists, ends as lists and dictionaries.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/keras/ModelConfig.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/Twine.h"
#include "mlir/IR/Location.h"

using namespace llvm;
using namespace mlir;
using namespace sylvite;
using namespace sylvite::keras;

// Bounds that only damaged or hostile files reach.
static constexpr unsigned kMaxModelDepth = 32, kMaxLayers = 100'000;

namespace {
class Parser {
public:
  Parser(ModelGraph &graph, MLIRContext *context) : graph(graph), context(context) {}

  /// Reads `json`; `group` is the model's own weights group with a trailing slash, `path` the names
  /// around it with a trailing slash, both empty for the outermost model.
  std::unique_ptr<Model> parse(const Json &json, const std::string &group, const std::string &path,
                               const std::string &topLevel, unsigned depth);

private:
  InFlightDiagnostic error() { return emitError(UnknownLoc::get(context)); }
  std::nullptr_t fail(const Twine &message) {
    error() << message;
    return nullptr;
  }

  bool addLayer(Model &model, const Json &json, const std::string &group, const std::string &path,
                const std::string &topLevel, unsigned depth);
  bool readInput(Model &model, unsigned index);
  bool readBatchShape(const Layer &layer, const Json &shape, ModelGraph::Input &input);
  bool chainSequential(Model &model, const Json &json, const Json &config);
  bool readFunctional(Model &model, const Json &config, const Json &layers);
  bool readNode(Model &model, unsigned index, const Json &json, Node &node);
  bool readArgument(Model &model, unsigned user, const Json &json, NodeArgument &argument);
  bool readProducer(Model &model, const Json &json, const Twine &user, bool countsOwnNode,
                    Producer &producer);
  bool readEnds(Model &model, const Json &json, const char *key,
                std::vector<std::pair<std::string, Producer>> &ends);

  ModelGraph &graph;
  MLIRContext *context;
  StringMap<unsigned> groups; // how often a group name was given
};
} // namespace

static bool isModelConfig(const Json &config) { return member(config, "layers") != nullptr; }

std::unique_ptr<Model> Parser::parse(const Json &json, const std::string &group,
                                     const std::string &path, const std::string &topLevel,
                                     unsigned depth) {
  if (depth > kMaxModelDepth)
    return fail("models are nested more than " + Twine(kMaxModelDepth) + " deep");
  const Json *config = member(json, "config");
  auto className = asString(member(json, "class_name"));
  if (!config || !className)
    return fail("the model's configuration lacks 'class_name' or 'config'; it is " +
                describe(json));
  auto model = std::make_unique<Model>();
  // Keras 2's first versions gave a Sequential model's layers as a bare list.
  const Json *layers = config->is_array() ? config : member(*config, "layers");
  if (!layers || !layers->is_array())
    return fail("model class '" + *className +
                "' has no list of layers in its configuration; Sequential and Functional models are "
                "supported");
  if (layers->empty())
    return fail("the model has no layers");
  model->name = asString(member(*config, "name")).value_or(*className).str();
  model->sequential = config->is_array() || !member(*config, "input_layers");
  if (!model->sequential && !member(*config, "output_layers"))
    return fail("model '" + model->name + "' has no 'output_layers'");

  for (const Json &layer : *layers)
    if (!addLayer(*model, layer, group, path, topLevel, depth))
      return nullptr;
  bool good = model->sequential ? chainSequential(*model, json, *config)
                                : readFunctional(*model, *config, *layers);
  return good ? std::move(model) : nullptr;
}

bool Parser::addLayer(Model &model, const Json &json, const std::string &group,
                      const std::string &path, const std::string &topLevel, unsigned depth) {
  auto className = asString(member(json, "class_name"));
  const Json *config = member(json, "config");
  if (!className || !config)
    return fail("an entry of the layers of model '" + model.name +
                "' lacks 'class_name' or 'config'; it is " + describe(json)),
           false;
  auto name = asString(member(json, "name"));
  if (!name)
    name = asString(member(*config, "name"));
  if (!name || name->empty())
    return fail("a layer of class '" + *className + "' in model '" + model.name + "' has no name"),
           false;
  if (graph.layers.size() == kMaxLayers)
    return fail("the model has more than " + Twine(kMaxLayers) + " layers"), false;

  Layer &layer = graph.layers.emplace_back();
  layer.className = className->str();
  layer.name = name->str();
  layer.config = config;
  StringRef module = asString(member(json, "module")).value_or("");
  layer.isOperation = module.contains(".ops.") || module == "keras.ops";
  layer.path = path + layer.name;
  layer.topLevel = topLevel.empty() ? layer.name : topLevel;
  if (!model.byName.try_emplace(*name, model.layers.size()).second) {
    emitLayerError(context, layer) << "model '" << model.name << "' has two layers of this name";
    return false;
  }

  ModelLayer &entry = model.layers.emplace_back();
  entry.layer = &layer;
  entry.isInput = layer.className == "InputLayer";
  // Sequential models do not count their InputLayer among the layers whose weights they save.
  if (!layer.isOperation && !(entry.isInput && model.sequential)) {
    // Weights are kept under the class's own name, which may not be the one it is exported by.
    bool isRenamed = layer.className == "GroupQueryAttention";
    std::string key = group + "layers/" + toSnakeCase(isRenamed ? "GroupedQueryAttention" : layer.className);
    unsigned number = groups[key]++;
    layer.group = number ? key + "_" + std::to_string(number) : key;
  }
  bool isList = config->is_array() && layer.className == "Sequential";
  if (!layer.isOperation && (isList || isModelConfig(*config))) {
    entry.nested = parse(json, layer.group + "/", layer.path + "/", layer.topLevel, depth + 1);
    return entry.nested != nullptr;
  }
  if (!config->is_object()) {
    emitLayerError(context, layer) << "its configuration is " << describe(*config)
                                   << ", not an object";
    return false;
  }
  return !entry.isInput || readInput(model, model.layers.size() - 1);
}

//===----------------------------------------------------------------------===//
// Inputs
//===----------------------------------------------------------------------===//

bool Parser::readBatchShape(const Layer &layer, const Json &shape, ModelGraph::Input &input) {
  auto extents = asIntegers(&shape, /*missing=*/-1);
  bool valid = extents && !extents->empty();
  if (valid)
    for (int64_t extent : *extents)
      valid &= extent == -1 || (extent > 0 && extent <= INT32_MAX);
  if (!valid) {
    emitLayerError(context, layer)
        << "input shape " << describe(shape)
        << "; it must list the batch and each dimension as a positive 32-bit size or null";
    return false;
  }
  input.batchShape = *extents;
  return true;
}

/// The name of a dtype given as a string or as a policy.
static std::optional<std::string> dtypeName(const Json *json) {
  if (!json || json->is_null())
    return "float32";
  if (auto name = asString(json))
    return name->str();
  if (const Json *config = member(*json, "config"))
    if (auto name = asString(member(*config, "name")))
      return name->str();
  return std::nullopt;
}

bool Parser::readInput(Model &model, unsigned index) {
  const Layer &layer = *model.layers[index].layer;
  ModelGraph::Input input;
  input.name = layer.name;
  for (const char *key : {"sparse", "ragged"})
    if (asBoolean(member(*layer.config, key)).value_or(false)) {
      emitLayerError(context, layer) << key << " is true; dense inputs are supported";
      return false;
    }
  auto dtype = dtypeName(member(*layer.config, "dtype"));
  if (!dtype) {
    emitLayerError(context, layer) << "dtype is " << describe(*member(*layer.config, "dtype"))
                                   << ", which names no type";
    return false;
  }
  input.dtype = *dtype;
  const Json *shape = nullptr;
  for (const char *key : {"batch_shape", "batch_input_shape"})
    if (!shape)
      shape = member(*layer.config, key);
  Json withBatch;
  if (!shape) {
    if (const Json *inner = member(*layer.config, "shape"); inner && inner->is_array()) {
      withBatch = *inner;
      withBatch.insert(withBatch.begin(), nullptr);
      shape = &withBatch;
    }
  }
  if (!shape) {
    emitLayerError(context, layer) << "it has no 'batch_shape'";
    return false;
  }
  if (!readBatchShape(layer, *shape, input))
    return false;
  model.inputs.push_back({std::move(input), index});
  return true;
}

//===----------------------------------------------------------------------===//
// Sequential
//===----------------------------------------------------------------------===//

bool Parser::chainSequential(Model &model, const Json &json, const Json &config) {
  for (unsigned i = 0; i < model.layers.size(); ++i)
    if (model.layers[i].isInput && i > 0) {
      emitLayerError(context, *model.layers[i].layer)
          << "an InputLayer must be the first layer of a Sequential model";
      return false;
    }
  if (!model.layers[0].isInput) {
    // The shape is in one of several places, or follows from the caller or the first layer.
    const Json *shape = config.is_object() ? member(config, "build_input_shape") : nullptr;
    if (!shape || shape->is_null())
      if (const Json *build = member(json, "build_config"))
        shape = member(*build, "input_shape");
    const Json &first = *model.layers[0].layer->config;
    if (!shape || shape->is_null())
      shape = member(first, "batch_input_shape");
    if (!shape || shape->is_null())
      shape = member(first, "batch_shape");

    Layer &layer = graph.layers.emplace_back();
    bool legacy = member(first, "batch_input_shape") != nullptr;
    layer.className = "InputLayer";
    layer.name = layer.path = legacy ? model.layers[0].layer->name + "_input" : "input_layer";
    ModelLayer entry;
    entry.layer = &layer;
    entry.isInput = true;
    ModelGraph::Input input;
    input.name = layer.name;
    input.dtype = "float32";
    if (shape && !shape->is_null()) {
      if (!readBatchShape(*model.layers[0].layer, *shape, input))
        return false;
      if (auto dtype = legacy ? dtypeName(member(first, "dtype")) : std::nullopt)
        input.dtype = *dtype;
    } else if (Model *nested = model.layers[0].nested.get(); nested && nested->inputs.size() == 1) {
      input = nested->inputs[0].first;
    }
    if (model.layers[0].layer->className == "Embedding" && !legacy)
      input.dtype = "int32";
    model.layers.insert(model.layers.begin(), std::move(entry));
    model.inputs.push_back({std::move(input), 0});
  }
  for (unsigned i = 1; i < model.layers.size(); ++i) {
    Node node;
    NodeArgument &argument = node.args.emplace_back();
    argument.kind = Argument::Tensor;
    argument.producer.layer = i - 1;
    model.layers[i].nodes.push_back(std::move(node));
  }
  model.outputs.push_back({model.layers.back().layer->name, {unsigned(model.layers.size() - 1), 0, 0}});
  return true;
}

//===----------------------------------------------------------------------===//
// Functional
//===----------------------------------------------------------------------===//

/// Reads [name, node, tensor]. `countsOwnNode`: this place counts the node that a nested Functional model
/// makes of itself, so its first call is number 1.
bool Parser::readProducer(Model &model, const Json &json, const Twine &user, bool countsOwnNode,
                          Producer &producer) {
  auto refuse = [&](const Twine &reason) {
    error() << "model '" << model.name << "': " << user << " refers to " << describe(json) << ", "
            << reason;
    return false;
  };
  if (!json.is_array() || json.size() < 3)
    return refuse("which is not [layer, node, tensor]");
  auto name = asString(&json[0]);
  auto node = asInteger(&json[1]), tensor = asInteger(&json[2]);
  if (!name || !node || !tensor || *node < 0 || *tensor < 0 || *tensor > 1 << 20)
    return refuse("which is not [layer, node, tensor]");
  auto found = model.byName.find(*name);
  if (found == model.byName.end())
    return refuse("but no layer has that name");
  producer.layer = found->second;
  producer.node = *node;
  producer.tensor = *tensor;
  const ModelLayer &layer = model.layers[producer.layer];
  int64_t calls = layer.isInput ? 1 : layer.nodes.size();
  if (layer.nested && !layer.nested->sequential) {
    if (countsOwnNode && producer.node > 0)
      --producer.node;
    else if (producer.node == calls)
      --producer.node;
  }
  if (producer.node >= calls)
    return refuse("but that layer is called " + Twine(calls) + " times");
  return true;
}

bool Parser::readArgument(Model &model, unsigned user, const Json &json, NodeArgument &argument) {
  argument.value = &json;
  if (json.is_array() || (json.is_object() && !member(json, "class_name"))) {
    // Keras flattens a dictionary by its sorted keys.
    std::vector<std::pair<StringRef, const Json *>> elements;
    for (auto it = json.begin(); it != json.end(); ++it)
      elements.push_back({json.is_object() ? StringRef(it.key()) : StringRef(), &*it});
    if (json.is_object())
      llvm::sort(elements, llvm::less_first());
    bool hasTensor = false;
    for (auto &[key, element] : elements) {
      NodeArgument &inner = argument.list.emplace_back();
      if (!readArgument(model, user, *element, inner))
        return false;
      hasTensor |= inner.kind != Argument::Value;
    }
    if (hasTensor)
      argument.kind = Argument::List;
    else
      argument.list.clear();
    return true;
  }
  if (asString(member(json, "class_name")) != StringRef("__keras_tensor__"))
    return true;
  argument.kind = Argument::Tensor;
  const Json *config = member(json, "config");
  const Json *history = config ? member(*config, "keras_history") : nullptr;
  const Layer &layer = *model.layers[user].layer;
  if (!history) {
    emitLayerError(context, layer) << "a tensor among its arguments has no 'keras_history'";
    return false;
  }
  return readProducer(model, *history, "layer '" + Twine(layer.name) + "'", false, argument.producer);
}

bool Parser::readNode(Model &model, unsigned index, const Json &json, Node &node) {
  const Layer &layer = *model.layers[index].layer;
  if (json.is_object()) {
    const Json *args = member(json, "args"), *kwargs = member(json, "kwargs");
    if (!args || !args->is_array() || (kwargs && !kwargs->is_object())) {
      emitLayerError(context, layer) << "an inbound node is " << describe(json)
                                     << "; it must hold a list 'args' and an object 'kwargs'";
      return false;
    }
    for (const Json &argument : *args)
      if (!readArgument(model, index, argument, node.args.emplace_back()))
        return false;
    if (kwargs)
      for (auto it = kwargs->begin(); it != kwargs->end(); ++it) {
        node.kwargs.emplace_back().first = it.key();
        if (!readArgument(model, index, *it, node.kwargs.back().second))
          return false;
      }
    return true;
  }
  // Keras 2: a list of [layer, node, tensor, kwargs], or a single one.
  if (!json.is_array() || json.empty()) {
    emitLayerError(context, layer) << "an inbound node is " << describe(json)
                                   << "; it must be an object or a list of producers";
    return false;
  }
  std::vector<NodeArgument> tensors;
  bool single = json[0].is_string();
  for (const Json &entry : single ? Json::array({json}) : json) {
    NodeArgument &argument = tensors.emplace_back();
    argument.kind = Argument::Tensor;
    if (!readProducer(model, entry, "layer '" + Twine(layer.name) + "'", true, argument.producer))
      return false;
  }
  if (tensors.size() == 1) {
    node.args = std::move(tensors);
  } else {
    NodeArgument &list = node.args.emplace_back();
    list.kind = Argument::List;
    list.list = std::move(tensors);
  }
  const Json &first = single ? json : json[0];
  if (first.size() > 3 && first[3].is_object())
    for (auto it = first[3].begin(); it != first[3].end(); ++it) {
      node.kwargs.emplace_back().first = it.key();
      if (!readArgument(model, index, *it, node.kwargs.back().second))
        return false;
    }
  return true;
}

/// Reads "input_layers" or "output_layers": one reference, a list or a dictionary of them.
bool Parser::readEnds(Model &model, const Json &json, const char *key,
                      std::vector<std::pair<std::string, Producer>> &ends) {
  auto add = [&](const Json &leaf, StringRef name) {
    Producer producer;
    if (!readProducer(model, leaf, Twine("'") + key + "'", true, producer))
      return false;
    ends.push_back({name.empty() ? model.layers[producer.layer].layer->name : name.str(), producer});
    return true;
  };
  if (json.is_array() && !json.empty() && json[0].is_string())
    return add(json, "");
  std::vector<std::pair<StringRef, const Json *>> elements;
  if (json.is_structured())
    for (auto it = json.begin(); it != json.end(); ++it)
      elements.push_back({json.is_object() ? StringRef(it.key()) : StringRef(), &*it});
  if (json.is_object())
    llvm::sort(elements, llvm::less_first());
  if (elements.empty()) {
    error() << "model '" << model.name << "': '" << key << "' is " << describe(json)
            << "; it must name at least one layer";
    return false;
  }
  for (auto &[name, leaf] : elements) {
    // One more level of structure: a list or dictionary inside.
    bool nestedList = leaf->is_structured() && !leaf->empty() &&
                      (leaf->is_object() || !leaf->begin()->is_string());
    if (nestedList ? !readEnds(model, *leaf, key, ends) : !add(*leaf, name))
      return false;
  }
  return true;
}

bool Parser::readFunctional(Model &model, const Json &config, const Json &layers) {
  // Every call must be counted before references to calls are checked.
  for (unsigned i = 0; i < model.layers.size(); ++i) {
    const Json *nodes = member(layers[i], "inbound_nodes");
    const Layer &layer = *model.layers[i].layer;
    if (!nodes || !nodes->is_array()) {
      emitLayerError(context, layer) << "it has no list 'inbound_nodes'";
      return false;
    }
    if (model.layers[i].isInput && !nodes->empty()) {
      emitLayerError(context, layer) << "an InputLayer with inbound nodes";
      return false;
    }
    model.layers[i].nodes.resize(nodes->size());
  }
  for (unsigned i = 0; i < model.layers.size(); ++i) {
    const Json &nodes = *member(layers[i], "inbound_nodes");
    for (unsigned n = 0; n < nodes.size(); ++n)
      if (!readNode(model, i, nodes[n], model.layers[i].nodes[n]))
        return false;
  }

  std::vector<std::pair<std::string, Producer>> inputs;
  if (!readEnds(model, *member(config, "input_layers"), "input_layers", inputs) ||
      !readEnds(model, *member(config, "output_layers"), "output_layers", model.outputs))
    return false;
  // The model's order of inputs is that of input_layers.
  auto declared = std::move(model.inputs);
  model.inputs.clear();
  for (auto &[name, producer] : inputs) {
    auto found = llvm::find_if(declared, [&](auto &input) { return input.second == producer.layer; });
    if (found == declared.end()) {
      emitLayerError(context, *model.layers[producer.layer].layer)
          << "it is among the inputs of model '" << model.name
          << "' but is not an InputLayer, or is there twice";
      return false;
    }
    model.inputs.push_back(std::move(*found));
    model.inputs.back().first.name = name;
    declared.erase(found);
  }
  return true;
}

std::unique_ptr<Model> keras::readModel(const Json &json, ModelGraph &graph, MLIRContext *context, const Layer *around) {
  Parser parser(graph, context);
  return around ? parser.parse(json, around->group + "/", around->path + "/", around->topLevel, 0)
                : parser.parse(json, "", "", "", 0);
}
