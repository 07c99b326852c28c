"""Convolutions of small images, where calling a library costs more than what it computes: on a CPU and on CUDA."""

from scalefree.training.native.convolution import conv3x3
from scalefree.training.native.network import use_native_convolutions
from scalefree.training.native.residual import use_residual_kernels

__all__ = ["conv3x3", "use_native_convolutions", "use_residual_kernels"]
