/* Memory for what is large: workspaces, what training changes, and the weights.
 *
 * A processor looks up the address of every page that it reads, and keeps some of them at hand: pages of 4 KB of a few
 * megabytes, huge pages of 2 MB of gigabytes. Weights that are read once a call, from end to end, meet a new page every
 * 64 lines. On a virtual machine, where a look-up is two-dimensional, BERT-base takes 141 ms with its weights in the
 * library's file as it is mapped, 221 where the pages of that file lie scattered, and 131 with them in huge pages.
 * Linux gives huge pages to anonymous memory alone; so the weights are copied there, once for all handles. */
#include "runtime.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef SYLVITE_SINGLE_THREADED
#include <pthread.h>
#endif

#if defined(__linux__) && defined(MADV_HUGEPAGE)
#define HAS_HUGE_PAGES 1
#else
#define HAS_HUGE_PAGES 0
#endif

static const size_t small_page = (size_t)4 << 10, huge_page = (size_t)2 << 20;
/* Less is not worth a page of its own, and fewer weights no copy. */
static const size_t least_block = (size_t)1 << 20, least_weights = (size_t)4 << 20;

static size_t round_up(size_t bytes, size_t multiple) { return (bytes + multiple - 1) / multiple * multiple; }

void *sylvite_allocate(size_t bytes) {
  if (bytes > PTRDIFF_MAX - huge_page)
    return NULL;
  if (!HAS_HUGE_PAGES || bytes < least_block)
    return aligned_alloc(SYLVITE_ALIGNMENT, round_up(bytes, SYLVITE_ALIGNMENT));
  size_t rounded = round_up(bytes, huge_page);
  void *memory = aligned_alloc(huge_page, rounded);
#if HAS_HUGE_PAGES
  if (memory)
    (void)madvise(memory, rounded, MADV_HUGEPAGE); /* a wish */
#endif
  return memory;
}

/* ---- Constant weights ---------------------------------------------------------------------------------- */

/* The constants of a program, one after the other, and the handles that read them there. */
struct constants {
  const struct sylvite_program *program;
  uint8_t *memory;
  size_t handles;
  struct constants *next;
};

static struct constants *all_constants;
#ifndef SYLVITE_SINGLE_THREADED
static pthread_mutex_t constants_lock = PTHREAD_MUTEX_INITIALIZER;
static void lock_constants(void) { pthread_mutex_lock(&constants_lock); }
static void unlock_constants(void) { pthread_mutex_unlock(&constants_lock); }
#else
static void lock_constants(void) {}
static void unlock_constants(void) {}
#endif

/* A constant of which calls read all: an embedding's rows are looked up where they are. */
static bool is_copied(const sylvite_parameter *parameter) {
  return parameter->role == SYLVITE_CONSTANT && parameter->offset != SYLVITE_ZERO && !parameter->looked_up;
}

/* Calls `function` for every constant that is copied: its index, its value in the library, and its place among them: large ones begin
 * at a page, of which a kernel may read some and leave others. Returns the bytes of all. */
static size_t for_each_constant(const struct sylvite_program *program,
                                void (*function)(void *data, int32_t index, const uint8_t *value, size_t place), void *data) {
  size_t place = 0;
  for (int32_t i = 0; i < program->info.parameter_count; ++i) {
    const sylvite_parameter *parameter = &program->info.parameters[i];
    if (!is_copied(parameter))
      continue;
    size_t bytes = sylvite_parameter_bytes(parameter);
    place = round_up(place, bytes < least_block ? SYLVITE_ALIGNMENT : small_page);
    if (function)
      function(data, i, program->weights + parameter->offset, place);
    place += bytes;
  }
  return place;
}

/* Whether the system gives huge pages to those who ask. */
static bool has_huge_pages(void) {
  char text[64] = "";
  FILE *file = HAS_HUGE_PAGES ? fopen("/sys/kernel/mm/transparent_hugepage/enabled", "re") : NULL;
  if (!file)
    return false;
  char *line = fgets(text, sizeof text, file);
  fclose(file);
  return line && !strstr(line, "[never]");
}

/* Whether the pages at `address` are those of a file, which nobody may write here: they can be had again. */
static bool is_mapped_file(const void *address) {
  bool found = false;
  FILE *file = fopen("/proc/self/maps", "re");
  char line[512];
  while (file && !found && fgets(line, sizeof line, file)) {
    uintptr_t begin, end, inode = 0;
    char access[5];
    if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s %*s %*s %" SCNuPTR, &begin, &end, access, &inode) == 4 &&
        begin <= (uintptr_t)address && (uintptr_t)address < end)
      found = inode != 0 && access[1] != 'w';
    while (!strchr(line, '\n') && fgets(line, sizeof line, file)) /* the rest of a long path */
      ;
  }
  if (file)
    fclose(file);
  return found;
}

struct copying {
  const struct sylvite_program *program;
  uint8_t *memory;
};

void sylvite_move_weights(void *to, const uint8_t *from, size_t bytes) {
  size_t part = 8 * huge_page;
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  for (size_t done = 0; done < bytes; done += part) {
    size_t some = bytes - done < part ? bytes - done : part;
    memcpy((uint8_t *)to + done, from + done, some);
    uintptr_t begin = round_up((uintptr_t)from + done, page), end = ((uintptr_t)from + done + some) / page * page;
    if (begin < end)
      (void)madvise((void *)begin, end - begin, MADV_DONTNEED);
  }
}

/* Copies one constant. */
static void copy_constant(void *data, int32_t index, const uint8_t *value, size_t place) {
  const struct copying *copying = data;
  sylvite_move_weights(copying->memory + place, value, sylvite_parameter_bytes(&copying->program->info.parameters[index]));
}

bool sylvite_can_move_weights(const struct sylvite_program *program) {
  size_t bytes = 0;
  for (int32_t i = 0; i < program->info.parameter_count; ++i) {
    const sylvite_parameter *parameter = &program->info.parameters[i];
    if (parameter->role != SYLVITE_CONSTANT && parameter->offset != SYLVITE_ZERO)
      bytes += sylvite_parameter_bytes(parameter);
  }
  return bytes >= least_weights && is_mapped_file(program->weights);
}

/* The program's constants in huge pages; NULL where there are no such pages, where they are no file's pages, which can be given
 * back, or where they would take much of the memory. */
static uint8_t *copy_constants(const struct sylvite_program *program, size_t bytes) {
  long pages = sysconf(_SC_PHYS_PAGES);
  if (pages <= 0 || bytes / (size_t)sysconf(_SC_PAGESIZE) > (size_t)pages / 4 || !has_huge_pages() ||
      !is_mapped_file(program->weights))
    return NULL;
  struct copying copying = {program, sylvite_allocate(bytes)};
  if (copying.memory)
    for_each_constant(program, copy_constant, &copying);
  return copying.memory;
}

struct table {
  void **parameters;
  uint8_t *memory;
};

static void point_at(void *data, int32_t index, const uint8_t *value, size_t place) {
  (void)value;
  const struct table *table = data;
  table->parameters[index] = table->memory + place;
}

bool sylvite_share_constants(const struct sylvite_program *program, void **parameters) {
  size_t bytes = program->weights ? for_each_constant(program, NULL, NULL) : 0;
  if (bytes < least_weights)
    return false;
  lock_constants();
  struct constants *constants = all_constants;
  while (constants && constants->program != program)
    constants = constants->next;
  if (!constants && (constants = calloc(1, sizeof *constants))) {
    constants->program = program;
    constants->memory = copy_constants(program, bytes);
    if (constants->memory) {
      constants->next = all_constants;
      all_constants = constants;
    } else {
      free(constants);
      constants = NULL;
    }
  }
  if (constants) {
    ++constants->handles;
    for_each_constant(program, point_at, &(struct table){parameters, constants->memory});
  }
  unlock_constants();
  return constants != NULL;
}

void sylvite_release_constants(const struct sylvite_program *program) {
  lock_constants();
  for (struct constants **at = &all_constants; *at; at = &(*at)->next)
    if ((*at)->program == program) {
      struct constants *constants = *at;
      if (--constants->handles == 0) {
        *at = constants->next;
        free(constants->memory);
        free(constants);
      }
      break;
    }
  unlock_constants();
}
