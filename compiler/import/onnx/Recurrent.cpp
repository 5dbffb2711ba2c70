//===- Recurrent.cpp - recurrent operators --------------------------------===//
//
// Rows for LSTM, GRU and RNN: a recurrent op for each direction. An LSTM whose gates read the cell (peepholes), that
// couples its gates, whose two tanhs are different functions, or whose operands are quantized on the way is no nn.lstm; it
// becomes the loop itself.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/Operators.h"
#include "llvm/ADT/StringExtras.h"

using namespace llvm;
using namespace mlir;

namespace sylvite::onnx {

namespace {

/// A function of gates.
struct Activation {
  /// What ONNX says about a function: its parameters when the node does not give them; absent: it has none.
  struct Known {
    StringLiteral name;
    std::optional<double> alpha, beta;
    Value (*build)(nn::ScalarBuilder &s, Value x, double alpha, double beta);
  };
  const Known *function = nullptr;
  double alpha = 0, beta = 0;
  double clip = 0; // a bound on the argument; 0: none

  bool operator==(const Activation &other) const {
    return function == other.function && alpha == other.alpha && beta == other.beta && clip == other.clip;
  }
  Value operator()(nn::ScalarBuilder &s, Value x) const {
    return function->build(s, clip > 0 ? s.clamp(x, -clip, clip) : x, alpha, beta);
  }
};

enum class CellKind { LSTM, GRU, RNN };

/// A node's attributes and inputs, checked; the batch stands first in `x` and in the states.
struct RecurrentNode {
  CellKind kind = CellKind::RNN;
  int64_t gates = 1, units = 1, directions = 1;
  bool isReverse = false, batchFirst = false;
  std::vector<Activation> activations; // of one direction after the other
  Value x, w, r, bias, mask, hidden, cell, peepholes;
  Value wScale, rScale, wZero, rZero; // of quantized weights; what they multiply is quantized as well
};

/// What one direction computes with, and what it gives.
struct Direction {
  bool goBackwards;
  ArrayRef<Activation> activations;
  Value kernel, recurrentKernel, bias, recurrentBias, hidden, cell, peepholes;
  Value kernelScale, recurrentScale, kernelZero, recurrentZero;
};
struct DirectionResults {
  Value sequence, hidden, cell; // (N, T, H), (N, H), (N, H)
};

} // namespace

//===----------------------------------------------------------------------===//
// Reading a node
//===----------------------------------------------------------------------===//

static ArrayRef<Activation::Known> knownActivations() {
  using nn::ScalarBuilder;
  const auto none = std::nullopt;
  static const Activation::Known functions[] = {
      {"affine", 1, 0,
       [](ScalarBuilder &s, Value x, double a, double b) { return s.add(s.mul(s.constant(a, x), x), s.constant(b, x)); }},
      {"elu", 1, none, [](ScalarBuilder &s, Value x, double a, double) { return s.elu(x, a); }},
      {"hardsigmoid", 0.2, 0.5,
       [](ScalarBuilder &s, Value x, double a, double b) {
         return s.clamp(s.add(s.mul(s.constant(a, x), x), s.constant(b, x)), 0, 1);
       }},
      {"leakyrelu", 0.01, none, [](ScalarBuilder &s, Value x, double a, double) { return s.leakyRelu(x, a); }},
      {"relu", none, none, [](ScalarBuilder &s, Value x, double, double) { return s.relu(x); }},
      {"scaledtanh", 1, 1,
       [](ScalarBuilder &s, Value x, double a, double b) {
         return s.mul(s.constant(a, x), s.tanh(s.mul(s.constant(b, x), x)));
       }},
      {"sigmoid", none, none, [](ScalarBuilder &s, Value x, double, double) { return s.sigmoid(x); }},
      {"softplus", none, none, [](ScalarBuilder &s, Value x, double, double) { return s.softplus(x); }},
      {"softsign", none, none, [](ScalarBuilder &s, Value x, double, double) { return s.softsign(x); }},
      {"tanh", none, none, [](ScalarBuilder &s, Value x, double, double) { return s.tanh(x); }},
      {"thresholdedrelu", 1, none,
       [](ScalarBuilder &s, Value x, double a, double) { return s.thresholdedRelu(x, a); }},
  };
  return functions;
}

/// The functions of all directions: `standard` for each where the node names none. A parameter is the next one of its
/// list for each function that has it.
static std::vector<Activation> readActivations(NodeBuilder &b, ArrayRef<StringRef> standard, int64_t directions) {
  std::vector<std::string> names = b.strings("activations").value_or(std::vector<std::string>());
  std::vector<double> alphas = b.numbers("activation_alpha").value_or(std::vector<double>()),
                      betas = b.numbers("activation_beta").value_or(std::vector<double>());
  double clip = b.number("clip", 0);
  if (clip < 0)
    b.refuse("clip", "a positive number");
  for (int64_t d = 0; d < directions && !b.hasAttribute("activations"); ++d)
    names.insert(names.end(), standard.begin(), standard.end());
  if (names.size() != standard.size() * directions)
    b.refuse("activations", Twine(standard.size() * directions) + " names of functions");
  std::vector<Activation> result;
  size_t alpha = 0, beta = 0;
  for (StringRef name : names) {
    const auto *function = llvm::find_if(
        knownActivations(), [&](const Activation::Known &known) { return name.equals_insensitive(known.name); });
    if (function == knownActivations().end()) {
      auto known = map_range(knownActivations(), [](const Activation::Known &f) { return f.name; });
      b.refuse("activations", join(known, ", "));
      return {};
    }
    // What an LSTM's cell holds is not bounded.
    bool isOfCell = standard.size() == 3 && result.size() % 3 == 2;
    Activation activation{function, 0, 0, isOfCell ? 0 : clip};
    if (function->alpha)
      activation.alpha = alpha < alphas.size() ? alphas[alpha++] : *function->alpha;
    if (function->beta)
      activation.beta = beta < betas.size() ? betas[beta++] : *function->beta;
    result.push_back(activation);
  }
  return result;
}

/// Reports when `x`, which may be absent, has a shape other than `shape`, or elements of another type than the input's, unless
/// it is quantized.
static Value expectShape(NodeBuilder &b, Value x, StringRef what, ArrayRef<AffineExpr> shape, bool isQuantized = false) {
  if (!x || b.failed())
    return {};
  bool fits = b.rank(x) == int64_t(shape.size()) && (isQuantized || b.type(x) == b.type(0u));
  for (auto [own, wanted] : zip(b.shape(x), shape)) // two free dimensions may have two names for one size
    fits &= areEqual(own, wanted) || (!constantDim(own) && !constantDim(wanted));
  if (!fits)
    b.error() << "its " << what << " has shape " << b.text(b.shape(x)) << "; supported: " << b.text(shape)
              << ", with elements of the input's type";
  return x;
}
static Value shapedInput(NodeBuilder &b, unsigned index, StringRef what, ArrayRef<AffineExpr> shape) {
  return expectShape(b, b.has(index) ? b.value(index) : Value(), what, shape);
}

/// Bytes (directions, columns, gates * units) in ONNX's order of dimensions.
static Value quantizedWeights(NodeBuilder &b, unsigned index) {
  Value weights = b.value(index);
  if (!b.failed() && (b.rank(weights) != 3 || b.type(weights).getIntOrFloatBitWidth() != 8))
    b.error() << "its weights have shape " << b.text(b.shape(weights)) << "; supported: three dimensions, bytes";
  return b.failed() ? Value() : b.transpose(weights, {0, 2, 1});
}
/// The zero points of quantized weights, (directions, 1) or (directions, gates * units); null when they are zero.
static Value zerosOf(NodeBuilder &b, unsigned index) {
  const Scalars *known = b.known(index);
  if (!b.has(index) || (known && all_of(*known, [](const Scalar &zero) { return zero.constant() == 0; })))
    return {};
  Value zero = b.cast(b.value(index), IntegerType::get(b.state.context, 32));
  return b.rank(zero) == 1 ? b.unsqueeze(zero, 1) : zero;
}
/// The scales of quantized weights, (directions, 1) or (directions, gates * units).
static Value scalesOf(NodeBuilder &b, unsigned index) {
  Value scale = b.value(index);
  return b.rank(scale) == 1 ? b.unsqueeze(scale, 1) : scale;
}

/// Which steps of (N, T) the lengths of the sequences, input 4, leave; null when all.
static Value maskOfLengths(NodeBuilder &b, AffineExpr items, AffineExpr steps) {
  if (!b.has(4) || b.failed())
    return {};
  if (const Scalars *known = b.known(4); known && constantDim(steps))
    if (all_of(*known, [&](const Scalar &length) { return length.constant() == constantDim(steps); }))
      return {};
  Type i64 = IntegerType::get(b.state.context, 64), i1 = IntegerType::get(b.state.context, 1);
  Value lengths = b.alignVector(b.cast(b.value(4), i64), 0, 2), step = b.indices({items, steps}, 1, i64);
  return b.map({step, lengths}, i1, [&](OpBuilder &builder, Location at, ValueRange v) {
    return ScalarMath(builder, at, i64).less(v[0], v[1]);
  });
}

static RecurrentNode readNode(NodeBuilder &b, CellKind kind, bool isQuantized) {
  RecurrentNode node;
  node.kind = kind;
  node.gates = kind == CellKind::LSTM ? 4 : kind == CellKind::GRU ? 3 : 1;
  StringRef direction = b.choice("direction", {"forward", "reverse", "bidirectional"});
  node.directions = direction == "bidirectional" ? 2 : 1;
  node.isReverse = direction == "reverse";
  node.batchFirst = b.integer("layout", 0) == 1;
  b.ignore({"output_sequence"}); // of operator set 6: whether the first result is used
  SmallVector<StringRef> standard{"Tanh"};
  if (kind != CellKind::RNN)
    standard.insert(standard.begin(), "Sigmoid");
  if (kind == CellKind::LSTM)
    standard.push_back("Tanh");
  node.activations = readActivations(b, standard, node.directions);

  node.x = b.value(0);
  node.w = isQuantized ? quantizedWeights(b, 1) : b.value(1);
  node.r = isQuantized ? quantizedWeights(b, 2) : b.value(2);
  if (isQuantized) {
    node.wScale = scalesOf(b, 8);
    node.wZero = zerosOf(b, 9);
    node.rScale = scalesOf(b, 10);
    node.rZero = zerosOf(b, 11);
  }
  if (b.failed())
    return node;
  if (b.rank(node.x) != 3 || b.rank(node.r) != 3 || !b.isFloat(0)) {
    b.error() << "its input and recurrence weights have shapes " << b.text(b.shape(node.x)) << " and "
              << b.text(b.shape(node.r)) << "; supported: floating-point numbers, with three dimensions each";
    return node;
  }
  node.units = b.extent(node.r, 2);
  if (b.integer("hidden_size", node.units) != node.units)
    b.refuse("hidden_size", "the " + Twine(node.units) + " of the recurrence weights");
  if (!node.batchFirst)
    node.x = b.transpose(node.x, {1, 0, 2});
  if (b.failed())
    return node;
  AffineExpr directions = b.expr(node.directions), units = b.expr(node.units), rows = b.expr(node.gates * node.units),
             items = b.shape(node.x)[0], steps = b.shape(node.x)[1], features = b.expr(b.extent(node.x, 2));
  expectShape(b, node.w, "weights", {directions, rows, features}, isQuantized);
  expectShape(b, node.r, "recurrence weights", {directions, rows, units}, isQuantized);
  node.bias = shapedInput(b, 3, "bias", {directions, rows * 2});
  node.mask = maskOfLengths(b, items, steps);
  auto state = [&](unsigned index, StringRef what) {
    ShapeExpr shape = node.batchFirst ? ShapeExpr{items, directions, units} : ShapeExpr{directions, items, units};
    Value x = b.has(index) ? b.value(index) : Value();
    // A model for one item at a time that was exported with a free batch.
    if (x && b.rank(x) == 3)
      if (auto size = constantDim(b.shape(x)[!node.batchFirst]); size && !constantDim(items))
        if (b.requireSize(items, *size, ("the " + what + " has that many items").str()))
          return Value();
    x = expectShape(b, x, what, shape);
    return x && node.batchFirst ? b.transpose(x, {1, 0, 2}) : x;
  };
  node.hidden = state(5, "initial hidden state");
  if (kind == CellKind::LSTM) {
    node.cell = state(6, "initial cell state");
    node.peepholes = shapedInput(b, 7, "peephole weights", {directions, units * 3});
  }
  return node;
}

//===----------------------------------------------------------------------===//
// One direction
//===----------------------------------------------------------------------===//

/// The parts of (gates * units, ...) that `order` names, one after the other.
static Value reorderGates(NodeBuilder &b, Value x, int64_t units, ArrayRef<int64_t> order) {
  if (!x || llvm::is_sorted(order))
    return x;
  SmallVector<Value> parts;
  for (int64_t gate : order)
    parts.push_back(b.slice(x, 0, gate * units, units));
  return b.concat(parts, 0);
}

/// Fills the region of a recurrent op, which gets the tensor of a gate, unless the op does that by itself.
static void fillActivation(NodeBuilder &b, Region &region, Type state, const Activation &activation, StringRef standard) {
  if (activation.function->name == standard && activation.clip == 0)
    return;
  OpBuilder &builder = b.state.body;
  OpBuilder::InsertionGuard guard(builder);
  Block *block = builder.createBlock(&region, {}, state, b.loc);
  nn::YieldOp::create(builder, b.loc, nn::mapUnary(builder, b.loc, block->getArgument(0), activation));
}

/// The recurrent op of the dialect.
static DirectionResults makeRecurrent(NodeBuilder &b, const RecurrentNode &node, const Direction &d, bool resetAfter) {
  if (b.failed())
    return {};
  Type element = b.type(node.x);
  ShapeExpr state{b.shape(node.x)[0], b.expr(node.units)}, sequence{state[0], b.shape(node.x)[1], state[1]};
  Type stateType = nn::typeOfShape(state, element), sequenceType = nn::typeOfShape(sequence, element);
  SmallVector<Type> types{sequenceType, stateType, stateType};
  OpBuilder &builder = b.state.body;
  // Outputs stand where their inputs do; those beyond a sequence's length are zero.
  bool reverse = d.goBackwards, zero = bool(node.mask);
  Operation *op;
  if (node.kind == CellKind::LSTM) {
    types.push_back(stateType);
    op = nn::LSTMOp::create(builder, b.loc, types, node.x, d.kernel, d.recurrentKernel, d.bias, d.hidden, d.cell,
                            node.mask, d.goBackwards, reverse, zero, FloatAttr(), FloatAttr(), false);
  } else if (node.kind == CellKind::GRU) {
    op = nn::GRUOp::create(builder, b.loc, types, node.x, d.kernel, d.recurrentKernel, d.bias, d.recurrentBias, d.hidden,
                           node.mask, resetAfter, d.goBackwards, reverse, zero, FloatAttr(), FloatAttr(), false);
  } else {
    op = nn::SimpleRNNOp::create(builder, b.loc, types, node.x, d.kernel, d.recurrentKernel, d.bias, d.hidden, node.mask,
                                 d.goBackwards, reverse, zero, FloatAttr(), FloatAttr(), false);
  }
  if (node.kind == CellKind::RNN) {
    fillActivation(b, op->getRegion(0), stateType, d.activations[0], "tanh");
  } else {
    fillActivation(b, op->getRegion(0), stateType, d.activations[1], "tanh");
    fillActivation(b, op->getRegion(1), stateType, d.activations[0], "sigmoid");
  }
  b.state.shapes[op->getResult(0)] = sequence;
  for (Value result : op->getResults().drop_front())
    b.state.shapes[result] = state;
  return {op->getResult(0), op->getResult(2), op->getNumResults() > 3 ? op->getResult(3) : Value()};
}

/// `x` times weights, both quantized if these have a scale.
static Value multiplyWeights(NodeBuilder &b, Value x, Value weights, Value scale, Value zero) {
  if (!scale)
    return b.matmul(x, weights);
  DynamicallyQuantized quantized = quantizeDynamically(b, x);
  Type type = b.type(x), i32 = IntegerType::get(b.state.context, 32);
  Value sum = multiplyQuantized(b, {quantized.numbers, b.cast(quantized.zero, i32)}, {weights, zero});
  return b.map({sum, quantized.scale, scale}, type, [&](OpBuilder &builder, Location at, ValueRange v) {
    ScalarMath s(builder, at, type);
    return s.mul(castScalar(builder, at, v[0], v[0].getType(), type), s.mul(v[1], v[2]));
  });
}

/// An LSTM as a loop over its steps; gates stand in ONNX's order: input, output, forget, candidate.
static DirectionResults makeLstmLoop(NodeBuilder &b, const RecurrentNode &node, const Direction &d, bool coupled) {
  int64_t units = node.units;
  // Steps of an item are rows together; of many items there may be one.
  Value inputs = multiplyWeights(b, node.x, d.kernel, d.kernelScale, d.kernelZero);
  if (d.bias)
    inputs = b.add(inputs, d.bias);
  inputs = b.transpose(inputs, {1, 0, 2});
  if (b.failed())
    return {};
  Type element = b.type(node.x);
  ShapeExpr state{b.shape(node.x)[0], b.expr(units)};
  SmallVector<Value> sequences{inputs}, carried{d.hidden, d.cell};
  if (node.mask)
    sequences.push_back(b.unsqueeze(b.transpose(node.mask, {1, 0}), 2));
  for (Value &initial : carried)
    if (!initial)
      initial = b.materialize(b.splat(state, element, Scalar()));
  SmallVector<Value> peepholes(3);
  for (int64_t gate = 0; d.peepholes && gate < 3; ++gate)
    peepholes[gate] = b.slice(d.peepholes, 0, gate * units, units);
  if (b.failed())
    return {};
  auto step = [&](ValueRange states, ValueRange slices) -> SmallVector<Value> {
    Value h = states[0], c = states[1];
    Value sums = b.add(slices[0], multiplyWeights(b, h, d.recurrentKernel, d.recurrentScale, d.recurrentZero));
    auto gate = [&](int64_t index, Value cell) {
      Value sum = b.slice(sums, 1, index * units, units);
      if (cell && peepholes[index])
        sum = b.add(sum, b.multiply(cell, peepholes[index]));
      return b.map(sum, d.activations[cell ? 0 : 1]);
    };
    Value in = gate(0, c);
    Value forget = coupled ? b.map(in, [](nn::ScalarBuilder &s, Value x) { return s.sub(s.constant(1, x), x); })
                           : gate(2, c);
    Value cell = b.add(b.multiply(forget, c), b.multiply(in, gate(3, Value())));
    Value hidden = b.multiply(gate(1, cell), b.map(cell, d.activations[2]));
    if (!node.mask)
      return {hidden, cell, hidden};
    auto select = [&](Value next, Value otherwise) {
      SmallVector<Operand> operands{slices[1], next};
      if (otherwise)
        operands.push_back(otherwise);
      return b.map(operands, element, [&](OpBuilder &builder, Location at, ValueRange v) {
        ScalarMath s(builder, at, element);
        return s.select(v[0], v[1], otherwise ? v[2] : s.constant(int64_t(0)));
      });
    };
    return {select(hidden, h), select(cell, c), select(hidden, Value())};
  };
  SmallVector<bool> reversed(sequences.size() + 1, d.goBackwards);
  SmallVector<Value> results = b.scan(carried, sequences, reversed, step);
  if (b.failed())
    return {};
  return {b.transpose(results[2], {1, 0, 2}), results[0], results[1]};
}

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

template <CellKind kind, bool isQuantized = false> static void recurrent(NodeBuilder &b) {
  RecurrentNode node = readNode(b, kind, isQuantized);
  bool coupled = kind == CellKind::LSTM && b.flag("input_forget", false),
       resetAfter = kind == CellKind::GRU && b.flag("linear_before_reset", false);
  SmallVector<Value> sequences, hiddens, cells;
  for (int64_t index = 0; index < node.directions && !b.failed(); ++index) {
    Direction d;
    d.goBackwards = node.isReverse || index == 1;
    size_t functions = node.activations.size() / node.directions;
    d.activations = ArrayRef<Activation>(node.activations).slice(index * functions, functions);
    bool isLoop = kind == CellKind::LSTM &&
                  (isQuantized || node.peepholes || coupled || !(d.activations[1] == d.activations[2]));
    // ONNX's gates of an LSTM are input, output, forget, candidate; the dialect's input, forget, candidate, output.
    SmallVector<int64_t> order{0, 1, 2, 3};
    if (kind == CellKind::LSTM && !isLoop)
      order = {0, 2, 3, 1};
    auto own = [&](Value all) { return all ? b.squeeze(b.slice(all, 0, index, 1), 0) : Value(); };
    auto matrix = [&](Value all) { return b.transpose(reorderGates(b, own(all), node.units, order), {1, 0}); };
    d.kernel = matrix(node.w);
    d.recurrentKernel = matrix(node.r);
    if (node.bias) {
      int64_t rows = node.gates * node.units;
      Value both = own(node.bias), input = reorderGates(b, b.slice(both, 0, 0, rows), node.units, order);
      Value recurrence = reorderGates(b, b.slice(both, 0, rows, rows), node.units, order);
      d.bias = kind == CellKind::GRU ? input : b.add(input, recurrence);
      d.recurrentBias = recurrence;
    }
    d.hidden = own(node.hidden);
    d.cell = own(node.cell);
    if (!d.hidden != !d.cell && kind == CellKind::LSTM && !b.failed()) { // one of the two is zero
      ShapeExpr state{b.shape(node.x)[0], b.expr(node.units)};
      (d.hidden ? d.cell : d.hidden) = b.materialize(b.splat(state, b.type(node.x), Scalar()));
    }
    d.peepholes = own(node.peepholes);
    d.kernelScale = own(node.wScale);
    d.recurrentScale = own(node.rScale);
    d.kernelZero = own(node.wZero);
    d.recurrentZero = own(node.rZero);
    DirectionResults results = isLoop ? makeLstmLoop(b, node, d, coupled) : makeRecurrent(b, node, d, resetAfter);
    sequences.push_back(results.sequence);
    hiddens.push_back(results.hidden);
    cells.push_back(results.cell);
  }
  if (b.failed())
    return;
  auto joined = [&](ArrayRef<Value> parts, int64_t dim) {
    SmallVector<Value> all;
    for (Value part : parts)
      all.push_back(b.unsqueeze(part, dim));
    return b.concat(all, dim);
  };
  if (b.wants(0) && !node.batchFirst) // (T, directions, N, H)
    for (Value &sequence : sequences)
      sequence = b.transpose(sequence, {1, 0, 2});
  b.result(b.wants(0) ? joined(sequences, node.batchFirst ? 2 : 1) : Value());
  b.result(b.wants(1) ? joined(hiddens, node.batchFirst) : Value());
  if (kind == CellKind::LSTM)
    b.result(b.wants(2) ? joined(cells, node.batchFirst) : Value());
}

ArrayRef<OperatorRow> recurrentOperators() {
  static const OperatorRow rows[] = {
      {"GRU", 1, kNewest, recurrent<CellKind::GRU>},
      {"LSTM", 1, kNewest, recurrent<CellKind::LSTM>},
      {"RNN", 1, kNewest, recurrent<CellKind::RNN>},
      {"com.microsoft::DynamicQuantizeLSTM", 1, kNewest, recurrent<CellKind::LSTM, true>},
  };
  return rows;
}

} // namespace sylvite::onnx
