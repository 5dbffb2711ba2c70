//===- Scheduling.h - writing schedules -------------------------*- C++ -*-===//
//
// What the family files of this folder share: the machine, questions about a pipeline, and a writer of
// directives. A family either writes a whole schedule or leaves the pipeline untouched.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_PASSES_SCHEDULE_SCHEDULING_H
#define SYLVITE_PASSES_SCHEDULE_SCHEDULING_H

#include "dialects/halide/HalideDialect.h"
#include "passes/schedule/CostModel.h"

#include "llvm/ADT/StringSet.h"

namespace sylvite {

/// A pipeline as the families see it.
struct PipelineView {
  explicit PipelineView(halide::PipelineOp pipeline);

  halide::PipelineOp pipeline;
  halide::FuncOp output;
  mlir::RankedTensorType outputType;
  llvm::SmallVector<halide::FuncOp> funcs;      ///< in order of definition
  llvm::SmallVector<halide::FuncOp> reductions; ///< those with updates, in order
  bool fewRows = false;       ///< it is the one for few rows of several
  llvm::StringSet<> computed; ///< inputs that kernels before have written, in every call of the pipeline

  /// The only update of `func`, or null when it has none or several.
  halide::UpdateOp singleUpdate(halide::FuncOp func);

  /// The input that `update` reads, where it reads one.
  llvm::StringRef weightsOf(halide::UpdateOp update);

  /// The inputs of the output's shape of which a point of the output reads the same point, beside what `sum` reads.
  llvm::SmallVector<llvm::StringRef> inputsOfOutput(halide::FuncOp sum);
};

/// Whether `value` is computed from `source`.
bool dependsOn(mlir::Value value, mlir::Value source);

/// Whether each read of an input in `update` that depends on the func's innermost variable has it as its
/// last index, with coefficient one: vectors of that variable are then contiguous.
bool isDenseAlongInnermost(halide::UpdateOp update);

/// How many reads of `update` depend on the func's innermost variable, the accumulator apart.
unsigned countReadsAlongInnermost(halide::UpdateOp update);

/// The width of the panels that `at` reads: its last index is `column mod width`, and another is `column / width`. Zero
/// where that is not so.
int64_t panelWidth(halide::AtOp at, mlir::Value column);

/// Appends directives to the schedule of a pipeline. Methods are named as Halide's.
class ScheduleWriter {
public:
  /// Starts an empty schedule at the end of `pipeline`.
  explicit ScheduleWriter(halide::PipelineOp pipeline);

  void split(llvm::StringRef func, int64_t stage, llvm::StringRef var, llvm::StringRef outer,
             llvm::StringRef inner, int64_t factor,
             halide::TailStrategy tail = halide::TailStrategy::Auto);
  void fuse(llvm::StringRef func, int64_t stage, llvm::StringRef outer, llvm::StringRef inner,
            llvm::StringRef fused);
  void reorder(llvm::StringRef func, int64_t stage, llvm::ArrayRef<llvm::StringRef> vars);
  void vectorize(llvm::StringRef func, int64_t stage, llvm::StringRef var, int64_t factor = 0,
                 halide::TailStrategy tail = halide::TailStrategy::Auto);
  void unroll(llvm::StringRef func, int64_t stage, llvm::StringRef var);
  void parallel(llvm::StringRef func, int64_t stage, llvm::StringRef var);
  void serial(llvm::StringRef func, int64_t stage, llvm::StringRef var);
  void prefetch(llvm::StringRef func, int64_t stage, llvm::StringRef input, llvm::StringRef var, int64_t offset,
                bool near = false);
  void overlap(llvm::StringRef func, llvm::StringRef var, int64_t steps);
  void atomic(llvm::StringRef func, int64_t stage);
  void rfactor(llvm::StringRef func, int64_t stage, llvm::ArrayRef<llvm::StringRef> preserved,
               llvm::ArrayRef<llvm::StringRef> vars, llvm::StringRef intermediate);
  void in(llvm::StringRef input, llvm::StringRef func, llvm::StringRef copy);
  void computeAt(llvm::StringRef func, llvm::StringRef consumer, llvm::StringRef var);
  void computeRoot(llvm::StringRef func);
  void boundExtent(llvm::StringRef func, llvm::StringRef var, int64_t extent);
  void alignStorage(llvm::StringRef func, llvm::StringRef var, int64_t alignment);

  /// Vectorizes the innermost variable, whose extent is `extent` (or free): whole when it is small, otherwise in vectors that
  /// overlap or, in an update, are guarded at the end.
  void vectorizeInnermost(llvm::StringRef func, int64_t stage, llvm::StringRef var, int64_t extent,
                          unsigned lanes);
  /// Fuses loops, innermost first, runs the result in parallel and returns its name. Nothing for an empty list.
  llvm::StringRef parallelFused(llvm::StringRef func, int64_t stage,
                                llvm::ArrayRef<llvm::StringRef> vars);

  /// The loops of an output, split into tiles of `ci` and `xi`: a tile written out in vectors of `lanes`, those in `order`, and
  /// `tasks`, fused and in parallel, whose name is returned; innermost first.
  llvm::StringRef tileOutput(llvm::StringRef out, int64_t lanes, llvm::SmallVector<llvm::StringRef> order,
                             llvm::ArrayRef<llvm::StringRef> tasks);
  /// A sum as a register tile of channels `c` by positions `x`: vectors of `lanes` channels, all written out, inside of the
  /// loops `reductions` of the update, innermost first.
  void registerTile(llvm::StringRef func, llvm::StringRef c, llvm::StringRef x, int64_t lanes,
                    llvm::ArrayRef<llvm::StringRef> reductions);
  /// Keeps the values that `update` reduces to in `parts` partial ones, vectors of `lanes`, which meet at the end: each takes one
  /// element in `parts` along the innermost reduction. Returns the name of the func that has them, which the caller places.
  std::string reduceInLanes(halide::UpdateOp update, int64_t parts, int64_t lanes);
  /// Writes the innermost reductions of `update` out, as long as they are not more than `most` terms together.
  void unrollShort(halide::UpdateOp update, int64_t most);

private:
  mlir::OpBuilder b;
  mlir::Location loc;
};

/// The tail of a split of a dimension of `extent` (or free) by `factor` in the output: whole tiles that
/// overlap where they do not divide a known extent, a guard where the extent is free or smaller.
halide::TailStrategy tailFor(int64_t extent, int64_t factor);

/// The tail of a split of a known `extent` by `factor` whose tiles do not overlap: a guard where they do not divide it.
halide::TailStrategy tailApart(int64_t extent, int64_t factor);

/// Blocks of weights, a divisor of `blocks`, that a tile of one row takes at a time: it leaves registers for several of `vectors`.
int64_t blocksOfOneRow(int64_t blocks, int64_t vectors);

/// Each returns whether it wrote a schedule. In the order in which they are tried.
bool scheduleAttention(PipelineView &view, const Machine &machine);
bool scheduleCell(PipelineView &view, const Machine &machine);
bool scheduleWinograd(PipelineView &view, const Machine &machine);
bool scheduleWinogradFilter(PipelineView &view, const Machine &machine);
bool scheduleWinogradGradient(PipelineView &view, const Machine &machine);
bool scheduleOuterProducts(PipelineView &view, const Machine &machine);
bool scheduleDotProducts(PipelineView &view, const Machine &machine);
bool scheduleExpandedWindow(PipelineView &view, const Machine &machine);
bool scheduleByteProduct(PipelineView &view, const Machine &machine);
bool schedulePooledConvolution(PipelineView &view, const Machine &machine);
bool scheduleStreamedProduct(PipelineView &view, const Machine &machine);
bool scheduleContraction(PipelineView &view, const Machine &machine);
bool scheduleChannelReduction(PipelineView &view, const Machine &machine);
bool scheduleRowReduction(PipelineView &view, const Machine &machine);
bool scheduleJoin(PipelineView &view, const Machine &machine);
bool schedulePointwise(PipelineView &view, const Machine &machine);
bool scheduleDefault(PipelineView &view, const Machine &machine);

} // namespace sylvite

#endif // SYLVITE_PASSES_SCHEDULE_SCHEDULING_H
