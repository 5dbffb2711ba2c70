//===- Structure.cpp - parameters, groups and parts of a batch -------------===//
//
// Checks and assembly of nn.parameter, nn.get, nn.group and nn.microbatch.
//
//===----------------------------------------------------------------------===//
#include "dialects/nn/NN.h"

#include "mlir/IR/DialectResourceBlobManager.h"

using namespace mlir;
using namespace sylvite::nn;

LogicalResult ParameterOp::verify() {
  if (auto value = getValue(); value && value->getType() != getTensorType())
    return emitOpError("parameter_c1: the value is ")
           << value->getType() << ", the parameter " << getTensorType();
  return success();
}

ArrayRef<char> ParameterOp::getData() {
  if (auto resource = dyn_cast_or_null<DenseResourceElementsAttr>(getValueAttr())) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    return blob ? blob->getData() : ArrayRef<char>();
  }
  // Written out, as scalars are.
  auto dense = dyn_cast_or_null<DenseElementsAttr>(getValueAttr());
  if (dense && (!dense.isSplat() || dense.getNumElements() == 1))
    return dense.getRawData();
  return {};
}

LogicalResult GetOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto parameter = symbols.lookupNearestSymbolFrom<ParameterOp>(*this, getParameterAttr());
  if (!parameter)
    return emitOpError("get_c1: ") << getParameterAttr() << " is not an nn.parameter";
  if (parameter.getType() != getResult().getType())
    return emitOpError("get_c2: ") << getParameterAttr() << " is " << parameter.getType();
  return success();
}

/// `(%argument = %operand, ...) attributes {...} : (types) -> types { ... }`.
static ParseResult parseBoundRegion(OpAsmParser &parser, OperationState &result) {
  SmallVector<OpAsmParser::Argument> arguments;
  SmallVector<OpAsmParser::UnresolvedOperand> operands;
  FunctionType type;
  auto parseOperand = [&]() -> ParseResult {
    return failure(parser.parseArgument(arguments.emplace_back()) || parser.parseEqual() ||
                   parser.parseOperand(operands.emplace_back()));
  };
  if (parser.parseCommaSeparatedList(OpAsmParser::Delimiter::Paren, parseOperand) ||
      parser.parseOptionalAttrDictWithKeyword(result.attributes) || parser.parseColonType(type))
    return failure();
  if (type.getNumInputs() != operands.size())
    return parser.emitError(parser.getNameLoc(), "expected one type per operand");
  for (auto [argument, input] : llvm::zip(arguments, type.getInputs()))
    argument.type = input;
  result.addTypes(type.getResults());
  Region *body = result.addRegion();
  if (parser.resolveOperands(operands, type.getInputs(), parser.getNameLoc(), result.operands) ||
      parser.parseRegion(*body, arguments))
    return failure();
  return success();
}

static void printBoundRegion(OpAsmPrinter &printer, Operation *op) {
  Region &body = op->getRegion(0);
  printer << " (";
  llvm::interleaveComma(llvm::zip(body.getArguments(), op->getOperands()), printer, [&](auto pair) {
    printer << std::get<0>(pair) << " = " << std::get<1>(pair);
  });
  printer << ")";
  printer.printOptionalAttrDictWithKeyword(op->getAttrs());
  printer << " : ";
  printer.printFunctionalType(op->getOperandTypes(), op->getResultTypes());
  printer << " ";
  printer.printRegion(body, /*printEntryBlockArgs=*/false);
}

ParseResult GroupOp::parse(OpAsmParser &parser, OperationState &result) { return parseBoundRegion(parser, result); }
void GroupOp::print(OpAsmPrinter &printer) { printBoundRegion(printer, *this); }

LogicalResult GroupOp::verify() {
  if (getBody().getArgumentTypes() != TypeRange(getOperandTypes()))
    return emitOpError("group_c1: the block arguments do not have the operands' types");
  if (getBody().front().getTerminator()->getOperandTypes() != getResultTypes())
    return emitOpError("group_c2: the yielded values do not have the results' types");
  return success();
}

ParseResult MicrobatchOp::parse(OpAsmParser &parser, OperationState &result) { return parseBoundRegion(parser, result); }
void MicrobatchOp::print(OpAsmPrinter &printer) { printBoundRegion(printer, *this); }

LogicalResult MicrobatchOp::verify() {
  if (getInputs().empty())
    return emitOpError("microbatch_c1: expected at least one input");
  for (Type type : llvm::concat<const Type>(llvm::to_vector(getInputs().getTypes()), llvm::to_vector(getResultTypes())))
    if (auto tensor = cast<RankedTensorType>(type); tensor.getRank() == 0 || !tensor.isDynamicDim(0))
      return emitOpError("microbatch_c1: the leading dimension is not free: ") << type;
  if (getBody().getArgumentTypes() != TypeRange(getInputs().getTypes()))
    return emitOpError("microbatch_c2: the block arguments do not have the inputs' types");
  if (getYielded().getTypes() != getResultTypes())
    return emitOpError("microbatch_c3: the body does not yield the results' types");
  if (int64_t(getMost()) < 1)
    return emitOpError("microbatch_c4: `most` is ") << int64_t(getMost()) << ", less than one";
  return success();
}
