"""Parquet tables with a declared schema, and an `about` record (JSON) in the file's metadata.

A set of n points in each of T frames is one column of lists (n * 3): x, y in pixels of the S x S frame, and a score in
[0, 1]. The origin is the outer corner of the top left pixel, so that pixel centres are at +0.5. Unknown points are
NaN, NaN, 0.
"""

import json
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stages import InputError
from stages.media import artifact_metadata
from stages.media.files import atomic_write, existing

pa.set_memory_pool(pa.system_memory_pool())  # Arrow's own pool retains several times a table's size


def points(n: int) -> pa.DataType:
    """Column type of n points (x, y, score) per frame."""
    return pa.list_(pa.float32(), n * 3)


SPLITS = ("train", "gap", "test")

TIMELINE = pa.schema([
    ("frame", pa.int32()),
    ("seconds", pa.float64()),  # presentation time in the user's video, from 0
    ("split", pa.string()),     # one of SPLITS; null if the video is too short to split
    ("take", pa.int32()),       # index of the take, from 0
])

VIEW = pa.schema([
    ("frame", pa.int32()),
    ("box", pa.list_(pa.float32(), 4)),     # of the tracked person: left, top, right, bottom in pixels of the S x S
                                            # frame; NaN while not in view
    ("people", pa.int32()),                 # number of people in the last frame with detection
    ("camera", pa.list_(pa.float64(), 9)),  # homography: pixels of the video's frame -> pixels of the canvas
    ("light", pa.list_(pa.float32(), 6)),   # gain and offset of R, G, B that normalise the lighting
])

POSES = pa.schema([
    ("frame", pa.int32()),
    ("body", points(18)),         # OpenPose-18
    ("left_hand", points(21)),    # wrist, then 4 joints for each finger from the thumb
    ("right_hand", points(21)),
    ("feet", points(4)),          # right heel, right toe, left heel, left toe
    ("face", points(5)),          # right eye, left eye, left mouth corner, right mouth corner, nose
    ("depth", pa.list_(pa.float32(), 18)),  # of the body joints behind the trunk, body heights; NaN: unknown
    ("detected", pa.bool_()),     # false: no person found in this frame
    ("interpolated", pa.bool_()), # true: filled between detections
    ("people", pa.int32()),       # people detected in this frame; -1 if the estimator does not count them
])

DRIVING = pa.schema([
    *POSES,
    ("scale", pa.float64()),                 # a point k of the source's pose becomes k * scale + offset
    ("offset", pa.list_(pa.float64(), 2)),   # x, y in pixels of the target's S x S frame
])

COVERAGE = pa.schema([
    ("frame", pa.int32()),       # of the source
    ("distance", pa.float32()),  # to the nearest target pose: mean over joints, in torso lengths; NaN: unknown
    ("nearest", pa.int32()),     # frame of the target with that pose; -1: none
])

FACES = pa.schema([
    ("frame", pa.int32()),
    ("points", pa.list_(pa.float32(), 10)),   # five x, y in pixels of the S x S frame
    ("vectors", pa.list_(pa.float32(), 10)),  # five x, y, in face sizes
    ("box", pa.list_(pa.float32(), 4)),       # left, top, right, bottom in pixels of the S x S frame
    ("crop", pa.binary()),                    # PNG, RGB
])


@contextmanager
def writing(path: Path, schema: pa.Schema, about: dict | None = None):
    """Yields a function that appends T rows: columns by name as arrays or lists, point sets as (T, n, 3) arrays."""
    schema = schema.with_metadata({"about": json.dumps((about or {}) | artifact_metadata.current(), sort_keys=True)})
    with atomic_write(path) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        yield lambda columns: writer.write_table(
            pa.Table.from_arrays([_column(columns[field.name], field.type) for field in schema], schema=schema))


def write(path: Path, schema: pa.Schema, columns: dict, about: dict | None = None) -> None:
    """Writes a table with one call."""
    with writing(path, schema, about) as append:
        append(columns)


def read(path: Path, *schemas: pa.Schema) -> tuple[dict, dict]:
    """Returns columns by name as NumPy arrays (fixed-size lists as (T, width), binary and text as object arrays) and
    `about`. Raises InputError if the file is missing or matches none of the schemas."""
    table = pq.read_table(existing(path, "a Parquet table; run the stage that writes it"))
    if not any(table.schema.equals(schema) for schema in schemas):
        raise InputError(f"{path}: columns {table.schema.names}, expected {schemas[0].names}; run its stage again")
    about = json.loads((table.schema.metadata or {}).get(b"about", b"{}"))
    return {name: _array(table[name].combine_chunks()) for name in table.schema.names}, about


def _column(values, kind: pa.DataType) -> pa.Array:
    if pa.types.is_fixed_size_list(kind):
        flat = np.ascontiguousarray(values, kind.value_type.to_pandas_dtype()).reshape(-1)  # (T * width,)
        return pa.FixedSizeListArray.from_arrays(pa.array(flat), kind.list_size)
    return pa.array(values, kind)


def _array(column: pa.Array) -> np.ndarray:
    if pa.types.is_fixed_size_list(column.type):
        return np.asarray(column.flatten()).reshape(len(column), column.type.list_size)
    return column.to_numpy(zero_copy_only=False)
