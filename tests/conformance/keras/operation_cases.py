"""Functions of keras.ops, and the layers that go with them: spectra of signals, orders, products with constants.

They are more of graph_cases.CASES, whose conventions hold.
"""

import numpy as np
from graph_cases import case
from keras import Input, Model, Sequential, layers, ops


def matrix(rows, columns):
    return np.arange(rows * columns, dtype="float32").reshape(rows, columns) / (rows * columns)


# Transforms


@case("signal_fft")
def _():
    x, y = Input((3, 12)), Input((3, 12))
    return Model([x, y], list(ops.fft((x, y))))


@case("signal_fft2")
def _():
    x, y = Input((6, 8)), Input((6, 8))
    return Model([x, y], list(ops.fft2((x, y))))


@case("signal_ifft2")
def _():
    x, y = Input((6, 8)), Input((6, 8))
    return Model([x, y], list(ops.ifft2((x, y))))


@case("signal_fourier_mixing", (9,))
def _():
    x = Input((None, 8))
    y = layers.LayerNormalization()(x + ops.fft((x, ops.zeros_like(x)))[0])
    return Model(x, layers.LayerNormalization()(y + layers.Dense(8)(layers.Dense(16, activation="gelu")(y))))


@case("signal_rfft")
def _():
    x = Input((3, 20))
    return Model(x, [y for length in (None, 15, 32) for y in ops.rfft(x, fft_length=length)])


@case("signal_irfft")
def _():
    x, y = Input((3, 9)), Input((3, 9))
    return Model([x, y], [ops.irfft((x, y), fft_length=length) for length in (None, 15, 10, 30)])


@case("signal_stft")
def _():
    x = Input((200,))
    re, im = ops.stft(x, 32, 16, 32)
    return Model(x, layers.Dense(3)(ops.sqrt(ops.square(re) + ops.square(im))))


@case("signal_stft_free", (120,))
def _():
    x = Input((None,))
    re, im = ops.stft(x, 32, 16, 40)
    return Model(x, ops.log(ops.square(re) + ops.square(im) + 1e-3))


@case("signal_stft_channels")
def _():
    x = Input((3, 200))
    return Model(x, list(ops.stft(x, 40, 20, 64, window="hamming", center=False)))


@case("signal_stft_no_window")
def _():
    x = Input((200,))
    return Model(x, list(ops.stft(x, 50, 25, 64, window=None)))


@case("signal_frames")
def _():
    x = Input((40,))
    return Model(x, layers.Dense(3)(ops.extract_sequences(x, 10, 5)))


@case("signal_frames_free", (43,))
def _():
    x = Input((2, None))
    return Model(x, ops.extract_sequences(x, 10, 4))


# Spectrograms


@case("signal_mel")
def _():
    mel = layers.MelSpectrogram(fft_length=64, sequence_stride=32, num_mel_bins=8, sampling_rate=8000, top_db=1000)
    return Sequential([Input((400,)), mel])


@case("signal_mel_classifier", (500,))
def _():
    mel = layers.MelSpectrogram(
        fft_length=64, sequence_length=50, sequence_stride=25, num_mel_bins=12, sampling_rate=8000, mag_exp=1.0, ref_power=2.0,
        min_freq=100, max_freq=3000, window="hamming", top_db=1000,
    )
    return Sequential([Input((None,)), mel, layers.Permute((2, 1)), layers.GRU(5), layers.Dense(3, activation="softmax")])


@case("signal_mel_power")
def _():
    mel = layers.MelSpectrogram(
        fft_length=64, sequence_stride=32, num_mel_bins=8, sampling_rate=8000, power_to_db=False, mag_exp=1.5
    )
    return Sequential([Input((400,)), mel])


@case("signal_spectrogram_log")
def _():
    spectrogram = layers.STFTSpectrogram(mode="log", frame_length=32, frame_step=16, fft_length=32)
    return Sequential([Input((200, 1)), spectrogram, layers.Conv1D(4, 3, activation="relu")])


@case("signal_spectrogram_same")
def _():
    spectrogram = layers.STFTSpectrogram(mode="magnitude", frame_length=30, frame_step=15, padding="same", window="hamming")
    return Sequential([Input((200, 2)), spectrogram])


@case("signal_spectrogram_image")
def _():
    spectrogram = layers.STFTSpectrogram(mode="psd", frame_length=32, fft_length=64, expand_dims=True)
    return Sequential([Input((200, 1)), spectrogram, layers.Conv2D(3, 3)])


@case("signal_spectrogram_channels_first")
def _():
    x = Input((2, 200))
    kinds = [("psd", True, "valid"), ("stft", False, "same"), ("real", False, "valid"), ("imag", True, "same")]
    return Model(x, [
        layers.STFTSpectrogram(
            mode=mode, frame_length=30, frame_step=20, data_format="channels_first", expand_dims=expand, padding=padding
        )(x)
        for mode, expand, padding in kinds
    ])


@case("signal_spectrogram_free", (101,))
def _():
    x = Input((None, 2))
    return Model(x, layers.STFTSpectrogram(mode="stft", frame_length=20, frame_step=7, padding="same", expand_dims=True)(x))


# Orders


@case("order_sort")
def _():
    x = Input((9, 4))
    return Model(x, [ops.sort(x, axis=1), ops.sort(x), ops.sort(x > 0, axis=1)])


@case("order_argsort", (11,))
def _():
    x = Input((None, 4))
    return Model(x, [ops.sort(x, axis=1), ops.argsort(x, axis=1), ops.argsort(x)])


@case("order_equal_elements")
def _():
    x = Input((12,), dtype="int32")
    tens = ops.cast(ops.floor(ops.cast(x, "float32") / 10.0), "int32")
    return Model(x, [ops.sort(tens), ops.argsort(tens), *ops.top_k(tens, 5)])


@case("order_top_k")
def _():
    x = Input((3, 9))
    return Model(x, list(ops.top_k(x, 4)))


@case("order_k_max_pooling")
def _():
    x = Input((9,), dtype="int32")
    y = layers.Conv1D(6, 3, activation="relu")(layers.Embedding(100, 8)(x))
    y, _ = ops.top_k(ops.transpose(y, (0, 2, 1)), 3)
    return Model(x, layers.Dense(2)(layers.Flatten()(y)))


# Products


@case("product_basis")
def _():
    x = Input((24,))
    t = np.arange(6, dtype="float32") / 6
    basis = np.stack([f(2 * np.pi * i * t) for f in (np.cos, np.sin) for i in range(1, 4)]).astype("float32")
    return Model(x, ops.matmul(layers.Dense(6)(x), basis))


@case("product_constants")
def _():
    x = Input((5, 4))
    return Model(x, [ops.matmul(matrix(3, 5), x), x @ matrix(4, 3), ops.dot(x, matrix(4, 3)), ops.dot(x, matrix(1, 4)[0])])


@case("product_tensordot")
def _():
    x = Input((5, 4))
    cube = matrix(5, 12).reshape(5, 4, 3)
    return Model(x, [
        ops.tensordot(x, matrix(4, 3), axes=1),
        ops.tensordot(x, cube, axes=2),
        ops.tensordot(x, cube, axes=[[1, -1], [0, 1]]),
        ops.tensordot(x, cube, axes=[[2], [1]]),
    ])


@case("product_normalize")
def _():
    x = Input((5, 4))
    return Model(x, [
        ops.normalize(x),
        ops.normalize(x, axis=1, order=1),
        ops.normalize(x, axis=(1, 2)),
        ops.normalize(x, epsilon=10.0),
    ])


@case("where_integers")
def _():
    x = Input((5,))
    return Model(x, [ops.where(x > 0, 1, 0), ops.where(x > 0, 1, 0.5)])
