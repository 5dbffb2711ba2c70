//===- Arena.h - where tensors lie in the arena -----------------*- C++ -*-===//
//
// Tensors whose lives do not overlap share bytes: one after the other, each takes the lowest free offset.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_PASSES_HOST_ARENA_H
#define SYLVITE_PASSES_HOST_ARENA_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include <cstdint>

namespace sylvite {

/// A tensor that lives in the arena from step `begin` to step `end`, both included.
struct Allocation {
  int64_t size; ///< bytes per unit of its class
  int64_t begin, end;
  int64_t offset = 0;
};

/// Tensors of sizes proportional to one product of free dimensions.
struct SizeClass {
  llvm::SmallVector<Allocation> allocations;
  int64_t size = 0; ///< of all, once they are planned

  /// Chooses offsets.
  void plan();
  /// The largest sum of sizes that live at once: no plan needs less.
  int64_t liveSize() const;

private:
  size_t place(llvm::ArrayRef<Allocation *> order);
};

} // namespace sylvite

#endif // SYLVITE_PASSES_HOST_ARENA_H
