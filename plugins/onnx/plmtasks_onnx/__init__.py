"""Encoders through onnxruntime for plmtasks."""

from plmtasks import hookimpl

from .checkpoint import Checkpoints


@hookimpl
def register_models():
    return [Checkpoints(scheme="onnx", int8=False), Checkpoints(scheme="onnx-int8", int8=True)]
