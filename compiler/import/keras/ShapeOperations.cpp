//===- ShapeOperations.cpp - nodes of keras.ops that move elements ---------===//
//
// Rows for the functions of keras.ops that reshape, reorder, take, repeat or join elements, and for sums along a dimension that
// are kept one by one.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/keras/Layers.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace llvm;
using namespace mlir;
using namespace sylvite;
using namespace sylvite::keras;

//===----------------------------------------------------------------------===//
// Shapes
//===----------------------------------------------------------------------===//

static void transpose(LayerBuilder &b) {
  Value x = b.input();
  Dims permutation;
  for (int64_t i = rankOf(x); i-- > 0;)
    permutation.push_back(i);
  if (const Json *axes = b.attribute("axes")) {
    permutation = asIntegers(axes).value_or(Dims());
    for (int64_t &dim : permutation)
      dim += dim < 0 ? rankOf(x) : 0;
  }
  Dims sorted(permutation);
  llvm::sort(sorted);
  bool valid = int64_t(sorted.size()) == rankOf(x);
  for (auto [i, dim] : llvm::enumerate(sorted))
    valid &= dim == int64_t(i);
  if (!valid)
    return b.refuse("axes", "a permutation of the " + Twine(rankOf(x)) + " dimensions");
  b.result(b.transpose(x, permutation));
}

static void expandDims(LayerBuilder &b) {
  Value x = b.input();
  for (int64_t dim : b.axes("axis", rankOf(x) + 1, {}))
    x = b.expandDims(x, dim);
  b.result(x);
}

/// x[key]: a number takes one element of a dimension and drops it, a slice takes some, and None adds a dimension; `...`
/// and the end of the key stand for whole dimensions.
static void getItem(LayerBuilder &b) {
  Value x = b.input();
  constexpr StringLiteral supported =
      "numbers, slices (of a free dimension: with step 1, or up to its end, or all of it backwards), None and ...";
  const Json *key = b.arguments().size() == 2 ? b.arguments()[1].value : nullptr;
  if (!key || b.failed())
    return b.refuse("key", supported);
  SmallVector<const Json *> entries;
  if (key->is_array())
    for (const Json &entry : *key)
      entries.push_back(&entry);
  else
    entries.push_back(key);
  auto isClass = [](const Json *entry, StringRef name) { return asString(member(*entry, "class_name")) == name; };
  int64_t named =
      llvm::count_if(entries, [&](const Json *entry) { return !entry->is_null() && !isClass(entry, "__ellipsis__"); });

  Dims starts, sizes, steps, shape, from;
  auto takeWhole = [&](int64_t count) {
    for (; count > 0; --count) {
      from.push_back(starts.size());
      shape.push_back(shapeOf(x)[starts.size()]);
      starts.push_back(0);
      sizes.push_back(ShapedType::isDynamic(shape.back()) ? -1 : shape.back());
      steps.push_back(1);
    }
  };
  for (const Json *entry : entries) {
    if (isClass(entry, "__ellipsis__")) {
      takeWhole(rankOf(x) - named);
      continue;
    }
    if (entry->is_null()) {
      shape.push_back(1);
      from.push_back(-1);
      continue;
    }
    if (int64_t(starts.size()) == rankOf(x))
      return b.refuse("key", supported);
    int64_t extent = shapeOf(x)[starts.size()];
    auto index = asInteger(entry);
    const Json *config = isClass(entry, "__slice__") ? member(*entry, "config") : nullptr;
    if (!index && !config)
      return b.refuse("key", supported);
    auto isGiven = [&](StringRef name) {
      const Json *value = member(*config, name);
      return value && !value->is_null();
    };
    auto bound = [&](StringRef name, int64_t missing) -> std::optional<int64_t> {
      return isGiven(name) ? asInteger(member(*config, name)) : missing;
    };
    if (int64_t back = config ? bound("step", 1).value_or(1) : 1; back < 0 && back > INT32_MIN) { // backwards
      int64_t dim = starts.size(), step = back;
      AffineExpr count = getAffineSymbolExpr(dim, b.builder.getContext()), first = count - 1;
      if (isGiven("start") || isGiven("stop")) {
        auto start = bound("start", extent - 1), stop = bound("stop", -1 - extent);
        if (!start || !stop || ShapedType::isDynamic(extent) || std::max(std::abs(*start), std::abs(*stop)) > INT32_MAX)
          return b.refuse("key", supported);
        auto within = [&](int64_t position) {
          return std::clamp<int64_t>(position < 0 ? position + extent : position, -1, extent - 1);
        };
        int64_t from = within(*start), size = divideCeil(std::max<int64_t>(from - within(*stop), 0), -step);
        if (size < 1)
          return b.refuse("key", "slices that hold something");
        first = count * 0 + from;
        count = count * 0 + size;
      } else {
        count = (count + (-step - 1)).floorDiv(-step);
      }
      x = b.take(x, dim, first, count, step);
      if (b.failed())
        return;
      takeWhole(1);
      continue;
    }
    auto start = index ? index : bound("start", 0), stop = index ? index : bound("stop", extent),
         step = index ? 1 : bound("step", 1);
    if (!start || !stop || !step || *step < 1)
      return b.refuse("key", supported);
    if (!index && *start == 0 && *stop == extent && *step == 1) {
      takeWhole(1);
      continue;
    }
    if (ShapedType::isDynamic(extent)) {
      int64_t dim = starts.size();
      bool toEnd = !index && *stop == extent, isBefore = index || toEnd || *stop > *start;
      if (*start >= 0 && (toEnd || *stop >= 0) && isBefore) {
        int64_t size = toEnd ? -1 : index ? 1 : divideCeil(*stop - *start, *step);
        starts.push_back(*start);
        sizes.push_back(size);
        steps.push_back(*step);
        if (!index) {
          from.push_back(toEnd ? dim : -1);
          shape.push_back(toEnd ? ShapedType::kDynamic : size);
        }
        continue;
      }
      // Positions are counted from the end.
      AffineExpr length = getAffineSymbolExpr(dim, b.builder.getContext());
      auto at = [&](int64_t position) { return position < 0 ? length + position : length * 0 + position; };
      AffineExpr first = at(*start), end = index ? first + 1 : toEnd ? length : at(*stop);
      AffineExpr count = simplifyAffineExpr(end - first, 0, rankOf(x));
      auto known = dyn_cast<AffineConstantExpr>(count);
      if (*step != 1 || (known && known.getValue() < 1))
        return b.refuse("key", supported);
      x = b.take(x, dim, first, count);
      if (b.failed())
        return;
      takeWhole(1);
      if (index) {
        shape.pop_back();
        from.pop_back();
      }
      continue;
    }
    if (index && (*index < -extent || *index >= extent))
      return b.refuse("key", "positions within the input " + Twine(extent) + " long");
    auto within = [&](int64_t position) { return std::clamp<int64_t>(position < 0 ? position + extent : position, 0, extent); };
    int64_t first = within(*start), end = index ? first + 1 : within(*stop);
    if (end <= first)
      return b.refuse("key", "slices that hold something");
    if (!index) {
      from.push_back(-1);
      shape.push_back(divideCeil(end - first, *step));
    }
    starts.push_back(first);
    sizes.push_back(divideCeil(end - first, *step));
    steps.push_back(*step);
  }
  takeWhole(rankOf(x) - starts.size());
  Value taken = b.make<nn::SliceOp>(x, starts, sizes, steps);
  b.result(b.reshape(taken, shape, from));
}

static void squeeze(LayerBuilder &b) {
  Value x = b.input();
  Dims ones, shape, from;
  for (auto [i, extent] : llvm::enumerate(shapeOf(x)))
    if (extent == 1)
      ones.push_back(i);
  ones = b.axes("axis", rankOf(x), ones);
  for (auto [i, extent] : llvm::enumerate(shapeOf(x))) {
    if (!llvm::is_contained(ones, int64_t(i))) {
      shape.push_back(extent);
      from.push_back(i);
    } else if (extent != 1) {
      return b.refuse("axis", "dimensions of size 1");
    }
  }
  b.result(b.reshape(x, shape, from));
}

static void reshape(LayerBuilder &b) {
  Value x = b.input();
  const Json *json = b.attribute("newshape");
  json = json ? json : b.argument(1, "newshape");
  auto target = asIntegers(json, /*missing=*/-1);
  if (!target)
    return b.refuse("newshape", "a list of integers");
  // The batch, which is free, is what -1 or null stands for, and must come first.
  ArrayRef<int64_t> source = shapeOf(x);
  bool keepsBatch = !source.empty() && !target->empty() && (*target)[0] == -1 &&
                    ShapedType::isDynamic(source[0]);
  int64_t known = 1, total = 1, open = 0;
  bool valid = true;
  for (int64_t extent : ArrayRef<int64_t>(*target).drop_front(keepsBatch)) {
    open += extent == -1;
    valid &= extent == -1 || (extent > 0 && !__builtin_mul_overflow(known, extent, &known));
  }
  for (int64_t extent : source.drop_front(keepsBatch))
    valid &= !ShapedType::isDynamic(extent) && !__builtin_mul_overflow(total, extent, &total);
  // Without another -1 the batch may be divided among several items, or several items be joined.
  if (!valid || open > 1 || (open ? total % known : keepsBatch ? total % known && known % total : total != known))
    return b.refuse("newshape", "-1 for the batch, then positive sizes and at most one more -1 that hold "
                                "the elements of each example");
  Dims shape, from;
  for (auto [i, extent] : llvm::enumerate(*target)) {
    bool isBatch = i == 0 && keepsBatch && (open || total == known);
    shape.push_back(i == 0 && keepsBatch ? source[0] : extent == -1 ? total / known : extent);
    from.push_back(isBatch ? 0 : -1);
  }
  b.result(b.reshape(x, shape, from));
}

static void concatenate(LayerBuilder &b) {
  int64_t axis = b.axis("axis", rankOf(b.input()), 0);
  SmallVector<Value> inputs(b.inputs());
  bool booleans = llvm::all_of(inputs, [](Value x) { return getElementTypeOrSelf(x.getType()).isInteger(1); });
  for (Value &x : inputs)
    x = booleans ? x : b.toFloat(x);
  b.result(inputs.size() == 1 ? inputs[0] : b.make<nn::ConcatOp>(ValueRange(inputs), axis));
}

static void stack(LayerBuilder &b) {
  int64_t axis = b.axis("axis", rankOf(b.input()) + 1, 0);
  SmallVector<Value> inputs;
  for (unsigned i = 0; i < b.inputs().size() && !b.failed(); ++i) {
    b.expectRank(b.input(i), rankOf(b.input()));
    inputs.push_back(b.failed() ? Value() : b.expandDims(b.floatInput(i), axis));
  }
  b.result(inputs.size() == 1 ? inputs[0] : b.make<nn::ConcatOp>(ValueRange(inputs), axis));
}

/// The extent of dimension `dim` of `x`, as take's expressions have it.
static AffineExpr extentOf(LayerBuilder &b, int64_t dim) { return getAffineSymbolExpr(dim, b.builder.getContext()); }
static AffineExpr constantOf(LayerBuilder &b, int64_t value) {
  return getAffineConstantExpr(value, b.builder.getContext());
}

/// `attribute` as a list of integers, or one integer.
static Dims integers(LayerBuilder &b, StringRef attribute) {
  const Json *json = b.attribute(attribute);
  if (auto single = asInteger(json))
    return {*single};
  if (auto list = json ? asIntegers(json) : std::nullopt)
    return *list;
  b.refuse(attribute, "an integer or a list of integers");
  return {};
}

/// A dimension that is no batch, which keeps its items apart.
static int64_t ownAxis(LayerBuilder &b, Value x) {
  if (!b.attribute("axis") && rankOf(x) != 1) {
    b.refuse("axis", "a dimension");
    return 0;
  }
  return b.axis("axis", rankOf(x), 0);
}

static void swapAxes(LayerBuilder &b) {
  Value x = b.input();
  Dims permutation(llvm::to_vector(llvm::seq<int64_t>(0, rankOf(x))));
  int64_t first = b.axis("axis1", rankOf(x), 0), second = b.axis("axis2", rankOf(x), 0);
  if (b.failed())
    return;
  std::swap(permutation[first], permutation[second]);
  b.result(b.transpose(x, permutation));
}

static void moveAxis(LayerBuilder &b) {
  Value x = b.input();
  int64_t rank = rankOf(x);
  Dims sources = integers(b, "source"), targets = integers(b, "destination"), permutation(rank, -1), rest;
  for (Dims *dims : {&sources, &targets})
    for (int64_t &dim : *dims) {
      dim += dim < 0 ? rank : 0;
      if (dim < 0 || dim >= rank)
        return b.refuse(dims == &sources ? "source" : "destination", "dimensions of an input of rank " + Twine(rank));
    }
  for (auto [source, target] : llvm::zip(sources, targets))
    permutation[target] = source;
  int64_t next = 0;
  for (int64_t &dim : permutation) {
    while (llvm::is_contained(sources, next))
      ++next;
    dim = dim < 0 ? next++ : dim;
  }
  b.result(b.transpose(x, permutation));
}

static void flip(LayerBuilder &b) {
  Value x = b.input();
  if (!b.attribute("axis"))
    return b.refuse("axis", "dimensions");
  for (int64_t dim : b.axes("axis", rankOf(x), {}))
    x = b.take(x, dim, extentOf(b, dim) - 1, extentOf(b, dim), -1);
  b.result(x);
}

/// Elements that leave a dimension at one end come back at the other.
static void roll(LayerBuilder &b) {
  Value x = b.input();
  Dims shifts = integers(b, "shift"), axes = b.attribute("axis") ? integers(b, "axis") : Dims();
  if (axes.empty() || (shifts.size() != 1 && shifts.size() != axes.size()))
    return b.refuse("axis", "dimensions, as many as shifts");
  for (auto [i, axis] : llvm::enumerate(axes)) {
    int64_t dim = axis < 0 ? axis + rankOf(x) : axis, shift = shifts[shifts.size() == 1 ? 0 : i];
    if (b.failed() || dim < 0 || dim >= rankOf(x))
      return b.refuse("axis", "dimensions of an input of rank " + Twine(rankOf(x)));
    if (int64_t extent = shapeOf(x)[dim]; !ShapedType::isDynamic(extent))
      shift %= extent;
    if (shift == 0)
      continue;
    AffineExpr whole = extentOf(b, dim), first = shift > 0 ? whole - shift : constantOf(b, -shift);
    x = b.make<nn::ConcatOp>(ValueRange{b.take(x, dim, first, whole - first), b.take(x, dim, constantOf(b, 0), first)}, dim);
  }
  b.result(x);
}

/// Equal parts, or those that end at given positions.
static void split(LayerBuilder &b) {
  Value x = b.input();
  int64_t axis = b.axis("axis", rankOf(x), 0);
  const Json *json = b.attribute("indices_or_sections");
  SmallVector<AffineExpr> ends;
  if (auto sections = asInteger(json)) {
    int64_t extent = b.extent(x, axis);
    if (*sections < 1 || extent % *sections)
      return b.refuse("indices_or_sections", "positions, or a divisor of the " + Twine(extent) + " elements");
    for (int64_t i = 1; i <= *sections; ++i)
      ends.push_back(constantOf(b, extent / *sections * i));
  } else {
    for (int64_t position : integers(b, "indices_or_sections"))
      ends.push_back(position < 0 ? extentOf(b, axis) + position : constantOf(b, position));
    ends.push_back(extentOf(b, axis));
  }
  AffineExpr first = constantOf(b, 0);
  for (AffineExpr end : ends) {
    b.result(b.take(x, axis, first, end - first));
    first = end;
  }
}

static void unstack(LayerBuilder &b) {
  Value x = b.input();
  int64_t axis = b.axis("axis", rankOf(x), 0), extent = b.extent(x, axis);
  b.ignore({"num"});
  for (int64_t i = 0; i < extent && !b.failed(); ++i)
    b.result(b.splitDim(b.take(x, axis, constantOf(b, i), constantOf(b, 1)), axis, ArrayRef<int64_t>()));
}

static void pad(LayerBuilder &b) {
  Value x = b.input();
  const Json *widths = b.attribute("pad_width");
  StringRef mode = b.choice("mode", {"constant", "edge", "reflect", "wrap"});
  Dims low, high;
  for (int64_t i = 0; i < rankOf(x) && widths && widths->is_array() && !widths->empty(); ++i) {
    auto pair = asIntegers(&(*widths)[widths->size() == 1 ? 0 : std::min<size_t>(i, widths->size() - 1)]);
    auto isValid = [](int64_t width) { return width >= 0 && width <= INT32_MAX; };
    if (!pair || pair->size() != 2 || !llvm::all_of(*pair, isValid))
      break;
    low.push_back((*pair)[0]);
    high.push_back((*pair)[1]);
  }
  if (int64_t(low.size()) != rankOf(x) || (widths->size() != 1 && int64_t(widths->size()) != rankOf(x)))
    return b.refuse("pad_width", "a pair of integers that are not negative per dimension, or one pair for all");
  const Json *value = b.argument(1, "constant_values");
  if (value && !asNumber(value))
    return void(b.error() << "its constant_values is " << describe(*value) << "; supported: a number");
  nn::PadMode kind = mode == "edge"      ? nn::PadMode::Edge
                     : mode == "reflect" ? nn::PadMode::Reflect
                     : mode == "wrap"    ? nn::PadMode::Wrap
                                         : nn::PadMode::Constant;
  b.result(b.make<nn::PadOp>(x, low, high, APFloat(asNumber(value).value_or(0)), kind));
}

static void repeat(LayerBuilder &b) {
  Value x = b.input();
  int64_t axis = ownAxis(b, x);
  b.result(b.repeat(x, axis, b.integer("repeats", std::nullopt), /*whole=*/false));
}

static void tile(LayerBuilder &b) {
  Value x = b.input();
  Dims repeats = integers(b, "repeats");
  if (llvm::any_of(repeats, [](int64_t count) { return count < 1; }))
    return b.refuse("repeats", "positive integers");
  while (x && rankOf(x) < int64_t(repeats.size()))
    x = b.expandDims(x, 0);
  for (auto [i, count] : llvm::enumerate(llvm::reverse(repeats)))
    x = b.repeat(x, rankOf(x) - 1 - i, count, /*whole=*/true);
  b.result(x);
}

//===----------------------------------------------------------------------===//
// Indices
//===----------------------------------------------------------------------===//

/// Indices as whole numbers of 32 bits at least.
static Value asIndices(LayerBuilder &b, Value x) {
  Type type = x ? getElementTypeOrSelf(x.getType()) : Type();
  return x && (isa<FloatType>(type) || type.getIntOrFloatBitWidth() < 32) ? b.convert(x, b.builder.getI32Type()) : x;
}

static void takeAt(LayerBuilder &b) {
  Value x = b.operand(0, "x"), indices = asIndices(b, b.operand(1, "indices"));
  b.result(b.make<nn::GatherOp>(x, indices, b.failed() ? 0 : ownAxis(b, x)));
}

/// Element `indices[..., j, ...]` of a dimension, for each place beside it: the one that stands at that position.
static void takeAlongAxis(LayerBuilder &b) {
  Value x = b.operand(0, "x"), indices = asIndices(b, b.operand(1, "indices"));
  if (b.failed())
    return;
  int64_t axis = ownAxis(b, x);
  b.expectRank(indices, rankOf(x));
  Type i64 = b.builder.getI64Type();
  Value position = b.indices(x, axis);
  for (int64_t i = axis + 1; i < rankOf(x) && position; ++i)
    position = b.expandDims(position, rankOf(position));
  if (b.failed())
    return;
  auto extent = AffineMap::get(0, rankOf(x), extentOf(b, axis));
  Value count = nn::SizeOp::create(b.builder, b.loc, RankedTensorType::get({1}, i64), extent, x);
  // Dimension axis holds the indices, the one after it all elements. Negative indices count from the end.
  Value chosen = b.map({b.expandDims(x, axis), b.expandDims(b.convert(indices, i64), axis + 1), position, count},
                       [](OpBuilder &builder, Location loc, ValueRange v) -> Value {
                         auto equals = [&](Value p, Value q) -> Value {
                           return arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, p, q);
                         };
                         Value fromEnd = arith::AddIOp::create(builder, loc, v[1], v[3]);
                         Value isIt = arith::OrIOp::create(builder, loc, equals(v[1], v[2]), equals(fromEnd, v[2]));
                         Value zero = arith::ConstantOp::create(builder, loc, builder.getZeroAttr(v[0].getType()));
                         return arith::SelectOp::create(builder, loc, isIt, v[0], zero);
                       });
  b.result(b.make<nn::ReduceOp>(chosen, nn::ReduceKind::Sum, ArrayRef<int64_t>{axis + 1}, false));
}

/// The elements of the last two dimensions that lie below a diagonal, or above it.
template <bool lower> static void triangle(LayerBuilder &b) {
  Value x = b.input();
  int64_t rank = rankOf(x), diagonal = b.integer("k", 0, INT32_MIN);
  if (rank < 2)
    return void(b.error() << "its input has " << rank << " dimensions; supported: two or more");
  Value row = b.expandDims(b.indices(x, rank - 2), 1);
  b.result(b.map({x, row, b.indices(x, rank - 1)}, [&](OpBuilder &builder, Location loc, ValueRange v) -> Value {
    Value shifted = arith::AddIOp::create(
        builder, loc, v[1], arith::ConstantIntOp::create(builder, loc, v[1].getType(), diagonal));
    auto relation = lower ? arith::CmpIPredicate::sle : arith::CmpIPredicate::sge;
    Value kept = arith::CmpIOp::create(builder, loc, relation, v[2], shifted);
    Value zero = arith::ConstantOp::create(builder, loc, builder.getZeroAttr(v[0].getType()));
    return arith::SelectOp::create(builder, loc, kept, v[0], zero);
  }));
}

/// Running sums: the sum of all elements that do not stand behind.
static void cumulativeSum(LayerBuilder &b) {
  Value x = b.input();
  int64_t axis = ownAxis(b, x);
  if (b.attribute("dtype"))
    return b.refuse("dtype", "null");
  if (b.failed())
    return;
  if (Type type = getElementTypeOrSelf(x.getType()); isa<IntegerType>(type) && type.getIntOrFloatBitWidth() < 32)
    x = b.convert(x, b.builder.getI32Type());
  // Dimension axis holds the sum, the one after it its elements.
  Value element = b.indices(x, axis), sum = b.expandDims(element, 1);
  for (int64_t i = axis + 1; i < rankOf(x); ++i) {
    element = b.expandDims(element, rankOf(element));
    sum = b.expandDims(sum, rankOf(sum));
  }
  Value parts = b.map({b.expandDims(x, axis), sum, element}, [](OpBuilder &builder, Location loc, ValueRange v) -> Value {
    Value counts = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::sle, v[2], v[1]);
    Value zero = arith::ConstantOp::create(builder, loc, builder.getZeroAttr(v[0].getType()));
    return arith::SelectOp::create(builder, loc, counts, v[0], zero);
  });
  b.result(b.make<nn::ReduceOp>(parts, nn::ReduceKind::Sum, ArrayRef<int64_t>{axis + 1}, false));
}

ArrayRef<LayerRow> keras::shapeOperations() {
  static const LayerRow rows[] = {
      {"Concatenate", concatenate},
      {"Cumsum", cumulativeSum},
      {"ExpandDims", expandDims},
      {"Flip", flip},
      {"GetItem", getItem},
      {"Moveaxis", moveAxis},
      {"Pad", pad},
      {"Repeat", repeat},
      {"Reshape", reshape},
      {"Roll", roll},
      {"Split", split},
      {"Squeeze", squeeze},
      {"Stack", stack},
      {"Swapaxes", swapAxes},
      {"Take", takeAt},
      {"TakeAlongAxis", takeAlongAxis},
      {"Tile", tile},
      {"Transpose", transpose},
      {"Tril", triangle<true>},
      {"Triu", triangle<false>},
      {"Unstack", unstack},
  };
  return rows;
}
