"""What is read while a network learns: every head, of the pictures that show it."""

import torch

from mini.labels import UNSEEN, all_labels
from mini.people import Identity, Scene
from mini.readers import Readers, wanted_of

PERSON = {"skin": "pale", "hair": "bob", "hair_colour": "red", "beard": "none", "glasses": "none", "seed": 1}
SCENE = {"style": "photo", "expression": "sad", "clothes": "red", "background": "blue", "framing": "close-up"}
EMOJI = {"emoji": "panda", "style": "emoji style", "background": "blue"}


def facts() -> list[dict]:
    """A person's picture and an emoji's."""
    assert Identity(**PERSON)
    assert Scene(**SCENE)
    return [{"person": PERSON, "scene": SCENE}, EMOJI]


def test_what_a_picture_does_not_show_counts_for_nothing() -> None:
    wanted = wanted_of([all_labels(each) for each in facts()])
    assert wanted["hair"].tolist()[1] == UNSEEN
    torch.manual_seed(0)
    readers, features = Readers(10), torch.randn(2, 10)
    both = readers.loss(features, wanted)
    other = features.clone()
    other[1] = 0
    heads_of_both = {head for head, classes in wanted.items() if (classes != UNSEEN).all()}
    assert heads_of_both == {"background"}
    only_person = {head: torch.tensor([int(classes[0]), UNSEEN]) for head, classes in wanted.items()}
    assert torch.equal(readers.loss(features, only_person), readers.loss(other, only_person))
    assert not torch.equal(both, readers.loss(other, wanted))


def test_readers_learn_what_is_there_to_read() -> None:
    wanted = wanted_of([all_labels(each) for each in facts()])
    torch.manual_seed(0)
    readers, features = Readers(10), torch.randn(2, 10)
    optimizer = torch.optim.Adam(readers.parameters(), 0.1)
    before = float(readers.loss(features, wanted).detach())
    for _ in range(50):
        optimizer.zero_grad()
        loss = readers.loss(features, wanted)
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.1 * before


def test_what_is_hard_to_read_may_count_more() -> None:
    wanted = wanted_of([all_labels(each) for each in facts()])
    readers, features = Readers(10), torch.randn(2, 10)
    zero = readers.loss(features, wanted, dict.fromkeys(readers.heads, 0.0))
    hair, more = (readers.loss(features, wanted, dict.fromkeys(readers.heads, 0.0) | {"hair": w}) for w in (1.0, 4.0))
    assert zero == 0
    assert hair > 0
    torch.testing.assert_close(more, 4 * hair)
