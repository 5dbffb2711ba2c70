// The process may exit, and the library be unloaded, at awkward moments: while other threads are in the middle
// of calls, and after threads that made calls are gone.
//
// RUN: %cc -std=c11 -O1 -g -D_GNU_SOURCE -fPIC -shared -I%source_root -x c %source_root/tests/runtime/Inputs/library.c %source_root/runtime/*.c -lpthread -o %t.so
// RUN: %cc -std=c11 -O1 -g -D_GNU_SOURCE -I%source_root %s -lpthread -o %t
// RUN: %t %t.so
#include "tests/abi/Inputs/check.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void (*call)(void);

static void *call_forever(void *unused) {
  for (;;)
    call();
  return unused;
}

static void *call_once(void *unused) {
  call();
  return unused;
}

static void start(pthread_t *thread, void *(*function)(void *)) {
  CHECK(pthread_create(thread, NULL, function, NULL) == 0);
}

static void *open_library(const char *path) {
  void *library = dlopen(path, RTLD_NOW);
  if (!library)
    fprintf(stderr, "%s\n", dlerror());
  CHECK(library);
  call = (void (*)(void))dlsym(library, "call");
  CHECK(call);
  return library;
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  for (int round = 0; round < 30; ++round) {
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
      pthread_t threads[3];
      open_library(argv[1]);
      for (int i = 0; i < 3; ++i)
        start(&threads[i], call_forever);
      usleep(1000 + 100 * round);
      exit(0);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  for (int round = 0; round < 30; ++round) {
    void *library = open_library(argv[1]);
    pthread_t thread;
    start(&thread, call_once);
    call();
    pthread_join(thread, NULL);
    CHECK(dlclose(library) == 0);
  }
  return 0;
}
