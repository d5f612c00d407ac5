package testserver

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// Valkey starts a Valkey or Redis with its log on disk as the mesh configures it. While the fsync of a second is under way it answers before the log is
// written, for two seconds at most (flushAppendOnlyFile in its aof.c), so that a kill may take back what was acknowledged.
func Valkey() (*Server, error) { return valkey("everysec") }

// DurableValkey is one that answers only when its log is on disk.
func DurableValkey() (*Server, error) { return valkey("always") }

func valkey(fsync string) (*Server, error) {
	program, root, err := find("valkey-server", "redis-server")
	if err != nil {
		return nil, err
	}
	s, err := newServer("mesh-valkey-")
	if err != nil {
		return nil, err
	}
	s.Lags = fsync != "always"
	s.env = libraries(root)
	s.command = []string{program, "--port", fmt.Sprint(s.Port), "--bind", "127.0.0.1", "--dir", s.Data, "--save", "", "--appendonly", "yes",
		"--appendfsync", fsync, "--maxmemory-policy", "noeviction"}
	s.answers = func(port int) error {
		client := redis.NewClient(&redis.Options{Addr: fmt.Sprintf("127.0.0.1:%d", port), MaxRetries: -1})
		defer func() { _ = client.Close() }()
		return client.Ping(context.Background()).Err()
	}
	return s, s.Start()
}
