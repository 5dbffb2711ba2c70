/* Weights files: reading and writing the safetensors format.
 *
 * A file is a 64-bit little-endian header length, a JSON header, and the data of all tensors without holes:
 * https://huggingface.co/docs/safetensors. Every statement of the header is checked before use, so that a
 * damaged or hostile file is an error and never a wild read. The parser knows no more JSON than the format
 * has. */
#include "runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "safetensors data are little-endian; this machine is not"
#endif

enum { MAX_RANK = 64 };
static const uint64_t max_header = 100 * 1000 * 1000; /* the reference implementation's limit */
static const char note_key[] = "sylvite.note";        /* among the file's metadata */

static const struct {
  const char *name;
  size_t size;
} dtypes[] = {
    [SYLVITE_FLOAT32] = {"F32", 4}, [SYLVITE_FLOAT64] = {"F64", 8}, [SYLVITE_FLOAT16] = {"F16", 2},
    [SYLVITE_BFLOAT16] = {"BF16", 2}, [SYLVITE_INT8] = {"I8", 1},   [SYLVITE_INT16] = {"I16", 2},
    [SYLVITE_INT32] = {"I32", 4},   [SYLVITE_INT64] = {"I64", 8},   [SYLVITE_UINT8] = {"U8", 1},
    [SYLVITE_UINT16] = {"U16", 2},  [SYLVITE_UINT32] = {"U32", 4},  [SYLVITE_UINT64] = {"U64", 8},
    [SYLVITE_BOOL] = {"BOOL", 1},
};
enum { DTYPES = sizeof dtypes / sizeof *dtypes };

size_t sylvite_dtype_size(int32_t dtype) {
  return dtype >= 0 && dtype < DTYPES ? dtypes[dtype].size : 1;
}

const char *sylvite_dtype_name(int32_t dtype) {
  return dtype >= 0 && dtype < DTYPES ? dtypes[dtype].name : "?";
}

/* ---- Header ------------------------------------------------------------------------------------------- */

struct entry {
  char *name; /* owned */
  int32_t dtype; /* -1: one that Sylvite does not know, as the 8-bit floats */
  int32_t rank;
  int64_t shape[8]; /* the first sizes, for comparison; parameters have no more */
  uint64_t elements;
  uint64_t begin, end;
};

struct parser {
  const char *path;
  const char *cursor, *limit, *start;
  struct entry *entries;
  size_t count, capacity;
  char *note; /* owned; NULL when there is none */
  char *error;
  int status;
};

static bool malformed(struct parser *parser, const char *what) {
  if (parser->status == SYLVITE_OK)
    parser->status =
        sylvite_fail(parser->error, SYLVITE_FORMAT_ERROR, "%s: malformed safetensors header: %s at byte %td",
                     parser->path, what, parser->cursor - parser->start + 8);
  return false;
}

static bool out_of_memory(struct parser *parser) {
  if (parser->status == SYLVITE_OK)
    parser->status = sylvite_fail(parser->error, SYLVITE_OUT_OF_MEMORY,
                                  "out of memory for the header of %s", parser->path);
  return false;
}

static void skip_space(struct parser *parser) {
  while (parser->cursor < parser->limit && (*parser->cursor == ' ' || *parser->cursor == '\n' ||
                                            *parser->cursor == '\t' || *parser->cursor == '\r'))
    ++parser->cursor;
}

static bool accept(struct parser *parser, char wanted) {
  skip_space(parser);
  if (parser->cursor >= parser->limit || *parser->cursor != wanted)
    return false;
  ++parser->cursor;
  return true;
}

static bool expect(struct parser *parser, char wanted) {
  if (accept(parser, wanted))
    return true;
  char what[] = "expected 'x'";
  what[10] = wanted;
  return malformed(parser, what);
}

static bool parse_hex4(struct parser *parser, uint32_t *value) {
  *value = 0;
  if (parser->limit - parser->cursor < 4)
    return malformed(parser, "unfinished \\u escape");
  for (int i = 0; i < 4; ++i) {
    char c = *parser->cursor++;
    uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                     : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                     : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                            : 16;
    if (digit == 16)
      return malformed(parser, "invalid \\u escape");
    *value = *value << 4 | digit;
  }
  return true;
}

static char *put_utf8(char *out, uint32_t code) {
  if (code < 0x80) {
    *out++ = (char)code;
  } else if (code < 0x800) {
    *out++ = (char)(0xc0 | code >> 6);
    *out++ = (char)(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    *out++ = (char)(0xe0 | code >> 12);
    *out++ = (char)(0x80 | (code >> 6 & 0x3f));
    *out++ = (char)(0x80 | (code & 0x3f));
  } else {
    *out++ = (char)(0xf0 | code >> 18);
    *out++ = (char)(0x80 | (code >> 12 & 0x3f));
    *out++ = (char)(0x80 | (code >> 6 & 0x3f));
    *out++ = (char)(0x80 | (code & 0x3f));
  }
  return out;
}

static bool parse_escape(struct parser *parser, char **out) {
  static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
  if (parser->cursor >= parser->limit)
    return malformed(parser, "unfinished string");
  char c = *parser->cursor++;
  if (c != 'u') {
    const char *found = c ? strchr(from, c) : NULL;
    if (!found)
      return malformed(parser, "invalid escape");
    *(*out)++ = to[found - from];
    return true;
  }
  uint32_t code, low;
  if (!parse_hex4(parser, &code))
    return false;
  if (code >= 0xd800 && code < 0xdc00) {
    if (parser->limit - parser->cursor < 2 || parser->cursor[0] != '\\' || parser->cursor[1] != 'u')
      return malformed(parser, "unpaired surrogate");
    parser->cursor += 2;
    if (!parse_hex4(parser, &low))
      return false;
    if (low < 0xdc00 || low > 0xdfff)
      return malformed(parser, "unpaired surrogate");
    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
  } else if ((code >= 0xdc00 && code < 0xe000) || code == 0) {
    return malformed(parser, "invalid \\u escape");
  }
  *out = put_utf8(*out, code);
  return true;
}

/* Parses a string into new memory, or skips it when `result` is NULL. */
static bool parse_string(struct parser *parser, char **result) {
  if (!expect(parser, '"'))
    return false;
  const char *end = parser->cursor;
  while (end < parser->limit && *end != '"')
    end += *end == '\\' && end + 1 < parser->limit ? 2 : 1;
  if (end >= parser->limit)
    return malformed(parser, "unfinished string");
  /* No escape is shorter than what it stands for. */
  char *text = malloc((size_t)(end - parser->cursor) + 1), *out = text;
  if (!text)
    return out_of_memory(parser);
  while (*parser->cursor != '"') {
    char c = *parser->cursor++;
    if ((unsigned char)c < 0x20) {
      free(text);
      return malformed(parser, "control character in a string");
    }
    if (c != '\\') {
      *out++ = c;
    } else if (!parse_escape(parser, &out)) {
      free(text);
      return false;
    }
  }
  ++parser->cursor;
  *out = '\0';
  if (result)
    *result = text;
  else
    free(text);
  return true;
}

static bool parse_unsigned(struct parser *parser, uint64_t *value) {
  skip_space(parser);
  const char *begin = parser->cursor;
  *value = 0;
  while (parser->cursor < parser->limit && *parser->cursor >= '0' && *parser->cursor <= '9') {
    uint64_t digit = (uint64_t)(*parser->cursor - '0');
    if (__builtin_mul_overflow(*value, (uint64_t)10, value) ||
        __builtin_add_overflow(*value, digit, value) || *value > INT64_MAX)
      return malformed(parser, "number too large");
    ++parser->cursor;
  }
  if (parser->cursor == begin)
    return malformed(parser, "expected a number");
  if (*begin == '0' && parser->cursor - begin > 1)
    return malformed(parser, "number with a leading zero");
  return true;
}

static bool parse_shape(struct parser *parser, struct entry *entry) {
  if (!expect(parser, '['))
    return false;
  entry->rank = 0;
  entry->elements = 1;
  if (accept(parser, ']'))
    return true;
  do {
    uint64_t size;
    if (!parse_unsigned(parser, &size))
      return false;
    if (entry->rank == MAX_RANK)
      return malformed(parser, "more than 64 dimensions");
    if (entry->rank < (int32_t)(sizeof entry->shape / sizeof *entry->shape))
      entry->shape[entry->rank] = (int64_t)size;
    ++entry->rank;
    if (__builtin_mul_overflow(entry->elements, size, &entry->elements))
      return malformed(parser, "shape overflows");
  } while (accept(parser, ','));
  return expect(parser, ']');
}

static bool parse_metadata(struct parser *parser) {
  if (!expect(parser, '{'))
    return false;
  if (accept(parser, '}'))
    return true;
  do {
    char *key = NULL;
    if (!parse_string(parser, &key))
      return false;
    bool is_note = strcmp(key, note_key) == 0 && !parser->note;
    free(key);
    if (!expect(parser, ':') || !parse_string(parser, is_note ? &parser->note : NULL))
      return false;
  } while (accept(parser, ','));
  return expect(parser, '}');
}

static bool parse_dtype(struct parser *parser, struct entry *entry) {
  char *name = NULL;
  if (!parse_string(parser, &name))
    return false;
  entry->dtype = -1;
  for (int32_t i = 0; i < DTYPES; ++i)
    if (strcmp(name, dtypes[i].name) == 0)
      entry->dtype = i;
  free(name);
  return true;
}

static bool parse_tensor(struct parser *parser, struct entry *entry) {
  enum { DTYPE = 1, SHAPE = 2, OFFSETS = 4 };
  int seen = 0;
  if (!expect(parser, '{'))
    return false;
  do {
    char *key = NULL;
    if (!parse_string(parser, &key))
      return false;
    int field = strcmp(key, "dtype") == 0          ? DTYPE
                : strcmp(key, "shape") == 0        ? SHAPE
                : strcmp(key, "data_offsets") == 0 ? OFFSETS
                                                   : 0;
    free(key);
    if (field == 0)
      return malformed(parser, "unknown key in a tensor's description");
    if (seen & field)
      return malformed(parser, "a key occurs twice");
    seen |= field;
    if (!expect(parser, ':'))
      return false;
    bool ok = field == DTYPE   ? parse_dtype(parser, entry)
              : field == SHAPE ? parse_shape(parser, entry)
                               : expect(parser, '[') && parse_unsigned(parser, &entry->begin) &&
                                     expect(parser, ',') && parse_unsigned(parser, &entry->end) &&
                                     expect(parser, ']');
    if (!ok)
      return false;
  } while (accept(parser, ','));
  if (!expect(parser, '}'))
    return false;
  if (seen != (DTYPE | SHAPE | OFFSETS))
    return malformed(parser, "a tensor lacks dtype, shape or data_offsets");
  if (entry->begin > entry->end)
    return malformed(parser, "data_offsets run backwards");
  uint64_t bytes;
  if (entry->dtype >= 0 &&
      (__builtin_mul_overflow(entry->elements, (uint64_t)dtypes[entry->dtype].size, &bytes) ||
       bytes != entry->end - entry->begin))
    return malformed(parser, "data_offsets do not agree with dtype and shape");
  return true;
}

static bool parse_header(struct parser *parser) {
  if (!expect(parser, '{'))
    return false;
  if (!accept(parser, '}')) {
    do {
      if (parser->count == parser->capacity) {
        size_t capacity = parser->capacity ? 2 * parser->capacity : 64;
        struct entry *grown = realloc(parser->entries, capacity * sizeof *grown);
        if (!grown)
          return out_of_memory(parser);
        parser->entries = grown;
        parser->capacity = capacity;
      }
      struct entry *entry = &parser->entries[parser->count];
      memset(entry, 0, sizeof *entry);
      if (!parse_string(parser, &entry->name))
        return false;
      ++parser->count; /* owns the name from here */
      if (!expect(parser, ':'))
        return false;
      if (strcmp(entry->name, "__metadata__") == 0) {
        free(entry->name);
        --parser->count;
        if (!parse_metadata(parser))
          return false;
      } else if (!parse_tensor(parser, entry)) {
        return false;
      }
    } while (accept(parser, ','));
    if (!expect(parser, '}'))
      return false;
  }
  skip_space(parser);
  return parser->cursor == parser->limit || malformed(parser, "text after the header");
}

/* ---- Checks over all tensors -------------------------------------------------------------------------- */

static int by_offset(const void *left, const void *right) {
  const struct entry *a = left, *b = right;
  if (a->begin != b->begin)
    return a->begin < b->begin ? -1 : 1;
  return a->end < b->end ? -1 : a->end > b->end;
}

static int by_name(const void *left, const void *right) {
  return strcmp(((const struct entry *)left)->name, ((const struct entry *)right)->name);
}

static bool check_layout(struct parser *parser, uint64_t data_size) {
  if (parser->count > 0) /* without, there is no array to sort */
    qsort(parser->entries, parser->count, sizeof *parser->entries, by_offset);
  uint64_t at = 0;
  for (size_t i = 0; i < parser->count; ++i) {
    const struct entry *entry = &parser->entries[i];
    if (entry->begin != at) {
      parser->status = sylvite_fail(parser->error, SYLVITE_FORMAT_ERROR,
                                    "%s: tensor '%.200s' begins at %" PRIu64 " of the data, not %" PRIu64,
                                    parser->path, entry->name, entry->begin, at);
      return false;
    }
    at = entry->end;
  }
  if (at != data_size) {
    parser->status =
        sylvite_fail(parser->error, SYLVITE_FORMAT_ERROR,
                     "%s: the header describes %" PRIu64 " bytes of data; the file has %" PRIu64
                     "%s",
                     parser->path, at, data_size, at > data_size ? " (truncated?)" : "");
    return false;
  }
  if (parser->count > 0)
    qsort(parser->entries, parser->count, sizeof *parser->entries, by_name);
  for (size_t i = 1; i < parser->count; ++i)
    if (strcmp(parser->entries[i - 1].name, parser->entries[i].name) == 0) {
      parser->status = sylvite_fail(parser->error, SYLVITE_FORMAT_ERROR, "%s: tensor '%.200s' occurs twice",
                                    parser->path, parser->entries[i].name);
      return false;
    }
  return true;
}

static void shape_text(char *text, size_t size, const int64_t *shape, int32_t rank) {
  size_t used = (size_t)snprintf(text, size, "(");
  for (int32_t i = 0; i < rank && i < 8 && used < size; ++i)
    used += (size_t)snprintf(text + used, size - used, "%s%" PRId64, i ? ", " : "", shape[i]);
  if (used < size)
    snprintf(text + used, size - used, rank > 8 ? ", ...)" : ")");
}

/* The tensor of a parameter's name, or NULL: an error, unless it may be absent. */
static const struct entry *find(struct parser *parser, const sylvite_parameter *parameter, bool optional) {
  const sylvite_tensor *tensor = &parameter->tensor;
  struct entry key = {.name = (char *)(uintptr_t)tensor->name};
  const struct entry *entry = parser->count ? bsearch(&key, parser->entries, parser->count,
                                                      sizeof *parser->entries, by_name)
                                            : NULL;
  if (!entry && optional)
    return NULL;
  if (!entry) {
    parser->status = sylvite_fail(parser->error, SYLVITE_FORMAT_ERROR, "%s has no tensor '%.200s'",
                                  parser->path, tensor->name);
    return NULL;
  }
  bool same = entry->rank == tensor->rank && entry->dtype == tensor->dtype;
  for (int32_t d = 0; same && d < tensor->rank && d < (int32_t)(sizeof entry->shape / sizeof *entry->shape); ++d)
    same = entry->shape[d] == tensor->shape[d];
  if (!same) {
    char found[160], wanted[160];
    shape_text(found, sizeof found, entry->shape, entry->rank);
    shape_text(wanted, sizeof wanted, tensor->shape, tensor->rank);
    parser->status =
        sylvite_fail(parser->error, SYLVITE_FORMAT_ERROR, "%s: tensor '%.100s' is %s %s; the model needs %s %s",
                     parser->path, tensor->name, sylvite_dtype_name(entry->dtype), found,
                     sylvite_dtype_name(tensor->dtype), wanted);
    return NULL;
  }
  return entry;
}

/* Fills the table, copying tensors that the file does not align. */
static bool bind(struct parser *parser, const uint8_t *data, const sylvite_parameter *parameters,
                 int32_t count, void **table, void **copies) {
  const struct entry **found = calloc((size_t)count + 1, sizeof *found);
  if (!found)
    return out_of_memory(parser);
  size_t copied = 0;
  for (int32_t i = 0; i < count; ++i) {
    found[i] = find(parser, &parameters[i], /*optional=*/table[i] != NULL);
    if (parser->status != SYLVITE_OK) {
      free(found);
      return false;
    }
    if (!found[i])
      continue;
    if ((uintptr_t)(data + found[i]->begin) % sylvite_dtype_size(found[i]->dtype) != 0)
      copied += (found[i]->end - found[i]->begin + SYLVITE_ALIGNMENT - 1) / SYLVITE_ALIGNMENT *
                SYLVITE_ALIGNMENT;
  }
  uint8_t *next = NULL;
  if (copied) {
    next = *copies = aligned_alloc(SYLVITE_ALIGNMENT, copied);
    if (!next) {
      free(found);
      return out_of_memory(parser);
    }
  }
  for (int32_t i = 0; i < count; ++i) {
    if (!found[i])
      continue;
    const uint8_t *source = data + found[i]->begin;
    size_t bytes = found[i]->end - found[i]->begin;
    table[i] = (void *)(uintptr_t)source;
    if ((uintptr_t)source % sylvite_dtype_size(found[i]->dtype) != 0) {
      memcpy(next, source, bytes);
      table[i] = next;
      next += (bytes + SYLVITE_ALIGNMENT - 1) / SYLVITE_ALIGNMENT * SYLVITE_ALIGNMENT;
    }
  }
  free(found);
  return true;
}

/* ---- Open and close ----------------------------------------------------------------------------------- */

static int map_file(const char *path, struct sylvite_weights *weights, char *error) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0)
    return sylvite_fail(error, SYLVITE_FILE_ERROR, "cannot open %s: %s", path, strerror(errno));
  struct stat about;
  int status = SYLVITE_OK;
  if (fstat(file, &about) != 0)
    status = sylvite_fail(error, SYLVITE_FILE_ERROR, "cannot read %s: %s", path, strerror(errno));
  else if (!S_ISREG(about.st_mode))
    status = sylvite_fail(error, SYLVITE_FILE_ERROR, "%s is not a regular file", path);
  else if (about.st_size < 8)
    status = sylvite_fail(error, SYLVITE_FORMAT_ERROR, "%s is too short for a safetensors file", path);
  if (status == SYLVITE_OK) {
    weights->size = (size_t)about.st_size;
    weights->mapping = mmap(NULL, weights->size, PROT_READ, MAP_PRIVATE, file, 0);
    if (weights->mapping == MAP_FAILED) {
      weights->mapping = NULL;
      status = sylvite_fail(error, SYLVITE_FILE_ERROR, "cannot map %s: %s", path, strerror(errno));
    }
  }
  close(file);
  return status;
}

void sylvite_weights_close(struct sylvite_weights *weights) {
  if (weights->mapping)
    munmap(weights->mapping, weights->size);
  free(weights->copies);
  memset(weights, 0, sizeof *weights);
}

int sylvite_safetensors_open(const char *path, const sylvite_parameter *parameters, int32_t count,
                             void **table, struct sylvite_weights *weights, char **note, char *error) {
  struct sylvite_weights opened = {0};
  int status = map_file(path, &opened, error);
  if (status != SYLVITE_OK)
    return status;
  const uint8_t *base = opened.mapping;
  uint64_t header;
  memcpy(&header, base, sizeof header);
  if (header > max_header || header > opened.size - 8) {
    status = sylvite_fail(error, SYLVITE_FORMAT_ERROR,
                          "%s is not a safetensors file, or truncated: it claims a header of %" PRIu64
                          " bytes and has %zu",
                          path, header, opened.size);
    sylvite_weights_close(&opened);
    return status;
  }
  const char *text = (const char *)base + 8;
  struct parser parser = {.path = path, .start = text, .cursor = text, .limit = text + header, .error = error};
  if (parse_header(&parser) && check_layout(&parser, opened.size - 8 - header))
    bind(&parser, base + 8 + header, parameters, count, table, &opened.copies);
  for (size_t i = 0; i < parser.count; ++i)
    free(parser.entries[i].name);
  free(parser.entries);
  if (parser.status != SYLVITE_OK) {
    free(parser.note);
    sylvite_weights_close(&opened);
    return parser.status;
  }
  if (note)
    *note = parser.note;
  else
    free(parser.note);
  *weights = opened;
  return SYLVITE_OK;
}

/* ---- Save --------------------------------------------------------------------------------------------- */

size_t sylvite_parameter_bytes(const sylvite_parameter *parameter) {
  size_t bytes = sylvite_dtype_size(parameter->tensor.dtype);
  for (int32_t d = 0; d < parameter->tensor.rank; ++d)
    bytes *= (size_t)parameter->tensor.shape[d];
  return bytes;
}

/* The order of tensors in a file, in passes. The format allows no holes, so a tensor is aligned only if those
 * before it keep the alignment: first the many whose size is a multiple of a cache line, then the others
 * from the largest element type down. */
enum { PASSES = 5 };

static int pass_of(const sylvite_parameter *parameter) {
  if (sylvite_parameter_bytes(parameter) % SYLVITE_ALIGNMENT == 0)
    return 0;
  size_t element = sylvite_dtype_size(parameter->tensor.dtype);
  return element >= 8 ? 1 : element >= 4 ? 2 : element >= 2 ? 3 : 4;
}

static void write_json_string(FILE *out, const char *text) {
  fputc('"', out);
  for (const unsigned char *c = (const unsigned char *)text; *c; ++c)
    if (*c == '"' || *c == '\\')
      fprintf(out, "\\%c", *c);
    else if (*c < 0x20)
      fprintf(out, "\\u%04x", *c);
    else
      fputc(*c, out);
  fputc('"', out);
}

/* The header's text, padded so that the data start at a multiple of SYLVITE_ALIGNMENT in the file. */
static char *make_header(const sylvite_parameter *parameters, int32_t count, const char *note, size_t *size) {
  char *text = NULL;
  FILE *out = open_memstream(&text, size);
  if (!out)
    return NULL;
  uint64_t offset = 0;
  fputs("{\"__metadata__\":{\"format\":\"sylvite\"", out);
  if (note) {
    fprintf(out, ",\"%s\":", note_key);
    write_json_string(out, note);
  }
  fputc('}', out);
  for (int pass = 0; pass < PASSES; ++pass)
    for (int32_t i = 0; i < count; ++i) {
      if (pass_of(&parameters[i]) != pass)
        continue;
      const sylvite_tensor *tensor = &parameters[i].tensor;
      uint64_t end = offset + sylvite_parameter_bytes(&parameters[i]);
      fputc(',', out);
      write_json_string(out, tensor->name);
      fprintf(out, ":{\"dtype\":\"%s\",\"shape\":[", sylvite_dtype_name(tensor->dtype));
      for (int32_t d = 0; d < tensor->rank; ++d)
        fprintf(out, "%s%" PRId64, d ? "," : "", tensor->shape[d]);
      fprintf(out, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", offset, end);
      offset = end;
    }
  fputc('}', out);
  for (long at = ftell(out); at >= 0 && (at + 8) % SYLVITE_ALIGNMENT != 0; ++at)
    fputc(' ', out);
  bool failed = ferror(out) != 0;
  if (fclose(out) != 0 || failed) {
    free(text);
    return NULL;
  }
  return text;
}

static bool write_all(int file, const void *data, size_t size) {
  const char *next = data;
  while (size > 0) {
    ssize_t written = write(file, next, size < (1u << 30) ? size : (1u << 30));
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0) {
      if (written == 0)
        errno = ENOSPC;
      return false;
    }
    next += written;
    size -= (size_t)written;
  }
  return true;
}

/* Makes the rename itself durable. A file system that cannot flush a directory has nothing to flush. */
static void flush_directory(const char *path) {
  const char *slash = strrchr(path, '/');
  char *directory = slash ? strndup(path, (size_t)(slash - path + 1)) : strdup(".");
  if (!directory)
    return;
  int handle = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (handle >= 0) {
    fsync(handle);
    close(handle);
  }
  free(directory);
}

/* Opens an empty file beside `path` that nobody else writes, and puts its name into `name`; -1 on failure. It is
 * locked: what a process that was killed has left is used again instead of piling up, and another process that
 * saves to the same path takes another name. Not mkstemp: its files are private to the user, and the umask can
 * only be read by changing it. */
static int open_temporary(const char *path, char *name, size_t size) {
  for (int attempt = 0; attempt < 100; ++attempt) {
    snprintf(name, size, "%s.%d.tmp", path, attempt);
    int file = open(name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (file < 0)
      return -1;
    struct stat opened, named;
    bool ours = flock(file, LOCK_EX | LOCK_NB) == 0;
    int reason = errno;
    /* Whoever had it may have given it its final name in between. */
    ours = ours && fstat(file, &opened) == 0 && stat(name, &named) == 0 && opened.st_ino == named.st_ino &&
           opened.st_dev == named.st_dev && S_ISREG(opened.st_mode);
    if (ours && ftruncate(file, 0) == 0)
      return file;
    close(file);
    errno = reason;
  }
  return -1;
}

int sylvite_safetensors_save(const char *path, const sylvite_parameter *parameters, int32_t count,
                             void *const *table, const char *note, char *error) {
  size_t header_size = 0;
  char *header = make_header(parameters, count, note, &header_size);
  const size_t name_size = strlen(path) + 64;
  char *temporary = malloc(name_size);
  if (!header || !temporary) {
    free(header);
    free(temporary);
    return sylvite_fail(error, SYLVITE_OUT_OF_MEMORY, "out of memory for saving %s", path);
  }
  int file = open_temporary(path, temporary, name_size);
  if (file < 0) {
    int status = sylvite_fail(error, SYLVITE_FILE_ERROR, "cannot create a file beside %s: %s", path,
                              strerror(errno));
    free(header);
    free(temporary);
    return status;
  }
  uint64_t size = header_size;
  bool ok = write_all(file, &size, sizeof size) && write_all(file, header, header_size);
  for (int pass = 0; pass < PASSES; ++pass)
    for (int32_t i = 0; i < count && ok; ++i)
      if (pass_of(&parameters[i]) == pass)
        ok = write_all(file, table[i], sylvite_parameter_bytes(&parameters[i]));
  /* The name changes while the file is locked: nobody else may take it for a rest. */
  ok = ok && fsync(file) == 0 && rename(temporary, path) == 0;
  int reason = errno, status = SYLVITE_OK;
  if (!ok)
    unlink(temporary);
  close(file); /* what it could report, fsync has */
  if (ok) {
    flush_directory(path);
  } else {
    status = sylvite_fail(error, SYLVITE_FILE_ERROR, "cannot write %s: %s", path, strerror(reason));
  }
  free(header);
  free(temporary);
  return status;
}
