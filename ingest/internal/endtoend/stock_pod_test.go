package endtoend

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"compute-mesh.dev/ingest/internal/testdb"
	"github.com/twmb/franz-go/pkg/kgo"
)

// stockProgram is an engine that is not ours.
type stockProgram struct {
	name string
	// variable names the program's path, entries are where the tool cache has it otherwise.
	variable string
	entries  []string
	// sees is what the program reads of transactions.
	sees kgo.IsolationLevel
}

var stockPrograms = []stockProgram{
	{"connect", "REDPANDA_CONNECT", []string{"redpanda-connect-*-%s/redpanda-connect"}, kgo.ReadCommitted()},
	{"bento", "BENTO", []string{"bento-*-%s/bento", "stage-bento-%s/root/bento"}, kgo.ReadUncommitted()},
}

// eachStock runs the test with every program that is cached; the others are skipped.
func eachStock(t *testing.T, test func(t *testing.T, program stockProgram)) {
	for _, program := range stockPrograms {
		t.Run(program.name, func(t *testing.T) {
			program.need(t)
			test(t, program)
		})
	}
}

func (s stockProgram) need(t testing.TB) string {
	t.Helper()
	if path := os.Getenv(s.variable); path != "" {
		return path
	}
	cache := os.Getenv("COMPUTE_MESH_CACHE")
	if cache == "" {
		base, _ := os.UserHomeDir()
		base = filepath.Join(base, ".cache")
		if given := os.Getenv("XDG_CACHE_HOME"); filepath.IsAbs(given) {
			base = given
		}
		cache = filepath.Join(base, "compute-mesh")
	}
	newest, made := "", time.Time{}
	for _, entry := range s.entries {
		found, _ := filepath.Glob(filepath.Join(cache, "entries", fmt.Sprintf(entry, runtime.GOOS+"-"+runtime.GOARCH+"-*")))
		for _, path := range found {
			if info, err := os.Stat(path); err == nil && info.ModTime().After(made) {
				newest, made = path, info.ModTime()
			}
		}
	}
	if newest != "" {
		return newest
	}
	t.Skipf("the program %s is not cached: npm run test:all builds it", s.name)
	return ""
}

// stockPod is what the component makes of an engine that is not ours: its scripts and settings, with other addresses.
type stockPod struct {
	program stockProgram
	// port of the database.
	port      int
	directory string
	env       []string
	address   string
	replace   []string
}

func (s stockProgram) pod(t testing.TB, brokers, database string) *stockPod {
	t.Helper()
	address := freeAddress(t)
	binaries, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	d := &stockPod{program: s, port: server.Port, directory: t.TempDir(), address: address}
	d.env = append(os.Environ(), "ENGINE="+s.need(t), "PATH="+strings.Join(binaries, ":")+":"+os.Getenv("PATH"), "PGUSER=mesh", "PGPASSWORD=any", "PGHOST=127.0.0.1",
		"PGDATABASE="+database, "PGCONNECT_TIMEOUT=5", "PGOPTIONS=-c client_min_messages=warning", "WATCH_SECONDS=0.2", "INGEST_SETTINGS="+d.directory,
		"INGEST_RUN="+d.directory, "NODE_FILE="+filepath.Join(d.directory, "node.env"))
	d.replace = []string{`"kafka-0.kafka:9092"`, `"` + brokers + `"`, "0.0.0.0:4195", address, "/mesh?", "/" + database + "?"}
	d.write(t, "node.env", "MESH_NODE=x\nMESH_SHARDS=0,1,2,3\nMESH_PRIMARY_SHARDS=0,1,2,3\n")
	return d
}

func (d *stockPod) write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(d.directory, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// start runs the init container and then the engine, in a process group of their own: tries again as the kubelet does.
func (d *stockPod) start(t testing.TB) *stockProcess {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "stock-"+d.program.name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var files map[string]string
	if err := json.Unmarshal(text, &files); err != nil {
		t.Fatal(err)
	}
	replacer := strings.NewReplacer(append(d.replace, "db:5432", fmt.Sprintf("127.0.0.1:%d", d.port))...)
	for name, text := range files {
		d.write(t, name, replacer.Replace(text))
	}
	return d.run(t, `until sh "$INGEST_SETTINGS/offsets.sh" prepare; do sleep 0.1; done; exec sh "$INGEST_SETTINGS/engine.sh"`)
}

// watch runs the container beside the engine.
func (d *stockPod) watch(t testing.TB) *stockProcess {
	return d.run(t, `exec sh "$INGEST_SETTINGS/offsets.sh" watch`)
}

// wantsRestart is the question of the liveness probe.
func (d *stockPod) wantsRestart() bool {
	_, err := os.Stat(filepath.Join(d.directory, "restart"))
	return err == nil
}

func (d *stockPod) run(t testing.TB, script string) *stockProcess {
	t.Helper()
	command := exec.Command("/bin/sh", "-c", script)
	command.Env = append(d.env, fmt.Sprintf("PGPORT=%d", d.port))
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	p := &stockProcess{startProcess(t, command, d.address)}
	t.Cleanup(p.kill)
	return p
}

type stockProcess struct{ *process }

func (p *stockProcess) kill() {
	_ = syscall.Kill(-p.command.Process.Pid, syscall.SIGKILL)
	<-p.ended
}

// offsetOf is where the database is in a partition.
func offsetOf(t testing.TB, dsn string, partition int) string {
	t.Helper()
	if testdb.Text(t, dsn, "SELECT to_regclass('mesh_offsets')") == "NULL" {
		return "NULL"
	}
	return testdb.Text(t, dsn, fmt.Sprintf("SELECT max(next_offset) FROM mesh_offsets WHERE partition = %d", partition))
}
