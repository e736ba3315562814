package main

import (
	"context"
	"fmt"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	flux "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/runtime/cel"
	"github.com/fluxcd/pkg/ssa"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

const manager = "kustomize-controller"

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

// Applies the desired object as kustomize-controller does; says what became of it.
func fluxApply(asked question) (any, error) {
	config, err := clientcmd.BuildConfigFromFlags("", asked.Kubeconfig)
	if err != nil {
		return nil, err
	}
	server, err := client.New(config, client.Options{})
	if err != nil {
		return nil, err
	}
	resources := ssa.NewResourceManager(server, nil, ssa.Owner{Field: manager, Group: flux.GroupVersion.Group})
	change, err := resources.Apply(context.Background(), asked.Desired, fluxOptions())
	if err != nil {
		return nil, err
	}
	return change.Action.String(), nil
}

// What kustomize-controller asks for: among others, to undo what was done with any kubectl.
func fluxOptions() ssa.ApplyOptions {
	options := ssa.DefaultApplyOptions()
	options.IfNotPresentSelector = map[string]string{flux.GroupVersion.Group + "/ssa": flux.IfNotPresentValue}
	options.Cleanup = ssa.ApplyCleanupOptions{
		Annotations: []string{corev1.LastAppliedConfigAnnotation},
		FieldManagers: []ssa.FieldManager{
			{Name: "kubectl", OperationType: metav1.ManagedFieldsOperationApply},
			{Name: "kubectl", OperationType: metav1.ManagedFieldsOperationUpdate},
			{Name: "before-first-apply", OperationType: metav1.ManagedFieldsOperationUpdate},
			{Name: manager, OperationType: metav1.ManagedFieldsOperationUpdate},
		},
		Exclusions: map[string]string{flux.GroupVersion.Group + "/ssa": flux.MergeValue},
	}
	return options
}
