"""Long-running programs that we start, find again by our own pid files, and end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from local.files import write_if_changed
from local.shell import tail

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_MAX_LOG = 32 * 1024 * 1024
# Enters the control groups itself, before the program starts, so that no child can ever be outside.
_ENTER = 'while [ "$1" != -- ]; do echo $$ > "$1" || exit 125; shift; done; shift; exec "$@"'


@dataclass(frozen=True)
class Record:
    """What identifies a process for good: a pid alone may be another process by now."""

    pid: int
    start_ticks: int
    boot: str
    command: str

    def alive(self) -> bool:
        """Whether that very process still runs."""
        return self.boot == _BOOT_ID.read_text().strip() and start_ticks(self.pid) == self.start_ticks


@dataclass(frozen=True)
class Daemon:
    """A component: how to start it, and where its pid file and log are."""

    name: str
    argv: Sequence[str]
    pid_file: Path
    log: Path
    cgroups: Sequence[Path] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    fingerprint: str = ""

    @property
    def command(self) -> str:
        """What was started, and with which configuration: if it changes, the component must be started anew."""
        return json.dumps([*self.argv, dict(self.env), self.fingerprint])

    def record(self) -> Record | None:
        """Our process, if it lives."""
        return read_record(self.pid_file)

    def start(self) -> Record:
        """Start the program in our control groups, detached from the terminal."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > _MAX_LOG:
            self.log.unlink()
        enter = [str(group / "cgroup.procs") for group in self.cgroups]
        with self.log.open("ab") as log:
            child = subprocess.Popen(
                ["/bin/sh", "-c", _ENTER, "sh", *enter, "--", *self.argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**_environment(), **self.env},
                cwd="/",
                start_new_session=True,
            )
        ticks = start_ticks(child.pid) or 0
        record = Record(child.pid, ticks, _BOOT_ID.read_text().strip(), self.command)
        write_if_changed(self.pid_file, json.dumps(asdict(record)))
        # We never wait for it; without this Python warns when the object goes.
        child.returncode = 0
        return record

    def log_tail(self, lines: int = 15) -> str:
        """The end of the log."""
        if not self.log.exists():
            return "(no log)"
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - 16384))
            return tail(file.read().decode(errors="replace"), lines)


def read_record(pid_file: Path) -> Record | None:
    """The process of a pid file, if it lives; a torn or stale file is as good as none."""
    try:
        record = Record(**json.loads(pid_file.read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return record if record.alive() else None


def stop(pid_files: Sequence[Path], timeout: float = 8.0) -> None:
    """Ask the processes of the pid files to end, kill those that do not, and remove the files."""
    for sign, patience in ((signal.SIGTERM, timeout), (signal.SIGKILL, 10.0)):
        _signal_all(pid_files, sign)
        deadline = time.monotonic() + patience
        while any(read_record(f) for f in pid_files) and time.monotonic() < deadline:
            time.sleep(0.05)
    for file in pid_files:
        file.unlink(missing_ok=True)


def _signal_all(pid_files: Sequence[Path], sign: signal.Signals) -> None:
    for file in pid_files:
        record = read_record(file)
        if record:
            try:
                # The pidfd pins the process; only then is it sure that the record still names it.
                fd = os.pidfd_open(record.pid)
            except ProcessLookupError:
                continue
            try:
                if record.alive():
                    signal.pidfd_send_signal(fd, sign)
            except ProcessLookupError:
                pass
            finally:
                os.close(fd)


def start_ticks(pid: int) -> int | None:
    """When the process started, in clock ticks since boot; None if it is gone or only its exit status is left."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else int(fields[19])


def rss_mib(pid: int) -> float:
    """Resident memory in MiB; 0 if the process is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:")), 0.0)


def _environment() -> dict[str, str]:
    # Nothing of the user's environment (proxies, Go and Python settings) should change how a component behaves.
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/nonexistent",
        "LC_ALL": "C",
    }
