package postgres

import (
	"strconv"
	"strings"
	"testing"

	"compute-mesh.dev/ingest/internal/sink"
	"compute-mesh.dev/ingest/internal/sink/sinktest"
	"compute-mesh.dev/ingest/internal/testdb"
)

func TestPromisesOfASink(t *testing.T) {
	sinktest.Run(t, func(t *testing.T) sinktest.Database {
		name, dsn := server.Empty(t)
		return sinktest.Database{
			Open:         func() sink.Sink { return sinkOf(t, name) },
			CreateTables: testdb.Schema(sinktest.Facts),
			Offsets: func() []int64 {
				var offsets []int64
				for _, text := range strings.Fields(testdb.Text(t, dsn, "SELECT coalesce(string_agg(off::text, ' ' ORDER BY off), '') FROM events WHERE part = 0")) {
					offset, _ := strconv.ParseInt(text, 10, 64)
					offsets = append(offsets, offset)
				}
				return offsets
			},
			Empty: func() { testdb.Exec(t, dsn, "DROP TABLE events, mesh_offsets, mesh_shards, mesh_cuts") },
		}
	})
}
