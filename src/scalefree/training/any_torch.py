"""Any torch optimizer by class name: found, tried out before any work, built, and resumed exactly.

Only classes derived from `torch.optim.Optimizer` are ever called. Whichever runner trains, the optimizer works on the
list of the network's own parameters in their shapes, because it is not known what a class would compute on a flat
vector.
"""

import copy
import importlib
import inspect
import io
import pickle
import warnings
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from scalefree.config import ConfigError, OptimizerConfig
from scalefree.decay_conventions import convention_of, to_library
from scalefree.optim.adam_family import AdamFamily

# Shapes of typical parameters: a convolution, the last layer's weight and bias, one of Fixup's scalars.
SHAPES = ((4, 3, 3, 3), (10, 4), (10,), (1,))
# Steps in a trial before the state is saved, and after it is loaded.
STEPS = 2


def _said(error: BaseException) -> str:
    """An error's message on one line."""
    return " ".join(str(error).split())[:300] or type(error).__name__


def find_class(target: str) -> type[Optimizer]:
    """The class with a dotted name.

    Raises:
        ConfigError: the name cannot be imported, or is not an optimizer that may be named in this way.
    """
    module, _, name = target.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (Exception, SystemExit) as error:  # a module may raise anything while it is imported
        raise ConfigError(f"optimizer.target={target} cannot be imported: {_said(error)}") from None
    if not (isinstance(found, type) and issubclass(found, Optimizer)):
        raise ConfigError(f"optimizer.target={target} is not a subclass of torch.optim.Optimizer; name one that is")
    if issubclass(found, AdamFamily):
        key = found.rule.__name__
        raise ConfigError(f"optimizer.target={target} is one of scalefree's own rules; choose it with optimizer={key}")
    return found


def _named_arguments(of: type[Optimizer]) -> tuple[set[str], bool]:
    """The argument names of a constructor, and of its bases if it passes others on; and whether it accepts any name."""
    names: set[str] = set()
    takes_any = False
    for base in of.__mro__[: of.__mro__.index(Optimizer)] or (of,):
        if "__init__" not in vars(base):
            continue
        parameters = inspect.signature(vars(base)["__init__"]).parameters.values()
        names |= {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        if not any(p.kind == p.VAR_KEYWORD for p in parameters):
            break
        takes_any = True
    return names - {"self", "params"}, takes_any


def _weight_decay(chosen: OptimizerConfig) -> float:
    """The value to pass as weight_decay; unknown conventions were refused with the configuration."""
    if chosen.decay == "own":
        return chosen.weight_decay
    name = convention_of(str(chosen.target), chosen.arguments)
    assert name is not None
    return to_library(name, chosen.weight_decay, chosen.lr)


def build(chosen: OptimizerConfig, parameters: list[nn.Parameter]) -> Optimizer:
    """The optimizer that `optimizer.target` names, over parameters of any shapes.

    Raises:
        ConfigError: there is no such class, or it refuses its arguments or the parameters.
    """
    assert chosen.target is not None
    of = find_class(chosen.target)
    names, takes_any = _named_arguments(of)
    given: dict[str, Any] = {"lr": chosen.lr, **copy.deepcopy(chosen.arguments)}
    # Always passed if it exists, because its default is not always 0.
    if "weight_decay" in names or chosen.weight_decay:
        given["weight_decay"] = _weight_decay(chosen)
    for name in given:
        if name not in names and not takes_any:
            known = ", ".join(sorted(names))
            raise ConfigError(f"optimizer.target={chosen.target} does not take {name}; it takes {known}")
    try:
        optimizer = of(parameters, **given)
    except Exception as error:
        raise ConfigError(
            f"optimizer.target={chosen.target} refuses its arguments: {_said(error)}; check optimizer.arguments"
        ) from None
    for group in optimizer.param_groups:
        for name in given:
            # A class that accepts any argument may silently ignore a misspelt one.
            if name not in names and name not in group:
                raise ConfigError(f"optimizer.target={chosen.target} does not take {name}")
        if not chosen.weight_decay and group.get("weight_decay"):
            raise ConfigError(f"optimizer.target={chosen.target} has its own decay; set optimizer.weight_decay above 0")
        if "lr" not in group:
            raise ConfigError(
                f"optimizer.target={chosen.target} keeps no lr in its groups, which the schedule needs; choose another"
            )
        group.setdefault("initial_lr", group["lr"])
    return optimizer


def restore(optimizer: Optimizer, saved: dict[str, Any]) -> None:
    """Load a state dict exactly, as our rules do: torch casts every tensor but `step` to its parameter's dtype."""
    optimizer.load_state_dict(saved)
    if isinstance(optimizer, AdamFamily):
        return
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for index, state in saved["state"].items():
        if isinstance(index, int):
            optimizer.state[parameters[index]] = copy.deepcopy(state)


def _stand_ins() -> list[nn.Parameter]:
    draw = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(shape, generator=draw)) for shape in SHAPES]


def _take_steps(optimizer: Optimizer, parameters: list[nn.Parameter], steps: int, seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        for p in parameters:
            p.grad = torch.randn(p.shape, generator=draw)
        optimizer.step()


def try_out(chosen: OptimizerConfig) -> None:
    """Take some steps on a CPU, save the state, load it into a second optimizer and compare the next steps of both.

    Raises:
        ConfigError: the class cannot be imported, refuses an argument, needs a closure or sparse gradients, or does not
            continue bit for bit from its saved state.
    """
    first = _stand_ins()
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")
        optimizer = build(chosen, first)
        closure = inspect.signature(optimizer.step).parameters.get("closure")
        if closure is not None and closure.default is inspect.Parameter.empty:
            raise ConfigError(
                f"optimizer.target={chosen.target} needs a closure, which evaluates the loss several times per step; "
                "here a step has only one gradient; choose another optimizer"
            )
        if hasattr(optimizer, "train") and hasattr(optimizer, "eval"):
            raise ConfigError(
                f"optimizer.target={chosen.target} needs train() and eval() calls around evaluations, which are not "
                "made here, so the wrong weights would be evaluated; choose another optimizer"
            )
        try:
            _take_steps(optimizer, first, STEPS, seed=1)
        except Exception as error:
            raise ConfigError(
                f"optimizer.target={chosen.target} cannot take a step: {_said(error)}; check "
                "optimizer.arguments or choose another optimizer"
            ) from None
        second = [nn.Parameter(p.detach().clone()) for p in first]
        try:
            archive = io.BytesIO()
            torch.save(optimizer.state_dict(), archive)
            archive.seek(0)
            other = build(chosen, second)
            restore(other, torch.load(archive, weights_only=True))
            _take_steps(other, second, STEPS, seed=2)
        except pickle.PickleError:
            raise ConfigError(
                f"optimizer.target={chosen.target} has more in its state_dict than tensors and plain values, but "
                "checkpoints are loaded without pickle; choose another optimizer"
            ) from None
        except Exception as error:
            raise ConfigError(
                f"optimizer.target={chosen.target} cannot be resumed: {_said(error)}; check "
                "optimizer.arguments or choose another optimizer"
            ) from None
        _take_steps(optimizer, first, STEPS, seed=2)
    if not all(torch.equal(p, q) for p, q in zip(first, second, strict=True)):
        raise ConfigError(
            f"optimizer.target={chosen.target} does not continue bit for bit from its state_dict: it draws "
            "random numbers or keeps part of its state elsewhere; choose another optimizer"
        )
