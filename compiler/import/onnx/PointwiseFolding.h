//===- PointwiseFolding.h - Pointwise operators on known elements ---------===//
//
// What the rows of pointwise operators compute at import when the elements of their inputs are known.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_COMPILER_IMPORT_ONNX_POINTWISEFOLDING_H
#define SYLVITE_COMPILER_IMPORT_ONNX_POINTWISEFOLDING_H

#include "compiler/import/onnx/NodeBuilder.h"

namespace sylvite::onnx {

enum class Fold { Add, Sub, Mul, Div, Mod, Min, Max };
template <Fold kind> void foldArithmetic(NodeBuilder &b);

enum class Order { Equal, Less, LessOrEqual, Greater, GreaterOrEqual };
template <Order kind> void foldComparison(NodeBuilder &b);

template <bool isAnd> void foldLogic(NodeBuilder &b); ///< And, or Or
void foldNegate(NodeBuilder &b);
void foldNot(NodeBuilder &b);
void foldPow(NodeBuilder &b);
void foldWhere(NodeBuilder &b);

} // namespace sylvite::onnx

#endif // SYLVITE_COMPILER_IMPORT_ONNX_POINTWISEFOLDING_H
