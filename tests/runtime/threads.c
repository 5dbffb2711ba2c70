// The thread pool: every index runs exactly once, whatever the number of threads, loop sizes, nesting,
// contending callers, failing tasks, hooks and forks.
//
// RUN: %cc -std=c11 -O1 -g -D_GNU_SOURCE -I%source_root %s %source_root/runtime/*.c -lpthread -o %t
// RUN: %t
#include "Inputs/toy.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIZE = 10000 };

struct loop {
  _Atomic int ran[SIZE];
  int64_t fail_at;
  bool nested;
};

static int inner(void *data, int64_t index) {
  atomic_fetch_add((_Atomic int *)data, 1);
  return 0;
}

static int body(void *data, int64_t index) {
  struct loop *loop = data;
  atomic_fetch_add(&loop->ran[index], 1);
  if (loop->nested) {
    _Atomic int count = 0;
    CHECK(sylvite_parallel_run(inner, &count, 5) == 0);
    CHECK(count == 5);
  }
  return index == loop->fail_at ? 42 : 0;
}

static void run(int64_t count, bool nested) {
  struct loop *loop = calloc(1, sizeof *loop);
  loop->fail_at = -1;
  loop->nested = nested;
  CHECK(sylvite_parallel_run(body, loop, count) == 0);
  for (int64_t i = 0; i < SIZE; ++i)
    CHECK(loop->ran[i] == (i < count));
  free(loop);
}

static void *caller(void *argument) {
  for (int i = 0; i < 100; ++i)
    run(1 + (i * 37) % 97, i % 3 == 0);
  return NULL;
}

static void fails(void) {
  struct loop *loop = calloc(1, sizeof *loop);
  loop->fail_at = 77;
  CHECK(sylvite_parallel_run(body, loop, SIZE) == 42);
  for (int i = 0; i < SIZE; ++i)
    CHECK(loop->ran[i] <= 1);
  free(loop);
}

static void contended(void) {
  pthread_t threads[4];
  for (int i = 0; i < 4; ++i)
    CHECK(pthread_create(&threads[i], NULL, caller, NULL) == 0);
  for (int i = 0; i < 4; ++i)
    pthread_join(threads[i], NULL);
}

static int hook_calls;
static int hook(void *state, int (*task)(void *, int64_t), void *data, int64_t count) {
  CHECK(state == &hook_calls);
  ++hook_calls;
  for (int64_t i = count; i-- > 0;)
    if (task(data, i) != 0)
      return 1;
  return 0;
}

static void forked(void) {
  run(100, false); /* the parent has workers */
  fflush(NULL);
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    for (int i = 0; i < 20; ++i)
      run(1000, false);
    exit(0); /* with destructors */
  }
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void) {
  CHECK(sylvite_threads() >= 1);
  for (int threads = 1; threads <= 5; ++threads) {
    CHECK(sylvite_set_threads(threads) == SYLVITE_OK);
    CHECK(sylvite_threads() == threads);
    for (int64_t count = 0; count <= 40; ++count)
      run(count, false);
    run(SIZE, false);
    run(300, true);
    fails();
    usleep(1000); /* workers are asleep now */
    run(100, false);
    contended();
  }
  CHECK(sylvite_set_threads(-1) == SYLVITE_INVALID_ARGUMENT);
  CHECK(strstr(sylvite_last_error(NULL), "-1"));
#ifndef __SANITIZE_THREAD__ /* which does not follow a fork of a threaded process */
  forked();
#endif
  sylvite_set_parallel_for(hook, &hook_calls);
  run(50, true);
  CHECK(hook_calls == 1);
  sylvite_set_parallel_for(NULL, NULL);
  run(50, false);
  CHECK(hook_calls == 1);
  CHECK(sylvite_set_threads(0) == SYLVITE_OK);
  run(50, false);
  return 0;
}
