package kafka

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/warpstreamlabs/bento/public/service"
)

func TestCredentialsReachTheBrokers(t *testing.T) {
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"), kfake.EnableSASL(), kfake.Superuser(mechanism, "mesh", "secret"))
		if err != nil {
			t.Fatal(err)
		}
		defer cluster.Close()
		for password, fits := range map[string]bool{"secret": true, "wrong": false} {
			conf, err := spec().ParseYAML(fmt.Sprintf("seed_brokers: [%q]\ntopics: [\"t:0\"]\nsasl: [{ mechanism: %s, username: mesh, password: %s }]",
				strings.Join(cluster.ListenAddrs(), ","), mechanism, password), nil)
			if err != nil {
				t.Fatal(err)
			}
			s, err := parse(conf)
			if err != nil {
				t.Fatal(err)
			}
			in := newInput(s, service.MockResources())
			ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
			if err := in.Connect(ctx); (err == nil) != fits {
				t.Errorf("%s with password %s: %v", mechanism, password, err)
			}
			cancel()
			if err := in.Close(context.Background()); err != nil {
				t.Error(err)
			}
		}
	}
}
