//===- Control.cpp - control flow and sequences ---------------------------===//
//
// Rows for If, Loop, Scan and for sequences and optionals. A known condition chooses its branch while the model is imported,
// one that depends on the input when it runs. Short loops are unrolled, so that what is known of a step's sizes and
// conditions stays known; long ones, and those as long as a free dimension, become loops of the dialect. Sequences are
// lists of tensors while the model is imported.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/Folding.h"
#include "compiler/import/onnx/Operators.h"

using namespace llvm;
using namespace mlir;

namespace sylvite::onnx {

static constexpr int64_t kMaxIterations = 10000;
/// Longer ones become loops. A Loop may do in its steps what only known sizes allow, a Scan hardly does.
static constexpr int64_t kMaxUnrolledLoop = 512, kMaxUnrolledScan = 16;

/// The value of a known bool, or nothing.
static std::optional<bool> knownBool(NodeBuilder &b, Tensor *tensor) {
  const Scalars *elements = tensor ? b.known(tensor) : nullptr;
  if (!elements || elements->size() != 1)
    return std::nullopt;
  auto value = elements->front().constant();
  return value ? std::optional(*value != 0) : std::nullopt;
}

static void conditional(NodeBuilder &b) {
  const Graph *then = b.graph("then_branch"), *otherwise = b.graph("else_branch");
  Tensor *condition = b.input(0);
  if (b.failed())
    return;
  if (auto known = knownBool(b, condition)) {
    for (Tensor *tensor : b.importSubgraph(*known ? *then : *otherwise, {}))
      b.result(tensor);
    return;
  }
  if (!condition->type.isInteger(1))
    return void(b.error() << "its condition, tensor '" << condition->name << "', is no bool");
  for (Tensor *tensor : b.branch(b.reshape(b.materialize(condition), ArrayRef<int64_t>{}), *then, *otherwise))
    b.result(tensor);
}

/// The parts of a scanned result joined along a new dimension `axis`.
static void stack(NodeBuilder &b, ArrayRef<Tensor *> parts, int64_t axis) {
  SmallVector<Value> values;
  bool allKnown = !parts.empty();
  for (Tensor *part : parts)
    allKnown &= part && !part->isSequence && b.known(part) && axis == 0;
  if (allKnown) {
    Dims shape = *constantShape(parts[0]->shape);
    Scalars elements;
    for (Tensor *part : parts)
      elements.insert(elements.end(), b.known(part)->begin(), b.known(part)->end());
    shape.insert(shape.begin(), parts.size());
    return b.result(parts[0]->type, shape, std::move(elements));
  }
  for (Tensor *part : parts) {
    Value x = b.materialize(part);
    if (b.failed())
      return;
    if (axis < -(b.rank(x) + 1) || axis > b.rank(x))
      return void(b.error() << "it scans along dimension " << axis << " of results of rank " << b.rank(x) + 1);
    values.push_back(b.unsqueeze(x, axis < 0 ? axis + b.rank(x) + 1 : axis));
  }
  if (values.empty())
    return void(b.error() << "a scanned result has no elements; supported: at least one iteration");
  b.result(b.concat(values, axis < 0 ? axis + b.rank(values[0]) : axis));
}

/// `x` with dimension `from` moved to `to`.
static Value moveDimension(NodeBuilder &b, Value x, int64_t from, int64_t to) {
  Dims permutation;
  for (int64_t i = 0; i < b.rank(x); ++i)
    if (i != from)
      permutation.push_back(i);
  if (x)
    permutation.insert(permutation.begin() + to, from);
  return b.transpose(x, permutation);
}

/// A Loop of `trips` steps whose condition is always true, as a loop over the steps' numbers.
static void runLoop(NodeBuilder &b, const Graph &body, AffineExpr trips, ArrayRef<Tensor *> carried) {
  Type i64 = IntegerType::get(b.state.context, 64), i1 = IntegerType::get(b.state.context, 1);
  SmallVector<Value> initial;
  for (Tensor *tensor : carried)
    initial.push_back(b.materialize(tensor));
  size_t numScanned = body.outputs.size() - carried.size() - 1;
  auto step = [&](ValueRange states, ValueRange slices) {
    SmallVector<Tensor *> inputs{b.tensorOf(slices.front()), b.knownTensor(i1, {}, {integerScalar(b.expr(1))})};
    for (Value state : states)
      inputs.push_back(b.tensorOf(state));
    SmallVector<Tensor *> outputs = b.importSubgraph(body, inputs);
    SmallVector<Value> results;
    if (!b.failed() && knownBool(b, outputs.front()) != true)
      b.error() << "its condition changes from step to step, and it has " << b.text({trips})
                << " of them; supported: up to " << kMaxUnrolledLoop << ", a known number, then";
    for (Tensor *tensor : ArrayRef<Tensor *>(outputs).drop_front(b.failed() ? outputs.size() : 1))
      results.push_back(b.materialize(tensor));
    return results;
  };
  SmallVector<Value> results = b.scan(initial, {b.indices({trips}, 0, i64)},
                                      SmallVector<bool>(1 + numScanned, false), step);
  for (Value result : results)
    b.result(result);
}

static void loop(NodeBuilder &b) {
  const Graph *body = b.graph("body");
  if (b.failed())
    return;
  int64_t trips = INT64_MAX;
  SmallVector<AffineExpr> count;
  if (b.has(0)) {
    count = b.expressions(0, "trip count");
    if (!b.failed() && count.size() != 1)
      b.error() << "its trip count has " << count.size() << " elements; supported: one";
  }
  Tensor *condition = b.has(1) ? b.input(1) : nullptr;
  SmallVector<Tensor *> carried;
  for (unsigned i = 2; i < b.numInputs(); ++i)
    carried.push_back(b.inputTensor(i));
  if (b.failed())
    return;
  if (is_contained(carried, nullptr) || body->outputs.size() < carried.size() + 1)
    return void(b.error() << "its body has " << body->outputs.size() << " results for " << carried.size()
                          << " values that it carries");
  if (!count.empty()) {
    auto known = constantDim(count.front());
    bool hasSequence = any_of(carried, [](Tensor *tensor) { return tensor->isSequence; });
    if (!hasSequence && (!known || *known > kMaxUnrolledLoop) && (!condition || knownBool(b, condition) == true))
      return runLoop(b, *body, count.front(), carried);
    trips = b.constant(0, "trip count");
    if (b.failed())
      return;
  }
  std::vector<SmallVector<Tensor *>> scanned(body->outputs.size() - carried.size() - 1);
  Type i64 = IntegerType::get(b.state.context, 64), i1 = IntegerType::get(b.state.context, 1);
  for (int64_t i = 0; i < trips; ++i) {
    if (condition) {
      auto known = knownBool(b, condition);
      if (!known)
        return void(b.error() << "its condition, tensor '" << condition->name
                              << "', depends on the model's input; supported: a number of iterations that is known");
      if (!*known)
        break;
    }
    if (i >= kMaxIterations)
      return void(b.error() << "it runs more than " << kMaxIterations << " times");
    SmallVector<Tensor *> inputs{b.knownTensor(i64, {}, {integerScalar(b.expr(i))}),
                                 condition ? condition : b.knownTensor(i1, {}, {integerScalar(b.expr(1))})};
    inputs.append(carried);
    SmallVector<Tensor *> outputs = b.importSubgraph(*body, inputs);
    if (b.failed())
      return;
    // Without a condition of its own a loop runs as its body says.
    if (b.has(1) || trips == INT64_MAX || knownBool(b, outputs[0]) != true)
      condition = outputs[0];
    std::copy(outputs.begin() + 1, outputs.begin() + 1 + carried.size(), carried.begin());
    for (size_t k = 0; k < scanned.size(); ++k)
      scanned[k].push_back(outputs[1 + carried.size() + k]);
  }
  for (Tensor *tensor : carried)
    b.result(tensor);
  for (auto [k, parts] : enumerate(scanned))
    if (b.wants(carried.size() + k))
      stack(b, parts, 0);
    else
      b.result(static_cast<Tensor *>(nullptr));
}

namespace {
/// Along which dimension each input or result of a Scan goes, and whether from its end.
struct ScanWalk {
  Dims inputAxes, inputDirections, outputAxes, outputDirections;
};
} // namespace

/// A Scan as a loop of the dialect.
static void runScan(NodeBuilder &b, const Graph &body, ArrayRef<Tensor *> states, ArrayRef<Value> sources,
                    const ScanWalk &walk) {
  SmallVector<Value> initial, sequences;
  SmallVector<bool> reversed;
  for (Tensor *tensor : states)
    initial.push_back(b.materialize(tensor));
  for (auto [i, source] : enumerate(sources)) {
    sequences.push_back(moveDimension(b, source, walk.inputAxes[i], 0));
    reversed.push_back(walk.inputDirections[i]);
    if (!b.failed() && !areEqual(b.shape(sequences.back())[0], b.shape(sequences.front())[0]))
      return void(b.error() << "its scanned inputs have different lengths");
  }
  for (int64_t direction : walk.outputDirections)
    reversed.push_back(direction);
  SmallVector<Value> results = b.scan(initial, sequences, reversed, [&](ValueRange carried, ValueRange slices) {
    SmallVector<Tensor *> inputs;
    for (Value value : carried)
      inputs.push_back(b.tensorOf(value));
    for (Value value : slices)
      inputs.push_back(b.tensorOf(value));
    SmallVector<Value> next;
    for (Tensor *tensor : b.importSubgraph(body, inputs))
      next.push_back(b.materialize(tensor));
    return next;
  });
  for (auto [i, result] : enumerate(results)) {
    if (i < states.size()) {
      b.result(result);
      continue;
    }
    int64_t axis = walk.outputAxes[i - states.size()], rank = b.rank(result);
    if (axis < -rank || axis >= rank)
      return b.refuse("scan_output_axes", "dimensions of the results");
    b.result(moveDimension(b, result, 0, axis < 0 ? axis + rank : axis));
  }
}

/// Short ones are unrolled. Up to operator set 8 there is a batch in front, and an input of lengths.
static void scan(NodeBuilder &b) {
  const Graph *body = b.graph("body");
  int64_t count = b.integer("num_scan_inputs", std::nullopt);
  bool batched = b.opset < 9;
  int64_t first = batched ? 1 : 0, states = int64_t(b.numInputs()) - first - count;
  if (b.failed())
    return;
  if (count < 1 || states < 0 || int64_t(body->outputs.size()) < states)
    return b.refuse("num_scan_inputs", "1 to the number of inputs");
  int64_t scans = body->outputs.size() - states;
  auto list = [&](StringRef key, int64_t size) {
    Dims values = b.integers(key).value_or(Dims(size, 0));
    if (int64_t(values.size()) != size)
      b.refuse(key, Twine(size) + " integers");
    values.resize(size, 0);
    return values;
  };
  ScanWalk walk{Dims(count, 0), {}, Dims(scans, 0), Dims(scans, 0)};
  auto &[inputAxes, inputDirections, outputAxes, outputDirections] = walk;
  if (batched) {
    inputDirections = list("directions", count);
    if (b.has(0))
      b.error() << "it has lengths of its sequences; supported: sequences of one length";
  } else {
    inputAxes = list("scan_input_axes", count);
    inputDirections = list("scan_input_directions", count);
    outputAxes = list("scan_output_axes", scans);
    outputDirections = list("scan_output_directions", scans);
  }
  if (b.failed())
    return;
  int64_t items = 1;
  if (batched) {
    Value x = b.value(first + states);
    items = b.extent(x, 0);
    if (b.failed())
      return;
  }
  std::vector<std::vector<SmallVector<Tensor *>>> perItem; // results of each item of the batch
  for (int64_t item = 0; item < items && !b.failed(); ++item) {
    auto ofItem = [&](unsigned index) {
      return batched ? b.tensorOf(b.squeeze(b.slice(b.value(index), 0, item, 1), 0)) : b.inputTensor(index);
    };
    SmallVector<Tensor *> carried;
    SmallVector<Value> sources;
    for (int64_t i = 0; i < states; ++i)
      carried.push_back(ofItem(first + i));
    for (int64_t i = 0; i < count; ++i) {
      Tensor *source = ofItem(first + states + i);
      sources.push_back(b.materialize(source));
      if (b.failed())
        return;
      int64_t rank = b.rank(sources.back());
      if (inputAxes[i] < -rank || inputAxes[i] >= rank)
        return b.refuse("scan_input_axes", "dimensions of the inputs");
      inputAxes[i] += inputAxes[i] < 0 ? rank : 0;
    }
    if (is_contained(carried, nullptr))
      return void(b.error() << "one of its states is missing");
    auto known = constantDim(b.shape(sources[0])[inputAxes[0]]);
    if (!batched && (!known || *known > kMaxUnrolledScan))
      return runScan(b, *body, carried, sources, walk);
    int64_t length = b.extent(sources[0], inputAxes[0]);
    if (length > kMaxIterations)
      return void(b.error() << "it runs more than " << kMaxIterations << " times");
    std::vector<SmallVector<Tensor *>> scanned(scans);
    for (int64_t t = 0; t < length && !b.failed(); ++t) {
      SmallVector<Tensor *> inputs(carried);
      for (int64_t i = 0; i < count; ++i) {
        if (b.extent(sources[i], inputAxes[i]) != length)
          return void(b.error() << "its scanned inputs have different lengths");
        int64_t at = inputDirections[i] ? length - 1 - t : t;
        inputs.push_back(b.tensorOf(b.squeeze(b.slice(sources[i], inputAxes[i], at, 1), inputAxes[i])));
      }
      if (b.failed())
        return;
      SmallVector<Tensor *> outputs = b.importSubgraph(*body, inputs);
      if (b.failed())
        return;
      std::copy(outputs.begin(), outputs.begin() + states, carried.begin());
      for (int64_t k = 0; k < scans; ++k)
        scanned[k].push_back(outputs[states + k]);
    }
    std::vector<SmallVector<Tensor *>> results;
    for (Tensor *tensor : carried)
      results.push_back({tensor});
    for (auto [k, parts] : enumerate(scanned)) {
      if (outputDirections[k])
        std::reverse(parts.begin(), parts.end());
      results.push_back(parts);
    }
    perItem.push_back(std::move(results));
  }
  if (b.failed())
    return;
  for (int64_t k = 0; k < states + scans; ++k) {
    if (!batched) {
      if (k < states)
        b.result(perItem[0][k][0]);
      else
        stack(b, perItem[0][k], outputAxes[k - states]);
      continue;
    }
    SmallVector<Tensor *> parts;
    for (auto &results : perItem) {
      if (k < states) {
        parts.push_back(results[k][0]);
        continue;
      }
      stack(b, results[k], 0);
      parts.push_back(b.failed() ? nullptr : b.results.pop_back_val());
    }
    if (b.failed())
      return;
    stack(b, parts, 0);
  }
}

//===----------------------------------------------------------------------===//
// Sequences
//===----------------------------------------------------------------------===//

static Tensor *sequenceInput(NodeBuilder &b, unsigned index) {
  Tensor *tensor = b.inputTensor(index);
  if (tensor && tensor->isSequence)
    return tensor;
  b.error() << "its input " << index << " is " << (tensor ? "a tensor" : "missing") << "; supported: a sequence";
  return nullptr;
}

static void sequenceResult(NodeBuilder &b, ArrayRef<Tensor *> items) {
  Tensor *sequence = b.state.newTensor();
  sequence->isSequence = true;
  sequence->items.assign(items.begin(), items.end());
  b.result(sequence);
}

static void sequenceConstruct(NodeBuilder &b) {
  SmallVector<Tensor *> items;
  for (unsigned i = 0; i < b.numInputs(); ++i)
    items.push_back(b.input(i));
  if (!b.failed())
    sequenceResult(b, items);
}
static void sequenceEmpty(NodeBuilder &b) {
  b.ignore({"dtype"});
  sequenceResult(b, {});
}
/// A position among `count`, negative ones from the end.
static int64_t sequencePosition(NodeBuilder &b, unsigned index, int64_t count) {
  int64_t position = b.constant(index, "position");
  if (position >= -count && position < count)
    return position + (position < 0 ? count : 0);
  b.error() << "its position is " << position << " in a sequence of " << count;
  return 0;
}
static void sequenceAt(NodeBuilder &b) {
  Tensor *sequence = sequenceInput(b, 0);
  int64_t position = sequencePosition(b, 1, sequence ? sequence->items.size() : 1);
  if (!b.failed())
    b.result(sequence->items[position]);
}
static void sequenceInsert(NodeBuilder &b) {
  Tensor *sequence = sequenceInput(b, 0), *item = b.input(1);
  if (b.failed())
    return;
  SmallVector<Tensor *> items(sequence->items.begin(), sequence->items.end());
  int64_t count = items.size(), position = b.has(2) ? b.constant(2, "position") : count;
  if (position < -count || position > count)
    return void(b.error() << "its position is " << position << " in a sequence of " << count);
  items.insert(items.begin() + (position < 0 ? position + count : position), item);
  sequenceResult(b, items);
}
static void sequenceErase(NodeBuilder &b) {
  Tensor *sequence = sequenceInput(b, 0);
  if (b.failed())
    return;
  SmallVector<Tensor *> items(sequence->items.begin(), sequence->items.end());
  int64_t count = items.size(), position = b.has(1) ? sequencePosition(b, 1, count) : count - 1;
  if (b.failed() || position < 0)
    return void(b.error() << "its sequence is empty");
  items.erase(items.begin() + position);
  sequenceResult(b, items);
}
static void sequenceLength(NodeBuilder &b) {
  if (Tensor *sequence = sequenceInput(b, 0))
    b.result(IntegerType::get(b.state.context, 64), {}, {integerScalar(b.expr(sequence->items.size()))});
}
static void concatFromSequence(NodeBuilder &b) {
  Tensor *sequence = sequenceInput(b, 0);
  if (b.failed())
    return;
  bool newAxis = b.flag("new_axis", false);
  SmallVector<Value> parts;
  for (Tensor *item : sequence->items)
    parts.push_back(b.materialize(item));
  if (b.failed() || parts.empty())
    return void(b.error() << "its sequence is empty");
  int64_t rank = b.rank(parts[0]) + newAxis, axis = b.axis("axis", rank, std::nullopt);
  for (Value &part : parts)
    part = newAxis ? b.unsqueeze(part, axis) : part;
  b.result(b.concat(parts, axis));
}
static void splitToSequence(NodeBuilder &b) {
  int64_t axis = b.axis("axis", b.rank(0u), 0);
  bool keep = b.flag("keepdims", true);
  Value x = b.value(0);
  int64_t extent = b.extent(x, axis);
  Dims sizes;
  bool single = !b.has(1);
  if (single) {
    sizes.assign(b.failed() ? 0 : extent, 1);
  } else {
    sizes = b.constants(1, "split");
    if (!b.failed() && b.rank(1u) == 0) {
      int64_t part = sizes.empty() ? 0 : sizes[0];
      sizes.clear();
      for (int64_t at = 0; part > 0 && at < extent; at += part)
        sizes.push_back(std::min(part, extent - at));
    }
  }
  SmallVector<Tensor *> items;
  int64_t start = 0;
  for (int64_t size : sizes) {
    if (b.failed())
      return;
    Value part = b.slice(x, axis, start, size);
    items.push_back(b.tensorOf(single && !keep ? b.squeeze(part, axis) : part));
    start += size;
  }
  if (!b.failed())
    sequenceResult(b, items);
}
static void sequenceMap(NodeBuilder &b) {
  const Graph *body = b.graph("body");
  Tensor *sequence = sequenceInput(b, 0);
  if (b.failed())
    return;
  std::vector<SmallVector<Tensor *>> results(body->outputs.size());
  for (auto [i, item] : enumerate(sequence->items)) {
    SmallVector<Tensor *> inputs{item};
    for (unsigned k = 1; k < b.numInputs(); ++k) {
      Tensor *other = b.inputTensor(k);
      if (other && other->isSequence && i >= other->items.size())
        return void(b.error() << "its sequences have different lengths");
      inputs.push_back(other && other->isSequence ? other->items[i] : other);
    }
    SmallVector<Tensor *> outputs = b.importSubgraph(*body, inputs);
    if (b.failed())
      return;
    for (auto [list, output] : zip(results, outputs))
      list.push_back(output);
  }
  for (auto &list : results)
    sequenceResult(b, list);
}

/// An optional is what it holds; one that holds nothing is absent.
static void optional(NodeBuilder &b) {
  b.ignore({"type"});
  if (Tensor *content = b.inputTensor(0))
    b.result(content);
  else
    b.error() << "it makes an optional that holds nothing; supported: one that holds a value";
}
static void optionalHasElement(NodeBuilder &b) {
  b.result(IntegerType::get(b.state.context, 1), {}, {integerScalar(b.expr(b.has(0)))});
}
static void optionalGetElement(NodeBuilder &b) {
  if (Tensor *content = b.inputTensor(0))
    b.result(content);
  else
    b.error() << "its optional holds nothing";
}

ArrayRef<OperatorRow> controlOperators() {
  static const OperatorRow rows[] = {
      {"ConcatFromSequence", 11, kNewest, concatFromSequence},
      {"If", 1, kNewest, conditional},
      {"Loop", 1, kNewest, loop},
      {"Optional", 15, kNewest, optional},
      {"OptionalGetElement", 15, kNewest, optionalGetElement},
      {"OptionalHasElement", 15, kNewest, optionalHasElement},
      {"Scan", 8, kNewest, scan},
      {"SequenceAt", 11, kNewest, sequenceAt},
      {"SequenceConstruct", 11, kNewest, sequenceConstruct},
      {"SequenceEmpty", 11, kNewest, sequenceEmpty},
      {"SequenceErase", 11, kNewest, sequenceErase},
      {"SequenceInsert", 11, kNewest, sequenceInsert},
      {"SequenceLength", 11, kNewest, sequenceLength},
      {"SequenceMap", 17, kNewest, sequenceMap},
      {"SplitToSequence", 11, kNewest, splitToSequence},
  };
  return rows;
}

} // namespace sylvite::onnx
