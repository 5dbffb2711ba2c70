//===- Import.h - Models from files ---------------------------------------===//
//
// The importers' only entry: a model file becomes a module of the nn dialect. What kind of file it is is
// decided by its contents, not its name, but for the text of such a module (.mlir), which is for those who work on
// the compiler.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_COMPILER_IMPORT_IMPORT_H
#define SYLVITE_COMPILER_IMPORT_IMPORT_H

#include "llvm/ADT/SmallVector.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Support/LLVM.h"
#include <string>
#include <utility>
#include <vector>

namespace sylvite {

struct ImportOptions {
  /// The model: a Keras archive (.keras), Keras JSON, a whole-model HDF5 file of Keras 2, or an ONNX model.
  std::string path;
  /// Weights for a model that comes as JSON: HDF5 or safetensors. Without it the initializers in the
  /// JSON give every variable its value.
  std::string weightsPath;
  /// Shapes for inputs, by name, the batch included, -1 where the size stays free.
  std::vector<std::pair<std::string, llvm::SmallVector<int64_t>>> shapes;
  /// The name of the module; empty takes the file's.
  std::string name;
  /// What else than names decides the values that initializers draw.
  uint64_t seed = 0;
  /// Whether the module is to be trained: it keeps what the file says of training (`nn.training`).
  bool training = false;
};

/// Parses "image=?x224x224x3", the form of ImportOptions::shapes on command lines.
mlir::FailureOr<std::pair<std::string, llvm::SmallVector<int64_t>>> parseShape(llvm::StringRef text);

/// Imports the model at `options.path`. The module holds one `nn.parameter` per variable and a function
/// `forward`; parameters may refer to the mapped file, which they keep alive. Whatever is wrong with the
/// files is reported as one diagnostic of `context`, which names the layer, the attribute, the value
/// found and what is supported.
mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>> importModel(mlir::MLIRContext &context,
                                                                const ImportOptions &options);

/// The same for a model in memory; `contents` and `weights` (null: none) are named as the paths in
/// `options` say.
mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>>
importModel(mlir::MLIRContext &context, const ImportOptions &options,
            std::shared_ptr<llvm::MemoryBuffer> contents,
            std::shared_ptr<llvm::MemoryBuffer> weights);

} // namespace sylvite

#endif // SYLVITE_COMPILER_IMPORT_IMPORT_H
