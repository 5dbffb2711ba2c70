/* The boundary between generated code and the runtime.
 *
 * The compiler emits one constant `struct sylvite_program`, whose functions are the host program, and the
 * thunks NAME_* that hand it to the runtime's API below (runtime/runtime.h). Program and runtime travel in
 * one library, so this file is no compatibility surface; what users see is in sylvite.h. */
#ifndef SYLVITE_PROGRAM_H
#define SYLVITE_PROGRAM_H

#include "sylvite.h"

/* Alignment in bytes of the arena and of the embedded weights and each parameter in them. */
#define SYLVITE_ALIGNMENT 64

/* Instruction sets beyond the architecture's baseline that a program may require. */
enum sylvite_cpu_feature {
  SYLVITE_CPU_SSE41 = 1 << 0,
  SYLVITE_CPU_AVX = 1 << 1,
  SYLVITE_CPU_F16C = 1 << 2,
  SYLVITE_CPU_FMA = 1 << 3,
  SYLVITE_CPU_AVX2 = 1 << 4,
  SYLVITE_CPU_AVX512F = 1 << 5,
  SYLVITE_CPU_AVX512CD = 1 << 6,
  SYLVITE_CPU_AVX512BW = 1 << 7,
  SYLVITE_CPU_AVX512DQ = 1 << 8,
  SYLVITE_CPU_AVX512VL = 1 << 9,
  SYLVITE_CPU_AVX512IFMA = 1 << 10,
  SYLVITE_CPU_AVX512VBMI = 1 << 11,
  SYLVITE_CPU_AVX512VNNI = 1 << 12,
  SYLVITE_CPU_AVX512BF16 = 1 << 13,
  SYLVITE_CPU_AVXVNNI = 1 << 14,
  SYLVITE_CPU_BMI = 1 << 15,  /* BMI1, BMI2 and LZCNT, which -mcpu settings imply */
  SYLVITE_CPU_ARM_FP16 = 1 << 16,
  SYLVITE_CPU_ARM_DOT = 1 << 17
};

/* The state of one call, made by the runtime, opaque to the host program. */
typedef struct sylvite_context sylvite_context;

/* The code of one entry. */
struct sylvite_function {
  /* Bytes of arena that a call needs. `symbols`: the entry's dim_count sizes, checked to be at least least_dims and
   * to make every input smaller than 2^31 elements. */
  int64_t (*arena_bytes)(const int64_t *symbols);

  /* The shapes of all outputs, one after the other in `dims`, outermost dimension first. */
  void (*output_shapes)(const int64_t *symbols, int64_t *dims);

  /* Runs it. `inputs` and `outputs`: data of the entry's inputs and outputs in their order; `parameters`: data
   * of info.parameters in their order, and after them, where there is any, the handle's state. Where a
   * parameter is constant, it is not necessarily at its offset: it may lie in a mapped file. The others, and
   * the state, are the handle's own, and a call that succeeds may have changed them. Pointers other than
   * `arena` and those to the handle's own are aligned to their element type only. Returns 0 or what
   * sylvite_launch returned. */
  int32_t (*run)(sylvite_context *context, const int64_t *symbols, void *const *inputs,
                 void *const *outputs, uint8_t *arena, void *const *parameters);

  /* For each input the number of classes that its elements, int32, number from zero on, or 0; NULL when none does.
   * The runtime checks them before a call. */
  const int64_t *classes;

  /* The first of `constraints` that the sizes do not satisfy, or -1; NULL when there are none. The texts say what must
   * hold: "layer 'add' needs x_1 = 64". Asked before anything else that takes sizes. */
  int64_t (*violated)(const int64_t *symbols);
  const char *const *constraints;

  /* What each of the entry's dim_count sizes must be at least, zero or one. */
  const int64_t *least_dims;
};

struct sylvite_program {
  struct sylvite_info info;                 /* first: NAME_info returns its address */
  uint64_t cpu_features;                    /* enum sylvite_cpu_feature */
  const uint8_t *weights;                   /* embedded, info.weights_bytes long; NULL when they are in a file */
  const struct sylvite_function *functions; /* one per info.entries */

  /* Bytes that a handle keeps from call to call, zero at first: the states of stateful layers. */
  uint64_t state_bytes;
  /* The parameter, a float, that is the learning rate; -1: there is none to set. */
  int32_t learning_rate;
};

/* ---- Functions that the host program calls ------------------------------------------------------------ */

/* halide_dimension_t and halide_buffer_t of Halide 21: the layout is Halide's, which kernels read. */
struct halide_dimension_t {
  int32_t min, extent, stride;
  uint32_t flags;
};

struct halide_type_t {
  uint8_t code; /* 0 int, 1 uint, 2 float, 4 bfloat */
  uint8_t bits;
  uint16_t lanes;
};

struct halide_buffer_t {
  uint64_t device;
  const void *device_interface;
  uint8_t *host;
  uint64_t flags;
  struct halide_type_t type;
  int32_t dimensions;
  struct halide_dimension_t *dim;
  void *padding;
};

#ifndef __cplusplus
_Static_assert(sizeof(void *) != 8 || sizeof(struct halide_buffer_t) == 56, "layout of halide_buffer_t");
_Static_assert(sizeof(struct halide_dimension_t) == 16, "layout of halide_dimension_t");
#endif

/* The element type as sylvite_buffer_init takes it: code | bits << 8 | 1 << 16 (float32: 0x12002). */
#define SYLVITE_BUFFER_TYPE(code, bits) ((int32_t)((code) | (bits) << 8 | 1 << 16))

/* Fills `buffer` (sizeof(struct halide_buffer_t) bytes, aligned to 8) and its `dims` (`rank` of them) for a
 * dense row-major tensor at `data`: extents are outermost first, as everywhere in Sylvite, and are stored
 * innermost first, as in Halide. A tensor of 2^31 elements or more, which kernels cannot index, is
 * recorded as the call's error, and no kernel runs after that. */
void sylvite_buffer_init(sylvite_context *context, struct halide_buffer_t *buffer,
                         struct halide_dimension_t *dims, void *data, int32_t type, int32_t rank,
                         const int64_t *extents);

/* Makes `buffer`, of two dimensions or more, a slice of a tensor whose innermost dimension has `pitch` elements. The same limit
 * holds for that tensor. */
void sylvite_buffer_set_pitch(sylvite_context *context, struct halide_buffer_t *buffer, int64_t pitch);

/* Runs kernel `kernel_index` of info.kernels: argv_function(args), Halide's NAME_argv, whose args point to
 * halide_buffer_t for buffers and to the value for scalars. Profiles it when asked to. A kernel whose results
 * have no elements does not run. Returns 0 or a status; after a failure in a call it runs nothing and returns
 * that status again, so a host program may test each launch or only the last. */
int32_t sylvite_launch(sylvite_context *context, int32_t kernel_index, int (*argv_function)(void **),
                       void **args);

#endif /* SYLVITE_PROGRAM_H */
