// From a halide.pipeline to calls of Halide's API, one to one. The MLIR side of the facade in
// HalideBuilder.h.
#ifndef SYLVITE_COMPILER_CODEGEN_TRANSLATE_H
#define SYLVITE_COMPILER_CODEGEN_TRANSLATE_H

#include "compiler/codegen/HalideBuilder.h"
#include "dialects/halide/HalideDialect.h"

#include <optional>
#include <string>

namespace sylvite {

/// What went wrong in a translation, and where. Kept as data, since kernels are translated on
/// several threads and reported in their own order.
struct TranslationError {
  mlir::Location location;
  std::string message;
};

/// Builds the pipeline in `builder`: algorithm and schedule. Reads IR only.
std::optional<TranslationError> translatePipeline(halide::PipelineOp pipeline,
                                                  HalideBuilder &builder);

} // namespace sylvite

#endif // SYLVITE_COMPILER_CODEGEN_TRANSLATE_H
