"""Whether an error of a library says that memory ran out, of the machine or of a GPU.

Importing this module imports no framework.
"""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass

# What the libraries say. Each has its own exception, or none: JAX raises a JaxRuntimeError for everything.
_SURE = re.compile(
    r"OOM when allocating|failed to allocate memory|Dst tensor is not initialized"  # TensorFlow
    r"|RESOURCE_EXHAUSTED:.*(memory|allocat|bytes)|Resource exhausted:.*(memory|allocat)"  # XLA; gRPC's is of messages
    r"|Failed to allocate request for|Out of memory (while trying to allocate|allocating)"
    r"|CUDA_ERROR_OUT_OF_MEMORY|cudaErrorMemoryAllocation|CUDA error: out of memory"  # the driver
    r"|CU(BLAS|DNN|SOLVER|SPARSE|FFT)_STATUS_ALLOC_FAILED"
    r"|(CUDA|MPS|HIP) (backend )?out of memory",  # PyTorch
    re.IGNORECASE,
)
_OF_MACHINE = re.compile(
    r"std::bad_alloc|Cannot allocate memory|DefaultCPUAllocator: (can't allocate|not enough) memory"
)
# What they say where they cannot begin, for want of memory as a rule, and seldom because of the driver.
_LIKELY = re.compile(
    r"CU(BLAS|DNN|SOLVER|SPARSE)_STATUS_NOT_INITIALIZED|CUDNN_STATUS_INTERNAL_ERROR"
    r"|DNN library initialization failed|DNN library is not found|Blas \w+ launch failed"
    r"|without BLAS support|cusolverDnCreate|cublasCreate|Failed to get convolution algorithm"
)
# They tell of values, such as of the text of a row, in whatever words that has.
_OF_VALUES = (ValueError, TypeError, LookupError, AttributeError, AssertionError)
LONGEST_LINE = 200


@dataclass(frozen=True)
class NoMemory:
    """What an error says of it.

    Attributes:
        line: the library's own words, one line.
        sure: whether it is memory for sure.
        of_machine: whether it is main memory for sure, also where a GPU computes.
    """

    line: str
    sure: bool = True
    of_machine: bool = False

    @property
    def message(self) -> str:
        """How a message of glueft's own begins."""
        if self.sure:
            return "memory ran out"
        return "a library of the GPU could not begin, most often because its memory ran out"

    def or_else(self, fix: str) -> str:
        """Return how the memory is made to be enough, and what else may be the cause."""
        return fix if self.sure else f"{fix}; or look at `glueft env`, which tells of libraries that do not fit the GPU"


def no_memory(error: BaseException) -> NoMemory | None:
    """Return what an error says of memory that ran out; None if it says nothing of the kind."""
    lines = [line.strip()[:LONGEST_LINE] for line in str(error).splitlines() if line.strip()]
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return NoMemory((lines or [type(error).__name__])[0], of_machine=True)
    if isinstance(error, _OF_VALUES):
        return None
    for pattern, kind in ((_OF_MACHINE, {"of_machine": True}), (_SURE, {}), (_LIKELY, {"sure": False})):
        for line in lines:
            if pattern.search(line):
                return NoMemory(line, **kind)
    return None
