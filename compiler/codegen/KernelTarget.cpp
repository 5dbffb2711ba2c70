// Parses targets with Halide's own parser. Part of the Halide side of codegen: exceptions stay
// inside.
#include "compiler/codegen/KernelTarget.h"

#include <Halide.h>

#include <algorithm>
#include <exception>

namespace sylvite {
namespace {

/// The LLVM subtarget features that a Halide feature of x86 implies, as Halide's own code generator
/// has them.
const char *x86Features(const std::string &feature) {
  static const std::pair<const char *, const char *> table[] = {
      {"sse41", "+sse4.1"},
      {"avx", "+avx"},
      {"f16c", "+f16c"},
      {"fma", "+fma"},
      {"avx2", "+avx2"},
      {"avxvnni", "+avxvnni"},
      {"avx512", "+avx512f,+avx512cd"},
      {"avx512_skylake", "+avx512f,+avx512cd,+avx512vl,+avx512bw,+avx512dq"},
      {"avx512_cannonlake",
       "+avx512f,+avx512cd,+avx512vl,+avx512bw,+avx512dq,+avx512ifma,+avx512vbmi"},
      {"avx512_zen4", "+avx512f,+avx512cd,+avx512vl,+avx512bw,+avx512dq,+avx512ifma,+avx512vbmi,"
                      "+avx512vnni,+avx512bf16"},
      {"avx512_sapphirerapids",
       "+avx512f,+avx512cd,+avx512vl,+avx512bw,+avx512dq,+avx512ifma,+avx512vbmi,+avx512vnni,"
       "+avx512bf16,+avxvnni"},
  };
  for (auto &[name, features] : table)
    if (feature == name)
      return features;
  return nullptr;
}

} // namespace

bool KernelTarget::hasFeature(const std::string &feature) const {
  return std::find(features.begin(), features.end(), feature) != features.end();
}

std::optional<KernelTarget> KernelTarget::parse(const std::string &text, std::string &error) {
  try {
    std::string spelled = text;
    if (spelled == "native" || spelled.rfind("native-", 0) == 0)
      spelled = "host" + spelled.substr(6);
    if (!Halide::Target::validate_target_string(spelled)) {
      error = "'" + text +
              "' is not a target: use native, or Halide's arch-bits-os-features, as in "
              "x86-64-linux-avx2-fma";
      return std::nullopt;
    }
    Halide::Target target(spelled);
    KernelTarget result;
    if (target.os != Halide::Target::Linux || target.bits != 64 ||
        (target.arch != Halide::Target::X86 && target.arch != Halide::Target::ARM)) {
      error = "target '" + text + "' is not supported: use 64-bit Linux on x86 or ARM";
      return std::nullopt;
    }
    if (target.has_gpu_feature()) {
      error = "target '" + text + "' names a GPU, which is not supported";
      return std::nullopt;
    }
    result.name = target.to_string();
    result.vectorBytes = target.natural_vector_size(Halide::UInt(8));
    bool x86 = target.arch == Halide::Target::X86;
    result.triple = x86 ? "x86_64-unknown-linux-gnu" : "aarch64-unknown-linux-gnu";
    result.vectorRegisters = !x86 || target.has_feature(Halide::Target::AVX512) ||
                                     target.has_feature(Halide::Target::AVX512_Skylake)
                                 ? 32
                                 : 16;
    if (target.has_feature(Halide::Target::AVX512_SapphireRapids))
      result.l2Bytes = 2 << 20;
    else if (target.has_feature(Halide::Target::AVX512_Skylake))
      result.l2Bytes = 1 << 20;
    // to_string() spells the features after arch-bits-os.
    std::string rest = result.name;
    for (int skip = 0; skip < 3; ++skip) {
      size_t dash = rest.find('-');
      rest = dash == std::string::npos ? "" : rest.substr(dash + 1);
    }
    while (!rest.empty()) {
      size_t dash = rest.find('-');
      std::string feature = rest.substr(0, dash);
      rest = dash == std::string::npos ? "" : rest.substr(dash + 1);
      result.features.push_back(feature);
      if (const char *features = x86 ? x86Features(feature) : nullptr)
        result.llvmFeatures += (result.llvmFeatures.empty() ? "" : ",") + std::string(features);
    }
    return result;
  } catch (const std::exception &exception) {
    error = "'" + text + "' is not a target: " + exception.what();
    return std::nullopt;
  }
}

} // namespace sylvite
