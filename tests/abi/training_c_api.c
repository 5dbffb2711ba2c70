// The C API of a library that trains: steps, evaluation, gradients, learning rate, checkpoints, workspaces, and
// handles that do not share what they change. The model is linear, so a few sums say what must come out.
//
// REQUIRES: x86_64
// DEFINE: %{make} = sylvite-test-library %t.dir/host.ll --train
// DEFINE: %{cc} = %cc %ccflags -O1 -I%t.dir -I%S %s
// RUN: rm -rf %t.dir && mkdir %t.dir
// RUN: clang -O1 -fPIC -S -emit-llvm -I%source_root %S/Inputs/regression.c -o %t.dir/host.ll
//
// RUN: %{make} -o %t.dir --name line
// RUN: %{cc} -L%t.dir -Wl,-rpath,%t.dir -lline -o %t.dir/shared && %t.dir/shared %t.dir
// RUN: %{cc} %t.dir/libline.a -lm -lpthread -o %t.dir/static && %t.dir/static %t.dir
// RUN: %{make} -o %t.dir/external --name line --external
// RUN: %{cc} -DEXTERNAL -L%t.dir/external -Wl,-rpath,%t.dir/external -lline -o %t.dir/beside && %t.dir/beside %t.dir
// RUN: %{make} -o %t.dir/scheduled --name line --scheduled
// RUN: %{cc} -DSCHEDULED %t.dir/scheduled/libline.a -lm -lpthread -o %t.dir/refuses && %t.dir/refuses %t.dir
//
// The same model from the compiler:
// RUN: %if sylvite %{ sylvite compile %S/../cli/Inputs/line.mlir -o %t.dir/compiled --name line %}
// RUN: %if sylvite %{ %{cc} -DCOMPILED -I%t.dir/compiled %t.dir/compiled/libline.a -lm -lpthread -o %t.dir/real && %t.dir/real %t.dir %}
//
// RUN: nm -D --defined-only %t.dir/libline.so | FileCheck %s --check-prefix=EXPORTS --implicit-check-not=" {{[A-Z]}} "
// EXPORTS-COUNT-31: T line_{{[a-z_]+$}}
//
// RUN: FileCheck %s --check-prefix=HEADER --input-file=%t.dir/line.h
// HEADER: typedef struct line_metrics {
// HEADER-NEXT: float loss;
// HEADER-NEXT: float mae_0; /* "mae:0" */
// HEADER-NEXT: } line_metrics;
// HEADER: int line_train_step(line_model *model, const float *x, const float *y, int64_t batch, line_metrics *metrics);
// HEADER: int line_evaluate(line_model *model, const float *x, const float *y, int64_t batch, line_metrics *metrics);
// HEADER: [0] "dense/kernel" float32 [3]
// HEADER-NEXT: [1] "dense/bias" float32 [1]
// HEADER: enum { line_gradient_count = 2 };
// HEADER-NEXT: int line_gradients(line_model *model, const float *x, const float *y, int64_t batch, float *loss, float *const *gradients);
// HEADER: int line_metrics_result(line_model *model, line_metrics *metrics);
// HEADER: int line_reset_metrics(line_model *model);
#include "line.h"

#include "Inputs/check.h"

#include <math.h>

enum { BATCH = 4 };
static const float x[3 * BATCH] = {1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1};
static const float y[BATCH] = {2, 1, 3, 5};

static line_model *create(const char *weights) {
  sylvite_options options = {.size = sizeof options, .weights = weights};
  line_model *model = line_create(&options);
  if (!model)
    fprintf(stderr, "%s\n", line_last_error(NULL));
  CHECK(model);
  return model;
}

static void check_same(line_model *left, line_model *right) {
  float p[BATCH], q[BATCH];
  CHECK(line_forward(left, x, BATCH, p) == SYLVITE_OK && line_forward(right, x, BATCH, q) == SYLVITE_OK);
  CHECK(memcmp(p, q, sizeof p) == 0);
}

/* w = (0.5, -0.25, 0), b = 1: predictions 1.5, 0.75, 1, 1.25; errors -0.5, -0.25, -2, -3.75. */
static void one_step(void) {
  line_model *model = create(NULL), *untouched = create(NULL);
  line_metrics metrics;
  CHECK(line_evaluate(model, x, y, BATCH, &metrics) == SYLVITE_OK);
  CHECK(metrics.loss == (0.25f + 0.0625f + 4 + 14.0625f) / 4 && metrics.mae_0 == 6.5f / 4);
  float loss, kernel[3], bias[1];
  float *gradients[line_gradient_count] = {kernel, bias};
  CHECK(line_gradients(model, x, y, BATCH, &loss, gradients) == SYLVITE_OK);
  CHECK(loss == metrics.loss && kernel[0] == -2.125f && kernel[1] == -2 && kernel[2] == -2.875f && bias[0] == -3.25f);
  CHECK(line_train_step(model, x, y, BATCH, &metrics) == SYLVITE_OK && metrics.loss == loss);
  float p[BATCH];
  CHECK(line_forward(model, x, BATCH, p) == SYLVITE_OK);
  CHECK(p[0] == 1.5f + 0.125f * (2.125f + 3.25f) && p[2] == 1 + 0.125f * (2.875f + 3.25f));
  CHECK(line_forward(untouched, x, BATCH, p) == SYLVITE_OK && p[0] == 1.5f);

  /* Metrics and the loss are optional; gradients are not. */
  CHECK(line_evaluate(untouched, x, y, BATCH, NULL) == SYLVITE_OK);
  CHECK(line_train_step(untouched, x, y, BATCH, NULL) == SYLVITE_OK);
  check_same(model, untouched);
  CHECK(line_gradients(model, x, y, BATCH, NULL, gradients) == SYLVITE_OK);
  CHECK(line_gradients(model, x, y, BATCH, &loss, NULL) == SYLVITE_INVALID_ARGUMENT);
  CHECK(strcmp(line_last_error(model), "output 'dense/kernel' is null") == 0);
  gradients[1] = NULL;
  CHECK(line_gradients(model, x, y, BATCH, &loss, gradients) == SYLVITE_INVALID_ARGUMENT);
  CHECK(strcmp(line_last_error(model), "output 'dense/bias' is null") == 0);
  CHECK(line_train_step(model, x, y, 0, NULL) == SYLVITE_INVALID_ARGUMENT);
  CHECK(line_train_step(model, x, NULL, BATCH, NULL) == SYLVITE_INVALID_ARGUMENT);
  check_same(model, untouched);
  line_destroy(model);
  line_destroy(untouched);
}

/* The layer that computes the first value that is not a number, and no change by a call that says so. */
static void checks(void) {
  line_model *model = create(NULL), *fresh = create(NULL);
  float broken[3 * BATCH];
  memcpy(broken, x, sizeof broken);
  broken[4] = NAN;
  CHECK(line_set_checks(model, 1) == SYLVITE_OK && line_train_step(model, x, y, BATCH, NULL) == SYLVITE_OK);
  CHECK(line_train_step(fresh, x, y, BATCH, NULL) == SYLVITE_OK);
#ifdef COMPILED
  CHECK(line_train_step(model, broken, y, BATCH, NULL) == SYLVITE_NOT_A_NUMBER);
  CHECK(strstr(line_last_error(model), "layer 'dense"));
  CHECK(strstr(line_last_error(model), "computes a value that is not a number"));
#endif
  check_same(model, fresh);
  CHECK(line_set_checks(model, 0) == SYLVITE_OK && line_train_step(model, broken, y, BATCH, NULL) == SYLVITE_OK);
  CHECK(line_set_checks(NULL, 0) == SYLVITE_INVALID_ARGUMENT);
  line_destroy(model);
  line_destroy(fresh);
}

static void learning_rate(void) {
  line_model *model = create(NULL);
#ifdef SCHEDULED
  CHECK(isnan(line_learning_rate(model)));
  CHECK(line_set_learning_rate(model, 0.5f) == SYLVITE_INVALID_ARGUMENT);
  CHECK(strcmp(line_last_error(model), "the learning rate of model 'line' follows a schedule and cannot be set") == 0);
#else
  CHECK(line_learning_rate(model) == 0.125f);
  CHECK(line_set_learning_rate(model, -1) == SYLVITE_INVALID_ARGUMENT);
  CHECK(line_set_learning_rate(model, NAN) == SYLVITE_INVALID_ARGUMENT);
  CHECK(line_set_learning_rate(model, INFINITY) == SYLVITE_INVALID_ARGUMENT);
  CHECK(strcmp(line_last_error(model), "the learning rate must be a number that is not negative, not inf") == 0);
  CHECK(line_learning_rate(model) == 0.125f);
  CHECK(line_set_learning_rate(model, 0) == SYLVITE_OK && line_learning_rate(model) == 0);
  CHECK(line_train_step(model, x, y, BATCH, NULL) == SYLVITE_OK);
  line_model *fresh = create(NULL);
  check_same(model, fresh);
  line_destroy(fresh);
  CHECK(line_set_learning_rate(NULL, 1) == SYLVITE_INVALID_ARGUMENT && isnan(line_learning_rate(NULL)));
#endif
  line_destroy(model);
}

/* Training that goes on from a file gives the bits of training that never stopped. */
static void checkpoints(const char *directory) {
  char path[4096], weights[4096];
  snprintf(path, sizeof path, "%s/checkpoint.safetensors", directory);
  line_model *model = create(NULL);
#ifndef SCHEDULED
  CHECK(line_set_learning_rate(model, 0.0625f) == SYLVITE_OK);
#endif
  for (int i = 0; i < 3; ++i)
    CHECK(line_train_step(model, x, y, BATCH, NULL) == SYLVITE_OK);
  CHECK(line_save(model, path) == SYLVITE_OK);
  line_model *resumed = create(path), *loaded = create(NULL);
  CHECK(line_load(loaded, path) == SYLVITE_OK);
  CHECK(remove(path) == 0);
  for (int i = 0; i < 5; ++i) {
    CHECK(line_train_step(model, x, y, BATCH - 1, NULL) == SYLVITE_OK);
    CHECK(line_train_step(resumed, x, y, BATCH - 1, NULL) == SYLVITE_OK);
    CHECK(line_train_step(loaded, x, y, BATCH - 1, NULL) == SYLVITE_OK);
  }
  check_same(model, resumed);
  check_same(model, loaded);
#ifndef SCHEDULED
  CHECK(line_learning_rate(resumed) == 0.0625f && line_learning_rate(loaded) == 0.0625f);
#endif

  /* A note travels with the parameters. */
  char note[16] = "?";
  CHECK(line_save_checkpoint(model, path, "{\"epoch\": 3}\n") == SYLVITE_OK);
  CHECK(line_load_checkpoint(loaded, path, note, sizeof note) == SYLVITE_OK && strcmp(note, "{\"epoch\": 3}\n") == 0);
  CHECK(line_load_checkpoint(loaded, path, note, 5) == SYLVITE_OK && strcmp(note, "{\"ep") == 0);
  CHECK(line_load(loaded, path) == SYLVITE_OK && line_load_checkpoint(loaded, path, NULL, 0) == SYLVITE_OK);
  CHECK(line_save(model, path) == SYLVITE_OK);
  CHECK(line_load_checkpoint(loaded, path, note, sizeof note) == SYLVITE_OK && note[0] == '\0');

  /* Weights alone: they start another training, and do not resume one. */
  static const char header[] = "{\"dense/kernel\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]},"
                               "\"dense/bias\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[12,16]}}";
  const uint64_t length = sizeof header - 1;
  const float values[] = {1, 2, 3, 4};
  snprintf(weights, sizeof weights, "%s/weights.safetensors", directory);
  FILE *file = fopen(weights, "wb");
  CHECK(file && fwrite(&length, 8, 1, file) == 1 && fwrite(header, length, 1, file) == 1 &&
        fwrite(values, sizeof values, 1, file) == 1 && fclose(file) == 0);
  CHECK(line_load(loaded, weights) == SYLVITE_FORMAT_ERROR);
  CHECK(strstr(line_last_error(loaded), "has no tensor 'optimizer/dense/kernel/momentum'"));
  check_same(model, loaded);
#ifdef EXTERNAL
  /* Nobody else has the learning rate. */
  sylvite_options options = {.size = sizeof options, .weights = weights};
  CHECK(!line_create(&options) && strstr(line_last_error(NULL), "has no tensor 'optimizer/learning_rate'"));
#else
  line_model *tuned = create(weights);
  float p[BATCH];
  CHECK(line_forward(tuned, x, BATCH, p) == SYLVITE_OK && p[0] == 5 && p[3] == 10);
  CHECK(line_train_step(tuned, x, y, BATCH, NULL) == SYLVITE_OK);
  CHECK(line_forward(tuned, x, BATCH, p) == SYLVITE_OK && p[0] < 5);
  line_destroy(tuned);
#endif
  line_destroy(model);
  line_destroy(resumed);
  line_destroy(loaded);
}

/* The metrics of all batches since the last reset. */
static void metrics(void) {
  line_model *model = create(NULL);
  line_metrics first, second, all;
  CHECK(line_evaluate(model, x, y, BATCH, &first) == SYLVITE_OK && line_train_step(model, x, y, 1, &second) == SYLVITE_OK);
  CHECK(line_metrics_result(model, &all) == SYLVITE_OK && line_metrics_result(model, NULL) == SYLVITE_OK);
  CHECK(fabsf(all.loss - (BATCH * first.loss + second.loss) / (BATCH + 1)) < 1e-6f);
  CHECK(fabsf(all.mae_0 - (BATCH * first.mae_0 + second.mae_0) / (BATCH + 1)) < 1e-6f);
  CHECK(line_reset_metrics(model) == SYLVITE_OK && line_metrics_result(model, &all) == SYLVITE_OK);
  CHECK(all.loss == 0 && all.mae_0 == 0);
  line_destroy(model);
}

/* The forms for callers that do not know the model, and a workspace of the caller's. */
static void generic(void) {
  const sylvite_info *info = line_info();
  CHECK(info->entry_count == 6 && strcmp(info->entries[0].name, "forward") == 0);
  CHECK(info->entries[0].inputs == info->inputs && info->entries[0].outputs == info->outputs);
  const sylvite_entry *step = &info->entries[1];
  CHECK(strcmp(step->name, "train_step") == 0 && step->input_count == 2 && step->output_count == 2);
  CHECK(step->dim_count == 1 && strcmp(step->dims[0], "batch") == 0 && strcmp(step->inputs[1].name, "y") == 0);
  CHECK(info->parameter_count == 7 && info->parameters[0].role == SYLVITE_VARIABLE);
  CHECK(info->parameters[2].role == SYLVITE_TRAINING_STATE && info->parameters[2].offset == SYLVITE_ZERO);
  const int64_t dims[] = {BATCH};
  int64_t shape[1];
  CHECK(line_entry_output_shape(3, 1, dims, shape) == SYLVITE_OK && shape[0] == 3);
  CHECK(line_entry_output_shape(0, 0, dims, shape) == SYLVITE_OK && shape[0] == BATCH);
  CHECK(line_entry_output_shape(6, 0, dims, shape) == SYLVITE_INVALID_ARGUMENT);
  CHECK(strcmp(line_last_error(NULL), "entry 6 does not exist; the model has 6") == 0);
  CHECK(line_entry_workspace_size(-1, dims) == 0 && line_train_workspace_size(0) == 0);
  const size_t needed = line_entry_workspace_size(1, dims);
  CHECK(line_train_workspace_size(BATCH) == needed && line_workspace_size(BATCH) < needed);
#ifndef COMPILED
  CHECK(needed == 80 && line_entry_workspace_size(2, dims) == 16 && line_workspace_size(BATCH) == 0);
#endif

  static _Alignas(64) char workspace[4096];
  sylvite_options options = {.size = sizeof options, .workspace = workspace, .workspace_size = needed};
  line_model *model = line_create(&options), *other = create(NULL);
  CHECK(model);
  const void *inputs[] = {x, y};
  line_metrics metrics, same;
  void *outputs[] = {&metrics.loss, &metrics.mae_0};
  CHECK(line_run_entry(model, 1, inputs, dims, outputs) == SYLVITE_OK);
  CHECK(line_train_step(other, x, y, BATCH, &same) == SYLVITE_OK);
  CHECK(memcmp(&metrics, &same, sizeof same) == 0);
  check_same(model, other);
  CHECK(line_run_entry(model, 9, inputs, dims, outputs) == SYLVITE_INVALID_ARGUMENT);
  const int64_t more[] = {100 * BATCH};
  CHECK(line_run_entry(model, 1, inputs, more, outputs) == SYLVITE_INVALID_ARGUMENT);
  CHECK(strstr(line_last_error(model), "options.workspace_size is "));
  line_destroy(model);
  line_destroy(other);
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  one_step();
  checks();
  learning_rate();
  checkpoints(argv[1]);
  metrics();
  generic();
  return 0;
}
