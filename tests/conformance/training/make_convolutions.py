"""Makes convolutions.npz: steps of Keras for convolutional networks whose gradients take all the ways that the compiler knows.

KERAS_BACKEND=tensorflow python make_convolutions.py OUTPUT_DIRECTORY

`winograd`: 3x3 convolutions of enough channels, with padding of their own and of a layer's, whose images do and do not divide into
tiles. `pooled`: a first convolution whose gradient is that of a pooling; one window overlaps the next in a second pooling, and a
third averages. `joined`: concatenations, one in the other, whose channels fill cache lines, so that they are not copied. The
batches do not divide into groups.
"""
import os
import sys

import numpy as np

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
import keras  # noqa: E402
from keras import layers  # noqa: E402
from recording import Recorder  # noqa: E402

ITEMS, STEPS, CLASSES = 13, 2, 5


def winograd():
    inputs = layers.Input((11, 12, 3), name="x")
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(16, 3, padding="same", use_bias=False)(inputs)))
    y = layers.Conv2D(32, 3, padding="valid", use_bias=False)(layers.ZeroPadding2D(1)(x))
    y = layers.ReLU()(layers.BatchNormalization()(y))
    y = layers.Conv2D(16, 3, padding="same", activation="relu")(y)
    x = layers.Conv2D(32, 3, padding="valid", activation="relu")(layers.Add()([x, y]))
    x = layers.Conv2D(32, 3, 2, padding="same", activation="relu")(x)
    return keras.Model(inputs, layers.Dense(CLASSES)(layers.GlobalAveragePooling2D()(x)))


def pooled():
    return keras.Sequential([
        layers.Input((13, 14, 1), name="x"), layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(2),
        layers.Conv2D(16, 3, padding="same"), layers.LeakyReLU(), layers.MaxPooling2D(3, 1, padding="same"),
        layers.Conv2D(16, 3, padding="same"), layers.AveragePooling2D(2), layers.Flatten(), layers.Dense(CLASSES)])


def joined():
    inputs = layers.Input((6, 7, 16), name="x")
    y = layers.Conv2D(16, 1, activation="relu")(inputs)
    for _ in range(2):
        z = layers.Conv2D(16, 3, padding="same", use_bias=False)(layers.ReLU()(layers.BatchNormalization()(y)))
        y = layers.Concatenate()([y, z])
    y = layers.Concatenate()([y, layers.MaxPooling2D(3, 1, padding="same")(y)])
    return keras.Model(inputs, layers.Dense(CLASSES)(layers.GlobalAveragePooling2D()(y)))


recorder = Recorder()
for seed, build in enumerate((winograd, pooled, joined)):
    keras.utils.set_random_seed(seed)
    random = np.random.default_rng(seed)
    model = build()
    batches = [{"x": random.standard_normal((ITEMS, *model.input_shape[1:])).astype(np.float32),
                "labels": random.integers(0, CLASSES, ITEMS).astype(np.int32)} for _ in range(STEPS)]
    recorder.train(build.__name__, model, keras.optimizers.SGD(0.1, momentum=0.9),
                   keras.losses.SparseCategoricalCrossentropy(from_logits=True), batches)
recorder.save(os.path.join(sys.argv[1], "convolutions.npz"))
