// What a training run has done so far: the results of its epochs and its place in the current one. It travels in
// the checkpoint, is logged line by line, and is shown as a table at the end.
#ifndef SYLVITE_COMPILER_TOOLS_TRAININGRECORD_H
#define SYLVITE_COMPILER_TOOLS_TRAININGRECORD_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <string>
#include <vector>

namespace llvm {
class raw_ostream;
} // namespace llvm

namespace sylvite {

struct EpochResult {
  double seconds = 0;
  double learningRate = 0;        // not finite when it follows a schedule
  std::vector<double> training;   // loss and metrics, means over the epoch's items
  std::vector<double> validation; // the same of the validation data; empty without
};

struct TrainingRecord {
  std::vector<std::string> metrics; // names: "loss", ...

  // The settings that an epoch must be continued with.
  int64_t items = 0, batch = 0;
  uint64_t seed = 0;
  bool shuffle = true;

  std::vector<EpochResult> epochs; // complete ones
  int64_t done = 0;                // items of the next
  std::vector<double> training;    // its metrics, when all of them are done and validation is not
  double seconds = 0;              // spent on it

  std::string toJSON() const;
  static llvm::Expected<TrainingRecord> fromJSON(llvm::StringRef text);

  /// What early stopping looks at: the loss of the validation data, or without them of the training.
  double watched(size_t epoch) const;
  /// The epoch with the smallest such loss; the first of several.
  size_t best() const;

  /// "loss 0.1234  accuracy 0.9812", the validation's with the prefix "val_".
  std::string describe(const EpochResult &epoch) const;
  /// One line of JSON without its end: {"epoch": 1, "seconds": ..., "loss": ..., "val_loss": ...}.
  std::string logLine(size_t epoch) const;
  void printTable(llvm::raw_ostream &out) const;
};

/// "0.1234"; very small and large values with an exponent.
std::string metricText(double value);

} // namespace sylvite

#endif
