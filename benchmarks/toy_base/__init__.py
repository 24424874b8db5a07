"""Train the toy base model that the demo's LoRA stands on, on a CPU.

``python -m benchmarks.toy_base OUT`` draws its pictures with the sample catalogue, trains an autoencoder and
then a FLUX.1-Kontext transformer of the real diffusers classes on them, and writes a checkpoint folder that
`FluxKontextPipeline.from_pretrained` loads, with its figures. The same command resumes after a stop. Every
random number comes from a fixed seed and a step's number, so a resumed run and an undisturbed one give the
same weights. With ``--start CHECKPOINT`` it trains on from a checkpoint instead of from scratch.

From scratch it takes about 45 minutes of processor time: 2 to draw, 7 for the autoencoder, 33 for the
transformer, 3 to measure. The card of the shipped checkpoint says which runs made it.
"""
