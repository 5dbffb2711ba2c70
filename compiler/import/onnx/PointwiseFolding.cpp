//===- PointwiseFolding.cpp - pointwise operators on known elements --------===//
//
// Arithmetic, comparisons and logic of elements that are known at import: numbers, and expressions of free dimensions.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/Folding.h"
#include "compiler/import/onnx/PointwiseFolding.h"
#include <cmath>

using namespace llvm;
using namespace mlir;

namespace sylvite::onnx {

/// Folds with a function of integer expressions and one of numbers; either may give nothing.
static void foldBoth(NodeBuilder &b, Type type,
                     llvm::function_ref<AffineExpr(ArrayRef<AffineExpr>)> integers,
                     llvm::function_ref<std::optional<Scalar>(ArrayRef<double>)> numbers) {
  foldElements(b, type, [&](ArrayRef<Scalar> v) -> std::optional<Scalar> {
    SmallVector<AffineExpr> exprs;
    SmallVector<double> reals;
    // Whole numbers join sizes that have become floating-point numbers.
    bool hasSize = any_of(v, [](const Scalar &scalar) { return scalar.integer && !scalar.constant(); });
    for (const Scalar &scalar : v) {
      if (scalar.integer)
        exprs.push_back(scalar.integer);
      else if (hasSize && std::fabs(scalar.number) < (1 << 24) && std::trunc(scalar.number) == scalar.number)
        exprs.push_back(b.expr(int64_t(scalar.number)));
      else
        reals.push_back(scalar.number);
    }
    if (exprs.size() == v.size()) {
      AffineExpr result = integers(exprs);
      if (!result)
        return std::nullopt;
      result = simplifyAffineExpr(result, 0, b.state.symbols.size());
      return castKnown(integerScalar(result), type);
    }
    if (reals.size() != v.size())
      return std::nullopt;
    auto result = numbers(reals);
    return result ? castKnown(*result, type) : std::nullopt;
  });
}

template <Fold kind> static AffineExpr foldIntegers(NodeBuilder &b, ArrayRef<AffineExpr> v) {
  AffineExpr total = v[0];
  for (AffineExpr next : v.drop_front()) {
    auto x = constantDim(total), y = constantDim(next);
    MLIRContext *context = next.getContext();
    int64_t value = 0;
    if (x && y) {
      bool overflow = false;
      switch (kind) {
      case Fold::Add:
        overflow = __builtin_add_overflow(*x, *y, &value);
        break;
      case Fold::Sub:
        overflow = __builtin_sub_overflow(*x, *y, &value);
        break;
      case Fold::Mul:
        overflow = __builtin_mul_overflow(*x, *y, &value);
        break;
      case Fold::Div:
        if (*y == 0 || (*x == INT64_MIN && *y == -1))
          return {};
        value = *x / *y;
        break;
      case Fold::Mod:
        if (*y == 0 || *y == -1)
          return *y ? getAffineConstantExpr(0, context) : AffineExpr();
        value = *x % *y;
        value += value && (value < 0) != (*y < 0) ? *y : 0;
        break;
      case Fold::Min:
        value = std::min(*x, *y);
        break;
      case Fold::Max:
        value = std::max(*x, *y);
        break;
      }
      if (overflow)
        return {};
      total = getAffineConstantExpr(value, context);
      continue;
    }
    // Sizes are not negative, so rounding towards zero is rounding down.
    switch (kind) {
    case Fold::Add:
      total = total + next;
      break;
    case Fold::Sub:
      total = total - next;
      break;
    case Fold::Mul:
      total = total * next;
      break;
    case Fold::Div:
      total = quotientOf({total}, {next}, context);
      if (!total)
        return {};
      break;
    case Fold::Mod:
      if (!y || *y < 1)
        return {};
      total = total % *y;
      break;
    default: {
      // A size against a bound that it cannot reach.
      auto bound = x ? x : y;
      AffineExpr other = x ? next : total;
      bool isSymbol = isa<AffineSymbolExpr>(other);
      if (total == next)
        break;
      if (!bound || !isSymbol)
        return {};
      if (*bound == 1)
        b.assumePositive(other);
      if (*bound <= 1)
        total = kind == Fold::Max ? other : getAffineConstantExpr(*bound, context);
      else if (*bound >= INT32_MAX)
        total = kind == Fold::Min ? other : getAffineConstantExpr(*bound, context);
      else
        return {};
    }
    }
  }
  return total;
}
template <Fold kind> static std::optional<Scalar> foldNumbers(ArrayRef<double> v) {
  double total = v[0];
  for (double next : v.drop_front()) {
    switch (kind) {
    case Fold::Add:
      total += next;
      break;
    case Fold::Sub:
      total -= next;
      break;
    case Fold::Mul:
      total *= next;
      break;
    case Fold::Div:
      total /= next;
      break;
    case Fold::Mod:
      return std::nullopt;
    case Fold::Min:
      total = std::min(total, next);
      break;
    case Fold::Max:
      total = std::max(total, next);
      break;
    }
  }
  return numberScalar(total);
}
template <Fold kind> void foldArithmetic(NodeBuilder &b) {
  if (b.opset < 7 || (kind == Fold::Mod && b.flag("fmod", false)) || !b.has(0))
    return;
  Type type = b.type(0u);
  foldBoth(
      b, type,
      [&](ArrayRef<AffineExpr> v) {
        AffineExpr result = foldIntegers<kind>(b, v);
        // A quotient of floating-point numbers is no whole number, unless the divisor goes into the dividend.
        bool isExact = kind != Fold::Div || !isa_and_nonnull<FloatType>(type) ||
                       (result && v.size() == 2 && areEqual(result * v[1], v[0]) &&
                        !isa<AffineConstantExpr>(result));
        return isExact ? result : AffineExpr();
      },
      foldNumbers<kind>);
}

template <Order kind> static std::optional<bool> compare(double x, double y) {
  switch (kind) {
  case Order::Equal:
    return x == y;
  case Order::Less:
    return x < y;
  case Order::LessOrEqual:
    return x <= y;
  case Order::Greater:
    return x > y;
  case Order::GreaterOrEqual:
    return x >= y;
  }
  return std::nullopt;
}
template <Order kind> void foldComparison(NodeBuilder &b) {
  Type i1 = IntegerType::get(b.state.context, 1);
  if (b.opset < 7 || b.numInputs() < 2)
    return;
  foldBoth(
      b, i1,
      [&](ArrayRef<AffineExpr> v) -> AffineExpr {
        auto x = constantDim(v[0]), y = constantDim(v[1]);
        std::optional<bool> result;
        if (x && y)
          result = compare<kind>(double(*x), double(*y));
        else if (areEqual(v[0], v[1]))
          result = compare<kind>(0, 0);
        else if (auto bound = x ? x : y; bound && *bound < 0) // no size is negative
          result = compare<kind>(x ? -1 : 0, x ? 0 : -1);
        else if (bound && *bound == 0 && (isa<AffineSymbolExpr>(v[0]) || isa<AffineSymbolExpr>(v[1]))) {
          result = compare<kind>(x ? 0 : 1, x ? 1 : 0);
          if (result != compare<kind>(0, 0))
            b.assumePositive(x ? v[1] : v[0]);
        }
        return result ? b.expr(*result) : AffineExpr();
      },
      [&](ArrayRef<double> v) -> std::optional<Scalar> {
        return integerScalar(b.expr(*compare<kind>(v[0], v[1])));
      });
}

void foldNot(NodeBuilder &b) {
  foldElements(b, b.type(0u), [&](ArrayRef<Scalar> v) -> std::optional<Scalar> {
    auto value = v[0].constant();
    return value ? std::optional(integerScalar(b.expr(!*value))) : std::nullopt;
  });
}
template <bool isAnd> void foldLogic(NodeBuilder &b) {
  foldElements(b, b.type(0u), [&](ArrayRef<Scalar> v) -> std::optional<Scalar> {
    auto x = v[0].constant(), y = v[1].constant();
    if (!x || !y)
      return std::nullopt;
    return integerScalar(b.expr(isAnd ? *x && *y : *x || *y));
  }, 2);
}
void foldWhere(NodeBuilder &b) {
  foldElements(b, b.type(1u), [&](ArrayRef<Scalar> v) -> std::optional<Scalar> {
    auto condition = v[0].constant();
    if (condition)
      return *condition ? v[1] : v[2];
    return std::nullopt;
  }, 3);
}
void foldNegate(NodeBuilder &b) {
  foldBoth(
      b, b.type(0u), [](ArrayRef<AffineExpr> v) { return constantDim(v[0]) == INT64_MIN ? AffineExpr() : -v[0]; },
      [](ArrayRef<double> v) { return std::optional(numberScalar(-v[0])); });
}

void foldPow(NodeBuilder &b) {
  if (b.opset < 7)
    return;
  Type type = b.type(0u);
  foldElements(b, type, [&](ArrayRef<Scalar> v) -> std::optional<Scalar> {
    auto numberOf = [](const Scalar &x) -> std::optional<double> {
      if (x.integer && !x.constant())
        return std::nullopt;
      return x.integer ? double(*x.constant()) : x.number;
    };
    auto base = numberOf(v[0]), exponent = numberOf(v[1]);
    if (!base && exponent == 2.0)
      return integerScalar(v[0].integer * v[0].integer);
    double power = base && exponent ? std::pow(*base, *exponent) : NAN;
    // Integers as long as double precision has all their digits.
    if (!isa_and_nonnull<FloatType>(type) && !(std::fabs(power) < 0x1p53))
      return std::nullopt;
    return base && exponent ? castKnown(numberScalar(power), type) : std::nullopt;
  }, 2);
}

template void foldArithmetic<Fold::Add>(NodeBuilder &);
template void foldArithmetic<Fold::Sub>(NodeBuilder &);
template void foldArithmetic<Fold::Mul>(NodeBuilder &);
template void foldArithmetic<Fold::Div>(NodeBuilder &);
template void foldArithmetic<Fold::Mod>(NodeBuilder &);
template void foldArithmetic<Fold::Min>(NodeBuilder &);
template void foldArithmetic<Fold::Max>(NodeBuilder &);
template void foldComparison<Order::Equal>(NodeBuilder &);
template void foldComparison<Order::Less>(NodeBuilder &);
template void foldComparison<Order::LessOrEqual>(NodeBuilder &);
template void foldComparison<Order::Greater>(NodeBuilder &);
template void foldComparison<Order::GreaterOrEqual>(NodeBuilder &);
template void foldLogic<true>(NodeBuilder &);
template void foldLogic<false>(NodeBuilder &);

} // namespace sylvite::onnx
