/* The runtime's own declarations: the functions behind the thunks NAME_*, and what its files share.
 *
 * Everything is hidden: a library exports only the thunks, which the compiler emits. The runtime needs libc
 * and, unless built with SYLVITE_SINGLE_THREADED, pthread. */
#ifndef SYLVITE_RUNTIME_H
#define SYLVITE_RUNTIME_H

#include "program.h"

#include <stdatomic.h>
#include <stdbool.h>

enum { SYLVITE_ERROR_BYTES = 512 };

typedef struct sylvite_model sylvite_model;

/* ---- API: one function per thunk; generated headers document them for users --------------------------- */

sylvite_model *sylvite_create(const struct sylvite_program *program, const sylvite_options *options);
void sylvite_destroy(sylvite_model *model);
int sylvite_run(sylvite_model *model, const void *const *inputs, const int64_t *dims,
                void *const *outputs);
int sylvite_run_entry(sylvite_model *model, int32_t entry, const void *const *inputs, const int64_t *dims,
                      void *const *outputs);
const char *sylvite_last_error(const sylvite_model *model);
size_t sylvite_workspace_size(const struct sylvite_program *program, const int64_t *dims);
size_t sylvite_train_workspace_size(const struct sylvite_program *program, const int64_t *dims);
size_t sylvite_entry_workspace_size(const struct sylvite_program *program, int32_t entry, const int64_t *dims);
int sylvite_output_shape(const struct sylvite_program *program, int32_t output, const int64_t *dims,
                         int64_t *shape);
int sylvite_entry_output_shape(const struct sylvite_program *program, int32_t entry, int32_t output,
                               const int64_t *dims, int64_t *shape);
int sylvite_set_threads(int threads);
int sylvite_threads(void);
void sylvite_set_parallel_for(sylvite_parallel_for function, void *state);
int sylvite_save(sylvite_model *model, const char *path);
int sylvite_load(sylvite_model *model, const char *path);
int sylvite_save_checkpoint(sylvite_model *model, const char *path, const char *note);
int sylvite_load_checkpoint(sylvite_model *model, const char *path, char *note, size_t note_size);
int sylvite_reset_states(sylvite_model *model);
int sylvite_set_learning_rate(sylvite_model *model, float rate);
float sylvite_learning_rate(const sylvite_model *model);
int sylvite_set_checks(sylvite_model *model, int enabled);
int sylvite_set_profile(sylvite_model *model, int enabled);
int sylvite_profile_kernel(const sylvite_model *model, int32_t kernel, sylvite_profile *profile);

/* ---- Errors -------------------------------------------------------------------------------------------- */

/* Formats a message into `message` (SYLVITE_ERROR_BYTES) and returns `status`. */
int sylvite_fail(char *message, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

struct sylvite_context {
  const struct sylvite_program *program;
  sylvite_profile *profile;         /* one per kernel, or NULL when profiling is off */
  bool checks;                      /* look for NaN in what kernels write */
  _Atomic int32_t status;           /* the first failure of the call; later ones are dropped */
  char error[SYLVITE_ERROR_BYTES];  /* its message; also the handle's last error */
};

/* Records a failure of the call, from any thread that works for it. Returns the status. */
int sylvite_context_fail(sylvite_context *context, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- State of a thread --------------------------------------------------------------------------------- */

/* Blocks that kernels gave back to halide_free, kept for the next halide_malloc of the same thread. */
enum { SYLVITE_SCRATCH_BLOCKS = 16 };

struct sylvite_thread {
  sylvite_context *context; /* the call that this thread works for, or NULL */
  bool in_parallel;         /* inside a parallel loop: nested ones run serially */
  bool is_brief;            /* its kernel ends about when another thread would begin: the pool leaves loops to it */
  int scratch_count;
  void *scratch[SYLVITE_SCRATCH_BLOCKS];
  char error[SYLVITE_ERROR_BYTES]; /* failures that have no handle, as in create */
};

/* Never NULL. Allocated on a thread's first call, freed when the thread ends. */
struct sylvite_thread *sylvite_thread_state(void);

void sylvite_scratch_release(struct sylvite_thread *thread);

/* ---- Parallel loops ------------------------------------------------------------------------------------ */

/* Calls task(data, i) for i in [0, count) on the pool, or by the application's hook; serially when nested
 * in another loop, when another thread has the pool, or with one thread. Returns the first non-zero result,
 * after which remaining indices may be skipped. */
int sylvite_parallel_run(int (*task)(void *data, int64_t index), void *data, int64_t count);

/* ---- Processor ----------------------------------------------------------------------------------------- */

/* Those of `required` (enum sylvite_cpu_feature) that this processor or its operating system lacks. */
uint64_t sylvite_cpu_missing(uint64_t required);
const char *sylvite_cpu_feature_name(uint64_t bit);

/* The mode of floating-point arithmetic of this thread, and one in which numbers below the smallest normal one (1.2e-38)
 * count as zero. An optimizer's averages of a gradient that has become zero decay to such numbers, with which
 * arithmetic takes a hundred times as long. */
uintptr_t sylvite_float_mode(void);
void sylvite_set_float_mode(uintptr_t mode);
uintptr_t sylvite_flushing(uintptr_t mode);

/* ---- Memory -------------------------------------------------------------------------------------------- */

/* `bytes` of memory aligned to SYLVITE_ALIGNMENT, in huge pages where it is large and the system has them; for free().
 * NULL where there is none. */
void *sylvite_allocate(size_t bytes);

/* Copies embedded weights, and gives back the pages of the library that they came from: otherwise the process would have them twice.
 * Only where the library's pages can be had again from its file. The other says so of what training changes, where that is large
 * enough to ask: not of a library that only infers. */
void sylvite_move_weights(void *to, const uint8_t *from, size_t bytes);
bool sylvite_can_move_weights(const struct sylvite_program *program);

/* Points the table at a copy of the embedded constants in huge pages, which all handles of `program` share. False, and the
 * table is as it was, where there are few constants, no huge pages, or little memory. After it is true, the handle is to
 * call the other once. */
bool sylvite_share_constants(const struct sylvite_program *program, void **parameters);
void sylvite_release_constants(const struct sylvite_program *program);

/* ---- Weights files ------------------------------------------------------------------------------------- */

size_t sylvite_dtype_size(int32_t dtype);
const char *sylvite_dtype_name(int32_t dtype);

/* A file whose tensors are in use. */
struct sylvite_weights {
  void *mapping;      /* the whole file, read-only; NULL when none */
  size_t size;
  void *copies;       /* tensors that the file holds at unaligned offsets */
};

void sylvite_weights_close(struct sylvite_weights *weights);

/* Maps the safetensors file at `path` and sets table[i] to the data of parameters[i], each of which must be
 * in the file with the same dtype and shape; other tensors are ignored. A parameter may be absent when table[i]
 * is not NULL before, and then stays so. `note`, unless it is NULL, gets the file's note, which the caller frees,
 * or NULL. On failure nothing is changed but `error`. */
int sylvite_safetensors_open(const char *path, const sylvite_parameter *parameters, int32_t count,
                             void **table, struct sylvite_weights *weights, char **note, char *error);

/* Writes parameters[i] from table[i], and a note unless it is NULL, to a temporary file beside `path`, flushes it to
 * the disk and renames it: `path` is at all times its old content or its new. */
int sylvite_safetensors_save(const char *path, const sylvite_parameter *parameters, int32_t count,
                             void *const *table, const char *note, char *error);

/* Bytes of a parameter's data. */
size_t sylvite_parameter_bytes(const sylvite_parameter *parameter);

#endif /* SYLVITE_RUNTIME_H */
