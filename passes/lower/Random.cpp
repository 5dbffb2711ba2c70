//===- Random.cpp - random numbers to halide -------------------------------===//
//
// Philox2x32-10 in 64-bit arithmetic on values below 2^49: what is signed and overflows is not defined.
// Salmon, Moraes, Dror, Shaw: Parallel Random Numbers: As Easy as 1, 2, 3, SC 2011.
//
//===----------------------------------------------------------------------===//
#include "passes/lower/Lowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <cmath>

using namespace mlir;
using namespace sylvite;

namespace {

/// The generator's arithmetic on words, which are 64-bit integers below 2^32.
class Philox {
public:
  Philox(OpBuilder &b, Location loc) : b(b), loc(loc) {}

  /// The two words of counter (x, y) under `key`.
  std::pair<Value, Value> operator()(Value x, Value y, Value key) {
    constexpr int64_t weyl = 0x9E3779B9;
    for (int64_t round = 0; round < 10; ++round) {
      auto [high, low] = multiply(x, 0xD256D193);
      Value roundKey = round ? word(add(key, (round * weyl) & mask)) : key;
      x = arith::XOrIOp::create(b, loc, arith::XOrIOp::create(b, loc, high, roundKey), y);
      y = low;
    }
    return {x, y};
  }
  Value word(Value x) { return arith::AndIOp::create(b, loc, x, constant(mask)); }
  Value add(Value x, int64_t y) { return arith::AddIOp::create(b, loc, x, constant(y)); }
  Value constant(int64_t value) { return arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(value)); }
  Value shiftRight(Value x, int64_t bits) { return arith::ShRUIOp::create(b, loc, x, constant(bits)); }

private:
  static constexpr int64_t mask = 0xFFFFFFFF, half = 0xFFFF;

  /// The product's upper and lower word, by halves of the factor.
  std::pair<Value, Value> multiply(Value x, int64_t factor) {
    Value upper = arith::MulIOp::create(b, loc, x, constant(factor >> 16));
    Value lower = arith::MulIOp::create(b, loc, x, constant(factor & half));
    Value sum = arith::AddIOp::create(b, loc, upper, shiftRight(lower, 16));
    Value rest = arith::ShLIOp::create(b, loc, arith::AndIOp::create(b, loc, sum, constant(half)), constant(16));
    Value low = arith::OrIOp::create(b, loc, rest, arith::AndIOp::create(b, loc, lower, constant(half)));
    return {shiftRight(sum, 16), low};
  }

  OpBuilder &b;
  Location loc;
};

} // namespace

static LogicalResult lowerRandom(nn::RandomOp op, GroupLowering &lowering) {
  Type type = lowering.typeOf(op).getElementType();
  lowering.defineFunc(op, "random", [&](OpBuilder &b, Location loc, ValueRange point) {
    IndexBuilder index(b, loc);
    Value element = index.constant(0);
    for (auto [i, coordinate] : llvm::enumerate(point)) {
      int64_t size = lowering.typeOf(op).getDimSize(i);
      if (i > 0 && ShapedType::isDynamic(size))
        element = arith::MulIOp::create(b, loc, element, lowering.extent(b, loc, op.getLike(), op.getFrom()[i]));
      else if (i > 0)
        element = index.mul(element, size);
      element = index.add(element, coordinate);
    }
    Philox philox(b, loc);
    Value counter = arith::IndexCastOp::create(b, loc, b.getI64Type(), element);
    Value step = philox.word(lowering.at(b, loc, op.getStep(), {}));
    int64_t stream = (op.getStream() * int64_t(0x9E3779B9)) & 0xFFFFFFFF;
    Value key = philox.word(philox.add(philox.word(lowering.at(b, loc, op.getSeed(), {})), stream));
    auto [first, second] = philox(counter, step, key);
    // The upper 24 bits of a word, which a float holds, as a part of one.
    auto fraction = [&](Value word, int64_t offset) -> Value {
      Value bits = philox.add(philox.shiftRight(word, 8), offset);
      Value number = arith::SIToFPOp::create(b, loc, type, arith::TruncIOp::create(b, loc, b.getI32Type(), bits));
      return arith::MulFOp::create(b, loc, number, lowering.scalar(b, loc, type, std::ldexp(1.0, -24)));
    };
    if (op.getDistribution() == nn::Distribution::Uniform)
      return void(halide::YieldOp::create(b, loc, fraction(first, 0)));
    Value log = math::LogOp::create(b, loc, fraction(first, 1)); // of what is not zero
    Value radius = math::SqrtOp::create(
        b, loc, arith::MulFOp::create(b, loc, log, lowering.scalar(b, loc, type, -2)));
    Value angle = arith::MulFOp::create(b, loc, fraction(second, 0), lowering.scalar(b, loc, type, 2 * M_PI));
    Value cosine = math::CosOp::create(b, loc, angle);
    halide::YieldOp::create(b, loc, Value(arith::MulFOp::create(b, loc, radius, cosine)));
  });
  return success();
}

void sylvite::addRandomLowerings(LoweringTable &table) { table.add<nn::RandomOp, lowerRandom>(); }
