//===- Metrics.cpp - metrics of training -----------------------------------===//
//
// One row per Keras metric. A metric is made of sums over the batch and of a value that follows from them: from the
// sums of one batch it is the batch's, from those of many it is theirs. Accuracies and errors are a sum and a count;
// precision, recall, F1 and AUC are made of counts that no mean over batches gives.
//
//===----------------------------------------------------------------------===//
#include "passes/nn/LossBuilder.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace sylvite;
using namespace sylvite::nn;

//===----------------------------------------------------------------------===//
// Means
//===----------------------------------------------------------------------===//

static Value categoricalAccuracy(LossBuilder &l) {
  Value target = l.compared.isSparse ? l.numbers() : l.argmax(l.compared.target);
  return l.b.map(l.argmax(l.compared.predicted), target, &ScalarBuilder::equals);
}

/// Whether fewer than k classes are above the right one.
static Value topK(LossBuilder &l) {
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

static Value binaryAccuracy(LossBuilder &l) {
  double threshold = l.settings.number("threshold", 0.5);
  return l.meanOf([&](ScalarBuilder &s, Value p, Value t) {
    Value one = s.constant(1, p), zero = s.constant(0, p);
    return s.equals(s.selectGreater(p, s.constant(threshold, p), one, zero), t);
  });
}

static Value squaredErrors(LossBuilder &l) {
  return l.b.map(l.compared.predicted, l.compared.target, [](ScalarBuilder &s, Value p, Value t) {
    Value error = s.sub(p, t);
    return s.mul(error, error);
  });
}

/// `x / y`, zero where y is not positive.
static Value quotient(TensorBuilder &b, Value x, Value y) {
  return b.map(x, y, [](ScalarBuilder &s, Value a, Value c) {
    return s.selectGreater(c, s.constant(0, c), s.div(a, c), s.constant(0, c));
  });
}

//===----------------------------------------------------------------------===//
// Counts of right and wrong decisions
//===----------------------------------------------------------------------===//

/// 1 where `x` is above `threshold`, 0 elsewhere.
static Value isAbove(TensorBuilder &b, Value x, double threshold) {
  return b.map(x, [&](ScalarBuilder &s, Value e) {
    return s.selectGreater(e, s.constant(threshold, e), s.constant(1, e), s.constant(0, e));
  });
}

/// Of class `class_id` alone, if the settings name one.
static Value selectClass(LossBuilder &l, Value x) {
  if (!l.settings.has("class_id"))
    return x;
  RankedTensorType type = TensorBuilder::typeOf(x);
  SmallVector<int64_t> starts(type.getRank(), 0), sizes = l.b.sliceSizes(type), strides(type.getRank(), 1);
  starts.back() = l.settings.number("class_id", 0);
  sizes.back() = 1;
  return l.b.infer<SliceOp>(x, starts, sizes, strides);
}

/// The one threshold of the settings.
static double thresholdOf(Settings settings) {
  SmallVector<double> several = settings.numbers("thresholds");
  if (!several.empty())
    return several.front();
  return settings.number("thresholds", settings.number("threshold", 0.5));
}

/// Sums of `decision * target`, `decision * (1 - target)` and `(1 - decision) * target` over `dims`.
static Metric::Sums countDecisions(TensorBuilder &b, Value decision, Value target, ArrayRef<int64_t> dims) {
  auto count = [&](Value x, Value y) { return b.reduce(ReduceKind::Sum, b.multiply(x, y), dims); };
  auto complement = [&](Value x) {
    return b.map(x, [](ScalarBuilder &s, Value e) { return s.sub(s.constant(1, e), e); });
  };
  return {{"true_positives", count(decision, target)},
          {"false_positives", count(decision, complement(target))},
          {"false_negatives", count(complement(decision), target)}};
}

static SmallVector<int64_t> firstDims(int64_t count) { return llvm::to_vector(llvm::seq<int64_t>(0, count)); }

static Metric::Sums countAtThreshold(LossBuilder &l) {
  Value decision = isAbove(l.b, selectClass(l, l.compared.predicted), thresholdOf(l.settings));
  Value target = isAbove(l.b, selectClass(l, l.vectors()), 0);
  return countDecisions(l.b, decision, target, firstDims(l.last() + 1));
}

/// By class; without a threshold the greatest output decides, but a single one is a probability.
static Metric::Sums countByClass(LossBuilder &l) {
  TensorBuilder &b = l.b;
  Value predicted = l.compared.predicted;
  bool isGreatest = !l.settings.has("threshold") &&
                    (TensorBuilder::typeOf(predicted).getDimSize(l.last()) > 1 || l.settings.has("average"));
  Value decision = isGreatest ? b.map(predicted, l.greatest(predicted),
                                      [](ScalarBuilder &s, Value p, Value most) {
                                        // As Keras: an output of zero decides for nothing.
                                        return s.selectGreater(s.abs(p), s.constant(1e-9, p), s.equals(p, most),
                                                               s.constant(0, p));
                                      })
                              : isAbove(b, predicted, thresholdOf(l.settings));
  return countDecisions(b, decision, l.vectors(), firstDims(l.last()));
}

static Value precision(TensorBuilder &b, Settings, const Metric::Sums &sums) {
  Value positives = sums[0].second;
  return quotient(b, positives, b.add(positives, sums[1].second));
}

static Value recall(TensorBuilder &b, Settings, const Metric::Sums &sums) {
  Value positives = sums[0].second;
  return quotient(b, positives, b.add(positives, sums[2].second));
}

static Value f1(TensorBuilder &b, Settings settings, const Metric::Sums &sums) {
  StringRef average = settings.text("average", "macro");
  Metric::Sums used = sums;
  if (average == "micro")
    for (auto &[name, value] : used)
      value = b.reduce(ReduceKind::Sum, value, {0}, /*keepDims=*/true);
  Value p = precision(b, settings, used), r = recall(b, settings, used);
  Value scores = quotient(b, b.scale(b.multiply(p, r), 2), b.add(p, r));
  if (average != "weighted")
    return b.reduce(ReduceKind::Mean, scores, {0});
  Value support = b.add(used[0].second, used[2].second);
  return quotient(b, b.reduce(ReduceKind::Sum, b.multiply(scores, support), {0}),
                  b.reduce(ReduceKind::Sum, support, {0}));
}

//===----------------------------------------------------------------------===//
// The area under a curve
//===----------------------------------------------------------------------===//

static int64_t numThresholds(Settings settings) { return settings.number("num_thresholds", 200); }

/// The thresholds of the curve, from just below zero to just above one.
static Value thresholds(LossBuilder &l) {
  int64_t count = numThresholds(l.settings);
  Type element = getElementTypeOrSelf(l.compared.predicted.getType());
  return MapOp::create(l.b, ValueRange{getIndices(l.b, count)}, [&](OpBuilder &builder, Location loc, ValueRange v) -> Value {
    ScalarBuilder s(builder, loc);
    Value index = arith::SIToFPOp::create(builder, loc, element, v[0]);
    Value inside = s.mul(index, s.constant(1.0 / (count - 1), index));
    Value fromFirst = s.selectGreater(index, s.constant(0.5, index), inside, s.constant(-kEpsilon, index));
    return s.selectGreater(index, s.constant(count - 1.5, index), s.constant(1 + kEpsilon, index), fromFirst);
  });
}

static Metric::Sums countAlongCurve(LossBuilder &l) {
  TensorBuilder &b = l.b;
  Value predicted = l.compared.predicted, target = isAbove(b, l.vectors(), 0);
  if (l.settings.flag("from_logits"))
    predicted = b.map(predicted, [](ScalarBuilder &s, Value x) { return s.sigmoid(x); });
  // (elements..., 1) beside the thresholds.
  RankedTensorType type = TensorBuilder::typeOf(predicted);
  SmallVector<int64_t> shape(type.getShape()), from = firstDims(type.getRank());
  shape.push_back(1);
  from.push_back(-1);
  Value above = b.map(b.reshape(predicted, shape, from), thresholds(l), [](ScalarBuilder &s, Value p, Value t) {
    return s.selectGreater(p, t, s.constant(1, p), s.constant(0, p));
  });
  return countDecisions(b, above, b.reshape(target, shape, from), firstDims(type.getRank()));
}

/// Elements `start` to `start + size` of a vector.
static Value part(TensorBuilder &b, Value vector, int64_t start, int64_t size) {
  return b.infer<SliceOp>(vector, ArrayRef<int64_t>{start}, ArrayRef<int64_t>{size}, ArrayRef<int64_t>{1});
}

/// The rule of the trapezium over the ROC curve, and Davis & Goadrich's interpolation (ICML 2006) over that of precision
/// and recall.
static Value areaUnderCurve(TensorBuilder &b, Settings settings, const Metric::Sums &sums) {
  int64_t count = numThresholds(settings);
  Value truePositives = sums[0].second, falsePositives = sums[1].second, falseNegatives = sums[2].second;
  auto first = [&](Value x) { return part(b, x, 0, count - 1); };
  auto second = [&](Value x) { return part(b, x, 1, count - 1); };
  if (settings.text("curve", "ROC") == "ROC") {
    // At the first threshold every element is a positive.
    Value height = quotient(b, truePositives, b.add(truePositives, falseNegatives));
    Value width = quotient(b, falsePositives, part(b, falsePositives, 0, 1));
    Value area = b.multiply(b.subtract(first(width), second(width)), b.add(first(height), second(height)));
    return b.scale(b.reduce(ReduceKind::Sum, area, {0}), 0.5);
  }
  Value positives = b.add(truePositives, falsePositives);
  Value gained = b.subtract(first(truePositives), second(truePositives));
  Value slope = quotient(b, gained, b.subtract(first(positives), second(positives)));
  Value intercept = b.subtract(second(truePositives), b.multiply(slope, second(positives)));
  Value ratio = b.map(first(positives), second(positives), [](ScalarBuilder &s, Value a, Value c) {
    Value zero = s.constant(0, a), one = s.constant(1, a);
    return s.selectGreater(a, zero, s.selectGreater(c, zero, s.div(a, c), one), one);
  });
  Value rise = b.map(intercept, ratio, [](ScalarBuilder &s, Value i, Value r) { return s.mul(i, s.log(r)); });
  Value area = quotient(b, b.multiply(slope, b.add(gained, rise)),
                        b.add(second(truePositives), second(falseNegatives)));
  return b.reduce(ReduceKind::Sum, area, {0});
}

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

struct Metric::Row {
  StringLiteral kind;
  enum Target { Sparse, Dense, Any } target;
  Value (*each)(LossBuilder &) = nullptr; ///< of which the metric is the mean
  Sums (*sums)(LossBuilder &) = nullptr;  ///< of any other
  Value (*value)(TensorBuilder &, Settings, const Sums &) = nullptr;
};

static Value meanOf(TensorBuilder &b, Settings, const Metric::Sums &sums) {
  return quotient(b, sums[0].second, sums[1].second);
}

static Value rootMean(TensorBuilder &b, Settings settings, const Metric::Sums &sums) {
  return b.map(meanOf(b, settings, sums), [](ScalarBuilder &s, Value x) { return s.sqrt(x); });
}

ArrayRef<Metric::Row> Metric::rows() {
  static const Row table[] = {
      {"auc", Row::Any, nullptr, countAlongCurve, areaUnderCurve},
      {"binary_accuracy", Row::Dense, binaryAccuracy},
      {"categorical_accuracy", Row::Dense, categoricalAccuracy},
      {"f1_score", Row::Any, nullptr, countByClass, f1},
      {"precision", Row::Any, nullptr, countAtThreshold, precision},
      {"recall", Row::Any, nullptr, countAtThreshold, recall},
      {"root_mean_squared_error", Row::Dense, squaredErrors, nullptr, rootMean},
      {"sparse_categorical_accuracy", Row::Sparse, categoricalAccuracy},
      {"sparse_top_k_categorical_accuracy", Row::Sparse, topK},
      {"top_k_categorical_accuracy", Row::Dense, topK},
  };
  return table;
}

/// The metric that Keras's name `accuracy` stands for.
static StringRef resolve(StringRef kind, const Comparison &compared) {
  if (kind != "accuracy")
    return kind;
  int64_t classes = TensorBuilder::typeOf(compared.predicted).getShape().back();
  if (compared.isSparse)
    return "sparse_categorical_accuracy";
  return classes > 1 ? "categorical_accuracy" : "binary_accuracy";
}

/// What a metric of that kind does not do, or nothing.
static std::string unsupportedSetting(StringRef kind, Settings settings, int64_t classes) {
  if (settings.numbers("thresholds").size() > 1)
    return "has several thresholds; supported: one";
  if (settings.has("top_k"))
    return "has 'top_k', which is not supported";
  double classId = settings.number("class_id", 0);
  if (classId < 0 || classId >= classes)
    return llvm::formatv("has class_id {0}; the output has {1} classes", classId, classes);
  StringRef average = settings.text("average", "macro");
  if (kind == "f1_score" && !llvm::is_contained({"macro", "micro", "weighted"}, average))
    return ("has average '" + average + "'; supported: macro, micro, weighted").str();
  if (kind != "auc")
    return "";
  if (numThresholds(settings) < 2)
    return "needs two thresholds at least";
  if (settings.flag("multi_label"))
    return "is multi_label, which is not supported";
  if (StringRef curve = settings.text("curve", "ROC"); curve != "ROC" && curve != "PR")
    return ("has curve '" + curve + "'; supported: ROC, PR").str();
  if (StringRef method = settings.text("summation_method", "interpolation"); method != "interpolation")
    return ("has summation_method '" + method + "'; supported: interpolation").str();
  return "";
}

//===----------------------------------------------------------------------===//
// The interface
//===----------------------------------------------------------------------===//

FailureOr<Metric> Metric::create(Location loc, Settings settings, const Comparison &compared) {
  StringRef kind = resolve(settings.kind(), compared);
  const Row *row = llvm::find_if(rows(), [&](const Row &row) { return row.kind == kind; });
  if (row == rows().end())
    row = nullptr;
  bool fits = row ? row->target == Row::Any || (row->target == Row::Sparse) == compared.isSparse
                  : isLoss(kind, compared.isSparse);
  if (!fits) {
    auto kinds = llvm::map_range(rows(), [](const Row &row) { return row.kind.str(); });
    return emitError(loc) << "metric '" << kind << "' is not supported for this target; supported: accuracy, "
                          << llvm::join(kinds, ", ") << ", and the losses";
  }
  int64_t classes = TensorBuilder::typeOf(compared.predicted).getShape().back();
  if (std::string problem = row ? unsupportedSetting(kind, settings, classes) : ""; !problem.empty())
    return emitError(loc) << "metric '" << kind << "' " << problem;
  return Metric(settings, row);
}

std::string Metric::name() const { return settings.text("name", settings.kind()).str(); }

Metric::Sums Metric::sums(TensorBuilder &b, const Comparison &compared) const {
  LossBuilder builder{b, settings, compared};
  if (row && row->sums)
    return row->sums(builder);
  Value each = row ? row->each(builder) : buildLoss(b, settings, compared);
  return {{"total", b.reduceAll(ReduceKind::Sum, each)},
          {"count", b.countElements(each, firstDims(TensorBuilder::typeOf(each).getRank()))}};
}

Value Metric::value(TensorBuilder &b, const Sums &sums) const {
  return (row && row->value ? row->value : meanOf)(b, settings, sums);
}
