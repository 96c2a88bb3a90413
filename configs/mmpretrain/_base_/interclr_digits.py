# InterCLR's settings for the digits.
_base_ = 'digits.py'

model = dict(
    type='InterCLR',
    inter_image=dict(
        num_clusters=50,
        sampler=dict(num_negatives=256, pool_fraction=0.2)))
custom_hooks = [
    dict(type='MemoryBankHook'),
    dict(type='ExactResumeHook'),
]
