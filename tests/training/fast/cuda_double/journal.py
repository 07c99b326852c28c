"""Reads the double's journal in a process that runs with the double of CUDA."""

import ctypes
from collections import Counter
from dataclasses import dataclass, field

_double = ctypes.CDLL(None)
_double.double_journal.restype = ctypes.c_char_p
_double.double_launches.restype = ctypes.c_ulonglong
_names = ctypes.CDLL("libstdc++.so.6")
_names.__cxa_demangle.restype = ctypes.c_void_p


def _readable(name: str) -> str:
    """A kernel's name in C++, without its arguments."""
    found = _names.__cxa_demangle(name.encode(), None, None, None)
    if not found:
        return name
    words = ctypes.string_at(found).decode().replace("(anonymous namespace)::", "")
    return words.removeprefix("void ").partition("<")[0].partition("(")[0]


@dataclass
class Seen:
    """A part of the journal.

    Attributes:
        kernels: how often each was launched, inside or outside a capture.
        replays: the number of kernels of each replayed graph.
        host_copies: copies between host and device, prefixed with "captured" if they are part of a graph.
        waits: the host's waits for the device.
        allocations: allocated memory of both kinds, and freed memory.
        refused: calls that are not allowed during a capture.
        beside: work on another stream during a capture, which is not part of the graph.
        others: copies on the device, fills, modules.
    """

    kernels: Counter[str] = field(default_factory=Counter)
    replays: list[int] = field(default_factory=list)
    host_copies: list[str] = field(default_factory=list)
    waits: list[str] = field(default_factory=list)
    allocations: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)

    @property
    def launches(self) -> int:
        """The total number of kernels."""
        return self.kernels.total()

    def add(self, line: str) -> None:
        """Adds one event."""
        what = line.removeprefix("captured ")
        kind, _, rest = what.partition(" ")
        if kind == "launch":
            self.kernels[_readable(rest)] += 1
        elif kind == "replay":
            self.replays.append(int(rest.split()[0]))
        elif kind == "copy":
            (self.host_copies if "host" in rest else self.others).append(line)
        elif kind == "wait":
            self.waits.append(line)
        elif kind in ("allocate", "free"):
            self.allocations.append(line)
        elif kind == "refused":
            self.refused.append(rest)
        elif kind == "beside":
            self.beside.append(line)
        else:
            self.others.append(line)


def launches() -> int:
    """The number of kernels since the process started."""
    return int(_double.double_launches())


def lines() -> list[str]:
    """Every event since the last call."""
    return _double.double_journal().decode().splitlines()


def seen(events: list[str]) -> Seen:
    """The events, sorted by kind."""
    found = Seen()
    for line in events:
        found.add(line)
    return found


def captures(events: list[str]) -> list[list[str]]:
    """The events between the beginning and the end of every capture."""
    found: list[list[str]] = []
    inside = False
    for line in events:
        if line == "begin capture":
            inside = True
            found.append([])
        elif line.startswith("end capture"):
            inside = False
        elif inside:
            found[-1].append(line)
    return found
