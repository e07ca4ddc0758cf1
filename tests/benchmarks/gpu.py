"""glueft on JAX beside the Hugging Face Trainer on one GPU, in a given time; prints one JSON object.

    python tests/benchmarks/gpu.py --data-dir GLUE [--checkpoint ENCODER] [--peer-python PYTHON] [--seconds 470]
        [--output gpu.json] [--only PART ...] [--tiny]

BERT-base with random weights on MRPC and SST-2 for speed, and the real encoder of `--checkpoint` for equal scores. Each
part starts only if the time that is left will do, and the file is written after every run: a machine that is taken away
leaves what was measured. `--tiny` rehearses all of it in sizes that a CPU manages; without a GPU nothing else is taken.

The programs, each a process of its own, one at a time:

    glueft            `glueft run` with mixed_bfloat16, its programs in JAX's cache on disk
    trainer           trainer.py with `--cuda --bf16`, which groups by length
    trainer+compile   with torch.compile too, its programs in a cache on disk

A run of fewer epochs or rows than asked for is extended: what its training took beyond its last epoch's pace counts
once, and the pace holds for all rows. `measured` says what was run, `train` and `process` are of the whole.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib import metadata
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from flops import training_flops
from result import significant
from safetensors.numpy import save_file

from glueft.encoder.checkpoint_finder import find_checkpoint
from glueft.encoder.config import read_config
from glueft.encoder.sample_encoder import SAMPLE_CHECKPOINT
from glueft.hub.checkpoint_files import TOKENIZER_FILES
from glueft.system.nvidia import GPU, VARIABLE, visible_gpus
from glueft.testing.tiny_bert import bert_weights
from glueft_encoders.post_norm import BERT_DEFAULTS

HERE = Path(__file__).parent
BEGIN = time.perf_counter()
PACKAGES = ("glueft", "keras", "jax", "jaxlib", "jax-cuda13-plugin", "jax-cuda12-plugin", "numpy", "tokenizers")
PEER_PACKAGES = ("torch", "transformers", "accelerate", "scikit-learn")
# TFLOP/s of dense bfloat16 products, by a part of the model's name, the first that is found: NVIDIA's data sheets.
PEAKS = {
    "B200": 2250,
    "H100 PCIe": 756,
    "H100 NVL": 835,
    "H100": 989,
    "H200": 989,
    "GH200": 989,
    "A100": 312,
    "L40S": 362,
    "L4": 121,
    "A10": 125,
    "RTX 4090": 165,
}
# What each set of XLA's flags is for: the steps are timed under each.
FLAGS = {
    "as glueft sets them": "",
    "not deterministic": "--xla_gpu_deterministic_ops=false",
    "without CUDA graphs": "--xla_gpu_enable_command_buffer=",
}
PROGRAMS = ("glueft", "trainer", "trainer+compile")


@dataclass(frozen=True)
class Setting:
    """What is asked of each program, and how much of it is run: so many epochs of so many training rows."""

    task: str
    batch_size: int
    epochs: int
    rows: int
    run_epochs: int
    run_rows: int

    @property
    def name(self) -> str:
        return f"{self.task}-{self.batch_size}"

    def whole(self, train: float, process: float, each_epoch: Sequence[float]) -> dict[str, Any]:
        """Return the seconds of all that is asked for, from those of what was run.

        Args:
            train: seconds of training.
            process: seconds of the whole process.
            each_epoch: seconds of each epoch and its validation. The last one's pace is that of all rows that are left.
        """
        pace = each_epoch[-1] / self.run_rows
        more = pace * (self.epochs * self.rows - self.run_epochs * self.run_rows)
        return {
            "epochs": self.epochs,
            "rows": self.rows,
            "train": round(train + more, 2),
            "process": round(process + more, 2),
            "rows_per_second": significant(1 / pace),
        }


@dataclass(frozen=True)
class Sizes:
    """How much is done."""

    encoder: Mapping[str, int] = field(default_factory=dict)  # what differs from BERT-base
    settings: tuple[Setting, ...] = (
        Setting("mrpc", 8, 3, 3668, 2, 3668),
        Setting("sst2", 32, 1, 67_349, 2, 8000),
        Setting("mrpc", 32, 3, 3668, 2, 3668),
    )
    seeds: tuple[int, ...] = (42, 43, 44)
    scored: Setting = Setting("mrpc", 8, 3, 3668, 3, 3668)
    shapes: tuple[str, ...] = ("8x64", "32x32")
    steps: int = 100
    stacked: int = 8
    matrix: int = 8192
    lengths: tuple[int, ...] = (32, 128, 512)
    rows: int = 32


TINY = Sizes(
    encoder={"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32},
    settings=(Setting("mrpc", 8, 3, 32, 2, 16), Setting("sst2", 32, 1, 96, 2, 32)),
    seeds=(42,),
    scored=Setting("mrpc", 8, 1, 16, 1, 16),
    shapes=("2x8",),
    steps=3,
    stacked=2,
    matrix=64,
    lengths=(8,),
    rows=2,
)


class LeftOutError(Exception):
    """Something was not measured, and why."""


class Bench:
    """The measurements, and what they share.

    Attributes:
        result: what is printed at the end, and written as it grows.
        deadline: by `time.perf_counter()`.
    """

    def __init__(self, options: argparse.Namespace, place: Path, gpu: GPU | None) -> None:
        self.options, self.place, self.gpu = options, place, gpu
        self.sizes = TINY if options.tiny else Sizes()
        self.deadline = BEGIN + options.seconds
        self.environment = {
            **os.environ,
            "KERAS_BACKEND": "jax",
            "HF_HUB_OFFLINE": "1",
            **({VARIABLE: gpu.name} if gpu else {}),  # The Trainer, too, would take all that there are.
            "JAX_COMPILATION_CACHE_DIR": str(place / "jax"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
            "TORCHINDUCTOR_CACHE_DIR": str(place / "inductor"),
        }
        peak = options.peak_tflops or next(
            (peak for name, peak in PEAKS.items() if gpu and name in (gpu.model or "")), None
        )
        self.peer = peer_versions(options.peer_python)
        self.result: dict[str, Any] = {
            "machine": {
                "gpu": gpu and gpu.model,
                "driver": gpu and gpu.driver,
                "cores": len(os.sched_getaffinity(0)),
                "peak_bf16_tflops": peak,
                "versions": {name: version_of(name) for name in PACKAGES},
                "peer_versions": self.peer,
            },
            "precision": self.precision,
            "tiny": options.tiny,
            "runs": [],
            "ratios": {},
            "left_out": {},
        }

    @property
    def precision(self) -> str:
        return "mixed_bfloat16" if self.gpu else "float32"

    # The parts. Each has its name in PARTS.

    def measure_device(self) -> None:
        """The rate of a large matrix product."""
        self.result["product_tflops"] = self.steps([], {})["product_tflops"]

    def measure_cold(self) -> None:
        """The first run of all, which has to compile everything."""
        self.time_run("glueft", self.sizes.settings[0], name="glueft, nothing compiled")

    def measure_together(self) -> None:
        """What needs no clock, side by side: all scores, and every program of the later runs into the caches.

        It ends after a third of the time: the runs that are timed come after it.
        """
        end = min(self.deadline, time.perf_counter() + self.options.seconds / 3)
        jobs: dict[tuple[Any, ...], Any] = {
            ("scores", program, seed): self.command(program, self.sizes.scored, str(self.encoder), seed)
            for seed, program in product(self.sizes.seeds, PROGRAMS[:2])
        }
        for program, setting in product(("glueft", "trainer+compile"), self.sizes.settings):
            if (program, setting) != ("glueft", self.sizes.settings[0]):
                jobs["warm", program, setting.name] = self.command(program, setting)
        for name in FLAGS:
            jobs["flags", name] = self.steps_command(self.sizes.shapes, steps=2)
        parallel = max(2, min(8, len(os.sched_getaffinity(0)) // 2)) if not self.options.tiny else 1

        def run(key: tuple[Any, ...]) -> dict[str, Any] | None:
            try:
                if key[1].startswith("trainer"):
                    self.needs_peer()
                flags = {"XLA_FLAGS": FLAGS[key[1]]} if key[0] == "flags" else {}
                return self.call(jobs[key], flags, " ".join(str(word) for word in key), end)
            except LeftOutError as error:
                self.leave_out(" ".join(str(word) for word in key), str(error))
                return None

        with ThreadPoolExecutor(parallel) as pool:
            done = dict(zip(jobs, pool.map(run, jobs), strict=True))
        scores: dict[str, Any] = {}
        for (kind, program, seed), row in ((key, row) for key, row in done.items() if len(key) == 3):
            if kind == "scores" and row is not None:
                scores.setdefault(program, {})[seed] = row["metrics"]
        self.result["scores"] = {program: summary(by_seed) for program, by_seed in scores.items()}

    def measure_setting(self, setting: Setting) -> None:
        """Every program on one setting, and glueft's seconds over the faster Trainer's."""
        for program in PROGRAMS:
            try:
                self.time_run(program, setting)
            except LeftOutError as error:
                self.leave_out(f"{setting.name} {program}", str(error))
        rows = {row["program"]: row for row in self.result["runs"] if row["setting"] == setting.name}
        peers = [rows[name] for name in PROGRAMS[1:] if name in rows]
        if "glueft" in rows and peers:
            self.result["ratios"][setting.name] = {
                kind: round(rows["glueft"][kind] / min(peer[kind] for peer in peers), 3)
                for kind in ("train", "process")
            }
        self.write()

    def measure_attention(self) -> None:
        """glueft's attention beside fused ones."""
        script = [sys.executable, str(HERE / "attention_benchmark.py")]
        numbers = ["--rows", str(self.sizes.rows), "--lengths", *map(str, self.sizes.lengths)]
        dtype = ["--dtype", "bfloat16" if self.gpu else "float32"]
        self.result["attention"] = self.call([*script, *numbers, *dtype], {}, "attention")

    def measure_flags(self) -> None:
        """Steps under several flags of XLA's."""
        for name, flags in FLAGS.items():
            try:
                steps = self.steps(self.sizes.shapes, {"XLA_FLAGS": flags})["steps"]
                self.result.setdefault("flags", {})[name] = steps
                self.write()
            except LeftOutError as error:
                self.leave_out(f"flags {name}", str(error))

    def measure_stacked(self) -> None:
        """Steps of several runs in one program, beside those of one."""
        self.result["stacked"] = self.steps(self.sizes.shapes[:1], {}, ["--stacked", str(self.sizes.stacked)])["steps"]

    # What they are made of.

    def time_run(self, program: str, setting: Setting, name: str = "") -> None:
        """Run one program alone, and add its entry."""
        if program != "glueft":
            self.needs_peer()
        label = f"{setting.name} {name or program}"
        begin = time.perf_counter()
        row = self.call(self.command(program, setting), {}, label)
        process = time.perf_counter() - begin
        seconds = row["seconds"] if program == "glueft" else {"train": row["train"]}
        epochs = [epoch["seconds"] for epoch in row["epochs"]] if program == "glueft" else row["epochs"]
        entry = {
            "program": name or program,
            "setting": setting.name,
            **setting.whole(seconds["train"], process, epochs),
            "measured": {
                "epochs": setting.run_epochs,
                "rows": setting.run_rows,
                "process": round(process, 2),
                **seconds,
                "each_epoch": epochs,
            },
            "peak_memory_bytes": row["peak_memory_bytes"],
            "peak_device_memory_bytes": row.get("peak_device_memory_bytes"),
            "metrics": row["metrics"],
        }
        if program == "glueft":
            self.result["machine"]["versions"] |= row.get("versions", {})
            train = row["data"]["splits"]["train"]
            self.result.setdefault("tokens_per_row", {})[setting.name] = round(train["tokens"] / train["rows"], 2)
        length = self.result.get("tokens_per_row", {}).get(setting.name)
        peak = self.result["machine"]["peak_bf16_tflops"]
        if length:
            # Of the tokens alone, padding left out, so that all programs are measured by the same work.
            tflops = training_flops(read_config(self.base_config), 1, length, 2) * entry["rows_per_second"] / 1e12
            entry |= {"tflops": significant(tflops), "share_of_peak": peak and significant(tflops / peak)}
        self.result["runs"].append(entry)
        self.write()

    def command(self, program: str, setting: Setting, checkpoint: str = "", seed: int = 42) -> list[str]:
        """Return the command line of one run."""
        common = ["--data-dir", self.options.data_dir, "--checkpoint", checkpoint or str(self.place / "base")]
        if program == "glueft":
            sets = {
                "training.epochs": setting.run_epochs,
                "training.batch_size": setting.batch_size,
                "training.seed": seed,
                "data.limit_train": setting.run_rows,
                "engine.precision": self.precision,
            }
            words = [word for key, value in sets.items() for word in ("--set", f"{key}={value}")]
            words += [word for override in self.options.set for word in ("--set", override)]
            output = tempfile.mkdtemp(dir=self.place)
            run = [sys.executable, "-m", "glueft.cli.start", "run", setting.task, *common, *words]
            return [*run, "--output-dir", output, "--json"]
        flags = ["--cuda", "--bf16"] if self.gpu else []
        flags += ["--torch-compile"] if program == "trainer+compile" else []
        numbers = {
            "task": setting.task,
            "epochs": setting.run_epochs,
            "batch-size": setting.batch_size,
            "limit": setting.run_rows,
            "seed": seed,
        }
        words = [word for name, value in numbers.items() for word in (f"--{name}", str(value))]
        return [self.options.peer_python, str(HERE / "trainer.py"), *common, *words, *flags]

    def steps_command(self, shapes: Sequence[str], steps: int) -> list[str]:
        script = [sys.executable, str(HERE / "device_steps.py"), "--checkpoint", str(self.place / "base")]
        numbers = ["--steps", str(steps), "--matrix", str(self.sizes.matrix), "--precision", self.precision]
        return [*script, *numbers, "--shapes", *shapes]

    def steps(self, shapes: Sequence[str], environment: Mapping[str, str], more: Sequence[str] = ()) -> Any:
        return self.call([*self.steps_command(shapes, self.sizes.steps), *more], environment, "steps")

    def call(
        self, command: Sequence[str], environment: Mapping[str, str], label: str, deadline: float | None = None
    ) -> Any:
        """Run a command to its end, or to that of its time; return the JSON on the last line of what it prints.

        Raises:
            LeftOutError: it failed, or was cut off.
        """
        left = (deadline or self.deadline) - time.perf_counter()
        if left <= 0:
            raise LeftOutError("no time was left")
        print(f"{time.perf_counter() - BEGIN:6.1f} s  {label}", file=sys.stderr, flush=True)
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
            process = subprocess.Popen(
                command, stdout=out, stderr=errors, env=self.environment | environment, start_new_session=True
            )
            try:
                code = process.wait(left)
            except subprocess.TimeoutExpired:
                raise LeftOutError(f"cut off after {left:.0f} s, at the end of its time") from None
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
            out.seek(0)
            errors.seek(0)
            lines = out.read().strip().splitlines()
            if code or not lines:
                raise LeftOutError(f"exit code {code}: {errors.read()[-1500:].strip()}")
            return json.loads(lines[-1])

    def needs_peer(self) -> None:
        if self.peer is None:
            raise LeftOutError(f"{self.options.peer_python} lacks one of {', '.join(PEER_PACKAGES)}")

    def leave_out(self, what: str, why: str) -> None:
        print(f"left out: {what}: {why}", file=sys.stderr, flush=True)
        self.result["left_out"][what] = why
        self.write()

    def write(self) -> None:
        """Write what there is, whole or not at all."""
        self.result["seconds"] = round(time.perf_counter() - BEGIN, 1)
        if self.options.output:
            beside = Path(f"{self.options.output}.part")
            beside.write_text(json.dumps(self.result, indent=1), encoding="utf-8")
            beside.replace(self.options.output)

    def make_base(self) -> None:
        """Write the encoder with random weights, with the tokenizer of the real one."""
        found = find_checkpoint(self.options.checkpoint)
        self.encoder = found.folder
        folder = self.place / "base"
        folder.mkdir()
        for name in TOKENIZER_FILES:
            if (found.folder / name).is_file():
                shutil.copy(found.folder / name, folder)
        words = int(found.config["vocab_size"])
        self.base_config = {"model_type": "bert"} | BERT_DEFAULTS | {"vocab_size": words} | dict(self.sizes.encoder)
        self.base_config |= {"architectures": ["BertModel"]}
        (folder / "config.json").write_text(json.dumps(self.base_config))
        hidden, layers, positions, intermediate = (
            int(self.base_config[key])
            for key in ("hidden_size", "num_hidden_layers", "max_position_embeddings", "intermediate_size")
        )
        weights = bert_weights(words, hidden, layers, positions, 0, 0.02, intermediate)
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})

    def run(self) -> None:
        """Measure all parts that the time is enough for."""
        self.make_base()
        parts: dict[str, tuple[float, Any]] = {
            # Seconds that each takes at least on an H200, and what it is.
            "device": (10, self.measure_device),
            "cold": (60, self.measure_cold),
            "together": (60, self.measure_together),
            **{
                setting.name: (60, lambda setting=setting: self.measure_setting(setting))
                for setting in self.sizes.settings
            },
            "attention": (20, self.measure_attention),
            "flags": (60, self.measure_flags),
            "stacked": (60, self.measure_stacked),
        }
        for name, (needed, measure) in parts.items():
            if self.options.only and name not in self.options.only:
                continue
            left = self.deadline - time.perf_counter()
            try:
                if left < needed and not self.options.tiny:
                    raise LeftOutError(f"{left:.0f} s were left of {self.options.seconds:g}")
                measure()
            except LeftOutError as error:
                self.leave_out(name, str(error))
            self.write()


def summary(by_seed: Mapping[int, Mapping[str, float]]) -> dict[str, Any]:
    """Return the scores of each seed, their mean, and its standard error."""
    values = {name: np.array([row[name] for row in by_seed.values()]) for name in ("accuracy", "f1")}
    return {
        name: {
            "each": [round(float(x), 4) for x in scores],
            "mean": round(float(scores.mean()), 4),
            "standard_error": round(float(scores.std(ddof=1) / len(scores) ** 0.5), 4) if len(scores) > 1 else None,
        }
        for name, scores in values.items()
    }


def version_of(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def peer_versions(python: str) -> dict[str, str] | None:
    """Return the versions of the packages that the Trainer needs, or None if one is missing."""
    code = f"import json, importlib.metadata as m; print(json.dumps({{n: m.version(n) for n in {PEER_PACKAGES}}}))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return None if done.returncode else json.loads(done.stdout)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="glueft beside the Hugging Face Trainer on one GPU.")
    parser.add_argument("--data-dir", required=True, help="folder with MRPC/train.tsv, SST-2/train.tsv and the dev.tsv")
    parser.add_argument(
        "--checkpoint", default=SAMPLE_CHECKPOINT, help="real encoder: a folder, or package:module/path"
    )
    parser.add_argument("--peer-python", default=sys.executable, help="a Python with torch and transformers")
    parser.add_argument("--seconds", type=float, default=470.0, help="nothing runs on after so many")
    parser.add_argument("--output", help="file for the JSON, written after every run")
    parser.add_argument(
        "--only", nargs="+", metavar="PART", help="device, cold, together, mrpc-8, ..., attention, flags, stacked"
    )
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="further ones for glueft run")
    parser.add_argument("--peak-tflops", type=float, help="of dense bfloat16 products, if the GPU is not known")
    parser.add_argument("--tiny", action="store_true", help="sizes that only show that it runs, also on a CPU")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the JSON."""
    options = parse(arguments)
    gpus = visible_gpus(os.environ)
    if not gpus and not options.tiny:
        raise SystemExit("no NVIDIA GPU is visible here; --tiny rehearses the script on a CPU")
    with tempfile.TemporaryDirectory() as place:
        bench = Bench(options, Path(place), gpus[0] if gpus else None)
        bench.run()
    print(json.dumps(bench.result))


if __name__ == "__main__":
    main()
