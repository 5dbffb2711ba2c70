// sylvite run: calls a library on arrays from a file and writes its outputs to another.
#include "compiler/tools/Commands.h"
#include "compiler/tools/EntryInputs.h"
#include "compiler/tools/LoadedLibrary.h"
#include "llvm/ADT/STLExtras.h"

using namespace llvm;

namespace sylvite {

Error runLibrary(const RunOptions &options) {
  Expected<LoadedLibrary> library = LoadedLibrary::load(options.library);
  if (!library)
    return library.takeError();
  Expected<int32_t> index = library->findEntry(options.entry);
  if (!index)
    return index.takeError();
  const sylvite_entry &entry = library->entry(*index);
  if (StringRef(options.output).ends_with(".npy") && entry.output_count != 1)
    return createStringError("a .npy file holds one array; the model has " + Twine(entry.output_count) +
                             " outputs: write a .npz file");
  Expected<std::vector<Array>> inputs = readInputs(entry, options.input);
  if (!inputs)
    return inputs.takeError();
  Expected<std::vector<int64_t>> dims = findDims(entry, *inputs);
  if (!dims)
    return dims.takeError();

  if (Error error = library->create(options.weights))
    return error;
  if (Error error = library->setThreads(options.threads))
    return error;
  Expected<std::vector<Array>> outputs = library->makeOutputs(*index, *dims);
  if (!outputs)
    return outputs.takeError();
  std::vector<const void *> inputPointers;
  for (const Array &input : *inputs)
    inputPointers.push_back(input.data.data());
  std::vector<void *> outputPointers;
  for (Array &output : *outputs)
    outputPointers.push_back(output.data.data());
  if (Error error = library->run(*index, inputPointers, *dims, outputPointers))
    return error;

  std::vector<std::pair<std::string, const Array *>> results;
  for (auto [i, output] : enumerate(*outputs)) {
    if (output.dtype == DType::BFloat16) // which NumPy has not
      cantFail(convertExactly(output, DType::Float32, ""));
    results.emplace_back(entry.outputs[i].name, &output);
  }
  return writeArrayFile(options.output, results);
}

} // namespace sylvite
