//===- TransposedConv.cpp - transposed convolutions as convolutions --------===//
//
// A transposed convolution of stride S computes S kinds of positions, its phases: position S m + r gathers taps r,
// r + S, r + 2 S, ... of the filter from inputs m, m - 1, m - 2, ... Each phase is a convolution of stride one, whose
// kernel is as fast as any other's, and their results are interleaved (Shi et al., "Is the deconvolution layer the same
// as a convolutional layer?", 2016). The phases of the last dimension become channels of one convolution, so that
// interleaving them is a view. This pattern of nn-plan-contractions leaves what it does not take to the kernel that
// follows the definition: dilations beside strides, outputs extended by padding, free spatial dimensions of whose phases the
// end is cut off. Maps that follow, which treat all positions alike, are computed on each phase before they are interleaved: there
// they are part of the convolution's kernel.
//
//===----------------------------------------------------------------------===//
#include "passes/nn/Utils.h"

#include "dialects/nn/TensorBuilder.h"

#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace sylvite;
using namespace sylvite::nn;

namespace {

/// One spatial dimension of the op.
struct Dimension {
  bool isFree;
  /// How much longer the result, with what padding cuts off before it, is than `stride` times the input.
  int64_t excess;
  int64_t window, stride, dilation, padding;

  /// Phases that taps reach; the others are zero.
  int64_t phases() const { return std::min(window, stride); }
  int64_t taps(int64_t phase) const { return llvm::divideCeil(window - phase, stride); }
  /// The input reaches that far back from the position it is at.
  int64_t reach(int64_t phase) const { return (taps(phase) - 1) * dilation; }
  /// Positions, in steps of the stride, that the padding cuts off and that no phase computes.
  int64_t skipped() const { return std::min(padding / stride, reach(phases() - 1)); }
  int64_t low(int64_t phase) const { return reach(phase) - skipped(); }
  int64_t high() const { return std::max<int64_t>(llvm::divideCeilSigned(excess, stride), 0); }
  /// Of all phases interleaved, the first position of the result, and how many follow it.
  int64_t start() const { return padding - skipped() * stride; }
  int64_t rest() const { return high() * stride - excess; }
};

/// Whether `value`, an operand of a map of `type`, is one parameter, or one for each channel.
bool isPerChannel(Value value, RankedTensorType type) {
  RankedTensorType own = TensorBuilder::typeOf(value);
  int64_t channels = type.getShape().back();
  return dependsOnParametersOnly(value) && own.hasStaticShape() &&
         (own.getNumElements() == 1 || (own.getNumElements() == channels && own.getShape().back() == channels));
}

/// The maps after `op`, each of which alone reads the one before, and parameters that are the same for all positions.
SmallVector<MapOp> mapsAfter(ConvTransposeOp op) {
  SmallVector<MapOp> maps;
  for (Operation *last = op; last->hasOneUse();) {
    auto map = dyn_cast<MapOp>(*last->user_begin());
    if (!map || map->getBlock() != op->getBlock() || map.getType().getShape() != op.getType().getShape() ||
        !llvm::all_of(map.getOperands(),
                      [&](Value value) { return value.getDefiningOp() == last || isPerChannel(value, map.getType()); }))
      break;
    maps.push_back(map);
    last = map;
  }
  return maps;
}

/// Builds the phases of one op, and of `maps` after it, and puts them together.
class PhaseBuilder {
public:
  PhaseBuilder(TensorBuilder &b, ConvTransposeOp op, ArrayRef<MapOp> maps, ArrayRef<Dimension> dims)
      : b(b), op(op), maps(maps), dims(dims), joinsLast(op.getGroups() == 1 && dims.back().stride > 1) {}

  Value build() {
    Value whole = interleave();
    RankedTensorType type = b.typeOf(whole);
    SmallVector<int64_t> starts(type.getRank(), 0), sizes = b.sliceSizes(type), strides(type.getRank(), 1);
    bool cuts = false;
    for (auto [i, dim] : llvm::enumerate(dims)) {
      cuts |= dim.start() + dim.rest() != 0;
      starts[i + 1] = dim.start();
      if (!dim.isFree)
        sizes[i + 1] -= dim.start() + dim.rest();
    }
    return cuts ? b.infer<SliceOp>(whole, starts, sizes, strides) : whole;
  }

private:
  /// The result for the phases fixed so far, whole in the dimensions after them.
  Value interleave() {
    size_t fixed = phases.size();
    if (fixed == dims.size() - 1 && joinsLast)
      return convolveRow();
    if (fixed == dims.size())
      return convolve(taps(op.getFilter()));
    const Dimension &dim = dims[fixed];
    SmallVector<Value> parts;
    for (int64_t phase = 0; phase < dim.phases(); ++phase) {
      phases.push_back(phase);
      parts.push_back(interleave());
      phases.pop_back();
    }
    if (dim.stride == 1)
      return parts.front();
    // (N, positions..., positions of `dim`, rest) beside each other before the rest are the phases in turn.
    RankedTensorType type = b.typeOf(parts.front());
    int64_t place = fixed + 2;
    SmallVector<int64_t> shape(type.getShape().take_front(place)), from = freeDims(type, place);
    bool isRestFree = ShapedType::isDynamicShape(type.getShape().drop_front(place));
    shape.append({1, isRestFree ? ShapedType::kDynamic : ShapedType::getNumElements(type.getShape().drop_front(place))});
    from.append({-1, -1});
    for (Value &part : parts)
      part = b.reshape(part, shape, from);
    Value all = parts.size() == 1 ? parts.front() : b.infer<ConcatOp>(parts, place);
    if (dim.phases() < dim.stride) {
      SmallVector<int64_t> none(place + 2, 0), high(place + 2, 0);
      high[place] = dim.stride - dim.phases();
      all = b.infer<PadOp>(all, none, high);
    }
    shape.erase(shape.begin() + place);
    scale(shape[place - 1], dim.stride);
    from = freeDims(b.typeOf(all), place - 1);
    from.append({-1, isRestFree ? place + 1 : -1});
    all = b.reshape(all, shape, from);
    shape.pop_back();
    shape.append(type.getShape().begin() + place, type.getShape().end());
    return asResult(all, shape, place);
  }

  /// Multiplies a size, which may be free.
  static void scale(int64_t &size, int64_t factor) { size = ShapedType::isDynamic(size) ? size : size * factor; }

  /// The first `count` dimensions of `type` as sources of a reshape.
  static SmallVector<int64_t> freeDims(RankedTensorType type, int64_t count) {
    SmallVector<int64_t> from;
    for (int64_t i = 0; i < count; ++i)
      from.push_back(type.isDynamicDim(i) ? i : -1);
    return from;
  }

  /// All phases of the last dimension: they read the same inputs once the shorter ones have a tap of zeros.
  Value convolveRow() {
    const Dimension &last = dims.back();
    Value filter = op.getFilter();
    int64_t missing = last.taps(0) * last.stride - last.window;
    if (missing) {
      SmallVector<int64_t> none(dims.size() + 2, 0), high(dims.size() + 2, 0);
      high[dims.size() - 1] = missing;
      filter = b.infer<PadOp>(filter, none, high);
    }
    SmallVector<Value> filters;
    for (int64_t phase = 0; phase < last.stride; ++phase) {
      phases.push_back(phase);
      filters.push_back(taps(filter));
      phases.pop_back();
    }
    phases.push_back(0); // the longest, as all are now
    Value row = convolve(b.infer<ConcatOp>(filters, dims.size() + 1));
    phases.pop_back();
    SmallVector<int64_t> shape(b.typeOf(row).getShape());
    scale(shape[dims.size()], last.stride);
    shape.back() /= last.stride;
    return asResult(row, shape, dims.size());
  }

  /// The taps of these phases, as a convolution takes them.
  Value taps(Value filter) {
    RankedTensorType type = b.typeOf(filter);
    SmallVector<int64_t> starts(type.getRank(), 0), sizes(type.getShape()), strides(type.getRank(), 1);
    bool whole = true;
    for (auto [i, phase] : llvm::enumerate(phases)) {
      starts[i] = phase;
      sizes[i] = llvm::divideCeil(type.getDimSize(i) - phase, dims[i].stride);
      strides[i] = dims[i].stride;
      whole &= strides[i] == 1;
    }
    if (!whole)
      filter = b.infer<SliceOp>(filter, starts, sizes, strides);
    return b.turnFilter(filter, op.getGroups());
  }

  /// The convolution that gives the positions of these phases.
  Value convolve(Value filter) {
    SmallVector<int64_t> low, high, ones(dims.size(), 1);
    for (auto [dim, phase] : llvm::zip_equal(dims, phases)) {
      low.push_back(dim.low(phase));
      high.push_back(dim.high());
    }
    Value result = b.infer<ConvOp>(op.getInput(), filter, ones, op.getDilations(), low, high, op.getGroups()), replaced = op;
    int64_t copies = b.typeOf(result).getShape().back() / op.getType().getShape().back();
    for (MapOp map : maps) {
      IRMapping mapping;
      for (Value operand : map.getOperands())
        mapping.map(operand, operand == replaced ? result : repeat(operand, copies));
      Operation *moved = b.clone(*map, mapping);
      moved->getResult(0).setType(b.typeOf(result).clone(map.getType().getElementType()));
      result = moved->getResult(0);
      replaced = map;
    }
    return result;
  }

  /// A parameter of each channel, for phases beside each other as channels.
  Value repeat(Value value, int64_t copies) {
    RankedTensorType type = b.typeOf(value);
    if (copies == 1 || type.getNumElements() == 1)
      return value;
    return b.infer<ConcatOp>(SmallVector<Value>(copies, value), type.getRank() - 1);
  }

  /// `x` under `shape`, which has its first `kept` dimensions and at most one free one after them.
  Value asResult(Value x, ArrayRef<int64_t> shape, int64_t kept) {
    SmallVector<int64_t> from = freeDims(b.typeOf(x), kept);
    from.resize(shape.size(), -1);
    return b.reshape(x, shape, from);
  }

  TensorBuilder &b;
  ConvTransposeOp op;
  ArrayRef<MapOp> maps;
  ArrayRef<Dimension> dims;
  bool joinsLast;
  SmallVector<int64_t> phases; ///< of the dimensions so far, outermost first
};

struct SplitIntoPhases : OpRewritePattern<ConvTransposeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ConvTransposeOp op, PatternRewriter &rewriter) const override {
    RankedTensorType input = TensorBuilder::typeOf(op.getInput()), filter = TensorBuilder::typeOf(op.getFilter());
    if (!dependsOnParametersOnly(op.getFilter()) || dependsOnParametersOnly(op.getInput()))
      return failure();
    SmallVector<Dimension> dims;
    for (size_t i = 0; i < op.getStrides().size(); ++i) {
      int64_t window = filter.getDimSize(i), stride = op.getStrides()[i], dilation = op.getDilations()[i];
      int64_t excess = dilation * (window - 1) + 1 - stride - op.getPaddingHigh()[i] + op.getOutputPadding()[i];
      dims.push_back({input.isDynamicDim(i + 1), excess, window, stride, dilation, op.getPaddingLow()[i]});
      const Dimension &dim = dims.back();
      if (dim.padding < 0 || (stride > 1 && dilation > 1) || (dim.isFree && dim.rest() > 0))
        return failure();
    }
    // Of the dimensions after one whose phases are interleaved, one may be free.
    if (llvm::count_if(ArrayRef<Dimension>(dims).drop_front(), [](const Dimension &dim) { return dim.isFree; }) > 1)
      return failure();
    // Positions that no tap reaches are zero before the maps, and channels that fill no vector had better be a row first.
    constexpr int64_t fewestChannels = 8;
    bool isWhole = llvm::all_of(dims, [](const Dimension &dim) { return dim.phases() == dim.stride; }),
         isWide = op.getType().getShape().back() >= fewestChannels;
    SmallVector<MapOp> maps = isWhole && isWide ? mapsAfter(op) : SmallVector<MapOp>();
    SmallVector<Operation *> replaced{op};
    replaced.append(maps.begin(), maps.end());
    rewriter.setInsertionPoint(replaced.back());
    TensorBuilder b(op.getLoc(), rewriter);
    rewriter.replaceOp(replaced.pop_back_val(), PhaseBuilder(b, op, maps, dims).build());
    for (Operation *before : llvm::reverse(replaced))
      rewriter.eraseOp(before);
    return success();
  }
};

} // namespace

void sylvite::populateSplitTransposedConvs(RewritePatternSet &patterns) {
  patterns.add<SplitIntoPhases>(patterns.getContext());
}
