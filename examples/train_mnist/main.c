/* Trains the network of mnist.json on 4,000 handwritten digits, from random weights, and measures it on 1,000 others.
 *
 *   sylvite compile mnist.json --train -o .             makes libmnist.so, libmnist.a, mnist.h
 *   cc -O2 main.c -I. -I../mnist -L. -lmnist -Wl,-rpath,'$ORIGIN' -o train
 *   gzip -dc ../mnist/mnist_5k.csv.gz | ./train [CHECKPOINT [SEED]]
 *
 * Loss, optimizer and metrics are those of the compile_config in mnist.json. Every fifth digit is held out: a hundred
 * of each class. The seed decides the order of the digits; the initial weights are the library's. */
#include "mnist.h"

#include "digits.h"

#include <time.h>

enum { DIGITS = 5000, HELD_OUT = DIGITS / 5, TRAINED_ON = DIGITS - HELD_OUT, EPOCHS = 5, BATCH = 32 };

static void check(mnist_model *model, int status) {
  if (status == SYLVITE_OK)
    return;
  fprintf(stderr, "%s\n", mnist_last_error(model));
  exit(1);
}

static double seconds(void) {
  struct timespec now;
  timespec_get(&now, TIME_UTC);
  return now.tv_sec + now.tv_nsec * 1e-9;
}

/* Goes through the digits once; returns the means of the metrics over it. */
static mnist_metrics train_epoch(mnist_model *model, struct digits digits) {
  double loss = 0, accuracy = 0;
  for (size_t first = 0, count; first < digits.count; first += count) {
    count = digits.count - first < BATCH ? digits.count - first : BATCH;
    struct digits batch = digits_slice(digits, first, count);
    mnist_metrics metrics;
    check(model, mnist_train_step(model, batch.images, batch.labels, count, &metrics));
    loss += metrics.loss * count;
    accuracy += metrics.accuracy * count;
  }
  return (mnist_metrics){loss / digits.count, accuracy / digits.count};
}

int main(int argc, char **argv) {
  const char *checkpoint = argc > 1 ? argv[1] : NULL;
  uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;

  struct digits digits = digits_read_csv(stdin, DIGITS);
  for (size_t i = 0; i < HELD_OUT; ++i) /* from the last on: none that was moved is met again */
    digits_swap(digits, DIGITS - 1 - i, DIGITS - 1 - 5 * i);
  struct digits train = digits_slice(digits, 0, TRAINED_ON);
  struct digits held_out = digits_slice(digits, TRAINED_ON, HELD_OUT);

  mnist_model *model = mnist_create(NULL);
  if (!model) {
    fprintf(stderr, "cannot start: %s\n", mnist_last_error(NULL));
    return 1;
  }
  for (int epoch = 1; epoch <= EPOCHS; ++epoch) {
    digits_shuffle(train, &seed);
    double start = seconds();
    mnist_metrics metrics = train_epoch(model, train);
    printf("epoch %d: loss %.4f, accuracy %.4f, %.2f s\n", epoch, metrics.loss, metrics.accuracy,
           seconds() - start);
  }
  mnist_metrics metrics;
  check(model, mnist_evaluate(model, held_out.images, held_out.labels, held_out.count, &metrics));
  printf("held-out: loss %.4f, accuracy %.4f\n", metrics.loss, metrics.accuracy);
  if (checkpoint)
    check(model, mnist_save(model, checkpoint));

  mnist_destroy(model);
  digits_free(digits);
  return 0;
}
