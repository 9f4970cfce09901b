"""Products in single precision are those of torch.mm, whichever library makes them."""

from __future__ import annotations

import pytest
import torch

from tenuto.frontend._products import packed, product, rough_products


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("rows", "columns", "inner"), [(7, 5, 300), (1, 1, 1), (0, 3, 4), (3, 4, 0)])
def test_it_is_the_matrix_product(rows: int, columns: int, inner: int, dtype: torch.dtype) -> None:
    left, right = torch.randn(rows, inner, dtype=dtype), torch.randn(columns, inner, dtype=dtype)
    expected = left.double() @ right.double().T
    found = product(left, right)
    assert found.dtype == dtype
    assert (found.double() - expected).abs().sum() <= 1e-5 * expected.abs().sum()
    turned = product(left.T.contiguous().T, right.T.contiguous().T)  # as columns lie in memory
    assert (turned.double() - expected).abs().sum() <= 1e-5 * expected.abs().sum()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_packing_changes_nothing(dtype: torch.dtype) -> None:
    right = torch.randn(98, 446).to(dtype)
    once = packed(right)
    for rows in (1, 50, 111):
        left = torch.randn(rows, 446).to(dtype)
        assert (product(left, once) - product(left, right)).norm() <= 1e-2 * product(left, right).norm()
        if dtype != torch.bfloat16:
            torch.testing.assert_close(product(left, once), product(left, right), rtol=1e-5, atol=1e-4)


def test_rough_products_are_for_single_precision() -> None:
    assert not rough_products(torch.zeros(2, 2, dtype=torch.float64))
    left, right = torch.randn(64, 1000), torch.randn(32, 1000)
    if rough_products(left):
        rough = product(left.bfloat16(), right.bfloat16()).float()
        assert (rough - left @ right.T).norm() < 0.01 * (left @ right.T).norm()
