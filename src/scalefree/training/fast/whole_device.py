"""Optimizer steps on one vector that use the whole of a GPU."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

FOREACH = "_foreach_"
# Arguments that the operation on a single tensor takes only by name.
KEYWORDS = ("alpha", "value")


class WholeDevice(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Replaces torch's multi-tensor operations on lists of one tensor by the same operation on that tensor.

    The multi-tensor kernels give a tensor one thread block per 65,536 elements, so a vector of all weights of ResNet-20
    would occupy five of an H100's 132 processors. It costs the host some time per operation, and is meant for steps
    that are captured once.
    """

    def __torch_dispatch__(
        self,
        operation: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        name = operation.__name__.partition(".")[0]
        kwargs = kwargs or {}
        if not name.startswith(FOREACH) or len(args[0]) != 1:
            return operation(*args, **kwargs)
        named = dict(zip((argument.name for argument in operation._schema.arguments), args, strict=False))
        factors = {key: named.pop(key) for key in KEYWORDS if key in named}
        single = getattr(torch.ops.aten, name.removeprefix(FOREACH))
        made = single(*map(_only, named.values()), **factors, **{key: _only(value) for key, value in kwargs.items()})
        return None if name.endswith("_") else [made]


def _only(value: Any) -> Any:
    """The element of a list of one; anything else is passed on."""
    return value[0] if isinstance(value, list | tuple) else value
