//===- Contributed.cpp - operators that ONNX Runtime's optimizer writes ---===//
//
// Rows for fused layers of the domain com.microsoft, which stand in models that ONNX Runtime has optimized: each is made of
// the layers that were fused, and nn-fuse decides anew. Attention is in ContributedAttention.cpp, quantized numbers are in
// Quantize.cpp. They are defined in ONNX Runtime's docs/ContribOperators.md.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/Operators.h"
#include "compiler/import/onnx/Windows.h"
#include <cfloat>

using namespace llvm;
using namespace mlir;

namespace sylvite::onnx {

using nn::ScalarBuilder;

//===----------------------------------------------------------------------===//
// Products and convolutions with an activation
//===----------------------------------------------------------------------===//

/// The activation that attribute `activation` names, with its parameters in `activation_params`.
static Value activate(NodeBuilder &b, Value x) {
  StringRef name = b.choice("activation", {"", "Relu", "Sigmoid", "Tanh", "LeakyRelu", "Clip", "HardSigmoid"});
  std::vector<double> parameters = b.numbers("activation_params").value_or(std::vector<double>());
  auto parameter = [&](size_t i, double otherwise) { return i < parameters.size() ? parameters[i] : otherwise; };
  if (name.empty())
    return x;
  return b.map(x, [&](ScalarBuilder &s, Value e) -> Value {
    if (name == "Relu")
      return s.relu(e);
    if (name == "Sigmoid")
      return s.sigmoid(e);
    if (name == "Tanh")
      return s.tanh(e);
    if (name == "LeakyRelu")
      return s.leakyRelu(e, parameter(0, 0.01));
    if (name == "Clip")
      return s.clamp(e, parameter(0, -FLT_MAX), parameter(1, FLT_MAX));
    return s.clamp(s.add(s.mul(e, s.constant(parameter(0, 0.2), e)), s.constant(parameter(1, 0.5), e)), 0, 1);
  });
}

/// Input 2 is a bias, input 3, of the result's shape, is added before the activation.
static void fusedConv(NodeBuilder &b) {
  Value y = convolve(b, b.value(0), b.value(1));
  if (b.has(2))
    y = b.add(y, b.value(2));
  y = b.toChannelsFirst(y);
  if (b.has(3))
    y = b.add(y, b.value(3));
  b.result(activate(b, y));
}

static void fusedMatMul(NodeBuilder &b) {
  double alpha = b.number("alpha", 1);
  bool transposeA = b.flag("transA", false), transposeB = b.flag("transB", false);
  for (StringRef key : {"transBatchA", "transBatchB"})
    if (b.flag(key, false))
      b.refuse(key, "0");
  Value x = b.value(0), y = b.value(1);
  if (b.failed())
    return;
  Value z = transposeA || transposeB ? b.matmul(x, y, transposeA, transposeB) : multiplyMatrices(b, x, y);
  b.result(alpha == 1 ? z : b.map(z, [&](ScalarBuilder &s, Value e) { return s.mul(e, s.constant(alpha, e)); }));
}

//===----------------------------------------------------------------------===//
// Functions with a bias
//===----------------------------------------------------------------------===//

template <bool approximate> static void biasGelu(NodeBuilder &b) {
  Value x = b.has(1) ? b.add(b.value(0), b.value(1)) : b.value(0);
  b.result(b.map(x, [](ScalarBuilder &s, Value e) { return s.gelu(e, approximate); }));
}

static void quickGelu(NodeBuilder &b) {
  double alpha = b.number("alpha", 1.702);
  b.result(b.map(b.value(0), [&](ScalarBuilder &s, Value e) { return s.mul(e, s.sigmoid(s.mul(e, s.constant(alpha, e)))); }));
}

//===----------------------------------------------------------------------===//
// Normalization
//===----------------------------------------------------------------------===//

/// `x` normalized over its last dimension, by its root mean square alone where `isSimplified`, times input `scale`, plus input
/// `offset` if it is given.
static Value normalize(NodeBuilder &b, Value x, bool isSimplified, unsigned scale, unsigned offset) {
  double epsilon = b.number("epsilon", 1e-5);
  if (b.failed())
    return {};
  Dims last{b.rank(x) - 1};
  Value y = isSimplified ? b.make<nn::RMSNormOp>(x, last, APFloat(epsilon)) : layerNorm(b, x, last, epsilon);
  y = b.multiply(y, b.value(scale));
  return b.has(offset) ? b.add(y, b.value(offset)) : y;
}

static void simplifiedLayerNormalization(NodeBuilder &b) {
  b.ignore({"stash_type"});
  if (b.axis("axis", b.rank(0u), -1) != b.rank(0u) - 1)
    b.refuse("axis", "the last dimension");
  b.result(normalize(b, b.value(0), /*isSimplified=*/true, 1, UINT_MAX));
}

/// Inputs: x, what skipped a layer, scale, offset unless simplified, bias. The last result is the sum that is normalized.
template <bool isSimplified> static void skipLayerNormalization(NodeBuilder &b) {
  unsigned bias = isSimplified ? 3 : 4;
  Value sum = b.add(b.value(0), b.value(1));
  if (b.has(bias))
    sum = b.add(sum, b.value(bias));
  b.result(normalize(b, sum, isSimplified, 2, isSimplified ? UINT_MAX : 3));
  if (!b.wants(3))
    return;
  if (b.wants(1) || b.wants(2))
    return void(b.error() << "its mean and deviation are used; supported: results 0 and 3");
  b.results.append({nullptr, nullptr});
  b.result(sum);
}

/// Inputs: words, segments, tables of words, positions, segments, scale and offset of the normalization.
static void embedLayerNormalization(NodeBuilder &b) {
  b.ignore({"mask_index_type"});
  if (b.has(7) || b.has(8))
    return void(b.error() << "it has a mask or position ids; supported: none");
  Value words = b.value(0), positions = b.value(3);
  if (b.failed())
    return;
  AffineExpr items = b.shape(words)[0], length = b.shape(words)[1];
  Value sum = b.add(b.make<nn::GatherOp>(b.value(2), words, 0), b.make<nn::GatherOp>(positions, b.range(length), 0));
  if (b.has(1) && b.has(4))
    sum = b.add(sum, b.make<nn::GatherOp>(b.value(4), b.value(1), 0));
  b.result(normalize(b, sum, /*isSimplified=*/false, 5, 6));
  b.result(b.splat({items}, IntegerType::get(b.state.context, 32), Scalar{b.expr(0), 0})); // lengths, without a mask
  b.result(sum);
}

ArrayRef<OperatorRow> contributedOperators() {
  static const OperatorRow rows[] = {
      {"SimplifiedLayerNormalization", 1, kNewest, simplifiedLayerNormalization}, // ONNX's domain, by mistake
      {"com.microsoft::BiasGelu", 1, kNewest, biasGelu<false>},
      {"com.microsoft::EmbedLayerNormalization", 1, kNewest, embedLayerNormalization},
      {"com.microsoft::FastGelu", 1, kNewest, biasGelu<true>},
      {"com.microsoft::FusedConv", 1, kNewest, fusedConv},
      {"com.microsoft::FusedMatMul", 1, kNewest, fusedMatMul},
      {"com.microsoft::Gelu", 1, kNewest, biasGelu<false>},
      {"com.microsoft::QuickGelu", 1, kNewest, quickGelu},
      {"com.microsoft::SkipLayerNormalization", 1, kNewest, skipLayerNormalization<false>},
      {"com.microsoft::SkipSimplifiedLayerNormalization", 1, kNewest, skipLayerNormalization<true>},
  };
  return rows;
}

} // namespace sylvite::onnx
