package postgres

import (
	"context"
	"fmt"
	"slices"

	"compute-mesh.dev/ingest/internal/sink"
	"compute-mesh.dev/ingest/internal/table"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// columnTypes as `format_type` writes them. Binary COPY sends no types, so another type would be stored as something else or rejected row by row.
var columnTypes = map[table.Type]string{
	table.Text:      "text",
	table.Int32:     "integer",
	table.Int64:     "bigint",
	table.Float64:   "double precision",
	table.Decimal:   "numeric(38,9)",
	table.Boolean:   "boolean",
	table.Timestamp: "timestamp with time zone",
	table.JSON:      "jsonb",
}

type column struct{ name, kind string }

type tableShape struct {
	name    string
	columns []column
	key     []string
}

var meshTables = []tableShape{
	{"mesh_offsets", []column{{"topic", "text"}, {"partition", "integer"}, {"next_offset", "bigint"}, {"updated", "timestamp with time zone"}}, []string{"topic", "partition"}},
	{"mesh_shards", []column{{"shard", "integer"}, {"source", "text"}, {"since", "timestamp with time zone"}}, []string{"shard"}},
	{"mesh_cuts", []column{{"snapshot", "text"}, {"topic", "text"}, {"partition", "integer"}, {"next_offset", "bigint"}}, []string{"snapshot", "topic", "partition"}},
}

func shapeOf(facts table.Facts) tableShape {
	columns := []column{{"part", "integer"}, {"off", "bigint"}, {"ts", "timestamp with time zone"}, {"key", "text"}}
	for _, typed := range facts.Columns {
		columns = append(columns, column{typed.Name, columnTypes[typed.Type]})
	}
	if facts.Document {
		columns = append(columns, column{"doc", "jsonb"})
	}
	return tableShape{name: facts.Name, columns: columns, key: []string{"part", "off"}}
}

// Prepare creates what is missing, after a look at what is there.
func (d *database) Prepare(ctx context.Context, createTables []string, tables []table.Facts) error {
	shapes := slices.Clone(meshTables)
	for _, facts := range tables {
		shapes = append(shapes, shapeOf(facts))
	}
	check := func(wanted tableShape, mayMiss bool) error { return checkTable(ctx, d.pool, wanted, mayMiss) }
	return sink.PrepareTables(shapes, createTables, check, func(statement string) error { return d.create(ctx, statement) })
}

// create tries again what two create at once: the one that comes second gets an error, and finds it there the next time.
func (d *database) create(ctx context.Context, statement string) error {
	for tries := 1; ; tries++ {
		_, err := d.pool.Exec(ctx, statement, pgx.QueryExecModeSimpleProtocol)
		if err == nil {
			return nil
		}
		if code := sqlState(err); tries == 5 || (code != "23505" && code != "42P07" && code != "42710") {
			return err
		}
	}
}

type found struct {
	kind string
	// inKey is the place in the primary key, from 1; 0 for none.
	inKey int
	// demanded means that a row without the column is rejected.
	demanded bool
}

func checkTable(ctx context.Context, pool *pgxpool.Pool, wanted tableShape, mayMiss bool) error {
	columns, err := readColumns(ctx, pool, wanted.name)
	if err != nil {
		return err
	}
	if len(columns) == 0 {
		return sink.Absent(wanted.name, mayMiss)
	}
	var differences []string
	expected := map[string]bool{}
	for _, one := range wanted.columns {
		expected[one.name] = true
		if kind := columns[one.name].kind; kind == "" {
			differences = append(differences, fmt.Sprintf("column %q: not found, %s expected", one.name, one.kind))
		} else if kind != one.kind {
			differences = append(differences, fmt.Sprintf("column %q: %s found, %s expected", one.name, kind, one.kind))
		}
	}
	var key, others []string
	for name, one := range columns {
		if one.demanded && !expected[name] {
			others = append(others, fmt.Sprintf("column %q: %s NOT NULL without a default found, no such column expected", name, one.kind))
		}
		if one.inKey > 0 {
			key = append(key, name)
		}
	}
	slices.Sort(others)
	slices.SortFunc(key, func(a, b string) int { return columns[a].inKey - columns[b].inKey })
	if !slices.Equal(key, wanted.key) {
		differences = append(differences, fmt.Sprintf("primary key: %v found, %v expected", key, wanted.key))
	}
	if differences = append(differences, others...); len(differences) > 0 {
		return &sink.Misfit{Table: wanted.name, Differences: differences}
	}
	return nil
}

func readColumns(ctx context.Context, pool *pgxpool.Pool, table string) (map[string]found, error) {
	const ask = `SELECT a.attname, format_type(a.atttypid, a.atttypmod), coalesce(array_position(k.conkey, a.attnum), 0),
  a.attnotnull AND NOT a.atthasdef AND a.attidentity = ''
FROM pg_attribute a LEFT JOIN pg_constraint k ON k.conrelid = a.attrelid AND k.contype = 'p'
WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped`
	rows, err := pool.Query(ctx, ask, pgx.Identifier{table}.Sanitize())
	if err != nil {
		return nil, err
	}
	columns := map[string]found{}
	var name string
	var one found
	_, err = pgx.ForEachRow(rows, []any{&name, &one.kind, &one.inKey, &one.demanded}, func() error {
		columns[name] = one
		return nil
	})
	return columns, err
}
