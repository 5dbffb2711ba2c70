#include "compiler/codegen/SpreadPrefetches.h"

#include <set>

using namespace Halide::Internal;
using Halide::Expr;

namespace sylvite {
namespace {

/// What a statement does, and the variables that it reads, also by way of the lets around it.
struct Reads : IRVisitor {
  explicit Reads(const std::map<std::string, Expr> &lets) : lets(lets) {}

  std::set<std::string> names;
  bool prefetches = false, doesMore = false;

  using IRVisitor::visit;
  void visit(const Variable *op) override {
    auto let = lets.find(op->name);
    if (!names.insert(op->name).second || let == lets.end())
      return;
    Reads value(lets);
    value.names = std::move(names);
    let->second.accept(&value);
    names = std::move(value.names);
  }
  void visit(const Call *op) override {
    bool isPrefetch = op->is_intrinsic(Call::prefetch);
    prefetches |= isPrefetch;
    doesMore |= !isPrefetch && !op->is_pure();
    IRVisitor::visit(op);
  }
  void visit(const Store *) override { doesMore = true; }

private:
  const std::map<std::string, Expr> &lets;
};

/// Writes out the loop over lines that Halide makes of a prefetch, with the lines next to each other.
struct WriteOut : IRMutator {
  using IRMutator::visit;
  Stmt visit(const For *op) override {
    auto lines = as_const_int(op->extent);
    const auto *evaluate = op->body.as<Evaluate>();
    const Call *call = evaluate ? evaluate->value.as<Call>() : nullptr;
    if (!lines || !call || !call->is_intrinsic(Call::prefetch))
      return IRMutator::visit(op);
    constexpr int lineBytes = 64;
    Expr start = substitute(op->name, op->min, call->args[1]);
    std::vector<Stmt> fetches;
    for (int i = 0; i < *lines; ++i) {
      std::vector<Expr> args = call->args;
      args[1] = start + i * (lineBytes / call->type.bytes());
      fetches.push_back(Evaluate::make(Call::make(call->type, Call::prefetch, args, call->call_type)));
    }
    return Block::make(fetches);
  }
};

} // namespace

Stmt SpreadPrefetches::visit(const For *op) {
  loops.push_back(op);
  Stmt result = IRMutator::visit(op);
  loops.pop_back();
  return result;
}

Stmt SpreadPrefetches::visit(const LetStmt *op) {
  auto [let, isNew] = lets.emplace(op->name, op->value);
  Stmt result = IRMutator::visit(op);
  if (isNew)
    lets.erase(let);
  return result;
}

Stmt SpreadPrefetches::visit(const Block *op) {
  if (loops.size() < 2)
    return IRMutator::visit(op);
  Reads reads(lets);
  op->first.accept(&reads);
  if (!reads.prefetches || reads.doesMore)
    return IRMutator::visit(op);
  // The loop that moves on, and the next one around it that repeats what moves.
  const For *moving = loops.back(), *around = nullptr;
  for (auto loop = loops.rbegin() + 1; !around && loop != loops.rend(); ++loop)
    if (!is_const_one((*loop)->extent) && !reads.names.count((*loop)->name))
      around = *loop;
  auto times = around ? as_const_int(around->extent) : std::nullopt;
  Stmt fetches = WriteOut().mutate(op->first);
  if (!times || !reads.names.count(moving->name))
    return Block::make(fetches, mutate(op->rest));
  Expr turn = Variable::make(Halide::Int(32), moving->name) + Variable::make(Halide::Int(32), around->name);
  return Block::make(IfThenElse::make(turn % static_cast<int32_t>(*times) == 0, fetches), mutate(op->rest));
}

} // namespace sylvite
