//===- LayerVariables.cpp - What a layer keeps ----------------------------===//
//
// Variables, with what training asks of them, and states.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/keras/Layers.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/DialectResourceBlobManager.h"

using namespace llvm;
using namespace mlir;
using namespace sylvite;
using namespace sylvite::keras;

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
