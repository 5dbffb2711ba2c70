// sylvite run: calls a library on arrays from a file and writes its outputs to another.
#include "compiler/tools/Commands.h"
#include "compiler/tools/EntryInputs.h"
#include "compiler/tools/GuardedMemory.h"
#include "compiler/tools/LoadedLibrary.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVectorExtras.h"

#include <atomic>
#include <thread>

using namespace llvm;

namespace sylvite {

static constexpr size_t workspaceAlignment = 64; // of sylvite_options

/// Copies of what `arrays` hold, each in guarded memory.
static Expected<std::vector<GuardedMemory>> guard(ArrayRef<Array> arrays) {
  std::vector<GuardedMemory> copies;
  for (const Array &array : arrays) {
    Expected<GuardedMemory> memory = GuardedMemory::allocate(array.data.size(), getSizeInBytes(array.dtype));
    if (!memory)
      return memory.takeError();
    llvm::copy(array.data, memory->bytes().begin());
    copies.push_back(std::move(*memory));
  }
  return copies;
}

/// A parallel loop on as many threads as `state` says. Unlike the library's pool it shares all loops, however short.
static int runOnThreads(void *state, int (*task)(void *, int64_t), void *data, int64_t count) {
  int64_t threads = std::min<int64_t>(*static_cast<int *>(state), count);
  std::atomic<int> result = 0;
  auto runFrom = [&](int64_t first) {
    for (int64_t i = first; i < count && result == 0; i += threads)
      if (int failure = task(data, i))
        result = failure;
  };
  std::vector<std::thread> others;
  for (int64_t first = 1; first < threads; ++first)
    others.emplace_back(runFrom, first);
  runFrom(0);
  for (std::thread &other : others)
    other.join();
  return result;
}

/// Makes the handle and runs an entry, with inputs, outputs and workspace in guarded memory, and all tasks of loops on threads.
static Error runGuarded(LoadedLibrary &library, const std::string &weights, int32_t entry, ArrayRef<Array> inputs,
                        ArrayRef<int64_t> dims, MutableArrayRef<Array> outputs) {
  Expected<std::vector<GuardedMemory>> in = guard(inputs);
  if (!in)
    return in.takeError();
  Expected<std::vector<GuardedMemory>> out = guard(outputs);
  if (!out)
    return out.takeError();
  Expected<GuardedMemory> workspace = GuardedMemory::allocate(library.workspaceSize(entry, dims), workspaceAlignment);
  if (!workspace)
    return workspace.takeError();
  if (Error error = library.create(weights, workspace->bytes()))
    return error;
  auto startOf = [](const GuardedMemory &memory) -> void * { return memory.bytes().data(); };
  SmallVector<const void *> inputPointers(map_range(*in, startOf));
  SmallVector<void *> outputPointers = map_to_vector(*out, startOf);
  int threads = library.getThreads();
  library.setParallelFor(threads > 1 ? runOnThreads : nullptr, &threads);
  Error error = library.run(entry, inputPointers, dims, outputPointers);
  library.setParallelFor(nullptr, nullptr);
  if (error)
    return error;
  for (auto [memory, output] : llvm::zip(*out, outputs))
    llvm::copy(memory.bytes(), output.data.begin());
  return Error::success();
}

/// Makes the handle and runs an entry.
static Error run(LoadedLibrary &library, const std::string &weights, int32_t entry, ArrayRef<Array> inputs,
                 ArrayRef<int64_t> dims, MutableArrayRef<Array> outputs) {
  if (Error error = library.create(weights))
    return error;
  SmallVector<const void *> inputPointers =
      map_to_vector(inputs, [](const Array &input) -> const void * { return input.data.data(); });
  SmallVector<void *> outputPointers = map_to_vector(outputs, [](Array &output) -> void * { return output.data.data(); });
  return library.run(entry, inputPointers, dims, outputPointers);
}

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

  if (Error error = library->setThreads(options.threads))
    return error;
  Expected<std::vector<Array>> outputs = library->makeOutputs(*index, *dims);
  if (!outputs)
    return outputs.takeError();
  if (Error error = (options.guard ? runGuarded : run)(*library, options.weights, *index, *inputs, *dims, *outputs))
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
