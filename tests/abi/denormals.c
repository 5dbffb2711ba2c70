// Numbers below the smallest normal one count as zero in a call, on every thread that works for it, and nowhere else.
//
// REQUIRES: sylvite
// RUN: rm -rf %t && mkdir %t
// RUN: sylvite compile %S/Inputs/halve.mlir -o %t --name halve
// RUN: %cc %ccflags -O1 -I%t -I%S %s %t/libhalve.a -lm -lpthread -o %t/denormals
// RUN: %t/denormals
#include "halve.h"

#include "Inputs/check.h"

#include <fenv.h>
#include <pthread.h>

enum { BATCH = 64, COLUMNS = 1 << 14 };
static const float denormal = 4e-39f;

struct loop {
  int (*task)(void *, int64_t);
  void *data;
  int64_t count;
};

static void *run_tasks(void *pointer) {
  const struct loop *loop = pointer;
  CHECK(fesetenv(FE_DFL_ENV) == 0); /* a thread begins with the mode of the one that starts it */
  for (int64_t i = 0; i < loop->count; ++i)
    CHECK(loop->task(loop->data, i) == 0);
  volatile float x = denormal;
  CHECK(x * 0.5f != 0);
  return NULL;
}

/* Runs tasks on another thread, as an application's pool does. */
static int parallel_for(void *state, int (*task)(void *, int64_t), void *data, int64_t count) {
  struct loop loop = {task, data, count};
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, run_tasks, &loop) == 0);
  CHECK(pthread_join(thread, NULL) == 0);
  ++*(int *)state;
  return 0;
}

static float x[BATCH * COLUMNS], y[BATCH * COLUMNS];

static void check_call(halve_model *model) {
  for (int i = 0; i < BATCH * COLUMNS; ++i) {
    x[i] = i % 2 ? 3 : denormal;
    y[i] = -1;
  }
  CHECK(halve_forward(model, x, BATCH, y) == SYLVITE_OK);
  for (int i = 0; i < BATCH * COLUMNS; ++i)
    CHECK(y[i] == (i % 2 ? 1.5f : 0.0f));
  volatile float mine = denormal;
  CHECK(mine * 0.5f != 0);
}

int main(void) {
  halve_model *model = halve_create(NULL);
  CHECK(model);
  for (int threads = 1; threads <= 3; ++threads) {
    CHECK(halve_set_threads(threads) == SYLVITE_OK);
    check_call(model);
  }
  int calls = 0;
  halve_set_parallel_for(parallel_for, &calls);
  check_call(model);
  CHECK(calls > 0);
  halve_destroy(model);
  return 0;
}
