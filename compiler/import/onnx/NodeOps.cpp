//===- NodeOps.cpp - The ops that a row of the operator table makes -------===//
//
// NodeBuilder's half that makes nn ops and keeps their symbolic shapes.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/NodeBuilder.h"
#include "compiler/import/onnx/ScalarMath.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include <cmath>

using namespace llvm;
using namespace mlir;

namespace sylvite::onnx {

#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
static constexpr int64_t kMaxElements = 1 << 20, kMaxOps = 1 << 12, kMaxGeneratedBytes = 1 << 24;
#else
static constexpr int64_t kMaxElements = INT32_MAX, kMaxOps = 1 << 20, kMaxGeneratedBytes = int64_t(1) << 32;
#endif

//===----------------------------------------------------------------------===//
// Parameters
//===----------------------------------------------------------------------===//

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
  OpBuilder::InsertionGuard guard(state.body);
  if (state.beforeLoop) // the value serves what follows the loop too
    state.body.restoreInsertionPoint(*state.beforeLoop);
  if (tensor->data) {
    auto dims = constantShape(tensor->shape);
    if (is_contained(*dims, 0)) {
      error() << "its input '" << tensor->name << "' has no elements, its shape is " << text(tensor->shape)
              << "; supported: at least one";
      return {};
    }
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

//===----------------------------------------------------------------------===//
// Shapes
//===----------------------------------------------------------------------===//

const ShapeExpr &NodeBuilder::shape(Value x) {
  static const ShapeExpr none;
  auto found = x ? state.shapes.find(x) : state.shapes.end();
  return found == state.shapes.end() ? none : found->second;
}

int64_t NodeBuilder::extent(Value x, int64_t dim) {
  const ShapeExpr &dims = shape(x);
  if (!x || dim >= int64_t(dims.size())) {
    if (x)
      error() << "its input has shape " << text(dims) << " and no dimension " << dim;
    return 1;
  }
  if (auto constant = constantDim(dims[dim]))
    return *constant;
  error() << "dimension " << dim << " of its input " << text(dims)
          << " is free; supported: a known size (fix it, as in --shape x=1x3x224x224)";
  return 1;
}

Dims NodeBuilder::extents(Value x) {
  Dims result;
  for (int64_t i = 0; i < rank(x); ++i)
    result.push_back(extent(x, i));
  return result;
}

bool NodeBuilder::countOp() {
  if (++state.numOps <= kMaxOps)
    return true;
  error() << "the model has more than " << kMaxOps << " operations, loops unrolled";
  return false;
}

/// Records the shape of a new value and refuses those that no buffer can hold.
Value NodeBuilder::check(Value x, ShapeExpr dims) {
  int64_t count = 1;
  for (AffineExpr &dim : dims) {
    dim = simplifyAffineExpr(dim, 0, state.symbols.size());
    auto extent = constantDim(dim);
    if (extent && (*extent < 1 || __builtin_mul_overflow(count, *extent, &count) || count > kMaxElements)) {
      error() << "its result would have shape " << text(dims) << "; supported: one to " << kMaxElements
              << " elements";
      return {};
    }
  }
  if (!countOp())
    return {};
  auto type = nn::typeOfShape(dims, getElementTypeOrSelf(x.getType()));
  x.setType(type);
  state.shapes[x] = dims;
  return x;
}

Value NodeBuilder::infer(Operation *op) {
  SmallVector<ShapeExpr> shapes;
  for (Value operand : op->getOperands())
    shapes.push_back(shape(operand));
  std::string reason;
  auto inferShape = [&] {
    ScopedDiagnosticHandler handler(state.context, [&](Diagnostic &diagnostic) {
      reason = diagnostic.str();
      return success();
    });
    return mlir::cast<nn::ShapeOpInterface>(op).resultShape(loc, shapes);
  };
  FailureOr<ShapeExpr> inferred = inferShape();
  if (succeeded(inferred)) {
    Value x = op->getResult(0);
    Type first = op->getOperand(0).getType();
    Type element = isa<nn::MatmulOp>(op) ? nn::productType(first, op->getOperand(1).getType()) : getElementTypeOrSelf(first);
    x.setType(RankedTensorType::get({}, element));
    return check(x, *inferred);
  }
  op->erase();
  // The op's own message names the op's constraint: "conv_c4: a window ...".
  StringRef message(reason);
  if (auto [label, rest] = message.split(": "); !label.contains(' '))
    message = rest;
  error() << message;
  return {};
}

//===----------------------------------------------------------------------===//
// Maps
//===----------------------------------------------------------------------===//

Value NodeBuilder::map(ArrayRef<Operand> operands, Type type, MapBody body) {
  if (hasFailed || !type)
    return {};
  // Single elements become constants of the body, as long as another operand gives the result its shape.
  int64_t otherRank = -1;
  std::vector<std::optional<Scalar>> constants(operands.size());
  for (auto [i, operand] : enumerate(operands)) {
    if (!operand.value && !operand.tensor)
      return {};
    const Scalars *elements = operand.tensor && !operand.tensor->value ? known(operand.tensor) : nullptr;
    // Kernels are compiled as if a constant were never infinite, and do right by infinities that they read.
    if (elements && elements->size() == 1 &&
        (elements->front().integer ? elements->front().constant().has_value() : std::isfinite(elements->front().number)))
      constants[i] = elements->front();
    else
      otherRank = std::max<int64_t>(otherRank, operand.value ? rank(operand.value) : operand.tensor->rank());
  }
  SmallVector<Value> values;
  SmallVector<int> position(operands.size(), -1);
  for (auto [i, operand] : enumerate(operands)) {
    if (constants[i] && operand.tensor->rank() <= otherRank)
      continue;
    constants[i].reset();
    Value value = operand.value ? operand.value : materialize(operand.tensor);
    if (!value)
      return {};
    otherRank = std::max<int64_t>(otherRank, rank(value));
    position[i] = values.size();
    values.push_back(value);
  }
  SmallVector<ShapeExpr> shapes;
  for (Value value : values)
    shapes.push_back(shape(value));
  FailureOr<ShapeExpr> resultShape = nn::broadcastShapes(shapes);
  if (::failed(resultShape)) {
    auto texts = map_range(shapes, [&](const ShapeExpr &dims) { return text(dims); });
    error() << "its inputs have shapes " << join(texts, ", ") << ", which do not broadcast together";
    return {};
  }
  Value x = nn::MapOp::create(
      state.body, loc, type, values, [&](OpBuilder &builder, Location at, ValueRange scalars) {
        SmallVector<Value> all;
        for (auto [i, operand] : enumerate(operands)) {
          if (!constants[i]) {
            all.push_back(scalars[position[i]]);
            continue;
          }
          ScalarMath s(builder, at, operand.tensor->type);
          all.push_back(constants[i]->integer ? s.constant(*constants[i]->constant())
                                              : s.constant(constants[i]->number));
        }
        return body(builder, at, all);
      });
  return check(x, *resultShape);
}

Value NodeBuilder::map(Operand x, llvm::function_ref<Value(nn::ScalarBuilder &, Value)> function) {
  Type element = x.tensor ? x.tensor->type : x.value ? type(x.value) : Type();
  return map({x}, element, [&](OpBuilder &builder, Location at, ValueRange scalars) {
    nn::ScalarBuilder s(builder, at);
    return function(s, scalars[0]);
  });
}

Value NodeBuilder::map(Operand x, Operand y, llvm::function_ref<Value(nn::ScalarBuilder &, Value, Value)> function) {
  Type element = x.tensor ? x.tensor->type : x.value ? type(x.value) : Type();
  return map({x, y}, element, [&](OpBuilder &builder, Location at, ValueRange scalars) {
    nn::ScalarBuilder s(builder, at);
    return function(s, scalars[0], scalars[1]);
  });
}

static Value arithmetic(NodeBuilder &b, Operand x, Operand y, Value (ScalarMath::*function)(Value, Value)) {
  Type element = x.tensor ? x.tensor->type : x.value ? b.type(x.value) : Type();
  return b.map({x, y}, element, [&](OpBuilder &builder, Location at, ValueRange scalars) {
    ScalarMath s(builder, at, element);
    return (s.*function)(scalars[0], scalars[1]);
  });
}
Value NodeBuilder::add(Operand x, Operand y) { return arithmetic(*this, x, y, &ScalarMath::add); }
Value NodeBuilder::subtract(Operand x, Operand y) { return arithmetic(*this, x, y, &ScalarMath::sub); }
Value NodeBuilder::multiply(Operand x, Operand y) { return arithmetic(*this, x, y, &ScalarMath::mul); }
Value NodeBuilder::divide(Operand x, Operand y) { return arithmetic(*this, x, y, &ScalarMath::div); }

Value NodeBuilder::cast(Operand x, Type to) {
  Type from = x.tensor ? x.tensor->type : x.value ? type(x.value) : Type();
  if (hasFailed || !from)
    return {};
  if (from == to)
    return x.value ? x.value : materialize(x.tensor);
  return map({x}, to, [&](OpBuilder &builder, Location at, ValueRange scalars) {
    return castScalar(builder, at, scalars[0], from, to);
  });
}

SmallVector<Value> NodeBuilder::scan(ArrayRef<Value> carried, ArrayRef<Value> sequences, ArrayRef<bool> reversed,
                                     llvm::function_ref<SmallVector<Value>(ValueRange, ValueRange)> step) {
  if (hasFailed || isNull(carried) || isNull(sequences) || !countOp())
    return {};
  bool isOutermost = !state.beforeLoop;
  if (isOutermost)
    state.beforeLoop = state.body.saveInsertionPoint();
  SmallVector<ShapeExpr> slices; // of stacked results
  auto body = [&](OpBuilder &, Location, ValueRange states, ValueRange parts) -> SmallVector<Value> {
    for (auto [argument, initial] : zip(states, carried))
      state.shapes[argument] = ShapeExpr(shape(initial));
    for (auto [argument, sequence] : zip(parts, sequences))
      state.shapes[argument] = ShapeExpr(ArrayRef<AffineExpr>(shape(sequence)).drop_front());
    SmallVector<Value> next = step(states, parts);
    if (hasFailed || isNull(next) || next.size() < carried.size())
      return SmallVector<Value>(states);
    for (auto [value, initial] : zip(next, carried))
      if (value.getType() != initial.getType() ||
          !all_of(zip(shape(value), shape(initial)), [](auto dims) { return areEqual(std::get<0>(dims), std::get<1>(dims)); })) {
        error() << "a value that it carries from step to step has shape " << text(shape(initial)) << " and then "
                << text(shape(value)) << "; supported: one shape and type";
        return SmallVector<Value>(states);
      }
    for (Value value : ArrayRef<Value>(next).drop_front(carried.size()))
      slices.push_back(shape(value));
    return next;
  };
  auto loop = nn::ScanOp::create(state.body, loc, carried, sequences, reversed, body);
  if (isOutermost)
    state.beforeLoop.reset();
  if (hasFailed) { // it may have no proper body
    loop.erase();
    return {};
  }
  for (auto [result, initial] : zip(loop.getResults(), carried))
    state.shapes[result] = ShapeExpr(shape(initial));
  for (auto [result, slice] : zip(loop.getStacked(), slices)) {
    ShapeExpr dims{shape(sequences.front()).front()};
    dims.append(slice);
    state.shapes[result] = dims;
  }
  return SmallVector<Value>(loop.getResults());
}

//===----------------------------------------------------------------------===//
// Movement
//===----------------------------------------------------------------------===//

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

Value NodeBuilder::reduce(nn::ReduceKind kind, Value x, ArrayRef<int64_t> dims, bool keepDims) {
  return make<nn::ReduceOp>(x, kind, dims, keepDims);
}

Value NodeBuilder::matmul(Value x, Value y, bool transposeLhs, bool transposeRhs) {
  return make<nn::MatmulOp>(x, y, transposeLhs, transposeRhs);
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
  return tensorOf(broadcast(materialize(knownTensor(type, {}, {value})), dims));
}

} // namespace sylvite::onnx
