#!/usr/bin/env bash
# What a session on a GPU machine is for, in order, until its time is spent; started again, it goes on where it stopped.
#
#   scripts/gpu_session.sh DATA RESULTS [SECONDS]      (all of it; SECONDS is 1700 unless given)
#
# DATA holds CIFAR-10 and CIFAR-100 as image folders (DATA/cifar10/train/<class>/*.png ...). The benchmark is skipped where
# RESULTS has a whole one of this kind of device, the tests where they have passed with this commit. Runs that have a
# record are skipped, and those that the time cut short continue from their checkpoints. PYTHON=python3 chooses an
# environment, JOBS=8 how many runs share the GPU (under MPS where this machine has it, else in turn), PROFILE=h200 the
# size of the grids; on a CPU PROFILE=smoke proves the script.
set -uo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
if (($# < 2 || $# > 3)) || [ -z "$1" ] || [ -z "$2" ] || ! [[ ${3:-1700} =~ ^[0-9]{1,9}$ ]]; then
    echo "error: give DATA RESULTS [SECONDS], two folders and a whole number: scripts/gpu_session.sh DATA RESULTS 1700" >&2
    exit 2
fi
data=$1 results=$2 end=$(($(date +%s) + 10#${3:-1700}))
python=${PYTHON:-.venv/bin/python} profile=${PROFILE:-h200} jobs=${JOBS:-8}
export PYTHONPATH=src PYTHONUNBUFFERED=1
mkdir -p "$results"

# Run a command for at most the time that is left, with SIGTERM at its end, on which runs save checkpoints.
within_time() {
    local left=$((end - $(date +%s)))
    if ((left < 1)); then
        echo "gpu_session: no time left for: $*"
        exit 0
    fi
    echo "gpu_session: $left s left: $*"
    timeout --kill-after=30 --signal=TERM "$left" "$@"
}

device=cpu mps=false
command -v nvidia-smi >/dev/null && device=nvidia # as benchmarks are named after the device
# Whether a process computes under MPS here: a container may have the daemon and not the rights.
probe='
import subprocess, sys
from scalefree.launching.mps import multi_process_service
with multi_process_service():
    one = "import torch; torch.ones(1, device=torch.device(0)).sum().item()"
    subprocess.run([sys.executable, "-c", one], check=True, timeout=60)
'
command -v nvidia-cuda-mps-control >/dev/null && timeout 90 "$python" -c "$probe" && mps=true
launcher=(hydra/launcher=gpu "hydra.launcher.jobs=$jobs" "hydra.launcher.mps=$mps")
if ! grep -qs "seconds for all of this" "$results"/benchmarks/$device-*.json; then
    within_time "$python" scripts/benchmark.py results_dir="$results" dataset_root="$data/cifar10" ||
        echo "gpu_session: the benchmark failed; going on"
fi

passed=$results/.tests-passed-$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
if [ ! -e "$passed" ]; then
    within_time "$python" -m pytest -p no:xdist tests/training/test_runners.py tests/training/test_captured.py \
        tests/benchmarks/test_stages.py -k cuda
    case $? in
    0 | 5) touch "$passed" ;; # 5: nothing to test
    *)
        echo "gpu_session: the fast path does not equal the plain one here; no records are made with it" >&2
        exit 1
        ;;
    esac
fi

# The order of worth: the paper's main comparison, then its proximal view, BatchNorm, loss multipliers, seeds, our questions.
for experiment in without_bn prox_equivalence with_bn loss_scale seeds epsilon initialization metric_prox; do
    within_time "$python" scripts/reproduce.py profile="$profile" experiment="$experiment" results_dir="$results" \
        "${launcher[@]}" tracking=none draw=no dataset_root="$data"
done
# With time left: whole runs of 300 epochs at the paper's best cells, DenseNet on CIFAR-100 among them.
if [ "$profile" = h200 ]; then
    within_time "$python" scripts/reproduce.py profile=paper experiment=seeds results_dir="$results" \
        "${launcher[@]}" tracking=none draw=no dataset_root="$data"
fi
