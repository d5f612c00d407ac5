package main

import (
	"encoding/json"
	"fmt"
	"io"

	"istio.io/istio/pilot/pkg/config/kube/crd"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/constants"
	"istio.io/istio/pkg/config/schema/collections"
)

// finding is what is wrong with one object; both are empty where nothing is.
type finding struct {
	Error   string `json:"error,omitempty"`
	Warning string `json:"warning,omitempty"`
}

// validateAll writes one finding for each object.
func validateAll(in io.Reader, out io.Writer) error {
	var objects []crd.IstioKind
	if err := json.NewDecoder(in).Decode(&objects); err != nil {
		return fmt.Errorf("objects: %w", err)
	}
	findings := make([]finding, len(objects))
	for i := range objects {
		warning, err := validateOne(&objects[i])
		if err != nil {
			findings[i].Error = err.Error()
		}
		if warning != nil {
			findings[i].Warning = warning.Error()
		}
	}
	return json.NewEncoder(out).Encode(findings)
}

func validateOne(object *crd.IstioKind) (warning, err error) {
	kind := object.GroupVersionKind()
	schema, known := collections.Pilot.FindByGroupVersionAliasesKind(config.FromKubernetesGVK(kind))
	if !known {
		return nil, fmt.Errorf("%s is no kind of Istio", kind)
	}
	converted, err := crd.ConvertObject(schema, object, constants.DefaultClusterLocalDomain)
	if err != nil {
		return nil, err
	}
	return schema.ValidateConfig(*converted)
}
