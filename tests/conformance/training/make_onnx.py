"""Makes onnx.npz: an ONNX model of the layers and weights of a Keras model, and Keras's steps.

KERAS_BACKEND=jax python make_onnx.py OUTPUT_DIRECTORY      (needs the package onnx)
"""
import os
import sys

os.environ.setdefault("KERAS_BACKEND", "jax")
import keras
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from recording import Recorder

recorder = Recorder()
rng = np.random.default_rng(15)
STEPS = 4
keras.utils.set_random_seed(8)
model = keras.Sequential([keras.Input((6,), name="x"), keras.layers.Dense(5, activation="tanh", name="hidden"),
                          keras.layers.Dense(3, activation="softmax", name="y")])
names = ["hidden.weight", "hidden.bias", "y.weight", "y.bias"]
initial = [numpy_helper.from_array(np.asarray(v.value), name) for name, v in zip(names, model.trainable_variables)]
graph = helper.make_graph(
    [helper.make_node("Gemm", ["x", *names[:2]], ["sums"], name="hidden"), helper.make_node("Tanh", ["sums"], ["features"], name="tanh"),
     helper.make_node("Gemm", ["features", *names[2:]], ["scores"], name="y"),
     helper.make_node("Softmax", ["scores"], ["p"], axis=-1, name="softmax")],
    "classifier", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 6])],
    [helper.make_tensor_value_info("p", TensorProto.FLOAT, ["N", 3])], initial)
network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
network.ir_version = 8
onnx.checker.check_model(network)

data = [{"x": rng.standard_normal((7, 6)).astype("float32"), "labels": rng.integers(0, 3, 7).astype("int32"),
         "sample_weight": rng.uniform(0, 2, 7).astype("float32")} for _ in range(STEPS)]
optimizer = keras.optimizers.Adam(0.02, gradient_accumulation_steps=2, use_ema=True, ema_momentum=0.5)
recorder.train("classifier", model, optimizer, "sparse_categorical_crossentropy", data, weight="sample_weight",
               options=["--loss", "sparse_categorical_crossentropy", "--sample-weights", "--optimizer",
                        "adam:lr=0.02,gradient_accumulation_steps=2,use_ema=true,ema_momentum=0.5"])
recorder.arrays["classifier/model"] = np.frombuffer(network.SerializeToString(), np.uint8)
recorder.save(os.path.join(sys.argv[1], "onnx.npz"))
