//===- Losses.cpp - losses of training -------------------------------------===//
//
// One row per Keras loss. A loss is computed for each position of the output, all its dimensions but the
// last; the step takes their mean. From probabilities that a softmax made, cross-entropy goes back to what the
// softmax was given: the logarithm of a sum of exponentials loses nothing, and softmax and loss share a gradient.
//
//===----------------------------------------------------------------------===//
#include "passes/nn/LossBuilder.h"

#include "llvm/ADT/StringExtras.h"

#include <cmath>

using namespace mlir;
using namespace sylvite;
using namespace sylvite::nn;

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

namespace {

Value absoluteError(ScalarBuilder &s, Value p, Value t) { return s.abs(s.sub(p, t)); }
Value squaredError(ScalarBuilder &s, Value p, Value t) {
  Value error = s.sub(p, t);
  return s.mul(error, error);
}

Value categoricalCrossentropy(LossBuilder &l) {
  TensorBuilder &b = l.b;
  Value predicted = l.compared.predicted;
  int64_t count = TensorBuilder::typeOf(predicted).getDimSize(l.last());
  Value target = l.smoothed(l.vectors(), count);
  auto softmax = predicted.getDefiningOp<SoftmaxOp>();
  bool isLogits = l.settings.flag("from_logits");
  if (isLogits || (softmax && softmax.getDims() == ArrayRef<int64_t>{l.last()})) {
    Value logits = isLogits ? predicted : softmax.getInput();
    Value total = b.reduce(ReduceKind::LogSumExp, logits, {l.last()});
    Value chosen = l.sum(b.multiply(target, logits));
    if (l.compared.isSparse || l.settings.flag("target_is_distribution"))
      return b.subtract(total, chosen);
    return b.subtract(b.multiply(total, l.sum(target)), chosen);
  }
  // Probabilities of another origin: their sum is made one, and none is zero, as Keras does.
  Value total = l.sum(predicted, /*keepDims=*/true);
  return l.sum(b.map(ValueRange{predicted, total, target}, [](ScalarBuilder &s, ValueRange v) {
    Value probability = s.clamp(s.div(v[0], v[1]), kEpsilon, 1 - kEpsilon);
    return s.neg(s.mul(v[2], s.log(probability)));
  }));
}

Value binaryCrossentropy(LossBuilder &l) {
  l.compared.target = l.smoothed(l.compared.target, 2);
  if (l.settings.flag("from_logits"))
    return l.meanOf([](ScalarBuilder &s, Value x, Value t) { // max(x, 0) - x t + log(1 + exp(-|x|))
      return s.sub(s.softplus(x), s.mul(x, t));
    });
  return l.meanOf([](ScalarBuilder &s, Value p, Value t) {
    Value one = s.constant(1, p), probability = s.clamp(p, kEpsilon, 1 - kEpsilon);
    Value negative = s.mul(s.sub(one, t), s.log(s.sub(one, probability)));
    return s.neg(s.add(s.mul(t, s.log(probability)), negative));
  });
}

Value huber(LossBuilder &l) {
  double delta = l.settings.number("delta", 1);
  return l.meanOf([&](ScalarBuilder &s, Value p, Value t) {
    Value error = absoluteError(s, p, t), d = s.constant(delta, p), half = s.constant(0.5, p);
    Value square = s.mul(half, s.mul(error, error));
    Value linear = s.sub(s.mul(d, error), s.constant(0.5 * delta * delta, p));
    return s.selectGreater(error, d, linear, square);
  });
}

Value hinge(LossBuilder &l, bool squared) {
  l.compared.target = l.signs();
  return l.meanOf([&](ScalarBuilder &s, Value p, Value t) {
    Value distance = s.relu(s.sub(s.constant(1, p), s.mul(t, p)));
    return squared ? s.mul(distance, distance) : distance;
  });
}

struct LossRow {
  StringLiteral kind;
  bool isSparse;
  Value (*build)(LossBuilder &);
};

const LossRow lossRows[] = {
    {"binary_crossentropy", false, binaryCrossentropy},
    {"categorical_crossentropy", false, categoricalCrossentropy},
    {"categorical_hinge", false,
     [](LossBuilder &l) {
       TensorBuilder &b = l.b;
       Value positive = l.sum(b.multiply(l.compared.target, l.compared.predicted));
       Value others = b.map(l.compared.target, l.compared.predicted, [](ScalarBuilder &s, Value t, Value p) {
         return s.mul(s.sub(s.constant(1, t), t), p);
       });
       Value negative = b.reduce(ReduceKind::Max, others, {l.last()});
       return b.map(negative, positive, [](ScalarBuilder &s, Value n, Value p) {
         return s.relu(s.add(s.sub(n, p), s.constant(1, n)));
       });
     }},
    {"cosine_similarity", false,
     [](LossBuilder &l) {
       return l.sum(l.b.map(l.normalized(l.compared.predicted), l.normalized(l.compared.target),
                            [](ScalarBuilder &s, Value p, Value t) { return s.neg(s.mul(p, t)); }));
     }},
    {"hinge", false, [](LossBuilder &l) { return hinge(l, false); }},
    {"huber", false, huber},
    {"kl_divergence", false,
     [](LossBuilder &l) {
       return l.sum(l.b.map(l.compared.predicted, l.compared.target, [](ScalarBuilder &s, Value p, Value t) {
         Value a = s.clamp(t, kEpsilon, 1), b = s.clamp(p, kEpsilon, 1);
         return s.mul(a, s.log(s.div(a, b)));
       }));
     }},
    {"log_cosh", false,
     [](LossBuilder &l) {
       return l.meanOf([](ScalarBuilder &s, Value p, Value t) {
         Value e = s.sub(p, t);
         return s.sub(s.add(e, s.softplus(s.mul(s.constant(-2, e), e))), s.constant(M_LN2, e));
       });
     }},
    {"mean_absolute_error", false, [](LossBuilder &l) { return l.meanOf(absoluteError); }},
    {"mean_absolute_percentage_error", false,
     [](LossBuilder &l) {
       return l.meanOf([](ScalarBuilder &s, Value p, Value t) {
         Value scale = s.maximum(s.abs(t), s.constant(kEpsilon, t));
         return s.mul(s.constant(100, p), s.div(absoluteError(s, p, t), scale));
       });
     }},
    {"mean_squared_error", false, [](LossBuilder &l) { return l.meanOf(squaredError); }},
    {"mean_squared_logarithmic_error", false,
     [](LossBuilder &l) {
       return l.meanOf([](ScalarBuilder &s, Value p, Value t) {
         auto log = [&](Value x) {
           return s.log(s.add(s.maximum(x, s.constant(kEpsilon, x)), s.constant(1, x)));
         };
         return squaredError(s, log(p), log(t));
       });
     }},
    {"poisson", false,
     [](LossBuilder &l) {
       return l.meanOf([](ScalarBuilder &s, Value p, Value t) {
         return s.sub(p, s.mul(t, s.log(s.add(p, s.constant(kEpsilon, p)))));
       });
     }},
    {"sparse_categorical_crossentropy", true, categoricalCrossentropy},
    {"squared_hinge", false, [](LossBuilder &l) { return hinge(l, true); }},
};

const LossRow *findLoss(StringRef kind) {
  const auto *row = llvm::find_if(lossRows, [&](const LossRow &row) { return row.kind == kind; });
  return row == std::end(lossRows) ? nullptr : row;
}

std::string kinds() {
  return llvm::join(llvm::map_range(lossRows, [](const LossRow &row) { return row.kind.str(); }), ", ");
}

} // namespace

//===----------------------------------------------------------------------===//
// The interface
//===----------------------------------------------------------------------===//

FailureOr<RankedTensorType> sylvite::targetType(Location loc, Settings loss, RankedTensorType predicted) {
  const LossRow *row = findLoss(loss.kind());
  if (!row)
    return emitError(loc) << "loss '" << loss.kind() << "' is not supported; supported: " << kinds();
  if (predicted.getRank() == 0 || predicted.isDynamicDim(predicted.getRank() - 1))
    return emitError(loc) << "the last dimension of an output with a loss is static; it is " << predicted;
  if (!row->isSparse)
    return predicted;
  return RankedTensorType::get(predicted.getShape().drop_back(), IntegerType::get(loc.getContext(), 32));
}

bool sylvite::isLoss(StringRef kind, bool isSparse) {
  const LossRow *row = findLoss(kind);
  return row && row->isSparse == isSparse;
}

Value sylvite::buildLoss(TensorBuilder &b, Settings loss, const Comparison &compared) {
  LossBuilder builder{b, loss, compared};
  const LossRow *row = findLoss(loss.kind());
  builder.compared.isSparse = row->isSparse;
  return row->build(builder);
}

Value sylvite::buildClassWeights(TensorBuilder &b, const Comparison &compared, ArrayRef<double> weights) {
  LossBuilder l{b, Settings(DictionaryAttr::get(b.getContext())), compared};
  RankedTensorType type = TensorBuilder::typeOf(compared.target);
  if (type.getRank() != (compared.isSparse ? 1 : 2))
    return {};
  Value number;
  if (compared.isSparse)
    number = l.numbers();
  else if (type.getDimSize(1) > 1)
    number = l.argmax(compared.target);
  else
    number = b.map(b.reshape(compared.target, {type.getDimSize(0)}, {0}), [](ScalarBuilder &s, Value t) {
      return s.floor(s.add(t, s.constant(0.5, t)));
    });
  SmallVector<double> beyondOne;
  for (double weight : weights)
    beyondOne.push_back(weight - 1);
  Value column = b.reshape(number, {type.getDimSize(0), 1}, {0, -1});
  Value chosen = MapOp::create(
      b, ValueRange{column, getIndices(b, weights.size()), getVector(b, "class_weights", beyondOne)},
      [](OpBuilder &builder, Location loc, ValueRange v) -> Value {
        ScalarBuilder s(builder, loc);
        Value index = arith::SIToFPOp::create(builder, loc, v[0].getType(), v[1]);
        return s.mul(s.equals(v[0], index), v[2]);
      });
  return b.map(b.reduce(ReduceKind::Sum, chosen, {1}), [](ScalarBuilder &s, Value more) {
    return s.add(s.constant(1, more), more);
  });
}
