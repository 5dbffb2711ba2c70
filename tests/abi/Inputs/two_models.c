/* Two libraries of one model in one program: they share nothing, and agree. Threads use a handle each. */
#include "mnist_cnn.h"
#include "second.h"

#include "Inputs/check.h"

enum { BATCH = 37, PIXELS = 784, CLASSES = 10 };

static float images[BATCH * PIXELS], first[BATCH * CLASSES], other[BATCH * CLASSES];

int main(void) {
  for (int i = 0; i < BATCH * PIXELS; ++i)
    images[i] = (float)(i % 255) / 255;
  mnist_cnn_model *model = mnist_cnn_create(NULL);
  mnist_cnn_model *again = mnist_cnn_create(NULL);
  second_model *second = second_create(NULL);
  CHECK(model && again && second);
  CHECK(second_set_threads(2) == SYLVITE_OK && mnist_cnn_set_threads(1) == SYLVITE_OK);
  CHECK(second_threads() == 2 && mnist_cnn_threads() == 1);
  CHECK(mnist_cnn_forward(model, images, BATCH, first) == SYLVITE_OK);
  CHECK(second_forward(second, images, BATCH, other) == SYLVITE_OK);
  CHECK(memcmp(first, other, sizeof first) == 0);
  for (int i = 0; i < BATCH; ++i) {
    float item[CLASSES], sum = 0;
    CHECK(mnist_cnn_forward(again, images + i * PIXELS, 1, item) == SYLVITE_OK);
    for (int c = 0; c < CLASSES; ++c) {
      float difference = item[c] - first[i * CLASSES + c];
      CHECK(difference < 1e-4f && difference > -1e-4f); /* a single item sums in another order */
      sum += item[c];
    }
    CHECK(sum > 0.9999f && sum < 1.0001f);
  }
  CHECK(mnist_cnn_forward(model, images, -1, first) == SYLVITE_INVALID_ARGUMENT);
  CHECK(strcmp(mnist_cnn_last_error(model), "batch must be positive, not -1") == 0);
  CHECK(mnist_cnn_workspace_size(2) > mnist_cnn_workspace_size(1));
  mnist_cnn_destroy(model);
  mnist_cnn_destroy(again);
  second_destroy(second);
  return 0;
}
