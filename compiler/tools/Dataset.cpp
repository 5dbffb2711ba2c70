// See Dataset.h.
#include "compiler/tools/Dataset.h"

#include "compiler/tools/EntryInputs.h"
#include "llvm/ADT/STLExtras.h"
#include <cmath>
#include <cstring>
#include <numeric>

using namespace llvm;

namespace sylvite {

Expected<Dataset> Dataset::read(const sylvite_entry &entry, StringRef path) {
  for (const sylvite_tensor &input : ArrayRef(entry.inputs, entry.input_count))
    if (input.rank == 0 || input.shape[0] != SYLVITE_FREE(0))
      return createStringError(std::string("input '") + input.name + "' of '" + entry.name + "' is " +
                               modelShapeText(entry, input) +
                               ": training needs a model whose batch is free and the first dimension of all inputs");
  Expected<std::vector<Array>> inputs = readInputs(entry, path);
  if (!inputs)
    return inputs.takeError();
  Expected<std::vector<int64_t>> dims = findDims(entry, *inputs);
  if (!dims)
    return dims.takeError();
  if ((*dims)[0] == 0)
    return createStringError(path + " has no items");
  Dataset result;
  for (const sylvite_tensor &input : ArrayRef(entry.inputs, entry.input_count))
    result.names.push_back(input.name);
  result.end = (*dims)[0];
  result.dims = std::move(*dims);
  result.buffers.resize(inputs->size());
  result.arrays = std::make_shared<const std::vector<Array>>(std::move(*inputs));
  return result;
}

Dataset Dataset::splitOff(int64_t count) {
  Dataset last = *this;
  last.begin = end = end - count;
  return last;
}

/// Bytes of one item.
static size_t itemBytes(const Array &array) { return array.data.size() / array.shape[0]; }

Error Dataset::weightClasses(std::vector<double> weights) {
  auto weight = find(names, "sample_weight");
  if (weight == names.end() || (*arrays)[weight - names.begin()].shape.size() != 1)
    return createStringError("class weights need a library that takes a weight of each item: compile its model with "
                             "--sample-weights, or with --class-weights, which are part of it then");
  auto target = find_if(names, [](StringRef name) { return name == "labels" || name == "targets"; });
  if (target == names.end() || (*arrays)[target - names.begin()].shape.size() != (*target == "labels" ? 1 : 2))
    return createStringError("class weights need a model with one loss, whose target has one class for each item");
  targetInput = target - names.begin();
  weightInput = weight - names.begin();
  classWeights = std::move(weights);
  return Error::success();
}

double Dataset::classWeight(int64_t item) const {
  const Array &target = (*arrays)[targetInput];
  const char *data = target.data.data() + (begin + item) * itemBytes(target);
  int64_t number;
  if (target.dtype == DType::Int32) {
    number = *reinterpret_cast<const int32_t *>(data);
  } else {
    ArrayRef<float> scores(reinterpret_cast<const float *>(data), itemBytes(target) / sizeof(float));
    number = scores.size() == 1 ? std::lround(scores[0]) : max_element(scores) - scores.begin();
  }
  return number >= 0 && static_cast<size_t>(number) < classWeights.size() ? classWeights[number] : 1;
}

Dataset::Batch Dataset::gather(ArrayRef<int64_t> items) {
  Batch batch;
  for (auto [array, buffer] : zip_equal(*arrays, buffers)) {
    size_t bytes = itemBytes(array);
    buffer.resize(std::max<size_t>(items.size() * bytes, 1));
    for (auto [i, item] : enumerate(items))
      std::memcpy(buffer.data() + i * bytes, array.data.data() + (begin + item) * bytes, bytes);
    batch.inputs.push_back(buffer.data());
  }
  if (!classWeights.empty())
    for (auto [i, item] : enumerate(items))
      reinterpret_cast<float *>(buffers[weightInput].data())[i] *= classWeight(item);
  batch.dims = dims;
  batch.dims[0] = items.size();
  return batch;
}

std::string Dataset::findNonFinite(ArrayRef<int64_t> items) const {
  for (auto [array, name] : zip_equal(*arrays, names)) {
    if (array.dtype != DType::Float32)
      continue;
    size_t bytes = itemBytes(array);
    for (int64_t item : items)
      for (size_t at = 0; at < bytes; at += sizeof(float)) {
        float value;
        std::memcpy(&value, array.data.data() + (begin + item) * bytes + at, sizeof value);
        if (!std::isfinite(value))
          return ("item " + Twine(begin + item) + " of '" + name + "'").str();
      }
  }
  return "";
}

namespace {
struct SplitMix64 {
  uint64_t state;
  uint64_t next() {
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
  }
};
} // namespace

std::vector<int64_t> shuffledOrder(int64_t count, uint64_t seed, int64_t epoch) {
  SplitMix64 random{SplitMix64{seed}.next() + static_cast<uint64_t>(epoch)};
  std::vector<int64_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  for (int64_t left = count; left > 1; --left) {
    auto choice = static_cast<int64_t>(static_cast<unsigned __int128>(random.next()) * left >> 64);
    std::swap(order[left - 1], order[choice]);
  }
  return order;
}

} // namespace sylvite
