"""A one-node SLURM cluster on this machine, from Debian's packages, for the duration of a test.

It has its own munge daemon, ports, state and logs, so it does not interfere with an existing cluster, and two of
them can run side by side. It has no accounting, so `sacct` knows nothing, as on many small clusters.
"""

import contextlib
import fcntl
import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "sinfo", "scancel", "scontrol")
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
# Possibly more than the machine has, so that two jobs with two CPUs each run at once everywhere.
CPUS = 4

CONFIGURATION = """\
ClusterName=test
SlurmctldHost=localhost
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
MailProg=/bin/true
ReturnToService=2
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
NodeName=localhost NodeHostname={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=debug Nodes=localhost Default=YES MaxTime=INFINITE State=UP
"""


class Unavailable(Exception):
    """The cluster cannot run on this machine; the message says why."""


def until(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """Waits for the condition's first true value.

    Raises:
        TimeoutError: it did not become true.
    """
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s for {what}")
        time.sleep(0.3)
    return value


def _missing() -> list[str]:
    return [program for program in PROGRAMS if shutil.which(program, path=PATH) is None]


def install() -> None:
    """Installs SLURM and munge if they are missing.

    Raises:
        Unavailable: they are missing and cannot be installed.
    """
    with open(Path(tempfile.gettempdir()) / f"slurm-installation-{os.geteuid()}", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the other test process may be installing
        if not _missing():
            return
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            raise Unavailable(f"{', '.join(_missing())} not found; only root with apt-get can install them")
        apt = ("apt-get", "-o", "DPkg::Lock::Timeout=120", "-o", "Acquire::http::Timeout=20")
        packages = (*apt, "install", "-y", "--no-install-recommends", "slurm-wlm", "munge")
        for command in (packages, (*apt, "update"), packages):  # the lists may be missing, or old
            done = subprocess.run(
                command,
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
            )
            if not _missing():
                return
        raise Unavailable(f"apt-get install slurm-wlm munge: {(done.stderr or done.stdout).strip()[-300:]}")


def free_ports(count: int) -> list[int]:
    """Unused ports."""
    with contextlib.ExitStack() as sockets:
        opened = [sockets.enter_context(socket.socket()) for _ in range(count)]
        for each in opened:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in opened]


class Cluster:
    """A running cluster.

    Attributes:
        environment: the variables with which SLURM's commands and their callers reach this cluster.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {"PATH": PATH, "SLURM_CONF": str(folder / "slurm.conf")}

    def call(self, *command: str) -> str:
        """What a command prints.

        Raises:
            RuntimeError: it failed; the message has its output.
        """
        done = subprocess.run(
            command, env={**os.environ, **self.environment}, capture_output=True, text=True, timeout=60
        )
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()}")
        return done.stdout.strip()

    def states(self, which: str = "all") -> dict[str, str]:
        """State by job, an array's as `12_3`; including ended jobs, which SLURM forgets after some minutes."""
        lines = self.call("squeue", "--noheader", "--array", f"--states={which}", "--format=%i %T").splitlines()
        return dict(line.split() for line in lines)

    def restart(self, job: str) -> None:
        """Has a requeued job start now, which it would otherwise do two minutes after it was stopped.

        slurmd takes a job that starts in the same second in which it was stopped for the stopped one ("Job credential
        revoked") and fails it.
        """
        until(lambda: self.states().get(job) == "PENDING", 120, f"job {job} to be pending again")
        time.sleep(2)
        self.call("scontrol", "update", f"JobId={job}", "StartTime=now")

    def start(self) -> None:
        """Writes the configuration, starts the daemons and waits until the node accepts jobs."""
        controller_port, node_port = free_ports(2)
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o600)
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        (self.folder / "slurm.conf").write_text(
            CONFIGURATION.format(
                folder=self.folder,
                controller_port=controller_port,
                node_port=node_port,
                user=getpass.getuser(),
                host=socket.gethostname().partition(".")[0],
                cpus=CPUS,
            )
        )
        files = {"socket": "socket", "key-file": "key", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        # With --force, munge accepts a temporary folder whose parent is writable by others.
        self.call("munged", "--force", *(f"--{option}={self.folder}/munge.{name}" for option, name in files.items()))
        self.call("slurmctld", "-c")
        self.call("slurmd", "-N", "localhost")
        until(lambda: "idle" in self.call("sinfo", "--noheader", "--format=%T"), 60, "the node to be idle")

    def stop(self) -> None:
        """Ends the jobs, then the daemons by their pid files, whatever their state."""
        with contextlib.suppress(RuntimeError, TimeoutError, subprocess.TimeoutExpired):
            for job in self.states("pending,running,completing"):
                self.call("scancel", job)
            # SLURM kills jobs that do not end within half a minute.
            until(lambda: not self.states("pending,running,completing"), 60, "the jobs to end")
        for name in ("slurmd", "slurmctld", "munge"):
            file = self.folder / f"{name}.pid"
            if file.exists() and file.read_text().strip():
                end(int(file.read_text()))


def _alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not count."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def end(pid: int) -> None:
    """Sends SIGTERM, and SIGKILL if the process is still there after 20 s; returns when it is gone."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, TimeoutError):
            os.kill(pid, number)
            until(lambda: not _alive(pid), 20, f"process {pid} to end")
            return


@contextlib.contextmanager
def one_node_cluster() -> Iterator[Cluster]:
    """A cluster with the partition `debug`, stopped and removed at the end.

    Raises:
        Unavailable: SLURM is missing and cannot be installed, or does not start here.
    """
    install()
    # Not below pytest's folder: socket paths must be short, and munge needs a folder that everyone may enter.
    with tempfile.TemporaryDirectory(prefix="slurm-", ignore_cleanup_errors=True) as name:
        cluster = Cluster(Path(name))
        cluster.folder.chmod(0o755)
        try:
            try:
                cluster.start()
            except (RuntimeError, TimeoutError, subprocess.TimeoutExpired) as error:
                said = [line for log in cluster.folder.glob("*.log") for line in log.read_text().splitlines()[-3:]]
                raise Unavailable(f"SLURM does not start here: {error}; {' | '.join(said)}") from error
            yield cluster
        finally:
            cluster.stop()
