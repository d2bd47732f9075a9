"""Every field of every kind of certificate, altered: refused, or still true; `mutations` is the long form."""

from __future__ import annotations

from fractions import Fraction

import pytest

pytest.importorskip("highspy")
pytest.importorskip("numba")

from eplb_opt.certificates.registry import KINDS

from .mutations import EXAMPLES, fields_of, survivors

WAYS = 20


def test_every_kind_is_altered():
    assert KINDS.keys() <= EXAMPLES.keys()


@pytest.mark.parametrize("name", EXAMPLES)
def test_altered_certificates_are_refused_or_true(name):
    example = EXAMPLES[name]()
    bound = example.proven(list(example.proofs))
    assert bound is not None
    assert Fraction(bound) <= example.optimum
    refused, true, false = survivors(example, WAYS)
    assert false == []
    assert refused + true == WAYS * len(fields_of(example))
    assert refused > WAYS
