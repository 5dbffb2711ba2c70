//===- Learning.cpp - operators of classical machine learning -------------===//
//
// Rows for features of texts and for the domain ai.onnx.ml, as far as they work on numbers.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/Operators.h"
#include <cstring>
#include <map>

using namespace llvm;
using namespace mlir;

namespace sylvite::onnx {

static constexpr int64_t kMaxPlaced = 1 << 24; // elements of the matrix from n-grams to columns

namespace {
/// The n-grams of one length.
struct Grams {
  std::vector<Dims> items; // of each gram
  Dims columns;            // of the result, one for each gram
};
} // namespace

/// The pool of n-grams by their length, those from `shortest` to `longest`.
static std::map<int64_t, Grams> readGrams(NodeBuilder &b, int64_t shortest, int64_t longest) {
  Dims pool = b.integers("pool_int64s").value_or(Dims()), starts = b.integers("ngram_counts").value_or(Dims()),
       indexes = b.integers("ngram_indexes").value_or(Dims());
  std::map<int64_t, Grams> byLength;
  std::map<Dims, int64_t> columns;
  size_t next = 0; // the n-gram's index
  for (size_t i = 0; i < starts.size() && !b.failed(); ++i) {
    int64_t length = i + 1, end = i + 1 < starts.size() ? starts[i + 1] : pool.size();
    if (starts[i] < 0 || end < starts[i] || end > int64_t(pool.size()) || (end - starts[i]) % length)
      b.refuse("ngram_counts", "where the n-grams of each length begin in pool_int64s");
    for (int64_t at = starts[i]; at < end && !b.failed(); at += length, ++next) {
      if (next >= indexes.size() || indexes[next] < 0 || indexes[next] >= (1 << 24)) {
        b.refuse("ngram_indexes", "a column of the result for each n-gram");
        break;
      }
      if (length < shortest || length > longest)
        continue;
      Dims gram(ArrayRef<int64_t>(pool).slice(at, length));
      auto [found, isNew] = columns.try_emplace(gram, indexes[next]);
      if (!isNew) // the last one counts
        found->second = indexes[next];
    }
  }
  for (const auto &[gram, column] : columns) {
    Grams &grams = byLength[gram.size()];
    grams.items.push_back(gram);
    grams.columns.push_back(column);
  }
  return byLength;
}

/// How often n-grams, with up to `max_skip_count` items left out between two of theirs, occur in the rows of (N, C).
static void tfIdfVectorizer(NodeBuilder &b) {
  StringRef mode = b.choice("mode", {"TF", "IDF", "TFIDF"});
  int64_t shortest = b.integer("min_gram_length", std::nullopt), longest = b.integer("max_gram_length", std::nullopt),
          skips = b.integer("max_skip_count", std::nullopt);
  if (b.hasAttribute("pool_strings"))
    b.refuse("pool_strings", "n-grams of integers, pool_int64s");
  std::map<int64_t, Grams> pool = readGrams(b, shortest, longest);
  std::vector<double> weights = b.numbers("weights").value_or(std::vector<double>());
  Type i64 = IntegerType::get(b.state.context, 64), f32 = Float32Type::get(b.state.context);
  Value x = b.cast(b.value(0), i64);
  if (b.failed())
    return;
  bool isVector = b.rank(x) == 1;
  if (isVector)
    x = b.unsqueeze(x, 0);
  if (b.rank(x) != 2)
    return void(b.error() << "its input has shape " << b.text(b.shape(x)) << "; supported: (C) and (N, C)");
  int64_t width = b.extent(x, 1), columns = 0;
  for (int64_t column : b.integers("ngram_indexes").value_or(Dims()))
    columns = std::max(columns, column + 1);
  if (!weights.empty() && int64_t(weights.size()) != columns)
    b.refuse("weights", "as many as the result has columns, " + Twine(columns));
  if (skips < 0 || skips > INT16_MAX)
    b.refuse("max_skip_count", "0 to " + Twine(INT16_MAX));
  Value total;
  for (const auto &[size, grams] : pool) {
    int64_t length = size, count = grams.items.size();
    SmallVector<Operand> items; // of each gram, by their position in it
    for (int64_t k = 0; k < length; ++k) {
      std::vector<char> bytes(count * sizeof(int64_t));
      for (int64_t g = 0; g < count; ++g)
        std::memcpy(bytes.data() + g * sizeof(int64_t), &grams.items[g][k], sizeof(int64_t));
      items.push_back(b.parameter(i64, {count}, std::move(bytes)));
    }
    Value occurrences; // (N, grams)
    for (int64_t distance = 1; distance <= (length == 1 ? 1 : skips + 1) && !b.failed(); ++distance) {
      int64_t places = width - distance * (length - 1);
      if (places < 1)
        break;
      SmallVector<Operand> operands;
      for (int64_t k = 0; k < length; ++k)
        operands.push_back(b.unsqueeze(b.slice(x, 1, k * distance, places), 2));
      operands.append(items);
      Value matches = b.map(operands, f32, [&](OpBuilder &builder, Location at, ValueRange v) {
        ScalarMath s(builder, at, i64), number(builder, at, f32);
        Value all;
        for (int64_t k = 0; k < length; ++k) {
          Value same = s.equal(v[k], v[length + k]);
          all = all ? s.both(all, same) : same;
        }
        return number.select(all, number.constant(1.0), number.constant(0.0));
      });
      Value found = b.reduce(nn::ReduceKind::Sum, matches, {1}, false);
      occurrences = occurrences ? b.add(occurrences, found) : found;
    }
    if (!occurrences || b.failed())
      continue;
    if (count * columns > kMaxPlaced)
      return void(b.error() << "it counts " << count << " n-grams in " << columns << " columns; supported: a product of "
                            << kMaxPlaced);
    std::vector<double> places(count * columns, 0);
    for (int64_t g = 0; g < count; ++g)
      places[g * columns + grams.columns[g]] = 1;
    Value part = b.matmul(occurrences, b.parameter(f32, {count, columns}, places));
    total = total ? b.add(total, part) : part;
  }
  if (!b.failed() && !total) {
    if (columns < 1)
      return b.refuse("ngram_indexes", "at least one column");
    total = b.materialize(b.splat(ShapeExpr{b.shape(x)[0], b.expr(columns)}, f32, Scalar()));
  }
  if (mode == "IDF")
    total = b.map(total, [](nn::ScalarBuilder &s, Value e) {
      return s.selectGreater(e, s.constant(0, e), s.constant(1, e), s.constant(0, e));
    });
  if (mode != "TF" && !weights.empty())
    total = b.multiply(total, b.parameter(f32, {columns}, weights));
  b.result(isVector ? b.squeeze(total, 0) : total);
}

/// Columns of (..., n).
static void arrayFeatureExtractor(NodeBuilder &b) {
  Value x = b.value(0), indices = b.value(1);
  if (b.failed())
    return;
  if (b.rank(x) == 1)
    x = b.unsqueeze(x, 0);
  AffineExpr count = b.expr(1);
  for (AffineExpr dim : b.shape(indices))
    count = count * dim;
  indices = b.reshape(indices, ArrayRef<AffineExpr>(ShapeExpr{count}));
  b.result(b.make<nn::GatherOp>(x, indices, b.rank(x) - 1));
}

static void binarizer(NodeBuilder &b) {
  double threshold = b.number("threshold", 0);
  b.result(b.map(b.input(0), [&](nn::ScalarBuilder &s, Value x) {
    return s.selectGreater(x, s.constant(threshold, x), s.constant(1, x), s.constant(0, x));
  }));
}

ArrayRef<OperatorRow> learningOperators() {
  static const OperatorRow rows[] = {
      {"TfIdfVectorizer", 9, kNewest, tfIdfVectorizer},
      {"ai.onnx.ml::ArrayFeatureExtractor", 1, kNewest, arrayFeatureExtractor},
      {"ai.onnx.ml::Binarizer", 1, kNewest, binarizer},
  };
  return rows;
}

} // namespace sylvite::onnx
