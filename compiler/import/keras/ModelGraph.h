//===- ModelGraph.h - A Keras model's configuration as a flat graph -------===//
//
// Turns the JSON of a Sequential or Functional model, nested models included, into layers and an ordered list
// of their calls, with every tensor traced to the call that makes it. It checks the graph (producers exist,
// no cycles, unique names) and knows the weights' group of each layer; what a layer computes is left to the
// layer table.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_COMPILER_IMPORT_KERAS_MODELGRAPH_H
#define SYLVITE_COMPILER_IMPORT_KERAS_MODELGRAPH_H

#include "compiler/import/Json.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include <deque>
#include <string>
#include <vector>

namespace sylvite::keras {

/// A layer, or a `keras.ops` operation, however often it is called.
struct Layer {
  std::string className;       // "Conv2D"
  std::string name;            // "conv2d_3", unique within its model
  const Json *config = nullptr; // its constructor's arguments
  bool isOperation = false;    // a node of keras.ops: no weights, no group
  std::string group;           // where model.weights.h5 keeps it: "layers/conv2d_1"
  std::string path;            // names of the models around it and its own: "encoder/conv2d_3"
  std::string topLevel;        // the name of the outermost model's layer that holds it
};

/// A tensor: result `index` of call `call`, or the model's input `index` when `call` is kInput.
struct TensorRef {
  static constexpr unsigned kInput = ~0u;
  unsigned call = kInput, index = 0;
};

/// What a layer is called with: a tensor, a list that holds tensors, or any other value.
struct Argument {
  enum Kind { Tensor, List, Value } kind = Value;
  TensorRef tensor;
  std::vector<Argument> list;
  const Json *value = nullptr;
};

struct Call {
  const Layer *layer;
  std::vector<Argument> args;
  std::vector<std::pair<std::string, Argument>> kwargs;
};

struct ModelGraph {
  struct Input {
    std::string name;
    std::string dtype;                      // "float32", "int32"...
    llvm::SmallVector<int64_t> batchShape; // -1 where the size is free
  };
  struct Output {
    std::string name;
    TensorRef tensor;
  };

  std::string name;
  std::deque<Layer> layers;
  std::vector<Call> calls; // producers before users; only what the outputs need
  std::vector<Input> inputs;
  std::vector<Output> outputs;
};

/// Builds the graph of `model`, the JSON that `to_json()` gives (or the older forms of Keras 2 files).
/// `model` must outlive the graph. Failures are reported as one diagnostic. `around` is the layer whose part the model is,
/// if any: its inputs need no shapes then.
mlir::FailureOr<ModelGraph> readModelGraph(const Json &model, mlir::MLIRContext *context, const Layer *around = nullptr);

/// Reports an error of `layer`: the diagnostic opens with its name and class.
mlir::InFlightDiagnostic emitLayerError(mlir::MLIRContext *context, const Layer &layer);

/// The name that Keras gives to the attribute group of a class: "BatchNormalization" ->
/// "batch_normalization".
std::string toSnakeCase(llvm::StringRef className);

} // namespace sylvite::keras

#endif // SYLVITE_COMPILER_IMPORT_KERAS_MODELGRAPH_H
