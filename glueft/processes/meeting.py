"""How the processes of a run find each other: process 0 listens, and the others come to it."""

from __future__ import annotations

import ipaddress
import platform
import socket
import threading
import time
from contextlib import suppress
from typing import Any

from glueft.processes.messages import Connection
from glueft.processes.place import HOW_ALONE, Place, ProcessesError
from glueft.version import __version__

# Between two tries to reach process 0, and for the first message of whoever has come.
_AGAIN_SECONDS = 0.3
_FIRST_MESSAGE_SECONDS = 20.0


def meet(place: Place, wait: float) -> tuple[dict[int, Connection], list[str]]:
    """Return the connections of a process, to 0 or of 0 to all others, and the name of each process's machine.

    Args:
        place: of this process.
        wait: so many seconds it waits for others.

    Raises:
        ProcessesError: they have not come in time, or do not fit together.
    """
    return _Meeting(place, wait).hold() if place.process == 0 else _come(place, wait)


class _Meeting:
    """Where process 0 waits for the others."""

    def __init__(self, place: Place, wait: float) -> None:
        self.place = place
        self.wait = wait
        self.came: dict[int, Connection] = {}
        self.hosts = {0: platform.node()}
        self.fault: ProcessesError | None = None
        self.changed = threading.Condition()

    def hold(self) -> tuple[dict[int, Connection], list[str]]:
        until = time.monotonic() + self.wait
        with _listen(self.place) as listening:
            threading.Thread(target=self._accept, args=(listening,), daemon=True).start()
            with self.changed:
                while not self.fault and len(self.came) < self.place.processes - 1 and time.monotonic() < until:
                    self.changed.wait(0.2)
            with suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
        with self.changed:
            missing = [number for number in range(1, self.place.processes) if number not in self.came]
            fault = self.fault or (self._missing(missing) if missing else None)
            hosts = [self.hosts.get(number, "") for number in range(self.place.processes)]
            for connection in self.came.values():
                with suppress(OSError):
                    if fault is None:
                        connection.send("welcome", hosts=hosts)
                    else:
                        _refuse(connection, fault)
        if fault is not None:
            raise fault
        return self.came, hosts

    def _missing(self, missing: list[int]) -> ProcessesError:
        named = ", ".join(map(str, missing[:8])) + ", ..." * (len(missing) > 8)
        came = ", ".join(f"{number} ({self.hosts[number]})" for number in sorted(self.came))
        return ProcessesError(
            f"of the {self.place.processes} processes of the run, these did not come: {named}",
            expected=f"all {self.place.processes} within {self.wait:g} seconds, at {self.place.coordinator}",
            received=f"process 0 ({self.hosts[0]})" + (f", {came}" if came else " alone"),
            fix="start the same command for each of them, with its own --process; look whether they can reach this "
            f"port; --wait SECONDS waits longer; {HOW_ALONE}",
        )

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                end, _ = listening.accept()
            except OSError:  # it is closed
                return
            threading.Thread(target=self._welcome, args=(Connection(end),), daemon=True).start()

    def _welcome(self, connection: Connection) -> None:
        connection.end.settimeout(_FIRST_MESSAGE_SECONDS)
        here = _alike(self.place)
        try:
            said = connection.receive()
            number, host = int(said["process"]), str(said["host"])
            there = {key: type(value)(said[key]) for key, value in here.items()}
        except (OSError, ValueError, KeyError, TypeError):  # something else that tries ports
            connection.close()
            return
        connection.end.settimeout(None)
        with self.changed:
            if there != here:
                self.fault = _unlike(number, host, there, here)
            if self.fault or number in self.hosts:
                fault = self.fault or _twice(number, self.hosts[number])
                with suppress(OSError):
                    _refuse(connection, fault)
                connection.close()
            else:
                self.hosts[number] = host
                self.came[number] = connection
            self.changed.notify_all()


def _alike(place: Place) -> dict[str, Any]:
    """What must be the same in each process for them to understand each other."""
    return {"processes": place.processes, "glueft": __version__, "command": f"glueft {place.doing}"}


def _unlike(number: int, host: str, there: dict[str, Any], here: dict[str, Any]) -> ProcessesError:
    return ProcessesError(
        "the processes do not belong to one run",
        expected="the same command, number of processes and glueft in each",
        received="; ".join(
            f"{key}: {here[key]} in process 0, {there[key]} in process {number} ({host})"
            for key in here
            if here[key] != there[key]
        ),
        fix="start the same command for each, with the same --processes, from the same installation",
    )


def _twice(number: int, host: str) -> ProcessesError:
    return ProcessesError(
        f"there is a process {number} already, on {host}",
        expected="another --process for each",
        received=f"--process {number} once more",
        fix="start each process with its own number, from 0 on",
    )


def _refuse(connection: Connection, error: ProcessesError) -> None:
    connection.send("refused", message=error.message, expected=error.expected, received=error.received, fix=error.fix)


def _listen(place: Place) -> socket.socket:
    """Listen on all addresses of the machine, or where the others are on it too, on that alone."""
    with suppress(ValueError):
        if place.host == "localhost" or ipaddress.ip_address(place.host).is_loopback:
            return _bound(place, (place.host, place.port), ipv6=":" in place.host)
    return _bound(place, ("", place.port), ipv6=socket.has_dualstack_ipv6())


def _bound(place: Place, address: tuple[str, int], *, ipv6: bool) -> socket.socket:
    family = socket.AF_INET6 if ipv6 else socket.AF_INET
    try:
        return socket.create_server(
            address, family=family, backlog=place.processes + 8, dualstack_ipv6=ipv6 and not address[0]
        )
    except OSError as error:
        raise ProcessesError(
            f"process 0 cannot listen at port {place.port}",
            expected="a free port of this machine",
            received=error.strerror or str(error),
            fix="give all processes another port: --coordinator HOST:PORT",
        ) from error


def _come(place: Place, wait: float) -> tuple[dict[int, Connection], list[str]]:
    until = time.monotonic() + wait
    while True:
        try:
            end = socket.create_connection((place.host, place.port), timeout=max(1.0, until - time.monotonic()))
            break
        except OSError as error:
            if time.monotonic() + _AGAIN_SECONDS > until:
                raise ProcessesError(
                    f"process 0 of {place.processes} cannot be reached at {place.coordinator}",
                    expected=f"that it listens there, within {wait:g} seconds",
                    received=error.strerror or str(error),
                    fix="start it, with --process 0, on the machine of that name; look whether this machine can reach "
                    f"its port; --wait SECONDS waits longer; {HOW_ALONE}",
                ) from error
        time.sleep(_AGAIN_SECONDS)
    connection = Connection(end)
    # Process 0 may have begun to wait later than this one.
    end.settimeout(wait + _FIRST_MESSAGE_SECONDS)
    try:
        connection.send("hello", process=place.process, host=platform.node(), **_alike(place))
        said = connection.receive()
    except (OSError, ValueError) as error:
        raise ProcessesError(
            f"process 0 has not answered at {place.coordinator}",
            expected="an answer of the glueft that is process 0 of this run",
            received=str(error),
            fix="look at the output of process 0, and whether another program has this port",
        ) from error
    if said["kind"] == "refused":
        raise ProcessesError(said["message"], expected=said["expected"], received=said["received"], fix=said["fix"])
    end.settimeout(None)
    return {0: connection}, [str(host) for host in said["hosts"]]
