//===- PointwiseGradient.cpp - the gradient of nn.map ----------------------===//
//
// Derives it from the region: the scalar ops are walked backwards, each adding its share to the adjoints
// of what it reads. One table entry per arith or math op, none per activation. The forward scalars are
// computed again, which costs less than keeping them; the result is there anyway, and where a rule needs only that, as for
// relu, tanh and the logistic function, what it was computed from need not be kept. Where that takes a transcendental function, as
// for gelu, the derivative is computed beside the result, of the same scalars, and kept in place of the argument.
//
// Conventions at kinks are those of the frameworks: relu'(0) = 0 and |x|'(0) = 0, and what is constant has none.
//
//===----------------------------------------------------------------------===//
#include "dialects/nn/TensorBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>

using namespace mlir;
using namespace sylvite::nn;

namespace {

/// The adjoints of scalars while a region is walked backwards.
class ScalarAdjoints {
public:
  /// `known` is a scalar that need not be computed again: it is `value`.
  ScalarAdjoints(OpBuilder &b, Location loc, Value known, Value value)
      : b(b), loc(loc), s(b, loc), known(known), value(value) {}

  void add(Value scalar, Value adjoint) {
    if (!isa<FloatType>(scalar.getType()))
      return;
    Value &sum = adjoints[scalar];
    sum = sum ? s.add(sum, adjoint) : adjoint;
  }
  Value lookup(Value scalar) const { return adjoints.lookup(scalar); }
  /// Adds what `op` owes to the scalars it reads. False when no rule is known.
  bool propagate(Operation &op);

private:
  Value compare(arith::CmpFPredicate predicate, Value x, Value y) {
    return arith::CmpFOp::create(b, loc, predicate, x, y);
  }
  Value choose(Value condition, Value x, Value y) {
    return arith::SelectOp::create(b, loc, condition, x, y);
  }
  /// The adjoint of an extremum goes to the operand that is it. Of two equal scalars each takes half; a constant takes
  /// none, as in relu, and whether the other operand passes it can be seen from the result.
  void propagateExtremum(Value x, Value y, Value extremum, Value g, bool greater) {
    Value zero = s.constant(0, g);
    auto beats = greater ? arith::CmpFPredicate::OGT : arith::CmpFPredicate::OLT;
    if (isConstant(x) || isConstant(y)) {
      if (isConstant(x))
        std::swap(x, y);
      return add(x, choose(compare(beats, extremum, y), g, zero));
    }
    Value half = s.mul(g, s.constant(0.5, g));
    auto give = [&](Value mine, Value other) {
      Value tie = choose(compare(arith::CmpFPredicate::OEQ, mine, other), half, zero);
      add(mine, choose(compare(beats, mine, other), g, tie));
    };
    give(x, y);
    give(y, x);
  }
  static bool isConstant(Value x) { return x.getDefiningOp<arith::ConstantOp>() != nullptr; }
  /// x, where `division` is the logistic function of it, 1 / (1 + exp(-x)); else null.
  static Value argumentOfLogistic(arith::DivFOp division) {
    auto sum = division.getRhs().getDefiningOp<arith::AddFOp>();
    auto exp = sum ? sum.getRhs().getDefiningOp<math::ExpOp>() : math::ExpOp();
    auto negated = exp ? exp.getOperand().getDefiningOp<arith::NegFOp>() : arith::NegFOp();
    bool isLogistic = negated && matchPattern(division.getLhs(), m_OneFloat()) && matchPattern(sum.getLhs(), m_OneFloat());
    return isLogistic ? negated.getOperand() : Value();
  }

  OpBuilder &b;
  Location loc;
  ScalarBuilder s;
  Value known, value;
  DenseMap<Value, Value> adjoints;
};

} // namespace

bool ScalarAdjoints::propagate(Operation &op) {
  Value y = op.getResult(0), g = lookup(y);
  if (!g)
    return true;
  if (y == known)
    y = value;
  auto x = [&](unsigned i = 0) { return op.getOperand(i); };
  auto constant = [&](double value) { return s.constant(value, g); };
  /// g times what `derivative` gives.
  auto times = [&](Value derivative) { add(x(), s.mul(g, derivative)); };
  return TypeSwitch<Operation *, bool>(&op)
      .Case([&](arith::AddFOp) { return add(x(0), g), add(x(1), g), true; })
      .Case([&](arith::SubFOp) { return add(x(0), g), add(x(1), s.neg(g)), true; })
      .Case([&](arith::MulFOp) { return add(x(0), s.mul(g, x(1))), add(x(1), s.mul(g, x(0))), true; })
      .Case([&](arith::DivFOp division) {
        if (Value argument = argumentOfLogistic(division))
          return add(argument, s.mul(g, s.mul(y, s.sub(constant(1), y)))), true;
        Value share = s.div(g, x(1));
        return add(x(0), share), add(x(1), s.neg(s.mul(share, y))), true;
      })
      .Case([&](arith::NegFOp) { return add(x(), s.neg(g)), true; })
      .Case<arith::MaximumFOp, arith::MaxNumFOp>(
          [&](auto) { return propagateExtremum(x(0), x(1), y, g, true), true; })
      .Case<arith::MinimumFOp, arith::MinNumFOp>(
          [&](auto) { return propagateExtremum(x(0), x(1), y, g, false), true; })
      .Case([&](arith::SelectOp) {
        add(x(1), choose(x(0), g, constant(0)));
        add(x(2), choose(x(0), constant(0), g));
        return true;
      })
      .Case<arith::ExtFOp, arith::TruncFOp>([&](Operation *) {
        Type from = x().getType();
        Value cast = from.getIntOrFloatBitWidth() > g.getType().getIntOrFloatBitWidth()
                         ? Value(arith::ExtFOp::create(b, loc, from, g))
                         : Value(arith::TruncFOp::create(b, loc, from, g));
        return add(x(), cast), true;
      })
      .Case([&](math::ExpOp) { return times(y), true; })
      .Case([&](math::Exp2Op) { return times(s.mul(y, constant(M_LN2))), true; })
      .Case([&](math::ExpM1Op) { return times(s.add(y, constant(1))), true; })
      .Case([&](math::LogOp) { return add(x(), s.div(g, x())), true; })
      .Case([&](math::Log1pOp) { return add(x(), s.div(g, s.add(x(), constant(1)))), true; })
      .Case([&](math::Log2Op) { return add(x(), s.div(g, s.mul(x(), constant(M_LN2)))), true; })
      .Case([&](math::Log10Op) { return add(x(), s.div(g, s.mul(x(), constant(M_LN10)))), true; })
      .Case([&](math::SqrtOp) { return add(x(), s.div(s.mul(g, constant(0.5)), y)), true; })
      .Case([&](math::RsqrtOp) { return times(s.mul(constant(-0.5), s.div(y, x()))), true; })
      .Case([&](math::TanhOp) { return times(s.sub(constant(1), s.mul(y, y))), true; })
      .Case([&](math::SinOp) { return times(math::CosOp::create(b, loc, x())), true; })
      .Case([&](math::CosOp) { return times(s.neg(math::SinOp::create(b, loc, x()))), true; })
      .Case([&](math::TanOp) { return times(s.add(constant(1), s.mul(y, y))), true; })
      .Case([&](math::AsinOp) { return times(s.rsqrt(s.sub(constant(1), s.mul(x(), x())))), true; })
      .Case([&](math::AcosOp) { return times(s.neg(s.rsqrt(s.sub(constant(1), s.mul(x(), x()))))), true; })
      .Case([&](math::AtanOp) { return add(x(), s.div(g, s.add(constant(1), s.mul(x(), x())))), true; })
      .Case([&](math::SinhOp) { return times(math::CoshOp::create(b, loc, x())), true; })
      .Case([&](math::CoshOp) { return times(math::SinhOp::create(b, loc, x())), true; })
      .Case([&](math::AsinhOp) { return times(s.rsqrt(s.add(s.mul(x(), x()), constant(1)))), true; })
      .Case([&](math::AcoshOp) { return times(s.rsqrt(s.sub(s.mul(x(), x()), constant(1)))), true; })
      .Case([&](math::AtanhOp) { return add(x(), s.div(g, s.sub(constant(1), s.mul(x(), x())))), true; })
      .Case([&](math::ErfOp) { // 2 / sqrt(pi) * exp(-x^2)
        return times(s.mul(constant(M_2_SQRTPI), s.exp(s.neg(s.mul(x(), x()))))), true;
      })
      .Case([&](math::AbsFOp) {
        Value negative = choose(compare(arith::CmpFPredicate::OLT, x(), constant(0)), s.neg(g), constant(0));
        return add(x(), choose(compare(arith::CmpFPredicate::OGT, x(), constant(0)), g, negative)), true;
      })
      .Case([&](math::PowFOp) {
        Value less = math::PowFOp::create(b, loc, x(0), s.sub(x(1), constant(1)));
        add(x(0), s.mul(g, s.mul(x(1), less)));
        if (!isConstant(x(1))) {
          // x^y log x, which is 0 at 0.
          Value product = s.mul(y, s.log(s.maximum(x(0), constant(1e-37))));
          add(x(1), s.mul(g, choose(compare(arith::CmpFPredicate::OGT, x(0), constant(0)), product, constant(0))));
        }
        return true;
      })
      .Case([&](math::FPowIOp) {
        Value n = x(1), one = arith::ConstantOp::create(b, loc, b.getIntegerAttr(n.getType(), 1));
        Value less = math::FPowIOp::create(b, loc, x(0), arith::SubIOp::create(b, loc, n, one));
        return times(s.mul(arith::SIToFPOp::create(b, loc, g.getType(), n), less)), true;
      })
      .Case([&](math::Atan2Op) { // angle of the point (x1, x0)
        Value share = s.div(g, s.add(s.mul(x(0), x(0)), s.mul(x(1), x(1))));
        return add(x(0), s.mul(share, x(1))), add(x(1), s.neg(s.mul(share, x(0)))), true;
      })
      .Case([&](math::ClampFOp) {
        Value zero = constant(0);
        Value low = compare(arith::CmpFPredicate::OLT, x(0), x(1)), high = compare(arith::CmpFPredicate::OGT, x(0), x(2));
        add(x(0), choose(low, zero, choose(high, zero, g)));
        return add(x(1), choose(low, g, zero)), add(x(2), choose(high, g, zero)), true;
      })
      .Case([&](math::FmaOp) {
        add(x(0), s.mul(g, x(1))), add(x(1), s.mul(g, x(0))), add(x(2), g);
        return true;
      })
      .Case([&](math::CopySignOp) {
        Value same = compare(arith::CmpFPredicate::OEQ, x(0), y);
        return add(x(0), choose(same, g, s.neg(g))), true;
      })
      // Piecewise constant.
      .Case<math::FloorOp, math::CeilOp, math::RoundOp, math::RoundEvenOp, math::TruncOp, arith::ConstantOp,
            arith::SIToFPOp, arith::UIToFPOp>([](Operation *) { return true; })
      .Case([&](arith::RemFOp) { // x - y * trunc(x / y)
        Value whole = math::TruncOp::create(b, loc, s.div(x(0), x(1)));
        return add(x(0), g), add(x(1), s.neg(s.mul(g, whole))), true;
      })
      .Default([](Operation *) { return false; });
}

/// Whether `map` computes what takes many times as long as a product.
static bool isExpensive(MapOp map) {
  return llvm::any_of(map.getBody().front(), [](Operation &op) {
    return isa<math::MathDialect>(op.getDialect()) &&
           !isa<math::AbsFOp, math::CeilOp, math::ClampFOp, math::CopySignOp, math::FloorOp, math::FmaOp, math::RoundEvenOp,
                math::RoundOp, math::RsqrtOp, math::SqrtOp, math::TruncOp>(op);
  });
}

/// The factor by which `adjoint` multiplies its last operand, computed where `b` inserts.
static MapOp derivativeOf(OpBuilder &b, MapOp adjoint) {
  auto derivative = MapOp::create(b, adjoint.getLoc(), adjoint.getType(), adjoint.getOperands().drop_back());
  Block *block = b.createBlock(&derivative.getBody());
  IRMapping mapping;
  Block &source = adjoint.getBody().front();
  for (BlockArgument argument : source.getArguments().drop_back())
    mapping.map(argument, block->addArgument(argument.getType(), argument.getLoc()));
  mapping.map(source.getArguments().back(), ScalarBuilder(b, adjoint.getLoc()).constant(1, source.getArguments().back()));
  for (Operation &op : source)
    b.clone(op, mapping);
  return derivative;
}

FailureOr<SmallVector<Value>> MapOp::buildGradient(OpBuilder &builder, ValueRange gradients) {
  TensorBuilder b(getLoc(), builder);
  Block &block = getBody().front();
  unsigned numOperands = getNumOperands();
  SmallVector<Value> operands(getOperands());
  operands.append({getResult(), gradients[0]});
  SmallVector<Value> result(numOperands);
  for (unsigned i = 0; i < numOperands; ++i) {
    auto type = TensorBuilder::typeOf(getOperand(i));
    if (!isa<FloatType>(type.getElementType()))
      continue;
    Operation *unknown = nullptr;
    bool depends = false;
    auto body = [&](OpBuilder &scalars, Location loc, ValueRange arguments) -> Value {
      IRMapping mapping;
      mapping.map(block.getArguments(), arguments.drop_back(2));
      SmallVector<Operation *> forward;
      for (Operation &op : block.without_terminator())
        forward.push_back(scalars.clone(op, mapping));
      Value yielded = mapping.lookupOrDefault(block.getTerminator()->getOperand(0));
      ScalarAdjoints adjoints(scalars, loc, yielded, arguments.drop_back().back());
      adjoints.add(yielded, arguments.back());
      for (Operation *op : llvm::reverse(forward))
        if (!adjoints.propagate(*op))
          unknown = op;
      Value adjoint = adjoints.lookup(arguments[i]);
      depends = adjoint != nullptr;
      return depends ? adjoint
                     : ScalarBuilder(scalars, loc).constant(0, arguments[i]);
    };
    auto map = MapOp::create(b, operands, body);
    if (unknown)
      return emitOpError("has no gradient: no rule is known for '") << unknown->getName() << "'";
    if (!depends) {
      map.erase();
      continue;
    }
    // What the adjoint does not need; the gradient of the result alone gives it its shape.
    Block &adjoint = map.getBody().front();
    SmallVector<Operation *> scalars;
    for (Operation &op : adjoint.without_terminator())
      scalars.push_back(&op);
    for (Operation *op : llvm::reverse(scalars))
      if (isOpTriviallyDead(op))
        op->erase();
    for (unsigned k = numOperands + 1; k-- > 0;)
      if (adjoint.getArgument(k).use_empty()) {
        adjoint.eraseArgument(k);
        map->eraseOperand(k);
      }
    Value share = map;
    // A step of a loop computes what it needs again. The loop may not be there yet.
    Operation *parent = (*this)->getParentOp();
    if (numOperands == 1 && parent && !isa<ScanOp>(parent) && isExpensive(map)) {
      OpBuilder beside(builder.getContext());
      beside.setInsertionPointAfter(*this);
      share = b.multiply(gradients[0], derivativeOf(beside, map));
      map.erase();
    }
    result[i] = b.sumTo(share, type);
  }
  return result;
}
