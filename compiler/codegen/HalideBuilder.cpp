// The Halide side of code generation. Compiled with exceptions, which every public function
// catches. MLIR headers are never included here.
#include "compiler/codegen/HalideBuilder.h"

#include "compiler/codegen/HalideMath.h"

#include <Halide.h>

#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <stdexcept>

using Halide::Stage;
using Halide::Var;
using Halide::VarOrRVar;

namespace sylvite {
namespace {

/// Where this thread's warnings go; null outside of a builder's calls.
thread_local std::vector<std::string> *warningSink = nullptr;

/// Halide reports through one object per process; warnings are sorted by thread here.
class Reporter : public Halide::CompileTimeErrorReporter {
public:
  void warning(const char *message) override {
    if (warningSink)
      warningSink->push_back(message);
  }
  [[noreturn]] void error(const char *message) override { throw std::runtime_error(message); }
};

void installReporter() {
  static std::once_flag once;
  std::call_once(once, [] {
    static Reporter reporter;
    Halide::set_custom_compile_time_error_reporter(&reporter);
  });
}

/// Halide's messages are prefixed and end in line breaks.
std::string tidy(std::string message) {
  for (const char *prefix : {"Error: ", "Warning: ", "Internal Error at "})
    if (message.rfind(prefix, 0) == 0 && prefix[0] != 'I')
      message.erase(0, std::string(prefix).size());
  while (!message.empty() && (message.back() == '\n' || message.back() == ' '))
    message.pop_back();
  return message;
}

/// Warnings that mean a slow or a crashing kernel.
bool isFatal(const std::string &warning) {
  return warning.find("has not been scheduled") != std::string::npos ||
         warning.find("guaranteed to fail an assertion") != std::string::npos;
}

Halide::Type toHalide(ElementType type) {
  switch (type) {
  case ElementType::Bool:
    return Halide::Bool();
  case ElementType::Int8:
    return Halide::Int(8);
  case ElementType::Int16:
    return Halide::Int(16);
  case ElementType::Int32:
    return Halide::Int(32);
  case ElementType::Int64:
    return Halide::Int(64);
  case ElementType::UInt8:
    return Halide::UInt(8);
  case ElementType::UInt16:
    return Halide::UInt(16);
  case ElementType::UInt32:
    return Halide::UInt(32);
  case ElementType::UInt64:
    return Halide::UInt(64);
  case ElementType::Float16:
    return Halide::Float(16);
  case ElementType::BFloat16:
    return Halide::BFloat(16);
  case ElementType::Float32:
    return Halide::Float(32);
  case ElementType::Float64:
    return Halide::Float(64);
  }
  throw std::logic_error("unknown element type");
}

/// The same bits as another type of that size; undoes an earlier reinterpretation instead of
/// stacking another, so that Halide sees the cast<int>(uint8_t) that its instruction patterns want.
Halide::Expr reinterpretBits(Halide::Type type, const Halide::Expr &value) {
  if (value.type() == type)
    return value;
  if (const auto *inner = value.as<Halide::Internal::Reinterpret>())
    return reinterpretBits(type, inner->value);
  if (const auto *inner = value.as<Halide::Internal::Cast>())
    if (type.is_int_or_uint() && inner->type.is_int_or_uint() &&
        inner->value.type().is_int_or_uint() && inner->type.bits() < inner->value.type().bits())
      return Halide::cast(type, inner->value); // narrowing keeps the low bits either way
  return Halide::reinterpret(type, value);
}

Halide::Expr asUnsigned(const Halide::Expr &value) {
  if (!value.type().is_int())
    return value;
  return reinterpretBits(value.type().with_code(Halide::Type::UInt), value);
}

/// Scalars in bodies are signed.
Halide::Expr asSigned(const Halide::Expr &value) {
  if (!value.type().is_uint() || value.type().is_bool())
    return value;
  return reinterpretBits(value.type().with_code(Halide::Type::Int), value);
}

bool isPositiveConstant(const Halide::Expr &value) {
  auto constant = Halide::Internal::as_const_int(value);
  return constant && *constant > 0;
}

/// The divisor, or 1 where the division would trap: the lanes beyond a tail divide whatever they
/// find, and a user's zero must not end the process.
Halide::Expr safeDivisor(const Halide::Expr &a, const Halide::Expr &b) {
  auto constant = Halide::Internal::as_const_int(b);
  if (constant && *constant != 0 && *constant != -1)
    return b;
  Halide::Expr one = Halide::Internal::make_one(b.type());
  Halide::Expr traps =
      b == Halide::Internal::make_zero(b.type()) || (b == -one && a == a.type().min());
  return Halide::select(traps, one, b);
}

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

template <typename T> std::vector<T> reversed(const std::vector<T> &values) {
  return std::vector<T>(values.rbegin(), values.rend());
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
/// earlier one, and it does not look into calls (sqrt, likely, a shift): such an update would read
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

/// The loops of a stage by name. A name may stand for a variable or for one of the reduction.
using Loops = std::map<std::string, VarOrRVar>;

struct FuncState {
  Halide::Func func;
  std::vector<Var> vars; ///< row-major
  std::vector<Loops> stages;
};

struct BufferState {
  std::vector<int64_t> shape; ///< row-major
  Halide::ImageParam param;   ///< undefined for the output
};

} // namespace

std::string halideVersion() {
  return std::to_string(HALIDE_VERSION_MAJOR) + "." + std::to_string(HALIDE_VERSION_MINOR) + "." +
         std::to_string(HALIDE_VERSION_PATCH);
}

struct HalideBuilder::Impl {
  std::string prefix;
  std::string error;
  std::vector<std::string> warnings;
  std::vector<Halide::Expr> exprs;

  std::map<std::string, FuncState> funcs;
  std::map<std::string, BufferState> buffers;
  std::vector<std::string> inputs;
  std::string outputFunc;

  // The update under construction.
  std::string updateFunc;
  Halide::RDom domain;
  Loops updateLoops;

  // The specialization that stage directives go to.
  bool specializing = false;
  Stage *specializedStage = nullptr;
  std::unique_ptr<Stage> specialized;
  Loops specializedLoops;

  /// Runs `work` unless an earlier call failed; turns what it throws into the error.
  template <typename Work> auto guard(Work work) -> decltype(work()) {
    using Result = decltype(work());
    if (error.empty()) {
      std::vector<std::string> *outer = warningSink;
      std::vector<std::string> found;
      warningSink = &found;
      try {
        if constexpr (std::is_void_v<Result>) {
          work();
          finish(outer, found);
          return;
        } else {
          Result result = work();
          finish(outer, found);
          return result;
        }
      } catch (const std::exception &exception) {
        warningSink = outer;
        error = tidy(exception.what());
      }
      if (error.empty())
        error = "Halide failed without a message";
    }
    if constexpr (!std::is_void_v<Result>)
      return Result();
  }

  void finish(std::vector<std::string> *outer, const std::vector<std::string> &found) {
    warningSink = outer;
    for (const std::string &warning : found) {
      if (isFatal(warning))
        throw std::runtime_error(warning);
      // A half precision that the target lacks is slow, as its user knows.
      if (warning.find("operation is emulated") == std::string::npos)
        warnings.push_back(tidy(warning));
    }
  }

  Expr add(Halide::Expr expr) {
    if (!expr.defined())
      throw std::runtime_error("not available for this type");
    exprs.push_back(std::move(expr));
    return {static_cast<int32_t>(exprs.size() - 1)};
  }
  const Halide::Expr &get(Expr expr) { return exprs.at(expr.id); }
  std::vector<Halide::Expr> get(const std::vector<Expr> &handles) {
    std::vector<Halide::Expr> result;
    for (Expr handle : handles)
      result.push_back(get(handle));
    return result;
  }
  FuncState &func(const std::string &name) {
    auto it = funcs.find(name);
    if (it == funcs.end())
      throw std::runtime_error("no func @" + name);
    return it->second;
  }
  Loops &loops(const std::string &name, unsigned stage) {
    return specializing ? specializedLoops : func(name).stages.at(stage);
  }
  const VarOrRVar &loop(const Loops &loops, const std::string &var) {
    auto it = loops.find(var);
    if (it == loops.end())
      throw std::runtime_error("no loop \"" + var + "\"");
    return it->second;
  }
  Stage stage(const std::string &name, unsigned index) {
    if (specializing)
      return *specialized;
    FuncState &state = func(name);
    return index == 0 ? Stage(state.func) : state.func.update(index - 1);
  }
  /// A loop of any stage of `consumer`; the last stage that has one of that name.
  VarOrRVar placeOf(const std::string &consumer, const std::string &var) {
    if (var == "outermost")
      return Var::outermost();
    FuncState &state = func(consumer);
    for (const Loops &stage : reversed(state.stages))
      if (stage.count(var))
        return stage.at(var);
    throw std::runtime_error("no loop \"" + var + "\" in @" + consumer);
  }
  Var varOf(const std::string &name, const std::string &var) {
    for (const Var &candidate : func(name).vars)
      if (candidate.name() == var)
        return candidate;
    throw std::runtime_error("no variable \"" + var + "\" in @" + name);
  }
  static VarOrRVar derived(const std::string &name, bool reduction) {
    return reduction ? VarOrRVar(Halide::RVar(name)) : VarOrRVar(Var(name));
  }

  Halide::Internal::Dimension dimension(const std::string &buffer, size_t rowMajorDim) {
    BufferState &state = buffers.at(buffer);
    int dim = static_cast<int>(state.shape.size() - 1 - rowMajorDim);
    return state.param.defined() ? state.param.dim(dim)
                                 : func(buffer).func.output_buffer().dim(dim);
  }

  /// Tells Halide that a buffer starts at 0, and is dense and row-major.
  template <typename Param>
  std::vector<Halide::Expr> constrain(Param &&param, const std::vector<int64_t> &shape) {
    std::vector<Halide::Expr> strides;
    Halide::Expr stride = 1;
    for (size_t i = 0; i < shape.size(); ++i) {
      int64_t extent = shape[shape.size() - 1 - i];
      auto dim = param.dim(static_cast<int>(i));
      dim.set_min(0);
      dim.set_stride(stride);
      strides.push_back(stride);
      if (extent >= 0) {
        dim.set_extent(static_cast<int32_t>(extent));
        stride = Halide::Internal::simplify(stride * static_cast<int32_t>(extent));
      } else {
        stride = stride * dim.extent();
      }
    }
    return strides;
  }

  static void checkSize(const std::string &name, const std::vector<int64_t> &shape) {
    int64_t size = 1;
    for (int64_t extent : shape) {
      if (extent < 0)
        continue;
      if (extent > INT32_MAX || size > INT32_MAX / std::max<int64_t>(extent, 1))
        throw std::runtime_error("@" + name + " has 2^31 elements or more");
      size *= extent;
    }
  }

  template <typename Method>
  void loopDirective(const std::string &name, unsigned index, const std::string &var,
                     Method method) {
    Stage target = stage(name, index);
    method(target, loop(loops(name, index), var));
  }
};

HalideBuilder::HalideBuilder(std::string prefix) : impl(std::make_unique<Impl>()) {
  installReporter();
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
                          const std::vector<int64_t> &shape) {
  impl->guard([&] {
    Impl::checkSize(name, shape);
    BufferState state;
    state.shape = shape;
    state.param =
        Halide::ImageParam(toHalide(type), static_cast<int>(shape.size()), impl->prefix + name);
    impl->constrain(state.param, shape);
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

void HalideBuilder::output(const std::string &name, const std::vector<int64_t> &shape) {
  impl->guard([&] {
    Impl::checkSize(name, shape);
    impl->outputFunc = name;
    impl->buffers[name].shape = shape;
  });
}

void HalideBuilder::endAlgorithm() {
  impl->guard([&] {
    FuncState &state = impl->func(impl->outputFunc);
    const std::vector<int64_t> &shape = impl->buffers.at(impl->outputFunc).shape;
    std::vector<Halide::OutputImageParam> params = state.func.output_buffers();
    std::vector<Halide::Expr> strides = impl->constrain(params.front(), shape);
    // Halide takes bounds on the first buffer of a Tuple only; the others have its extents.
    for (size_t k = 1; k < params.size(); ++k)
      for (size_t i = 0; i < shape.size(); ++i)
        params[k].dim(static_cast<int>(i)).set_stride(strides[i]);
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

HalideBuilder::Expr HalideBuilder::constant(ElementType type, int64_t value) {
  return impl->guard([&] {
    Halide::Type halideType = toHalide(type);
    if (halideType.is_bool())
      return impl->add(Halide::Internal::make_bool(value & 1));
    return impl->add(Halide::Internal::make_const(halideType, value));
  });
}

HalideBuilder::Expr HalideBuilder::constant(ElementType type, double value) {
  return impl->guard(
      [&] { return impl->add(Halide::Internal::make_const(toHalide(type), value)); });
}

HalideBuilder::Expr HalideBuilder::unary(UnaryOp op, Expr handle) {
  return impl->guard([&] {
    Halide::Expr value = impl->get(handle);
    switch (op) {
    case UnaryOp::Negate:
      return impl->add(-value);
    case UnaryOp::Not:
      return impl->add(value.type().is_bool() ? !value : ~value);
    case UnaryOp::Absolute:
      return impl->add(asSigned(Halide::abs(value)));
    case UnaryOp::Likely:
      return impl->add(Halide::likely(value));
    default:
      return impl->add(expandUnary(op, value));
    }
  });
}

HalideBuilder::Expr HalideBuilder::binary(BinaryOp op, Expr left, Expr right) {
  return impl->guard([&] {
    Halide::Expr a = impl->get(left), b = impl->get(right);
    if (a.type().is_bool()) {
      switch (op) {
      case BinaryOp::And:
      case BinaryOp::Mul:
      case BinaryOp::UnsignedMin:
      case BinaryOp::Max:
        return impl->add(a && b);
      case BinaryOp::Or:
      case BinaryOp::UnsignedMax:
      case BinaryOp::Min:
        return impl->add(a || b);
      case BinaryOp::Xor:
      case BinaryOp::Add:
      case BinaryOp::Sub:
        return impl->add(a != b);
      default:
        return impl->add(Halide::Expr());
      }
    }
    bool isFloat = a.type().is_float();
    Halide::Expr zero = Halide::Internal::make_zero(a.type()),
                 one = Halide::Internal::make_one(a.type());
    switch (op) {
    case BinaryOp::Add:
      return impl->add(a + b);
    case BinaryOp::Sub:
      return impl->add(a - b);
    case BinaryOp::Mul:
      return impl->add(a * b);
    case BinaryOp::Div:
      return impl->add(isFloat ? a / b : Halide::div_round_to_zero(a, safeDivisor(a, b)));
    case BinaryOp::Rem:
      return impl->add(isFloat ? a - b * Halide::trunc(a / b)
                               : Halide::mod_round_to_zero(a, safeDivisor(a, b)));
    case BinaryOp::EuclideanDiv:
      return impl->add(a / b);
    case BinaryOp::EuclideanRem:
      return impl->add(a % b);
    case BinaryOp::FloorDiv: {
      if (isPositiveConstant(b))
        return impl->add(a / b);
      b = safeDivisor(a, b);
      return impl->add(Halide::select(b < zero && a % b != zero, a / b - one, a / b));
    }
    case BinaryOp::CeilDiv: {
      if (isPositiveConstant(b))
        return impl->add(a / b + Halide::select(a % b != zero, one, zero));
      b = safeDivisor(a, b);
      return impl->add(Halide::select(b > zero && a % b != zero, a / b + one, a / b));
    }
    case BinaryOp::UnsignedDiv:
      return impl->add(asSigned(asUnsigned(a) / asUnsigned(b)));
    case BinaryOp::UnsignedRem:
      return impl->add(asSigned(asUnsigned(a) % asUnsigned(b)));
    case BinaryOp::Min:
      return impl->add(Halide::min(a, b));
    case BinaryOp::Max:
      return impl->add(Halide::max(a, b));
    case BinaryOp::UnsignedMin:
      return impl->add(asSigned(Halide::min(asUnsigned(a), asUnsigned(b))));
    case BinaryOp::UnsignedMax:
      return impl->add(asSigned(Halide::max(asUnsigned(a), asUnsigned(b))));
    case BinaryOp::And:
      return impl->add(a & b);
    case BinaryOp::Or:
      return impl->add(a | b);
    case BinaryOp::Xor:
      return impl->add(a ^ b);
    case BinaryOp::ShiftLeft:
      return impl->add(a << asUnsigned(b));
    case BinaryOp::ShiftRight:
      return impl->add(a >> asUnsigned(b));
    case BinaryOp::UnsignedShiftRight:
      return impl->add(asSigned(asUnsigned(a) >> asUnsigned(b)));
    case BinaryOp::Pow:
    case BinaryOp::Atan2:
    case BinaryOp::CopySign:
      return impl->add(expandBinary(op, a, b));
    }
    return impl->add(Halide::Expr());
  });
}

HalideBuilder::Expr HalideBuilder::compare(CompareOp op, Expr left, Expr right) {
  return impl->guard([&] {
    Halide::Expr a = impl->get(left), b = impl->get(right);
    if (op >= CompareOp::UnsignedLess) {
      a = asUnsigned(a);
      b = asUnsigned(b);
    }
    if (a.type().is_bool() && op != CompareOp::Equal && op != CompareOp::NotEqual) {
      // A signed i1 counts from -1 to 0.
      bool isSigned = op < CompareOp::UnsignedLess;
      a = Halide::cast<int8_t>(isSigned ? !a : a);
      b = Halide::cast<int8_t>(isSigned ? !b : b);
    }
    switch (op) {
    case CompareOp::Equal:
      return impl->add(a == b);
    case CompareOp::NotEqual:
      return impl->add(a != b);
    case CompareOp::Less:
    case CompareOp::UnsignedLess:
      return impl->add(a < b);
    case CompareOp::LessEqual:
    case CompareOp::UnsignedLessEqual:
      return impl->add(a <= b);
    case CompareOp::Greater:
    case CompareOp::UnsignedGreater:
      return impl->add(a > b);
    case CompareOp::GreaterEqual:
    case CompareOp::UnsignedGreaterEqual:
      return impl->add(a >= b);
    }
    return impl->add(Halide::Expr());
  });
}

HalideBuilder::Expr HalideBuilder::select(Expr condition, Expr ifTrue, Expr ifFalse) {
  return impl->guard([&] {
    const Halide::Expr &c = impl->get(condition), &a = impl->get(ifTrue), &b = impl->get(ifFalse);
    if (a.type().is_bool())
      return impl->add((c && a) || (!c && b));
    return impl->add(Halide::select(c, a, b));
  });
}

HalideBuilder::Expr HalideBuilder::cast(ElementType type, Expr handle, bool fromUnsigned) {
  return impl->guard([&] {
    Halide::Expr value = impl->get(handle);
    Halide::Type to = toHalide(type);
    if (value.type().is_bool()) {
      if (!fromUnsigned && (to.is_int_or_uint() || to.is_float()) && !to.is_bool())
        return impl->add(Halide::select(value, Halide::Internal::make_const(to, -1),
                                        Halide::Internal::make_zero(to)));
      return impl->add(Halide::cast(to, value));
    }
    if (to.is_bool()) // the low bit
      return impl->add((value & Halide::Internal::make_one(value.type())) !=
                       Halide::Internal::make_zero(value.type()));
    if (fromUnsigned)
      value = asUnsigned(value);
    return impl->add(asSigned(Halide::cast(to, value)));
  });
}

HalideBuilder::Expr HalideBuilder::bitcast(ElementType type, Expr handle) {
  return impl->guard(
      [&] { return impl->add(asSigned(reinterpretBits(toHalide(type), impl->get(handle)))); });
}

//===----------------------------------------------------------------------===//
// Schedule
//===----------------------------------------------------------------------===//

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

//===----------------------------------------------------------------------===//
// Code
//===----------------------------------------------------------------------===//

void HalideBuilder::compile(KernelOutput kind, const std::string &symbol, const std::string &target,
                            const std::string &path) {
  impl->guard([&] {
    if (impl->outputFunc.empty())
      throw std::runtime_error("the pipeline has no output");
    std::vector<Halide::Argument> arguments;
    for (const std::string &input : impl->inputs)
      arguments.push_back(impl->buffers.at(input).param);
    Halide::OutputFileType type = kind == KernelOutput::Object ? Halide::OutputFileType::object
                                  : kind == KernelOutput::Assembly
                                      ? Halide::OutputFileType::assembly
                                      : Halide::OutputFileType::stmt;
    Halide::Pipeline pipeline(impl->func(impl->outputFunc).func);
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
