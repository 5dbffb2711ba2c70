/* Teaches a trained network a new task with a few hundred examples: digits turned by a quarter, as by a camera that is
 * mounted sideways. Only the last layer learns; the convolution stays as it is.
 *
 *   sylvite compile ../mnist/mnist_cnn.keras --train --freeze 'conv2d*' --loss sparse_categorical_crossentropy \
 *     --optimizer adam:lr=1e-3 --metrics accuracy -o . --name tuned          makes libtuned.so, libtuned.a, tuned.h
 *   cc -O2 main.c -I. -I../mnist -L. -ltuned -Wl,-rpath,'$ORIGIN' -o finetune
 *   ./finetune DIRECTORY_OF_THE_DIGITS [BEFORE AFTER]          writes checkpoints of before and after, if named
 *
 * The digits are those that the network was not trained on: 300 to learn from, the others to measure it. */
#include "tuned.h"

#include "digits.h"

enum { EXAMPLES = 300, EPOCHS = 20, BATCH = 30 };

static void check(tuned_model *model, int status) {
  if (status == SYLVITE_OK)
    return;
  fprintf(stderr, "%s\n", tuned_last_error(model));
  exit(1);
}

/* Turns each image to the left by a quarter. */
static void turn(struct digits digits) {
  for (size_t i = 0; i < digits.count; ++i) {
    float *image = digits.images + i * PIXELS, upright[PIXELS];
    memcpy(upright, image, sizeof upright);
    for (int y = 0; y < SIDE; ++y)
      for (int x = 0; x < SIDE; ++x)
        image[y * SIDE + x] = upright[x * SIDE + SIDE - 1 - y];
  }
}

static void report(tuned_model *model, const char *when, struct digits digits) {
  tuned_metrics metrics;
  check(model, tuned_evaluate(model, digits.images, digits.labels, digits.count, &metrics));
  printf("%s: loss %.4f, accuracy %.4f\n", when, metrics.loss, metrics.accuracy);
}

int main(int argc, char **argv) {
  struct digits digits = digits_read_heldout(argc > 1 ? argv[1] : ".");
  struct digits examples = digits_slice(digits, 0, EXAMPLES);
  struct digits others = digits_slice(digits, EXAMPLES, digits.count - EXAMPLES);
  tuned_model *model = tuned_create(NULL);
  if (!model) {
    fprintf(stderr, "cannot start: %s\n", tuned_last_error(NULL));
    return 1;
  }
  const sylvite_info *info = tuned_info();
  for (int i = 0; i < info->parameter_count; ++i)
    if (info->parameters[i].role == SYLVITE_VARIABLE)
      printf("learns: %s\n", info->parameters[i].tensor.name);

  report(model, "upright", others);
  turn(digits);
  report(model, "turned, before", others);
  if (argc > 3)
    check(model, tuned_save(model, argv[2]));
  for (int epoch = 0; epoch < EPOCHS; ++epoch)
    for (size_t i = 0; i < EXAMPLES; i += BATCH) {
      struct digits batch = digits_slice(examples, i, BATCH);
      check(model, tuned_train_step(model, batch.images, batch.labels, BATCH, NULL));
    }
  report(model, "turned, after", others);
  if (argc > 3)
    check(model, tuned_save(model, argv[3]));

  tuned_destroy(model);
  digits_free(digits);
  return 0;
}
