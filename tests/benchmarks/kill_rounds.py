"""Runs that are killed at random moments and resumed until they are done, beside runs that were left alone.

    python tests/benchmarks/kill_rounds.py --kills 200 --terms 50

A round is one run of one case: `glueft run` in a process that is killed or told to end, then `glueft resume`, which may
be killed as well, and so on. At the end its folder is compared with that of the same run left alone, which saves no
states: every file but for the times in it, to the last bit. A line a round is printed, and a summary. The exit code is
1 if anything differs; the folders of those rounds are kept.

A process of a round is a fork of this one, which has imported Keras and computed nothing: that saves the seconds of
TensorFlow's import. Every few processes one begins from nothing (`--fresh`), as a user's does.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from disturbed_process import LONGEST, Ended, Moment, run_process
from run_differences import run_differences

BACKENDS = ("tensorflow", "jax")
OPTIMIZERS = ("adafactor", "adam", "adamw", "lamb", "lion", "muon", "nadam", "rmsprop", "sgd")
BASE = (
    "data.limit_train=72",
    "data.limit_validation=24",
    "data.max_length=16",
    "training.epochs=3",
    "training.batch_size=8",
    "schedule.initial_learning_rate=1e-3",
    "training.checkpoint_minutes=0.001",  # a state after every few steps
)
EXIT_CODES = {"KILL": -signal.SIGKILL, "INT": 130, "TERM": 143, "USR1": 143}
# What a run imports beside Keras.
IMPORTED = (
    "glueft_metrics.evaluate_classes",
    "transformers.models.bert.tokenization_bert",
    "glueft.launch",
    "glueft.training.attributed_callback",
    "glueft.training.model_in_training",
    "glueft.training.outcome",
    "glueft.training.state_saver",
)
# So many files a process touches before it trains, about.
SET_UP_FILES = 10
# From a signal to the end of the process: the state is saved within 10 s of the end of a step.
LONGEST_END = 20.0


@dataclass(frozen=True)
class Case:
    """A recipe: MRPC's sample and a tiny BERT with dropout, and what makes it this case."""

    name: str
    settings: tuple[str, ...] = ()
    backends: tuple[str, ...] = BACKENDS
    task: str = "mrpc"


WATCHING = '{plugin="csv",every="step"},{plugin="tensorboard"}'
CASES = (
    *(Case(name, (f"optimizer.plugin={name}",)) for name in OPTIMIZERS),
    Case("momentum", ("optimizer.plugin=sgd", "optimizer.momentum=0.9", "optimizer.nesterov=true")),
    Case("layerwise", ("optimizer.layerwise_decay=0.8", "optimizer.weight_decay=0.01", "optimizer.clipnorm=1.0")),
    Case("cosine", ("schedule.plugin=cosine", "schedule.warmup_ratio=0.2")),
    Case("accumulation", ("training.gradient_accumulation_steps=2", "training.batch_size=4")),
    Case("lora", ("model.lora_rank=2",)),
    Case("freeze", ("model.freeze.embeddings=true", "model.freeze.layers=1")),
    Case("whole-vocabulary", ("optimizer.plugin=adamw", "optimizer.weight_decay=0.1")),
    Case("float16", ('engine.precision="mixed_float16"',)),
    Case("bfloat16", ('engine.precision="mixed_bfloat16"',)),
    Case("early-stopping", ('callbacks=[{plugin="early_stopping",patience=1}]', "training.epochs=6")),
    Case("watching", (f"callbacks=[{WATCHING}]",)),
    Case("keep-best", ("training.keep=best",)),
    Case("evaluate-every", ("training.evaluate_every=0.4", "training.keep=best")),
    Case("evaluate-steps", ("training.evaluate_every=1",)),
    Case("regression", (), task="stsb"),
    Case("devices", ("engine.devices=3", "training.evaluate_every=0.4"), ("jax",)),
    Case("jit", ("engine.jit_compile=true", "training.epochs=2"), ("tensorflow",)),
    Case(
        "everything",
        (
            f'callbacks=[{{plugin="early_stopping",patience=2}},{WATCHING}]',
            'engine.precision="mixed_float16"',
            "model.lora_rank=2",
            "training.gradient_accumulation_steps=3",
            "training.evaluate_every=4",
            "training.keep=best",
        ),
    ),
)


@dataclass
class Round:
    """One run of a case, disturbed and resumed.

    Attributes:
        folder: of the run folders and the log.
        faults: what was wrong; the round ends with the first.
        signals: how many were sent, by name.
        story: each signal, its moment, and the last step that was done by then.
        processes, fresh: how many there were, and how many of them were no forks.
        longest_end: the longest time from a signal, but SIGKILL, to the end of the process, in seconds.
    """

    case: Case
    folder: Path
    faults: list[str] = field(default_factory=list)
    signals: Counter[str] = field(default_factory=Counter)
    story: list[str] = field(default_factory=list)
    processes: int = 0
    fresh: int = 0
    longest_end: float = 0.0


@dataclass
class Whole:
    """The run of a case that was left alone.

    Attributes:
        seconds: that the fastest process took which has done all or the rest of a run.
        files: how often a process touches files of the run, about: it depends on how many states are saved in time.
    """

    folder: Path
    steps: int
    seconds: float
    files: int


class Rounds:
    """All rounds of one backend, in a folder that has the checkpoint in `bert`."""

    def __init__(self, place: Path, seed: int, fresh: int) -> None:
        self.place = place
        self.draw = random.Random(seed)
        self.fresh = fresh
        self.played: list[Round] = []
        self.processes = 0
        self.whole: dict[str, Whole] = {}

    def play(self, case: Case, kinds: Sequence[str]) -> Round:
        """Run a case, disturb it by these signals, each in a process of its own, and resume it until it is done."""
        whole = self._whole(case)
        place = self.place / f"{case.name}-{len(self.played) + 1}"
        place.mkdir()
        output_dir, log = place / "runs", place / "log.txt"
        played, left, code = Round(case, place), [*kinds], None
        self.played.append(played)
        while code != 0 and not played.faults:
            moment = self._moment(left.pop(0), whole, trained_steps(output_dir)) if left else None
            self.processes += 1
            fresh = bool(self.fresh) and self.processes % self.fresh == 0
            folders = run_folders(output_dir)
            # `run --resume` would begin another run where this one was done by the time of its signal.
            named = any(map(is_done, folders)) or (bool(folders) and self.draw.random() < 0.5)
            arguments = ["resume", str(folders[-1])] if named else [*self._arguments(case, output_dir), "--resume"]
            with log.open("a") as file:
                file.write(f"\n--- {'fresh: ' * fresh}glueft {' '.join(arguments[:2])}, {moment}\n")
            ended = run_process(arguments, output_dir, log, moment, fork=not fresh)
            code = ended.code
            played.processes += 1
            played.fresh += fresh
            missed = moment is not None and moment.kind == "file" and not ended.disturbed
            whole.files = whole.files * 3 // 4 if missed else max(whole.files, ended.files)
            if code == 0:
                whole.seconds = min(whole.seconds, ended.seconds)
            if moment is not None and ended.disturbed:
                names = moment.names if code == -signal.SIGKILL else moment.names[:1]
                played.signals.update(set(names))
                at = f"{moment.at:.1f} s" if moment.kind == "second" else f"file {moment.at}"
                played.story.append(f"{'+'.join(names)} at {at} after step {trained_steps(output_dir)}")
                if signal.SIGKILL not in moment.signals:
                    played.longest_end = max(played.longest_end, ended.after)
            played.faults += faults_of(ended, moment, output_dir)
        if not played.faults:
            folders = [*output_dir.iterdir()]
            played.faults += (
                run_differences(whole.folder, folders[0])
                if len(folders) == 1
                else [f"there is not one run, but {', '.join(sorted(path.name for path in folders))}"]
            )
        if not played.faults:
            shutil.rmtree(place)
        return played

    def _whole(self, case: Case) -> Whole:
        if case.name not in self.whole:
            place = self.place / f"{case.name}-whole"
            place.mkdir()
            output_dir, log = place / "runs", place / "log.txt"
            arguments = self._arguments(case, output_dir, "training.checkpoint_minutes=0")
            ended = run_process(arguments, output_dir, log, fork=True)
            if ended.code != 0:
                raise SystemExit(f"{case.name}: left alone, it ends with {ended.code}:\n{log.read_text()}")
            steps = trained_steps(output_dir)
            self.whole[case.name] = Whole(run_folders(output_dir)[0], steps, ended.seconds, ended.files)
        return self.whole[case.name]

    def _arguments(self, case: Case, output_dir: Path, *settings: str) -> list[str]:
        checkpoint = str(self.place / "bert")
        arguments = ["run", case.task, "--sample", "--checkpoint", checkpoint, "--output-dir", str(output_dir)]
        for setting in (*BASE, *case.settings, *settings):
            arguments += ["--set", setting]
        return arguments

    def _moment(self, name: str, whole: Whole, step: int) -> Moment:
        """Draw when a process gets a signal, and whether another follows."""
        draw, first = self.draw, getattr(signal, f"SIG{name}")
        signals, pause = (first,), 0.0
        if name in ("INT", "TERM") and draw.random() < 0.25:
            # A second Ctrl-C, or the SIGKILL that follows the SIGTERM of a batch system.
            signals, pause = (first, signal.SIGINT if name == "INT" else signal.SIGKILL), draw.uniform(0.1, 0.5)
        if draw.random() < 0.4:
            return Moment("second", draw.uniform(0.05, whole.seconds), signals, pause=pause)
        delay = 0.0 if draw.random() < 0.5 else draw.uniform(0.0, 0.03)
        files = int(SET_UP_FILES + whole.files * (1 - step / whole.steps))
        return Moment("file", draw.randint(1, files), signals, delay, pause)


def faults_of(ended: Ended, moment: Moment | None, output_dir: Path) -> list[str]:
    """What is wrong with how a process has ended, and with what it has left."""
    from glueft.errors import GlueftError
    from glueft.training.state_files import read_state

    expected = {0, *(EXIT_CODES[name] for name in moment.names)} if moment is not None and ended.disturbed else {0}
    faults = []
    if ended.code not in expected:
        faults.append(f"exit code {ended.code} in place of {sorted(expected)}")
    if ended.seconds > LONGEST:
        faults.append("it hung")
    if ended.after > LONGEST_END:
        faults.append(f"it ended {ended.after:.1f} s after the signal")
    for path in output_dir.glob("*/run.json"):
        try:
            json.loads(path.read_text())
        except ValueError as error:
            faults.append(f"{path} is half-written: {error}")
    for path in output_dir.glob("*/checkpoints/step-*"):
        try:
            read_state(path)
        except GlueftError as error:
            faults.append(str(error))
    return faults


def run_folders(output_dir: Path) -> list[Path]:
    """The run folders that have a record, in the order of their names."""
    return sorted(path.parent for path in output_dir.glob("*/run.json"))


def is_done(folder: Path) -> bool:
    """Whether a run was finished, whatever its process ended with."""
    return bool(json.loads((folder / "run.json").read_text())["status"] == "done")


def trained_steps(output_dir: Path) -> int:
    """The last step in a run's history."""
    steps = [0]
    for folder in run_folders(output_dir):
        with suppress(OSError, ValueError):
            lines = (folder / "history.jsonl").read_text().splitlines()
            steps += [json.loads(line).get("step", 0) for line in lines]
    return max(steps)


def write_checkpoint(folder: Path) -> None:
    """Write a tiny BERT that knows the words of the samples."""
    from glueft.plugin.registry import load_registry
    from glueft.testing import make_tiny_bert, sample_rows

    tasks = [load_registry().find("task", name).cls for name in sorted({case.task for case in CASES})]
    splits = [rows for task in tasks for rows in sample_rows(task).values()]
    texts = [text for rows in splits for texts in rows.texts for text in texts]
    make_tiny_bert(folder, texts=texts, vocab_size=1000, layers=1)


def import_all() -> None:
    """Import what a run imports, so that the forks need not."""
    from glueft.system.quiet import captured_stderr, hush_libraries
    from glueft.training.backend import import_backend

    hush_libraries()
    with captured_stderr():
        import_backend()
    for name in IMPORTED:
        importlib.import_module(name)


def deal(left: Counter[str], draw: random.Random) -> list[str]:
    """Draw some signals of those that are left, for one round."""
    kinds = [kind for kind, count in left.items() for _ in range(count)]
    return draw.sample(kinds, min(len(kinds), draw.randint(3, 6)))


def play_backend(options: argparse.Namespace) -> int:
    """Play the rounds of one backend; return 1 if a run differs."""
    os.environ |= {"KERAS_BACKEND": options.backend, "HF_HUB_OFFLINE": "1", "PYTHONWARNINGS": "ignore"}
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=3")
    cases = [case for case in chosen(options.only) if options.backend in case.backends]
    begin = time.monotonic()
    place = Path(tempfile.mkdtemp(prefix=f"kill-rounds-{options.backend}-", dir=options.folder))
    # XLA compiles each case once, for all of its forks; processes that are none compile for themselves.
    os.environ |= {
        "JAX_COMPILATION_CACHE_DIR": str(place / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    import_all()
    # In a process of its own: the tokenizer's threads would not survive a fork.
    subprocess.run([sys.executable, __file__, "--write-checkpoint", place / "bert"], check=True)
    rounds = Rounds(place, options.seed, options.fresh)
    left = Counter(KILL=options.kills, TERM=options.terms, INT=options.terms // 4, USR1=options.terms // 4)
    while left.total():
        played = rounds.play(cases[len(rounds.played) % len(cases)], deal(left, rounds.draw))
        left -= played.signals
        print_round(options.backend, len(rounds.played), played)
    failed = print_summary(options.backend, rounds.played, time.monotonic() - begin)
    if failed:
        print(f"kept: {place}", flush=True)
    else:
        shutil.rmtree(place)
    return int(failed)


def chosen(names: str | None) -> list[Case]:
    """The cases of these names, with commas between them; all for None."""
    wanted = [case.name for case in CASES] if names is None else names.split(",")
    unknown = set(wanted).difference(case.name for case in CASES)
    if unknown:
        raise SystemExit(f"no such case: {', '.join(sorted(unknown))}; there are {', '.join(c.name for c in CASES)}")
    return [case for case in CASES if case.name in wanted]


def print_round(backend: str, number: int, played: Round) -> None:
    """Print one line, and one for each fault."""
    told = f"{backend} {number:3} {played.case.name:16} {'DIFFERS' if played.faults else 'equal'}"
    print(f"{told}  {played.processes} processes; {', '.join(played.story)}", flush=True)
    for fault in played.faults:
        print(f"    {fault}", flush=True)


def print_summary(backend: str, played: Sequence[Round], seconds: float) -> bool:
    """Print one line; return whether anything differs."""
    signals = sum((one.signals for one in played), Counter[str]())
    failed = sum(bool(one.faults) for one in played)
    processes = f"{sum(one.processes for one in played)} processes ({sum(one.fresh for one in played)} no forks)"
    print(
        f"{backend}: {len(played)} rounds of {len({one.case.name for one in played})} cases in {processes}, "
        f"{', '.join(f'{count} SIG{name}' for name, count in sorted(signals.items()))}; {failed} differ; "
        f"longest from signal to end {max((one.longest_end for one in played), default=0):.1f} s; {seconds:.0f} s",
        flush=True,
    )
    return failed > 0


def main() -> None:
    """Play the rounds of one backend in this process, or those of both in a process each."""
    parser = argparse.ArgumentParser(description="Kills runs at random moments, and compares what they end with.")
    parser.add_argument("--kills", type=int, default=200, help="SIGKILLs of all rounds")
    parser.add_argument(
        "--terms", type=int, default=50, help="SIGTERMs; a quarter as many SIGINTs and SIGUSR1s besides"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--backend", choices=BACKENDS, help="one backend; by default both have half of the signals")
    parser.add_argument("--only", metavar="NAMES", help="some of the cases, with commas between them")
    parser.add_argument("--fresh", type=int, default=6, help="every so many processes one is no fork; 0 for none")
    parser.add_argument("--folder", type=Path, help="where the runs are made; a temporary folder by default")
    parser.add_argument("--write-checkpoint", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write_checkpoint is not None:
        write_checkpoint(options.write_checkpoint)
    elif options.backend is not None:
        raise SystemExit(play_backend(options))
    else:
        share = [f"--kills={-(-options.kills // len(BACKENDS))}", f"--terms={-(-options.terms // len(BACKENDS))}"]
        command = [sys.executable, __file__, *sys.argv[1:], *share]
        raise SystemExit(
            max(subprocess.run([*command, "--backend", name], check=False).returncode for name in BACKENDS)
        )


if __name__ == "__main__":
    main()
