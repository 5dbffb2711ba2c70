// sylvite compile: hands the options to the compiler, and shows how far it is when someone is watching.
#include "compiler/driver/Compile.h"
#include "compiler/tools/Commands.h"
#include "compiler/tools/ProgressLine.h"

using namespace llvm;

namespace sylvite {

char ReportedError::ID = 0;

Error compile(CompileOptions options) {
  LogicalResult result = success();
  {
    ProgressLine progress;
    if (!options.time && !options.printAfterAll)
      options.progress = [&](StringRef phase, size_t done, size_t total) {
        if (phase.empty())
          return progress.clear();
        progress.update([&] {
          return (total ? "[" + std::to_string(done) + "/" + std::to_string(total) + "] " : "") + phase.str();
        });
      };
    result = compileModel(options);
  }
  return succeeded(result) ? Error::success() : createReportedError();
}

} // namespace sylvite
