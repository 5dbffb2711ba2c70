"""Makes dropout.npz: models that drop inside recurrent and attention layers, and what their loss is expected to be.

KERAS_BACKEND=jax python make_dropout.py OUTPUT_DIRECTORY      (needs the package onnx)

Keras draws other numbers, so the values that check_dropout.py compares with are not steps of Keras but expectations, worked out
below for layers that are linear. `CASE/model` is a .keras file, or an ONNX file; `CASE/loss` what the mean squared error from zero of a
batch of ones is expected to be, if there is a formula, and `CASE/deviation` the standard deviation of an item's.
"""
import itertools
import os
import pathlib
import sys
import tempfile

os.environ.setdefault("KERAS_BACKEND", "jax")
import keras
import numpy as np
from onnx import TensorProto, helper, numpy_helper

arrays = {}
layers = keras.layers
UNITS, STEPS = 4, 3


def keep(case, shape, layer, values=None):
    """`values`: of one element of the output, with the probability of each."""
    keras.utils.set_random_seed(6)
    x = keras.Input(shape, name="x")
    model = keras.Model(x, layer(x))
    model.compile("sgd", "mean_squared_error")
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "model.keras"
        model.save(path)
        arrays[f"{case}/model"] = np.frombuffer(path.read_bytes(), np.uint8)
    describe(case, shape, values)


def describe(case, shape, values):
    arrays[f"{case}/shape"] = np.array(shape)
    if values is not None:
        value, chance = (np.array(list(part)) for part in zip(*values))
        squares = value ** 2
        mean = (chance * squares).sum()
        arrays[f"{case}/loss"] = np.float32(mean)
        arrays[f"{case}/deviation"] = np.float32(np.sqrt((chance * (squares - mean) ** 2).sum()))


def linear(**dropout):
    """A sum of all steps."""
    return layers.SimpleRNN(UNITS, activation=None, use_bias=False, kernel_initializer="identity", recurrent_initializer="identity",
                            name="rnn", **dropout)


def masks(rate):
    """What a dropout multiplies by, with the probability of each."""
    return [(0.0, rate), (1 / (1 - rate), 1 - rate)]


# One mask for all steps: with x = 1, the input's factor k gives 3 k, the state's factor s gives 1 + s + s^2.
keep("input", (STEPS, UNITS), linear(dropout=0.4), [(STEPS * k, p) for k, p in masks(0.4)])
keep("state", (STEPS, UNITS), linear(recurrent_dropout=0.3), [(1 + s + s * s, p) for s, p in masks(0.3)])
keep("both", (STEPS, UNITS), linear(dropout=0.2, recurrent_dropout=0.5),
     [(k * (1 + s + s * s), p * q) for (k, p), (s, q) in itertools.product(masks(0.2), masks(0.5))])


# Equal scores weigh each of three positions by a third; each weight is dropped by itself.
def attention(x):
    same = layers.Dense(UNITS, use_bias=False, kernel_initializer="identity", name="value")(x)
    return layers.Attention(dropout=0.25, name="attention")([x, same])


keep("attention", (STEPS, UNITS), attention,
     [(sum(k for k, _ in each) / 3, np.prod([p for _, p in each])) for each in itertools.product(masks(0.25), repeat=3)])

# A Dropout node of ONNX, whose ratio is an operand.
graph = helper.make_graph(
    [helper.make_node("Dropout", ["x", "ratio"], ["kept"], name="dropout"),
     helper.make_node("MatMul", ["kept", "weights"], ["y"], name="dense")],
    "dropout", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", UNITS])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", UNITS])],
    [numpy_helper.from_array(np.float32(0.3), "ratio"), numpy_helper.from_array(np.eye(UNITS, dtype=np.float32), "weights")])
network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
network.ir_version = 8
arrays["onnx/model"] = np.frombuffer(network.SerializeToString(), np.uint8)
describe("onnx", (UNITS,), masks(0.3))

# No formula: these are for finite differences.
keep("lstm", (STEPS, 5), layers.LSTM(UNITS, dropout=0.3, recurrent_dropout=0.4, name="lstm"))
keep("lstm_input", (STEPS, 5), layers.LSTM(UNITS, dropout=0.3, return_sequences=True, name="lstm"))
keep("gru", (STEPS, 5), layers.GRU(UNITS, dropout=0.3, recurrent_dropout=0.4, name="gru"))
keep("gru_reset_before", (STEPS, 5), layers.GRU(UNITS, dropout=0.3, recurrent_dropout=0.4, reset_after=False, name="gru"))
keep("bidirectional", (STEPS, 5), layers.Bidirectional(layers.LSTM(3, recurrent_dropout=0.4, name="lstm"), name="both"))
heads = layers.MultiHeadAttention(2, 3, dropout=0.3, name="heads")
keep("heads", (STEPS, 5), lambda x: heads(x, x, use_causal_mask=True))
np.savez_compressed(os.path.join(sys.argv[1], "dropout.npz"), **arrays)
