"""Trains a network of examples/train_speakers for ten seeds, and compares the mean of its accuracies with that of Keras's.

Runs of the LSTM differ from each other by a point or so (standard deviation), those of the transformer by half a point, so
the means of ten and of Keras's twenty by 0.35 and 0.17 (standard error). They must be within three of these: TOLERANCE.
Usage: train_speakers.py MODEL.json KERAS.json TOLERANCE DIRECTORY; leaves trained.safetensors in DIRECTORY."""
import json
import pathlib
import subprocess
import sys

from seeds import agree, compile_model

model, keras, directory = (pathlib.Path(sys.argv[i]) for i in (1, 2, 4))


def train(seed):
    build = compile_model(model, seed, directory)
    subprocess.run(["sylvite", "train", build / f"lib{model.stem}.so", "--data", model.parent / "train.npz", "--validation",
                    model.parent / "test.npz", "--batch", "30", "--epochs", "40", "--seed", str(seed), "--log",
                    build / "run.jsonl", "--save", directory / "trained.safetensors"], check=True, capture_output=True)
    return json.loads((build / "run.jsonl").read_text().splitlines()[-1])["val_accuracy"]


accuracies = [round(train(seed), 4) for seed in range(1, 11)]
sys.exit(not agree(accuracies, keras, float(sys.argv[3])))
