"""What the processor multiplies bfloat16 by, from what Linux says of it and from oneDNN's variables."""

from __future__ import annotations

from pathlib import Path

import pytest

from glueft.system import processor
from glueft.system.processor import (
    bfloat16_instructions,
    cpu_facts,
    fast_bfloat16,
    kept_from_fast_bfloat16,
    kept_from_onednn,
)

XEON = """processor\t: 0
vendor_id\t: GenuineIntel
model name\t: Intel(R) Xeon(R) Processor
flags\t\t: fpu avx2 avx512f avx512_bf16 avx512_fp16 amx_bf16 amx_tile amx_int8
bugs\t\t: spectre_v1

processor\t: 1
vendor_id\t: another
"""
COOPER_LAKE = "vendor_id : GenuineIntel\nflags : avx2 avx512f avx512_vnni avx512_bf16\n"
ZEN_4 = "vendor_id\t: AuthenticAMD\nflags\t\t: avx2 avx512f avx512_vnni avx512_bf16\n"
SKYLAKE = "vendor_id\t: GenuineIntel\nflags\t\t: avx2 avx512f\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd bf16 i8mm\nCPU implementer\t: 0x41\n"


@pytest.fixture(autouse=True)
def without_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in processor.ISA_LIMITS:
        monkeypatch.delenv(name, raising=False)


def put(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "cpuinfo").write_text(text)
    monkeypatch.setattr(processor, "_facts_here", lambda: cpu_facts(folder / "cpuinfo"))


@pytest.mark.parametrize(
    ("text", "has", "fast"),
    [
        (XEON, "AMX", "AMX"),
        (ZEN_4, "AVX512-BF16", "AVX512-BF16"),
        # On Intel's processors without AMX the products in float32 are the faster ones.
        (COOPER_LAKE, "AVX512-BF16", None),
        (SKYLAKE, None, None),
        (ARM, None, None),
        ("", None, None),
    ],
)
def test_what_a_processor_has(
    text: str, has: str | None, fast: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(text, tmp_path, monkeypatch)
    assert (bfloat16_instructions(), fast_bfloat16()) == (has, fast)


@pytest.mark.parametrize(
    ("limit", "intel", "amd"),
    [
        ("SSE41", None, None),
        ("AVX", None, None),
        ("AVX2", None, None),
        ("AVX2_VNNI", None, None),
        ("AVX2_VNNI_2", None, None),
        ("AVX512_CORE", None, None),
        ("avx512_core_vnni", None, None),
        ("AVX512_CORE_BF16", "AVX512-BF16", "AVX512-BF16"),
        ("AVX512_CORE_FP16", "AVX512-BF16", "AVX512-BF16"),
        ("AVX10_1_512", "AVX512-BF16", "AVX512-BF16"),
        ("AVX512_CORE_AMX", "AMX", "AVX512-BF16"),
        ("AVX10_1_512_AMX", "AMX", "AVX512-BF16"),
        ("AVX10_1_512_AMX_FP16", "AMX", "AVX512-BF16"),
        ("DEFAULT", "AMX", "AVX512-BF16"),
        ("ALL", "AMX", "AVX512-BF16"),
        ("", "AMX", "AVX512-BF16"),
        ("a value that oneDNN does not know", "AMX", "AVX512-BF16"),
    ],
)
def test_onednn_can_be_kept_from_it(
    limit: str, intel: str | None, amd: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    put(XEON, tmp_path, monkeypatch)
    assert (bfloat16_instructions(), fast_bfloat16()) == (intel, "AMX" if intel == "AMX" else None)
    assert kept_from_fast_bfloat16() == (None if intel == "AMX" else f"ONEDNN_MAX_CPU_ISA={limit}")
    put(ZEN_4, tmp_path, monkeypatch)
    assert (bfloat16_instructions(), fast_bfloat16()) == (amd, amd)
    assert kept_from_fast_bfloat16() == (None if amd else f"ONEDNN_MAX_CPU_ISA={limit}")
    put(SKYLAKE, tmp_path, monkeypatch)
    assert kept_from_fast_bfloat16() is None


def test_the_earlier_name_of_the_variable_counts_after_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(XEON, tmp_path, monkeypatch)
    monkeypatch.setenv("DNNL_MAX_CPU_ISA", "AVX2")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "")
    assert bfloat16_instructions() is None
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "ALL")
    assert bfloat16_instructions() == "AMX"


@pytest.mark.parametrize(
    ("limit", "intel", "amd", "skylake"),
    [
        ("AVX2", {"bfloat16", "float16"}, {"bfloat16"}, {"bfloat16"}),
        ("avx2_vnni_2", {"bfloat16", "float16"}, {"bfloat16"}, {"bfloat16"}),
        ("AVX512_CORE", {"float16"}, set(), set()),
        ("AVX512_CORE_BF16", {"float16"}, set(), set()),
        ("AVX512_CORE_FP16", set(), set(), set()),
        ("ALL", set(), set(), set()),
        ("", set(), set(), set()),
    ],
)
def test_what_tensorflow_would_crash_in(
    limit: str, intel: set[str], amd: set[str], skylake: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    for text, crashing in ((XEON, intel), (ZEN_4, amd), (SKYLAKE, skylake), (ARM, set()), ("", set())):
        put(text, tmp_path, monkeypatch)
        assert kept_from_onednn() == dict.fromkeys(crashing, f"ONEDNN_MAX_CPU_ISA={limit}")


def test_where_linux_is_not(tmp_path: Path) -> None:
    assert cpu_facts(tmp_path / "no-such") == {}
    (tmp_path / "cpuinfo").write_text(XEON)
    assert cpu_facts(tmp_path / "cpuinfo")["vendor_id"] == "GenuineIntel", "that of the first processor"
