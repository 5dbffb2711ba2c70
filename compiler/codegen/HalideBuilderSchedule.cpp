// HalideBuilder: schedule directives, each one call of the Halide method of its name.
#include "compiler/codegen/HalideBuilderImpl.h"

using Halide::Stage;
using Halide::Var;
using Halide::VarOrRVar;

namespace sylvite {
namespace {

Halide::TailStrategy toHalide(Tail tail) {
  switch (tail) {
  case Tail::Auto:
    return Halide::TailStrategy::Auto;
  case Tail::RoundUp:
    return Halide::TailStrategy::RoundUp;
  case Tail::GuardWithIf:
    return Halide::TailStrategy::GuardWithIf;
  case Tail::Predicate:
    return Halide::TailStrategy::Predicate;
  case Tail::PredicateLoads:
    return Halide::TailStrategy::PredicateLoads;
  case Tail::PredicateStores:
    return Halide::TailStrategy::PredicateStores;
  case Tail::ShiftInwards:
    return Halide::TailStrategy::ShiftInwards;
  case Tail::ShiftInwardsAndBlend:
    return Halide::TailStrategy::ShiftInwardsAndBlend;
  case Tail::RoundUpAndBlend:
    return Halide::TailStrategy::RoundUpAndBlend;
  }
  throw std::logic_error("unknown tail strategy");
}

} // namespace

void HalideBuilder::split(const std::string &func, unsigned stage, const std::string &var,
                          const std::string &outer, const std::string &inner, int64_t factor,
                          Tail tail) {
  impl->guard([&] {
    Loops &loops = impl->loops(func, stage);
    VarOrRVar old = impl->loop(loops, var);
    VarOrRVar outerLoop = Impl::derived(outer, old.is_rvar);
    VarOrRVar innerLoop = Impl::derived(inner, old.is_rvar);
    impl->stage(func, stage)
        .split(old, outerLoop, innerLoop, static_cast<int32_t>(factor), toHalide(tail));
    loops.erase(var);
    loops.insert_or_assign(outer, outerLoop);
    loops.insert_or_assign(inner, innerLoop);
  });
}

void HalideBuilder::fuse(const std::string &func, unsigned stage, const std::string &outer,
                         const std::string &inner, const std::string &fused) {
  impl->guard([&] {
    Loops &loops = impl->loops(func, stage);
    VarOrRVar outerLoop = impl->loop(loops, outer), innerLoop = impl->loop(loops, inner);
    VarOrRVar fusedLoop = Impl::derived(fused, outerLoop.is_rvar);
    impl->stage(func, stage).fuse(innerLoop, outerLoop, fusedLoop);
    loops.erase(outer);
    loops.erase(inner);
    loops.insert_or_assign(fused, fusedLoop);
  });
}

void HalideBuilder::reorder(const std::string &func, unsigned stage,
                            const std::vector<std::string> &vars) {
  impl->guard([&] {
    std::vector<VarOrRVar> order;
    for (const std::string &var : vars)
      order.push_back(impl->loop(impl->loops(func, stage), var));
    impl->stage(func, stage).reorder(order);
  });
}

void HalideBuilder::vectorize(const std::string &func, unsigned stage, const std::string &var,
                              int64_t factor, Tail tail) {
  impl->guard([&] {
    impl->loopDirective(func, stage, var, [&](Stage &target, const VarOrRVar &loop) {
      if (factor)
        target.vectorize(loop, static_cast<int32_t>(factor), toHalide(tail));
      else
        target.vectorize(loop);
    });
  });
}

void HalideBuilder::unroll(const std::string &func, unsigned stage, const std::string &var,
                           int64_t factor, Tail tail) {
  impl->guard([&] {
    impl->loopDirective(func, stage, var, [&](Stage &target, const VarOrRVar &loop) {
      if (factor)
        target.unroll(loop, static_cast<int32_t>(factor), toHalide(tail));
      else
        target.unroll(loop);
    });
  });
}

void HalideBuilder::parallel(const std::string &func, unsigned stage, const std::string &var,
                             int64_t factor, Tail tail) {
  impl->guard([&] {
    impl->loopDirective(func, stage, var, [&](Stage &target, const VarOrRVar &loop) {
      if (factor)
        target.parallel(loop, static_cast<int32_t>(factor), toHalide(tail));
      else
        target.parallel(loop);
    });
  });
}

void HalideBuilder::serial(const std::string &func, unsigned stage, const std::string &var) {
  impl->guard([&] {
    impl->loopDirective(func, stage, var,
                        [](Stage &target, const VarOrRVar &loop) { target.serial(loop); });
  });
}

void HalideBuilder::partition(const std::string &func, unsigned stage, const std::string &var,
                              LoopPartition policy) {
  impl->guard([&] {
    impl->loopDirective(func, stage, var, [&](Stage &target, const VarOrRVar &loop) {
      target.partition(loop, policy == LoopPartition::Auto    ? Halide::Partition::Auto
                             : policy == LoopPartition::Never ? Halide::Partition::Never
                                                              : Halide::Partition::Always);
    });
  });
}

void HalideBuilder::prefetch(const std::string &func, unsigned stage, const std::string &input,
                             const std::string &var, int64_t offset, bool near) {
  impl->guard([&] {
    if (near || input == func) {
      const std::string &loop = impl->loop(impl->loops(func, stage), var).name();
      auto buffer = impl->buffers.find(input);
      impl->fetches.emplace_back(LoopName(impl->func(func).func.name(), stage, loop),
                                 near ? FetchLines::Access::Load : FetchLines::Access::Store,
                                 near && buffer != impl->buffers.end() ? buffer->second.param.name() : impl->func(input).func.name(),
                                 static_cast<int>(offset));
      return;
    }
    impl->loopDirective(func, stage, var, [&](Stage &target, const VarOrRVar &loop) {
      // Without a test of the bounds: a prefetch does not fault.
      target.prefetch(impl->buffers.at(input).param.parameter(), loop, loop, static_cast<int32_t>(offset),
                      Halide::PrefetchBoundStrategy::NonFaulting);
    });
  });
}

void HalideBuilder::overlap(const std::string &func, const std::string &var, int64_t steps) {
  impl->guard([&] {
    const std::string &loop = impl->loop(impl->loops(func, 0), var).name();
    impl->overlaps.emplace_back(LoopName(impl->func(func).func.name(), 0, loop), static_cast<int>(steps));
  });
}

void HalideBuilder::atomic(const std::string &func, unsigned stage, bool overrideAssociativity) {
  impl->guard([&] { impl->stage(func, stage).atomic(overrideAssociativity); });
}

void HalideBuilder::rfactor(const std::string &func, unsigned stage,
                            const std::vector<std::string> &preserved,
                            const std::vector<std::string> &vars, const std::string &intermediate) {
  impl->guard([&] {
    Loops &loops = impl->loops(func, stage);
    std::vector<std::pair<Halide::RVar, Var>> pairs;
    FuncState partial;
    partial.vars = impl->func(func).vars;
    partial.stages.resize(2);
    Loops kept;
    for (size_t i = 0; i < preserved.size(); ++i) {
      VarOrRVar rvar = impl->loop(loops, preserved[i]);
      Var var(vars.at(i));
      pairs.emplace_back(rvar.rvar, var);
      partial.vars.push_back(var);
      partial.stages[1].emplace(vars[i], var);
      kept.emplace(preserved[i], rvar);
    }
    for (const Var &var : partial.vars)
      partial.stages[0].emplace(var.name(), var);
    for (const auto &[name, loop] : loops) {
      if (kept.count(name))
        continue;
      partial.stages[1].emplace(name, loop);
      if (!loop.is_rvar)
        kept.emplace(name, loop);
    }
    partial.func = impl->stage(func, stage).rfactor(pairs);
    loops = kept;
    impl->funcs[intermediate] = partial;
  });
}

void HalideBuilder::in(const std::string &input, const std::string &func, const std::string &copy) {
  impl->guard([&] {
    FuncState state;
    state.func = impl->buffers.at(input).param.in(impl->func(func).func);
    state.vars = reversed(state.func.args());
    state.stages.resize(1);
    for (const Var &var : state.vars)
      state.stages[0].emplace(var.name(), var);
    impl->funcs[copy] = state;
  });
}

void HalideBuilder::beginSpecialize(const std::string &func, unsigned stage, Expr condition) {
  impl->guard([&] {
    Stage base = impl->stage(func, stage);
    impl->specializedLoops = impl->loops(func, stage);
    impl->specialized = std::make_unique<Stage>(base.specialize(impl->get(condition)));
    impl->specializing = true;
  });
}

void HalideBuilder::endSpecialize() {
  impl->guard([&] {
    impl->specializing = false;
    impl->specialized.reset();
  });
}

void HalideBuilder::computeAt(const std::string &func, const std::string &consumer,
                              const std::string &var) {
  impl->guard([&] {
    VarOrRVar place = impl->placeOf(consumer, var);
    impl->func(func).func.compute_at(Halide::LoopLevel(impl->func(consumer).func, place));
  });
}

void HalideBuilder::storeAt(const std::string &func, const std::string &consumer,
                            const std::string &var) {
  impl->guard([&] {
    VarOrRVar place = impl->placeOf(consumer, var);
    impl->func(func).func.store_at(Halide::LoopLevel(impl->func(consumer).func, place));
  });
}

void HalideBuilder::hoistStorage(const std::string &func, const std::string &consumer,
                                 const std::string &var) {
  impl->guard([&] {
    VarOrRVar place = impl->placeOf(consumer, var);
    impl->func(func).func.hoist_storage(Halide::LoopLevel(impl->func(consumer).func, place));
  });
}

void HalideBuilder::computeRoot(const std::string &func) {
  impl->guard([&] { impl->func(func).func.compute_root(); });
}

void HalideBuilder::storeRoot(const std::string &func) {
  impl->guard([&] { impl->func(func).func.store_root(); });
}

void HalideBuilder::storeIn(const std::string &func, Memory memory) {
  impl->guard([&] {
    impl->func(func).func.store_in(memory == Memory::Auto    ? Halide::MemoryType::Auto
                                   : memory == Memory::Heap  ? Halide::MemoryType::Heap
                                   : memory == Memory::Stack ? Halide::MemoryType::Stack
                                                             : Halide::MemoryType::Register);
  });
}

void HalideBuilder::bound(const std::string &func, const std::string &var, int64_t min,
                          int64_t extent) {
  impl->guard([&] {
    impl->func(func).func.bound(impl->varOf(func, var), static_cast<int32_t>(min),
                                static_cast<int32_t>(extent));
  });
}

void HalideBuilder::boundExtent(const std::string &func, const std::string &var, int64_t extent) {
  impl->guard([&] {
    impl->func(func).func.bound_extent(impl->varOf(func, var), static_cast<int32_t>(extent));
  });
}

void HalideBuilder::alignBounds(const std::string &func, const std::string &var, int64_t modulus,
                                int64_t offset) {
  impl->guard([&] {
    impl->func(func).func.align_bounds(impl->varOf(func, var), static_cast<int32_t>(modulus),
                                       static_cast<int32_t>(offset));
  });
}

void HalideBuilder::alignStorage(const std::string &func, const std::string &var,
                                 int64_t alignment) {
  impl->guard([&] {
    impl->func(func).func.align_storage(impl->varOf(func, var), static_cast<int32_t>(alignment));
  });
}

} // namespace sylvite
