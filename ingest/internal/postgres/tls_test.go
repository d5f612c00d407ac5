package postgres

import (
	"context"
	"testing"
	"time"

	"compute-mesh.dev/ingest/internal/sink"
	"compute-mesh.dev/ingest/internal/testdb"
)

func TestTheServersCertificateIsChecked(t *testing.T) {
	name, _ := tables(t)
	right, key := testdb.Certificate(t)
	wrong, _ := testdb.Certificate(t)
	ask := func(settings sink.Settings) (sink.Class, error) {
		settings.Host, settings.Port, settings.Database, settings.User, settings.Password = "127.0.0.1", server.Port, name, "mesh", "any"
		settings.Timeout, settings.Writers = time.Minute, 1
		s, err := open(settings)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		_, err = s.HeldShards(context.Background())
		return s.Classify(err), err
	}
	if class, err := ask(sink.Settings{TLS: true, CAFile: right}); class != sink.Setup {
		t.Errorf("a server without TLS: %v, %v", class, err)
	}
	server.TLS(t, right, key)
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if _, err := ask(sink.Settings{TLS: true, CAFile: right}); err == nil {
			break
		} else if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	for _, settings := range []sink.Settings{{TLS: true, CAFile: wrong}, {TLS: true}} {
		if class, err := ask(settings); err == nil || class != sink.Setup {
			t.Errorf("%+v: %v, %v", settings, class, err)
		}
	}
}
