//===- NodeBuilder.cpp - What a row of the operator table works with ------===//
//
// Errors, attributes and inputs of a node: everything that is checked before an op is made. The ops are in
// NodeOps.cpp.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/NodeBuilder.h"
#include "llvm/ADT/StringExtras.h"
#include <cmath>

using namespace llvm;
using namespace mlir;

namespace sylvite::onnx {

using ::sylvite::onnx::Attribute;

/// Tensors with at most this many elements take part in constant folding.
static constexpr int64_t kMaxKnownElements = 4096;

std::string describe(const Node &node) {
  return ("node '" + node.label() + "' (" + node.qualifiedType() + ")").str();
}

NodeBuilder::NodeBuilder(ModelState &state, const Node &node, int64_t opset, ArrayRef<Tensor *> inputs,
                         const std::map<std::string, Attribute> *functionAttributes,
                         SubgraphImporter subgraphs)
    : state(state), node(node), opset(opset),
      loc(NameLoc::get(StringAttr::get(state.context, node.label().empty() ? StringRef(node.type)
                                                                           : node.label()))),
      inputs(inputs), functionAttributes(functionAttributes), subgraphs(subgraphs) {}

//===----------------------------------------------------------------------===//
// Errors
//===----------------------------------------------------------------------===//

InFlightDiagnostic NodeBuilder::error() {
  InFlightDiagnostic diagnostic = emitError(UnknownLoc::get(state.context)) << describe(node) << ": ";
  if (hasFailed) // one error is enough
    diagnostic.abandon();
  hasFailed = true;
  return diagnostic;
}

bool NodeBuilder::requireSize(AffineExpr dim, int64_t size, StringRef why) {
  auto symbol = dyn_cast<AffineSymbolExpr>(dim);
  if (!symbol || hasFailed)
    return false;
  const std::string &name = state.symbols[symbol.getPosition()];
  emitWarning(UnknownLoc::get(state.context))
      << describe(node) << ": the free dimension '" << name << "' is taken to be " << size << ", for " << why;
  state.fixed[name] = size;
  hasFailed = true;
  return true;
}

static std::string textOf(const Attribute &attribute) {
  auto list = [](auto range) { return "[" + join(range, ", ") + "]"; };
  auto number = [](double value) {
    std::string text;
    raw_string_ostream(text) << format("%g", value);
    return text;
  };
  switch (attribute.kind) {
  case Attribute::Float:
    return number(attribute.number);
  case Attribute::Int:
    return std::to_string(attribute.integer);
  case Attribute::String:
    return "\"" + attribute.text + "\"";
  case Attribute::Tensor:
    return "a tensor of " + attribute.tensor->typeName;
  case Attribute::Graph:
    return "a graph";
  case Attribute::Floats:
    return list(map_range(attribute.numbers, number));
  case Attribute::Ints:
    return list(map_range(attribute.integers, [](int64_t value) { return std::to_string(value); }));
  case Attribute::Strings:
    return list(map_range(attribute.texts, [](const std::string &text) { return "\"" + text + "\""; }));
  case Attribute::Other:
    return "of an unsupported kind";
  }
  return "";
}

void NodeBuilder::refuse(StringRef key, const Twine &supported) {
  auto found = node.attributes.find(key.str());
  error() << "attribute '" << key << "' is "
          << (found == node.attributes.end() ? "missing" : textOf(found->second))
          << "; supported: " << supported.str();
}

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

static StringRef kindName(Attribute::Kind kind) {
  static constexpr StringLiteral names[] = {"a number", "an integer", "a string", "a tensor", "a graph",
                                            "numbers", "integers", "strings", "nothing"};
  return names[kind];
}

const Attribute *NodeBuilder::attribute(StringRef key, Attribute::Kind kind) {
  used.insert(key);
  auto found = node.attributes.find(key.str());
  if (found == node.attributes.end())
    return nullptr;
  const Attribute *value = &found->second;
  if (!value->reference.empty()) { // the attribute of the function around it
    if (!functionAttributes)
      return nullptr;
    auto outer = functionAttributes->find(value->reference);
    if (outer == functionAttributes->end())
      return nullptr;
    value = &outer->second;
  }
  if (value->kind == kind)
    return value;
  refuse(key, kindName(kind));
  return nullptr;
}

bool NodeBuilder::hasAttribute(StringRef key) {
  auto found = node.attributes.find(key.str());
  if (found == node.attributes.end())
    return false;
  return found->second.reference.empty() ||
         (functionAttributes && functionAttributes->count(found->second.reference));
}

int64_t NodeBuilder::integer(StringRef key, std::optional<int64_t> otherwise) {
  if (const Attribute *value = attribute(key, Attribute::Int))
    return value->integer;
  if (!otherwise)
    refuse(key, "an integer");
  return otherwise.value_or(1);
}

double NodeBuilder::number(StringRef key, std::optional<double> otherwise) {
  const Attribute *value = attribute(key, Attribute::Float);
  if (value && !std::isnan(value->number))
    return value->number;
  if (value || !otherwise)
    refuse(key, "a number");
  return otherwise.value_or(1);
}

StringRef NodeBuilder::choice(StringRef key, ArrayRef<StringRef> allowed) {
  const Attribute *value = attribute(key, Attribute::String);
  if (!value)
    return allowed.front();
  for (StringRef word : allowed)
    if (value->text == word)
      return word;
  refuse(key, join(map_range(allowed, [](StringRef word) { return "\"" + word.str() + "\""; }), ", "));
  return allowed.front();
}

std::optional<Dims> NodeBuilder::integers(StringRef key) {
  const Attribute *value = attribute(key, Attribute::Ints);
  return value ? std::optional(value->integers) : std::nullopt;
}

std::optional<std::vector<double>> NodeBuilder::numbers(StringRef key) {
  const Attribute *value = attribute(key, Attribute::Floats);
  return value ? std::optional(value->numbers) : std::nullopt;
}

std::optional<std::vector<std::string>> NodeBuilder::strings(StringRef key) {
  const Attribute *value = attribute(key, Attribute::Strings);
  return value ? std::optional(value->texts) : std::nullopt;
}

Dims NodeBuilder::tuple(StringRef key, size_t count, std::optional<int64_t> otherwise, int64_t least) {
  std::optional<Dims> values = integers(key);
  if (!values && otherwise)
    return Dims(count, *otherwise);
  bool valid = values && values->size() == count;
  for (int64_t value : values.value_or(Dims()))
    valid &= value >= least && value <= INT32_MAX;
  if (valid)
    return *values;
  refuse(key, Twine(count) + " integers from " + Twine(least) + " to " + Twine(INT32_MAX));
  return Dims(count, std::max<int64_t>(least, 1));
}

int64_t NodeBuilder::axis(StringRef key, int64_t rank, std::optional<int64_t> otherwise) {
  int64_t value = integer(key, otherwise);
  if (value >= -rank && value < rank)
    return value < 0 ? value + rank : value;
  if (hasAttribute(key))
    refuse(key, "a dimension of an input of rank " + Twine(rank));
  else
    error() << "its input has rank " << rank << " and no dimension " << value;
  return 0;
}

Dims NodeBuilder::normalizeAxes(Dims axes, int64_t rank, const Twine &where) {
  bool valid = true;
  for (int64_t &axis : axes) {
    valid &= axis >= -rank && axis < rank;
    axis += axis < 0 ? rank : 0;
  }
  Dims sorted = axes;
  llvm::sort(sorted);
  if (valid && std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end())
    return sorted;
  error() << where.str() << " are [" << join(map_range(axes, [](int64_t a) { return std::to_string(a); }), ", ")
          << "]; supported: distinct dimensions of an input of rank " << rank;
  return {};
}

const Graph *NodeBuilder::graph(StringRef key) {
  const Attribute *value = attribute(key, Attribute::Graph);
  if (!value)
    refuse(key, "a graph");
  return value ? value->graph.get() : nullptr;
}

Type NodeBuilder::elementType(StringRef key, Type otherwise) {
  const Attribute *value = attribute(key, Attribute::Int);
  if (!value)
    return otherwise;
  Type type = value->integer >= 0 && value->integer < 1000 ? elementTypeOf(value->integer, state.context)
                                                           : Type();
  if (!type) {
    error() << "attribute '" << key << "' is " << value->integer << " ("
            << elementTypeName(std::clamp<int64_t>(value->integer, -1, 1000))
            << "); supported: float, double, float16, bfloat16, bool and integers of 8 to 64 bits";
    return otherwise;
  }
  return type;
}

void NodeBuilder::ignore(std::initializer_list<StringRef> keys) {
  for (StringRef key : keys)
    used.insert(key);
}

void NodeBuilder::checkUnusedAttributes() {
  if (hasFailed)
    return;
  for (const auto &[key, value] : node.attributes) {
    if (used.contains(key) || (!value.reference.empty() && !hasAttribute(key)))
      continue;
    std::vector<StringRef> known(used.keys().begin(), used.keys().end());
    llvm::sort(known);
    return refuse(key, "no such attribute; this operator's are " +
                           (known.empty() ? std::string("none") : join(known, ", ")));
  }
}

//===----------------------------------------------------------------------===//
// Inputs
//===----------------------------------------------------------------------===//

Tensor *NodeBuilder::input(unsigned index) {
  if (hasFailed)
    return nullptr;
  if (!has(index)) {
    error() << "its input " << index << " is missing";
    return nullptr;
  }
  Tensor *tensor = inputs[index];
  if (tensor->isSequence) {
    error() << "its input '" << tensor->name << "' is a sequence; supported: a tensor";
    return nullptr;
  }
  if (!tensor->type) {
    error() << "its input '" << tensor->name << "' is a tensor of "
            << (tensor->data ? tensor->data->typeName : "an unsupported type")
            << "; supported: float, double, float16, bfloat16, bool and integers of 8 to 64 bits";
    return nullptr;
  }
  return tensor;
}

const Scalars *NodeBuilder::known(Tensor *tensor) {
  if (!tensor || hasFailed)
    return nullptr;
  if (!tensor->elements && tensor->data && tensor->data->type && tensor->data->size() <= kMaxKnownElements)
    tensor->elements = scalarsOf(*tensor->data, state.context);
  return tensor->elements ? &*tensor->elements : nullptr;
}

SmallVector<AffineExpr> NodeBuilder::expressions(unsigned index, StringRef what) {
  Tensor *tensor = input(index);
  if (!tensor)
    return {};
  std::optional<Scalars> all;
  const Scalars *elements = known(tensor);
  if (!elements && tensor->data && (all = scalarsOf(*tensor->data, state.context)))
    elements = &*all;
  if (!elements) {
    error() << "its " << what << ", tensor '" << tensor->name
            << "', depends on the model's input; supported: what can be computed from shapes and constants";
    return {};
  }
  SmallVector<AffineExpr> result;
  for (const Scalar &element : *elements) {
    if (!element.integer) {
      error() << "its " << what << ", tensor '" << tensor->name << "', holds floating-point numbers; "
              << "supported: integers";
      return {};
    }
    result.push_back(element.integer);
  }
  return result;
}

Dims NodeBuilder::constants(unsigned index, StringRef what) {
  SmallVector<AffineExpr> values = expressions(index, what);
  Dims result;
  for (AffineExpr value : values) {
    auto constant = constantDim(value);
    if (!constant) {
      error() << "its " << what << ", tensor '" << inputs[index]->name << "', is " << text(values)
              << "; supported: what does not depend on free dimensions (fix them, as in --shape x=1x3x224x224)";
      return {};
    }
    result.push_back(*constant);
  }
  return result;
}

int64_t NodeBuilder::constant(unsigned index, StringRef what) {
  Dims values = constants(index, what);
  if (values.size() == 1)
    return values[0];
  error() << "its " << what << " has " << values.size() << " elements; supported: one";
  return 0;
}

std::vector<double> NodeBuilder::constantNumbers(unsigned index, StringRef what) {
  Tensor *tensor = input(index);
  std::vector<double> result;
  if (!tensor)
    return result;
  std::optional<Scalars> all;
  const Scalars *elements = known(tensor);
  if (!elements && tensor->data && (all = scalarsOf(*tensor->data, state.context)))
    elements = &*all;
  for (const Scalar &element : elements ? *elements : Scalars()) {
    auto integer = element.constant();
    if (element.integer && !integer)
      elements = nullptr;
    if (!elements)
      break;
    result.push_back(integer ? double(*integer) : element.number);
  }
  if (!elements) {
    error() << "its " << what << ", tensor '" << tensor->name << "', is not a constant";
    return {};
  }
  return result;
}

std::optional<Scalars> NodeBuilder::constantElements(unsigned index) {
  Tensor *tensor = has(index) ? inputs[index] : nullptr;
  std::optional<Scalars> elements;
  if (const Scalars *all = known(tensor))
    elements = *all;
  else if (tensor && !hasFailed && tensor->data && tensor->type)
    elements = scalarsOf(*tensor->data, state.context);
  if (elements && any_of(*elements, [](const Scalar &s) { return s.integer && !s.constant(); }))
    return std::nullopt;
  return elements;
}

double NodeBuilder::constantNumber(unsigned index, StringRef what) {
  std::vector<double> values = constantNumbers(index, what);
  if (values.size() == 1)
    return values[0];
  error() << "its " << what << " has " << values.size() << " elements; supported: one";
  return 1;
}

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

Tensor *NodeBuilder::tensorOf(Value x) {
  if (hasFailed || !x)
    return nullptr;
  Tensor *tensor = state.newTensor();
  tensor->type = type(x);
  tensor->shape = shape(x);
  tensor->value = x;
  return tensor;
}

void NodeBuilder::result(Value x) { results.push_back(tensorOf(x)); }

Tensor *NodeBuilder::knownTensor(Type type, ArrayRef<int64_t> shape, Scalars elements) {
  if (hasFailed)
    return nullptr;
  Tensor *tensor = state.newTensor();
  tensor->type = type;
  for (int64_t extent : shape)
    tensor->shape.push_back(expr(extent));
  tensor->elements = std::move(elements);
  return tensor;
}

Tensor *NodeBuilder::emptyTensor(Type type, ArrayRef<AffineExpr> shape) {
  if (auto dims = constantShape(shape))
    return knownTensor(type, *dims, {});
  Tensor *tensor = knownTensor(type, {}, {});
  if (tensor) {
    tensor->shape = ShapeExpr(shape);
    tensor->elements.reset();
  }
  return tensor;
}

void NodeBuilder::result(Type type, ArrayRef<int64_t> shape, Scalars elements) {
  results.push_back(knownTensor(type, shape, std::move(elements)));
}

SmallVector<Tensor *> NodeBuilder::importSubgraph(const Graph &graph, ArrayRef<Tensor *> inputs) {
  if (hasFailed)
    return {};
  FailureOr<SmallVector<Tensor *>> outputs = subgraphs(graph, inputs);
  if (succeeded(outputs))
    return *outputs;
  hasFailed = true; // reported
  return {};
}

std::optional<SmallVector<Tensor *>> NodeBuilder::trySubgraph(const Graph &graph, std::string &reason) {
  if (hasFailed)
    return std::nullopt;
  ScopedDiagnosticHandler handler(state.context, [&](Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() != DiagnosticSeverity::Error)
      return failure(); // for the handler outside
    reason = diagnostic.str();
    return success();
  });
  FailureOr<SmallVector<Tensor *>> outputs = subgraphs(graph, {});
  return succeeded(outputs) ? std::optional(*outputs) : std::nullopt;
}

} // namespace sylvite::onnx
