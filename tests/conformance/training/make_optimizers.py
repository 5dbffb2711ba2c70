"""Makes optimizers.npz: steps of Keras's optimizers with accumulated gradients, moving averages and clipping.

KERAS_BACKEND=jax python make_optimizers.py OUTPUT_DIRECTORY
"""
import os
import sys

os.environ.setdefault("KERAS_BACKEND", "jax")
import keras
import numpy as np
from recording import Recorder

o = keras.optimizers
recorder = Recorder()
rng = np.random.default_rng(11)
batches = [{"x": rng.standard_normal((6, 5)).astype("float32"), "labels": rng.integers(0, 3, 6).astype("int32")}
           for _ in range(9)]


def model():
    keras.utils.set_random_seed(3)
    return keras.Sequential([keras.Input((5,), name="x"), keras.layers.Dense(7, activation="tanh", name="hidden"),
                             keras.layers.Dense(3, activation="softmax", name="classes")])


schedule = o.schedules.ExponentialDecay(0.1, decay_steps=2, decay_rate=0.5)
cases = {
    "accumulated_sgd": lambda: o.SGD(0.1, momentum=0.9, nesterov=True, gradient_accumulation_steps=3),
    "accumulated_adamw": lambda: o.AdamW(0.01, weight_decay=0.1, gradient_accumulation_steps=2),
    "accumulated_nadam": lambda: o.Nadam(0.01, gradient_accumulation_steps=4),
    "accumulated_schedule": lambda: o.RMSprop(schedule, gradient_accumulation_steps=2),
    "accumulated_clipnorm": lambda: o.Adam(0.01, clipnorm=0.05, gradient_accumulation_steps=3),
    "accumulated_global_clipnorm": lambda: o.SGD(0.5, global_clipnorm=0.1, gradient_accumulation_steps=3),
    "clipvalue": lambda: o.SGD(0.5, clipvalue=0.02),
    "averaged": lambda: o.Adam(0.01, use_ema=True, ema_momentum=0.8),
    "averaged_overwrite": lambda: o.SGD(0.1, use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=3),
    "averaged_accumulated": lambda: o.Adam(0.02, use_ema=True, ema_momentum=0.7, ema_overwrite_frequency=2,
                                           gradient_accumulation_steps=2),
}
for name, optimizer in cases.items():
    recorder.train(name, model(), optimizer(), "sparse_categorical_crossentropy", batches)
recorder.save(os.path.join(sys.argv[1], "optimizers.npz"))
