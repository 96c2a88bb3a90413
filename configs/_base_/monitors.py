# Lists of monitors to add to a configuration of either library:
#
#   _base_ = ['my_base.py', 'interclr_plugin::_base_/monitors.py']
#   custom_hooks = [dict(type='MemoryBankHook'), *_base_.monitors]
#
# docs/monitors.md says what the numbers mean.
monitors = [
    dict(type='ClusterMonitor'),
    dict(type='RepresentationMonitor'),
    dict(type='PairMonitor'),
    dict(type='AlarmHook'),
]
# For data sets with labels, to measure by; training never sees them. The
# second one also needs evaluation = dict(test=...).
label_monitors = [
    dict(type='LabelMonitor'),
    dict(type='OnlineKNNHook', interval=10),
]
# A picture of the clusters for the visualisation backends.
picture_monitors = [dict(type='MontageMonitor')]
# Where numbers and pictures go besides the log:
#
#   vis_backends = [_base_.backends.local, _base_.backends.tensorboard]
#   visualizer = dict(type='Visualizer', vis_backends=vis_backends)
#
# Each but the first needs the package of its name, by pip install.
backends = dict(
    local=dict(type='LocalVisBackend'),
    tensorboard=dict(type='TensorboardVisBackend'),
    wandb=dict(type='WandbVisBackend', init_kwargs=dict(project='interclr')),
    mlflow=dict(type='MLflowVisBackend', exp_name='interclr'))
