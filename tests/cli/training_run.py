"""What the checks of `sylvite train` share: they run it, read what it leaves, and collect what is not as expected."""
import json
import subprocess
import sys

failures = []


def check(condition, label):
    if not condition:
        failures.append(label)


def run_train(library, *arguments, status=0, message=""):
    result = subprocess.run([str(part) for part in ("sylvite", "train", library, *arguments)], capture_output=True, text=True)
    check(result.returncode == status and message in result.stderr,
          f"{arguments}: status {result.returncode}, expected {status} and '{message}': {result.stderr}")
    return result


def read_checkpoint(path):
    """The bytes of each tensor, and the record of the run."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8:8 + length])
    tensors = {name: content[8 + length + entry["data_offsets"][0]:8 + length + entry["data_offsets"][1]]
               for name, entry in header.items() if name != "__metadata__"}
    return tensors, json.loads(header["__metadata__"].get("sylvite.note", "{}"))


def read_log(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def finish():
    print("\n".join(failures) or "all as expected")
    sys.exit(bool(failures))
