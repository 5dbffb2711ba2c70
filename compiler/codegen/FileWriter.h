// A file that is written through the system's calls: large data go from the caller's memory to the disk
// without a copy, and every failure, a full disk included, is an error that names the file.
#ifndef SYLVITE_COMPILER_CODEGEN_FILEWRITER_H
#define SYLVITE_COMPILER_CODEGEN_FILEWRITER_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <string>
#include <utility>

namespace sylvite {

class FileWriter {
public:
  static llvm::Expected<FileWriter> create(llvm::StringRef path);
  static llvm::Expected<FileWriter> openExisting(llvm::StringRef path);
  FileWriter(FileWriter &&other) : path(std::move(other.path)), file(other.file), end(other.end) {
    other.file = -1;
  }
  ~FileWriter();

  uint64_t size() const { return end; }
  llvm::Error append(const void *data, uint64_t size);
  llvm::Error appendZeros(uint64_t size);
  llvm::Error writeAt(uint64_t offset, const void *data, uint64_t size);
  llvm::Error readAt(uint64_t offset, void *data, uint64_t size);
  llvm::Error close();

private:
  FileWriter(llvm::StringRef path, int file, uint64_t end) : path(path), file(file), end(end) {}
  static llvm::Expected<FileWriter> open(llvm::StringRef path, int flags);

  std::string path;
  int file;
  uint64_t end;
};

} // namespace sylvite

#endif
