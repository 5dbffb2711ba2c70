//===- Differentiate.h - reverse-mode gradients -----------------*- C++ -*-===//
//
// The engine behind nn-differentiate and nn-train: walks a block of nn ops backwards and adds up what each op's
// rule (DifferentiableOpInterface) gives. Loops are differentiated here, because a loop's gradient is a loop
// around the gradient of its body.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_PASSES_NN_DIFFERENTIATE_H
#define SYLVITE_PASSES_NN_DIFFERENTIATE_H

#include "dialects/nn/NN.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/MapVector.h"

namespace sylvite {

/// A value and the gradient of the scalar that is differentiated with respect to it.
using Seed = std::pair<mlir::Value, mlir::Value>;

/// Builds, at the end of what `builder`'s block holds so far, the gradients of `wanted`, of their types; null for
/// a value on which no seed depends. Only ops between `wanted` and the seeds are differentiated: what is frozen
/// costs nothing. Loops that are passed through are replaced by loops that also record what their gradients
/// need. Fails, with a diagnostic at the op, where an op has no gradient.
mlir::FailureOr<llvm::SmallVector<mlir::Value>>
differentiate(mlir::OpBuilder &builder, llvm::ArrayRef<Seed> seeds, mlir::ValueRange wanted);

/// Leaves one read of each parameter in `function`, and returns them by name. Gradients of all reads then meet.
llvm::MapVector<mlir::StringAttr, mlir::Value> readParametersOnce(mlir::func::FuncOp function);

/// Removes ops of `block`, of those that follow `after` where it is given, whose results nobody reads.
void eraseDeadOps(mlir::Block &block, mlir::Operation *after = nullptr);

} // namespace sylvite

#endif // SYLVITE_PASSES_NN_DIFFERENTIATE_H
