// sylvite bench: how long a library takes, against what the machine can do, and which kernels take it.
#include "compiler/tools/Commands.h"
#include "compiler/tools/LoadedLibrary.h"
#include "compiler/tools/PeakFlops.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"
#include <algorithm>
#include <chrono>
#include <random>

using namespace llvm;

namespace sylvite {

namespace {

/// Seconds of some runs. Rates are those of the fastest: what slows the others is the machine, not the code.
struct Times {
  double median = 0, minimum = 0;

  Times() = default;
  explicit Times(std::vector<double> runs) {
    auto middle = runs.begin() + runs.size() / 2;
    std::nth_element(runs.begin(), middle, runs.end());
    median = *middle;
    minimum = *std::min_element(runs.begin(), middle + 1);
  }
  double getRate(double amount) const { return minimum > 0 ? amount / minimum : 0; }
};

struct KernelTime {
  const sylvite_kernel *kernel;
  Times times;      // of all calls in one run of the model
  double calls = 0; // in one run
  double flops = 0, bytes = 0;
};

struct Result {
  std::vector<int64_t> dims;
  int threads = 0;
  size_t runs = 0;
  Times times;
  double flops = 0, peak = 0;
  /// Whether operations and bytes are known: a library has them for any batch, with other free dimensions of one.
  bool hasWork = true;
  std::vector<KernelTime> kernels;
};

} // namespace

static Expected<std::vector<int64_t>> chooseDims(const sylvite_entry &entry, const BenchOptions &options) {
  std::vector<int64_t> dims(entry.dim_count, 0);
  if (entry.dim_count > 0)
    dims[0] = options.batch;
  for (StringRef text : options.dims) {
    auto [name, size] = text.split('=');
    int32_t k = 0;
    while (k < entry.dim_count && name != entry.dims[k])
      ++k;
    if (k == entry.dim_count)
      return createStringError("the model has no free dimension '" + name + "'");
    if (size.getAsInteger(10, dims[k]) || dims[k] <= 0)
      return createStringError("--dim " + text + ": expected NAME=SIZE");
  }
  for (int32_t k = 0; k < entry.dim_count; ++k)
    if (dims[k] <= 0)
      return createStringError(std::string("the free dimension '") + entry.dims[k] +
                               "' needs a size: --dim " + entry.dims[k] + "=SIZE");
  return dims;
}

/// Inputs of the right shapes: floats uniform in [-1, 1), and zeros elsewhere, which every model that takes
/// indices accepts.
static Expected<std::vector<Array>> makeInputs(const sylvite_entry &entry, ArrayRef<int64_t> dims) {
  std::mt19937 random(1);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<Array> inputs(entry.input_count);
  for (int32_t i = 0; i < entry.input_count; ++i) {
    const sylvite_tensor &tensor = entry.inputs[i];
    uint64_t count = 1;
    for (int32_t d = 0; d < tensor.rank; ++d) {
      int64_t size = tensor.shape[d] >= 0 ? tensor.shape[d] : dims[-1 - tensor.shape[d]];
      inputs[i].shape.push_back(size);
      if (__builtin_mul_overflow(count, size, &count) || count > INT32_MAX)
        return createStringError(std::string("input '") + tensor.name + "' would have 2^31 elements or more");
    }
    inputs[i].dtype = static_cast<DType>(tensor.dtype);
    inputs[i].data.resize(count * getSizeInBytes(inputs[i].dtype));
    if (inputs[i].dtype == DType::Float32)
      std::generate_n(reinterpret_cast<float *>(inputs[i].data.data()), count, [&] { return uniform(random); });
  }
  return inputs;
}

static double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

static Expected<Result> measure(LoadedLibrary &library, int32_t index, const BenchOptions &options) {
  const sylvite_entry &entry = library.entry(index);
  Result result;
  Expected<std::vector<int64_t>> dims = chooseDims(entry, options);
  if (!dims)
    return dims.takeError();
  result.dims = *dims;
  Expected<std::vector<Array>> inputs = makeInputs(entry, *dims);
  if (!inputs)
    return inputs.takeError();
  if (Error error = library.create(options.weights))
    return error;
  if (Error error = library.setThreads(options.threads))
    return error;
  result.threads = library.getThreads();
  Expected<std::vector<Array>> outputs = library.makeOutputs(index, *dims);
  if (!outputs)
    return outputs.takeError();
  std::vector<const void *> inputPointers;
  std::vector<void *> outputPointers;
  for (const Array &input : *inputs)
    inputPointers.push_back(input.data.data());
  for (Array &output : *outputs)
    outputPointers.push_back(output.data.data());
  auto runFor = [&](double limit, std::vector<double> *times) -> Error {
    double end = now() + limit;
    size_t least = times ? 5 : 1;
    for (size_t i = 0; i < least || now() < end; ++i) {
      double start = now();
      if (Error error = library.run(index, inputPointers, *dims, outputPointers))
        return error;
      if (times)
        times->push_back(now() - start);
    }
    return Error::success();
  };

  result.peak = measurePeakFlops(result.threads);
  std::vector<double> times;
  if (Error error = runFor(options.seconds * 0.2, nullptr))
    return error;
  if (Error error = runFor(options.seconds, &times))
    return error;
  result.runs = times.size();
  result.times = Times(std::move(times));

  // Apart from the times above: the clock is read twice for each kernel.
  std::vector<std::vector<double>> seconds(entry.kernel_count);
  std::vector<double> calls(entry.kernel_count);
  double end = now() + options.seconds * 0.5;
  for (int run = 0; run < 5 || (run < 10000 && now() < end); ++run) {
    if (Error error = library.setProfile(true))
      return error;
    if (Error error = library.run(index, inputPointers, *dims, outputPointers))
      return error;
    for (int32_t i = 0; i < entry.kernel_count; ++i) {
      Expected<sylvite_profile> profile = library.readProfile(entry.first_kernel + i);
      if (!profile)
        return profile.takeError();
      seconds[i].push_back(profile->seconds);
      calls[i] = profile->calls;
    }
  }
  double batch = dims->empty() ? 1 : (*dims)[0];
  result.hasWork = dims->empty() || llvm::all_of(ArrayRef<int64_t>(*dims).drop_front(), [](int64_t size) { return size == 1; });
  // The items that a kernel computes in one call: in parts of a batch, the mean.
  std::vector<double> items(entry.kernel_count, batch);
  for (const sylvite_loop &loop : ArrayRef(entry.loops, entry.loop_count))
    if (loop.direction == SYLVITE_MICROBATCH)
      for (int32_t i = loop.first_kernel; i < loop.first_kernel + loop.kernel_count; ++i)
        items[i - entry.first_kernel] = batch / calls[i - entry.first_kernel];
  for (int32_t i = 0; i < entry.kernel_count; ++i) {
    KernelTime time;
    time.kernel = &library.info().kernels[entry.first_kernel + i];
    time.calls = calls[i];
    time.times = Times(std::move(seconds[i]));
    time.flops = time.calls * (time.kernel->flops + items[i] * time.kernel->flops_per_item);
    time.bytes = time.calls * (time.kernel->bytes + items[i] * time.kernel->bytes_per_item);
    result.flops += time.flops;
    result.kernels.push_back(time);
  }
  return result;
}

static void printJSON(const sylvite_info &info, const sylvite_entry &entry, const Result &result) {
  json::OStream json(outs(), 2);
  json.object([&] {
    json.attribute("name", info.name);
    json.attribute("entry", entry.name);
    json.attributeObject("dims", [&] {
      for (int32_t k = 0; k < entry.dim_count; ++k)
        json.attribute(entry.dims[k], result.dims[k]);
    });
    json.attribute("threads", result.threads);
    json.attribute("runs", static_cast<int64_t>(result.runs));
    json.attribute("peak_gflops_per_second", result.peak * 1e-9);
    auto writeTimes = [&](const Times &times, double flops) {
      json.attribute("median_seconds", times.median);
      json.attribute("min_seconds", times.minimum);
      if (!result.hasWork)
        return;
      json.attribute("flops", flops);
      json.attribute("gflops_per_second", times.getRate(flops) * 1e-9);
      json.attribute("percent_of_peak", 100 * times.getRate(flops) / result.peak);
    };
    writeTimes(result.times, result.flops);
    json.attributeArray("kernels", [&] {
      for (const KernelTime &time : result.kernels)
        json.object([&] {
          json.attribute("name", time.kernel->name);
          json.attribute("layers", time.kernel->layers);
          json.attribute("calls", time.calls);
          writeTimes(time.times, time.flops);
          if (result.hasWork)
            json.attribute("bytes", time.bytes);
        });
    });
  });
  outs() << "\n";
}

static void printTable(const sylvite_info &info, const sylvite_entry &entry, const Result &result) {
  outs() << info.name << (info.entry_count > 1 ? std::string(", ") + entry.name : "") << ": ";
  for (int32_t k = 0; k < entry.dim_count; ++k)
    outs() << entry.dims[k] << " " << result.dims[k] << ", ";
  outs() << result.threads << (result.threads == 1 ? " thread, " : " threads, ") << result.runs << " runs\n"
         << format("median %.4f ms, min %.4f ms", result.times.median * 1e3, result.times.minimum * 1e3);
  if (result.hasWork)
    outs() << format(", %.2f GFLOP/s, %.1f %% of the %.1f GFLOP/s that multiply-adds reach here",
                     result.times.getRate(result.flops) * 1e-9, 100 * result.times.getRate(result.flops) / result.peak,
                     result.peak * 1e-9);
  outs() << "\n\n";
  double total = 0;
  size_t width = 6;
  for (const KernelTime &time : result.kernels) {
    total += time.times.minimum;
    width = std::max(width, StringRef(time.kernel->name).size());
  }
  outs() << left_justify("kernel", width) << " median ms    min ms  % time" << (result.hasWork ? "   GFLOP/s  % peak    GB/s" : "")
         << "  layers\n";
  std::vector<KernelTime> sorted = result.kernels;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const KernelTime &left, const KernelTime &right) { return left.times.minimum > right.times.minimum; });
  for (const auto &[kernel, times, calls, flops, bytes] : sorted) {
    outs() << left_justify(kernel->name, width)
           << format("%10.4f%10.4f  %6.1f", times.median * 1e3, times.minimum * 1e3,
                     100 * times.minimum / std::max(total, 1e-12));
    if (result.hasWork)
      outs() << format("  %8.2f  %6.1f  %6.2f", times.getRate(flops) * 1e-9, 100 * times.getRate(flops) / result.peak,
                       times.getRate(bytes) * 1e-9);
    outs() << "  " << kernel->layers << "\n";
  }
}

Error benchLibrary(const BenchOptions &options) {
  Expected<LoadedLibrary> library = LoadedLibrary::load(options.library);
  if (!library)
    return library.takeError();
  Expected<int32_t> index = library->findEntry(options.entry);
  if (!index)
    return index.takeError();
  Expected<Result> result = measure(*library, *index, options);
  if (!result)
    return result.takeError();
  if (options.json)
    printJSON(library->info(), library->entry(*index), *result);
  else
    printTable(library->info(), library->entry(*index), *result);
  return Error::success();
}

} // namespace sylvite
