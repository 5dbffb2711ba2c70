//===- TransposedConv.cpp - transposed convolutions as convolutions --------===//
//
// A transposed convolution of stride S computes S kinds of positions, its phases: position S m + r gathers taps r,
// r + S, r + 2 S, ... of the filter from inputs m, m - 1, m - 2, ... Each phase is a convolution of stride one, whose
// kernel is as fast as any other's, and their results are interleaved (Shi et al., "Is the deconvolution layer the same
// as a convolutional layer?", 2016). The phases of the last dimension become channels of one convolution, so that
// interleaving them is a view. This pattern of nn-plan-contractions leaves what it does not take to the kernel that
// follows the definition: free spatial dimensions, dilations beside strides, outputs extended by padding.
//
//===----------------------------------------------------------------------===//
#include "passes/nn/Utils.h"

#include "dialects/nn/TensorBuilder.h"

using namespace mlir;
using namespace sylvite;
using namespace sylvite::nn;

namespace {

/// One spatial dimension of the op.
struct Dimension {
  int64_t input, output, window, stride, dilation, padding;

  /// Phases that taps reach; the others are zero.
  int64_t phases() const { return std::min(window, stride); }
  int64_t taps(int64_t phase) const { return llvm::divideCeil(window - phase, stride); }
  /// The input reaches that far back from the position it is at.
  int64_t reach(int64_t phase) const { return (taps(phase) - 1) * dilation; }
  /// Positions, in steps of the stride, that the padding cuts off and that no phase computes.
  int64_t skipped() const { return std::min(padding / stride, reach(phases() - 1)); }
  /// Positions of each phase.
  int64_t positions() const {
    return std::max<int64_t>(llvm::divideCeil(output + padding, stride), input) - skipped();
  }
  int64_t low(int64_t phase) const { return reach(phase) - skipped(); }
  int64_t high() const { return positions() + skipped() - input; }
  /// Of all phases interleaved, the first position of the result.
  int64_t start() const { return padding - skipped() * stride; }
};

/// Builds the phases of one op and puts them together.
class PhaseBuilder {
public:
  PhaseBuilder(TensorBuilder &b, ConvTransposeOp op, ArrayRef<Dimension> dims)
      : b(b), op(op), dims(dims), joinsLast(op.getGroups() == 1 && dims.back().stride > 1) {}

  Value build() {
    Value whole = interleave();
    RankedTensorType type = b.typeOf(whole);
    SmallVector<int64_t> starts(type.getRank(), 0), sizes = b.sliceSizes(type), strides(type.getRank(), 1);
    bool cuts = false;
    for (auto [i, dim] : llvm::enumerate(dims)) {
      cuts |= dim.output != sizes[i + 1];
      starts[i + 1] = dim.start();
      sizes[i + 1] = dim.output;
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
    // (N, positions..., positions of `dim`, rest) beside each other in the last dimension are the phases in turn.
    RankedTensorType type = b.typeOf(parts.front());
    SmallVector<int64_t> shape(type.getShape().take_front(fixed + 2)), from(fixed + 3, -1);
    int64_t rest = ShapedType::getNumElements(type.getShape().drop_front(fixed + 2));
    shape.push_back(rest);
    from[0] = 0;
    for (Value &part : parts)
      part = b.reshape(part, shape, from);
    Value all = parts.size() == 1 ? parts.front() : b.infer<ConcatOp>(parts, fixed + 2);
    if (dim.phases() < dim.stride) {
      SmallVector<int64_t> none(fixed + 3, 0), high(fixed + 3, 0);
      high.back() = (dim.stride - dim.phases()) * rest;
      all = b.infer<PadOp>(all, none, high);
    }
    shape.assign(type.getShape().begin(), type.getShape().end());
    shape[fixed + 1] *= dim.stride;
    return asResult(all, shape);
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
    shape[dims.size()] *= last.stride;
    shape.back() /= last.stride;
    return asResult(row, shape);
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
    return b.infer<ConvOp>(op.getInput(), filter, ones, op.getDilations(), low, high, op.getGroups());
  }

  /// `x` under `shape`, whose first dimension alone may be free.
  Value asResult(Value x, ArrayRef<int64_t> shape) {
    SmallVector<int64_t> from(shape.size(), -1);
    from[0] = 0;
    return b.reshape(x, shape, from);
  }

  TensorBuilder &b;
  ConvTransposeOp op;
  ArrayRef<Dimension> dims;
  bool joinsLast;
  SmallVector<int64_t> phases; ///< of the dimensions so far, outermost first
};

struct SplitIntoPhases : OpRewritePattern<ConvTransposeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ConvTransposeOp op, PatternRewriter &rewriter) const override {
    RankedTensorType input = TensorBuilder::typeOf(op.getInput()), filter = TensorBuilder::typeOf(op.getFilter());
    if (!dependsOnParametersOnly(op.getFilter()) || dependsOnParametersOnly(op.getInput()) ||
        ShapedType::isDynamicShape(input.getShape().drop_front()))
      return failure();
    SmallVector<Dimension> dims;
    for (size_t i = 0; i < op.getStrides().size(); ++i) {
      dims.push_back({input.getDimSize(i + 1), op.getType().getDimSize(i + 1), filter.getDimSize(i),
                      op.getStrides()[i], op.getDilations()[i], op.getPaddingLow()[i]});
      if (dims.back().padding < 0 || (dims.back().stride > 1 && dims.back().dilation > 1))
        return failure();
    }
    TensorBuilder b(op.getLoc(), rewriter);
    rewriter.replaceOp(op, PhaseBuilder(b, op, dims).build());
    return success();
  }
};

} // namespace

void sylvite::populateSplitTransposedConvs(RewritePatternSet &patterns) {
  patterns.add<SplitIntoPhases>(patterns.getContext());
}
