// The subcommands of `sylvite`. Each takes its parsed options and returns the process's exit status; messages
// have gone to standard error by then.
#ifndef SYLVITE_COMPILER_TOOLS_COMMANDS_H
#define SYLVITE_COMPILER_TOOLS_COMMANDS_H

#include "llvm/Support/Error.h"
#include <map>
#include <string>
#include <vector>

namespace sylvite {

struct RunOptions {
  std::string library, input, output, weights;
  int threads = 0;
};

struct InspectOptions {
  std::string path;
  bool json = false;
};

struct BenchOptions {
  std::string library, weights;
  int threads = 0;
  int64_t batch = 1;
  std::vector<std::string> dims; // NAME=SIZE
  double seconds = 1;
  bool json = false;
};

llvm::Error runLibrary(const RunOptions &options);
llvm::Error inspectLibrary(const InspectOptions &options);
llvm::Error benchLibrary(const BenchOptions &options);

} // namespace sylvite

#endif
