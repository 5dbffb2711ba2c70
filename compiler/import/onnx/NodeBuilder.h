//===- NodeBuilder.h - What a row of the operator table works with --------===//
//
// One node of the graph, seen by the function that turns it into nn ops: its attributes, checked while they are
// read; its inputs, computed or known; and the ops it makes. The first error is reported and makes everything
// after it a no-op, so such a function reads straight on and never checks.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_COMPILER_IMPORT_ONNX_NODEBUILDER_H
#define SYLVITE_COMPILER_IMPORT_ONNX_NODEBUILDER_H

#include "compiler/import/onnx/Tensor.h"
#include "dialects/nn/Pointwise.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringSet.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"

namespace sylvite::onnx {

using mlir::AffineExpr;
using mlir::Type;
using mlir::Value;
using nn::ShapeExpr;

/// What a model may ask for: elements of a tensor, operations with loops unrolled, bytes of constants that operators make.
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
static constexpr int64_t kMaxElements = 1 << 20, kMaxOps = 1 << 12, kMaxGeneratedBytes = 1 << 24;
#else
static constexpr int64_t kMaxElements = INT32_MAX, kMaxOps = 1 << 20, kMaxGeneratedBytes = int64_t(1) << 32;
#endif

/// What all nodes of a model share while it is imported.
struct ModelState {
  ModelState(mlir::ModuleOp module, mlir::OpBuilder parameters, mlir::OpBuilder body)
      : module(module), parameters(parameters), body(body), context(module.getContext()) {}

  mlir::ModuleOp module;
  mlir::OpBuilder parameters; // inserts before the function
  mlir::OpBuilder body;       // inserts at the function's end
  mlir::MLIRContext *context;
  std::deque<Tensor> tensors; // every one of the model
  std::vector<std::string> symbols; // of free dimensions, by the position of the symbol
  std::vector<std::pair<Value, int64_t>> symbolSources; // by the same: the input and the dimension that has the size
  /// Free dimensions that have turned out to have one size only, by name. The model is imported once more with these.
  std::map<std::string, int64_t> fixed;
  /// Expressions of free dimensions that have been taken to be positive.
  llvm::SetVector<AffineExpr> positive;
  struct Order {
    bool operator()(Value a, Value b) const { return a.getAsOpaquePointer() < b.getAsOpaquePointer(); }
  };
  std::map<Value, ShapeExpr, Order> shapes; // their places stay while others are added: NodeBuilder::shape gives references
  llvm::StringSet<> taken; // names of parameters
  int64_t numOps = 0;      // made so far; bounded, for loops unroll
  int64_t generatedBytes = 0; // of constants that operators made; bounded too
  /// While the body of a loop or a branch is made: where its constants go, before the outermost one.
  std::optional<mlir::OpBuilder::InsertPoint> beforeLoop;

  Tensor *newTensor() { return &tensors.emplace_back(); }
};

/// Names of a graph, inside those of the graphs around it.
struct Scope {
  const Scope *parent = nullptr;
  llvm::StringMap<Tensor *> tensors;

  /// The tensor called `name`; null when there is none.
  Tensor *lookup(llvm::StringRef name) const {
    for (const Scope *scope = this; scope; scope = scope->parent)
      if (auto found = scope->tensors.find(name); found != scope->tensors.end())
        return found->second;
    return nullptr;
  }
};

/// Imports a subgraph: its inputs are `inputs`, names that it does not define are those of `scope`. Fails after a
/// diagnostic.
using SubgraphImporter = llvm::function_ref<mlir::FailureOr<llvm::SmallVector<Tensor *>>(
    const Graph &graph, llvm::ArrayRef<Tensor *> inputs)>;

/// An operand of a map: a value, or a tensor that becomes a constant of the map's body when it has one known element.
struct Operand {
  Operand(Value value) : value(value) {}
  Operand(Tensor *tensor) : tensor(tensor) {}
  Value value;
  Tensor *tensor = nullptr;
};

using MapBody = llvm::function_ref<Value(mlir::OpBuilder &, mlir::Location, mlir::ValueRange)>;

class NodeBuilder {
public:
  NodeBuilder(ModelState &state, const Node &node, int64_t opset, llvm::ArrayRef<Tensor *> inputs,
              const std::map<std::string, Attribute> *functionAttributes, SubgraphImporter subgraphs);

  ModelState &state;
  const Node &node;
  const int64_t opset; // of the node's domain
  mlir::Location loc;

  //===--- Errors ---------------------------------------------------------===//

  bool failed() const { return hasFailed; }
  /// Begins the diagnostic of this node; nothing is reported after the first.
  mlir::InFlightDiagnostic error();
  /// Says that the model is one for `size` as the free dimension `dim` alone, and ends this import of it. False when `dim`
  /// is no dimension of an input.
  bool requireSize(AffineExpr dim, int64_t size, llvm::StringRef why);
  /// Says that what is made holds where `size` is positive, for which calls will be asked.
  void assumePositive(AffineExpr size) { state.positive.insert(simplifyAffineExpr(size, 0, state.symbols.size())); }
  /// Says that attribute `key` has an unsupported value.
  void refuse(llvm::StringRef key, const llvm::Twine &supported);

  //===--- Attributes -----------------------------------------------------===//

  /// The attribute, of the given kind; null when the node does not have it.
  const Attribute *attribute(llvm::StringRef key, Attribute::Kind kind);
  bool hasAttribute(llvm::StringRef key);
  int64_t integer(llvm::StringRef key, std::optional<int64_t> otherwise);
  bool flag(llvm::StringRef key, bool otherwise) { return integer(key, otherwise) != 0; }
  double number(llvm::StringRef key, std::optional<double> otherwise);
  /// One of `allowed`, the first of which is the default.
  llvm::StringRef choice(llvm::StringRef key, llvm::ArrayRef<llvm::StringRef> allowed);
  std::optional<Dims> integers(llvm::StringRef key);
  std::optional<std::vector<double>> numbers(llvm::StringRef key);
  std::optional<std::vector<std::string>> strings(llvm::StringRef key);
  /// `count` integers from `least` on, below 2^31.
  Dims tuple(llvm::StringRef key, size_t count, std::optional<int64_t> otherwise, int64_t least = 1);
  /// A dimension of a tensor of rank `rank`; negative ones count from its end.
  int64_t axis(llvm::StringRef key, int64_t rank, std::optional<int64_t> otherwise);
  /// Checks and sorts axes that come from `where`.
  Dims normalizeAxes(Dims axes, int64_t rank, const llvm::Twine &where);
  const Graph *graph(llvm::StringRef key);
  /// The type of element that an attribute with a TensorProto.DataType names.
  Type elementType(llvm::StringRef key, Type otherwise);
  /// Attributes that do not change what is computed.
  void ignore(std::initializer_list<llvm::StringRef> keys);
  void checkUnusedAttributes();

  //===--- Inputs ---------------------------------------------------------===//

  unsigned numInputs() const { return inputs.size(); }
  /// Whether optional input `index` is given.
  bool has(unsigned index) const { return index < inputs.size() && inputs[index]; }
  /// Input `index` as it is, perhaps a sequence; null when it is absent.
  Tensor *inputTensor(unsigned index) const { return has(index) ? inputs[index] : nullptr; }
  /// Input `index`; reports when the node lacks it.
  Tensor *input(unsigned index);
  Value value(unsigned index) { return materialize(input(index)); }
  Type type(unsigned index) {
    Tensor *t = input(index);
    return t ? t->type : Type();
  }
  int64_t rank(unsigned index) {
    Tensor *t = input(index);
    return t ? t->rank() : 0;
  }
  bool isFloat(unsigned index) { return llvm::isa_and_nonnull<mlir::FloatType>(type(index)); }
  /// The elements of `tensor` when all are known and they are few; null otherwise.
  const Scalars *known(Tensor *tensor);
  const Scalars *known(unsigned index) { return has(index) ? known(inputs[index]) : nullptr; }
  /// The elements of integer input `index`, which must be known; reports otherwise, calling it `what`.
  llvm::SmallVector<AffineExpr> expressions(unsigned index, llvm::StringRef what);
  /// The same, when they must not depend on free dimensions.
  Dims constants(unsigned index, llvm::StringRef what);
  int64_t constant(unsigned index, llvm::StringRef what);
  double constantNumber(unsigned index, llvm::StringRef what);
  std::vector<double> constantNumbers(unsigned index, llvm::StringRef what);
  /// The elements of input `index`, however many, when all are known and none is an expression of free dimensions.
  std::optional<Scalars> constantElements(unsigned index);

  //===--- Values ---------------------------------------------------------===//

  /// The value of `tensor`; a constant becomes a parameter of the model.
  Value materialize(Tensor *tensor);
  const ShapeExpr &shape(Value x);
  int64_t rank(Value x) { return shape(x).size(); }
  Type type(Value x) { return mlir::getElementTypeOrSelf(x.getType()); }
  /// The constant extent of dimension `dim`; reports when it is free.
  int64_t extent(Value x, int64_t dim);
  /// All extents; reports when one is free.
  Dims extents(Value x);
  AffineExpr expr(int64_t value) { return mlir::getAffineConstantExpr(value, state.context); }
  std::string text(llvm::ArrayRef<AffineExpr> shape) { return shapeText(shape, state.symbols); }

  /// A constant tensor as a parameter.
  Value parameter(Type type, llvm::ArrayRef<int64_t> shape, std::vector<char> bytes);
  Value parameter(Type type, llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<double> numbers);

  //===--- Ops ------------------------------------------------------------===//

  /// Makes an op whose result type is inferred; `args` are those of its builder after the result type. Null when an
  /// operand is null, or when inference fails, which is reported.
  template <typename OpTy, typename... Args> Value make(Args &&...args) {
    if (hasFailed || (isNull(args) || ...))
      return {};
    Type placeholder = mlir::RankedTensorType::get({}, state.body.getF32Type());
    if constexpr (addsUp<OpTy>) {
      Type half;
      Value y = infer(OpTy::create(state.body, loc, placeholder, inSingle(std::forward<Args>(args), half)...));
      return half ? cast(y, half) : y;
    }
    return infer(OpTy::create(state.body, loc, placeholder, std::forward<Args>(args)...));
  }

  /// An nn.map of operands that broadcast as NumPy's; its elements are of `type`, which is signless or that of an
  /// operand.
  Value map(llvm::ArrayRef<Operand> operands, Type type, MapBody body);
  /// The same on floating-point numbers of one type.
  Value map(Operand x, llvm::function_ref<Value(nn::ScalarBuilder &, Value)> function);
  Value map(Operand x, Operand y, llvm::function_ref<Value(nn::ScalarBuilder &, Value, Value)> function);
  Value add(Operand x, Operand y);
  Value subtract(Operand x, Operand y);
  Value multiply(Operand x, Operand y);
  Value divide(Operand x, Operand y);
  Value cast(Operand x, Type type);

  Value transpose(Value x, llvm::ArrayRef<int64_t> permutation);
  Value reshape(Value x, llvm::ArrayRef<AffineExpr> shape);
  Value reshape(Value x, llvm::ArrayRef<int64_t> shape);
  Value broadcast(Value x, llvm::ArrayRef<AffineExpr> shape);
  Value slice(Value x, int64_t dim, int64_t start, int64_t size, int64_t stride = 1);
  /// The same where start and size may be expressions of free dimensions: it gathers.
  Value take(Value x, int64_t dim, AffineExpr start, AffineExpr size, int64_t stride = 1);
  Value concat(llvm::ArrayRef<Value> parts, int64_t dim);
  Value pad(Value x, llvm::ArrayRef<int64_t> low, llvm::ArrayRef<int64_t> high, double value = 0);
  Value reduce(nn::ReduceKind kind, Value x, llvm::ArrayRef<int64_t> dims, bool keepDims);
  Value matmul(Value x, Value y, bool transposeLhs = false, bool transposeRhs = false);
  /// A loop over the leading dimension of `sequences`, each in its direction: `step` gets the carried values and a slice
  /// of each sequence, and gives the next carried values, then a slice of each stacked result. The results are the carried
  /// values after the last step, then the stacked ones; `reversed` is for sequences, then for stacked results.
  llvm::SmallVector<Value> scan(llvm::ArrayRef<Value> carried, llvm::ArrayRef<Value> sequences,
                                llvm::ArrayRef<bool> reversed,
                                llvm::function_ref<llvm::SmallVector<Value>(mlir::ValueRange, mlir::ValueRange)> step);
  /// The results of `then` where `condition`, one bool, holds, else those of `otherwise`. A branch may be one for other shapes
  /// than those at hand, and then is no choice.
  llvm::SmallVector<Tensor *> branch(Value condition, const Graph &then, const Graph &otherwise);
  /// Inserts a dimension of size one before dimension `dim`.
  Value unsqueeze(Value x, int64_t dim);
  /// Removes dimension `dim`, of size one.
  Value squeeze(Value x, int64_t dim);
  /// (N, C, spatial...) to (N, spatial..., C) and back.
  Value toChannelsLast(Value x);
  Value toChannelsFirst(Value x);
  /// Gives vector `v` rank `rank`, its elements along `dim`.
  Value alignVector(Value v, int64_t dim, int64_t rank);
  /// The vector 0, 1, 2, ... of `count` elements, as i64.
  Value range(AffineExpr count);
  /// A vector of one element, `expression` of the sizes of the model's inputs.
  Value size(AffineExpr expression, Type type);
  /// A size as an operand of a map: a constant of its body where it is one.
  Operand sizeOperand(AffineExpr size, Type type);
  /// The index along `dim` of each element of a tensor of shape (1, ..., shape[dim], 1, ...), as `type`.
  Value indices(llvm::ArrayRef<AffineExpr> shape, int64_t dim, Type type);
  /// A tensor of `shape` whose elements are all `value`.
  Tensor *splat(llvm::ArrayRef<AffineExpr> shape, Type type, Scalar value);
  /// Tensors that together broadcast to `shape`; their elements do not matter.
  llvm::SmallVector<Value> shapeReferences(llvm::ArrayRef<AffineExpr> shape);

  //===--- Results --------------------------------------------------------===//

  bool wants(unsigned index) const { return index < node.outputs.size() && !node.outputs[index].empty(); }
  void result(Value x);
  void result(Tensor *tensor) { results.push_back(hasFailed ? nullptr : tensor); }
  /// A known tensor.
  void result(Type type, llvm::ArrayRef<int64_t> shape, Scalars elements);
  Tensor *knownTensor(Type type, llvm::ArrayRef<int64_t> shape, Scalars elements);
  /// A tensor without elements: a dimension of `shape` is zero, others may be free. It can be joined to others.
  Tensor *emptyTensor(Type type, llvm::ArrayRef<AffineExpr> shape);
  Tensor *tensorOf(Value x);
  llvm::SmallVector<Tensor *> results;

  llvm::SmallVector<Tensor *> importSubgraph(const Graph &graph, llvm::ArrayRef<Tensor *> inputs);

private:
  /// Ops that add up elements or products. They do so in single precision where these are halves, float16 or bfloat16, as
  /// ONNX Runtime does: a sum in halves has lost its digits after some hundred elements, and is infinite after 65504.
  template <typename OpTy>
  static constexpr bool addsUp =
      llvm::is_one_of<OpTy, nn::AvgPoolOp, nn::ConvOp, nn::ConvTransposeOp, nn::LayerNormOp, nn::MatmulOp, nn::ReduceOp,
                      nn::ResizeOp, nn::RMSNormOp, nn::SoftmaxOp>::value;
  /// `x` as float32 if it has halves, whose type becomes `half`.
  Value inSingle(Value x, Type &half);
  template <typename T> static T &&inSingle(T &&argument, Type &) { return std::forward<T>(argument); }

  static bool isNull(const Value &value) { return !value; }
  template <typename T> static bool isNull(const T &) { return false; }
  static bool isNull(const llvm::SmallVectorImpl<Value> &values) {
    return llvm::any_of(values, [](Value value) { return !value; });
  }
  static bool isNull(llvm::ArrayRef<Value> values) {
    return llvm::any_of(values, [](Value value) { return !value; });
  }
  Value infer(mlir::Operation *op);
  Value check(Value x, ShapeExpr shape);
  bool countOp();
  /// The results of a graph without inputs that may be impossible for the shapes at hand: nothing, and `reason` says why.
  std::optional<llvm::SmallVector<Tensor *>> trySubgraph(const Graph &graph, std::string &reason);
  Value gatherReshaped(Value x, llvm::ArrayRef<AffineExpr> shape);

  llvm::SmallVector<Tensor *> inputs;
  const std::map<std::string, Attribute> *functionAttributes;
  SubgraphImporter subgraphs;
  llvm::StringSet<> used; // attributes
  bool hasFailed = false;
};

/// The text of a node in diagnostics: "node 'conv1' (Conv)".
std::string describe(const Node &node);

} // namespace sylvite::onnx

#endif // SYLVITE_COMPILER_IMPORT_ONNX_NODEBUILDER_H
