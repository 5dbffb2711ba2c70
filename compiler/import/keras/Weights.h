//===- Weights.h - Where the values of a model's variables come from ------===//
//
// One interface over the files that hold a Keras model's weights: model.weights.h5 (Keras 3), HDF5 files of
// Keras 2's layout, safetensors, and no file at all, where the initializers in the configuration speak. It
// finds and checks variables and turns them into resource blobs, without copying where the file's bytes can
// serve as they are.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_COMPILER_IMPORT_KERAS_WEIGHTS_H
#define SYLVITE_COMPILER_IMPORT_KERAS_WEIGHTS_H

#include "compiler/import/Bytes.h"
#include "compiler/import/keras/ModelGraph.h"
#include "mlir/IR/AsmState.h"
#include <optional>

namespace sylvite::keras {

/// A variable as its layer declares it.
struct Variable {
  std::string name;               // "kernel"
  llvm::SmallVector<int64_t> shape;
  unsigned index;                 // its place in the layer: trainable variables first
  std::string part;               // attribute path of the part of the layer that owns it: "", "cell"
  const Json *initializer;        // for a model without weights
  uint64_t seed = 0;              // of the initializer
};

/// Numbers as some file stores them.
struct StoredTensor {
  enum Kind { Float, BFloat, Signed, Unsigned } kind = Float;
  unsigned elementSize = 4; // bytes
  bool bigEndian = false;
  llvm::SmallVector<int64_t> shape;
  Bytes data;
};

/// "(?, 7, 8)".
std::string shapeText(llvm::ArrayRef<int64_t> shape);

class WeightSource {
public:
  virtual ~WeightSource() = default;

  /// The stored value of a variable; nothing when the file lacks it.
  virtual llvm::Expected<std::optional<StoredTensor>> find(const Layer &layer,
                                                           const Variable &variable) = 0;
  /// How many variables the file holds for (a part of) a layer; nothing when it cannot be said.
  virtual llvm::Expected<std::optional<unsigned>> count(const Layer &layer, llvm::StringRef part) = 0;
  /// Where `find` looks, for diagnostics: "'layers/dense/vars/0' of model.weights.h5".
  virtual std::string place(const Layer &layer, const Variable &variable) = 0;

  /// Opens the weights in `contents`, by their first bytes; they are part of `file`, called `name`.
  static llvm::Expected<std::unique_ptr<WeightSource>> open(FileBuffer file, Bytes contents,
                                                            std::string name);

  /// The float32 values of `variable` as a blob. They are slices of the file where that is possible;
  /// `source` null means that the variable's initializer gives them.
  static llvm::Expected<mlir::AsmResourceBlob> read(WeightSource *source, const Layer &layer,
                                                    const Variable &variable);

protected:
  FileBuffer file;
  std::string fileName;
};

} // namespace sylvite::keras

#endif // SYLVITE_COMPILER_IMPORT_KERAS_WEIGHTS_H
