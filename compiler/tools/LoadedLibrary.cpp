// See LoadedLibrary.h.
#include "compiler/tools/LoadedLibrary.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/FileSystem.h"
#include <dlfcn.h>
#include <utility>

using namespace llvm;

namespace sylvite {

/// The model's name: that of the exported functions NAME_info and NAME_create.
static Expected<std::string> findPrefix(StringRef path) {
  file_magic magic;
  if (std::error_code code = identify_magic(path, magic))
    return createStringError("cannot read " + path + ": " + code.message());
  if (magic == file_magic::archive)
    return createStringError(path + " is a static library, which cannot be loaded: name the .so beside it");
  if (magic != file_magic::elf_shared_object)
    return createStringError(path + " is not a shared library");
  Expected<object::OwningBinary<object::ObjectFile>> binary = object::ObjectFile::createObjectFile(path);
  if (!binary)
    return createStringError("cannot read " + path + ": " + toString(binary.takeError()));
  auto *object = dyn_cast<object::ELFObjectFileBase>(binary->getBinary());
  if (!object)
    return createStringError(path + " is not a shared library");
  std::vector<std::string> infos, creates;
  for (const object::ELFSymbolRef &symbol : object->getDynamicSymbolIterators()) {
    Expected<StringRef> name = symbol.getName();
    Expected<uint32_t> flags = symbol.getFlags();
    if (!name || !flags) {
      consumeError(name ? Error::success() : name.takeError());
      consumeError(flags ? Error::success() : flags.takeError());
      return createStringError(path + ": malformed symbol table");
    }
    if (*flags & object::SymbolRef::SF_Undefined)
      continue;
    StringRef base = *name;
    if (base.consume_back("_info"))
      infos.push_back(base.str());
    else if (base.consume_back("_create"))
      creates.push_back(base.str());
  }
  for (const std::string &name : infos)
    if (is_contained(creates, name))
      return name;
  return createStringError(path + " was not made by Sylvite: it has no functions NAME_info and NAME_create");
}

Expected<LoadedLibrary> LoadedLibrary::load(StringRef path) {
  Expected<std::string> prefix = findPrefix(path);
  if (!prefix)
    return prefix.takeError();
  LoadedLibrary result;
  result.path = path.str();
  result.prefix = *prefix;
  // Without a slash dlopen would search the system's directories instead.
  std::string file = path.contains('/') ? path.str() : "./" + path.str();
  result.library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!result.library)
    return createStringError(std::string("cannot load ") + dlerror());
  const char *missing = nullptr;
  auto find = [&](const char *suffix, auto &function) {
    void *symbol = dlsym(result.library, (result.prefix + "_" + suffix).c_str());
    if (!symbol)
      missing = suffix;
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(symbol);
  };
  const sylvite_info *(*info)(void) = nullptr;
  find("info", info);
  find("create", result.createFunction);
  find("destroy", result.destroy);
  find("run", result.runFunction);
  find("last_error", result.lastError);
  find("run_workspace_size", result.runWorkspaceSize);
  find("output_shape", result.outputShapeFunction);
  find("set_threads", result.setThreadsFunction);
  find("threads", result.threads);
  find("set_parallel_for", result.setParallelForFunction);
  find("set_profile", result.setProfileFunction);
  find("profile", result.profile);
  auto notOurs = [&] {
    return createStringError(path + " was not made by this version of Sylvite: it has no function " +
                             result.prefix + "_" + missing);
  };
  if (missing)
    return notOurs();
  result.description = info();
  if (result.description->abi != SYLVITE_ABI)
    return createStringError(path + " has version " + Twine(result.description->abi) +
                             " of the interface, this program has " + Twine(SYLVITE_ABI) +
                             ": compile the model again");
  if (result.description->entry_count > 1) {
    find("run_entry", result.runEntryFunction);
    find("entry_workspace_size", result.entryWorkspaceSize);
    find("entry_output_shape", result.entryOutputShape);
    find("save_checkpoint", result.saveCheckpointFunction);
    find("load_checkpoint", result.loadCheckpointFunction);
    find("set_checks", result.setChecksFunction);
    find("set_learning_rate", result.setLearningRateFunction);
    find("learning_rate", result.learningRate);
  }
  if (missing)
    return notOurs();
  return result;
}

Expected<int32_t> LoadedLibrary::findEntry(StringRef name) const {
  std::vector<std::string> names;
  for (const sylvite_entry &entry : entries()) {
    if (name == entry.name)
      return int32_t(names.size());
    names.push_back(entry.name);
  }
  return createStringError(path + " has no entry '" + name + "'; it has: " + join(names, ", "));
}

LoadedLibrary::LoadedLibrary(LoadedLibrary &&other)
    : LoadedLibrary(static_cast<const LoadedLibrary &>(other)) {
  other.library = nullptr;
  other.model = nullptr;
}

LoadedLibrary::~LoadedLibrary() {
  if (model)
    destroy(model);
  if (library)
    dlclose(library);
}

Error LoadedLibrary::failure(int status) const {
  if (status == SYLVITE_OK)
    return Error::success();
  const char *message = model ? lastError(model) : "";
  return createStringError(*message ? message : lastError(nullptr));
}

Error LoadedLibrary::create(const std::string &weights, MutableArrayRef<char> workspace) {
  sylvite_options options = {};
  options.size = sizeof options;
  options.weights = weights.empty() ? nullptr : weights.c_str();
  options.workspace = workspace.empty() ? nullptr : workspace.data();
  options.workspace_size = workspace.size();
  if (model)
    destroy(model);
  model = createFunction(&options);
  return model ? Error::success() : createStringError(lastError(nullptr));
}

Error LoadedLibrary::setThreads(int count) {
  return setThreadsFunction(count) == SYLVITE_OK ? Error::success()
                                                 : createStringError(lastError(nullptr));
}

uint64_t LoadedLibrary::workspaceSize(int32_t entry, ArrayRef<int64_t> dims) const {
  return entryWorkspaceSize ? entryWorkspaceSize(entry, dims.data()) : runWorkspaceSize(dims.data());
}

Expected<std::vector<int64_t>> LoadedLibrary::outputShape(int32_t entry, int32_t output,
                                                          ArrayRef<int64_t> dims) const {
  std::vector<int64_t> shape(this->entry(entry).outputs[output].rank + 1);
  int status = entryOutputShape ? entryOutputShape(entry, output, dims.data(), shape.data())
                                : outputShapeFunction(output, dims.data(), shape.data());
  if (status != SYLVITE_OK)
    return createStringError(lastError(nullptr));
  shape.pop_back();
  return shape;
}

Error LoadedLibrary::run(int32_t entry, ArrayRef<const void *> inputs, ArrayRef<int64_t> dims,
                         ArrayRef<void *> outputs) {
  return failure(runEntryFunction ? runEntryFunction(model, entry, inputs.data(), dims.data(), outputs.data())
                                  : runFunction(model, inputs.data(), dims.data(), outputs.data()));
}

Error LoadedLibrary::saveCheckpoint(const std::string &file, const std::string &note) {
  return failure(saveCheckpointFunction(model, file.c_str(), note.c_str()));
}

Expected<std::string> LoadedLibrary::loadCheckpoint(const std::string &file) {
  // A note is not longer than its file, nor than a header may be.
  uint64_t size = 0;
  if (std::error_code code = sys::fs::file_size(file, size))
    return createStringError("cannot open " + file + ": " + code.message());
  std::string note(std::min<uint64_t>(size, 100'000'000) + 1, '\0');
  if (Error error = failure(loadCheckpointFunction(model, file.c_str(), note.data(), note.size())))
    return error;
  note.resize(note.find('\0'));
  return note;
}

Error LoadedLibrary::setChecks(bool enabled) { return failure(setChecksFunction(model, enabled)); }

Error LoadedLibrary::setLearningRate(float rate) { return failure(setLearningRateFunction(model, rate)); }

Error LoadedLibrary::setProfile(bool enabled) { return failure(setProfileFunction(model, enabled)); }

Expected<sylvite_profile> LoadedLibrary::readProfile(int32_t kernel) const {
  sylvite_profile result;
  if (profile(model, kernel, &result) != SYLVITE_OK)
    return createStringError(lastError(nullptr));
  return result;
}

Expected<std::vector<Array>> LoadedLibrary::makeOutputs(int32_t entry, ArrayRef<int64_t> dims) const {
  const sylvite_entry &about = this->entry(entry);
  std::vector<Array> outputs(about.output_count);
  for (int32_t i = 0; i < about.output_count; ++i) {
    Expected<std::vector<int64_t>> shape = outputShape(entry, i, dims);
    if (!shape)
      return shape.takeError();
    outputs[i].dtype = static_cast<DType>(about.outputs[i].dtype);
    outputs[i].shape = std::move(*shape);
    outputs[i].data.resize(outputs[i].elements() * getSizeInBytes(outputs[i].dtype));
  }
  return outputs;
}

} // namespace sylvite
