"""What a saved model keeps of how its run cut rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from glueft.encoder.input_file import InputRule, InputWindows, read_input_rule, write_input_rule
from glueft.errors import CheckpointError
from glueft.hub.checkpoint_files import INPUT
from glueft.hub.checkpoints import needed_files
from glueft.push.content import is_stale


def test_the_rule_comes_back_and_goes_where_its_model_goes(tmp_path: Path) -> None:
    assert read_input_rule(tmp_path) is None
    rule = InputRule(max_length=24, windows=InputWindows(stride=4, pool="max"))
    write_input_rule(tmp_path, rule)
    assert read_input_rule(tmp_path) == rule
    assert INPUT in needed_files("a/b", ["config.json", "model.safetensors", INPUT])
    assert is_stale(INPUT, {"config.json": b""})


@pytest.mark.parametrize(
    "content", ["[]", "{", '{"max_length": "24"}', '{"max_length": 24, "windows": {"stride": -1}}']
)
def test_a_file_that_says_nothing_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / INPUT).write_text(content)
    with pytest.raises(CheckpointError, match="does not say how rows are cut") as caught:
        read_input_rule(tmp_path)
    assert caught.value.expected and caught.value.received and caught.value.fix
