"""Train the toy base model that the demo's LoRA stands on, from scratch, on a CPU.

``python -m benchmarks.toy_base OUT`` draws its pictures with the sample catalogue, trains an autoencoder and
then a FLUX.1-Kontext transformer of the real diffusers classes on them, and writes a checkpoint folder that
`FluxKontextPipeline.from_pretrained` loads. The same command resumes after a stop. Every random number comes
from a fixed seed and a step's number, so a resumed run and an undisturbed one give the same weights.

It takes about 8 minutes of processor time: 2 to draw, 1 for the autoencoder, 5 for the
transformer. The shipped checkpoint is this recipe's; more steps make it better.
"""
