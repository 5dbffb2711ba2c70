//===- Zip.cpp - Members of a zip archive, in place -----------------------===//
//
// Follows PKWARE's APPNOTE 6.3: end-of-directory record (and its zip64 form), central directory, local
// headers. Sizes come from the central directory, as zipfile and Keras do it.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/Zip.h"
#include <algorithm>
#include <zlib.h>

using namespace llvm;
using namespace sylvite;

static constexpr uint32_t kLocalHeader = 0x04034b50, kDirectoryHeader = 0x02014b50;
static constexpr uint32_t kEndOfDirectory = 0x06054b50, kEndOfDirectory64 = 0x06064b50;
static constexpr uint32_t kLocator64 = 0x07064b50;
static constexpr uint64_t kEndSize = 22, kLocatorSize = 20, kDirectoryHeaderSize = 46;

/// A checksum in the file would keep a fuzzer from ever reaching what the member holds.
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
static constexpr bool kCheckCrc = false;
#else
static constexpr bool kCheckCrc = true;
#endif

bool ZipArchive::matches(Bytes bytes) {
  ByteReader reader(bytes);
  uint32_t magic = reader.u32();
  return reader.ok() && (magic == kLocalHeader || magic == kEndOfDirectory);
}

namespace {
struct Directory {
  uint64_t offset, size, count;
};
} // namespace

/// Finds the record that ends the archive: the last one whose comment reaches exactly to the end.
static Expected<Directory> findDirectory(Bytes bytes) {
  if (bytes.size() < kEndSize)
    return makeError("not a zip archive: {0} bytes are too few", bytes.size());
  uint64_t last = bytes.size() - kEndSize, first = last > 65535 ? last - 65535 : 0;
  for (uint64_t at = last + 1; at-- > first;) {
    ByteReader end(bytes, at);
    if (end.u32() != kEndOfDirectory)
      continue;
    uint16_t disk = end.u16(), directoryDisk = end.u16();
    end.skip(2);
    Directory found;
    found.count = end.u16();
    found.size = end.u32();
    found.offset = end.u32();
    if (end.u16() != bytes.size() - at - kEndSize)
      continue;
    if (found.count == 0xffff || found.size == 0xffffffff || found.offset == 0xffffffff) {
      ByteReader locator(bytes, at >= kLocatorSize ? at - kLocatorSize : bytes.size());
      if (locator.u32() != kLocator64)
        return makeError("damaged zip archive: the zip64 locator is missing");
      locator.skip(4);
      ByteReader end64(bytes, locator.u64());
      if (end64.u32() != kEndOfDirectory64)
        return makeError("damaged zip archive: the zip64 end of the directory is missing");
      end64.skip(8 + 2 + 2 + 4 + 4 + 8);
      found.count = end64.u64();
      found.size = end64.u64();
      found.offset = end64.u64();
      if (!end64.ok())
        return makeError("damaged zip archive: the zip64 end of the directory is cut off");
    } else if (disk != 0 || directoryDisk != 0) {
      return makeError("the zip archive spans several disks, which is not supported");
    }
    return found;
  }
  return makeError("truncated zip archive: its directory, which ends the file, is missing");
}

/// Replaces the 32-bit fields that say "see the zip64 extra field".
static bool readZip64(Bytes extra, ZipArchive::Member &member) {
  ByteReader reader(extra);
  while (reader.remaining() >= 4) {
    uint16_t id = reader.u16(), size = reader.u16();
    ByteReader field(reader.take(size));
    if (id != 1)
      continue;
    for (uint64_t *value : {&member.size, &member.storedSize, &member.headerOffset})
      if (*value == 0xffffffff)
        *value = field.u64();
    return field.ok() && reader.ok();
  }
  return true;
}

Expected<ZipArchive> ZipArchive::open(FileBuffer file) {
  ZipArchive archive;
  archive.file = std::move(file);
  Bytes bytes = bytesOf(*archive.file);
  Expected<Directory> where = findDirectory(bytes);
  if (!where)
    return where.takeError();
  Bytes directory;
  if (!sliceOf(bytes, where->offset, where->size, directory) ||
      where->count > directory.size() / kDirectoryHeaderSize)
    return makeError("damaged zip archive: its directory leaves the file");

  ByteReader reader(directory);
  for (uint64_t i = 0; i < where->count; ++i) {
    Member member;
    if (reader.u32() != kDirectoryHeader)
      return makeError("damaged zip archive: directory entry {0} is not one", i);
    reader.skip(4);
    member.flags = reader.u16();
    member.method = reader.u16();
    reader.skip(4);
    member.crc = reader.u32();
    member.storedSize = reader.u32();
    member.size = reader.u32();
    uint16_t nameSize = reader.u16(), extraSize = reader.u16(), commentSize = reader.u16();
    reader.skip(8);
    member.headerOffset = reader.u32();
    member.name = textOf(reader.take(nameSize)).str();
    bool valid = readZip64(reader.take(extraSize), member);
    reader.skip(commentSize);
    if (!reader.ok() || !valid)
      return makeError("damaged zip archive: directory entry {0} is cut off", i);
    archive.directory.push_back(std::move(member));
  }
  return archive;
}

const ZipArchive::Member *ZipArchive::find(StringRef name) const {
  auto found =
      std::find_if(directory.begin(), directory.end(), [&](auto &m) { return m.name == name; });
  return found == directory.end() ? nullptr : &*found;
}

/// zlib takes lengths of 32 bits.
static uint32_t crcOf(Bytes bytes) {
  uLong crc = crc32(0, nullptr, 0);
  for (; !bytes.empty(); bytes = bytes.drop_front(std::min<size_t>(bytes.size(), 1u << 30)))
    crc = crc32(crc, bytes.data(), std::min<size_t>(bytes.size(), 1u << 30));
  return crc;
}

static Error inflateInto(Bytes from, MutableArrayRef<char> to, StringRef name) {
  z_stream stream = {};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
    return makeError("zlib could not start");
  size_t read = 0, written = 0;
  int status = Z_OK;
  while (status == Z_OK) {
    stream.next_in = const_cast<Bytef *>(from.data() + read);
    stream.avail_in = std::min<size_t>(from.size() - read, 1u << 30);
    stream.next_out = reinterpret_cast<Bytef *>(to.data() + written);
    stream.avail_out = std::min<size_t>(to.size() - written, 1u << 30);
    size_t in = stream.avail_in, out = stream.avail_out;
    status = inflate(&stream, Z_NO_FLUSH);
    read += in - stream.avail_in;
    written += out - stream.avail_out;
  }
  inflateEnd(&stream);
  if (status != Z_STREAM_END || written != to.size())
    return makeError("'{0}' in the zip archive is damaged: its compressed data do not give {1} bytes",
                     name, to.size());
  return Error::success();
}

Expected<std::pair<FileBuffer, Bytes>> ZipArchive::read(const Member &member,
                                                        uint64_t sizeLimit) const {
  const std::string &name = member.name;
  if (member.flags & 1)
    return makeError("'{0}' in the zip archive is encrypted, which is not supported", name);
  Bytes bytes = bytesOf(*file);
  ByteReader header(bytes, member.headerOffset);
  uint32_t magic = header.u32();
  header.skip(22);
  uint16_t nameSize = header.u16(), extraSize = header.u16();
  header.skip(uint64_t(nameSize) + extraSize);
  Bytes stored = header.take(member.storedSize);
  if (!header.ok() || magic != kLocalHeader)
    return makeError("damaged zip archive: the data of '{0}' leave the file", name);

  if (member.method == 0) {
    if (member.size != member.storedSize)
      return makeError("damaged zip archive: '{0}' is stored but has two sizes", name);
    if (kCheckCrc && crcOf(stored) != member.crc)
      return makeError("'{0}' in the zip archive is damaged: its checksum differs", name);
    return std::make_pair(file, stored);
  }
  if (member.method != 8)
    return makeError("'{0}' in the zip archive uses compression method {1}; stored and deflated members "
                     "are supported",
                     name, member.method);
  // Deflate shrinks by a factor of at most 1032, so a larger promise is a lie not worth the memory.
  if (member.size > sizeLimit || member.size / 1032 > member.storedSize)
    return makeError("'{0}' in the zip archive claims {1} bytes, which is too many", name, member.size);
  auto buffer = WritableMemoryBuffer::getNewUninitMemBuffer(member.size, name);
  if (!buffer)
    return makeError("no memory for the {1} bytes of '{0}'", name, member.size);
  if (Error error = inflateInto(stored, buffer->getBuffer(), name))
    return error;
  FileBuffer owned(std::move(buffer));
  Bytes contents = bytesOf(*owned);
  if (kCheckCrc && crcOf(contents) != member.crc)
    return makeError("'{0}' in the zip archive is damaged: its checksum differs", name);
  return std::make_pair(owned, contents);
}
