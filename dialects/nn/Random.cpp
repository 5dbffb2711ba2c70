//===- Random.cpp - what layers do in training alone -----------------------===//
//
// Shapes and checks of nn.dropout, nn.random and nn.activity_penalty.
//
//===----------------------------------------------------------------------===//
#include "dialects/nn/Windows.h"

using namespace mlir;
using namespace sylvite::nn;

FailureOr<ShapeExpr> DropoutOp::inferShape(Adaptor adaptor, std::optional<Location> loc, ArrayRef<ShapeExpr> shapes) {
  if (failed(verifyDims(loc, "dropout_c1", adaptor.getShared(), shapes[0].size())))
    return failure();
  double rate = adaptor.getRate().convertToDouble();
  if (!(rate >= 0) || (rate >= 1 && adaptor.getKind() != DropoutKind::Noise))
    return emitOptionalError(loc, "dropout_c2: a rate of ", rate);
  return shapes[0];
}

FailureOr<ShapeExpr> ActivityPenaltyOp::inferShape(Adaptor, std::optional<Location>, ArrayRef<ShapeExpr> shapes) {
  return shapes[0];
}

LogicalResult sylvite::nn::verifyShapeFrom(Operation *op, StringRef label, Value like, ArrayRef<int64_t> from) {
  auto source = cast<RankedTensorType>(like.getType()), type = cast<RankedTensorType>(op->getResult(0).getType());
  if (static_cast<int64_t>(from.size()) != type.getRank())
    return op->emitOpError(label) << "_c1: `from` has " << from.size() << " entries for rank " << type.getRank();
  for (auto [i, dim] : llvm::enumerate(from)) {
    if (dim < -1 || dim >= source.getRank() || (dim >= 0 && source.getDimSize(dim) != type.getDimSize(i)))
      return op->emitOpError(label) << "_c1: dimension " << i << " does not have the size of dimension " << dim << " of "
                                    << source;
    if (dim < 0 && type.isDynamicDim(i))
      return op->emitOpError(label) << "_c2: free dimension " << i << " has no source";
  }
  return success();
}

LogicalResult RandomOp::verify() { return verifyShapeFrom(*this, "random", getLike(), getFrom()); }

FailureOr<ShapeExpr> RandomOp::resultShape(std::optional<Location>, ArrayRef<ShapeExpr> shapes) {
  ShapeExpr result;
  for (auto [i, from] : llvm::enumerate(getFrom()))
    result.push_back(from >= 0 ? shapes[2][from] : getAffineConstantExpr(getType().getDimSize(i), getContext()));
  return result;
}
