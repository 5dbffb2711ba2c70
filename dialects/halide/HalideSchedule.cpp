// The verifier of a halide.schedule: follows the loops of every stage through the directives in
// order, as Halide will, so that a schedule that names a loop, stage or func that is not there is
// rejected with the directive's own location. What Halide alone can judge (bounds, tails, storage)
// it judges at translation.
#include "dialects/halide/HalideDialect.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace sylvite::halide;

namespace {

/// The loops of one stage. The order of loops does not matter to the checks.
struct Stage {
  /// Name of a loop -> whether it comes from the reduction.
  llvm::MapVector<StringRef, bool> loops;
  bool atomic = false;
  bool isUpdate = false;
};

struct FuncState {
  SmallVector<StringRef> vars;
  SmallVector<Stage> stages;
};

class ScheduleVerifier {
public:
  ScheduleVerifier(PipelineOp pipeline) : pipeline(pipeline) {}
  LogicalResult run();

private:
  LogicalResult verify(Operation &op);
  LogicalResult verify(SplitOp op, Stage &stage);
  LogicalResult verify(FuseOp op, Stage &stage);
  LogicalResult verify(ReorderOp op, Stage &stage);
  LogicalResult verify(RFactorOp op, Stage &stage);
  LogicalResult verify(SpecializeOp op, Stage &stage);
  LogicalResult verify(InOp op);
  template <typename LoopOp> LogicalResult verifyLoop(LoopOp op, Stage &stage);
  LogicalResult verifyPlace(Operation *op, StringRef func, StringRef consumer, StringRef var);

  /// Runs `check` on the stage that a directive names.
  template <typename StageOp, typename Check> LogicalResult onStage(StageOp op, Check check);

  FailureOr<FuncState *> lookup(Operation *op, StringRef func);
  LogicalResult hasLoop(Operation *op, Stage &stage, StringRef var);
  LogicalResult isNew(Operation *op, Stage &stage, StringRef var);
  LogicalResult isVar(Operation *op, StringRef func, StringRef var);
  LogicalResult isPositive(Operation *op, int64_t value);
  LogicalResult isNewFunc(Operation *op, StringRef name);
  bool reads(StringRef consumer, StringRef func);
  /// Whether the stage of `func` reads what it writes.
  bool accumulates(StringRef func, uint64_t stage);

  PipelineOp pipeline;
  llvm::StringMap<FuncState> funcs;
  /// Which funcs and inputs a func reads directly.
  llvm::StringMap<llvm::StringSet<>> readBy;
  /// The specialize directive whose region is being checked, and its copy of the stage.
  SpecializeOp specialization;
  Stage *specialized = nullptr;
};

} // namespace

FailureOr<FuncState *> ScheduleVerifier::lookup(Operation *op, StringRef func) {
  auto it = funcs.find(func);
  if (it == funcs.end())
    return op->emitOpError("schedule_c2: @") << func << " is not a func";
  return &it->second;
}

LogicalResult ScheduleVerifier::hasLoop(Operation *op, Stage &stage, StringRef var) {
  if (stage.loops.contains(var))
    return success();
  InFlightDiagnostic error = op->emitOpError("schedule_c4: \"")
                             << var << "\" is not a loop here; loops are ";
  llvm::interleaveComma(stage.loops, error, [&](auto &loop) { error << '"' << loop.first << '"'; });
  return error;
}

LogicalResult ScheduleVerifier::isNew(Operation *op, Stage &stage, StringRef var) {
  if (var.empty() || var == "outermost" || stage.loops.contains(var))
    return op->emitOpError("schedule_c5: \"") << var << "\" cannot name a new loop here";
  return success();
}

LogicalResult ScheduleVerifier::isVar(Operation *op, StringRef func, StringRef var) {
  FailureOr<FuncState *> state = lookup(op, func);
  if (failed(state))
    return failure();
  if (!llvm::is_contained((*state)->vars, var))
    return op->emitOpError("schedule_c11: \"") << var << "\" is not a variable of @" << func;
  return success();
}

LogicalResult ScheduleVerifier::isPositive(Operation *op, int64_t value) {
  if (value <= 0 || value > INT32_MAX)
    return op->emitOpError("schedule_c6: ") << value << " is not a positive 32-bit integer";
  return success();
}

LogicalResult ScheduleVerifier::isNewFunc(Operation *op, StringRef name) {
  if (funcs.contains(name) || pipeline.lookupInput(name))
    return op->emitOpError("schedule_c13: @") << name << " is there already";
  return success();
}

bool ScheduleVerifier::reads(StringRef consumer, StringRef func) {
  SmallVector<StringRef> worklist = {consumer};
  llvm::StringSet<> visited;
  while (!worklist.empty()) {
    StringRef next = worklist.pop_back_val();
    if (!visited.insert(next).second)
      continue;
    for (auto &source : readBy[next]) {
      if (source.getKey() == func)
        return true;
      worklist.push_back(source.getKey());
    }
  }
  return false;
}

template <typename StageOp, typename Check>
LogicalResult ScheduleVerifier::onStage(StageOp op, Check check) {
  FailureOr<FuncState *> state = lookup(op, op.getFunc());
  if (failed(state))
    return failure();
  uint64_t stage = op.getStage();
  if (stage >= (*state)->stages.size())
    return op.emitOpError("schedule_c3: @")
           << op.getFunc() << " has stages 0 to " << (*state)->stages.size() - 1 << ", not "
           << static_cast<int64_t>(stage);
  if (!specialization)
    return check((*state)->stages[stage]);
  if (op.getFunc() != specialization.getFunc() || stage != specialization.getStage())
    return op.emitOpError("schedule_c14: the specialization is of stage ")
           << specialization.getStage() << " of @" << specialization.getFunc();
  return check(*specialized);
}

LogicalResult ScheduleVerifier::verify(SplitOp op, Stage &stage) {
  if (failed(hasLoop(op, stage, op.getVar())) || failed(isPositive(op, op.getFactor())))
    return failure();
  bool reduction = stage.loops.lookup(op.getVar());
  stage.loops.erase(op.getVar());
  if (failed(isNew(op, stage, op.getOuter())))
    return failure();
  stage.loops[op.getOuter()] = reduction;
  if (failed(isNew(op, stage, op.getInner())))
    return failure();
  stage.loops[op.getInner()] = reduction;
  return success();
}

LogicalResult ScheduleVerifier::verify(FuseOp op, Stage &stage) {
  if (failed(hasLoop(op, stage, op.getOuter())) || failed(hasLoop(op, stage, op.getInner())))
    return failure();
  bool reduction = stage.loops.lookup(op.getOuter());
  if (op.getOuter() == op.getInner() || reduction != stage.loops.lookup(op.getInner()))
    return op.emitOpError("schedule_c16: \"")
           << op.getOuter() << "\" and \"" << op.getInner()
           << "\" are not two variables, both pure or both of the reduction";
  stage.loops.erase(op.getOuter());
  stage.loops.erase(op.getInner());
  if (failed(isNew(op, stage, op.getFused())))
    return failure();
  stage.loops[op.getFused()] = reduction;
  return success();
}

LogicalResult ScheduleVerifier::verify(ReorderOp op, Stage &stage) {
  llvm::StringSet<> names;
  for (StringRef var : op.getVars().getAsValueRange<StringAttr>()) {
    if (failed(hasLoop(op, stage, var)))
      return failure();
    if (!names.insert(var).second)
      return op.emitOpError("schedule_c7: \"") << var << "\" is named twice";
  }
  return success();
}

bool ScheduleVerifier::accumulates(StringRef func, uint64_t stage) {
  auto updates = pipeline.getUpdates(func);
  if (stage == 0 || stage > updates.size())
    return true; // a func that rfactor introduced
  return updates[stage - 1]
      .getBody()
      .walk([&](AtOp at) {
        return at.getFunc() == func ? WalkResult::interrupt() : WalkResult::advance();
      })
      .wasInterrupted();
}

template <typename LoopOp> LogicalResult ScheduleVerifier::verifyLoop(LoopOp op, Stage &stage) {
  if (failed(hasLoop(op, stage, op.getVar())))
    return failure();
  if (op.getFactor() && failed(isPositive(op, *op.getFactor())))
    return failure();
  constexpr bool ordered = std::is_same_v<LoopOp, UnrollOp>;
  // A func that does not read itself may be written in any order: Halide checks that no point is
  // written twice.
  if (!ordered && stage.loops.lookup(op.getVar()) && !stage.atomic &&
      accumulates(op.getFunc(), op.getStage()))
    return op.emitOpError("schedule_c8: reduction variable \"")
           << op.getVar() << "\" needs halide.atomic first";
  return success();
}

LogicalResult ScheduleVerifier::verify(RFactorOp op, Stage &stage) {
  if (specialization)
    return op.emitOpError("schedule_c14: rfactor stands outside of specialize");
  if (!stage.isUpdate)
    return op.emitOpError("schedule_c12: stage 0 is not an update");
  auto preserved = llvm::to_vector(op.getPreserved().getAsValueRange<StringAttr>());
  auto vars = llvm::to_vector(op.getVars().getAsValueRange<StringAttr>());
  if (preserved.empty() || preserved.size() != vars.size())
    return op.emitOpError("schedule_c12: there is one new variable per preserved one");
  for (StringRef name : preserved) {
    if (failed(hasLoop(op, stage, name)))
      return failure();
    if (!stage.loops.lookup(name))
      return op.emitOpError("schedule_c12: \"") << name << "\" is not a reduction variable";
  }
  StringRef intermediate = op.getIntermediate();
  if (failed(isNewFunc(op, intermediate)))
    return failure();

  // The intermediate has the func's variables and the new ones; it reduces over what is not
  // preserved.
  FuncState partial;
  partial.vars = funcs.find(op.getFunc())->second.vars;
  partial.stages.resize(2);
  Stage &update = partial.stages[1];
  update.isUpdate = true;
  bool reduces = false;
  for (auto [name, reduction] : stage.loops.takeVector()) {
    bool kept = llvm::is_contained(preserved, name);
    if (kept || !reduction)
      stage.loops[name] = reduction;
    if (!kept)
      update.loops[name] = reduction;
    reduces |= reduction && !kept;
  }
  if (!reduces)
    return op.emitOpError("schedule_c12: no reduction variable is left");
  for (StringRef var : vars) {
    if (failed(isNew(op, update, var)))
      return failure();
    if (llvm::is_contained(partial.vars, var))
      return op.emitOpError("schedule_c5: \"") << var << "\" is a variable already";
    update.loops[var] = false;
    partial.vars.push_back(var);
  }
  for (StringRef var : partial.vars)
    partial.stages[0].loops[var] = false;
  funcs[intermediate] = std::move(partial);
  readBy[intermediate] = readBy[op.getFunc()];
  readBy[op.getFunc()].insert(intermediate);
  return success();
}

LogicalResult ScheduleVerifier::verify(SpecializeOp op, Stage &stage) {
  if (specialization)
    return op.emitOpError("schedule_c14: a specialization of a specialization");
  StringRef buffer = op.getExtent().getBuffer().getValue();
  int64_t dim = op.getExtent().getDim(), rank = 0;
  if (InputOp input = pipeline.lookupInput(buffer))
    rank = input.getBufferType().getRank();
  else if (pipeline.getOutput().getFunc() == buffer)
    rank = pipeline.getOutputTypes().front().getRank();
  if (dim < 0 || dim >= rank)
    return op.emitOpError("schedule_c15: @")
           << buffer << " is not an input or output with a dimension " << dim;
  Stage copy = stage;
  specialization = op;
  specialized = &copy;
  LogicalResult result = success();
  for (Operation &nested : *op.getBody())
    if (failed(result = verify(nested)))
      break;
  specialization = nullptr;
  specialized = nullptr;
  return result;
}

LogicalResult ScheduleVerifier::verify(InOp op) {
  InputOp input = pipeline.lookupInput(op.getInput());
  if (failed(lookup(op, op.getFunc())) || failed(isNewFunc(op, op.getCopy())))
    return failure();
  llvm::StringSet<> &sources = readBy[op.getFunc()];
  if (!input || !sources.contains(op.getInput()))
    return op.emitOpError("schedule_c17: @") << op.getInput() << " is not an input that @" << op.getFunc() << " reads";
  static constexpr StringLiteral names[] = {"_0", "_1", "_2", "_3", "_4", "_5", "_6", "_7"};
  FuncState copy;
  copy.stages.resize(1);
  for (StringRef name : ArrayRef(names).take_front(input.getBufferType().getRank())) {
    copy.vars.insert(copy.vars.begin(), name);
    copy.stages[0].loops[name] = false;
  }
  sources.erase(op.getInput());
  sources.insert(op.getCopy());
  readBy[op.getCopy()].insert(op.getInput());
  funcs[op.getCopy()] = std::move(copy);
  return success();
}

LogicalResult ScheduleVerifier::verifyPlace(Operation *op, StringRef func, StringRef consumer,
                                            StringRef var) {
  FailureOr<FuncState *> state = lookup(op, func), target = lookup(op, consumer);
  if (failed(state) || failed(target))
    return failure();
  if (specialization)
    return op->emitOpError("schedule_c14: a func has one place, outside of specialize");
  if (func == pipeline.getOutput().getFunc())
    return op->emitOpError("schedule_c10: @") << func << " is the output";
  if (!reads(consumer, func))
    return op->emitOpError("schedule_c9: @") << consumer << " does not read @" << func;
  if (var == "outermost" ||
      llvm::any_of((*target)->stages, [&](Stage &stage) { return stage.loops.contains(var); }))
    return success();
  return op->emitOpError("schedule_c9: no stage of @")
         << consumer << " has a loop \"" << var << "\"";
}

LogicalResult ScheduleVerifier::verify(Operation &op) {
  // Directives on the func as a whole are not part of a specialization.
  bool ofStage = isa<SplitOp, FuseOp, ReorderOp, VectorizeOp, UnrollOp, ParallelOp, SerialOp,
                     PartitionOp, PrefetchOp, AtomicOp, RFactorOp, SpecializeOp>(op);
  if (specialization && !ofStage)
    return op.emitOpError("schedule_c14: stands outside of specialize");
  return llvm::TypeSwitch<Operation *, LogicalResult>(&op)
      .Case<SplitOp, FuseOp, ReorderOp, RFactorOp, SpecializeOp>([&](auto directive) {
        return onStage(directive, [&](Stage &stage) { return verify(directive, stage); });
      })
      .Case<VectorizeOp, UnrollOp, ParallelOp>([&](auto directive) {
        return onStage(directive, [&](Stage &stage) { return verifyLoop(directive, stage); });
      })
      .Case<SerialOp, PartitionOp>([&](auto directive) {
        return onStage(directive,
                       [&](Stage &stage) { return hasLoop(directive, stage, directive.getVar()); });
      })
      .Case<PrefetchOp>([&](PrefetchOp directive) {
        return onStage(directive, [&](Stage &stage) -> LogicalResult {
          if (failed(hasLoop(directive, stage, directive.getVar())) ||
              failed(isPositive(directive, directive.getOffset())))
            return failure();
          // What the output is going to write is fetched likewise.
          if (directive.getInput() == directive.getFunc() && directive.getStage() == 0 && !directive.getNear() &&
              pipeline.getOutput().getFunc() == directive.getFunc())
            return success();
          bool isFetched = pipeline.lookupInput(directive.getInput()) ||
                           (directive.getNear() && pipeline.lookupFunc(directive.getInput()) &&
                            directive.getInput() != directive.getFunc());
          if (!isFetched || !reads(directive.getFunc(), directive.getInput()))
            return directive.emitOpError("schedule_c17: @")
                   << directive.getInput() << " is not an input that @" << directive.getFunc() << " reads";
          return success();
        });
      })
      .Case<OverlapOp>([&](OverlapOp directive) -> LogicalResult {
        if (failed(isPositive(directive, directive.getSteps())))
          return failure();
        FailureOr<FuncState *> state = lookup(directive, directive.getFunc());
        if (failed(state))
          return failure();
        if (pipeline.getOutput().getFunc() != directive.getFunc())
          return directive.emitOpError("schedule_c18: @") << directive.getFunc() << " is not the output";
        return hasLoop(directive, (*state)->stages.front(), directive.getVar());
      })
      .Case<InOp>([&](InOp directive) { return verify(directive); })
      .Case<AtomicOp>([&](AtomicOp directive) {
        return onStage(directive, [&](Stage &stage) {
          stage.atomic = true;
          return success();
        });
      })
      .Case<ComputeAtOp, StoreAtOp, HoistStorageOp>([&](auto directive) {
        return verifyPlace(directive, directive.getFunc(), directive.getConsumer(),
                           directive.getVar());
      })
      .Case<ComputeRootOp, StoreRootOp, StoreInOp>([&](auto directive) -> LogicalResult {
        return success(succeeded(lookup(directive, directive.getFunc())));
      })
      .Case<BoundOp, BoundExtentOp>([&](auto directive) -> LogicalResult {
        return failure(failed(isVar(directive, directive.getFunc(), directive.getVar())) ||
                       failed(isPositive(directive, directive.getExtent())));
      })
      .Case<AlignBoundsOp>([&](AlignBoundsOp directive) -> LogicalResult {
        return failure(failed(isVar(directive, directive.getFunc(), directive.getVar())) ||
                       failed(isPositive(directive, directive.getModulus())));
      })
      .Case<AlignStorageOp>([&](AlignStorageOp directive) -> LogicalResult {
        return failure(failed(isVar(directive, directive.getFunc(), directive.getVar())) ||
                       failed(isPositive(directive, directive.getAlignment())));
      })
      .Default([](Operation *other) {
        return other->emitOpError("schedule_c1: is not a schedule directive");
      });
}

LogicalResult ScheduleVerifier::run() {
  ScheduleOp schedule = pipeline.getSchedule();
  if (!schedule)
    return success();
  for (FuncOp func : pipeline.getBody()->getOps<FuncOp>()) {
    FuncState &state = funcs[func.getSymName()];
    state.vars = func.getVarNames();
    state.stages.resize(1);
    for (StringRef var : state.vars)
      state.stages[0].loops[var] = false;
    func.walk([&](AtOp at) { readBy[func.getSymName()].insert(at.getFunc()); });
  }
  for (UpdateOp update : pipeline.getBody()->getOps<UpdateOp>()) {
    FuncState &state = funcs[update.getFunc()];
    Stage &stage = state.stages.emplace_back();
    stage.isUpdate = true;
    for (StringRef rvar : update.getReductionNames())
      stage.loops[rvar] = true;
    for (unsigned i = 0; i < state.vars.size(); ++i)
      if (update.isPureVar(i))
        stage.loops[state.vars[i]] = false;
    update.walk([&](AtOp at) {
      if (at.getFunc() != update.getFunc())
        readBy[update.getFunc()].insert(at.getFunc());
    });
  }
  for (Operation &directive : *schedule.getBody())
    if (failed(verify(directive)))
      return failure();
  return success();
}

LogicalResult sylvite::halide::verifySchedule(PipelineOp pipeline) {
  return ScheduleVerifier(pipeline).run();
}
