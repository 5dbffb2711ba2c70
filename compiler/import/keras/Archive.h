//===- Archive.h - The parts of a Keras model's files ---------------------===//
//
// Takes the files that a Keras model comes in (a .keras zip, JSON beside weights, a whole-model HDF5) apart
// into the configuration and the source of the weights. It understands neither.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_COMPILER_IMPORT_KERAS_ARCHIVE_H
#define SYLVITE_COMPILER_IMPORT_KERAS_ARCHIVE_H

#include "compiler/import/Json.h"
#include "compiler/import/keras/Weights.h"

namespace sylvite::keras {

struct Archive {
  Json config;
  std::unique_ptr<WeightSource> weights; // null: the initializers in the configuration
};

/// Opens the model in `contents`, with the weights in `weights` (null: those of the model). The names
/// are for messages.
llvm::Expected<Archive> openArchive(FileBuffer contents, llvm::StringRef name, FileBuffer weights,
                                    llvm::StringRef weightsName);

} // namespace sylvite::keras

#endif // SYLVITE_COMPILER_IMPORT_KERAS_ARCHIVE_H
