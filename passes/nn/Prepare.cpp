//===- Prepare.cpp - nn-prepare --------------------------------------------===//
//
// Splits a model in two: what depends on its parameters only, which runs once, and the rest.
//
//===----------------------------------------------------------------------===//
#include "passes/Passes.h"
#include "passes/nn/Utils.h"

#include "mlir/IR/IRMapping.h"

#include <unordered_map>

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
    updated = updatedParameters(module);
    OpBuilder builder(module.getContext());
    SmallVector<func::FuncOp> functions(module.getOps<func::FuncOp>());
    for (func::FuncOp function : functions)
      move(function);
    if (!prepare)
      return;
    builder.setInsertionPointToEnd(&prepare.getBody().front());
    func::ReturnOp::create(builder, prepare.getLoc(), returned);
    prepare.setType(builder.getFunctionType({}, TypeRange(ValueRange(returned))));
    for (unsigned i = 0; i < returned.size(); ++i)
      prepare.setResultAttr(i, "nn.name", builder.getStringAttr(nameOf(i)));
  }

private:
  static std::string nameOf(unsigned i) { return "prepared/" + std::to_string(i); }

  /// What `op` computes, as text: functions share what they compute alike.
  const std::string &keyOf(Operation *op) {
    if (auto known = keys.find(op); known != keys.end())
      return known->second;
    std::string key = structureOf(op);
    for (Value operand : op->getOperands())
      key += "(" + keyOf(operand.getDefiningOp()) + "#" + std::to_string(cast<OpResult>(operand).getResultNumber()) + ")";
    return keys[op] = std::move(key);
  }

  /// Moves the constant part of `function`.
  void move(func::FuncOp function) {
    // Ops that run once, and those of their results that the rest of the model reads.
    SmallVector<Operation *> constant;
    SmallVector<Value> results;
    function.walk<WalkOrder::PreOrder>([&](Operation *op) { // in loops and branches too
      if (!isa<GetOp>(op) && op->getNumResults() > 0 && isConstant(op->getResult(0), updated))
        constant.push_back(op);
      return isa<GroupOp>(op) ? WalkResult::skip() : WalkResult::advance();
    });
    SmallPtrSet<Operation *, 16> inside(constant.begin(), constant.end());
    for (Operation *op : constant)
      for (Value result : op->getResults())
        if (llvm::any_of(result.getUsers(), [&](Operation *user) { return !inside.contains(user); }))
          results.push_back(result);
    if (results.empty())
      return;

    OpBuilder builder(function);
    if (!prepare) {
      prepare = func::FuncOp::create(builder, function.getLoc(), "prepare", builder.getFunctionType({}, {}));
      prepare.addEntryBlock();
    }
    builder.setInsertionPointToEnd(&prepare.getBody().front());
    IRMapping mapping;
    for (Operation *op : constant) {
      Value &known = moved[keyOf(op)];
      if (known) {
        mapping.map(op->getResults(), known.getDefiningOp()->getResults());
        continue;
      }
      for (Value operand : op->getOperands())
        if (auto get = operand.getDefiningOp<GetOp>(); get && !mapping.contains(operand))
          builder.clone(*get, mapping);
      known = builder.clone(*op, mapping)->getResult(0);
    }
    for (Value result : results) {
      Value inPrepare = mapping.lookup(result);
      auto [place, isNew] = indices.try_emplace(inPrepare, returned.size());
      std::string name = nameOf(place->second);
      if (isNew) {
        returned.push_back(inPrepare);
        OpBuilder outside(function);
        ParameterOp::create(outside, result.getLoc(), outside.getStringAttr(name), TypeAttr::get(result.getType()),
                            /*value=*/nullptr, /*trainable=*/nullptr);
      }
      OpBuilder here(result.getDefiningOp());
      Value get = GetOp::create(here, result.getLoc(), result.getType(), name);
      result.replaceUsesWithIf(get, [&](OpOperand &use) { return !inside.contains(use.getOwner()); });
    }
    keys.clear(); // of ops that go
    for (Operation *op : llvm::reverse(constant))
      op->erase();
    function.walk([](GetOp get) {
      if (get.use_empty())
        get.erase();
    });
  }

  llvm::StringSet<> updated; ///< parameters that are not constant
  func::FuncOp prepare;
  SmallVector<Value> returned;
  DenseMap<Value, unsigned> indices; ///< of values of `prepare`, in `returned`
  llvm::StringMap<Value> moved;      ///< by what they compute
  std::unordered_map<Operation *, std::string> keys;
};

} // namespace
