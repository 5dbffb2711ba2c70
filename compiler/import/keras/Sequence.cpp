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
  Type type = getElementTypeOrSelf(x.getType()), i32 = b.builder.getI32Type();
  if (isa<FloatType>(type) || type.getIntOrFloatBitWidth() < 32)
    indices = b.map({x}, [&](OpBuilder &builder, Location loc, ValueRange v) -> Value {
      if (isa<FloatType>(type))
        return arith::FPToSIOp::create(builder, loc, i32, v[0]);
      if (type.isUnsignedInteger() || type.isInteger(1))
        return arith::ExtUIOp::create(builder, loc, i32, v[0]);
      return arith::ExtSIOp::create(builder, loc, i32, v[0]);
    });
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
  ArrayRef<int64_t> shape = shapeOf(x);
  LayerBuilder probe = b.part(*json, "layer", x);
  Value steps = x;
  bool merged = !isStepwise(probe);
  int64_t length = merged ? b.extent(x, 1) : 0;
  if (merged) { // steps become items
    Dims items{ShapedType::isDynamic(shape[0]) ? shape[0] : shape[0] * length}, from{-1};
    for (auto [i, size] : llvm::enumerate(shape.drop_front(2))) {
      items.push_back(size);
      from.push_back(i + 2);
    }
    steps = b.reshape(x, items, from);
  }
  LayerBuilder part = b.part(*json, "layer", steps);
  if (b.failed() || !part.buildPart(*json))
    return b.refuse("layer", "a model, or a layer of the table of supported layers");
  b.finish(part);
  if (b.failed() || part.results.size() != 1)
    return void(b.error() << "its layer has " << part.results.size() << " results; supported: 1");
  Value y = part.results[0];
  if (merged) {
    Dims whole{shape[0], length}, from{-1, -1};
    for (auto [i, size] : llvm::enumerate(shapeOf(y).drop_front())) {
      whole.push_back(size);
      from.push_back(i + 1);
    }
    y = b.reshape(y, whole, from);
  }
  b.result(y);
}

ArrayRef<LayerRow> keras::sequenceLayers() {
  static const LayerRow rows[] = {
      {"Embedding", embedding, Masks::Own},
      {"Masking", masking, Masks::Own},
      {"TimeDistributed", timeDistributed, Masks::Pass},
  };
  return rows;
}
