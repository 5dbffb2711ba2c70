//===- ModelFile.cpp - An ONNX file, read and checked ---------------------===//
//
// Parses protobuf and turns its messages into the structures of ModelFile.h. Everything here distrusts the file:
// sizes, offsets, names and types are checked before they are used.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/ModelFile.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "third_party/onnx/onnx.pb.h"
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

using namespace llvm;
using sylvite::onnx::Dims;
namespace proto = ::onnx;

namespace sylvite::onnx {

/// Halide indexes buffers with 32 bits.
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
static constexpr int64_t kMaxElements = 1 << 20;
#else
static constexpr int64_t kMaxElements = INT32_MAX;
#endif
static constexpr unsigned kMaxNesting = 32; // of subgraphs; protobuf has its own limit

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

mlir::Type elementTypeOf(int32_t code, mlir::MLIRContext *context) {
  mlir::Builder b(context);
  switch (code) {
  case proto::TensorProto::FLOAT:
    return b.getF32Type();
  case proto::TensorProto::DOUBLE:
    return b.getF64Type();
  case proto::TensorProto::FLOAT16:
    return b.getF16Type();
  case proto::TensorProto::BFLOAT16:
    return b.getBF16Type();
  case proto::TensorProto::INT8:
    return b.getI8Type();
  case proto::TensorProto::INT16:
    return b.getI16Type();
  case proto::TensorProto::INT32:
    return b.getI32Type();
  case proto::TensorProto::INT64:
    return b.getI64Type();
  case proto::TensorProto::UINT8:
    return b.getIntegerType(8, /*isSigned=*/false);
  case proto::TensorProto::UINT16:
    return b.getIntegerType(16, /*isSigned=*/false);
  case proto::TensorProto::UINT32:
    return b.getIntegerType(32, /*isSigned=*/false);
  case proto::TensorProto::UINT64:
    return b.getIntegerType(64, /*isSigned=*/false);
  case proto::TensorProto::BOOL:
    return b.getI1Type();
  default:
    return {};
  }
}

std::string elementTypeName(int32_t code) {
  if (proto::TensorProto::DataType_IsValid(code))
    return StringRef(proto::TensorProto::DataType_Name(proto::TensorProto::DataType(code))).lower();
  return ("type " + Twine(code)).str();
}

int64_t bytesPerElement(mlir::Type type) { return divideCeil(type.getIntOrFloatBitWidth(), 8); }

bool isModelFile(Bytes contents) {
  // Serializers write fields in their order; the first is ir_version, a small number.
  return contents.size() > 2 && contents[0] == 0x08 && contents[1] > 0 && contents[1] < 0x80;
}

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

namespace {
class Reader {
public:
  Reader(std::shared_ptr<const proto::ModelProto> model, StringRef path, mlir::MLIRContext *context)
      : model(std::move(model)), path(path), context(context) {}

  Expected<ModelFile> read();

private:
  Expected<TensorPtr> readTensor(const proto::TensorProto &tensor);
  Error readExternal(const proto::TensorProto &tensor, TensorData &data, uint64_t bytes);
  Expected<FileBuffer> openExternal(StringRef location, const Twine &what);
  Expected<Attribute> readAttribute(const proto::AttributeProto &attribute, unsigned depth);
  Expected<Node> readNode(const proto::NodeProto &node, unsigned depth);
  Expected<ValueInfo> readValueInfo(const proto::ValueInfoProto &info);
  Error readGraph(const proto::GraphProto &graph, Graph &result, unsigned depth);
  Error readFunction(const proto::FunctionProto &function, ModelFile &file);

  std::shared_ptr<const proto::ModelProto> model;
  StringRef path;
  mlir::MLIRContext *context;
  StringMap<FileBuffer> external; // by location
};
} // namespace

/// The number of elements of `dims`, at most kMaxElements.
static std::optional<int64_t> countElements(ArrayRef<int64_t> dims) {
  int64_t count = 1;
  bool isEmpty = is_contained(dims, 0);
  for (int64_t extent : dims)
    if (extent < 0 || extent > kMaxElements ||
        (!isEmpty && (__builtin_mul_overflow(count, extent, &count) || count > kMaxElements)))
      return std::nullopt;
  return isEmpty ? 0 : count;
}

Expected<FileBuffer> Reader::openExternal(StringRef location, const Twine &what) {
  FileBuffer &buffer = external[location];
  if (buffer)
    return buffer;
  // The data lie in the model's folder or below it, wherever links lead.
  SmallString<128> folder(sys::path::parent_path(path));
  if (folder.empty())
    folder = ".";
  SmallString<128> file(folder), realFolder, realFile;
  sys::path::append(file, location);
  bool isPlain = !location.empty() && !sys::path::is_absolute(location) &&
                 location.find('\0') == StringRef::npos;
  for (auto it = sys::path::begin(location), end = sys::path::end(location); it != end; ++it)
    isPlain &= *it != "..";
  if (!isPlain)
    return makeError("{0}: its external data are in '{1}'; supported: a file in the model's folder", what.str(),
                     location);
  if (std::error_code error = sys::fs::real_path(file, realFile))
    return makeError("{0}: cannot read its external data '{1}': {2}", what.str(), location, error.message());
  if (sys::fs::real_path(folder, realFolder) ||
      !realFile.str().starts_with((realFolder + "/").str()))
    return makeError("{0}: its external data '{1}' are a link out of the model's folder", what.str(), location);
  auto opened = MemoryBuffer::getFile(realFile, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!opened)
    return makeError("{0}: cannot read its external data '{1}': {2}", what.str(), location,
                     opened.getError().message());
  buffer = std::move(*opened);
  return buffer;
}

Error Reader::readExternal(const proto::TensorProto &tensor, TensorData &data, uint64_t bytes) {
  std::string what = "tensor '" + tensor.name() + "'";
  StringRef location;
  uint64_t offset = 0, length = bytes;
  for (const proto::StringStringEntryProto &entry : tensor.external_data()) {
    if (entry.key() == "location")
      location = entry.value();
    else if (entry.key() == "offset" || entry.key() == "length") {
      if (StringRef(entry.value()).getAsInteger(10, entry.key() == "offset" ? offset : length))
        return makeError("{0}: its external data have {1} '{2}'; supported: a number of bytes", what, entry.key(),
                         entry.value());
    }
  }
  Expected<FileBuffer> file = openExternal(location, what);
  if (!file)
    return file.takeError();
  Bytes slice;
  if (length != bytes)
    return makeError("{0}: its external data have {1} bytes, its type and shape {2}", what, length, bytes);
  if (!sliceOf(bytesOf(**file), offset, bytes, slice))
    return makeError("{0}: its external data, {1} bytes at {2}, leave the file '{3}' of {4} bytes", what, bytes,
                     offset, location, (*file)->getBufferSize());
  data.bytes = {reinterpret_cast<const char *>(slice.data()), slice.size()};
  data.owner = *file;
  return Error::success();
}

/// Repacks elements that a typed field of TensorProto holds, each as wide as `From`, to the width of their type.
template <typename To, typename From> static void repack(const From &field, std::vector<char> &bytes) {
  bytes.resize(field.size() * sizeof(To));
  for (int i = 0; i < field.size(); ++i) {
    To value = static_cast<To>(field[i]);
    memcpy(bytes.data() + i * sizeof(To), &value, sizeof(To));
  }
}

Expected<TensorPtr> Reader::readTensor(const proto::TensorProto &tensor) {
  auto data = std::make_shared<TensorData>();
  std::string what = "tensor '" + tensor.name() + "'";
  data->name = tensor.name();
  data->typeName = elementTypeName(tensor.data_type());
  data->shape.assign(tensor.dims().begin(), tensor.dims().end());
  std::optional<int64_t> count = countElements(data->shape);
  if (!count)
    return makeError("{0} has shape ({1}); supported: at most {2} elements", what, join(map_range(data->shape,
                     [](int64_t extent) { return std::to_string(extent); }), ", "), kMaxElements);
  if (tensor.has_segment())
    return makeError("{0} is stored in segments, which no ONNX version uses", what);
  data->type = elementTypeOf(tensor.data_type(), context);
  if (!data->type) {
    data->strings.assign(tensor.string_data().begin(), tensor.string_data().end());
    return data; // reported where it is used
  }
  uint64_t bytes = *count * bytesPerElement(data->type);
  if (tensor.data_location() == proto::TensorProto::EXTERNAL) {
    if (Error error = readExternal(tensor, *data, bytes))
      return error;
    return data;
  }
  if (tensor.has_raw_data()) {
    const std::string &raw = tensor.raw_data();
    if (raw.size() != bytes)
      return makeError("{0} has {1} bytes of data, its type and shape {2}", what, raw.size(), bytes);
    data->bytes = {raw.data(), raw.size()};
    data->owner = model;
  } else {
    auto owned = std::make_shared<std::vector<char>>();
    switch (tensor.data_type()) {
    case proto::TensorProto::FLOAT:
      repack<float>(tensor.float_data(), *owned);
      break;
    case proto::TensorProto::DOUBLE:
      repack<double>(tensor.double_data(), *owned);
      break;
    case proto::TensorProto::INT64:
      repack<int64_t>(tensor.int64_data(), *owned);
      break;
    case proto::TensorProto::UINT32:
      repack<uint32_t>(tensor.uint64_data(), *owned);
      break;
    case proto::TensorProto::UINT64:
      repack<uint64_t>(tensor.uint64_data(), *owned);
      break;
    case proto::TensorProto::INT32:
      repack<int32_t>(tensor.int32_data(), *owned);
      break;
    case proto::TensorProto::INT16:
    case proto::TensorProto::UINT16:
    case proto::TensorProto::FLOAT16:
    case proto::TensorProto::BFLOAT16:
      repack<uint16_t>(tensor.int32_data(), *owned);
      break;
    default: // int8, uint8, bool
      repack<uint8_t>(tensor.int32_data(), *owned);
      break;
    }
    if (owned->size() != bytes)
      return makeError("{0} has {1} elements of data, its shape {2}", what,
                       owned->size() / bytesPerElement(data->type), *count);
    data->bytes = *owned;
    data->owner = owned;
  }
  // A bool is one byte, zero or one.
  if (data->type.isInteger(1) && any_of(data->bytes, [](char c) { return c != 0 && c != 1; })) {
    auto owned = std::make_shared<std::vector<char>>(data->bytes.begin(), data->bytes.end());
    for (char &c : *owned)
      c = c != 0;
    data->bytes = *owned;
    data->owner = owned;
  }
  return data;
}

//===----------------------------------------------------------------------===//
// Nodes and graphs
//===----------------------------------------------------------------------===//

Expected<Attribute> Reader::readAttribute(const proto::AttributeProto &attribute, unsigned depth) {
  Attribute result;
  result.reference = attribute.ref_attr_name();
  switch (attribute.type()) {
  case proto::AttributeProto::FLOAT:
    result.kind = Attribute::Float;
    result.number = attribute.f();
    break;
  case proto::AttributeProto::INT:
    result.kind = Attribute::Int;
    result.integer = attribute.i();
    break;
  case proto::AttributeProto::STRING:
    result.kind = Attribute::String;
    result.text = attribute.s();
    break;
  case proto::AttributeProto::TENSOR: {
    result.kind = Attribute::Tensor;
    Expected<TensorPtr> tensor = readTensor(attribute.t());
    if (!tensor)
      return tensor.takeError();
    result.tensor = *tensor;
    break;
  }
  case proto::AttributeProto::GRAPH: {
    result.kind = Attribute::Graph;
    auto graph = std::make_shared<Graph>();
    if (Error error = readGraph(attribute.g(), *graph, depth + 1))
      return error;
    result.graph = graph;
    break;
  }
  case proto::AttributeProto::FLOATS:
    result.kind = Attribute::Floats;
    result.numbers.assign(attribute.floats().begin(), attribute.floats().end());
    break;
  case proto::AttributeProto::INTS:
    result.kind = Attribute::Ints;
    result.integers.assign(attribute.ints().begin(), attribute.ints().end());
    break;
  case proto::AttributeProto::STRINGS:
    result.kind = Attribute::Strings;
    result.texts.assign(attribute.strings().begin(), attribute.strings().end());
    break;
  default:
    break;
  }
  return result;
}

/// ai.onnx is the long name of the default domain.
static std::string domainName(StringRef domain) { return domain == "ai.onnx" ? "" : domain.str(); }

Expected<Node> Reader::readNode(const proto::NodeProto &node, unsigned depth) {
  Node result;
  result.name = node.name();
  result.domain = domainName(node.domain());
  result.type = node.op_type();
  result.inputs.assign(node.input().begin(), node.input().end());
  result.outputs.assign(node.output().begin(), node.output().end());
  std::string what = ("node '" + result.label() + "' (" + result.qualifiedType() + ")").str();
  if (result.type.empty())
    return makeError("node '{0}' has no op_type", result.label());
  for (const proto::AttributeProto &attribute : node.attribute()) {
    Expected<Attribute> value = readAttribute(attribute, depth);
    if (!value)
      return makeError("{0}: attribute '{1}': {2}", what, attribute.name(), toString(value.takeError()));
    if (!result.attributes.emplace(attribute.name(), std::move(*value)).second)
      return makeError("{0} has attribute '{1}' twice", what, attribute.name());
  }
  return result;
}

Expected<ValueInfo> Reader::readValueInfo(const proto::ValueInfoProto &info) {
  ValueInfo result;
  result.name = info.name();
  const proto::TypeProto &type = info.type();
  if (!type.has_tensor_type()) {
    result.typeName = type.has_sequence_type()   ? "sequence"
                      : type.has_optional_type() ? "optional"
                      : type.has_map_type()      ? "map"
                      : type.has_sparse_tensor_type() ? "sparse tensor"
                                                      : "";
    return result;
  }
  const proto::TypeProto::Tensor &tensor = type.tensor_type();
  result.type = elementTypeOf(tensor.elem_type(), context);
  result.typeName = elementTypeName(tensor.elem_type());
  result.hasShape = tensor.has_shape();
  for (const proto::TensorShapeProto::Dimension &dimension : tensor.shape().dim()) {
    ValueInfo::Dim dim;
    if (dimension.has_dim_value() && dimension.dim_value() >= 0)
      dim.size = dimension.dim_value();
    dim.symbol = dimension.dim_param();
    result.shape.push_back(dim);
  }
  return result;
}

Error Reader::readGraph(const proto::GraphProto &graph, Graph &result, unsigned depth) {
  if (depth > kMaxNesting)
    return makeError("subgraphs are nested more than {0} deep", kMaxNesting);
  result.name = graph.name();
  if (graph.sparse_initializer_size())
    return makeError("graph '{0}' has sparse initializers; supported: dense ones", graph.name());
  for (const proto::TensorProto &tensor : graph.initializer()) {
    Expected<TensorPtr> value = readTensor(tensor);
    if (!value)
      return value.takeError();
    if (tensor.name().empty())
      return makeError("graph '{0}' has an initializer without a name", graph.name());
    if (!result.initializers.emplace(tensor.name(), *value).second)
      return makeError("graph '{0}' has two initializers called '{1}'", graph.name(), tensor.name());
  }
  StringSet<> names;
  auto readInfos = [&](const auto &infos, std::vector<ValueInfo> &to, bool isInput) -> Error {
    for (const proto::ValueInfoProto &info : infos) {
      Expected<ValueInfo> value = readValueInfo(info);
      if (!value)
        return value.takeError();
      if (value->name.empty())
        return makeError("graph '{0}' has an {1} without a name", graph.name(), isInput ? "input" : "output");
      if (isInput && !names.insert(value->name).second)
        return makeError("graph '{0}' has two inputs called '{1}'", graph.name(), value->name);
      to.push_back(std::move(*value));
    }
    return Error::success();
  };
  if (Error error = readInfos(graph.input(), result.inputs, true))
    return error;
  if (Error error = readInfos(graph.output(), result.outputs, false))
    return error;
  for (const proto::NodeProto &node : graph.node()) {
    Expected<Node> value = readNode(node, depth);
    if (!value)
      return value.takeError();
    result.nodes.push_back(std::move(*value));
  }
  return Error::success();
}

Error Reader::readFunction(const proto::FunctionProto &function, ModelFile &file) {
  Function result;
  result.inputs.assign(function.input().begin(), function.input().end());
  result.outputs.assign(function.output().begin(), function.output().end());
  for (const std::string &name : function.attribute())
    result.attributes[name] = std::nullopt;
  for (const proto::AttributeProto &attribute : function.attribute_proto()) {
    Expected<Attribute> value = readAttribute(attribute, 0);
    if (!value)
      return value.takeError();
    result.attributes[attribute.name()] = std::move(*value);
  }
  for (const proto::OperatorSetIdProto &opset : function.opset_import())
    result.opsets[domainName(opset.domain())] = opset.version();
  for (const proto::NodeProto &node : function.node()) {
    Expected<Node> value = readNode(node, 0);
    if (!value)
      return value.takeError();
    result.nodes.push_back(std::move(*value));
  }
  std::string domain = domainName(function.domain());
  file.functions[domain.empty() ? function.name() : domain + "::" + function.name()] = std::move(result);
  return Error::success();
}

Expected<ModelFile> Reader::read() {
  ModelFile file;
  for (const proto::OperatorSetIdProto &opset : model->opset_import())
    if (auto [place, isNew] = file.opsets.emplace(domainName(opset.domain()), opset.version());
        !isNew && place->second != opset.version())
      return makeError("the model imports the operator sets {0} and {1} of the domain '{2}'", place->second,
                       opset.version(), opset.domain());
  if (!model->has_graph())
    return makeError("the model has no graph");
  if (file.opsets.empty())
    return makeError("the model does not say which operator sets it imports");
  for (const proto::FunctionProto &function : model->functions())
    if (Error error = readFunction(function, file))
      return error;
  if (Error error = readGraph(model->graph(), file.graph, 0))
    return error;
  return file;
}

/// Protobuf reports to a handler; what it says is of no use to anybody who did not write the schema.
static void dropMessage(google::protobuf::LogLevel, const char *, int, const std::string &) {}

Expected<ModelFile> readModelFile(FileBuffer file, StringRef path, mlir::MLIRContext *context) {
  if (file->getBufferSize() > INT32_MAX)
    return makeError("'{0}' has {1} bytes; an ONNX file holds at most {2}: larger models keep their tensors in "
                     "files of external data", path, file->getBufferSize(), INT32_MAX);
  auto model = std::make_shared<proto::ModelProto>();
  google::protobuf::SetLogHandler(dropMessage);
  google::protobuf::io::ArrayInputStream stream(file->getBufferStart(), file->getBufferSize());
  google::protobuf::io::CodedInputStream input(&stream);
  input.SetTotalBytesLimit(INT32_MAX);
  if (!model->ParseFromCodedStream(&input) || !input.ConsumedEntireMessage())
    return makeError("'{0}' is no ONNX model: its protocol buffer is damaged or cut off", path);
  Expected<ModelFile> result = Reader(model, path, context).read();
  if (!result)
    return makeError("'{0}': {1}", path, toString(result.takeError()));
  return result;
}

} // namespace sylvite::onnx
