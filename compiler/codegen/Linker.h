// From object files to one object, an archive and a shared library.
#ifndef SYLVITE_COMPILER_CODEGEN_LINKER_H
#define SYLVITE_COMPILER_CODEGEN_LINKER_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <string>
#include <utility>

namespace sylvite {

/// The linker of LLVM: from the LLVM that Sylvite was built with, else from PATH.
llvm::Expected<std::string> findLinker();

/// Combines objects into one.
llvm::Error linkRelocatable(llvm::ArrayRef<std::string> objects, llvm::StringRef output);

/// Renames `exports` (from, to), makes every other defined symbol local, and drops compilers' remarks.
llvm::Error localizeSymbols(llvm::StringRef input, llvm::StringRef output,
                            llvm::ArrayRef<std::pair<std::string, std::string>> exports);

/// Links a localized object into a shared library that needs libc and, where it is used, libm. A weights
/// section gets a segment of its own, at the end.
llvm::Error linkShared(llvm::StringRef object, llvm::StringRef output, llvm::StringRef soname,
                       bool hasWeights);

/// Writes a static library of one member.
llvm::Error writeArchive(llvm::StringRef object, llvm::StringRef member,
                         llvm::ArrayRef<std::string> symbols, llvm::StringRef output);

} // namespace sylvite

#endif
