"""Makes products.npz: steps of Keras for dense layers, with batches of one to more than a hundred items.

KERAS_BACKEND=tensorflow python make_products.py OUTPUT_DIRECTORY

The gradient of a kernel is a sum over the items, and what an optimizer makes of a tile of it is made while the next tile is summed: that
is more or less than a vector of the tile for each item, or each two. The kernels have rows that tasks and tiles do and do not divide,
and columns of whole vectors.
"""
import os
import sys

import numpy as np

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
import keras  # noqa: E402
from keras import layers, optimizers  # noqa: E402
from recording import Recorder  # noqa: E402

ITEMS = (1, 13, 28, 29, 128, 131)
FEATURES, CLASSES = 40, 5


def build():
    return keras.Sequential([layers.Input((FEATURES,), name="x"), layers.Dense(48, activation="relu"), layers.Dense(32, activation="tanh"),
                             layers.Dense(16, activation="relu"), layers.Dense(32, activation="relu"), layers.Dense(CLASSES)])


recorder = Recorder()
for seed, optimizer in enumerate((optimizers.Adam(0.003), optimizers.SGD(0.05, momentum=0.9))):
    keras.utils.set_random_seed(seed)
    random = np.random.default_rng(seed)
    model = build()
    batches = [{"x": random.standard_normal((items, FEATURES)).astype(np.float32),
                "labels": random.integers(0, CLASSES, items).astype(np.int32)} for items in ITEMS]
    recorder.train(optimizer.name, model, optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), batches)
recorder.save(os.path.join(sys.argv[1], "products.npz"))
