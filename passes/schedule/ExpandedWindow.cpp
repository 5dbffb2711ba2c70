//===- ExpandedWindow.cpp - a depthwise convolution of a product -----------===//
//
// The inverted residual's first half (Sandler et al., arXiv 1801.04381): a product makes many channels of few, and a
// depthwise convolution reads them. A task computes a strip of rows of a block of channels, first of the product, then of
// the window over it: between the two the strip stays in the core's second cache, and the expanded image is never in
// memory. The rows that two strips share are computed twice.
//
//===----------------------------------------------------------------------===//
#include "passes/schedule/Scheduling.h"

#include <numeric>

using namespace mlir;
using namespace sylvite;
using halide::TailStrategy;

namespace {
/// The funcs of such a pipeline, and what the product reads.
struct Expansion {
  halide::FuncOp product, image, window; ///< sums, the image made of them, sums of the window
  halide::InputOp input, weights;
  int64_t block; ///< columns in a block of the weights
};
} // namespace

static std::optional<Expansion> findExpansion(PipelineView &view) {
  constexpr unsigned rank = 4; // (N, height, width, C)
  if (view.reductions.size() != 2 || view.outputType.getRank() != rank)
    return std::nullopt;
  Expansion found{view.reductions[0], {}, view.reductions[1], {}, {}, 0};
  halide::UpdateOp product = view.singleUpdate(found.product), window = view.singleUpdate(found.window);
  if (!product || !window || found.window == view.output || found.product.getRank() != rank ||
      found.window.getRank() != rank || !isa<IntegerAttr>(window.getEnds().getValue().front()) ||
      !isDenseAlongInnermost(window) || countReadsAlongInnermost(window) != 2)
    return std::nullopt;
  product.getBody().walk([&](halide::AtOp at) {
    halide::InputOp buffer = view.pipeline.lookupInput(at.getFunc());
    if (int64_t width = panelWidth(at, product.getVarArguments().back())) {
      found.block = width;
      found.weights = buffer;
    } else if (buffer) {
      found.input = buffer;
    }
  });
  // The last func, on the way to the window, that reads the one before where it is computed itself.
  found.image = found.product;
  for (halide::FuncOp func : view.funcs)
    func.walk([&](halide::AtOp at) {
      if (at.getFunc() == found.image.getSymName() && llvm::equal(at.getIndices(), func.getBody().getArguments()))
        found.image = func;
    });
  if (!found.weights || !found.input || found.input.getBufferType().getRank() != rank || found.image == found.product ||
      ShapedType::isDynamicShape(found.input.getBufferType().getShape().drop_front()) ||
      ShapedType::isDynamicShape(view.outputType.getShape().drop_front()) ||
      view.outputType.getShape().back() % found.block)
    return std::nullopt;
  return found;
}

bool sylvite::scheduleExpandedWindow(PipelineView &view, const Machine &machine) {
  std::optional<Expansion> expansion = findExpansion(view);
  if (!expansion)
    return false;
  halide::UpdateOp productSum = view.singleUpdate(expansion->product), windowSum = view.singleUpdate(expansion->window);
  int64_t block = expansion->block, height = view.outputType.getDimSize(1), width = view.outputType.getDimSize(2),
          channels = view.outputType.getDimSize(3), imageHeight = expansion->input.getBufferType().getDimSize(1),
          imageWidth = expansion->input.getBufferType().getDimSize(2),
          depth = expansion->input.getBufferType().getDimSize(3),
          elementBytes = view.outputType.getElementTypeBitWidth() / 8;
  int64_t lanes = std::gcd<int64_t>(machine.lanes(view.outputType.getElementType()), block), vectors = block / lanes;
  // Padding, or what a window lacks at the ends, is less than half a stride a row.
  int64_t stride = (imageHeight + height / 2) / height,
          windowRows = cast<IntegerAttr>(windowSum.getEnds().getValue().front()).getInt(),
          strip = planStrip({height, stride, windowRows, imageWidth * block * elementBytes, channels / block}, machine);
  strip = strip ? strip : height;
  Tile tile = chooseTile({channels, imageWidth, depth, lanes, Weights::Packed, /*taps=*/0, depth * elementBytes}, machine,
                         vectors);
  // Positions of the window in registers: four share most of what they read.
  int64_t positions = std::clamp<int64_t>((machine.vectorRegisters - vectors - 2) / vectors, 1, std::min<int64_t>(width, 4));

  ScheduleWriter write(view.pipeline);
  StringRef out = view.output.getSymName();
  SmallVector<StringRef> vars = view.output.getVarNames();
  StringRef n = vars[0], y = vars[1], x = vars[2], c = vars[3];
  write.split(out, 0, c, "co", "ci", block, TailStrategy::RoundUp);
  write.split(out, 0, x, "xo", "xi", positions, tailFor(width, positions));
  SmallVector<StringRef> order{"ci", "xi", "xo"}, tasks{"co"};
  if (strip < height) {
    write.split(out, 0, y, "yo", "yi", strip, tailApart(height, strip));
    order.push_back("yi");
    tasks.push_back("yo");
  } else {
    order.push_back(y);
  }
  tasks.push_back(n);
  order.append(tasks);
  write.reorder(out, 0, order);
  write.vectorize(out, 0, "ci", lanes);
  write.unroll(out, 0, "ci");
  write.unroll(out, 0, "xi");
  StringRef task = write.parallelFused(out, 0, tasks);

  StringRef window = expansion->window.getSymName();
  vars = expansion->window.getVarNames();
  write.computeAt(window, out, "xo");
  write.boundExtent(window, vars[3], block);
  write.boundExtent(window, vars[2], positions);
  SmallVector<StringRef> taps = windowSum.getReductionNames();
  std::reverse(taps.begin(), taps.end());
  write.registerTile(window, vars[3], vars[2], lanes, taps);
  write.unrollShort(windowSum, mostWrittenTaps);

  StringRef image = expansion->image.getSymName();
  vars = expansion->image.getVarNames();
  write.computeAt(image, out, task);
  write.boundExtent(image, vars[3], block);
  write.split(image, 0, vars[2], "xo", "xi", tile.rows, tailFor(imageWidth, tile.rows));
  write.reorder(image, 0, {vars[3], "xi", "xo", vars[1]});
  write.vectorize(image, 0, vars[3], lanes);
  write.unroll(image, 0, vars[3]);
  write.unroll(image, 0, "xi");

  StringRef product = expansion->product.getSymName();
  vars = expansion->product.getVarNames();
  write.computeAt(product, image, "xo");
  write.boundExtent(product, vars[3], block);
  write.boundExtent(product, vars[2], tile.rows);
  SmallVector<StringRef> steps = productSum.getReductionNames();
  bool inSteps = depth % mostWrittenSteps == 0 && depth > mostWrittenSteps;
  if (inSteps) {
    write.split(product, 1, steps.front(), "ro", "ri", mostWrittenSteps);
    steps = {"ri", "ro"};
  }
  write.registerTile(product, vars[3], vars[2], lanes, steps);
  if (!inSteps)
    return true;
  write.unroll(product, 1, "ri");
  // While a block of weights that come from memory is multiplied, its place in the next one is fetched.
  if (imageHeight * imageWidth * (depth + channels) < expansion->weights.getBufferType().getNumElements() &&
      block * elementBytes % lineBytes == 0)
    write.prefetch(product, 1, expansion->weights.getSymName(), "ro", depth / mostWrittenSteps);
  return true;
}
