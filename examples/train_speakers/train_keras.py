"""Trains the networks of speakers.json and transformer.json with Keras, as `sylvite train` does, for a number of seeds.

Writes, beside itself, keras.json and keras_transformer.json: the accuracy on test.npz for each seed, their mean and their standard
deviation. A seed decides initial weights and order. With --describe it writes transformer.json instead.
Run with: pip install keras==3.15.1 jax && KERAS_BACKEND=jax python train_keras.py
"""
import json
import os
import pathlib
import sys

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
from keras import layers

HERE = pathlib.Path(__file__).resolve().parent
SEEDS, STEPS, WIDTH = 20, 29, 32


def compiled(model, rate):
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def lstm():
    return compiled(keras.Sequential([
        keras.Input((STEPS, 12), name="utterance"),
        layers.Masking(name="masking"),
        layers.LSTM(32, name="lstm"),
        layers.Dense(9, activation="softmax", name="speaker"),
    ], name="speakers"), 5e-3)


def transformer():
    """One block over the steps, each with an embedding of its position; the mean of those that are no padding decides."""
    utterance = keras.Input((STEPS, 12), name="utterance")
    x = layers.Dense(WIDTH, name="steps")(layers.Masking(name="masking")(utterance))
    positions = keras.ops.zeros_like(utterance[:, :, 0]) + np.arange(STEPS, dtype=np.float32)[None]
    x = layers.Add(name="positioned")([x, layers.Embedding(STEPS, WIDTH, name="positions")(positions)])
    attention = layers.MultiHeadAttention(4, WIDTH // 4, dropout=0.1, name="attention")
    x = layers.LayerNormalization(name="attention_norm")(layers.Add(name="attended")([x, attention(x, x)]))
    y = layers.Dense(WIDTH, name="contract")(layers.Dense(4 * WIDTH, activation="relu", name="expand")(x))
    y = layers.Dropout(0.1, name="dropout")(y)
    x = layers.LayerNormalization(name="dense_norm")(layers.Add(name="transformed")([x, y]))
    speaker = layers.Dense(9, activation="softmax", name="speaker")(layers.GlobalAveragePooling1D(name="mean")(x))
    return compiled(keras.Model(utterance, speaker, name="transformer"), 2e-3)


def train(build, seed, data, test):
    keras.utils.set_random_seed(seed)
    model = build()
    model.fit(data["utterance"], data["labels"], batch_size=30, epochs=40, verbose=0)
    predicted = model.predict(test["utterance"], verbose=0).argmax(axis=1)
    return round(float((predicted == test["labels"]).mean()), 4)


def main():
    if sys.argv[1:] == ["--describe"]:
        (HERE / "transformer.json").write_text(transformer().to_json() + "\n")
        return
    data, test = (dict(np.load(HERE / f"{part}.npz")) for part in ("train", "test"))
    for build, name in ((lstm, "keras.json"), (transformer, "keras_transformer.json")):
        accuracies = [train(build, seed, data, test) for seed in range(SEEDS)]
        (HERE / name).write_text(json.dumps({
            "mean": round(float(np.mean(accuracies)), 5), "deviation": round(float(np.std(accuracies, ddof=1)), 5),
            "accuracies": accuracies, "keras": keras.__version__}) + "\n")
        print(f"{build.__name__}: {np.mean(accuracies):.4f}, from {min(accuracies):.4f} to {max(accuracies):.4f}", flush=True)


if __name__ == "__main__":
    main()
