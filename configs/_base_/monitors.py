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
