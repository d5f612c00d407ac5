// Package kafka reads fixed partitions of Kafka in stretches that leave nothing out.
package kafka

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"time"

	"compute-mesh.dev/ingest/internal/settings"
	"compute-mesh.dev/ingest/internal/sink"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

const (
	fetchMaxWait = 500 * time.Millisecond
	// fetchMaxBytes bounds one answer of a broker.
	fetchMaxBytes = 16 << 20
	// partitionBytes is small, so that partitions advance evenly.
	partitionBytes = 256 << 10
)

// Config of an input.
type Config struct {
	// Connection of package settings.
	Connection []kgo.Opt
	// Starts are the next offset of each partition, -1 for one that the database has no offset for: it begins at Kafka's oldest record.
	Starts      map[sink.Partition]int64
	BatchCount  int
	BatchBytes  int
	BatchPeriod time.Duration
	// BufferBytes bounds the records held in memory, counted with 512 bytes for each beside its content. Nothing more is fetched until the database
	// has taken some. One answer of every broker comes on top.
	BufferBytes int
	Log         *slog.Logger
	// Fail is told what makes going on impossible.
	Fail func(error)
	// Began is told where a partition without an offset begins, Ended and Written how far Kafka's log and the database are.
	Began, Ended, Written func(partition sink.Partition, offset int64)
	// Buffered is told how many bytes are held.
	Buffered func(bytes int)
}

// Connection is everything about the way to the brokers. It refuses files that cannot be read.
func Connection(s *settings.Settings) ([]kgo.Opt, error) {
	options := []kgo.Opt{kgo.SeedBrokers(s.Kafka.Brokers...), kgo.ClientID(s.ClientID)}
	if s.Kafka.TLS != nil {
		secured, err := tlsConfig(s.Kafka.TLS)
		if err != nil {
			return nil, err
		}
		options = append(options, kgo.DialTLSConfig(secured))
	}
	if s.Kafka.Mechanism != "" {
		options = append(options, kgo.SASL(mechanism(&s.Kafka)))
	}
	return options, nil
}

func reading() []kgo.Opt {
	return []kgo.Opt{
		kgo.FetchMaxWait(fetchMaxWait),
		kgo.FetchMaxPartitionBytes(partitionBytes),
		kgo.FetchMaxBytes(fetchMaxBytes),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		// Markers of transactions take offsets, too: with them the position reaches the end of the log.
		kgo.KeepControlRecords(),
		// An offset that Kafka does not have is an error, never a jump.
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
	}
}

func tlsConfig(files *settings.KafkaTLS) (*tls.Config, error) {
	secured := &tls.Config{MinVersion: tls.VersionTLS12}
	if files.CAFile != "" {
		pem, err := os.ReadFile(files.CAFile)
		if err != nil {
			return nil, fmt.Errorf("kafka.tls.caFile: %w", err)
		}
		secured.RootCAs = x509.NewCertPool()
		if !secured.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("kafka.tls.caFile: %s has no certificate in PEM", files.CAFile)
		}
	}
	if files.CertificateFile != "" {
		own, err := tls.LoadX509KeyPair(files.CertificateFile, files.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("kafka.tls.certificateFile and keyFile: %w", err)
		}
		secured.Certificates = []tls.Certificate{own}
	}
	return secured, nil
}

func mechanism(k *settings.Kafka) sasl.Mechanism {
	switch k.Mechanism {
	case "SCRAM-SHA-256":
		return scram.Auth{User: k.Username, Pass: k.Password}.AsSha256Mechanism()
	case "SCRAM-SHA-512":
		return scram.Auth{User: k.Username, Pass: k.Password}.AsSha512Mechanism()
	default:
		return plain.Auth{User: k.Username, Pass: k.Password}.AsMechanism()
	}
}
