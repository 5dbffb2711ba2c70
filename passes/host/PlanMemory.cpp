//===- PlanMemory.cpp - plan-memory ----------------------------------------===//
//
// Gives every tensor of a function its memory. A tensor's size is a constant times a product of free
// dimensions; tensors with the same product form a class, and each class is a region of the arena,
// planned in units of the product, so that one plan fits every batch. Within a class, tensors whose
// lives do not overlap share bytes: largest first, each at the lowest free offset.
//
//===----------------------------------------------------------------------===//
#include "passes/Passes.h"

#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/MapVector.h"

namespace sylvite {
#define GEN_PASS_DEF_PLANMEMORY
#include "passes/Passes.h.inc"
} // namespace sylvite

using namespace mlir;
using namespace sylvite;

/// Alignment of a tensor in the arena: a cache line, which is also the widest vector.
static constexpr int64_t arenaAlignment = 64;

static int64_t bytesPerElement(Type type) {
  return llvm::divideCeil(type.isIndex() ? 64 : type.getIntOrFloatBitWidth(), 8);
}

namespace {

/// A tensor that lives in the arena.
struct Allocation {
  Value value;
  int64_t size; ///< bytes per unit of its class
  int64_t begin, end;
  int64_t offset = 0;
};

/// Tensors of sizes proportional to one product of free dimensions.
struct SizeClass {
  SmallVector<Allocation> allocations;
  int64_t size = 0;

  /// Chooses offsets.
  void plan() {
    SmallVector<Allocation *> order;
    for (Allocation &allocation : allocations)
      order.push_back(&allocation);
    llvm::stable_sort(order, [](Allocation *a, Allocation *b) { return a->size > b->size; });
    SmallVector<Allocation *> placed; // by offset
    for (Allocation *allocation : order) {
      int64_t offset = 0;
      for (Allocation *other : placed) {
        if (other->end < allocation->begin || allocation->end < other->begin)
          continue;
        if (offset + allocation->size <= other->offset)
          break;
        offset = std::max(offset, other->offset + other->size);
      }
      allocation->offset = offset;
      placed.insert(llvm::upper_bound(placed, allocation,
                                      [](Allocation *a, Allocation *b) {
                                        return a->offset < b->offset;
                                      }),
                    allocation);
      size = std::max(size, offset + allocation->size);
    }
  }

  /// The largest sum of sizes that live at once: no plan needs less.
  int64_t liveSize() const {
    int64_t most = 0;
    for (const Allocation &at : allocations) {
      int64_t live = 0;
      for (const Allocation &other : allocations)
        if (other.begin <= at.begin && at.begin <= other.end)
          live += other.size;
      most = std::max(most, live);
    }
    return most;
  }
};

/// Rewrites one function.
class FunctionPlanner {
public:
  FunctionPlanner(func::FuncOp function) : function(function), context(function.getContext()) {}
  LogicalResult run();

private:
  LogicalResult computeShapes();
  void planArena();
  void emit();

  /// Constant part and product of free dimensions of the size of `value` in bytes.
  std::pair<int64_t, AffineExpr> sizeOf(Value value);
  /// Follows reshapes to the value that owns the memory.
  static Value root(Value value) {
    while (auto reshape = value.getDefiningOp<nn::ReshapeOp>())
      value = reshape.getInput();
    return value;
  }
  /// `expr` of the function's symbols as an index value.
  Value materialize(OpBuilder &b, Location loc, AffineExpr expr, ValueRange symbols);
  /// The free dimensions of `value`, as index values.
  SmallVector<Value> freeSizes(OpBuilder &b, Location loc, Value value, ValueRange symbols);
  /// Two numbers: `expr` for no batch, and its growth with the batch; other free dimensions are one.
  std::pair<double, double> linearInBatch(AffineExpr expr);
  func::FuncOp createFunction(OpBuilder &b, StringRef name, TypeRange arguments, TypeRange results);

  func::FuncOp function;
  MLIRContext *context;
  SmallVector<StringRef> symbols;
  DenseMap<Value, nn::ShapeExpr> shapes;
  llvm::MapVector<AffineExpr, SizeClass> classes;
  /// Values whose memory is an output of the function: index of the output.
  DenseMap<Value, unsigned> outputs;
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
  for (Operation &op : function.getBody().front().without_terminator()) {
    unsigned none = 0;
    if (auto get = dyn_cast<nn::GetOp>(op)) {
      shapes[get] = nn::shapeWithFreshSymbols(cast<RankedTensorType>(get.getType()), none);
    } else if (auto reshape = dyn_cast<nn::ReshapeOp>(op)) {
      auto shape = reshape.resultShape(op.getLoc(), shapes.lookup(reshape.getInput()));
      if (failed(shape))
        return failure();
      shapes[reshape] = *shape;
    } else if (auto call = dyn_cast<halide::CallOp>(op)) {
      SmallVector<AffineExpr> free; // what the symbols of the call's shape stand for
      for (Value input : call.getInputs())
        for (auto [i, dim] : llvm::enumerate(cast<RankedTensorType>(input.getType()).getShape()))
          if (ShapedType::isDynamic(dim))
            free.push_back(shapes.lookup(input)[i]);
      auto map = call->getAttrOfType<AffineMapAttr>("shape");
      if (!map || map.getValue().getNumSymbols() != free.size())
        return call.emitError("internal error: a call without a shape");
      nn::ShapeExpr shape;
      for (AffineExpr dim : map.getValue().getResults())
        shape.push_back(dim.replaceSymbols(free));
      shapes[call.getResult(0)] = shape;
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

void FunctionPlanner::planArena() {
  Block &body = function.getBody().front();
  DenseMap<Operation *, int64_t> position;
  for (Operation &op : body)
    position[&op] = position.size();
  // A result that a kernel computes is written where the caller wants it.
  for (auto [i, operand] : llvm::enumerate(body.getTerminator()->getOperands())) {
    Value owner = root(operand);
    if (owner.getDefiningOp<halide::CallOp>() && !outputs.contains(owner))
      outputs[owner] = i;
  }
  DenseMap<Value, int64_t> lastUse;
  for (Operation &op : body)
    for (Value operand : op.getOperands()) {
      int64_t &last = lastUse[root(operand)];
      last = std::max(last, position[&op]);
    }
  for (auto call : function.getOps<halide::CallOp>()) {
    Value value = call.getResult(0);
    if (outputs.contains(value))
      continue;
    auto [constant, free] = sizeOf(value);
    int64_t size = llvm::alignTo(constant, arenaAlignment);
    classes[free].allocations.push_back(
        {value, size, position[call], std::max(lastUse[value], position[call])});
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

void FunctionPlanner::emit() {
  OpBuilder b(function);
  Location loc = function.getLoc();
  std::string name = function.getName().str();
  unsigned numSymbols = symbols.size(), numInputs = function.getNumArguments();
  Operation *terminator = function.getBody().front().getTerminator();

  // Parameters in the order of their symbols in the module: the order of the weights.
  SmallVector<nn::ParameterOp> parameters;
  llvm::StringMap<unsigned> parameterIndex;
  llvm::StringMap<bool> used;
  for (auto get : function.getOps<nn::GetOp>())
    used[get.getParameter()] = true;
  for (auto parameter : function->getParentOfType<ModuleOp>().getOps<nn::ParameterOp>())
    if (used.count(parameter.getSymName())) {
      parameterIndex[parameter.getSymName()] = parameters.size();
      parameters.push_back(parameter);
    }

  SmallVector<Type> arguments(numSymbols, b.getIndexType());
  for (Type type : function.getArgumentTypes())
    arguments.push_back(memrefOf(type));
  for (Type type : function.getResultTypes())
    arguments.push_back(memrefOf(type));
  for (nn::ParameterOp parameter : parameters)
    arguments.push_back(memrefOf(parameter.getTensorType()));
  arguments.push_back(MemRefType::get({ShapedType::kDynamic}, b.getI8Type()));
  function.setName((name + "_tensors").c_str());
  func::FuncOp host = createFunction(b, name, arguments, {});
  auto names = [&](auto range) {
    SmallVector<Attribute> attributes;
    for (StringRef text : range)
      attributes.push_back(b.getStringAttr(text));
    return b.getArrayAttr(attributes);
  };
  SmallVector<StringRef> parameterNames;
  for (nn::ParameterOp parameter : parameters)
    parameterNames.push_back(parameter.getSymName());
  AffineExpr arenaExpr = getAffineConstantExpr(0, context), liveExpr = arenaExpr;
  for (auto &[free, sizeClass] : classes) {
    arenaExpr = arenaExpr + free * sizeClass.size;
    liveExpr = liveExpr + free * sizeClass.liveSize();
  }
  host->setAttr("host.arena", AffineMapAttr::get(AffineMap::get(0, numSymbols, arenaExpr)));
  host->setAttr("host.live", AffineMapAttr::get(AffineMap::get(0, numSymbols, liveExpr)));
  host->setAttr("host.symbols", names(symbols));
  host->setAttr("host.inputs", b.getI64IntegerAttr(numInputs));
  host->setAttr("host.outputs", b.getI64IntegerAttr(function.getNumResults()));
  host->setAttr("host.parameters", names(parameterNames));

  ValueRange all = host.getArguments();
  ValueRange symbolValues = all.take_front(numSymbols),
             inputs = all.slice(numSymbols, numInputs),
             results = all.slice(numSymbols + numInputs, function.getNumResults()),
             weights = all.slice(numSymbols + numInputs + function.getNumResults(),
                                 parameters.size());
  Value arena = all.back();
  b.setInsertionPointToStart(&host.getBody().front());

  // Where each class begins, and where each tensor of it is.
  DenseMap<Value, Value> offsets;
  Value base = arith::ConstantIndexOp::create(b, loc, 0);
  for (auto &[free, sizeClass] : classes) {
    Value unit = materialize(b, loc, free, symbolValues);
    for (Allocation &allocation : sizeClass.allocations) {
      Value units = arith::ConstantIndexOp::create(b, loc, allocation.offset);
      Value offset = arith::MulIOp::create(b, loc, units, unit);
      offsets[allocation.value] = arith::AddIOp::create(b, loc, base, offset);
    }
    Value size = arith::ConstantIndexOp::create(b, loc, sizeClass.size);
    base = arith::AddIOp::create(b, loc, base, arith::MulIOp::create(b, loc, size, unit));
  }

  IRMapping mapping;
  mapping.map(function.getArguments(), inputs);
  // The memory of `owner` seen as `value`, a reshape of it.
  auto viewAs = [&](Value value) -> Value {
    Value owner = root(value);
    MemRefType type = memrefOf(value.getType());
    SmallVector<Value> sizes = freeSizes(b, loc, value, symbolValues);
    if (Value offset = offsets.lookup(owner))
      return memref::ViewOp::create(b, loc, type, arena, offset, sizes);
    Value memory = mapping.lookup(owner);
    if (memory.getType() == type && type.hasStaticShape())
      return memory;
    SmallVector<OpFoldResult> mixedSizes, strides(type.getRank(), b.getIndexAttr(1));
    unsigned next = 0;
    for (int64_t dim : type.getShape())
      mixedSizes.push_back(ShapedType::isDynamic(dim) ? OpFoldResult(sizes[next++])
                                                      : OpFoldResult(b.getIndexAttr(dim)));
    OpFoldResult stride = b.getIndexAttr(1);
    for (int64_t i = type.getRank() - 1; i >= 0; --i) {
      strides[i] = stride;
      if (i == 0)
        break;
      if (auto size = dyn_cast<Attribute>(mixedSizes[i]); size && isa<Attribute>(stride)) {
        stride = b.getIndexAttr(cast<IntegerAttr>(size).getInt() *
                                cast<IntegerAttr>(cast<Attribute>(stride)).getInt());
      } else {
        auto valueOf = [&](OpFoldResult folded) -> Value {
          if (auto attribute = dyn_cast<Attribute>(folded))
            return arith::ConstantIndexOp::create(b, loc, cast<IntegerAttr>(attribute).getInt());
          return cast<Value>(folded);
        };
        stride = OpFoldResult(
            arith::MulIOp::create(b, loc, valueOf(stride), valueOf(mixedSizes[i])).getResult());
      }
    }
    return memref::ReinterpretCastOp::create(b, loc, type, memory, b.getIndexAttr(0), mixedSizes,
                                             strides);
  };

  for (Operation &op : function.getBody().front().without_terminator()) {
    if (auto get = dyn_cast<nn::GetOp>(op)) {
      mapping.map(get.getResult(), weights[parameterIndex.lookup(get.getParameter())]);
    } else if (auto reshape = dyn_cast<nn::ReshapeOp>(op)) {
      mapping.map(reshape.getResult(), viewAs(reshape.getResult()));
    } else if (auto call = dyn_cast<halide::CallOp>(op)) {
      Value value = call.getResult(0);
      if (auto output = outputs.find(value); output != outputs.end()) {
        // The output may be a reshape of what the kernel writes.
        mapping.map(value, results[output->second]);
        Value view = viewAs(value);
        mapping.map(value, view);
      } else {
        mapping.map(value, viewAs(value));
      }
      SmallVector<Value> ins;
      AffineExpr bytes = getAffineConstantExpr(0, context);
      auto addBytes = [&](Value tensor) {
        auto [constant, free] = sizeOf(tensor);
        bytes = bytes + free * constant;
      };
      for (Value input : call.getInputs()) {
        ins.push_back(mapping.lookup(input));
        addBytes(input);
      }
      addBytes(value);
      auto launch = halide::LaunchOp::create(b, call.getLoc(), call.getPipelineAttr(),
                                             call.getSingleAttr(), ins, mapping.lookup(value));
      launch->setAttr("layers", call->getAttr("layers"));
      auto [constant, free] = sizeOf(value);
      int64_t perElement = call->getAttrOfType<IntegerAttr>("flops_per_element").getInt();
      auto [flops, flopsPerItem] = linearInBatch(free);
      double scale = double(perElement) * constant / bytesPerElement(getElementTypeOrSelf(value));
      auto [fixedBytes, bytesPerItem] = linearInBatch(bytes);
      launch->setAttr("flops", b.getDenseF64ArrayAttr({flops * scale, flopsPerItem * scale}));
      launch->setAttr("bytes", b.getDenseF64ArrayAttr({fixedBytes, bytesPerItem}));
    }
  }
  for (auto [i, operand] : llvm::enumerate(terminator->getOperands())) {
    auto output = outputs.find(root(operand));
    if (output != outputs.end() && output->second == i)
      continue;
    Value source = mapping.lookup(operand);
    memref::CopyOp::create(b, loc, source, results[i]);
  }
  func::ReturnOp::create(b, loc);

  // The sizes that callers ask for.
  b.setInsertionPointAfter(host);
  SmallVector<Type> indices(numSymbols, b.getIndexType());
  func::FuncOp arenaBytes = createFunction(b, "arena_bytes", indices, b.getIndexType());
  b.setInsertionPointToStart(&arenaBytes.getBody().front());
  func::ReturnOp::create(b, loc, materialize(b, loc, arenaExpr, arenaBytes.getArguments()));

  b.setInsertionPointAfter(arenaBytes);
  SmallVector<Type> dims;
  for (Value result : terminator->getOperands())
    dims.append(shapes.lookup(result).size(), b.getIndexType());
  func::FuncOp outputShapes = createFunction(b, "output_shapes", indices, dims);
  b.setInsertionPointToStart(&outputShapes.getBody().front());
  SmallVector<Value> sizes;
  SmallVector<Attribute> inputAttributes, outputAttributes;
  for (Value result : terminator->getOperands())
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
  for (BlockArgument argument : function.getArguments())
    inputAttributes.push_back(
        describe(argument, function.getArgAttr(argument.getArgNumber(), "nn.name")));
  for (auto [i, result] : llvm::enumerate(terminator->getOperands()))
    outputAttributes.push_back(describe(result, function.getResultAttr(i, "nn.name")));
  host->setAttr("host.input_tensors", b.getArrayAttr(inputAttributes));
  host->setAttr("host.output_tensors", b.getArrayAttr(outputAttributes));
  function.erase();
}

LogicalResult FunctionPlanner::run() {
  if (failed(computeShapes()))
    return failure();
  planArena();
  emit();
  return success();
}

namespace {
struct PlanMemory : sylvite::impl::PlanMemoryBase<PlanMemory> {
  using PlanMemoryBase::PlanMemoryBase;
  void runOnOperation() override {
    for (func::FuncOp function :
         llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>()))
      if (!function->hasAttr("host.symbols") && !function.isExternal() &&
          llvm::all_of(function.getResultTypes(), llvm::IsaPred<RankedTensorType>) &&
          failed(FunctionPlanner(function).run()))
        return signalPassFailure();
  }
};
} // namespace
