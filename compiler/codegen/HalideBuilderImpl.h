// What the sources of HalideBuilder share. Includes Halide.h, so only they include this.
#ifndef SYLVITE_COMPILER_CODEGEN_HALIDEBUILDERIMPL_H
#define SYLVITE_COMPILER_CODEGEN_HALIDEBUILDERIMPL_H

#include "compiler/codegen/FetchLines.h"
#include "compiler/codegen/HalideBuilder.h"
#include "compiler/codegen/OverlapTiles.h"

#include <Halide.h>

#include <map>
#include <stdexcept>

namespace sylvite {

/// Where this thread's warnings go; null outside of a builder's calls.
extern thread_local std::vector<std::string> *warningSink;

/// A message of Halide without its prefix and final line breaks.
std::string tidy(std::string message);

/// True for warnings that mean a slow or a crashing kernel.
bool isFatal(const std::string &warning);

Halide::Type toHalide(ElementType type);

/// The same bits as another type of that size; undoes an earlier reinterpretation instead of
/// stacking another, so that Halide sees the cast<int>(uint8_t) that its instruction patterns want.
Halide::Expr reinterpretBits(Halide::Type type, const Halide::Expr &value);

/// Scalars in bodies are signed.
Halide::Expr asSigned(const Halide::Expr &value);

template <typename T> std::vector<T> reversed(const std::vector<T> &values) {
  return std::vector<T>(values.rbegin(), values.rend());
}

/// The loops of a stage by name. A name may stand for a variable or for one of the reduction.
using Loops = std::map<std::string, Halide::VarOrRVar>;

struct FuncState {
  Halide::Func func;
  std::vector<Halide::Var> vars; ///< row-major
  std::vector<Loops> stages;
};

struct BufferState {
  std::vector<int64_t> shape; ///< row-major
  Halide::ImageParam param;   ///< undefined for the output
};

struct HalideBuilder::Impl {
  std::string prefix;
  std::string error;
  std::vector<std::string> warnings;
  std::vector<Halide::Expr> exprs;

  std::map<std::string, FuncState> funcs;
  std::map<std::string, BufferState> buffers;
  std::vector<std::string> inputs;
  std::string outputFunc;
  std::vector<int64_t> outputPitches;
  std::vector<FetchLines> fetches;
  std::vector<OverlapTiles> overlaps;

  // The update under construction.
  std::string updateFunc;
  Halide::RDom domain;
  Loops updateLoops;

  // The specialization that stage directives go to.
  bool specializing = false;
  Halide::Stage *specializedStage = nullptr;
  std::unique_ptr<Halide::Stage> specialized;
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
  const Halide::VarOrRVar &loop(const Loops &loops, const std::string &var) {
    auto it = loops.find(var);
    if (it == loops.end())
      throw std::runtime_error("no loop \"" + var + "\"");
    return it->second;
  }
  Halide::Stage stage(const std::string &name, unsigned index) {
    if (specializing)
      return *specialized;
    FuncState &state = func(name);
    return index == 0 ? Halide::Stage(state.func) : state.func.update(index - 1);
  }
  /// A loop of any stage of `consumer`; the last stage that has one of that name.
  Halide::VarOrRVar placeOf(const std::string &consumer, const std::string &var) {
    if (var == "outermost")
      return Halide::Var::outermost();
    FuncState &state = func(consumer);
    for (const Loops &stage : reversed(state.stages))
      if (stage.count(var))
        return stage.at(var);
    throw std::runtime_error("no loop \"" + var + "\" in @" + consumer);
  }
  Halide::Var varOf(const std::string &name, const std::string &var) {
    for (const Halide::Var &candidate : func(name).vars)
      if (candidate.name() == var)
        return candidate;
    throw std::runtime_error("no variable \"" + var + "\" in @" + name);
  }
  static Halide::VarOrRVar derived(const std::string &name, bool reduction) {
    return reduction ? Halide::VarOrRVar(Halide::RVar(name)) : Halide::VarOrRVar(Halide::Var(name));
  }

  Halide::Internal::Dimension dimension(const std::string &buffer, size_t rowMajorDim) {
    BufferState &state = buffers.at(buffer);
    int dim = static_cast<int>(state.shape.size() - 1 - rowMajorDim);
    return state.param.defined() ? state.param.dim(dim)
                                 : func(buffer).func.output_buffer().dim(dim);
  }

  /// The strides of a row-major buffer, innermost first.
  template <typename Param>
  static std::vector<Halide::Expr> stridesOf(Param &&param, const std::vector<int64_t> &shape, int64_t pitch) {
    std::vector<Halide::Expr> strides;
    Halide::Expr stride = 1;
    for (size_t i = 0; i < shape.size(); ++i) {
      int64_t elements = i == 0 ? pitch : shape[shape.size() - 1 - i];
      strides.push_back(stride);
      stride = elements >= 0 ? Halide::Internal::simplify(stride * static_cast<int32_t>(elements))
                             : stride * param.dim(static_cast<int>(i)).extent();
    }
    return strides;
  }

  /// Tells Halide that a buffer starts at 0, and is row-major.
  template <typename Param>
  static void constrain(Param &&param, const std::vector<int64_t> &shape, int64_t pitch) {
    std::vector<Halide::Expr> strides = stridesOf(param, shape, pitch);
    for (size_t i = 0; i < shape.size(); ++i) {
      int64_t extent = shape[shape.size() - 1 - i];
      auto dim = param.dim(static_cast<int>(i));
      dim.set_min(0);
      dim.set_stride(strides[i]);
      if (extent >= 0)
        dim.set_extent(static_cast<int32_t>(extent));
    }
  }

  static void checkSize(const std::string &name, const std::vector<int64_t> &shape, int64_t pitch) {
    int64_t size = 1;
    for (size_t i = 0; i < shape.size(); ++i) {
      int64_t extent = i + 1 == shape.size() ? pitch : shape[i];
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
    Halide::Stage target = stage(name, index);
    method(target, loop(loops(name, index), var));
  }
};

} // namespace sylvite

#endif // SYLVITE_COMPILER_CODEGEN_HALIDEBUILDERIMPL_H
