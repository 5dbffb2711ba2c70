// sylvite inspect: what a library or a model computes and needs, as a table or as JSON.
#include "compiler/driver/Compile.h"
#include "compiler/tools/Commands.h"
#include "compiler/tools/LoadedLibrary.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/BinaryFormat/Magic.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"
#include <array>

using namespace llvm;

namespace sylvite {

//===----------------------------------------------------------------------===//
// Libraries
//===----------------------------------------------------------------------===//

/// Bytes of workspace for one item, and for many. Free dimensions other than the batch are taken as small as the model allows, up to
/// a power of two.
static WorkspaceSize workspace(const LoadedLibrary &library, int32_t entry) {
  for (int64_t length = 1; length <= 4096; length *= 2) {
    std::vector<int64_t> dims(library.entry(entry).dim_count + 1, length);
    dims[0] = WorkspaceSize::kMany;
    int64_t many = library.workspaceSize(entry, dims);
    dims[0] = 1;
    int64_t one = library.workspaceSize(entry, dims);
    if (one > 0)
      return {one, many, 0};
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
    for (const sylvite_loop &loop : ArrayRef(entry.loops, entry.loop_count))
      copy.loops.push_back({loop.layers, loop.steps, static_cast<Direction>(loop.direction),
                            unsigned(loop.first_kernel), unsigned(loop.kernel_count)});
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
  for (const sylvite_tensor &state : ArrayRef(info.states, info.state_count))
    description.states.push_back(describe(state));
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

static ArrayRef<KernelInfo> kernelsOf(const LibraryDescription &description, const LoopInfo &loop) {
  return ArrayRef(description.kernels).slice(loop.firstKernel, loop.kernelCount);
}

static StringRef directionName(Direction direction) {
  switch (direction) {
  case Direction::Forward:
    return "forward";
  case Direction::Backward:
    return "backward";
  case Direction::Mixed:
    return "mixed";
  case Direction::IfTrue:
    return "if_true";
  case Direction::IfFalse:
    return "if_false";
  case Direction::Microbatch:
    return "microbatch";
  }
  llvm_unreachable("every direction has a name");
}

/// A size as a user knows it: a number, the name of a free dimension, or "?".
static std::string sizeText(const EntryInfo &entry, int64_t size) {
  return size >= 0 ? std::to_string(size) : size == derivedDim ? "?" : entry.dims[-1 - size];
}

static void writeLoops(json::OStream &json, const LibraryDescription &description, const EntryInfo &entry) {
  json.attributeArray("loops", [&] {
    for (const LoopInfo &loop : entry.loops)
      json.object([&] {
        json.attribute("layers", loop.layers);
        json.attribute("steps", loop.steps >= 0 ? json::Value(loop.steps) : json::Value(nullptr));
        if (loop.steps < 0 && loop.steps != derivedDim)
          json.attribute("steps_dim", sizeText(entry, loop.steps));
        json.attribute("direction", directionName(loop.direction));
        json.attributeArray("kernels", [&] {
          for (const KernelInfo &kernel : kernelsOf(description, loop))
            json.value(kernel.name);
        });
      });
  });
}

static void writeWorkspace(json::OStream &json, const WorkspaceSize &workspace) {
  json.attribute("workspace", workspace.bytes);
  json.attribute(formatv("workspace_of_{0}", WorkspaceSize::kMany).str(), workspace.bytesOfMany);
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
    writeTensors(json, "states", description.states);
    json.attribute("kernels", static_cast<int64_t>(forward.kernelCount));
    writeLoops(json, description, forward);
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
          writeLoops(json, description, entry);
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
    for (auto [d, size] : enumerate(tensor.shape))
      outs() << (d ? ", " : "") << sizeText(entry, size);
    outs() << ")\n";
  }
}

static void printWorkspace(const WorkspaceSize &workspace) {
  label("workspace") << workspace.bytes << " bytes for one item";
  if (workspace.bytesOfMany != workspace.bytes)
    outs() << ", " << workspace.bytesOfMany << " for " << WorkspaceSize::kMany;
  if (workspace.liveBytes)
    outs() << "; " << workspace.liveBytes << " live at once";
  outs() << "\n";
}

/// How often a call of `entry` runs each of its kernels. Free dimensions count as one.
static std::vector<int64_t> countRuns(const EntryInfo &entry) {
  std::vector<int64_t> runs(entry.kernelCount, 1);
  for (const LoopInfo &loop : entry.loops)
    if (loop.direction != Direction::Microbatch)
      for (int64_t &count : MutableArrayRef(runs).slice(loop.firstKernel - entry.firstKernel, loop.kernelCount))
        count *= std::max<int64_t>(loop.steps, 1);
  return runs;
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
  auto row = [&](StringRef name, bool isKnown, double flops, double bytes, StringRef layers) {
    outs() << left_justify(name, width);
    if (isKnown)
      outs() << format("  %10.3f  %8.3f", flops * 1e-6, bytes * 1e-6);
    else
      outs() << format("  %10s  %8s", "-", "-");
    outs() << (layers.empty() ? "" : "  ") << layers << "\n";
  };
  bool allKnown = true;
  for (auto [kernel, runs] : zip_equal(kernels, countRuns(entry))) {
    double ownFlops = runs * (kernel.flops + kernel.flopsPerItem), ownBytes = runs * (kernel.bytes + kernel.bytesPerItem);
    bool isKnown = ownFlops >= 0 && ownBytes >= 0; // the model may not allow sizes of one
    row(kernel.name, isKnown, ownFlops, ownBytes, kernel.layers);
    flops += ownFlops;
    bytes += ownBytes;
    allKnown &= isKnown;
  }
  row("total", allKnown, flops, bytes, "");
}

/// How many loops over steps and branches an entry has, if any, and a table of them.
static void printLoops(const LibraryDescription &description, const EntryInfo &entry) {
  if (entry.loops.empty())
    return;
  outs() << "\n";
  label("loops") << entry.loops.size() << "\n\n";
  std::vector<std::array<std::string, 4>> rows{{"steps", "direction", "layers", "kernels"}};
  for (const LoopInfo &loop : entry.loops) {
    auto names = map_range(kernelsOf(description, loop), [](const KernelInfo &kernel) { return kernel.name; });
    rows.push_back({sizeText(entry, loop.steps), directionName(loop.direction).str(), loop.layers, join(names, ", ")});
  }
  std::array<size_t, 3> widths{};
  for (const auto &row : rows)
    for (auto [width, text] : zip(widths, row))
      width = std::max(width, text.size());
  for (const auto &row : rows) {
    for (auto [width, text] : zip(widths, row))
      outs() << left_justify(text, width) << "  ";
    outs() << row.back() << "\n";
  }
}

/// `weights`: where they are.
static void printTable(const ModelSummary &summary, StringRef weights) {
  const LibraryDescription &description = summary.description;
  const EntryInfo &forward = description.forward();
  printTensors("input", forward, forward.inputs);
  printTensors("output", forward, forward.outputs);
  label("parameters") << description.modelParameters << "\n";
  label("weights") << summary.weightsBytes << " bytes" << weights << "\n";
  printTensors("state", forward, description.states);
  if (description.trains())
    label("handle") << handleBytes(description) << " bytes of what training changes\n";
  printWorkspace(summary.workspaces.front());
  printKernels(description, forward);
  printLoops(description, forward);
  for (auto [entry, workspace] : drop_begin(zip_equal(description.entries, summary.workspaces))) {
    outs() << "\n";
    label("entry") << entry.name << "\n";
    printTensors("input", entry, entry.inputs);
    printTensors("output", entry, entry.outputs);
    printWorkspace(workspace);
    printKernels(description, entry);
    printLoops(description, entry);
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
