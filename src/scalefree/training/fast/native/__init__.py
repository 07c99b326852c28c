"""Convolutions of small images, where calling a library costs more than what it computes: on a CPU and on CUDA."""
