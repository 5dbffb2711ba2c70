// The machine that kernels and the host program are compiled for: parsed from `--target`, which is
// `native` or a Halide target string, and asked by schedules for vector widths. No Halide header
// here.
#ifndef SYLVITE_COMPILER_CODEGEN_KERNELTARGET_H
#define SYLVITE_COMPILER_CODEGEN_KERNELTARGET_H

#include <optional>
#include <string>
#include <vector>

namespace sylvite {

struct KernelTarget {
  /// Halide's canonical target string, without the features that codegen adds itself.
  std::string name;
  /// For LLVM: "x86_64-unknown-linux-gnu", and the instruction sets as subtarget features.
  std::string triple;
  std::string llvmFeatures;
  /// Halide's names of the features: "avx2", "fma", ...
  std::vector<std::string> features;
  /// Bytes in a vector register, and how many registers there are.
  unsigned vectorBytes = 16;
  unsigned vectorRegisters = 16;
  /// Bytes of a core's second cache: what the smallest server processor with the target's features has.
  unsigned l2Bytes = 512 << 10;

  bool hasFeature(const std::string &feature) const;
  /// float32 lanes of a vector.
  unsigned floatLanes() const { return vectorBytes / 4; }

  /// Parses `native` (or `host`), a Halide target string, or either with features appended
  /// (`host-no_asserts`). On failure gives nothing and says why in `error`.
  static std::optional<KernelTarget> parse(const std::string &text, std::string &error);
};

} // namespace sylvite

#endif // SYLVITE_COMPILER_CODEGEN_KERNELTARGET_H
