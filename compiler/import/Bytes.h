//===- Bytes.h - Reading little-endian fields from hostile bytes ----------===//
//
// What the file readers (Zip, Hdf5, Safetensors) share: a mapped file that several owners keep alive, and
// a cursor whose every read is checked. It knows no file format.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_COMPILER_IMPORT_BYTES_H
#define SYLVITE_COMPILER_IMPORT_BYTES_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"
#include <cstdint>
#include <memory>

namespace sylvite {

using Bytes = llvm::ArrayRef<uint8_t>;

/// A whole file, mapped where the system allows it. Whoever hands out slices of it keeps a copy of the
/// pointer, so a slice lives as long as its user.
using FileBuffer = std::shared_ptr<llvm::MemoryBuffer>;

inline Bytes bytesOf(llvm::StringRef text) {
  return {reinterpret_cast<const uint8_t *>(text.data()), text.size()};
}
inline Bytes bytesOf(const llvm::MemoryBuffer &buffer) { return bytesOf(buffer.getBuffer()); }
inline llvm::StringRef textOf(Bytes bytes) {
  return {reinterpret_cast<const char *>(bytes.data()), bytes.size()};
}

/// A recoverable error with a formatted message, the readers' only way to fail.
template <typename... Args> llvm::Error makeError(const char *format, Args &&...args) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(),
                                 llvm::formatv(format, std::forward<Args>(args)...).str());
}

/// The `size` bytes at `offset`, or nothing when they leave `bytes`. No sum here can overflow.
inline bool sliceOf(Bytes bytes, uint64_t offset, uint64_t size, Bytes &slice) {
  if (offset > bytes.size() || size > bytes.size() - offset)
    return false;
  slice = bytes.slice(offset, size);
  return true;
}

/// A forward cursor over bytes. A read past the end gives zero and makes `ok()` false for good, so a
/// record is read whole and checked once.
class ByteReader {
public:
  explicit ByteReader(Bytes bytes, uint64_t offset = 0) : bytes(bytes) { seek(offset); }

  bool ok() const { return valid; }
  uint64_t position() const { return offset; }
  uint64_t remaining() const { return valid ? bytes.size() - offset : 0; }

  void seek(uint64_t to) {
    if (to > bytes.size())
      valid = false;
    else
      offset = to;
  }
  Bytes take(uint64_t size) {
    Bytes slice;
    if (!valid || !sliceOf(bytes, offset, size, slice)) {
      valid = false;
      return {};
    }
    offset += size;
    return slice;
  }
  void skip(uint64_t size) { (void)take(size); }

  /// An unsigned little-endian integer of `width` bytes, 1 to 8.
  uint64_t integer(unsigned width) {
    uint64_t value = 0;
    Bytes field = take(width);
    for (size_t i = 0; i < field.size(); ++i)
      value |= uint64_t(field[i]) << (8 * i);
    return value;
  }
  uint8_t u8() { return integer(1); }
  uint16_t u16() { return integer(2); }
  uint32_t u32() { return integer(4); }
  uint64_t u64() { return integer(8); }

private:
  Bytes bytes;
  uint64_t offset = 0;
  bool valid = true;
};

} // namespace sylvite

#endif // SYLVITE_COMPILER_IMPORT_BYTES_H
