"""Which letters are unexpected."""

import pytest
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
