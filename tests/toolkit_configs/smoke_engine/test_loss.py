"""The masked loss, against values worked out by hand from what AI-Toolkit does."""

from importlib.util import find_spec

import pytest

from chromiq.errors import UnsoundError
from chromiq.toolkit_configs.smoke_engine.engine import latent_weights, masked_loss

pytestmark = [
    pytest.mark.models,
    pytest.mark.skipif(not find_spec("torch"), reason="needs the model libraries: pip install '.[models]'"),
]


def tensor(values):
    import torch

    return torch.tensor(values, dtype=torch.float32)


def test_weights_are_the_nearest_greys_mapped_to_the_least_weight_and_one():
    # Nearest takes the first pixel of each 2x2 block; what stands at the others must not count.
    grey = tensor([[[[1, 0.9, 0, 0.9], [0.9, 0.9, 0.9, 0.9], [0.5, 0.9, 0, 0.9], [0.9, 0.9, 0.9, 0.9]]]])
    weights = latent_weights(grey, (2, 2), 0.1)
    assert weights.flatten().tolist() == pytest.approx([1, 0.1, 0.55, 0.1])


def test_loss_by_hand():
    weights = tensor([[[[1, 0.1], [0.55, 0.1]]]])
    predicted = tensor([[[[1, 2], [3, 4]], [[5, 5], [5, 5]]]])
    wanted = tensor([[[[0, 0], [0, 0]], [[5, 5], [5, 5]]]])
    # Squared errors 1, 4, 9, 16 in one of two channels; weights divided by their mean, 1.75 / 4.
    by_hand = (1 * 1 + 4 * 0.1 + 9 * 0.55 + 16 * 0.1) / (1.75 / 4) / 8
    assert by_hand == pytest.approx(2.2714286)
    assert float(masked_loss([predicted], [wanted], [weights])) == pytest.approx(by_hand)


def test_black_that_weighs_nothing_hides_any_error():
    half = tensor([[[[0, 0, 1, 1]] * 2]])
    weights = latent_weights(half, (2, 4), 0)
    wrong_in_black = tensor([[[[1e6, -1e6, 1, 1]] * 2]])
    right_in_black = tensor([[[[0, 0, 1, 1]] * 2]])
    nothing = wrong_in_black * 0
    assert float(masked_loss([wrong_in_black], [nothing], [weights])) == 1
    assert float(masked_loss([right_in_black], [nothing], [weights])) == 1


def test_errors_in_white_count_more_than_without_a_mask():
    predicted, wanted = tensor([[[[0, 0, 3, 3]]]]), tensor([[[[0, 0, 0, 0]]]])
    weights = latent_weights(tensor([[[[0, 0, 1, 1]]]]), (1, 4), 0)
    assert float(masked_loss([predicted], [wanted], [weights])) == 9
    assert float(masked_loss([predicted], [wanted], [weights * 0 + 1])) == 4.5


def test_masks_black_all_over_train_everything_alike():
    predicted, wanted = tensor([[[[1, 2], [3, 4]]]]), tensor([[[[0, 0], [0, 0]]]])
    black = latent_weights(tensor([[[[0, 0], [0, 0]]]]), (2, 2), 0.1)
    assert float(masked_loss([predicted], [wanted], [black])) == pytest.approx((1 + 4 + 9 + 16) / 4)


def test_the_mean_weight_is_that_of_the_batch_so_a_black_mask_hands_its_share_to_its_neighbour():
    one, other, nothing = (tensor([[[[value, value]]]]) for value in (2.0, 5.0, 0.0))
    white, black = tensor([[[[1, 1]]]]), tensor([[[[0, 0]]]])
    loss = masked_loss([one, other], [nothing, nothing], [white, black])
    assert float(loss) == 4
    even = masked_loss([one, other], [nothing, nothing], [white, white])
    assert float(even) == (4 + 25) / 2


def test_weights_that_are_all_zero_are_refused():
    black = latent_weights(tensor([[[[0, 0]]]]), (1, 2), 0)
    with pytest.raises(UnsoundError, match="raise mask_min_value"):
        masked_loss([black], [black], [black])
