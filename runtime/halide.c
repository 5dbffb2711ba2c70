/* The functions that Halide's kernels call, which are compiled without Halide's own runtime: memory,
 * parallel loops, and the errors of kernels built with assertions (debug builds; others carry none).
 *
 * Signatures are those of Halide 21's HalideRuntime.h. The user context is unused: a kernel works for the
 * call that its thread is in. */
#include "runtime.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Memory ------------------------------------------------------------------------------------------- */

/* A block from halide_malloc: this header, then the caller's bytes, then room for a vector load that starts
 * at the last of them. */
struct block {
  size_t size;
};

enum { HEADER = SYLVITE_ALIGNMENT, TAIL = 64 };

static struct block *block_of(void *pointer) { return (struct block *)((char *)pointer - HEADER); }

void *halide_malloc(void *user_context, size_t size) {
  (void)user_context;
  struct sylvite_thread *thread = sylvite_thread_state();
  int best = -1;
  for (int i = 0; i < thread->scratch_count; ++i) {
    size_t have = block_of(thread->scratch[i])->size;
    if (have >= size && (best < 0 || have < block_of(thread->scratch[best])->size))
      best = i;
  }
  if (best >= 0) {
    void *pointer = thread->scratch[best];
    thread->scratch[best] = thread->scratch[--thread->scratch_count];
    return pointer;
  }
  char *memory = NULL;
  if (size <= SIZE_MAX - HEADER - TAIL - SYLVITE_ALIGNMENT) {
    size_t total = (HEADER + size + TAIL + SYLVITE_ALIGNMENT - 1) & ~(size_t)(SYLVITE_ALIGNMENT - 1);
    memory = sylvite_allocate(total);
  }
  if (!memory) {
    /* Kernels without assertions would store through the null pointer; stop in a way that says why. */
    fprintf(stderr, "sylvite: out of memory: a kernel needs %zu bytes of scratch\n", size);
    abort();
  }
  ((struct block *)memory)->size = size;
  return memory + HEADER;
}

void halide_free(void *user_context, void *pointer) {
  (void)user_context;
  if (!pointer)
    return;
  struct sylvite_thread *thread = sylvite_thread_state();
  if (thread->scratch_count < SYLVITE_SCRATCH_BLOCKS) {
    thread->scratch[thread->scratch_count++] = pointer;
    return;
  }
  /* Keep the larger ones: sizes grow with the batch. */
  int smallest = 0;
  for (int i = 1; i < thread->scratch_count; ++i)
    if (block_of(thread->scratch[i])->size < block_of(thread->scratch[smallest])->size)
      smallest = i;
  if (block_of(pointer)->size > block_of(thread->scratch[smallest])->size) {
    void *evicted = thread->scratch[smallest];
    thread->scratch[smallest] = pointer;
    pointer = evicted;
  }
  free(block_of(pointer));
}

void sylvite_scratch_release(struct sylvite_thread *thread) {
  for (int i = 0; i < thread->scratch_count; ++i)
    free(block_of(thread->scratch[i]));
  thread->scratch_count = 0;
}

/* ---- Parallel loops ----------------------------------------------------------------------------------- */

typedef int (*halide_task_t)(void *user_context, int index, uint8_t *closure);

struct par_for {
  halide_task_t task;
  void *user_context;
  uint8_t *closure;
  int min;
};

static int run_task(void *data, int64_t index) {
  const struct par_for *loop = data;
  return loop->task(loop->user_context, (int)(loop->min + index), loop->closure);
}

int halide_do_par_for(void *user_context, halide_task_t task, int min, int size, uint8_t *closure) {
  struct par_for loop = {task, user_context, closure, min};
  return sylvite_parallel_run(run_task, &loop, size);
}

/* ---- Errors ------------------------------------------------------------------------------------------- */

/* Records a kernel's failed assertion and returns Halide's code for it. */
#define KERNEL_ERROR(code, ...)                                                                        \
  do {                                                                                                 \
    sylvite_context *context = sylvite_thread_state()->context;                                        \
    if (context)                                                                                       \
      sylvite_context_fail(context, SYLVITE_INTERNAL_ERROR, "in a kernel: " __VA_ARGS__);              \
    return code;                                                                                       \
  } while (0)

void halide_error(void *c, const char *message) {
  sylvite_context *context = sylvite_thread_state()->context;
  if (context)
    sylvite_context_fail(context, SYLVITE_INTERNAL_ERROR, "in a kernel: %s", message);
}

void halide_print(void *c, const char *message) { fputs(message, stderr); }

int halide_error_bounds_inference_call_failed(void *c, const char *stage, int result) {
  KERNEL_ERROR(result, "bounds inference of %s failed with %d", stage, result);
}
int halide_error_extern_stage_failed(void *c, const char *stage, int result) {
  KERNEL_ERROR(result, "stage %s failed with %d", stage, result);
}
int halide_error_explicit_bounds_too_small(void *c, const char *func, const char *var, int min_bound,
                                           int max_bound, int min_required, int max_required) {
  KERNEL_ERROR(-2, "bounds [%d, %d] of %s over %s do not cover [%d, %d]", min_bound, max_bound, func, var,
               min_required, max_required);
}
int halide_error_bad_type(void *c, const char *func, uint32_t given, uint32_t correct) {
  KERNEL_ERROR(-3, "%s has element type 0x%x instead of 0x%x", func, given, correct);
}
int halide_error_bad_dimensions(void *c, const char *func, int32_t given, int32_t correct) {
  KERNEL_ERROR(-43, "%s has %d dimensions instead of %d", func, given, correct);
}
int halide_error_access_out_of_bounds(void *c, const char *func, int dimension, int min_touched,
                                      int max_touched, int min_valid, int max_valid) {
  KERNEL_ERROR(-4, "%s is accessed at [%d, %d] in dimension %d, which is [%d, %d]", func, min_touched,
               max_touched, dimension, min_valid, max_valid);
}
int halide_error_buffer_allocation_too_large(void *c, const char *buffer, uint64_t size, uint64_t max) {
  KERNEL_ERROR(-5, "%s takes %" PRIu64 " bytes, above %" PRIu64, buffer, size, max);
}
int halide_error_buffer_extents_negative(void *c, const char *buffer, int dimension, int extent) {
  KERNEL_ERROR(-28, "%s has extent %d in dimension %d", buffer, extent, dimension);
}
int halide_error_buffer_extents_too_large(void *c, const char *buffer, int64_t size, int64_t max) {
  KERNEL_ERROR(-6, "%s has %" PRId64 " elements, above %" PRId64, buffer, size, max);
}
int halide_error_constraints_make_required_region_smaller(void *c, const char *buffer, int dimension,
                                                          int min, int extent, int required_min,
                                                          int required_extent) {
  KERNEL_ERROR(-7, "%s is constrained to [%d, +%d] in dimension %d but [%d, +%d] is required", buffer, min,
               extent, dimension, required_min, required_extent);
}
int halide_error_constraint_violated(void *c, const char *var, int value, const char *constrained,
                                     int constrained_value) {
  KERNEL_ERROR(-8, "%s is %d, but must equal %s, %d", var, value, constrained, constrained_value);
}
int halide_error_param_too_small_i64(void *c, const char *name, int64_t value, int64_t min) {
  KERNEL_ERROR(-9, "%s is %" PRId64 ", below %" PRId64, name, value, min);
}
int halide_error_param_too_small_u64(void *c, const char *name, uint64_t value, uint64_t min) {
  KERNEL_ERROR(-9, "%s is %" PRIu64 ", below %" PRIu64, name, value, min);
}
int halide_error_param_too_small_f64(void *c, const char *name, double value, double min) {
  KERNEL_ERROR(-9, "%s is %g, below %g", name, value, min);
}
int halide_error_param_too_large_i64(void *c, const char *name, int64_t value, int64_t max) {
  KERNEL_ERROR(-10, "%s is %" PRId64 ", above %" PRId64, name, value, max);
}
int halide_error_param_too_large_u64(void *c, const char *name, uint64_t value, uint64_t max) {
  KERNEL_ERROR(-10, "%s is %" PRIu64 ", above %" PRIu64, name, value, max);
}
int halide_error_param_too_large_f64(void *c, const char *name, double value, double max) {
  KERNEL_ERROR(-10, "%s is %g, above %g", name, value, max);
}
int halide_error_out_of_memory(void *c) { KERNEL_ERROR(-11, "out of memory"); }
int halide_error_buffer_argument_is_null(void *c, const char *buffer) {
  KERNEL_ERROR(-12, "buffer %s is null", buffer);
}
int halide_error_unaligned_host_ptr(void *c, const char *func, int alignment) {
  KERNEL_ERROR(-24, "%s is not aligned to %d bytes", func, alignment);
}
int halide_error_host_is_null(void *c, const char *func) { KERNEL_ERROR(-34, "%s has no data", func); }
int halide_error_bad_fold(void *c, const char *func, const char *var, const char *loop) {
  KERNEL_ERROR(-25, "%s is folded over %s, which loop %s does not walk in order", func, var, loop);
}
int halide_error_bad_extern_fold(void *c, const char *func, int dim, int min, int extent, int valid_min,
                                 int factor) {
  KERNEL_ERROR(-35, "%s is folded by %d in dimension %d from %d, but [%d, +%d] is used", func, factor, dim,
               valid_min, min, extent);
}
int halide_error_fold_factor_too_small(void *c, const char *func, const char *var, int factor,
                                       const char *loop, int required) {
  KERNEL_ERROR(-26, "%s is folded over %s by %d, but loop %s needs %d", func, var, factor, loop, required);
}
int halide_error_requirement_failed(void *c, const char *condition, const char *message) {
  KERNEL_ERROR(-27, "requirement %s failed: %s", condition, message);
}
int halide_error_specialize_fail(void *c, const char *message) { KERNEL_ERROR(-31, "%s", message); }
int halide_error_no_device_interface(void *c) { KERNEL_ERROR(-19, "no device interface"); }
int halide_error_device_interface_no_device(void *c) { KERNEL_ERROR(-36, "no device"); }
int halide_error_host_and_device_dirty(void *c) { KERNEL_ERROR(-37, "host and device are dirty"); }
int halide_error_buffer_is_null(void *c, const char *routine) {
  KERNEL_ERROR(-38, "a buffer of %s is null", routine);
}
int halide_error_device_dirty_with_no_device_support(void *c, const char *buffer) {
  KERNEL_ERROR(-44, "%s is on a device", buffer);
}
int halide_error_storage_bound_too_small(void *c, const char *func, const char *var, int provided,
                                         int required) {
  KERNEL_ERROR(-45, "storage of %s over %s is %d, but %d is required", func, var, provided, required);
}
int halide_error_split_factor_not_positive(void *c, const char *func, const char *original,
                                           const char *outer, const char *inner, const char *factor_text,
                                           int factor) {
  KERNEL_ERROR(-46, "%s is split from %s into %s and %s by %s = %d", func, original, outer, inner,
               factor_text, factor);
}
int halide_error_vscale_invalid(void *c, const char *func, int runtime, int compile_time) {
  KERNEL_ERROR(-47, "%s is compiled for vscale %d, the processor has %d", func, compile_time, runtime);
}
