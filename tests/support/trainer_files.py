"""A few lines of each file of AI-Toolkit that chromiq reads keys from, in every form that it uses."""

PROCESSES = (
    "jobs/process/BaseProcess.py",
    "jobs/process/BaseTrainProcess.py",
    "jobs/process/BaseSDTrainProcess.py",
    "extensions_built_in/sd_trainer/SDTrainer.py",
    "extensions_built_in/sd_trainer/DiffusionTrainer.py",
)


def write_trainer_files(folder):
    names = ("Network", "Save", "Dataset", "Train", "Model", "Sample", "Logging", "Adapter", "EMA")
    body = (
        "    def __init__(self, named=1, **kwargs):\n"
        "        self.a = kwargs.get('got', 2)\n        self.b = kwargs['indexed']\n"
        "        self.d: bool = kwargs.get('other', self.a)\n"
        "        self.e = float(kwargs.get('cast', 1.0))\n"
        "        if 'asked' in kwargs: pass\n        self.c = kwargs.pop('popped')\n"
        "        other.get('not_read')\n        if self.arch == 'sdxl': pass\n"
    )
    process = (
        "class P:\n    uid = 'trainer'\n    arch = 'own'\n    def f(self):\n"
        "        self.get_conf('conf', 3)\n        self.config.get('direct')\n"
    )
    files = dict.fromkeys(PROCESSES, process)
    files["toolkit/config_modules.py"] = "".join(f"class {name}Config:\n{body}\n" for name in names)
    files["toolkit/optimizer.py"] = "if lower_type == 'adamw': pass\nlower_type.startswith('prodigy')\n"
    files["jobs/TrainJob.py"] = "process_dict = {'slider': 'TrainSliderProcess'}\n"
    files["extensions/broken.py"] = "this is no Python\n"
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
