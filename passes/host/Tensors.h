//===- Tensors.h - tensors of a host function -------------------*- C++ -*-===//
//
// What the passes over host functions, whose ops are halide.call, nn.reshape, nn.concat, nn.if, nn.microbatch and nn.scan, ask of a tensor.
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

/// The kernels that a call may run, that for many rows first.
inline llvm::SmallVector<halide::PipelineOp, 2> pipelinesOf(halide::CallOp call) {
  llvm::SmallVector<halide::PipelineOp, 2> pipelines;
  for (mlir::FlatSymbolRefAttr name : call.getPipelines())
    if (auto pipeline = mlir::SymbolTable::lookupNearestSymbolFrom<halide::PipelineOp>(call, name))
      pipelines.push_back(pipeline);
  return pipelines;
}

} // namespace sylvite

#endif // SYLVITE_PASSES_HOST_TENSORS_H
