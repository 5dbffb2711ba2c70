//===- Training.cpp - what a model is trained with ------------------------===//
//
// Reads Keras's compile_config and the command line's short forms into the attribute `nn.training`.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/Training.h"
#include "compiler/import/keras/ModelGraph.h"
#include "dialects/nn/NN.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/GlobPattern.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace llvm;
using namespace mlir;
using namespace sylvite;

/// The one spelling of a loss, a metric or an optimizer: "MeanSquaredError", "mse" -> "mean_squared_error".
static std::string canonicalKind(StringRef name) {
  std::string lower = name.lower();
  StringRef alias = llvm::StringSwitch<StringRef>(lower)
                        .Cases({"mse"}, "mean_squared_error")
                        .Cases({"mae"}, "mean_absolute_error")
                        .Cases({"mape"}, "mean_absolute_percentage_error")
                        .Cases({"msle"}, "mean_squared_logarithmic_error")
                        .Cases({"bce"}, "binary_crossentropy")
                        .Cases({"kld", "kldivergence", "kullback_leibler_divergence"}, "kl_divergence")
                        .Cases({"logcosh"}, "log_cosh")
                        .Cases({"cosine", "cosinesimilarity", "cosine_proximity"}, "cosine_similarity")
                        .Cases({"acc"}, "accuracy")
                        .Cases({"f1", "f1score", "f1_score"}, "f1_score")
                        .Cases({"auc"}, "auc")
                        .Cases({"rmse"}, "root_mean_squared_error")
                        .Cases({"ce", "crossentropy"}, "crossentropy")
                        .Cases({"adam", "adamw", "adamax", "adagrad", "adadelta", "nadam", "lion", "rmsprop", "sgd"}, lower)
                        .Default("");
  if (!alias.empty())
    return alias.str();
  return name == lower ? lower : keras::toSnakeCase(name);
}

/// Keras's options that change what training computes, and that no part of it reads.
static bool isUnsupportedOption(StringRef name) {
  static constexpr StringLiteral names[] = {"ignore_class", "loss_scale_factor"};
  return is_contained(names, name);
}

//===----------------------------------------------------------------------===//
// compile_config
//===----------------------------------------------------------------------===//

namespace {

/// Reads one compile_config. Fails once.
class CompileConfigReader {
public:
  CompileConfigReader(MLIRContext *context, ArrayRef<std::string> outputs) : b(context), outputs(outputs) {}

  FailureOr<DictionaryAttr> read(const Json &config);

private:
  InFlightDiagnostic error() {
    hasFailed = true;
    return emitError(b.getUnknownLoc()) << "compile_config: ";
  }
  /// An optimizer, a loss or a metric: a name, or a serialized object.
  NamedAttrList readObject(const Json &json, StringRef what);
  /// Options of an object: numbers, flags and texts; null ones are at rest.
  void readOptions(const Json &config, NamedAttrList &list, StringRef what);
  /// `json`, given as one for all outputs, a list or an object with their names, for each output.
  std::vector<const Json *> perOutput(const Json &json, StringRef what);

  Builder b;
  ArrayRef<std::string> outputs;
  bool hasFailed = false;
};

} // namespace

void CompileConfigReader::readOptions(const Json &config, NamedAttrList &list, StringRef what) {
  for (auto &[key, value] : config.items()) {
    if (key == "average" && value.is_null())
      list.set(key, b.getStringAttr("none"));
    if (value.is_null() || key == "dtype" || (key == "name" && what != "metrics"))
      continue;
    if (key == "reduction") {
      if (asString(&value) != StringRef("sum_over_batch_size"))
        error() << what << " has reduction " << describe(value) << "; supported: \"sum_over_batch_size\"";
    } else if (isUnsupportedOption(key)) {
      if (asBoolean(&value) != false)
        error() << what << " has '" << key << "' = " << describe(value) << ", which is not supported";
    } else if (key == "learning_rate" && value.is_object()) {
      list.set("schedule", readObject(value, "learning_rate").getDictionary(b.getContext()));
    } else if (key == "fn") {
      continue; // the function of a MeanMetricWrapper: its name says it
    } else if (auto flag = asBoolean(&value)) {
      list.set(key, b.getBoolAttr(*flag));
    } else if (auto number = asNumber(&value)) {
      list.set(key, b.getF64FloatAttr(*number));
    } else if (auto text = asString(&value)) {
      list.set(key, b.getStringAttr(*text));
    } else if (value.is_array()) {
      SmallVector<double> numbers;
      for (const Json &element : value)
        numbers.push_back(asNumber(&element).value_or(0));
      list.set(key, b.getDenseF64ArrayAttr(numbers));
    } else {
      error() << what << " has '" << key << "' = " << describe(value) << "; supported: numbers, flags, texts";
    }
  }
}

NamedAttrList CompileConfigReader::readObject(const Json &json, StringRef what) {
  NamedAttrList list;
  auto name = asString(&json);
  auto className = asString(member(json, "class_name"));
  if (!name && !className) {
    error() << what << " is " << describe(json) << "; supported: a name or a serialized object";
    return list;
  }
  const Json *config = member(json, "config");
  // A function is serialized by its name.
  if (!name && className == StringRef("function"))
    name = asString(config);
  bool isSchedule = what == "learning_rate";
  list.set("kind", b.getStringAttr(isSchedule ? className.value_or("").str() : canonicalKind(name ? *name : *className)));
  if (!name && config && config->is_object())
    readOptions(*config, list, what);
  return list;
}

std::vector<const Json *> CompileConfigReader::perOutput(const Json &json, StringRef what) {
  std::vector<const Json *> result(outputs.size(), nullptr);
  bool isObject = json.is_object() && !member(json, "class_name");
  if (isObject) {
    for (auto &[key, value] : json.items()) {
      const auto *found = llvm::find(outputs, key);
      if (found == outputs.end())
        error() << what << " names output '" << key << "'; the model has " << join(outputs, ", ");
      else
        result[found - outputs.begin()] = &value;
    }
  } else if (json.is_array()) {
    if (json.size() != outputs.size())
      error() << what << " has " << json.size() << " entries for " << outputs.size() << " outputs";
    else
      for (size_t i = 0; i < outputs.size(); ++i)
        result[i] = &json[i];
  } else {
    result.assign(outputs.size(), &json);
  }
  return result;
}

FailureOr<DictionaryAttr> CompileConfigReader::read(const Json &config) {
  NamedAttrList training;
  const Json *optimizer = member(config, "optimizer"), *loss = member(config, "loss"),
             *weights = member(config, "loss_weights"), *metrics = member(config, "metrics");
  if (optimizer && !optimizer->is_null())
    training.set("optimizer", readObject(*optimizer, "optimizer").getDictionary(b.getContext()));
  if (loss && !loss->is_null()) {
    std::vector<const Json *> each = perOutput(*loss, "loss"), weight;
    if (weights && !weights->is_null())
      weight = perOutput(*weights, "loss_weights");
    SmallVector<Attribute> losses;
    for (size_t i = 0; i < outputs.size(); ++i) {
      NamedAttrList list;
      if (each[i] && !each[i]->is_null())
        list = readObject(*each[i], "loss");
      if (!weight.empty() && weight[i])
        if (auto number = asNumber(weight[i]))
          list.set("weight", b.getF64FloatAttr(*number));
      losses.push_back(list.getDictionary(b.getContext()));
    }
    training.set("losses", b.getArrayAttr(losses));
  }
  if (metrics && !metrics->is_null()) {
    // A flat list is for every output; a list of lists and an object are by output.
    bool isFlat = metrics->is_array() && llvm::none_of(*metrics, [](const Json &entry) { return entry.is_array(); });
    std::vector<const Json *> each(outputs.size(), metrics);
    if (!isFlat)
      each = perOutput(*metrics, "metrics");
    SmallVector<Attribute> lists;
    for (const Json *entry : each) {
      SmallVector<Attribute> list;
      auto add = [&](const Json &metric) {
        if (!metric.is_null())
          list.push_back(readObject(metric, "metrics").getDictionary(b.getContext()));
      };
      if (entry && entry->is_array())
        for (const Json &metric : *entry)
          add(metric);
      else if (entry)
        add(*entry);
      lists.push_back(b.getArrayAttr(list));
    }
    training.set("metrics", b.getArrayAttr(lists));
  }
  if (hasFailed)
    return failure();
  return training.empty() ? DictionaryAttr() : training.getDictionary(b.getContext());
}

FailureOr<DictionaryAttr> sylvite::readCompileConfig(MLIRContext *context, const Json &config,
                                                     ArrayRef<std::string> outputs) {
  return CompileConfigReader(context, outputs).read(config);
}

//===----------------------------------------------------------------------===//
// Options
//===----------------------------------------------------------------------===//

/// The options of all losses, metrics or optimizers.
static ArrayRef<StringLiteral> optionsOf(StringRef what) {
  static constexpr StringLiteral optimizer[] = {
      "amsgrad", "beta_1", "beta_2", "centered", "clipnorm", "clipvalue", "ema_momentum", "ema_overwrite_frequency",
      "epsilon", "global_clipnorm", "gradient_accumulation_steps", "initial_accumulator_value", "learning_rate", "lr",
      "momentum", "nesterov", "rho", "use_ema", "weight_decay"};
  static constexpr StringLiteral loss[] = {"delta", "from_logits", "label_smoothing", "target_is_distribution", "weight"};
  static constexpr StringLiteral metric[] = {"average", "class_id", "curve", "delta", "from_logits", "k",
                                             "label_smoothing", "name", "num_thresholds", "threshold"};
  return what == "--optimizer" ? ArrayRef(optimizer) : what == "--loss" ? ArrayRef(loss) : ArrayRef(metric);
}

/// KIND[:option=value,...] as a dictionary.
static FailureOr<DictionaryAttr> parseKind(Location loc, StringRef what, StringRef text) {
  Builder b(loc.getContext());
  auto [kind, options] = text.split(':');
  NamedAttrList list;
  list.set("kind", b.getStringAttr(canonicalKind(kind)));
  SmallVector<StringRef> parts;
  if (!options.empty())
    options.split(parts, ',');
  for (StringRef part : parts) {
    auto [key, value] = part.split('=');
    double number;
    if (key.empty() || value.empty())
      return emitError(loc) << what << ": '" << part << "' is not of the form option=value";
    if (!is_contained(optionsOf(what), key))
      return emitError(loc) << what << ": option '" << key << "' is not supported; supported: "
                            << join(optionsOf(what), ", ");
    if (key == "lr")
      key = "learning_rate";
    if (value == "true" || value == "false")
      list.set(key, b.getBoolAttr(value == "true"));
    else if (!value.getAsDouble(number))
      list.set(key, b.getF64FloatAttr(number));
    else
      list.set(key, b.getStringAttr(value));
  }
  if (kind.empty())
    return emitError(loc) << what << ": '" << text << "' is not of the form KIND[:option=value,...]";
  return list.getDictionary(loc.getContext());
}

/// Splits OUTPUT=KIND...: the output's index, or nothing for all.
static FailureOr<std::optional<size_t>> splitOutput(Location loc, StringRef what, ArrayRef<std::string> outputs,
                                                    StringRef &text) {
  StringRef head = text.take_until([](char c) { return c == ':'; });
  if (!head.contains('='))
    return std::optional<size_t>();
  StringRef name = head.split('=').first;
  const auto *found = llvm::find(outputs, name);
  if (found == outputs.end())
    return emitError(loc) << what << ": the model has no output '" << name << "'; it has " << join(outputs, ", ");
  text = text.drop_front(name.size() + 1);
  return std::optional<size_t>(found - outputs.begin());
}

Expected<std::vector<double>> sylvite::parseClassWeights(ArrayRef<std::string> texts) {
  constexpr size_t most = 1 << 20;
  std::vector<double> weights;
  for (StringRef text : texts) {
    auto [number, value] = text.split('=');
    size_t index;
    double weight;
    if (number.getAsInteger(10, index) || index >= most || value.getAsDouble(weight) || !(weight >= 0))
      return createStringError("--class-weights: '" + text +
                               "' is not of the form CLASS=WEIGHT, a number from 0 on and one that is not negative");
    if (index >= weights.size())
      weights.resize(index + 1, 1);
    weights[index] = weight;
  }
  return weights;
}

LogicalResult sylvite::configureTraining(ModuleOp module, const TrainingOptions &options) {
  Location loc = module.getLoc();
  Builder b(module.getContext());
  auto forward = module.lookupSymbol<func::FuncOp>("forward");
  std::vector<std::string> outputs;
  for (unsigned i = 0; i < forward.getNumResults() && !forward.getResultAttr(i, "nn.loss_mask"); ++i) {
    auto name = forward.getResultAttrOfType<StringAttr>(i, "nn.name");
    outputs.push_back(name ? name.str() : "output" + std::to_string(i));
  }
  NamedAttrList training(module->getAttrOfType<DictionaryAttr>("nn.training"));
  if (!options.optimizer.empty()) {
    auto optimizer = parseKind(loc, "--optimizer", options.optimizer);
    if (failed(optimizer))
      return failure();
    training.set("optimizer", *optimizer);
  }
  if (!options.losses.empty()) {
    SmallVector<Attribute> losses(outputs.size(), b.getDictionaryAttr({}));
    for (StringRef text : options.losses) {
      auto output = splitOutput(loc, "--loss", outputs, text);
      auto loss = failed(output) ? FailureOr<DictionaryAttr>(failure()) : parseKind(loc, "--loss", text);
      if (failed(loss))
        return failure();
      for (size_t i = 0; i < outputs.size(); ++i)
        if (!*output || **output == i)
          losses[i] = *loss;
    }
    training.set("losses", b.getArrayAttr(losses));
  }
  if (!options.metrics.empty()) {
    SmallVector<SmallVector<Attribute>> lists(outputs.size());
    for (StringRef text : options.metrics) {
      auto output = splitOutput(loc, "--metrics", outputs, text);
      auto metric = failed(output) ? FailureOr<DictionaryAttr>(failure()) : parseKind(loc, "--metrics", text);
      if (failed(metric))
        return failure();
      for (size_t i = 0; i < outputs.size(); ++i)
        if (!*output || **output == i)
          lists[i].push_back(*metric);
    }
    SmallVector<Attribute> metrics;
    for (ArrayRef<Attribute> list : lists)
      metrics.push_back(b.getArrayAttr(list));
    training.set("metrics", b.getArrayAttr(metrics));
  }
  if (options.seed)
    training.set("seed", b.getI64IntegerAttr(options.seed));
  if (!options.sampleWeights.empty())
    training.set("sample_weights", b.getStringAttr(options.sampleWeights));
  if (!options.classWeights.empty()) {
    Expected<std::vector<double>> weights = parseClassWeights(options.classWeights);
    if (!weights)
      return emitError(loc) << toString(weights.takeError());
    training.set("class_weights", b.getDenseF64ArrayAttr(*weights));
  }
  if (!training.get("losses"))
    return emitError(loc) << "the model's file does not say what loss it is trained with; --loss does";
  if (!training.get("optimizer"))
    return emitError(loc) << "the model's file does not say what optimizer it is trained with; --optimizer does";
  module->setAttr("nn.training", training.getDictionary(module.getContext()));

  for (StringRef text : options.freeze) {
    auto pattern = GlobPattern::create(text);
    if (!pattern)
      return emitError(loc) << "--freeze: '" << text << "': " << toString(pattern.takeError());
    // A pattern may stop at a layer: its variables are meant.
    auto matches = [&](StringRef name) { return pattern->match(name) || pattern->match(name.rsplit('/').first); };
    bool found = false;
    for (auto parameter : module.getOps<nn::ParameterOp>())
      if (matches(parameter.getSymName())) {
        parameter.setTrainable(false);
        found = true;
      }
    if (!found)
      return emitError(loc) << "--freeze: no parameter of the model matches '" << text << "'";
    // A frozen normalization keeps its statistics and uses them, as in Keras.
    module.walk([&](nn::BatchNormOp op) {
      auto mean = op.getMean().getDefiningOp<nn::GetOp>();
      if (mean && matches(mean.getParameter()))
        op.removeMomentumAttr();
    });
  }
  return success();
}
