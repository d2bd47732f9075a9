"""The formats: their records in one tuple, and what is known of them by name."""

from __future__ import annotations

from pathlib import Path

from ..errors import FormatError, did_you_mean
from . import (
    esft,
    fastdeploy,
    hygon,
    lightllm,
    llama_cpp,
    lmdeploy,
    megatron,
    plain,
    plumb,
    recordings,
    routed_experts,
    sglang,
    tensorrt_llm,
    vllm,
    vllm_ascend,
    vllm_static,
)
from .format import Format, Need

# In the order of asking and of help texts; plain takes whatever no engine claims. A new format is one line here.
FORMATS: tuple[Format, ...] = (
    sglang.FORMAT,
    vllm.FORMAT,
    vllm_ascend.FORMAT,
    vllm_static.FORMAT,
    hygon.FORMAT,
    tensorrt_llm.FORMAT,
    lmdeploy.FORMAT,
    fastdeploy.FORMAT,
    lightllm.FORMAT,
    plumb.FORMAT,
    recordings.FORMAT,
    routed_experts.FORMAT,
    megatron.FORMAT,
    esft.FORMAT,
    llama_cpp.FORMAT,
    plain.FORMAT,
    plain.NPZ,
    plain.JSON,
)


def input_formats() -> tuple[str, ...]:
    """Names of the formats that are read.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> from eplb_opt.formats import input_formats
    >>> input_formats()[:3]
    ('sglang', 'vllm', 'vllm-ascend')
    """
    return tuple(record.name for record in FORMATS if record.is_read)


def output_formats() -> tuple[str, ...]:
    """Names of the formats that are written.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> from eplb_opt.formats import output_formats
    >>> output_formats()
    ('sglang', 'vllm', 'vllm-ascend', 'vllm-lists', 'hygon', 'tensorrt-llm', 'lmdeploy', 'npz', 'json')
    """
    return tuple(record.name for record in FORMATS if record.is_written)


def formats_that_need(need: Need) -> tuple[str, ...]:
    """Names of the formats that need something to be written.

    Parameters
    ----------
    need : Need

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> from eplb_opt.formats import Need, formats_that_need
    >>> formats_that_need(Need.RANKS)
    ('vllm-ascend',)
    """
    return tuple(record.name for record in FORMATS if need in record.needs)


def format_named(name: str) -> Format:
    """The record of a format.

    Parameters
    ----------
    name : str
        One of `input_formats` or `output_formats`.

    Returns
    -------
    Format

    Raises
    ------
    FormatError
        No format has this name.

    Examples
    --------
    >>> from eplb_opt.formats import format_named
    >>> format_named("npz").endings
    ('npz',)
    """
    for record in FORMATS:
        if record.name == name:
            return record
    names = [record.name for record in FORMATS]
    near = did_you_mean(name, names) or ":"
    raise FormatError(f"no format {name!r}{near} use {' or '.join(names)}")


def output_format(path: str | Path, name: str | None = None) -> str:
    """The format to write in: the one named, or the one that the file's ending chooses.

    Parameters
    ----------
    path : str or Path
        The file to write.
    name : str, optional
        One of `output_formats`.

    Returns
    -------
    str
        One of `output_formats`.

    Raises
    ------
    FormatError
        Neither names a format we write.

    Examples
    --------
    >>> from eplb_opt.formats import output_format
    >>> output_format("map.npz")
    'npz'
    >>> output_format("map.json", "sglang")
    'sglang'
    """
    ending = Path(path).suffix.lower().lstrip(".")
    for record in FORMATS:
        is_chosen = record.name == name if name else ending in record.endings
        if is_chosen and record.is_written:
            return record.name
    near = did_you_mean(name or "", output_formats()) or ":"
    what = f"no format {name!r}" if name else f"no map format for {path}"
    raise FormatError(
        f"{what}{near} use --format {' or '.join(sorted(output_formats()))}"
    )
