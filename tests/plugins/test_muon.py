"""Muon: which variables it orthogonalises, and that query, key and value are three matrices to it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from optimizer_checks import built, classifier, gradients, moved, value_of
from tiny_checkpoint import make_tiny_bert

ALONE = {"weight_decay": 0.0, "adam_weight_decay": 0.0}


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    folder = make_tiny_bert(tmp_path_factory.mktemp("muon") / "bert", layers=1, hidden=16)
    return list(classifier(folder).trainable_variables)


def test_the_kernels_of_the_layers_are_muon_s_and_all_else_is_adamw_s(variables: list[Any]) -> None:
    optimizer = built("muon", 0.1)
    optimizer.build(variables)
    orthogonalised = {
        variable.path
        for variable, velocity in zip(variables, optimizer.adam_velocities, strict=True)
        if velocity is None
    }
    kernels = ("query_key_value", "projection", "intermediate", "output")
    assert orthogonalised == {f"classifier/encoder/block_0/{name}/kernel" for name in kernels}
    assert len(variables) == 21


def test_all_else_moves_as_with_adamw(variables: list[Any]) -> None:
    muon = moved(built("muon", 0.01, adam_weight_decay=0.1), variables, steps=3)
    adamw = moved(built("adamw", 0.01, weight_decay=0.1), variables, steps=3)
    for path, value in muon.items():
        kernel = "/block_0/" in path and path.endswith("/kernel")
        assert np.allclose(value, adamw[path], atol=1e-6) != kernel, path


def newton_schulz(matrix: Any) -> Any:
    """The reference: five steps of the quintic iteration, on the wide side of the matrix (Jordan et al., 2024)."""
    x = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x = x / (np.linalg.norm(x) + 1e-7)
    for _ in range(5):
        square = x @ x.T
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return x if matrix.shape[0] <= matrix.shape[1] else x.T


def test_the_steps_are_those_of_the_paper(variables: list[Any]) -> None:
    """Momentum 0.95 and Nesterov's look ahead; the root mean square of a step is about 0.2 of the rate."""
    before = {variable.path: value_of(variable) for variable in variables}
    after = moved(built("muon", 0.01, **ALONE), variables, steps=2)
    for index, variable in enumerate(variables):
        if "/block_0/" not in variable.path or not variable.path.endswith("/kernel"):
            continue
        parts = 3 if "query_key_value" in variable.path else 1
        momentum, wanted = np.zeros(variable.shape), before[variable.path]
        for step in range(2):
            gradient = gradients(variables, step)[index].astype(np.float64)
            momentum = 0.95 * momentum + gradient
            ahead = np.split(gradient + 0.95 * momentum, parts, axis=1)
            steps = [0.2 * max(matrix.shape) ** 0.5 * newton_schulz(matrix) for matrix in ahead]
            wanted = wanted - 0.01 * np.concatenate(steps, axis=1)
        np.testing.assert_allclose(after[variable.path], wanted, atol=2e-6, err_msg=variable.path)
        step = (after[variable.path] - before[variable.path]) / 2
        assert 0.5 * 0.002 < np.sqrt(np.mean(step**2)) < 1.5 * 0.002


def test_query_key_and_value_move_as_three_kernels_of_their_own(variables: list[Any]) -> None:
    index = [variable.path.endswith("query_key_value/kernel") for variable in variables].index(True)
    after = moved(built("muon", 0.01, **ALONE), variables)[variables[index].path]
    thirds = [keras.Variable(third) for third in np.split(value_of(variables[index]), 3, axis=1)]
    stock = keras.optimizers.Muon(0.01, weight_decay=0.0, adam_weight_decay=0.0)
    stock.build(thirds)
    for step in range(2):
        split = np.split(gradients(variables, step)[index], 3, axis=1)
        stock.apply([keras.ops.convert_to_tensor(gradient) for gradient in split], thirds)
    np.testing.assert_allclose(after, np.concatenate([value_of(third) for third in thirds], axis=1), atol=1e-6)
