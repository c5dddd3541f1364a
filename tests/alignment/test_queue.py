from collections import deque

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graticule.alignment.queue import LocationQueue


def places(first, count):
    numbers = torch.arange(first, first + count, dtype=torch.float64)
    return torch.stack([numbers, -numbers], dim=1)


@given(st.integers(0, 9), st.lists(st.integers(0, 25), max_size=8))
def test_it_holds_what_a_list_would(length, pushes):
    queue, reference, first = LocationQueue(length), deque(maxlen=length), 1
    assert queue.past().shape == (0, 2)
    for count in pushes:
        queue.push(places(first, count))
        reference.extend(range(first, first + count))
        first += count
        past = queue.past()
        assert sorted(past[:, 0].tolist()) == list(reference)
        assert torch.equal(past[:, 1], -past[:, 0])


def test_it_is_saved_with_the_model():
    queue, again = LocationQueue(4), LocationQueue(4)
    queue.push(places(1, 6))
    again.load_state_dict(queue.state_dict())
    for one in (queue, again):
        one.push(places(7, 1))
    assert torch.equal(queue.past(), again.past())
    assert sorted(again.past()[:, 0].tolist()) == [4, 5, 6, 7]


def test_it_keeps_degrees_exact():
    queue = LocationQueue(2)
    queue.push(torch.tensor([[1 / 3, -179.999999999]], dtype=torch.float64))
    assert queue.past().tolist() == [[1 / 3, -179.999999999]]


@given(st.integers(1, 9), st.lists(st.integers(0, 25), max_size=8))
def test_features_stay_in_step_with_places(length, pushes):
    queue, first = LocationQueue(length, feature_width=3), 1
    for count in pushes:
        numbers = places(first, count)[:, :1]
        queue.push(places(first, count), numbers.float().expand(-1, 3))
        first += count
        assert queue.features().shape == (len(queue), 3)
        assert torch.equal(queue.features().double(), queue.past()[:, :1].expand(-1, 3))


def test_features_are_all_or_none():
    with pytest.raises(ValueError, match="features"):
        LocationQueue(4).push(places(1, 2), torch.ones(2, 3))
    with pytest.raises(ValueError, match="features"):
        LocationQueue(4, feature_width=3).push(places(1, 2))
    assert list(LocationQueue(4).state_dict()) == ["lat_lon", "count"]


def test_pictures_may_lie_elsewhere_than_the_queue():
    """On "meta", as on a GPU, tensors of two devices are refused together."""
    queue = LocationQueue(4, feature_width=3).to("meta")
    queue.push(places(1, 6), torch.ones(6, 3))
    assert queue.lat_lon.device.type == queue.looks.device.type == "meta"
