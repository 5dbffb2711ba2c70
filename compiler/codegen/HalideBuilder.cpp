// The Halide side of code generation: errors, buffers, funcs and compilation. Scalars are in
// HalideBuilderScalars.cpp, schedules in HalideBuilderSchedule.cpp. All are compiled with
// exceptions, which every public function catches; MLIR headers are never included.
#include "compiler/codegen/HalideBuilderImpl.h"
#include "compiler/codegen/SpreadPrefetches.h"

#include <cstdlib>
#include <limits>
#include <mutex>
#include <optional>

using Halide::Var;

namespace sylvite {

thread_local std::vector<std::string> *warningSink = nullptr;

namespace {

/// Halide reports through one object per process; warnings are sorted by thread here.
class Reporter : public Halide::CompileTimeErrorReporter {
public:
  void warning(const char *message) override {
    if (warningSink)
      warningSink->push_back(message);
  }
  [[noreturn]] void error(const char *message) override { throw std::runtime_error(message); }
};

void setUpHalide() {
  static std::once_flag once;
  std::call_once(once, [] {
    static Reporter reporter;
    Halide::set_custom_compile_time_error_reporter(&reporter);
    // What is worth it is vectorized already. LLVM's search for more (SLP) finds the addresses of a register tile's rows: it
    // computes them in vectors within the inner loop, which took a sixth of an LSTM's products. Halide reads these options when it
    // compiles for the first time.
    setenv("HL_LLVM_ARGS", "-vectorize-slp=false", /*overwrite=*/0);
#if defined(__SANITIZE_ADDRESS__)
    // AddressSanitizer does not follow Halide onto a stack of its own; the thread's is enough for us.
    Halide::set_compiler_stack_size(0);
#endif
  });
}

/// Finds the elements of a Tuple func before `element` that an expression reads inside a call.
class HiddenReads : public Halide::Internal::IRGraphVisitor {
public:
  HiddenReads(std::string func, int element) : func(std::move(func)), element(element) {}
  std::map<int, Halide::Expr> reads;

private:
  using IRGraphVisitor::visit;
  void visit(const Halide::Internal::Call *op) override {
    if (depth > 0 && op->name == func && op->value_index < element)
      reads.emplace(op->value_index, op);
    ++depth;
    IRGraphVisitor::visit(op);
    --depth;
  }

  std::string func;
  int element;
  int depth = 0;
};

/// Halide stores the elements of a Tuple update one by one unless it sees that a later one reads an
/// earlier one, and it does not look into calls (sqrt, a shift): such an update would read
/// what it has just stored. A condition that is never true, and that LLVM removes, shows it the
/// read.
std::vector<Halide::Expr> showTupleReads(const std::string &func,
                                         std::vector<Halide::Expr> values) {
  for (size_t i = 1; i < values.size(); ++i) {
    HiddenReads hidden(func, static_cast<int>(i));
    values[i].accept(&hidden);
    for (auto &[element, read] : hidden.reads) {
      Halide::Expr never = Halide::cast<float>(read) < -std::numeric_limits<float>::infinity();
      values[i] = Halide::select(never, Halide::Internal::make_zero(values[i].type()), values[i]);
    }
  }
  return values;
}

/// Finds, among the assertions of a lowered function, the regions that a buffer of fixed extents
/// does not have: Halide leaves them to run time.
class BoundsCheck : public Halide::Internal::IRVisitor {
public:
  std::string error;

private:
  using IRVisitor::visit;
  void visit(const Halide::Internal::AssertStmt *op) override {
    const auto *call = op->message.as<Halide::Internal::Call>();
    if (!call || call->name != "halide_error_constraints_make_required_region_smaller" ||
        call->args.size() != 6)
      return;
    std::optional<int64_t> bounds[4];
    for (int i = 0; i < 4; ++i)
      bounds[i] = Halide::Internal::as_const_int(call->args[2 + i]);
    auto dim = Halide::Internal::as_const_int(call->args[1]);
    const auto *name = call->args[0].as<Halide::Internal::StringImm>();
    if (!bounds[0] || !bounds[1] || !bounds[2] || !bounds[3] || !name || !dim)
      return;
    if (*bounds[2] < *bounds[0] || *bounds[3] > *bounds[1])
      error = name->value + " is accessed on [" + std::to_string(*bounds[2]) + ", " +
              std::to_string(*bounds[3]) + "] in its dimension " + std::to_string(*dim) +
              " from the innermost, but has [" + std::to_string(*bounds[0]) + ", " +
              std::to_string(*bounds[1]) + "]";
  }
};

} // namespace

std::string tidy(std::string message) {
  for (const char *prefix : {"Error: ", "Warning: ", "Internal Error at "})
    if (message.rfind(prefix, 0) == 0 && prefix[0] != 'I')
      message.erase(0, std::string(prefix).size());
  while (!message.empty() && (message.back() == '\n' || message.back() == ' '))
    message.pop_back();
  return message;
}

bool isFatal(const std::string &warning) {
  return warning.find("has not been scheduled") != std::string::npos ||
         warning.find("guaranteed to fail an assertion") != std::string::npos;
}

std::string halideVersion() {
  return std::to_string(HALIDE_VERSION_MAJOR) + "." + std::to_string(HALIDE_VERSION_MINOR) + "." +
         std::to_string(HALIDE_VERSION_PATCH);
}

HalideBuilder::HalideBuilder(std::string prefix) : impl(std::make_unique<Impl>()) {
  setUpHalide();
  impl->prefix = std::move(prefix);
}
HalideBuilder::~HalideBuilder() = default;

bool HalideBuilder::failed() const { return !impl->error.empty(); }
const std::string &HalideBuilder::error() const { return impl->error; }
const std::vector<std::string> &HalideBuilder::warnings() const { return impl->warnings; }

//===----------------------------------------------------------------------===//
// Algorithm
//===----------------------------------------------------------------------===//

void HalideBuilder::input(const std::string &name, ElementType type,
                          const std::vector<int64_t> &shape, int64_t pitch) {
  impl->guard([&] {
    Impl::checkSize(name, shape, pitch);
    BufferState state;
    state.shape = shape;
    state.param =
        Halide::ImageParam(toHalide(type), static_cast<int>(shape.size()), impl->prefix + name);
    Impl::constrain(state.param, shape, pitch);
    impl->buffers[name] = state;
    impl->inputs.push_back(name);
  });
}

std::vector<HalideBuilder::Expr> HalideBuilder::func(const std::string &name,
                                                     const std::vector<std::string> &vars) {
  return impl->guard([&] {
    FuncState state;
    state.func = Halide::Func(impl->prefix + name);
    Loops loops;
    std::vector<Expr> result;
    for (const std::string &var : vars) {
      state.vars.emplace_back(var);
      loops.emplace(var, state.vars.back());
      result.push_back(impl->add(state.vars.back()));
    }
    state.stages.push_back(loops);
    impl->funcs[name] = state;
    return result;
  });
}

static std::vector<Halide::Expr> toStorage(std::vector<Halide::Expr> values,
                                           const std::vector<Halide::Type> &types) {
  for (size_t i = 0; i < values.size(); ++i)
    if (values[i].type() != types.at(i))
      values[i] = types[i].is_int_or_uint() && types[i].bits() == values[i].type().bits()
                      ? reinterpretBits(types[i], values[i])
                      : Halide::cast(types[i], values[i]);
  return values;
}

void HalideBuilder::define(const std::string &name, const std::vector<ElementType> &types,
                           const std::vector<Expr> &values) {
  impl->guard([&] {
    FuncState &state = impl->func(name);
    std::vector<Halide::Type> storage;
    for (ElementType type : types)
      storage.push_back(toHalide(type));
    std::vector<Halide::Expr> exprs = toStorage(impl->get(values), storage);
    if (exprs.size() == 1)
      state.func(reversed(state.vars)) = exprs.front();
    else
      state.func(reversed(state.vars)) = Halide::Tuple(exprs);
  });
}

std::vector<HalideBuilder::Expr>
HalideBuilder::beginUpdate(const std::string &name, const std::vector<Reduction> &reductions) {
  return impl->guard([&] {
    FuncState &state = impl->func(name);
    impl->updateFunc = name;
    impl->updateLoops.clear();
    impl->domain = Halide::RDom();
    std::vector<Expr> result;
    for (const Var &var : state.vars)
      result.push_back(impl->add(var));
    if (reductions.empty())
      return result;
    // The last reduction variable is innermost: Halide's first.
    Halide::Region region;
    for (const Reduction &reduction : reversed(reductions)) {
      Halide::Expr min = impl->get(reduction.min);
      region.emplace_back(min, Halide::Internal::simplify(impl->get(reduction.end) - min));
    }
    impl->domain =
        Halide::RDom(region, impl->prefix + name + "_r" + std::to_string(state.stages.size()));
    for (size_t i = 0; i < reductions.size(); ++i) {
      Halide::RVar rvar = impl->domain[static_cast<int>(reductions.size() - 1 - i)];
      impl->updateLoops.emplace(reductions[i].name, rvar);
      result.push_back(impl->add(rvar));
    }
    return result;
  });
}

void HalideBuilder::where(Expr predicate) {
  impl->guard([&] { impl->domain.where(impl->get(predicate)); });
}

void HalideBuilder::update(const std::vector<Expr> &coordinates, const std::vector<Expr> &values) {
  impl->guard([&] {
    FuncState &state = impl->func(impl->updateFunc);
    std::vector<Halide::Expr> point = impl->get(coordinates);
    for (size_t i = 0; i < state.vars.size(); ++i) {
      if (coordinates.empty())
        point.push_back(state.vars[i]);
      const auto *variable = point[i].as<Halide::Internal::Variable>();
      if (variable && variable->name == state.vars[i].name())
        impl->updateLoops.emplace(state.vars[i].name(), state.vars[i]);
    }
    std::vector<Halide::Expr> exprs = toStorage(impl->get(values), state.func.types());
    if (exprs.size() == 1)
      state.func(reversed(point)) = exprs.front();
    else
      state.func(reversed(point)) = Halide::Tuple(showTupleReads(state.func.name(), exprs));
    state.stages.push_back(impl->updateLoops);
  });
}

void HalideBuilder::output(const std::string &name, const std::vector<int64_t> &shape, const std::vector<int64_t> &pitches) {
  impl->guard([&] {
    for (int64_t pitch : pitches)
      Impl::checkSize(name, shape, pitch);
    impl->outputFunc = name;
    impl->outputPitches = pitches;
    impl->buffers[name].shape = shape;
  });
}

void HalideBuilder::endAlgorithm() {
  impl->guard([&] {
    FuncState &state = impl->func(impl->outputFunc);
    const std::vector<int64_t> &shape = impl->buffers.at(impl->outputFunc).shape;
    std::vector<Halide::OutputImageParam> params = state.func.output_buffers();
    Impl::constrain(params.front(), shape, impl->outputPitches.front());
    // Halide takes bounds on the first buffer of a Tuple only; the others have its extents.
    for (size_t k = 1; k < params.size(); ++k) {
      std::vector<Halide::Expr> strides = Impl::stridesOf(params.front(), shape, impl->outputPitches[k]);
      for (size_t i = 0; i < shape.size(); ++i)
        params[k].dim(static_cast<int>(i)).set_stride(strides[i]);
    }
  });
}

std::vector<HalideBuilder::Expr> HalideBuilder::at(const std::string &name,
                                                   const std::vector<Expr> &indices,
                                                   const std::vector<bool> &promised) {
  return impl->guard([&] {
    std::vector<Halide::Expr> point = impl->get(indices);
    std::vector<Expr> result;
    auto buffer = impl->buffers.find(name);
    if (buffer != impl->buffers.end() && buffer->second.param.defined()) {
      for (size_t i = 0; i < promised.size(); ++i) {
        if (!promised[i])
          continue;
        int64_t extent = buffer->second.shape.at(i);
        Halide::Expr end = extent >= 0 ? Halide::Expr(static_cast<int32_t>(extent))
                                       : impl->dimension(name, i).extent();
        point[i] = Halide::unsafe_promise_clamped(point[i], 0, end - 1);
      }
      result.push_back(impl->add(asSigned(buffer->second.param(reversed(point)))));
      return result;
    }
    point = reversed(point);
    Halide::Func &func = impl->func(name).func;
    if (func.outputs() == 1) {
      result.push_back(impl->add(asSigned(func(point))));
      return result;
    }
    Halide::FuncRef reference = func(point);
    for (int i = 0; i < func.outputs(); ++i)
      result.push_back(impl->add(asSigned(reference[i])));
    return result;
  });
}

HalideBuilder::Expr HalideBuilder::extent(const std::string &buffer, int64_t dim) {
  return impl->guard([&] {
    auto it = impl->buffers.find(buffer);
    if (it == impl->buffers.end())
      throw std::runtime_error("no buffer @" + buffer);
    int64_t extent = it->second.shape.at(dim);
    if (extent >= 0)
      return impl->add(static_cast<int32_t>(extent));
    // Halide has no buffer of the output before its func is defined.
    if (!it->second.param.defined() &&
        (!impl->funcs.count(buffer) || !impl->funcs.at(buffer).func.defined()))
      throw std::runtime_error("the free extent of output @" + buffer +
                               " is read before its func is defined: name an input instead");
    return impl->add(impl->dimension(buffer, dim).extent());
  });
}

//===----------------------------------------------------------------------===//
// Code
//===----------------------------------------------------------------------===//

void HalideBuilder::compile(HalideOutput kind, const std::string &symbol, const std::string &target,
                            const std::string &path) {
  impl->guard([&] {
    if (impl->outputFunc.empty())
      throw std::runtime_error("the pipeline has no output");
    std::vector<Halide::Argument> arguments;
    for (const std::string &input : impl->inputs)
      arguments.push_back(impl->buffers.at(input).param);
    Halide::OutputFileType type =
        kind == HalideOutput::Bitcode ? Halide::OutputFileType::bitcode : Halide::OutputFileType::stmt;
    Halide::Pipeline pipeline(impl->func(impl->outputFunc).func);
    pipeline.add_custom_lowering_pass(new SpreadPrefetches); // which the pipeline deletes
    for (const OverlapTiles &overlap : impl->overlaps)
      pipeline.add_custom_lowering_pass(new OverlapTiles(overlap));
    for (const FetchLines &fetch : impl->fetches)
      pipeline.add_custom_lowering_pass(new FetchLines(fetch));
    // With the argv wrapper, without Halide's metadata: the library describes itself.
    Halide::Target machine(target);
    Halide::Module module = pipeline.compile_to_module(arguments, symbol, machine,
                                                       Halide::LinkageType::ExternalPlusArgv);
    // What a kernel without assertions would overrun shows when it is lowered with them.
    Halide::Module checked = pipeline.compile_to_module(
        arguments, symbol, machine.without_feature(Halide::Target::NoAsserts),
        Halide::LinkageType::ExternalPlusArgv);
    BoundsCheck check;
    for (const Halide::Internal::LoweredFunc &func : checked.functions())
      func.body.accept(&check);
    if (!check.error.empty())
      throw std::runtime_error(check.error);
    module.compile({{type, path}});
  });
}

} // namespace sylvite
