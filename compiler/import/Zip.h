//===- Zip.h - Members of a zip archive, in place -------------------------===//
//
// Reads the archives that Keras, NumPy and Python's zipfile write: stored and deflated members, zip64. A
// stored member is a slice of the archive's own bytes, which is why this is not libzip: its interface
// copies, and a model's weights are stored so that they need not be copied. It neither writes archives nor
// reads encrypted or multi-disk ones.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_COMPILER_IMPORT_ZIP_H
#define SYLVITE_COMPILER_IMPORT_ZIP_H

#include "compiler/import/Bytes.h"
#include <string>
#include <vector>

namespace sylvite {

class ZipArchive {
public:
  struct Member {
    std::string name;
    uint16_t method;
    uint16_t flags;
    uint32_t crc;
    uint64_t storedSize, size;
    uint64_t headerOffset;
  };

  /// True when `bytes` start as a zip archive does.
  static bool matches(Bytes bytes);

  /// Reads the directory of the archive in `file`; the data stay where they are.
  static llvm::Expected<ZipArchive> open(FileBuffer file);

  llvm::ArrayRef<Member> members() const { return directory; }
  const Member *find(llvm::StringRef name) const;

  /// The contents of a member, checked against its CRC-32: a slice that shares the archive's buffer when
  /// the member is stored, a new buffer of at most `sizeLimit` bytes when it is deflated.
  llvm::Expected<std::pair<FileBuffer, Bytes>> read(const Member &member,
                                                    uint64_t sizeLimit = UINT64_MAX) const;

private:
  FileBuffer file;
  std::vector<Member> directory;
};

} // namespace sylvite

#endif // SYLVITE_COMPILER_IMPORT_ZIP_H
