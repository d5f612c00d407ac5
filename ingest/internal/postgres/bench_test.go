package postgres

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"compute-mesh.dev/ingest/internal/sink/sinktest"
	"compute-mesh.dev/ingest/internal/stretch"
	"compute-mesh.dev/ingest/internal/table"
	"compute-mesh.dev/ingest/internal/testdb"
	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/warpstreamlabs/bento/public/service"
)

// The output alone: batches of 5000 one after the other, beside one COPY of the same rows by hand.
func BenchmarkOutputBesideCopy(b *testing.B) {
	const rows, size = 200_000, 5_000
	name, dsn := tables(b, table.Facts{Name: "byhand", Document: true})
	o, stopped := connected(b, name, nil)
	var text bytes.Buffer
	for n := range rows {
		fmt.Fprintf(&text, "0\t%d\t2023-11-14 22:13:20.123+00\tk\t{\"n\": %d, \"text\": \"%032d\"}\n", n, n, n)
	}
	var limit, taken time.Duration
	for b.Loop() {
		testdb.Exec(b, dsn, "TRUNCATE events, byhand, mesh_offsets; CHECKPOINT")
		conn, err := pgx.Connect(context.Background(), dsn)
		if err != nil {
			b.Fatal(err)
		}
		begin := time.Now()
		if _, err := conn.PgConn().CopyFrom(context.Background(), bytes.NewReader(text.Bytes()), "COPY byhand FROM STDIN"); err != nil {
			b.Fatal(err)
		}
		limit += time.Since(begin)
		_ = conn.Close(context.Background())
		testdb.Exec(b, dsn, "CHECKPOINT")
		for at := int64(0); at < rows; at += size {
			messages := bigBatch(at, at+size)
			begin := time.Now()
			write(b, o, messages)
			taken += time.Since(begin)
		}
	}
	if len(stopped.list) > 0 {
		b.Fatal(stopped.list)
	}
	sinktest.Report(b, rows, taken, limit, "copied", "copy")
}

func bigBatch(from, to int64) service.MessageBatch {
	var records []*kgo.Record
	for n := from; n < to; n++ {
		records = append(records, record(n, fmt.Sprintf(`{"n": %d, "text": "%032d"}`, n, n)))
	}
	return batchOf(&stretch.Stretch{Topic: "t", From: from, To: to, Oldest: from == 0}, records...)
}
