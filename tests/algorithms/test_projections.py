"""Reading the query and the key of an algorithm."""
import pytest
import torch
from torch import nn

from interclr_plugin.algorithms import projections

NECK_AND_QUEUE = projections.ProjectionReader(
    query=None, key=None, watch=('neck', '_enqueue'))
NECK = projections.ProjectionReader(query=None, key=None)


class Stock(nn.Module):

    def __init__(self):
        super().__init__()
        self.neck = nn.Linear(2, 2)

    def _enqueue(self, keys):
        return keys + 1

    def loss(self, x):
        return [self.neck(x)], self._enqueue(2 * x)


def test_calls_are_recorded_and_left_as_they_were():
    """Without it a hook could stay on the model, or change its results."""
    stock, x = Stock(), torch.ones(3, 2)
    expected = stock.loss(x)
    with projections.recorded_calls(stock, NECK_AND_QUEUE) as calls:
        found = stock.loss(x)
        stock.loss(x)
    assert torch.equal(found[0][0], expected[0][0])
    assert torch.equal(found[1], expected[1])
    assert len(calls['neck']) == len(calls['_enqueue']) == 2
    assert torch.equal(calls['neck'][0], expected[0][0])
    assert torch.equal(calls['_enqueue'][0], 2 * x)  # the argument
    stock.loss(x)
    assert len(calls['neck']) == 2
    assert not stock.neck._forward_hooks
    assert '_enqueue' not in vars(stock)


def test_nothing_stays_behind_after_an_error():
    """Without it one failed step would leave its recorders behind."""
    stock = Stock()
    with pytest.raises(RuntimeError):
        with projections.recorded_calls(stock, NECK_AND_QUEUE):
            raise RuntimeError
    assert not stock.neck._forward_hooks
    assert '_enqueue' not in vars(stock)


@pytest.mark.parametrize('kind', [list, tuple, lambda x: x[0]])
def test_a_neck_may_give_a_list_a_tuple_or_a_tensor(kind):
    """Without it one of the libraries' necks could not be read (trap 2)."""

    class Neck(nn.Module):

        def forward(self, x):
            return kind([x])

    stock = Stock()
    stock.neck = Neck()
    x = torch.ones(3, 2)
    with projections.recorded_calls(stock, NECK) as calls:
        stock.neck(x)
    assert torch.equal(calls['neck'][0], x)


def test_a_neck_with_several_levels_is_refused():
    """Without it the first of several levels would be taken in silence."""

    class Levels(nn.Module):

        def forward(self, x):
            return [x, 2 * x]

    stock, x = Stock(), torch.ones(3, 2)
    stock.neck = Levels()
    with projections.recorded_calls(stock, NECK):
        with pytest.raises(ValueError, match=r'neck gives 2 tensors.*reads 1'
                           '.*out_indices.*outputs=2'):
            stock.neck(x)
    with projections.recorded_calls(stock, NECK._replace(outputs=2)) as calls:
        stock.neck(x)
    assert torch.equal(calls['neck'][0], x)


def test_a_derived_class_is_read_like_its_base():
    """Without it a user's subclass of MoCo would be unknown."""
    derived = type('Mine', (type('MoCo', (), {}), ), {})
    assert projections.find_reader(derived) is projections.READERS['MoCo']


def test_an_unknown_class_lists_the_known():
    """Without it users would not learn what to register."""
    with pytest.raises(ValueError, match=r"'Stock'.*MoCo.*register_proj"):
        projections.find_reader(Stock)


def test_your_own_algorithm(monkeypatch):
    """Without it the documented way to add an algorithm could break."""
    monkeypatch.setattr(projections, 'READERS', dict(projections.READERS))
    projections.register_projections(
        'Stock',
        query=lambda calls, size: calls['neck'][0],
        key=lambda calls, size: calls['neck'][1])
    reader = projections.find_reader(Stock)
    stock, x = Stock(), torch.ones(3, 2)
    with projections.recorded_calls(stock, reader) as calls:
        stock.neck(x)
        stock.neck(2 * x)
    assert torch.equal(reader.query(calls, 3), stock.neck(x))
    assert torch.equal(reader.key(calls, 3), stock.neck(2 * x))
