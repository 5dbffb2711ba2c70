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

/* Used when memory for a thread's own state cannot be had, and by the single-threaded build. */
static struct sylvite_thread shared_state;

#ifdef SYLVITE_SINGLE_THREADED

struct sylvite_thread *sylvite_thread_state(void) { return &shared_state; }

__attribute__((destructor)) static void release_state(void) { sylvite_scratch_release(&shared_state); }

#else

#include <pthread.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool have_key;
static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct sylvite_thread *list;

static void free_state(void *pointer) {
  struct sylvite_thread *state = pointer;
  pthread_mutex_lock(&list_lock);
  if (state->previous)
    state->previous->next = state->next;
  else
    list = state->next;
  if (state->next)
    state->next->previous = state->previous;
  pthread_mutex_unlock(&list_lock);
  sylvite_scratch_release(state);
  free(state);
}

static void make_key(void) { have_key = pthread_key_create(&key, free_state) == 0; }

struct sylvite_thread *sylvite_thread_state(void) {
  pthread_once(&once, make_key);
  if (!have_key)
    return &shared_state;
  struct sylvite_thread *state = pthread_getspecific(key);
  if (state)
    return state;
  state = calloc(1, sizeof *state);
  if (!state || pthread_setspecific(key, state) != 0) {
    free(state);
    return &shared_state;
  }
  pthread_mutex_lock(&list_lock);
  state->next = list;
  if (list)
    list->previous = state;
  list = state;
  pthread_mutex_unlock(&list_lock);
  return state;
}

/* Runs after threads.c has stopped the pool (destructor priorities: higher first). */
__attribute__((destructor(102))) static void release_state(void) {
  if (have_key)
    pthread_key_delete(key);
  have_key = false;
  while (list) {
    struct sylvite_thread *state = list;
    list = state->next;
    sylvite_scratch_release(state);
    free(state);
  }
  sylvite_scratch_release(&shared_state);
}

#endif
