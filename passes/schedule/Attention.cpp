//===- Attention.cpp - attention, a few rows at a time ---------------------===//
//
// Per head, panels of keys and of values; per row tile, its scores, their softmax and its part of the result. What a row
// tile needs of the scores (rows x keys) stays in the first cache up to some thousand keys, and in the second beyond;
// the tensor of all scores is never in memory. Both products are register tiles of one panel's columns by the rows.
//
//===----------------------------------------------------------------------===//
#include "passes/schedule/Scheduling.h"

using namespace mlir;
using namespace sylvite;

/// The output's variable that is coordinate `dim` of @attention, through transposes.
static StringRef outputVariable(PipelineView &view, halide::FuncOp attention, unsigned dim) {
  // From the func that the output reads back to the output, a coordinate is a variable at each step.
  SmallVector<halide::FuncOp> chain{attention};
  while (chain.back() != view.output) {
    halide::FuncOp reader;
    unsigned next = dim;
    for (halide::FuncOp func : view.funcs)
      func.walk([&](halide::AtOp at) {
        if (at.getFunc() != chain.back().getSymName())
          return;
        auto argument = dyn_cast<BlockArgument>(at.getIndices()[dim]);
        reader = func;
        next = argument ? argument.getArgNumber() : func.getRank();
      });
    if (!reader || next >= reader.getRank())
      return {};
    chain.push_back(reader);
    dim = next;
  }
  return view.output.getVarNames()[dim];
}

bool sylvite::scheduleAttention(PipelineView &view, const Machine &machine) {
  // products, row_max, row_sum, weighted: see passes/lower/Attention.cpp.
  if (view.reductions.size() != 4)
    return false;
  halide::FuncOp products = view.reductions[0], maximum = view.reductions[1], total = view.reductions[2],
                 weighted = view.reductions[3];
  unsigned rank = products.getRank();
  if (rank < 2 || weighted.getRank() != rank || maximum.getRank() != rank - 1 || total.getRank() != rank - 1 ||
      !llvm::all_of(view.reductions, [&](halide::FuncOp func) { return view.singleUpdate(func) && func != view.output; }))
    return false;
  // What each step reads of the one before.
  auto readIn = [&](halide::UpdateOp update, unsigned rank) {
    halide::FuncOp found;
    update.getBody().walk([&](halide::AtOp at) {
      if (auto func = view.pipeline.lookupFunc(at.getFunc()); func && func != view.pipeline.lookupFunc(update.getFunc()))
        if (func.getRank() == rank)
          found = func;
    });
    return found;
  };
  halide::FuncOp scores = readIn(view.singleUpdate(maximum), rank), weights = readIn(view.singleUpdate(total), rank),
                 keys = readIn(view.singleUpdate(products), rank + 1), values = readIn(view.singleUpdate(weighted), rank + 1),
                 attention;
  for (halide::FuncOp func : view.funcs)
    func.walk([&](halide::AtOp at) { attention = at.getFunc() == weighted.getSymName() ? func : attention; });
  if (!scores || !weights || !keys || !values || !attention)
    return false;
  StringRef row = outputVariable(view, attention, rank - 2), column = outputVariable(view, attention, rank - 1);
  SmallVector<StringRef> vars = view.output.getVarNames();
  if (row.empty() || column.empty() || column != vars.back())
    return false;

  Type element = view.outputType.getElementType();
  int64_t lanes = std::min<int64_t>(machine.lanes(element), attentionPanel), panel = attentionPanel;
  int64_t width = view.outputType.getShape().back();
  int64_t rows = view.outputType.getShape()[llvm::find(vars, row) - vars.begin()];
  if (ShapedType::isDynamic(width))
    return false;
  Tile tile = chooseTile({panel, rows, /*depth=*/64, lanes, Weights::Packed}, machine, panel / lanes);

  ScheduleWriter write(view.pipeline);
  StringRef out = view.output.getSymName();
  auto names = [](halide::FuncOp func) { return func.getVarNames(); };
  // A tile of the result.
  write.split(out, 0, column, "co", "ci", panel, width % panel ? halide::TailStrategy::GuardWithIf
                                                              : tailFor(width, panel));
  write.split(out, 0, row, "xo", "xi", tile.rows, tailFor(rows, tile.rows));
  SmallVector<StringRef> heads, order{"ci", "xi", "co", "xo"};
  for (StringRef var : llvm::reverse(vars))
    if (var != row && var != column)
      heads.push_back(var);
  order.append(heads);
  write.reorder(out, 0, order);
  write.vectorize(out, 0, "ci", lanes);
  write.unroll(out, 0, "ci");
  write.unroll(out, 0, "xi");
  StringRef head = write.parallelFused(out, 0, heads);

  for (halide::FuncOp panels : {keys, values}) {
    if (head.empty())
      write.computeRoot(panels.getSymName());
    else
      write.computeAt(panels.getSymName(), out, head);
    write.boundExtent(panels.getSymName(), names(panels).back(), panel);
    write.vectorize(panels.getSymName(), 0, names(panels).back(), lanes);
  }

  // A register tile of a product, in the loop `at` of `consumer`.
  auto registerTile = [&](halide::FuncOp func, StringRef consumer, StringRef at) {
    StringRef name = func.getSymName(), c = names(func)[rank - 1], x = names(func)[rank - 2];
    write.computeAt(name, consumer, at);
    write.boundExtent(name, c, panel);
    write.boundExtent(name, x, tile.rows);
    for (int64_t stage : {0, 1}) {
      if (stage == 1)
        write.reorder(name, 1, {c, x, view.singleUpdate(func).getReductionNames().front()});
      write.vectorize(name, stage, c, lanes);
      write.unroll(name, stage, c);
      write.unroll(name, stage, x);
    }
  };
  StringRef scoresName = scores.getSymName(), scoreColumn = names(scores)[rank - 1], scoreRow = names(scores)[rank - 2];
  write.computeAt(scoresName, out, "xo");
  write.boundExtent(scoresName, scoreRow, tile.rows);
  write.split(scoresName, 0, scoreColumn, "jo", "ji", panel, halide::TailStrategy::RoundUp);
  write.reorder(scoresName, 0, {"ji", scoreRow, "jo"});
  write.vectorize(scoresName, 0, "ji", lanes);
  write.unroll(scoresName, 0, "ji");
  write.unroll(scoresName, 0, scoreRow);
  registerTile(products, scoresName, "jo");
  registerTile(weighted, out, "co");

  write.computeAt(weights.getSymName(), out, "xo");
  write.vectorize(weights.getSymName(), 0, names(weights)[rank - 1], lanes, halide::TailStrategy::RoundUp);

  for (halide::FuncOp reduction : {maximum, total}) {
    StringRef name = reduction.getSymName();
    halide::UpdateOp update = view.singleUpdate(reduction);
    write.computeAt(name, out, "xo");
    auto end = dyn_cast<IntegerAttr>(update.getEnds().getValue().front());
    if (!end) // a free number of keys
      continue;
    int64_t parts = std::min<int64_t>(end.getInt(), 2 * panel);
    parts = end.getInt() % parts ? panel : parts;
    std::string partial = (name + "_lanes").str();
    write.split(name, 1, update.getReductionNames().front(), "ro", "ri", parts);
    write.rfactor(name, 1, {"ri"}, {"lane"}, partial);
    write.computeAt(partial, name, names(reduction).back());
    for (int64_t stage : {0, 1}) {
      if (stage == 1)
        write.reorder(partial, 1, {"lane", "ro"});
      write.vectorize(partial, stage, "lane", lanes);
      write.unroll(partial, stage, "lane");
    }
    write.atomic(name, 1);
    write.vectorize(name, 1, "ri");
  }
  return true;
}
