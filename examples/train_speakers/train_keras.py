"""Trains the network of speakers.json with Keras, as `sylvite train` does, for a number of seeds.

Writes keras.json beside itself: the accuracy on test.npz for each seed, their mean and their standard deviation. A
seed decides initial weights and order. Run with: pip install keras==3.15.1 jax && KERAS_BACKEND=jax python train_keras.py
"""
import json
import os
import pathlib

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
SEEDS = 20


def train(seed, data, test):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([
        keras.Input((29, 12), name="utterance"),
        keras.layers.Masking(name="masking"),
        keras.layers.LSTM(32, name="lstm"),
        keras.layers.Dense(9, activation="softmax", name="speaker"),
    ], name="speakers")
    model.compile(keras.optimizers.Adam(5e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(data["utterance"], data["labels"], batch_size=30, epochs=40, verbose=0)
    predicted = model.predict(test["utterance"], verbose=0).argmax(axis=1)
    return round(float((predicted == test["labels"]).mean()), 4)


def main():
    data, test = (dict(np.load(HERE / f"{part}.npz")) for part in ("train", "test"))
    accuracies = [train(seed, data, test) for seed in range(SEEDS)]
    (HERE / "keras.json").write_text(json.dumps({
        "mean": round(float(np.mean(accuracies)), 5), "deviation": round(float(np.std(accuracies, ddof=1)), 5),
        "accuracies": accuracies, "keras": keras.__version__}) + "\n")
    print(f"accuracy: {np.mean(accuracies):.4f}, from {min(accuracies):.4f} to {max(accuracies):.4f}")


if __name__ == "__main__":
    main()
