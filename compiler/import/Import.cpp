//===- Import.cpp - Models from files -------------------------------------===//
//
// Maps the files and hands them to the importer of their format.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/Import.h"
#include "compiler/import/Bytes.h"
#include "compiler/import/keras/KerasImport.h"
#include "compiler/import/onnx/OnnxImport.h"
#include "dialects/nn/NN.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Path.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"

using namespace llvm;
using namespace mlir;
using namespace sylvite;

FailureOr<std::pair<std::string, SmallVector<int64_t>>> sylvite::parseShape(StringRef text) {
  auto [name, dims] = text.rsplit('=');
  SmallVector<StringRef> parts;
  dims.split(parts, 'x');
  SmallVector<int64_t> shape;
  for (StringRef part : parts) {
    int64_t extent = -1;
    if (part != "?" && (part.getAsInteger(10, extent) || extent < 1 || extent > INT32_MAX))
      return failure();
    shape.push_back(extent);
  }
  if (name.empty() || dims.empty())
    return failure();
  return std::make_pair(name.str(), std::move(shape));
}

/// `options` with the module's name: the model file's where there is no other.
static ImportOptions withName(const ImportOptions &options) {
  ImportOptions named = options;
  if (named.name.empty())
    named.name = sys::path::stem(options.path).str();
  if (named.name.empty())
    named.name = "model";
  return named;
}

static FailureOr<FileBuffer> openFile(MLIRContext &context, StringRef path) {
  auto buffer = MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer)
    return emitError(UnknownLoc::get(&context))
           << "cannot read '" << path << "': " << buffer.getError().message();
  return FileBuffer(std::move(*buffer));
}

/// The text of a module. Values of parameters that are written as text become arrays in memory, as those of other
/// models are.
static FailureOr<OwningOpRef<ModuleOp>> importText(MLIRContext &context, const ImportOptions &options) {
  context.loadDialect<nn::NNDialect, func::FuncDialect, arith::ArithDialect, math::MathDialect>();
  OwningOpRef<ModuleOp> module = parseSourceFile<ModuleOp>(options.path, ParserConfig(&context));
  if (!module)
    return failure();
  if (!module->lookupSymbol<func::FuncOp>("forward"))
    return module->emitError("the module has no function 'forward'");
  if (!module->getName())
    module->setName(options.name);
  for (auto parameter : module->getOps<nn::ParameterOp>()) {
    auto value = dyn_cast_or_null<DenseElementsAttr>(parameter.getValueAttr());
    if (!value)
      continue;
    ArrayRef<char> element = value.getRawData();
    unsigned size = llvm::divideCeil(parameter.getTensorType().getElementTypeBitWidth(), 8);
    AsmResourceBlob blob = HeapAsmResourceBlob::allocate(size * value.getNumElements(), /*align=*/64);
    MutableArrayRef<char> data = blob.getMutableData();
    for (int64_t i = 0; i < value.getNumElements(); ++i)
      llvm::copy(element.slice(value.isSplat() ? 0 : i * size, size), data.begin() + i * size);
    parameter.setValueAttr(DenseResourceElementsAttr::get(parameter.getTensorType(), parameter.getSymName(),
                                                          std::move(blob)));
  }
  return module;
}

FailureOr<OwningOpRef<ModuleOp>> sylvite::importModel(MLIRContext &context,
                                                      const ImportOptions &options) {
  if (sys::path::extension(options.path) == ".mlir")
    return importText(context, withName(options));
  FailureOr<FileBuffer> model = openFile(context, options.path);
  if (failed(model))
    return failure();
  FileBuffer weights;
  if (!options.weightsPath.empty()) {
    FailureOr<FileBuffer> opened = openFile(context, options.weightsPath);
    if (failed(opened))
      return failure();
    weights = *opened;
  }
  return importModel(context, options, *model, weights);
}

FailureOr<OwningOpRef<ModuleOp>> sylvite::importModel(MLIRContext &context,
                                                      const ImportOptions &options,
                                                      FileBuffer contents, FileBuffer weights) {
  context.loadDialect<nn::NNDialect, func::FuncDialect, arith::ArithDialect, math::MathDialect>();
  ImportOptions named = withName(options);
  if (keras::isKerasModel(bytesOf(*contents)))
    return keras::importKeras(context, named, contents, weights);
  if (onnx::isOnnxModel(bytesOf(*contents))) {
    if (weights)
      return emitError(UnknownLoc::get(&context))
             << "'" << options.path << "' is an ONNX model, which carries its weights; '" << options.weightsPath
             << "' cannot replace them";
    return onnx::importOnnx(context, named, contents);
  }
  return emitError(UnknownLoc::get(&context))
         << "'" << options.path
         << "' is no model that is supported: a Keras archive (.keras), Keras JSON, a whole-model HDF5 file of "
            "Keras, or an ONNX model";
}
