// sylvite train: trains a library's model on arrays from a file.
//
// A run is decided by its options, the data and the seed: the order of the items in an epoch depends on nothing
// before it, and a checkpoint holds all parameters together with the record of the run. So a run that was
// interrupted, or killed, ends with the bits of one that was not; and one whose loss is not a number can be gone
// through again to find the layer that made it.
#include "compiler/import/TrainingOptions.h"
#include "compiler/tools/Commands.h"
#include "compiler/tools/Dataset.h"
#include "compiler/tools/EntryInputs.h"
#include "compiler/tools/LoadedLibrary.h"
#include "compiler/tools/ProgressLine.h"
#include "compiler/tools/TrainingRecord.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include <chrono>
#include <cmath>
#include <csignal>
#include <numeric>
#include <optional>
#include <utility>

using namespace llvm;

namespace sylvite {

//===----------------------------------------------------------------------===//
// Interruption
//===----------------------------------------------------------------------===//

static volatile std::sig_atomic_t interrupted = 0;

namespace {
/// While it lives, SIGINT and SIGTERM ask the run to save and stop. A second one stops at once.
class Interruptible {
public:
  Interruptible() {
    interrupted = 0;
    struct sigaction action = {};
    action.sa_handler = [](int signal) { interrupted = signal; };
    action.sa_flags = SA_RESETHAND | SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, &oldInterrupt);
    sigaction(SIGTERM, &action, &oldTerminate);
  }
  ~Interruptible() {
    sigaction(SIGINT, &oldInterrupt, nullptr);
    sigaction(SIGTERM, &oldTerminate, nullptr);
  }

private:
  struct sigaction oldInterrupt, oldTerminate;
};
} // namespace

//===----------------------------------------------------------------------===//
// The run
//===----------------------------------------------------------------------===//

namespace {

using Clock = std::chrono::steady_clock;

class Trainer {
public:
  Trainer(LoadedLibrary &library, const TrainOptions &options) : library(library), options(options) {}
  Error run();

private:
  Error prepare();
  /// Makes a handle with the parameters that the run began with.
  Error startOver();
  Error setLearningRate();
  Error findEntries();
  Error readData();
  Error resume();
  Error runEpochs();
  Error runEpoch();
  Error finishEpoch();
  /// The metrics that `entry` gives, for a batch if it takes one.
  Expected<std::vector<double>> runEntry(int32_t entry, ArrayRef<const void *> inputs, ArrayRef<int64_t> dims);
  Expected<std::vector<double>> runBatch(int32_t entry, Dataset &data, ArrayRef<int64_t> items);
  /// The metrics of all batches since the last call, which are forgotten.
  Expected<std::vector<double>> takeMetrics();
  Expected<std::vector<double>> validate();
  Error save(const std::string &path);
  Error writeLog(size_t firstEpoch);
  Error reportNonFinite(double loss, ArrayRef<int64_t> items);
  /// Goes through the run again, from where its state is known, until a layer computes a NaN: what the library says
  /// of it, or nothing.
  Expected<std::string> findLayer();
  /// The items of the current epoch, in their order.
  std::vector<int64_t> orderOfEpoch() const;
  /// The next batch of them.
  ArrayRef<int64_t> nextBatch(ArrayRef<int64_t> order) const {
    return order.drop_front(record.done).take_front(record.batch);
  }
  std::string position() const {
    return "batch " + std::to_string((record.done + record.batch - 1) / record.batch + 1) + " of epoch " +
           std::to_string(record.epochs.size() + 1);
  }
  /// Saves what there is, says so, and ends the process as the signal would have.
  Error stopInterrupted();
  std::string progressText();
  /// Spent on the current epoch.
  double epochSeconds() const {
    return record.seconds + std::chrono::duration<double>(Clock::now() - epochStart).count();
  }
  bool stopsEarly() const {
    size_t count = record.epochs.size();
    return options.earlyStopping > 0 && count > 0 && count - 1 - record.best() >= size_t(options.earlyStopping);
  }
  /// "tuned.best.safetensors" for "tuned.safetensors".
  std::string bestPath() const {
    SmallString<128> path(options.save);
    StringRef extension = sys::path::extension(options.save);
    sys::path::replace_extension(path, ".best" + extension);
    return std::string(path);
  }

  LoadedLibrary &library;
  const TrainOptions &options;
  int32_t trainEntry = 0, evaluateEntry = 0, resultEntry = 0, resetEntry = 0;
  std::optional<int32_t> averageEntry; ///< for an optimizer that keeps averages of the weights
  Dataset training, validation;
  bool validates = false;
  bool hasCheckpoint = false; ///< --save is of this run
  TrainingRecord record;
  ProgressLine progress;
  Clock::time_point epochStart;
};

} // namespace

Error Trainer::findEntries() {
  Expected<int32_t> train = library.findEntry("train_step");
  if (!train) {
    consumeError(train.takeError());
    return createStringError(options.library + " cannot be trained: compile its model with --train");
  }
  trainEntry = *train;
  const sylvite_entry &entry = library.entry(trainEntry);
  for (const sylvite_tensor &output : ArrayRef(entry.outputs, entry.output_count)) {
    if (output.dtype != SYLVITE_FLOAT32 || output.rank != 0)
      return createStringError(std::string("internal error: the metric '") + output.name + "' is no float");
    record.metrics.push_back(output.name);
  }
  for (auto [name, index] : {std::pair("evaluate", &evaluateEntry), {"metrics_result", &resultEntry},
                             {"reset_metrics", &resetEntry}}) {
    Expected<int32_t> found = library.findEntry(name);
    if (!found)
      return found.takeError();
    *index = *found;
  }
  if (Expected<int32_t> found = library.findEntry("apply_averages"))
    averageEntry = *found;
  else
    consumeError(found.takeError());
  return Error::success();
}

Error Trainer::readData() {
  const sylvite_entry &entry = library.entry(trainEntry);
  Expected<Dataset> data = Dataset::read(entry, options.data);
  if (!data)
    return data.takeError();
  training = std::move(*data);
  double fraction = 0;
  validates = !options.validation.empty();
  if (validates && !StringRef(options.validation).getAsDouble(fraction)) {
    // The last items, before any shuffling, as Keras's validation_split.
    bool valid = fraction > 0 && fraction < 1;
    int64_t kept = valid ? static_cast<int64_t>(std::floor(training.size() * (1 - fraction))) : 0;
    if (kept == 0 || kept == training.size())
      return createStringError("--validation " + options.validation + " of " + Twine(training.size()) +
                               " items leaves nothing for one of the two: give a fraction between 0 and 1, or a file");
    validation = training.splitOff(training.size() - kept);
  } else if (validates) {
    Expected<Dataset> other = Dataset::read(library.entry(evaluateEntry), options.validation);
    if (!other)
      return other.takeError();
    validation = std::move(*other);
  }
  if (!options.classWeights.empty()) { // validation is without them, as Keras's
    Expected<std::vector<double>> weights = parseClassWeights(options.classWeights);
    if (!weights)
      return weights.takeError();
    if (Error error = training.weightClasses(std::move(*weights)))
      return error;
  }
  record.items = training.size();
  record.batch = std::min(options.batch, training.size());
  record.seed = options.seed;
  record.shuffle = options.shuffle;
  return Error::success();
}

/// Goes on from --save, if that is there.
Error Trainer::resume() {
  if (!options.resume || !sys::fs::exists(options.save))
    return Error::success();
  Expected<std::string> note = library.loadCheckpoint(options.save);
  if (!note)
    return note.takeError();
  if (note->empty())
    return createStringError(options.save + " holds no record of a run: start one from it with --weights");
  Expected<TrainingRecord> saved = TrainingRecord::fromJSON(*note);
  if (!saved)
    return createStringError(options.save + ": the record of the run is damaged: " + toString(saved.takeError()));
  if (saved->metrics != record.metrics)
    return createStringError(options.save + " is of a run with other metrics");
  // Within an epoch, what is left of it must be what it was.
  auto text = [](const TrainingRecord &record) {
    return std::to_string(record.items) + " items, batch " + std::to_string(record.batch) +
           (record.shuffle ? ", seed " + std::to_string(record.seed) : ", not shuffled");
  };
  std::string before = text(*saved), now = text(record);
  if (saved->done > 0 && before != now)
    return createStringError(options.save + " is in the middle of an epoch with " + before + "; this run has " + now);
  record.epochs = std::move(saved->epochs);
  record.done = saved->done;
  record.training = std::move(saved->training);
  record.seconds = saved->seconds;
  hasCheckpoint = true;
  errs() << "resuming after " << record.epochs.size() << (record.epochs.size() == 1 ? " epoch" : " epochs");
  if (record.done)
    errs() << " and " << record.done << " of " << record.items << " items";
  errs() << "\n";
  return Error::success();
}

Error Trainer::prepare() {
  if (Error error = findEntries())
    return error;
  if (Error error = readData())
    return error;
  if (Error error = startOver())
    return error;
  if (Error error = library.setThreads(options.threads))
    return error;
  if (Error error = resume())
    return error;
  return setLearningRate();
}

Error Trainer::startOver() {
  if (Error error = library.create(options.weights))
    return error;
  return setLearningRate();
}

Error Trainer::setLearningRate() {
  return std::isfinite(options.learningRate) ? library.setLearningRate(options.learningRate) : Error::success();
}

Expected<std::vector<double>> Trainer::runEntry(int32_t entry, ArrayRef<const void *> inputs, ArrayRef<int64_t> dims) {
  std::vector<float> values(library.entry(entry).output_count);
  std::vector<void *> outputs;
  for (float &value : values)
    outputs.push_back(&value);
  if (Error error = library.run(entry, inputs, dims, outputs))
    return error;
  return std::vector<double>(values.begin(), values.end());
}

Expected<std::vector<double>> Trainer::runBatch(int32_t entry, Dataset &data, ArrayRef<int64_t> items) {
  Dataset::Batch batch = data.gather(items);
  return runEntry(entry, batch.inputs, batch.dims);
}

Expected<std::vector<double>> Trainer::takeMetrics() {
  Expected<std::vector<double>> metrics = runEntry(resultEntry, {}, {});
  if (metrics)
    if (Expected<std::vector<double>> none = runEntry(resetEntry, {}, {}); !none)
      return none;
  return metrics;
}

Expected<std::vector<double>> Trainer::validate() {
  // A validation that was interrupted starts anew.
  if (Expected<std::vector<double>> none = runEntry(resetEntry, {}, {}); !none)
    return none;
  std::vector<int64_t> items(validation.size());
  std::iota(items.begin(), items.end(), 0);
  for (ArrayRef<int64_t> left(items); !left.empty() && !interrupted;) {
    ArrayRef<int64_t> batch = left.take_front(options.batch);
    left = left.drop_front(batch.size());
    Expected<std::vector<double>> metrics = runBatch(evaluateEntry, validation, batch);
    if (!metrics)
      return metrics;
  }
  return takeMetrics();
}

std::string Trainer::progressText() {
  constexpr int width = 24;
  std::string text;
  raw_string_ostream out(text);
  int filled = static_cast<int>(width * record.done / record.items);
  out << "epoch " << record.epochs.size() + 1 << "/" << options.epochs << " [" << std::string(filled, '=')
      << std::string(width - filled, ' ') << "] " << record.done << "/" << record.items;
  if (Expected<std::vector<double>> metrics = runEntry(resultEntry, {}, {}))
    for (auto [name, value] : zip_equal(record.metrics, *metrics))
      out << "  " << name << " " << metricText(value);
  else
    consumeError(metrics.takeError());
  double rate = record.done / epochSeconds();
  out << "  " << format("%.0f s left", (record.items - record.done) / rate);
  return text;
}

Expected<std::string> Trainer::findLayer() {
  progress.clear();
  errs() << "the loss is not a number: going through the run again, to find the layer\n";
  size_t lastEpoch = record.epochs.size();
  int64_t lastItem = record.done;
  if (hasCheckpoint) {
    Expected<std::string> note = library.loadCheckpoint(options.save);
    if (!note)
      return note;
    Expected<TrainingRecord> saved = TrainingRecord::fromJSON(*note);
    if (!saved)
      return saved.takeError();
    record.epochs = std::move(saved->epochs);
    record.done = saved->done;
    if (Error error = setLearningRate())
      return error;
  } else {
    if (Error error = startOver())
      return error;
    record.epochs.clear();
    record.done = 0;
  }
  if (Error error = library.setChecks(true))
    return error;
  for (; record.epochs.size() <= lastEpoch; record.epochs.emplace_back(), record.done = 0) {
    std::vector<int64_t> order = orderOfEpoch();
    while (record.done < (record.epochs.size() < lastEpoch ? record.items : lastItem + 1)) {
      if (interrupted)
        return std::string();
      ArrayRef<int64_t> batch = nextBatch(order);
      Expected<std::vector<double>> metrics = runBatch(trainEntry, training, batch);
      if (!metrics)
        return toString(metrics.takeError()) + " in " + position();
      record.done += batch.size();
    }
  }
  return std::string();
}

Error Trainer::reportNonFinite(double loss, ArrayRef<int64_t> items) {
  bool isNaN = std::isnan(loss);
  std::string message = (isNaN ? "the loss is not a number in " : "the loss is infinite in ") + position();
  std::string input = training.findNonFinite(items);
  std::string layer;
  if (isNaN && input.empty()) {
    Expected<std::string> found = findLayer();
    if (!found)
      return found.takeError();
    layer = std::move(*found);
  }
  if (!input.empty())
    message += ": so is " + input;
  else if (!layer.empty())
    message += ": " + layer;
  else
    message += ": the training diverges, which a lower learning rate or clipped gradients prevent";
  if (hasCheckpoint)
    message += "; " + options.save + " holds an earlier state";
  return createStringError(message);
}

Error Trainer::save(const std::string &path) {
  TrainingRecord now = record;
  if (now.done)
    now.seconds = epochSeconds();
  return library.saveCheckpoint(path, now.toJSON());
}

Error Trainer::writeLog(size_t firstEpoch) {
  if (options.log.empty())
    return Error::success();
  std::error_code code;
  raw_fd_ostream file(options.log, code, firstEpoch ? sys::fs::OF_Append : sys::fs::OF_None);
  if (!code) {
    for (size_t epoch = firstEpoch; epoch < record.epochs.size(); ++epoch)
      file << record.logLine(epoch) << "\n";
    file.flush();
    code = file.error();
    file.clear_error();
  }
  return code ? createStringError("cannot write " + options.log + ": " + code.message()) : Error::success();
}

Error Trainer::stopInterrupted() {
  progress.clear();
  int signal = interrupted;
  errs() << "interrupted in epoch " << record.epochs.size() + 1 << " after " << record.done << " of " << record.items
         << " items; ";
  if (options.save.empty()) {
    errs() << "nothing is saved, as there is no --save\n";
  } else {
    if (Error error = save(options.save)) {
      errs() << "\n";
      return error;
    }
    errs() << options.save << " is saved, and the same command with --resume goes on from there\n";
  }
  record.printTable(outs());
  outs().flush();
  std::signal(signal, SIG_DFL);
  std::raise(signal);
  return createReportedError();
}

std::vector<int64_t> Trainer::orderOfEpoch() const {
  if (record.shuffle)
    return shuffledOrder(record.items, record.seed, record.epochs.size());
  std::vector<int64_t> order(record.items);
  std::iota(order.begin(), order.end(), 0);
  return order;
}

/// What is left of the current epoch.
Error Trainer::runEpoch() {
  epochStart = Clock::now();
  std::vector<int64_t> order = orderOfEpoch();
  while (record.done < record.items) {
    if (interrupted)
      return stopInterrupted();
    ArrayRef<int64_t> batch = nextBatch(order);
    Expected<std::vector<double>> metrics = runBatch(trainEntry, training, batch);
    if (!metrics)
      return metrics.takeError();
    if (!std::isfinite(metrics->front()))
      return reportNonFinite(metrics->front(), batch);
    record.done += batch.size();
    progress.update([&] { return progressText(); });
  }
  return Error::success();
}

Error Trainer::finishEpoch() {
  EpochResult result;
  result.learningRate = library.getLearningRate();
  if (record.training.empty()) {
    Expected<std::vector<double>> metrics = takeMetrics();
    if (!metrics)
      return metrics.takeError();
    record.training = std::move(*metrics);
  }
  if (validates) {
    Expected<std::vector<double>> metrics = validate();
    if (!metrics)
      return metrics.takeError();
    if (interrupted) // the epoch ends when the run goes on
      return stopInterrupted();
    result.validation = std::move(*metrics);
  }
  result.training = std::exchange(record.training, {});
  result.seconds = epochSeconds();
  record.epochs.push_back(std::move(result));
  record.done = 0;
  record.seconds = 0;
  progress.clear();
  const EpochResult &epoch = record.epochs.back();
  errs() << "epoch " << record.epochs.size() << "/" << options.epochs << "  " << format("%.2f s  ", epoch.seconds)
         << record.describe(epoch) << "\n";
  if (!options.save.empty()) {
    if (options.earlyStopping > 0 && record.best() + 1 == record.epochs.size())
      if (Error error = save(bestPath()))
        return error;
    if (Error error = save(options.save))
      return error;
    hasCheckpoint = true;
  }
  return writeLog(record.epochs.size() - 1);
}

Error Trainer::runEpochs() {
  Interruptible interruptible;
  // A log of the run up to here: that of a run which was killed may lack its last lines.
  if (Error error = writeLog(0))
    return error;
  while (int64_t(record.epochs.size()) < options.epochs && !stopsEarly()) {
    if (Error error = runEpoch())
      return error;
    if (Error error = finishEpoch())
      return error;
  }
  return Error::success();
}

Error Trainer::run() {
  if (Error error = prepare())
    return error;
  if (Error error = runEpochs())
    return error;
  if (averageEntry) { // as Keras's fit ends; once more changes nothing
    if (Expected<std::vector<double>> none = runEntry(*averageEntry, {}, {}); !none)
      return none.takeError();
    if (!options.save.empty())
      if (Error error = save(options.save))
        return error;
    errs() << "the weights are their moving averages now\n";
  }
  if (stopsEarly())
    errs() << "stopped early: no better epoch than " << record.best() + 1 << " in " << options.earlyStopping << "\n";
  record.printTable(outs());
  if (!options.save.empty() && options.earlyStopping > 0)
    outs() << "best epoch: " << bestPath() << "\n";
  return Error::success();
}

Error trainLibrary(const TrainOptions &options) {
  Expected<LoadedLibrary> library = LoadedLibrary::load(options.library);
  if (!library)
    return library.takeError();
  return Trainer(*library, options).run();
}

} // namespace sylvite
