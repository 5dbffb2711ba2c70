"""Runs examples/train_mnist for ten seeds, and compares the mean of its accuracies with that of Keras's.

A run differs from the next by 0.7 points or so (standard deviation), Keras's as ours, so the means of ten and of
Keras's twenty by 0.25 (standard error). They must be within 0.5 points: two standard errors, and a network that trains
worse by a point fails. A library and a seed give the same bits each time, so this does not fail by chance on a machine
where it passes.
Usage: train_mnist.py EXAMPLES DIRECTORY, which has the program `train`; prints what it printed first, and leaves
trained.safetensors in DIRECTORY."""
import gzip
import os
import pathlib
import re
import subprocess
import sys

from seeds import agree, compile_model

examples, directory = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
digits = gzip.decompress((examples / "mnist" / "mnist_5k.csv.gz").read_bytes())


def train(seed):
    """The seed of the order of the digits is the program's; that of the weights is the library's."""
    library = compile_model(examples / "train_mnist" / "mnist.json", seed, directory)
    return subprocess.run([directory / "train", directory / "trained.safetensors", str(seed)], input=digits,
                          env={**os.environ, "LD_LIBRARY_PATH": str(library)}, check=True,
                          capture_output=True).stdout.decode()


outputs = [train(seed) for seed in range(1, 11)]
print(outputs[0])
accuracies = [float(re.search(r"held-out: .*accuracy ([0-9.]+)", output)[1]) for output in outputs]
sys.exit(not agree(accuracies, examples / "train_mnist" / "keras.json", tolerance=0.005))
