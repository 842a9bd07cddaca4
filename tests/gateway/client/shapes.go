// Documents of OpenFaaS' API, with the types that its clients read them into.
package main

import "time"

type resources struct {
	Memory string `json:"memory,omitempty"`
	CPU    string `json:"cpu,omitempty"`
	GPU    string `json:"nvidia.com/gpu,omitempty"`
}

type deployment struct {
	Service      string            `json:"service"`
	Image        string            `json:"image"`
	Namespace    string            `json:"namespace,omitempty"`
	EnvProcess   string            `json:"envProcess,omitempty"`
	EnvVars      map[string]string `json:"envVars,omitempty"`
	Constraints  []string          `json:"constraints,omitempty"`
	Secrets      []string          `json:"secrets,omitempty"`
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	Limits       *resources        `json:"limits,omitempty"`
	Requests     *resources        `json:"requests,omitempty"`
	ReadOnlyRoot bool              `json:"readOnlyRootFilesystem,omitempty"`
}

type status struct {
	Name              string            `json:"name"`
	Image             string            `json:"image"`
	Namespace         string            `json:"namespace"`
	EnvProcess        string            `json:"envProcess"`
	EnvVars           map[string]string `json:"envVars"`
	Secrets           []string          `json:"secrets"`
	Labels            map[string]string `json:"labels"`
	Annotations       map[string]string `json:"annotations"`
	Limits            *resources        `json:"limits"`
	InvocationCount   float64           `json:"invocationCount"`
	Replicas          uint64            `json:"replicas"`
	AvailableReplicas uint64            `json:"availableReplicas"`
	CreatedAt         time.Time         `json:"createdAt"`
}

type secret struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace,omitempty"`
	Value     string `json:"value,omitempty"`
	RawValue  []byte `json:"rawValue,omitempty"`
}

type release struct {
	Release string `json:"release"`
	SHA     string `json:"sha"`
}

type info struct {
	Provider *struct {
		Provider      string   `json:"provider"`
		Orchestration string   `json:"orchestration"`
		Version       *release `json:"version"`
	} `json:"provider"`
	Version *release `json:"version"`
	Arch    string   `json:"arch"`
}

type message struct {
	Name      string    `json:"name"`
	Namespace string    `json:"namespace"`
	Instance  string    `json:"instance"`
	Timestamp time.Time `json:"timestamp"`
	Text      string    `json:"text"`
}
