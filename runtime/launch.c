/* What the host program calls: describing tensors to kernels, and running a kernel. */
#include "runtime.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

static void fail_size(sylvite_context *context) {
  sylvite_context_fail(context, SYLVITE_INVALID_ARGUMENT,
                       "the batch is too large: an intermediate tensor would have 2^31 elements or more");
}

/* Multiplies a stride; false where kernels cannot have the product. */
static bool grow(int64_t *stride, int64_t elements) {
  return !__builtin_mul_overflow(*stride, elements, stride) && *stride <= INT32_MAX;
}

void sylvite_buffer_init(sylvite_context *context, struct halide_buffer_t *buffer,
                         struct halide_dimension_t *dims, void *data, int32_t type, int32_t rank,
                         const int64_t *extents) {
  int64_t stride = 1;
  bool fits = true;
  for (int32_t i = 0; i < rank; ++i) {
    int64_t extent = extents[rank - 1 - i];
    dims[i].min = 0;
    dims[i].extent = (int32_t)extent;
    dims[i].stride = (int32_t)stride;
    dims[i].flags = 0;
    fits = fits && extent >= 0 && extent <= INT32_MAX && grow(&stride, extent);
  }
  if (!fits)
    fail_size(context);
  memset(buffer, 0, sizeof *buffer);
  buffer->host = data;
  buffer->type.code = (uint8_t)type;
  buffer->type.bits = (uint8_t)(type >> 8);
  buffer->type.lanes = (uint16_t)(type >> 16);
  buffer->dimensions = rank;
  buffer->dim = dims;
}

void sylvite_buffer_set_pitch(sylvite_context *context, struct halide_buffer_t *buffer, int64_t pitch) {
  int64_t stride = pitch;
  bool fits = pitch <= INT32_MAX;
  for (int32_t i = 1; i < buffer->dimensions && fits; ++i) {
    buffer->dim[i].stride = (int32_t)stride;
    fits = grow(&stride, buffer->dim[i].extent);
  }
  if (!fits)
    fail_size(context);
}

static double now_seconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static int64_t count_elements(const struct halide_buffer_t *buffer) {
  int64_t count = 1;
  for (int32_t d = 0; d < buffer->dimensions; ++d)
    count *= buffer->dim[d].extent;
  return count;
}

/* Whether a tensor of floats has a NaN. Written so that the compiler vectorizes it. */
static bool has_nan(const struct halide_buffer_t *buffer) {
  if (buffer->type.code != 2 || buffer->type.bits != 32)
    return false;
  int64_t count = count_elements(buffer);
  int64_t run = count, pitch = 0; /* elements that are side by side, and from the first of them to the first of the next */
  if (buffer->dimensions > 1 && buffer->dim[1].stride != buffer->dim[0].extent) {
    run = buffer->dim[0].extent;
    pitch = buffer->dim[1].stride;
  }
  const float *values = (const float *)(const void *)buffer->host;
  int found = 0;
  for (int64_t done = 0; done < count; done += run, values += pitch)
    for (int64_t i = 0; i < run; ++i)
      found |= values[i] != values[i];
  return found != 0;
}

/* Whether a kernel ends in a few microseconds, about: to share it with other threads costs as much. The number of items follows from the
 * size of its tensors. */
static bool is_brief(const sylvite_kernel *kernel, void **args) {
  const double bytes_per_microsecond = 25e3, flops_per_microsecond = 100e3, few_microseconds = 8;
  double bytes = 0;
  for (int32_t i = 0; i < kernel->read_count + kernel->write_count; ++i) {
    const struct halide_buffer_t *buffer = args[i];
    bytes += (double)count_elements(buffer) * ((buffer->type.bits + 7) / 8);
  }
  double items = kernel->bytes_per_item > 0 ? (bytes - kernel->bytes) / kernel->bytes_per_item : 0;
  double flops = kernel->flops + items * kernel->flops_per_item;
  return bytes / bytes_per_microsecond + flops / flops_per_microsecond < few_microseconds;
}

int32_t sylvite_launch(sylvite_context *context, int32_t kernel_index, int (*argv_function)(void **),
                       void **args) {
  int32_t status = atomic_load_explicit(&context->status, memory_order_relaxed);
  if (status != SYLVITE_OK)
    return status;
  const sylvite_kernel *kernel = &context->program->info.kernels[kernel_index];
  if (count_elements(args[kernel->read_count]) == 0) /* all results of a kernel have one shape */
    return SYLVITE_OK;
  double start = context->profile ? now_seconds() : 0;
  struct sylvite_thread *thread = sylvite_thread_state();
  thread->is_brief = sylvite_threads() > 1 && is_brief(kernel, args);
  int result = argv_function(args);
  thread->is_brief = false;
  if (context->profile) {
    context->profile[kernel_index].seconds += now_seconds() - start;
    ++context->profile[kernel_index].calls;
  }
  if (result != 0)
    return sylvite_context_fail(context, SYLVITE_INTERNAL_ERROR, "kernel %s failed with code %d",
                                kernel->name, result);
  if (context->checks)
    for (int32_t i = kernel->read_count; i < kernel->read_count + kernel->write_count; ++i)
      if (has_nan(args[i]))
        return sylvite_context_fail(context, SYLVITE_NOT_A_NUMBER, "layer '%s' computes a value that is not a number",
                                    kernel->layers[0] ? kernel->layers : kernel->name);
  return SYLVITE_OK;
}
