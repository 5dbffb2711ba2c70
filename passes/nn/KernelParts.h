//===- KernelParts.h - what is part of which kernel -------------*- C++ -*-===//
//
// The questions that nn-fuse asks of an op: which kernel computes it on the way, and what one kernel computes beside it.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_PASSES_NN_KERNELPARTS_H
#define SYLVITE_PASSES_NN_KERNELPARTS_H

#include "dialects/nn/NN.h"

#include "llvm/ADT/SmallPtrSet.h"

namespace sylvite {

/// Whether `value` is there before `op` runs: it is a parameter, or computed earlier, or a view of that.
bool isEarlier(mlir::Value value, mlir::Operation *op);

/// Whether `op` is a pooling or a depthwise convolution, whose vectors run along channels: padding costs
/// it a comparison per position, out of the inner loops, where a padded copy would cost its size in
/// memory traffic.
bool readsWindowPerChannel(mlir::Operation *op);

/// Whether `op` is padding that the only op to read it takes into its kernel.
bool isPartOfWindow(mlir::Operation *op);

/// The depthwise convolution whose kernel computes the product `op` on the way: each block of its columns is one of channels
/// there. Null where it is a kernel of its own.
nn::ConvOp windowOf(mlir::Operation *op);

/// Ops that stand outside kernels: they compute nothing, or hold kernels.
bool isOutsideKernels(mlir::Operation *op);

/// The only user of `op`, if it runs as often: what a loop reads stays before it.
mlir::Operation *onlyUserBeside(mlir::Operation *op);

/// Whether the kernel of the op that alone reads `map` computes its elements on the way: an index once for each slice that it chooses.
bool isPartOfMovement(nn::MapOp map);

/// Whether a map alone reads `op`, and takes its elements from where `op` does: a slice, and what drops a
/// dimension of it. A product takes a part of its rows so.
bool isReadThrough(mlir::Operation *op);

/// Whether `op` only says where an attention, which alone reads it, finds its elements: a transpose, a slice, and what drops
/// a dimension of that.
bool isReadByAttention(mlir::Operation *op);

/// Whether `op` only reorders what `attention` computes, in vectors that stay as they are.
bool reordersAttention(mlir::Operation *op);

/// Where nothing but maps read the product `op` of several gates, through slices: these maps, those that they pass
/// their results to, and the slices, in order. None when something that they read is computed after the product.
llvm::SmallVector<mlir::Operation *> cellOf(nn::PackedMatmulOp op);

/// Whether the gradient of a filter, which alone reads `op`, computes its elements on the way: those of the gradient of a pooling
/// whose windows do not overlap, each of them from one of the pooling's result.
bool isPartOfFilterGradient(mlir::Operation *op);

/// What is one kernel with the pooling `op`, in order: the choice of the tap of each window, and the map that alone reads the
/// maxima beside it.
llvm::SmallVector<mlir::Operation *> choiceOf(nn::MaxPoolOp op);

/// Whether the kernel of a pooling computes the convolution `op`, which nothing else reads.
bool isPartOfPooling(mlir::Operation *op);

/// Maps that are one kernel with `first`, a map or a gradient, later ones, in order: those of its type that read it, or that they
/// read, and so on, as the new values of a parameter and of what its optimizer keeps do. What each reads of the others then stays in
/// registers, and what several read is read once. None when something that they read is computed after `first`.
llvm::SmallVector<mlir::Operation *> mapsBeside(mlir::Operation *first, const llvm::SmallPtrSetImpl<mlir::Operation *> &taken);

/// The maps that alone read the result of `last`, an op of the kernel of the product `first`, several of them: an activation, and its
/// derivative, which training keeps. They are one kernel with it, and the result is not stored. None when something that they read is
/// computed after `first`.
llvm::SmallVector<mlir::Operation *> readersOf(mlir::Operation *last, mlir::Operation *first,
                                               const llvm::SmallPtrSetImpl<mlir::Operation *> &taken);

/// What the kernel of `map` computes of a row before it, in no order: reductions over the last dimensions, the same ones, and maps of
/// its shape, all of which only this kernel reads. The gradients of a softmax and of a normalization are such kernels: of what they
/// read and write, a row stays in the first cache. None where the kernel of a product or another op would rather compute `map`.
llvm::SmallVector<mlir::Operation *> rowsBefore(nn::MapOp map, const llvm::SmallPtrSetImpl<mlir::Operation *> &taken);

} // namespace sylvite

#endif // SYLVITE_PASSES_NN_KERNELPARTS_H
