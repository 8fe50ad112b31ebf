"""What `npm audit signatures` prints is read as good, as wrong, or as not checked, and never the last as the first."""

import json

from deploy.console_audit import judge


def test_signatures_of_the_registry_are_good() -> None:
    verdict = judge(0, json.dumps({"invalid": [], "missing": []}))

    assert (verdict.is_checked, verdict.is_good) == (True, True)


def test_a_wrong_or_missing_signature_names_its_package() -> None:
    printed = {"invalid": [{"name": "react", "version": "19.3.1"}], "missing": [{"name": "marked", "version": "1.0.0"}]}

    verdict = judge(1, json.dumps(printed))

    assert (verdict.is_checked, verdict.is_good) == (True, False)
    assert verdict.words == "signatures are wrong: react@19.3.1 (invalid signature), marked@1.0.0 (missing signature)"


def test_what_could_not_be_checked_is_neither_good_nor_quiet() -> None:
    for status, printed in ((1, json.dumps({"error": {"code": "ENOTFOUND"}})), (1, ""), (0, "no JSON"), (1, "{}")):
        verdict = judge(status, printed)

        assert (verdict.is_checked, verdict.is_good) == (False, False), printed
        assert "not checked" in verdict.words
