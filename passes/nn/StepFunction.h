//===- StepFunction.h - one function of training while it is built ---------===//
//
// What nn-train puts its functions together with: a copy of a model's `forward` to which loss, metrics, gradients and
// the optimizer's update are added, in this order. Each concern has a file: StepLayers.cpp, StepLoss.cpp, ...
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_PASSES_NN_STEPFUNCTION_H
#define SYLVITE_PASSES_NN_STEPFUNCTION_H

#include "passes/nn/Training.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace sylvite {

/// A parameter and the value that replaces it after a step.
using Update = std::pair<mlir::StringAttr, mlir::Value>;

/// A metric of a batch, the loss being the first.
struct Measurement {
  mlir::StringAttr name;
  Metric metric;
  Metric::Sums sums;
};

/// One function of training while it is built.
class StepFunction {
public:
  /// A copy of `forward`, in which layers are as in training or as in inference.
  StepFunction(mlir::func::FuncOp forward, llvm::StringRef name, mlir::DictionaryAttr training, bool trains);

  /// Adds the targets as arguments, and the losses up.
  mlir::LogicalResult addLoss();
  mlir::LogicalResult addMetrics();
  /// Adds the sums of all metrics to what the model keeps of them.
  void accumulateMetrics();
  /// Makes `metrics_result`, which gives the metrics of all batches since the last call of `reset_metrics`, made too.
  void makeMetricFunctions();
  /// Gradients of the trainable parameters, in the order of the module.
  mlir::LogicalResult addGradients();
  /// Begins the optimizer's step, before the gradients: each update then comes as soon as its gradient is known.
  mlir::LogicalResult addOptimizer();
  void addUpdates();
  /// Where the optimizer keeps moving averages of the parameters, makes `apply_averages`, which replaces these by them.
  void makeAverageFunction();
  /// Ends the function: it returns the loss and the metrics, gradients if asked for, and the updates.
  void finish(bool returnGradients);

private:
  /// Brings layers to their form in training; the statistics that they move become updates.
  void enterTraining();
  /// The penalties of layers' results, a part of the loss; null where there are none.
  mlir::Value takeActivityPenalties();
  void readOutputs();
  mlir::LogicalResult addTargets();
  /// Adds the argument `sample_weight`, if training has it.
  mlir::LogicalResult addSampleWeights();
  /// The loss `each` of every position, weighted by item, position and class as training says.
  mlir::FailureOr<mlir::Value> weightLoss(const Comparison &comparison, mlir::Value each);
  /// Makes a function without arguments: `fill` gives what it returns, and the attributes of that.
  using FunctionFiller = llvm::function_ref<void(nn::TensorBuilder &, llvm::SmallVectorImpl<mlir::Value> &, llvm::SmallVectorImpl<mlir::Attribute> &)>;
  void makeFunction(llvm::StringRef name, FunctionFiller fill);
  /// A dropout as it is in training; `stream` tells it from the others.
  void expandDropout(nn::DropoutOp op, int64_t stream);
  Settings settingsOf(llvm::StringRef list, unsigned output) const;
  mlir::Value get(nn::ParameterOp parameter);
  /// The parameter, of float64, in which a sum is kept.
  nn::ParameterOp keepSum(const Measurement &measured, llvm::StringRef name, mlir::RankedTensorType type);
  /// A parameter in which the optimizer keeps something.
  template <typename T> nn::ParameterOp keep(const llvm::Twine &name, mlir::RankedTensorType type, T initial) {
    llvm::SmallVector<T> values;
    if (initial != 0)
      values.assign(type.getNumElements(), initial);
    return getParameter<T>(module, ("optimizer/" + name).str(), type, values);
  }
  /// Moves the ops from `first` on as far up as what they read, and the readers of what they replace, allow: a
  /// gradient is used up as soon as it is known.
  void hoistFrom(mlir::Operation *first, llvm::ArrayRef<mlir::Value> replaced);

  mlir::ModuleOp module;
  mlir::func::FuncOp function;
  mlir::DictionaryAttr training;
  nn::TensorBuilder b;
  llvm::SmallVector<mlir::Value> outputs;
  llvm::DenseMap<unsigned, mlir::Value> masks;  ///< of outputs
  llvm::SmallVector<Comparison> compared; ///< per output; no target where there is no loss
  mlir::Value sampleWeight;               ///< null where there is none
  bool trains;                      ///< layers are as in training
  llvm::MapVector<mlir::StringAttr, mlir::Value> parameters;
  mlir::Value loss;
  llvm::SmallVector<Measurement> measurements;
  llvm::SmallVector<std::pair<nn::ParameterOp, mlir::Value>> gradients;
  llvm::SmallVector<Update> updates;
  std::optional<Optimizer> optimizer;
};

} // namespace sylvite

#endif // SYLVITE_PASSES_NN_STEPFUNCTION_H
