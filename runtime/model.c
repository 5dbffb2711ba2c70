/* Model handles: create and destroy, checking the arguments of a call, and running it.
 *
 * A handle owns the parameter table, the parameters that training changes, the arena between calls, and its last
 * error. Whatever a caller can get wrong is found here, before the host program runs; kernels check nothing. */
#include "runtime.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sylvite_model {
  sylvite_context context;
  atomic_bool busy;
  void **parameters; /* one per info.parameters, then the state */
  void *state;       /* what stateful layers keep from call to call, then the parameters that training changes;
                        NULL when there is nothing of either */
  struct sylvite_weights weights; /* the file that constant parameters lie in, if they do */
  bool shares_constants;          /* sylvite_share_constants was true */
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

static size_t aligned_size(size_t bytes) {
  return (bytes + SYLVITE_ALIGNMENT - 1) & ~(size_t)(SYLVITE_ALIGNMENT - 1);
}

/* Lays out what the handle keeps, the state and the parameters that training changes, and returns its size; with a `base`, points the
 * table there. Large parameters begin at different lines of a page: an optimizer reads the same place of several, which would
 * share sets of the first cache, and a store to one would look like a store to another. 784 x 512 with Adam: 0.237 to 0.226 ms. */
static size_t lay_out_state(sylvite_model *model, uint8_t *base) {
  enum { PAGE = 4096, LARGE = 16 * PAGE, APART = 5 * SYLVITE_ALIGNMENT };
  const struct sylvite_program *program = model->context.program;
  const sylvite_info *info = &program->info;
  size_t place = aligned_size(program->state_bytes), line = 0;
  if (base)
    model->parameters[info->parameter_count] = base;
  for (int32_t i = 0; i < info->parameter_count; ++i) {
    if (info->parameters[i].role == SYLVITE_CONSTANT)
      continue;
    size_t bytes = aligned_size(sylvite_parameter_bytes(&info->parameters[i]));
    if (bytes >= LARGE) {
      place = (place + PAGE - 1) / PAGE * PAGE + line;
      line = (line + APART) % PAGE;
    }
    if (base)
      model->parameters[i] = base + place;
    place += bytes;
  }
  return place;
}

/* Allocates what the handle keeps, zeroed. */
static bool allocate_state(sylvite_model *model) {
  size_t bytes = lay_out_state(model, NULL);
  if (bytes == 0)
    return true;
  model->state = sylvite_allocate(bytes);
  if (!model->state)
    return false;
  memset(model->state, 0, bytes);
  lay_out_state(model, model->state);
  return true;
}

/* Takes the value of parameter `i`: points at that of a constant, copies that of another into the handle. */
static void take_value(sylvite_model *model, int32_t i, const void *value) {
  const sylvite_parameter *parameter = &model->context.program->info.parameters[i];
  if (parameter->role == SYLVITE_CONSTANT)
    model->parameters[i] = (void *)(uintptr_t)value;
  else if (value != model->parameters[i])
    memcpy(model->parameters[i], value, sylvite_parameter_bytes(parameter));
}

/* Lets go of where constants lie that are not the library's own pages. */
static void close_weights(sylvite_model *model) {
  sylvite_weights_close(&model->weights);
  if (model->shares_constants)
    sylvite_release_constants(model->context.program);
  model->shares_constants = false;
}

/* Takes all values from a file, or none when it fails. One that need not be `complete` may lack training state,
 * of which the handle then keeps what it has. */
static int load_weights(sylvite_model *model, const char *path, bool complete, char **note, char *error) {
  const struct sylvite_program *program = model->context.program;
  const sylvite_info *info = &program->info;
  void **table = calloc((size_t)info->parameter_count + 1, sizeof *table);
  if (!table)
    return sylvite_fail(error, SYLVITE_OUT_OF_MEMORY, "out of memory for the weights of model '%s'", info->name);
  bool mapped = false;
  for (int32_t i = 0; i < info->parameter_count; ++i) {
    const sylvite_parameter *parameter = &info->parameters[i];
    bool has_value = program->weights || parameter->offset == SYLVITE_ZERO;
    if (!complete && has_value && parameter->role == SYLVITE_TRAINING_STATE)
      table[i] = model->parameters[i];
    mapped |= parameter->role == SYLVITE_CONSTANT;
  }
  struct sylvite_weights fresh = {0};
  int status =
      sylvite_safetensors_open(path, info->parameters, info->parameter_count, table, &fresh, note, error);
  if (status == SYLVITE_OK) {
    for (int32_t i = 0; i < info->parameter_count; ++i)
      take_value(model, i, table[i]);
    close_weights(model);
    if (mapped)
      model->weights = fresh;
    else
      sylvite_weights_close(&fresh);
  }
  free(table);
  return status;
}

static int open_weights(sylvite_model *model, const char *path, bool in_place, char *error) {
  const struct sylvite_program *program = model->context.program;
  const sylvite_info *info = &program->info;
  bool moves = program->weights && sylvite_can_move_weights(program);
  for (int32_t i = 0; i < info->parameter_count && program->weights; ++i) {
    const sylvite_parameter *parameter = &info->parameters[i];
    if (parameter->offset == SYLVITE_ZERO)
      continue;
    if (moves && parameter->role != SYLVITE_CONSTANT)
      sylvite_move_weights(model->parameters[i], program->weights + parameter->offset, sylvite_parameter_bytes(parameter));
    else
      take_value(model, i, program->weights + parameter->offset);
  }
  if (path)
    return load_weights(model, path, false, NULL, error);
  if (!in_place)
    model->shares_constants = sylvite_share_constants(program, model->parameters);
  if (program->weights || info->weights_bytes == 0)
    return SYLVITE_OK;
  char beside[4096];
  default_weights_path(program, beside, sizeof beside);
  return load_weights(model, beside, false, NULL, error);
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
  if (model) {
    model->context.program = program;
    model->parameters = calloc((size_t)program->info.parameter_count + 1, sizeof *model->parameters);
  }
  if (!model || !model->parameters || !allocate_state(model)) {
    sylvite_fail(error, SYLVITE_OUT_OF_MEMORY, "out of memory for a handle of model '%s'",
                 program->info.name);
    sylvite_destroy(model);
    return NULL;
  }
  if (options.workspace) {
    model->arena = options.workspace;
    model->arena_size = options.workspace_size;
    model->caller_owns_arena = true;
  }
  if (open_weights(model, options.weights, options.weights_in_place, error) != SYLVITE_OK) {
    sylvite_destroy(model);
    return NULL;
  }
  return model;
}

void sylvite_destroy(sylvite_model *model) {
  if (!model)
    return;
  close_weights(model);
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

static int check_entry(const struct sylvite_program *program, int32_t entry, char *error) {
  if (entry >= 0 && entry < program->info.entry_count)
    return SYLVITE_OK;
  return sylvite_fail(error, SYLVITE_INVALID_ARGUMENT, "entry %d does not exist; the model has %d", entry,
                      program->info.entry_count);
}

/* Checks the free dimensions. After it, every dim is below 2^31, and at least what the entry asks for. */
static int check_dims(const sylvite_entry *entry, const int64_t *least, const int64_t *dims, char *error) {
  if (!dims && entry->dim_count > 0)
    return sylvite_fail(error, SYLVITE_INVALID_ARGUMENT, "dims is null");
  for (int32_t k = 0; k < entry->dim_count; ++k) {
    if (dims[k] < least[k])
      return sylvite_fail(error, SYLVITE_INVALID_ARGUMENT, "%s must be %s, not %" PRId64, entry->dims[k],
                          least[k] > 0 ? "positive" : "zero or more", dims[k]);
    if (dims[k] > INT32_MAX)
      return sylvite_fail(error, SYLVITE_INVALID_ARGUMENT, "%s is %" PRId64 "; at most %d is supported",
                          entry->dims[k], dims[k], INT32_MAX);
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
    if (shape[d] < 0)
      return sylvite_fail(error, SYLVITE_INVALID_ARGUMENT,
                          "%s '%s' would have size %" PRId64 " in dimension %d", kind, tensor->name,
                          shape[d], d);
    if (__builtin_mul_overflow(elements, shape[d], &elements) || elements > INT32_MAX)
      return sylvite_fail(error, SYLVITE_INVALID_ARGUMENT,
                          "%s '%s' would have 2^31 elements or more", kind, tensor->name);
  }
  return SYLVITE_OK;
}

/* What the layers ask of the sizes; the message has all of them. */
static int check_constraints(const struct sylvite_program *program, int32_t index, const int64_t *dims, char *error) {
  const sylvite_entry *entry = &program->info.entries[index];
  const struct sylvite_function *function = &program->functions[index];
  int64_t violated = function->violated ? function->violated(dims) : -1;
  if (violated < 0)
    return SYLVITE_OK;
  char sizes[SYLVITE_ERROR_BYTES / 2] = "";
  for (int32_t k = 0, length = 0; k < entry->dim_count && length < (int32_t)sizeof sizes; ++k)
    length += snprintf(sizes + length, sizeof sizes - (size_t)length, "%s%s = %" PRId64, k ? ", " : "", entry->dims[k], dims[k]);
  return sylvite_fail(error, SYLVITE_INVALID_ARGUMENT, "%s; the call has %s", function->constraints[violated], sizes);
}

static int check_inputs(const struct sylvite_program *program, int32_t index, const int64_t *dims, char *error) {
  const sylvite_entry *entry = &program->info.entries[index];
  int status = check_dims(entry, program->functions[index].least_dims, dims, error);
  for (int32_t i = 0; i < entry->input_count && status == SYLVITE_OK; ++i) {
    const sylvite_tensor *tensor = &entry->inputs[i];
    int64_t shape[MAX_DIMS];
    if (tensor->rank > MAX_DIMS)
      return sylvite_fail(error, SYLVITE_INTERNAL_ERROR, "input '%s' has rank %d", tensor->name,
                          tensor->rank);
    for (int32_t d = 0; d < tensor->rank; ++d)
      shape[d] = size_of(tensor, d, dims);
    status = check_elements("input", tensor, shape, error);
  }
  return status == SYLVITE_OK ? check_constraints(program, index, dims, error) : status;
}

static bool has_static_shape(const sylvite_tensor *tensor) {
  for (int32_t d = 0; d < tensor->rank; ++d)
    if (tensor->shape[d] < 0)
      return false;
  return true;
}

/* Computes all output shapes, one after the other, and checks them, unless none depends on `dims`. */
static int check_outputs(const struct sylvite_program *program, int32_t index, const int64_t *dims,
                         int64_t *shapes, char *error) {
  const sylvite_entry *entry = &program->info.entries[index];
  int32_t total = 0;
  bool free_dims = false;
  for (int32_t i = 0; i < entry->output_count; ++i) {
    total += entry->outputs[i].rank;
    free_dims |= !has_static_shape(&entry->outputs[i]);
  }
  if (!free_dims) /* gradients and metrics, of which there may be any number */
    return SYLVITE_OK;
  if (total > MAX_OUTPUT_DIMS)
    return sylvite_fail(error, SYLVITE_INTERNAL_ERROR, "outputs have %d dimensions together", total);
  program->functions[index].output_shapes(dims, shapes);
  int status = SYLVITE_OK;
  for (int32_t i = 0; i < entry->output_count && status == SYLVITE_OK; ++i) {
    status = check_elements("output", &entry->outputs[i], shapes, error);
    shapes += entry->outputs[i].rank;
  }
  return status;
}

/* Checks all sizes of a call; gives the shapes of the outputs, as check_outputs, and the bytes of its arena. */
static int check_sizes(const struct sylvite_program *program, int32_t entry, const int64_t *dims, int64_t *shapes,
                       size_t *arena, char *error) {
  int status = check_inputs(program, entry, dims, error);
  if (status == SYLVITE_OK)
    status = check_outputs(program, entry, dims, shapes, error);
  if (status != SYLVITE_OK)
    return status;
  int64_t bytes = program->functions[entry].arena_bytes(dims);
  if (bytes < 0 || (uint64_t)bytes > PTRDIFF_MAX - SYLVITE_ALIGNMENT)
    return sylvite_fail(error, SYLVITE_INVALID_ARGUMENT, "the workspace would not fit into memory");
  *arena = (size_t)bytes;
  return SYLVITE_OK;
}

size_t sylvite_entry_workspace_size(const struct sylvite_program *program, int32_t entry, const int64_t *dims) {
  char *error = sylvite_thread_state()->error;
  size_t bytes = 0;
  int64_t shapes[MAX_OUTPUT_DIMS];
  error[0] = '\0';
  int status = check_entry(program, entry, error);
  if (status == SYLVITE_OK)
    status = check_sizes(program, entry, dims, shapes, &bytes, error);
  return status == SYLVITE_OK ? bytes : 0;
}

size_t sylvite_workspace_size(const struct sylvite_program *program, const int64_t *dims) {
  return sylvite_entry_workspace_size(program, 0, dims);
}

/* What serves every entry but the first: they take the same dims, or none. 0 if one of them refuses. */
size_t sylvite_train_workspace_size(const struct sylvite_program *program, const int64_t *dims) {
  size_t most = 0;
  for (int32_t entry = 1; entry < program->info.entry_count; ++entry) {
    size_t bytes = sylvite_entry_workspace_size(program, entry, dims);
    if (sylvite_thread_state()->error[0])
      return 0;
    most = bytes > most ? bytes : most;
  }
  return most;
}

int sylvite_entry_output_shape(const struct sylvite_program *program, int32_t entry, int32_t output,
                               const int64_t *dims, int64_t *shape) {
  char *error = sylvite_thread_state()->error;
  int64_t shapes[MAX_OUTPUT_DIMS];
  int status = check_entry(program, entry, error);
  if (status != SYLVITE_OK)
    return status;
  const sylvite_entry *about = &program->info.entries[entry];
  if (output < 0 || output >= about->output_count)
    return sylvite_fail(error, SYLVITE_INVALID_ARGUMENT, "output %d does not exist; the model has %d",
                        output, about->output_count);
  if (!shape)
    return sylvite_fail(error, SYLVITE_INVALID_ARGUMENT, "shape is null");
  status = check_inputs(program, entry, dims, error);
  if (status == SYLVITE_OK)
    status = check_outputs(program, entry, dims, shapes, error);
  if (status != SYLVITE_OK)
    return status;
  const sylvite_tensor *tensor = &about->outputs[output];
  const int64_t *found = shapes;
  for (int32_t i = 0; i < output; ++i)
    found += about->outputs[i].rank;
  if (has_static_shape(tensor))
    found = tensor->shape;
  for (int32_t d = 0; d < tensor->rank; ++d)
    shape[d] = found[d];
  return SYLVITE_OK;
}

int sylvite_output_shape(const struct sylvite_program *program, int32_t output, const int64_t *dims,
                         int64_t *shape) {
  return sylvite_entry_output_shape(program, 0, output, dims, shape);
}

/* ---- Run ---------------------------------------------------------------------------------------------- */

/* A tensor without elements may be anywhere, or nowhere. `shapes` are those of outputs, NULL for inputs. */
static int check_pointers(const char *kind, const sylvite_tensor *tensors, int32_t count, const int64_t *dims,
                          const int64_t *shapes, const void *const *pointers, char *error) {
  if (!pointers && count > 0)
    return sylvite_fail(error, SYLVITE_INVALID_ARGUMENT, "the array of %ss is null", kind);
  for (int32_t i = 0; i < count; ++i) {
    bool empty = false;
    for (int32_t d = 0; d < tensors[i].rank; ++d)
      empty |= (tensors[i].shape[d] == SYLVITE_DERIVED ? shapes[d] : size_of(&tensors[i], d, dims)) == 0;
    if (shapes)
      shapes += tensors[i].rank;
    if (empty)
      continue;
    if (!pointers[i])
      return sylvite_fail(error, SYLVITE_INVALID_ARGUMENT, "%s '%s' is null", kind, tensors[i].name);
    size_t alignment = sylvite_dtype_size(tensors[i].dtype);
    if ((uintptr_t)pointers[i] % alignment != 0)
      return sylvite_fail(error, SYLVITE_INVALID_ARGUMENT, "%s '%s' is not aligned to its %zu-byte elements",
                          kind, tensors[i].name, alignment);
  }
  return SYLVITE_OK;
}

/* Refuses numbers of classes that the model does not have. */
static int check_classes(const struct sylvite_program *program, int32_t index, const int64_t *dims,
                         const void *const *inputs, char *error) {
  const sylvite_entry *entry = &program->info.entries[index];
  const int64_t *classes = program->functions[index].classes;
  for (int32_t i = 0; classes && i < entry->input_count; ++i) {
    if (classes[i] == 0)
      continue;
    const sylvite_tensor *tensor = &entry->inputs[i];
    const int32_t *labels = inputs[i];
    int64_t count = 1;
    for (int32_t d = 0; d < tensor->rank; ++d)
      count *= size_of(tensor, d, dims);
    for (int64_t k = 0; k < count; ++k)
      if (labels[k] < 0 || labels[k] >= classes[i])
        return sylvite_fail(error, SYLVITE_INVALID_ARGUMENT,
                            "element %" PRId64 " of input '%s' is %" PRId32 "; the model has %" PRId64
                            " classes, from 0 to %" PRId64,
                            k, tensor->name, labels[k], classes[i], classes[i] - 1);
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
  /* Free first: old and new together would be the peak. */
  free(model->arena);
  model->arena_size = 0;
  model->arena = sylvite_allocate(bytes);
  if (!model->arena)
    return sylvite_fail(error, SYLVITE_OUT_OF_MEMORY, "out of memory for a workspace of %zu bytes", bytes);
  model->arena_size = bytes;
  return SYLVITE_OK;
}

static int run(sylvite_model *model, int32_t index, const void *const *inputs, const int64_t *dims,
               void *const *outputs) {
  sylvite_context *context = &model->context;
  const struct sylvite_program *program = context->program;
  int status = check_entry(program, index, context->error);
  if (status != SYLVITE_OK)
    return status;
  const sylvite_entry *entry = &program->info.entries[index];
  size_t arena = 0;
  int64_t shapes[MAX_OUTPUT_DIMS];
  status = check_sizes(program, index, dims, shapes, &arena, context->error);
  if (status == SYLVITE_OK)
    status = check_pointers("input", entry->inputs, entry->input_count, dims, NULL, inputs, context->error);
  if (status == SYLVITE_OK)
    status = check_pointers("output", entry->outputs, entry->output_count, dims, shapes,
                            (const void *const *)outputs, context->error);
  if (status == SYLVITE_OK)
    status = check_classes(program, index, dims, inputs, context->error);
  if (status == SYLVITE_OK)
    status = prepare_arena(model, arena);
  if (status != SYLVITE_OK)
    return status;
  struct sylvite_thread *thread = sylvite_thread_state();
  sylvite_context *outer = thread->context;
  thread->context = context;
  uintptr_t mode = sylvite_float_mode();
  sylvite_set_float_mode(sylvite_flushing(mode));
  int result = program->functions[index].run(context, dims, (void *const *)inputs, outputs, model->arena,
                                             model->parameters);
  sylvite_set_float_mode(mode);
  thread->context = outer;
  status = atomic_load_explicit(&context->status, memory_order_relaxed);
  if (status == SYLVITE_OK && result != 0)
    status = sylvite_fail(context->error, SYLVITE_INTERNAL_ERROR, "the model failed with code %d", result);
  return status;
}

int sylvite_run_entry(sylvite_model *model, int32_t entry, const void *const *inputs, const int64_t *dims,
                      void *const *outputs) {
  int status = enter(model);
  return status == SYLVITE_OK ? leave(model, run(model, entry, inputs, dims, outputs)) : status;
}

int sylvite_run(sylvite_model *model, const void *const *inputs, const int64_t *dims,
                void *const *outputs) {
  return sylvite_run_entry(model, 0, inputs, dims, outputs);
}

int sylvite_reset_states(sylvite_model *model) {
  int status = enter(model);
  if (status != SYLVITE_OK)
    return status;
  if (model->context.program->state_bytes)
    memset(model->state, 0, model->context.program->state_bytes);
  return leave(model, SYLVITE_OK);
}

/* ---- Learning rate ------------------------------------------------------------------------------------ */

int sylvite_set_learning_rate(sylvite_model *model, float rate) {
  int status = enter(model);
  if (status != SYLVITE_OK)
    return status;
  int32_t parameter = model->context.program->learning_rate;
  if (parameter < 0)
    return leave(model, sylvite_fail(model->context.error, SYLVITE_INVALID_ARGUMENT,
                                     "the learning rate of model '%s' follows a schedule and cannot be set",
                                     model->context.program->info.name));
  if (!(rate >= 0) || isinf(rate))
    return leave(model, sylvite_fail(model->context.error, SYLVITE_INVALID_ARGUMENT,
                                     "the learning rate must be a number that is not negative, not %g", rate));
  memcpy(model->parameters[parameter], &rate, sizeof rate);
  return leave(model, SYLVITE_OK);
}

float sylvite_learning_rate(const sylvite_model *model) {
  float rate = NAN;
  if (model && model->context.program->learning_rate >= 0)
    memcpy(&rate, model->parameters[model->context.program->learning_rate], sizeof rate);
  return rate;
}

/* ---- Weights ------------------------------------------------------------------------------------------ */

int sylvite_save_checkpoint(sylvite_model *model, const char *path, const char *note) {
  int status = enter(model);
  if (status != SYLVITE_OK)
    return status;
  const sylvite_info *info = &model->context.program->info;
  if (!path)
    return leave(model, sylvite_fail(model->context.error, SYLVITE_INVALID_ARGUMENT, "path is null"));
  return leave(model, sylvite_safetensors_save(path, info->parameters, info->parameter_count,
                                               model->parameters, note, model->context.error));
}

int sylvite_save(sylvite_model *model, const char *path) { return sylvite_save_checkpoint(model, path, NULL); }

int sylvite_load_checkpoint(sylvite_model *model, const char *path, char *note, size_t note_size) {
  int status = enter(model);
  if (status != SYLVITE_OK)
    return status;
  if (!path)
    return leave(model, sylvite_fail(model->context.error, SYLVITE_INVALID_ARGUMENT, "path is null"));
  char *text = NULL;
  status = load_weights(model, path, true, &text, model->context.error);
  if (status == SYLVITE_OK && note && note_size > 0)
    snprintf(note, note_size, "%s", text ? text : "");
  free(text);
  return leave(model, status);
}

int sylvite_load(sylvite_model *model, const char *path) { return sylvite_load_checkpoint(model, path, NULL, 0); }

/* ---- Profile and checks ------------------------------------------------------------------------------- */

int sylvite_set_checks(sylvite_model *model, int enabled) {
  int status = enter(model);
  if (status != SYLVITE_OK)
    return status;
  model->context.checks = enabled != 0;
  return leave(model, SYLVITE_OK);
}

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
