"""Checks the distributions of initializers.test's model, printed with its data: mean, deviation, bounds, orthogonality."""
import re
import sys

import numpy as np

with open(sys.argv[1]) as file:
    blobs = {name: np.frombuffer(bytes.fromhex(data)[4:], np.float32).astype(float)
             for name, data in re.findall(r'"([^"]+)": "0x([0-9A-F]+)"', file.read())}


def check(name, mean, deviation, bound):
    values = blobs[name + "/kernel"]
    error = 5 * deviation / np.sqrt(values.size)  # five standard errors
    assert abs(values.mean() - mean) < error, (name, values.mean())
    assert abs(values.std() / deviation - 1) < 0.05, (name, values.std())
    assert np.abs(values - mean).max() <= bound, (name, np.abs(values - mean).max())
    assert np.unique(values).size > 0.9 * values.size, name


# The deviation of a normal distribution cut at two deviations is 0.87962566 of the uncut one's.
CUT = 0.87962566103423978
check("glorot", 0, np.sqrt(2 / 402), np.sqrt(6 / 402))
check("he", 0, np.sqrt(2 / 400), 2 * np.sqrt(2 / 400) / CUT)
check("random_normal", 1, 0.25, 0.25 * 6)
check("truncated", 0, 0.5 * CUT, 1.0)
check("scaled", 0, np.sqrt(3 / 300), np.sqrt(9 / 300))
q = blobs["orthogonal/kernel"].reshape(300, 40)
assert np.abs(q.T @ q - 0.25 * np.eye(40)).max() < 1e-6
