// Constant weights in huge pages: copied once for all handles, from a file's pages alone, and not where the caller asks for them
// in place. Large blocks are aligned to huge pages.
//
// RUN: %cc -std=c11 -O1 -g -D_GNU_SOURCE -I%source_root %s %source_root/runtime/*.c -lpthread -o %t
// RUN: %t
// RUN: %cc -std=c11 -O1 -g -D_GNU_SOURCE -DSYLVITE_SINGLE_THREADED -I%source_root %s %source_root/runtime/*.c -o %t-serial
// RUN: %t-serial
#include "Inputs/toy.h"

enum { BYTES = 5 << 20, PLACE = 8192 + 64 };
static const _Alignas(64) union {
  float scale[4];
  uint8_t all[PLACE + BYTES];
} weights = {.all = {0, 0, 0, 0x40, /* 2.0f */ [PLACE] = 7, [PLACE + 4096] = 11, [PLACE + BYTES / 2] = 8, [PLACE + BYTES - 1] = 9}};

static void *const *table; /* of the last call */

static int32_t note_parameters(sylvite_context *context, const int64_t *s, void *const *given_inputs, void *const *given_outputs,
                               uint8_t *arena, void *const *parameters) {
  table = parameters;
  return toy_forward(context, s, given_inputs, given_outputs, arena, parameters);
}

static struct sylvite_function function;
static const int64_t bytes_shape[] = {BYTES};
static sylvite_parameter parameters[2];
static struct sylvite_program program;

static const uint8_t *bytes_of(sylvite_model *model) {
  toy_check(model, 2, 4, 2);
  const uint8_t *bytes = table[1];
  CHECK(bytes[0] == 7 && bytes[4096] == 11 && bytes[BYTES / 2] == 8 && bytes[BYTES - 1] == 9 && bytes[1] == 0);
  CHECK(memcmp(bytes, program.weights + PLACE, BYTES) == 0);
  return bytes;
}

static bool has_huge_pages(void) {
  char text[64] = "[never]";
  FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "r");
  if (file && !fgets(text, sizeof text, file))
    text[0] = '\0';
  if (file)
    fclose(file);
  return !strstr(text, "[never]");
}

int main(void) {
  function = toy_functions[0];
  function.run = note_parameters;
  memcpy(parameters, toy_parameters, sizeof parameters);
  parameters[1].tensor.shape = bytes_shape;
  parameters[1].offset = PLACE;
  program = toy;
  program.info.parameters = parameters;
  program.info.weights_bytes = sizeof weights.all;
  program.weights = weights.all;
  program.functions = &function;

  for (int round = 0; round < 2; ++round) { /* the second after all handles are gone */
    sylvite_model *first = sylvite_create(&program, NULL), *second = sylvite_create(&program, NULL);
    sylvite_options options = {.size = sizeof options, .weights_in_place = 1};
    sylvite_model *in_place = sylvite_create(&program, &options);
    CHECK(first && second && in_place);
    const uint8_t *bytes = bytes_of(first);
    CHECK(bytes_of(second) == bytes);
    CHECK(bytes_of(in_place) == weights.all + PLACE);
    CHECK((bytes != weights.all + PLACE) == has_huge_pages());
    parameters[1].looked_up = 1;
    sylvite_model *other = sylvite_create(&program, NULL); /* shares no more than what calls read all of */
    CHECK(bytes_of(other) == weights.all + PLACE);
    sylvite_destroy(other);
    parameters[1].looked_up = 0;
    sylvite_destroy(first);
    CHECK(bytes_of(second) == bytes);
    sylvite_destroy(second);
    sylvite_destroy(in_place);
  }

  /* What no file has is read where it is. */
  uint8_t *copy = malloc(sizeof weights.all);
  memcpy(copy, weights.all, sizeof weights.all);
  program.weights = copy;
  sylvite_model *model = sylvite_create(&program, NULL);
  CHECK(model && bytes_of(model) == copy + PLACE);
  sylvite_destroy(model);
  free(copy);

  char *large = sylvite_allocate(3 << 20), *small = sylvite_allocate(100);
  CHECK(large && (uintptr_t)large % (2 << 20) == 0 && small && (uintptr_t)small % 64 == 0);
  memset(large, 1, 3 << 20);
  memset(small, 1, 100);
  free(large);
  free(small);
  CHECK(!sylvite_allocate(SIZE_MAX) && !sylvite_allocate(PTRDIFF_MAX));
  return 0;
}
