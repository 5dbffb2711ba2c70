"""Makes masks.npz: steps of Keras where the loss leaves masked positions out.

KERAS_BACKEND=jax python make_masks.py OUTPUT_DIRECTORY
"""
import os
import sys

os.environ.setdefault("KERAS_BACKEND", "jax")
import keras
import numpy as np
from recording import Recorder

recorder = Recorder()
rng = np.random.default_rng(14)
layers = keras.layers
ITEMS, LENGTH, STEPS = 5, 6, 3


def tokens():
    """Padded at the end with zeros."""
    x = rng.integers(1, 8, (ITEMS, LENGTH)).astype("int32")
    for row, length in zip(x, rng.integers(1, LENGTH + 1, ITEMS)):
        row[length:] = 0
    return x


def tagger(units, activation):
    keras.utils.set_random_seed(7)
    x = keras.Input((LENGTH,), dtype="int32", name="x")
    y = layers.Embedding(8, 4, mask_zero=True, name="embedding")(x)
    y = layers.LSTM(5, return_sequences=True, name="lstm")(y)
    return keras.Model(x, layers.Dense(units, activation=activation, name="y")(y))


def labels(count=3):
    return rng.integers(0, count, (ITEMS, LENGTH)).astype("int32")


def sgd():
    return keras.optimizers.SGD(0.5)


def weights(*shape):
    return rng.uniform(0, 2, shape).astype("float32")


crossentropy = "sparse_categorical_crossentropy"
recorder.train("tags", tagger(3, "softmax"), sgd(), crossentropy, [{"x": tokens(), "labels": labels()} for _ in range(STEPS)])
recorder.train("values", tagger(2, None), sgd(), "mean_squared_error",
               [{"x": tokens(), "targets": rng.standard_normal((ITEMS, LENGTH, 2)).astype("float32")} for _ in range(STEPS)])
recorder.train("weighted", tagger(3, "softmax"), sgd(), crossentropy,
               [{"x": tokens(), "labels": labels(), "sample_weight": weights(ITEMS, LENGTH)} for _ in range(STEPS)],
               options=["--sample-weights=position"], weight="sample_weight")
recorder.train("weighted_items", tagger(3, "softmax"), sgd(), crossentropy,
               [{"x": tokens(), "labels": labels(), "sample_weight": weights(ITEMS)} for _ in range(STEPS)],
               options=["--sample-weights"], weight="sample_weight", columns=(1,))

# Of two outputs one has a mask.
keras.utils.set_random_seed(7)
x = keras.Input((LENGTH, 3), name="x")
steps = layers.GRU(4, return_sequences=True, name="gru")(layers.Masking(name="masking")(x))
outputs = [layers.Dense(3, activation="softmax", name="tag")(steps),
           layers.Dense(2, activation="softmax", name="kind")(layers.GlobalAveragePooling1D(name="pool")(steps))]


def padded():
    values = rng.standard_normal((ITEMS, LENGTH, 3)).astype("float32")
    return values * (tokens() > 0)[:, :, None]


recorder.train("two_outputs", keras.Model(x, outputs), sgd(), [crossentropy, crossentropy],
               [{"x": padded(), "tag_labels": labels(), "kind_labels": rng.integers(0, 2, ITEMS).astype("int32")} for _ in range(STEPS)])
recorder.save(os.path.join(sys.argv[1], "masks.npz"))
