import numpy as np
import pyarrow as pa
import pytest

from stages import InputError
from stages.media import parquet

SCHEMA = pa.schema([("frame", pa.int32()), ("body", parquet.points(18)), ("split", pa.string())])


def test_round_trip_of_points_text_and_about(tmp_path):
    body = np.random.default_rng(0).random((3, 18, 3)).astype(np.float32)
    body[1, 2] = np.nan
    parquet.write(tmp_path / "t.parquet", SCHEMA, {"frame": [0, 1, 2], "body": body, "split": ["train", None, "test"]}, {"fps": 25})
    columns, about = parquet.read(tmp_path / "t.parquet", SCHEMA)
    assert np.array_equal(columns["body"].reshape(3, 18, 3), body, equal_nan=True)
    assert columns["split"].tolist() == ["train", None, "test"] and about == {"fps": 25}


@pytest.mark.parametrize("kind, values", [
    (pa.float32(), [[0.5, float("nan")], [-1e30, 2.0]]),
    (pa.float64(), [[1 / 3, 1e-12], [1234.000001, -1e300]]),  # float32 would round, or overflow
    (pa.int64(), [[2**53 + 1, -7], [0, 2**62 + 1]]),
])
def test_lists_keep_their_precision(tmp_path, kind, values):
    schema = pa.schema([("values", pa.list_(kind, 2))])
    given = np.array(values, kind.to_pandas_dtype())
    parquet.write(tmp_path / "t.parquet", schema, {"values": given})
    found = parquet.read(tmp_path / "t.parquet", schema)[0]["values"]
    assert found.dtype == given.dtype and np.array_equal(found, given, equal_nan=kind != pa.int64())


def test_missing_and_wrong_tables(tmp_path):
    with pytest.raises(InputError, match="gone.parquet: not found"):
        parquet.read(tmp_path / "gone.parquet", SCHEMA)
    parquet.write(tmp_path / "t.parquet", parquet.TIMELINE, {"frame": [0], "seconds": [0.0], "split": [None], "take": [0]})
    with pytest.raises(InputError, match="t.parquet: columns"):
        parquet.read(tmp_path / "t.parquet", SCHEMA)
