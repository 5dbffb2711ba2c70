"""Makes stateful.keras and stateful.npz: stateful recurrent layers, two batches of input, Keras's outputs for them in a row.

Run with: KERAS_BACKEND=jax python make_stateful.py
"""
import pathlib

import keras
import numpy as np
from keras import layers

here = pathlib.Path(__file__).resolve().parent
keras.utils.set_random_seed(1)
model = keras.Sequential([
    keras.Input(batch_shape=(2, 5, 3)),
    layers.LSTM(4, return_sequences=True, stateful=True),
    layers.Bidirectional(layers.GRU(3, return_sequences=True, stateful=True)),
    layers.RNN([layers.SimpleRNNCell(3), layers.LSTMCell(2)], stateful=True)])
model.save(here / "stateful.keras")
x = np.random.RandomState(1).normal(size=(2, 2, 5, 3)).astype(np.float32)
np.savez(here / "stateful.npz", x=x, y=np.stack([np.asarray(model(batch)) for batch in x]))
