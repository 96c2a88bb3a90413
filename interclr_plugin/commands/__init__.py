"""Which commands there are; each is imported only when it is asked for."""
import argparse

# How a user starts them.
PROGRAM = 'python -m interclr_plugin'
# By name, which is also the name of the command's module.
COMMANDS = {
    'init': 'check a folder of images, and write what trains on it',
    'train': "run the train.py of the configuration's library",
    'test': "run the test.py of the configuration's library",
    'propose': 'settings of the inter-image branch for a number of images',
    'evaluate': 'kNN and linear top-1 accuracy of frozen features',
    'report': 'one HTML page about a training: is it learning?',
    'clusters': 'a table of which training image is in which cluster',
    'embed': 'features and projections of images, new or of the training',
    'neighbours': 'the training images that are most similar to an image',
    'publish': 'a small file of a checkpoint, to hand on',
    'export': 'a backbone for torchvision, timm, Hugging Face or ONNX',
    'convert': 'a MoCo or InterCLR-MoCo checkpoint of mmselfsup 0.x for 1.x',
}
# What --relations is said to be.
RELATIONS = ('compare with many images at once, in place of one positive and '
             'negatives: ahead on photographs so far')


def new_parser(name: str) -> argparse.ArgumentParser:
    """Start the parser of a command.

    Args:
        name (str): One of ``COMMANDS``.

    Returns:
        ArgumentParser: With the command's help, and no arguments yet.
    """
    return argparse.ArgumentParser(
        prog=f'{PROGRAM} {name}', description=COMMANDS[name])
