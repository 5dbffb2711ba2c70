//===- ExpandRecurrent.cpp - nn-expand-recurrent ---------------------------===//
//
// Turns recurrent layers into a matrix product for the inputs of all steps and a time loop, nn.scan,
// whose body is the cell: the product with the last output, and maps of its columns. Sequences are (T, N, ...) inside, so
// that a step's slice is contiguous. In training, dropouts stand before the loop: their draws are those of all steps.
//
//===----------------------------------------------------------------------===//
#include "dialects/nn/TensorBuilder.h"
#include "passes/Passes.h"
#include "passes/nn/Utils.h"

#include "mlir/IR/IRMapping.h"

namespace sylvite {
#define GEN_PASS_DEF_EXPANDRECURRENT
#include "passes/Passes.h.inc"
} // namespace sylvite

using namespace mlir;
using namespace sylvite;
using namespace sylvite::nn;

namespace {

/// Makes the ops of cells.
class CellBuilder : public TensorBuilder {
public:
  using TensorBuilder::TensorBuilder;

  /// Columns [first, first + count) of a matrix.
  Value columns(Value x, int64_t first, int64_t count) {
    int64_t rows = cast<RankedTensorType>(x.getType()).getDimSize(0);
    return infer<SliceOp>(x, ArrayRef<int64_t>{0, first},
                          ArrayRef<int64_t>{ShapedType::isDynamic(rows) ? -1 : rows, count},
                          ArrayRef<int64_t>{1, 1});
  }
  /// Matrix `index` of a stack of them.
  Value matrix(Value stack, int64_t index) {
    auto type = cast<RankedTensorType>(stack.getType());
    SmallVector<int64_t> sizes = sliceSizes(type);
    sizes[0] = 1;
    Value slice = infer<SliceOp>(stack, ArrayRef<int64_t>{index, 0, 0}, sizes,
                                 ArrayRef<int64_t>{1, 1, 1});
    return ReshapeOp::create(*this, type.clone(type.getShape().drop_front()), slice,
                             ArrayRef<int64_t>{1, 2});
  }
  /// (N, T, F) times a kernel, plus a bias if there is one, as (T, N, ...): one matrix product over all steps, whose rows
  /// are steps and items together. Where both numbers are free they are the steps of an item, since there may be one item.
  Value project(Value x, Value kernel, Value bias) {
    auto type = cast<RankedTensorType>(x.getType());
    bool isMatrix = !type.isDynamicDim(0) || !type.isDynamicDim(1);
    int64_t items = type.getDimSize(0), steps = type.getDimSize(1);
    if (isMatrix) {
      x = transpose(x, {1, 0, 2});
      int64_t rows = type.isDynamicDim(0) || type.isDynamicDim(1) ? ShapedType::kDynamic : steps * items;
      x = ReshapeOp::create(*this, type.clone({rows, type.getDimSize(2)}), x, ArrayRef<int64_t>{-1, 2});
    }
    Value y = matmul(x, kernel);
    if (bias)
      y = add(y, bias);
    if (!isMatrix)
      return transpose(y, {1, 0, 2});
    auto flat = cast<RankedTensorType>(y.getType());
    return ReshapeOp::create(*this, flat.clone({steps, items, flat.getDimSize(1)}), y,
                             ArrayRef<int64_t>{-1, -1, 1});
  }
  /// The kernel (H, G * H) as G matrices (H, H): products with it are of an input for each gate.
  Value splitGates(Value kernel) {
    auto type = cast<RankedTensorType>(kernel.getType());
    int64_t units = type.getDimSize(0), gates = type.getDimSize(1) / units;
    Value split = ReshapeOp::create(*this, type.clone({units, gates, units}), kernel,
                                    ArrayRef<int64_t>{0, -1, -1});
    return transpose(split, {1, 0, 2});
  }
  /// `region` applied to `x`; `standard` where the layer leaves it open.
  Value activate(Region &region, Value x,
                 function_ref<Value(ScalarBuilder &, Value)> standard) {
    if (region.empty())
      return mapUnary(*this, getLoc(), x, standard);
    IRMapping mapping;
    mapping.map(region.getArgument(0), x);
    for (Operation &op : region.front().without_terminator())
      clone(op, mapping);
    return mapping.lookup(region.front().getTerminator()->getOperand(0));
  }
};

Value tanhOf(ScalarBuilder &s, Value x) { return s.tanh(x); }
Value sigmoidOf(ScalarBuilder &s, Value x) { return s.sigmoid(x); }

/// The loop around a cell. `Cell` computes the next states from the step's inputs and the states.
class Recurrence {
public:
  /// Computes one step: (builder, product of the step's input with the kernel, states) -> next states, the
  /// first of which is the output.
  using Cell = function_ref<SmallVector<Value>(CellBuilder &, Value, ValueRange)>;

  template <typename OpTy>
  static void expand(OpTy op, bool inTraining, ArrayRef<Value> initialStates, Cell cell) {
    CellBuilder b(op.getLoc(), op);
    Value input = projectInput(b, op, inTraining);
    SmallVector<Value> sequences{input}, carried;
    if (Value mask = op.getMask())
      sequences.push_back(columnOf(b, b.transpose(mask, {1, 0})));
    for (Value initial : initialStates)
      carried.push_back(initial ? initial
                                : Value(FullOp::create(b, op.getHidden().getType(),
                                                       APFloat(0.0), op.getInput(),
                                                       ArrayRef<int64_t>{0, -1})));
    unsigned numStates = carried.size();
    bool zeroOutput = op.getMask() && op.getZeroOutputForMask(), stacks = !op.getSequence().use_empty();
    // A masked output is a value of its own only when it is not the state.
    bool carriesOutput = zeroOutput && !op.getLast().use_empty();
    if (carriesOutput)
      carried.push_back(FullOp::create(b, op.getHidden().getType(), APFloat(0.0), op.getInput(),
                                       ArrayRef<int64_t>{0, -1}));
    SmallVector<bool> reversed(sequences.size(), op.getGoBackwards());
    if (stacks)
      reversed.push_back(op.getReverseOutputs());
    auto scan = ScanOp::create(
        b, carried, sequences, reversed,
        [&](OpBuilder &builder, Location loc, ValueRange states, ValueRange slices) {
          CellBuilder body(loc, builder);
          states = states.take_front(numStates);
          SmallVector<Value> next = cell(body, slices[0], states);
          Value output = next[0];
          if (op.getMask()) {
            if (zeroOutput)
              output = body.select(slices[1], output,
                                   mapUnary(body, loc, output, [](ScalarBuilder &s, Value x) {
                                     return s.constant(0, x);
                                   }));
            for (auto [value, state] : llvm::zip(next, states))
              value = body.select(slices[1], value, state);
            if (!zeroOutput)
              output = next[0];
          }
          if (carriesOutput)
            next.push_back(output);
          if (stacks)
            next.push_back(output);
          return next;
        });
    for (unsigned i = 0; i < numStates; ++i)
      op->getResult(2 + i).replaceAllUsesWith(scan.getResult(i));
    op.getLast().replaceAllUsesWith(scan.getResult(carriesOutput ? numStates : 0));
    if (stacks)
      op.getSequence().replaceAllUsesWith(b.transpose(scan.getResults().back(), {1, 0, 2}));
    op.erase();
  }

  /// What the hidden state is multiplied by before the recurrent kernel of each of `gates` gates reads it, (G, N, H), or
  /// (N, H) for a single one; null where nothing is dropped.
  template <typename OpTy> static Value stateMask(CellBuilder &b, OpTy op, bool inTraining, int64_t gates) {
    if (!inTraining || !op.getRecurrentDropout())
      return {};
    RankedTensorType state = op.getHidden().getType();
    SmallVector<int64_t> shape(state.getShape()), from{0, -1};
    if (gates > 1) {
      shape.insert(shape.begin(), gates);
      from.insert(from.begin(), -1);
    }
    Value ones = FullOp::create(b, state.clone(shape), APFloat(1.0), op.getInput(), from);
    return b.infer<DropoutOp>(ones, DropoutKind::Plain, *op.getRecurrentDropout(), ArrayRef<int64_t>());
  }

private:
  /// The products of all steps' inputs with the kernel, (T, N, G * H).
  template <typename OpTy> static Value projectInput(CellBuilder &b, OpTy op, bool inTraining) {
    Value kernel = op.getKernel(), bias = op.getBias();
    auto dropped = [&]() -> Value { // one draw for all steps
      return b.infer<DropoutOp>(op.getInput(), DropoutKind::Plain, *op.getDropout(), ArrayRef<int64_t>{1});
    };
    bool drops = inTraining && op.getDropout();
    if (!drops || !op.getDropoutByGate())
      return b.project(drops ? dropped() : op.getInput(), kernel, bias);
    int64_t units = op.getHidden().getType().getDimSize(1);
    int64_t gates = TensorBuilder::typeOf(kernel).getDimSize(1) / units;
    SmallVector<Value> products;
    for (int64_t gate = 0; gate < gates; ++gate) {
      Value part;
      if (bias)
        part = b.infer<SliceOp>(bias, ArrayRef<int64_t>{gate * units}, ArrayRef<int64_t>{units}, ArrayRef<int64_t>{1});
      products.push_back(b.project(dropped(), b.columns(kernel, gate * units, units), part));
    }
    return b.infer<ConcatOp>(products, 2);
  }
  /// A matrix with a last dimension of size one added.
  static Value columnOf(CellBuilder &b, Value x) {
    auto type = cast<RankedTensorType>(x.getType());
    return ReshapeOp::create(b, type.clone({type.getDimSize(0), type.getDimSize(1), 1}), x,
                             ArrayRef<int64_t>{0, 1, -1});
  }
};

/// `hidden` as recurrent kernels read it.
Value masked(CellBuilder &b, Value hidden, Value mask) { return mask ? b.multiply(hidden, mask) : hidden; }

/// The products of a hidden state with the recurrent kernels of some gates, which stand side by side in one; where `mask`
/// is given, each gate reads the state with a mask of its own.
class GateProducts {
public:
  /// `outside` stands before the loop.
  GateProducts(CellBuilder &outside, Value kernel, Value mask, int64_t units)
      : kernel(mask ? outside.splitGates(kernel) : kernel), mask(mask), units(units) {}

  Value multiply(CellBuilder &b, Value hidden) const {
    return b.matmul(masked(b, hidden, mask), kernel);
  }
  /// That of gate `index`.
  Value of(CellBuilder &b, Value products, int64_t index) const {
    return mask ? b.matrix(products, index) : b.columns(products, index * units, units);
  }

private:
  Value kernel, mask;
  int64_t units;
};

void expand(LSTMOp op, bool inTraining) {
  CellBuilder outside(op.getLoc(), op);
  int64_t units = op.getHidden().getType().getDimSize(1);
  GateProducts gates(outside, op.getRecurrentKernel(), Recurrence::stateMask(outside, op, inTraining, 4), units);
  Recurrence::expand(
      op, inTraining, {op.getInitialHidden(), op.getInitialCell()},
      [&](CellBuilder &b, Value input, ValueRange states) -> SmallVector<Value> {
        Value products = gates.multiply(b, states[0]);
        auto gate = [&](int64_t index) {
          return b.add(b.columns(input, index * units, units), gates.of(b, products, index));
        };
        Value i = b.activate(op.getRecurrentActivation(), gate(0), sigmoidOf);
        Value f = b.activate(op.getRecurrentActivation(), gate(1), sigmoidOf);
        Value g = b.activate(op.getActivation(), gate(2), tanhOf);
        Value o = b.activate(op.getRecurrentActivation(), gate(3), sigmoidOf);
        Value cell = b.add(b.multiply(f, states[1]), b.multiply(i, g));
        return {b.multiply(o, b.activate(op.getActivation(), cell, tanhOf)), cell};
      });
}

void expand(GRUOp op, bool inTraining) {
  CellBuilder outside(op.getLoc(), op);
  Value kernel = op.getRecurrentKernel(), resetKernel;
  Value mask = Recurrence::stateMask(outside, op, inTraining, 3), resetMask;
  int64_t units = op.getHidden().getType().getDimSize(1);
  auto biasOf = [&](int64_t gate) -> Value {
    return SliceOp::create(outside, op.getRecurrentBias(), ArrayRef<int64_t>{gate * units},
                           ArrayRef<int64_t>{units}, ArrayRef<int64_t>{1});
  };
  SmallVector<Value, 3> biases(3);
  for (int64_t gate = 0; gate < 3 && op.getRecurrentBias(); ++gate)
    biases[gate] = biasOf(gate);
  if (!op.getResetAfter()) { // the candidate has a product of its own
    resetKernel = outside.columns(kernel, 2 * units, units);
    kernel = outside.columns(kernel, 0, 2 * units);
    if (mask) {
      resetMask = outside.matrix(mask, 2);
      SmallVector<int64_t> sizes = TensorBuilder::sliceSizes(TensorBuilder::typeOf(mask));
      sizes[0] = 2;
      mask = outside.infer<SliceOp>(mask, ArrayRef<int64_t>{0, 0, 0}, sizes, ArrayRef<int64_t>{1, 1, 1});
    }
  }
  GateProducts gates(outside, kernel, mask, units);
  Recurrence::expand(
      op, inTraining, {op.getInitialHidden()},
      [&](CellBuilder &b, Value input, ValueRange states) -> SmallVector<Value> {
        Value hidden = states[0], products = gates.multiply(b, hidden);
        auto biased = [&](Value product, int64_t index) {
          return biases[index] ? b.add(product, biases[index]) : product;
        };
        auto inputOf = [&](int64_t index) { return b.columns(input, index * units, units); };
        auto gate = [&](int64_t index) {
          Value sum = b.add(inputOf(index), biased(gates.of(b, products, index), index));
          return b.activate(op.getRecurrentActivation(), sum, sigmoidOf);
        };
        Value z = gate(0), r = gate(1), candidate;
        if (op.getResetAfter())
          candidate = b.multiply(r, biased(gates.of(b, products, 2), 2));
        else
          candidate = biased(b.matmul(b.multiply(r, masked(b, hidden, resetMask)), resetKernel), 2);
        candidate = b.activate(op.getActivation(), b.add(inputOf(2), candidate), tanhOf);
        Value next = MapOp::create(b, ValueRange{z, hidden, candidate},
                                   [](OpBuilder &builder, Location loc, ValueRange v) {
                                     ScalarBuilder s(builder, loc);
                                     Value rest = s.sub(s.constant(1, v[0]), v[0]);
                                     return s.add(s.mul(v[0], v[1]), s.mul(rest, v[2]));
                                   });
        return {next};
      });
}

void expand(SimpleRNNOp op, bool inTraining) {
  Value kernel = op.getRecurrentKernel();
  CellBuilder outside(op.getLoc(), op);
  Value mask = Recurrence::stateMask(outside, op, inTraining, 1);
  Recurrence::expand(
      op, inTraining, {op.getInitialHidden()},
      [&](CellBuilder &b, Value input, ValueRange states) -> SmallVector<Value> {
        Value sum = b.add(b.matmul(masked(b, states[0], mask), kernel), input);
        return {b.activate(op.getActivation(), sum, tanhOf)};
      });
}

struct ExpandRecurrent : sylvite::impl::ExpandRecurrentBase<ExpandRecurrent> {
  using ExpandRecurrentBase::ExpandRecurrentBase;
  void runOnOperation() override { expandRecurrent(getOperation(), /*inTraining=*/false); }
};

} // namespace

void sylvite::expandRecurrent(func::FuncOp function, bool inTraining) {
  function.walk([&](LSTMOp op) { expand(op, inTraining); });
  function.walk([&](GRUOp op) { expand(op, inTraining); });
  function.walk([&](SimpleRNNOp op) { expand(op, inTraining); });
}
