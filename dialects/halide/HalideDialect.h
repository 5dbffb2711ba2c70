// The halide dialect in C++: ops, attributes and the small structures that their builders take. The
// ops are documented in the .td files beside this header. Halide's own headers are never included
// here: see compiler/codegen.
#ifndef SYLVITE_DIALECTS_HALIDE_HALIDEDIALECT_H
#define SYLVITE_DIALECTS_HALIDE_HALIDEDIALECT_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/IR/TensorEncoding.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialects/halide/HalideDialect.h.inc"

#include "dialects/halide/HalideEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/halide/HalideAttributes.h.inc"

namespace sylvite::halide {

class FuncOp;
class InputOp;
class OutputOp;
class ScheduleOp;
class UpdateOp;

/// Fills a region: called with the insertion point inside it and the region's arguments. It ends
/// the block with a `halide.yield`.
using BodyBuilder = llvm::function_ref<void(mlir::OpBuilder &, mlir::Location, mlir::ValueRange)>;

/// A bound of a reduction variable: an integer, or the extent of a buffer's dimension.
struct ReductionBound {
  ReductionBound(int64_t value) : value(value) {}
  static ReductionBound extent(llvm::StringRef buffer, int64_t dim) {
    ReductionBound bound(dim);
    bound.buffer = buffer;
    return bound;
  }
  /// How many blocks of `size` it makes, the last of which may be shorter.
  ReductionBound inBlocks(int64_t size) const;
  /// The constant, or the dimension where `buffer` is set.
  int64_t value;
  llvm::StringRef buffer;
  int64_t block = 1; ///< of elements, which the bound counts where `buffer` is set

  mlir::Attribute toAttribute(mlir::Builder &builder) const;
};

/// A reduction variable that runs over `min <= name < end`.
struct ReductionVariable {
  llvm::StringRef name;
  ReductionBound min;
  ReductionBound end;
};

/// The type of a scalar that is read from or written to storage of `type`: unsigned integers become
/// signless, other types are themselves.
mlir::Type getScalarType(mlir::Type type);

/// Elements from a run of the innermost dimension of a buffer of `type` to the next: its pitch, or the size of that dimension
/// where it has none.
int64_t getPitch(mlir::RankedTensorType type);
/// The same of a memref; kDynamic where that is not static.
int64_t getPitch(mlir::MemRefType type);

} // namespace sylvite::halide

#define GET_OP_CLASSES
#include "dialects/halide/HalideOps.h.inc"

namespace sylvite::halide {

/// Checks the directives of a schedule in order (the constraints schedule_c1 to schedule_c16).
/// Called by the verifier of the pipeline.
mlir::LogicalResult verifySchedule(PipelineOp pipeline);

} // namespace sylvite::halide

#endif // SYLVITE_DIALECTS_HALIDE_HALIDEDIALECT_H
