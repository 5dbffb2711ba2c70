//===- PlanMemory.cpp - plan-memory ----------------------------------------===//
//
// Rewrites a function on tensors into a host function on memrefs, by the plan that MemoryPlan.h makes: every tensor becomes
// a view of the arena, of a parameter, or of what the caller passes.
//
// A function may change what the model keeps: a parameter (a result with `nn.update`), or a state (`nn.state`). New values
// that no kernel writes over the old ones are copied there when everything else is done, because all reads see the old one.
//
//===----------------------------------------------------------------------===//
#include "passes/host/HostWriter.h"

#include "llvm/ADT/SetVector.h"

namespace sylvite {
#define GEN_PASS_DEF_PLANMEMORY
#include "passes/Passes.h.inc"
} // namespace sylvite

using namespace mlir;
using namespace sylvite;

Value HostWriter::materialize(OpBuilder &b, Location loc, AffineExpr expr, ValueRange symbols) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return arith::ConstantIndexOp::create(b, loc, constant.getValue());
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr))
    return symbols[symbol.getPosition()];
  auto binary = cast<AffineBinaryOpExpr>(expr);
  Value lhs = materialize(b, loc, binary.getLHS(), symbols);
  Value rhs = materialize(b, loc, binary.getRHS(), symbols);
  switch (expr.getKind()) {
  case AffineExprKind::Add:
    return arith::AddIOp::create(b, loc, lhs, rhs);
  case AffineExprKind::Mul:
    return arith::MulIOp::create(b, loc, lhs, rhs);
  case AffineExprKind::FloorDiv:
    return arith::FloorDivSIOp::create(b, loc, lhs, rhs);
  case AffineExprKind::CeilDiv:
    return arith::CeilDivSIOp::create(b, loc, lhs, rhs);
  case AffineExprKind::Mod: { // of the quotient rounded down, as that of -9 and 4 is 3
    Value quotient = arith::FloorDivSIOp::create(b, loc, lhs, rhs);
    return arith::SubIOp::create(b, loc, lhs, arith::MulIOp::create(b, loc, quotient, rhs));
  }
  default:
    llvm_unreachable("a binary affine expression");
  }
}

SmallVector<Value> HostWriter::symbolsFrom(OpBuilder &b, Location loc, ValueRange sizes) {
  SmallVector<Value> symbols(sizes);
  for (AffineMap microbatch : plan.microbatches)
    symbols.push_back(arith::MinSIOp::create(b, loc, materialize(b, loc, microbatch.getResult(0), sizes),
                                             materialize(b, loc, microbatch.getResult(1), sizes)));
  return symbols;
}

SmallVector<Value> HostWriter::freeSizes(OpBuilder &b, Location loc, Value value) {
  SmallVector<Value> sizes;
  auto type = cast<RankedTensorType>(value.getType());
  for (auto [i, dim] : llvm::enumerate(plan.shapes.lookup(value)))
    if (type.isDynamicDim(i))
      sizes.push_back(materialize(b, loc, dim, symbolValues));
  return sizes;
}

std::pair<double, double> HostWriter::linearInBatch(AffineExpr expr) {
  auto at = [&](int64_t batch) -> double {
    // What the parts of a batch do adds up to what the whole one is.
    SmallVector<AffineExpr> values(plan.symbols.size() + plan.microbatches.size(), getAffineConstantExpr(1, function.getContext()));
    if (!values.empty())
      values[0] = getAffineConstantExpr(batch, function.getContext());
    for (auto [i, microbatch] : llvm::enumerate(plan.microbatches))
      values[plan.symbols.size() + i] = microbatch.getResult(0).replaceSymbols(ArrayRef(values).take_front(plan.symbols.size()));
    auto value = dyn_cast<AffineConstantExpr>(simplifyAffineExpr(expr.replaceSymbols(values), 0, 0));
    return value ? value.getValue() : 0;
  };
  double one = at(1), two = at(2);
  return {2 * one - two, two - one};
}

MemRefType sylvite::memrefOf(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  return MemRefType::get(tensor.getShape(), tensor.getElementType());
}

func::FuncOp HostWriter::createFunction(OpBuilder &b, const llvm::Twine &name, TypeRange arguments, TypeRange results) {
  auto created = func::FuncOp::create(b, function.getLoc(), name.str(), b.getFunctionType(arguments, results));
  created.addEntryBlock();
  return created;
}

int64_t sylvite::describeSize(AffineExpr size) {
  if (auto constant = dyn_cast<AffineConstantExpr>(size))
    return constant.getValue();
  if (auto symbol = dyn_cast<AffineSymbolExpr>(size))
    return -1 - int64_t(symbol.getPosition());
  return std::numeric_limits<int64_t>::min();
}

/// Gives the states and the updated parameters their new values. All reads have happened.
void HostWriter::writeUpdates(OpBuilder &b) {
  Location loc = function.getLoc();
  SmallVector<std::pair<Value, Value>> copies; // from, to
  for (auto [value, update] : llvm::zip_equal(returned().drop_front(plan.numOutputs), plan.updates)) {
    Value owner = viewed(value), memory = memories.lookup(value);
    if (plan.isOldValue(owner, update) || plan.inPlace.count(owner))
      continue;
    if (plan.isUpdated(owner)) {
      Value way = memref::ViewOp::create(b, loc, memrefOf(value.getType()), arena,
                                         offsetOf(plan.waysOut.at(owner)), ValueRange());
      memref::CopyOp::create(b, loc, memory, way);
      memory = way;
    }
    copies.push_back(
        {memory, update.parameter ? weights[plan.table.index.lookup(update.parameter)] : states[update.state]});
  }
  for (auto [from, to] : copies)
    memref::CopyOp::create(b, loc, from, to);
}

DictionaryAttr HostWriter::describe(Value value, Attribute name) {
  Builder b(value.getContext());
  auto shape = llvm::map_to_vector(plan.shapes.lookup(value), describeSize);
  return b.getDictionaryAttr({b.getNamedAttr("name", name ? name : b.getStringAttr("")),
                              b.getNamedAttr("shape", b.getDenseI64ArrayAttr(shape)),
                              b.getNamedAttr("type", TypeAttr::get(getElementTypeOrSelf(value.getType())))});
}

/// The first of the constraints that sizes do not satisfy, or -1.
void HostWriter::writeConstraints(OpBuilder &b, func::FuncOp host, ArrayAttr constraints) {
  Location loc = function.getLoc();
  SmallVector<Type> indices(plan.symbols.size(), b.getIndexType());
  func::FuncOp violated = createFunction(b, name + "_violated", indices, b.getIndexType());
  violated->setAttr("host.violated_of", FlatSymbolRefAttr::get(host));
  b.setInsertionPointToStart(&violated.getBody().front());
  SmallVector<Attribute> texts;
  Value first = arith::ConstantIndexOp::create(b, loc, -1);
  for (size_t i = constraints.size(); i-- > 0;) {
    auto constraint = cast<DictionaryAttr>(constraints[i]);
    AffineMap sides = constraint.getAs<AffineMapAttr>("sides").getValue();
    auto side = [&](unsigned k) { return materialize(b, loc, sides.getResult(k), violated.getArguments()); };
    auto relation = constraint.getAs<BoolAttr>("equal").getValue() ? arith::CmpIPredicate::eq : arith::CmpIPredicate::sge;
    Value holds = arith::CmpIOp::create(b, loc, relation, side(0), side(1));
    first = arith::SelectOp::create(b, loc, holds, first, arith::ConstantIndexOp::create(b, loc, i));
  }
  func::ReturnOp::create(b, loc, first);
  for (Attribute constraint : constraints)
    texts.push_back(cast<DictionaryAttr>(constraint).get("text"));
  host->setAttr("host.constraints", b.getArrayAttr(texts));
}

/// Whether the place that an index says depends on what kernels read.
static bool dependsOnData(Value index) {
  Operation *op = index.getDefiningOp();
  return op && (isa<halide::AtOp>(op) || llvm::any_of(op->getOperands(), dependsOnData));
}

/// Whether kernels read elements of `value`, a parameter or a view of one, that data choose, and no others: those of an embedding.
static bool isLookedUp(Value value) {
  return llvm::all_of(value.getUses(), [](OpOperand &use) {
    if (auto reshape = dyn_cast<nn::ReshapeOp>(use.getOwner()))
      return isLookedUp(reshape.getResult());
    auto call = dyn_cast<halide::CallOp>(use.getOwner());
    return call && llvm::all_of(pipelinesOf(call), [&](halide::PipelineOp pipeline) {
             StringRef input = pipeline.getInputs()[use.getOperandNumber()].getSymName();
             return !pipeline
                         .walk([&](halide::AtOp at) {
                           bool isChosen = at.getFunc() != input || llvm::any_of(at.getIndices(), dependsOnData);
                           return isChosen ? WalkResult::advance() : WalkResult::interrupt();
                         })
                         .wasInterrupted();
           });
  });
}

/// The host function with its arguments and what is known of it, and an empty body.
func::FuncOp HostWriter::createHost(OpBuilder &b) {
  unsigned numSymbols = plan.symbols.size(), numStates = function.getNumArguments() - plan.numInputs;
  SmallVector<Type> arguments(numSymbols, b.getIndexType());
  for (Type type : function.getArgumentTypes().take_front(plan.numInputs))
    arguments.push_back(memrefOf(type));
  for (Type type : function.getResultTypes().take_front(plan.numOutputs))
    arguments.push_back(memrefOf(type));
  for (nn::ParameterOp parameter : plan.table.parameters)
    arguments.push_back(memrefOf(parameter.getTensorType()));
  arguments.append(numStates ? 2 : 1, MemRefType::get({ShapedType::kDynamic}, b.getI8Type()));
  function.setName((name + "_tensors").c_str());
  func::FuncOp host = createFunction(b, name, arguments, {});
  auto names = [&](auto range) {
    SmallVector<Attribute> attributes;
    for (StringRef text : range)
      attributes.push_back(b.getStringAttr(text));
    return b.getArrayAttr(attributes);
  };
  host->setAttr("host.arena", AffineMapAttr::get(plan.arenaSize()));
  host->setAttr("host.live", AffineMapAttr::get(plan.liveSize()));
  if (!plan.microbatches.empty())
    host->setAttr("host.microbatches", b.getAffineMapArrayAttr(plan.microbatches));
  host->setAttr("host.symbols", names(plan.symbols));
  if (Attribute least = function->getAttr("nn.least_sizes"))
    host->setAttr("host.least_sizes", least);
  host->setAttr("host.inputs", b.getI64IntegerAttr(plan.numInputs));
  host->setAttr("host.outputs", b.getI64IntegerAttr(plan.numOutputs));
  host->setAttr("host.parameters", names(llvm::map_range(plan.table.parameters, [](nn::ParameterOp parameter) {
                  return parameter.getSymName();
                })));
  SmallVector<StringRef> updated;
  for (const MemoryPlan::Update &update : plan.updates)
    if (update.parameter)
      updated.push_back(update.parameter);
  host->setAttr("host.updates", names(updated));
  llvm::SmallSetVector<StringRef, 16> readWhole;
  function.walk([&](nn::GetOp get) {
    if (!isLookedUp(get))
      readWhole.insert(get.getParameter());
  });
  host->setAttr("host.read_whole", names(readWhole));
  ValueRange all = host.getArguments();
  inputs = all.slice(numSymbols, plan.numInputs);
  results = all.slice(numSymbols + plan.numInputs, plan.numOutputs);
  weights = all.slice(numSymbols + plan.numInputs + plan.numOutputs, plan.table.parameters.size());
  arena = all.back();
  return host;
}

/// Where each class begins, and where each tensor of it is. Those of microbatches begin at one place, behind all others.
void HostWriter::writeOffsets(OpBuilder &b) {
  Location loc = function.getLoc();
  Value start = arith::ConstantIndexOp::create(b, loc, 0);
  auto write = [&](Value &base, AffineExpr free, const SizeClass &sizeClass) {
    Value unit = materialize(b, loc, free, symbolValues);
    for (auto [i, allocation] : llvm::enumerate(sizeClass.allocations)) {
      Value units = arith::ConstantIndexOp::create(b, loc, allocation.offset);
      Value offset = arith::MulIOp::create(b, loc, units, unit);
      offsets[{free, i}] = arith::AddIOp::create(b, loc, base, offset);
    }
    Value size = arith::ConstantIndexOp::create(b, loc, sizeClass.size);
    base = arith::AddIOp::create(b, loc, base, arith::MulIOp::create(b, loc, size, unit));
  };
  for (auto &[free, sizeClass] : plan.classes)
    if (!plan.microbatchOf(free))
      write(start, free, sizeClass);
  SmallVector<Value> starts(plan.microbatches.size(), start);
  for (auto &[free, sizeClass] : plan.classes)
    if (auto microbatch = plan.microbatchOf(free))
      write(starts[*microbatch], free, sizeClass);
}

/// What the model keeps lies in one block, `memory`, which the handle owns.
void HostWriter::mapStates(OpBuilder &b, func::FuncOp host, Value memory) {
  Location loc = function.getLoc();
  int64_t bytes = 0;
  SmallVector<Attribute> descriptions;
  for (BlockArgument state : function.getArguments().drop_front(plan.numInputs)) {
    descriptions.push_back(describe(state, function.getArgAttrOfType<StringAttr>(state.getArgNumber(), "nn.state")));
    Value offset = arith::ConstantIndexOp::create(b, loc, bytes);
    states.push_back(memref::ViewOp::create(b, loc, memrefOf(state.getType()), memory, offset, ValueRange()));
    memories.map(state, states.back());
    bytes += llvm::alignTo(plan.sizeOf(state).first, arenaAlignment);
  }
  if (states.empty())
    return;
  host->setAttr("host.states", b.getArrayAttr(descriptions));
  host->setAttr("host.state_bytes", b.getI64IntegerAttr(bytes));
}

void HostWriter::writeBody(OpBuilder &b) {
  Location loc = function.getLoc();
  function.walk([&](nn::GetOp get) {
    memories.map(get.getResult(), weights[plan.table.index.lookup(get.getParameter())]);
  });
  writeBlock(b, function.getBody().front());
  for (auto [i, operand] : llvm::enumerate(returned().take_front(plan.numOutputs))) {
    auto output = plan.outputs.find(viewed(operand));
    if (output == plan.outputs.end() || output->second != i)
      memref::CopyOp::create(b, loc, memories.lookup(operand), results[i]);
  }
  writeUpdates(b);
  func::ReturnOp::create(b, loc);
}

/// The functions that callers ask for sizes.
void HostWriter::writeSizes(OpBuilder &b, func::FuncOp host) {
  Location loc = function.getLoc();
  SmallVector<Type> indices(plan.symbols.size(), b.getIndexType());
  auto reference = FlatSymbolRefAttr::get(host);
  b.setInsertionPointAfter(host);
  func::FuncOp arenaBytes = createFunction(b, name + "_arena_bytes", indices, b.getIndexType());
  arenaBytes->setAttr("host.arena_of", reference);
  b.setInsertionPointToStart(&arenaBytes.getBody().front());
  Value bytes;
  SmallVector<Value> symbols = symbolsFrom(b, loc, arenaBytes.getArguments());
  for (AffineExpr size : plan.arenaSize().getResults()) {
    Value sum = materialize(b, loc, size, symbols);
    bytes = bytes ? arith::MaxSIOp::create(b, loc, bytes, sum) : sum;
  }
  func::ReturnOp::create(b, loc, bytes);

  b.setInsertionPointAfter(arenaBytes);
  nn::ShapeExpr dims;
  for (Value result : returned().take_front(plan.numOutputs))
    dims.append(plan.shapes.lookup(result));
  SmallVector<Type> types(dims.size(), b.getIndexType());
  func::FuncOp outputShapes = createFunction(b, name + "_output_shapes", indices, types);
  outputShapes->setAttr("host.shapes_of", reference);
  b.setInsertionPointToStart(&outputShapes.getBody().front());
  SmallVector<Value> sizes;
  for (AffineExpr dim : dims)
    sizes.push_back(materialize(b, loc, dim, outputShapes.getArguments()));
  func::ReturnOp::create(b, loc, sizes);

  if (auto constraints = function->getAttrOfType<ArrayAttr>("nn.size_constraints")) {
    b.setInsertionPointAfter(outputShapes);
    writeConstraints(b, host, constraints);
  }
}

void HostWriter::describeTensors(func::FuncOp host) {
  Builder b(host.getContext());
  SmallVector<Attribute> inputAttributes, outputAttributes;
  for (auto [i, argument] : llvm::enumerate(function.getArguments().take_front(plan.numInputs))) {
    NamedAttrList fields(describe(argument, function.getArgAttr(i, "nn.name")));
    if (Attribute classes = function.getArgAttr(i, "nn.classes"))
      fields.set("classes", classes);
    inputAttributes.push_back(fields.getDictionary(b.getContext()));
  }
  for (auto [i, result] : llvm::enumerate(returned().take_front(plan.numOutputs)))
    outputAttributes.push_back(describe(result, function.getResultAttr(i, "nn.name")));
  host->setAttr("host.input_tensors", b.getArrayAttr(inputAttributes));
  host->setAttr("host.output_tensors", b.getArrayAttr(outputAttributes));
}

void HostWriter::write() {
  OpBuilder b(function);
  func::FuncOp host = createHost(b);
  b.setInsertionPointToStart(&host.getBody().front());
  symbolValues = symbolsFrom(b, function.getLoc(), host.getArguments().take_front(plan.symbols.size()));
  writeOffsets(b);
  memories.map(function.getArguments().take_front(plan.numInputs), inputs);
  mapStates(b, host, ValueRange(host.getArguments()).drop_back().back());
  writeBody(b);
  writeSizes(b, host);
  describeTensors(host);
  function.erase();
}

namespace {
struct PlanMemory : sylvite::impl::PlanMemoryBase<PlanMemory> {
  using PlanMemoryBase::PlanMemoryBase;
  void runOnOperation() override {
    SmallVector<func::FuncOp> functions;
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (!function->hasAttr("host.symbols") && !function.isExternal() &&
          llvm::all_of(function.getResultTypes(), llvm::IsaPred<RankedTensorType>))
        functions.push_back(function);
    ParameterTable table(getOperation());
    for (func::FuncOp function : functions) {
      MemoryPlan plan(function, table);
      if (failed(plan.make()))
        return signalPassFailure();
      plan.layOut();
      HostWriter(plan).write();
    }
  }
};
} // namespace
