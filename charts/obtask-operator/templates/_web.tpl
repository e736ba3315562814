{{- define "obtask-operator.webName" -}}
{{ include "obtask-operator.fullname" . }}-web
{{- end }}

{{- /* Other labels than the operator's: what selects the operator's Pods must not find these. */}}
{{- define "obtask-operator.webSelector" -}}
app.kubernetes.io/name: {{ include "obtask-operator.name" . | trunc 59 }}-web
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "obtask-operator.webLabels" -}}
{{ include "obtask-operator.webSelector" . }}
app.kubernetes.io/component: web
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- /* Loopback names are there for port-forwards and probes. */}}
{{- define "obtask-operator.webHosts" -}}
{{ join "," (concat (list "localhost" "127.0.0.1" "[::1]") .Values.web.hosts) }}
{{- end }}

{{- define "obtask-operator.webChecks" -}}
{{- with .Values.web }}
{{- if and (or .ingress.enabled .httpRoute.enabled) (not .hosts) }}
{{- fail "web.ingress and web.httpRoute need web.hosts: the names by which browsers call the Task Center" }}
{{- end }}
{{- if and .httpRoute.enabled (not .httpRoute.parentRefs) }}
{{- fail "web.httpRoute needs web.httpRoute.parentRefs: the Gateways that it belongs to; without them it leads nowhere" }}
{{- end }}
{{- if eq .identity "impersonate" }}
{{- if not .impersonate.groups }}
{{- fail "web.identity=impersonate needs web.impersonate.groups: the groups whose members the Task Center may act for" }}
{{- end }}
{{- if not .impersonate.users }}
{{- fail "web.identity=impersonate needs web.impersonate.users: the users whom the Task Center may act for; [\"*\"] gives it the right to act for every user, Kubernetes' own among them" }}
{{- end }}
{{- if and (has "*" .impersonate.users) (gt (len .impersonate.users) 1) }}
{{- fail "web.impersonate.users is either a list of users, or [\"*\"] alone" }}
{{- end }}
{{- if not .impersonate.secretName }}
{{- fail "web.identity=impersonate needs web.impersonate.secretName: a Secret with the key `secret`, which the proxy in front has to show" }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
