"""Makes penalties.npz: steps of Keras with constraints of variables, and regularizers of variables and activities.

KERAS_BACKEND=jax python make_penalties.py OUTPUT_DIRECTORY
"""
import os
import sys

os.environ.setdefault("KERAS_BACKEND", "jax")
import keras
import numpy as np
from recording import Recorder

recorder = Recorder()
rng = np.random.default_rng(13)
constraints, layers, regularizers = keras.constraints, keras.layers, keras.regularizers
STEPS = 3


def floats(*shape):
    return rng.standard_normal(shape).astype("float32")


def train(case, shape, stack, batch=6, classes=3, optimizer=None, integers=0):
    """Layers on an input of `shape`, then a softmax over `classes`."""
    keras.utils.set_random_seed(5)
    x = keras.Input(shape, name="x", dtype="int32" if integers else "float32")
    y = x
    for layer in stack:
        y = layer(y)
    model = keras.Model(x, layers.Dense(classes, activation="softmax", name="y")(y))
    data = [{"x": rng.integers(0, integers, (batch, *shape)).astype("int32") if integers else floats(batch, *shape),
             "labels": rng.integers(0, classes, batch).astype("int32")} for _ in range(STEPS)]
    recorder.train(case, model, optimizer or keras.optimizers.SGD(0.5), "sparse_categorical_crossentropy", data)


def dense(units=7, **options):
    return layers.Dense(units, activation="tanh", name="hidden", **options)


train("max_norm", (5,), [dense(kernel_constraint=constraints.MaxNorm(0.9), bias_constraint="non_neg")])
train("max_norm_rows", (5,), [dense(kernel_constraint=constraints.MaxNorm(1.0, axis=-1))])
train("unit_norm", (5,), [dense(kernel_constraint=constraints.UnitNorm())])
train("min_max_norm", (5,), [dense(kernel_constraint=constraints.MinMaxNorm(0.8, 1.2, rate=0.3))])
train("filters", (6, 6, 2), [layers.Conv2D(4, 3, use_bias=False, kernel_constraint=constraints.MaxNorm(0.5, axis=[0, 1, 2]), name="conv"),
                             layers.BatchNormalization(gamma_constraint="non_neg", beta_constraint=constraints.MaxNorm(0.05), name="bn"),
                             layers.Flatten()])
train("recurrent", (4, 3), [layers.LSTM(5, kernel_constraint=constraints.MaxNorm(0.4), recurrent_constraint=constraints.UnitNorm(),
                                        bias_constraint="non_neg", name="lstm")])
train("bidirectional", (4, 3), [layers.Bidirectional(layers.GRU(3, recurrent_constraint=constraints.UnitNorm(axis=1), name="gru"),
                                                     name="both")])
train("embeddings", (4,), [layers.Embedding(6, 3, embeddings_constraint=constraints.UnitNorm(axis=1), name="embedding"),
                           layers.Flatten()], integers=6)
heads = layers.MultiHeadAttention(2, 3, use_bias=False, kernel_constraint=constraints.MaxNorm(0.7), name="heads")
train("heads", (4, 3), [lambda x: heads(x, x), layers.Flatten()])
# The constraint comes after the moving average, and at every step of those that make one update.
train("averaged", (5,), [dense(kernel_constraint=constraints.UnitNorm())],
      optimizer=keras.optimizers.Adam(0.1, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=2, gradient_accumulation_steps=2))

train("activity_l1", (5,), [dense(activity_regularizer=regularizers.L1(0.2))])
train("activity_l2", (5,), [dense(activity_regularizer="l2")], batch=3)
train("activity_layer", (5,), [dense(), layers.ActivityRegularization(l1=0.1, l2=0.3)])
train("activity_maps", (6, 6, 2), [layers.Conv2D(4, 3, activation="relu", activity_regularizer=regularizers.L1L2(0.02, 0.05), name="conv"),
                                   layers.GlobalAveragePooling2D()])
train("activity_sequence", (4, 3), [layers.LSTM(5, return_sequences=True, activity_regularizer=regularizers.L2(0.2), name="lstm"),
                                    layers.GlobalMaxPooling1D()])
train("orthogonal_rows", (5,), [dense(kernel_regularizer=regularizers.OrthogonalRegularizer(0.8))])
train("orthogonal_columns", (5,), [dense(kernel_regularizer=regularizers.OrthogonalRegularizer(0.8, mode="columns"))])
train("orthogonal_by_name", (4,), [layers.Embedding(6, 3, embeddings_regularizer="orthogonal_regularizer", name="embedding"),
                                   layers.Flatten()], integers=6)
train("orthogonal_recurrent", (4, 3), [layers.LSTM(5, kernel_regularizer=regularizers.L1L2(0.05, 0.1), name="lstm",
                                                   recurrent_regularizer=regularizers.OrthogonalRegularizer(0.5))])
keras.utils.set_random_seed(5)
x = keras.Input((5,), name="x")
model = keras.Model(x, layers.Dense(2, activity_regularizer=regularizers.L2(0.4), name="y")(x))
recorder.train("activity_output", model, keras.optimizers.SGD(0.1), "mean_squared_error",
               [{"x": floats(4, 5), "targets": floats(4, 2)} for _ in range(STEPS)])
recorder.save(os.path.join(sys.argv[1], "penalties.npz"))
