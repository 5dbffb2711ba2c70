//===- Losses.cpp - losses and metrics of training -------------------------===//
//
// One row per Keras loss and metric. A loss is computed for each position of the output, all its dimensions but the
// last; the step takes their mean. From probabilities that a softmax made, cross-entropy goes back to what the
// softmax was given: the logarithm of a sum of exponentials loses nothing, and softmax and loss share a gradient.
//
//===----------------------------------------------------------------------===//
#include "passes/nn/Training.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <cmath>

using namespace mlir;
using namespace sylvite;
using namespace sylvite::nn;

/// keras.config.epsilon().
static constexpr double kEpsilon = 1e-7;

//===----------------------------------------------------------------------===//
// Settings
//===----------------------------------------------------------------------===//

StringRef Settings::text(StringRef name, StringRef otherwise) const {
  auto text = attributes.getAs<StringAttr>(name);
  return text ? text.getValue() : otherwise;
}
double Settings::number(StringRef name, double otherwise) const {
  if (auto number = attributes.getAs<FloatAttr>(name))
    return number.getValueAsDouble();
  if (auto number = attributes.getAs<IntegerAttr>(name))
    return number.getInt();
  return otherwise;
}
bool Settings::flag(StringRef name) const {
  auto flag = attributes.getAs<BoolAttr>(name);
  return flag ? flag.getValue() : bool(attributes.getAs<UnitAttr>(name));
}
Settings Settings::part(StringRef name) const {
  auto part = attributes.getAs<DictionaryAttr>(name);
  return Settings(part ? part : DictionaryAttr::get(attributes.getContext()));
}
SmallVector<double> Settings::numbers(StringRef name) const {
  auto array = attributes.getAs<DenseF64ArrayAttr>(name);
  return array ? SmallVector<double>(array.asArrayRef()) : SmallVector<double>();
}

//===----------------------------------------------------------------------===//
// Parts
//===----------------------------------------------------------------------===//

namespace {

/// What the rows are written with. Rows reduce the last dimension.
struct LossBuilder {
  TensorBuilder &b;
  Settings settings;
  Comparison compared;

  int64_t last() const { return TensorBuilder::typeOf(compared.predicted).getRank() - 1; }
  Value sum(Value x, bool keepDims = false) { return b.reduce(ReduceKind::Sum, x, {last()}, keepDims); }
  Value mean(Value x) { return b.reduce(ReduceKind::Mean, x, {last()}); }
  Value greatest(Value x) { return b.reduce(ReduceKind::Max, x, {last()}, /*keepDims=*/true); }
  /// The mean over the last dimension of a function of the two.
  Value meanOf(function_ref<Value(ScalarBuilder &, Value predicted, Value target)> function) {
    return mean(b.map(compared.predicted, compared.target, function));
  }
  /// The numbers of the classes, along the last dimension of the output.
  Value classes() {
    int64_t count = TensorBuilder::typeOf(compared.predicted).getDimSize(last());
    return getIndices(b, count);
  }
  /// The target, or one-hot vectors of the classes that it numbers, as floats.
  Value vectors() {
    if (!compared.isSparse)
      return compared.target;
    SmallVector<int64_t> shape(TensorBuilder::typeOf(compared.target).getShape()), from;
    for (size_t i = 0; i < shape.size(); ++i)
      from.push_back(i);
    shape.push_back(1);
    from.push_back(-1);
    Type element = getElementTypeOrSelf(compared.predicted.getType());
    Value labels = b.reshape(compared.target, shape, from);
    return MapOp::create(b, ValueRange{labels, classes()}, [&](OpBuilder &builder, Location loc, ValueRange v) -> Value {
      Value same = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, v[0], v[1]);
      Value one = arith::ConstantOp::create(builder, loc, builder.getFloatAttr(element, 1));
      Value zero = arith::ConstantOp::create(builder, loc, builder.getFloatAttr(element, 0));
      return arith::SelectOp::create(builder, loc, same, one, zero);
    });
  }
  /// The target with a part of its weight spread over all `count` classes.
  Value smoothed(Value target, int64_t count) {
    double smoothing = settings.number("label_smoothing", 0);
    if (smoothing == 0)
      return target;
    return b.map(target, [&](ScalarBuilder &s, Value t) {
      return s.add(s.mul(t, s.constant(1 - smoothing, t)), s.constant(smoothing / count, t));
    });
  }
  /// `x` of length one along the last dimension.
  Value normalized(Value x) {
    Value squares = b.reduce(ReduceKind::SumSquare, x, {last()}, /*keepDims=*/true);
    return b.map(x, squares, [](ScalarBuilder &s, Value e, Value sum) {
      return s.mul(e, s.rsqrt(s.maximum(sum, s.constant(1e-12, sum))));
    });
  }
  /// The target of a hinge: zeros and ones mean minus one and one.
  Value signs() {
    Value target = compared.target;
    Value isBinary = b.map(target, [](ScalarBuilder &s, Value t) {
      return s.add(s.equals(t, s.constant(0, t)), s.equals(t, s.constant(1, t)));
    });
    return b.map(target, b.reduceAll(ReduceKind::Min, isBinary), [](ScalarBuilder &s, Value t, Value binary) {
      Value sign = s.sub(s.mul(s.constant(2, t), t), s.constant(1, t));
      return s.selectGreater(binary, s.constant(0.5, t), sign, t);
    });
  }
};

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

//===----------------------------------------------------------------------===//
// Metrics
//===----------------------------------------------------------------------===//

/// 1 at the first of the greatest elements of the last dimension: its index.
Value argmax(LossBuilder &l, Value x) {
  int64_t count = TensorBuilder::typeOf(x).getDimSize(l.last());
  Value isGreatest = l.b.map(x, l.greatest(x), &ScalarBuilder::equals);
  Value index = MapOp::create(
      l.b, ValueRange{isGreatest, l.classes()}, [&](OpBuilder &builder, Location loc, ValueRange v) -> Value {
        ScalarBuilder s(builder, loc);
        Value number = arith::SIToFPOp::create(builder, loc, v[0].getType(), v[1]);
        return s.selectGreater(v[0], s.constant(0.5, v[0]), number, s.constant(count, v[0]));
      });
  return l.b.reduce(ReduceKind::Min, index, {l.last()});
}

Value categoricalAccuracy(LossBuilder &l) {
  Value predicted = argmax(l, l.compared.predicted);
  Value target = l.compared.target;
  if (l.compared.isSparse)
    target = MapOp::create(l.b, ValueRange{target}, [](OpBuilder &b, Location loc, ValueRange v) -> Value {
      return arith::SIToFPOp::create(b, loc, b.getF32Type(), v[0]);
    });
  else
    target = argmax(l, target);
  return l.b.map(predicted, target, &ScalarBuilder::equals);
}

/// Whether fewer than k classes are above the right one.
Value topK(LossBuilder &l) {
  double k = l.settings.number("k", 5);
  Value scores = l.compared.predicted;
  Value right = l.sum(l.b.multiply(l.vectors(), scores), /*keepDims=*/true);
  Value above = l.sum(l.b.map(scores, right, [](ScalarBuilder &s, Value x, Value y) {
    return s.selectGreater(x, y, s.constant(1, x), s.constant(0, x));
  }));
  return l.b.map(above, [&](ScalarBuilder &s, Value count) {
    return s.selectGreater(s.constant(k - 0.5, count), count, s.constant(1, count), s.constant(0, count));
  });
}

Value binaryAccuracy(LossBuilder &l) {
  double threshold = l.settings.number("threshold", 0.5);
  return l.meanOf([&](ScalarBuilder &s, Value p, Value t) {
    Value one = s.constant(1, p), zero = s.constant(0, p);
    return s.equals(s.selectGreater(p, s.constant(threshold, p), one, zero), t);
  });
}

struct MetricRow {
  StringLiteral kind;
  enum Target { Sparse, Dense } target;
  Value (*build)(LossBuilder &);
};

const MetricRow metricRows[] = {
    {"binary_accuracy", MetricRow::Dense, binaryAccuracy},
    {"categorical_accuracy", MetricRow::Dense, categoricalAccuracy},
    {"sparse_categorical_accuracy", MetricRow::Sparse, categoricalAccuracy},
    {"sparse_top_k_categorical_accuracy", MetricRow::Sparse, topK},
    {"top_k_categorical_accuracy", MetricRow::Dense, topK},
};

const LossRow *findLoss(StringRef kind) {
  const auto *row = llvm::find_if(lossRows, [&](const LossRow &row) { return row.kind == kind; });
  return row == std::end(lossRows) ? nullptr : row;
}

template <typename Rows> std::string kindsOf(const Rows &rows) {
  std::string text;
  for (const auto &row : rows)
    text += (text.empty() ? "" : ", ") + row.kind.str();
  return text;
}

} // namespace

//===----------------------------------------------------------------------===//
// The interface
//===----------------------------------------------------------------------===//

FailureOr<RankedTensorType> sylvite::targetType(Location loc, Settings loss, RankedTensorType predicted) {
  const LossRow *row = findLoss(loss.kind());
  if (!row)
    return emitError(loc) << "loss '" << loss.kind() << "' is not supported; supported: " << kindsOf(lossRows);
  if (predicted.getRank() == 0 || predicted.isDynamicDim(predicted.getRank() - 1))
    return emitError(loc) << "the last dimension of an output with a loss is static; it is " << predicted;
  if (!row->isSparse)
    return predicted;
  return RankedTensorType::get(predicted.getShape().drop_back(), IntegerType::get(loc.getContext(), 32));
}

Value sylvite::buildLoss(TensorBuilder &b, Settings loss, const Comparison &compared) {
  LossBuilder builder{b, loss, compared};
  const LossRow *row = findLoss(loss.kind());
  builder.compared.isSparse = row->isSparse;
  return row->build(builder);
}

StringRef sylvite::resolveMetric(StringRef kind, const Comparison &compared) {
  if (kind != "accuracy")
    return kind;
  int64_t classes = TensorBuilder::typeOf(compared.predicted).getShape().back();
  if (compared.isSparse)
    return "sparse_categorical_accuracy";
  return classes > 1 ? "categorical_accuracy" : "binary_accuracy";
}

Value sylvite::buildMetric(TensorBuilder &b, Settings metric, const Comparison &compared) {
  LossBuilder builder{b, metric, compared};
  StringRef kind = resolveMetric(metric.kind(), compared);
  Value each;
  if (const LossRow *loss = findLoss(kind); loss && loss->isSparse == compared.isSparse) {
    each = loss->build(builder);
  } else {
    const auto *row = llvm::find_if(metricRows, [&](const MetricRow &row) { return row.kind == kind; });
    if (row == std::end(metricRows) || (row->target == MetricRow::Sparse) != compared.isSparse) {
      emitError(b.getLoc()) << "metric '" << kind << "' is not supported for this target; supported: accuracy, "
                            << kindsOf(metricRows) << ", and the losses";
      return {};
    }
    each = row->build(builder);
  }
  return b.reduceAll(ReduceKind::Mean, each);
}
