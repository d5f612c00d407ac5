// Package testdb runs a temporary PostgreSQL server for tests.
package testdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"compute-mesh.dev/ingest/internal/table"
	"compute-mesh.dev/ingest/internal/testserver"
	"github.com/jackc/pgx/v5"
)

// Server is one cluster on a free port of the loopback interface.
type Server struct {
	// Port of the server; it stays the same over restarts.
	Port      int
	bin, data string
	process   *testserver.Process
	databases atomic.Int32
}

// Main runs the tests of a package with a server, or without one where the programs are missing: then Empty skips.
func Main(m *testing.M, server **Server) int {
	return testserver.Main(m, server, start)
}

func start() (*Server, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return nil, fmt.Errorf("%w: PostgreSQL in /usr/lib/postgresql/*/bin", testserver.ErrMissing)
	}
	data, err := os.MkdirTemp("", "mesh-ingest-db-")
	if err != nil {
		return nil, err
	}
	s := &Server{bin: filepath.Dir(found[len(found)-1]), data: data}
	owner, err := serverUser()
	if err != nil {
		return s, err
	}
	if owner != nil {
		if err := os.Chown(data, int(owner.Uid), int(owner.Gid)); err != nil {
			return s, err
		}
	}
	init := s.command("initdb", "-D", data, "-U", "mesh", "--auth=trust", "--no-sync", "--no-locale", "-E", "UTF8")
	if text, err := init.CombinedOutput(); err != nil {
		return s, fmt.Errorf("initdb: %w\n%s", err, text)
	}
	if err := s.demandPasswords(); err != nil {
		return s, err
	}
	if s.Port, err = testserver.FreePort(); err != nil {
		return s, err
	}
	return s, s.Start()
}

// PasswordUser is the user that needs its password, which is the same word. Everybody else comes in without one.
const PasswordUser = "guarded"

func (s *Server) demandPasswords() error {
	file := filepath.Join(s.data, "pg_hba.conf")
	rules, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return os.WriteFile(file, append([]byte("host all "+PasswordUser+" 127.0.0.1/32 scram-sha-256\n"), rules...), 0o600)
}

// serverUser is who the server runs as where the tests run as root, which PostgreSQL refuses.
func serverUser() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, _ := strconv.Atoi(found.Uid)
		gid, _ := strconv.Atoi(found.Gid)
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("neither the user postgres nor nobody exists, and PostgreSQL does not run as root")
}

func (s *Server) command(program string, args ...string) *exec.Cmd {
	command := exec.Command(filepath.Join(s.bin, program), args...)
	command.Dir = s.data
	if owner, err := serverUser(); err == nil && owner != nil {
		command.SysProcAttr = &syscall.SysProcAttr{Credential: owner}
	}
	return command
}

// Start starts the server and waits until it answers. Durable as it comes, so that a kill tells something.
func (s *Server) Start() error {
	command := s.command("postgres", "-D", s.data, "-p", strconv.Itoa(s.Port), "-h", "127.0.0.1", "-k", "", "-c", "max_connections=60",
		"-c", "shared_buffers=128MB", "-c", "max_wal_size=2GB")
	// SIGQUIT is the server's immediate shutdown; kill -9 of the parent would leave children behind that hold the data directory.
	process, err := testserver.Launch(command, "QUIT", s.data+".log")
	if err != nil {
		return err
	}
	s.process = process
	connects := func() error {
		conn, err := pgx.Connect(context.Background(), s.DSN("postgres"))
		if err == nil {
			return conn.Close(context.Background())
		}
		return err
	}
	if err := testserver.WaitFor(connects, 30*time.Second); err != nil {
		return fmt.Errorf("PostgreSQL does not answer: %w", err)
	}
	return nil
}

// Kill ends the server as a crash does: nothing is written any more, clients lose their connections.
func (s *Server) Kill() error { return s.process.Kill() }

// Remove ends the server and takes its files away.
func (s *Server) Remove() {
	if s.process != nil {
		_ = s.Kill()
	}
	_ = os.RemoveAll(s.data)
	_ = os.Remove(s.data + ".log")
}

// DSN of a database of the server.
func (s *Server) DSN(database string) string {
	return fmt.Sprintf("postgres://mesh@127.0.0.1:%d/%s?sslmode=disable&connect_timeout=5", s.Port, database)
}

// Empty makes a new database without tables and returns its name and DSN. Skips the test where there is no server.
func (s *Server) Empty(t testing.TB) (string, string) {
	t.Helper()
	if s == nil {
		t.Skip(testserver.ErrMissing)
	}
	name := fmt.Sprintf("test_%d", s.databases.Add(1))
	Exec(t, s.DSN("postgres"), "CREATE DATABASE "+name)
	t.Cleanup(func() { Exec(t, s.DSN("postgres"), "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)") })
	return name, s.DSN(name)
}

// Schema is what the component library writes into createTables: src/model/table-sql.ts.
func Schema(tables ...table.Facts) []string {
	statements := []string{`CREATE TABLE IF NOT EXISTS mesh_offsets (
  topic text NOT NULL,
  partition int NOT NULL,
  next_offset bigint NOT NULL,
  updated timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (topic, partition)
)`, `CREATE TABLE IF NOT EXISTS mesh_shards (
  shard int PRIMARY KEY,
  source text NOT NULL,
  since timestamptz NOT NULL DEFAULT now()
)`, `CREATE TABLE IF NOT EXISTS mesh_cuts (
  snapshot text NOT NULL,
  topic text NOT NULL,
  partition int NOT NULL,
  next_offset bigint NOT NULL,
  PRIMARY KEY (snapshot, topic, partition)
)`}
	types := map[table.Type]string{
		table.Text: "text", table.Int32: "integer", table.Int64: "bigint", table.Float64: "double precision", table.Decimal: "numeric(38, 9)",
		table.Boolean: "boolean", table.Timestamp: "timestamptz", table.JSON: "jsonb",
	}
	for _, facts := range tables {
		statement := fmt.Sprintf(`CREATE TABLE IF NOT EXISTS "%s" (
  part integer NOT NULL,
  off bigint NOT NULL,
  ts timestamptz NOT NULL,
  "key" text,
`, facts.Name)
		for _, column := range facts.Columns {
			null := ""
			if column.Required {
				null = " NOT NULL"
			}
			statement += fmt.Sprintf("  %q %s%s,\n", column.Name, types[column.Type], null)
		}
		if facts.Document {
			statement += "  doc jsonb,\n"
		}
		statements = append(statements, statement+"  PRIMARY KEY (part, off)\n)")
	}
	return statements
}

// Exec runs statements.
func Exec(t testing.TB, dsn, sql string) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), dsn)
	if err == nil {
		_, err = conn.PgConn().Exec(context.Background(), sql).ReadAll()
		_ = conn.Close(context.Background())
	}
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// Text is the single value of a query, as text.
func Text(t testing.TB, dsn, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	var text *string
	if err := conn.QueryRow(context.Background(), "SELECT ("+sql+")::text").Scan(&text); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	if text == nil {
		return "NULL"
	}
	return *text
}
