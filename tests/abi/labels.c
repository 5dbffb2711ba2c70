// Labels that number no class of the model: a status and a message, and nothing has changed.
//
// REQUIRES: sylvite
// RUN: rm -rf %t.dir && mkdir %t.dir
// RUN: sylvite compile %S/Inputs/classes.mlir --train --loss sparse_categorical_crossentropy --optimizer sgd:lr=0.1 -o %t.dir --name classes
// RUN: %cc %ccflags -O1 -I%t.dir -I%S %s %t.dir/libclasses.a -lm -lpthread -o %t.dir/labels && %t.dir/labels
// RUN: FileCheck %s --check-prefix=HEADER --input-file=%t.dir/classes.h
// HEADER: labels int32 [batch, 3], from 0 to 3
#include "classes.h"

#include "Inputs/check.h"

enum { BATCH = 2 };

int main(void) {
  classes_model *model = classes_create(NULL);
  CHECK(model);
  float x[BATCH * 15];
  for (int i = 0; i < BATCH * 15; ++i)
    x[i] = (float)(i % 7) / 7;
  int32_t labels[BATCH * 3] = {0, 1, 2, 3, 0, 1};
  float before[BATCH * 12], after[BATCH * 12], loss = -1, kernel[20];
  float *const gradients[1] = {kernel};
  classes_metrics metrics = {-1};
  CHECK(classes_forward(model, x, BATCH, before) == SYLVITE_OK);
  static const int32_t wrong[] = {4, -1, INT32_MAX, INT32_MIN};
  for (int i = 0; i < 4; ++i) {
    labels[5] = wrong[i];
    CHECK(classes_train_step(model, x, labels, BATCH, &metrics) == SYLVITE_INVALID_ARGUMENT);
    CHECK(classes_evaluate(model, x, labels, BATCH, &metrics) == SYLVITE_INVALID_ARGUMENT);
    CHECK(classes_gradients(model, x, labels, BATCH, &loss, gradients) == SYLVITE_INVALID_ARGUMENT);
  }
  labels[5] = 4;
  CHECK(classes_train_step(model, x, labels, BATCH, &metrics) == SYLVITE_INVALID_ARGUMENT);
  CHECK(strcmp(classes_last_error(model), "element 5 of input 'labels' is 4; the model has 4 classes, from 0 to 3") == 0);
  CHECK(metrics.loss == -1 && loss == -1);
  CHECK(classes_forward(model, x, BATCH, after) == SYLVITE_OK && memcmp(before, after, sizeof before) == 0);
  // What is not part of the batch is not looked at.
  CHECK(classes_train_step(model, x, labels, 1, &metrics) == SYLVITE_OK && metrics.loss > 0);
  labels[5] = 3;
  CHECK(classes_train_step(model, x, labels, BATCH, &metrics) == SYLVITE_OK && metrics.loss > 0);
  classes_destroy(model);
  return 0;
}
