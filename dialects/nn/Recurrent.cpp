//===- Recurrent.cpp - recurrent layers ------------------------------------===//
//
// Shapes and checks of nn.lstm, nn.gru and nn.simple_rnn.
//
//===----------------------------------------------------------------------===//
#include "dialects/nn/NN.h"

using namespace mlir;
using namespace sylvite::nn;

static bool agree(int64_t a, int64_t b) {
  return ShapedType::isDynamic(a) || ShapedType::isDynamic(b) || a == b;
}

/// Whether `value` is absent or has `shape` (free dimensions agree with all).
static bool hasShape(Value value, ArrayRef<int64_t> shape) {
  if (!value)
    return true;
  auto type = cast<RankedTensorType>(value.getType());
  if (type.getRank() != static_cast<int64_t>(shape.size()))
    return false;
  for (auto [a, b] : llvm::zip(type.getShape(), shape))
    if (!agree(a, b))
      return false;
  return true;
}

/// The types of the sequence, of the last output and of `numStates` states, after the constraints on operands.
template <typename Adaptor>
static LogicalResult inferRecurrent(std::optional<Location> loc, Adaptor adaptor, int64_t gates,
                                    ArrayRef<Value> biases, ArrayRef<Value> states,
                                    SmallVectorImpl<Type> &types) {
  auto input = cast<RankedTensorType>(adaptor.getInput().getType());
  auto kernel = cast<RankedTensorType>(adaptor.getKernel().getType());
  auto recurrent = cast<RankedTensorType>(adaptor.getRecurrentKernel().getType());
  bool matrices = input.getRank() == 3 && kernel.getRank() == 2 && recurrent.getRank() == 2 &&
                  kernel.hasStaticShape() && recurrent.hasStaticShape();
  if (!matrices || !agree(input.getDimSize(2), kernel.getDimSize(0)) ||
      recurrent.getDimSize(1) != gates * recurrent.getDimSize(0) ||
      kernel.getDimSize(1) != recurrent.getDimSize(1) ||
      input.getElementType() != kernel.getElementType() ||
      input.getElementType() != recurrent.getElementType())
    return emitOptionalError(loc, "recurrent_c1: the input ", input, ", the kernel ", kernel,
                             " and the recurrent kernel ", recurrent,
                             " are not (N, T, F), (F, ", gates, " H) and (H, ", gates, " H)");
  int64_t items = input.getDimSize(0), units = recurrent.getDimSize(0);
  for (Value bias : biases)
    if (!hasShape(bias, {gates * units}))
      return emitOptionalError(loc, "recurrent_c2: a bias is ", bias.getType(), ", not a vector of ",
                               gates * units);
  auto state = RankedTensorType::get({items, units}, input.getElementType());
  for (Value initial : states)
    if (initial && initial.getType() != state)
      return emitOptionalError(loc, "recurrent_c3: an initial state is ", initial.getType(), ", not ",
                               state);
  if (!hasShape(adaptor.getMask(), {items, input.getDimSize(1)}))
    return emitOptionalError(loc, "recurrent_c4: the mask is ", adaptor.getMask().getType(),
                             ", the input ", input);
  types.push_back(RankedTensorType::get({items, input.getDimSize(1), units}, input.getElementType()));
  types.append(1 + states.size(), state);
  return success();
}

/// recurrent_c5 and recurrent_c6.
template <typename OpTy> static LogicalResult verifyRecurrent(OpTy op) {
  for (auto rate : {op.getDropout(), op.getRecurrentDropout()})
    if (rate && !(rate->convertToDouble() >= 0 && rate->convertToDouble() < 1))
      return op->emitOpError("recurrent_c6: a rate of dropout is ") << rate->convertToDouble();
  Type state = op.getHidden().getType();
  for (Region &region : op->getRegions()) {
    if (region.empty())
      continue;
    TypeRange yielded = region.front().getTerminator()->getOperandTypes();
    if (region.getArgumentTypes() != TypeRange(state) || yielded != TypeRange(state))
      return op->emitOpError("recurrent_c5: an activation does not get and yield one ") << state;
  }
  return success();
}

LogicalResult LSTMOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc,
                                       ValueRange operands, DictionaryAttr attributes,
                                       OpaqueProperties properties, RegionRange regions,
                                       SmallVectorImpl<Type> &types) {
  Adaptor adaptor(operands, attributes, properties, regions);
  if (!adaptor.getInitialHidden() != !adaptor.getInitialCell())
    return emitOptionalError(loc, "lstm_c1: one of the two initial states is missing");
  return inferRecurrent(loc, adaptor, 4, {adaptor.getBias()},
                        {adaptor.getInitialHidden(), adaptor.getInitialCell()}, types);
}
LogicalResult LSTMOp::verify() {
  return verifyRecurrent(*this);
}

LogicalResult GRUOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc,
                                      ValueRange operands, DictionaryAttr attributes,
                                      OpaqueProperties properties, RegionRange regions,
                                      SmallVectorImpl<Type> &types) {
  Adaptor adaptor(operands, attributes, properties, regions);
  return inferRecurrent(loc, adaptor, 3, {adaptor.getBias(), adaptor.getRecurrentBias()},
                        {adaptor.getInitialHidden()}, types);
}
LogicalResult GRUOp::verify() {
  return verifyRecurrent(*this);
}

LogicalResult SimpleRNNOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc,
                                            ValueRange operands, DictionaryAttr attributes,
                                            OpaqueProperties properties, RegionRange regions,
                                            SmallVectorImpl<Type> &types) {
  Adaptor adaptor(operands, attributes, properties, regions);
  return inferRecurrent(loc, adaptor, 1, {adaptor.getBias()}, {adaptor.getInitialHidden()}, types);
}
LogicalResult SimpleRNNOp::verify() {
  return verifyRecurrent(*this);
}
