//===- Training.cpp - what the parts of training share ---------------------===//
//
// Settings, and parameters that training adds to a model.
//
//===----------------------------------------------------------------------===//
#include "passes/nn/Training.h"

#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"

#include <numeric>

using namespace mlir;
using namespace sylvite;
using namespace sylvite::nn;

//===----------------------------------------------------------------------===//
// Settings
//===----------------------------------------------------------------------===//

StringRef Settings::text(StringRef name, StringRef otherwise) const {
  auto text = attributes.getAs<StringAttr>(name);
  return text ? text.getValue() : otherwise;
}
double Settings::number(StringRef name, double otherwise) const {
  if (auto number = attributes.getAs<FloatAttr>(name))
    return number.getValueAsDouble();
  if (auto number = attributes.getAs<IntegerAttr>(name))
    return number.getInt();
  return otherwise;
}
bool Settings::flag(StringRef name) const {
  auto flag = attributes.getAs<BoolAttr>(name);
  return flag ? flag.getValue() : bool(attributes.getAs<UnitAttr>(name));
}
Settings Settings::part(StringRef name) const {
  auto part = attributes.getAs<DictionaryAttr>(name);
  return Settings(part ? part : DictionaryAttr::get(attributes.getContext()));
}
SmallVector<double> Settings::numbers(StringRef name) const {
  auto array = attributes.getAs<DenseF64ArrayAttr>(name);
  return array ? SmallVector<double>(array.asArrayRef()) : SmallVector<double>();
}
ArrayRef<int64_t> Settings::dims(StringRef name) const {
  auto array = attributes.getAs<DenseI64ArrayAttr>(name);
  return array ? array.asArrayRef() : ArrayRef<int64_t>();
}

//===----------------------------------------------------------------------===//
// Parameters
//===----------------------------------------------------------------------===//

template <typename T>
ParameterOp sylvite::getParameter(ModuleOp module, StringRef name, RankedTensorType type, ArrayRef<T> values) {
  if (auto existing = module.lookupSymbol<ParameterOp>(name))
    return existing;
  OpBuilder builder = OpBuilder::atBlockBegin(module.getBody());
  ElementsAttr value;
  if (!values.empty())
    value = DenseResourceElementsAttr::get(type, name, HeapAsmResourceBlob::allocateAndCopyInferAlign(values));
  return ParameterOp::create(builder, module.getLoc(), builder.getStringAttr(name), TypeAttr::get(type), value,
                             /*trainable=*/nullptr);
}
template ParameterOp sylvite::getParameter(ModuleOp, StringRef, RankedTensorType, ArrayRef<int32_t>);
template ParameterOp sylvite::getParameter(ModuleOp, StringRef, RankedTensorType, ArrayRef<int64_t>);
template ParameterOp sylvite::getParameter(ModuleOp, StringRef, RankedTensorType, ArrayRef<float>);
template ParameterOp sylvite::getParameter(ModuleOp, StringRef, RankedTensorType, ArrayRef<double>);

Value sylvite::getIndices(TensorBuilder &builder, int64_t count) {
  auto module = builder.getInsertionBlock()->getParentOp()->getParentOfType<ModuleOp>();
  auto type = RankedTensorType::get({count}, builder.getI32Type());
  SmallVector<int32_t> values(count);
  std::iota(values.begin(), values.end(), 0);
  std::string name = "indices/" + std::to_string(count);
  getParameter<int32_t>(module, name, type, values);
  return GetOp::create(builder, type, name);
}

Value sylvite::getVector(TensorBuilder &builder, StringRef name, ArrayRef<double> values) {
  auto module = builder.getInsertionBlock()->getParentOp()->getParentOfType<ModuleOp>();
  auto type = RankedTensorType::get({static_cast<int64_t>(values.size())}, builder.getF32Type());
  SmallVector<float> elements(values.begin(), values.end());
  getParameter<float>(module, name, type, elements);
  return GetOp::create(builder, type, name);
}

Value sylvite::flatten(TensorBuilder &builder, Value x) {
  return builder.reshape(x, {TensorBuilder::typeOf(x).getNumElements()}, {-1});
}
