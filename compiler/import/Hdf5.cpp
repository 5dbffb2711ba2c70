//===- Hdf5.cpp - Datasets and attributes of an HDF5 file, in place -------===//
//
// Follows the "HDF5 File Format Specification Version 3.0": superblocks 0 to 3, object headers 1 and 2,
// symbol-table and compact-link groups, contiguous and compact layouts. Every address and size in the file
// is checked, and every walk (header chunks, trees, heaps) has a bound, so no bytes lead to a loop.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/Hdf5.h"
#include "llvm/ADT/StringExtras.h"

using namespace llvm;
using namespace sylvite;

static constexpr StringLiteral kSignature("\x89HDF\r\n\x1a\n");
static constexpr uint64_t kUndefined = UINT64_MAX;

// Bounds on walks, far above anything that Keras writes.
static constexpr unsigned kMaxChunks = 1024, kMaxMessages = 1 << 16, kMaxTreeDepth = 16;
static constexpr size_t kMaxLinks = 1 << 20;

// Header message types.
enum : uint16_t {
  kDataspace = 0x01,
  kLinkInfo = 0x02,
  kDatatype = 0x03,
  kLink = 0x06,
  kLayout = 0x08,
  kAttribute = 0x0c,
  kContinuation = 0x10,
  kSymbolTable = 0x11,
  kAttributeInfo = 0x15,
};

//===----------------------------------------------------------------------===//
// Superblock
//===----------------------------------------------------------------------===//

/// The signature stands at 0, 512, 1024, 2048...: the bytes before it are the user's.
static std::optional<uint64_t> findSignature(Bytes bytes) {
  for (uint64_t at = 0; at + kSignature.size() <= bytes.size(); at = at ? at * 2 : 512)
    if (textOf(bytes).substr(at).starts_with(kSignature))
      return at;
  return std::nullopt;
}

bool Hdf5File::matches(Bytes bytes) { return findSignature(bytes).has_value(); }

Expected<Hdf5File> Hdf5File::open(Bytes bytes) {
  std::optional<uint64_t> start = findSignature(bytes);
  if (!start)
    return makeError("not an HDF5 file: the signature is missing");
  ByteReader reader(bytes, *start + kSignature.size());
  unsigned version = reader.u8(), offsetSize, lengthSize;
  if (version <= 1) {
    reader.skip(4);
    offsetSize = reader.u8();
    lengthSize = reader.u8();
    reader.skip(1 + 2 + 2 + 4 + (version == 1 ? 4 : 0));
  } else if (version <= 3) {
    offsetSize = reader.u8();
    lengthSize = reader.u8();
    reader.skip(1);
  } else {
    return makeError("HDF5 superblock version {0}; versions 0 to 3 are supported", version);
  }
  if (offsetSize != 8 || lengthSize != 8)
    return makeError("HDF5 file with offsets of {0} and lengths of {1} bytes; 8 are supported",
                     offsetSize, lengthSize);

  Hdf5File file;
  uint64_t base = reader.u64();
  reader.skip(8); // free space, or the superblock's extension
  uint64_t end = reader.u64();
  if (version <= 1)
    reader.skip(8 + 8); // driver block, the root's link name
  file.root = reader.u64();
  if (!reader.ok() || base > bytes.size())
    return makeError("truncated HDF5 file: the superblock is cut off");
  if (end != kUndefined && end > bytes.size())
    return makeError("truncated HDF5 file: {0} bytes are there, its superblock says {1}",
                     bytes.size(), end);
  file.bytes = bytes.drop_front(base);
  return file;
}

//===----------------------------------------------------------------------===//
// Object headers
//===----------------------------------------------------------------------===//

Expected<std::vector<Hdf5File::Message>> Hdf5File::messages(uint64_t address) {
  std::vector<Message> out;
  Error error = textOf(at(address)).starts_with("OHDR") ? readHeader2(address, out)
                                                        : readHeader1(address, out);
  if (error)
    return error;
  return out;
}

Error Hdf5File::readHeader1(uint64_t address, std::vector<Message> &out) {
  ByteReader reader(at(address));
  unsigned version = reader.u8();
  reader.skip(1);
  unsigned count = reader.u16();
  reader.skip(4);
  uint64_t size = reader.u32();
  reader.skip(4);
  std::vector<Bytes> chunks{reader.take(size)};
  if (!reader.ok() || version != 1)
    return makeError("damaged HDF5 file: no object header at {0}", address);
  for (size_t i = 0; i < chunks.size(); ++i) {
    ByteReader chunk(chunks[i]);
    while (chunk.remaining() >= 8 && out.size() < count) {
      Message message;
      message.type = chunk.u16();
      unsigned length = chunk.u16();
      message.flags = chunk.u8();
      chunk.skip(3);
      message.data = chunk.take(length);
      if (!chunk.ok())
        return makeError("damaged HDF5 file: a message leaves the object header at {0}", address);
      if (message.type == kContinuation) {
        ByteReader field(message.data);
        uint64_t offset = field.u64(), bytesThere = field.u64();
        Bytes more;
        if (!field.ok() || !sliceOf(bytes, offset, bytesThere, more) || chunks.size() == kMaxChunks)
          return makeError("damaged HDF5 file: the object header at {0} leaves the file", address);
        chunks.push_back(more);
      }
      out.push_back(message);
    }
  }
  return Error::success();
}

Error Hdf5File::readHeader2(uint64_t address, std::vector<Message> &out) {
  ByteReader reader(at(address), 4);
  unsigned version = reader.u8(), flags = reader.u8();
  if (flags & 0x20)
    reader.skip(16);
  if (flags & 0x10)
    reader.skip(4);
  uint64_t size = reader.integer(1u << (flags & 3));
  std::vector<Bytes> chunks{reader.take(size)};
  if (!reader.ok() || version != 2)
    return makeError("damaged HDF5 file: no object header at {0}", address);
  unsigned prefix = 4 + (flags & 4 ? 2 : 0);
  for (size_t i = 0; i < chunks.size(); ++i) {
    ByteReader chunk(chunks[i]);
    while (chunk.remaining() >= prefix && out.size() < kMaxMessages) {
      Message message;
      message.type = chunk.u8();
      unsigned length = chunk.u16();
      message.flags = chunk.u8();
      chunk.skip(prefix - 4);
      message.data = chunk.take(length);
      if (!chunk.ok())
        return makeError("damaged HDF5 file: a message leaves the object header at {0}", address);
      if (message.type == kContinuation) {
        ByteReader field(message.data);
        uint64_t offset = field.u64(), bytesThere = field.u64();
        Bytes more;
        // The block is framed by its signature and a checksum.
        if (!field.ok() || bytesThere < 8 || !sliceOf(bytes, offset, bytesThere, more) ||
            !textOf(more).starts_with("OCHK") || chunks.size() == kMaxChunks)
          return makeError("damaged HDF5 file: the object header at {0} leaves the file", address);
        chunks.push_back(more.drop_front(4).drop_back(4));
      }
      out.push_back(message);
    }
  }
  return Error::success();
}

//===----------------------------------------------------------------------===//
// Groups
//===----------------------------------------------------------------------===//

/// Version 1 B-trees of symbol nodes, the names in a local heap.
Error Hdf5File::readSymbolTable(uint64_t tree, uint64_t heap, Links &out) {
  ByteReader heapReader(at(heap));
  StringRef magic = textOf(heapReader.take(4));
  heapReader.skip(4);
  uint64_t heapSize = heapReader.u64();
  heapReader.skip(8);
  uint64_t heapData = heapReader.u64();
  Bytes names;
  if (!heapReader.ok() || magic != "HEAP" || !sliceOf(bytes, heapData, heapSize, names))
    return makeError("damaged HDF5 file: no local heap at {0}", heap);

  auto readNode = [&](uint64_t address) -> Error {
    ByteReader node(at(address));
    StringRef magic = textOf(node.take(4));
    node.skip(2);
    unsigned count = node.u16();
    if (!node.ok() || magic != "SNOD")
      return makeError("damaged HDF5 file: no symbol table node at {0}", address);
    for (unsigned i = 0; i < count; ++i) {
      uint64_t name = node.u64(), header = node.u64();
      node.skip(24);
      if (!node.ok() || name >= names.size())
        return makeError("damaged HDF5 file: a link in the node at {0} has no name", address);
      out[textOf(names.drop_front(name)).split('\0').first.str()] = header;
    }
    return Error::success();
  };

  // (address, the level it must have); the root's level is free.
  std::vector<std::pair<uint64_t, int>> pending{{tree, -1}};
  for (size_t visited = 0; !pending.empty(); ++visited) {
    if (visited > kMaxLinks || out.size() > kMaxLinks)
      return makeError("HDF5 group with more than {0} members", kMaxLinks);
    auto [address, level] = pending.back();
    pending.pop_back();
    if (level == 0) {
      if (Error error = readNode(address))
        return error;
      continue;
    }
    ByteReader node(at(address));
    StringRef magic = textOf(node.take(4));
    unsigned type = node.u8();
    int height = node.u8();
    unsigned count = node.u16();
    node.skip(16);
    if (!node.ok() || magic != "TREE" || type != 0 || height >= int(kMaxTreeDepth) ||
        (level >= 0 && height != level - 1) || pending.size() > kMaxLinks)
      return makeError("damaged HDF5 file: no group tree node at {0}", address);
    for (unsigned i = 0; i < count; ++i) {
      node.skip(8);
      pending.push_back({node.u64(), height});
    }
    if (!node.ok())
      return makeError("damaged HDF5 file: the group tree node at {0} is cut off", address);
  }
  return Error::success();
}

/// A hard link of a version 2 group; soft and external links lead nowhere here.
static bool readLink(Bytes data, std::string &name, std::optional<uint64_t> &target) {
  ByteReader reader(data);
  unsigned version = reader.u8(), flags = reader.u8();
  unsigned type = flags & 0x08 ? reader.u8() : 0;
  if (flags & 0x04)
    reader.skip(8);
  if (flags & 0x10)
    reader.skip(1);
  uint64_t length = reader.integer(1u << (flags & 3));
  name = textOf(reader.take(length)).str();
  if (type == 0)
    target = reader.u64();
  return reader.ok() && version == 1;
}

Expected<const Hdf5File::Links *> Hdf5File::links(uint64_t address) {
  if (auto known = groups.find(address); known != groups.end())
    return &known->second;
  Expected<std::vector<Message>> header = messages(address);
  if (!header)
    return header.takeError();
  Links out;
  for (const Message &message : *header) {
    ByteReader reader(message.data);
    if (message.type == kSymbolTable) {
      uint64_t tree = reader.u64(), heap = reader.u64();
      if (!reader.ok())
        return makeError("damaged HDF5 file: the symbol table message at {0} is cut off", address);
      if (Error error = readSymbolTable(tree, heap, out))
        return error;
    } else if (message.type == kLink) {
      std::string name;
      std::optional<uint64_t> target;
      if (!readLink(message.data, name, target))
        return makeError("damaged HDF5 file: a link message at {0} is cut off", address);
      if (target)
        out[name] = *target;
    } else if (message.type == kLinkInfo) {
      reader.skip(1);
      unsigned flags = reader.u8();
      reader.skip(flags & 1 ? 8 : 0);
      if (reader.u64() != kUndefined)
        return makeError("HDF5 group in dense link storage, which is not supported; rewrite the file "
                         "with `h5repack --low=0 --high=0 OLD NEW`");
    }
  }
  return &groups.emplace(address, std::move(out)).first->second;
}

Expected<std::optional<uint64_t>> Hdf5File::locate(StringRef path) {
  uint64_t address = root;
  while (!path.empty()) {
    auto [name, rest] = path.split('/');
    path = rest;
    if (name.empty())
      continue;
    Expected<const Links *> members = links(address);
    if (!members)
      return members.takeError();
    auto member = (*members)->find(name);
    if (member == (*members)->end())
      return std::optional<uint64_t>();
    address = member->second;
  }
  return std::optional<uint64_t>(address);
}

Expected<bool> Hdf5File::contains(StringRef path) {
  auto address = locate(path);
  if (!address)
    return address.takeError();
  return address->has_value();
}

Expected<std::vector<std::string>> Hdf5File::children(StringRef path) {
  std::vector<std::string> names;
  auto address = locate(path);
  if (!address)
    return address.takeError();
  if (!*address)
    return names;
  auto members = links(**address);
  if (!members)
    return members.takeError();
  for (auto &[name, target] : **members)
    names.push_back(name);
  return names;
}

//===----------------------------------------------------------------------===//
// Types, shapes, data
//===----------------------------------------------------------------------===//

static bool readType(Bytes data, Hdf5File::ElementType &type) {
  ByteReader reader(data);
  unsigned kind = reader.u8() & 0x0f;
  unsigned bits = reader.u8();
  reader.skip(2);
  type.size = reader.u32();
  type.bigEndian = bits & 1;
  switch (kind) {
  case 0:
    type.kind = bits & 8 ? Hdf5File::ElementType::Signed : Hdf5File::ElementType::Unsigned;
    break;
  case 1:
    type.kind = Hdf5File::ElementType::Float;
    break;
  case 3:
    type.kind = Hdf5File::ElementType::FixedString;
    break;
  case 9:
    type.kind = (bits & 0x0f) == 1 ? Hdf5File::ElementType::VariableString
                                   : Hdf5File::ElementType::Other;
    break;
  default:
    type.kind = Hdf5File::ElementType::Other;
  }
  return reader.ok() && type.size != 0;
}

static bool readShape(Bytes data, SmallVectorImpl<int64_t> &shape) {
  ByteReader reader(data);
  unsigned version = reader.u8(), rank = reader.u8();
  reader.skip(version == 1 ? 6 : 2);
  for (unsigned i = 0; i < rank; ++i) {
    uint64_t extent = reader.u64();
    if (extent > INT64_MAX)
      return false;
    shape.push_back(extent);
  }
  return reader.ok() && (version == 1 || version == 2) && rank <= 32;
}

/// The bytes that `shape` elements of `size` take; nothing when that overflows.
static std::optional<uint64_t> sizeInBytes(ArrayRef<int64_t> shape, uint64_t size) {
  for (int64_t extent : shape)
    if (__builtin_mul_overflow(size, uint64_t(extent), &size))
      return std::nullopt;
  return size;
}

Expected<Hdf5File::Dataset> Hdf5File::dataset(StringRef path) {
  auto address = locate(path);
  if (!address)
    return address.takeError();
  if (!*address)
    return makeError("no dataset '{0}' in the HDF5 file", path);
  auto header = messages(**address);
  if (!header)
    return header.takeError();

  Dataset dataset;
  bool hasType = false, hasShape = false, hasData = false;
  std::optional<uint64_t> size;
  ByteReader layout{Bytes()};
  for (const Message &message : *header) {
    if (message.type != kDatatype && message.type != kDataspace && message.type != kLayout)
      continue;
    if (message.flags & 2)
      return makeError("HDF5 dataset '{0}' shares its type with other objects, which is not supported",
                       path);
    if (message.type == kDatatype)
      hasType = readType(message.data, dataset.type);
    else if (message.type == kDataspace)
      hasShape = dataset.shape.empty() && readShape(message.data, dataset.shape);
    else {
      hasData = true;
      layout = ByteReader(message.data);
    }
  }
  if (!hasType || !hasShape || !hasData)
    return makeError("'{0}' in the HDF5 file is not a readable dataset", path);
  if (!(size = sizeInBytes(dataset.shape, dataset.type.size)))
    return makeError("HDF5 dataset '{0}' claims more bytes than can be addressed", path);

  unsigned version = layout.u8(), kind = layout.u8();
  if (version < 3 || version > 4)
    return makeError("HDF5 dataset '{0}' has layout version {1}; 3 and 4 are supported", path, version);
  if (kind == 0) {
    dataset.data = layout.take(layout.u16());
  } else if (kind == 1) {
    uint64_t where = layout.u64(), stored = layout.u64();
    // A dataset of no elements, or never written, has no address.
    if (where != kUndefined && !sliceOf(bytes, where, stored, dataset.data))
      return makeError("truncated HDF5 file: the data of '{0}' lie beyond its end", path);
  } else {
    return makeError("HDF5 dataset '{0}' is stored in chunks; rewrite the file with "
                     "`h5repack -l CONTI -f NONE OLD NEW`",
                     path);
  }
  if (!layout.ok() || dataset.data.size() < *size)
    return makeError("HDF5 dataset '{0}' holds {1} bytes, its shape and type ask for {2}", path,
                     dataset.data.size(), *size);
  dataset.data = dataset.data.take_front(*size);
  return dataset;
}

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

Expected<std::string> Hdf5File::heapString(uint64_t collection, uint32_t index, uint64_t length) {
  ByteReader reader(at(collection));
  StringRef magic = textOf(reader.take(4));
  reader.skip(4);
  uint64_t size = reader.u64();
  Bytes whole;
  if (!reader.ok() || magic != "GCOL" || !sliceOf(bytes, collection, size, whole))
    return makeError("damaged HDF5 file: no global heap at {0}", collection);
  ByteReader objects(whole, 16);
  while (objects.remaining() >= 16) {
    uint32_t found = objects.u16();
    objects.skip(6);
    uint64_t bytesThere = objects.u64();
    Bytes data = objects.take(bytesThere);
    if (!objects.ok() || found == 0)
      break;
    if (found == index)
      return textOf(data.take_front(length)).split('\0').first.str();
    objects.skip(alignTo(bytesThere, 8) - bytesThere);
  }
  return makeError("damaged HDF5 file: the global heap at {0} lacks object {1}", collection, index);
}

Expected<std::optional<std::vector<std::string>>> Hdf5File::strings(StringRef path,
                                                                    StringRef attribute) {
  auto address = locate(path);
  if (!address)
    return address.takeError();
  if (!*address)
    return std::nullopt;
  auto header = messages(**address);
  if (!header)
    return header.takeError();

  bool dense = false;
  for (const Message &message : *header) {
    if (message.type == kAttributeInfo) {
      ByteReader reader(message.data);
      reader.skip(1);
      reader.skip(reader.u8() & 1 ? 2 : 0);
      dense |= reader.ok() && reader.u64() != kUndefined;
    }
    if (message.type != kAttribute)
      continue;
    ByteReader reader(message.data);
    unsigned version = reader.u8();
    unsigned flags = reader.u8();
    uint64_t nameSize = reader.u16(), typeSize = reader.u16(), spaceSize = reader.u16();
    if (version == 3)
      reader.skip(1);
    uint64_t unit = version == 1 ? 8 : 1; // version 1 pads each part
    StringRef name = textOf(reader.take(nameSize)).split('\0').first;
    reader.skip(alignTo(nameSize, unit) - nameSize);
    if (!reader.ok() || version < 1 || version > 3)
      return makeError("damaged HDF5 file: an attribute of '{0}' is cut off", path);
    if (name != attribute)
      continue;
    Bytes typeBytes = reader.take(typeSize);
    reader.skip(alignTo(typeSize, unit) - typeSize);
    Bytes spaceBytes = reader.take(spaceSize);
    reader.skip(alignTo(spaceSize, unit) - spaceSize);

    ElementType type;
    SmallVector<int64_t> shape;
    bool valid = reader.ok() && !(version > 1 && (flags & 3)) && readType(typeBytes, type) &&
                 readShape(spaceBytes, shape);
    std::optional<uint64_t> size = valid ? sizeInBytes(shape, type.size) : std::nullopt;
    if (!size || *size > reader.remaining())
      return makeError("damaged HDF5 file: attribute '{0}' of '{1}' is cut off", attribute, path);
    if (*size == 0) // an empty list has no type of its own: NumPy makes it one of float64
      return std::vector<std::string>();
    if (type.kind != ElementType::FixedString &&
        (type.kind != ElementType::VariableString || type.size != 16))
      return makeError("HDF5 attribute '{0}' of '{1}' does not hold strings", attribute, path);

    std::vector<std::string> out;
    for (uint64_t i = 0; i < *size / type.size; ++i) {
      Bytes element = reader.take(type.size);
      if (type.kind == ElementType::FixedString) {
        out.push_back(textOf(element).split('\0').first.str());
        continue;
      }
      ByteReader fields(element);
      uint64_t length = fields.u32(), collection = fields.u64();
      Expected<std::string> text = heapString(collection, fields.u32(), length);
      if (!text)
        return text.takeError();
      out.push_back(std::move(*text));
    }
    return out;
  }
  if (dense)
    return makeError("the attributes of '{0}' are in dense storage, which is not supported; rewrite the "
                     "file with `h5repack --low=0 --high=0 OLD NEW`",
                     path);
  return std::nullopt;
}
