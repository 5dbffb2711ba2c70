//===- Lowering.h - from nn ops to halide funcs -----------------*- C++ -*-===//
//
// What the family files of this folder share: the state of one group's lowering, and the table that
// maps an op to the function that lowers it. A lowering describes an algorithm only; schedules are
// written later, by passes/schedule.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_PASSES_LOWER_LOWERING_H
#define SYLVITE_PASSES_LOWER_LOWERING_H

#include "dialects/halide/HalideDialect.h"
#include "dialects/nn/NN.h"

#include "llvm/ADT/StringMap.h"

namespace sylvite {

/// Index arithmetic on `index` values, folding constants.
class IndexBuilder {
public:
  IndexBuilder(mlir::OpBuilder &builder, mlir::Location loc) : b(builder), loc(loc) {}
  mlir::Value constant(int64_t value);
  mlir::Value add(mlir::Value x, int64_t y);
  mlir::Value add(mlir::Value x, mlir::Value y);
  mlir::Value sub(mlir::Value x, mlir::Value y);
  mlir::Value mul(mlir::Value x, int64_t y);
  mlir::Value floorDiv(mlir::Value x, int64_t y); ///< of a value that is not negative
  mlir::Value mod(mlir::Value x, int64_t y);      ///< of a value that is not negative
  mlir::Value minimum(mlir::Value x, mlir::Value y);
  mlir::Value maximum(mlir::Value x, mlir::Value y);
  mlir::Value clamp(mlir::Value x, int64_t low, mlir::Value high);
  mlir::Value lessThan(mlir::Value x, mlir::Value y);
  mlir::Value greaterEqual(mlir::Value x, int64_t y);
  mlir::Value both(mlir::Value x, mlir::Value y);

private:
  mlir::OpBuilder &b;
  mlir::Location loc;
};

/// Names of the loop variables of a tensor of this rank, outermost first: n, z, y, x, c for a
/// channels-last activation of full rank.
llvm::SmallVector<llvm::StringRef> variableNames(unsigned rank);

/// One group on its way to a pipeline: which func or input holds which nn value.
class GroupLowering {
public:
  GroupLowering(mlir::OpBuilder &builder, halide::PipelineOp pipeline)
      : builder(builder), pipeline(pipeline) {}

  mlir::OpBuilder &builder; ///< inserts into the pipeline
  halide::PipelineOp pipeline;

  /// The shape of an nn value that the group has met.
  static mlir::RankedTensorType typeOf(mlir::Value value) {
    return llvm::cast<mlir::RankedTensorType>(value.getType());
  }

  /// Declares the buffer that holds a block argument of the group.
  void addInput(mlir::Value value);
  /// Reads the rows, dimension 0, of an input through a func that stays within them, as `clampRow` does: what register tiles that
  /// reach beyond a free number of rows compute there is dropped.
  void clampRows(mlir::Value input);

  /// A new func with one variable per dimension, named by `variableNames`; a Tuple where there are several types.
  halide::FuncOp createFunc(mlir::Location loc, llvm::StringRef name, unsigned rank,
                            mlir::TypeRange elementTypes, halide::BodyBuilder body);
  /// The func that holds `value`: of its rank and element type.
  halide::FuncOp defineFunc(mlir::Value value, llvm::StringRef name, halide::BodyBuilder body);
  /// Says that `func` holds `value`.
  void bind(mlir::Value value, halide::FuncOp func);

  /// The scalar of `value` at `indices`.
  mlir::Value at(mlir::OpBuilder &b, mlir::Location loc, mlir::Value value,
                 mlir::ValueRange indices);
  /// The scalar of `func` at `indices`.
  mlir::Value at(mlir::OpBuilder &b, mlir::Location loc, halide::FuncOp func,
                 mlir::ValueRange indices);
  /// The scalar of `value` at the point `indices` of a tensor of type `result` that it broadcasts to.
  mlir::Value atBroadcast(mlir::OpBuilder &b, mlir::Location loc, mlir::Value value, mlir::RankedTensorType result,
                          mlir::ValueRange indices);
  /// The extent of dimension `dim` of a value: a constant, or read from a buffer that has it. A
  /// computed value with a free dimension has none; lowerings that need it get an input's.
  mlir::Value extent(mlir::OpBuilder &b, mlir::Location loc, mlir::Value value, unsigned dim);
  /// The same as a bound of a reduction.
  halide::ReductionBound extentBound(mlir::Value value, unsigned dim);
  /// A scalar constant of `type`, float or integer; infinity stands for the extremes of an integer type.
  static mlir::Value scalar(mlir::OpBuilder &b, mlir::Location loc, mlir::Type type, double value);
  /// The greater or the lesser of two elements of a tensor of `type`.
  static mlir::Value extreme(mlir::OpBuilder &b, mlir::Location loc, mlir::Type type, bool greater, mlir::Value x,
                             mlir::Value y);

  /// The func or input that holds `value`.
  llvm::StringRef symbolOf(mlir::Value value) const { return symbols.find(value)->second; }

private:
  std::string uniqueName(llvm::StringRef base);
  /// The same for indices that are within `value`: nothing is clamped.
  mlir::Value atWithin(mlir::OpBuilder &b, mlir::Location loc, mlir::Value value, mlir::ValueRange indices);

  llvm::DenseMap<mlir::Value, std::string> symbols;
  llvm::DenseMap<mlir::Value, halide::FuncOp> clamped; ///< what reads an input, for those whose rows are clamped
  llvm::StringMap<unsigned> nameCounts;
};

using LowerFunction = llvm::LogicalResult (*)(mlir::Operation *, GroupLowering &);

/// Which function lowers an op, by the op's name.
class LoweringTable {
public:
  LoweringTable();

  template <typename Op, llvm::LogicalResult (*function)(Op, GroupLowering &)> void add() {
    table[Op::getOperationName()] = [](mlir::Operation *op, GroupLowering &lowering) {
      return function(llvm::cast<Op>(op), lowering);
    };
  }
  LowerFunction lookup(mlir::Operation *op) const {
    return table.lookup(op->getName().getStringRef());
  }

private:
  llvm::StringMap<LowerFunction> table;
};

// One per family file; each adds its ops.
void addAttentionLowerings(LoweringTable &table);
void addConvLowerings(LoweringTable &table);
void addDenseLowerings(LoweringTable &table);
void addNormLowerings(LoweringTable &table);
void addPointwiseLowerings(LoweringTable &table);
void addPoolLowerings(LoweringTable &table);
void addRandomLowerings(LoweringTable &table);
void addShapeLowerings(LoweringTable &table);
void addWinogradLowerings(LoweringTable &table);

/// Where a tensor of `shape`, which broadcasts to one of `result`, has the element at the point `indices` of that. A dimension of
/// size one in both keeps its index: schedules know it as that of the result.
llvm::SmallVector<mlir::Value> broadcastIndices(IndexBuilder &index, llvm::ArrayRef<int64_t> shape,
                                                llvm::ArrayRef<int64_t> result, mlir::ValueRange indices);

/// The indices of row `row` and column `column` in an operand, of `type`, of a matrix product of type `result`, at the point `batch`
/// of its leading dimensions, along which the operand broadcasts.
llvm::SmallVector<mlir::Value> matrixIndices(IndexBuilder &index, mlir::RankedTensorType type, mlir::RankedTensorType result,
                                             mlir::ValueRange batch, mlir::Value row, mlir::Value column);

/// `row`, an index of dimension `dim` of `lhs`, within it: a register tile may reach beyond a free number of rows; what it computes
/// there is dropped.
mlir::Value clampRow(mlir::OpBuilder &b, mlir::Location loc, GroupLowering &lowering, mlir::Value lhs, unsigned dim,
                     mlir::Value row);

/// `accumulator + x * y`, yielded, of floats or integers.
void yieldProductSum(mlir::OpBuilder &b, mlir::Location loc, mlir::Value accumulator, mlir::Value x,
                     mlir::Value y);

} // namespace sylvite

#endif // SYLVITE_PASSES_LOWER_LOWERING_H
