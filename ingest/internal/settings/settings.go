// Package settings reads what a pod is told: the settings document, the node's file, and credentials from the environment.
package settings

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"compute-mesh.dev/ingest/internal/table"
)

// Default places of the two files.
const (
	DefaultFile     = "/etc/ingest/settings.json"
	DefaultNodeFile = "/etc/compute-mesh/node.env"
)

const (
	apiVersion = "compute-mesh.dev/v1alpha1"
	kind       = "IngestSettings"
)

// Settings are the document, checked, with the credentials.
type Settings struct {
	Name            string
	ClientID        string
	Kafka           Kafka
	Database        Database
	ShardMapVersion string
	ShardCount      int
	Topics          map[string]Topic
	CreateTables    []string
	// DeadLetterTopic is empty where there is none.
	DeadLetterTopic string
	Batch           Batch
	// BufferBytes bounds the records held in memory.
	BufferBytes int
	// AwaitShards: a shard's partitions begin only when mesh_shards has it; else missing rows are inserted.
	AwaitShards bool
	// MaxLagRecords is how close to the end of the log every partition must have been for the node to be ready.
	MaxLagRecords int64
}

// Kafka says how to reach the brokers.
type Kafka struct {
	Brokers []string
	TLS     *KafkaTLS
	// Mechanism of SASL, empty for none.
	Mechanism          string
	Username, Password string
}

// KafkaTLS are files in PEM; empty names mean the system's authorities and no certificate of its own.
type KafkaTLS struct{ CAFile, CertificateFile, KeyFile string }

// Database of the node.
type Database struct {
	Engine, Host, Name string
	Port               int
	TLS                bool
	CAFile             string
	User, Password     string
}

// Topic and its table.
type Topic struct {
	Partitions int
	Table      table.Facts
}

// Batch says when one is full, and how long it may take to fill.
type Batch struct {
	Count, Bytes int
	Period       time.Duration
}

// Node is the node's file.
type Node struct {
	Name   string
	Shards []int
}

// Read reads both files and the environment.
func Read(file, nodeFile string, engines []string) (*Settings, *Node, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, fmt.Errorf("the settings cannot be read: %w", err)
	}
	settings, err := Parse(text, engines, os.Getenv)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", file, err)
	}
	text, err = os.ReadFile(nodeFile)
	if errors.Is(err, syscall.EISDIR) {
		// The kubelet finds no key to mount and makes a directory of that name (subPathExpr of a ConfigMap): the shard map does not name this node.
		return settings, &Node{Name: os.Getenv("NODE_NAME")}, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("the node's shards cannot be read: %w", err)
	}
	node, err := ParseNode(text, settings.ShardCount)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", nodeFile, err)
	}
	return settings, node, nil
}
