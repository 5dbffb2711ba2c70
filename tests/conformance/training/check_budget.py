"""Compiles a model with a memory budget and without: the workspace shrinks to it, and training computes the same bits.

    check_budget.py MODEL.keras DIRECTORY FRACTION [OPTION...]

FRACTION of the workspace without a budget is the budget; OPTIONs are further ones of `sylvite compile`.
"""
import ctypes
import os
import pathlib
import re
import subprocess
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from sylvite import Failure, Library  # noqa: E402
from trainer import Trainer, run_main  # noqa: E402

ITEMS, STEPS = 32, 3


def workspace(trainer):
    size = trainer.function("train_workspace_size")
    size.restype = ctypes.c_size_t
    return size(ctypes.c_int64(ITEMS))


def train(library, directory):
    """The losses of some steps and what is saved after them."""
    entry = next(entry for entry in library.info["entries"] if entry["name"] == "train_step")
    rng = np.random.default_rng(4)
    trainer = Trainer(library)
    losses = []
    for _ in range(STEPS):
        inputs = []
        for tensor in entry["inputs"]:
            shape = [size if isinstance(size, int) else ITEMS for size in tensor["shape"]]
            whole = tensor["dtype"].startswith("int")
            inputs.append(rng.integers(0, 2, shape).astype(tensor["dtype"]) if whole else rng.random(shape, np.float32))
        losses.append(trainer.step(*inputs))
    weights = trainer.save(directory / "weights.safetensors")
    size = workspace(trainer)
    trainer.close()
    return losses, weights, size


def main(model, directory, fraction, *options):
    directory = pathlib.Path(directory)
    plain = Library(model, directory / "plain", "--train", *options)
    losses, weights, size = train(plain, directory)
    budget = int(size * float(fraction))
    target = directory / "budget"
    target.mkdir(exist_ok=True)
    command = [os.environ.get("SYLVITE", "sylvite"), "compile", model, "-o", target, "--name", "model", "--train", *options, "--remarks",
               "--memory-budget", f"{budget}@{ITEMS}"]
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if result.returncode:
        raise Failure(result.stderr)
    if "are not enough" in result.stderr:
        raise Failure(f"the budget of {budget} is not met: {result.stderr}")
    remarks = re.findall(r"train_step: (\d+) values? (?:is|are) computed twice.*for ([\d.]+) MB more memory traffic", result.stderr)
    if len(remarks) != 1:
        raise Failure(f"one remark says what train_step costs, found {remarks} in {result.stderr}")
    fitted = Library(model, target, "--train", *options, "--memory-budget", f"{budget}@{ITEMS}")
    other_losses, other_weights, other_size = train(fitted, directory)
    if other_size > budget:
        raise Failure(f"the workspace takes {other_size} bytes, the budget is {budget}")
    if losses != other_losses or any((weights[name] != other_weights[name]).any() for name in weights):
        raise Failure(f"with a budget training computes otherwise: {losses}, {other_losses}")
    print(f"{size} bytes without a budget, {other_size} with one of {budget}: {remarks[0][0]} values are computed twice")


if __name__ == "__main__":
    run_main(main)
