/* Prints the GFLOP/s that one core reaches with fused multiply-adds on registers alone: the 100 % of "% of FMA peak".
 * Compile with -O3 -march=native; the widest vectors of the processor are used. */
#include <stdio.h>
#include <time.h>

#ifdef __AVX512F__
#define LANES 16
#define ACCUMULATORS 24 /* of 32 registers */
#elif defined(__AVX__)
#define LANES 8
#define ACCUMULATORS 12 /* of 16 registers: two hold the operands */
#else
#define LANES 4
#define ACCUMULATORS 12
#endif

typedef float vector __attribute__((vector_size(4 * LANES)));

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + 1e-9 * time.tv_nsec;
}

int main(void) {
  const long iterations = 20000;
  double best = 0;
  float sum = 0;
  for (int repetition = 0; repetition < 3000; ++repetition) {
    vector accumulators[ACCUMULATORS], x = {0}, y = {0};
    x += 0.999f, y += 1e-6f;
    /* All loops over the accumulators are unrolled: one that is not would keep them in memory. */
#pragma GCC unroll 24
    for (int i = 0; i < ACCUMULATORS; ++i)
      accumulators[i] = y * (float)i;
    double started = now();
    for (long iteration = 0; iteration < iterations; ++iteration) {
#pragma GCC unroll 24
      for (int i = 0; i < ACCUMULATORS; ++i)
        accumulators[i] = accumulators[i] * x + y;
      __asm__ volatile("" ::: "memory");
    }
    double gflops = 2.0 * LANES * ACCUMULATORS * iterations / (now() - started) / 1e9;
    if (gflops > best)
      best = gflops;
#pragma GCC unroll 24
    for (int i = 0; i < ACCUMULATORS; ++i)
      sum += accumulators[i][0];
  }
  /* The sum keeps the loop from being dropped. */
  printf("%.2f\n", sum == 12345 ? 0 : best);
  return 0;
}
