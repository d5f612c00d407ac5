package clickhouse

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"compute-mesh.dev/ingest/internal/sink"
	"compute-mesh.dev/ingest/internal/table"
)

// transaction gathers a stretch; Advance writes it, rows first.
type transaction struct {
	client    *client
	partition sink.Partition
	facts     table.Facts
	first     int64
	begun     bool
	rows      []table.Row
	// tried says that the table for trials is there.
	tried bool
}

// Next asks for the greater one of mesh_offsets and the last row's offset + 1. Where the rows are further on, because a process ended between the two,
// mesh_offsets is set right: whoever waits for it would wait until the next record.
func (t *transaction) Next(ctx context.Context) (int64, bool, error) {
	// The last row is the end of the primary key, read backwards.
	rows, err := t.client.lines(ctx, `SELECT maxIf(next, noted), max(next) FROM (
SELECT next_offset AS next, true AS noted FROM mesh_offsets WHERE topic = {topic:String} AND "partition" = {partition:Int32}
UNION ALL SELECT off + 1 AS next, false AS noted FROM (SELECT off FROM `+quote(t.facts.Name)+` WHERE part = {partition:Int32} ORDER BY part DESC, off DESC LIMIT 1)
) HAVING count() > 0`, t.parameters())
	if err != nil {
		return 0, false, err
	}
	if len(rows) == 0 {
		return t.first, t.begun, nil
	}
	if len(rows[0]) != 2 {
		return 0, false, fmt.Errorf("ClickHouse answered %q to the question for the next offset", rows[0])
	}
	next, err := strconv.ParseInt(rows[0][1], 10, 64)
	if err == nil && rows[0][0] != rows[0][1] {
		err = t.note(ctx, next)
	}
	return next, err == nil, err
}

// First is kept until there is something to write.
func (t *transaction) First(_ context.Context, next int64) error {
	t.first, t.begun = next, true
	return nil
}

// Store gathers rows: whatever is set aside must be so before a row behind it is there, because the last row says where to go on.
func (t *transaction) Store(_ context.Context, rows []table.Row) (int, error) {
	data, err := encode(t.facts, rows)
	t.rows = append(t.rows, rows...)
	return len(data), err
}

// StoreCarefully tries the rows on a table without memory of them, with the same columns and constraints.
func (t *transaction) StoreCarefully(ctx context.Context, rows []table.Row) (int, error) {
	data, err := encode(t.facts, rows)
	if err != nil {
		return 0, err
	}
	if !t.tried {
		if _, err := t.client.run(ctx, "CREATE TABLE IF NOT EXISTS "+t.trial()+" AS "+quote(t.facts.Name)+" ENGINE = Null", nil, nil); err != nil {
			return 0, err
		}
		t.tried = true
	}
	if _, err := t.client.run(ctx, t.insertInto(t.trial()), data, nil); err != nil {
		return 0, err
	}
	t.rows = append(t.rows, rows...)
	return len(data), nil
}

// trialPrefix begins the names of those tables.
const trialPrefix = "mesh_trial_"

// trial is the name of that table: one for each partition, because several may be tried at once, and each process.
func (t *transaction) trial() string {
	return quote(fmt.Sprintf("%s%s_%s_%d", trialPrefix, strings.TrimPrefix(t.client.name, namePrefix), t.facts.Name, t.partition.ID))
}

// Advance inserts the rows, then the offset.
func (t *transaction) Advance(ctx context.Context, next int64) error {
	if t.tried {
		// Constraints may be others the next time.
		if _, err := t.client.run(ctx, "DROP TABLE IF EXISTS "+t.trial()+" SYNC", nil, nil); err != nil {
			return err
		}
	}
	if len(t.rows) > 0 {
		if err := t.insert(ctx); err != nil {
			return err
		}
	}
	return t.note(ctx, next)
}

// note inserts the next offset; the greatest one counts.
func (t *transaction) note(ctx context.Context, next int64) error {
	parameters := t.parameters()
	parameters.Set("param_next", strconv.FormatInt(next, 10))
	_, err := t.client.run(ctx, `INSERT INTO mesh_offsets (topic, "partition", next_offset) SELECT {topic:String}, {partition:Int32}, {next:Int64}`, nil, parameters)
	return err
}

func (t *transaction) insert(ctx context.Context) error {
	data, err := encode(t.facts, t.rows)
	if err != nil {
		return err
	}
	first, last := t.rows[0].Record.Offset, t.rows[len(t.rows)-1].Record.Offset
	block := strconv.Itoa(len(t.rows) + 1)
	_, err = t.client.run(ctx, t.insertInto(quote(t.facts.Name)), data, url.Values{
		// The name of the process is part of it: a shard that was dropped and comes back must not be taken for one that is there.
		"insert_deduplication_token": {fmt.Sprintf("%s:%v:%d:%d:%d", t.client.name, t.partition, first, last, len(t.rows))},
		"insert_deduplicate":         {"1"},
		"async_insert":               {"0"},
		// One block, however many rows.
		"max_insert_block_size":         {block},
		"min_insert_block_size_rows":    {block},
		"min_insert_block_size_bytes":   {strconv.Itoa(len(data)*4 + 1<<30)},
		"input_format_parallel_parsing": {"0"},
		"max_insert_threads":            {"1"},
	})
	return err
}

func (t *transaction) insertInto(name string) string {
	columns := t.facts.ColumnNames()
	for i := range columns {
		columns[i] = quote(columns[i])
	}
	return "INSERT INTO " + name + " (" + strings.Join(columns, ", ") + ") FORMAT RowBinary"
}

// Commit has nothing left to do.
func (t *transaction) Commit(context.Context) error { return nil }

// Rollback drops what was gathered.
func (t *transaction) Rollback() { t.rows = nil }

func (t *transaction) parameters() url.Values {
	return url.Values{"param_topic": {t.partition.Topic}, "param_partition": {strconv.Itoa(int(t.partition.ID))}}
}

// quote quotes a name; names have been checked to need no more.
func quote(name string) string { return `"` + name + `"` }
