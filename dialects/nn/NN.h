//===- NN.h - the nn dialect ------------------------------------*- C++ -*-===//
//
// The dialect, its ops and the shape machinery they share. A shape is a list of affine expressions, so
// that one function per op serves both type inference and the sizes the host program computes.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_DIALECTS_NN_NN_H
#define SYLVITE_DIALECTS_NN_NN_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/AffineExpr.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/LoopLikeInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace sylvite::nn {

/// The dimensions of a tensor, outermost first: constants, symbols of free dimensions, and what ops
/// make of them.
using ShapeExpr = llvm::SmallVector<mlir::AffineExpr, 5>;

/// Constant dimensions of `type`; each free one becomes the next symbol after `numSymbols`, which is
/// advanced.
ShapeExpr shapeWithFreshSymbols(mlir::RankedTensorType type, unsigned &numSymbols);

/// The tensor type with the constant dimensions of `shape`, free elsewhere.
mlir::RankedTensorType typeOfShape(llvm::ArrayRef<mlir::AffineExpr> shape, mlir::Type elementType);

/// Whether each actual type has the inferred element type and no dimension in conflict.
bool areCompatible(mlir::TypeRange inferred, mlir::TypeRange actual);

/// Shapes of operands for type inference: two free dimensions are never known to be equal.
llvm::SmallVector<ShapeExpr> shapesOfOperands(mlir::ValueRange operands);

/// The element type of a matrix product: that of both operands, or i32 for ui8 and i8.
mlir::Type productType(mlir::Type lhs, mlir::Type rhs);

/// NumPy broadcasting of two dimensions; null when both are constant and in conflict.
mlir::AffineExpr broadcastDim(mlir::AffineExpr a, mlir::AffineExpr b);

/// NumPy broadcasting of shapes; fails when they conflict.
llvm::FailureOr<ShapeExpr> broadcastShapes(llvm::ArrayRef<ShapeExpr> shapes);

/// The C++ side of the ODS trait NN_ReadsShapeOnly.
template <typename ConcreteOp>
class ReadsShapeOnly : public mlir::OpTrait::TraitBase<ConcreteOp, ReadsShapeOnly> {};

/// The C++ side of the ODS trait NN_InferTensor, which declares and defines its methods itself.
template <typename ConcreteOp>
class InferTensor : public mlir::OpTrait::TraitBase<ConcreteOp, InferTensor> {};

} // namespace sylvite::nn

#include "dialects/nn/NNEnums.h.inc"
#include "dialects/nn/NNDialect.h.inc"
#include "dialects/nn/NNInterfaces.h.inc"

#define GET_OP_CLASSES
#include "dialects/nn/NNOps.h.inc"

#endif // SYLVITE_DIALECTS_NN_NN_H
