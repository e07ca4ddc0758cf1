from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy
import pytest
import safetensors
import safetensors.numpy

from glueft.encoder.tensor_files import read_headers, weight_files, write_tensors
from glueft.errors import CheckpointError
from glueft.hub.checkpoint_files import INDEX, WEIGHTS
from reference_checkpoints import REFERENCE, read_tensors


def write(folder: Path, tensors: dict[str, Any], name: str = "model.safetensors") -> None:
    safetensors.numpy.save_file(tensors, folder / name)


def write_shards(folder: Path, tensors: dict[str, Any], count: int = 3) -> None:
    names = list(tensors)
    index = {}
    for part in range(count):
        file = f"model-{part + 1:05}-of-{count:05}.safetensors"
        write(folder, {name: tensors[name] for name in names[part::count]}, file)
        index.update(dict.fromkeys(names[part::count], file))
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": index}))


def refused(folder: Path) -> CheckpointError:
    with pytest.raises(CheckpointError) as caught:
        read_headers(folder)
    return caught.value


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_floats_are_read_as_float32(dtype: str, tmp_path: Path) -> None:
    values = numpy.array([[0.5, -2.0, 65504.0], [6e-8, 0.0, 1.0]], dtype)
    write(tmp_path, {"x": values, "scalar": numpy.array(3.0, dtype)})
    stored = read_headers(tmp_path)
    assert stored["x"].shape == (2, 3)
    assert stored["x"].read().dtype == numpy.float32
    assert (stored["x"].read() == values.astype("float32")).all()
    assert stored["scalar"].read() == 3.0


def test_bfloat16_is_read_as_float32() -> None:
    stored = read_headers(REFERENCE / "bert")
    expected = read_tensors(REFERENCE / "bert")
    assert stored.keys() == expected.keys()
    for name, tensor in stored.items():
        assert tensor.dtype == "BF16"
        assert (tensor.read() == expected[name]).all()


def test_quantised_weights_are_refused(tmp_path: Path) -> None:
    write(tmp_path, {"x": numpy.zeros(3, numpy.int8)})
    with pytest.raises(CheckpointError, match="the tensor x has a type that is not supported") as caught:
        read_headers(tmp_path)["x"].read()
    assert caught.value.received == "I8"


def test_shards_are_one_set_of_tensors(tmp_path: Path) -> None:
    tensors = read_tensors(REFERENCE / "bert")
    write_shards(tmp_path, tensors)
    stored = read_headers(tmp_path)
    assert len(weight_files(tmp_path)) == 3
    assert stored.keys() == tensors.keys()
    assert all((stored[name].read() == tensors[name]).all() for name in tensors)


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    write_shards(tmp_path, {name: numpy.zeros(2, numpy.float32) for name in "abc"})
    (tmp_path / "model-00002-of-00003.safetensors").unlink()
    error = refused(tmp_path)
    assert "a part of the weights is missing" in error.message
    assert error.received == "no model-00002-of-00003.safetensors"


def test_a_tensor_of_the_index_that_no_shard_has_is_named(tmp_path: Path) -> None:
    write_shards(tmp_path, {name: numpy.zeros(2, numpy.float32) for name in "abc"})
    index = json.loads((tmp_path / INDEX).read_text())
    index["weight_map"]["d"] = "model-00001-of-00003.safetensors"
    (tmp_path / INDEX).write_text(json.dumps(index))
    error = refused(tmp_path)
    assert "tensors are missing from the files" in error.message
    assert error.received == "no d"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"weight_map": {}}',
        '{"weight_map": {"x": 3}}',
        '{"weight_map": {"x": "../../x"}}',
        '{"weight_map": {"x": "' + "x" * 300 + '"}}',
        r'{"weight_map": {"x": "\u0000"}}',
        '{"weight_map": {"x": "' + "x" * (9 << 20) + '"}}',
    ],
)
def test_a_broken_index(tmp_path: Path, text: str) -> None:
    (tmp_path / INDEX).write_text(text)
    error = refused(tmp_path)
    assert "the index of the weights cannot be read" in error.message
    assert error.received


def test_few_of_many_missing_files_are_named(tmp_path: Path) -> None:
    files = {str(number): f"model-{number:05}-of-99999.safetensors" for number in range(30_000)}
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": files}))
    assert refused(tmp_path).received.endswith("model-00019-of-99999.safetensors and 29,980 more")


def test_a_header_larger_than_any_is_not_read(tmp_path: Path) -> None:
    header = b'{"__metadata__":{"a":"' + b"x" * (5 << 20) + b'"}}'
    (tmp_path / WEIGHTS).write_bytes(len(header).to_bytes(8, "little") + header)
    assert "a header of 5,242,905 bytes" in refused(tmp_path).received


def test_one_file_is_preferred_to_an_index(tmp_path: Path) -> None:
    write(tmp_path, {"x": numpy.zeros(1, numpy.float32)})
    (tmp_path / INDEX).write_text("not read")
    assert list(read_headers(tmp_path)) == ["x"]


def test_a_shard_that_is_cut_off(tmp_path: Path) -> None:
    write_shards(tmp_path, {name: numpy.zeros(200, numpy.float32) for name in "abc"})
    shard = tmp_path / "model-00003-of-00003.safetensors"
    shard.write_bytes(shard.read_bytes()[:-1])
    assert "model-00003-of-00003.safetensors: the weights cannot be read" in refused(tmp_path).message


def some_tensors() -> dict[str, Any]:
    generator = numpy.random.default_rng(1)
    shapes = {"b.weight": (3, 5), "a": (2,), "none": (0, 4), "one": ()}
    return {name: generator.normal(size=shape).astype(numpy.float32) for name, shape in shapes.items()}


def shapes_of(tensors: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    return {name: tensor.shape for name, tensor in tensors.items()}


def test_what_is_written_is_read_by_the_library(tmp_path: Path) -> None:
    tensors, path = some_tensors(), tmp_path / "model.safetensors"
    tensors["turned"] = tensors["b.weight"].T  # not contiguous
    write_tensors(path, shapes_of(tensors), reversed(tensors.items()))
    read = safetensors.numpy.load_file(path)
    assert read.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert read[name].dtype == numpy.float32
        numpy.testing.assert_array_equal(read[name], tensor, err_msg=name)
    with safetensors.safe_open(path, framework="numpy") as file:
        assert file.metadata() == {"format": "pt"}


def test_a_file_is_written_of_all_its_tensors_alone(tmp_path: Path) -> None:
    tensors, path = some_tensors(), tmp_path / "model.safetensors"
    shapes = shapes_of(tensors)
    with pytest.raises(ValueError, match=r"no a, one came"):
        write_tensors(path, shapes, ((name, tensors[name]) for name in ("none", "b.weight")))
    with pytest.raises(ValueError, match=r"b.weight \(5, 3\) came, where \(3, 5\) belongs"):
        write_tensors(path, shapes, [("b.weight", tensors["b.weight"].T)])
    with pytest.raises(ValueError, match=r"a \(2,\) came"):
        write_tensors(path, shapes, [("a", tensors["a"]), ("a", tensors["a"])])
    with pytest.raises(ValueError, match=r"new \(2,\) came, where None belongs"):
        write_tensors(path, shapes, [("new", tensors["a"])])
