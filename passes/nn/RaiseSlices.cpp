//===- RaiseSlices.cpp - what nothing reads is not computed ----------------===//
//
// These patterns of nn-simplify move a slice above the op whose elements it takes, when nothing else reads that op: it then
// computes those elements alone. A strided convolution of one position is a slice and one without strides. So residual
// blocks whose next stage reads every second row and column compute no others, and after the last attention of a transformer
// that classifies by one token, no other token is computed.
//
//===----------------------------------------------------------------------===//
#include "passes/nn/Utils.h"

#include "dialects/nn/TensorBuilder.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace sylvite;
using namespace sylvite::nn;

namespace {

/// Where the elements that a slice takes lie, an entry per dimension.
struct Box {
  SmallVector<int64_t> starts, sizes, strides;

  Box(ArrayRef<int64_t> starts, ArrayRef<int64_t> sizes, ArrayRef<int64_t> strides)
      : starts(starts), sizes(sizes), strides(strides) {}
  explicit Box(SliceOp slice) : Box(slice.getStarts(), slice.getSizes(), slice.getStrides()) {}
  /// Every element of `type`.
  explicit Box(RankedTensorType type)
      : starts(type.getRank(), 0), sizes(TensorBuilder::sliceSizes(type)), strides(type.getRank(), 1) {}

  bool operator==(const Box &other) const {
    return starts == other.starts && sizes == other.sizes && strides == other.strides;
  }
  /// Whether all of dimension `dim`, of `size`, is taken.
  bool isWhole(int64_t dim, int64_t size) const {
    return starts[dim] == 0 && strides[dim] == 1 && (ShapedType::isDynamic(size) ? sizes[dim] == -1 : sizes[dim] == size);
  }
  void copy(int64_t dim, const Box &from, int64_t fromDim) {
    starts[dim] = from.starts[fromDim];
    sizes[dim] = from.sizes[fromDim];
    strides[dim] = from.strides[fromDim];
  }
};

Value take(TensorBuilder &b, Value value, const Box &box) {
  return b.infer<SliceOp>(value, box.starts, box.sizes, box.strides);
}

/// Whether `box` takes all of each of `dims` of `type`.
bool takesWhole(const Box &box, RankedTensorType type, ArrayRef<int64_t> dims) {
  return llvm::all_of(dims, [&](int64_t dim) { return box.isWhole(dim, type.getDimSize(dim)); });
}

/// What `operand`, which broadcasts to `type`, is for the elements of `box`: a slice of it. Null where sizes are not known to
/// agree.
Value takeBroadcast(TensorBuilder &b, Value operand, RankedTensorType type, const Box &box) {
  RankedTensorType from = typeOf(operand);
  Box taken(from);
  bool isWhole = true;
  for (int64_t dim = 0, implied = type.getRank() - from.getRank(); dim < from.getRank(); ++dim) {
    if (from.getDimSize(dim) == 1 || box.isWhole(dim + implied, type.getDimSize(dim + implied)))
      continue;
    taken.copy(dim, box, dim + implied);
    isWhole = false;
  }
  return isWhole ? operand : take(b, operand, taken);
}

/// Whether each dimension of `operand` is one, or that of `type`, to which it broadcasts.
bool sizesAgree(Value operand, RankedTensorType type) {
  ArrayRef<int64_t> shape = typeOf(operand).getShape();
  return llvm::all_of(llvm::zip(shape, type.getShape().take_back(shape.size())),
                      [](auto sizes) { return std::get<0>(sizes) == 1 || std::get<0>(sizes) == std::get<1>(sizes); });
}

/// Each of these gives what its op computes of `box`, or null where it cannot compute that alone.
Value raiseAbove(MapOp map, const Box &box, PatternRewriter &rewriter) {
  if (!llvm::all_of(map.getOperands(), [&](Value operand) { return sizesAgree(operand, map.getType()); }))
    return {};
  TensorBuilder b(map.getLoc(), rewriter);
  SmallVector<Value> operands;
  for (Value operand : map.getOperands())
    operands.push_back(takeBroadcast(b, operand, map.getType(), box));
  return cloneMap(rewriter, map, operands);
}

/// Positions that are skipped make its strides longer.
Value raiseAbove(ConvOp conv, const Box &box, PatternRewriter &rewriter) {
  RankedTensorType type = conv.getType();
  int64_t channel = type.getRank() - 1;
  SmallVector<int64_t> strides(conv.getStrides());
  for (int64_t dim = 1; dim < channel; ++dim) {
    int64_t size = type.getDimSize(dim), taken = ShapedType::isDynamic(size) ? -1 : llvm::divideCeil(size, box.strides[dim]);
    if (box.starts[dim] != 0 || box.strides[dim] < 1 || box.sizes[dim] != taken)
      return {};
    strides[dim - 1] *= box.strides[dim];
  }
  if (!takesWhole(box, type, {channel}))
    return {};
  TensorBuilder b(conv.getLoc(), rewriter);
  Value input = conv.getInput();
  Box items(typeOf(input));
  items.copy(0, box, 0);
  if (!takesWhole(box, type, {0}))
    input = take(b, input, items);
  return b.infer<ConvOp>(input, conv.getFilter(), strides, conv.getDilations(), conv.getPaddingLow(), conv.getPaddingHigh(),
                         conv.getGroups());
}

/// Rows of a product are products of rows.
Value raiseAbove(MatmulOp matmul, const Box &box, PatternRewriter &rewriter) {
  RankedTensorType type = matmul.getType(), lhs = typeOf(matmul.getLhs()), rhs = typeOf(matmul.getRhs());
  int64_t rank = type.getRank();
  if (lhs.getRank() != rank || !takesWhole(box, type, {rank - 1}))
    return {};
  Box taken(lhs);
  for (int64_t dim = 0; dim < rank - 1; ++dim) {
    if (box.isWhole(dim, type.getDimSize(dim)))
      continue;
    bool isRow = dim == rank - 2;
    if (!isRow && (rhs.getRank() != 2 || lhs.getDimSize(dim) != type.getDimSize(dim)))
      return {};
    taken.copy(isRow && matmul.getTransposeLhs() ? rank - 1 : dim, box, dim);
  }
  TensorBuilder b(matmul.getLoc(), rewriter);
  return b.matmul(take(b, matmul.getLhs(), taken), matmul.getRhs(), matmul.getTransposeLhs(), matmul.getTransposeRhs());
}

/// Ops of one input that compute something along some of its dimensions.
template <typename OpTy> Value raiseAlong(OpTy op, const Box &box, PatternRewriter &rewriter) {
  if (!takesWhole(box, op.getType(), op.getDims()))
    return {};
  TensorBuilder b(op.getLoc(), rewriter);
  Value input = take(b, op.getInput(), box);
  Operation *copy = rewriter.clone(*op);
  copy->setOperand(0, input);
  copy->getResult(0).setType(input.getType());
  return copy->getResult(0);
}

Value raiseAbove(ConcatOp op, const Box &box, PatternRewriter &rewriter) {
  int64_t joined = op.getDim();
  auto agrees = [&](Value input) {
    for (int64_t dim = 0; dim < op.getType().getRank(); ++dim)
      if (dim != joined && typeOf(input).getDimSize(dim) != op.getType().getDimSize(dim))
        return false;
    return true;
  };
  if (!takesWhole(box, op.getType(), {joined}) || !llvm::all_of(op.getInputs(), agrees))
    return {};
  TensorBuilder b(op.getLoc(), rewriter);
  SmallVector<Value> inputs;
  for (Value input : op.getInputs()) {
    Box part = box;
    part.copy(joined, Box(typeOf(input)), joined);
    inputs.push_back(take(b, input, part));
  }
  return b.infer<ConcatOp>(inputs, joined);
}

/// Dimensions that a reshape leaves alone, with all before them.
Value raiseAbove(ReshapeOp op, const Box &box, PatternRewriter &rewriter) {
  RankedTensorType type = op.getType(), input = typeOf(op.getInput());
  int64_t kept = 0;
  while (kept < std::min(type.getRank(), input.getRank()) && type.getDimSize(kept) == input.getDimSize(kept) &&
         (!type.isDynamicDim(kept) || op.getFrom()[kept] == kept))
    ++kept;
  Box taken(input);
  SmallVector<int64_t> shape(type.getShape());
  for (int64_t dim = 0; dim < type.getRank(); ++dim) {
    if (box.isWhole(dim, type.getDimSize(dim)))
      continue;
    if (dim >= kept)
      return {};
    taken.copy(dim, box, dim);
    shape[dim] = box.sizes[dim] < 0 ? ShapedType::kDynamic : box.sizes[dim];
  }
  TensorBuilder b(op.getLoc(), rewriter);
  SmallVector<int64_t> from(op.getFrom());
  for (auto [dim, size] : llvm::enumerate(shape))
    if (!ShapedType::isDynamic(size) && type.isDynamicDim(dim))
      from[dim] = -1;
  return b.reshape(take(b, op.getInput(), taken), shape, from);
}

Value raise(Operation *op, const Box &box, PatternRewriter &rewriter) {
  return TypeSwitch<Operation *, Value>(op)
      .Case<ConcatOp, ConvOp, MapOp, MatmulOp, ReshapeOp>([&](auto known) { return raiseAbove(known, box, rewriter); })
      .Case<LayerNormOp, RMSNormOp, SoftmaxOp>([&](auto known) { return raiseAlong(known, box, rewriter); })
      .Default([](Operation *) { return Value(); });
}

struct RaiseSlice : OpRewritePattern<SliceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(SliceOp slice, PatternRewriter &rewriter) const override {
    Operation *source = slice.getInput().getDefiningOp();
    Box box(slice);
    auto takesTheSame = [&](Operation *user) {
      auto other = dyn_cast<SliceOp>(user);
      return other && Box(other) == box;
    };
    // A free size that is not all of a dimension is that of no other tensor.
    if (!source || !keepsFreeSizes(slice) || dependsOnParametersOnly(slice.getInput()) ||
        !llvm::all_of(source->getUsers(), takesTheSame))
      return failure();
    rewriter.setInsertionPoint(source);
    Value taken = raise(source, box, rewriter);
    if (!taken)
      return failure();
    for (Operation *user : llvm::make_early_inc_range(source->getUsers()))
      rewriter.replaceOp(user, taken);
    rewriter.eraseOp(source); // now, so that what it read has no other readers when its slices are looked at
    return success();
  }
};

/// Convolutions of one position that all skip the same positions of a tensor, which nothing else reads.
struct SliceBeforePointwiseConv : OpRewritePattern<ConvOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ConvOp conv, PatternRewriter &rewriter) const override {
    Value input = conv.getInput();
    RankedTensorType type = typeOf(input);
    SmallVector<int64_t> strides(conv.getStrides());
    auto skipsTheSame = [&](Operation *user) {
      auto other = dyn_cast<ConvOp>(user);
      return other && other.getInput() == input && other.getStrides() == ArrayRef(strides) && readsOnePosition(other);
    };
    if (areAll(strides, 1) || !isa_and_nonnull<MapOp, ConvOp>(input.getDefiningOp()) ||
        ShapedType::isDynamicShape(type.getShape().drop_front()) || !llvm::all_of(input.getUsers(), skipsTheSame))
      return failure();
    Box box(type);
    for (auto [i, stride] : llvm::enumerate(strides)) {
      box.strides[i + 1] = stride;
      box.sizes[i + 1] = llvm::divideCeil(type.getDimSize(i + 1), stride);
    }
    TensorBuilder b(conv.getLoc(), rewriter);
    rewriter.setInsertionPointAfterValue(input);
    SmallVector<Operation *> users(input.getUsers());
    Value taken = take(b, input, box);
    SmallVector<int64_t> ones(strides.size(), 1);
    for (Operation *user : users)
      rewriter.modifyOpInPlace(user, [&] {
        user->setOperand(0, taken);
        cast<ConvOp>(user).setStrides(ones);
      });
    return success();
  }
};

} // namespace

void sylvite::populateRaiseSlices(RewritePatternSet &patterns) {
  patterns.add<RaiseSlice, SliceBeforePointwiseConv>(patterns.getContext());
}
