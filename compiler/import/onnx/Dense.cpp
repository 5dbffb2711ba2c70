//===- Dense.cpp - matrix products ----------------------------------------===//
//
// Rows for MatMul, Gemm and Einsum.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/Operators.h"
#include "llvm/ADT/MapVector.h"

using namespace llvm;
using namespace mlir;

namespace sylvite::onnx {

Value multiplyMatrices(NodeBuilder &b, Value x, Value y) {
  if (b.failed() || !x || !y)
    return {};
  int64_t rankX = b.rank(x), rankY = b.rank(y);
  if (rankX == 0 || rankY == 0) {
    b.error() << "its inputs have shapes " << b.text(b.shape(x)) << " and " << b.text(b.shape(y))
              << "; supported: at least one dimension";
    return {};
  }
  if (rankX == 1)
    x = b.unsqueeze(x, 0);
  if (rankY == 1)
    y = b.unsqueeze(y, 1);
  Value z = b.matmul(x, y);
  if (rankY == 1)
    z = b.squeeze(z, b.rank(z) - 1);
  if (rankX == 1)
    z = b.squeeze(z, rankY == 1 ? b.rank(z) - 1 : b.rank(z) - 2);
  return z;
}

static void matMul(NodeBuilder &b) { b.result(multiplyMatrices(b, b.value(0), b.value(1))); }

static void gemm(NodeBuilder &b) {
  bool transposeA = b.flag("transA", false), transposeB = b.flag("transB", false);
  double alpha = b.number("alpha", 1), beta = b.number("beta", 1);
  b.ignore({"broadcast"});
  Value x = b.value(0), y = b.value(1);
  if (!b.failed() && (b.rank(x) != 2 || b.rank(y) != 2))
    b.error() << "its inputs have shapes " << b.text(b.shape(x)) << " and " << b.text(b.shape(y))
              << "; supported: matrices";
  if (b.failed())
    return;
  Type type = b.type(x);
  auto scaled = [&](Operand value, double factor) {
    return b.map({value}, type, [&](OpBuilder &builder, Location at, ValueRange v) {
      ScalarMath s(builder, at, type);
      return s.mul(v[0], s.constant(factor));
    });
  };
  Value z = b.matmul(x, y, transposeA, transposeB);
  if (alpha != 1)
    z = scaled(z, alpha);
  if (b.has(2) && beta != 0)
    z = beta == 1 ? b.add(z, b.input(2)) : b.add(z, scaled(b.value(2), beta));
  b.result(z);
}

//===----------------------------------------------------------------------===//
// Einsum
//===----------------------------------------------------------------------===//

namespace {
/// A term of an equation: its tensor, and the label of each dimension. Dimensions that "..." stands for have the
/// labels '0' and on, counted from the last.
struct Term {
  Value value;
  std::string labels;
};
} // namespace

/// The labels of `text` for a tensor of rank `rank`; nothing when they do not fit.
static std::optional<std::string> labelsOf(StringRef text, int64_t rank, int64_t &ellipsis) {
  std::string labels;
  size_t dots = text.find("...");
  int64_t named = text.size() - (dots == StringRef::npos ? 0 : 3);
  int64_t implied = rank < 0 ? ellipsis : rank - named;
  if (implied < 0 || implied > 9 || (dots == StringRef::npos && rank >= 0 && implied))
    return std::nullopt;
  for (size_t i = 0; i < text.size(); ++i) {
    if (i == dots) {
      for (int64_t k = implied; k-- > 0;)
        labels += char('0' + k);
      ellipsis = std::max(ellipsis, implied);
      i += 2;
    } else if (isAlpha(text[i])) {
      labels += text[i];
    } else {
      return std::nullopt;
    }
  }
  return labels;
}

/// Takes the diagonal of dimensions with one label.
static Term takeDiagonals(NodeBuilder &b, Term term) {
  for (size_t i = 0; i < term.labels.size() && !b.failed(); ++i) {
    size_t j = term.labels.find(term.labels[i], i + 1);
    if (j == std::string::npos)
      continue;
    // Elements off the diagonal become zero; then the second dimension is summed.
    Type i64 = IntegerType::get(b.state.context, 64), type = b.type(term.value);
    Value row = b.indices(b.shape(term.value), i, i64), column = b.indices(b.shape(term.value), j, i64);
    Value kept = b.map({term.value, row, column}, type, [&](OpBuilder &builder, Location at, ValueRange v) {
      ScalarMath s(builder, at, type), index(builder, at, i64);
      return s.select(index.equal(v[1], v[2]), v[0], s.constant(int64_t(0)));
    });
    term.value = b.reduce(nn::ReduceKind::Sum, kept, {int64_t(j)}, /*keepDims=*/false);
    term.labels.erase(j, 1);
    --i;
  }
  return term;
}

/// Sums the dimensions that nothing else needs.
static Term sumUnused(NodeBuilder &b, Term term, StringRef needed) {
  Dims dims;
  std::string kept;
  for (auto [i, label] : enumerate(term.labels))
    if (needed.contains(label))
      kept += label;
    else
      dims.push_back(i);
  if (!dims.empty())
    term.value = b.reduce(nn::ReduceKind::Sum, term.value, dims, /*keepDims=*/false);
  term.labels = kept;
  return term;
}

/// Transposes and inserts dimensions of size one, so that the dimensions are `labels`.
static Value arrange(NodeBuilder &b, const Term &term, StringRef labels) {
  Dims permutation;
  for (char label : labels)
    if (size_t at = term.labels.find(label); at != std::string::npos)
      permutation.push_back(at);
  Value x = b.transpose(term.value, permutation);
  for (auto [i, label] : enumerate(labels))
    if (term.labels.find(label) == std::string::npos)
      x = b.unsqueeze(x, i);
  return x;
}

/// The product of two terms: dimensions of both that something else needs are the batch, those that nothing needs are
/// contracted.
static Term contract(NodeBuilder &b, const Term &x, const Term &y, StringRef needed) {
  std::string batch, rows, columns, contracted;
  for (char label : x.labels) {
    bool shared = StringRef(y.labels).contains(label);
    (shared ? (needed.contains(label) ? batch : contracted) : rows) += label;
  }
  for (char label : y.labels)
    if (!StringRef(x.labels).contains(label))
      columns += label;
  auto product = [&](const Term &term, StringRef labels) {
    AffineExpr size = b.expr(1);
    for (char label : labels)
      size = size * b.shape(term.value)[term.labels.find(label)];
    return size;
  };
  Value left = arrange(b, x, batch + rows + contracted), right = arrange(b, y, batch + contracted + columns);
  if (b.failed())
    return x;
  ShapeExpr leftShape, rightShape, result;
  for (char label : batch) {
    leftShape.push_back(b.shape(x.value)[x.labels.find(label)]);
    rightShape.push_back(b.shape(y.value)[y.labels.find(label)]);
    result.push_back(constantDim(leftShape.back()) == 1 ? rightShape.back() : leftShape.back());
  }
  for (char label : rows)
    result.push_back(b.shape(x.value)[x.labels.find(label)]);
  for (char label : columns)
    result.push_back(b.shape(y.value)[y.labels.find(label)]);
  leftShape.append({product(x, rows), product(x, contracted)});
  rightShape.append({product(x, contracted), product(y, columns)});
  left = b.reshape(left, ArrayRef<AffineExpr>(leftShape));
  right = b.reshape(right, ArrayRef<AffineExpr>(rightShape));
  Value z = b.reshape(b.matmul(left, right), ArrayRef<AffineExpr>(result));
  return {z, batch + rows + columns};
}

static void einsum(NodeBuilder &b) {
  const Attribute *equation = b.attribute("equation", Attribute::String);
  if (!equation)
    return b.refuse("equation", "an equation such as \"bij, bjk -> bik\"");
  std::string text;
  for (char c : equation->text)
    if (c != ' ')
      text += c;
  auto [left, right] = StringRef(text).split("->");
  SmallVector<StringRef> parts;
  left.split(parts, ',');
  int64_t ellipsis = 0;
  std::vector<Term> terms;
  for (auto [i, part] : enumerate(parts)) {
    Value x = b.value(i);
    if (b.failed())
      return;
    auto labels = labelsOf(part, b.rank(x), ellipsis);
    if (!labels)
      return b.refuse("equation", "one letter, or '...', per dimension of each input");
    terms.push_back(takeDiagonals(b, {x, *labels}));
  }
  if (parts.size() != b.numInputs())
    return b.refuse("equation", "one term per input");
  std::string result;
  if (StringRef(text).contains("->")) {
    auto labels = labelsOf(right, -1, ellipsis);
    if (!labels)
      return b.refuse("equation", "letters and '...' in the result");
    result = *labels;
  } else { // the labels that occur once, sorted
    std::map<char, int> counts;
    for (StringRef part : parts)
      for (char c : part)
        counts[c] += isAlpha(c);
    for (int64_t k = ellipsis; k-- > 0;)
      result += char('0' + k);
    for (auto [label, count] : counts)
      if (count == 1)
        result += label;
  }
  for (char label : result)
    if (none_of(terms, [&](const Term &term) { return StringRef(term.labels).contains(label); }))
      return b.refuse("equation", "labels of the inputs in the result");
  Term total = terms.front();
  for (size_t i = 0; i < terms.size() && !b.failed(); ++i) {
    std::string needed = result;
    for (size_t j = i + 1; j < terms.size(); ++j)
      needed += terms[j].labels;
    if (i > 0) {
      std::string others = needed;
      terms[i] = sumUnused(b, terms[i], others + total.labels);
      total = contract(b, total, terms[i], needed);
    }
    total = sumUnused(b, total, needed);
  }
  b.result(arrange(b, total, result));
}

/// The determinant of the matrix of `elements` that has its first rows and these columns.
static Value determinant(nn::ScalarBuilder &s, ValueRange elements, int64_t n, ArrayRef<int64_t> columns) {
  int64_t row = int64_t(columns.size()) - 1;
  Value sum;
  for (int64_t i = 0; i <= row; ++i) { // along the last row
    Value term = elements[row * n + columns[i]];
    if (row > 0) {
      Dims rest(columns);
      rest.erase(rest.begin() + i);
      term = s.mul(term, determinant(s, elements, n, rest));
    }
    bool isNegative = (row + i) % 2;
    sum = !sum ? (isNegative ? s.neg(term) : term) : isNegative ? s.sub(sum, term) : s.add(sum, term);
  }
  return sum;
}

/// Of (..., n, n), by Laplace's expansion.
static void det(NodeBuilder &b) {
  Value x = b.value(0);
  if (b.failed())
    return;
  int64_t rank = b.rank(x), n = rank < 2 ? 0 : b.extent(x, rank - 1);
  if (b.failed())
    return;
  if (n < 1 || n > 4 || constantDim(b.shape(x)[rank - 2]) != n || !b.isFloat(0))
    return void(b.error() << "its input has shape " << b.text(b.shape(x))
                          << "; supported: square matrices of up to 4 rows, of floating-point numbers");
  ShapeExpr leading(ArrayRef<AffineExpr>(b.shape(x)).drop_back(2));
  AffineExpr count = b.expr(1);
  for (AffineExpr dim : leading)
    count = count * dim;
  Value flat = b.reshape(x, ArrayRef<AffineExpr>(ShapeExpr{count, b.expr(n * n)}));
  SmallVector<Operand> elements;
  for (int64_t i = 0; i < n * n; ++i)
    elements.push_back(b.slice(flat, 1, i, 1));
  Value y = b.map(elements, b.type(x), [&](OpBuilder &builder, Location at, ValueRange v) {
    nn::ScalarBuilder s(builder, at);
    return determinant(s, v, n, ArrayRef<int64_t>{0, 1, 2, 3}.take_front(n));
  });
  b.result(b.reshape(y, ArrayRef<AffineExpr>(leading)));
}

ArrayRef<OperatorRow> denseOperators() {
  static const OperatorRow rows[] = {
      {"Det", 11, kNewest, det},
      {"Einsum", 12, kNewest, einsum},
      {"Gemm", 6, kNewest, gemm},
      {"MatMul", 1, kNewest, matMul},
  };
  return rows;
}

} // namespace sylvite::onnx
