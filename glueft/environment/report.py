"""The facts and findings as lines of text, and as the object of `--json`."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from glueft.environment.facts import Facts
from glueft.environment.findings import Finding
from glueft.environment.folders import Folder
from glueft.files import size
from glueft.plugin.json_values import json_values
from glueft.system.nvidia import GPU, VARIABLE
from glueft.text import counted

# Of a line, as mail and bug reports take them; a name or path that is longer is not broken.
COLUMNS = 80
NAMES = 14
NO_BREAK = "\N{NO-BREAK SPACE}"
GLUEFT_USES_NO = "glueft has been tried on NVIDIA's GPUs alone"


def as_json(facts: Facts, found: Sequence[Finding]) -> dict[str, Any]:
    """Return all facts, and `problems`: what is wrong, [] if nothing is."""
    told = {
        **asdict(facts),
        "gpus": [*map(_gpu_as_json, facts.gpus)],
        "installed_gpus": [*map(_gpu_as_json, facts.installed_gpus)],
        "problems": [asdict(finding) for finding in found],
    }
    return json_values(told, "the report")  # keras.json may have NaN


def _gpu_as_json(gpu: GPU) -> dict[str, Any]:
    return asdict(gpu) | {"compute_capability": _capability(gpu)}


def _capability(gpu: GPU) -> str | None:
    return None if gpu.compute_capability is None else "{}.{}".format(*gpu.compute_capability)


def report_lines(facts: Facts, found: Sequence[Finding]) -> list[str]:
    """Return the report, each line of at most `COLUMNS` characters where its words allow."""
    lines: list[str] = []
    for title, rows in (
        ("machine", _machine(facts)),
        ("what auto comes to" if facts.setting == "auto" else f"with --backend {facts.setting}", _engine(facts)),
        ("packages", _packages(facts)),
        ("hub and folders", _places(facts)),
    ):
        lines.append(title)
        for name, value in rows:
            lines += _wrapped(f"  {name:<{NAMES}}  ", value, " " * (NAMES + 4))
        lines.append("")
    lines.append("environment")
    for name, value in facts.variables.items():
        lines += _wrapped("  ", f"{name}={value}", "    ")
    if not facts.variables:
        lines.append("  no variable that matters is set")
    return [*lines, "", *_findings(found)]


def _wrapped(begin: str, text: str, indent: str) -> list[str]:
    lines = textwrap.wrap(
        text, COLUMNS, initial_indent=begin, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return [line.replace(NO_BREAK, " ") for line in lines] or [begin.rstrip()]


def _machine(facts: Facts) -> Iterator[tuple[str, str]]:
    yield "glueft", f"{facts.glueft}, Python {facts.python} ({facts.executable})"
    yield "system", facts.system
    processor = facts.processor
    of_all = f" of {processor.all_cores}" if processor.cores != processor.all_cores else ""
    products = f"bfloat16 by {processor.bfloat16}" if processor.bfloat16 else "no products in bfloat16"
    yield "processor", f"{processor.model or processor.architecture}, {processor.cores}{of_all} cores, {products}"
    if processor.memory is not None:
        free = "" if processor.free_memory is None else f", {size(processor.free_memory)} free"
        yield "memory", f"{size(processor.memory)}{free}"
    for number, gpu in enumerate(facts.gpus):
        memory = "memory unknown" if gpu.memory is None else size(gpu.memory)
        memory += "" if gpu.free is None else f" ({size(gpu.free)} free)"
        capability = f"compute capability {_capability(gpu) or 'unknown'}"
        yield f"GPU {number}", f"{gpu.model or 'NVIDIA GPU'}, {memory}, {capability}"
    if (hidden := len(facts.installed_gpus) - len(facts.gpus)) > 0:
        yield "hidden", f"{counted(hidden, 'GPU')}, by {VARIABLE}"
    if not facts.installed_gpus:
        yield "GPU", "no NVIDIA GPU is found"
    if facts.driver is not None:
        yield "driver", f"NVIDIA {facts.driver}"
    others = [f"{count} {kind}" for kind, count in facts.accelerators.items() if kind != "NVIDIA GPU"]
    if others:
        yield "others", f"{', '.join(others)}: not looked at, {GLUEFT_USES_NO}"


def _engine(facts: Facts) -> Iterator[tuple[str, str]]:
    engine = facts.engine
    if engine.backend is None:
        yield "backend", f"none: {engine.backend_reason}"
        return
    yield "backend", f"{engine.backend}: {engine.backend_reason}"
    yield "precision", f"{engine.precision}: {engine.precision_reason}"
    answer = facts.backend
    if answer is None:
        yield "its devices", "not asked"
    elif answer.failure is not None:
        yield "its devices", f"no answer: {answer.failure}"
    else:
        found = Counter(map(_device_text, answer.devices))
        told = "; ".join(f"{count} x {text}" if count > 1 else text for text, count in found.items())
        yield "its devices", f"{told} (asked in {answer.seconds:.1f} s)"


def _device_text(device: dict[str, Any]) -> str:
    parts = [device["model"] or device["kind"].upper()]
    parts += [] if device["memory"] is None else [f"{size(device['memory'])} for it"]
    parts += [] if device["compute_capability"] is None else [f"compute capability {device['compute_capability']}"]
    return ", ".join(parts)


def _packages(facts: Facts) -> Iterator[tuple[str, str]]:
    for backend, cuda in facts.cuda.items():
        if cuda is None:
            built = "for the processor alone"
        else:
            built = f"for CUDA {cuda}" + ("" if backend in facts.with_cuda else ", whose libraries are not installed")
        yield backend, f"{facts.packages.get(backend, 'version unknown')}, {built}"
    rest = {name: version for name, version in facts.packages.items() if name not in (*facts.cuda, "glueft")}
    yield "others", ", ".join(f"{name}{NO_BREAK}{version}" for name, version in rest.items())
    yield "plugins", ", ".join(f"{count} of {package}" for package, count in facts.plugins.items()) or "none"


def _places(facts: Facts) -> Iterator[tuple[str, str]]:
    hub = facts.hub
    reach = {True: "answers", False: "cannot be reached", None: "is not asked"}[hub.is_reachable]
    yield "hub", f"{hub.endpoint or 'no address'} {reach} ({hub.answer})"
    yield "token", hub.token or "none: public repositories only"
    for folder in facts.folders:
        yield folder.holds, _folder_text(folder)


def _folder_text(folder: Folder) -> str:
    parts = [folder.path]
    if folder.bytes is not None:
        parts.append(size(folder.bytes) if folder.is_whole else f"more than {size(folder.bytes)}")
    parts += [] if folder.free is None else [f"{size(folder.free)} free"]
    return ", ".join(parts if folder.can_write else [*parts, "not writable"])


def _findings(found: Sequence[Finding]) -> Iterator[str]:
    if not found:
        yield "Nothing wrong was found."
        return
    yield f"{counted(len(found), 'thing')} {'is' if len(found) == 1 else 'are'} wrong:"
    for number, finding in enumerate(found, 1):
        yield from _wrapped(f"{number:>3}. ", finding.problem, "     ")
        yield from _wrapped("     to fix: ", finding.fix, "       ")
