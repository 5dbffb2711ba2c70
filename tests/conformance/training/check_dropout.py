"""Checks what recurrent and attention layers drop in training: means against formulas, gradients against finite differences.

    check_dropout.py REFERENCE.npz DIRECTORY      (made by make_dropout.py, which says what is in it)

A handle's first call draws by the number of its step, zero: it is a function of the weights, as finite differences need it.
"""
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from sylvite import Failure, Library, sylvite  # noqa: E402
from trainer import Trainer, read_safetensors, run_main, write_model, write_safetensors  # noqa: E402

ITEMS = 4000
SIGMAS = 5


def gradients_of(library, directory, inputs, weights):
    source, target, state = directory / "in.npz", directory / "out.npz", directory / "weights.safetensors"
    np.savez(source, **inputs)
    write_safetensors(state, weights)
    sylvite("run", library.path, "--entry", "gradients", "--input", source, "--output", target, "--weights", state, "--threads", 1)
    with np.load(target) as results:
        return dict(results)


def check_case(case, reference, directory):
    directory.mkdir(parents=True, exist_ok=True)
    model = write_model(directory, bytes(reference[f"{case}/model"]))
    training = [] if model.suffix == ".keras" else ["--loss", "mean_squared_error", "--optimizer", "sgd"]
    library = Library(model, directory, "--train", *training)
    shape = tuple(reference[f"{case}/shape"])
    entry = next(entry for entry in library.info["entries"] if entry["name"] == "gradients")
    target_shape = tuple(size if isinstance(size, int) else None for size in entry["inputs"][1]["shape"])[1:]

    if f"{case}/loss" in reference:
        # Elements are independent, or nearly so: of an item at least.
        trainer = Trainer(library)
        zeros = np.zeros((ITEMS, *target_shape), np.float32)
        losses = [trainer.step(np.ones((ITEMS, *shape), np.float32), zeros) for _ in range(2)]
        trainer.close()
        wanted, error = float(reference[f"{case}/loss"]), SIGMAS * float(reference[f"{case}/deviation"]) / np.sqrt(ITEMS)
        if abs(losses[0] - wanted) > error:
            raise Failure(f"{case}: the loss is {losses[0]}, expected {wanted} within {error}")
        if losses[0] == losses[1]:
            raise Failure(f"{case}: two steps drop the same")

    rng = np.random.default_rng(2)
    inputs = {"x": rng.standard_normal((6, *shape)).astype(np.float32),
              "targets": rng.standard_normal((6, *target_shape)).astype(np.float32)}
    trainer = Trainer(library)
    if trainer.function("save")(trainer.model, str(directory / "first.safetensors").encode()) != 0:
        raise Failure("save fails")
    trainer.close()
    weights = read_safetensors(directory / "first.safetensors")
    found = gradients_of(library, directory, inputs, weights)
    names = [name for name in found if name != "loss"]
    again = gradients_of(library, directory, inputs, weights)
    if any((found[name] != again[name]).any() for name in found):
        raise Failure(f"{case}: the same seed and step drop otherwise")
    epsilon = 1e-2
    for name in names:
        for _ in range(3):
            direction = rng.standard_normal(found[name].shape).astype(np.float32)
            direction /= np.sqrt((direction ** 2).sum())
            sides = [float(gradients_of(library, directory, inputs, weights | {name: weights[name] + sign * epsilon * direction})["loss"])
                     for sign in (1, -1)]
            numeric, analytic = (sides[0] - sides[1]) / (2 * epsilon), float((found[name] * direction).sum())
            if abs(numeric - analytic) > 2e-3 * abs(analytic) + 2e-4:
                raise Failure(f"{case}: the gradient of {name} along a direction is {analytic}, by finite differences {numeric}")
    return len(names)


def main(path, directory):
    with np.load(path) as archive:
        reference = dict(archive)
    for case in sorted({name.split("/")[0] for name in reference}):
        print(f"{case}: gradients of {check_case(case, reference, pathlib.Path(directory) / case)} variables as by finite differences")


if __name__ == "__main__":
    run_main(main)
