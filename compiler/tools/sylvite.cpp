// The `sylvite` command: parses the command line and hands over to a subcommand.
//
// Exit status: 0 for success, 1 for a failure, which one message on standard error explains, 2 for a wrong
// command line.
#include "compiler/tools/Commands.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/WithColor.h"
#include "llvm/Support/raw_ostream.h"
#include <CLI/CLI.hpp>
#include <csignal>
#include <functional>
#include <new>

using namespace llvm;
using namespace sylvite;

static constexpr char examples[] = R"(Examples:
  sylvite compile digits.keras -o build --name digits
  sylvite run build/libdigits.so --input x.npy --output y.npy
  sylvite run build/libdigits.so --input in.npz --output out.npz --threads 2
  sylvite train build/libdigits.so --data digits.npz --epochs 5 --validation 0.1 --save tuned.safetensors
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

static int usageError(const Twine &message) {
  WithColor::error() << message << "\n"
                     << "Run `sylvite --help`, or `sylvite COMMAND --help`.\n";
  return 2;
}

static int runCommandLine(int argc, char **argv) {
  CLI::App app("Compiles neural networks to native libraries, and runs and measures those.", "sylvite");
  app.footer(examples);
  app.require_subcommand(1);
  app.set_version_flag("--version", "sylvite " SYLVITE_VERSION " (LLVM " LLVM_VERSION_STRING ", Halide " SYLVITE_HALIDE_VERSION ")");
  std::function<Error()> chosen;

  CompileOptions compile;
  compile.output.clear(); // chosen below, by what is written
  std::vector<std::string> weights;
  CLI::App *compileCommand = addCommand(
      app, "compile", "Compile a model to a native library and its header.",
      "Writes libNAME.so, libNAME.a and NAME.h. Every function is called NAME_...; without --name, NAME is the\n"
      "model file's, with characters that C does not allow in names replaced by underscores.\n\n"
      "--weights takes a file with the weights of a model that has none inside (.weights.h5, .safetensors), or\n"
      "the word `external`, which puts the library's weights into NAME.weights.safetensors beside it.\n\n"
      "--train adds what a model is trained with: loss, optimizer and metrics are those the Keras file was compiled\n"
      "with, unless options say otherwise. NAME.h then has NAME_train_step, NAME_evaluate and NAME_gradients.\n\n"
      "--memory-budget lets training compute values again instead of keeping them; --remarks says what that costs.\n\n"
      "Compiled kernels are kept in $SYLVITE_CACHE_DIR (~/.cache/sylvite). Those that were not used for longest go when they\n"
      "take more than $SYLVITE_CACHE_SIZE, 1GB if it is not set.\n\n"
      "--emit prints a phase: nn (the model), halide (the kernels), stmt (Halide's loops), llvm (the host\n"
      "program), asm; or writes only one of the files: obj, lib, so, header.\n\n"
      "Examples:\n"
      "  sylvite compile digits.keras -o build --name digits\n"
      "  sylvite compile digits.json --weights digits.weights.h5 -o build\n"
      "  sylvite compile digits.keras --weights=external --target=x86-64-linux-avx2-fma -o build\n"
      "  sylvite compile digits.keras --train --optimizer sgd:lr=0.01,momentum=0.9 -o build\n"
      "  sylvite compile digits.keras --emit=halide",
      chosen, [&] { return sylvite::compile(compile); });
  compileCommand->add_option("model", compile.model, "The model: .keras, Keras JSON, .onnx, or .mlir of the nn dialect")->type_name("MODEL")->required();
  compileCommand->add_option("-o,--output", compile.output, "Directory, or file for the text of a phase")->type_name("PATH");
  compileCommand->add_option("--name", compile.name, "Prefix of the library's functions")->type_name("NAME");
  compileCommand->add_option("--target", compile.target, "Halide's target string, or native")
      ->type_name("TARGET")->capture_default_str();
  std::string emit;
  compileCommand->add_option("--emit", emit, "What to write")
      ->type_name("KIND")
      ->check(CLI::IsMember({"nn", "halide", "stmt", "llvm", "asm", "obj", "lib", "so", "header"}));
  compileCommand->add_option("--weights", weights, "File with the model's weights, or `external`")
      ->type_name("FILE|external")->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)->allow_extra_args(false);
  compileCommand->add_option("--shape", compile.shapes, "Sizes of an input: image=?x224x224x3; ? is free")
      ->type_name("NAME=SIZES");
  CLI::Option *trainFlag = compileCommand->add_flag(
      "--train", "Add training: train_step, evaluate and gradients");
  TrainingOptions training;
  compileCommand->add_option("--loss", training.losses, "Loss: KIND[:option=value,...], or OUTPUT=KIND... for one output")
      ->type_name("LOSS")->needs(trainFlag);
  compileCommand->add_option("--optimizer", training.optimizer, "Optimizer: KIND[:option=value,...], as adam:lr=1e-3")
      ->type_name("OPTIMIZER")->needs(trainFlag);
  compileCommand->add_option("--metrics", training.metrics, "Metrics: accuracy,precision,recall,f1,auc,mae, or with options, as top_k_categorical_accuracy:k=3")->delimiter(',')
      ->type_name("METRIC")->needs(trainFlag);
  compileCommand->add_flag("--sample-weights{item}", training.sampleWeights,
                           "Another input, sample_weight: what the loss of each item, or each position, is multiplied by")
      ->type_name("item|position")->check(CLI::IsMember({"item", "position"}))->needs(trainFlag);
  compileCommand->add_option("--class-weights", training.classWeights, "In training: what the loss of an item of a class is multiplied by: 0=1,1=2.5")
      ->delimiter(',')->type_name("CLASS=WEIGHT")->needs(trainFlag);
  compileCommand->add_option("--freeze", training.freeze, "Layers or parameters that training leaves: 'block[1-3]*'")
      ->type_name("PATTERN")->needs(trainFlag);
  compileCommand->add_option("--seed", compile.seed, "Seed of the weights of a model that has none, and of dropout in training")
      ->check(CLI::Range(uint64_t(0), uint64_t(UINT32_MAX)))->capture_default_str();
  std::string memoryBudget;
  compileCommand->add_option("--memory-budget", memoryBudget,
                             "Workspace that a call may take, 64MB, or 64MB@128 for 128 items (32): values are computed twice to fit")
      ->type_name("SIZE[@ITEMS]");
  compileCommand->add_flag("--exact", compile.exact,
                           "Convolutions by their definition only, without Winograd's algorithm");
  compileCommand->add_flag("--single-threaded", compile.singleThreaded, "A library without threads of its own");
  compileCommand->add_option("--jobs", compile.jobs, "Kernels compiled at once; 0: one per processor");
  compileCommand->add_flag("--print-after-all", compile.printAfterAll, "Print the IR after every pass");
  compileCommand->add_flag("--remarks", compile.remarks,
                           "Say what was fused and how convolutions are computed, and why");
  compileCommand->add_flag("--time", compile.time, "Print the time of passes and kernels");

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
  runCommand->add_option("--entry", run.entry, "What to run: an entry that `sylvite inspect` lists")
      ->type_name("NAME")->capture_default_str();
  runCommand->add_option("--threads", run.threads, "Threads; 0: one per processor")->check(CLI::Range(0, 256));
  runCommand->add_option("--weights", run.weights, "A safetensors file to use in place of the library's weights")
      ->type_name("FILE");
  runCommand->add_flag("--guard", run.guard,
                       "End inputs, outputs and workspace where nothing may be read or written: a kernel that goes beyond is killed; and "
                       "share loops with all --threads, however short they are");

  TrainOptions train;
  CLI::App *trainCommand = addCommand(
      app, "train", "Train the model of a library that was compiled with --train.",
      "The data are arrays with the names of the inputs of `train_step` (`sylvite inspect LIB` lists them), items\n"
      "along the first dimension. The last, smaller batch of an epoch is used like any other.\n\n"
      "With --save the parameters and the place in the run are written after every epoch and on Ctrl-C. The same\n"
      "command with --resume goes on from there, also after a crash, and ends with the same bits as a run without\n"
      "interruption. With --early-stopping the best epoch is kept beside it, in NAME.best.safetensors.\n\n"
      "--class-weights multiply the weights of items, `sample_weight`, which a library takes that was compiled with\n"
      "--sample-weights. As in Keras they do not count in validation.\n\n"
      "The order of an epoch depends on the seed and the number of the epoch alone (SplitMix64, Fisher-Yates).\n\n"
      "Examples:\n"
      "  sylvite train build/libdigits.so --data digits.npz --epochs 5 --validation 0.1 --save tuned.safetensors\n"
      "  sylvite train build/libdigits.so --data digits.npz --epochs 50 --validation test.npz --early-stopping 3 \\\n"
      "      --save tuned.safetensors --resume --log run.jsonl",
      chosen, [&] { return trainLibrary(train); });
  trainCommand->add_option("library", train.library, "Shared library made by sylvite compile --train")->type_name("LIB")->required();
  trainCommand->add_option("--data,-d", train.data, "Inputs and targets: .npz")->type_name("FILE")->required();
  trainCommand->add_option("--epochs", train.epochs, "Times to go through the data")->capture_default_str()->check(CLI::PositiveNumber);
  trainCommand->add_option("--batch", train.batch, "Items in a step")->capture_default_str()->check(CLI::PositiveNumber);
  trainCommand->add_option("--validation", train.validation, "Data to validate each epoch with: a file, or a fraction taken from the end of the data")
      ->type_name("FILE|FRACTION");
  trainCommand->add_flag("--shuffle,!--no-shuffle", train.shuffle, "Shuffle the data in each epoch, which is the default; or keep their order");
  trainCommand->add_option("--seed", train.seed, "Seed of the shuffling")->capture_default_str();
  trainCommand->add_option("--learning-rate", train.learningRate, "In place of the library's or the checkpoint's")->check(CLI::NonNegativeNumber);
  trainCommand->add_option("--class-weights", train.classWeights,
                           "What the loss of an item of a class is multiplied by, 0=1,1=2.5; the library needs weights of items")
      ->delimiter(',')->type_name("CLASS=WEIGHT");
  CLI::Option *saveOption = trainCommand->add_option("--save", train.save, "Checkpoint to write: .safetensors")->type_name("FILE");
  trainCommand->add_flag("--resume", train.resume, "Go on from the checkpoint, if it is there")->needs(saveOption);
  trainCommand->add_option("--early-stopping", train.earlyStopping, "Stop after so many epochs without a better (validation) loss")
      ->type_name("EPOCHS")->check(CLI::PositiveNumber);
  trainCommand->add_option("--log", train.log, "Write a line of JSON for each epoch")->type_name("FILE");
  trainCommand->add_option("--weights", train.weights, "A safetensors file to start from in place of the library's weights")->type_name("FILE");
  trainCommand->add_option("--threads", train.threads, "Threads; 0: one per processor")->check(CLI::Range(0, 256));

  InspectOptions inspect;
  CLI::App *inspectCommand =
      addCommand(app, "inspect", "Show the inputs, outputs, parameters, states, kernels, loops and memory of a model or a library.",
                 "Free dimensions have their names. A state is what a library keeps from call to call, for a stateful layer. A loop\n"
                 "runs its kernels once for each step; work and traffic are those of all steps of a call with one item, where free\n"
                 "dimensions are one: a dash where the model is not defined there. A branch, listed with the loops, runs its kernels\n"
                 "where its condition holds (if_true) or does not (if_false); work and traffic count both.\n\n"
                 "Examples:\n  sylvite inspect digits.keras\n  sylvite inspect build/libdigits.so --json", chosen,
                 [&] { return sylvite::inspect(inspect); });
  inspectCommand->add_option("path", inspect.path, "A model, or a shared library made by sylvite compile")
      ->type_name("MODEL|LIB")->required();
  inspectCommand->add_option("--weights", inspect.weights, "File with the weights of a model that has none inside")
      ->type_name("FILE");
  inspectCommand->add_option("--target", inspect.target, "Target that a model would be compiled for")
      ->type_name("TARGET")->capture_default_str();
  inspectCommand->add_flag("--json", inspect.json, "Write JSON");

  BenchOptions bench;
  CLI::App *benchCommand = addCommand(
      app, "bench", "Measure a library: latency, GFLOP/s, % of peak, per kernel.",
      "The peak is measured on the spot: multiply-adds in registers, on as many threads. Rates and the parts of the\n"
      "time are of the fastest runs. There are no rates where free dimensions other than the batch are not one.\n\n"
      "Example:\n  sylvite bench build/libdigits.so --threads 2 --batch 32",
      chosen, [&] { return benchLibrary(bench); });
  benchCommand->add_option("library", bench.library, "Shared library made by sylvite compile")->type_name("LIB")->required();
  benchCommand->add_option("--entry", bench.entry, "What to measure: an entry that `sylvite inspect` lists")
      ->type_name("NAME")->capture_default_str();
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
    return usageError(error.what());
  }
  if (!compile.name.empty() && sanitizeName(compile.name) != compile.name)
    return usageError("--name: '" + compile.name +
                      "' cannot be the name of a library: use letters, digits and underscores, beginning "
                      "with a letter, and no keyword of C or C++");
  if (!memoryBudget.empty()) {
    compile.memoryBudget = parseMemoryBudget(memoryBudget);
    if (!compile.memoryBudget)
      return usageError("--memory-budget: '" + memoryBudget + "' is not of the form SIZE[@ITEMS], as 64MB or 1.5GiB@128");
  }
  training.seed = compile.seed;
  if (trainFlag->count())
    compile.training = training;
  for (const std::string &value : weights) {
    if (value == "external")
      compile.externalWeights = true;
    else if (compile.weights.empty())
      compile.weights = value;
    else
      return usageError("--weights: both '" + compile.weights + "' and '" + value + "' are files");
  }
  compile.emit = StringSwitch<Emit>(emit)
                     .Case("nn", Emit::NN)
                     .Case("halide", Emit::Halide)
                     .Case("stmt", Emit::Stmt)
                     .Case("llvm", Emit::LLVM)
                     .Case("asm", Emit::Assembly)
                     .Case("obj", Emit::Object)
                     .Case("lib", Emit::Archive)
                     .Case("so", Emit::Shared)
                     .Case("header", Emit::Header)
                     .Default(Emit::Library);
  bool text = compile.emit <= Emit::Assembly;
  if (compile.output.empty())
    compile.output = text ? "-" : ".";

  if (Error error = chosen()) {
    handleAllErrors(
        std::move(error), [](const ReportedError &) {},
        [](const ErrorInfoBase &info) { WithColor::error() << info.message() << "\n"; });
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
  std::signal(SIGXFSZ, SIG_IGN); // a file above the limit is an error like a full disk
  try {
    return runCommandLine(argc, argv);
  } catch (const std::bad_alloc &) {
    WithColor::error() << "out of memory\n";
    return 1;
  }
}
