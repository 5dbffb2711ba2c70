// Compiled kernels on disk, by a hash of what decides their code. Processes share a cache: entries appear whole, one that
// is damaged or gone is compiled anew, and the least recently used ones go when there are too many.
#ifndef SYLVITE_COMPILER_CODEGEN_KERNELCACHE_H
#define SYLVITE_COMPILER_CODEGEN_KERNELCACHE_H

#include "llvm/Support/Error.h"
#include <cstdint>
#include <optional>
#include <string>

namespace sylvite {

class KernelCache {
public:
  /// A cache that keeps nothing.
  KernelCache() = default;
  /// In $SYLVITE_CACHE_DIR, or $XDG_CACHE_HOME/sylvite, or ~/.cache/sylvite, or nowhere without a home; of
  /// $SYLVITE_CACHE_SIZE, as "500MB", or 1 GB. Fails where that is no size.
  static llvm::Expected<KernelCache> fromEnvironment();

  /// The object of an entry, which counts as used now; nothing where there is none or it is damaged.
  std::optional<std::string> read(llvm::StringRef hash) const;
  /// A cache that cannot be written is no error.
  void write(llvm::StringRef hash, llvm::StringRef object) const;
  /// Removes the entries that were not used for longest, until the others fit.
  void prune() const;

private:
  std::string pathOf(llvm::StringRef hash) const;

  std::string directory; // empty: nowhere
  uint64_t limit = 0;    // bytes of all entries after `prune`
};

} // namespace sylvite

#endif
