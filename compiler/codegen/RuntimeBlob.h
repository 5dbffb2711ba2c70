// The runtime's files that the compiler carries inside itself, so that it finds them wherever it is installed.
#ifndef SYLVITE_COMPILER_CODEGEN_RUNTIMEBLOB_H
#define SYLVITE_COMPILER_CODEGEN_RUNTIMEBLOB_H

#include "llvm/ADT/StringRef.h"

namespace sylvite {

/// The runtime as a relocatable object.
llvm::StringRef getRuntimeObject(bool singleThreaded);

/// The text of runtime/sylvite.h.
llvm::StringRef getCommonHeader();

} // namespace sylvite

#endif
