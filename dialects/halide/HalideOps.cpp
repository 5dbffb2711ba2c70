// Builders, assembly and verifiers of the halide dialect's algorithm and host ops. The check of a
// schedule, which follows names through splits and fuses, is in HalideSchedule.cpp.
#include "dialects/halide/HalideDialect.h"

#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace sylvite::halide;

//===----------------------------------------------------------------------===//
// Assembly shared by several ops
//===----------------------------------------------------------------------===//

// extent(@buffer, dim), or extent(@buffer, dim) ceildiv block
static ParseResult parseExtent(OpAsmParser &parser, ExtentAttr &extent) {
  FlatSymbolRefAttr buffer;
  int64_t dim, block = 1;
  SMLoc location = parser.getCurrentLocation();
  if (parser.parseKeyword("extent") || parser.parseLParen() || parser.parseAttribute(buffer) ||
      parser.parseComma() || parser.parseInteger(dim) || parser.parseRParen() ||
      (succeeded(parser.parseOptionalKeyword("ceildiv")) && parser.parseInteger(block)))
    return failure();
  extent = ExtentAttr::getChecked([&] { return parser.emitError(location); }, parser.getContext(), buffer, dim, block);
  return success(static_cast<bool>(extent));
}

static void printExtent(OpAsmPrinter &printer, ExtentAttr extent) {
  printer << "extent(" << extent.getBuffer() << ", " << extent.getDim() << ")";
  if (extent.getBlock() != 1)
    printer << " ceildiv " << extent.getBlock();
}

static void printExtent(OpAsmPrinter &printer, Operation *, ExtentAttr extent) {
  printExtent(printer, extent);
}

static ParseResult parseBufferTypes(OpAsmParser &parser, ArrayAttr &types) {
  SmallVector<Type> parsed;
  if (parser.parseTypeList(parsed))
    return failure();
  types = parser.getBuilder().getTypeArrayAttr(parsed);
  return success();
}

static void printBufferTypes(OpAsmPrinter &printer, Operation *, ArrayAttr types) {
  llvm::interleaveComma(types.getAsValueRange<TypeAttr>(), printer);
}

/// A variable as a region's argument: `%y`, or `y = %y_0` where the two names differ.
static ParseResult parseVariable(OpAsmParser &parser, SmallVectorImpl<Attribute> &names,
                                 SmallVectorImpl<OpAsmParser::Argument> &arguments) {
  std::string name;
  bool named = succeeded(parser.parseOptionalKeywordOrString(&name));
  if (named && parser.parseEqual())
    return failure();
  OpAsmParser::Argument argument;
  if (parser.parseArgument(argument))
    return failure();
  argument.type = parser.getBuilder().getIndexType();
  if (!named)
    name = argument.ssaName.name.drop_front().str();
  names.push_back(parser.getBuilder().getStringAttr(name));
  arguments.push_back(argument);
  return success();
}

static void printVariable(OpAsmPrinter &printer, StringRef name, Value argument) {
  std::string ssaName;
  llvm::raw_string_ostream stream(ssaName);
  printer.printOperand(argument, stream);
  if (StringRef(ssaName).drop_front() != name) {
    printer.printKeywordOrString(name);
    printer << " = ";
  }
  printer << ssaName;
}

static ParseResult parseBound(OpAsmParser &parser, SmallVectorImpl<Attribute> &bounds) {
  int64_t value;
  OptionalParseResult integer = parser.parseOptionalInteger(value);
  if (integer.has_value()) {
    if (failed(*integer))
      return failure();
    bounds.push_back(parser.getBuilder().getI64IntegerAttr(value));
    return success();
  }
  ExtentAttr extent;
  if (parseExtent(parser, extent))
    return failure();
  bounds.push_back(extent);
  return success();
}

static void printBound(OpAsmPrinter &printer, Attribute bound) {
  if (auto extent = dyn_cast<ExtentAttr>(bound))
    printExtent(printer, extent);
  else if (auto integer = dyn_cast<IntegerAttr>(bound))
    printer << integer.getInt();
  else
    printer << bound;
}

static SmallVector<StringRef> toNames(ArrayAttr names) {
  return llvm::to_vector(names.getAsValueRange<StringAttr>());
}

static void buildBody(OpBuilder &builder, Location location, Region *region, unsigned arguments,
                      BodyBuilder body) {
  Block *block = new Block;
  region->push_back(block);
  for (unsigned i = 0; i < arguments; ++i)
    block->addArgument(builder.getIndexType(), location);
  if (!body)
    return;
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(block);
  body(builder, location, block->getArguments());
}

//===----------------------------------------------------------------------===//
// PipelineOp
//===----------------------------------------------------------------------===//

void PipelineOp::build(OpBuilder &builder, OperationState &state, StringRef name) {
  state.addAttribute(::mlir::SymbolTable::getSymbolAttrName(), builder.getStringAttr(name));
  state.addRegion()->emplaceBlock();
}

InputOp PipelineOp::lookupInput(StringRef name) {
  return dyn_cast_or_null<InputOp>(::mlir::SymbolTable::lookupSymbolIn(*this, name));
}

FuncOp PipelineOp::lookupFunc(StringRef name) {
  return dyn_cast_or_null<FuncOp>(::mlir::SymbolTable::lookupSymbolIn(*this, name));
}

OutputOp PipelineOp::getOutput() {
  auto outputs = getBody()->getOps<OutputOp>();
  return outputs.empty() ? OutputOp() : *outputs.begin();
}

ScheduleOp PipelineOp::getSchedule() {
  auto schedules = getBody()->getOps<ScheduleOp>();
  return schedules.empty() ? ScheduleOp() : *schedules.begin();
}

std::vector<UpdateOp> PipelineOp::getUpdates(StringRef func) {
  std::vector<UpdateOp> updates;
  for (UpdateOp update : getBody()->getOps<UpdateOp>())
    if (update.getFunc() == func)
      updates.push_back(update);
  return updates;
}

SmallVector<InputOp> PipelineOp::getInputs() {
  return llvm::to_vector(getBody()->getOps<InputOp>());
}

SmallVector<RankedTensorType> PipelineOp::getInputTypes() {
  return llvm::map_to_vector(getBody()->getOps<InputOp>(),
                             [](InputOp input) { return input.getBufferType(); });
}

SmallVector<RankedTensorType> PipelineOp::getOutputTypes() {
  OutputOp output = getOutput();
  return output ? output.getBufferTypes() : SmallVector<RankedTensorType>();
}

namespace {
/// What `halide.at` may name: an input or a func.
struct Source {
  int64_t rank;
  SmallVector<Type> types;
};
} // namespace

static std::optional<Source> lookupSource(PipelineOp pipeline, StringRef name) {
  if (InputOp input = pipeline.lookupInput(name))
    return Source{input.getBufferType().getRank(), {input.getBufferType().getElementType()}};
  if (FuncOp func = pipeline.lookupFunc(name))
    return Source{func.getRank(), func.getElementTypes()};
  return std::nullopt;
}

/// The rank of the input or output buffer of that name.
static std::optional<int64_t> lookupBufferRank(PipelineOp pipeline, StringRef name) {
  if (InputOp input = pipeline.lookupInput(name))
    return input.getBufferType().getRank();
  if (OutputOp output = pipeline.getOutput())
    if (output.getFunc() == name && !output.getBufferTypes().empty())
      return output.getBufferTypes().front().getRank();
  return std::nullopt;
}

static LogicalResult verifyExtent(Operation *op, PipelineOp pipeline, StringRef buffer,
                                  int64_t dim) {
  std::optional<int64_t> rank = lookupBufferRank(pipeline, buffer);
  if (!rank)
    return op->emitOpError("pipeline_c7: @")
           << buffer << " is neither an input nor the output of the pipeline";
  if (dim < 0 || dim >= *rank)
    return op->emitOpError("pipeline_c7: @")
           << buffer << " has " << *rank << " dimensions, there is no dimension " << dim;
  return success();
}

/// Checks what the definition `op` (a func or an update) reads; `seen` are the names before it, and
/// `read` collects those that other funcs have read.
static LogicalResult verifyReads(PipelineOp pipeline, Operation *op, StringRef own,
                                 const llvm::StringSet<> &seen, llvm::StringSet<> &read) {
  WalkResult result = op->walk([&](Operation *nested) -> WalkResult {
    if (auto extent = dyn_cast<ExtentOp>(nested))
      return verifyExtent(extent, pipeline, extent.getBuffer(), extent.getDim());
    auto at = dyn_cast<AtOp>(nested);
    if (!at)
      return WalkResult::advance();
    StringRef name = at.getFunc();
    bool self = name == own && isa<UpdateOp>(op);
    if (!self && (!seen.contains(name) || name == own))
      return at.emitOpError("pipeline_c3: @")
             << name << " is not an input or a func that stands before this one";
    std::optional<Source> source = lookupSource(pipeline, name);
    if (!source)
      return at.emitOpError("pipeline_c3: @") << name << " is not an input or a func";
    if (static_cast<int64_t>(at.getIndices().size()) != source->rank)
      return at.emitOpError("pipeline_c4: @")
             << name << " has " << source->rank << " dimensions but there are "
             << at.getIndices().size() << " indices";
    if (at.getNumResults() != source->types.size())
      return at.emitOpError("pipeline_c5: @")
             << name << " has " << source->types.size() << " elements but there are "
             << at.getNumResults() << " results";
    for (auto [type, result] : llvm::zip(source->types, at.getResultTypes()))
      if (getScalarType(type) != result)
        return at.emitOpError("pipeline_c5: @")
               << name << " gives " << getScalarType(type) << ", not " << result;
    if (!self)
      read.insert(name);
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

LogicalResult PipelineOp::verifyRegions() {
  llvm::StringSet<> seen, read;
  OutputOp output;
  ScheduleOp schedule;
  for (Operation &op : *getBody()) {
    if (auto input = dyn_cast<InputOp>(op)) {
      seen.insert(input.getSymName());
    } else if (auto func = dyn_cast<FuncOp>(op)) {
      if (failed(verifyReads(*this, func, func.getSymName(), seen, read)))
        return failure();
      seen.insert(func.getSymName());
    } else if (auto update = dyn_cast<UpdateOp>(op)) {
      if (!update.getFuncOp())
        return update.emitOpError("update_c1: @") << update.getFunc() << " is not a func";
      if (!seen.contains(update.getFunc()) || read.contains(update.getFunc()))
        return update.emitOpError("pipeline_c6: an update of @")
               << update.getFunc() << " stands after the func and before any other reads it";
      for (Attribute bound : llvm::concat<const Attribute>(update.getMins(), update.getEnds()))
        if (auto extent = dyn_cast<ExtentAttr>(bound))
          if (failed(verifyExtent(update, *this, extent.getBuffer().getValue(), extent.getDim())))
            return failure();
      if (failed(verifyReads(*this, update, update.getFunc(), seen, read)))
        return failure();
    } else if (auto next = dyn_cast<OutputOp>(op)) {
      if (output)
        return next.emitOpError("pipeline_c2: the pipeline has two outputs");
      output = next;
    } else if (auto next = dyn_cast<ScheduleOp>(op)) {
      if (schedule)
        return next.emitOpError("pipeline_c1: the pipeline has two schedules");
      schedule = next;
    } else {
      return op.emitOpError("pipeline_c1: does not belong in a halide.pipeline");
    }
  }
  if (!output)
    return emitOpError("pipeline_c2: there is no halide.output");

  FuncOp func = lookupFunc(output.getFunc());
  if (!func)
    return output.emitOpError("pipeline_c8: @") << output.getFunc() << " is not a func";
  SmallVector<RankedTensorType> buffers = output.getBufferTypes();
  SmallVector<Type> elements = func.getElementTypes();
  if (buffers.size() != elements.size())
    return output.emitOpError("pipeline_c9: @")
           << output.getFunc() << " has " << elements.size() << " elements but there are "
           << buffers.size() << " buffers";
  for (auto [buffer, element] : llvm::zip(buffers, elements)) {
    if (buffer.getRank() != func.getRank())
      return output.emitOpError("pipeline_c9: @") << output.getFunc() << " has " << func.getRank()
                                                  << " variables but the buffer is " << buffer;
    if (buffer.getElementType() != element)
      return output.emitOpError("pipeline_c9: @") << output.getFunc() << " has elements of "
                                                  << element << " but the buffer is " << buffer;
  }
  return verifySchedule(*this);
}

//===----------------------------------------------------------------------===//
// InputOp, OutputOp
//===----------------------------------------------------------------------===//

void InputOp::build(OpBuilder &builder, OperationState &state, StringRef name,
                    RankedTensorType type) {
  build(builder, state, builder.getStringAttr(name), TypeAttr::get(type));
}

void OutputOp::build(OpBuilder &builder, OperationState &state, StringRef func, TypeRange types) {
  state.addAttribute(getFuncAttrName(state.name),
                     FlatSymbolRefAttr::get(builder.getContext(), func));
  state.addAttribute(getTypesAttrName(state.name),
                     builder.getTypeArrayAttr(llvm::to_vector(types)));
}

SmallVector<RankedTensorType> OutputOp::getBufferTypes() {
  SmallVector<RankedTensorType> types;
  for (Type type : getTypes().getAsValueRange<TypeAttr>())
    types.push_back(cast<RankedTensorType>(type));
  return types;
}

LogicalResult OutputOp::verify() {
  if (getTypes().empty())
    return emitOpError("output_c1: there is no buffer");
  for (Type type : getTypes().getAsValueRange<TypeAttr>())
    if (!isa<RankedTensorType>(type))
      return emitOpError("output_c1: ") << type << " is not a ranked tensor";
  SmallVector<RankedTensorType> types = getBufferTypes();
  for (RankedTensorType type : types)
    if (type.getShape() != types.front().getShape())
      return emitOpError("output_c1: buffers have different shapes, ")
             << types.front() << " and " << type;
  return success();
}

//===----------------------------------------------------------------------===//
// FuncOp
//===----------------------------------------------------------------------===//

void FuncOp::build(OpBuilder &builder, OperationState &state, StringRef name,
                   ArrayRef<StringRef> vars, TypeRange types, BodyBuilder body) {
  state.addAttribute(::mlir::SymbolTable::getSymbolAttrName(), builder.getStringAttr(name));
  state.addAttribute(getVarsAttrName(state.name), builder.getStrArrayAttr(vars));
  state.addAttribute(getTypesAttrName(state.name),
                     builder.getTypeArrayAttr(llvm::to_vector(types)));
  buildBody(builder, state.location, state.addRegion(), vars.size(), body);
}

SmallVector<StringRef> FuncOp::getVarNames() { return toNames(getVars()); }

SmallVector<Type> FuncOp::getElementTypes() {
  return llvm::to_vector(getTypes().getAsValueRange<TypeAttr>());
}

void FuncOp::getAsmBlockArgumentNames(Region &region, OpAsmSetValueNameFn setName) {
  for (auto [name, argument] : llvm::zip(getVarNames(), region.getArguments()))
    setName(argument, name);
}

ParseResult FuncOp::parse(OpAsmParser &parser, OperationState &result) {
  StringAttr name;
  SmallVector<Attribute> vars;
  SmallVector<OpAsmParser::Argument> arguments;
  SmallVector<Type> types;
  if (parser.parseSymbolName(name, ::mlir::SymbolTable::getSymbolAttrName(), result.attributes) ||
      parser.parseCommaSeparatedList(OpAsmParser::Delimiter::Paren,
                                     [&] { return parseVariable(parser, vars, arguments); }) ||
      parser.parseArrowTypeList(types) ||
      parser.parseOptionalAttrDictWithKeyword(result.attributes))
    return failure();
  result.addAttribute(getVarsAttrName(result.name), parser.getBuilder().getArrayAttr(vars));
  result.addAttribute(getTypesAttrName(result.name), parser.getBuilder().getTypeArrayAttr(types));
  return parser.parseRegion(*result.addRegion(), arguments);
}

void FuncOp::print(OpAsmPrinter &printer) {
  printer << ' ';
  printer.printSymbolName(getSymName());
  printer << '(';
  llvm::interleaveComma(llvm::zip(getVarNames(), getVarArguments()), printer, [&](auto pair) {
    printVariable(printer, std::get<0>(pair), std::get<1>(pair));
  });
  printer << ')';
  printer.printArrowTypeList(getElementTypes());
  printer.printOptionalAttrDictWithKeyword(
      (*this)->getAttrs(), {getSymNameAttrName(), getVarsAttrName(), getTypesAttrName()});
  printer << ' ';
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false);
}

static bool isStorageType(Type type) {
  if (isa<Float16Type, BFloat16Type, Float32Type, Float64Type>(type))
    return true;
  auto integer = dyn_cast<IntegerType>(type);
  if (!integer || integer.isSigned())
    return false;
  unsigned width = integer.getWidth();
  return (integer.isSignless() && width == 1) || width == 8 || width == 16 || width == 32 ||
         width == 64;
}

static bool areIndices(ValueRange values) {
  return llvm::all_of(values.getTypes(), [](Type type) { return type.isIndex(); });
}

/// Checks that the block ends with a yield of `types` and gives the yield.
static FailureOr<YieldOp> verifyYield(Operation *op, Block &block, ArrayRef<Type> types,
                                      StringRef label) {
  auto yield = block.empty() ? YieldOp() : dyn_cast<YieldOp>(block.back());
  if (!yield)
    return op->emitOpError(label) << ": the body does not end with halide.yield";
  if (yield.getValues().size() != types.size())
    return yield.emitOpError(label)
           << ": " << types.size() << " values are expected, not " << yield.getValues().size();
  for (auto [type, value] : llvm::zip(types, yield.getValues()))
    if (getScalarType(type) != value.getType())
      return yield.emitOpError(label)
             << ": " << getScalarType(type) << " is expected, not " << value.getType();
  return yield;
}

LogicalResult FuncOp::verifyRegions() {
  if (getBodyBlock()->getNumArguments() != getRank() || !areIndices(getVarArguments()))
    return emitOpError("func_c1: the region has one index argument per variable");
  llvm::StringSet<> names;
  for (StringRef name : getVarNames()) {
    if (name.empty() || name == "outermost")
      return emitOpError("func_c2: \"") << name << "\" cannot name a variable";
    if (!names.insert(name).second)
      return emitOpError("func_c2: two variables are called \"") << name << "\"";
  }
  if (getTypes().empty())
    return emitOpError("func_c3: a func has at least one element");
  for (Type type : getElementTypes())
    if (!isStorageType(type))
      return emitOpError("func_c3: ") << type << " cannot be the element type of a func";
  FailureOr<YieldOp> yield = verifyYield(*this, *getBodyBlock(), getElementTypes(), "func_c4");
  if (failed(yield))
    return failure();
  if (!yield->getCoordinates().empty())
    return yield->emitOpError("func_c4: a pure definition yields no coordinates");
  return success();
}

//===----------------------------------------------------------------------===//
// UpdateOp
//===----------------------------------------------------------------------===//

void UpdateOp::build(OpBuilder &builder, OperationState &state, FuncOp func,
                     ArrayRef<ReductionVariable> rvars, BodyBuilder body, BodyBuilder where) {
  SmallVector<StringRef> names;
  SmallVector<Attribute> mins, ends;
  for (const ReductionVariable &rvar : rvars) {
    names.push_back(rvar.name);
    mins.push_back(rvar.min.toAttribute(builder));
    ends.push_back(rvar.end.toAttribute(builder));
  }
  state.addAttribute(getFuncAttrName(state.name), FlatSymbolRefAttr::get(func));
  state.addAttribute(getRvarsAttrName(state.name), builder.getStrArrayAttr(names));
  state.addAttribute(getMinsAttrName(state.name), builder.getArrayAttr(mins));
  state.addAttribute(getEndsAttrName(state.name), builder.getArrayAttr(ends));
  unsigned arguments = func.getRank() + rvars.size();
  Region *whereRegion = state.addRegion();
  if (where)
    buildBody(builder, state.location, whereRegion, arguments, where);
  buildBody(builder, state.location, state.addRegion(), arguments, body);
}

FuncOp UpdateOp::getFuncOp() {
  auto pipeline = dyn_cast_or_null<PipelineOp>((*this)->getParentOp());
  return pipeline ? pipeline.lookupFunc(getFunc()) : FuncOp();
}

SmallVector<StringRef> UpdateOp::getReductionNames() { return toNames(getRvars()); }

ValueRange UpdateOp::getVarArguments() {
  return getBodyBlock()->getArguments().drop_back(getRvars().size());
}

ValueRange UpdateOp::getReductionArguments() {
  return getBodyBlock()->getArguments().take_back(getRvars().size());
}

bool UpdateOp::isPureVar(unsigned index) {
  auto yield = cast<YieldOp>(getBodyBlock()->getTerminator());
  return yield.getCoordinates().empty() ||
         yield.getCoordinates()[index] == getBodyBlock()->getArgument(index);
}

void UpdateOp::getAsmBlockArgumentNames(Region &region, OpAsmSetValueNameFn setName) {
  SmallVector<StringRef> names;
  if (FuncOp func = getFuncOp())
    names = func.getVarNames();
  llvm::append_range(names, getReductionNames());
  if (names.size() != region.getNumArguments())
    return;
  for (auto [name, argument] : llvm::zip(names, region.getArguments()))
    setName(argument, name);
}

ParseResult UpdateOp::parse(OpAsmParser &parser, OperationState &result) {
  FlatSymbolRefAttr func;
  SmallVector<Attribute> vars, rvars, mins, ends;
  SmallVector<OpAsmParser::Argument> arguments;
  // The func's variables are given by position; they keep the func's names.
  if (parser.parseAttribute(func) ||
      parser.parseCommaSeparatedList(OpAsmParser::Delimiter::Paren,
                                     [&] { return parseVariable(parser, vars, arguments); }))
    return failure();
  auto parseReduction = [&]() -> ParseResult {
    return failure(parseVariable(parser, rvars, arguments) || parser.parseKeyword("in") ||
                   parseBound(parser, mins) || parser.parseKeyword("to") ||
                   parseBound(parser, ends));
  };
  if (succeeded(parser.parseOptionalKeyword("over")) &&
      parser.parseCommaSeparatedList(OpAsmParser::Delimiter::Paren, parseReduction))
    return failure();
  Region *where = result.addRegion(), *body = result.addRegion();
  if (succeeded(parser.parseOptionalKeyword("where")) && parser.parseRegion(*where, arguments))
    return failure();
  if (parser.parseOptionalAttrDictWithKeyword(result.attributes))
    return failure();
  Builder &builder = parser.getBuilder();
  result.addAttribute(getFuncAttrName(result.name), func);
  result.addAttribute(getRvarsAttrName(result.name), builder.getArrayAttr(rvars));
  result.addAttribute(getMinsAttrName(result.name), builder.getArrayAttr(mins));
  result.addAttribute(getEndsAttrName(result.name), builder.getArrayAttr(ends));
  return parser.parseRegion(*body, arguments);
}

void UpdateOp::print(OpAsmPrinter &printer) {
  SmallVector<StringRef> vars;
  if (FuncOp func = getFuncOp())
    vars = func.getVarNames();
  printer << ' ' << getFuncAttr() << '(';
  llvm::interleaveComma(llvm::enumerate(getVarArguments()), printer, [&](auto it) {
    if (it.index() < vars.size())
      printVariable(printer, vars[it.index()], it.value());
    else
      printer.printOperand(it.value());
  });
  printer << ')';
  if (!getRvars().empty()) {
    printer << " over (";
    SmallVector<StringRef> names = getReductionNames();
    llvm::interleaveComma(llvm::seq<size_t>(0, names.size()), printer, [&](size_t i) {
      printVariable(printer, names[i], getReductionArguments()[i]);
      printer << " in ";
      printBound(printer, getMins()[i]);
      printer << " to ";
      printBound(printer, getEnds()[i]);
    });
    printer << ')';
  }
  if (hasPredicate()) {
    printer << " where ";
    printer.shadowRegionArgs(getWhere(), getBodyBlock()->getArguments());
    printer.printRegion(getWhere(), /*printEntryBlockArgs=*/false);
  }
  printer.printOptionalAttrDictWithKeyword(
      (*this)->getAttrs(),
      {getFuncAttrName(), getRvarsAttrName(), getMinsAttrName(), getEndsAttrName()});
  printer << ' ';
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false);
}

LogicalResult UpdateOp::verifyRegions() {
  FuncOp func = getFuncOp();
  if (!func)
    return emitOpError("update_c1: @") << getFunc() << " is not a func";
  size_t rank = func.getRank(), arguments = rank + getRvars().size();
  for (Region *region : {&getWhere(), &getBody()})
    if (!region->empty() &&
        (region->getNumArguments() != arguments || !areIndices(region->getArguments())))
      return emitOpError("update_c2: a region has one index argument for each of the ")
             << rank << " variables of @" << getFunc() << " and per reduction variable";

  llvm::StringSet<> names;
  for (StringRef name : func.getVarNames())
    names.insert(name);
  for (StringRef name : getReductionNames())
    if (name.empty() || name == "outermost" || !names.insert(name).second)
      return emitOpError("update_c3: \"") << name << "\" cannot name a reduction variable here";

  if (getMins().size() != getRvars().size() || getEnds().size() != getRvars().size())
    return emitOpError("update_c4: there is one pair of bounds per reduction variable");
  for (auto [min, end] : llvm::zip(getMins(), getEnds())) {
    for (Attribute bound : {min, end})
      if (!isa<IntegerAttr, ExtentAttr>(bound))
        return emitOpError("update_c4: ") << bound << " is neither an integer nor an extent";
    auto first = dyn_cast<IntegerAttr>(min), last = dyn_cast<IntegerAttr>(end);
    if (first && last && first.getInt() >= last.getInt())
      return emitOpError("update_c4: the range from ")
             << first.getInt() << " to " << last.getInt() << " is empty";
  }

  FailureOr<YieldOp> yield =
      verifyYield(*this, *getBodyBlock(), func.getElementTypes(), "update_c5");
  if (failed(yield))
    return failure();
  OperandRange coordinates = yield->getCoordinates();
  if (!coordinates.empty() && coordinates.size() != rank)
    return yield->emitOpError("update_c6: @")
           << getFunc() << " has " << rank << " variables but there are " << coordinates.size()
           << " coordinates";
  for (size_t i = 0; i < rank; ++i) {
    bool used = !getBodyBlock()->getArgument(i).use_empty() ||
                (hasPredicate() && !getWhere().getArgument(i).use_empty());
    if (used && !isPureVar(i))
      return yield->emitOpError("update_c7: variable \"")
             << func.getVarNames()[i] << "\" is used but coordinate " << i << " is another value";
  }

  if (!hasPredicate())
    return success();
  FailureOr<YieldOp> predicate =
      verifyYield(*this, getWhere().front(), Builder(getContext()).getI1Type(), "update_c8");
  if (failed(predicate))
    return failure();
  if (!predicate->getCoordinates().empty())
    return predicate->emitOpError("update_c8: a predicate yields no coordinates");
  if (getRvars().empty())
    return emitOpError("update_c9: a predicate needs a reduction variable");
  return success();
}

//===----------------------------------------------------------------------===//
// CallOp, LaunchOp
//===----------------------------------------------------------------------===//

static LogicalResult verifyBuffers(Operation *op, StringRef label, StringRef what, TypeRange actual,
                                   ArrayRef<RankedTensorType> expected) {
  if (actual.size() != expected.size())
    return op->emitOpError(label) << "_c2: the pipeline has " << expected.size() << " " << what
                                  << "s, not " << actual.size();
  for (auto [index, type, buffer] : llvm::enumerate(actual, expected)) {
    auto shaped = cast<ShapedType>(type);
    if (shaped.getElementType() != buffer.getElementType() || !shaped.hasRank() ||
        failed(verifyCompatibleShape(shaped.getShape(), buffer.getShape())))
      return op->emitOpError(label) << "_c3: " << what << " " << index << " of the pipeline is "
                                    << buffer << ", not " << type;
  }
  return success();
}

/// Checks that `name` is a pipeline whose buffers take `inputs` and `outputs`: constraints 1 to 3 of
/// `label`.
static LogicalResult verifyRun(Operation *op, StringRef label, FlatSymbolRefAttr name, TypeRange inputs,
                               TypeRange outputs, SymbolTableCollection &symbolTable) {
  auto pipeline = symbolTable.lookupNearestSymbolFrom<PipelineOp>(op, name);
  if (!pipeline)
    return op->emitOpError(label) << "_c1: @" << name.getValue() << " is not a pipeline";
  return failure(failed(verifyBuffers(op, label, "input", inputs, pipeline.getInputTypes())) ||
                 failed(verifyBuffers(op, label, "output", outputs, pipeline.getOutputTypes())));
}

/// The same of a call or a launch, which may name other pipelines for few rows.
template <typename Op>
static LogicalResult verifyRuns(Op op, StringRef label, TypeRange inputs, TypeRange outputs, SymbolTableCollection &symbolTable) {
  for (FlatSymbolRefAttr name : op.getPipelines())
    if (failed(verifyRun(op, label, name, inputs, outputs, symbolTable)))
      return failure();
  ArrayRef<int64_t> most = op.getMost();
  if (op.getFew().size() != most.size())
    return op.emitOpError(label) << "_c4: `few` names " << op.getFew().size() << " pipelines, `most` has " << most.size()
                                 << " numbers";
  if (std::adjacent_find(most.begin(), most.end(), std::greater_equal<>()) != most.end())
    return op.emitOpError(label) << "_c4: the numbers of `most` do not rise";
  auto isFree = [](Type type) { return !cast<ShapedType>(type).hasStaticShape(); };
  if (!most.empty() && llvm::none_of(inputs, isFree) && llvm::none_of(outputs, isFree))
    return op.emitOpError(label) << "_c4: no buffer has a free size, which `few` asks for";
  return success();
}

template <typename Op> static SmallVector<FlatSymbolRefAttr> namedPipelines(Op op) {
  SmallVector<FlatSymbolRefAttr> names{op.getPipelineAttr()};
  llvm::append_range(names, op.getFew().template getAsRange<FlatSymbolRefAttr>());
  return names;
}

SmallVector<FlatSymbolRefAttr> CallOp::getPipelines() { return namedPipelines(*this); }
SmallVector<FlatSymbolRefAttr> LaunchOp::getPipelines() { return namedPipelines(*this); }

LogicalResult CallOp::verifySymbolUses(SymbolTableCollection &symbolTable) {
  return verifyRuns(*this, "call", getInputs().getTypes(), getOutputs().getTypes(), symbolTable);
}

LogicalResult LaunchOp::verifySymbolUses(SymbolTableCollection &symbolTable) {
  if (failed(verifyRuns(*this, "launch", getIns().getTypes(), getOuts().getTypes(), symbolTable)))
    return failure();
  for (FlatSymbolRefAttr name : getPipelines()) {
    auto pipeline = symbolTable.lookupNearestSymbolFrom<PipelineOp>(*this, name);
    if (!pipeline)
      continue;
    SmallVector<RankedTensorType> buffers = pipeline.getInputTypes();
    buffers.append(pipeline.getOutputTypes());
    for (auto [operand, buffer] : llvm::zip_equal(getOperands(), buffers)) {
      int64_t pitch = getPitch(cast<MemRefType>(operand.getType())), wanted = getPitch(buffer);
      if (!ShapedType::isDynamic(pitch) && !ShapedType::isDynamic(wanted) && pitch != wanted)
        return emitOpError("launch_c5: a buffer of @")
               << name.getValue() << " has a pitch of " << wanted << " elements, not " << pitch;
    }
  }
  return success();
}

void LaunchOp::getEffects(
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>> &effects) {
  for (OpOperand &operand : getInsMutable())
    effects.emplace_back(MemoryEffects::Read::get(), &operand, SideEffects::DefaultResource::get());
  for (OpOperand &operand : getOutsMutable())
    effects.emplace_back(MemoryEffects::Write::get(), &operand,
                         SideEffects::DefaultResource::get());
}

//===----------------------------------------------------------------------===//
// ScheduleOp, SpecializeOp
//===----------------------------------------------------------------------===//

void ScheduleOp::build(OpBuilder &builder, OperationState &state) {
  state.addRegion()->emplaceBlock();
}

void SpecializeOp::build(OpBuilder &builder, OperationState &state, StringRef func, int64_t stage,
                         StringRef buffer, int64_t dim, Comparison comparison, int64_t value) {
  MLIRContext *context = builder.getContext();
  state.addAttribute(getFuncAttrName(state.name), FlatSymbolRefAttr::get(context, func));
  state.addAttribute(getStageAttrName(state.name), builder.getI64IntegerAttr(stage));
  state.addAttribute(getExtentAttrName(state.name),
                     ExtentAttr::get(context, FlatSymbolRefAttr::get(context, buffer), dim, /*block=*/1));
  state.addAttribute(getComparisonAttrName(state.name), ComparisonAttr::get(context, comparison));
  state.addAttribute(getValueAttrName(state.name), builder.getI64IntegerAttr(value));
  state.addRegion()->emplaceBlock();
}

#define GET_OP_CLASSES
#include "dialects/halide/HalideOps.cpp.inc"
