"""Trains a compiled model as Keras has trained it, and compares: gradients, losses, weights, moving statistics.

    check_training.py MODEL.keras REFERENCE.npz DIRECTORY [COPIES]

The reference holds a batch, Keras's gradients for it (jax.value_and_grad), and for some optimizers the losses of five
steps on that batch and the weights after them; `meta` is JSON with the loss, the names of the variables and the
configuration of each optimizer. A batch of several copies of it has the same mean loss, gradients and steps.
"""
import json
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from sylvite import Failure, Library, compare, sylvite  # noqa: E402
from trainer import Trainer, run_main  # noqa: E402

STEPS = 5
NOISE = 1e-5  # relative to the largest gradient
KINDS = {"momentum": "sgd"}  # the reference's names for optimizers that are not Keras's
AT_REST = ("name", "loss_scale_factor", "gradient_accumulation_steps", "use_ema", "ema_momentum",
           "ema_overwrite_frequency")


def optimizer_option(name, config):
    options = ",".join(f"{key}={str(value).lower() if isinstance(value, bool) else value}"
                       for key, value in config.items() if value is not None and key not in AT_REST)
    return f"{KINDS.get(name, name)}:{options}"


def largest_gradient(reference):
    return max(np.abs(array).max() for name, array in reference.items() if name[0] == "g" and name[1:].isdigit())


def is_rounding(reference, i):
    """Whether gradient `i` is zero but for rounding, as that of a bias before a normalization."""
    return np.abs(reference[f"g{i}"]).max() < NOISE * largest_gradient(reference)


def check_gradients(model, reference, meta, directory):
    library = Library(model, directory / "gradients", "--train", "--loss", meta["loss"], "--optimizer", "sgd:lr=0")
    source, target = directory / "batch.npz", directory / "gradients.npz"
    names = [tensor["name"] for entry in library.info["entries"] if entry["name"] == "gradients"
             for tensor in entry["inputs"]]
    np.savez(source, **dict(zip(names, (reference["x"], reference["y"]))))
    sylvite("run", library.path, "--entry", "gradients", "--input", source, "--output", target, "--guard")
    with np.load(target) as results:
        compare("loss", results["loss"].reshape(1), reference["loss"].reshape(1), 1e-4, 1e-6)
        gradients = [name for name in results.files if name != "loss"]
        if len(gradients) != len(meta["trainable"]):
            raise Failure(f"gradients of {gradients}, Keras has {meta['trainable']}")
        for i, name in enumerate(gradients):
            if is_rounding(reference, i):  # of the mean, too, which thousands of positions have
                compare(f"gradient of {name}, which is rounding", results[name] / largest_gradient(reference),
                        np.zeros_like(results[name]), 0, 3 * NOISE)
            else:
                compare(f"gradient of {name}", results[name], reference[f"g{i}"], 1e-3, 1e-4)
        return gradients


def check_optimizer(model, reference, meta, name, parameters, directory):
    config = meta[name]
    library = Library(model, directory / name, "--train", "--loss", meta["loss"],
                      "--optimizer", optimizer_option(name, config), name=f"model_{name}")
    trainer = Trainer(library)
    losses = [trainer.step(reference["x"], reference["y"]) for _ in range(STEPS)]
    weights = trainer.save(directory / f"{name}.safetensors")
    trainer.close()
    compare(f"losses with {name}", np.array(losses, np.float32), reference[f"{name}_losses"], 1e-3, 1e-4)
    for i, parameter in enumerate(parameters):
        if is_rounding(reference, i):  # which some optimizers turn into steps
            continue
        compare(f"{parameter} after {STEPS} steps of {name}", weights[parameter], reference[f"{name}_w{i}_after5"],
                1e-3, 1e-3)
    if int(weights["optimizer/iterations"]) != STEPS:
        raise Failure(f"{weights['optimizer/iterations']} iterations after {STEPS} steps")


def check_statistics(model, reference, meta, directory):
    """The moving statistics after one step."""
    moving = [name for name in meta["non_trainable"] if "/moving_" in name]
    if not moving:
        return
    library = Library(model, directory / "statistics", "--train", "--loss", meta["loss"], "--optimizer", "sgd:lr=0",
                      name="model_statistics")
    trainer = Trainer(library)
    trainer.step(reference["x"], reference["y"])
    weights = trainer.save(directory / "statistics.safetensors")
    trainer.close()
    for i, name in enumerate(meta["non_trainable"]):
        if name in moving:
            compare(name, weights[name], reference[f"nt{i}_after"], 1e-4, 1e-4)


def main(model, path, directory, copies="1"):
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    with np.load(path) as archive:
        reference = dict(archive)
    for name in ("x", "y"):
        reference[name] = np.concatenate([reference[name]] * int(copies))
    meta = json.loads(bytes(reference["meta"]))
    parameters = check_gradients(model, reference, meta, directory)
    check_statistics(model, reference, meta, directory)
    optimizers = [name for name in meta if f"{name}_losses" in reference]
    for name in optimizers:
        check_optimizer(model, reference, meta, name, parameters, directory)
    print(f"gradients of {len(parameters)} variables, {', '.join(optimizers)}: as Keras")


if __name__ == "__main__":
    run_main(main)
