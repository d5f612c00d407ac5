CREATE TABLE IF NOT EXISTS mesh_offsets (
  `topic` varchar(249) NOT NULL,
  `partition` int NOT NULL,
  next_offset bigint NOT NULL,
  updated datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  PRIMARY KEY (`topic`, `partition`)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS mesh_shards (
  shard int NOT NULL,
  source varchar(64) NOT NULL,
  since datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  PRIMARY KEY (shard)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS mesh_cuts (
  `snapshot` varchar(64) NOT NULL,
  `topic` varchar(249) NOT NULL,
  `partition` int NOT NULL,
  next_offset bigint NOT NULL,
  PRIMARY KEY (`snapshot`, `topic`, `partition`)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS `events` (
  part int NOT NULL,
  off bigint NOT NULL,
  ts datetime(6) NOT NULL,
  `key` longtext,
  `n` bigint NOT NULL,
  doc json,
  PRIMARY KEY (part, off)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS `typed` (
  part int NOT NULL,
  off bigint NOT NULL,
  ts datetime(6) NOT NULL,
  `key` longtext,
  `a_text` longtext,
  `a_int32` int,
  `a_int64` bigint,
  `a_float64` double,
  `a_decimal` decimal(38, 9),
  `a_boolean` tinyint(1),
  `a_timestamp` datetime(6),
  `a_json` json,
  doc json,
  PRIMARY KEY (part, off)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
