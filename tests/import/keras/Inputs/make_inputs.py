"""Makes the HDF5 files of this directory with h5py, in the layouts that the reader takes or refuses.

Run with: pip install h5py keras==3.15.1 jax && KERAS_BACKEND=jax python make_inputs.py
Kernels hold 0, 1, 2... and biases 100, 101... so that a value shows where it was read from.
"""
import os
import pathlib

os.environ.setdefault("KERAS_BACKEND", "jax")

import h5py
import keras
import numpy as np
from keras import layers

HERE = pathlib.Path(__file__).resolve().parent
KERNEL = np.arange(6, dtype="float32").reshape(3, 2)
BIAS = np.array([100, 101], "float32")


def dense_weights(name, kernel, libver=None, **options):
    """A model.weights.h5 of one Dense layer."""
    with h5py.File(HERE / name, "w", libver=libver) as file:
        group = file.create_group("layers/dense/vars")
        group.create_dataset("0", data=kernel, **options)
        group.create_dataset("1", data=BIAS)


dense_weights("plain.weights.h5", KERNEL)
dense_weights("latest.weights.h5", KERNEL, libver="latest")
dense_weights("chunked.weights.h5", KERNEL, chunks=(1, 2))
dense_weights("float64.weights.h5", KERNEL.astype("float64"))
dense_weights("float16.weights.h5", KERNEL.astype("float16"))
dense_weights("big_endian.weights.h5", KERNEL.astype(">f4"))

inner = keras.Sequential([keras.Input((2,)), layers.Dense(2, name="deep")], name="inner")
model = keras.Sequential([keras.Input((3,), name="x"), layers.Dense(2, name="dense"), inner], name="whole")
for variable, value in zip(model.variables, [KERNEL, BIAS, KERNEL[:2] + 10, BIAS + 10]):
    variable.assign(value)
model.save(HERE / "whole_model.h5")
