//===- Train.cpp - nn-train ------------------------------------------------===//
//
// Makes the functions of training from a model's `forward`: each is a copy of it, with targets as further
// arguments. Layers that behave differently in training are brought to that form in the copies that train; loss,
// metrics, gradients and the optimizer's update follow. What a step changes comes back as results that replace
// parameters (`nn.update`), so that a function of this dialect stays a function.
//
//===----------------------------------------------------------------------===//
#include "passes/Passes.h"
#include "passes/nn/Differentiate.h"
#include "passes/nn/StepFunction.h"
#include "passes/nn/Utils.h"

#include "llvm/ADT/BitVector.h"

namespace sylvite {
#define GEN_PASS_DEF_TRAIN
#include "passes/Passes.h.inc"
} // namespace sylvite

using namespace mlir;
using namespace sylvite;

namespace {

struct Train : sylvite::impl::TrainBase<Train> {
  using TrainBase::TrainBase;

  /// The masks of losses are no results of the model.
  static void dropMasks(func::FuncOp forward) {
    llvm::BitVector dropped(forward.getNumResults());
    for (unsigned i = 0; i < forward.getNumResults(); ++i)
      dropped[i] = bool(forward.getResultAttr(i, "nn.loss_mask"));
    if (dropped.none())
      return;
    forward.getBody().front().getTerminator()->eraseOperands(dropped);
    (void)forward.eraseResults(dropped);
    eraseDeadOps(forward.getBody().front());
  }

  /// Convolutions whose padding is their own: there is no gradient of what is padded.
  static void absorbPaddings(func::FuncOp forward) {
    SmallVector<nn::ConvOp> convs;
    forward.walk([&](nn::ConvOp conv) { convs.push_back(conv); });
    for (nn::ConvOp conv : convs)
      if (Operation *pad = conv.getInput().getDefiningOp(); absorbPadding(conv))
        pad->erase();
  }

  void runOnOperation() override {
    auto training = getOperation()->getAttrOfType<DictionaryAttr>("nn.training");
    auto forward = getOperation().lookupSymbol<func::FuncOp>("forward");
    if (!training || !forward)
      return;
    if (!training.getAs<DictionaryAttr>("optimizer")) {
      emitError(getOperation().getLoc(), "training needs an optimizer");
      return signalPassFailure();
    }
    for (unsigned i = 0; i < forward.getNumArguments(); ++i)
      if (forward.getArgAttr(i, "nn.state")) {
        forward.emitError("a model with stateful layers cannot be trained");
        return signalPassFailure();
      }
    absorbPaddings(forward);
    StepFunction step(forward, "train_step", training, /*trains=*/true),
        evaluate(forward, "evaluate", training, /*trains=*/false), gradients(forward, "gradients", training, /*trains=*/true);
    if (failed(step.addLoss()) || failed(step.addMetrics()) || failed(step.addOptimizer()) ||
        failed(step.addGradients()))
      return signalPassFailure();
    step.addUpdates();
    step.accumulateMetrics();
    step.finish(/*returnGradients=*/false);
    if (failed(evaluate.addLoss()) || failed(evaluate.addMetrics()))
      return signalPassFailure();
    evaluate.accumulateMetrics();
    evaluate.makeMetricFunctions();
    evaluate.finish(/*returnGradients=*/false);
    if (failed(gradients.addLoss()) || failed(gradients.addGradients()))
      return signalPassFailure();
    gradients.finish(/*returnGradients=*/true);
    step.makeAverageFunction();
    dropMasks(forward);
  }
};

} // namespace
