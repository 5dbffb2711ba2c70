//===- Tensor.cpp - What the importer knows about a value of the graph ----===//
//
// Conversions between constant bytes and known elements, and arithmetic on symbolic dimensions.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/Tensor.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/StringExtras.h"
#include <cmath>

using namespace llvm;
using mlir::AffineExpr;
using mlir::AffineExprKind;

namespace sylvite::onnx {

std::optional<Dims> constantShape(ArrayRef<AffineExpr> shape) {
  Dims dims;
  for (AffineExpr dim : shape) {
    auto constant = constantDim(dim);
    if (!constant)
      return std::nullopt;
    dims.push_back(*constant);
  }
  return dims;
}

static std::string exprText(AffineExpr expr, ArrayRef<std::string> symbols) {
  if (auto symbol = dyn_cast<mlir::AffineSymbolExpr>(expr))
    return symbol.getPosition() < symbols.size() ? symbols[symbol.getPosition()] : "?";
  if (auto constant = constantDim(expr))
    return std::to_string(*constant);
  auto binary = cast<mlir::AffineBinaryOpExpr>(expr);
  StringRef sign = expr.getKind() == AffineExprKind::Add   ? " + "
                   : expr.getKind() == AffineExprKind::Mul ? " * "
                   : expr.getKind() == AffineExprKind::Mod ? " mod "
                                                           : " / ";
  return "(" + exprText(binary.getLHS(), symbols) + sign.str() + exprText(binary.getRHS(), symbols) + ")";
}

std::string shapeText(ArrayRef<AffineExpr> shape, ArrayRef<std::string> symbols) {
  return "(" + join(map_range(shape, [&](AffineExpr dim) { return exprText(dim, symbols); }), ", ") + ")";
}

AffineExpr quotientOf(ArrayRef<AffineExpr> numerator, ArrayRef<AffineExpr> denominator,
                      mlir::MLIRContext *context) {
  // Constant factors apart; the others cancel when they are the same expression.
  auto split = [](ArrayRef<AffineExpr> product, int64_t &constant, SmallVectorImpl<AffineExpr> &factors) {
    SmallVector<AffineExpr> worklist(reverse(product));
    while (!worklist.empty()) {
      AffineExpr expr = worklist.pop_back_val();
      auto binary = dyn_cast<mlir::AffineBinaryOpExpr>(expr);
      if (auto value = constantDim(expr)) {
        constant *= *value;
      } else if (binary && expr.getKind() == AffineExprKind::Mul) {
        worklist.push_back(binary.getRHS());
        worklist.push_back(binary.getLHS());
      } else {
        factors.push_back(expr);
      }
    }
  };
  int64_t above = 1, below = 1;
  SmallVector<AffineExpr> factors, divisors;
  split(numerator, above, factors);
  split(denominator, below, divisors);
  SmallVector<AffineExpr> rest;
  for (AffineExpr divisor : divisors) {
    auto same = find(factors, divisor);
    if (same == factors.end())
      rest.push_back(divisor);
    else
      factors.erase(same);
  }
  if (below == 0)
    return {};
  AffineExpr result = mlir::getAffineConstantExpr(1, context);
  for (AffineExpr factor : factors)
    result = result * factor;
  if (!rest.empty()) {
    AffineExpr divisor = mlir::getAffineConstantExpr(below, context);
    for (AffineExpr factor : rest)
      divisor = divisor * factor;
    return (result * above).floorDiv(divisor);
  }
  if (above % below == 0)
    return result * (above / below);
  return factors.empty() ? AffineExpr() : (result * above).floorDiv(below);
}

bool areEqual(AffineExpr a, AffineExpr b) {
  if (a == b)
    return true;
  return mlir::simplifyAffineExpr(a - b, 0, 1 << 16) == 0;
}

/// The floating-point type's bits as a double.
static double decodeFloat(const fltSemantics &semantics, uint64_t bits, unsigned width) {
  APFloat value(semantics, APInt(width, bits));
  bool lossy;
  value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lossy);
  return value.convertToDouble();
}

std::optional<Scalars> scalarsOf(const TensorData &data, mlir::MLIRContext *context) {
  if (!data.type)
    return std::nullopt;
  int64_t width = bytesPerElement(data.type);
  Scalars elements(data.bytes.size() / width);
  auto floatType = dyn_cast<mlir::FloatType>(data.type);
  for (size_t i = 0; i < elements.size(); ++i) {
    uint64_t bits = 0;
    memcpy(&bits, data.bytes.data() + i * width, width);
    if (floatType) {
      elements[i].number = decodeFloat(floatType.getFloatSemantics(), bits, width * 8);
      continue;
    }
    int64_t value = data.type.isUnsignedInteger() || width == 8 || data.type.isInteger(1)
                        ? int64_t(bits)
                        : SignExtend64(bits, width * 8);
    elements[i].integer = mlir::getAffineConstantExpr(value, context);
  }
  return elements;
}

std::optional<std::vector<char>> bytesOf(const Scalars &elements, mlir::Type type) {
  int64_t width = bytesPerElement(type);
  std::vector<char> bytes(elements.size() * width);
  for (auto [i, element] : enumerate(elements)) {
    uint64_t bits;
    if (auto floatType = dyn_cast<mlir::FloatType>(type)) {
      auto integer = element.constant();
      if (element.integer && !integer)
        return std::nullopt;
      APFloat value(element.integer ? double(*integer) : element.number);
      bool lossy;
      value.convert(floatType.getFloatSemantics(), APFloat::rmNearestTiesToEven, &lossy);
      bits = value.bitcastToAPInt().getZExtValue();
    } else {
      auto integer = element.constant();
      if (!integer)
        return std::nullopt;
      bits = *integer;
    }
    memcpy(bytes.data() + i * width, &bits, width);
  }
  return bytes;
}

} // namespace sylvite::onnx
