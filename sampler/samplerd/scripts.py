"""The `unexpected-script` check: letters of a writing system that the prompt gave no reason for."""

import unicodedata

import regex

_NAMES = (
    "Greek Cyrillic Armenian Hebrew Arabic Syriac Thaana Nko Devanagari Bengali Gurmukhi Gujarati Oriya Tamil Telugu "
    "Kannada Malayalam Sinhala Thai Lao Tibetan Myanmar Georgian Hangul Ethiopic Cherokee Canadian_Aboriginal Runic "
    "Ogham Khmer Mongolian Hiragana Katakana Bopomofo Han Yi Gothic Coptic Tifinagh"
)
_SCRIPTS = tuple(_NAMES.split())
_OTHER = "other"

_FOREIGN_LETTER = regex.compile(r"[\p{L}--\p{Script=Latin}--\p{Script=Common}--\p{Script=Inherited}]", regex.VERSION1)
_BY_SCRIPT = regex.compile("|".join(rf"(?P<{script}>\p{{Script={script}}})" for script in _SCRIPTS))


def foreign_scripts(text: str) -> frozenset[str]:
    """The scripts of the letters in a text, without Latin and what all scripts share."""
    letters = set(_FOREIGN_LETTER.findall(text))
    return frozenset(_script(letter) for letter in letters)


def _script(letter: str) -> str:
    match = _BY_SCRIPT.match(letter)
    return str(match.lastgroup) if match else _OTHER


def has_unexpected_script(prompt: str, answer: str) -> bool:
    """Whether the answer holds a letter of a script that is neither in the prompt, nor Latin, nor Common.

    A character of the prompt gives reason for the letters that it stands for, too (Unicode's form NFKC): the micro
    sign, which is Common, for the Greek letter. In an answer such a sign stays Common and needs no reason.
    """
    found = foreign_scripts(answer)
    return bool(found) and not found <= foreign_scripts(prompt) | foreign_scripts(unicodedata.normalize("NFKC", prompt))
