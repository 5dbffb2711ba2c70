//===- LayerAttributes.cpp - The attributes of a layer --------------------===//
//
// Values are checked while they are read; those that nobody has asked for are reported in the end.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/keras/Layers.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include <cmath>

using namespace llvm;
using namespace mlir;
using namespace sylvite;
using namespace sylvite::keras;

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
