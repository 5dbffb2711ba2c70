//===- ContributedAttention.cpp - attention as ONNX Runtime writes it -----===//
//
// Rows for the attention operators of the domain com.microsoft, which its optimizer makes of whole layers of transformers, and
// for the products with weights of few bits that models of language have beside them.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/AttentionScores.h"
#include "compiler/import/onnx/Folding.h"
#include "compiler/import/onnx/Operators.h"
#include <cmath>

using namespace llvm;
using namespace mlir;

namespace sylvite::onnx {

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

namespace {
/// Heads (N, heads, T, size), and the inputs that decide which keys count.
struct Heads {
  Value queries, keys, values;
  unsigned mask, bias; // inputs: of keys, and what is added to the scores
};
} // namespace

/// Adds the mask of keys: lengths (N), ones and zeros (N, keys), or those of each query (N, T, keys).
static void addKeyMask(NodeBuilder &b, AttentionScores &scores, unsigned input, double filter) {
  Type i64 = IntegerType::get(b.state.context, 64);
  Value mask = b.cast(b.value(input), i64);
  if (b.failed())
    return;
  ShapeExpr shape = b.shape(mask);
  AffineExpr items = b.shape(scores.scores)[0], one = b.expr(1);
  if (shape.empty() || shape.size() > 3 || (shape.size() == 1 && constantDim(items) && shape[0] != items))
    return void(b.error() << "its mask has shape " << b.text(shape) << "; supported: lengths (N), (N, keys) or (N, T, keys)");
  if (shape.size() == 1)
    return scores.allowFirst(b.reshape(mask, ArrayRef<AffineExpr>(ShapeExpr{shape[0], one, one, one})), filter);
  shape.insert(shape.begin() + 1, 4 - shape.size(), one);
  scores.allow({b.reshape(mask, ArrayRef<AffineExpr>(shape))}, [&](OpBuilder &builder, Location at, ValueRange s) {
    ScalarMath number(builder, at, i64);
    return number.less(number.constant(int64_t(0)), s[0]);
  }, filter);
}

/// The mean of the values, with the attributes that all of these operators have; (N, T, heads * size).
static Value attend(NodeBuilder &b, const Heads &heads, AffineExpr past) {
  bool causal = b.flag("unidirectional", false);
  double scale = b.number("scale", 0), filter = b.number("mask_filter_value", -10000);
  if (b.failed())
    return {};
  double size = b.extent(heads.queries, 3);
  AttentionScores scores(b, heads.queries, heads.keys, scale != 0 ? scale : 1 / std::sqrt(size), /*softcap=*/0);
  if (b.has(heads.mask))
    addKeyMask(b, scores, heads.mask, filter);
  if (b.has(heads.bias))
    scores.add(b.cast(b.value(heads.bias), scores.real));
  if (causal)
    scores.allowWindow(/*causal=*/true, -1, -1, b.knownTensor(IntegerType::get(b.state.context, 64), {}, {integerScalar(past)}));
  Value probabilities = scores.probabilities(scores.real, /*zeroUndefined=*/false);
  if (b.failed())
    return {};
  Type type = b.type(heads.values);
  return joinHeads(b, b.matmul(b.cast(probabilities, type), heads.values));
}

/// Inputs: x, weights and offsets of queries, keys and values side by side, mask, past keys and values (2, N, heads, T, size),
/// bias of the scores.
static void projectedAttention(NodeBuilder &b) {
  int64_t count = b.integer("num_heads", std::nullopt);
  std::optional<Dims> sizes = b.integers("qkv_hidden_sizes");
  for (StringRef key : {"do_rotary", "past_present_share_buffer"})
    if (b.flag(key, false))
      b.refuse(key, "0");
  b.ignore({"rotary_embedding_dim"});
  if (b.has(6))
    b.error() << "it has a length of its past; supported: a past of the size of its tensor";
  Value all = multiplyMatrices(b, b.value(0), b.value(1));
  if (b.has(2))
    all = b.add(all, b.value(2));
  if (b.failed())
    return;
  int64_t width = b.extent(all, 2);
  if (!sizes)
    sizes = Dims(3, width / 3);
  if (b.failed() || sizes->size() != 3 || (*sizes)[0] + (*sizes)[1] + (*sizes)[2] != width)
    return b.refuse("qkv_hidden_sizes", "three sizes that are " + Twine(width) + " together");
  Value parts[3];
  int64_t start = 0;
  for (auto [part, size] : zip(parts, *sizes)) {
    part = splitHeads(b, b.slice(all, 2, start, size), count);
    start += size;
  }
  Heads heads{parts[0], parts[1], parts[2], /*mask=*/3, /*bias=*/5};
  AffineExpr past = b.expr(0);
  if (b.has(4)) {
    Value both = b.value(4);
    if (b.failed())
      return;
    past = b.shape(both)[3];
    heads.keys = b.concat({b.squeeze(b.slice(both, 0, 0, 1), 0), heads.keys}, 2);
    heads.values = b.concat({b.squeeze(b.slice(both, 0, 1, 1), 0), heads.values}, 2);
  }
  b.result(attend(b, heads, past));
  if (b.wants(1))
    b.result(b.concat({b.unsqueeze(heads.keys, 0), b.unsqueeze(heads.values, 0)}, 0));
}

/// Inputs: queries, keys, values, their offsets, mask of keys, bias of the scores, past keys, past values.
static void multiHeadAttention(NodeBuilder &b) {
  int64_t count = b.integer("num_heads", std::nullopt);
  if (b.has(8) || b.has(9))
    return void(b.error() << "it has a length of its past or a cache of beams; supported: a past of the size of its tensor");
  int64_t first = 0; // of the offsets
  /// Input `index`, (N, T, heads * size) with its part of the offsets, or heads as they are.
  auto split = [&](unsigned index) -> Value {
    Value x = b.value(index);
    if (b.failed() || b.rank(x) == 4)
      return x;
    if (b.rank(x) != 3) {
      b.error() << "its input has shape " << b.text(b.shape(x)) << "; supported: (N, T, heads * size), or (N, heads, T, size)";
      return {};
    }
    if (b.has(3)) {
      int64_t width = b.extent(x, 2);
      x = b.add(x, b.slice(b.value(3), 0, first, width));
      first += width;
    }
    return splitHeads(b, x, count);
  };
  Heads heads{split(0), split(1), split(2), /*mask=*/4, /*bias=*/5};
  AffineExpr past = b.expr(0);
  if (b.has(6) && b.has(7)) {
    past = b.input(6)->shape[2];
    heads.keys = b.concat({b.value(6), heads.keys}, 2);
    heads.values = b.concat({b.value(7), heads.values}, 2);
  }
  b.result(attend(b, heads, past));
  b.result(heads.keys);
  b.result(heads.values);
}

/// Inputs: x (N, T, heads * size) or (N, heads, T, size), positions (N, T) or the first one, cosines and sines by position.
static void rotaryEmbeddingByTable(NodeBuilder &b) {
  bool interleaved = b.flag("interleaved", false);
  int64_t count = b.integer("num_heads", 0), rotated = b.integer("rotary_embedding_dim", 0);
  if (b.flag("is_packed_batching", false))
    b.refuse("is_packed_batching", "0");
  if (double scale = b.number("scale", 1); scale != 1)
    b.refuse("scale", "1");
  Value x = b.value(0), positions = b.value(1), cosines = b.value(2), sines = b.value(3);
  if (b.failed())
    return;
  bool joined = b.rank(x) == 3;
  int64_t half = b.extent(cosines, 1);
  if (joined)
    x = splitHeads(b, x, count ? count : b.extent(x, 2) / std::max<int64_t>(2 * half, 1));
  if (b.failed() || b.rank(x) != 4)
    return void(b.error() << "its input has shape " << b.text(b.shape(x))
                          << "; supported: (N, T, heads * size) or (N, heads, T, size)");
  rotated = rotated ? rotated : b.extent(x, 3);
  if (rotated != 2 * half || rotated > b.extent(x, 3))
    return b.refuse("rotary_embedding_dim", "twice the " + Twine(half) + " angles of a position");
  if (b.rank(positions) == 1) // the steps after the first one's
    positions = b.unsqueeze(b.add(b.range(b.shape(x)[2]), positions), 0);
  auto at = [&](Value table) { return b.make<nn::GatherOp>(table, positions, 0); };
  Value y = rotateHeads(b, x, at(cosines), at(sines), rotated, interleaved);
  b.result(joined ? joinHeads(b, y) : y);
}

//===----------------------------------------------------------------------===//
// Weights of few bits
//===----------------------------------------------------------------------===//

/// The integer of `bits` bits, a power of two up to 8, at position `index` of a row of them, the lowest bits of a byte first.
static int64_t packedAt(ArrayRef<char> row, int64_t index, int64_t bits) {
  int64_t perByte = 8 / bits;
  return (uint8_t(row[index / perByte]) >> (index % perByte * bits)) & ((1 << bits) - 1);
}

/// Inputs: x (..., K), blocks (N, K / block_size, bytes) of integers, a scale for each, a zero for each, an order, an offset. The
/// weights are constant, and become numbers of x's type.
static void matMulNBits(NodeBuilder &b) {
  int64_t depth = b.integer("K", std::nullopt), columns = b.integer("N", std::nullopt), bits = b.integer("bits", 4),
          size = b.integer("block_size", std::nullopt);
  b.ignore({"accuracy_level", "weight_prepacked"}); // how it is computed
  if (b.failed())
    return;
  if (bits != 2 && bits != 4 && bits != 8)
    return b.refuse("bits", "2, 4, 8");
  if (depth < 1 || columns < 1 || size < 1 || columns > kMaxElements / depth || size > kMaxElements)
    return b.refuse("block_size", "blocks of a matrix of at most " + Twine(kMaxElements) + " elements");
  if (b.has(4))
    return void(b.error() << "its weights are in groups by an index; supported: blocks in order");
  int64_t blocks = (depth + size - 1) / size, blockBytes = (size * bits + 7) / 8, zeroBytes = (blocks * bits + 7) / 8;
  TensorPtr weights = b.input(1) ? b.input(1)->data : nullptr;
  std::vector<double> scales = b.constantNumbers(2, "scales");
  if (b.failed())
    return;
  if (!weights || int64_t(weights->bytes.size()) != columns * blocks * blockBytes || int64_t(scales.size()) != columns * blocks)
    return void(b.error() << "its weights and scales are not constants of " << columns << " times " << blocks << " blocks of "
                          << size << " integers");
  TensorPtr packedZeros;
  std::vector<double> zeros;
  if (b.has(3) && b.isFloat(3))
    zeros = b.constantNumbers(3, "zeros");
  else if (b.has(3))
    packedZeros = b.input(3)->data;
  if (b.failed())
    return;
  if (b.has(3) && (packedZeros ? int64_t(packedZeros->bytes.size()) != columns * zeroBytes : zeros.size() != scales.size()))
    return void(b.error() << "its zeros are not one constant for each of " << columns << " times " << blocks << " blocks");
  std::vector<double> numbers(columns * depth); // (K, N)
  for (int64_t n = 0; n < columns; ++n)
    for (int64_t k = 0; k < depth; ++k) {
      int64_t block = k / size, row = n * blocks + block;
      double zero = packedZeros      ? packedAt(packedZeros->bytes.slice(n * zeroBytes, zeroBytes), block, bits)
                    : zeros.empty() ? 1 << (bits - 1)
                                    : zeros[row];
      int64_t integer = packedAt(weights->bytes.slice(row * blockBytes, blockBytes), k % size, bits);
      numbers[k * columns + n] = (integer - zero) * scales[row];
    }
  Value y = multiplyMatrices(b, b.value(0), b.parameter(b.type(0u), {depth, columns}, numbers));
  b.result(b.has(5) ? b.add(y, b.value(5)) : y);
}

ArrayRef<OperatorRow> contributedAttentionOperators() {
  static const OperatorRow rows[] = {
      {"com.microsoft::Attention", 1, kNewest, projectedAttention},
      {"com.microsoft::MatMulNBits", 1, kNewest, matMulNBits},
      {"com.microsoft::MultiHeadAttention", 1, kNewest, multiHeadAttention},
      {"com.microsoft::RotaryEmbedding", 1, kNewest, rotaryEmbeddingByTable},
  };
  return rows;
}

} // namespace sylvite::onnx
