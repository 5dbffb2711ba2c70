//===- AttentionScores.h - What attention operators share -----------------===//
//
// Scaled dot-product attention step by step, as the operators of ONNX and of ONNX Runtime's domain put it together: scores,
// what is added to them, which keys count, and the mean of the values.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_COMPILER_IMPORT_ONNX_ATTENTIONSCORES_H
#define SYLVITE_COMPILER_IMPORT_ONNX_ATTENTIONSCORES_H

#include "compiler/import/onnx/NodeBuilder.h"

namespace sylvite::onnx {

/// (N, T, heads * size) to (N, heads, T, size).
Value splitHeads(NodeBuilder &b, Value x, int64_t heads);
/// (N, heads, T, size) to (N, T, heads * size).
Value joinHeads(NodeBuilder &b, Value x);
/// Each head of (N, heads, T, size) `times` times in a row.
Value repeatHeads(NodeBuilder &b, Value x, int64_t times);

/// The first `rotated` elements of each head of (N, heads, T, size) turned by angles, whose cosines and sines are of
/// (N or 1, T, rotated / 2): pairs are neighbours where `interleaved`, else one from each half.
Value rotateHeads(NodeBuilder &b, Value x, Value cosines, Value sines, int64_t rotated, bool interleaved);

struct AttentionScores {
  /// Stands for minus infinity: kernels are compiled as if infinities did not occur.
  static constexpr double kMasked = -1e30;

  /// Of queries (N, heads, T, size) and as many heads of keys. With a `softcap`, their hyperbolic tangent times that.
  AttentionScores(NodeBuilder &b, Value queries, Value keys, double scale, double softcap);

  /// Adds `part`, which broadcasts to (N, heads, T, keys), to what is added to the scores.
  void add(Value part);
  /// Adds zero where `allowed` holds, and `otherwise` where not.
  void allow(llvm::ArrayRef<Operand> operands, MapBody allowed, double otherwise = kMasked);
  /// Keys up to the query's own position, and at most `left` and `right` from it unless negative. The first query stands at
  /// `offset` among the keys.
  void allowWindow(bool causal, int64_t left, int64_t right, Operand offset);
  /// The first keys of each item, as many as `counts` (N, 1, 1, 1), integers of 64 bits, says.
  void allowFirst(Value counts, double otherwise = kMasked);

  /// The scores with what was added.
  Value biased();
  /// Their softmax. With `zeroUndefined`, it is zero for a query that may attend to nothing.
  Value probabilities(Type precise, bool zeroUndefined);

  NodeBuilder &b;
  Type real; // of the scores: single precision at least
  Value scores, bias; // the latter null while nothing is added
};

} // namespace sylvite::onnx

#endif // SYLVITE_COMPILER_IMPORT_ONNX_ATTENTIONSCORES_H
