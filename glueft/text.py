"""Text for output, without terminal controls and secrets."""

from __future__ import annotations

import base64
import html
import json
import os
import re
import sys
import urllib.parse
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Characters that steer a terminal, are invisible, or change the order of letters: controls (C0, DEL, C1), soft hyphen,
# direction marks and overrides, line and paragraph separators, zero-width spaces and joins, surrogates, tags. The
# joiners U+200C and U+200D stay: Persian, Hindi and emoji need them.
_UNSEEN = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\U0001d173-\U0001d17a\U000e0000-\U000e007f"
)
_CONTROL = re.compile(f"[{_UNSEEN}]")
_CONTROL_OR_BREAK = re.compile(f"[\t\n{_UNSEEN}]")

_USER_INFO = re.compile(r"(?<=://)[^/\s\"'<>]{1,300}@")
_TOKEN_OF_THE_HUB = re.compile(r"\b(?:hf|api_org)_[A-Za-z0-9]{16,}")
# Characters; a shorter secret may be an ordinary word, and is masked only as a whole word.
_SURELY_SECRET = 8


def printable(text: object) -> str:
    """Return a text without secrets, and with invisible characters as escapes: ESC becomes `\\x1b`.

    Line feeds and tabs stay.
    """
    return _CONTROL.sub(_written_out, without_secrets(str(text)))


def printable_line(text: object) -> str:
    """Return the same on one line, for a name, a path or a table cell: a line feed becomes `\\n`, a tab `\\t`."""
    return _CONTROL_OR_BREAK.sub(_written_out, without_secrets(str(text)))


def preformatted(text: object) -> str:
    """Return a text as HTML that shows it as it is, for a notebook; see `printable`."""
    return f"<pre>{html.escape(printable(text))}</pre>"


def say(*lines: object, stream: IO[str] | None = None) -> None:
    """Print lines as `printable` has them; all printing of glueft goes through here, but for rich's tables and bars.

    Args:
        lines: a line feed within one becomes `\\n`, so that no name can forge a line.
        stream: standard output by default.
    """
    for line in lines or ("",):
        text = printable(line).replace("\n", "\\n")
        print(text, file=sys.stdout if stream is None else stream, flush=True)


def json_text(value: Any, **options: Any) -> str:
    """Return a value as JSON on one line, safe for a terminal. Secrets are masked.

    Letters of all scripts stay as they are; what `printable` escapes is a JSON escape.
    """
    return json_printable(json.dumps(masked(value), ensure_ascii=False, **options))


def json_printable(text: str) -> str:
    """Return JSON text with control and invisible characters as JSON escapes; its value stays the same."""
    return _CONTROL.sub(lambda found: json.dumps(found[0])[1:-1], text)


def short_repr(value: object, longest: int = 60) -> str:
    """`repr(value)`, shortened if it is long."""
    text = repr(value)
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def quoted(text: str, longest: int = 60) -> str:
    """Return a text in double quotes, on one line, shortened if it is long."""
    text = without_secrets(text)  # before the cut, which would leave half of a secret
    if len(text) > longest:
        text = text[: longest - 3] + "..."
    shown = "".join(_visible(character) for character in text)
    return f'"{shown}"'


def counted(count: int, thing: str) -> str:
    """Return a number of things: `1 row`, `3,668 rows`."""
    return f"{count:,} {thing}" + ("" if count == 1 else "s")


def parameters_text(count: int) -> str:
    """Return a number of parameters: `109.5 M`, `1.2 B`; `4,386` below a million."""
    if count < 1_000_000:
        return f"{count:,}"
    return f"{count / 1e6:.1f} M" if count < 999_950_000 else f"{count / 1e9:.2f} B"


def duration(seconds: float) -> str:
    """Return seconds as `m:ss`, or `h:mm:ss` from an hour on."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def score_text(value: float, *, signed: bool = False) -> str:
    """Return a metric or loss with four decimals, or four significant digits if it is very small or large."""
    sign = "+" if signed else ""
    return f"{value:{sign}.4f}" if value == 0 or 5e-5 <= abs(value) < 1e7 else f"{value:{sign}.4g}"


def epoch_text(epoch: float) -> str:
    """Return the number of an epoch, or how many epochs are done: `2`, `1.5`, `0.333`."""
    return f"{epoch:.3f}".rstrip("0").rstrip(".")


def number_text(number: float) -> str:
    """Return a float64 number with the fewest digits that read back to it; a whole number without a point."""
    return repr(float(number)).removesuffix(".0")


def shortest(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return for each float32 number the float64 number with the fewest digits that reads back to it.

    3.8 stays 3.8; a plain cast gives 3.79999995. Shape (rows,).
    """
    import numpy as np

    # NumPy writes the fewest digits that are unique in float32.
    return np.array([float(str(score)) for score in np.asarray(scores, np.float32)], np.float64)


def without_secrets(text: str) -> str:
    """Return a text with tokens and passwords masked.

    Masked are the tokens that the hub's tools would send (HF_TOKEN, HUGGING_FACE_HUB_TOKEN, that of `hf auth login`),
    whatever looks like a token of the hub, and user and password in a URL; those of HF_ENDPOINT and of proxies also
    outside of a URL, and in the form of an HTTP header.
    """
    return _mask(text, _secrets())


def masked(value: Any) -> Any:
    """Return a JSON value with `without_secrets` applied to all its texts but keys."""
    secrets = _secrets()

    def of(value: Any) -> Any:
        if isinstance(value, str):
            return _mask(value, secrets)
        if isinstance(value, dict):
            return {key: of(item) for key, item in value.items()}
        return [*map(of, value)] if isinstance(value, (list, tuple)) else value

    return of(value)


def _mask(text: str, secrets: Sequence[tuple[str, str]]) -> str:
    if "://" in text:
        text = _USER_INFO.sub("(password)@", text)
    for secret, name in secrets:
        if secret in text:
            pattern = re.escape(secret)
            text = re.sub(pattern if len(secret) >= _SURELY_SECRET else rf"(?<!\w){pattern}(?!\w)", name, text)
    return _TOKEN_OF_THE_HUB.sub("(token)", text)


def _secrets() -> list[tuple[str, str]]:
    """The secrets that this process may send, each with its replacement; the longest first."""
    found: dict[str, str] = {}
    for token in (os.environ.get("HF_TOKEN"), os.environ.get("HUGGING_FACE_HUB_TOKEN"), _stored_token()):
        found |= {part: "(token)" for part in (token or "").split() if part}
    for variable in ("HF_ENDPOINT", "HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "https_proxy", "http_proxy", "all_proxy"):
        user_info, at, _ = os.environ.get(variable, "").partition("://")[2].partition("/")[0].rpartition("@")
        user, _, password = (urllib.parse.unquote(part) for part in user_info.partition(":"))
        if not at or not (password or (user and variable == "HF_ENDPOINT")):
            continue
        header = base64.b64encode(f"{user}:{password}".encode("utf-8", "surrogateescape")).decode("ascii")
        # HF_ENDPOINT's user alone may be a token; that of a proxy is a name.
        forms = (user_info, f"{user}:{password}", header, user_info.partition(":")[2], password or user)
        found |= dict.fromkeys(filter(None, forms), "(password)")
    return sorted(found.items(), key=lambda secret: -len(secret[0]))


def _stored_token() -> str | None:
    """The token of `hf auth login`, read without the hub's client, whose import takes longer than most commands."""
    home = os.environ.get("HF_HOME") or os.path.join(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "huggingface")  # noqa: PTH118
    path = os.environ.get("HF_TOKEN_PATH") or os.path.join(home, "token")  # noqa: PTH118
    try:
        return _read_small(Path(path).expanduser())
    except (OSError, RuntimeError, ValueError):
        return None


def _read_small(path: Path) -> str | None:
    if not path.is_file():
        return None
    with path.open(encoding="utf-8", errors="surrogateescape") as file:
        return file.read(4096)


def _written_out(found: re.Match[str]) -> str:
    return repr(found[0])[1:-1] if not found[0].isprintable() else f"\\u{ord(found[0]):04x}"


def _visible(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")


def setting_text(key: str, value: object) -> str:
    """Return the value of a recipe's or a record's key as a recipe writes it, a SHA-256 by its first digits."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value[:12]}…" if "sha256" in key and isinstance(value, str) else str(value)
