//===- StepUpdates.cpp - the optimizer in a step ---------------------------===//
//
// Each parameter's update comes as soon as its gradient is known, so that no gradient outlives it.
//
//===----------------------------------------------------------------------===//
#include "passes/nn/StepFunction.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace sylvite;
using namespace sylvite::nn;

void StepFunction::hoistFrom(Operation *first, ArrayRef<Value> replaced) {
  SmallVector<Operation *> ops;
  for (Operation *op = first; op != function.getBody().front().getTerminator(); op = op->getNextNode())
    ops.push_back(op);
  SmallPtrSet<Operation *, 16> moving(ops.begin(), ops.end());
  Operation *after = nullptr;
  auto follow = [&](Operation *op) {
    if (op && op->getBlock() == first->getBlock() && (!after || after->isBeforeInBlock(op)))
      after = op;
  };
  Operation *terminator = function.getBody().front().getTerminator();
  for (Value value : replaced)
    for (Operation *user : value.getUsers()) {
      user = function.getBody().front().findAncestorOpInBlock(*user);
      if (!moving.contains(user) && user != terminator)
        follow(user);
    }
  for (Operation *op : ops)
    for (Value operand : op->getOperands())
      if (Operation *source = operand.getDefiningOp(); source && !moving.contains(source))
        follow(source);
  for (Operation *op : ops) {
    if (after)
      op->moveAfter(after);
    after = op;
  }
}

LogicalResult StepFunction::addOptimizer() {
  Settings settings(training.getAs<DictionaryAttr>("optimizer"));
  auto created = Optimizer::create(module.getLoc(), settings);
  if (failed(created))
    return failure();
  optimizer = *created;
  auto scalar = RankedTensorType::get({}, b.getF32Type()), integer = RankedTensorType::get({}, b.getI64Type());
  ParameterOp iterations = keep<int64_t>("iterations", integer, 0);
  Value count = get(iterations);
  Value rate = optimizer->scheduledRate(b, count);
  if (!rate) { // no step changes it, but the user may
    ParameterOp parameter = keep<float>("learning_rate", scalar, optimizer->initialRate());
    rate = get(parameter);
    updates.push_back({parameter.getSymNameAttr(), rate});
  }
  SmallVector<Value> kept;
  SmallVector<StringAttr> keptNames;
  for (auto [name, initial] : optimizer->scalars()) {
    ParameterOp parameter = keep<float>(name, scalar, initial);
    keptNames.push_back(parameter.getSymNameAttr());
    kept.push_back(get(parameter));
  }
  optimizer->begin(b, rate, count, kept);
  for (auto [name, value] : llvm::zip_equal(keptNames, kept))
    updates.push_back({name, value});
  Value next = MapOp::create(b, ValueRange{count}, [](OpBuilder &builder, Location loc, ValueRange v) -> Value {
    return arith::AddIOp::create(builder, loc, v[0],
                                 arith::ConstantOp::create(builder, loc, builder.getI64IntegerAttr(1)));
  });
  updates.push_back({iterations.getSymNameAttr(), next});
  return success();
}

void StepFunction::addUpdates() {
  struct Pending {
    SmallVector<Value> replaced; ///< what is replaced: the parameter, then the slots
    SmallVector<StringAttr> names;
    ParameterUpdate update;
  };
  auto slots = optimizer->slots();
  SmallVector<Pending> pending;
  // What `build` makes is moved up to where its operands are known.
  auto hoisted = [&](ArrayRef<Value> replaced, function_ref<void()> build) {
    Operation *last = &*std::prev(b.getInsertionPoint());
    build();
    hoistFrom(last->getNextNode(), replaced);
  };
  auto finish = [&](Pending &each, ParameterOp parameter) {
    hoisted(each.replaced, [&] {
      each.update.parameter = flatten(b, each.replaced[0]);
      optimizer->update(b, each.update);
      RankedTensorType type = parameter.getTensorType();
      auto whole = [&](Value value) {
        return b.reshape(value, type.getShape(), SmallVector<int64_t>(type.getRank(), -1));
      };
      Value next = whole(each.update.parameter);
      if (auto constraint = parameter->getAttrOfType<DictionaryAttr>("nn.constraint"))
        next = constrain(b, Settings(constraint), next);
      updates.push_back({each.names[0], next});
      for (auto [i, slot] : llvm::enumerate(slots))
        updates.push_back({each.names[i + 1], whole(each.update.slots[slot.first])});
    });
  };
  for (auto &[parameter, gradient] : gradients) {
    Pending &each = pending.emplace_back();
    each.replaced.push_back(get(parameter));
    each.names.push_back(parameter.getSymNameAttr());
    for (auto [slot, initial] : slots) {
      ParameterOp kept = keep<float>(parameter.getSymName() + "/" + slot, parameter.getTensorType(), initial);
      each.names.push_back(kept.getSymNameAttr());
      each.replaced.push_back(get(kept));
    }
    hoisted(each.replaced, [&, gradient = gradient] {
      for (auto [i, slot] : llvm::enumerate(slots))
        each.update.slots[slot.first] = flatten(b, each.replaced[i + 1]);
      each.update.gradient = flatten(b, gradient);
      optimizer->prepareGradient(b, each.update);
    });
    if (!optimizer->clipsTogether())
      finish(each, parameter);
  }
  if (!optimizer->clipsTogether())
    return;
  SmallVector<Value> all = llvm::map_to_vector(pending, [](Pending &each) { return each.update.gradient; });
  optimizer->clipTogether(b, all);
  for (auto [each, gradient, entry] : llvm::zip_equal(pending, all, gradients)) {
    each.update.gradient = gradient;
    finish(each, entry.first);
  }
}

void StepFunction::makeAverageFunction() {
  auto slot = optimizer->averageSlot();
  if (!slot)
    return;
  makeFunction("apply_averages", [&](TensorBuilder &body, auto &values, auto &attributes) {
    for (auto &[parameter, gradient] : gradients) {
      ParameterOp average = keep<float>(parameter.getSymName() + "/" + *slot, parameter.getTensorType(), 0);
      values.push_back(GetOp::create(body, average.getTensorType(), average.getSymName()));
      attributes.push_back(b.getDictionaryAttr(b.getNamedAttr("nn.update", parameter.getSymNameAttr())));
    }
  });
}
