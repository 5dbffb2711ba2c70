"""Runs examples/train_mnist for ten seeds, and compares the mean of its accuracies with that of Keras's.

A run differs from the next by 0.6 points or so (standard deviation), Keras's as ours, so the means of ten and of
Keras's twenty by 0.25 (standard error). They must be within 0.5 points: two standard errors, and a network that trains
worse by a point fails. A library and a seed give the same bits each time, so this does not fail by chance on a machine
where it passes.
Usage: train_mnist.py EXAMPLES DIRECTORY, which has the program `train`; prints what it printed first, and leaves
trained.safetensors in DIRECTORY."""
import gzip
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys

examples, directory = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
keras = json.loads((examples / "train_mnist" / "keras.json").read_text())
model = (examples / "train_mnist" / "mnist.json").read_text()
digits = gzip.decompress((examples / "mnist" / "mnist_5k.csv.gz").read_bytes())
if model.count('"seed": 1}') != 2:
    sys.exit("mnist.json has no seed 1 for both initializers")


def train(seed):
    """The seed of the order of the digits is the program's; that of the weights is in the model."""
    build = directory / f"seed{seed}"
    build.mkdir()
    (build / "mnist.json").write_text(model.replace('"seed": 1}', f'"seed": {seed}}}'))
    subprocess.run(["sylvite", "compile", build / "mnist.json", "--train", "-o", build], check=True)
    return subprocess.run([directory / "train", directory / "trained.safetensors", str(seed)], input=digits,
                          env={**os.environ, "LD_LIBRARY_PATH": str(build)}, check=True,
                          capture_output=True).stdout.decode()


outputs = [train(seed) for seed in range(1, 11)]
accuracies = [float(re.search(r"held-out: .*accuracy ([0-9.]+)", output)[1]) for output in outputs]
print(outputs[0])
print(f"accuracies {accuracies}, mean {statistics.mean(accuracies):.4f}, "
      f"deviation {statistics.stdev(accuracies):.4f}; Keras's mean {keras['mean']:.4f}")
sys.exit(abs(statistics.mean(accuracies) - keras["mean"]) > 0.005)
