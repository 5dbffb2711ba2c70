/* The host program of the toy model, compiled to LLVM IR: adds the two inputs into the arena, then launches
 * `total` and `steps` on the sum. */
#include "runtime/program.h"

int total_argv(void **args);
int steps_argv(void **args);

int64_t forward_arena_bytes(const int64_t *s) { return s[0] * s[1] * (int64_t)sizeof(float); }

void forward_output_shapes(const int64_t *s, int64_t *dims) {
  dims[0] = s[0];
  dims[1] = s[0];
  dims[2] = s[1] - 1;
}

int32_t forward(sylvite_context *context, const int64_t *s, void *const *inputs, void *const *outputs,
                uint8_t *arena, void *const *parameters) {
  float *sum = (float *)(void *)arena;
  const float *x = inputs[0], *z = inputs[1];
  for (int64_t i = 0; i < s[0] * s[1]; ++i)
    sum[i] = x[i] + z[i];
  struct halide_buffer_t buffers[4];
  struct halide_dimension_t dims[4][2];
  int32_t type = SYLVITE_BUFFER_TYPE(2, 32);
  int64_t scale_shape[] = {4}, steps_shape[] = {s[0], s[1] - 1};
  sylvite_buffer_init(context, &buffers[0], dims[0], sum, type, 2, s);
  sylvite_buffer_init(context, &buffers[1], dims[1], parameters[0], type, 1, scale_shape);
  sylvite_buffer_init(context, &buffers[2], dims[2], outputs[0], type, 1, s);
  sylvite_buffer_init(context, &buffers[3], dims[3], outputs[1], type, 2, steps_shape);
  void *total_args[] = {&buffers[0], &buffers[1], &buffers[2]};
  void *steps_args[] = {&buffers[0], &buffers[3]};
  sylvite_launch(context, 0, total_argv, total_args);
  return sylvite_launch(context, 1, steps_argv, steps_args);
}
