"""Trains compiled models as Keras has trained them, step by step, and compares losses and variables after each step.

    check_steps.py REFERENCE.npz DIRECTORY      (made with recording.py, which says what is in it)
"""
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from sylvite import Failure, Library, compare  # noqa: E402
from trainer import Trainer, run_main, write_model  # noqa: E402

RTOL, ATOL = 1e-4, 1e-5


def text(array):
    return bytes(array).decode()


def check_variables(what, names, weights, reference, prefix):
    if f"{prefix}/{len(names) - 1}" not in reference or f"{prefix}/{len(names)}" in reference:
        raise Failure(f"Keras has not as many variables as {names}")
    for i, name in enumerate(names):
        compare(f"{name} {what}", weights[name], reference[f"{prefix}/{i}"], RTOL, ATOL)


def check_case(case, reference, directory):
    directory.mkdir(parents=True, exist_ok=True)
    model = write_model(directory, bytes(reference[f"{case}/model"]))
    library = Library(model, directory, "--train", *text(reference[f"{case}/options"]).splitlines())
    entries = {entry["name"]: entry for entry in library.info["entries"]}
    names = [tensor["name"] for tensor in entries["train_step"]["inputs"]]
    variables = [tensor["name"] for tensor in entries["gradients"]["outputs"][1:]]
    trainer = Trainer(library)
    steps = sorted({int(name.split("/")[1]) for name in reference if name.startswith(f"{case}/") and name.endswith("/loss")})
    for step in steps:
        before = f"{case}/{step}"
        loss = trainer.step(*[reference[f"{before}/in/{name}"] for name in names])
        compare(f"{case}: loss of step {step}", np.float32([loss]), reference[f"{before}/loss"].reshape(1), RTOL, ATOL)
        weights = trainer.save(directory / "model.safetensors")
        check_variables(f"after step {step} of {case}", variables, weights, reference, f"{before}/after")
    if "apply_averages" in entries:
        if trainer.function("apply_averages")(trainer.model) != 0:
            raise Failure("apply_averages fails")
    weights = trainer.save(directory / "model.safetensors")
    check_variables(f"at the end of {case}", variables, weights, reference, f"{case}/final")
    trainer.close()
    return len(steps)


def main(path, directory):
    with np.load(path) as archive:
        reference = dict(archive)
    cases = sorted({name.split("/")[0] for name in reference})
    for case in cases:
        print(f"{case}: {check_case(case, reference, pathlib.Path(directory) / case)} steps as Keras")


if __name__ == "__main__":
    run_main(main)
