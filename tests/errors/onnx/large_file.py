"""A file of 2 GiB, which no protocol buffer is: large_file.py DIRECTORY; sylvite-import is on PATH. The file is sparse."""
import pathlib
import subprocess
import sys


def main(directory):
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "model.onnx"
    with open(path, "wb") as file:
        file.write(b"\x08\x08")
        file.truncate(1 << 31)
    run = subprocess.run(["sylvite-import", path], capture_output=True, text=True)
    path.unlink()
    expected = "has 2147483648 bytes; an ONNX file holds at most 2147483647: larger models keep their tensors in files of external data"
    if run.returncode != 1 or expected not in run.stderr or len(run.stderr.splitlines()) != 1:
        sys.exit(f"exit status {run.returncode}\n{run.stderr}")


if __name__ == "__main__":
    main(sys.argv[1])
