// See RuntimeBlob.h. The build defines the paths.
#include "compiler/codegen/RuntimeBlob.h"

#define EMBED(symbol, path)                                                                            \
  __asm__(".pushsection .rodata." #symbol ",\"a\"\n"                                                    \
          ".balign 16\n" #symbol "_begin:\n"                                                            \
          ".incbin \"" path "\"\n" #symbol "_end:\n"                                                    \
          ".byte 0\n"                                                                                  \
          ".popsection\n");                                                                            \
  extern "C" const char symbol##_begin[] __attribute__((visibility("hidden")));                        \
  extern "C" const char symbol##_end[] __attribute__((visibility("hidden")));

EMBED(sylvite_blob_runtime, SYLVITE_RUNTIME_OBJECT)
EMBED(sylvite_blob_serial, SYLVITE_RUNTIME_SERIAL_OBJECT)
EMBED(sylvite_blob_header, SYLVITE_COMMON_HEADER)

namespace sylvite {

llvm::StringRef getRuntimeObject(bool singleThreaded) {
  return singleThreaded
             ? llvm::StringRef(sylvite_blob_serial_begin, sylvite_blob_serial_end - sylvite_blob_serial_begin)
             : llvm::StringRef(sylvite_blob_runtime_begin,
                               sylvite_blob_runtime_end - sylvite_blob_runtime_begin);
}

llvm::StringRef getCommonHeader() {
  return llvm::StringRef(sylvite_blob_header_begin, sylvite_blob_header_end - sylvite_blob_header_begin);
}

} // namespace sylvite
