// The compiler as one call: from a model's file to the files of a library, or to what a phase in between
// makes of it. The command line is one caller; nothing here parses options or knows about terminals.
#ifndef SYLVITE_COMPILER_DRIVER_COMPILE_H
#define SYLVITE_COMPILER_DRIVER_COMPILE_H

#include "compiler/codegen/Library.h"
#include "compiler/import/TrainingOptions.h"
#include "llvm/Support/LogicalResult.h"
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace sylvite {

/// What a compilation writes. The first five are text of one phase, and go to one file or standard output.
enum class Emit {
  NN,       // the model after import
  Halide,   // scheduled kernels
  Stmt,     // Halide's statements of all kernels
  LLVM,     // the host program
  Assembly, // the host program and all kernels
  Object,   // NAME.o
  Archive,  // libNAME.a
  Shared,   // libNAME.so
  Header,   // NAME.h
  Library   // libNAME.a, libNAME.so and NAME.h
};

struct CompileOptions {
  std::string model;   // .keras, Keras JSON, or .onnx
  std::string weights; // .weights.h5 or .safetensors for a model that carries none
  std::vector<std::string> shapes; // sizes of inputs: "image=?x224x224x3"
  uint64_t seed = 0;   // of initial weights, where the model has none, and of what training draws
  std::string name;    // prefix of the library's functions; empty: from the model's file name
  std::string target = "native"; // Halide's target string
  Emit emit = Emit::Library;
  std::string output = "."; // directory; for text a file, or "-" for standard output
  bool externalWeights = false;
  std::optional<TrainingOptions> training; ///< adds train_step, evaluate and gradients to the library
  /// Bytes that the workspace of a call with `items` items may take: values are computed again to fit.
  struct MemoryBudget {
    int64_t bytes, items;
  };
  std::optional<MemoryBudget> memoryBudget;
  bool remarks = false; ///< report what was fused and how contractions are computed, and why not otherwise
  bool exact = false; ///< convolutions by their definition only
  bool singleThreaded = false;
  bool printAfterAll = false; // the IR after every pass, to standard error
  bool time = false;          // a table of passes and kernels, to standard error
  unsigned jobs = 0;          // kernels compiled at once; 0: one per processor

  /// Called now and then from any one thread at a time: what is being done, and how much of it is done of how
  /// much; `total` is 0 when that is not known. An empty phase means that something will be printed now.
  std::function<void(llvm::StringRef phase, size_t done, size_t total)> progress;
};

/// Parses "64MB" or "64MiB@32", bytes and items of a call, 32 where they are not given.
std::optional<CompileOptions::MemoryBudget> parseMemoryBudget(llvm::StringRef text);

/// Compiles. On failure one diagnostic has gone to standard error and no output file exists.
llvm::LogicalResult compileModel(const CompileOptions &options);

/// Bytes of a call's arena for one item and for many; and what lives at once for one item, below which no plan gets, if that is known.
struct WorkspaceSize {
  static constexpr int64_t kMany = 32;
  int64_t bytes = 0, bytesOfMany = 0, liveBytes = 0;
};

/// What `sylvite inspect MODEL` shows: the description that a library would have, and its memory.
struct ModelSummary {
  LibraryDescription description; // `data` of parameters may be gone; their shapes hold
  uint64_t weightsBytes = 0;
  llvm::SmallVector<WorkspaceSize> workspaces; // one per entry
};

/// Compiles as far as the memory plan, without code. Only `model`, `weights`, `name` and `target` matter.
llvm::FailureOr<ModelSummary> inspectModel(const CompileOptions &options);

} // namespace sylvite

#endif
