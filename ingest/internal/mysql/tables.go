package mysql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"compute-mesh.dev/ingest/internal/sink"
	"compute-mesh.dev/ingest/internal/table"
	"github.com/go-sql-driver/mysql"
)

// columnTypes as information_schema writes them, without display widths; the first is what createTables makes, the others are the same on another server.
var columnTypes = map[table.Type][]string{
	table.Text:      {"longtext"},
	table.Int32:     {"int"},
	table.Int64:     {"bigint"},
	table.Float64:   {"double"},
	table.Decimal:   {"decimal(38,9)"},
	table.Boolean:   {"tinyint"},
	table.Timestamp: {"datetime(6)"},
	// SingleStore and MySQL have the type; MariaDB's is longtext with a check.
	table.JSON: {"json", "longtext"},
}

type column struct {
	name  string
	kinds []string
}

type tableShape struct {
	name    string
	columns []column
	key     []string
}

var meshTables = []tableShape{
	{"mesh_offsets", []column{{"topic", []string{"varchar(249)"}}, {"partition", []string{"int"}}, {"next_offset", []string{"bigint"}}, {"updated", []string{"datetime(6)"}}}, []string{"topic", "partition"}},
	{"mesh_shards", []column{{"shard", []string{"int"}}, {"source", []string{"varchar(64)"}}, {"since", []string{"datetime(6)"}}}, []string{"shard"}},
	{"mesh_cuts", []column{{"snapshot", []string{"varchar(64)"}}, {"topic", []string{"varchar(249)"}}, {"partition", []string{"int"}}, {"next_offset", []string{"bigint"}}}, []string{"snapshot", "topic", "partition"}},
}

func shapeOf(facts table.Facts) tableShape {
	columns := []column{{"part", columnTypes[table.Int32]}, {"off", columnTypes[table.Int64]}, {"ts", columnTypes[table.Timestamp]}, {"key", columnTypes[table.Text]}}
	for _, typed := range facts.Columns {
		columns = append(columns, column{typed.Name, columnTypes[typed.Type]})
	}
	if facts.Document {
		columns = append(columns, column{"doc", columnTypes[table.JSON]})
	}
	return tableShape{name: facts.Name, columns: columns, key: []string{"part", "off"}}
}

// Prepare creates what is missing, after a look at what is there.
func (d *database) Prepare(ctx context.Context, createTables []string, tables []table.Facts) error {
	shapes := slices.Clone(meshTables)
	for _, facts := range tables {
		shapes = append(shapes, shapeOf(facts))
	}
	check := func(wanted tableShape, mayMiss bool) error { return d.checkTable(ctx, wanted, mayMiss) }
	return sink.PrepareTables(shapes, createTables, check, func(statement string) error { return d.create(ctx, statement) })
}

// create takes it for done where another ingest has done it.
func (d *database) create(ctx context.Context, statement string) error {
	var answer *mysql.MySQLError
	if _, err := d.pool.ExecContext(ctx, statement); err != nil && !(errors.As(err, &answer) && answer.Number == tableExists) {
		return err
	}
	return nil
}

func (d *database) checkTable(ctx context.Context, wanted tableShape, mayMiss bool) error {
	found, others, err := d.readColumns(ctx, wanted)
	if err != nil {
		return err
	}
	if len(found) == 0 && len(others) == 0 {
		return sink.Absent(wanted.name, mayMiss)
	}
	var differences []string
	for _, one := range wanted.columns {
		if kind, known := found[one.name]; !known {
			differences = append(differences, fmt.Sprintf("column %q: not found, %s expected", one.name, one.kinds[0]))
		} else if !slices.Contains(one.kinds, kind) {
			differences = append(differences, fmt.Sprintf("column %q: %s found, %s expected", one.name, kind, one.kinds[0]))
		}
	}
	key, err := d.readKey(ctx, wanted.name)
	if err != nil {
		return err
	}
	if !slices.Equal(key, wanted.key) {
		differences = append(differences, fmt.Sprintf("primary key: %v found, %v expected", key, wanted.key))
	}
	if differences = append(differences, others...); len(differences) > 0 {
		return &sink.Misfit{Table: wanted.name, Differences: differences}
	}
	return nil
}

// readColumns finds the types by name; others are columns that are not wanted and without which a row is rejected.
func (d *database) readColumns(ctx context.Context, wanted tableShape) (found map[string]string, others []string, err error) {
	const ask = `SELECT column_name, data_type, column_type, is_nullable, column_default IS NULL AND extra NOT LIKE '%auto_increment%'
FROM information_schema.columns WHERE table_schema = database() AND table_name = ? ORDER BY ordinal_position`
	rows, err := d.pool.QueryContext(ctx, ask, wanted.name)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = rows.Close() }()
	found = map[string]string{}
	for rows.Next() {
		var name, kind, full, nullable string
		var needed bool
		if err := rows.Scan(&name, &kind, &full, &nullable, &needed); err != nil {
			return nil, nil, err
		}
		kind = strings.ToLower(kind)
		// Widths of whole numbers mean nothing, those of others do.
		if kind == "decimal" || kind == "varchar" || kind == "datetime" {
			kind = strings.ReplaceAll(strings.ToLower(full), " ", "")
		}
		isWanted := slices.ContainsFunc(wanted.columns, func(one column) bool { return one.name == name })
		if isWanted {
			found[name] = kind
		} else if nullable == "NO" && needed {
			others = append(others, fmt.Sprintf("column %q: %s NOT NULL without a default found, no such column expected", name, kind))
		}
	}
	return found, others, rows.Err()
}

func (d *database) readKey(ctx context.Context, name string) ([]string, error) {
	const ask = `SELECT column_name FROM information_schema.statistics WHERE table_schema = database() AND table_name = ? AND index_name = 'PRIMARY' ORDER BY seq_in_index`
	rows, err := d.pool.QueryContext(ctx, ask, name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var key []string
	for rows.Next() {
		var column string
		if err := rows.Scan(&column); err != nil {
			return nil, err
		}
		key = append(key, column)
	}
	return key, rows.Err()
}
