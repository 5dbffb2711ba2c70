//===- Items.cpp - kernels that compute item by item -----------------------===//
//
// Reads off a pipeline's algorithm whether the items of a batch are computed apart. Every func that depends on items has one
// variable that says which, the item's own, found from the output backwards: where a func reads another, the same item is asked of
// that. An item's number may be an index, and nothing else: a kernel that computes with it, or reads how many there are, is none
// of these. What is clamped to the number of items is within it already, as tiles that go beyond are not stored.
//
//===----------------------------------------------------------------------===//
#include "passes/host/Items.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace sylvite;

namespace {

class ItemAnalysis {
public:
  ItemAnalysis(halide::PipelineOp pipeline, ArrayRef<bool> hasItems) : pipeline(pipeline) {
    for (auto [input, has] : llvm::zip_equal(pipeline.getInputs(), hasItems))
      if (has)
        variableOf[input.getSymName()] = 0;
      else
        shared.insert(input.getSymName());
  }

  bool run() {
    variableOf[pipeline.getOutput().getFunc()] = 0;
    for (Operation &op : llvm::reverse(pipeline.getRegion().front())) {
      if (auto func = dyn_cast<halide::FuncOp>(op)) {
        if (!checkDefinition(func.getSymName(), func.getBody(), func.getVarArguments()))
          return false;
      } else if (auto update = dyn_cast<halide::UpdateOp>(op)) {
        if (!checkUpdate(update))
          return false;
      }
    }
    return true;
  }

private:
  bool checkUpdate(halide::UpdateOp update) {
    if (auto variable = variableOf.find(update.getFunc()); variable != variableOf.end() && !update.isPureVar(variable->second))
      return false;
    for (Attribute bound : llvm::concat<const Attribute>(update.getMins().getValue(), update.getEnds().getValue()))
      if (auto extent = dyn_cast<halide::ExtentAttr>(bound); extent && isCount(extent.getBuffer().getValue(), extent.getDim()))
        return false;
    Region &where = update.getWhere();
    return checkDefinition(update.getFunc(), update.getBody(), update.getVarArguments()) &&
           (where.empty() || checkDefinition(update.getFunc(), where, where.getArguments().take_front(update.getVarArguments().size())));
  }

  bool checkDefinition(StringRef func, Region &body, ValueRange variables) {
    items.clear();
    auto variable = variableOf.find(func);
    if (variable != variableOf.end() && !addItem(variables[variable->second]))
      return false;
    bool good = true;
    body.walk([&](Operation *op) {
      if (auto at = dyn_cast<halide::AtOp>(op))
        good &= checkRead(at);
      else if (auto extent = dyn_cast<halide::ExtentOp>(op))
        good &= !isCount(extent.getBuffer(), extent.getDim()) || onlyClamps(extent.getResult());
    });
    return good;
  }

  /// Whether dimension `dim` of `buffer` counts items.
  bool isCount(StringRef buffer, int64_t dim) { return dim == 0 && !shared.contains(buffer); }

  /// Whether `value` is a number of items, or that of the last one.
  bool isCount(Value value) {
    if (auto sum = value.getDefiningOp<arith::AddIOp>())
      return isConstantIntValue(sum.getRhs(), -1) && isCount(sum.getLhs());
    auto extent = value.getDefiningOp<halide::ExtentOp>();
    return extent && isCount(extent.getBuffer(), extent.getDim());
  }

  /// Takes `value` and what clamps it for an item's number; false where it is more than an index.
  bool addItem(Value value) {
    items.insert(value);
    return llvm::all_of(value.getUses(), [&](OpOperand &use) {
      Operation *user = use.getOwner();
      if (isa<arith::MinSIOp, arith::MaxSIOp>(user)) {
        Value limit = user->getOperand(1 - use.getOperandNumber());
        return (isa<arith::MinSIOp>(user) ? isCount(limit) : isConstantIntValue(limit, 0)) && addItem(user->getResult(0));
      }
      if (auto yield = dyn_cast<halide::YieldOp>(user)) // of an update, whose item is known to be this one
        return use.getOperandNumber() >= yield.getValues().size();
      return isa<halide::AtOp>(user);
    });
  }

  /// Whether `count` only limits what is an item's number.
  bool onlyClamps(Value count) {
    return llvm::all_of(count.getUsers(), [&](Operation *user) {
      if (isa<arith::AddIOp>(user))
        return isCount(user->getResult(0)) && onlyClamps(user->getResult(0));
      return isa<arith::MinSIOp>(user) && items.contains(user->getResult(0));
    });
  }

  /// Whether what is read is shared by all items, or this item alone; notes which variable says so.
  bool checkRead(halide::AtOp at) {
    std::optional<unsigned> item;
    for (auto [i, index] : llvm::enumerate(at.getIndices()))
      if (items.contains(index)) {
        if (item)
          return false;
        item = i;
      }
    StringRef name = at.getFunc();
    auto known = variableOf.find(name);
    if (!item) { // of a func that is found to depend on items later on, when it is checked
      if (known != variableOf.end())
        return false;
      shared.insert(name);
      return true;
    }
    if (shared.contains(name))
      return false;
    return variableOf.try_emplace(name, *item).first->second == *item;
  }

  halide::PipelineOp pipeline;
  llvm::StringMap<unsigned> variableOf; ///< inputs, funcs: which of their variables says the item
  llvm::StringSet<> shared;             ///< those that are the same for all items
  llvm::DenseSet<Value> items;          ///< of the definition that is checked: item numbers
};

} // namespace

bool sylvite::computesItemByItem(halide::PipelineOp pipeline, ArrayRef<bool> hasItems) {
  return ItemAnalysis(pipeline, hasItems).run();
}
