// Judges objects of Kubernetes with the code of Argo CD, Flux and kstatus. It answers one line of JSON on standard input with one on
// standard output; what Python wants to know of an object is in "judge".
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

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
	// Of an API server to apply the desired object to.
	Kubeconfig string `json:"kubeconfig"`
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
	"flux-apply":   fluxApply,
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
