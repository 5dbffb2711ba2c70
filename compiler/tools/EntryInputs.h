// Arrays from a file as the inputs of a library's entry: found by name, checked against its shapes.
#ifndef SYLVITE_COMPILER_TOOLS_ENTRYINPUTS_H
#define SYLVITE_COMPILER_TOOLS_ENTRYINPUTS_H

#include "compiler/tools/NumpyFile.h"
#include "runtime/sylvite.h"

namespace sylvite {

/// "(batch, 28, 28, 1)".
std::string modelShapeText(const sylvite_entry &entry, const sylvite_tensor &tensor);

/// Reads the arrays for the entry's inputs, in its order and with its element types. A .npy file serves an entry
/// with one input.
llvm::Expected<std::vector<Array>> readInputs(const sylvite_entry &entry, llvm::StringRef path);

/// Checks the shapes of an entry's inputs and finds the sizes of its free dimensions.
llvm::Expected<std::vector<int64_t>> findDims(const sylvite_entry &entry, llvm::ArrayRef<Array> inputs);

} // namespace sylvite

#endif
