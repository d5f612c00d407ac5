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

// Chdb starts ClickHouse's engine of the Python package chdb behind HTTP: with a Python that has it, from PATH or in `venv-chdb` of the tool cache.
func Chdb() (*Server, error) {
	python := ""
	for _, candidate := range []string{os.Getenv("CHDB_PYTHON"), filepath.Join(cacheFolder(), "venv-chdb", "bin", "python"), "python3"} {
		if candidate != "" && exec.Command(candidate, "-c", "import chdb").Run() == nil {
			python = candidate
			break
		}
	}
	if python == "" {
		return nil, fmt.Errorf("a Python with the package chdb: %w", errMissing)
	}
	s, err := newServer("mesh-chdb-")
	if err != nil {
		return nil, err
	}
	program := filepath.Join(s.Data, "clickhouse_http.py")
	if err := os.WriteFile(program, chdbProgram, 0o644); err != nil {
		return nil, err
	}
	s.command = []string{python, program, fmt.Sprint(s.Port), s.Data}
	s.answers = func(port int) error {
		response, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/ping", port))
		if err != nil {
			return err
		}
		return response.Body.Close()
	}
	return s, s.Start()
}
