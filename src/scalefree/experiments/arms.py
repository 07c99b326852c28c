"""What is compared: networks and, in each, the arms trained, an arm being a method and its unusual settings."""

from dataclasses import dataclass

from scalefree.config import ResNetConfig, RunConfig
from scalefree.optimizers import method
from scalefree.records import model_label


@dataclass(frozen=True)
class Network:
    """An architecture that all methods are trained on, ordered from shallow to deep.

    Attributes:
        label: the name in records: `resnet80w8-nobn`, `resnet80w8-nobn-zero_last`.
    """

    depth: int
    label: str
    batch_norm: bool
    initialization: str

    @property
    def family(self) -> str:
        """The architecture without its size: `resnet`."""
        return self.label.partition(str(self.depth))[0]

    @property
    def is_usual(self) -> bool:
        """Whether the main question is about this kind of network: no BatchNorm, and the paper's initialisation."""
        return not self.batch_norm and self.initialization == "kaiming"


def network_of(config: RunConfig) -> Network:
    """The network of a run."""
    model = config.model
    initialization = model.initialization if isinstance(model, ResNetConfig) else "kaiming"
    return Network(model.depth, model_label(config), model.batch_norm, initialization)


@dataclass(frozen=True)
class Arm:
    """A method and how its training differs from the usual protocol, apart from seed, step size and decay.

    Attributes:
        method: the optimizer as `optimizers.method` writes it: `adam_scaled_l2_by_layer`.
    """

    method: str
    eps: float = 1e-8
    loss_multiplier: float = 1.0
    gradient_unbalance: float = 0.0
    decay_unbalance: float = 0.0
    schedule: str = "constant"
    replica: int = 0

    @property
    def is_usual(self) -> bool:
        """Whether this is the paper's main protocol."""
        return self == Arm(self.method)


def arm_of(config: RunConfig) -> Arm:
    """The arm of a run."""
    return Arm(
        method=method(vars(config.optimizer)),
        eps=config.optimizer.eps,
        loss_multiplier=config.training.loss_multiplier,
        gradient_unbalance=config.training.gradient_unbalance,
        decay_unbalance=config.optimizer.decay_unbalance,
        schedule=config.schedule.name,
        replica=config.replica,
    )
