// Package testserver runs temporary database servers for tests: MariaDB, Redis (or Valkey), and ClickHouse's engine behind HTTP.
//
// Programs are looked for on PATH, in /usr/sbin, and in the unpacked Debian packages of the tool cache (tools/debian.ts). Where one is missing, tests skip.
package testserver

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// ErrMissing is why tests skip.
var ErrMissing = errors.New("the program of the database server is not found")

// Server is one server on a free port of the loopback interface.
type Server struct {
	// Port of the server; it stays the same over restarts.
	Port int
	// Data is its folder.
	Data string
	// Lags means that a kill may take back what it acknowledged last, rows and offset alike.
	Lags      bool
	command   []string
	env       []string
	process   *Process
	answers   func(port int) error
	databases atomic.Int32
}

// Main runs the tests of a package with a server, or without one where start finds no program (ErrMissing): then they skip. Where start fails otherwise,
// it returns what is left to remove, or nil.
func Main[S interface {
	comparable
	Remove()
}](m *testing.M, server *S, start func() (S, error)) int {
	started, err := start()
	var none S
	switch {
	case errors.Is(err, ErrMissing):
		fmt.Fprintln(os.Stderr, "tests with a database are skipped:", err)
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		if started != none {
			started.Remove()
		}
		return 1
	default:
		defer started.Remove()
		*server = started
	}
	return m.Run()
}

// Need skips the test where there is no server.
func (s *Server) Need(t testing.TB) {
	t.Helper()
	if s == nil {
		t.Skip(ErrMissing)
	}
}

// NewName is one that no other database of the server has. Skips the test where there is no server.
func (s *Server) NewName(t testing.TB) string {
	t.Helper()
	s.Need(t)
	return fmt.Sprintf("test_%d", s.databases.Add(1))
}

// Start starts the server and waits until it answers.
func (s *Server) Start() error {
	command := exec.Command(s.command[0], s.command[1:]...)
	command.Env, command.Dir = append(os.Environ(), s.env...), s.Data
	logFile := filepath.Join(s.Data, "server.log")
	process, err := Launch(command, "KILL", logFile)
	if err != nil {
		return err
	}
	s.process = process
	if err := WaitFor(func() error { return s.answers(s.Port) }, 60*time.Second); err != nil {
		text, _ := os.ReadFile(logFile)
		return fmt.Errorf("%s does not answer: %w\n%s", s.command[0], err, text[max(0, len(text)-2000):])
	}
	return nil
}

// Kill ends the server with kill -9.
func (s *Server) Kill() error { return s.process.Kill() }

// Remove ends the server and takes its files away.
func (s *Server) Remove() {
	if s.process != nil {
		_ = s.Kill()
	}
	_ = os.RemoveAll(s.Data)
}

func newServer(prefix string) (*Server, error) {
	data, err := os.MkdirTemp("", prefix)
	if err != nil {
		return nil, err
	}
	port, err := FreePort()
	return &Server{Data: data, Port: port}, err
}

// FreePort is one of the loopback interface.
func FreePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return listener.Addr().(*net.TCPAddr).Port, listener.Close()
}

// find looks for the first of several programs; root is the folder above usr where it is from unpacked packages.
func find(programs ...string) (path, root string, err error) {
	for _, program := range programs {
		if path, err := exec.LookPath(program); err == nil {
			return path, "", nil
		}
		if path := filepath.Join("/usr/sbin", program); isFile(path) {
			return path, "", nil
		}
		for _, folder := range []string{"bin", "sbin"} {
			found, _ := filepath.Glob(filepath.Join(cacheFolder(), "entries", "debian-*", "root", "usr", folder, program))
			for _, path := range found {
				if isFile(path) {
					return path, strings.TrimSuffix(path, filepath.Join("/usr", folder, program)), nil
				}
			}
		}
	}
	return "", "", fmt.Errorf("%w: %s on PATH or in the tool cache", ErrMissing, strings.Join(programs, ", "))
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func cacheFolder() string {
	if folder := os.Getenv("COMPUTE_MESH_CACHE"); folder != "" {
		return folder
	}
	home, _ := os.UserHomeDir()
	return filepath.Join(home, ".cache", "compute-mesh")
}

// libraries lets a program of unpacked packages find its own libraries.
func libraries(root string) []string {
	if root == "" {
		return nil
	}
	folders, _ := filepath.Glob(filepath.Join(root, "usr", "lib", "*-linux-gnu"))
	more, _ := filepath.Glob(filepath.Join(root, "lib", "*-linux-gnu"))
	return []string{"LD_LIBRARY_PATH=" + strings.Join(append(folders, more...), ":")}
}
