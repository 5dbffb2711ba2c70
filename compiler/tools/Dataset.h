// The data of a training run: items in memory, their order in each epoch, and batches of them.
#ifndef SYLVITE_COMPILER_TOOLS_DATASET_H
#define SYLVITE_COMPILER_TOOLS_DATASET_H

#include "compiler/tools/NumpyFile.h"
#include "runtime/sylvite.h"
#include "llvm/Support/Error.h"
#include <memory>

namespace sylvite {

/// The inputs of an entry for many items. Copies refer to the same data.
class Dataset {
public:
  /// Reads the arrays from a file. Each has the items along its first dimension, the entry's free dimension 0.
  static llvm::Expected<Dataset> read(const sylvite_entry &entry, llvm::StringRef path);

  int64_t size() const { return end - begin; }
  /// Lets each item weigh in the loss by its class too: `weights` by the classes' numbers, 1 for those beyond. Fails where
  /// the entry takes no weights of items, or no target with one class for each.
  llvm::Error weightClasses(std::vector<double> weights);
  /// Cuts the last `count` items off and returns them.
  Dataset splitOff(int64_t count);

  /// The inputs and free dimensions of the items `items`, which stay valid until the next call.
  struct Batch {
    std::vector<const void *> inputs;
    std::vector<int64_t> dims;
  };
  Batch gather(llvm::ArrayRef<int64_t> items);
  /// "item 3 of 'x'" for the first value among `items` that is not a finite number; empty if all are.
  std::string findNonFinite(llvm::ArrayRef<int64_t> items) const;

private:
  /// The weight of an item's class.
  double classWeight(int64_t item) const;

  std::shared_ptr<const std::vector<Array>> arrays;
  std::vector<std::string> names;
  std::vector<int64_t> dims;
  int64_t begin = 0, end = 0;
  std::vector<std::vector<char>> buffers;
  std::vector<double> classWeights;       ///< empty: all are 1
  size_t targetInput = 0, weightInput = 0; ///< what they are read from, and multiplied to
};

/// The order of `count` items in epoch `epoch` of a run with this seed: the same on every machine, and known for
/// every epoch without those before. A Fisher-Yates shuffle from the last item down, whose random numbers are
/// those of SplitMix64 (Steele, Lea and Flood 2014): of a generator that starts at the first number of the
/// generator `seed`, plus the epoch. A number r chooses among n items the one at floor(r * n / 2^64).
std::vector<int64_t> shuffledOrder(int64_t count, uint64_t seed, int64_t epoch);

} // namespace sylvite

#endif
