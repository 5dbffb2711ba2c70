#include "compiler/tools/GuardedMemory.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Process.h"
#include <cerrno>
#include <sys/mman.h>
#include <utility>

using namespace llvm;

namespace sylvite {

Expected<GuardedMemory> GuardedMemory::allocate(size_t size, size_t alignment) {
  size_t page = sys::Process::getPageSizeEstimate(), padded = alignTo(size, alignment), usable = alignTo(padded, page);
  GuardedMemory result;
  result.mappedSize = usable + page;
  result.mapping = mmap(nullptr, result.mappedSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (result.mapping == MAP_FAILED) {
    result.mapping = nullptr;
    return errorCodeToError(std::error_code(errno, std::generic_category()));
  }
  char *end = static_cast<char *>(result.mapping) + usable;
  if (mprotect(end, page, PROT_NONE) != 0)
    return errorCodeToError(std::error_code(errno, std::generic_category()));
  result.contents = {end - padded, size};
  return result;
}

GuardedMemory::GuardedMemory(GuardedMemory &&other)
    : mapping(std::exchange(other.mapping, nullptr)), mappedSize(other.mappedSize), contents(other.contents) {}

GuardedMemory::~GuardedMemory() {
  if (mapping)
    munmap(mapping, mappedSize);
}

} // namespace sylvite
