"""Seeded random weights for a keras.applications model, the same with and without Keras.

A model's description lists its variables as [path in model.weights.h5, shape, kind, scale]. Values come from NumPy's
RandomState, whose streams are frozen, seeded with the path, so nothing but the description is stored.
"""
import zlib

import h5py
import numpy as np


def value(path, shape, kind, scale):
    random = np.random.RandomState(zlib.crc32(path.encode()))
    if kind == "count":
        return np.zeros(shape, np.int32)
    if kind == "gamma":
        return random.uniform(0.75, 1.25, shape).astype(np.float32)
    if kind == "variance":
        return (scale * random.uniform(0.5, 1.5, shape)).astype(np.float32)
    if kind == "mean":
        return (np.sqrt(scale) * 0.2 * random.standard_normal(shape)).astype(np.float32)
    if kind == "bias":
        return (0.1 * random.standard_normal(shape)).astype(np.float32)
    return (scale * random.standard_normal(shape)).astype(np.float32)


def write(description, path):
    """Writes the .weights.h5 file that Keras's load_weights and `sylvite compile --weights` read."""
    with h5py.File(path, "w") as file:
        for group in description["groups"]:  # layers without variables have their group all the same
            file.require_group(group)
        for name, shape, kind, scale in description["variables"]:
            file.create_dataset(name, data=value(name, shape, kind, scale))


def images(description, batch=2):
    """`batch` images of low-frequency noise, in the range that the model expects."""
    height, width, channels = description["input_shape"]
    random = np.random.RandomState(7)
    coarse = random.uniform(0, 1, (batch, -(-height // 8), -(-width // 8), channels))
    image = coarse.repeat(8, axis=1).repeat(8, axis=2)[:, :height, :width]
    image = 0.75 * image + 0.25 * random.uniform(0, 1, image.shape)
    low, high = description["input_range"]
    return (low + (high - low) * image).astype(np.float32)
