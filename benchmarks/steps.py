"""Whole training steps of InterCLR beside those of the stock algorithm.

    python benchmarks/steps.py --config mmselfsup/interclr-moco_resnet18_1xb64-coslr-50e_digits_mmselfsup.py

Both models take the same random images in turns; a step is ``train_step``
(forward, backward, optimizer) and, for InterCLR, the hook's cadence. Loading
and augmentation, which both share, are left out: the ratio is the largest that
a user can see.
"""  # noqa: E501
import argparse
import copy
import json
import logging
import statistics
import time
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, init_default_scope

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'


def build(config, inter_image, num_images, device):
    settings = copy.deepcopy(config.model)
    if not inter_image:
        for name in ('inter_image', 'inter_weight', 'intra_weight', 'type'):
            settings.pop(name, None)
        settings.type = settings.pop('algorithm')
    torch.manual_seed(0)
    model = MODELS.build(settings)
    model.init_weights()
    # Convolutions of a GPU like it best.
    model.to(device, memory_format=torch.channels_last).train()
    if inter_image:
        model.inter_image.allocate(num_images, seed=0)
        model.inter_image.fill()
        model.inter_image.first_clustering()
    wrapper = build_optim_wrapper(model, config.optim_wrapper)
    return model, wrapper


def batch_of(config, num_images, size, pixels):
    index = torch.randperm(num_images)[:size]
    views = [
        torch.randint(256, (size, 3, pixels, pixels), dtype=torch.uint8)
        for _ in range(2)
    ]
    if config.default_scope == 'mmselfsup':
        from mmengine.structures import InstanceData
        from mmselfsup.structures import SelfSupDataSample
        samples = [SelfSupDataSample() for _ in index]
        for sample, i in zip(samples, index):
            sample.sample_idx = InstanceData(value=i.reshape(1))
    else:
        from mmpretrain.structures import DataSample
        samples = [
            DataSample(metainfo=dict(sample_idx=int(i))) for i in index
        ]
    return dict(inputs=views, data_samples=samples)


def now(device):
    if device != 'cpu':
        torch.cuda.synchronize()
    return time.perf_counter()


def allocated(device, peak=False):
    """Megabytes of tensors on the GPU."""
    if device == 'cpu':
        return 0.
    kind = torch.cuda.max_memory_allocated if peak else \
        torch.cuda.memory_allocated
    return kind() / 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--config', required=True, help='below configs/')
    parser.add_argument('--images', type=int, default=50000)
    parser.add_argument('--repeats', type=int, default=15)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--batch-size', type=int, help='none: as configured')
    parser.add_argument('--pixels', type=int, default=32)
    parser.add_argument('--device', default='cpu')
    parser.add_argument(
        '--amp', action='store_true', help='mixed precision, on CUDA')
    parser.add_argument('--out', help='write this JSON')
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    logging.disable(logging.INFO)  # how each weight was initialised
    config = Config.fromfile(CONFIGS / options.config)
    init_default_scope(config.default_scope)
    size = options.batch_size or config.train_dataloader.batch_size
    # mmengine's mixed precision refuses a CPU.
    if options.amp and options.device != 'cpu':
        config.optim_wrapper.type = 'AmpOptimWrapper'
    sides = {
        name: build(config, name == 'InterCLR', options.images, options.device)
        for name in (config.model.algorithm, 'InterCLR')
    }
    seconds = {name: [] for name in sides}
    memory = {name: 0. for name in sides}
    for number in range(options.repeats + 2):
        batch = batch_of(config, options.images, size, options.pixels)
        for name in list(sides)[::1 if number % 2 else -1]:
            model, wrapper = sides[name]
            if options.device != 'cpu':
                torch.cuda.reset_peak_memory_stats()
            before = allocated(options.device)
            start = now(options.device)
            model.train_step(copy.copy(batch), wrapper)
            if name == 'InterCLR':
                model.inter_image.after_step()
            if number >= 2:
                seconds[name].append(now(options.device) - start)
            memory[name] = max(memory[name], allocated(
                options.device, peak=True) - before)
    plain, ours = (statistics.median(each) for each in seconds.values())
    ratio = statistics.median(
        b / a for a, b in zip(*seconds.values()))
    print(f'| {options.config} | {options.images:,} images, batch {size} | '
          f'{1000 * plain:.0f} ms | {1000 * ours:.0f} ms | {ratio:.3f} |')
    if options.out:
        Path(options.out).write_text(json.dumps(dict(
            config=options.config, device=options.device, batch=size,
            images=options.images, pixels=options.pixels, amp=options.amp,
            torch=torch.__version__, milliseconds=dict(
                stock=1000 * plain, InterCLR=1000 * ours),
            ratio=ratio, step_megabytes=memory), indent=2) + '\n')



if __name__ == '__main__':
    main()
