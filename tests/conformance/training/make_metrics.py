"""Makes metrics.keras and metrics.npz: values of Keras's metrics for a model with two outputs, batch by batch and over all of them.

KERAS_BACKEND=jax python make_metrics.py OUTPUT_DIRECTORY
"""
import os
import sys

os.environ.setdefault("KERAS_BACKEND", "jax")
import keras
import numpy as np

out = sys.argv[1]
rng = np.random.default_rng(5)
keras.utils.set_random_seed(5)

x = keras.Input((6,), name="x")
classes = keras.layers.Dense(4, activation="softmax", name="classes")(x)
chance = keras.layers.Dense(1, activation="sigmoid", name="chance")(x)
model = keras.Model(x, [classes, chance])
m = keras.metrics


def metrics():
    return {"classes": [m.SparseCategoricalAccuracy(name="accuracy"), m.SparseTopKCategoricalAccuracy(k=2, name="top2")],
            "chance": [m.BinaryAccuracy(name="accuracy"), m.Precision(name="precision"), m.Recall(thresholds=0.3, name="recall"),
                       m.AUC(name="roc"), m.AUC(name="pr", curve="PR", num_thresholds=50),
                       m.F1Score(threshold=0.5, average="micro", name="f1"), m.MeanSquaredError(name="mse"),
                       m.RootMeanSquaredError(name="rmse"), m.MeanAbsoluteError(name="mae")]}


model.compile(optimizer=keras.optimizers.SGD(0.0), loss={"classes": "sparse_categorical_crossentropy", "chance": "binary_crossentropy"},
              metrics=metrics())
sizes = [17, 32, 5]
data = [(rng.standard_normal((n, 6)).astype("float32"), rng.integers(0, 4, n).astype("int32"),
         rng.integers(0, 2, (n, 1)).astype("float32")) for n in sizes]
total = metrics()
ref = {}
names = {f"{output}_{metric.name}": (output, i) for output in total for i, metric in enumerate(total[output])}
for k, (inputs, labels, targets) in enumerate(data):
    predicted = dict(zip(("classes", "chance"), (np.asarray(y) for y in model(inputs))))
    wanted = {"classes": labels, "chance": targets}
    one = metrics()
    for output in one:
        for here, everywhere in zip(one[output], total[output]):
            here.update_state(wanted[output], predicted[output])
            everywhere.update_state(wanted[output], predicted[output])
    ref |= {f"{k}/x": inputs, f"{k}/classes_labels": labels, f"{k}/chance_targets": targets}
    ref |= {f"{k}/{name}": np.asarray(one[output][i].result()) for name, (output, i) in names.items()}
ref |= {f"all/{name}": np.asarray(total[output][i].result()) for name, (output, i) in names.items()}
model.save(os.path.join(out, "metrics.keras"))
np.savez(os.path.join(out, "metrics.npz"), **ref)

