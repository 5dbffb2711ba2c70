//===- OnnxImport.h - ONNX models to the nn dialect -----------------------===//
//
// The entry of the ONNX importer, called by importModel alone.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_COMPILER_IMPORT_ONNX_ONNXIMPORT_H
#define SYLVITE_COMPILER_IMPORT_ONNX_ONNXIMPORT_H

#include "compiler/import/Bytes.h"
#include "compiler/import/Import.h"

namespace sylvite::onnx {

/// Whether the file may be an ONNX model; importing it says what is wrong with it otherwise.
bool isOnnxModel(Bytes contents);

/// See importModel. The module keeps `contents` and files of external data alive.
mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>>
importOnnx(mlir::MLIRContext &context, const ImportOptions &options, FileBuffer contents);

} // namespace sylvite::onnx

#endif // SYLVITE_COMPILER_IMPORT_ONNX_ONNXIMPORT_H
