// See NumpyFile.h. The format: numpy/lib/format.py in NumPy's sources.
#include "compiler/tools/NumpyFile.h"

#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/raw_ostream.h"
#include <algorithm>
#include <cmath>
#include <cstring>
#include <zip.h>

using namespace llvm;

namespace sylvite {

uint64_t Array::elements() const {
  uint64_t count = 1;
  for (int64_t size : shape)
    count *= size;
  return count;
}

std::string shapeText(ArrayRef<int64_t> shape) {
  std::string text = "(";
  for (size_t i = 0; i < shape.size(); ++i)
    text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + (shape.size() == 1 ? ",)" : ")");
}

//===----------------------------------------------------------------------===//
// Header
//===----------------------------------------------------------------------===//

namespace {

struct NpyHeader {
  DType dtype = DType::Float32;
  bool swapped = false; // the other byte order
  bool fortranOrder = false;
  std::vector<int64_t> shape;
  uint64_t dataOffset = 0;
  uint64_t dataSize = 0;
};

/// Parses the header's Python dictionary, as far as NumPy writes it:
/// {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
class DictionaryParser {
public:
  DictionaryParser(StringRef text, const std::string &where) : rest(text), where(where) {}

  Error parse(NpyHeader &header) {
    bool haveType = false, haveOrder = false, haveShape = false;
    if (!accept('{'))
      return malformed();
    while (!accept('}')) {
      std::string key;
      if (!parseString(key) || !accept(':'))
        return malformed();
      if (key == "descr" && !haveType) {
        haveType = true;
        if (Error error = parseType(header))
          return error;
      } else if (key == "fortran_order" && !haveOrder) {
        haveOrder = true;
        rest = rest.ltrim();
        header.fortranOrder = rest.consume_front("True");
        if (!header.fortranOrder && !rest.consume_front("False"))
          return malformed();
      } else if (key == "shape" && !haveShape) {
        haveShape = true;
        if (Error error = parseShape(header))
          return error;
      } else {
        return malformed();
      }
      if (accept(','))
        continue;
      if (!accept('}'))
        return malformed();
      break;
    }
    if (!rest.trim().empty() || !haveType || !haveOrder || !haveShape)
      return malformed();
    return Error::success();
  }

private:
  Error malformed() const { return createStringError(where + ": malformed .npy header"); }
  bool accept(char c) {
    rest = rest.ltrim();
    return rest.consume_front(StringRef(&c, 1));
  }
  bool parseString(std::string &result) {
    rest = rest.ltrim();
    if (rest.empty() || (rest.front() != '\'' && rest.front() != '"'))
      return false;
    size_t end = rest.find(rest.front(), 1);
    if (end == StringRef::npos)
      return false;
    result = rest.slice(1, end).str();
    rest = rest.drop_front(end + 1);
    return true;
  }
  Error parseType(NpyHeader &header) {
    std::string text;
    if (!parseString(text)) {
      rest = rest.ltrim();
      if (rest.starts_with("["))
        return createStringError(where + ": structured arrays are not supported");
      return malformed();
    }
    StringRef type = text;
    char order = type.empty() ? '\0' : type.front();
    if (StringRef("<>|=").contains(order))
      type = type.drop_front();
    header.swapped = order == '>';
    int dtype = StringSwitch<int>(type)
                    .Case("f4", int(DType::Float32))
                    .Case("f8", int(DType::Float64))
                    .Case("f2", int(DType::Float16))
                    .Case("i1", int(DType::Int8))
                    .Case("i2", int(DType::Int16))
                    .Case("i4", int(DType::Int32))
                    .Case("i8", int(DType::Int64))
                    .Case("u1", int(DType::UInt8))
                    .Case("u2", int(DType::UInt16))
                    .Case("u4", int(DType::UInt32))
                    .Case("u8", int(DType::UInt64))
                    .Case("b1", int(DType::Bool))
                    .Default(-1);
    if (dtype < 0)
      return createStringError(where + ": arrays of type '" + text +
                               "' are not supported: use floats (f2, f4, f8), integers or booleans");
    header.dtype = static_cast<DType>(dtype);
    return Error::success();
  }
  Error parseShape(NpyHeader &header) {
    if (!accept('('))
      return malformed();
    while (!accept(')')) {
      uint64_t size = 0;
      rest = rest.ltrim();
      if (rest.consumeInteger(10, size))
        return malformed();
      if (size > INT64_MAX || header.shape.size() == 64)
        return createStringError(where + ": an array with such a shape cannot exist");
      rest.consume_front("L"); // written by Python 2
      header.shape.push_back(size);
      if (accept(','))
        continue;
      if (!accept(')'))
        return malformed();
      break;
    }
    return Error::success();
  }

  StringRef rest;
  const std::string &where;
};

} // namespace

/// The length of the header with all before the data, from the first 12 bytes.
static Expected<uint64_t> headerLength(StringRef content, const std::string &where) {
  if (!content.starts_with("\x93NUMPY"))
    return createStringError(where + " is not a .npy file");
  if (content.size() < 12)
    return createStringError(where + ": truncated .npy header");
  unsigned version = static_cast<unsigned char>(content[6]);
  if (version < 1 || version > 3)
    return createStringError(where + ": version " + Twine(version) +
                             " of the .npy format is not supported: 1 to 3 are");
  return version == 1 ? 10 + uint64_t(support::endian::read16le(content.data() + 8))
                      : 12 + uint64_t(support::endian::read32le(content.data() + 8));
}

static Expected<NpyHeader> parseHeader(StringRef content, const std::string &where) {
  Expected<uint64_t> length = headerLength(content, where);
  if (!length)
    return length.takeError();
  if (*length > content.size())
    return createStringError(where + ": truncated .npy header");
  NpyHeader header;
  header.dataOffset = *length;
  uint64_t start = content[6] == 1 ? 10 : 12;
  if (Error error = DictionaryParser(content.slice(start, *length), where).parse(header))
    return error;
  // A product with a zero in it is checked too: no size may overflow on the way.
  header.dataSize = getSizeInBytes(header.dtype);
  bool empty = is_contained(header.shape, 0);
  for (int64_t size : header.shape) {
    bool overflow = false;
    header.dataSize = SaturatingMultiply(header.dataSize, uint64_t(std::max<int64_t>(size, 1)), &overflow);
    if (overflow || header.dataSize > INT64_MAX)
      return createStringError(where + ": an array of shape " + shapeText(header.shape) +
                               " does not fit into memory");
  }
  if (empty)
    header.dataSize = 0;
  return header;
}

static void swapBytes(std::vector<char> &data, uint64_t size) {
  for (uint64_t i = 0; i + size <= data.size(); i += size)
    std::reverse(data.begin() + i, data.begin() + i + size);
}

/// From Fortran order (first dimension innermost) to C order.
static void reorder(Array &array, uint64_t size) {
  size_t rank = array.shape.size();
  std::vector<uint64_t> strides(rank, 1), index(rank, 0);
  for (size_t d = 1; d < rank; ++d)
    strides[d] = strides[d - 1] * array.shape[d - 1];
  std::vector<char> result(array.data.size());
  uint64_t count = array.elements(), source = 0;
  for (uint64_t i = 0; i < count; ++i) {
    std::memcpy(&result[i * size], &array.data[source * size], size);
    for (size_t d = rank; d-- > 0;) {
      source += strides[d];
      if (++index[d] < uint64_t(array.shape[d]))
        break;
      source -= strides[d] * array.shape[d];
      index[d] = 0;
    }
  }
  array.data = std::move(result);
}

static Array makeArray(NpyHeader &&header, std::vector<char> &&data) {
  Array array{header.dtype, std::move(header.shape), std::move(data)};
  uint64_t size = getSizeInBytes(array.dtype);
  if (header.swapped && size > 1)
    swapBytes(array.data, size);
  if (array.dtype == DType::Bool)
    for (char &value : array.data)
      value = value != 0;
  if (header.fortranOrder && array.shape.size() > 1)
    reorder(array, size);
  return array;
}

static Error wrongSize(const std::string &where, const NpyHeader &header, uint64_t actual) {
  return createStringError(where + ": the header describes " + Twine(header.dataSize) +
                           " bytes of data, shape " + shapeText(header.shape) + ", and there are " +
                           Twine(actual));
}

Expected<Array> parseNpy(StringRef content, const std::string &where) {
  Expected<NpyHeader> header = parseHeader(content, where);
  if (!header)
    return header.takeError();
  StringRef data = content.drop_front(header->dataOffset);
  if (data.size() != header->dataSize)
    return wrongSize(where, *header, data.size());
  return makeArray(std::move(*header), std::vector<char>(data.begin(), data.end()));
}

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

static Error zipError(const std::string &where, zip_t *archive) {
  return createStringError(where + ": " + zip_strerror(archive));
}

static Error readFully(zip_file_t *file, char *data, uint64_t size, const std::string &where) {
  while (size > 0) {
    zip_int64_t got = zip_fread(file, data, std::min<uint64_t>(size, 1u << 30));
    if (got <= 0)
      return createStringError(where + ": " + (got < 0 ? zip_file_strerror(file) : "ends early"));
    data += got;
    size -= got;
  }
  return Error::success();
}

static Expected<Array> readMember(zip_t *archive, zip_uint64_t index, const std::string &where) {
  zip_stat_t about;
  if (zip_stat_index(archive, index, 0, &about) != 0 || !(about.valid & ZIP_STAT_SIZE))
    return zipError(where, archive);
  zip_file_t *file = zip_fopen_index(archive, index, 0);
  if (!file)
    return zipError(where, archive);
  scope_exit close([&] { zip_fclose(file); });
  // The header first: its claim must agree with the member's size before memory is taken for the data.
  std::vector<char> head(std::min<uint64_t>(about.size, 12));
  if (Error error = readFully(file, head.data(), head.size(), where))
    return error;
  Expected<uint64_t> length = headerLength(StringRef(head.data(), head.size()), where);
  if (!length)
    return length.takeError();
  if (*length > about.size || *length > 1 << 20 || *length < head.size())
    return createStringError(where + ": truncated or malformed .npy header");
  head.resize(*length);
  if (Error error = readFully(file, head.data() + 12, *length - 12, where))
    return error;
  Expected<NpyHeader> header = parseHeader(StringRef(head.data(), head.size()), where);
  if (!header)
    return header.takeError();
  if (about.size - *length != header->dataSize)
    return wrongSize(where, *header, about.size - *length);
  // No compression of zip's is better than about 1:1032, so a larger claim is false.
  if ((about.valid & ZIP_STAT_COMP_SIZE) && header->dataSize / 1100 > about.comp_size + 1024)
    return createStringError(where + ": the archive claims more data than it can hold");
  std::vector<char> data(header->dataSize);
  if (Error error = readFully(file, data.data(), data.size(), where))
    return error;
  // The end of the member is where its checksum is verified.
  char beyond;
  if (zip_fread(file, &beyond, 1) != 0)
    return createStringError(where + ": " + zip_file_strerror(file));
  return makeArray(std::move(*header), std::move(data));
}

static Error readArchive(StringRef path, ArrayRef<std::string> wanted, ArrayFile &result) {
  int code = 0;
  zip_t *archive = zip_open(path.str().c_str(), ZIP_RDONLY, &code);
  if (!archive) {
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    std::string reason = zip_error_strerror(&error);
    zip_error_fini(&error);
    return createStringError(path + " is not a readable .npz file: " + reason);
  }
  scope_exit discard([&] { zip_discard(archive); });
  zip_int64_t count = zip_get_num_entries(archive, 0);
  for (zip_int64_t i = 0; i < count; ++i) {
    const char *member = zip_get_name(archive, i, 0);
    if (!member)
      return zipError(path.str(), archive);
    StringRef name = member;
    name.consume_back(".npy");
    result.names.push_back(name.str());
    if (!is_contained(wanted, name))
      continue;
    Expected<Array> array = readMember(archive, i, (path + ": array '" + name + "'").str());
    if (!array)
      return array.takeError();
    if (!result.arrays.emplace(name.str(), std::move(*array)).second)
      return createStringError(path + ": array '" + name + "' occurs twice");
  }
  return Error::success();
}

Expected<ArrayFile> readArrayFile(StringRef path, ArrayRef<std::string> wanted) {
  if (sys::fs::is_directory(path))
    return createStringError("cannot read " + path + ": it is a directory");
  ErrorOr<std::unique_ptr<MemoryBuffer>> file =
      MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!file)
    return createStringError("cannot read " + path + ": " + file.getError().message());
  StringRef content = (*file)->getBuffer();
  ArrayFile result;
  if (content.starts_with("PK")) {
    result.isArchive = true;
    if (Error error = readArchive(path, wanted, result))
      return error;
    return result;
  }
  if (!content.starts_with("\x93NUMPY"))
    return createStringError(path + " is neither a .npy nor a .npz file");
  Expected<Array> array = parseNpy(content, path.str());
  if (!array)
    return array.takeError();
  result.arrays.emplace("", std::move(*array));
  return result;
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

static StringRef typeText(DType dtype) {
  switch (dtype) {
  case DType::Float32:
    return "<f4";
  case DType::Float64:
    return "<f8";
  case DType::Float16:
    return "<f2";
  case DType::Int8:
    return "|i1";
  case DType::Int16:
    return "<i2";
  case DType::Int32:
    return "<i4";
  case DType::Int64:
    return "<i8";
  case DType::UInt8:
    return "|u1";
  case DType::UInt16:
    return "<u2";
  case DType::UInt32:
    return "<u4";
  case DType::UInt64:
    return "<u8";
  case DType::Bool:
    return "|b1";
  case DType::BFloat16:
    break;
  }
  llvm_unreachable("NumPy has no bfloat16: callers convert it");
}

static std::string npyHeader(const Array &array) {
  std::string text = ("{'descr': '" + typeText(array.dtype) +
                      "', 'fortran_order': False, 'shape': " + shapeText(array.shape) + ", }")
                         .str();
  // Data start at a multiple of 64 bytes; the header ends with a line end.
  text.append(63 - (10 + text.size()) % 64, ' ');
  text += '\n';
  std::string header("\x93NUMPY\x01\x00", 8);
  char length[2];
  support::endian::write16le(length, text.size());
  return header + std::string(length, 2) + text;
}

static Error writeNpy(const std::string &path, const Array &array) {
  std::error_code code;
  raw_fd_ostream out(path, code);
  if (!code) {
    out << npyHeader(array);
    out.write(array.data.data(), array.data.size());
    out.close();
    code = out.error();
    out.clear_error();
  }
  return code ? createStringError(code, code.message()) : Error::success();
}

static Error writeNpz(const std::string &path, ArrayRef<std::pair<std::string, const Array *>> arrays) {
  int code = 0;
  zip_t *archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code);
  if (!archive)
    return createStringError(std::strerror(errno));
  std::vector<std::vector<char>> contents; // libzip reads them in zip_close
  contents.reserve(arrays.size());
  auto fail = [&]() -> Error {
    Error error = createStringError(zip_strerror(archive));
    zip_discard(archive);
    return error;
  };
  for (const auto &[name, array] : arrays) {
    std::string header = npyHeader(*array);
    std::vector<char> &content = contents.emplace_back(header.begin(), header.end());
    content.insert(content.end(), array->data.begin(), array->data.end());
    zip_source_t *source = zip_source_buffer(archive, content.data(), content.size(), 0);
    if (!source)
      return fail();
    zip_int64_t index = zip_file_add(archive, (name + ".npy").c_str(), source, ZIP_FL_ENC_UTF_8);
    if (index < 0) {
      zip_source_free(source);
      return fail();
    }
    if (zip_set_file_compression(archive, index, ZIP_CM_STORE, 0) != 0 ||
        zip_file_set_dostime(archive, index, 0, 0x21, 0) != 0) // 1980-01-01, as NumPy
      return fail();
  }
  return zip_close(archive) == 0 ? Error::success() : fail();
}

Error writeArrayFile(StringRef path, ArrayRef<std::pair<std::string, const Array *>> arrays) {
  if (path.ends_with(".npy") && arrays.size() != 1)
    return createStringError(path + ": a .npy file holds one array, and there are " +
                             Twine(arrays.size()) + ": write a .npz file");
  if (sys::fs::is_directory(path))
    return createStringError("cannot write " + path + ": it is a directory");
  std::string temporary = (path + "." + Twine(sys::Process::getProcessId()) + ".tmp").str();
  Error error = path.ends_with(".npy") ? writeNpy(temporary, *arrays.front().second)
                                       : writeNpz(temporary, arrays);
  if (!error)
    if (std::error_code code = sys::fs::rename(temporary, path))
      error = createStringError(code, code.message());
  if (error) {
    sys::fs::remove(temporary);
    return createStringError("cannot write " + path + ": " + toString(std::move(error)));
  }
  return Error::success();
}

//===----------------------------------------------------------------------===//
// Conversion
//===----------------------------------------------------------------------===//

static float halfToFloat(uint16_t half) {
  int exponent = half >> 10 & 31, fraction = half & 1023;
  float value = exponent == 31  ? (fraction ? NAN : INFINITY)
                : exponent == 0 ? std::ldexp(float(fraction), -24)
                                : std::ldexp(float(fraction + 1024), exponent - 25);
  return half & 0x8000 ? -value : value;
}

/// The binary16 number nearest to zero of those around `value`; exact when one is equal.
static uint16_t floatToHalf(float value) {
  uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  value = std::fabs(value);
  if (std::isnan(value))
    return sign | 0x7e00;
  if (value > 65504.0f)
    return sign | 0x7c00;
  if (value < 0x1p-14f)
    return sign | uint16_t(std::ldexp(value, 24));
  int exponent;
  float fraction = std::frexp(value, &exponent); // [0.5, 1)
  return sign | uint16_t((exponent + 14) << 10) | (uint16_t(std::ldexp(fraction, 11)) & 1023);
}

template <typename T> static T readAs(const char *data) {
  T value;
  std::memcpy(&value, data, sizeof value);
  return value;
}

// On every supported processor long double holds all values of all these types: 64 bits of significand.
static_assert(std::numeric_limits<long double>::digits >= 64);

static long double load(const char *data, DType dtype) {
  switch (dtype) {
  case DType::Float32:
    return readAs<float>(data);
  case DType::Float64:
    return readAs<double>(data);
  case DType::Float16:
    return halfToFloat(readAs<uint16_t>(data));
  case DType::BFloat16: {
    uint32_t bits = uint32_t(readAs<uint16_t>(data)) << 16;
    return readAs<float>(reinterpret_cast<char *>(&bits));
  }
  case DType::Int8:
    return readAs<int8_t>(data);
  case DType::Int16:
    return readAs<int16_t>(data);
  case DType::Int32:
    return readAs<int32_t>(data);
  case DType::Int64:
    return readAs<int64_t>(data);
  case DType::UInt8:
  case DType::Bool:
    return readAs<uint8_t>(data);
  case DType::UInt16:
    return readAs<uint16_t>(data);
  case DType::UInt32:
    return readAs<uint32_t>(data);
  case DType::UInt64:
    return readAs<uint64_t>(data);
  }
  llvm_unreachable("unknown type");
}

template <typename T> static void storeAs(char *data, long double value) {
  T result;
  if constexpr (std::numeric_limits<T>::is_integer)
    // Out of range is undefined behaviour of the conversion; any other value serves, it will not be equal.
    result = value >= (long double)(std::numeric_limits<T>::min()) &&
                     value <= (long double)(std::numeric_limits<T>::max())
                 ? T(value)
                 : T(0);
  else
    result = T(value);
  std::memcpy(data, &result, sizeof result);
}

static void store(char *data, DType dtype, long double value) {
  switch (dtype) {
  case DType::Float32:
    return storeAs<float>(data, value);
  case DType::Float64:
    return storeAs<double>(data, value);
  case DType::Float16: {
    uint16_t half = floatToHalf(float(value));
    std::memcpy(data, &half, sizeof half);
    return;
  }
  case DType::BFloat16: {
    float wide = float(value);
    uint16_t upper = readAs<uint32_t>(reinterpret_cast<char *>(&wide)) >> 16;
    std::memcpy(data, &upper, sizeof upper);
    return;
  }
  case DType::Int8:
    return storeAs<int8_t>(data, value);
  case DType::Int16:
    return storeAs<int16_t>(data, value);
  case DType::Int32:
    return storeAs<int32_t>(data, value);
  case DType::Int64:
    return storeAs<int64_t>(data, value);
  case DType::UInt8:
    return storeAs<uint8_t>(data, value);
  case DType::Bool:
    *data = value == 1;
    return;
  case DType::UInt16:
    return storeAs<uint16_t>(data, value);
  case DType::UInt32:
    return storeAs<uint32_t>(data, value);
  case DType::UInt64:
    return storeAs<uint64_t>(data, value);
  }
}

Error convertExactly(Array &array, DType dtype, const std::string &where) {
  if (array.dtype == dtype)
    return Error::success();
  uint64_t from = getSizeInBytes(array.dtype), to = getSizeInBytes(dtype), count = array.elements();
  std::vector<char> result(count * to);
  for (uint64_t i = 0; i < count; ++i) {
    long double value = load(&array.data[i * from], array.dtype);
    store(&result[i * to], dtype, value);
    long double stored = load(&result[i * to], dtype);
    if (stored != value && !(std::isnan(stored) && std::isnan(value))) {
      std::string text;
      raw_string_ostream(text) << double(value);
      return createStringError(where + " is " + getNumpyName(array.dtype) + " and has to be " +
                               getNumpyName(dtype) + ", which has no value equal to " + text +
                               ": convert it first");
    }
  }
  array.data = std::move(result);
  array.dtype = dtype;
  return Error::success();
}

} // namespace sylvite
