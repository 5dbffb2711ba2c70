// The generated header NAME.h.
#ifndef SYLVITE_COMPILER_CODEGEN_HEADER_H
#define SYLVITE_COMPILER_CODEGEN_HEADER_H

#include "compiler/codegen/Library.h"

namespace sylvite {

/// Writes the header that declares and documents the library's functions for C, and wraps them for C++17.
void writeHeader(const LibraryDescription &description, const LibraryOptions &options,
                 llvm::raw_ostream &out);

} // namespace sylvite

#endif
