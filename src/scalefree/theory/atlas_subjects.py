"""The optimizers that the atlas measures, and how each is constructed, whatever its constructor needs.

A package's optimizers are discovered, not listed. Listed are only the few that need more than parameters, and those
that cannot be run on given gradients at all.
"""

import importlib
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import torch
from torch import optim as torch_optim
from torch.nn import Parameter, ParameterList
from torch.optim import Optimizer

from scalefree.theory.walk import MakeOptimizer

OURS, TORCH, COLLECTION = "scalefree.optim", "torch.optim", "pytorch_optimizer"
PACKAGES = (OURS, TORCH, COLLECTION)
_DISTRIBUTIONS = {OURS: "scalefree", TORCH: "torch", COLLECTION: "pytorch_optimizer"}

# Optimizers that wrap another one are measured around AdamW, which is nearly scale-free by itself.
BASE = torch_optim.AdamW

Constructor = type[Optimizer]
Build = Callable[[Any, list[Parameter], dict[str, Any], dict[str, Any]], Optimizer]


def _of_parameters(kind: Any, params: list[Parameter], own: dict[str, Any], base: dict[str, Any]) -> Any:
    return kind(params, **own)


def _of_a_model(kind: Any, params: list[Parameter], own: dict[str, Any], base: dict[str, Any]) -> Any:
    return kind(ParameterList(params), **own)


def _of_muon_groups(kind: Any, params: list[Parameter], own: dict[str, Any], base: dict[str, Any]) -> Any:
    return kind([{"params": params, "use_muon": True}], **own)


def _around_an_optimizer(kind: Any, params: list[Parameter], own: dict[str, Any], base: dict[str, Any]) -> Any:
    return kind(BASE(params, **base), **own)


def _around_a_class(kind: Any, params: list[Parameter], own: dict[str, Any], base: dict[str, Any]) -> Any:
    return kind(params, BASE, **own, **{key: value for key, value in base.items() if key not in own})


def _around_a_class_with_a_model(kind: Any, params: list[Parameter], own: dict[str, Any], base: dict[str, Any]) -> Any:
    return kind(ParameterList(params), params, BASE, **own, **{k: v for k, v in base.items() if k not in own})


@dataclass(frozen=True)
class _Recipe:
    build: Build = _of_parameters
    fixed: Mapping[str, Any] = field(default_factory=dict)
    second_order: bool = False


_MUON = _Recipe(_of_muon_groups)
_WRAPPER = _Recipe(_around_an_optimizer)
_SAM = _Recipe(_around_a_class)
_RECIPES: dict[tuple[str, str], _Recipe] = {
    (COLLECTION, name): recipe
    for name, recipe in {
        "AdaGO": _MUON, "AdaMuon": _MUON, "Muon": _MUON, "MuonClip": _MUON, "NorMuon": _MUON,
        "AdaHessian": _Recipe(second_order=True),
        "SophiaH": _Recipe(second_order=True),
        "AdamMini": _Recipe(_of_a_model),
        "BSAM": _Recipe(fixed={"num_data": 1000}),
        "FAdam": _Recipe(fixed={"momentum_dtype": torch.float64, "fim_dtype": torch.float64}),
        "Ranger21": _Recipe(fixed={"num_iterations": 1000}),
        "Lookahead": _WRAPPER, "Magma": _WRAPPER, "OrthoGrad": _WRAPPER, "ScheduleFreeWrapper": _WRAPPER,
        "TRAC": _WRAPPER,
        "FriendlySAM": _SAM, "LookSAM": _SAM, "SAM": _SAM,
        "WSAM": _Recipe(_around_a_class_with_a_model),
    }.items()
}  # fmt: skip
# At its default lr of 1 it diverges in the noise even without factors.
_RECIPES[TORCH, "LBFGS"] = _Recipe(fixed={"lr": 0.1})
_WRAPPING = (_around_an_optimizer, _around_a_class, _around_a_class_with_a_model)

_REASONS: dict[tuple[str, str], str] = {
    (TORCH, "SparseAdam"): "takes sparse gradients only",
    (COLLECTION, "AdaLOMO"): "updates within the backward pass of a model; it has no step on given gradients",
    (COLLECTION, "LOMO"): "updates within the backward pass of a model; it has no step on given gradients",
    (COLLECTION, "DeMo"): "exchanges momentum between processes; it needs a process group",
    (COLLECTION, "DistributedMuon"): "shares the work between processes; it needs a process group",
    (COLLECTION, "GSAM"): "its closure returns a model's outputs, and its radius comes from a scheduler of its own",
    (COLLECTION, "PCGrad"): "projects the gradients of several losses; there is one here",
    (COLLECTION, "SaRA"): "moves only the weights that are below a threshold of 0.001 at first, and none here is",
    (COLLECTION, "SafeFP16Optimizer"): "scales the loss for half precision; all is float64 here",
}

_EPS = re.compile(r"eps(_?\d)?")


class Refused(ValueError):
    """An optimizer cannot be measured; the message is one line."""


@dataclass(frozen=True)
class Subject:
    """An optimizer class, and arguments for every instance.

    Attributes:
        package: the package that users import it from.
        kind: the class itself.
        arguments: arguments besides the recipe's; they take precedence over what a measurement varies, except where it
            must vary it (`make`).
    """

    package: str
    kind: Constructor
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.kind.__name__

    @property
    def version(self) -> str:
        """The package's version without its build tag; empty if the package is unknown."""
        distribution = _DISTRIBUTIONS.get(self.package)
        return version(distribution).partition("+")[0] if distribution else ""

    @property
    def reason(self) -> str:
        """Why it cannot be run here, as far as is known without trying; empty if no reason is known."""
        return _REASONS.get((self.package, self.name), "")

    @property
    def second_order(self) -> bool:
        return self._recipe.second_order

    @property
    def wraps(self) -> bool:
        """Whether it wraps another optimizer, `BASE`."""
        return self._recipe.build in _WRAPPING

    @property
    def beyond_defaults(self) -> dict[str, Any]:
        """The arguments that are not the constructor's own defaults."""
        return {**self._recipe.fixed, **self.arguments}

    @property
    def _recipe(self) -> _Recipe:
        return _RECIPES.get((self.package, self.name), _Recipe())

    @property
    def _own(self) -> Mapping[str, inspect.Parameter]:
        return _signature(self.kind)

    def takes(self, argument: str) -> bool:
        """Whether it, or the optimizer that it wraps, has such an argument."""
        return argument in self._own or (self.wraps and argument in _signature(BASE))

    @property
    def eps(self) -> list[str]:
        """Its arguments `eps`, `eps1`, `eps_2` and the like, if their defaults are numbers."""
        signatures = [self._own, _signature(BASE)] if self.wraps else [self._own]
        found = {
            name for own in signatures for name, of in own.items() if _EPS.fullmatch(name) and type(of.default) is float
        }
        return sorted(found)

    def with_arguments(self, arguments: Mapping[str, Any]) -> "Subject":
        """The same with more arguments.

        Raises:
            Refused: neither it nor the optimizer that it wraps has such an argument. Constructors that accept any
                keyword would let a misspelt one pass.
        """
        for name in arguments:
            if not self.takes(name) or name in ("params", "model", "optimizer", "base_optimizer"):
                known = ", ".join(key for key in self._own if key != "params")
                raise Refused(f"{self.package}.{self.name} has no argument {name!r}; it has {known}")
        return Subject(self.package, self.kind, {**self.arguments, **arguments})

    def make(self, **varied: Any) -> MakeOptimizer:
        """A constructor that takes parameters; `varied` overrides all other arguments.

        A wrapping optimizer keeps its own arguments and passes on the others; eps goes to both.
        """
        given = {**self._recipe.fixed, **self.arguments, **varied}
        own = {key: value for key, value in given.items() if key in self._own}
        base: dict[str, Any] = {}
        if self.wraps:
            passed = {key: value for key, value in given.items() if key not in own or _EPS.fullmatch(key)}
            base = {"weight_decay": 0.0, **{key: value for key, value in passed.items() if key in _signature(BASE)}}

        def make(params: list[Parameter]) -> Optimizer:
            return self._recipe.build(self.kind, params, own, base)

        return make


def _signature(kind: Constructor) -> dict[str, inspect.Parameter]:
    swallowing = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    parameters = inspect.signature(kind).parameters
    return {name: parameter for name, parameter in parameters.items() if parameter.kind not in swallowing}


def subjects(package: str) -> Iterator[Subject]:
    """Every optimizer class of a package, by name, except those of packages before it in `PACKAGES`.

    Raises:
        ModuleNotFoundError: the package is not installed.
    """
    earlier = PACKAGES[: PACKAGES.index(package)]
    known = {kind for other in earlier for kind in _classes(other).values()}
    for kind in _classes(package).values():
        if kind not in known:
            yield Subject(package, kind)


def _classes(package: str) -> dict[str, Constructor]:
    module = importlib.import_module(package)
    found = {name: getattr(module, name) for name in dir(module)}
    return {
        name: kind
        for name, kind in sorted(found.items(), key=lambda item: item[0].lower())
        if isinstance(kind, type) and issubclass(kind, Optimizer) and kind is not Optimizer and kind.__name__ == name
    }


def named(target: str) -> Subject:
    """The subject behind a dotted path such as `torch.optim.Adam`.

    Raises:
        Refused: it cannot be imported or is not an optimizer class.
    """
    module, _, name = target.rpartition(".")
    if not module or not name:
        raise Refused(f"target={target!r} is not a dotted path; give one such as torch.optim.Adam")
    try:
        kind = getattr(importlib.import_module(module), name)
    except Exception as error:  # importing runs the module's code
        raise Refused(f"target={target} cannot be imported: {one_line(error)}") from error
    if not (isinstance(kind, type) and issubclass(kind, Optimizer)) or kind is Optimizer:
        raise Refused(f"target={target} is not an optimizer; it must be a subclass of torch.optim.Optimizer")
    known = [package for package in PACKAGES if kind.__module__.startswith(f"{package}.")]
    return Subject(known[0] if known else module, kind)


def one_line(error: BaseException) -> str:
    """An error's type and first line, without object addresses, which differ between runs."""
    first, *_ = [line.strip() for line in str(error).splitlines() if line.strip()] or [""]
    first = re.sub(r" at 0x[0-9a-f]+", "", first)
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
