package kafka

import (
	"context"
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"compute-mesh.dev/ingest/internal/settings"
	"compute-mesh.dev/ingest/internal/testdb"
	"github.com/twmb/franz-go/pkg/kfake"
)

func check(t *testing.T, k settings.Kafka) error {
	t.Helper()
	connection, err := Connection(&settings.Settings{ClientID: "x", Kafka: k})
	if err != nil {
		t.Fatal(err)
	}
	admin, err := NewAdmin(connection, k.Mechanism)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	return admin.CheckTopics(ctx, map[string]int{"t": 1})
}

func TestCredentialsReachTheBrokers(t *testing.T) {
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"), kfake.EnableSASL(), kfake.Superuser(mechanism, "mesh", "secret"))
		if err != nil {
			t.Fatal(err)
		}
		defer cluster.Close()
		for password, fits := range map[string]bool{"secret": true, "wrong": false} {
			if err := check(t, settings.Kafka{Brokers: cluster.ListenAddrs(), Mechanism: mechanism, Username: "mesh", Password: password}); (err == nil) != fits {
				t.Errorf("%s with password %s: %v", mechanism, password, err)
			}
		}
	}
}

func TestBothSidesOfTLSAreChecked(t *testing.T) {
	file, keyFile := testdb.Certificate(t)
	other, _ := testdb.Certificate(t)
	pair, err := tls.LoadX509KeyPair(file, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	authority, err := tlsConfig(&settings.KafkaTLS{CAFile: file})
	if err != nil {
		t.Fatal(err)
	}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"),
		kfake.TLS(&tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: authority.RootCAs, ClientAuth: tls.RequireAndVerifyClientCert}))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	for name, one := range map[string]struct {
		tls  *settings.KafkaTLS
		fits bool
	}{
		"both":                   {&settings.KafkaTLS{CAFile: file, CertificateFile: file, KeyFile: keyFile}, true},
		"no certificate":         {&settings.KafkaTLS{CAFile: file}, false},
		"another authority":      {&settings.KafkaTLS{CAFile: other, CertificateFile: file, KeyFile: keyFile}, false},
		"the system's authority": {&settings.KafkaTLS{CertificateFile: file, KeyFile: keyFile}, false},
		"no TLS":                 {nil, false},
	} {
		if err := check(t, settings.Kafka{Brokers: cluster.ListenAddrs(), TLS: one.tls}); (err == nil) != one.fits {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFilesThatCannotBeReadAreNamed(t *testing.T) {
	for path, files := range map[string]*settings.KafkaTLS{
		"kafka.tls.caFile":          {CAFile: "/nowhere"},
		"kafka.tls.certificateFile": {CertificateFile: "/nowhere", KeyFile: "/nowhere"},
	} {
		if _, err := Connection(&settings.Settings{Kafka: settings.Kafka{TLS: files}}); err == nil || !strings.Contains(err.Error(), path) {
			t.Error(path, err)
		}
	}
}
