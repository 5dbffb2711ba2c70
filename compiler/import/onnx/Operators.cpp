//===- Operators.cpp - The table of ONNX operators ------------------------===//
//
// Joins the families' rows.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/Operators.h"

using namespace llvm;

namespace sylvite::onnx {

ArrayRef<OperatorFamily> listOperators() {
  static const OperatorFamily families[] = {
      {"Convolution", convOperators()},
      {"Pooling", poolOperators()},
      {"Dense", denseOperators()},
      {"Attention", attentionOperators()},
      {"Recurrent layers", recurrentOperators()},
      {"Normalization", normOperators()},
      {"Reduction", reduceOperators()},
      {"Pointwise", pointwiseOperators()},
      {"Constants and shapes", constantOperators()},
      {"Reshaping and transposition", shapeOperators()},
      {"Joining and splitting", joinOperators()},
      {"Repetition and borders", borderOperators()},
      {"Indexing", indexOperators()},
      {"Selection", selectionOperators()},
      {"Resizing", resizeOperators()},
      {"Grids", gridOperators()},
      {"Vision", visionOperators()},
      {"Quantization", quantizeOperators()},
      {"Signal", signalOperators()},
      {"Classical learning", learningOperators()},
      {"Loss", lossOperators()},
      {"Training", trainingOperators()},
      {"Control flow and sequences", controlOperators()},
      {"Fused by ONNX Runtime", contributedOperators()},
      {"Attention of ONNX Runtime", contributedAttentionOperators()},
  };
  return families;
}

const OperatorRow *findOperator(StringRef qualifiedType, int64_t opset) {
  static const auto table = [] {
    StringMap<SmallVector<const OperatorRow *, 1>> rows;
    for (const OperatorFamily &family : listOperators())
      for (const OperatorRow &row : family.rows)
        rows[row.name].push_back(&row);
    return rows;
  }();
  auto found = table.find(qualifiedType);
  if (found == table.end())
    return nullptr;
  for (const OperatorRow *row : found->second)
    if (row->since <= opset && opset <= row->until)
      return row;
  return nullptr;
}

} // namespace sylvite::onnx
