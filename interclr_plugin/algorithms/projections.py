"""Which of a stock algorithm's outputs is the query, and which the key.

A stock ``loss()`` is called as it is, and the calls that it makes of a few of
its parts are recorded; a :class:`ProjectionReader` says which parts, and
where among the recorded tensors the query and the key are. A further
algorithm is one more row of ``READERS``.
"""
from contextlib import ExitStack, contextmanager
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

from torch import Tensor, nn

Calls = Dict[str, List[Tensor]]
Read = Callable[[Calls, int], Tensor]


class ProjectionReader(NamedTuple):
    """Where an algorithm's projections are found.

    Args:
        query (Callable): Takes the recorded calls and the number of images
            B, gives (B, D) with gradient.
        key (Callable): The same for the keys; detached by the caller.
        watch (tuple[str]): Attributes of the algorithm to record. Of a
            module the (first) output of each call, of a method its first
            argument.
        as_neck_input (Callable): Takes what the backbone gives for single
            views, gives what the neck takes.
        outputs (int): Tensors that each call of a module gives, of which the
            first is the projection.
        second (Callable, optional): As ``query``, gives the neck's projection
            of the second view. None: the neck never sees that view.
    """
    query: Read
    key: Read
    watch: Tuple[str, ...] = ('neck', )
    as_neck_input: Callable = lambda features: features
    outputs: int = 1
    second: Optional[Read] = None


def _first_call(calls: Calls, size: int) -> Tensor:
    return calls['neck'][0]


def _second_call(calls: Calls, size: int) -> Tensor:
    return calls['neck'][1]


# MoCo and DenseCL shuffle the batch before their momentum encoder; what they
# put into the queue is in order again.
_QUEUE = ProjectionReader(
    query=_first_call,
    key=lambda calls, size: calls['_dequeue_and_enqueue'][0],
    watch=('neck', '_dequeue_and_enqueue'))
# Two passes of one network; the second view's projection is the key.
_SIAMESE = ProjectionReader(
    query=_first_call, key=_second_call, second=_second_call)


def _target(name: str) -> ProjectionReader:
    """A momentum encoder that sees both views, the second one second."""
    return ProjectionReader(
        query=_first_call,
        key=lambda calls, size: calls[name][1],
        watch=('neck', name),
        second=_second_call)


READERS: Dict[str, ProjectionReader] = {
    'MoCo': _QUEUE,
    'DenseCL': _QUEUE._replace(outputs=3),  # global, dense, pooled dense
    'SimCLR': ProjectionReader(  # both views in one pass, taking turns
        query=lambda calls, size: calls['neck'][0][0::2],
        key=lambda calls, size: calls['neck'][0][1::2],
        second=lambda calls, size: calls['neck'][0][1::2]),
    'SimSiam': _SIAMESE,
    'BarlowTwins': _SIAMESE,
    'BYOL': _target('target_net'),
    'MoCoV3': _target('momentum_encoder'),
    'SwAV': ProjectionReader(  # all crops in one pass, one after the other
        query=lambda calls, size: calls['neck'][0][:size],
        key=lambda calls, size: calls['neck'][0][size:2 * size],
        second=lambda calls, size: calls['neck'][0][size:2 * size],
        as_neck_input=lambda features: [features]),
    'NPID': ProjectionReader(query=_first_call, key=_first_call),
}


def register_projections(algorithm: str, **reader) -> None:
    """Teach InterCLR where the projections of your own algorithm are.

    Args:
        algorithm (str): Name of the class, as in the configuration.
        **reader: Arguments of :class:`ProjectionReader`.
    """
    READERS[algorithm] = ProjectionReader(**reader)


def find_reader(algorithm: type) -> ProjectionReader:
    """Look a class up, or the nearest class that it derives from.

    Args:
        algorithm (type): Class of the stock algorithm.

    Returns:
        ProjectionReader: Its row.

    Raises:
        ValueError: If neither it nor a base is known.
    """
    for base in algorithm.__mro__:
        if base.__name__ in READERS:
            return READERS[base.__name__]
    raise ValueError(
        f'algorithm={algorithm.__name__!r}: InterCLR does not know where its '
        f'projections are; known: {", ".join(sorted(READERS))}. Tell it with '
        'interclr_plugin.algorithms.register_projections('
        f'{algorithm.__name__!r}, query=..., key=...).')


@contextmanager
def recorded_calls(algorithm: nn.Module,
                   reader: ProjectionReader) -> Iterator[Calls]:
    """Record the calls of the parts that a reader watches.

    Args:
        algorithm (nn.Module): The algorithm.
        reader (ProjectionReader): Names its modules and methods.

    Yields:
        dict[str, list]: Filled while the context is open. Beside each module
        stands what its calls were given, under ``'<name>.input'``.
    """
    calls: Calls = {name: [] for name in reader.watch}
    with ExitStack() as stack:
        for name in reader.watch:
            part = getattr(algorithm, name)
            if isinstance(part, nn.Module):
                given = calls[f'{name}.input'] = []
                handle = part.register_forward_hook(
                    _recording_module(given, calls[name], name, reader))
                stack.callback(handle.remove)
            else:
                setattr(algorithm, name,
                        _recording_method(part, calls[name]))
                stack.callback(delattr, algorithm, name)
        yield calls


def projection(output, name: str, reader: ProjectionReader) -> Tensor:
    """Take the projection from what a module gave.

    Args:
        output (Tensor | list | tuple): mmselfsup's necks give a list,
            mmpretrain's a tuple or a tensor.
        name (str): Of the module.
        reader (ProjectionReader): Says how many tensors it gives.

    Returns:
        Tensor: The first.

    Raises:
        ValueError: If there are more or fewer.
    """
    if isinstance(output, Tensor):
        output = [output]
    if len(output) != reader.outputs:
        raise ValueError(
            f'{name} gives {len(output)} tensors where InterCLR reads '
            f'{reader.outputs}. Give it one level, model=dict(backbone=dict('
            f'out_indices=...)), or say that the first of {len(output)} is '
            'the projection: interclr_plugin.algorithms.register_projections('
            f'..., outputs={len(output)}).')
    return output[0]


def _recording_module(given: list, results: list, name: str,
                      reader: ProjectionReader) -> Callable:

    def hook(module, args, output):
        given.append(args[0])
        results.append(projection(output, name, reader))

    return hook


def _recording_method(method: Callable, given: list) -> Callable:

    def call(first, *args, **kwargs):
        given.append(first)
        return method(first, *args, **kwargs)

    return call
