// The C API of a generated library, linked dynamically, statically, fully statically, and loaded at run time;
// with weights inside and beside it; single-threaded.
//
// REQUIRES: x86_64
// DEFINE: %{make} = sylvite-test-library %t.dir/host.ll %t.dir/kernels.o
// DEFINE: %{cc} = %cc %ccflags -O1 -I%t.dir -I%S %s
// RUN: rm -rf %t.dir && mkdir %t.dir
// RUN: clang -O1 -fPIC -S -emit-llvm -I%source_root %S/Inputs/host.c -o %t.dir/host.ll
// RUN: clang -O1 -fPIC -c -I%source_root %S/Inputs/kernels.c -o %t.dir/kernels.o
//
// RUN: %{make} -o %t.dir --name toy
// RUN: %{cc} -L%t.dir -Wl,-rpath,%t.dir -ltoy -o %t.dir/shared && %t.dir/shared %t.dir
// RUN: %{cc} %t.dir/libtoy.a -lm -lpthread -o %t.dir/static && %t.dir/static %t.dir
// RUN: %{make} -o %t.dir/external --name toy --external
// RUN: ls %t.dir/external | FileCheck %s --check-prefix=FILES
// FILES: libtoy.a
// FILES-NEXT: libtoy.so
// FILES-NEXT: toy.h
// FILES-NEXT: toy.weights.safetensors
// RUN: %{cc} -L%t.dir/external -Wl,-rpath,%t.dir/external -ltoy -o %t.dir/beside && %t.dir/beside %t.dir
// RUN: %{make} -o %t.dir/serial --name toy --serial --obj
// RUN: %{cc} -DSERIAL %t.dir/serial/toy.o -o %t.dir/single && %t.dir/single %t.dir
// RUN: nm %t.dir/serial/libtoy.so | FileCheck %s --check-prefix=SERIAL
// SERIAL-NOT: pthread
//
// What a library exports and needs:
// RUN: nm -D --defined-only %t.dir/libtoy.so | FileCheck %s --check-prefix=EXPORTS --implicit-check-not=" T " --implicit-check-not=" D " --implicit-check-not=" B "
// EXPORTS: T toy_create
// EXPORTS: T toy_destroy
// EXPORTS: T toy_forward
// EXPORTS: T toy_info
// EXPORTS: T toy_last_error
// EXPORTS: T toy_load
// EXPORTS: T toy_output_shape
// EXPORTS: T toy_profile
// EXPORTS: T toy_reset_states
// EXPORTS: T toy_run
// EXPORTS: T toy_run_workspace_size
// EXPORTS: T toy_save
// EXPORTS: T toy_set_parallel_for
// EXPORTS: T toy_set_profile
// EXPORTS: T toy_set_threads
// EXPORTS: T toy_threads
// EXPORTS: T toy_workspace_size
// RUN: llvm-readelf -d %t.dir/libtoy.so | FileCheck %s --check-prefix=NEEDED
// NEEDED: NEEDED{{.*}}libc.so.6
// NEEDED-NOT: NEEDED
#include "toy.h"

#include "Inputs/check.h"

static int hook_calls;
static int hook(void *state, int (*task)(void *, int64_t), void *data, int64_t count) {
  CHECK(state == &hook_calls);
  ++hook_calls;
  for (int64_t i = 0; i < count; ++i)
    if (task(data, i) != 0)
      return 1;
  return 0;
}

/* Rows enough that the pool shares them: what takes a few microseconds runs in its caller. */
enum { MANY = 40000, LENGTH = 6, ELEMENTS = MANY * LENGTH };
static float x[ELEMENTS], z[ELEMENTS], total[MANY], steps[ELEMENTS];

/* x counts up by 1, so every step is 1; total = 2 * (sum of a row of x, and z = 0.5). */
static void check_outputs(int64_t batch, int64_t length, float scale) {
  for (int64_t b = 0; b < batch; ++b) {
    float sum = 0;
    for (int64_t i = 0; i < length; ++i)
      sum += x[b * length + i] + z[b * length + i];
    CHECK(total[b] == scale * sum);
  }
  for (int64_t i = 0; i < batch * (length - 1); ++i)
    CHECK(steps[i] == 1);
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  for (int i = 0; i < ELEMENTS; ++i) {
    x[i] = (float)i;
    z[i] = 0.5f;
  }
  toy_model *model = toy_create(NULL);
  if (!model)
    fprintf(stderr, "%s\n", toy_last_error(NULL));
  CHECK(model);
  CHECK(toy_forward(model, x, z, 3, 5, total, steps) == SYLVITE_OK);
  check_outputs(3, 5, 2);
  CHECK(toy_forward(model, x, z, MANY, LENGTH, total, steps) == SYLVITE_OK);
  check_outputs(MANY, LENGTH, 2);

  /* Errors have a status and a sentence, and the handle still works. */
  CHECK(toy_forward(NULL, x, z, 1, 2, total, steps) == SYLVITE_INVALID_ARGUMENT);
  CHECK(strcmp(toy_last_error(NULL), "the model is null") == 0);
  CHECK(toy_forward(model, x, NULL, 1, 2, total, steps) == SYLVITE_INVALID_ARGUMENT);
  CHECK(strcmp(toy_last_error(model), "input 'x:0' is null") == 0);
  CHECK(toy_forward(model, x, z, 0, 2, total, steps) == SYLVITE_INVALID_ARGUMENT);
  CHECK(strcmp(toy_last_error(model), "batch must be positive, not 0") == 0);
  CHECK(toy_forward(model, x, z, -4, 2, total, steps) == SYLVITE_INVALID_ARGUMENT);
  CHECK(toy_forward(model, x, z, INT64_MAX, 2, total, steps) == SYLVITE_INVALID_ARGUMENT);
  CHECK(toy_forward(model, x, z, 1 << 16, 1 << 16, total, steps) == SYLVITE_INVALID_ARGUMENT);
  CHECK(toy_forward(model, x, z, 2, 2, total, steps) == SYLVITE_OK);

  /* The description. */
  const sylvite_info *info = toy_info();
  CHECK(info->abi == SYLVITE_ABI && strcmp(info->name, "toy") == 0);
  CHECK(info->dim_count == 2 && strcmp(info->dims[1], "length") == 0);
  CHECK(info->input_count == 2 && strcmp(info->inputs[1].name, "x:0") == 0);
  CHECK(info->inputs[1].rank == 2 && info->inputs[1].shape[1] == SYLVITE_FREE(1));
  CHECK(info->output_count == 2 && info->outputs[1].shape[1] == SYLVITE_DERIVED);
  CHECK(info->parameter_count == 2 && info->parameters[1].tensor.dtype == SYLVITE_UINT8);
  CHECK(info->parameters[1].offset == 64 && info->weights_bytes == 67 && info->model_parameters == 7);
  CHECK(info->kernel_count == 2 && strcmp(info->kernels[0].layers, "layer_a; layer_b") == 0);
  CHECK(info->kernels[0].flops_per_item == 8 && info->kernels[0].bytes_per_item == 32);
  int64_t dims[] = {3, 5}, shape[2];
  CHECK(toy_output_shape(1, dims, shape) == SYLVITE_OK && shape[0] == 3 && shape[1] == 4);
  CHECK(toy_workspace_size(3, 5) == 60 && toy_run_workspace_size(dims) == 60);
  CHECK(toy_workspace_size(-3, 5) == 0);

  /* A caller's workspace, the array form, threads, the hook, a profile. */
  _Alignas(64) static char workspace[64];
  sylvite_options options = {.size = sizeof options, .workspace = workspace, .workspace_size = sizeof workspace};
  toy_model *second = toy_create(&options);
  CHECK(second);
  CHECK(toy_forward(second, x, z, 3, 5, total, steps) == SYLVITE_OK);
  CHECK(toy_forward(second, x, z, 4, 5, total, steps) == SYLVITE_INVALID_ARGUMENT);
  const void *inputs[] = {x, z};
  void *outputs[] = {total, steps};
  CHECK(toy_run(second, inputs, dims, outputs) == SYLVITE_OK);
  check_outputs(3, 5, 2);
#ifndef SERIAL
  CHECK(toy_set_threads(2) == SYLVITE_OK && toy_threads() == 2);
#endif
  CHECK(toy_forward(model, x, z, MANY, LENGTH, total, steps) == SYLVITE_OK);
  check_outputs(MANY, LENGTH, 2);
  toy_set_parallel_for(hook, &hook_calls);
  CHECK(toy_forward(model, x, z, MANY, LENGTH, total, steps) == SYLVITE_OK);
  check_outputs(MANY, LENGTH, 2);
  CHECK(hook_calls == 1);
  toy_set_parallel_for(NULL, NULL);
  sylvite_profile profile;
  CHECK(toy_set_profile(model, 1) == SYLVITE_OK);
  CHECK(toy_forward(model, x, z, MANY, LENGTH, total, steps) == SYLVITE_OK);
  CHECK(toy_profile(model, 0, &profile) == SYLVITE_OK && profile.calls == 1 && profile.seconds > 0);

  /* Weights can be saved and loaded, and a file of another model is refused. */
  char path[4096];
  snprintf(path, sizeof path, "%s/saved.safetensors", argv[1]);
  CHECK(toy_save(model, path) == SYLVITE_OK);
  CHECK(toy_load(second, path) == SYLVITE_OK);
  CHECK(toy_run(second, inputs, dims, outputs) == SYLVITE_OK);
  check_outputs(3, 5, 2);
  FILE *file = fopen(path, "wb");
  CHECK(file && fwrite("\2\0\0\0\0\0\0\0{}", 1, 10, file) == 10 && fclose(file) == 0);
  CHECK(toy_load(model, path) == SYLVITE_FORMAT_ERROR);
  CHECK(strstr(toy_last_error(model), "has no tensor 'layer/scale'"));
  options.weights = path;
  CHECK(!toy_create(&options));
  CHECK(strstr(toy_last_error(NULL), "has no tensor 'layer/scale'"));

  toy_destroy(second);
  toy_destroy(model);
  toy_destroy(NULL);
  return 0;
}
