// Judges objects of Kubernetes with the code of Argo CD, Flux and kstatus. It answers one line of JSON on standard input with one on
// standard output; what Python wants to know of an object is in "judge".
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"

	argo "github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	argolua "github.com/argoproj/argo-cd/v3/util/lua"
	"github.com/argoproj/gitops-engine/pkg/diff"
	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	flux "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/runtime/cel"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

const groupKind = "task.oceanbase.com_OBTask"

type question struct {
	Judge string `json:"judge"`
	// The object as it is in the API server.
	Live *unstructured.Unstructured `json:"live"`
	// The object as it is in git; what a dry run of the API server makes of it.
	Desired   *unstructured.Unstructured `json:"desired"`
	Predicted *unstructured.Unstructured `json:"predicted"`
	// The data of the ConfigMap argocd-cm.
	Settings map[string]string `json:"settings"`
	Action   string            `json:"action"`
	// The text of an object of Argo CD or Flux.
	File string `json:"file"`
}

var judges = map[string]func(question) (any, error){
	"argo-health":  argoHealth,
	"argo-actions": argoActions,
	"argo-action":  argoAction,
	"argo-diff":    argoDiff,
	"argo-file":    argoFile,
	"kstatus":      kstatus,
	"flux-health":  fluxHealth,
	"flux-file":    fluxFile,
}

func main() {
	lines := bufio.NewReader(os.Stdin)
	answers := json.NewEncoder(os.Stdout)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		answer, err := judged(line)
		said := map[string]any{"answer": answer}
		if err != nil {
			said = map[string]any{"error": err.Error()}
		}
		if err := answers.Encode(said); err != nil {
			panic(err)
		}
	}
}

func judged(line []byte) (any, error) {
	var asked question
	if err := json.Unmarshal(line, &asked); err != nil {
		return nil, err
	}
	judge, known := judges[asked.Judge]
	if !known {
		return nil, fmt.Errorf("no such judge: %s", asked.Judge)
	}
	return judge(asked)
}

func (asked question) overrides() map[string]argo.ResourceOverride {
	return map[string]argo.ResourceOverride{
		"task.oceanbase.com/OBTask": {
			HealthLua: asked.Settings["resource.customizations.health."+groupKind],
			Actions:   asked.Settings["resource.customizations.actions."+groupKind],
		},
	}
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

func kstatus(asked question) (any, error) {
	return status.Compute(asked.Live)
}

// The health check of the Kustomization in the file that is meant for the object's kind.
func fluxHealth(asked question) (any, error) {
	var kustomization flux.Kustomization
	if err := yaml.UnmarshalStrict([]byte(asked.File), &kustomization); err != nil {
		return nil, err
	}
	for _, check := range kustomization.Spec.HealthCheckExprs {
		if check.APIVersion == asked.Live.GetAPIVersion() && check.Kind == asked.Live.GetKind() {
			evaluator, err := cel.NewStatusEvaluator(&check.HealthCheckExpressions)
			if err != nil {
				return nil, err
			}
			return evaluator.Evaluate(context.Background(), asked.Live)
		}
	}
	return nil, fmt.Errorf("no health check for %s %s", asked.Live.GetAPIVersion(), asked.Live.GetKind())
}

func fluxFile(asked question) (any, error) {
	var kustomization flux.Kustomization
	err := yaml.UnmarshalStrict([]byte(asked.File), &kustomization)
	return kustomization, err
}
