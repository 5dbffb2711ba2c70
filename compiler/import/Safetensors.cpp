//===- Safetensors.cpp - The tensors of a safetensors file, in place ------===//
//
// Follows the format's own description (huggingface/safetensors, README): 8 bytes of header length, the
// header, the data.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/Safetensors.h"
#include "compiler/import/Json.h"
#include "llvm/ADT/StringSwitch.h"

using namespace llvm;
using namespace sylvite;

// The limit that the reference implementation sets.
static constexpr uint64_t kMaxHeader = 100'000'000;

bool sylvite::isSafetensors(Bytes bytes) {
  ByteReader reader(bytes);
  uint64_t size = reader.u64();
  return size >= 2 && size <= reader.remaining() && size <= kMaxHeader && reader.u8() == '{';
}

static unsigned bytesPerElement(StringRef dtype) {
  return StringSwitch<unsigned>(dtype)
      .Cases({"F64", "I64", "U64"}, 8)
      .Cases({"F32", "I32", "U32"}, 4)
      .Cases({"F16", "BF16", "I16", "U16"}, 2)
      .Cases({"I8", "U8", "BOOL", "F8_E5M2", "F8_E4M3"}, 1)
      .Default(0);
}

Expected<std::map<std::string, Safetensor, std::less<>>> sylvite::readSafetensors(Bytes bytes) {
  ByteReader reader(bytes);
  uint64_t headerSize = reader.u64();
  Bytes header = reader.take(std::min(headerSize, kMaxHeader + 1));
  if (!reader.ok() || headerSize > kMaxHeader)
    return makeError("truncated safetensors file: its header claims {0} bytes", headerSize);
  Expected<Json> json = parseJson(textOf(header), "the safetensors header");
  if (!json)
    return json.takeError();
  if (!json->is_object())
    return makeError("the safetensors header is not an object");
  Bytes data = bytes.drop_front(reader.position());

  std::map<std::string, Safetensor, std::less<>> tensors;
  for (auto it = json->begin(); it != json->end(); ++it) {
    const std::string &name = it.key();
    if (name == "__metadata__")
      continue;
    auto dtype = asString(member(*it, "dtype"));
    auto shape = asIntegers(member(*it, "shape"));
    auto range = asIntegers(member(*it, "data_offsets"));
    if (!dtype || !shape || !range || range->size() != 2)
      return makeError("safetensors tensor '{0}' lacks a dtype, a shape or two data_offsets", name);
    uint64_t size = bytesPerElement(*dtype);
    if (!size)
      return makeError("safetensors tensor '{0}' has dtype '{1}', which is not supported", name, *dtype);
    for (int64_t extent : *shape)
      if (extent < 0 || __builtin_mul_overflow(size, uint64_t(extent), &size))
        return makeError("safetensors tensor '{0}' has shape {1}", name,
                         describe(*member(*it, "shape")));
    int64_t begin = (*range)[0], end = (*range)[1];
    Safetensor tensor;
    if (begin < 0 || end < begin || !sliceOf(data, begin, end - begin, tensor.data))
      return makeError("truncated safetensors file: the data of '{0}' lie beyond its end", name);
    if (tensor.data.size() != size)
      return makeError("safetensors tensor '{0}' holds {1} bytes, its shape and dtype ask for {2}", name,
                       tensor.data.size(), size);
    tensor.dtype = dtype->str();
    tensor.shape.assign(shape->begin(), shape->end());
    tensors.emplace(name, std::move(tensor));
  }
  return tensors;
}
