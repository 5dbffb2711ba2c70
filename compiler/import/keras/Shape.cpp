//===- Shape.cpp - layers that move elements ------------------------------===//
//
// Rows for keras.layers' reshaping layers, and Concatenate.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/keras/Layers.h"

using namespace llvm;
using namespace mlir;
using namespace sylvite;
using namespace sylvite::keras;

static constexpr int64_t kFree = ShapedType::kDynamic;

/// The product of static sizes; nothing when one is free or the product leaves int64.
static std::optional<int64_t> product(ArrayRef<int64_t> sizes) {
  int64_t size = 1;
  for (int64_t extent : sizes)
    if (ShapedType::isDynamic(extent) || __builtin_mul_overflow(size, extent, &size))
      return std::nullopt;
  return size;
}

static void flatten(LayerBuilder &b) {
  Value x = b.toChannelsLast(b.input(), b.channelsFirst());
  if (!x)
    return;
  if (rankOf(x) == 1)
    return b.result(b.expandDims(x, 1));
  int64_t size = product(shapeOf(x).drop_front()).value_or(kFree);
  b.result(b.reshape(x, {shapeOf(x)[0], size}, {0, -1}));
}

static void reshape(LayerBuilder &b) {
  Value x = b.input();
  auto target = asIntegers(b.attribute("target_shape"), /*missing=*/-1);
  ArrayRef<int64_t> source = shapeOf(x).drop_front();
  int64_t known = 1, open = 0;
  bool valid = target.has_value();
  for (int64_t extent : target.value_or(Dims())) {
    valid &= extent == -1 || (extent > 0 && extent <= INT32_MAX);
    open += extent == -1;
    if (valid && extent > 0)
      valid &= !__builtin_mul_overflow(known, extent, &known);
  }
  std::optional<int64_t> total = product(source);
  if (!valid || open > 1 || (total && (open ? *total % known : *total != known)) ||
      (!total && !open))
    return b.refuse("target_shape",
                    "positive sizes and at most one -1 that hold the " +
                        (total ? std::to_string(*total) : "(free number of)") +
                        " elements of each example");
  Dims shape{shapeOf(x)[0]}, from{0};
  for (int64_t extent : *target) {
    shape.push_back(extent != -1 ? extent : total ? *total / known : kFree);
    from.push_back(-1);
  }
  b.result(b.reshape(x, shape, from));
}

static void permute(LayerBuilder &b) {
  auto dims = asIntegers(b.attribute("dims"));
  Dims permutation{0}, sorted;
  if (dims)
    permutation.append(dims->begin(), dims->end());
  sorted = permutation;
  llvm::sort(sorted);
  bool valid = dims && int64_t(sorted.size()) == rankOf(b.input());
  for (auto [i, dim] : llvm::enumerate(sorted))
    valid &= dim == int64_t(i);
  if (!valid)
    return b.refuse("dims", "a permutation of 1 to " + Twine(rankOf(b.input()) - 1));
  b.result(b.transpose(b.input(), permutation));
}

static void repeatVector(LayerBuilder &b) {
  Value x = b.input();
  b.expectRank(x, 2);
  int64_t n = b.integer("n", std::nullopt);
  if (b.failed())
    return;
  b.result(b.broadcast(b.expandDims(x, 1), {shapeOf(x)[0], n, shapeOf(x)[1]}));
}

/// Reads ((low, high), ...), (symmetric, ...) or one number for `n` spatial dimensions; for one dimension
/// (low, high) stands alone. Fills the entries of the spatial dimensions.
static void readBorders(LayerBuilder &b, StringRef key, unsigned n, bool first, Dims &low, Dims &high) {
  low.assign(n + 2, 0);
  high.assign(n + 2, 0);
  const Json *json = b.attribute(key);
  unsigned spatial = first ? 2 : 1;
  auto set = [&](unsigned i, int64_t before, int64_t after) {
    low[spatial + i] = before;
    high[spatial + i] = after;
    return before >= 0 && after >= 0 && before <= INT32_MAX && after <= INT32_MAX;
  };
  bool valid = true;
  if (!json) {
    for (unsigned i = 0; i < n; ++i)
      set(i, 1, 1);
    return;
  }
  if (auto single = asInteger(json)) {
    for (unsigned i = 0; i < n; ++i)
      valid &= set(i, *single, *single);
  } else if (auto pair = asIntegers(json); n == 1 && pair && pair->size() == 2) {
    valid = set(0, (*pair)[0], (*pair)[1]);
  } else if (json->is_array() && json->size() == n) {
    for (unsigned i = 0; i < n; ++i) {
      auto both = asIntegers(&(*json)[i]);
      auto same = asInteger(&(*json)[i]);
      valid &= (both && both->size() == 2) || same;
      if (valid)
        valid = same ? set(i, *same, *same) : set(i, (*both)[0], (*both)[1]);
    }
  } else {
    valid = false;
  }
  if (!valid)
    b.refuse(key, "an integer that is not negative, or a pair of them per spatial dimension");
}

template <unsigned n> static void zeroPadding(LayerBuilder &b) {
  b.expectRank(b.input(), n + 2);
  Dims low, high;
  readBorders(b, "padding", n, b.channelsFirst(), low, high);
  b.result(b.make<nn::PadOp>(b.input(), low, high, APFloat(0.0), nn::PadMode::Constant));
}

template <unsigned n> static void cropping(LayerBuilder &b) {
  Value x = b.input();
  b.expectRank(x, n + 2);
  Dims low, high, sizes;
  bool first = b.channelsFirst();
  readBorders(b, "cropping", n, first, low, high);
  for (unsigned i = 0; i < n + 2 && !b.failed(); ++i) {
    if (ShapedType::isDynamic(shapeOf(x)[i])) {
      AffineExpr extent = getAffineSymbolExpr(i, b.builder.getContext());
      if (high[i])
        x = b.take(x, i, getAffineConstantExpr(low[i], b.builder.getContext()), extent - (low[i] + high[i]));
      low[i] = high[i] ? 0 : low[i];
      sizes.push_back(-1);
      continue;
    }
    int64_t left = b.extent(x, i) - low[i] - high[i];
    if (left < 1)
      return b.refuse("cropping", "less than the " + Twine(shapeOf(x)[i]) + " elements of dimension " +
                                      Twine(i));
    sizes.push_back(left);
  }
  if (!b.failed())
    b.result(b.slice(x, low, sizes));
}

template <unsigned n> static void upSampling(LayerBuilder &b) {
  b.expectRank(b.input(), n + 2);
  bool first = n > 1 && b.channelsFirst();
  Value x = b.toChannelsLast(b.floatInput(), first);
  Dims factors = b.tuple("size", n, 2), sizes;
  bool linear = false;
  if (n == 2)
    linear = b.choice("interpolation", {"nearest", "bilinear"}) == "bilinear";
  if (b.failed())
    return;
  if (!linear && llvm::any_of(shapeOf(x).drop_front().drop_back(), ShapedType::isDynamic)) {
    for (unsigned i = 0; i < n; ++i)
      x = b.repeat(x, i + 1, factors[i], /*whole=*/false);
    return b.result(b.fromChannelsLast(x, first));
  }
  for (unsigned i = 0; i < n; ++i)
    sizes.push_back(b.extent(x, i + 1) * factors[i]);
  for (int64_t size : sizes)
    if (size > INT32_MAX)
      b.refuse("size", "factors with results of at most 2^31 - 1 elements");
  Value y = linear ? b.make<nn::ResizeOp>(x, sizes, nn::ResizeMode::Linear, nn::Coordinates::HalfPixel)
                   : b.make<nn::ResizeOp>(x, sizes, nn::ResizeMode::Nearest,
                                          nn::Coordinates::Asymmetric);
  b.result(b.fromChannelsLast(y, first));
}

/// The mask of a concatenation along `axis`: any of the masks along the features, else the masks joined,
/// where an input without one counts everywhere.
static Value concatenateMasks(LayerBuilder &b, int64_t axis) {
  Value masked;
  for (unsigned i = 0; i < b.inputs().size(); ++i)
    masked = masked ? masked : b.mask(i);
  if (!masked || b.failed())
    return {};
  int64_t rank = rankOf(b.input());
  if (axis == rank - 1)
    return joinMasks(b);
  SmallVector<Value> masks;
  for (auto [i, x] : llvm::enumerate(b.inputs())) {
    Value mask = b.mask(i);
    if (mask && rankOf(mask) != rank - 1) {
      b.error() << "a mask of its inputs has " << rankOf(mask) << " dimensions; supported: " << rank - 1;
      return {};
    }
    if (!mask) {
      Dims from;
      for (int64_t dim = 0; dim + 1 < rank; ++dim)
        from.push_back(dim);
      auto type = RankedTensorType::get(shapeOf(x).drop_back(), b.builder.getI1Type());
      mask = nn::FullOp::create(b.builder, b.loc, type, APFloat(1.0), x, from);
    }
    masks.push_back(mask);
  }
  return b.make<nn::ConcatOp>(ValueRange(masks), axis);
}

static void concatenate(LayerBuilder &b) {
  Value first = b.input();
  int64_t axis = b.axis("axis", rankOf(first), rankOf(first) - 1);
  SmallVector<Value> inputs(b.inputs());
  bool isFloat = llvm::any_of(inputs, [](Value x) {
    return isa<FloatType>(getElementTypeOrSelf(x.getType()));
  });
  for (Value &x : inputs)
    x = isFloat ? b.toFloat(x) : x;
  b.result(inputs.size() == 1 ? first : b.make<nn::ConcatOp>(ValueRange(inputs), axis),
           concatenateMasks(b, axis));
}

ArrayRef<LayerRow> keras::shapeLayers() {
  static const LayerRow rows[] = {
      {"Concatenate", concatenate, Masks::Own},
      {"Cropping1D", cropping<1>},
      {"Cropping2D", cropping<2>},
      {"Cropping3D", cropping<3>},
      {"Flatten", flatten},
      {"Permute", permute},
      {"RepeatVector", repeatVector},
      {"Reshape", reshape},
      {"UpSampling1D", upSampling<1>},
      {"UpSampling2D", upSampling<2>},
      {"UpSampling3D", upSampling<3>},
      {"ZeroPadding1D", zeroPadding<1>},
      {"ZeroPadding2D", zeroPadding<2>},
      {"ZeroPadding3D", zeroPadding<3>},
  };
  return rows;
}
