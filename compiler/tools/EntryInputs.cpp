// See EntryInputs.h.
#include "compiler/tools/EntryInputs.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace llvm;

namespace sylvite {

std::string modelShapeText(const sylvite_entry &entry, const sylvite_tensor &tensor) {
  std::string text = "(";
  for (int32_t d = 0; d < tensor.rank; ++d) {
    int64_t size = tensor.shape[d];
    text += d ? ", " : "";
    text += size >= 0 ? std::to_string(size) : entry.dims[-1 - size];
  }
  return text + (tensor.rank == 1 ? ",)" : ")");
}

/// Ones for input `index`, whose free dimensions are those of the inputs before it.
static Expected<Array> makeOnes(const sylvite_entry &entry, int32_t index, ArrayRef<Array> before) {
  const sylvite_tensor &tensor = entry.inputs[index];
  Array ones;
  ones.dtype = DType::Float32;
  size_t count = 1;
  for (int32_t d = 0; d < tensor.rank; ++d) {
    int64_t size = tensor.shape[d];
    for (auto [i, other] : enumerate(before))
      for (int32_t e = 0; size < 0 && e < entry.inputs[i].rank && size_t(e) < other.shape.size(); ++e)
        if (entry.inputs[i].shape[e] == tensor.shape[d])
          size = other.shape[e];
    if (size < 0)
      return createStringError(std::string("no input has the free dimension '") + entry.dims[-1 - size] + "'");
    ones.shape.push_back(size);
    count *= size;
  }
  std::vector<float> values(count, 1.0f);
  const char *bytes = reinterpret_cast<const char *>(values.data());
  ones.data.assign(bytes, bytes + count * sizeof(float));
  return ones;
}

/// The arrays for the entry's inputs, in its order. Items without sample weights all weigh one.
static Expected<std::vector<Array>> takeInputs(const sylvite_entry &entry, ArrayFile &file, StringRef path) {
  std::vector<Array> inputs;
  if (!file.isArchive) {
    if (entry.input_count != 1) {
      std::vector<std::string> names;
      for (int32_t i = 0; i < entry.input_count; ++i)
        names.push_back(std::string("'") + entry.inputs[i].name + "'");
      return createStringError(path + " holds one array; the model has the inputs " + join(names, ", ") +
                               ": use a .npz file with arrays of these names");
    }
    inputs.push_back(std::move(file.arrays.at("")));
    return inputs;
  }
  for (int32_t i = 0; i < entry.input_count; ++i) {
    auto found = file.arrays.find(entry.inputs[i].name);
    if (found == file.arrays.end() && entry.inputs[i].name == StringRef("sample_weight")) {
      Expected<Array> ones = makeOnes(entry, i, inputs);
      if (!ones)
        return ones.takeError();
      inputs.push_back(std::move(*ones));
      continue;
    }
    if (found == file.arrays.end())
      return createStringError(path + " has no array '" + entry.inputs[i].name +
                               "' for the model's input of that name; it has: " +
                               (file.names.empty() ? "none" : join(file.names, ", ")));
    inputs.push_back(std::move(found->second));
  }
  return inputs;
}

Expected<std::vector<int64_t>> findDims(const sylvite_entry &entry, ArrayRef<Array> inputs) {
  std::vector<int64_t> dims(entry.dim_count, -1);
  std::vector<const char *> from(entry.dim_count, nullptr);
  for (int32_t i = 0; i < entry.input_count; ++i) {
    const sylvite_tensor &tensor = entry.inputs[i];
    ArrayRef<int64_t> shape = inputs[i].shape;
    bool fits = shape.size() == size_t(tensor.rank);
    for (int32_t d = 0; fits && d < tensor.rank; ++d)
      fits = tensor.shape[d] < 0 || tensor.shape[d] == shape[d];
    if (!fits)
      return createStringError(std::string("input '") + tensor.name + "' has shape " + shapeText(shape) +
                               "; the model needs " + modelShapeText(entry, tensor));
    for (int32_t d = 0; d < tensor.rank; ++d) {
      if (tensor.shape[d] >= 0)
        continue;
      int64_t k = -1 - tensor.shape[d];
      if (!from[k]) {
        dims[k] = shape[d];
        from[k] = tensor.name;
      } else if (dims[k] != shape[d]) {
        return createStringError(std::string("inputs disagree on '") + entry.dims[k] + "': " +
                                 Twine(dims[k]) + " in '" + from[k] + "', " + Twine(shape[d]) + " in '" +
                                 tensor.name + "'");
      }
    }
  }
  for (int32_t k = 0; k < entry.dim_count; ++k)
    if (!from[k])
      return createStringError(std::string("no input has the free dimension '") + entry.dims[k] + "'");
  return dims;
}

Expected<std::vector<Array>> readInputs(const sylvite_entry &entry, StringRef path) {
  std::vector<std::string> names;
  for (int32_t i = 0; i < entry.input_count; ++i)
    names.push_back(entry.inputs[i].name);
  Expected<ArrayFile> file = readArrayFile(path, names);
  if (!file)
    return file.takeError();
  Expected<std::vector<Array>> inputs = takeInputs(entry, *file, path);
  if (!inputs)
    return inputs;
  for (auto [i, input] : enumerate(*inputs))
    if (Error error = convertExactly(input, static_cast<DType>(entry.inputs[i].dtype), "input '" + names[i] + "'"))
      return error;
  return inputs;
}

} // namespace sylvite
