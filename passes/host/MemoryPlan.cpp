//===- MemoryPlan.cpp - where the tensors of a function are ----------------===//
//
// Gives every tensor of a function its memory. A tensor's size is a constant times a product of free
// dimensions; tensors with the same product form a class, and each class is a region of the arena,
// planned in units of the product, so that one plan fits every batch (Arena.h). A kernel that computes each
// element from the same element of an input which nothing reads afterwards writes over that input: a residual
// connection needs no third tensor.
//
// In a loop (nn.scan) a step writes its slice of a stacked result where it stays. What is carried needs no copy either: a
// step reads one buffer and writes another, and they change places; a carried value that is stacked too is read from the
// slice of the step before. Where a step stacks what it reads, as training does, the step before has written it there. A branch (nn.if) writes its results where both branches do.
//
// A part of a batch (nn.microbatch) has the shapes of the whole one but for its number of items, which is a symbol of its own. It
// reads and writes what is outside of it where that stands.
//
// What a concatenation joins is written where its result is, which lives from the first part of it on.
//
// A kernel that may write over the old value of a parameter which it updates does.
//
//===----------------------------------------------------------------------===//
#include "passes/host/MemoryPlan.h"
#include "passes/host/Tensors.h"
#include "passes/nn/Utils.h"

#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace sylvite;

ParameterTable::ParameterTable(ModuleOp module) {
  llvm::StringSet<> used;
  for (auto function : module.getOps<func::FuncOp>()) {
    function.walk([&](nn::GetOp get) { used.insert(get.getParameter()); });
    for (unsigned i = 0; i < function.getNumResults(); ++i)
      if (auto name = function.getResultAttrOfType<StringAttr>(i, "nn.update"))
        used.insert(name);
  }
  for (auto parameter : module.getOps<nn::ParameterOp>())
    if (used.contains(parameter.getSymName())) {
      index[parameter.getSymName()] = parameters.size();
      parameters.push_back(parameter);
    }
}

LogicalResult MemoryPlan::computeShapes(nn::MicrobatchOp op) {
  AffineExpr batch = shapes.lookup(op.getInputs().front())[0];
  auto microbatch = AffineMap::get(0, symbols.size(), {batch, getAffineConstantExpr(op.getMost(), context)}, context);
  unsigned index = llvm::find(microbatches, microbatch) - microbatches.begin();
  if (index == microbatches.size())
    microbatches.push_back(microbatch);
  AffineExpr items = getAffineSymbolExpr(symbols.size() + index, context);
  for (auto [input, argument] : llvm::zip_equal(op.getInputs(), op.getBody().getArguments())) {
    nn::ShapeExpr shape = shapes.lookup(input);
    if (shape[0] != batch)
      return op.emitError("internal error: inputs of different numbers of items");
    shape[0] = items;
    shapes[argument] = shape;
  }
  if (failed(computeShapes(op.getBody().front())))
    return failure();
  for (auto [yielded, result] : llvm::zip_equal(op.getYielded(), op.getResults())) {
    nn::ShapeExpr shape = shapes.lookup(yielded);
    if (shape[0] != items || llvm::any_of(llvm::drop_begin(shape), [&](AffineExpr dim) { return microbatchOf(dim); }))
      return op.emitError("internal error: a result that does not have as many items as the inputs");
    shape[0] = batch;
    shapes[result] = shape;
  }
  return success();
}

std::optional<unsigned> MemoryPlan::microbatchOf(AffineExpr size) const {
  for (unsigned i = 0; i < microbatches.size(); ++i)
    if (size.isFunctionOfSymbol(symbols.size() + i))
      return i;
  return std::nullopt;
}

LogicalResult MemoryPlan::computeShapes(Block &block) {
  for (Operation &op : block.without_terminator()) {
    unsigned none = 0;
    if (auto get = dyn_cast<nn::GetOp>(op)) {
      shapes[get] = nn::shapeWithFreshSymbols(cast<RankedTensorType>(get.getType()), none);
    } else if (auto reshape = dyn_cast<nn::ReshapeOp>(op)) {
      auto shape = reshape.resultShape(op.getLoc(), shapes.lookup(reshape.getInput()));
      if (failed(shape))
        return failure();
      shapes[reshape] = *shape;
    } else if (auto concat = dyn_cast<nn::ConcatOp>(op)) {
      auto operands = llvm::map_to_vector(concat.getInputs(), [&](Value input) { return shapes.lookup(input); });
      auto shape = cast<nn::ShapeOpInterface>(op).resultShape(op.getLoc(), operands);
      if (failed(shape))
        return failure();
      shapes[concat] = *shape;
    } else if (auto call = dyn_cast<halide::CallOp>(op)) {
      SmallVector<AffineExpr> free = freeDims(call, shapes);
      auto map = call->getAttrOfType<AffineMapAttr>("shape");
      if (!map || map.getValue().getNumSymbols() != free.size())
        return call.emitError("internal error: a call without a shape");
      nn::ShapeExpr shape;
      for (AffineExpr dim : map.getValue().getResults())
        shape.push_back(dim.replaceSymbols(free));
      for (Value result : call.getResults())
        shapes[result] = shape;
    } else if (auto scan = dyn_cast<nn::ScanOp>(op)) {
      inferScanArguments(scan, shapes);
      if (failed(computeShapes(scan.getBody().front())))
        return failure();
      inferScanResults(scan, shapes);
    } else if (auto microbatch = dyn_cast<nn::MicrobatchOp>(op)) {
      if (failed(computeShapes(microbatch)))
        return failure();
    } else if (auto branches = dyn_cast<nn::IfOp>(op)) {
      for (Region *branch : branches.getRegions())
        if (failed(computeShapes(branch->front())))
          return failure();
      inferIfResults(branches, shapes);
    } else {
      return op.emitError("internal error: '") << op.getName() << "' in a host function";
    }
  }
  return success();
}

std::pair<int64_t, AffineExpr> MemoryPlan::sizeOf(Value value) const {
  int64_t constant = bytesPerElement(getElementTypeOrSelf(value.getType()));
  AffineExpr free = getAffineConstantExpr(1, context);
  for (AffineExpr dim : shapes.lookup(value)) {
    if (auto known = dyn_cast<AffineConstantExpr>(dim))
      constant *= known.getValue();
    else
      free = free * dim;
  }
  return {constant, free};
}

/// Finds what is written where a concatenation joins it to others.
LogicalResult MemoryPlan::planJoins() {
  WalkResult walked = function.walk([&](nn::ConcatOp concat) {
    RankedTensorType type = concat.getType();
    int64_t offset = 0;
    for (Value input : concat.getInputs()) {
      Value value = viewed(input);
      int64_t run = cast<RankedTensorType>(input.getType()).getShape().back();
      if (int64_t(concat.getDim()) != type.getRank() - 1 || ShapedType::isDynamic(run) ||
          cast<RankedTensorType>(value.getType()).getShape().back() != run ||
          !isa_and_nonnull<halide::CallOp, nn::ConcatOp>(value.getDefiningOp()) ||
          value.getParentBlock() != concat->getBlock() || !partOf.try_emplace(value, Part{concat.getResult(), offset}).second) {
        concat.emitError("internal error: a concatenation whose operands are not written where its result is");
        return WalkResult::interrupt();
      }
      offset += run;
    }
    return WalkResult::advance();
  });
  return failure(walked.wasInterrupted());
}

int64_t MemoryPlan::firstWrite(Value value) const {
  auto concat = value.getDefiningOp<nn::ConcatOp>();
  int64_t first = position.lookup(value.getDefiningOp());
  if (concat)
    for (Value input : concat.getInputs())
      first = std::min(first, firstWrite(viewed(input)));
  return first;
}

Value MemoryPlan::ownerOf(Value value) {
  while (true) {
    value = viewed(value);
    if (auto part = partOf.find(value); part != partOf.end()) {
      value = part->second.joined;
      continue;
    }
    auto argument = dyn_cast<BlockArgument>(value);
    Operation *loop = argument ? argument.getOwner()->getParentOp() : nullptr;
    if (auto microbatch = dyn_cast_or_null<nn::MicrobatchOp>(loop)) {
      value = microbatch.getInputs()[argument.getArgNumber()];
      continue;
    }
    auto scan = dyn_cast_or_null<nn::ScanOp>(loop);
    if (!scan)
      return lastSliceOf.count(value) ? lastSliceOf.lookup(value) : value;
    unsigned number = argument.getArgNumber(), carried = scan.getInitial().size();
    value = number < carried ? scan.getResult(number) : scan.getSequences()[number - carried];
  }
}

bool MemoryPlan::isOldValue(Value value, Update update) const {
  if (auto get = value.getDefiningOp<nn::GetOp>())
    return get.getParameterAttr().getAttr() == update.parameter;
  return !update.parameter && value == func::FuncOp(function).getArgument(numInputs + update.state);
}

bool MemoryPlan::isUpdated(Value value) const {
  return llvm::any_of(updates, [&](Update update) { return isOldValue(value, update); });
}

/// Reads off what the results change, in a form that need not be checked again.
LogicalResult MemoryPlan::checkUpdates() {
  unsigned nextState = 0, numStates = function.getNumArguments() - numInputs;
  llvm::StringSet<> seen;
  for (unsigned i = numOutputs; i < function.getNumResults(); ++i) {
    auto name = function.getResultAttrOfType<StringAttr>(i, "nn.update");
    if (!name && !function.getResultAttr(i, "nn.state"))
      return function.emitError("result #") << i << " is an output, but stands after nn.state or nn.update";
    if (name && !table.index.count(name))
      return function.emitError("result #") << i << " updates " << name << ", which is no nn.parameter";
    nn::ParameterOp parameter = name ? table.parameters[table.index.lookup(name)] : nullptr;
    if (parameter && parameter.getType() != function.getResultTypes()[i])
      return function.emitError("result #") << i << " updates " << name << " with a value of another type";
    if (name && !seen.insert(name).second)
      return function.emitError("result #") << i << " updates " << name << " once more";
    if (!name && nextState == numStates)
      return function.emitError("result #") << i << " has nn.state, but no argument is left for it";
    updates.push_back({name, name ? 0 : nextState++});
  }
  return success();
}

/// Whether `op` computes its results, which then have memory, or are part of what has; null computes none.
static bool isComputing(Operation *op) {
  return isa_and_nonnull<halide::CallOp, nn::ConcatOp, nn::IfOp, nn::MicrobatchOp, nn::ScanOp>(op);
}

/// Whether kernels of `block` compute `value`, or the parts that it joins, which then may be written anywhere.
static bool isComputedIn(Block *block, Value value) {
  return isa_and_nonnull<halide::CallOp, nn::ConcatOp, nn::IfOp>(value.getDefiningOp()) && value.getParentBlock() == block;
}

/// Decides which values of the loop's body need no memory of their own.
void MemoryPlan::placeResults(nn::ScanOp scan) {
  Block *body = &scan.getBody().front();
  unsigned numCarried = scan.getInitial().size();
  auto sliceOf = [&](Value stacked) {
    return scan.getYielded()[cast<OpResult>(stacked).getResultNumber()];
  };
  for (auto [yielded, result] : llvm::zip(scan.getYielded().drop_front(numCarried), scan.getStacked()))
    if (Value value = viewed(yielded); isComputedIn(body, value))
      stackedAs.try_emplace(value, result);
  for (auto [yielded, result] : llvm::zip(scan.getYielded(), scan.getResults().take_front(numCarried))) {
    Value value = viewed(yielded), stacked = stackedAs.lookup(value);
    if (stacked && sliceOf(stacked).getType() == yielded.getType())
      lastSliceOf[result] = stacked;
    else if (!stacked && isComputedIn(body, value))
      carriedAs.try_emplace(value, result);
  }
  // There is a first slice to begin with: nn-check-sizes asks for one step at least.
  AffineExpr length = shapes.lookup(scan.getSequences().front())[0];
  for (auto [j, stacked] : llvm::enumerate(scan.getStacked())) {
    auto argument = dyn_cast<BlockArgument>(scan.getYielded()[numCarried + j]);
    if (!argument || argument.getOwner() != body || argument.getArgNumber() >= numCarried ||
        !isa<AffineSymbolExpr, AffineConstantExpr>(length) || length == 0)
      continue;
    if (Value result = scan.getResult(argument.getArgNumber()); !lastSliceOf.contains(result))
      historyOf.try_emplace(result, stacked);
  }
}

/// The same for the values of the branches.
void MemoryPlan::placeResults(nn::IfOp branches) {
  for (Region *branch : branches.getRegions())
    for (auto [yielded, result] : llvm::zip_equal(branches.getYielded(*branch), branches.getResults()))
      if (Value value = viewed(yielded); isComputedIn(&branch->front(), value))
        carriedAs.try_emplace(value, result);
}

/// The same for the values of a part of a batch.
void MemoryPlan::placeResults(nn::MicrobatchOp microbatch) {
  for (auto [yielded, result] : llvm::zip_equal(microbatch.getYielded(), microbatch.getResults()))
    if (Value value = viewed(yielded); value.getParentRegion() == &microbatch.getBody() && !isa<BlockArgument>(value) &&
                                       !partOf.contains(value))
      stackedAs.try_emplace(value, result);
}

/// Numbers all ops and finds the last use of each owner of memory. What is used in a loop, but defined
/// before it, lives until the loop ends.
void MemoryPlan::computeLives() {
  int64_t next = 0;
  auto number = [&](auto &&self, Block &block) -> void {
    for (Operation &op : block) {
      position[&op] = next++;
      if (isa<nn::IfOp, nn::MicrobatchOp, nn::ScanOp>(op))
        for (Region &region : op.getRegions())
          self(self, region.front());
      end[&op] = next - 1;
    }
  };
  number(number, function.getBody().front());
  function.walk([&](Operation *op) {
    if (op == function.getOperation())
      return;
    for (Value operand : op->getOperands()) {
      Value owner = ownerOf(operand);
      Operation *user = op;
      while (user->getBlock() != owner.getParentBlock())
        user = user->getParentOp();
      int64_t &last = lastUse[owner];
      last = std::max(last, end[user]);
    }
  });
}

MemoryPlan::Place MemoryPlan::allocate(int64_t bytes, AffineExpr free, int64_t begin, int64_t end) {
  SizeClass &sizeClass = classes[free];
  sizeClass.allocations.push_back({int64_t(llvm::alignTo(bytes, arenaAlignment)), begin, end});
  return {free, unsigned(sizeClass.allocations.size()) - 1};
}

/// Whether each element of the pipeline's results is computed once, and from no other element of `input` than the one at
/// its own place, and those of results after number `result`, which are stored later, from none: that result may then be written
/// over that input.
static bool readsOnlyItsPlace(halide::PipelineOp pipeline, StringRef input, unsigned result) {
  // Funcs that depend on the input, each of their elements on one place.
  llvm::StringSet<> dependent;
  dependent.insert(input);
  bool elsewhere = false;
  auto readsDependent = [&](Region &body, ValueRange place) {
    bool reads = false;
    body.walk([&](halide::AtOp at) {
      if (!dependent.contains(at.getFunc()))
        return;
      reads = true;
      elsewhere |= !llvm::equal(at.getIndices(), place);
    });
    return reads;
  };
  for (Operation &op : pipeline.getRegion().front()) {
    if (auto func = dyn_cast<halide::FuncOp>(op)) {
      if (readsDependent(func.getBody(), func.getVarArguments()))
        dependent.insert(func.getSymName());
    } else if (auto update = dyn_cast<halide::UpdateOp>(op)) {
      elsewhere |= readsDependent(update.getBody(), {}) || dependent.contains(update.getFunc());
    }
  }
  auto dependsOnInput = [&](auto &&self, Value value) -> bool {
    Operation *op = value.getDefiningOp();
    auto at = dyn_cast_or_null<halide::AtOp>(op);
    return at ? dependent.contains(at.getFunc())
              : op && llvm::any_of(op->getOperands(), [&](Value operand) { return self(self, operand); });
  };
  halide::FuncOp output = pipeline.lookupFunc(pipeline.getOutput().getFunc());
  for (Value later : output.getBody().front().getTerminator()->getOperands().drop_front(result + 1))
    elsewhere |= dependsOnInput(dependsOnInput, later);
  // Vectors that overlap would compute an element twice.
  pipeline.walk([&](Operation *op) {
    if (auto split = dyn_cast<halide::SplitOp>(op))
      elsewhere |= split.getTail() == halide::TailStrategy::ShiftInwards;
    else if (auto vectorize = dyn_cast<halide::VectorizeOp>(op))
      elsewhere |= vectorize.getTail() == halide::TailStrategy::ShiftInwards;
  });
  return !elsewhere;
}

/// Whether `result` of a call may be written over those of its inputs that `isOld` says.
static bool mayWriteOver(OpResult result, function_ref<bool(Value)> isOld) {
  auto call = cast<halide::CallOp>(result.getOwner());
  SmallVector<halide::PipelineOp, 2> pipelines = pipelinesOf(call);
  if (pipelines.empty())
    return false;
  for (auto [i, input] : llvm::enumerate(call.getInputs()))
    if (isOld(input) && (input.getType() != result.getType() ||
                         !llvm::all_of(pipelines, [i = i, result](halide::PipelineOp pipeline) {
                           return readsOnlyItsPlace(pipeline, pipeline.getInputs()[i].getSymName(), result.getResultNumber());
                         })))
      return false;
  return true;
}

/// The owner of memory that `result` of a call is written over: an input of its size which nothing reads later, and over which no
/// other result is written.
Value MemoryPlan::findOverwritten(OpResult result) {
  auto call = cast<halide::CallOp>(result.getOwner());
  for (Value input : call.getInputs()) {
    Value owner = viewed(input);
    auto isOwner = [&](Value other) { return ownerOf(other) == owner; };
    if (inArena.contains(owner) && owner.getParentBlock() == call->getBlock() && lastUse[owner] == position[call] &&
        shapes.lookup(input) == shapes.lookup(result) && !overwritten.contains(owner) && mayWriteOver(result, isOwner))
      return owner;
  }
  return {};
}

/// Gives `value` memory in the arena, that of an input where it may be written over it.
void MemoryPlan::place(Value value) {
  auto [constant, free] = sizeOf(value);
  Operation *op = value.getDefiningOp();
  int64_t last = std::max(lastUse[value], end[op]);
  if (Value owner = isa<halide::CallOp>(op) ? findOverwritten(cast<OpResult>(value)) : Value()) {
    overwritten.insert(owner);
    Place at = inArena.lookup(owner);
    classes[at.free].allocations[at.allocation].end = last; // of the owner, whose product may stand in another order
    inArena[value] = at;
    return;
  }
  inArena[value] = allocate(constant, free, firstWrite(value), last);
  if (isCarried(value) && !historyOf.contains(value))
    allocate(constant, free, position[op], last);
}

/// Finds the updates that are written in place.
void MemoryPlan::planUpdates() {
  DenseMap<StringAttr, int64_t> lastRead; // of old values
  Operation *terminator = function.getBody().front().getTerminator();
  function.walk([&](nn::GetOp get) {
    int64_t &last = lastRead[get.getParameterAttr().getAttr()];
    last = std::max(last, lastUse.lookup(get.getResult()));
  });
  for (auto [operand, update] : llvm::zip_equal(terminator->getOperands().drop_front(numOutputs), updates)) {
    Value value = viewed(operand);
    auto call = value.getDefiningOp<halide::CallOp>();
    if (!update.parameter || !call || outputs.count(value) || inPlace.count(value) ||
        call->getBlock() != terminator->getBlock() || lastRead.lookup(update.parameter) > position[call])
      continue;
    auto isOld = [&](Value input) {
      auto get = viewed(input).getDefiningOp<nn::GetOp>();
      return get && get.getParameterAttr().getAttr() == update.parameter;
    };
    if (mayWriteOver(cast<OpResult>(value), isOld))
      inPlace.try_emplace(value, table.index.lookup(update.parameter));
  }
}

void MemoryPlan::planArena() {
  function.walk([&](nn::ScanOp scan) { placeResults(scan); });
  function.walk([&](nn::IfOp branches) { placeResults(branches); });
  function.walk([&](nn::MicrobatchOp microbatch) { placeResults(microbatch); });
  computeLives();
  // A result that a kernel, a branch or a loop's steps compute is written where the caller wants it.
  for (auto [i, operand] : llvm::enumerate(
           function.getBody().front().getTerminator()->getOperands().take_front(numOutputs))) {
    Value value = viewed(operand);
    if (isComputing(value.getDefiningOp()) && !isCarried(value) && !partOf.contains(value))
      outputs.try_emplace(value, i);
  }
  planUpdates();
  function.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (isComputing(op))
      for (Value value : op->getResults())
        if (!outputs.count(value) && !partOf.contains(value) && !inPlace.count(value) && !stackedAs.count(value) &&
            !carriedAs.count(value) && !lastSliceOf.count(value))
          place(value);
  });
  // What moves from one kept place to another goes through the arena, as the old value may be needed there.
  Operation *terminator = function.getBody().front().getTerminator();
  llvm::SmallPtrSet<Value, 4> moved;
  for (auto [operand, update] : llvm::zip_equal(terminator->getOperands().drop_front(numOutputs), updates))
    if (Value value = viewed(operand);
        isUpdated(value) && !isOldValue(value, update) && moved.insert(value).second) {
      auto [constant, free] = sizeOf(value);
      waysOut[value] = allocate(constant, free, position[terminator], position[terminator]);
    }
}

AffineMap MemoryPlan::sumOfClasses(function_ref<int64_t(const SizeClass &)> sizeOf) const {
  AffineExpr always = getAffineConstantExpr(0, context);
  SmallVector<AffineExpr> sums(std::max<size_t>(microbatches.size(), 1), always);
  for (auto &[free, sizeClass] : classes) {
    std::optional<unsigned> microbatch = microbatchOf(free);
    AffineExpr &sum = microbatch ? sums[*microbatch] : always;
    sum = sum + free * sizeOf(sizeClass);
  }
  for (AffineExpr &sum : sums)
    sum = always + sum;
  return AffineMap::get(0, symbols.size() + microbatches.size(), sums, context);
}

int64_t sylvite::evaluateSizes(AffineMap sizes, ArrayRef<AffineMap> microbatches, ArrayRef<int64_t> dims) {
  auto constant = [&](int64_t value) { return getAffineConstantExpr(value, sizes.getContext()); };
  auto values = llvm::map_to_vector(dims, constant);
  auto valuesOf = [&](AffineMap map) {
    return llvm::map_to_vector(map.getResults(), [&](AffineExpr result) {
      auto value = dyn_cast<AffineConstantExpr>(simplifyAffineExpr(result.replaceSymbols(values), 0, 0));
      return value ? value.getValue() : 0;
    });
  };
  for (AffineMap microbatch : microbatches) // reads dims alone
    values.push_back(constant(*llvm::min_element(valuesOf(microbatch))));
  return *llvm::max_element(valuesOf(sizes));
}

LogicalResult MemoryPlan::make() {
  while (numInputs < function.getNumArguments() && !function.getArgAttr(numInputs, "nn.state"))
    ++numInputs;
  auto isKept = [&](unsigned i) {
    return function.getResultAttr(i, "nn.state") || function.getResultAttr(i, "nn.update");
  };
  while (numOutputs < function.getNumResults() && !isKept(numOutputs))
    ++numOutputs;
  if (failed(checkUpdates()) || failed(inferArguments(function, symbols, shapes)) ||
      failed(computeShapes(function.getBody().front())) || failed(planJoins()))
    return failure();
  planArena();
  return success();
}
