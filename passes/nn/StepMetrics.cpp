//===- StepMetrics.cpp - metrics of a step, and of many --------------------===//
//
// A step gives the metrics of its batch; their sums over batches are parameters of the model.
//
//===----------------------------------------------------------------------===//
#include "passes/nn/StepFunction.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace sylvite;
using namespace sylvite::nn;

LogicalResult StepFunction::addMetrics() {
  auto lists = training.getAs<ArrayAttr>("metrics");
  bool several = llvm::count_if(compared, [](auto &c) { return bool(c.target); }) > 1;
  for (auto [i, comparison] : llvm::enumerate(compared)) {
    auto list = lists && i < lists.size() ? dyn_cast<ArrayAttr>(lists[i]) : ArrayAttr();
    if (!comparison.target || !list)
      continue;
    for (DictionaryAttr entry : list.getAsRange<DictionaryAttr>()) {
      auto metric = Metric::create(b.getLoc(), Settings(entry), comparison);
      if (failed(metric))
        return failure();
      std::string name = metric->name();
      if (several)
        if (auto output = function.getResultAttrOfType<StringAttr>(i, "nn.name"))
          name = output.str() + "_" + name;
      if (llvm::any_of(measurements, [&](const Measurement &other) { return other.name == name; }))
        return function.emitError("two metrics have the name '") << name << "'; the option 'name' gives one another";
      measurements.push_back({b.getStringAttr(name), *metric, metric->sums(b, comparison)});
    }
  }
  return success();
}

ParameterOp StepFunction::keepSum(const Measurement &measured, StringRef name, RankedTensorType type) {
  return getParameter<double>(module, ("metrics/" + measured.name.getValue() + "/" + name).str(),
                              type.clone(b.getF64Type()), {});
}

void StepFunction::accumulateMetrics() {
  for (const Measurement &measured : measurements)
    for (auto [name, sum] : measured.sums) {
      ParameterOp kept = keepSum(measured, name, TensorBuilder::typeOf(sum));
      Value total = MapOp::create(b, ValueRange{get(kept), sum}, [](OpBuilder &builder, Location loc, ValueRange v) -> Value {
        Value more = v[1];
        if (more.getType() != v[0].getType())
          more = arith::ExtFOp::create(builder, loc, v[0].getType(), more);
        return arith::AddFOp::create(builder, loc, v[0], more);
      });
      updates.push_back({kept.getSymNameAttr(), total});
    }
}

void StepFunction::makeMetricFunctions() {
  auto read = [&](TensorBuilder &body, const Measurement &measured, StringRef name, Value like) -> Value {
    ParameterOp kept = keepSum(measured, name, TensorBuilder::typeOf(like));
    return GetOp::create(body, kept.getTensorType(), kept.getSymName());
  };
  makeFunction("metrics_result", [&](TensorBuilder &body, auto &values, auto &attributes) {
    for (const Measurement &measured : measurements) {
      Metric::Sums sums;
      for (auto [name, sum] : measured.sums)
        sums.push_back({name, read(body, measured, name, sum)});
      Type element = getElementTypeOrSelf(loss.getType());
      Value value = measured.metric.value(body, sums);
      if (!element.isF64())
        value = MapOp::create(body, ValueRange{value}, [&](OpBuilder &builder, Location loc, ValueRange v) -> Value {
          return arith::TruncFOp::create(builder, loc, element, v[0]);
        });
      values.push_back(value);
      attributes.push_back(b.getDictionaryAttr(b.getNamedAttr("nn.name", measured.name)));
    }
  });
  makeFunction("reset_metrics", [&](TensorBuilder &body, auto &values, auto &attributes) {
    for (const Measurement &measured : measurements)
      for (auto [name, sum] : measured.sums) {
        Value kept = read(body, measured, name, sum);
        values.push_back(body.fullLike(0, kept));
        attributes.push_back(b.getDictionaryAttr(
            b.getNamedAttr("nn.update", kept.getDefiningOp<GetOp>().getParameterAttr().getAttr())));
      }
  });
}
