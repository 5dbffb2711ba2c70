"""The table: one row for each form of each differentiable op.

Shapes are small, sizes of one row differ from each other so that none can stand for another, and most batches are free.
"""
import re

import numpy as np
from rows import BATCH, attributes, row

# ---------------------------------------------------------------------------------------------------------------------
# Pointwise: the scalar ops of nn.map's rule
# ---------------------------------------------------------------------------------------------------------------------

# name: (range of the operands, lines of the region)
SCALARS = {
    "addf": ((-1, 1), ["arith.addf {0}, {1}"]),
    "subf": ((-1, 1), ["arith.subf {0}, {1}"]),
    "mulf": ((-1, 1), ["arith.mulf {0}, {1}"]),
    "mulf_of_itself": ((-1, 1), ["arith.mulf {0}, {0}"]),
    "divf": ((0.5, 2), ["arith.divf {0}, {1}"]),
    "negf": ((-1, 1), ["arith.negf {0}"]),
    "remf": ((-3, 3), ["arith.constant 0.7", "arith.remf {0}, {1}"]),
    "remf_of_two": ((1, 2), ["arith.mulf {0}, {0}", "arith.mulf {2}, {0}", "arith.remf {3}, {1}"]),
    "maximumf": ((-1, 1), ["arith.maximumf {0}, {1}"]),
    "minimumf": ((-1, 1), ["arith.minimumf {0}, {1}"]),
    "maxnumf": ((-1, 1), ["arith.maxnumf {0}, {1}"]),
    "minnumf": ((-1, 1), ["arith.minnumf {0}, {1}"]),
    "relu": ((-1, 1), ["arith.constant 0.0", "arith.maximumf {0}, {1}"]),
    "select": ((-1, 1), [("arith.cmpf ogt, {0}, {1}", "f64"), "arith.mulf {0}, {1}", ("arith.select {2}, {3}, {1}", "f64")]),
    "extf_truncf": ((-1, 1), [("arith.truncf {0}", "f64 to f32"), ("arith.mulf {1}, {1}", "f32"),
                              ("arith.extf {2}", "f32 to f64"), "arith.mulf {3}, {0}"]),
    "exp": ((-1, 1), ["math.exp {0}"]),
    "exp2": ((-1, 1), ["math.exp2 {0}"]),
    "expm1": ((-1, 1), ["math.expm1 {0}"]),
    "log": ((0.5, 2), ["math.log {0}"]),
    "log1p": ((-0.5, 2), ["math.log1p {0}"]),
    "log2": ((0.5, 2), ["math.log2 {0}"]),
    "log10": ((0.5, 2), ["math.log10 {0}"]),
    "sqrt": ((0.5, 2), ["math.sqrt {0}"]),
    "rsqrt": ((0.5, 2), ["math.rsqrt {0}"]),
    "tanh": ((-2, 2), ["math.tanh {0}"]),
    "sin": ((-2, 2), ["math.sin {0}"]),
    "cos": ((-2, 2), ["math.cos {0}"]),
    "tan": ((-1, 1), ["math.tan {0}"]),
    "asin": ((-0.8, 0.8), ["math.asin {0}"]),
    "acos": ((-0.8, 0.8), ["math.acos {0}"]),
    "atan": ((-2, 2), ["math.atan {0}"]),
    "sinh": ((-1, 1), ["math.sinh {0}"]),
    "cosh": ((-1, 1), ["math.cosh {0}"]),
    "asinh": ((-2, 2), ["math.asinh {0}"]),
    "acosh": ((1.5, 3), ["math.acosh {0}"]),
    "atanh": ((-0.8, 0.8), ["math.atanh {0}"]),
    "erf": ((-1.5, 1.5), ["math.erf {0}"]),
    "absf": ((-1, 1), ["math.absf {0}"]),
    "powf": ((0.5, 2), ["math.powf {0}, {1}"]),
    "powf_of_constant": ((-2, 2), ["arith.constant 3.0", "math.powf {0}, {1}"]),
    "fma": ((-1, 1), ["math.fma {0}, {1}, {2}"]),
    "copysign": ((-1, 1), ["math.copysign {0}, {1}"]),
    "clampf": ((-1, 1), ["arith.constant -0.4", "arith.constant 0.6", "math.clampf {0} to [{1}, {2}]"]),
    "atan2": ((0.5, 2), ["math.atan2 {0}, {1}"]),
    "fpowi": ((0.5, 2), [("arith.constant 3", "i32"), ("math.fpowi {0}, {1}", "f64, i32")]),
    # Piecewise constant: beside them x, so that the row shows that they add nothing.
    **{name: ((-1.9, 1.9), [f"{dialect}.{name} {{0}}", "arith.mulf {0}, {1}"])
       for dialect, name in (("math", "floor"), ("math", "ceil"), ("math", "round"), ("math", "roundeven"), ("math", "trunc"))},
    "sitofp": ((-1.9, 1.9), [("arith.fptosi {0}", "f64 to i32"), ("arith.sitofp {1}", "i32 to f64"), "arith.mulf {0}, {2}"]),
    "uitofp": ((0.2, 2.9), [("arith.fptoui {0}", "f64 to i32"), ("arith.uitofp {1}", "i32 to f64"), "arith.mulf {0}, {2}"]),
}


def count_operands(lines):
    """{k} is an operand or, beyond the operands, a line: the highest is the last line but one."""
    used = {int(k) for line in lines for k in re.findall(r"\{(\d+)\}", line if isinstance(line, str) else line[0])}
    return max(used) + 2 - len(lines)


for name, ((low, high), lines) in SCALARS.items():
    @row("pointwise", name)
    def _(c, low=low, high=high, lines=lines):
        # Away from 0, from integers and from each other.
        c.coarseness = 5000 if "f32" in str(lines) else 1
        spread = [c.input(7, low=low + 0.013 * k, high=high - 0.011 * k, apart=True) for k in range(count_operands(lines))]
        return c.map(spread, lines)


@row("pointwise", "sigmoid_of_sum")
def _(c):
    x, b = c.input(BATCH, 5), c.input(5)
    return c.map((x, b), ["arith.addf {0}, {1}", "arith.negf {2}", "math.exp {3}", "arith.constant 1.0",
                          "arith.addf {4}, {5}", "arith.divf {5}, {6}"])


@row("pointwise", "relu_at_zero")
def _(c):
    x = c.input(4, values=[0, -1, 1, 0], expected=np.array([0, 0, 1, 0]))
    return c.map((x,), ["arith.constant 0.0", "arith.maximumf {0}, {1}"])


@row("pointwise", "absf_at_zero")
def _(c):
    return c.map((c.input(4, values=[0, -1, 1, 0]),), ["math.absf {0}"])


@row("pointwise", "maximumf_of_equals")
def _(c):
    return c.map((c.input(3, values=[0.5, 1, 2]), c.input(3, values=[0.5, 2, 1])), ["arith.maximumf {0}, {1}"])


@row("pointwise", "minimumf_of_equals")
def _(c):
    return c.map((c.input(3, values=[0.5, 1, 2]), c.input(3, values=[0.5, 2, 1])), ["arith.minimumf {0}, {1}"])


@row("pointwise", "powf_at_zero")
def _(c):
    # x^2 and 0^y are flat at x = 0.
    return c.map((c.input(3, values=[0, 1, 2]), c.input(3, values=[2, 3, 2.5])), ["math.powf {0}, {1}"])


@row("pointwise", "masked")
def _(c):
    mask = c.input(BATCH, 4, values=c.random.integers(0, 2, (3, 4)), element="i1")
    return c.map((mask, c.input(BATCH, 4), c.input(4)), [("arith.select {0}, {1}, {2}", "f64")])


# Broadcasting: the gradient is a sum over what repeats.
for name, shapes in {
        "scalar": ((), (BATCH, 3)), "leading": ((4,), (BATCH, 2, 4)), "ones": ((BATCH, 1, 4), (2, 1)),
        "both_ways": ((3, 1, 2), (1, 5, 2)), "batch_of_one": ((1, 4), (BATCH, 4)), "inner": ((BATCH, 3, 1), (BATCH, 3, 5)),
        "three": ((BATCH, 1, 4), (2, 1), (1, 1, 1))}.items():
    @row("pointwise", f"broadcast_{name}")
    def _(c, shapes=shapes):
        operands = [c.input(*shape) for shape in shapes]
        return c.map(operands, ["arith.mulf {0}, {1}"] if len(operands) == 2
                     else ["arith.mulf {0}, {1}", "arith.mulf {3}, {2}"])


# ---------------------------------------------------------------------------------------------------------------------
# The engine: sums over uses, several results, parameters
# ---------------------------------------------------------------------------------------------------------------------

@row("engine", "used_twice")
def _(c):
    x = c.input(BATCH, 4)
    y = c.map((x,), ["math.sin {0}"])
    z = c.map((x, y), ["arith.mulf {0}, {1}"])
    return c.map((z, y, x), ["arith.mulf {0}, {1}", "arith.addf {3}, {2}"])


@row("engine", "results_of_one_value")
def _(c):
    x = c.input(BATCH, 4)
    y = c.map((x,), ["math.exp {0}"])
    return y, c.map((y,), ["arith.mulf {0}, {0}"]), c.op("nn.reduce sum {} dims [1]", y, shape=(BATCH,))


@row("engine", "result_is_argument")
def _(c):
    x = c.input(BATCH, 4)
    return x, c.map((x,), ["math.exp {0}"])


@row("engine", "unused_result")
def _(c):
    x, y = c.input(BATCH, 4), c.input(BATCH, 2)
    c.map((x,), ["math.exp {0}"])
    return c.map((y,), ["math.exp {0}"])


@row("engine", "random")
def _(c):
    # Numbers that take nothing from x but its shape.
    x = c.input(BATCH, 4)
    seed, step = (c.input(values=value, element="i64") for value in (5, 2))
    y = c.op("nn.random uniform {}, {} stream 3 like {} from [0, 1]", seed, step, x, shape=x.shape)
    return c.map((x, y), ["arith.mulf {0}, {1}", "math.exp {2}"])


@row("engine", "parameter")
def _(c):
    # The same values as a parameter and as an argument: read twice, transposed once.
    x, w = c.input(BATCH, 4), c.input(4, 4)
    get = c.parameter(w)
    def layer(w1, w2):
        y = c.op("nn.matmul {}, {}", x, w1, shape=(BATCH, 4))
        y = c.map((y,), ["math.tanh {0}"])
        return c.op("nn.matmul {}, {} {{transpose_rhs}}", y, w2, shape=(BATCH, 4))
    return layer(w, w), layer(get(), get())


# ---------------------------------------------------------------------------------------------------------------------
# Convolution
# ---------------------------------------------------------------------------------------------------------------------

def window_extent(size, window, stride, dilation, low, high):
    return (size + low + high - dilation * (window - 1) - 1) // stride + 1


def spatial(rank, value):
    return list(value) if isinstance(value, (list, tuple)) else [value] * rank


def conv(c, size, window, channels=2, filters=3, strides=1, dilations=1, low=0, high=0, groups=1, batch=BATCH):
    rank = len(size)
    strides, dilations, low, high = (spatial(rank, value) for value in (strides, dilations, low, high))
    x, w = c.input(batch, *size, channels), c.input(*window, channels // groups, filters)
    positions = [window_extent(*values) for values in zip(size, window, strides, dilations, low, high)]
    options = attributes(strides=strides, dilations=dilations, padding_low=low, padding_high=high, groups=groups)
    return c.op("nn.conv {}, {} " + escape(options), x, w, shape=(batch, *positions, filters))


def escape(text):
    return text.replace("{", "{{").replace("}", "}}")


for name, options in {
        "plain": dict(size=(5, 6), window=(3, 2)),
        "pointwise": dict(size=(3, 4), window=(1, 1)),
        "pointwise_strided": dict(size=(5, 4), window=(1, 1), strides=2),
        "same": dict(size=(4, 5), window=(3, 3), low=1, high=1),
        "more_padding_than_reach": dict(size=(3, 4), window=(2, 2), low=(2, 0), high=(1, 2)),
        "strided": dict(size=(6, 7), window=(3, 2), strides=2),
        "strided_with_rest": dict(size=(7, 8), window=(2, 3), strides=(3, 2), low=(0, 1)),
        "strided_beyond_window": dict(size=(8, 7), window=(2, 1), strides=3, high=(1, 0)),
        "dilated": dict(size=(6, 7), window=(2, 3), dilations=(3, 2), low=(1, 2), high=(2, 0)),
        "dilated_strided": dict(size=(8, 7), window=(3, 2), dilations=2, strides=(2, 3), low=1, high=(2, 1)),
        "groups": dict(size=(4, 5), window=(2, 3), channels=4, filters=6, groups=2, low=1),
        "groups_strided": dict(size=(5, 6), window=(3, 2), channels=6, filters=3, groups=3, strides=2, high=1),
        "depthwise": dict(size=(5, 4), window=(3, 3), channels=3, filters=3, groups=3, low=1, high=1),
        "depthwise_multiplier_strided": dict(size=(5, 6), window=(3, 2), channels=2, filters=6, groups=2, strides=2, low=1),
        "one_dimension": dict(size=(7,), window=(3,), low=2),
        "one_dimension_strided_dilated": dict(size=(9,), window=(3,), strides=2, dilations=2, low=1, high=2),
        "three_dimensions": dict(size=(3, 4, 3), window=(2, 3, 1), low=(1, 0, 0), channels=2, filters=2),
        "three_dimensions_strided": dict(size=(4, 3, 5), window=(2, 1, 3), strides=(2, 1, 2), high=(0, 1, 1), filters=2),
        "three_dimensions_groups": dict(size=(3, 2, 4), window=(2, 2, 2), channels=4, filters=2, groups=2, low=1),
        "one_row": dict(size=(4, 4), window=(3, 3), batch=1)}.items():
    @row("conv", name)
    def _(c, options=options):
        return conv(c, **options)


def conv_transpose(c, size, window, channels=2, filters=3, strides=1, dilations=1, low=0, high=0, extra=0, groups=1):
    rank = len(size)
    strides, dilations, low, high, extra = (spatial(rank, value) for value in (strides, dilations, low, high, extra))
    x, w = c.input(BATCH, *size, channels), c.input(*window, filters // groups, channels)
    positions = [(n - 1) * s + d * (k - 1) + 1 - before - after + e
                 for n, k, s, d, before, after, e in zip(size, window, strides, dilations, low, high, extra)]
    options = attributes(strides=strides, dilations=dilations, padding_low=low, padding_high=high, output_padding=extra,
                         groups=groups)
    return c.op("nn.conv_transpose {}, {} " + escape(options), x, w, shape=(BATCH, *positions, filters))


for name, options in {
        "plain": dict(size=(3, 4), window=(2, 3)),
        "strided": dict(size=(3, 4), window=(3, 2), strides=2),
        "stride_beyond_window": dict(size=(3, 2), window=(2, 1), strides=3),
        "padding": dict(size=(4, 3), window=(3, 3), strides=2, low=(1, 0), high=(1, 2)),
        "output_padding": dict(size=(3, 4), window=(3, 3), strides=2, low=1, high=1, extra=(1, 0)),
        "output_padding_of_stride": dict(size=(3, 2), window=(2, 2), strides=(3, 2), extra=(2, 1)),
        "negative_padding": dict(size=(3, 2), window=(2, 2), low=(-1, 0), high=(0, -2)),
        "negative_padding_strided": dict(size=(3, 2), window=(2, 3), strides=2, low=(-1, 1), high=(-2, 0), extra=(0, 1)),
        "dilated": dict(size=(3, 4), window=(2, 3), dilations=(3, 2), strides=(2, 1), low=1),
        "groups": dict(size=(3, 3), window=(2, 3), channels=4, filters=6, groups=2, strides=2),
        "depthwise": dict(size=(4, 3), window=(3, 2), channels=3, filters=3, groups=3, strides=(1, 2), low=1),
        "one_dimension": dict(size=(5,), window=(4,), strides=2, low=1, high=1),
        "three_dimensions": dict(size=(2, 3, 2), window=(2, 2, 3), strides=(2, 1, 2), high=(0, 1, 1), filters=2)}.items():
    @row("conv_transpose", name)
    def _(c, options=options):
        return conv_transpose(c, **options)


# ---------------------------------------------------------------------------------------------------------------------
# Pooling
# ---------------------------------------------------------------------------------------------------------------------

def pool(c, kind, size, window, strides=1, dilations=1, low=0, high=0, channels=2, values=None, expected=None,
         batch=BATCH, **flags):
    rank = len(size)
    strides, dilations, low, high = (spatial(rank, value) for value in (strides, dilations, low, high))
    x = c.input(batch, *size, channels, apart=True, values=values, expected=expected)
    positions = [window_extent(*values) for values in zip(size, window, strides, dilations, low, high)]
    options = attributes(window=window, strides=strides, dilations=dilations, padding_low=low, padding_high=high, **flags)
    return c.op(f"nn.{kind} {{}} " + escape(options), x, shape=(batch, *positions, channels))


for name, options in {
        "plain": dict(size=(4, 6), window=(2, 3), strides=(2, 3)),
        "overlapping": dict(size=(5, 6), window=(3, 3), strides=(2, 1)),
        "padded": dict(size=(4, 5), window=(3, 2), strides=(1, 2), low=(1, 1), high=(2, 0)),
        "with_rest": dict(size=(7, 5), window=(2, 2), strides=3),
        "dilated": dict(size=(6, 7), window=(2, 3), dilations=(3, 2), low=1, high=(0, 2)),
        "one_dimension": dict(size=(7,), window=(3,), strides=2, low=1, high=1),
        "three_dimensions": dict(size=(3, 4, 3), window=(2, 2, 2), strides=(1, 2, 1), low=(1, 0, 0))}.items():
    for kind in ("max_pool", "avg_pool"):
        @row("pool", f"{kind}_{name}")
        def _(c, kind=kind, options=options):
            return pool(c, kind, **options)
    if "low" in options:
        @row("pool", f"avg_pool_{name}_count_include_pad")
        def _(c, options=options):
            return pool(c, "avg_pool", count_include_pad=True, **options)


@row("pool", "max_pool_ties")
def _(c):
    # The first of equal taps takes the gradient.
    return pool(c, "max_pool", (5,), (3,), strides=2, channels=1, batch=1, values=np.reshape([1., 2, 2, 1, 1], (1, 5, 1)),
                expected=np.reshape([0., 1, 1, 0, 0], (1, 5, 1)))


# ---------------------------------------------------------------------------------------------------------------------
# Reductions and normalization
# ---------------------------------------------------------------------------------------------------------------------

def reduce(c, kind, x, dims, keep=False):
    shape = [1 if i in dims else size for i, size in enumerate(x.shape) if keep or i not in dims]
    return c.op(f"nn.reduce {kind} {{}} dims {list(dims)}" + (" keep_dims" if keep else ""), x, shape=shape)


for kind in ("sum", "mean", "prod", "max", "min", "sum_square", "log_sum_exp"):
    for name, (shape, dims, keep) in {
            "last": ((BATCH, 4), (1,), False), "middle_kept": ((BATCH, 4, 2), (1,), True),
            "batch_and_last": ((BATCH, 2, 4), (0, 2), False), "all": ((3, 2), (0, 1), False)}.items():
        @row("reduce", f"{kind}_{name}")
        def _(c, kind=kind, shape=shape, dims=dims, keep=keep):
            return reduce(c, kind, c.input(*shape, low=-1.5, high=2, apart=True), dims, keep)

for kind in ("max", "min"):
    @row("reduce", f"{kind}_ties")
    def _(c, kind=kind):
        return reduce(c, kind, c.input(2, 4, values=[[2, 1, 2, 1], [3, -1, -1, 3]]), (1,))


@row("reduce", "prod_zeros")
def _(c):
    return reduce(c, "prod", c.input(4, 3, values=[[2, 3, 4], [0, 3, 4], [0, 2, 0], [-1, 0, 0.5]]), (1,))


@row("reduce", "log_sum_exp_large")
def _(c):
    return reduce(c, "log_sum_exp", c.input(3, 4, low=700, high=703), (1,))


for name, (shape, dims) in {"last": ((BATCH, 5), [1]), "middle": ((BATCH, 4, 2), [1]), "two": ((BATCH, 2, 3), [1, 2])}.items():
    @row("norm", f"softmax_{name}")
    def _(c, shape=shape, dims=dims):
        return c.op(f"nn.softmax {{}} dims {dims}", c.input(*shape, low=-2, high=2), shape=shape)

    @row("norm", f"layer_norm_{name}")
    def _(c, shape=shape, dims=dims):
        return c.op(f"nn.layer_norm {{}} dims {dims} epsilon 1.0e-1", c.input(*shape), shape=shape)

    @row("norm", f"rms_norm_{name}")
    def _(c, shape=shape, dims=dims):
        return c.op(f"nn.rms_norm {{}} dims {dims} epsilon 1.0e-1", c.input(*shape), shape=shape)


for name, shape in {"matrix": (BATCH, 4), "image": (BATCH, 2, 3, 4)}.items():
    @row("norm", f"batch_norm_{name}")
    def _(c, shape=shape):
        operands = [c.input(*shape), c.input(4), c.input(4), c.input(4), c.input(4, low=0.2, high=1.5)]
        return c.op("nn.batch_norm {}, {}, {}, {}, {} epsilon 1.0e-1", *operands, shape=shape)


@row("norm", "batch_norm_of_conv")
def _(c):
    # nn-simplify folds it into the convolution, in inference.
    y = conv(c, (3, 3), (2, 2), filters=4)
    operands = [c.input(4), c.input(4), c.input(4), c.input(4, low=0.2, high=1.5)]
    return c.op("nn.batch_norm {}, {}, {}, {}, {} epsilon 1.0e-3", y, *operands, shape=y.shape)


# ---------------------------------------------------------------------------------------------------------------------
# Matrix products
# ---------------------------------------------------------------------------------------------------------------------

for name, (left, right, batch) in {
        "matrices": ((), (), ()), "stack_of_x": ((2,), (), (2,)), "stack_of_y": ((), (2,), (2,)), "stacks": ((2,), (2,), (2,)),
        "free_stacks": ((BATCH, 2), (BATCH, 2), (BATCH, 2)), "broadcast": ((BATCH, 1), (2,), (BATCH, 2)),
        "broadcast_both": ((2, 1), (1, 3), (2, 3)), "free_x": ((BATCH, 2), (), (BATCH, 2))}.items():
    for tx in (False, True):
        for ty in (False, True):
            @row("dense", f"matmul_{name}{'_tx' * tx}{'_ty' * ty}")
            def _(c, left=left, right=right, batch=batch, tx=tx, ty=ty):
                x = c.input(*left, *((3, 2) if tx else (2, 3)))
                y = c.input(*right, *((4, 3) if ty else (3, 4)))
                flags = attributes(transpose_lhs=tx, transpose_rhs=ty)
                return c.op("nn.matmul {}, {} " + escape(flags), x, y, shape=(*batch, 2, 4))


@row("dense", "matmul_free_rows")
def _(c):
    return c.op("nn.matmul {}, {}", c.input(BATCH, 4), c.input(4, 5), shape=(BATCH, 5))


@row("dense", "matmul_many_rows")
def _(c):
    # The gradient of the right side is summed over blocks of rows, the last of which is not full.
    return c.op("nn.matmul {}, {}", c.input(BATCH, 50, 4), c.input(4, 16), shape=(BATCH, 50, 16))


@row("dense", "attention")
def _(c):
    # Scores, softmax and values, as the importers write them.
    q, k, v = (c.input(BATCH, 2, n, d) for n, d in ((4, 3), (5, 3), (5, 2)))
    scores = c.op("nn.matmul {}, {} {{transpose_rhs}}", q, k, shape=(BATCH, 2, 4, 5))
    weights = c.op("nn.softmax {} dims [3]", scores, shape=(BATCH, 2, 4, 5))
    return c.op("nn.matmul {}, {}", weights, v, shape=(BATCH, 2, 4, 2))


# ---------------------------------------------------------------------------------------------------------------------
# Shape
# ---------------------------------------------------------------------------------------------------------------------

def reshape(c, x, shape, origin):
    return c.op(f"nn.reshape {{}} from {origin}", x, shape=shape, signature="{} to {}")


def square(c, x):
    return c.map((x,), ["arith.mulf {0}, {0}"])


for name, (shape, result, origin) in {
        "flatten": ((BATCH, 2, 3), (BATCH, 6), [0, -1]), "split": ((BATCH, 6), (BATCH, 3, 2), [0, -1, -1]),
        "drop_one": ((BATCH, 1, 4), (BATCH, 4), [0, 2]), "static": ((4, 3), (2, 6), [-1, -1])}.items():
    @row("shape", f"reshape_{name}")
    def _(c, shape=shape, result=result, origin=origin):
        return reshape(c, square(c, c.input(*shape)), result, origin)


for name, (shape, permutation) in {"matrix": ((2, 5), [1, 0]), "rotate": ((2, 3, 4), [2, 0, 1]), "inverse": ((2, 3, 4), [1, 2, 0]),
                                   "four": ((BATCH, 2, 4, 5), [0, 3, 1, 2])}.items():
    @row("shape", f"transpose_{name}")
    def _(c, shape=shape, permutation=permutation):
        return c.op(f"nn.transpose {{}} {permutation}", square(c, c.input(*shape)), shape=[shape[i] for i in permutation])


for name, (shape, starts, sizes, strides) in {
        "box": ((BATCH, 6, 5), [0, 1, 2], [-1, 3, 2], [1, 1, 1]), "strided": ((BATCH, 7), [0, 1], [-1, 3], [1, 2]),
        "reversed": ((BATCH, 4), [0, 3], [-1, 4], [1, -1]), "strided_back": ((BATCH, 8, 3), [0, 6, 2], [-1, 3, 2], [1, -2, -1]),
        "one": ((4, 3), [2, 1], [1, 1], [1, 1])}.items():
    @row("shape", f"slice_{name}")
    def _(c, shape=shape, starts=starts, sizes=sizes, strides=strides):
        result = [n if size < 0 else size for n, size in zip(shape, sizes)]
        return c.op(f"nn.slice {{}} starts {starts} sizes {sizes} strides {strides}", square(c, c.input(*shape)), shape=result)


@row("shape", "slice_free_strided")
def _(c):
    y = c.op("nn.slice {} starts [0, 1] sizes [-1, 2] strides [2, 1]", c.input(BATCH, 3), shape=(type(BATCH)(2), 2))
    return c.op("nn.reduce sum_square {} dims [0]", y, shape=(2,))


for name, (dim, sizes) in {"last": (1, (2, 3, 1)), "first": (0, (2, 1)), "middle": (1, (1, 2))}.items():
    @row("shape", f"concat_{name}")
    def _(c, name=name, dim=dim, sizes=sizes):
        shapes = [(BATCH, n) if name == "last" else (n, 4) if dim == 0 else (BATCH, n, 2) for n in sizes]
        inputs = [c.input(*shape) for shape in shapes]
        result = list(shapes[0])
        result[dim] = sum(sizes)
        return c.op("nn.concat " + ", ".join("{}" for _ in inputs) + f" dim {dim}", *inputs, shape=result)


@row("shape", "concat_of_itself")
def _(c):
    x = c.input(BATCH, 2)
    return square(c, c.op("nn.concat {}, {} dim 1", x, x, shape=(BATCH, 4)))


for mode, (low, high) in {"constant": ([0, 1, 2], [0, 3, 0]), "reflect": ([0, 3, 1], [0, 2, 0]),
                          "edge": ([0, 2, 5], [0, 5, 1]), "wrap": ([0, 4, 1], [0, 2, 2])}.items():
    @row("shape", f"pad_{mode}")
    def _(c, mode=mode, low=low, high=high):
        x = c.input(BATCH, 4, 2)
        options = {"constant": "value = 1.5 : f64"}.get(mode, f"mode = {['constant', 'reflect', 'edge', 'wrap'].index(mode)} : i32")
        shape = (BATCH, *(n + before + after for n, before, after in zip((4, 2), low[1:], high[1:])))
        return c.op(f"nn.pad {{}} low {low} high {high} {{{{{options}}}}}", x, shape=shape)


@row("shape", "pad_free_low")
def _(c):
    y = c.op("nn.pad {} low [2, 0] high [0, 1]", square(c, c.input(BATCH, 2)), shape=(type(BATCH)(5), 3))
    return c.op("nn.reduce sum_square {} dims [0]", y, shape=(3,))


for name, (shape, result) in {"leading": ((3, 1), (2, 3, 4)), "inner": ((BATCH, 1, 2), (BATCH, 4, 2)), "scalar": ((), (2, 3))}.items():
    @row("shape", f"broadcast_{name}")
    def _(c, shape=shape, result=result):
        return square(c, c.op("nn.broadcast {}", c.input(*shape), shape=result))


def indices(c, shape, count):
    return c.input(*shape, values=c.random.integers(0, count, [int(size) for size in shape]), element="i64")


for name, (shape, index, dim) in {"rows": ((5, 3), (BATCH, 4), 0), "columns": ((3, 4), (5,), 1), "middle": ((2, 4, 3), (2, 3), 1),
                                  "repeated": ((2, 3), (6,), 0), "scalar": ((4, 3), (), 0), "last": ((2, 3, 4), (3,), 2)}.items():
    @row("shape", f"gather_{name}")
    def _(c, shape=shape, index=index, dim=dim):
        return c.op(f"nn.gather {{}}, {{}} dim {dim}", square(c, c.input(*shape)), indices(c, index, shape[dim]),
                    shape=(*shape[:dim], *index, *shape[dim + 1:]))


@row("shape", "gather_clamped")
def _(c):
    return c.op("nn.gather {}, {} dim 0", c.input(3, 2), c.input(4, values=[-1, 0, 5, 2], element="i64"), shape=(4, 2))


def scatter(c, kind, data, index, updates):
    return c.op(f"nn.scatter {kind} {{}}, {{}}, {{}}", data, index, updates, shape=data.shape)


@row("shape", "scatter_add")
def _(c):
    return scatter(c, "add", c.input(4, 3), c.input(5, values=[1, 0, 1, 3, 9], element="i64"), c.input(5, 3))


for kind in ("set", "mul", "max", "min"):
    @row("shape", f"scatter_{kind}")
    def _(c, kind=kind):
        return scatter(c, kind, c.input(4, 3, apart=True), c.input(5, values=[1, 0, 1, 3, 1], element="i64"),
                       c.input(5, 3, low=-1.03, high=0.97, apart=True))


@row("shape", "scatter_mul_zeros")
def _(c):
    updates = [[0, 2], [3, 0], [0, 4], [5, 6]]
    return scatter(c, "mul", c.input(3, 2, values=[[2, 0], [0, 3], [0, 0]]), c.input(4, values=[0, 1, 0, 1], element="i64"),
                   c.input(4, 2, values=updates))


@row("shape", "scatter_max_ties")
def _(c):
    return scatter(c, "max", c.input(2, 2, values=[[1, 2], [3, 4]]), c.input(3, values=[0, 1, 0], element="i64"),
                   c.input(3, 2, values=[[1, 5], [2, 4], [0, 5]]))


for name, (mode, coordinates, size, sizes) in {
        "nearest_doubled": ("nearest", "half_pixel", (2, 3), (4, 9)), "nearest_times": ("nearest", "asymmetric", (2, 3), (-3, -2)),
        "nearest": ("nearest", "half_pixel", (3, 5), (5, 3)), "nearest_corners": ("nearest", "align_corners", (3, 2), (6, 4)),
        "linear": ("linear", "half_pixel", (3, 4), (7, 3)), "linear_asymmetric": ("linear", "asymmetric", (3, 2), (3, 5)),
        "linear_corners": ("linear", "align_corners", (4,), (7,)), "cubic": ("cubic", "half_pixel", (5, 4), (8, 9)),
        "cubic_three": ("cubic", "asymmetric", (3, 2, 3), (4, 3, 5))}.items():
    @row("shape", f"resize_{name}")
    def _(c, mode=mode, coordinates=coordinates, size=size, sizes=sizes):
        result = [n if n > 0 else -n * extent for n, extent in zip(sizes, size)]
        return c.op(f"nn.resize {mode} {{}} sizes {list(sizes)} {coordinates}", c.input(BATCH, *size, 2),
                    shape=(BATCH, *result, 2))


# ---------------------------------------------------------------------------------------------------------------------
# Branches and loops
# ---------------------------------------------------------------------------------------------------------------------

STEPS = 4


def cell(c, h, x, w):
    """tanh(h w + x)"""
    product = c.op("nn.matmul {}, {}", h, w, shape=h.shape)
    return c.map((product, x), ["arith.addf {0}, {1}", "math.tanh {2}"])


for holds in (True, False):
    @row("branch", f"captured_{holds}")
    def _(c, holds=holds):
        condition, x, y, w = c.input(values=holds, element="i1"), c.input(BATCH, 3), c.input(BATCH, 3), c.input(3, 3)
        return c.branch(condition, [lambda: [cell(c, x, y, w), y], lambda: [x, square(c, cell(c, y, x, w))]],
                        [(BATCH, 3), (BATCH, 3)])

    @row("branch", f"in_loop_{holds}")
    def _(c, holds=holds):
        condition, h0, xs, w = c.input(values=holds, element="i1"), c.input(BATCH, 3), c.input(STEPS, BATCH, 3), c.input(3, 3)
        return c.scan([h0], [xs], lambda h, x: c.branch(condition, [lambda: [cell(c, h[0], x[0], w)],
                                                                    lambda: [c.map((h[0], x[0]), ["arith.mulf {0}, {1}"])]],
                                                        [h0.shape]))


@row("branch", "loop_in_it")
def _(c):
    condition, h0, xs, w = c.input(values=True, element="i1"), c.input(BATCH, 3), c.input(STEPS, BATCH, 3), c.input(3, 3)
    return c.branch(condition, [lambda: c.scan([h0], [xs], lambda h, x: [cell(c, h[0], x[0], w)]), lambda: [square(c, h0)]],
                    [h0.shape])


@row("scan", "carried_and_captured")
def _(c):
    h0, xs, w = c.input(BATCH, 3), c.input(STEPS, BATCH, 3), c.input(3, 3)
    return c.scan([h0], [xs], lambda h, x: [cell(c, h[0], x[0], w)])


@row("scan", "stacked")
def _(c):
    h0, xs, w = c.input(2, 3), c.input(STEPS, 2, 3), c.input(3, 3)

    def body(h, x):
        y = cell(c, h[0], x[0], w)
        return [y, y, c.map((y, x[0]), ["arith.mulf {0}, {1}"])]
    return c.scan([h0], [xs], body, stacked=[(2, 3), (2, 3)])


for name, flags in {"sequence_reversed": (True, False), "stacked_reversed": (False, True), "both_reversed": (True, True)}.items():
    @row("scan", name)
    def _(c, flags=flags):
        h0, xs, w = c.input(2, 3), c.input(STEPS, 2, 3), c.input(3, 3)

        def body(h, x):
            y = cell(c, h[0], x[0], w)
            return [y, c.map((y, h[0]), ["arith.mulf {0}, {1}"])]
        return c.scan([h0], [xs], body, stacked=[(2, 3)], reversed=flags)


@row("scan", "two_carried_two_sequences")
def _(c):
    a, b, xs, ys = c.input(2, 3), c.input(2, 3), c.input(STEPS, 2, 3), c.input(STEPS, 2, 3)

    def body(carried, slices):
        first = c.map((carried[1], slices[0]), ["math.sin {0}", "arith.mulf {2}, {1}"])
        second = c.map((carried[0], carried[1], slices[1]), ["arith.mulf {0}, {1}", "arith.addf {3}, {2}"])
        return [first, second, first]
    return c.scan([a, b], [xs, ys], body, stacked=[(2, 3)], reversed=(False, True, False))


@row("scan", "carried_exchanged")
def _(c):
    a, b, xs = c.input(2, 3), c.input(2, 3), c.input(3, 2, 3)
    return c.scan([a, b], [xs], lambda h, x: [h[1], c.map((h[0], x[0]), ["arith.mulf {0}, {1}"])])


@row("scan", "carried_is_slice")
def _(c):
    # The carried value after the last step is its slice; the first goes nowhere but the first output.
    h0, xs = c.input(2, 3), c.input(STEPS, 2, 3)
    return c.scan([h0], [xs], lambda h, x: [x[0], c.map((h[0], x[0]), ["arith.mulf {0}, {1}"])], stacked=[(2, 3)])


@row("scan", "yields_captured")
def _(c):
    h0, xs, w = c.input(2, 3), c.input(STEPS, 2, 3), c.input(2, 3)
    return c.scan([h0], [xs], lambda h, x: [c.map((h[0], x[0]), ["arith.mulf {0}, {1}"]), w], stacked=[(2, 3)])


@row("scan", "carries_captured")
def _(c):
    h0, xs, w = c.input(2, 3), c.input(STEPS, 2, 3), c.input(2, 3)
    return c.scan([h0, w], [xs], lambda h, x: [w, c.map((h[0], h[1], x[0]), ["arith.mulf {0}, {1}", "arith.mulf {3}, {2}"])])


@row("scan", "carries_itself")
def _(c):
    h0, g0, xs = c.input(2, 3), c.input(2, 3), c.input(STEPS, 2, 3)
    return c.scan([h0, g0], [xs], lambda h, x: [h[0], c.map((h[0], h[1], x[0]), ["arith.mulf {0}, {1}", "arith.mulf {3}, {2}"])])


@row("scan", "unread_carried")
def _(c):
    h0, xs = c.input(2, 3), c.input(STEPS, 2, 3)
    return c.scan([h0], [xs], lambda h, x: [square(c, x[0])])


@row("scan", "shapes_from_values")
def _(c):
    # nn.full takes a shape, and not a gradient, from a hidden value.
    x = square(c, c.input(BATCH, 2))
    zeros = c.op("nn.full 0.5 like {} from [0, -1]", x, shape=(BATCH, 3), signature="{} to {}")
    xs = c.input(STEPS, BATCH, 3)
    return x, c.scan([zeros], [xs], lambda h, s: [c.map((h[0], s[0]), ["arith.mulf {0}, {1}", "math.sin {2}"])])[0]


@row("scan", "one_use_after")
def _(c):
    h0, xs = c.input(2, 3), c.input(STEPS, 2, 3)
    last, stack = c.scan([h0], [xs], lambda h, x: 2 * [c.map((h[0], x[0]), ["arith.mulf {0}, {1}", "math.sin {2}"])],
                         stacked=[(2, 3)])
    return c.map((last, stack), ["arith.mulf {0}, {1}"])


@row("scan", "without_carried")
def _(c):
    xs, w = c.input(STEPS, 2, 3), c.input(2, 3)
    return c.scan([], [xs], lambda h, x: [c.map((x[0], w), ["arith.mulf {0}, {1}", "math.sin {2}"])], stacked=[(2, 3)])


@row("scan", "nested")
def _(c):
    h0, xs, w = c.input(2), c.input(3, 4, 2), c.input(2)

    def body(h, x):
        step = lambda g, y: [c.map((g[0], y[0], w), ["arith.mulf {0}, {2}", "arith.addf {3}, {1}", "math.sin {4}"])]
        return c.scan([h[0]], [x[0]], step)
    return c.scan([h0], [xs], body)


# ---------------------------------------------------------------------------------------------------------------------
# Recurrent layers, through nn-expand-recurrent
# ---------------------------------------------------------------------------------------------------------------------

GATES = {"lstm": 4, "gru": 3, "simple_rnn": 1}
FEATURES, UNITS = 2, 3
STATES = {"lstm": ["initial_hidden", "initial_cell"], "gru": ["initial_hidden"], "simple_rnn": ["initial_hidden"]}


def recurrent(c, kind, bias=True, initial=False, mask=False, flags="", region="", recurrent_bias=False):
    width = GATES[kind] * UNITS
    operands = [c.input(BATCH, STEPS, FEATURES), c.input(FEATURES, width), c.input(UNITS, width)]
    clauses = "{}, {}, {}"
    if bias:
        operands.append(c.input(width))
        clauses += " bias {}"
    if recurrent_bias:
        operands.append(c.input(width))
        clauses += " recurrent_bias {}"
    if initial:
        operands += [c.input(BATCH, UNITS) for _ in STATES[kind]]
        clauses += f" initial({', '.join('{}' for _ in STATES[kind])})"
    if mask:
        values = [[1, 1, 0, 1], [0, 1, 1, 0], [0, 0, 0, 0]]
        operands.append(c.input(BATCH, STEPS, values=values, element="i1"))
        clauses += " mask {}"
    state = (BATCH, UNITS)
    return c.recurrent(kind, operands, [(BATCH, STEPS, UNITS), state, *(state for _ in STATES[kind])], clauses, flags, region)


SOFTSIGN = f"""{{
  ^bb0(%g: tensor<?x{UNITS}xf64>):
    %a = nn.map (%g) : (tensor<?x{UNITS}xf64>) -> tensor<?x{UNITS}xf64> {{
    ^bb0(%e: f64):
      %n = math.absf %e : f64
      %one = arith.constant 1.0 : f64
      %d = arith.addf %n, %one : f64
      %q = arith.divf %e, %d : f64
      nn.yield %q : f64
    }}
    nn.yield %a : tensor<?x{UNITS}xf64>
  }}"""

for kind in GATES:
    for name, options in {
            "plain": {}, "without_bias_initial": dict(bias=False, initial=True), "masked": dict(mask=True),
            "masked_initial_zero_output": dict(mask=True, initial=True, flags="{zero_output_for_mask}"),
            "backwards": dict(flags="{go_backwards}", initial=True),
            "backwards_reversed_masked": dict(flags="{go_backwards, reverse_outputs}", mask=True),
            "softsign": dict(region=f" activation {SOFTSIGN}")}.items():
        if kind == "gru":
            options = dict(options, recurrent_bias=name == "masked")
        @row(kind, name)
        def _(c, kind=kind, options=options):
            return recurrent(c, kind, **options)


for name, flags in {"reset_after": "{reset_after}", "reset_after_masked": "{reset_after, zero_output_for_mask}"}.items():
    @row("gru", name)
    def _(c, name=name, flags=flags):
        return recurrent(c, "gru", recurrent_bias=True, flags=flags, mask=name.endswith("masked"), initial=True)
