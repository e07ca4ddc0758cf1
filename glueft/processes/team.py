"""The processes of one run, seen from one of them: what they tell each other, and how they end together.

Process 0 has a connection to each of the others. In each process a thread reads each connection, and one more looks
after it. When a process dies the others know at once, by the connection that breaks, or soon, by its silence; they end
with a sentence, also where their main thread waits in a step that will never be done.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from glueft.errors import GlueftError
from glueft.processes.meeting import meet
from glueft.processes.messages import Connection
from glueft.processes.place import Place, ProcessesError
from glueft.system import interruption
from glueft.text import printable, say

# Between two looks at the signals, two signs of life, and how long a process may be silent.
LOOK_SECONDS = 0.2
BEAT_SECONDS = 3.0
SILENT_SECONDS = 30.0
# The main thread has so long to fail by itself once a process is gone, and then to write how the run ended.
GRACE_SECONDS = 5.0
ENDING_SECONDS = 30.0
# JAX's own timeouts: glueft is to notice first. The first is for processes that have met already.
JAX_START_SECONDS = 120
JAX_HEARTBEAT_SECONDS = 3600
JAX_END_SECONDS = 20


class Team:
    """The processes of a run; of an ordinary run, which has one, as it is here.

    Attributes:
        process: the number of this one, from 0.
        processes: how many there are.
        needs_others: whether it ends with them; process 0 sets it to False where all that is left it does alone.
    """

    process, processes = 0, 1
    needs_others = False
    folder = Path()
    on_fault: Callable[[BaseException], None] = staticmethod(lambda error: None)

    @property
    def together(self) -> Together | None:
        """Itself where there are several."""
        return None

    @property
    def leads(self) -> bool:
        """Whether this is process 0, the one that writes the run folder, shows the run and tells plugins."""
        return self.process == 0

    def from_first(self, value: Any) -> Any:
        """Return what process 0 has given; JSON values."""
        return value

    def give_files(self, root: Path, names: list[str]) -> None:
        """Give files of a folder to the others; in process 0."""

    def get_files(self) -> Path:
        """Wait for what process 0 gives, and return the folder where it lies; in the others."""
        return self.folder

    def cause(self, error: BaseException) -> BaseException:
        """Return what an error comes from: another process that is gone, or itself. The others are told to end.

        To be called where the work ends by an error.
        """
        return error


class Together(Team):
    """A process of several.

    Args:
        place: of this process.
        wait: so many seconds it waits for the others.
        on_fault: called in process 0 with the error of another process, where the main thread does not come to it.

    Attributes:
        hosts: the name of the machine of each.
        folder: of this process alone, for what it writes and gets; gone at the end.

    Raises:
        ProcessesError: the others have not come.
    """

    def __init__(self, place: Place, wait: float) -> None:
        self.place = place
        self.process, self.processes = place.process, place.processes
        self.connections, self.hosts = meet(place, wait)
        self.folder = Path(tempfile.mkdtemp(prefix=f"glueft-process-{place.process}-"))
        interruption.at_the_end(self._remove_folder)
        self.needs_others = True
        self.fault: BaseException | None = None
        self._changed = threading.Condition()
        self._ending = self._done = self._has_lost = False
        self._left = threading.Event()
        self._asked = 0  # how often `from_all` was called
        self._values: dict[int, dict[int, Any]] = {}
        self._files = 0  # how often process 0 has given some, and they were not asked for yet
        # The steps that all take together, begun so far; where each process was when they stopped; and the last one.
        self._steps = 0
        self._paused = False
        self._steps_of: dict[int, int] = {}
        self._last_step: int | None = None
        interruption.share(self._begin_step, self._is_last_step)
        for process, connection in self.connections.items():
            connection.expect_signs(SILENT_SECONDS)
            threading.Thread(target=self._read, args=(process, connection), name="glueft-process", daemon=True).start()
        threading.Thread(target=self._look_after, name="glueft-processes", daemon=True).start()

    # What is asked of the main thread.

    @property
    def together(self) -> Together:
        return self

    def from_first(self, value: Any) -> Any:
        return self.from_all(value if self.leads else None)[0]

    def from_all(self, value: Any) -> list[Any]:
        """Return what each process has given, in their order; JSON values."""
        self._asked += 1
        number = self._asked
        if self.leads:
            with self._changed:
                self._values.setdefault(number, {})[0] = value
            self._wait(lambda: len(self._values[number]) == self.processes)
            found = [self._values[number][process] for process in range(self.processes)]
            self._tell("values", number=number, values=found)
        else:
            self._tell("value", number=number, value=value)
            self._wait(lambda: number in self._values)
            found = self._values[number][0]
        del self._values[number]
        return found

    def give_files(self, root: Path, names: list[str]) -> None:
        for name in names:
            self._tell("file", root / name, name=name)
        self._tell("files")

    def get_files(self) -> Path:
        self._wait(lambda: self._files > 0)
        self._files -= 1
        return self.folder

    def start_jax(self, own_gpus: list[int] | None) -> None:
        """Let the processes compute together; before JAX has looked for devices.

        Args:
            own_gpus: the numbers of the GPUs of this process, of those that it sees; None for all.

        Raises:
            ProcessesError: they cannot.
        """
        import jax

        # A proxy that the variables name does not reach process 0; that JAX warns of them is no news then.
        os.environ.setdefault("no_grpc_proxy", self.place.host)
        for setting in ("jax_check_proxy_envs", "jax_enable_preemption_service"):  # the second takes SIGTERM for itself
            with suppress(AttributeError):  # another JAX has no such setting
                jax.config.update(setting, False)
        port = self.from_first(_free_port())
        loopback = {"coordinator_bind_address": f"127.0.0.1:{port}"} if self.place.host in _LOOPBACK else {}
        host = f"[{self.place.host}]" if ":" in self.place.host else self.place.host
        try:
            jax.distributed.initialize(
                f"{host}:{port}",
                self.processes,
                self.process,
                local_device_ids=own_gpus,
                cluster_detection_method="deactivate",
                initialization_timeout=JAX_START_SECONDS,
                heartbeat_timeout_seconds=JAX_HEARTBEAT_SECONDS,
                shutdown_timeout_seconds=JAX_END_SECONDS,
                **loopback,
            )
            from jax.experimental import multihost_utils

            multihost_utils.sync_global_devices("glueft")  # the first of all steps, so that it fails here
        except (RuntimeError, ValueError) as error:
            if (fault := self._fault_soon()) is not None:
                raise fault from error
            raise ProcessesError(
                "JAX cannot compute over these processes",
                expected="machines that reach each other at all ports, with the same kind of device",
                received=(str(error).strip().splitlines() or [type(error).__name__])[0],
                fix="look at the firewall between the machines, and at the output of the other processes",
            ) from error

    def cause(self, error: BaseException) -> BaseException:
        if not isinstance(error, (GlueftError, KeyboardInterrupt)):
            error = self._fault_soon() or error
        self._end(error)
        return error

    def _fault_soon(self) -> BaseException | None:
        """Return the end of another process, if JAX's own error may come from it: a step in common knows it first."""
        with self._changed:
            self._changed.wait_for(lambda: self.fault is not None, GRACE_SECONDS)
            return self.fault

    def _end(self, error: BaseException) -> None:
        """Tell the others that this process ends; once."""
        with self._changed:
            if self._ending:
                return
            self._ending = True
        self._tell("ended", **_told(error), process=self.process)

    def leave(self, error: BaseException | None) -> None:
        """End: by an error, or after process 0 has done all that it does."""
        if error is not None:
            self._end(error)
        elif self.leads:
            self._ending = True
            self._tell("done")
        else:
            self._wait(lambda: self._done)
            self._ending = True
        jax = sys.modules.get("jax")
        if jax is not None and error is None and not self._has_lost:
            with suppress(RuntimeError):  # no other process needs it any more
                jax.distributed.shutdown()
        elif jax is not None:
            # At the exit JAX would wait for processes that are gone, and then abort this one.
            with suppress(AttributeError):
                atexit.unregister(jax._src.api.clean_up)  # it has no public name
            interruption.leave_at_once()
        interruption.share(None, None)
        self._left.set()
        self._remove_folder()
        interruption.forget(self._remove_folder)

    def _wait(self, come: Callable[[], bool]) -> None:
        """Wait in the main thread for what another process sends."""
        while True:
            with self._changed:
                if self._changed.wait_for(lambda: come() or self.fault is not None, LOOK_SECONDS):
                    if not come():
                        assert self.fault is not None
                        raise self.fault
                    return
            interruption.check()

    def _remove_folder(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    # The threads.

    def _tell(self, kind: str, file: Path | None = None, **values: Any) -> None:
        """Send a message to process 0, or of process 0 to all others."""
        for connection in self.connections.values():
            try:
                connection.send(kind, file, **values)
            except OSError:  # part of it may have gone
                connection.break_off()  # `_read` notices

    def _read(self, process: int, connection: Connection) -> None:
        """Read what a process sends."""
        try:
            while True:
                message = connection.receive(self.folder)
                with self._changed:
                    self._take(process, message)
                    self._changed.notify_all()
        except TimeoutError:
            self._lose(process, f"nothing has been heard of it for {SILENT_SECONDS:g} seconds")
        except ConnectionError:
            self._lose(process, "its connection has broken off")
        except OSError as error:
            with self._changed:
                text = f"what process {process} has sent cannot be written to {self.folder}: {error.strerror or error}"
                self._ended({"process": self.process, "how": "failed", "text": text})
        except Exception as error:
            self._lose(process, f"it has sent what cannot be read: {type(error).__name__}: {error}")

    def _take(self, process: int, message: dict[str, Any]) -> None:
        kind = message["kind"]
        if kind == "value":
            self._values.setdefault(message["number"], {})[process] = message["value"]
        elif kind == "values":
            self._values[message["number"]] = {0: message["values"]}
        elif kind == "files":
            self._files += 1
        elif kind == "done":
            self._done = True
        elif kind == "ended":
            self._ended(message)
        elif kind == "signal":
            self._ask(message["number"])
        elif kind == "stop":
            self._paused = True
            self._tell("steps", steps=self._steps)
        elif kind == "steps":
            self._steps_of[process] = message["steps"]
            if len(self._steps_of) == self.processes:
                # One more than any has begun: each is yet to come to its end, and looks there whether it is the last.
                self._last_step = max(self._steps_of.values()) + 1
                self._tell("last", step=self._last_step, number=interruption.number())
        elif kind == "last":
            interruption.adopt(message["number"])
            self._last_step = message["step"]

    def _look_after(self) -> None:
        """Pass signals on, and give signs of life."""
        beat = time.monotonic()
        while not self._done and not self._left.wait(LOOK_SECONDS):
            number = interruption.waiting_number()
            if number is not None and self._last_step is None:
                with self._changed:
                    if self.leads:
                        self._ask(number)
                    elif not self._paused:
                        self._paused = True
                        self._tell("signal", number=number)
            if time.monotonic() - beat >= BEAT_SECONDS:
                beat = time.monotonic()
                self._tell("beat")

    def _lose(self, process: int, why: str) -> None:
        self.connections[process].break_off()  # a thread with the lock may be sending to it
        with self._changed:
            if not self._done:
                self._ended({"process": process, "how": "gone", "text": why})

    # An interruption: all end after the same step.

    def _ask(self, number: int) -> None:
        """Stop all processes where they are, in process 0, to agree on the last step."""
        interruption.adopt(number)
        if interruption.waiting_number() is not None and not self._paused:
            self._paused = True
            self._steps_of[0] = self._steps
            self._tell("stop")

    def _begin_step(self) -> None:
        """Count a step that all take; while they agree on the last one none is begun."""
        with self._changed:
            while self._paused and self._last_step is None and self.fault is None:
                self._changed.wait(LOOK_SECONDS)
            self._steps += 1

    def _is_last_step(self) -> bool:
        return self._last_step is not None and self._steps >= self._last_step

    # The end of another process.

    def _ended(self, message: dict[str, Any]) -> None:
        """Another process has ended, or is gone; called with the lock."""
        if self._ending or self.fault is not None or self._is_last_step():
            return
        if not self.needs_others:
            self._has_lost = True
            return
        process = int(message["process"])
        self.fault = self._fault_of(process, message)
        if self.leads:
            self._tell("ended", **{key: value for key, value in message.items() if key != "kind"})
        orderly = message["how"] != "gone"
        # The others have nothing to write, but may be about to fail by the same error.
        grace = GRACE_SECONDS if self.leads else 1.0 if orderly else 0.0
        threading.Thread(target=self._end_soon, args=(self.fault, grace), daemon=True).start()

    def _fault_of(self, process: int, message: dict[str, Any]) -> BaseException:
        named = f"process {process} of {self.processes} ({self.hosts[process]})"
        if message["how"] == "interrupted":
            interruption.adopt(message["signal"])
            return interruption.TerminatedError(f"{named} was interrupted")
        is_gone = message["how"] == "gone"
        return ProcessesError(
            f"{named} is gone" if is_gone else f"{named} has failed",
            expected="that all processes of a run stay to its end",
            received=message["text"],
            fix=("look whether it was killed, or its machine is down" if is_gone else "look at what it says")
            + "; then start again, or go on from the last saved state: glueft resume RUN",
        )

    def _end_soon(self, fault: BaseException, grace: float) -> None:
        """End this process, unless its main thread does."""
        until = time.monotonic() + grace
        while time.monotonic() < until and not self._ending:
            time.sleep(0.05)
        if self._ending:  # The main thread knows.
            time.sleep(ENDING_SECONDS)
        else:
            last = threading.Thread(target=self.on_fault, args=(fault,), daemon=True)
            last.start()
            last.join(interruption.LAST_SECONDS)
        if isinstance(fault, KeyboardInterrupt):
            code, told = interruption.exit_code() or 130, f"interrupted by {interruption.signal_name()}: {fault}"
        else:
            code, told = 2, str(fault)
        with suppress(Exception):
            say(*printable(told).split("\n"), stream=sys.stderr)
        interruption.say_last()
        os._exit(code)


ALONE = Team()
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@contextmanager
def together(place: Place | None, *, wait: float, say: Callable[[str], None]) -> Iterator[Team]:
    """Give the processes of a run; if this block ends by an error all of them end.

    Raises:
        ProcessesError: they have not found each other, or one of them is gone.
    """
    if place is None:
        yield ALONE
        return
    if place.process == 0:
        say(f"process 0 of {place.processes}, by {place.known_from}: waiting for the others at {place.coordinator}")
    team = Together(place, wait)
    if place.process == 0:
        say(f"{place.processes} processes, on {', '.join(dict.fromkeys(team.hosts))}")
    try:
        yield team
    except BaseException as error:
        cause = team.cause(interruption.meant(error))
        team.leave(cause)
        if cause is error:
            raise
        raise cause from error
    team.leave(None)


def _told(error: BaseException) -> dict[str, Any]:
    """What others are told of the error that ends this process."""
    if isinstance(error, KeyboardInterrupt):
        return {"how": "interrupted", "signal": int(interruption.number() or signal.SIGINT), "text": ""}
    text = error.in_one_line if isinstance(error, GlueftError) else f"{type(error).__name__}: {error}"
    return {"how": "failed", "text": text[:2000]}


def _free_port() -> int:
    import socket

    with socket.socket() as end:
        end.bind(("", 0))
        return int(end.getsockname()[1])
