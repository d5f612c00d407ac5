package mysql

import (
	"database/sql"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"compute-mesh.dev/ingest/internal/sink/sinktest"
	driver "github.com/go-sql-driver/mysql"
)

// The sink alone: stretches of 5000 one after the other, beside one LOAD DATA of the same rows by hand.
func BenchmarkSinkBesideLoadData(b *testing.B) {
	const rows, size = 200_000, 5_000
	s, name := prepared(b)
	var lines strings.Builder
	for n := range int64(rows) {
		fmt.Fprintf(&lines, "0\t%d\t2023-11-14 22:13:20.123\tk\t%d\t%s\n", n, n, sinktest.LongValue(n))
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
			taken += sinktest.Timed(b, s, sinktest.Long(at, at+size))
		}
	}
	sinktest.Report(b, rows, taken, limit, "loaded", "load-data")
}
