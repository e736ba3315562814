package main

import (
	"context"
	"encoding/json"

	argo "github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	argolua "github.com/argoproj/argo-cd/v3/util/lua"
	"github.com/argoproj/gitops-engine/pkg/diff"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

const group = "task.oceanbase.com"

func (asked question) overrides() map[string]argo.ResourceOverride {
	found := map[string]argo.ResourceOverride{}
	for _, kind := range []string{"OBTask", "OBTaskTemplate", "ClusterOBTaskTemplate"} {
		found[group+"/"+kind] = argo.ResourceOverride{
			HealthLua: asked.Settings["resource.customizations.health."+group+"_"+kind],
			Actions:   asked.Settings["resource.customizations.actions."+group+"_"+kind],
		}
	}
	return found
}

func argoHealth(asked question) (any, error) {
	return argolua.ResourceHealthOverrides(asked.overrides()).GetResourceHealth(asked.Live)
}

func argoActions(asked question) (any, error) {
	machine := argolua.VM{ResourceOverrides: asked.overrides()}
	scripts, err := machine.GetResourceActionDiscovery(asked.Live)
	if err != nil {
		return nil, err
	}
	return machine.ExecuteResourceActionDiscovery(asked.Live, scripts)
}

func argoAction(asked question) (any, error) {
	machine := argolua.VM{ResourceOverrides: asked.overrides()}
	action, err := machine.GetResourceAction(asked.Live, asked.Action)
	if err != nil {
		return nil, err
	}
	return machine.ExecuteResourceAction(asked.Live, action.ActionLua, nil)
}

type dryRun struct{ predicted *unstructured.Unstructured }

func (run dryRun) Run(context.Context, *unstructured.Unstructured, string) (string, error) {
	text, err := json.Marshal(run.predicted)
	return string(text), err
}

func argoDiff(asked question) (any, error) {
	var options []diff.Option
	if asked.Predicted != nil {
		options = append(options, diff.WithServerSideDiff(true), diff.WithServerSideDryRunner(dryRun{asked.Predicted}), diff.WithIgnoreMutationWebhook(false))
	}
	result, err := diff.Diff(asked.Desired, asked.Live, options...)
	if err != nil {
		return nil, err
	}
	return map[string]any{"modified": result.Modified, "live": string(result.NormalizedLive), "predicted": string(result.PredictedLive)}, nil
}

func argoFile(asked question) (any, error) {
	var application argo.Application
	err := yaml.UnmarshalStrict([]byte(asked.File), &application)
	return application, err
}
