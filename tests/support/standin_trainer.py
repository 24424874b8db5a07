"""A script that stands for AI-Toolkit: started the same way, it prints the same lines and writes the same
kinds of files, and then does what the real one has been seen to do when things go wrong.

Its interpreter is a shell script that answers chromiq's question for versions at once: the real question
takes seconds of imports.
"""

import json
import subprocess
import sys
from pathlib import Path

ANSWER = json.dumps({"device": "DEVICE", "versions": {"python": "3.11.7", "torch": "2.13.0+cpu"}})
# What it is shown counts as a GPU.
PYTHON = """#!/bin/sh
if [ "$1" = -c ]; then
  if [ -n "$CUDA_VISIBLE_DEVICES" ]; then device="stand-in GPU"; else device=cpu; fi
  echo '{answer}' | sed "s/DEVICE/$device/"
  exit
fi
exec {python} "$@"
"""

PRELUDE = r"""
import json, os, signal, sqlite3, subprocess, sys, time, yaml
config = yaml.safe_load(open(sys.argv[1]))["config"]
name, process = config["name"], config["process"][0]
folder = process.get("training_folder") or config.get("training_folder") or "."
run = os.path.join(folder, name)
total = process.get("train", {}).get("steps", 1000)
def step(n, loss="1.500e+00"):
    sys.stderr.write(f"\r{name}:  50%|###  | {n}/{total} [00:01<00:00,  2.40it/s, lr: 1.0e-04 loss: {loss}]")
    sys.stderr.flush()
def write(file, step, torn=0):
    header = json.dumps({"__metadata__": {"training_info": json.dumps({"step": step, "epoch": 1})},
        "transformer.x.lora_A.weight": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}}).encode()
    data = len(header).to_bytes(8, "little") + header + b"lora"
    path = os.path.join(run, file)
    open(path, "wb").write(data[: len(data) - torn])
    print(f"\nSaved checkpoint to {path}", flush=True)
def save(step):
    write(f"{name}_{step:09d}.safetensors", step)
def finish():
    write(f"{name}.safetensors", total)
def log(rows):
    db = sqlite3.connect(os.path.join(run, "loss_log.db"), isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("CREATE TABLE IF NOT EXISTS steps (step INTEGER PRIMARY KEY, wall_time REAL)")
    db.execute("CREATE TABLE IF NOT EXISTS metrics (step, key, value_real, value_text)")
    for number, loss in rows:
        db.execute("INSERT OR REPLACE INTO steps VALUES (?, ?)", (number, time.time()))
        db.execute("INSERT INTO metrics VALUES (?, 'loss/loss', ?, NULL)", (number, loss))
        db.execute("INSERT INTO metrics VALUES (?, 'learning_rate', 1e-4, NULL)", (number,))
def resumed():
    saved = sorted(f for f in os.listdir(run) if f.startswith(name + "_"))
    return int(saved[-1][-21:-12]) if saved else 0
"""

ENDINGS = {
    "good": "step(10); save(10); step(20); finish()",
    "good with a log": "log([(1, 2.5), (9, 1.5)]); step(10, '9.9e+00'); save(10); log([(19, 1.25)]); "
    "os.makedirs(run + '/samples'); open(run + '/samples/1__000000010_0.jpg', 'w'); "
    "finish()",
    "resumes": "first = resumed() + 1\nfor n in range(first, total + 1): step(n)\nfinish()",
    "starts again": "step(1); time.sleep(60)",
    "saves two LoRAs": "step(10); write(f'{name}_{10:09d}_high_noise.safetensors', 10); step(total); "
    "write(name + '_high_noise.safetensors', total); "
    "write(name + '_low_noise.safetensors', total)",
    "saves a folder": "os.makedirs(run + '/' + name); step(total); "
    "meta = {'training_info': {'step': total}}\n"
    "json.dump(meta, open(run + f'/{name}/aitk_meta.yaml', 'w'))",
    "trains nothing": "print('extracted')",
    "nothing saved, exit 0": "step(10)",
    "saves less than all": "step(10); write(name + '.safetensors', 10)",
    "torn final": "step(20); write(name + '.safetensors', 20, torn=2)",
    "out of memory": "step(3); sys.exit('torch.OutOfMemoryError: CUDA out of memory. ')",
    "out of memory thrice": "step(3); sys.exit('RuntimeError: OOM during training step 3 times in a row')",
    "gated": "sys.exit('huggingface_hub.errors.GatedRepoError: 401 Client Error.')",
    "forbidden": "sys.exit('requests.exceptions.HTTPError: 403 Client Error: Forbidden for url: https://x')",
    "no GPU": "sys.exit('RuntimeError: No CUDA GPUs are available')",
    "locked": "sys.exit('sqlite3.OperationalError: database is locked')",
    "full disk": "save(10); sys.exit('OSError: [Errno 28] No space left on device')",
    "broken environment": "import no_such_module",
    "killed by the system": "step(4); os.kill(os.getpid(), signal.SIGKILL)",
    "nan": "step(5); print('loss is nan', flush=True); time.sleep(60)",
    "nan, continues": "step(5); print('loss is nan', flush=True); print('loss is nan'); step(20); finish()",
    "nan in the log": "log([(1, 2.5), (2, None)]); time.sleep(60)",
    "no mask": "print('Could not apply mask multiplier to loss', flush=True); time.sleep(60)",
    "swallows": "print('Error loading image, skipping and loading a different one: a.jpg (truncated)'); "
    "print('Failed to load optimizer state from optimizer.pt'); step(20); finish()",
    "stalls": "step(5); time.sleep(60)",
    "a child keeps its output open": "subprocess.Popen(['sleep', '600']); step(20); finish()",
    "floods": "sys.stdout.write('x' * 100_000_000); finish()",
    "prints the token": "t = os.environ['HF_TOKEN']; print(t); print('a' * 16_380 + t + 'b' * 70_000); "
    "print('a' * 20_000 + t[:9], end='', flush=True); time.sleep(0.5); print(t[9:]); "
    "copy = open('/proc/self/cmdline', 'rb').read() if sys.platform == 'linux' else b''; "
    "open(os.path.join(run, 'command'), 'wb').write(copy); finish()",
    "fails with the token": "sys.stdout.write('CUDA out of memory, ' + os.environ['HF_TOKEN'] + ' [1/20]'); "
    "sys.stdout.flush(); time.sleep(0.3); sys.exit(1)",
    "tells": "json.dump([os.getcwd(), dict(os.environ), config], open(os.path.join(run, 'call.json'), 'w')); "
    "finish()",
    "hangs with a child": "signal.signal(signal.SIGINT, signal.SIG_IGN); save(5); step(7)\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    "open(os.path.join(run, 'child'), 'w').write(str(child.pid)); time.sleep(600)",
    "fails with seed 2": "seed = os.environ['SEED']; device = os.environ['CUDA_VISIBLE_DEVICES']\n"
    "begun = time.time(); step(5); mark = process['training_folder'] + '/begun'\n"
    "open(mark + seed, 'w').close(); both = False\n"
    "while not both and time.time() < begun + 30:\n"
    " time.sleep(0.05); both = all(os.path.exists(mark + each) for each in '12')\n"
    "reported = [seed, device, begun, time.time(), both]\n"
    "json.dump(reported, open(run + '/call.json', 'w'))\n"
    "if seed == '2': sys.exit('torch.OutOfMemoryError: CUDA out of memory. ')\n"
    "step(20); finish()",
    "stops when asked": "step(7)\nopen(os.path.join(run, 'child'), 'w').write(str(os.getpid()))\n"
    "try: time.sleep(600)\nexcept KeyboardInterrupt: print('Job stopped'); sys.exit(0)",
    "saves when asked": "db = sqlite3.connect(process['sqlite_db_path'], timeout=30, isolation_level=None)\n"
    "job = os.environ['AITK_JOB_ID']; print('Using SQLite database at x', flush=True)\n"
    "for n in range(1, total + 1):\n"
    " step(n); time.sleep(0.1)\n"
    " if n == 3: open(os.path.join(run, 'child'), 'w').write(str(os.getpid()))\n"
    " asked = db.execute('SELECT save_now FROM Job WHERE id = ?', (job,)).fetchone()[0]\n"
    " if asked == 1:\n"
    "  db.execute(\"UPDATE Job SET save_now = '0' WHERE id = ?\", (job,)); save(n)\n"
    "finish()",
    "takes leave slowly": "step(7)\nopen(os.path.join(run, 'child'), 'w').write(str(os.getpid()))\n"
    "try: time.sleep(600)\nexcept KeyboardInterrupt:\n"
    " time.sleep(0.5); open(os.path.join(run, 'left'), 'w').close(); sys.exit(0)",
}


def make_trainer(folder: Path) -> str:
    """Make a checkout with an environment, and return its commit; `behave` says what it does."""
    (folder / "venv" / "bin").mkdir(parents=True)
    python = folder / "venv" / "bin" / "python"
    python.write_text(PYTHON.format(answer=ANSWER, python=sys.executable))
    python.chmod(0o755)
    (folder / ".gitignore").write_text("venv/\nrun.py\n")
    git = [
        "git",
        "-C",
        str(folder),
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b",
        "-c",
        "commit.gpgsign=false",
    ]
    for arguments in (["init", "--quiet"], ["add", ".gitignore"], ["commit", "--quiet", "-m", "a"]):
        subprocess.run([*git, *arguments], check=True)
    return subprocess.run(
        [*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()


def behave(folder: Path, ending: str) -> None:
    """Make the trainer do this from now on."""
    (folder / "run.py").write_text(PRELUDE + ENDINGS[ending] + "\n")


def is_gone(process: int) -> bool:
    """Whether a process has ended."""
    state = Path(f"/proc/{process}/stat")
    try:
        return state.read_text().split()[2] == "Z"
    except OSError:
        return True
