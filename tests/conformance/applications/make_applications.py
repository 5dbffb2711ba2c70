"""Makes applications.tar.xz: what check_application.py needs of every keras.applications model, without the weights.

For each model NAME/: config.json (model.to_json()) and description.json (variables as weights.py reads them, input shape and
range). For the models in COMPARED also output.npy: Keras's output for weights.images() with those weights. A batch
normalisation's random statistics are scaled by what its input really has (one number each), and the classifier's kernel so
that its outputs spread without saturating, which keeps every layer's activations of order one.

Run with: pip install keras==3.15.1 jax h5py && KERAS_BACKEND=jax python make_applications.py [NAME...]
"""
import inspect
import io
import json
import os
import pathlib
import sys
import tarfile
import tempfile

os.environ.setdefault("KERAS_BACKEND", "jax")

import h5py
import keras
import numpy as np
import weights

HERE = pathlib.Path(__file__).resolve().parent
COMPARED = ("ResNet50", "MobileNetV2", "VGG16", "DenseNet121", "EfficientNetB0", "InceptionV3", "ConvNeXtTiny",
            "NASNetMobile", "MobileNetV3Small", "Xception", "ResNet50V2")


def constructors():
    return {name: function for name, function in vars(keras.applications).items()
            if inspect.isfunction(function) and name[0].isupper()}


def variable_kinds(model):
    """id of each variable -> kind and scale, before calibration."""
    kinds = {}
    for layer in model._flatten_layers():
        for variable in layer._trainable_variables + layer._non_trainable_variables:
            name, shape = variable.path.rsplit("/", 1)[-1], variable.shape
            if not np.issubdtype(np.dtype(variable.dtype), np.floating):
                kind = ["count", 0]
            elif "variance" in name:
                kind = ["variance", 1.0]
            elif "mean" in name:
                kind = ["mean", 1.0]
            elif name == "gamma" or type(layer).__name__ == "LayerScale":
                kind = ["gamma", 0]
            elif name in ("bias", "beta"):
                kind = ["bias", 0]
            else:
                fan_in = np.prod(shape[:2]) if "depthwise" in type(layer).__name__.lower() or "depthwise" in name \
                    else np.prod(shape[:-1])
                kind = ["kernel", float(np.sqrt(2.0 / fan_in))]
            kinds[id(variable)] = kind
    return kinds


def describe(model, directory):
    """The variables in the order of the HDF5 file: each is set to a number of its own, saved, and found again."""
    kinds, variables = variable_kinds(model), model.variables
    for number, variable in enumerate(variables):
        variable.assign(np.full(variable.shape, number, variable.dtype))
    path = os.path.join(directory, "numbered.weights.h5")
    model.save_weights(path)
    groups, described, owner = [], [], {}

    def visit(name, node):
        if isinstance(node, h5py.Group):
            groups.append(name)
        else:
            variable = variables[int(np.asarray(node).flat[0])]
            owner[id(variable)] = len(described)
            described.append([name, list(node.shape), *kinds[id(variable)]])

    with h5py.File(path) as file:
        file.visititems(visit)
    return {"groups": groups, "variables": described}, owner


def calibrate(model, description, owner, images, load):
    """Scales the statistics of each batch normalisation to its input and the last kernel to its logits."""
    normalizations = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
    if normalizations:
        for layer in normalizations:
            layer.momentum = 0.0
        model(images, training=True)  # the moving statistics are now the batch's
        for layer in normalizations:
            scale = float(f"{np.mean(np.asarray(layer.moving_variance)):.3g}")
            for variable in (layer.moving_mean, layer.moving_variance):
                description["variables"][owner[id(variable)]][3] = scale
        load()
    kernel = [variable for variable in model.trainable_variables if variable.path.endswith("kernel")][-1]
    softmax = [layer for layer in model.layers
               if getattr(layer, "activation", None) is keras.activations.softmax][-1]
    logits = np.asarray(keras.Model(model.inputs, softmax.input)(images, training=False))
    if softmax.weights:  # a dense layer; MobileNetV3 has a convolution and an activation layer
        logits = logits @ np.asarray(kernel)
    row = description["variables"][owner[id(kernel)]]
    row[3] = float(f"{row[3] * 2.0 / np.std(logits):.3g}")
    load()


def make(name, constructor):
    keras.utils.clear_session()
    model = constructor(weights=None)
    shape = [size or 224 for size in model.input_shape[1:]]
    with tempfile.TemporaryDirectory() as directory:
        config = model.to_json()
        description, owner = describe(model, directory)
        inside = any(isinstance(layer, (keras.layers.Rescaling, keras.layers.Normalization)) for layer in model._flatten_layers())
        description |= {"input_shape": shape, "input_range": [0, 255] if inside else [-1, 1]}
        files = {"config.json": config.encode()}
        if name in COMPARED:
            path = os.path.join(directory, "model.weights.h5")
            images = weights.images(description)

            def load():
                weights.write(description, path)
                model.load_weights(path)

            load()
            calibrate(model, description, owner, images, load)
            output = np.asarray(model(images, training=False))
            largest = output.max(axis=-1)
            print(f"{name}: outputs {output.std():.3g} around {output.mean():.3g}, largest {largest}, "
                  f"between images {np.abs(output[0] - output[1]).max():.3g}", flush=True)
            assert np.isfinite(output).all() and (largest < 0.9).all()
            buffer = io.BytesIO()
            np.save(buffer, output)
            files["output.npy"] = buffer.getvalue()
        files["description.json"] = json.dumps(description).encode()
    return files


def main():
    selected = sys.argv[1:]
    output = HERE / "applications.tar.xz"
    kept = {}
    if selected and output.exists():
        with tarfile.open(output) as archive:
            kept = {member.name: archive.extractfile(member).read() for member in archive}
    try:
        for name, constructor in constructors().items():
            if not selected or name in selected:
                for file, content in make(name, constructor).items():
                    kept[f"{name}/{file}"] = content
                print(name, flush=True)
    finally:  # what was made before a failure is kept
        with tarfile.open(output, "w:xz", preset=9) as archive:
            for path in sorted(kept):
                member = tarfile.TarInfo(path)
                member.size = len(kept[path])
                archive.addfile(member, io.BytesIO(kept[path]))


if __name__ == "__main__":
    main()
