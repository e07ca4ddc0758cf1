"""The stages of a comparison: what is equal, what differs and by how much."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from glueft.text import counted, printable_line
from glueft.training.fingerprints import Difference, value_text

Status = Literal["equal", "different", "unknown", "not reached"]

# In the order of a training; each with what it is called.
STAGES = {
    "recipe": "recipe",
    "versions": "versions",
    "machine": "machine and backend",
    "rows": "rows",
    "tokens": "tokens",
    "checkpoint": "checkpoint",
    "batches": "batches",
    "first_loss": "first loss",
    "losses": "losses and evaluations",
    "logits": "logits",
    "metrics": "metrics",
    "model": "model files",
}
# These can explain a difference of numbers; alone they make none.
CIRCUMSTANCES = ("versions", "machine")
# These explain one that is found in an earlier or later stage: the checkpoint's tokenizer makes the tokens.
EXPLAINING = (*CIRCUMSTANCES, "checkpoint")


@dataclass(frozen=True)
class Unequal:
    """A value of the run, and the one that it has now.

    Attributes:
        what: what it is of, such as "loss of step 12".
        run: None where the run has none.
        now: None where there is none.
        size: how far numbers are apart; of logits, the largest difference of a probability or score.
        note: more about it.
        fix: how to have the run's value.
        why: what explains it, if it is known.
    """

    what: str
    run: Any
    now: Any
    size: float | None = None
    note: str = ""
    fix: str = ""
    why: str = ""

    @classmethod
    def of(cls, difference: Difference, fix: str = "") -> Unequal:
        return cls(difference.name, difference.before, difference.now, fix=fix)

    def __str__(self) -> str:
        note = self.note or ("" if self.size is None else f"{self.size:.2g} apart")
        values = f"{self.what}: {value_text(self.run)} in the run, {value_text(self.now)} now"
        return values + (f" ({note})" if note else "")


@dataclass(frozen=True)
class Stage:
    """One stage.

    Attributes:
        stage: a key of `STAGES`.
        status: "unknown" where the run has not recorded it; "not reached" after a difference of inputs, or where only
            the first steps were trained.
        compared: what was compared, in a few words.
        differences: the first one first.
    """

    stage: str
    status: Status
    compared: str = ""
    differences: tuple[Unequal, ...] = ()

    def lines(self) -> Iterable[str]:
        """Yield what is shown of it."""
        name = STAGES[self.stage]
        told = self.status if self.status != "unknown" else "not recorded by the run"
        yield f"{name}: {told}" + (f" ({self.compared})" if self.compared else "")
        yield from (f"  {difference}" for difference in self.differences[:5])
        if len(self.differences) > 5:
            yield f"  and {counted(len(self.differences) - 5, 'difference')} more"


@dataclass
class Comparison:
    """The stages so far; each is told as it is passed."""

    say: Callable[[str], None]
    stages: list[Stage] = field(default_factory=list)

    def add(
        self, stage: str, differences: Sequence[Unequal] = (), *, compared: str = "", status: Status | None = None
    ) -> None:
        """Add a stage; without a status, it is equal or different by its differences."""
        passed = Stage(stage, status or ("different" if differences else "equal"), compared, tuple(differences))
        self.stages.append(passed)
        for line in passed.lines():
            self.tell(line)

    def extend(self, stage: str, difference: Unequal) -> None:
        """Add a difference to a stage that has been passed, and tell it."""
        place = [passed.stage for passed in self.stages].index(stage)
        passed = self.stages[place]
        self.stages[place] = replace(passed, status="different", differences=(*passed.differences, difference))
        self.tell(f"{STAGES[stage]}: different")
        self.tell(f"  {difference}")

    def tell(self, line: str) -> None:
        """Tell a line; a record may come from anybody, and no value of it makes a line of its own."""
        self.say(printable_line(line))

    def leave_out(self, stages: Iterable[str]) -> None:
        """Add those of the stages that are not there as not reached."""
        known = {passed.stage for passed in self.stages}
        self.stages += [Stage(stage, "not reached") for stage in stages if stage not in known]

    @property
    def first(self) -> Stage | None:
        """The first stage that differs; versions and machine do not count."""
        for passed in self.stages:
            if passed.status == "different" and passed.stage not in CIRCUMSTANCES:
                return passed
        return None

    def explanations(self) -> list[str]:
        """What can explain other numbers, a line each with how to have the run's."""
        return [
            f"{difference}" + (f"; to have the run's: {difference.fix}" if difference.fix else "")
            for passed in self.stages
            if passed.stage in EXPLAINING
            for difference in passed.differences
        ]

    def as_json(self) -> list[dict[str, Any]]:
        return [asdict(passed) for passed in self.stages]


def unequal_numbers(what: str, run: Mapping[str, float], now: Mapping[str, float]) -> list[Unequal]:
    """Return the named numbers that differ in a bit; NaN equals NaN, and None, as which JSON has it."""
    found = []
    for name in dict.fromkeys([*run, *now]):
        before, this = run.get(name), now.get(name)
        if before == this or (_is_nan(before) and _is_nan(this) and name in run and name in now):
            continue
        size = abs(before - this) if before is not None and this is not None else None
        found.append(Unequal(what.format(name), before, this, None if _is_nan(size) else size))
    return found


def _is_nan(value: float | None) -> bool:
    return value is None or value != value
