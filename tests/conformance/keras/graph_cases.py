"""Graphs of layers and keras.ops as users build them: encoders and decoders, convolutions over time, positions, recurrent
states that go on, preprocessing of images and categories.

CASES is as in cases.py, whose conventions hold; make_layers.py turns it into graphs.tar.xz. In a case whose name holds "mask"
many tokens are 0 and many steps are zero, in others hardly any.
"""

import numpy as np
from keras import Input, Model, Sequential, layers, ops

CASES = {}
LENGTH, FEATURES = 7, 5


def case(name, sizes=()):
    """Decorates a function that builds a Model; `sizes` are those of free dimensions."""

    def register(build):
        assert name not in CASES, name
        CASES[name] = lambda: (build(), sizes)
        return build

    return register


def tokens(length=None):
    return Input((length,), dtype="int32")


def embedded(x, mask=True, features=8):
    return layers.Embedding(100, features, mask_zero=mask)(x)


def encoder(x, mask=None, causal=False, features=8, heads=2):
    attention = layers.MultiHeadAttention(heads, features // heads, dropout=0.1)
    y = attention(x, x, attention_mask=mask, use_causal_mask=causal)
    x = layers.LayerNormalization(epsilon=1e-6)(layers.Add()([x, layers.Dropout(0.1)(y)]))
    y = layers.Dense(features)(layers.Dense(4 * features, activation="gelu")(x))
    return layers.LayerNormalization(epsilon=1e-6)(x + y)


@case("text_cls_mask", (9,))
def _():
    x = tokens()
    y = encoder(embedded(x))
    return Model(x, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling1D()(y)))


@case("encdec_cross_mask", (9, 6))
def _():
    s, t = tokens(), tokens()
    e = encoder(embedded(s))
    d = embedded(t)
    d = layers.LayerNormalization()(d + layers.MultiHeadAttention(2, 4)(d, d, use_causal_mask=True))
    d = layers.LayerNormalization()(d + layers.MultiHeadAttention(2, 4)(d, e))
    return Model([s, t], layers.Dense(50)(d))


@case("conformer", (16,))
def _():
    x = Input((None, 8))
    y = x + 0.5 * layers.Dense(8)(layers.Dense(16, activation="swish")(layers.LayerNormalization()(x)))
    z = layers.LayerNormalization()(y)
    y = y + layers.MultiHeadAttention(2, 4)(z, z)
    z = layers.Conv1D(16, 1)(layers.LayerNormalization()(y))
    a, b = ops.split(z, 2, axis=-1)
    z = a * ops.sigmoid(b)
    z = layers.DepthwiseConv1D(5, padding="same")(z)
    z = layers.Activation("swish")(layers.BatchNormalization()(z))
    y = y + layers.Conv1D(8, 1)(z)
    return Model(x, layers.LayerNormalization()(y))


@case("conformer_subsample", (21,))
def _():
    x = Input((None, 12, 1))
    y = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")(x)
    y = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")(y)
    y = layers.Reshape((-1, 12))(y)
    return Model(x, layers.Dense(5, activation="softmax")(encoder(layers.Dense(8)(y))))


@case("crnn_ctc", (24,))
def _():
    x = Input((None, 16, 1))
    y = layers.MaxPooling2D(2)(layers.Conv2D(4, 3, padding="same", activation="relu")(x))
    y = layers.MaxPooling2D((1, 2))(layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same")(y)))
    y = layers.TimeDistributed(layers.Flatten())(y)
    y = layers.Bidirectional(layers.LSTM(6, return_sequences=True))(y)
    return Model(x, layers.Dense(11, activation="softmax")(y))


@case("wavenet", (30,))
def _():
    x = Input((None, 1))
    y = layers.Conv1D(8, 1)(x)
    skips = []
    for d in (1, 2, 4):
        t = layers.Conv1D(8, 2, dilation_rate=d, padding="causal", activation="tanh")(y)
        s = layers.Conv1D(8, 2, dilation_rate=d, padding="causal", activation="sigmoid")(y)
        g = layers.Multiply()([t, s])
        z = layers.Conv1D(8, 1)(g)
        skips.append(z)
        y = layers.Add()([y, z])
    y = layers.Activation("relu")(layers.Add()(skips))
    return Model(x, layers.Conv1D(4, 1, activation="softmax")(y))


@case("tcn", (20,))
def _():
    x = Input((None, 3))
    y = x
    for d in (1, 2, 4):
        z = layers.SpatialDropout1D(0.1)(
            layers.Activation("relu")(layers.LayerNormalization()(layers.Conv1D(6, 3, dilation_rate=d, padding="causal")(y)))
        )
        r = layers.Conv1D(6, 1, padding="same")(y) if y.shape[-1] != 6 else y
        y = layers.Activation("relu")(layers.Add()([r, z]))
    return Model(x, layers.Dense(2)(y[:, -1]))


@case("perceiver", (11,))
def _():
    x = Input((None, 8))
    pool = layers.GlobalAveragePooling1D()(x)
    latents = layers.Reshape((4, 8))(layers.Dense(32)(pool))
    for _step in range(2):
        latents = latents + layers.MultiHeadAttention(2, 4)(layers.LayerNormalization()(latents), x)
        latents = encoder(latents)
    return Model(x, layers.Dense(3)(layers.Flatten()(latents)))


@case("relpos_bias")
def _():
    x = Input((LENGTH, 8))
    q, k, v = [ops.transpose(ops.reshape(layers.Dense(8)(x), (-1, LENGTH, 2, 4)), (0, 2, 1, 3)) for _ in range(3)]
    idx = np.arange(LENGTH)[:, None] - np.arange(LENGTH)[None] + LENGTH - 1
    bias = layers.Embedding(2 * LENGTH - 1, 2)
    rel = ops.transpose(bias(ops.zeros_like(ops.cast(x[:1, :1, 0], "int32")) + idx[None].reshape(1, -1).astype("int32")), (0, 2, 1))
    s = ops.matmul(q, ops.swapaxes(k, 2, 3)) / np.sqrt(4.0)
    s = s + ops.reshape(rel, (1, 2, LENGTH, LENGTH))
    y = ops.matmul(ops.softmax(s, axis=-1), v)
    return Model(x, layers.Dense(8)(ops.reshape(ops.transpose(y, (0, 2, 1, 3)), (-1, LENGTH, 8))))


@case("alibi_const")
def _():
    x = Input((LENGTH, 8))
    q, k, v = [layers.Reshape((LENGTH, 2, 4))(layers.Dense(8)(x)) for _ in range(3)]
    s = ops.einsum("bqhd,bkhd->bhqk", q, k) * 0.5
    i = np.arange(LENGTH)
    d = -np.abs(i[:, None] - i[None]).astype("float32")
    s = s + d[None, None] * np.array([0.5, 0.25], "float32")[None, :, None, None]
    m = np.triu(np.full((LENGTH, LENGTH), -1e9, "float32"), 1)
    y = ops.einsum("bhqk,bkhd->bqhd", ops.softmax(s + m, axis=-1), v)
    return Model(x, layers.Dense(8)(layers.Reshape((LENGTH, 8))(y)))


@case("alibi_free", (9,))
def _():
    x = Input((None, 8))
    q, k, v = [layers.Reshape((-1, 2, 4))(layers.Dense(8)(x)) for _ in range(3)]
    s = ops.einsum("bqhd,bkhd->bhqk", q, k) * 0.5
    p = ops.cumsum(ops.ones_like(x[:, :, 0]), axis=1)
    d = -ops.abs(ops.expand_dims(p, 2) - ops.expand_dims(p, 1))
    s = s + ops.expand_dims(d, 1) * 0.3
    y = ops.einsum("bhqk,bkhd->bqhd", ops.softmax(s, axis=-1), v)
    return Model(x, layers.Dense(8)(layers.Reshape((-1, 8))(y)))


@case("rope_free", (9,))
def _():
    x = Input((None, 8))

    def rope(v):
        p = ops.cumsum(ops.ones_like(v[:, :, :1]), axis=1) - 1.0
        ang = p * np.power(100.0, -np.arange(4) / 4.0).astype("float32")
        a, b = ops.split(v, 2, axis=-1)
        return ops.concatenate([a * ops.cos(ang) - b * ops.sin(ang), a * ops.sin(ang) + b * ops.cos(ang)], axis=-1)

    q, k = rope(layers.Dense(8, use_bias=False)(x)), rope(layers.Dense(8, use_bias=False)(x))
    s = ops.softmax(ops.matmul(q, ops.transpose(k, (0, 2, 1))) / np.sqrt(8.0), axis=-1)
    return Model(x, ops.matmul(s, layers.Dense(8)(x)))


@case("dot_product_attention_free", (9,))
def _():
    x = Input((None, 8))
    q, k, v = [layers.Reshape((-1, 2, 4))(layers.Dense(8)(x)) for _ in range(3)]
    return Model(x, layers.Reshape((-1, 8))(ops.dot_product_attention(q, k, v, is_causal=True)))


@case("dot_product_attention_bias_mask")
def _():
    q, k, m, bi = Input((LENGTH, 2, 4)), Input((5, 2, 4)), Input((1, LENGTH, 5), dtype="bool"), Input((2, LENGTH, 5))
    return Model([q, k, m, bi], ops.dot_product_attention(q, k, k, bias=bi, mask=m, scale=0.3))


@case("gru_states_stack", (9,))
def _():
    x = Input((None, 5))
    a, h1 = layers.GRU(6, return_sequences=True, return_state=True)(x)
    b, h2 = layers.GRU(6, return_sequences=True, return_state=True)(a, initial_state=h1)
    return Model(x, [b, ops.concatenate([h1, h2], axis=-1), ops.stack([h1, h2], axis=1)])


@case("bilstm_crf_like", (9, 9))
def _():
    w, c = tokens(), Input((None, 4), dtype="int32")
    ch = layers.TimeDistributed(layers.Bidirectional(layers.LSTM(3)))(layers.Embedding(100, 5)(c))
    y = layers.Concatenate()([embedded(w, False), ch])
    return Model([w, c], layers.TimeDistributed(layers.Dense(4))(layers.Bidirectional(layers.LSTM(5, return_sequences=True))(y)))


@case("char_cnn", (9, 9))
def _():
    w, c = tokens(), Input((None, 6), dtype="int32")
    ch = layers.TimeDistributed(layers.Conv1D(5, 3, activation="relu"))(layers.TimeDistributed(layers.Embedding(100, 4))(c))
    ch = layers.TimeDistributed(layers.GlobalMaxPooling1D())(ch)
    return Model([w, c], layers.GRU(4)(layers.Concatenate()([embedded(w, False), ch])))


@case("han")
def _():
    i = Input((6,), dtype="int32")
    h = layers.Bidirectional(layers.GRU(4, return_sequences=True))(embedded(i, False))
    a = layers.Softmax(axis=1)(layers.Dense(1, use_bias=False)(layers.Dense(8, activation="tanh")(h)))
    sent = Model(i, ops.sum(a * h, axis=1))
    x = Input((5, 6), dtype="int32")
    return Model(x, layers.Dense(2)(layers.GRU(4)(layers.TimeDistributed(sent)(x))))


@case("attn_pool_mask", (9,))
def _():
    x = tokens()
    m = ops.expand_dims(ops.cast(ops.equal(x, 0), "float32"), -1) * -1e9
    h = layers.GRU(6, return_sequences=True)(embedded(x))
    a = ops.softmax(layers.Dense(1)(layers.Dense(6, activation="tanh")(h)) + m, axis=1)
    return Model(x, ops.sum(a * h, axis=1))


@case("fnet_like")
def _():
    x = Input((LENGTH, 8))
    y = x
    for _step in range(2):
        m = layers.Permute((2, 1))(layers.Dense(LENGTH)(layers.Permute((2, 1))(y)))
        y = layers.LayerNormalization()(y + m)
        y = layers.LayerNormalization()(y + layers.Dense(8)(layers.Dense(16, activation="relu")(y)))
    return Model(x, ops.mean(y, axis=1))


@case("squeeze_excite_1d", (15,))
def _():
    x = Input((None, 8))
    y = layers.Conv1D(8, 5, strides=2, padding="same", use_bias=False)(x)
    s = layers.GlobalAveragePooling1D(keepdims=True)(y)
    s = layers.Dense(8, activation="sigmoid")(layers.Dense(4, activation="relu")(s))
    return Model(x, layers.GlobalMaxPooling1D()(y * s))


@case("resnet1d", (33,))
def _():
    x = Input((None, 2))
    y = layers.MaxPooling1D(3, strides=2, padding="same")(layers.Conv1D(8, 7, strides=2, padding="same", activation="relu")(x))
    for f, s in ((8, 1), (12, 2)):
        z = layers.ReLU()(layers.BatchNormalization()(layers.Conv1D(f, 3, strides=s, padding="same")(y)))
        z = layers.BatchNormalization()(layers.Conv1D(f, 3, padding="same")(z))
        r = layers.Conv1D(f, 1, strides=s, padding="same")(y) if s != 1 else y
        y = layers.ReLU()(layers.Add()([z, r]))
    return Model(x, layers.Dense(4, activation="softmax")(layers.GlobalAveragePooling1D()(y)))


@case("unet1d", (16,))
def _():
    x = Input((None, 2))
    d1 = layers.Conv1D(4, 3, padding="same", activation="relu")(x)
    d2 = layers.Conv1D(8, 3, strides=2, padding="same", activation="relu")(d1)
    u = layers.Conv1DTranspose(4, 2, strides=2, padding="same")(d2)
    return Model(x, layers.Conv1D(1, 1, activation="sigmoid")(layers.Concatenate()([d1, u])))


@case("average_pool_same_free", (15,))
def _():
    x = Input((None, 4))
    return Model(x, layers.AveragePooling1D(3, strides=2, padding="same")(x))


@case("sepconv_free", (15,))
def _():
    x = Input((None, 4))
    y = layers.SeparableConv1D(6, 3, strides=2, padding="same", activation="relu")(x)
    return Model(x, layers.LSTM(3)(y))


@case("depthwise_strided_free", (15,))
def _():
    x = Input((None, 4))
    return Model(x, layers.DepthwiseConv1D(4, strides=3, padding="same")(x))


@case("lstm_autoencoder")
def _():
    x = Input((LENGTH, 3))
    h = layers.LSTM(5)(x)
    return Model(x, layers.TimeDistributed(layers.Dense(3))(layers.LSTM(5, return_sequences=True)(layers.RepeatVector(LENGTH)(h))))


@case("vae_decoder_seq")
def _():
    x = Input((LENGTH, 3))
    h = layers.Bidirectional(layers.GRU(4))(x)
    mu, lv = layers.Dense(2)(h), layers.Dense(2)(h)
    z = mu + ops.exp(0.5 * lv) * 0.1
    return Model(x, [layers.GRU(3, return_sequences=True)(layers.RepeatVector(LENGTH)(z)), mu, lv])


@case("preproc_tabular")
def _():
    a, b, c = Input((3,)), Input((1,), dtype="int32"), Input((2,), dtype="int32")
    n = layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[1.0, 4.0, 2.0])(a)
    o = layers.CategoryEncoding(100, output_mode="one_hot")(b)
    m = layers.CategoryEncoding(100, output_mode="multi_hot")(c)
    return Model([a, b, c], layers.Dense(4, activation="relu")(layers.Concatenate()([n, o, m])))


@case("preproc_category_count")
def _():
    c = Input((5,), dtype="int32")
    return Model(c, layers.CategoryEncoding(100, output_mode="count")(c))


@case("preproc_discretization")
def _():
    a = Input((3,))
    y = layers.Discretization(bin_boundaries=[-1.0, 0.0, 2.5])(a)
    return Model(a, layers.Flatten()(layers.Embedding(4, 5)(y)))


@case("preproc_discretization_one_hot")
def _():
    a = Input((1,))
    return Model(a, layers.Discretization(bin_boundaries=[-1.0, 0.0, 2.5], output_mode="one_hot")(a))


@case("preproc_image")
def _():
    x = Input((20, 24, 3))
    y = layers.Resizing(16, 16)(x)
    y = layers.Rescaling(1.0 / 127.5, offset=-1)(y)
    y = layers.Normalization(mean=[0.1, 0.2, 0.3], variance=[1.0, 2.0, 1.5])(y)
    y = layers.Conv2D(4, 3, strides=2, activation="relu")(y)
    return Model(x, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(y)))


@case("preproc_resizing_nearest")
def _():
    x = Input((20, 24, 3))
    return Model(x, layers.Resizing(11, 30, interpolation="nearest")(x))


@case("preproc_resizing_crop")
def _():
    x = Input((20, 24, 3))
    return Model(x, layers.Resizing(10, 10, crop_to_aspect_ratio=True)(x))


@case("preproc_resizing_bicubic")
def _():
    x = Input((8, 9, 2))
    return Model(x, layers.Resizing(16, 18, interpolation="bicubic")(x))


@case("preproc_resizing_pad")
def _():
    x = Input((20, 24, 3))
    return Model(x, layers.Resizing(10, 10, pad_to_aspect_ratio=True)(x))


@case("preproc_center_crop")
def _():
    x = Input((20, 25, 3))
    return Model(x, layers.CenterCrop(16, 16)(x))


@case("preproc_center_crop_larger")
def _():
    x = Input((20, 25, 3))
    return Model(x, layers.CenterCrop(30, 30)(x))


@case("vit_cls")
def _():
    x = Input((16, 16, 3))
    p = layers.Conv2D(8, 4, strides=4)(layers.Rescaling(1 / 255.0)(x))
    y = layers.Reshape((16, 8))(p)
    cls = ops.zeros_like(y[:, :1]) + 0.5
    y = ops.concatenate([cls, y], axis=1) + np.random.RandomState(0).normal(size=(1, 17, 8)).astype("float32")
    return Model(x, layers.Dense(4)(encoder(y)[:, 0]))


@case("vit_patches_reshape")
def _():
    x = Input((8, 8, 3))
    y = ops.reshape(x, (-1, 2, 4, 2, 4, 3))
    y = ops.transpose(y, (0, 1, 3, 2, 4, 5))
    y = ops.reshape(y, (-1, 4, 48))
    return Model(x, layers.GlobalAveragePooling1D()(encoder(layers.Dense(8)(y))))


@case("swin_window")
def _():
    x = Input((8, 8, 4))
    y = ops.roll(x, shift=(-2, -2), axis=(1, 2))
    y = ops.reshape(ops.transpose(ops.reshape(y, (-1, 2, 4, 2, 4, 4)), (0, 1, 3, 2, 4, 5)), (-1, 16, 4))
    y = layers.MultiHeadAttention(2, 2)(y, y)
    y = ops.reshape(ops.transpose(ops.reshape(y, (-1, 2, 2, 4, 4, 4)), (0, 1, 3, 2, 4, 5)), (-1, 8, 8, 4))
    return Model(x, ops.roll(y, shift=(2, 2), axis=(1, 2)))


@case("mlp_mixer_swap")
def _():
    x = Input((16, 8))
    y = ops.swapaxes(layers.LayerNormalization()(x), 1, 2)
    y = ops.swapaxes(layers.Dense(16)(layers.Dense(12, activation="gelu")(y)), 1, 2)
    return Model(x, x + y)


@case("stats_pool", (12,))
def _():
    x = Input((None, 4))
    y = layers.Conv1D(6, 3, dilation_rate=2, activation="relu")(x)
    return Model(x, layers.Dense(3)(ops.concatenate([ops.mean(y, axis=1), ops.std(y, axis=1), ops.var(y, axis=1)], axis=-1)))


@case("xvector", (20,))
def _():
    x = Input((None, 4))
    y = x
    for d in (1, 2, 3):
        y = layers.BatchNormalization()(layers.Conv1D(6, 3, dilation_rate=d, activation="relu")(y))
    m = ops.mean(y, axis=1, keepdims=True)
    s = ops.sqrt(ops.mean(ops.square(y - m), axis=1) + 1e-5)
    return Model(x, layers.Dense(5)(layers.Concatenate()([ops.squeeze(m, 1), s])))


@case("highway", (9,))
def _():
    x = tokens()
    y = embedded(x, False)
    t = layers.Dense(8, activation="sigmoid")(y)
    h = layers.Dense(8, activation="relu")(y)
    return Model(x, layers.GRU(4)(t * h + (1.0 - t) * y))


@case("moe_soft", (9,))
def _():
    x = Input((None, 8))
    g = layers.Dense(3, activation="softmax")(x)
    e = ops.stack([layers.Dense(8, activation="relu")(x) for _ in range(3)], axis=-1)
    return Model(x, ops.sum(e * ops.expand_dims(g, -2), axis=-1))


@case("moe_top1")
def _():
    x = Input((LENGTH, 8))
    g = layers.Dense(3)(x)
    w = ops.one_hot(ops.argmax(g, axis=-1), 3) * ops.softmax(g, axis=-1)
    e = ops.stack([layers.Dense(8, activation="relu")(x) for _ in range(3)], axis=-2)
    return Model(x, ops.einsum("bte,bted->btd", w, e))


@case("onehot_lstm", (9,))
def _():
    x = tokens()
    return Model(x, layers.LSTM(5)(ops.one_hot(x, 100)))


@case("log_features", (9,))
def _():
    x = Input((None, 5))
    y = ops.log1p(ops.abs(x)) * ops.sign(x)
    y = ops.clip(y, -2, 2)
    return Model(
        x, layers.GRU(4)(ops.concatenate([y, ops.tanh(x), ops.relu(x), ops.round(x), ops.ceil(x), ops.expm1(ops.minimum(x, 1.0))], axis=-1))
    )


@case("delta_features", (9,))
def _():
    x = Input((None, 5))
    d = x[:, 1:] - x[:, :-1]
    d = ops.pad(d, ((0, 0), (1, 0), (0, 0)))
    return Model(x, layers.LSTM(4, return_sequences=True)(ops.concatenate([x, d], axis=-1)))


@case("zero_pad_mask_free", (9,))
def _():
    x = Input((None, 5))
    y = layers.ZeroPadding1D((2, 1))(x)
    return Model(x, layers.Cropping1D((1, 1))(layers.Conv1D(4, 3)(y)))


@case("take_along_last", (9,))
def _():
    x = tokens()
    y = layers.GRU(6, return_sequences=True)(embedded(x, False))
    n = ops.sum(ops.cast(ops.not_equal(x, 0), "int32"), axis=1, keepdims=True)
    last = ops.take_along_axis(y, ops.expand_dims(ops.maximum(n - 1, 0), -1), axis=1)
    return Model(x, ops.squeeze(last, 1))


@case("length_mask_free", (9,))
def _():
    x, n = Input((None, 5)), Input((1,), dtype="int32")
    p = ops.cumsum(ops.ones_like(x[:, :, 0], dtype="int32"), axis=1) - 1
    m = ops.less(p, n)
    return Model([x, n], layers.LSTM(4, return_sequences=True)(x, mask=m))


@case("prefix_lm_mask")
def _():
    x = tokens(LENGTH)
    y = embedded(x, False)
    c = np.tril(np.ones((1, LENGTH, LENGTH), bool))
    pad = ops.not_equal(x, 0)
    m = ops.logical_and(ops.expand_dims(pad, 1), c)
    return Model(x, encoder(y, mask=m))


@case("transformer_mask_arg", (9, 9))
def _():
    x, m = tokens(), Input((None,), dtype="int32")
    y = embedded(x, False)
    mm = ops.cast(ops.expand_dims(m, 1), "bool")
    return Model([x, m], layers.Dense(3, activation="tanh")(encoder(y, mask=mm)[:, 0]))


@case("bert_three_inputs")
def _():
    w, s, m = tokens(LENGTH), tokens(LENGTH), tokens(LENGTH)
    y = layers.Embedding(100, 8)(w) + layers.Embedding(100, 8)(s) + layers.Embedding(LENGTH, 8)(ops.arange(LENGTH))
    y = layers.LayerNormalization(epsilon=1e-12)(y)
    mask = ops.expand_dims(ops.expand_dims(ops.cast(m > 0, "float32"), 1), 1)
    q, k, v = [ops.transpose(layers.Reshape((LENGTH, 2, 4))(layers.Dense(8)(y)), (0, 2, 1, 3)) for _ in range(3)]
    sc = ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))) / 2.0 + (1.0 - mask) * -10000.0
    o = layers.Reshape((LENGTH, 8))(ops.transpose(ops.matmul(ops.softmax(sc), v), (0, 2, 1, 3)))
    y = layers.LayerNormalization()(y + layers.Dense(8)(o))
    return Model([w, s, m], [y, layers.Dense(8, activation="tanh")(y[:, 0, :])])


@case("convlstm_next_frame")
def _():
    x = Input((4, 8, 8, 1))
    y = layers.ConvLSTM2D(4, 3, padding="same", return_sequences=True, activation="relu")(x)
    y = layers.BatchNormalization()(y)
    y = layers.ConvLSTM2D(4, 1, padding="same", return_sequences=True)(y)
    return Model(x, layers.Conv3D(1, 3, padding="same", activation="sigmoid")(y))


@case("convlstm_free", (5,))
def _():
    x = Input((None, 6, 6, 2))
    return Model(x, layers.ConvLSTM2D(3, 3, strides=2, return_state=True, go_backwards=True)(x))


@case("conv_gru_td", (4,))
def _():
    x = Input((None, 8, 8, 2))
    c = Sequential([Input((8, 8, 2)), layers.Conv2D(4, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten()])
    return Model(x, layers.GRU(5)(layers.TimeDistributed(c)(x)))


@case("axial_attention_free", (5, 4))
def _():
    x = Input((None, None, 8))
    y = x + layers.MultiHeadAttention(2, 4, attention_axes=(1,))(x, x)
    return Model(x, y + layers.MultiHeadAttention(2, 4, attention_axes=(2,))(y, y))


@case("mha_2d_free", (5, 4))
def _():
    x = Input((None, None, 8))
    return Model(x, layers.MultiHeadAttention(2, 4)(x, x))


@case("nonlocal_free", (5, 4))
def _():
    x = Input((None, None, 8))
    q, k, v = [layers.Reshape((-1, 4))(layers.Conv2D(4, 1)(x)) for _ in range(3)]
    return Model(x, ops.matmul(ops.softmax(ops.matmul(q, ops.transpose(k, (0, 2, 1)))), v))


@case("seq2seq_teacher", (9, 5))
def _():
    s, t = Input((None, 6)), Input((None, 6))
    _, h, c = layers.LSTM(8, return_state=True)(s)
    y, _, _ = layers.LSTM(8, return_sequences=True, return_state=True)(t, initial_state=[h, c])
    return Model([s, t], layers.Dense(6, activation="softmax")(y))


@case("luong_mask", (9, 5))
def _():
    s, t = tokens(), tokens()
    e, h = layers.GRU(8, return_sequences=True, return_state=True)(embedded(s))
    d = layers.GRU(8, return_sequences=True)(embedded(t), initial_state=h)
    c = layers.Attention(use_scale=True)([d, e])
    return Model([s, t], layers.Dense(20, activation="softmax")(layers.Dense(8, activation="tanh")(layers.Concatenate()([c, d]))))


@case("bahdanau_mask", (9, 5))
def _():
    s, t = tokens(), tokens()
    e = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(embedded(s))
    d = layers.LSTM(8, return_sequences=True)(embedded(t))
    return Model([s, t], layers.Concatenate()([layers.AdditiveAttention()([d, e]), d]))


@case("flip_bidirectional", (9,))
def _():
    x = Input((None, 5))
    f = layers.GRU(4, return_sequences=True)(x)
    b = ops.flip(layers.GRU(4, return_sequences=True)(ops.flip(x, axis=1)), axis=1)
    return Model(x, layers.Concatenate()([f, b]))


@case("reverse_slice", (9,))
def _():
    x = Input((None, 5))
    return Model(x, layers.LSTM(4)(x[:, ::-1]))


@case("stride_slice_free", (9,))
def _():
    x = Input((None, 5))
    return Model(x, layers.LSTM(4)(x[:, ::2]))


@case("cosine_attention", (9,))
def _():
    x = Input((None, 8))
    q, k = layers.Dense(8)(x), layers.Dense(8)(x)
    n = layers.UnitNormalization()
    return Model(x, ops.matmul(ops.softmax(10.0 * ops.matmul(n(q), ops.transpose(n(k), (0, 2, 1)))), x))


@case("linear_attention", (9,))
def _():
    x = Input((None, 8))
    q, k, v = [layers.Dense(8)(x) for _ in range(3)]
    q, k = ops.elu(q) + 1, ops.elu(k) + 1
    kv = ops.einsum("bnd,bne->bde", k, v)
    z = 1 / (ops.einsum("bnd,bd->bn", q, ops.sum(k, axis=1)) + 1e-6)
    return Model(x, ops.einsum("bnd,bde,bn->bne", q, kv, z))


@case("swiglu_rms", (9,))
def _():
    x = tokens()
    y = embedded(x, False)
    z = layers.RMSNormalization()(y)
    y = y + layers.GroupQueryAttention(4, 4, 2)(z, z, use_causal_mask=True)
    z = layers.RMSNormalization()(y)
    y = y + layers.Dense(8, use_bias=False)(layers.Dense(16, use_bias=False, activation="silu")(z) * layers.Dense(16, use_bias=False)(z))
    return Model(x, layers.Dense(50, use_bias=False)(y))


@case("group_norm_free", (10,))
def _():
    x = Input((None, 8))
    return Model(x, layers.Conv1D(4, 3, padding="same")(layers.GroupNormalization(4)(x)))


@case("spectral_norm")
def _():
    x = Input((LENGTH, 8))
    return Model(x, layers.SpectralNormalization(layers.Dense(6))(x))


@case("td_dense_bn_free", (9,))
def _():
    x = Input((None, 8))
    y = layers.TimeDistributed(layers.BatchNormalization())(layers.TimeDistributed(layers.Dense(6))(x))
    return Model(x, layers.TimeDistributed(layers.Activation("relu"))(y))


@case("td_td_free", (4,))
def _():
    x = Input((None, 3, 5))
    return Model(x, layers.TimeDistributed(layers.TimeDistributed(layers.Dense(4)))(x))


@case("td_lstm_free", (4,))
def _():
    x = Input((None, 6, 5))
    return Model(x, layers.LSTM(3)(layers.TimeDistributed(layers.LSTM(4))(x)))


@case("td_embedding_avg_free", (4,))
def _():
    x = Input((None, 6), dtype="int32")
    y = layers.Embedding(100, 5)(x)
    return Model(x, layers.GRU(3)(layers.TimeDistributed(layers.GlobalAveragePooling1D())(y)))


@case("logsumexp_pool", (9,))
def _():
    x = Input((None, 4))
    return Model(x, ops.logsumexp(layers.Conv1D(3, 2)(x), axis=1))


@case("tile_repeat")
def _():
    x = Input((4, 3))
    return Model(x, [ops.repeat(x, 2, axis=1), ops.tile(x, (1, 2, 1)), layers.Flatten()(ops.roll(x, 1, axis=1))])


@case("unstack_moveaxis")
def _():
    x = Input((3, 4, 5))
    a, b, c = ops.unstack(x, axis=1)
    return Model(x, [a * b + c, ops.moveaxis(x, 1, -1)])


@case("stop_gradient_shape", (9,))
def _():
    x = Input((None, 8))
    return Model(x, ops.stop_gradient(x) * 2.0 + ops.full_like(x, 0.5))


SAME = [
    (3, 2, 8),
    (3, 2, 9),
    (5, 3, 10),
    (5, 3, 11),
    (5, 3, 12),
    (7, 2, 9),
    (4, 2, 9),
    (1, 2, 8),
    (2, 3, 8),
    (9, 4, 14),
    (9, 4, 15),
    (9, 4, 16),
    (3, 3, 3),
    (5, 2, 1),
]
for size, stride, length in SAME:

    @case(f"conv1d_same_{size}_by_{stride}_of_{length}_free", (length,))
    def _(size=size, stride=stride):
        x = Input((None, 3))
        return Model(x, layers.Conv1D(4, size, strides=stride, padding="same")(x))


for options in [
    dict(strides=2),
    dict(padding="same", return_sequences=True, return_state=True),
    dict(use_bias=False, activation="relu", recurrent_activation="hard_sigmoid"),
    dict(go_backwards=True, return_sequences=True),
    dict(data_format="channels_first", padding="same", return_sequences=True),
    dict(dilation_rate=2),
]:

    @case("conv_lstm2d_" + "_".join(f"{key}_{value}" for key, value in options.items()).lower().replace(".", "p"))
    def _(options=options):
        x = Input((4, 3, 8, 8) if "data_format" in options else (4, 8, 8, 3))
        return Model(x, layers.ConvLSTM2D(4, 3, **options)(x))


@case("conv2d_same_free", (9, 12))
def _():
    x = Input((None, None, 3))
    return Model(x, layers.Conv2D(4, (3, 5), strides=(2, 3), padding="same")(x))


@case("maxpool_same_free", (9,))
def _():
    x = Input((None, 3))
    return Model(x, layers.MaxPooling1D(3, strides=2, padding="same")(x))


@case("avgpool2d_same_free", (9, 12))
def _():
    x = Input((None, None, 3))
    return Model(x, layers.AveragePooling2D((3, 4), strides=2, padding="same")(x))


@case("conv2d_cf_same_free", (9, 12))
def _():
    x = Input((3, None, None))
    return Model(x, layers.DepthwiseConv2D(3, strides=2, padding="same", data_format="channels_first")(x))


@case("convlstm3d")
def _():
    x = Input((3, 4, 5, 6, 2))
    return Model(x, layers.ConvLSTM3D(3, 2, padding="same")(x))


@case("convlstm_state")
def _():
    x, h, c = Input((4, 8, 8, 3)), Input((8, 8, 4)), Input((8, 8, 4))
    return Model([x, h, c], layers.ConvLSTM2D(4, 3, padding="same")(x, initial_state=[h, c]))


@case("convlstm_encoder_decoder", (5,))
def _():
    x = Input((None, 6, 6, 2))
    _, h, c = layers.ConvLSTM2D(3, 3, padding="same", return_state=True)(x)
    return Model(x, layers.ConvLSTM2D(3, 3, padding="same", return_sequences=True)(x, initial_state=[h, c]))


@case("gpt_tied", (9,))
def _():
    x = Input((None,), dtype="int32")
    table = layers.ReversibleEmbedding(100, 8)
    p = ops.cumsum(ops.ones_like(x), axis=1) - 1
    y = table(x) + layers.Embedding(32, 8)(p)
    return Model(x, table(layers.LayerNormalization()(encoder(y, causal=True)), reverse=True))


@case("reversible_untied_cap")
def _():
    x = tokens(LENGTH)
    table = layers.ReversibleEmbedding(100, 8, tie_weights=False, logit_soft_cap=5.0, mask_zero=True)
    return Model(x, table(layers.GRU(8, return_sequences=True)(table(x)), reverse=True))


@case("einsum_forms")
def _():
    a, b = Input((4, 5)), Input((5, 3))
    return Model(
        [a, b],
        [
            ops.einsum("bij,bjk->bik", a, b),
            ops.einsum("...ij->...ji", a),
            ops.einsum("bij->bi", a),
            ops.einsum("bij,bjk->bk", a, b),
            ops.einsum("b...j,bj...->b...", a[:, :3], b),
        ],
    )


@case("einsum_free", (9, 5))
def _():
    a, b = Input((None, 4)), Input((None, 4))
    return Model(
        [a, b],
        [
            ops.einsum("bid,bjd->bij", a, b),
            ops.einsum("bid,bjd->bd", a, b),
            ops.einsum("bid,bje->bijde", a, b),
            ops.einsum("bid,jd->bij", a, np.ones((3, 4), "float32")),
        ],
    )


@case("einsum_const_heads", (9,))
def _():
    a = Input((None, 8))
    w = (np.arange(64).reshape(8, 2, 4) / 64).astype("float32")
    return Model(a, ops.einsum("btd,dhe->bhte", a, w))


@case("int_arithmetic")
def _():
    x = tokens(LENGTH)
    return Model(
        x,
        [
            x * 2 + 1,
            ops.sum(x, axis=1),
            ops.max(x, axis=-1, keepdims=True),
            x * 0.5,
            ops.cast(x > 50, "int32"),
            ops.where(x > 50, x, 0),
            ops.maximum(x, 7),
            ops.argmin(x, axis=1),
            ops.cumsum(x, axis=1),
            x + ops.cast(x > 3, "int32"),
        ],
    )


@case("roll_flip_split_free", (9,))
def _():
    x = Input((None, 6))
    a, b, c = ops.split(x, [1, 4], axis=2)
    d, e = ops.split(x, [2], axis=1)
    return Model(
        x,
        [
            ops.roll(x, 2, axis=1),
            ops.roll(x, -3, axis=1),
            ops.flip(x, axis=(1, 2)),
            a,
            b,
            c,
            d,
            e,
            ops.tile(x, (1, 2, 1)),
            ops.repeat(x, 3, axis=1),
            x[:, ::-2],
            x[:, :, 4:1:-1],
            x[:, :, ::-1],
        ],
    )


@case("pad_modes")
def _():
    x = Input((6, 3))
    p = ((0, 0), (2, 1), (0, 1))
    return Model(
        x,
        [
            ops.pad(x, p),
            ops.pad(x, p, constant_values=2.0),
            ops.pad(x, ((0, 0), (2, 1), (0, 0)), mode="reflect"),
            ops.swapaxes(x, 1, 2),
            ops.moveaxis(x, 2, 1),
            *ops.unstack(x, axis=2),
            ops.tril(x),
            ops.triu(x, k=1),
        ],
    )


@case("take", (9,))
def _():
    x, i = Input((None, 6)), Input((2,), dtype="int32")
    return Model(
        [x, i],
        [
            ops.take(x, np.array([2, 0]), axis=-1),
            ops.take(x, 1, axis=2),
            ops.take(np.arange(300).reshape(100, 3).astype("float32"), i, axis=0),
            ops.take_along_axis(x, ops.expand_dims(ops.minimum(i, 5) - 3, -1), axis=1),
        ],
    )


@case("reductions_free", (9,))
def _():
    x = Input((None, 6))
    return Model(
        x,
        [
            ops.std(x, axis=1),
            ops.var(x, axis=(1, 2)),
            ops.logsumexp(x, axis=-1, keepdims=True),
            ops.argmax(x, axis=1),
            ops.argmax(x, axis=-1, keepdims=True),
            ops.one_hot(ops.argmax(x, axis=-1), 6),
        ],
    )


@case("functions")
def _():
    x = Input((6,))
    y = ops.tanh(x) * 0.9
    return Model(
        x,
        [
            ops.arcsin(y),
            ops.arccos(y),
            ops.arctan(x),
            ops.arctanh(y),
            ops.sinh(y),
            ops.cosh(y),
            ops.tan(y),
            ops.exp2(y),
            ops.log2(y + 1),
            ops.log10(y + 1),
            ops.log1p(y),
            ops.expm1(y),
            ops.round(x),
            ops.sign(x),
            ops.ceil(x),
            ops.trunc(x),
            ops.arcsinh(x),
            ops.arccosh(y + 2),
        ],
    )


@case("dpa_gqa_mask", (9, 5, 9, 5))
def _():
    q, k, m = Input((None, 4, 8)), Input((None, 2, 8)), Input((1, None, None), dtype="bool")
    return Model([q, k, m], ops.dot_product_attention(q, k, k, mask=m))


@case("td_two_free", (4, 7))
def _():
    x = Input((None, None, 5))
    return Model(x, layers.LSTM(3)(layers.TimeDistributed(layers.GRU(4))(x)))


@case("td_conv_same_free", (4, 7))
def _():
    x = Input((None, None, 5))
    y = layers.TimeDistributed(layers.Conv1D(4, 3, padding="same"))(x)
    return Model(x, layers.TimeDistributed(layers.GlobalMaxPooling1D())(y))


@case("mha_2d_scores", (5, 4))
def _():
    x = Input((None, None, 8))
    y, s = layers.MultiHeadAttention(2, 4)(x, x, return_attention_scores=True)
    return Model(x, [y, s])


@case("resize_forms")
def _():
    x = Input((9, 14, 2))
    return Model(
        x,
        [layers.Resizing(5, 20, interpolation=i)(x) for i in ("bilinear", "nearest", "bicubic", "lanczos3", "lanczos5")]
        + [
            layers.Resizing(5, 7, antialias=True)(x),
            layers.Resizing(5, 7, antialias=True, interpolation="bicubic")(x),
            layers.Resizing(6, 6, pad_to_aspect_ratio=True, fill_value=1.0)(x),
        ],
    )


@case("category_rank2")
def _():
    x = Input((4,), dtype="int32")
    return Model(x, [layers.CategoryEncoding(100, output_mode=m)(x) for m in ("one_hot", "multi_hot", "count")])


@case("integer_signs")
def _():
    x = Input((4,), dtype="int32")
    y = x - 50
    return Model(x, [ops.abs(y), -y, ops.square(y)])


@case("discretization_modes")
def _():
    x = Input((4,))
    return Model(x, [layers.Discretization([-1.0, 0.0, 1.5], output_mode=m)(x) for m in ("int", "one_hot", "multi_hot", "count")])


@case("switch_batch_reshape")
def _():
    x = Input((4, 6))
    y = ops.reshape(x, (-1, 2, 6))
    return Model(x, ops.reshape(layers.LSTM(3)(y), (-1, 6)))


@case("random_augment_functional")
def _():
    x = Input((8, 8, 3))
    y = layers.RandomFlip()(x)
    y = layers.RandomErasing()(layers.RandomRotation(0.1)(layers.RandomZoom(0.1)(y)))
    y = layers.RandomHue(0.1)(layers.RandomSharpness(0.1)(layers.RandomGrayscale(0.2)(y)))
    return Model(x, layers.Conv2D(3, 3)(layers.RandomContrast(0.1)(y)))


@case("time_distributed_cnn_free", (5,))
def _():
    x = Input((None, 8, 8, 2))
    return Model(x, layers.LSTM(4)(layers.TimeDistributed(layers.Flatten())(layers.TimeDistributed(layers.Conv2D(3, 3))(x))))


@case("time_distributed_layer_norm_free", (5,))
def _():
    x = Input((None, 8))
    return Model(x, layers.TimeDistributed(layers.LayerNormalization())(x))


@case("time_distributed_nested_free", (5,))
def _():
    inner = Sequential([Input((8,)), layers.Dense(6, activation="relu"), layers.Dense(3)])
    x = Input((None, 8))
    return Model(x, layers.TimeDistributed(inner)(x))


@case("positions_cumsum", (9,))
def _():
    x = tokens(None)
    p = ops.cumsum(ops.ones_like(x), axis=1) - 1
    return Model(x, layers.Embedding(100, 8)(x) + layers.Embedding(64, 8)(p))


@case("positions_sinusoidal_free", (9,))
def _():
    x = Input((None, 8))
    ones = ops.ones_like(x[:, :, :1])
    p = (ops.cumsum(ones, axis=1) - 1.0) / ops.power(10000.0, ops.arange(0, 8, 2, dtype="float32") / 8.0)
    e = ops.concatenate([ops.sin(p), ops.cos(p)], axis=-1)
    return Model(x, x + e)


@case("rope")
def _():
    x = Input((LENGTH, 8))
    ang = ops.outer(ops.arange(LENGTH, dtype="float32"), ops.power(10000.0, -ops.arange(0, 4, dtype="float32") / 4.0))
    a, b = ops.split(x, 2, axis=-1)
    return Model(x, ops.concatenate([a * ops.cos(ang) - b * ops.sin(ang), a * ops.sin(ang) + b * ops.cos(ang)], axis=-1))


@case("ops_attention_einsum")
def _():
    x = Input((LENGTH, 8))
    q, k, v = [layers.EinsumDense("btd,dnh->btnh", (None, 2, 4), bias_axes="nh")(x) for _ in range(3)]
    s = ops.softmax(ops.einsum("btnh,bsnh->bnts", q, k), axis=-1)
    return Model(x, layers.EinsumDense("btnh,nhd->btd", (None, 8))(ops.einsum("bnts,bsnh->btnh", s, v)))


@case("ops_dot_product_attention")
def _():
    x = Input((LENGTH, 2, 4))
    return Model(x, ops.dot_product_attention(x, x, x))


@case("conv1d_free_then_lstm", (20,))
def _():
    x = Input((None, 3))
    y = layers.MaxPooling1D(2)(layers.Conv1D(8, 3, strides=2, padding="same", activation="relu")(x))
    return Model(x, layers.Bidirectional(layers.LSTM(5))(y))


@case("reversible_embedding")
def _():
    x = tokens(LENGTH)
    table = layers.ReversibleEmbedding(100, 8)
    y = layers.LSTM(8, return_sequences=True)(table(x))
    return Model(x, table(y, reverse=True))


@case("conv_lstm1d")
def _():
    x = Input((4, 8, 3))
    return Model(x, layers.ConvLSTM1D(4, 3, padding="same", return_sequences=True)(x))
