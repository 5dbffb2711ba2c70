"""Imports models in ONNX's textual syntax: import_text.py FILE [sylvite-import's options].

The models of FILE are parted by lines of `# -----`; each is written as a file of its own, imported, and what sylvite-import
says on either stream is printed.
"""
import pathlib
import subprocess
import sys
import tempfile

import onnx.parser


def main(path, *options):
    text = pathlib.Path(path).read_text()
    with tempfile.TemporaryDirectory() as directory:
        for part in text.split("# -----\n"):
            file = pathlib.Path(directory) / "model.onnx"
            lines = [line for line in part.splitlines() if not line.startswith("#")]
            file.write_bytes(onnx.parser.parse_model("\n".join(lines)).SerializeToString())
            run = subprocess.run(["sylvite-import", file, *options], capture_output=True, text=True)
            print(run.stdout + run.stderr.replace(directory, ""), end="")


main(*sys.argv[1:])
