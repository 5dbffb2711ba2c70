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
static WorkspaceSize workspace(const LoadedLibrary &library, int32_t entry) {
  for (int64_t length = 1; length <= 4096; length *= 2) {
    std::vector<int64_t> dims(library.entry(entry).dim_count + 1, length);
    dims[0] = 2;
    int64_t two = library.workspaceSize(entry, dims);
    dims[0] = 1;
    int64_t one = library.workspaceSize(entry, dims);
    if (one > 0)
      return {one, two - one, 0};
  }
  return {};
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
  for (auto [index, entry] : enumerate(library.entries())) {
    EntryInfo &copy = description.entries.emplace_back();
    copy.name = entry.name;
    copy.dims.append(entry.dims, entry.dims + entry.dim_count);
    for (const sylvite_tensor &input : ArrayRef(entry.inputs, entry.input_count))
      copy.inputs.push_back(describe(input));
    for (const sylvite_tensor &output : ArrayRef(entry.outputs, entry.output_count))
      copy.outputs.push_back(describe(output));
    copy.firstKernel = entry.first_kernel;
    copy.kernelCount = entry.kernel_count;
    summary.workspaces.push_back(workspace(library, index));
  }
  for (int32_t i = 0; i < info.parameter_count; ++i) {
    const sylvite_parameter &parameter = info.parameters[i];
    description.parameters.push_back(
        {describe(parameter.tensor), parameter.trainable != 0, static_cast<Role>(parameter.role), {}});
  }
  for (int32_t i = 0; i < info.kernel_count; ++i) {
    const sylvite_kernel &kernel = info.kernels[i];
    description.kernels.push_back({kernel.name, kernel.layers, kernel.flops, kernel.flops_per_item,
                                   kernel.bytes, kernel.bytes_per_item});
  }
  summary.weightsBytes = info.weights_bytes;
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

static void writeWorkspace(json::OStream &json, const WorkspaceSize &workspace) {
  json.attribute("workspace", workspace.bytes);
  json.attribute("workspace_per_item", workspace.bytesPerItem);
  if (workspace.liveBytes)
    json.attribute("workspace_live", workspace.liveBytes);
}

/// Bytes of what every handle has for itself: what training changes.
static uint64_t handleBytes(const LibraryDescription &description) {
  uint64_t total = 0;
  for (const ParameterInfo &parameter : description.parameters)
    if (parameter.role != Role::Constant) {
      uint64_t bytes = getSizeInBytes(parameter.tensor.dtype);
      for (int64_t size : parameter.tensor.shape)
        bytes *= size;
      total += bytes;
    }
  return total;
}

static void printJSON(StringRef name, const ModelSummary &summary) {
  const LibraryDescription &description = summary.description;
  const EntryInfo &forward = description.forward();
  json::OStream json(outs(), 2);
  json.object([&] {
    json.attribute("name", name);
    writeTensors(json, "inputs", forward.inputs);
    writeTensors(json, "outputs", forward.outputs);
    json.attribute("parameters", description.modelParameters);
    json.attribute("kernels", static_cast<int64_t>(forward.kernelCount));
    json.attributeObject("memory", [&] {
      json.attribute("weights", static_cast<int64_t>(summary.weightsBytes));
      if (description.trains())
        json.attribute("handle", static_cast<int64_t>(handleBytes(description)));
      writeWorkspace(json, summary.workspaces.front());
    });
    if (!description.trains())
      return;
    json.attributeArray("entries", [&] {
      for (auto [entry, workspace] : zip_equal(description.entries, summary.workspaces))
        json.object([&, &entry = entry, &workspace = workspace] {
          json.attribute("name", entry.name);
          writeTensors(json, "inputs", entry.inputs);
          writeTensors(json, "outputs", entry.outputs);
          json.attribute("kernels", static_cast<int64_t>(entry.kernelCount));
          writeWorkspace(json, workspace);
        });
    });
  });
  outs() << "\n";
}

static raw_ostream &label(StringRef text) { return outs() << left_justify(text, 12); }

static void printTensors(StringRef role, const EntryInfo &entry, ArrayRef<TensorInfo> tensors) {
  for (const TensorInfo &tensor : tensors) {
    label(role) << tensor.name << "  " << getNumpyName(tensor.dtype) << " (";
    for (size_t d = 0; d < tensor.shape.size(); ++d) {
      int64_t size = tensor.shape[d];
      outs() << (d ? ", " : "");
      if (size >= 0)
        outs() << size;
      else
        outs() << (size == derivedDim ? "?" : entry.dims[-1 - size]);
    }
    outs() << ")\n";
  }
}

static void printWorkspace(const WorkspaceSize &workspace) {
  label("workspace") << workspace.bytes << " bytes for one item";
  if (workspace.bytesPerItem)
    outs() << ", " << workspace.bytesPerItem << " for each further one";
  if (workspace.liveBytes)
    outs() << "; " << workspace.liveBytes << " live at once";
  outs() << "\n";
}

/// How many kernels an entry has, and a table of them.
static void printKernels(const LibraryDescription &description, const EntryInfo &entry) {
  auto kernels = ArrayRef(description.kernels).slice(entry.firstKernel, entry.kernelCount);
  label("kernels") << kernels.size() << "\n\n";
  size_t width = 6;
  double flops = 0, bytes = 0;
  for (const KernelInfo &kernel : kernels)
    width = std::max(width, kernel.name.size());
  outs() << left_justify("kernel", width) << "  MFLOP/item   MB/item  layers\n";
  auto row = [&](StringRef name, double flops, double bytes, StringRef layers) {
    outs() << left_justify(name, width) << format("  %10.3f  %8.3f", flops * 1e-6, bytes * 1e-6)
           << (layers.empty() ? "" : "  ") << layers << "\n";
  };
  for (const KernelInfo &kernel : kernels) {
    row(kernel.name, kernel.flops + kernel.flopsPerItem, kernel.bytes + kernel.bytesPerItem, kernel.layers);
    flops += kernel.flops + kernel.flopsPerItem;
    bytes += kernel.bytes + kernel.bytesPerItem;
  }
  row("total", flops, bytes, "");
}

/// `weights`: where they are.
static void printTable(const ModelSummary &summary, StringRef weights) {
  const LibraryDescription &description = summary.description;
  const EntryInfo &forward = description.forward();
  printTensors("input", forward, forward.inputs);
  printTensors("output", forward, forward.outputs);
  label("parameters") << description.modelParameters << "\n";
  label("weights") << summary.weightsBytes << " bytes" << weights << "\n";
  if (description.trains())
    label("handle") << handleBytes(description) << " bytes of what training changes\n";
  printWorkspace(summary.workspaces.front());
  printKernels(description, forward);
  for (auto [entry, workspace] : drop_begin(zip_equal(description.entries, summary.workspaces))) {
    outs() << "\n";
    label("entry") << entry.name << "\n";
    printTensors("input", entry, entry.inputs);
    printTensors("output", entry, entry.outputs);
    printWorkspace(workspace);
    printKernels(description, entry);
  }
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
