"""A program that imports a backend and prints, as one line of JSON, the devices that it sees.

It is run in a process of its own, by its path: it imports nothing of glueft.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any


def tensorflow() -> tuple[str, list[dict[str, Any]]]:
    # It imports these if they are installed, which takes as long as the rest.
    sys.modules.update(dict.fromkeys(("jax", "matplotlib", "sklearn")))  # type: ignore[arg-type]
    import tensorflow as library

    found = []
    for device in library.config.list_physical_devices():
        details = library.config.experimental.get_device_details(device) if device.device_type == "GPU" else {}
        capability = details.get("compute_capability")
        found.append(
            {
                "kind": device.device_type.lower(),
                "model": details.get("device_name"),
                "memory": None,
                "compute_capability": None if capability is None else ".".join(map(str, capability)),
            }
        )
    return library.__version__, found


def jax() -> tuple[str, list[dict[str, Any]]]:
    import jax as library

    found = []
    for device in library.local_devices():
        has_model = device.platform != "cpu"
        memory = device.memory_stats() if has_model else None
        found.append(
            {
                "kind": device.platform,
                "model": device.device_kind if has_model else None,
                "memory": (memory or {}).get("bytes_limit"),
                "compute_capability": getattr(device, "compute_capability", None) if has_model else None,
            }
        )
    return library.__version__, found


def torch() -> tuple[str, list[dict[str, Any]]]:
    import torch as library

    found = [
        {
            "kind": "gpu",
            "model": facts.name,
            "memory": facts.total_memory,
            # On AMD's GPUs these are another number.
            "compute_capability": None if library.version.cuda is None else f"{facts.major}.{facts.minor}",
        }
        for facts in map(library.cuda.get_device_properties, range(library.cuda.device_count()))
    ]
    return str(library.__version__), found


BACKENDS = {"tensorflow": tensorflow, "jax": jax, "torch": torch}


def main() -> None:
    """Print the answer; what the libraries print goes to standard error."""
    result = os.dup(1)
    os.dup2(2, 1)
    version, devices = BACKENDS[sys.argv[1]]()
    graphics = [device for device in devices if device["kind"] != "cpu"]
    processor = {"kind": "cpu", "model": None, "memory": None, "compute_capability": None}
    answer = {"version": version, "devices": graphics or devices or [processor]}
    os.write(result, json.dumps(answer).encode())


if __name__ == "__main__":
    main()
