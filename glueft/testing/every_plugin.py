"""The checks of every plugin."""

from __future__ import annotations

import warnings
from typing import Any

import pydantic

from glueft.errors import GlueftError
from glueft.plugin.contract import PARTS, fitting_breach
from glueft.plugin.kinds import KINDS
from glueft.plugin.registry import known_classes
from glueft.testing.check import Check, ContractBrokenError, Subject
from glueft.testing.option_types import unsettable
from glueft.testing.process import Target, ask_worker, request_of

# Values of every type that TOML has; hardly an option accepts them all.
WRONG: tuple[object, ...] = (None, True, -1, 0.5, "no such value", [], {"no": "such table"})


def checks(subject: Subject) -> list[Check]:
    return [
        Check("name", subject, name),
        Check("docstring", subject, docstring),
        Check("options", subject, options),
        Check("declaration", subject, declaration),
        Check("light import", subject, light_import),
    ]


def name(subject: Subject) -> str:
    """The name is one that recipes can say."""
    _keeps("name", subject)
    return f'"{subject.cls.name}"'


def docstring(subject: Subject) -> str:
    """The first line of the docstring is the description that users see."""
    _keeps("docstring", subject)
    return subject.cls.description()


def options(subject: Subject) -> str:
    """Options are strict and described, a recipe can set each, no default can be changed; what is wrong is refused."""
    _keeps("options", subject)
    plugin = subject.plugin
    model = subject.cls.Options
    if "no_such_option" not in model.model_fields:
        _refused(subject, {"no_such_option": 1}, "an option that does not exist")
    for option in model.model_fields:
        for wrong in WRONG:
            _survives(subject, option, wrong)
    reason = unsettable(model)
    if reason:
        raise ContractBrokenError(reason)
    shown = ", ".join(f"{option} = {getattr(plugin.options, option)!r}" for option in model.model_fields)
    return shown or "none"


def declaration(subject: Subject) -> str:
    """The attributes of the class say all that is needed."""
    _keeps("declaration", subject)
    reason = fitting_breach(subject.cls, known_classes)
    if reason:
        raise ContractBrokenError(reason)
    reason = fitting_breach(subject.plugin, known_classes) if KINDS[subject.cls.kind].check else None
    if reason:
        raise ContractBrokenError(f"with the options {subject.plugin.options!r}: {reason}")
    return f"class {subject.cls.__name__}"


def light_import(subject: Subject) -> str:
    """Importing the module imports no framework: `glueft list` imports every plugin."""
    target = Target.of(subject.cls)
    module = target.file or target.module
    answer = ask_worker(request_of(subject, "import"), f"import {module}")
    if answer["heavy"]:
        raise ContractBrokenError(
            f"importing {module} imports {' and '.join(answer['heavy'])}; import them inside the methods that use "
            "them, or every `glueft list` waits for them"
        )
    return f"{answer['seconds']:.2f} s, without a framework"


def _keeps(part: str, subject: Subject) -> None:
    """Hold the class against one part of the contract by which plugins are found."""
    reason = PARTS[part](subject.cls)
    if reason:
        raise ContractBrokenError(reason)


def _refused(subject: Subject, values: dict[str, Any], what: str) -> None:
    try:
        subject.cls.Options.model_validate({**subject.given, **values})
    except pydantic.ValidationError:
        return
    raise ContractBrokenError(f"its options accept {what}: {values}")


def _survives(subject: Subject, option: str, wrong: object) -> None:
    """A value may be valid or invalid for an option, but must not make the option's own validation crash."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            subject.cls.Options.model_validate({**subject.plugin.options.model_dump(), option: wrong})
    except (pydantic.ValidationError, GlueftError):
        return
    except Exception as error:
        raise ContractBrokenError(
            f"its option `{option}` does not refuse {wrong!r} clearly: the check of it raised "
            f"{type(error).__name__}: {error}; raise a ValueError that says what is wrong"
        ) from error
