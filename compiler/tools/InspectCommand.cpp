// sylvite inspect, for a library: what it computes and needs, as a table or as JSON.
#include "compiler/tools/Commands.h"
#include "compiler/tools/LoadedLibrary.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace sylvite {

/// A static size or `null`.
static void writeTensors(json::OStream &json, StringRef key, const sylvite_tensor *tensors, int32_t count) {
  json.attributeArray(key, [&] {
    for (int32_t i = 0; i < count; ++i)
      json.object([&] {
        json.attribute("name", tensors[i].name);
        json.attribute("dtype", getNumpyName(static_cast<DType>(tensors[i].dtype)));
        json.attributeArray("shape", [&] {
          for (int32_t d = 0; d < tensors[i].rank; ++d)
            json.value(tensors[i].shape[d] >= 0 ? json::Value(tensors[i].shape[d]) : json::Value(nullptr));
        });
      });
  });
}

/// Workspace bytes for one item, and what another item adds. Free dimensions other than the batch are taken as
/// small as the model allows, up to a power of two.
static std::pair<int64_t, int64_t> workspace(const LoadedLibrary &library) {
  for (int64_t length = 1; length <= 4096; length *= 2) {
    std::vector<int64_t> dims(library.info().dim_count + 1, length);
    dims[0] = 2;
    int64_t two = library.workspaceSize(dims);
    dims[0] = 1;
    int64_t one = library.workspaceSize(dims);
    if (one > 0)
      return {one, two - one};
  }
  return {0, 0};
}

static void printJSON(const LoadedLibrary &library) {
  const sylvite_info &info = library.info();
  auto [bytes, perItem] = workspace(library);
  json::OStream json(outs(), 2);
  json.object([&] {
    json.attribute("name", info.name);
    writeTensors(json, "inputs", info.inputs, info.input_count);
    writeTensors(json, "outputs", info.outputs, info.output_count);
    json.attribute("parameters", info.model_parameters);
    json.attribute("kernels", info.kernel_count);
    json.attributeObject("memory", [&] {
      json.attribute("weights", static_cast<int64_t>(info.weights_bytes));
      json.attribute("workspace", bytes);
      json.attribute("workspace_per_item", perItem);
    });
  });
  outs() << "\n";
}

static void printTensors(StringRef role, const sylvite_info &info, const sylvite_tensor *tensors, int32_t count) {
  for (int32_t i = 0; i < count; ++i) {
    outs() << left_justify(role, 12) << tensors[i].name << "  "
           << getNumpyName(static_cast<DType>(tensors[i].dtype)) << " (";
    for (int32_t d = 0; d < tensors[i].rank; ++d) {
      int64_t size = tensors[i].shape[d];
      outs() << (d ? ", " : "");
      if (size >= 0)
        outs() << size;
      else
        outs() << (size == SYLVITE_DERIVED ? "?" : info.dims[-1 - size]);
    }
    outs() << ")\n";
  }
}

static void printTable(const LoadedLibrary &library) {
  const sylvite_info &info = library.info();
  outs() << left_justify("library", 12) << info.name << ", compiled by " << info.compiler << " for "
         << info.target << "\n"
         << left_justify("model", 12) << info.model << "\n";
  printTensors("input", info, info.inputs, info.input_count);
  printTensors("output", info, info.outputs, info.output_count);
  auto [bytes, perItem] = workspace(library);
  outs() << left_justify("parameters", 12) << info.model_parameters << "\n"
         << left_justify("weights", 12) << info.weights_bytes << " bytes, "
         << (info.weights_file ? info.weights_file : "inside the library") << "\n"
         << left_justify("workspace", 12) << bytes << " bytes for one item";
  if (perItem)
    outs() << ", " << perItem << " for each further one";
  outs() << "\n" << left_justify("kernels", 12) << info.kernel_count << "\n\n";
  size_t width = 6;
  for (int32_t i = 0; i < info.kernel_count; ++i)
    width = std::max(width, StringRef(info.kernels[i].name).size());
  outs() << left_justify("kernel", width) << "  MFLOP/item   MB/item  layers\n";
  for (int32_t i = 0; i < info.kernel_count; ++i) {
    const sylvite_kernel &kernel = info.kernels[i];
    outs() << left_justify(kernel.name, width)
           << format("  %10.3f  %8.3f  ", (kernel.flops + kernel.flops_per_item) * 1e-6,
                     (kernel.bytes + kernel.bytes_per_item) * 1e-6)
           << kernel.layers << "\n";
  }
}

Error inspectLibrary(const InspectOptions &options) {
  Expected<LoadedLibrary> library = LoadedLibrary::load(options.path);
  if (!library)
    return library.takeError();
  if (options.json)
    printJSON(*library);
  else
    printTable(*library);
  return Error::success();
}

} // namespace sylvite
