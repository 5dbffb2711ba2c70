//===- KerasImport.cpp - Keras models to the nn dialect -------------------===//
//
// Opens the files, reads the graph, and walks its calls through the layer table into one function.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/keras/KerasImport.h"
#include "compiler/import/Hdf5.h"
#include "compiler/import/Training.h"
#include "compiler/import/Zip.h"
#include "compiler/import/keras/Archive.h"
#include "compiler/import/keras/GraphBuilder.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Verifier.h"

using namespace llvm;
using namespace mlir;
using namespace sylvite;
using namespace sylvite::keras;

bool keras::isKerasModel(Bytes contents) {
  return ZipArchive::matches(contents) || Hdf5File::matches(contents) ||
         textOf(contents).ltrim().starts_with("{");
}

static Type elementType(MLIRContext *context, StringRef dtype) {
  Builder b(context);
  return llvm::StringSwitch<Type>(dtype)
      .Case("float32", b.getF32Type())
      .Case("bool", b.getI1Type())
      .Case("int8", b.getI8Type())
      .Case("int16", b.getI16Type())
      .Case("int32", b.getI32Type())
      .Case("int64", b.getI64Type())
      .Case("uint8", b.getIntegerType(8, /*isSigned=*/false))
      .Default(Type());
}

/// Puts the shapes that the user gave in place of the model's.
static LogicalResult overrideShapes(MLIRContext *context, ModelGraph &graph,
                                    const ImportOptions &options) {
  for (auto &[name, shape] : options.shapes) {
    auto found = llvm::find_if(graph.inputs, [&](auto &input) { return input.name == name; });
    if (found == graph.inputs.end()) {
      auto names = map_range(graph.inputs, [](auto &input) { return input.name; });
      return emitError(UnknownLoc::get(context))
             << "a shape is given for input '" << name << "', which the model does not have; it has "
             << join(names, ", ");
    }
    if (shape.size() != found->batchShape.size())
      return emitError(UnknownLoc::get(context))
             << "the shape given for input '" << name << "' has " << shape.size()
             << " dimensions, the model's has " << found->batchShape.size();
    found->batchShape = shape;
  }
  return success();
}

/// The module of a graph.
static FailureOr<OwningOpRef<ModuleOp>> buildModule(MLIRContext *context, const ModelGraph &graph, WeightSource *weights,
                                                     const ImportOptions &options) {
  OpBuilder builder(context);
  Location unknown = builder.getUnknownLoc();
  OwningOpRef<ModuleOp> module = ModuleOp::create(unknown, options.name);
  (*module)->setAttr("nn.format", builder.getStringAttr("keras"));

  // The function's type is known at the end; until then its results are empty.
  SmallVector<Type> types;
  SmallVector<DictionaryAttr> attributes;
  for (const ModelGraph::Input &input : graph.inputs) {
    Type element = elementType(context, input.dtype);
    Location loc = NameLoc::get(builder.getStringAttr(input.name));
    if (!element)
      return emitError(loc) << "input '" << input.name << "' has dtype '" << input.dtype
                            << "'; supported: float32, int8, int16, int32, int64, uint8, bool";
    SmallVector<int64_t> shape;
    SmallVector<Attribute> symbols;
    for (auto [i, extent] : llvm::enumerate(input.batchShape)) {
      bool isFree = extent < 0;
      shape.push_back(isFree ? ShapedType::kDynamic : extent);
      std::string symbol = i == 0 ? "batch" : input.name + "_" + std::to_string(i);
      symbols.push_back(builder.getStringAttr(isFree ? symbol : ""));
    }
    types.push_back(RankedTensorType::get(shape, element));
    attributes.push_back(builder.getDictionaryAttr(
        {builder.getNamedAttr("nn.name", builder.getStringAttr(input.name)),
         builder.getNamedAttr("nn.dims", builder.getArrayAttr(symbols))}));
  }
  builder.setInsertionPointToEnd(module->getBody());
  auto function = func::FuncOp::create(builder, unknown, "forward",
                                       builder.getFunctionType(types, TypeRange()), {}, attributes);
  Block *body = function.addEntryBlock();
  ModuleState state(*module, OpBuilder(function), weights);
  state.body = body;
  state.training = options.training;
  state.seed = options.seed;
  builder.setInsertionPointToEnd(body);

  SmallVector<Value> inputs(body->args_begin(), body->args_end());
  GraphBuilder calls(graph, state, builder, inputs);
  if (failed(calls.build()))
    return failure();

  SmallVector<Value> outputs;
  SmallVector<Type> outputTypes;
  for (unsigned i = 0; i < graph.outputs.size(); ++i) {
    FailureOr<Value> value = calls.output(i);
    if (failed(value))
      return failure();
    outputs.push_back(*value);
    outputTypes.push_back(value->getType());
  }
  // A loss counts what the mask of its output leaves.
  SmallVector<std::pair<unsigned, int64_t>> maskResults;
  for (auto [i, output] : llvm::enumerate(graph.outputs))
    if (Value known = options.training ? calls.mask(output.tensor) : Value()) {
      maskResults.push_back({outputs.size(), i});
      outputs.push_back(known);
      outputTypes.push_back(known.getType());
    }
  // What the model keeps goes in as an argument and comes out as a result.
  unsigned numOutputs = outputs.size(), numInputs = types.size();
  for (const ModuleState::State &kept : state.kept) {
    outputs.push_back(kept.value);
    types.push_back(kept.argument.getType());
    outputTypes.push_back(kept.value.getType());
  }
  func::ReturnOp::create(builder, unknown, outputs);
  function.setType(builder.getFunctionType(types, outputTypes));
  for (auto [i, kept] : llvm::enumerate(state.kept)) {
    function.setArgAttr(numInputs + i, "nn.state", builder.getStringAttr(kept.name));
    function.setResultAttr(numOutputs + i, "nn.state", builder.getStringAttr(kept.name));
  }
  for (auto [result, output] : maskResults)
    function.setResultAttr(result, "nn.loss_mask", builder.getI64IntegerAttr(output));
  for (auto [i, output] : llvm::enumerate(graph.outputs))
    function.setResultAttr(i, "nn.name", builder.getStringAttr(output.name));
  if (failed(verify(*module)))
    return failure();
  return module;
}

FailureOr<OwningOpRef<ModuleOp>> keras::importKeras(MLIRContext &context,
                                                    const ImportOptions &options, FileBuffer contents,
                                                    FileBuffer weights) {
  Expected<Archive> archive = openArchive(contents, options.path, weights, options.weightsPath);
  if (!archive)
    return emitError(UnknownLoc::get(&context)) << toString(archive.takeError());
  FailureOr<ModelGraph> graph = readModelGraph(archive->config, &context);
  if (failed(graph) || failed(overrideShapes(&context, *graph, options)))
    return failure();
  auto module = buildModule(&context, *graph, archive->weights.get(), options);
  const Json *compiled = member(archive->config, "compile_config");
  if (failed(module) || !options.training || !compiled || !compiled->is_object())
    return module;
  std::vector<std::string> outputs;
  for (const ModelGraph::Output &output : graph->outputs)
    outputs.push_back(output.name);
  auto training = readCompileConfig(&context, *compiled, outputs);
  if (failed(training))
    return failure();
  if (*training)
    (**module)->setAttr("nn.training", *training);
  return module;
}
