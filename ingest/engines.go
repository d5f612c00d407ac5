package main

// Each engine registers itself under its name.
import (
	_ "compute-mesh.dev/ingest/internal/clickhouse"
	_ "compute-mesh.dev/ingest/internal/mysql"
	_ "compute-mesh.dev/ingest/internal/postgres"
	_ "compute-mesh.dev/ingest/internal/valkey"
)
