// Mesh-ingest reads the partitions of a mesh node's shards from Kafka into the node's own database, every record exactly once.
//
// Bento carries the stream; the input, the output and everything before the stream are the mesh's own.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"compute-mesh.dev/ingest/internal/boot"
	"compute-mesh.dev/ingest/internal/ready"
	"compute-mesh.dev/ingest/internal/settings"
	"compute-mesh.dev/ingest/internal/sink"
	"github.com/KimMachineGun/automemlimit/memlimit"
)

// version is set at build time: -ldflags "-X main.version=0.1.0".
var version = "0.1.0"

const usage = `mesh-ingest reads the partitions of a mesh node's shards from Kafka into the node's own database.

Usage: mesh-ingest [run] [flags]
       mesh-ingest ready [--http address]   ask the one that runs, say why it is not ready, and end with status 0 or 1

Credentials come from the environment: DATABASE_USER, DATABASE_PASSWORD, and with SASL KAFKA_USERNAME, KAFKA_PASSWORD.
Status 0: told to end. 1: a record can never be stored and there is no deadLetterTopic. 2: settings or flags are wrong.

Flags:
`

type options struct {
	settings, node, http string
	timing               boot.Timing
	ready, version       bool
}

// askTimeout is shorter than that of the probe, so that there is something to say.
const askTimeout = 3 * time.Second

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, out, log io.Writer) int {
	o, err := parse(args, out)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		_, _ = fmt.Fprintf(log, "mesh-ingest: %v. See mesh-ingest --help\n", err)
		return 2
	case o.version:
		_, _ = fmt.Fprintf(out, "mesh-ingest %s, engines %v\n", version, sink.Engines())
		return 0
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if o.ready {
		return ask(ctx, o, out)
	}
	logger := slog.New(slog.NewJSONHandler(log, nil))
	return ingest(ctx, o, logger)
}

func parse(args []string, out io.Writer) (*options, error) {
	o := &options{timing: boot.DefaultTiming, ready: len(args) > 0 && args[0] == "ready"}
	if o.ready || len(args) > 0 && args[0] == "run" {
		args = args[1:]
	}
	flags := flag.NewFlagSet("mesh-ingest", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.settings, "settings", settings.DefaultFile, "`file` with the IngestSettings")
	flags.StringVar(&o.node, "node-file", settings.DefaultNodeFile, "`file` with MESH_NODE, MESH_SHARDS and MESH_PRIMARY_SHARDS")
	flags.StringVar(&o.http, "http", "0.0.0.0:4195", "`address` of /ping, /ready and /metrics")
	flags.DurationVar(&o.timing.Database, "check-database", o.timing.Database, "how often mesh_shards and mesh_offsets are looked at")
	flags.DurationVar(&o.timing.Topics, "check-topics", o.timing.Topics, "how often the partitions of the topics are counted")
	flags.DurationVar(&o.timing.RetrySlow, "retry-slow", o.timing.RetrySlow, "how long to wait for what somebody has to put right")
	flags.BoolVar(&o.version, "version", false, "print the version and the engines")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			_, _ = fmt.Fprint(out, usage)
			flags.SetOutput(out)
			flags.PrintDefaults()
		}
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("%q is no command; there are run and ready", flags.Arg(0))
	}
	for name, period := range map[string]time.Duration{"check-database": o.timing.Database, "check-topics": o.timing.Topics, "retry-slow": o.timing.RetrySlow} {
		if period < time.Millisecond {
			return nil, fmt.Errorf("--%s: %v: at least 1ms is needed", name, period)
		}
	}
	return o, nil
}

// ask is what the readiness probe runs. The address to listen on is one to ask, too: 0.0.0.0 reaches this machine.
func ask(ctx context.Context, o *options, out io.Writer) int {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	line, isReady := ready.Ask(ctx, o.http)
	_, _ = fmt.Fprintln(out, line)
	if !isReady {
		return 1
	}
	return 0
}

func ingest(ctx context.Context, o *options, log *slog.Logger) int {
	limitMemory(log)
	s, node, err := settings.Read(o.settings, o.node, sink.Engines())
	if err != nil {
		return fail(log, 2, err)
	}
	program, err := boot.New(s, node, o.timing, log.With("component", s.Name))
	if err != nil {
		return fail(log, 2, err)
	}
	defer program.Close()
	listener, err := net.Listen("tcp", o.http)
	if err != nil {
		return fail(log, 2, fmt.Errorf("--http: %w", err))
	}
	server := &http.Server{Handler: program.Handler(), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }()
	defer func() { _ = server.Close() }()
	if err := program.Run(ctx); err != nil {
		return fail(log, 1, err)
	}
	log.Info("ingest ends as it was told to")
	return 0
}

// terminationLog is where Kubernetes reads why a container ended, to show it in the pod's status.
const terminationLog = "/dev/termination-log"

func fail(log *slog.Logger, status int, err error) int {
	log.Error("ingest stops: " + err.Error())
	if file, errOpen := os.OpenFile(terminationLog, os.O_WRONLY|os.O_TRUNC, 0); errOpen == nil {
		_, _ = file.WriteString(err.Error())
		_ = file.Close()
	}
	return status
}

// limitMemory makes the collector work harder before the container's limit is reached; GOMEMLIMIT, where set, wins.
func limitMemory(log *slog.Logger) {
	limit, err := memlimit.Set(memlimit.WithRatio(0.85))
	if err == nil && limit > 0 && limit < math.MaxInt64 {
		log.Info(fmt.Sprintf("memory is kept below %d MiB where possible", limit>>20))
	}
}
