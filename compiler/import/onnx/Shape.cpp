//===- Shape.cpp - operators that give elements another shape or order -----===//
//
// Rows for reshaping and transposition.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/Folding.h"
#include "compiler/import/onnx/Operators.h"

using namespace llvm;
using namespace mlir;

namespace sylvite::onnx {

//===----------------------------------------------------------------------===//
// Views
//===----------------------------------------------------------------------===//

/// Input 0 under another shape.
static void view(NodeBuilder &b, ArrayRef<AffineExpr> dims) {
  Tensor *x = b.input(0);
  if (!x)
    return b.result(Value());
  auto fixed = constantShape(dims);
  int64_t count = 1;
  for (int64_t extent : fixed.value_or(Dims{-1}))
    count *= extent;
  if (const Scalars *elements = x->value ? nullptr : b.known(x); elements && count == int64_t(elements->size())) {
    b.result(x->type, *fixed, *elements);
    return;
  }
  b.result(b.reshape(b.materialize(x), dims));
}

static void reshape(NodeBuilder &b) {
  bool allowZero = b.flag("allowzero", false);
  Tensor *x = b.input(0);
  SmallVector<AffineExpr> dims = b.expressions(1, "shape");
  if (b.failed())
    return;
  int64_t inferred = -1;
  ShapeExpr known;
  for (auto [i, dim] : enumerate(dims)) {
    auto extent = constantDim(dim);
    if (extent == -1) {
      if (inferred >= 0)
        return void(b.error() << "its shape " << b.text(dims) << " has more than one -1");
      inferred = i;
      continue;
    }
    if (extent == 0 && !allowZero) {
      if (int64_t(i) >= x->rank())
        return void(b.error() << "its shape " << b.text(dims) << " copies dimension " << i
                              << ", which its input of shape " << b.text(x->shape) << " lacks");
      dim = x->shape[i];
    }
    if (extent && *extent < -1)
      return void(b.error() << "its shape is " << b.text(dims) << "; supported: sizes, 0 and one -1");
    known.push_back(dim);
  }
  if (inferred >= 0) {
    AffineExpr rest = quotientOf(x->shape, known, b.state.context);
    if (!rest)
      return void(b.error() << "its input has shape " << b.text(x->shape) << ", which cannot be reshaped to "
                            << b.text(dims));
    dims[inferred] = simplifyAffineExpr(rest, 0, b.state.symbols.size());
  }
  view(b, dims);
}

static void flatten(NodeBuilder &b) {
  int64_t rank = b.rank(0u), axis = b.integer("axis", 1);
  if (axis < -rank || axis > rank)
    b.refuse("axis", "a dimension of an input of rank " + Twine(rank));
  if (b.failed())
    return;
  axis += axis < 0 ? rank : 0;
  AffineExpr outer = b.expr(1), inner = b.expr(1);
  for (auto [i, dim] : enumerate(b.input(0)->shape))
    (int64_t(i) < axis ? outer : inner) = (int64_t(i) < axis ? outer : inner) * dim;
  view(b, {outer, inner});
}

static void squeeze(NodeBuilder &b) {
  auto axes = axesOf(b, 1, 13, b.rank(0u));
  if (b.failed())
    return;
  ShapeExpr dims;
  if (!axes && !constantShape(b.input(0)->shape))
    emitWarning(UnknownLoc::get(b.state.context))
        << describe(b.node) << ": it drops dimensions of size 1 of a tensor of shape " << b.text(b.input(0)->shape)
        << ", and free ones are taken to be larger (fix them, as in --shape x=1x3x224x224)";
  for (auto [i, dim] : enumerate(b.input(0)->shape)) {
    bool drop = axes ? is_contained(*axes, int64_t(i)) : constantDim(dim) == 1;
    if (drop && constantDim(dim) && constantDim(dim) != 1)
      return void(b.error() << "it drops dimension " << i << " of its input of shape " << b.text(b.input(0)->shape)
                            << "; supported: dimensions of size 1");
    if (!drop)
      dims.push_back(dim);
  }
  view(b, dims);
}

static void unsqueeze(NodeBuilder &b) {
  std::optional<Dims> axes;
  if (b.opset >= 13)
    axes = b.constants(1, "axes");
  else if (!(axes = b.integers("axes")))
    b.refuse("axes", "integers");
  if (b.failed())
    return;
  Dims sorted = b.normalizeAxes(*axes, b.rank(0u) + axes->size(), "its axes");
  if (b.failed())
    return;
  ShapeExpr dims = b.input(0)->shape;
  for (int64_t axis : sorted)
    dims.insert(dims.begin() + axis, b.expr(1));
  view(b, dims);
}

//===----------------------------------------------------------------------===//
// Transposition
//===----------------------------------------------------------------------===//

/// The permutation, checked; reversed dimensions when none is given.
static Dims permutationOf(NodeBuilder &b) {
  int64_t rank = b.rank(0u);
  Dims permutation;
  if (auto given = b.integers("perm"); given && !given->empty())
    permutation = *given;
  else
    for (int64_t i = rank - 1; i >= 0; --i)
      permutation.push_back(i);
  Dims sorted = permutation;
  llvm::sort(sorted);
  for (int64_t i = 0; i < std::max<int64_t>(rank, sorted.size()); ++i)
    if (i >= int64_t(sorted.size()) || i >= rank || sorted[i] != i) {
      b.refuse("perm", "a permutation of the dimensions of an input of rank " + Twine(rank));
      break;
    }
  return permutation;
}

static void foldTranspose(NodeBuilder &b) {
  const Scalars *elements = b.known(0u);
  Dims permutation = permutationOf(b);
  if (!elements || b.failed())
    return;
  Dims source = *constantShape(b.input(0)->shape), shape;
  for (int64_t dim : permutation)
    shape.push_back(source[dim]);
  foldMovement(b, shape, [&](ArrayRef<int64_t> index) {
    Dims from(index.size());
    for (auto [i, dim] : enumerate(permutation))
      from[dim] = index[i];
    return positionOf(from, source);
  });
}

static void transpose(NodeBuilder &b) {
  Dims permutation = permutationOf(b);
  b.result(b.transpose(b.value(0), permutation));
}

/// Between (N, C * s * s, H, W) and (N, C, H * s, W * s).
static void depthToSpace(NodeBuilder &b) {
  int64_t s = b.integer("blocksize", std::nullopt);
  bool columnRow = b.choice("mode", {"DCR", "CRD"}) == "CRD";
  Value x = b.value(0);
  if (b.failed())
    return;
  int64_t channels = b.rank(x) == 4 ? b.extent(x, 1) : 0;
  if (b.rank(x) != 4 || s < 1 || s > INT16_MAX || channels % (s * s))
    return b.refuse("blocksize", "one whose square divides the channels of an input (N, C, H, W)");
  ShapeExpr dims = b.shape(x);
  AffineExpr block = b.expr(s), rest = b.expr(channels / (s * s));
  ShapeExpr split = columnRow ? ShapeExpr{dims[0], rest, block, block, dims[2], dims[3]}
                              : ShapeExpr{dims[0], block, block, rest, dims[2], dims[3]};
  x = b.reshape(x, ArrayRef<AffineExpr>(split));
  x = b.transpose(x, columnRow ? Dims{0, 1, 4, 2, 5, 3} : Dims{0, 3, 4, 1, 5, 2});
  b.result(b.reshape(x, ArrayRef<AffineExpr>(ShapeExpr{dims[0], rest, dims[2] * s, dims[3] * s})));
}

static void spaceToDepth(NodeBuilder &b) {
  int64_t s = b.integer("blocksize", std::nullopt);
  bool columnRow = b.choice("mode", {"DCR", "CRD"}) == "CRD";
  Value x = b.value(0);
  if (b.failed())
    return;
  if (b.rank(x) != 4 || s < 1 || s > INT16_MAX)
    return b.refuse("blocksize", "a positive one, for an input (N, C, H, W)");
  ShapeExpr dims = b.shape(x);
  AffineExpr block = b.expr(s), h = dims[2].floorDiv(s), w = dims[3].floorDiv(s);
  x = b.reshape(x, ArrayRef<AffineExpr>(ShapeExpr{dims[0], dims[1], h, block, w, block}));
  x = b.transpose(x, columnRow ? Dims{0, 1, 3, 5, 2, 4} : Dims{0, 3, 5, 1, 2, 4});
  b.result(b.reshape(x, ArrayRef<AffineExpr>(ShapeExpr{dims[0], dims[1] * (s * s), h, w})));
}

std::optional<Dims> axesOf(NodeBuilder &b, unsigned index, int64_t sinceInput, int64_t rank) {
  std::optional<Dims> axes;
  if (b.opset >= sinceInput) {
    if (b.has(index))
      axes = b.constants(index, "axes");
  } else {
    axes = b.integers("axes");
  }
  if (axes && !b.failed())
    axes = b.normalizeAxes(*axes, rank, "its axes");
  return axes;
}

ArrayRef<OperatorRow> shapeOperators() {
  static const OperatorRow rows[] = {
      {"DepthToSpace", 1, kNewest, depthToSpace},
      {"Flatten", 1, kNewest, flatten},
      {"Reshape", 5, kNewest, reshape},
      {"SpaceToDepth", 1, kNewest, spaceToDepth},
      {"Squeeze", 1, kNewest, squeeze},
      {"Transpose", 1, kNewest, transpose, foldTranspose},
      {"Unsqueeze", 1, kNewest, unsqueeze},
  };
  return rows;
}

} // namespace sylvite::onnx
