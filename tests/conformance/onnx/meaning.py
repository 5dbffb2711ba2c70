"""What the real models are for: a check of each by its meaning, on top of the comparison with ONNX Runtime.

A check gets `run`, which takes named inputs and gives named outputs, and `folder`, where fetch_models.py put the model, its
labels, and above it the recording. It raises Failure when the model does not do what it was trained for, else it returns what it saw.
"""
import ast
import io
import json
import wave
import zipfile

import numpy as np
import onnx
from PIL import Image, ImageDraw, ImageFont
from sylvite import Failure


def expect(condition, text):
    if not condition:
        raise Failure(text)
    return text


def rendered(text, height, size, width=None):
    """Black text on white, in a row of `height` pixels, as an image of floats from 0 to 1."""
    font = ImageFont.load_default(size)
    left, top, right, bottom = font.getbbox(text)
    image = Image.new("L", (width or right - left + 24, height), 255)
    ImageDraw.Draw(image).text((12 - left, (height - bottom + top) // 2 - top), text, font=font, fill=0)
    return np.asarray(image, np.float32) / 255


def read_labels(labels, characters):
    """Greedy decoding of connectionist temporal classification: repetitions and blanks (label 0) vanish."""
    changed = labels[np.append(True, labels[1:] != labels[:-1])]
    return "".join(characters[label] for label in changed if label)


def speech(run, folder):
    """Silence before the recording's words, speech within them; the state is carried from frame to frame."""
    with wave.open(str(folder.parent / "Front_Center.wav")) as recording:
        rate, samples = recording.getframerate(), recording.readframes(recording.getnframes())
    signal = np.frombuffer(samples, np.int16).astype(np.float32) / 32768
    signal = signal[::rate // 16000]  # as silero_vad itself does
    state, context, probabilities = np.zeros((2, 1, 128), np.float32), np.zeros(64, np.float32), []
    for start in range(0, len(signal) - 511, 512):
        frame = signal[start:start + 512]
        results = run({"input": np.concatenate([context, frame])[None], "sr": np.array(16000, np.int64), "state": state})
        probabilities.append(float(results["output"][0, 0]))
        state, context = results["stateN"], frame[-64:]
    least, most = min(probabilities), max(probabilities)
    return expect(least < 0.05 and most > 0.99, f"probability of speech from {least:.3f} to {most:.3f}")


def text_found(run, folder):
    """Pixels above 0.3 lie on the text."""
    image = np.ones((192, 384), np.float32)
    image[70:118, 60:300] = rendered("Sylvite 42", 48, 36, 240)
    found = run({"x": np.stack([(image - 0.5) / 0.5] * 3)[None]}).popitem()[1][0, 0] > 0.3
    rows, columns = np.nonzero(found)
    return expect(len(rows) and rows.min() >= 60 and rows.max() < 128 and columns.min() >= 50 and columns.max() < 310 and
                  columns.max() - columns.min() > 120,
                  f"text in rows {rows.min() if len(rows) else None} to {rows.max() if len(rows) else None}, columns "
                  f"{columns.min() if len(rows) else None} to {columns.max() if len(rows) else None}")


def text_read(run, folder):
    model = onnx.load(folder / "ch_PP-OCRv4_rec_infer.onnx")
    listed = next(entry.value for entry in model.metadata_props if entry.key == "character").splitlines()
    image = rendered("Hello World 2024", 48, 36)
    probabilities = run({"x": np.stack([(image - 0.5) / 0.5] * 3)[None]}).popitem()[1][0]
    text = read_labels(probabilities.argmax(axis=1), ["", *listed, " "])
    return expect(text == "Hello World 2024", f"reads {text!r}")


def text_upright(run, folder):
    image = rendered("Hello World", 48, 30, 192)
    both = np.stack([np.stack([(turned - 0.5) / 0.5] * 3) for turned in (image, image[::-1, ::-1])])
    (upright, _), (_, rotated) = run({"x": both}).popitem()[1]
    return expect(upright > 0.9 and rotated > 0.9, f"upright {upright:.3f}, rotated {rotated:.3f}")


def file_types(run, folder):
    labels = json.loads((folder / "config.min.json").read_text())["target_labels_space"]
    archive, picture = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        for name in ("a", "b", "c"):
            target.writestr(f"{name}.txt", f"the text of {name}, of many words\n" * 40)
    Image.fromarray(np.arange(4096, dtype=np.uint8).reshape(64, 64)).save(picture, "png")
    with open(__file__, "rb") as source:
        files = {"python": source.read(), "zip": archive.getvalue(), "png": picture.getvalue(),
                 "json": json.dumps([{"name": f"n{i}", "size": i, "tags": ["a", "b"]} for i in range(60)], indent=1).encode()}

    def tokens(contents):
        """The first and the last 1024 bytes, without white space around them; 256 stands for none."""
        first, last = contents[:4096].lstrip()[:1024], contents[-4096:].rstrip()[-1024:]
        return [*first] + [256] * (2048 - len(first) - len(last)) + [*last]

    scores = run({"bytes": np.array([tokens(contents) for contents in files.values()], np.int32)}).popitem()[1]
    seen = [labels[index] for index in scores.argmax(axis=1)]
    return expect(seen == [*files], f"takes {', '.join(files)} for {', '.join(seen)}")


def captcha(run, folder):
    constants = ast.parse((folder / "charsets.py").read_text(encoding="utf-8")).body
    characters = next(ast.literal_eval(node.value) for node in constants
                      if isinstance(node, ast.Assign) and node.targets[0].id == "CHARSET_BETA")
    seen = []
    for text, size in (("7kxm", 44), ("a7Bc", 40), ("8n2p", 36)):
        scores = run({"input1": rendered(text, 64, size)[None, None]}).popitem()[1]
        seen.append(read_labels(scores.argmax(axis=-1).ravel(), characters))
    return expect(seen == ["7kxm", "a7Bc", "8n2p"], f"reads {', '.join(seen)}")


def similarity(run, folder):
    """Tokens of the vocabulary of bert-base-uncased, between its [CLS] and [SEP]."""
    words = {"guitar": 2858, "instrument": 6602, "compiler": 21624}
    ids = np.array([[101, token, 102] for token in words.values()])
    results = run({"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)})
    vectors = results["last_hidden_state"].mean(axis=1)
    guitar, instrument, compiler = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    near, far = float(guitar @ instrument), float(guitar @ compiler)
    return expect(near > 0.6 and far < 0.3,
                  f"cosine of guitar and instrument {near:.3f}, of guitar and compiler {far:.3f}")
