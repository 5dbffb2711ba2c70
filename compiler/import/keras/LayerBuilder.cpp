//===- LayerBuilder.cpp - What a row of the layer table works with --------===//
//
// The checks behind every attribute, input and op of an imported layer.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/keras/Layers.h"
#include "llvm/ADT/StringExtras.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include <cmath>

using namespace llvm;
using namespace mlir;
using namespace sylvite;
using namespace sylvite::keras;

/// Halide indexes buffers with 32 bits, so no array may have more elements.
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
static constexpr int64_t kMaxElements = 1 << 20; // memory, not truth, is scarce while fuzzing
#else
static constexpr int64_t kMaxElements = INT32_MAX;
#endif

/// Arguments that are masks, which are kept apart from a layer's inputs.
static bool isMask(StringRef keyword) { return keyword == "mask" || keyword.ends_with("_mask"); }

LayerBuilder::LayerBuilder(ModuleState &state, const Call &call, OpBuilder &builder, Location loc,
                           Tensors tensor, MaskLookup mask)
    : layer(*call.layer), builder(builder), loc(loc), state(state), call(call) {
  auto collect = [&](auto &&self, const Argument &argument, bool isInput,
                     SmallVectorImpl<Value> &own) -> void {
    if (argument.kind == Argument::Tensor) {
      own.push_back(tensor(argument.tensor));
      if (isInput) {
        tensors.push_back(own.back());
        masks.push_back(mask(argument.tensor));
      }
    }
    for (const Argument &element : argument.list)
      self(self, element, isInput, own);
  };
  auto add = [&](const Argument &argument, bool isInput) {
    SmallVector<Value> own;
    collect(collect, argument, isInput, own);
    byArgument.push_back({&argument, std::move(own)});
  };
  for (const Argument &argument : call.args)
    add(argument, true);
  // Keyword tensors follow; layers that give them a meaning of their own look at the call.
  for (auto &[name, argument] : call.kwargs)
    add(argument, !isMask(name));
}

//===----------------------------------------------------------------------===//
// Errors
//===----------------------------------------------------------------------===//

InFlightDiagnostic LayerBuilder::error() {
  InFlightDiagnostic diagnostic = emitLayerError(builder.getContext(), layer);
  if (hasFailed) // one error is enough
    diagnostic.abandon();
  hasFailed = true;
  return diagnostic;
}

void LayerBuilder::refuse(StringRef key, const Twine &supported) {
  const Json *value = member(*layer.config, key);
  error() << "attribute '" << key << "' is " << (value ? describe(*value) : "missing")
          << "; supported: " << supported;
}

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

const Json *LayerBuilder::attribute(StringRef key) {
  used.insert(key);
  const Json *value = member(*layer.config, key);
  return value && !value->is_null() ? value : nullptr;
}

static std::string rangeText(int64_t least) {
  if (least == INT32_MIN)
    return "an integer";
  return "an integer from " + std::to_string(least) + " to " + std::to_string(INT32_MAX);
}

int64_t LayerBuilder::integer(StringRef key, std::optional<int64_t> otherwise, int64_t least) {
  const Json *json = attribute(key);
  if (!json && otherwise)
    return *otherwise;
  auto value = asInteger(json);
  if (!value || *value < least || *value > INT32_MAX) {
    refuse(key, rangeText(least));
    return std::max<int64_t>(least, 1);
  }
  return *value;
}

double LayerBuilder::number(StringRef key, std::optional<double> otherwise) {
  const Json *json = attribute(key);
  if (!json && otherwise)
    return *otherwise;
  auto value = asNumber(json);
  if (!value || !std::isfinite(*value)) {
    refuse(key, "a finite number");
    return 1;
  }
  return *value;
}

bool LayerBuilder::boolean(StringRef key, bool otherwise) {
  const Json *json = attribute(key);
  if (!json)
    return otherwise;
  auto value = asBoolean(json);
  if (!value)
    refuse(key, "true, false");
  return value.value_or(otherwise);
}

StringRef LayerBuilder::choice(StringRef key, ArrayRef<StringRef> allowed) {
  const Json *json = attribute(key);
  if (!json)
    return allowed.front();
  auto value = asString(json);
  if (value)
    for (StringRef word : allowed)
      if (value->equals_insensitive(word))
        return word;
  refuse(key, join(map_range(allowed, [](StringRef word) { return "\"" + word.str() + "\""; }), ", "));
  return allowed.front();
}

Dims LayerBuilder::tuple(StringRef key, unsigned count, std::optional<int64_t> otherwise,
                         int64_t least) {
  const Json *json = attribute(key);
  if (!json && otherwise)
    return Dims(count, *otherwise);
  Dims values;
  if (auto single = asInteger(json))
    values.assign(count, *single);
  else if (auto list = asIntegers(json))
    values = std::move(*list);
  bool valid = values.size() == count;
  for (int64_t value : values)
    valid &= value >= least && value <= INT32_MAX;
  if (!valid) {
    refuse(key, rangeText(least) + (count > 1 ? ", or " + Twine(count) + " of them" : ""));
    return Dims(count, std::max<int64_t>(least, 1));
  }
  return values;
}

Dims LayerBuilder::axes(StringRef key, int64_t rank, const Dims &otherwise) {
  const Json *json = attribute(key);
  Dims values;
  if (!json)
    values = otherwise;
  else if (auto single = asInteger(json))
    values.push_back(*single);
  else if (auto list = asIntegers(json))
    values = std::move(*list);
  bool valid = !json || json->is_array() || !values.empty();
  valid &= !json || !json->is_array() || values.size() == json->size();
  for (int64_t &value : values) {
    valid &= value >= -rank && value < rank;
    value += value < 0 ? rank : 0;
  }
  llvm::sort(values);
  if (!valid || std::adjacent_find(values.begin(), values.end()) != values.end()) {
    refuse(key, "distinct dimensions of an input of rank " + Twine(rank));
    return {0};
  }
  return values;
}

int64_t LayerBuilder::axis(StringRef key, int64_t rank, int64_t otherwise) {
  Dims values = axes(key, rank, {otherwise});
  if (values.size() != 1)
    refuse(key, "one dimension of an input of rank " + Twine(rank));
  return values.empty() ? 0 : values[0];
}

bool LayerBuilder::channelsFirst() {
  return choice("data_format", {"channels_last", "channels_first"}) == "channels_first";
}

void LayerBuilder::ignore(std::initializer_list<StringRef> keys) {
  for (StringRef key : keys)
    used.insert(key);
}

/// Whether an attribute says nothing.
static bool isAtRest(const Json &value) {
  return value.is_null() || (value.is_boolean() && !*asBoolean(&value)) || asNumber(&value) == 0.0 ||
         ((value.is_structured() || value.is_string()) && value.empty());
}

void LayerBuilder::refuseInTraining(StringRef key) {
  const Json *value = member(*layer.config, key);
  if (state.training && value && !isAtRest(*value))
    refuse(key, "no value in training");
}

void LayerBuilder::checkUnusedAttributes() {
  for (auto it = layer.config->begin(); it != layer.config->end(); ++it) {
    StringRef key = it.key();
    bool common = llvm::StringSwitch<bool>(key)
                      .Cases({"name", "trainable", "dtype", "autocast", "batch_input_shape"}, true)
                      .Cases({"batch_shape", "input_shape", "input_dtype", "seed"}, true)
                      .Default(false);
    // Regularizers of variables are read with them.
    bool isForTraining = key.ends_with("_constraint") || key == "activity_regularizer";
    if (isForTraining && isTrainable() && !used.contains(key))
      refuseInTraining(key);
    if (common || used.contains(key) || isForTraining || key.ends_with("_initializer") ||
        key.ends_with("_regularizer"))
      continue;
    if (!isAtRest(*it)) {
      std::vector<StringRef> known(used.keys().begin(), used.keys().end());
      llvm::sort(known);
      refuse(key, "no value; this layer's attributes are " + (known.empty() ? "none" : join(known, ", ")));
      return;
    }
  }
}

//===----------------------------------------------------------------------===//
// Inputs
//===----------------------------------------------------------------------===//

Value LayerBuilder::input(unsigned index) {
  if (index < tensors.size())
    return tensors[index];
  error() << "it is called with " << tensors.size() << " tensors and needs " << index + 1;
  return {};
}

Value LayerBuilder::floatInput(unsigned index) { return toFloat(input(index)); }

void LayerBuilder::expectInputs(unsigned count) {
  if (tensors.size() != count)
    error() << "it is called with " << tensors.size() << " tensors; supported: " << count;
}

static std::string shapeText(ArrayRef<int64_t> shape) {
  auto text = [](int64_t extent) {
    return ShapedType::isDynamic(extent) ? std::string("?") : std::to_string(extent);
  };
  return "(" + join(map_range(shape, text), ", ") + ")";
}

void LayerBuilder::expectRank(Value x, int64_t rank) {
  if (x && rankOf(x) != rank)
    error() << "its input has shape " << shapeText(shapeOf(x)) << "; supported: " << rank
            << " dimensions";
}

int64_t LayerBuilder::extent(Value x, int64_t dim) {
  if (!x || dim >= rankOf(x)) {
    if (x)
      error() << "its input has shape " << shapeText(shapeOf(x)) << " and no dimension " << dim;
    return 1;
  }
  int64_t size = shapeOf(x)[dim];
  if (!ShapedType::isDynamic(size))
    return size;
  error() << "dimension " << dim << " of its input " << shapeText(shapeOf(x))
          << " is free; supported: a known size (give the model's input shape, as in --shape x=?x224x224x3)";
  return 1;
}

/// The argument at `position` or of the name `keyword`; null when absent.
static const Argument *findArgument(const Call &call, unsigned position, StringRef keyword) {
  for (auto &[name, argument] : call.kwargs)
    if (name == keyword)
      return &argument;
  return position < call.args.size() ? &call.args[position] : nullptr;
}

SmallVector<Value> LayerBuilder::tensorsOf(unsigned position, StringRef keyword) {
  const Argument *found = findArgument(call, position, keyword);
  for (auto &[argument, values] : byArgument)
    if (argument == found)
      return values;
  return {};
}

Value LayerBuilder::maskArgument(StringRef keyword, unsigned index) {
  SmallVector<Value> given = tensorsOf(~0u, keyword);
  return given.empty() ? mask(index) : given.front();
}

SmallVector<Value> LayerBuilder::maskArguments() {
  SmallVector<Value> result(masks), given = tensorsOf(~0u, "mask");
  const Argument *list = findArgument(call, ~0u, "mask");
  if (given.empty() || list->kind != Argument::List)
    return result;
  for (unsigned i = 0, next = 0; i < result.size(); ++i) {
    bool isTensor = i < list->list.size() && list->list[i].kind == Argument::Tensor;
    result[i] = isTensor ? given[next++] : Value();
  }
  return result;
}

const Json *LayerBuilder::argument(unsigned position, StringRef keyword) {
  const Argument *found = findArgument(call, position, keyword);
  return found && found->kind == Argument::Value && !found->value->is_null() ? found->value : nullptr;
}

//===----------------------------------------------------------------------===//
// Variables
//===----------------------------------------------------------------------===//

Value LayerBuilder::declare(StringRef name, ArrayRef<int64_t> shape, bool trainable,
                            llvm::function_ref<Expected<AsmResourceBlob>()> value) {
  if (hasFailed)
    return {};
  int64_t count = 1;
  for (int64_t extent : shape)
    if (extent < 0 || __builtin_mul_overflow(count, extent, &count) || count > kMaxElements) {
      error() << "variable '" << name << "' has shape " << shapeText(shape) << "; supported: at most "
              << kMaxElements << " elements";
      return {};
    }
  auto type = RankedTensorType::get(shape, builder.getF32Type());
  FlatSymbolRefAttr &symbol = state.symbols[&layer][name];
  if (!symbol) {
    Expected<AsmResourceBlob> blob = value();
    if (!blob) {
      error() << toString(blob.takeError());
      return {};
    }
    std::string path = layer.path + "/" + name.str(), unique = path;
    for (unsigned i = 1; !state.taken.insert(unique).second; ++i)
      unique = path + "_" + std::to_string(i);
    auto data = DenseResourceElementsAttr::get(type, unique, std::move(*blob));
    nn::ParameterOp::create(state.parameters, loc, builder.getStringAttr(unique), TypeAttr::get(type),
                            data, trainable ? builder.getUnitAttr() : UnitAttr());
    symbol = FlatSymbolRefAttr::get(builder.getContext(), unique);
  }
  auto parameter = cast<nn::ParameterOp>(state.module.lookupSymbol(symbol.getAttr()));
  if (parameter.getTensorType() != type) {
    error() << "variable '" << name << "' has shape " << shapeText(parameter.getTensorType().getShape())
            << " in the layer's first call and " << shapeText(shape) << " in another";
    return {};
  }
  return nn::GetOp::create(builder, loc, type, symbol);
}

bool LayerBuilder::isTrainable() const {
  return asBoolean(member(*layer.config, "trainable")).value_or(true);
}

Value LayerBuilder::initializedVariable(StringRef name, ArrayRef<int64_t> shape,
                                        const Json &initializer, bool trainable) {
  Variable variable;
  variable.name = name.str();
  variable.shape.assign(shape.begin(), shape.end());
  variable.index = numVariables++;
  variable.initializer = &initializer;
  variable.seed = state.seed;
  return declare(name, shape, trainable && isTrainable(),
                 [&] { return WeightSource::read(state.weights, layer, variable); });
}

Value LayerBuilder::variable(StringRef name, ArrayRef<int64_t> shape, StringRef initializer,
                             StringRef otherwise, bool trainable) {
  const Json *given = initializer.empty() ? nullptr : attribute(initializer);
  Json fallback = otherwise.str();
  Value value = initializedVariable(name, shape, given ? *given : fallback, trainable);
  StringRef prefix = initializer;
  if (value && state.training && prefix.consume_back("_initializer")) {
    addRegularizer(value, (prefix + "_regularizer").str());
    addConstraint(value, (prefix + "_constraint").str());
  }
  return value;
}

std::optional<std::pair<double, double>> LayerBuilder::penalty(StringRef key) {
  const Json *json = attribute(key);
  if (!json)
    return std::nullopt;
  const Json *config = member(*json, "config");
  // A name stands for the class with its defaults.
  StringRef kind = asString(json).value_or(asString(member(*json, "class_name")).value_or(""));
  std::string lower = kind.lower();
  auto factor = [&](StringRef name) {
    const Json *given = config ? member(*config, name) : nullptr;
    bool isNamed = lower == name || lower == "l1l2" || lower == "l1_l2";
    return isNamed ? given ? asNumber(given).value_or(0) : (config ? 0 : 0.01) : 0;
  };
  if (lower != "l1" && lower != "l2" && lower != "l1l2" && lower != "l1_l2") {
    refuse(key, key == "activity_regularizer" ? "L1, L2, L1L2 in training"
                                              : "L1, L2, L1L2, OrthogonalRegularizer in training");
    return std::nullopt;
  }
  return std::pair(factor("l1"), factor("l2"));
}

/// The parameter that `variable` reads.
static nn::ParameterOp parameterOf(ModuleOp module, Value variable) {
  return cast<nn::ParameterOp>(module.lookupSymbol(variable.getDefiningOp<nn::GetOp>().getParameterAttr().getAttr()));
}

void LayerBuilder::addRegularizer(Value variable, StringRef key) {
  const Json *json = attribute(key);
  if (!json)
    return;
  NamedAttrList list;
  StringRef name = asString(json).value_or(asString(member(*json, "class_name")).value_or(""));
  if (name == "OrthogonalRegularizer" || name == "orthogonal_regularizer") {
    if (rankOf(variable) != 2)
      return refuse(key, "for a matrix");
    const Json *config = member(*json, "config"), *factor = config ? member(*config, "factor") : nullptr;
    bool isByColumn = config && asString(member(*config, "mode")) == StringRef("columns");
    list.set(isByColumn ? "orthogonal_columns" : "orthogonal_rows",
             builder.getF64FloatAttr(factor ? asNumber(factor).value_or(0) : 0.01));
  } else if (auto factors = penalty(key)) {
    list.set("l1", builder.getF64FloatAttr(factors->first));
    list.set("l2", builder.getF64FloatAttr(factors->second));
  }
  parameterOf(state.module, variable)->setAttr("nn.regularizer", list.getDictionary(builder.getContext()));
}

void LayerBuilder::addConstraint(Value variable, StringRef key) {
  const Json *json = attribute(key);
  if (!json)
    return;
  const Json *config = member(*json, "config");
  auto className = asString(member(*json, "class_name"));
  std::string kind = className ? toSnakeCase(*className) : asString(json).value_or("").str();
  if (!llvm::is_contained({"max_norm", "min_max_norm", "non_neg", "unit_norm"}, kind))
    return refuse(key, "MaxNorm, MinMaxNorm, NonNeg, UnitNorm in training");
  NamedAttrList list;
  list.set("kind", builder.getStringAttr(kind));
  for (StringRef name : {"max_value", "min_value", "rate"})
    if (const Json *given = config ? member(*config, name) : nullptr)
      if (auto number = asNumber(given))
        list.set(name, builder.getF64FloatAttr(*number));
  SmallVector<int64_t> axes{0};
  if (const Json *given = config ? member(*config, "axis") : nullptr) {
    axes.clear();
    int64_t rank = rankOf(variable);
    SmallVector<const Json *> each;
    if (given->is_array())
      for (const Json &axis : *given)
        each.push_back(&axis);
    else
      each.push_back(given);
    for (const Json *axis : each) {
      double number = asNumber(axis).value_or(0.5);
      auto dim = static_cast<int64_t>(number);
      if (double(dim) != number || dim < -rank || dim >= rank)
        return refuse(key, "axes of a variable of rank " + Twine(rank));
      axes.push_back(dim < 0 ? dim + rank : dim);
    }
    llvm::sort(axes);
    axes.erase(llvm::unique(axes), axes.end());
  }
  list.set("axes", builder.getDenseI64ArrayAttr(axes));
  parameterOf(state.module, variable)->setAttr("nn.constraint", list.getDictionary(builder.getContext()));
}

void LayerBuilder::penalizeResults() {
  if (!state.training || hasFailed || results.empty())
    return;
  std::optional<std::pair<double, double>> factors;
  if (layer.className == "ActivityRegularization")
    factors = {number("l1", 0), number("l2", 0)};
  else
    factors = penalty("activity_regularizer");
  if (!factors || hasFailed)
    return;
  for (Value &value : results)
    if (isa<FloatType>(getElementTypeOrSelf(value.getType())))
      value = make<nn::ActivityPenaltyOp>(value, APFloat(factors->first), APFloat(factors->second));
}

void LayerBuilder::overwriteDrawn(Value variable, int64_t first, int64_t count, float value) {
  if (state.weights)
    return;
  StringAttr symbol = variable.getDefiningOp<nn::GetOp>().getParameterAttr().getAttr();
  auto parameter = cast<nn::ParameterOp>(state.module.lookupSymbol(symbol));
  MutableArrayRef<char> data =
      cast<DenseResourceElementsAttr>(*parameter.getValue()).getRawHandle().getBlob()->getMutableData();
  std::fill_n(reinterpret_cast<float *>(data.data()) + first, count, value);
}

Value LayerBuilder::constant(StringRef name, ArrayRef<int64_t> shape, ArrayRef<float> values) {
  return declare(name, shape, /*trainable=*/false, [&]() -> Expected<AsmResourceBlob> {
    return HeapAsmResourceBlob::allocateAndCopyInferAlign(values);
  });
}

void LayerBuilder::checkVariableCount() {
  if (hasFailed || !state.weights)
    return;
  Expected<std::optional<unsigned>> stored = state.weights->count(layer, "");
  if (!stored)
    error() << toString(stored.takeError());
  else if (*stored && **stored != numVariables)
    error() << "its weights hold " << **stored << " variables, the layer has " << numVariables;
}

Value LayerBuilder::loadState(unsigned index, Value like, int64_t units) {
  if (hasFailed || !like)
    return {};
  std::string name = layer.path + "/state_" + std::to_string(index);
  for (ModuleState::State &known : state.kept) // a layer that is called again goes on
    if (known.name == name)
      return known.value;
  auto type = RankedTensorType::get({extent(like, 0), units}, builder.getF32Type());
  if (hasFailed)
    return {};
  BlockArgument argument = state.body->addArgument(type, loc);
  state.kept.push_back({name, argument, argument});
  return argument;
}

void LayerBuilder::storeState(unsigned index, Value value) {
  std::string name = layer.path + "/state_" + std::to_string(index);
  for (ModuleState::State &known : state.kept)
    if (known.name == name)
      known.value = value;
}

//===----------------------------------------------------------------------===//
// Ops
//===----------------------------------------------------------------------===//

/// Refuses results that no buffer can hold.
Value LayerBuilder::check(Value x) {
  int64_t count = 1;
  for (int64_t extent : shapeOf(x))
    if (!ShapedType::isDynamic(extent) &&
        (extent < 0 || __builtin_mul_overflow(count, extent, &count) || count > kMaxElements)) {
      error() << "its result would have shape " << shapeText(shapeOf(x)) << "; supported: at most "
              << kMaxElements << " elements";
      return {};
    }
  return x;
}

Value LayerBuilder::infer(Operation *op) {
  std::string reason;
  SmallVector<Type> types;
  auto inferTypes = [&] {
    ScopedDiagnosticHandler handler(builder.getContext(), [&](Diagnostic &diagnostic) {
      reason = diagnostic.str();
      return success();
    });
    return cast<InferTypeOpInterface>(op).inferReturnTypes(
        builder.getContext(), loc, op->getOperands(), op->getDiscardableAttrDictionary(),
        op->getPropertiesStorage(), op->getRegions(), types);
  };
  if (succeeded(inferTypes())) {
    for (auto [result, type] : llvm::zip(op->getResults(), types))
      result.setType(type);
    return check(op->getResult(0));
  }
  op->erase();
  // The op's own message names the op's constraint: "conv_c4: a window ...".
  StringRef text(reason);
  if (auto [label, rest] = text.split(": "); !label.contains(' '))
    text = rest;
  error() << text;
  return {};
}

Value LayerBuilder::map(Value x, llvm::function_ref<Value(nn::ScalarBuilder &, Value)> function) {
  if (hasFailed || !x)
    return {};
  return nn::mapUnary(builder, loc, x, function);
}

Value LayerBuilder::map(Value x, Value y,
                        llvm::function_ref<Value(nn::ScalarBuilder &, Value, Value)> function) {
  return map({x, y}, [&](OpBuilder &b, Location at, ValueRange scalars) {
    nn::ScalarBuilder scalar(b, at);
    return function(scalar, scalars[0], scalars[1]);
  });
}

Value LayerBuilder::map(ArrayRef<Value> operands,
                        llvm::function_ref<Value(OpBuilder &, Location, ValueRange)> function) {
  if (hasFailed || llvm::is_contained(operands, Value()))
    return {};
  if (::failed(nn::broadcastShapes(nn::shapesOfOperands(operands)))) {
    auto shapes = map_range(operands, [](Value x) { return shapeText(shapeOf(x)); });
    error() << "its inputs have shapes " << join(shapes, ", ") << ", which do not broadcast together";
    return {};
  }
  return check(nn::MapOp::create(builder, loc, operands, function));
}

Value LayerBuilder::add(Value x, Value y) {
  return map(x, y, [](nn::ScalarBuilder &s, Value a, Value b) { return s.add(a, b); });
}

Value LayerBuilder::multiply(Value x, Value y) {
  return map(x, y, [](nn::ScalarBuilder &s, Value a, Value b) { return s.mul(a, b); });
}

Value LayerBuilder::select(Value mask, Value x, double otherwise) {
  return map({mask, x}, [&](OpBuilder &b, Location at, ValueRange v) -> Value {
    Value rest = nn::ScalarBuilder(b, at).constant(otherwise, v[1]);
    return arith::SelectOp::create(b, at, v[0], v[1], rest);
  });
}

Value LayerBuilder::transpose(Value x, ArrayRef<int64_t> permutation) {
  return make<nn::TransposeOp>(x, permutation);
}

Value LayerBuilder::reshape(Value x, ArrayRef<int64_t> shape, ArrayRef<int64_t> from) {
  if (hasFailed || !x || shapeOf(x) == shape)
    return hasFailed ? Value() : x;
  auto type = cast<RankedTensorType>(x.getType());
  return check(nn::ReshapeOp::create(builder, loc, type.clone(shape), x, from));
}

Value LayerBuilder::broadcast(Value x, ArrayRef<int64_t> shape) {
  if (hasFailed || !x)
    return {};
  auto type = cast<RankedTensorType>(x.getType());
  return check(nn::BroadcastOp::create(builder, loc, type.clone(shape), x));
}

Value LayerBuilder::slice(Value x, ArrayRef<int64_t> starts, ArrayRef<int64_t> sizes) {
  return make<nn::SliceOp>(x, starts, sizes, Dims(starts.size(), 1));
}

LayerBuilder LayerBuilder::part(const Json &json, StringRef part, ArrayRef<Value> inputs, Value mask) {
  static const Json empty = Json::object();
  auto className = asString(member(json, "class_name"));
  const Json *config = member(json, "config");
  if (!className || !config || !config->is_object()) {
    error() << "attribute '" << part << "' is " << describe(json) << "; supported: a serialized layer";
    config = &empty;
  }
  StringRef name = asString(member(*config, "name")).value_or(layer.name);
  return this->part(className.value_or(""), name, *config, part, inputs, mask);
}

LayerBuilder LayerBuilder::part(StringRef className, StringRef name, const Json &config, StringRef part,
                                ArrayRef<Value> inputs, Value mask) {
  Layer &inner = state.parts[{&layer, part.str()}];
  inner.className = className.str();
  inner.name = name.str();
  inner.config = &config;
  inner.group = layer.group + "/" + part.str();
  inner.path = layer.path + "/" + part.str();
  inner.topLevel = layer.topLevel;
  Call &innerCall = state.calls.emplace_back();
  innerCall.layer = &inner;
  for (unsigned i = 0; i < inputs.size(); ++i) {
    Argument &argument = innerCall.args.emplace_back();
    argument.kind = Argument::Tensor;
    argument.tensor = {TensorRef::kInput, i};
  }
  LayerBuilder b(state, innerCall, builder, loc, [&](TensorRef ref) { return inputs[ref.index]; },
                 [&](TensorRef ref) { return ref.index == 0 ? mask : Value(); });
  b.hasFailed = hasFailed;
  return b;
}

void LayerBuilder::finish(LayerBuilder &part, bool checkAttributes) {
  if (checkAttributes)
    part.checkUnusedAttributes();
  part.checkVariableCount();
  hasFailed |= part.hasFailed;
}

Value LayerBuilder::apply(const Json &json, Value x, StringRef name) {
  if (hasFailed || !x)
    return {};
  LayerBuilder b = part(json, name, x);
  const LayerRow *row = hasFailed ? nullptr : findLayer(b.layer);
  if (!row) {
    error() << "attribute '" << name << "' is " << describe(json)
            << "; supported: a layer of the table of supported layers";
    return {};
  }
  row->build(b);
  b.penalizeResults();
  finish(b);
  return b.results.size() == 1 ? b.results[0] : Value();
}

Value LayerBuilder::expandDims(Value x, int64_t dim) {
  Dims shape(shapeOf(x)), from;
  for (int64_t i = 0; i < rankOf(x); ++i)
    from.push_back(i);
  shape.insert(shape.begin() + dim, 1);
  from.insert(from.begin() + dim, -1);
  return reshape(x, shape, from);
}

Value LayerBuilder::toFloat(Value x) {
  if (!x || hasFailed || isa<FloatType>(getElementTypeOrSelf(x.getType())))
    return x;
  Type f32 = builder.getF32Type();
  bool isUnsigned = getElementTypeOrSelf(x.getType()).isUnsignedInteger();
  auto body = [&](OpBuilder &b, Location at, ValueRange scalars) -> Value {
    if (isUnsigned || scalars[0].getType().isInteger(1))
      return arith::UIToFPOp::create(b, at, f32, scalars[0]);
    return arith::SIToFPOp::create(b, at, f32, scalars[0]);
  };
  return nn::MapOp::create(builder, loc, ValueRange{x}, body);
}

Value LayerBuilder::toChannelsLast(Value x, bool first) {
  if (!first || rankOf(x) < 3)
    return x;
  Dims permutation{0};
  for (int64_t i = 2; i < rankOf(x); ++i)
    permutation.push_back(i);
  permutation.push_back(1);
  return transpose(x, permutation);
}

Value LayerBuilder::fromChannelsLast(Value x, bool first) {
  if (!first || rankOf(x) < 3)
    return x;
  Dims permutation{0, rankOf(x) - 1};
  for (int64_t i = 1; i + 1 < rankOf(x); ++i)
    permutation.push_back(i);
  return transpose(x, permutation);
}

Value LayerBuilder::alignTo(Value v, ArrayRef<int64_t> dims, int64_t rank) {
  if (!v)
    return v;
  // Leading dimensions are implied.
  int64_t first = dims.empty() ? rank : dims.front();
  Dims shape(rank - first, 1), from(rank - first, -1);
  for (auto [i, dim] : llvm::enumerate(dims)) {
    shape[dim - first] = shapeOf(v)[i];
    from[dim - first] = i;
  }
  return reshape(v, shape, from);
}
