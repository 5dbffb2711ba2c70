//===- Operators.h - The table of ONNX operators --------------------------===//
//
// A row per operator and range of operator sets: its name and the function that turns a node into nn ops. Adding
// an operator is adding a row to its family's table. Families are those of the dialect, one file each.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_COMPILER_IMPORT_ONNX_OPERATORS_H
#define SYLVITE_COMPILER_IMPORT_ONNX_OPERATORS_H

#include "compiler/import/ScalarMath.h"
#include "compiler/import/onnx/NodeBuilder.h"

namespace sylvite::onnx {

/// The operator sets of the default domain that are supported.
constexpr int64_t kOldestOpset = 6, kNewestOpset = 28;

struct OperatorRow {
  llvm::StringLiteral name; // with its domain, unless it is the default one
  int64_t since, until;     // operator sets, both included
  void (*build)(NodeBuilder &);
  /// Computes the results at import when the elements of inputs are known; gives no results when it cannot.
  void (*fold)(NodeBuilder &) = nullptr;
};
constexpr int64_t kNewest = INT64_MAX; // `until` of a row that serves the newest operator set

struct OperatorFamily {
  llvm::StringLiteral title;
  llvm::ArrayRef<OperatorRow> rows;
};

llvm::ArrayRef<OperatorRow> attentionOperators();
llvm::ArrayRef<OperatorRow> borderOperators();
llvm::ArrayRef<OperatorRow> constantOperators();
llvm::ArrayRef<OperatorRow> contributedAttentionOperators();
llvm::ArrayRef<OperatorRow> contributedOperators();
llvm::ArrayRef<OperatorRow> controlOperators();
llvm::ArrayRef<OperatorRow> convOperators();
llvm::ArrayRef<OperatorRow> denseOperators();
llvm::ArrayRef<OperatorRow> gridOperators();
llvm::ArrayRef<OperatorRow> indexOperators();
llvm::ArrayRef<OperatorRow> joinOperators();
llvm::ArrayRef<OperatorRow> learningOperators();
llvm::ArrayRef<OperatorRow> lossOperators();
llvm::ArrayRef<OperatorRow> normOperators();
llvm::ArrayRef<OperatorRow> pointwiseOperators();
llvm::ArrayRef<OperatorRow> poolOperators();
llvm::ArrayRef<OperatorRow> quantizeOperators();
llvm::ArrayRef<OperatorRow> recurrentOperators();
llvm::ArrayRef<OperatorRow> reduceOperators();
llvm::ArrayRef<OperatorRow> resizeOperators();
llvm::ArrayRef<OperatorRow> selectionOperators();
llvm::ArrayRef<OperatorRow> shapeOperators();
llvm::ArrayRef<OperatorRow> signalOperators();
llvm::ArrayRef<OperatorRow> trainingOperators();
llvm::ArrayRef<OperatorRow> visionOperators();

/// All families, for the page of supported operators.
llvm::ArrayRef<OperatorFamily> listOperators();

/// The row for an operator of an operator set; null when there is none.
const OperatorRow *findOperator(llvm::StringRef qualifiedType, int64_t opset);

//===----------------------------------------------------------------------===//
// What families share
//===----------------------------------------------------------------------===//

/// Axes as an attribute up to an operator set, or as input `index` from `sinceInput` on; nothing when not given.
std::optional<Dims> axesOf(NodeBuilder &b, unsigned index, int64_t sinceInput, int64_t rank);

/// NumPy's product: vectors are matrices of one row or column, which the result drops.
Value multiplyMatrices(NodeBuilder &b, Value x, Value y);

/// `x`, less its mean over `dims`, times one over its standard deviation there.
Value layerNorm(NodeBuilder &b, Value x, llvm::ArrayRef<int64_t> dims, double epsilon);

/// Softmax along one dimension, and its logarithm.
Value softmax(NodeBuilder &b, Value x, int64_t dim);
Value logSoftmax(NodeBuilder &b, Value x, int64_t dim);

/// `x` at the positions that `linear`, of any shape, counts in row-major order; `x` is static but for dimension 0.
Value gatherLinear(NodeBuilder &b, Value x, Value linear);

/// Unsigned bytes, with one scale and one zero point for all.
struct DynamicallyQuantized {
  Value numbers, scale, zero;
};

/// Scale and zero point are from the range of `x`, which includes zero.
DynamicallyQuantized quantizeDynamically(NodeBuilder &b, Value x);

/// A matrix of integers of 8 bits, and what stands for zero in it: integers of 32 bits that broadcast to it, null for zero
/// itself.
struct QuantizedMatrix {
  Value numbers, zero;
};

/// The product of matrices less their zeros, in 32 bits. One of bytes that are constant is a product of bytes.
Value multiplyQuantized(NodeBuilder &b, QuantizedMatrix x, QuantizedMatrix y);

/// `indices` with negative ones, which count from the end of an extent, made positive.
Value wrapIndices(NodeBuilder &b, Value indices, AffineExpr extent);

} // namespace sylvite::onnx

#endif // SYLVITE_COMPILER_IMPORT_ONNX_OPERATORS_H
