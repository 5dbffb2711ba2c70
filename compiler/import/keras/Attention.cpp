//===- Attention.cpp - attention layers -----------------------------------===//
//
// Rows for MultiHeadAttention, GroupQueryAttention, Attention and AdditiveAttention, and dot_product_attention of
// keras.ops. Several axes of attention are merged into one.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/keras/Layers.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include <cmath>

using namespace llvm;
using namespace mlir;
using namespace sylvite;
using namespace sylvite::keras;

static Dims inverse(ArrayRef<int64_t> permutation) {
  Dims result(permutation.size());
  for (auto [place, dim] : llvm::enumerate(permutation))
    result[dim] = place;
  return result;
}

static Value matmul(LayerBuilder &b, Value x, Value y, bool transposeRhs = false) {
  return b.make<nn::MatmulOp>(x, y, false, transposeRhs);
}

static Value scaleBy(LayerBuilder &b, Value x, double factor) {
  return b.map(x, [&](nn::ScalarBuilder &s, Value e) { return s.mul(e, s.constant(factor, e)); });
}

//===----------------------------------------------------------------------===//
// Masks
//===----------------------------------------------------------------------===//

static Value both(LayerBuilder &b, Value x, Value y) {
  if (!x || !y)
    return x ? x : y;
  return b.map({x, y}, [](OpBuilder &builder, Location loc, ValueRange v) -> Value {
    return arith::AndIOp::create(builder, loc, v[0], v[1]);
  });
}

/// (T, S): which of S positions each of T positions sees. `causal`: none after it; `window`: those nearer
/// than that, when positive.
static Value positionMask(LayerBuilder &b, Value query, Value key, bool causal, int64_t window) {
  if (b.failed())
    return {};
  int64_t rows = shapeOf(query)[1], columns = shapeOf(key)[1];
  if (ShapedType::isDynamic(rows) || ShapedType::isDynamic(columns)) {
    Value row = b.expandDims(b.indices(query, 1), 1), column = b.indices(key, 1);
    return b.map({row, column}, [&](OpBuilder &builder, Location loc, ValueRange v) -> Value {
      auto compare = [&](arith::CmpIPredicate relation, Value x, Value y) -> Value {
        return arith::CmpIOp::create(builder, loc, relation, x, y);
      };
      Value seen = causal ? compare(arith::CmpIPredicate::sle, v[1], v[0]) : Value();
      if (window <= 0)
        return seen;
      Value distance = arith::SubIOp::create(builder, loc, v[0], v[1]);
      auto bound = [&](int64_t value) { return arith::ConstantIntOp::create(builder, loc, v[0].getType(), value); };
      Value near = arith::AndIOp::create(builder, loc, compare(arith::CmpIPredicate::slt, distance, bound(window)),
                                         compare(arith::CmpIPredicate::sgt, distance, bound(-window)));
      return seen ? Value(arith::AndIOp::create(builder, loc, seen, near)) : near;
    });
  }
  std::vector<float> values;
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j)
      values.push_back((!causal || j <= i) && (window <= 0 || std::abs(i - j) < window));
  return b.toBoolean(b.constant("positions", {rows, columns}, values));
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

namespace {
struct Attended {
  Value output, weights;
};
} // namespace

/// The weights of an attention, of which training drops some.
static Value dropWeights(LayerBuilder &b, Value weights) {
  double rate = b.number("dropout", 0);
  return b.isTrained() && rate > 0 ? b.make<nn::DropoutOp>(weights, nn::DropoutKind::Plain, APFloat(rate), ArrayRef<int64_t>())
                                   : weights;
}

/// softmax(scale * Q K^T + bias) V along `axes` of (..., features); all other dimensions are a batch. A masked
/// position weighs nothing. Where all are masked they weigh the same, or nothing with `zeroEmpty`.
static Attended attend(LayerBuilder &b, Value query, Value key, Value value, ArrayRef<int64_t> axes,
                       double scale, Value mask, bool zeroEmpty, Value bias = {}) {
  int64_t rank = rankOf(query), numAxes = axes.size();
  Dims order;
  for (int64_t i = 0; i + 1 < rank; ++i)
    if (!llvm::is_contained(axes, i))
      order.push_back(i);
  int64_t numBatch = order.size();
  order.append(axes.begin(), axes.end());
  order.push_back(rank - 1);
  auto toMatrix = [&](Value x) { return b.mergeDims(b.transpose(x, order), numBatch, numAxes); };
  Value scores = matmul(b, toMatrix(scaleBy(b, query, scale)), toMatrix(key), /*transposeRhs=*/true);
  if (bias)
    scores = b.add(scores, bias);
  if (mask && !b.failed()) {
    int64_t wanted = numBatch + 2 * numAxes;
    while (mask && rankOf(mask) < wanted)
      mask = b.expandDims(mask, std::max<int64_t>(rankOf(mask) - 2 * numAxes, 0));
    if (rankOf(mask) != wanted) {
      b.error() << "its attention mask has " << rankOf(mask) << " dimensions; supported: at most " << wanted;
      return {};
    }
    mask = b.mergeDims(b.mergeDims(mask, numBatch + numAxes, numAxes), numBatch, numAxes);
    scores = b.select(mask, scores, -1e9);
  }
  Value weights = b.make<nn::SoftmaxOp>(scores, ArrayRef<int64_t>{rankOf(scores) - 1});
  if (mask && zeroEmpty)
    weights = b.select(mask, weights, 0);
  Value y = b.splitDim(matmul(b, dropWeights(b, weights), toMatrix(value)), numBatch, query, axes);
  weights = b.splitDim(b.splitDim(weights, numBatch + 1, key, axes), numBatch, query, axes);
  return {b.transpose(y, inverse(order)), weights};
}

/// A dense layer of an attention layer: contracts the last `contracted` dimensions of `x` and gives `sizes`.
static Value project(LayerBuilder &b, StringRef part, Value x, ArrayRef<int64_t> sizes, unsigned contracted) {
  if (b.failed() || !x)
    return {};
  // Files hold these under the names of Keras's attributes.
  bool isPrivate = b.layer.className == "GroupQueryAttention" || part == "gate_dense";
  std::string stored = (isPrivate ? "_" : "") + part.str();
  LayerBuilder dense = b.part("EinsumDense", part, *b.layer.config, stored, x);
  Dims shape;
  int64_t kept = rankOf(x) - contracted;
  for (int64_t i = kept; i < rankOf(x); ++i)
    shape.push_back(b.extent(x, i));
  shape.append(sizes.begin(), sizes.end());
  Value kernel = dense.variable("kernel", shape, "kernel_initializer", "glorot_uniform");
  kernel = b.mergeDims(b.mergeDims(kernel, contracted, sizes.size()), 0, contracted);
  Value y = matmul(b, b.mergeDims(x, kept, contracted), kernel);
  y = b.splitDim(y, rankOf(y) - 1, sizes);
  if (b.boolean("use_bias", true))
    y = b.add(y, dense.variable("bias", sizes, "bias_initializer", "zeros"));
  b.finish(dense, /*checkAttributes=*/false);
  return b.failed() ? Value() : y;
}

/// Whether the layer is called with the flag `keyword`.
static bool flag(LayerBuilder &b, StringRef keyword) {
  const Json *json = b.argument(~0u, keyword);
  return json && asBoolean(json).value_or(false);
}

namespace {
/// What MultiHeadAttention and GroupQueryAttention are called with.
struct HeadsCall {
  Value query, value, key, mask, queryMask;
  bool zeroEmpty, returnScores;
};
} // namespace

static std::optional<HeadsCall> readHeadsCall(LayerBuilder &b, bool ownQueryMask) {
  HeadsCall call;
  SmallVector<Value> query = b.tensorsOf(0, "query"), value = b.tensorsOf(1, "value"),
                     key = b.tensorsOf(2, "key");
  if (query.size() != 1 || value.size() != 1)
    return b.error() << "it is called without a query and a value", std::nullopt;
  call.query = b.toFloat(query[0]);
  call.value = b.toFloat(value[0]);
  call.key = key.empty() ? call.value : b.toFloat(key[0]);
  for (Value x : {call.value, call.key})
    b.expectRank(x, rankOf(call.query));
  if (rankOf(call.query) < 3)
    b.error() << "its query has " << rankOf(call.query) << " dimensions; supported: three or more";
  // MultiHeadAttention looks at the query's own mask only.
  call.queryMask = ownQueryMask ? b.mask(0) : b.maskArgument("query_mask", 0);
  Value valueMask = b.maskArgument("value_mask", 1);
  Value keyMask = key.empty() ? Value() : b.maskArgument("key_mask", 2);
  auto along = [&](Value mask, bool isRow) -> Value {
    return mask ? b.expandDims(b.toBoolean(mask), isRow ? rankOf(mask) : rankOf(mask) - 1) : Value();
  };
  Value mask = both(b, both(b, along(call.queryMask, true), along(valueMask, false)), along(keyMask, false));
  bool causal = flag(b, "use_causal_mask");
  int64_t window = b.attribute("sliding_window") ? b.integer("sliding_window", std::nullopt) : 0;
  if (causal || window)
    mask = both(b, mask, positionMask(b, call.query, call.value, causal, window));
  if (SmallVector<Value> given = b.tensorsOf(4 + 2, "attention_mask"); !given.empty())
    mask = both(b, b.toBoolean(given[0]), mask);
  call.mask = mask;
  call.returnScores = flag(b, "return_attention_scores");
  b.refuseInTraining("activity_regularizer"); // Keras gives it to the layers of the heads
  // Those have read the constraints.
  b.ignore({"dropout", "flash_attention", "seed", "kernel_constraint", "bias_constraint"});
  // Keras takes another way then, in which a row without any position gives zero.
  call.zeroEmpty = b.number("dropout", 0) > 0 || call.returnScores || rankOf(call.query) != 3;
  if (b.failed())
    return std::nullopt;
  return call;
}

/// Output projection, gate and results.
static void giveAttended(LayerBuilder &b, const HeadsCall &call, const Attended &attended, Value gate,
                         ArrayRef<int64_t> sizes) {
  Value y = gate ? b.multiply(attended.output, gate) : attended.output;
  b.result(project(b, "output_dense", y, sizes, 2), call.queryMask);
  if (call.returnScores)
    b.result(attended.weights);
}

static Value gateOf(LayerBuilder &b, Value query, ArrayRef<int64_t> sizes) {
  if (!b.boolean("use_gate", false))
    return {};
  return b.map(project(b, "gate_dense", query, sizes, 1),
               [](nn::ScalarBuilder &s, Value x) { return s.sigmoid(x); });
}

static void multiHeadAttention(LayerBuilder &b) {
  std::optional<HeadsCall> call = readHeadsCall(b, /*ownQueryMask=*/true);
  if (!call)
    return;
  int64_t rank = rankOf(call->query), heads = b.integer("num_heads", std::nullopt);
  int64_t keyDim = b.integer("key_dim", std::nullopt), valueDim = b.integer("value_dim", keyDim);
  Dims axes, outputs = asIntegers(b.attribute("output_shape")).value_or(Dims());
  if (b.attribute("attention_axes"))
    axes = b.axes("attention_axes", rank, {});
  else
    for (int64_t i = 1; i + 1 < rank; ++i)
      axes.push_back(i);
  if (axes.empty() || llvm::is_contained(axes, 0) || llvm::is_contained(axes, rank - 1))
    return b.refuse("attention_axes", "axes between the batch and the features");
  if (auto single = asInteger(b.attribute("output_shape")))
    outputs = {*single};
  if (outputs.empty())
    outputs = {b.extent(call->query, rank - 1)};
  Value gate = gateOf(b, call->query, {heads, valueDim});
  Value query = project(b, "query_dense", call->query, {heads, keyDim}, 1);
  Value key = project(b, "key_dense", call->key, {heads, keyDim}, 1);
  Value value = project(b, "value_dense", call->value, {heads, valueDim}, 1);
  if (b.failed())
    return;
  Attended attended = attend(b, query, key, value, axes, 1 / std::sqrt(double(keyDim)), call->mask,
                             call->zeroEmpty);
  giveAttended(b, *call, attended, gate, outputs);
}

/// Repeats each head of (items, positions, heads, features), which several of the `heads` of the queries share.
static Value shareHeads(LayerBuilder &b, Value x, int64_t heads) {
  if (!x || shapeOf(x)[2] == heads)
    return x;
  Value y = b.expandDims(x, 3);
  Dims shape(shapeOf(y));
  shape[3] = heads / shapeOf(x)[2];
  return b.mergeDims(b.broadcast(y, shape), 2, 2);
}

/// Several query heads share a head of keys and values.
static void groupQueryAttention(LayerBuilder &b) {
  std::optional<HeadsCall> call = readHeadsCall(b, /*ownQueryMask=*/false);
  if (!call)
    return;
  b.expectRank(call->query, 3);
  int64_t dim = b.integer("head_dim", std::nullopt), heads = b.integer("num_query_heads", std::nullopt),
          shared = b.integer("num_key_value_heads", std::nullopt);
  if (heads % shared)
    return b.refuse("num_query_heads", "a multiple of num_key_value_heads");
  Value gate = gateOf(b, call->query, {heads, dim});
  Value query = project(b, "query_dense", call->query, {heads, dim}, 1);
  auto repeated = [&](StringRef part, Value x) { return shareHeads(b, project(b, part, x, {shared, dim}, 1), heads); };
  Value key = repeated("key_dense", call->key), value = repeated("value_dense", call->value);
  if (b.failed())
    return;
  Attended attended = attend(b, query, key, value, {1}, 1 / std::sqrt(double(dim)), call->mask,
                             call->zeroEmpty);
  giveAttended(b, *call, attended, gate, {b.extent(call->query, 2)});
}

/// keras.layers.Attention and AdditiveAttention: scores, a softmax that masked positions leave, the values.
static void attention(LayerBuilder &b, llvm::function_ref<Value(Value, Value)> scoresOf) {
  if (b.inputs().size() < 2 || b.inputs().size() > 3)
    return void(b.error() << "it is called with " << b.inputs().size() << " tensors; supported: 2, 3");
  Value query = b.floatInput(0), value = b.floatInput(1);
  Value key = b.inputs().size() > 2 ? b.floatInput(2) : value;
  for (Value x : {query, value, key})
    b.expectRank(x, 3);
  if (b.failed())
    return;
  SmallVector<Value> masks = b.maskArguments();
  Value queryMask = b.toBoolean(masks[0]), mask = b.toBoolean(masks[1]);
  if (mask)
    mask = b.expandDims(mask, 1);
  if (flag(b, "use_causal_mask"))
    mask = both(b, mask, positionMask(b, query, key, true, 0));
  b.ignore({"dropout", "seed"});
  Value scores = scoresOf(query, key);
  if (mask) // masked positions keep their order far below
    scores = b.map({mask, scores}, [](OpBuilder &builder, Location loc, ValueRange v) -> Value {
      nn::ScalarBuilder s(builder, loc);
      Value below = s.sub(v[1], s.constant(1e9, v[1]));
      return arith::SelectOp::create(builder, loc, v[0], v[1], below);
    });
  Value weights = dropWeights(b, b.make<nn::SoftmaxOp>(scores, ArrayRef<int64_t>{2}));
  Value y = matmul(b, weights, value);
  if (queryMask)
    y = b.select(b.expandDims(queryMask, 2), y, 0);
  b.result(y, queryMask);
  if (flag(b, "return_attention_scores"))
    b.result(weights);
}

/// sum over features of tanh(scale * (q + k)), or of scale * tanh(q + k).
static Value additiveScores(LayerBuilder &b, Value query, Value key, Value scale, bool inside) {
  Value q = b.expandDims(query, 2), k = b.expandDims(key, 1), sum = b.add(q, k);
  if (scale && inside)
    sum = b.multiply(sum, scale);
  sum = b.map(sum, [](nn::ScalarBuilder &s, Value x) { return s.tanh(x); });
  if (scale && !inside)
    sum = b.multiply(sum, scale);
  return b.make<nn::ReduceOp>(sum, nn::ReduceKind::Sum, ArrayRef<int64_t>{3}, false);
}

static void dotAttention(LayerBuilder &b) {
  Value scale, weight;
  bool concat = b.choice("score_mode", {"dot", "concat"}) == "concat";
  if (b.boolean("use_scale", false))
    scale = b.variable("scale", {}, "", "ones");
  if (concat)
    weight = b.variable("concat_score_weight", {}, "", "ones");
  attention(b, [&](Value query, Value key) {
    if (concat)
      return b.multiply(additiveScores(b, query, key, scale, true), weight);
    Value scores = matmul(b, query, key, /*transposeRhs=*/true);
    return scale ? b.multiply(scores, scale) : scores;
  });
}

static void additiveAttention(LayerBuilder &b) {
  Value scale;
  if (b.boolean("use_scale", true))
    scale = b.variable("scale", {b.extent(b.input(), rankOf(b.input()) - 1)}, "", "glorot_uniform");
  attention(b, [&](Value query, Value key) { return additiveScores(b, query, key, scale, false); });
}

void keras::dotProductAttention(LayerBuilder &b) {
  Value query = b.toFloat(b.operand(0, "query")), key = b.toFloat(b.operand(1, "key")),
        value = b.toFloat(b.operand(2, "value"));
  for (Value x : {query, key, value})
    b.expectRank(x, 4);
  b.ignore({"flash_attention"});
  bool causal = b.boolean("is_causal", false);
  if (b.attribute("attn_logits_soft_cap"))
    return b.refuse("attn_logits_soft_cap", "null");
  int64_t heads = b.extent(query, 2), shared = b.extent(key, 2);
  if (!b.failed() && heads % shared)
    return void(b.error() << "its query has " << heads << " heads and its key " << shared << "; supported: a multiple");
  const Json *scaleGiven = b.argument(5, "scale");
  double scale = asNumber(scaleGiven).value_or(1 / std::sqrt(double(b.extent(query, 3))));
  if (b.failed() || (scaleGiven && !asNumber(scaleGiven)))
    return void(b.error() << "its scale is not a number");
  SmallVector<Value> bias = b.tensorsOf(3, "bias"), mask = b.tensorsOf(4, "mask");
  Value seen = mask.empty() ? Value() : b.toBoolean(mask[0]);
  if (causal)
    seen = both(b, seen, positionMask(b, query, key, /*causal=*/true, /*window=*/0));
  b.result(attend(b, query, shareHeads(b, key, heads), shareHeads(b, value, heads), {1}, scale, seen, /*zeroEmpty=*/false,
                  bias.empty() ? Value() : b.toFloat(bias[0]))
               .output);
}

ArrayRef<LayerRow> keras::attentionLayers() {
  static const LayerRow rows[] = {
      {"AdditiveAttention", additiveAttention, Masks::Own},
      {"Attention", dotAttention, Masks::Own},
      {"GroupQueryAttention", groupQueryAttention, Masks::Own},
      {"MultiHeadAttention", multiHeadAttention, Masks::Own},
  };
  return rows;
}
