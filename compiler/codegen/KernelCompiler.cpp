// The kernel half of code generation: hash, look into the cache, translate, compile, in parallel.
#include "compiler/codegen/KernelCompiler.h"

#include "compiler/codegen/MachineCode.h"
#include "compiler/codegen/Translate.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SHA256.h"
#include "llvm/Support/raw_ostream.h"

#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>

using namespace mlir;
using namespace sylvite;

namespace {

std::string targetString(const KernelOptions &options) {
  std::string target = options.target.name + "-no_runtime-no_bounds_query";
  return options.asserts ? target : target + "-no_asserts";
}

/// Compiles one pipeline: Halide to bitcode, which it writes to files only, and LLVM to code.
std::optional<TranslationError> compilePipeline(halide::PipelineOp pipeline, KernelOutput kind,
                                          const std::string &prefix, const std::string &symbol,
                                          const KernelOptions &options, std::string &result,
                                          std::vector<std::string> &warnings) {
  HalideBuilder builder(prefix);
  std::optional<TranslationError> error = translatePipeline(pipeline, builder);
  if (error)
    return error;
  HalideOutput wanted = kind == KernelOutput::Statement ? HalideOutput::Statement : HalideOutput::Bitcode;
  SmallString<128> path;
  if (std::error_code code = llvm::sys::fs::createTemporaryFile(
          "sylvite", wanted == HalideOutput::Bitcode ? "bc" : "stmt", path))
    return TranslationError{pipeline.getLoc(), "no temporary file: " + code.message()};
  builder.compile(wanted, symbol, targetString(options), path.str().str());
  if (builder.failed()) {
    llvm::sys::fs::remove(path);
    return TranslationError{pipeline.getLoc(), builder.error()};
  }
  auto file = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (file)
    result = (*file)->getBuffer().str();
  llvm::sys::fs::remove(path);
  warnings = builder.warnings();
  if (result.empty())
    return TranslationError{pipeline.getLoc(), "Halide wrote no code to " + path.str().str()};
  if (wanted == HalideOutput::Statement)
    return std::nullopt;
  llvm::Expected<std::string> code = compileKernelBitcode(
      result, kind == KernelOutput::Assembly ? llvm::CodeGenFileType::AssemblyFile : llvm::CodeGenFileType::ObjectFile);
  if (!code)
    return TranslationError{pipeline.getLoc(), llvm::toString(code.takeError())};
  result = std::move(*code);
  return std::nullopt;
}

/// A distinct pipeline on its way.
struct Job {
  halide::PipelineOp pipeline;
  std::string hash;
  std::shared_ptr<CompiledKernel> kernel = std::make_shared<CompiledKernel>();
  std::optional<TranslationError> error;
  std::vector<std::string> warnings;
};

void runJob(Job &job, const KernelOptions &options) {
  job.kernel->symbol = "sylvite_kernel_" + job.hash.substr(0, 24);
  if (std::optional<std::string> object = options.cache.read(job.hash)) {
    job.kernel->object = std::move(*object);
    job.kernel->cached = true;
    return;
  }
  auto start = std::chrono::steady_clock::now();
  std::string prefix = "k" + job.hash.substr(0, 12) + "_";
  job.error = compilePipeline(job.pipeline, KernelOutput::Object, prefix, job.kernel->symbol, options,
                        job.kernel->object, job.warnings);
  job.kernel->seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (!job.error)
    options.cache.write(job.hash, job.kernel->object);
}

void report(halide::PipelineOp pipeline, const TranslationError &error) {
  emitError(error.location) << "in halide.pipeline @" << pipeline.getSymName() << ": "
                            << error.message;
}

void report(halide::PipelineOp pipeline, ArrayRef<std::string> warnings) {
  for (const std::string &warning : warnings)
    emitWarning(pipeline.getLoc())
        << "in halide.pipeline @" << pipeline.getSymName() << ": " << warning;
}

} // namespace

std::string sylvite::kernelHash(halide::PipelineOp pipeline, const KernelOptions &options) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  stream << SYLVITE_CODEGEN_REVISION << '\n'
         << halideVersion() << '\n'
         << LLVM_VERSION_STRING << '\n'
         << targetString(options) << '\n';
  OpPrintingFlags flags;
  flags.useLocalScope().enableDebugInfo(false);
  for (Operation &op : *pipeline.getBody()) {
    op.print(stream, flags);
    stream << '\n';
  }
  llvm::SHA256 hash;
  hash.update(text);
  return llvm::toHex(hash.final(), /*LowerCase=*/true);
}

FailureOr<std::vector<std::shared_ptr<const CompiledKernel>>>
sylvite::compileKernels(ArrayRef<halide::PipelineOp> pipelines, const KernelOptions &options) {
  std::vector<Job> jobs;
  std::vector<size_t> jobOf;
  llvm::StringMap<size_t> jobOfHash;
  for (halide::PipelineOp pipeline : pipelines) {
    std::string hash = kernelHash(pipeline, options);
    auto [it, isNew] = jobOfHash.try_emplace(hash, jobs.size());
    jobOf.push_back(it->second);
    if (isNew) {
      jobs.emplace_back();
      jobs.back().pipeline = pipeline;
      jobs.back().hash = std::move(hash);
    }
  }

  std::atomic<size_t> next = 0;
  std::atomic<bool> failed = false;
  std::mutex progressMutex;
  size_t done = 0;
  auto work = [&] {
    for (size_t i = next++; i < jobs.size() && !failed; i = next++) {
      runJob(jobs[i], options);
      if (jobs[i].error)
        failed = true;
      std::lock_guard<std::mutex> lock(progressMutex);
      ++done;
      if (options.progress)
        options.progress(done, jobs.size(), jobs[i].pipeline.getSymName());
    }
  };
  size_t count =
      options.threads ? options.threads : std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::thread> threads;
  for (size_t i = 1; i < std::min(count, jobs.size()); ++i)
    threads.emplace_back(work);
  work();
  for (std::thread &thread : threads)
    thread.join();

  if (!llvm::all_of(jobs, [](const Job &job) { return job.kernel->cached; }))
    options.cache.prune();
  for (Job &job : jobs) {
    report(job.pipeline, job.warnings);
    if (job.error)
      report(job.pipeline, *job.error);
  }
  if (failed)
    return failure();
  std::vector<std::shared_ptr<const CompiledKernel>> kernels;
  for (size_t index : jobOf)
    kernels.push_back(jobs[index].kernel);
  return kernels;
}

FailureOr<std::string> sylvite::printKernel(halide::PipelineOp pipeline, KernelOutput kind,
                                            const KernelOptions &options) {
  std::string text;
  std::vector<std::string> warnings;
  std::optional<TranslationError> error = compilePipeline(
      pipeline, kind, /*prefix=*/"", pipeline.getSymName().str(), options, text, warnings);
  report(pipeline, warnings);
  if (!error)
    return text;
  report(pipeline, *error);
  return failure();
}
