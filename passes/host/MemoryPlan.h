//===- MemoryPlan.h - where the tensors of a function are -------*- C++ -*-===//
//
// The plan of the memory of one function on tensors, which it leaves as it is: plan-memory rewrites functions by it, and
// host-rematerialize asks it what a function takes.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_PASSES_HOST_MEMORYPLAN_H
#define SYLVITE_PASSES_HOST_MEMORYPLAN_H

#include "passes/Passes.h"
#include "passes/host/Arena.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringMap.h"

namespace sylvite {

/// Alignment of a tensor in the arena: a cache line, which is also the widest vector.
inline constexpr int64_t arenaAlignment = 64;

/// The parameters that some function of a module reads or changes, in the order of their symbols: the order of
/// the weights. All host functions take all of them.
struct ParameterTable {
  explicit ParameterTable(mlir::ModuleOp module);

  llvm::SmallVector<nn::ParameterOp> parameters;
  llvm::StringMap<unsigned> index;
};

/// The greatest result of `sizes` for these free dimensions, behind which its symbols are the least result of each of `microbatches`;
/// zero stands for what has no value for them.
int64_t evaluateSizes(mlir::AffineMap sizes, llvm::ArrayRef<mlir::AffineMap> microbatches, llvm::ArrayRef<int64_t> dims);

class MemoryPlan {
public:
  MemoryPlan(mlir::func::FuncOp function, const ParameterTable &table)
      : function(function), context(function.getContext()), table(table) {}

  /// Finds what lives when, and what needs no memory of its own; reports what is wrong with the function.
  llvm::LogicalResult make();
  /// Gives what is in the arena its offsets.
  void layOut() {
    for (auto &entry : classes)
      entry.second.plan();
  }

  /// Where a tensor is: an allocation of the class of this product of free dimensions.
  struct Place {
    mlir::AffineExpr free;
    unsigned allocation;
  };
  /// What a result after the outputs gives a new value: a parameter or a state.
  struct Update {
    mlir::StringAttr parameter; ///< null for a state
    unsigned state = 0;         ///< which of the states
  };

  /// Constant part and product of free dimensions of the size of `value` in bytes.
  std::pair<int64_t, mlir::AffineExpr> sizeOf(mlir::Value value) const;
  /// Bytes of the arena, when it is laid out, and the largest sum of what lives in it at once: the greatest result of a map, whose
  /// symbols are those of shapes.
  mlir::AffineMap arenaSize() const {
    return sumOfClasses([](const SizeClass &sizeClass) { return sizeClass.size; });
  }
  mlir::AffineMap liveSize() const {
    return sumOfClasses([](const SizeClass &sizeClass) { return sizeClass.liveSize(); });
  }
  /// The greatest of `sizes` for these free dimensions, in the order of `symbols`.
  int64_t evaluate(mlir::AffineMap sizes, llvm::ArrayRef<int64_t> dims) const {
    return evaluateSizes(sizes, microbatches, dims);
  }
  /// Whether `value` is what a loop has carried to its end.
  static bool isCarried(mlir::Value value) {
    auto scan = value.getDefiningOp<nn::ScanOp>();
    return scan && llvm::cast<mlir::OpResult>(value).getResultNumber() < scan.getInitial().size();
  }
  /// Whether `value` is the old value of what some result updates, and of what `update` does.
  bool isUpdated(mlir::Value value) const;
  bool isOldValue(mlir::Value value, Update update) const;

  mlir::func::FuncOp function;
  mlir::MLIRContext *context;
  const ParameterTable &table;
  /// Arguments and results that are not what the model keeps: nn.state and nn.update stand after all others.
  unsigned numInputs = 0, numOutputs = 0;
  llvm::SmallVector<Update> updates; ///< by the results after the outputs, in order
  llvm::SmallVector<llvm::StringRef> symbols;
  /// For each nn.microbatch the size of its batch and the most items that it computes at once. In shapes inside of it, and only
  /// there, symbol `symbols.size() + i` is how many those of microbatches[i] are: in a call, at most the lesser of both.
  llvm::SmallVector<mlir::AffineMap> microbatches;
  /// Which of them a size or a class is inside of, if any. No two of them live at once: their classes overlap in the arena.
  std::optional<unsigned> microbatchOf(mlir::AffineExpr size) const;
  llvm::DenseMap<mlir::Value, nn::ShapeExpr> shapes;
  llvm::MapVector<mlir::AffineExpr, SizeClass> classes;
  /// Values in the arena. What a loop carries has a second buffer in the allocation behind its own.
  llvm::DenseMap<mlir::Value, Place> inArena;
  /// Old values of what the model keeps that move elsewhere in it: where they are meanwhile.
  llvm::DenseMap<mlir::Value, Place> waysOut;
  /// Values whose memory is an output of the function: index of the output.
  llvm::DenseMap<mlir::Value, unsigned> outputs;
  /// Values that are written over the parameter which they update: its index.
  llvm::DenseMap<mlir::Value, unsigned> inPlace;
  /// Values of a loop's body that are written into a slice of a stacked result of the loop, or of a result of a microbatch, or
  /// into the buffer of the next carried value, and values of a branch that are written where its result is: that result.
  llvm::DenseMap<mlir::Value, mlir::Value> stackedAs, carriedAs;
  /// Carried results that are the last slice of a stacked one.
  llvm::DenseMap<mlir::Value, mlir::Value> lastSliceOf;
  /// Carried results that go through the slices of a stacked one: the stack of what each step reads.
  llvm::DenseMap<mlir::Value, mlir::Value> historyOf;

  /// Where a value is written into what a concatenation joins it to: elements into each run of that.
  struct Part {
    mlir::Value joined;
    int64_t offset;
  };
  llvm::DenseMap<mlir::Value, Part> partOf;

  /// Places of ops, those in loops included, in the order in which they run; `end` is that of an op's last op.
  llvm::DenseMap<mlir::Operation *, int64_t> position, end;

private:
  llvm::LogicalResult computeShapes(mlir::Block &block);
  llvm::LogicalResult computeShapes(nn::MicrobatchOp microbatch);
  llvm::LogicalResult checkUpdates();
  llvm::LogicalResult planJoins();
  void planUpdates();
  void planArena();
  void placeResults(nn::ScanOp scan);
  void placeResults(nn::IfOp branches);
  void placeResults(nn::MicrobatchOp microbatch);
  mlir::AffineMap sumOfClasses(llvm::function_ref<int64_t(const SizeClass &)> sizeOf) const;
  void computeLives();
  void place(mlir::Value value);
  mlir::Value findOverwritten(mlir::OpResult result);
  Place allocate(int64_t bytes, mlir::AffineExpr free, int64_t begin, int64_t end);
  /// The place of the op that writes `value`, or the first part of it.
  int64_t firstWrite(mlir::Value value) const;
  /// The value that owns the memory of `value`: follows reshapes, concatenations, slices of sequences, and what a loop
  /// carries to the loop's result.
  mlir::Value ownerOf(mlir::Value value);

  llvm::DenseMap<mlir::Value, int64_t> lastUse; ///< of owners
  llvm::DenseSet<mlir::Value> overwritten;      ///< owners whose memory has gone to a result
};

} // namespace sylvite

#endif // SYLVITE_PASSES_HOST_MEMORYPLAN_H
