// A pass over what Halide has lowered: lines are fetched some iterations before they are stored to or loaded from.
#ifndef SYLVITE_COMPILER_CODEGEN_FETCHLINES_H
#define SYLVITE_COMPILER_CODEGEN_FETCHLINES_H

#include "compiler/codegen/LoweredLoops.h"

#include <functional>
#include <string>
#include <vector>

namespace sylvite {

/// Each iteration of a loop asks for the lines that the iteration `offset` later stores to, or loads vectors from.
///
/// A store to a line that no cache holds waits for it to come, and the loads behind it wait, too: such lines are asked for into the
/// second cache, as all that Halide prefetches. What is loaded is asked for into the first one: loads that find vectors of weights in
/// the second cache slow multiply-adds down, early as they are. On a Sapphire Rapids tiles of 8 x 2 vectors multiply at 175 GFLOP/s
/// with weights from there, at 186 where these were asked for, and at 191 where the first cache has them all along.
class FetchLines : public Halide::Internal::IRMutator {
public:
  enum class Access { Store, Load };

  /// The lines are those of `buffer`, an input, or of a func's buffers.
  FetchLines(LoopName loop, Access access, const std::string &buffer, int offset)
      : loop(std::move(loop)), buffer(buffer), access(access), offset(offset) {}

private:
  using IRMutator::visit;
  Halide::Internal::Stmt visit(const Halide::Internal::For *op) override;

  LoopName loop;
  std::string buffer;
  Access access;
  int offset;
};

/// Requests for the lines that a statement stores to, or loads vectors from, in the buffers for which `isFetched` says so.
std::vector<Halide::Internal::Stmt> fetchLines(const Halide::Internal::Stmt &stmt, FetchLines::Access access,
                                               const std::function<bool(const std::string &)> &isFetched);

} // namespace sylvite

#endif // SYLVITE_COMPILER_CODEGEN_FETCHLINES_H
