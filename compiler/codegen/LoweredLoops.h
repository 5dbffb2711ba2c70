// What the passes over lowered loops share.
#ifndef SYLVITE_COMPILER_CODEGEN_LOWEREDLOOPS_H
#define SYLVITE_COMPILER_CODEGEN_LOWEREDLOOPS_H

#include <Halide.h>

#include <string>

namespace sylvite {

/// Bytes of a line of the caches.
constexpr int cacheLineBytes = 64;

/// A loop of a schedule, as lowered statements name it.
class LoopName {
public:
  /// The loop `var` of stage `stage` of `func`.
  LoopName(const std::string &func, unsigned stage, const std::string &var)
      : prefix(func + ".s" + std::to_string(stage) + "."), suffix("." + var) {}

  bool isLoop(const std::string &name) const {
    return name.rfind(prefix, 0) == 0 && name.size() >= suffix.size() &&
           name.compare(name.size() - suffix.size(), suffix.size(), suffix) == 0;
  }

private:
  std::string prefix, suffix;
};

/// The same loop around another body.
inline Halide::Internal::Stmt withBody(const Halide::Internal::For *loop, const Halide::Internal::Stmt &body) {
  return Halide::Internal::For::make(loop->name, loop->min, loop->extent, loop->for_type, loop->partition_policy, loop->device_api, body);
}

} // namespace sylvite

#endif // SYLVITE_COMPILER_CODEGEN_LOWEREDLOOPS_H
