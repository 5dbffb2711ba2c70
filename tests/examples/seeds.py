"""What the tests of training share: a library for each seed, and the comparison of a mean with Keras's."""
import json
import statistics
import subprocess


def compile_model(model, seed, directory):
    """Compiles `model` into a new directory, which is returned."""
    build = directory / f"seed{seed}"
    subprocess.run(["sylvite", "compile", model, "--train", "--seed", str(seed), "-o", build], check=True)
    return build


def agree(accuracies, keras, tolerance):
    """Whether the mean is that of the file `keras` within the tolerance. Prints both."""
    keras = json.loads(keras.read_text())
    mean = statistics.mean(accuracies)
    print(f"accuracies {accuracies}, mean {mean:.4f}, deviation {statistics.stdev(accuracies):.4f}; "
          f"Keras's mean {keras['mean']:.4f}, deviation {keras['deviation']:.4f}")
    return abs(mean - keras["mean"]) <= tolerance
