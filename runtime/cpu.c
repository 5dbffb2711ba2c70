/* Which instruction sets this processor has, and how it takes the smallest numbers. The former is asked once, at create, so
 * that a library that was compiled for another processor says so and does not end in an illegal instruction. */
#include "runtime.h"

static const char *const names[] = {
    "SSE4.1",     "AVX",         "F16C",        "FMA",         "AVX2",         "AVX-512F",
    "AVX-512CD",  "AVX-512BW",   "AVX-512DQ",   "AVX-512VL",   "AVX-512IFMA",  "AVX-512VBMI",
    "AVX-512VNNI", "AVX-512BF16", "AVX-VNNI",    "BMI2",        "Arm FP16",     "Arm dot product",
};

const char *sylvite_cpu_feature_name(uint64_t bit) {
  unsigned index = (unsigned)__builtin_ctzll(bit);
  return index < sizeof names / sizeof *names ? names[index] : "an unknown instruction set";
}

#if defined(__x86_64__) || defined(__i386__)

#include <cpuid.h>

static uint64_t operating_system_state(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}

static uint64_t present(void) {
  unsigned a, b, c, d;
  uint64_t result = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d))
    return 0;
#define HAVE(register, bit, feature) ((register) >> (bit) & 1 ? (uint64_t)(feature) : 0)
  result |= HAVE(c, 19, SYLVITE_CPU_SSE41);
  bool avx_state = (c >> 27 & 1) && (operating_system_state() & 0x6) == 0x6;
  bool avx512_state = avx_state && (operating_system_state() & 0xe0) == 0xe0;
  if (!avx_state)
    return result;
  result |= HAVE(c, 28, SYLVITE_CPU_AVX) | HAVE(c, 29, SYLVITE_CPU_F16C) | HAVE(c, 12, SYLVITE_CPU_FMA);
  unsigned extended_c = 0;
  if (__get_cpuid(0x80000001, &a, &b, &c, &d))
    extended_c = c;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
    return result;
  unsigned subleaves = a;
  result |= HAVE(b, 5, SYLVITE_CPU_AVX2);
  if ((b >> 3 & 1) && (b >> 8 & 1) && (extended_c >> 5 & 1))
    result |= SYLVITE_CPU_BMI;
  if (avx512_state) {
    result |= HAVE(b, 16, SYLVITE_CPU_AVX512F) | HAVE(b, 17, SYLVITE_CPU_AVX512DQ) |
              HAVE(b, 21, SYLVITE_CPU_AVX512IFMA) | HAVE(b, 28, SYLVITE_CPU_AVX512CD) |
              HAVE(b, 30, SYLVITE_CPU_AVX512BW) | HAVE(b, 31, SYLVITE_CPU_AVX512VL) |
              HAVE(c, 1, SYLVITE_CPU_AVX512VBMI) | HAVE(c, 11, SYLVITE_CPU_AVX512VNNI);
  }
  if (subleaves >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d)) {
    result |= HAVE(a, 4, SYLVITE_CPU_AVXVNNI);
    if (avx512_state)
      result |= HAVE(a, 5, SYLVITE_CPU_AVX512BF16);
  }
#undef HAVE
  return result;
}

#elif defined(__aarch64__) && defined(__linux__)

#include <sys/auxv.h>

static uint64_t present(void) {
  unsigned long capabilities = getauxval(AT_HWCAP);
  uint64_t result = 0;
  if ((capabilities >> 9 & 1) && (capabilities >> 10 & 1)) /* HWCAP_FPHP, HWCAP_ASIMDHP */
    result |= SYLVITE_CPU_ARM_FP16;
  if (capabilities >> 20 & 1) /* HWCAP_ASIMDDP */
    result |= SYLVITE_CPU_ARM_DOT;
  return result;
}

#else

static uint64_t present(void) { return 0; }

#endif

/* ---- Arithmetic --------------------------------------------------------------------------------------- */

#if defined(__SSE__)

#include <xmmintrin.h>

uintptr_t sylvite_float_mode(void) { return _mm_getcsr(); }
void sylvite_set_float_mode(uintptr_t mode) { _mm_setcsr((unsigned)mode); }
uintptr_t sylvite_flushing(uintptr_t mode) { return mode | 1u << 15 | 1u << 6; } /* FTZ, DAZ */

#elif defined(__aarch64__)

uintptr_t sylvite_float_mode(void) {
  uint64_t mode;
  __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
  return mode;
}
void sylvite_set_float_mode(uintptr_t mode) { __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)mode)); }
uintptr_t sylvite_flushing(uintptr_t mode) { return mode | 1u << 24; } /* FZ */

#else

uintptr_t sylvite_float_mode(void) { return 0; }
void sylvite_set_float_mode(uintptr_t mode) {}
uintptr_t sylvite_flushing(uintptr_t mode) { return mode; }

#endif

uint64_t sylvite_cpu_missing(uint64_t required) { return required & ~present(); }
