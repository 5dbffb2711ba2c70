//===- Conv.cpp - convolution and its transpose ----------------------------===//
//
// Shapes and checks of nn.conv and nn.conv_transpose.
//
//===----------------------------------------------------------------------===//
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
