package settings

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const valid = `{
  "apiVersion": "compute-mesh.dev/v1alpha1", "kind": "IngestSettings", "name": "facts", "clientId": "facts-x",
  "kafka": { "brokers": ["k:9092"], "tls": { "caFile": "/ca" }, "sasl": { "mechanism": "PLAIN" } },
  "database": { "engine": "postgres", "host": "db", "port": 5432, "database": "mesh", "tls": {} },
  "shardMap": { "version": 3, "shardCount": 4, "replicas": 2 },
  "topics": { "trade.log": { "partitions": 8, "table": { "name": "trade_log", "document": false,
    "columns": [{ "name": "price", "type": "decimal", "from": ["item", "price"], "required": true }] } } },
  "createTables": ["CREATE TABLE x ()"], "deadLetterTopic": "dead",
  "batch": { "count": 5000, "bytes": 8388608, "periodMilliseconds": 200 }, "bufferBytes": 67108864, "awaitShards": true,
  "ready": { "maxLagRecords": 10000 }
}`

func environment(string) string { return "given" }

func TestTheDocumentIsRead(t *testing.T) {
	s, err := Parse([]byte(valid), []string{"postgres"}, environment)
	if err != nil {
		t.Fatal(err)
	}
	topic := s.Topics["trade.log"]
	if s.Name != "facts" || s.Kafka.TLS.CAFile != "/ca" || s.Kafka.Password != "given" || !s.Database.TLS || s.Database.Port != 5432 || s.ShardCount != 4 ||
		topic.Partitions != 8 || topic.Table.Name != "trade_log" || !topic.Table.Columns[0].Required || !slices.Equal(topic.Table.Columns[0].From, []string{"item", "price"}) ||
		s.Batch.Period != 200*time.Millisecond || !s.AwaitShards || s.MaxLagRecords != 10000 || s.DeadLetterTopic != "dead" {
		t.Errorf("%+v", s)
	}
}

func TestEverythingThatIsWrongIsNamedAtOnce(t *testing.T) {
	wrong := strings.NewReplacer(`"name": "facts"`, `"name": 5, "colour": "red"`, `"port": 5432`, `"port": "5432"`, `"partitions": 8`, `"partitions": 3`, `"decimal"`, `"money"`,
		`["k:9092"]`, `[]`, `"PLAIN"`, `"GSSAPI"`, `"awaitShards": true`, `"awaitShards": "yes"`, `"count": 5000`, `"count": 0.5`, `"name": "price"`, `"name": "off"`,
		`"dead"`, `"trade.log"`, `"caFile"`, `"ca_file"`, `"postgres"`, `"mysql"`).Replace(valid)
	_, err := Parse([]byte(wrong), []string{"clickhouse", "postgres"}, func(string) string { return "" })
	if err == nil {
		t.Fatal("passed")
	}
	for _, text := range []string{`name: 5 is given; a text`, `colour: "red" is given; there is no such member`, `database.port: "5432"`, `topics["trade.log"].partitions: 3`,
		`topics["trade.log"].table.columns[0].type: "money" is given; text, int32`, `kafka.brokers: [] is given`, `kafka.sasl.mechanism: "GSSAPI"`, `awaitShards: "yes"`,
		`batch.count: 0.5`, `columns[0].name: "off"`, `deadLetterTopic: "trade.log"`, `kafka.tls.ca_file`, `database.engine: "mysql" is given; clickhouse, postgres are allowed`,
		`environment variable DATABASE_PASSWORD: nothing is given`, `environment variable KAFKA_USERNAME`} {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q is not in %v", text, err)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Error("more than one line")
	}
}

func TestEveryMemberIsNeeded(t *testing.T) {
	_, err := Parse([]byte(`{"apiVersion": "compute-mesh.dev/v1alpha1", "kind": "IngestSettings"}`), nil, environment)
	for _, path := range []string{"name", "clientId", "kafka", "database", "shardMap", "topics", "createTables", "batch", "bufferBytes", "awaitShards", "ready"} {
		if err == nil || !strings.Contains(err.Error(), path+": nothing is given") {
			t.Errorf("%s is not in %v", path, err)
		}
	}
}

func TestSettingsOfANewerVersionAreRefusedAsSuch(t *testing.T) {
	text := strings.NewReplacer("v1alpha1", "v1beta2", `"name": "facts"`, `"other": 1`).Replace(valid)
	_, err := Parse([]byte(text), []string{"postgres"}, environment)
	if err == nil || !strings.Contains(err.Error(), `"compute-mesh.dev/v1beta2" was written for another version of this program`) || strings.Contains(err.Error(), "other:") {
		t.Error(err)
	}
}

func TestWhatIsNoDocumentIsRefused(t *testing.T) {
	for text, want := range map[string]string{"": "no JSON document", "{} {}": "something follows", "[]": "an object is needed"} {
		if _, err := Parse([]byte(text), nil, environment); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestTheNodesFileIsRead(t *testing.T) {
	node, err := ParseNode([]byte("MESH_NODE=x\nMESH_SHARDS=3,0\nMESH_PRIMARY_SHARDS=3\n"), 4)
	if err != nil || node.Name != "x" || !slices.Equal(node.Shards, []int{0, 3}) {
		t.Error(node, err)
	}
	node, err = ParseNode([]byte("MESH_NODE=x\nMESH_SHARDS=\nMESH_PRIMARY_SHARDS="), 4)
	if err != nil || len(node.Shards) != 0 {
		t.Error(node, err)
	}
	_, err = ParseNode([]byte("MESH_SHARDS=3,4,x\nMESH_PRIMARY_SHARDS=1"), 4)
	for _, text := range []string{"MESH_NODE", `MESH_SHARDS: "4"`, `MESH_SHARDS: "x"`, "MESH_PRIMARY_SHARDS: 1"} {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%q is not in %v", text, err)
		}
	}
}

func TestANodeThatTheShardMapDoesNotNameHasNoShards(t *testing.T) {
	directory := t.TempDir()
	file := filepath.Join(directory, "settings.json")
	if err := os.WriteFile(file, []byte(valid), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"NODE_NAME": "k-9", "DATABASE_USER": "u", "DATABASE_PASSWORD": "p", "KAFKA_USERNAME": "u", "KAFKA_PASSWORD": "p"} {
		t.Setenv(name, value)
	}
	_, node, err := Read(file, directory, []string{"postgres"})
	if err != nil || node.Name != "k-9" || len(node.Shards) != 0 {
		t.Error(node, err)
	}
	if _, _, err = Read(file, filepath.Join(directory, "none"), []string{"postgres"}); err == nil || !strings.Contains(err.Error(), "the node's shards cannot be read") {
		t.Error(err)
	}
}
