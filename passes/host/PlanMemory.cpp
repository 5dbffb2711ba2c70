//===- PlanMemory.cpp - plan-memory ----------------------------------------===//
//
// Gives every tensor of a function its memory. A tensor's size is a constant times a product of free
// dimensions; tensors with the same product form a class, and each class is a region of the arena,
// planned in units of the product, so that one plan fits every batch (Arena.h). A kernel that computes each
// element from the same element of an input which nothing reads afterwards writes over that input: a residual
// connection needs no third tensor.
//
// A loop (nn.scan) becomes scf.for. A step writes its slice of a stacked result where it stays. What is
// carried needs no copy either: a step reads one buffer and writes another, and they change places; a carried
// value that is stacked too is read from the slice of the step before.
//
// A function may change what the model keeps: a parameter (a result with `nn.update`), or a state (`nn.state`).
// A kernel that may write over the old value does; every other new value is copied there when everything else is
// done, because all reads see the old one.
//
//===----------------------------------------------------------------------===//
#include "passes/Passes.h"
#include "passes/host/Arena.h"
#include "passes/host/Tensors.h"

#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringSet.h"

namespace sylvite {
#define GEN_PASS_DEF_PLANMEMORY
#include "passes/Passes.h.inc"
} // namespace sylvite

using namespace mlir;
using namespace sylvite;

/// Alignment of a tensor in the arena: a cache line, which is also the widest vector.
static constexpr int64_t arenaAlignment = 64;

namespace {

/// The parameters that some function of a module reads or changes, in the order of their symbols: the order of
/// the weights. All host functions take all of them.
struct ParameterTable {
  explicit ParameterTable(ModuleOp module) {
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

  SmallVector<nn::ParameterOp> parameters;
  llvm::StringMap<unsigned> index;
};

/// Rewrites one function.
class FunctionPlanner {
public:
  FunctionPlanner(func::FuncOp function, const ParameterTable &table)
      : function(function), context(function.getContext()), table(table) {}
  LogicalResult run();

private:
  LogicalResult computeShapes();
  LogicalResult computeShapes(Block &block);
  LogicalResult checkUpdates();
  void planUpdates();
  void planArena();
  void placeResults(nn::ScanOp scan);
  void computeLives();
  void place(Value value);
  Value findOverwritten(halide::CallOp call);
  void emit();
  void emitUpdates(OpBuilder &b, ValueRange states);
  void emitBlock(OpBuilder &b, Block &block);
  void emitCall(OpBuilder &b, halide::CallOp call);
  void emitScan(OpBuilder &b, nn::ScanOp scan);

  /// Where a tensor is: an allocation of the class of this product of free dimensions.
  struct Place {
    AffineExpr free;
    unsigned allocation;
  };
  Place allocate(int64_t bytes, AffineExpr free, int64_t begin, int64_t end);
  /// Bytes from the start of the arena.
  Value offsetOf(Place place, unsigned copy = 0) { return offsets.lookup({place.free, place.allocation + copy}); }
  /// Constant part and product of free dimensions of the size of `value` in bytes.
  std::pair<int64_t, AffineExpr> sizeOf(Value value);
  /// Whether `value` is what a loop has carried to its end.
  static bool isCarried(Value value) {
    auto scan = value.getDefiningOp<nn::ScanOp>();
    return scan && cast<OpResult>(value).getResultNumber() < scan.getInitial().size();
  }
  /// What a result after the outputs gives a new value: a parameter or a state.
  struct Update {
    StringAttr parameter; ///< null for a state
    unsigned state = 0;   ///< which of the states
  };
  /// Whether `value` is the old value of what some result updates, and of what `update` does.
  bool isUpdated(Value value);
  bool isOldValue(Value value, Update update);
  /// The value that owns the memory of `value`: follows reshapes, slices of sequences, and what a loop
  /// carries to the loop's result.
  Value ownerOf(Value value);
  /// `expr` of the function's symbols as an index value.
  Value materialize(OpBuilder &b, Location loc, AffineExpr expr, ValueRange symbols);
  /// The free dimensions of `value`, as index values.
  SmallVector<Value> freeSizes(OpBuilder &b, Location loc, Value value, ValueRange symbols);
  /// The memory of the value that `value` is a view of, seen as `value`.
  Value viewAs(OpBuilder &b, Location loc, Value value);
  /// Slice `index` of the leading dimension of `memory`, which is `slice`.
  Value sliceView(OpBuilder &b, Location loc, Value memory, Value index, Value slice);
  /// Two numbers: `expr` for no batch, and its growth with the batch; other free dimensions are one.
  std::pair<double, double> linearInBatch(AffineExpr expr);
  func::FuncOp createFunction(OpBuilder &b, StringRef name, TypeRange arguments, TypeRange results);

  func::FuncOp function;
  MLIRContext *context;
  const ParameterTable &table;
  /// Arguments and results that are not what the model keeps: nn.state and nn.update stand after all others.
  unsigned numInputs = 0, numOutputs = 0;
  SmallVector<Update> updates; ///< by the results after the outputs, in order
  SmallVector<StringRef> symbols;
  DenseMap<Value, nn::ShapeExpr> shapes;
  llvm::MapVector<AffineExpr, SizeClass> classes;
  /// Values in the arena. What a loop carries has a second buffer in the allocation behind its own.
  DenseMap<Value, Place> inArena;
  /// Old values of what the model keeps that move elsewhere in it: where they are meanwhile.
  DenseMap<Value, Place> waysOut;
  /// Values whose memory is an output of the function: index of the output.
  DenseMap<Value, unsigned> outputs;
  /// Values that are written over the parameter which they update: its index.
  DenseMap<Value, unsigned> inPlace;
  /// Values of a loop's body that are written into a slice of a stacked result of the loop, or into the
  /// buffer of the next carried value: that result.
  DenseMap<Value, Value> stackedAs, carriedAs;
  /// Carried results that are the last slice of a stacked one.
  DenseMap<Value, Value> lastSliceOf;

  DenseMap<Operation *, int64_t> position, end; ///< of ops, those in loops included
  DenseMap<Value, int64_t> lastUse;            ///< of owners

  // While the host function is emitted.
  ValueRange symbolValues, results, weights;
  Value arena;
  DenseMap<std::pair<AffineExpr, unsigned>, Value> offsets; ///< in the arena, by class and allocation
  IRMapping memories;
};

} // namespace

LogicalResult FunctionPlanner::computeShapes() {
  for (BlockArgument argument : function.getArguments()) {
    auto type = cast<RankedTensorType>(argument.getType());
    auto dims = function.getArgAttrOfType<ArrayAttr>(argument.getArgNumber(), "nn.dims");
    nn::ShapeExpr shape;
    for (int64_t i = 0; i < type.getRank(); ++i) {
      if (!type.isDynamicDim(i)) {
        shape.push_back(getAffineConstantExpr(type.getDimSize(i), context));
        continue;
      }
      StringRef name = dims ? cast<StringAttr>(dims[i]).getValue() : "";
      if (name.empty())
        return function.emitError("argument #")
               << argument.getArgNumber() << " has a free dimension " << i
               << " that nn.dims does not name";
      auto *found = llvm::find(symbols, name);
      shape.push_back(getAffineSymbolExpr(found - symbols.begin(), context));
      if (found == symbols.end())
        symbols.push_back(name);
    }
    shapes[argument] = shape;
  }
  return computeShapes(function.getBody().front());
}

LogicalResult FunctionPlanner::computeShapes(Block &block) {
  for (Operation &op : block.without_terminator()) {
    unsigned none = 0;
    if (auto get = dyn_cast<nn::GetOp>(op)) {
      shapes[get] = nn::shapeWithFreshSymbols(cast<RankedTensorType>(get.getType()), none);
    } else if (auto reshape = dyn_cast<nn::ReshapeOp>(op)) {
      auto shape = reshape.resultShape(op.getLoc(), shapes.lookup(reshape.getInput()));
      if (failed(shape))
        return failure();
      shapes[reshape] = *shape;
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
      auto copyShape = [&](Value from, Value to) {
        nn::ShapeExpr shape = shapes.lookup(from);
        shapes[to] = shape;
      };
      for (auto [initial, argument, result] :
           llvm::zip(scan.getInitial(), scan.getCarriedArguments(), scan.getResults())) {
        copyShape(initial, argument);
        copyShape(initial, result);
      }
      for (auto [sequence, argument] : llvm::zip(scan.getSequences(), scan.getSliceArguments())) {
        copyShape(sequence, argument);
        shapes[argument].erase(shapes[argument].begin());
      }
      if (failed(computeShapes(scan.getBody().front())))
        return failure();
      AffineExpr length = shapes.lookup(scan.getSequences().front())[0];
      for (auto [slice, result] :
           llvm::zip(scan.getYielded().drop_front(scan.getInitial().size()), scan.getStacked())) {
        copyShape(slice, result);
        shapes[result].insert(shapes[result].begin(), length);
      }
    } else {
      return op.emitError("internal error: '") << op.getName() << "' in a host function";
    }
  }
  return success();
}

std::pair<int64_t, AffineExpr> FunctionPlanner::sizeOf(Value value) {
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

Value FunctionPlanner::ownerOf(Value value) {
  while (true) {
    value = viewed(value);
    auto argument = dyn_cast<BlockArgument>(value);
    auto scan = argument ? dyn_cast<nn::ScanOp>(argument.getOwner()->getParentOp()) : nullptr;
    if (!scan)
      return lastSliceOf.count(value) ? lastSliceOf.lookup(value) : value;
    unsigned number = argument.getArgNumber(), carried = scan.getInitial().size();
    value = number < carried ? scan.getResult(number) : scan.getSequences()[number - carried];
  }
}

/// Decides which values of the loop's body need no memory of their own.
void FunctionPlanner::placeResults(nn::ScanOp scan) {
  Block *body = &scan.getBody().front();
  unsigned numCarried = scan.getInitial().size();
  auto computedInBody = [&](Value value) {
    return value.getDefiningOp<halide::CallOp>() && value.getParentBlock() == body;
  };
  auto sliceOf = [&](Value stacked) {
    return scan.getYielded()[cast<OpResult>(stacked).getResultNumber()];
  };
  for (auto [yielded, result] : llvm::zip(scan.getYielded().drop_front(numCarried), scan.getStacked()))
    if (Value value = viewed(yielded); computedInBody(value))
      stackedAs.try_emplace(value, result);
  for (auto [yielded, result] : llvm::zip(scan.getYielded(), scan.getResults().take_front(numCarried))) {
    Value value = viewed(yielded), stacked = stackedAs.lookup(value);
    if (stacked && sliceOf(stacked).getType() == yielded.getType())
      lastSliceOf[result] = stacked;
    else if (!stacked && computedInBody(value))
      carriedAs.try_emplace(value, result);
  }
}

/// Numbers all ops and finds the last use of each owner of memory. What is used in a loop, but defined
/// before it, lives until the loop ends.
void FunctionPlanner::computeLives() {
  int64_t next = 0;
  auto number = [&](auto &&self, Block &block) -> void {
    for (Operation &op : block) {
      position[&op] = next++;
      if (auto scan = dyn_cast<nn::ScanOp>(op))
        self(self, scan.getBody().front());
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

FunctionPlanner::Place FunctionPlanner::allocate(int64_t bytes, AffineExpr free, int64_t begin, int64_t end) {
  SizeClass &sizeClass = classes[free];
  sizeClass.allocations.push_back({int64_t(llvm::alignTo(bytes, arenaAlignment)), begin, end});
  return {free, unsigned(sizeClass.allocations.size()) - 1};
}

/// Gives `value` memory in the arena, that of an input where it may be written over it.
void FunctionPlanner::place(Value value) {
  auto [constant, free] = sizeOf(value);
  Operation *op = value.getDefiningOp();
  int64_t last = std::max(lastUse[value], end[op]);
  auto call = dyn_cast<halide::CallOp>(op);
  if (Value overwritten = call ? findOverwritten(call) : Value()) {
    Place at = inArena.lookup(overwritten);
    classes[at.free].allocations[at.allocation].end = last; // of the owner, whose product may stand in another order
    inArena[value] = at;
    return;
  }
  inArena[value] = allocate(constant, free, position[op], last);
  if (isCarried(value))
    allocate(constant, free, position[op], last);
}

/// Whether each element of the pipeline's result is computed once, and from no other element of `input` than the one at
/// its own place: the result may then be written over that input.
static bool readsOnlyItsPlace(halide::PipelineOp pipeline, StringRef input) {
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
  // Vectors that overlap would compute an element twice.
  pipeline.walk([&](Operation *op) {
    if (auto split = dyn_cast<halide::SplitOp>(op))
      elsewhere |= split.getTail() == halide::TailStrategy::ShiftInwards;
    else if (auto vectorize = dyn_cast<halide::VectorizeOp>(op))
      elsewhere |= vectorize.getTail() == halide::TailStrategy::ShiftInwards;
  });
  return !elsewhere;
}

/// The kernel that a call runs and, where it has one, that for a single item.
static SmallVector<halide::PipelineOp, 2> pipelinesOf(halide::CallOp call) {
  SmallVector<halide::PipelineOp, 2> pipelines;
  for (FlatSymbolRefAttr name : {call.getPipelineAttr(), call.getSingleAttr()})
    if (auto pipeline = name ? SymbolTable::lookupNearestSymbolFrom<halide::PipelineOp>(call, name) : nullptr)
      pipelines.push_back(pipeline);
  return pipelines;
}

/// Whether the only result of `call` may be written over those of its inputs that `isOld` says.
static bool mayWriteOver(halide::CallOp call, function_ref<bool(Value)> isOld) {
  SmallVector<halide::PipelineOp, 2> pipelines = pipelinesOf(call);
  if (call.getNumResults() != 1 || pipelines.empty())
    return false;
  for (auto [i, input] : llvm::enumerate(call.getInputs()))
    if (isOld(input) && (input.getType() != call.getResult(0).getType() ||
                         !llvm::all_of(pipelines, [i = i](halide::PipelineOp pipeline) {
                           return readsOnlyItsPlace(pipeline, pipeline.getInputs()[i].getSymName());
                         })))
      return false;
  return true;
}

/// The owner of memory that the result of `call` is written over: an input of its size which nothing reads later.
Value FunctionPlanner::findOverwritten(halide::CallOp call) {
  Value result = call.getResult(0);
  for (Value input : call.getInputs()) {
    Value owner = viewed(input);
    auto isOwner = [&](Value other) { return viewed(other) == owner; };
    if (inArena.contains(owner) && owner.getParentBlock() == call->getBlock() && lastUse[owner] == position[call] &&
        shapes.lookup(input) == shapes.lookup(result) && mayWriteOver(call, isOwner))
      return owner;
  }
  return {};
}

/// Finds the updates that are written in place.
void FunctionPlanner::planUpdates() {
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
    if (mayWriteOver(call, isOld))
      inPlace.try_emplace(value, table.index.lookup(update.parameter));
  }
}

void FunctionPlanner::planArena() {
  function.walk([&](nn::ScanOp scan) { placeResults(scan); });
  computeLives();
  // A result that a kernel or a loop's steps compute is written where the caller wants it.
  for (auto [i, operand] : llvm::enumerate(
           function.getBody().front().getTerminator()->getOperands().take_front(numOutputs))) {
    Value value = viewed(operand);
    if (isa_and_nonnull<halide::CallOp, nn::ScanOp>(value.getDefiningOp()) && !isCarried(value))
      outputs.try_emplace(value, i);
  }
  planUpdates();
  function.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (isa<halide::CallOp, nn::ScanOp>(op))
      for (Value value : op->getResults())
        if (!outputs.count(value) && !inPlace.count(value) && !stackedAs.count(value) && !carriedAs.count(value) &&
            !lastSliceOf.count(value))
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
  for (auto &entry : classes)
    entry.second.plan();
}

Value FunctionPlanner::materialize(OpBuilder &b, Location loc, AffineExpr expr,
                                   ValueRange symbolValues) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return arith::ConstantIndexOp::create(b, loc, constant.getValue());
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr))
    return symbolValues[symbol.getPosition()];
  auto binary = cast<AffineBinaryOpExpr>(expr);
  Value lhs = materialize(b, loc, binary.getLHS(), symbolValues);
  Value rhs = materialize(b, loc, binary.getRHS(), symbolValues);
  switch (expr.getKind()) {
  case AffineExprKind::Add:
    return arith::AddIOp::create(b, loc, lhs, rhs);
  case AffineExprKind::Mul:
    return arith::MulIOp::create(b, loc, lhs, rhs);
  case AffineExprKind::FloorDiv:
    return arith::FloorDivSIOp::create(b, loc, lhs, rhs);
  case AffineExprKind::CeilDiv:
    return arith::CeilDivSIOp::create(b, loc, lhs, rhs);
  case AffineExprKind::Mod:
    return arith::RemSIOp::create(b, loc, lhs, rhs);
  default:
    llvm_unreachable("a binary affine expression");
  }
}

SmallVector<Value> FunctionPlanner::freeSizes(OpBuilder &b, Location loc, Value value,
                                              ValueRange symbolValues) {
  SmallVector<Value> sizes;
  auto type = cast<RankedTensorType>(value.getType());
  for (auto [i, dim] : llvm::enumerate(shapes.lookup(value)))
    if (type.isDynamicDim(i))
      sizes.push_back(materialize(b, loc, dim, symbolValues));
  return sizes;
}

std::pair<double, double> FunctionPlanner::linearInBatch(AffineExpr expr) {
  auto at = [&](int64_t batch) -> double {
    SmallVector<AffineExpr> values(symbols.size(), getAffineConstantExpr(1, context));
    if (!values.empty())
      values[0] = getAffineConstantExpr(batch, context);
    auto value = dyn_cast<AffineConstantExpr>(simplifyAffineExpr(expr.replaceSymbols(values), 0, 0));
    return value ? value.getValue() : 0;
  };
  double one = at(1), two = at(2);
  return {2 * one - two, two - one};
}

static MemRefType memrefOf(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  return MemRefType::get(tensor.getShape(), tensor.getElementType());
}

func::FuncOp FunctionPlanner::createFunction(OpBuilder &b, StringRef name, TypeRange arguments,
                                             TypeRange results) {
  auto created = func::FuncOp::create(b, function.getLoc(), name,
                                      b.getFunctionType(arguments, results));
  created.addEntryBlock();
  return created;
}

/// The strides of a dense row-major array of `sizes`.
static SmallVector<OpFoldResult> denseStrides(OpBuilder &b, Location loc,
                                              ArrayRef<OpFoldResult> sizes) {
  SmallVector<OpFoldResult> strides(sizes.size());
  OpFoldResult stride = b.getIndexAttr(1);
  auto valueOf = [&](OpFoldResult folded) -> Value {
    if (auto attribute = dyn_cast<Attribute>(folded))
      return arith::ConstantIndexOp::create(b, loc, cast<IntegerAttr>(attribute).getInt());
    return cast<Value>(folded);
  };
  for (int64_t i = sizes.size() - 1; i >= 0; --i) {
    strides[i] = stride;
    if (i == 0)
      break;
    if (auto size = dyn_cast<Attribute>(sizes[i]); size && isa<Attribute>(stride))
      stride = b.getIndexAttr(cast<IntegerAttr>(size).getInt() *
                              cast<IntegerAttr>(cast<Attribute>(stride)).getInt());
    else
      stride = OpFoldResult(
          arith::MulIOp::create(b, loc, valueOf(stride), valueOf(sizes[i])).getResult());
  }
  return strides;
}

/// The sizes of `shape` with the free ones from `free`, in order.
static SmallVector<OpFoldResult> mixSizes(OpBuilder &b, ArrayRef<int64_t> shape, ValueRange free) {
  SmallVector<OpFoldResult> sizes;
  unsigned next = 0;
  for (int64_t dim : shape)
    sizes.push_back(ShapedType::isDynamic(dim) ? OpFoldResult(free[next++])
                                               : OpFoldResult(b.getIndexAttr(dim)));
  return sizes;
}

Value FunctionPlanner::viewAs(OpBuilder &b, Location loc, Value value) {
  Value owner = viewed(value);
  MemRefType type = memrefOf(value.getType());
  SmallVector<Value> sizes = freeSizes(b, loc, value, symbolValues);
  if (auto at = inArena.find(owner); at != inArena.end() && !isCarried(owner))
    return memref::ViewOp::create(b, loc, type, arena, offsetOf(at->second), sizes);
  Value memory = memories.lookup(owner);
  if (memory.getType() == type && type.hasStaticShape())
    return memory;
  SmallVector<OpFoldResult> mixedSizes = mixSizes(b, type.getShape(), sizes);
  return memref::ReinterpretCastOp::create(b, loc, type, memory, b.getIndexAttr(0), mixedSizes,
                                           denseStrides(b, loc, mixedSizes));
}

Value FunctionPlanner::sliceView(OpBuilder &b, Location loc, Value memory, Value index, Value slice) {
  auto source = cast<MemRefType>(memory.getType());
  ArrayRef<int64_t> shape = cast<RankedTensorType>(slice.getType()).getShape();
  SmallVector<OpFoldResult> starts(source.getRank(), b.getIndexAttr(0)),
      strides(source.getRank(), b.getIndexAttr(1)),
      sizes = mixSizes(b, shape, freeSizes(b, loc, slice, symbolValues));
  starts[0] = index;
  sizes.insert(sizes.begin(), b.getIndexAttr(1));
  auto type = cast<MemRefType>(
      memref::SubViewOp::inferRankReducedResultType(shape, source, starts, sizes, strides));
  return memref::SubViewOp::create(b, loc, type, memory, starts, sizes, strides);
}

void FunctionPlanner::emitBlock(OpBuilder &b, Block &block) {
  for (Operation &op : block.without_terminator()) {
    if (auto reshape = dyn_cast<nn::ReshapeOp>(op))
      memories.map(reshape.getResult(), viewAs(b, op.getLoc(), reshape.getResult()));
    else if (auto call = dyn_cast<halide::CallOp>(op))
      emitCall(b, call);
    else if (auto scan = dyn_cast<nn::ScanOp>(op))
      emitScan(b, scan);
  }
}

void FunctionPlanner::emitCall(OpBuilder &b, halide::CallOp call) {
  Location loc = function.getLoc();
  SmallVector<Value> ins, outs;
  AffineExpr bytes = getAffineConstantExpr(0, context);
  auto addBytes = [&](Value tensor) {
    auto [constant, free] = sizeOf(tensor);
    bytes = bytes + free * constant;
  };
  for (Value value : call.getResults()) {
    // What is written elsewhere may be seen there through a reshape; in a loop it has its place already.
    if (auto output = outputs.find(value); output != outputs.end())
      memories.map(value, results[output->second]);
    else if (auto parameter = inPlace.find(value); parameter != inPlace.end())
      memories.map(value, weights[parameter->second]);
    memories.map(value, viewAs(b, loc, value));
    outs.push_back(memories.lookup(value));
  }
  for (Value input : call.getInputs()) {
    ins.push_back(memories.lookup(input));
    addBytes(input);
  }
  for (Value value : call.getResults())
    addBytes(value);
  auto launch = halide::LaunchOp::create(b, call.getLoc(), call.getPipelineAttr(),
                                         call.getSingleAttr(), ins, outs);
  launch->setAttr("layers", call->getAttr("layers"));
  Value first = call.getResult(0);
  auto [constant, free] = sizeOf(first);
  int64_t perElement = call->getAttrOfType<IntegerAttr>("flops_per_element").getInt();
  auto [flops, flopsPerItem] = linearInBatch(free);
  double scale = double(perElement) * constant / bytesPerElement(getElementTypeOrSelf(first));
  auto [fixedBytes, bytesPerItem] = linearInBatch(bytes);
  launch->setAttr("flops", b.getDenseF64ArrayAttr({flops * scale, flopsPerItem * scale}));
  launch->setAttr("bytes", b.getDenseF64ArrayAttr({fixedBytes, bytesPerItem}));
}

/// `memory` as a dense array that may begin anywhere, the type of what a loop carries.
static Value anywhere(OpBuilder &b, Location loc, Value memory) {
  auto type = cast<MemRefType>(memory.getType());
  auto [strides, offset] = MemRefType::get(type.getShape(), type.getElementType()).getStridesAndOffset();
  auto layout = StridedLayoutAttr::get(b.getContext(), ShapedType::kDynamic, strides);
  auto moved = MemRefType::get(type.getShape(), type.getElementType(), layout);
  return type == moved ? memory : Value(memref::CastOp::create(b, loc, moved, memory));
}

void FunctionPlanner::emitScan(OpBuilder &b, nn::ScanOp scan) {
  Location loc = scan.getLoc();
  for (Value stacked : scan.getStacked()) {
    if (auto output = outputs.find(stacked); output != outputs.end())
      memories.map(stacked, results[output->second]);
    memories.map(stacked, viewAs(b, loc, stacked));
  }
  unsigned numCarried = scan.getInitial().size();
  auto isLastSlice = [&](unsigned i) { return lastSliceOf.count(scan.getResult(i)); };
  // Per carried value what a step reads and, unless it is a slice, what it writes and what the next one
  // will write. The first step reads the initial value where it is.
  SmallVector<Value> initial;
  for (unsigned i = 0; i < numCarried; ++i) {
    initial.push_back(anywhere(b, loc, memories.lookup(scan.getInitial()[i])));
    if (isLastSlice(i))
      continue;
    Value result = scan.getResult(i);
    for (unsigned copy : {0u, 1u}) {
      Value buffer = memref::ViewOp::create(b, loc, memrefOf(result.getType()), arena,
                                            offsetOf(inArena.at(result), copy),
                                            freeSizes(b, loc, result, symbolValues));
      initial.push_back(anywhere(b, loc, buffer));
    }
  }
  AffineExpr lengthExpr = shapes.lookup(scan.getSequences().front())[0];
  Value zero = arith::ConstantIndexOp::create(b, loc, 0), one = arith::ConstantIndexOp::create(b, loc, 1);
  Value length = materialize(b, loc, lengthExpr, symbolValues);
  Value last = arith::SubIOp::create(b, loc, length, one);
  auto body = [&](OpBuilder &b, Location loc, Value step, ValueRange buffers) {
    Value backwards;
    auto indexOf = [&](bool reversed) {
      if (reversed && !backwards)
        backwards = arith::SubIOp::create(b, loc, last, step);
      return reversed ? backwards : step;
    };
    for (auto [i, argument] : llvm::enumerate(scan.getSliceArguments()))
      memories.map(argument, sliceView(b, loc, memories.lookup(scan.getSequences()[i]),
                                       indexOf(scan.isSequenceReversed(i)), argument));
    SmallVector<Value> target(numCarried); // of what is carried on
    for (unsigned i = 0, next = 0; i < numCarried; ++i) {
      memories.map(scan.getCarriedArguments()[i], buffers[next++]);
      if (isLastSlice(i))
        continue;
      target[i] = buffers[next];
      next += 2;
    }
    SmallVector<Value> slices;
    for (auto [j, stacked] : llvm::enumerate(scan.getStacked()))
      slices.push_back(sliceView(b, loc, memories.lookup(stacked), indexOf(scan.isStackedReversed(j)),
                                 scan.getYielded()[numCarried + j]));
    // Kernels of the body write what is yielded where it goes; the rest is copied there at the end.
    SmallVector<std::pair<Value, Value>> copies;
    auto place = [&](Value yielded, Value result, const DenseMap<Value, Value> &writtenAs, Value memory) {
      Value value = viewed(yielded);
      if (writtenAs.lookup(value) == result)
        memories.map(value, memory);
      else
        copies.push_back({yielded, memory});
    };
    for (auto [j, stacked] : llvm::enumerate(scan.getStacked()))
      place(scan.getYielded()[numCarried + j], stacked, stackedAs, slices[j]);
    for (unsigned i = 0; i < numCarried; ++i)
      if (!isLastSlice(i))
        place(scan.getYielded()[i], scan.getResult(i), carriedAs, target[i]);
    emitBlock(b, scan.getBody().front());
    for (auto [yielded, memory] : copies)
      memref::CopyOp::create(b, loc, memories.lookup(yielded), memory);
    SmallVector<Value> next;
    for (unsigned i = 0, k = 0; i < numCarried; ++i) {
      if (isLastSlice(i)) {
        unsigned j = cast<OpResult>(lastSliceOf.lookup(scan.getResult(i))).getResultNumber() - numCarried;
        next.push_back(anywhere(b, loc, slices[j]));
        ++k;
        continue;
      }
      next.append({buffers[k + 1], buffers[k + 2], buffers[k + 1]});
      k += 3;
    }
    scf::YieldOp::create(b, loc, next);
  };
  auto loop = scf::ForOp::create(b, loc, zero, length, one, initial, body);
  for (unsigned i = 0, k = 0; i < numCarried; ++i) {
    memories.map(scan.getResult(i), loop.getResult(k));
    k += isLastSlice(i) ? 1 : 3;
  }
}

bool FunctionPlanner::isOldValue(Value value, Update update) {
  if (auto get = value.getDefiningOp<nn::GetOp>())
    return get.getParameterAttr().getAttr() == update.parameter;
  return !update.parameter && value == function.getArgument(numInputs + update.state);
}

bool FunctionPlanner::isUpdated(Value value) {
  return llvm::any_of(updates, [&](Update update) { return isOldValue(value, update); });
}

/// Gives the states and the updated parameters their new values. All reads have happened.
void FunctionPlanner::emitUpdates(OpBuilder &b, ValueRange states) {
  Location loc = function.getLoc();
  SmallVector<std::pair<Value, Value>> copies; // from, to
  OperandRange returned = function.getBody().front().getTerminator()->getOperands();
  for (auto [value, update] : llvm::zip_equal(returned.drop_front(numOutputs), updates)) {
    Value owner = viewed(value), memory = memories.lookup(value);
    if (isOldValue(owner, update) || inPlace.count(owner))
      continue;
    if (isUpdated(owner)) {
      Value way = memref::ViewOp::create(b, loc, memrefOf(value.getType()), arena,
                                         offsetOf(waysOut.at(owner)), ValueRange());
      memref::CopyOp::create(b, loc, memory, way);
      memory = way;
    }
    copies.push_back(
        {memory, update.parameter ? weights[table.index.lookup(update.parameter)] : states[update.state]});
  }
  for (auto [from, to] : copies)
    memref::CopyOp::create(b, loc, from, to);
}

void FunctionPlanner::emit() {
  OpBuilder b(function);
  Location loc = function.getLoc();
  std::string name = function.getName().str();
  unsigned numSymbols = symbols.size();
  Operation *terminator = function.getBody().front().getTerminator();

  SmallVector<Type> arguments(numSymbols, b.getIndexType());
  for (Type type : function.getArgumentTypes().take_front(numInputs))
    arguments.push_back(memrefOf(type));
  for (Type type : function.getResultTypes().take_front(numOutputs))
    arguments.push_back(memrefOf(type));
  for (nn::ParameterOp parameter : table.parameters)
    arguments.push_back(memrefOf(parameter.getTensorType()));
  unsigned numStates = function.getNumArguments() - numInputs;
  arguments.append(numStates ? 2 : 1, MemRefType::get({ShapedType::kDynamic}, b.getI8Type()));
  function.setName((name + "_tensors").c_str());
  func::FuncOp host = createFunction(b, name, arguments, {});
  auto names = [&](auto range) {
    SmallVector<Attribute> attributes;
    for (StringRef text : range)
      attributes.push_back(b.getStringAttr(text));
    return b.getArrayAttr(attributes);
  };
  auto parameterName = [](nn::ParameterOp parameter) { return parameter.getSymName(); };
  AffineExpr arenaExpr = getAffineConstantExpr(0, context), liveExpr = arenaExpr;
  for (auto &[free, sizeClass] : classes) {
    arenaExpr = arenaExpr + free * sizeClass.size;
    liveExpr = liveExpr + free * sizeClass.liveSize();
  }
  host->setAttr("host.arena", AffineMapAttr::get(AffineMap::get(0, numSymbols, arenaExpr)));
  host->setAttr("host.live", AffineMapAttr::get(AffineMap::get(0, numSymbols, liveExpr)));
  host->setAttr("host.symbols", names(symbols));
  host->setAttr("host.inputs", b.getI64IntegerAttr(numInputs));
  host->setAttr("host.outputs", b.getI64IntegerAttr(numOutputs));
  host->setAttr("host.parameters", names(llvm::map_range(table.parameters, parameterName)));
  SmallVector<StringRef> updated;
  for (const Update &update : updates)
    if (update.parameter)
      updated.push_back(update.parameter);
  host->setAttr("host.updates", names(updated));

  ValueRange all = host.getArguments();
  symbolValues = all.take_front(numSymbols);
  results = all.slice(numSymbols + numInputs, numOutputs);
  weights = all.slice(numSymbols + numInputs + numOutputs, table.parameters.size());
  ValueRange inputs = all.slice(numSymbols, numInputs);
  arena = all.back();
  b.setInsertionPointToStart(&host.getBody().front());

  // Where each class begins, and where each tensor of it is.
  Value base = arith::ConstantIndexOp::create(b, loc, 0);
  for (auto &[free, sizeClass] : classes) {
    Value unit = materialize(b, loc, free, symbolValues);
    for (auto [i, allocation] : llvm::enumerate(sizeClass.allocations)) {
      Value units = arith::ConstantIndexOp::create(b, loc, allocation.offset);
      Value offset = arith::MulIOp::create(b, loc, units, unit);
      offsets[{free, i}] = arith::AddIOp::create(b, loc, base, offset);
    }
    Value size = arith::ConstantIndexOp::create(b, loc, sizeClass.size);
    base = arith::AddIOp::create(b, loc, base, arith::MulIOp::create(b, loc, size, unit));
  }

  memories.map(function.getArguments().take_front(numInputs), inputs);
  // What the model keeps lies in one block, which the handle owns.
  int64_t stateBytes = 0;
  SmallVector<Value> states;
  for (Value state : function.getArguments().drop_front(numInputs)) {
    Value offset = arith::ConstantIndexOp::create(b, loc, stateBytes);
    states.push_back(memref::ViewOp::create(b, loc, memrefOf(state.getType()), all.drop_back().back(),
                                            offset, ValueRange()));
    memories.map(state, states.back());
    stateBytes += llvm::alignTo(sizeOf(state).first, arenaAlignment);
  }
  if (stateBytes)
    host->setAttr("host.state", b.getI64IntegerAttr(stateBytes));
  function.walk([&](nn::GetOp get) {
    memories.map(get.getResult(), weights[table.index.lookup(get.getParameter())]);
  });
  emitBlock(b, function.getBody().front());
  OperandRange returned = terminator->getOperands();
  for (auto [i, operand] : llvm::enumerate(returned.take_front(numOutputs))) {
    auto output = outputs.find(viewed(operand));
    if (output != outputs.end() && output->second == i)
      continue;
    memref::CopyOp::create(b, loc, memories.lookup(operand), results[i]);
  }
  emitUpdates(b, states);
  returned = returned.take_front(numOutputs);
  func::ReturnOp::create(b, loc);

  // The sizes that callers ask for.
  b.setInsertionPointAfter(host);
  SmallVector<Type> indices(numSymbols, b.getIndexType());
  auto reference = FlatSymbolRefAttr::get(context, name);
  func::FuncOp arenaBytes = createFunction(b, name + "_arena_bytes", indices, b.getIndexType());
  arenaBytes->setAttr("host.arena_of", reference);
  b.setInsertionPointToStart(&arenaBytes.getBody().front());
  func::ReturnOp::create(b, loc, materialize(b, loc, arenaExpr, arenaBytes.getArguments()));

  b.setInsertionPointAfter(arenaBytes);
  SmallVector<Type> dims;
  for (Value result : returned)
    dims.append(shapes.lookup(result).size(), b.getIndexType());
  func::FuncOp outputShapes = createFunction(b, name + "_output_shapes", indices, dims);
  outputShapes->setAttr("host.shapes_of", reference);
  b.setInsertionPointToStart(&outputShapes.getBody().front());
  SmallVector<Value> sizes;
  SmallVector<Attribute> inputAttributes, outputAttributes;
  for (Value result : returned)
    for (AffineExpr dim : shapes.lookup(result))
      sizes.push_back(materialize(b, loc, dim, outputShapes.getArguments()));
  func::ReturnOp::create(b, loc, sizes);

  // What a user knows the arrays by: name and shape in terms of the symbols.
  auto describe = [&](Value value, Attribute arrayName) {
    SmallVector<int64_t> shape;
    for (AffineExpr dim : shapes.lookup(value)) {
      if (auto constant = dyn_cast<AffineConstantExpr>(dim))
        shape.push_back(constant.getValue());
      else if (auto symbol = dyn_cast<AffineSymbolExpr>(dim))
        shape.push_back(-1 - int64_t(symbol.getPosition()));
      else
        shape.push_back(std::numeric_limits<int64_t>::min());
    }
    return b.getDictionaryAttr(
        {b.getNamedAttr("name", arrayName ? arrayName : b.getStringAttr("")),
         b.getNamedAttr("shape", b.getDenseI64ArrayAttr(shape)),
         b.getNamedAttr("type", TypeAttr::get(getElementTypeOrSelf(value.getType())))});
  };
  for (BlockArgument argument : function.getArguments().take_front(numInputs)) {
    unsigned i = argument.getArgNumber();
    NamedAttrList fields(describe(argument, function.getArgAttr(i, "nn.name")));
    if (Attribute classes = function.getArgAttr(i, "nn.classes"))
      fields.set("classes", classes);
    inputAttributes.push_back(fields.getDictionary(b.getContext()));
  }
  for (auto [i, result] : llvm::enumerate(returned))
    outputAttributes.push_back(describe(result, function.getResultAttr(i, "nn.name")));
  host->setAttr("host.input_tensors", b.getArrayAttr(inputAttributes));
  host->setAttr("host.output_tensors", b.getArrayAttr(outputAttributes));
  function.erase();
}

/// Reads off what the results change, in a form that need not be checked again.
LogicalResult FunctionPlanner::checkUpdates() {
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

LogicalResult FunctionPlanner::run() {
  while (numInputs < function.getNumArguments() && !function.getArgAttr(numInputs, "nn.state"))
    ++numInputs;
  auto isKept = [&](unsigned i) {
    return function.getResultAttr(i, "nn.state") || function.getResultAttr(i, "nn.update");
  };
  while (numOutputs < function.getNumResults() && !isKept(numOutputs))
    ++numOutputs;
  if (failed(checkUpdates()) || failed(computeShapes()))
    return failure();
  planArena();
  emit();
  return success();
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
    for (func::FuncOp function : functions)
      if (failed(FunctionPlanner(function, table).run()))
        return signalPassFailure();
  }
};
} // namespace
