//===- Training.h - what a training step is made of -------------*- C++ -*-===//
//
// Losses, metrics and optimizers as builders of nn ops, by their Keras names. nn-train puts them together; what
// a model is trained with is the module's attribute `nn.training` (see the pass).
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_PASSES_NN_TRAINING_H
#define SYLVITE_PASSES_NN_TRAINING_H

#include "dialects/nn/TensorBuilder.h"

#include "llvm/ADT/MapVector.h"

namespace sylvite {

/// A kind and its options, as `{kind = "adam", beta_1 = 0.9}`.
class Settings {
public:
  explicit Settings(mlir::DictionaryAttr attributes) : attributes(attributes) {}
  llvm::StringRef kind() const { return text("kind"); }
  llvm::StringRef text(llvm::StringRef name, llvm::StringRef otherwise = "") const;
  double number(llvm::StringRef name, double otherwise) const;
  bool flag(llvm::StringRef name) const;
  bool has(llvm::StringRef name) const { return bool(attributes.get(name)); }
  Settings part(llvm::StringRef name) const;
  llvm::SmallVector<double> numbers(llvm::StringRef name) const;
  llvm::ArrayRef<int64_t> dims(llvm::StringRef name) const;

private:
  mlir::DictionaryAttr attributes;
};

/// A parameter of `module` with these elements, or of zeros where there are none; the one of this name if there is one.
/// T: int32_t, int64_t, float or double.
template <typename T>
nn::ParameterOp getParameter(mlir::ModuleOp module, llvm::StringRef name, mlir::RankedTensorType type,
                             llvm::ArrayRef<T> values);

/// The integers from zero to `count`, a vector of i32: a parameter of the module around `builder`, made if need be.
mlir::Value getIndices(nn::TensorBuilder &builder, int64_t count);
/// `values`, a vector of f32, likewise; the first call for `name` decides.
mlir::Value getVector(nn::TensorBuilder &builder, llvm::StringRef name, llvm::ArrayRef<double> values);

/// The elements of `x`, a tensor without free dimensions, as a vector.
mlir::Value flatten(nn::TensorBuilder &builder, mlir::Value x);

//===----------------------------------------------------------------------===//
// Losses and metrics
//===----------------------------------------------------------------------===//

/// What a loss or a metric compares: an output of the model, and what it should have been.
struct Comparison {
  mlir::Value predicted, target;
  /// The positions that count in the loss; null: all.
  mlir::Value mask = {};
  /// Whether the target holds the numbers of classes, one per position of the output without its last dimension.
  bool isSparse = false;
};

/// The type of the target of an output of type `predicted` under `loss`: class numbers (i32) for sparse losses, else
/// as the output. Fails, with a diagnostic at `loc`, for an unknown kind.
mlir::FailureOr<mlir::RankedTensorType> targetType(mlir::Location loc, Settings loss, mlir::RankedTensorType predicted);

/// The loss of each position: of the shape of the output without its last dimension.
mlir::Value buildLoss(nn::TensorBuilder &b, Settings loss, const Comparison &compared);

/// The weight of each item's class, a vector: `weights` by class, and one for those beyond. Null where the target has no
/// one class for each item.
mlir::Value buildClassWeights(nn::TensorBuilder &b, const Comparison &compared, llvm::ArrayRef<double> weights);

/// Whether there is a loss of this kind for such a target.
bool isLoss(llvm::StringRef kind, bool isSparse);

/// A metric: sums over examples, and the value that follows from them, for one batch as for many.
class Metric {
public:
  /// Sums by their names: scalars, or vectors.
  using Sums = llvm::SmallVector<std::pair<llvm::StringRef, mlir::Value>, 3>;

  /// Fails, with a diagnostic at `loc`, for an unknown kind or option, or one that does not fit the target.
  static mlir::FailureOr<Metric> create(mlir::Location loc, Settings settings, const Comparison &compared);
  /// The mean of a value that is known for each batch, as the loss is.
  static Metric mean() { return Metric(Settings(mlir::DictionaryAttr()), nullptr); }

  std::string name() const;
  /// The sums of a batch.
  Sums sums(nn::TensorBuilder &b, const Comparison &compared) const;
  /// The metric, a scalar, of the batches that `sums` are over.
  mlir::Value value(nn::TensorBuilder &b, const Sums &sums) const;

private:
  struct Row;
  Metric(Settings settings, const Row *row) : settings(settings), row(row) {}
  static llvm::ArrayRef<Row> rows();

  Settings settings;
  const Row *row; ///< null for a loss
};

//===----------------------------------------------------------------------===//
// Optimizers
//===----------------------------------------------------------------------===//

/// The state of one parameter's update; values are vectors of all its elements.
struct ParameterUpdate {
  mlir::Value parameter, gradient;
  llvm::MapVector<llvm::StringRef, mlir::Value> slots;
};

/// An optimizer of a training step.
class Optimizer {
public:
  /// Fails, with a diagnostic at `loc`, for an unknown kind, or an option out of its range.
  static mlir::FailureOr<Optimizer> create(mlir::Location loc, Settings settings);

  /// Names of what it keeps per parameter, and the value of each at first.
  llvm::SmallVector<std::pair<llvm::StringRef, double>> slots() const;
  /// Names of scalars that it keeps, and the value of each at first.
  llvm::SmallVector<std::pair<llvm::StringRef, double>> scalars() const;
  /// The slot with the moving average of a parameter, or nothing where there is none.
  std::optional<llvm::StringRef> averageSlot() const;

  /// Begins a step: `rate` is the learning rate, `iterations` the number of steps before this one, an i64; `kept` the
  /// scalars it keeps, which are replaced by their new values.
  void begin(nn::TensorBuilder &b, mlir::Value rate, mlir::Value iterations, llvm::SmallVectorImpl<mlir::Value> &kept);
  /// Makes a parameter's gradient the one that an update takes: the mean of those of the steps that make one update
  /// together, limited as the settings say for each parameter.
  void prepareGradient(nn::TensorBuilder &b, ParameterUpdate &update) const;
  /// Whether the gradients of all parameters are limited together.
  bool clipsTogether() const { return settings.has("global_clipnorm"); }
  void clipTogether(nn::TensorBuilder &b, llvm::MutableArrayRef<mlir::Value> gradients) const;
  /// Replaces the parameter and the slots by their new values.
  void update(nn::TensorBuilder &b, ParameterUpdate &update) const;

  /// The learning rate under the schedule of the settings after `iterations` steps, or null where the rate is a number.
  mlir::Value scheduledRate(nn::TensorBuilder &b, mlir::Value iterations) const;
  double initialRate() const { return settings.number("learning_rate", 1e-3); }

private:
  struct Row;
  explicit Optimizer(Settings settings, const Row &row) : settings(settings), row(&row) {}
  static llvm::ArrayRef<Row> rows();
  /// The steps that make one update together.
  int64_t accumulationSteps() const { return settings.number("gradient_accumulation_steps", 1); }
  /// The number of updates after `iterations` steps.
  mlir::Value countUpdates(nn::TensorBuilder &b, mlir::Value iterations) const;

  Settings settings;
  const Row *row;
  mlir::Value rate, step; ///< the learning rate, and the number of this update, from one on, as floats
  mlir::Value isUpdate;   ///< 1 where this step ends those that make one update, else 0; null if each does
  mlir::Value averageMomentum, isOverwrite; ///< of the moving averages; null without
  llvm::SmallVector<mlir::Value> corrections;
};

//===----------------------------------------------------------------------===//
// Regularizers and constraints
//===----------------------------------------------------------------------===//

/// `l1` times the sum of the absolute values of `x`, and `l2` times that of its squares: a scalar, or null for nothing.
mlir::Value buildPenalty(nn::TensorBuilder &b, double l1, double l2, mlir::Value x);
/// What `parameter` adds to the loss by its attribute `nn.regularizer`: a scalar, or null for nothing.
mlir::Value buildPenalty(nn::TensorBuilder &b, Settings regularizer, mlir::Value parameter);

/// `parameter` as Keras's constraint of some `kind` has it after each step; `axes` are those that norms are over.
mlir::Value constrain(nn::TensorBuilder &b, Settings constraint, mlir::Value parameter);

} // namespace sylvite

#endif // SYLVITE_PASSES_NN_TRAINING_H
