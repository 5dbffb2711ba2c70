// libFuzzer: any bytes as a .npy or .npz file, read and converted to a type that the first byte chooses.
//
//   fuzz-arrays CORPUS -max_len=4096
#include "compiler/tools/NumpyFile.h"

#include <cstdio>
#include <cstdlib>
#include <unistd.h>

using namespace sylvite;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0)
    return 0;
  static const std::string path = "/dev/shm/sylvite-fuzz-arrays-" + std::to_string(getpid());
  FILE *file = std::fopen(path.c_str(), "wb");
  if (!file || std::fwrite(data + 1, 1, size - 1, file) != size - 1 || std::fclose(file) != 0)
    std::abort();
  llvm::Expected<ArrayFile> arrays = readArrayFile(path, {"x", "y"});
  unlink(path.c_str());
  if (!arrays) {
    if (llvm::toString(arrays.takeError()).empty())
      std::abort();
    return 0;
  }
  for (auto &[name, array] : arrays->arrays) {
    if (array.data.size() != array.elements() * getSizeInBytes(array.dtype))
      std::abort();
    llvm::consumeError(convertExactly(array, static_cast<DType>(data[0] % 13), name));
  }
  return 0;
}
