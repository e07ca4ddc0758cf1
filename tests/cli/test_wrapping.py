"""Texts on a terminal are broken between words; elsewhere they stay as they are."""

from __future__ import annotations

import pytest

from glueft.cli import wrapping
from glueft.cli.main import command_line

Captured = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("text", "hanging", "lines"),
    [
        ("adam  Adam with no weight decay", 6, ["adam  Adam with no weight", "      decay"]),
        ("      indented text of some words", 6, ["      indented text of", "      some words"]),
        ("short", 2, ["short"]),
        ("a\x1b[31mb and words that go on", 0, ["a\\x1b[31mb and words that", "go on"]),
        (f"{'x' * 40} y", 0, ["x" * 40, "y"]),
    ],
)
def test_a_long_line_hangs_below_its_beginning(
    text: str, hanging: int, lines: list[str], capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wrapping, "terminal_width", lambda: 26)
    wrapping.say_wrapped(text, hanging)
    assert capsys.readouterr().out.splitlines() == lines


@pytest.mark.parametrize("width", [60, 120, None])
@pytest.mark.parametrize("command", ["list", "describe mrpc"])
def test_list_and_describe_fit_a_terminal(
    command: str, width: int | None, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    for module in ("glueft.cli.wrapping", "glueft.cli.list_plugins"):
        monkeypatch.setattr(f"{module}.terminal_width", lambda: width)
    assert command_line(command.split()) == 0
    text = capsys.readouterr().out
    longest = max(map(len, text.splitlines()))
    assert longest <= width if width else longest > 120 or command != "list"
    assert "pairs of news sentences (Microsoft Research Paraphrase Corpus)" in " ".join(text.split())
