"""Which letters are unexpected."""

import unicodedata
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samplerd.scripts import foreign_scripts, has_unexpected_script


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain English, with – dashes — “quotes” … and 1,234 €",
        "naïve café façade Łódź Ærø ﬁne",
        "x² + y² ≤ 10 µm ª º № ™ ∑ ∂ 𝐀 ℵ",
        "🙂👍🏽 ✅ → ☃",
        "cafe\u0301 combining",
        "\ufffd incomplete",
        "fullwidth Ｌatin",
    ],
)
def test_these_are_at_home_everywhere(text: str) -> None:
    assert foreign_scripts(text) == frozenset()
    assert not has_unexpected_script("hello", text)


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("Thai ก", "Thai"),
        ("Han 中", "Han"),
        ("да", "Cyrillic"),
        ("Ω is Greek, also in formulas", "Greek"),
        ("ひらがな", "Hiragana"),
        ("カタカナ", "Katakana"),
        ("한국", "Hangul"),
        ("שלום", "Hebrew"),
        ("سلام", "Arabic"),
        ("हिन्दी", "Devanagari"),
        ("𐌰 Gothic", "Gothic"),
        ("𐤀 Phoenician", "other"),
    ],
)
def test_these_are_not(text: str, script: str) -> None:
    assert foreign_scripts(text) == {script}
    assert has_unexpected_script("hello", text)
    assert not has_unexpected_script(f"please write {text}", text)


def test_one_script_in_the_prompt_does_not_excuse_another() -> None:
    assert has_unexpected_script("скажи по-русски", "да, 中")
    assert not has_unexpected_script("скажи 中", "中 да")


MICRO, MU = "\N{MICRO SIGN}", "\N{GREEK SMALL LETTER MU}"
FORMS: list[Literal["NFC", "NFD", "NFKC", "NFKD"]] = ["NFC", "NFD", "NFKC", "NFKD"]
LETTERS = st.characters(exclude_categories=["Cs", "Cn"])


@pytest.mark.parametrize(
    ("prompt", "answer"), [(MICRO, MU), (MU, MICRO), ("𝛼 ⊂ ℝ", "α"), ("㍿", "株式会社"), ("ﾃｽﾄ", "テスト")]
)
def test_a_character_and_the_letters_it_stands_for_are_one(prompt: str, answer: str) -> None:
    assert not has_unexpected_script(f"10 {prompt}m?", f"it is 10 {answer}m")


def test_a_sign_excuses_its_own_script_alone() -> None:
    assert has_unexpected_script("5 m", f"5 {MU}m"), "nothing in the prompt is Greek"
    assert has_unexpected_script(f"5 {MICRO}m", f"5 {MU}m, да")
    assert not has_unexpected_script("5 m", f"5 {MICRO}m, 𝛼, ℵ, ㍿"), "at home everywhere, whatever they stand for"


@given(text=st.text(LETTERS), form=st.sampled_from(FORMS))
def test_a_prompt_may_come_back_in_any_normal_form(text: str, form: Literal["NFC", "NFD", "NFKC", "NFKD"]) -> None:
    assert not has_unexpected_script(text, unicodedata.normalize(form, text))


@given(text=st.text(LETTERS), form=st.sampled_from(FORMS[:2]))
def test_and_be_sent_in_any_canonical_one(text: str, form: Literal["NFC", "NFD"]) -> None:
    assert not has_unexpected_script(unicodedata.normalize(form, text), text)


@given(prompt=st.text(LETTERS), answer=st.text(LETTERS))
def test_normal_forms_of_the_prompt_only_ever_excuse(prompt: str, answer: str) -> None:
    if foreign_scripts(answer) <= foreign_scripts(prompt):
        assert not has_unexpected_script(prompt, answer)
    if has_unexpected_script(prompt, answer):
        assert has_unexpected_script(unicodedata.normalize("NFKC", prompt), answer)


def test_every_character_there_is_comes_back_in_any_normal_form() -> None:
    characters = (chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000)
    stands_for_more = [c for c in characters if any(unicodedata.normalize(form, c) != c for form in FORMS)]
    assert len(stands_for_more) > 10_000
    assert not [
        c for c in stands_for_more for form in FORMS if has_unexpected_script(c, unicodedata.normalize(form, c))
    ]
