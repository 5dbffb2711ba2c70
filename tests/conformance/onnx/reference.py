"""ONNX Runtime as the reference."""
import onnxruntime


def exact_settings():
    """Settings with which it computes what the model says: left alone, it quantizes what is multiplied with weights that
    DequantizeLinear makes (accuracy level 4 of its MatMulNBits; 1 is float32)."""
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 3
    settings.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", "1")
    return settings
