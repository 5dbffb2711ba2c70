#include "compiler/codegen/FetchWritten.h"

#include <optional>
#include <set>

using namespace Halide::Internal;
using Halide::Expr;

namespace sylvite {
namespace {

/// Whether an expression reads memory, or one of `names`.
struct ReadsAny : IRVisitor {
  explicit ReadsAny(const std::set<std::string> &names) : names(names) {}
  bool found = false;

private:
  using IRVisitor::visit;
  void visit(const Variable *op) override { found |= names.count(op->name) != 0; }
  void visit(const Load *) override { found = true; }

  const std::set<std::string> &names;
};

/// Requests for the lines that the stores to a func's buffers write, as one iteration of the loop around them does.
struct CollectStores : IRVisitor {
  explicit CollectStores(const std::string &func) : func(func) {}
  std::vector<Stmt> requests;

private:
  using IRVisitor::visit;
  void visit(const LetStmt *op) override {
    op->value.accept(this);
    Expr value = substitute(lets, op->value);
    auto [let, isNew] = lets.emplace(op->name, value);
    op->body.accept(this);
    if (isNew)
      lets.erase(let);
  }
  void visit(const For *op) override {
    bool isNew = inner.insert(op->name).second;
    op->body.accept(this);
    if (isNew)
      inner.erase(op->name);
  }
  void visit(const Store *op) override {
    constexpr int lineBytes = 64;
    if (op->name != func && op->name.rfind(func + ".", 0) != 0)
      return;
    const Ramp *ramp = op->index.as<Ramp>();
    if (ramp && !is_const_one(ramp->stride))
      return;
    Expr start = substitute(lets, ramp ? ramp->base : op->index);
    // Where the place depends on a loop further in, it is not one place.
    ReadsAny reads(inner);
    start.accept(&reads);
    // Of the vectors of a line, the one that begins it.
    int bytes = op->value.type().lanes() * op->value.type().bytes();
    int &vectors = written[op->name];
    bool begins = vectors++ % std::max(lineBytes / bytes, 1) == 0;
    if (reads.found || !begins)
      return;
    Halide::Type element = op->value.type().element_of();
    Expr buffer = Variable::make(Halide::Handle(), op->name);
    for (int line = 0; line < std::max(bytes / lineBytes, 1); ++line)
      requests.push_back(Evaluate::make(Call::make(
          element, Call::prefetch, {buffer, start + line * (lineBytes / element.bytes()), 1, lineBytes / element.bytes()},
          Call::Intrinsic)));
  }

  const std::string &func;
  std::map<std::string, Expr> lets; // in scope, in terms of what is around
  std::set<std::string> inner;      // loops around the current statement
  std::map<std::string, int> written;
};

bool endsWith(const std::string &text, const std::string &end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

} // namespace

Stmt FetchWritten::visit(const For *op) {
  if (op->name.rfind(prefix, 0) != 0 || !endsWith(op->name, suffix))
    return IRMutator::visit(op);
  CollectStores stores(func);
  op->body.accept(&stores);
  if (stores.requests.empty())
    return op;
  Expr later = Variable::make(Halide::Int(32), op->name) + offset;
  Stmt requests = simplify(substitute(op->name, later, Block::make(stores.requests)));
  return For::make(op->name, op->min, op->extent, op->for_type, op->partition_policy, op->device_api,
                   Block::make(requests, op->body));
}

} // namespace sylvite
