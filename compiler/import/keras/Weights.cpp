//===- Weights.cpp - Where the values of a model's variables come from ----===//
//
// One class per file layout, chosen by content, and the conversion of stored numbers to float32 blobs.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/keras/Weights.h"
#include "compiler/import/Hdf5.h"
#include "compiler/import/Safetensors.h"
#include "compiler/import/keras/Initializers.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "mlir/IR/BuiltinTypes.h"
#include <sys/mman.h>
#include <unistd.h>

using namespace llvm;
using namespace mlir;
using namespace sylvite;
using namespace sylvite::keras;

//===----------------------------------------------------------------------===//
// HDF5
//===----------------------------------------------------------------------===//

static Expected<StoredTensor> toStored(Expected<Hdf5File::Dataset> dataset, StringRef path) {
  if (!dataset)
    return dataset.takeError();
  StoredTensor tensor;
  using Type = Hdf5File::ElementType;
  switch (dataset->type.kind) {
  case Type::Float:
    tensor.kind = StoredTensor::Float;
    break;
  case Type::Signed:
    tensor.kind = StoredTensor::Signed;
    break;
  case Type::Unsigned:
    tensor.kind = StoredTensor::Unsigned;
    break;
  default:
    return makeError("HDF5 dataset '{0}' does not hold numbers", path);
  }
  tensor.elementSize = dataset->type.size;
  tensor.bigEndian = dataset->type.bigEndian;
  tensor.shape.assign(dataset->shape.begin(), dataset->shape.end());
  tensor.data = dataset->data;
  return tensor;
}

namespace {

/// Keras 3: <layer group>/<part>/vars/<index>.
class KerasH5Weights : public WeightSource {
public:
  explicit KerasH5Weights(Hdf5File h5) : h5(std::move(h5)) {}

  static std::string varsGroup(const Layer &layer, StringRef part) {
    return layer.group + (part.empty() ? "" : "/" + part.str()) + "/vars";
  }
  static std::string path(const Layer &layer, const Variable &variable) {
    return varsGroup(layer, variable.part) + "/" + std::to_string(variable.index);
  }

  Expected<std::optional<StoredTensor>> find(const Layer &layer, const Variable &variable) override {
    std::string where = path(layer, variable);
    Expected<bool> there = h5.contains(where);
    if (!there)
      return there.takeError();
    if (!*there)
      return std::nullopt;
    Expected<StoredTensor> tensor = toStored(h5.dataset(where), where);
    if (!tensor)
      return tensor.takeError();
    return std::optional<StoredTensor>(std::move(*tensor));
  }
  Expected<std::optional<unsigned>> count(const Layer &layer, StringRef part) override {
    Expected<bool> there = h5.contains(varsGroup(layer, part));
    if (!there)
      return there.takeError();
    if (!*there)
      return std::nullopt;
    auto names = h5.children(varsGroup(layer, part));
    if (!names)
      return names.takeError();
    return names->size();
  }
  std::string place(const Layer &layer, const Variable &variable) override {
    return "'" + path(layer, variable) + "' of " + fileName;
  }

private:
  Hdf5File h5;
};

/// Keras 2: a group per outermost layer, whose attribute weight_names lists datasets in order.
class LegacyH5Weights : public WeightSource {
public:
  LegacyH5Weights(Hdf5File h5, std::string root) : h5(std::move(h5)), root(std::move(root)) {}

  std::string group(const Layer &layer) { return root + layer.topLevel; }

  /// An attribute too long for one is split into name0, name1...
  Expected<std::vector<std::string>> weightNames(const Layer &layer) {
    auto known = names.find(layer.topLevel);
    if (known != names.end())
      return known->second;
    std::vector<std::string> all;
    auto whole = h5.strings(group(layer), "weight_names");
    if (!whole)
      return whole.takeError();
    if (*whole)
      all = std::move(**whole);
    for (unsigned i = 0; !*whole && i < 1000; ++i) {
      auto piece = h5.strings(group(layer), "weight_names" + std::to_string(i));
      if (!piece)
        return piece.takeError();
      if (!*piece)
        break;
      all.insert(all.end(), (*piece)->begin(), (*piece)->end());
    }
    names[layer.topLevel] = all;
    return all;
  }

  /// The n-th variable of an outermost layer; inside a nested model the one whose name ends in
  /// <layer>/<variable>.
  Expected<std::optional<std::string>> path(const Layer &layer, const Variable &variable) {
    auto all = weightNames(layer);
    if (!all)
      return all.takeError();
    if (layer.topLevel == layer.path) {
      if (variable.index >= all->size())
        return std::nullopt;
      return group(layer) + "/" + (*all)[variable.index];
    }
    std::string wanted = layer.name + "/" + variable.name;
    for (const std::string &name : *all) {
      StringRef stem = StringRef(name).split(':').first;
      if (stem == wanted || stem.ends_with("/" + wanted))
        return group(layer) + "/" + name;
    }
    return std::nullopt;
  }

  Expected<std::optional<StoredTensor>> find(const Layer &layer, const Variable &variable) override {
    auto where = path(layer, variable);
    if (!where)
      return where.takeError();
    if (!*where)
      return std::nullopt;
    Expected<StoredTensor> tensor = toStored(h5.dataset(**where), **where);
    if (!tensor)
      return tensor.takeError();
    return std::optional<StoredTensor>(std::move(*tensor));
  }
  Expected<std::optional<unsigned>> count(const Layer &layer, StringRef part) override {
    if (layer.topLevel != layer.path || !part.empty())
      return std::nullopt;
    auto all = weightNames(layer);
    if (!all)
      return all.takeError();
    return all->size();
  }
  std::string place(const Layer &layer, const Variable &variable) override {
    return "variable " + std::to_string(variable.index) + " of group '" + group(layer) + "' of " +
           fileName;
  }

private:
  Hdf5File h5;
  std::string root;
  std::map<std::string, std::vector<std::string>> names;
};

//===----------------------------------------------------------------------===//
// safetensors
//===----------------------------------------------------------------------===//

/// By the variable's path, alone or behind the model's name: "conv2d/kernel", "sequential/conv2d/kernel".
class SafetensorsWeights : public WeightSource {
public:
  explicit SafetensorsWeights(std::map<std::string, Safetensor, std::less<>> tensors)
      : tensors(std::move(tensors)) {}

  static std::string key(const Layer &layer, const Variable &variable) {
    return layer.path + "/" + (variable.part.empty() ? "" : variable.part + "/") + variable.name;
  }

  Expected<std::optional<StoredTensor>> find(const Layer &layer, const Variable &variable) override {
    std::string wanted = key(layer, variable);
    auto found = tensors.find(wanted);
    if (found == tensors.end())
      found = llvm::find_if(tensors, [&](auto &entry) {
        return StringRef(entry.first).ends_with("/" + wanted);
      });
    if (found == tensors.end())
      return std::nullopt;
    StoredTensor tensor;
    StringRef dtype = found->second.dtype;
    tensor.kind = dtype == "BF16"             ? StoredTensor::BFloat
                  : dtype.starts_with("F")    ? StoredTensor::Float
                  : dtype.starts_with("I")    ? StoredTensor::Signed
                                              : StoredTensor::Unsigned;
    if (dtype.starts_with("F8"))
      return makeError("safetensors tensor '{0}' has dtype {1}, which is not supported", found->first,
                       dtype);
    tensor.shape.assign(found->second.shape.begin(), found->second.shape.end());
    tensor.data = found->second.data;
    dtype.drop_while([](char c) { return !isDigit(c); }).getAsInteger(10, tensor.elementSize);
    tensor.elementSize = dtype == "BOOL" ? 1 : tensor.elementSize / 8;
    return std::optional<StoredTensor>(std::move(tensor));
  }
  Expected<std::optional<unsigned>> count(const Layer &, StringRef) override { return std::nullopt; }
  std::string place(const Layer &layer, const Variable &variable) override {
    return "'" + key(layer, variable) + "' of " + fileName;
  }

private:
  std::map<std::string, Safetensor, std::less<>> tensors;
};

} // namespace

//===----------------------------------------------------------------------===//
// Opening
//===----------------------------------------------------------------------===//

static Expected<std::unique_ptr<WeightSource>> openHdf5(Bytes contents, StringRef name) {
  Expected<Hdf5File> h5 = Hdf5File::open(contents);
  if (!h5)
    return h5.takeError();
  Expected<std::vector<std::string>> top = h5->children("");
  if (!top)
    return top.takeError();
  if (llvm::is_contained(*top, "model_weights"))
    return std::make_unique<LegacyH5Weights>(std::move(*h5), "model_weights/");
  for (const char *attribute : {"layer_names", "layer_names0"}) {
    auto layers = h5->strings("", attribute);
    if (!layers)
      return layers.takeError();
    if (*layers)
      return std::make_unique<LegacyH5Weights>(std::move(*h5), "");
  }
  if (llvm::is_contained(*top, "layers") || llvm::is_contained(*top, "vars"))
    return std::make_unique<KerasH5Weights>(std::move(*h5));
  return makeError("{0} is an HDF5 file, but not one of Keras: it has neither a group 'layers' nor "
                   "'model_weights'",
                   name);
}

Expected<std::unique_ptr<WeightSource>> WeightSource::open(FileBuffer file, Bytes contents,
                                                           std::string name) {
  std::unique_ptr<WeightSource> source;
  if (Hdf5File::matches(contents)) {
    auto opened = openHdf5(contents, name);
    if (!opened)
      return opened.takeError();
    source = std::move(*opened);
  } else if (isSafetensors(contents)) {
    auto tensors = readSafetensors(contents);
    if (!tensors)
      return tensors.takeError();
    source = std::make_unique<SafetensorsWeights>(std::move(*tensors));
  } else {
    return makeError("{0} is neither HDF5 nor safetensors", name);
  }
  source->file = std::move(file);
  source->fileName = std::move(name);
  return source;
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

static constexpr size_t kBlobAlignment = 64;

std::string keras::shapeText(ArrayRef<int64_t> shape) {
  auto text = [](int64_t extent) {
    return ShapedType::isDynamic(extent) ? std::string("?") : std::to_string(extent);
  };
  return "(" + join(map_range(shape, text), ", ") + ")";
}

static double toDouble(const StoredTensor &tensor, const uint8_t *element) {
  uint64_t bits = 0;
  for (unsigned i = 0; i < tensor.elementSize; ++i)
    bits |= uint64_t(element[tensor.bigEndian ? tensor.elementSize - 1 - i : i]) << (8 * i);
  unsigned width = 8 * tensor.elementSize;
  switch (tensor.kind) {
  case StoredTensor::Signed:
    return double(SignExtend64(bits, width));
  case StoredTensor::Unsigned:
    return double(bits);
  case StoredTensor::BFloat:
    return APFloat(APFloat::BFloat(), APInt(16, bits)).convertToDouble();
  case StoredTensor::Float:
    if (width == 16)
      return APFloat(APFloat::IEEEhalf(), APInt(16, bits)).convertToDouble();
    return width == 32 ? bit_cast<float>(uint32_t(bits)) : bit_cast<double>(bits);
  }
  return 0;
}

/// Tells the system that `data`, part of a mapped file, has been copied: its pages need not stay.
static void forgetPages(const MemoryBuffer &file, Bytes data) {
  if (file.getBufferKind() != MemoryBuffer::MemoryBuffer_MMap)
    return;
  uintptr_t page = sysconf(_SC_PAGESIZE), begin = alignTo(uintptr_t(data.data()), page);
  uintptr_t end = alignDown(uintptr_t(data.data()) + data.size(), page);
  if (begin < end)
    madvise(reinterpret_cast<void *>(begin), end - begin, MADV_DONTNEED);
}

/// Float32 values as a blob: the file's own bytes when they are little-endian, aligned float32.
static Expected<AsmResourceBlob> toBlob(const StoredTensor &tensor, const FileBuffer &file) {
  bool isFloat = tensor.kind == StoredTensor::Float || tensor.kind == StoredTensor::BFloat;
  unsigned size = tensor.elementSize;
  if (isFloat ? size != 2 && size != 4 && size != 8 : size == 0 || size > 8)
    return makeError("numbers of {0} bytes are not supported", size);
  bool plain = tensor.kind == StoredTensor::Float && size == 4 && !tensor.bigEndian;
  if (plain && isAddrAligned(Align(4), tensor.data.data()))
    return AsmResourceBlob({reinterpret_cast<const char *>(tensor.data.data()), tensor.data.size()},
                           alignof(float), [file](void *, size_t, size_t) {},
                           /*dataIsMutable=*/false);
  size_t count = tensor.data.size() / size;
  AsmResourceBlob blob = HeapAsmResourceBlob::allocate(count * sizeof(float), kBlobAlignment);
  float *out = reinterpret_cast<float *>(blob.getMutableData().data());
  if (plain)
    std::copy_n(tensor.data.data(), tensor.data.size(), reinterpret_cast<uint8_t *>(out));
  else
    for (size_t i = 0; i < count; ++i)
      out[i] = float(toDouble(tensor, tensor.data.data() + i * size));
  forgetPages(*file, tensor.data);
  return blob;
}

Expected<AsmResourceBlob> WeightSource::read(WeightSource *source, const Layer &layer,
                                             const Variable &variable) {
  if (!source) {
    size_t count = 1;
    for (int64_t extent : variable.shape)
      count *= extent;
    AsmResourceBlob blob = HeapAsmResourceBlob::allocate(count * sizeof(float), kBlobAlignment);
    MutableArrayRef<float> values(reinterpret_cast<float *>(blob.getMutableData().data()), count);
    if (Error error = initialize(*variable.initializer, layer.path + "/" + variable.name,
                                 variable.seed, variable.shape, values))
      return error;
    return blob;
  }
  Expected<std::optional<StoredTensor>> found = source->find(layer, variable);
  if (!found)
    return found.takeError();
  if (!*found)
    return makeError("variable '{0}' is missing: there is no {1}", variable.name,
                     source->place(layer, variable));
  const StoredTensor &tensor = **found;
  if (tensor.shape != variable.shape)
    return makeError("variable '{0}' has shape {1} in {2}, the layer needs {3}", variable.name,
                     shapeText(tensor.shape), source->place(layer, variable),
                     shapeText(variable.shape));
  return toBlob(tensor, source->file);
}
