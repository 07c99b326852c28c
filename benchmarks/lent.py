"""Try this package on a GPU that nobody has tried before, in three minutes, the most important first.

    python -m benchmarks.lent [--kernels] DATA OUT [SECONDS [DEVICE]]

DATA holds the packed CIFAR-10 of scripts/pack.py. Prints a line per stage; failures and the
kernels' times are written to OUT. With --kernels only our own kernels are tried, in one minute. No stage stops another;
one that would begin too late is left out. This process never touches the GPU, so each stage's workers are forks of it:
they start at once, with the data and torch in memory.
"""

import functools
import itertools
import math
import multiprocessing
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.stages import in_turn
from scalefree.config import RunConfig, with_values
from scalefree.experiments import load_experiment
from scalefree.launching.mps import multi_process_service
from scalefree.training import run
from scalefree.training.device import synchronize
from scalefree.training.evaluation import evaluate_all
from scalefree.training.fast import speedups
from scalefree.training.fast.captured import CapturedSteps
from scalefree.training.fast.equality import distances
from scalefree.training.fast.native import device_code
from scalefree.training.fast.speedups import captures
from scalefree.training.measured import measured
from scalefree.training.task import Task, build_task, load_data
from scalefree.training.trainer import steps

CONTEXT = multiprocessing.get_context("fork")
# Seconds that a stage's workers may take to get ready.
PATIENCE = 60.0
Values = Mapping[str, Any]


class Session:
    """The time that is left, and where output goes."""

    def __init__(self, out: Path, seconds: float) -> None:
        self.out = out
        self.started = time.monotonic()
        self.end = self.started + seconds

    def say(self, text: str) -> None:
        """Print a line at once, and keep it."""
        line = f"[{time.monotonic() - self.started:5.1f} s] {text}"
        print(line, flush=True)
        with (self.out / "stages.txt").open("a") as file:
            file.write(line + "\n")

    @contextmanager
    def stage(self, name: str, needs: float) -> Iterator[bool]:
        """Guards a stage; yields False if less time is left than the seconds that it needs."""
        if time.monotonic() + needs > self.end:
            self.say(f"{name}: left out, no time")
            yield False
            return
        try:
            yield True
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            self.say(f"{name}: FAILED: {type(error).__name__}: {' '.join(str(error).split())[:300]}")
            with (self.out / "failures.txt").open("a") as file:
                file.write(f"{name}\n{''.join(traceback.format_exception(error))}\n")


def _answer(pipe: Connection, function: Callable[..., Iterator[Any]], arguments: tuple[Any, ...]) -> None:
    """What a worker does: sends each value that the function yields to the parent, which asks for each."""
    try:
        for value in function(*arguments):
            pipe.send((True, value))
            if not pipe.recv():
                break
    except BaseException as error:
        pipe.send((False, "".join(traceback.format_exception(error))))
    pipe.close()
    os._exit(0)  # a CUDA context that hangs in its teardown costs nothing


class Fork:
    """A generator function in a process of its own."""

    def __init__(self, function: Callable[..., Iterator[Any]], *arguments: Any) -> None:
        self.pipe, theirs = CONTEXT.Pipe()
        self.process = CONTEXT.Process(target=_answer, args=(theirs, function, arguments), daemon=True)
        self.process.start()
        theirs.close()

    def get(self, patience: float = PATIENCE) -> Any:
        """The next value that it yields.

        Raises:
            RuntimeError: it failed, died or took too long; it is then ended.
        """
        try:
            if not self.pipe.poll(patience):
                raise RuntimeError(f"no answer in {patience:.0f} s")
            well, value = self.pipe.recv()
        except (EOFError, RuntimeError, OSError) as error:
            self.close()
            raise RuntimeError(f"{error or 'died'}, exit code {self.process.exitcode}") from None
        if not well:
            raise RuntimeError(value.strip().splitlines()[-1] + "\n" + value)
        return value

    def go_on(self) -> None:
        """Let it compute its next value."""
        self.pipe.send(True)

    def close(self) -> None:
        """Let it end, as MPS wants its clients to, or end it."""
        with suppress(OSError):
            self.pipe.send(False)
        self.process.join(5)
        self.process.kill()
        self.process.join(10)


def prepared_task(config: RunConfig, variant: str) -> Task:
    """A task ready to be captured; the variants change what no key can."""
    if "cudnn" in variant:
        speedups.use_residual_kernels = lambda *_: False  # type: ignore[attr-defined]
    task = build_task(config, load_data(config.dataset), torch.device(config.device))
    torch.backends.cudnn.deterministic = "free" not in variant
    torch.backends.cudnn.benchmark = "timed" in variant
    return task


def endless(task: Task) -> Iterator[Tensor]:
    """The steps of one epoch after another."""
    take = CapturedSteps(task) if captures(task.config, task.device) else functools.partial(steps, task)
    for epoch in itertools.count():
        yield from take(epoch, 0)


def rate(config: RunConfig, variant: str, seconds: float, runs: int = 1) -> Iterator[Any]:
    """Yields the seconds to get ready, then (steps per second, the last loss); several runs take turns on streams."""
    started = time.perf_counter()
    device = torch.device(config.device)
    tasks = [prepared_task(with_values(config, {"seed": seed}), variant) for seed in range(runs)]
    taken = in_turn([endless(task) for task in tasks], device) if runs > 1 else endless(tasks[0])
    for _ in itertools.islice(taken, 3):
        pass
    synchronize(device)
    yield time.perf_counter() - started
    started, count, loss = time.perf_counter(), 0, torch.zeros(())
    while time.perf_counter() - started < seconds:
        for value in itertools.islice(taken, 50 if device.type == "cuda" else 2):
            loss = value if isinstance(value, Tensor) else loss
            count += 1
        synchronize(device)
    yield runs * count / (time.perf_counter() - started), float(loss)


def kernels(config: RunConfig, out: Path) -> Iterator[str]:
    """Where the time of a captured step goes, in a file; yields its two sums."""
    from torch.profiler import ProfilerActivity, profile

    task = prepared_task(config, "")
    taken = endless(task)
    for _ in itertools.islice(taken, 20):
        pass
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiler:
        for _ in itertools.islice(taken, 10):
            pass
        synchronize(torch.device(config.device))
    events = profiler.key_averages()
    own = {e.key: (e.self_device_time_total, e.count) for e in events if e.self_device_time_total > 0}
    lines = [f"{time / 10:9.1f} us a step {count / 10:7.1f} x {key}" for key, (time, count) in own.items()]
    (out / "kernels.txt").write_text("\n".join(sorted(lines, reverse=True)) + "\n")
    yield (
        f"{sum(count for _, count in own.values()) / 10:.0f} kernels and copies a step, "
        f"{sum(time for time, _ in own.values()) / 10:.0f} us on the device with {task.fast.native}; "
        "kernels.txt"
    )


def equality(config: RunConfig) -> Iterator[str]:
    """How far the fast path's steps are from the plain loop's."""
    started = time.perf_counter()
    found = distances(config, load_data(config.dataset), torch.device(config.device))
    verdict = found.too_large(config.precision) or "equal"
    yield f"{verdict} ({found.describe()}), {time.perf_counter() - started:.1f} s"


def without_compiler(config: RunConfig) -> Iterator[str]:
    """Some steps when NVRTC fails: torch's convolutions replace our kernels."""

    def refuse(source: str, architecture: str) -> bytes:
        raise device_code.DeviceError("no NVRTC, for this test")

    device_code._cached = refuse
    task = prepared_task(config, "")
    *_, loss = itertools.islice(endless(task), 5)
    yield f"convolutions of {task.fast.native or 'torch'}, loss {float(loss):.4g}"


def evaluation(config: RunConfig) -> Iterator[str]:
    """Seconds of an evaluation of all splits, and of one measurement."""
    task = prepared_task(config, "")
    next(endless(task))
    evaluate_all(task, 0)
    started = time.perf_counter()
    evaluate_all(task, 0)
    synchronize(task.device)
    middle = time.perf_counter()
    measured(task, 1.0, None)
    yield f"evaluation {middle - started:.2f} s, measurement {time.perf_counter() - middle:.2f} s"


def small_run(config: RunConfig) -> Iterator[str]:
    """A whole run to its record."""
    started = time.perf_counter()
    record = run(config).record
    made, error = record.environment, record.final_metrics["final_test_error"]
    yield (
        f"{record.outcome.status} after {record.outcome.step} steps, test error {error}, "
        f"{time.perf_counter() - started:.1f} s; runner {made['runner']}, commit {str(made['commit'])[:12]}, "
        f"changes {made['uncommitted_changes']}"
    )


def together(session: Session, name: str, arguments: list[tuple[Any, ...]], seconds: float) -> float:
    """Run `rate` in several processes at once and say how fast they were together; returns steps per second."""
    forks = [Fork(rate, *each) for each in arguments]
    try:
        ready = [fork.get() for fork in forks]
        for fork in forks:
            fork.go_on()
        rates = [fork.get(seconds + PATIENCE) for fork in forks]
    finally:
        for fork in forks:
            fork.close()
    each = [float(one) for one, _ in rates]
    session.say(
        f"{name}: {sum(each):.0f} steps/s together, {min(each):.0f} to {max(each):.0f} each, "
        f"ready in {max(ready):.1f} s, last loss {rates[0][1]:.4g}"
    )
    return sum(each)


def said(session: Session, name: str, function: Callable[..., Iterator[str]], *arguments: Any, needs: float) -> None:
    """A stage that is one process with something to say."""
    with session.stage(name, needs) as may:
        if may:
            fork = Fork(function, *arguments)
            try:
                session.say(f"{name}: {fork.get()}")
            finally:
                fork.close()


def said_at_once(session: Session, stages: Mapping[str, tuple[Any, ...]], needs: float) -> None:
    """Several such stages side by side, as none of them is timed."""
    with session.stage(", ".join(stages), needs) as may:
        forks = {name: Fork(*arguments) for name, arguments in stages.items()} if may else {}
        for name, fork in forks.items():
            with session.stage(name, -math.inf):  # it is already running
                try:
                    session.say(f"{name}: {fork.get()}")
                finally:
                    fork.close()


def forked() -> Iterator[str]:
    """Whether a fork of this process can use CUDA: torch refuses it once the parent has asked for devices."""
    yield "refused by torch" if torch.cuda._is_in_bad_fork() else "may use CUDA"


def facts(session: Session) -> None:
    """Versions and what this machine has."""
    session.say(f"torch {torch.__version__}, cuda {torch.version.cuda}, python {platform.python_version()}")
    asked = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total,compute_mode", "--format=csv,noheader"]
    if shutil.which("nvidia-smi"):
        session.say(subprocess.run(asked, capture_output=True, text=True, timeout=30).stdout.strip())
    tools = {name: shutil.which(name) for name in ("git", "nvidia-cuda-mps-control", "nvidia-cuda-mps-server", "cc")}
    session.say(
        f"{len(os.sched_getaffinity(0))} cores, kernel {platform.release()}, {tools}, .git {Path('.git').exists()}"
    )


def tests(session: Session) -> None:
    """The package's own tests of this device, for the time that is left; their whole output is kept."""
    left = session.end - time.monotonic()
    command = [
        *(
            "timeout",
            "--signal=INT",
            "--kill-after=5",
            f"{left:.0f}",
            sys.executable,
            "-m",
            "pytest",
            "-rfE",
            "--tb=short",
        ),
        *("-n", "8", "-k", "cuda", "-p", "no:cacheprovider", "tests/training", "tests/benchmarks/test_stages.py"),
    ]
    with (session.out / "tests.txt").open("w") as file:
        code = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT).returncode
    lines = (session.out / "tests.txt").read_text(errors="replace").strip().splitlines()
    session.say(f"device tests: exit code {code}: {lines[-1] if lines else ''}")
    for line in lines:
        if line.startswith(("FAILED", "ERROR")):
            session.say(line[:300])


def main() -> None:
    """See the module."""
    only_kernels = sys.argv[1] == "--kernels"
    data, out, *rest = sys.argv[1 + only_kernels :]
    session = Session(Path(out), float(rest[0]) if rest else 60.0 if only_kernels else 170.0)
    session.out.mkdir(parents=True, exist_ok=True)
    device = rest[1] if len(rest) > 1 else "cuda"
    torch.set_num_threads(1)
    with session.stage("facts", 0):
        facts(session)
    cell = load_experiment("selection", "cifar16").cells[0].config
    given = {"dataset.root": str(Path(data).absolute()), "device": device, "tracking.mode": "none"}
    config = with_values(cell, {**given, "results_dir": tempfile.mkdtemp()})
    load_data(config.dataset)
    session.say("data and configuration are there")
    with session.stage("forks", 0):
        fork = Fork(forked)
        session.say(f"forks: {fork.get()}")
        fork.close()
    tiny = {"dataset.per_class": 200, "training.epochs": 2, "training.evaluate_every": 1}

    def of(depth: int, precision: str = "fp32") -> RunConfig:
        return with_values(config, {"model.depth": depth, "precision": precision})

    def alone(name: str, subject: RunConfig, variant: str = "", seconds: float = 3.0) -> float:
        with session.stage(name, seconds + 5) as may:
            if may:
                return together(session, name, [(subject, variant, seconds)], seconds)
        return 0.0

    def at_once(runs: int, subject: RunConfig, variant: str = "", mps: bool = True, seconds: float = 6.0) -> None:
        name = f"{runs} at once{' under MPS' if mps else ''}, depth {subject.model.depth} {subject.precision} {variant}"
        with session.stage(name, 10 + seconds) as may:
            if may:
                with multi_process_service() if mps else nullcontext():
                    many = [(with_values(subject, {"seed": seed}), variant, seconds) for seed in range(runs)]
                    together(session, name, many, seconds)

    if only_kernels:
        stages: dict[str, tuple[Any, ...]] = {
            f"equality, depth {depth} fp32": (equality, of(depth)) for depth in (56, 20, 110)
        }
        stages["kernels"] = (kernels, of(56), session.out)
        stages["without NVRTC"] = (without_compiler, of(20))
        said_at_once(session, stages, needs=10)
        alone("alone, depth 56 fp32", of(56), seconds=1.5)
        for runs in (24, 32, 16):
            at_once(runs, of(56), seconds=3.0)
        for depth in (20, 110):
            alone(f"alone, depth {depth} fp32", of(depth), seconds=1.5)
        return
    whole = with_values(of(20), tiny)
    said(session, "a small run to its record", small_run, whole, needs=20)
    said(session, "the same, plain", small_run, with_values(whole, {"runner": "plain", "seed": 101}), needs=20)
    rates = {"": alone("alone, depth 56 fp32", of(56), seconds=5.0)}
    said(session, "equality, depth 56 fp32", equality, of(56), needs=10)
    said(session, "kernels", kernels, of(56), session.out, needs=15)
    at_once(8, of(56))
    at_once(16, of(56))
    for variant in ("cudnn", "cudnn free", "cudnn timed"):
        rates[variant] = alone(f"alone, depth 56 fp32, {variant}", of(56), variant)
    best = max(rates, key=lambda variant: rates[variant])
    if rates[best] > 1.1 * rates[""]:
        at_once(16, of(56), best)
    alone("alone, depth 56 tf32", of(56, "tf32"))
    said(session, "equality, depth 56 tf32", equality, of(56, "tf32"), needs=10)
    said(session, "equality, depth 110 fp32", equality, of(110), needs=10)
    at_once(24, of(56), best)
    said(session, "depth 56", evaluation, of(56), needs=10)
    at_once(8, of(56), best, mps=False)
    with session.stage("8 runs in turn on streams of one process", 20) as may:
        if may:
            together(session, "8 runs in turn on streams of one process", [(of(56), best, 5.0, 8)], 5.0)
    for depth in (20, 110):
        alone(f"alone, depth {depth} fp32", of(depth), best)
    with session.stage("tests", 10) as may:
        if may:
            tests(session)


if __name__ == "__main__":
    main()
