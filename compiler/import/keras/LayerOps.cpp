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

Value LayerBuilder::take(Value x, int64_t dim, AffineExpr first, AffineExpr count, int64_t step) {
  if (hasFailed || !x)
    return {};
  // Static extents are known, and so is a slice that runs to the end of a free one.
  SmallVector<AffineExpr> extents;
  Dims starts(rankOf(x), 0), sizes, steps(rankOf(x), 1);
  for (auto [i, extent] : llvm::enumerate(shapeOf(x))) {
    bool isFree = ShapedType::isDynamic(extent);
    extents.push_back(isFree ? getAffineSymbolExpr(i, builder.getContext())
                             : getAffineConstantExpr(extent, builder.getContext()));
    sizes.push_back(isFree ? -1 : extent);
  }
  auto known = [&](AffineExpr &expression) {
    expression = simplifyAffineExpr(expression.replaceSymbols(extents), 0, rankOf(x));
    return dyn_cast<AffineConstantExpr>(expression);
  };
  auto start = known(first), size = known(count);
  bool toEnd = start && step == 1 && simplifyAffineExpr(first + count - extents[dim], 0, rankOf(x)) == 0;
  if (start && (size || toEnd)) {
    starts[dim] = start.getValue();
    sizes[dim] = size ? size.getValue() : -1;
    steps[dim] = step;
    return make<nn::SliceOp>(x, starts, sizes, steps);
  }
  Type i64 = builder.getI64Type();
  auto mapOf = [&](AffineExpr expression) { return AffineMap::get(0, rankOf(x), expression, builder.getContext()); };
  Value range = nn::RangeOp::create(
      builder, loc, RankedTensorType::get({size ? size.getValue() : ShapedType::kDynamic}, i64), mapOf(count), x);
  Value offset = nn::SizeOp::create(builder, loc, RankedTensorType::get({1}, i64), mapOf(first), x);
  Value positions = map({range, offset}, [&](OpBuilder &b, Location at, ValueRange v) -> Value {
    Value distance = v[0];
    if (step != 1)
      distance = arith::MulIOp::create(b, at, distance, arith::ConstantIntOp::create(b, at, i64, step));
    return arith::AddIOp::create(b, at, distance, v[1]);
  });
  return make<nn::GatherOp>(x, positions, dim);
}

Value LayerBuilder::repeat(Value x, int64_t dim, int64_t factor, bool whole) {
  if (hasFailed || !x || factor == 1)
    return hasFailed ? Value() : x;
  Dims shape(shapeOf(x));
  int64_t place = whole ? dim : dim + 1;
  shape.insert(shape.begin() + place, factor);
  return mergeDims(broadcast(expandDims(x, place), shape), dim, 2);
}

Value LayerBuilder::mergeDims(Value x, int64_t first, int64_t count) {
  if (count == 1 || !x)
    return x;
  Dims shape, from;
  int64_t merged = 1;
  for (int64_t i = 0; i <= rankOf(x); ++i) {
    if (i == first + count) {
      shape.push_back(merged);
      from.push_back(-1);
    }
    if (i == rankOf(x))
      break;
    int64_t size = shapeOf(x)[i];
    if (i >= first && i < first + count) {
      merged = ShapedType::isDynamic(size) || ShapedType::isDynamic(merged) ? ShapedType::kDynamic
                                                                            : merged * size;
      continue;
    }
    shape.push_back(size);
    from.push_back(i);
  }
  return reshape(x, shape, from);
}

Value LayerBuilder::splitDim(Value x, int64_t dim, ArrayRef<int64_t> sizes) {
  if (sizes.size() == 1 || !x)
    return x;
  Dims shape, from;
  for (int64_t i = 0; i < rankOf(x); ++i) {
    if (i != dim) {
      shape.push_back(shapeOf(x)[i]);
      from.push_back(i);
      continue;
    }
    shape.append(sizes.begin(), sizes.end());
    from.append(sizes.size(), -1);
  }
  return reshape(x, shape, from);
}

Value LayerBuilder::splitDim(Value x, int64_t dim, Value like, ArrayRef<int64_t> dims) {
  if (hasFailed || !x || !like)
    return {};
  Dims sizes;
  for (int64_t i : dims)
    sizes.push_back(shapeOf(like)[i]);
  if (llvm::count_if(sizes, ShapedType::isDynamic) <= 1)
    return splitDim(x, dim, sizes);
  // nn.reshape infers one size only: the elements are gathered, in the order in which they stand.
  Value positions = indices(like, dims[0]);
  for (int64_t i : dims.drop_front()) {
    auto extent = AffineMap::get(0, rankOf(like), getAffineSymbolExpr(i, builder.getContext()));
    Value size = nn::SizeOp::create(builder, loc, RankedTensorType::get({1}, builder.getI64Type()), extent, like);
    positions = map({expandDims(positions, rankOf(positions)), size, indices(like, i)},
                    [](OpBuilder &b, Location at, ValueRange v) -> Value {
                      return arith::AddIOp::create(b, at, arith::MulIOp::create(b, at, v[0], v[1]), v[2]);
                    });
  }
  return make<nn::GatherOp>(x, positions, dim);
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
  return !x || isa<FloatType>(getElementTypeOrSelf(x.getType())) ? x : convert(x, builder.getF32Type());
}

Value LayerBuilder::convert(Value x, Type element) {
  if (!x || hasFailed)
    return x;
  Type own = getElementTypeOrSelf(x.getType());
  if (own == element)
    return x;
  bool isUnsigned = own.isUnsignedInteger() || own.isInteger(1);
  return map({x}, [&](OpBuilder &b, Location at, ValueRange v) -> Value {
    if (isa<FloatType>(own))
      return arith::FPToSIOp::create(b, at, element, v[0]);
    if (isa<FloatType>(element))
      return isUnsigned ? arith::UIToFPOp::create(b, at, element, v[0]).getResult()
                        : arith::SIToFPOp::create(b, at, element, v[0]).getResult();
    unsigned width = own.getIntOrFloatBitWidth(), wanted = element.getIntOrFloatBitWidth();
    if (wanted < width)
      return arith::TruncIOp::create(b, at, element, v[0]);
    if (wanted == width)
      return v[0];
    return isUnsigned ? arith::ExtUIOp::create(b, at, element, v[0]).getResult()
                      : arith::ExtSIOp::create(b, at, element, v[0]).getResult();
  });
}

Value LayerBuilder::toBoolean(Value x) {
  if (!x || hasFailed || getElementTypeOrSelf(x.getType()).isInteger(1))
    return x;
  return map({toFloat(x)}, [](OpBuilder &b, Location at, ValueRange v) -> Value {
    return arith::CmpFOp::create(b, at, arith::CmpFPredicate::UNE, v[0], nn::ScalarBuilder(b, at).constant(0, v[0]));
  });
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
