"""numpy arrays on the CPU, torch tensors on other devices: what the two call differently, under one name.

The heuristic's arrays are small, so starting an operation costs about as much as the operation itself; numpy starts and
sorts faster than torch (a step by both: ``python -m benchmarks.phases``), and its operations here wait for no other
thread. Operators, slices, ``reshape``, ``T`` and ``shape`` are the same for both kinds; so are the results, which rest
on integers and on single rounded operations. A tensor on the CPU is computed with torch, as one on any other device.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import torch

Array: TypeAlias = Any  # numpy.ndarray or torch.Tensor
Place: TypeAlias = "torch.device | None"  # of a tensor; None: numpy
INT32, INT64 = (np.int32, torch.int32), (np.int64, torch.int64)
FLOAT32, FLOAT64 = (np.float32, torch.float32), (np.float64, torch.float64)


def place(array: Array) -> Place:
    """Where an array lies."""
    return None if isinstance(array, np.ndarray) else array.device


def constant(array: np.ndarray[Any, Any], at: Place) -> Array:
    """An array of this kind, on this device, which it waits for: of the CPU's results, and of tables made once."""
    return array if at is None else torch.from_numpy(array).to(at)


def floats(array: Array) -> Array:
    """The numbers as float64, row after row in memory: the array itself, if that is what it is."""
    if isinstance(array, torch.Tensor):
        return array.detach().to(torch.float64).contiguous()
    return np.ascontiguousarray(array, np.float64)


def to_numpy(array: Array) -> np.ndarray[Any, Any]:
    """The same numbers in numpy, on the CPU; without a copy, if they are there."""
    return array if isinstance(array, np.ndarray) else array.cpu().numpy()


@functools.cache  # as all tables that steps read: graphs that were captured with them read them again
def arange(number: int, at: Place, start: int = 0) -> Array:
    """int64; made once, so not to be written to."""
    return constant(np.arange(start, start + number), at)


def empty(shape: Sequence[int], dtype: Any, at: Place) -> Array:
    """Room for numbers."""
    return np.empty(shape, dtype[0]) if at is None else torch.empty(tuple(shape), dtype=dtype[1], device=at)


def cast(array: Array, dtype: Any) -> Array:
    """The numbers in another type, towards zero; the array itself, if that is its type."""
    return array.astype(dtype[0], copy=False) if isinstance(array, np.ndarray) else array.to(dtype[1])


def pattern(array: Array, dtype: Any) -> Array:
    """The same bits read as another type."""
    return array.view(dtype[0] if isinstance(array, np.ndarray) else dtype[1])


def contiguous(array: Array) -> Array:
    """In memory in the order of its axes."""
    return np.ascontiguousarray(array) if isinstance(array, np.ndarray) else array.contiguous()


def reversed_axes(array: Array) -> Array:
    """The last axis first."""
    return array.T if isinstance(array, np.ndarray) else array.permute(*range(array.ndim - 1, -1, -1))


def concat(arrays: Sequence[Array], axis: int) -> Array:
    """One after the other."""
    return np.concatenate(arrays, axis) if isinstance(arrays[0], np.ndarray) else torch.cat(tuple(arrays), axis)


def stack(arrays: Sequence[Array]) -> Array:
    """Along a new first axis."""
    return np.stack(arrays) if isinstance(arrays[0], np.ndarray) else torch.stack(tuple(arrays))


def repeat(array: Array, times: int) -> Array:
    """Rows of a matrix, all of them again and again."""
    return np.tile(array, (times, 1)) if isinstance(array, np.ndarray) else array.repeat(times, 1)


def flip(array: Array) -> Array:
    """The last axis backwards."""
    return array[..., ::-1] if isinstance(array, np.ndarray) else array.flip(-1)


def where(condition: Array, yes: Array, no: Array) -> Array:
    """``yes`` where the condition holds, else ``no``."""
    return np.where(condition, yes, no) if isinstance(condition, np.ndarray) else torch.where(condition, yes, no)


def rounded(array: Array) -> Array:
    """To the nearest integer, ties to even."""
    return np.rint(array) if isinstance(array, np.ndarray) else array.round()


def clip(array: Array, low: float, high: float) -> Array:
    """Bring the numbers between two bounds, in place."""
    if isinstance(array, np.ndarray):
        np.maximum(array, low, out=array)
        return np.minimum(array, high, out=array)
    return array.clamp_(low, high)


def total(array: Array, axis: int) -> Array:
    """Sum over an axis, int32."""
    if isinstance(array, np.ndarray):
        return np.add.reduce(array, axis, np.int32)
    return array.sum(axis, dtype=torch.int32)


def running(array: Array) -> Array:
    """Sums along the last axis up to here, int32."""
    if isinstance(array, np.ndarray):
        return np.add.accumulate(array, -1, np.int32)
    return array.cumsum(-1, dtype=torch.int32)


def greatest(array: Array, axis: int) -> Array:
    """Largest along an axis."""
    return np.maximum.reduce(array, axis) if isinstance(array, np.ndarray) else array.amax(axis)


def least(array: Array, axis: int) -> Array:
    """Smallest along an axis."""
    return np.minimum.reduce(array, axis) if isinstance(array, np.ndarray) else array.amin(axis)


def first_least(array: Array) -> Array:
    """Where the smallest number of each row of a matrix is first, int64."""
    return array.argmin(1)


def divided(vector: Array, number: int) -> Array:
    """``vector / number``, rounded once: by a number that is no tensor, CUDA multiplies with the rounded reciprocal."""
    return vector / (number if isinstance(vector, np.ndarray) else arange(1, place(vector), number))


def larger(one: Array, other: Array) -> Array:
    """The larger of two, number by number."""
    return np.maximum(one, other) if isinstance(one, np.ndarray) else torch.maximum(one, other)


def lesser(one: Array, other: Array) -> Array:
    """The smaller of two, number by number."""
    return np.minimum(one, other) if isinstance(one, np.ndarray) else torch.minimum(one, other)


def sort_rows(keys: Array) -> Array:
    """The last axis in ascending order; numpy sorts in place."""
    if isinstance(keys, np.ndarray):
        keys.sort(-1)
        return keys
    return torch.sort(keys, dim=-1).values


def take(array: Array, index: Array, axis: int) -> Array:
    """Entries of an axis by their numbers (one axis of int64)."""
    if isinstance(array, np.ndarray):
        return array.take(index, axis, mode="clip")
    return array.index_select(axis, index)


def take_rows(array: Array, index: Array) -> Array:
    """Of each row of a matrix the entries with these numbers: ``array[i, index[i, j]]``."""
    if isinstance(array, np.ndarray):
        rows, columns = array.shape
        return array.reshape(-1).take(index + (np.arange(rows) * columns)[:, None], mode="clip")
    return array.gather(1, index)


def take_columns(array: Array, index: Array) -> Array:
    """Of each column of a matrix the entries with these numbers: ``array[index[i, j], j]``."""
    if isinstance(array, np.ndarray):
        columns = array.shape[1]
        return array.reshape(-1).take(index * columns + arange(columns, None), mode="clip")
    return array.gather(0, index)


def put(array: Array, index: Array, values: Array) -> None:
    """Write columns of a matrix by their numbers, all different."""
    if isinstance(array, np.ndarray):
        array[:, index] = values
    else:
        array.index_copy_(1, index, values)


def scatter(array: Array, index: Array, values: Array) -> None:
    """Write entries of a vector by their numbers, all different."""
    if isinstance(array, np.ndarray):
        array[index.reshape(-1)] = values.reshape(-1)
    else:
        array.scatter_(0, index.view(-1), values.view(-1))


def counted(index: Array, columns: int, values: Array | None = None) -> Array:
    """How often each number below ``columns`` is in each row of a matrix, float64 [rows, columns].

    Or the sum of ``values`` [rows, any] there, integers.
    """
    rows, at = len(index), place(index)
    if at is None:
        flat = (index + (np.arange(rows) * columns)[:, None]).reshape(-1)
        weights = None if values is None else values.reshape(-1)
        return np.bincount(flat, weights, rows * columns).reshape(rows, columns).astype(np.float64, copy=False)
    one = torch.ones((), dtype=torch.float64, device=at).expand_as(index) if values is None else values
    return torch.zeros((rows, columns), dtype=torch.float64, device=at).scatter_add_(1, index, one.to(torch.float64))


def last_true(array: Array) -> Array:
    """Where along the last axis the last True is, int64; there is one."""
    size = array.shape[-1]
    if isinstance(array, np.ndarray):
        return size - 1 - array[..., ::-1].argmax(-1)
    return (array * arange(size, place(array))).amax(-1)


def product(matrix: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Matrix product of float32 tensors whose sums are exact in float32.

    In float64 on CUDA, where a process may have allowed TF32.
    """
    if matrix.is_cuda:
        return (matrix.to(torch.float64) @ other.to(torch.float64)).to(torch.float32)
    return matrix @ other


def add(one: Array, other: Array, out: Array) -> None:
    """``one + other`` into an array that is there."""
    (np.add if isinstance(out, np.ndarray) else torch.add)(one, other, out=out)


def subtract(one: Array, other: Array, out: Array) -> None:
    """``one - other`` into an array that is there."""
    (np.subtract if isinstance(out, np.ndarray) else torch.sub)(one, other, out=out)
