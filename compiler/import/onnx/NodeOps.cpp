//===- NodeOps.cpp - The ops that a row of the operator table makes -------===//
//
// NodeBuilder's part that makes nn ops, keeps their symbolic shapes, and computes: maps, loops, sums.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/NodeBuilder.h"
#include "compiler/import/ScalarMath.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/BuiltinAttributes.h"

using namespace llvm;
using namespace mlir;

namespace sylvite::onnx {

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

Value NodeBuilder::inSingle(Value x, Type &half) {
  Type from = type(x);
  if (!isa<FloatType>(from) || from.getIntOrFloatBitWidth() >= 32)
    return x;
  half = from;
  return cast(x, state.body.getF32Type());
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

SmallVector<Tensor *> NodeBuilder::branch(Value condition, const Graph &then, const Graph &otherwise) {
  if (hasFailed || !condition || !countOp())
    return {};
  bool isOutermost = !state.beforeLoop;
  if (isOutermost)
    state.beforeLoop = state.body.saveInsertionPoint();
  std::optional<SmallVector<Tensor *>> results[2];
  std::string reasons[2];
  auto body = [&](unsigned i) {
    return [&, i](OpBuilder &) {
      SmallVector<Value> yielded;
      if ((results[i] = trySubgraph(i ? otherwise : then, reasons[i])))
        for (Tensor *tensor : *results[i])
          yielded.push_back(tensor->isSequence ? Value() : materialize(tensor));
      if (isNull(yielded))
        yielded.clear();
      return yielded;
    };
  };
  auto choice = nn::IfOp::create(state.body, loc, condition, body(0), body(1));
  if (isOutermost)
    state.beforeLoop.reset();
  if (results[0] && results[1]) {
    if (results[0]->size() != results[1]->size())
      error() << "its branches have " << results[0]->size() << " and " << results[1]->size() << " results";
    for (auto [yes, no] : zip(*results[0], *results[1]))
      if (yes->isSequence || no->isSequence || yes->type != no->type || !equal(yes->shape, no->shape, areEqual))
        error() << "its condition depends on the model's input, and its branches give "
                << (yes->isSequence || no->isSequence ? std::string("sequences")
                                                      : text(yes->shape) + " and " + text(no->shape))
                << "; supported: tensors of one shape and type";
    if (hasFailed) { // it may have no proper branches
      choice.erase();
      return {};
    }
    SmallVector<Tensor *> chosen;
    for (auto [result, yes] : zip_equal(choice.getResults(), *results[0])) {
      state.shapes[result] = yes->shape;
      chosen.push_back(tensorOf(result));
    }
    return chosen;
  }
  if (!results[0] && !results[1]) {
    choice.erase();
    error() << "both of its branches fail: " << reasons[0];
    return {};
  }
  unsigned possible = results[0] ? 0 : 1;
  emitWarning(UnknownLoc::get(state.context))
      << describe(node) << ": its condition is taken to be " << (possible ? "false" : "true")
      << ", for the other branch is not possible: " << reasons[1 - possible];
  Block &ops = choice->getRegion(possible).front();
  ops.getTerminator()->erase();
  choice->getBlock()->getOperations().splice(choice->getIterator(), ops.getOperations());
  choice.erase();
  return *results[possible];
}

Value NodeBuilder::reduce(nn::ReduceKind kind, Value x, ArrayRef<int64_t> dims, bool keepDims) {
  return make<nn::ReduceOp>(x, kind, dims, keepDims);
}

Value NodeBuilder::matmul(Value x, Value y, bool transposeLhs, bool transposeRhs) {
  return make<nn::MatmulOp>(x, y, transposeLhs, transposeRhs);
}

} // namespace sylvite::onnx
