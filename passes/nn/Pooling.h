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
/// Whether a kernel of `pool` can compute `conv` on the way, which should have no other reader: its windows do not overlap, and the
/// convolution has so few terms that storing its result would take longer than computing it.
bool isComputedByPool(nn::PackedConvOp conv, nn::MaxPoolOp pool);

/// Biases and activations before a max pooling come after it, where there are fewer positions: what rises with an
/// element rises with the maximum. The gradient of the pooling then ends where the layer before it does.
void sinkBelowPool(nn::MaxPoolOp pool);
/// The same where `pool` then computes the convolution before them.
void sinkBelowPoolOfConv(nn::MaxPoolOp pool);

} // namespace sylvite

#endif // SYLVITE_PASSES_NN_POOLING_H
