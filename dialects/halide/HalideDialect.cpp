// Registers the halide dialect's ops and attributes. What the ops check is in HalideOps.cpp and
// HalideSchedule.cpp.
#include "dialects/halide/HalideDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace sylvite::halide;

#include "dialects/halide/HalideDialect.cpp.inc"

#include "dialects/halide/HalideEnums.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/halide/HalideAttributes.cpp.inc"

void HalideDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/halide/HalideAttributes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/halide/HalideOps.cpp.inc"
      >();
}

Attribute ReductionBound::toAttribute(Builder &builder) const {
  if (buffer.empty())
    return builder.getI64IntegerAttr(value);
  return ExtentAttr::get(builder.getContext(), FlatSymbolRefAttr::get(builder.getContext(), buffer), value, block);
}

ReductionBound ReductionBound::inBlocks(int64_t size) const {
  if (buffer.empty())
    return llvm::divideCeil(value, size);
  ReductionBound blocks = *this;
  blocks.block *= size;
  return blocks;
}

LogicalResult ExtentAttr::verify(llvm::function_ref<InFlightDiagnostic()> emitError, FlatSymbolRefAttr, int64_t, int64_t block) {
  if (block < 1)
    return emitError() << "a block has one element or more, not " << block;
  return success();
}

LogicalResult PitchAttr::verifyEncoding(ArrayRef<int64_t> shape, Type,
                                        llvm::function_ref<InFlightDiagnostic()> emitError) const {
  if (shape.size() < 2 || ShapedType::isDynamic(shape.back()) || shape.back() > getElements())
    return emitError() << "pitch_c1: a pitch of " << getElements()
                       << " elements wants two dimensions or more, of which the innermost is no longer";
  return success();
}

int64_t sylvite::halide::getPitch(RankedTensorType type) {
  auto pitch = llvm::dyn_cast_or_null<PitchAttr>(type.getEncoding());
  return pitch ? pitch.getElements() : type.getRank() ? type.getShape().back() : 1;
}

int64_t sylvite::halide::getPitch(MemRefType type) {
  int64_t rank = type.getRank();
  return rank > 1 ? type.getStridesAndOffset().first[rank - 2] : rank ? type.getShape().back() : 1;
}

Type sylvite::halide::getScalarType(Type type) {
  if (type.isUnsignedInteger())
    return IntegerType::get(type.getContext(), type.getIntOrFloatBitWidth());
  return type;
}
