// Weights files: a save can be loaded, replaces its target only when complete, and each malformed file is
// an error with a message that says what is wrong, under AddressSanitizer when the build has it.
//
// RUN: rm -rf %t.dir && mkdir %t.dir
// RUN: %cc -std=c11 -O1 -g -D_GNU_SOURCE -I%source_root %s %source_root/runtime/*.c -lpthread -o %t
// RUN: %t %t.dir
#include "Inputs/files.h"
#include "Inputs/toy.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

static char path[4096], other[4096];

static void write_file(const void *data, size_t size) {
  FILE *file = fopen(path, "wb");
  CHECK(file && fwrite(data, 1, size, file) == size && fclose(file) == 0);
}

/* A file of `header` and `data_size` bytes of data that count up from zero. */
static void write_tensors(const char *header, size_t data_size) {
  size_t length = strlen(header);
  unsigned char *bytes = malloc(8 + length + data_size);
  uint64_t stored = length;
  memcpy(bytes, &stored, 8);
  memcpy(bytes + 8, header, length);
  for (size_t i = 0; i < data_size; ++i)
    bytes[8 + length + i] = (unsigned char)i;
  write_file(bytes, 8 + length + data_size);
  free(bytes);
}

static void expect_failure(sylvite_model *model, int wanted, const char *text) {
  int status = sylvite_load(model, path);
  if (status != wanted || !strstr(sylvite_last_error(model), text))
    fprintf(stderr, "status %d, wanted %d '%s': %s\n", status, wanted, text, sylvite_last_error(model));
  CHECK(status == wanted && strstr(sylvite_last_error(model), text));
  toy_check(model, 2, 3, 2); /* the weights in use are untouched */
}

#define SCALE(begin, end) "\"scale\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[" #begin "," #end "]}"
#define BYTES(begin, end) "\"by\\\"tes\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[" #begin "," #end "]}"

static const struct {
  const char *header;
  size_t data;
  const char *message;
} malformed[] = {
    {"", 0, "expected '{'"},
    {"[]", 0, "expected '{'"},
    {"{", 0, "expected '\"'"},
    {"{}x", 0, "text after the header"},
    {"{}", 0, "has no tensor 'scale'"},
    {"{}", 5, "describes 0 bytes of data; the file has 5"},
    {"{" SCALE(0, 16) "}", 16, "has no tensor 'by\"tes'"},
    {"{" SCALE(0, 16) "," BYTES(16, 19) "}", 18, "truncated?"},
    {"{" SCALE(0, 16) "," BYTES(16, 19) "}", 20, "describes 19 bytes"},
    {"{" SCALE(0, 16) "," BYTES(17, 20) "}", 20, "begins at 17 of the data, not 16"},
    {"{" SCALE(0, 16) "," BYTES(8, 11) "}", 16, "begins at 8 of the data, not 16"},
    {"{" SCALE(0, 16) "," SCALE(16, 32) "," BYTES(32, 35) "}", 35, "'scale' occurs twice"},
    {"{" SCALE(0, 15) "," BYTES(15, 18) "}", 18, "do not agree with dtype and shape"},
    {"{" SCALE(16, 0) "}", 16, "run backwards"},
    {"{" SCALE(0, 99999999999999999999999) "}", 16, "number too large"},
    {"{" SCALE(0, 9223372036854775807) "}", 16, "do not agree"},
    {"{" SCALE(-1, 15) "}", 16, "expected a number"},
    {"{" SCALE(00, 16) "}", 16, "leading zero"},
    {"{" SCALE(0.5, 16) "}", 16, "expected ','"},
    {"{" SCALE(1e9, 16) "}", 16, "expected ','"},
    {"{\"scale\":{\"dtype\":\"F32\",\"shape\":[4]}}", 16, "lacks dtype, shape or data_offsets"},
    {"{\"scale\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", 16, "a key occurs twice"},
    {"{\"scale\":{\"dtype\":\"F32\",\"strides\":[1]}}", 16, "unknown key"},
    {"{\"scale\":{\"dtype\":4}}", 16, "expected '\"'"},
    {"{\"scale\":[]}", 16, "expected '{'"},
    {"{\"scale\":{\"shape\":[4294967296,4294967296,4294967296]}}", 0, "shape overflows"},
    {"{\"scale\":{\"dtype\":\"F64\",\"shape\":[4611686018427387904],\"data_offsets\":[0,0]}}", 0, "do not agree"},
    {"{\"scale\":{\"shape\":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,"
     "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}}", 0, "more than 64 dimensions"},
    {"{\"scale\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]}}", 16, "is F32 (2, 2); the model needs F32 (4)"},
    {"{\"scale\":{\"dtype\":\"I32\",\"shape\":[4],\"data_offsets\":[0,16]}}", 16, "is I32 (4); the model needs F32 (4)"},
    {"{\"scale\":{\"dtype\":\"F8_E4M3\",\"shape\":[16],\"data_offsets\":[0,16]}}", 16, "is ? (16); the model needs"},
    {"{\"sca", 0, "unfinished string"},
    {"{\"sca\\", 0, "unfinished string"},
    {"{\"sca\\x\":", 0, "invalid escape"},
    {"{\"sca\\u12\":", 0, "\\u escape"},
    {"{\"sca\\ud800\":", 0, "unpaired surrogate"},
    {"{\"sca\\u0000\":", 0, "invalid \\u escape"},
    {"{\"sca\nle\":", 0, "control character"},
    {"{\"__metadata__\":{\"a\":1}}", 0, "expected '\"'"},
    {"{\"__metadata__\":{\"a\":{\"b\":{}}}}", 0, "expected '\"'"},
    {"{" SCALE(0, 16) ",}", 16, "expected '\"'"},
    {"{" SCALE(0, 16), 16, "expected '}'"},
};

int main(int argc, char **argv) {
  CHECK(argc == 2);
  snprintf(path, sizeof path, "%s/weights.safetensors", argv[1]);
  snprintf(other, sizeof other, "%s/no/such/directory", argv[1]);
  sylvite_model *model = sylvite_create(&toy, NULL);
  CHECK(model);

  for (size_t i = 0; i < sizeof malformed / sizeof *malformed; ++i) {
    write_tensors(malformed[i].header, malformed[i].data);
    expect_failure(model, SYLVITE_FORMAT_ERROR, malformed[i].message);
  }
  write_file("", 0);
  expect_failure(model, SYLVITE_FORMAT_ERROR, "too short");
  write_file("\377\377\377\377\377\377\377\377{}", 10);
  expect_failure(model, SYLVITE_FORMAT_ERROR, "claims a header of 18446744073709551615 bytes");
  write_file("\3\0\0\0\0\0\0\0{}", 10);
  expect_failure(model, SYLVITE_FORMAT_ERROR, "claims a header of 3 bytes");
  unlink(path);
  expect_failure(model, SYLVITE_FILE_ERROR, "No such file");
  CHECK(sylvite_load(model, NULL) == SYLVITE_INVALID_ARGUMENT);
  CHECK(sylvite_save(model, NULL) == SYLVITE_INVALID_ARGUMENT);

  /* Every prefix of a valid file is an error. */
  CHECK(sylvite_save(model, path) == SYLVITE_OK);
  FILE *file = fopen(path, "rb");
  char content[4096];
  size_t size = fread(content, 1, sizeof content, file);
  fclose(file);
  CHECK(size % 64 == 19 && files_in(argv[1]) == 1);
  for (size_t prefix = 0; prefix < size; ++prefix) {
    write_file(content, prefix);
    CHECK(sylvite_load(model, path) == SYLVITE_FORMAT_ERROR);
  }

  /* Data at unaligned offsets, in another order, with tensors that the model does not know. */
  write_tensors("{\"__metadata__\":{\"k\":\"v\"}, \"extra\" : {\"data_offsets\":[0,1],\"shape\":[],\"dtype\":\"BOOL\"},\n"
                SCALE(1, 17) "," BYTES(17, 20) "}", 20);
  CHECK(sylvite_load(model, path) == SYLVITE_OK);
  uint32_t bits = 0x04030201;
  float scale;
  memcpy(&scale, &bits, sizeof scale);
  toy_check(model, 2, 3, scale);

  /* Saving over the file in use, and creating from it. */
  CHECK(sylvite_save(model, path) == SYLVITE_OK);
  toy_check(model, 2, 3, scale);
  sylvite_options options = {.size = sizeof options, .weights = path};
  sylvite_model *second = sylvite_create(&toy, &options);
  CHECK(second);
  toy_check(second, 2, 3, scale);
  sylvite_destroy(second);

  /* A save that cannot finish leaves the old file and nothing else. */
  CHECK(sylvite_save(model, other) == SYLVITE_FILE_ERROR);
  CHECK(strstr(sylvite_last_error(model), "No such file or directory"));
  write_file("old", 3);
  signal(SIGXFSZ, SIG_IGN);
  struct rlimit limit = {100, 100};
  CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
  CHECK(sylvite_save(model, path) == SYLVITE_FILE_ERROR);
  CHECK(strstr(sylvite_last_error(model), "File too large"));
  file = fopen(path, "rb");
  CHECK(file && fread(content, 1, sizeof content, file) == 3 && memcmp(content, "old", 3) == 0);
  fclose(file);
  CHECK(files_in(argv[1]) == 1);
  sylvite_destroy(model);
  return 0;
}
