"""Trains examples/train_speakers for ten seeds, and compares the mean of its accuracies with that of Keras's.

A run differs from the next by a point or so (standard deviation), so the means of ten and of Keras's twenty by 0.35
(standard error). They must be within a point, three of these.
Usage: train_speakers.py EXAMPLE DIRECTORY; leaves trained.safetensors in DIRECTORY."""
import json
import pathlib
import subprocess
import sys

from seeds import agree, compile_model

example, directory = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])


def train(seed):
    build = compile_model(example / "speakers.json", seed, directory)
    subprocess.run(["sylvite", "train", build / "libspeakers.so", "--data", example / "train.npz", "--validation",
                    example / "test.npz", "--batch", "30", "--epochs", "40", "--seed", str(seed), "--log",
                    build / "run.jsonl", "--save", directory / "trained.safetensors"], check=True, capture_output=True)
    return json.loads((build / "run.jsonl").read_text().splitlines()[-1])["val_accuracy"]


accuracies = [round(train(seed), 4) for seed in range(1, 11)]
sys.exit(not agree(accuracies, example / "keras.json", tolerance=0.01))
