"""Trains the network of mnist.json with Keras, as main.c does with Sylvite, for a number of seeds.

Writes keras.json beside itself: the accuracy on the held-out digits for each seed, their mean and their standard
deviation. A seed decides initial weights and order. Run with:
pip install keras==3.15.1 jax && KERAS_BACKEND=jax python train_keras.py
"""
import gzip
import json
import os
import pathlib

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
SEEDS = 20


def load_digits():
    """The digits of examples/mnist: images for training, their labels, images held out, their labels."""
    with gzip.open(HERE.parent / "mnist" / "mnist_5k.csv.gz", "rt") as lines:
        rows = np.loadtxt(lines, delimiter=",", dtype=np.float32)
    images, labels = rows[:, :-1].reshape(-1, 28, 28, 1) / 255, rows[:, -1].astype(np.int32)
    held_out = np.arange(len(rows)) % 5 == 4
    return images[~held_out], labels[~held_out], images[held_out], labels[held_out]


def train(seed, x, y, x_test, y_test):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([
        keras.Input((28, 28, 1), name="image"),
        keras.layers.Conv2D(32, 3, activation="relu", name="conv2d"),
        keras.layers.MaxPooling2D(2, name="max_pooling2d"),
        keras.layers.Flatten(name="flatten"),
        keras.layers.Dense(10, activation="softmax", name="digit"),
    ], name="mnist")
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, batch_size=32, epochs=5, verbose=0)
    predicted = model.predict(x_test, verbose=0).argmax(axis=1)
    return float((predicted == y_test).mean())


def main():
    digits = load_digits()
    accuracies = [train(seed, *digits) for seed in range(SEEDS)]
    (HERE / "keras.json").write_text(json.dumps({
        "mean": round(float(np.mean(accuracies)), 5), "deviation": round(float(np.std(accuracies, ddof=1)), 5),
        "accuracies": accuracies, "keras": keras.__version__}) + "\n")
    print(f"held-out accuracy: {np.mean(accuracies):.4f}, from {min(accuracies):.4f} to {max(accuracies):.4f}")


if __name__ == "__main__":
    main()
