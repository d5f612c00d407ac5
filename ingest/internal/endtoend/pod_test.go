package endtoend

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"compute-mesh.dev/ingest/internal/table"
	"compute-mesh.dev/ingest/internal/testdb"
)

// events is the table of most tests.
var events = table.Facts{Name: "events", Document: true}

// pod is what a pod is given: settings, the node's file and the environment.
type pod struct {
	brokers    string
	port       int
	database   string
	user       string
	password   string
	partitions int
	shardCount int
	shards     string
	facts      table.Facts
	deadLetter string
	await      bool
	maxLag     int
	buffer     int
	sasl       string
	memory     string
}

// podOf owns all partitions of the topic "events".
func podOf(brokers, database string, partitions int) pod {
	var shards []string
	for shard := range partitions {
		shards = append(shards, fmt.Sprint(shard))
	}
	return pod{brokers: brokers, port: server.Port, database: database, user: "mesh", password: "any", partitions: partitions, shardCount: partitions,
		shards: strings.Join(shards, ","), facts: events, buffer: 64 << 20}
}

func (d pod) settings(t testing.TB) string {
	t.Helper()
	columns := []map[string]any{}
	for _, column := range d.facts.Columns {
		columns = append(columns, map[string]any{"name": column.Name, "type": column.Type, "from": column.From, "required": column.Required})
	}
	kafka := map[string]any{"brokers": strings.Split(d.brokers, ",")}
	if d.sasl != "" {
		kafka["sasl"] = map[string]any{"mechanism": d.sasl}
	}
	document := map[string]any{
		"apiVersion": "compute-mesh.dev/v1alpha1", "kind": "IngestSettings", "name": "facts", "clientId": "facts",
		"kafka":        kafka,
		"database":     map[string]any{"engine": "postgres", "host": "127.0.0.1", "port": d.port, "database": d.database},
		"shardMap":     map[string]any{"version": 1, "shardCount": d.shardCount, "replicas": 1},
		"topics":       map[string]any{"events": map[string]any{"partitions": d.partitions, "table": map[string]any{"name": d.facts.Name, "columns": columns, "document": d.facts.Document}}},
		"createTables": testdb.Schema(d.facts),
		"batch":        map[string]any{"count": 2000, "bytes": 8 << 20, "periodMilliseconds": 20},
		"bufferBytes":  d.buffer, "awaitShards": d.await, "ready": map[string]any{"maxLagRecords": d.maxLag},
	}
	if d.deadLetter != "" {
		document["deadLetterTopic"] = d.deadLetter
	}
	text, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// start runs the program as a pod would, with looks that are closer together.
func (d pod) start(t testing.TB) *process {
	t.Helper()
	address := freeAddress(t)
	directory := t.TempDir()
	settings, node := filepath.Join(directory, "settings.json"), filepath.Join(directory, "node.env")
	for file, text := range map[string]string{settings: d.settings(t), node: "MESH_NODE=x\nMESH_SHARDS=" + d.shards + "\nMESH_PRIMARY_SHARDS=" + d.shards + "\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.Command(program, "run", "--settings", settings, "--node-file", node, "--http", address, "--check-database", "300ms", "--check-topics", "400ms",
		"--retry-slow", "600ms")
	command.Env = append(os.Environ(), "DATABASE_USER="+d.user, "DATABASE_PASSWORD="+d.password, "KAFKA_USERNAME=mesh", "KAFKA_PASSWORD=secret")
	if d.memory != "" {
		command.Env = append(command.Env, "GOMEMLIMIT="+d.memory)
	}
	p := startProcess(t, command, address)
	t.Cleanup(p.kill)
	return p
}
