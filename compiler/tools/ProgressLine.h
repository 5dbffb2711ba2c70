// One line on the terminal that is overwritten, and gone before any other output. Nothing where no one is watching.
#ifndef SYLVITE_COMPILER_TOOLS_PROGRESSLINE_H
#define SYLVITE_COMPILER_TOOLS_PROGRESSLINE_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/raw_ostream.h"
#include <algorithm>
#include <chrono>
#include <string>

namespace sylvite {

class ProgressLine {
public:
  ProgressLine() : shown(llvm::sys::Process::StandardErrIsDisplayed()) {}
  ~ProgressLine() { clear(); }

  /// Shows a text, which is asked for only when it is time for another.
  void update(llvm::function_ref<std::string()> makeText) {
    auto now = std::chrono::steady_clock::now();
    bool due = now - last > std::chrono::milliseconds(50);
    // Nothing in the first moments: what is done soon should not flicker.
    if (!shown || !due || now - start < std::chrono::milliseconds(500))
      return;
    last = now;
    std::string text = makeText();
    unsigned columns = std::max(llvm::sys::Process::StandardErrColumns(), 20u);
    text.resize(std::min<size_t>(text.size(), columns - 1));
    // The cursor goes back to the line's start: what anyone else prints replaces the text.
    llvm::errs() << "\r\x1b[K" << text << "\r";
    llvm::errs().flush();
    visible = true;
  }
  void clear() {
    if (visible)
      llvm::errs() << "\x1b[K";
    visible = false;
  }

private:
  bool shown, visible = false;
  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now(), last = start;
};

} // namespace sylvite

#endif
