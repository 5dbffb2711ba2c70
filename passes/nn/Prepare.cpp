//===- Prepare.cpp - nn-prepare --------------------------------------------===//
//
// Splits a model in two: what depends on its parameters only, which runs once, and the rest.
//
//===----------------------------------------------------------------------===//
#include "passes/Passes.h"
#include "passes/nn/Utils.h"

#include "mlir/IR/IRMapping.h"

namespace sylvite {
#define GEN_PASS_DEF_PREPARE
#include "passes/Passes.h.inc"
} // namespace sylvite

using namespace mlir;
using namespace sylvite;
using namespace sylvite::nn;

namespace {

struct Prepare : sylvite::impl::PrepareBase<Prepare> {
  using PrepareBase::PrepareBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto forward = module.lookupSymbol<func::FuncOp>("forward");
    if (!forward)
      return;
    // Ops that run once, and those of their results that the rest of the model reads.
    SmallVector<Operation *> constant;
    SmallVector<Value> results;
    for (Operation &op : forward.getBody().front().without_terminator())
      if (!isa<GetOp>(op) && dependsOnParametersOnly(op.getResult(0)))
        constant.push_back(&op);
    SmallPtrSet<Operation *, 16> inside(constant.begin(), constant.end());
    for (Operation *op : constant)
      for (Value result : op->getResults())
        if (llvm::any_of(result.getUsers(), [&](Operation *user) { return !inside.contains(user); }))
          results.push_back(result);
    if (results.empty())
      return;

    OpBuilder builder(forward);
    auto prepare = func::FuncOp::create(
        builder, forward.getLoc(), "prepare",
        builder.getFunctionType({}, TypeRange(ValueRange(results))));
    builder.setInsertionPointToStart(prepare.addEntryBlock());
    IRMapping mapping;
    for (Operation *op : constant) {
      for (Value operand : op->getOperands())
        if (auto get = operand.getDefiningOp<GetOp>(); get && !mapping.contains(operand))
          builder.clone(*get, mapping);
      builder.clone(*op, mapping);
    }
    SmallVector<Value> returned;
    for (auto [i, result] : llvm::enumerate(results)) {
      returned.push_back(mapping.lookup(result));
      OpBuilder outside(forward);
      std::string name = ("prepared/" + Twine(i)).str();
      ParameterOp::create(outside, result.getLoc(), outside.getStringAttr(name),
                          TypeAttr::get(result.getType()), /*value=*/nullptr,
                          /*trainable=*/nullptr);
      prepare.setResultAttr(i, "nn.name", outside.getStringAttr(name));
      OpBuilder here(result.getDefiningOp());
      Value get = GetOp::create(here, result.getLoc(), result.getType(), name);
      result.replaceUsesWithIf(get, [&](OpOperand &use) { return !inside.contains(use.getOwner()); });
    }
    func::ReturnOp::create(builder, forward.getLoc(), returned);
    for (Operation *op : llvm::reverse(constant))
      op->erase();
    for (GetOp get : llvm::make_early_inc_range(forward.getOps<GetOp>()))
      if (get.use_empty())
        get.erase();
  }
};

} // namespace
