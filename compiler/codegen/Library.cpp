// Puts a library together: host object, kernels, runtime and a place for the weights are linked into one
// object, everything but the exported functions becomes local, and the outputs are made from that.
//
// Outputs are written under temporary names in their directory and renamed at the end. Intermediate objects,
// which are small because weights are not among them, live in a temporary directory.
#include "compiler/codegen/Library.h"

#include "compiler/codegen/FileWriter.h"
#include "compiler/codegen/Header.h"
#include "compiler/codegen/HostObject.h"
#include "compiler/codegen/Linker.h"
#include "compiler/codegen/RuntimeBlob.h"
#include "compiler/codegen/Weights.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Signals.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/TargetParser/Host.h"

using namespace llvm;

namespace sylvite {

//===----------------------------------------------------------------------===//
// Element types
//===----------------------------------------------------------------------===//

namespace {
struct DTypeNames {
  StringRef safetensors, numpy, c;
  uint64_t size;
};
} // namespace

static const DTypeNames &namesOf(DType dtype) {
  static const DTypeNames names[] = {
      {"F32", "float32", "float", 4},     {"F64", "float64", "double", 8},   {"F16", "float16", "uint16_t", 2},
      {"BF16", "bfloat16", "uint16_t", 2}, {"I8", "int8", "int8_t", 1},       {"I16", "int16", "int16_t", 2},
      {"I32", "int32", "int32_t", 4},     {"I64", "int64", "int64_t", 8},    {"U8", "uint8", "uint8_t", 1},
      {"U16", "uint16", "uint16_t", 2},   {"U32", "uint32", "uint32_t", 4},  {"U64", "uint64", "uint64_t", 8},
      {"BOOL", "bool", "uint8_t", 1}};
  return names[static_cast<int32_t>(dtype)];
}

uint64_t getSizeInBytes(DType dtype) { return namesOf(dtype).size; }
StringRef getSafetensorsName(DType dtype) { return namesOf(dtype).safetensors; }
StringRef getNumpyName(DType dtype) { return namesOf(dtype).numpy; }
StringRef getCName(DType dtype) { return namesOf(dtype).c; }

//===----------------------------------------------------------------------===//
// Files
//===----------------------------------------------------------------------===//

namespace {

/// A directory for intermediate files, removed with this object.
class Workspace {
public:
  static Expected<Workspace> create() {
    SmallString<128> path;
    if (std::error_code code = sys::fs::createUniqueDirectory("sylvite", path))
      return createStringError("cannot create a temporary directory: " + code.message());
    return Workspace(path);
  }
  Workspace(Workspace &&other) : path(std::move(other.path)) { other.path.clear(); }
  ~Workspace() {
    if (!path.empty())
      sys::fs::remove_directories(path);
  }
  std::string file(const Twine &name) const {
    SmallString<128> result(path);
    sys::path::append(result, name);
    return std::string(result);
  }

private:
  explicit Workspace(StringRef path) : path(path) {}
  std::string path;
};

/// The output files of one run. Each is written under a temporary name, which disappears if the run fails or
/// is interrupted; commit() gives all of them their names.
class Outputs {
public:
  explicit Outputs(StringRef directory) : directory(directory) {}
  ~Outputs() {
    for (const auto &[temporary, final] : files) {
      sys::fs::remove(temporary);
      sys::DontRemoveFileOnSignal(temporary);
    }
    if (!committed)
      for (const std::string &created : reverse(createdDirectories))
        sys::fs::remove(created);
  }

  Error prepare() {
    if (sys::fs::is_directory(directory))
      return Error::success();
    SmallVector<std::string> missing;
    for (StringRef path = directory; !path.empty() && !sys::fs::exists(path); path = sys::path::parent_path(path))
      missing.push_back(path.str());
    for (const std::string &path : reverse(missing)) {
      if (std::error_code code = sys::fs::create_directory(path, true, sys::fs::all_all))
        return createStringError("cannot create the directory " + directory + ": " + code.message());
      createdDirectories.push_back(path);
    }
    if (!sys::fs::is_directory(directory))
      return createStringError("cannot create the directory " + directory + ": a file has its name");
    return Error::success();
  }
  /// The temporary name for an output file.
  std::string add(const Twine &name) {
    SmallString<128> final(directory);
    sys::path::append(final, name);
    std::string temporary =
        (final + "." + Twine(sys::Process::getProcessId()) + ".tmp").str();
    sys::RemoveFileOnSignal(temporary);
    files.emplace_back(temporary, std::string(final));
    return temporary;
  }
  /// Removes an output that was only a step.
  void discard(StringRef temporary) {
    auto *found = find_if(files, [&](const auto &file) { return file.first == temporary; });
    if (found == files.end())
      return;
    sys::fs::remove(found->first);
    sys::DontRemoveFileOnSignal(found->first);
    files.erase(found);
  }
  Error commit() {
    for (const auto &[temporary, final] : files)
      if (sys::fs::is_directory(final))
        return createStringError("cannot write " + final + ": it is a directory");
    for (const auto &[temporary, final] : files) {
      if (std::error_code code = sys::fs::rename(temporary, final))
        return createStringError("cannot write " + final + ": " + code.message());
      sys::DontRemoveFileOnSignal(temporary);
    }
    files.clear();
    committed = true;
    return Error::success();
  }

private:
  std::string directory;
  SmallVector<std::string> createdDirectories; // outermost first
  SmallVector<std::pair<std::string, std::string>> files;
  bool committed = false;
};

} // namespace

static Error writeFile(StringRef path, StringRef content) {
  Expected<FileWriter> file = FileWriter::create(path);
  if (!file)
    return file.takeError();
  if (Error error = file->append(content.data(), content.size()))
    return error;
  return file->close();
}

static Error copyFile(StringRef from, StringRef to) {
  if (std::error_code code = sys::fs::copy_file(from, to))
    return createStringError("cannot write " + to + ": " + code.message());
  return Error::success();
}

//===----------------------------------------------------------------------===//
// Library
//===----------------------------------------------------------------------===//

/// Links everything into one object, still without weights, whose global symbols are the exported functions:
/// `symbols` gets their names.
static Error linkObject(Module &host, const LibraryDescription &description,
                        ArrayRef<MemoryBufferRef> kernelObjects, const LibraryOptions &options,
                        const Workspace &workspace, std::vector<std::string> &symbols, StringRef output) {
  if (Error error = finishHostModule(host, description, options))
    return error;
  std::vector<std::pair<std::string, std::string>> exports;
  for (const Function &function : host) {
    StringRef suffix = function.getName();
    if (!function.isDeclaration() && suffix.consume_front(exportPrefix)) {
      symbols.push_back((options.name + "_" + suffix).str());
      exports.emplace_back(function.getName(), symbols.back());
    }
  }
  SmallVector<char, 0> code;
  raw_svector_ostream stream(code);
  if (Error error = emitHost(host, HostFormat::Object, stream))
    return error;
  std::vector<std::string> objects = {workspace.file("host.o"), workspace.file("runtime.o")};
  if (Error error = writeFile(objects[0], StringRef(code.data(), code.size())))
    return error;
  if (Error error = writeFile(objects[1], getRuntimeObject(options.singleThreaded)))
    return error;
  for (auto [i, kernel] : enumerate(kernelObjects)) {
    objects.push_back(workspace.file("kernel" + Twine(i) + ".o"));
    if (Error error = writeFile(objects.back(), kernel.getBuffer()))
      return error;
  }
  uint64_t weights = layoutWeights(description.parameters).size;
  if (!options.externalWeights && weights > 0) {
    objects.push_back(workspace.file("weights.o"));
    if (Error error = writeWeightsPlaceholder(objects.back(), objects[0], weightsSymbol, weights))
      return error;
  }
  std::string combined = workspace.file("combined.o");
  if (Error error = linkRelocatable(objects, combined))
    return error;
  return localizeSymbols(combined, output, exports);
}

Error writeLibrary(Module &host, const LibraryDescription &description,
                   ArrayRef<MemoryBufferRef> kernelObjects, const LibraryOptions &options) {
  if (sanitizeName(options.name) != options.name)
    return createStringError("'" + options.name +
                             "' cannot be the name of a library: use letters, digits and underscores, "
                             "beginning with a letter, and no keyword of C or C++");
  Expected<TargetInfo> target = parseTarget(description.target);
  if (!target)
    return target.takeError();
  if (target->triple.getArch() != Triple(sys::getProcessTriple()).getArch())
    return createStringError("target '" + description.target +
                             "' needs a runtime for another processor than this compiler carries");
  Expected<Workspace> workspace = Workspace::create();
  if (!workspace)
    return workspace.takeError();
  Outputs outputs(options.directory);
  if (Error error = outputs.prepare())
    return error;

  const std::string &name = options.name;
  std::vector<std::string> symbols;
  bool embedded = !options.externalWeights && layoutWeights(description.parameters).size > 0;
  std::string object = workspace->file(name + ".o");
  if (options.object || options.archive || options.shared)
    if (Error error = linkObject(host, description, kernelObjects, options, *workspace, symbols, object))
      return error;

  if (options.shared) {
    std::string path = outputs.add("lib" + name + ".so");
    if (Error error = linkShared(object, path, "lib" + name + ".so", embedded))
      return error;
    if (embedded)
      if (Error error = fillWeightsSection(path, description.parameters))
        return error;
  }
  if (options.object || options.archive) {
    // The filled object is as large as the weights: it goes where the outputs go, not to /tmp.
    std::string filled = outputs.add(name + ".o");
    if (Error error = copyFile(object, filled))
      return error;
    if (embedded)
      if (Error error = fillWeightsSection(filled, description.parameters))
        return error;
    if (options.archive)
      if (Error error = writeArchive(filled, name + ".o", symbols, outputs.add("lib" + name + ".a")))
        return error;
    if (!options.object)
      outputs.discard(filled);
  }
  if (options.externalWeights && (options.object || options.archive || options.shared))
    if (Error error = writeSafetensors(outputs.add(name + ".weights.safetensors"), description.parameters))
      return error;
  if (options.header) {
    std::string text;
    raw_string_ostream stream(text);
    writeHeader(description, options, stream);
    if (Error error = writeFile(outputs.add(name + ".h"), text))
      return error;
  }
  return outputs.commit();
}

} // namespace sylvite
