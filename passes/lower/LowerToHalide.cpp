//===- LowerToHalide.cpp - lower-to-halide ---------------------------------===//
//
// The pass: finds groups with equal bodies, makes one pipeline of each, and calls it. What an op
// computes is in the family files.
//
//===----------------------------------------------------------------------===//
#include "passes/lower/Lowering.h"
#include "passes/Passes.h"
#include "passes/nn/Utils.h"
#include "passes/schedule/CostModel.h"

#include "llvm/ADT/StringExtras.h"

#include <cmath>

namespace sylvite {
#define GEN_PASS_DEF_LOWERTOHALIDE
#include "passes/Passes.h.inc"
} // namespace sylvite

using namespace mlir;
using namespace sylvite;
using halide::FuncOp;

//===----------------------------------------------------------------------===//
// IndexBuilder
//===----------------------------------------------------------------------===//

static std::optional<int64_t> constantOf(Value value) {
  if (auto constant = value.getDefiningOp<arith::ConstantIndexOp>())
    return constant.value();
  return std::nullopt;
}

Value IndexBuilder::constant(int64_t value) {
  return arith::ConstantIndexOp::create(b, loc, value);
}
Value IndexBuilder::add(Value x, int64_t y) {
  if (auto known = constantOf(x))
    return constant(*known + y);
  return y == 0 ? x : Value(arith::AddIOp::create(b, loc, x, constant(y)));
}
Value IndexBuilder::add(Value x, Value y) {
  if (constantOf(x) == 0)
    return y;
  return constantOf(y) == 0 ? x : Value(arith::AddIOp::create(b, loc, x, y));
}
Value IndexBuilder::sub(Value x, Value y) { return arith::SubIOp::create(b, loc, x, y); }
Value IndexBuilder::mul(Value x, int64_t y) {
  return y == 1 ? x : Value(arith::MulIOp::create(b, loc, x, constant(y)));
}
Value IndexBuilder::floorDiv(Value x, int64_t y) {
  return y == 1 ? x : Value(arith::FloorDivSIOp::create(b, loc, x, constant(y)));
}
Value IndexBuilder::mod(Value x, int64_t y) {
  return y == 1 ? constant(0) : Value(arith::RemUIOp::create(b, loc, x, constant(y)));
}
Value IndexBuilder::minimum(Value x, Value y) { return arith::MinSIOp::create(b, loc, x, y); }
Value IndexBuilder::maximum(Value x, Value y) { return arith::MaxSIOp::create(b, loc, x, y); }
Value IndexBuilder::clamp(Value x, int64_t low, Value high) {
  return minimum(maximum(x, constant(low)), high);
}
Value IndexBuilder::lessThan(Value x, Value y) {
  return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, x, y);
}
Value IndexBuilder::greaterEqual(Value x, int64_t y) {
  return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sge, x, constant(y));
}
Value IndexBuilder::both(Value x, Value y) { return arith::AndIOp::create(b, loc, x, y); }

//===----------------------------------------------------------------------===//
// GroupLowering
//===----------------------------------------------------------------------===//

SmallVector<StringRef> sylvite::variableNames(unsigned rank) {
  static constexpr StringLiteral full[] = {"n", "z", "y", "x", "c"};
  static constexpr StringLiteral more[] = {"d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7"};
  switch (rank) {
  case 0:
    return {};
  case 1:
    return {"c"};
  case 2:
    return {"n", "c"};
  case 3:
    return {"n", "x", "c"};
  case 4:
    return {"n", "y", "x", "c"};
  case 5:
    return SmallVector<StringRef>(std::begin(full), std::end(full));
  default: { // what is beyond stands outermost
    SmallVector<StringRef> names(std::begin(more), std::begin(more) + (rank - 5));
    names.append(std::begin(full), std::end(full));
    return names;
  }
  }
}

std::string GroupLowering::uniqueName(StringRef base) {
  unsigned count = nameCounts[base]++;
  return count ? (base + "_" + Twine(count)).str() : base.str();
}

void GroupLowering::addInput(Value value) {
  std::string name = ("in" + Twine(nameCounts["in"]++)).str();
  halide::InputOp::create(builder, value.getLoc(), name, typeOf(value));
  symbols[value] = name;
}

FuncOp GroupLowering::createFunc(Location loc, StringRef name, unsigned rank, TypeRange elementTypes,
                                 halide::BodyBuilder body) {
  return FuncOp::create(builder, loc, uniqueName(name), variableNames(rank), elementTypes, body);
}

FuncOp GroupLowering::defineFunc(Value value, StringRef name, halide::BodyBuilder body) {
  FuncOp func = createFunc(value.getLoc(), name, typeOf(value).getRank(),
                           typeOf(value).getElementType(), body);
  bind(value, func);
  return func;
}

void GroupLowering::bind(Value value, FuncOp func) { symbols[value] = func.getSymName().str(); }

void GroupLowering::clampRows(Value input) {
  RankedTensorType type = typeOf(input);
  clamped[input] = createFunc(input.getLoc(), "rows", type.getRank(), type.getElementType(),
                              [&](OpBuilder &b, Location loc, ValueRange point) {
                                SmallVector<Value> within(point);
                                within[0] = clampRow(b, loc, *this, input, 0, point[0]);
                                halide::YieldOp::create(b, loc, atWithin(b, loc, input, within));
                              });
}

Value GroupLowering::at(OpBuilder &b, Location loc, Value value, ValueRange indices) {
  if (FuncOp rows = clamped.lookup(value))
    return at(b, loc, rows, indices);
  return atWithin(b, loc, value, indices);
}

Value GroupLowering::atWithin(OpBuilder &b, Location loc, Value value, ValueRange indices) {
  Type scalar = halide::getScalarType(typeOf(value).getElementType());
  return halide::AtOp::create(b, loc, scalar, symbolOf(value), indices).getValue();
}

Value GroupLowering::at(OpBuilder &b, Location loc, FuncOp func, ValueRange indices) {
  Type scalar = halide::getScalarType(func.getElementTypes().front());
  return halide::AtOp::create(b, loc, scalar, func.getSymName(), indices).getValue();
}

Value GroupLowering::atBroadcast(OpBuilder &b, Location loc, Value value, RankedTensorType result, ValueRange indices) {
  IndexBuilder index(b, loc);
  return at(b, loc, value, broadcastIndices(index, typeOf(value).getShape(), result.getShape(), indices));
}

SmallVector<Value> sylvite::broadcastIndices(IndexBuilder &index, ArrayRef<int64_t> shape, ArrayRef<int64_t> result,
                                             ValueRange indices) {
  SmallVector<Value> own(indices.take_back(shape.size()));
  for (auto [position, size, resultSize] : llvm::zip_equal(own, shape, result.take_back(shape.size())))
    if (size == 1 && resultSize != 1)
      position = index.constant(0);
  return own;
}

Value GroupLowering::extent(OpBuilder &b, Location loc, Value value, unsigned dim) {
  if (!typeOf(value).isDynamicDim(dim))
    return arith::ConstantIndexOp::create(b, loc, typeOf(value).getDimSize(dim));
  halide::ReductionBound bound = extentBound(value, dim);
  return halide::ExtentOp::create(b, loc, bound.buffer, bound.value);
}

halide::ReductionBound GroupLowering::extentBound(Value value, unsigned dim) {
  if (!typeOf(value).isDynamicDim(dim))
    return typeOf(value).getDimSize(dim);
  // Follow maps and what attention reads through up to a buffer: a free dimension is that of an operand.
  while (true) {
    if (auto transpose = value.getDefiningOp<nn::TransposeOp>()) {
      dim = transpose.getPermutation()[dim];
      value = transpose.getInput();
      continue;
    }
    // What slices free dimensions is a kernel of its own.
    if (auto slice = value.getDefiningOp<nn::SliceOp>()) {
      value = slice.getInput();
      continue;
    }
    // One that adds or drops dimensions of size one keeps the others in their order.
    if (auto reshape = value.getDefiningOp<nn::ReshapeOp>()) {
      auto isUnit = [](int64_t size) { return size == 1; };
      ArrayRef<int64_t> source = typeOf(reshape.getInput()).getShape();
      int64_t before = dim - llvm::count_if(typeOf(value).getShape().take_front(dim), isUnit);
      for (dim = 0; before > 0 || source[dim] == 1; ++dim)
        before -= source[dim] != 1;
      value = reshape.getInput();
      continue;
    }
    // The gradient of a pooling has the batch of the pooling's.
    if (Operation *op = value.getDefiningOp(); isa_and_nonnull<nn::MaxPoolGradOp, nn::AvgPoolGradOp>(op)) {
      value = op->getOperand(0);
      continue;
    }
    auto map = value.getDefiningOp<nn::MapOp>();
    if (!map)
      break;
    unsigned fromEnd = typeOf(map).getRank() - dim;
    auto same = llvm::find_if(map.getOperands(), [&](Value operand) {
      return typeOf(operand).getRank() >= fromEnd && typeOf(operand).isDynamicDim(typeOf(operand).getRank() - fromEnd);
    });
    if (same == map.getOperands().end())
      break;
    value = *same;
    dim = typeOf(value).getRank() - fromEnd;
  }
  assert(pipeline.lookupInput(symbolOf(value)) && "a free extent of a computed value");
  return halide::ReductionBound::extent(symbolOf(value), dim);
}

Value GroupLowering::scalar(OpBuilder &b, Location loc, Type type, double value) {
  if (auto integer = dyn_cast<IntegerType>(type); integer && std::isinf(value)) {
    unsigned width = integer.getWidth();
    bool isUnsigned = integer.isUnsigned() || width == 1;
    APInt extreme = value > 0 ? (isUnsigned ? APInt::getMaxValue(width) : APInt::getSignedMaxValue(width))
                              : (isUnsigned ? APInt::getMinValue(width) : APInt::getSignedMinValue(width));
    return arith::ConstantOp::create(b, loc, b.getIntegerAttr(halide::getScalarType(type), extreme));
  }
  type = halide::getScalarType(type);
  if (isa<FloatType>(type))
    return arith::ConstantOp::create(b, loc, b.getFloatAttr(type, value));
  if (isa<IndexType>(type))
    return arith::ConstantIndexOp::create(b, loc, static_cast<int64_t>(value));
  return arith::ConstantOp::create(b, loc, b.getIntegerAttr(type, static_cast<int64_t>(value)));
}

Value GroupLowering::extreme(OpBuilder &b, Location loc, Type type, bool greater, Value x, Value y) {
  if (isa<FloatType>(type))
    return greater ? Value(arith::MaximumFOp::create(b, loc, x, y)) : Value(arith::MinimumFOp::create(b, loc, x, y));
  if (type.isInteger(1))
    return greater ? Value(arith::OrIOp::create(b, loc, x, y)) : Value(arith::AndIOp::create(b, loc, x, y));
  if (type.isUnsignedInteger())
    return greater ? Value(arith::MaxUIOp::create(b, loc, x, y)) : Value(arith::MinUIOp::create(b, loc, x, y));
  return greater ? Value(arith::MaxSIOp::create(b, loc, x, y)) : Value(arith::MinSIOp::create(b, loc, x, y));
}

LoweringTable::LoweringTable() {
  addAttentionLowerings(*this);
  addConvLowerings(*this);
  addDenseLowerings(*this);
  addNormLowerings(*this);
  addPointwiseLowerings(*this);
  addPoolLowerings(*this);
  addRandomLowerings(*this);
  addShapeLowerings(*this);
  addWinogradLowerings(*this);
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

/// The names of the layers that `loc` stands for, in order.
static void collectLayers(Location loc, SmallVectorImpl<StringRef> &names) {
  if (auto name = dyn_cast<NameLoc>(loc)) {
    if (!llvm::is_contained(names, name.getName().getValue()))
      names.push_back(name.getName().getValue());
  } else if (auto fused = dyn_cast<FusedLoc>(loc)) {
    for (Location part : fused.getLocations())
      collectLayers(part, names);
  }
}

namespace {
/// Floating-point operations of a kernel: so many for each element of its first result, or of one of its operands.
struct Work {
  int64_t flops = 0;
  std::optional<unsigned> operand;
};
} // namespace

/// The work of the group's contractions, by the definition of each: what an algorithm saves is speed. One that sums over
/// a free dimension, as the gradients of weights do over the batch, counts for each element of what it sums.
static Work workOf(nn::GroupOp group) {
  int64_t flops = 0;
  auto itemElements = [](Value value) {
    return ShapedType::getNumElements(cast<RankedTensorType>(value.getType()).getShape().drop_front());
  };
  for (Operation &op : group.getBody().front().without_terminator()) {
    if (auto conv = dyn_cast<nn::ConvOp>(op)) {
      auto filter = cast<RankedTensorType>(conv.getFilter().getType());
      flops += 2 * filter.getNumElements() / filter.getShape().back();
    } else if (auto conv = dyn_cast<nn::PackedConvOp>(op)) {
      auto filter = cast<RankedTensorType>(conv.getFilter().getType());
      int64_t each = 2 * ShapedType::getNumElements(filter.getShape().drop_front(2).drop_back());
      // Part of a pooling's kernel, it has elements of its own.
      for (Operation *user : conv->getUsers())
        if (auto pool = dyn_cast<nn::MaxPoolOp>(user))
          each = each * itemElements(conv) / itemElements(pool);
      flops += each;
    } else if (auto conv = dyn_cast<nn::WinogradConvOp>(op)) {
      int64_t each = 2 * 9 * cast<RankedTensorType>(conv.getInput().getType()).getShape().back();
      // Those of a pooling's window are one element of the result.
      Value result = group.getBody().front().getTerminator()->getOperand(0);
      bool isPooled = conv.getType().getShape() != cast<RankedTensorType>(result.getType()).getShape();
      flops += isPooled ? each * itemElements(conv) / itemElements(result) : each;
    } else if (auto matmul = dyn_cast<nn::PackedMatmulOp>(op)) {
      // An element of a cell's state has a term of each gate.
      int64_t each = 2 * cast<RankedTensorType>(matmul.getLhs().getType()).getShape().back();
      if (matmul.getType().getRank() > matmul.getLhs().getType().getRank())
        each *= matmul.getType().getDimSize(0);
      // Part of a depthwise convolution's kernel, it has elements of its own.
      if (nn::ConvOp window = findDepthwiseReader(matmul)) {
        each = each * itemElements(matmul) / itemElements(window);
      }
      flops += each;
    } else if (auto attention = dyn_cast<nn::AttentionOp>(op)) {
      // A score serves all elements of its row of the result.
      ArrayRef<int64_t> query = cast<RankedTensorType>(attention.getQuery().getType()).getShape(),
                        key = cast<RankedTensorType>(attention.getKey().getType()).getShape();
      int64_t width = cast<RankedTensorType>(attention.getType()).getShape().back();
      if (!ShapedType::isDynamic(key.back()) && !ShapedType::isDynamic(query.back()))
        flops += 2 * key.back() + 2 * key.back() * query.back() / width;
    } else if (auto conv = dyn_cast<nn::ConvTransposeOp>(op)) {
      auto filter = cast<RankedTensorType>(conv.getFilter().getType());
      int64_t strides = 1;
      for (int64_t stride : conv.getStrides())
        strides *= stride;
      int64_t outputs = filter.getDimSize(filter.getRank() - 2);
      flops += 2 * filter.getNumElements() / conv.getGroups() / outputs / strides;
    } else if (auto conv = dyn_cast<nn::ConvGradFilterOp>(op)) {
      auto filter = cast<RankedTensorType>(conv.getType());
      flops = 2 * filter.getNumElements() / filter.getShape().back();
      Value gradient = conv.getGradient();
      if (Operation *pool = gradient.getDefiningOp()) { // computed on the way
        gradient = pool->getOperand(0);
        flops = flops * itemElements(conv.getGradient()) / itemElements(gradient);
      }
      return {flops, cast<BlockArgument>(gradient).getArgNumber()};
    } else if (auto conv = dyn_cast<nn::WinogradGradFilterOp>(op)) {
      auto channels = cast<RankedTensorType>(conv.getInput().getType()).getShape().back();
      return {2 * 9 * channels, cast<BlockArgument>(conv.getGradient()).getArgNumber()};
    } else if (auto matmul = dyn_cast<nn::MatmulOp>(op)) {
      auto lhs = cast<RankedTensorType>(matmul.getLhs().getType());
      int64_t k = lhs.getShape()[lhs.getRank() - (matmul.getTransposeLhs() ? 2 : 1)],
              columns = cast<RankedTensorType>(matmul.getType()).getShape().back();
      if (ShapedType::isDynamic(k) && isa<BlockArgument>(matmul.getLhs()) && !ShapedType::isDynamic(columns))
        return {2 * columns, cast<BlockArgument>(matmul.getLhs()).getArgNumber()};
      flops += ShapedType::isDynamic(k) ? 0 : 2 * k;
    }
  }
  return {flops, std::nullopt};
}

/// The product of the gates where `group` is a step of a recurrent layer.
static nn::PackedMatmulOp cellOf(nn::GroupOp group) {
  for (auto product : group.getBody().getOps<nn::PackedMatmulOp>())
    if (product.getType().getRank() > product.getLhs().getType().getRank())
      return product;
  return {};
}

/// Whether `group` has a product of as many rows as the batch has items, or a convolution of one position for each of
/// them, and no other free size. One row wants a register tile of its own: taller ones would compute rows that nobody wants.
static bool wantsSingleRow(nn::GroupOp group) {
  bool isProduct = false;
  auto hasOnePosition = [](RankedTensorType type) {
    return llvm::all_of(type.getShape().drop_front().drop_back(), [](int64_t size) { return size == 1; });
  };
  auto isBatch = [](Value value) {
    auto type = cast<RankedTensorType>(value.getType());
    return type.getRank() == 0 || !ShapedType::isDynamicShape(type.getShape().drop_front());
  };
  // Behind gates, which stand before the items in their product, all free sizes are the batch.
  if (nn::PackedMatmulOp cell = cellOf(group))
    return cell.getType().isDynamicDim(1) && llvm::all_of(group.getBody().getArguments(), isBatch);
  for (Operation &op : group.getBody().front().without_terminator()) {
    if (!llvm::all_of(op.getResults(), isBatch))
      return false;
    if (isa<nn::MatmulOp, nn::PackedMatmulOp>(op)) {
      auto type = cast<RankedTensorType>(op.getResult(0).getType());
      isProduct |= type.getRank() == 2 && type.isDynamicDim(0);
    }
    if (auto conv = dyn_cast<nn::PackedConvOp>(op))
      isProduct |= conv.getType().isDynamicDim(0) && hasOnePosition(conv.getType());
  }
  return isProduct && llvm::all_of(group.getBody().getArguments(), isBatch);
}

/// Whether `group` has a product that sums over a free number of rows, the gradient of a dense layer's kernel: few of them
/// want another schedule than many.
static bool sumsOverRows(nn::GroupOp group) {
  return llvm::any_of(group.getBody().getOps<nn::MatmulOp>(), [](nn::MatmulOp product) {
    return isGradientOfWeights(product) && cast<RankedTensorType>(product.getLhs().getType()).isDynamicDim(0);
  });
}

/// Whether `group` has a product of a free number of rows with a matrix that comes from memory, in rows.
static bool readsStreamedMatrix(nn::GroupOp group) {
  return llvm::any_of(group.getBody().getOps<nn::MatmulOp>(), [](nn::MatmulOp product) {
    auto rows = cast<RankedTensorType>(product.getLhs().getType()), matrix = cast<RankedTensorType>(product.getRhs().getType());
    return !product.getTransposeLhs() && !product.getTransposeRhs() && rows.getRank() == 2 && rows.isDynamicDim(0) &&
           matrix.hasStaticShape() && isa<BlockArgument>(product.getRhs()) &&
           matrix.getNumElements() * matrix.getElementTypeBitWidth() / 8 > streamedBytes;
  });
}

/// A short name for a kernel: its ops, joined; slices in a row are one.
static std::string kernelName(nn::GroupOp group) {
  SmallVector<StringRef> parts;
  for (Operation &op : group.getBody().front().without_terminator())
    if (!isa<nn::ReshapeOp>(op) && !(isa<nn::SliceOp>(op) && !parts.empty() && parts.back() == "slice"))
      parts.push_back(op.getName().stripDialect());
  return llvm::join(parts, "_");
}

/// The shape of the group's result as a map from the free dimensions of its operands, in their order.
static FailureOr<AffineMap> resultShapeMap(nn::GroupOp group) {
  unsigned numSymbols = 0;
  DenseMap<Value, nn::ShapeExpr> shapes;
  for (BlockArgument argument : group.getBody().getArguments())
    shapes[argument] =
        nn::shapeWithFreshSymbols(cast<RankedTensorType>(argument.getType()), numSymbols);
  for (Operation &op : group.getBody().front().without_terminator()) {
    auto shaped = dyn_cast<nn::ShapeOpInterface>(op);
    if (!shaped)
      return op.emitError("internal error: an op without a shape function in a kernel");
    SmallVector<nn::ShapeExpr> operands;
    for (Value operand : op.getOperands())
      operands.push_back(shapes.lookup(operand));
    auto shape = shaped.resultShape(op.getLoc(), operands);
    if (failed(shape))
      return failure();
    shapes[op.getResult(0)] = *shape;
  }
  Value result = group.getBody().front().getTerminator()->getOperand(0);
  return AffineMap::get(0, numSymbols, shapes.lookup(result), group.getContext());
}

/// Elements from a run of the innermost dimension of `value` to the next where it is written into that of a concatenation; zero
/// where it is dense.
static int64_t pitchOf(Value value) {
  int64_t pitch = 0;
  while (nn::ConcatOp join = joinOf(value)) {
    value = join.getResult();
    pitch = join.getType().getShape().back();
  }
  return pitch;
}

/// Says how the buffers of `pipeline` lie in memory: `pitches` are those of its inputs, then of its outputs.
static void setPitches(halide::PipelineOp pipeline, ArrayRef<int64_t> pitches) {
  auto withPitch = [](RankedTensorType type, int64_t pitch) {
    return pitch ? RankedTensorType::get(type.getShape(), type.getElementType(),
                                         halide::PitchAttr::get(type.getContext(), pitch))
                 : type;
  };
  SmallVector<halide::InputOp> inputs = pipeline.getInputs();
  for (auto [input, pitch] : llvm::zip(inputs, pitches))
    input.setType(withPitch(input.getBufferType(), pitch));
  halide::OutputOp output = pipeline.getOutput();
  SmallVector<Type> types;
  for (auto [type, pitch] : llvm::zip_equal(output.getBufferTypes(), pitches.drop_front(inputs.size())))
    types.push_back(withPitch(type, pitch));
  output.setTypesAttr(Builder(pipeline).getTypeArrayAttr(types));
}

namespace {

struct LowerToHalide : sylvite::impl::LowerToHalideBase<LowerToHalide> {
  using LowerToHalideBase::LowerToHalideBase;

  void runOnOperation() override {
    SmallVector<nn::GroupOp> groups;
    getOperation().walk([&](nn::GroupOp group) { groups.push_back(group); });
    LoweringTable table;
    SymbolTable symbols(getOperation());
    struct Kernels {
      halide::PipelineOp many;
      SmallVector<Attribute> few; ///< names of those for fewer rows
      SmallVector<int64_t> most;  ///< rows of each
    };
    llvm::StringMap<Kernels> kernels;
    for (nn::GroupOp group : groups) {
      std::string key = structureOf(group);
      SmallVector<int64_t> pitches;
      for (ValueRange values : {ValueRange(group.getOperands()), ValueRange(group.getResults())})
        for (Value value : values) {
          pitches.push_back(pitchOf(value));
          key += " " + std::to_string(pitches.back());
        }
      Kernels &ofKey = kernels[key];
      OpBuilder builder(group);
      if (!ofKey.many) {
        auto add = [&](halide::PipelineOp pipeline) {
          symbols.insert(pipeline, std::prev(getOperation().getBody()->end()));
          return pipeline;
        };
        auto addFew = [&](halide::PipelineOp pipeline, int64_t rows) {
          ofKey.few.push_back(FlatSymbolRefAttr::get(add(pipeline)));
          ofKey.most.push_back(rows);
        };
        // A kernel for up to `rows`, which the schedule tells from that for more.
        auto addFewOf = [&](int64_t rows) {
          halide::PipelineOp pipeline = ofKey.many.clone();
          pipeline->setAttr("few", builder.getI64IntegerAttr(rows));
          addFew(pipeline, rows);
        };
        ofKey.many = lower(group, table);
        if (!ofKey.many)
          return signalPassFailure();
        setPitches(ofKey.many, pitches);
        add(ofKey.many);
        if (wantsSingleRow(group)) {
          halide::PipelineOp single = lowerSingleRow(group, table);
          if (!single)
            return signalPassFailure();
          setPitches(single, pitches);
          addFew(single, 1);
          if (cellOf(group))
            addFewOf(rowsOfSmallCell);
          else if (readsStreamedMatrix(group))
            addFewOf(rowsOfStreamed);
        } else if (sumsOverRows(group)) {
          addFewOf(rowsOfOneBlock);
        }
      }
      auto call = halide::CallOp::create(builder, group.getLoc(), group.getResultTypes(), FlatSymbolRefAttr::get(ofKey.many),
                                         builder.getArrayAttr(ofKey.few), builder.getDenseI64ArrayAttr(ofKey.most), group.getOperands());
      auto shape = resultShapeMap(group);
      if (failed(shape))
        return signalPassFailure();
      call->setAttr("shape", AffineMapAttr::get(*shape));
      SmallVector<StringRef> layers;
      collectLayers(group.getLoc(), layers);
      call->setAttr("layers", builder.getStrArrayAttr(layers));
      Work work = workOf(group);
      call->setAttr("flops_per_element", builder.getI64IntegerAttr(work.flops));
      if (work.operand)
        call->setAttr("flops_operand", builder.getI64IntegerAttr(*work.operand));
      group.replaceAllUsesWith(call.getResults());
      group.erase();
    }
  }

  /// The pipeline of `group` for a batch of one, not yet in the module; null after a diagnostic.
  halide::PipelineOp lowerSingleRow(nn::GroupOp group, const LoweringTable &table) {
    auto copy = cast<nn::GroupOp>(group->clone());
    auto one = [](Value value) {
      auto type = cast<RankedTensorType>(value.getType());
      SmallVector<int64_t> shape(type.getShape());
      llvm::replace(shape, ShapedType::kDynamic, int64_t(1));
      value.setType(type.clone(shape));
    };
    for (BlockArgument argument : copy.getBody().getArguments())
      one(argument);
    for (Operation &op : copy.getBody().front().without_terminator())
      for (Value result : op.getResults())
        one(result);
    halide::PipelineOp pipeline = lower(copy, table);
    copy->destroy();
    return pipeline;
  }

  /// The pipeline of `group`, not yet in the module; null after a diagnostic.
  halide::PipelineOp lower(nn::GroupOp group, const LoweringTable &table) {
    OpBuilder builder(&getContext());
    auto pipeline = halide::PipelineOp::create(builder, group.getLoc(), kernelName(group));
    builder.setInsertionPointToStart(&pipeline.getRegion().front());
    GroupLowering lowering(builder, pipeline);
    for (BlockArgument argument : group.getBody().getArguments())
      lowering.addInput(argument);
    // Slices of the product over all steps are read for whole tiles of a cell.
    if (nn::PackedMatmulOp cell = cellOf(group); cell && cell.getType().getDimSize(1) != 1)
      for (BlockArgument argument : group.getBody().getArguments())
        if (llvm::any_of(argument.getUsers(), llvm::IsaPred<nn::SliceOp>) && lowering.typeOf(argument).getRank() == 2)
          lowering.clampRows(argument);
    for (Operation &op : group.getBody().front().without_terminator()) {
      LowerFunction function = table.lookup(&op);
      if (!function) {
        op.emitError("internal error: no lowering of '") << op.getName() << "'";
        pipeline.erase();
        return {};
      }
      if (failed(function(&op, lowering))) {
        pipeline.erase();
        return {};
      }
    }
    OperandRange results = group.getBody().front().getTerminator()->getOperands();
    SmallVector<Type> elements;
    for (Value result : results)
      elements.push_back(lowering.typeOf(result).getElementType());
    // An accumulator stays in registers only when something else reads it; several results are one Tuple.
    StringRef output = lowering.symbolOf(results.front());
    bool accumulates = !isa<nn::ConcatOp>(results.front().getDefiningOp()) && !pipeline.getUpdates(output).empty();
    if (accumulates || results.size() > 1)
      output = halide::FuncOp::create(builder, group.getLoc(), "out", variableNames(lowering.typeOf(results.front()).getRank()),
                                      elements,
                                      [&](OpBuilder &b, Location loc, ValueRange point) {
                                        SmallVector<Value> scalars;
                                        for (Value result : results)
                                          scalars.push_back(lowering.at(b, loc, result, point));
                                        halide::YieldOp::create(b, loc, scalars);
                                      })
                   .getSymName();
    halide::OutputOp::create(builder, group.getLoc(), output, results.getTypes());
    return pipeline;
  }
};

} // namespace
