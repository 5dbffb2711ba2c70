//===- Training.cpp - optimizers as operators -----------------------------===//
//
// Rows for ai.onnx.preview.training: one step of an optimizer for each of its tensors. Inputs are the learning rate R,
// the number of updates T, then all tensors, all gradients, and the optimizer's state.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/Operators.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace llvm;
using namespace mlir;

namespace sylvite::onnx {

/// The number of tensors that are updated, when each comes with `groups` inputs; zero after a failure.
static unsigned countTensors(NodeBuilder &b, unsigned groups) {
  unsigned count = b.numInputs() < 2 ? 0 : (b.numInputs() - 2) / groups;
  if (count && b.numInputs() == 2 + groups * count)
    return count;
  b.error() << "it has " << b.numInputs() << " inputs; supported: 2, and " << groups << " for each tensor";
  return 0;
}

using Body = llvm::function_ref<Value(ScalarMath &, ValueRange)>;

/// A map over `operands`, all of the type of the first; the updates T are converted.
static Value update(NodeBuilder &b, ArrayRef<Operand> operands, Body body) {
  Type type = b.type(2u);
  return b.map(operands, type, [&](OpBuilder &builder, Location at, ValueRange v) {
    ScalarMath s(builder, at, type);
    return body(s, v);
  });
}

static Value squareRoot(ScalarMath &s, Value x) { return math::SqrtOp::create(s.b, s.loc, x); }

static void adagrad(NodeBuilder &b) {
  unsigned count = countTensors(b, 3);
  double decay = b.number("decay_factor", 0), epsilon = b.number("epsilon", 1e-6), norm = b.number("norm_coefficient", 0);
  SmallVector<Value> tensors, states;
  for (unsigned i = 0; i < count && !b.failed(); ++i) {
    Value rate = b.value(0), updates = b.cast(b.value(1), b.type(2u));
    Value x = b.value(2 + i), g = b.value(2 + count + i), h = b.value(2 + 2 * count + i);
    Value gradient = update(b, {x, g}, [&](ScalarMath &s, ValueRange v) {
      return s.add(s.mul(s.constant(norm), v[0]), v[1]);
    });
    Value state = update(b, {h, gradient}, [&](ScalarMath &s, ValueRange v) { return s.add(v[0], s.mul(v[1], v[1])); });
    tensors.push_back(update(b, {x, gradient, state, rate, updates}, [&](ScalarMath &s, ValueRange v) {
      Value r = s.div(v[3], s.add(s.constant(1.0), s.mul(v[4], s.constant(decay))));
      return s.sub(v[0], s.div(s.mul(r, v[1]), s.add(squareRoot(s, v[2]), s.constant(epsilon))));
    }));
    states.push_back(state);
  }
  for (Value value : llvm::concat<Value>(tensors, states))
    b.result(value);
}

static void adam(NodeBuilder &b) {
  unsigned count = countTensors(b, 4);
  double alpha = b.number("alpha", 0.9), beta = b.number("beta", 0.999), epsilon = b.number("epsilon", 1e-6),
         norm = b.number("norm_coefficient", 0), after = b.number("norm_coefficient_post", 0);
  SmallVector<Value> tensors, firsts, seconds;
  for (unsigned i = 0; i < count && !b.failed(); ++i) {
    Value rate = b.value(0), updates = b.cast(b.value(1), b.type(2u));
    Value x = b.value(2 + i), g = b.value(2 + count + i), m = b.value(2 + 2 * count + i),
          h = b.value(2 + 3 * count + i);
    Value gradient = update(b, {x, g}, [&](ScalarMath &s, ValueRange v) {
      return s.add(s.mul(s.constant(norm), v[0]), v[1]);
    });
    Value first = update(b, {m, gradient}, [&](ScalarMath &s, ValueRange v) {
      return s.add(s.mul(s.constant(alpha), v[0]), s.mul(s.constant(1 - alpha), v[1]));
    });
    Value second = update(b, {h, gradient}, [&](ScalarMath &s, ValueRange v) {
      return s.add(s.mul(s.constant(beta), v[0]), s.mul(s.constant(1 - beta), s.mul(v[1], v[1])));
    });
    tensors.push_back(update(b, {x, first, second, rate, updates}, [&](ScalarMath &s, ValueRange v) {
      // From the second update on, the rate corrects the bias of the averages.
      auto power = [&](double base) -> Value { return math::PowFOp::create(s.b, s.loc, s.constant(base), v[4]); };
      Value one = s.constant(1.0);
      Value corrected = s.div(s.mul(v[3], squareRoot(s, s.sub(one, power(beta)))), s.sub(one, power(alpha)));
      Value r = s.select(s.less(s.constant(int64_t(0)), v[4]), corrected, v[3]);
      Value next = s.sub(v[0], s.div(s.mul(r, v[1]), s.add(squareRoot(s, v[2]), s.constant(epsilon))));
      return s.mul(s.constant(1 - after), next);
    }));
    firsts.push_back(first);
    seconds.push_back(second);
  }
  for (Value value : llvm::concat<Value>(tensors, firsts, seconds))
    b.result(value);
}

static void momentum(NodeBuilder &b) {
  unsigned count = countTensors(b, 3);
  double alpha = b.number("alpha", std::nullopt), beta = b.number("beta", std::nullopt),
         norm = b.number("norm_coefficient", std::nullopt);
  bool nesterov = b.choice("mode", {"standard", "nesterov"}) == "nesterov";
  SmallVector<Value> tensors, states;
  for (unsigned i = 0; i < count && !b.failed(); ++i) {
    Value rate = b.value(0), updates = b.cast(b.value(1), b.type(2u));
    Value x = b.value(2 + i), g = b.value(2 + count + i), v0 = b.value(2 + 2 * count + i);
    Value gradient = update(b, {x, g}, [&](ScalarMath &s, ValueRange v) {
      return s.add(s.mul(s.constant(norm), v[0]), v[1]);
    });
    Value state = update(b, {v0, gradient, updates}, [&](ScalarMath &s, ValueRange v) {
      Value one = s.constant(1.0);
      Value weight = s.select(s.less(s.constant(int64_t(0)), v[2]), s.constant(beta), one);
      return s.add(s.mul(s.constant(alpha), v[0]), s.mul(weight, v[1]));
    });
    tensors.push_back(update(b, {x, gradient, state, rate}, [&](ScalarMath &s, ValueRange v) {
      Value step = nesterov ? s.add(v[1], s.mul(s.constant(alpha), v[2])) : v[2];
      return s.sub(v[0], s.mul(v[3], step));
    }));
    states.push_back(state);
  }
  for (Value value : llvm::concat<Value>(tensors, states))
    b.result(value);
}

ArrayRef<OperatorRow> trainingOperators() {
  static const OperatorRow rows[] = {
      {"ai.onnx.preview.training::Adagrad", 1, kNewest, adagrad},
      {"ai.onnx.preview.training::Adam", 1, kNewest, adam},
      {"ai.onnx.preview.training::Momentum", 1, kNewest, momentum},
  };
  return rows;
}

} // namespace sylvite::onnx
