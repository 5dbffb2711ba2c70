//===- LayerBuilder.h - What a row of the layer table works with ----------===//
//
// One call of one layer, seen by the function that turns it into nn ops: its attributes, checked while they
// are read; its inputs; its variables; and the ops it makes. The first error is reported and makes everything
// after it a no-op, so such a function reads straight on and never checks.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_COMPILER_IMPORT_KERAS_LAYERBUILDER_H
#define SYLVITE_COMPILER_IMPORT_KERAS_LAYERBUILDER_H

#include "compiler/import/keras/ModelGraph.h"
#include "compiler/import/keras/Weights.h"
#include "dialects/nn/NN.h"
#include "dialects/nn/Pointwise.h"
#include "llvm/ADT/StringSet.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include <map>

namespace sylvite::keras {

/// Halide indexes buffers with 32 bits, so no array may have more elements.
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
inline constexpr int64_t kMaxElements = 1 << 20; // memory, not truth, is scarce while fuzzing
#else
inline constexpr int64_t kMaxElements = INT32_MAX;
#endif

/// Dimensions in the positive direction.
using Dims = llvm::SmallVector<int64_t>;

/// What all layers of a model share while it is imported.
struct ModuleState {
  ModuleState(mlir::ModuleOp module, mlir::OpBuilder parameters, WeightSource *weights)
      : module(module), parameters(parameters), weights(weights) {}

  mlir::ModuleOp module;
  mlir::OpBuilder parameters; // inserts before the function
  mlir::Block *body = nullptr; // of the function
  WeightSource *weights;      // null: initializers
  bool training = false;      // what only training reads counts
  uint64_t seed = 0;          // of initializers
  llvm::DenseMap<const Layer *, llvm::StringMap<mlir::FlatSymbolRefAttr>> symbols; // of variables
  llvm::StringSet<> taken;                                                          // symbols
  // Layers inside the configuration of others, by the layer around them and their part of it, and their calls.
  std::map<std::pair<const Layer *, std::string>, Layer> parts;
  std::deque<Call> calls;
  std::map<const Layer *, ModelGraph> graphs; // of those parts that are models
  /// What the model keeps from call to call: an argument of the function, and its value in the end.
  struct State {
    std::string name;
    mlir::BlockArgument argument;
    mlir::Value value;
  };
  std::vector<State> kept;
};

/// What Keras attaches to a tensor: which of its positions count. Null: all of them.
using MaskLookup = llvm::function_ref<mlir::Value(TensorRef)>;

class LayerBuilder {
public:
  using Value = mlir::Value;

  LayerBuilder(ModuleState &state, const Call &call, mlir::OpBuilder &builder, mlir::Location loc,
               llvm::function_ref<Value(TensorRef)> tensor, MaskLookup mask);

  const Layer &layer;
  mlir::OpBuilder &builder;
  mlir::Location loc;

  //===--- Errors ---------------------------------------------------------===//

  bool failed() const { return hasFailed; }
  /// Begins the diagnostic of this layer; nothing is reported after the first.
  mlir::InFlightDiagnostic error();
  /// Says that attribute `key` has an unsupported value: "attribute 'padding' is "x"; supported: ...".
  void refuse(llvm::StringRef key, const llvm::Twine &supported);

  //===--- Attributes -----------------------------------------------------===//

  /// The raw value; null when the layer does not have it or it is JSON's null.
  const Json *attribute(llvm::StringRef key);
  int64_t integer(llvm::StringRef key, std::optional<int64_t> otherwise, int64_t least = 1);
  double number(llvm::StringRef key, std::optional<double> otherwise);
  bool boolean(llvm::StringRef key, bool otherwise);
  /// One of `allowed`, the first of which is the default.
  llvm::StringRef choice(llvm::StringRef key, llvm::ArrayRef<llvm::StringRef> allowed);
  /// `count` integers; a single one stands for all. None of them above 2^31 - 1.
  Dims tuple(llvm::StringRef key, unsigned count, std::optional<int64_t> otherwise, int64_t least = 1);
  /// An axis or a list of axes of a tensor of rank `rank`, sorted; null gives `otherwise`.
  Dims axes(llvm::StringRef key, int64_t rank, const Dims &otherwise);
  int64_t axis(llvm::StringRef key, int64_t rank, int64_t otherwise);
  /// Whether the layer's tensors are (N, C, spatial...).
  bool channelsFirst();
  /// Whether training changes the layer.
  bool isTrainable() const;
  /// Whether the model is to be trained: what `ignore` passes over may have to be refused.
  bool isTrained() const { return state.training; }
  /// Reports, where the model is to be trained, an attribute that has a value.
  void refuseInTraining(llvm::StringRef key);
  /// Attributes that do not change the results of inference.
  void ignore(std::initializer_list<llvm::StringRef> keys);
  /// Reports attributes that nobody asked for and that are not at rest (null, false, empty).
  void checkUnusedAttributes();

  //===--- Inputs ---------------------------------------------------------===//

  /// The tensors among the arguments, lists opened: positional ones, then those by keyword. Masks are not
  /// among them.
  llvm::ArrayRef<Value> inputs() const { return tensors; }
  /// Input `index`; reports when the layer is called with fewer.
  Value input(unsigned index = 0);
  /// The same as float32: integers are converted, as Keras does before it multiplies by a weight.
  Value floatInput(unsigned index = 0);
  /// Reports unless the layer is called with exactly `count` tensors.
  void expectInputs(unsigned count);
  /// Reports unless `x` has `rank` dimensions.
  void expectRank(Value x, int64_t rank);
  /// Reports unless dimension `dim` of `x` is static; gives its extent, or 1 after a failure.
  int64_t extent(Value x, int64_t dim);
  llvm::ArrayRef<Argument> arguments() const { return call.args; }
  /// The value of an argument that is not a tensor, by position or by keyword; null when absent or null.
  const Json *argument(unsigned position, llvm::StringRef keyword);
  /// The tensors of the argument at `position` or of this name; none when it is absent.
  llvm::SmallVector<Value> tensorsOf(unsigned position, llvm::StringRef keyword);
  /// The argument at `position` or of this name: a tensor, or a parameter of the number or the array of numbers that
  /// stands there.
  Value operand(unsigned position, llvm::StringRef keyword = "");
  /// The mask of input `index`, as Keras propagates it; null when it has none.
  Value mask(unsigned index = 0) const { return index < masks.size() ? masks[index] : Value(); }
  /// The mask that the layer is called with: the argument of this name, or else the mask of input `index`.
  Value maskArgument(llvm::StringRef keyword = "mask", unsigned index = 0);
  /// A mask, or null, per input: those of the list `mask` that the layer is called with, or the inputs' own.
  llvm::SmallVector<Value> maskArguments();

  //===--- Variables ------------------------------------------------------===//

  /// The next variable of the layer, trainable ones first as in Keras's files. `initializer` is the
  /// attribute that names its initializer, with the default `otherwise`.
  Value variable(llvm::StringRef name, llvm::ArrayRef<int64_t> shape, llvm::StringRef initializer,
                 llvm::StringRef otherwise, bool trainable = true);
  /// The same with a serialized initializer.
  Value initializedVariable(llvm::StringRef name, llvm::ArrayRef<int64_t> shape,
                            const Json &initializer, bool trainable = true);
  /// Sets `count` elements of a variable, from `first` on, where it was drawn by its initializer.
  void overwriteDrawn(Value variable, int64_t first, int64_t count, float value);
  /// A variable that inference does not need: it is counted, not read.
  void skipVariable() { ++numVariables; }
  /// A parameter whose values the configuration holds.
  Value constant(llvm::StringRef name, llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<float> values);
  /// Reports when the file holds more variables than the layer has asked for.
  void checkVariableCount();

  /// State `index` of the layer, which the model keeps from call to call: zeros at first, (items of `like`,
  /// `units`). `storeState` says what the next call sees.
  Value loadState(unsigned index, Value like, int64_t units);
  void storeState(unsigned index, Value value);

  //===--- Parts ----------------------------------------------------------===//

  /// A layer inside this one: `json` serializes it, its weights are kept below `part`, and it is called with
  /// `inputs`, of which the first may have a mask. Give it to `finish` in the end.
  LayerBuilder part(const Json &json, llvm::StringRef part, llvm::ArrayRef<Value> inputs, Value mask = {});
  /// The same for a class and its configuration, which must live as long as the model's.
  LayerBuilder part(llvm::StringRef className, llvm::StringRef name, const Json &config,
                    llvm::StringRef part, llvm::ArrayRef<Value> inputs, Value mask = {});
  /// Builds this layer, which is a part that `json` serializes, by its row in the table or as a model of its own; its
  /// results are then in `results`. False where it is neither.
  bool buildPart(const Json &json);
  /// Takes over the failure of a part, after its last checks.
  void finish(LayerBuilder &part, bool checkAttributes = true);

  //===--- Ops ------------------------------------------------------------===//

  /// Makes an op whose result type is inferred; `args` are those of its builder after the result type.
  /// Null when an operand is null, or when inference fails, which is reported.
  template <typename OpTy, typename... Args> Value make(Args &&...args) {
    if (hasFailed || (isNull(args) || ...))
      return {};
    mlir::Type placeholder = mlir::RankedTensorType::get({}, builder.getF32Type());
    return infer(OpTy::create(builder, loc, placeholder, std::forward<Args>(args)...));
  }
  /// Infers the result types of an op that was made with others; null, after the op's own message, when
  /// they cannot be inferred. Gives the first result.
  Value infer(mlir::Operation *op);
  /// An nn.map of one or two operands, broadcast as NumPy does.
  Value map(Value x, llvm::function_ref<Value(nn::ScalarBuilder &, Value)> function);
  Value map(Value x, Value y,
            llvm::function_ref<Value(nn::ScalarBuilder &, Value, Value)> function);
  Value add(Value x, Value y);
  Value multiply(Value x, Value y);
  /// An nn.map of any number of operands, broadcast.
  Value map(llvm::ArrayRef<Value> operands,
            llvm::function_ref<Value(mlir::OpBuilder &, mlir::Location, mlir::ValueRange)> function);
  /// `mask ? x : otherwise`, broadcast.
  Value select(Value mask, Value x, double otherwise);
  Value transpose(Value x, llvm::ArrayRef<int64_t> permutation);
  /// Reshapes to `shape` (kDynamic where free) with the origins of `from`, see nn.reshape.
  Value reshape(Value x, llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<int64_t> from);
  Value broadcast(Value x, llvm::ArrayRef<int64_t> shape);
  /// `sizes[i]` elements of dimension i from `starts[i]` on, every one; -1 runs to the end.
  Value slice(Value x, llvm::ArrayRef<int64_t> starts, llvm::ArrayRef<int64_t> sizes);
  /// Applies the layer that `json` serializes (an attribute such as activation), kept below `part`.
  Value apply(const Json &json, Value x, llvm::StringRef part);
  /// Elements `first`, `first + step`, ... of dimension `dim`, `count` of them; the symbols of both expressions are the
  /// dimensions of `x`.
  Value take(Value x, int64_t dim, mlir::AffineExpr first, mlir::AffineExpr count, int64_t step = 1);
  /// `factor` times each element of dimension `dim`, one beside the other, or all elements one time after the other.
  Value repeat(Value x, int64_t dim, int64_t factor, bool whole);
  /// Makes one of the `count` dimensions from `first` on; a new one of size one when there are none.
  Value mergeDims(Value x, int64_t first, int64_t count);
  /// The inverse: dimension `dim` becomes dimensions of `sizes`, at most one of them free; none drops it.
  Value splitDim(Value x, int64_t dim, llvm::ArrayRef<int64_t> sizes);
  /// The same with the sizes of dimensions `dims` of `like`, any of them free.
  Value splitDim(Value x, int64_t dim, Value like, llvm::ArrayRef<int64_t> dims);
  /// 0, 1, 2, ..., as many as dimension `dim` of `like` has elements, as i64.
  Value indices(Value like, int64_t dim);
  /// Inserts a dimension of size one before dimension `dim`.
  Value expandDims(Value x, int64_t dim);
  Value toFloat(Value x);
  /// `x` as elements of another type; floating-point numbers lose their fractions.
  Value convert(Value x, mlir::Type element);
  /// Where `x` is not zero.
  Value toBoolean(Value x);
  /// (N, C, spatial...) to (N, spatial..., C), and back, if `first`.
  Value toChannelsLast(Value x, bool first);
  Value fromChannelsLast(Value x, bool first);
  /// Reshapes vector `v` (or an array over several dimensions) so that its dimensions are `dims` of a
  /// tensor of rank `rank`; it then broadcasts along the others.
  Value alignTo(Value v, llvm::ArrayRef<int64_t> dims, int64_t rank);

  //===--- Results --------------------------------------------------------===//

  void result(Value x, Value mask = {}) {
    results.push_back(x);
    resultMasks.push_back(mask);
  }
  llvm::SmallVector<Value, 1> results, resultMasks;
  /// Where the model is to be trained, lets the results count as the layer's activity regularizer says.
  void penalizeResults();

private:
  /// Gives the parameter that `variable` reads the regularizer that attribute `key` names.
  void addRegularizer(Value variable, llvm::StringRef key);
  /// The same with a constraint.
  void addConstraint(Value variable, llvm::StringRef key);
  /// The factors of L1 and L2 that attribute `key` names; reports other regularizers.
  std::optional<std::pair<double, double>> penalty(llvm::StringRef key);
  using Tensors = llvm::function_ref<Value(TensorRef)>;
  static bool isNull(const Value &value) { return !value; }
  template <typename T> static bool isNull(const T &) { return false; }
  static bool isNull(const llvm::SmallVectorImpl<Value> &values) {
    return llvm::any_of(values, [](Value value) { return !value; });
  }
  Value check(Value x);
  Value declare(llvm::StringRef name, llvm::ArrayRef<int64_t> shape, bool trainable,
                llvm::function_ref<llvm::Expected<mlir::AsmResourceBlob>()> value);

  ModuleState &state;
  const Call &call;
  llvm::SmallVector<Value> tensors, masks;
  llvm::SmallVector<std::pair<const Argument *, llvm::SmallVector<Value>>> byArgument;
  llvm::StringSet<> used; // attributes
  unsigned numVariables = 0;
  bool hasFailed = false;
};

/// The static and free dimensions of a tensor; none for a null value, the result of a failure.
inline llvm::ArrayRef<int64_t> shapeOf(mlir::Value x) {
  return x ? llvm::cast<mlir::RankedTensorType>(x.getType()).getShape() : llvm::ArrayRef<int64_t>();
}
inline int64_t rankOf(mlir::Value x) { return shapeOf(x).size(); }

} // namespace sylvite::keras

#endif // SYLVITE_COMPILER_IMPORT_KERAS_LAYERBUILDER_H
