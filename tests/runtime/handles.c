// Model handles: running, every argument error with its status and message, workspaces, profiles, and
// handles in several threads. The single-threaded build runs all but the last.
//
// RUN: %cc -std=c11 -O1 -g -D_GNU_SOURCE -I%source_root %s %source_root/runtime/*.c -lpthread -o %t
// RUN: %t
// RUN: %cc -std=c11 -O1 -g -D_GNU_SOURCE -DSYLVITE_SINGLE_THREADED -I%source_root %s %source_root/runtime/*.c -o %t-serial
// RUN: %t-serial
#include "Inputs/toy.h"

#ifndef SYLVITE_SINGLE_THREADED
#include <pthread.h>
#endif

static float x[64], z[64], total[64], steps[64];
static const void *inputs[] = {x, z};
static void *outputs[] = {total, steps};
static int64_t dims[] = {2, 4};

static void expect(const sylvite_model *model, int status, int wanted, const char *text) {
  if (status != wanted || !strstr(sylvite_last_error(model), text))
    fprintf(stderr, "status %d, wanted %d: %s\n", status, wanted, sylvite_last_error(model));
  CHECK(status == wanted && strstr(sylvite_last_error(model), text));
}

static void argument_errors(void) {
  sylvite_model *model = sylvite_create(&toy, NULL);
  CHECK(model);
  const int bad = SYLVITE_INVALID_ARGUMENT;
  expect(NULL, sylvite_run(NULL, inputs, dims, outputs), bad, "model is null");
  expect(model, sylvite_run(model, NULL, dims, outputs), bad, "array of inputs is null");
  expect(model, sylvite_run(model, inputs, NULL, outputs), bad, "dims is null");
  expect(model, sylvite_run(model, inputs, dims, NULL), bad, "array of outputs is null");
  const void *no_z[] = {x, NULL};
  void *no_total[] = {NULL, steps}, *odd[] = {(char *)total + 1, steps};
  expect(model, sylvite_run(model, no_z, dims, outputs), bad, "input 'z' is null");
  expect(model, sylvite_run(model, inputs, dims, no_total), bad, "output 'total' is null");
  expect(model, sylvite_run(model, inputs, dims, odd), bad, "output 'total' is not aligned");
  const int64_t zero[] = {0, 4}, negative[] = {2, -7}, huge[] = {INT64_MAX, 4}, wide[] = {1 << 20, 1 << 20},
                empty[] = {2, 1};
  expect(model, sylvite_run(model, inputs, zero, outputs), bad, "batch must be positive, not 0");
  expect(model, sylvite_run(model, inputs, negative, outputs), bad, "length must be positive, not -7");
  expect(model, sylvite_run(model, inputs, huge, outputs), bad, "batch is 9223372036854775807");
  expect(model, sylvite_run(model, inputs, wide, outputs), bad, "input 'x' would have 2^31 elements");
  void *no_steps[] = {total, NULL}; /* nothing, which may be nowhere */
  CHECK(sylvite_run(model, inputs, empty, no_steps) == SYLVITE_OK);
  expect(model, sylvite_run(model, inputs, dims, no_steps), bad, "output 'steps' is null");
  toy_kernel_result = -9;
  expect(model, sylvite_run(model, inputs, dims, outputs), SYLVITE_INTERNAL_ERROR, "kernel steps failed");
  toy_kernel_result = 0;
  CHECK(sylvite_run(model, inputs, dims, outputs) == SYLVITE_OK);
  CHECK(sylvite_last_error(model)[0] == '\0');
  sylvite_destroy(model);
  sylvite_destroy(NULL);
}

static void create_errors(void) {
  sylvite_options options = {.size = 1};
  CHECK(!sylvite_create(&toy, &options));
  CHECK(strstr(sylvite_last_error(NULL), "options.size is 1"));
  struct sylvite_program other = toy;
  other.cpu_features = (uint64_t)1 << 40;
  CHECK(!sylvite_create(&other, NULL));
  CHECK(strstr(sylvite_last_error(NULL), "this processor lacks"));
  other = toy;
  other.weights = NULL;
  other.info.weights_file = "no-such-file.safetensors";
  CHECK(!sylvite_create(&other, NULL));
  CHECK(strstr(sylvite_last_error(NULL), "no-such-file.safetensors: No such file"));
  options.size = sizeof options;
  options.weights = "/";
  CHECK(!sylvite_create(&toy, &options));
  CHECK(strstr(sylvite_last_error(NULL), "not a regular file"));
}

static void shapes_and_workspace(void) {
  int64_t shape[2] = {0, 0};
  CHECK(sylvite_output_shape(&toy, 1, dims, shape) == SYLVITE_OK && shape[0] == 2 && shape[1] == 3);
  CHECK(sylvite_output_shape(&toy, 2, dims, shape) == SYLVITE_INVALID_ARGUMENT);
  CHECK(sylvite_output_shape(&toy, 0, dims, NULL) == SYLVITE_INVALID_ARGUMENT);
  CHECK(sylvite_workspace_size(&toy, dims) == 32);
  CHECK(sylvite_workspace_size(&toy, (int64_t[]){0, 1}) == 0);

  static _Alignas(64) char memory[64];
  sylvite_options options = {.size = sizeof options, .workspace = memory, .workspace_size = 32};
  sylvite_model *model = sylvite_create(&toy, &options);
  CHECK(model);
  toy_check(model, 2, 4, 2);
  int64_t more[] = {3, 4};
  expect(model, sylvite_run(model, inputs, more, outputs), SYLVITE_INVALID_ARGUMENT,
         "needs a workspace of 48 bytes; options.workspace_size is 32");
  toy_check(model, 1, 8, 2);
  sylvite_destroy(model);
  options.workspace = memory + 4;
  CHECK(!sylvite_create(&toy, &options));
  CHECK(strstr(sylvite_last_error(NULL), "not aligned to 64 bytes"));
}

static void profiles(void) {
  sylvite_model *model = sylvite_create(&toy, NULL);
  sylvite_profile profile;
  CHECK(sylvite_profile_kernel(model, 0, &profile) == SYLVITE_OK && profile.calls == 0);
  CHECK(sylvite_set_profile(model, 1) == SYLVITE_OK);
  toy_check(model, 3, 5, 2);
  toy_check(model, 3, 5, 2);
  CHECK(sylvite_set_profile(model, 0) == SYLVITE_OK);
  toy_check(model, 3, 5, 2);
  CHECK(sylvite_profile_kernel(model, 1, &profile) == SYLVITE_OK);
  CHECK(profile.calls == 2 && profile.seconds >= 0);
  CHECK(sylvite_profile_kernel(model, 2, &profile) == SYLVITE_INVALID_ARGUMENT);
  sylvite_destroy(model);
}

#ifndef SYLVITE_SINGLE_THREADED
static void *one_handle(void *argument) {
  sylvite_model *model = sylvite_create(&toy, NULL);
  for (int64_t i = 1; i < 60; ++i)
    toy_check(model, i, 2 + i % 7, 2);
  CHECK(sylvite_run(model, inputs, (int64_t[]){-1, 2}, outputs) == SYLVITE_INVALID_ARGUMENT);
  sylvite_destroy(model);
  return NULL;
}

/* Many threads on one handle, which is not allowed: each call works or says that the handle is busy. */
static void *shared_handle(void *argument) {
  float a[64] = {0}, b[64], c[64];
  const void *in[] = {a, a};
  void *out[] = {b, c};
  for (int i = 0; i < 200; ++i) {
    int status = sylvite_run(argument, in, dims, out);
    CHECK(status == SYLVITE_OK || status == SYLVITE_BUSY);
  }
  return NULL;
}

static void several_threads(void) {
  pthread_t threads[4];
  CHECK(sylvite_set_threads(3) == SYLVITE_OK);
  for (int i = 0; i < 4; ++i)
    CHECK(pthread_create(&threads[i], NULL, one_handle, NULL) == 0);
  for (int i = 0; i < 4; ++i)
    pthread_join(threads[i], NULL);
  sylvite_model *model = sylvite_create(&toy, NULL);
  for (int i = 0; i < 4; ++i)
    CHECK(pthread_create(&threads[i], NULL, shared_handle, model) == 0);
  for (int i = 0; i < 4; ++i)
    pthread_join(threads[i], NULL);
  sylvite_destroy(model);
}
#else
static void several_threads(void) {
  CHECK(sylvite_threads() == 1);
  CHECK(sylvite_set_threads(2) == SYLVITE_INVALID_ARGUMENT);
}
#endif

int main(void) {
  argument_errors();
  create_errors();
  shapes_and_workspace();
  profiles();
  sylvite_model *model = sylvite_create(&toy, NULL);
  for (int64_t batch = 1; batch < 40; ++batch)
    toy_check(model, batch, 2 + batch % 5, 2);
  sylvite_destroy(model);
  several_threads();
  return 0;
}
