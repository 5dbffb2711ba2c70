/* Parallel loops: the library's own thread pool, and the application's hook in its place.
 *
 * Workers start with the first parallel loop. Between loops they spin for a moment, because the next kernel
 * usually follows within microseconds, and then sleep. One loop runs at a time: nested loops, and loops of
 * other threads meanwhile, run serially in their caller, which is always correct and never waits; so do those of a kernel that
 * ends in the time that it takes to share it. A hook is called for all but the nested ones.
 *
 * Each thread begins with a range of chunks of its own, the same part of every loop: what a kernel wrote is
 * then in the cache of the core that reads it in the next, where another core's would come at two fifths of the
 * speed. It takes half of what is left of it at a time: few claims where iterations are short, and something for others
 * where they are long. Who is done takes chunks from the ends of the others' ranges.
 *
 * The state of a loop is these ranges, each one word. A thread claims chunks by changing a range, and reads
 * the loop's description only after a claim; the description changes only when every claimed chunk is done. So
 * a late worker can neither miss a loop's end nor touch the next one's by mistake. */
#include "runtime.h"

static int run_serially(int (*task)(void *, int64_t), void *data, int64_t count) {
  int result = 0;
  for (int64_t index = 0; index < count && result == 0; ++index)
    result = task(data, index);
  return result;
}

#ifdef SYLVITE_SINGLE_THREADED

static sylvite_parallel_for hook;
static void *hook_state;

void sylvite_set_parallel_for(sylvite_parallel_for function, void *state) {
  hook = function;
  hook_state = state;
}

int sylvite_set_threads(int threads) {
  if (threads == 0 || threads == 1)
    return SYLVITE_OK;
  return sylvite_fail(sylvite_thread_state()->error, SYLVITE_INVALID_ARGUMENT,
                      "this library is built single-threaded; threads must be 1, not %d", threads);
}

int sylvite_threads(void) { return 1; }

/* A hook serves here too, as long as it calls the tasks from one thread. */
int sylvite_parallel_run(int (*task)(void *, int64_t), void *data, int64_t count) {
  struct sylvite_thread *thread = sylvite_thread_state();
  if (!hook || thread->in_parallel || count < 2)
    return run_serially(task, data, count);
  thread->in_parallel = true;
  int result = hook(hook_state, task, data, count);
  thread->in_parallel = false;
  return result;
}

#else

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum {
  MAX_THREADS = 256,
  SPIN_NANOSECONDS = 100000,      /* of an idle worker before it sleeps */
  WAIT_SPIN_NANOSECONDS = 200000, /* of a caller whose last chunks run elsewhere */
  CHUNKS_PER_THREAD = 8           /* at most: bounds the claims of a loop with many short iterations */
};

struct hook {
  sylvite_parallel_for function;
  void *state;
};

enum { LINE = 64 }; /* What threads change while others read something else has lines of its own. */

/* The unclaimed chunks of a thread: the first in the low half, the one after the last in the high half. */
struct range {
  _Alignas(LINE) _Atomic uint64_t chunks;
};

static struct {
  /* The loop. */
  struct range ranges[MAX_THREADS];         /* the caller's first, then one for each worker */
  _Alignas(LINE) _Atomic int64_t unclaimed; /* chunks in all ranges; zero when there is nothing to do */
  _Alignas(LINE) _Atomic int64_t done;
  _Alignas(LINE) _Atomic int result;
  int (*task)(void *, int64_t);
  void *data;
  int64_t count, chunk, chunks;
  int range_count; /* of those in use; changes with the workers only */
  sylvite_context *context;

  atomic_bool busy; /* held by the thread whose loop this is, or which starts or stops workers */

  /* Sleeping and waking. */
  pthread_mutex_t lock;
  pthread_cond_t work;     /* workers wait here */
  pthread_cond_t finished; /* the caller waits here */
  _Atomic int sleepers;
  atomic_bool caller_sleeps;
  atomic_bool stop;

  /* Workers; under `busy`. */
  int workers;
  bool started;
  pthread_t worker[MAX_THREADS];
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER,
          .work = PTHREAD_COND_INITIALIZER,
          .finished = PTHREAD_COND_INITIALIZER};

static _Atomic int wanted_threads; /* 0: all processors that the process may use */
static _Atomic(sylvite_parallel_for) hook_function;
static _Atomic(void *) hook_state;

/* ---- Fork ---------------------------------------------------------------------------------------------
 *
 * A child has none of its parent's workers. The kernel clears this page in a child, so a cleared `state` in
 * a pool that was used before means that the pool has to be made anew. */
enum { POOL_UNUSED = 0, POOL_STARTING, POOL_READY };

struct fork_page {
  _Atomic int state;
};

static struct fork_page fallback_page;
static _Atomic(struct fork_page *) page;

static struct fork_page *get_page(void) {
  struct fork_page *current = atomic_load_explicit(&page, memory_order_acquire);
  if (current)
    return current;
  struct fork_page *fresh =
      mmap(NULL, sizeof *fresh, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
#ifdef MADV_WIPEONFORK
  if (fresh != MAP_FAILED && madvise(fresh, sizeof *fresh, MADV_WIPEONFORK) != 0) {
    munmap(fresh, sizeof *fresh);
    fresh = MAP_FAILED;
  }
#endif
  if (fresh == MAP_FAILED)
    fresh = &fallback_page;
  if (atomic_compare_exchange_strong(&page, &current, fresh))
    return fresh;
  if (fresh != &fallback_page)
    munmap(fresh, sizeof *fresh);
  return current;
}

/* True when the pool's state belongs to this process; false while another thread prepares it. */
static bool pool_is_ready(void) {
  struct fork_page *current = get_page();
  int state = atomic_load_explicit(&current->state, memory_order_acquire);
  if (state == POOL_READY)
    return true;
  if (state != POOL_UNUSED ||
      !atomic_compare_exchange_strong(&current->state, &state, POOL_STARTING))
    return false;
  pthread_mutex_init(&pool.lock, NULL);
  pthread_cond_init(&pool.work, NULL);
  pthread_cond_init(&pool.finished, NULL);
  atomic_store(&pool.unclaimed, 0);
  atomic_store(&pool.sleepers, 0);
  atomic_store(&pool.caller_sleeps, false);
  atomic_store(&pool.stop, false);
  pool.workers = 0;
  pool.started = false;
  atomic_store(&pool.busy, false);
  atomic_store_explicit(&current->state, POOL_READY, memory_order_release);
  return true;
}

/* ---- Workers ------------------------------------------------------------------------------------------ */

static void pause_processor(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static int64_t now_nanoseconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static bool try_acquire(void) {
  return !atomic_load_explicit(&pool.busy, memory_order_relaxed) &&
         !atomic_exchange_explicit(&pool.busy, true, memory_order_acquire);
}

static void release(void) { atomic_store_explicit(&pool.busy, false, memory_order_release); }

struct claim {
  int64_t first, count; /* chunks; a count of zero: there were none */
};

/* Claims chunks of range `owner`: its owner half of what is left, from the front, others the last one. */
static struct claim claim(int owner, bool own) {
  _Atomic uint64_t *range = &pool.ranges[owner].chunks;
  uint64_t chunks = atomic_load_explicit(range, memory_order_acquire);
  for (;;) {
    uint32_t begin = (uint32_t)chunks, end = (uint32_t)(chunks >> 32);
    if (begin >= end)
      return (struct claim){0, 0};
    uint32_t taken = own ? (end - begin + 1) / 2 : 1;
    uint64_t rest = own ? chunks + taken : chunks - ((uint64_t)taken << 32);
    if (atomic_compare_exchange_weak_explicit(range, &chunks, rest, memory_order_acq_rel, memory_order_acquire)) {
      atomic_fetch_sub_explicit(&pool.unclaimed, taken, memory_order_relaxed);
      return (struct claim){own ? begin : end - taken, taken};
    }
  }
}

static void run_chunks(struct sylvite_thread *thread, struct claim claim) {
  int64_t begin = claim.first * pool.chunk, chunks = pool.chunks;
  int64_t end = begin + claim.count * pool.chunk < pool.count ? begin + claim.count * pool.chunk : pool.count;
  thread->context = pool.context;
  for (int64_t task = begin; task < end; ++task) {
    if (atomic_load_explicit(&pool.result, memory_order_relaxed) != 0)
      break;
    int result = pool.task(pool.data, task);
    int none = 0;
    if (result != 0)
      atomic_compare_exchange_strong(&pool.result, &none, result);
  }
  if (atomic_fetch_add(&pool.done, claim.count) + claim.count == chunks && atomic_load(&pool.caller_sleeps)) {
    pthread_mutex_lock(&pool.lock);
    pthread_cond_signal(&pool.finished);
    pthread_mutex_unlock(&pool.lock);
  }
}

/* Runs the chunks of range `own`, and then those that others have left. */
static void work(struct sylvite_thread *thread, int own) {
  for (struct claim next; (next = claim(own, true)).count;)
    run_chunks(thread, next);
  int ranges = pool.range_count;
  for (int step = 1; step < ranges; ++step)
    for (struct claim next; (next = claim((own + step) % ranges, false)).count;)
      run_chunks(thread, next);
}

static bool something_to_do(void) {
  return atomic_load(&pool.unclaimed) > 0 || atomic_load(&pool.stop);
}

static void *worker_main(void *argument) {
  int own = (int)(intptr_t)argument;
  struct sylvite_thread *thread = sylvite_thread_state();
  thread->in_parallel = true;
  sylvite_set_float_mode(sylvite_flushing(sylvite_float_mode()));
  for (;;) {
    int64_t deadline = now_nanoseconds() + SPIN_NANOSECONDS;
    while (!something_to_do() && now_nanoseconds() < deadline)
      for (int i = 0; i < 32 && !something_to_do(); ++i)
        pause_processor();
    if (!something_to_do()) {
      pthread_mutex_lock(&pool.lock);
      atomic_fetch_add(&pool.sleepers, 1);
      while (!something_to_do())
        pthread_cond_wait(&pool.work, &pool.lock);
      atomic_fetch_sub(&pool.sleepers, 1);
      pthread_mutex_unlock(&pool.lock);
    }
    if (atomic_load(&pool.stop))
      return NULL;
    work(thread, own);
    thread->context = NULL;
  }
}

static int usable_processors(cpu_set_t *set) {
  CPU_ZERO(set);
  if (sched_getaffinity(0, sizeof *set, set) != 0)
    return 1;
  int count = CPU_COUNT(set);
  return count < 1 ? 1 : count > MAX_THREADS ? MAX_THREADS : count;
}

int sylvite_threads(void) {
  int wanted = atomic_load_explicit(&wanted_threads, memory_order_relaxed);
  if (wanted > 0)
    return wanted;
  cpu_set_t set;
  int count = usable_processors(&set);
  /* Kept: the system call costs as much as a short parallel loop. */
  int none = 0;
  atomic_compare_exchange_strong(&wanted_threads, &none, count);
  return none ? none : count;
}

/* The processor that worker `index` is pinned to: those after the caller's, in turn. A worker is pinned only
 * when the pool fills the machine; with fewer threads, pools of several processes would share processors
 * while others idle. */
static void pin(pthread_t thread, int index, int caller, const cpu_set_t *set) {
  int processor = caller;
  for (int step = 0; step <= index; ++step)
    do
      processor = (processor + 1) % CPU_SETSIZE;
    while (!CPU_ISSET(processor, set));
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(processor, &one);
  pthread_setaffinity_np(thread, sizeof one, &one);
}

static void start_workers(int threads) {
  pool.started = true;
  cpu_set_t set;
  bool pinned = usable_processors(&set) == threads;
  int caller = sched_getcpu();
  if (caller < 0 || caller >= CPU_SETSIZE)
    caller = 0;
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0)
    return;
  for (int index = 0; index < threads - 1; ++index) {
    /* Fewer workers than wanted is a slower loop, not an error. */
    if (pthread_create(&pool.worker[index], &attributes, worker_main, (void *)(intptr_t)(index + 1)) != 0)
      break;
    if (pinned)
      pin(pool.worker[index], index, caller, &set);
    ++pool.workers;
  }
  pool.range_count = pool.workers + 1;
  pthread_attr_destroy(&attributes);
}

static void stop_workers(void) {
  atomic_store(&pool.stop, true);
  pthread_mutex_lock(&pool.lock);
  pthread_cond_broadcast(&pool.work);
  pthread_mutex_unlock(&pool.lock);
  for (int index = 0; index < pool.workers; ++index)
    pthread_join(pool.worker[index], NULL);
  pool.workers = 0;
  pool.started = false;
  atomic_store(&pool.stop, false);
}

/* ---- Loops -------------------------------------------------------------------------------------------- */

static void wait_until_done(void) {
  int64_t deadline = 0;
  for (int spins = 0; atomic_load(&pool.done) < pool.chunks; ++spins) {
    pause_processor();
    if (spins % 256 != 255)
      continue;
    int64_t now = now_nanoseconds();
    if (deadline == 0)
      deadline = now + WAIT_SPIN_NANOSECONDS;
    if (now < deadline)
      continue;
    pthread_mutex_lock(&pool.lock);
    atomic_store(&pool.caller_sleeps, true);
    while (atomic_load(&pool.done) < pool.chunks)
      pthread_cond_wait(&pool.finished, &pool.lock);
    atomic_store(&pool.caller_sleeps, false);
    pthread_mutex_unlock(&pool.lock);
    return;
  }
}

/* What a hook's tasks run in: the caller's context, on whatever thread the hook uses. */
struct hooked_loop {
  int (*task)(void *, int64_t);
  void *data;
  sylvite_context *context;
};

static int run_hooked_task(void *data, int64_t index) {
  const struct hooked_loop *loop = data;
  struct sylvite_thread *thread = sylvite_thread_state();
  sylvite_context *context = thread->context;
  bool in_parallel = thread->in_parallel;
  uintptr_t mode = sylvite_float_mode();
  thread->context = loop->context;
  thread->in_parallel = true;
  sylvite_set_float_mode(sylvite_flushing(mode));
  int result = loop->task(loop->data, index);
  sylvite_set_float_mode(mode);
  thread->context = context;
  thread->in_parallel = in_parallel;
  return result;
}

int sylvite_parallel_run(int (*task)(void *, int64_t), void *data, int64_t count) {
  struct sylvite_thread *thread = sylvite_thread_state();
  if (count < 2 || thread->in_parallel)
    return run_serially(task, data, count);
  sylvite_parallel_for function = atomic_load_explicit(&hook_function, memory_order_acquire);
  if (function) {
    struct hooked_loop loop = {task, data, thread->context};
    return function(atomic_load_explicit(&hook_state, memory_order_relaxed), run_hooked_task, &loop,
                    count);
  }
  int threads = sylvite_threads();
  if (threads < 2 || thread->is_brief || !pool_is_ready() || !try_acquire())
    return run_serially(task, data, count);
  if (!pool.started)
    start_workers(threads);
  if (pool.workers == 0) {
    release();
    return run_serially(task, data, count);
  }

  pool.task = task;
  pool.data = data;
  pool.count = count;
  pool.chunk = (count + (int64_t)CHUNKS_PER_THREAD * threads - 1) / (CHUNKS_PER_THREAD * threads);
  pool.chunks = (count + pool.chunk - 1) / pool.chunk;
  pool.context = thread->context;
  atomic_store_explicit(&pool.result, 0, memory_order_relaxed);
  atomic_store_explicit(&pool.done, 0, memory_order_relaxed);
  /* No range before the number of all: a thread that claims takes from both. */
  atomic_store(&pool.unclaimed, pool.chunks);
  for (int64_t owner = 0; owner < pool.range_count; ++owner) {
    uint64_t begin = (uint64_t)(pool.chunks * owner / pool.range_count),
             end = (uint64_t)(pool.chunks * (owner + 1) / pool.range_count);
    atomic_store(&pool.ranges[owner].chunks, begin | end << 32);
  }
  if (atomic_load(&pool.sleepers) > 0) {
    pthread_mutex_lock(&pool.lock);
    pthread_cond_broadcast(&pool.work);
    pthread_mutex_unlock(&pool.lock);
  }
  thread->in_parallel = true;
  work(thread, 0);
  thread->in_parallel = false;
  wait_until_done();
  int result = atomic_load(&pool.result);
  release();
  return result;
}

int sylvite_set_threads(int threads) {
  struct sylvite_thread *thread = sylvite_thread_state();
  if (threads < 0 || threads > MAX_THREADS)
    return sylvite_fail(thread->error, SYLVITE_INVALID_ARGUMENT,
                        "threads must be 0 (one per processor) to %d, not %d", MAX_THREADS, threads);
  if (thread->in_parallel)
    return sylvite_fail(thread->error, SYLVITE_BUSY,
                        "the number of threads cannot change inside a parallel loop");
  if (threads == sylvite_threads())
    return SYLVITE_OK;
  while (!pool_is_ready() || !try_acquire())
    sched_yield();
  if (pool.started)
    stop_workers();
  atomic_store(&wanted_threads, threads);
  release();
  return SYLVITE_OK;
}

void sylvite_set_parallel_for(sylvite_parallel_for function, void *state) {
  atomic_store_explicit(&hook_state, state, memory_order_relaxed);
  atomic_store_explicit(&hook_function, function, memory_order_release);
}

/* At unload or exit. A loop that runs on another thread at that moment keeps its workers: the process is on
 * its way out, and to wait for it could be forever. The pool stays taken, so that later calls of such threads
 * run serially, and the page stays mapped, which they may be looking at. */
__attribute__((destructor(103))) static void stop_pool(void) {
  struct fork_page *current = atomic_load(&page);
  if (current && atomic_load(&current->state) == POOL_READY && try_acquire() && pool.started)
    stop_workers();
}

#endif
