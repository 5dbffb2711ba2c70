// Memory for `sylvite run --guard`.
#ifndef SYLVITE_COMPILER_TOOLS_GUARDEDMEMORY_H
#define SYLVITE_COMPILER_TOOLS_GUARDEDMEMORY_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include <cstddef>

namespace sylvite {

/// Bytes that end where nothing may be read or written: a kernel that goes beyond them ends the process (SIGSEGV).
class GuardedMemory {
public:
  /// `alignment`, a power of two of at most a page: that of the first byte. The bytes that it costs at the end are not guarded.
  static llvm::Expected<GuardedMemory> allocate(size_t size, size_t alignment);
  GuardedMemory(GuardedMemory &&other);
  GuardedMemory &operator=(GuardedMemory &&) = delete;
  ~GuardedMemory();

  llvm::MutableArrayRef<char> bytes() const { return contents; }

private:
  GuardedMemory() = default;

  void *mapping = nullptr;
  size_t mappedSize = 0;
  llvm::MutableArrayRef<char> contents;
};

} // namespace sylvite

#endif
