package clickhouse

import (
	"context"
	"fmt"
	"net/url"
	"slices"

	"compute-mesh.dev/ingest/internal/sink"
	"compute-mesh.dev/ingest/internal/table"
)

// columnTypes as system.columns writes them. RowBinary sends no types, so another type would be stored as something else.
var columnTypes = map[table.Type]string{
	table.Text:      "String",
	table.Int32:     "Int32",
	table.Int64:     "Int64",
	table.Float64:   "Float64",
	table.Decimal:   "Decimal(38, 9)",
	table.Boolean:   "Bool",
	table.Timestamp: "DateTime64(6, 'UTC')",
	table.JSON:      "String",
}

type column struct{ name, kind string }

type tableShape struct {
	name    string
	columns []column
	key     string
}

var meshTables = []tableShape{
	{"mesh_offsets", []column{{"topic", "String"}, {"partition", "Int32"}, {"next_offset", "Int64"}, {"updated", "DateTime64(6, 'UTC')"}}, "topic, partition"},
	{"mesh_shards", []column{{"shard", "Int32"}, {"source", "String"}, {"since", "DateTime64(6, 'UTC')"}}, "shard"},
	{"mesh_cuts", []column{{"snapshot", "String"}, {"topic", "String"}, {"partition", "Int32"}, {"next_offset", "Int64"}}, "topic, partition"},
}

func shapeOf(facts table.Facts) tableShape {
	columns := []column{{"part", "Int32"}, {"off", "Int64"}, {"ts", "DateTime64(6, 'UTC')"}, {"key", "Nullable(String)"}}
	for _, typed := range facts.Columns {
		kind := columnTypes[typed.Type]
		if !typed.Required {
			kind = "Nullable(" + kind + ")"
		}
		columns = append(columns, column{typed.Name, kind})
	}
	if facts.Document {
		columns = append(columns, column{"doc", "Nullable(String)"})
	}
	return tableShape{name: facts.Name, columns: columns, key: "part, off"}
}

// Prepare ends what a predecessor left behind, and creates what is missing, after a look at what is there.
func (d *database) Prepare(ctx context.Context, createTables []string, tables []table.Facts) error {
	// A statement of a process that is gone may still be carried out, after this one has asked where to go on.
	_, err := d.client.run(ctx, "KILL QUERY WHERE query_id LIKE '"+namePrefix+"%' AND query_id NOT LIKE '"+d.client.name+"%' SYNC", nil, nil)
	if err != nil {
		return fmt.Errorf("ending what another ingest left behind: %w", err)
	}
	left, err := d.client.lines(ctx, "SELECT name FROM system.tables WHERE database = currentDatabase() AND startsWith(name, '"+trialPrefix+"')", nil)
	if err != nil {
		return err
	}
	for _, row := range left {
		if _, err := d.client.run(ctx, "DROP TABLE IF EXISTS "+quote(row[0])+" SYNC", nil, nil); err != nil {
			return fmt.Errorf("ending what another ingest left behind: %w", err)
		}
	}
	shapes := slices.Clone(meshTables)
	for _, facts := range tables {
		shapes = append(shapes, shapeOf(facts))
	}
	check := func(wanted tableShape, mayMiss bool) error { return d.checkTable(ctx, wanted, mayMiss) }
	return sink.PrepareTables(shapes, createTables, check, func(statement string) error {
		_, err := d.client.run(ctx, statement, nil, nil)
		return err
	})
}

func (d *database) checkTable(ctx context.Context, wanted tableShape, mayMiss bool) error {
	name := url.Values{"param_name": {wanted.name}}
	rows, err := d.client.lines(ctx, "SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = {name:String} ORDER BY position", name)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return sink.Absent(wanted.name, mayMiss)
	}
	found := map[string]string{}
	for _, row := range rows {
		found[row[0]] = row[1]
	}
	var differences []string
	for _, one := range wanted.columns {
		if kind, known := found[one.name]; !known {
			differences = append(differences, fmt.Sprintf("column %q: not found, %s expected", one.name, one.kind))
		} else if kind != one.kind {
			differences = append(differences, fmt.Sprintf("column %q: %s found, %s expected", one.name, kind, one.kind))
		}
	}
	keys, err := d.client.lines(ctx, "SELECT sorting_key, engine FROM system.tables WHERE database = currentDatabase() AND name = {name:String}", name)
	if err != nil {
		return err
	}
	if len(keys) == 1 && keys[0][0] != wanted.key {
		differences = append(differences, fmt.Sprintf("ORDER BY: (%s) found, (%s) expected", keys[0][0], wanted.key))
	}
	if len(keys) == 1 && keys[0][1] != "ReplacingMergeTree" {
		differences = append(differences, fmt.Sprintf("ENGINE: %s found, ReplacingMergeTree expected", keys[0][1]))
	}
	if len(differences) > 0 {
		return &sink.Misfit{Table: wanted.name, Differences: differences}
	}
	return nil
}
