"""Compares what examples/finetune printed with what Keras reached, and the checkpoints of before and after.
Usage: finetune.py KERAS.json DIRECTORY with output, before.safetensors and after.safetensors."""
import json
import pathlib
import re
import sys

keras = json.loads(pathlib.Path(sys.argv[1]).read_text())
directory = pathlib.Path(sys.argv[2])
failures = []


def read_tensors(path):
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    return {name: content[start + entry["data_offsets"][0]:start + entry["data_offsets"][1]]
            for name, entry in header.items() if name != "__metadata__"}


lines = re.findall(r"^(.*): loss ([0-9.]+), accuracy ([0-9.]+)$", (directory / "output").read_text(), re.MULTILINE)
if [line[0] for line in lines] != [key for key in keras if key != "keras"]:
    failures.append(f"lines {lines}")
for what, *numbers in lines:
    # Training moves differences in rounding apart: half a percent of the loss, two of the 700 digits.
    loss, accuracy = (float(number) for number in numbers)
    if abs(loss / keras[what]["loss"] - 1) > 0.005 or abs(accuracy - keras[what]["accuracy"]) > 2.5 / 700:
        failures.append(f"{what}: loss {loss}, accuracy {accuracy}; Keras has {keras[what]}")

before, after = (read_tensors(directory / name) for name in ("before.safetensors", "after.safetensors"))
for name in before:
    # The frozen convolution stands there as the kernels read it, packed.
    learns = name.startswith(("digit/", "optimizer/digit/", "metrics/")) or name == "optimizer/iterations"
    if (before[name] != after[name]) != learns:
        failures.append(f"{name} has {'not ' if learns else ''}changed")
if not {"digit/kernel", "digit/bias", "conv2d/bias"} <= before.keys():
    failures.append(f"the checkpoint has only {', '.join(before)}")
if any(name.startswith("optimizer/conv2d") for name in after):
    failures.append("the optimizer keeps something for a frozen layer")

print("\n".join(failures))
sys.exit(bool(failures))
