//===- Tensors.h - tensors of a host function -------------------*- C++ -*-===//
//
// What the passes over host functions, whose ops are halide.call, nn.reshape, nn.concat, nn.if and nn.scan, ask of a tensor.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_PASSES_HOST_TENSORS_H
#define SYLVITE_PASSES_HOST_TENSORS_H

#include "dialects/halide/HalideDialect.h"
#include "dialects/nn/NN.h"
#include "passes/nn/Utils.h"

namespace sylvite {

inline int64_t bytesPerElement(mlir::Type type) {
  return llvm::divideCeil(type.isIndex() ? 64 : type.getIntOrFloatBitWidth(), 8);
}

/// The sizes of the free dimensions of a call's inputs, in order: what the symbols of its `shape` stand for.
inline llvm::SmallVector<mlir::AffineExpr> freeDims(halide::CallOp call,
                                                    const llvm::DenseMap<mlir::Value, nn::ShapeExpr> &shapes) {
  llvm::SmallVector<mlir::AffineExpr> free;
  for (mlir::Value input : call.getInputs())
    for (auto [i, dim] : llvm::enumerate(mlir::cast<mlir::RankedTensorType>(input.getType()).getShape()))
      if (mlir::ShapedType::isDynamic(dim))
        free.push_back(shapes.lookup(input)[i]);
  return free;
}

} // namespace sylvite

#endif // SYLVITE_PASSES_HOST_TENSORS_H
