//===- OnnxImport.cpp - ONNX models to the nn dialect ---------------------===//
//
// Walks the graph through the operator table into one function. Subgraphs and functions of the model are walked
// where they are used, so that nothing but nn ops is left.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/OnnxImport.h"
#include "compiler/import/onnx/Operators.h"
#include "llvm/ADT/StringExtras.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Verifier.h"

using namespace llvm;
using namespace mlir;

namespace sylvite::onnx {

static constexpr unsigned kMaxCallDepth = 32; // of functions and subgraphs

bool isOnnxModel(Bytes contents) { return isModelFile(contents); }

namespace {
/// Where a list of nodes stands: what its operator sets are, and the attributes of the function around it.
struct Frame {
  const std::map<std::string, int64_t> *opsets;
  const std::map<std::string, Attribute> *attributes;
  unsigned depth;
};

class Importer {
public:
  Importer(MLIRContext &context, const ModelFile &file, const ImportOptions &options)
      : context(&context), file(file), options(options) {}

  /// Free dimensions that have one size only, by name; a failed run that has found another one may be repeated.
  std::map<std::string, int64_t> fixed;

  FailureOr<OwningOpRef<ModuleOp>> run();

private:
  InFlightDiagnostic fail() { return emitError(UnknownLoc::get(context)); }
  LogicalResult checkShapes();
  LogicalResult addInput(const ValueInfo &info, SmallVectorImpl<Type> &types,
                         SmallVectorImpl<DictionaryAttr> &attributes, std::vector<ShapeExpr> &shapes,
                         std::vector<std::string> &symbols);
  LogicalResult importNodes(ModelState &state, const std::deque<Node> &nodes, Scope &scope, Frame frame);
  LogicalResult importNode(ModelState &state, const Node &node, Scope &scope, Frame frame);
  LogicalResult importCall(ModelState &state, const Node &node, const Function &function,
                           ArrayRef<Tensor *> inputs, Scope &scope, Frame frame);
  FailureOr<SmallVector<Tensor *>> importGraph(ModelState &state, const Graph &graph,
                                               ArrayRef<Tensor *> inputs, const Scope &scope, Frame frame);
  void addInitializers(ModelState &state, const Graph &graph, Scope &scope);

  MLIRContext *context;
  const ModelFile &file;
  const ImportOptions &options;
};
} // namespace

/// Shapes that the user gives must be for inputs of the model.
LogicalResult Importer::checkShapes() {
  for (const auto &[name, shape] : options.shapes) {
    StringRef wanted = name;
    SmallVector<StringRef> names;
    const ValueInfo *found = nullptr;
    for (const ValueInfo &input : file.graph.inputs) {
      if (file.graph.initializers.count(input.name))
        continue;
      names.push_back(input.name);
      found = input.name == wanted ? &input : found;
    }
    if (!found)
      return fail() << "a shape is given for input '" << name << "', which the model does not have; it has "
                    << join(names, ", ");
    if (found->hasShape && found->shape.size() != shape.size())
      return fail() << "the shape given for input '" << name << "' has " << shape.size()
                    << " dimensions, the model's has " << found->shape.size();
    for (auto [dim, extent] : zip(found->shape, shape))
      if (dim.size >= 0 && extent != dim.size)
        return fail() << "the shape given for input '" << name << "' has a dimension of "
                      << (extent < 0 ? "free size" : "size " + std::to_string(extent)) << " where the model has "
                      << dim.size;
  }
  return success();
}

LogicalResult Importer::addInput(const ValueInfo &info, SmallVectorImpl<Type> &types,
                                 SmallVectorImpl<DictionaryAttr> &attributes, std::vector<ShapeExpr> &shapes,
                                 std::vector<std::string> &symbols) {
  if (!info.type)
    return fail() << "input '" << info.name << "' is "
                  << (info.typeName.empty() ? "of no type that the file names" : "of type " + info.typeName)
                  << "; supported: tensors of float, double, float16, bfloat16, bool and integers of 8 to 64 bits";
  std::vector<ValueInfo::Dim> dims = info.shape;
  bool known = info.hasShape;
  for (const auto &[name, shape] : options.shapes) {
    if (name != info.name)
      continue;
    dims.resize(shape.size());
    known = true;
    for (auto [i, extent] : enumerate(shape))
      if (extent >= 0)
        dims[i].size = extent;
  }
  if (!known)
    return fail() << "input '" << info.name << "' has no shape; supported: inputs of known rank (give it, as in --shape "
                  << info.name << "=1x3x224x224)";
  Builder b(context);
  SmallVector<int64_t> shape;
  SmallVector<mlir::Attribute> names;
  ShapeExpr symbolic;
  for (auto [i, dim] : enumerate(dims)) {
    if (dim.size == 0)
      return fail() << "input '" << info.name << "' has no elements: dimension " << i
                    << " is 0; supported: sizes from 1";
    if (dim.size > INT32_MAX)
      return fail() << "input '" << info.name << "' has a dimension of " << dim.size << "; supported: at most "
                    << INT32_MAX;
    std::string symbol;
    if (auto size = fixed.find(dim.symbol.empty() ? info.name + "_" + std::to_string(i) : dim.symbol);
        dim.size < 0 && size != fixed.end())
      dim.size = size->second;
    if (dim.size < 0) {
      symbol = dim.symbol.empty() ? info.name + "_" + std::to_string(i) : dim.symbol;
      auto position = llvm::find(symbols, symbol) - symbols.begin();
      if (position == int64_t(symbols.size()))
        symbols.push_back(symbol);
      symbolic.push_back(getAffineSymbolExpr(position, context));
    } else {
      symbolic.push_back(getAffineConstantExpr(dim.size, context));
    }
    names.push_back(b.getStringAttr(symbol));
    shape.push_back(dim.size < 0 ? ShapedType::kDynamic : dim.size);
  }
  int64_t count = 1;
  for (int64_t extent : shape)
    if (!ShapedType::isDynamic(extent) &&
        (__builtin_mul_overflow(count, extent, &count) || count > INT32_MAX))
      return fail() << "input '" << info.name << "' has shape " << shapeText(symbolic, symbols)
                    << "; supported: at most " << INT32_MAX << " elements";
  shapes.push_back(symbolic);
  types.push_back(RankedTensorType::get(shape, info.type));
  attributes.push_back(b.getDictionaryAttr({b.getNamedAttr("nn.name", b.getStringAttr(info.name)),
                                            b.getNamedAttr("nn.dims", b.getArrayAttr(names))}));
  return success();
}

void Importer::addInitializers(ModelState &state, const Graph &graph, Scope &scope) {
  for (const auto &[name, data] : graph.initializers) {
    Tensor *tensor = state.newTensor();
    tensor->name = name;
    tensor->type = data->type;
    tensor->data = data;
    for (int64_t extent : data->shape)
      tensor->shape.push_back(getAffineConstantExpr(extent, context));
    scope.tensors[name] = tensor;
  }
}

FailureOr<OwningOpRef<ModuleOp>> Importer::run() {
  auto opset = file.opsets.find("");
  if (opset != file.opsets.end() && (opset->second < kOldestOpset || opset->second > kNewestOpset))
    return fail() << "the model uses operator set " << opset->second << " of ONNX; supported: " << kOldestOpset
                  << " to " << kNewestOpset;
  if (failed(checkShapes()))
    return failure();
  OpBuilder builder(context);
  Location unknown = builder.getUnknownLoc();
  OwningOpRef<ModuleOp> module = ModuleOp::create(unknown, options.name);
  (*module)->setAttr("nn.format", builder.getStringAttr("onnx"));

  SmallVector<Type> types;
  SmallVector<DictionaryAttr> attributes;
  std::vector<ShapeExpr> shapes;
  std::vector<std::string> symbols, names;
  for (const ValueInfo &input : file.graph.inputs) {
    if (file.graph.initializers.count(input.name))
      continue; // its default, which is all that a library has
    if (failed(addInput(input, types, attributes, shapes, symbols)))
      return failure();
    names.push_back(input.name);
  }
  // The function's type is known at the end; until then its results are empty.
  builder.setInsertionPointToEnd(module->getBody());
  auto function = func::FuncOp::create(builder, unknown, "forward", builder.getFunctionType(types, TypeRange()), {},
                                       attributes);
  Block *body = function.addEntryBlock();
  ModelState state(*module, OpBuilder(function), OpBuilder::atBlockEnd(body));
  state.symbols = symbols;
  Scope scope;
  for (auto [argument, shape, name] : zip(body->getArguments(), shapes, names)) {
    Tensor *tensor = state.newTensor();
    tensor->name = name;
    tensor->type = getElementTypeOrSelf(argument.getType());
    tensor->shape = shape;
    tensor->value = argument;
    state.shapes[argument] = shape;
    scope.tensors[name] = tensor;
    for (auto [dim, extent] : enumerate(shape))
      if (auto symbol = dyn_cast<AffineSymbolExpr>(extent); symbol && symbol.getPosition() == state.symbolSources.size())
        state.symbolSources.push_back({argument, dim});
  }
  addInitializers(state, file.graph, scope);
  Frame frame{&file.opsets, nullptr, 0};
  if (failed(importNodes(state, file.graph.nodes, scope, frame))) {
    fixed.insert(state.fixed.begin(), state.fixed.end());
    return failure();
  }

  if (file.graph.outputs.empty())
    return fail() << "the model has no outputs";
  SmallVector<Value> outputs;
  SmallVector<Type> outputTypes;
  for (const ValueInfo &output : file.graph.outputs) {
    Tensor *tensor = scope.lookup(output.name);
    if (!tensor)
      return fail() << "output '" << output.name << "' is made by no node";
    Node result;
    result.name = output.name;
    result.type = "output";
    NodeBuilder b(state, result, 0, {tensor}, nullptr, [](const Graph &, ArrayRef<Tensor *>) { return failure(); });
    Value value = b.value(0);
    if (!value)
      return failure();
    outputs.push_back(value);
    outputTypes.push_back(value.getType());
  }
  func::ReturnOp::create(state.body, unknown, outputs);
  function.setType(builder.getFunctionType(types, outputTypes));
  for (auto [i, output] : enumerate(file.graph.outputs))
    function.setResultAttr(i, "nn.name", builder.getStringAttr(output.name));
  if (!state.positive.empty())
    function->setAttr("nn.positive_sizes", AffineMapAttr::get(AffineMap::get(0, state.symbols.size(),
                                                                             state.positive.getArrayRef(), context)));
  if (failed(verify(*module)))
    return failure();
  return module;
}

LogicalResult Importer::importNodes(ModelState &state, const std::deque<Node> &nodes, Scope &scope, Frame frame) {
  for (const Node &node : nodes)
    if (failed(importNode(state, node, scope, frame)))
      return failure();
  return success();
}

LogicalResult Importer::importNode(ModelState &state, const Node &node, Scope &scope, Frame frame) {
  SmallVector<Tensor *> inputs;
  for (const std::string &name : node.inputs) {
    Tensor *tensor = name.empty() ? nullptr : scope.lookup(name);
    if (!tensor && !name.empty())
      return fail() << describe(node) << ": its input '" << name
                    << "' is made by no node before it, and is neither an input of the graph nor an initializer "
                       "(nodes stand in topological order, so a graph cannot have a cycle)";
    inputs.push_back(tensor);
  }
  auto define = [&](StringRef name, Tensor *tensor) -> LogicalResult {
    if (name.empty())
      return success();
    if (tensor->name.empty())
      tensor->name = name;
    if (!scope.tensors.try_emplace(name, tensor).second)
      return fail() << describe(node) << ": its result '" << name << "' has the name of another value";
    return success();
  };
  if (auto function = file.functions.find(node.qualifiedType()); function != file.functions.end())
    return importCall(state, node, function->second, inputs, scope, frame);

  auto opset = frame.opsets->find(node.domain);
  if (opset == frame.opsets->end())
    return fail() << describe(node) << ": the model does not import an operator set of the domain '" << node.domain
                  << "'";
  const OperatorRow *row = findOperator(node.qualifiedType(), opset->second);
  if (!row)
    return fail() << describe(node) << ": this operator of operator set " << opset->second
                  << " is not supported; docs/onnx-operators.md lists those that are";
  auto importSubgraph = [&](const Graph &graph, ArrayRef<Tensor *> operands) { // which the builder refers to
    return importGraph(state, graph, operands, scope, frame);
  };
  NodeBuilder b(state, node, opset->second, inputs, frame.attributes, importSubgraph);
  if (row->fold)
    row->fold(b);
  if (!b.failed() && b.results.empty())
    row->build(b);
  b.checkUnusedAttributes();
  if (b.failed())
    return failure();
  for (auto [i, name] : enumerate(node.outputs)) {
    if (name.empty())
      continue;
    if (i >= b.results.size() || !b.results[i])
      return fail() << describe(node) << ": its result " << i << " ('" << name << "') is used; supported: the first "
                    << b.results.size();
    if (failed(define(name, b.results[i])))
      return failure();
  }
  return success();
}

/// A call of one of the model's functions: its nodes, in a scope of their own.
LogicalResult Importer::importCall(ModelState &state, const Node &node, const Function &function,
                                   ArrayRef<Tensor *> inputs, Scope &scope, Frame frame) {
  if (frame.depth >= kMaxCallDepth)
    return fail() << describe(node) << ": functions call each other more than " << kMaxCallDepth << " deep";
  if (inputs.size() > function.inputs.size())
    return fail() << describe(node) << ": it has " << inputs.size() << " inputs, the function "
                  << function.inputs.size();
  Scope inner;
  for (auto [name, tensor] : zip(function.inputs, inputs))
    if (tensor)
      inner.tensors[name] = tensor;
  std::map<std::string, Attribute> attributes;
  for (const auto &[name, attribute] : function.attributes)
    if (attribute)
      attributes[name] = *attribute;
  for (const auto &[name, attribute] : node.attributes) {
    if (attribute.reference.empty()) {
      attributes[name] = attribute;
    } else if (frame.attributes) {
      if (auto outer = frame.attributes->find(attribute.reference); outer != frame.attributes->end())
        attributes[name] = outer->second;
    }
  }
  // Inputs that are left out are absent inside too.
  std::deque<Node> nodes = function.nodes;
  for (Node &call : nodes)
    for (std::string &name : call.inputs)
      if (is_contained(function.inputs, name) && !inner.tensors.count(name))
        name.clear();
  const std::map<std::string, int64_t> &opsets = function.opsets.empty() ? *frame.opsets : function.opsets;
  if (failed(importNodes(state, nodes, inner, {&opsets, &attributes, frame.depth + 1})))
    return failure();
  for (auto [i, name] : enumerate(node.outputs)) {
    if (name.empty())
      continue;
    Tensor *tensor = i < function.outputs.size() ? inner.lookup(function.outputs[i]) : nullptr;
    if (!tensor)
      return fail() << describe(node) << ": the function does not make its result " << i;
    if (!scope.tensors.try_emplace(name, tensor).second)
      return fail() << describe(node) << ": its result '" << name << "' has the name of another value";
  }
  return success();
}

FailureOr<SmallVector<Tensor *>> Importer::importGraph(ModelState &state, const Graph &graph,
                                                       ArrayRef<Tensor *> inputs, const Scope &scope, Frame frame) {
  if (frame.depth >= kMaxCallDepth)
    return fail() << "graph '" << graph.name << "': subgraphs are nested more than " << kMaxCallDepth << " deep";
  if (inputs.size() != graph.inputs.size())
    return fail() << "graph '" << graph.name << "' has " << graph.inputs.size() << " inputs where " << inputs.size()
                  << " are given";
  Scope inner;
  inner.parent = &scope;
  addInitializers(state, graph, inner);
  for (auto [info, tensor] : zip(graph.inputs, inputs))
    inner.tensors[info.name] = tensor;
  frame.depth += 1;
  if (failed(importNodes(state, graph.nodes, inner, frame)))
    return failure();
  SmallVector<Tensor *> outputs;
  for (const ValueInfo &output : graph.outputs) {
    Tensor *tensor = inner.lookup(output.name);
    if (!tensor)
      return fail() << "output '" << output.name << "' of graph '" << graph.name << "' is made by no node";
    outputs.push_back(tensor);
  }
  return outputs;
}

FailureOr<OwningOpRef<ModuleOp>> importOnnx(MLIRContext &context, const ImportOptions &options,
                                            FileBuffer contents) {
  Expected<ModelFile> file = readModelFile(contents, options.path, &context);
  if (!file)
    return emitError(UnknownLoc::get(&context)) << toString(file.takeError());
  Importer importer(context, *file, options);
  while (true) {
    size_t before = importer.fixed.size();
    FailureOr<OwningOpRef<ModuleOp>> module = importer.run();
    if (succeeded(module) || importer.fixed.size() == before)
      return module;
  }
}

} // namespace sylvite::onnx
