//===- PlanContractions.cpp - nn-plan-contractions -------------------------===//
//
// Chooses how each contraction with constant weights is computed: a pointwise convolution as a matrix
// product, a 3x3 convolution by Winograd's algorithm where that is estimated to be faster, everything
// else directly; and puts the weights into the order in which the chosen kernel streams them. The ops
// on weights run once, at compile time (nn-prepare). Maps then move before the reshapes that this
// leaves, so that they are computed on the contraction's registers.
//
//===----------------------------------------------------------------------===//
#include "dialects/nn/NN.h"
#include "dialects/nn/TensorBuilder.h"
#include "passes/Passes.h"
#include "passes/nn/PlanContractions.h"
#include "passes/nn/Pooling.h"
#include "passes/nn/Utils.h"

#include "mlir/IR/Remarks.h"

namespace sylvite {
#define GEN_PASS_DEF_PLANCONTRACTIONS
#include "passes/Passes.h.inc"
} // namespace sylvite

using namespace mlir;
using namespace sylvite;
using namespace sylvite::nn;

Value sylvite::reshapeTo(OpBuilder &b, Location loc, Value value, ArrayRef<int64_t> shape) {
  SmallVector<int64_t> from(shape.size(), -1);
  return ReshapeOp::create(b, loc, RankedTensorType::get(shape, typeOf(value).getElementType()),
                           value, from);
}

Value sylvite::transposeTo(OpBuilder &b, Location loc, Value value, ArrayRef<int64_t> order) {
  SmallVector<int64_t> shape, kept;
  for (int64_t dim : order) {
    shape.push_back(typeOf(value).getDimSize(dim));
    if (shape.back() != 1)
      kept.push_back(dim);
  }
  return llvm::is_sorted(kept) ? reshapeTo(b, loc, value, shape) : Value(TransposeOp::create(b, loc, value, order));
}

Value sylvite::packChannels(OpBuilder &b, Location loc, Value weights, int64_t block, int64_t position) {
  RankedTensorType type = typeOf(weights);
  int64_t rank = type.getRank(), channels = type.getShape().back();
  int64_t blocks = llvm::divideCeil(channels, block);
  if (blocks * block != channels) {
    SmallVector<int64_t> none(rank, 0), high(rank, 0);
    high.back() = blocks * block - channels;
    weights = PadOp::create(b, loc, weights, none, high);
  }
  SmallVector<int64_t> shape(type.getShape().drop_back());
  shape.append({blocks, block});
  SmallVector<int64_t> order;
  for (int64_t i = 0; i < rank - 1; ++i) {
    if (i == position)
      order.push_back(rank - 1);
    order.push_back(i);
  }
  order.push_back(rank);
  return transposeTo(b, loc, reshapeTo(b, loc, weights, shape), order);
}

/// Those of a matrix whose rows are output channels, `(channels, b)`, likewise: `(blocks, b, block)`.
static Value packRows(OpBuilder &b, Location loc, Value weights, int64_t block) {
  int64_t channels = typeOf(weights).getDimSize(0), depth = typeOf(weights).getDimSize(1), blocks = llvm::divideCeil(channels, block);
  if (blocks * block != channels)
    weights = PadOp::create(b, loc, weights, ArrayRef<int64_t>{0, 0}, ArrayRef<int64_t>{blocks * block - channels, 0});
  return transposeTo(b, loc, reshapeTo(b, loc, weights, {blocks, block, depth}), {0, 2, 1});
}

/// Says which register tile a contraction got.
static void remarkTile(Location loc, Tile tile, bool flatten) {
  remark::analysis(loc, remark::RemarkOpts::name("Tile").category("contractions"))
      << remark::add("{0} vectors of channels by {1} positions{2}", tile.vectors, tile.rows,
                     flatten ? ", over the ends of rows" : "");
}

namespace {

/// A convolution of one position, stride one: a matrix product over all positions of an image. They stay in rows where it
/// becomes part of a depthwise convolution's kernel.
struct PointwiseConv : PlanPattern<ConvOp> {
  using PlanPattern::PlanPattern;
  LogicalResult matchAndRewrite(ConvOp op, PatternRewriter &rewriter) const override {
    RankedTensorType input = typeOf(op.getInput()), filter = typeOf(op.getFilter());
    ArrayRef<int64_t> spatial = input.getShape().drop_front().drop_back();
    if (!isPointwise(op) || ShapedType::isDynamicShape(spatial))
      return failure();
    int64_t positions = ShapedType::getNumElements(spatial);
    int64_t batch = input.getDimSize(0), channels = input.getShape().back(),
            filters = filter.getShape().back();
    Type element = input.getElementType();
    if (joinsWindow(op)) {
      Value weights = reshapeTo(rewriter, op.getLoc(), op.getFilter(), {channels, filters});
      rewriter.replaceOpWithNewOp<MatmulOp>(op, op.getInput(), weights);
      return success();
    }
    Value rows = ReshapeOp::create(
        rewriter, op.getLoc(), RankedTensorType::get({batch, positions, channels}, element),
        op.getInput(), ArrayRef<int64_t>{0, -1, -1});
    Value weights = reshapeTo(rewriter, op.getLoc(), op.getFilter(), {channels, filters});
    Value product = MatmulOp::create(rewriter, op.getLoc(), rows, weights);
    SmallVector<int64_t> from(op.getType().getRank(), -1);
    from[0] = 0;
    rewriter.replaceOpWithNewOp<ReshapeOp>(op, op.getType(), product, from);
    return success();
  }

private:
  /// Whether a depthwise convolution, which alone reads `op`, had better compute it a strip at a time.
  bool joinsWindow(ConvOp op) const {
    ConvOp window = findDepthwiseReader(op);
    if (!window || !dependsOnParametersOnly(op.getFilter()))
      return false;
    RankedTensorType input = typeOf(op.getInput()), filter = typeOf(window.getFilter());
    int64_t columns = op.getType().getShape().back(),
            block = productTile(input, input.getElementType(), input.getShape().back(), columns).vectors * lanesOf(op, columns),
            rowBytes = op.getType().getDimSize(2) * block * (input.getElementTypeBitWidth() / 8);
    return columns % block == 0 && planStrip({window.getType().getDimSize(1), window.getStrides()[0], filter.getDimSize(0),
                                              rowBytes, columns / block},
                                             machine);
  }
};

/// Whether a rectifier wrote `value`, so that many of its elements are zero.
static bool isRectified(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (isa<ReshapeOp, TransposeOp, MaxPoolOp>(op)) {
      value = op->getOperand(0);
      continue;
    }
    auto map = dyn_cast<MapOp>(op);
    if (!map)
      return false;
    // max(x, 0), perhaps below an upper bound.
    Value result = map.getBody().front().getTerminator()->getOperand(0);
    if (auto bounded = result.getDefiningOp<arith::MinimumFOp>(); bounded && matchPattern(bounded.getRhs(), m_Constant()))
      result = bounded.getLhs();
    auto rectifier = result.getDefiningOp<arith::MaximumFOp>();
    return rectifier && matchPattern(rectifier.getRhs(), m_AnyZeroFloat());
  }
  return false;
}

/// A product with weights takes them in blocks of a register tile's columns; of bytes, four steps of the sum stand together in
/// them. The columns of weights that change, and that one free number of rows reads, are not packed: their kernel copies them.
struct PackMatmul : PlanPattern<MatmulOp> {
  PackMatmul(MLIRContext *context, const Machine &machine, const llvm::StringSet<> &updated)
      : PlanPattern(context, machine), updated(updated) {}
  LogicalResult matchAndRewrite(MatmulOp op, PatternRewriter &rewriter) const override {
    RankedTensorType lhs = typeOf(op.getLhs()), rhs = typeOf(op.getRhs());
    bool bytes = lhs.getElementType() != op.getType().getElementType();
    if (rhs.getRank() != 2 || op.getTransposeLhs() || op.getLhsHasZeros() || !dependsOnParametersOnly(op.getRhs()) ||
        dependsOnParametersOnly(op.getLhs()) || !(bytes || isa<FloatType>(lhs.getElementType())) ||
        !rhs.hasStaticShape())
      return failure();
    Location loc = op.getLoc();
    Value rows = op.getLhs(), weights = op.getRhs();
    if (op.getTransposeRhs())
      weights = TransposeOp::create(rewriter, loc, weights, ArrayRef<int64_t>{1, 0});
    if (skipsZeros(op)) {
      remark::passed(loc, remark::RemarkOpts::name("Zeros").category("contractions"))
          << "of one item, weights that meet a zero of the rectified input are not read";
      auto product = MatmulOp::create(rewriter, loc, rows, weights);
      product.setLhsHasZeros(true);
      rewriter.replaceOp(op, product);
      return success();
    }
    int64_t depth = typeOf(weights).getDimSize(0), columns = typeOf(weights).getDimSize(1), steps = bytes ? 4 : 1;
    if (int64_t missing = llvm::alignTo(depth, steps) - depth) {
      SmallVector<int64_t> none(lhs.getRank(), 0), high(lhs.getRank(), 0);
      high.back() = missing;
      rows = PadOp::create(rewriter, loc, rows, none, high);
      weights = PadOp::create(rewriter, loc, weights, ArrayRef<int64_t>{0, 0}, ArrayRef<int64_t>{missing, 0});
      depth += missing;
    }
    if (int64_t together = bytes ? 0 : dotProductSteps(op, depth, columns)) {
      remark::analysis(loc, remark::RemarkOpts::name("Tile").category("contractions"))
          << remark::add("{0} dot products of vectors of the contracted dimension", columns);
      Value vectors = reshapeTo(rewriter, loc, weights, {1, depth / together, together, columns});
      Value packed = TransposeOp::create(rewriter, loc, vectors, ArrayRef<int64_t>{0, 1, 3, 2});
      rewriter.replaceOpWithNewOp<PackedMatmulOp>(op, op.getType(), rows, packed, rewriter.getI64IntegerAttr(columns));
      return success();
    }
    bool copiesColumns = lhs.getRank() == 2 && lhs.isDynamicDim(0) && !isConstant(op.getRhs(), updated) &&
                         weights == op.getRhs() && !weights.getDefiningOp<TransposeOp>() &&
                         columns % machine.lanes(op.getType().getElementType()) == 0;
    if (copiesColumns)
      return failure();
    Tile tile = productTile(lhs, op.getType().getElementType(), depth / steps, columns);
    remarkTile(loc, tile, /*flatten=*/false);
    int64_t block = tile.vectors * lanesOf(op, columns);
    // Weights that change are packed in each step: transposed ones at one go.
    auto transposed = bytes ? TransposeOp() : weights.getDefiningOp<TransposeOp>();
    Value packed = transposed ? packRows(rewriter, loc, transposed.getInput(), block)
                              : packChannels(rewriter, loc, weights, block);
    if (bytes)
      packed = TransposeOp::create(rewriter, loc,
                                   reshapeTo(rewriter, loc, packed, {typeOf(packed).getDimSize(0), depth / steps, steps, block}),
                                   ArrayRef<int64_t>{0, 1, 3, 2});
    rewriter.replaceOpWithNewOp<PackedMatmulOp>(op, op.getType(), rows, packed, rewriter.getI64IntegerAttr(columns));
    return success();
  }

private:
  const llvm::StringSet<> &updated;

  /// Whether one row had better read its constant weights as they are, whole rows of them, and leave out those that meet a zero.
  /// Smaller ones than these come from a last cache at a rate that more rows wish for: 2048 x 2048, half of the input zero, take 0.29
  /// instead of 0.57 ms for one row, but 2.2 instead of 1.6 for 32; 4096 x 4096 1.2, 2.4, 10 and 9.0; 25088 x 4096 of a VGG
  /// network 13, 23, 62 and 129. With 16 registers of half the width 32 rows take 21 instead of 12 ms with the second of these.
  bool skipsZeros(MatmulOp op) const {
    RankedTensorType lhs = typeOf(op.getLhs()), rhs = typeOf(op.getRhs());
    constexpr int64_t leastBytes = 32 << 20;
    constexpr unsigned leastRegisters = 32;
    Type element = rhs.getElementType();
    if (lhs.getRank() != 2 || lhs.getElementType() != element || !isa<FloatType>(element))
      return false;
    bool mayBeSingle = lhs.isDynamicDim(0) ? machine.vectorRegisters >= leastRegisters : lhs.getDimSize(0) == 1;
    int64_t columns = op.getType().getDimSize(1), bytes = element.getIntOrFloatBitWidth() / 8;
    return mayBeSingle && rhs.getNumElements() * bytes >= leastBytes && rectifiedColumns(columns, machine.lanes(element), bytes) &&
           isConstant(op.getRhs(), updated) && isRectified(op.getLhs());
  }

  /// Elements of the contracted dimension that a step of dot products takes, whole vectors: as many as keep eight sums, which
  /// hide the latency of multiply-adds. Zero where columns fill most of a vector themselves, or registers do not hold the sums of
  /// two rows, or the dimension is too short for what it takes to add up lanes.
  int64_t dotProductSteps(MatmulOp op, int64_t depth, int64_t columns) const {
    int64_t lanes = machine.lanes(op.getType().getElementType()), registers = machine.vectorRegisters, vectors = 4,
            filled = lanes * llvm::divideCeil(columns, lanes);
    if (4 * columns > 3 * filled || 2 * (columns + 1) >= registers || depth < 32 * lanes)
      return 0;
    while (vectors > 1 && (columns * vectors > 8 || depth % (vectors * lanes)))
      vectors /= 2;
    return depth % (vectors * lanes) ? 0 : vectors * lanes;
  }
};

/// The gradient of weights whose columns would fill a part of a vector only, those of a classifier: its rows do. What is left to do,
/// to transpose the result, is little beside the sum over all rows of both operands. 5408 x 10 over 128 rows: 0.27 to 0.13 ms.
struct WidenGradient : PlanPattern<MatmulOp> {
  using PlanPattern::PlanPattern;
  LogicalResult matchAndRewrite(MatmulOp op, PatternRewriter &rewriter) const override {
    if (!isGradientOfWeights(op))
      return failure();
    int64_t lanes = machine.lanes(op.getType().getElementType()), rows = op.getType().getDimSize(0),
            columns = op.getType().getDimSize(1);
    if (4 * columns > 3 * lanes || rows % lanes)
      return failure();
    Value wide = MatmulOp::create(rewriter, op.getLoc(), op.getRhs(), op.getLhs(), /*transposeLhs=*/true);
    rewriter.replaceOpWithNewOp<TransposeOp>(op, wide, ArrayRef<int64_t>{1, 0});
    return success();
  }
};

/// A product whose rows and weights for a tile's columns leave the second cache: each block of columns would read all rows from
/// beyond it. It becomes a sum of products over parts of the contracted dimension, which do stay there; the last kernel adds
/// what those before it have stored. 128 rows of 3072 terms with 768 columns, BERT-base's second dense layer, on a Xeon with
/// 2 MB: 4.4 ms in one part, 3.9 in two; of BERT-base's 124.2 ms with two parts three leave 121.0 and four 120.8.
struct SplitDepth : PlanPattern<MatmulOp> {
  SplitDepth(MLIRContext *context, const Machine &machine, const llvm::StringSet<> &updated, PatternBenefit benefit)
      : PlanPattern(context, machine, benefit), updated(updated) {}
  LogicalResult matchAndRewrite(MatmulOp op, PatternRewriter &rewriter) const override {
    RankedTensorType lhs = typeOf(op.getLhs()), rhs = typeOf(op.getRhs()), type = op.getType();
    int64_t rank = lhs.getRank();
    if (rhs.getRank() != 2 || op.getTransposeLhs() || op.getTransposeRhs() || !rhs.hasStaticShape() || !type.getElementType().isF32() ||
        lhs.isDynamicDim(rank - 2) || !isConstant(op.getRhs(), updated) || dependsOnParametersOnly(op.getLhs()))
      return failure();
    int64_t depth = rhs.getDimSize(0), rows = lhs.getDimSize(rank - 2), columns = rhs.getDimSize(1);
    Tile tile = productTile(lhs, type.getElementType(), depth, columns);
    // The rows, the weights of the block that is read and of the next: half of the cache is theirs, since both change places there.
    int64_t stepBytes = 4 * (rows + 2 * tile.vectors * lanesOf(op, columns));
    int64_t parts = std::min<int64_t>(llvm::divideCeil(depth * stepBytes, machine.l2Bytes / 2), depth);
    while (depth % parts)
      ++parts;
    // What a part adds and stores must be little beside what it sums.
    while (parts > 1 && (depth % parts || depth < parts * leastPartDepth))
      --parts;
    // Few rows are little beside the weights; and of very many no part stays.
    if (parts < 2 || rows < leastRows || depth / parts * stepBytes > machine.l2Bytes * 3 / 4)
      return failure();
    remark::passed(op.getLoc(), remark::RemarkOpts::name("Split").category("contractions"))
        << remark::add("the contracted dimension is taken in {0} parts, whose rows stay in the second cache", parts);
    int64_t partDepth = depth / parts;
    Value sum;
    for (int64_t part = 0; part < parts; ++part) {
      SmallVector<int64_t> starts(rank, 0), sizes = TensorBuilder::sliceSizes(lhs), ones(rank, 1);
      starts.back() = part * partDepth;
      sizes.back() = partDepth;
      Value left = SliceOp::create(rewriter, op.getLoc(), op.getLhs(), starts, sizes, ones);
      Value right = SliceOp::create(rewriter, op.getLoc(), op.getRhs(), ArrayRef<int64_t>{part * partDepth, 0},
                                    ArrayRef<int64_t>{partDepth, columns}, ArrayRef<int64_t>{1, 1});
      Value product = MatmulOp::create(rewriter, op.getLoc(), left, right);
      sum = !sum ? product : mapBinary(rewriter, op.getLoc(), sum, product, [](ScalarBuilder &s, Value x, Value y) { return s.add(x, y); });
    }
    rewriter.replaceOp(op, sum);
    return success();
  }

private:
  const llvm::StringSet<> &updated;
  static constexpr int64_t leastRows = 32, leastPartDepth = 1024;
};

/// A product in a loop whose columns are read in equal parts, the gates of a recurrent cell, takes its constant weights in
/// blocks of a vector of columns, in which the gates alternate.
struct PackGates : PlanPattern<MatmulOp> {
  using PlanPattern::PlanPattern;
  LogicalResult matchAndRewrite(MatmulOp op, PatternRewriter &rewriter) const override {
    RankedTensorType lhs = typeOf(op.getLhs()), rhs = typeOf(op.getRhs()), type = typeOf(op);
    if (lhs.getRank() != 2 || rhs.getRank() != 2 || op.getTransposeLhs() || op.getTransposeRhs() ||
        !isa<ScanOp>(op->getParentOp()) || !dependsOnParametersOnly(op.getRhs()) || dependsOnParametersOnly(op.getLhs()) ||
        !isa<FloatType>(rhs.getElementType()) || !rhs.hasStaticShape())
      return failure();
    SmallVector<SliceOp> readers;
    for (Operation *user : op->getUsers())
      readers.push_back(dyn_cast<SliceOp>(user));
    int64_t depth = rhs.getDimSize(0), columns = readers.empty() || !readers.front() ? 0 : typeOf(readers.front()).getDimSize(1);
    auto isGate = [&](SliceOp slice) {
      return slice && slice.getSizes()[1] == columns && slice.getStarts()[1] % columns == 0 && slice.getStarts()[0] == 0 &&
             typeOf(slice).getDimSize(0) == type.getDimSize(0) && areAll(slice.getStrides(), 1);
    };
    if (columns == 0 || columns == rhs.getDimSize(1) || rhs.getDimSize(1) % columns || !llvm::all_of(readers, isGate))
      return failure();
    Location loc = op.getLoc();
    int64_t gates = rhs.getDimSize(1) / columns;
    // (K, gates * N) to (K, gates, N) to (blocks, K, gates, block).
    Value weights = reshapeTo(rewriter, loc, op.getRhs(), {depth, gates, columns});
    Value packed = packChannels(rewriter, loc, weights, lanesOf(weights, columns));
    Value products = PackedMatmulOp::create(rewriter, loc, type.clone({gates, type.getDimSize(0), columns}), op.getLhs(),
                                            packed, rewriter.getI64IntegerAttr(columns));
    for (SliceOp slice : readers) {
      rewriter.setInsertionPoint(slice);
      int64_t gate = slice.getStarts()[1] / columns;
      Value matrix = SliceOp::create(rewriter, slice.getLoc(), products, ArrayRef<int64_t>{gate, 0, 0},
                                     ArrayRef<int64_t>{1, slice.getSizes()[0], columns}, ArrayRef<int64_t>{1, 1, 1});
      rewriter.replaceOpWithNewOp<ReshapeOp>(slice, typeOf(slice), matrix, ArrayRef<int64_t>{1, 2});
    }
    rewriter.eraseOp(op);
    return success();
  }
};

/// A convolution with constant weights, other than depthwise, becomes one without padding over packed
/// weights. Positions become one dimension when rows of them would waste part of a tile.
struct PackConv : PlanPattern<ConvOp> {
  using PlanPattern::PlanPattern;
  LogicalResult matchAndRewrite(ConvOp op, PatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    RankedTensorType filter = typeOf(op.getFilter());
    int64_t groups = op.getGroups(), filters = filter.getShape().back(),
            groupFilters = filters / groups, numSpatial = op.getStrides().size();
    if (!dependsOnParametersOnly(op.getFilter()) || dependsOnParametersOnly(op.getInput()) ||
        (groups > 1 && groupFilters == 1))
      return failure();
    Value input =
        padSpatial(rewriter, loc, op.getInput(), op.getPaddingLow(), op.getPaddingHigh());

    ArrayRef<int64_t> spatial = op.getType().getShape().drop_front().drop_back();
    int64_t lanes = lanesOf(op.getFilter(), groupFilters);
    int64_t depth = ShapedType::getNumElements(filter.getShape().drop_back());
    // A row of a free size has tiles enough that the weights, read again for each, are near.
    int64_t row = ShapedType::isDynamic(spatial.back()) ? typicalExtent : spatial.back();
    Contraction byRow{groupFilters, row, depth, lanes, Weights::Packed, /*taps=*/0,
                      bytesOfRow(typeOf(input)) * op.getStrides().back()};
    Tile tile = chooseTile(byRow, machine);
    bool flatten = false;
    if (numSpatial > 1 && !ShapedType::isDynamicShape(spatial)) {
      int64_t positions = ShapedType::getNumElements(spatial);
      int64_t rowSteps = filter.getDimSize(numSpatial - 1) * filter.getDimSize(numSpatial);
      int64_t taps = rowSteps > mostWrittenSteps ? ShapedType::getNumElements(filter.getShape().take_front(numSpatial)) : 0;
      Contraction whole{groupFilters, positions, depth, lanes, Weights::Packed, taps};
      Tile flat = chooseTile(whole, machine);
      // A position of its own per row of the tile costs registers too. A pooling computes the positions of its windows.
      bool isPooled = groups == 1 && groupFilters % (tile.vectors * lanes) == 0 && findComputingPool(op.getResult(), depth);
      flatten = !isPooled && 1.01 * estimateCycles(whole, flat) < estimateCycles(byRow, tile) * positions / row;
      tile = flatten ? flat : tile;
    }
    int64_t block = tile.vectors * lanes;
    remarkTile(op.getLoc(), tile, flatten);

    // (spatial..., C, O) to (spatial..., C, groups, O / groups) to (groups, blocks, spatial..., C, block).
    Value weights = op.getFilter();
    SmallVector<int64_t> shape(filter.getShape().drop_back());
    shape.append({groups, groupFilters});
    SmallVector<int64_t> order{numSpatial + 1};
    order.append(llvm::to_vector(llvm::seq<int64_t>(0, numSpatial + 1)));
    order.push_back(numSpatial + 2);
    weights = transposeTo(rewriter, loc, reshapeTo(rewriter, loc, weights, shape), order);
    Value packed = packChannels(rewriter, loc, weights, block, /*position=*/1);
    auto conv = PackedConvOp::create(rewriter, loc, input, packed, filters, op.getStrides(),
                                     op.getDilations(), flatten);
    if (conv.getType() == op.getType()) {
      rewriter.replaceOp(op, conv);
    } else {
      SmallVector<int64_t> from(op.getType().getRank(), -1);
      from[0] = 0;
      if (!flatten)
        for (int64_t i = 0; i < numSpatial; ++i)
          from[i + 1] = i + 1;
      rewriter.replaceOpWithNewOp<ReshapeOp>(op, op.getType(), conv, from);
    }
    return success();
  }
};

/// map(reshape(x), y) becomes reshape(map(x, reshape(y))) where x comes from a contraction: also from the gradient of weights, whose
/// update is then part of its kernel.
struct SinkReshape : PlanPattern<MapOp> {
  using PlanPattern::PlanPattern;
  LogicalResult matchAndRewrite(MapOp map, PatternRewriter &rewriter) const override {
    // As it stands, the map may be an epilogue already.
    if (isContractionOrEpilogue(map))
      return failure();
    for (Value operand : map.getOperands()) {
      auto reshape = operand.getDefiningOp<ReshapeOp>();
      if (!reshape || reshape.getType() != map.getType() ||
          !(isReadByMapsOnly(reshape.getInput()) ? isContractionOrEpilogue(reshape.getInput()) : isUpdate(reshape.getInput())))
        continue;
      auto groups = groupDims(reshape);
      if (!groups)
        continue;
      SmallVector<Value> operands;
      for (Value other : map.getOperands()) {
        Value moved = other == operand ? reshape.getInput()
                                       : beforeReshape(rewriter, reshape, *groups, other);
        if (!moved)
          break;
        operands.push_back(moved);
      }
      if (operands.size() != map.getNumOperands())
        continue;
      auto source = typeOf(reshape.getInput());
      auto moved = MapOp::create(rewriter, map.getLoc(),
                                 source.clone(map.getType().getElementType()), operands);
      rewriter.inlineRegionBefore(map.getBody(), moved.getBody(), moved.getBody().begin());
      rewriter.replaceOpWithNewOp<ReshapeOp>(map, map.getType(), moved, reshape.getFrom());
      return success();
    }
    return failure();
  }

  /// Whether `op` is the gradient of weights whose columns fill vectors.
  bool isTiledGradient(Operation *op) const {
    if (!isGradientOfWeights(op))
      return false;
    RankedTensorType type = typeOf(op->getResult(0));
    return type.getShape().back() % machine.lanes(type.getElementType()) == 0;
  }

  /// Whether `value` is a map that reads the gradient of weights: a new value of what its optimizer keeps.
  bool isUpdate(Value value) const {
    auto map = value.getDefiningOp<MapOp>();
    return map && llvm::any_of(map.getOperands(), [&](Value operand) {
      return isTiledGradient(operand.getDefiningOp()) && isReadByMapsOnly(operand);
    });
  }

  /// Whether `value` is a contraction's result, or made of one that nothing else reads, by maps of its
  /// shape.
  bool isContractionOrEpilogue(Value value) const {
    SetVector<Value> reached; // once each: where paths part and meet again, there are many
    reached.insert(value);
    for (size_t i = 0; i < reached.size(); ++i) {
      Operation *op = reached[i].getDefiningOp();
      if (isa_and_nonnull<PackedConvOp, PackedMatmulOp, WinogradConvOp>(op) || isTiledGradient(op))
        return true;
      if (isa_and_nonnull<MapOp>(op))
        for (Value operand : op->getOperands())
          if (typeOf(operand).getShape() == typeOf(value).getShape() && isReadByMapsOnly(operand))
            reached.insert(operand);
    }
    return false;
  }

  /// Whether maps of its shape alone read `value`, perhaps through a reshape of their own: `x * clamp(x + 3)` reads it twice.
  static bool isReadByMapsOnly(Value value) {
    return llvm::all_of(value.getUsers(), [&](Operation *user) {
      auto isMap = [](Operation *op, Value of) {
        return isa<MapOp>(op) && typeOf(op->getResult(0)).getShape() == typeOf(of).getShape();
      };
      auto reshape = dyn_cast<ReshapeOp>(user);
      return reshape ? llvm::all_of(reshape->getUsers(), [&](Operation *reader) { return isMap(reader, reshape); })
                     : isMap(user, value);
    });
  }

  /// `value`, which broadcasts to the result of `reshape`, so that it broadcasts to its source; null when
  /// it is whole along a part of a group and repeats along the rest.
  static Value beforeReshape(PatternRewriter &rewriter, ReshapeOp reshape,
                             ArrayRef<ReshapedDims> groups, Value value) {
    RankedTensorType type = typeOf(value), result = reshape.getType(),
                     source = typeOf(reshape.getInput());
    int64_t missing = result.getRank() - type.getRank();
    SmallVector<int64_t> shape, from;
    for (const ReshapedDims &group : groups) {
      bool repeats = true, whole = true;
      for (int64_t dim : group.result) {
        int64_t size = dim < missing ? 1 : type.getDimSize(dim - missing);
        repeats &= size == 1;
        whole &= size == result.getDimSize(dim);
      }
      if (!repeats && !whole)
        return {};
      for (int64_t dim : group.source) {
        bool copied = !repeats && group.source.size() == 1 && group.result.size() == 1;
        shape.push_back(repeats ? 1 : source.getDimSize(dim));
        from.push_back(copied ? group.result.front() - missing : -1);
      }
    }
    // Leading ones broadcast by themselves; a whole operand keeps them, for it may be a reshape of what has the source's shape.
    while (type.getShape() != result.getShape() && shape.size() > 1 && shape.front() == 1)
      shape.erase(shape.begin()), from.erase(from.begin());
    if (ArrayRef<int64_t>(shape) == type.getShape())
      return value;
    return ReshapeOp::create(rewriter, value.getLoc(),
                             RankedTensorType::get(shape, type.getElementType()), value, from);
  }
};

struct PlanContractions : sylvite::impl::PlanContractionsBase<PlanContractions> {
  using PlanContractionsBase::PlanContractionsBase;
  void runOnOperation() override {
    Machine machine{vectorWidth * 4, vectorRegisters, l2Bytes};
    MLIRContext *context = &getContext();
    llvm::StringSet<> updated = updatedParameters(getOperation()->getParentOfType<ModuleOp>());
    mergeProducts(getOperation(), updated, machine);
    RewritePatternSet patterns(context);
    patterns.add<PointwiseConv>(context, machine, /*benefit=*/2);
    if (!exact)
      populateWinograd(patterns, machine);
    populateNarrowWeights(patterns);
    patterns.add<PackConv>(context, machine);
    patterns.add<PackMatmul>(context, machine, updated);
    patterns.add<WidenGradient>(context, machine);
    patterns.add<PackGates>(context, machine, /*benefit=*/2);
    patterns.add<SplitDepth>(context, machine, updated, /*benefit=*/2);
    populateSplitTransposedConvs(patterns);
    patterns.add<SinkReshape>(context, machine);
    populateFormAttention(patterns, machine);
    TransposeOp::getCanonicalizationPatterns(patterns, context);
    ReshapeOp::getCanonicalizationPatterns(patterns, context);
    ScanOp::getCanonicalizationPatterns(patterns, context);
    if (failed(applyPatterns(getOperation(), std::move(patterns))))
      return signalPassFailure();
    for (auto conv : getOperation().getOps<PackedConvOp>())
      if (MaxPoolOp pool = findComputingPool(conv))
        sinkBelowPool(pool);
  }
};

} // namespace
