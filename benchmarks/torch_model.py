"""A Keras model as the PyTorch module that one would write by hand: channels first, torch.nn layers, padding inside the layers.

PyTorch is measured with it, and ONNX Runtime and OpenVINO with what torch.onnx.export makes of it. Keras's own exporters keep the
channels-last graph, which costs those runtimes conversions, and fail on ConvNeXt. Only the layers of models.py are known.
"""
import dataclasses
import functools
import operator

import numpy as np
import torch
from torch import nn
from torch.nn import functional

TO_CHANNELS_LAST, TO_CHANNELS_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)


def softmax(x):
    return functional.softmax(x, -1)


def gelu_tanh(x):
    return functional.gelu(x, approximate="tanh")


ACTIVATIONS = {"relu": functional.relu, "relu6": functional.relu6, "gelu": functional.gelu,
               "silu": functional.silu, "sigmoid": torch.sigmoid,
               "hard_sigmoid": functional.hardsigmoid, "hard_silu": functional.hardswish, "softmax": softmax}


class Recurrent(nn.Module):
    """The outputs of nn.LSTM or nn.GRU, all or the last."""

    def __init__(self, module, all_outputs):
        super().__init__()
        self.module, self.all_outputs = module, all_outputs

    def forward(self, x):
        outputs = self.module(x)[0]
        return outputs if self.all_outputs else outputs[:, -1]


class SelfAttention(nn.Module):
    """Multi-head attention of a sequence to itself; its three projections are one product, as one writes them for speed."""

    def __init__(self, heads, width, causal):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.projection, self.output = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        batch, length, width = x.shape
        query, key, value = (part.reshape(batch, length, self.heads, width // self.heads).transpose(1, 2)
                             for part in self.projection(x).split(width, -1))
        y = functional.scaled_dot_product_attention(query, key, value, is_causal=self.causal)
        return self.output(y.transpose(1, 2).reshape(batch, length, width))


class Scale(nn.Module):
    """x * scale + offset, each broadcast against x."""

    def __init__(self, scale, offset=None):
        super().__init__()
        self.register_buffer("scale", tensor(scale))
        self.register_buffer("offset", None if offset is None else tensor(offset))

    def forward(self, x):
        return x * self.scale if self.offset is None else x * self.scale + self.offset


def tensor(value):
    value = value.detach().cpu() if isinstance(value, torch.Tensor) else value
    return torch.from_numpy(np.array(value, np.float32))


def assign(module, **values):
    """Sets parameters and buffers of a module; None leaves the module's own value."""
    for name, value in values.items():
        if value is not None:
            getattr(module, name).data = tensor(value).contiguous()
    return module


def array(variable):
    return variable.value.detach().cpu().numpy() if hasattr(variable, "value") else np.array(variable)


@dataclasses.dataclass(frozen=True)
class Padded:
    """A value with zeros around it that are not written yet."""
    node: torch.fx.Node
    sides: tuple


class Converter:
    """Walks a Keras graph and writes a torch.fx graph. `channels_last` holds the nodes whose value is kept that way."""

    def __init__(self):
        self.graph, self.root, self.channels_last = torch.fx.Graph(), nn.Module(), set()

    def convert(self, model):
        x = self.graph.placeholder("x")
        self.graph.output(self.first(self.body(model, x)))
        return torch.fx.GraphModule(self.root, self.graph).eval()

    def body(self, model, x):
        functional_model = getattr(model, "_functional", None) or model
        return functional_model._run_through_graph(x, operation_fn=lambda layer: functools.partial(self.layer, layer))

    def layer(self, layer, *arguments, use_causal_mask=False, **_):
        kind = type(layer).__name__
        if kind == "MultiHeadAttention":
            return self.attention(layer, *arguments, use_causal_mask)
        if kind == "Sequential":
            return self.body(layer, *arguments)
        return getattr(self, kind)(layer, *arguments)

    def module(self, layer, module, x):
        """Calls `module` with the layer's activation behind it; the result is laid out as x is."""
        name = layer.name.replace(".", "_")
        self.root.add_module(name, module)
        node = self.graph.call_module(name, (x,))
        node = self.as_laid_out(x, node)
        activation = getattr(layer, "activation", None)
        return self.activation(activation.__name__, node) if activation else node

    def activation(self, name, x):
        return x if name == "linear" else self.call(ACTIVATIONS[name], x)

    def call(self, function, *arguments):
        return self.as_laid_out(arguments[0], self.graph.call_function(function, arguments))

    def as_laid_out(self, x, node):
        if x in self.channels_last:
            self.channels_last.add(node)
        return node

    def first(self, x):
        return self.graph.call_function(torch.permute, (x, TO_CHANNELS_FIRST)) if x in self.channels_last else x

    def last(self, x):
        if x in self.channels_last:
            return x
        node = self.graph.call_function(torch.permute, (x, TO_CHANNELS_LAST))
        self.channels_last.add(node)
        return node

    # Layers and operations, in alphabetical order: (layer, inputs...) -> node.

    def Activation(self, layer, x):
        return self.activation(layer.activation.__name__, x)

    def Add(self, layer, *inputs):
        return self.pointwise(torch.add, *inputs)

    def AveragePooling2D(self, layer, x):
        x, sides = self.padded(layer, layer.pool_size, x)
        assert all(low == high for low, high in sides)
        return self.module(layer, nn.AvgPool2d(layer.pool_size, layer.strides, [low for low, _ in sides], count_include_pad=False), x)

    def BatchNormalization(self, layer, x):
        module = nn.BatchNorm2d(layer.moving_mean.shape[0], eps=layer.epsilon, momentum=1 - layer.momentum)
        assign(module, weight=layer.gamma, bias=layer.beta, running_mean=layer.moving_mean, running_var=layer.moving_variance)
        return self.module(layer, module, self.first(x))

    def Concatenate(self, layer, inputs):
        return self.graph.call_function(torch.cat, ([self.first(x) for x in inputs], 1))

    def Conv2D(self, layer, x):
        return self.convolution(layer, x, array(layer.kernel).transpose(3, 2, 0, 1), layer.groups)

    def Dense(self, layer, x):
        kernel, source = array(layer.kernel), layer.input._keras_history.operation
        if type(source).__name__ == "Flatten" and len(source.input.shape) == 4:
            # Flatten runs over channels, then pixels here, where Keras runs over pixels, then channels.
            kernel = kernel.reshape(*source.input.shape[1:], -1).transpose(2, 0, 1, 3).reshape(kernel.shape)
        module = nn.Linear(*kernel.shape, bias=layer.use_bias)
        assign(module, weight=kernel.T, bias=layer.bias if layer.use_bias else None)
        return self.module(layer, module, self.last(x) if len(layer.output.shape) == 4 else x)

    def DepthwiseConv2D(self, layer, x):
        kernel = array(layer.kernel)
        kernel = kernel.transpose(2, 3, 0, 1).reshape(-1, 1, *kernel.shape[:2])
        return self.convolution(layer, x, kernel, layer.input.shape[-1])

    def Dropout(self, layer, x):
        return x

    def Embedding(self, layer, x):
        module = nn.Embedding(layer.input_dim, layer.output_dim)
        return self.module(layer, assign(module, weight=array(layer.embeddings)), x)

    def Flatten(self, layer, x):
        return self.graph.call_function(torch.flatten, (self.first(x), 1))

    def Gelu(self, layer, x):
        return self.call(gelu_tanh if layer.approximate else functional.gelu, x)

    def GetItem(self, layer, x, key):
        return self.graph.call_function(operator.getitem, (x, tuple(key)))

    def GlobalAveragePooling1D(self, layer, x):
        return self.graph.call_function(torch.mean, (x, 1))

    def GlobalAveragePooling2D(self, layer, x):
        node = self.module(layer, nn.AdaptiveAvgPool2d(1), self.first(x))
        return node if layer.keepdims else self.graph.call_function(torch.flatten, (node, 1))

    def GRU(self, layer, x):
        assert layer.reset_after
        return self.recurrent(layer, nn.GRU, (1, 0, 2), x)

    def InputLayer(self, layer, x):
        return x

    def LayerNormalization(self, layer, x):
        module = nn.LayerNorm(layer.gamma.shape[0], eps=layer.epsilon)
        assign(module, weight=layer.gamma, bias=layer.beta)
        return self.module(layer, module, self.last(x) if len(layer.output.shape) == 4 else x)

    def LayerScale(self, layer, x):
        return self.module(layer, Scale(array(layer.gamma)), self.last(x))

    def LSTM(self, layer, x):
        return self.recurrent(layer, nn.LSTM, (0, 1, 2, 3), x)

    def Matmul(self, layer, x, y):
        return self.graph.call_function(torch.matmul, (x, y))

    def MaxPooling2D(self, layer, x):
        # Only ever behind a ReLU here, where padding with zeros is padding with minus infinity.
        x, sides = self.padded(layer, layer.pool_size, x)
        assert all(low == high for low, high in sides)
        return self.module(layer, nn.MaxPool2d(layer.pool_size, layer.strides, [low for low, _ in sides]), x)

    def Multiply(self, layer, *inputs):
        return self.pointwise(torch.mul, *inputs)

    def Normalization(self, layer, x):
        deviation = np.maximum(np.sqrt(array(layer.variance)), 1e-7)
        return self.scaled(layer, x, 1 / deviation, -array(layer.mean) / deviation)

    def ReLU(self, layer, x):
        return self.activation("relu6" if layer.max_value == 6 else "relu", x)

    def Rescaling(self, layer, x):
        return self.scaled(layer, x, np.array(layer.scale), np.array(layer.offset))

    def Reshape(self, layer, x):
        if len(layer.target_shape) == 2:  # an image to the sequence of its pixels
            pixels = self.graph.call_function(torch.flatten, (self.first(x), 2))
            return self.graph.call_function(torch.transpose, (pixels, 1, 2))
        assert layer.target_shape[:2] == (1, 1)  # [batch, channels] to an image of one pixel
        return self.graph.call_function(torch.reshape, (x, (-1, layer.target_shape[2], 1, 1)))

    def Softmax(self, layer, x):
        return self.call(softmax, x)

    def Transpose(self, layer, x):
        return self.graph.call_function(torch.permute, (x, layer.axes))

    def ZeroPadding2D(self, layer, x):
        return Padded(self.first(x), layer.padding)  # the padding of the layer behind it

    def ZerosLike(self, layer, x):
        return self.call(torch.zeros_like, x)

    def attention(self, layer, x, value, causal):
        assert x is value
        width = layer.num_heads * layer.key_dim
        module = SelfAttention(layer.num_heads, width, causal)
        parts, output = (layer._query_dense, layer._key_dense, layer._value_dense), layer._output_dense
        kernels, biases = ([array(getattr(part, name)) for part in parts] for name in ("kernel", "bias"))
        assign(module.projection, weight=np.concatenate([kernel.reshape(width, width) for kernel in kernels], 1).T,
               bias=np.concatenate([bias.reshape(-1) for bias in biases]))
        assign(module.output, weight=array(output.kernel).reshape(width, width).T, bias=array(output.bias))
        return self.module(layer, module, x)

    def convolution(self, layer, x, kernel, groups):
        x, sides = self.padded(layer, layer.kernel_size, x)
        if any(low != high for low, high in sides):
            x = self.graph.call_function(functional.pad, (x, (*sides[1], *sides[0])))
            sides = ((0, 0), (0, 0))
        module = nn.Conv2d(kernel.shape[1] * groups, kernel.shape[0], kernel.shape[2:], layer.strides, [low for low, _ in sides],
                           groups=groups, bias=layer.use_bias)
        assign(module, weight=kernel, bias=layer.bias if layer.use_bias else None)
        return self.module(layer, module, x)

    def recurrent(self, layer, kind, gates, x):
        """`gates`: Keras's gates in the order in which PyTorch has them."""
        assert not layer.go_backwards
        order = lambda weights: np.concatenate([np.split(weights, len(gates), -1)[gate] for gate in gates], -1)
        kernel, bias = array(layer.cell.kernel), order(array(layer.cell.bias))
        input_bias, recurrent_bias = bias if bias.ndim == 2 else (bias, np.zeros_like(bias))
        module = kind(kernel.shape[0], layer.units, batch_first=True)
        assign(module, weight_ih_l0=order(kernel).T, weight_hh_l0=order(array(layer.cell.recurrent_kernel)).T,
               bias_ih_l0=input_bias, bias_hh_l0=recurrent_bias)
        module.bias_hh_l0.requires_grad_(bias.ndim == 2)  # where Keras has one bias, one is trained
        self.root.add_module(layer.name, Recurrent(module, layer.return_sequences))
        return self.graph.call_module(layer.name, (x,))

    def pointwise(self, function, *inputs):
        """Takes what Keras's layers do, a list, and what its operations do, two values of which the second may be a number."""
        inputs = [self.constant(x) for x in (inputs[0] if len(inputs) == 1 else inputs)]
        if len({x in self.channels_last for x in inputs if isinstance(x, torch.fx.Node)}) > 1:
            inputs = [self.first(x) for x in inputs]
        node = inputs[0]
        for other in inputs[1:]:
            node = self.call(function, node, other)
        return node

    def constant(self, x):
        """An array as a node; nodes and numbers stay."""
        if not hasattr(x, "shape") or isinstance(x, torch.fx.Node):
            return x
        name = f"constant_{len(list(self.root.buffers()))}"
        self.root.register_buffer(name, x if isinstance(x, torch.Tensor) else torch.from_numpy(np.array(x)))
        return self.graph.get_attr(name)

    def scaled(self, layer, x, scale, offset):
        """Scale and offset are numbers, or have one value per channel."""
        image = lambda value: value.reshape(-1, 1, 1) if value.size > 1 else value.reshape(())
        return self.module(layer, Scale(image(scale), image(offset)), self.first(x))

    def padded(self, layer, window, x):
        """The unpadded input of a layer with windows, and its padding: per dimension before and after."""
        if isinstance(x, Padded):
            return x.node, x.sides
        if layer.padding == "valid":
            return self.first(x), ((0, 0), (0, 0))
        totals = [max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip(layer.input.shape[1:3], window, layer.strides)]
        return self.first(x), tuple((total // 2, total - total // 2) for total in totals)


def convert(model):
    return Converter().convert(model)
