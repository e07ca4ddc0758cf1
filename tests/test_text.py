"""Texts from outside are shown as they are: never markup, never control of a terminal, never a secret."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest

from glueft.errors import GlueftError
from glueft.system.console import PlainConsole, Table
from glueft.terminal.progress import PlainProgress, RichProgress
from glueft.text import (
    json_text,
    number_text,
    printable,
    printable_line,
    quoted,
    say,
    score_text,
    shortest,
    without_secrets,
)

MARKUP = "a[/]b [bold]c[/bold] :smile: [v2]"
# Colour, a link (OSC 8), a title with BEL, C1's own CSI, an override of direction, isolates, a zero-width space, a tag,
# a line separator, half a character.
CONTROL = (
    "\x1b[31m \x1b]8;;http://x\x1b\\ \x1b]0;t\x07 \x9b2J \u202eabc \u2066d\u2069 \u200be \U000e0041 \u2028 \udcff "
    "\x7f \r"
)
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\U000e0041]")


def test_what_a_terminal_would_obey_is_written_out() -> None:
    assert printable("\x1b[2J\x07\x9b\u202e\U000e0041\udcff\r") == r"\x1b[2J\x07\x9b\u202e\U000e0041\udcff\r"
    assert printable("two\nlines\tand a tab") == "two\nlines\tand a tab"
    assert printable_line("two\nlines\tand a tab") == r"two\nlines\tand a tab"


def test_letters_of_all_scripts_stay() -> None:
    text = "ä 猫 नमस्ते क\u200dष 👩\u200d💻 a\u3000b 10\u202f000"
    assert printable(text) == text and json.loads(json_text(text)) == text and text in json_text([text])


@pytest.mark.parametrize("text", [MARKUP, CONTROL])
def test_json_says_the_same_without_control(text: str) -> None:
    shown = json_text({text: [text]})
    assert json.loads(shown) == {text: [text]}
    assert not OBEYED.search(shown)


def test_a_line_within_a_line_is_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    say("runs/a\ndone: 1.0000", "next")
    assert capsys.readouterr().out == "runs/a\\ndone: 1.0000\nnext\n"
    error = GlueftError("a\nb", expected="x\n  to fix:   run this", received="\n    one\n    two", fix="nothing")
    assert str(error).splitlines() == [
        "a\\nb",
        "  expected: x",
        "      to fix:   run this",
        "  received: ",
        "    one",
        "    two",
        "  to fix:   nothing",
    ]


@pytest.mark.parametrize("terminal", [True, False])
def test_every_text_of_a_progress_is_shown_as_it_is(terminal: bool) -> None:
    stream = io.StringIO()
    console = PlainConsole(stream, force_terminal=True, no_color=True, width=500)
    progress = RichProgress(console) if terminal else PlainProgress(stream)
    name = MARKUP + CONTROL
    table = Table(title=name)
    table.add_column(name)
    table.add_row(name)
    progress.say(name)
    progress.tables(table)
    with progress.phase(name):
        pass
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\r", "", stream.getvalue())  # rich's own
    assert shown.count(printable_line(name)) >= 5
    assert not OBEYED.search(shown)


SECRET = "correct-horse"


def test_passwords_and_tokens_are_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", f"https://alice:{SECRET}%21@hub.example/api")
    monkeypatch.setenv("HF_TOKEN", "hf_abc")
    header = base64.b64encode(f"alice:{SECRET}!".encode()).decode()
    sent = f"Authorization: Basic {header}; {SECRET}!, Bearer hf_abc"
    text = f"GET https://alice:{SECRET}%21@hub.example/x?a=1 failed: {sent}"
    masked = without_secrets(text)
    assert SECRET not in masked and header not in masked and "hf_abc" not in masked
    assert masked.startswith("GET https://(password)@hub.example/x?a=1 failed")
    assert SECRET not in quoted("x" * 5 + text) and SECRET not in json_text({"url": text})
    assert SECRET not in str(GlueftError(text, received=text))
    assert without_secrets("hf_" + "A" * 34 + " https://other:pass@host") == "(token) https://(password)@host"


def test_the_token_of_a_login_is_masked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "token"))
    (tmp_path / "token").write_text("a-token-of-another-hub\n")
    assert without_secrets("sent a-token-of-another-hub") == "sent (token)"


def test_a_short_password_is_masked_where_it_stands_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://bob:admin@localhost")
    assert without_secrets("bob:admin, admin; administration") == "(password), (password); administration"


def test_a_token_in_the_place_of_the_user_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", f"http://{SECRET}@localhost")
    monkeypatch.setenv("HTTPS_PROXY", "http://harbour@proxy")
    header = base64.b64encode(f"{SECRET}:".encode()).decode()
    assert without_secrets(f"Basic {header}, {SECRET}") == "Basic (password), (password)"
    assert without_secrets("the harbour") == "the harbour"
    monkeypatch.setenv("HF_ENDPOINT", "http://@localhost")
    assert without_secrets("as it is") == "as it is"


@pytest.mark.parametrize(
    ("value", "text", "signed"),
    [
        (0.84071, "0.8407", "+0.8407"),
        (0.0, "0.0000", "+0.0000"),
        (-0.00005, "-0.0001", "-0.0001"),
        (0.00001234567, "1.235e-05", "+1.235e-05"),  # the error of tiny scores is not 0.0000
        (-3.2e-17, "-3.2e-17", "-3.2e-17"),
        (1000030.92151, "1000030.9215", "+1000030.9215"),
        (1.0000566845e12, "1e+12", "+1e+12"),
        (float("nan"), "nan", "+nan"),
    ],
)
def test_scores_for_people(value: float, text: str, signed: str) -> None:
    assert (score_text(value), score_text(value, signed=True)) == (text, signed)


def test_scores_are_read_back_as_they_were() -> None:
    scores = np.array([3.8, 1e6 + 0.0625, -0.0, 1e-45, -3.4028235e38, 1 / 3], np.float32)
    texts = [number_text(score) for score in shortest(scores)]
    assert texts[:3] == ["3.8", "1000000.06", "-0"]
    read = np.array(texts, np.float64).astype(np.float32)
    assert read.tobytes() == scores.tobytes()
