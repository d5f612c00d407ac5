// The control plane of Istio as a plain process beside a cluster: what pilot-discovery does, except that it listens where it is told to only.
//
// pilot-discovery answers Envoy at a port. This one does at a socket in the file system, which reaches into every network namespace; the socket is there
// when it is ready. Webhooks, certificates and injection are not asked for. Its settings are Istio's variables, as pilot-discovery reads them.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"google.golang.org/grpc"

	"istio.io/istio/pilot/pkg/bootstrap"
	istiogrpc "istio.io/istio/pilot/pkg/grpc"
	"istio.io/istio/pilot/pkg/serviceregistry/provider"
	"istio.io/istio/pkg/cluster"
	"istio.io/istio/pkg/config/constants"
	"istio.io/istio/pkg/log"
	"istio.io/istio/pkg/version"
)

func main() {
	kubeconfig := flag.String("kubeconfig", "", "the cluster")
	mesh := flag.String("mesh", "", "file with Istio's mesh configuration")
	xds := flag.String("xds", "", "path of the socket at which Envoy asks for its configuration; a file that is there gives way")
	validate := flag.Bool("validate", false, "check objects, a JSON array on standard input, as Istio's admission webhook does, and write what is wrong with each")
	printVersion := flag.Bool("version", false, "print the version of Istio")
	flag.Parse()
	if *printVersion {
		fmt.Println("istiod", version.Info.Version)
		return
	}
	task := func() error { return run(*kubeconfig, *mesh, *xds) }
	if *validate {
		task = func() error { return validateAll(os.Stdin, os.Stdout) }
	}
	if err := task(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(kubeconfig, mesh, xds string) error {
	if err := log.Configure(log.DefaultOptions()); err != nil {
		return err
	}
	args := bootstrap.NewPilotArgs(func(p *bootstrap.PilotArgs) {
		p.MeshConfigFile = mesh
		p.ShutdownDuration = time.Second
		p.RegistryOptions.KubeConfig = kubeconfig
		p.RegistryOptions.Registries = []string{string(provider.Kubernetes)}
		p.RegistryOptions.KubeOptions.DomainSuffix = constants.DefaultClusterLocalDomain
		p.RegistryOptions.KubeOptions.ClusterID = cluster.ID(provider.Kubernetes)
		p.RegistryOptions.KubeOptions.KubernetesAPIQPS = 1000
		p.RegistryOptions.KubeOptions.KubernetesAPIBurst = 2000
		// Any free port of the loopback address: its debug server cannot be switched off.
		p.ServerOptions.HTTPAddr = "127.0.0.1:0"
		p.ServerOptions.TLSOptions.TLSMinVersion = bootstrap.TLSMinVersion1_2
	})
	if err := args.Complete(); err != nil {
		return err
	}
	stop := make(chan struct{})
	server, err := bootstrap.NewServer(args)
	if err != nil {
		return err
	}
	if err := server.Start(stop); err != nil {
		return err
	}
	listener, err := listenAt(xds)
	if err != nil {
		return err
	}
	rpcs := grpc.NewServer(istiogrpc.ServerOptions(args.KeepaliveOptions, func(int64) {})...)
	server.XDSServer.Register(rpcs)
	failed := make(chan error, 1)
	go func() { failed <- rpcs.Serve(listener) }()

	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	select {
	case err = <-failed:
	case <-signals:
		rpcs.Stop()
	}
	close(stop)
	server.WaitUntilCompletion()
	return err
}

func listenAt(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("-xds: %w", err)
	}
	return listener, nil
}
