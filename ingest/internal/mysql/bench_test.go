package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"compute-mesh.dev/ingest/internal/sink"
	"compute-mesh.dev/ingest/internal/sink/sinktest"
	"compute-mesh.dev/ingest/internal/testserver"
	driver "github.com/go-sql-driver/mysql"
)

// The sink alone: stretches of 5000 one after the other, beside one LOAD DATA of the same rows by hand.
func BenchmarkSinkBesideLoadData(b *testing.B) {
	const rows, size = 200_000, 5_000
	s, name := prepared(b)
	value := func(n int64) []byte { return fmt.Appendf(nil, `{"n": %d, "text": "%032d"}`, n, n) }
	var lines strings.Builder
	for n := range int64(rows) {
		fmt.Fprintf(&lines, "0\t%d\t2023-11-14 22:13:20.123\tk\t%d\t%s\n", n, n, value(n))
	}
	driver.RegisterReaderHandler("byhand", func() io.Reader { return strings.NewReader(lines.String()) })
	execute(b, name, "CREATE TABLE byhand LIKE events")
	var limit, taken time.Duration
	for b.Loop() {
		execute(b, name, "TRUNCATE events; TRUNCATE byhand; DELETE FROM mesh_offsets")
		db, err := sql.Open("mysql", server.MysqlDSN(name))
		if err != nil {
			b.Fatal(err)
		}
		begin := time.Now()
		if _, err := db.Exec("LOAD DATA LOCAL INFILE 'Reader::byhand' INTO TABLE byhand"); err != nil {
			b.Fatal(err)
		}
		limit += time.Since(begin)
		_ = db.Close()
		for at := int64(0); at < rows; at += size {
			batch := testserver.Batch(sinktest.Facts, at, at+size, testserver.Numbers(at, at+size), value)
			begin := time.Now()
			if _, err := sink.Apply(context.Background(), s, batch, false); err != nil {
				b.Fatal(err)
			}
			taken += time.Since(begin)
		}
	}
	perSecond := func(d time.Duration) float64 { return rows * float64(b.N) / d.Seconds() }
	b.ReportMetric(perSecond(taken), "rows/s")
	b.ReportMetric(perSecond(limit), "loaded-rows/s")
	b.ReportMetric(perSecond(taken)/perSecond(limit), "of-load-data")
}
