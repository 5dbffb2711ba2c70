// A compiled library, loaded into this process and called through the part of its C API that is the same for
// every model.
#ifndef SYLVITE_COMPILER_TOOLS_LOADEDLIBRARY_H
#define SYLVITE_COMPILER_TOOLS_LOADEDLIBRARY_H

#include "compiler/tools/NumpyFile.h"
#include "runtime/sylvite.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <string>

namespace sylvite {

/// A handle of the model in a library.
class LoadedLibrary {
public:
  /// Loads a shared library and finds the model's prefix among its symbols.
  static llvm::Expected<LoadedLibrary> load(llvm::StringRef path);
  LoadedLibrary(LoadedLibrary &&other);
  ~LoadedLibrary();

  const sylvite_info &info() const { return *description; }
  llvm::ArrayRef<sylvite_entry> entries() const {
    return {description->entries, size_t(description->entry_count)};
  }
  const sylvite_entry &entry(int32_t index) const { return description->entries[index]; }
  /// The index of an entry, by its name.
  llvm::Expected<int32_t> findEntry(llvm::StringRef name) const;

  /// Makes the handle, in place of any before; `weights` may be empty. It allocates a workspace of its own unless it gets one, aligned
  /// to 64 bytes, which must live as long as the handle.
  llvm::Error create(const std::string &weights, llvm::MutableArrayRef<char> workspace = {});
  llvm::Error setThreads(int threads);
  int getThreads() const { return threads(); }
  /// Loops of kernels run in `function`, or in the library's own pool where that is null.
  void setParallelFor(sylvite_parallel_for function, void *state) { setParallelForFunction(function, state); }
  uint64_t workspaceSize(int32_t entry, llvm::ArrayRef<int64_t> dims) const;
  llvm::Expected<std::vector<int64_t>> outputShape(int32_t entry, int32_t output,
                                                   llvm::ArrayRef<int64_t> dims) const;
  llvm::Error run(int32_t entry, llvm::ArrayRef<const void *> inputs, llvm::ArrayRef<int64_t> dims,
                  llvm::ArrayRef<void *> outputs);
  // Of a library that trains.
  llvm::Error saveCheckpoint(const std::string &path, const std::string &note);
  /// Returns the note.
  llvm::Expected<std::string> loadCheckpoint(const std::string &path);
  /// NaN when it follows a schedule.
  float getLearningRate() const { return learningRate(model); }
  llvm::Error setLearningRate(float rate);
  /// A run then fails at the first layer that computes a NaN, and names it.
  llvm::Error setChecks(bool enabled);
  llvm::Error setProfile(bool enabled);
  llvm::Expected<sylvite_profile> readProfile(int32_t kernel) const;

  /// Outputs of the right shapes for these free dimensions, zeroed.
  llvm::Expected<std::vector<Array>> makeOutputs(int32_t entry, llvm::ArrayRef<int64_t> dims) const;

private:
  LoadedLibrary() = default;
  LoadedLibrary(const LoadedLibrary &) = default; // for moving: only one may own
  llvm::Error failure(int status) const;

  std::string path, prefix;
  void *library = nullptr;
  struct Model;
  Model *model = nullptr;
  const sylvite_info *description = nullptr;

  // NAME_<suffix> of the library.
  Model *(*createFunction)(const sylvite_options *) = nullptr;
  void (*destroy)(Model *) = nullptr;
  int (*runFunction)(Model *, const void *const *, const int64_t *, void *const *) = nullptr;
  const char *(*lastError)(const Model *) = nullptr;
  size_t (*runWorkspaceSize)(const int64_t *) = nullptr;
  int (*outputShapeFunction)(int32_t, const int64_t *, int64_t *) = nullptr;
  int (*setThreadsFunction)(int) = nullptr;
  int (*threads)(void) = nullptr;
  void (*setParallelForFunction)(sylvite_parallel_for, void *) = nullptr;
  int (*setProfileFunction)(Model *, int) = nullptr;
  int (*profile)(const Model *, int32_t, sylvite_profile *) = nullptr;
  // Only in a library with more entries than `forward`.
  int (*runEntryFunction)(Model *, int32_t, const void *const *, const int64_t *, void *const *) = nullptr;
  size_t (*entryWorkspaceSize)(int32_t, const int64_t *) = nullptr;
  int (*entryOutputShape)(int32_t, int32_t, const int64_t *, int64_t *) = nullptr;
  int (*saveCheckpointFunction)(Model *, const char *, const char *) = nullptr;
  int (*loadCheckpointFunction)(Model *, const char *, char *, size_t) = nullptr;
  int (*setLearningRateFunction)(Model *, float) = nullptr;
  int (*setChecksFunction)(Model *, int) = nullptr;
  float (*learningRate)(const Model *) = nullptr;
};

} // namespace sylvite

#endif
