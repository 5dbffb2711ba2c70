//===- ModelFile.h - An ONNX file, read and checked -----------------------===//
//
// An ONNX model as plain structures: what onnx.proto describes, after everything that can be checked without
// knowing an operator has been. The only user of protobuf is ModelFile.cpp.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_COMPILER_IMPORT_ONNX_MODELFILE_H
#define SYLVITE_COMPILER_IMPORT_ONNX_MODELFILE_H

#include "compiler/import/Bytes.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include "mlir/IR/Types.h"
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace sylvite::onnx {

/// Dimensions, axes and the like, in the positive direction.
using Dims = llvm::SmallVector<int64_t>;

/// A constant tensor: little-endian elements, row-major, at most 2^31 - 1 of them. Elements of i1 take one byte.
struct TensorData {
  std::string name;
  mlir::Type type; // of an element; null for a type that nothing supports, which `typeName` names
  std::string typeName;
  Dims shape;
  llvm::ArrayRef<char> bytes;
  std::shared_ptr<const void> owner; // keeps `bytes` alive
  std::vector<std::string> strings;  // the elements of a tensor of strings, whose type is null

  int64_t size() const {
    int64_t count = 1;
    for (int64_t extent : shape)
      count *= extent;
    return count;
  }
};
using TensorPtr = std::shared_ptr<const TensorData>;

struct Graph;

struct Attribute {
  enum Kind { Float, Int, String, Tensor, Graph, Floats, Ints, Strings, Other } kind = Other;
  std::string reference; // the name of the function's attribute whose value it takes; empty: its own
  double number = 0;
  int64_t integer = 0;
  std::string text;
  TensorPtr tensor;
  std::shared_ptr<const struct Graph> graph;
  std::vector<double> numbers;
  Dims integers;
  std::vector<std::string> texts;
};

struct Node {
  std::string name, domain, type;
  std::vector<std::string> inputs, outputs; // "" where an optional one is left out
  std::map<std::string, Attribute> attributes;

  /// "Conv", or "com.microsoft::FusedConv".
  std::string qualifiedType() const { return domain.empty() ? type : domain + "::" + type; }
  /// What a diagnostic calls it: its name, or that of its first result.
  llvm::StringRef label() const {
    if (!name.empty())
      return name;
    return outputs.empty() ? llvm::StringRef() : llvm::StringRef(outputs.front());
  }
};

/// An input or output of a graph.
struct ValueInfo {
  std::string name;
  mlir::Type type;      // of an element; null for what is no tensor of a supported type
  std::string typeName; // "float", "seq(...)"; empty when the file does not say
  bool hasShape = false;
  struct Dim {
    int64_t size = -1;  // -1: free
    std::string symbol; // of a free one; "" when it has none
  };
  std::vector<Dim> shape;
};

struct Graph {
  std::string name;
  std::vector<ValueInfo> inputs, outputs;
  std::map<std::string, TensorPtr> initializers;
  std::deque<Node> nodes; // every value stands before its uses
};

/// A function that the model defines: a macro over nodes.
struct Function {
  std::vector<std::string> inputs, outputs;
  std::map<std::string, std::optional<Attribute>> attributes; // with their defaults
  std::deque<Node> nodes;
  std::map<std::string, int64_t> opsets;
};

struct ModelFile {
  std::map<std::string, int64_t> opsets; // by domain; the default domain is ""
  std::map<std::string, Function> functions; // by qualified type
  Graph graph;
};

/// Whether `contents` may be an ONNX model; decided by its first bytes.
bool isModelFile(Bytes contents);

/// Reads the model in `file`, which is called `path`; files of external data are looked for in its folder.
/// Types of elements are made in `context`.
llvm::Expected<ModelFile> readModelFile(FileBuffer file, llvm::StringRef path,
                                        mlir::MLIRContext *context);

/// The type of element that TensorProto.DataType `code` stands for, or null, and its name in ONNX.
mlir::Type elementTypeOf(int32_t code, mlir::MLIRContext *context);
std::string elementTypeName(int32_t code);

/// Bytes that an element takes in TensorData.
int64_t bytesPerElement(mlir::Type type);

} // namespace sylvite::onnx

#endif // SYLVITE_COMPILER_IMPORT_ONNX_MODELFILE_H
