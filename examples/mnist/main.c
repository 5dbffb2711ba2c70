/* Classifies the digits that mnist_cnn.keras was not trained on, with the library that Sylvite made of it.
 *
 *   sylvite compile mnist_cnn.keras -o . --name mnist_cnn          makes libmnist_cnn.so, libmnist_cnn.a, mnist_cnn.h
 *   cc -O2 main.c -I. -L. -lmnist_cnn -Wl,-rpath,'$ORIGIN' -o classify
 *   ./classify DIRECTORY_OF_THE_DIGITS [LIBRARY]                   prints accuracy, time and, given a library, its size
 */
#include "mnist_cnn.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { PIXELS = 28 * 28, CLASSES = 10 };

/* Reads an IDX file of bytes: a big-endian magic number 0x08RR of rank RR, RR big-endian sizes, the data.
 * Returns the data, which the caller frees, and the first size in `count`. */
static uint8_t *read_idx(const char *directory, const char *name, unsigned rank, size_t item, size_t *count) {
  char path[4096];
  uint8_t header[16];
  snprintf(path, sizeof path, "%s/%s", directory, name);
  FILE *file = fopen(path, "rb");
  if (!file || fread(header, 4 + 4 * rank, 1, file) != 1 || header[2] != 8 || header[3] != rank) {
    fprintf(stderr, "%s: cannot be read, or is not an IDX file of rank %u\n", path, rank);
    exit(1);
  }
  *count = (size_t)header[4] << 24 | header[5] << 16 | header[6] << 8 | header[7];
  uint8_t *data = malloc(*count * item);
  if (!data || fread(data, item, *count, file) != *count) {
    fprintf(stderr, "%s: shorter than its header says\n", path);
    exit(1);
  }
  fclose(file);
  return data;
}

static double seconds(void) {
  struct timespec now;
  timespec_get(&now, TIME_UTC);
  return now.tv_sec + now.tv_nsec * 1e-9;
}

static int largest(const float *values) {
  int best = 0;
  for (int i = 1; i < CLASSES; ++i)
    if (values[i] > values[best])
      best = i;
  return best;
}

int main(int argc, char **argv) {
  const char *directory = argc > 1 ? argv[1] : ".";
  size_t count, label_count;
  uint8_t *bytes = read_idx(directory, "heldout-images.idx3-ubyte", 3, PIXELS, &count);
  uint8_t *labels = read_idx(directory, "heldout-labels.idx1-ubyte", 1, 1, &label_count);
  float *images = malloc(count * PIXELS * sizeof *images);
  float *probabilities = malloc(count * CLASSES * sizeof *probabilities);
  mnist_cnn_model *model = mnist_cnn_create(NULL);
  if (!images || !probabilities || !model || count != label_count) {
    fprintf(stderr, "cannot start: %s\n", mnist_cnn_last_error(model));
    return 1;
  }
  for (size_t i = 0; i < count * PIXELS; ++i)
    images[i] = bytes[i] / 255.0f;

  /* The batch is free: all digits in one call, then one digit a call, as an application would. */
  if (mnist_cnn_forward(model, images, count, probabilities) != SYLVITE_OK) {
    fprintf(stderr, "forward: %s\n", mnist_cnn_last_error(model));
    return 1;
  }
  size_t right = 0;
  for (size_t i = 0; i < count; ++i)
    right += largest(probabilities + i * CLASSES) == labels[i];

  double start = seconds();
  for (size_t i = 0; i < count; ++i)
    if (mnist_cnn_forward(model, images + i * PIXELS, 1, probabilities) != SYLVITE_OK) {
      fprintf(stderr, "forward: %s\n", mnist_cnn_last_error(model));
      return 1;
    }
  double each = (seconds() - start) / count;

  printf("digits: %zu\n", count);
  printf("accuracy: %.4f\n", (double)right / count);
  printf("time per image: %.1f us\n", each * 1e6);
  if (argc > 2) {
    FILE *library = fopen(argv[2], "rb");
    if (library && fseek(library, 0, SEEK_END) == 0)
      printf("library: %.0f KB\n", ftell(library) / 1e3);
    if (library)
      fclose(library);
  }

  mnist_cnn_destroy(model);
  free(probabilities);
  free(images);
  free(labels);
  free(bytes);
  return 0;
}
