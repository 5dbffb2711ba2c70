//===- NodeConstants.cpp - Values that no node computes -------------------===//
//
// NodeBuilder's part that makes parameters of constants, and tensors of the sizes of the model's inputs.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/Folding.h"
#include "compiler/import/onnx/NodeBuilder.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/DialectResourceBlobManager.h"

using namespace llvm;
using namespace mlir;

namespace sylvite::onnx {

/// A parameter of the model that holds `bytes`, which `owner` keeps alive.
static Value declareParameter(ModelState &state, Location loc, StringRef name, RankedTensorType type,
                              ArrayRef<char> bytes, std::shared_ptr<const void> owner, bool trainable) {
  std::string unique = name.empty() ? "constant" : name.str();
  for (unsigned i = 1; !state.taken.insert(unique).second; ++i)
    unique = (name + "_" + Twine(i)).str();
  // Elements are where their type may be; files may put them anywhere.
  AsmResourceBlob blob;
  size_t alignment = bytesPerElement(type.getElementType());
  if (reinterpret_cast<uintptr_t>(bytes.data()) % alignment)
    blob = HeapAsmResourceBlob::allocateAndCopyWithAlign(bytes, 64);
  else
    blob = AsmResourceBlob(bytes, alignment, [owner](void *, size_t, size_t) {}, /*dataIsMutable=*/false);
  auto data = DenseResourceElementsAttr::get(type, unique, std::move(blob));
  Builder b(state.context);
  nn::ParameterOp::create(state.parameters, loc, b.getStringAttr(unique), TypeAttr::get(type), data,
                          trainable ? b.getUnitAttr() : UnitAttr());
  return nn::GetOp::create(state.body, loc, type, FlatSymbolRefAttr::get(state.context, unique));
}

Value NodeBuilder::parameter(Type type, ArrayRef<int64_t> dims, std::vector<char> bytes) {
  if (hasFailed)
    return {};
  state.generatedBytes += bytes.size();
  if (state.generatedBytes > kMaxGeneratedBytes || is_contained(dims, 0)) {
    error() << "it needs a constant " << (is_contained(dims, 0) ? "without elements" : "that is too large");
    return {};
  }
  auto owned = std::make_shared<std::vector<char>>(std::move(bytes));
  Value x = declareParameter(state, loc, (node.label() + "/constant").str(), RankedTensorType::get(dims, type),
                             *owned, owned, /*trainable=*/false);
  ShapeExpr symbolic;
  for (int64_t extent : dims)
    symbolic.push_back(expr(extent));
  state.shapes[x] = symbolic;
  return x;
}

Value NodeBuilder::parameter(Type type, ArrayRef<int64_t> dims, ArrayRef<double> numbers) {
  Scalars elements;
  for (double number : numbers) {
    Scalar scalar;
    scalar.number = number;
    if (!isa<FloatType>(type))
      scalar.integer = expr(int64_t(number));
    elements.push_back(scalar);
  }
  return parameter(type, dims, *bytesOf(elements, type));
}

/// `expression` as a map of symbols, the dimensions of `inputs`, the model's inputs whose sizes it is made of.
static AffineMap mapOfInputs(ModelState &state, AffineExpr expression, SmallVectorImpl<Value> &inputs) {
  SmallVector<AffineExpr> symbols(state.symbols.size(), getAffineConstantExpr(0, state.context));
  SmallVector<unsigned> offsets; // of the dimensions of each input
  unsigned numDims = 0;
  expression.walk([&](AffineExpr part) {
    auto symbol = dyn_cast<AffineSymbolExpr>(part);
    if (!symbol)
      return;
    auto [input, dim] = state.symbolSources[symbol.getPosition()];
    size_t position = llvm::find(inputs, input) - inputs.begin();
    if (position == inputs.size()) {
      inputs.push_back(input);
      offsets.push_back(numDims);
      numDims += mlir::cast<RankedTensorType>(input.getType()).getRank();
    }
    symbols[symbol.getPosition()] = getAffineSymbolExpr(offsets[position] + dim, state.context);
  });
  return AffineMap::get(0, numDims, expression.replaceSymbols(symbols));
}

Value NodeBuilder::range(AffineExpr count) {
  if (hasFailed)
    return {};
  OpBuilder::InsertionGuard guard(state.body);
  if (state.beforeLoop)
    state.body.restoreInsertionPoint(*state.beforeLoop);
  count = simplifyAffineExpr(count, 0, state.symbols.size());
  SmallVector<Value> inputs;
  AffineMap map = mapOfInputs(state, count, inputs);
  Type type = nn::typeOfShape({count}, IntegerType::get(state.context, 64));
  return check(nn::RangeOp::create(state.body, loc, type, map, inputs), {count});
}

Value NodeBuilder::size(AffineExpr expression, Type type) {
  if (hasFailed)
    return {};
  SmallVector<Value> inputs;
  AffineMap map = mapOfInputs(state, simplifyAffineExpr(expression, 0, state.symbols.size()), inputs);
  Value x = nn::SizeOp::create(state.body, loc, RankedTensorType::get({1}, IntegerType::get(state.context, 64)), map, inputs);
  return cast(check(x, {expr(1)}), type);
}

Operand NodeBuilder::sizeOperand(AffineExpr expression, Type type) {
  auto known = constantDim(expression);
  if (!known)
    return size(expression, type);
  return knownTensor(type, {}, {isa<FloatType>(type) ? numberScalar(*known) : integerScalar(expression)});
}

Value NodeBuilder::materialize(Tensor *tensor) {
  if (hasFailed || !tensor)
    return {};
  if (tensor->value)
    return tensor->value;
  if (tensor->isSequence || !tensor->type) {
    error() << "its input '" << tensor->name << "' is "
            << (tensor->isSequence ? "a sequence" : "a tensor of " + (tensor->data ? tensor->data->typeName : "no type"))
            << "; supported: tensors of float, double, float16, bfloat16, bool and integers of 8 to 64 bits";
    return {};
  }
  if (is_contained(tensor->shape, expr(0))) {
    error() << "its input '" << tensor->name << "' has no elements, its shape is " << text(tensor->shape)
            << "; supported: at least one";
    return {};
  }
  OpBuilder::InsertionGuard guard(state.body);
  if (state.beforeLoop) // the value serves what follows the loop too
    state.body.restoreInsertionPoint(*state.beforeLoop);
  if (tensor->data) {
    auto dims = constantShape(tensor->shape);
    tensor->value = declareParameter(state, loc, tensor->data->name, RankedTensorType::get(*dims, tensor->type),
                                     tensor->data->bytes, tensor->data->owner,
                                     /*trainable=*/isa<FloatType>(tensor->type));
    state.shapes[tensor->value] = tensor->shape;
    return tensor->value;
  }
  if (!tensor->elements) {
    error() << "internal error: tensor '" << tensor->name << "' has no value";
    return {};
  }
  auto dims = constantShape(tensor->shape);
  if (auto bytes = bytesOf(*tensor->elements, tensor->type)) {
    tensor->value = parameter(tensor->type, *dims, std::move(*bytes));
    return tensor->value;
  }
  SmallVector<Value> parts;
  for (const Scalar &element : *tensor->elements) {
    if (element.constant() || !element.integer)
      parts.push_back(parameter(tensor->type, {1}, *bytesOf({element}, tensor->type)));
    else
      parts.push_back(size(element.integer, tensor->type));
  }
  Value joined = concat(parts, 0);
  return tensor->value = reshape(joined, tensor->shape);
}

Value NodeBuilder::indices(ArrayRef<AffineExpr> dims, int64_t dim, Type type) {
  if (hasFailed)
    return {};
  Dims aligned(dims.size(), 1);
  if (auto extent = constantDim(dims[dim])) {
    Scalars elements(*extent);
    for (int64_t i = 0; i < *extent; ++i) {
      elements[i].number = i;
      elements[i].integer = isa<FloatType>(type) ? AffineExpr() : expr(i);
    }
    aligned[dim] = *extent;
    return parameter(type, aligned, *bytesOf(elements, type));
  }
  ShapeExpr free(dims.size(), expr(1));
  free[dim] = dims[dim];
  return cast(reshape(range(dims[dim]), ArrayRef<AffineExpr>(free)), type);
}

Tensor *NodeBuilder::splat(ArrayRef<AffineExpr> dims, Type type, Scalar value) {
  if (hasFailed)
    return nullptr;
  if (is_contained(dims, expr(0)))
    return emptyTensor(type, dims);
  auto fixed = constantShape(dims);
  int64_t count = 1;
  for (int64_t extent : fixed.value_or(Dims()))
    if (extent < 0 || __builtin_mul_overflow(count, extent, &count) || count > kMaxElements) {
      error() << "its result would have shape " << text(dims) << "; supported: at most " << kMaxElements
              << " elements";
      return nullptr;
    }
  if (fixed && count <= 1024)
    return knownTensor(type, *fixed, Scalars(count, value));
  Tensor *tensor = tensorOf(broadcast(materialize(knownTensor(type, {}, {value})), dims));
  if (tensor && !fixed)
    tensor->each = value;
  return tensor;
}

} // namespace sylvite::onnx
