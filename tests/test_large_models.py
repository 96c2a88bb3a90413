"""Ways of training large models, over two gloo processes: each trains what
plain training does, or is refused with the line to change."""
import gloo
import pytest
import torch
from libraries import FIRST
from mmengine.hooks import Hook
from mmengine.registry import FUNCTIONS, HOOKS
from mmengine.runner import FlexibleRunner
from mmengine.utils import digit_version
from small_run import ALGORITHMS, runner_of, small, small_config
from torch.distributed.fsdp.wrap import size_based_auto_wrap_policy

from interclr_plugin.hooks import large_models
from interclr_plugin.runner import unwrap

pytestmark = pytest.mark.slow
FUNCTIONS.register_module(name='by_size', module=size_based_auto_wrap_policy)


@HOOKS.register_module()
class CompileBackbone(Hook):
    """As docs/scaling.md has it; without a C++ compiler."""

    def before_train(self, runner):
        unwrap(runner).backbone.compile(backend='aot_eager')


def fsdp(state='full', hooks=(), **wrapper):
    # Its default device is a GPU.
    wrapper.setdefault('device_id', torch.device('cpu'))
    return dict(
        strategy=dict(
            type='FSDPStrategy',
            state_dict_cfg=state,
            model_wrapper=dict(type='MMFullyShardedDataParallel', **wrapper)),
        hooks=list(hooks))


BY_SIZE = dict(type='by_size', min_num_params=500)
DDP = dict(
    type='MMDistributedDataParallel', broadcast_buffers=False, device_ids=None)
# Name: algorithm, and what is changed.
TRAINED = {
    'plain': ('moco', {}),
    'static_graph': ('moco', {'model_wrapper_cfg.static_graph': True}),
    'with_cp': ('moco', {
        'model.backbone.with_cp': True,
        'model_wrapper_cfg.static_graph': True
    }),
    'activation_checkpointing': ('moco', {
        'activation_checkpointing': ['backbone.layer1', 'backbone.layer2']
    }),
    'compiled backbone': ('moco', dict(
        hooks=[dict(type='CompileBackbone')])),
    'FSDP': ('moco', fsdp(ignored_modules=['encoder_k'])),
    'plain SimCLR': ('simclr', {}),
    'FSDP by size': ('simclr', fsdp(
        auto_wrap_policy=BY_SIZE,
        hooks=[dict(type='OnlineKNNHook', k=5, num_test=20)])),
}
if digit_version(torch.__version__) < digit_version('2.6.0'):
    # PyTorch 2.1 shards weights on GPUs alone.
    TRAINED = {
        name: each for name, each in TRAINED.items() if 'FSDP' not in name
    }
# Name: algorithm, what is changed, and what the error says to write.
REFUSED = {
    'FSDP of a momentum encoder':
    ('moco', fsdp(), "ignored_modules=['encoder_k']"),
    'FSDP of parts beside a momentum encoder':
    ('moco', fsdp(ignored_modules=['encoder_k'], auto_wrap_policy=BY_SIZE),
     'Remove auto_wrap_policy'),
    'shards as files': ('simclr', fsdp('local'), "state_dict_cfg='full'"),
    'nameless weights': ('simclr', fsdp(use_orig_params=False),
                         'use_orig_params=False'),
    'EMAHook on shards':
    ('simclr', fsdp(hooks=[dict(type='EMAHook')]), 'Remove it'),
    'static_graph of a neck that waits':
    ('simclr', {
        'model_wrapper_cfg.static_graph': True,
        'model.inter_image.neck': dict(
            type='LinearNeck', in_channels=32, out_channels=8),
        'custom_hooks.0.warmup_epochs': 1
    }, 'static_graph=False'),
    'activation_checkpointing of the images':
    ('moco', dict(activation_checkpointing=['backbone']),
     "['backbone.layer1', ...]"),
}


def config_of(algorithm, folder, changes):
    if algorithm == 'moco':
        config = small_config(FIRST, folder, epochs=2)
    else:
        config = small(ALGORITHMS[f'{FIRST}-interclr-{algorithm}'], folder)
        config.train_cfg.max_epochs = 2
        config.model.backbone.update(base_channels=4, stem_channels=4)
        config.model.neck.update(
            in_channels=32, norm_cfg=dict(type='BN1d'))  # no SyncBN on a CPU
    config.launcher = 'pytorch'
    # Large enough that a lost average or gradient is seen.
    config.optim_wrapper = dict(
        optimizer=dict(type='SGD', lr=0.1, momentum=0.9))
    changes = dict(changes)
    config.custom_hooks += changes.pop('hooks', [])
    if 'strategy' not in changes:
        config.model_wrapper_cfg = DDP
    config.merge_from_dict(changes)
    return config


def build(config):
    if 'strategy' not in config:
        return runner_of(config)
    return FlexibleRunner.from_cfg(config)


def train_all(rank, folder):
    for number, (name, (algorithm, changes)) in enumerate(TRAINED.items()):
        config = config_of(algorithm, folder / name, changes)
        config.experiment_name = f'large_{number}'
        if 'strategy' in changes:  # its checkpoints are resumed, too
            config.train_cfg.max_epochs = 1
            build(config).train()
            config.train_cfg.max_epochs = 2
            config.resume = True
            config.experiment_name += '_resumed'
        runner = build(config)
        runner.train()
        # Of FSDP it is the first process's alone.
        torch.save(runner.model.state_dict(), folder / f'{name}.{rank}.pth')
        torch.save(
            unwrap(runner).inter_image.state_dict(),
            folder / f'{name}.branch.{rank}.pth')


def refuse_all(rank, folder):
    for number, (name, case) in enumerate(REFUSED.items()):
        config = config_of(case[0], folder / name, case[1])
        config.experiment_name = f'refused_{number}'
        with pytest.raises(ValueError) as raised:
            build(config).train()
        (folder / f'{name}.{rank}.txt').write_text(str(raised.value))


def load(folder, name):
    found = torch.load(folder / f'{name}.pth', weights_only=True)
    return {key.replace('module.', ''): value for key, value in found.items()}


def test_each_trains_what_plain_training_does(tmp_path):
    """Without it a momentum encoder could stand still under FSDP, a bank be
    written twice where a forward pass is repeated, or a resume lose weights:
    all in silence."""
    gloo.spawn(train_all, 2, tmp_path)
    for name, (algorithm, _) in TRAINED.items():
        plain = 'plain' if algorithm == 'moco' else 'plain SimCLR'
        expected = load(tmp_path, f'{plain}.0')
        found = load(tmp_path, f'{name}.0')
        assert found.keys() == expected.keys()
        assert found['inter_image.bank.step'] == 6
        for key, value in expected.items():
            # A pass that is repeated counts its batch statistics again.
            if 'running_' not in key and 'num_batches' not in key:
                torch.testing.assert_close(
                    found[key], value, rtol=1e-3, atol=1e-4, msg=(name, key))
        one, two = (load(tmp_path, f'{name}.branch.{i}') for i in range(2))
        for key, value in one.items():
            assert torch.equal(value, two[key]), (name, key)


def test_the_others_are_refused(tmp_path):
    """Without it these fail in a step with torch's own words, or train
    something else; the line to change is in the error, on each process."""
    gloo.spawn(refuse_all, 2, tmp_path)
    for name, (_, _, advice) in REFUSED.items():
        for rank in range(2):
            text = (tmp_path / f'{name}.{rank}.txt').read_text()
            assert advice in text, name


@pytest.mark.parametrize('name', large_models._ENGINES)
def test_another_engine_is_refused(name, tmp_path):
    """Without it the bank is filled by a model whose weights lie elsewhere;
    the packages need CUDA, so that their strategies are not built here."""
    runner = runner_of(small_config(FIRST, tmp_path))
    runner.strategy = type(name, (), {})()
    with pytest.raises(ValueError, match='FSDPStrategy'):
        large_models.require_possible(runner, unwrap(runner), False)
