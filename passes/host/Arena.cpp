//===- Arena.cpp - where tensors lie in the arena --------------------------===//
#include "passes/host/Arena.h"

#include "llvm/ADT/STLExtras.h"
#include <algorithm>
#include <limits>
#include <vector>

using namespace sylvite;

/// Largest first needs the least as a rule; where it leaves gaps, some other order does better, or one in which what came to lie
/// highest goes first: EfficientNetB3 1.14 to 1.00 of what lives at once.
void SizeClass::plan() {
  int64_t least = liveSize();
  size = std::numeric_limits<int64_t>::max();
  std::vector<Allocation *> best;
  auto tryOrder = [&](auto before) {
    if (size == least)
      return;
    std::vector<Allocation *> order;
    for (Allocation &allocation : allocations)
      order.push_back(&allocation);
    llvm::stable_sort(order, before);
    int64_t needed = size;
    place(order);
    if (size < needed)
      best = order;
  };
  auto length = [](const Allocation *a) { return a->end - a->begin + 1; };
  auto area = [&](const Allocation *a) { return double(a->size) * length(a); };
  using Pointer = const Allocation *;
  tryOrder([](Pointer a, Pointer b) { return a->size > b->size; });
  tryOrder([&](Pointer a, Pointer b) { return area(a) > area(b); });
  tryOrder([&](Pointer a, Pointer b) { return std::pair(length(a), a->size) > std::pair(length(b), b->size); });
  tryOrder([](Pointer a, Pointer b) { return a->begin < b->begin; });
  tryOrder([](Pointer a, Pointer b) { return a->end > b->end; });

  constexpr int rounds = 50;
  for (int round = 0; round < rounds && size > least; ++round) {
    size_t highest = place(best);
    std::rotate(best.begin(), best.begin() + highest, best.begin() + highest + 1);
  }
}

/// Gives each tensor, in this order, the lowest offset that is free while it lives; keeps the result if all need less than they
/// did. Returns which of them reaches highest.
size_t SizeClass::place(llvm::ArrayRef<Allocation *> order) {
  llvm::SmallVector<std::pair<int64_t, Allocation *>> placed; // by offset
  int64_t needed = 0;
  size_t highest = 0;
  for (auto [i, allocation] : llvm::enumerate(order)) {
    int64_t offset = 0;
    for (auto [start, other] : placed) {
      if (other->end < allocation->begin || allocation->end < other->begin)
        continue;
      if (offset + allocation->size <= start)
        break;
      offset = std::max(offset, start + other->size);
    }
    std::pair<int64_t, Allocation *> at(offset, allocation);
    placed.insert(llvm::upper_bound(placed, at, llvm::less_first()), at);
    if (offset + allocation->size > needed) {
      needed = offset + allocation->size;
      highest = i;
    }
  }
  if (needed < size) {
    size = needed;
    for (auto [offset, allocation] : placed)
      allocation->offset = offset;
  }
  return highest;
}

int64_t SizeClass::liveSize() const {
  int64_t most = 0;
  for (const Allocation &at : allocations) {
    int64_t live = 0;
    for (const Allocation &other : allocations)
      if (other.begin <= at.begin && at.begin <= other.end)
        live += other.size;
    most = std::max(most, live);
  }
  return most;
}
