//===- Recurrent.cpp - recurrent layers -----------------------------------===//
//
// Rows for LSTM, GRU, SimpleRNN, RNN over cells or a stack of cells, Bidirectional, and convolutional LSTMs. A stack of cells is
// one recurrent op per cell: each reads the whole sequence of the one before it.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/keras/Layers.h"
#include "compiler/import/keras/Windows.h"
#include "llvm/ADT/StringSwitch.h"

using namespace llvm;
using namespace mlir;
using namespace sylvite;
using namespace sylvite::keras;

namespace {

/// How a layer walks over its input, beside what its cells compute.
struct Walk {
  bool returnSequences = false, returnState = false;
  bool goBackwards = false, reverseOutputs = false;
  bool zeroOutput = false; // of masked steps, instead of the output before
  bool stateful = false;
};

/// What a walk gives: `sequence` in the order of the steps, `last` and the states after it.
struct Walked {
  Value sequence, last;
  SmallVector<Value> states;
};

} // namespace

static Walk readWalk(LayerBuilder &b) {
  Walk walk;
  walk.returnSequences = b.boolean("return_sequences", false);
  walk.returnState = b.boolean("return_state", false);
  walk.goBackwards = b.boolean("go_backwards", false);
  walk.stateful = b.boolean("stateful", false);
  // An unrolled loop never sets outputs to zero.
  bool unroll = b.boolean("unroll", false);
  walk.zeroOutput = b.boolean("zero_output_for_mask", false) && !unroll;
  if (b.boolean("time_major", false))
    b.refuse("time_major", "false");
  return walk;
}

//===----------------------------------------------------------------------===//
// Cells
//===----------------------------------------------------------------------===//

/// Fills `region` with the activation that attribute `key` names; leaves it empty for the op's own.
static void fillActivation(LayerBuilder &b, Region &region, Type state, StringRef key, StringRef standard) {
  const Json *json = b.attribute(key);
  if (!member(*b.layer.config, key) || (json && asString(json) == standard) || b.failed())
    return;
  OpBuilder::InsertionGuard guard(b.builder);
  Block *block = b.builder.createBlock(&region, {}, state, b.loc);
  if (Value y = activate(b, block->getArgument(0), key))
    nn::YieldOp::create(b.builder, b.loc, y);
}

/// The types of ops before they are inferred.
static SmallVector<Type> placeholders(LayerBuilder &b, unsigned count) {
  return SmallVector<Type>(count, RankedTensorType::get({}, b.builder.getF32Type()));
}

namespace {
/// What cells drop in training.
struct CellDropout {
  FloatAttr ofInput, ofState;
  bool byGate = false;
};
} // namespace

/// Reads attributes of cells that training alone reads, or that choose among equal computations.
static CellDropout readDropout(LayerBuilder &b) {
  b.ignore({"dropout", "recurrent_dropout", "implementation", "unit_forget_bias", "use_cudnn"});
  CellDropout dropout;
  if (!b.isTrained())
    return dropout;
  auto rate = [&](StringRef key) {
    double value = b.number(key, 0);
    return value > 0 && value < 1 ? b.builder.getF64FloatAttr(value) : FloatAttr();
  };
  dropout.ofInput = rate("dropout");
  dropout.ofState = rate("recurrent_dropout");
  // Keras computes the gates one by one then.
  dropout.byGate = dropout.ofInput && (dropout.ofState || b.number("implementation", 2) == 1);
  return dropout;
}

/// The sizes and matrices that all cells have.
struct CellWeights {
  CellWeights(LayerBuilder &b, LayerBuilder &owner, Value x, int64_t gates)
      : units(b.integer("units", std::nullopt)) {
    kernel = owner.variable("kernel", {b.extent(x, 2), gates * units}, "kernel_initializer", "glorot_uniform");
    recurrent = owner.variable("recurrent_kernel", {units, gates * units}, "recurrent_initializer", "orthogonal");
  }
  int64_t units;
  Value kernel, recurrent, bias;
};

/// One recurrent op. `b` has the cell's attributes, `owner` its variables; `states` are the initial ones, null
/// for zeros.
static Walked walkCell(LayerBuilder &b, LayerBuilder &owner, StringRef className, Value x,
                       ArrayRef<Value> states, Value mask, const Walk &walk) {
  CellDropout dropout = readDropout(b);
  bool isLSTM = className.starts_with("LSTM"), isGRU = className.starts_with("GRU");
  int64_t gates = isLSTM ? 4 : isGRU ? 3 : 1;
  CellWeights weights(b, owner, x, gates);
  bool resetAfter = isGRU && b.boolean("reset_after", true);
  Value recurrentBias;
  if (b.boolean("use_bias", true)) {
    Dims shape{gates * weights.units};
    if (resetAfter)
      shape.insert(shape.begin(), 2);
    weights.bias = owner.variable("bias", shape, "bias_initializer", "zeros");
    if (resetAfter) {
      auto row = [&](int64_t index) {
        return b.reshape(b.slice(weights.bias, {index, 0}, {1, shape[1]}), {shape[1]}, {1});
      };
      recurrentBias = row(1);
      weights.bias = row(0);
    }
  }
  if (b.failed() || owner.failed())
    return {};
  // The forget gate, the second of four, begins open.
  if (isLSTM && weights.bias && b.boolean("unit_forget_bias", true))
    owner.overwriteDrawn(weights.bias, weights.units, weights.units, 1);
  Operation *op;
  if (isLSTM)
    op = nn::LSTMOp::create(b.builder, b.loc, placeholders(b, 4), x, weights.kernel, weights.recurrent,
                            weights.bias, states[0], states[1], mask, walk.goBackwards,
                            walk.reverseOutputs, walk.zeroOutput, dropout.ofInput, dropout.ofState, dropout.byGate);
  else if (isGRU)
    op = nn::GRUOp::create(b.builder, b.loc, placeholders(b, 3), x, weights.kernel, weights.recurrent,
                           weights.bias, recurrentBias, states[0], mask, resetAfter, walk.goBackwards,
                           walk.reverseOutputs, walk.zeroOutput, dropout.ofInput, dropout.ofState, dropout.byGate);
  else
    op = nn::SimpleRNNOp::create(b.builder, b.loc, placeholders(b, 3), x, weights.kernel,
                                 weights.recurrent, weights.bias, states[0], mask, walk.goBackwards,
                                 walk.reverseOutputs, walk.zeroOutput, dropout.ofInput, dropout.ofState, false);
  if (!b.infer(op))
    return {};
  Type state = op->getResult(1).getType();
  fillActivation(b, op->getRegion(0), state, "activation", "tanh");
  if (op->getNumRegions() > 1)
    fillActivation(b, op->getRegion(1), state, "recurrent_activation", "sigmoid");
  Walked walked{op->getResult(0), op->getResult(1), {}};
  walked.states.append(op->result_begin() + 2, op->result_end());
  return walked;
}

//===----------------------------------------------------------------------===//
// Layers
//===----------------------------------------------------------------------===//

namespace {
/// One cell of a layer, with the builders of its attributes and of its variables.
struct Cell {
  std::string className;
  LayerBuilder builder;
  unsigned numStates() const { return StringRef(className).starts_with("LSTM") ? 2 : 1; }
};
} // namespace

static bool isCell(StringRef name) { return name == "LSTMCell" || name == "GRUCell" || name == "SimpleRNNCell"; }

/// Appends the cells of `json`, an RNN's cell, kept below `part`.
static void collectCells(LayerBuilder &b, const Json &json, const std::string &part, Value x,
                         std::vector<Cell> &cells) {
  StringRef className = asString(member(json, "class_name")).value_or("");
  if (className == "StackedRNNCells") {
    const Json *config = member(json, "config");
    const Json *list = config ? member(*config, "cells") : nullptr;
    if (!list || !list->is_array() || list->empty())
      return b.refuse("cell", "cells of class LSTMCell, GRUCell, SimpleRNNCell, and stacks of them");
    std::map<std::string, unsigned> counts; // Keras numbers list elements by class
    for (const Json &cell : *list) {
      std::string name = toSnakeCase(asString(member(cell, "class_name")).value_or(""));
      unsigned number = counts[name]++;
      collectCells(b, cell, part + "/cells/" + name + (number ? "_" + std::to_string(number) : ""), x, cells);
    }
    return;
  }
  if (!isCell(className))
    return b.refuse("cell", "cells of class LSTMCell, GRUCell, SimpleRNNCell, and stacks of them");
  cells.push_back({className.str(), b.part(json, part, x)});
}

/// The layer `b` on `x`, with the initial states that it is called with, or none.
static Walked walkLayer(LayerBuilder &b, Value x, ArrayRef<Value> states, Value mask, const Walk &walk) {
  std::vector<Cell> cells;
  bool ownsCell = b.layer.className != "RNN";
  if (ownsCell) {
    std::string name = b.layer.className + "Cell";
    cells.push_back({name, b.part(name, toSnakeCase(name), *b.layer.config, "cell", x)});
  } else if (const Json *cell = b.attribute("cell")) {
    collectCells(b, *cell, "cell", x, cells);
  } else {
    b.refuse("cell", "a cell");
  }
  unsigned numStates = 0;
  for (Cell &cell : cells)
    numStates += cell.numStates();
  SmallVector<Value> initial(states);
  if (!initial.empty() && initial.size() != numStates)
    b.error() << "it is called with " << initial.size() << " initial states; supported: " << numStates;
  initial.resize(numStates);
  Walked all;
  for (auto [i, cell] : llvm::enumerate(cells)) {
    bool isLast = i + 1 == cells.size();
    Walk own = walk;
    if (!isLast) { // the next cell finds each output where its input was
      own.reverseOutputs = walk.goBackwards;
      own.zeroOutput = false;
    }
    if (b.failed())
      return {};
    unsigned first = all.states.size();
    SmallVector<Value> cellStates(ArrayRef<Value>(initial).slice(first, cell.numStates()));
    LayerBuilder &attributes = ownsCell ? b : cell.builder;
    if (walk.stateful) // the handle keeps them from call to call
      for (auto [k, state] : llvm::enumerate(cellStates)) {
        int64_t units = attributes.integer("units", std::nullopt);
        Value kept = attributes.failed() ? Value() : b.loadState(first + k, x, units);
        state = state ? state : kept;
      }
    Walked walked = walkCell(attributes, cell.builder, cell.className, x, cellStates, mask, own);
    if (ownsCell) // the cell has read those of its variables
      b.ignore({"kernel_constraint", "recurrent_constraint", "bias_constraint"});
    b.finish(cell.builder, /*checkAttributes=*/!ownsCell);
    if (b.failed())
      return {};
    if (walk.stateful)
      for (auto [k, state] : llvm::enumerate(walked.states))
        b.storeState(first + k, state);
    all.sequence = x = walked.sequence;
    all.last = walked.last;
    all.states.append(walked.states);
  }
  return all;
}

/// Emits the results of a layer.
static void giveResults(LayerBuilder &b, ArrayRef<Value> outputs, ArrayRef<Value> states, const Walk &walk,
                        Value mask) {
  for (Value output : outputs)
    b.result(output, walk.returnSequences ? mask : Value());
  if (walk.returnState)
    for (Value state : states)
      b.result(state);
}

/// The input, and the initial states that the layer is called with: Keras 2 gave them in one list.
static std::pair<Value, SmallVector<Value>> readCall(LayerBuilder &b) {
  Value x = b.floatInput();
  b.expectRank(x, 3);
  SmallVector<Value> first = b.tensorsOf(0, "sequences"), states = b.tensorsOf(1, "initial_state");
  if (first.size() > 1)
    states.assign(first.begin() + 1, first.end());
  return {x, states};
}

/// The mask of the steps that are left out. Called with states beside its input, a layer of Keras does not look at its input's
/// mask; the result has that mask all the same.
static Value stepMask(LayerBuilder &b) {
  bool hasStates = !b.tensorsOf(1, "initial_state").empty(), isGiven = !b.tensorsOf(~0u, "mask").empty();
  return hasStates && !isGiven ? Value() : b.maskArgument();
}

static void recurrent(LayerBuilder &b) {
  auto [x, states] = readCall(b);
  Walk walk = readWalk(b);
  Walked walked = b.failed() ? Walked() : walkLayer(b, x, states, stepMask(b), walk);
  giveResults(b, walk.returnSequences ? walked.sequence : walked.last, walked.states, walk, b.maskArgument());
}

static bool isRecurrent(const LayerBuilder &b) {
  return llvm::is_contained({"LSTM", "GRU", "SimpleRNN", "RNN"}, StringRef(b.layer.className));
}

static void bidirectional(LayerBuilder &b) {
  auto [x, states] = readCall(b);
  Value mask = stepMask(b);
  const Json *forward = b.attribute("layer"), *backward = b.attribute("backward_layer");
  const Json *modeGiven = member(*b.layer.config, "merge_mode");
  b.ignore({"merge_mode"});
  StringRef mode = !modeGiven ? "concat" : asString(modeGiven).value_or("");
  if (!llvm::StringSwitch<bool>(mode).Cases({"concat", "sum", "ave", "mul"}, true).Default(modeGiven && modeGiven->is_null()))
    return b.refuse("merge_mode", "\"concat\", \"sum\", \"ave\", \"mul\", null");
  if (!forward)
    return b.refuse("layer", "a layer of class LSTM, GRU, SimpleRNN, RNN");
  LayerBuilder first = b.part(*forward, "forward_layer", x);
  LayerBuilder second = b.part(backward ? *backward : *forward, "backward_layer", x);
  for (const LayerBuilder *part : {&first, &second})
    if (!isRecurrent(*part))
      return b.refuse("layer", "a layer of class LSTM, GRU, SimpleRNN, RNN");
  Walk walk = readWalk(first), back = readWalk(second);
  if (!backward)
    back.goBackwards = !walk.goBackwards;
  if (walk.goBackwards == back.goBackwards || walk.returnSequences != back.returnSequences ||
      walk.returnState != back.returnState)
    return b.refuse("backward_layer", "a layer that goes the other way and returns the same");
  // Keras sets both: outputs of masked steps are zero; the backward layer's are turned around.
  for (Walk *each : {&walk, &back})
    each->zeroOutput = each->returnSequences && !(each == &walk ? first : second).boolean("unroll", false);
  back.reverseOutputs = back.returnSequences;
  ArrayRef<Value> initial(states);
  size_t half = initial.size() / 2;
  Walked y = walkLayer(first, x, initial.take_front(half), mask, walk);
  b.finish(first);
  if (b.failed()) // one error is enough
    return;
  Walked z = walkLayer(second, x, initial.drop_front(half), mask, back);
  b.finish(second);
  if (b.failed())
    return;
  Value left = walk.returnSequences ? y.sequence : y.last, right = walk.returnSequences ? z.sequence : z.last;
  SmallVector<Value> outputs, after(y.states);
  after.append(z.states);
  if (mode == "concat")
    outputs = {b.make<nn::ConcatOp>(ValueRange{left, right}, rankOf(left) - 1)};
  else if (mode == "sum")
    outputs = {b.add(left, right)};
  else if (mode == "mul")
    outputs = {b.multiply(left, right)};
  else if (mode == "ave")
    outputs = {b.map(left, right, [](nn::ScalarBuilder &s, Value p, Value q) {
      return s.mul(s.add(p, q), s.constant(0.5, p));
    })};
  else
    outputs = {left, right};
  giveResults(b, outputs, after, walk, b.maskArgument());
}

//===----------------------------------------------------------------------===//
// Convolutional LSTM
//===----------------------------------------------------------------------===//

/// An LSTM whose products are convolutions: one of all steps' inputs, and in the loop one of the state.
template <unsigned n> static void convLSTM(LayerBuilder &b) {
  Value x = b.floatInput();
  b.expectRank(x, n + 3);
  Walk walk = readWalk(b);
  bool first = b.channelsFirst();
  int64_t filters = b.integer("filters", std::nullopt);
  Dims size = b.tuple("kernel_size", n, std::nullopt), strides = b.tuple("strides", n, 1),
       dilations = b.tuple("dilation_rate", n, 1), ones(n, 1);
  StringRef padding = b.choice("padding", {"valid", "same"});
  b.ignore({"seed", "unit_forget_bias"});
  for (StringRef key : {"dropout", "recurrent_dropout"}) {
    if (b.isTrained() && b.number(key, 0) > 0)
      b.refuse(key, "0 in training");
    b.ignore({key});
  }
  if (walk.stateful)
    b.refuse("stateful", "false");
  if (b.maskArgument())
    b.error() << "some of its steps are masked; supported: all steps";
  SmallVector<Value> states = b.tensorsOf(1, "initial_state");
  if (!states.empty() && states.size() != 2)
    b.error() << "it is called with " << states.size() << " initial states; supported: 2";
  LayerBuilder cell = b.part("ConvLSTMCell", "conv_lstm_cell", *b.layer.config, "cell", x);
  Value items = b.toChannelsLast(b.mergeDims(x, 0, 2), first);
  auto filter = [&](StringRef name, int64_t channels, StringRef initializer, StringRef otherwise) {
    Dims shape(size);
    shape.append({channels, 4 * filters});
    return cell.variable(name, shape, initializer, otherwise);
  };
  Value kernel = filter("kernel", b.extent(items, n + 1), "kernel_initializer", "glorot_uniform");
  Value recurrent = filter("recurrent_kernel", filters, "recurrent_initializer", "orthogonal");
  Padding pad = padWindows(b, items, padding, size, strides, dilations);
  Value gates = b.make<nn::ConvOp>(items, kernel, strides, dilations, pad.low, pad.high, 1);
  if (b.boolean("use_bias", true)) {
    Value bias = cell.variable("bias", {4 * filters}, "bias_initializer", "zeros");
    if (bias && b.boolean("unit_forget_bias", true)) // the forget gate, the second of four, begins open
      cell.overwriteDrawn(bias, filters, filters, 1);
    gates = b.add(gates, bias);
  }
  b.finish(cell, /*checkAttributes=*/false);
  b.ignore({"kernel_constraint", "recurrent_constraint", "bias_constraint"});
  gates = b.splitDim(gates, 0, x, {0, 1});
  Dims stepsFirst(llvm::to_vector(llvm::seq<int64_t>(0, n + 3)));
  std::swap(stepsFirst[0], stepsFirst[1]);
  gates = b.transpose(gates, stepsFirst);
  for (Value &state : states)
    state = b.toChannelsLast(b.toFloat(state), first);
  if (b.failed())
    return;
  if (states.empty()) {
    Dims shape(shapeOf(gates).drop_front()), from(llvm::to_vector(llvm::seq<int64_t>(1, n + 3)));
    shape.back() = filters;
    from.back() = -1;
    Value zeros = nn::FullOp::create(b.builder, b.loc, RankedTensorType::get(shape, b.builder.getF32Type()), APFloat(0.0),
                                     gates, from);
    states = {zeros, zeros};
  }
  auto step = [&](OpBuilder &builder, Location loc, ValueRange before, ValueRange slices) -> SmallVector<Value> {
    OpBuilder::InsertionGuard guard(b.builder);
    b.builder.setInsertionPoint(builder.getInsertionBlock(), builder.getInsertionPoint());
    Value state = before[0];
    Padding same = padWindows(b, state, "same", size, ones, ones);
    Value all = b.add(slices[0], b.make<nn::ConvOp>(state, recurrent, ones, ones, same.low, same.high, 1));
    auto gate = [&](int64_t index, StringRef activation) {
      auto at = [&](int64_t value) { return getAffineConstantExpr(value, b.builder.getContext()); };
      return activate(b, b.take(all, n + 1, at(index * filters), at(filters)), activation);
    };
    Value input = gate(0, "recurrent_activation"), forget = gate(1, "recurrent_activation"),
          candidate = gate(2, "activation"), output = gate(3, "recurrent_activation");
    Value carry = b.add(b.multiply(forget, before[1]), b.multiply(input, candidate));
    Value next = b.multiply(output, activate(b, carry, "activation"));
    if (b.failed()) // reported; the loop is dropped with the function
      next = carry = before[0];
    return walk.returnSequences ? SmallVector<Value>{next, carry, next} : SmallVector<Value>{next, carry};
  };
  SmallVector<bool> reversed{walk.goBackwards};
  if (walk.returnSequences)
    reversed.push_back(false);
  auto scan = nn::ScanOp::create(b.builder, b.loc, states, ValueRange{gates}, reversed, step);
  if (b.failed())
    return;
  if (walk.returnSequences) { // (T, N, spatial..., F)
    Dims order{1, 0};
    if (first)
      order.push_back(n + 2);
    for (unsigned i = 0; i < n; ++i)
      order.push_back(i + 2);
    if (!first)
      order.push_back(n + 2);
    b.result(b.transpose(scan.getResult(2), order));
  } else {
    b.result(b.fromChannelsLast(scan.getResult(0), first));
  }
  if (walk.returnState)
    for (unsigned i = 0; i < 2; ++i)
      b.result(b.fromChannelsLast(scan.getResult(i), first));
}

ArrayRef<LayerRow> keras::recurrentLayers() {
  static const LayerRow rows[] = {
      {"Bidirectional", bidirectional, Masks::Own},
      {"ConvLSTM1D", convLSTM<1>, Masks::Own},
      {"ConvLSTM2D", convLSTM<2>, Masks::Own},
      {"ConvLSTM3D", convLSTM<3>, Masks::Own},
      {"GRU", recurrent, Masks::Own},
      {"LSTM", recurrent, Masks::Own},
      {"RNN", recurrent, Masks::Own},
      {"SimpleRNN", recurrent, Masks::Own},
  };
  return rows;
}
