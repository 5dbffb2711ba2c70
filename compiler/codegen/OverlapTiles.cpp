#include "compiler/codegen/OverlapTiles.h"

#include "compiler/codegen/FetchLines.h"

#include <optional>
#include <stdexcept>

using namespace Halide::Internal;
using Halide::Expr;

namespace sylvite {
namespace {

/// Reads buffer `from` where a statement reads `name`.
struct ReadInstead : IRMutator {
  ReadInstead(const std::string &name, const std::string &from) : name(name), from(from) {}

private:
  using IRMutator::visit;
  Expr visit(const Load *op) override {
    if (op->name != name)
      return IRMutator::visit(op);
    return Load::make(op->type, from, op->index, op->image, op->param, op->predicate, op->alignment);
  }

  const std::string &name, &from;
};

/// The lanes of the vectors that are stored to buffer `name`.
struct StoredLanes : IRVisitor {
  explicit StoredLanes(std::string name) : name(std::move(name)) {}
  int lanes = 0;

private:
  using IRVisitor::visit;
  void visit(const Store *op) override {
    if (op->name == name)
      lanes = op->value.type().lanes();
    IRVisitor::visit(op);
  }

  std::string name;
};

/// The serial loop over [min, end).
Stmt loopOver(const std::string &name, const Expr &min, const Expr &end, const Stmt &body) {
  return For::make(name, min, end - min, ForType::Serial, Halide::Partition::Never, Halide::DeviceAPI::None, body);
}

/// A statement in loops of known length, with the lets in and around them, as an iteration of a single loop.
struct Parts {
  int count = 1; ///< of the iterations

  explicit Parts(const Stmt &stmt) : body(flatten(stmt)) {}

  /// The iteration with number `index`.
  Stmt part(const Expr &index) const { return substitute(variable, index, body); }

private:
  Stmt flatten(const Stmt &stmt) {
    if (const auto *let = stmt.as<LetStmt>())
      return LetStmt::make(let->name, let->value, flatten(let->body));
    const auto *op = stmt.as<For>();
    auto extent = op && op->for_type == ForType::Serial ? as_const_int(op->extent) : std::nullopt;
    if (!extent)
      return stmt;
    bool isOutermost = count == 1;
    count *= static_cast<int>(*extent);
    int around = count;
    Stmt inside = flatten(op->body);
    Expr number = Variable::make(Halide::Int(32), variable) / (count / around);
    return substitute(op->name, op->min + (isOutermost ? number : number % static_cast<int>(*extent)), inside);
  }

  std::string variable = unique_name("part");
  Stmt body;
};

/// The loop over tiles, taken apart.
struct TileLoop {
  const For *loop = nullptr;
  std::vector<std::pair<std::string, Expr>> lets; // around the allocation, outermost first
  const Allocate *sums = nullptr;
  std::vector<Stmt> before;                               // what the sums begin with
  std::vector<std::pair<std::string, Expr>> producerLets; // around the reduction
  const For *reduction = nullptr;
  Stmt consume;

  explicit TileLoop(const For *op) : loop(op) {
    Stmt body = op->body;
    for (const LetStmt *let; (let = body.as<LetStmt>()); body = let->body)
      lets.emplace_back(let->name, let->value);
    sums = body.as<Allocate>();
    const auto *both = sums ? sums->body.as<Block>() : nullptr;
    const auto *producer = both ? both->first.as<ProducerConsumer>() : nullptr;
    const auto *freed = both ? both->rest.as<Block>() : nullptr; // the sums, after they are consumed
    const auto *consumer = freed && freed->rest.as<Free>() ? freed->first.as<ProducerConsumer>()
                           : both                          ? both->rest.as<ProducerConsumer>()
                                                           : nullptr;
    if (!producer || !producer->is_producer || !consumer || consumer->is_producer)
      return;
    consume = consumer->body;
    Stmt rest = producer->body;
    for (;;) {
      if (const auto *block = rest.as<Block>()) {
        before.push_back(block->first);
        rest = block->rest;
      } else if (const auto *let = rest.as<LetStmt>()) {
        producerLets.emplace_back(let->name, let->value);
        rest = let->body;
      } else {
        break;
      }
    }
    reduction = rest.as<For>();
  }

  bool isComplete() const { return reduction && reduction->for_type == ForType::Serial; }

  /// `stmt` in the iteration `iteration` of the loop.
  Stmt at(const Expr &iteration, Stmt stmt) const {
    for (auto let = lets.rbegin(); let != lets.rend(); ++let)
      stmt = substitute(let->first, let->second, stmt);
    return substitute(loop->name, iteration, stmt);
  }
};

} // namespace

Stmt OverlapTiles::visit(const For *op) {
  if (!loop.isLoop(op->name))
    return IRMutator::visit(op);
  TileLoop tile(op);
  StoredLanes stored(tile.sums ? tile.sums->name : std::string());
  op->body.accept(&stored);
  int64_t elements = tile.sums ? tile.sums->constant_allocation_size() : 0;
  if (!tile.isComplete() || !stored.lanes || !elements)
    throw std::runtime_error("overlap: loop " + op->name + " does not hold one reduction and what is made of it");

  const Allocate *sums = tile.sums;
  std::string held = unique_name(sums->name + "_held");
  Parts parts(ReadInstead(sums->name, held).mutate(tile.consume));
  auto partsOf = [&](const Expr &iteration, const Expr &first, const Expr &end) {
    std::string name = unique_name("part");
    return loopOver(name, first, end, tile.at(iteration, parts.part(Variable::make(Halide::Int(32), name))));
  };

  // While a tile is summed: so many steps, a part of the tile before, requests for the same part of this one.
  Expr current = Variable::make(Halide::Int(32), op->name), isLater = current > op->min;
  const For *reduction = tile.reduction;
  std::string partName = unique_name("part"), countName = unique_name("parts");
  Expr index = Variable::make(Halide::Int(32), partName), count = Variable::make(Halide::Int(32), countName);
  std::vector<Stmt> turn;
  for (int step = 0; step < steps; ++step)
    turn.push_back(substitute(reduction->name, reduction->min + index * steps + step, reduction->body));
  Stmt fetched = tile.at(current, parts.part(index));
  for (const Stmt &request :
       fetchLines(fetched, FetchLines::Access::Load, [&](const std::string &name) { return name != held; }))
    turn.push_back(request);
  turn.push_back(tile.at(current - 1, parts.part(index)));
  Expr begun = reduction->min + count * steps, end = reduction->min + reduction->extent;

  std::vector<Stmt> body(tile.before);
  body.push_back(loopOver(partName, 0, count, Block::make(turn)));
  body.push_back(For::make(reduction->name, begun, end - begun, reduction->for_type, reduction->partition_policy,
                           reduction->device_api, reduction->body));
  body.push_back(partsOf(current - 1, count, select(isLater, parts.count, count)));
  for (int64_t i = 0; i < elements; i += stored.lanes) {
    Halide::Type type = sums->type.with_lanes(stored.lanes);
    Expr place = stored.lanes > 1 ? Ramp::make(static_cast<int>(i), 1, stored.lanes) : Expr(static_cast<int>(i));
    Expr sum = Load::make(type, sums->name, place, {}, {}, const_true(stored.lanes), {});
    body.push_back(Store::make(held, sum, place, {}, const_true(stored.lanes), {}));
  }
  Expr most = min(reduction->extent / steps, parts.count);
  Stmt stmt = LetStmt::make(countName, select(isLater, most, 0), Block::make(body));
  for (auto let = tile.producerLets.rbegin(); let != tile.producerLets.rend(); ++let)
    stmt = LetStmt::make(let->first, let->second, stmt);
  stmt = Allocate::make(sums->name, sums->type, sums->memory_type, sums->extents, sums->condition, stmt);
  for (auto let = tile.lets.rbegin(); let != tile.lets.rend(); ++let)
    stmt = LetStmt::make(let->first, let->second, stmt);
  stmt = withBody(op, stmt);

  Stmt last = partsOf(op->min + op->extent - 1, 0, select(op->extent > 0, parts.count, 0));
  stmt = Allocate::make(held, sums->type, Halide::MemoryType::Stack, sums->extents, sums->condition, Block::make(stmt, last));
  return simplify(stmt);
}

} // namespace sylvite
