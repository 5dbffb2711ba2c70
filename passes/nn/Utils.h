//===- Utils.h - what the passes on nn share --------------------*- C++ -*-===//
//
// Questions about values of a model that more than one pass asks.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_PASSES_NN_UTILS_H
#define SYLVITE_PASSES_NN_UTILS_H

#include "mlir/IR/Value.h"

namespace sylvite {

/// Whether `value` is computed from parameters alone, by nn ops.
bool dependsOnParametersOnly(mlir::Value value);

} // namespace sylvite

#endif // SYLVITE_PASSES_NN_UTILS_H
