"""Stands for NVIDIA's driver, which this machine may not have: pynvml that reports the given GPUs."""

from types import SimpleNamespace

import pynvml


def install_gpus(monkeypatch, gpus):
    """Report `gpus`, each (name, uuid, total_bytes, free_bytes)."""
    monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlShutdown", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: len(gpus))
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", lambda index: gpus[index])
    monkeypatch.setattr(pynvml, "nvmlDeviceGetName", lambda gpu: gpu[0])
    monkeypatch.setattr(pynvml, "nvmlDeviceGetUUID", lambda gpu: gpu[1])
    monkeypatch.setattr(
        pynvml, "nvmlDeviceGetMemoryInfo", lambda gpu: SimpleNamespace(total=gpu[2], free=gpu[3])
    )
