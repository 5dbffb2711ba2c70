"""Makes layers.tar.xz and sequences.tar.xz, one small Keras model per layer and attribute value, and graphs.tar.xz, small models
as users build them, with inputs and Keras's outputs.

Each case is a directory NAME/ holding model.keras and data.npz, whose arrays are input_<i> and output_<i> in the
order of the model's inputs and outputs (dict outputs also carry their key: output_<i>_<key>) for a batch of 3. Weights are
random multiples of 1/64, so that they compress; nothing is at its initial value, so a weight that is read wrongly or not
at all shows. Cases that Keras itself cannot build or run on this backend are printed and left out.

Run with: pip install keras==3.15.1 jax && KERAS_BACKEND=jax python make_layers.py [--only SUBSTRING] [layers] [sequences] [graphs]
The expected values are Keras's own (JAX on the CPU, float32). Cases are in the order of cases.py,
sequence_cases.py, graph_cases.py and operation_cases.py and seeded by their names.
"""
import argparse
import io
import os
import pathlib
import tarfile
import tempfile
import zipfile
import zlib

os.environ.setdefault("KERAS_BACKEND", "jax")

import cases
import graph_cases
import keras
import numpy as np
import operation_cases  # noqa: F401  more of graph_cases.CASES
import sequence_cases

ARCHIVES = {"layers": cases.CASES, "sequences": sequence_cases.CASES, "graphs": graph_cases.CASES}
HERE = pathlib.Path(__file__).resolve().parent
EPOCH = (2026, 1, 1, 0, 0, 0)  # archives carry no build time: the same cases give the same bytes


def randomize(model, random):
    """Gives every variable a random value of its kind's usual size."""
    for variable in model.variables:
        shape, name = variable.shape, variable.path.rsplit("/", 1)[-1]
        if not np.issubdtype(np.dtype(variable.dtype), np.floating):
            continue  # counters
        if "variance" in name:
            value = random.uniform(0.5, 2.0, shape)
        elif name == "gamma":
            value = random.uniform(0.5, 1.5, shape)
        elif "kernel" in name:
            value = random.normal(0, 1 / np.sqrt(max(1, np.prod(shape[:-1]))), shape)
        else:
            value = random.normal(0, 0.3, shape)
        variable.assign(np.round(value * 64) / 64)


def mask_some(value, random):
    """Makes many tokens, or all features of many steps, zero; each item keeps its first step."""
    if value.dtype != np.bool_ and value.ndim >= 2:
        value[:, 1:][random.uniform(size=value[:, 1:].shape[:2]) < 0.4] = 0
    return value


def make_input(tensor, sizes, random):
    shape = tuple(next(sizes) if size is None else size for size in tensor.shape[1:])
    dtype = np.dtype(tensor.dtype)
    if dtype == np.bool_:
        return random.randint(0, 2, (cases.BATCH, *shape)).astype(dtype)
    if np.issubdtype(dtype, np.integer):
        return random.randint(0, 100, (cases.BATCH, *shape)).astype(dtype)
    value = (random.normal(0, 2, (cases.BATCH, *shape)) * 16).round() / 16
    # Ends of the range where exponentials overflow and saturate.
    flat = value.reshape(-1)
    extremes = np.array([0, -0.0, 1, -1, 3, -3, 10, -10, 30, -30][: flat.size])
    flat[random.permutation(flat.size)[: extremes.size]] = extremes
    return value.astype(dtype)


def without_times(path):
    """The same .keras file with fixed dates, and its metadata's date fixed too."""
    result = io.BytesIO()
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(result, "w", zipfile.ZIP_STORED) as target:
        for name in source.namelist():
            data = source.read(name)
            if name == "metadata.json":
                data = f'{{"keras_version": "{keras.__version__}", "date_saved": "2026-01-01@00:00:00"}}'.encode()
            target.writestr(zipfile.ZipInfo(name, EPOCH), data)
    return result.getvalue()


def make_case(name, build, directory):
    random = np.random.RandomState(zlib.crc32(name.encode()))
    keras.utils.clear_session()
    keras.utils.set_random_seed(1)
    built = build()
    model, free_sizes = built if isinstance(built, tuple) else (built, ())
    randomize(model, random)
    sizes = iter(free_sizes)
    inputs = [make_input(tensor, sizes, random) for tensor in model.inputs]
    if "mask" in name:
        inputs = [mask_some(value, random) for value in inputs]
    path = os.path.join(directory, "model.keras")
    model.save(path)
    # What is compared is the file: some layers (Normalization) only take new weights into account when they are loaded.
    model = keras.models.load_model(path, compile=False, safe_mode=True)
    structured = model(keras.tree.pack_sequence_as(model._inputs_struct, inputs)
                       if hasattr(model, "_inputs_struct") else inputs[0], training=False)
    arrays = {f"input_{i}": value for i, value in enumerate(inputs)}
    if isinstance(structured, dict):
        # Keras flattens dicts by sorted key; so does the order of a model's outputs.
        for i, key in enumerate(sorted(structured)):
            arrays[f"output_{i}_{key}"] = np.asarray(structured[key])
    else:
        for i, value in enumerate(keras.tree.flatten(structured)):
            arrays[f"output_{i}"] = np.asarray(value)
    if not all(np.isfinite(value).all() for value in arrays.values()):
        raise ValueError("Keras's output is not finite")
    data = io.BytesIO()
    np.savez(data, **arrays)
    return {f"{name}/model.keras": without_times(path), f"{name}/data.npz": data.getvalue()}


def make_archive(name, made, only):
    output, files = HERE / f"{name}.tar.xz", {}
    if only:
        with tarfile.open(output) as archive:
            files = {member.name: archive.extractfile(member).read() for member in archive}
    for case, build in made.items():
        if only in case:
            with tempfile.TemporaryDirectory() as directory:
                try:
                    files |= make_case(case, build, directory)
                except Exception as error:  # whatever Keras raises is the reason to report
                    print(f"skipped {case}: {type(error).__name__}: {str(error).splitlines()[0]}", flush=True)
    with tarfile.open(output, "w:xz", preset=9) as archive:
        for path, content in files.items():
            if path.split("/")[0] in made:
                member = tarfile.TarInfo(path)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    print(f"{name}: {len(files) // 2} cases, {os.path.getsize(output) / 1e6:.2f} MB")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--only", default="", help="make only the cases whose name holds this; keep the others as they are")
    arguments.add_argument("archives", nargs="*", default=list(ARCHIVES), help="which of them to make; all by default")
    options = arguments.parse_args()
    for name in options.archives:
        make_archive(name, ARCHIVES[name], options.only)


if __name__ == "__main__":
    main()
