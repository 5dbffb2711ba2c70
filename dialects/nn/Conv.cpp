//===- Conv.cpp - convolution and its transpose ----------------------------===//
//
// Shapes, checks and gradients of nn.conv, nn.conv_transpose and the forms that kernels take.
//
//===----------------------------------------------------------------------===//
#include "dialects/nn/TensorBuilder.h"
#include "dialects/nn/Windows.h"

using namespace mlir;
using namespace sylvite::nn;

LogicalResult sylvite::nn::verifyWindow(std::optional<Location> loc, StringRef label,
                                        const Window &window, size_t numSpatial) {
  for (ArrayRef<int64_t> values : {window.size, window.strides, window.dilations,
                                   window.paddingLow, window.paddingHigh})
    if (values.size() != numSpatial)
      return emitOptionalError(loc, label, ": expected ", numSpatial,
                               " entries, one per spatial dimension, found ", values.size());
  for (ArrayRef<int64_t> values : {window.size, window.strides, window.dilations})
    for (int64_t value : values)
      if (value < 1)
        return emitOptionalError(loc, label, ": sizes, strides and dilations are positive, found ",
                                 value);
  for (ArrayRef<int64_t> values : {window.paddingLow, window.paddingHigh})
    for (int64_t value : values)
      if (value < 0)
        return emitOptionalError(loc, label, ": a padding is not negative, found ", value);
  return success();
}

FailureOr<ShapeExpr> sylvite::nn::slideWindow(std::optional<Location> loc, StringRef label,
                                              const Window &window, ArrayRef<AffineExpr> input) {
  ShapeExpr result;
  for (size_t i = 0; i < input.size(); ++i) {
    AffineExpr extent = (input[i] + (window.paddingLow[i] + window.paddingHigh[i] -
                                     window.dilations[i] * (window.size[i] - 1) - 1))
                            .floorDiv(window.strides[i]) +
                        1;
    if (auto constant = constantDim(extent); constant && *constant < 1)
      return emitOptionalError(loc, label, ": a window of ", window.size[i], " dilated by ",
                               window.dilations[i], " does not fit into spatial dimension ", i,
                               " of the padded input");
    result.push_back(extent);
  }
  return result;
}

/// The spatial sizes of a filter, which are static.
static SmallVector<int64_t> filterSizes(ArrayRef<AffineExpr> filter) {
  SmallVector<int64_t> sizes;
  for (AffineExpr dim : filter.drop_back(2))
    sizes.push_back(constantDim(dim).value_or(0));
  return sizes;
}

FailureOr<ShapeExpr> ConvOp::inferShape(Adaptor adaptor, std::optional<Location> loc,
                                        ArrayRef<ShapeExpr> shapes) {
  const ShapeExpr &input = shapes[0], &filter = shapes[1];
  if (input.size() != filter.size() || input.size() < 3 || input.size() > 5 ||
      getElementTypeOrSelf(adaptor.getInput()) != getElementTypeOrSelf(adaptor.getFilter()))
    return emitOptionalError(loc, "conv_c1: expected an input (N, spatial..., C) and a filter "
                                  "(spatial..., C / groups, O) of one element type");
  size_t numSpatial = input.size() - 2;
  SmallVector<int64_t> size = filterSizes(filter);
  Window window{size, adaptor.getStrides(), adaptor.getDilations(), adaptor.getPaddingLow(),
                adaptor.getPaddingHigh()};
  if (failed(verifyWindow(loc, "conv_c2", window, numSpatial)))
    return failure();
  auto channels = constantDim(input.back()), filterChannels = constantDim(filter[numSpatial]),
       filters = constantDim(filter.back());
  int64_t groups = adaptor.getGroups();
  if (!channels || !filterChannels || !filters || groups < 1 || *channels % groups ||
      *filters % groups || *filterChannels != *channels / groups)
    return emitOptionalError(loc, "conv_c3: ", groups, " groups do not divide ",
                             channels.value_or(-1), " input channels and ", filters.value_or(-1),
                             " filters into a filter of ", filterChannels.value_or(-1),
                             " channels");
  auto spatial = slideWindow(loc, "conv_c4", window,
                             ArrayRef<AffineExpr>(input).drop_front().drop_back());
  if (failed(spatial))
    return failure();
  ShapeExpr result{input.front()};
  result.append(*spatial);
  result.push_back(filter.back());
  return result;
}

FailureOr<ShapeExpr> ConvTransposeOp::inferShape(Adaptor adaptor, std::optional<Location> loc,
                                                 ArrayRef<ShapeExpr> shapes) {
  const ShapeExpr &input = shapes[0], &filter = shapes[1];
  if (input.size() != filter.size() || input.size() < 3 || input.size() > 5 ||
      getElementTypeOrSelf(adaptor.getInput()) != getElementTypeOrSelf(adaptor.getFilter()) ||
      input.back() != filter.back())
    return emitOptionalError(loc, "conv_transpose_c1: expected an input (N, spatial..., C) and a "
                                  "filter (spatial..., O / groups, C) of one element type");
  size_t numSpatial = input.size() - 2;
  SmallVector<int64_t> size = filterSizes(filter);
  ArrayRef<int64_t> strides = adaptor.getStrides(), dilations = adaptor.getDilations(),
                    low = adaptor.getPaddingLow(), high = adaptor.getPaddingHigh(),
                    extra = adaptor.getOutputPadding();
  for (ArrayRef<int64_t> values : {strides, dilations, low, high, extra})
    if (values.size() != numSpatial)
      return emitOptionalError(loc, "conv_transpose_c2: expected ", numSpatial,
                               " entries, one per spatial dimension, found ", values.size());
  for (ArrayRef<int64_t> values : {ArrayRef<int64_t>(size), strides, dilations})
    for (int64_t value : values)
      if (value < 1)
        return emitOptionalError(
            loc, "conv_transpose_c2: sizes, strides and dilations are positive, found ", value);
  int64_t groups = adaptor.getGroups();
  if (groups < 1 || constantDim(input.back()).value_or(0) % groups)
    return emitOptionalError(loc, "conv_transpose_c3: ", groups,
                             " groups do not divide the input channels");
  ShapeExpr result{input.front()};
  for (size_t i = 0; i < numSpatial; ++i) {
    AffineExpr extent = (input[i + 1] - 1) * strides[i] +
                        (dilations[i] * (size[i] - 1) + 1 - low[i] - high[i] + extra[i]);
    if (auto constant = constantDim(extent); constant && *constant < 1)
      return emitOptionalError(loc, "conv_transpose_c4: spatial dimension ", i,
                               " of the result would be ", *constant);
    result.push_back(extent);
  }
  result.push_back(filter[numSpatial] * groups);
  return result;
}

FailureOr<ShapeExpr> ConvGradFilterOp::inferShape(Adaptor adaptor, std::optional<Location> loc,
                                                  ArrayRef<ShapeExpr> shapes) {
  const ShapeExpr &input = shapes[0], &gradient = shapes[1];
  if (input.size() != gradient.size() || input.size() < 3 || input.size() > 5 ||
      getElementTypeOrSelf(adaptor.getInput()) != getElementTypeOrSelf(adaptor.getGradient()))
    return emitOptionalError(loc, "conv_grad_filter_c1: expected an input (N, spatial..., C) and a gradient "
                                  "(N, positions..., O) of one element type");
  Window window{adaptor.getWindow(), adaptor.getStrides(), adaptor.getDilations(), adaptor.getPaddingLow(),
                adaptor.getPaddingHigh()};
  if (failed(verifyWindow(loc, "conv_grad_filter_c2", window, input.size() - 2)))
    return failure();
  auto channels = constantDim(input.back()), filters = constantDim(gradient.back());
  int64_t groups = adaptor.getGroups();
  if (!channels || !filters || groups < 1 || *channels % groups || *filters % groups)
    return emitOptionalError(loc, "conv_grad_filter_c3: ", groups, " groups do not divide ",
                             channels.value_or(-1), " channels and ", filters.value_or(-1), " filters");
  auto spatial = slideWindow(loc, "conv_grad_filter_c4", window,
                             ArrayRef<AffineExpr>(input).drop_front().drop_back());
  if (failed(spatial))
    return failure();
  for (auto [i, expected] : llvm::enumerate(*spatial))
    if (auto a = constantDim(expected), b = constantDim(gradient[i + 1]); a && b && *a != *b)
      return emitOptionalError(loc, "conv_grad_filter_c4: the gradient has ", *b, " positions in spatial dimension ",
                               i, ", the convolution ", *a);
  ShapeExpr result;
  for (int64_t size : window.size)
    result.push_back(getAffineConstantExpr(size, input.front().getContext()));
  result.push_back(getAffineConstantExpr(*channels / groups, input.front().getContext()));
  result.push_back(gradient.back());
  return result;
}

//===----------------------------------------------------------------------===//
// Gradients
//===----------------------------------------------------------------------===//

FailureOr<SmallVector<Value>> ConvOp::buildGradient(OpBuilder &builder, ValueRange gradients) {
  TensorBuilder b(getLoc(), builder);
  Value g = gradients[0], x = getInput(), filter = getFilter();
  RankedTensorType type = b.typeOf(x), filterType = b.typeOf(filter);
  size_t numSpatial = getStrides().size();
  ArrayRef<int64_t> window = filterType.getShape().take_front(numSpatial);
  // What the last window leaves of the input, and the padding of the convolution that gives its gradient.
  SmallVector<int64_t> rest, low, high;
  bool plain = true; // a convolution of the gradient
  for (size_t i = 0; i < numSpatial; ++i) {
    int64_t reach = getDilations()[i] * (window[i] - 1), stride = getStrides()[i];
    if (type.isDynamicDim(i + 1) && stride > 1)
      return emitOpError("has no gradient when a free spatial dimension has a stride");
    rest.push_back(stride == 1 ? 0
                               : (type.getDimSize(i + 1) + getPaddingLow()[i] + getPaddingHigh()[i] - reach - 1) % stride);
    low.push_back(reach - getPaddingLow()[i]);
    high.push_back(reach - getPaddingHigh()[i]);
    plain &= stride == 1 && low.back() >= 0 && high.back() >= 0;
  }
  Value dx = plain ? b.infer<ConvOp>(g, b.turnFilter(filter, getGroups()), getStrides(), getDilations(), low, high,
                                     getGroups())
                   : b.infer<ConvTransposeOp>(g, filter, getStrides(), getDilations(), getPaddingLow(),
                                              getPaddingHigh(), rest, getGroups());
  Value dFilter = b.infer<ConvGradFilterOp>(x, g, window, getStrides(), getDilations(), getPaddingLow(),
                                            getPaddingHigh(), getGroups());
  return SmallVector<Value>{dx, dFilter};
}

FailureOr<SmallVector<Value>> ConvTransposeOp::buildGradient(OpBuilder &builder, ValueRange gradients) {
  TensorBuilder b(getLoc(), builder);
  Value g = gradients[0];
  SmallVector<int64_t> low(getPaddingLow()), high(getPaddingHigh());
  SmallVector<int64_t> starts(b.typeOf(g).getRank(), 0), sizes = b.sliceSizes(b.typeOf(g)),
                         strides(b.typeOf(g).getRank(), 1);
  // The last positions, which no tap reaches, and what a negative padding has added.
  bool cut = false;
  for (size_t i = 0; i < low.size(); ++i) {
    int64_t before = std::max<int64_t>(-low[i], 0), after = std::max<int64_t>(-high[i], 0);
    if (before + after == 0)
      continue;
    if (sizes[i + 1] < 0)
      return emitOpError("has no gradient when a free spatial dimension is extended");
    starts[i + 1] = before;
    sizes[i + 1] -= before + after;
    low[i] = std::max<int64_t>(low[i], 0);
    high[i] = std::max<int64_t>(high[i], 0);
    cut = true;
  }
  if (cut)
    g = b.infer<SliceOp>(g, starts, sizes, strides);
  ArrayRef<int64_t> window = b.typeOf(getFilter()).getShape().drop_back(2);
  Value dx = b.infer<ConvOp>(g, getFilter(), getStrides(), getDilations(), low, high, getGroups());
  Value dFilter =
      b.infer<ConvGradFilterOp>(g, getInput(), window, getStrides(), getDilations(), low, high, getGroups());
  return SmallVector<Value>{dx, dFilter};
}

FailureOr<ShapeExpr> PackedConvOp::inferShape(Adaptor adaptor, std::optional<Location> loc,
                                              ArrayRef<ShapeExpr> shapes) {
  const ShapeExpr &input = shapes[0];
  SmallVector<int64_t> filter = constantDims(shapes[1]);
  if (input.size() < 3 || input.size() > 5 || filter.size() != input.size() + 2 ||
      getElementTypeOrSelf(adaptor.getInput()) != getElementTypeOrSelf(adaptor.getFilter()))
    return emitOptionalError(loc, "packed_conv_c1: expected an input (N, spatial..., C) and a filter "
                                  "(groups, blocks, spatial..., C / groups, block) of one element type");
  size_t numSpatial = input.size() - 2;
  ArrayRef<int64_t> size = ArrayRef<int64_t>(filter).slice(2, numSpatial);
  SmallVector<int64_t> none(numSpatial, 0);
  Window window{size, adaptor.getStrides(), adaptor.getDilations(), none, none};
  if (failed(verifyWindow(loc, "packed_conv_c2", window, numSpatial)))
    return failure();
  int64_t groups = filter[0], filters = adaptor.getFilters(),
          channels = constantDim(input.back()).value_or(-1);
  if (groups < 1 || filters % groups || channels != groups * filter[numSpatial + 2] ||
      !fillBlocks(filters / groups, filter[1], filter.back()))
    return emitOptionalError(loc, "packed_conv_c3: ", groups, " groups of ", filter[1], " blocks of ",
                             filter.back(), " filters over ", filter[numSpatial + 2],
                             " channels do not make ", filters, " filters over ", channels,
                             " channels");
  auto spatial = slideWindow(loc, "packed_conv_c4", window,
                             ArrayRef<AffineExpr>(input).drop_front().drop_back());
  if (failed(spatial))
    return failure();
  ShapeExpr result{input.front()};
  MLIRContext *context = input.front().getContext();
  if (adaptor.getFlatten()) {
    AffineExpr positions = getAffineConstantExpr(1, context);
    for (AffineExpr extent : *spatial)
      positions = positions * extent;
    result.push_back(positions);
  } else {
    result.append(*spatial);
  }
  if (groups > 1)
    result.push_back(getAffineConstantExpr(groups, context));
  result.push_back(getAffineConstantExpr(filters / groups, context));
  return result;
}

//===----------------------------------------------------------------------===//
// Winograd's algorithm
//===----------------------------------------------------------------------===//

FailureOr<ShapeExpr> WinogradFilterOp::inferShape(Adaptor adaptor, std::optional<Location> loc,
                                                  ArrayRef<ShapeExpr> shapes) {
  const ShapeExpr &filter = shapes[0];
  if (filter.size() != 4 || constantDim(filter[0]) != 3 || constantDim(filter[1]) != 3)
    return emitOptionalError(loc, "winograd_filter_c1: expected a filter (3, 3, C, O)");
  int64_t tile = adaptor.getTile();
  if (tile != 2 && tile != 4)
    return emitOptionalError(loc, "winograd_filter_c2: tile is 2 or 4, not ", tile);
  AffineExpr points = getAffineConstantExpr(tile + 2, filter[0].getContext());
  return ShapeExpr{points, points, filter[2], filter[3]};
}

/// What the ops of the algorithm ask of tile and padding.
static LogicalResult verifyTile(std::optional<Location> loc, StringRef label, int64_t tile, ArrayRef<int64_t> low,
                                ArrayRef<int64_t> high) {
  auto outside = [](int64_t padding) { return padding < 0 || padding > 2; };
  if ((tile != 2 && tile != 4) || low.size() != 2 || high.size() != 2 ||
      llvm::any_of(low, outside) || llvm::any_of(high, outside))
    return emitOptionalError(loc, label, ": expected a tile of 2 or 4 and paddings of two entries from 0 to 2");
  return success();
}

/// Whether a packed filter of an input with `channels` has the shape of taps.
static bool areTaps(ArrayRef<int64_t> filter, std::optional<int64_t> channels) {
  return channels == filter[1] && filter[2] == 9;
}

bool WinogradConvOp::takesTaps() {
  return areTaps(cast<RankedTensorType>(getFilter().getType()).getShape(),
                 cast<RankedTensorType>(getInput().getType()).getShape().back());
}

FailureOr<ShapeExpr> WinogradConvOp::inferShape(Adaptor adaptor, std::optional<Location> loc,
                                                ArrayRef<ShapeExpr> shapes) {
  const ShapeExpr &input = shapes[0];
  SmallVector<int64_t> filter = constantDims(shapes[1]);
  int64_t tile = adaptor.getTile(), points = (tile + 2) * (tile + 2);
  auto isFilter = [&] {
    if (input.size() != 4 || filter.size() != 4)
      return false;
    auto channels = constantDim(input.back());
    return (filter[1] == points && channels == filter[2]) || areTaps(filter, channels);
  };
  if (!isFilter() || getElementTypeOrSelf(adaptor.getInput()) != getElementTypeOrSelf(adaptor.getFilter()))
    return emitOptionalError(loc, "winograd_conv_c1: expected an input (N, H, W, C) and a filter (blocks, ", points,
                             ", C, block) or (blocks, C, 9, block) of one element type");
  ArrayRef<int64_t> low = adaptor.getPaddingLow(), high = adaptor.getPaddingHigh();
  if (failed(verifyTile(loc, "winograd_conv_c2", tile, low, high)))
    return failure();
  if (adaptor.getItems() != 1 && !(constantDim(input[1]) && constantDim(input[2])))
    return emitOptionalError(loc, "winograd_conv_c5: images of ", adaptor.getItems(), " items at a time have static sizes");
  int64_t filters = adaptor.getFilters();
  if (!fillBlocks(filters, filter[0], filter[3]))
    return emitOptionalError(loc, "winograd_conv_c3: ", filter[0], " blocks of ", filter[3],
                             " do not hold ", filters, " filters");
  ShapeExpr result{input.front()};
  for (int i : {0, 1}) {
    auto extent = constantDim(input[i + 1]);
    int64_t added = low[i] + high[i] - 2;
    if (extent && *extent + added < 1)
      return emitOptionalError(loc, "winograd_conv_c4: the filter does not fit into spatial dimension ",
                               i, " of the padded input");
    result.push_back(input[i + 1] + added);
  }
  result.push_back(getAffineConstantExpr(filters, input.front().getContext()));
  return result;
}

FailureOr<ShapeExpr> WinogradGradFilterOp::inferShape(Adaptor adaptor, std::optional<Location> loc,
                                                      ArrayRef<ShapeExpr> shapes) {
  const ShapeExpr &input = shapes[0], &gradient = shapes[1];
  if (input.size() != 4 || gradient.size() != 4 ||
      getElementTypeOrSelf(adaptor.getInput()) != getElementTypeOrSelf(adaptor.getGradient()))
    return emitOptionalError(loc, "winograd_grad_filter_c1: expected an input (N, H, W, C) and a gradient (N, H', W', O) "
                                  "of one element type");
  ArrayRef<int64_t> low = adaptor.getPaddingLow(), high = adaptor.getPaddingHigh();
  if (failed(verifyTile(loc, "winograd_grad_filter_c2", adaptor.getTile(), low, high)))
    return failure();
  for (int i : {0, 1}) {
    auto size = constantDim(input[i + 1]), positions = constantDim(gradient[i + 1]);
    if (!size || !positions || *positions < 1 || *positions != *size + low[i] + high[i] - 2)
      return emitOptionalError(loc, "winograd_grad_filter_c3: spatial dimension ", i,
                               " of the gradient is not that of a convolution of the input");
  }
  AffineExpr taps = getAffineConstantExpr(3, input.front().getContext());
  return ShapeExpr{taps, taps, input.back(), gradient.back()};
}
