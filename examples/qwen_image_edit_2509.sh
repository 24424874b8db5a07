#!/usr/bin/env bash
# Photo pairs to a scored Qwen-Image-Edit-2509 LoRA. Usage: qwen_image_edit_2509.sh PHOTOS
set -euo pipefail
photos=${1:?Usage: qwen_image_edit_2509.sh PHOTOS}
model=qwen-image-edit-2509

chromiq build "$photos" --out dataset-qwen --model $model --held-out 0.2 --loss-mask garment
chromiq doctor dataset-qwen
chromiq toolkit setup
chromiq render $model --dataset dataset-qwen --preset 48gb --name qwen --out qwen.yaml
chromiq doctor qwen.yaml
chromiq train qwen.yaml
chromiq evaluate dataset-qwen --model $model --lora runs/qwen/qwen.safetensors --out evaluation-qwen
