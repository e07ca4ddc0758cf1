"""The processor: what Linux says of it, and whether it multiplies bfloat16 faster than float32."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
# Of its lines, in lower case; ARM's after those of x86.
DESIGN = (
    "vendor_id", "cpu family", "model", "model name", "stepping", "flags",
    "cpu implementer", "cpu architecture", "cpu variant", "cpu part", "features",
)  # fmt: skip

# Instructions that multiply bfloat16 and sum in float32, by Linux's flag for them, the fastest first.
BFLOAT16 = {"amx_bf16": "AMX", "avx512_bf16": "AVX512-BF16"}
AMD = "AuthenticAMD"

# oneDNN's own variables that limit its instructions (its guide "CPU Dispatcher Control"): it reads the first one that
# is not empty, in any case of letters, and takes no notice of a value that it does not know.
ISA_LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
WITHOUT_AMX = ("avx512_core_bf16", "avx512_core_fp16", "avx10_1_512")
# AVX2_VNNI_2 converts bfloat16, and does not multiply it.
WITHOUT_AVX512 = ("sse41", "avx", "avx2", "avx2_vnni", "avx2_vnni_2")
WITHOUT_BFLOAT16 = (*WITHOUT_AVX512, "avx512_core", "avx512_core_vnni")
WITHOUT_FLOAT16 = (*WITHOUT_BFLOAT16, "avx512_core_bf16")


def bfloat16_instructions() -> str | None:
    """Return the instructions by which oneDNN can multiply bfloat16 here; None without any, or where unknown."""
    return bfloat16_of(_facts_here().get("flags", "").split(), isa_limit(os.environ))


def fast_bfloat16() -> str | None:
    """Return the same where they are faster than the products in float32."""
    return _fast(isa_limit(os.environ))


def kept_from_fast_bfloat16() -> str | None:
    """Return oneDNN's setting, such as "ONEDNN_MAX_CPU_ISA=AVX2", that alone keeps the processor from them, if any."""
    return _isa_setting() if _fast("") and not fast_bfloat16() else None


def _fast(limit: str) -> str | None:
    facts = _facts_here()
    found = bfloat16_of(facts.get("flags", "").split(), limit)
    return found if is_faster(found, facts.get("vendor_id")) else None


def bfloat16_of(flags: Collection[str], limit: str) -> str | None:
    """Return a value of `BFLOAT16`.

    Args:
        flags: of the processor, as Linux calls them.
        limit: from `isa_limit`.
    """
    if limit in WITHOUT_BFLOAT16:
        return None
    usable = {flag: name for flag, name in BFLOAT16.items() if name != "AMX" or limit not in WITHOUT_AMX}
    return next((name for flag, name in usable.items() if flag in flags), None)


def is_faster(instructions: str | None, vendor: str | None) -> bool:
    """Whether instructions of `BFLOAT16` are faster than float32: AMX; and AVX512-BF16 on AMD's, but not on Intel's.

    Measured on an Intel Xeon with AMX and on an AMD Zen 4; on the Xeon without AMX, products in bfloat16 took longer
    than in float32.
    """
    return instructions == "AMX" or (instructions == "AVX512-BF16" and vendor == AMD)


def kept_from_onednn() -> dict[str, str]:
    """Return the dtypes whose products end a TensorFlow process here, each with the setting to blame.

    TensorFlow asks the processor alone, hands products to oneDNN, and ends where that has been kept from them.
    oneDNN itself multiplies bfloat16 with any AVX-512. Tried on a processor with AVX-512; of those without nothing is
    said.
    """
    flags, limit = _facts_here().get("flags", "").split(), isa_limit(os.environ)
    crashing = {
        "bfloat16": limit in WITHOUT_AVX512 and "avx512f" in flags,
        "float16": limit in WITHOUT_FLOAT16 and not {"avx512_fp16", "amx_fp16"}.isdisjoint(flags),
    }
    return {dtype: _isa_setting() for dtype, crashes in crashing.items() if crashes}


def _isa_setting() -> str:
    name = next(name for name in ISA_LIMITS if os.environ.get(name))
    return f"{name}={os.environ[name]}"


def isa_limit(environment: Mapping[str, str]) -> str:
    """Return what oneDNN's variables limit its instructions to, in lower case; "" without a limit."""
    return next((environment[name].lower() for name in ISA_LIMITS if environment.get(name)), "")


@cache
def _facts_here() -> dict[str, str]:
    return cpu_facts()


def cpu_facts(cpuinfo: Path = CPUINFO) -> dict[str, str]:
    """Return what Linux says of the first processor and is the same for all of its design; elsewhere nothing."""
    facts: dict[str, str] = {}
    try:
        with cpuinfo.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:  # One block a processor: all are alike, and a server has hundreds.
                name, _, value = line.partition(":")
                if not name.strip():
                    break
                if name.strip().lower() in DESIGN:
                    facts[name.strip().lower()] = value.strip()
    except OSError:  # not Linux
        pass
    return facts
