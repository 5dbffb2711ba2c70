/* The types that every library made by Sylvite shares: status codes, tensor descriptions, create options.
 *
 * The text of this file stands at the top of each generated NAME.h, inside the guard below, so headers of
 * several models can be included into one program. It declares no function: functions carry the model's
 * name and are declared, with their documentation, after it. */
#ifndef SYLVITE_H
#define SYLVITE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a function that can fail returns: zero, or one of these. NAME_last_error has the sentence. */
enum sylvite_status {
  SYLVITE_OK = 0,
  SYLVITE_INVALID_ARGUMENT = 1, /* null pointer, size too small or too large, workspace too small */
  SYLVITE_OUT_OF_MEMORY = 2,
  SYLVITE_FILE_ERROR = 3,      /* a file cannot be opened, read or written */
  SYLVITE_FORMAT_ERROR = 4,    /* a file is not what it should be: malformed, or of another model */
  SYLVITE_UNSUPPORTED_CPU = 5, /* this processor lacks an instruction set that the library uses */
  SYLVITE_BUSY = 6,            /* the handle is in use by another thread */
  SYLVITE_INTERNAL_ERROR = 7,
  SYLVITE_NOT_A_NUMBER = 8 /* a kernel computed a NaN; only where NAME_set_checks looks for them */
};

enum sylvite_dtype {
  SYLVITE_FLOAT32 = 0,
  SYLVITE_FLOAT64 = 1,
  SYLVITE_FLOAT16 = 2,  /* IEEE binary16, as uint16_t */
  SYLVITE_BFLOAT16 = 3, /* upper half of a float, as uint16_t */
  SYLVITE_INT8 = 4,
  SYLVITE_INT16 = 5,
  SYLVITE_INT32 = 6,
  SYLVITE_INT64 = 7,
  SYLVITE_UINT8 = 8,
  SYLVITE_UINT16 = 9,
  SYLVITE_UINT32 = 10,
  SYLVITE_UINT64 = 11,
  SYLVITE_BOOL = 12 /* one byte, 0 or 1 */
};

/* A size in `shape` that is no constant: SYLVITE_FREE(k) is free dimension k of the entry (0 is the batch),
 * SYLVITE_DERIVED is computed from the free dimensions (outputs only; NAME_output_shape has the value). */
#define SYLVITE_FREE(k) (-1 - (int64_t)(k))
#define SYLVITE_DERIVED INT64_MIN

/* A tensor: row-major and dense, the last dimension innermost. */
typedef struct sylvite_tensor {
  const char *name;     /* as in the model */
  int32_t dtype;        /* enum sylvite_dtype */
  int32_t rank;         /* 0 for a scalar */
  const int64_t *shape; /* `rank` sizes, outermost first */
} sylvite_tensor;

/* Who may change a parameter. */
enum sylvite_role {
  SYLVITE_CONSTANT = 0,      /* nobody: all handles share it */
  SYLVITE_VARIABLE = 1,      /* training; every handle has its own */
  SYLVITE_TRAINING_STATE = 2 /* training, of which it is a part: what the optimizer keeps, counters, the
                                learning rate; a file of weights need not have it */
};

/* A parameter's offset that says: zero at first, and not among the embedded weights. */
#define SYLVITE_ZERO UINT64_MAX

/* A tensor that belongs to the compiled model. */
typedef struct sylvite_parameter {
  sylvite_tensor tensor;
  uint64_t offset;   /* bytes from the start of the embedded weights, or SYLVITE_ZERO */
  int32_t trainable; /* 0 or 1 */
  int32_t role;      /* enum sylvite_role */
  int32_t looked_up; /* 1: a call reads the rows alone that its inputs choose, as those of an embedding; 0: all of it */
  int32_t reserved;  /* 0 */
} sylvite_parameter;

/* A compiled kernel, which runs one fused group of layers. Each time that it runs, it does
 * `flops + batch * flops_per_item` floating-point operations and moves `bytes + batch * bytes_per_item`
 * bytes of inputs, weights and outputs, where free dimensions other than the batch are one. */
typedef struct sylvite_kernel {
  const char *name;
  const char *layers; /* names of the model's layers, separated by "; " */
  double flops, flops_per_item;
  double bytes, bytes_per_item;
  int32_t read_count, write_count; /* tensors that it reads, and writes */
} sylvite_kernel;

/* Which way a loop goes through its sequences, which branch of a choice it is, or that it goes through a batch. */
enum sylvite_direction {
  SYLVITE_FORWARD = 0,
  SYLVITE_BACKWARD = 1,
  SYLVITE_MIXED = 2, /* through some of them forward, through others backward */
  SYLVITE_IF_TRUE = 3,
  SYLVITE_IF_FALSE = 4,
  SYLVITE_MICROBATCH = 5
};

/* A loop over steps, as of a recurrent layer: a call of its entry runs each of its kernels `steps` times. Or a branch,
 * of one step, which runs where the condition that it stands under is so. Or a microbatch: kernels that compute the batch in
 * parts of at most `steps` items, and do all of them together what a kernel does with a batch. */
typedef struct sylvite_loop {
  const char *layers;   /* as a kernel's */
  int64_t steps;        /* a size, as in a tensor's shape */
  int32_t direction;    /* enum sylvite_direction */
  int32_t first_kernel; /* kernel_count of those of sylvite_info, from here on */
  int32_t kernel_count;
  int32_t reserved; /* 0 */
} sylvite_loop;

/* What a library can run: the model itself, `forward`, and in a library that trains also `train_step`,
 * `evaluate` and `gradients`. */
typedef struct sylvite_entry {
  const char *name;
  int32_t dim_count;
  int32_t input_count;
  int32_t output_count;
  int32_t kernel_count;
  const char *const *dims; /* names of the free dimensions */
  const sylvite_tensor *inputs;
  const sylvite_tensor *outputs;
  int32_t first_kernel; /* its kernels are kernel_count of those of sylvite_info, from here on */
  int32_t loop_count;
  const sylvite_loop *loops; /* a loop inside of another follows it, and its kernels are among the other's */
} sylvite_entry;

/* What NAME_info returns: constant, valid while the library is loaded. */
typedef struct sylvite_info {
  int32_t abi;             /* SYLVITE_ABI */
  int32_t dim_count;       /* number of free dimensions */
  const char *name;        /* the prefix of the functions */
  const char *model;       /* the model's own name */
  const char *compiler;    /* "sylvite 0.1.0" */
  const char *target;      /* "x86-64-linux-avx2-fma" */
  const char *const *dims; /* names of the free dimensions; these and the next are those of `forward` */
  int32_t input_count;
  int32_t output_count;
  const sylvite_tensor *inputs;
  const sylvite_tensor *outputs;
  int64_t model_parameters; /* scalars in the parameters of the model as it was imported */
  int32_t parameter_count;
  int32_t kernel_count;
  const sylvite_parameter *parameters;
  const sylvite_kernel *kernels;
  uint64_t weights_bytes;   /* bytes of the embedded weights */
  const char *weights_file; /* NULL: inside the library; else the file's name, searched beside the library */
  const sylvite_entry *entries; /* the first is `forward` */
  int32_t entry_count;
  int32_t state_count;
  const sylvite_tensor *states; /* what a handle keeps from call to call, zero at first: those of stateful layers */
} sylvite_info;

#define SYLVITE_ABI 4

/* For NAME_create; NULL there means all zero, which means all default. Set `size` to sizeof. */
typedef struct sylvite_options {
  size_t size;           /* sizeof(sylvite_options) */
  const char *weights;   /* path of a safetensors file to use in place of the library's own weights */
  void *workspace;       /* memory for intermediate tensors that the caller owns and keeps until destroy,
                            aligned to 64 bytes; NULL: the handle allocates on demand and reuses */
  size_t workspace_size; /* bytes of `workspace`, at least NAME_workspace_size of each call */
  int32_t weights_in_place; /* nonzero: the library's own weights are read where its file is mapped, in pages that
                               processes share. 0: 4 MB of them or more are copied into huge pages, once for all
                               handles, where the system has such pages and they are at most a quarter of its memory */
  int32_t reserved;      /* 0 */
} sylvite_options;

/* An application's own parallel loop: call task(data, i) for every i in [0, count), in any order, on any
 * threads, and return when all are done: zero, or the first non-zero result of a task. */
typedef int (*sylvite_parallel_for)(void *state, int (*task)(void *data, int64_t index), void *data,
                                    int64_t count);

/* Calls and time of one kernel since profiling was turned on. */
typedef struct sylvite_profile {
  int64_t calls;
  double seconds;
} sylvite_profile;

#ifdef __cplusplus
}
#endif
#endif /* SYLVITE_H */
