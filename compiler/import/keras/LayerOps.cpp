//===- LayerOps.cpp - The ops of a layer ----------------------------------===//
//
// Builders that do nothing after a failure, and report what cannot be.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/keras/Layers.h"
#include "llvm/ADT/StringExtras.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace llvm;
using namespace mlir;
using namespace sylvite;
using namespace sylvite::keras;

/// Refuses results that no buffer can hold.
Value LayerBuilder::check(Value x) {
  int64_t count = 1;
  for (int64_t extent : shapeOf(x))
    if (!ShapedType::isDynamic(extent) &&
        (extent < 0 || __builtin_mul_overflow(count, extent, &count) || count > kMaxElements)) {
      error() << "its result would have shape " << shapeText(shapeOf(x)) << "; supported: at most "
              << kMaxElements << " elements";
      return {};
    }
  return x;
}

Value LayerBuilder::infer(Operation *op) {
  std::string reason;
  SmallVector<Type> types;
  auto inferTypes = [&] {
    ScopedDiagnosticHandler handler(builder.getContext(), [&](Diagnostic &diagnostic) {
      reason = diagnostic.str();
      return success();
    });
    return cast<InferTypeOpInterface>(op).inferReturnTypes(
        builder.getContext(), loc, op->getOperands(), op->getDiscardableAttrDictionary(),
        op->getPropertiesStorage(), op->getRegions(), types);
  };
  if (succeeded(inferTypes())) {
    for (auto [result, type] : llvm::zip(op->getResults(), types))
      result.setType(type);
    return check(op->getResult(0));
  }
  op->erase();
  // The op's own message names the op's constraint: "conv_c4: a window ...".
  StringRef text(reason);
  if (auto [label, rest] = text.split(": "); !label.contains(' '))
    text = rest;
  error() << text;
  return {};
}

Value LayerBuilder::map(Value x, llvm::function_ref<Value(nn::ScalarBuilder &, Value)> function) {
  if (hasFailed || !x)
    return {};
  return nn::mapUnary(builder, loc, x, function);
}

Value LayerBuilder::map(Value x, Value y,
                        llvm::function_ref<Value(nn::ScalarBuilder &, Value, Value)> function) {
  return map({x, y}, [&](OpBuilder &b, Location at, ValueRange scalars) {
    nn::ScalarBuilder scalar(b, at);
    return function(scalar, scalars[0], scalars[1]);
  });
}

Value LayerBuilder::map(ArrayRef<Value> operands,
                        llvm::function_ref<Value(OpBuilder &, Location, ValueRange)> function) {
  if (hasFailed || llvm::is_contained(operands, Value()))
    return {};
  if (::failed(nn::broadcastShapes(nn::shapesOfOperands(operands)))) {
    auto shapes = map_range(operands, [](Value x) { return shapeText(shapeOf(x)); });
    error() << "its inputs have shapes " << join(shapes, ", ") << ", which do not broadcast together";
    return {};
  }
  return check(nn::MapOp::create(builder, loc, operands, function));
}

Value LayerBuilder::add(Value x, Value y) {
  return map(x, y, [](nn::ScalarBuilder &s, Value a, Value b) { return s.add(a, b); });
}

Value LayerBuilder::multiply(Value x, Value y) {
  return map(x, y, [](nn::ScalarBuilder &s, Value a, Value b) { return s.mul(a, b); });
}

Value LayerBuilder::select(Value mask, Value x, double otherwise) {
  return map({mask, x}, [&](OpBuilder &b, Location at, ValueRange v) -> Value {
    Value rest = nn::ScalarBuilder(b, at).constant(otherwise, v[1]);
    return arith::SelectOp::create(b, at, v[0], v[1], rest);
  });
}

Value LayerBuilder::transpose(Value x, ArrayRef<int64_t> permutation) {
  return make<nn::TransposeOp>(x, permutation);
}

Value LayerBuilder::reshape(Value x, ArrayRef<int64_t> shape, ArrayRef<int64_t> from) {
  if (hasFailed || !x || shapeOf(x) == shape)
    return hasFailed ? Value() : x;
  auto type = cast<RankedTensorType>(x.getType());
  return check(nn::ReshapeOp::create(builder, loc, type.clone(shape), x, from));
}

Value LayerBuilder::broadcast(Value x, ArrayRef<int64_t> shape) {
  if (hasFailed || !x)
    return {};
  auto type = cast<RankedTensorType>(x.getType());
  return check(nn::BroadcastOp::create(builder, loc, type.clone(shape), x));
}

Value LayerBuilder::slice(Value x, ArrayRef<int64_t> starts, ArrayRef<int64_t> sizes) {
  return make<nn::SliceOp>(x, starts, sizes, Dims(starts.size(), 1));
}

Value LayerBuilder::indices(Value like, int64_t dim) {
  if (hasFailed || !like)
    return {};
  auto count = AffineMap::get(0, rankOf(like), getAffineSymbolExpr(dim, builder.getContext()));
  auto type = RankedTensorType::get({shapeOf(like)[dim]}, builder.getI64Type());
  return nn::RangeOp::create(builder, loc, type, count, like);
}

Value LayerBuilder::expandDims(Value x, int64_t dim) {
  Dims shape(shapeOf(x)), from;
  for (int64_t i = 0; i < rankOf(x); ++i)
    from.push_back(i);
  shape.insert(shape.begin() + dim, 1);
  from.insert(from.begin() + dim, -1);
  return reshape(x, shape, from);
}

Value LayerBuilder::toFloat(Value x) {
  if (!x || hasFailed || isa<FloatType>(getElementTypeOrSelf(x.getType())))
    return x;
  Type f32 = builder.getF32Type();
  bool isUnsigned = getElementTypeOrSelf(x.getType()).isUnsignedInteger();
  auto body = [&](OpBuilder &b, Location at, ValueRange scalars) -> Value {
    if (isUnsigned || scalars[0].getType().isInteger(1))
      return arith::UIToFPOp::create(b, at, f32, scalars[0]);
    return arith::SIToFPOp::create(b, at, f32, scalars[0]);
  };
  return nn::MapOp::create(builder, loc, ValueRange{x}, body);
}

Value LayerBuilder::toChannelsLast(Value x, bool first) {
  if (!first || rankOf(x) < 3)
    return x;
  Dims permutation{0};
  for (int64_t i = 2; i < rankOf(x); ++i)
    permutation.push_back(i);
  permutation.push_back(1);
  return transpose(x, permutation);
}

Value LayerBuilder::fromChannelsLast(Value x, bool first) {
  if (!first || rankOf(x) < 3)
    return x;
  Dims permutation{0, rankOf(x) - 1};
  for (int64_t i = 1; i + 1 < rankOf(x); ++i)
    permutation.push_back(i);
  return transpose(x, permutation);
}

Value LayerBuilder::alignTo(Value v, ArrayRef<int64_t> dims, int64_t rank) {
  if (!v)
    return v;
  // Leading dimensions are implied.
  int64_t first = dims.empty() ? rank : dims.front();
  Dims shape(rank - first, 1), from(rank - first, -1);
  for (auto [i, dim] : llvm::enumerate(dims)) {
    shape[dim - first] = shapeOf(v)[i];
    from[dim - first] = i;
  }
  return reshape(v, shape, from);
}
