//===- Tensor.h - What the importer knows about a value of the graph ------===//
//
// A value of an ONNX graph is a computed value of the model, or a constant, or small and known element by element
// while the model is imported. The last is what makes shape arithmetic vanish: its elements are integer
// expressions of the model's free dimensions.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_COMPILER_IMPORT_ONNX_TENSOR_H
#define SYLVITE_COMPILER_IMPORT_ONNX_TENSOR_H

#include "compiler/import/onnx/ModelFile.h"
#include "dialects/nn/NN.h"

namespace sylvite::onnx {

/// An element that is known at import: an integer (or bool) expression of free dimensions, or a number. An element of a
/// floating-point tensor is a number, or an expression that is not constant.
struct Scalar {
  mlir::AffineExpr integer; // null: a number
  double number = 0;

  std::optional<int64_t> constant() const {
    if (auto known = llvm::dyn_cast_or_null<mlir::AffineConstantExpr>(integer))
      return known.getValue();
    return std::nullopt;
  }
};
using Scalars = std::vector<Scalar>;

struct Tensor {
  std::string name;      // in the graph
  mlir::Type type;       // of an element; null for a sequence
  nn::ShapeExpr shape;   // over the symbols of the model's free dimensions
  mlir::Value value;     // null while nothing needs it
  TensorPtr data;        // of a constant
  std::optional<Scalars> elements; // if all are known; the shape is constant then
  std::optional<Scalar> each; // what all elements are, where the shape is not constant

  bool isSequence = false;
  std::vector<Tensor *> items; // of a sequence

  int64_t rank() const { return shape.size(); }
};

/// `dim` when it is constant.
inline std::optional<int64_t> constantDim(mlir::AffineExpr dim) {
  if (auto constant = llvm::dyn_cast<mlir::AffineConstantExpr>(dim))
    return constant.getValue();
  return std::nullopt;
}

/// The constant dimensions of a shape, or nothing when one is free.
std::optional<Dims> constantShape(llvm::ArrayRef<mlir::AffineExpr> shape);

/// "(2, batch, 7)", with the names of free dimensions.
std::string shapeText(llvm::ArrayRef<mlir::AffineExpr> shape, llvm::ArrayRef<std::string> symbols);

/// The quotient of two products, factors cancelled; null when a constant does not divide.
mlir::AffineExpr quotientOf(llvm::ArrayRef<mlir::AffineExpr> numerator,
                            llvm::ArrayRef<mlir::AffineExpr> denominator,
                            mlir::MLIRContext *context);

/// Whether a - b is known to be zero.
bool areEqual(mlir::AffineExpr a, mlir::AffineExpr b);

/// The elements of a constant tensor as scalars; nothing for strings and for types of more than 64 bits.
std::optional<Scalars> scalarsOf(const TensorData &data, mlir::MLIRContext *context);

/// The bytes of constant scalars as elements of `type`; nothing when one is not constant.
std::optional<std::vector<char>> bytesOf(const Scalars &elements, mlir::Type type);

} // namespace sylvite::onnx

#endif // SYLVITE_COMPILER_IMPORT_ONNX_TENSOR_H
