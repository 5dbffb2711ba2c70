// libFuzzer: any bytes as a weights file. They load, or are an error; in both cases the handle can still save.
//
//   fuzz-weights CORPUS -max_len=4096
#include "../runtime/Inputs/toy.h"

#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static char path[64];
  if (!path[0])
    snprintf(path, sizeof path, "/dev/shm/sylvite-fuzz-%ld", (long)getpid());
  FILE *file = fopen(path, "wb");
  CHECK(file && fwrite(data, 1, size, file) == size && fclose(file) == 0);
  sylvite_model *model = sylvite_create(&toy, NULL);
  CHECK(model);
  if (sylvite_load(model, path) == SYLVITE_OK) {
    CHECK(sylvite_save(model, path) == SYLVITE_OK);
    CHECK(sylvite_load(model, path) == SYLVITE_OK);
  } else {
    CHECK(sylvite_last_error(model)[0] != '\0');
    toy_check(model, 2, 3, 2);
  }
  sylvite_destroy(model);
  unlink(path);
  return 0;
}
