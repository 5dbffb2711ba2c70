// See TrainingRecord.h.
#include "compiler/tools/TrainingRecord.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"
#include <cmath>

using namespace llvm;

namespace sylvite {

//===----------------------------------------------------------------------===//
// JSON
//===----------------------------------------------------------------------===//

/// JSON has no numbers that are not finite: they are null.
static json::Value numberToJSON(double value) {
  return std::isfinite(value) ? json::Value(value) : json::Value(nullptr);
}

static json::Array numbersToJSON(ArrayRef<double> values) {
  json::Array array;
  for (double value : values)
    array.push_back(numberToJSON(value));
  return array;
}

static double numberFromJSON(const json::Value &value) { return value.getAsNumber().value_or(NAN); }

static std::vector<double> numbersFromJSON(const json::Array *array) {
  std::vector<double> values;
  for (const json::Value &value : array ? *array : json::Array())
    values.push_back(numberFromJSON(value));
  return values;
}

std::string TrainingRecord::toJSON() const {
  json::Array history;
  for (const EpochResult &epoch : epochs)
    history.push_back(json::Object{{"seconds", epoch.seconds},
                                   {"learning_rate", numberToJSON(epoch.learningRate)},
                                   {"training", numbersToJSON(epoch.training)},
                                   {"validation", numbersToJSON(epoch.validation)}});
  json::Object object{{"metrics", json::Array(metrics)},
                      {"items", items},
                      {"batch", batch},
                      {"seed", std::to_string(seed)}, // a double cannot hold all of them
                      {"shuffle", shuffle},
                      {"epochs", std::move(history)},
                      {"done", done},
                      {"training", numbersToJSON(training)},
                      {"seconds", seconds}};
  std::string text;
  raw_string_ostream(text) << json::Value(std::move(object));
  return text;
}

Expected<TrainingRecord> TrainingRecord::fromJSON(StringRef text) {
  Expected<json::Value> parsed = json::parse(text);
  if (!parsed)
    return parsed.takeError();
  auto damaged = [] { return createStringError("a field is missing or has another type"); };
  const json::Object *object = parsed->getAsObject();
  if (!object)
    return damaged();
  TrainingRecord record;
  auto items = object->getInteger("items"), batch = object->getInteger("batch"), done = object->getInteger("done");
  auto seed = object->getString("seed");
  auto shuffle = object->getBoolean("shuffle");
  const json::Array *metrics = object->getArray("metrics"), *epochs = object->getArray("epochs"),
                    *training = object->getArray("training");
  if (!items || !batch || !done || !seed || seed->getAsInteger(10, record.seed) || !shuffle || !metrics || !epochs ||
      !training || *done < 0 || *items < *done)
    return damaged();
  record.items = *items, record.batch = *batch, record.done = *done, record.shuffle = *shuffle;
  for (const json::Value &name : *metrics)
    record.metrics.push_back(name.getAsString().value_or("").str());
  auto hasAll = [&](ArrayRef<double> values) { return values.size() == record.metrics.size(); };
  for (const json::Value &value : *epochs) {
    const json::Object *epoch = value.getAsObject();
    if (!epoch)
      return damaged();
    EpochResult result;
    result.seconds = epoch->getNumber("seconds").value_or(0);
    result.learningRate = epoch->getNumber("learning_rate").value_or(NAN);
    result.training = numbersFromJSON(epoch->getArray("training"));
    result.validation = numbersFromJSON(epoch->getArray("validation"));
    if (!hasAll(result.training) || (!result.validation.empty() && !hasAll(result.validation)))
      return damaged();
    record.epochs.push_back(std::move(result));
  }
  record.training = numbersFromJSON(training);
  record.seconds = object->getNumber("seconds").value_or(0);
  if (!record.training.empty() && !hasAll(record.training))
    return damaged();
  return record;
}

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

double TrainingRecord::watched(size_t epoch) const {
  const EpochResult &result = epochs[epoch];
  return (result.validation.empty() ? result.training : result.validation).front();
}

size_t TrainingRecord::best() const {
  size_t best = 0;
  for (size_t epoch = 1; epoch < epochs.size(); ++epoch)
    if (watched(epoch) < watched(best) || std::isnan(watched(best)))
      best = epoch;
  return best;
}

std::string metricText(double value) {
  std::string text;
  raw_string_ostream out(text);
  double size = std::fabs(value);
  if (size != 0 && (size < 1e-3 || size >= 1e5))
    out << format("%.3e", value);
  else
    out << format("%.4f", value);
  return text;
}

std::string TrainingRecord::describe(const EpochResult &epoch) const {
  std::string text;
  for (auto [name, value] : zip_equal(metrics, epoch.training))
    text += (text.empty() ? "" : "  ") + name + " " + metricText(value);
  for (auto [value, name] : zip_first(epoch.validation, metrics))
    text += "  val_" + name + " " + metricText(value);
  return text;
}

std::string TrainingRecord::logLine(size_t epoch) const {
  const EpochResult &result = epochs[epoch];
  std::string text;
  raw_string_ostream out(text);
  json::OStream json(out);
  json.object([&] {
    json.attribute("epoch", static_cast<int64_t>(epoch + 1));
    json.attribute("seconds", result.seconds);
    if (std::isfinite(result.learningRate))
      json.attribute("learning_rate", result.learningRate);
    for (auto [i, name] : enumerate(metrics))
      json.attribute(name, numberToJSON(result.training[i]));
    for (auto [i, value] : enumerate(result.validation))
      json.attribute("val_" + metrics[i], numberToJSON(value));
  });
  return text;
}

void TrainingRecord::printTable(raw_ostream &out) const {
  if (epochs.empty())
    return;
  bool validates = any_of(epochs, [](const EpochResult &epoch) { return !epoch.validation.empty(); });
  std::vector<std::string> titles = {"epoch", "seconds"};
  append_range(titles, metrics);
  for (const std::string &name : metrics)
    if (validates)
      titles.push_back("val_" + name);
  std::vector<std::vector<std::string>> rows;
  for (auto [number, epoch] : enumerate(epochs)) {
    std::string seconds;
    raw_string_ostream(seconds) << format("%.2f", epoch.seconds);
    std::vector<std::string> row = {std::to_string(number + 1), seconds};
    for (double value : epoch.training)
      row.push_back(metricText(value));
    for (size_t i = 0; validates && i < metrics.size(); ++i)
      row.push_back(epoch.validation.empty() ? "" : metricText(epoch.validation[i]));
    rows.push_back(std::move(row));
  }
  auto print = [&](ArrayRef<std::string> row, StringRef mark) {
    for (auto [column, text] : enumerate(row)) {
      size_t width = titles[column].size();
      for (const std::vector<std::string> &other : rows)
        width = std::max(width, other[column].size());
      out << (column ? "  " : "") << right_justify(text, width);
    }
    out << mark << "\n";
  };
  print(titles, "");
  for (auto [number, row] : enumerate(rows))
    print(row, number == best() && epochs.size() > 1 ? "  best" : "");
}

} // namespace sylvite
