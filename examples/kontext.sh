#!/usr/bin/env bash
# Photo pairs to a scored FLUX.1-Kontext LoRA. Usage: kontext.sh PHOTOS
set -euo pipefail
photos=${1:?Usage: kontext.sh PHOTOS}

chromiq build "$photos" --out dataset --held-out 0.2
chromiq doctor dataset
chromiq toolkit setup
chromiq render kontext --dataset dataset --preset 48gb --name kontext --out kontext.yaml
chromiq doctor kontext.yaml
chromiq train kontext.yaml
chromiq sweep runs/kontext --testset dataset --out sweep
chromiq evaluate dataset --lora runs/kontext/kontext.safetensors --out evaluation
