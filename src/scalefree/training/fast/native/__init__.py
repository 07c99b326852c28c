"""Convolutions of small images on CPU and CUDA, where a library call costs more than its computation."""
