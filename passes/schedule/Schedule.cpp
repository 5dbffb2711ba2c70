//===- Schedule.cpp - halide-schedule --------------------------------------===//
//
// The pass, the view of a pipeline and the writer of directives. Which directives is the families'
// business.
//
//===----------------------------------------------------------------------===//
#include "passes/schedule/Scheduling.h"

#include "dialects/nn/NN.h"
#include "passes/Passes.h"
#include "passes/nn/Utils.h"

#include "llvm/ADT/BitVector.h"

namespace sylvite {
#define GEN_PASS_DEF_SCHEDULE
#include "passes/Passes.h.inc"
} // namespace sylvite

using namespace mlir;
using namespace sylvite;
using halide::TailStrategy;

PipelineView::PipelineView(halide::PipelineOp pipeline) : pipeline(pipeline) {
  halide::OutputOp outputOp = pipeline.getOutput();
  output = pipeline.lookupFunc(outputOp.getFunc());
  outputType = outputOp.getBufferTypes().front();
  for (halide::FuncOp func : pipeline.getOps<halide::FuncOp>()) {
    funcs.push_back(func);
    if (!pipeline.getUpdates(func.getSymName()).empty())
      reductions.push_back(func);
  }
}

halide::UpdateOp PipelineView::singleUpdate(halide::FuncOp func) {
  auto updates = pipeline.getUpdates(func.getSymName());
  return updates.size() == 1 ? updates.front() : halide::UpdateOp();
}

SmallVector<StringRef> PipelineView::inputsOfOutput(halide::FuncOp sum) {
  SmallVector<StringRef> names;
  for (halide::FuncOp func : funcs)
    func.walk([&](halide::AtOp at) {
      halide::InputOp input = pipeline.lookupInput(at.getFunc());
      if (func != sum && input && input.getBufferType().getShape() == outputType.getShape() &&
          at.getIndices() == func.getVarArguments() && !llvm::is_contained(names, at.getFunc()))
        names.push_back(at.getFunc());
    });
  return names;
}

StringRef PipelineView::weightsOf(halide::UpdateOp update) {
  StringRef name;
  update.getBody().walk([&](halide::AtOp at) {
    if (pipeline.lookupInput(at.getFunc()))
      name = at.getFunc();
  });
  return name;
}

bool sylvite::dependsOn(Value value, Value source) {
  if (value == source)
    return true;
  Operation *op = value.getDefiningOp();
  return op && llvm::any_of(op->getOperands(),
                            [&](Value operand) { return dependsOn(operand, source); });
}

/// Whether `value` is `source` plus something that does not depend on it.
static bool isUnitStep(Value value, Value source) {
  if (value == source)
    return true;
  auto add = value.getDefiningOp<arith::AddIOp>();
  if (!add)
    return false;
  bool left = dependsOn(add.getLhs(), source), right = dependsOn(add.getRhs(), source);
  return left != right && isUnitStep(left ? add.getLhs() : add.getRhs(), source);
}

template <typename Function> static void forReadsAlong(halide::UpdateOp update, Function function) {
  Value innermost = update.getVarArguments().back();
  update.getBody().walk([&](halide::AtOp at) {
    if (at.getFunc() != update.getFunc() &&
        llvm::any_of(at.getIndices(), [&](Value index) { return dependsOn(index, innermost); }))
      function(at, innermost);
  });
}

bool sylvite::isDenseAlongInnermost(halide::UpdateOp update) {
  bool dense = true;
  forReadsAlong(update, [&](halide::AtOp at, Value innermost) {
    for (Value index : at.getIndices().drop_back())
      dense &= !dependsOn(index, innermost);
    dense &= isUnitStep(at.getIndices().back(), innermost);
  });
  return dense;
}

unsigned sylvite::countReadsAlongInnermost(halide::UpdateOp update) {
  unsigned count = 0;
  forReadsAlong(update, [&](halide::AtOp, Value) { ++count; });
  return count;
}

int64_t sylvite::panelWidth(halide::AtOp at, Value column) {
  APInt width, divisor;
  auto isPlace = [&](Value index) {
    auto rest = index.getDefiningOp<arith::RemUIOp>();
    return rest && rest.getLhs() == column && matchPattern(rest.getRhs(), m_ConstantInt(&width));
  };
  auto isPanel = [&](Value index) {
    auto quotient = index.getDefiningOp<arith::FloorDivSIOp>();
    return quotient && quotient.getLhs() == column && matchPattern(quotient.getRhs(), m_ConstantInt(&divisor));
  };
  bool isInPanels = llvm::any_of(at.getIndices(), isPlace) && llvm::any_of(at.getIndices(), isPanel) && divisor == width;
  return isInPanels ? width.getSExtValue() : 0;
}

int64_t sylvite::blocksOfOneRow(int64_t blocks, int64_t vectors) {
  for (int64_t together = 8 / vectors; together > 1; --together)
    if (blocks % together == 0)
      return together;
  return 1;
}

//===----------------------------------------------------------------------===//
// ScheduleWriter
//===----------------------------------------------------------------------===//

ScheduleWriter::ScheduleWriter(halide::PipelineOp pipeline)
    : b(pipeline.getContext()), loc(pipeline.getLoc()) {
  b.setInsertionPointToEnd(&pipeline.getRegion().front());
  auto schedule = halide::ScheduleOp::create(b, loc);
  b.setInsertionPointToEnd(&schedule.getRegion().front());
}

void ScheduleWriter::split(StringRef func, int64_t stage, StringRef var, StringRef outer,
                           StringRef inner, int64_t factor, TailStrategy tail) {
  halide::SplitOp::create(b, loc, func, stage, var, outer, inner, factor, tail);
}
void ScheduleWriter::fuse(StringRef func, int64_t stage, StringRef outer, StringRef inner,
                          StringRef fused) {
  halide::FuseOp::create(b, loc, func, stage, outer, inner, fused);
}
void ScheduleWriter::reorder(StringRef func, int64_t stage, ArrayRef<StringRef> vars) {
  if (vars.size() > 1)
    halide::ReorderOp::create(b, loc, func, stage, vars);
}
void ScheduleWriter::vectorize(StringRef func, int64_t stage, StringRef var, int64_t factor,
                               TailStrategy tail) {
  halide::VectorizeOp::create(b, loc, func, stage, var, factor, tail);
}
void ScheduleWriter::unroll(StringRef func, int64_t stage, StringRef var) {
  halide::UnrollOp::create(b, loc, func, stage, var);
}
void ScheduleWriter::parallel(StringRef func, int64_t stage, StringRef var) {
  halide::ParallelOp::create(b, loc, func, stage, var);
}
void ScheduleWriter::serial(StringRef func, int64_t stage, StringRef var) {
  halide::SerialOp::create(b, loc, func, stage, var);
}
void ScheduleWriter::prefetch(StringRef func, int64_t stage, StringRef input, StringRef var, int64_t offset, bool near) {
  halide::PrefetchOp::create(b, loc, func, stage, input, var, offset, near);
}
void ScheduleWriter::atomic(StringRef func, int64_t stage) {
  halide::AtomicOp::create(b, loc, func, stage);
}
void ScheduleWriter::overlap(StringRef func, StringRef var, int64_t steps) {
  halide::OverlapOp::create(b, loc, func, var, steps);
}
void ScheduleWriter::rfactor(StringRef func, int64_t stage, ArrayRef<StringRef> preserved,
                             ArrayRef<StringRef> vars, StringRef intermediate) {
  halide::RFactorOp::create(b, loc, func, stage, preserved, vars, intermediate);
}
void ScheduleWriter::in(StringRef input, StringRef func, StringRef copy) {
  halide::InOp::create(b, loc, input, func, copy);
}
void ScheduleWriter::computeAt(StringRef func, StringRef consumer, StringRef var) {
  halide::ComputeAtOp::create(b, loc, func, consumer, var);
}
void ScheduleWriter::computeRoot(StringRef func) { halide::ComputeRootOp::create(b, loc, func); }
void ScheduleWriter::boundExtent(StringRef func, StringRef var, int64_t extent) {
  halide::BoundExtentOp::create(b, loc, func, var, extent);
}

void ScheduleWriter::alignStorage(StringRef func, StringRef var, int64_t alignment) {
  halide::AlignStorageOp::create(b, loc, func, var, alignment);
}

TailStrategy sylvite::tailFor(int64_t extent, int64_t factor) {
  if (ShapedType::isDynamic(extent) || extent < factor)
    return TailStrategy::GuardWithIf;
  return extent % factor ? TailStrategy::ShiftInwards : TailStrategy::RoundUp;
}

TailStrategy sylvite::tailApart(int64_t extent, int64_t factor) {
  return ShapedType::isDynamic(extent) || extent % factor ? TailStrategy::GuardWithIf : TailStrategy::RoundUp;
}

void ScheduleWriter::vectorizeInnermost(StringRef func, int64_t stage, StringRef var,
                                        int64_t extent, unsigned lanes) {
  if (!ShapedType::isDynamic(extent) && extent <= static_cast<int64_t>(lanes)) {
    if (extent > 1)
      vectorize(func, stage, var);
    return;
  }
  TailStrategy tail = tailFor(extent, lanes);
  // An update cannot run twice at a place.
  if (stage > 0 && tail == TailStrategy::ShiftInwards)
    tail = TailStrategy::GuardWithIf;
  vectorize(func, stage, var, lanes, tail);
}

StringRef ScheduleWriter::parallelFused(StringRef func, int64_t stage, ArrayRef<StringRef> vars) {
  if (vars.empty())
    return {};
  StringRef fused = vars.front();
  for (StringRef outer : vars.drop_front()) {
    fuse(func, stage, outer, fused, "task");
    fused = "task";
  }
  parallel(func, stage, fused);
  return fused;
}

StringRef ScheduleWriter::tileOutput(StringRef out, int64_t lanes, SmallVector<StringRef> order,
                                     ArrayRef<StringRef> tasks) {
  order.append(tasks.begin(), tasks.end());
  reorder(out, 0, order);
  if (lanes > 1)
    vectorize(out, 0, "ci", lanes);
  unroll(out, 0, "ci");
  unroll(out, 0, "xi");
  return parallelFused(out, 0, tasks);
}

void ScheduleWriter::registerTile(StringRef func, StringRef c, StringRef x, int64_t lanes,
                                  ArrayRef<StringRef> reductions) {
  SmallVector<StringRef> loops{c, x};
  loops.append(reductions.begin(), reductions.end());
  for (int64_t stage : {0, 1}) {
    if (stage == 1)
      reorder(func, 1, loops);
    if (lanes > 1)
      vectorize(func, stage, c, lanes);
    unroll(func, stage, c);
    unroll(func, stage, x);
  }
}

std::string ScheduleWriter::reduceInLanes(halide::UpdateOp update, int64_t parts, int64_t lanes) {
  StringRef name = update.getFunc();
  std::string partial = (name + "_lanes").str();
  SmallVector<StringRef> rvars = update.getReductionNames();
  split(name, 1, rvars.back(), "ro", "ri", parts);
  rfactor(name, 1, {"ri"}, {"lane"}, partial);
  rvars.back() = "ro";
  SmallVector<StringRef> loops{"lane"};
  loops.append(rvars.rbegin(), rvars.rend());
  for (int64_t stage : {0, 1}) {
    if (stage == 1)
      reorder(partial, 1, loops);
    vectorize(partial, stage, "lane", lanes);
    unroll(partial, stage, "lane");
  }
  atomic(name, 1);
  vectorize(name, 1, "ri");
  return partial;
}

void ScheduleWriter::unrollShort(halide::UpdateOp update, int64_t most) {
  SmallVector<StringRef> vars = update.getReductionNames();
  int64_t written = 1;
  for (size_t i = vars.size(); i-- > 0;) {
    auto end = dyn_cast<IntegerAttr>(update.getEnds()[i]);
    if (!end || written * end.getInt() > most)
      break;
    written *= end.getInt();
    unroll(update.getFunc(), 1, vars[i]);
  }
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

/// Whether an update of `func` writes elsewhere than at its variables.
static bool scatters(PipelineView &view, halide::FuncOp func) {
  for (halide::UpdateOp update : view.pipeline.getUpdates(func.getSymName()))
    for (unsigned i = 0; i < func.getRank(); ++i)
      if (!update.isPureVar(i))
        return true;
  return false;
}

/// Those of the inputs of each pipeline, by number, that every call takes from another kernel.
static llvm::StringMap<llvm::BitVector> findComputedInputs(ModuleOp module) {
  llvm::StringMap<llvm::BitVector> computed;
  module.walk([&](halide::CallOp call) {
    llvm::BitVector inputs(call.getInputs().size());
    for (auto [i, value] : llvm::enumerate(call.getInputs()))
      inputs[i] = isa_and_nonnull<halide::CallOp, nn::ConcatOp>(viewed(value).getDefiningOp());
    for (FlatSymbolRefAttr name : call.getPipelines())
      computed.try_emplace(name.getValue(), inputs).first->second &= inputs;
  });
  return computed;
}

namespace {

struct Schedule : sylvite::impl::ScheduleBase<Schedule> {
  using ScheduleBase::ScheduleBase;

  void runOnOperation() override {
    Machine machine{vectorWidth * 4, vectorRegisters, l2Bytes};
    static constexpr bool (*families[])(PipelineView &, const Machine &) = {
        scheduleAttention, scheduleCell, scheduleWinograd, scheduleWinogradFilter, scheduleWinogradGradient,
        scheduleOuterProducts, scheduleDotProducts, scheduleExpandedWindow, schedulePooledConvolution, scheduleByteProduct,
        scheduleStreamedProduct, scheduleContraction, scheduleChannelReduction, scheduleRowReduction, scheduleJoin, schedulePointwise,
        scheduleDefault};
    llvm::StringMap<llvm::BitVector> computed = findComputedInputs(getOperation());
    for (auto pipeline : getOperation().getOps<halide::PipelineOp>()) {
      if (pipeline.getSchedule())
        continue;
      PipelineView view(pipeline);
      view.fewRows = bool(pipeline->removeAttr("few"));
      if (auto inputs = computed.find(pipeline.getSymName()); inputs != computed.end())
        for (auto [i, input] : llvm::enumerate(pipeline.getInputs()))
          if (inputs->second[i])
            view.computed.insert(input.getSymName());
      // Writes to places that data decide: no tile of the result can be computed alone.
      if (llvm::any_of(view.reductions, [&](halide::FuncOp func) { return func != view.output && scatters(view, func); })) {
        scheduleDefault(view, machine);
        continue;
      }
      for (auto *family : families)
        if (family(view, machine))
          break;
    }
  }
};

} // namespace
