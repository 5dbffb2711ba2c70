// See FileWriter.h.
#include "compiler/codegen/FileWriter.h"

#include "llvm/ADT/Twine.h"
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace llvm;

namespace sylvite {

static Error fail(const Twine &what, StringRef path, int reason) {
  return createStringError("cannot " + what + " " + path + ": " + std::strerror(reason));
}

Expected<FileWriter> FileWriter::open(StringRef path, int flags) {
  int file = ::open(path.str().c_str(), flags | O_CLOEXEC, 0666);
  if (file < 0)
    return fail("open", path, errno);
  struct stat about;
  if (::fstat(file, &about) != 0) {
    int reason = errno;
    ::close(file);
    return fail("read", path, reason);
  }
  return FileWriter(path, file, about.st_size);
}

Expected<FileWriter> FileWriter::create(StringRef path) {
  return open(path, O_RDWR | O_CREAT | O_TRUNC);
}

Expected<FileWriter> FileWriter::openExisting(StringRef path) { return open(path, O_RDWR); }

FileWriter::~FileWriter() {
  if (file >= 0)
    ::close(file);
}

Error FileWriter::writeAt(uint64_t offset, const void *data, uint64_t size) {
  const char *next = static_cast<const char *>(data);
  while (size > 0) {
    ssize_t written = ::pwrite(file, next, std::min<uint64_t>(size, 1u << 30), offset);
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return fail("write", path, written == 0 ? ENOSPC : errno);
    next += written;
    offset += written;
    size -= written;
  }
  end = std::max(end, offset);
  return Error::success();
}

Error FileWriter::append(const void *data, uint64_t size) { return writeAt(end, data, size); }

Error FileWriter::appendZeros(uint64_t size) {
  static constexpr char zeros[4096] = {};
  for (; size > 0; size -= std::min<uint64_t>(size, sizeof zeros))
    if (Error error = append(zeros, std::min<uint64_t>(size, sizeof zeros)))
      return error;
  return Error::success();
}

Error FileWriter::readAt(uint64_t offset, void *data, uint64_t size) {
  char *next = static_cast<char *>(data);
  while (size > 0) {
    ssize_t read = ::pread(file, next, std::min<uint64_t>(size, 1u << 30), offset);
    if (read < 0 && errno == EINTR)
      continue;
    if (read <= 0)
      return read == 0 ? createStringError(path + " ends early") : fail("read", path, errno);
    next += read;
    offset += read;
    size -= read;
  }
  return Error::success();
}

Error FileWriter::close() {
  int handle = std::exchange(file, -1);
  return ::close(handle) == 0 ? Error::success() : fail("write", path, errno);
}

} // namespace sylvite
