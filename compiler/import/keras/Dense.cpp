//===- Dense.cpp - matrix products ----------------------------------------===//
//
// Rows for Dense, Dot and EinsumDense, and einsum of keras.ops.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/keras/Layers.h"
#include "llvm/ADT/StringExtras.h"

using namespace llvm;
using namespace mlir;
using namespace sylvite;
using namespace sylvite::keras;

static void dense(LayerBuilder &b) {
  Value x = b.floatInput();
  if (rankOf(x) < 2)
    b.error() << "its input has " << rankOf(x) << " dimensions; supported: two or more";
  int64_t units = b.integer("units", std::nullopt);
  int64_t features = b.extent(x, std::max<int64_t>(rankOf(x) - 1, 0));
  Value kernel = b.variable("kernel", {features, units}, "kernel_initializer", "glorot_uniform");
  Value y = b.make<nn::MatmulOp>(x, kernel, false, false);
  if (b.boolean("use_bias", true))
    y = b.add(y, b.variable("bias", {units}, "bias_initializer", "zeros"));
  b.result(activate(b, y));
}

/// x / max(|x|, 1e-7) along dimension `dim`: keras.ops.normalize with its default epsilon.
static Value normalize(LayerBuilder &b, Value x, int64_t dim) {
  Value squares =
      b.make<nn::ReduceOp>(x, nn::ReduceKind::SumSquare, ArrayRef<int64_t>{dim}, /*keep_dims=*/true);
  return b.map(x, squares, [](nn::ScalarBuilder &s, Value e, Value sum) {
    return s.mul(e, s.minimum(s.rsqrt(sum), s.constant(1e7, sum)));
  });
}

/// Moves dimension `from` of `x` to place `to`.
static Value moveDim(LayerBuilder &b, Value x, int64_t from, int64_t to) {
  Dims permutation;
  for (int64_t i = 0; i < rankOf(x); ++i)
    if (i != from)
      permutation.push_back(i);
  permutation.insert(permutation.begin() + to, from);
  return from == to ? x : b.transpose(x, permutation);
}

/// Contracts one dimension of each input, for each element of the batch: keras's batch_dot.
static void dot(LayerBuilder &b) {
  b.expectInputs(2);
  if (b.failed())
    return;
  Value x = b.floatInput(0), y = b.floatInput(1);
  int64_t rankX = rankOf(x), rankY = rankOf(y), ax = -1, ay = -1;
  const Json *axes = b.attribute("axes");
  if (auto single = asInteger(axes)) {
    ax = ay = *single;
  } else if (auto pair = asIntegers(axes); pair && pair->size() == 2) {
    ax = (*pair)[0];
    ay = (*pair)[1];
  } else {
    return b.refuse("axes", "an axis or two axes");
  }
  ax += ax < 0 ? rankX : 0;
  ay += ay < 0 ? rankY : 0;
  if (rankX < 2 || rankY < 2 || ax < 1 || ay < 1 || ax >= rankX || ay >= rankY)
    return b.refuse("axes", "axes of inputs of ranks " + Twine(rankX) + " and " + Twine(rankY) +
                                " other than the batch");
  if (b.extent(x, ax) != b.extent(y, ay))
    return b.refuse("axes", "axes of one size; they have " + Twine(shapeOf(x)[ax]) + " and " +
                                Twine(shapeOf(y)[ay]) + " elements");
  if (b.boolean("normalize", false)) {
    x = normalize(b, x, ax);
    y = normalize(b, y, ay);
  }
  x = moveDim(b, x, ax, rankX - 1); // (N, X..., K)
  y = moveDim(b, y, ay, 1);         // (N, K, Y...)
  if (b.failed())
    return;

  // Each side becomes a matrix, the result takes its dimensions back.
  auto rows = shapeOf(x).drop_front().drop_back(), columns = shapeOf(y).drop_front(2);
  auto product = [](ArrayRef<int64_t> sizes) {
    int64_t size = 1;
    for (int64_t extent : sizes)
      size = ShapedType::isDynamic(extent) || ShapedType::isDynamic(size) ? ShapedType::kDynamic
                                                                          : size * extent;
    return size;
  };
  int64_t batch = shapeOf(x)[0], contracted = shapeOf(x).back();
  Dims shape{batch};
  shape.append(rows.begin(), rows.end());
  shape.append(columns.begin(), columns.end());
  if (shape.size() == 1)
    shape.push_back(1);
  Dims from(shape.size(), -1);
  from[0] = 0;
  Value matrixX = b.reshape(x, {batch, product(rows), contracted}, {0, -1, rankX - 1});
  Value matrixY = b.reshape(y, {shapeOf(y)[0], contracted, product(columns)}, {0, 1, -1});
  b.result(b.reshape(b.make<nn::MatmulOp>(matrixX, matrixY, false, false), shape, from));
}

//===----------------------------------------------------------------------===//
// Einsum
//===----------------------------------------------------------------------===//

namespace {
/// `ab,bc->ac`, a letter per dimension; digits are those that "..." stands for, counted from the last one.
struct Equation {
  SmallVector<std::string> terms;
  std::string output;
};

/// A tensor and the letters of its dimensions.
struct Term {
  Value value;
  std::string letters;
};
} // namespace

/// Terms of these ranks, -1 for as many dimensions as letters; nothing where the text does not fit them, or where a letter
/// stands twice in a term.
static std::optional<Equation> parseEquation(StringRef given, ArrayRef<int64_t> ranks) {
  std::string text = given.str();
  llvm::erase(text, ' ');
  auto [left, right] = StringRef(text).split("->");
  SmallVector<StringRef> parts;
  left.split(parts, ',');
  int64_t most = 0;
  // Puts the last `elided` digits in the place of "...".
  auto expand = [](StringRef part, int64_t elided) -> std::optional<std::string> {
    auto [before, after] = part.split("...");
    std::string letters = before.str() + StringRef("0123456789").take_back(elided).str() + after.str();
    for (size_t i = 0; i < letters.size(); ++i)
      if (!isAlnum(letters[i]) || letters.find(letters[i], i + 1) != std::string::npos)
        return std::nullopt;
    return letters;
  };
  Equation equation;
  if (parts.size() != ranks.size())
    return std::nullopt;
  for (auto [part, rank] : llvm::zip_equal(parts, ranks)) {
    bool isOpen = part.contains("...");
    int64_t elided = isOpen && rank >= 0 ? rank - int64_t(part.size()) + 3 : 0;
    if (elided < 0 || elided > 8 || (!isOpen && rank >= 0 && int64_t(part.size()) != rank))
      return std::nullopt;
    auto term = expand(part, elided);
    if (!term || part.find_first_of("0123456789") != StringRef::npos)
      return std::nullopt;
    most = std::max(most, elided);
    equation.terms.push_back(*term);
  }
  std::string output = right.str();
  if (!StringRef(text).contains("->")) { // the letters that occur once, sorted
    output = most ? "..." : "";
    for (char letter = 'A'; letter <= 'z'; ++letter)
      if (isAlpha(letter) && left.count(letter) == 1)
        output += letter;
  }
  auto expanded = expand(output, most);
  if (!expanded)
    return std::nullopt;
  equation.output = *expanded;
  for (char letter : equation.output)
    if (llvm::none_of(equation.terms, [&](StringRef term) { return term.contains(letter); }))
      return std::nullopt;
  return equation;
}

/// The dimensions of `term` in the order of `letters`.
static Value arrange(LayerBuilder &b, const Term &term, StringRef letters) {
  Dims permutation;
  for (char letter : letters)
    permutation.push_back(StringRef(term.letters).find(letter));
  return b.transpose(term.value, permutation);
}

/// Sums over the dimensions whose letters nothing needs.
static Term sumUnused(LayerBuilder &b, const Term &term, StringRef needed) {
  Dims summed;
  Term result;
  for (auto [i, letter] : llvm::enumerate(term.letters))
    if (needed.contains(letter))
      result.letters += letter;
    else
      summed.push_back(i);
  result.value = summed.empty() ? term.value : b.make<nn::ReduceOp>(term.value, nn::ReduceKind::Sum, summed, false);
  return result;
}

/// The product of two terms, summed over what both have and nothing else needs: a matrix product between reshapes, as
/// dimensions that play the same part are merged.
static Term contract(LayerBuilder &b, const Term &x, const Term &y, StringRef needed) {
  std::string batch, rows, contracted, columns;
  for (char letter : x.letters) {
    bool isShared = StringRef(y.letters).contains(letter);
    (!isShared ? rows : needed.contains(letter) ? batch : contracted) += letter;
  }
  for (char letter : y.letters)
    if (!StringRef(x.letters).contains(letter))
      columns += letter;
  int64_t numBatch = batch.size(), numRows = rows.size(), numColumns = columns.size();
  Term result{{}, batch + rows + columns};
  if (contracted.empty()) {
    Value left = arrange(b, x, batch + rows), right = arrange(b, y, batch + columns);
    for (int64_t i = 0; i < numColumns && left; ++i)
      left = b.expandDims(left, rankOf(left));
    for (int64_t i = 0; i < numRows && right; ++i)
      right = b.expandDims(right, numBatch);
    result.value = b.failed() ? Value() : b.multiply(left, right);
    return result;
  }
  Value left = arrange(b, x, batch + rows + contracted), right = arrange(b, y, batch + contracted + columns);
  if (b.failed())
    return result;
  auto range = [](int64_t first, int64_t count) { return llvm::to_vector(llvm::seq(first, first + count)); };
  // Without a batch the rows may stay several dimensions.
  int64_t merged = numBatch || !numRows ? 1 : numRows;
  Value matrix = b.mergeDims(left, numBatch + numRows, contracted.size());
  if (merged != numRows)
    matrix = b.mergeDims(matrix, numBatch, numRows);
  Value other = b.mergeDims(b.mergeDims(right, numBatch + contracted.size(), numColumns), numBatch, contracted.size());
  Value product = b.make<nn::MatmulOp>(matrix, other, false, false);
  product = b.splitDim(product, numBatch + merged, right, range(numBatch + contracted.size(), numColumns));
  result.value = merged != numRows ? b.splitDim(product, numBatch, left, range(numBatch, numRows)) : product;
  return result;
}

static Value einsum(LayerBuilder &b, ArrayRef<Value> operands, const Equation &equation) {
  Term total;
  for (auto [i, operand] : llvm::enumerate(operands)) {
    std::string needed = equation.output; // by the result and by the terms to come
    for (const std::string &term : ArrayRef(equation.terms).drop_front(i + 1))
      needed += term;
    Term term{operand, equation.terms[i]};
    if (i > 0) {
      term = sumUnused(b, term, needed + total.letters);
      total = contract(b, sumUnused(b, total, needed + term.letters), term, needed);
    } else {
      total = term;
    }
    if (b.failed())
      return {};
  }
  return arrange(b, sumUnused(b, total, equation.output), equation.output);
}

void keras::einsum(LayerBuilder &b) {
  SmallVector<Value> operands;
  Dims ranks;
  for (unsigned i = 0; i < b.arguments().size() && !b.failed(); ++i) {
    operands.push_back(b.toFloat(b.operand(i)));
    ranks.push_back(rankOf(operands.back()));
  }
  auto text = asString(b.attribute("subscripts"));
  std::optional<Equation> equation = text ? parseEquation(*text, ranks) : std::nullopt;
  if (!equation)
    return b.refuse("subscripts", "a term per operand with one letter, or \"...\", per dimension, none of them twice");
  if (!b.failed())
    b.result(::einsum(b, operands, *equation));
}

/// The tensors of a product of two, with a letter per dimension: small ones for the first, capital ones for the second, which has
/// those of the first at the dimensions that are summed over.
static void product(LayerBuilder &b, Value x, Value y, ArrayRef<int64_t> xDims, ArrayRef<int64_t> yDims) {
  if (b.failed())
    return;
  Term left{x, {}}, right{y, {}};
  for (int64_t i = 0; i < rankOf(x); ++i)
    left.letters += char('a' + i);
  for (int64_t i = 0; i < rankOf(y); ++i)
    right.letters += char('A' + i);
  for (auto [p, q] : llvm::zip_equal(xDims, yDims)) {
    int64_t own = shapeOf(x)[p], other = shapeOf(y)[q];
    if (own != other && !ShapedType::isDynamic(own) && !ShapedType::isDynamic(other))
      return void(b.error() << "it sums over dimensions of " << own << " and " << other << " elements");
    right.letters[q] = left.letters[p];
  }
  std::string needed;
  for (char letter : left.letters + right.letters)
    if (StringRef(left.letters).count(letter) + StringRef(right.letters).count(letter) == 1)
      needed += letter;
  b.result(contract(b, left, right, needed).value);
}

/// The arguments of a product, as float32; reports those of more than 26 dimensions, or of none.
static std::pair<Value, Value> factors(LayerBuilder &b) {
  Value x = b.toFloat(b.operand(0, "x1")), y = b.toFloat(b.operand(1, "x2"));
  for (Value factor : {x, y})
    if (factor && (rankOf(factor) < 1 || rankOf(factor) > 26))
      b.error() << "an argument has " << rankOf(factor) << " dimensions; supported: 1 to 26";
  return {x, y};
}

void keras::tensordot(LayerBuilder &b) {
  auto [x, y] = factors(b);
  const Json *axes = b.attribute("axes");
  int64_t ranks[] = {rankOf(x), rankOf(y)};
  Dims dims[2];
  if (auto count = asInteger(axes)) { // the last of one and the first of the other
    for (int64_t i = 0; i < *count && *count <= std::min(ranks[0], ranks[1]); ++i) {
      dims[0].push_back(ranks[0] - *count + i);
      dims[1].push_back(i);
    }
    if (int64_t(dims[0].size()) != *count)
      return b.refuse("axes", "at most as many as either argument has dimensions");
    return ::product(b, x, y, dims[0], dims[1]);
  }
  bool valid = axes && axes->is_array() && axes->size() == 2;
  for (unsigned side = 0; side < 2 && valid; ++side) {
    const Json &given = (*axes)[side];
    auto single = asInteger(&given);
    auto list = given.is_array() ? asIntegers(&given) : std::nullopt;
    dims[side] = single ? Dims{*single} : list.value_or(Dims());
    valid = single || list;
    for (int64_t &dim : dims[side]) {
      dim += dim < 0 ? ranks[side] : 0;
      valid &= dim >= 0 && dim < ranks[side] && llvm::count(dims[side], dim) == 1;
    }
  }
  if (!valid || dims[0].size() != dims[1].size())
    return b.refuse("axes", "a number of dimensions, or dimensions of both arguments, as many");
  ::product(b, x, y, dims[0], dims[1]);
}

/// NumPy's: over the last dimension of one, and the last but one of the other.
void keras::dotProduct(LayerBuilder &b) {
  auto [x, y] = factors(b);
  ::product(b, x, y, {rankOf(x) - 1}, {std::max<int64_t>(rankOf(y) - 2, 0)});
}

static void einsumDense(LayerBuilder &b) {
  Value x = b.floatInput();
  auto text = asString(b.attribute("equation"));
  std::optional<Equation> e = text ? parseEquation(*text, {rankOf(x), -1}) : std::nullopt;
  if (!e || StringRef(*text).count("...") == 1)
    return b.refuse("equation", "\"X,Y->Z\" with one letter per dimension of the input, where \"...\" may "
                                "open X and Z, or end them");
  const Json *given = b.attribute("output_shape");
  Dims outputs = asIntegers(given, /*missing=*/-1).value_or(Dims());
  if (auto single = asInteger(given))
    outputs = {*single};
  StringRef input(e->terms[0]), kernel(e->terms[1]);
  // The sizes that are given begin after the batch: one dimension, or what "..." stands for in front.
  int64_t offset = std::max<int64_t>(StringRef(e->output).find_if_not(isDigit), 1);
  Dims shape;
  for (char letter : kernel) {
    size_t in = input.find(letter), out = e->output.find(letter);
    if (in != StringRef::npos) {
      shape.push_back(b.extent(x, in));
      continue;
    }
    int64_t place = out == std::string::npos ? -1 : int64_t(out) - offset;
    if (place < 0 || place >= int64_t(outputs.size()) || outputs[place] < 1)
      return b.refuse("output_shape", "the sizes of the output without the batch");
    shape.push_back(outputs[place]);
  }
  Value y = einsum(b, {x, b.variable("kernel", shape, "kernel_initializer", "glorot_uniform")}, *e);
  if (auto axes = asString(b.attribute("bias_axes")); axes && !b.failed()) {
    size_t first = e->output.size();
    for (char letter : *axes)
      first = std::min(first, e->output.find(letter));
    Dims bias;
    for (size_t i = first; i < e->output.size(); ++i)
      bias.push_back(StringRef(*axes).contains(e->output[i]) ? b.extent(y, i) : 1);
    if (bias.empty())
      return b.refuse("bias_axes", "letters of the output");
    y = b.add(y, b.variable("bias", bias, "bias_initializer", "zeros"));
  }
  b.result(activate(b, y));
}

ArrayRef<LayerRow> keras::denseLayers() {
  static const LayerRow rows[] = {
      {"Dense", dense, Masks::Pass},
      {"Dot", dot},
      {"EinsumDense", einsumDense},
  };
  return rows;
}
