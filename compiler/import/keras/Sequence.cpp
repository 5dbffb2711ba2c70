//===- Sequence.cpp - layers on sequences ---------------------------------===//
//
// Rows for the layers that turn tokens into vectors, say which steps count, or apply a layer to each step.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/keras/Layers.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace llvm;
using namespace mlir;
using namespace sylvite;
using namespace sylvite::keras;

/// Where `x` is not `value`.
static Value notEqual(LayerBuilder &b, Value x, double value) {
  return b.map({x}, [&](OpBuilder &builder, Location loc, ValueRange v) -> Value {
    Type type = v[0].getType();
    if (isa<FloatType>(type)) {
      Value constant = arith::ConstantOp::create(builder, loc, builder.getFloatAttr(type, value));
      return arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::UNE, v[0], constant);
    }
    Value constant = arith::ConstantOp::create(builder, loc, builder.getIntegerAttr(type, int64_t(value)));
    return arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::ne, v[0], constant);
  });
}

static void embedding(LayerBuilder &b) {
  Value x = b.input(), indices = x;
  int64_t rows = b.integer("input_dim", std::nullopt), columns = b.integer("output_dim", std::nullopt);
  b.ignore({"input_length", "sparse"});
  Value table = b.variable("embeddings", {rows, columns}, "embeddings_initializer", "uniform");
  bool isMasked = b.boolean("mask_zero", false);
  if (b.failed())
    return;
  Type type = getElementTypeOrSelf(x.getType());
  if (isa<FloatType>(type) || type.getIntOrFloatBitWidth() < 32)
    indices = b.convert(x, b.builder.getI32Type());
  b.result(b.make<nn::GatherOp>(table, indices, int64_t(0)), isMasked ? notEqual(b, x, 0) : Value());
}

/// Steps all of whose features are `mask_value` do not count, and become zero.
static void masking(LayerBuilder &b) {
  Value x = b.floatInput();
  int64_t rank = rankOf(x);
  if (rank < 2)
    return void(b.error() << "its input has " << rank << " dimensions; supported: two or more");
  Value counts = b.toFloat(notEqual(b, x, b.number("mask_value", 0)));
  Value any = b.make<nn::ReduceOp>(counts, nn::ReduceKind::Max, ArrayRef<int64_t>{rank - 1}, false);
  Value mask = notEqual(b, any, 0);
  b.result(b.select(b.expandDims(mask, rank - 1), x, 0), mask);
}

/// Layers that treat every element, or every row along the last dimension, alike: applied to all steps at
/// once, whatever their number.
static bool isStepwise(const LayerBuilder &b) {
  static constexpr StringLiteral names[] = {"Activation", "Dense", "Dropout", "ELU", "Embedding", "Identity",
                                            "LeakyReLU", "ReLU", "Rescaling"};
  return llvm::is_contained(names, b.layer.className);
}

static void timeDistributed(LayerBuilder &b) {
  Value x = b.input();
  const Json *json = b.attribute("layer");
  if (!json)
    return b.refuse("layer", "a layer");
  if (rankOf(x) < 3)
    return void(b.error() << "its input has " << rankOf(x) << " dimensions; supported: three or more");
  if (b.failed())
    return;
  bool merged = !isStepwise(b.part(*json, "layer", x));
  LayerBuilder part = b.part(*json, "layer", merged ? b.mergeDims(x, 0, 2) : x); // steps become items
  if (b.failed() || !part.buildPart(*json))
    return b.refuse("layer", "a model, or a layer of the table of supported layers");
  b.finish(part);
  if (b.failed() || part.results.size() != 1)
    return void(b.error() << "its layer has " << part.results.size() << " results; supported: 1");
  Value y = part.results[0];
  b.result(merged ? b.splitDim(y, 0, x, {0, 1}) : y);
}

/// An embedding that also turns vectors into a score for each token.
static void reversibleEmbedding(LayerBuilder &b) {
  int64_t rows = b.integer("input_dim", std::nullopt), columns = b.integer("output_dim", std::nullopt);
  bool isTied = b.boolean("tie_weights", true);
  double cap = b.number("logit_soft_cap", 0);
  b.ignore({"reverse_dtype"});
  const Json *flag = b.argument(1, "reverse");
  bool isReverse = flag && asBoolean(flag).value_or(false);
  if (!isReverse)
    embedding(b);
  else
    b.ignore({"input_length", "sparse", "mask_zero", "embeddings_constraint", "embeddings_regularizer"});
  Value table = isReverse ? b.variable("embeddings", {rows, columns}, "embeddings_initializer", "uniform") : Value();
  Value kernel = isTied ? table : b.variable("reverse_embeddings", {columns, rows}, "embeddings_initializer", "uniform");
  if (!isReverse)
    return;
  Value scores = b.make<nn::MatmulOp>(b.floatInput(), kernel, false, /*transpose_rhs=*/isTied);
  if (cap > 0)
    scores = b.map(scores, [&](nn::ScalarBuilder &s, Value x) {
      Value bound = s.constant(cap, x);
      return s.mul(s.tanh(s.div(x, bound)), bound);
    });
  b.result(scores);
}

ArrayRef<LayerRow> keras::sequenceLayers() {
  static const LayerRow rows[] = {
      {"Embedding", embedding, Masks::Own},
      {"Masking", masking, Masks::Own},
      {"ReversibleEmbedding", reversibleEmbedding, Masks::Own},
      {"TimeDistributed", timeDistributed, Masks::Pass},
  };
  return rows;
}
