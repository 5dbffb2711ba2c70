//===- HostWriter.h - a planned function on memory -------------*- C++ -*-===//
//
// What plan-memory makes of one function: PlanMemory.cpp writes the function itself and what is known of it, HostBody.cpp what is in
// its blocks.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_PASSES_HOST_HOSTWRITER_H
#define SYLVITE_PASSES_HOST_HOSTWRITER_H

#include "passes/host/MemoryPlan.h"
#include "passes/host/Tensors.h"

#include "mlir/IR/IRMapping.h"

namespace sylvite {

/// Writes the host function of one planned function, and the functions that say its sizes.
class HostWriter {
public:
  explicit HostWriter(const MemoryPlan &plan) : plan(plan), function(plan.function) {}
  void write();

private:
  mlir::func::FuncOp createHost(mlir::OpBuilder &b);
  void writeOffsets(mlir::OpBuilder &b);
  void mapStates(mlir::OpBuilder &b, mlir::func::FuncOp host, mlir::Value memory);
  void writeBody(mlir::OpBuilder &b);
  void writeSizes(mlir::OpBuilder &b, mlir::func::FuncOp host);
  void writeConstraints(mlir::OpBuilder &b, mlir::func::FuncOp host, mlir::ArrayAttr constraints);
  void describeTensors(mlir::func::FuncOp host);
  void writeUpdates(mlir::OpBuilder &b);
  /// Where what a block yields goes, and whether its kernels write it there; else it is copied at the end.
  struct Target {
    mlir::Value yielded, memory;
    bool isWrittenThere;
  };
  void writeBlock(mlir::OpBuilder &b, mlir::Block &block, llvm::ArrayRef<Target> targets = {});
  mlir::Value placeResult(mlir::OpBuilder &b, mlir::Location loc, mlir::Value result);
  void writeCall(mlir::OpBuilder &b, halide::CallOp call);
  void writeScan(mlir::OpBuilder &b, nn::ScanOp scan);
  void writeIf(mlir::OpBuilder &b, nn::IfOp branches);
  void writeMicrobatch(mlir::OpBuilder &b, nn::MicrobatchOp op);

  /// Bytes from the start of the arena.
  mlir::Value offsetOf(MemoryPlan::Place place, unsigned copy = 0) {
    return offsets.lookup({place.free, place.allocation + copy});
  }
  /// `expr` of the function's symbols as an index value.
  mlir::Value materialize(mlir::OpBuilder &b, mlir::Location loc, mlir::AffineExpr expr, mlir::ValueRange symbols);
  /// The free dimensions of `value`, as index values.
  llvm::SmallVector<mlir::Value> freeSizes(mlir::OpBuilder &b, mlir::Location loc, mlir::Value value);
  /// The memory of the value that `value` is a view of, or into which it is joined, seen as `value`.
  mlir::Value viewAs(mlir::OpBuilder &b, mlir::Location loc, mlir::Value value);
  /// A buffer for `result`, which a loop carries: the first or the second one.
  mlir::Value carriedBuffer(mlir::OpBuilder &b, mlir::Location loc, mlir::Value result, unsigned copy = 0);
  /// The symbols that shapes are in terms of: sizes that the caller gives, and the items in a part of a batch.
  llvm::SmallVector<mlir::Value> symbolsFrom(mlir::OpBuilder &b, mlir::Location loc, mlir::ValueRange sizes);
  /// What of `memory` is `part`: its items from `first` on, or item `first` where `part` lacks the leading dimension.
  mlir::Value partView(mlir::OpBuilder &b, mlir::Location loc, mlir::Value memory, mlir::Value first, mlir::Value part);
  /// What a user knows an array by: name, element type, and shape in terms of the symbols.
  mlir::DictionaryAttr describe(mlir::Value value, mlir::Attribute name);
  /// Two numbers: `expr` for no batch, and its growth with the batch; other free dimensions are one.
  std::pair<double, double> linearInBatch(mlir::AffineExpr expr);
  mlir::func::FuncOp createFunction(mlir::OpBuilder &b, const llvm::Twine &name, mlir::TypeRange arguments,
                                    mlir::TypeRange results);
  mlir::OperandRange returned() { return function.getBody().front().getTerminator()->getOperands(); }

  const MemoryPlan &plan;
  mlir::func::FuncOp function;
  std::string name = function.getName().str(); ///< of the host function
  /// Within an nn.microbatch, the items that it computes at once are those of this time.
  llvm::SmallVector<mlir::Value> symbolValues;
  mlir::ValueRange inputs, results, weights;
  mlir::Value arena;
  llvm::SmallVector<mlir::Value> states;
  llvm::DenseMap<std::pair<mlir::AffineExpr, unsigned>, mlir::Value> offsets; ///< in the arena, by class and allocation
  mlir::IRMapping memories;
};

/// `type`, of a tensor, as that of a dense array.
mlir::MemRefType memrefOf(mlir::Type type);

/// A size as the library's description has it: a number, -1 - k for symbol k, or the least number for others.
int64_t describeSize(mlir::AffineExpr size);

} // namespace sylvite

#endif // SYLVITE_PASSES_HOST_HOSTWRITER_H
