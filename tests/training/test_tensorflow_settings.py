"""What TensorFlow is told before it is imported, each in a process of its own."""

from __future__ import annotations

import sys

import pytest

from python_process import run_python

PREPARED = "from glueft.training.tensorflow_settings import prepare_tensorflow; prepare_tensorflow()"

# Blocks taken and freed by a thread, as those of TensorFlow do it in each step.
PAGES_OF_A_STEP = """
import ctypes, json, resource, threading
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes, libc.memset.argtypes = [ctypes.c_void_p], [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]

def step():
    blocks = [libc.malloc(100 << 10) for _ in range(400)]
    for block in blocks:
        libc.memset(block, 1, 100 << 10)
    for block in blocks:
        libc.free(block)

def steps():
    step()
    step()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        step()
    print(json.dumps((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 5))

thread = threading.Thread(target=steps)
thread.start()
thread.join()
"""

ONEDNN_IN_USE = """
import json
from glueft.training.tensorflow_settings import onednn_setting
from tensorflow.python.util import _pywrap_util_port
print(json.dumps([onednn_setting(), _pywrap_util_port.IsMklEnabled()]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's mallopt")
def test_a_step_gets_the_memory_of_the_step_before_it() -> None:
    pages = 400 * (100 << 10) // 4096
    assert run_python(PAGES_OF_A_STEP) > pages / 2, "glibc keeps such heaps by itself now: the setting may go"
    assert run_python(f"{PREPARED}\n{PAGES_OF_A_STEP}") < pages / 100


@pytest.mark.parametrize(
    ("environment", "setting"),
    [
        ({}, "1"),
        ({"TF_ENABLE_ONEDNN_OPTS": "0"}, "0"),
        pytest.param({"TF_ENABLE_ONEDNN_OPTS": "1"}, "1", marks=pytest.mark.slow),
    ],
)
def test_onednn_is_used_unless_the_user_says_no(environment: dict[str, str], setting: str) -> None:
    assert run_python(PREPARED + ONEDNN_IN_USE, **environment) == [setting, setting == "1"]


@pytest.mark.slow
def test_a_tensorflow_that_is_imported_already_is_left_alone() -> None:
    code = f"import tensorflow\n{PREPARED}\nimport json, os\nprint(json.dumps(os.environ.get('TF_ENABLE_ONEDNN_OPTS')))"
    assert run_python(code) is None


def test_other_backends_are_left_alone() -> None:
    code = f"{PREPARED}\nfrom glueft.training.tensorflow_settings import onednn_setting\nimport json, os\n"
    code += "print(json.dumps([os.environ.get('TF_ENABLE_ONEDNN_OPTS'), onednn_setting()]))"
    assert run_python(code, KERAS_BACKEND="jax") == [None, None]
