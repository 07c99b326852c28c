"""The paper's architectures, each the paper's table as code."""

from scalefree.models.densenet import DenseNet, densenet_bc
from scalefree.models.groups import layer_groups
from scalefree.models.resnet import ResNet, resnet

__all__ = ["DenseNet", "ResNet", "densenet_bc", "layer_groups", "resnet"]
