"""A Ray cluster of two nodes on this machine."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20}


@dataclass
class TwoNodes:
    """The head and another node, each with one processor and a resource of its own name.

    Attributes:
        cluster: Ray's.
        other: its node that may be lost.
    """

    cluster: Any
    other: Any

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    def lose(self) -> None:
        """Kill the other node with all of its processes, as when a machine is lost."""
        self.cluster.remove_node(self.other, allow_graceful=False)


@contextmanager
def two_nodes() -> Iterator[TwoNodes]:
    """Give a cluster; nothing of it is left."""
    from ray.cluster_utils import Cluster

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    cluster = Cluster(
        initialize_head=True, head_node_args={**NODE, "include_dashboard": False, "resources": {"head": 1}}
    )
    try:
        yield TwoNodes(cluster, cluster.add_node(**NODE, resources={"other": 1}))
    finally:
        cluster.shutdown()
        for number, handler in before.items():
            signal.signal(number, handler)
