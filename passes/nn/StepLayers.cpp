//===- StepLayers.cpp - layers as they are in training ---------------------===//
//
// Batch normalizations take the statistics of the batch, and move their own; dropouts draw. What a max pooling can do for what
// comes before it, it does.
//
//===----------------------------------------------------------------------===//
#include "passes/nn/StepFunction.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <cmath>
#include <numeric>

using namespace mlir;
using namespace sylvite;
using namespace sylvite::nn;

/// Which operand of `map` the result rises with, element by element, where the others are one value for all positions: scalars, or
/// vectors of the channels. None where that is not so.
static std::optional<unsigned> findRisingOperand(MapOp map) {
  std::optional<unsigned> rising;
  for (auto [i, operand] : llvm::enumerate(map.getOperands())) {
    auto type = cast<RankedTensorType>(operand.getType());
    if (type.getRank() <= 1)
      continue;
    if (rising || type != map.getType())
      return std::nullopt;
    rising = i;
  }
  if (!rising)
    return std::nullopt;
  Block &body = map.getBody().front();
  SmallPtrSet<Value, 8> values{body.getArgument(*rising)};
  for (Operation &op : body.without_terminator()) {
    if (llvm::none_of(op.getOperands(), [&](Value value) { return values.contains(value); }))
      continue;
    bool rises = isa<arith::AddFOp, arith::MaximumFOp, arith::MaxNumFOp, arith::MinimumFOp, arith::MinNumFOp>(op) ||
                 (isa<arith::SubFOp>(op) && !values.contains(op.getOperand(1)));
    if (!rises)
      return std::nullopt;
    values.insert(op.getResult(0));
  }
  return values.contains(body.getTerminator()->getOperand(0)) ? rising : std::nullopt;
}

/// Biases and activations before a max pooling come after it, where there are fewer positions: what rises with an element rises
/// with the maximum. The gradient of the pooling then ends where the layer before it does.
static void sinkBelowPool(MaxPoolOp pool) {
  while (auto map = pool.getInput().getDefiningOp<MapOp>()) {
    std::optional<unsigned> rising = map->hasOneUse() ? findRisingOperand(map) : std::nullopt;
    if (!rising)
      return;
    pool.getInputMutable().assign(map.getOperand(*rising));
    map->moveAfter(pool);
    pool.getResult().replaceAllUsesWith(map.getResult());
    map->setOperand(*rising, pool.getResult());
    map.getResult().setType(pool.getType());
  }
}

void StepFunction::enterTraining() {
  for (MaxPoolOp pool : function.getOps<MaxPoolOp>())
    sinkBelowPool(pool);
  for (auto [stream, op] : llvm::enumerate(llvm::to_vector(function.getOps<DropoutOp>())))
    expandDropout(op, stream);
  for (BatchNormOp op : llvm::to_vector(function.getOps<BatchNormOp>())) {
    auto mean = op.getMean().getDefiningOp<GetOp>(), variance = op.getVariance().getDefiningOp<GetOp>();
    if (!op.getMomentum() || !mean || !variance)
      continue;
    TensorBuilder here(op.getLoc(), op);
    SmallVector<int64_t> dims(TensorBuilder::typeOf(op.getInput()).getRank() - 1);
    std::iota(dims.begin(), dims.end(), 0);
    Value batchMean = here.reduce(ReduceKind::Mean, op.getInput(), dims);
    Value squares = here.map(op.getInput(), batchMean, [](ScalarBuilder &s, Value x, Value mean) {
      Value centered = s.sub(x, mean);
      return s.mul(centered, centered);
    });
    Value batchVariance = here.reduce(ReduceKind::Mean, squares, dims);
    double momentum = op.getMomentum()->convertToDouble();
    op.getMeanMutable().assign(batchMean);
    op.getVarianceMutable().assign(batchVariance);
    op.removeMomentumAttr();
    op.setOfInput(true);
    for (auto [moving, statistic] : {std::pair(mean, batchMean), std::pair(variance, batchVariance)}) {
      Value moved = here.map(moving, statistic, [&](ScalarBuilder &s, Value before, Value now) {
        return s.add(s.mul(s.constant(momentum, now), before), s.mul(s.constant(1 - momentum, now), now));
      });
      updates.push_back({moving.getParameterAttr().getAttr(), moved});
    }
  }
}

void StepFunction::expandDropout(DropoutOp op, int64_t stream) {
  double rate = op.getRate().convertToDouble();
  auto number = RankedTensorType::get({}, b.getI64Type());
  ParameterOp seed = getParameter<int64_t>(module, "seed_generator/seed", number,
                                           {static_cast<int64_t>(Settings(training).number("seed", 0))});
  // No step changes the seed, but each handle has its own.
  if (llvm::none_of(updates, [&](const Update &update) { return update.first == seed.getSymNameAttr(); }))
    updates.push_back({seed.getSymNameAttr(), get(seed)});
  Value step = get(keep<int64_t>("iterations", number, 0));
  TensorBuilder here(op.getLoc(), op);
  RankedTensorType type = TensorBuilder::typeOf(op.getInput());
  SmallVector<int64_t> shape(type.getShape()), from(type.getRank());
  std::iota(from.begin(), from.end(), 0);
  for (int64_t dim : op.getShared())
    shape[dim] = 1, from[dim] = -1;
  DropoutKind kind = op.getKind();
  bool isNormal = kind == DropoutKind::Gaussian || kind == DropoutKind::Noise;
  Value draw = RandomOp::create(here, type.clone(shape), get(seed), step, op.getInput(),
                                isNormal ? Distribution::Normal : Distribution::Uniform, stream, from);
  Value result = here.map(op.getInput(), draw, [&](ScalarBuilder &s, Value x, Value r) -> Value {
    auto constant = [&](double value) { return s.constant(value, x); };
    switch (kind) {
    case DropoutKind::Plain:
      return s.selectGreater(constant(rate), r, constant(0), s.mul(x, constant(1 / (1 - rate))));
    case DropoutKind::Alpha: {
      constexpr double dropped = -1.7580993408473766; // -scale * alpha of SELU
      double a = 1 / std::sqrt((1 - rate) * (1 + rate * dropped * dropped)), offset = -a * dropped * rate;
      Value kept = s.selectGreater(constant(rate), r, constant(dropped), x);
      return s.add(s.mul(constant(a), kept), constant(offset));
    }
    case DropoutKind::Gaussian:
      return s.mul(x, s.add(constant(1), s.mul(r, constant(std::sqrt(rate / (1 - rate))))));
    case DropoutKind::Noise:
      return s.add(x, s.mul(r, constant(rate)));
    }
    llvm_unreachable("a kind of dropout");
  });
  op.replaceAllUsesWith(result);
  op.erase();
}
