//===- NodeMovement.cpp - Ops that move elements --------------------------===//
//
// NodeBuilder's part that reshapes, transposes, repeats, cuts and joins tensors.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/NodeBuilder.h"
#include "mlir/IR/BuiltinAttributes.h"

using namespace llvm;
using namespace mlir;

namespace sylvite::onnx {

Value NodeBuilder::transpose(Value x, ArrayRef<int64_t> permutation) {
  if (llvm::is_sorted(permutation))
    return x;
  return make<nn::TransposeOp>(x, permutation);
}

Value NodeBuilder::reshape(Value x, ArrayRef<AffineExpr> dims) {
  if (hasFailed || !x)
    return {};
  const ShapeExpr source = shape(x);
  ShapeExpr target(dims);
  if (source == target)
    return x;
  AffineExpr one = expr(1);
  AffineExpr before = quotientOf(source, {one}, state.context), after = quotientOf(target, {one}, state.context);
  if (before && after && !areEqual(before, after) && constantDim(before) && constantDim(after)) {
    error() << "its input has shape " << text(source) << ", which cannot be reshaped to " << text(target);
    return {};
  }
  Dims from;
  unsigned inferred = 0;
  for (AffineExpr dim : target) {
    int64_t origin = -1;
    if (!constantDim(dim)) {
      for (auto [i, other] : enumerate(source))
        if (origin < 0 && !constantDim(other) && areEqual(other, dim))
          origin = i;
      inferred += origin < 0;
    }
    from.push_back(origin);
  }
  for (AffineExpr dim : target)
    if (auto extent = constantDim(dim); extent && *extent < 1) {
      error() << "its result would have shape " << text(target) << "; supported: at least one element";
      return {};
    }
  if (inferred > 1)
    return gatherReshaped(x, target);
  Type result = nn::typeOfShape(target, type(x));
  return check(nn::ReshapeOp::create(state.body, loc, result, x, from), target);
}

/// A reshape to several free dimensions that the input lacks: each element by its position in row-major order.
Value NodeBuilder::gatherReshaped(Value x, ArrayRef<AffineExpr> dims) {
  AffineExpr stride = expr(1), count = stride;
  for (AffineExpr dim : shape(x))
    count = count * dim;
  Type i64 = IntegerType::get(state.context, 64);
  Value position;
  for (int64_t i = dims.size() - 1; i >= 0; --i) {
    if (constantDim(dims[i]) != 1) {
      Value index = indices(dims, i, i64);
      if (constantDim(stride) != 1)
        index = multiply(index, knownTensor(i64, {}, {{stride, 0}}));
      position = position ? add(position, index) : index;
    }
    stride = stride * dims[i];
  }
  return make<nn::GatherOp>(reshape(x, ArrayRef<AffineExpr>(count)), position, 0);
}

Value NodeBuilder::reshape(Value x, ArrayRef<int64_t> dims) {
  ShapeExpr target;
  for (int64_t extent : dims)
    target.push_back(expr(extent));
  return reshape(x, ArrayRef<AffineExpr>(target));
}

Value NodeBuilder::unsqueeze(Value x, int64_t dim) {
  ShapeExpr dims = shape(x);
  if (x)
    dims.insert(dims.begin() + dim, expr(1));
  return reshape(x, ArrayRef<AffineExpr>(dims));
}

Value NodeBuilder::squeeze(Value x, int64_t dim) {
  ShapeExpr dims = shape(x);
  if (x)
    dims.erase(dims.begin() + dim);
  return reshape(x, ArrayRef<AffineExpr>(dims));
}

SmallVector<Value> NodeBuilder::shapeReferences(ArrayRef<AffineExpr> dims) {
  SmallVector<Value> references;
  for (auto [i, dim] : enumerate(dims)) {
    if (hasFailed || constantDim(dim))
      continue;
    // The first value of the model that has this size somewhere.
    Value found;
    int64_t position = 0;
    auto look = [&](Value candidate) {
      for (auto [j, other] : enumerate(shape(candidate)))
        if (!found && areEqual(other, dim))
          found = candidate, position = j;
    };
    SmallVector<Block *> blocks{state.body.getInsertionBlock()};
    if (state.beforeLoop && state.beforeLoop->getBlock() != blocks.front())
      blocks.push_back(state.beforeLoop->getBlock());
    for (Block *block : blocks) {
      for (Value argument : block->getArguments())
        look(argument);
      for (Operation &op : *block)
        if (!found && op.getNumResults() == 1)
          look(op.getResult(0));
    }
    if (!found)
      found = range(dim);
    for (int64_t j = 0, n = rank(found); j < n; ++j)
      if (j != position && constantDim(shape(found)[j]) != 1)
        found = slice(found, j, 0, 1);
    ShapeExpr aligned(dims.size(), expr(1));
    aligned[i] = dim;
    references.push_back(reshape(found, ArrayRef<AffineExpr>(aligned)));
  }
  return references;
}

Value NodeBuilder::broadcast(Value x, ArrayRef<AffineExpr> dims) {
  if (hasFailed || !x || shape(x) == ShapeExpr(dims))
    return hasFailed ? Value() : x;
  FailureOr<ShapeExpr> target = nn::broadcastShapes({shape(x), ShapeExpr(dims)});
  if (::failed(target)) {
    error() << "its input of shape " << text(shape(x)) << " does not broadcast to " << text(dims);
    return {};
  }
  ShapeExpr own = shape(x);
  // Dimensions that are free in the result but not in the input come from elsewhere.
  ShapeExpr missing(target->size(), expr(1));
  bool isMissing = false;
  for (size_t i = 0, implied = target->size() - own.size(); i < target->size(); ++i)
    if (!constantDim((*target)[i]) && (i < implied || constantDim(own[i - implied]))) {
      missing[i] = (*target)[i];
      isMissing = true;
    }
  if (isMissing) {
    SmallVector<Operand> operands{x};
    for (Value reference : shapeReferences(missing))
      operands.push_back(reference);
    x = map(operands, type(x), [&](OpBuilder &, Location, ValueRange scalars) { return scalars[0]; });
    if (!x || shape(x) == *target)
      return x;
  }
  Type result = nn::typeOfShape(*target, type(x));
  return check(nn::BroadcastOp::create(state.body, loc, result, x), *target);
}

Value NodeBuilder::slice(Value x, int64_t dim, int64_t start, int64_t size, int64_t stride) {
  if (!x)
    return {};
  int64_t n = rank(x);
  Dims starts(n, 0), sizes, strides(n, 1);
  for (AffineExpr extent : shape(x))
    sizes.push_back(constantDim(extent).value_or(-1));
  starts[dim] = start;
  sizes[dim] = size;
  strides[dim] = stride;
  if (start == 0 && stride == 1 && size >= 0 && constantDim(shape(x)[dim]) == size)
    return x;
  return make<nn::SliceOp>(x, starts, sizes, strides);
}

Value NodeBuilder::take(Value x, int64_t dim, AffineExpr start, AffineExpr size, int64_t stride) {
  Type i64 = IntegerType::get(state.context, 64);
  Value index = indices({size}, 0, i64);
  if (stride != 1)
    index = multiply(index, knownTensor(i64, {}, {{expr(stride)}}));
  if (constantDim(start) != 0)
    index = add(index, knownTensor(i64, {1}, {{start}}));
  return make<nn::GatherOp>(x, index, dim);
}

Value NodeBuilder::concat(ArrayRef<Value> parts, int64_t dim) {
  if (hasFailed || isNull(parts) || parts.empty())
    return {};
  if (parts.size() == 1)
    return parts.front();
  return make<nn::ConcatOp>(parts, dim);
}

Value NodeBuilder::pad(Value x, ArrayRef<int64_t> low, ArrayRef<int64_t> high, double value) {
  auto zero = [](int64_t amount) { return amount == 0; };
  if (all_of(low, zero) && all_of(high, zero))
    return x;
  Builder &attributes = state.body;
  return make<nn::PadOp>(x, attributes.getDenseI64ArrayAttr(low), attributes.getDenseI64ArrayAttr(high),
                         attributes.getF64FloatAttr(value),
                         nn::PadModeAttr::get(state.context, nn::PadMode::Constant));
}

Value NodeBuilder::toChannelsLast(Value x) {
  Dims permutation{0};
  for (int64_t i = 2; i < rank(x); ++i)
    permutation.push_back(i);
  permutation.push_back(1);
  return transpose(x, permutation);
}

Value NodeBuilder::toChannelsFirst(Value x) {
  if (!x)
    return {};
  Dims permutation{0, rank(x) - 1};
  for (int64_t i = 1; i + 1 < rank(x); ++i)
    permutation.push_back(i);
  return transpose(x, permutation);
}

Value NodeBuilder::alignVector(Value v, int64_t dim, int64_t rank) {
  if (!v)
    return {};
  ShapeExpr dims(rank - dim, expr(1)); // leading dimensions are implied
  dims[0] = shape(v).front();
  return reshape(v, ArrayRef<AffineExpr>(dims));
}

} // namespace sylvite::onnx
