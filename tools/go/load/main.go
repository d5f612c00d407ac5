// mesh-load writes many JSON records to a Kafka topic and says what they add up to, and reads a topic to say the same of what the log holds.
//
// `produce` counts what the brokers acknowledged; `truth` counts what it reads up to given offsets. Neither knows anything of ingest, so that answers of a
// mesh can be held against both. Results are one JSON document on stdout, progress and errors go to stderr.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

const version = "0.1.0"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "mesh-load:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	command := "help"
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	switch command {
	case "produce":
		settings, err := produceFlags(args)
		if err != nil {
			return err
		}
		return print(out)(produce(ctx, settings))
	case "truth":
		settings, err := truthFlags(args)
		if err != nil {
			return err
		}
		return print(out)(truth(ctx, settings))
	case "version":
		fmt.Fprintln(out, "mesh-load", version)
		return nil
	default:
		return fmt.Errorf("%q is no command; there are produce, truth and version, each with -help", command)
	}
}

// print writes a result as JSON, unless there was an error.
func print(out io.Writer) func(result any, err error) error {
	return func(result any, err error) error {
		if err != nil {
			return err
		}
		return json.NewEncoder(out).Encode(result)
	}
}

// target is what both commands need to know of Kafka.
type target struct {
	brokers string
	topic   string
}

func (t *target) flags(set *flag.FlagSet) {
	set.StringVar(&t.brokers, "brokers", "127.0.0.1:9092", "bootstrap servers, with commas between them")
	set.StringVar(&t.topic, "topic", "", "the topic, which must exist")
}

func (t *target) check() error {
	if t.topic == "" {
		return fmt.Errorf("-topic is needed")
	}
	return nil
}

func (t *target) seeds() []string { return strings.Split(t.brokers, ",") }
