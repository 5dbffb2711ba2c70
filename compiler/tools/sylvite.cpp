// The `sylvite` command: parses the command line and hands over to a subcommand.
//
// Exit status: 0 for success, 1 for a failure, which one message on standard error explains, 2 for a wrong
// command line.
#include "compiler/tools/Commands.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/WithColor.h"
#include "llvm/Support/raw_ostream.h"
#include <CLI/CLI.hpp>
#include <functional>
#include <new>

using namespace llvm;
using namespace sylvite;

static constexpr char examples[] = R"(Examples:
  sylvite run build/libdigits.so --input x.npy --output y.npy
  sylvite run build/libdigits.so --input in.npz --output out.npz --threads 2
  sylvite inspect build/libdigits.so --json
  sylvite bench build/libdigits.so --threads 2 --batch 32
)";

/// Adds a subcommand; `action` is what to do when the command line names it.
static CLI::App *addCommand(CLI::App &app, const char *name, const char *description, const char *footer,
                            std::function<Error()> &chosen, std::function<Error()> action) {
  CLI::App *command = app.add_subcommand(name, description);
  command->footer(footer);
  command->callback([&chosen, action = std::move(action)] { chosen = action; });
  return command;
}

static int runCommandLine(int argc, char **argv) {
  CLI::App app("Compiles neural networks to native libraries, and runs and measures those.", "sylvite");
  app.footer(examples);
  app.require_subcommand(1);
  app.set_version_flag("--version", "sylvite " SYLVITE_VERSION " (LLVM " LLVM_VERSION_STRING ", Halide " SYLVITE_HALIDE_VERSION ")");
  std::function<Error()> chosen;

  RunOptions run;
  CLI::App *runCommand = addCommand(
      app, "run", "Run a library on arrays from a file.",
      "Arrays are found by the names of the model's inputs, and written by those of its outputs; a .npy file\n"
      "serves for a single one. `sylvite inspect LIB` lists them.\n\n"
      "Example:\n  sylvite run build/libdigits.so --input x.npy --output y.npy",
      chosen, [&] { return runLibrary(run); });
  runCommand->add_option("library", run.library, "Shared library made by sylvite compile")->type_name("LIB")->required();
  runCommand->add_option("--input,-i", run.input, "Inputs: .npz or .npy")->type_name("FILE")->required();
  runCommand->add_option("--output,-o", run.output, "Outputs: .npz or .npy")->type_name("FILE")->required();
  runCommand->add_option("--threads", run.threads, "Threads; 0: one per processor")->check(CLI::Range(0, 256));
  runCommand->add_option("--weights", run.weights, "A safetensors file to use in place of the library's weights")
      ->type_name("FILE");

  InspectOptions inspect;
  CLI::App *inspectCommand =
      addCommand(app, "inspect", "Show a library's inputs, outputs, parameters, kernels and memory.",
                 "Example:\n  sylvite inspect build/libdigits.so --json", chosen,
                 [&] { return inspectLibrary(inspect); });
  inspectCommand->add_option("path", inspect.path, "Shared library made by sylvite compile")->type_name("LIB")->required();
  inspectCommand->add_flag("--json", inspect.json, "Write JSON");

  BenchOptions bench;
  CLI::App *benchCommand = addCommand(
      app, "bench", "Measure a library: latency, GFLOP/s, % of peak, per kernel.",
      "The peak is measured on the spot: multiply-adds in registers, on as many threads.\n\n"
      "Example:\n  sylvite bench build/libdigits.so --threads 2 --batch 32",
      chosen, [&] { return benchLibrary(bench); });
  benchCommand->add_option("library", bench.library, "Shared library made by sylvite compile")->type_name("LIB")->required();
  benchCommand->add_option("--threads", bench.threads, "Threads; 0: one per processor")->check(CLI::Range(0, 256));
  benchCommand->add_option("--batch", bench.batch, "Items in a call")->capture_default_str()->check(CLI::PositiveNumber);
  benchCommand->add_option("--dim", bench.dims, "Size of another free dimension: NAME=SIZE")->type_name("NAME=SIZE");
  benchCommand->add_option("--seconds", bench.seconds, "Time to measure for")->capture_default_str()->check(CLI::Range(0.01, 3600.0));
  benchCommand->add_option("--weights", bench.weights, "A safetensors file to use in place of the library's weights")
      ->type_name("FILE");
  benchCommand->add_flag("--json", bench.json, "Write JSON");

  try {
    app.parse(argc, argv);
  } catch (const CLI::Success &success) { // --help, --version
    return app.exit(success);
  } catch (const CLI::ParseError &error) {
    WithColor::error() << error.what() << "\n"
                       << "Run `sylvite --help`, or `sylvite COMMAND --help`.\n";
    return 2;
  }
  if (Error error = chosen()) {
    WithColor::error() << toString(std::move(error)) << "\n";
    return 1;
  }
  outs().flush();
  if (outs().has_error()) {
    WithColor::error() << "cannot write to standard output: " << outs().error().message() << "\n";
    outs().clear_error();
    return 1;
  }
  return 0;
}

int main(int argc, char **argv) {
  InitLLVM init(argc, argv);
  try {
    return runCommandLine(argc, argv);
  } catch (const std::bad_alloc &) {
    WithColor::error() << "out of memory\n";
    return 1;
  }
}
