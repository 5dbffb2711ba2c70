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

SmallVector<halide::ReductionVariable> ReversedWindow::loops() const {
  SmallVector<halide::ReductionVariable> variables;
  for (auto [i, name] : llvm::enumerate(windowNames(size.size())))
    variables.push_back({name, 0, numSteps(i)});
  return variables;
}

bool ReversedWindow::isSingle() const {
  return llvm::all_of(llvm::seq<size_t>(0, size.size()), [&](size_t i) { return numSteps(i) == 1; });
}

ReversedWindow::Reached ReversedWindow::at(OpBuilder &b, Location loc, ValueRange x, ValueRange r) const {
  IndexBuilder index(b, loc);
  Reached result;
  auto require = [&](Value condition) {
    result.reaches = result.reaches ? index.both(result.reaches, condition) : condition;
  };
  for (size_t i = 0; i < size.size(); ++i) {
    bool byWindow = dilations[i] == 1;
    // Quotients are of values that are not negative: a multiple of the stride is added, and taken off afterwards.
    int64_t reach = (byWindow ? 0 : dilations[i] * (size[i] - 1)) - std::min<int64_t>(paddingLow[i], 0);
    int64_t lift = llvm::divideCeil(reach, strides[i]);
    Value position = index.add(x[i], paddingLow[i] + lift * strides[i]), tap = r[i];
    if (!byWindow)
      position = index.sub(position, index.mul(r[i], dilations[i]));
    Value window = index.add(index.floorDiv(position, strides[i]), -lift);
    if (byWindow) {
      if (numSteps(i) > 1)
        window = index.sub(window, r[i]);
      tap = index.sub(index.add(x[i], paddingLow[i]), index.mul(window, strides[i]));
      if (size[i] % strides[i]) {
        require(index.lessThan(tap, index.constant(size[i])));
        tap = index.clamp(tap, 0, index.constant(size[i] - 1));
      }
    } else if (strides[i] > 1) {
      require(arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, index.mod(position, strides[i]),
                                    index.constant(0)));
    }
    Value extent = lowering.extent(b, loc, pooled, i + 1);
    require(index.both(index.greaterEqual(window, 0), index.lessThan(window, extent)));
    result.window.push_back(index.clamp(window, 0, index.add(extent, -1)));
    result.taps.push_back(tap);
  }
  return result;
}
