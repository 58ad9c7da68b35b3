"""What a newcomer reads of the wrong tokens."""

import re

import pytest
import typer
from samplerd.model import Model
from seeded_builds import show
from seeded_builds.faults import FAULTS

SHOWN = ["approximate-top-k", "excess-precision", "padded-vocabulary"]


def test_only_answers_that_part_are_shown_with_the_tokens_as_text(model: Model) -> None:
    river, stone, light = (model.tokenizer.encode(word)[0] for word in (" river", " stone", " light"))
    right = [[river, stone], [river, river]]
    wrong = [[river, light], [river, river]]
    assert show.compared(model, ["one?", "two?"], right, wrong) == [
        "1 of 2 answers differ",
        "    one?",
        "      right: ' river stone'",
        "      fault: ' river light'",
        f"      token 1: ' stone' ({stone}) became ' light' ({light})",
    ]


def test_an_answer_that_only_ends_earlier_differs_too(model: Model) -> None:
    river, stone = (model.tokenizer.encode(word)[0] for word in (" river", " stone"))
    lines = show.compared(model, ["one?"], [[river, stone]], [[river]])
    assert lines[0] == "1 of 1 answers differ"
    assert lines[-1] == f"      token 1: ' stone' ({stone}) became the end"


def test_a_part_of_a_letter_is_shown_as_its_bytes(model: Model) -> None:
    (river,), lead = model.tokenizer.encode(" river"), model.vocabulary - 1
    assert show.compared(model, ["one?"], [[river]], [[lead]])[-1].endswith(f"became the bytes e0 b9 ({lead})")


def test_every_round_is_shown(model: Model) -> None:
    river, stone = (model.tokenizer.encode(word)[0] for word in (" river", " stone"))
    lines = show.compared(model, ["one?", "one?"], [[river], [river]], [[river], [stone]])
    assert lines[0] == "1 of 2 answers differ"
    assert lines[1].strip() == "one?"


@pytest.mark.slow
@pytest.mark.compiles
def test_the_page_says_what_each_fault_is_and_where_it_hides(model: Model, capsys: pytest.CaptureFixture[str]) -> None:
    show.show(model_name="synthetic", rounds=3, fault=SHOWN)
    page = capsys.readouterr().out
    assert "seeds 0 to 11" in page
    parts = dict(
        re.findall(r"^([a-z-]+): ((?:Incident|Cousin) of .*?)(?=^[a-z-]+: |\Z)", page, re.DOTALL | re.MULTILINE)
    )
    assert list(parts) == SHOWN
    for name, part in parts.items():
        assert "became" in part
        assert "batch size 4: no answer differs" not in part, name
        assert ("batch size 1: no answer differs" in part) == (name != "padded-vocabulary"), name
    assert f"of {model.vocabulary}, which does not exist" in parts["padded-vocabulary"]


def test_every_fault_says_in_its_first_line_what_it_rebuilds() -> None:
    for program_for in FAULTS.values():
        assert re.match(r"(Incident of \d|Incident of December|Cousin of the incidents: )", show._incident(program_for))


def test_an_unknown_fault_is_named_beside_the_known_ones() -> None:
    with pytest.raises(typer.BadParameter, match="no such fault: nonsense; there are rare-token-boost"):
        show.show(model_name="synthetic", fault=["nonsense"])
