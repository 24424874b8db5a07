"""A Slurm cluster of this machine alone, of Debian's daemons, with all its files in one folder."""

import os
import pwd
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager, suppress
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol", "scancel")
CONFIG = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/pgid
TaskPlugin=task/none
MpiDefault=none
MailProg=/bin/true
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/builtin
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/jobs.txt
JobRequeue=1
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=1024 State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def why_no_slurm() -> str | None:
    """What keeps a cluster from being started here, or None."""
    missing = [name for name in PROGRAMS if not shutil.which(name, path=search_path())]
    if missing:
        return f"needs Debian's slurmctld, slurmd, slurm-client and munge; {', '.join(missing)} not found"
    if os.environ.get("CHROMIQ_SLURM") != "1":
        return "starts Slurm's daemons, which takes a minute: set CHROMIQ_SLURM=1"
    return None


def search_path() -> str:
    """The daemons lie where a user's path does not always lead."""
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"


class Cluster:
    """What a user does to it: hand in, look, ask for things."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "PATH": search_path(), "SLURM_CONF": str(folder / "slurm.conf")}

    def ask(self, *command: str) -> str:
        """Run one of Slurm's commands, and return what it prints."""
        return subprocess.run(
            command, env=self.environment, cwd=self.folder, check=True, capture_output=True, text=True
        ).stdout.strip()

    def submit(self, script: Path) -> str:
        """Hand a job in, and return its number."""
        return self.ask("sbatch", "--parsable", str(script))

    def show(self, job: str) -> dict[str, str]:
        """What Slurm knows of a job, or of one cell of an array."""
        words = self.ask("scontrol", "show", "--oneliner", "job", job).split()
        return dict(word.partition("=")[::2] for word in words)

    def wait(self, job: str, state: str, patience_s: float = 120) -> dict[str, str]:
        """Wait until a job is in a state."""
        return self.until(lambda: self.show(job), lambda shown: shown["JobState"] == state, patience_s)

    def until(self, look, good, patience_s: float = 120):
        """Look until what is seen is good, and return it."""
        deadline = time.monotonic() + patience_s
        while not good(seen := look()):
            assert time.monotonic() < deadline, f"{seen}\n{self.logs()}"
            time.sleep(0.3)
        return seen

    def now(self, job: str) -> None:
        """Let a job that was put back start at once; Slurm would wait two minutes."""
        self.wait(job, "PENDING")
        time.sleep(2)  # what the job was let in with is revoked, and whatever is given in the same second
        self.ask("scontrol", "update", f"JobId={job}", "StartTime=now")

    def logs(self) -> str:
        """The daemons' and the jobs' last words."""
        files = [*self.folder.glob("*.log"), *self.folder.glob("*.out")]
        return "\n".join(f"{path.name}: {path.read_text(errors='replace')[-1500:]}" for path in files)


@contextmanager
def cluster(folder: Path):
    """Start the daemons, and end them whatever happens."""
    for name in ("state", "spool"):
        (folder / name).mkdir()
    (folder / "munge.key").write_bytes(os.urandom(1024))
    (folder / "munge.key").chmod(0o600)
    with socket.socket() as first, socket.socket() as second:
        for each in (first, second):
            each.bind(("127.0.0.1", 0))
        ports = first.getsockname()[1], second.getsockname()[1]
    host = socket.gethostname().split(".")[0]
    user = pwd.getpwuid(os.getuid()).pw_name
    text = CONFIG.format(host=host, ports=ports, user=user, folder=folder, cpus=os.cpu_count())
    (folder / "slurm.conf").write_text(text)
    found = Cluster(folder)
    munge = [
        f"--{name}={folder}/munge.{name.split('-')[0]}"
        for name in ("key-file", "pid-file", "log-file", "seed-file")
    ]
    daemons = []
    try:
        for command in (
            ["munged", "--foreground", "--force", f"--socket={folder}/munge.socket", *munge],
            ["slurmctld", "-D", "-c"],
            ["slurmd", "-D", "-N", host],
        ):
            with (folder / f"{command[0]}.log").open("w") as log:
                daemons.append(
                    subprocess.Popen(
                        command,
                        env=found.environment,
                        cwd=folder,
                        stdout=log,
                        stderr=log,
                        stdin=subprocess.DEVNULL,
                    )
                )
            time.sleep(0.5)
        found.until(lambda: _node_state(found, host), lambda state: state.startswith("IDLE"), 60)
        yield found
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
            with suppress(subprocess.TimeoutExpired):
                daemon.wait(20)
            daemon.kill()
            daemon.wait()


def _node_state(found: Cluster, host: str) -> str:
    try:
        shown = found.ask("scontrol", "show", "--oneliner", "node", host)
    except subprocess.CalledProcessError:
        return "no answer yet"
    return dict(word.partition("=")[::2] for word in shown.split()).get("State", "")
