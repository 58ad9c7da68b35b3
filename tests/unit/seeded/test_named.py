"""Which fault is wanted must be said."""

import pytest
from seeded_builds import __main__ as command


@pytest.mark.parametrize("given", ["nope", ""])
def test_an_unknown_fault_is_a_wrong_flag_and_no_bad_build(
    given: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(command.VARIABLE, given)
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("SEEDED_FAULT must be one of: rare-token-boost, ")
    assert said.endswith(f"(given: {given!r})\n")
