//===- StepLayers.cpp - layers as they are in training ---------------------===//
//
// Batch normalizations take the statistics of the batch, and move their own; dropouts draw. The gradient of a max pooling ends where
// the layer before it does.
//
//===----------------------------------------------------------------------===//
#include "passes/nn/Pooling.h"
#include "passes/nn/StepFunction.h"

#include <cmath>
#include <numeric>

using namespace mlir;
using namespace sylvite;
using namespace sylvite::nn;

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
