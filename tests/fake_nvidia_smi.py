"""A program that answers as nvidia-smi does, on a machine without a GPU."""

from __future__ import annotations

from pathlib import Path

from glueft.system import nvidia

FIRST, SECOND = "GPU-5d5ba0d6-0001", "GPU-5d5ba0d6-0002"
LISTED = f"""\
GPU 0: NVIDIA H100 80GB HBM3 (UUID: {FIRST})
GPU 1: Tesla T4 (UUID: {SECOND})
"""
ANSWER = f"""\
0, {FIRST}, 81920, 81000, 580.95.05, NVIDIA H100 80GB HBM3, Disabled, 9.0
1, {SECOND}, [N/A], [N/A], 580.95.05, Tesla T4, [N/A], 7.5
"""


def put_nvidia_smi(
    folder: Path, answer: str = ANSWER, *, listed: str = LISTED, fields: tuple[str, ...] = nvidia.FIELDS
) -> Path:
    """Write the program: it prints `answer` where asked for `fields`, `listed` to -L, and refuses all else."""
    program = folder / "nvidia-smi"
    program.write_text(
        f"#!/bin/sh\ncase $1 in\n-L) cat <<'END'\n{listed}END\n;;\n"
        f"--query-gpu={','.join(fields)}) cat <<'END'\n{answer}END\n;;\n"
        "*) echo 'Field \"compute_cap\" is not a valid field to query.'; exit 2\nesac\n"
    )
    program.chmod(0o755)
    return program
