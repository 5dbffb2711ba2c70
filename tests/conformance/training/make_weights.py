"""Makes weights.npz: steps of Keras with sample weights and class weights.

KERAS_BACKEND=jax python make_weights.py OUTPUT_DIRECTORY
"""
import os
import sys

os.environ.setdefault("KERAS_BACKEND", "jax")
import keras
import numpy as np
from recording import Recorder

recorder = Recorder()
rng = np.random.default_rng(12)
STEPS = 3


def floats(*shape):
    return rng.standard_normal(shape).astype("float32")


def some_weights(*shape):
    """From 0 to 3; the first is 0."""
    values = rng.uniform(0, 3, shape).astype("float32")
    values[0] = 0
    return values


def classifier(units, activation):
    keras.utils.set_random_seed(4)
    return keras.Sequential([keras.Input((5,), name="x"), keras.layers.Dense(6, activation="tanh", name="hidden"),
                             keras.layers.Dense(units, activation=activation, name="y")])


def batches(targets, weight=None):
    return [{"x": floats(7, 5), **targets()} | ({"sample_weight": some_weights(7)} if weight else {}) for _ in range(STEPS)]


def labels(count):
    return lambda: {"labels": rng.integers(0, count, 7).astype("int32")}


def one_hot(count):
    return lambda: {"targets": np.eye(count, dtype="float32")[rng.integers(0, count, 7)]}


def binary():
    return {"targets": rng.integers(0, 2, (7, 1)).astype("float32")}


def sgd():
    return keras.optimizers.SGD(0.3)


weighted = {"options": ["--sample-weights"], "weight": "sample_weight"}
recorder.train("sparse", classifier(4, "softmax"), sgd(), "sparse_categorical_crossentropy", batches(labels(4), True), **weighted)
recorder.train("mse", classifier(3, None), sgd(), "mean_squared_error", batches(lambda: {"targets": floats(7, 3)}, True), **weighted)
recorder.train("binary", classifier(1, "sigmoid"), sgd(), "binary_crossentropy", batches(binary, True), **weighted)

# The weights of items count for every position; those of positions have a weight for each.
x = keras.Input((4, 3), name="x")
for kind, shape, columns in (("item", (5,), (1,)), ("position", (5, 4), ())):
    keras.utils.set_random_seed(4)
    y = keras.layers.Dense(6, activation="softmax", name="y")(keras.layers.Dense(5, activation="relu", name="hidden")(x))
    data = [{"x": floats(5, 4, 3), "labels": rng.integers(0, 6, (5, 4)).astype("int32"), "sample_weight": some_weights(*shape)}
            for _ in range(STEPS)]
    recorder.train(f"sequence_{kind}", keras.Model(x, y), sgd(), "sparse_categorical_crossentropy", data,
                   options=[f"--sample-weights={kind}"], weight="sample_weight", columns=columns)

# One input for the losses of two outputs, which have weights of their own; a regularizer has none.
keras.utils.set_random_seed(4)
x = keras.Input((5,), name="x")
hidden = keras.layers.Dense(6, activation="tanh", kernel_regularizer="l2", name="hidden")(x)
outputs = [keras.layers.Dense(3, activation="softmax", name="kind")(hidden), keras.layers.Dense(2, name="size")(hidden)]
data = [{"x": floats(7, 5), "kind_labels": rng.integers(0, 3, 7).astype("int32"), "size_targets": floats(7, 2),
         "sample_weight": some_weights(7)} for _ in range(STEPS)]
recorder.train("two_losses", keras.Model(x, outputs), sgd(), ["sparse_categorical_crossentropy", "mean_absolute_error"], data,
               loss_weights=[0.5, 2.0], **weighted)

# Weights of classes: 1 for those that have none.
classes = {"class_weight": {0: 0.5, 2: 3.0}, "options": ["--class-weights", "0=0.5,2=3"]}
recorder.train("class_sparse", classifier(4, "softmax"), sgd(), "sparse_categorical_crossentropy", batches(labels(4)), **classes)
recorder.train("class_categorical", classifier(4, "softmax"), sgd(), "categorical_crossentropy", batches(one_hot(4)), **classes)
recorder.train("class_binary", classifier(1, "sigmoid"), sgd(), "binary_crossentropy", batches(binary),
               class_weight={0: 0.5, 1: 3.0}, options=["--class-weights", "0=0.5,1=3"])
recorder.save(os.path.join(sys.argv[1], "weights.npz"))
