//===- NNDialect.cpp - registration and shape machinery --------------------===//
//
// Registers the dialect's ops and holds what their shape functions share. The ops themselves are in
// one file per family.
//
//===----------------------------------------------------------------------===//
#include "dialects/nn/NN.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace sylvite::nn;

#include "dialects/nn/NNDialect.cpp.inc"
#include "dialects/nn/NNEnums.cpp.inc"
#include "dialects/nn/NNInterfaces.cpp.inc"

#define GET_OP_CLASSES
#include "dialects/nn/NNOps.cpp.inc"

void NNDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "dialects/nn/NNOps.cpp.inc"
      >();
}

ShapeExpr sylvite::nn::shapeWithFreshSymbols(RankedTensorType type, unsigned &numSymbols) {
  ShapeExpr shape;
  for (int64_t dim : type.getShape())
    shape.push_back(ShapedType::isDynamic(dim)
                        ? getAffineSymbolExpr(numSymbols++, type.getContext())
                        : getAffineConstantExpr(dim, type.getContext()));
  return shape;
}

RankedTensorType sylvite::nn::typeOfShape(ArrayRef<AffineExpr> shape, Type elementType) {
  SmallVector<int64_t> dims;
  for (AffineExpr dim : shape) {
    auto constant = dyn_cast<AffineConstantExpr>(dim);
    dims.push_back(constant ? constant.getValue() : ShapedType::kDynamic);
  }
  return RankedTensorType::get(dims, elementType);
}

bool sylvite::nn::areCompatible(TypeRange inferred, TypeRange actual) {
  if (inferred.size() != actual.size())
    return false;
  for (auto [a, b] : llvm::zip(inferred, actual))
    if (getElementTypeOrSelf(a) != getElementTypeOrSelf(b) ||
        failed(verifyCompatibleShape(a, b)))
      return false;
  return true;
}

SmallVector<ShapeExpr> sylvite::nn::shapesOfOperands(ValueRange operands) {
  SmallVector<ShapeExpr> shapes;
  unsigned numSymbols = 0;
  for (Value operand : operands)
    shapes.push_back(shapeWithFreshSymbols(cast<RankedTensorType>(operand.getType()), numSymbols));
  return shapes;
}

AffineExpr sylvite::nn::broadcastDim(AffineExpr a, AffineExpr b) {
  auto constantA = dyn_cast<AffineConstantExpr>(a), constantB = dyn_cast<AffineConstantExpr>(b);
  if (constantA && constantA.getValue() == 1)
    return b;
  if (constantB && constantB.getValue() == 1)
    return a;
  if (constantA && constantB)
    return constantA == constantB ? a : AffineExpr();
  return constantB ? b : a; // a free dimension beside a constant one must equal it
}

FailureOr<ShapeExpr> sylvite::nn::broadcastShapes(ArrayRef<ShapeExpr> shapes) {
  ShapeExpr result;
  for (const ShapeExpr &shape : shapes) {
    if (shape.size() > result.size() && !result.empty())
      result.insert(result.begin(), shape.begin(), shape.begin() + (shape.size() - result.size()));
    else if (result.empty()) {
      result = shape;
      continue;
    }
    size_t offset = result.size() - shape.size();
    for (size_t i = 0; i < shape.size(); ++i) {
      result[offset + i] = broadcastDim(result[offset + i], shape[i]);
      if (!result[offset + i])
        return failure();
    }
  }
  return result;
}
