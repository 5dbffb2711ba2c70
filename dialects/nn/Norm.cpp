//===- Norm.cpp - reductions and normalization -----------------------------===//
//
// Shapes and checks of nn.reduce, nn.softmax, nn.layer_norm and nn.batch_norm.
//
//===----------------------------------------------------------------------===//
#include "dialects/nn/NN.h"

using namespace mlir;
using namespace sylvite::nn;

static LogicalResult verifyDims(std::optional<Location> loc, StringRef label,
                                ArrayRef<int64_t> dims, size_t rank) {
  for (size_t i = 0; i < dims.size(); ++i)
    if (dims[i] < 0 || dims[i] >= static_cast<int64_t>(rank) || (i && dims[i] <= dims[i - 1]))
      return emitOptionalError(loc, label, ": dims are distinct, ascending and below the rank, ",
                               rank, "; found ", dims[i]);
  return success();
}

FailureOr<ShapeExpr> ReduceOp::inferShape(Adaptor adaptor, std::optional<Location> loc,
                                          ArrayRef<ShapeExpr> shapes) {
  ArrayRef<int64_t> dims = adaptor.getDims();
  if (failed(verifyDims(loc, "reduce_c1", dims, shapes[0].size())))
    return failure();
  ShapeExpr result;
  for (auto [i, dim] : llvm::enumerate(shapes[0]))
    if (!llvm::is_contained(dims, static_cast<int64_t>(i)))
      result.push_back(dim);
    else if (adaptor.getKeepDims())
      result.push_back(getAffineConstantExpr(1, dim.getContext()));
  return result;
}

FailureOr<ShapeExpr> SoftmaxOp::inferShape(Adaptor adaptor, std::optional<Location> loc,
                                           ArrayRef<ShapeExpr> shapes) {
  if (failed(verifyDims(loc, "softmax_c1", adaptor.getDims(), shapes[0].size())))
    return failure();
  return shapes[0];
}

FailureOr<ShapeExpr> LayerNormOp::inferShape(Adaptor adaptor, std::optional<Location> loc,
                                             ArrayRef<ShapeExpr> shapes) {
  if (failed(verifyDims(loc, "layer_norm_c1", adaptor.getDims(), shapes[0].size())))
    return failure();
  return shapes[0];
}

FailureOr<ShapeExpr> BatchNormOp::inferShape(Adaptor adaptor, std::optional<Location> loc,
                                             ArrayRef<ShapeExpr> shapes) {
  if (shapes[0].empty())
    return emitOptionalError(loc, "batch_norm_c1: the input has no channel dimension");
  for (const ShapeExpr &vector : shapes.drop_front())
    if (vector.size() != 1 || vector[0] != shapes[0].back())
      return emitOptionalError(loc, "batch_norm_c1: scale, offset, mean and variance are vectors "
                                    "with one element per channel");
  return shapes[0];
}
