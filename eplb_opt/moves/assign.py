"""One assignment of rows to columns, in plain loops over integers, which numba can compile as they stand."""

from __future__ import annotations

import numpy as np

from ..problem.pool import Ints

FAR = 1 << 60  # beyond any gain


def assign(gains: Ints, columns: Ints) -> None:
    """The assignment of one matrix, written to ``columns``.

    Row by row: each takes the column at the end of a shortest path on which other rows move on to other columns, by
    lengths that dual values of rows and columns keep from being negative.
    """
    number = len(gains)
    start = number  # a column that does not exist, where a path begins
    owner = np.full(number + 1, -1, dtype=np.int64)  # the row that has a column
    of_rows = np.zeros(number, dtype=np.int64)
    of_columns = np.zeros(number + 1, dtype=np.int64)
    for row in range(number):
        distance = np.full(number, FAR, dtype=np.int64)
        came_from = np.full(number, start, dtype=np.int64)
        is_seen = np.zeros(number + 1, dtype=np.bool_)
        owner[start] = row
        column = start
        while owner[column] >= 0:
            is_seen[column] = True
            at = owner[column]
            step = FAR
            nearest = start
            for other in range(number):
                if is_seen[other]:
                    continue
                length = -gains[at, other] - of_rows[at] - of_columns[other]
                if length < distance[other]:
                    distance[other] = length
                    came_from[other] = column
                if distance[other] < step:
                    step = distance[other]
                    nearest = other
            for other in range(number + 1):
                if is_seen[other]:
                    of_rows[owner[other]] += step
                    of_columns[other] -= step
                elif other < number:
                    distance[other] -= step
            column = nearest
        while column != start:
            before = came_from[column]
            owner[column] = owner[before]
            column = before
    for column in range(number):
        columns[owner[column]] = column
