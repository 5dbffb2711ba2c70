//===- Scan.cpp - loops over a dimension -----------------------------------===//
//
// Building, checks, assembly and canonical form of nn.scan.
//
//===----------------------------------------------------------------------===//
#include "dialects/nn/NN.h"

#include "mlir/IR/PatternMatch.h"

using namespace mlir;
using namespace sylvite::nn;

/// The type of one slice of a sequence, and of a sequence of `length` slices.
static RankedTensorType sliceOf(Type sequence) {
  auto type = cast<RankedTensorType>(sequence);
  return RankedTensorType::get(type.getShape().drop_front(), type.getElementType());
}
static RankedTensorType stackOf(int64_t length, Type slice) {
  auto type = cast<RankedTensorType>(slice);
  SmallVector<int64_t> shape{length};
  shape.append(type.getShape().begin(), type.getShape().end());
  return RankedTensorType::get(shape, type.getElementType());
}

void ScanOp::build(OpBuilder &builder, OperationState &state, ValueRange initial,
                   ValueRange sequences, ArrayRef<bool> reversed,
                   function_ref<SmallVector<Value>(OpBuilder &, Location, ValueRange, ValueRange)> body) {
  SmallVector<Type> arguments(initial.getTypes());
  for (Type type : sequences.getTypes())
    arguments.push_back(sliceOf(type));
  Region region;
  OpBuilder::InsertionGuard guard(builder);
  Block *block = builder.createBlock(&region, {}, arguments,
                                     SmallVector<Location>(arguments.size(), state.location));
  SmallVector<Value> yielded =
      body(builder, state.location, block->getArguments().take_front(initial.size()),
           block->getArguments().drop_front(initial.size()));
  YieldOp::create(builder, state.location, yielded);
  build(builder, state, initial, sequences, reversed, region);
}

void ScanOp::build(OpBuilder &builder, OperationState &state, ValueRange initial, ValueRange sequences,
                   ArrayRef<bool> reversed, Region &body) {
  state.addOperands(initial);
  state.addOperands(sequences);
  auto &properties = state.getOrAddProperties<Properties>();
  properties.setReversed(builder.getDenseBoolArrayAttr(reversed));
  properties.operandSegmentSizes = {static_cast<int32_t>(initial.size()),
                                    static_cast<int32_t>(sequences.size())};
  int64_t length = cast<RankedTensorType>(sequences.front().getType()).getDimSize(0);
  state.addTypes(initial.getTypes());
  for (Value slice : body.front().getTerminator()->getOperands().drop_front(initial.size()))
    state.addTypes(stackOf(length, slice.getType()));
  state.addRegion()->takeBody(body);
}

SmallVector<Region *> ScanOp::getLoopRegions() { return {&getBody()}; }

namespace {
/// Sequences whose slices nobody reads go, and stacked results that nobody reads or that are another one.
struct SimplifyScan : OpRewritePattern<ScanOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ScanOp scan, PatternRewriter &rewriter) const override {
    unsigned numCarried = scan.getInitial().size(), numSequences = scan.getSequences().size();
    auto isReversed = [&](unsigned result) { return scan.isStackedReversed(result - numCarried); };
    for (unsigned i = numCarried; i < scan.getNumResults(); ++i)
      for (unsigned k = numCarried; k < i; ++k)
        if (scan.getYielded()[i] == scan.getYielded()[k] && isReversed(i) == isReversed(k))
          rewriter.replaceAllUsesWith(scan.getResult(i), scan.getResult(k));
    llvm::BitVector unread(scan.getBody().getNumArguments()), unused(scan.getNumResults());
    for (unsigned i = numCarried; i < unread.size(); ++i)
      unread[i] = scan.getBody().getArgument(i).use_empty();
    if (unread.count() == numSequences) // one gives the loop its length
      unread.reset(numCarried);
    for (unsigned i = numCarried; i < unused.size(); ++i)
      unused[i] = scan.getResult(i).use_empty();
    if (unread.none() && unused.none())
      return failure();
    SmallVector<Value> sequences, results;
    SmallVector<bool> reversed;
    for (unsigned i = 0; i < numSequences; ++i)
      if (!unread[numCarried + i]) {
        sequences.push_back(scan.getSequences()[i]);
        reversed.push_back(scan.isSequenceReversed(i));
      }
    for (unsigned i = 0; i < unused.size(); ++i)
      if (!unused[i]) {
        results.push_back(scan.getResult(i));
        if (i >= numCarried)
          reversed.push_back(isReversed(i));
      }
    Block &body = scan.getBody().front();
    rewriter.modifyOpInPlace(scan, [&] { body.eraseArguments(unread); });
    rewriter.modifyOpInPlace(body.getTerminator(), [&] { body.getTerminator()->eraseOperands(unused); });
    auto simplified =
        ScanOp::create(rewriter, scan.getLoc(), scan.getInitial(), sequences, reversed, scan.getBody());
    for (auto [result, replacement] : llvm::zip_equal(results, simplified.getResults()))
      rewriter.replaceAllUsesWith(result, replacement);
    rewriter.eraseOp(scan);
    return success();
  }
};
} // namespace

void ScanOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<SimplifyScan>(context);
}

LogicalResult ScanOp::verify() {
  if (getSequences().empty())
    return emitOpError("scan_c1: expected at least one sequence");
  int64_t length = cast<RankedTensorType>(getSequences().front().getType()).getShape().empty()
                       ? 0
                       : cast<RankedTensorType>(getSequences().front().getType()).getDimSize(0);
  for (Type type : getSequences().getTypes())
    if (cast<RankedTensorType>(type).getRank() == 0 ||
        cast<RankedTensorType>(type).getDimSize(0) != length)
      return emitOpError("scan_c1: the sequences have no leading extent in common: ") << type;
  SmallVector<Type> arguments(getInitial().getTypes());
  for (Type type : getSequences().getTypes())
    arguments.push_back(sliceOf(type));
  if (getBody().getArgumentTypes() != TypeRange(arguments))
    return emitOpError("scan_c2: the block arguments do not have the types of the carried values and "
                       "of the sequences' slices");
  size_t carried = getInitial().size();
  TypeRange yielded = getYielded().getTypes();
  if (yielded.size() != getNumResults() || yielded.size() < carried ||
      yielded.take_front(carried) != TypeRange(getInitial().getTypes()))
    return emitOpError("scan_c3: the body does not yield the carried values and a slice of each "
                       "stacked result");
  SmallVector<Type> results(getInitial().getTypes());
  for (Type slice : yielded.drop_front(carried))
    results.push_back(stackOf(length, slice));
  if (getResultTypes() != TypeRange(results))
    return emitOpError("scan_c4: the results do not have the types of the carried values and of the "
                       "stacked slices");
  if (getReversed().size() != getSequences().size() + getStacked().size())
    return emitOpError("scan_c5: `reversed` has ")
           << getReversed().size() << " entries for " << getSequences().size() << " sequences and "
           << getStacked().size() << " stacked results";
  return success();
}

ParseResult ScanOp::parse(OpAsmParser &parser, OperationState &result) {
  SmallVector<OpAsmParser::Argument> arguments;
  SmallVector<OpAsmParser::UnresolvedOperand> operands;
  FunctionType type;
  auto parsePairs = [&](StringRef keyword, int32_t &count) -> ParseResult {
    if (failed(parser.parseOptionalKeyword(keyword)))
      return success();
    size_t before = operands.size();
    auto parsePair = [&]() -> ParseResult {
      return failure(parser.parseArgument(arguments.emplace_back()) || parser.parseEqual() ||
                     parser.parseOperand(operands.emplace_back()));
    };
    if (parser.parseCommaSeparatedList(OpAsmParser::Delimiter::Paren, parsePair))
      return failure();
    count = operands.size() - before;
    return success();
  };
  auto &properties = result.getOrAddProperties<Properties>();
  int32_t carried = 0, sequences = 0;
  if (parsePairs("carry", carried) || parsePairs("over", sequences))
    return failure();
  SMLoc loc = parser.getCurrentLocation();
  NamedAttrList attributes;
  if (parser.parseOptionalAttrDictWithKeyword(attributes) || parser.parseColonType(type))
    return failure();
  if (type.getNumInputs() != operands.size())
    return parser.emitError(loc, "expected one type per operand");
  auto reversed = dyn_cast_or_null<DenseBoolArrayAttr>(attributes.erase("reversed"));
  size_t numStacked = type.getNumResults() - std::min<size_t>(carried, type.getNumResults());
  if (!reversed)
    reversed = parser.getBuilder().getDenseBoolArrayAttr(
        SmallVector<bool>(sequences + numStacked, false));
  properties.setReversed(reversed);
  properties.operandSegmentSizes = {carried, sequences};
  result.addAttributes(attributes);
  for (auto [i, argument] : llvm::enumerate(arguments)) {
    Type input = type.getInput(i);
    auto tensor = dyn_cast<RankedTensorType>(input);
    bool isSequence = static_cast<int32_t>(i) >= carried;
    if (isSequence && (!tensor || tensor.getRank() == 0))
      return parser.emitError(loc, "expected a sequence to be a tensor of rank one or more");
    argument.type = isSequence ? Type(sliceOf(input)) : input;
  }
  result.addTypes(type.getResults());
  Region *body = result.addRegion();
  return failure(parser.resolveOperands(operands, type.getInputs(), loc, result.operands) ||
                 parser.parseRegion(*body, arguments));
}

void ScanOp::print(OpAsmPrinter &printer) {
  auto printPairs = [&](StringRef keyword, ValueRange arguments, ValueRange operands) {
    if (operands.empty())
      return;
    printer << " " << keyword << " (";
    llvm::interleaveComma(llvm::zip(arguments, operands), printer, [&](auto pair) {
      printer << std::get<0>(pair) << " = " << std::get<1>(pair);
    });
    printer << ")";
  };
  printPairs("carry", getCarriedArguments(), getInitial());
  printPairs("over", getSliceArguments(), getSequences());
  SmallVector<StringRef> elided{getOperandSegmentSizesAttrName()};
  if (llvm::none_of(getReversed(), [](bool reversed) { return reversed; }))
    elided.push_back(getReversedAttrName());
  printer.printOptionalAttrDictWithKeyword((*this)->getAttrs(), elided);
  printer << " : ";
  printer.printFunctionalType(getOperandTypes(), getResultTypes());
  printer << " ";
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false);
}
