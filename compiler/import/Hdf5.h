//===- Hdf5.h - Datasets and attributes of an HDF5 file, in place ---------===//
//
// Reads what h5py writes for Keras: groups, contiguous or compact datasets of numbers, and string
// attributes, of files with any superblock version. A dataset is a slice of the file's own bytes, also when
// the file is itself a stored member of a zip archive. Chunked or compressed datasets and dense link
// storage give an error that says how to rewrite the file. This is not libhdf5 because that library
// neither reads in place nor survives damaged files.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_COMPILER_IMPORT_HDF5_H
#define SYLVITE_COMPILER_IMPORT_HDF5_H

#include "compiler/import/Bytes.h"
#include "llvm/ADT/SmallVector.h"
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace sylvite {

class Hdf5File {
public:
  /// How one element is stored.
  struct ElementType {
    enum Kind { Float, Signed, Unsigned, FixedString, VariableString, Other } kind = Other;
    uint32_t size = 0; // bytes
    bool bigEndian = false;
  };

  struct Dataset {
    ElementType type;
    llvm::SmallVector<int64_t, 4> shape;
    Bytes data; // row-major, of exactly the shape's size
  };

  /// True when `bytes` hold an HDF5 signature where one is allowed.
  static bool matches(Bytes bytes);

  /// Reads the superblock. `bytes` must outlive the file object and every dataset got from it.
  static llvm::Expected<Hdf5File> open(Bytes bytes);

  /// True when `path` ("layers/dense/vars") leads to an object; "" is the root group.
  llvm::Expected<bool> contains(llvm::StringRef path);

  /// The names in a group, sorted; nothing when `path` leads nowhere or to a dataset.
  llvm::Expected<std::vector<std::string>> children(llvm::StringRef path);

  llvm::Expected<Dataset> dataset(llvm::StringRef path);

  /// The strings of an attribute of the object at `path`; nothing when it has no such attribute.
  llvm::Expected<std::optional<std::vector<std::string>>> strings(llvm::StringRef path,
                                                                  llvm::StringRef attribute);

private:
  struct Message {
    uint16_t type;
    uint8_t flags;
    Bytes data;
  };
  using Links = std::map<std::string, uint64_t, std::less<>>;

  llvm::Expected<std::optional<uint64_t>> locate(llvm::StringRef path);
  llvm::Expected<std::vector<Message>> messages(uint64_t address);
  llvm::Error readHeader1(uint64_t address, std::vector<Message> &out);
  llvm::Error readHeader2(uint64_t address, std::vector<Message> &out);
  llvm::Expected<const Links *> links(uint64_t address);
  llvm::Error readSymbolTable(uint64_t tree, uint64_t heap, Links &out);
  llvm::Expected<std::string> heapString(uint64_t collection, uint32_t index, uint64_t length);

  Bytes at(uint64_t address) const {
    return address <= bytes.size() ? bytes.drop_front(address) : Bytes();
  }

  Bytes bytes; // from the base address on
  uint64_t root = 0;
  std::map<uint64_t, Links> groups; // already read
};

} // namespace sylvite

#endif // SYLVITE_COMPILER_IMPORT_HDF5_H
