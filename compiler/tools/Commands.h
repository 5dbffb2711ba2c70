// The subcommands of `sylvite`. Each takes its parsed options and returns success or what went wrong.
#ifndef SYLVITE_COMPILER_TOOLS_COMMANDS_H
#define SYLVITE_COMPILER_TOOLS_COMMANDS_H

#include "compiler/driver/Compile.h"
#include "llvm/Support/Error.h"
#include <limits>
#include <string>
#include <vector>

namespace sylvite {

/// A failure whose message is already on standard error, as the compiler's diagnostics are.
class ReportedError : public llvm::ErrorInfo<ReportedError> {
public:
  static char ID;
  void log(llvm::raw_ostream &) const override {}
  std::error_code convertToErrorCode() const override { return llvm::inconvertibleErrorCode(); }
};
inline llvm::Error createReportedError() { return llvm::make_error<ReportedError>(); }

struct RunOptions {
  std::string library, input, output, weights, entry = "forward";
  int threads = 0;
  bool guard = false;
};

struct InspectOptions {
  std::string path, weights, target = "native";
  bool json = false;
};

struct BenchOptions {
  std::string library, weights, entry = "forward";
  int threads = 0;
  int64_t batch = 1;
  std::vector<std::string> dims; // NAME=SIZE
  double seconds = 1;
  bool json = false;
};

struct TrainOptions {
  std::string library, data, weights;
  std::string validation; // a file, or the fraction of the data that is taken for it; empty: none
  std::string save, log;  // empty: none
  bool resume = false;    // goes on from `save`, if that exists
  int64_t epochs = 1, batch = 32;
  bool shuffle = true;
  uint64_t seed = 0;
  std::vector<std::string> classWeights; // CLASS=WEIGHT
  int64_t earlyStopping = 0; // epochs without improvement; 0: never
  float learningRate = std::numeric_limits<float>::quiet_NaN(); // that of the library or the checkpoint
  int threads = 0;
};

llvm::Error compile(CompileOptions options);
llvm::Error runLibrary(const RunOptions &options);
llvm::Error inspect(const InspectOptions &options);
llvm::Error benchLibrary(const BenchOptions &options);
llvm::Error trainLibrary(const TrainOptions &options);

} // namespace sylvite

#endif
