package testserver

import (
	"io"
	"os"
	"os/exec"
	"time"
)

// Process is a program that ends with the tests, however those end.
type Process struct {
	shell    *exec.Cmd
	lifeline io.Closer
}

// Launch starts a command and appends its output to a log. A shell above it sends the signal ("KILL") when Kill closes the pipe between, so also when the
// tests are killed or time out.
func Launch(command *exec.Cmd, signal, logFile string) (*Process, error) {
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	shell := exec.Command("/bin/sh", append([]string{"-c", `"$@" & read -r _; kill -` + signal + ` $!; wait $!`, "server"}, command.Args...)...)
	shell.Stdout, shell.Stderr, shell.Env, shell.Dir, shell.SysProcAttr = log, log, command.Env, command.Dir, command.SysProcAttr
	lifeline, err := shell.StdinPipe()
	if err != nil {
		return nil, err
	}
	return &Process{shell, lifeline}, shell.Start()
}

// Kill sends the signal and waits for the end.
func (p *Process) Kill() error {
	if err := p.lifeline.Close(); err != nil {
		return err
	}
	_ = p.shell.Wait()
	return nil
}

// WaitFor asks until there is an answer, for as long as given, and returns the last error otherwise.
func WaitFor(answer func() error, most time.Duration) error {
	for end := time.Now().Add(most); ; time.Sleep(20 * time.Millisecond) {
		err := answer()
		if err == nil || time.Now().After(end) {
			return err
		}
	}
}
