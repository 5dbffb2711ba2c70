// Runs LLVM's linker, hides symbols with LLVM's objcopy library, and writes archives.
//
// The archive is written here and not by LLVM's ArchiveWriter, which takes members as memory: a member may
// hold gigabytes of weights, and is copied from file to file.
#include "compiler/codegen/Linker.h"

#include "compiler/codegen/FileWriter.h"
#include "compiler/codegen/Weights.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ObjCopy/CommonConfig.h"
#include "llvm/ObjCopy/ELF/ELFConfig.h"
#include "llvm/ObjCopy/ELF/ELFObjcopy.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"
#include <link.h>

using namespace llvm;

namespace sylvite {

//===----------------------------------------------------------------------===//
// Linker
//===----------------------------------------------------------------------===//

Expected<std::string> findLinker() {
  for (StringRef name : {"ld.lld", "ld.lld-22"}) {
    if (ErrorOr<std::string> found = sys::findProgramByName(name, {SYLVITE_LLVM_TOOLS_DIR}))
      return *found;
  }
  for (StringRef name : {"ld.lld-22", "ld.lld"}) {
    if (ErrorOr<std::string> found = sys::findProgramByName(name))
      return *found;
  }
  return createStringError("the linker ld.lld is neither in " SYLVITE_LLVM_TOOLS_DIR
                           " nor on PATH: install lld-22");
}

static Error runLinker(ArrayRef<std::string> arguments) {
  Expected<std::string> linker = findLinker();
  if (!linker)
    return linker.takeError();
  SmallString<128> messages;
  if (std::error_code code = sys::fs::createTemporaryFile("sylvite-linker", "log", messages))
    return createStringError("cannot create a temporary file: " + code.message());
  scope_exit removeMessages([&] { sys::fs::remove(messages); });
  SmallVector<StringRef> argv = {*linker};
  append_range(argv, arguments);
  std::string reason;
  int status = sys::ExecuteAndWait(*linker, argv, std::nullopt, {StringRef(""), StringRef(""), messages.str()}, 0,
                                   0, &reason);
  if (status == 0)
    return Error::success();
  if (ErrorOr<std::unique_ptr<MemoryBuffer>> text = MemoryBuffer::getFile(messages))
    reason += (*text)->getBuffer().trim();
  return createStringError("the linker " + *linker + " failed: " +
                           (reason.empty() ? "status " + std::to_string(status) : reason));
}

Error linkRelocatable(ArrayRef<std::string> objects, StringRef output) {
  std::vector<std::string> arguments = {"-r", "-X", "-o", output.str()};
  append_range(arguments, objects);
  return runLinker(arguments);
}

/// The file of a C library that this process has loaded: the one to link against is the one to run with.
static Expected<std::string> findLoadedLibrary(StringRef name) {
  struct Search {
    StringRef name;
    std::string path;
  } search{name, ""};
  dl_iterate_phdr(
      [](dl_phdr_info *info, size_t, void *data) {
        auto *search = static_cast<Search *>(data);
        if (sys::path::filename(info->dlpi_name) == search->name)
          search->path = info->dlpi_name;
        return 0;
      },
      &search);
  if (search.path.empty())
    return createStringError("cannot find " + name + " to link the library against");
  return search.path;
}

Error linkShared(StringRef object, StringRef output, StringRef soname, bool hasWeights) {
  Expected<std::string> libc = findLoadedLibrary("libc.so.6");
  if (!libc)
    return libc.takeError();
  Expected<std::string> libm = findLoadedLibrary("libm.so.6");
  if (!libm)
    return libm.takeError();
  std::vector<std::string> arguments = {"-shared", "-o", output.str(), "-soname", soname.str(), "-z", "defs", "-z",
                                        "relro", "-z", "now", "-X", "--gc-sections", "--eh-frame-hdr",
                                        object.str(), *libc, "--as-needed", *libm};
  SmallString<128> script;
  scope_exit removeScript([&] {
    if (!script.empty())
      sys::fs::remove(script);
  });
  if (hasWeights) {
    int file;
    if (std::error_code code = sys::fs::createTemporaryFile("sylvite-weights", "lds", file, script))
      return createStringError("cannot create a temporary file: " + code.message());
    raw_fd_ostream stream(file, /*shouldClose=*/true);
    // Last, so that code and data stay close to each other however large the weights are.
    stream << formatv("SECTIONS {{ {0} : {{ *({0}) } } INSERT AFTER .bss;\n", weightsSection);
    stream.close();
    if (stream.has_error()) {
      std::error_code code = stream.error();
      stream.clear_error();
      return createStringError("cannot write " + script + ": " + code.message());
    }
    arguments.push_back("-T");
    arguments.push_back(script.str().str());
  }
  return runLinker(arguments);
}

//===----------------------------------------------------------------------===//
// Symbols
//===----------------------------------------------------------------------===//

Error localizeSymbols(StringRef input, StringRef output,
                      ArrayRef<std::pair<std::string, std::string>> exports) {
  Expected<object::OwningBinary<object::ObjectFile>> binary =
      object::ObjectFile::createObjectFile(input);
  if (!binary)
    return binary.takeError();
  auto *object = dyn_cast<object::ELFObjectFileBase>(binary->getBinary());
  if (!object)
    return createStringError("internal error: " + input + " is not an ELF object");

  // An undefined symbol of the C library and an exported one may not be the same.
  StringSet<> undefined;
  for (const object::ELFSymbolRef &symbol : object->symbols()) {
    Expected<uint32_t> flags = symbol.getFlags();
    Expected<StringRef> name = symbol.getName();
    if (!flags)
      return flags.takeError();
    if (!name)
      return name.takeError();
    if (*flags & object::SymbolRef::SF_Undefined)
      undefined.insert(*name);
  }

  objcopy::CommonConfig config;
  objcopy::ELFConfig elf;
  config.InputFilename = input;
  config.OutputFilename = output;
  auto fail = [](Error error) { return error; };
  for (const auto &[from, to] : exports) {
    if (undefined.contains(to))
      return createStringError("the function '" + to +
                               "' would have the name of one of the C library: choose another name");
    if (Error error = config.SymbolsToKeepGlobal.addMatcher(
            objcopy::NameOrPattern::create(from, objcopy::MatchStyle::Literal, fail)))
      return error;
    config.SymbolsToRename[from] = to;
  }
  if (Error error = config.ToRemove.addMatcher(
          objcopy::NameOrPattern::create(".comment", objcopy::MatchStyle::Literal, fail)))
    return error;
  SmallVector<char, 0> result;
  raw_svector_ostream stream(result);
  if (Error error = objcopy::elf::executeObjcopyOnBinary(config, elf, *object, stream))
    return error;
  Expected<FileWriter> file = FileWriter::create(output);
  if (!file)
    return file.takeError();
  if (Error error = file->append(result.data(), result.size()))
    return error;
  return file->close();
}

//===----------------------------------------------------------------------===//
// Archive
//===----------------------------------------------------------------------===//

/// A member's header: name, no date, no owner, so that equal input gives equal archives.
static std::string memberHeader(StringRef name, uint64_t size) {
  std::string header;
  raw_string_ostream(header) << left_justify(name, 16) << left_justify("0", 12) << left_justify("0", 6)
                             << left_justify("0", 6) << left_justify("644", 8)
                             << left_justify(std::to_string(size), 10) << "`\n";
  return header;
}

Error writeArchive(StringRef object, StringRef member, ArrayRef<std::string> symbols,
                   StringRef output) {
  // GNU format: a table from symbol to member, long names when needed, the member.
  std::string names, longName;
  for (const std::string &symbol : symbols)
    names += symbol + '\0';
  names.resize(alignTo(names.size(), 2), '\0');
  uint64_t tableSize = 4 + 4 * symbols.size() + names.size();
  std::string memberName = (member + "/").str();
  if (memberName.size() > 16) {
    longName = memberName + "\n";
    longName.resize(alignTo(longName.size(), 2), '\n');
    memberName = "/0";
  }
  std::string text = "!<arch>\n";
  text += memberHeader("/", tableSize);
  uint64_t memberOffset = text.size() + tableSize + (longName.empty() ? 0 : 60 + longName.size());
  char word[4];
  support::endian::write32be(word, symbols.size());
  text.append(word, 4);
  support::endian::write32be(word, memberOffset);
  for (size_t i = 0; i < symbols.size(); ++i)
    text.append(word, 4);
  text += names;
  if (!longName.empty())
    text += memberHeader("//", longName.size()) + longName;

  Expected<FileWriter> source = FileWriter::openExisting(object);
  if (!source)
    return source.takeError();
  Expected<FileWriter> file = FileWriter::create(output);
  if (!file)
    return file.takeError();
  if (source->size() > 9999999999)
    return createStringError("the archive format has no room for a member of " + Twine(source->size()) +
                             " bytes: use a shared library, or weights beside it");
  text += memberHeader(memberName, source->size());
  if (Error error = file->append(text.data(), text.size()))
    return error;
  std::vector<char> block(1 << 20);
  for (uint64_t offset = 0; offset < source->size(); offset += block.size()) {
    uint64_t size = std::min<uint64_t>(block.size(), source->size() - offset);
    if (Error error = source->readAt(offset, block.data(), size))
      return error;
    if (Error error = file->append(block.data(), size))
      return error;
  }
  if (source->size() % 2 != 0)
    if (Error error = file->append("\n", 1))
      return error;
  return file->close();
}

} // namespace sylvite
