//===- Arrays.h - Arrays of numbers inside a configuration ----------------===//
//
// Reads the forms in which Keras writes an array into JSON: nested lists, `__numpy__` and `__tensor__`
// objects, a bare number.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_COMPILER_IMPORT_KERAS_ARRAYS_H
#define SYLVITE_COMPILER_IMPORT_KERAS_ARRAYS_H

#include "compiler/import/keras/LayerBuilder.h"
#include <cmath>

namespace sylvite::keras {

struct Array {
  Dims shape;
  std::vector<float> values;
  bool integers = false; // the array says that its numbers are integers
};

namespace detail {
inline bool readElements(const Json &json, unsigned depth, Array &array) {
  if (json.is_array()) {
    if (depth == array.shape.size()) {
      if (!array.values.empty())
        return false;
      array.shape.push_back(json.size());
    }
    if (array.shape[depth] != int64_t(json.size()) || json.empty())
      return false;
    for (const Json &element : json)
      if (!readElements(element, depth + 1, array))
        return false;
    return true;
  }
  auto number = asNumber(&json);
  if (!number && json.is_boolean())
    number = *asBoolean(&json);
  if (!number || !std::isfinite(*number) || depth != array.shape.size())
    return false;
  array.values.push_back(float(*number));
  return true;
}
} // namespace detail

/// The array in `json`; nothing when it is not a rectangular one of finite numbers.
inline std::optional<Array> readArray(const Json *json) {
  if (!json)
    return std::nullopt;
  Array array;
  if (json->is_object()) {
    auto kind = asString(member(*json, "class_name"));
    const Json *config = member(*json, "config");
    if (!config || (kind != llvm::StringRef("__numpy__") && kind != llvm::StringRef("__tensor__")))
      return std::nullopt;
    llvm::StringRef dtype = asString(member(*config, "dtype")).value_or("float32");
    array.integers = dtype.starts_with("int") || dtype.starts_with("uint");
    json = member(*config, "value");
    if (!json)
      return std::nullopt;
  }
  if (!detail::readElements(*json, 0, array))
    return std::nullopt;
  return array;
}

} // namespace sylvite::keras

#endif // SYLVITE_COMPILER_IMPORT_KERAS_ARRAYS_H
