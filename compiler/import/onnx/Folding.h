//===- Folding.h - Computing known elements at import ---------------------===//
//
// What the operators that take part in shape arithmetic share: element-by-element evaluation with broadcasting on
// tensors whose elements are known.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_COMPILER_IMPORT_ONNX_FOLDING_H
#define SYLVITE_COMPILER_IMPORT_ONNX_FOLDING_H

#include "compiler/import/onnx/NodeBuilder.h"

namespace sylvite::onnx {

/// The element of the result; nothing when it cannot be said.
using FoldFunction = llvm::function_ref<std::optional<Scalar>(llvm::ArrayRef<Scalar>)>;

/// Gives the node the elements that `function` computes from those of all inputs, broadcast, as `type`. Does nothing
/// when an input is not known, there are fewer than `least`, or `function` gives none.
void foldElements(NodeBuilder &b, Type type, FoldFunction function, unsigned least = 1);

/// Gives the node the elements of input 0 at `positions`, as a tensor of `shape`.
void foldMovement(NodeBuilder &b, llvm::ArrayRef<int64_t> shape,
                  llvm::function_ref<int64_t(llvm::ArrayRef<int64_t>)> position);

/// Calls `function` with each index of `shape`, row-major.
void forEachIndex(llvm::ArrayRef<int64_t> shape, llvm::function_ref<void(llvm::ArrayRef<int64_t>)> function);

/// The position of `index` in a row-major tensor of `shape`.
int64_t positionOf(llvm::ArrayRef<int64_t> index, llvm::ArrayRef<int64_t> shape);

inline Scalar integerScalar(mlir::AffineExpr value) { return {value, 0}; }
inline Scalar numberScalar(double value) { return {mlir::AffineExpr(), value}; }

/// `scalar` as an element of `type`; nothing when `type` cannot hold an expression of free dimensions.
std::optional<Scalar> castKnown(Scalar scalar, Type type);

} // namespace sylvite::onnx

#endif // SYLVITE_COMPILER_IMPORT_ONNX_FOLDING_H
