//===- Attention.cpp - attention and what goes with it --------------------===//
//
// Rows for scaled dot-product attention, rotary embeddings, caches of keys and values, and causal convolution.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/AttentionScores.h"
#include "compiler/import/onnx/Folding.h"
#include "compiler/import/onnx/Operators.h"
#include <cmath>

using namespace llvm;
using namespace mlir;

namespace sylvite::onnx {

using nn::ScalarBuilder;

static void attention(NodeBuilder &b) {
  bool causal = b.flag("is_causal", false);
  double softcap = b.number("softcap", 0);
  int64_t mode = b.integer("qk_matmul_output_mode", 0), left = b.integer("left_window_size", -1),
          right = b.integer("right_window_size", -1);
  Value q = b.value(0), k = b.value(1), v = b.value(2);
  if (b.failed())
    return;
  Type type = b.type(q), real = type.getIntOrFloatBitWidth() < 32 ? Type(Float32Type::get(b.state.context)) : type,
       i64 = IntegerType::get(b.state.context, 64), i1 = IntegerType::get(b.state.context, 1);
  Type precise = b.elementType("softmax_precision", real);
  if (precise.getIntOrFloatBitWidth() < 32)
    precise = real;
  bool joined = b.rank(q) == 3;
  if (b.rank(q) != b.rank(k) || b.rank(q) != b.rank(v) || (b.rank(q) != 4 && !joined))
    return void(b.error() << "its inputs have shapes " << b.text(b.shape(q)) << ", " << b.text(b.shape(k)) << " and "
                          << b.text(b.shape(v)) << "; supported: (N, T, heads * size) or (N, heads, T, size)");
  b.ignore({"q_num_heads", "kv_num_heads"});
  if (joined) {
    int64_t heads = b.integer("q_num_heads", std::nullopt), kvHeads = b.integer("kv_num_heads", std::nullopt);
    q = splitHeads(b, q, heads);
    k = splitHeads(b, k, kvHeads);
    v = splitHeads(b, v, kvHeads);
  }
  if (b.has(4) && b.has(5)) {
    k = b.concat({b.value(4), k}, 2);
    v = b.concat({b.value(5), v}, 2);
  }
  if (b.failed())
    return;
  Value presentKey = k, presentValue = v;
  int64_t heads = b.extent(q, 1), kvHeads = b.extent(k, 1);
  if (b.failed() || heads % kvHeads)
    return void(b.error() << "its " << heads << " heads are no multiple of the " << kvHeads << " heads of its keys");
  k = repeatHeads(b, k, heads / kvHeads);
  v = repeatHeads(b, v, heads / kvHeads);

  double size = b.extent(q, 3);
  AttentionScores scores(b, q, k, b.number("scale", 1 / std::sqrt(size)), softcap);
  if (b.failed())
    return;
  if (b.has(3)) {
    Value mask = b.value(3);
    if (b.failed())
      return;
    int64_t last = b.rank(mask) - 1;
    auto have = constantDim(b.shape(mask)[last]), want = constantDim(b.shape(k)[2]);
    bool isBool = b.type(mask) == i1;
    if (isBool)
      scores.allow({mask}, [](OpBuilder &, Location, ValueRange s) { return s[0]; });
    else
      scores.add(b.map(b.cast(mask, real), [](ScalarBuilder &s, Value e) {
        return s.maximum(e, s.constant(AttentionScores::kMasked, e));
      }));
    if (have && want && *have < *want && *have != 1) { // keys beyond the mask are masked
      Dims low(last + 1, 0), high(last + 1, 0);
      high[last] = *want - *have;
      scores.bias = b.pad(scores.bias, low, high, AttentionScores::kMasked);
    }
  }
  // The position of the first query among the keys.
  Operand offset = b.knownTensor(i64, {}, {integerScalar(b.expr(0))});
  Value valid; // keys of each item that are no padding
  if (b.has(6)) {
    valid = b.cast(b.value(6), i64);
    ShapeExpr items{b.failed() ? b.expr(1) : b.shape(valid)[0], b.expr(1), b.expr(1), b.expr(1)};
    valid = b.reshape(valid, ArrayRef<AffineExpr>(items));
  }
  if (b.failed())
    return;
  if (b.has(4))
    offset = b.knownTensor(i64, {}, {integerScalar(b.input(4)->shape[2])});
  else if (valid)
    offset = b.subtract(valid, b.knownTensor(i64, {}, {integerScalar(b.shape(q)[2])}));
  scores.allowWindow(causal, left, right, offset);
  if (valid)
    scores.allowFirst(valid);
  Value probabilities = scores.probabilities(precise, /*zeroUndefined=*/true);
  Value y = b.cast(b.matmul(b.cast(probabilities, b.type(v)), v), type);
  b.result(joined ? joinHeads(b, y) : y);
  b.result(presentKey);
  b.result(presentValue);
  if (mode < 0 || mode > 3)
    b.refuse("qk_matmul_output_mode", "0 to 3");
  if (mode != 2 || !scores.bias)
    return b.result(b.cast(mode == 3 ? probabilities : scores.scores, type));
  b.result(b.cast(b.map({scores.biased(), scores.bias}, real, [&](OpBuilder &builder, Location at, ValueRange s) {
    ScalarMath m(builder, at, real);
    return m.select(m.less(s[1], m.constant(AttentionScores::kMasked / 2)), m.constant(-INFINITY), s[0]);
  }), type));
}

static void rotaryEmbedding(NodeBuilder &b) {
  bool interleaved = b.flag("interleaved", false);
  int64_t heads = b.integer("num_heads", 0), rotated = b.integer("rotary_embedding_dim", 0);
  Value x = b.value(0), cosines = b.value(1), sines = b.value(2);
  if (b.failed())
    return;
  bool joined = b.rank(x) == 3;
  if (joined)
    x = splitHeads(b, x, heads);
  if (b.failed())
    return;
  int64_t size = b.extent(x, 3);
  rotated = rotated ? rotated : size;
  if (b.rank(x) != 4 || rotated < 2 || rotated % 2 || rotated > size)
    return b.refuse("rotary_embedding_dim", "an even number up to the " + Twine(size) + " elements of a head");
  if (b.has(3)) {
    Value positions = b.value(3);
    cosines = b.make<nn::GatherOp>(cosines, positions, 0);
    sines = b.make<nn::GatherOp>(sines, positions, 0);
  }
  Value y = rotateHeads(b, x, cosines, sines, rotated, interleaved);
  b.result(joined ? joinHeads(b, y) : y);
}

/// Writes `update` into a cache (N, ..., T, size) at a position per item.
static void tensorScatter(NodeBuilder &b) {
  bool circular = b.choice("mode", {"linear", "circular"}) == "circular";
  int64_t axis = b.axis("axis", b.rank(0u), -2);
  Value cache = b.value(0), update = b.value(1);
  if (b.failed())
    return;
  Dims shape = b.extents(cache), part = b.extents(update);
  if (b.failed())
    return;
  if (axis < 1 || part.size() != shape.size())
    return b.refuse("axis", "a dimension after the first");
  Type i64 = IntegerType::get(b.state.context, 64);
  // (N, outer, T, inner): the row of (n, o, t) is that of (n, o, position of n + t).
  int64_t outer = 1, inner = 1;
  for (int64_t i = 1; i < axis; ++i)
    outer *= shape[i];
  for (size_t i = axis + 1; i < shape.size(); ++i)
    inner *= shape[i];
  Dims grid{shape[0], outer, part[axis]};
  ShapeExpr places{b.expr(grid[0]), b.expr(grid[1]), b.expr(grid[2])};
  Value step = b.indices(places, 2, i64), start;
  if (b.has(2))
    start = b.reshape(b.cast(b.value(2), i64), ArrayRef<int64_t>{shape[0], 1, 1});
  else
    start = b.parameter(i64, {1, 1, 1}, ArrayRef<double>{0});
  Value plane = b.indices(places, 1, i64), item = b.indices(places, 0, i64);
  Value rows = b.map({step, start, plane, item}, i64, [&](OpBuilder &builder, Location at, ValueRange v) {
    ScalarMath s(builder, at, i64);
    Value time = s.add(v[0], v[1]);
    if (circular)
      time = s.rem(time, s.constant(shape[axis]));
    Value block = s.add(s.mul(v[3], s.constant(outer)), v[2]);
    return s.add(s.mul(block, s.constant(shape[axis])), time);
  });
  rows = b.broadcast(rows, places);
  int64_t count = grid[0] * grid[1] * grid[2];
  Value y = b.make<nn::ScatterOp>(b.reshape(cache, ArrayRef<int64_t>{shape[0] * outer * shape[axis], inner}),
                                  b.reshape(rows, ArrayRef<int64_t>{count}),
                                  b.reshape(update, ArrayRef<int64_t>{count, inner}), nn::ScatterKind::Set);
  b.result(b.reshape(y, ArrayRef<int64_t>(shape)));
}

static void causalConvWithState(NodeBuilder &b) {
  StringRef activation = b.choice("activation", {"none", "silu", "swish"});
  Value x = b.value(0), w = b.value(1);
  if (b.failed())
    return;
  if (b.rank(x) != 3 || b.rank(w) != 3)
    return void(b.error() << "its inputs have shapes " << b.text(b.shape(x)) << " and " << b.text(b.shape(w))
                          << "; supported: (N, C, T) and (C, 1, k)");
  int64_t k = b.extent(w, 2), channels = b.extent(x, 1);
  if (b.failed())
    return;
  Value padded = b.has(3) ? (k > 1 ? b.concat({b.value(3), x}, 2) : x) : b.pad(x, {0, 0, k - 1}, {0, 0, 0});
  Value y = b.make<nn::ConvOp>(b.transpose(padded, {0, 2, 1}), b.transpose(w, {2, 1, 0}), Dims{1}, Dims{1}, Dims{0},
                               Dims{0}, channels);
  if (b.has(2))
    y = b.add(y, b.value(2));
  if (activation != "none")
    y = b.map(y, [](ScalarBuilder &s, Value e) { return s.silu(e); });
  b.result(b.transpose(y, {0, 2, 1}));
  if (b.wants(1))
    b.result(b.slice(padded, 2, b.extent(padded, 2) - (k - 1), k - 1));
}

static void swiGlu(NodeBuilder &b) {
  double alpha = b.number("alpha", 1);
  b.result(b.map(b.input(0), b.input(1), [&](ScalarBuilder &s, Value gate, Value x) {
    return s.mul(s.mul(gate, s.sigmoid(s.mul(s.constant(alpha, gate), gate))), x);
  }));
}

/// Attention whose scores and probabilities pass through graphs of the node's own.
static void flexAttention(NodeBuilder &b) {
  Value q = b.value(0), k = b.value(1), v = b.value(2);
  if (b.failed())
    return;
  if (b.rank(q) != 4 || b.rank(k) != 4 || b.rank(v) != 4 || !b.isFloat(0))
    return void(b.error() << "its inputs have shapes " << b.text(b.shape(q)) << ", " << b.text(b.shape(k)) << " and "
                          << b.text(b.shape(v)) << "; supported: (N, heads, T, size)");
  Type type = b.type(q), standard = type.getIntOrFloatBitWidth() < 32 ? Type(Float32Type::get(b.state.context)) : type,
       precise = b.elementType("softmax_precision", standard);
  int64_t heads = b.extent(q, 1), kvHeads = b.extent(k, 1);
  if (b.failed() || heads % kvHeads)
    return void(b.error() << "its " << heads << " heads are no multiple of the " << kvHeads << " heads of its keys");
  double size = b.extent(q, 3), scale = std::sqrt(b.number("scale", 1 / std::sqrt(size)));
  auto scaled = [&](Value x) {
    return b.map(x, [&](ScalarBuilder &s, Value e) { return s.mul(e, s.constant(scale, e)); });
  };
  /// `x` through the graph of attribute `key`, where there is one.
  auto modified = [&](Value x, StringRef key) -> Value {
    if (!b.hasAttribute(key))
      return x;
    const Graph *graph = b.graph(key);
    if (b.failed())
      return {};
    SmallVector<Tensor *> outputs = b.importSubgraph(*graph, {b.tensorOf(x)});
    if (!b.failed() && (outputs.size() != 1 || outputs[0]->isSequence || outputs[0]->shape != b.shape(x)))
      b.refuse(key, "a graph with one result, of the shape of its input");
    return b.failed() ? Value() : b.cast(b.materialize(outputs[0]), precise);
  };
  k = repeatHeads(b, k, heads / kvHeads);
  v = repeatHeads(b, v, heads / kvHeads);
  Value scores = b.cast(b.matmul(scaled(q), scaled(k), false, /*transposeRhs=*/true), precise);
  scores = modified(scores, "score_mod");
  Value probabilities = modified(b.make<nn::SoftmaxOp>(scores, ArrayRef<int64_t>{3}), "prob_mod");
  b.result(b.cast(b.matmul(probabilities, b.cast(v, precise)), type));
}

/// A loop over the steps: a state per head, (size of keys, size of values), decays, takes up a key and its value, and is
/// read with the query. Yang et al., Gated Delta Networks, arXiv 2412.06464.
static void linearAttention(NodeBuilder &b) {
  StringRef rule = b.choice("update_rule", {"gated_delta", "linear", "gated", "delta"});
  bool decays = rule.starts_with("gated"), corrects = rule.ends_with("delta");
  int64_t heads = b.integer("q_num_heads", std::nullopt), kvHeads = b.integer("kv_num_heads", std::nullopt);
  b.ignore({"chunk_size"}); // how it is computed
  Value q = b.value(0), k = b.value(1), v = b.value(2);
  if (b.failed())
    return;
  if (heads < 1 || kvHeads < 1 || heads % kvHeads)
    return b.refuse("q_num_heads", "a multiple of kv_num_heads");
  if (decays != b.has(4) || corrects != b.has(5))
    return b.refuse("update_rule", "what goes with the inputs: a decay for \"gated\", a beta for \"delta\"");
  if (b.rank(q) != 3 || b.rank(k) != 3 || b.rank(v) != 3 || !b.isFloat(0))
    return void(b.error() << "its inputs have shapes " << b.text(b.shape(q)) << ", " << b.text(b.shape(k)) << " and "
                          << b.text(b.shape(v)) << "; supported: (N, T, heads * size)");
  Type type = b.type(q), real = type.getIntOrFloatBitWidth() < 32 ? Type(Float32Type::get(b.state.context)) : type;
  int64_t keySize = b.extent(k, 2) / kvHeads, valueSize = b.extent(v, 2) / kvHeads, group = heads / kvHeads;
  if (b.failed())
    return;
  AffineExpr items = b.shape(q)[0], steps = b.shape(q)[1];
  /// (N, T, elements) as (T, N, dims...), in the type of the state.
  auto split = [&](Value x, ArrayRef<int64_t> dims) {
    ShapeExpr shape{items, steps};
    Dims permutation{1, 0};
    for (int64_t dim : dims) {
      permutation.push_back(shape.size());
      shape.push_back(b.expr(dim));
    }
    return b.transpose(b.reshape(b.cast(x, real), ArrayRef<AffineExpr>(shape)), permutation);
  };
  double given = b.number("scale", 0), scale = given != 0 ? given : 1 / std::sqrt(double(keySize));
  Value query = b.map(split(q, {kvHeads, group, keySize}),
                      [&](ScalarBuilder &s, Value e) { return s.mul(e, s.constant(scale, e)); });
  SmallVector<Value> sequences{query, split(k, {kvHeads, 1, keySize}), split(k, {kvHeads, keySize, 1}),
                               split(v, {kvHeads, 1, valueSize})};
  if (decays) { // one for a head, or for each of its keys' elements
    int64_t width = b.extent(b.value(4), 2);
    Value decay = split(b.value(4), {kvHeads, width == kvHeads ? 1 : keySize, 1});
    sequences.push_back(b.map(decay, [](ScalarBuilder &s, Value e) { return s.exp(e); }));
  }
  if (corrects)
    sequences.push_back(split(b.value(5), {b.extent(b.value(5), 2), 1, 1}));
  Value state = b.has(3) ? b.cast(b.value(3), real)
                         : b.materialize(b.splat(ShapeExpr{items, b.expr(kvHeads), b.expr(keySize), b.expr(valueSize)},
                                                 real, Scalar()));
  if (b.failed())
    return;
  auto step = [&](ValueRange carried, ValueRange slices) -> SmallVector<Value> {
    Value s = carried[0], row = slices[1], column = slices[2], value = slices[3];
    if (decays)
      s = b.multiply(s, slices[4]);
    if (corrects)
      value = b.multiply(b.subtract(value, b.matmul(row, s)), slices[decays ? 5 : 4]);
    s = b.add(s, b.multiply(column, value));
    return {s, b.matmul(slices[0], s)};
  };
  SmallVector<Value> results = b.scan({state}, sequences, SmallVector<bool>(sequences.size() + 1, false), step);
  if (b.failed())
    return;
  ShapeExpr joined{items, steps, b.expr(heads * valueSize)};
  b.result(b.cast(b.reshape(b.transpose(results[1], {1, 0, 2, 3, 4}), ArrayRef<AffineExpr>(joined)), type));
  b.result(b.cast(results[0], b.has(3) ? b.type(3u) : type));
}

ArrayRef<OperatorRow> attentionOperators() {
  static const OperatorRow rows[] = {
      {"Attention", 23, kNewest, attention},
      {"CausalConvWithState", 26, kNewest, causalConvWithState},
      {"LinearAttention", 27, kNewest, linearAttention},
      {"RotaryEmbedding", 23, kNewest, rotaryEmbedding},
      {"SwiGLU", 26, kNewest, swiGlu},
      {"TensorScatter", 24, kNewest, tensorScatter},
      {"ai.onnx.preview::FlexAttention", 1, kNewest, flexAttention},
  };
  return rows;
}

} // namespace sylvite::onnx
