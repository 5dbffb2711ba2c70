// What a user asks of training, as text; compiler/import/Training.h makes it part of a model.
#ifndef SYLVITE_COMPILER_IMPORT_TRAININGOPTIONS_H
#define SYLVITE_COMPILER_IMPORT_TRAININGOPTIONS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <string>
#include <vector>

namespace sylvite {

/// Empty fields leave what the model's file says.
struct TrainingOptions {
  /// KIND[:option=value,...] for every output, or OUTPUT=KIND[:...] for one: "mean_squared_error",
  /// "class=sparse_categorical_crossentropy:from_logits=true,weight=0.5".
  std::vector<std::string> losses;
  std::string optimizer;            ///< KIND[:option=value,...]: "adam:lr=1e-3"
  std::vector<std::string> metrics; ///< KIND[:option=value,...] or OUTPUT=KIND...
  uint64_t seed = 0;                ///< of what training draws
  std::string sampleWeights;        ///< what has a weight, an input of its own: "item", "position", or nothing
  std::vector<std::string> classWeights; ///< CLASS=WEIGHT: "0=1", "1=2.5"
  std::vector<std::string> freeze;  ///< patterns of parameters that do not change: "block[1-3]*"
};

/// The weights of classes, by their numbers, that texts CLASS=WEIGHT give; those that none names weigh 1.
llvm::Expected<std::vector<double>> parseClassWeights(llvm::ArrayRef<std::string> texts);

} // namespace sylvite

#endif // SYLVITE_COMPILER_IMPORT_TRAININGOPTIONS_H
