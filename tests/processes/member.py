"""One process of several without a model: `member.py HOST:PORT PROCESSES PROCESS [how]` takes steps until it ends.

`how`: "steps" ends after the step that all agree on; "set-up" comes to no step;
"error" has process 1 fail; "stuck" has process 0 never end a step; "files" has it give a file again and again;
"done" ends well; "late" has process 0 do more alone.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from glueft.errors import GlueftError
from glueft.processes import team as team_module
from glueft.processes.place import Place
from glueft.processes.team import together
from glueft.system import interruption

# Short, as a test waits for it.
GRACE_SECONDS = 1.0


def main() -> int:
    at, processes, process, how = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    steps = 0
    team_module.GRACE_SECONDS = GRACE_SECONDS
    if how in ("files", "set-up"):  # of little patience
        team_module.BEAT_SECONDS, team_module.SILENT_SECONDS = 0.3, 4.0
    interruption.own_process()
    try:
        with together(Place(process, processes, at), wait=20, say=lambda line: None) as team:
            assert team.from_first(process) == 0
            assert team.together is not None and team.together.from_all(process * 2) == [0, 2]
            if team.leads:
                team.give_files(Path(__file__).parent, [Path(__file__).name])
            else:
                assert (team.get_files() / Path(__file__).name).read_text() == Path(__file__).read_text()
            team.on_fault = lambda error: print("recorded", flush=True)
            team.needs_others = how != "late"
            print("begun", team.folder, flush=True)
            if how == "late" and team.leads:
                time.sleep(2)
                return 0
            while how == "set-up":
                time.sleep(0.01)
                interruption.check()
            while how == "files":
                if team.leads:
                    team.give_files(Path(sys.executable).resolve().parent, [Path(sys.executable).resolve().name])
                else:
                    team.get_files()
                interruption.check()
            with interruption.deferred():
                while how != "done" and not interruption.received():
                    interruption.begin_step()
                    steps += 1
                    time.sleep(0.002 * (1 + process))  # one is slower than the other
                    if how == "error" and process == 1 and steps == 5:
                        raise GlueftError("no row is left", fix="add one")
                    while how == "stuck" and process == 0:  # as in a step that is never done
                        time.sleep(0.05)
            print("ended after", steps, flush=True)
    except GlueftError as error:
        print(error, flush=True)
        return 2
    except KeyboardInterrupt:
        print("interrupted after", steps, flush=True)
        return interruption.exit_code() or 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
