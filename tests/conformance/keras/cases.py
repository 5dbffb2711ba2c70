"""The layer matrix: small models that between them take every attribute value of every supported layer.

CASES maps a name to a function that builds the model (or the model and the sizes to use for its free dimensions, in the
order of the inputs). make_layers.py turns them into layers.tar.xz. Sizes are small and odd on purpose: a tail in every
vectorized loop, asymmetric `same` padding, channel counts that are no multiple of anything.
"""
import itertools

from keras import Input, Model, Sequential, layers, ops
from keras.src.applications.convnext import LayerScale
from keras.src.applications.inception_resnet_v2 import CustomScaleLayer

BATCH = 3
CASES = {}


def case(name, build):
    assert name not in CASES, name
    CASES[name] = build


def one(name, shape, *makers, **input_options):
    """A Sequential of the layers that `makers` build, on an input of `shape` (without the batch)."""
    case(name, lambda: Sequential([Input(shape, **input_options), *[make() for make in makers]]))


def text(value):
    """A value as part of a case name: (1, 2) -> 1x2, channels_first -> channels_first."""
    if isinstance(value, (tuple, list)):
        return "x".join(text(v) for v in value)
    return str(value).replace("-", "m").replace(".", "p").lower()


def matrix(prefix, layer, shape, common, *rows):
    """One case per row: `layer(**common, **row)`, named by the row's values."""
    for row in rows:
        name = "_".join([prefix, *[f"{key}_{text(value)}" for key, value in row.items()]])
        one(name, shape, lambda row=row: layer(**{**common, **row}))


def product(**axes):
    return [dict(zip(axes, values)) for values in itertools.product(*axes.values())]


# ---- Dense ------------------------------------------------------------------------------------------------------------

for inputs, units in [(1, 1), (2, 3), (7, 8), (64, 10), (100, 17), (33, 129), (300, 1)]:
    one(f"dense_{inputs}_to_{units}", (inputs,), lambda units=units: layers.Dense(units))
for units in (1, 2, 3, 10): # dot products where the sums are long
    one(f"dense_1024_to_{units}", (1024,), lambda units=units: layers.Dense(units, activation="tanh"))
one("dense_rank3_640_to_3", (5, 640), lambda: layers.Dense(3))
one("dense_no_bias", (9,), lambda: layers.Dense(5, use_bias=False))
one("dense_rank3", (5, 9), lambda: layers.Dense(7, activation="relu"))
one("dense_rank4", (2, 3, 9), lambda: layers.Dense(7, activation="tanh"))
one("dense_softmax", (9,), lambda: layers.Dense(11, activation="softmax"))
one("dense_rank3_softmax", (4, 9), lambda: layers.Dense(5, activation="softmax"))
one("dense_stack", (20,), lambda: layers.Dense(33, activation="relu"), lambda: layers.Dense(16, activation="gelu"),
    lambda: layers.Dense(3))
one("dense_activation_layer", (9,), lambda: layers.Dense(5, activation=layers.ReLU(max_value=1.0, negative_slope=0.2)))
one("dense_activation_leaky_relu_layer", (9,), lambda: layers.Dense(5, activation=layers.LeakyReLU(0.1)))

# ---- Convolutions -----------------------------------------------------------------------------------------------------

for kernel, strides, padding in itertools.product((1, 2, 3, 5), (1, 2, 3), ("valid", "same")):
    one(f"conv1d_k{kernel}_s{strides}_{padding}", (13, 5),
        lambda k=kernel, s=strides, p=padding: layers.Conv1D(6, k, s, padding=p))
matrix("conv1d", layers.Conv1D, (14, 6), dict(filters=8, kernel_size=3),
       *product(padding=("valid", "same", "causal"), dilation_rate=(2, 3)),
       dict(padding="causal"), dict(padding="causal", strides=2), dict(groups=2), dict(groups=2, padding="same", strides=2),
       dict(use_bias=False), dict(activation="relu"), dict(activation="softmax"))
matrix("conv1d_channels_first", layers.Conv1D, (6, 14), dict(filters=4, kernel_size=3, data_format="channels_first"),
       dict(padding="same"), dict(strides=2), dict(dilation_rate=2, padding="same"), dict(groups=2))

CONV2D = dict(filters=5, kernel_size=3)
matrix("conv2d", layers.Conv2D, (11, 9, 4), CONV2D,
       *product(strides=(1, 2, 3, (1, 2), (2, 1)), padding=("valid", "same")),
       *product(dilation_rate=(2, (1, 3)), padding=("valid", "same")),
       *product(kernel_size=(1, 2, 4, (1, 3), (3, 1), (2, 5), 7), padding=("valid", "same")),
       dict(use_bias=False), dict(activation="relu"), dict(activation="silu"), dict(activation="softmax"))
matrix("conv2d_groups", layers.Conv2D, (7, 8, 12), dict(filters=24, kernel_size=3),
       *product(groups=(2, 3, 4, 6, 12), padding=("valid", "same")), dict(groups=2, strides=2, padding="same"),
       dict(groups=3, dilation_rate=2), dict(groups=4, kernel_size=1))
matrix("conv2d_channels_first", layers.Conv2D, (4, 11, 9), dict(**CONV2D, data_format="channels_first"),
       *product(strides=(1, 2), padding=("valid", "same")), dict(dilation_rate=2), dict(groups=1, activation="relu"))
one("conv2d_channels_first_groups", (6, 7, 8), lambda: layers.Conv2D(9, 3, groups=3, data_format="channels_first"))
# Sizes at the edges of the schedules' tiles: channels below, at and above vector widths; images from one pixel up.
for height, width, channels, filters, kernel in [
        (1, 1, 3, 5, 3), (1, 17, 8, 8, 3), (2, 2, 16, 16, 3), (7, 7, 17, 33, 3), (14, 14, 8, 32, 3), (28, 28, 1, 8, 3),
        (15, 15, 16, 8, 3), (13, 29, 3, 16, 3), (8, 8, 32, 48, 1), (9, 7, 40, 24, 1), (5, 5, 64, 10, 1), (32, 32, 3, 4, 7)]:
    one(f"conv2d_size_{height}x{width}x{channels}_to_{filters}_k{kernel}", (height, width, channels),
        lambda f=filters, k=kernel: layers.Conv2D(f, k, padding="same", activation="relu"))
one("conv2d_kernel_larger_than_image", (3, 2, 4), lambda: layers.Conv2D(3, 5, padding="same"))
one("conv2d_stride_larger_than_kernel", (10, 11, 3), lambda: layers.Conv2D(3, 2, strides=4))
one("conv2d_one_by_one_strided", (9, 9, 8), lambda: layers.Conv2D(16, 1, strides=2))
one("conv2d_patches", (16, 16, 3), lambda: layers.Conv2D(8, 4, strides=4))
one("conv2d_stack", (12, 12, 3), lambda: layers.Conv2D(8, 3, activation="relu"),
    lambda: layers.Conv2D(16, 3, strides=2, padding="same", activation="relu"), lambda: layers.Conv2D(4, 1))

for multiplier, (strides, padding) in itertools.product((1, 2, 3), ((1, "valid"), (1, "same"), (2, "valid"), (2, "same"))):
    one(f"depthwise_conv2d_m{multiplier}_s{strides}_{padding}", (9, 10, 5),
        lambda m=multiplier, s=strides, p=padding: layers.DepthwiseConv2D(3, s, p, depth_multiplier=m))
matrix("depthwise_conv2d", layers.DepthwiseConv2D, (9, 10, 8), dict(kernel_size=3),
       *product(dilation_rate=(2, (1, 3)), padding=("valid", "same")), dict(kernel_size=(2, 5), padding="same"),
       dict(kernel_size=7, padding="same"), dict(kernel_size=5, strides=2, padding="same"), dict(use_bias=False),
       dict(activation="relu6"), dict(kernel_size=1))
matrix("depthwise_conv2d_channels_first", layers.DepthwiseConv2D, (5, 9, 10),
       dict(kernel_size=3, data_format="channels_first"),
       dict(padding="same"), dict(strides=2, padding="same"), dict(depth_multiplier=2), dict(dilation_rate=2))
for channels in (1, 3, 16, 17, 33):
    one(f"depthwise_conv2d_channels_{channels}", (7, 7, channels), lambda: layers.DepthwiseConv2D(3, padding="same"))

matrix("separable_conv2d", layers.SeparableConv2D, (9, 10, 4), dict(filters=7, kernel_size=3),
       *product(strides=(1, 2), padding=("valid", "same")), *product(depth_multiplier=(2, 3), padding=("valid", "same")),
       *product(dilation_rate=(2,), padding=("valid", "same")), dict(use_bias=False), dict(activation="relu"),
       dict(kernel_size=(2, 5), padding="same"), dict(depth_multiplier=2, strides=2, padding="same"))
one("separable_conv2d_channels_first", (4, 9, 10),
    lambda: layers.SeparableConv2D(7, 3, depth_multiplier=2, data_format="channels_first"))

matrix("conv2d_transpose", layers.Conv2DTranspose, (5, 6, 4), dict(filters=3, kernel_size=3),
       *product(strides=(1, 2, 3, (1, 2)), padding=("valid", "same")),
       *product(kernel_size=(1, 2, 4, (2, 3)), strides=(1, 2), padding=("valid", "same")),
       *product(dilation_rate=(2, (1, 2)), padding=("valid", "same")),
       dict(strides=2, output_padding=0, padding="same"), dict(strides=2, output_padding=1, padding="same"),
       dict(strides=2, output_padding=1, padding="valid"), dict(strides=3, output_padding=(1, 2), padding="same"),
       dict(strides=3, output_padding=(0, 1), padding="valid"), dict(use_bias=False), dict(activation="relu"),
       dict(kernel_size=5, strides=2, padding="same"), dict(kernel_size=2, strides=3))
matrix("conv2d_transpose_channels_first", layers.Conv2DTranspose, (4, 5, 6),
       dict(filters=3, kernel_size=3, data_format="channels_first"),
       *product(strides=(1, 2), padding=("valid", "same")), dict(strides=2, padding="same", output_padding=1))
one("conv2d_transpose_wide", (7, 7, 32), lambda: layers.Conv2DTranspose(16, 3, strides=2, padding="same"))

# ---- Pooling ----------------------------------------------------------------------------------------------------------

for kind in ("Max", "Average"):
    pool1d, pool2d = getattr(layers, f"{kind}Pooling1D"), getattr(layers, f"{kind}Pooling2D")
    low = kind.lower()
    matrix(f"{low}_pooling1d", pool1d, (13, 5), {},
           *product(pool_size=(1, 2, 3), strides=(None, 1, 3), padding=("valid", "same")))
    matrix(f"{low}_pooling1d_channels_first", pool1d, (5, 13), dict(pool_size=3, data_format="channels_first"),
           *product(strides=(1, 2), padding=("valid", "same")))
    matrix(f"{low}_pooling2d", pool2d, (11, 8, 5), {},
           *product(pool_size=(2, 3, (1, 3), (3, 2)), strides=(None, 1, 2), padding=("valid", "same")),
           dict(pool_size=2, strides=(1, 3)), dict(pool_size=2, strides=4), dict(pool_size=5, strides=2, padding="same"))
    matrix(f"{low}_pooling2d_channels_first", pool2d, (5, 11, 8), dict(pool_size=3, data_format="channels_first"),
           *product(strides=(None, 1, 2), padding=("valid", "same")))
    for channels in (1, 8, 17, 32):
        one(f"{low}_pooling2d_channels_{channels}", (6, 6, channels), lambda p=pool2d: p(2))
    for dims, shape in ((1, (7, 5)), (2, (6, 7, 5))):
        layer = getattr(layers, f"Global{kind}Pooling{dims}D")
        first = (shape[-1], *shape[:-1])
        for keepdims in (False, True):
            one(f"global_{low}_pooling{dims}d_keepdims_{text(keepdims)}", shape, lambda pool=layer, k=keepdims: pool(keepdims=k))
            one(f"global_{low}_pooling{dims}d_channels_first_keepdims_{text(keepdims)}", first,
                lambda pool=layer, k=keepdims: pool(keepdims=k, data_format="channels_first"))
    one(f"global_{low}_pooling2d_wide", (8, 8, 72), getattr(layers, f"Global{kind}Pooling2D"))

# ---- Normalisation ----------------------------------------------------------------------------------------------------

for rank, shape in ((2, (7,)), (3, (5, 7)), (4, (4, 5, 7))):
    one(f"batch_normalization_rank{rank}", shape, layers.BatchNormalization)
    one(f"layer_normalization_rank{rank}", shape, layers.LayerNormalization)
matrix("batch_normalization", layers.BatchNormalization, (4, 5, 6), {},
       dict(axis=1), dict(axis=2), dict(axis=-2), dict(center=False), dict(scale=False), dict(center=False, scale=False),
       dict(epsilon=0.5), dict(momentum=0.5))
one("batch_normalization_rank3_axis_1", (5, 7), lambda: layers.BatchNormalization(axis=1))
matrix("layer_normalization", layers.LayerNormalization, (4, 5, 6), {},
       dict(axis=1), dict(axis=(1, 2)), dict(axis=(2, 3)), dict(axis=(-1, -2)), dict(axis=(1, 2, 3)), dict(axis=(1, 3)),
       dict(center=False), dict(scale=False), dict(center=False, scale=False), dict(epsilon=0.5))
one("layer_normalization_wide", (3, 100), lambda: layers.LayerNormalization(epsilon=1e-6))

BN_RELU = (layers.BatchNormalization, layers.ReLU)
one("conv2d_batch_normalization", (7, 7, 3), lambda: layers.Conv2D(6, 3), *BN_RELU)
one("conv2d_no_bias_batch_normalization", (7, 7, 3), lambda: layers.Conv2D(6, 3, use_bias=False), *BN_RELU)
one("conv2d_relu_batch_normalization", (7, 7, 3), lambda: layers.Conv2D(6, 3, activation="relu"), layers.BatchNormalization)
one("conv2d_groups_batch_normalization", (7, 7, 4), lambda: layers.Conv2D(6, 3, groups=2), *BN_RELU)
one("conv2d_channels_first_batch_normalization", (3, 7, 7), lambda: layers.Conv2D(6, 3, data_format="channels_first"),
    lambda: layers.BatchNormalization(axis=1))
one("batch_normalization_conv2d_same", (7, 7, 3), layers.BatchNormalization, lambda: layers.Conv2D(6, 3, padding="same"))
one("batch_normalization_conv2d_valid", (7, 7, 3), layers.BatchNormalization, lambda: layers.Conv2D(6, 3))
# Summed in parts of its rows, the last channels less than a vector.
one("global_average_pooling2d_of_large_image", (64, 48, 1), lambda: layers.Conv2D(44, 1, activation="relu"),
    layers.GlobalAveragePooling2D)
# Expanded on the way to the window, in strips of rows.
for kernel in (3, 5):
    for strides in (1, 2):
        for padding in ("same", "valid"):
            one(f"inverted_residual_{kernel}_strides_{strides}_{padding}", (37, 11, 8),
                lambda: layers.Conv2D(48, 1, activation="relu6"),
                lambda k=kernel, s=strides, p=padding: layers.DepthwiseConv2D(k, s, p, activation="silu"),
                lambda: layers.Conv2D(2, 1))
one("inverted_residual_odd_channels", (9, 8, 6), lambda: layers.Conv2D(40, 1),
    lambda: layers.DepthwiseConv2D(3, padding="same"), lambda: layers.Conv2D(7, 1))
one("depthwise_conv2d_batch_normalization", (7, 7, 5), lambda: layers.DepthwiseConv2D(3, depth_multiplier=2), *BN_RELU)
one("separable_conv2d_batch_normalization", (7, 7, 5), lambda: layers.SeparableConv2D(6, 3, use_bias=False), *BN_RELU)
one("conv2d_transpose_batch_normalization", (5, 5, 4), lambda: layers.Conv2DTranspose(6, 3, strides=2), *BN_RELU)
one("dense_batch_normalization", (9,), lambda: layers.Dense(6), *BN_RELU)
one("batch_normalization_dense", (9,), layers.BatchNormalization, lambda: layers.Dense(6))
one("conv1d_batch_normalization", (9, 4), lambda: layers.Conv1D(6, 3), *BN_RELU)
one("batch_normalization_twice", (4, 4, 3), layers.BatchNormalization, layers.BatchNormalization)

one("rescaling", (4, 5, 3), lambda: layers.Rescaling(1 / 127.5, offset=-1.0))
one("rescaling_lists", (4, 5, 3), lambda: layers.Rescaling([0.5, 2.0, 3.0], offset=[1.0, -1.0, 0.25]))
one("rescaling_uint8_input", (4, 5, 3), lambda: layers.Rescaling(1 / 255), dtype="uint8")
one("rescaling_int32_input", (4, 5, 3), lambda: layers.Rescaling(0.5), dtype="int32")
NORMALIZATION = dict(mean=[0.5, 1.0, -2.0], variance=[4.0, 0.25, 2.0])
one("normalization", (4, 5, 3), lambda: layers.Normalization(**NORMALIZATION))
one("normalization_invert", (4, 5, 3), lambda: layers.Normalization(**NORMALIZATION, invert=True))
one("normalization_axis_1", (3, 5, 4), lambda: layers.Normalization(**NORMALIZATION, axis=1))
one("normalization_axis_none", (4, 5), lambda: layers.Normalization(axis=None, mean=0.5, variance=4.0))
one("normalization_variables", (4, 5, 3), lambda: layers.Normalization())
one("normalization_variables_rank2", (6,), lambda: layers.Normalization())
one("normalization_variables_two_axes", (4, 5, 3), lambda: layers.Normalization(axis=(1, 3)))
one("layer_scale", (4, 5, 7), lambda: LayerScale(1e-6, 7))

# ---- Activations ------------------------------------------------------------------------------------------------------

# Not here: threshold, which needs arguments that a model cannot hold.
for name in ("celu", "elu", "exponential", "gelu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh",
             "leaky_relu", "linear", "log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu", "sigmoid", "silu",
             "soft_shrink", "softmax", "softplus", "softsign", "sparse_plus", "sparse_sigmoid", "sparsemax", "squareplus",
             "swish", "tanh", "tanh_shrink", "glu"):
    if name != "exponential":
        one(f"activation_{name}", (5, 12), lambda n=name: layers.Activation(n))
    one(f"activation_{name}_in_dense", (6,), lambda n=name: layers.Dense(20, activation=n))
one("activation_exponential", (5, 12), lambda: layers.Rescaling(0.1), lambda: layers.Activation("exponential"))
matrix("relu", layers.ReLU, (5, 12), {}, dict(), dict(max_value=6.0), dict(negative_slope=0.1), dict(threshold=0.5),
       dict(max_value=2.0, negative_slope=0.1), dict(max_value=2.0, negative_slope=0.25, threshold=1.0))
matrix("leaky_relu", layers.LeakyReLU, (5, 12), {}, dict(), dict(negative_slope=0.05))
matrix("elu", layers.ELU, (5, 12), {}, dict(), dict(alpha=0.5))
matrix("prelu", layers.PReLU, (4, 5, 6), {}, dict(), dict(shared_axes=[1]), dict(shared_axes=[1, 2]),
       dict(shared_axes=[1, 2, 3]))
one("prelu_rank2", (9,), layers.PReLU)
matrix("softmax", layers.Softmax, (4, 5, 6), {}, dict(), dict(axis=1), dict(axis=2), dict(axis=-2), dict(axis=(1, 2)),
       dict(axis=(2, 3)))
for size in (1, 2, 7, 16, 100, 1000):
    one(f"softmax_size_{size}", (size,), layers.Softmax)
one("relu_after_conv2d_layer", (6, 6, 3), lambda: layers.Conv2D(8, 3), lambda: layers.ReLU(max_value=6.0))
one("prelu_after_conv2d", (6, 6, 3), lambda: layers.Conv2D(8, 3), lambda: layers.PReLU(shared_axes=[1, 2]))

# ---- Layers that do nothing in inference --------------------------------------------------------------------------------

for name, make in dict(dropout=lambda: layers.Dropout(0.5), spatial_dropout1d=lambda: layers.SpatialDropout1D(0.5),
                       gaussian_dropout=lambda: layers.GaussianDropout(0.5), gaussian_noise=lambda: layers.GaussianNoise(0.5),
                       alpha_dropout=lambda: layers.AlphaDropout(0.5), identity=lambda: layers.Identity(),
                       activity_regularization=lambda: layers.ActivityRegularization(0.1)).items():
    one(f"{name}", (5, 6), make)
    one(f"{name}_between_dense", (5, 6), lambda: layers.Dense(4), make, lambda: layers.Dense(3))
one("spatial_dropout2d", (4, 5, 3), lambda: layers.SpatialDropout2D(0.5))
one("dropout_noise_shape", (5, 6), lambda: layers.Dropout(0.5, noise_shape=(None, 1, 6)))

# ---- Shapes -----------------------------------------------------------------------------------------------------------

one("flatten", (3, 4, 5), layers.Flatten)
one("flatten_rank2", (7,), layers.Flatten)
one("flatten_channels_first", (3, 4, 5), lambda: layers.Flatten(data_format="channels_first"))
one("flatten_dense", (3, 4, 5), layers.Flatten, lambda: layers.Dense(4))
one("flatten_channels_first_dense", (3, 4, 5), lambda: layers.Flatten(data_format="channels_first"), lambda: layers.Dense(4))
one("conv2d_flatten_dense", (6, 6, 3), lambda: layers.Conv2D(8, 3, activation="relu"), layers.Flatten, lambda: layers.Dense(4))
one("conv2d_channels_first_flatten_dense", (3, 6, 6), lambda: layers.Conv2D(8, 3, data_format="channels_first"),
    lambda: layers.Flatten(data_format="channels_first"), lambda: layers.Dense(4))
for target in ((60,), (5, 12), (2, 3, 10), (-1, 6), (-1,), (3, -1, 2), (1, 60, 1)):
    one(f"reshape_{text(target)}", (3, 4, 5), lambda t=target: layers.Reshape(t))
for dims in ((1, 2, 3), (3, 1, 2), (2, 1, 3), (3, 2, 1), (1, 3, 2)):
    one(f"permute_{text(dims)}", (3, 4, 5), lambda d=dims: layers.Permute(d))
one("permute_rank3", (3, 4), lambda: layers.Permute((2, 1)))
for padding in (0, 2, (1, 3), (0, 2)):
    one(f"zero_padding1d_{text(padding)}", (5, 3), lambda p=padding: layers.ZeroPadding1D(p))
    one(f"cropping1d_{text(padding)}", (9, 3), lambda p=padding: layers.Cropping1D(p))
for padding in (0, 1, (1, 2), ((1, 0), (0, 2)), ((0, 1), (0, 1)), ((2, 3), (1, 0))):
    one(f"zero_padding2d_{text(padding)}", (4, 5, 3), lambda p=padding: layers.ZeroPadding2D(p))
    one(f"cropping2d_{text(padding)}", (9, 8, 3), lambda p=padding: layers.Cropping2D(p))
one("zero_padding2d_channels_first", (3, 4, 5), lambda: layers.ZeroPadding2D(((1, 2), (3, 0)), data_format="channels_first"))
one("cropping2d_channels_first", (3, 7, 8), lambda: layers.Cropping2D(((1, 2), (3, 0)), data_format="channels_first"))
one("zero_padding2d_conv2d", (8, 8, 3), lambda: layers.ZeroPadding2D(((0, 1), (0, 1))),
    lambda: layers.Conv2D(4, 3, strides=2))
one("zero_padding2d_max_pooling2d", (8, 8, 3), lambda: layers.ZeroPadding2D(1), lambda: layers.MaxPooling2D(3, 2))
for size in (1, 2, 3):
    one(f"up_sampling1d_{size}", (4, 3), lambda s=size: layers.UpSampling1D(s))
for interpolation, size in itertools.product(("nearest", "bilinear"), (1, 2, 3, (1, 2), (3, 2))):
    one(f"up_sampling2d_{interpolation}_{text(size)}", (4, 5, 3),
        lambda i=interpolation, s=size: layers.UpSampling2D(s, interpolation=i))
for interpolation in ("nearest", "bilinear"):
    one(f"up_sampling2d_{interpolation}_channels_first", (3, 4, 5),
        lambda i=interpolation: layers.UpSampling2D(2, data_format="channels_first", interpolation=i))
one("up_sampling2d_one_pixel", (1, 1, 3), lambda: layers.UpSampling2D(4, interpolation="bilinear"))
one("repeat_vector", (6,), lambda: layers.RepeatVector(3))

# ---- Merging layers and ops -------------------------------------------------------------------------------------------


def merge(name, make, *shapes):
    def build():
        inputs = [Input(shape, name=f"x{i}") for i, shape in enumerate(shapes)]
        return Model(inputs, make()(inputs))
    case(name, build)


for name in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"):
    layer, low = getattr(layers, name), name.lower()
    merge(low, layer, (4, 5, 6), (4, 5, 6))
    merge(f"{low}_rank2", layer, (9,), (9,))
    merge(f"{low}_broadcast_channels", layer, (4, 5, 6), (1, 1, 6))
    merge(f"{low}_broadcast_both", layer, (4, 1, 6), (1, 5, 6))
    merge(f"{low}_broadcast_rank", layer, (4, 5, 6), (6,))
    merge(f"{low}_broadcast_last", layer, (4, 5, 6), (4, 5, 1))
    if name != "Subtract":
        merge(f"{low}_three", layer, (4, 6), (4, 6), (4, 6))
for axis in (-1, 1, 2, 3, -2):
    merge(f"concatenate_axis_{text(axis)}", lambda a=axis: layers.Concatenate(a), (4, 5, 6), (4, 5, 6))
merge("concatenate_three", layers.Concatenate, (4, 5, 1), (4, 5, 16), (4, 5, 3))
merge("concatenate_axis_1_sizes", lambda: layers.Concatenate(1), (2, 5), (1, 5), (4, 5))
merge("concatenate_rank2", layers.Concatenate, (3,), (8,))
merge("dot_vectors", lambda: layers.Dot(1), (7,), (7,))
merge("dot_vectors_normalize", lambda: layers.Dot(1, normalize=True), (7,), (7,))
merge("dot_axes_1_1", lambda: layers.Dot((1, 1)), (5, 7), (5, 3))
merge("dot_axes_2_1", lambda: layers.Dot((2, 1)), (5, 7), (7, 3))
merge("dot_axes_2_2", lambda: layers.Dot(2), (5, 7), (4, 7))
merge("dot_axes_m1", lambda: layers.Dot(-1), (5, 7), (4, 7))
merge("dot_axes_2_2_normalize", lambda: layers.Dot(2, normalize=True), (5, 7), (4, 7))
merge("dot_matrix_vector", lambda: layers.Dot((2, 1)), (5, 7), (7,))
merge("custom_scale_layer", lambda: CustomScaleLayer(0.17), (4, 5, 6), (4, 5, 6))


def functional(name):
    """Decorator: the function's model is the case `name`."""
    return lambda build: case(name, build) or build


def unary_op(name, make, shape=(4, 5, 6)):
    def build():
        x = Input(shape)
        return Model(x, make(layers.Dense(shape[-1])(x)))
    case(f"ops_{name}", build)


unary_op("add_scalar", lambda x: x + 3.0)
unary_op("radd_scalar", lambda x: 3.0 + x)
unary_op("multiply_scalar", lambda x: x * 0.25)
unary_op("subtract_scalar", lambda x: x - 1.5)
unary_op("rsubtract_scalar", lambda x: 1.5 - x)
unary_op("true_divide_scalar", lambda x: x / 4.0)
unary_op("negative", lambda x: -x)
unary_op("hard_sigmoid_by_relu6", lambda x: layers.ReLU(6.0)(x + 3.0) * (1.0 / 6.0))
unary_op("add_tensors", lambda x: x + layers.Dense(6)(x))
unary_op("multiply_tensors", lambda x: x * layers.Dense(1, activation="sigmoid")(x))
unary_op("subtract_tensors", lambda x: x - layers.Dense(6)(x))
unary_op("relu", lambda x: ops.relu(x))
unary_op("sigmoid", lambda x: ops.sigmoid(x))
unary_op("tanh", lambda x: ops.tanh(x))
unary_op("exp", lambda x: ops.exp(x * 0.1))
unary_op("square", lambda x: ops.square(x))
unary_op("absolute", lambda x: ops.absolute(x))
unary_op("mean", lambda x: ops.mean(x, axis=(1, 2)))
unary_op("reshape", lambda x: ops.reshape(x, (-1, 20, 6)))
unary_op("transpose", lambda x: ops.transpose(x, (0, 2, 1, 3)))
for name, key in {"index": (slice(None), 2), "last": (..., -1), "slices": (slice(None), slice(1, None, 2), slice(-2, None)),
                  "new_axis": (slice(None), None, 0, ..., slice(None, -1))}.items():
    unary_op(f"get_item_{name}", lambda x, key=key: x[key])

# ---- Graphs -----------------------------------------------------------------------------------------------------------


@functional("graph_residual")
def _():
    x = Input((8, 8, 6))
    y = layers.Conv2D(6, 3, padding="same", use_bias=False)(x)
    y = layers.ReLU()(layers.BatchNormalization()(y))
    y = layers.BatchNormalization()(layers.Conv2D(6, 3, padding="same")(y))
    return Model(x, layers.Activation("relu")(layers.Add()([x, y])))


@functional("graph_squeeze_excite")
def _():
    x = Input((7, 7, 12))
    s = layers.GlobalAveragePooling2D(keepdims=True)(x)
    s = layers.Conv2D(3, 1, activation="silu")(s)
    return Model(x, layers.Multiply()([x, layers.Conv2D(12, 1, activation="sigmoid")(s)]))


@functional("graph_squeeze_excite_reshape")
def _():
    x = Input((7, 7, 12))
    s = layers.Reshape((1, 1, 12))(layers.GlobalAveragePooling2D()(x))
    return Model(x, layers.Multiply()([x, layers.Dense(12, activation="hard_sigmoid")(s)]))


@functional("graph_inception")
def _():
    x = Input((9, 9, 5))
    branches = [layers.Conv2D(4, 1, activation="relu")(x), layers.Conv2D(3, 3, padding="same", activation="relu")(x),
                layers.Conv2D(2, 5, padding="same")(x), layers.MaxPooling2D(3, 1, padding="same")(x),
                layers.AveragePooling2D(3, 1, padding="same")(x)]
    return Model(x, layers.Concatenate()(branches))


@functional("graph_dense_block")
def _():
    x = Input((6, 6, 4))
    y = x
    for _ in range(3):
        z = layers.Conv2D(3, 3, padding="same")(layers.Activation("relu")(layers.BatchNormalization()(y)))
        y = layers.Concatenate()([y, z])
    return Model(x, layers.GlobalAveragePooling2D()(y))


# Channels that fill cache lines, which a concatenation does not copy: one in the other, read meanwhile, and as a result.
@functional("graph_dense_block_lines")
def _():
    x = Input((6, 7, 4))
    y = layers.Conv2D(16, 1)(x)
    for _ in range(2):
        z = layers.Conv2D(16, 3, padding="same")(layers.Activation("relu")(layers.BatchNormalization()(y)))
        y = layers.Concatenate()([y, z])
    return Model(x, [y, layers.GlobalAveragePooling2D()(z)])


@functional("graph_inception_lines")
def _():
    x = Input((9, 9, 32))
    a = layers.Conv2D(32, 3, padding="same", activation="relu")(x)
    inner = layers.Concatenate()([layers.Conv2D(16, (1, 5), padding="same")(a), layers.Softmax()(a)])
    pooled = layers.Conv2D(16, 1, activation="relu")(layers.AveragePooling2D(3, 1, padding="same")(a))
    y = layers.Concatenate()([layers.Conv2D(64, 1)(x), inner, layers.MaxPooling2D(3, 1, padding="same")(a),
                              layers.DepthwiseConv2D(3, padding="same")(a), pooled])
    return Model(x, layers.Conv2D(16, 3, strides=2, activation="relu")(y))


# Poolings of Winograd's tiles: in the kernel, of quarters and of whole tiles, behind an activation that is not monotone, too; not
# where a row is left over.
@functional("graph_vgg_blocks")
def _():
    x = Input((24, 40, 16))
    y = layers.MaxPooling2D(2)(layers.Conv2D(32, 3, padding="same", activation="relu")(x))
    a = layers.MaxPooling2D(4)(layers.Conv2D(32, 3, padding="same", activation="gelu")(y))
    b = layers.MaxPooling2D(2)(layers.Conv2D(32, 3)(y))
    c = layers.MaxPooling2D(2)(layers.Conv2D(48, 3, padding="valid")(layers.ZeroPadding2D(((1, 0), (0, 0)))(y)))
    return Model(x, [a, b, c])


@functional("graph_inverted_residual")
def _():
    x = Input((7, 8, 6))
    y = layers.ReLU(6.0)(layers.BatchNormalization()(layers.Conv2D(24, 1, use_bias=False)(x)))
    y = layers.ReLU(6.0)(layers.BatchNormalization()(layers.DepthwiseConv2D(3, padding="same", use_bias=False)(y)))
    y = layers.BatchNormalization()(layers.Conv2D(6, 1, use_bias=False)(y))
    return Model(x, layers.Add()([x, y]))


@functional("graph_unet")
def _():
    x = Input((8, 8, 3))
    a = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    b = layers.Conv2D(8, 3, padding="same", activation="relu")(layers.MaxPooling2D()(a))
    up = layers.Conv2DTranspose(4, 2, strides=2)(b)
    y = layers.Concatenate()([a, up, layers.UpSampling2D(2, interpolation="bilinear")(b)])
    return Model(x, layers.Conv2D(1, 1, activation="sigmoid")(y))


@functional("graph_convnext_block")
def _():
    x = Input((6, 6, 8))
    y = layers.LayerNormalization(epsilon=1e-6)(layers.DepthwiseConv2D(7, padding="same")(x))
    y = layers.Dense(8)(layers.Activation("gelu")(layers.Dense(32)(y)))
    return Model(x, layers.Add()([x, LayerScale(1e-6, 8)(y)]))


@functional("graph_convolution_read_twice_by_batch_normalization")
def _():
    x = Input((6, 6, 3))
    y = layers.Conv2D(4, 3)(x)
    return Model(x, layers.Add()([y, layers.BatchNormalization()(y)]))


@functional("graph_shared_dense")
def _():
    a, b = Input((6,), name="a"), Input((6,), name="b")
    shared = layers.Dense(5, activation="tanh", name="shared")
    return Model([a, b], layers.Subtract()([shared(a), shared(b)]))


@functional("graph_shared_conv2d_sizes")
def _():
    a, b = Input((6, 6, 3), name="a"), Input((9, 7, 3), name="b")
    shared = layers.Conv2D(4, 3)
    pool = layers.GlobalAveragePooling2D()
    return Model([a, b], layers.Concatenate()([pool(shared(a)), pool(shared(b))]))


@functional("graph_shared_batch_normalization")
def _():
    a, b = Input((6,), name="a"), Input((6,), name="b")
    shared = layers.BatchNormalization()
    return Model([a, b], [shared(layers.Dense(6)(a)), shared(b)])


@functional("graph_layer_applied_to_its_output")
def _():
    x = Input((6,))
    shared = layers.Dense(6, activation="tanh")
    return Model(x, shared(shared(shared(x))))


def small_encoder(name="encoder"):
    return Sequential([Input((8, 8, 3)), layers.Conv2D(4, 3, activation="relu"), layers.Flatten(), layers.Dense(5)], name=name)


@functional("graph_nested_sequential")
def _():
    x = Input((8, 8, 3))
    return Model(x, layers.Dense(2)(small_encoder()(x)))


@functional("graph_nested_sequential_shared")
def _():
    a, b = Input((8, 8, 3), name="a"), Input((8, 8, 3), name="b")
    encoder = small_encoder()
    return Model([a, b], layers.Dot(1)([encoder(a), encoder(b)]))


@functional("graph_nested_functional")
def _():
    p, q = Input((4,), name="p"), Input((6,), name="q")
    inner = Model([p, q], [layers.Dense(3)(p), layers.Concatenate()([layers.Dense(2)(q), p])], name="inner")
    a, b = Input((4,), name="a"), Input((6,), name="b")
    u, v = inner([a, b])
    return Model([a, b], layers.Concatenate()([layers.Activation("relu")(u), v]))


@functional("graph_nested_twice")
def _():
    inner = Sequential([Input((5,)), layers.Dense(5, activation="relu"), layers.BatchNormalization()], name="inner")
    outer = Sequential([Input((5,)), inner, layers.Dense(5)], name="outer")
    x = Input((5,))
    return Model(x, layers.Dense(2)(outer(x)))


case("graph_sequential_in_sequential",
     lambda: Sequential([Input((8, 8, 3)), small_encoder(), Sequential([Input((5,)), layers.Dense(3)]), layers.Softmax()]))


def built_sequential():
    model = Sequential([layers.Dense(4, activation="relu"), layers.Dense(3)])
    model.build((None, 6))
    return model


case("graph_sequential_without_input", built_sequential)


@functional("graph_outputs_list")
def _():
    x = Input((6,))
    y = layers.Dense(5, activation="relu")(x)
    return Model(x, [layers.Dense(2)(y), y, layers.Dense(3, activation="softmax")(y)])


@functional("graph_outputs_dict")
def _():
    x = Input((6,))
    y = layers.Dense(5, activation="relu")(x)
    return Model(x, {"score": layers.Dense(1)(y), "class": layers.Dense(3, activation="softmax")(y)})


@functional("graph_inputs_dict")
def _():
    a, b = Input((4,), name="left"), Input((6,), name="right")
    return Model({"left": a, "right": b}, layers.Concatenate()([layers.Dense(3)(a), layers.Dense(2)(b)]))


@functional("graph_inputs_unordered")
def _():
    a, b, c = Input((4,), name="z"), Input((5,), name="a"), Input((6,), name="m")
    return Model([a, b, c], layers.Concatenate()([layers.Dense(3)(c), layers.Dense(2)(a), layers.Dense(1)(b)]))


@functional("graph_input_is_output")
def _():
    x = Input((6,))
    return Model(x, [x, layers.Dense(2)(x)])


@functional("graph_output_twice")
def _():
    x = Input((6,))
    y = layers.Dense(4)(x)
    return Model(x, [y, y])


@functional("graph_unused_input")
def _():
    a, b = Input((4,), name="a"), Input((6,), name="b")
    return Model([a, b], layers.Dense(2)(b))


@functional("graph_branches_of_one_layer")
def _():
    x = Input((10,))
    heads = [layers.Dense(3, name=f"head_{i}")(layers.Dense(4, activation="relu", name=f"hidden_{i}")(x)) for i in range(4)]
    return Model(x, layers.Average()(heads))


@functional("graph_deep_chain")
def _():
    x = y = Input((8,))
    for _ in range(30):
        y = layers.Dense(8, activation="tanh")(y)
    return Model(x, y)


@functional("graph_names_with_odd_characters")
def _():
    x = Input((4,), name="image in")
    y = layers.Dense(3, name="block1.conv-1 (a)")(x)
    return Model(x, layers.Activation("relu", name="2nd")(y), name="my model.v1")


@functional("graph_reshape_of_free_dimension")
def _():
    x = Input((None, 4))
    return Model(x, layers.Reshape((-1, 2))(layers.Dense(4)(x))), (5,)


# ---- Free sizes -------------------------------------------------------------------------------------------------------

for name, shape, sizes, make in [
        ("conv2d", (None, None, 3), (7, 9), lambda: [layers.Conv2D(4, 3, activation="relu")]),
        ("conv2d_same_strided", (None, None, 3), (7, 10), lambda: [layers.Conv2D(4, 3, strides=2, padding="same")]),
        ("conv2d_width_only", (6, None, 3), (11,), lambda: [layers.Conv2D(4, 3)]),
        ("fully_convolutional", (None, None, 3), (12, 9), lambda: [
            layers.Conv2D(4, 3, activation="relu"), layers.MaxPooling2D(), layers.Conv2D(5, 3, padding="same"),
            layers.GlobalAveragePooling2D(), layers.Dense(3)]),
        ("depthwise_conv2d", (None, None, 3), (7, 9), lambda: [layers.DepthwiseConv2D(3, padding="same")]),
        ("conv2d_transpose", (None, None, 3), (5, 4), lambda: [layers.Conv2DTranspose(4, 3, strides=2, padding="same")]),
        ("conv2d_transpose_phases", (None, None, 3), (5, 4), lambda: [layers.Conv2DTranspose(4, 2, strides=2, activation="relu")]),
        ("conv2d_transpose_wide_phases", (None, None, 3), (5, 4), lambda: [layers.Conv2DTranspose(4, 4, strides=2)]),
        ("conv1d_transpose_phases", (None, 3), (5,), lambda: [layers.Conv1DTranspose(4, 6, strides=3)]),
        ("up_sampling2d", (None, None, 3), (5, 4), lambda: [layers.UpSampling2D(2)]),
        ("zero_padding2d", (None, None, 3), (5, 4), lambda: [layers.ZeroPadding2D(1)]),
        ("conv1d_causal", (None, 4), (9,), lambda: [layers.Conv1D(5, 3, padding="causal")]),
        ("average_pooling1d_same", (None, 4), (9,), lambda: [layers.AveragePooling1D(2, padding="same")]),
        ("global_max_pooling1d", (None, 4), (9,), lambda: [layers.GlobalMaxPooling1D()]),
        ("dense_softmax", (None, 4), (9,), lambda: [layers.Dense(5, activation="softmax")]),
        ("layer_normalization", (None, 4), (9,), lambda: [layers.LayerNormalization()])]:
    case(f"free_{name}", lambda s=shape, z=sizes, m=make: (Sequential([Input(s), *m()]), z))
