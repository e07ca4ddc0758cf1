"""Errors of memory, in the words in which the libraries have been seen to tell them."""

from __future__ import annotations

import errno
import os

import pytest

from glueft.system.memory_errors import NoMemory, no_memory

JAX = [
    "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 4770354232 bytes.\nBufferAssignment OOM Debugging.",
    "RESOURCE_EXHAUSTED: Failed to allocate request for 2.99GiB (3206250496B) on device ordinal 0",
    "RESOURCE_EXHAUSTED: Out of memory allocating 400000000000000 bytes.",
    "RESOURCE_EXHAUSTED: Failed to load in-memory CUBIN (compiled for a different GPU?).: CUDA_ERROR_OUT_OF_MEMORY: "
    "out of memory",
    "RESOURCE_EXHAUSTED: XLA:TPU compile permanent error. Ran out of memory in memory space hbm.",
    "Execution of replica 0 failed: Resource exhausted: Out of memory while trying to allocate 5520758552 bytes.",
    "INTERNAL: Failed to create cublas handle: CUBLAS_STATUS_ALLOC_FAILED",
]
TENSORFLOW = [
    "Graph execution error:\n\nDetected at node gradients/mul defined at (most recent call last):\n\n"
    "OOM when allocating tensor with shape[32,12,512,512] and type float on "
    "/job:localhost/replica:0/task:0/device:GPU:0 by allocator GPU_0_bfc\n\t [[{{node gradients/mul}}]]",
    "{{function_node __wrapped__Fill_device_/job:localhost/replica:0/task:0/device:CPU:0}} OOM when allocating tensor "
    "with shape[10000000,10000000] and type float on /job:localhost/replica:0/task:0/device:CPU:0 by allocator "
    "mklcpu [Op:Fill] name: ",
    "failed to allocate memory [Op:AddV2]",
    "Failed copying input tensor from CPU:0 to GPU:0 in order to run _EagerConst: Dst tensor is not initialized.",
]
TORCH = [
    "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 23.65 GiB of which 11.06 MiB is "
    "free. Including non-PyTorch memory, this process has 23.60 GiB memory in use.",
    "CUDA error: out of memory",
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
]
# Of the machine itself, also where a GPU computes.
OF_MACHINE = [
    RuntimeError(
        "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to "
        "allocate 4000000000000000 bytes. Error code 12 (Cannot allocate memory)"
    ),
    RuntimeError("std::bad_alloc"),
    MemoryError("Unable to allocate 7.11 PiB for an array with shape (1000000000000000,) and data type float64"),
    MemoryError(),
    OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)),
]
# They have other causes too.
LIKELY = [
    "FAILED_PRECONDITION: DNN library initialization failed. Look at the errors above for more details.",
    "INTERNAL: CUDNN_STATUS_INTERNAL_ERROR",
    "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
    "Blas GEMM launch failed : a.shape=(9, 9), b.shape=(9, 256), m=9, n=256, k=9",
    "Attempting to perform BLAS operation using StreamExecutor without BLAS support",
]
OTHER = [
    "RESOURCE_EXHAUSTED: Received message larger than max (5000000 vs. 4194304)",
    "INVALID_ARGUMENT: shapes do not match",
    "no memory of it",
    "",
]


@pytest.mark.parametrize("text", JAX + TENSORFLOW + TORCH)
def test_memory_of_the_device(text: str) -> None:
    said = no_memory(RuntimeError(text))
    assert said is not None and said.sure and not said.of_machine and said.message == "memory ran out"
    assert said.line in text.replace("\t", "") and "\n" not in said.line and len(said.line) <= 200
    assert any(word in said.line.lower() for word in ("memory", "alloc", "initialized"))


@pytest.mark.parametrize("error", OF_MACHINE, ids=str)
def test_memory_of_the_machine(error: Exception) -> None:
    said = no_memory(error)
    assert said is not None and said.of_machine and said.line


@pytest.mark.parametrize("text", LIKELY)
def test_a_library_that_could_not_begin(text: str) -> None:
    assert no_memory(RuntimeError(text)) == NoMemory(text, sure=False)
    assert "most often because its memory ran out" in NoMemory(text, sure=False).message
    assert "`glueft env`" in NoMemory(text, sure=False).or_else("") and NoMemory(text).or_else("less") == "less"


@pytest.mark.parametrize("text", OTHER)
def test_other_errors(text: str) -> None:
    assert no_memory(RuntimeError(text)) is None


def test_words_of_a_value() -> None:
    assert no_memory(ValueError("could not convert string to float: 'CUDA out of memory'")) is None
    assert no_memory(KeyError("CUDA out of memory")) is None
