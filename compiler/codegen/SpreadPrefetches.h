// A pass over what Halide has lowered: prefetches that a loop would repeat.
#ifndef SYLVITE_COMPILER_CODEGEN_SPREADPREFETCHES_H
#define SYLVITE_COMPILER_CODEGEN_SPREADPREFETCHES_H

#include <Halide.h>

#include <map>
#include <vector>

namespace sylvite {

/// Where a loop around a loop with prefetches asks for the same in each of its n iterations, each iteration asks for every
/// n-th part only: together they ask for all, once, and the requests come evenly over the whole time.
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
