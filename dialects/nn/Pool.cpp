//===- Pool.cpp - pooling --------------------------------------------------===//
//
// Shapes and checks of nn.max_pool and nn.avg_pool. Global pooling is nn.reduce.
//
//===----------------------------------------------------------------------===//
#include "dialects/nn/Windows.h"

using namespace mlir;
using namespace sylvite::nn;

template <typename Adaptor>
static FailureOr<ShapeExpr> inferPoolShape(Adaptor adaptor, std::optional<Location> loc,
                                           const ShapeExpr &input) {
  Window window{adaptor.getWindow(), adaptor.getStrides(), adaptor.getDilations(),
                adaptor.getPaddingLow(), adaptor.getPaddingHigh()};
  if (input.size() < 3)
    return emitOptionalError(loc, "pool_c1: expected an input (N, spatial..., C)");
  if (failed(verifyWindow(loc, "pool_c1", window, input.size() - 2)))
    return failure();
  for (size_t i = 0; i < window.size.size(); ++i)
    if (std::max(window.paddingLow[i], window.paddingHigh[i]) >
        window.dilations[i] * (window.size[i] - 1))
      return emitOptionalError(loc, "pool_c2: a padding of ",
                               std::max(window.paddingLow[i], window.paddingHigh[i]),
                               " in spatial dimension ", i, " leaves a window of ", window.size[i],
                               " empty");
  auto spatial = slideWindow(loc, "pool_c3", window,
                             ArrayRef<AffineExpr>(input).drop_front().drop_back());
  if (failed(spatial))
    return failure();
  ShapeExpr result{input.front()};
  result.append(*spatial);
  result.push_back(input.back());
  return result;
}

FailureOr<ShapeExpr> MaxPoolOp::inferShape(Adaptor adaptor, std::optional<Location> loc,
                                           ArrayRef<ShapeExpr> shapes) {
  return inferPoolShape(adaptor, loc, shapes[0]);
}

FailureOr<ShapeExpr> AvgPoolOp::inferShape(Adaptor adaptor, std::optional<Location> loc,
                                           ArrayRef<ShapeExpr> shapes) {
  return inferPoolShape(adaptor, loc, shapes[0]);
}
