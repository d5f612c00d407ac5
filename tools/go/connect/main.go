// Redpanda Connect with those components of the published image that compute-mesh uses, for tests.
package main

import (
	"context"

	_ "github.com/lib/pq"
	_ "github.com/redpanda-data/benthos/v4/public/components/io"
	_ "github.com/redpanda-data/benthos/v4/public/components/pure"
	"github.com/redpanda-data/benthos/v4/public/service"
	_ "github.com/redpanda-data/connect/v4/public/components/kafka"
	_ "github.com/redpanda-data/connect/v4/public/components/prometheus"
	_ "github.com/redpanda-data/connect/v4/public/components/sql/base"
	"github.com/urfave/cli/v2"
)

// version of the module that it is built from.
const version = "4.105.0"

func main() {
	service.RunCLI(context.Background(),
		service.CLIOptSetVersion(version, ""),
		service.CLIOptSetBinaryName("redpanda-connect"),
		service.CLIOptSetProductName("Redpanda Connect"),
		// The published program has this flag; here there is nothing to disable.
		service.CLIOptCustomRunFlags([]cli.Flag{&cli.BoolFlag{Name: "disable-telemetry"}}, func(*cli.Context) error { return nil }),
	)
}
