CREATE TABLE IF NOT EXISTS mesh_offsets (
  topic String,
  "partition" Int32,
  next_offset Int64,
  updated DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC')
) ENGINE = ReplacingMergeTree(next_offset) ORDER BY (topic, "partition");

CREATE TABLE IF NOT EXISTS mesh_shards (
  shard Int32,
  source String,
  since DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC')
) ENGINE = ReplacingMergeTree PARTITION BY shard ORDER BY shard;

CREATE TABLE IF NOT EXISTS mesh_cuts (
  snapshot String,
  topic String,
  "partition" Int32,
  next_offset Int64
) ENGINE = ReplacingMergeTree(next_offset) PARTITION BY snapshot ORDER BY (topic, "partition");

CREATE TABLE IF NOT EXISTS "events" (
  part Int32,
  off Int64,
  ts DateTime64(6, 'UTC'),
  "key" Nullable(String),
  "n" Int64,
  doc Nullable(String),
) ENGINE = ReplacingMergeTree PARTITION BY part ORDER BY (part, off)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS "typed" (
  part Int32,
  off Int64,
  ts DateTime64(6, 'UTC'),
  "key" Nullable(String),
  "a_text" Nullable(String),
  "a_int32" Nullable(Int32),
  "a_int64" Nullable(Int64),
  "a_float64" Nullable(Float64),
  "a_decimal" Nullable(Decimal(38, 9)),
  "a_boolean" Nullable(Bool),
  "a_timestamp" Nullable(DateTime64(6, 'UTC')),
  "a_json" Nullable(String),
  doc Nullable(String),
) ENGINE = ReplacingMergeTree PARTITION BY part ORDER BY (part, off)
SETTINGS non_replicated_deduplication_window = 1000;
