//===- Loss.cpp - losses --------------------------------------------------===//
//
// Rows for the losses of classification.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/Folding.h"
#include "compiler/import/onnx/Operators.h"

using namespace llvm;
using namespace mlir;

namespace sylvite::onnx {

/// -weight[label] * logProbability[label], reduced; labels that equal ignore_index count for nothing. Classes are
/// dimension 1.
static Value negativeLogLikelihood(NodeBuilder &b, Value logs, Value labels, unsigned weightIndex) {
  StringRef reduction = b.choice("reduction", {"mean", "sum", "none"});
  std::optional<int64_t> ignored;
  if (b.hasAttribute("ignore_index"))
    ignored = b.integer("ignore_index", 0);
  if (b.failed())
    return {};
  Type type = b.type(logs), i64 = IntegerType::get(b.state.context, 64);
  labels = b.unsqueeze(b.cast(labels, i64), 1);
  if (b.failed() || b.rank(logs) < 2)
    return {};
  Value classes = b.indices(b.shape(logs), 1, i64);
  Value weights = b.has(weightIndex) ? b.alignVector(b.value(weightIndex), 1, b.rank(logs)) : Value();
  // Of each class: its weight where it is the label.
  auto ofLabel = [&](ArrayRef<Operand> operands, llvm::function_ref<Value(ScalarMath &, ValueRange)> element) {
    SmallVector<Operand> all{labels, classes};
    all.append(operands.begin(), operands.end());
    return b.map(all, type, [&](OpBuilder &builder, Location at, ValueRange v) {
      ScalarMath s(builder, at, type), index(builder, at, i64);
      Value here = index.equal(v[0], v[1]);
      if (ignored)
        here = s.both(here, s.invert(index.equal(v[0], index.constant(*ignored))));
      return s.select(here, element(s, v.drop_front(2)), s.constant(int64_t(0)));
    });
  };
  SmallVector<Operand> operands{logs};
  if (weights)
    operands.push_back(weights);
  Value parts = ofLabel(operands, [&](ScalarMath &s, ValueRange v) {
    return s.negate(weights ? s.mul(v[0], v[1]) : v[0]);
  });
  if (reduction == "none")
    return b.reduce(nn::ReduceKind::Sum, parts, {1}, false);
  Dims all;
  for (int64_t i = 0; i < b.rank(logs); ++i)
    all.push_back(i);
  Value total = b.reduce(nn::ReduceKind::Sum, parts, all, false);
  if (reduction == "sum")
    return total;
  SmallVector<Operand> counted;
  if (weights)
    counted.push_back(weights);
  Value count = ofLabel(counted, [&](ScalarMath &s, ValueRange v) {
    return weights ? v[0] : s.constant(int64_t(1));
  });
  count = b.broadcast(count, b.shape(logs));
  return b.divide(total, b.reduce(nn::ReduceKind::Sum, count, all, false));
}

static void negativeLogLikelihoodLoss(NodeBuilder &b) {
  b.result(negativeLogLikelihood(b, b.value(0), b.value(1), 2));
}

static void softmaxCrossEntropyLoss(NodeBuilder &b) {
  Value x = b.value(0);
  if (b.failed() || b.rank(x) < 2)
    return void(b.error() << "its scores have rank " << b.rank(x) << "; supported: at least 2");
  Value logs = logSoftmax(b, x, 1);
  b.result(negativeLogLikelihood(b, logs, b.value(1), 2));
  b.result(logs);
}

ArrayRef<OperatorRow> lossOperators() {
  static const OperatorRow rows[] = {
      {"NegativeLogLikelihoodLoss", 12, kNewest, negativeLogLikelihoodLoss},
      {"SoftmaxCrossEntropyLoss", 12, kNewest, softmaxCrossEntropyLoss},
  };
  return rows;
}

} // namespace sylvite::onnx
