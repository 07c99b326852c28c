"""Prints the table in docs/gpu.md of what a plain and a captured training step launch and move.

    PYTHONPATH=src:.:tests python -m training.fast.cuda_double.table

Counted by the double of CUDA for CIFAR images, width 16, batches of 128, AdamW and no BatchNorm. Each function of
cuBLAS and cuDNN counts as one kernel. Bytes are those of the tensors of every operation with a launch, each tensor
read or written once.
"""

import itertools
import tempfile
from pathlib import Path

from training.fast.cuda_double.build import compiled
from training.fast.cuda_double.process import Session

DEPTHS = (20, 56, 110)
PRECISIONS = ("fp32", "bf16")


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ask = Session(compiled(folder), folder)
        print("| depth, precision | launches by the host, plain and captured | kernels in the graph | MB, likewise |")
        print("|---|---|---|---|")
        for precision, depth in itertools.product(PRECISIONS, DEPTHS):
            values = {"model.width": 16, "model.depth": depth, "training.batch_size": 128, "precision": precision}
            found = ask("price", values)
            plain, graph = (sum(found[runner]["kernels"].values()) for runner in ("plain", "fast"))
            moved = ", ".join(f"{found[runner]['bytes'] / 1e6:,.0f}" for runner in ("plain", "fast"))
            print(f"| {depth}, {precision} | {plain:,}, 1 | {graph:,} | {moved} |", flush=True)
        ask.close()


if __name__ == "__main__":
    main()
