/* Classifies the digits that mnist_cnn.keras was not trained on, with the library that Sylvite made of it.
 *
 *   sylvite compile mnist_cnn.keras -o . --name mnist_cnn          makes libmnist_cnn.so, libmnist_cnn.a, mnist_cnn.h
 *   cc -O2 main.c -I. -L. -lmnist_cnn -Wl,-rpath,'$ORIGIN' -o classify
 *   ./classify DIRECTORY_OF_THE_DIGITS [LIBRARY]                   prints accuracy, time and, given a library, its size
 */
#include "mnist_cnn.h"

#include "digits.h"

#include <time.h>

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
  struct digits digits = digits_read_heldout(argc > 1 ? argv[1] : ".");
  const size_t count = digits.count;
  float *probabilities = malloc(count * CLASSES * sizeof *probabilities);
  mnist_cnn_model *model = mnist_cnn_create(NULL);
  if (!probabilities || !model) {
    fprintf(stderr, "cannot start: %s\n", mnist_cnn_last_error(model));
    return 1;
  }

  /* The batch is free: all digits in one call, then one digit a call, as an application would. */
  if (mnist_cnn_forward(model, digits.images, count, probabilities) != SYLVITE_OK) {
    fprintf(stderr, "forward: %s\n", mnist_cnn_last_error(model));
    return 1;
  }
  size_t right = 0;
  for (size_t i = 0; i < count; ++i)
    right += largest(probabilities + i * CLASSES) == digits.labels[i];

  double start = seconds();
  for (size_t i = 0; i < count; ++i)
    if (mnist_cnn_forward(model, digits.images + i * PIXELS, 1, probabilities) != SYLVITE_OK) {
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
  digits_free(digits);
  return 0;
}
