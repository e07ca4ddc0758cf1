"""How processes find each other, here in threads: who is missing, and who does not belong, is said to each."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from glueft.cli.main import command_line
from glueft.processes.meeting import meet
from glueft.processes.messages import Connection
from glueft.processes.place import Place, ProcessesError
from ports import keep_port


def outcomes(*places: Place, wait: float = 5.0) -> list[str]:
    """What each says: the processes it is connected to, or its error."""

    def one(place: Place) -> str:
        try:
            connections, hosts = meet(place, wait)
        except ProcessesError as error:
            return str(error)
        for connection in connections.values():
            connection.close()
        return f"{sorted(connections)} of {len(hosts)}"

    with ThreadPoolExecutor(len(places)) as threads:
        return [*threads.map(one, places)]


def test_all_come() -> None:
    at = f"127.0.0.1:{keep_port()}"
    places = [Place(number, 3, at) for number in (2, 0, 1)]
    assert outcomes(*places) == ["[0] of 3", "[1, 2] of 3", "[0] of 3"]


def test_one_that_does_not_come_is_named_to_all() -> None:
    at = f"127.0.0.1:{keep_port()}"
    told = outcomes(Place(0, 4, at), Place(2, 4, at), wait=2.0)
    for text in told:
        assert "of the 4 processes of the run, these did not come: 1, 3" in text
        assert "--processes 1 runs this process alone" in text


def test_without_process_0() -> None:
    at = f"127.0.0.1:{keep_port()}"
    (told,) = outcomes(Place(1, 2, at), wait=0.5)
    assert f"process 0 of 2 cannot be reached at {at}" in told


def test_another_number_of_processes_is_refused_in_each() -> None:
    at = f"127.0.0.1:{keep_port()}"
    for text in outcomes(Place(0, 2, at), Place(1, 3, at)):
        assert "processes: 2 in process 0, 3 in process 1" in text


def test_another_command_is_refused_in_each() -> None:
    at = f"127.0.0.1:{keep_port()}"
    for text in outcomes(Place(0, 2, at), Place(1, 2, at, doing="resume")):
        assert "command: glueft run in process 0, glueft resume in process 1" in text


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (told,) = outcomes(Place(0, 2, f"127.0.0.1:{port}"))
    assert f"process 0 cannot listen at port {port}" in told


def test_two_of_one_number() -> None:
    at = f"127.0.0.1:{keep_port()}"
    first, *others = outcomes(Place(0, 3, at), Place(1, 3, at), Place(1, 3, at), wait=2.0)
    assert "these did not come: 2" in first
    assert sum("there is a process 1 already" in text for text in others) == 1


def test_what_is_no_glueft_is_left_aside() -> None:
    at = ("127.0.0.1", keep_port())
    with ThreadPoolExecutor(2) as threads:
        leads = threads.submit(meet, Place(0, 2, f"127.0.0.1:{at[1]}"), 10.0)
        stranger = None
        while stranger is None:
            try:
                stranger = socket.create_connection(at)
            except OSError:
                continue
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n" + bytes(100))
        follows = threads.submit(meet, Place(1, 2, f"127.0.0.1:{at[1]}"), 10.0)
        assert [*follows.result()[0]] == [0]
        assert [*leads.result()[0]] == [1]
    stranger.close()


def test_files_arrive_in_their_folder_and_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"abc" * 1000)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        there = Connection(socket.create_connection(listening.getsockname()))
        here = Connection(listening.accept()[0])
    there.send("file", tmp_path / "state", name="checkpoints/step-1/state")
    there.send("file", tmp_path / "state", name="../out")
    here.receive(tmp_path / "own")
    assert (tmp_path / "own/checkpoints/step-1/state").read_bytes() == b"abc" * 1000
    with pytest.raises(ValueError, match="outside"):
        here.receive(tmp_path / "own")
    assert not (tmp_path / "out").exists()
    there.close()
    here.close()


def test_one_that_cannot_read_its_recipe_does_not_have_the_others_wait(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = f"127.0.0.1:{keep_port()}"
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(meet, Place(0, 2, at), 20.0)
        options = ["--coordinator", at, "--processes", "2", "--process", "1", "--output-dir", str(tmp_path)]
        assert command_line(["run", "mrpd", *options]) == 2
        connections, _ = first.result()
    assert "there is no such recipe" in capsys.readouterr().err
    told = connections[1].receive()
    connections[1].close()
    assert (told["kind"], told["how"]) == ("ended", "failed")
    assert told["text"].startswith("mrpd: 1 problem")
