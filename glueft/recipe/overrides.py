"""Changes of a recipe by the command line: `--set`, `--data-dir`, `--checkpoint` and `--sample`."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from glueft.errors import GlueftError
from glueft.recipe.problems import Problem, dotted
from glueft.recipe.sections import ORDER
from glueft.recipe.short_form import ShortForm
from glueft.recipe.toml_lines import Path
from glueft.recipe.values import received
from glueft.system.plain_file import is_deep
from glueft.text import quoted, short_repr

# From Python: the arguments of `--set`, or their keys and values.
Overrides = Mapping[str, Any] | Iterable[str] | None

NOT_UNICODE = ("it is not UTF-8 text", "write it in UTF-8; a folder of such a name needs another name")


@dataclass(frozen=True)
class Override:
    """One value that the command line puts into the recipe.

    Attributes:
        path: of the value.
        value: None removes the key, which another new value makes meaningless.
        where: the argument, for messages.
        takes_out: whether the user asks for no value. A key that is not there is checked then as any other.
    """

    path: Path
    value: Any
    where: str
    takes_out: bool = False


class Removal(str):
    """Among the texts of `--set`, one from Python whose value is None; TOML has no such value."""

    __slots__ = ()


def flags(data_dir: str | None, checkpoint: str | None, sample: bool) -> tuple[list[Override], list[Problem]]:
    """The overrides of `--data-dir`, `--checkpoint` and `--sample`."""
    overrides: list[Override] = []
    for flag, value in (("--data-dir", data_dir), ("--checkpoint", checkpoint)):
        if value is not None and not is_unicode(value):
            return [], [_malformed(f"{flag} {shown(value)}", *NOT_UNICODE, value)]
    if sample and data_dir is not None:
        problem = Problem(
            "data.source",
            None,
            "--sample and --data-dir",
            "they contradict each other",
            expected="one source of rows",
            received="--sample and --data-dir",
            fix="keep one of them: --sample reads the rows that ship with the task, --data-dir your own folder",
        )
        return [], [problem]
    if data_dir is not None:
        overrides += _section("data", f"--data-dir {shown(data_dir)}", source="folder", folder=data_dir, revision=None)
    if sample:
        overrides += _section("data", "--sample", source="sample", folder=None, revision=None)
    # The recipe's revision belongs to the recipe's checkpoint.
    if checkpoint is not None:
        overrides += _section("model", f"--checkpoint {shown(checkpoint)}", checkpoint=checkpoint, revision=None)
    elif sample:
        from glueft.encoder.checkpoint import SAMPLE_CHECKPOINT

        overrides += _section("model", "--sample", checkpoint=SAMPLE_CHECKPOINT, revision=None)
    return overrides, []


def _section(table: str, where: str, **values: str | None) -> list[Override]:
    return [Override((table, key), value, where) for key, value in values.items()]


def as_texts(overrides: Overrides) -> list[str]:
    """Return overrides from Python as the arguments of `--set`.

    Args:
        overrides: texts, "training.epochs=1"; or values by dotted key, {"training.epochs": 1}. A table under a key
            without a dot changes its keys alone: {"training": {"epochs": 1}} is the same. None takes a key out.

    Raises:
        GlueftError: a value has no form in TOML, or it is neither.
    """
    if isinstance(overrides, Mapping):
        return [
            Removal(f"{_checked(key)}=None") if value is None else f"{key}={_as_toml(key, value)}"
            for name, whole in overrides.items()
            for key, value in (
                ((f"{name}.{part}", inner) for part, inner in whole.items())
                if isinstance(whole, Mapping) and "." not in str(name)
                else ((name, whole),)
            )
        ]
    if overrides is not None and not isinstance(overrides, Iterable):
        raise _no_override(overrides)
    texts = [overrides] if isinstance(overrides, str) else list(() if overrides is None else overrides)
    if not all(isinstance(text, str) for text in texts):
        raise _no_override(next(text for text in texts if not isinstance(text, str)))
    return texts


def _no_override(received: object) -> GlueftError:
    return GlueftError(
        "these are no overrides of a recipe",
        expected='{"training.epochs": 1}, or texts, as on the command line: ["training.epochs=1"]',
        received=short_repr(received),
        fix="give a dict of keys and values, or a list of texts",
    )


def _checked(key: object, value: object = None) -> str:
    """A key from Python."""
    if not isinstance(key, str) or "=" in key:
        raise _no_override({key: value})
    return key


def _as_toml(key: object, value: object) -> str:
    """A value of Python as TOML; one of NumPy too."""
    _checked(key, value)
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        value = value.item()
    elif hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str | os.PathLike):
        return _quoted(str(value))
    if isinstance(value, list | tuple):
        return f"[{', '.join(_as_toml(key, element) for element in value)}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_quoted(str(name))} = {_as_toml(key, inner)}' for name, inner in value.items())}}}"
    raise GlueftError(
        f"the override of {key} has no form in a recipe",
        expected="a text, a number, True or False, a list of such, or a dict; None takes the key out",
        received=short_repr(value),
        fix="give a plain value",
    )


def _quoted(text: str) -> str:
    """A text in TOML's quotes, whose escapes are those of JSON, and one more."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def parse(arguments: Iterable[str]) -> tuple[list[Override], list[Problem]]:
    """Parse the arguments of `--set`: a dotted key, `=`, and a TOML value; a bare word is text."""
    overrides: list[Override] = []
    problems: list[Problem] = []
    for argument in arguments:
        where = f"--set {shown(argument)}"
        if isinstance(argument, ShortForm):
            where = f"{argument.option} {shown(argument.value)}"
        key, equals, text = argument.partition("=")
        path = key_path(key)
        if not is_unicode(argument):
            problems.append(_malformed(where, *NOT_UNICODE, argument))
        elif not equals:
            problems.append(_malformed(where, "there is no = in it", "write --set KEY=VALUE", argument))
        elif not key.strip():
            problems.append(_malformed(where, "there is no key before the =", "write --set KEY=VALUE", argument))
        elif path is None:
            problems.append(
                _malformed(
                    where,
                    f"{quoted(key)} is not a dotted key",
                    "write the table, a dot and the key, as in --set training.epochs=1",
                    argument,
                )
            )
        elif isinstance(argument, Removal):
            overrides.append(Override(path, None, where, takes_out=True))
        else:
            try:
                overrides.append(Override(path, _value(text), where))
            except ValueError as error:
                problems.append(
                    Problem(
                        dotted(path),
                        None,
                        where,
                        str(error),
                        expected="a TOML value after the =",
                        received=quoted(text),
                        fix=f"give {argument.option} a number or a word, or leave it out"
                        if isinstance(argument, ShortForm)
                        else "write a number, true, false, a word, or a text in quotes; single quotes around the whole "
                        f"argument keep the shell off them: --set '{key.strip()}=\"some text\"'"
                        + ("" if text.strip() else f"; to take the key back: --unset {dotted(path)}"),
                    )
                )
    return overrides, problems


def key_path(key: str) -> Path | None:
    """The path of a dotted key, `("callbacks", 0, "patience")`; None if it is not one."""
    parts = [part.strip() for part in key.split(".")]
    if len(parts) > 9 or not all(re.fullmatch(r"[A-Za-z0-9_-]+", part) for part in parts):
        return None
    return tuple(int(part) if part.isdigit() and depth else part for depth, part in enumerate(parts))


def is_unicode(text: str) -> bool:
    """Whether a text has no surrogates, with which Python replaces bytes that are not UTF-8."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _malformed(where: str, message: str, fix: str, argument: str) -> Problem:
    return Problem(
        "", None, where, message, expected="KEY=VALUE, such as training.epochs=1", received=quoted(argument), fix=fix
    )


def _value(text: str) -> Any:
    """The value of a `--set`: TOML, or text if it does not begin like TOML.

    Raises:
        ValueError: there is no value, or an invalid TOML text, list or table.
    """
    text = text.strip()
    if not text:
        raise ValueError("there is no value after the =")
    try:
        document = tomllib.loads(f"value = {text}")
        if is_deep(document):
            raise RecursionError
    except (ValueError, RecursionError) as error:
        if text[0] in "\"'[{":
            from glueft.recipe.syntax_errors import fault

            raise ValueError(f"not TOML: {fault(f'value = {text}', error).reason}") from None
        return text
    # After a line break the text may hold other keys.
    return document["value"] if len(document) == 1 else text


def apply(tables: dict[str, Any], overrides: Iterable[Override]) -> tuple[dict[Path, str], list[Problem]]:
    """Apply the overrides to the recipe's tables.

    Returns:
        The argument of each changed path, and a problem for each override that does not fit the tables.
    """
    locations: dict[Path, str] = {}
    problems: list[Problem] = []
    for override in overrides:
        try:
            _put(tables, override)
        except _MisfitError as misfit:
            problems.append(
                Problem(
                    dotted(override.path),
                    None,
                    override.where,
                    str(misfit),
                    expected=misfit.expected,
                    received=misfit.received,
                    fix=misfit.fix,
                )
            )
            continue
        # A replaced value no longer comes from an earlier argument.
        for path in [path for path in locations if path[: len(override.path)] == override.path]:
            del locations[path]
        if override.value is not None or override.takes_out:
            locations[override.path] = override.where
    return locations, problems


class _MisfitError(Exception):
    def __init__(self, message: str, expected: str, got: object, fix: str) -> None:
        super().__init__(message)
        self.expected = expected
        self.received = "nothing there" if got is None else received(got)
        self.fix = fix


def _put(tables: dict[str, Any], override: Override) -> None:
    here: Any = tables
    *parents, last = override.path
    for depth, part in enumerate([*parents, last]):
        name = dotted(override.path[:depth])
        if isinstance(here, list):
            if not isinstance(part, int) or part >= len(here):
                raise _MisfitError(
                    f"{name} is a list of {len(here)}",
                    f"the number of one of its elements, from 0 to {len(here) - 1}" if here else "an element",
                    here,
                    f"name one of them, as in {name}.0" if here else f"add one to the recipe's {name} first",
                )
        elif not isinstance(here, dict):
            raise _MisfitError(
                f"{name} is not a table, so it holds no {quoted(str(part))}",
                f"a table at {name}",
                here,
                f"drop this argument, or make {name} a table in the recipe",
            )
        else:
            part = str(part)
        if depth == len(parents):
            if override.value is not None:
                here[part] = override.value
            elif isinstance(here, dict) and part in here:
                del here[part]
            elif isinstance(here, dict) and override.takes_out and (parents or part not in ORDER):
                here[part] = None  # The check of its table knows whether there is such a key.
            elif isinstance(here, list) and override.takes_out:
                raise _MisfitError(
                    f"{name} is a list, whose elements move up where one is taken out",
                    "the key of a table",
                    None,
                    f"take it out before other changes: --unset {dotted(override.path)}",
                )
        elif isinstance(here, list):
            here = here[int(part)]
        elif override.takes_out and part not in here and part in ORDER:
            return
        else:
            if part not in here and isinstance(override.path[depth + 1], int):
                whole = dotted(override.path[: depth + 1])
                raise _MisfitError(
                    f"the recipe has no list {whole}",
                    f"a list at {whole}",
                    None,
                    f"add it to the recipe; for callbacks, a table [[{whole}]]",
                )
            here = here.setdefault(part, {})


def shown(argument: str) -> str:
    """An argument of the command line on one line, in quotes if it needs them."""
    return argument if re.fullmatch(r"[\w./:=@+,~\"'{}\[\]-]{1,70}", argument, re.ASCII) else quoted(argument, 70)
