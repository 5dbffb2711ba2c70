"""Writes train.npz and test.npz from the Japanese Vowels data that aeon 1.6.0 bundles, beside itself.

An utterance is a row of 29 steps with 12 LPC cepstrum coefficients, zeros after its end.
Run with: pip install --no-deps aeon==1.6.0 numpy && python prepare_data.py
"""
import importlib.util
import pathlib

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
STEPS, COEFFICIENTS = 29, 12


def read(path):
    """A line has the series of each coefficient, separated by colons, and the speaker, from 1."""
    lines = path.read_text().split("@data")[1].split()
    utterances = np.zeros((len(lines), STEPS, COEFFICIENTS), np.float32)
    labels = np.zeros(len(lines), np.int32)
    for i, line in enumerate(lines):
        *series, speaker = line.split(":")
        for j, values in enumerate(series):
            values = np.array(values.split(","), np.float32)
            utterances[i, :len(values), j] = values
        labels[i] = int(speaker) - 1
    return {"utterance": utterances, "labels": labels}


def main():
    # Found, not imported: aeon's own dependencies are not needed to read its files.
    root = pathlib.Path(importlib.util.find_spec("aeon").origin).parent / "datasets" / "data" / "JapaneseVowels"
    for part in ("train", "test"):
        np.savez_compressed(HERE / f"{part}.npz", **read(root / f"JapaneseVowels_{part.upper()}.ts"))


if __name__ == "__main__":
    main()
