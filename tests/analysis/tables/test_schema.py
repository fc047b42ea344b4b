"""Result tables: exactly the documented columns, whole or refused."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.tables.schema import (
    EPOCHS,
    FEW_ROWS,
    LATER_COLUMNS,
    RUNS,
    VOLATILE_COLUMNS,
    Corrupt,
    epochs_schema,
    read_parquet,
    runs_schema,
    sha256,
    to_parquet_bytes,
    to_table,
)

ROW = {"run_id": "a", "system": "s", "seed": 3, "status": "completed", "score": 0.5}


def test_a_table_comes_back_as_it_was_written(tmp_path: Path) -> None:
    written = to_table("runs", [{**ROW, "metric_accuracy": 0.5, "started_at": pd.Timestamp("2024-01-01", tz="UTC")}])
    data = to_parquet_bytes(written)
    (tmp_path / "it's a\nfile.parquet").write_bytes(data)
    assert read_parquet(tmp_path / "it's a\nfile.parquet", sha256(data), kind="runs").equals(written)


def test_the_same_rows_give_the_same_bytes() -> None:
    assert to_parquet_bytes(to_table("runs", [ROW])) == to_parquet_bytes(to_table("runs", [dict(ROW)]))


@pytest.mark.parametrize(("rows", "compression"), [(1, "UNCOMPRESSED"), (FEW_ROWS, "UNCOMPRESSED"), (17, "ZSTD")])
def test_a_file_of_many_rows_is_compressed_and_every_file_says_its_schema_version(rows: int, compression: str) -> None:
    data = to_parquet_bytes(to_table("runs", [ROW] * rows))
    metadata = pq.ParquetFile(pa.BufferReader(data)).metadata
    assert metadata.row_group(0).column(0).compression == compression
    assert metadata.metadata[b"orchestrate_schema_version"] == b"1"
    assert read_parquet(data, kind="runs").equals(to_table("runs", [ROW] * rows))


def test_a_schema_that_once_passed_lets_no_other_pass() -> None:
    good = to_table("runs", [ROW])
    assert read_parquet(to_parquet_bytes(good), kind="runs").num_rows == 1
    renamed = good.rename_columns(["runid", *good.schema.names[1:]]).replace_schema_metadata(good.schema.metadata)
    sink = pa.BufferOutputStream()
    pq.write_table(renamed, sink)
    with pytest.raises(Corrupt, match="missing: run_id"):
        read_parquet(bytes(sink.getvalue()), kind="runs")


def test_metric_columns_follow_the_fixed_ones() -> None:
    schema = runs_schema(["accuracy", "macro_f1"], parts=["validation", "test"])
    assert schema.names[len(RUNS) :] == [
        "metric_accuracy", "metric_macro_f1", "validation_accuracy", "validation_macro_f1", "test_accuracy",
        "test_macro_f1",
    ]  # fmt: skip
    assert epochs_schema(["accuracy"]).names[-1] == "metric_accuracy"


def test_nan_becomes_null_and_whole_numbers_stay_whole_beside_missing_ones() -> None:
    made = to_table("runs", [{**ROW, "fold": 1}, {**ROW, "run_id": "b", "fold": None, "score": float("nan")}])
    assert made["fold"].to_pylist() == [1, None]
    assert made["score"].to_pylist() == [0.5, None]


def test_item_ids_that_are_numbers_become_text_without_a_point() -> None:
    frame = pd.DataFrame({"run_id": "a", "split": "test", "item": [1, 2], "cluster": [7.0, None], "position": 0})
    made = to_table("predictions", frame)
    assert made["item"].to_pylist() == ["1", "2"]
    assert made["cluster"].to_pylist() == ["7", None]


@pytest.mark.parametrize("missing", ["run_id", "system", "seed", "status"])
def test_a_required_value_that_is_missing_is_refused(missing: str) -> None:
    with pytest.raises(ValueError, match=f"column {missing} has 1 empty"):
        to_table("runs", [{**ROW, missing: None}])


def test_a_value_of_the_wrong_kind_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="column seed does not hold int64"):
        to_table("runs", [{**ROW, "seed": "many"}])


def test_a_column_that_is_not_of_the_table_is_refused() -> None:
    with pytest.raises(ValueError, match="note"):
        to_table("runs", [{**ROW, "note": "hello"}])
    with pytest.raises(ValueError, match="metric_x"):
        to_table("runs", [{**ROW, "metric_x": "high"}])


def test_columns_that_came_later_are_text_of_exactly_their_names_and_need_not_be_there() -> None:
    made = to_table("runs", [{**ROW, "orchestrate_version": "0.1.0", "orchestrate_commit": None, "metric_x": 0.5}])
    assert made.schema.names[len(RUNS) :] == ["metric_x", "orchestrate_commit", "orchestrate_version"]
    assert read_parquet(to_parquet_bytes(made), kind="runs").equals(made)
    without = made.drop_columns(["orchestrate_commit", "orchestrate_version"])
    assert read_parquet(to_parquet_bytes(without), kind="runs").equals(without)
    with pytest.raises(ValueError, match="orchestrate_versions"):
        to_table("runs", [{**ROW, "orchestrate_versions": "0.1.0"}])
    wrong = without.append_column("orchestrate_version", pa.array([0.1]))
    with pytest.raises(ValueError, match=r"column orchestrate_version \(double\)"):
        to_parquet_bytes(wrong)
    with pytest.raises(ValueError, match="orchestrate_version"):
        to_table("epochs", [{"run_id": "a", "epoch": 1, "orchestrate_version": "0.1.0"}])


def test_nan_in_a_metric_is_refused_on_writing() -> None:
    made = to_table("runs", [ROW])
    column = pa.array([float("nan")])
    with pytest.raises(ValueError, match="NaN, which is never a score"):
        to_parquet_bytes(made.set_column(made.schema.get_field_index("score"), RUNS.field("score"), column))


def test_a_flipped_byte_is_noticed_with_and_without_the_hash() -> None:
    data = to_parquet_bytes(to_table("runs", [ROW]))
    damaged = bytearray(data)
    damaged[20] ^= 0xFF
    with pytest.raises(Corrupt, match=r"x\.parquet: its SHA-256"):
        read_parquet(bytes(damaged), sha256(data), name="x.parquet")
    with pytest.raises(Corrupt, match=r"x\.parquet: "):
        read_parquet(bytes(damaged), name="x.parquet", kind="runs")


@pytest.mark.parametrize("data", [b"", b"PAR1", b"not parquet at all", b"PAR1" * 20])
def test_what_is_no_parquet_file_is_corrupt(data: bytes) -> None:
    with pytest.raises(Corrupt, match=r"y\.parquet"):
        read_parquet(data, name="y.parquet")


def test_half_a_file_is_corrupt() -> None:
    data = to_parquet_bytes(to_table("runs", [ROW]))
    with pytest.raises(Corrupt, match=r"z\.parquet"):
        read_parquet(data[: len(data) // 2], name="z.parquet")


def test_a_table_of_another_kind_is_refused() -> None:
    data = to_parquet_bytes(to_table("epochs", [{"run_id": "a", "epoch": 1}]))
    with pytest.raises(Corrupt, match="not a runs table but a epochs table"):
        read_parquet(data, kind="runs", name="e.parquet")
    with pytest.raises(Corrupt, match="not a runs table"):
        read_parquet(to_parquet_bytes(pa.table({"a": [1]})), kind="runs")


def test_a_newer_schema_version_is_refused_by_number() -> None:
    made = to_table("runs", [ROW])
    metadata = made.schema.metadata | {b"orchestrate_schema_version": b"99"}
    sink = pa.BufferOutputStream()
    pq.write_table(made.replace_schema_metadata(metadata), sink)
    with pytest.raises(Corrupt, match="schema version 99; this program reads version 1"):
        read_parquet(sink.getvalue().to_pybytes())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda made: made.drop_columns(["error"]), "missing: error"),
        (lambda made: made.set_column(12, "seed", pa.array([3.0])), "column seed is double, not int64"),
        (lambda made: made.append_column("extra", pa.array([1.0])), "column extra"),
    ],
)
def test_another_schema_under_our_name_is_refused(change: object, reason: str) -> None:
    made = change(to_table("runs", [ROW]))  # type: ignore[operator]
    sink = pa.BufferOutputStream()
    pq.write_table(made.replace_schema_metadata(RUNS.metadata), sink)
    with pytest.raises(Corrupt, match=reason):
        read_parquet(sink.getvalue().to_pybytes())


def test_extension_types_are_refused() -> None:
    column = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"0" * 16], pa.binary(16)))
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"system": column}), sink)
    with pytest.raises(Corrupt, match="extension type"):
        read_parquet(sink.getvalue().to_pybytes())


def test_predictions_may_have_plain_columns_and_lists_of_their_own_and_nothing_deeper() -> None:
    row = {"run_id": "a", "split": "test", "item": "1"}
    made = to_table("predictions", [{**row, "probabilities": [0.25, 0.75], "score_gap": 0.5}])
    assert read_parquet(to_parquet_bytes(made)).equals(made)
    with pytest.raises(ValueError, match="deep"):
        to_table("predictions", [{**row, "deep": [{"a": 1}]}])


def test_volatile_columns_are_columns() -> None:
    assert {*RUNS.names, *EPOCHS.names, *LATER_COLUMNS["runs"]} >= VOLATILE_COLUMNS
    assert not {"run_id", "score", "status", "seed", "train_loss", "best_epoch"} & VOLATILE_COLUMNS


def test_a_table_without_rows_keeps_its_columns() -> None:
    assert read_parquet(to_parquet_bytes(to_table("epochs", []))).schema.names == EPOCHS.names
