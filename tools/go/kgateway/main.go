// The kgateway controller as a plain process beside a cluster: what kgateway's own program does, except that it listens where it is told to only.
//
// kgateway's program listens on every address for xDS, metrics and health, and on fixed ports but for xDS, so that two of it cannot run on one machine.
// This one takes Envoy's questions at a socket in the file system, which reaches into every network namespace. Its settings are kgateway's variables KGW_*,
// the cluster is that of the flag -kubeconfig or of KUBECONFIG.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"net"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/kgateway-dev/kgateway/v2/api/settings"
	"github.com/kgateway-dev/kgateway/v2/pkg/kgateway/setup"
	"github.com/kgateway-dev/kgateway/v2/pkg/kgateway/wellknown"
	"github.com/kgateway-dev/kgateway/v2/pkg/validator"
	"github.com/kgateway-dev/kgateway/v2/pkg/version"
)

func main() {
	xds := flag.String("xds", "", "path of the socket at which Envoy asks for its configuration; a file that is there gives way")
	envoy := flag.String("envoy", "", "Envoy, which checks every configuration where KGW_VALIDATION_MODE is STRICT")
	printVersion := flag.Bool("version", false, "print the version of kgateway")
	flag.Parse()
	if *printVersion {
		fmt.Println("kgateway", version.Version)
		return
	}
	if err := run(*xds, *envoy); err != nil {
		log.Fatal(err)
	}
}

func run(xds, envoy string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	global, err := settings.BuildSettings()
	if err != nil {
		return err
	}
	if err := os.Remove(xds); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	listener, err := net.Listen("unix", xds)
	if err != nil {
		return fmt.Errorf("-xds: %w", err)
	}
	// Any free port of the loopback address: nobody asks the admin server, which cannot be switched off.
	wellknown.KgatewayAdminPort = 0

	server, err := setup.New(
		setup.WithGlobalSettings(global),
		setup.WithXDSListener(listener),
		setup.WithValidator(validator.NewBinary(envoy)),
		setup.WithControllerManagerOptions(func(ctx context.Context) *ctrl.Options {
			return &ctrl.Options{
				BaseContext:            func() context.Context { return ctx },
				Scheme:                 runtime.NewScheme(),
				LeaderElection:         false,
				HealthProbeBindAddress: "0",
				Metrics:                metricsserver.Options{BindAddress: "0"},
			}
		}),
	)
	if err != nil {
		return err
	}
	return server.Start(ctx)
}
