//===- AttentionScores.cpp - What attention operators share ---------------===//
//
// The steps of AttentionScores.h as nn ops; nn-plan-contractions makes one nn.attention of them.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/AttentionScores.h"
#include "compiler/import/ScalarMath.h"
#include "compiler/import/onnx/Folding.h"
#include <cmath>

using namespace llvm;
using namespace mlir;

namespace sylvite::onnx {

using nn::ScalarBuilder;

Value splitHeads(NodeBuilder &b, Value x, int64_t heads) {
  if (b.failed())
    return {};
  int64_t width = b.extent(x, 2);
  if (heads < 1 || width % heads) {
    b.error() << "its input of shape " << b.text(b.shape(x)) << " does not split into " << heads << " heads";
    return {};
  }
  ShapeExpr shape{b.shape(x)[0], b.shape(x)[1], b.expr(heads), b.expr(width / heads)};
  return b.transpose(b.reshape(x, ArrayRef<AffineExpr>(shape)), {0, 2, 1, 3});
}

Value joinHeads(NodeBuilder &b, Value x) {
  x = b.transpose(x, {0, 2, 1, 3});
  if (b.failed())
    return {};
  const ShapeExpr &s = b.shape(x);
  ShapeExpr shape{s[0], s[1], s[2] * s[3]};
  return b.reshape(x, ArrayRef<AffineExpr>(shape));
}

Value repeatHeads(NodeBuilder &b, Value x, int64_t times) {
  if (times == 1 || b.failed())
    return x;
  ShapeExpr shape = b.shape(x), wide = shape;
  wide.insert(wide.begin() + 2, b.expr(times));
  x = b.broadcast(b.unsqueeze(x, 2), wide);
  shape[1] = shape[1] * times;
  return b.reshape(x, ArrayRef<AffineExpr>(shape));
}

Value rotateHeads(NodeBuilder &b, Value x, Value cosines, Value sines, int64_t rotated, bool interleaved) {
  cosines = b.unsqueeze(cosines, 1);
  sines = b.unsqueeze(sines, 1);
  if (b.failed())
    return {};
  int64_t size = b.extent(x, 3), half = rotated / 2, stride = interleaved ? 2 : 1;
  Value first = b.slice(x, 3, 0, half, stride), second = b.slice(x, 3, interleaved ? 1 : half, half, stride);
  Value real = b.subtract(b.multiply(first, cosines), b.multiply(second, sines));
  Value imaginary = b.add(b.multiply(first, sines), b.multiply(second, cosines));
  if (b.failed())
    return {};
  ShapeExpr shape = b.shape(x);
  shape[3] = b.expr(rotated);
  Value y = interleaved ? b.reshape(b.concat({b.unsqueeze(real, 4), b.unsqueeze(imaginary, 4)}, 4),
                                    ArrayRef<AffineExpr>(shape))
                        : b.concat({real, imaginary}, 3);
  return rotated < size ? b.concat({y, b.slice(x, 3, rotated, size - rotated)}, 3) : y;
}

AttentionScores::AttentionScores(NodeBuilder &b, Value queries, Value keys, double scale, double softcap) : b(b) {
  if (b.failed())
    return;
  Type type = b.type(queries);
  real = type.getIntOrFloatBitWidth() < 32 ? Type(Float32Type::get(b.state.context)) : type;
  auto scaled = [&](Value x) {
    return b.map(b.cast(x, real), [&](ScalarBuilder &s, Value e) { return s.mul(e, s.constant(std::sqrt(scale), e)); });
  };
  scores = b.matmul(scaled(queries), scaled(keys), false, /*transposeRhs=*/true);
  if (softcap > 0)
    scores = b.map(scores, [&](ScalarBuilder &s, Value e) {
      return s.mul(s.tanh(s.div(e, s.constant(softcap, e))), s.constant(softcap, e));
    });
}

void AttentionScores::add(Value part) { bias = bias ? b.add(bias, part) : part; }

void AttentionScores::allow(ArrayRef<Operand> operands, MapBody allowed, double otherwise) {
  add(b.map(operands, real, [&](OpBuilder &builder, Location at, ValueRange s) -> Value {
    ScalarMath number(builder, at, real);
    return number.select(allowed(builder, at, s), number.constant(int64_t(0)), number.constant(otherwise));
  }));
}

void AttentionScores::allowWindow(bool causal, int64_t left, int64_t right, Operand offset) {
  if (b.failed() || (!causal && left < 0 && right < 0))
    return;
  Type i64 = IntegerType::get(b.state.context, 64);
  ShapeExpr square(ArrayRef<AffineExpr>(b.shape(scores)).take_back(2));
  Value row = b.indices(square, 0, i64), column = b.indices(square, 1, i64);
  allow({row, column, offset}, [&](OpBuilder &builder, Location at, ValueRange s) {
    ScalarMath index(builder, at, i64);
    Value position = index.add(s[0], s[2]), allowed = arith::ConstantOp::create(builder, at, builder.getBoolAttr(true));
    auto require = [&](Value condition) { allowed = index.both(allowed, condition); };
    if (causal)
      require(index.lessOrEqual(s[1], position));
    if (left >= 0)
      require(index.lessOrEqual(index.sub(position, s[1]), index.constant(left)));
    if (right >= 0)
      require(index.lessOrEqual(index.sub(s[1], position), index.constant(right)));
    return allowed;
  });
}

void AttentionScores::allowFirst(Value counts, double otherwise) {
  if (b.failed())
    return;
  Type i64 = IntegerType::get(b.state.context, 64);
  Value column = b.indices({b.expr(1), b.shape(scores)[3]}, 1, i64);
  allow({column, counts}, [&](OpBuilder &builder, Location at, ValueRange s) {
    return ScalarMath(builder, at, i64).less(s[0], s[1]);
  }, otherwise);
}

Value AttentionScores::biased() { return bias ? b.add(scores, bias) : scores; }

Value AttentionScores::probabilities(Type precise, bool zeroUndefined) {
  Value probabilities = b.make<nn::SoftmaxOp>(b.cast(biased(), precise), ArrayRef<int64_t>{3});
  if (!bias || !zeroUndefined)
    return probabilities;
  Value most = b.reduce(nn::ReduceKind::Max, bias, {b.rank(bias) - 1}, true);
  return b.map({probabilities, most}, precise, [&](OpBuilder &builder, Location at, ValueRange s) {
    ScalarMath p(builder, at, precise), m(builder, at, real);
    return p.select(m.less(s[1], m.constant(kMasked / 2)), p.constant(int64_t(0)), s[0]);
  });
}

} // namespace sylvite::onnx
