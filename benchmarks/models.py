"""The models that are measured: Keras architectures of images and of sequences, with seeded random weights.

Speed does not depend on what the weights are, as long as nothing degenerates: activations must neither vanish nor explode, and
no batch normalization, bias or scale may be one that a compiler could drop. `randomize` sees to that. No weights are downloaded.

With one exception: Sylvite does not read weights of large dense layers that a zero of a rectifier would multiply. Of what VGG-16's
see, 40 and 50 % are zeros with these weights; with trained ones it is more.
"""
import keras
import numpy as np
from keras import applications, layers, ops


def mnist_cnn(activation="softmax"):
    """The network of examples/mnist."""
    return keras.Sequential([
        layers.Input((28, 28, 1)), layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(2), layers.Flatten(),
        layers.Dense(10, activation=activation)])


def mlp():
    return keras.Sequential([layers.Input((784,)), layers.Dense(512, activation="relu"), layers.Dense(10)])


def resnet18(side=224, classes=1000):
    """ResNet-18 as torchvision has it (keras.applications begins at 50); small images keep their size in the first layer."""
    def convolution(x, filters, size, stride=1):
        x = layers.ZeroPadding2D(size // 2)(x) if size > 1 else x
        return layers.BatchNormalization(epsilon=1e-5)(layers.Conv2D(filters, size, stride, use_bias=False)(x))

    inputs = layers.Input((side, side, 3))
    if side < 64:
        x = layers.ReLU()(convolution(inputs, 64, 3))
    else:
        x = layers.ReLU()(convolution(inputs, 64, 7, 2))
        x = layers.MaxPooling2D(3, 2)(layers.ZeroPadding2D(1)(x))
    for filters in (64, 128, 256, 512):
        for block in range(2):
            stride = 2 if block == 0 and filters > 64 else 1
            y = layers.ReLU()(convolution(x, filters, 3, stride))
            y = convolution(y, filters, 3)
            x = layers.ReLU()(layers.Add()([y, convolution(x, filters, 1, stride) if stride > 1 else x]))
    return keras.Model(inputs, layers.Dense(classes)(layers.GlobalAveragePooling2D()(x)))


def application(constructor, side=224):
    """A constructor of keras.applications with its head; its outputs are logits, which compare better than probabilities."""
    return lambda: constructor(weights=None, input_shape=(side, side, 3), classifier_activation=None)


def recurrent(layer):
    """Two layers of 256 units over 64 steps."""
    return lambda: keras.Sequential([layers.Input((64, 256)), layer(256, return_sequences=True), layer(256, return_sequences=True)])


def lstm_classifier():
    return keras.Sequential([layers.Input((64, 64)), layers.LSTM(128), layers.Dense(10)])


def attention():
    """softmax(Q K^T / 8) V alone, with 12 heads of 64 features over 1024 positions; Q, K and V are the three parts of the input."""
    inputs = layers.Input((3, 12, 1024, 64))
    query, key, value = (inputs[:, part] for part in range(3))
    scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))) * 0.125
    return keras.Model(inputs, ops.matmul(ops.softmax(scores), value))


def transformer_block(x, heads, before, causal=False, approximate=False):
    """Attention and two dense layers of four times the width, each with a residual; normalized `before` or after them.

    GELU is an operation of its own: a saved model does not keep an activation's argument `approximate`.
    """
    width = x.shape[-1]
    attend = layers.MultiHeadAttention(heads, width // heads)
    first, second = (layers.LayerNormalization(epsilon=1e-5) for _ in range(2))
    feed_forward = lambda x: layers.Dense(width)(ops.gelu(layers.Dense(4 * width)(x), approximate=approximate))
    if before:
        y = first(x)
        x = layers.Add()([x, attend(y, y, use_causal_mask=causal)])
        return layers.Add()([x, feed_forward(second(x))])
    x = first(layers.Add()([x, attend(x, x, use_causal_mask=causal)]))
    return second(layers.Add()([x, feed_forward(x)]))


def embedded(tokens, vocabulary, width):
    """Embeddings of tokens plus those of their positions."""
    positions = ops.zeros_like(tokens) + np.arange(tokens.shape[1], dtype=np.int32)[None]
    return layers.Add()([layers.Embedding(vocabulary, width)(tokens), layers.Embedding(tokens.shape[1], width)(positions)])


def bert(blocks=12):
    """The encoder of BERT-base, 128 tokens."""
    tokens = layers.Input((128,), dtype="int32")
    x = layers.LayerNormalization(epsilon=1e-5)(embedded(tokens, 30522, 768))
    for _ in range(blocks):
        x = transformer_block(x, 12, before=False)
    return keras.Model(tokens, x)


def gpt2(blocks=12):
    """GPT-2 small: logits of the next token after each of 64."""
    tokens = layers.Input((64,), dtype="int32")
    x = embedded(tokens, 50257, 768)
    for _ in range(blocks):
        x = transformer_block(x, 12, before=True, causal=True, approximate=True)
    return keras.Model(tokens, layers.Dense(50257, use_bias=False)(layers.LayerNormalization(epsilon=1e-5)(x)))


def vit(blocks=12):
    """ViT-Tiny: patches of 16 x 16 pixels; the mean of their features instead of a class token."""
    inputs = layers.Input((224, 224, 3))
    x = layers.Reshape((196, 192))(layers.Conv2D(192, 16, 16)(inputs))
    for _ in range(blocks):
        x = transformer_block(x, 3, before=True)
    return keras.Model(inputs, layers.Dense(1000)(layers.GlobalAveragePooling1D()(layers.LayerNormalization(epsilon=1e-5)(x))))


def transformer():
    """A classifier of 64 tokens: four blocks of 256 features."""
    tokens = layers.Input((64,), dtype="int32")
    x = embedded(tokens, 1000, 256)
    for _ in range(4):
        x = transformer_block(x, 4, before=True)
    return keras.Model(tokens, layers.Dense(10)(layers.GlobalAveragePooling1D()(layers.LayerNormalization(epsilon=1e-5)(x))))


# Name: builder, and the range of the input it expects; a number of tokens for whole numbers.
MODELS = {
    "VGG-16": (application(applications.VGG16), (-128, 128)),
    "ResNet-18": (resnet18, (-1, 1)),
    "ResNet-50": (application(applications.ResNet50), (-128, 128)),
    "MobileNetV2": (application(applications.MobileNetV2), (-1, 1)),
    "MobileNetV3": (application(applications.MobileNetV3Small), (0, 255)),
    "EfficientNetB0": (application(applications.EfficientNetB0), (0, 255)),
    "DenseNet-121": (application(applications.DenseNet121), (-1, 1)),
    "InceptionV3": (application(applications.InceptionV3, 299), (-1, 1)),
    "ConvNeXt-Tiny": (application(applications.ConvNeXtTiny), (0, 255)),
    "MNIST CNN": (mnist_cnn, (0, 1)),
    "LSTM": (recurrent(layers.LSTM), (-1, 1)),
    "GRU": (recurrent(layers.GRU), (-1, 1)),
    "Attention": (attention, (-2, 2)),
    "BERT-base": (bert, 30522),
    "GPT-2": (gpt2, 50257),
    "ViT-Tiny": (vit, (-1, 1)),
}

# Those whose training is measured: builder, input and optimizer. Each gives logits of ten classes.
TRAINED_MODELS = {
    "MNIST CNN": (lambda: mnist_cnn(activation=None), (0, 1), "adam"),
    "MLP": (mlp, (0, 1), "adam"),
    "CIFAR ResNet-18": (lambda: resnet18(32, 10), (-1, 1), "sgd"),
    "LSTM classifier": (lstm_classifier, (-1, 1), "adam"),
    "Transformer": (transformer, 1000, "adam"),
}


def inputs(model, values, batch):
    """Inputs for `model`: tokens, images of coarse and fine noise, or other noise, with the values that it expects."""
    random, shape = np.random.RandomState(7), model.input_shape[1:]
    if isinstance(values, int):
        return random.randint(0, values, (batch, *shape)).astype(np.int32)
    if len(shape) != 3:
        return random.uniform(*values, (batch, *shape)).astype(np.float32)
    return images(shape, values, batch, random)


def images(shape, pixels, batch, random):
    """`batch` images of coarse and fine noise: float32 [batch, height, width, channels] with values between `pixels`."""
    height, width, channels = shape
    coarse = random.uniform(0, 1, (batch, -(-height // 8), -(-width // 8), channels))
    noise = .75 * coarse.repeat(8, 1).repeat(8, 2)[:, :height, :width] + .25 * random.uniform(0, 1, (batch, height, width, channels))
    return (pixels[0] + (pixels[1] - pixels[0]) * noise).astype(np.float32)


def randomize(model, values):
    """Random values for every weight. Batch normalizations get the statistics that their inputs have, each off by a random factor."""
    random = np.random.RandomState(1)
    for layer in flatten(model):
        for weight in layer.trainable_variables if not sublayers(layer) else ():
            name = weight.path.rsplit("/", 1)[-1]
            if name == "gamma":
                middle = .3 if type(layer).__name__ == "LayerScale" else 1
                value = random.uniform(.75 * middle, 1.25 * middle, weight.shape)
            elif name in ("bias", "beta"):
                value = .1 * random.standard_normal(weight.shape)
            elif isinstance(layer, (layers.LSTM, layers.GRU, layers.LSTMCell, layers.GRUCell)):
                value = random.standard_normal(weight.shape) / np.sqrt(weight.shape[0])
            elif isinstance(layer, layers.Embedding):
                value = random.standard_normal(weight.shape)
            else:
                value = random.standard_normal(weight.shape) * np.sqrt(2 / summed(layer, weight.shape))
            weight.assign(value)
    normalizations = [layer for layer in flatten(model) if isinstance(layer, layers.BatchNormalization)]
    momenta = [layer.momentum for layer in normalizations]
    for layer in normalizations:
        layer.momentum = 0
    if normalizations:
        model(inputs(model, values, 2), training=True)
    for layer, momentum in zip(normalizations, momenta):
        layer.momentum = momentum
        layer.moving_mean.assign(layer.moving_mean * random.uniform(.8, 1.2, layer.moving_mean.shape))
        layer.moving_variance.assign(layer.moving_variance * random.uniform(.8, 1.2, layer.moving_mean.shape) + 1e-3)


def summed(layer, shape):
    """Over how many products an output of `layer`, whose kernel has this shape, is a sum."""
    if isinstance(layer, layers.EinsumDense):
        kernel, output = layer.equation.split(",")[1].split("->")
        return np.prod([size for letter, size in zip(kernel, shape) if letter not in output])
    return np.prod(shape[:2 if isinstance(layer, layers.DepthwiseConv2D) else -1])


def flatten(model):
    """Every layer in a model, those of nested models too."""
    return list(model._flatten_layers(include_self=False))


def sublayers(layer):
    return list(layer._flatten_layers(include_self=False))


def flops(model):
    """Floating-point operations for one input: two for each multiply-add of a convolution or matrix product, nothing else."""
    return 2 * sum(multiply_adds(operation) for operation in (getattr(model, "_functional", None) or model).operations)


def training_flops(model):
    """The same for a step of training: two products more for each, but no gradient of an input of numbers."""
    first = next(filter(multiply_adds, (getattr(model, "_functional", None) or model).operations))
    of_input = first.input.shape[1] * int(np.prod(first.cell.kernel.shape)) if hasattr(first, "cell") else multiply_adds(first)
    return 3 * flops(model) - (2 * of_input if model.inputs[0].dtype == "float32" else 0)


def multiply_adds(operation):
    if isinstance(operation, keras.Model):
        return flops(operation) // 2
    positions = int(np.prod(operation.output.shape[1:-1])) if hasattr(operation, "output") else 1
    if isinstance(operation, (layers.LSTM, layers.GRU)):
        kernels = (operation.cell.kernel, operation.cell.recurrent_kernel)
        return operation.input.shape[1] * sum(int(np.prod(kernel.shape)) for kernel in kernels)
    if isinstance(operation, layers.MultiHeadAttention):
        kernels = sum(int(np.prod(weight.shape)) for weight in operation.weights if len(weight.shape) == 3)
        return positions * (kernels + 2 * positions * operation.num_heads * operation.key_dim)
    if type(operation).__name__ == "Matmul":
        left, right = operation.input
        return int(np.prod(left.shape[1:]) * right.shape[-1])
    if isinstance(operation, (layers.Conv2D, layers.DepthwiseConv2D, layers.Dense)):
        return int(np.prod(operation.kernel.shape)) * positions
    return 0
