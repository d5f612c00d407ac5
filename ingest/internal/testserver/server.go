// Package testserver runs temporary database servers for tests: MariaDB, Redis (or Valkey), and ClickHouse's engine behind HTTP.
//
// Programs are looked for on PATH, in /usr/sbin, and in the unpacked Debian packages of the tool cache (tools/debian.ts). Where one is missing, tests skip.
package testserver

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// errMissing is why tests skip.
var errMissing = errors.New("not found on PATH or in the tool cache")

// Server is one server on a free port of the loopback interface.
type Server struct {
	// Port of the server; it stays the same over restarts.
	Port int
	// Data is its folder.
	Data     string
	command  []string
	env      []string
	process  *exec.Cmd
	lifeline io.Closer
	answers  func(port int) error
}

// Main runs the tests of a package with a server, or without one where the program is missing: then Need skips.
func Main(m *testing.M, server **Server, start func() (*Server, error)) int {
	started, err := start()
	switch {
	case errors.Is(err, errMissing):
		fmt.Fprintln(os.Stderr, "tests with a database are skipped:", err)
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		if started != nil {
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
		t.Skip(errMissing)
	}
}

// Start starts the server and waits until it answers.
func (s *Server) Start() error {
	log, err := os.OpenFile(filepath.Join(s.Data, "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	// The shell kills the server when the pipe closes, so also when the tests are killed or time out.
	s.process = exec.Command("/bin/sh", append([]string{"-c", `"$@" & read -r _; kill -KILL $!; wait $!`, "server"}, s.command...)...)
	s.process.Stdout, s.process.Stderr, s.process.Env, s.process.Dir = log, log, append(os.Environ(), s.env...), s.Data
	if s.lifeline, err = s.process.StdinPipe(); err != nil {
		return err
	}
	if err := s.process.Start(); err != nil {
		return err
	}
	for end := time.Now().Add(60 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		err := s.answers(s.Port)
		if err == nil {
			return nil
		}
		if time.Now().After(end) {
			text, _ := os.ReadFile(filepath.Join(s.Data, "server.log"))
			return fmt.Errorf("%s does not answer: %w\n%s", s.command[0], err, text[max(0, len(text)-2000):])
		}
	}
}

// Kill ends the server with kill -9.
func (s *Server) Kill() error {
	if err := s.lifeline.Close(); err != nil {
		return err
	}
	_ = s.process.Wait()
	return nil
}

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
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return &Server{Data: data, Port: listener.Addr().(*net.TCPAddr).Port}, listener.Close()
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
	return "", "", fmt.Errorf("%s: %w", strings.Join(programs, ", "), errMissing)
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
