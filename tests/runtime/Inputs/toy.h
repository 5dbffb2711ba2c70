/* A program written by hand in place of the compiler's: two inputs of (batch, length), a parameter `scale`
 * of 4 values and a byte parameter of 3; outputs `total` (batch) = scale[0] * sum of x over length, and
 * `steps` (batch, length - 1) = x[i+1] - x[i], whose shape is derived. One kernel per output; the first runs
 * in parallel over the batch and uses scratch. */
#ifndef TOY_H
#define TOY_H
#include "runtime/runtime.h"
#include "tests/abi/Inputs/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int halide_do_par_for(void *, int (*)(void *, int, uint8_t *), int, int, uint8_t *);
void *halide_malloc(void *, size_t);
void halide_free(void *, void *);

static int toy_kernel_result; /* what the second kernel returns */

static float *host(const struct halide_buffer_t *buffer) { return (float *)(void *)buffer->host; }

static int total_row(void *context, int row, uint8_t *closure) {
  void **args = (void **)(void *)closure;
  const struct halide_buffer_t *x = args[0], *scale = args[1], *total = args[2];
  int length = x->dim[0].extent;
  float *scratch = halide_malloc(context, (size_t)length * sizeof(float));
  memcpy(scratch, host(x) + (size_t)row * (size_t)x->dim[1].stride, (size_t)length * sizeof(float));
  float sum = 0;
  for (int i = 0; i < length; ++i)
    sum += scratch[i];
  halide_free(context, scratch);
  host(total)[row] = host(scale)[0] * sum;
  return 0;
}

static int total_argv(void **args) {
  const struct halide_buffer_t *total = args[2];
  return halide_do_par_for(NULL, total_row, 0, total->dim[0].extent, (uint8_t *)args);
}

static int steps_argv(void **args) {
  const struct halide_buffer_t *x = args[0], *steps = args[1];
  int length = x->dim[0].extent;
  for (int b = 0; b < x->dim[1].extent; ++b)
    for (int i = 0; i + 1 < length; ++i)
      host(steps)[b * (length - 1) + i] = host(x)[b * length + i + 1] - host(x)[b * length + i];
  return toy_kernel_result;
}

static int64_t toy_arena_bytes(const int64_t *s) { return s[0] * s[1] * (int64_t)sizeof(float); }

static void toy_output_shapes(const int64_t *s, int64_t *dims) {
  dims[0] = s[0];
  dims[1] = s[0];
  dims[2] = s[1] - 1;
}

/* Adds the inputs into the arena, then runs both kernels on the sum. */
static int32_t toy_forward(sylvite_context *context, const int64_t *s, void *const *inputs,
                           void *const *outputs, uint8_t *arena, void *const *parameters) {
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

static const char *const toy_dims[] = {"batch", "length"};
static const int64_t toy_input_shape[] = {SYLVITE_FREE(0), SYLVITE_FREE(1)};
static const int64_t toy_steps_shape[] = {SYLVITE_FREE(0), SYLVITE_DERIVED};
static const int64_t toy_scale_shape[] = {4}, toy_bytes_shape[] = {3};
static const sylvite_tensor toy_inputs[] = {{"x", SYLVITE_FLOAT32, 2, toy_input_shape},
                                            {"z", SYLVITE_FLOAT32, 2, toy_input_shape}};
static const sylvite_tensor toy_outputs[] = {{"total", SYLVITE_FLOAT32, 1, toy_input_shape},
                                             {"steps", SYLVITE_FLOAT32, 2, toy_steps_shape}};
static const sylvite_parameter toy_parameters[] = {
    {{"scale", SYLVITE_FLOAT32, 1, toy_scale_shape}, 0, 1, 0},
    {{"by\"tes", SYLVITE_UINT8, 1, toy_bytes_shape}, 64, 0, 0},
};
static const sylvite_kernel toy_kernels[] = {{"total", "layer_a; layer_b", 0, 8, 0, 32, 2, 1},
                                             {"steps", "layer_c", 0, 4, 0, 32, 1, 1}};
static const sylvite_entry toy_entries[] = {{.name = "forward",
                                             .dim_count = 2,
                                             .input_count = 2,
                                             .output_count = 2,
                                             .kernel_count = 2,
                                             .dims = toy_dims,
                                             .inputs = toy_inputs,
                                             .outputs = toy_outputs}};
static const int64_t toy_least_dims[] = {1, 1};
static const struct sylvite_function toy_functions[] = {{.arena_bytes = toy_arena_bytes,
                                                         .output_shapes = toy_output_shapes,
                                                         .run = toy_forward,
                                                         .least_dims = toy_least_dims}};
static const _Alignas(64) union {
  float scale[4];
  uint8_t all[67];
} toy_weights = {.all = {0, 0, 0, 0x40, /* 2.0f */ [64] = 7, 8, 9}};

static const struct sylvite_program toy = {
    .info = {.abi = SYLVITE_ABI,
             .dim_count = 2,
             .name = "toy",
             .model = "toy model",
             .compiler = "hand",
             .target = "host",
             .dims = toy_dims,
             .input_count = 2,
             .output_count = 2,
             .inputs = toy_inputs,
             .outputs = toy_outputs,
             .model_parameters = 7,
             .parameter_count = 2,
             .kernel_count = 2,
             .parameters = toy_parameters,
             .kernels = toy_kernels,
             .weights_bytes = 67,
             .entries = toy_entries,
             .entry_count = 1},
    .weights = toy_weights.all,
    .functions = toy_functions,
    .learning_rate = -1,
};

/* Runs `model` on x = 1, 2, 3, ... and z = 0 and checks both outputs. */
static void toy_check(sylvite_model *model, int64_t batch, int64_t length, float scale) {
  size_t count = (size_t)(batch * length);
  float *x = malloc(count * sizeof *x), *z = calloc(count, sizeof *z);
  float *total = malloc((size_t)batch * sizeof *total), *steps = malloc(count * sizeof *steps);
  for (size_t i = 0; i < count; ++i)
    x[i] = (float)(i % 64);
  const void *inputs[] = {x, z};
  void *outputs[] = {total, steps};
  int64_t dims[] = {batch, length};
  int status = sylvite_run(model, inputs, dims, outputs);
  if (status != SYLVITE_OK)
    fprintf(stderr, "%s\n", sylvite_last_error(model));
  CHECK(status == SYLVITE_OK);
  for (int64_t b = 0; b < batch; ++b) {
    float sum = 0;
    for (int64_t i = 0; i < length; ++i)
      sum += x[b * length + i];
    CHECK(total[b] == scale * sum);
    for (int64_t i = 0; i + 1 < length; ++i)
      CHECK(steps[b * (length - 1) + i] == x[b * length + i + 1] - x[b * length + i]);
  }
  free(x);
  free(z);
  free(total);
  free(steps);
}
#endif
