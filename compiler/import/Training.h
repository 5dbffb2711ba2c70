//===- Training.h - what a model is trained with --------------------------===//
//
// Loss, metrics and optimizer as the module's attribute `nn.training`, from the two places they are given in: the
// compile_config of a Keras file, and a user's options, which take precedence. Names and options are checked by
// nn-train, which knows them; here they only get one spelling.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_COMPILER_IMPORT_TRAINING_H
#define SYLVITE_COMPILER_IMPORT_TRAINING_H

#include "compiler/import/Json.h"
#include "compiler/import/TrainingOptions.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Support/LLVM.h"
#include <string>

namespace sylvite {

/// The attribute that Keras's `config` asks for, null where it compiles nothing; `outputs` are the names of the
/// model's outputs. Fails, with a diagnostic, for what has no place in it.
mlir::FailureOr<mlir::DictionaryAttr> readCompileConfig(mlir::MLIRContext *context, const Json &config,
                                                        llvm::ArrayRef<std::string> outputs);

/// Applies `options` to `module`, which may have the attribute already. Fails, with a diagnostic, for text of another
/// form and for names that the model does not have.
mlir::LogicalResult configureTraining(mlir::ModuleOp module, const TrainingOptions &options);

} // namespace sylvite

#endif // SYLVITE_COMPILER_IMPORT_TRAINING_H
