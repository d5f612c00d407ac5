// Package endtoend runs the built program between a Kafka broker in this process and a real PostgreSQL.
package endtoend

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"compute-mesh.dev/ingest/internal/testdb"
	"compute-mesh.dev/ingest/internal/testserver"
	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

var (
	server  *testdb.Server
	program string
)

func TestMain(m *testing.M) {
	os.Exit(func() int {
		directory, err := os.MkdirTemp("", "mesh-ingest-program-")
		if err != nil {
			panic(err)
		}
		defer func() { _ = os.RemoveAll(directory) }()
		program = filepath.Join(directory, "mesh-ingest")
		build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, "compute-mesh.dev/ingest")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if text, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%v\n%s", err, text)
			return 1
		}
		return testdb.Main(m, &server)
	}())
}

// broker is Kafka in this process with the topic "events".
func broker(t testing.TB, partitions int32, more ...kfake.Opt) (*kfake.Cluster, string) {
	t.Helper()
	cluster, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(partitions, "events")}, more...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster, strings.Join(cluster.ListenAddrs(), ",")
}

func client(t testing.TB, brokers string, more ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(brokers), kgo.RecordPartitioner(kgo.ManualPartitioner())}, more...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func value(n int) *kgo.Record {
	return &kgo.Record{Topic: "events", Key: fmt.Appendf(nil, "key-%d", n%100), Value: fmt.Appendf(nil, `{"n": %d, "text": "%032d"}`, n, n)}
}

func produce(t testing.TB, c *kgo.Client, records ...*kgo.Record) {
	t.Helper()
	if err := c.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// spread sends so many records, one after the other to each of the first partitions.
func spread(t testing.TB, brokers string, records, partitions int) {
	t.Helper()
	c := client(t, brokers)
	for n := range records {
		record := value(n)
		record.Partition = int32(n % partitions)
		produce(t, c, record)
	}
}

// process is a running program.
type process struct {
	command *exec.Cmd
	log     *logBuffer
	ended   chan struct{}
	err     error
	address string
}

type logBuffer struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (l *logBuffer) Write(text []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.Write(text)
}

func (l *logBuffer) String() string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.String()
}

// startProcess starts a command that answers at the address; who calls it ends it.
func startProcess(t testing.TB, command *exec.Cmd, address string) *process {
	t.Helper()
	p := &process{command: command, log: &logBuffer{}, ended: make(chan struct{}), address: address}
	command.Stdout, command.Stderr = p.log, p.log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = command.Wait()
		close(p.ended)
	}()
	return p
}

func freeAddress(t testing.TB) string {
	t.Helper()
	port, err := testserver.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", port)
}

// get asks the program's HTTP server; status 0 while it does not answer.
func (p *process) get(path string) (int, string) {
	answer, err := http.Get("http://" + p.address + path)
	if err != nil {
		return 0, ""
	}
	text, _ := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	return answer.StatusCode, string(text)
}

// waitReady waits until /ready answers with the status and the text.
func (p *process) waitReady(t testing.TB, status int, text string) {
	t.Helper()
	p.waitUntil(t, fmt.Sprintf("/ready with %d %q", status, text), func() bool {
		got, body := p.get("/ready")
		return got == status && strings.Contains(body, text)
	})
}

func (p *process) kill() {
	_ = p.command.Process.Kill()
	<-p.ended
}

// waitUntil asks until the condition holds; the program must live.
func (p *process) waitUntil(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); !condition(); time.Sleep(30 * time.Millisecond) {
		select {
		case <-p.ended:
			t.Fatalf("%s: the program ended: %v\n%s", what, p.err, p.log)
		default:
		}
		if time.Now().After(end) {
			_, body := p.get("/ready")
			t.Fatalf("%s: not within 60 s\n%s\n%s", what, body, p.log)
		}
	}
}

// wantEnd waits until the program ends by itself, with status 1 and a log that says why.
func (p *process) wantEnd(t *testing.T, text string) {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(30 * time.Second):
		t.Fatalf("still running\n%s", p.log)
	}
	if p.command.ProcessState.ExitCode() != 1 || !strings.Contains(p.log.String(), text) {
		t.Fatalf("status %d, without %q\n%s", p.command.ProcessState.ExitCode(), text, p.log)
	}
}

// caughtUp says that the database's offsets are at the end of every partition.
func caughtUp(t testing.TB, cluster *kfake.Cluster, dsn string) bool {
	t.Helper()
	for _, info := range cluster.PartitionInfos("events") {
		if testdb.Text(t, dsn, "SELECT to_regclass('mesh_offsets')") == "NULL" {
			return false
		}
		next := testdb.Text(t, dsn, fmt.Sprintf("SELECT max(next_offset) FROM mesh_offsets WHERE partition = %d", info.Partition))
		if info.HighWatermark > 0 && next != fmt.Sprint(info.HighWatermark) {
			return false
		}
	}
	return true
}

// wantRows compares the table with what a reader of committed records sees in Kafka, or one with more options, row by row.
func wantRows(t *testing.T, cluster *kfake.Cluster, brokers, dsn string, more ...kgo.Opt) int {
	t.Helper()
	want, total := map[string]string{}, 0
	ends, offsets := map[int32]int64{}, map[int32]kgo.Offset{}
	for _, info := range cluster.PartitionInfos("events") {
		ends[info.Partition], offsets[info.Partition] = info.HighWatermark, kgo.NewOffset().AtStart()
	}
	reader := client(t, brokers, append([]kgo.Opt{kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"events": offsets}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.FetchMaxWait(100 * time.Millisecond)}, more...)...)
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	for open := len(ends); open > 0; {
		open = 0
		reader.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			if r.Offset+1 >= ends[r.Partition] {
				ends[r.Partition] = 0
			}
			if !r.Attrs.IsControl() {
				want[fmt.Sprintf("%d/%d", r.Partition, r.Offset)] = fmt.Sprintf("%s %s", r.Key, r.Value)
				total++
			}
		})
		if ctx.Err() != nil {
			t.Fatal("the log could not be read again", ends)
		}
		for _, end := range ends {
			if end > 0 {
				open++
			}
		}
	}
	got := map[string]string{}
	text := testdb.Text(t, dsn, `SELECT string_agg(part || '/' || off || ' ' || key || ' {"n": ' || (doc->>'n') || ', "text": "' || (doc->>'text') || '"}', E'\n') FROM events`)
	for line := range strings.Lines(text) {
		name, row, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		got[name] = row
	}
	if len(got) != total || total == 0 {
		t.Errorf("%d rows, %d records", len(got), total)
	}
	wrong := 0
	for name, row := range want {
		if got[name] != row {
			if wrong++; wrong < 5 {
				t.Errorf("%s: %q, not %q", name, got[name], row)
			}
		}
	}
	return total
}

// cutter passes connections on to the server and cuts each after a random time. It can be told to let them live.
type cutter struct {
	listener net.Listener
	calm     chan struct{}
	random   *rand.Rand
}

func newCutter(t *testing.T, target int, random *rand.Rand) *cutter {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{listener: listener, calm: make(chan struct{}), random: random}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", target))
			if err != nil {
				_ = from.Close()
				continue
			}
			life := time.NewTimer(time.Duration(20+c.random.IntN(400)) * time.Millisecond)
			go func() {
				select {
				case <-life.C:
				case <-c.calm:
					return
				}
				_, _ = from.Close(), to.Close()
			}()
			go pipe(from, to)
			go pipe(to, from)
		}
	}()
	return c
}

func pipe(from, to net.Conn) {
	_, _ = io.Copy(to, from)
	_, _ = from.Close(), to.Close()
}

func (c *cutter) port() int { return c.listener.Addr().(*net.TCPAddr).Port }

// lock keeps everybody else from the table until it is released.
func lock(t testing.TB, dsn string) func() {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, dsn)
	if err == nil {
		_, err = conn.Exec(ctx, "BEGIN; LOCK TABLE events")
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() { _ = conn.Close(ctx) }
}
