"""The JSON schema of study files agrees with what is accepted."""

from __future__ import annotations

import json

import pytest

from glueft.cli.main import command_line
from glueft.plugin.registry import load_registry
from glueft.studies.definition.options import StudyOptions
from glueft.studies.definition.schema import study_schema


def test_the_schema_describes_every_key_and_the_plugins(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line(["schema", "--study"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema == study_schema(load_registry())
    study = schema["properties"]["study"]
    assert (study["required"], study["additionalProperties"]) == (["recipes"], False)
    keys = study["properties"]
    assert set(keys) == set(StudyOptions.model_fields) and all("description" in key for key in keys.values())
    assert keys["set"]["properties"]["training.epochs"]["minimum"] == 1
    assert keys["set"]["properties"]["schedule.plugin"]["enum"] == load_registry().names("schedule")
    assert keys["grid"]["properties"]["training.epochs"]["items"] == keys["set"]["properties"]["training.epochs"]
    assert set(keys["ranges"]["properties"]["training.epochs"]["properties"]) == {
        "low",
        "high",
        "log",
        "step",
        "choices",
    }
    assert "local" in [table["title"] for table in keys["executor"]["oneOf"]]
    assert "null" not in json.dumps(schema)


def test_one_schema_at_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line(["schema", "--study", "--run"]) == 2
    assert "one schema at a time" in capsys.readouterr().err
