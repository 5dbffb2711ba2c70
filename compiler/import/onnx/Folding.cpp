//===- Folding.cpp - Computing known elements at import -------------------===//
//
// Evaluation of known tensors. It serves shape arithmetic: what is large is left to the compiler, which evaluates
// everything that depends on parameters alone.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/Folding.h"
#include <cmath>

using namespace llvm;

namespace sylvite::onnx {

void forEachIndex(ArrayRef<int64_t> shape, llvm::function_ref<void(ArrayRef<int64_t>)> function) {
  if (is_contained(shape, 0))
    return;
  Dims index(shape.size(), 0);
  while (true) {
    function(index);
    int64_t dim = int64_t(shape.size()) - 1;
    while (dim >= 0 && ++index[dim] == shape[dim])
      index[dim--] = 0;
    if (dim < 0)
      return;
  }
}

int64_t positionOf(ArrayRef<int64_t> index, ArrayRef<int64_t> shape) {
  int64_t position = 0;
  for (auto [i, extent] : zip(index, shape))
    position = position * extent + i;
  return position;
}

void foldElements(NodeBuilder &b, Type type, FoldFunction function, unsigned least) {
  if (b.failed() || b.numInputs() < least)
    return; // reported when the op is built
  // A part without elements stays one, whatever is computed of it.
  SmallVector<ShapeExpr> free;
  for (unsigned i = 0; i < b.numInputs(); ++i)
    free.push_back(b.has(i) ? b.inputTensor(i)->shape : ShapeExpr());
  if (any_of(free, [&](const ShapeExpr &shape) { return is_contained(shape, b.expr(0)); }))
    if (FailureOr<ShapeExpr> result = nn::broadcastShapes(free); succeeded(result))
      return b.result(b.emptyTensor(type, *result));
  SmallVector<const Scalars *> inputs;
  SmallVector<Dims> shapes;
  size_t rank = 0;
  for (unsigned i = 0; i < b.numInputs(); ++i) {
    const Scalars *elements = b.known(i);
    if (!elements)
      return;
    inputs.push_back(elements);
    shapes.push_back(*constantShape(b.input(i)->shape));
    rank = std::max(rank, shapes.back().size());
  }
  Dims result(rank, 1);
  for (const Dims &shape : shapes)
    for (size_t i = 0; i < shape.size(); ++i) {
      int64_t &extent = result[rank - shape.size() + i];
      if (extent != 1 && shape[i] != 1 && extent != shape[i])
        return; // reported when the op is built
      extent = extent == 1 ? shape[i] : extent;
    }
  int64_t count = 1;
  for (int64_t extent : result)
    if (__builtin_mul_overflow(count, extent, &count) || count > (1 << 16))
      return;
  Scalars elements;
  bool valid = true;
  forEachIndex(result, [&](ArrayRef<int64_t> index) {
    SmallVector<Scalar> operands;
    for (auto [values, shape] : zip(inputs, shapes)) {
      Dims own(index.take_back(shape.size()));
      for (auto [i, extent] : enumerate(shape))
        own[i] = extent == 1 ? 0 : own[i];
      operands.push_back((*values)[positionOf(own, shape)]);
    }
    std::optional<Scalar> element = valid ? function(operands) : std::nullopt;
    valid &= element.has_value();
    elements.push_back(element.value_or(Scalar()));
  });
  if (valid)
    b.result(type, result, std::move(elements));
}

void foldMovement(NodeBuilder &b, ArrayRef<int64_t> shape,
                  llvm::function_ref<int64_t(ArrayRef<int64_t>)> position) {
  const Scalars *source = b.known(0u);
  int64_t count = 1;
  for (int64_t extent : shape)
    if (extent < 0 || __builtin_mul_overflow(count, extent, &count) || count > (1 << 16))
      return;
  if (!source)
    return;
  Scalars elements;
  bool valid = true;
  forEachIndex(shape, [&](ArrayRef<int64_t> index) {
    int64_t at = position(index);
    valid &= at >= 0 && at < int64_t(source->size());
    elements.push_back(valid ? (*source)[at] : Scalar());
  });
  if (valid)
    b.result(b.type(0u), shape, std::move(elements));
}

std::optional<Scalar> castKnown(Scalar scalar, Type type) {
  auto constant = scalar.constant();
  if (isa<mlir::FloatType>(type)) {
    if (scalar.integer && !constant) // an extent, which float and wider types hold exactly
      return type.getIntOrFloatBitWidth() >= 32 ? std::optional(scalar) : std::nullopt;
    double value = constant ? double(*constant) : scalar.number;
    return numberScalar(type.isF64() ? value : double(float(value)));
  }
  mlir::MLIRContext *context = type.getContext();
  if (!scalar.integer) {
    if (std::isnan(scalar.number) || std::fabs(scalar.number) > 9e18)
      return std::nullopt;
    int64_t value = type.isInteger(1) ? scalar.number != 0 : int64_t(scalar.number);
    scalar.integer = mlir::getAffineConstantExpr(value, context);
    constant = value;
  }
  if (!constant) // an extent fits into 32 bits, and what is made of it is left alone
    return type.getIntOrFloatBitWidth() >= 32 ? std::optional(scalar) : std::nullopt;
  unsigned width = type.getIntOrFloatBitWidth();
  int64_t value = *constant;
  if (width == 1)
    value = value != 0;
  else if (width < 64)
    value = type.isUnsignedInteger() ? int64_t(uint64_t(value) & maskTrailingOnes<uint64_t>(width))
                                     : SignExtend64(uint64_t(value), width);
  return integerScalar(mlir::getAffineConstantExpr(value, context));
}

} // namespace sylvite::onnx
