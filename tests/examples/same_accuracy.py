"""Exits with 1 unless a program's output has the accuracy that Keras had. Usage: same_accuracy.py KERAS.json OUTPUT"""
import json
import pathlib
import re
import sys

keras = json.loads(pathlib.Path(sys.argv[1]).read_text())["accuracy"]
ours = float(re.search(r"accuracy: ([0-9.]+)", pathlib.Path(sys.argv[2]).read_text())[1])
sys.exit(f"accuracy {ours}, Keras's {keras}" if ours != round(keras, 4) else 0)
