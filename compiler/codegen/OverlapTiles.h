// A pass over what Halide has lowered: what is made of a tile's sums is made while the next tile is summed.
#ifndef SYLVITE_COMPILER_CODEGEN_OVERLAPTILES_H
#define SYLVITE_COMPILER_CODEGEN_OVERLAPTILES_H

#include "compiler/codegen/LoweredLoops.h"

namespace sylvite {

/// Software pipelining of a loop over tiles (Lam, "Software Pipelining", PLDI 1988).
///
/// A core looks some hundred instructions ahead. The sums of a tile take more, and then come as many that wait for memory or the
/// divider, while nothing multiplies; and the multiply-adds of the next tile are too far away. Here the sums of a tile are copied, and
/// each few steps of the next one are followed by what is made of one vector of them, and a request for the lines that the next one
/// reads.
///
/// The body of the loop holds one func, reduced by a single loop, and a nest of loops of known length that stores what is made of it.
class OverlapTiles : public Halide::Internal::IRMutator {
public:
  /// One vector follows each `steps` steps of the sum.
  OverlapTiles(LoopName loop, int steps) : loop(std::move(loop)), steps(steps) {}

private:
  using IRMutator::visit;
  Halide::Internal::Stmt visit(const Halide::Internal::For *op) override;

  LoopName loop;
  int steps;
};

} // namespace sylvite

#endif // SYLVITE_COMPILER_CODEGEN_OVERLAPTILES_H
