//===- GraphBuilder.h - The calls of a graph through the layer table ------===//
//
// Makes ops of the calls of a graph, in their order: of a model, or of a model inside of a layer.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_COMPILER_IMPORT_KERAS_GRAPHBUILDER_H
#define SYLVITE_COMPILER_IMPORT_KERAS_GRAPHBUILDER_H

#include "compiler/import/keras/Layers.h"

namespace sylvite::keras {

class GraphBuilder {
public:
  /// `inputs` are the graph's, which have no masks.
  GraphBuilder(const ModelGraph &graph, ModuleState &state, mlir::OpBuilder &builder, mlir::ValueRange inputs)
      : graph(graph), state(state), builder(builder), context(builder.getContext()), inputs(inputs) {}

  llvm::LogicalResult build();

  /// A tensor, null when no call has made it.
  mlir::Value tensor(TensorRef ref) const { return lookup(ref, results, inputs); }
  /// Its mask, or null.
  mlir::Value mask(TensorRef ref) const { return lookup(ref, masks, {}); }
  /// Output `index` of the graph; reports where its layer has no such result.
  mlir::FailureOr<mlir::Value> output(unsigned index) const;

private:
  using Values = llvm::SmallVector<mlir::Value, 1>;
  static mlir::Value lookup(TensorRef ref, const std::vector<Values> &ofCalls, llvm::ArrayRef<mlir::Value> ofInputs);
  llvm::LogicalResult checkCall(const Call &call, const LayerRow &row) const;
  llvm::LogicalResult build(const Call &call);

  const ModelGraph &graph;
  ModuleState &state;
  mlir::OpBuilder &builder;
  mlir::MLIRContext *context;
  llvm::SmallVector<mlir::Value> inputs;
  std::vector<Values> results, masks; // of each call
};

} // namespace sylvite::keras

#endif // SYLVITE_COMPILER_IMPORT_KERAS_GRAPHBUILDER_H
