//===- ReversedWindow.cpp - windows seen from the input --------------------===//
//
// The index arithmetic of gathering from windows.
//
//===----------------------------------------------------------------------===//
#include "passes/lower/ReversedWindow.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace sylvite;

SmallVector<StringRef> sylvite::windowNames(size_t numSpatial) {
  static constexpr StringLiteral names[] = {"rz", "ry", "rx"};
  return SmallVector<StringRef>(std::end(names) - numSpatial, std::end(names));
}

SmallVector<halide::ReductionVariable> ReversedWindow::taps() const {
  SmallVector<halide::ReductionVariable> variables;
  for (auto [name, extent] : llvm::zip(windowNames(size.size()), size))
    variables.push_back({name, 0, extent});
  return variables;
}

std::pair<Value, int64_t> ReversedWindow::lifted(IndexBuilder &index, Value x, Value r, size_t i) const {
  int64_t reach = dilations[i] * (size[i] - 1) - std::min<int64_t>(paddingLow[i], 0);
  int64_t lift = llvm::divideCeil(reach, strides[i]);
  Value position = index.sub(index.add(x, paddingLow[i] + lift * strides[i]), index.mul(r, dilations[i]));
  return {position, lift};
}

Value ReversedWindow::windowOf(OpBuilder &b, Location loc, Value x, Value r, size_t i) const {
  IndexBuilder index(b, loc);
  auto [position, lift] = lifted(index, x, r, i);
  Value source = index.add(index.floorDiv(position, strides[i]), -lift);
  Value last = index.add(lowering.extent(b, loc, pooled, i + 1), -1);
  return index.clamp(source, 0, last);
}

Value ReversedWindow::reaches(OpBuilder &b, Location loc, ValueRange x, ValueRange r) const {
  IndexBuilder index(b, loc);
  Value reaches;
  for (size_t i = 0; i < size.size(); ++i) {
    auto [position, lift] = lifted(index, x[i], r[i], i);
    Value source = index.add(index.floorDiv(position, strides[i]), -lift);
    Value inside = index.both(index.greaterEqual(source, 0),
                              index.lessThan(source, lowering.extent(b, loc, pooled, i + 1)));
    if (strides[i] > 1)
      inside = index.both(inside, arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq,
                                                        index.mod(position, strides[i]), index.constant(0)));
    reaches = reaches ? index.both(reaches, inside) : inside;
  }
  return reaches;
}
