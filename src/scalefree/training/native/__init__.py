"""Convolutions of small images on a CPU, where calling a library costs more than what it computes."""

from scalefree.training.native.convolution import conv3x3
from scalefree.training.native.network import use_native_convolutions

__all__ = ["conv3x3", "use_native_convolutions"]
