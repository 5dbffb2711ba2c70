//===- KerasImport.h - Keras models to the nn dialect ---------------------===//
//
// What the importers' entry calls for a Keras file.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_COMPILER_IMPORT_KERAS_KERASIMPORT_H
#define SYLVITE_COMPILER_IMPORT_KERAS_KERASIMPORT_H

#include "compiler/import/Bytes.h"
#include "compiler/import/Import.h"

namespace sylvite::keras {

/// True for the first bytes of a zip archive, an HDF5 file or a JSON object.
bool isKerasModel(Bytes contents);

/// See importModel; `options.name` is the module's name.
mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>> importKeras(mlir::MLIRContext &context,
                                                                const ImportOptions &options,
                                                                FileBuffer contents,
                                                                FileBuffer weights);

} // namespace sylvite::keras

#endif // SYLVITE_COMPILER_IMPORT_KERAS_KERASIMPORT_H
