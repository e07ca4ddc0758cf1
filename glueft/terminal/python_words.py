"""What messages of the command line are in Python: `--data-dir DIR` is `data_dir="DIR"` there."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Callable, Iterator
from functools import wraps
from typing import ParamSpec, TypeVar

# What follows an option of each kind: its value, the value in a list, a key and a value; or nothing.
_VALUE, _LIST, _CHANGE, _ENGINE, _SWITCH = "value", "list", "change", "engine", "switch"

_OPTIONS = {
    "--set": _CHANGE,
    "--backend": _ENGINE,
    "--precision": _ENGINE,
    "--plugin": _LIST,
    "--unset": _LIST,
    "--checkpoint": _VALUE,
    "--data-dir": _VALUE,
    "--html": _VALUE,
    "--label": _VALUE,
    "--output": _VALUE,
    "--output-dir": _VALUE,
    "--row": _VALUE,
    "--split": _VALUE,
    "--anyway": _SWITCH,
    "--force": _SWITCH,
    "--retry-failed": _SWITCH,
    "--sample": _SWITCH,
    "--trust": _SWITCH,
}
_NAMES = {"--plugin": "plugins"}

# Functions of the names of commands, whose first argument is what the command's first one is.
_FUNCTIONS = ("plan", "resume", "run", "study")

_END = r"(?=$|[\s;,)`:]|\.(?:\s|$))"
# A value: in quotes, a placeholder in capitals, or what is no word of a sentence.
_WORD = r"""(?:'[^']*'|"[^"]*"|[A-Z][A-Z_/]*(?:\.py)?|[^\s;,()`'"-][^\s;,()`'"]*?[/:0-9_.][^\s;,()`'"]*?"""
_FIRST = _WORD + r"|\w[\w-]*(?=$|[;,)`]| --))" + _END
_WORD += r"|\w[\w-]*(?=$|[;,)`]))" + _END
_ENGINES = "(?:auto|jax|tensorflow|torch|float32|mixed_b?float16)" + _END
_SETTING = r"""(?:'[^']*'|[\w.-]+=(?:"[^"]*"|'[^']*'|\{[^}]*\}|\[[^]]*\]|[^\s;,)`]*?))""" + _END
_SWITCHES = "|".join(name for name, kind in _OPTIONS.items() if kind == _SWITCH)
_VALUED = "|".join(name for name, kind in _OPTIONS.items() if kind in (_VALUE, _LIST, _ENGINE))
_OPTION = rf"(?:--set {_SETTING}|(?:--backend|--precision) {_ENGINES}|(?:{_VALUED}) {_WORD}|(?:{_SWITCHES})\b(?!-))"
_COMMAND = re.compile(
    rf"(?P<command>\bglueft [a-z-]+(?: [a-z-]+(?= --))?(?: (?:{_FIRST}|--set {_SETTING}|--?[a-z-]+))*)"
    rf"|(?P<options>{_OPTION}(?: {_OPTION})*)"
    rf"|(?P<bare>(?:{_VALUED})\b(?!-))"
)
_CALL = re.compile(rf"glueft (?P<name>{'|'.join(_FUNCTIONS)}) (?P<first>{_FIRST})(?P<options>(?: {_OPTION})*)")
_ONE_OPTION = re.compile(_OPTION)


def in_python(text: str) -> str:
    """Return a message with options as arguments and commands as calls; those that Python does not have stay."""
    return _COMMAND.sub(_translated, text)


P = ParamSpec("P")
R = TypeVar("R")


def for_python(function: Callable[P, R]) -> Callable[P, R]:
    """Let a public function tell its errors in words of Python."""

    @wraps(function)
    def called(*arguments: P.args, **named: P.kwargs) -> R:
        try:
            return function(*arguments, **named)
        except Exception as error:
            from glueft.errors import GlueftError

            if isinstance(error, GlueftError):
                error.reword(in_python)
            raise

    return called


def _translated(found: re.Match[str]) -> str:
    if found["options"]:
        return ", ".join(_arguments(found["options"], named=False))
    if found["bare"]:
        return f"{_name(found['bare'])}=..."
    call = _CALL.fullmatch(found["command"])
    if call is None:
        return found[0]
    arguments = [_text(_plain(call["first"])), *_arguments(call["options"], named=True)]
    return f"glueft.{call['name']}({', '.join(arguments)})"


def _arguments(options: str, *, named: bool) -> Iterator[str]:
    """The arguments of a call; `named`: it is a whole call, so that changes are in one dict."""
    changes = []
    for option in _ONE_OPTION.findall(options):
        name, _, value = option.partition(" ")
        if _OPTIONS[name] in (_CHANGE, _ENGINE):
            key, _, value = _plain(value).partition("=") if name == "--set" else (f"engine.{name[2:]}", "", value)
            changes.append(f"{_text(key.strip())}: {_value(value)}")
        elif _OPTIONS[name] == _SWITCH:
            yield f"{_name(name)}=True"
        else:
            plain = _text(_plain(value)) if name != "--row" else value
            yield f"{_name(name)}=[{plain}]" if _OPTIONS[name] == _LIST else f"{_name(name)}={plain}"
    if changes:
        yield ("overrides=" if named else "") + f"{{{', '.join(changes)}}}"


def _name(option: str) -> str:
    return _NAMES.get(option, option[2:].replace("-", "_"))


def _plain(word: str) -> str:
    """A word as the shell reads it, if the shell does."""
    try:
        (plain,) = shlex.split(word) if word[:1] in "'\"" else (word,)
    except ValueError:
        return word
    return plain


def _value(value: str) -> str:
    """A value of TOML in Python."""
    value = value.strip()
    if value in ("None", "..."):
        return value
    try:
        meant = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        meant = value
    return _text(meant) if isinstance(meant, str) else value if isinstance(meant, float) else repr(meant)


def _text(value: str) -> str:
    return f'"{value}"' if '"' not in value and "\\" not in value else repr(value)
