#!/usr/bin/env bash
# Everything that only a CUDA machine can tell; prints what it finds.
#
#   bash benchmarks/cuda.sh 2>&1 | tee cuda.log
#
# About 15 minutes. Nothing here has been run yet.
set -uo pipefail
cd "$(dirname "$0")/.."
python=.venv/bin/python
nvidia-smi --query-gpu=name,driver_version --format=csv,noheader

# Trainings in half precision, in both libraries: the loss stays finite.
config=interclr-moco_resnet18_1xb64-coslr-50e_digits
for library in mmselfsup mmpretrain; do
    for dtype in float16 bfloat16; do
        .venv/bin/mim train "$library" "configs/$library/${config}_$library.py" --gpus 1 \
            --work-dir "work_dirs/cuda/$library-$dtype" --cfg-options \
            train_cfg.max_epochs=3 optim_wrapper.type=AmpOptimWrapper \
            optim_wrapper.dtype=$dtype | grep 'inter_loss' | tail -1
    done
done

# The branch at paper scale (asked: 1.5 ms a step with updates at L).
for size in L XL; do
    $python benchmarks/branch.py --size $size --device cuda --repeats 50
done

# Whole steps (asked at batch 256: at most 1.03 of MoCo's).
for batch in 32 256; do
    $python benchmarks/steps.py --device cuda --amp --pixels 224 \
        --batch-size $batch --images 1281167 --repeats 30 \
        --config mmselfsup/interclr-moco_resnet50_8xb32-coslr-200e_in1k_mmselfsup.py
done

# The first clustering beside faiss on the CPU.
$python benchmarks/first_clustering.py --size L --device cuda --repeats 1

# Hours, so not run from here: CIFAR-10 at full size.
echo "next: $python benchmarks/study.py cifar10-full --seeds 0 1 2" \
    '--libraries mmselfsup --jobs 2 --live-views'
