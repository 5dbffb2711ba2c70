/* A shared library around the toy program, for tests that load and unload it. */
#include "toy.h"

void call(void);

__attribute__((visibility("default"))) void call(void) {
  sylvite_set_threads(3);
  sylvite_model *model = sylvite_create(&toy, NULL);
  CHECK(model);
  for (int i = 0; i < 20; ++i)
    toy_check(model, 20, 50, 2);
  sylvite_destroy(model);
}
