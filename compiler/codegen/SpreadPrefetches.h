// A pass over what Halide has lowered: prefetches that loops repeat.
#ifndef SYLVITE_COMPILER_CODEGEN_SPREADPREFETCHES_H
#define SYLVITE_COMPILER_CODEGEN_SPREADPREFETCHES_H

#include <Halide.h>

#include <map>
#include <vector>

namespace sylvite {

/// Requests come evenly over the whole time, a line or a few at a time. A line on its way from memory takes one of the buffers in
/// which a core waits for lines, also for those of the second cache: where a dozen are asked for at once, multiply-adds wait that
/// read their operands from there. Tiles of 8 x 3 vectors, 768 steps, on a Xeon with 2 MB: 182 GFLOP/s where the weights of the next
/// block are asked for a line at a time, 171 where every 16th step asks for the 12 lines of four steps, 190 with weights in the cache.
///
/// Where loops around the one with a prefetch repeat what it asks for n times, each time asks for an n-th part of each step's lines.
/// More lines than a core can wait for, which a loop asks for once, are asked for by a loop inside, a few in each iteration; where its
/// length is known at run time alone, in the number that this makes.
class SpreadPrefetches : public Halide::Internal::IRMutator {
  using IRMutator::visit;
  Halide::Internal::Stmt visit(const Halide::Internal::For *op) override;
  Halide::Internal::Stmt visit(const Halide::Internal::LetStmt *op) override;
  Halide::Internal::Stmt visit(const Halide::Internal::Block *op) override;

  std::vector<const Halide::Internal::For *> loops; // around the current statement, outermost first
  std::map<std::string, Halide::Expr> lets;         // in scope
};

} // namespace sylvite

#endif // SYLVITE_COMPILER_CODEGEN_SPREADPREFETCHES_H
