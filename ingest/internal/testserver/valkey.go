package testserver

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// Valkey starts a Valkey or Redis that keeps its log on disk: each command is in the kernel before it is answered, so that a kill tells something.
func Valkey() (*Server, error) {
	program, root, err := find("valkey-server", "redis-server")
	if err != nil {
		return nil, err
	}
	s, err := newServer("mesh-valkey-")
	if err != nil {
		return nil, err
	}
	s.env = libraries(root)
	s.command = []string{program, "--port", fmt.Sprint(s.Port), "--bind", "127.0.0.1", "--dir", s.Data, "--save", "", "--appendonly", "yes",
		"--appendfsync", "everysec", "--maxmemory-policy", "noeviction"}
	s.answers = func(port int) error {
		client := redis.NewClient(&redis.Options{Addr: fmt.Sprintf("127.0.0.1:%d", port), MaxRetries: -1})
		defer func() { _ = client.Close() }()
		return client.Ping(context.Background()).Err()
	}
	return s, s.Start()
}
