//===- Items.h - kernels that compute item by item --------------*- C++ -*-===//
#ifndef SYLVITE_PASSES_HOST_ITEMS_H
#define SYLVITE_PASSES_HOST_ITEMS_H

#include "dialects/halide/HalideDialect.h"

namespace sylvite {

/// Whether an item of each result of `pipeline` depends on no other item than its own of the inputs that `hasItems` says, and is
/// the same for any number of them. An item is what stands at one index of the leading dimension.
bool computesItemByItem(halide::PipelineOp pipeline, llvm::ArrayRef<bool> hasItems);

} // namespace sylvite

#endif // SYLVITE_PASSES_HOST_ITEMS_H
