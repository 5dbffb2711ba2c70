// Checkpoints: a process that trains and saves is killed at 100 random moments; the file is always whole, and never
// older than what was saved before, and what is left beside it does not pile up. Processes that save to one path
// do not meet. Handles own what training changes, and a failed call changes nothing.
//
// RUN: rm -rf %t.dir && mkdir %t.dir
// RUN: %cc -std=c11 -O1 -g -D_GNU_SOURCE -I%source_root %s %source_root/runtime/*.c -lpthread -o %t
// RUN: %t %t.dir
// RUN: rm -rf %t.dir
#include "runtime/runtime.h"
#include "tests/runtime/Inputs/files.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* A step counts, and sets every weight to the count; it also gives it out. `scale` is no part of training. */
enum { WEIGHTS = 1 << 18, WEIGHT = 0, SCALE = 1, STEPS = 2 };

static int64_t no_bytes(const int64_t *symbols) { return 0; }
static void no_shapes(const int64_t *symbols, int64_t *dims) {}

static int32_t step(sylvite_context *context, const int64_t *symbols, void *const *inputs, void *const *outputs,
                    uint8_t *arena, void *const *parameters) {
  int64_t *steps = parameters[STEPS];
  float *weight = parameters[WEIGHT];
  ++*steps;
  for (int i = 0; i < WEIGHTS; ++i)
    weight[i] = (float)*steps;
  *(float *)outputs[0] = *(const float *)parameters[SCALE] * weight[WEIGHTS - 1];
  return 0;
}

static const int64_t weight_shape[] = {WEIGHTS};
static const sylvite_parameter parameters[] = {
    {{"weight", SYLVITE_FLOAT32, 1, weight_shape}, SYLVITE_ZERO, 1, SYLVITE_VARIABLE},
    {{"scale", SYLVITE_FLOAT32, 0, NULL}, 0, 0, SYLVITE_CONSTANT},
    {{"optimizer/iterations", SYLVITE_INT64, 0, NULL}, SYLVITE_ZERO, 0, SYLVITE_TRAINING_STATE},
};
static const sylvite_tensor outputs[] = {{"count", SYLVITE_FLOAT32, 0, NULL}};
static const sylvite_entry entries[] = {{.name = "forward", .output_count = 1, .outputs = outputs}};
static const struct sylvite_function functions[] = {{no_bytes, no_shapes, step}};
static const _Alignas(64) float weights[1] = {2};
static const struct sylvite_program program = {
    .info = {.abi = SYLVITE_ABI,
             .name = "counter",
             .output_count = 1,
             .outputs = outputs,
             .parameter_count = 3,
             .parameters = parameters,
             .weights_bytes = sizeof weights,
             .entries = entries,
             .entry_count = 1},
    .weights = (const uint8_t *)weights,
    .functions = functions,
    .learning_rate = -1,
};

static char path[4096];

/* The count after one more step, and that all weights have it. */
static int64_t advance(sylvite_model *model) {
  float count;
  void *results[] = {&count};
  CHECK(sylvite_run(model, NULL, NULL, results) == SYLVITE_OK);
  return (int64_t)(count / 2);
}

static void train_and_save(void) {
  prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nothing running */
  sylvite_model *model = sylvite_create(&program, NULL);
  CHECK(model);
  if (access(path, F_OK) == 0)
    CHECK(sylvite_load(model, path) == SYLVITE_OK);
  while (true) {
    advance(model);
    if (sylvite_save(model, path) != SYLVITE_OK) {
      fprintf(stderr, "%s\n", sylvite_last_error(model));
      _exit(1);
    }
  }
}

/* The count in the file, which must be whole. Reads it without the runtime: header, and the tensors' bytes. */
static int64_t saved_count(void) {
  FILE *file = fopen(path, "rb");
  if (!file)
    return 0;
  uint64_t header;
  CHECK(fread(&header, sizeof header, 1, file) == 1);
  static char data[WEIGHTS * sizeof(float) + 16];
  CHECK(fseek(file, (long)header, SEEK_CUR) == 0);
  size_t size = fread(data, 1, sizeof data, file);
  CHECK(size == WEIGHTS * sizeof(float) + sizeof(int64_t) + sizeof(float) && fgetc(file) == EOF);
  fclose(file);
  int64_t count; /* the weights first, as their size is a multiple of 64; then the 8-byte counter */
  memcpy(&count, data + WEIGHTS * sizeof(float), sizeof count);
  for (int i = 0; i < WEIGHTS; ++i) {
    float weight;
    memcpy(&weight, data + (size_t)i * sizeof weight, sizeof weight);
    CHECK(weight == (float)count);
  }
  return count;
}

/* The count of a handle that has loaded the file. */
static int64_t loaded_count(void) {
  sylvite_model *model = sylvite_create(&program, NULL);
  CHECK(model && sylvite_load(model, path) == SYLVITE_OK);
  int64_t count = advance(model) - 1;
  sylvite_destroy(model);
  return count;
}

static void kill_while_saving(void) {
  srand(1);
  int64_t last = 0, changes = 0;
  /* On a busy machine most children die before they have saved: go on until enough of them did. */
  for (int round = 0; round < 100 || changes <= 10; ++round) {
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0)
      train_and_save();
    usleep((useconds_t)(1000 + rand() % 20000));
    CHECK(kill(child, SIGKILL) == 0);
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
    int64_t count = saved_count();
    CHECK(count >= last && (count == 0 || loaded_count() == count));
    changes += count > last;
    last = count;
  }
}

/* Several processes save to one path at once: the file is always one of theirs. */
static void save_together(void) {
  pid_t children[4];
  for (int i = 0; i < 4; ++i) {
    children[i] = fork();
    CHECK(children[i] >= 0);
    if (children[i] == 0)
      train_and_save();
  }
  for (int round = 0; round < 100; ++round) {
    usleep(2000);
    CHECK(saved_count() > 0 && loaded_count() > 0);
  }
  for (int i = 0; i < 4; ++i) {
    int status;
    CHECK(kill(children[i], SIGKILL) == 0);
    CHECK(waitpid(children[i], &status, 0) == children[i] && WIFSIGNALED(status));
  }
}

static void ownership(void) {
  sylvite_model *first = sylvite_create(&program, NULL), *second = sylvite_create(&program, NULL);
  CHECK(first && second);
  CHECK(advance(first) == 1 && advance(first) == 2 && advance(second) == 1);
  void *none[] = {NULL};
  CHECK(sylvite_run(first, NULL, NULL, none) == SYLVITE_INVALID_ARGUMENT);
  CHECK(sylvite_run_entry(first, 1, NULL, NULL, none) == SYLVITE_INVALID_ARGUMENT);
  CHECK(sylvite_reset_states(first) == SYLVITE_OK); /* training is no state of a layer */
  CHECK(advance(first) == 3);
  CHECK(sylvite_save(second, path) == SYLVITE_OK && sylvite_load(first, path) == SYLVITE_OK);
  CHECK(sylvite_save(second, path) == SYLVITE_OK && truncate(path, 4096) == 0);
  CHECK(advance(first) == 2 && sylvite_load(first, path) == SYLVITE_FORMAT_ERROR && advance(first) == 3);
  sylvite_destroy(first);
  sylvite_destroy(second);
  CHECK(unlink(path) == 0);
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  snprintf(path, sizeof path, "%s/checkpoint.safetensors", argv[1]);
  ownership();
  kill_while_saving();
  CHECK(files_in(argv[1]) <= 2);
  save_together();
  CHECK(files_in(argv[1]) <= 5);
  return 0;
}
