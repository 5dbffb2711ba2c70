//===- Structure.cpp - parameters and groups -------------------------------===//
//
// Checks and assembly of nn.parameter, nn.get and nn.group.
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

ParseResult GroupOp::parse(OpAsmParser &parser, OperationState &result) {
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

void GroupOp::print(OpAsmPrinter &printer) {
  printer << " (";
  llvm::interleaveComma(llvm::zip(getBody().getArguments(), getOperands()), printer, [&](auto pair) {
    printer << std::get<0>(pair) << " = " << std::get<1>(pair);
  });
  printer << ")";
  printer.printOptionalAttrDictWithKeyword((*this)->getAttrs());
  printer << " : ";
  printer.printFunctionalType(getOperandTypes(), getResultTypes());
  printer << " ";
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false);
}

LogicalResult GroupOp::verify() {
  if (getBody().getArgumentTypes() != TypeRange(getOperandTypes()))
    return emitOpError("group_c1: the block arguments do not have the operands' types");
  if (getBody().front().getTerminator()->getOperandTypes() != getResultTypes())
    return emitOpError("group_c2: the yielded values do not have the results' types");
  return success();
}
