// sylvite inspect: what a library or a model computes and needs, as a table or as JSON.
#include "compiler/driver/Compile.h"
#include "compiler/tools/Commands.h"
#include "compiler/tools/LoadedLibrary.h"
#include "llvm/BinaryFormat/Magic.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace sylvite {

//===----------------------------------------------------------------------===//
// Libraries
//===----------------------------------------------------------------------===//

/// Bytes of workspace for one item, and what another item adds. Free dimensions other than the batch are taken
/// as small as the model allows, up to a power of two.
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

static TensorInfo describe(const sylvite_tensor &tensor) {
  return {tensor.name, static_cast<DType>(tensor.dtype),
          SmallVector<int64_t>(tensor.shape, tensor.shape + tensor.rank)};
}

static ModelSummary summarize(const LoadedLibrary &library) {
  const sylvite_info &info = library.info();
  ModelSummary summary;
  LibraryDescription &description = summary.description;
  description.model = info.model;
  description.target = info.target;
  description.modelParameters = info.model_parameters;
  for (int32_t k = 0; k < info.dim_count; ++k)
    description.dims.push_back(info.dims[k]);
  for (int32_t i = 0; i < info.input_count; ++i)
    description.inputs.push_back(describe(info.inputs[i]));
  for (int32_t i = 0; i < info.output_count; ++i)
    description.outputs.push_back(describe(info.outputs[i]));
  for (int32_t i = 0; i < info.kernel_count; ++i) {
    const sylvite_kernel &kernel = info.kernels[i];
    description.kernels.push_back({kernel.name, kernel.layers, kernel.flops, kernel.flops_per_item,
                                   kernel.bytes, kernel.bytes_per_item});
  }
  summary.weightsBytes = info.weights_bytes;
  std::tie(summary.workspace, summary.workspacePerItem) = workspace(library);
  return summary;
}

//===----------------------------------------------------------------------===//
// Output
//===----------------------------------------------------------------------===//

static void writeTensors(json::OStream &json, StringRef key, ArrayRef<TensorInfo> tensors) {
  json.attributeArray(key, [&] {
    for (const TensorInfo &tensor : tensors)
      json.object([&] {
        json.attribute("name", tensor.name);
        json.attribute("dtype", getNumpyName(tensor.dtype));
        json.attributeArray("shape", [&] {
          for (int64_t size : tensor.shape)
            json.value(size >= 0 ? json::Value(size) : json::Value(nullptr));
        });
      });
  });
}

static void printJSON(StringRef name, const ModelSummary &summary) {
  const LibraryDescription &description = summary.description;
  json::OStream json(outs(), 2);
  json.object([&] {
    json.attribute("name", name);
    writeTensors(json, "inputs", description.inputs);
    writeTensors(json, "outputs", description.outputs);
    json.attribute("parameters", description.modelParameters);
    json.attribute("kernels", static_cast<int64_t>(description.kernels.size()));
    json.attributeObject("memory", [&] {
      json.attribute("weights", static_cast<int64_t>(summary.weightsBytes));
      json.attribute("workspace", summary.workspace);
      json.attribute("workspace_per_item", summary.workspacePerItem);
      if (summary.workspaceLive)
        json.attribute("workspace_live", summary.workspaceLive);
    });
  });
  outs() << "\n";
}

static raw_ostream &label(StringRef text) { return outs() << left_justify(text, 12); }

static void printTensors(StringRef role, const LibraryDescription &description, ArrayRef<TensorInfo> tensors) {
  for (const TensorInfo &tensor : tensors) {
    label(role) << tensor.name << "  " << getNumpyName(tensor.dtype) << " (";
    for (size_t d = 0; d < tensor.shape.size(); ++d) {
      int64_t size = tensor.shape[d];
      outs() << (d ? ", " : "");
      if (size >= 0)
        outs() << size;
      else
        outs() << (size == derivedDim ? "?" : description.dims[-1 - size]);
    }
    outs() << ")\n";
  }
}

/// `weights`: where they are.
static void printTable(const ModelSummary &summary, StringRef weights) {
  const LibraryDescription &description = summary.description;
  printTensors("input", description, description.inputs);
  printTensors("output", description, description.outputs);
  label("parameters") << description.modelParameters << "\n";
  label("weights") << summary.weightsBytes << " bytes" << weights << "\n";
  label("workspace") << summary.workspace << " bytes for one item";
  if (summary.workspacePerItem)
    outs() << ", " << summary.workspacePerItem << " for each further one";
  if (summary.workspaceLive)
    outs() << "; " << summary.workspaceLive << " live at once";
  outs() << "\n";
  label("kernels") << description.kernels.size() << "\n\n";
  size_t width = 6;
  double flops = 0, bytes = 0;
  for (const KernelInfo &kernel : description.kernels)
    width = std::max(width, kernel.name.size());
  outs() << left_justify("kernel", width) << "  MFLOP/item   MB/item  layers\n";
  auto row = [&](StringRef name, double flops, double bytes, StringRef layers) {
    outs() << left_justify(name, width) << format("  %10.3f  %8.3f", flops * 1e-6, bytes * 1e-6)
           << (layers.empty() ? "" : "  ") << layers << "\n";
  };
  for (const KernelInfo &kernel : description.kernels) {
    row(kernel.name, kernel.flops + kernel.flopsPerItem, kernel.bytes + kernel.bytesPerItem, kernel.layers);
    flops += kernel.flops + kernel.flopsPerItem;
    bytes += kernel.bytes + kernel.bytesPerItem;
  }
  row("total", flops, bytes, "");
}

//===----------------------------------------------------------------------===//
// Command
//===----------------------------------------------------------------------===//

Error inspectLibrary(const InspectOptions &options) {
  Expected<LoadedLibrary> library = LoadedLibrary::load(options.path);
  if (!library)
    return library.takeError();
  const sylvite_info &info = library->info();
  ModelSummary summary = summarize(*library);
  if (options.json) {
    printJSON(info.name, summary);
    return Error::success();
  }
  label("library") << info.name << ", compiled by " << info.compiler << " for " << info.target << "\n";
  label("model") << info.model << "\n";
  printTable(summary, info.weights_file ? std::string(", in ") + info.weights_file : ", inside the library");
  return Error::success();
}

Error inspectModelFile(const InspectOptions &options) {
  CompileOptions compile;
  compile.model = options.path;
  compile.weights = options.weights;
  compile.target = options.target;
  FailureOr<ModelSummary> summary = inspectModel(compile);
  if (failed(summary))
    return createReportedError();
  if (options.json) {
    printJSON(summary->description.model, *summary);
    return Error::success();
  }
  label("model") << summary->description.model << "\n";
  label("target") << summary->description.target << "\n";
  printTable(*summary, "");
  return Error::success();
}

Error inspect(const InspectOptions &options) {
  file_magic magic;
  if (std::error_code code = identify_magic(options.path, magic))
    return createStringError("cannot read " + options.path + ": " + code.message());
  bool binary = magic.is_object() || magic == file_magic::archive;
  return binary ? inspectLibrary(options) : inspectModelFile(options);
}

} // namespace sylvite
