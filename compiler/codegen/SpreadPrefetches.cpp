#include "compiler/codegen/SpreadPrefetches.h"

#include <optional>
#include <set>

using namespace Halide::Internal;
using Halide::Expr;

namespace sylvite {
namespace {

/// Lines for which a core waits at once, about.
constexpr int mostAtOnce = 48;

/// Iterations, most of them, over which requests are spread: their numbers are 32 bits wide.
constexpr int64_t mostIterations = 1 << 24;

/// The variables that a statement reads, also by way of the lets around it.
struct Reads : IRVisitor {
  explicit Reads(const std::map<std::string, Expr> &lets) : lets(lets) {}

  std::set<std::string> names;

  using IRVisitor::visit;
  void visit(const Variable *op) override {
    auto let = lets.find(op->name);
    if (names.insert(op->name).second && let != lets.end())
      let->second.accept(this);
  }

private:
  const std::map<std::string, Expr> &lets;
};

/// The prefetch that a statement is, if it is one.
const Call *prefetchIn(const Stmt &stmt) {
  const auto *evaluate = stmt.as<Evaluate>();
  const Call *call = evaluate ? evaluate->value.as<Call>() : nullptr;
  return call && call->is_intrinsic(Call::prefetch) ? call : nullptr;
}

/// How many lines a statement asks for that does nothing else, in loops of known length.
std::optional<int> countLines(const Stmt &stmt) {
  if (const auto *op = stmt.as<LetStmt>())
    return countLines(op->body);
  if (const auto *op = stmt.as<For>()) {
    auto times = as_const_int(op->extent);
    auto lines = countLines(op->body);
    return times && lines ? std::optional<int>(*times * *lines) : std::nullopt;
  }
  return prefetchIn(stmt) ? std::optional<int>(1) : std::nullopt;
}

/// The request for the line with number `line` among those of a statement whose lines can be counted. Those of its innermost loop
/// lie next to each other, whatever Halide has made of it.
Stmt requestFor(const Stmt &stmt, const Expr &line) {
  if (const auto *op = stmt.as<LetStmt>())
    return LetStmt::make(op->name, op->value, requestFor(op->body, line));
  const auto *op = stmt.as<For>();
  if (!op)
    return stmt;
  if (const Call *call = prefetchIn(op->body)) {
    constexpr int lineBytes = 64;
    std::vector<Expr> args = call->args;
    args[1] = substitute(op->name, op->min, args[1]) + line * (lineBytes / call->type.bytes());
    return Evaluate::make(Call::make(call->type, Call::prefetch, args, call->call_type));
  }
  int lines = *countLines(op->body);
  return requestFor(substitute(op->name, op->min + line / lines, op->body), line % lines);
}

/// What to ask for in one of `turns` turns, so that all of them ask for each of `lines` lines of `fetches` once: `turn` is its number.
Stmt shareOf(const Stmt &fetches, int lines, const Expr &turn, int turns) {
  int most = (lines + turns - 1) / turns, idle = std::max(turns / lines, 1);
  Stmt share;
  for (int i = most; i-- > 0;) {
    Expr line = turn / idle * most + i;
    Stmt request = requestFor(fetches, line);
    if (most * (turns / idle) > lines || turns % idle)
      request = IfThenElse::make(line < lines, request);
    if (idle > 1)
      request = IfThenElse::make(turn % idle == 0, request);
    share = share.defined() ? Block::make(request, share) : request;
  }
  return simplify(share);
}

/// Of the serial loops of a statement the one that runs least often of those that run `least` times, or else most often, as far as
/// it is known how often, and the number of its iteration.
struct BusyLoop : IRVisitor {
  explicit BusyLoop(int least) : least(least) {}
  const For *loop = nullptr;
  Expr iteration;
  int times = 1;

  using IRVisitor::visit;
  void visit(const For *op) override {
    auto extent = as_const_int(op->extent);
    if (op->for_type != ForType::Serial || !extent)
      return;
    Expr outer = number;
    number = outer * op->extent + Variable::make(Halide::Int(32), op->name) - op->min;
    int64_t before = count;
    count *= *extent;
    if (count > 0 && count <= mostIterations) {
      op->body.accept(this);
      if (times < least ? count > times : count >= least && count < times) {
        loop = op;
        iteration = number;
        times = static_cast<int>(count);
      }
    }
    count = before;
    number = outer;
  }

private:
  int least;
  Expr number = 0;   // of the iteration of the loops around
  int64_t count = 1; // of their iterations
};

/// Puts statements at the beginning of the body of a loop.
struct Insert : IRMutator {
  Insert(const std::string &loop, Stmt stmts) : loop(loop), stmts(std::move(stmts)) {}

private:
  using IRMutator::visit;
  Stmt visit(const For *op) override {
    if (op->name != loop)
      return IRMutator::visit(op);
    return For::make(op->name, op->min, op->extent, op->for_type, op->partition_policy, op->device_api, Block::make(stmts, op->body));
  }

  const std::string &loop;
  Stmt stmts;
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
  auto lines = countLines(op->first);
  if (loops.empty() || !lines)
    return IRMutator::visit(op);
  Reads reads(lets);
  op->first.accept(&reads);
  const For *moving = loops.back();
  // How often loops around it, which do not, repeat what it asks for, and which time this is.
  int times = 1;
  Expr time = 0;
  for (auto loop = loops.rbegin() + 1; loop != loops.rend() && (*loop)->for_type == ForType::Serial; ++loop) {
    if (reads.names.count((*loop)->name))
      continue;
    auto extent = as_const_int((*loop)->extent);
    if (!extent || times * *extent > mostIterations)
      break;
    time += (Variable::make(Halide::Int(32), (*loop)->name) - (*loop)->min) * times;
    times *= static_cast<int>(*extent);
  }
  if (!reads.names.count(moving->name))
    times = 1;
  Stmt rest = mutate(op->rest);
  if (times == 1 && *lines > mostAtOnce) {
    BusyLoop busy(*lines);
    rest.accept(&busy);
    if (busy.loop)
      return Insert(busy.loop->name, shareOf(op->first, *lines, busy.iteration, busy.times)).mutate(rest);
  }
  // Each step begins with other lines, so that a time has requests in all its steps.
  Expr turn = (time + Variable::make(Halide::Int(32), moving->name)) % times;
  return Block::make(shareOf(op->first, *lines, turn, times), rest);
}

} // namespace sylvite
