#include "compiler/codegen/FetchLines.h"

#include "compiler/codegen/HalideBuilder.h"

#include <map>
#include <set>
#include <vector>

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

/// Requests for the lines of a buffer that one iteration of the loop around a statement stores to, or loads vectors from.
class CollectLines : public IRVisitor {
public:
  CollectLines(std::function<bool(const std::string &)> isFetched, FetchLines::Access access)
      : isFetched(std::move(isFetched)), access(access) {}
  std::vector<Stmt> requests;

private:
  using IRVisitor::visit;
  void visit(const Let *op) override { visitLet(op); }
  void visit(const LetStmt *op) override { visitLet(op); }
  template <typename LetOp> void visitLet(const LetOp *op) {
    op->value.accept(this);
    auto [let, isNew] = lets.emplace(op->name, substitute(lets, op->value));
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
    if (access == FetchLines::Access::Store)
      request(op->name, op->value.type(), op->index);
    else
      IRVisitor::visit(op);
  }
  void visit(const Load *op) override {
    if (access == FetchLines::Access::Load && op->type.is_vector())
      request(op->name, op->type, op->index);
    IRVisitor::visit(op);
  }
  void request(const std::string &name, Halide::Type type, const Expr &index) {
    if (!isFetched(name))
      return;
    const Ramp *ramp = index.as<Ramp>();
    if (ramp && !is_const_one(ramp->stride))
      return;
    Expr start = substitute(lets, ramp ? ramp->base : index);
    // Where the place depends on a loop further in, it is not one place.
    ReadsAny reads(inner);
    start.accept(&reads);
    auto &places = requested[name];
    if (reads.found || !places.insert(start).second)
      return;
    // Of the vectors of a line, the one that begins it.
    int bytes = type.lanes() * type.bytes();
    if ((places.size() - 1) % std::max<size_t>(cacheLineBytes / bytes, 1) != 0)
      return;
    Halide::Type element = type.element_of();
    Expr memory = Variable::make(Halide::Handle(), name);
    for (int line = 0; line < std::max(bytes / cacheLineBytes, 1); ++line) {
      Expr place = start + line * (cacheLineBytes / element.bytes());
      requests.push_back(Evaluate::make(
          access == FetchLines::Access::Store
              ? Call::make(element, Call::prefetch, {memory, place, 1, cacheLineBytes / element.bytes()}, Call::Intrinsic)
              : Call::make(Halide::Int(32), fetchNear, {memory, cast(Halide::Int(64), place) * element.bytes()}, Call::Extern)));
    }
  }

  std::function<bool(const std::string &)> isFetched;
  FetchLines::Access access;
  std::map<std::string, Expr> lets; // in scope, in terms of what is around
  std::set<std::string> inner;      // loops around the current statement
  std::map<std::string, std::set<Expr, IRDeepCompare>> requested; // of each buffer
};

} // namespace

std::vector<Stmt> fetchLines(const Stmt &stmt, FetchLines::Access access, const std::function<bool(const std::string &)> &isFetched) {
  CollectLines lines(isFetched, access);
  stmt.accept(&lines);
  return lines.requests;
}

Stmt FetchLines::visit(const For *op) {
  if (!loop.isLoop(op->name))
    return IRMutator::visit(op);
  auto requests = fetchLines(op->body, access, [this](const std::string &name) {
    return name == buffer || name.rfind(buffer + ".", 0) == 0;
  });
  if (requests.empty())
    return op;
  Expr later = Variable::make(Halide::Int(32), op->name) + offset;
  Stmt fetch = simplify(substitute(op->name, later, Block::make(requests)));
  return withBody(op, Block::make(fetch, op->body));
}

} // namespace sylvite
