// sylvite compile: hands the options to the compiler, and shows how far it is when someone is watching.
#include "compiler/driver/Compile.h"
#include "compiler/tools/Commands.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/raw_ostream.h"
#include <chrono>

using namespace llvm;

namespace sylvite {

char ReportedError::ID = 0;

namespace {

/// One line on the terminal that is overwritten, and gone before any other output.
class ProgressLine {
public:
  ProgressLine() : shown(sys::Process::StandardErrIsDisplayed()) {}
  ~ProgressLine() { clear(); }

  void update(StringRef phase, size_t done, size_t total) {
    if (phase.empty())
      return clear();
    auto now = std::chrono::steady_clock::now();
    bool due = now - last > std::chrono::milliseconds(50);
    // Nothing in the first moments: a short compilation should not flicker.
    if (!shown || !due || now - start < std::chrono::milliseconds(500))
      return;
    last = now;
    unsigned columns = std::max(sys::Process::StandardErrColumns(), 20u);
    std::string text;
    raw_string_ostream stream(text);
    if (total)
      stream << format("[%zu/%zu] ", done, total);
    stream << phase;
    text.resize(std::min<size_t>(text.size(), columns - 1));
    // The cursor goes back to the line's start: what anyone else prints replaces the text.
    errs() << "\r\x1b[K" << text << "\r";
    errs().flush();
    visible = true;
  }
  void clear() {
    if (visible)
      errs() << "\x1b[K";
    visible = false;
  }

private:
  bool shown, visible = false;
  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now(), last = start;
};

} // namespace

Error compile(CompileOptions options) {
  LogicalResult result = success();
  {
    ProgressLine progress;
    if (!options.time && !options.printAfterAll)
      options.progress = [&](StringRef phase, size_t done, size_t total) { progress.update(phase, done, total); };
    result = compileModel(options);
  }
  return succeeded(result) ? Error::success() : createReportedError();
}

} // namespace sylvite
