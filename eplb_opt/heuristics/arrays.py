# mypy: disable-error-code="arg-type,union-attr,no-any-return,call-overload"
# Where two libraries meet: the kind of one argument tells that of all, which types cannot say. Callers are checked.
"""numpy arrays on the CPU, torch tensors on other devices: one text for both, in the Python array API's names.

The heuristic's arrays are small, so starting an operation costs about as much as the operation itself; numpy starts and
sorts faster than torch (a step by both: ``python -m benchmarks.phases``), and its operations here wait for no other
thread. Operators, slices, ``reshape``, ``T`` and ``shape`` are the same for both kinds; so are the results, which rest
on integers and on single rounded operations. A tensor on the CPU is computed with torch, as one on any other device.

The standard's wrapper, array-api-compat, would check what is known here and copy where memory may be used again, which
is most of such an operation's time. Two functions differ from the standard's for that reason: `clip` and `sort` take
over their argument's memory, so they are given what nobody reads afterwards. What the standard lacks is below the rest.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch

Numpy: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]] | torch.Tensor"
Device: TypeAlias = "torch.device | None"  # of a tensor; None: numpy


class Dtype(NamedTuple):
    """A type of numbers, as either library calls it."""

    numpy: np.dtype[Any]
    torch: torch.dtype


int32 = Dtype(np.dtype(np.int32), torch.int32)
int64 = Dtype(np.dtype(np.int64), torch.int64)
float32 = Dtype(np.dtype(np.float32), torch.float32)
float64 = Dtype(np.dtype(np.float64), torch.float64)


def device(array: Array) -> Device:
    """Where an array lies: the standard's attribute of that name, but None for numpy's."""
    return None if isinstance(array, np.ndarray) else array.device


# Creation.


def asarray(array: Numpy, at: Device) -> Array:
    """An array of this kind, on this device, which it waits for: of the CPU's results, and of tables made once."""
    return array if at is None else torch.from_numpy(array).to(at)


@functools.cache  # as all tables that steps read: graphs that were captured with them read them again
def arange(start: int, stop: int, at: Device) -> Array:
    """int64; made once, so not to be written to."""
    return asarray(np.arange(start, stop), at)


def empty(shape: Sequence[int], dtype: Dtype, at: Device) -> Array:
    """Room for numbers."""
    return (
        np.empty(shape, dtype.numpy)
        if at is None
        else torch.empty(tuple(shape), dtype=dtype.torch, device=at)
    )


# Types and shapes.


def astype(array: Array, dtype: Dtype) -> Array:
    """The numbers in another type, towards zero; the array itself, if that is its type."""
    return (
        array.astype(dtype.numpy, copy=False)
        if isinstance(array, np.ndarray)
        else array.to(dtype.torch)
    )


def permute_dims(array: Array, axes: tuple[int, ...]) -> Array:
    """The axes in another order."""
    return (
        array.transpose(axes) if isinstance(array, np.ndarray) else array.permute(axes)
    )


def concat(arrays: Sequence[Array], axis: int) -> Array:
    """One after the other."""
    return (
        np.concatenate(arrays, axis)
        if isinstance(arrays[0], np.ndarray)
        else torch.cat(tuple(arrays), axis)
    )


def stack(arrays: Sequence[Array]) -> Array:
    """Along a new first axis."""
    return (
        np.stack(arrays)
        if isinstance(arrays[0], np.ndarray)
        else torch.stack(tuple(arrays))
    )


def tile(array: Array, repetitions: tuple[int, ...]) -> Array:
    """The array again and again along each axis."""
    return (
        np.tile(array, repetitions)
        if isinstance(array, np.ndarray)
        else array.repeat(repetitions)
    )


def flip(array: Array) -> Array:
    """The last axis backwards (the standard's: all, unless told)."""
    return array[..., ::-1] if isinstance(array, np.ndarray) else array.flip(-1)


# Number by number.


def where(condition: Array, yes: Array | float, no: Array | float) -> Array:
    """``yes`` where the condition holds, else ``no``."""
    return (
        np.where(condition, yes, no)
        if isinstance(condition, np.ndarray)
        else torch.where(condition, yes, no)
    )


def abs(array: Array) -> Array:  # noqa: A001
    """Without the sign."""
    return np.abs(array) if isinstance(array, np.ndarray) else array.abs()


def round(array: Array) -> Array:  # noqa: A001
    """To the nearest integer, ties to even."""
    return np.rint(array) if isinstance(array, np.ndarray) else array.round()


def clip(array: Array, low: float, high: float) -> Array:
    """The numbers brought between two bounds, in the memory of the argument."""
    if isinstance(array, np.ndarray):
        np.maximum(array, low, out=array)
        return np.minimum(array, high, out=array)
    return array.clamp_(low, high)


def maximum(one: Array, other: Array) -> Array:
    """The larger of two."""
    return (
        np.maximum(one, other)
        if isinstance(one, np.ndarray)
        else torch.maximum(one, other)
    )


def minimum(one: Array, other: Array) -> Array:
    """The smaller of two."""
    return (
        np.minimum(one, other)
        if isinstance(one, np.ndarray)
        else torch.minimum(one, other)
    )


def divide(vector: Array, number: int) -> Array:
    """``vector / number``, rounded once: by a number that is no tensor, CUDA multiplies with the rounded reciprocal."""
    return vector / (
        number
        if isinstance(vector, np.ndarray)
        else arange(number, number + 1, vector.device)
    )


def add(one: Array, other: Array, out: Array) -> None:
    """``one + other``, into an array that is there."""
    (np.add if isinstance(out, np.ndarray) else torch.add)(one, other, out=out)


def subtract(one: Array, other: Array, out: Array) -> None:
    """``one - other``, into an array that is there."""
    (np.subtract if isinstance(out, np.ndarray) else torch.sub)(one, other, out=out)


# Along an axis.


def sum(array: Array, axis: int, dtype: Dtype) -> Array:  # noqa: A001
    """Sum over an axis, in the type given."""
    if isinstance(array, np.ndarray):
        return np.add.reduce(array, axis, dtype.numpy)
    return array.sum(axis, dtype=dtype.torch)


def cumulative_sum(array: Array, axis: int, dtype: Dtype) -> Array:
    """Sums along an axis up to here, in the type given."""
    if isinstance(array, np.ndarray):
        return np.add.accumulate(array, axis, dtype.numpy)
    return array.cumsum(axis, dtype=dtype.torch)


def cumulative_prod(array: Array, axis: int, dtype: Dtype) -> Array:
    """Products along an axis up to here, in the type given."""
    if isinstance(array, np.ndarray):
        return np.multiply.accumulate(array, axis, dtype.numpy)
    return array.cumprod(axis, dtype=dtype.torch)


def max(array: Array, axis: int) -> Array:  # noqa: A001
    """Largest along an axis."""
    return (
        np.maximum.reduce(array, axis)
        if isinstance(array, np.ndarray)
        else array.amax(axis)
    )


def min(array: Array, axis: int) -> Array:  # noqa: A001
    """Smallest along an axis."""
    return (
        np.minimum.reduce(array, axis)
        if isinstance(array, np.ndarray)
        else array.amin(axis)
    )


def argmin(array: Array, axis: int) -> Array:
    """Where the smallest number along an axis is first, int64."""
    return array.argmin(axis)


def sort(keys: Array) -> Array:
    """The last axis in ascending order, in numpy in the memory of the argument."""
    if isinstance(keys, np.ndarray):
        keys.sort(-1)
        return keys
    return torch.sort(keys, dim=-1).values


def take(array: Array, index: Array, axis: int) -> Array:
    """Entries of an axis by their numbers (one axis of int64)."""
    if isinstance(array, np.ndarray):
        # Indices are valid; clipping is faster than raising.
        return array.take(index, axis, mode="clip")
    return array.index_select(axis, index)


def take_along_axis(array: Array, index: Array, axis: int = -1) -> Array:
    """Of each row of a matrix ``array[i, index[i, j]]``, or, with axis 0, of each column ``array[index[i, j], j]``."""
    if not isinstance(array, np.ndarray):
        return array.gather(axis, index)
    rows, columns = array.shape
    flat = array.reshape(-1)
    if axis == 0:
        return flat.take(index * columns + arange(0, columns, None), mode="clip")
    return flat.take(index + (np.arange(rows) * columns)[:, None], mode="clip")


def matmul(matrix: Array, other: Array) -> Array:
    """Matrix product of float32 tensors (numpy's would start a library's threads) whose sums are exact in float32.

    In float64 on CUDA, where a process may have allowed TF32.
    """
    if matrix.is_cuda:
        return (matrix.to(torch.float64) @ other.to(torch.float64)).to(torch.float32)
    return matrix @ other


# What the standard lacks.


def floats(array: Array) -> Array:
    """The numbers as float64, row after row in memory: the array itself, if that is what it is.

    What is given here comes from callers, in any type and memory order; the standard's ``asarray`` keeps the latter.
    """
    if isinstance(array, torch.Tensor):
        return array.detach().to(torch.float64).contiguous()
    return np.ascontiguousarray(array, np.float64)


def to_numpy(array: Array) -> Numpy:
    """The same numbers in numpy, on the CPU, without a copy if they are there: the standard has no other library."""
    return array if isinstance(array, np.ndarray) else array.cpu().numpy()


def reinterpreted(array: Array, dtype: Dtype) -> Array:
    """The same bits read as another type: the standard knows numbers only, no bits of them."""
    return (
        array.view(dtype.numpy)
        if isinstance(array, np.ndarray)
        else array.view(dtype.torch)
    )


def contiguous(array: Array) -> Array:
    """In memory in the order of its axes, which the standard leaves open: what follows is faster, or needs it."""
    return (
        np.ascontiguousarray(array)
        if isinstance(array, np.ndarray)
        else array.contiguous()
    )


def put(array: Array, index: Array, values: Array) -> None:
    """Write columns of a matrix by their numbers, all different: the standard writes by slices and masks only."""
    if isinstance(array, np.ndarray):
        array[:, index] = values
    else:
        array.index_copy_(1, index, values)


def scatter(array: Array, index: Array, values: Array) -> None:
    """Write entries of a vector by their numbers, all different: see `put`."""
    if isinstance(array, np.ndarray):
        array[index.reshape(-1)] = values.reshape(-1)
    else:
        array.scatter_(0, index.view(-1), values.view(-1))


def bincount(index: Array, columns: int, values: Array | None = None) -> Array:
    """How often each number below ``columns`` is in each row of a matrix, float64 [rows, columns].

    Or the sum of ``values`` [rows, any] there, integers. The standard counts in one vector only, and sorts for it.
    """
    rows = len(index)
    if isinstance(index, np.ndarray):
        flat = (index + (np.arange(rows) * columns)[:, None]).reshape(-1)
        weights = None if values is None else values.reshape(-1)
        return (
            np.bincount(flat, weights, rows * columns)
            .reshape(rows, columns)
            .astype(np.float64, copy=False)
        )
    counts = torch.zeros((rows, columns), dtype=torch.float64, device=index.device)
    if values is None:
        return counts.scatter_add_(1, index, counts.new_ones(()).expand_as(index))
    return counts.scatter_add_(1, index, values.to(torch.float64))


def count_within(ordered: Array, most: Array) -> Array:
    """How many numbers of an ascending vector are at most each of ``most``, int64, in its shape."""
    if isinstance(ordered, np.ndarray):
        return np.searchsorted(ordered, most, side="right")
    return torch.searchsorted(ordered, most, right=True)


def last_true(array: Array) -> Array:
    """Where along the last axis the last True is, int64; there is one: the standard's ``argmax`` finds the first."""
    size = array.shape[-1]
    if isinstance(array, np.ndarray):
        return size - 1 - array[..., ::-1].argmax(-1)
    return (array * arange(0, size, array.device)).amax(-1)
