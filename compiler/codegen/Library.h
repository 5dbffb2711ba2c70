// Writing a compiled model: NAME.o, libNAME.a, libNAME.so, NAME.h and, when asked for, a weights file.
//
// The input is what the passes end with: the host program as an LLVM module, the kernels as object files,
// and a description of the model. This is the only entry point; HostObject, Linker, Weights and Header are
// its parts. Kernels are compiled elsewhere (the Halide translator), and nothing here knows Halide.
#ifndef SYLVITE_COMPILER_CODEGEN_LIBRARY_H
#define SYLVITE_COMPILER_CODEGEN_LIBRARY_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/MemoryBufferRef.h"
#include <cstdint>
#include <string>
#include <vector>

namespace llvm {
class Module;
class raw_ostream;
} // namespace llvm

namespace sylvite {

/// Element types of tensors at the borders of a model, numbered as enum sylvite_dtype of the C API.
enum class DType : int32_t {
  Float32 = 0,
  Float64 = 1,
  Float16 = 2,
  BFloat16 = 3,
  Int8 = 4,
  Int16 = 5,
  Int32 = 6,
  Int64 = 7,
  UInt8 = 8,
  UInt16 = 9,
  UInt32 = 10,
  UInt64 = 11,
  Bool = 12
};

uint64_t getSizeInBytes(DType dtype);
llvm::StringRef getSafetensorsName(DType dtype); // "F32"
llvm::StringRef getNumpyName(DType dtype);       // "float32"
llvm::StringRef getCName(DType dtype);           // "float"

/// A size that is free dimension `k` of the entry.
constexpr int64_t freeDim(int64_t k) { return -1 - k; }
/// A size of an output that only the host program's function ENTRY_output_shapes knows.
constexpr int64_t derivedDim = INT64_MIN;

struct TensorInfo {
  std::string name;
  DType dtype = DType::Float32;
  llvm::SmallVector<int64_t> shape; // a size, freeDim(k), or derivedDim
  int64_t classes = 0; // the elements (int32) number so many classes, from zero on; 0: they do not
};

/// Who may change a parameter, numbered as enum sylvite_role of the C API.
enum class Role : int32_t {
  Constant = 0,     // nobody: all handles share it
  Variable = 1,     // training; every handle has its own
  TrainingState = 2 // training, of which it is a part: what the optimizer keeps, counters, the learning rate
};

/// A tensor that the host program reads, and may change, as `parameters[i]`.
struct ParameterInfo {
  TensorInfo tensor;
  bool trainable = false;
  Role role = Role::Constant;
  /// Row-major, little-endian; owned by the caller until the library is written.
  llvm::ArrayRef<char> data;
  bool isLookedUp = false; ///< kernels read no other elements of it than those that data choose

  bool isZeroAtFirst() const { return role != Role::Constant && data.empty(); }
};

struct KernelInfo {
  std::string name;
  std::string layers; // names of the layers it runs, separated by "; "
  double flops = 0, flopsPerItem = 0;
  double bytes = 0, bytesPerItem = 0;
  unsigned readCount = 0, writeCount = 0; // tensors, which are its arguments in this order
};

/// Which way a loop goes through its sequences, numbered as enum sylvite_direction of the C API.
enum class Direction : int32_t { Forward = 0, Backward = 1, Mixed = 2, IfTrue = 3, IfFalse = 4, Microbatch = 5 };

/// A loop of the host program over steps, a branch of it, of one step, or a batch computed in parts.
struct LoopInfo {
  std::string layers; // as a kernel's
  int64_t steps = 0;  // a size, freeDim(k), or derivedDim; of a microbatch, the most items in a part
  Direction direction = Direction::Forward;
  unsigned firstKernel = 0, kernelCount = 0; // in LibraryDescription::kernels
};

/// A function of the host program that callers call: `forward`, and in a library that trains `train_step`,
/// `evaluate`, `gradients`.
struct EntryInfo {
  std::string name;
  llvm::SmallVector<std::string> dims;
  llvm::SmallVector<TensorInfo> inputs, outputs;
  unsigned firstKernel = 0, kernelCount = 0; // in LibraryDescription::kernels
  llvm::SmallVector<LoopInfo> loops{};       // those inside of another follow it
  std::vector<std::string> constraints{};    // "layer 'add' needs x_1 = 64": on the free dimensions, checked before a call
  llvm::SmallVector<int64_t> leastDims{};    // zero or one: what each of `dims` must be at least; one where there is none

  int64_t leastDim(size_t dim) const { return dim < leastDims.size() ? leastDims[dim] : 1; }
};

struct LibraryDescription {
  std::string model;  // the model's own name
  std::string target; // Halide's target string, resolved (never "host")
  std::vector<EntryInfo> entries; // `forward` first; all others take the same free dimensions
  llvm::SmallVector<ParameterInfo> parameters;
  llvm::SmallVector<KernelInfo> kernels; // kernel_index of sylvite_launch counts in this list
  llvm::SmallVector<TensorInfo> states;  // what a handle keeps from call to call
  uint64_t stateBytes = 0;               // of all of them, aligned
  int32_t learningRate = -1;             // the parameter that set_learning_rate sets, if any
  int64_t modelParameters = 0;           // scalars in the parameters of the model as imported

  const EntryInfo &forward() const { return entries.front(); }
  bool trains() const { return entries.size() > 1; }
};

struct LibraryOptions {
  std::string directory = "."; // created when missing
  std::string name;            // a C identifier, see sanitizeName
  bool externalWeights = false; // NAME.weights.safetensors beside the library
  bool singleThreaded = false;  // a runtime without thread pool and pthread
  bool object = false, archive = true, shared = true, header = true;
};

/// The C identifier for a model of any name: characters other than letters, digits and underscores become
/// underscores, leading underscores are dropped, a leading digit gets the prefix `model_`, and a keyword of C
/// or C++, as well as an empty result, the suffix or word `_model`.
std::string sanitizeName(llvm::StringRef name);

/// Adds the program descriptor and the exported functions to the host program, and optimizes it. For every
/// entry `host` has the functions ENTRY, ENTRY_arena_bytes and ENTRY_output_shapes, and where there are constraints
/// ENTRY_violated, with the signatures of runtime/program.h.
llvm::Error finishHostModule(llvm::Module &host, const LibraryDescription &description,
                             const LibraryOptions &options);

enum class HostFormat { LLVM, Assembly, Object };

/// Writes a finished host module as text or object code.
llvm::Error emitHost(llvm::Module &host, HostFormat format, llvm::raw_ostream &out);

/// Writes what `options` asks for. `host` is not finished yet. All files appear under their names only when
/// all are complete; on failure none does.
llvm::Error writeLibrary(llvm::Module &host, const LibraryDescription &description,
                         llvm::ArrayRef<llvm::MemoryBufferRef> kernelObjects,
                         const LibraryOptions &options);

} // namespace sylvite

#endif
