/* State of each thread that runs kernels, and failure messages.
 *
 * State hangs off a pthread key and not off thread-local storage: thread-local storage in a library that is
 * loaded late needs either the loader's own library or space that few libraries can have. */
#include "runtime.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int sylvite_fail(char *message, int status, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, SYLVITE_ERROR_BYTES, format, arguments);
  va_end(arguments);
  return status;
}

int sylvite_context_fail(sylvite_context *context, int status, const char *format, ...) {
  int32_t none = SYLVITE_OK;
  if (!atomic_compare_exchange_strong(&context->status, &none, status))
    return none;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(context->error, sizeof context->error, format, arguments);
  va_end(arguments);
  return status;
}

/* Of the single-threaded build; otherwise for a thread that memory for its own cannot be had for. */
static struct sylvite_thread shared_state;

#ifdef SYLVITE_SINGLE_THREADED

struct sylvite_thread *sylvite_thread_state(void) { return &shared_state; }

__attribute__((destructor)) static void release_state(void) { sylvite_scratch_release(&shared_state); }

#else

#include <pthread.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool have_key;

static void free_state(void *pointer) {
  sylvite_scratch_release(pointer);
  free(pointer);
}

static void make_key(void) { have_key = pthread_key_create(&key, free_state) == 0; }

struct sylvite_thread *sylvite_thread_state(void) {
  pthread_once(&once, make_key);
  struct sylvite_thread *state = have_key ? pthread_getspecific(key) : NULL;
  if (state)
    return state;
  state = calloc(1, sizeof *state);
  if (!state)
    return &shared_state;
  if (have_key)
    pthread_setspecific(key, state);
  return state;
}

/* At unload or exit, after threads.c has stopped the pool (higher priorities run first). The states of other
 * threads are left alone: at exit they may be in the middle of a call, and a library is unloaded too rarely
 * for a kilobyte per thread to matter. Their destructor must not be called any more, though: it may be gone. */
__attribute__((destructor(102))) static void release_state(void) {
  if (!have_key)
    return;
  void *state = pthread_getspecific(key);
  pthread_key_delete(key);
  if (state)
    free_state(state);
}

#endif
