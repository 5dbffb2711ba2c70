// See KernelCache.h. An entry is HASH.o: the line "sylvite-kernel SHA256-OF-OBJECT\n", then the object. It is written under
// another name and renamed, so that readers see whole entries; what does not fit its checksum is compiled anew and replaced.
// The time of an entry's last modification is that of its last use: times of access are not kept everywhere.
#include "compiler/codegen/KernelCache.h"

#include "compiler/codegen/ByteSize.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/SHA256.h"
#include "llvm/Support/raw_ostream.h"
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <vector>

using namespace llvm;

namespace sylvite {

static constexpr StringLiteral cacheMagic = "sylvite-kernel ";
static constexpr size_t cacheHeader = cacheMagic.size() + 64 + 1;
static constexpr uint64_t defaultLimit = 1'000'000'000;

static std::string checksum(StringRef data) {
  SHA256 hash;
  hash.update(data);
  return toHex(hash.final(), /*LowerCase=*/true);
}

Expected<KernelCache> KernelCache::fromEnvironment() {
  auto variable = [](const char *name) {
    const char *value = std::getenv(name);
    return std::string(value ? value : "");
  };
  KernelCache cache;
  cache.limit = defaultLimit;
  if (std::string text = variable("SYLVITE_CACHE_SIZE"); !text.empty()) {
    std::optional<uint64_t> size = parseByteSize(text);
    if (!size)
      return createStringError("SYLVITE_CACHE_SIZE is '" + text + "', which is no size, as 500MB or 1.5GiB");
    cache.limit = *size;
  }
  std::string home = variable("HOME"), shared = variable("XDG_CACHE_HOME");
  cache.directory = variable("SYLVITE_CACHE_DIR");
  if (cache.directory.empty() && !shared.empty())
    cache.directory = shared + "/sylvite";
  if (cache.directory.empty() && !home.empty())
    cache.directory = home + "/.cache/sylvite";
  return cache;
}

std::string KernelCache::pathOf(StringRef hash) const {
  SmallString<256> path(directory);
  sys::path::append(path, hash + ".o");
  return path.str().str();
}

std::optional<std::string> KernelCache::read(StringRef hash) const {
  int descriptor;
  if (directory.empty() || sys::fs::openFileForRead(pathOf(hash), descriptor))
    return std::nullopt;
  scope_exit close([&] { sys::Process::SafelyCloseFileDescriptor(descriptor); });
  auto file = MemoryBuffer::getOpenFile(sys::fs::convertFDToNativeFile(descriptor), pathOf(hash), /*FileSize=*/-1,
                                        /*RequiresNullTerminator=*/false);
  if (!file)
    return std::nullopt;
  StringRef entry = (*file)->getBuffer();
  if (entry.size() <= cacheHeader || !entry.starts_with(cacheMagic))
    return std::nullopt;
  StringRef object = entry.drop_front(cacheHeader);
  if (entry.substr(cacheMagic.size(), 64) != checksum(object))
    return std::nullopt;
  // Fails in a directory of another user, whose entries only their owner removes.
  (void)sys::fs::setLastAccessAndModificationTime(descriptor, std::chrono::system_clock::now());
  return object.str();
}

void KernelCache::write(StringRef hash, StringRef object) const {
  if (directory.empty() || sys::fs::create_directories(directory))
    return;
  int descriptor;
  SmallString<256> temporary;
  if (sys::fs::createUniqueFile(pathOf(hash) + ".%%%%%%%%", descriptor, temporary))
    return;
  raw_fd_ostream stream(descriptor, /*shouldClose=*/true);
  stream << cacheMagic << checksum(object) << '\n' << object;
  stream.close();
  bool written = !stream.has_error();
  stream.clear_error();
  if (!written || sys::fs::rename(temporary, pathOf(hash)))
    sys::fs::remove(temporary);
}

void KernelCache::prune() const {
  if (directory.empty())
    return;
  struct Entry {
    sys::TimePoint<> used;
    uint64_t size;
    std::string path;
  };
  std::vector<Entry> entries;
  uint64_t total = 0;
  std::error_code code;
  for (sys::fs::directory_iterator it(directory, code), end; it != end && !code; it.increment(code)) {
    ErrorOr<sys::fs::basic_file_status> status = it->status(); // gone, if another process prunes too
    StringRef name = sys::path::filename(it->path());
    // Entries, and what a process that was killed has left of one.
    if (!status || status->type() != sys::fs::file_type::regular_file || !name.contains(".o"))
      continue;
    total += status->getSize();
    entries.push_back({status->getLastModificationTime(), status->getSize(), it->path()});
  }
  std::sort(entries.begin(), entries.end(), [](const Entry &a, const Entry &b) { return a.used < b.used; });
  for (const Entry &entry : entries) {
    if (total <= limit)
      break;
    total -= entry.size;
    sys::fs::remove(entry.path);
  }
}

} // namespace sylvite
