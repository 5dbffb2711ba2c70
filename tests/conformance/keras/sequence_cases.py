"""The sequence matrix: recurrent layers, attention, embeddings and masks, over their attributes.

CASES is as in cases.py, whose conventions hold; make_layers.py turns it into sequences.tar.xz. In a case whose name holds
"mask" many tokens are 0 and many steps are zero, in others hardly any.
"""
from cases import product, text
from keras import Input, Model, Sequential, layers, ops

CASES = {}
LENGTH, FEATURES, UNITS = 7, 5, 6


def case(name, build):
    assert name not in CASES, name
    CASES[name] = build


def one(name, shape, *makers, sizes=(), **input_options):
    """A Sequential of the layers that `makers` build; `sizes` are those of free dimensions."""
    case(name, lambda: (Sequential([Input(shape, **input_options), *[make() for make in makers]]), sizes))


def functional(name, sizes=()):
    """Decorates a function that builds a Model."""
    def register(build):
        case(name, lambda: (build(), sizes))
        return build
    return register


def matrix(prefix, make, shape, *rows):
    """One case per row: `make(**row)`, named by the row's values."""
    for row in rows:
        name = "_".join([prefix, *[f"{key}_{text(value)}" for key, value in row.items()]])
        one(name, shape, lambda row=row: make(**row))


def tokens(length=LENGTH):
    return Input((length,), dtype="int32")


def embedded(x, mask=True):
    return layers.Embedding(100, FEATURES, mask_zero=mask)(x)


# ---- Recurrent layers -------------------------------------------------------------------------------------------------

KINDS = {"lstm": layers.LSTM, "gru": layers.GRU, "simple_rnn": layers.SimpleRNN}


def recurrent(kind, layer):
    steps = (LENGTH, FEATURES)
    matrix(kind, lambda **row: layer(UNITS, **row), steps,
           *product(return_sequences=(False, True), go_backwards=(False, True)),
           dict(use_bias=False), dict(unroll=True), dict(unroll=True, return_sequences=True, go_backwards=True),
           dict(dropout=0.3, recurrent_dropout=0.2), dict(activation="relu"), dict(activation="linear"),
           dict(activation="softmax"), dict(activation="gelu", return_sequences=True))
    if kind != "simple_rnn":
        matrix(kind, lambda **row: layer(UNITS, **row), steps,
               dict(recurrent_activation="hard_sigmoid"), dict(recurrent_activation="relu6"),
               dict(recurrent_activation="softmax", return_sequences=True),
               dict(activation="elu", recurrent_activation="tanh"))
    for length, features, units in [(1, 1, 1), (2, 3, 8), (3, 16, 16), (5, 9, 33), (12, 40, 17)]:
        one(f"{kind}_size_{length}x{features}_to_{units}", (length, features),
            lambda u=units: layer(u, return_sequences=True))
    one(f"{kind}_free_length", (None, FEATURES), lambda: layer(UNITS), sizes=(9,))
    one(f"{kind}_free_length_sequences", (None, FEATURES), lambda: layer(UNITS, return_sequences=True),
        lambda: layers.Dense(3), sizes=(4,))
    one(f"{kind}_stack", steps, lambda: layer(8, return_sequences=True), lambda: layer(5, return_sequences=True),
        lambda: layer(4), lambda: layers.Dense(3))
    one(f"{kind}_masking", steps, lambda: layers.Masking(0.0), lambda: layer(UNITS, return_sequences=True))

    for sequences in (False, True):
        @functional(f"{kind}_return_state_sequences_{text(sequences)}")
        def _(sequences=sequences):
            x = Input(steps)
            return Model(x, layer(UNITS, return_state=True, return_sequences=sequences)(x))

    @functional(f"{kind}_initial_state")
    def _():
        x, states = Input(steps), [Input((UNITS,)) for _ in range(2 if kind == "lstm" else 1)]
        return Model([x, *states], layer(UNITS, return_sequences=True, return_state=True)(x, initial_state=states))

    @functional(f"{kind}_encoder_decoder")
    def _():
        source, target = Input(steps), Input((4, FEATURES))
        _, *states = layer(UNITS, return_state=True)(source)
        return Model([source, target], layers.Dense(3)(layer(UNITS, return_sequences=True)(target, initial_state=states)))

    for row in product(return_sequences=(False, True), go_backwards=(False, True), zero_output_for_mask=(False, True)):
        @functional("_".join([f"{kind}_masked", *[f"{k.split('_')[0]}_{text(v)}" for k, v in row.items()]]))
        def _(row=row):
            x = tokens()
            return Model(x, layer(UNITS, **row)(embedded(x)))

    one(f"{kind}_masked_stack", (LENGTH,), lambda: layers.Embedding(100, FEATURES, mask_zero=True),
        lambda: layer(UNITS, return_sequences=True), lambda: layers.Dropout(0.1), lambda: layer(4), dtype="int32")

    for mode in ("concat", "sum", "ave", "mul"):
        matrix(f"bidirectional_{kind}_{mode}",
               lambda mode=mode, **row: layers.Bidirectional(layer(UNITS, **row), merge_mode=mode), steps,
               *product(return_sequences=(False, True)))
    for sequences in (False, True):
        @functional(f"bidirectional_{kind}_none_sequences_{text(sequences)}")
        def _(sequences=sequences):
            x = Input(steps)
            return Model(x, layers.Bidirectional(layer(UNITS, return_sequences=sequences), merge_mode=None)(x))

        @functional(f"bidirectional_{kind}_masked_sequences_{text(sequences)}")
        def _(sequences=sequences):
            x = tokens()
            return Model(x, layers.Bidirectional(layer(UNITS, return_sequences=sequences))(embedded(x)))

    @functional(f"bidirectional_{kind}_return_state")
    def _():
        x = Input(steps)
        return Model(x, layers.Bidirectional(layer(UNITS, return_state=True, return_sequences=True))(x))

    @functional(f"bidirectional_{kind}_initial_state")
    def _():
        x, states = Input(steps), [Input((UNITS,)) for _ in range(4 if kind == "lstm" else 2)]
        return Model([x, *states], layers.Bidirectional(layer(UNITS))(x, initial_state=states))

    one(f"bidirectional_{kind}_own_backward_layer", steps, lambda: layers.Bidirectional(
        layer(UNITS, return_sequences=True),
        backward_layer=layer(UNITS, return_sequences=True, activation="relu", go_backwards=True)))
    one(f"bidirectional_{kind}_free_length", (None, FEATURES), lambda: layers.Bidirectional(
        layer(UNITS, return_sequences=True)), lambda: layers.Bidirectional(layer(4)), sizes=(8,))

    @functional(f"{kind}_shared")
    def _():
        x, y, shared = Input(steps), Input(steps), layer(UNITS)
        return Model([x, y], layers.Subtract()([shared(x), shared(y)]))


for name, kind in KINDS.items():
    recurrent(name, kind)

matrix("gru_reset_before", lambda **row: layers.GRU(UNITS, reset_after=False, **row), (LENGTH, FEATURES),
       *product(return_sequences=(False, True), go_backwards=(False, True)), dict(use_bias=False),
       dict(activation="softmax"), dict(recurrent_activation="hard_sigmoid"))

# ---- Cells ------------------------------------------------------------------------------------------------------------

CELLS = {
    "lstm": lambda: layers.LSTMCell(UNITS), "gru": lambda: layers.GRUCell(UNITS),
    "gru_reset_before": lambda: layers.GRUCell(UNITS, reset_after=False),
    "simple": lambda: layers.SimpleRNNCell(UNITS, activation="relu"),
    "two_lstm": lambda: [layers.LSTMCell(4), layers.LSTMCell(UNITS)],
    "mixed": lambda: [layers.GRUCell(4), layers.SimpleRNNCell(3), layers.LSTMCell(UNITS)],
    "stacked": lambda: layers.StackedRNNCells([layers.GRUCell(4), layers.GRUCell(4)]),
}
for name, make in CELLS.items():
    matrix(f"rnn_{name}", lambda make=make, **row: layers.RNN(make(), **row), (LENGTH, FEATURES),
           *product(return_sequences=(False, True), go_backwards=(False, True)))

    @functional(f"rnn_{name}_masked")
    def _(make=make):
        x = tokens()
        return Model(x, layers.RNN(make(), return_sequences=True)(embedded(x)))

for name in ("lstm", "gru", "two_lstm"):
    @functional(f"rnn_{name}_return_state")
    def _(make=CELLS[name]):
        x = Input((LENGTH, FEATURES))
        return Model(x, layers.RNN(make(), return_state=True)(x))

# ---- Steps and masks --------------------------------------------------------------------------------------------------

for name, shape, make in [
        ("dense", (4, 5), lambda: layers.Dense(3, activation="relu")), ("conv2d", (3, 8, 8, 2), lambda: layers.Conv2D(4, 3)),
        ("flatten", (3, 4, 5), lambda: layers.Flatten()), ("batch_normalization", (3, 5), lambda: layers.BatchNormalization()),
        ("max_pooling2d", (3, 6, 6, 2), lambda: layers.MaxPooling2D()), ("lstm", (3, 4, 5), lambda: layers.LSTM(6)),
        ("global_average_pooling2d", (3, 4, 4, 5), lambda: layers.GlobalAveragePooling2D()),
        ("reshape", (3, 8), lambda: layers.Reshape((2, 4)))]:
    one(f"time_distributed_{name}", shape, lambda make=make: layers.TimeDistributed(make()))
one("time_distributed_dense_free_length", (None, 5), lambda: layers.TimeDistributed(layers.Dense(3)), sizes=(6,))


@functional("time_distributed_sequential")
def _():
    x, inner = Input((4, 8)), Sequential([Input((8,)), layers.Dense(6, activation="relu"), layers.Dense(3)])
    return Model(x, layers.TimeDistributed(inner)(x))


@functional("time_distributed_functional_cnn")
def _():
    image = Input((8, 8, 2))
    y = layers.Conv2D(4, 3, activation="relu")(image)
    inner = Model(image, layers.GlobalAveragePooling2D()(layers.MaxPooling2D()(y)))
    x = Input((3, 8, 8, 2))
    return Model(x, layers.LSTM(4)(layers.TimeDistributed(inner)(x)))


@functional("time_distributed_masked")
def _():
    x = tokens()
    return Model(x, layers.LSTM(4)(layers.TimeDistributed(layers.Dense(3))(embedded(x))))


for dtype in ("int32", "float32", "int64", "uint8"):
    @functional(f"embedding_{dtype}")
    def _(dtype=dtype):
        x = Input((4,), dtype=dtype)
        y = layers.Rescaling(1.0)(x) if dtype == "float32" else x
        return Model(x, layers.Embedding(101, 7)(ops.absolute(y) if dtype == "float32" else y))
one("embedding_rank3", (3, 4), lambda: layers.Embedding(100, 5), dtype="int32")
one("embedding_free_length", (None,), lambda: layers.Embedding(100, 5), lambda: layers.Dense(3), sizes=(6,), dtype="int32")
one("masking_value", (LENGTH, 3), lambda: layers.Masking(1.0), lambda: layers.LSTM(4))

AFTER_MASK = {
    "global_average_pooling1d": lambda: layers.GlobalAveragePooling1D(),
    "global_average_pooling1d_keepdims": lambda: layers.GlobalAveragePooling1D(keepdims=True),
    "dense_lstm": lambda: [layers.Dense(4, activation="relu"), layers.LSTM(3)],
    "normalized_gru": lambda: [layers.LayerNormalization(), layers.Activation("tanh"), layers.GRU(3)],
    "batch_normalized_rnn": lambda: [layers.BatchNormalization(), layers.SimpleRNN(3)],
    "conv_stops_mask": lambda: [layers.Conv1D(4, 3, padding="same"), layers.LSTM(3)],
    "leaky_relu_lstm": lambda: [layers.LeakyReLU(0.1), layers.LSTM(3)],
    "bidirectional_stack": lambda: [layers.Bidirectional(layers.GRU(3, return_sequences=True)), layers.LSTM(3)],
}
for name, make in AFTER_MASK.items():
    def makers(make=make):
        made = make()
        return made if isinstance(made, list) else [made]
    case(f"masked_{name}", lambda makers=makers: Sequential(
        [Input((LENGTH,), dtype="int32"), layers.Embedding(100, FEATURES, mask_zero=True), *makers()]))
    case(f"masking_{name}", lambda makers=makers: Sequential([Input((LENGTH, FEATURES)), layers.Masking(), *makers()]))

MERGES = {
    "add": lambda x, y: layers.Add()([x, y]), "multiply": lambda x, y: layers.Multiply()([x, y]),
    "maximum": lambda x, y: layers.Maximum()([x, y]),
    "concatenate": lambda x, y: layers.Concatenate()([x, y]),
    "concatenate_steps": lambda x, y: layers.Concatenate(axis=1)([x, y]),
}
for name, merge in MERGES.items():
    for masks in ("both", "one"):
        @functional(f"masked_{masks}_{name}")
        def _(merge=merge, masks=masks):
            x, y = tokens(), tokens()
            return Model([x, y], layers.LSTM(4)(merge(embedded(x), embedded(y, masks == "both"))))

# ---- Attention --------------------------------------------------------------------------------------------------------


def self_attention(name, call=None, shape=(LENGTH, 8), sizes=(), **options):
    @functional(name, sizes)
    def _():
        x = Input(shape)
        return Model(x, layers.MultiHeadAttention(**{"num_heads": 2, "key_dim": 3, **options})(x, x, **(call or {})))


self_attention("mha")
for heads, key_dim in [(1, 1), (3, 5), (4, 8), (2, 16)]:
    self_attention(f"mha_heads_{heads}_dim_{key_dim}", num_heads=heads, key_dim=key_dim)
self_attention("mha_value_dim", value_dim=5)
self_attention("mha_output_shape", output_shape=6)
self_attention("mha_no_bias", use_bias=False)
self_attention("mha_dropout", dropout=0.2)
self_attention("mha_gate", use_gate=True)
self_attention("mha_gate_value_dim", use_gate=True, value_dim=4)
self_attention("mha_causal", dict(use_causal_mask=True))
self_attention("mha_causal_dropout", dict(use_causal_mask=True), dropout=0.1)
self_attention("mha_sliding_window", sliding_window=3)
self_attention("mha_sliding_window_causal", dict(use_causal_mask=True), sliding_window=2)
self_attention("mha_scores", dict(return_attention_scores=True))
self_attention("mha_causal_scores", dict(return_attention_scores=True, use_causal_mask=True))
self_attention("mha_free_length", shape=(None, 8), sizes=(6,))
self_attention("mha_rank4", shape=(3, 4, 6))
self_attention("mha_axes_1", shape=(3, 4, 6), attention_axes=(1,))
self_attention("mha_axes_2", shape=(3, 4, 6), attention_axes=(2,))
self_attention("mha_axes_1x2", shape=(3, 4, 6), attention_axes=(1, 2))

# Positions of a length that is free.
free = dict(shape=(None, 8), sizes=(9,))
self_attention("mha_causal_free", dict(use_causal_mask=True), **free)
self_attention("mha_causal_free_long", dict(use_causal_mask=True), shape=(None, 8), sizes=(41,), key_dim=16)
self_attention("mha_window_free", sliding_window=3, **free)
self_attention("mha_window_causal_free", dict(use_causal_mask=True), sliding_window=2, **free)

# More than a panel of keys, tiles that end within one, and features that end within a vector.
self_attention("mha_long", shape=(37, 8), key_dim=20)
# Few heads, whose rows are divided among the tasks.
self_attention("mha_many_rows_one_head", dict(use_causal_mask=True), shape=(203, 4), num_heads=1, key_dim=96)
self_attention("mha_many_rows_three_heads", shape=(203, 4), num_heads=3, key_dim=64)
self_attention("mha_long_causal", dict(use_causal_mask=True), shape=(50, 6), key_dim=4)
self_attention("mha_long_free_length", shape=(None, 8), sizes=(41,), num_heads=3, key_dim=16)
self_attention("mha_long_one_head", shape=(64, 8), num_heads=1, key_dim=33)


def cross_attention(name, layer, *call_names, dims=(8, 8), lengths=(5, LENGTH), mask=None, **call):
    @functional(name)
    def _():
        q, v = Input((lengths[0], dims[0])), Input((lengths[1], dims[1]))
        inputs, arguments = [q, v], {}
        if "key" in call_names:
            inputs.append(Input((lengths[1], dims[1])))
            arguments["key"] = inputs[-1]
        if mask:
            inputs.append(Input(mask, dtype="bool"))
            arguments["attention_mask"] = inputs[-1]
        return Model(inputs, layer()(q, v, **arguments, **call))


cross_attention("mha_cross", lambda: layers.MultiHeadAttention(2, 3))
cross_attention("mha_cross_key", lambda: layers.MultiHeadAttention(2, 3, value_dim=4), "key", dims=(6, 9))
cross_attention("mha_cross_causal", lambda: layers.MultiHeadAttention(2, 3), use_causal_mask=True)
cross_attention("mha_long_cross", lambda: layers.MultiHeadAttention(2, 24), lengths=(4, 40))
cross_attention("mha_long_attention_mask", lambda: layers.MultiHeadAttention(2, 3), lengths=(19, 33), mask=(19, 33))
cross_attention("mha_attention_mask", lambda: layers.MultiHeadAttention(2, 3), mask=(5, LENGTH))
cross_attention("mha_attention_mask_heads", lambda: layers.MultiHeadAttention(2, 3), mask=(2, 5, LENGTH))
cross_attention("mha_attention_mask_dropout", lambda: layers.MultiHeadAttention(2, 3, dropout=0.1), mask=(5, LENGTH))
cross_attention("gqa_long", lambda: layers.GroupQueryAttention(16, 4, 2), lengths=(21, 35))
cross_attention("gqa_cross", lambda: layers.GroupQueryAttention(4, 4, 2))
cross_attention("gqa_cross_key", lambda: layers.GroupQueryAttention(4, 4, 2), "key")
cross_attention("gqa_attention_mask", lambda: layers.GroupQueryAttention(4, 4, 2), mask=(5, LENGTH))
for heads, shared in [(2, 1), (4, 2), (3, 3)]:
    cross_attention(f"gqa_{heads}_{shared}", lambda h=heads, s=shared: layers.GroupQueryAttention(5, h, s))
cross_attention("gqa_no_bias", lambda: layers.GroupQueryAttention(4, 4, 2, use_bias=False))
cross_attention("gqa_gate", lambda: layers.GroupQueryAttention(4, 4, 2, use_gate=True))
cross_attention("gqa_causal", lambda: layers.GroupQueryAttention(4, 4, 2), use_causal_mask=True)
cross_attention("gqa_sliding_window", lambda: layers.GroupQueryAttention(4, 4, 2, sliding_window=2))
cross_attention("gqa_scores", lambda: layers.GroupQueryAttention(4, 4, 2), return_attention_scores=True)

for name, masks in [("query", (True, False)), ("value", (False, True)), ("both", (True, True))]:
    for kind, make in [("mha", lambda: layers.MultiHeadAttention(2, 3)),
                       ("mha_dropout", lambda: layers.MultiHeadAttention(2, 3, dropout=0.1)),
                       ("gqa", lambda: layers.GroupQueryAttention(4, 4, 2))]:
        @functional(f"{kind}_masked_{name}")
        def _(make=make, masks=masks):
            x, y = tokens(5), tokens()
            return Model([x, y], make()(embedded(x, masks[0]), embedded(y, masks[1])))


@functional("mha_masked_self_then_pooled")
def _():
    x = tokens()
    y = embedded(x)
    return Model(x, layers.GlobalAveragePooling1D()(layers.MultiHeadAttention(2, 3)(y, y)))


@functional("mha_causal_free_masked", sizes=(9,))
def _():
    x = tokens(None)
    y = layers.Embedding(100, 8, mask_zero=True)(x)
    return Model(x, layers.MultiHeadAttention(2, 3)(y, y, use_causal_mask=True))


@functional("gqa_causal_free", sizes=(9,))
def _():
    x = Input((None, 8))
    return Model(x, layers.GroupQueryAttention(4, 4, 2)(x, x, use_causal_mask=True))


@functional("mha_cross_causal_free", sizes=(5, 7))
def _():
    q, v = Input((None, 8)), Input((None, 8))
    return Model([q, v], layers.MultiHeadAttention(2, 3)(q, v, use_causal_mask=True))


@functional("mha_attention_mask_free_mask", sizes=(5, 7, 5, 7))
def _():
    q, v, mask = Input((None, 8)), Input((None, 8)), Input((None, None), dtype="bool")
    return Model([q, v, mask], layers.MultiHeadAttention(2, 3)(q, v, attention_mask=mask))


for name, layer in [("attention", layers.Attention), ("additive_attention", layers.AdditiveAttention)]:
    @functional(f"{name}_causal_free", sizes=(5, 7))
    def _(layer=layer):
        q, v = Input((None, 8)), Input((None, 8))
        return Model([q, v], layer()([q, v], use_causal_mask=True))


@functional("attention_mask_list")
def _():
    q, v, masks = Input((5, 8)), Input((LENGTH, 8)), [Input((n,), dtype="bool") for n in (5, LENGTH)]
    return Model([q, v, *masks], layers.Attention()([q, v], mask=masks))


ATTENTION = {
    "attention": lambda: layers.Attention(), "attention_scale": lambda: layers.Attention(use_scale=True),
    "attention_concat": lambda: layers.Attention(score_mode="concat"),
    "attention_concat_scale": lambda: layers.Attention(score_mode="concat", use_scale=True),
    "additive_attention": lambda: layers.AdditiveAttention(),
    "additive_attention_no_scale": lambda: layers.AdditiveAttention(use_scale=False),
}
for name, make in ATTENTION.items():
    @functional(name)
    def _(make=make):
        q, v = Input((5, 8)), Input((LENGTH, 8))
        return Model([q, v], make()([q, v]))

    @functional(f"{name}_key_scores")
    def _(make=make):
        q, v, k = Input((5, 8)), Input((LENGTH, 4)), Input((LENGTH, 8))
        return Model([q, v, k], make()([q, v, k], return_attention_scores=True))

    @functional(f"{name}_causal")
    def _(make=make):
        q, v = Input((5, 8)), Input((LENGTH, 8))
        return Model([q, v], make()([q, v], use_causal_mask=True))

    @functional(f"{name}_masked")
    def _(make=make):
        x, y = tokens(5), tokens()
        return Model([x, y], make()([embedded(x), embedded(y)]))

# ---- EinsumDense ------------------------------------------------------------------------------------------------------

for name, shape, equation, output, bias in [
        ("dense", (9,), "ab,bc->ac", 5, "c"), ("steps", (4, 9), "abc,cd->abd", (None, 5), "d"),
        ("ellipsis", (4, 9), "...x,xy->...y", 5, "y"), ("ellipsis_rank4", (2, 4, 9), "...x,xy->...y", 5, "y"),
        ("heads", (4, 9), "abc,cde->abde", (None, 2, 3), "de"), ("merge_heads", (4, 2, 3), "abcd,cde->abe", (None, 5), "e"),
        ("per_step", (4, 9), "abc,bcd->abd", (4, 5), "d"), ("per_step_bias", (4, 9), "abc,bcd->abd", (4, 5), "bd"),
        ("across_steps", (4, 9), "abc,bd->adc", (5, 9), "d"), ("transposed", (4, 9), "abc,cd->adb", (5, 4), None),
        ("right_ellipsis", (4, 3, 2), "ab...,bc->ac...", 5, "c"), ("scale", (4, 9), "abc,c->abc", (4, 9), None),
        ("sum", (4, 9), "abc,b->a", (), None)]:
    one(f"einsum_dense_{name}", shape,
        lambda e=equation, o=output, b=bias: layers.EinsumDense(e, o, bias_axes=b, activation="relu" if b else None))
one("einsum_dense_free_length", (None, 9), lambda: layers.EinsumDense("abc,cde->abde", (None, 2, 3), bias_axes="de"),
    sizes=(6,))

# ---- Masks of models and of layers with states ------------------------------------------------------------------------


@functional("masked_encoder_decoder")
def _():
    source, target = tokens(), tokens(5)
    _, *states = layers.Bidirectional(layers.LSTM(4, return_state=True))(embedded(source))
    states = [layers.Concatenate()(states[i::2]) for i in range(2)]
    # With states as a second argument, Keras leaves the mask of the target aside; the layer after it sees it.
    y = layers.LSTM(8, return_sequences=True)(embedded(target), initial_state=states)
    return Model([source, target], layers.GRU(3)(y))


@functional("nested_masked_twice")
def _():
    inner_input = Input((LENGTH, FEATURES))
    inner = Model(inner_input, layers.LSTM(UNITS, return_sequences=True)(inner_input))
    x, y = tokens(), tokens()
    return Model([x, y], layers.GRU(3)(layers.Concatenate(axis=1)([inner(embedded(x)), inner(embedded(y))])))


@functional("nested_masked_two_inputs")
def _():
    a, b = Input((LENGTH, FEATURES)), Input((LENGTH, FEATURES))
    inner = Model([a, b], [layers.LSTM(4)(a), layers.GRU(4)(b)])
    x, y = tokens(), tokens()
    return Model([x, y], layers.Concatenate()(inner([embedded(x), embedded(y, mask=False)])))


@functional("nested_masked_two_outputs")
def _():
    inner_input = Input((LENGTH, FEATURES))
    inner = Model(inner_input, layers.GRU(UNITS, return_sequences=True, return_state=True)(inner_input))
    x = tokens()
    y, state = inner(embedded(x))
    return Model(x, [layers.LSTM(4)(y), state])


# ---- Parts of a free length -------------------------------------------------------------------------------------------

for name, key in {"from": slice(1, None), "to": slice(None, -1), "first": 0, "last": -1, "end": slice(-3, None),
                  "begin": slice(None, 2), "stepped": slice(1, None, 3), "inside": slice(2, -2), "part": slice(1, 4)}.items():
    functional(f"get_item_free_{name}", sizes=(9,))(
        lambda key=key: (lambda x: Model(x, layers.Dense(3)(x[:, key])))(Input((None, FEATURES))))

# ---- Models -----------------------------------------------------------------------------------------------------------


def block(x, causal=False, gelu="gelu"):
    y = layers.LayerNormalization()(x)
    x = x + layers.MultiHeadAttention(2, 4)(y, y, use_causal_mask=causal)
    y = layers.Dense(16, activation=gelu)(layers.LayerNormalization()(x))
    return x + layers.Dense(8)(y)


@functional("model_language")
def _():
    x = tokens()
    positions = layers.Embedding(LENGTH, 8)(ops.arange(LENGTH))
    y = layers.Embedding(100, 8)(x) + positions
    return Model(x, layers.Dense(100)(layers.LayerNormalization()(block(block(y, True), True))))


@functional("model_classifier_masked")
def _():
    x = tokens()
    y = layers.Embedding(100, 8, mask_zero=True)(x)
    y = layers.Add()([y, layers.MultiHeadAttention(2, 4)(y, y)])
    return Model(x, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling1D()(y)))


@functional("model_image_patches")
def _():
    x = Input((8, 8, 3))
    y = layers.Reshape((16, 8))(layers.Conv2D(8, 2, strides=2)(x))
    return Model(x, layers.Dense(5)(layers.GlobalAveragePooling1D()(block(y))))


@functional("model_rms_normalized")
def _():
    x = Input((LENGTH, 8))
    y = layers.RMSNormalization()(x)
    y = x + layers.GroupQueryAttention(4, 4, 2)(y, y, use_causal_mask=True)
    z = layers.RMSNormalization()(y)
    return Model(x, y + layers.Dense(8)(layers.Dense(16, activation="silu")(z) * layers.Dense(16)(z)))


@functional("model_convolutional_lstm", sizes=())
def _():
    x = Input((20, 3))
    y = layers.MaxPooling1D(2)(layers.Conv1D(8, 3, padding="same", activation="relu")(x))
    return Model(x, layers.Dense(2)(layers.Bidirectional(layers.LSTM(5))(y)))
