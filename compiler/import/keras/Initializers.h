//===- Initializers.h - Keras's initializers ------------------------------===//
//
// Values for the variables of a model that comes without weights, with the distributions that Keras's
// initializers have. The numbers are not Keras's: element i of a variable depends on the seed, the variable's
// name and i alone, so a model is the same on every machine and with any number of threads.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_COMPILER_IMPORT_KERAS_INITIALIZERS_H
#define SYLVITE_COMPILER_IMPORT_KERAS_INITIALIZERS_H

#include "compiler/import/Json.h"

namespace sylvite::keras {

/// Fills `values`, the elements of a variable `name` of shape `shape`, as `initializer` says: the JSON of
/// a Keras initializer, or its name alone. Each `seed` draws others; zero is the default.
llvm::Error initialize(const Json &initializer, llvm::StringRef name, uint64_t seed, llvm::ArrayRef<int64_t> shape,
                       llvm::MutableArrayRef<float> values);

} // namespace sylvite::keras

#endif // SYLVITE_COMPILER_IMPORT_KERAS_INITIALIZERS_H
