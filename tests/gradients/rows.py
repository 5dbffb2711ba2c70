"""A row of the gradient table: a few nn ops between arguments and results, written as nn text.

A `Row` collects arguments with their values and ops, and knows nothing of gradients; check_gradients.py joins rows into
one module and compares.
"""
import zlib

import numpy as np


class Free(int):
    """The size of a dimension that is free in the type: `?` there, this many elements when it runs."""


BATCH = Free(3)
DTYPES = {"f64": np.float64, "f32": np.float32, "i64": np.int64, "i32": np.int32, "i1": np.bool_}


def type_of(shape, element):
    sizes = "".join(("?" if isinstance(size, Free) else str(size)) + "x" for size in shape)
    return f"tensor<{sizes}{element}>"


def attributes(**values):
    """An attribute dictionary: lists are arrays of i64, True is a unit, False is absent, text stands as it is."""
    def text(name, value):
        if value is True:
            return name
        if isinstance(value, (list, tuple)):
            return f"{name} = array<i64: {', '.join(map(str, value))}>"
        return f"{name} = {value}" + (" : i64" if isinstance(value, int) else "")
    parts = [text(name, value) for name, value in values.items() if value is not False]
    return "{" + ", ".join(parts) + "}" if parts else ""


class Tensor:
    """An SSA value of the row."""

    def __init__(self, name, shape, element):
        self.name, self.shape, self.element = name, tuple(shape), element

    @property
    def type(self):
        return type_of(self.shape, self.element)

    def __str__(self):
        return self.name


class Argument:
    def __init__(self, tensor, name, values, expected):
        self.tensor, self.name, self.values, self.expected = tensor, name, values, expected

    @property
    def is_float(self):
        return self.tensor.element[0] == "f"


class Row:
    def __init__(self, name):
        self.name, self.prefix = name, "r_" + "".join(c if c.isalnum() else "_" for c in name)
        self.arguments, self.parameters, self.lines, self.results = [], [], [], []
        self.coarseness = 1  # a factor for the tolerance
        self.count = 0
        self.random = np.random.default_rng(zlib.crc32(name.encode()))

    def fresh(self):
        self.count += 1
        return f"%{self.prefix}_{self.count}"

    def input(self, *shape, low=-1.0, high=1.0, values=None, element="f64", apart=False, expected=None):
        """An argument. Its values are random in [low, high], or given; with `apart` they have distances that finite
        differences do not bridge, for maxima. `expected` is a gradient that finite differences do not give: that of a
        convention at a kink, for seeds of one."""
        if values is None and apart:
            values = self.random.permutation(np.linspace(low, high, int(np.prod(shape)) + 1)[:-1]).reshape(shape)
        elif values is None:
            values = self.random.uniform(low, high, shape)
        values = np.asarray(values, DTYPES[element])
        assert values.shape == tuple(shape), self.name
        name = f"{self.prefix}_in{len(self.arguments)}"
        tensor = Tensor(f"%{name}", shape, element)
        self.arguments.append(Argument(tensor, name, values, expected))
        return tensor

    def parameter(self, tensor):
        """A trainable parameter with the values of an argument, whose gradient is expected to be that argument's."""
        name = f"{self.prefix}_parameter{len(self.parameters)}"
        argument = next(a for a in self.arguments if a.tensor is tensor)
        self.parameters.append((name, argument))
        return lambda: self.op(f'nn.get @"{name}"', shape=tensor.shape, signature="{1}")

    def op(self, text, *operands, shape, element="f64", signature="({}) -> {}", region=""):
        """Adds `text`, with the operands in place of {}, and returns its result of `shape`. `signature` says how the text
        ends: types of the operands, type of the result."""
        result = Tensor(self.fresh(), shape, element)
        types = signature.format(", ".join(operand.type for operand in operands), result.type)
        self.lines.append(f"{result} = {text.format(*operands)} : {types}{region}")
        return result

    def map(self, operands, lines, shape=None, element="f64"):
        """nn.map of the scalar `lines`, in which {k} is operand k and, after the operands, line k; a line is text of type
        f64, or (text, its type)."""
        names = [f"%s{i}" for i in range(len(operands))]
        block = ", ".join(f"{name}: {operand.element}" for name, operand in zip(names, operands))
        body = []
        for line in lines:
            text, kind = line if isinstance(line, tuple) else (line, "f64")
            text = text.format(*names)
            names.append(f"%s{len(names)}")
            body.append(f"    {names[-1]} = {text} : {kind}")
        region = " {\n  ^bb0(" + block + "):\n" + "\n".join(body) + f"\n    nn.yield {names[-1]} : {element}\n  }}"
        if shape is None:
            shape = broadcast(*(operand.shape for operand in operands))
        return self.op("nn.map (" + ", ".join("{}" for _ in operands) + ")", *operands, shape=shape, element=element,
                       region=region)

    def branch(self, condition, bodies, shapes):
        """nn.if. Each of the two `bodies` adds ops and returns what it yields; `shapes` are those of the results."""
        results = [Tensor(self.fresh(), shape, "f64") for shape in shapes]
        types = ", ".join(result.type for result in results)
        branches = []
        for body in bodies:
            outer, self.lines = self.lines, []
            yielded = body()
            branches.append("\n".join([*self.lines, f"nn.yield {', '.join(map(str, yielded))} : {types}"]))
            self.lines = outer
        self.lines.append(f"{', '.join(map(str, results))} = nn.if {condition} : ({condition.type}) -> ({types}) {{\n{branches[0]}\n}} "
                          f"else {{\n{branches[1]}\n}}")
        return results

    def scan(self, carried, sequences, body, stacked=(), reversed=None, shapes=None):
        """nn.scan. `body(carried, slices)` adds ops and returns what it yields; `stacked` has the shapes of the stacked
        slices; `reversed` is as in the op."""
        initial = [Tensor(self.fresh(), t.shape, t.element) for t in carried]
        slices = [Tensor(self.fresh(), t.shape[1:], t.element) for t in sequences]
        outer, self.lines = self.lines, []
        yielded = body(initial, slices)
        inner, self.lines = self.lines, outer
        steps = sequences[0].shape[0]
        results = [Tensor(self.fresh(), t.shape, t.element) for t in carried]
        results += [Tensor(self.fresh(), (steps, *shape), "f64") for shape in stacked]

        def bind(names, values):
            return ", ".join(f"{name} = {value}" for name, value in zip(names, values))

        def types(values):
            return ", ".join(value.type for value in values)
        flags = ""
        if reversed:
            flags = " attributes {reversed = array<i1: " + ", ".join(str(flag).lower() for flag in reversed) + ">}"
        carry = f"carry ({bind(initial, carried)}) " if carried else ""
        self.lines.append(f"{', '.join(map(str, results))} = nn.scan {carry}over ({bind(slices, sequences)}){flags} : "
                          f"({types([*carried, *sequences])}) -> ({types(results)}) {{\n"
                          + "\n".join(f"  {line}" for line in inner)
                          + f"\n  nn.yield {', '.join(map(str, yielded))} : {types(yielded)}\n}}")
        return results

    def recurrent(self, kind, operands, shapes, clauses, flags="", region=""):
        """A recurrent layer; `clauses` names the operands as the op's text does."""
        results = [Tensor(self.fresh(), shape, "f64") for shape in shapes]
        types = ", ".join(operand.type for operand in operands)
        self.lines.append(f"{', '.join(map(str, results))} = nn.{kind} {clauses.format(*operands)} {flags} : ({types}) -> "
                          f"({', '.join(result.type for result in results)}){region}")
        return results

    def returns(self, *tensors):
        self.results += tensors


def broadcast(*shapes):
    """NumPy's broadcasting, of which free sizes come out free."""
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(shape)) + tuple(shape) for shape in shapes]
    return tuple(next((size for size in sizes if size != 1), sizes[0]) for sizes in zip(*padded))


FAMILIES = {}


def row(family, name):
    """Makes a function that fills a `Row` and returns a result, or several, into a row of the table."""
    def add(build):
        entry = Row(f"{family}_{name}")
        results = build(entry)
        entry.returns(*(results if isinstance(results, (list, tuple)) else (results,)))
        FAMILIES.setdefault(family, []).append(entry)
        return build
    return add
