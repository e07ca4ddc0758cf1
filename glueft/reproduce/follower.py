"""Compares a training with the history of a run while it goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from glueft.reproduce.stages import Comparison, Unequal, unequal_numbers
from glueft.text import counted
from glueft.training.observers import Observer, StepReport, ValidationReport


class EnoughError(Exception):
    """The steps that were asked for are done."""


class Follower(Observer):
    """Compares losses and evaluations, and ends the training after some steps if asked to.

    Args:
        history: the lines of the run's history.jsonl.
        comparison: gets the stages.
        steps: the optimizer steps to compare; None for all.
    """

    def __init__(self, history: Sequence[Mapping[str, Any]], comparison: Comparison, steps: int | None) -> None:
        self.losses = {entry["step"]: entry["loss"] for entry in history if entry["kind"] == "step"}
        self.evaluations = {
            entry["step"]: {"validation loss": entry["validation_loss"], **entry["metrics"]}
            for entry in history
            if "validation_loss" in entry and "metrics" in entry
        }
        self.comparison = comparison
        self.steps = steps
        self.step_now = 0
        self.compared_losses = self.compared_evaluations = 0
        self.unequal: list[Unequal] = []

    def step(self, report: StepReport) -> None:
        self.step_now = report.step
        if report.step in self.losses:
            self.compared_losses += 1
            now = {"loss": report.loss}
            found = unequal_numbers(f"{{}} of step {report.step:,}", {"loss": self.losses[report.step]}, now)
            self._note(found)
        if report.step == 1:
            known = 1 in self.losses
            self.comparison.add("first_loss", self.unequal, status=None if known else "unknown")

    def validation(self, report: ValidationReport) -> None:
        if report.step in self.evaluations:
            self.compared_evaluations += 1
            now = {"validation loss": report.loss, **report.metrics}
            self._note(unequal_numbers(f"{{}} at step {report.step:,}", self.evaluations[report.step], now))

    def settled(self) -> None:
        if self.step_now == self.steps:
            raise EnoughError

    def finish(self) -> None:
        """Add the stage of all losses."""
        last = max(self.losses, default=0)
        if self.step_now != last and self.steps is None and self.losses:
            self._note([Unequal("number of steps", last, self.step_now, abs(last - self.step_now))])
        compared = f"{counted(self.compared_losses, 'step')}, {counted(self.compared_evaluations, 'evaluation')}"
        nothing = not self.compared_losses and not self.compared_evaluations
        self.comparison.add(
            "losses", self.unequal, compared=compared, status="unknown" if nothing and not self.unequal else None
        )

    def _note(self, found: list[Unequal]) -> None:
        if found and not self.unequal and self.step_now > 1:
            self.comparison.tell(f"first difference: {found[0]}")
        self.unequal += found
