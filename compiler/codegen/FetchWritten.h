// A pass over what Halide has lowered: lines that are written are fetched before.
#ifndef SYLVITE_COMPILER_CODEGEN_FETCHWRITTEN_H
#define SYLVITE_COMPILER_CODEGEN_FETCHWRITTEN_H

#include <Halide.h>

#include <map>
#include <string>

namespace sylvite {

/// Each iteration of the loop `var` of the pure stage of `func` asks for the lines that the iteration `offset` later writes of the
/// func's buffers: a store to a line that no cache holds waits for it to come, and the loads behind it wait, too. Halide's own
/// prefetches are of what is read.
class FetchWritten : public Halide::Internal::IRMutator {
public:
  FetchWritten(const std::string &func, const std::string &var, int offset)
      : func(func), prefix(func + ".s0."), suffix("." + var), offset(offset) {}

private:
  using IRMutator::visit;
  Halide::Internal::Stmt visit(const Halide::Internal::For *op) override;

  std::string func, prefix, suffix;
  int offset;
};

} // namespace sylvite

#endif // SYLVITE_COMPILER_CODEGEN_FETCHWRITTEN_H
