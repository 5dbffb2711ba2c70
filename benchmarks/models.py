"""The models that are measured: Keras architectures with seeded random weights.

Speed does not depend on what the weights are, as long as nothing degenerates: activations must neither vanish nor explode, and
no batch normalization, bias or scale may be one that a compiler could drop. `randomize` sees to that. No weights are downloaded.
"""
import keras
import numpy as np
from keras import applications, layers


def mnist_cnn():
    """The network of examples/mnist."""
    return keras.Sequential([
        layers.Input((28, 28, 1)), layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(2), layers.Flatten(),
        layers.Dense(10, activation="softmax")])


def resnet18():
    """ResNet-18 as torchvision has it (keras.applications begins at 50)."""
    def convolution(x, filters, size, stride=1):
        x = layers.ZeroPadding2D(size // 2)(x) if size > 1 else x
        return layers.BatchNormalization(epsilon=1e-5)(layers.Conv2D(filters, size, stride, use_bias=False)(x))

    inputs = layers.Input((224, 224, 3))
    x = layers.ReLU()(convolution(inputs, 64, 7, 2))
    x = layers.MaxPooling2D(3, 2)(layers.ZeroPadding2D(1)(x))
    for filters in (64, 128, 256, 512):
        for block in range(2):
            stride = 2 if block == 0 and filters > 64 else 1
            y = layers.ReLU()(convolution(x, filters, 3, stride))
            y = convolution(y, filters, 3)
            x = layers.ReLU()(layers.Add()([y, convolution(x, filters, 1, stride) if stride > 1 else x]))
    return keras.Model(inputs, layers.Dense(1000)(layers.GlobalAveragePooling2D()(x)))


def application(constructor, side=224):
    """A constructor of keras.applications with its head; its outputs are logits, which compare better than probabilities."""
    return lambda: constructor(weights=None, input_shape=(side, side, 3), classifier_activation=None)


# Name: builder, and the range of the images it expects.
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
}


def images(model, pixels, batch):
    """`batch` images of coarse and fine noise: float32 [batch, height, width, channels] with values between `pixels`."""
    height, width, channels = model.input_shape[1:]
    random = np.random.RandomState(7)
    coarse = random.uniform(0, 1, (batch, -(-height // 8), -(-width // 8), channels))
    noise = .75 * coarse.repeat(8, 1).repeat(8, 2)[:, :height, :width] + .25 * random.uniform(0, 1, (batch, height, width, channels))
    return (pixels[0] + (pixels[1] - pixels[0]) * noise).astype(np.float32)


def randomize(model, pixels):
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
            else:
                depthwise = isinstance(layer, layers.DepthwiseConv2D)
                value = random.standard_normal(weight.shape) * np.sqrt(2 / np.prod(weight.shape[:2 if depthwise else -1]))
            weight.assign(value)
    normalizations = [layer for layer in flatten(model) if isinstance(layer, layers.BatchNormalization)]
    momenta = [layer.momentum for layer in normalizations]
    for layer in normalizations:
        layer.momentum = 0
    if normalizations:
        model(images(model, pixels, 2), training=True)
    for layer, momentum in zip(normalizations, momenta):
        layer.momentum = momentum
        layer.moving_mean.assign(layer.moving_mean * random.uniform(.8, 1.2, layer.moving_mean.shape))
        layer.moving_variance.assign(layer.moving_variance * random.uniform(.8, 1.2, layer.moving_mean.shape) + 1e-3)


def flatten(model):
    """Every layer in a model, those of nested models too."""
    return list(model._flatten_layers(include_self=False))


def sublayers(layer):
    return list(layer._flatten_layers(include_self=False))


def flops(model):
    """Floating-point operations for one image: two for each multiply-add of a convolution or matrix product, nothing else."""
    weighted = (layers.Conv2D, layers.DepthwiseConv2D, layers.Dense)
    return sum(2 * int(np.prod(layer.kernel.shape)) * int(np.prod(layer.output.shape[1:-1]))
               for layer in flatten(model) if isinstance(layer, weighted))
