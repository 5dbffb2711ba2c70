/* Kernels as Halide would make them: total[b] = scale[0] * sum of x[b], in parallel; steps[b, i] =
 * x[b, i + 1] - x[b, i]. */
#include "runtime/program.h"

#ifndef BEYOND
#define BEYOND 0 /* elements beyond its input that `steps` reads, which is a mistake */
#endif

int halide_do_par_for(void *, int (*)(void *, int, uint8_t *), int, int, uint8_t *);
void *halide_malloc(void *, size_t);
void halide_free(void *, void *);

static float *host(const struct halide_buffer_t *buffer) { return (float *)(void *)buffer->host; }

int total_row(void *context, int row, uint8_t *closure) {
  void **args = (void **)(void *)closure;
  const struct halide_buffer_t *x = args[0], *scale = args[1], *total = args[2];
  int length = x->dim[0].extent;
  float *scratch = halide_malloc(context, (size_t)length * sizeof(float));
  for (int i = 0; i < length; ++i)
    scratch[i] = host(x)[row * x->dim[1].stride + i];
  float sum = 0;
  for (int i = 0; i < length; ++i)
    sum += scratch[i];
  halide_free(context, scratch);
  host(total)[row] = host(scale)[0] * sum;
  return 0;
}

int total_argv(void **args) {
  const struct halide_buffer_t *total = args[2];
  return halide_do_par_for(NULL, total_row, 0, total->dim[0].extent, (uint8_t *)args);
}

int steps_argv(void **args) {
  const struct halide_buffer_t *x = args[0], *steps = args[1];
  int length = x->dim[0].extent;
  for (int b = 0; b < x->dim[1].extent; ++b)
    for (int i = 0; i + 1 < length; ++i)
      host(steps)[b * (length - 1) + i] = host(x)[b * length + i + 1 + BEYOND] - host(x)[b * length + i];
  return 0;
}
