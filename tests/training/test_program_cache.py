"""Compiled programs: where they are kept, that a second run compiles nothing, and what may happen to the folder."""

from __future__ import annotations

import os
import sys
import zlib
from pathlib import Path
from types import SimpleNamespace

import pytest

from glueft.training import program_cache
from glueft.training.program_cache import MARK, ProgramCache, key, remove_broken, remove_oldest
from python_process import run_python

EVENTS = """
import collections, json, os
import jax
events = collections.Counter()
jax.monitoring.register_event_listener(lambda name, **_: events.update([name.rsplit("/")[-1]]))
def compiled_and_read():
    return [events["cache_misses"], events["cache_hits"]]
"""
SMALL = f"""
{EVENTS}
from glueft.training.program_cache import keep_programs
keep_programs()
result = jax.jit(lambda x: x * 3 + 1)(2.0).tolist()
print(json.dumps([result, *compiled_and_read()]))
"""
RUN = f"""
{EVENTS}
import glueft
from glueft.recipe import load_recipe
few = ["training.epochs=1", "data.limit_train=8", "data.limit_validation=8"]
recipe = load_recipe("mrpc", few, sample=True, checkpoint=os.environ["CHECKPOINT"])
folder = glueft.run(recipe, output_dir=os.environ["RUNS"]).folder
print(json.dumps([compiled_and_read(), str(folder)]))
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home of caches, where JAX is the backend and nobody has chosen another folder."""
    pytest.importorskip("jax")
    monkeypatch.setattr(program_cache, "keras_backend", lambda: "jax")
    monkeypatch.delitem(sys.modules, "jax")
    for variable in (program_cache.FOLDER, program_cache.ENABLED):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in {"KERAS_BACKEND": "jax", "XDG_CACHE_HOME": str(tmp_path / "home")}.items():
        monkeypatch.setenv(variable, value)
    return tmp_path / "home"


@pytest.mark.slow
def test_the_next_process_compiles_nothing_and_broken_entries_are_replaced(home: Path) -> None:
    result, compiled, read = run_python(SMALL)
    folder = home / "glueft" / "xla" / key()
    entries = sorted(folder.glob("*-cache"))
    assert (result, compiled, read) == (7, len(entries), 0) and entries
    assert folder.stat().st_mode & 0o077 == 0
    for entry in entries:
        entry.write_bytes(entry.read_bytes()[:-1])
    assert run_python(SMALL) == [7, compiled, 0]
    assert run_python(SMALL) == [7, 0, compiled]


@pytest.mark.slow
def test_a_second_run_of_a_recipe_compiles_nothing_and_computes_the_same(
    home: Path, tiny_bert: Path, tmp_path: Path
) -> None:
    where = {"CHECKPOINT": str(tiny_bert), "RUNS": str(tmp_path)}
    (compiled, read), one = run_python(RUN, **where)
    assert compiled > 0 and read == 0
    counts, other = run_python(RUN, **where)
    assert counts == [0, compiled]
    for file in ("predictions/validation.tsv", "model/model.safetensors"):
        assert (Path(one) / file).read_bytes() == (Path(other) / file).read_bytes(), file


def test_what_is_chosen_otherwise_counts(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = program_cache.program_cache()
    assert mine == ProgramCache(home / "glueft" / "xla" / key(), "by default")
    monkeypatch.setitem(sys.modules, "jax", SimpleNamespace(config=SimpleNamespace(jax_compilation_cache_dir="theirs")))
    assert program_cache.program_cache() == ProgramCache(Path("theirs"), "this process has chosen it")
    monkeypatch.setenv(program_cache.FOLDER, "elsewhere")
    assert program_cache.program_cache() == ProgramCache(Path("elsewhere"), "JAX_COMPILATION_CACHE_DIR says so")
    monkeypatch.setenv(program_cache.FOLDER, "")
    assert program_cache.program_cache().folder is None
    monkeypatch.setenv(program_cache.ENABLED, "False")
    assert program_cache.program_cache() == ProgramCache(None, "JAX_ENABLE_COMPILATION_CACHE says so")
    monkeypatch.setattr(program_cache, "keras_backend", lambda: "tensorflow")
    assert program_cache.program_cache() == ProgramCache(None, "only JAX's programs can be kept")


def test_a_folder_that_cannot_be_written_stops_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.parent.joinpath("home").write_text("a file")
    found = program_cache.program_cache()
    assert found == ProgramCache(None, f"{home} cannot be written")
    program_cache.keep_programs()
    assert "jax" not in sys.modules

    def no_home(path: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "expanduser", no_home)
    assert program_cache.program_cache() == ProgramCache(None, "Could not determine home directory.")


@pytest.mark.skipif(sys.platform == "win32", reason="files have no user number")
def test_programs_of_another_user_are_not_run(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = home / "glueft" / "xla" / key()
    folder.mkdir(parents=True)
    assert program_cache.program_cache().folder == folder
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    assert program_cache.program_cache() == ProgramCache(None, f"{folder} belongs to another user")


def test_another_processor_or_another_number_of_threads_has_another_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("jax")
    here = key()
    monkeypatch.setenv("NPROC", "17")
    assert key() != here
    monkeypatch.delenv("NPROC")
    monkeypatch.setattr(program_cache, "cpu_facts", lambda: {"flags": "sse2"})
    assert key() != here


def test_entries_that_were_cut_short_are_removed_and_looked_at_once(tmp_path: Path) -> None:
    whole, cut, compressed_otherwise = (tmp_path / f"{name}-cache" for name in ("whole", "cut", "otherwise"))
    whole.write_bytes(zlib.compress(b"a program"))
    cut.write_bytes(zlib.compress(b"a program")[:-3])
    compressed_otherwise.write_bytes(program_cache.ZSTANDARD + b"...")
    remove_broken(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [MARK, compressed_otherwise.name, whole.name]
    cut.write_bytes(b"")
    os.utime(cut, (1, 1))
    remove_broken(tmp_path)
    assert cut.exists()  # not newer than the last look
    cut.touch()
    remove_broken(tmp_path)
    assert not cut.exists()


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"{number}").mkdir()
        entry = tmp_path / f"{number}" / "x-cache"
        entry.write_bytes(b"x" * 100)
        os.utime(entry, (1000 + number, 10))
    os.utime(tmp_path / "0" / "x-cache", (5000, 10))  # read again
    remove_oldest(tmp_path, 250)
    assert [path.parent.name for path in sorted(tmp_path.rglob("*-cache"))] == ["0", "4"]
