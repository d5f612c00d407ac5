package mysql

import (
	"testing"

	"compute-mesh.dev/ingest/internal/sink"
	"compute-mesh.dev/ingest/internal/sink/sinktest"
)

func TestKeepsWhatSinksPromise(t *testing.T) {
	sinktest.Run(t, func(t *testing.T) sinktest.Database {
		name := fresh(t)
		return sinktest.Database{
			Open:         func() sink.Sink { return connect(t, name) },
			CreateTables: createTables(),
			Offsets:      func() []int64 { return offsets(t, name) },
			Empty: func() {
				execute(t, name, "DROP TABLE events, typed, mesh_offsets, mesh_shards, mesh_cuts")
			},
		}
	})
}
