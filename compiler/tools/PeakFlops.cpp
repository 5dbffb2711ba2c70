// See PeakFlops.h. Twelve independent chains hide the latency of a multiply-add (4 cycles, 2 per cycle), and
// fit into 16 registers with the two constants.
#include "compiler/tools/PeakFlops.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

namespace sylvite {

namespace {
using Clock = std::chrono::steady_clock;
// The chains tend to -1 and begin at 0, 1, ...: one that began where it tends to would be folded to a
// constant, and counted without being computed.
constexpr int chains = 12, rounds = 20000;
} // namespace

template <typename Vector> struct Chain {
  template <typename MultiplyAdd>
  __attribute__((always_inline)) static float run(MultiplyAdd multiplyAdd) {
    Vector sums[chains];
    Vector factor = Vector{} + 0.9999f, term = Vector{} - 0.0001f;
    for (int i = 0; i < chains; ++i)
      sums[i] = Vector{} + float(i);
    for (int round = 0; round < rounds; ++round)
#pragma GCC unroll 12
      for (int i = 0; i < chains; ++i)
        sums[i] = multiplyAdd(sums[i], factor, term);
    float result = 0;
    for (int i = 0; i < chains; ++i)
      result += sums[i][0];
    return result;
  }
};

typedef float Vector4 __attribute__((vector_size(16)));
static float run4() {
  return Chain<Vector4>::run([](Vector4 a, Vector4 b, Vector4 c) { return a * b + c; });
}

struct Kernel {
  float (*run)();
  int width;
};

#if defined(__x86_64__)
typedef float Vector8 __attribute__((vector_size(32)));
typedef float Vector16 __attribute__((vector_size(64)));

// Written out: a lambda would not have the function's target attribute.
#define CHAIN(name, Vector, features)                                                                  \
  __attribute__((target(features), optimize("fp-contract=fast"))) static float name() {                \
    Vector sums[chains];                                                                               \
    Vector factor = Vector{} + 0.9999f, term = Vector{} - 0.0001f;                                     \
    for (int i = 0; i < chains; ++i)                                                                   \
      sums[i] = Vector{} + float(i);                                                                   \
    for (int round = 0; round < rounds; ++round) {                                                     \
      _Pragma("GCC unroll 12") for (int i = 0; i < chains; ++i) sums[i] = sums[i] * factor + term;     \
    }                                                                                                  \
    float result = 0;                                                                                  \
    for (int i = 0; i < chains; ++i)                                                                   \
      result += sums[i][0];                                                                            \
    return result;                                                                                     \
  }
CHAIN(run8, Vector8, "avx2,fma")
CHAIN(run16, Vector16, "avx512f")

static Kernel widest() {
  if (__builtin_cpu_supports("avx512f"))
    return {run16, 16};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return {run8, 8};
  return {run4, 4};
}
#else
static Kernel widest() { return {run4, 4}; }
#endif

double measurePeakFlops(int threads) {
  Kernel kernel = widest();
  std::atomic<int> ready{0};
  std::vector<double> rates(threads);
  auto measure = [&](int index) {
    volatile float sink = kernel.run();
    // All threads together: clocks drop when every core works.
    ready.fetch_add(1);
    while (ready.load() < threads)
      std::this_thread::yield();
    double best = 0;
    for (auto end = Clock::now() + std::chrono::milliseconds(100); Clock::now() < end;) {
      auto start = Clock::now();
      sink = kernel.run();
      double seconds = std::chrono::duration<double>(Clock::now() - start).count();
      double rate = 2.0 * rounds * chains * kernel.width / seconds;
      best = rate > best ? rate : best;
    }
    (void)sink;
    rates[index] = best;
  };
  std::vector<std::thread> workers;
  for (int i = 1; i < threads; ++i)
    workers.emplace_back(measure, i);
  measure(0);
  for (std::thread &worker : workers)
    worker.join();
  double total = 0;
  for (double rate : rates)
    total += rate;
  return total;
}

} // namespace sylvite
