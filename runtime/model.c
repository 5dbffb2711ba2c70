/* Model handles: create and destroy, checking the arguments of a call, and running it.
 *
 * A handle owns the parameter table, the arena between calls, and its last error. Whatever a caller can get
 * wrong is found here, before the host program runs; kernels check nothing. */
#include "runtime.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sylvite_model {
  sylvite_context context;
  atomic_bool busy;
  void **parameters; /* one per info.parameters, then the state */
  void *state;       /* what stateful layers keep from call to call, or NULL */
  struct sylvite_weights weights;
  void *arena;
  size_t arena_size;
  bool caller_owns_arena;
  sylvite_profile *profile; /* allocated when profiling is first turned on, kept for reading */
};

enum { MAX_DIMS = 64, MAX_OUTPUT_DIMS = 1024 };

/* ---- Create and destroy ------------------------------------------------------------------------------- */

static int check_processor(const struct sylvite_program *program, char *error) {
  uint64_t missing = sylvite_cpu_missing(program->cpu_features);
  if (!missing)
    return SYLVITE_OK;
  char list[256] = "";
  for (; missing; missing &= missing - 1) {
    size_t used = strlen(list);
    snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "",
             sylvite_cpu_feature_name(missing & -missing));
  }
  return sylvite_fail(error, SYLVITE_UNSUPPORTED_CPU,
                      "model '%s' is compiled for %s; this processor lacks %s", program->info.name,
                      program->info.target, list);
}

/* The weights file beside the library (or the executable, for a static link). */
static void default_weights_path(const struct sylvite_program *program, char *path, size_t size) {
  Dl_info object;
  const char *file = dladdr(program, &object) && object.dli_fname ? object.dli_fname : "";
  const char *slash = strrchr(file, '/');
  int directory = slash ? (int)(slash - file + 1) : 0;
  snprintf(path, size, "%.*s%s", directory, file, program->info.weights_file);
}

static int open_weights(sylvite_model *model, const char *path, char *error) {
  const struct sylvite_program *program = model->context.program;
  const sylvite_info *info = &program->info;
  if (!path && program->weights) {
    for (int32_t i = 0; i < info->parameter_count; ++i)
      model->parameters[i] = (void *)(uintptr_t)(program->weights + info->parameters[i].offset);
    return SYLVITE_OK;
  }
  if (!path && info->parameter_count == 0)
    return SYLVITE_OK;
  char beside[4096];
  if (!path) {
    default_weights_path(program, beside, sizeof beside);
    path = beside;
  }
  return sylvite_safetensors_open(path, info->parameters, info->parameter_count, model->parameters,
                                  &model->weights, error);
}

sylvite_model *sylvite_create(const struct sylvite_program *program, const sylvite_options *given) {
  char *error = sylvite_thread_state()->error;
  error[0] = '\0';
  sylvite_options options = {0};
  if (given) {
    if (given->size != sizeof options) {
      sylvite_fail(error, SYLVITE_INVALID_ARGUMENT,
                   "options.size is %zu; set it to sizeof(sylvite_options), %zu", given->size,
                   sizeof options);
      return NULL;
    }
    options = *given;
  }
  if (check_processor(program, error) != SYLVITE_OK)
    return NULL;
  if (options.workspace && (uintptr_t)options.workspace % SYLVITE_ALIGNMENT != 0) {
    sylvite_fail(error, SYLVITE_INVALID_ARGUMENT, "options.workspace is not aligned to %d bytes",
                 SYLVITE_ALIGNMENT);
    return NULL;
  }
  sylvite_model *model = calloc(1, sizeof *model);
  size_t state_bytes = (program->state_bytes + SYLVITE_ALIGNMENT - 1) & ~(size_t)(SYLVITE_ALIGNMENT - 1);
  if (model) {
    model->parameters = calloc((size_t)program->info.parameter_count + 1, sizeof *model->parameters);
    if (state_bytes)
      model->state = aligned_alloc(SYLVITE_ALIGNMENT, state_bytes);
  }
  if (!model || !model->parameters || (state_bytes && !model->state)) {
    sylvite_fail(error, SYLVITE_OUT_OF_MEMORY, "out of memory for a handle of model '%s'",
                 program->info.name);
    if (model) {
      free(model->state);
      free(model->parameters);
    }
    free(model);
    return NULL;
  }
  if (model->state)
    memset(model->state, 0, state_bytes);
  model->parameters[program->info.parameter_count] = model->state;
  model->context.program = program;
  if (options.workspace) {
    model->arena = options.workspace;
    model->arena_size = options.workspace_size;
    model->caller_owns_arena = true;
  }
  if (open_weights(model, options.weights, error) != SYLVITE_OK) {
    free(model->state);
    free(model->parameters);
    free(model);
    return NULL;
  }
  return model;
}

void sylvite_destroy(sylvite_model *model) {
  if (!model)
    return;
  sylvite_weights_close(&model->weights);
  if (!model->caller_owns_arena)
    free(model->arena);
  free(model->profile);
  free(model->state);
  free(model->parameters);
  free(model);
}

const char *sylvite_last_error(const sylvite_model *model) {
  return model ? model->context.error : sylvite_thread_state()->error;
}

/* Takes the handle for this thread. What follows must end with leave(). */
static int enter(sylvite_model *model) {
  if (!model)
    return sylvite_fail(sylvite_thread_state()->error, SYLVITE_INVALID_ARGUMENT, "the model is null");
  if (atomic_exchange_explicit(&model->busy, true, memory_order_acquire))
    return sylvite_fail(sylvite_thread_state()->error, SYLVITE_BUSY,
                        "the handle is in use by another thread; create one handle per thread");
  atomic_store_explicit(&model->context.status, SYLVITE_OK, memory_order_relaxed);
  model->context.error[0] = '\0';
  return SYLVITE_OK;
}

static int leave(sylvite_model *model, int status) {
  atomic_store_explicit(&model->busy, false, memory_order_release);
  return status;
}

/* ---- Shapes ------------------------------------------------------------------------------------------- */

/* Checks the free dimensions. After it, every dim is in [1, 2^31) and every input is below 2^31 elements. */
static int check_dims(const sylvite_info *info, const int64_t *dims, char *error) {
  if (!dims && info->dim_count > 0)
    return sylvite_fail(error, SYLVITE_INVALID_ARGUMENT, "dims is null");
  for (int32_t k = 0; k < info->dim_count; ++k) {
    if (dims[k] <= 0)
      return sylvite_fail(error, SYLVITE_INVALID_ARGUMENT, "%s must be positive, not %" PRId64,
                          info->dims[k], dims[k]);
    if (dims[k] > INT32_MAX)
      return sylvite_fail(error, SYLVITE_INVALID_ARGUMENT, "%s is %" PRId64 "; at most %d is supported",
                          info->dims[k], dims[k], INT32_MAX);
  }
  return SYLVITE_OK;
}

/* The size of dimension `d`, which is not SYLVITE_DERIVED. */
static int64_t size_of(const sylvite_tensor *tensor, int32_t d, const int64_t *dims) {
  int64_t size = tensor->shape[d];
  return size >= 0 ? size : dims[-1 - size];
}

static int check_elements(const char *kind, const sylvite_tensor *tensor, const int64_t *shape,
                          char *error) {
  int64_t elements = 1;
  for (int32_t d = 0; d < tensor->rank; ++d) {
    if (shape[d] < 0 || (shape[d] == 0 && tensor->shape[d] != 0))
      return sylvite_fail(error, SYLVITE_INVALID_ARGUMENT,
                          "%s '%s' would have size %" PRId64 " in dimension %d", kind, tensor->name,
                          shape[d], d);
    if (__builtin_mul_overflow(elements, shape[d], &elements) || elements > INT32_MAX)
      return sylvite_fail(error, SYLVITE_INVALID_ARGUMENT,
                          "%s '%s' would have 2^31 elements or more", kind, tensor->name);
  }
  return SYLVITE_OK;
}

static int check_inputs(const sylvite_info *info, const int64_t *dims, char *error) {
  int status = check_dims(info, dims, error);
  for (int32_t i = 0; i < info->input_count && status == SYLVITE_OK; ++i) {
    const sylvite_tensor *tensor = &info->inputs[i];
    int64_t shape[MAX_DIMS];
    if (tensor->rank > MAX_DIMS)
      return sylvite_fail(error, SYLVITE_INTERNAL_ERROR, "input '%s' has rank %d", tensor->name,
                          tensor->rank);
    for (int32_t d = 0; d < tensor->rank; ++d)
      shape[d] = size_of(tensor, d, dims);
    status = check_elements("input", tensor, shape, error);
  }
  return status;
}

/* Computes all output shapes, one after the other, and checks them. */
static int check_outputs(const struct sylvite_program *program, const int64_t *dims, int64_t *shapes,
                         char *error) {
  const sylvite_info *info = &program->info;
  int32_t total = 0;
  for (int32_t i = 0; i < info->output_count; ++i)
    total += info->outputs[i].rank;
  if (total > MAX_OUTPUT_DIMS)
    return sylvite_fail(error, SYLVITE_INTERNAL_ERROR, "outputs have %d dimensions together", total);
  program->output_shapes(dims, shapes);
  int status = SYLVITE_OK;
  for (int32_t i = 0; i < info->output_count && status == SYLVITE_OK; ++i) {
    status = check_elements("output", &info->outputs[i], shapes, error);
    shapes += info->outputs[i].rank;
  }
  return status;
}

static int check_sizes(const struct sylvite_program *program, const int64_t *dims, size_t *arena,
                       char *error) {
  int64_t shapes[MAX_OUTPUT_DIMS];
  int status = check_inputs(&program->info, dims, error);
  if (status == SYLVITE_OK)
    status = check_outputs(program, dims, shapes, error);
  if (status != SYLVITE_OK)
    return status;
  int64_t bytes = program->arena_bytes(dims);
  if (bytes < 0 || (uint64_t)bytes > PTRDIFF_MAX - SYLVITE_ALIGNMENT)
    return sylvite_fail(error, SYLVITE_INVALID_ARGUMENT, "the workspace would not fit into memory");
  *arena = (size_t)bytes;
  return SYLVITE_OK;
}

size_t sylvite_workspace_size(const struct sylvite_program *program, const int64_t *dims) {
  char *error = sylvite_thread_state()->error;
  size_t bytes = 0;
  error[0] = '\0';
  return check_sizes(program, dims, &bytes, error) == SYLVITE_OK ? bytes : 0;
}

int sylvite_output_shape(const struct sylvite_program *program, int32_t output, const int64_t *dims,
                         int64_t *shape) {
  char *error = sylvite_thread_state()->error;
  const sylvite_info *info = &program->info;
  int64_t shapes[MAX_OUTPUT_DIMS];
  if (output < 0 || output >= info->output_count)
    return sylvite_fail(error, SYLVITE_INVALID_ARGUMENT, "output %d does not exist; the model has %d",
                        output, info->output_count);
  if (!shape)
    return sylvite_fail(error, SYLVITE_INVALID_ARGUMENT, "shape is null");
  int status = check_inputs(info, dims, error);
  if (status == SYLVITE_OK)
    status = check_outputs(program, dims, shapes, error);
  if (status != SYLVITE_OK)
    return status;
  int32_t start = 0;
  for (int32_t i = 0; i < output; ++i)
    start += info->outputs[i].rank;
  memcpy(shape, shapes + start, (size_t)info->outputs[output].rank * sizeof *shape);
  return SYLVITE_OK;
}

/* ---- Run ---------------------------------------------------------------------------------------------- */

static int check_pointers(const char *kind, const sylvite_tensor *tensors, int32_t count,
                          const void *const *pointers, char *error) {
  if (!pointers && count > 0)
    return sylvite_fail(error, SYLVITE_INVALID_ARGUMENT, "the array of %ss is null", kind);
  for (int32_t i = 0; i < count; ++i) {
    if (!pointers[i])
      return sylvite_fail(error, SYLVITE_INVALID_ARGUMENT, "%s '%s' is null", kind, tensors[i].name);
    size_t alignment = sylvite_dtype_size(tensors[i].dtype);
    if ((uintptr_t)pointers[i] % alignment != 0)
      return sylvite_fail(error, SYLVITE_INVALID_ARGUMENT, "%s '%s' is not aligned to its %zu-byte elements",
                          kind, tensors[i].name, alignment);
  }
  return SYLVITE_OK;
}

static int prepare_arena(sylvite_model *model, size_t bytes) {
  if (bytes <= model->arena_size)
    return SYLVITE_OK;
  char *error = model->context.error;
  if (model->caller_owns_arena)
    return sylvite_fail(error, SYLVITE_INVALID_ARGUMENT,
                        "this call needs a workspace of %zu bytes; options.workspace_size is %zu", bytes,
                        model->arena_size);
  size_t rounded = (bytes + SYLVITE_ALIGNMENT - 1) & ~(size_t)(SYLVITE_ALIGNMENT - 1);
  /* Free first: old and new together would be the peak. */
  free(model->arena);
  model->arena_size = 0;
  model->arena = aligned_alloc(SYLVITE_ALIGNMENT, rounded);
  if (!model->arena)
    return sylvite_fail(error, SYLVITE_OUT_OF_MEMORY, "out of memory for a workspace of %zu bytes", bytes);
  model->arena_size = rounded;
  return SYLVITE_OK;
}

static int run(sylvite_model *model, const void *const *inputs, const int64_t *dims,
               void *const *outputs) {
  sylvite_context *context = &model->context;
  const struct sylvite_program *program = context->program;
  const sylvite_info *info = &program->info;
  size_t arena = 0;
  int status = check_sizes(program, dims, &arena, context->error);
  if (status == SYLVITE_OK)
    status = check_pointers("input", info->inputs, info->input_count, inputs, context->error);
  if (status == SYLVITE_OK)
    status = check_pointers("output", info->outputs, info->output_count, (const void *const *)outputs,
                            context->error);
  if (status == SYLVITE_OK)
    status = prepare_arena(model, arena);
  if (status != SYLVITE_OK)
    return status;
  struct sylvite_thread *thread = sylvite_thread_state();
  sylvite_context *outer = thread->context;
  thread->context = context;
  int result = program->forward(context, dims, (void *const *)inputs, outputs, model->arena,
                                model->parameters);
  thread->context = outer;
  status = atomic_load_explicit(&context->status, memory_order_relaxed);
  if (status == SYLVITE_OK && result != 0)
    status = sylvite_fail(context->error, SYLVITE_INTERNAL_ERROR, "the model failed with code %d", result);
  return status;
}

int sylvite_run(sylvite_model *model, const void *const *inputs, const int64_t *dims,
                void *const *outputs) {
  int status = enter(model);
  return status == SYLVITE_OK ? leave(model, run(model, inputs, dims, outputs)) : status;
}

int sylvite_reset_states(sylvite_model *model) {
  int status = enter(model);
  if (status != SYLVITE_OK)
    return status;
  if (model->state)
    memset(model->state, 0, model->context.program->state_bytes);
  return leave(model, SYLVITE_OK);
}

/* ---- Weights ------------------------------------------------------------------------------------------ */

int sylvite_save(sylvite_model *model, const char *path) {
  int status = enter(model);
  if (status != SYLVITE_OK)
    return status;
  const sylvite_info *info = &model->context.program->info;
  if (!path)
    return leave(model, sylvite_fail(model->context.error, SYLVITE_INVALID_ARGUMENT, "path is null"));
  return leave(model, sylvite_safetensors_save(path, info->parameters, info->parameter_count,
                                               model->parameters, model->context.error));
}

int sylvite_load(sylvite_model *model, const char *path) {
  int status = enter(model);
  if (status != SYLVITE_OK)
    return status;
  const sylvite_info *info = &model->context.program->info;
  if (!path)
    return leave(model, sylvite_fail(model->context.error, SYLVITE_INVALID_ARGUMENT, "path is null"));
  struct sylvite_weights fresh = {0};
  status = sylvite_safetensors_open(path, info->parameters, info->parameter_count, model->parameters,
                                    &fresh, model->context.error);
  if (status == SYLVITE_OK) {
    sylvite_weights_close(&model->weights);
    model->weights = fresh;
  }
  return leave(model, status);
}

/* ---- Profile ------------------------------------------------------------------------------------------ */

int sylvite_set_profile(sylvite_model *model, int enabled) {
  int status = enter(model);
  if (status != SYLVITE_OK)
    return status;
  size_t count = (size_t)model->context.program->info.kernel_count + 1;
  model->context.profile = NULL;
  if (!enabled)
    return leave(model, SYLVITE_OK);
  if (!model->profile)
    model->profile = malloc(count * sizeof *model->profile);
  if (!model->profile)
    return leave(model, sylvite_fail(model->context.error, SYLVITE_OUT_OF_MEMORY,
                                     "out of memory for a profile"));
  memset(model->profile, 0, count * sizeof *model->profile);
  model->context.profile = model->profile;
  return leave(model, SYLVITE_OK);
}

int sylvite_profile_kernel(const sylvite_model *model, int32_t kernel, sylvite_profile *profile) {
  char *error = sylvite_thread_state()->error;
  if (!model || !profile)
    return sylvite_fail(error, SYLVITE_INVALID_ARGUMENT, "the model or the profile is null");
  int32_t count = model->context.program->info.kernel_count;
  if (kernel < 0 || kernel >= count)
    return sylvite_fail(error, SYLVITE_INVALID_ARGUMENT, "kernel %d does not exist; the model has %d",
                        kernel, count);
  static const sylvite_profile none;
  *profile = model->profile ? model->profile[kernel] : none;
  return SYLVITE_OK;
}
