"""Does with Keras what main.c does with Sylvite: the same examples in the same order.

Writes keras.json beside itself. The loss is taken from logits, as Sylvite takes it: some turned digits have a
probability below 1e-7 at first, where Keras cuts it off and the example has no gradient.
Run with: pip install keras==3.15.1 jax && KERAS_BACKEND=jax python finetune_keras.py
"""
import json
import os
import pathlib

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
DIGITS = HERE.parent / "mnist"
EXAMPLES, BATCH, EPOCHS = 300, 30, 20


def main():
    images = np.fromfile(DIGITS / "heldout-images.idx3-ubyte", np.uint8, offset=16).reshape(-1, 28, 28, 1)
    labels = np.fromfile(DIGITS / "heldout-labels.idx1-ubyte", np.uint8, offset=8).astype(np.int32)
    upright = images.astype(np.float32) / 255
    turned = np.ascontiguousarray(np.rot90(upright, axes=(1, 2)))

    model = keras.models.load_model(DIGITS / "mnist_cnn.keras", compile=False)
    model.get_layer("conv2d").trainable = False
    model.get_layer("digit").activation = keras.activations.linear
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss, metrics=["accuracy"])

    def measure(x):
        loss, accuracy = model.evaluate(x[EXAMPLES:], labels[EXAMPLES:], verbose=0)
        return {"loss": round(loss, 4), "accuracy": round(accuracy, 4)}

    results = {"upright": measure(upright), "turned, before": measure(turned)}
    model.fit(turned[:EXAMPLES], labels[:EXAMPLES], batch_size=BATCH, epochs=EPOCHS, shuffle=False, verbose=0)
    results["turned, after"] = measure(turned)
    results["keras"] = keras.__version__
    (HERE / "keras.json").write_text(json.dumps(results) + "\n")
    print(results)


if __name__ == "__main__":
    main()
