// Mesh-ingest is Bento with an input and an output of the mesh: Kafka partitions into the database of the own node, exactly once.
//
// Only the components that a mesh node needs are compiled in. Command line, configuration, logs, metrics and health checks are Bento's.
package main

import (
	"context"

	_ "compute-mesh.dev/ingest/internal/kafka"
	_ "compute-mesh.dev/ingest/internal/postgres"
	_ "github.com/warpstreamlabs/bento/public/components/io"
	_ "github.com/warpstreamlabs/bento/public/components/prometheus"
	_ "github.com/warpstreamlabs/bento/public/components/pure"
	"github.com/warpstreamlabs/bento/public/service"
)

func main() {
	service.RunCLI(context.Background())
}
