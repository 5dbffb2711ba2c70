#include "compiler/codegen/SpreadPrefetches.h"

#include "compiler/codegen/LoweredLoops.h"

#include <algorithm>
#include <optional>
#include <set>

using namespace Halide::Internal;
using Halide::Expr;

namespace sylvite {
namespace {

/// Lines for which a core waits at once, about.
constexpr int mostAtOnce = 48;

/// Lines that a turn asks for, at most, where the number of turns is not known.
constexpr int mostOfFreeTurn = 2;

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
    std::vector<Expr> args = call->args;
    args[1] = substitute(op->name, op->min, args[1]) + line * (cacheLineBytes / call->type.bytes());
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

/// The same where the number of turns is known at run time alone: each asks for `most` lines, at most for `mostOfFreeTurn`. A loop over
/// them would have LLVM treat the one around it, with its multiply-adds, as no innermost loop: 32 rows by 784 x 512: 0.16 to 0.26 ms.
Stmt freeShareOf(const Stmt &fetches, int lines, const Expr &turn, const Expr &most) {
  std::vector<Stmt> share;
  for (int i = 0; i < mostOfFreeTurn; ++i) {
    Expr line = turn * most + i, isAsked = line < lines;
    share.push_back(IfThenElse::make(i ? isAsked && i < most : isAsked, requestFor(fetches, line)));
  }
  return simplify(Block::make(share));
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

/// Of the nests of serial loops of a statement, some of a length that is known at run time alone, the one with most iterations as far as
/// that is known: its innermost loop, the number of its iteration, and how many there are, in terms of what is known before the statement.
struct FreeLoop : IRVisitor {
  const For *loop = nullptr;
  Expr iteration, times;

  using IRVisitor::visit;
  void visit(const LetStmt *op) override {
    lets.emplace_back(op->name, op->value);
    op->body.accept(this);
    lets.pop_back();
  }

  void visit(const For *op) override {
    Expr extent = op->extent;
    for (auto let = lets.rbegin(); let != lets.rend(); ++let)
      extent = substitute(let->first, let->second, extent);
    auto known = as_const_int(extent);
    bool varies = std::any_of(inside.begin(), inside.end(), [&](const std::string &name) { return expr_uses_var(extent, name); });
    if (op->for_type != ForType::Serial || varies || (known && (*known == 0 || nest.known > mostIterations / *known)))
      return;
    Nest around = nest;
    nest = {around.number * op->extent + Variable::make(Halide::Int(32), op->name) - op->min, around.times * extent,
            around.known * (known ? *known : 1), around.isFree || !known};
    inside.push_back(op->name);
    op->body.accept(this);
    inside.pop_back();
    if (nest.isFree && (!loop || nest.known > most)) {
      loop = op;
      iteration = nest.number;
      times = nest.times;
      most = nest.known;
    }
    nest = around;
  }

private:
  /// The loops around: the number of their iteration, how many there are, how many those of known length have, whether one has another.
  struct Nest {
    Expr number = 0, times = 1;
    int64_t known = 1;
    bool isFree = false;
  };
  Nest nest;
  int64_t most = 0; // nest.known of `loop`
  std::vector<std::string> inside;
  std::vector<std::pair<std::string, Expr>> lets;
};

/// Puts statements at the beginning of the body of a loop.
struct Insert : IRMutator {
  Insert(const std::string &loop, Stmt stmts) : loop(loop), stmts(std::move(stmts)) {}

private:
  using IRMutator::visit;
  Stmt visit(const For *op) override {
    if (op->name != loop)
      return IRMutator::visit(op);
    return withBody(op, Block::make(stmts, op->body));
  }

  const std::string &loop;
  Stmt stmts;
};

/// `stmt` with the requests of `fetches`, for `lines` lines, in one of its loops; undefined where it has none.
Stmt fetchInside(const Stmt &fetches, int lines, const Stmt &stmt) {
  BusyLoop busy(lines);
  stmt.accept(&busy);
  FreeLoop free;
  if (busy.times < lines)
    stmt.accept(&free);
  if (free.loop) {
    std::string name = unique_name("lines");
    Expr most = Variable::make(Halide::Int(32), name), times = simplify(max(free.times, 1));
    Stmt share = freeShareOf(fetches, lines, free.iteration, most);
    return LetStmt::make(name, (times + lines - 1) / times, Insert(free.loop->name, share).mutate(stmt));
  }
  return busy.loop ? Insert(busy.loop->name, shareOf(fetches, lines, busy.iteration, busy.times)).mutate(stmt) : Stmt();
}

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
  if (times == 1 && *lines > mostAtOnce)
    if (Stmt fetching = fetchInside(op->first, *lines, rest); fetching.defined())
      return fetching;
  // Each step begins with other lines, so that a time has requests in all its steps.
  Expr turn = (time + Variable::make(Halide::Int(32), moving->name)) % times;
  return Block::make(shareOf(op->first, *lines, turn, times), rest);
}

} // namespace sylvite
