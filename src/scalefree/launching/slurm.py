"""Run a sweep as one SLURM job array, through submitit.

Each job of the array trains its share of the runs in worker processes, several at once, exactly like a sweep on one
machine. Before its time is up, or when the machine is reclaimed, SLURM sends a signal: the workers save their
checkpoints, the job is requeued (submitit calls `scontrol requeue`), and it resumes when it starts again. Only `squeue`
is used to find out whether jobs still exist, so no accounting database is needed.
"""

import logging
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scalefree.config import ConfigError, RunConfig, with_values
from scalefree.interruption import InterruptionRequest
from scalefree.launching.reports import Report, Sweep, read_reports, write_reports
from scalefree.launching.settings import SlurmSettings
from scalefree.launching.sweep import expected_cost, sweep
from scalefree.records import RecordError, Store, describe_outcome, run_label, run_name

log = logging.getLogger(__name__)

# A job may reach its time limit any number of times.
MOST_TIMEOUTS = 10_000
# Seconds between two queries of the queue.
POLL = 5.0


@dataclass
class Share:
    """One job's runs, and where it reports how they ended. submitit pickles it, so it contains only plain values."""

    configs: list[RunConfig]
    at_once: int
    report_path: Path

    def __call__(self) -> None:
        """Train the runs; finished ones are skipped, partial ones are resumed."""
        logging.basicConfig(level=logging.INFO, format="%(message)s")
        done = sweep(self.configs, self.at_once)
        if done.interrupted == signal.SIGUSR2:
            # The workers have saved. Now let submitit requeue the job; its signal handler is active again.
            signal.raise_signal(signal.SIGUSR2)
        if done.interrupted is not None:
            raise SystemExit(128 + done.interrupted)
        write_reports(self.report_path, done.reports)

    def checkpoint(self) -> object:
        """What submitit runs after requeueing: the same share again."""
        import submitit

        return submitit.helpers.DelayedSubmission(self)


def shares(configs: Sequence[RunConfig], settings: SlurmSettings, folder: Path) -> list[Share]:
    """Deal the runs out to jobs like cards, longest first, so that all jobs take about equally long."""
    jobs = -(-len(configs) // settings.runs_per_job)
    longest_first = sorted(configs, key=expected_cost, reverse=True)
    return [Share(longest_first[job::jobs], settings.runs_at_once, folder / f"{job}.json") for job in range(jobs)]


def already_done(config: RunConfig) -> Report | None:
    """The report of a run that the store has, sound or not; None for an image folder, whose name needs its images."""
    try:
        record = None if config.dataset.name == "image_folder" else Store(config.results_dir).result(run_name(config))
    except RecordError as error:
        return Report(run_label(config), "failed", str(error), 0.0)
    if record is None:
        return None
    return Report(run_label(config), "already done", describe_outcome(record), 0.0)


def submit(parts: Sequence[Share], settings: SlurmSettings, folder: Path) -> str:
    """Queue one job array; returns its id.

    Raises:
        ConfigError: submitit or SLURM is missing, or SLURM refuses the jobs, for example because of an unknown
            partition.
    """
    try:
        import submitit
    except ImportError:
        raise ConfigError("hydra/launcher=slurm needs submitit: pip install -e '.[sweeps]', or make setup") from None
    try:
        executor = submitit.SlurmExecutor(folder=folder, max_num_timeout=MOST_TIMEOUTS)
    except RuntimeError:
        raise ConfigError("hydra/launcher=slurm found no sbatch on this machine; use hydra/launcher=local") from None
    cpus = settings.cpus_per_task or settings.runs_at_once
    asked = {
        "partition": settings.partition,
        "gpus_per_node": settings.gpus_per_node,
        "mem": None if settings.mem_gb is None else f"{settings.mem_gb}GB",
        "setup": settings.setup or None,
    }
    executor.update_parameters(
        job_name="scalefree",
        time=settings.timeout_min,
        cpus_per_task=cpus,
        srun_args=[f"--cpus-per-task={cpus}"],  # since SLURM 22.05 srun does not inherit it from sbatch
        array_parallelism=settings.array_parallelism,
        signal_delay_s=settings.signal_delay_s,
        additional_parameters={"requeue": True, **settings.additional_parameters},
        **{key: value for key, value in asked.items() if value is not None},
    )
    try:
        with executor.batch():  # one array, in which each job has its own function
            jobs = [executor.submit(part) for part in parts]
    except submitit.core.utils.FailedJobError as error:
        raise ConfigError(f"SLURM refused the jobs: {'; '.join(str(error).splitlines())}") from None
    return str(jobs[0].job_id).partition("_")[0]


def jobs_left(array: str) -> int:
    """Number of jobs of the array that are waiting, running or requeued.

    Raises:
        OSError: the queue did not answer.
    """
    asked = subprocess.run(
        ["squeue", "--noheader", "--array", "--format=%i", f"--jobs={array}"], capture_output=True, text=True
    )
    if asked.returncode == 0:
        return len(asked.stdout.split())
    if "Invalid job id" in asked.stderr:  # all ended long enough ago for SLURM to have forgotten them
        return 0
    raise OSError(asked.stderr.strip())


def wait_for(array: str, interruption: InterruptionRequest) -> None:
    """Wait until no job of the array is left or a signal arrives, which does not end the jobs themselves."""
    before = -1
    while interruption.requested is None:
        try:
            left = jobs_left(array)
        except OSError as error:
            log.warning("squeue did not answer (%s); trying again", error)
        else:
            if left == 0:
                return
            if left != before:
                log.info("%d jobs of array %s are left", left, array)
            before = left
        time.sleep(POLL)


def sweep_on_slurm(configs: Sequence[RunConfig], settings: SlurmSettings) -> Sweep:
    """Train the runs on the cluster and return their reports; without waiting, these say queued or already done.

    Raises:
        ConfigError: no submitit, or no SLURM on this machine.
    """
    done = Sweep()
    todo = []
    for config in configs:
        if (report := already_done(config)) is not None:
            done.reports.append(report)
        else:
            todo.append(with_values(config, {"results_dir": str(Store(config.results_dir).root.absolute())}))
    if not todo:
        return done
    place = Path(todo[0].results_dir) / "multirun"
    place.mkdir(parents=True, exist_ok=True)
    # Only this user can access it, whatever the umask: submitit executes what is in it.
    folder = Path(tempfile.mkdtemp(prefix="slurm-", dir=place))
    parts = shares(todo, settings, folder)
    array = submit(parts, settings, folder)
    log.info("array %s: %d jobs for %d runs; their output is in %s", array, len(parts), len(todo), folder)
    if not settings.wait:
        done.reports += [Report(run_label(config), "queued", f"in array {array}", 0.0) for config in todo]
        return done
    with InterruptionRequest() as interruption:
        wait_for(array, interruption)
        done.interrupted = interruption.requested
    if done.interrupted is not None:
        log.info("no longer waiting; the jobs continue (scancel %s ends them)", array)
        return done
    for part in parts:
        lost = "its job ended without a report; see the job's output, then run the same command again to resume"
        # A killed job may have finished some of its runs.
        done.reports += read_reports(part.report_path) or [
            already_done(config) or Report(run_label(config), "failed", lost, 0.0) for config in part.configs
        ]
    return done
