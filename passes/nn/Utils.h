//===- Utils.h - what the passes on nn share --------------------*- C++ -*-===//
//
// Questions about values of a model that more than one pass asks.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_PASSES_NN_UTILS_H
#define SYLVITE_PASSES_NN_UTILS_H

#include "mlir/IR/PatternMatch.h"

namespace sylvite {

/// Whether `value` is computed from parameters alone, by nn ops.
bool dependsOnParametersOnly(mlir::Value value);

/// `value`, `(N, spatial..., C)`, with zeros around its spatial dimensions; itself where there are none to add.
mlir::Value padSpatial(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value value,
                       llvm::ArrayRef<int64_t> low, llvm::ArrayRef<int64_t> high);

/// Patterns that move transposes below the ops that read them, until they cancel.
void populateSinkTransposes(mlir::RewritePatternSet &patterns);

} // namespace sylvite

#endif // SYLVITE_PASSES_NN_UTILS_H
