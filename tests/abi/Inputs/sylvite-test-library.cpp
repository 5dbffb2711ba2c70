// Writes a library from a host program and kernels that are written by hand, for tests of the library writer
// that should not depend on the compiler. The model is fixed: the one of host.c, or with --train that of
// regression.c, or with --identity that of identity.c.
//
//   sylvite-test-library HOST.ll KERNELS.o -o DIRECTORY --name NAME [--external] [--serial] [--obj]
//                        [--megabytes N]   adds a parameter of N MB
//                        [--scheduled]     the learning rate follows a schedule
#include "compiler/codegen/Library.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/IRReader/IRReader.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/WithColor.h"
#include <csignal>
#include <vector>

using namespace llvm;
using namespace sylvite;

template <typename T, size_t n> static ArrayRef<char> bytesOf(const T (&values)[n]) {
  return {reinterpret_cast<const char *>(values), sizeof values};
}

/// The model of regression.c.
static LibraryDescription describeRegression(bool scheduled) {
  static const float kernel[] = {0.5f, -0.25f, 0}, bias[] = {1}, rate[] = {0.125f};
  LibraryDescription description;
  description.model = "regression";
  const TensorInfo x = {"x", DType::Float32, {freeDim(0), 3}}, y = {"y", DType::Float32, {freeDim(0)}},
                   loss = {"loss", DType::Float32, {}}, error = {"mae:0", DType::Float32, {}};
  description.entries = {{"forward", {"batch"}, {x}, {{"p", DType::Float32, {freeDim(0)}}}},
                         {"train_step", {"batch"}, {x, y}, {loss, error}},
                         {"evaluate", {"batch"}, {x, y}, {loss, error}},
                         {"gradients",
                          {"batch"},
                          {x, y},
                          {loss, {"dense/kernel", DType::Float32, {3}}, {"dense/bias", DType::Float32, {1}}}},
                         {"metrics_result", {}, {}, {loss, error}},
                         {"reset_metrics", {}, {}, {}}};
  description.parameters = {
      {{"dense/kernel", DType::Float32, {3}}, true, Role::Variable, bytesOf(kernel)},
      {{"dense/bias", DType::Float32, {1}}, true, Role::Variable, bytesOf(bias)},
      {{"optimizer/dense/kernel/momentum", DType::Float32, {3}}, false, Role::TrainingState, {}},
      {{"optimizer/dense/bias/momentum", DType::Float32, {1}}, false, Role::TrainingState, {}},
      {{"optimizer/iterations", DType::Int64, {}}, false, Role::TrainingState, {}},
      {{"optimizer/learning_rate", DType::Float32, {}}, false, Role::TrainingState, bytesOf(rate)},
      {{"metrics/sums", DType::Float64, {3}}, false, Role::TrainingState, {}}};
  description.learningRate = scheduled ? -1 : 5;
  description.modelParameters = 4;
  return description;
}

int main(int argc, char **argv) {
  InitLLVM init(argc, argv);
  std::signal(SIGXFSZ, SIG_IGN); // a file above the limit is an error like a full disk
  cl::opt<std::string> hostPath(cl::Positional, cl::Required);
  cl::list<std::string> kernelPaths(cl::Positional);
  cl::opt<std::string> directory("o", cl::init("."));
  cl::opt<std::string> name("name", cl::init("toy"));
  cl::opt<std::string> target("target", cl::init("x86-64-linux"));
  cl::opt<bool> external("external"), serial("serial"), object("obj"), train("train"), scheduled("scheduled");
  cl::opt<int> identity("identity", cl::init(-1));
  cl::opt<unsigned> megabytes("megabytes", cl::init(0));
  cl::ParseCommandLineOptions(argc, argv);

  LLVMContext context;
  SMDiagnostic diagnostic;
  std::unique_ptr<Module> host = parseIRFile(hostPath, diagnostic, context);
  if (!host) {
    diagnostic.print(argv[0], errs());
    return 1;
  }
  std::vector<std::unique_ptr<MemoryBuffer>> buffers;
  std::vector<MemoryBufferRef> kernels;
  for (const std::string &path : kernelPaths) {
    ErrorOr<std::unique_ptr<MemoryBuffer>> buffer = MemoryBuffer::getFile(path);
    if (!buffer) {
      WithColor::error() << path << ": " << buffer.getError().message() << "\n";
      return 1;
    }
    kernels.push_back((*buffer)->getMemBufferRef());
    buffers.push_back(std::move(*buffer));
  }

  float scale[4] = {2, 3, 4, 5};
  unsigned char bytes[3] = {7, 8, 9};
  std::vector<char> large(size_t(megabytes) << 20);
  for (size_t i = 0; i < large.size(); i += 4096)
    large[i] = static_cast<char>(i >> 12);
  LibraryDescription description;
  description.model = "toy */ model";
  description.entries = {{"forward",
                          {"batch", "length"},
                          {{"x", DType::Float32, {freeDim(0), freeDim(1)}},
                           {"x:0", DType::Float32, {freeDim(0), freeDim(1)}}},
                          {{"total", DType::Float32, {freeDim(0)}},
                           {"steps", DType::Float32, {freeDim(0), derivedDim}}},
                          0,
                          2}};
  description.parameters = {
      {{"layer/scale", DType::Float32, {4}}, true, Role::Constant, {reinterpret_cast<char *>(scale), sizeof scale}},
      {{"layer/bytes", DType::UInt8, {3}}, false, Role::Constant, {reinterpret_cast<char *>(bytes), sizeof bytes}}};
  if (megabytes)
    description.parameters.push_back({{"large", DType::UInt8, {static_cast<int64_t>(large.size())}},
                                      false,
                                      Role::Constant,
                                      {large.data(), large.size()}});
  description.kernels = {{"total", "layer_a; layer_b", 0, 8, 16, 32, 2, 1}, {"steps", "layer_c", 0, 4, 0, 32, 1, 1}};
  description.modelParameters = 7;
  if (identity >= 0) {
    DType dtype = static_cast<DType>(identity.getValue());
    description.entries = {
        {"forward", {"batch"}, {{"x", dtype, {freeDim(0), 3}}}, {{"y", dtype, {freeDim(0), 3}}}, 0, 0}};
    description.parameters.clear();
    description.kernels.clear();
    description.modelParameters = 0;
  }
  if (train)
    description = describeRegression(scheduled);
  description.target = target;
  LibraryOptions options;
  options.directory = directory;
  options.name = name;
  options.externalWeights = external;
  options.singleThreaded = serial;
  options.object = object;
  if (Error error = writeLibrary(*host, description, kernels, options)) {
    WithColor::error() << toString(std::move(error)) << "\n";
    return 1;
  }
  return 0;
}
