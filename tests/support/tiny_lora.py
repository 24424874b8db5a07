"""A small random LoRA."""


def write_lora(path, transformer_layers):
    """A LoRA of rank 2 on the named layers, whose widths are 32."""
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(1)
    state = {}
    for layer in transformer_layers:
        state[f"transformer.{layer}.lora_A.weight"] = torch.randn(2, 32)
        state[f"transformer.{layer}.lora_B.weight"] = torch.randn(32, 2)
    save_file(state, path)
    return path
