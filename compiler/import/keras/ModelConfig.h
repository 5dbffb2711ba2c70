//===- ModelConfig.h - The JSON of Keras models ---------------------------===//
//
// Reads each model's own JSON, nested models included, into layers and nodes (calls that name their
// producers). Between the JSON and ModelGraph, which resolves the calls; nothing else includes it.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_COMPILER_IMPORT_KERAS_MODELCONFIG_H
#define SYLVITE_COMPILER_IMPORT_KERAS_MODELCONFIG_H

#include "compiler/import/keras/ModelGraph.h"
#include "llvm/ADT/StringMap.h"
#include <memory>

namespace sylvite::keras {

/// Where a tensor comes from, by indices into the model's layers.
struct Producer {
  unsigned layer = 0;
  int64_t node = 0, tensor = 0;
};

struct NodeArgument {
  Argument::Kind kind = Argument::Value;
  Producer producer;
  std::vector<NodeArgument> list;
  const Json *value = nullptr;
};

struct Node {
  std::vector<NodeArgument> args;
  std::vector<std::pair<std::string, NodeArgument>> kwargs;
};

struct Model;

struct ModelLayer {
  Layer *layer = nullptr;
  std::unique_ptr<Model> nested;
  bool isInput = false;
  std::vector<Node> nodes;
};

struct Model {
  std::string name;
  bool sequential = false;
  std::vector<ModelLayer> layers;
  llvm::StringMap<unsigned> byName;
  std::vector<std::pair<ModelGraph::Input, unsigned>> inputs; // with the InputLayer's index
  std::vector<std::pair<std::string, Producer>> outputs;
};

/// Reads `json`, the outermost model or one that is part of the layer `around`, appending its layers and those inside it to
/// `graph.layers`. Null after an error, which is reported.
std::unique_ptr<Model> readModel(const Json &json, ModelGraph &graph, mlir::MLIRContext *context, const Layer *around);

} // namespace sylvite::keras

#endif // SYLVITE_COMPILER_IMPORT_KERAS_MODELCONFIG_H
