// sylvite run: calls a library on arrays from a file and writes its outputs to another.
#include "compiler/tools/Commands.h"
#include "compiler/tools/LoadedLibrary.h"
#include "compiler/tools/NumpyFile.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace llvm;

namespace sylvite {

/// "(batch, 28, 28, 1)".
static std::string modelShapeText(const sylvite_info &info, const sylvite_tensor &tensor) {
  std::string text = "(";
  for (int32_t d = 0; d < tensor.rank; ++d) {
    int64_t size = tensor.shape[d];
    text += d ? ", " : "";
    text += size >= 0 ? std::to_string(size) : info.dims[-1 - size];
  }
  return text + (tensor.rank == 1 ? ",)" : ")");
}

/// The arrays for the model's inputs, in its order.
static Expected<std::vector<Array>> takeInputs(const sylvite_info &info, ArrayFile &file, StringRef path) {
  std::vector<Array> inputs;
  if (!file.isArchive) {
    if (info.input_count != 1) {
      std::vector<std::string> names;
      for (int32_t i = 0; i < info.input_count; ++i)
        names.push_back(std::string("'") + info.inputs[i].name + "'");
      return createStringError(path + " holds one array; the model has the inputs " + join(names, ", ") +
                               ": use a .npz file with arrays of these names");
    }
    inputs.push_back(std::move(file.arrays.at("")));
    return inputs;
  }
  for (int32_t i = 0; i < info.input_count; ++i) {
    auto found = file.arrays.find(info.inputs[i].name);
    if (found == file.arrays.end())
      return createStringError(path + " has no array '" + info.inputs[i].name +
                               "' for the model's input of that name; it has: " +
                               (file.names.empty() ? "none" : join(file.names, ", ")));
    inputs.push_back(std::move(found->second));
  }
  return inputs;
}

/// Checks the shapes and finds the sizes of the free dimensions.
static Expected<std::vector<int64_t>> findDims(const sylvite_info &info, ArrayRef<Array> inputs) {
  std::vector<int64_t> dims(info.dim_count, -1);
  std::vector<const char *> from(info.dim_count, nullptr);
  for (int32_t i = 0; i < info.input_count; ++i) {
    const sylvite_tensor &tensor = info.inputs[i];
    ArrayRef<int64_t> shape = inputs[i].shape;
    bool fits = shape.size() == size_t(tensor.rank);
    for (int32_t d = 0; fits && d < tensor.rank; ++d)
      fits = tensor.shape[d] < 0 || tensor.shape[d] == shape[d];
    if (!fits)
      return createStringError(std::string("input '") + tensor.name + "' has shape " + shapeText(shape) +
                               "; the model needs " + modelShapeText(info, tensor));
    for (int32_t d = 0; d < tensor.rank; ++d) {
      if (tensor.shape[d] >= 0)
        continue;
      int64_t k = -1 - tensor.shape[d];
      if (!from[k]) {
        dims[k] = shape[d];
        from[k] = tensor.name;
      } else if (dims[k] != shape[d]) {
        return createStringError(std::string("inputs disagree on '") + info.dims[k] + "': " +
                                 Twine(dims[k]) + " in '" + from[k] + "', " + Twine(shape[d]) + " in '" +
                                 tensor.name + "'");
      }
    }
  }
  for (int32_t k = 0; k < info.dim_count; ++k)
    if (!from[k])
      return createStringError(std::string("no input has the free dimension '") + info.dims[k] + "'");
  return dims;
}

Error runLibrary(const RunOptions &options) {
  Expected<LoadedLibrary> library = LoadedLibrary::load(options.library);
  if (!library)
    return library.takeError();
  const sylvite_info &info = library->info();
  if (StringRef(options.output).ends_with(".npy") && info.output_count != 1)
    return createStringError("a .npy file holds one array; the model has " + Twine(info.output_count) +
                             " outputs: write a .npz file");
  std::vector<std::string> names;
  for (int32_t i = 0; i < info.input_count; ++i)
    names.push_back(info.inputs[i].name);
  Expected<ArrayFile> file = readArrayFile(options.input, names);
  if (!file)
    return file.takeError();
  Expected<std::vector<Array>> inputs = takeInputs(info, *file, options.input);
  if (!inputs)
    return inputs.takeError();
  Expected<std::vector<int64_t>> dims = findDims(info, *inputs);
  if (!dims)
    return dims.takeError();
  for (auto [i, input] : enumerate(*inputs))
    if (Error error = convertExactly(input, static_cast<DType>(info.inputs[i].dtype), "input '" + names[i] + "'"))
      return error;

  if (Error error = library->create(options.weights))
    return error;
  if (Error error = library->setThreads(options.threads))
    return error;
  Expected<std::vector<Array>> outputs = library->makeOutputs(*dims);
  if (!outputs)
    return outputs.takeError();
  std::vector<const void *> inputPointers;
  for (const Array &input : *inputs)
    inputPointers.push_back(input.data.data());
  std::vector<void *> outputPointers;
  for (Array &output : *outputs)
    outputPointers.push_back(output.data.data());
  if (Error error = library->run(inputPointers, *dims, outputPointers))
    return error;

  std::vector<std::pair<std::string, const Array *>> results;
  for (auto [i, output] : enumerate(*outputs)) {
    if (output.dtype == DType::BFloat16) // which NumPy has not
      cantFail(convertExactly(output, DType::Float32, ""));
    results.emplace_back(info.outputs[i].name, &output);
  }
  return writeArrayFile(options.output, results);
}

} // namespace sylvite
