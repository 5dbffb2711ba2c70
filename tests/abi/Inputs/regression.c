/* The host program of a model that trains, compiled to LLVM IR: p = x w + b for x of (batch, 3), mean squared
 * error, gradient descent with momentum 0.5 and a learning rate that can be set. It has no kernels. */
#include "runtime/program.h"

enum { KERNEL, BIAS, KERNEL_MOMENTUM, BIAS_MOMENTUM, ITERATIONS, LEARNING_RATE, SUMS };

int64_t forward_arena_bytes(const int64_t *s) { return 0; }
int64_t train_step_arena_bytes(const int64_t *s) { return 64 + s[0] * (int64_t)sizeof(float); }
int64_t evaluate_arena_bytes(const int64_t *s) { return s[0] * (int64_t)sizeof(float); }
int64_t gradients_arena_bytes(const int64_t *s) { return s[0] * (int64_t)sizeof(float); }

int64_t metrics_result_arena_bytes(const int64_t *s) { return 0; }
int64_t reset_metrics_arena_bytes(const int64_t *s) { return 0; }

void forward_output_shapes(const int64_t *s, int64_t *dims) { dims[0] = s[0]; }
void train_step_output_shapes(const int64_t *s, int64_t *dims) {}
void evaluate_output_shapes(const int64_t *s, int64_t *dims) {}
void metrics_result_output_shapes(const int64_t *s, int64_t *dims) {}
void reset_metrics_output_shapes(const int64_t *s, int64_t *dims) {}
void gradients_output_shapes(const int64_t *s, int64_t *dims) {
  dims[0] = 3;
  dims[1] = 1;
}

static void predict(int64_t batch, const float *x, void *const *parameters, float *p) {
  const float *w = parameters[KERNEL], *b = parameters[BIAS];
  for (int64_t i = 0; i < batch; ++i)
    p[i] = x[3 * i] * w[0] + x[3 * i + 1] * w[1] + x[3 * i + 2] * w[2] + b[0];
}

static void measure(int64_t batch, const float *p, const float *y, float *loss, float *mae) {
  *loss = *mae = 0;
  for (int64_t i = 0; i < batch; ++i) {
    float e = p[i] - y[i];
    *loss += e * e;
    *mae += e < 0 ? -e : e;
  }
  *loss /= (float)batch;
  *mae /= (float)batch;
}

/* Of the loss, of the error, and the number of items. */
static void accumulate(int64_t batch, const float *loss, const float *mae, void *const *parameters) {
  double *sums = parameters[SUMS];
  sums[0] += (double)*loss * (double)batch;
  sums[1] += (double)*mae * (double)batch;
  sums[2] += (double)batch;
}

static void differentiate(int64_t batch, const float *x, const float *p, const float *y, float *kernel, float *bias) {
  kernel[0] = kernel[1] = kernel[2] = *bias = 0;
  for (int64_t i = 0; i < batch; ++i) {
    float e = 2 * (p[i] - y[i]) / (float)batch;
    for (int j = 0; j < 3; ++j)
      kernel[j] += e * x[3 * i + j];
    *bias += e;
  }
}

int32_t forward(sylvite_context *context, const int64_t *s, void *const *inputs, void *const *outputs,
                uint8_t *arena, void *const *parameters) {
  predict(s[0], inputs[0], parameters, outputs[0]);
  return 0;
}

int32_t evaluate(sylvite_context *context, const int64_t *s, void *const *inputs, void *const *outputs,
                 uint8_t *arena, void *const *parameters) {
  float *p = (float *)(void *)arena;
  predict(s[0], inputs[0], parameters, p);
  measure(s[0], p, inputs[1], outputs[0], outputs[1]);
  accumulate(s[0], outputs[0], outputs[1], parameters);
  return 0;
}

int32_t gradients(sylvite_context *context, const int64_t *s, void *const *inputs, void *const *outputs,
                  uint8_t *arena, void *const *parameters) {
  float *p = (float *)(void *)arena, mae;
  predict(s[0], inputs[0], parameters, p);
  measure(s[0], p, inputs[1], outputs[0], &mae);
  differentiate(s[0], inputs[0], p, inputs[1], outputs[1], outputs[2]);
  return 0;
}

int32_t train_step(sylvite_context *context, const int64_t *s, void *const *inputs, void *const *outputs,
                   uint8_t *arena, void *const *parameters) {
  float *gradient = (float *)(void *)arena, *p = gradient + 16;
  predict(s[0], inputs[0], parameters, p);
  measure(s[0], p, inputs[1], outputs[0], outputs[1]);
  accumulate(s[0], outputs[0], outputs[1], parameters);
  differentiate(s[0], inputs[0], p, inputs[1], gradient, gradient + 3);
  float rate = *(float *)parameters[LEARNING_RATE];
  for (int i = 0; i < 4; ++i) {
    float *value = i < 3 ? (float *)parameters[KERNEL] + i : parameters[BIAS];
    float *momentum = i < 3 ? (float *)parameters[KERNEL_MOMENTUM] + i : parameters[BIAS_MOMENTUM];
    *momentum = 0.5f * *momentum - rate * gradient[i];
    *value += *momentum;
  }
  ++*(int64_t *)parameters[ITERATIONS];
  return 0;
}

int32_t metrics_result(sylvite_context *context, const int64_t *s, void *const *inputs, void *const *outputs,
                       uint8_t *arena, void *const *parameters) {
  const double *sums = parameters[SUMS];
  for (int i = 0; i < 2; ++i)
    *(float *)outputs[i] = sums[2] > 0 ? (float)(sums[i] / sums[2]) : 0;
  return 0;
}

int32_t reset_metrics(sylvite_context *context, const int64_t *s, void *const *inputs, void *const *outputs,
                      uint8_t *arena, void *const *parameters) {
  double *sums = parameters[SUMS];
  sums[0] = sums[1] = sums[2] = 0;
  return 0;
}
