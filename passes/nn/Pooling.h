//===- Pooling.h - max poolings and what comes before -----------*- C++ -*-===//
#ifndef SYLVITE_PASSES_NN_POOLING_H
#define SYLVITE_PASSES_NN_POOLING_H

#include "dialects/nn/NN.h"

namespace sylvite {

/// Whether the windows of `pool` lie side by side from the start of each dimension, without gaps or padding.
bool tilesImage(nn::MaxPoolOp pool);
/// The convolution by Winograd's algorithm of whose tiles `pool` takes the maxima of windows that lie side by side, through the maps
/// between the two; null where it is none.
nn::WinogradConvOp pooledTilesOf(nn::MaxPoolOp pool);
/// The max pooling whose kernel can compute `conv`, a convolution of `terms` products for an element, which nothing else reads: its
/// windows do not overlap, what stands between the two rises with the element, and there are so few terms that storing the result
/// would take longer than computing it. Null where there is none.
nn::MaxPoolOp findComputingPool(mlir::Value conv, int64_t terms);
/// The same for one whose weights are in blocks, which fill its channels.
nn::MaxPoolOp findComputingPool(nn::PackedConvOp conv);

/// Biases and activations before a max pooling come after it, where there are fewer positions: what rises with an element rises
/// with the maximum. The gradient of the pooling then ends where the layer before it does.
void sinkBelowPool(nn::MaxPoolOp pool);

} // namespace sylvite

#endif // SYLVITE_PASSES_NN_POOLING_H
