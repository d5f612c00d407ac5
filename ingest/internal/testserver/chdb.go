package testserver

import (
	_ "embed"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed clickhouse_http.py
var chdbProgram []byte

// Chdb starts ClickHouse's engine of the Python package chdb behind HTTP. CHDB_SITE names the folder of packages that has it; default: those of python3.
func Chdb() (*Server, error) {
	site := os.Getenv("CHDB_SITE")
	env := []string{}
	if site != "" {
		env = append(env, "PYTHONPATH="+site)
	}
	probe := exec.Command("python3", "-c", "import chdb")
	probe.Env = append(os.Environ(), env...)
	if probe.Run() != nil {
		return nil, fmt.Errorf("%w: a Python with the package chdb", ErrMissing)
	}
	s, err := newServer("mesh-chdb-")
	if err != nil {
		return nil, err
	}
	program := filepath.Join(s.Data, "clickhouse_http.py")
	if err := os.WriteFile(program, chdbProgram, 0o644); err != nil {
		return nil, err
	}
	s.env = env
	s.command = []string{"python3", program, fmt.Sprint(s.Port), s.Data}
	s.answers = func(port int) error {
		response, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/ping", port))
		if err != nil {
			return err
		}
		return response.Body.Close()
	}
	return s, s.Start()
}
